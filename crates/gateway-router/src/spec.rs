//! What a rule can say besides a name and a provider.

use serde::Serialize;

use crate::name::strip_long_context;

/// What a rule's pattern is held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RuleKind {
    /// The model's name.
    #[default]
    ModelPattern,
    /// The path of the request, without its query.
    PathPattern,
    /// A header: the rule takes requests that carry it with a value that matches the glob.
    HeaderMatch {
        /// The header's name, in lower case.
        name: String,
        /// Glob on its value.
        value: String,
    },
    /// Nothing: it takes every request.
    CatchAll,
}

/// Conditions on a request. Those that are given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// The model is asked to think, or is asked not to.
    pub thinking: Option<bool>,
    /// The prompt has at least so many tokens, by the gateway's estimate.
    pub min_input_tokens: Option<u64>,
    /// There are images in the conversation, or none.
    pub has_images: Option<bool>,
    /// Tools are offered, or none.
    pub has_tools: Option<bool>,
    /// The server tool for web search is offered, or not.
    pub web_search: Option<bool>,
    /// It is work that nobody waits for (titles, summaries of the client's own), or is not.
    pub background: Option<bool>,
    /// The caller is one of these clients.
    pub client: Option<Vec<String>>,
    /// Which agent of the caller's asks.
    pub agent: Option<Agent>,
}

impl When {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which agent of the caller's asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agent {
    /// The one that the person talks to.
    #[default]
    Main,
    /// One that another agent has started.
    Subagent,
}

/// In which order the providers of a rule, or of a group of rules, are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they are written.
    Ordered,
    /// By chance, in proportion to their weights.
    Weighted,
    /// In turn.
    RoundRobin,
    /// The quicker of two that chance picks.
    LeastLatency,
    /// The cheapest first.
    LeastCost,
}

/// What is kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// The requests of one session of the client's.
    Session,
    /// Nothing.
    No,
}

/// Somewhere a request can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The provider's name.
    pub provider: String,
    /// The name sent upstream, else the provider decides.
    pub model: Option<String>,
}

impl Target {
    /// A provider, whatever it makes of the requested name.
    pub fn provider(name: impl Into<String>) -> Self {
        Self { provider: name.into(), model: None }
    }

    /// The same with a fixed name.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(strip_long_context(&model.into()).to_owned());
        self
    }
}

/// A second upstream that gets a share of the requests as well; its answers are thrown away.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Who gets them.
    pub to: Target,
    /// The share of the requests, from 0 to 100.
    pub percent: f64,
}
