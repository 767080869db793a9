//! Pieces of JSON that are passed on without being read.

use std::borrow::Cow;
use std::fmt;

/// The inside of a JSON string: what stands between the quotes, escapes as they were written.
///
/// Texts go from one dialect's body into another's, and all dialects are JSON: copied in this form
/// they need neither unescaping nor escaping. Two texts written one after the other are their
/// concatenation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Text<'b>(&'b str);

impl<'b> Text<'b> {
    /// From what stands between the quotes of a JSON string. The caller vouches that it does.
    pub const fn from_escaped(inner: &'b str) -> Self {
        Self(inner)
    }

    /// From a text without quotes, backslashes or control characters, such as a name of ours.
    ///
    /// # Panics
    /// When there is a character that would have to be escaped: escape it with
    /// [`escape`] instead.
    pub fn plain(text: &'b str) -> Self {
        assert!(!text.bytes().any(must_be_escaped), "not a plain text: {text:?}");
        Self(text)
    }

    /// As it stands between the quotes.
    pub const fn escaped(self) -> &'b str {
        self.0
    }

    /// Whether it is the empty text.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The text that is meant. Borrowed when there are no escapes. A lone surrogate, which no text
    /// can hold, reads as U+FFFD.
    pub fn decode(self) -> Cow<'b, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(self.0);
        }
        let mut token = String::with_capacity(self.0.len() + 2);
        token.push('"');
        token.push_str(self.0);
        token.push('"');
        serde_json::from_str(&token)
            .map_or_else(|_| Cow::Owned(decode_leniently(self.0)), Cow::Owned)
    }

    /// Whether it means `other`.
    pub fn is(self, other: &str) -> bool {
        self.0 == other || (self.0.contains('\\') && self.decode() == other)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// What `serde_json` refuses (lone surrogates, unknown escapes, raw control characters) read as well
/// as it can be.
fn decode_leniently(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // The shortest prefix that reads as a string: two, six or twelve bytes.
        let read = [2, 6, 12].into_iter().find_map(|len| {
            let token = format!("\"{}\"", rest.get(..len)?);
            Some((len, serde_json::from_str::<String>(&token).ok()?))
        });
        if let Some((len, text)) = read {
            out.push_str(&text);
            rest = &rest[len..];
        } else {
            out.push(char::REPLACEMENT_CHARACTER);
            let len = if rest.as_bytes().get(1) == Some(&b'u') { 6 } else { 2 };
            // An escape of nothing may stand before a letter of several bytes.
            let next = (len..=rest.len()).find(|at| rest.is_char_boundary(*at));
            rest = next.and_then(|at| rest.get(at..)).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Appends `text` as the inside of a JSON string.
pub fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(must_be_escaped) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// `text` as the inside of a JSON string; borrowed when nothing has to be escaped.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(must_be_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    escape(text, &mut out);
    Cow::Owned(out)
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A JSON value as it was written: kept whole, copied as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Raw<'b>(&'b str);

impl<'b> Raw<'b> {
    /// From the text of one JSON value. The caller vouches that it is one.
    pub const fn from_json(json: &'b str) -> Self {
        Self(json)
    }

    /// The value as it was written.
    pub const fn as_str(self) -> &'b str {
        self.0
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The string it is, if it is one.
    pub fn as_text(self) -> Option<Text<'b>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text(inner))
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_decodes_to_itself() {
        for text in ["", "plain", "a\"b\\c\n\r\t\u{1}\u{1f}é😀", "ends with \\"] {
            let written = escaped(text);
            assert_eq!(Text::from_escaped(&written).decode(), text);
            let token = format!("\"{written}\"");
            assert_eq!(serde_json::from_str::<String>(&token).expect("valid"), text);
        }
    }

    #[test]
    fn a_lone_surrogate_is_replaced_not_refused() {
        assert_eq!(Text::from_escaped(r"a\ud83db\n").decode(), "a\u{fffd}b\n");
        assert_eq!(Text::from_escaped(r"\ud83d\ude00").decode(), "😀");
        assert_eq!(Text::from_escaped(r"x\q\").decode(), "x\u{fffd}\u{fffd}");
        assert_eq!(Text::from_escaped(r"a\éb\ud8").decode(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn comparison_is_by_meaning() {
        assert!(Text::from_escaped(r"au\u0074o").is("auto"));
        assert!(!Text::from_escaped("auto").is("any"));
    }
}
