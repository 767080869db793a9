//! `limits`: of a provider, of a client, and of all callers together.

use gateway_resilience::settings::{CallerLimits, UpstreamLimits};

use crate::keys::LIMITS;
use crate::read::{Cx, Section};

/// How much a provider is given at most.
pub(crate) fn upstream(cx: &mut Cx, section: &Section<'_>) -> UpstreamLimits {
    let limits = &cx.inner(section, "limits", &LIMITS);
    let default = UpstreamLimits::default().queue;
    let Most { concurrent, requests_per_minute, tokens_per_minute, queue } =
        read(cx, limits, default);
    if [concurrent, requests_per_minute, tokens_per_minute] == [None; 3] {
        note_useless_queue(cx, limits, "no limit", "a limit");
    }
    UpstreamLimits { concurrent, requests_per_minute, tokens_per_minute, queue }
}

/// How much all callers together may ask for.
pub(crate) fn callers(cx: &mut Cx, top: &Section<'_>) -> CallerLimits {
    let limits = &cx.inner(top, "limits", &LIMITS);
    of_callers(cx, limits)
}

/// How much one client may ask for, who is one of `all`.
pub(crate) fn client(cx: &mut Cx, section: &Section<'_>, all: &CallerLimits) -> CallerLimits {
    let limits = &cx.inner(section, "limits", &LIMITS);
    let own = of_callers(cx, limits);
    for (key, own, all) in [
        ("concurrent", own.concurrent, all.concurrent),
        ("requests_per_minute", own.requests_per_minute, all.requests_per_minute),
        ("tokens_per_minute", own.tokens_per_minute, all.tokens_per_minute),
    ] {
        let (Some(own), Some(all)) = (own, all) else { continue };
        if own > all {
            let message = format!(
                "`{}` ({own}) is never reached: `limits.{key}` allows {all} to all callers together",
                limits.full(key)
            );
            cx.warn(&limits.place_of(key), message, "lower it, or raise that of all callers");
        }
    }
    own
}

fn of_callers(cx: &mut Cx, limits: &Section<'_>) -> CallerLimits {
    let default = CallerLimits::default().queue;
    let Most { concurrent, requests_per_minute, tokens_per_minute, queue } =
        read(cx, limits, default);
    if queue > 0 && concurrent.is_none() {
        note_useless_queue(cx, limits, "no `concurrent`", "`concurrent`");
    }
    CallerLimits { concurrent, requests_per_minute, tokens_per_minute, queue }
}

struct Most {
    concurrent: Option<u64>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    queue: u64,
}

fn read(cx: &mut Cx, limits: &Section<'_>, queue: u64) -> Most {
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
    Most { concurrent, requests_per_minute, tokens_per_minute, queue }
}

/// Notes a queue that nothing is ever put into.
fn note_useless_queue(cx: &mut Cx, limits: &Section<'_>, lacks: &str, needs: &str) {
    if limits.get("queue").is_some() {
        let key = limits.full("queue");
        let message = format!("`{key}` has no effect: there is {lacks} to wait for");
        cx.warn(&limits.place_of("queue"), message, format!("add {needs}, or remove `queue`"));
    }
}

/// Less does not hold one request of Claude Code.
const ONE_PROMPT: u64 = 30_000;
