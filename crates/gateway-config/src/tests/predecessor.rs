//! Files of the predecessor: lists with names, and rules below `extra`.

use gateway_router::Strategy;

use super::*;

const FILE: &str = "
default_provider: null
max_retries: 4
providers:
  - name: anthropic
    models: [{name: claude-opus-5, max_tokens: 64000}, claude-haiku-4-5]
  - name: backup
    kind: demo
    models:
      m: {max_tokens: 5}
extra:
  fallback_provider: anthropic
  routing_strategy: round_robin
  routing_rules:
    - {pattern: 'claude-haiku-*', provider: backup, model: m, priority: 5, fallbacks: [anthropic]}
    - pattern: '*'
      rule_type: header_match
      header_name: X-Team
      header_value: red
      provider: anthropic
      strategy: ordered
";

#[test]
fn a_file_of_the_predecessor_loads_unchanged() {
    let loaded = good(FILE, KEY);
    let config = &loaded.config;
    assert_eq!(config.default_provider.as_deref(), Some("anthropic"));
    assert_eq!(config.resilience.retry.max_retries, 4);
    let [haiku, red] = config.routes.as_slice() else { panic!("two rules") };
    assert_eq!((haiku.provider.as_str(), haiku.priority), ("backup", 5));
    assert_eq!(
        (haiku.strategy, red.strategy),
        (Some(Strategy::RoundRobin), Some(Strategy::Ordered))
    );
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(config.routing().is_ok());
    for (key, from) in [
        ("default_provider", "file, line 12"),
        ("extra.routing_strategy", "file, line 13"),
        ("extra.routing_rules[0].priority", "file, line 15"),
        ("extra.routing_rules[1].header_name", "file, line 18"),
    ] {
        assert_eq!(origin(&loaded, key), from, "{key}");
    }
}

#[test]
fn both_forms_of_one_thing_name_both_places() {
    let rules = "routes: [{pattern: a, provider: anthropic}]";
    for (yaml, message, help) in [
        (
            format!("{rules}\nextra: {{routing_rules: [{{pattern: b, provider: anthropic}}]}}"),
            "2:9 `extra.routing_rules` and `routes` (line 1) say the same thing",
            "keep `routes`, and move there what `extra.routing_rules` has beside it",
        ),
        (
            "default_provider: anthropic\nextra: {fallback_provider: anthropic}".to_owned(),
            "2:28 `extra.fallback_provider` and `default_provider` (line 1) say the same thing",
            "keep `default_provider`",
        ),
    ] {
        let (found, remedy) = fault(&yaml, KEY);
        assert_eq!(found, message);
        assert!(remedy.contains(help), "{remedy}");
    }
    let env = |name, value| [KEY[0], (name, value)];
    let loaded = good(FILE, &env("GATEWAY_DEFAULT_PROVIDER", "backup"));
    assert_eq!(loaded.config.default_provider.as_deref(), Some("backup"), "the environment wins");
    let json = r#"[{"pattern": "x", "provider": "anthropic"}]"#;
    let loaded = good(FILE, &env("GATEWAY__ROUTES", json));
    assert_eq!(loaded.config.routes.len(), 1);
    let loaded = good(rules, &env("GATEWAY__EXTRA__ROUTING_RULES", &json.replace('x', "y")));
    assert_eq!(loaded.config.routes[0].pattern, "y");
    for empty in ["extra:\n", "extra: {}\n", "extra: {routing_rules: , fallback_provider: null}\n"]
    {
        assert_eq!(good(&format!("{rules}\n{empty}"), KEY).config.routes.len(), 1, "{empty}");
    }
}

#[test]
fn a_fault_below_extra_names_the_key_that_was_written() {
    let wrong = |from: &str, to: &str| {
        let yaml = FILE.replace(from, to);
        assert_ne!(yaml, FILE, "{from}");
        fault(&yaml, KEY)
    };
    for (from, to, message, help) in [
        (
            "fallback_provider: anthropic",
            "fallback_provider: antropic",
            "12:22 `extra.fallback_provider` names the provider `antropic`, which does not exist",
            "did you mean `anthropic`?",
        ),
        (
            "round_robin",
            "robin",
            "13:21 `extra.routing_strategy`: there is no routing_strategy `robin`",
            "`round_robin`",
        ),
        (
            "routing_rules:",
            "routing_rule:",
            "14:3 unknown key `extra.routing_rule`",
            "did you mean `routing_rules`?",
        ),
        (
            "priority: 5",
            "priority: x",
            "15:73 `extra.routing_rules[0].priority` must be a whole number, found text",
            "write a whole number",
        ),
        (
            "fallbacks: [anthropic]",
            "fallbacks: [nobody]",
            "15:88 a fallback of the route `claude-haiku-*` (extra.routing_rules[0]) names the provider `nobody`, which does not exist",
            "the providers are `anthropic`, `backup`",
        ),
        (
            "      header_name: X-Team\n",
            "",
            "16:7 `extra.routing_rules[1]` has no `header_name`",
            "add `header_name:`",
        ),
    ] {
        let (found, remedy) = wrong(from, to);
        assert_eq!(found, message);
        assert!(remedy.contains(help), "{remedy}");
    }
    let (found, _) = fault("extra: {routing_rules: 5}", KEY);
    assert_eq!(found, "1:24 `extra.routing_rules` must be a list, found a number");
    let twice = "extra: {fallback_provider: anthropic, fallback_provider: anthropic}";
    assert_eq!(fault(twice, KEY).0, "1:39 the key `fallback_provider` is there twice");
    assert_eq!(fault("extra: 5", KEY).0, "1:8 `extra` must be a map of keys, found a number");
}

#[test]
fn the_demo_uses_no_rules_of_the_predecessor() {
    let mut case = case(FILE, &[]);
    case.sources.overrides.demo = true;
    let loaded = load(&case.sources).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.config.routes.is_empty());
    assert_eq!(loaded.config.default_provider.as_deref(), Some("demo"));
    assert!(loaded.notes.iter().any(|note| note.contains("not used with --demo")));
}
