use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::keys::{CLIENT, ROUTE, SET, WHEN};

mod callers;
mod kinds;
mod openai;
mod pages;
mod places;
mod predecessor;
mod resilience;
mod rules;
mod vendors;
mod without_file;

const PLANTED: &str = "sk-ant-api03-planted-0123456789";

/// A directory with a `gateway.yaml` (unless empty of name) and the sources to read it.
struct Case {
    dir: TempDir,
    sources: Sources,
}

fn case(yaml: &str, env: &[(&str, &str)]) -> Case {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("gateway.yaml"), yaml).expect("a file");
    let sources = sources(&dir, env);
    Case { dir, sources }
}

fn no_file(env: &[(&str, &str)]) -> Case {
    let dir = TempDir::new().expect("a directory");
    let sources = sources(&dir, env);
    Case { dir, sources }
}

fn sources(dir: &TempDir, env: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::empty(dir.path());
    sources.system_config = dir.path().join("etc");
    sources.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    sources
}

fn good(yaml: &str, env: &[(&str, &str)]) -> Loaded {
    match load(&case(yaml, env).sources) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("{faults}"),
    }
}

/// `line:column message` of every error.
fn faults(yaml: &str, env: &[(&str, &str)]) -> Vec<String> {
    let faults = load(&case(yaml, env).sources).expect_err("faults");
    faults.errors.iter().map(brief).collect()
}

fn brief(d: &Diagnostic) -> String {
    match d.line_column() {
        Some((line, column)) => format!("{line}:{column} {}", d.message()),
        None => d.message().to_owned(),
    }
}

/// The one fault of a configuration and what it proposes.
fn fault(yaml: &str, env: &[(&str, &str)]) -> (String, String) {
    let faults = load(&case(yaml, env).sources).expect_err(yaml);
    let [fault] = faults.errors.as_slice() else { panic!("{yaml}: one fault: {faults}") };
    (brief(fault), fault.help_lines().join("; "))
}

/// `line:column message` of every warning, and what they propose.
fn warnings(yaml: &str, env: &[(&str, &str)]) -> Vec<(String, String)> {
    let warnings = good(yaml, env).warnings;
    warnings.iter().map(|w| (brief(w), w.help_lines().join("; "))).collect()
}

fn origin(loaded: &Loaded, key: &str) -> String {
    let value = loaded.values.iter().find(|v| v.key == key);
    value.unwrap_or_else(|| panic!("no value `{key}`")).origin.to_string()
}

const KEY: &[(&str, &str)] = &[("ANTHROPIC_API_KEY", PLANTED)];

#[test]
fn a_full_file_is_read_whole() {
    let yaml = r#"
default_provider: main
log_level: DEBUG
timeout: 120
server:
  host: "::1"
  port: 9000
  max_request_size: 0
  max_concurrent_requests: 7
  max_buffered_bytes: 5_000
  allowed_hosts: [Gateway.lan, "gw:8080"]
  shutdown_grace: 0
providers:
  main:
    kind: anthropic
    display_name: Main
    api_base: https://proxy.example/anthropic/
    api_key: ${MAIN_KEY}
    auth_type: bearer_token
    priority: -3
    default_model: claude-sonnet-4-6
    headers: {X-Team: "a $$ b", x-n: 7}
    timeouts: {connect: 1.5, idle: 60}
    model_map:
      "claude-haiku-*": small
      "*": other
    models:
      claude-opus-4-6: {max_tokens: 64000, context_window: 200000, supports_tools: true, supports_vision: false, supports_magic: true}
      plain:
    proxy: socks5://user:hunter2@127.0.0.1:1080
  demo: {enabled: false}
routes:
  - {pattern: "gpt-*", provider: main, model: claude-opus-4-6, priority: 5, name: cheap}
  - pattern: off
    provider: demo
    enabled: false
"#;
    let loaded = good(yaml, &[("MAIN_KEY", PLANTED)]);
    let config = &loaded.config;
    assert_eq!(config.default_provider.as_deref(), Some("main"));
    assert_eq!(config.log_level, LogLevel::Debug);
    assert_eq!((config.server.host.as_str(), config.server.port), ("::1", 9000));
    assert_eq!(config.server.max_request_size, None);
    assert_eq!(config.server.max_concurrent_requests, 7);
    assert_eq!(config.server.max_buffered_bytes, 5000);
    assert_eq!(config.server.allowed_hosts, ["gateway.lan", "gw:8080"]);
    assert_eq!(config.server.shutdown_grace, Duration::ZERO);

    let [main, demo] = config.providers.as_slice() else { panic!("two providers") };
    assert_eq!(main.api_base.as_deref(), Some("https://proxy.example/anthropic/v1"));
    assert!(matches!(&main.auth, Auth::Bearer(key) if key.expose_secret() == PLANTED));
    assert_eq!(main.key_variable.as_deref(), Some("MAIN_KEY"));
    assert_eq!(main.priority, -3);
    let header = |i: usize| (main.headers[i].0.as_str(), main.headers[i].1.expose_secret());
    assert_eq!((header(0), header(1)), (("x-team", "a $ b"), ("x-n", "7")));
    assert_eq!(main.timeouts.connect, Duration::from_millis(1500));
    assert_eq!(main.timeouts.first_byte, Duration::from_mins(2), "the default is `timeout`");
    assert_eq!(main.timeouts.idle, Duration::from_mins(1));
    assert_eq!(main.timeouts.unary, Duration::from_mins(15));
    let globs: Vec<_> = main.model_map.iter().map(|(glob, _)| glob.as_str()).collect();
    assert_eq!(globs, ["claude-haiku-*", "*"], "in the order of the file");
    assert_eq!(main.models[0].max_tokens, Some(64000));
    assert_eq!(main.models[0].supports_tools, Some(true));
    assert_eq!(main.models[0].supports_vision, Some(false));
    assert_eq!(main.models[0].supports, [("magic".to_owned(), true)]);
    assert_eq!(main.models[1].name, "plain");
    assert_eq!(
        main.proxy.as_ref().map(ProxyUrl::expose),
        Some("socks5://user:hunter2@127.0.0.1:1080")
    );
    assert_eq!((demo.kind, demo.enabled, &demo.api_base), (Kind::Demo, false, &None));
    assert_eq!(config.routes[0].name.as_deref(), Some("cheap"));
    assert_eq!(config.routes[1].pattern, "off");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(config.routing().is_ok());
}

