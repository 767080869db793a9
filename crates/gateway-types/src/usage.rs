//! Token counts of one exchange.

use serde::{Deserialize, Serialize};

/// How much a [`Usage`] can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageQuality {
    /// The upstream reported it.
    Reported,
    /// The upstream's report was incomplete (a cut stream) or could not be read.
    Partial,
    /// Nothing was reported; the gateway counted what it saw.
    Estimated,
    /// Nothing was reported.
    #[default]
    Unknown,
}

/// Tokens of one exchange. The three input classes are disjoint: the whole prompt is
/// `input + cache_read + cache_write`, as Anthropic counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    #[serde(rename = "input_tokens")]
    pub input: u64,
    /// Tokens of the answer, thinking included.
    #[serde(rename = "output_tokens")]
    pub output: u64,
    /// Prompt tokens served from the provider's cache.
    #[serde(rename = "cache_read_input_tokens")]
    pub cache_read: u64,
    /// Prompt tokens written to the provider's cache, all lifetimes together.
    #[serde(rename = "cache_creation_input_tokens")]
    pub cache_write: u64,
}
