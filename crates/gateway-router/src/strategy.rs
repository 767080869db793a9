//! The order of providers that share requests.

use std::cmp::Reverse;
use std::time::Duration;

use crate::spec::Strategy;
use crate::view::View;

/// One of those that share.
#[derive(Debug, Clone)]
pub(crate) struct Member<T> {
    /// What the caller knows it by.
    pub(crate) what: T,
    /// Its own place in draws.
    pub(crate) seed: u64,
    /// Its share; with 0 it is not chosen while another can be.
    pub(crate) weight: u32,
    /// Whether it takes requests. A private one is asked in any case: what is its own must not go elsewhere because
    /// it is down.
    pub(crate) is_up: bool,
    /// The session is at it.
    pub(crate) is_pinned: bool,
}

/// Live figures about a member.
pub(crate) trait Figures<T> {
    fn latency(&self, member: &T) -> Option<Duration>;
    fn cost(&self, member: &T) -> Option<u64>;
}

/// Whose turn it is, and by what chance.
pub(crate) struct Draw<'a> {
    pub(crate) view: &'a dyn View,
    /// The first rule of the group.
    pub(crate) rule: usize,
    /// The session, where sessions stay together.
    pub(crate) session: Option<&'a str>,
}

/// Sorts members: the choice first, then those that are asked when it fails. Those that are down come behind those
/// that are up, but not where the order is given; those without weight come behind those with.
pub(crate) fn arrange<T>(
    members: &mut [Member<T>],
    strategy: Strategy,
    draw: &Draw<'_>,
    figures: &dyn Figures<T>,
) {
    let is_pinned = members.iter().any(|m| m.is_pinned);
    if strategy == Strategy::Ordered {
        members.sort_by_key(|m| (!m.is_pinned, m.weight == 0));
        return;
    }
    members.sort_by_key(tier);
    let best = members.first().map(tier);
    let choice = members.iter().take_while(|m| Some(tier(m)) == best).count();
    match strategy {
        Strategy::Weighted => {
            let seed = match draw.session {
                Some(session) => hash(session.as_bytes(), OFFSET),
                None => draw.view.luck(),
            };
            members.sort_by(|a, b| {
                tier(a).cmp(&tier(b)).then(score(seed, a).total_cmp(&score(seed, b)))
            });
        }
        Strategy::RoundRobin if !is_pinned && choice > 1 => {
            members[..choice].rotate_left(draw.view.turn(draw.rule) % choice);
        }
        Strategy::Ordered | Strategy::RoundRobin => {}
        Strategy::LeastLatency => {
            // Who was never asked is tried: otherwise nothing would ever be known about it.
            let quickness = |m: &Member<T>| figures.latency(&m.what);
            let by_draw = (!is_pinned && choice > 1).then(|| {
                let (a, b) = two_of(choice, draw.view.luck());
                if quickness(&members[b]) < quickness(&members[a]) { b } else { a }
            });
            if let Some(chosen) = by_draw {
                members[..=chosen].rotate_right(1);
                members[1..].sort_by_cached_key(|m| (tier(m), quickness(m)));
            } else {
                members.sort_by_cached_key(|m| (tier(m), quickness(m)));
            }
        }
        Strategy::LeastCost => {
            members.sort_by_cached_key(|m| {
                let cost = figures.cost(&m.what);
                (tier(m), cost.is_none(), cost)
            });
        }
    }
    if let Some(at) = members.iter().position(|m| m.is_pinned) {
        members[..=at].rotate_right(1);
    }
}

/// Lower is better.
fn tier<T>(member: &Member<T>) -> (Reverse<bool>, bool) {
    (Reverse(member.is_up), member.weight == 0)
}

/// Two different ones of `count` by one number; each pair equally often.
fn two_of(count: usize, luck: u64) -> (usize, usize) {
    let below = |luck: u64, count: usize| {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(luck % count).unwrap_or_default()
    };
    let a = below(luck & 0xffff_ffff, count);
    let b = below(luck >> 32, count - 1);
    (a, if b >= a { b + 1 } else { b })
}

/// Rendezvous hashing with weights: each member draws a number by the seed and its own name, stretched by its weight;
/// the smallest wins. Taking a member away moves only what was its own, and nothing needs to be remembered.
fn score<T>(seed: u64, member: &Member<T>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are as many as fit")]
    let fraction = ((mix(seed ^ member.seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    // Where nobody has a weight, all have the same.
    -fraction.ln() / f64::from(member.weight.max(1))
}

/// The place in draws of a provider and the name sent to it: the same in every process, on every machine.
pub(crate) fn seed(provider: &str, model: Option<&str>) -> u64 {
    let provider = hash(provider.as_bytes(), OFFSET);
    mix(model.map_or(provider, |model| hash(model.as_bytes(), hash(b"/", provider))))
}

/// FNV-1a. The standard library's hasher may change with its version; replicas must agree.
fn hash(bytes: &[u8], start: u64) -> u64 {
    bytes.iter().fold(start, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads every bit over all (the end of splitmix64).
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
