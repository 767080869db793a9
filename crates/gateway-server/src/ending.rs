//! How replies end before their time.

use std::time::Duration;

/// A reply that is cut on purpose: the connection is closed without the final chunk (HTTP/1.1) or
/// the stream reset (HTTP/2), so that the caller can't take it for whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply was cut")]
pub(crate) struct Aborted;

/// A caller that leaves its output unread for this long has gone.
pub(crate) const UNREAD: Duration = Duration::from_secs(60);