#[test]
fn an_empty_file_and_no_file_give_the_defaults() {
    for yaml in ["", "\n", "# nothing\n", "\u{feff}", "{}", "---\n", "providers:\nroutes:\n"] {
        let loaded = good(yaml, KEY);
        let server = &loaded.config.server;
        assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 8080), "{yaml:?}");
        assert_eq!(server.max_request_size, Some(33_554_432));
        assert_eq!(server.max_concurrent_requests, 1024);
        assert_eq!(server.max_buffered_bytes, 1 << 30);
        assert_eq!(server.shutdown_grace, Duration::from_secs(30));
        assert_eq!(loaded.config.log_level, LogLevel::Info);
        let [anthropic] = loaded.config.providers.as_slice() else { panic!("one provider") };
        assert_eq!(anthropic.api_base.as_deref(), Some("https://api.anthropic.com/v1"));
        let t = anthropic.timeouts;
        let seconds = [t.connect, t.first_byte, t.idle, t.unary].map(|d| d.as_secs());
        assert_eq!(seconds, [10, 300, 600, 900]);
        assert_eq!(loaded.config.default_provider.as_deref(), Some("anthropic"));
    }
    assert!(load(&no_file(KEY).sources).expect("the same").file.is_none());
}

#[test]
fn without_a_file_the_variables_decide() {
    let auth = |env: &[(&str, &str)]| {
        let loaded = load(&no_file(env).sources).expect("a configuration");
        assert_eq!(loaded.config.providers.len(), 1);
        (loaded.config.providers[0].auth.clone(), loaded.notes.join("\n"))
    };
    let (key, note) = auth(&[("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_AUTH_TOKEN", "t")]);
    assert!(matches!(key, Auth::ApiKey(k) if k.expose_secret() == "k"));
    assert!(note.contains("because ANTHROPIC_API_KEY is set"), "{note}");
    let (token, note) = auth(&[("ANTHROPIC_API_KEY", " "), ("ANTHROPIC_AUTH_TOKEN", "t\n")]);
    assert!(matches!(token, Auth::Bearer(t) if t.expose_secret() == "t"));
    assert!(note.contains("because ANTHROPIC_AUTH_TOKEN is set"), "{note}");
    let (login, note) = auth(&[("AWS_ACCESS_KEY_ID", PLANTED)]);
    assert!(matches!(login, Auth::Client));
    assert!(note.contains("api.anthropic.com and nowhere else"), "{note}");
    assert!(note.contains("--demo") && note.contains("ANTHROPIC_API_KEY"), "{note}");
}

