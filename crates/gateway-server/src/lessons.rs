//! What an upstream was found to refuse, remembered for a while (R20).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Servers are updated: after this long a field is tried again.
const KEPT: Duration = Duration::from_secs(3600);

/// The lessons of one upstream, by model; never applied to another.
#[derive(Debug)]
pub(crate) struct Lessons<T> {
    learnt: Mutex<Vec<Lesson<T>>>,
}

#[derive(Debug)]
struct Lesson<T> {
    model: String,
    refused: T,
    until: Instant,
}

impl<T> Default for Lessons<T> {
    fn default() -> Self {
        Self { learnt: Mutex::default() }
    }
}

/// Callers choose the names of models: no more lessons than this are kept.
const MOST: usize = 256;

impl<T: Clone + PartialEq> Lessons<T> {
    /// What to leave out for `model` now.
    pub(crate) fn known(&self, model: &str) -> Vec<T> {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if learnt.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        learnt.retain(|lesson| lesson.until > now);
        let own = learnt.iter().filter(|lesson| lesson.model == model);
        own.map(|lesson| lesson.refused.clone()).collect()
    }

    /// Leaves something out for `model` from now on; of too many lessons the oldest is forgotten.
    /// Whether it is a new one.
    pub(crate) fn learn(&self, model: &str, refused: &T) -> bool {
        let until = Instant::now() + KEPT;
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let known = learnt.iter().position(|l| l.refused == *refused && l.model == model);
        if let Some(at) = known {
            learnt[at].until = until;
            return false;
        }
        if learnt.len() == MOST {
            learnt.remove(0);
        }
        learnt.push(Lesson { model: model.to_owned(), refused: refused.clone(), until });
        true
    }

    /// All that is left out now: for which model, and what.
    pub(crate) fn all(&self) -> Vec<(String, T)> {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        learnt.retain(|lesson| lesson.until > now);
        learnt.iter().map(|lesson| (lesson.model.clone(), lesson.refused.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r20_a_lesson_is_kept_for_a_while() {
        let lessons = Lessons::default();
        assert!(lessons.known("m").is_empty());
        assert!(lessons.learn("m", &"store"));
        assert!(!lessons.learn("m", &"store"));
        assert_eq!(lessons.known("m"), ["store"]);
        assert!(lessons.known("other").is_empty());
        assert_eq!(lessons.all(), [("m".to_owned(), "store")]);
        tokio::time::advance(KEPT + Duration::from_secs(1)).await;
        assert!(lessons.known("m").is_empty());
    }
}
