//! Counters of a running gateway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::record::{Exchange, Outcome};

/// Counts what happened since the start. Every field only grows, but for `in_flight`.
#[derive(Debug)]
pub(crate) struct Stats {
    started: Instant,
    total: AtomicU64,
    in_flight: AtomicU64,
    forwarded: AtomicU64,
    rejected: AtomicU64,
    errored: AtomicU64,
    abandoned: AtomicU64,
    broken: AtomicU64,
}

/// Counts what happened at one provider.
#[derive(Debug, Default)]
pub(crate) struct ProviderStats {
    requests: AtomicU64,
    errors: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cache_read_tokens: AtomicU64,
    cache_write_tokens: AtomicU64,
    /// Milliseconds after the gateway's start, plus one; 0 is never.
    last_success: AtomicU64,
}

/// What `/status` says of one provider.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ProviderSummary {
    /// Requests sent to it.
    pub requests: u64,
    /// Requests that failed there, or whose reply broke.
    pub errors: u64,
    /// Prompt tokens outside its cache.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Prompt tokens from its cache.
    pub cache_read_input_tokens: u64,
    /// Prompt tokens written to its cache.
    pub cache_creation_input_tokens: u64,
    /// Seconds since it last answered well.
    pub last_success_seconds_ago: Option<u64>,
}

/// What `/status` says of the gateway.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Summary {
    /// Requests accepted.
    pub total: u64,
    /// Requests that were sent to an upstream.
    pub forwarded: u64,
    /// Requests refused before any upstream was asked.
    pub rejected: u64,
    /// Requests that failed at the upstream, or broke.
    pub errored: u64,
    /// Requests whose caller left before the end.
    pub abandoned: u64,
    /// Requests being served now.
    pub in_flight: u64,
}

const ORDER: Ordering = Ordering::Relaxed;

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            total: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            errored: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    pub(crate) fn open(&self) {
        self.total.fetch_add(1, ORDER);
        self.in_flight.fetch_add(1, ORDER);
    }

    pub(crate) fn settle(&self, exchange: &Exchange) {
        self.in_flight.fetch_sub(1, ORDER);
        let failed = exchange.outcome == Outcome::Failed;
        let broken = exchange.outcome == Outcome::Broken;
        if exchange.outcome == Outcome::Abandoned {
            self.abandoned.fetch_add(1, ORDER);
        }
        if broken {
            self.broken.fetch_add(1, ORDER);
        }
        let Some(served) = &exchange.served else {
            if failed {
                self.rejected.fetch_add(1, ORDER);
            }
            return;
        };
        self.forwarded.fetch_add(1, ORDER);
        let provider = &served.provider.live.stats;
        provider.requests.fetch_add(1, ORDER);
        if failed || broken {
            self.errored.fetch_add(1, ORDER);
            provider.errors.fetch_add(1, ORDER);
        } else if exchange.outcome == Outcome::Delivered {
            provider.last_success.store(millis(self.started.elapsed()) + 1, ORDER);
        }
        provider.input_tokens.fetch_add(exchange.usage.input, ORDER);
        provider.output_tokens.fetch_add(exchange.usage.output, ORDER);
        provider.cache_read_tokens.fetch_add(exchange.usage.cache_read, ORDER);
        provider.cache_write_tokens.fetch_add(exchange.usage.cache_write, ORDER);
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            total: self.total.load(ORDER),
            forwarded: self.forwarded.load(ORDER),
            rejected: self.rejected.load(ORDER),
            errored: self.errored.load(ORDER),
            abandoned: self.abandoned.load(ORDER),
            in_flight: self.in_flight.load(ORDER),
        }
    }

    pub(crate) fn provider(&self, provider: &ProviderStats) -> ProviderSummary {
        let last = provider.last_success.load(ORDER);
        let ago = last.checked_sub(1).map(|at| millis(self.started.elapsed()).saturating_sub(at));
        ProviderSummary {
            requests: provider.requests.load(ORDER),
            errors: provider.errors.load(ORDER),
            input_tokens: provider.input_tokens.load(ORDER),
            output_tokens: provider.output_tokens.load(ORDER),
            cache_read_input_tokens: provider.cache_read_tokens.load(ORDER),
            cache_creation_input_tokens: provider.cache_write_tokens.load(ORDER),
            last_success_seconds_ago: ago.map(|ms| ms / 1000),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
