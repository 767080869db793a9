//! Which of an upstream's keys to use.
//!
//! A key that was limited rests for that model (or for all, where the upstream says that the account is
//! limited); one that was rejected rests for all and is tried again after a minute. A broken server says
//! nothing about a key: that is the breaker's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::later;

/// The keys of one upstream, known by their index.
///
/// ```
/// use gateway_resilience::keys::{KeyPool, Pick};
/// use std::time::Duration;
/// let now = std::time::Instant::now();
/// let mut pool = KeyPool::new(&[1, 1]);
/// let Pick::Key(first) = pool.pick(now, "m", Some("session"), 0, &[]) else { panic!("both are fresh") };
/// assert_eq!(pool.pick(now, "m", Some("session"), 99, &[]), Pick::Key(first), "a session stays");
/// pool.limited(now, first, Some("m"), Duration::from_secs(20));
/// assert_eq!(pool.pick(now, "m", Some("session"), 0, &[]), Pick::Key(1 - first));
/// ```
#[derive(Debug)]
pub struct KeyPool {
    keys: Vec<Key>,
}

#[derive(Debug, Default)]
struct Key {
    weight: u32,
    rejected: Option<Rests>,
    /// The whole account.
    limited: Option<Rests>,
    models: HashMap<Box<str>, Rests>,
}

/// A key that is not used for a while.
#[derive(Debug, Clone, Copy)]
struct Rests {
    until: Instant,
    /// When the upstream said so last.
    said: Instant,
}

/// The choice of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// This one.
    Key(usize),
    /// Every key that has not been tried is resting, at least one of them because of a limit.
    Resting {
        /// When the first limit ends.
        until: Instant,
    },
    /// Every key that has not been tried was rejected.
    Rejected {
        /// The first one that is tried again.
        key: usize,
        /// When it is.
        until: Instant,
    },
    /// Every key has been tried.
    None,
}

/// How a key stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// For how long it is not used because the upstream rejected it.
    pub rejected_for: Option<Duration>,
    /// For which models (`None`: for all) it is not used for how long because of a limit.
    pub limited: Vec<(Option<String>, Duration)>,
}

/// No limit is believed for longer: some upstreams name days, and mean a window that slides.
pub const MAX_REST: Duration = Duration::from_secs(3600);

/// A rejected key is tried again after this: keys are repaired without telling a gateway.
pub const REJECTED_REST: Duration = Duration::from_secs(60);

/// Of so many models' limits each key keeps track; callers choose names.
const MAX_MODELS: usize = 1024;

impl KeyPool {
    /// Of so many keys, each with its share. A key of weight 0 is used when no other can be.
    pub fn new(weights: &[u32]) -> Self {
        let key = |&weight| Key { weight, ..Key::default() };
        Self { keys: weights.iter().map(key).collect() }
    }

    /// Other weights for the same keys. Of another number of keys nothing that was known of them holds.
    pub fn reweigh(&mut self, weights: &[u32]) {
        if weights.len() != self.keys.len() {
            *self = Self::new(weights);
            return;
        }
        for (key, weight) in self.keys.iter_mut().zip(weights) {
            key.weight = *weight;
        }
    }

    /// Chooses a key for a request, by its session where it has one and else by `luck` (any number,
    /// evenly drawn); in both cases each key has the share that its weight says.
    ///
    /// A session gets the same key each time, as long as that can be used: prompt caches belong to an
    /// account (R35). If it can't, only this key's sessions go elsewhere.
    pub fn pick(
        &self,
        now: Instant,
        model: &str,
        session: Option<&str>,
        luck: u64,
        tried: &[usize],
    ) -> Pick {
        let mut usable = Vec::with_capacity(self.keys.len());
        let mut limit_ends: Option<Instant> = None;
        let mut rejection_ends: Option<(Instant, usize)> = None;
        for (at, key) in self.keys.iter().enumerate() {
            if tried.contains(&at) {
                continue;
            }
            match key.rest(now, model) {
                Rest::None => usable.push(at),
                Rest::Limited(until) => limit_ends = Some(earlier(limit_ends, until)),
                Rest::Rejected(until) => {
                    rejection_ends = Some(earlier(rejection_ends, (until, at)));
                }
            }
        }
        if usable.iter().any(|&at| self.keys[at].weight > 0) {
            usable.retain(|&at| self.keys[at].weight > 0);
        }
        let chosen = match session {
            Some(session) => self.by_session(&usable, session),
            None => self.by_luck(&usable, luck),
        };
        match (chosen, limit_ends, rejection_ends) {
            (Some(key), _, _) => Pick::Key(key),
            (None, Some(until), _) => Pick::Resting { until },
            (None, None, Some((until, key))) => Pick::Rejected { key, until },
            (None, None, None) => Pick::None,
        }
    }

