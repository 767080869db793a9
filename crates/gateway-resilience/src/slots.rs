//! Two counts over a sliding window, in a ring of slots: constant time, constant room.

use std::time::{Duration, Instant};

/// So many slots make a window; it slides by one of them at a time.
const SLOTS: usize = 10;

/// How often two things happened within the last `window`, give or take a tenth of it.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    width: Duration,
    began: Option<Instant>,
    /// The number, since `began`, of the slot that is being filled.
    at: u128,
    ring: [[u64; 2]; SLOTS],
    sums: [u64; 2],
}

impl Slots {
    pub(crate) fn new(window: Duration) -> Self {
        let width = (window / 10).max(Duration::from_millis(1));
        Self { width, began: None, at: 0, ring: [[0; 2]; SLOTS], sums: [0; 2] }
    }

    /// Counts one of kind 0 or 1.
    pub(crate) fn add(&mut self, now: Instant, kind: usize) {
        self.slide(now);
        let slot = self.slot();
        self.ring[slot][kind] += 1;
        self.sums[kind] += 1;
    }

    /// Both counts within the window that ends now.
    pub(crate) fn sums(&mut self, now: Instant) -> [u64; 2] {
        self.slide(now);
        self.sums
    }

    /// Forgets everything counted.
    pub(crate) fn clear(&mut self) {
        self.ring = [[0; 2]; SLOTS];
        self.sums = [0; 2];
    }

    fn slot(&self) -> usize {
        usize::try_from(self.at % SLOTS as u128).unwrap_or(0)
    }

    fn slide(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        // An instant from before the last one (read before a lock was had) counts into the current slot.
        let target = now.saturating_duration_since(began).as_nanos() / self.width.as_nanos();
        if target.saturating_sub(self.at) >= SLOTS as u128 {
            self.clear();
            self.at = target;
        }
        while self.at < target {
            self.at += 1;
            let slot = self.slot();
            for kind in 0..2 {
                self.sums[kind] -= std::mem::take(&mut self.ring[slot][kind]);
            }
        }
    }
}
