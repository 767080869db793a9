//! How an upstream stands: what its last answers say of the next. Shared by all workers, and kept over
//! reloads that leave the upstream the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use gateway_resilience::breaker::{Admission, Breaker, Change, End, Pass, State};
use gateway_resilience::budget::RetryBudget;
use gateway_resilience::keys::{KeyPool, KeyStatus, Pick};
use gateway_resilience::latency::Latency;
use gateway_resilience::outlier::Outlier;
use gateway_resilience::settings::{BreakerSettings, OutlierSettings, Resilience};
use tokio::time::Instant;

/// Callers choose the names of models: the health of no more of them is kept.
const MOST_MODELS: usize = 512;

/// How one upstream stands.
#[derive(Debug)]
pub(crate) struct Standing {
    models: RwLock<HashMap<Box<str>, Arc<Health>>>,
    keys: Mutex<KeyPool>,
    budget: Mutex<RetryBudget>,
    settings: Mutex<(BreakerSettings, Option<OutlierSettings>)>,
}

/// How one model of an upstream stands.
#[derive(Debug)]
pub(crate) struct Health(Mutex<Vitals>);

#[derive(Debug)]
struct Vitals {
    breaker: Breaker,
    outlier: Option<Outlier>,
    latency: Latency,
    /// Attempts on their way.
    running: u32,
    /// When a reply came whole last.
    well: Option<Instant>,
    asked: Instant,
}

/// An attempt that was let in. Whatever becomes of it, dropping it says that it is over.
#[derive(Debug)]
pub(crate) struct Running {
    health: Arc<Health>,
    pass: Option<Pass>,
}

/// What `/status` says of one model.
#[derive(Debug)]
pub(crate) struct ModelStatus {
    pub(crate) model: String,
    pub(crate) breaker: State,
    pub(crate) ejected: bool,
    pub(crate) latency: Option<Duration>,
    pub(crate) running: u32,
}

impl Standing {
    /// Of an upstream that nothing is known of, with one weight for each of its keys.
    pub(crate) fn new(resilience: &Resilience, weights: &[u32]) -> Self {
        Self {
            models: RwLock::default(),
            keys: Mutex::new(KeyPool::new(weights)),
            budget: Mutex::new(RetryBudget::new(resilience.budget)),
            settings: Mutex::new((resilience.breaker, resilience.outliers)),
        }
    }

    /// Other settings hold from now on; what was found out stays.
    pub(crate) fn set(&self, resilience: &Resilience, weights: &[u32]) {
        lock(&self.keys).reweigh(weights);
        lock(&self.budget).set(resilience.budget);
        let before = std::mem::replace(
            &mut *lock(&self.settings),
            (resilience.breaker, resilience.outliers),
        );
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        for health in models.values() {
            let mut vitals = lock(&health.0);
            vitals.breaker.set(resilience.breaker);
            if before.1 != resilience.outliers {
                // What was counted by other measures says nothing by these.
                vitals.outlier = resilience.outliers.map(Outlier::new);
            }
        }
    }

    /// The health of a model; a new name begins well.
    pub(crate) fn model(&self, name: &str) -> Arc<Health> {
        if let Some(health) = self.known(name) {
            return health;
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        // Not before: other settings reach whatever is in the list by then.
        let (breaker, outliers) = *lock(&self.settings);
        if models.len() >= MOST_MODELS {
            let oldest = models.iter().min_by_key(|(_, health)| lock(&health.0).asked);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                models.remove(&name);
            }
        }
        let health = models.entry(name.into()).or_insert_with(|| {
            Arc::new(Health(Mutex::new(Vitals {
                breaker: Breaker::new(breaker),
                outlier: outliers.map(Outlier::new),
                latency: Latency::default(),
                running: 0,
                well: None,
                asked: Instant::now(),
            })))
        });
        health.clone()
    }

    /// The health of a model that was asked before.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Health>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyPool> {
        lock(&self.keys)
    }

    /// Whether a key can be used for a model now.
    pub(crate) fn has_key(&self, model: &str, now: Instant) -> bool {
        matches!(lock(&self.keys).pick(now.into_std(), model, None, 0, &[]), Pick::Key(_))
    }

    pub(crate) fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        lock(&self.budget)
    }

    pub(crate) fn key_status(&self, now: Instant) -> Vec<KeyStatus> {
        lock(&self.keys).status(now.into_std())
    }

    /// In the order of names.
    pub(crate) fn model_status(&self, now: Instant) -> Vec<ModelStatus> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            models.iter().map(|(name, health)| health.status(name, now)).collect();
        drop(models);
        all.sort_by(|a, b| a.model.cmp(&b.model));
        all
    }
}

impl Health {
    /// Lets an attempt in, or says until when nobody is.
    pub(crate) fn admit(self: &Arc<Self>, now: Instant) -> Result<Running, Instant> {
        let mut vitals = lock(&self.0);
        vitals.asked = now;
        match vitals.breaker.admit(now.into_std()) {
            Admission::Free(pass) | Admission::Probe(pass) => {
                vitals.running += 1;
                Ok(Running { health: self.clone(), pass: Some(pass) })
            }
            Admission::Refused { until } => Err(until.into()),
        }
    }

