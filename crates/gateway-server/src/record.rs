//! The record of one exchange: who asked for what, who served it, what it cost, how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_resilience::breaker::Change;
use gateway_types::{Losses, Usage, UsageQuality};
use http::{Method, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::clients::Client;
use crate::meter::{Meter, counted};
use crate::places::Place;
use crate::runtime::Provider;
use crate::seat::{BYTES_PER_TOKEN, Seat};
use crate::trace::{End, Trace, Tried};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The whole answer was handed over.
    Delivered,
    /// The gateway answered with an error of its own or the upstream's.
    Failed,
    /// A reply broke after its beginning had been handed over.
    Broken,
    /// The caller left before the end.
    Abandoned,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "ok",
            Self::Failed => "failed",
            Self::Broken => "broken",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What a caller was held up by, as the configuration calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitedBy {
    /// The client's `allow_models`.
    Models,
    /// The client's `pick_provider`.
    Pick,
    /// One of the client's `limits`.
    Client(Limit),
    /// One of the `limits` of all callers together.
    Everyone(Limit),
    /// `server.max_concurrent_requests`.
    Server,
    /// `server.max_buffered_bytes`.
    Buffered,
}

/// One of the limits of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Concurrent,
    Requests,
    Tokens,
}

impl LimitedBy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Models => "allow_models",
            Self::Pick => "pick_provider",
            Self::Client(Limit::Concurrent) => "client.concurrent",
            Self::Client(Limit::Requests) => "client.requests_per_minute",
            Self::Client(Limit::Tokens) => "client.tokens_per_minute",
            Self::Everyone(Limit::Concurrent) => "limits.concurrent",
            Self::Everyone(Limit::Requests) => "limits.requests_per_minute",
            Self::Everyone(Limit::Tokens) => "limits.tokens_per_minute",
            Self::Server => "server.max_concurrent_requests",
            Self::Buffered => "server.max_buffered_bytes",
        }
    }
}

/// Who serves an exchange.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) provider: Arc<Provider>,
    /// The model's name as sent there.
    pub(crate) model: Arc<str>,
}

/// What is known of one exchange. It is filled in on the way and settled once.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) started: Instant,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) session: Option<String>,
    /// Who asks, once that is known.
    pub(crate) client: Option<Arc<Client>>,
    /// Its place among all that are served at once, until it is settled.
    pub(crate) place: Option<Place>,
    /// What it holds of its caller's limits, until it is settled.
    pub(crate) seat: Option<Seat>,
    /// Everybody's meter, where the reply tells how it and the client's stand.
    pub(crate) metered: Option<Arc<Meter>>,
    /// What it was refused for.
    pub(crate) limited_by: Option<LimitedBy>,
    /// The model's name as asked for.
    pub(crate) model: Option<String>,
    pub(crate) served: Option<Served>,
    pub(crate) attempts: u32,
    /// The way along the chain, as long as somebody may be on it.
    pub(crate) trace: Option<Arc<Trace>>,
    /// Everybody who was asked or passed over, once it is settled.
    pub(crate) tried: Vec<Tried>,
    pub(crate) streaming: bool,
    pub(crate) status: StatusCode,
    pub(crate) usage: Usage,
    pub(crate) quality: UsageQuality,
    /// What the upstream says it cost, in billionths of a dollar.
    pub(crate) billed: Option<u64>,
    /// What the translation could not carry over.
    pub(crate) losses: Losses,
    /// From the start to the first byte of the answer's body.
    pub(crate) first_byte: Option<Duration>,
    /// Bytes of the answer that were handed over.
    pub(crate) sent: u64,
    pub(crate) outcome: Outcome,
    /// When and after how long it was settled: the log is written later.
    pub(crate) settled: Option<(Timestamp, Duration)>,
    /// Why it failed, inside. May name hosts; never keys.
    pub(crate) fault: Option<String>,
    /// Asked by a prober: never an error in the log.
    pub(crate) probe: bool,
}

impl Exchange {
    /// An exchange that has just begun.
    pub(crate) fn begun(id: String, method: Method, path: String) -> Self {
        Self {
            id,
            started: Instant::now(),
            method,
            path,
            session: None,
            client: None,
            place: None,
            seat: None,
            metered: None,
            limited_by: None,
            model: None,
            served: None,
            attempts: 0,
            trace: None,
            tried: Vec::new(),
            streaming: false,
            status: StatusCode::OK,
            usage: Usage::default(),
            quality: UsageQuality::Unknown,
            billed: None,
            losses: Losses::new(),
            first_byte: None,
            sent: 0,
            outcome: Outcome::Abandoned,
            settled: None,
            fault: None,
            probe: false,
        }
    }
}

impl Exchange {
    /// Reads from the trace who serves and how many were asked.
    pub(crate) fn catch_up(&mut self) {
        if let Some(trace) = &self.trace {
            let walked = trace.lock();
            self.served.clone_from(&walked.served);
            self.attempts = walked.attempts;
        }
    }

    /// How many tokens count, as far as an upstream told. Of an answer whose end was not told, which says that
    /// one token was written, it is at least what was handed over.
    pub(crate) fn counted(&self) -> u64 {
        let mut usage = self.usage;
        if matches!(self.quality, UsageQuality::Partial | UsageQuality::Unknown) {
            usage.output = usage.output.max(self.handed_over());
        }
        counted(&usage)
    }

    /// Whether an upstream told anything of the prompt.
    pub(crate) fn tells_prompt(&self) -> bool {
        let Usage { input, cache_read, cache_write, .. } = self.usage;
        [input, cache_read, cache_write] != [0; 3]
    }

    /// About how many tokens were handed over.
    pub(crate) fn handed_over(&self) -> u64 {
        self.sent / BYTES_PER_TOKEN as u64
    }

    /// The same as [`catch_up`](Self::catch_up) at the end, when nobody is on the way any more: what was held of upstreams' limits is given
    /// back, and an upstream whose reply broke is to blame for it. Gives what that changed.
    pub(crate) fn close(&mut self) -> Option<Change> {
        self.catch_up();
        let trace = self.trace.take()?;
        let mut walked = trace.lock();
        self.tried = std::mem::take(&mut walked.tried);
        for hold in walked.holds.drain(..) {
            hold.settle(self);
        }
        let answered = self.tried.last().filter(|tried| tried.end == End::Answered)?;
        if self.path.ends_with("/count_tokens") {
            return None;
        }
        let began = self.started + answered.at;
        let served = self.served.as_ref()?;
        let health = served.provider.live.standing.known(&served.model)?;
        match self.outcome {
            Outcome::Broken => return health.broke(began, Instant::now()),
            Outcome::Delivered => health.came_whole(),
            Outcome::Failed | Outcome::Abandoned => {}
        }
        None
    }
}

/// Makes ids that no other process makes.
#[derive(Debug)]
pub(crate) struct Ids {
    prefix: u64,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 8];
        // Without the system's randomness ids are still unique within the process.
        let _ = getrandom::fill(&mut seed);
        Self { prefix: u64::from_le_bytes(seed), next: AtomicU64::new(1) }
    }

    /// What this process is called among gateways.
    pub(crate) fn instance(&self) -> String {
        format!("{:016x}", self.prefix)
    }

    pub(crate) fn next(&self) -> String {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        format!("req_{:016x}{count:06x}", self.prefix)
    }
}
