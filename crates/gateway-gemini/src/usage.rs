//! What an answer cost, as Anthropic counts.

use gateway_types::{ReplyUsage, UsageQuality};

use crate::wire::Counts;

impl Counts {
    /// Of an answer in pieces, with those before. The prompt is the first one's: that of the others holds
    /// what was generated before, too, which is counted as output already. The rest adds up.
    pub(crate) fn and(self, now: Option<Self>) -> Self {
        let Some(now) = now else { return self };
        let known = [now.prompt, now.thoughts, now.tool_prompt].into_iter().flatten();
        let known = known.fold(0, u64::saturating_add);
        let rest = now.total.map(|total| total.saturating_sub(known));
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            prompt: self.prompt.or(now.prompt),
            cached: if self.prompt.is_some() { self.cached } else { now.cached },
            tool_prompt: add(self.tool_prompt, now.tool_prompt),
            candidates: add(self.candidates, now.candidates.or(rest)),
            thoughts: add(self.thoughts, now.thoughts),
            total: now.total,
            priority: now.priority,
        }
    }

    /// The usage of this piece and those before. Cached tokens stand inside the prompt's here and beside
    /// them in the Messages API (R33); those of searches stand beside it.
    pub(crate) fn told(self, before: Self) -> ReplyUsage {
        let all = before.and(Some(self));
        let mut usage = ReplyUsage { priority: self.priority, ..ReplyUsage::default() };
        let cached = all.cached.unwrap_or(0);
        usage.counts.cache_read = cached;
        let prompt = all.prompt.unwrap_or(0).saturating_sub(cached);
        usage.counts.input = prompt.saturating_add(all.tool_prompt.unwrap_or(0));
        usage.thinking = all.thoughts.unwrap_or(0);
        usage.counts.output = all.candidates.unwrap_or(0).saturating_add(usage.thinking);
        let both = all.prompt.is_some() && all.candidates.is_some();
        usage.quality = if both { UsageQuality::Reported } else { UsageQuality::Partial };
        usage
    }
}
