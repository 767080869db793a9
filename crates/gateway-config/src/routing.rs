//! The configuration in the router's words.

use gateway_router::{BuildError, Family, ProviderSpec, RuleSpec, Table};

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
            family: match p.kind {
                Kind::Anthropic => Some(Family::Claude),
                Kind::OpenAi | Kind::OpenAiResponses => Some(Family::OpenAi),
                Kind::Azure => Some(Family::OpenAi),
                Kind::Gemini => Some(Family::Google),
                Kind::Demo | Kind::OpenRouter | Kind::Vertex | Kind::Bedrock | Kind::Ollama => None,
            },
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
