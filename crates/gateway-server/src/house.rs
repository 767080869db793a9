//! What a process has once, whatever configuration it serves with: it outlives every reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderValue;

use crate::log::Log;
use crate::record::Ids;
use crate::stats::Stats;

/// Shared by every snapshot of the configuration.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) stats: Stats,
    pub(crate) log: Log,
    pub(crate) ids: Ids,
    /// Names this process in [`X_GATEWAY_HOP`](crate::runtime::X_GATEWAY_HOP).
    pub(crate) instance: HeaderValue,
    draining: AtomicBool,
    buffered: AtomicU64,
}

impl House {
    pub(crate) fn new(log: Log) -> Self {
        let ids = Ids::new();
        Self {
            stats: Stats::new(),
            log,
            instance: HeaderValue::try_from(ids.instance()).expect("hexadecimal digits"),
            ids,
            draining: AtomicBool::new(false),
            buffered: AtomicU64::new(0),
        }
    }

    /// Whether no new connections are taken any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Marks the gateway as draining, for `/ready`.
    pub(crate) fn mark_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Reserves room for a request body of so many bytes where all bodies held at once may have `limit`
    /// together; `None` if it is full.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64, limit: u64) -> Option<Reserved> {
        let room = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= limit);
        self.buffered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Reserved { bytes, house: self.clone() })
    }
}

/// Room for a request body, given back when the body is let go.
#[derive(Debug)]
pub(crate) struct Reserved {
    bytes: u64,
    house: Arc<House>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.house.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
