//! How much one caller, or all of them together, have asked for, and how much they may.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_resilience::limits::{Rates, Reserved, Snapshot, TooMuch, What};
use gateway_resilience::settings::CallerLimits;
use gateway_types::Usage;
use serde_json::{Value, json};

use crate::places::{Place, Places};
use crate::record::Limit;

/// The books of a caller's limits.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) places: Places,
    messages: Mutex<Rates>,
    /// Counts of tokens have a limit of their own, as high as that of requests, as Anthropic has it.
    counts: Mutex<Rates>,
    /// When the last of those who were told to come back will, of each [`line`].
    told: Mutex<[Option<Instant>; 3]>,
    asked: AtomicU64,
    refused: [AtomicU64; 4],
    tokens: AtomicU64,
    /// In thousandths: how much of an estimated prompt counts in the end.
    share: AtomicU64,
}

/// The meters of a process. They outlive a reload, whatever it changes.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Of all callers together.
    pub(crate) everyone: Arc<Meter>,
    /// Requests served at once (`server.max_concurrent_requests`).
    pub(crate) served: Places,
    /// By the client's name.
    clients: Mutex<HashMap<String, Arc<Meter>>>,
}

/// In thousandths: less of a prompt is never expected, so that many at once can't all be taken for nothing, and
/// no more.
const SHARES: RangeInclusive<u64> = 20..=2000;

const MINUTE: Duration = Duration::from_secs(60);

/// Which of the rates a request counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Requests, and tokens: so many are estimated.
    Messages(u64),
    /// Requests to count tokens.
    Counts,
}

/// What one request has taken of a meter. Dropped without having been [settled](Self::settle), it was
/// never taken.
#[derive(Debug)]
pub(crate) struct Held {
    meter: Arc<Meter>,
    rate: Rate,
    reserved: Option<Reserved>,
    pub(crate) place: Option<Place>,
}

impl Meters {
    /// The meter of a client.
    pub(crate) fn of(&self, name: &str) -> Arc<Meter> {
        locked(&self.clients).entry(name.to_owned()).or_default().clone()
    }

    /// Forgets all clients but these.
    pub(crate) fn keep<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let names: HashSet<&str> = names.collect();
        locked(&self.clients).retain(|name, _| names.contains(name.as_str()));
    }
}

/// Without limits.
impl Default for Meter {
    fn default() -> Self {
        let unlimited = || Mutex::new(Rates::new(None, None));
        Self {
            places: Places::default(),
            messages: unlimited(),
            counts: unlimited(),
            told: Mutex::default(),
            asked: AtomicU64::new(0),
            refused: Default::default(),
            tokens: AtomicU64::new(0),
            share: AtomicU64::new(1000),
        }
    }
}

impl Meter {
    /// Other limits from now on. What has been used stays used, who is served or waits stays.
    pub(crate) fn set(&self, limits: &CallerLimits) {
        self.places.set(limits.concurrent, limits.queue);
        locked(&self.messages).set(limits.requests_per_minute, limits.tokens_per_minute);
        locked(&self.counts).set(limits.requests_per_minute, None);
    }

    /// Whether somebody who comes now has to wait.
    pub(crate) fn is_busy(&self, limits: &CallerLimits) -> bool {
        limits.queue > 0 && limits.concurrent.is_some_and(|limit| self.places.inside() >= limit)
    }

    /// Takes a request's share of the rates.
    ///
    /// # Errors
    /// There is too much; nothing is taken then.
    pub(crate) fn take(self: &Arc<Self>, now: Instant, rate: Rate) -> Result<Held, TooMuch> {
        let tokens = if let Rate::Messages(tokens) = rate { tokens } else { 0 };
        let reserved = Some(self.rates(rate).take(now, tokens)?);
        Ok(Held { meter: self.clone(), rate, reserved, place: None })
    }

