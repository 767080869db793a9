//! Why a request can't be authorized.

use std::fmt;
use std::sync::Arc;

/// Why a request can't be authorized, as one line for the person who set the gateway up. It never
/// holds a token, an assertion or a secret, so it may be logged and shown.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CloudError {
    kind: CloudErrorKind,
    text: Arc<str>,
}

/// What kind of fault it is, which says who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// The settings, or a file they name, can't be used as they are.
    Setup,
    /// No credentials were found anywhere.
    Missing,
    /// This build has no support for what the settings ask for.
    Unsupported,
    /// Credentials are there, but whoever checks them refuses them: a login has expired, a secret is
    /// wrong, a role may not be taken.
    Refused,
    /// Whoever gives out credentials could not be reached, or is in trouble itself.
    Unreachable,
}

impl CloudError {
    pub(crate) fn new(kind: CloudErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: one_line(&text.into()).into() }
    }

    pub(crate) fn setup(text: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Setup, text)
    }

    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Missing, text)
    }

    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Unsupported, text)
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Refused, text)
    }

    pub(crate) fn unreachable(text: impl Into<String>) -> Self {
        Self::new(CloudErrorKind::Unreachable, text)
    }

    /// What kind of fault it is.
    pub fn kind(&self) -> CloudErrorKind {
        self.kind
    }

    /// Whether the same may work a moment later, without anybody doing something.
    pub fn is_transient(&self) -> bool {
        self.kind == CloudErrorKind::Unreachable
    }
}

impl fmt::Debug for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudError({:?}: {})", self.kind, self.text)
    }
}

/// Longest piece of somebody else's words in an error, in characters.
const MAX_QUOTED: usize = 200;

/// Somebody else's words, short enough for one line of a log.
pub(crate) fn quoted(words: &str) -> String {
    let line = one_line(words.trim());
    if line.chars().count() <= MAX_QUOTED {
        return line;
    }
    line.chars().take(MAX_QUOTED).chain(['…']).collect()
}

/// Control characters, line breaks included, would let a remote text forge lines of a log.
fn one_line(text: &str) -> String {
    text.replace("\r\n", " ").replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let error = CloudError::refused(format!("it said: {}", quoted("no\r\nINFO forged\x1b[2J")));
        assert_eq!(error.to_string(), "it said: no INFO forged [2J");
        assert_eq!(quoted(&"ä".repeat(300)).chars().count(), MAX_QUOTED + 1);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        assert!(CloudError::unreachable("x").is_transient());
        for lasting in [CloudError::setup("x"), CloudError::refused("x"), CloudError::missing("x")]
        {
            assert!(!lasting.is_transient(), "{lasting:?}");
        }
    }
}
