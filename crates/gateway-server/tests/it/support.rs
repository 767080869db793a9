//! A gateway on a free port, in front of scripted upstreams.

use std::path::Path;

use gateway_config::{Config, Sources, load};
use gateway_server::{CompileError, Gateway, LogFormat, LogSettings, Options, ReloadReport};
use gateway_testkit::{RawClient, Upstream, request};
use tempfile::TempDir;

/// The key planted as the gateway's own credential in every test.
pub(crate) const UPSTREAM_KEY: &str = "sk-ant-planted-upstream-key-0123456789";

pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    dir: TempDir,
}

impl Running {
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.gateway.addr()).await
    }

    /// Gives it another file.
    pub(crate) fn reload(
        &self,
        yaml: &str,
        env: &[(&str, &str)],
    ) -> Result<ReloadReport, CompileError> {
        self.gateway.reload(read(self.dir.path(), yaml, env))
    }

    /// What `/status` says.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let mut client = self.client().await;
        client.send(&request("GET", "/status", &[], b"")).await;
        serde_json::from_slice(&client.reply().await.1.bytes).expect("JSON")
    }

    /// Stops the gateway and returns all that it logged.
    pub(crate) fn stop(self) -> String {
        let Self { gateway, dir } = self;
        gateway.stop_now();
        std::fs::read_to_string(dir.path().join("log")).unwrap_or_default()
    }
}

/// A gateway before one upstream, with the planted key.
pub(crate) fn before(upstream: &Upstream) -> Running {
    with(upstream, "", |_| {})
}

/// The same with more YAML and other options. `%UP%` in the YAML is the upstream's URL.
pub(crate) fn with(upstream: &Upstream, more: &str, change: impl FnOnce(&mut Options)) -> Running {
    let provider = "providers:\n  anthropic:\n    api_base: %UP%\n";
    custom(&format!("{provider}{more}").replace("%UP%", &upstream.url()), &[], change)
}

/// A gateway from a whole file.
pub(crate) fn custom(
    yaml: &str,
    env: &[(&str, &str)],
    change: impl FnOnce(&mut Options),
) -> Running {
    set_up(yaml, env, |_, options| change(options))
}

/// A gateway before one upstream, whose configuration is changed after it was read.
pub(crate) fn tuned(upstream: &Upstream, change: impl FnOnce(&mut Config)) -> Running {
    let yaml = format!("providers:\n  anthropic:\n    api_base: {}\n", upstream.url());
    set_up(&yaml, &[], |config, _| change(config))
}

fn set_up(
    yaml: &str,
    env: &[(&str, &str)],
    change: impl FnOnce(&mut Config, &mut Options),
) -> Running {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = read(dir.path(), yaml, env);
    let mut options = Options {
        workers: Some(1),
        log: LogSettings {
            format: LogFormat::Json,
            level: Some(gateway_config::LogLevel::Trace),
            file: Some(dir.path().join("log")),
        },
        ..Options::default()
    };
    change(&mut config, &mut options);
    let gateway = Gateway::start(config, options).expect("starts");
    Running { gateway, dir }
}

/// For upstreams that only fail: every request asks once, whatever became of the others.
pub(crate) const PATIENT: &str =
    "resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 0}}\n";

/// The configuration of a file, with the planted key.
pub(crate) fn read(dir: &Path, yaml: &str, env: &[(&str, &str)]) -> Config {
    let file = dir.join("gateway.yaml");
    std::fs::write(&file, yaml).expect("written");
    let mut sources = Sources::empty(dir);
    sources.env.insert("ANTHROPIC_API_KEY".into(), UPSTREAM_KEY.into());
    for (name, value) in env {
        sources.env.insert((*name).into(), (*value).into());
    }
    sources.overrides.config = Some(file);
    if !yaml.contains("port:") {
        sources.overrides.set("server.port", "0", "--port");
    }
    if !yaml.contains("resilience:") {
        // Most tests are about one attempt.
        sources.overrides.set("max_retries", "0", "--max-retries");
    }
    load(&sources).unwrap_or_else(|faults| panic!("{faults:?}")).config
}

/// A Messages request.
pub(crate) fn messages(body: &str) -> Vec<u8> {
    request(
        "POST",
        "/v1/messages?beta=true",
        &[("x-api-key", "callers-own-key-123")],
        body.as_bytes(),
    )
}

pub(crate) const UNARY: &str = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;
pub(crate) const STREAM: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[],"stream":true}"#;

/// Open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir(Path::new("/proc/self/fd")).map_or(0, Iterator::count)
}

/// Whether this test has a process of its own. Where it has none it is given one, and has passed when
/// this returns.
pub(crate) fn is_alone(name: &str) -> bool {
    const ALONE: &str = "TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("the test's own file");
    let mut alone = std::process::Command::new(this);
    let alone = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1");
    let output = alone.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    false
}
