//! Starts the gateway's binary and tells where everything is.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use gateway_testkit::Upstream;
use tempfile::TempDir;

/// The credential that the gateway has for its provider. It must never come from, or get to, a client.
pub(crate) const PROVIDER_KEY: &str = "provider-key-of-the-gateway";

/// What the clients use against a gateway that asks for nothing.
pub(crate) const CLIENT_KEY: &str = "what-the-client-has";

/// How long any one thing may take, far beyond what it does.
pub(crate) const LONG: Duration = Duration::from_secs(150);

/// A running gateway that logs all it can. Dropping it ends the process and looks through its log: a
/// credential in there fails the test, and a test that failed shows it.
#[derive(Debug)]
pub(crate) struct Gateway {
    url: String,
    child: Child,
    log: Arc<Mutex<String>>,
    lines: Mutex<mpsc::Receiver<String>>,
    readers: Vec<JoinHandle<()>>,
    dir: Arc<TempDir>,
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
        Self::spawn(command, Arc::new(dir))
    }

    /// `gateway --demo`.
    pub(crate) fn demo() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = command(dir.path());
        command.args(["gateway", "--demo", "--port", "0"]);
        Self::spawn(command, Arc::new(dir))
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All it said so far, on both outputs.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its configuration is, its home, too.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until it says a line with this text, after those waited for before.
    pub(crate) fn until_said(&self, text: &str) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let line = lines.recv_timeout(LONG).ok();
            let line = line.unwrap_or_else(|| panic!("the gateway never said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-s", name, &id]).status();
        assert!(told.expect("kill runs").success());
    }

    /// Waits for the end of the process.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("a child can be waited for").code()
    }

    /// A command that runs a gateway in a directory, perhaps one that others use as well.
    pub(crate) fn spawn(mut command: Command, dir: Arc<TempDir>) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway's binary runs");
        let log = Arc::new(Mutex::new(String::new()));
        let (send, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let readers = vec![read_lines(out, &log, send.clone()), read_lines(err, &log, send)];
        let url = loop {
            let line = lines.recv_timeout(Duration::from_secs(30));
            let Ok(line) = line else {
                let said = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
                panic!("the gateway did not say where it listens; it said:\n{said}");
            };
            if let Some(url) = url_in(&line) {
                break url;
            }
        };
        Self { url, child, log, lines: Mutex::new(lines), readers, dir }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let log = self.log();
        if std::thread::panicking() {
            show(&log);
            return;
        }
        for secret in [PROVIDER_KEY, CLIENT_KEY] {
            assert!(!log.contains(secret), "a credential in the log:\n{log}");
        }
    }
}

#[expect(clippy::print_stderr, reason = "what a failed test leaves to the reader")]
fn show(log: &str) {
    eprintln!("the gateway's log:\n{log}");
}

/// A configuration with one provider: `upstream`, `key` (a line of the provider) and `more` (lines
/// at the top level).
pub(crate) fn config(upstream: &Upstream, key: &str, more: &str) -> String {
    provider_config("anthropic", "anthropic", &upstream.url(), key, more)
}

/// The same for a provider of any kind: its name, kind and `api_base`. The scripted `OpenAI` is at
/// [`Server::url`](gateway_testkit::openai::Server::url), to which its kind adds `/v1` or not.
pub(crate) fn provider_config(name: &str, kind: &str, base: &str, key: &str, more: &str) -> String {
    format!(
        "default_provider: {name}\nproviders:\n  {name}:\n    kind: {kind}\n    api_base: {base}\n    {key}\n{more}"
    )
}

/// The gateway's binary with an environment that holds nothing of the machine.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("HOME", home).env("PATH", path()).current_dir(home);
    command.env("GATEWAY_LOG_LEVEL", "trace").stdin(Stdio::null());
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

/// Runs what the test kit lets one await.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

pub(crate) fn path() -> String {
    std::env::var("PATH").expect("a PATH")
}

fn target() -> PathBuf {
    // target/debug/deps/e2e-…
    let me = std::env::current_exe().expect("a test knows its path");
    me.ancestors().nth(3).expect("three levels below the target directory").to_owned()
}

/// Keeps the lines and passes them on. Nobody listening is no reason to stop: the child would block.
fn read_lines(
    pipe: impl Read + Send + 'static,
    log: &Arc<Mutex<String>>,
    to: mpsc::Sender<String>,
) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).extend([line.as_str(), "\n"]);
            let _ = to.send(line);
        }
    })
}

fn url_in(line: &str) -> Option<String> {
    let rest = &line[line.find("http://127.0.0.1:")?..];
    let end = rest[17..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| n + 17);
    Some(rest[..end].to_owned())
}
