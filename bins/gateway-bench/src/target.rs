//! The proxies that are measured: how each is started, on the proxy's core, and asked if it is up.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::dialect::Dialect;
use crate::machine::{self, Cores};
use crate::workload::{RENAMED_FROM, RENAMED_TO};
use crate::{chat, clock};

/// The key that callers show; only the gateway asks for it.
pub(crate) const CLIENT_KEY: &str = "bench-client-key-0123456789abcdef";

/// The key that upstreams are shown.
pub(crate) const UPSTREAM_KEY: &str = "bench-upstream-key";

/// A kind of proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// None: callers ask the upstream.
    Direct,
    Nginx(PathBuf),
    Floor,
    FloorSplice,
    FloorChat,
    /// A gateway's binary; the first has the plain name.
    Gateway {
        name: String,
        binary: PathBuf,
        asks: Asks,
    },
}

/// What a gateway's upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Messages,
    /// The same, once many rules and limits have been looked at.
    Ruled,
    Chat,
    Dialect(Dialect),
}

impl Target {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Nginx(_) => "nginx",
            Self::Floor => "floor",
            Self::FloorSplice => "floor-splice0",
            Self::FloorChat => "floor-openai",
            Self::Gateway { name, .. } => name,
        }
    }

    /// What its upstream is asked for.
    pub(crate) fn asks(&self) -> Asks {
        match self {
            Self::Gateway { asks, .. } => *asks,
            Self::FloorChat => Asks::Chat,
            _ => Asks::Messages,
        }
    }

    /// Sends another name of the model than the caller did.
    pub(crate) fn renames_request(&self) -> bool {
        matches!(self, Self::FloorSplice | Self::Gateway { asks: Asks::Messages, .. })
    }

    /// Gives the caller back the name that it sent.
    pub(crate) fn renames_reply(&self) -> bool {
        matches!(self, Self::Gateway { asks: Asks::Messages, .. })
    }

    /// Asks its upstream for Chat Completions.
    pub(crate) fn translates(&self) -> bool {
        self.asks() == Asks::Chat
    }

    /// Starts it and waits until it answers `/health`.
    pub(crate) fn start(&self, cores: &Cores, upstream: SocketAddr) -> Result<Running> {
        let dir = tempfile::tempdir()?;
        let addr = free_address()?;
        let mut command = self.command(dir.path(), addr, upstream)?;
        let output = fs::File::create(dir.path().join("output"))?;
        command
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let began = clock::now();
        let child = cores.on_proxy_core(|| command.spawn())?;
        let child = child.with_context(|| format!("{} can't be run", self.name()))?;
        let mut running = Running { child, addr, first_answer: Duration::ZERO, dir };
        while !answers(addr) {
            let waited = clock::now().duration_since(began);
            if running.child.try_wait()?.is_some() || waited > Duration::from_secs(20) {
                let said = fs::read_to_string(running.dir.path().join("output"))?;
                bail!("{} did not come up: {said}", self.name());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        running.first_answer = clock::now().duration_since(began);
        Ok(running)
    }

    fn command(&self, dir: &Path, addr: SocketAddr, upstream: SocketAddr) -> Result<Command> {
        Ok(match self {
            Self::Direct => bail!("there is nothing to start"),
            Self::Nginx(binary) => {
                let config = dir.join("nginx.conf");
                fs::write(&config, nginx_config(dir, addr, upstream))?;
                let mut command = Command::new(binary);
                command.arg("-c").arg(config).arg("-p").arg(dir).arg("-e").arg(dir.join("errors"));
                command
            }
            Self::Floor | Self::FloorSplice | Self::FloorChat => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("floor").arg(addr.to_string()).arg(upstream.to_string());
                match self {
                    Self::FloorSplice => drop(command.args(["--rename", RENAMED_FROM, RENAMED_TO])),
                    Self::FloorChat => drop(command.args(["--chat", chat::MODEL])),
                    _ => {}
                }
                command
            }
            Self::Gateway { binary, asks, .. } => {
                let config = dir.join("gateway.yaml");
                fs::write(&config, gateway_config(addr, upstream, *asks))?;
                let mut command = Command::new(binary);
                if let Asks::Dialect(dialect) = asks {
                    for (name, text) in dialect.spec().files {
                        fs::write(
                            dir.join(name),
                            text.replace("{upstream}", &upstream.to_string()),
                        )?;
                    }
                }
                command
                    .arg("gateway")
                    .arg("--config")
                    .arg(config)
                    .args(["--pool-size", "64", "--log-file"])
                    .arg(dir.join("log"))
                    .env_remove("GATEWAY_API_KEY")
                    .env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
                    .env("AWS_SECRET_ACCESS_KEY", "bench/aws+secret")
                    .env("BENCH_UPSTREAM_KEY", UPSTREAM_KEY);
                if *asks != Asks::Ruled {
                    // There the caller is a client with a name.
                    command.env("GATEWAY_API_KEY", CLIENT_KEY);
                }
                command
            }
        })
    }
}

