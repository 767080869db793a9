//! What routing may know of the moment: who is up, who is quick, what chance says. Whoever calls owns
//! all of it; the router only asks.

use std::time::Duration;

/// The live state as far as plans depend on it. Providers are indices into the list that the table was
/// built from, models the names sent upstream. Each method has a default that knows nothing.
pub trait View {
    /// Whether the provider takes requests for the model; `false` with an open breaker, in a cooldown, ejected.
    fn is_up(&self, provider: usize, model: &str) -> bool {
        let _ = (provider, model);
        true
    }

    /// How long the first event is expected to take, load included; `None` where nobody knows.
    fn latency(&self, provider: usize, model: &str) -> Option<Duration> {
        let _ = (provider, model);
        None
    }

    /// What a request costs there; in any unit, it is only compared. `None` where nobody knows.
    fn cost(&self, provider: usize, model: &str) -> Option<u64> {
        let _ = (provider, model);
        None
    }

    /// The provider that a session is at, by the pins kept under a rule ([`crate::Plan::sticky`]).
    fn pinned(&self, session: &str, rule: usize) -> Option<usize> {
        let _ = (session, rule);
        None
    }

    /// The turn of a group, named by its first rule; each call is one turn further. Asked at most once for a plan.
    fn turn(&self, rule: usize) -> usize {
        let _ = rule;
        0
    }

    /// A fresh random number. Asked at most once for a plan.
    fn luck(&self) -> u64 {
        0
    }
}

/// Nothing is known and chance always says the same: a plan depends on the query alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calm;

impl View for Calm {}
