//! Who is asked, how often, and in which order: the one place where a request is retried or goes to somebody
//! else. It may do so until the caller's reply has begun.
//!
//! The decisions are [`Walk`]'s, which does nothing by itself; here they are carried out, and what comes of
//! them is told to whoever keeps count: the upstream's standing, the trace of the request.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use gateway_config::LogLevel;
use gateway_resilience::breaker::Change;
use gateway_resilience::settings::{Budget, Retry};
use gateway_resilience::walk::{Entry, Ground, Next, Walk};
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses, Remedy};
use tokio::time::{Instant, sleep, timeout};

use crate::allowance::{Crowded, Granted};
use crate::asked::{Asked, Draft, Leg, Until};
use crate::attempt::{Opened, Whole};
use crate::desk::Worker;
use crate::endpoints;
use crate::failure::{Failed, Refusal, Weight};
use crate::foreign::Count;
use crate::plan::Way;
use crate::record::Served;
use crate::rewrites::Rewrites;
use crate::runtime::{Provider, Runtime, UpstreamAuth};
use crate::shaped::Trials;
use crate::standing::{Health, Running};
use crate::trace::{End, Trace, Tried};
use crate::verdict;

/// What an attempt brings.
#[derive(Debug)]
pub(crate) enum Got {
    /// A stream that has begun.
    Opened(Box<Opened>),
    /// A reply that is all there.
    Whole(Box<Whole>),
    /// What a prompt costs.
    Counted(Counted),
}

/// What a prompt costs, and how that is known.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) count: Count,
    pub(crate) losses: Losses,
    /// Whether the upstream was asked at all.
    pub(crate) asked: bool,
    /// Why it is an estimate, where a counter was asked.
    pub(crate) why: Option<String>,
}

/// An attempt on its way.
pub(crate) type Trying<'a> = Pin<Box<dyn Future<Output = Result<Got, Failed>> + Send + 'a>>;

/// A request on its way along its chain.
pub(crate) type Walking<'a> = Pin<Box<dyn Future<Output = Result<Got, Refusal>> + Send + 'a>>;

/// [`answer`] in a box.
pub(crate) fn walking<'a>(
    worker: &'a Arc<Worker>,
    asked: &'a Asked,
    way: &'a Way,
    trace: &'a Trace,
) -> Walking<'a> {
    Box::pin(answer(worker, asked, way, trace))
}

