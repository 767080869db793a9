//! How much one upstream is given at most (`providers.*.limits`): requests at once, with a queue before them,
//! and requests and tokens a minute.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_resilience::limits::{Rates, Reserved, TooMuch};
use gateway_resilience::places::Priority;
use gateway_resilience::settings::UpstreamLimits;
use gateway_types::Usage;
use tokio::time::{Instant, sleep, timeout_at};

use crate::places::{Full, Place, Places, Turn};
use crate::trace::Hold;

/// The books of one upstream's limits. They outlive a reload that leaves the upstream the same.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Whether there is any limit at all.
    limited: AtomicBool,
    places: Places,
    rates: Mutex<Rates>,
    queue: AtomicU64,
    /// Who waits for a rate.
    waiting: AtomicU64,
}

/// An attempt's share; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Granted {
    allowance: Arc<Allowance>,
    reserved: Option<Reserved>,
    _place: Option<Place>,
}

/// The upstream has too much to do, and its queue is full or too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

const ORDER: Ordering = Ordering::Relaxed;

impl Allowance {
    pub(crate) fn new(limits: &UpstreamLimits) -> Self {
        Self {
            limited: AtomicBool::new(is_limit(limits)),
            places: Places::new(limits.concurrent, limits.queue),
            rates: Mutex::new(Rates::new(limits.requests_per_minute, limits.tokens_per_minute)),
            queue: AtomicU64::new(limits.queue),
            waiting: AtomicU64::new(0),
        }
    }

    /// Other limits from now on. What has been used stays used, who is served or waits stays.
    pub(crate) fn set(&self, limits: &UpstreamLimits) {
        self.limited.store(is_limit(limits), ORDER);
        self.places.set(limits.concurrent, limits.queue);
        self.rates().set(limits.requests_per_minute, limits.tokens_per_minute);
        self.queue.store(limits.queue, ORDER);
    }

    /// Whether there is any limit at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(ORDER)
    }

    /// How many are served at once, and how many wait.
    pub(crate) fn gauge(&self) -> (u64, u64) {
        (self.places.inside(), self.places.waiting() + self.waiting.load(ORDER))
    }

    /// A share for a request of about so many tokens, as soon as there is one.
    ///
    /// # Errors
    /// The queue is full, or there is none until `end`.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        priority: Priority,
        tokens: u64,
        end: Instant,
    ) -> Result<Granted, Crowded> {
        let place = match self.places.ask(priority) {
            Err(Full) => return Err(Crowded),
            Ok(Turn::Now(place)) => place,
            Ok(Turn::Later(waiter)) => {
                timeout_at(end, waiter.place()).await.map_err(|_| Crowded)?
            }
        };
        let mut queued = None;
        loop {
            let now = Instant::now();
            let taken = self.rates().take(now.into_std(), tokens);
            let TooMuch { wait, .. } = match taken {
                Ok(reserved) => {
                    let allowance = self.clone();
                    let reserved = Some(reserved);
                    return Ok(Granted { allowance, reserved, _place: Some(place) });
                }
                Err(much) => much,
            };
            if queued.is_none() {
                queued = Some(Queued::new(self).ok_or(Crowded)?);
            }
            if now.checked_add(wait).is_none_or(|then| then >= end) {
                return Err(Crowded);
            }
            sleep(wait).await;
        }
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_limit(limits: &UpstreamLimits) -> bool {
    limits.concurrent.is_some()
        || limits.requests_per_minute.is_some()
        || limits.tokens_per_minute.is_some()
}

/// A place among those that wait for a rate.
struct Queued<'a>(&'a Allowance);

impl<'a> Queued<'a> {
    fn new(allowance: &'a Allowance) -> Option<Self> {
        let room = |waiting| (waiting < allowance.queue.load(ORDER)).then_some(waiting + 1);
        allowance.waiting.fetch_update(ORDER, ORDER, room).ok().map(|_| Self(allowance))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, ORDER);
    }
}

impl Granted {
    fn give(&mut self, used: u64) {
        if let Some(reserved) = self.reserved.take() {
            self.allowance.rates().settle(Instant::now().into_std(), reserved, used);
        }
    }
}

impl Hold for Granted {
    fn settle(mut self: Box<Self>, usage: &Usage) {
        self.give(usage.input + usage.output + usage.cache_write);
    }
}

impl Drop for Granted {
    /// The attempt came to nothing: it was a request, but used no tokens.
    fn drop(&mut self) {
        self.give(0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(concurrent: Option<u64>, requests: Option<u64>, tokens: Option<u64>) -> Arc<Allowance> {
        Arc::new(Allowance::new(&UpstreamLimits {
            concurrent,
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            queue: 1,
        }))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(100)
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_and_who_finds_no_queue_goes_on() {
        let allowance = of(Some(1), None, None);
        let first = allowance.enter(Priority::Interactive, 1, soon()).await.expect("a place");
        let waiting = tokio::spawn({
            let allowance = allowance.clone();
            async move { allowance.enter(Priority::Interactive, 1, soon()).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(allowance.gauge(), (1, 1));
        let third = allowance.enter(Priority::Interactive, 1, soon()).await;
        assert!(matches!(third, Err(Crowded)));
        drop(first);
        assert!(waiting.await.expect("it ran"));
        assert_eq!(allowance.gauge(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_waited_for_as_long_as_there_is_time() {
        let allowance = of(None, Some(60), None);
        let began = Instant::now();
        for _ in 0..60 {
            drop(allowance.enter(Priority::Interactive, 0, soon()).await.expect("within the rate"));
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(allowance.enter(Priority::Interactive, 0, soon()).await.expect("after a second"));
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        let at_once = Instant::now() + Duration::from_millis(10);
        let none = allowance.enter(Priority::Interactive, 0, at_once).await;
        assert!(matches!(none, Err(Crowded)));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_what_was_used_in_the_end() {
        let allowance = of(None, None, Some(1000));
        let usage = Usage { input: 100, output: 100, ..Usage::default() };
        let first = allowance.enter(Priority::Background, 1000, soon()).await.expect("all of it");
        Box::new(first).settle(&usage);
        let began = Instant::now();
        drop(allowance.enter(Priority::Background, 800, soon()).await.expect("the rest"));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(allowance.gauge(), (0, 0));
    }
}