#[test]
fn the_clients_base_url_is_never_the_upstream() {
    let env = [("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080"), ("ANTHROPIC_API_KEY", "k")];
    let loaded = load(&no_file(&env).sources).expect("a configuration");
    let base = loaded.config.providers[0].api_base.as_deref();
    assert_eq!(base, Some("https://api.anthropic.com/v1"));
}

#[test]
fn the_callers_login_is_passed_on_from_loopback_only() {
    let faults = load(&no_file(&[("GATEWAY_HOST", "0.0.0.0")]).sources).expect_err("refused");
    let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
    assert!(fault.message().contains("only allowed on a loopback address, not on `0.0.0.0`"));
    assert!(fault.help_lines()[0].contains("ANTHROPIC_API_KEY"));
}

#[test]
fn demo_serves_nothing_else() {
    let yaml = "default_provider: x\nproviders: {x: {kind: azure}}\nroutes: [{pattern: a, provider: x}]\nserver: {port: 1}\n";
    let mut case = case(yaml, &[("GATEWAY_DEFAULT_PROVIDER", "x")]);
    case.sources.overrides.demo = true;
    let loaded = load(&case.sources).expect("the demo");
    assert_eq!(loaded.config.default_provider.as_deref(), Some("demo"));
    assert_eq!(loaded.config.providers[0].kind, Kind::Demo);
    assert!(loaded.config.providers[0].auth.is_ready());
    assert_eq!((loaded.config.providers.len(), loaded.config.routes.len()), (1, 0));
    assert_eq!(loaded.config.server.port, 1, "the rest of the file counts");
    assert!(loaded.notes[1].contains("not used with --demo"));
}

#[test]
fn option_beats_environment_beats_dotenv_beats_file_beats_default() {
    let yaml = "server: {port: 1, host: localhost}\nlog_level: warn\ntimeout: 5\n";
    let env = [
        ("GATEWAY__SERVER__PORT", "2"),
        ("GATEWAY_PORT", "3"),
        ("GATEWAY_TIMEOUT", "7"),
        ("LOG_LEVEL", "trace"),
        ("ANTHROPIC_API_KEY", "k"),
        ("GATEWAY__SERVER__MAX_CONCURRENT_REQUESTS", ""),
    ];
    let mut case = case(yaml, &env);
    let dotenv = "GATEWAY_PORT=9\nGATEWAY_LOG_LEVEL=debug\nANTHROPIC_API_KEY=other\n";
    fs::write(case.dir.path().join(".env"), dotenv).expect("a file");
    case.sources.overrides.set("timeout", "11", "--timeout");
    let loaded = load(&case.sources).expect("a configuration");
    assert_eq!(loaded.config.server.port, 3);
    assert_eq!(loaded.config.log_level, LogLevel::Debug);
    assert_eq!(loaded.config.providers[0].timeouts.first_byte, Duration::from_secs(11));
    assert!(
        matches!(&loaded.config.providers[0].auth, Auth::ApiKey(k) if k.expose_secret() == "k")
    );
    for (key, from) in [
        ("timeout", "option --timeout"),
        ("server.port", "environment, GATEWAY_PORT"),
        ("log_level", ".env, GATEWAY_LOG_LEVEL"),
        ("server.host", "file, line 1"),
        ("server.max_concurrent_requests", "default"),
        ("providers.anthropic.api_key", "environment, ANTHROPIC_API_KEY"),
        ("providers.anthropic.api_base", "default"),
    ] {
        assert_eq!(origin(&loaded, key), from, "{key}");
    }
}