/// Asks along the chain until somebody answers, or nobody is left to be asked.
pub(crate) async fn answer(
    worker: &Arc<Worker>,
    asked: &Asked,
    way: &Way,
    trace: &Trace,
) -> Result<Got, Refusal> {
    let legs = &way.legs;
    let resilience = &worker.runtime.config.resilience;
    // A count is wanted soon, and an estimate does where nobody counts.
    let once = Retry { max_retries: 0, ..Retry::default() };
    let retry = if asked.is_count() { &once } else { &resilience.retry };
    let deadline = deadline(worker, asked, legs);
    let mut walk = Walk::new(legs.len(), retry, deadline.into_std());
    let mut ground = Known::new(worker, asked, legs, trace);
    ground.requested();
    let mut told: Option<Failed> = None;
    let mut writer: Option<(usize, Writer<'_>)> = None;
    // A failure that is made good if its leg is asked again.
    let mut mended: Option<(usize, Failed)> = None;
    loop {
        let next = walk.next(Instant::now().into_std(), &mut ground);
        if let Some((leg, failed)) = mended.take()
            && !matches!(next, Next::Ask { leg: at, .. } if at == leg)
        {
            verdict::offer(&mut told, failed);
        }
        let (at, key) = match next {
            Next::Ask { leg, key } => (leg, key),
            Next::Pause(pause) => {
                sleep(pause).await;
                continue;
            }
            Next::Stop(why) => {
                if let Some(counted) = estimated(worker, asked, legs, told.as_ref()) {
                    return Ok(Got::Counted(counted));
                }
                if let Some(served) = told.as_ref().and_then(|failed| failed.served.clone()) {
                    // The headers name whose failure it is.
                    trace.lock().served = Some(*served);
                }
                return Err(verdict::refusal(why, walk.passed_over(), told, worker, legs));
            }
        };
        let running = ground.running.take();
        if writer.as_ref().is_none_or(|(leg, _)| *leg != at) {
            writer = None;
            match Writer::new(worker, asked, &legs[at]).await {
                Ok(made) => writer = Some((at, made)),
                Err(err) => {
                    let failed = Failed::from(err);
                    let failure = failed.failure();
                    verdict::offer(&mut told, failed);
                    walk.failed(failure);
                    continue;
                }
            }
        }
        let (_, writer) = writer.as_mut().expect("made right above");
        let last = at + 1 == legs.len();
        let leg = &legs[at];
        let attempt = Attempt { worker, asked, leg, last, key, deadline, trace, running };
        let (result, whose) = match resilience.hedge_after.filter(|_| !asked.streaming) {
            None => (attempt.made(writer).await, at),
            Some(after) => {
                hedging(attempt, at, writer, after, &mut walk, &mut ground, &mut told).await
            }
        };
        let failed = match result {
            Ok(got) => {
                if whose == at {
                    writer.remember();
                }
                // A count leaves no cache behind: it moves no session.
                let stays = asked.endpoint == Endpoint::Messages;
                if let (true, Some(rule), Some(session)) = (stays, way.sticky, &asked.session) {
                    let name = &worker.runtime.providers[legs[whose].provider].name;
                    let rule = worker.runtime.rule(rule);
                    worker.runtime.house.pins.pin(session, rule, name, Instant::now());
                }
                return Ok(got);
            }
            Err(failed) => failed,
        };
        if whose == at && writer.again(&failed, key) {
            walk.rewritten();
            mended = Some((at, failed));
            continue;
        }
        let failure = failed.failure();
        verdict::offer(&mut told, failed);
        walk.failed(failure);
    }
}

/// What a hedged attempt brings, and whose leg it was.
type Hedging<'a> = Pin<Box<dyn Future<Output = (Result<Got, Failed>, usize)> + Send + 'a>>;

/// [`hedged`] in a box: hardly anybody hedges.
fn hedging<'f, 'a: 'f>(
    first: Attempt<'a>,
    at: usize,
    writer: &'f mut Writer<'a>,
    after: Duration,
    walk: &'f mut Walk<'a>,
    ground: &'f mut Known<'a>,
    told: &'f mut Option<Failed>,
) -> Hedging<'f> {
    Box::pin(hedged(first, at, writer, after, walk, ground, told))
}

/// Asks, and if the answer takes too long somebody else as well. The first good answer counts, the other is let
/// go; of two failures the second one's decides what comes next, unless the first one's is final. Says whose leg
/// it was.
async fn hedged<'a>(
    first: Attempt<'a>,
    at: usize,
    writer: &mut Writer<'_>,
    after: Duration,
    walk: &mut Walk<'_>,
    ground: &mut Known<'a>,
    told: &mut Option<Failed>,
) -> (Result<Got, Failed>, usize) {
    let Attempt { worker, asked, deadline, trace, .. } = first;
    let mut made = pin!(first.made(writer));
    if let Ok(result) = timeout(after, &mut made).await {
        return (result, at);
    }
    let Some((leg, key)) = walk.hedge(Instant::now().into_std(), ground) else {
        return (made.await, at);
    };
    let running = ground.running.take();
    let last = leg + 1 == ground.legs.len();
    let of = &ground.legs[leg];
    let second = Attempt { worker, asked, leg: of, last, key, deadline, trace, running };
    let mut second = pin!(second.alone());
    tokio::select! {
        result = &mut made => match result {
            Ok(got) => (Ok(got), at),
            Err(failed) => {
                let last_word = failed.remedy == Remedy::Final;
                match (second.await, last_word) {
                    (Err(of_the_second), true) => {
                        verdict::offer(told, of_the_second);
                        (Err(failed), leg)
                    }
                    (result, _) => {
                        verdict::offer(told, failed);
                        (result, leg)
                    }
                }
            }
        },
        result = &mut second => match result {
            Ok(got) => (Ok(got), leg),
            Err(failed) => match made.await {
                Ok(got) => (Ok(got), at),
                Err(of_the_first) if of_the_first.remedy == Remedy::Final => {
                    verdict::offer(told, failed);
                    (Err(of_the_first), leg)
                }
                Err(of_the_first) => {
                    verdict::offer(told, of_the_first);
                    (Err(failed), leg)
                }
            },
        },
    }
}

