//! Who is asked after whom.

use super::support::{Moment, chain, plan, table};
use crate::*;

const ASK: &str = "m";

fn rule(provider: &str) -> RuleSpec {
    RuleSpec::new("*", provider)
}

/// The same, of a lower priority: it matches, too, but later.
fn later(provider: &str) -> RuleSpec {
    rule(provider).with_priority(-1)
}

fn to(provider: &str, fallbacks: &[&str]) -> RuleSpec {
    rule(provider).with_fallbacks(fallbacks.iter().copied())
}

#[test]
fn a_chain_is_the_provider_then_its_fallbacks_then_later_rules() {
    let mirrored = |rule: RuleSpec| RuleSpec { weight: 7, ..rule };
    for (what, providers, rules, expected) in [
        ("a rule alone", "ab", vec![rule("a")], "a"),
        ("fallbacks in their order", "abc", vec![to("a", &["c", "b"])], "a c b"),
        (
            "names of fallbacks",
            "abc",
            vec![to("a", &["b/x/y", "c"]).with_model("z")],
            "a/z b/x/y c",
        ),
        ("later rules", "abc", vec![later("c"), rule("a"), later("b").with_priority(-2)], "a c b"),
        (
            "their names",
            "ab",
            vec![rule("a").with_model("x"), later("b").with_model("y")],
            "a/x b/y",
        ),
        (
            "only those that match",
            "abc",
            vec![rule("a"), RuleSpec::new("x*", "b"), later("c")],
            "a c",
        ),
        ("fallbacks before later rules", "abc", vec![to("a", &["c"]), later("b")], "a c b"),
        (
            "those of later rules are not asked",
            "abc",
            vec![rule("a"), RuleSpec { priority: -1, ..to("b", &["c"]) }],
            "a b",
        ),
        (
            "each once, the first counts",
            "ab",
            vec![to("a", &["b/x", "b/y", "a/z"]), later("b"), later("a")],
            "a b/x",
        ),
        ("no fallbacks end it", "ab", vec![to("a", &[]), later("b")], "a"),
        (
            "those of a later rule, too",
            "abc",
            vec![
                rule("a"),
                RuleSpec { priority: -1, ..to("b", &[]) },
                later("c").with_priority(-2),
            ],
            "a b",
        ),
        (
            "but not those of one that is not asked",
            "abc",
            vec![
                to("a", &["b"]),
                RuleSpec { priority: -1, ..to("b", &[]) },
                later("c").with_priority(-2),
            ],
            "a b c",
        ),
        ("a private provider ends it", "Ab", vec![rule("a"), later("b")], "a"),
        ("wherever it is", "aBc", vec![to("a", &["b", "c"])], "a b"),
        (
            "among later rules",
            "abCd",
            vec![to("a", &["b"]), later("c"), later("d").with_priority(-2)],
            "a b c",
        ),
        ("a disabled fallback is left out", "a-bc", vec![to("a", &["b", "c"])], "a c"),
        (
            "and so is a later rule's",
            "a-bc",
            vec![rule("a"), later("b"), later("c").with_priority(-2)],
            "a c",
        ),
        (
            "a disabled rule decides nothing",
            "ab",
            vec![RuleSpec { enabled: false, ..rule("a") }, later("b")],
            "b",
        ),
        (
            "a rule of a disabled provider neither",
            "-ab",
            vec![to("a", &["b"]), later("b").with_model("x")],
            "b/x",
        ),
        ("a weight changes nothing for one alone", "ab", vec![mirrored(to("a", &["b"]))], "a b"),
    ] {
        let table = table(providers, rules);
        assert_eq!(chain(&table, &Query::model(ASK), &Calm), expected, "{what}");
    }
}

#[test]
fn a_fallback_without_a_name_gets_what_its_provider_makes_of_the_requested_one() {
    let mut list = super::support::providers("ab");
    list[1].model_map = vec![("claude-*".to_owned(), "mapped".to_owned())];
    let rules = vec![to("a", &["b"]).with_model("renamed")];
    let table = Table::build(list, rules, None).expect("valid");
    assert_eq!(chain(&table, &Query::model("claude-x"), &Calm), "a/renamed b/mapped");
    assert_eq!(chain(&table, &Query::model("gpt-x"), &Calm), "a/renamed b");
}

#[test]
fn r23_no_step_carries_the_marker_and_rules_match_without_it() {
    let rules = vec![RuleSpec::new("claude-*-5", "a").with_fallbacks(["b/x[1m]", "c"])];
    let table = table("abc", rules);
    let query = Query::model("claude-opus-5 [1M][1m]");
    let models: Vec<_> = plan(&table, &query, &Calm).steps.into_iter().map(|s| s.model).collect();
    assert_eq!(models, ["claude-opus-5", "x", "claude-opus-5"]);
}

