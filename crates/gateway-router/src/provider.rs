//! One provider, and what a requested name is called there.

use std::borrow::Cow;

use crate::build::BuildError;
use crate::name::{Naming, strip_long_context, without_date};
use crate::pattern::{Patterns, Reading};

/// What routing needs to know of one provider.
#[derive(Debug, Clone)]
pub struct ProviderSpec {
    /// The configured name.
    pub name: String,
    /// A disabled provider is never chosen.
    pub enabled: bool,
    /// Among providers that list a model the highest is asked.
    pub priority: i64,
    /// Which names it understands.
    pub naming: Naming,
    /// Names it is known to serve.
    pub models: Vec<String>,
    /// Glob on the requested name → name sent; the first that matches counts.
    pub model_map: Vec<(String, String)>,
    /// Sent in place of a name of another vendor's family which it does not list.
    pub default_model: Option<String>,
    /// What is routed to it never goes to another provider, whatever the caller picks.
    pub private: bool,
}

impl ProviderSpec {
    /// An enabled provider that takes any name as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            enabled: true,
            priority: 0,
            naming: Naming::Any,
            models: Vec::new(),
            model_map: Vec::new(),
            default_model: None,
            private: false,
        }
    }

    /// Whether it lists the name, with or without its date.
    pub(crate) fn serves(&self, name: &str) -> bool {
        let lists = |name: &str| self.models.iter().any(|m| m == name);
        lists(name) || without_date(name).is_some_and(lists)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) spec: ProviderSpec,
    map: Patterns,
}

impl Provider {
    pub(crate) fn new(mut spec: ProviderSpec) -> Result<Self, BuildError> {
        for (_, target) in &mut spec.model_map {
            *target = strip_long_context(target).to_owned();
        }
        spec.default_model = spec.default_model.map(|m| strip_long_context(&m).to_owned());
        for model in &mut spec.models {
            *model = strip_long_context(model).to_owned();
        }
        let map = Patterns::new(Reading::Model, spec.model_map.iter().map(|(p, _)| p.as_str()))
            .map_err(|(at, error)| BuildError::Pattern {
                by: format!("`model_map` of the provider `{}`", spec.name),
                pattern: spec.model_map[at].0.clone(),
                error,
            })?;
        Ok(Self { spec, map })
    }

    /// The name it gets where nothing else fixes it.
    pub(crate) fn model<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        if let Some(first) = self.map.first(name) {
            return Cow::Borrowed(&self.spec.model_map[first].1);
        }
        match &self.spec.default_model {
            Some(default) if self.spec.naming.is_foreign(name) && !self.spec.serves(name) => {
                Cow::Borrowed(default)
            }
            _ => Cow::Borrowed(name),
        }
    }
}
