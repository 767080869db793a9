//! `routes`: every key, every fault of a rule, and rules that lead nowhere.

use gateway_router::{Agent, Mirror, RuleKind, Sticky, Strategy, Target, When};

use super::*;

mod whole;

const PROVIDERS: &str = "providers:
  anthropic:
  backup: {kind: demo}
  lab: {kind: demo, private: true}
  off: {kind: demo, enabled: false}
default_provider: anthropic
";

fn with(rules: &str) -> String {
    format!("routes: [{rules}]\n{PROVIDERS}")
}

fn first(rule: &str) -> Route {
    good(&with(&format!("{{{rule}}}")), KEY).config.routes.remove(0)
}

#[test]
fn every_key_of_a_rule_reaches_its_field() {
    let yaml = "
routes:
  - pattern: \"claude-*\"
    rule_type: model_pattern
    provider: anthropic
    model: claude-opus-5
    priority: 7
    weight: 3
    name: all
    enabled: true
    when: {thinking: true, min_input_tokens: 100000, has_images: false, has_tools: true, web_search: false, background: true, client: [ci], agent: subagent}
    fallbacks: [backup/vendor/model-1, lab]
    strategy: least_latency
    set: {effort: Low, max_tokens: 8192, temperature: 0.2, extra_body: {top_k: 5, metadata: {user_id: x}}, system_append: \"Be brief.\"}
    sticky: session
    mirror: {to: backup/vendor/x, percent: 2.5}
clients: {ci: {key_hash: 'sha256:a0b37b8bfae8e71330bd8e278e4a45ca916d00475dd8b85e9352533454c9fec8'}}
";
    let loaded = good(&format!("{yaml}{PROVIDERS}"), KEY);
    let route = &loaded.config.routes[0];
    assert_eq!(route.kind, RuleKind::ModelPattern);
    assert_eq!(
        (route.provider.as_str(), route.model.as_deref()),
        ("anthropic", Some("claude-opus-5"))
    );
    assert_eq!((route.priority, route.weight, route.enabled), (7, 3, true));
    let when = When {
        thinking: Some(true),
        min_input_tokens: Some(100_000),
        has_images: Some(false),
        has_tools: Some(true),
        web_search: Some(false),
        background: Some(true),
        client: Some(vec!["ci".to_owned()]),
        agent: Some(Agent::Subagent),
    };
    assert_eq!(route.when, when);
    let to = |model: &str| Target::provider("backup").with_model(model);
    let fallbacks = vec![to("vendor/model-1"), Target::provider("lab")];
    assert_eq!(route.fallbacks, Some(fallbacks));
    assert_eq!(route.strategy, Some(Strategy::LeastLatency));
    let set = Changes {
        effort: Some("low".to_owned()),
        max_tokens: Some(8192),
        temperature: Some(0.2),
        extra_body: serde_json::json!({"top_k": 5, "metadata": {"user_id": "x"}})
            .as_object()
            .expect("a map")
            .clone(),
        system_append: Some("Be brief.".to_owned()),
    };
    assert_eq!(route.set, set);
    assert_eq!(route.sticky, Some(Sticky::Session));
    assert_eq!(route.mirror, Some(Mirror { to: to("vendor/x"), percent: 2.5 }));
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.message.contains("`lab`, which is private"), "{warning:?}");
    for (key, value, line) in [
        ("rule_type", "model_pattern", 4),
        ("weight", "3", 8),
        ("when.min_input_tokens", "100000", 11),
        ("when.client", "[\"ci\"]", 11),
        ("when.agent", "subagent", 11),
        ("fallbacks", "[\"backup/vendor/model-1\",\"lab\"]", 12),
        ("strategy", "least_latency", 13),
        ("set.effort", "low", 14),
        ("set.max_tokens", "8192", 14),
        ("set.system_append", "Be brief.", 14),
        ("sticky", "session", 15),
        ("mirror.to", "backup/vendor/x", 16),
        ("mirror.percent", "2.5", 16),
    ] {
        let key = format!("routes[0].{key}");
        assert_eq!(origin(&loaded, &key), format!("file, line {line}"), "{key}");
        let found = loaded.values.iter().find(|v| v.key == key).map(|v| v.value.clone());
        let text = found.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        assert_eq!(text.as_deref(), Some(value), "{key}");
    }
}

