//! The configuration in the router's words.

use gateway_router::{BuildError, Family, Naming, ProviderSpec, RuleSpec, Table, family_of};

use crate::model::{Config, Kind, Provider, Route};

impl Config {
    /// Compiles providers and routes; indices of the table are indices of [`Config::providers`].
    ///
    /// # Errors
    /// None for a configuration that [`crate::load`] gave; one put together by hand may not hold.
    pub fn routing(&self) -> Result<Table, BuildError> {
        let providers = self.providers.iter().map(|p| ProviderSpec {
            name: p.name.clone(),
            enabled: p.enabled,
            priority: p.priority,
            naming: naming(p),
            models: p.models.iter().map(|m| m.name.clone()).collect(),
            model_map: p.model_map.clone(),
            default_model: p.default_model.clone(),
            private: p.private,
        });
        let rules = self.routes.iter().map(rule);
        Table::build(providers.collect(), rules.collect(), self.default_provider.as_deref())
    }
}

/// A route in the router's words.
pub(crate) fn rule(r: &Route) -> RuleSpec {
    RuleSpec {
        pattern: r.pattern.clone(),
        provider: r.provider.clone(),
        model: r.model.clone(),
        priority: r.priority,
        name: r.name.clone(),
        enabled: r.enabled,
        kind: r.kind.clone(),
        when: r.when.clone(),
        weight: r.weight,
        fallbacks: r.fallbacks.clone(),
        strategy: r.strategy,
        sticky: r.sticky,
        mirror: r.mirror.clone(),
    }
}

fn naming(provider: &Provider) -> Naming {
    match provider.kind {
        // Its own models stand in for Claude's: it serves none of those by their names.
        Kind::Anthropic if stands_in(provider) => Naming::Own,
        Kind::Anthropic => Naming::Families(&[Family::Claude]),
        // A deployment may have any name; that of another vendor's model it has not.
        Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure => Naming::Families(&[Family::OpenAi]),
        Kind::Gemini => Naming::Families(&[Family::Google]),
        Kind::Vertex => Naming::Families(&[Family::Google, Family::Claude]),
        Kind::OpenRouter => Naming::Qualified,
        Kind::Bedrock => Naming::Own,
        Kind::Ollama => Naming::Open,
        Kind::Demo => Naming::Any,
    }
}

/// Whether another server's `default_model` is no Claude.
fn stands_in(provider: &Provider) -> bool {
    let elsewhere = provider.api_base.as_deref().is_some_and(|base| base != ANTHROPIC);
    let default = provider.default_model.as_deref();
    elsewhere && default.is_some_and(|model| family_of(model) != Some(Family::Claude))
}

const ANTHROPIC: &str = "https://api.anthropic.com/v1";
