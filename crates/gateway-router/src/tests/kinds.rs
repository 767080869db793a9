//! What rules look at: names, paths, headers, conditions.

use super::support::{chain, plan, table};
use crate::*;

fn path(glob: &str, provider: &str) -> RuleSpec {
    RuleSpec { kind: RuleKind::PathPattern, ..RuleSpec::new(glob, provider) }
}

fn header(name: &str, value: &str, provider: &str) -> RuleSpec {
    let kind = RuleKind::HeaderMatch { name: name.to_owned(), value: value.to_owned() };
    RuleSpec { kind, ..RuleSpec::new("*", provider) }
}

fn catch_all(provider: &str) -> RuleSpec {
    RuleSpec { kind: RuleKind::CatchAll, ..RuleSpec::new("*", provider) }
}

#[test]
fn each_kind_of_rule_looks_at_its_own_and_all_are_in_one_order() {
    let rules = vec![
        path("/v1/messages/*", "a"),
        header("X-Env", "test-*", "b"),
        RuleSpec::new("gpt-*", "c"),
        catch_all("d"),
        path("/v1/*", "e").with_priority(1),
    ];
    let table = table("abcde", rules);
    let headers: &[(&str, &str)] = &[("X-ENV", "test-7"), ("x-env", "other")];
    let other: &[(&str, &str)] = &[("x-env", "prod")];
    for (model, path, headers, expected) in [
        ("m", "/", &NoHeaders as &dyn Headers, "d"),
        ("gpt-5", "/", &NoHeaders, "c d"),
        ("gpt-5", "/", &headers, "b c d"),
        ("gpt-5", "/", &other, "c d"),
        ("m", "/v1/messages", &NoHeaders, "e d"),
        ("m", "/v1/messages/count_tokens?beta=true", &headers, "e a b d"),
        ("m", "/?x=/v1/y", &NoHeaders, "d"),
    ] {
        let query = Query { path, headers, ..Query::model(model) };
        assert_eq!(chain(&table, &query, &Calm), expected, "{model} {path}");
    }
}

/// The same conversation: to be counted it goes nowhere else than to be answered.
#[test]
fn a_count_is_held_against_the_path_of_its_message_too() {
    let paths = ["/v1/messages", "/v1/messages/count_tokens?beta=true", "/v1/models/count_tokens"];
    for (glob, expected) in [
        ("/v1/messages", [true, true, false]),
        ("/v1/*", [true, true, true]),
        ("*/messages", [true, true, false]),
        ("/v1/messages/count_tokens", [false, true, false]),
        ("*/count_tokens", [false, true, true]),
        ("/v1/messages?", [false, false, false]),
    ] {
        let table = table("ab", vec![path(glob, "a"), catch_all("b")]);
        for (path, expected) in paths.into_iter().zip(expected) {
            let query = Query { path, ..Query::model("m") };
            let steps = chain(&table, &query, &Calm);
            assert_eq!(steps, if expected { "a b" } else { "b" }, "{glob} {path}");
            let told = table.explain(&query).expect("a way").explanation;
            let unmatched = told.rejected.iter().any(|r| r.why.contains("does not match the path"));
            assert_eq!(unmatched, !expected, "{glob} {path}");
        }
    }
}

#[test]
fn a_name_that_names_its_provider_asks_only_rules_on_such_names() {
    let rules = vec![
        catch_all("a"),
        path("*", "a"),
        RuleSpec::new("*", "a"),
        RuleSpec::new("claude-via-b--*", "c").with_priority(-1),
    ];
    let table = table("abcd", rules);
    assert_eq!(chain(&table, &Query::model("claude-via-b--m"), &Calm), "c");
    assert_eq!(chain(&table, &Query::model("claude-via-d--m"), &Calm), "d/m");
    let why = table.explain(&Query::model("claude-via-d--m")).expect("a way").explanation;
    assert_eq!(why.rejected.iter().filter(|r| r.why.contains("the name itself")).count(), 3);
}