#[test]
fn any_key_can_be_a_variable_with_and_without_a_file() {
    let env = [
        ("GATEWAY__PROVIDERS__X__KIND", "anthropic"),
        ("GATEWAY__PROVIDERS__X__API_BASE", "http://127.0.0.1:9"),
        ("GATEWAY__PROVIDERS__X__AUTH_TYPE", "none"),
        ("GATEWAY__PROVIDERS__X__ENABLED", "true"),
        ("GATEWAY__PROVIDERS__X__HEADERS__X_TEAM", "a"),
        ("GATEWAY__PROVIDERS__X__TIMEOUTS__IDLE", "1.5"),
        ("GATEWAY__SERVER__ALLOWED_HOSTS", "a.lan, b.lan"),
        ("GATEWAY__ROUTES", r#"[{"pattern": "*", "provider": "x"}]"#),
    ];
    let loaded = load(&no_file(&env).sources).expect("a configuration");
    let [x] = loaded.config.providers.as_slice() else { panic!("one provider") };
    assert_eq!((x.name.as_str(), x.api_base.as_deref()), ("x", Some("http://127.0.0.1:9/v1")));
    assert_eq!(x.headers[0].0, "x-team");
    assert_eq!(x.timeouts.idle, Duration::from_millis(1500));
    assert_eq!(loaded.config.server.allowed_hosts, ["a.lan", "b.lan"]);
    assert_eq!(loaded.config.routes.len(), 1);

    let yaml =
        "providers:\n  my-cloud: {kind: anthropic, api_base: 'https://a', auth_type: none}\n";
    let loaded = good(yaml, &[("GATEWAY__PROVIDERS__MY_CLOUD__API_BASE", "https://b/v1")]);
    assert_eq!(loaded.config.providers[0].api_base.as_deref(), Some("https://b/v1"));

    let env = [
        ("GATEWAY__SERVER__PROT", "1"),
        ("GATEWAY__CACHE__STORE", "memory"),
        ("GATEWAY_PORT", "http"),
    ];
    let faults = load(&no_file(&env).sources).expect_err("faults");
    let text = faults.to_string();
    for part in [
        "unknown key `server.prot`",
        "did you mean `port`?",
        "environment variable GATEWAY__SERVER__PROT",
        "`cache` is not in this version yet",
        "`server.port` must be a whole number from 0 to 65535, found `http`",
        "environment variable GATEWAY_PORT",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn every_fault_is_reported_at_once_with_its_place() {
    let yaml = "\
default_provider: antropic
telemetry: {}
serber: {}
server:
  port: 70000
  host: http://x
  max_concurrent_requests: 0
  prot: 1
  port: 2
timeout: 0
providers:
  anthropic:
    auth_type: cleint
    headers: {connection: close}
    timeouts: {idle: -1, first: 2}
    models: {m: {price: {input: 3}, max_tokens: many}}
    api_bse: x
    enabled: yes
routes:
  - {pattern: 'claude-[', provider: anthropic}
  - {pattern: a, provider: anthorpic, fallbacks: [b]}
  - {provider: anthropic}
";
    let found = faults(yaml, KEY);
    let expected = [
        "1:19 `default_provider` names the provider `antropic`, which does not exist",
        "2:1 `telemetry` is not in this version yet",
        "3:1 unknown key `serber`",
        "5:9 `server.port` must be a whole number from 0 to 65535, found 70000",
        "6:9 `server.host` is neither an address nor a host name",
        "7:28 `server.max_concurrent_requests` must be a whole number of at least 1, found 0",
        "8:3 unknown key `server.prot`",
        "9:3 the key `port` is there twice",
        "10:10 `timeout` must be a number of seconds above 0, at most 604800, found 0",
        "13:16 `providers.anthropic.auth_type`: there is no auth_type `cleint`",
        "14:15 the header `connection` is the connection's own",
        "15:22 `providers.anthropic.timeouts.idle` must be a number of seconds above 0, at most 604800, found -1",
        "15:26 unknown key `providers.anthropic.timeouts.first`",
        "16:18 `providers.anthropic.models.m.price` has no `output`",
        "16:49 `providers.anthropic.models.m.max_tokens` must be a whole number of at least 1, found text",
        "17:5 unknown key `providers.anthropic.api_bse`",
        "18:14 `providers.anthropic.enabled` must be true or false, found text",
        "20:15 `claude-[` is no pattern: unclosed character class; missing ']'",
        "21:28 the route `a` (routes[1]) names the provider `anthorpic`, which does not exist",
        "21:51 a fallback of the route `a` (routes[1]) names the provider `b`, which does not exist",
        "22:6 `routes[2]` has no `pattern`",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_fault_says_what_to_do() {
    let yaml = "server: {prot: 1}\nport: 1\ndefault_provider: b\nproviders:\n  anthropic: {enabled: yes}\n  demo: {timeouts: {idle: '5'}}\n";
    let faults = load(&case(yaml, KEY).sources).expect_err("faults");
    let help: Vec<_> = faults.errors.iter().map(|d| d.help_lines().join("; ")).collect();
    assert_eq!(
        help,
        [
            "did you mean `port`?",
            "`port` belongs in `server`",
            "the providers are `anthropic`, `demo`",
            "YAML 1.2 knows only true and false",
            "remove the quotes",
        ]
    );
    let text = faults.render(Colour::Plain);
    assert!(text.contains("gateway.yaml:1:10"), "{text}");
    assert!(text.contains("1 | server: {prot: 1}"), "{text}");
    assert!(text.contains("^^^^ unknown"), "{text}");
    assert!(!text.contains('\u{1b}') && faults.render(Colour::Ansi).contains('\u{1b}'));
    let json = serde_json::to_value(&faults).expect("JSON");
    assert_eq!(json["errors"][0]["line"], 1);
    assert_eq!(json["errors"][0]["column"], 10);
    assert_eq!(json["errors"][0]["severity"], "error");
}

#[test]
fn broken_syntax_points_at_its_place() {
    for (yaml, place, help) in [
        ("server:\n\tport: 1\n", "2:2", "does not allow tabs"),
        ("server:\n  port: 1\n   host: x\n", "3:8", "check the indentation"),
        ("a: {k: ${X}}\n", "1:9", "put quotes around a variable"),
        ("a: 1\n---\nb: 2\n", "3:1", "keep one document"),
        ("a: @x\n", "1:4", "put quotes"),
        ("a: *x\n", "1:4", "text that begins with *"),
        ("a: [1,\n", "1:4", "brackets"),
        ("? [x]\n: 1\n", "1:3", "check"),
        (&bomb(), "6:14", "fewer aliases"),
    ] {
        let faults = load(&case(yaml, &[]).sources).expect_err(yaml);
        let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
        let (line, column) = fault.line_column().expect("a place");
        assert_eq!(format!("{line}:{column}"), place, "{yaml:?}: {fault:?}");
        assert!(fault.help_lines()[0].contains(help), "{yaml:?}: {fault:?}");
    }
    for (yaml, fault) in [
        ("- a\n", "1:1 the configuration must be a map of keys, found a list"),
        ("hello\n", "1:1 the configuration must be a map of keys, found text"),
        ("server: 3\n", "1:9 `server` must be a map of keys, found a number"),
        (
            "server: {port: 80.5}\n",
            "1:16 `server.port` must be a whole number from 0 to 65535, found 80.5",
        ),
        (
            "providers: {anthropic: x}\n",
            "1:13 `providers.anthropic` must be a map of keys, found text",
        ),
        ("providers: x\n", "1:12 `providers` must be a map of keys, found text"),
        ("providers: [{kind: demo}]\n", "1:14 `providers[0]` has no `name`"),
        ("routes: {a: b}\n", "1:1 `routes` must be a list, found a map"),
    ] {
        assert_eq!(faults(yaml, KEY)[0], fault);
    }
}

/// Six lines that would be half a million values.
fn bomb() -> String {
    let line = |(at, name): (usize, char)| {
        let inner = if at == 0 {
            "x".to_owned()
        } else {
            format!("*{}", "abcdef".chars().nth(at - 1).unwrap_or('a'))
        };
        format!("{name}: &{name} [{}]\n", [inner.as_str(); 9].join(","))
    };
    "abcdef".chars().enumerate().map(line).collect()
}

#[test]
fn files_that_are_no_text_are_refused_in_words() {
    let case = case("", &[]);
    let path = case.dir.path().join("gateway.yaml");
    fs::write(&path, b"a: 1\nb: \xff\n").expect("a file");
    let faults = load(&case.sources).expect_err("not UTF-8");
    assert_eq!(brief(&faults.errors[0]), "2:1 the file is not UTF-8 text");
    fs::write(&path, b"\xff\xfea\0:\0").expect("a file");
    assert!(load(&case.sources).is_err());
    fs::write(&path, vec![b'#'; (4 << 20) + 1]).expect("a file");
    let faults = load(&case.sources).expect_err("too large");
    assert!(faults.errors[0].message().contains("at most 4194304 are read"));
}

#[test]
fn files_are_looked_for_in_order_and_named_ones_must_exist() {
    let mut case = no_file(&[("ANTHROPIC_API_KEY", "k")]);
    let dir = case.dir.path().to_owned();
    let xdg = dir.join("xdg");
    case.sources.config_home = Some(xdg.clone());
    let write = |path: std::path::PathBuf, port: u16| {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, format!("{{\"server\": {{\"port\": {port}}}}}")).expect("a file");
    };
    let port = |sources: &Sources| load(sources).expect("a configuration").config.server.port;
    assert_eq!(port(&case.sources), 8080);
    write(dir.join("etc/claude-code-model-gateway/gateway.yaml"), 1);
    assert_eq!(port(&case.sources), 1);
    write(xdg.join("claude-code-model-gateway/gateway.yml"), 2);
    assert_eq!(port(&case.sources), 2);
    write(dir.join("gateway.json"), 3);
    assert_eq!(port(&case.sources), 3);
    write(dir.join("gateway.yaml"), 4);
    assert_eq!(port(&case.sources), 4);
    write(dir.join("other.yaml"), 5);
    case.sources.env.insert("GATEWAY_CONFIG".to_owned(), "other.yaml".to_owned());
    assert_eq!(port(&case.sources), 5);
    case.sources.overrides.config = Some("gateway.json".into());
    assert_eq!(port(&case.sources), 3);
    for missing in ["nope.yaml", "xdg"] {
        case.sources.overrides.config = Some(missing.into());
        let faults = load(&case.sources).expect_err("no file");
        assert_eq!(faults.errors[0].place().as_deref(), Some("option --config"));
        assert!(faults.errors[0].help_lines()[0].contains("config init"));
    }
}

#[test]
fn values_are_expanded_and_never_read_as_yaml_again() {
    let case = case(
        "server: {host: localhost, port: \"${PORT:-9000}\"}\nproviders:\n  anthropic:\n    api_key: ${file:key.txt}\n    display_name: ${NAME}\n",
        &[("NAME", "x: [1]\n# y")],
    );
    fs::write(case.dir.path().join("key.txt"), format!("{PLANTED}\n")).expect("a file");
    let loaded = load(&case.sources).expect("a configuration");
    assert_eq!(loaded.config.server.port, 9000);
    assert_eq!(loaded.config.providers[0].display_name, "x: [1]\n# y");
    assert!(
        matches!(&loaded.config.providers[0].auth, Auth::ApiKey(k) if k.expose_secret() == PLANTED)
    );
    assert!(loaded.warnings.is_empty(), "a reference is not the key itself: {:?}", loaded.warnings);

    let yaml = "providers:\n  anthropic:\n    api_key: ${A}\n    headers: {x: \"b-${B}${C}\"}\n";
    assert_eq!(
        faults(yaml, &[("B", "set")]),
        ["3:14 the variable A is not set", "4:25 the variable C is not set"]
    );
}

#[test]
fn credentials_are_found_where_people_put_them() {
    let auth = |keys: &str, env: &[(&str, &str)]| {
        let yaml = format!("providers:\n  x:\n    kind: anthropic\n{keys}");
        let loaded = good(&yaml, env);
        let p = &loaded.config.providers[0];
        let kind = match &p.auth {
            Auth::ApiKey(k) => format!("key {}", k.expose_secret()),
            Auth::Bearer(k) => format!("bearer {}", k.expose_secret()),
            Auth::Missing { variable } => format!("missing {variable}"),
            other => format!("{other:?}"),
        };
        (kind, p.key_variable.clone())
    };
    let some = |a: &str, b: Option<&str>| (a.to_owned(), b.map(str::to_owned));
    let env = &[("K", "one"), ("ANTHROPIC_API_KEY", "two"), ("ANTHROPIC_AUTH_TOKEN", "three")];
    let own = "    api_base: https://api.anthropic.com\n";
    let other = "    api_base: https://other.example\n";
    assert_eq!(auth(own, env), some("key two", Some("ANTHROPIC_API_KEY")));
    let bearer = format!("{own}    auth_type: bearer_token\n");
    assert_eq!(auth(&bearer, env), some("bearer three", Some("ANTHROPIC_AUTH_TOKEN")));
    let named = format!("{other}    api_key_env_var: K\n");
    assert_eq!(auth(&named, env), some("key one", Some("K")));
    let none = format!("{other}    auth_type: none\n");
    assert_eq!(auth(&none, env), some("None", None));
    // Another host never gets Anthropic's key by default.
    let yaml = format!("providers:\n  x:\n    kind: anthropic\n{other}");
    assert_eq!(faults(&yaml, env), ["2:3 `providers.x` does not say how to authenticate"]);
}

#[test]
fn a_missing_key_is_an_error_only_where_no_provider_has_one() {
    let yaml = "default_provider: a\nproviders:\n  a: {kind: anthropic, api_base: 'https://a', api_key_env_var: A_KEY}\n  b: {kind: anthropic, api_base: 'https://b', api_key_env_var: B_KEY}\n";
    assert_eq!(
        faults(yaml, &[]),
        [
            "3:64 the key of `a` is missing: the variable A_KEY is not set",
            "4:64 the key of `b` is missing: the variable B_KEY is not set"
        ]
    );
    let loaded = good(yaml, &[("B_KEY", "k")]);
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].message().contains("A_KEY"));
    assert!(!loaded.config.providers[0].auth.is_ready());
}

#[test]
fn names_that_lead_nowhere_are_found_before_the_first_request() {
    let providers = "providers:\n  anthropic: {auth_type: client}\n  demo: {enabled: false}\n";
    let with = |rest: &str| faults(&format!("{rest}{providers}"), &[]);
    assert_eq!(
        with("default_provider: demo\n"),
        ["1:19 `default_provider` names `demo`, which is disabled"]
    );
    assert_eq!(
        with("routes: [{pattern: a, provider: demo}]\n"),
        ["1:33 the route `a` (routes[0]) leads to `demo`, which is disabled"]
    );
    assert_eq!(
        faults("providers: {demo: {enabled: false}}\n", &[]),
        ["1:29 no provider is enabled"]
    );
    assert_eq!(
        with("server: {port: 443, host: api.anthropic.com}\n")[0],
        "5:3 the `api_base` of `anthropic` is the gateway itself (port 443)".replace("5:3", "3:3")
    );
    let back = "providers:\n  x: {kind: anthropic, auth_type: none, api_base: 'http://localhost:8080/v1'}\n";
    assert_eq!(faults(back, &[]), ["2:51 the `api_base` of `x` is the gateway itself (port 8080)"]);
    let open = "server: {host: 0.0.0.0}\nproviders: {anthropic: {auth_type: client}}\n";
    assert!(faults(open, &[])[0].starts_with("2:36 `anthropic` passes the caller's own login on"));
}

#[test]
fn a_provider_without_a_usable_kind_says_so() {
    for (yaml, fault) in [
        ("providers: {x: {kind: openai}}", "1:13 `providers.x` has no `api_base`"),
        (
            "providers: {x: {kind: antropic}}",
            "1:23 `providers.x.kind`: there is no kind `antropic`",
        ),
        ("providers: {x: {}}", "1:13 the provider `x` has no `kind`"),
        (
            "providers: {anthropic: {auth_type: aws}}",
            "1:36 `providers.anthropic.auth_type`: kind `anthropic` takes no `aws`",
        ),
        ("providers: {'a b': {kind: demo}}", "1:13 `a b` can't be a provider's name"),
    ] {
        assert_eq!(faults(yaml, KEY)[0], fault, "{yaml}");
    }
}

#[test]
fn lists_by_name_mean_the_same_as_maps() {
    let list = "providers:\n  - name: anthropic\n    models: [a, {name: b, max_tokens: 5}]\n  - {name: demo, kind: demo}\n";
    let loaded = good(list, KEY);
    let names: Vec<_> = loaded.config.providers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["anthropic", "demo"]);
    let models: Vec<_> =
        loaded.config.providers[0].models.iter().map(|m| (m.name.as_str(), m.max_tokens)).collect();
    assert_eq!(models, [("a", None), ("b", Some(5))]);
    let twice = "providers:\n  - name: demo\n  - name: demo\n";
    assert_eq!(faults(twice, KEY), ["3:11 the key `demo` is there twice"]);
}

#[test]
fn the_default_is_implied_only_where_nothing_else_says_what_goes_where() {
    let default = |yaml: &str| {
        let loaded = good(yaml, KEY);
        (loaded.config.default_provider.is_some(), loaded.warnings.len())
    };
    assert_eq!(default("providers: {anthropic: {}}"), (true, 0));
    assert_eq!(default("providers: {anthropic: {}, demo: {enabled: false}}"), (true, 0));
    assert_eq!(default("providers: {anthropic: {}, demo: {}}"), (false, 1));
    assert_eq!(default("providers: {anthropic: {models: [a]}}"), (false, 1));
    assert_eq!(
        default("providers: {anthropic: {}}\nroutes: [{pattern: a, provider: anthropic}]"),
        (false, 1)
    );
}

#[test]
fn a_planted_key_shows_nowhere() {
    let yaml = format!(
        "providers:\n  anthropic:\n    api_key: {PLANTED}\n    headers: {{authorization: Bearer {PLANTED}}}\n    proxy: http://u:{PLANTED}@h:1\n"
    );
    let env = [("GATEWAY_API_KEY", PLANTED), ("ANTHROPIC_AUTH_TOKEN", PLANTED)];
    let mut case = case(&yaml, &env);
    case.sources.overrides.api_key = Some(PLANTED.to_owned().into());
    let loaded = load(&case.sources).expect("a configuration");
    let Auth::ApiKey(key) = &loaded.config.providers[0].auth else { panic!("a key") };
    assert_eq!(key.expose_secret(), PLANTED);
    let shown = [
        format!("{loaded:?}"),
        format!("{:#?}", loaded.config),
        format!("{:?}", case.sources),
        loaded.table(),
        loaded.to_json().to_string(),
        loaded.summary(),
        loaded.warnings.iter().map(|w| w.render(Colour::Ansi)).collect(),
    ];
    for text in &shown {
        assert!(!text.contains("planted"), "{text}");
    }
    assert!(loaded.warnings[0].message().contains("holds the key itself"));

    // Faults on the very lines that hold it, in files that can be read and in files that can't.
    for yaml in [
        format!("providers: {{anthropic: {{api_key: {PLANTED}, zzz: 1}}}}\n"),
        format!("providers:\n  anthropic:\n    api_key: [{PLANTED}]\n"),
        format!("providers:\n  anthropic:\n    api_key_env_var: {PLANTED}\n"),
        "providers: {anthropic: {headers: {x-k: planted, connection: planted}}}\n".to_owned(),
        "providers: {anthropic: {proxy: 'ftp://u:planted@h'}}\n".to_owned(),
        format!("providers: {{anthropic: {{api_base: 'https://u:{PLANTED}@h'}}}}\n"),
        format!("providers:\n  anthropic:\n    api_key: {PLANTED}: x\n"),
        format!("  password: planted-too\n{PLANTED}: ]\n"),
        format!("ANTHROPIC_API_KEY: {PLANTED}\n"),
    ] {
        let faults = load(&self::case(&yaml, &[]).sources).expect_err(&yaml);
        for text in [
            faults.to_string(),
            format!("{faults:?}"),
            serde_json::to_string(&faults).expect("JSON"),
        ] {
            assert!(!text.contains("planted"), "{yaml}\n{text}");
        }
    }
    let env = [("ANTHROPIC_API_KEY", "planted planted"), ("GATEWAY_API_KEY", "pl\nplanted")];
    let faults = load(&no_file(&env).sources).expect_err("no keys");
    assert_eq!(faults.errors.len(), 2);
    assert!(!faults.to_string().contains("planted"));
}

#[test]
fn init_writes_a_valid_file_once() {
    let case = no_file(&[]);
    let path = case.dir.path().join("gateway.yaml");
    init(&path, Existing::Keep).expect("written");
    let loaded = load(&case.sources).expect("a valid file");
    assert_eq!(loaded.config.default_provider.as_deref(), Some("anthropic"));
    assert!(loaded.warnings.is_empty());
    fs::write(&path, "mine").expect("a file");
    assert!(matches!(init(&path, Existing::Keep), Err(InitError::Exists(_))));
    assert_eq!(fs::read_to_string(&path).expect("text"), "mine");
    init(&path, Existing::Replace).expect("replaced");
    assert_eq!(fs::read_to_string(&path).expect("text"), TEMPLATE);
    assert_eq!(
        fs::read_dir(case.dir.path()).expect("a directory").count(),
        1,
        "nothing is left over"
    );
    let commented: String = TEMPLATE
        .lines()
        .map(|l| {
            l.strip_prefix("# ")
                .filter(|l| l.contains(':') && !l.contains("docs/") && !l.contains("wins"))
                .unwrap_or(l)
                .to_owned()
                + "\n"
        })
        .collect();
    let all = good(&commented.replace("auth_type: client", ""), KEY);
    let parts = (all.config.routes.len(), all.config.providers.len());
    assert_eq!(parts, (1, 9), "the commented parts are valid too");
    assert_eq!(all.config.clients.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\] \\n\\t'\"$*&!|>#é-]{0,60}") {
        let _ = load(&case(&text, &[]).sources);
    }

    #[test]
    fn no_value_makes_it_panic(key in prop::sample::select(vec!["timeout", "server", "providers", "routes", "log_level", "resilience", "clients", "limits", "extra", "max_retries"]), value in "\\PC{0,20}") {
        let yaml = format!("{key}: {}\n", serde_json::to_string(&value).expect("a string"));
        if let Err(faults) = load(&case(&yaml, &[]).sources) {
            prop_assert!(!faults.errors.is_empty());
            prop_assert!(faults.errors.iter().all(|d| !d.help_lines().is_empty()));
        }
    }

    #[test]
    fn no_rule_and_no_client_makes_it_panic(
        key in prop::sample::select([ROUTE.known, WHEN.known, SET.known, CLIENT.known].concat()),
        value in "[-a-z0-9\\[\\]{}*:, ]{0,12}",
    ) {
        for yaml in [
            format!("routes: [{{pattern: a, provider: anthropic, {key}: {value}}}]"),
            format!("routes: [{{pattern: a, provider: anthropic, when: {{{key}: {value}}}, set: {{{key}: {value}}}}}]"),
            format!("clients: [{{name: a, {key}: {value}}}]"),
            format!("providers: {{anthropic: {{api_keys: [{value}], limits: {{{key}: {value}}}}}}}"),
        ] {
            if let Err(faults) = load(&case(&yaml, KEY).sources) {
                prop_assert!(faults.errors.iter().all(|d| !d.help_lines().is_empty()));
            }
        }
    }
}