/// A client without a count misjudges when to compact (R31): where no upstream counts, it is estimated, unless the
/// request or a key is at fault.
fn estimated(
    worker: &Worker,
    asked: &Asked,
    legs: &[Leg],
    told: Option<&Failed>,
) -> Option<Counted> {
    let in_the_way = |failed: &Failed| {
        matches!(failed.remedy, Remedy::Final | Remedy::NextKey | Remedy::Larger)
            || failed.weight() == Weight::Unfit
    };
    if !asked.is_count() || told.is_some_and(in_the_way) {
        return None;
    }
    let draft = Draft::new(worker, asked, legs.first()?).ok()?;
    let why = told.map(|failed| format!("estimated, because of a {}", failed.status()));
    let count = Count::Estimate(draft.estimate(worker));
    Some(Counted { count, losses: Losses::new(), asked: true, why })
}

/// No attempt begins later, and none that has begun lasts longer: for a stream until its first block, else
/// until its end.
///
/// Each of the chain has its own time: otherwise who hangs would take the time of those who could have answered. Who
/// waits for a whole reply may have a limit of its own, for all of them together.
fn deadline(worker: &Worker, asked: &Asked, legs: &[Leg]) -> Instant {
    let limits = legs.iter().map(|leg| limit(&worker.runtime.providers[leg.provider], asked));
    let all = limits.fold(Duration::ZERO, Duration::saturating_add);
    let own = asked.patience.filter(|_| !asked.streaming);
    asked.started + own.map_or(all, |own| own.min(all))
}

/// How long one attempt may take.
fn limit(provider: &Provider, asked: &Asked) -> Duration {
    if asked.streaming { provider.timeouts.first_byte } else { provider.timeouts.unary }
}

/// One attempt, with everything that is told of it.
struct Attempt<'a> {
    worker: &'a Arc<Worker>,
    asked: &'a Asked,
    leg: &'a Leg,
    /// Nobody comes after it.
    last: bool,
    key: usize,
    deadline: Instant,
    trace: &'a Trace,
    running: Option<Running>,
}

