//! What can be set, with the defaults that a gateway has where nothing is.

use std::time::Duration;

/// Everything that can be set about failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Resilience {
    /// Trying again at the same upstream.
    pub retry: Retry,
    /// How much trying again may add to the load of an upstream in trouble.
    pub budget: Budget,
    /// When an upstream is left alone.
    pub breaker: BreakerSettings,
    /// When one of several equal upstreams is asked last; `None`: never.
    pub outliers: Option<OutlierSettings>,
    /// A unary request without an answer for this long is also sent to the next of its chain; `None`: never.
    pub hedge_after: Option<Duration>,
    /// Silence towards the caller before a `ping` event (R8).
    pub keepalive_ping: Duration,
    /// A stream whose upstream has sent no event for this long gets its 200 and pings.
    pub commit_after: Duration,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            budget: Budget::default(),
            breaker: BreakerSettings::default(),
            outliers: Some(OutlierSettings::default()),
            hedge_after: None,
            keepalive_ping: Duration::from_secs(10),
            commit_after: Duration::from_secs(100),
        }
    }
}

/// Trying again at the same upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// So many times at one upstream for one request; 0: never.
    pub max_retries: u32,
    /// The first pause is at most this long, each further one at most twice the one before.
    pub base_delay: Duration,
    /// No pause is longer, and no `retry-after` above it is slept through.
    pub max_delay: Duration,
    /// How pauses are spread.
    pub jitter: Jitter,
    /// The statuses that are worth another try.
    pub statuses: Vec<u16>,
    /// Whether a `retry-after` counts.
    pub respect_retry_after: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_retries: 2,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            jitter: Jitter::Full,
            statuses: vec![429, 500, 502, 503, 504, 529],
            respect_retry_after: true,
        }
    }
}

/// How pauses are spread, so that callers who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing to the whole pause.
    Full,
    /// Anything from half of the pause to the whole.
    Equal,
    /// The whole pause.
    None,
}

/// How much trying again may add to the load of an upstream in trouble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Retries per request, over the last ten seconds: 0.2 is one for five requests.
    pub ratio: f64,
    /// So many retries a second are always allowed.
    pub min_per_second: f64,
    /// Whether each client has a budget of its own beside the upstream's.
    pub per_client: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 10.0, per_client: true }
    }
}

/// When an upstream is left alone, model by model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it; 0: it never opens.
    pub failure_threshold: u32,
    /// So many successful probes in a row close it again.
    pub success_threshold: u32,
    /// Nobody is let through for so long.
    pub open: Duration,
    /// So many probes at once, after that.
    pub half_open_max: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            success_threshold: 2,
            open: Duration::from_secs(30),
            half_open_max: 1,
        }
    }
}

/// When one of several upstreams is asked last for a while: it fails too often, though not always.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierSettings {
    /// The share of failures, from 0 to 1, that makes an outlier.
    pub failure_ratio: f64,
    /// Of fewer requests in the window nothing is concluded.
    pub min_requests: u32,
    /// How far back failures count.
    pub window: Duration,
    /// How long it is asked last.
    pub eject: Duration,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_requests: 20,
            window: Duration::from_secs(30),
            eject: Duration::from_secs(30),
        }
    }
}

/// How much an upstream is given at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Requests at once.
    pub concurrent: Option<u64>,
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<u64>,
    /// So many requests may wait for their turn.
    pub queue: u64,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self { concurrent: None, requests_per_minute: None, tokens_per_minute: None, queue: 64 }
    }
}

/// How much a caller, or all callers together, may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallerLimits {
    /// Requests at once.
    pub concurrent: Option<u64>,
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<u64>,
    /// So many requests may wait for a place among the concurrent ones.
    pub queue: u64,
}
