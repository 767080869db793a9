//! What holds for a name that a request says, listed or not.

use std::ops::Deref;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::family::presumed;
use crate::model::Model;

/// A listed model, or what is presumed of an unlisted one. Reads as the [`Model`] it is.
///
/// Codecs ask this and never look at names themselves.
///
/// ```
/// use gateway_models::{Effort, Facts, Reasoning};
///
/// let future = Facts::of("gpt-5.9-foo");
/// assert!(!future.is_listed());
/// assert!(future.endpoints.responses && !future.endpoints.chat_with_tools);
/// assert_eq!(future.nearest_effort(Effort::Minimal), Some(Effort::Low));
/// assert_eq!(future.context_window, None);
/// ```
#[derive(Clone, Debug)]
pub struct Facts {
    model: Arc<Model>,
    listed: bool,
}

impl Facts {
    /// What the built-in catalogue knows of `name`, else what its family does. With an overlay use
    /// [`Catalogue::facts`].
    pub fn of(name: &str) -> Self {
        Catalogue::builtin().facts(name)
    }

    /// Whether the catalogue lists it; else only the habits of its family are known.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    pub(crate) fn listed(model: Arc<Model>) -> Self {
        Self { model, listed: true }
    }

    pub(crate) fn presumed(name: &str) -> Self {
        Self { model: Arc::new(presumed(name)), listed: false }
    }
}

impl Deref for Facts {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}
