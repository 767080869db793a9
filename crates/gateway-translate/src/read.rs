//! A pull reader over JSON that lends what it finds.
//!
//! It goes over the text once; the caller decides for each value whether to descend, to take it as
//! it was written, or to pass over it. Brackets must match and scalars be of JSON's kinds; what a
//! string holds between its quotes is not judged, since it is copied to a party that does.

use gateway_types::{Raw, Text};
use memchr::memchr3;

use crate::cursor::{Cursor, Malformed};

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `-` or a digit
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Reads one JSON text from its beginning.
#[derive(Debug, Clone)]
pub struct Reader<'b> {
    text: &'b str,
    at: Cursor<'b>,
}

/// Nesting beyond this is refused: no request or reply is so deep, and whoever gets it next would
/// pay for it on his stack.
const MAX_DEPTH: usize = 256;

impl<'b> Reader<'b> {
    /// A reader at the beginning of `text`.
    pub fn new(text: &'b str) -> Self {
        Self { text, at: Cursor { bytes: text.as_bytes(), pos: 0 } }
    }

    /// What comes next; blanks are passed over.
    pub fn kind(&mut self) -> Result<Kind, Malformed> {
        self.at.blank();
        match self.at.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.at.malformed()),
        }
    }

    /// Walks the members of an object. `on_member` gets each key and must take its value.
    pub fn object<E: From<Malformed>>(
        &mut self,
        mut on_member: impl FnMut(&mut Self, Text<'b>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.at.blank();
        self.at.expect(b'{')?;
        self.at.blank();
        if self.at.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.at.blank();
            self.at.expect(b':')?;
            self.at.blank();
            on_member(self, key)?;
            self.at.blank();
            if self.at.take(b',') {
                self.at.blank();
            } else {
                self.at.expect(b'}')?;
                return Ok(());
            }
        }
    }

    /// Walks the elements of an array. `on_element` must take each.
    pub fn array<E: From<Malformed>>(
        &mut self,
        mut on_element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.at.blank();
        self.at.expect(b'[')?;
        self.at.blank();
        if self.at.take(b']') {
            return Ok(());
        }
        loop {
            on_element(self)?;
            self.at.blank();
            if self.at.take(b',') {
                self.at.blank();
            } else {
                self.at.expect(b']')?;
                return Ok(());
            }
        }
    }

    /// A string.
    pub fn string(&mut self) -> Result<Text<'b>, Malformed> {
        self.at.blank();
        self.at.expect(b'"')?;
        let start = self.at.pos;
        self.at.string_tail()?;
        Ok(Text::from_escaped(&self.text[start..self.at.pos - 1]))
    }

    /// Any value, as it was written.
    pub fn raw(&mut self) -> Result<Raw<'b>, Malformed> {
        self.at.blank();
        let start = self.at.pos;
        self.value()?;
        Ok(Raw::from_json(&self.text[start..self.at.pos]))
    }

    /// A string; `None` for any other value, which is passed over.
    pub fn maybe_string(&mut self) -> Result<Option<Text<'b>>, Malformed> {
        if self.kind()? == Kind::String {
            self.string().map(Some)
        } else {
            self.raw().map(|_| None)
        }
    }

    /// A whole number that fits; `None` for any other value, which is passed over.
    pub fn maybe_u64(&mut self) -> Result<Option<u64>, Malformed> {
        let raw = self.raw()?.as_str();
        // `4.0e3` is a whole number, too; nobody writes token counts beyond 2^53.
        Ok(raw.parse().ok().or_else(|| {
            let number: f64 = raw.parse().ok()?;
            let whole = number.is_finite() && number >= 0.0 && number.fract() == 0.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, not negative, and saturating is right for a limit"
            )]
            whole.then_some(number as u64)
        }))
    }

    /// A boolean; `None` for any other value, which is passed over.
    pub fn maybe_bool(&mut self) -> Result<Option<bool>, Malformed> {
        Ok(match self.raw()?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// Passes over a value.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.at.blank();
        self.value()
    }

    /// Nothing but blanks may follow.
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.at.end()
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at.pos
    }

    /// What has been read since `position`.
    pub fn since(&self, position: usize) -> &'b str {
        &self.text[position..self.at.pos]
    }

    fn value(&mut self) -> Result<(), Malformed> {
        match self.at.peek() {
            Some(b'"') => {
                self.at.pos += 1;
                self.at.string_tail()
            }
            Some(b'{' | b'[') => self.container(),
            Some(b'-' | b'0'..=b'9') => {
                let end = self
                    .rest()
                    .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
                let end = end.unwrap_or(self.rest().len());
                let valid = is_number(&self.rest().as_bytes()[..end]);
                if !valid {
                    return Err(self.at.malformed());
                }
                self.at.pos += end;
                Ok(())
            }
            _ => {
                let word =
                    ["true", "false", "null"].into_iter().find(|w| self.rest().starts_with(w));
                let word = word.ok_or_else(|| self.at.malformed())?;
                self.at.pos += word.len();
                Ok(())
            }
        }
    }

    /// Over an object or array. Only strings and brackets are looked at, but brackets must match.
    fn container(&mut self) -> Result<(), Malformed> {
        let bytes = self.text.as_bytes();
        // One bit a level: an object or an array.
        let mut stack = [0u64; MAX_DEPTH / 64];
        let mut depth = 0usize;
        while let Some(&byte) = bytes.get(self.at.pos) {
            match byte {
                b'"' => {
                    self.at.pos += 1;
                    self.at.string_tail()?;
                    continue;
                }
                b'{' | b'[' => {
                    if depth == MAX_DEPTH {
                        return Err(self.at.malformed());
                    }
                    let bit = 1u64 << (depth % 64);
                    if byte == b'{' {
                        stack[depth / 64] |= bit;
                    } else {
                        stack[depth / 64] &= !bit;
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    let object = stack[depth / 64] & (1 << (depth % 64)) != 0;
                    if object != (byte == b'}') {
                        return Err(self.at.malformed());
                    }
                    if depth == 0 {
                        self.at.pos += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.at.pos += 1;
        }
        Err(self.at.malformed())
    }

    fn rest(&self) -> &'b str {
        &self.text[self.at.pos..]
    }
}

/// A number of JSON: no leading zeros, no lone signs.
fn is_number(digits: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(digits).is_ok()
}

/// Whether `text` is one JSON value and nothing else, as a strict parser sees it.
pub fn is_json(text: &str) -> bool {
    // Most arguments are short; a long one without any bracket is no call's.
    memchr3(b'{', b'"', b'[', text.as_bytes()).is_some()
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_lent_in_order() {
        let mut seen = Vec::new();
        let mut reader =
            Reader::new(r#" {"a" : [1, {"x":"}]"}, "t\"e"] ,"b":null, "c" : -1.5e3 } "#);
        reader
            .object::<Malformed>(|r, key| {
                if key.is("a") {
                    r.array::<Malformed>(|r| {
                        seen.push(r.raw()?.as_str().to_owned());
                        Ok(())
                    })
                } else {
                    seen.push(format!("{}={}", key.escaped(), r.raw()?.as_str()));
                    Ok(())
                }
            })
            .expect("valid");
        reader.end().expect("nothing follows");
        assert_eq!(seen, ["1", r#"{"x":"}]"}"#, r#""t\"e""#, "b=null", "c=-1.5e3"]);
    }

    #[test]
    fn brackets_must_match_and_scalars_be_known() {
        for broken in [
            "[}", "{]", "[[}]", "tru", "nul", "-", "01", "1.", "[", "{\"a\"", "\"a", "", "1e", "+1",
        ] {
            let mut reader = Reader::new(broken);
            let read = reader.raw().and_then(|_| reader.end());
            assert!(read.is_err(), "{broken}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Reader::new(&deep(MAX_DEPTH)).raw().is_ok());
        assert!(Reader::new(&deep(MAX_DEPTH + 1)).raw().is_err());
    }

    #[test]
    fn numbers_of_other_spellings_are_read() {
        for (text, number) in [
            ("4096", Some(4096)),
            ("4.0e3", Some(4000)),
            ("1.5", None),
            ("-1", None),
            ("\"1\"", None),
        ] {
            assert_eq!(Reader::new(text).maybe_u64().expect("valid"), number, "{text}");
        }
    }
}
