//! The shape of a dialect: what a caller speaks ([`Ingress`]), what an upstream speaks ([`Egress`]),
//! and the state machine that reads an upstream's reply ([`ReplyReader`]).
//!
//! All of it is pure: bytes and values in, bytes and values out.

use gateway_types::{ApiError, Endpoint, EventSink, Fault, Feature, Losses, ReplyUsage, Request};
use http::{HeaderMap, StatusCode};

use crate::Keyring;

/// What a caller speaks.
pub trait Ingress {
    /// Reads a request, borrowing from its body.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](gateway_types::ErrorKind) naming the field, when the body is no
    /// request of this dialect.
    fn decode<'b>(&self, body: &'b [u8]) -> Result<Request<'b>, ApiError>;

    /// A writer for the reply.
    fn writer(&self, cx: &ReplyCx<'_>) -> Box<dyn ReplyWriter>;
}

/// What a writer of a reply has to know.
#[derive(Debug, Clone, Copy)]
pub struct ReplyCx<'a> {
    /// The reply's id.
    pub id: &'a str,
    /// The model's name as the caller asked for it.
    pub model: &'a str,
    /// Whether the caller asked for a stream.
    pub stream: bool,
}

/// Turns events into the bytes of a reply: a stream, or one folded body.
pub trait ReplyWriter: EventSink + Send + std::fmt::Debug {
    /// What is ready to be handed to the caller. A folded body is ready only when it is whole.
    fn take(&mut self) -> Vec<u8>;

    /// Whether the reply is whole.
    fn is_done(&self) -> bool;

    /// Whether a block, or the end, has been written: from then on the caller acts on it.
    fn is_committed(&self) -> bool;

    /// An error as the last thing of this reply.
    fn error(&mut self, error: &ApiError, request_id: Option<&str>);

    /// The reply as an event sink.
    fn sink(&mut self) -> &mut dyn EventSink;
}

/// What an upstream speaks.
pub trait Egress: Send + Sync + std::fmt::Debug {
    /// Writes a request for the upstream.
    ///
    /// # Errors
    /// What can't be said in this dialect at all, as the caller is told.
    fn encode(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError>;

    /// Whether the upstream counts tokens for `model`: then a request for
    /// [`Endpoint::CountTokens`] is encoded for its counter, else only the estimate in
    /// [`Encoded::prompt_estimate`] is of use.
    fn counts(&self, model: &str) -> bool;

    /// What must be known of a model that only the upstream can tell. The answer comes back as
    /// [`AttemptCx::about`]; it is kept for a while.
    fn question(&self, model: &str) -> Option<Question> {
        let _ = model;
        None
    }

    /// What an answer without success means.
    fn fault(&self, cx: &FaultCx<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault;
}

/// What an attempt at an upstream has to know besides the request.
#[derive(Debug, Clone, Copy)]
pub struct AttemptCx<'a> {
    /// Which endpoint the caller asked.
    pub endpoint: Endpoint,
    /// The name the upstream gets.
    pub model: &'a str,
    /// The provider's configured name.
    pub provider: &'a str,
    /// Which of the provider's accounts is used; empty where there is one.
    pub account: &'a str,
    /// The reply's id: seeds what has to be unique.
    pub reply_id: &'a str,
    /// Seals and opens carried state.
    pub keys: &'a Keyring,
    /// What the upstream was found to refuse.
    pub without: &'a [Feature],
    /// The caller's `anthropic-beta`, all its values joined by commas.
    pub betas: &'a str,
    /// The upstream's answer to [`Egress::question`], if it gave one.
    pub about: Option<&'a [u8]>,
}

impl<'a> AttemptCx<'a> {
    /// An attempt of which nothing is known yet: a message to a nameless model.
    pub fn new(keys: &'a Keyring) -> Self {
        Self {
            endpoint: Endpoint::Messages,
            model: "",
            provider: "",
            account: "",
            reply_id: "",
            keys,
            without: &[],
            betas: "",
            about: None,
        }
    }
}

/// What has to be asked of an upstream before a request can be written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Path below the provider's base URL.
    pub path: String,
    /// The JSON body of a `POST`; `None`: a `GET`.
    pub body: Option<String>,
}

/// What has to be known to read an error answer.
#[derive(Debug, Clone, Copy)]
pub struct FaultCx<'a> {
    /// The provider's configured name, for the message.
    pub provider: &'a str,
    /// The name the upstream got.
    pub model: &'a str,
    /// The prompt's estimated length in tokens, for overflow texts without a number.
    pub prompt_estimate: u64,
}

/// A request as an upstream gets it.
#[derive(Debug)]
pub struct Encoded {
    /// Path below the provider's base URL, e.g. `/chat/completions`, with a query if it has one.
    pub path: String,
    /// Headers that this dialect wants beside the content's type and the credential.
    pub headers: HeaderMap,
    /// The JSON body.
    pub body: String,
    /// Whether the upstream was asked for an event stream.
    pub stream: bool,
    /// Reads the answer.
    pub reader: Box<dyn ReplyReader>,
    /// What could not be carried over.
    pub losses: Losses,
    /// The prompt's estimated length in tokens.
    pub prompt_estimate: u64,
}

/// How a body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// In good form: the final chunk, the announced length, `END_STREAM`.
    Clean,
    /// Broken off, or given up.
    Cut,
}

/// Whether more of a reply is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    More,
    /// The reply is whole; what may still come is of no interest.
    Done,
}

/// Reads the answer to one request. It knows that request: its tool names, the ids used in it, its
/// stop sequences.
pub trait ReplyReader: Send + std::fmt::Debug {
    /// Takes the next bytes of a stream, cut anywhere.
    ///
    /// # Errors
    /// What makes the reply unusable. Nothing may be pushed after it.
    fn push(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault>;

    /// The stream's body is over.
    ///
    /// # Errors
    /// When the reply is not whole.
    fn finish(&mut self, end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault>;

    /// Takes the body of an answer that is no stream.
    ///
    /// # Errors
    /// What makes the reply unusable.
    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault>;

    /// The body of a request that goes on with this reply, where the upstream stops in the middle and
    /// says how to go on. Asked once [`finish`](Self::finish) or [`whole`](Self::whole) has returned
    /// without a fault and without having ended the reply; what the request brings is then pushed
    /// to this same reader.
    fn goes_on(&mut self) -> Option<String> {
        None
    }

    /// The usage as far as it is known now.
    fn usage(&self) -> ReplyUsage;

    /// What of the reply could not be carried over.
    fn losses(&self) -> &Losses;

    /// For an answer to a counting request: the tokens counted.
    ///
    /// # Errors
    /// When the answer holds no count.
    fn count(&self, body: &[u8]) -> Result<u64, Fault>;
}