#[test]
fn conditions_must_all_hold() {
    let facts = Facts::default();
    let client = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let when = When::default();
    for (what, when, facts, caller, holds) in [
        ("none", when.clone(), facts, None, true),
        (
            "thinking",
            When { thinking: Some(true), ..when.clone() },
            Facts { thinking: true, ..facts },
            None,
            true,
        ),
        ("no thinking", When { thinking: Some(true), ..when.clone() }, facts, None, false),
        (
            "thinking where none is wanted",
            When { thinking: Some(false), ..when.clone() },
            Facts { thinking: true, ..facts },
            None,
            false,
        ),
        (
            "enough tokens",
            When { min_input_tokens: Some(10), ..when.clone() },
            Facts { input_tokens: 10, ..facts },
            None,
            true,
        ),
        (
            "too few",
            When { min_input_tokens: Some(10), ..when.clone() },
            Facts { input_tokens: 9, ..facts },
            None,
            false,
        ),
        (
            "images",
            When { has_images: Some(true), ..when.clone() },
            Facts { has_images: true, ..facts },
            None,
            true,
        ),
        ("no images", When { has_images: Some(true), ..when.clone() }, facts, None, false),
        (
            "tools",
            When { has_tools: Some(true), ..when.clone() },
            Facts { has_tools: true, ..facts },
            None,
            true,
        ),
        ("no tools", When { has_tools: Some(true), ..when.clone() }, facts, None, false),
        (
            "search",
            When { web_search: Some(true), ..when.clone() },
            Facts { web_search: true, ..facts },
            None,
            true,
        ),
        ("no search", When { web_search: Some(true), ..when.clone() }, facts, None, false),
        (
            "background",
            When { background: Some(true), ..when.clone() },
            Facts { background: true, ..facts },
            None,
            true,
        ),
        ("foreground", When { background: Some(true), ..when.clone() }, facts, None, false),
        (
            "sub-agent",
            When { agent: Some(Agent::Subagent), ..when.clone() },
            Facts { agent: Agent::Subagent, ..facts },
            None,
            true,
        ),
        ("main agent", When { agent: Some(Agent::Subagent), ..when.clone() }, facts, None, false),
        (
            "the client",
            When { client: client(&["x", "ci"]), ..when.clone() },
            facts,
            Some("ci"),
            true,
        ),
        (
            "another",
            When { client: client(&["x", "ci"]), ..when.clone() },
            facts,
            Some("me"),
            false,
        ),
        ("nobody", When { client: client(&["ci"]), ..when.clone() }, facts, None, false),
        (
            "one of two",
            When { thinking: Some(true), has_tools: Some(true), ..when.clone() },
            Facts { thinking: true, ..facts },
            None,
            false,
        ),
        (
            "both",
            When { thinking: Some(true), has_tools: Some(true), ..when },
            Facts { thinking: true, has_tools: true, ..facts },
            None,
            true,
        ),
    ] {
        let rules = vec![RuleSpec { when, ..RuleSpec::new("*", "a") }, RuleSpec::new("*", "b")];
        let table = table("ab", rules);
        let query = Query { facts, client: caller, ..Query::model("m") };
        assert_eq!(chain(&table, &query, &Calm), if holds { "a b" } else { "b" }, "{what}");
        let rejected = table.explain(&query).expect("a way").explanation.rejected;
        let said = rejected.iter().any(|r| r.why.starts_with("its conditions do not hold: "));
        assert_eq!(said, !holds, "{what}: {rejected:?}");
    }
}

#[test]
fn only_what_conditions_look_at_is_needed() {
    let when = When::default();
    let facts = Needs { facts: true, tokens: false };
    let tokens = Needs { facts: true, tokens: true };
    for (when, needs) in [
        (when.clone(), Needs::default()),
        (When { client: Some(vec!["ci".to_owned()]), ..when.clone() }, Needs::default()),
        (When { thinking: Some(false), ..when.clone() }, facts),
        (When { agent: Some(Agent::Main), ..when.clone() }, facts),
        (When { min_input_tokens: Some(1), ..when.clone() }, tokens),
    ] {
        let rule = RuleSpec { when: when.clone(), ..RuleSpec::new("*", "a") };
        let off = RuleSpec { enabled: false, ..rule.clone() };
        assert_eq!(table("a", vec![RuleSpec::new("x", "a"), rule]).needs(), needs, "{when:?}");
        assert_eq!(table("a", vec![off]).needs(), Needs::default(), "{when:?}");
    }
}

#[test]
fn an_explanation_says_what_a_request_lacks_and_no_value_of_a_header() {
    let when = When {
        thinking: Some(true),
        min_input_tokens: Some(1000),
        client: Some(vec!["ci".to_owned(), "bot".to_owned()]),
        agent: Some(Agent::Subagent),
        ..When::default()
    };
    let rules = vec![
        path("/v2/*", "a"),
        header("x-key", "secret-*", "a"),
        header("x-none", "*", "a"),
        RuleSpec { when, ..catch_all("a") },
        catch_all("b"),
        catch_all("c").with_priority(-1),
    ];
    let table = table("abc", rules);
    let headers: &[(&str, &str)] = &[("x-key", "my-own-key")];
    let query = Query {
        headers: &headers,
        facts: Facts { input_tokens: 7, ..Facts::default() },
        ..Query::model("m")
    };
    let explained = table.explain(&query).expect("a way");
    let why: Vec<String> = explained.explanation.rejected.into_iter().map(|r| r.why).collect();
    assert_eq!(
        why,
        [
            "`/v2/*` does not match the path `/v1/messages`",
            "the header `x-key` does not match `secret-*`",
            "the request has no header `x-none`",
            "its conditions do not hold: `thinking` is false, the prompt has 7 tokens of at least 1000, \
             the caller is nobody known, not `ci` or `bot`, the agent is main, not subagent",
            "it matches, but an earlier rule decided",
        ]
    );
    let links: Vec<_> = explained.chain.iter().map(|l| (&*l.provider, &*l.why)).collect();
    assert_eq!(links, [("b", "rule 5 names it"), ("c", "rule 6 matches, too")]);
    let debug = format!("{query:?}");
    assert!(!debug.contains("my-own-key"), "{debug}");
    assert_eq!(plan(&table, &query, &Calm).steps.len(), 2);
}
