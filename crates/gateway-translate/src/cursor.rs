//! A place in a JSON text: what the scanner and the reader step by.

use memchr::memchr;

/// The text is not JSON at this byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at byte {at}")]
pub struct Malformed {
    /// Byte offset from the beginning of the body.
    pub at: usize,
}

/// A place in a text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) pos: usize,
}

impl Cursor<'_> {
    /// Nothing but blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.blank();
        if self.pos == self.bytes.len() { Ok(()) } else { Err(self.malformed()) }
    }

    /// From behind the opening quote to behind the closing one.
    ///
    /// Only quotes are searched for, and the few that are escaped looked at: texts are full of `\n`,
    /// and stopping at each of those costs twice as much.
    pub(crate) fn string_tail(&mut self) -> Result<(), Malformed> {
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

    pub(crate) fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.pos += usize::from(hit);
        hit
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    pub(crate) fn malformed(&self) -> Malformed {
        Malformed { at: self.pos.min(self.bytes.len()) }
    }
}
