//! What rules are together: where they lead, what they hide, and the examples of the page.

use super::*;

#[test]
fn a_rule_that_is_off_may_lead_to_a_provider_that_is() {
    let loaded =
        good(&with("{pattern: a, provider: off, enabled: false, fallbacks: [off/m]}"), KEY);
    assert!(!loaded.config.routes[0].enabled);
    assert!(good(&with("{pattern: a, provider: lab, fallbacks: []}"), KEY).warnings.is_empty());
    let own = "{pattern: a, provider: lab, mirror: {to: lab/other, percent: 5}}";
    assert!(good(&with(own), KEY).warnings.is_empty(), "it does not leave");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for (rule, message) in [
        (
            "pattern: a, provider: anthropic, fallbacks: [anthropic/m]",
            "1:56 a fallback of the route `a` (routes[0]) is `anthropic`, which has failed by then: a provider is asked once",
        ),
        (
            "pattern: a, provider: anthropic, fallbacks: [backup, backup/m]",
            "1:64 a fallback of the route `a` (routes[0]) is `backup`, which has failed by then: a provider is asked once",
        ),
        (
            "pattern: a, provider: anthropic, rule_type: catch_all",
            "1:20 `routes[0].pattern` is not used: a `catch_all` takes every request",
        ),
        (
            "pattern: a, provider: anthropic, rule_type: header_match, header_name: x",
            "1:20 `routes[0].pattern` is not used: a `header_match` looks at its header alone",
        ),
        (
            "pattern: v1/messages, provider: anthropic, rule_type: path_pattern",
            "1:20 `routes[0].pattern` never matches: a path begins with `/`",
        ),
    ] {
        let found = warnings(&with(&format!("{{{rule}}}")), KEY);
        let [(warning, help)] = found.as_slice() else { panic!("{rule}: {found:?}") };
        assert_eq!(warning, message);
        assert!(!help.is_empty());
    }
}

#[test]
fn a_rule_that_never_decides_is_named_with_the_one_that_takes_everything() {
    let names = |rules: &[&str]| -> Vec<String> {
        let rules: Vec<String> =
            rules.iter().map(|rule| format!("{{provider: anthropic, {rule}}}")).collect();
        let found = warnings(&with(&rules.join(", ")), KEY);
        found.into_iter().map(|(message, _)| message).collect()
    };
    let all = "pattern: '*', name: all";
    for after in [
        "pattern: 'claude-*', name: x",
        "pattern: 'claude-*', name: x, when: {thinking: true}",
        "rule_type: catch_all, name: x",
        "rule_type: path_pattern, pattern: '/v1/*', name: x",
        "rule_type: header_match, header_name: h, name: x",
        "pattern: '*', name: x, priority: -1",
    ] {
        let found = names(&[all, after]);
        let [one] = found.as_slice() else { panic!("{after}: {found:?}") };
        let said = "the route `x` (routes[1]) never decides: the route `all` (routes[0]) takes every request that it would";
        assert!(one.ends_with(said), "{one}");
    }
    for (rules, count) in [
        (["pattern: a", "pattern: '*'"], 0),
        (["pattern: '*'", "pattern: '*'"], 0),
        (["pattern: 'a*', model: m", "pattern: 'a*', weight: 3"], 0),
        (["pattern: 'a*', priority: 2", "pattern: 'a*'"], 1),
        (
            [
                "pattern: 'a*', priority: 2, when: {thinking: true}",
                "pattern: 'a*', when: {thinking: true}",
            ],
            1,
        ),
        (
            [
                "pattern: 'a*', priority: 2, when: {thinking: true}",
                "pattern: 'a*', when: {agent: main}",
            ],
            0,
        ),
        (["pattern: '*', when: {background: true}", "pattern: a"], 0),
        (["pattern: '*'", "pattern: a, priority: 1"], 0),
        (["pattern: '*', enabled: false", "pattern: a"], 0),
        (["pattern: '*'", "pattern: a, enabled: false"], 0),
        (["rule_type: header_match, header_name: h", "pattern: a"], 0),
    ] {
        assert_eq!(names(&rules).len(), count, "{rules:?}");
    }
    let yaml = format!(
        "routes:\n- {{pattern: '*', provider: anthropic}}\n- {{pattern: a, provider: backup}}\n{PROVIDERS}"
    );
    let found = warnings(&yaml, KEY);
    assert_eq!(
        found[0].0,
        "3:13 the route `a` (routes[1]) never decides: the route `*` (routes[0]) takes every request that it would"
    );
    assert!(found[0].1.starts_with("move it before that one (line 2), or"), "{found:?}");
}

