//! The configuration in the router's words.

use gateway_router::{BuildError, Family, Naming, ProviderSpec, RuleSpec, Table};

use crate::model::{Config, Kind};

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
            naming: naming(p.kind),
            models: p.models.iter().map(|m| m.name.clone()).collect(),
            model_map: p.model_map.clone(),
            default_model: p.default_model.clone(),
            private: p.private,
        });
        let rules = self.routes.iter().map(|r| RuleSpec {
            pattern: r.pattern.clone(),
            provider: r.provider.clone(),
            model: r.model.clone(),
            priority: r.priority,
            name: r.name.clone(),
            enabled: r.enabled,
        });
        Table::build(providers.collect(), rules.collect(), self.default_provider.as_deref())
    }
}

fn naming(kind: Kind) -> Naming {
    match kind {
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
