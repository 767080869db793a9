//! The environment that credentials are looked for in.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "gcp")]
use std::path::PathBuf;
use std::sync::Arc;

/// Environment variables: the process's own, or a fixed set (tests, embedders).
///
/// The AWS chain is the exception: the crate that walks it reads the process's environment.
#[derive(Clone, Default)]
pub struct Env(Option<Arc<BTreeMap<String, String>>>);

impl Env {
    /// The process's environment, read at the moment of each question.
    pub fn process() -> Self {
        Self(None)
    }

    /// A fixed set of variables; no other is seen.
    pub fn fixed<'a>(variables: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self(Some(Arc::new(owned.collect())))
    }

    /// A variable's value; an empty one counts as unset, as it does for the vendors' own tools.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match &self.0 {
            Some(fixed) => fixed.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
        .filter(|value| !value.is_empty())
    }

    /// The user's home directory.
    #[cfg(feature = "gcp")]
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from)
    }
}

/// Values may be secrets, names are not.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(fixed) => f.debug_list().entries(fixed.keys()).finish(),
            None => f.write_str("the process's environment"),
        }
    }
}
