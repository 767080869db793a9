//! The words every other crate of the gateway uses: what a caller is told when something fails
//! ([`ApiError`]), what was asked for ([`Envelope`], [`Request`]), what is answered ([`Event`], and in
//! which order: [`Grammar`]), what a translation could not carry over ([`Loss`]), and what it cost
//! ([`Usage`]).
//!
//! No I/O, no clock, no async. The crate knows no vendor beyond the Anthropic Messages API, whose
//! error names are the gateway's own.
//!
//! ```
//! use gateway_types::{ApiError, ErrorKind};
//!
//! let err = ApiError::new(ErrorKind::NotFound, "no provider serves the model `gpt-9`");
//! assert_eq!(err.status(), 404);
//! let body = err.to_body(Some("req_1"));
//! assert!(body.starts_with(br#"{"type":"error","error":{"type":"not_found_error""#));
//! ```

mod envelope;
mod error;
mod event;
mod fault;
mod loss;
mod request;
mod text;
mod usage;

pub use envelope::{Endpoint, Envelope, Span};
pub use error::{ApiError, ErrorKind, wrap_foreign};
pub use event::{BlockStart, Delta, Event, EventSink, Grammar, Illegal, ReplyUsage, StopReason};
pub use fault::{Fault, Feature, Remedy};
pub use loss::{Loss, Losses, What};
pub use request::{
    Block, BlockKind, Message, Request, Role, Source, Thinking, ThinkingDisplay, ThinkingMode,
    Tool, ToolChoice, ToolKind,
};
pub use text::{Raw, Text, escape, escaped};
pub use usage::{Usage, UsageQuality};
