use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::UNIX_EPOCH;

use tokio::sync::Semaphore;

use super::*;

/// Gives out 1, 2, 3…; each fetch takes a permit first, so that tests decide when it ends.
struct Numbers {
    permits: Semaphore,
    started: watch::Sender<usize>,
    life: Option<Duration>,
    now: Arc<Mutex<SystemTime>>,
    failing: AtomicUsize,
}

impl Source for Numbers {
    type Value = usize;

    async fn fetch(&self) -> Result<(usize, Option<SystemTime>), CloudError> {
        self.started.send_modify(|started| *started += 1);
        let number = *self.started.borrow();
        self.permits.acquire().await.expect("never closed").forget();
        if self.failing.load(Ordering::SeqCst) > 0 {
            self.failing.fetch_sub(1, Ordering::SeqCst);
            return Err(CloudError::unreachable("scripted"));
        }
        assert!(number < 100, "scripted panic");
        let now = *self.now.lock().expect("never poisoned");
        Ok((number, self.life.map(|life| now + life)))
    }
}

fn numbers(life_s: Option<u64>, permits: usize) -> Cached<Numbers> {
    let now = Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_000_000)));
    let clock = now.clone();
    let source = Numbers {
        permits: Semaphore::new(permits),
        started: watch::Sender::new(0),
        life: life_s.map(Duration::from_secs),
        now,
        failing: AtomicUsize::new(0),
    };
    Cached::new(source, Arc::new(move || *clock.lock().expect("never poisoned")))
}

impl Cached<Numbers> {
    fn source(&self) -> &Numbers {
        &self.inner.source
    }

    fn pass(&self, seconds: u64) {
        *self.source().now.lock().expect("never poisoned") += Duration::from_secs(seconds);
    }

    async fn number(&self) -> usize {
        *self.get().await.expect("a number")
    }

    async fn started(&self, count: usize) {
        let mut started = self.source().started.subscribe();
        started.wait_for(|started| *started >= count).await.expect("the source lives");
    }

    /// The fetch under way has ended.
    async fn settled(&self) {
        let running = self.inner.lock().running.clone();
        if let Some(mut running) = running {
            running.wait_for(Option::is_some).await.expect("it ends");
        }
    }

    fn fetches(&self) -> usize {
        *self.source().started.borrow()
    }
}

#[tokio::test]
async fn a_value_is_renewed_ahead_of_time_and_nobody_waits_for_it() {
    let cached = numbers(Some(3600), 1);
    assert_eq!(cached.number().await, 1);
    cached.pass(3600 - 241);
    assert_eq!(cached.number().await, 1);
    assert_eq!(cached.fetches(), 1, "not yet due");
    cached.pass(2);
    // The renewal has no permit yet: whoever waited for it would hang.
    assert_eq!(cached.number().await, 1);
    assert_eq!(cached.number().await, 1);
    cached.started(2).await;
    cached.source().permits.add_permits(1);
    cached.settled().await;
    assert_eq!(cached.number().await, 2);
    assert_eq!(cached.fetches(), 2);
}

#[tokio::test]
async fn a_short_life_is_renewed_at_its_half_and_not_all_the_time() {
    let cached = numbers(Some(120), 9);
    assert_eq!(cached.number().await, 1);
    cached.pass(59);
    assert_eq!(cached.number().await, 1);
    assert_eq!(cached.fetches(), 1);
    cached.pass(1);
    assert_eq!(cached.number().await, 1);
    cached.settled().await;
    assert_eq!(cached.number().await, 2);
}

#[tokio::test]
async fn a_failed_renewal_is_tried_again_after_a_pause_and_then_for_all_to_see() {
    let cached = numbers(Some(3600), 9);
    assert_eq!(cached.number().await, 1);
    cached.source().failing.store(2, Ordering::SeqCst);
    cached.pass(3600 - 200);
    assert_eq!(cached.number().await, 1);
    cached.settled().await;
    assert_eq!(cached.number().await, 1);
    assert_eq!(cached.fetches(), 2, "the pause holds");
    cached.pass(11);
    assert_eq!(cached.number().await, 1);
    cached.settled().await;
    assert_eq!(cached.fetches(), 3);
    cached.source().failing.store(1, Ordering::SeqCst);
    cached.pass(200);
    assert!(cached.get().await.expect_err("nothing good is left").is_transient());
    assert_eq!(cached.number().await, 5, "the pause holds up nobody who has nothing");
}

