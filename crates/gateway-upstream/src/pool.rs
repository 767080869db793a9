//! The connections that are kept, and those in use.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::dial::ProxyAuth;

/// Idle connections older than this are not used again: many servers and middleboxes close them
/// after a minute, and a request sent into that moment is lost.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// Streams given to one HTTP/2 connection at most, whatever the upstream would allow: each loss on
/// the one TCP connection stalls all of them.
pub(crate) const MAX_STREAMS: usize = 64;

/// A connection in use.
pub(crate) enum Lease {
    /// All of it.
    Http1 { sender: Http1, pool: Arc<Pool> },
    /// One of its streams.
    Http2 { _stream: StreamSlot },
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 { .. } => "Lease::Http1",
            Self::Http2 { .. } => "Lease::Http2",
        })
    }
}

/// A connection that serves one request at a time.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) sender: http1::SendRequest<Outgoing>,
    /// Set on a forward proxy: requests name the whole URL, and bring this credential.
    pub(crate) absolute_form: Option<ProxyAuth>,
}

/// A connection that serves many at once.
#[derive(Debug, Clone)]
pub(crate) struct Http2 {
    pub(crate) sender: http2::SendRequest<Outgoing>,
    pub(crate) load: Arc<Load>,
}

/// How busy a shared connection is.
#[derive(Debug)]
pub(crate) struct Load {
    active: AtomicUsize,
    /// Streams the peer allows at present.
    allowed: AtomicUsize,
    last_used: Mutex<Instant>,
}

impl Load {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            active: AtomicUsize::new(0),
            allowed: AtomicUsize::new(MAX_STREAMS),
            last_used: Mutex::new(Instant::now()),
        })
    }

    pub(crate) fn allow(&self, streams: usize) {
        self.allowed.store(streams.min(MAX_STREAMS), Ordering::Relaxed);
    }

    /// Takes one of the streams.
    pub(crate) fn take(self: &Arc<Self>) -> StreamSlot {
        self.active.fetch_add(1, Ordering::Relaxed);
        StreamSlot(self.clone())
    }

    fn has_room(&self) -> bool {
        self.active.load(Ordering::Relaxed) < self.allowed.load(Ordering::Relaxed)
    }

    fn is_stale(&self) -> bool {
        self.active.load(Ordering::Relaxed) == 0 && lock(&self.last_used).elapsed() >= MAX_IDLE
    }
}

/// One of a shared connection's streams, given back when dropped.
#[derive(Debug)]
pub(crate) struct StreamSlot(Arc<Load>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        *lock(&self.0.last_used) = Instant::now();
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections of one upstream on one worker.
#[derive(Debug)]
pub(crate) struct Pool {
    max_idle: usize,
    idle: Mutex<Vec<(Http1, Instant)>>,
    shared: Mutex<Vec<Http2>>,
}

impl Pool {
    pub(crate) fn new(max_idle: usize) -> Self {
        Self { max_idle, idle: Mutex::default(), shared: Mutex::default() }
    }

    /// Keeps a connection for the next request, if there is room.
    pub(crate) fn put(&self, http1: Http1) {
        if http1.sender.is_closed() {
            return;
        }
        let mut idle = lock(&self.idle);
        if idle.len() < self.max_idle {
            idle.push((http1, Instant::now()));
        }
    }

    /// The connection used last: it is the least likely to have been closed.
    pub(crate) fn take(&self) -> Option<Http1> {
        let mut idle = lock(&self.idle);
        let (http1, since) = idle.pop()?;
        if since.elapsed() < MAX_IDLE {
            return Some(http1);
        }
        idle.clear(); // Those below are older still.
        None
    }

    /// Lets others use a connection too.
    pub(crate) fn publish(&self, http2: Http2) {
        if self.max_idle > 0 {
            lock(&self.shared).push(http2);
        }
    }

    /// A stream of a connection that has room for one more.
    pub(crate) fn share(&self) -> Option<(Http2, StreamSlot)> {
        let mut shared = lock(&self.shared);
        shared.retain(|http2| !http2.sender.is_closed() && !http2.load.is_stale());
        let free = shared.iter().find(|http2| http2.load.has_room())?;
        Some((free.clone(), free.load.take()))
    }

    /// Closes what has been idle for too long.
    pub(crate) fn reap(&self) {
        let now = Instant::now();
        lock(&self.idle).retain(|(http1, since)| {
            !http1.sender.is_closed() && now.duration_since(*since) < MAX_IDLE
        });
        lock(&self.shared).retain(|http2| !http2.sender.is_closed() && !http2.load.is_stale());
    }
}

/// The pools hold plain lists; a panic elsewhere leaves them valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
