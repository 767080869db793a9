//! Starts the gateway's binary and tells where everything is.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use gateway_testkit::Upstream;
use tempfile::TempDir;

/// The credential that the gateway has for its provider. It must never come from, or get to, a client.
pub(crate) const PROVIDER_KEY: &str = "provider-key-of-the-gateway";

/// What the clients use against a gateway that asks for nothing.
pub(crate) const CLIENT_KEY: &str = "what-the-client-has";

/// How long any one thing may take, far beyond what it does.
pub(crate) const LONG: Duration = Duration::from_secs(150);

/// A running gateway; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Gateway {
    url: String,
    child: Child,
    _dir: TempDir,
}

impl Gateway {
    /// With one provider `anthropic` at `upstream` and its key in the environment.
    pub(crate) fn to(upstream: &Upstream) -> Self {
        Self::with(&config(upstream, "api_key_env_var: ANTHROPIC_API_KEY", ""), &[])
    }

    /// With this configuration file and these more options or `NAME=value` variables.
    pub(crate) fn with(config: &str, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("gateway.yaml");
        std::fs::write(&file, config).expect("a writable temporary directory");
        let file = file.to_str().expect("a UTF-8 path").to_owned();
        let (variables, options): (Vec<&str>, Vec<&str>) =
            args.iter().partition(|arg| !arg.starts_with('-') && arg.contains('='));
        let mut command = command(dir.path());
        command.args(["gateway", "--config", &file, "--port", "0"]).args(options);
        command.env("ANTHROPIC_API_KEY", PROVIDER_KEY);
        command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
        Self::spawn(command, dir)
    }

    /// `gateway --demo`.
    pub(crate) fn demo() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = command(dir.path());
        command.args(["gateway", "--demo", "--port", "0"]);
        Self::spawn(command, dir)
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn spawn(mut command: Command, dir: TempDir) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the gateway's binary runs");
        let (send, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        read_lines(out.expect("piped"), send.clone());
        read_lines(err.expect("piped"), send);
        let mut said = String::new();
        let url = loop {
            let line = lines.recv_timeout(Duration::from_secs(30));
            let Ok(line) = line else {
                panic!("the gateway did not say where it listens; it said:\n{said}");
            };
            if let Some(url) = url_in(&line) {
                break url;
            }
            said.extend([&line, "\n"]);
        };
        Self { url, child, _dir: dir }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with one provider: `upstream`, `key` (a line of the provider) and `more` (lines
/// at the top level).
pub(crate) fn config(upstream: &Upstream, key: &str, more: &str) -> String {
    let url = upstream.url();
    format!(
        "default_provider: anthropic\nproviders:\n  anthropic:\n    kind: anthropic\n    api_base: {url}\n    {key}\n{more}"
    )
}

/// The gateway's binary with an environment that holds nothing of the machine.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("HOME", home).env("PATH", path()).current_dir(home);
    command
}

/// The binary that `cargo xtask test` built, or the one beside this test.
pub(crate) fn binary() -> PathBuf {
    let path = std::env::var_os("GATEWAY_BIN")
        .map_or_else(|| target().join("debug/claude-code-model-gateway"), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `cargo xtask test`", path.display());
    path
}

/// Where `cargo xtask test` installs the clients.
pub(crate) fn clients() -> PathBuf {
    let dir = std::env::var_os("GATEWAY_TEST_CLIENTS")
        .map_or_else(|| target().join("client"), PathBuf::from);
    assert!(
        dir.join("installed").exists(),
        "no clients in {}: run `cargo xtask test`, which installs them",
        dir.display()
    );
    dir
}

/// The directory of the clients' scripts in the repository.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("client")
}

pub(crate) fn path() -> String {
    std::env::var("PATH").expect("a PATH")
}

fn target() -> PathBuf {
    // target/debug/deps/e2e-…
    let me = std::env::current_exe().expect("a test knows its path");
    me.ancestors().nth(3).expect("three levels below the target directory").to_owned()
}

/// Passes lines on; nobody listening is no reason to stop reading, or the child would block.
fn read_lines(pipe: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
}

fn url_in(line: &str) -> Option<String> {
    let rest = &line[line.find("http://127.0.0.1:")?..];
    let end = rest[17..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| n + 17);
    Some(rest[..end].to_owned())
}
