//! The gateway's process: its configuration, what the system knows of it, its log.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use crate::wire::{Connection, Exchange, Reply, Stay};

/// What callers show.
pub(crate) const CLIENT_KEY: &str = "soak-client-key-0123456789abcdef";

/// What the client shows that may ask [`GREEDY_RATE`] times a minute, and its SHA-256.
pub(crate) const GREEDY_KEY: &str = "soak-greedy-client-0123456789abcdef";
const GREEDY_HASH: &str = "b87ca729b06ce396ca8a072b17fb816b5979b0adc09cc262428033aed1203257";
pub(crate) const GREEDY_RATE: u64 = 60;

/// A running gateway; ends when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    pub(crate) addr: SocketAddr,
    dir: tempfile::TempDir,
    messages: SocketAddr,
    chat: SocketAddr,
    told: Told,
}

/// How often its configuration was changed under its feet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// To another good one.
    pub(crate) good: u64,
    /// To what is none.
    pub(crate) broken: u64,
    /// A signal, and nothing changed.
    pub(crate) signals: u64,
}

/// What the log says after the end.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Lines of each question, by its mark.
    pub(crate) lines: HashMap<String, u64>,
    /// Times that another configuration was taken, and that the old one was kept.
    pub(crate) reloaded: u64,
    pub(crate) kept: u64,
}

/// What the system knows of the process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Bytes of memory that are resident.
    pub(crate) resident: u64,
    /// Open descriptors.
    pub(crate) descriptors: u64,
}

impl Gateway {
    /// Starts it in front of both upstreams and waits until it answers.
    pub(crate) async fn start(
        binary: &Path,
        messages: SocketAddr,
        chat: SocketAddr,
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = dir.path().join("gateway.yaml");
        fs::write(&file, config(addr, messages, chat, 0))?;
        let output = fs::File::create(dir.path().join("output"))?;
        let mut command = Command::new(binary);
        command.args(["gateway", "--log-format", "json", "--config"]).arg(file);
        command.arg("--log-file").arg(dir.path().join("log"));
        command.env("GATEWAY_API_KEY", CLIENT_KEY);
        command.env("SOAK_KEY_A", "upstream-key-a").env("SOAK_KEY_B", "upstream-key-b");
        command.current_dir(dir.path()).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| binary.display().to_string())?;
        let mut gateway = Self { child, addr, dir, messages, chat, told: Told::default() };
        for _ in 0..400 {
            if gateway.get("/health").await.is_ok_and(|reply| reply.status == 200) {
                return Ok(gateway);
            }
            if gateway.child.try_wait()?.is_some() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let said = fs::read_to_string(gateway.dir.path().join("output"))?;
        bail!("the gateway did not come up: {said}")
    }

