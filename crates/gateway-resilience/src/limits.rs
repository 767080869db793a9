//! Requests and tokens per minute of one caller, of all callers, or towards one upstream.

use std::time::{Duration, Instant};

use crate::bucket::Bucket;

/// Both rates, each of which may be unlimited. A request is granted by both or by neither.
///
/// Tokens are estimated before ([`take`](Rates::take)) and corrected after
/// ([`settle`](Rates::settle)): an estimate that was too low is paid for by the next request.
#[derive(Debug, Clone)]
pub struct Rates {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// What a granted request has taken; to be settled or given back.
#[derive(Debug)]
#[must_use = "what was reserved has to be settled or given back"]
pub struct Reserved {
    request: bool,
    tokens: Option<u64>,
}

/// Why a request is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    /// How long until it would be.
    pub wait: Duration,
    /// Of what there is too much. Of both: what takes longer.
    pub what: What,
    /// How much of it there may be in a minute.
    pub limit: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Requests.
    Requests,
    /// Tokens, of prompts and answers.
    Tokens,
}

/// How both rates stand: what the rate-limit headers of a reply say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// `None`: unlimited.
    pub requests: Option<Gauge>,
    /// `None`: unlimited.
    pub tokens: Option<Gauge>,
}

/// How one rate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// In a minute.
    pub limit: u64,
    /// Now.
    pub remaining: u64,
    /// How long until `remaining` is `limit` again.
    pub full_in: Duration,
}

impl Rates {
    /// With so many per minute of each; `None`: unlimited.
    pub fn new(requests: Option<u64>, tokens: Option<u64>) -> Self {
        Self { requests: requests.map(Bucket::per_minute), tokens: tokens.map(Bucket::per_minute) }
    }

    /// Asks for one request of about so many tokens.
    ///
    /// # Errors
    ///
    /// [`TooMuch`]; nothing is taken then.
    pub fn take(&mut self, now: Instant, tokens: u64) -> Result<Reserved, TooMuch> {
        let refused = |bucket: &mut Option<Bucket>, amount, what| {
            let bucket = bucket.as_mut()?;
            let wait = bucket.wait(now, amount)?;
            Some(TooMuch { wait, what, limit: bucket.limit() })
        };
        let by_requests = refused(&mut self.requests, 1, What::Requests);
        let by_tokens = refused(&mut self.tokens, tokens, What::Tokens);
        if let Some(longer) = by_requests.into_iter().chain(by_tokens).max_by_key(|no| no.wait) {
            return Err(longer);
        }
        // Neither says no any more: it was asked with the same `now`.
        let request = self.requests.as_mut().is_some_and(|bucket| bucket.take(now, 1).is_ok());
        let tokens = self
            .tokens
            .as_mut()
            .and_then(|bucket| bucket.take(now, tokens).is_ok().then_some(tokens));
        Ok(Reserved { request, tokens })
    }

    /// The request is over and has used so many tokens.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what was reserved is used up: it is settled once"
    )]
    pub fn settle(&mut self, now: Instant, reserved: Reserved, used: u64) {
        if let (Some(bucket), Some(taken)) = (&mut self.tokens, reserved.tokens) {
            bucket.correct(now, taken, used);
        }
    }

    /// The request was not made after all, since something else refused it.
    pub fn give_back(&mut self, now: Instant, reserved: Reserved) {
        if let (Some(bucket), true) = (&mut self.requests, reserved.request) {
            bucket.give_back(now, 1);
        }
        self.settle(now, reserved, 0);
    }

    /// How both stand.
    pub fn snapshot(&mut self, now: Instant) -> Snapshot {
        let gauge = |bucket: &mut Bucket| Gauge {
            limit: bucket.limit(),
            remaining: bucket.remaining(now),
            full_in: bucket.full_in(now),
        };
        Snapshot {
            requests: self.requests.as_mut().map(gauge),
            tokens: self.tokens.as_mut().map(gauge),
        }
    }

    /// Other limits from now on; what has been used stays used.
    pub fn set(&mut self, requests: Option<u64>, tokens: Option<u64>) {
        set(&mut self.requests, requests);
        set(&mut self.tokens, tokens);
    }
}

fn set(bucket: &mut Option<Bucket>, limit: Option<u64>) {
    match (bucket.as_mut(), limit) {
        (Some(bucket), Some(limit)) => bucket.set(limit),
        (_, limit) => *bucket = limit.map(Bucket::per_minute),
    }
}
