//! What every dialect shares: the shapes of a translation, and the machinery that makes one.
//!
//! * **Looking and editing.** [`peek`] reads what routing needs from a Messages request in one pass;
//!   [`Splice`] replaces the model's name without copying anything large; [`find`] locates a value, [`members`] all of an object's.
//! * **Translating.** [`Egress`] writes a request for an upstream and gives the [`ReplyReader`] of its
//!   answer; [`Ingress`] reads a caller's request and gives the [`ReplyWriter`] of the reply. Dialects are
//!   built from [`Reader`] and [`Json`] (reading and writing without a tree), [`rounds`] (a conversation
//!   in the order others want), [`NameMap`] and [`caller_id`] (names and ids, there and back), and the
//!   [`Assembler`], which makes a legal sequence of events of whatever an upstream says in whatever order.
//! * **Carrying.** [`Keyring`] seals state that a provider wants back, so that callers can carry it.
//!
//! No I/O, no clock, no luck.
//!
//! ```
//! use bytes::Bytes;
//! use gateway_translate::{Splice, peek};
//!
//! let body = Bytes::from_static(br#"{"model":"opus","max_tokens":9,"stream":true,"messages":[]}"#);
//! let ask = peek(&body)?;
//! assert!(ask.model == "opus" && ask.stream && ask.max_tokens == Some(9));
//!
//! let renamed = Splice::string(&body, ask.model_span, "claude-opus-5-5");
//! assert_eq!(
//!     renamed.concat(),
//!     &br#"{"model":"claude-opus-5-5","max_tokens":9,"stream":true,"messages":[]}"#[..],
//! );
//! # Ok::<(), gateway_translate::PeekError>(())
//! ```

mod assemble;
mod conversation;
mod cursor;
mod dialect;
mod names;
mod path;
mod peek;
mod read;
mod redact;
mod scan;
mod seal;
mod signs;
mod splice;
mod stops;
mod wait;
mod write;

pub use assemble::{Assembler, CallRef, Expect, ThinkingShown};
pub use conversation::{CallResult, Placed, Round, Said, is_billing_line, rounds, visible_tools};
pub use cursor::Malformed;
pub use dialect::{
    AttemptCx, BodyEnd, Egress, Encoded, FaultCx, Flow, Ingress, Question, ReplyCx, ReplyReader,
    ReplyWriter,
};
pub use names::{NameMap, call_id, caller_id, carried_by, carrying_id, native_id};
pub use path::path_segment;
pub use peek::{PeekError, holds_foreign_state, peek};
pub use read::{Kind, Reader, is_json};
pub use redact::Redactor;
pub use scan::{find, members};
pub use seal::{Binding, Keyring, SEALED_PREFIX, Unsealed, is_sealed};
pub use splice::Splice;
pub use stops::{Scanned, Stops};
pub use wait::{Waits, rfc3339, should_retry, wait_in_text, waiting_seconds};
pub use write::{Json, StringWriter};
