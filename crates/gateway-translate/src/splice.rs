//! One value of a body replaced, every other byte shared with the original.

use bytes::Bytes;
use gateway_types::Span;

/// A body with one span replaced: what stands before it, the new text, what stands after it.
///
/// The two outer parts share the original's memory, so a large body is never copied; they are meant
/// to be written in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Before, instead, after. Any may be empty.
    pub parts: [Bytes; 3],
}

impl Splice {
    /// `body` as it is.
    pub fn none(body: Bytes) -> Self {
        Self { parts: [body, Bytes::new(), Bytes::new()] }
    }

    /// `body` with the value at `span` replaced by the JSON string `text`.
    pub fn string(body: &Bytes, span: Span, text: &str) -> Self {
        let token = serde_json::to_vec(text).expect("a string always serialises");
        Self { parts: [body.slice(..span.start), token.into(), body.slice(span.end..)] }
    }

    /// The length in bytes of the whole.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole as one piece. Copies, unless nothing was replaced.
    pub fn concat(&self) -> Bytes {
        match &self.parts {
            [only, b, c] if b.is_empty() && c.is_empty() => only.clone(),
            parts => parts.concat().into(),
        }
    }
}
