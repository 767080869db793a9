//! Which provider a session is at: a conversation that moves loses its prompt cache (R35).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A session that has been silent for this long has lost its caches anyway.
const KEPT: Duration = Duration::from_secs(3600);

/// Callers choose the names of sessions: no more than this are kept.
const MOST: usize = 16_384;

/// The providers of sessions, rule by rule.
///
/// Rules are known by their numbers, which mean something else once the rules have changed: who still serves by
/// old ones neither finds nor pins anything.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    hasher: RandomState,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    generation: Generation,
    pins: HashMap<u64, Pin>,
}

/// Which rules: another after each change of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// A rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) generation: Generation,
    pub(crate) number: usize,
}

#[derive(Debug)]
struct Pin {
    provider: Arc<str>,
    until: Instant,
}

impl Pins {
    /// The rules that hold now.
    pub(crate) fn generation(&self) -> Generation {
        self.books().generation
    }

    /// Where a session is, by a rule.
    pub(crate) fn of(&self, session: &str, rule: Rule, now: Instant) -> Option<Arc<str>> {
        let key = self.hasher.hash_one((session, rule.number));
        let books = self.books();
        if books.generation != rule.generation {
            return None;
        }
        books.pins.get(&key).filter(|pin| pin.until > now).map(|pin| pin.provider.clone())
    }

    /// The session is at this provider from now on.
    pub(crate) fn pin(&self, session: &str, rule: Rule, provider: &Arc<str>, now: Instant) {
        let key = self.hasher.hash_one((session, rule.number));
        let mut books = self.books();
        if books.generation != rule.generation {
            return;
        }
        let pins = &mut books.pins;
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

    /// The rules have changed, and their numbers with them. Gives the new ones' generation.
    pub(crate) fn clear(&self) -> Generation {
        let mut books = self.books();
        books.pins.clear();
        books.generation.0 += 1;
        books.generation
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: usize) -> Rule {
        Rule { generation: Generation::default(), number }
    }

    #[tokio::test(start_paused = true)]
    async fn r35_a_session_is_where_it_was_for_an_hour() {
        let pins = Pins::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        pins.pin("s", rule(0), &a, Instant::now());
        pins.pin("s", rule(1), &b, Instant::now());
        assert_eq!(pins.of("s", rule(0), Instant::now()), Some(a.clone()));
        assert_eq!(pins.of("s", rule(1), Instant::now()), Some(b.clone()));
        assert_eq!(pins.of("t", rule(0), Instant::now()), None);
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert_eq!(pins.of("s", rule(0), Instant::now()), Some(a.clone()));
        pins.pin("s", rule(0), &b, Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(pins.of("s", rule(0), Instant::now()), Some(b));
        assert_eq!(pins.of("s", rule(1), Instant::now()), None);
        let new = Rule { generation: pins.clear(), number: 0 };
        assert_eq!(pins.of("s", new, Instant::now()), None);
        // A request that began before the change ends after it.
        pins.pin("s", rule(0), &a, Instant::now());
        assert_eq!(pins.of("s", new, Instant::now()), None);
        pins.pin("s", new, &a, Instant::now());
        assert_eq!(pins.of("s", new, Instant::now()), Some(a));
        assert_eq!(pins.of("s", rule(0), Instant::now()), None);
        assert_eq!(pins.generation(), new.generation);
    }

    #[tokio::test(start_paused = true)]
    async fn no_flood_of_sessions_fills_the_memory() {
        let pins = Pins::default();
        let a: Arc<str> = "a".into();
        for session in 0..3 * MOST {
            pins.pin(&session.to_string(), rule(0), &a, Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let last = (3 * MOST - 1).to_string();
        assert_eq!(pins.of(&last, rule(0), Instant::now()), Some(a));
        assert!(pins.books().pins.len() <= MOST);
    }
}
