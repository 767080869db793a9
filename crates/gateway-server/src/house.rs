//! What a process has once, whatever configuration it serves with: it outlives every reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderValue;

use crate::budgets::Budgets;
use crate::log::Log;
use crate::meter::Meters;
use crate::mirror::Mirrors;
use crate::pins::Pins;
use crate::record::Ids;
use crate::stats::Stats;

/// Shared by every snapshot of the configuration.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) stats: Stats,
    pub(crate) log: Log,
    pub(crate) ids: Ids,
    /// For everything that is left to chance.
    pub(crate) luck: Luck,
    /// How often requests of each client may be asked again.
    pub(crate) budgets: Budgets,
    /// Where sessions are.
    pub(crate) pins: Pins,
    /// Copies on their way.
    pub(crate) mirrors: Mirrors,
    /// What callers have asked for.
    pub(crate) meters: Meters,
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
            luck: Luck::new(),
            budgets: Budgets::default(),
            pins: Pins::default(),
            mirrors: Mirrors::default(),
            ids,
            meters: Meters::default(),
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

/// Numbers that nobody foresees, and that need not be secret.
#[derive(Debug)]
pub(crate) struct Luck(AtomicU64);

impl Luck {
    fn new() -> Self {
        let mut seed = [0; 8];
        // Without the system's randomness every process has the same luck, which only spreads load worse.
        let _ = getrandom::fill(&mut seed);
        Self(AtomicU64::new(u64::from_le_bytes(seed)))
    }

    /// The next number (`SplitMix64`).
    pub(crate) fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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
