//! The Anthropic Messages dialect: what callers speak, and Anthropic-shaped upstreams too.
//!
//! Towards other dialects, [`decode`] reads a request and [`StreamWriter`] and [`Folder`] write the
//! reply ([`Messages`] is all three as an [`Ingress`](gateway_translate::Ingress)). Towards upstreams of
//! this dialect nothing is translated:
//! [`headers`] says which header goes which way; [`Relay`] passes a reply stream on byte for byte,
//! watches whether it began and ended, renames its model and reads its usage; [`reply`] reads whole
//! replies; [`fault`] reads error bodies and [`remedy`] says what may help. [`facts`] says what routing may ask. What can't go up or down as it is, is changed in place and
//! nowhere else: [`edit`] does that to requests, [`Filter`] to replies; [`overrides`] is what a rule sets. No I/O, no clock.
//!
//! ```
//! use bytes::Bytes;
//! use gateway_anthropic::{Phase, Relay};
//! use gateway_translate::Redactor;
//!
//! let mut relay = Relay::new(Some("opus".into()), Redactor::default());
//! let out = relay.push(Bytes::from_static(
//!     b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m-1\"}}\n\n",
//! ));
//! assert!(String::from_utf8_lossy(&out.concat()).contains("\"model\":\"opus\""));
//! assert_eq!(relay.phase(), Phase::Started);
//! relay.push(Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
//! assert_eq!(relay.phase(), Phase::Ended);
//! ```

mod decode;
pub mod edit;
mod facts;
pub mod fault;
mod filter;
pub mod headers;
pub mod hosted;
pub mod overrides;
pub mod presets;
mod refused;
mod relay;
mod remedy;
pub mod reply;
mod usage;
mod writer;

pub use decode::{DecodeError, decode};
pub use facts::{BodyFacts, facts};
pub use filter::{Filter, filter_message};
pub use gateway_translate::BodyEnd as StreamEnd;
pub use refused::{LEAVABLE, Refused, refused};
pub use relay::{Output, Phase, Relay};
pub use remedy::{Reading, Scope, remedy, remedy_of_event};
pub use usage::UsageTap;
pub use writer::{Folder, Messages, StreamWriter};

/// A `ping` event, as Anthropic spells it.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Writes an `error` event around an error body in Anthropic's shape.
pub fn error_event(body: &str, out: &mut Vec<u8>) {
    gateway_sse::encode(Some("error"), body.trim(), out);
}
