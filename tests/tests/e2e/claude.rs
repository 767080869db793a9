//! Claude Code without a person in front of it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{CLIENT_KEY, LONG, clients, path};

/// A home and a project directory of its own; sessions can be continued within.
#[derive(Debug)]
pub(crate) struct Claude {
    home: TempDir,
    project: TempDir,
    base_url: Option<String>,
    env: Vec<(String, String)>,
}

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    /// The lines of `--output-format stream-json`.
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl Claude {
    /// A client of the gateway at `base_url` with the API key [`CLIENT_KEY`].
    pub(crate) fn at(base_url: &str) -> Self {
        let mut claude = Self::bare(base_url);
        claude.set("ANTHROPIC_API_KEY", CLIENT_KEY);
        claude
    }

    /// A client without a credential.
    pub(crate) fn bare(base_url: &str) -> Self {
        let dir = || tempfile::tempdir().expect("a temporary directory");
        let (home, project) = (dir(), dir());
        let mut claude =
            Self { home, project, base_url: Some(base_url.to_owned()), env: Vec::new() };
        // Whatever is not for the gateway ends at a port where nobody listens.
        claude.set("HTTPS_PROXY", "http://127.0.0.1:9");
        claude.set("NO_PROXY", "127.0.0.1,localhost");
        claude.set("DISABLE_AUTOUPDATER", "1");
        claude.set("DISABLE_ERROR_REPORTING", "1");
        claude.set("IS_SANDBOX", "1");
        claude
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.retain(|(set, _)| set != name);
    }

    /// From now on it asks another gateway.
    pub(crate) fn go_to(&mut self, base_url: &str) {
        self.base_url = Some(base_url.to_owned());
    }

    /// From now on only its settings tell the client where to go.
    pub(crate) fn forget_base_url(&mut self) {
        self.base_url = None;
    }

    /// The project directory.
    pub(crate) fn dir(&self) -> &Path {
        self.project.path()
    }

    /// The home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file of the project, if it is there.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir().join(name)).ok()
    }

    /// One headless turn; every tool may run.
    pub(crate) fn ask(&self, prompt: &str, options: &[&str]) -> Run {
        let mut args = vec!["--dangerously-skip-permissions"];
        args.extend(options);
        self.turn(prompt, &args)
    }

    /// One headless turn.
    pub(crate) fn turn(&self, prompt: &str, options: &[&str]) -> Run {
        let mut command = Command::new(program());
        command.args(["-p", prompt, "--output-format", "stream-json", "--verbose"]).args(options);
        self.prepare(&mut command);
        Run::of(&finish(command))
    }

    /// The same as [`ask`](Self::ask), however many clients run already.
    pub(crate) fn ask_beside(&self, prompt: &str, options: &[&str]) -> Run {
        let mut command = Command::new(program());
        command.args(["-p", prompt, "--output-format", "stream-json", "--verbose"]);
        command.arg("--dangerously-skip-permissions").args(options);
        self.prepare(&mut command);
        Run::of(&finish_beside(command))
    }

    /// Begins a headless turn and does not wait for it; nobody reads what it says.
    pub(crate) fn start(&self, prompt: &str) -> Child {
        let mut command = Command::new(program());
        command.args(["-p", prompt]).stdin(Stdio::null()).stdout(Stdio::null());
        self.prepare(&mut command);
        command.stderr(Stdio::null()).spawn().expect("the client runs")
    }

    /// Directory and environment for a command that is, or starts, the client.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.env_clear().env("HOME", self.home.path()).env("PATH", path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(self.base_url.as_ref().map(|url| ("ANTHROPIC_BASE_URL", url)));
        command.current_dir(self.project.path());
    }
}

/// The client's own binary.
pub(crate) fn program() -> std::path::PathBuf {
    clients().join("node_modules/.bin/claude")
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit {:?}, stderr {:?}, events:", self.code, self.stderr)?;
        // The first event is pages of tools and skills.
        for event in self.events.iter().filter(|event| event["subtype"] != "init") {
            writeln!(f, "{event}")?;
        }
        Ok(())
    }
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let events = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), events, stderr }
    }

    /// The last event.
    pub(crate) fn result(&self) -> &Value {
        let result = self.events.iter().rev().find(|event| event["type"] == "result");
        result.unwrap_or_else(|| panic!("the client ended without a result: {self:?}"))
    }

    /// That it went well and said exactly this.
    pub(crate) fn said(&self, text: &str) {
        assert_eq!(self.result()["result"], text, "{self:?}");
        assert_eq!(self.result()["is_error"], false, "{self:?}");
        assert_eq!(self.code, Some(0), "{self:?}");
    }

    /// How often the client reported an event of this type and subtype.
    pub(crate) fn count(&self, kind: &str, subtype: &str) -> usize {
        let same = |event: &&Value| event["type"] == kind && event["subtype"] == subtype;
        self.events.iter().filter(same).count()
    }
}

/// Runs to the end, with few others at a time; kills what takes far too long.
pub(crate) fn finish(command: Command) -> Output {
    let _seat = Seat::take();
    finish_beside(command)
}

/// The same with however many others.
fn finish_beside(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the client runs");
    let id = child.id();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let late = waiting.recv_timeout(LONG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if late {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
        late
    });
    let output = child.wait_with_output().expect("a child can be waited for");
    drop(done);
    let late = guard.join().expect("the guard does not panic");
    assert!(
        !late,
        "the client was still running after {LONG:?}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Each client wants a core for itself and some hundred MB.
struct Seat;

const SEATS: usize = 4;
static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Seat {
    fn take() -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken == SEATS {
            let waited = FREED.wait_timeout(taken, Duration::from_secs(1));
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken += 1;
        Self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