    /// The upstream has limited this key for `lasts`: for a model, or the whole account.
    ///
    /// A rest that is running is never made longer: it would never end where each refused attempt adds to
    /// it (R37). None is longer than [`MAX_REST`].
    pub fn limited(&mut self, now: Instant, key: usize, model: Option<&str>, lasts: Duration) {
        let Some(key) = self.keys.get_mut(key) else { return };
        let until = later(now, lasts.min(MAX_REST));
        match model {
            None => key.limited = Some(sooner(now, key.limited, until)),
            Some(model) => {
                let rests = sooner(now, key.models.get(model).copied(), until);
                key.make_room(now, model);
                key.models.insert(model.into(), rests);
            }
        }
    }

    /// The upstream does not accept this key.
    pub fn rejected(&mut self, now: Instant, key: usize) {
        let Some(key) = self.keys.get_mut(key) else { return };
        key.rejected = Some(sooner(now, key.rejected, later(now, REJECTED_REST)));
    }

    /// The upstream has answered with this key an attempt that began at `began`: then, it was neither rejected
    /// nor, for this model, limited. What it has said of the key since stays.
    pub fn succeeded(&mut self, _now: Instant, key: usize, model: &str, began: Instant) {
        let Some(key) = self.keys.get_mut(key) else { return };
        let since = |rests: &Rests| began < rests.said;
        key.rejected = key.rejected.filter(since);
        key.limited = key.limited.filter(since);
        if key.models.get(model).is_some_and(|rests| !since(rests)) {
            key.models.remove(model);
        }
    }

    /// Forgets all limits and rejections, by command.
    pub fn reset(&mut self) {
        for key in &mut self.keys {
            *key = Key { weight: key.weight, ..Key::default() };
        }
    }

    /// How each key stands.
    pub fn status(&self, now: Instant) -> Vec<KeyStatus> {
        self.keys.iter().map(|key| key.status(now)).collect()
    }

    /// Weighted rendezvous: each key draws a number from session and key, the best one wins. Without a key
    /// the others' numbers are what they were, so nobody else moves.
    fn by_session(&self, usable: &[usize], session: &str) -> Option<usize> {
        let score = |at: usize| -logarithm_of_luck(session, at) / f64::from(self.weight(at));
        usable.iter().copied().min_by(|&a, &b| score(a).total_cmp(&score(b)))
    }

    fn by_luck(&self, usable: &[usize], luck: u64) -> Option<usize> {
        let total: u64 = usable.iter().map(|&at| u64::from(self.weight(at))).sum();
        let mut point = (u128::from(luck) * u128::from(total)) >> 64;
        usable.iter().copied().find(|&at| {
            let weight = u128::from(self.weight(at));
            let here = point < weight;
            point = point.saturating_sub(weight);
            here
        })
    }

    fn weight(&self, at: usize) -> u32 {
        self.keys[at].weight.max(1)
    }
}

/// Why a key is not used now.
enum Rest {
    None,
    Limited(Instant),
    Rejected(Instant),
}

// === impl Key ===

impl Key {
    fn rest(&self, now: Instant, model: &str) -> Rest {
        let running = |rests: Rests| (now < rests.until).then_some(rests.until);
        if let Some(until) = self.rejected.and_then(running) {
            return Rest::Rejected(until);
        }
        let of_model = self.models.get(model).copied().and_then(running);
        of_model.max(self.limited.and_then(running)).map_or(Rest::None, Rest::Limited)
    }

    /// Makes sure that `model` can be inserted: what is over goes first, then what ends first.
    fn make_room(&mut self, now: Instant, model: &str) {
        if self.models.len() < MAX_MODELS || self.models.contains_key(model) {
            return;
        }
        self.models.retain(|_, rests| now < rests.until);
        if self.models.len() >= MAX_MODELS {
            let first = self.models.iter().min_by_key(|(_, rests)| rests.until);
            if let Some(name) = first.map(|(name, _)| name.clone()) {
                self.models.remove(&name);
            }
        }
    }

    fn status(&self, now: Instant) -> KeyStatus {
        let left =
            |rests: Rests| rests.until.checked_duration_since(now).filter(|left| !left.is_zero());
        let account = self.limited.and_then(left).map(|left| (None, left));
        let models = self.models.iter().filter_map(|(model, rests)| {
            let name: &str = model;
            left(*rests).map(|left| (Some(name.to_owned()), left))
        });
        let mut limited: Vec<_> = account.into_iter().chain(models).collect();
        limited.sort();
        KeyStatus { rejected_for: self.rejected.and_then(left), limited }
    }
}

/// A rest until then, unless one is running that ends before it.
fn sooner(now: Instant, running: Option<Rests>, new: Instant) -> Rests {
    let running = running.map(|rests| rests.until).filter(|until| now < *until);
    Rests { until: earlier(running, new), said: now }
}

fn earlier<T: Ord>(known: Option<T>, other: T) -> T {
    match known {
        Some(known) => known.min(other),
        None => other,
    }
}

/// The logarithm of an even draw from (0, 1) that only depends on what is given.
fn logarithm_of_luck(session: &str, key: usize) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in session.bytes().chain(key.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // FNV leaves the high bits poorly mixed, and those are the ones used: stir.
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let draw = u32::try_from((hash ^ (hash >> 32)) >> 32).unwrap_or(u32::MAX);
    ((f64::from(draw) + 0.5) / 4_294_967_296.0).ln()
}