impl Attempt<'_> {
    /// With a writer of its own.
    async fn alone(self) -> Result<Got, Failed> {
        let mut writer = Writer::new(self.worker, self.asked, self.leg).await?;
        self.made(&mut writer).await
    }

    async fn made(self, writer: &mut Writer<'_>) -> Result<Got, Failed> {
        let provider = &self.worker.runtime.providers[self.leg.provider];
        // Counts have limits of their own at vendors, and are light: they say nothing of how messages fare.
        let counts = self.asked.is_count();
        let granted = if counts { None } else { self.granted(provider).await? };
        let began = Instant::now();
        let place = self.begun(provider, began);
        let until = Until::within(began, limit(provider, self.asked), self.deadline);
        let mut result = writer.attempt(self.key, until).await;
        if let Err(failed) = &mut result {
            let served = Served { provider: provider.clone(), model: self.leg.model.clone() };
            failed.served = Some(Box::new(served));
        }
        let now = Instant::now();
        let end = match &result {
            Ok(_) => End::Answered,
            Err(failed) => End::Status(failed.status()),
        };
        {
            let mut walked = self.trace.lock();
            if let Ok(Got::Counted(Counted { asked: false, .. })) = &result {
                walked.attempts -= 1;
            }
            if result.is_ok() {
                // Somebody else may have been asked since.
                walked.served =
                    Some(Served { provider: provider.clone(), model: self.leg.model.clone() });
            }
            match (&result, granted) {
                (Ok(_), Some(granted)) => walked.holds.push(Box::new(granted)),
                (Err(failed), Some(granted)) => granted.failed(failed.status()),
                (_, None) => {}
            }
            if let Some(tried) = walked.tried.get_mut(place) {
                (tried.took, tried.end) = (now - began, end);
            }
        }
        let change = match &result {
            _ if counts => None,
            Ok(_) => {
                if provider.has_keys() {
                    let mut keys = provider.live.standing.keys();
                    let began = began.into_std();
                    keys.succeeded(now.into_std(), self.key, &self.leg.model, began);
                }
                self.running.and_then(|running| running.succeeded(now, now - began))
            }
            Err(failed) => {
                self.limits(provider, failed, now);
                self.running.filter(|_| failed.blame).and_then(|running| running.failed(now))
            }
        };
        if let Some(change) = change {
            note(&self.worker.runtime, provider, &self.leg.model, change);
        }
        result
    }

    /// The attempt's share of what its upstream is given at most, perhaps after it has waited for it.
    async fn granted(&self, provider: &Provider) -> Result<Option<Granted>, Failed> {
        let allowance = &provider.live.allowance;
        if !allowance.is_limited() {
            return Ok(None);
        }
        let family = || self.worker.runtime.catalogue.facts(&self.leg.model).family;
        let end =
            if self.last { self.deadline } else { self.deadline.min(Instant::now() + QUEUED) };
        let (priority, cost) = (|| self.asked.priority(), || self.asked.cost(family));
        let entered = allowance.enter(priority, cost, end).await;
        entered.map(Some).map_err(|Crowded| {
            skipped(self.trace, self.asked, provider, &self.leg.model, "full queue");
            let text = format!(
                "{} is given as many requests as it may (providers.{}.limits), and its queue is full",
                provider.name, provider.name
            );
            let err = ApiError::new(ErrorKind::Overloaded, text);
            let err = err.with_retry_after(Duration::from_secs(1));
            Failed::from(err).with_remedy(Remedy::NextProvider)
        })
    }

    /// Writes down that somebody is asked; gives the place in the trace.
    fn begun(&self, provider: &Arc<Provider>, began: Instant) -> usize {
        let mut walked = self.trace.lock();
        walked.attempts += 1;
        walked.served = Some(Served { provider: provider.clone(), model: self.leg.model.clone() });
        walked.tried.push(Tried {
            provider: provider.name.clone(),
            model: self.leg.model.clone(),
            key: self.key,
            at: began - self.asked.started,
            took: Duration::ZERO,
            end: End::Asked,
        });
        walked.tried.len() - 1
    }

    /// What a failure says of the key (R37). A caller's own is no business of others.
    fn limits(&self, provider: &Provider, failed: &Failed, now: Instant) {
        if !provider.has_keys() {
            return;
        }
        let retry = &self.worker.runtime.config.resilience.retry;
        let mut keys = provider.live.standing.keys();
        // A server in trouble says nothing of the key.
        let of_the_key = !failed.blame;
        // What is used up for hours rests however waits are looked upon.
        let heeded = |rest| retry.respect_retry_after || rest >= SPENT;
        match failed.remedy {
            Remedy::After(rest) if of_the_key && heeded(rest) => {
                let model = (!failed.account).then_some(&*self.leg.model);
                keys.limited(now.into_std(), self.key, model, rest);
            }
            Remedy::NextKey => keys.rejected(now.into_std(), self.key),
            _ => {}
        }
    }
}

