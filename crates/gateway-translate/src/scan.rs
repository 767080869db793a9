//! A JSON scanner that finds the extent of values without reading them.
//!
//! It agrees with a full parser on every valid text (a property test holds it against one). On an
//! invalid text it may see an extent where a parser would object inside: what is relayed verbatim
//! is judged by the upstream, and what is edited changes only at a place found here. Nesting costs
//! a counter, not a stack frame, so its depth does not matter.

use std::borrow::Cow;

use gateway_types::Span;
use memchr::memchr;

use crate::cursor::{Cursor, Malformed};
use crate::signs::Signs;

/// Where the value at `path` lies, following object keys from the top; `None` where there is none.
/// Of duplicate keys the first counts. For a string the span includes its quotes.
pub fn find(json: &[u8], path: &[&str]) -> Option<Span> {
    let mut span = 0..json.len();
    for key in path {
        span = member(json, span, key)?;
    }
    Some(span)
}

/// Lends the key (escapes resolved) and the extent of each member of the object that `json` is, in
/// order; the values are not read.
///
/// # Errors
/// When it is no object, or ends early: then what came before has been lent.
pub fn members(json: &[u8], mut on_member: impl FnMut(&[u8], Span)) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(json, 0);
    let walk = scanner.object(|key, span| {
        on_member(key, span);
        Ok::<(), Malformed>(())
    });
    match walk {
        Ok(()) => scanner.end(),
        Err(Walk::Malformed(fault) | Walk::Stopped(fault)) => Err(fault),
    }
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

pub(crate) struct Scanner<'b> {
    at: Cursor<'b>,
    signs: Signs,
    /// Inside a member where signs may stand.
    watching: bool,
}

impl<'b> Scanner<'b> {
    pub(crate) fn new(bytes: &'b [u8], pos: usize) -> Self {
        Self { at: Cursor { bytes, pos }, signs: Signs::default(), watching: false }
    }

    /// Walks the members of the object at the current position: `on_member` gets each key with its
    /// escapes resolved, and the extent of its value.
    pub(crate) fn object<E>(
        &mut self,
        mut on_member: impl FnMut(&[u8], Span) -> Result<(), E>,
    ) -> Result<(), Walk<E>> {
        self.at.blank();
        self.at.expect(b'{')?;
        self.at.blank();
        if self.at.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.at.blank();
            self.at.expect(b':')?;
            self.at.blank();
            let start = self.at.pos;
            self.watching = matches!(&*key, b"messages" | b"thinking");
            self.value()?;
            on_member(&key, start..self.at.pos).map_err(Walk::Stopped)?;
            self.at.blank();
            if self.at.take(b',') {
                self.at.blank();
            } else {
                self.at.expect(b'}')?;
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
        self.at.end()
    }

    fn key(&mut self) -> Result<Cow<'b, [u8]>, Malformed> {
        let start = self.at.pos;
        self.at.expect(b'"')?;
        self.at.string_tail()?;
        let token = &self.at.bytes[start..self.at.pos];
        if memchr(b'\\', token).is_none() {
            return Ok(Cow::Borrowed(&token[1..token.len() - 1]));
        }
        let text: String = serde_json::from_slice(token).map_err(|_| Malformed { at: start })?;
        Ok(Cow::Owned(text.into_bytes()))
    }

    fn value(&mut self) -> Result<(), Malformed> {
        match self.at.peek() {
            Some(b'"') => {
                self.at.pos += 1;
                self.at.string_tail()
            }
            Some(b'{' | b'[') => self.container(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                self.scalar();
                Ok(())
            }
            _ => Err(self.at.malformed()),
        }
    }

    /// Over an object or array: brackets are counted, strings jumped over.
    fn container(&mut self) -> Result<(), Malformed> {
        let mut depth = 0usize;
        while let Some(&byte) = self.at.bytes.get(self.at.pos) {
            self.at.pos += 1;
            match byte {
                b'"' => {
                    let start = self.at.pos;
                    self.at.string_tail()?;
                    if self.watching {
                        self.signs.see(&self.at.bytes[start..self.at.pos - 1]);
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
        Err(self.at.malformed())
    }

    fn scalar(&mut self) {
        while let Some(byte) = self.at.peek() {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                break;
            }
            self.at.pos += 1;
        }
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
