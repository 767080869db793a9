//! How an answer ended, and what it cost.

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, ReplyUsage, StopReason, Text, Usage, UsageQuality};

/// Counts as Anthropic does: cached tokens are no part of the others (behaviour R33). `None` where
/// nothing is counted.
pub(super) fn usage(raw: Raw<'_>) -> Option<ReplyUsage> {
    let mut n = Counts::default();
    let mut r = Reader::new(raw.as_str());
    r.object::<Malformed>(|r, key| n.member(r, key)).ok()?;
    if n.prompt.unwrap_or(0) == 0 && n.completion.unwrap_or(0) == 0 {
        return None;
    }
    let cache_read = n.cached.or(n.cache_hit).unwrap_or(0);
    let cache_write = n.cache_write;
    let prompt = n.prompt.unwrap_or(0);
    let whole = n.prompt.is_some() && n.completion.is_some();
    Some(ReplyUsage {
        counts: Usage {
            input: prompt.saturating_sub(cache_read).saturating_sub(cache_write),
            output: n.output(),
            cache_read,
            cache_write,
        },
        quality: if whole { UsageQuality::Reported } else { UsageQuality::Partial },
        thinking: n.reasoning,
        cache_write_1h: 0,
        web_searches: n.searches,
        priority: false,
        billed: n.billed(),
    })
}

#[derive(Debug, Default)]
struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_hit: Option<u64>,
    cache_write: u64,
    reasoning: u64,
    searches: u64,
    /// US dollars.
    cost: Option<f64>,
    /// US dollars that another charges for it.
    elsewhere: Option<f64>,
    /// With the caller's own key there.
    own_key: bool,
    /// Ten thousand millionths of a US dollar.
    ticks: Option<u64>,
}

impl Counts {
    fn member<'b>(&mut self, r: &mut Reader<'b>, key: Text<'b>) -> Result<(), Malformed> {
        match key.escaped() {
            "prompt_tokens" => self.prompt = r.maybe_u64()?,
            "completion_tokens" => self.completion = r.maybe_u64()?,
            "total_tokens" => self.total = r.maybe_u64()?,
            "prompt_cache_hit_tokens" | "cached_tokens" => self.cache_hit = r.maybe_u64()?,
            "prompt_tokens_details" | "completion_tokens_details" | "server_tool_use"
                if r.kind()? == Kind::Object =>
            {
                r.object::<Malformed>(|r, key| {
                    match key.escaped() {
                        "cached_tokens" => self.cached = r.maybe_u64()?,
                        "cache_write_tokens" => self.cache_write = r.maybe_u64()?.unwrap_or(0),
                        "reasoning_tokens" => self.reasoning = r.maybe_u64()?.unwrap_or(0),
                        "web_search_requests" => self.searches = r.maybe_u64()?.unwrap_or(0),
                        _ => r.skip()?,
                    }
                    Ok(())
                })?;
            }
            // OpenRouter's and its like; a credit is a dollar.
            "cost" => self.cost = number(r.raw()?),
            "is_byok" => self.own_key = r.raw()?.as_str() == "true",
            "cost_details" if r.kind()? == Kind::Object => {
                r.object::<Malformed>(|r, key| {
                    let value = r.raw()?;
                    if key.is("upstream_inference_cost") {
                        self.elsewhere = number(value);
                    }
                    Ok(())
                })?;
            }
            // xAI's.
            "cost_in_usd_ticks" => self.ticks = r.maybe_u64()?,
            _ => r.skip()?,
        }
        Ok(())
    }

    /// The tokens of the answer. xAI counts thinking beside them, which the sum of all tells.
    fn output(&self) -> u64 {
        let completion = self.completion.unwrap_or(0);
        let prompt = self.prompt.unwrap_or(0);
        let with_thinking = completion.saturating_add(self.reasoning);
        let beside = self.total == Some(prompt.saturating_add(with_thinking));
        if beside { with_thinking } else { completion }
    }

    /// What the answer cost, in billionths of a dollar. Where the caller has a key of his own with whom
    /// the model is, the fee of who passes it on comes on top.
    fn billed(&self) -> Option<u64> {
        let elsewhere = self.elsewhere.filter(|_| self.own_key).unwrap_or(0.0);
        let dollars = self.cost.map(|cost| (cost + elsewhere) * 1e9);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within bounds"
        )]
        let nano = dollars.map(|nano| nano.clamp(0.0, MOST_NANO).round() as u64);
        nano.or(self.ticks.map(|ticks| ticks.div_ceil(10)))
    }
}

/// No answer costs more than a million dollars.
const MOST_NANO: f64 = 1e15;

fn number(raw: Raw<'_>) -> Option<f64> {
    raw.as_str().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Stop(StopReason),
    /// The upstream failed on the way.
    Failed,
    /// An empty word, which some servers send all the time.
    Blank,
}

/// What a `finish_reason` means (behaviour R7).
pub(super) fn ending(word: Text<'_>) -> Ending {
    use StopReason::{ContextWindow, EndTurn, MaxTokens, PauseTurn, Refusal, ToolUse};
    let word = word.decode().to_ascii_lowercase();
    Ending::Stop(match &*word {
        "" | "null" => return Ending::Blank,
        "error" | "network_error" | "insufficient_system_resource" | "aborted" => {
            return Ending::Failed;
        }
        "length" | "max_tokens" | "max_output_tokens" => MaxTokens,
        "tool_calls" | "tool_call" | "tool_use" | "function_call" => ToolUse,
        "content_filter" | "content-filter" | "sensitive" | "refusal" | "safety" | "recitation"
        | "prohibited_content" => Refusal,
        "model_length" | "model_context_window_exceeded" | "context_length_exceeded" => {
            ContextWindow
        }
        "max_tool_calls" | "pause_turn" => PauseTurn,
        // `stop`, `eos`, `completed`, and whatever else a server calls a good end.
        _ => EndTurn,
    })
}
