//! `limits`: of a provider, of a client, and of all callers together.

use gateway_resilience::settings::{CallerLimits, UpstreamLimits};

use crate::keys::LIMITS;
use crate::read::{Cx, Section};
use crate::source::At;

/// How much a provider is given at most.
pub(crate) fn upstream(cx: &mut Cx, section: &Section<'_>) -> UpstreamLimits {
    let most = read(cx, section, UpstreamLimits::default().queue);
    let Most { concurrent, requests_per_minute, tokens_per_minute, queue, queue_at } = most;
    if [concurrent, requests_per_minute, tokens_per_minute] == [None; 3] {
        useless_queue(cx, section, queue_at, "no limit", "a limit");
    }
    UpstreamLimits { concurrent, requests_per_minute, tokens_per_minute, queue }
}

/// How much a client, or all of them, may ask for.
pub(crate) fn callers(cx: &mut Cx, section: &Section<'_>) -> CallerLimits {
    let most = read(cx, section, CallerLimits::default().queue);
    let Most { concurrent, requests_per_minute, tokens_per_minute, queue, queue_at } = most;
    if queue > 0 && concurrent.is_none() {
        useless_queue(cx, section, queue_at, "no `concurrent`", "`concurrent`");
    }
    CallerLimits { concurrent, requests_per_minute, tokens_per_minute, queue }
}

struct Most {
    concurrent: Option<u64>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    queue: u64,
    /// The place of `queue`, where it is said.
    queue_at: Option<At>,
}

fn read(cx: &mut Cx, section: &Section<'_>, queue: u64) -> Most {
    let limits = &cx.inner(section, "limits", &LIMITS);
    let mut one = |key: &str, min: i128, default: Option<u64>| {
        let n = cx.whole(limits, key, min, i128::from(i64::MAX));
        let n = n.and_then(|n| u64::try_from(n).ok()).or(default);
        cx.effective(limits, key, n);
        n
    };
    let concurrent = one("concurrent", 1, None);
    let requests_per_minute = one("requests_per_minute", 1, None);
    let tokens_per_minute = one("tokens_per_minute", 1, None);
    let queue = one("queue", 0, Some(queue)).unwrap_or(queue);
    if let Some(few) = tokens_per_minute.filter(|tokens| *tokens < ONE_PROMPT) {
        let message = format!(
            "`{}` is {few}: Claude Code's own instructions take 20000 to 30000 tokens with every request",
            limits.full("tokens_per_minute")
        );
        let help = "allow the prompts of a minute, e.g. 200000";
        cx.warn(&limits.place_of("tokens_per_minute"), message, help);
    }
    let queue_at = limits.get("queue").map(|_| limits.place_of("queue"));
    Most { concurrent, requests_per_minute, tokens_per_minute, queue, queue_at }
}

/// Notes a queue that nothing is ever put into.
fn useless_queue(cx: &mut Cx, section: &Section<'_>, at: Option<At>, lacks: &str, needs: &str) {
    let Some(at) = at else { return };
    let key = section.full("limits.queue");
    let message = format!("`{key}` has no effect: there is {lacks} to wait for");
    cx.warn(&at, message, format!("add {needs}, or remove `queue`"));
}

/// Less does not hold one request of Claude Code.
const ONE_PROMPT: u64 = 30_000;