#[test]
fn what_is_not_decided_by_a_rule_is_a_chain_of_one() {
    let mut list = super::support::providers("abc");
    list[1].models = vec!["listed".to_owned()];
    let rules = vec![RuleSpec::new("x", "a").with_fallbacks(["b"])];
    let table = Table::build(list, rules, Some("c")).expect("valid");
    for (model, pick, expected, winner) in [
        ("x", None, "a b", Winner::Rule { index: 0 }),
        ("x", Some("c"), "c", Winner::Header),
        ("claude-via-b--m", None, "b/m", Winner::ViaName),
        ("listed", None, "b", Winner::ListedModel),
        ("other", None, "c", Winner::DefaultProvider),
    ] {
        let query = Query { pick, ..Query::model(model) };
        assert_eq!(chain(&table, &query, &Calm), expected, "{model}");
        assert_eq!(plan(&table, &query, &Calm).winner, winner, "{model}");
    }
}

#[test]
fn a_step_names_the_rule_whose_overrides_apply() {
    let rules = vec![later("d"), to("a", &["b", "c"])];
    let table = table("abcd", rules);
    let plan = plan(&table, &Query::model(ASK), &Calm);
    let rules: Vec<_> = plan.steps.iter().map(|step| (step.rule, step.reason)).collect();
    let by = |rule, reason| (Some(rule), reason);
    let fallback = by(1, Reason::Fallback);
    assert_eq!(rules, [by(1, Reason::Rule), fallback, fallback, by(0, Reason::Later)]);
}

#[test]
fn a_share_is_copied_but_nothing_of_a_private_provider() {
    let mirror = |percent| Some(Mirror { to: Target::provider("b").with_model("copy"), percent });
    for (providers, expected) in [("ab", Some((1, "copy", 12.5))), ("Ab", None), ("a-b", None)] {
        let table = table(providers, vec![RuleSpec { mirror: mirror(12.5), ..rule("a") }]);
        let plan = plan(&table, &Query::model(ASK), &Calm);
        let to = plan.mirror.as_ref().map(|to| (to.provider, &*to.model, to.percent));
        assert_eq!(to, expected, "{providers}");
        let explained = table.explain(&Query::model(ASK)).expect("a way");
        assert_eq!(explained.mirror.is_some(), expected.is_some());
        if expected.is_none() {
            let last = explained.explanation.rejected.last().expect("said why");
            assert!(matches!(last.step, Asked::Mirror { index: 0, .. }), "{last:?}");
        }
    }
    // The mirror is that of the rule whose provider is asked first.
    let rules = vec![rule("a"), RuleSpec { mirror: mirror(1.0), ..later("c") }];
    assert_eq!(plan(&table("abc", rules), &Query::model(ASK), &Calm).mirror, None);
}

#[test]
fn a_pick_never_leaves_a_private_provider_that_the_rules_might_choose() {
    let pick = |rules: Vec<RuleSpec>, pick: &'static str, luck: u64| {
        let query = Query { pick: Some(pick), ..Query::model(ASK) };
        let table = table("Abc", rules);
        table.plan(&query, &Moment::with_luck(luck)).map(|plan| plan.steps[0].provider)
    };
    let shared = || vec![rule("a"), rule("b")];
    for luck in 0..32 {
        assert!(matches!(pick(shared(), "c", luck), Err(NoRoute::Private { .. })), "{luck}");
        assert_eq!(pick(shared(), "a", luck), Ok(0));
    }
    let reached_last = vec![to("b", &["a"])];
    assert_eq!(pick(reached_last, "c", 0), Ok(2), "it goes out first in any case");
    let by_facts = vec![
        RuleSpec { when: When { thinking: Some(true), ..When::default() }, ..rule("a") },
        later("b"),
    ];
    assert_eq!(pick(by_facts, "c", 0), Ok(2), "it does not think");
}

#[test]
fn names_that_lead_nowhere_are_faults_of_the_table() {
    let build = |rule| Table::build(super::support::providers("ab"), vec![rule], None);
    let fault = |rule| build(rule).expect_err("a fault").to_string();
    assert_eq!(
        fault(to("a", &["b", "zzz"])),
        "`fallbacks` of the rule `*` names the provider `zzz`, which does not exist"
    );
    let mirror = Some(Mirror { to: Target::provider("zzz"), percent: 1.0 });
    assert_eq!(
        fault(RuleSpec { mirror, name: Some("both".to_owned()), ..rule("a") }),
        "`mirror` of the rule `both` names the provider `zzz`, which does not exist"
    );
    let header = RuleKind::HeaderMatch { name: "X-Env".to_owned(), value: "a[".to_owned() };
    let text = fault(RuleSpec { kind: header, ..rule("a") });
    assert!(text.starts_with("the rule `x-env: a[` has the pattern `a[`: "), "{text}");
    let off = RuleSpec { enabled: false, ..RuleSpec::new("b[", "a") };
    assert!(build(off).is_err(), "a disabled rule is read, too");
}