/// A started proxy; ends when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// From the start of the process to the first 200.
    pub(crate) first_answer: Duration,
    dir: tempfile::TempDir,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu_nanos(&self) -> Result<u64> {
        machine::cpu_nanos(self.pid())
    }

    pub(crate) fn resident(&self) -> Result<u64> {
        machine::resident(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx' master takes its worker along only when asked politely.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's, or the one on the path.
pub(crate) fn find_nginx() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let found = places.into_iter().map(|place| place.join("nginx")).find(|file| file.exists());
    found.context("nginx is not installed: apt-get install nginx-light")
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn answers(addr: SocketAddr) -> bool {
    let ask = || -> Result<()> {
        let mut io = TcpStream::connect(addr)?;
        io.set_read_timeout(Some(Duration::from_secs(5)))?;
        io.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        io.read_exact(&mut head)?;
        ensure!(&head == b"HTTP/1.1 200");
        // To the end, so that nothing is reset.
        io.read_to_end(&mut Vec::new())?;
        Ok(())
    };
    ask().is_ok()
}

fn nginx_config(dir: &Path, addr: SocketAddr, upstream: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "worker_processes 1;
daemon off;
user root;
pid {dir}/pid;
error_log {dir}/errors crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 64m;
    client_body_buffer_size 256k;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream scripted {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {addr} backlog=1024;
        location = /health {{ return 200; }}
        location / {{
            proxy_pass http://scripted;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
        }}
    }}
}}
"
    )
}

fn gateway_config(addr: SocketAddr, upstream: SocketAddr, asks: Asks) -> String {
    let (host, port) = (addr.ip(), addr.port());
    let server = format!("server: {{host: {host}, port: {port}}}");
    match asks {
        Asks::Messages => format!(
            "default_provider: anthropic
{server}
providers:
  anthropic:
    api_base: \"http://{upstream}/v1\"
    api_key: \"${{BENCH_UPSTREAM_KEY}}\"
routes:
  - {{pattern: \"claude-haiku-*\", provider: anthropic}}
  - {{pattern: \"{RENAMED_FROM}\", provider: anthropic, model: {RENAMED_TO}}}
"
        ),
        Asks::Ruled => include_str!("ruled.yaml")
            .replace("{server}", &server)
            .replace("{upstream}", &upstream.to_string()),
        Asks::Chat => format!(
            "default_provider: scripted
{server}
providers:
  scripted:
    kind: openai
    api_base: \"http://{upstream}/v1\"
    api_key: \"${{BENCH_UPSTREAM_KEY}}\"
    extra: {{api: chat}}
    model_map:
      \"claude-*\": {}
routes:
  - {{pattern: \"claude-haiku-*\", provider: scripted}}
",
            chat::MODEL
        ),
        Asks::Dialect(dialect) => {
            let spec = dialect.spec();
            format!(
                "default_provider: scripted
{server}
providers:
  scripted:
{}    model_map: {{\"claude-*\": \"{}\"}}
",
                spec.provider.replace("{upstream}", &upstream.to_string()),
                spec.model
            )
        }
    }
}