/// So long a request waits for its turn at an upstream before it goes to the next one.
const QUEUED: Duration = Duration::from_secs(30);

/// Says that a breaker has opened or closed.
pub(crate) fn note(runtime: &Runtime, provider: &Provider, model: &str, change: Change) {
    let name = &provider.name;
    let (level, text) = match change {
        Change::Opened { .. } => {
            let open = runtime.config.resilience.breaker.open.as_secs_f64();
            (LogLevel::Warn, format!("{name} fails for {model}: it is left alone for {open} s"))
        }
        Change::Closed => (LogLevel::Info, format!("{name} answers for {model} again")),
    };
    runtime.note(level, text);
}

/// What writes the request for one upstream.
enum Writer<'a> {
    /// In the shape it came in.
    Kept(Trials<'a>),
    /// In another dialect.
    Foreign(Rewrites<'a>),
}

impl<'a> Writer<'a> {
    async fn new(
        worker: &'a Arc<Worker>,
        asked: &'a Asked,
        leg: &'a Leg,
    ) -> Result<Self, ApiError> {
        let draft = Draft::new(worker, asked, leg)?;
        let provider = draft.provider;
        if provider.egress.is_some() && !provider.learns && provider.host_of(&leg.model).is_none() {
            return Ok(Self::Foreign(rewriting(worker, draft).await));
        }
        Ok(Self::Kept(Trials::new(worker, draft)))
    }

    /// Not `async`: a future that is made and boxed within another one takes its room there all the same, and all
    /// of it is moved with every request.
    fn attempt(&mut self, key: usize, until: Until) -> Trying<'_> {
        match self {
            Self::Kept(trials) => trials.attempt(key, until),
            Self::Foreign(rewrites) => Box::pin(rewrites.attempt(key, until)),
        }
    }

    fn again(&mut self, failed: &Failed, key: usize) -> bool {
        match self {
            Self::Kept(trials) => trials.again(failed, key),
            Self::Foreign(rewrites) => rewrites.again(failed),
        }
    }

    fn remember(&self) {
        match self {
            Self::Kept(trials) => trials.remember(),
            Self::Foreign(rewrites) => rewrites.remember(),
        }
    }
}

/// Writes down who was passed over.
fn skipped(trace: &Trace, asked: &Asked, provider: &Provider, model: &Arc<str>, why: &'static str) {
    trace.lock().tried.push(Tried {
        provider: provider.name.clone(),
        model: model.clone(),
        key: 0,
        at: asked.started.elapsed(),
        took: Duration::ZERO,
        end: End::Skipped(why),
    });
}

/// A limit that lasts so long is no matter of pace: money or a quota is used up.
const SPENT: Duration = Duration::from_secs(600);

/// [`Rewrites::new`] in a box: relayed requests have no use for its room.
fn rewriting<'a>(
    worker: &'a Arc<Worker>,
    draft: Draft<'a>,
) -> Pin<Box<dyn Future<Output = Rewrites<'a>> + Send + 'a>> {
    Box::pin(Rewrites::new(worker, draft))
}

/// What is known of the chain's upstreams from other requests.
struct Known<'a> {
    worker: &'a Worker,
    asked: &'a Asked,
    legs: &'a [Leg],
    trace: &'a Trace,
    health: Vec<Option<Arc<Health>>>,
    /// Of the attempt that was let in last.
    running: Option<Running>,
}

impl<'a> Known<'a> {
    fn new(worker: &'a Worker, asked: &'a Asked, legs: &'a [Leg], trace: &'a Trace) -> Self {
        Self { worker, asked, legs, trace, health: vec![None; legs.len()], running: None }
    }

    /// A new request: it feeds its client's budget, which its retries are taken from.
    fn requested(&self) {
        if let Some((client, budget)) = self.client() {
            self.worker.runtime.house.budgets.deposit(client, budget);
        }
    }