#[tokio::test]
async fn a_refused_value_is_dropped_once_for_all_who_used_it() {
    let cached = numbers(Some(3600), 9);
    assert_eq!(cached.number().await, 1);
    assert!(cached.refused());
    assert_eq!(cached.number().await, 2);
    assert!(cached.refused(), "another request with the first value");
    assert_eq!(cached.number().await, 2);
    cached.pass(31);
    assert!(cached.refused());
    assert_eq!(cached.number().await, 3);
}

#[tokio::test]
async fn a_value_without_an_end_is_kept() {
    let cached = numbers(None, 9);
    assert_eq!(cached.number().await, 1);
    cached.pass(1 << 30);
    assert_eq!(cached.number().await, 1);
}

#[tokio::test]
async fn a_fetch_that_panics_fails_its_callers_and_no_later_ones() {
    let cached = numbers(Some(3600), 9);
    cached.source().started.send_replace(99);
    assert!(cached.get().await.expect_err("the fetch panicked").is_transient());
    cached.source().started.send_replace(0);
    assert_eq!(cached.number().await, 1);
}

/// The start of a fetch belongs to nobody: its starter may be dropped, and its starter's runtime
/// may never run again.
#[test]
fn a_fetch_outlives_its_starter_and_needs_not_its_starters_runtime() {
    let cached = Arc::new(numbers(Some(3600), 0));
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stopped = runtime();
    let starter = cached.clone();
    stopped.block_on(async move {
        let mut get = Box::pin(starter.get());
        poll_fn(|cx| {
            assert!(get.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // Left behind by a second task as well, which stays as it is: this runtime is not run again.
        drop(tokio::spawn({
            let other = starter.clone();
            async move { other.number().await }
        }));
        tokio::task::yield_now().await;
    });
    let waiting = cached.clone();
    let elsewhere = std::thread::spawn(move || runtime().block_on(waiting.number()));
    cached.source().permits.add_permits(1);
    assert_eq!(elsewhere.join().expect("no panic"), 1);
    assert_eq!(cached.fetches(), 1);
    drop(stopped);
}

#[test]
fn fifty_callers_on_two_runtimes_make_one_fetch() {
    let cached = Arc::new(numbers(Some(3600), 0));
    let arrived = Arc::new(Semaphore::new(0));
    let worker = || {
        let (cached, arrived) = (cached.clone(), arrived.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(async {
                let callers: Vec<_> = (0..25)
                    .map(|_| {
                        let (cached, arrived) = (cached.clone(), arrived.clone());
                        tokio::spawn(async move {
                            let mut get = std::pin::pin!(cached.get());
                            let first = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx))).await;
                            assert!(first.is_pending());
                            arrived.add_permits(1);
                            *get.await.expect("a number")
                        })
                    })
                    .collect();
                for caller in callers {
                    assert_eq!(caller.await.expect("no panic"), 1);
                }
            });
        })
    };
    let workers = [worker(), worker()];
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { arrived.acquire_many(50).await.expect("never closed").forget() });
    cached.source().permits.add_permits(50);
    for worker in workers {
        worker.join().expect("no panic");
    }
    assert_eq!(cached.fetches(), 1);
}

/// Leaves something behind that blocks, as the look-up of a name can.
struct Lingering(Mutex<Option<std::sync::mpsc::Receiver<()>>>);

impl Source for Lingering {
    type Value = ();

    async fn fetch(&self) -> Result<((), Option<SystemTime>), CloudError> {
        let end = self.0.lock().expect("never poisoned").take();
        if let Some(end) = end {
            let (began, begun) = tokio::sync::oneshot::channel();
            tokio::task::spawn_blocking(move || {
                began.send(()).expect("waited for");
                let _ = end.recv();
            });
            begun.await.expect("it begins");
        }
        Ok(((), None))
    }
}

#[tokio::test]
async fn what_still_blocks_behind_a_fetch_is_not_waited_for() {
    let (end, ends) = std::sync::mpsc::channel();
    let source = Lingering(Mutex::new(Some(ends)));
    let cached = Cached::new(source, Arc::new(|| UNIX_EPOCH));
    let got = tokio::time::timeout(Duration::from_secs(20), cached.get()).await;
    got.expect("told while something still blocks").expect("a value");
    drop(end);
}
