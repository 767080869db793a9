//! What a request asks for, found in one pass over its body without building a tree.

use std::borrow::Cow;
use std::ops::Range;

/// A byte range of a request or reply body.
pub type Span = Range<usize>;

/// Which endpoint of the Messages API was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
}

impl Endpoint {
    /// The path below the API version segment, as Anthropic spells it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
        }
    }
}

/// The few facts routing and relaying need, borrowed from the body.
///
/// `model_span` is the byte range of the JSON string token of the top-level `model`, quotes
/// included, so that the name can be replaced without touching another byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'b> {
    /// The model's name as the caller sent it, escapes resolved.
    pub model: Cow<'b, str>,
    /// Where the name stands in the body, quotes included.
    pub model_span: Span,
    /// Whether an event stream was asked for. Missing or `null` is no.
    pub stream: bool,
    /// The output limit in tokens, if it is a number that fits.
    pub max_tokens: Option<u64>,
    /// Whether the history may hold state that another provider made: sealed or empty signatures,
    /// foreign ids beside a thinking budget. Seen where it is written without escapes.
    pub foreign_state: bool,
}
