//! Globs over model names, paths and header values: `*` any run of characters (also `/`), `?` one, `[ab]` a class, `{a,b}`
//! alternatives. Case counts, as it does in all three.

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::name::strip_long_context;

/// Why a pattern can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    reason: String,
}

/// Whether `pattern` would be accepted in a rule or a model map.
///
/// # Errors
/// The reason in words, without the pattern itself.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    check(Reading::Model, pattern)
}

pub(crate) fn check(reading: Reading, pattern: &str) -> Result<(), PatternError> {
    glob(reading, pattern).map(|_| ())
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A model's name, without its `[1m]`.
    Model,
    /// Any text as it is.
    Text,
}

/// An ordered list of patterns, matched by one automaton.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
}

impl Patterns {
    /// Patterns on the names of models.
    ///
    /// # Errors
    /// The index of the first pattern that is no glob, and why.
    pub fn of_models<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, PatternError)> {
        Self::new(Reading::Model, patterns)
    }

    /// # Errors
    /// The index of the first pattern that is no glob, and why.
    pub(crate) fn new<'a>(
        reading: Reading,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, PatternError)> {
        let mut builder = GlobSetBuilder::new();
        let mut last = 0;
        for (at, pattern) in patterns.into_iter().enumerate() {
            last = at;
            builder.add(glob(reading, pattern).map_err(|e| (at, e))?);
        }
        let set =
            builder.build().map_err(|e| (last, PatternError { reason: e.kind().to_string() }))?;
        Ok(Self { set })
    }

    /// Whether any of them matches. A `[1m]` is no part of a name, and to be taken off before.
    pub fn any(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    /// The indices of the patterns that match, ascending.
    pub(crate) fn matches(&self, name: &str) -> Vec<usize> {
        if self.set.is_empty() { Vec::new() } else { self.set.matches(name) }
    }

    /// The first pattern that matches.
    pub(crate) fn first(&self, name: &str) -> Option<usize> {
        self.matches(name).first().copied()
    }
}

/// One pattern alone, for explanations.
pub(crate) fn matcher(reading: Reading, pattern: &str) -> Result<GlobMatcher, PatternError> {
    glob(reading, pattern).map(|g| g.compile_matcher())
}

fn glob(reading: Reading, pattern: &str) -> Result<Glob, PatternError> {
    let pattern = match reading {
        // A trailing `[1m]` is the client's marker, not a class of the characters `1` and `m`: names are
        // matched without it, so patterns are read without it.
        Reading::Model => strip_long_context(pattern),
        Reading::Text => pattern,
    };
    if pattern.is_empty() {
        return Err(PatternError { reason: "the pattern is empty".to_owned() });
    }
    GlobBuilder::new(pattern)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .map_err(|e| PatternError { reason: e.kind().to_string() })
}
