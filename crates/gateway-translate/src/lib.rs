//! Looking at a JSON body without building a tree, and changing one value of it without touching
//! another byte.
//!
//! [`peek`] reads what routing needs from a Messages request in one pass; [`Splice`] replaces the
//! model's name and lends the result as three slices, so that nothing large is copied; [`find`]
//! locates a value in a reply. No I/O.
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

mod peek;
mod redact;
mod scan;
mod splice;

pub use peek::{PeekError, peek};
pub use redact::Redactor;
pub use scan::{Malformed, find};
pub use splice::Splice;