    /// What it answers to a question about itself.
    pub(crate) async fn get(&self, path: &str) -> Result<Reply> {
        let connection = Connection::open(self.addr).await?;
        let ask = format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {CLIENT_KEY}\r\nconnection: close\r\n\r\n"
        );
        match connection.exchange(ask.as_bytes(), Stay::ToTheEnd).await {
            Exchange::Reply(reply, _) if reply.whole => Ok(reply),
            other => bail!("GET {path}: {other:?}"),
        }
    }

    /// Requests that are being served, as it says; without this question, which is one.
    pub(crate) async fn in_flight(&self) -> Result<u64> {
        let reply = self.get("/status").await?;
        let status: Value = serde_json::from_slice(&reply.body).context("/status is JSON")?;
        let own = status["requests"]["in_flight"].as_u64();
        own.with_context(|| format!("/status has no requests.in_flight: {status}"))?;
        // Those that clients and limits count, too.
        Ok(sum(&status, &["in_flight", "waiting"]).saturating_sub(1))
    }

    /// How much it holds.
    pub(crate) fn sample(&self) -> Result<Sample> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(proc.join("status")).context("the gateway is gone")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let descriptors = fs::read_dir(proc.join("fd"))?.count() as u64;
        Ok(Sample { resident: kib.context("no VmRSS: the gateway is gone")? * 1024, descriptors })
    }

    /// Asks it to end and waits; its exit code, if it ends within ten seconds.
    pub(crate) async fn stop(&mut self) -> Result<Option<i32>> {
        self.signal(rustix::process::Signal::TERM);
        // A request that is left over would make it drain for `shutdown_grace`, which is thirty seconds.
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(None)
    }

    /// Changes its configuration, or says that it might have: by turns another good file, a signal, a
    /// broken file. Files take each other's place at once, as editors and deployments do it.
    pub(crate) fn disturb(&mut self) -> Result<()> {
        let told = &mut self.told;
        let text = match (told.good + told.broken + told.signals) % 3 {
            0 => {
                told.good += 1;
                config(self.addr, self.messages, self.chat, told.good)
            }
            1 => {
                told.signals += 1;
                self.signal(rustix::process::Signal::HUP);
                return Ok(());
            }
            _ => {
                told.broken += 1;
                "providers: [\n".to_owned()
            }
        };
        let new = self.dir.path().join("new");
        fs::write(&new, text)?;
        fs::rename(new, self.dir.path().join("gateway.yaml"))?;
        Ok(())
    }

    /// How often that was done.
    pub(crate) fn told(&self) -> Told {
        self.told
    }

    /// Its log, after the end.
    pub(crate) fn logged(&self) -> Result<Log> {
        let log = fs::File::open(self.dir.path().join("log")).context("there is no log")?;
        let mut found = Log::default();
        for line in BufReader::new(log).lines() {
            let line = line?;
            let line: Value = serde_json::from_str(&line)
                .with_context(|| format!("a line that is no JSON: {line}"))?;
            if let Some(session) = line["session"].as_str() {
                *found.lines.entry(session.to_owned()).or_default() += 1;
            }
            let note = line["message"].as_str().unwrap_or_default();
            found.kept += u64::from(note == "the old configuration stays");
            let taken = note.starts_with("configuration reloaded: ")
                && !note.ends_with("nothing has changed");
            found.reloaded += u64::from(taken);
        }
        Ok(found)
    }

    /// Keeps its directory for a look, and says where.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All numbers of these names, wherever they stand.
fn sum(value: &Value, names: &[&str]) -> u64 {
    let Value::Object(fields) = value else { return 0 };
    let here = |(name, value): (&String, &Value)| match value.as_u64() {
        Some(number) if names.contains(&name.as_str()) => number,
        _ => sum(value, names),
    };
    fields.iter().map(here).sum()
}

/// Two providers that stand in for each other, one rule that nobody stands in for, and short times, so that
/// minutes see what days would. Each `version` is another configuration, but no other gateway.
fn config(addr: SocketAddr, messages: SocketAddr, chat: SocketAddr, version: u64) -> String {
    let port = addr.port();
    let (queue, delay) = (16 + version % 2, 50 + version % 7);
    format!(
        "default_provider: alpha
server: {{host: 127.0.0.1, port: {port}, max_concurrent_requests: 256}}
providers:
  alpha:
    kind: anthropic
    api_base: \"http://{messages}/v1\"
    api_keys: [{{env: SOAK_KEY_A, weight: 2}}, {{env: SOAK_KEY_B}}]
    timeouts: {{connect: 2, first_byte: 4, idle: 3, unary: 6}}
    limits: {{concurrent: 24, requests_per_minute: 6000, tokens_per_minute: 20000000, queue: {queue}}}
  beta:
    kind: openai
    api_base: \"http://{chat}/v1\"
    api_key: \"${{SOAK_KEY_B}}\"
    extra: {{api: chat}}
    timeouts: {{connect: 2, first_byte: 4, idle: 3, unary: 6}}
    limits: {{concurrent: 24, queue: 16}}
routes:
  - {{pattern: \"claude-sonnet-*\", provider: alpha, fallbacks: [beta/mock-model]}}
  - {{pattern: \"claude-haiku-*\", provider: beta, model: mock-model, fallbacks: [alpha/claude-haiku-4-5]}}
  - {{pattern: \"claude-opus-*\", provider: alpha, fallbacks: []}}
resilience:
  retry: {{max_retries: 2, base_delay: 0.0{delay}, max_delay: 2, jitter: full}}
  retry_budget: {{ratio: 0.2, min_per_second: 10}}
  circuit_breaker: {{failure_threshold: 5, success_threshold: 2, open_seconds: 2, half_open_max: 1}}
  keepalive_ping: 1
  commit_after: 2
clients:
  - {{name: greedy, key_hash: \"sha256:{GREEDY_HASH}\", limits: {{requests_per_minute: {GREEDY_RATE}}}}}
limits: {{concurrent: 200, queue: 50, requests_per_minute: 60000}}
"
    )
}
