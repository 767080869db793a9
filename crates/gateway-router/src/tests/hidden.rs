//! Rules that never decide.

use proptest::prelude::{any, prop, prop_assert_ne, proptest};
use proptest::strategy::Strategy as _;

use crate::*;

fn model(pattern: &str) -> RuleSpec {
    RuleSpec::new(pattern, "a")
}

fn path(pattern: &str) -> RuleSpec {
    RuleSpec { kind: RuleKind::PathPattern, ..model(pattern) }
}

fn header(name: &str, value: &str) -> RuleSpec {
    let kind = RuleKind::HeaderMatch { name: name.to_owned(), value: value.to_owned() };
    RuleSpec { kind, ..model("*") }
}

fn all() -> RuleSpec {
    RuleSpec { kind: RuleKind::CatchAll, ..model("*") }
}

fn thinks(rule: RuleSpec) -> RuleSpec {
    RuleSpec { when: When { thinking: Some(true), ..When::default() }, ..rule }
}

fn off(rule: RuleSpec) -> RuleSpec {
    RuleSpec { enabled: false, ..rule }
}

#[test]
fn a_rule_behind_one_that_takes_all_of_its_requests_is_named() {
    for (earlier, later) in [
        (model("*"), model("claude-haiku-4-5")),
        (model("*"), path("/v1/*")),
        (model("*"), header("x-a", "b")),
        (model("*"), all()),
        (all(), model("*")),
        (all(), thinks(model("claude-*"))),
        (path("*"), model("m")),
        (model("claude-*"), model("claude-haiku-*")),
        (model("claude-*"), model("claude-?aiku")),
        (model("*haiku*"), model("claude-*haiku-4*")),
        (model("claude-??*"), model("claude-?x*")),
        (model("{claude,gpt}-*"), model("gpt-5")),
        (model("claude-[a-z]*"), model("claude-opus")),
        (model("claude-*"), model("claude-*").with_priority(-1)),
        (model("claude-*[1m]"), model("claude-*").with_priority(-1)),
        (model("m"), thinks(model("m"))),
        (thinks(model("*")), thinks(model("m"))),
        (path("/v1/*"), path("/v1/messages*")),
        (header("x-a", "*"), header("X-A", "b*")),
        (model("claude-via-*"), model("claude-via-x--*")),
    ] {
        let what = format!("{} then {}", earlier.label(), later.label());
        assert_eq!(unreachable(&[earlier.clone(), later.clone()]), [(1, 0)], "{what}");
        let first = RuleSpec { priority: 9, ..earlier };
        assert_eq!(unreachable(&[later, model("x"), first]).first(), Some(&(0, 2)), "{what}");
    }
}

#[test]
fn nothing_is_named_that_might_decide() {
    for (earlier, later) in [
        (model("claude-haiku-*"), model("claude-*")),
        (model("claude-haiku-*"), model("claude-*-4-5")),
        (model("claude-?"), model("claude-*")),
        (model("claude-??"), model("claude-?")),
        (model("a[bc]"), model("a?")),
        (model("{a,b}*"), model("a*")), // it does cover it, but that is not looked at
        (model("a**"), model("a/*")),
        (thinks(model("*")), model("m")),
        (off(model("*")), model("m")),
        (model("*"), off(model("m"))),
        (model("*"), model("*")), // they share
        (thinks(model("m")), thinks(model("m"))),
        (all(), model("claude-via-x--*")),
        (model("*"), model("claude-via-*")),
        (model("claude-*"), model("claude-via-x--m")),
        (path("/v1/*"), model("m")),
        (header("x-a", "*"), all()),
        (header("x-a", "*"), header("x-b", "*")),
        (header("x-a", "b"), header("x-a", "*")),
        (path("/v1/messages"), path("/v1/*")),
        (model("v1"), path("v1")),
    ] {
        let what = format!("{} then {}", earlier.label(), later.label());
        assert_eq!(unreachable(&[earlier, later]), [], "{what}");
    }
}

fn any_glob() -> impl proptest::strategy::Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "*", "?", "/", "-", "[ab]", "{a,b}"]);
    prop::collection::vec(token, 1..6).prop_map(|tokens| tokens.concat())
}

proptest! {
    /// What is named never decides, whatever is asked for.
    #[test]
    fn a_named_rule_never_decides(
        rules in prop::collection::vec((any_glob(), 0i64..2, any::<bool>(), any::<bool>()), 1..6),
        names in prop::collection::vec("[ab/-]{1,6}", 1..40),
        thinking in any::<bool>(),
    ) {
        let rules: Vec<RuleSpec> = rules.into_iter().map(|(glob, priority, when, is_path)| {
            let rule = if is_path { path(&glob) } else { model(&glob) };
            let rule = if when { thinks(rule) } else { rule };
            rule.with_priority(priority)
        }).collect();
        let hidden = unreachable(&rules);
        let table = Table::build(vec![ProviderSpec::new("a")], rules, Some("a")).expect("valid");
        let facts = Facts { thinking, ..Facts::default() };
        for pair in names.windows(2) {
            let query = Query { facts, path: &pair[1], ..Query::model(&pair[0]) };
            let winner = table.decide(&query).expect("a default").winner;
            for (rule, _) in &hidden {
                prop_assert_ne!(winner, Winner::Rule { index: *rule });
            }
        }
    }
}