    /// The client, where it has a budget of its own.
    fn client(&self) -> Option<(&'a Arc<str>, Budget)> {
        let budget = self.worker.runtime.config.resilience.budget;
        self.asked.client.as_ref().filter(|_| budget.per_client).map(|client| (client, budget))
    }

    fn provider(&self, leg: usize) -> &'a Arc<Provider> {
        &self.worker.runtime.providers[self.legs[leg].provider]
    }

    /// Asks the breaker, or says until when it lets nobody in.
    fn admitted(&mut self, leg: usize, now: std::time::Instant) -> Result<(), std::time::Instant> {
        let (standing, model) = (&self.provider(leg).live.standing, &self.legs[leg].model);
        let health = self.health[leg].get_or_insert_with(|| {
            // Whoever is asked gets a share of a retry for it, in whatever place of the chain.
            standing.budget().deposit(now);
            standing.model(model)
        });
        match health.admit(now.into()) {
            Ok(running) => {
                self.running = Some(running);
                Ok(())
            }
            Err(until) => {
                self.passed_over(leg, "open breaker");
                Err(until.into_std())
            }
        }
    }

    fn passed_over(&self, leg: usize, why: &'static str) {
        skipped(self.trace, self.asked, self.provider(leg), &self.legs[leg].model, why);
    }
}

impl Ground for Known<'_> {
    fn enter(&mut self, leg: usize, tried: &[usize], now: std::time::Instant) -> Entry {
        use gateway_resilience::keys::Pick;
        let provider = self.provider(leg);
        let model = &self.legs[leg].model;
        if self.asked.is_count() && !matches!(provider.auth, UpstreamAuth::Missing(_)) {
            // Whatever is said of messages: a count may do well all the same.
            let keys = provider.live.standing.keys().status(now).len();
            let session = self.asked.session.as_deref();
            let usable = match provider.live.standing.keys().pick(now, model, session, 0, tried) {
                Pick::Key(key) => Some(key),
                _ => (0..keys).find(|key| !tried.contains(key)),
            };
            return usable.map_or(Entry::Exhausted, Entry::Key);
        }
        let key = if matches!(provider.auth, UpstreamAuth::Missing(_)) {
            self.passed_over(leg, "no credential");
            return Entry::Exhausted;
        } else if provider.has_keys() {
            let (session, luck) = (self.asked.session.as_deref(), self.luck());
            match provider.live.standing.keys().pick(now, model, session, luck, tried) {
                Pick::Key(key) => key,
                Pick::Resting { until } => {
                    if tried.is_empty() {
                        self.passed_over(leg, "resting");
                    }
                    return Entry::Resting(until);
                }
                Pick::Rejected { key, .. } => {
                    if tried.is_empty() {
                        self.passed_over(leg, "rejected key");
                    }
                    return Entry::Rejected(key);
                }
                Pick::None => return Entry::Exhausted,
            }
        } else if tried.is_empty() {
            0
        } else {
            return Entry::Exhausted;
        };
        match self.admitted(leg, now) {
            Ok(()) => Entry::Key(key),
            Err(until) => Entry::Open(until),
        }
    }

    fn again(&mut self, leg: usize, _key: usize, now: std::time::Instant) -> bool {
        self.admitted(leg, now).is_ok()
    }

    fn may_retry(&mut self, leg: usize, now: std::time::Instant) -> bool {
        let clients = &self.worker.runtime.house.budgets;
        let mut budget = self.provider(leg).live.standing.budget();
        // Nothing is taken from the client for a retry that the upstream does not get.
        budget.has_one(now)
            && self.client().is_none_or(|(client, settings)| clients.withdraw(client, settings))
            && budget.withdraw(now)
    }

    fn window(&mut self, leg: usize) -> Option<u64> {
        let leg = &self.legs[leg];
        endpoints::limits(&self.worker.runtime, leg.provider, &leg.model).0
    }

    fn luck(&mut self) -> u64 {
        self.worker.runtime.house.luck.next()
    }
}
