//! Names as parts of a path.

/// One segment of a path (or a query's value) with everything escaped that could end it: names of
/// models hold colons and slashes. What RFC 3986 leaves unreserved stays, and so does `@`, by which
/// Google writes versions.
///
/// ```
/// use gateway_translate::path_segment;
///
/// assert_eq!(path_segment("claude-sonnet-4-5@20250929"), "claude-sonnet-4-5@20250929");
/// assert_eq!(path_segment("arn:aws:x/é"), "arn%3Aaws%3Ax%2F%C3%A9");
/// ```
///
/// `.` and `..` are no names, and the caller's to refuse.
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}
