//! The binary as a person uses it: scrubbed environment, a directory of its own, every mistake by name.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A home directory in which the binary runs.
struct Home(TempDir);

/// What a run gave.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn with(yaml: &str) -> Self {
        let home = Self::new();
        home.write("gateway.yaml", yaml);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_claude-code-model-gateway"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .envs(env.iter().copied())
            .current_dir(self.0.path())
            .output()
            .expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code().expect("an exit code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Ran {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Failed with this code, and the message has all these parts.
    #[track_caller]
    fn refused(self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is missing in\n{}", self.err);
        }
        assert!(!self.err.contains('\u{1b}'), "colours in a pipe");
        assert!(self.out.is_empty(), "{}", self.out);
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

const SETTINGS: &str = ".claude/settings.json";
const URL: &str = "http://127.0.0.1:8080";

#[test]
fn mistake_bad_yaml() {
    Home::with("server:\n\tport: 1\n")
        .run(&["gateway"])
        .refused(1, &["this is not valid YAML", "gateway.yaml:2:2", "use spaces"]);
}

#[test]
fn mistake_unknown_key() {
    Home::with("server:\n  prot: 1\n").run(&["gateway"]).refused(
        1,
        &["unknown key `server.prot`", "gateway.yaml:2:3", "2 |   prot: 1", "did you mean `port`?"],
    );
}

#[test]
fn mistake_key_of_a_later_version() {
    Home::with("log_level: info\ntelemetry: {}\n").run(&["gateway"]).refused(
        1,
        &["`telemetry` is not in this version yet", "gateway.yaml:2:1", "remove `telemetry`"],
    );
}

#[test]
fn mistake_key_of_another_kinds_compat() {
    let yaml = "providers:\n  openai:\n    compat:\n      thinking: strip\n";
    Home::with(yaml).run_with(&["gateway"], &[("OPENAI_API_KEY", "k")]).refused(
        1,
        &[
            "`providers.openai.compat.thinking` has no meaning for kind `openai`",
            "gateway.yaml:4:7",
            "remove it: it is about kinds `anthropic`, `vertex`, `bedrock`",
        ],
    );
}

#[test]
fn a_key_of_openrouter_where_openais_belongs_means_openrouter() {
    let env = [("OPENAI_API_KEY", "sk-or-v1-0123456789"), ("PREFERRED_PROVIDER", "openai")];
    let shown = Home::new().run_with(&["config", "show"], &env).ok();
    assert!(!shown.contains("0123456789"), "{shown}");
    assert!(shown.contains("https://openrouter.ai/api/v1"), "{shown}");
    assert!(!shown.contains("providers.openai."), "{shown}");
}

#[test]
fn mistake_a_cloud_without_its_region() {
    let env = [
        ("PREFERRED_PROVIDER", "bedrock"),
        ("AWS_ACCESS_KEY_ID", "i"),
        ("AWS_SECRET_ACCESS_KEY", "0123456789"),
    ];
    let ran = Home::new().run_with(&["gateway"], &env);
    assert!(!ran.err.contains("0123456789"), "{ran:?}");
    ran.refused(1, &["`providers.bedrock` has no AWS region", "set AWS_REGION", ".aws/config"]);
}

#[test]
fn variables_alone_choose_the_mapping() {
    let home = Home::new();
    let resolve = |model: &str, env: &[(&str, &str)]| {
        let arguments = ["route", "resolve", "--format", "json", "--model", model];
        let found = json(&home.run_with(&arguments, env).ok());
        format!("{}/{}", found["provider"], found["upstream_model"]).replace('"', "")
    };
    let own = [("OPENAI_API_KEY", "k"), ("BIG_MODEL", "openai/gpt-6-sol")];
    assert_eq!(resolve("claude-opus-5-5[1m]", &own), "openai/gpt-6-sol");
    assert_eq!(resolve("claude-haiku-4-5-20251001", &own), "openai/gpt-5.4-mini");

    let private = [
        ("ANTHROPIC_API_KEY", "a"),
        ("OPENAI_API_KEY", "k"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9"),
        ("SMALL_MODEL", "tiny"),
    ];
    assert_eq!(resolve("claude-opus-5-5", &private), "openai/claude-opus-5-5");
    assert_eq!(resolve("claude-haiku-4-5", &private), "openai/tiny");
    let shown = home.run_with(&["config", "show"], &private).ok();
    assert!(shown.contains("providers.openai.private"), "{shown}");
    assert!(!shown.contains("providers.anthropic"), "{shown}");
    let pick =
        ["route", "resolve", "--model", "claude-opus-5-5", "-H", "x-gateway-provider: cloud"];
    let file = "default_provider: lab\nproviders:\n  lab: {kind: openai, api_base: 'http://127.0.0.1:9', private: true}\n  cloud: {kind: anthropic, api_base: 'https://cloud.example', auth_type: none}\n";
    Home::with(file).run(&pick).refused(1, &["`lab`, which is private", "`cloud` instead"]);
}

#[test]
fn mistake_missing_variable() {
    let home = Home::with("providers:\n  anthropic:\n    api_key: ${MY_KEY}\n");
    home.run(&["gateway"]).refused(
        1,
        &[
            "the variable MY_KEY is not set",
            "gateway.yaml:3:14",
            "set MY_KEY, or write ${MY_KEY:-default}",
        ],
    );
    let home = Home::with("providers:\n  anthropic:\n    api_key_env_var: MY_KEY\n");
    home.run(&["gateway"]).refused(
        1,
        &[
            "the key of `anthropic` is missing",
            "gateway.yaml:3:22",
            "set MY_KEY in the environment or in .env",
        ],
    );
    home.write(".env", "MY_KEY=k\n");
    home.run(&["config", "validate"]).ok();
}

#[test]
fn mistake_unknown_provider() {
    let home =
        Home::with("default_provider: antropic\nproviders:\n  anthropic: {auth_type: client}\n");
    home.run(&["gateway"]).refused(
        1,
        &[
            "names the provider `antropic`, which does not exist",
            "gateway.yaml:1:19",
            "did you mean `anthropic`?",
        ],
    );
}

#[test]
fn mistake_route_to_nowhere() {
    let home = Home::with(
        "providers:\n  anthropic: {auth_type: client}\n  demo: {enabled: false}\nroutes:\n  - {pattern: a, provider: other}\n  - {pattern: b, provider: demo}\n",
    );
    home.run(&["gateway"]).refused(
        1,
        &[
            "the route `a` (routes[0]) names the provider `other`, which does not exist",
            "gateway.yaml:5:28",
            "the providers are `anthropic`, `demo`",
            "the route `b` (routes[1]) leads to `demo`, which is disabled",
            "gateway.yaml:6:28",
            "enable `demo`",
        ],
    );
}

#[test]
fn mistake_base_url_that_is_the_gateway_itself() {
    let home = Home::with(
        "providers:\n  anthropic:\n    auth_type: client\n    api_base: http://localhost:9000\n",
    );
    home.run(&["gateway", "--port", "9000"]).refused(
        1,
        &[
            "the `api_base` of `anthropic` is the gateway itself (port 9000)",
            "gateway.yaml:4:15",
            "write the vendor's URL",
        ],
    );
}

#[test]
fn mistake_missing_file() {
    for (arguments, env, place) in [
        (&["gateway", "-c", "nope.yaml"][..], &[][..], "option --config"),
        (&["--config-file=nope.yaml", "gateway"], &[], "option --config"),
        (&["gateway"], &[("GATEWAY_CONFIG", "nope.yaml")], "environment variable GATEWAY_CONFIG"),
    ] {
        Home::new()
            .run_with(arguments, env)
            .refused(1, &["nope.yaml does not exist", place, "config init"]);
    }
}

#[test]
fn mistakes_with_conform() {
    let home = Home::new();
    home.run(&["conform"]).refused(2, &["<URL>"]);
    home.run(&["conform", "127.0.0.1:8080"]).refused(2, &["is no URL", "http://127.0.0.1:8080"]);
    home.run(&["conform", URL, "--only", "nope.*"])
        .refused(2, &["no case is called nope.*", "--list"]);
    home.run(&["conform", URL, "--only", "search.web"]).refused(2, &["--expensive"]);
    home.run(&["conform", URL, "-H", "x"]).refused(2, &["name: value"]);
    home.run(&["conform", URL, "--auth", "basic"]).refused(2, &["basic", "bearer"]);
    let nobody = "http://127.0.0.1:9";
    home.run(&["conform", nobody])
        .refused(1, &["http://127.0.0.1:9 does not answer: connection refused", "cost money"]);
    let told = json(&home.run(&["conform", nobody, "--format", "json", "-q"]).out);
    assert_eq!((&told["ok"], &told["endpoint"]), (&false.into(), &nobody.into()));
    assert!(told["error"].as_str().expect("a text").contains("connection refused"), "{told}");
}

#[test]
fn conform_names_its_cases() {
    let home = Home::new();
    let text = home.run(&["conform", "--list"]).ok();
    assert!(text.contains("stream.order") && text.contains("[--expensive]"), "{text}");
    let listed =
        json(&home.run(&["conform", "--list", "--only", "stream.*", "--format", "json"]).ok());
    let cases = listed["cases"].as_array().expect("a list");
    assert!(
        cases.len() > 10
            && cases.iter().all(|c| c["id"].as_str().expect("a name").starts_with("stream.")),
        "{listed}"
    );
    assert!(listed["billable"].as_u64().expect("a number") < cases.len() as u64, "{listed}");
}

#[test]
fn mistake_wrong_option_value() {
    let home = Home::new();
    home.run(&["gateway", "--port", "70000"]).refused(2, &["invalid value '70000'"]);
    home.run(&["gateway", "--prot", "1"]).refused(2, &["a similar argument exists: '--port'"]);
    home.run(&["gateway", "--max-retries", "101"])
        .refused(1, &["`resilience.retry.max_retries` must be", "option --max-retries"]);
    home.run(&["gateway", "--retry-delay", "31"])
        .refused(1, &["`resilience.retry.base_delay` (31) is above", "option --retry-delay"]);
    home.run(&["gateway", "--timeout", "0"]).refused(1, &["`timeout` must be", "option --timeout"]);
    home.run(&["gateway", "--log-level", "loud"])
        .refused(1, &["there is no log_level `loud`", "option --log-level"]);
    let env = [("GATEWAY_PORT", "http")];
    home.run_with(&["gateway"], &env)
        .refused(1, &["found `http`", "environment variable GATEWAY_PORT"]);
}

#[test]
fn verbs_of_a_later_version_say_so_and_typing_errors_get_a_hint() {
    let home = Home::new();
    for (arguments, name) in [
        (&["cache", "stats"][..], "`cache stats`"),
        (&["-v", "provider", "list"], "`provider list`"),
        (&["config", "set", "a", "b"], "`config set`"),
        (&["route", "add", "x"], "`route add`"),
        (&["completions", "bash"], "`completions`"),
        (&["gateway", "--cache-ttl", "2"], "`--cache-ttl`"),
        (&["gateway", "--cache-ttl=2"], "`--cache-ttl`"),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.err, format!("error: {name} is not in this version yet\n"));
        ran.refused(2, &[]);
    }
    home.run(&["confg"]).refused(2, &["'config'"]);
    home.run(&["config", "shwo"]).refused(2, &["a similar subcommand exists: 'show'"]);
    home.run(&["zzz"]).refused(2, &["unrecognized subcommand 'zzz'"]);
    home.run(&["run"]).refused(2, &["<CMD>"]);
}

#[test]
fn version_and_help_need_nothing() {
    let home = Home::with("broken: [");
    assert!(home.run(&["version"]).ok().starts_with("claude-code-model-gateway "));
    assert!(home.run(&["--version"]).ok().starts_with("claude-code-model-gateway "));
    let version = json(&home.run(&["version", "--format", "json"]).ok());
    assert_eq!(version["name"], "claude-code-model-gateway");
    let env = [("ANTHROPIC_API_KEY", "sk-ant-planted"), ("GATEWAY_LOG_FILE", "/tmp/x")];
    let help = home.run_with(&["gateway", "--help"], &env).ok();
    assert!(help.contains("gateway --demo") && !help.contains("planted"), "{help}");
}

#[test]
fn init_writes_a_file_that_validates_and_never_replaces_one_unasked() {
    let home = Home::new();
    let out = home.run(&["config", "init"]).ok();
    assert_eq!(out, "wrote gateway.yaml\nnext: claude-code-model-gateway gateway\n");
    let out = home.run(&["config", "validate"]).ok();
    assert!(
        out.starts_with("ok: ")
            && out
                .contains("provider anthropic (anthropic, https://api.anthropic.com/v1, default)")
    );
    home.run(&["config", "init"]).refused(1, &["gateway.yaml is there already", "--force"]);
    home.run(&["config", "init", "--force"]).ok();
    let out = home.run(&["config", "init", "other.yaml"]).ok();
    assert!(out.contains("gateway --config other.yaml"));
    home.run(&["config", "init", "no/such/dir/gateway.yaml"]).refused(1, &["can't be written"]);
}

#[test]
fn validate_reports_all_faults_as_json_too() {
    let home = Home::with("a: 1\nb: 2\n");
    let ran = home.run(&["config", "validate", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let report = json(&ran.out);
    assert_eq!(report["ok"], false);
    assert_eq!(
        (&report["errors"][0]["line"], &report["errors"][1]["line"]),
        (&1.into(), &2.into())
    );
    let home = Home::with("providers: {anthropic: {api_key: sk-ant-planted}}\n");
    let ran = home.run(&["config", "validate", "--format", "json"]);
    let report = json(&ran.out);
    assert_eq!((ran.code, &report["ok"]), (0, &true.into()));
    assert_eq!(report["warnings"][0]["column"], 34);
    assert!(!ran.out.contains("planted") && !ran.err.contains("planted"));
}

#[test]
fn show_names_the_origin_of_every_value_and_hides_secrets() {
    let home = Home::with("server: {port: 9000}\nproviders:\n  anthropic: {api_key: \"${K}\"}\n");
    home.write(".env", "K=sk-ant-planted\nGATEWAY_HOST=localhost\n");
    let env = [("GATEWAY_TIMEOUT", "7"), ("GATEWAY_API_KEY", "client-planted")];
    let ran = home.run_with(&["config", "show", "-v"], &env);
    for part in [
        "9000",
        "file, line 1",
        "localhost",
        ".env, GATEWAY_HOST",
        "environment, GATEWAY_TIMEOUT",
        "option -v",
        "(hidden)",
    ] {
        assert!(ran.out.contains(part), "{part} is missing in\n{}", ran.out);
    }
    assert!(!ran.out.contains("planted") && !ran.err.contains("planted"));
    let shown = json(&home.run_with(&["config", "show", "--format", "json"], &env).ok());
    let port =
        shown["values"].as_array().expect("a list").iter().find(|v| v["key"] == "server.port");
    let expected = serde_json::json!({"key": "server.port", "value": 9000, "origin": {"from": "file", "line": 1}});
    assert_eq!(port, Some(&expected));
}

#[test]
fn resolve_explains_the_way_and_what_was_passed_over() {
    let home = Home::with(
        "default_provider: anthropic
providers:
  anthropic: {auth_type: client}
  backup: {kind: anthropic, api_base: 'https://b.example', auth_type: none, model_map: {'*-5': small}}
routes:
  - {pattern: 'claude-haiku-*', provider: backup, name: cheap}
  - {pattern: 'claude-*', provider: anthropic, enabled: false}
",
    );
    let out = home.run(&["route", "resolve", "--model", "claude-haiku-4-5[1m]"]).ok();
    for line in [
        "provider  backup",
        "upstream  small",
        "because   rule 1 matches: `cheap`, pattern `claude-haiku-*`",
        "not       rule 2 `claude-*` -> anthropic: the rule is disabled",
    ] {
        assert!(out.lines().any(|l| l == line), "{line:?} is missing in\n{out}");
    }
    home.write("body.json", r#"{"model": "claude-opus-4-6", "messages": []}"#);
    let out = home
        .run(&[
            "route",
            "resolve",
            "--body",
            "body.json",
            "-H",
            "X-Gateway-Provider: backup",
            "--format",
            "json",
        ])
        .ok();
    let plan = json(&out);
    assert_eq!(plan["provider"], "backup");
    assert_eq!(plan["winner"]["by"], "header");
    home.run(&["route", "resolve", "--model", "x", "-H", "x-gateway-provider: zzz"])
        .refused(1, &["there is no provider `zzz`"]);
    home.run(&["route", "resolve", "--model", "x", "-H", "bad"]).refused(2, &["name: value"]);
    home.run(&["route", "resolve", "--model", "x", "--path", "/v1/files"])
        .refused(1, &["/v1/files is not routed by model"]);
    home.write("body.json", "{}");
    home.run(&["route", "resolve", "--body", "body.json"])
        .refused(1, &["body.json is no request with a `model`"]);
    home.run(&["route", "resolve"]).refused(2, &["--model"]);

    let home = Home::with("providers: {anthropic: {auth_type: client, models: [a]}}\n");
    let ran = home.run(&["-q", "route", "resolve", "--model", "b"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("not       models of `anthropic`: does not list it"), "{ran:?}");
    assert!(ran.out.contains("not       default_provider: is not set"), "{ran:?}");
    assert!(ran.err.contains("no provider serves the model `b`"), "{ran:?}");
}

#[test]
fn resolve_shows_the_chain_who_shares_and_what_conditions_see() {
    let home = Home::with(
        "default_provider: main
providers:
  main: {kind: anthropic, api_base: 'https://m.example', auth_type: none}
  backup: {kind: anthropic, api_base: 'https://b.example', auth_type: none, model_map: {'*-5': small}}
  keyless: {kind: openai, api_base: 'https://k.example/v1', api_key_env_var: NOT_SET}
  lab: {kind: anthropic, api_base: 'https://l.example', auth_type: none, private: true}
clients:
  - {name: ci, key_hash: 'sha256:0000000000000000000000000000000000000000000000000000000000000000', pick_provider: false}
routes:
  - {pattern: 'claude-*', provider: keyless, model: big, when: {has_images: true, client: [ci]}, priority: 5}
  - {pattern: '*', rule_type: header_match, header_name: X-Env, header_value: 'test*', provider: lab, priority: 4}
  - {pattern: 'claude-haiku-*', provider: backup, name: cheap, weight: 3, fallbacks: [main], mirror: {to: main/copy, percent: 10}}
  - {pattern: 'claude-haiku-*', provider: keyless, model: gpt-5-mini}
  - {pattern: 'claude-*', provider: main, priority: -1}
",
    );
    let resolve = |arguments: &[&str]| home.run(&[&["-q", "route", "resolve"], arguments].concat());
    let lines = |out: &str, lines: &[&str]| {
        for line in lines {
            assert!(out.lines().any(|found| found == *line), "{line:?} is missing in\n{out}");
        }
    };
    // One of those that share has no credential: it is as if it was down.
    lines(
        &resolve(&["--model", "claude-haiku-4-5"]).ok(),
        &[
            "facts     no --body: conditions see a request that is empty",
            "because   rule 3 matches: `cheap`, pattern `claude-haiku-*`",
            "shared    by weight: backup small 75.0 %, keyless gpt-5-mini 25.0 %",
            "sticky    a session stays with the provider that answered it, while that is up",
            "chain      1  backup   small             rule 3 names it",
            "           2  main     claude-haiku-4-5  fallback of rule 3",
            "           3  keyless  gpt-5-mini        rule 4 shares the requests; its credential is missing",
            "mirror    main copy, 10 % of the requests; its answers are thrown away",
            "not       rule 2 `x-env: test*` -> lab: the request has no header `x-env`",
        ],
    );
    home.write(
        "body.json",
        r#"{"model": "claude-opus-5", "thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}]}]}"#,
    );
    let told = resolve(&["--body", "body.json", "--client", "ci", "--format", "json"]).ok();
    let told = json(&told);
    assert_eq!(told["winner"], serde_json::json!({"by": "rule", "index": 0}));
    assert_eq!(told["facts"]["has_images"], true);
    assert_eq!(told["facts"]["thinking"], true);
    assert!(told["facts"]["input_tokens"].as_u64() > Some(0));
    let chain: Vec<_> = told["chain"].as_array().expect("a chain").iter().collect();
    assert_eq!(
        *chain[1],
        serde_json::json!({"provider": "main", "upstream_model": "claude-opus-5", "rule": 4,
            "reason": "later", "why": "rule 5 matches, too"})
    );
    // Nothing comes after what is private.
    let out = resolve(&["--model", "claude-haiku-4-5", "-H", "x-env: testing"]).ok();
    lines(&out, &["because   rule 2 matches: header `x-env: test*`"]);
    assert!(out.contains("an earlier rule decided; `lab` is private, nobody is asked after it"));
    let once = ["--model", "claude-haiku-4-5", "--session", "s"];
    assert_eq!(resolve(&once).ok(), resolve(&once).ok());
    let pick = ["--model", "m", "--client", "ci", "-H", "x-gateway-provider: main"];
    resolve(&pick).refused(1, &["the client `ci` may not pick a provider"]);
    resolve(&["--model", "m", "--client", "x"])
        .refused(1, &["there is no client `x`; there are `ci`"]);
}

#[test]
fn connect_and_disconnect_leave_the_very_bytes_behind() {
    for before in [
        "{}",
        "{\n\t\"model\": \"opus\",\n\t\"env\": {\"A\": \"1\"}\n}",
        "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://mine\"}}\n\n",
    ] {
        let home = Home::new();
        home.write(SETTINGS, before);
        let out = home.run(&["connect", "claude"]).ok();
        assert!(
            out.contains("ANTHROPIC_BASE_URL set") && out.contains("disconnect claude"),
            "{out}"
        );
        let after = home.read(SETTINGS);
        assert_eq!(json(&after)["env"]["ANTHROPIC_BASE_URL"], URL);
        assert!(home.run(&["connect", "claude"]).ok().contains("nothing changed"));
        assert_eq!(home.read(SETTINGS), after);
        // Another port, then back: still the first state is what comes back.
        home.run_with(&["connect", "claude"], &[("GATEWAY_PORT", "9999")]).ok();
        assert_eq!(
            json(&home.read(SETTINGS))["env"]["ANTHROPIC_BASE_URL"],
            "http://127.0.0.1:9999"
        );
        assert!(home.run(&["disconnect", "claude"]).ok().contains("restored exactly"));
        assert_eq!(home.read(SETTINGS), before);
        assert!(home.run(&["disconnect", "claude"]).ok().contains("nothing changed"));
    }
}

#[test]
fn connect_without_settings_makes_them_and_disconnect_takes_them_away() {
    let home = Home::new();
    let env = [("GATEWAY_API_KEY", "client-key"), ("CLAUDE_CONFIG_DIR", "conf")];
    let out = home.run_with(&["connect", "claude", "--url", "http://gw.lan:8080/v1/"], &env).ok();
    assert!(!out.contains("client-key"), "{out}");
    let settings = json(&home.read("conf/settings.json"));
    assert_eq!(settings["env"]["ANTHROPIC_BASE_URL"], "http://gw.lan:8080");
    assert_eq!(settings["env"]["ANTHROPIC_AUTH_TOKEN"], "client-key");
    #[cfg(unix)]
    for file in ["conf/settings.json", ".local/state/claude-code-model-gateway/connect-claude.json"]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.path(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file} may hold a key");
    }
    home.run_with(&["disconnect", "claude"], &env).ok();
    assert!(!home.path("conf/settings.json").exists());
}

#[test]
fn connect_writes_the_key_that_the_gateway_made() {
    let home = Home::with("providers: {demo: {}}\nserver: {host: 0.0.0.0}\n");
    home.run(&["key", "show"]).refused(1, &["no key was made yet"]);
    home.write(".local/state/claude-code-model-gateway/client-key", "gw-made\n");
    assert_eq!(home.run(&["key", "show"]).ok(), "gw-made\n");
    home.run(&["connect", "claude"]).ok();
    let settings = json(&home.read(SETTINGS));
    assert_eq!(settings["env"]["ANTHROPIC_BASE_URL"], URL);
    assert_eq!(settings["env"]["ANTHROPIC_AUTH_TOKEN"], "gw-made");
}

#[cfg(unix)]
#[test]
fn variables_that_are_no_text_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    for arguments in [&["config", "show"][..], &["key", "show"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_claude-code-model-gateway"))
            .args(arguments)
            .env_clear()
            .env("HOME", home.0.path())
            .env("ODD", std::ffi::OsStr::from_bytes(b"\xff"))
            .current_dir(home.0.path())
            .output()
            .expect("the binary runs");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }
}

#[test]
fn disconnect_keeps_what_was_edited_meanwhile() {
    let home = Home::new();
    home.write(SETTINGS, "{\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://mine\"\n  }\n}\n");
    home.run_with(&["connect", "claude"], &[("GATEWAY_API_KEY", "k")]).ok();
    let edited = home.read(SETTINGS).replacen('{', "{\n  \"model\": \"opus\",", 1);
    home.write(SETTINGS, &edited);
    assert!(home.run(&["disconnect", "claude"]).ok().contains("your other edits stay"));
    assert_eq!(
        home.read(SETTINGS),
        "{\n  \"model\": \"opus\",\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://mine\"\n  }\n}\n"
    );

    home.write(SETTINGS, "{}");
    home.run(&["connect", "claude"]).ok();
    home.write(SETTINGS, "{\"env\": {\"ANTHROPIC_BASE_URL\": \"https://other\"}}");
    let out = home.run(&["disconnect", "claude"]).ok();
    assert!(out.contains("but for ANTHROPIC_BASE_URL: changed since"), "{out}");
    assert_eq!(home.read(SETTINGS), "{\"env\": {\"ANTHROPIC_BASE_URL\": \"https://other\"}}");
}

#[test]
fn settings_that_can_not_be_edited_stay_as_they_are() {
    let home = Home::new();
    for (text, why) in [
        ("{broken", "can't be edited; correct it first"),
        ("[]", "no JSON object"),
        ("{\"env\": 3}", "`env` in it is no object"),
    ] {
        home.write(SETTINGS, text);
        home.run(&["connect", "claude"]).refused(1, &[why]);
        assert_eq!(home.read(SETTINGS), text);
    }
    home.run(&["connect", "claude", "--url", "gw.lan"]).refused(1, &["http://127.0.0.1:8080"]);
    home.run_with(&["connect", "claude"], &[("GATEWAY_PORT", "0")]).refused(1, &["give --url"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_settings_stays_a_link() {
    let home = Home::new();
    home.write("dotfiles/settings.json", "{}");
    fs::create_dir(home.path(".claude")).expect("a directory");
    std::os::unix::fs::symlink(home.path("dotfiles/settings.json"), home.path(SETTINGS))
        .expect("a link");
    home.run(&["connect", "claude"]).ok();
    assert!(home.path(SETTINGS).is_symlink());
    assert_eq!(json(&home.read("dotfiles/settings.json"))["env"]["ANTHROPIC_BASE_URL"], URL);
    home.run(&["disconnect", "claude"]).ok();
    assert_eq!(home.read("dotfiles/settings.json"), "{}");
}

/// A client that does not know the routed model's window compacts by the one the gateway knows.
#[test]
fn run_sets_the_compaction_window_of_a_foreign_model() {
    let home = Home::with(
        "default_provider: own\nproviders:\n  own:\n    kind: openai\n    api_base: http://127.0.0.1:9/v1\n    \
         default_model: local-7b\n    models: {local-7b: {context_window: 32768}}\n",
    );
    let shown =
        ["-q", "run", "--", "sh", "-c", "echo \"[$CLAUDE_CODE_AUTO_COMPACT_WINDOW]\"", "claude"];
    assert_eq!(home.run(&shown).out.trim(), "[32768]");
    let other = [&shown[..], &["--model", "nobody-knows"]].concat();
    assert_eq!(home.run(&other).out.trim(), "[]");
}