    /// Whether it is worth asking before others.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        let mut vitals = lock(&self.0);
        let now = now.into_std();
        let ejected = vitals.outlier.as_mut().is_some_and(|outlier| outlier.is_ejected(now));
        !ejected && !matches!(vitals.breaker.state(now), State::Open { .. })
    }

    /// How long an answer is expected to take to begin, the load considered.
    pub(crate) fn latency(&self, now: Instant) -> Option<Duration> {
        let vitals = lock(&self.0);
        vitals.latency.expected(now.into_std()).map(|time| time * (vitals.running + 1))
    }

    /// A reply of an attempt that began then broke off. What has been well since is not to blame for it.
    pub(crate) fn broke(&self, began: Instant, now: Instant) -> Option<Change> {
        let mut vitals = lock(&self.0);
        if vitals.well.is_some_and(|well| well > began) {
            return None;
        }
        let now = now.into_std();
        if let Some(outlier) = &mut vitals.outlier {
            outlier.observe(now, false);
        }
        vitals.breaker.broke(now)
    }

    /// A reply came to its end.
    pub(crate) fn came_whole(&self) {
        let mut vitals = lock(&self.0);
        vitals.well = Some(Instant::now());
        vitals.breaker.came_whole();
    }

    fn status(&self, name: &str, now: Instant) -> ModelStatus {
        let mut vitals = lock(&self.0);
        let now = now.into_std();
        ModelStatus {
            model: name.to_owned(),
            breaker: vitals.breaker.state(now),
            ejected: vitals.outlier.as_mut().is_some_and(|outlier| outlier.is_ejected(now)),
            latency: vitals.latency.expected(now),
            running: vitals.running,
        }
    }
}

impl Running {
    /// It brought an answer, whose first event took so long.
    pub(crate) fn succeeded(mut self, now: Instant, first: Duration) -> Option<Change> {
        let pass = self.pass.take()?;
        let mut vitals = lock(&self.health.0);
        let now = now.into_std();
        vitals.latency.observe(now, first);
        if let Some(outlier) = &mut vitals.outlier {
            outlier.observe(now, true);
        }
        vitals.breaker.ended(now, pass, End::Success)
    }

    /// The upstream failed.
    pub(crate) fn failed(mut self, now: Instant) -> Option<Change> {
        let pass = self.pass.take()?;
        let mut vitals = lock(&self.health.0);
        let now = now.into_std();
        if let Some(outlier) = &mut vitals.outlier {
            outlier.observe(now, false);
        }
        vitals.breaker.ended(now, pass, End::Failure)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut vitals = lock(&self.health.0);
        vitals.running = vitals.running.saturating_sub(1);
        if let Some(pass) = self.pass.take() {
            // It says nothing of the upstream: a limit, a request of no use, a caller that left.
            vitals.breaker.ended(Instant::now().into_std(), pass, End::Neutral);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: OutlierSettings = OutlierSettings {
        failure_ratio: 0.5,
        min_requests: 4,
        window: Duration::from_secs(60),
        eject: Duration::from_secs(30),
    };

    fn with(outliers: Option<OutlierSettings>) -> Resilience {
        Resilience { outliers, ..Resilience::default() }
    }

    fn fails(health: &Arc<Health>, times: u32) {
        for _ in 0..times {
            let running = health.admit(Instant::now()).expect("the breaker is closed");
            running.failed(Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_settings_for_outliers_reach_the_models_that_are_known() {
        let standing = Standing::new(&with(Some(SETTINGS)), &[1]);
        let health = standing.model("m");
        fails(&health, 3);
        assert!(health.is_up(Instant::now()));
        let stricter = OutlierSettings { min_requests: 2, ..SETTINGS };
        standing.set(&with(Some(stricter)), &[1]);
        fails(&health, 1);
        assert!(health.is_up(Instant::now()), "it begins anew");
        health.admit(Instant::now()).expect("closed").succeeded(Instant::now(), Duration::ZERO);
        fails(&health, 1);
        assert!(!health.is_up(Instant::now()));
        standing.set(&with(None), &[1]);
        assert!(health.is_up(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_settings_keep_what_was_counted() {
        let standing = Standing::new(&with(Some(SETTINGS)), &[1]);
        let health = standing.model("m");
        fails(&health, 2);
        health.admit(Instant::now()).expect("closed").succeeded(Instant::now(), Duration::ZERO);
        standing.set(&with(Some(SETTINGS)), &[1]);
        fails(&health, 1);
        assert!(!health.is_up(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_breaks_late_is_no_fault_of_who_has_been_well_since() {
        let breaker = BreakerSettings { failure_threshold: 1, ..BreakerSettings::default() };
        let standing = Standing::new(&Resilience { breaker, ..Resilience::default() }, &[1]);
        let health = standing.model("m");
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        health.came_whole();
        assert_eq!(health.broke(began, Instant::now()), None);
        let change = health.broke(Instant::now(), Instant::now());
        assert!(matches!(change, Some(Change::Opened { .. })), "{change:?}");
    }
}
