//! Server-sent events over byte chunks, as they come off a wire.
//!
//! [`Framer`] finds where frames end and never fails: that is all a relay needs. [`Frame`] reads
//! the fields of one. [`encode`] writes one. Any way to cut a stream into chunks gives the same
//! frames. The crate knows no vendor, does no I/O and keeps at most one incomplete frame.
//!
//! ```
//! use gateway_sse::Framer;
//!
//! let mut framer = Framer::new(1 << 20);
//! let mut seen = Vec::new();
//! for chunk in [&b"event: pi"[..], b"ng\ndata: {\"type\":", b"\"ping\"}\n\n: hello\n\n"] {
//!     framer.push(chunk, |frame| {
//!         seen.push((frame.event().map(<[u8]>::to_vec), frame.data().into_owned()));
//!     });
//! }
//! assert_eq!(seen[0], (Some(b"ping".to_vec()), br#"{"type":"ping"}"#.to_vec()));
//! assert_eq!(seen[1], (None, Vec::new())); // a comment: no event, no data
//! assert!(framer.at_boundary());
//! ```
//!
//! Source of the rules: the WHATWG HTML standard, "Server-sent events" (line ends LF, CRLF or CR;
//! several `data` lines join with LF; a leading byte order mark is ignored).

mod frame;
mod framer;

pub use frame::{Frame, encode};
pub use framer::Framer;
