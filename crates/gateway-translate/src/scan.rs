//! A JSON scanner that finds the extent of values without reading them.
//!
//! It agrees with a full parser on every valid text (a property test holds it against one). On an
//! invalid text it may see an extent where a parser would object inside: what is relayed verbatim
//! is judged by the upstream, and what is edited changes only at a place found here. Nesting costs
//! a counter, not a stack frame, so its depth does not matter.

use std::borrow::Cow;

use gateway_types::Span;
use memchr::memchr;

/// The text is not JSON at this byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at byte {at}")]
pub struct Malformed {
    /// Byte offset from the beginning of the body.
    pub at: usize,
}

/// Where the value at `path` lies, following object keys from the top; `None` where there is none.
/// Of duplicate keys the first counts. For a string the span includes its quotes.
pub fn find(json: &[u8], path: &[&str]) -> Option<Span> {
    let mut span = 0..json.len();
    for key in path {
        span = member(json, span, key)?;
    }
    Some(span)
}

fn member(json: &[u8], within: Span, key: &str) -> Option<Span> {
    let mut found = None;
    let mut scanner = Scanner::new(&json[..within.end], within.start);
    // What stands after the wanted member need not be looked at, hence the early way out.
    let walk = scanner.object(|name, span| {
        if *name == *key.as_bytes() {
            found = Some(span);
            return Err(Stop);
        }
        Ok(())
    });
    debug_assert!(found.is_none() || matches!(walk, Err(Walk::Stopped(Stop))));
    found
}

struct Stop;

/// Why a walk over an object ended early.
#[derive(Debug)]
pub(crate) enum Walk<E> {
    Malformed(Malformed),
    Stopped(E),
}

impl<E> From<Malformed> for Walk<E> {
    fn from(fault: Malformed) -> Self {
        Self::Malformed(fault)
    }
}

/// Signs of state that another provider may have made, met on the way through a body.
///
/// Only texts in `messages` and `thinking` are looked at, and only their beginnings as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signs {
    /// A text that a gateway sealed, or an id that it made.
    sealed: bool,
    /// Opaque state that is empty: a thought without a signature.
    empty_state: bool,
    /// An id in OpenAI's form.
    foreign_call: bool,
    /// A thinking budget.
    budget: bool,
    /// The text before was the key of opaque state.
    at_state: bool,
}

impl Signs {
    /// Whether the body may hold what only an edit can judge.
    pub(crate) fn of_foreign_state(self) -> bool {
        self.sealed || self.empty_state || (self.budget && self.foreign_call)
    }

    /// Takes note of a text. Thousands pass by, so only those with a telling beginning are read.
    fn see(&mut self, text: &[u8]) {
        if let Some(head) = text.first_chunk::<4>()
            && matches!(head, b"gw1." | b"tool" | b"call" | b"budg" | b"sign" | b"encr")
        {
            self.read(text);
        } else if self.at_state {
            self.at_state = false;
            self.empty_state |= text.is_empty();
        }
    }

    #[cold]
    fn read(&mut self, text: &[u8]) {
        self.sealed |= text.starts_with(b"gw1.") || text.starts_with(b"toolu_gw1_");
        self.foreign_call |= text.starts_with(b"call_");
        self.budget |= text == b"budget_tokens";
        self.at_state = matches!(text, b"signature" | b"encrypted_content" | b"encrypted_index");
    }
}

pub(crate) struct Scanner<'b> {
    bytes: &'b [u8],
    pos: usize,
    signs: Signs,
    /// Inside a member where signs may stand.
    watching: bool,
}

impl<'b> Scanner<'b> {
    pub(crate) fn new(bytes: &'b [u8], pos: usize) -> Self {
        Self { bytes, pos, signs: Signs::default(), watching: false }
    }

