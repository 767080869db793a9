//! Waiting for things that happen instead of for time to pass.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// A door which a test opens and a script waits at, or the other way round. Clones are the
/// same door; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was opened.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for [`Gate::open`], as long as [`PATIENCE`] lasts.
    pub async fn passed(&self) {
        patient("a gate to open", self.wait()).await;
    }

    /// Waits for ever: a script's upstream ends with its test.
    pub(crate) async fn wait(&self) {
        // The sender lives in `self`, so the channel can't close while we wait.
        let mut state = self.0.subscribe();
        let _open = state.wait_for(|open| *open).await;
    }
}

/// How long a test waits for anything before it fails, in real time whatever the test's clock says.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits `future`, and panics with `what` when [`PATIENCE`] runs out first.
pub async fn patient<T>(what: &str, future: impl Future<Output = T>) -> T {
    // The timer runs on the kit's own runtime: a paused test clock must not fire it at once.
    let mut alarm = Abort(runtime().spawn(tokio::time::sleep(PATIENCE)));
    let mut future = pin!(future);
    tokio::select! {
        biased;
        out = &mut future => out,
        _ = &mut alarm.0 => panic!("waited {PATIENCE:?} for {what}"),
    }
}

struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The runtime that all upstreams of a test process share.
pub(crate) fn runtime() -> &'static Runtime {
    static KIT: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("testkit")
            .enable_all()
            .build()
            .expect("a runtime with one thread can be started")
    });
    &KIT
}