#[test]
fn nothing_said_gives_a_plain_rule() {
    let route = first("pattern: a, provider: anthropic, when: {}, set: , fallbacks: null");
    assert_eq!(route.kind, RuleKind::ModelPattern);
    assert!(route.when.is_empty());
    assert_eq!((route.weight, &route.fallbacks, route.strategy), (1, &None, None));
    assert_eq!((route.sticky, &route.mirror, &route.set), (None, &None, &Changes::default()));
    assert_eq!(first("pattern: a, provider: anthropic, fallbacks: []").fallbacks, Some(Vec::new()));
    assert_eq!(first("pattern: a, provider: anthropic, weight: 0").weight, 0);
    let kept = "pattern: a, provider: anthropic, sticky: none, set: {system_append: ''}";
    assert_eq!(first(kept).sticky, Some(Sticky::No));
    assert_eq!(first(kept).set, Changes::default());
}

#[test]
fn each_kind_of_rule_looks_at_its_own() {
    let header = |name: &str, value: &str| RuleKind::HeaderMatch {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    for (rule, kind, pattern) in [
        ("pattern: 'a-*'", RuleKind::ModelPattern, "a-*"),
        ("pattern: '/v1/messages', rule_type: path_pattern", RuleKind::PathPattern, "/v1/messages"),
        ("rule_type: catch_all", RuleKind::CatchAll, "*"),
        ("rule_type: catch_all, pattern: '*'", RuleKind::CatchAll, "*"),
        ("rule_type: header_match, header_name: X-Team", header("x-team", "*"), "*"),
        (
            "rule_type: header_match, header_name: x-team, header_value: 'red-*'",
            header("x-team", "red-*"),
            "*",
        ),
    ] {
        let loaded = good(&with(&format!("{{{rule}, provider: anthropic}}")), KEY);
        let route = &loaded.config.routes[0];
        assert_eq!((&route.kind, route.pattern.as_str()), (&kind, pattern), "{rule}");
        assert!(loaded.warnings.is_empty(), "{rule}: {:?}", loaded.warnings);
    }
}

#[test]
fn one_client_is_a_list_of_one() {
    let hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let yaml = format!(
        "{}clients: {{ci: {{key_hash: '{hash}'}}}}\n",
        with("{pattern: a, provider: anthropic, when: {client: ci}}")
    );
    let route = good(&yaml, KEY).config.routes.remove(0);
    assert_eq!(route.when.client, Some(vec!["ci".to_owned()]));
    let (found, help) = fault(&yaml.replace("client: ci", "client: cy"), KEY);
    assert_eq!(
        found,
        "1:59 the route `a` (routes[0]) is for the client `cy`, which does not exist"
    );
    assert_eq!(help, "did you mean `ci`?");
    let (found, help) = fault(&yaml.replace("client: ci", "client: [ci, somebody]"), KEY);
    assert_eq!(
        found,
        "1:64 the route `a` (routes[0]) is for the client `somebody`, which does not exist"
    );
    assert_eq!(help, "the clients are `ci`");
    let (found, _) = fault(&yaml.replace(hash, "planted"), KEY);
    assert!(found.ends_with("`clients.ci.key_hash` is not the hash of a key"), "{found}");
    let (_, help) = fault(&with("{pattern: a, provider: anthropic, when: {client: ci}}"), KEY);
    assert_eq!(help, "there are no `clients`: add them, or remove the condition");
}

#[test]
fn a_bad_value_of_a_rule_names_its_key_its_place_and_what_is_allowed() {
    // Every rule begins with `{pattern: a, provider: anthropic, `, so the key stands in column 44.
    for (keys, message, help) in [
        (
            "rule_type: model",
            "55 `routes[0].rule_type`: there is no rule_type `model`",
            "possible are `model_pattern`, `path_pattern`, `header_match`, `catch_all`",
        ),
        ("rule_type: 5", "55 `routes[0].rule_type`: there is no rule_type `5`", "possible are"),
        ("rule_type: header_match", "11 `routes[0]` has no `header_name`", "add `header_name:`"),
        (
            "rule_type: header_match, header_name: 'a b'",
            "82 `a b` can't be a header's name",
            "use letters, digits and `-`",
        ),
        (
            "rule_type: header_match, header_name: x-api-key",
            "82 `x-api-key` holds the caller's credential: no rule may look at it",
            "when: {client: NAME}",
        ),
        (
            "rule_type: header_match, header_name: x, header_value: 'x['",
            "99 `x[` is no pattern: unclosed character class; missing ']'",
            "a pattern is a name with *",
        ),
        (
            "header_name: x",
            "57 `routes[0].header_name`: this rule looks at no header",
            "write `rule_type: header_match`",
        ),
        (
            "header_value: x",
            "58 `routes[0].header_value`: this rule looks at no header",
            "write `rule_type: header_match`",
        ),
        (
            "weight: -1",
            "52 `routes[0].weight` must be a whole number from 0 to 1000000, found -1",
            "0 to 1000000",
        ),
        (
            "weight: 0.5",
            "52 `routes[0].weight` must be a whole number from 0 to 1000000, found 0.5",
            "0 to 1000000",
        ),
        (
            "priority: high",
            "54 `routes[0].priority` must be a whole number, found text",
            "write a whole number",
        ),
        (
            "enabled: 2",
            "53 `routes[0].enabled` must be true or false, found a number",
            "true or false",
        ),
        (
            "strategy: fastest",
            "54 `routes[0].strategy`: there is no strategy `fastest`",
            "`least_latency`, `least_cost`",
        ),
        (
            "strategy: round-robin",
            "54 `routes[0].strategy`: there is no strategy `round-robin`",
            "did you mean `round_robin`?",
        ),
        (
            "sticky: user",
            "52 `routes[0].sticky`: there is no sticky `user`",
            "possible are `session`, `none`",
        ),
        (
            "sticky: true",
            "52 `routes[0].sticky` must be one of `session`, `none`, found true or false",
            "`session`",
        ),
        (
            "fallbacks: backup",
            "55 `routes[0].fallbacks` must be a list like [a, b], found text",
            "write a list",
        ),
        (
            "fallbacks: [{to: backup}]",
            "56 `routes[0].fallbacks` must hold text only, found a map",
            "a list of texts",
        ),
        (
            "fallbacks: [backup/]",
            "56 `routes[0].fallbacks`: `backup/` is neither a provider nor a provider's model",
            "write `provider` or `provider/model`",
        ),
        (
            "fallbacks: [bakup/m]",
            "56 a fallback of the route `a` (routes[0]) names the provider `bakup`, which does not exist",
            "did you mean `backup`?",
        ),
        (
            "fallbacks: [off/m]",
            "56 a fallback of the route `a` (routes[0]) leads to `off`, which is disabled",
            "enable `off` (line 6), or disable the route",
        ),
        ("when: 5", "50 `routes[0].when` must be a map of keys, found a number", "key: value"),
        (
            "when: {thinking: 5}",
            "61 `routes[0].when.thinking` must be true or false, found a number",
            "true or false",
        ),
        (
            "when: {min_input_tokens: 0}",
            "69 `routes[0].when.min_input_tokens` must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        (
            "when: {has_images: 5}",
            "63 `routes[0].when.has_images` must be true or false, found a number",
            "true or false",
        ),
        (
            "when: {has_tools: x}",
            "62 `routes[0].when.has_tools` must be true or false, found text",
            "true or false",
        ),
        (
            "when: {web_search: x}",
            "63 `routes[0].when.web_search` must be true or false, found text",
            "true or false",
        ),
        (
            "when: {background: x}",
            "63 `routes[0].when.background` must be true or false, found text",
            "true or false",
        ),
        (
            "when: {client: []}",
            "51 `routes[0].when.client` names no client: the rule never matches",
            "name one of `clients`",
        ),
        (
            "when: {client: 5}",
            "59 `routes[0].when.client` must be a list like [a, b], found a number",
            "write a list",
        ),
        (
            "when: {agent: sub}",
            "58 `routes[0].when.agent`: there is no agent `sub`",
            "`main`, `subagent`",
        ),
        (
            "when: {has_image: true}",
            "51 unknown key `routes[0].when.has_image`",
            "did you mean `has_images`?",
        ),
        (
            "has_images: true",
            "44 unknown key `routes[0].has_images`",
            "`has_images` belongs in a route's `when`",
        ),
        ("max_tokens: 5", "44 unknown key `routes[0].max_tokens`", "belongs in"),
        (
            "set: {effort: huge}",
            "58 `routes[0].set.effort`: there is no effort `huge`",
            "`none`, `minimal`, `low`",
        ),
        (
            "set: {max_tokens: 0}",
            "62 `routes[0].set.max_tokens` must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        (
            "set: {temperature: 3}",
            "63 `routes[0].set.temperature` must be a number from 0 to 2, found 3",
            "from 0 to 2",
        ),
        (
            "set: {system_append: [x]}",
            "50 `routes[0].set.system_append` must be text, found a list",
            "write text",
        ),
        (
            "set: {extra_body: x}",
            "62 `routes[0].set.extra_body` must be a map of keys, found text",
            "write a map",
        ),
        (
            "set: {extra_body: {model: x}}",
            "50 `routes[0].set.extra_body` must not hold `model`",
            "a rule's own `model` names the model",
        ),
        (
            "set: {extra_body: {stream: true}}",
            "50 `routes[0].set.extra_body` must not hold `stream`",
            "remove `stream`",
        ),
        (
            "set: {extra_body: {messages: []}}",
            "50 `routes[0].set.extra_body` must not hold `messages`",
            "remove `messages`",
        ),
        (
            "set: {max_tokens: 5, extra_body: {max_tokens: 6}}",
            "65 `routes[0].set.extra_body` holds `max_tokens`, which `routes[0].set.max_tokens` says too",
            "keep one of the two",
        ),
        ("mirror: backup", "52 `routes[0].mirror` must be a map of keys, found text", "key: value"),
        ("mirror: {to: backup}", "44 `routes[0].mirror` has no `percent`", "percent: 5"),
        ("mirror: {percent: 5}", "44 `routes[0].mirror` has no `to`", "to: provider/model"),
        (
            "mirror: {to: backup, percent: 0}",
            "74 `routes[0].mirror.percent` must be a number above 0, at most 100, found 0",
            "above 0",
        ),
        (
            "mirror: {to: nobody, percent: 5}",
            "57 the mirror of the route `a` (routes[0]) names the provider `nobody`, which does not exist",
            "the providers are",
        ),
        (
            "mirror: {to: off, percent: 5}",
            "57 the mirror of the route `a` (routes[0]) leads to `off`, which is disabled",
            "enable `off`",
        ),
    ] {
        let yaml = with(&format!("{{pattern: a, provider: anthropic, {keys}}}"));
        let (found, remedy) = fault(&yaml, KEY);
        assert_eq!(found, format!("1:{message}"), "{keys}");
        assert!(remedy.contains(help), "{keys}: {remedy}");
    }
    for (rules, message, help) in [
        ("{provider: anthropic}", "1:11 `routes[0]` has no `pattern`", "or `rule_type: catch_all`"),
        ("{pattern: a}", "1:11 `routes[0]` has no `provider`", "add `provider:`"),
        (
            "{pattern: '', provider: anthropic}",
            "1:20 `routes[0].pattern` is empty",
            "give it a value",
        ),
        (
            "{pattern: a, provider: off}",
            "1:33 the route `a` (routes[0]) leads to `off`, which is disabled",
            "enable `off` (line 6), or disable the route",
        ),
        (
            "{pattern: a, name: mine, provider: of}",
            "1:45 the route `mine` (routes[0]) names the provider `of`, which does not exist",
            "did you mean `off`?",
        ),
        (
            "{pattern: a, provider: lab, fallbacks: [backup]}",
            "1:38 the route `a` (routes[0]) has fallbacks, but `lab` is private: nothing leaves it",
            "remove `fallbacks`, or write `private: false` at `lab`",
        ),
        (
            "{pattern: a, provider: lab, mirror: {to: backup, percent: 5}}",
            "1:51 the route `a` (routes[0]) is mirrored, but `lab` is private: nothing leaves it",
            "remove `mirror`",
        ),
    ] {
        let (found, remedy) = fault(&with(rules), KEY);
        assert_eq!(found, message, "{rules}");
        assert!(remedy.contains(help), "{rules}: {remedy}");
    }
    let (found, _) = fault(&format!("routes: {{a: b}}\n{PROVIDERS}"), KEY);
    assert_eq!(found, "1:1 `routes` must be a list, found a map");
}
