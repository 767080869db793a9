//! The fields of one frame, and how to write one.

use std::borrow::Cow;

use memchr::memchr2;

/// One frame: everything up to and including the blank line that ends it.
///
/// A frame may be a comment, a lone blank line or carry fields nobody knows; then [`event`] and
/// [`data`] are empty.
///
/// [`event`]: Self::event
/// [`data`]: Self::data
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    truncated: bool,
}

impl<'a> Frame<'a> {
    /// A frame from its bytes. `truncated` says that the tail did not fit the framer's limit.
    pub(crate) fn new(bytes: &'a [u8], truncated: bool) -> Self {
        Self { bytes, truncated }
    }

    /// The frame's bytes as they came, the ending blank line included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the frame was longer than the framer's limit, so that [`data`](Self::data) lacks its
    /// end.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The value of the last `event` field.
    pub fn event(&self) -> Option<&'a [u8]> {
        Lines(self.bytes).filter_map(|line| field(line, b"event")).last()
    }

    /// The `data` fields, joined with LF as the standard says; borrowed when there is but one.
    pub fn data(&self) -> Cow<'a, [u8]> {
        let mut parts = Lines(self.bytes).filter_map(|line| field(line, b"data"));
        let Some(first) = parts.next() else { return Cow::Borrowed(&[]) };
        let Some(second) = parts.next() else { return Cow::Borrowed(first) };
        let mut joined = first.to_vec();
        for part in std::iter::once(second).chain(parts) {
            joined.push(b'\n');
            joined.extend_from_slice(part);
        }
        Cow::Owned(joined)
    }

    /// Whether the frame holds at least one `data` field, which is what makes it an event.
    pub fn has_data(&self) -> bool {
        Lines(self.bytes).any(|line| field(line, b"data").is_some())
    }
}

/// Writes one event. `data` may hold line feeds; each line becomes a field of its own.
pub fn encode(event: Option<&str>, data: &str, out: &mut Vec<u8>) {
    if let Some(name) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// The value of `line` if its field name is `name`: one leading blank is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

/// Lines ended by LF, CRLF or CR; the ends are not part of them.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let Some(end) = memchr2(b'\n', b'\r', self.0) else {
            return Some(std::mem::take(&mut self.0));
        };
        let line = &self.0[..end];
        let ending = if self.0[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.0 = &self.0[end + ending..];
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame::new(bytes, false)
    }

    #[test]
    fn several_data_lines_join_with_a_line_feed() {
        let f = frame(b"data: a\ndata:b\r\ndata\n\n");
        assert_eq!(&*f.data(), b"a\nb\n");
    }

    #[test]
    fn only_one_leading_blank_is_dropped() {
        assert_eq!(&*frame(b"data:  x\n\n").data(), b" x");
        assert_eq!(&*frame(b"data:x\n\n").data(), b"x");
    }

    #[test]
    fn a_longer_field_name_is_another_field() {
        let f = frame(b"database: x\neventual: y\n\n");
        assert_eq!((f.event(), &*f.data(), f.has_data()), (None, &b""[..], false));
    }

    #[test]
    fn the_last_event_name_wins() {
        assert_eq!(frame(b"event: a\nevent: b\ndata: 1\n\n").event(), Some(&b"b"[..]));
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let mut out = Vec::new();
        encode(Some("error"), "one\ntwo", &mut out);
        assert_eq!(out, b"event: error\ndata: one\ndata: two\n\n");
        assert_eq!(&*frame(&out).data(), b"one\ntwo");
    }
}
