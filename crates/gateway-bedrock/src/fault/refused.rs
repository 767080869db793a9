//! What a refusal teaches: the fields of a request that a model does not take.

use gateway_types::{Feature, What};

use super::said::Said;

/// Marks of the prompt cache.
pub(super) const CACHE: Feature = Feature::Field("cachePoint");

/// What stands for a field in a text, the name by which it is left out, and what becomes of the request
/// then. The first that is named counts.
const OPTIONAL: &[(&[&str], &str, What)] = &[
    (&["cachepoint", "cache_control", "prompt caching"], "cachePoint", What::Hint),
    (&["anthropic_beta", "beta flag"], "anthropic_beta", What::Hint),
    (
        &["outputconfig", "textformat", "output_config.format", "structured output"],
        "outputConfig",
        What::Replaced,
    ),
    (
        &["output_config", "reasoning_effort", "maxreasoningeffort", "effort"],
        "effort",
        What::Dropped,
    ),
    (
        &[
            "reasoningconfig",
            "thinking.type",
            "thinking:",
            "`thinking`",
            "'thinking'",
            "additionalmodelrequestfields.thinking",
        ],
        "thinking",
        What::Dropped,
    ),
    (&["reasoningcontent", "reasoning content"], "reasoningContent", What::Dropped),
    (&["requestmetadata"], "requestMetadata", What::Hint),
    (&["servicetier", "service tier", "service_tier"], "serviceTier", What::Hint),
    (&["toolchoice", "tool_choice"], "toolChoice", What::Replaced),
    (&["tool use in streaming", "streaming mode", "converse stream"], "stream", What::Hint),
    (&["toolresult.content."], "toolResult media", What::Replaced),
    (&["image content", "support images", "support image input"], "image", What::Dropped),
    (&["status field", "toolresult.status"], "status", What::Replaced),
    (&["system messages", "system prompt"], "system", What::Replaced),
    (&["strict"], "strict", What::Dropped),
    (&["stopsequences", "stop sequences", "stop_sequences"], "stopSequences", What::Hint),
    (&["top_k", "topk"], "top_k", What::Dropped),
    (&["top_p", "topp"], "top_p", What::Dropped),
    (&["temperature"], "temperature", What::Dropped),
];

/// What becomes of a request that is sent without `field`.
pub(crate) fn fate(field: &str) -> Option<What> {
    OPTIONAL.iter().find(|(_, name, _)| *name == field).map(|(.., what)| *what)
}

/// What the text of a refusal says the request should have been without.
pub(super) fn feature(said: &Said) -> Option<Feature> {
    // Thinking of an earlier turn that was changed, or that another model made.
    let thought = [
        "invalid `signature` in `thinking`",
        "invalid signature in thinking",
        "blocks in the latest assistant message cannot be modified",
        "invalid `data` in `redacted_thinking`",
    ];
    if said.mentions(&thought) {
        return Some(Feature::ReasoningState);
    }
    let says_so = [
        "n't support",
        "not support",
        "unsupported",
        "not permitted",
        "extraneous key",
        "invalid beta",
        "is deprecated",
        "cannot be specified",
        "cannot both be specified",
        "not allowed",
        "cannot contain",
        "not available",
    ];
    if !said.mentions(&says_so) {
        return None;
    }
    let text = said.lower();
    let first = |needles: &[&str]| needles.iter().filter_map(|needle| text.find(needle)).min();
    let named = OPTIONAL.iter().filter_map(|(needles, name, _)| Some((first(needles)?, *name)));
    let (_, name) = named.min_by_key(|(at, _)| *at)?;
    // Both at once are refused by some models; one of them is what the caller can do without.
    let name = if said.mentions(&["cannot both be specified"]) { "top_p" } else { name };
    Some(Feature::Field(name))
}
