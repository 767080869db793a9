//! Which provider a session is at: a conversation that moves loses its prompt cache (R35).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A session that has been silent for this long has lost its caches anyway.
const KEPT: Duration = Duration::from_secs(3600);

/// Callers choose the names of sessions: no more than this are kept.
const MOST: usize = 16_384;

/// The providers of sessions, rule by rule.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    hasher: RandomState,
    pins: Mutex<HashMap<u64, Pin>>,
}

#[derive(Debug)]
struct Pin {
    provider: Arc<str>,
    until: Instant,
}

impl Pins {
    /// Where a session is, by a rule.
    pub(crate) fn of(&self, session: &str, rule: usize, now: Instant) -> Option<Arc<str>> {
        let key = self.hasher.hash_one((session, rule));
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.get(&key).filter(|pin| pin.until > now).map(|pin| pin.provider.clone())
    }

    /// The session is at this provider from now on.
    pub(crate) fn pin(&self, session: &str, rule: usize, provider: &Arc<str>, now: Instant) {
        let key = self.hasher.hash_one((session, rule));
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if pins.len() >= MOST && !pins.contains_key(&key) {
            pins.retain(|_, pin| pin.until > now);
            if pins.len() >= MOST {
                // Nobody is silent: half of the sessions choose anew.
                let mut all: Vec<Instant> = pins.values().map(|pin| pin.until).collect();
                let (_, middle, _) = all.select_nth_unstable(MOST / 2);
                let middle = *middle;
                pins.retain(|_, pin| pin.until > middle);
            }
        }
        pins.insert(key, Pin { provider: provider.clone(), until: now + KEPT });
    }

    /// The rules have changed, and their numbers with them.
    pub(crate) fn clear(&self) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r35_a_session_is_where_it_was_for_an_hour() {
        let pins = Pins::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        pins.pin("s", 0, &a, Instant::now());
        pins.pin("s", 1, &b, Instant::now());
        assert_eq!(pins.of("s", 0, Instant::now()), Some(a.clone()));
        assert_eq!(pins.of("s", 1, Instant::now()), Some(b.clone()));
        assert_eq!(pins.of("t", 0, Instant::now()), None);
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert_eq!(pins.of("s", 0, Instant::now()), Some(a.clone()));
        pins.pin("s", 0, &b, Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(pins.of("s", 0, Instant::now()), Some(b));
        assert_eq!(pins.of("s", 1, Instant::now()), None);
        pins.clear();
        assert_eq!(pins.of("s", 0, Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_flood_of_sessions_fills_the_memory() {
        let pins = Pins::default();
        let a: Arc<str> = "a".into();
        for session in 0..3 * MOST {
            pins.pin(&session.to_string(), 0, &a, Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let last = (3 * MOST - 1).to_string();
        assert_eq!(pins.of(&last, 0, Instant::now()), Some(a));
        assert!(pins.pins.lock().expect("unpoisoned").len() <= MOST);
    }
}