#[test]
fn the_first_of_those_that_share_speaks_for_all() {
    let found = |first: &str, second: &str| {
        let rule = |more: &str| format!("{{pattern: 'a*', provider: anthropic, {more}}}");
        let yaml = with(&format!("{},\n {}", rule(first), rule(second)));
        warnings(&yaml, KEY).into_iter().map(|(message, _)| message).collect::<Vec<_>>()
    };
    assert_eq!(
        found("weight: 1", "strategy: round_robin, sticky: none"),
        [
            "2:49 `routes[1].strategy` is not used: the route `a*` (routes[0]) comes first of those that share its requests, and says it for all",
            "2:70 `routes[1].sticky` is not used: the route `a*` (routes[0]) comes first of those that share its requests, and says it for all",
        ]
    );
    for (first, second) in [
        ("strategy: round_robin", "strategy: round_robin"),
        ("strategy: round_robin, sticky: none", "weight: 2"),
        ("weight: 1", "strategy: round_robin, when: {thinking: true}"),
        ("weight: 1", "strategy: round_robin, enabled: false"),
    ] {
        let found = found(first, second);
        assert!(!found.iter().any(|message| message.contains("is not used")), "{found:?}");
    }
}

#[test]
fn a_private_provider_that_shares_with_others_is_warned_of() {
    let group = |first: &str, second: &str| {
        format!("{{pattern: 'a*', {first}}},\n {{pattern: 'a*', {second}}}")
    };
    let alone = |rule: &str| format!("{{pattern: 'a*', provider: {rule}}}");
    for (rules, warned) in [
        (group("provider: anthropic", "provider: lab"), true),
        (group("provider: lab, strategy: round_robin", "provider: anthropic"), true),
        (group("provider: anthropic, sticky: none", "provider: lab"), true),
        (alone("anthropic, fallbacks: [backup, lab], strategy: weighted"), true),
        (group("provider: lab, strategy: ordered", "provider: anthropic"), false),
        (group("provider: lab", "provider: lab, model: m"), false),
        (group("provider: anthropic", "provider: backup"), false),
        (group("provider: anthropic", "provider: lab, enabled: false"), false),
        (group("provider: anthropic", "provider: lab, when: {thinking: true}"), false),
        (alone("anthropic, fallbacks: [backup, lab]"), false),
        (alone("anthropic, fallbacks: [backup], strategy: weighted"), false),
    ] {
        let found = warnings(&with(&rules), KEY);
        let found: Vec<_> =
            found.iter().filter(|(message, _)| message.contains("which is private")).collect();
        assert_eq!(found.len(), usize::from(warned), "{rules}: {found:?}");
        for (message, help) in found {
            assert!(
                message.contains(
                    "the route `a*` (routes[0]) shares its requests between `lab`, which is private, and `anthropic`: a conversation may begin at either"
                ),
                "{message}"
            );
            assert!(help.starts_with("give `lab` a route with a pattern or conditions of its own, write `strategy: ordered` with `lab` first"), "{help}");
        }
    }
}

#[test]
fn rules_that_take_everything_need_no_default() {
    let two = "providers: {anthropic: {}, demo: {}}\n";
    for (rule, count) in [
        ("rule_type: catch_all", 0),
        ("pattern: '*'", 0),
        ("rule_type: path_pattern, pattern: '*'", 0),
        ("pattern: '*', when: {thinking: true}", 1),
        ("pattern: '*', enabled: false", 1),
        ("pattern: 'a*'", 1),
        ("rule_type: header_match, header_name: h", 1),
    ] {
        let yaml = format!("routes: [{{{rule}, provider: anthropic}}]\n{two}");
        assert_eq!(warnings(&yaml, KEY).len(), count, "{rule}");
    }
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let page = include_str!("../../../../../docs/configuration.md");
    let env = [KEY[0], ("OPENROUTER_API_KEY", "o"), ("AWS_REGION", "us-east-1")];
    let mut count = 0;
    for title in ["routes", "resilience", "clients"] {
        let section = page.split(&format!("\n## `{title}`\n")).nth(1).expect("the section");
        let section = section.split("\n## ").next().expect("its text");
        for yaml in section.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let providers = "default_provider: anthropic\nproviders: {anthropic: {}, openrouter: {}, bedrock: {}}\n";
            let loaded = good(&format!("{providers}{yaml}"), &env);
            assert!(loaded.warnings.is_empty(), "{yaml}: {:?}", loaded.warnings);
            count += 1;
        }
    }
    assert_eq!(count, 6);
}

#[test]
fn the_summary_tells_the_chain_and_the_clients() {
    let hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let rules = "{pattern: 'a*', provider: anthropic, model: m, fallbacks: [backup/x/y, lab]}, {pattern: b, provider: backup, fallbacks: []}, {rule_type: header_match, header_name: X-Team, provider: lab}, {rule_type: catch_all, provider: off, enabled: false}";
    let yaml = format!("{}clients: {{ci: {{key_hash: '{hash}'}}}}\n", with(rules));
    let summary = good(&yaml, KEY).summary();
    for line in [
        "route a* -> anthropic/m, else backup/x/y, else lab",
        "route b -> backup",
        "route x-team: * -> lab",
        "route catch_all -> off (disabled)",
        "client ci",
    ] {
        assert!(summary.lines().any(|l| l == line), "{line}: {summary}");
    }
}
