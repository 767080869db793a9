//! `clients`, `limits` of callers, and pools of keys.

use gateway_resilience::settings::CallerLimits;

use super::*;

const A: &str = "sha256:a0b37b8bfae8e71330bd8e278e4a45ca916d00475dd8b85e9352533454c9fec8";
const B: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

#[test]
fn every_key_of_a_client_reaches_its_field() {
    let upper = B.to_ascii_uppercase().replace("SHA", "sha");
    let yaml = format!(
        "clients:
  - name: alice
    key_hash: \"{A}\"
    allow_models: [\"claude-*\", gpt-5]
    pick_provider: false
    limits: {{concurrent: 8, requests_per_minute: 60, tokens_per_minute: 200000, queue: 2}}
  - {{name: ci@lab, key_hash: '{upper}'}}
limits: {{concurrent: 100, requests_per_minute: 1000, tokens_per_minute: 9000000, queue: 10}}
"
    );
    let loaded = good(&yaml, &[KEY, &[("GATEWAY_API_KEY", "gw-planted")]].concat());
    let [alice, ci] = loaded.config.clients.as_slice() else { panic!("two clients") };
    assert_eq!((alice.name.as_str(), ci.name.as_str()), ("alice", "ci@lab"));
    assert_eq!((alice.key_hash[0], alice.key_hash[31]), (0xa0, 0xc8));
    assert_eq!((ci.key_hash[0], ci.key_hash[31]), (0x2b, 0x5b));
    assert_eq!(
        alice.allow_models.as_deref(),
        Some(&["claude-*".to_owned(), "gpt-5".to_owned()][..])
    );
    assert_eq!((alice.may_pick_provider, ci.may_pick_provider), (false, true));
    assert_eq!((&ci.allow_models, ci.limits), (&None, CallerLimits::default()));
    let limits = CallerLimits {
        concurrent: Some(8),
        requests_per_minute: Some(60),
        tokens_per_minute: Some(200_000),
        queue: 2,
    };
    assert_eq!(alice.limits, limits);
    let all = CallerLimits {
        concurrent: Some(100),
        requests_per_minute: Some(1000),
        tokens_per_minute: Some(9_000_000),
        queue: 10,
    };
    assert_eq!(loaded.config.limits, all);
    assert_eq!(loaded.config.client_keys.len(), 1, "both admit");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(origin(&loaded, "clients.alice.pick_provider"), "file, line 5");
    assert_eq!(origin(&loaded, "clients.alice.limits.concurrent"), "file, line 6");
    assert_eq!(origin(&loaded, "limits.queue"), "file, line 8");
    let shown = format!("{} {}", loaded.table(), loaded.to_json());
    assert!(!shown.contains("a0b37b8b") && !shown.contains("planted"), "{shown}");
}

#[test]
fn clients_are_a_list_a_map_or_variables() {
    let map = format!("clients: {{alice: {{key_hash: '{A}'}}}}");
    let names = |loaded: &Loaded| -> Vec<String> {
        loaded.config.clients.iter().map(|client| client.name.clone()).collect()
    };
    assert_eq!(names(&good(&map, KEY)), ["alice"]);
    assert!(good("clients: []", KEY).config.clients.is_empty());
    assert!(good("clients:\n", KEY).config.clients.is_empty());
    let json = format!(r#"[{{"name": "bob", "key_hash": "{B}"}}]"#);
    assert_eq!(names(&good("", &[KEY[0], ("GATEWAY__CLIENTS", &json)])), ["bob"]);
    let list = format!("clients: [{{name: alice, key_hash: '{A}'}}]");
    let env = [KEY[0], ("GATEWAY__CLIENTS__ALICE__LIMITS__CONCURRENT", "3")];
    let loaded = good(&list, &env);
    assert_eq!(names(&loaded), ["alice"]);
    assert_eq!(loaded.config.clients[0].limits.concurrent, Some(3));
}

#[test]
fn a_bad_client_says_where_and_what_to_do() {
    let with = |keys: &str| format!("clients:\n  - {{name: a, key_hash: '{A}', {keys}}}\n");
    for (yaml, message, help) in [
        ("clients: 5".to_owned(), "1:10 `clients` must be a list, found a number", "- name: …"),
        (
            format!("clients: [{{key_hash: '{A}'}}]"),
            "1:12 `clients[0]` has no `name`",
            "add `name:`",
        ),
        (
            format!("clients: [{{name: a b, key_hash: '{A}'}}]"),
            "1:18 `a b` can't be a client's name",
            "use letters, digits",
        ),
        ("clients: [{name: a}]".to_owned(), "1:18 `clients.a` has no `key_hash`", "sha256sum"),
        ("clients: [a]".to_owned(), "1:11 `clients.a` has no `key_hash`", "sha256sum"),
        ("clients: {a: x}".to_owned(), "1:11 `clients.a` must be a map of keys, found text", "key"),
        (
            "clients: [{name: a, key_hash: planted-key}]".to_owned(),
            "1:31 `clients.a.key_hash` is not the hash of a key",
            "the key itself does not belong here: write `sha256:`",
        ),
        (
            format!("clients: [{{name: a, key_hash: '{}'}}]", &A[..70]),
            "1:31 `clients.a.key_hash` is not the hash of a key",
            "64 digits",
        ),
        (
            format!("clients: [{{name: a, key_hash: '{}'}}]", A.replace("b8", "zz")),
            "1:31 `clients.a.key_hash` is not the hash of a key",
            "64 digits",
        ),
        (
            format!("clients:\n- {{name: a, key_hash: '{A}'}}\n- {{name: a, key_hash: '{B}'}}"),
            "3:10 there are two clients `a`",
            "the other one is in line 2",
        ),
        (
            format!("clients:\n- {{name: a, key_hash: '{A}'}}\n- {{name: b, key_hash: '{A}'}}"),
            "3:10 the clients `a` and `b` have the same key",
            "a key of its own",
        ),
        (
            format!("clients: {{a: {{name: b, key_hash: '{A}'}}}}"),
            "1:21 `clients.a.name` says `b`",
            "remove `name`",
        ),
        (
            with("allow_models: claude"),
            "2:114 `clients.a.allow_models` must be a list like [a, b], found text",
            "write a list",
        ),
        (
            with("allow_models: ['x[']"),
            "2:115 `x[` is no pattern: unclosed character class; missing ']'",
            "a pattern is a name with *",
        ),
        (
            with("pick_provider: maybe"),
            "2:115 `clients.a.pick_provider` must be true or false, found text",
            "true or false",
        ),
        (
            with("limits: {concurrent: 0}"),
            "2:121 `clients.a.limits.concurrent` must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        (
            with("limits: {requests_per_minute: 0}"),
            "2:130 `clients.a.limits.requests_per_minute` must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        (
            with("limits: {tokens_per_minute: 0}"),
            "2:128 `clients.a.limits.tokens_per_minute` must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        (
            with("limits: {concurrent: 1, queue: x}"),
            "2:131 `clients.a.limits.queue` must be a whole number of at least 0, found text",
            "at least 0",
        ),
        (
            with("budget: {usd: 20}"),
            "2:100 `clients.a.budget` is not in this version yet",
            "remove `budget`",
        ),
        (
            with("allow_model: []"),
            "2:100 unknown key `clients.a.allow_model`",
            "did you mean `allow_models`?",
        ),
        (
            "limits: {concurrent: none}".to_owned(),
            "1:22 `limits.concurrent` must be a whole number of at least 1, found text",
            "at least 1",
        ),
    ] {
        let (found, remedy) = fault(&yaml, KEY);
        assert_eq!(found, message, "{yaml}");
        assert!(remedy.contains(help), "{yaml}: {remedy}");
    }
    let found = warnings(&with("allow_models: []"), KEY);
    assert_eq!(found[0].0, "2:100 `clients.a.allow_models` is empty: no model may be asked for");
}

#[test]
fn a_limit_above_that_of_all_callers_is_warned_of() {
    let yaml = format!(
        "clients: [{{name: a, key_hash: '{A}', limits: {{concurrent: 9, requests_per_minute: 5, tokens_per_minute: 50001}}}}]
limits: {{concurrent: 8, requests_per_minute: 5, tokens_per_minute: 50000}}
"
    );
    let found: Vec<String> = warnings(&yaml, KEY).into_iter().map(|(message, _)| message).collect();
    assert_eq!(
        found,
        [
            "1:127 `clients.a.limits.concurrent` (9) is never reached: `limits.concurrent` allows 8 to all callers together",
            "1:173 `clients.a.limits.tokens_per_minute` (50001) is never reached: `limits.tokens_per_minute` allows 50000 to all callers together",
        ]
    );
}

#[test]
fn a_key_in_the_place_of_its_hash_or_its_variable_is_never_shown() {
    for yaml in [
        "clients: [{name: a, key_hash: planted-0123}]".to_owned(),
        "clients:\n  - name: a\n    key_hash: planted: ]\n".to_owned(),
        format!("providers: {{anthropic: {{api_keys: [{PLANTED}]}}}}"),
        format!("providers: {{anthropic: {{api_keys: [{{env: {PLANTED}}}]}}}}"),
        format!("providers: {{anthropic: {{api_keys: {PLANTED}}}}}"),
        "providers: {anthropic: {api_keys: [plantedplanted0123456789]}}".to_owned(),
        "providers: {anthropic: {api_keys: ['${SECRET_OF_MINE}']}}".to_owned(),
    ] {
        let env = [("SECRET_OF_MINE", PLANTED)];
        let faults = load(&case(&yaml, &env).sources).expect_err(&yaml);
        let json = serde_json::to_string(&faults).expect("JSON");
        for text in [faults.to_string(), format!("{faults:?}"), json] {
            assert!(!text.contains("planted"), "{yaml}\n{text}");
        }
    }
}

const KEYS: [(&str, &str); 2] = [("KEY_A", "sk-planted-a"), ("KEY_B", "sk-planted-b")];

fn pool(provider: &Provider) -> String {
    let one = |key: &PoolKey| {
        let auth = match &key.auth {
            Auth::ApiKey(key) => format!("key {}", key.expose_secret()),
            Auth::Bearer(key) => format!("bearer {}", key.expose_secret()),
            other => format!("{other:?}"),
        };
        format!("{} {} {auth}", key.variable, key.weight)
    };
    provider.pool.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_pool_of_keys_is_read_with_its_weights() {
    let keys = |provider: &str, keys: &str, env: &[(&str, &str)]| {
        let loaded = good(&format!("providers: {{{provider}: {{api_keys: {keys}}}}}"), env);
        assert!(!format!("{loaded:?}{}", loaded.to_json()).contains("planted"));
        loaded
    };
    let both = "[{env: KEY_A, weight: 2}, {env: KEY_B}]";
    let loaded = keys("anthropic", both, &KEYS);
    let p = &loaded.config.providers[0];
    assert_eq!(pool(p), "KEY_A 2 key sk-planted-a, KEY_B 1 key sk-planted-b");
    assert!(matches!(&p.auth, Auth::ApiKey(key) if key.expose_secret() == "sk-planted-a"));
    assert_eq!(p.key_variable.as_deref(), Some("KEY_A"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(origin(&loaded, "providers.anthropic.api_keys"), "file, line 1");
    for (provider, list, expected) in [
        ("openai", "[KEY_B, KEY_A]", "KEY_B 1 bearer sk-planted-b, KEY_A 1 bearer sk-planted-a"),
        ("gemini", "[KEY_A]", "KEY_A 1 key sk-planted-a"),
        ("openrouter", both, "KEY_A 2 bearer sk-planted-a, KEY_B 1 bearer sk-planted-b"),
    ] {
        assert_eq!(pool(&keys(provider, list, &KEYS).config.providers[0]), expected);
    }
    let bearer = "providers: {anthropic: {auth_type: bearer_token, api_keys: [KEY_A]}}";
    assert_eq!(pool(&good(bearer, &KEYS).config.providers[0]), "KEY_A 1 bearer sk-planted-a");
    let variable = ("GATEWAY__PROVIDERS__ANTHROPIC__API_KEYS", "KEY_A, KEY_B");
    let env = [&KEYS[..], &[variable]].concat();
    let loaded = good("providers: {anthropic: {}}", &env);
    assert_eq!(loaded.config.providers[0].pool.len(), 2);
    assert!(good("", KEY).config.providers[0].pool.is_empty(), "one key is no pool");
    let odd = ("my_long_variable_name_1", "sk-planted-c");
    let loaded = good("providers: {anthropic: {api_keys: [my_long_variable_name_1]}}", &[odd]);
    assert_eq!(loaded.config.providers[0].pool.len(), 1, "it is set, so it is a name");

    // One that is not set is left to the end.
    let yaml = "providers: {anthropic: {api_keys: [KEY_A, KEY_B]}}";
    let loaded = good(yaml, &KEYS[1..]);
    let p = &loaded.config.providers[0];
    assert_eq!(p.key_variable.as_deref(), Some("KEY_B"));
    assert!(matches!(&p.auth, Auth::Bearer(_) | Auth::ApiKey(_)));
    assert!(matches!(&p.pool[1].auth, Auth::Missing { variable } if variable == "KEY_A"));
    let found = warnings(yaml, &KEYS[1..]);
    assert_eq!(found[0].0, "1:36 a key of `anthropic` is missing: the variable KEY_A is not set");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_bad_pool_says_where_and_what_to_do() {
    let one = |keys: &str| format!("providers: {{anthropic: {{{keys}}}}}");
    for (keys, message, help) in [
        (
            "api_keys: [KEY_C, KEY_D]",
            "1:25 the keys of `anthropic` are missing: none of KEY_C, KEY_D is set",
            "set KEY_C",
        ),
        (
            "api_keys: [KEY_C]",
            "1:25 the key of `anthropic` is missing: the variable KEY_C is not set",
            "set KEY_C",
        ),
        (
            "api_keys: []",
            "1:25 `providers.anthropic.api_keys` names no key",
            "write a list of variables",
        ),
        (
            "api_keys: KEY_A",
            "1:35 `providers.anthropic.api_keys` must be a list, found text",
            "write a list of variables",
        ),
        (
            "api_keys: [5]",
            "1:36 `providers.anthropic.api_keys[0]` is no key, found a number",
            "{env: NAME, weight: 2}",
        ),
        (
            "api_keys: [{weight: 2}]",
            "1:37 `providers.anthropic.api_keys[0]` has no `env`",
            "add `env:`",
        ),
        (
            "api_keys: [{env: KEY_A, wight: 2}]",
            "1:49 unknown key `providers.anthropic.api_keys[0].wight`",
            "did you mean `weight`?",
        ),
        (
            "api_keys: [{env: KEY_A, weight: 0}]",
            "1:57 `providers.anthropic.api_keys[0].weight` must be a whole number from 1 to 1000000, found 0",
            "from 1",
        ),
        (
            "api_keys: [KEY_A, {env: KEY_A}]",
            "1:49 `providers.anthropic.api_keys` names KEY_A twice",
            "remove one of them",
        ),
        (
            "api_keys: [sk-abc]",
            "1:36 `providers.anthropic.api_keys[0]` is not the name of a variable",
            "put the key there",
        ),
        (
            "api_keys: [KEY_A], api_key_env_var: KEY_B",
            "1:25 `providers.anthropic` has both `api_key_env_var` and `api_keys`",
            "keep one",
        ),
        (
            "api_keys: [KEY_A], auth_type: client",
            "1:25 `providers.anthropic.api_keys` can't be used: `auth_type: client` passes the caller's own credential on",
            "remove `api_keys`",
        ),
        (
            "api_keys: [KEY_A], auth_type: none",
            "1:25 `providers.anthropic.api_keys` can't be used: `auth_type: none` sends no credential",
            "remove `api_keys`",
        ),
    ] {
        let (found, remedy) = fault(&one(keys), &KEYS);
        assert_eq!(found, message, "{keys}");
        assert!(remedy.contains(help), "{keys}: {remedy}");
    }
    let (found, _) = fault(&one("api_keys: [KEY_A]"), &[("KEY_A", "planted planted")]);
    assert_eq!(
        found,
        "the key in `KEY_A` holds a blank, a line break or a character that is not ASCII"
    );
    let aws = "providers: {bedrock: {auth_type: aws, api_keys: [KEY_A]}}";
    let (found, _) = fault(aws, &[KEYS[0], ("AWS_REGION", "us-east-1")]);
    assert!(found.ends_with("`auth_type: aws` has credentials of its own"), "{found}");
    // Where another provider has a credential, a start goes on with that.
    let other =
        "default_provider: demo\nproviders: {demo: {}, anthropic: {api_keys: [KEY_C, KEY_D]}}";
    let found = warnings(other, &[]);
    assert!(found[0].0.ends_with("none of KEY_C, KEY_D is set"), "{found:?}");
}
