//! What is fetched rarely and used by every request: kept, renewed ahead of time, fetched once for
//! all who wait.
//!
//! Each fetch runs on a thread of its own, with a small runtime that ends with it. So it belongs to
//! no request: a caller that goes away stops nothing, and those who wait on other runtimes don't
//! depend on the one where the wait began.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::error::CloudError;

/// How long before its end a value is renewed, at most.
const EARLY: Duration = Duration::from_secs(4 * 60);

/// A value this close to its end is not handed out: the request must reach the upstream with it.
const MARGIN: Duration = Duration::from_secs(10);

/// How long after a failed renewal of a value that is still good the next one is tried.
const PAUSE: Duration = Duration::from_secs(10);

/// For how long after a refusal others count as refusals of the same value: they come from
/// requests that were under way with it.
const ECHO: Duration = Duration::from_secs(30);

/// Tells the time of day.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Where values come from.
pub(crate) trait Source: Send + Sync + 'static {
    type Value: Send + Sync + 'static;

    /// Gets a new value, and when it ends.
    fn fetch(&self) -> impl Future<Output = Result<(Self::Value, Option<SystemTime>), CloudError>>;
}

/// A source and the value that came from it last.
pub(crate) struct Cached<S: Source> {
    inner: Arc<Inner<S>>,
}

struct Inner<S: Source> {
    source: S,
    clock: Clock,
    state: Mutex<State<S::Value>>,
}

struct State<T> {
    kept: Option<Kept<T>>,
    /// The fetch under way.
    running: Option<watch::Receiver<Option<Outcome<T>>>>,
    /// Renewals ahead of time wait until then.
    paused_until: Option<SystemTime>,
    refused_at: Option<SystemTime>,
}

struct Kept<T> {
    value: Arc<T>,
    ends: Option<SystemTime>,
    renew_from: Option<SystemTime>,
}

type Outcome<T> = Result<Arc<T>, CloudError>;

impl<S: Source> Cached<S> {
    pub(crate) fn new(source: S, clock: Clock) -> Self {
        let state = State { kept: None, running: None, paused_until: None, refused_at: None };
        Self { inner: Arc::new(Inner { source, clock, state: Mutex::new(state) }) }
    }

    /// The value. Waits only if there is none that is still good.
    pub(crate) async fn get(&self) -> Outcome<S::Value> {
        let mut running = {
            let now = (self.inner.clock)();
            let mut state = self.inner.lock();
            let good = state.kept.as_ref().filter(|kept| kept.is_good(now));
            let value = good.map(|kept| kept.value.clone());
            let due = good.is_none_or(|kept| kept.is_due(now));
            let held = value.is_some() && state.paused_until.is_some_and(|until| now < until);
            if due && !held && state.running.is_none() {
                let started = self.inner.start(&mut state);
                if value.is_none() {
                    started?;
                }
            }
            match (value, &state.running) {
                (Some(value), _) => return Ok(value),
                (None, Some(running)) => running.clone(),
                (None, None) => return Err(broken()),
            }
        };
        let outcome = running.wait_for(Option::is_some).await.map_err(|_| broken())?;
        outcome.clone().unwrap_or_else(|| Err(broken()))
    }

    /// The upstream refused the value: it is not used again. Whether a request may be sent once
    /// more; the next [`get`](Self::get) brings the new value.
    pub(crate) fn refused(&self) -> bool {
        let now = (self.inner.clock)();
        let mut state = self.inner.lock();
        let echo = |at: SystemTime| now.duration_since(at).is_ok_and(|since| since < ECHO);
        if !state.refused_at.is_some_and(echo) {
            state.refused_at = Some(now);
            state.kept = None;
        }
        true
    }
}

/// Never the value.
impl<S: Source> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.lock();
        let ends = state.kept.as_ref().map(|kept| kept.ends);
        f.debug_struct("Cached").field("kept_until", &ends).finish_non_exhaustive()
    }
}

impl<T> Kept<T> {
    fn is_good(&self, now: SystemTime) -> bool {
        self.ends.is_none_or(|ends| now + MARGIN < ends)
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.renew_from.is_some_and(|from| from <= now)
    }
}

impl<S: Source> Inner<S> {
    fn lock(&self) -> MutexGuard<'_, State<S::Value>> {
        // Every change of the state is one assignment: a panic leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a fetch.
    fn start(self: &Arc<Self>, state: &mut State<S::Value>) -> Result<(), CloudError> {
        let (tell, running) = watch::channel(None);
        let fetch = Fetch { inner: self.clone(), tell };
        let thread = std::thread::Builder::new().name("credentials".to_owned());
        thread.spawn(move || fetch.run()).map_err(|err| {
            CloudError::unreachable(format!("no thread could be started to get credentials: {err}"))
        })?;
        state.running = Some(running);
        Ok(())
    }
}

/// A fetch under way.
struct Fetch<S: Source> {
    inner: Arc<Inner<S>>,
    tell: watch::Sender<Option<Outcome<S::Value>>>,
}

impl<S: Source> Fetch<S> {
    fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let fetched = match runtime {
            Ok(runtime) => {
                let fetched = runtime.block_on(self.inner.source.fetch());
                // Dropped, it would wait for whatever blocks, such as the system's look-up of a name,
                // and all callers with it.
                runtime.shutdown_background();
                fetched
            }
            Err(err) => {
                Err(CloudError::unreachable(format!("no runtime to get credentials: {err}")))
            }
        };
        let now = (self.inner.clock)();
        let mut state = self.inner.lock();
        let outcome = match fetched {
            Ok((value, ends)) => {
                let kept = Kept { value: Arc::new(value), ends, renew_from: renewal(now, ends) };
                let value = kept.value.clone();
                state.kept = Some(kept);
                Ok(value)
            }
            Err(fault) => {
                state.paused_until = Some(now + PAUSE);
                Err(fault)
            }
        };
        state.running = None;
        drop(state);
        self.tell.send_replace(Some(outcome));
    }
}

/// A fetch that panicked must not be waited for by those who come later.
impl<S: Source> Drop for Fetch<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.inner.lock().running = None;
        }
    }
}

/// When a value that ends then is to be renewed: four minutes before, or at half of a life that is
/// shorter than eight.
fn renewal(now: SystemTime, ends: Option<SystemTime>) -> Option<SystemTime> {
    let ends = ends?;
    let life = ends.duration_since(now).unwrap_or_default();
    Some(ends - EARLY.min(life / 2))
}

fn broken() -> CloudError {
    CloudError::unreachable("getting credentials broke off; the next request tries again")
}

#[cfg(test)]
mod tests;
