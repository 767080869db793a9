//! Who is first among those that share.

use std::cell::Cell;

use super::support::{Moment, chain, firsts, plan, table};
use crate::*;

fn shares(provider: &str, weight: u32) -> RuleSpec {
    RuleSpec { weight, ..RuleSpec::new("*", provider) }
}

fn group(strategy: Strategy, weights: &[(&str, u32)]) -> Vec<RuleSpec> {
    let strategy = Some(strategy);
    weights.iter().map(|(name, weight)| RuleSpec { strategy, ..shares(name, *weight) }).collect()
}

/// A rule alone whose strategy orders its provider and its fallbacks.
fn alone(strategy: Strategy, fallbacks: &[&str]) -> Vec<RuleSpec> {
    let rule = RuleSpec::new("*", "a").with_fallbacks(fallbacks.iter().copied());
    vec![RuleSpec { strategy: Some(strategy), ..rule }]
}

fn none(_: usize) -> Option<String> {
    None
}

#[expect(clippy::unnecessary_wraps, reason = "in the place of `none`")]
fn sessions(at: usize) -> Option<String> {
    Some(format!("session-{at}"))
}

fn session(id: &str) -> Query<'_> {
    Query { session: Some(id), ..Query::model("m") }
}

fn about(found: usize, expected: usize, of: usize) -> bool {
    found.abs_diff(expected) * 50 <= of // 2 %
}

#[test]
fn rules_of_equal_priority_kind_pattern_and_conditions_share_by_weight() {
    let plans = 20_000;
    for (weights, expected) in [
        (vec![("a", 1), ("b", 1)], [10_000, 10_000, 0]),
        (vec![("a", 3), ("b", 1)], [15_000, 5_000, 0]),
        (vec![("a", 90), ("b", 9), ("c", 1)], [18_000, 1_800, 200]),
        (vec![("a", 0), ("b", 1)], [0, 20_000, 0]),
        (vec![("a", 0), ("b", 0), ("c", 5)], [0, 0, 20_000]),
    ] {
        let rules = weights.iter().map(|(name, weight)| shares(name, *weight)).collect();
        let table = table("abc", rules);
        for (what, found) in
            [("chance", firsts(&table, plans, none)), ("sessions", firsts(&table, plans, sessions))]
        {
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    about(*found, expected, plans),
                    "{what}, {weights:?}: {found} of {expected}"
                );
            }
        }
    }
}

