//! What is known of one model.

use serde::{Deserialize, Serialize};

use crate::effort::Effort;
use crate::family::Family;
use crate::price::Prices;

/// One model, as its vendor describes it. A fact that is not known is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The name a client asks for.
    pub id: String,
    /// The name a person reads.
    pub display_name: String,
    /// Who makes it, in lower case (`anthropic`, `openai`); empty when unknown.
    pub vendor: String,
    /// The line it belongs to.
    pub family: Family,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// The longest prompt in tokens, where the vendor limits it below the window.
    pub max_input: Option<u64>,
    /// The longest answer in tokens, reasoning included.
    pub max_output: Option<u64>,
    /// The efforts it takes, lowest first; empty: it has no effort control.
    pub efforts: Vec<Effort>,
    /// The efforts it takes on Chat Completions, where those are fewer.
    pub chat_efforts: Option<Vec<Effort>>,
    /// The effort of a request that names none.
    pub default_effort: Option<Effort>,
    /// Whether it reasons.
    pub reasoning: Reasoning,
    /// What else it can do.
    pub capabilities: Capabilities,
    /// When it takes `temperature` and `top_p`; absent: not known.
    pub sampling: Option<Sampling>,
    /// List prices.
    pub prices: Option<Prices>,
    /// Where an OpenAI-shaped vendor serves it.
    pub endpoints: Endpoints,
    /// The announced last day, as `YYYY-MM-DD`.
    pub retires: Option<String>,
}

/// Whether a model reasons before it answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// It cannot.
    Never,
    /// It cannot be kept from it.
    Always,
    /// As the request says. Also what is presumed of a model that nothing is known of.
    Optional,
}

/// When a model takes a `temperature` other than 1, `top_p` and `logprobs`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Never: such a request is refused.
    Never,
    /// While it reasons with effort `none`.
    WithoutReasoning,
    /// Always.
    Always,
}

/// The APIs an OpenAI-shaped vendor serves a model on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Chat Completions.
    pub chat: bool,
    /// Responses.
    pub responses: bool,
    /// Function tools on Chat Completions, at any effort.
    pub chat_with_tools: bool,
}

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a model can do beyond text: yes, no, or not known.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[non_exhaustive]
        pub struct Capabilities {
            $($(#[$doc])* pub $name: Option<bool>,)*
        }

        impl Capabilities {
            /// The words that `can` and `cannot` of a catalogue row take.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The capability of that name, to be set.
            pub(crate) fn named(&mut self, name: &str) -> Option<&mut Option<bool>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// Takes from `other` what is not known yet.
            pub(crate) fn fill(&mut self, other: Self) {
                $(self.$name = self.$name.or(other.$name);)*
            }
        }
    };
}

capabilities! {
    /// Calls functions.
    tools,
    /// Calls several at once, and takes `parallel_tool_calls`.
    parallel_tools,
    /// Can be made to call a function, or a certain one.
    forced_tools,
    /// Sees images.
    vision,
    /// Reads PDF files.
    pdf,
    /// Keeps to a JSON schema.
    json_schema,
    /// Searches the web by a tool of the vendor's.
    web_search,
    /// Stops at given texts (`stop`).
    stop,
    /// Caches prompts, whether asked to or not.
    prompt_cache,
    /// Decides itself how much to think (`thinking: {"type": "adaptive"}`).
    adaptive_thinking,
    /// Thinks up to a budget (`thinking: {"type": "enabled", "budget_tokens": …}`).
    budget_thinking,
}

impl Model {
    /// The longest prompt, in tokens: what a text about overflow should say.
    pub fn prompt_limit(&self) -> Option<u64> {
        match (self.max_input, self.context_window) {
            // A person may have made the window smaller than the vendor's limit.
            (Some(input), Some(window)) => Some(input.min(window)),
            (input, window) => input.or(window),
        }
    }

    /// The effort to ask for when `wanted` is wanted; see [`Effort::nearest`]. `None`: send none.
    pub fn nearest_effort(&self, wanted: Effort) -> Option<Effort> {
        wanted.nearest(&self.efforts)
    }

    /// As [`nearest_effort`](Self::nearest_effort), on Chat Completions.
    pub fn nearest_chat_effort(&self, wanted: Effort) -> Option<Effort> {
        wanted.nearest(self.chat_efforts.as_deref().unwrap_or(&self.efforts))
    }

    /// Whether a request may carry `temperature` or `top_p`; `effort` is the one it names, if it
    /// names one. `None`: not known.
    pub fn takes_sampling(&self, effort: Option<Effort>) -> Option<bool> {
        Some(match self.sampling? {
            Sampling::Never => false,
            Sampling::WithoutReasoning => effort.or(self.default_effort) == Some(Effort::None),
            Sampling::Always => true,
        })
    }

    /// `max_tokens` brought down to what the model can answer.
    pub fn clamp_output(&self, max_tokens: u64) -> u64 {
        self.max_output.map_or(max_tokens, |most| max_tokens.min(most))
    }
}