    /// Walks the members of the object at the current position: `on_member` gets each key with its
    /// escapes resolved, and the extent of its value.
    pub(crate) fn object<E>(
        &mut self,
        mut on_member: impl FnMut(&[u8], Span) -> Result<(), E>,
    ) -> Result<(), Walk<E>> {
        self.blank();
        self.expect(b'{')?;
        self.blank();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.blank();
            self.expect(b':')?;
            self.blank();
            let start = self.pos;
            self.watching = matches!(&*key, b"messages" | b"thinking");
            self.value()?;
            on_member(&key, start..self.pos).map_err(Walk::Stopped)?;
            self.blank();
            if self.take(b',') {
                self.blank();
            } else {
                self.expect(b'}')?;
                return Ok(());
            }
        }
    }

    /// What has been seen so far.
    pub(crate) fn signs(&self) -> Signs {
        self.signs
    }

    /// Nothing but blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.blank();
        if self.pos == self.bytes.len() { Ok(()) } else { Err(self.malformed()) }
    }

    fn key(&mut self) -> Result<Cow<'b, [u8]>, Malformed> {
        let start = self.pos;
        self.expect(b'"')?;
        self.string_tail()?;
        let token = &self.bytes[start..self.pos];
        if memchr(b'\\', token).is_none() {
            return Ok(Cow::Borrowed(&token[1..token.len() - 1]));
        }
        let text: String = serde_json::from_slice(token).map_err(|_| Malformed { at: start })?;
        Ok(Cow::Owned(text.into_bytes()))
    }

    fn value(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => {
                self.pos += 1;
                self.string_tail()
            }
            Some(b'{' | b'[') => self.container(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                self.scalar();
                Ok(())
            }
            _ => Err(self.malformed()),
        }
    }

    /// Over an object or array: brackets are counted, strings jumped over.
    fn container(&mut self) -> Result<(), Malformed> {
        let mut depth = 0usize;
        while let Some(&byte) = self.bytes.get(self.pos) {
            self.pos += 1;
            match byte {
                b'"' => {
                    let start = self.pos;
                    self.string_tail()?;
                    if self.watching {
                        self.signs.see(&self.bytes[start..self.pos - 1]);
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Err(self.malformed())
    }

    fn scalar(&mut self) {
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                break;
            }
            self.pos += 1;
        }
    }

    /// From behind the opening quote to behind the closing one.
    ///
    /// Only quotes are searched for, and the few that are escaped looked at: texts are full of `\n`,
    /// and stopping at each of those costs twice as much.
    fn string_tail(&mut self) -> Result<(), Malformed> {
        let start = self.pos;
        loop {
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            let Some(found) = memchr(b'"', rest) else {
                self.pos = self.bytes.len();
                return Err(self.malformed());
            };
            let quote = self.pos + found;
            self.pos = quote + 1;
            let before = self.bytes[start..quote].iter().rev();
            if before.take_while(|byte| **byte == b'\\').count() % 2 == 0 {
                return Ok(());
            }
        }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.pos += usize::from(hit);
        hit
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn malformed(&self) -> Malformed {
        Malformed { at: self.pos.min(self.bytes.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_follows_keys_and_ignores_the_same_name_elsewhere() {
        let json = br#"{"type":"message_start","x":{"model":"no"},"message":{"id":"m","model":"yes"},"model":"no"}"#;
        let span = find(json, &["message", "model"]).expect("is there");
        assert_eq!(&json[span], br#""yes""#);
        assert_eq!(find(json, &["message", "usage"]), None);
        assert_eq!(find(json, &["type", "model"]), None);
        assert_eq!(find(b"[1]", &["model"]), None);
    }

    #[test]
    fn find_reads_only_as_far_as_it_must() {
        assert_eq!(find(br#"{"model":"m","rest": broken"#, &["model"]), Some(9..12));
    }

    #[test]
    fn depth_costs_no_stack() {
        let (open, close) = ("[".repeat(2_000_000), "]".repeat(2_000_000));
        let deep = format!("{{\"a\":{open}{close},\"model\":1}}");
        assert!(find(deep.as_bytes(), &["model"]).is_some());
    }
}