#[test]
fn only_the_very_same_requests_are_shared() {
    let other = |change: fn(&mut RuleSpec)| {
        let mut rule = RuleSpec::new("*", "b");
        change(&mut rule);
        let table = table("ab", vec![RuleSpec::new("*", "a"), rule]);
        let facts = Facts { thinking: true, ..Facts::default() };
        let found = (0..64).map(|luck| {
            let query = Query { facts, ..Query::model("m") };
            plan(&table, &query, &Moment::with_luck(luck)).steps[0].provider
        });
        let mut found: Vec<usize> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    assert_eq!(other(|_| ()), [0, 1]);
    assert_eq!(other(|rule| rule.pattern = "*[1m]".to_owned()), [0, 1], "the marker is no pattern");
    assert_eq!(other(|rule| rule.priority = 1), [1]);
    assert_eq!(other(|rule| rule.priority = -1), [0]);
    assert_eq!(other(|rule| rule.pattern = "m*".to_owned()), [0]);
    assert_eq!(other(|rule| rule.kind = RuleKind::CatchAll), [0]);
    assert_eq!(other(|rule| rule.when.thinking = Some(true)), [0], "the first match wins");
    assert_eq!(other(|rule| rule.enabled = false), [0]);
}

#[test]
fn different_headers_of_one_value_are_not_the_same_requests() {
    let header = |name: &str, provider| {
        let kind = RuleKind::HeaderMatch { name: name.to_owned(), value: "*".to_owned() };
        RuleSpec { kind, ..RuleSpec::new("*", provider) }
    };
    let path = RuleSpec { kind: RuleKind::PathPattern, ..RuleSpec::new("*", "c") };
    let shared = table("abc", vec![header("x-a", "a"), header("X-A", "b"), path.clone()]);
    let apart = table("abc", vec![header("x-a", "a"), header("x-b", "b"), path]);
    let headers: &[(&str, &str)] = &[("x-a", "1"), ("x-b", "1")];
    let query = Query { headers: &headers, ..Query::model("m") };
    let mut seen = [0; 3];
    for luck in 0..64 {
        assert_eq!(chain(&apart, &query, &Moment::with_luck(luck)), "a b c");
        seen[plan(&shared, &query, &Moment::with_luck(luck)).steps[0].provider] += 1;
    }
    assert!(seen[0] > 10 && seen[1] > 10 && seen[2] == 0, "{seen:?}");
}

#[test]
fn a_weight_of_nothing_is_behind_the_others_but_in_the_chain() {
    for strategy in [
        Strategy::Ordered,
        Strategy::Weighted,
        Strategy::RoundRobin,
        Strategy::LeastLatency,
        Strategy::LeastCost,
    ] {
        let table = table("ab", group(strategy, &[("a", 0), ("b", 1)]));
        for luck in 0..16 {
            assert_eq!(chain(&table, &Query::model("m"), &Moment::with_luck(luck)), "b a");
        }
        let down = chain(&table, &Query::model("m"), &Moment::down([1]));
        assert_eq!(down, if strategy == Strategy::Ordered { "b a" } else { "a b" });
    }
    let table = table("ab", group(Strategy::Weighted, &[("a", 0), ("b", 0)]));
    assert_eq!(
        firsts(&table, 100, none).iter().sum::<usize>(),
        100,
        "nobody has a weight: all have"
    );
}

#[test]
fn a_rule_between_those_that_share_comes_behind_them() {
    let between = RuleSpec { kind: RuleKind::CatchAll, ..RuleSpec::new("*", "c") };
    let rules = vec![shares("a", 0), between, shares("b", 1)];
    let table = table("abc", rules);
    let told = table.explain(&Query::model("m")).expect("a way");
    assert_eq!(told.explanation.winner, Winner::Rule { index: 2 });
    let why: Vec<_> = told.explanation.rejected.iter().map(|r| &*r.why).collect();
    assert_eq!(
        why,
        [
            "it shares these requests with rule 3, which was chosen; its own weight is 0",
            "it matches, but an earlier rule decided",
        ]
    );
    assert_eq!(chain(&table, &Query::model("m"), &Calm), "b a c");
}

#[test]
fn the_chain_of_a_group_is_the_choice_its_fallbacks_and_the_others() {
    let with = |name, fallbacks: &[&'static str]| {
        RuleSpec::new("*", name).with_fallbacks(fallbacks.iter().copied())
    };
    let rules = vec![
        RuleSpec { weight: 0, ..with("a", &["f"]) },
        RuleSpec::new("*", "b"),
        RuleSpec { weight: 0, ..with("c", &[]) },
        RuleSpec::new("*", "d").with_priority(-1),
    ];
    let mut by_b = rules.clone();
    by_b[1] = with("b", &["e/x", "c"]);
    let query = Query::model("m");
    assert_eq!(chain(&table("abcdef", by_b), &query, &Calm), "b e/x c a d");
    let last = chain(&table("abcdef", rules), &query, &Calm);
    assert!(["b a c", "b c"].contains(&&*last), "`fallbacks: []` of c end it: {last}");
}

#[test]
fn chance_alone_orders_a_rules_provider_and_fallbacks_if_asked_to() {
    let table = table("abc", alone(Strategy::Weighted, &["b", "c"]));
    for found in firsts(&table, 9_000, none) {
        assert!(about(found, 3_000, 9_000), "{found}");
    }
    let weight = |weight| {
        let mut rules = alone(Strategy::Weighted, &["b"]);
        rules[0].weight = weight;
        firsts(&super::support::table("ab", rules), 10_000, none)[0]
    };
    assert!(
        about(weight(4), 8_000, 10_000),
        "the rule's weight is its provider's, fallbacks have 1"
    );
    assert_eq!(weight(0), 0);
}

#[test]
fn everybody_has_a_turn() {
    for rules in [
        group(Strategy::RoundRobin, &[("a", 1), ("b", 5), ("c", 1)]),
        alone(Strategy::RoundRobin, &["b", "c"]),
    ] {
        let table = table("abc", rules);
        let moment = Moment::default();
        let chains: Vec<_> = (0..4).map(|_| chain(&table, &Query::model("m"), &moment)).collect();
        assert_eq!(chains, ["a b c", "b c a", "c a b", "a b c"]);
        assert_eq!(*moment.asked.borrow(), [0, 0, 0, 0], "one turn for a plan");
        let moment = Moment::down([1]);
        let chains: Vec<_> = (0..3).map(|_| chain(&table, &Query::model("m"), &moment)).collect();
        assert_eq!(chains, ["a c b", "c a b", "a c b"], "who is down has no turn");
    }
}

#[test]
fn counters_and_pins_are_named_by_the_first_rule_of_a_group() {
    let mut rules = group(Strategy::RoundRobin, &[("a", 1), ("b", 1)]);
    rules.insert(0, RuleSpec::new("x", "c"));
    rules.swap(1, 2);
    let table = table("abc", rules);
    let moment = Moment::default();
    assert_eq!(plan(&table, &session("s"), &moment).sticky, Some(1));
    assert_eq!(*moment.asked.borrow(), [1, 1]);
}

#[test]
fn the_quicker_of_two_is_asked_and_who_was_never_asked_is_tried() {
    let table = table("abc", group(Strategy::LeastLatency, &[("a", 1), ("b", 1), ("c", 1)]));
    let known = |list: &[(usize, u64)]| Moment {
        latency: list.iter().copied().collect(),
        ..Moment::default()
    };
    let count = |moment: &Moment| {
        let mut out = [0; 3];
        for _ in 0..9_000 {
            out[plan(&table, &Query::model("m"), moment).steps[0].provider] += 1;
        }
        out
    };
    // Of the three pairs the slowest wins none, the middle one a third.
    let [slow, middle, quick] = count(&known(&[(0, 900), (1, 500), (2, 100)]));
    assert_eq!(slow, 0);
    assert!(about(middle, 3_000, 9_000) && about(quick, 6_000, 9_000), "{middle} {quick}");
    let [slow, unknown, quick] = count(&known(&[(0, 900), (2, 100)]));
    assert_eq!(slow, 0);
    assert!(about(unknown, 6_000, 9_000) && about(quick, 3_000, 9_000), "{unknown} {quick}");
    // Behind the choice by what is known; who is down comes last.
    let down = Moment { down: vec![2], ..known(&[(0, 900), (1, 500), (2, 100)]) };
    assert_eq!(chain(&table, &Query::model("m"), &down), "b a c");
    for found in count(&Moment::default()) {
        assert!(about(found, 3_000, 9_000), "nothing is known: {found}");
    }
}

#[test]
fn the_cheapest_is_asked_and_an_unknown_price_comes_last() {
    for rules in [
        group(Strategy::LeastCost, &[("a", 9), ("b", 1), ("c", 1), ("d", 1)]),
        alone(Strategy::LeastCost, &["b", "c", "d"]),
    ] {
        let table = table("abcd", rules);
        let cost = |list: &[(usize, u64)]| Moment {
            cost: list.iter().copied().collect(),
            ..Moment::default()
        };
        for (costs, down, expected) in [
            (&[(0, 30), (1, 20), (2, 10)][..], vec![], "c b a d"),
            (&[(0, 30), (1, 20), (2, 10), (3, 5)][..], vec![3], "c b a d"),
            (&[(0, 10), (1, 10), (3, 10)][..], vec![], "a b d c"),
            (&[][..], vec![0, 2], "b d a c"),
        ] {
            let moment = Moment { down, ..cost(costs) };
            assert_eq!(chain(&table, &Query::model("m"), &moment), expected, "{costs:?}");
        }
    }
}

#[test]
fn those_that_are_down_come_behind_unless_the_order_is_given() {
    let query = Query::model("m");
    let ordered = table("abc", alone(Strategy::Ordered, &["b", "c"]));
    assert_eq!(chain(&ordered, &query, &Moment::down([0, 1])), "a b c");
    let plain = table("abc", vec![RuleSpec::new("*", "a").with_fallbacks(["b", "c"])]);
    assert_eq!(chain(&plain, &query, &Moment::down([0])), "a b c");
    let shared = table("abc", group(Strategy::Weighted, &[("a", 1), ("b", 1), ("c", 1)]));
    for luck in 0..64 {
        let down = Moment { luck: Cell::new(luck), ..Moment::down([0, 2]) };
        assert!(chain(&shared, &query, &down).starts_with("b "), "{luck}");
        let all = Moment { luck: Cell::new(luck), ..Moment::down([0, 1, 2]) };
        assert_eq!(plan(&shared, &query, &all).steps.len(), 3, "never dropped");
    }
}

#[test]
fn r35_a_session_stays_with_its_provider_without_a_memory() {
    let weights = [("a", 2), ("b", 1), ("c", 1)];
    let all = table("abc", group(Strategy::Weighted, &weights));
    let moment = Moment::default();
    let home = |table: &Table, id: &str| plan(table, &session(id), &moment).steps[0].provider;
    let ids: Vec<String> = (0..2_000).map(|at| format!("{at}-session")).collect();
    for id in &ids {
        assert_eq!(home(&all, id), home(&all, id), "chance has no part in it");
    }
    // One is taken away: only its own sessions move, and as the weights say.
    let mut off = group(Strategy::Weighted, &weights);
    off[1].enabled = false;
    let fewer = table("abc", off);
    let mut moved = [0u32, 0];
    for id in &ids {
        match (home(&all, id), home(&fewer, id)) {
            (1, 0) => moved[0] += 1,
            (1, 2) => moved[1] += 1,
            (before, after) => assert_eq!(before, after, "{id}"),
        }
    }
    let sum = moved[0] + moved[1];
    assert!(sum.abs_diff(500) < 60 && moved[0].abs_diff(sum * 2 / 3) < 50, "{moved:?}");
    // Down for a while is the same as away, and it is back afterwards.
    let down = Moment::down([1]);
    for id in &ids {
        assert_eq!(plan(&all, &session(id), &down).steps[0].provider, home(&fewer, id));
    }
    // The place of a provider in the file is no part of it, nor are rules that are not of the group.
    let mut turned = group(Strategy::Weighted, &weights);
    turned.reverse();
    turned.insert(0, RuleSpec::new("x", "c"));
    let turned = table("abc", turned);
    assert!(ids.iter().all(|id| home(&all, id) == home(&turned, id)));
}

#[test]
fn r35_the_draw_is_the_same_in_every_version() {
    // Replicas of different builds serve the same sessions: these must never change.
    let table = table("abc", group(Strategy::Weighted, &[("a", 1), ("b", 1), ("c", 1)]));
    let homes: Vec<String> = ["", "s", "0193-session", "ü"]
        .iter()
        .map(|id| chain(&table, &session(id), &Calm))
        .collect();
    assert_eq!(homes, ["b a c", "a b c", "b c a", "c b a"]);
}

#[test]
fn r35_a_pin_wins_while_its_provider_is_up() {
    for strategy in
        [Strategy::Weighted, Strategy::RoundRobin, Strategy::LeastLatency, Strategy::LeastCost]
    {
        for rules in
            [group(strategy, &[("a", 1), ("b", 1), ("c", 1)]), alone(strategy, &["b", "c"])]
        {
            let table = table("abc", rules);
            for luck in 0..16 {
                let moment = || Moment { luck: Cell::new(luck), ..Moment::default() }.pin("s", 2);
                let pinned = plan(&table, &session("s"), &moment()).steps;
                assert_eq!((pinned[0].provider, pinned[0].reason), (2, Reason::Pinned));
                assert_eq!(pinned.len(), 3);
                let down = Moment { down: vec![2], ..moment() };
                let steps = plan(&table, &session("s"), &down).steps;
                assert_eq!(steps[2].provider, 2, "sticky yields");
            }
            let moment = Moment::default().pin("s", 2);
            plan(&table, &session("s"), &moment);
            assert_eq!(*moment.asked.borrow(), [0], "who is pinned takes no turn");
        }
    }
}

#[test]
fn r35_a_pin_may_be_a_fallback_or_a_later_rules_provider() {
    let mut rules = vec![
        RuleSpec::new("*", "a").with_fallbacks(["b"]),
        RuleSpec::new("*", "c").with_priority(-1),
    ];
    let query = session("s");
    let pinned = |table: &Table, to| chain(table, &query, &Moment::default().pin("s", to));
    let loose = table("abcd", rules.clone());
    assert_eq!(pinned(&loose, 1), "a b c", "ordered is not sticky");
    assert_eq!(plan(&loose, &query, &Calm).sticky, None);
    rules[0].sticky = Some(Sticky::Session);
    let sticky = table("abcd", rules.clone());
    assert_eq!(plan(&sticky, &query, &Calm).sticky, Some(0));
    assert_eq!(plan(&sticky, &Query::model("m"), &Calm).sticky, None, "no session");
    for (to, expected) in [(0, "a b c"), (1, "b a c"), (2, "c a b"), (3, "a b c"), (9, "a b c")] {
        assert_eq!(pinned(&sticky, to), expected, "{to}");
    }
    let down = Moment::down([1]).pin("s", 1);
    assert_eq!(chain(&sticky, &query, &down), "a b c");
    rules[0].strategy = Some(Strategy::RoundRobin);
    rules[0].sticky = Some(Sticky::No);
    assert_eq!(pinned(&table("abcd", rules), 1), "a b c", "sticky: no");
    let to_private = RuleSpec::new("*", "a").with_fallbacks(["b", "c"]);
    let to_private = RuleSpec { sticky: Some(Sticky::Session), ..to_private };
    let private = super::support::table("abC", vec![to_private]);
    assert_eq!(pinned(&private, 1), "b a c");
    assert_eq!(pinned(&private, 2), "c", "what was said to a private one is said to nobody else");
    let renewed = plan(&private, &query, &Moment::default().pin("s", 2)).sticky;
    assert_eq!(renewed, Some(0), "the pin must not run out while the session goes on");
    let single = RuleSpec { sticky: Some(Sticky::Session), ..RuleSpec::new("*", "a") };
    let lone = table("a", vec![single]);
    assert_eq!(plan(&lone, &query, &Calm).sticky, None, "there is nobody else to go to");
}

/// The chain of a private one has one step, and the session is kept at it all the same: its next turn, with all
/// that was said, goes nowhere else.
#[test]
fn r35_a_session_that_begins_at_a_private_one_is_kept_there() {
    let alone = RuleSpec::new("*", "a").with_fallbacks(["b"]);
    let alone = RuleSpec { strategy: Some(Strategy::RoundRobin), ..alone };
    for rules in [group(Strategy::RoundRobin, &[("a", 1), ("b", 1)]), vec![alone]] {
        let table = super::support::table("aB", rules);
        let first = Moment { turns: Cell::new(1), ..Moment::default() };
        let first = plan(&table, &session("s"), &first);
        assert_eq!((first.steps.len(), first.steps[0].provider), (1, 1), "{first:?}");
        assert_eq!(first.sticky, Some(0));
        for turn in 0..4 {
            let next = Moment { turns: Cell::new(turn), ..Moment::default() }.pin("s", 1);
            let next = plan(&table, &session("s"), &next);
            assert_eq!((next.steps.len(), next.steps[0].provider), (1, 1));
            assert_eq!(next.sticky, Some(0), "the pin is renewed");
        }
    }
}

#[test]
fn without_stickiness_chance_chooses_for_sessions_too() {
    let mut rules = group(Strategy::Weighted, &[("a", 1), ("b", 1)]);
    rules[0].sticky = Some(Sticky::No);
    let table = table("ab", rules);
    let found = firsts(&table, 1_000, |_| Some("one session".to_owned()));
    assert!(found[0] > 400 && found[1] > 400, "{found:?}");
    assert_eq!(plan(&table, &session("s"), &Calm).sticky, None);
}

/// A moment that counts what it is asked.
#[derive(Default)]
struct Counting {
    lucks: Cell<usize>,
    ups: Cell<usize>,
}

impl View for Counting {
    fn is_up(&self, _: usize, _: &str) -> bool {
        self.ups.set(self.ups.get() + 1);
        true
    }

    fn luck(&self) -> u64 {
        self.lucks.set(self.lucks.get() + 1);
        7
    }
}

#[test]
fn a_moment_is_asked_no_more_than_is_needed() {
    let fallbacks = RuleSpec::new("*", "a").with_fallbacks(["b", "c"]);
    for (rules, ups, lucks) in [
        (vec![fallbacks], 0, 0),
        (group(Strategy::Ordered, &[("a", 1), ("b", 1)]), 0, 0),
        (group(Strategy::Weighted, &[("a", 1), ("b", 1)]), 2, 1),
        (group(Strategy::RoundRobin, &[("a", 1), ("b", 1)]), 2, 0),
        (group(Strategy::LeastLatency, &[("a", 1), ("b", 1), ("c", 1)]), 3, 1),
        (group(Strategy::LeastCost, &[("a", 1), ("b", 1)]), 2, 0),
        (alone(Strategy::Weighted, &["b", "c"]), 3, 1),
        (alone(Strategy::Weighted, &[]), 0, 0),
    ] {
        let moment = Counting::default();
        let text = format!("{rules:?}");
        plan(&table("abc", rules), &Query::model("m"), &moment);
        assert_eq!((moment.ups.get(), moment.lucks.get()), (ups, lucks), "{text}");
    }
}

#[test]
fn what_is_a_private_providers_own_waits_for_it() {
    // Sessions of `a` stay there though it is down: to the others they would leave what is private.
    let table = table("Ab", group(Strategy::Weighted, &[("a", 1), ("b", 1)]));
    let (up, down) = (Moment::default(), Moment::down([0]));
    let mut seen = [0, 0];
    for at in 0..200 {
        let id = format!("{at}");
        let chain_up = chain(&table, &session(&id), &up);
        assert_eq!(chain(&table, &session(&id), &down), chain_up);
        assert!(chain_up == "a" || chain_up == "b a", "{chain_up}");
        seen[usize::from(chain_up == "a")] += 1;
    }
    assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
    assert_eq!(chain(&table, &session("s"), &Moment::down([0]).pin("s", 0)), "a");
}