    /// When somebody who is refused should come back: when it would be let in, and after those who were told
    /// so before. Told the same, a crowd would come all at once, and all but one of them in vain; a client
    /// gives up after some times. Nobody is sent away for longer than `longest`, unless it has to be.
    pub(crate) fn turn(
        &self,
        now: Instant,
        rate: Rate,
        much: &TooMuch,
        longest: Duration,
    ) -> Duration {
        if much.wait > longest {
            return much.wait;
        }
        let amount = match (rate, much.what) {
            (Rate::Messages(tokens), What::Tokens) => tokens.min(much.limit),
            _ => 1,
        };
        let parts = u128::from(amount) * MINUTE.as_nanos() / u128::from(much.limit.max(1));
        let each = Duration::from_nanos(u64::try_from(parts).unwrap_or(u64::MAX));
        let mut told = locked(&self.told);
        let last = &mut told[line(rate, much.what)];
        let after_them = last.filter(|at| *at > now).map_or(Duration::ZERO, |at| at - now + each);
        let wait = much.wait.max(after_them).min(longest);
        *last = Some(now + wait);
        wait
    }

    /// How much of a prompt of so many tokens will count, as the last ones did: nearly all of a long
    /// session's comes from a cache.
    pub(crate) fn expected(&self, prompt: u64) -> u64 {
        prompt.saturating_mul(self.share.load(Ordering::Relaxed)) / 1000
    }

    /// Learns how much of an estimated prompt counted.
    pub(crate) fn learn(&self, prompt: u64, counted: u64) {
        let Some(seen) = counted.saturating_mul(1000).checked_div(prompt) else { return };
        let seen = seen.clamp(*SHARES.start(), *SHARES.end());
        // Two requests at once may overwrite each other's lesson: it is a guess anyway.
        let known = self.share.load(Ordering::Relaxed);
        self.share.store((known * 3 + seen) / 4, Ordering::Relaxed);
    }

    /// How the rates of messages stand.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        locked(&self.messages).snapshot(now)
    }

    /// Counts a request that is asked for.
    pub(crate) fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that is refused, `None`: for what may never be asked for.
    pub(crate) fn refused(&self, limit: Option<Limit>) {
        self.refused[limit.map_or(3, |limit| limit as usize)].fetch_add(1, Ordering::Relaxed);
    }

    /// What `/status` says of it.
    pub(crate) fn summary(&self) -> Value {
        let [concurrent, requests, tokens, forbidden] =
            [0, 1, 2, 3].map(|of| self.refused[of].load(Ordering::Relaxed));
        json!({
            "requests": self.asked.load(Ordering::Relaxed),
            "in_flight": self.places.inside(),
            "waiting": self.places.waiting(),
            "tokens": self.tokens.load(Ordering::Relaxed),
            "rejected": {
                "concurrent": concurrent,
                "requests_per_minute": requests,
                "tokens_per_minute": tokens,
                "forbidden": forbidden,
            },
        })
    }

    fn rates(&self, rate: Rate) -> MutexGuard<'_, Rates> {
        locked(if rate == Rate::Counts { &self.counts } else { &self.messages })
    }
}

impl Held {
    /// The request has been made and has used so many tokens.
    pub(crate) fn settle(mut self, now: Instant, used: u64) {
        if let Some(reserved) = self.reserved.take() {
            self.meter.rates(self.rate).settle(now, reserved, used);
            self.meter.tokens.fetch_add(used, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            let now = tokio::time::Instant::now().into_std();
            self.meter.rates(self.rate).give_back(now, reserved);
        }
    }
}

/// What of an exchange counts as tokens of a minute. As at Anthropic, what a provider reads from its
/// cache does not: a long session reads all of its past again with each request.
pub(crate) fn counted(usage: &Usage) -> u64 {
    usage.input.saturating_add(usage.cache_write).saturating_add(usage.output)
}

/// Which of those who wait a request belongs to.
fn line(rate: Rate, what: What) -> usize {
    match (rate, what) {
        (Rate::Messages(_), What::Requests) => 0,
        (Rate::Messages(_), What::Tokens) => 1,
        (Rate::Counts, _) => 2,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
