//! `gateway`: run the gateway.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use gateway_config::{Auth, Config, Loaded, LogLevel, Provider};
use gateway_server::{Gateway, LogSettings, Options};
use secrecy::ExposeSecret;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{GatewayArgs, Globals, LogFormat, ServeArgs};
use crate::reload::{Reason, Reloader};
use crate::watch::Watch;
use crate::{catalogue, client_key, output, process, service, state_key};

pub(crate) fn run(args: &GatewayArgs, globals: &Globals) -> Result<ExitCode> {
    let passed = service::listener()?;
    let mut sources = process::sources(globals)?;
    args.apply(&mut sources.overrides);
    let mut loaded = gateway_config::load(&sources)?;
    super::warn(globals, &loaded);
    let mut notes = Vec::new();
    let alone = match &passed {
        None => loaded.config.server.is_loopback(),
        Some(socket) => {
            let addr = socket.local_addr().context("the socket that was passed has no address")?;
            notes.push(format!(
                "serves on the socket that was passed (LISTEN_FDS), {addr}; host and port of the \
                 configuration count for nothing"
            ));
            addr.ip().is_loopback()
        }
    };
    let mut config = loaded.config.clone();
    if !alone && client_key::nobody_has_one(&config) {
        if args.no_auth {
            notes.push("ANYBODY who reaches this address can use it (--no-auth)".to_owned());
        } else {
            notes.extend(make_key(&mut config)?);
        }
    }
    let mut settings = options(&args.serve, args.no_auth, None);
    let (state_key, warning) = state_key::find(&config);
    let has_state_key = state_key.is_some();
    settings.state_key = state_key;
    settings.catalogue = catalogue::find()?;
    settings.listener = passed;
    notes.extend(warning);
    notes.splice(0..0, std::mem::take(&mut loaded.notes));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no sockets")?;
    // From here on no signal is lost, and none ends the process by itself.
    let signals = runtime.block_on(async { Signals::listen() })?;
    let welcome = Welcome::of(&loaded, &config, notes);
    let gateway = Gateway::start(config, settings)?;
    if !globals.quiet {
        output::print(&welcome.text(&gateway));
    }
    let reloader = Reloader::new(sources, &loaded, alone || args.no_auth, has_state_key);
    let serving = Serving { gateway, signals, reloader };
    runtime.block_on(serving.until_stopped(&loaded));
    Ok(ExitCode::SUCCESS)
}

/// What the server needs besides the configuration.
pub(crate) fn options(serve: &ServeArgs, no_auth: bool, level: Option<LogLevel>) -> Options {
    Options {
        anthropic_version: serve.anthropic_version.clone(),
        passthrough: serve.passthrough_mode,
        no_auth,
        pool_size: if serve.no_connection_pool { 0 } else { serve.pool_size },
        log: LogSettings {
            format: match serve.log_format {
                LogFormat::Standard => gateway_server::LogFormat::Standard,
                LogFormat::Detailed => gateway_server::LogFormat::Detailed,
                LogFormat::Json => gateway_server::LogFormat::Json,
                LogFormat::Colored => gateway_server::LogFormat::Colored,
                LogFormat::Minimal => gateway_server::LogFormat::Minimal,
            },
            level,
            file: serve.log_file.clone(),
        },
        ..Options::default()
    }
}

/// A key for callers where others can reach the gateway. A terminal shows it; anything else, which
/// may be kept, names only where it is.
fn make_key(config: &mut Config) -> Result<Vec<String>> {
    let state = process::state_dir(&process::environment())?;
    let key = client_key::read_or_make(&state)?;
    let lines = if std::io::stdout().is_terminal() {
        vec![format!("callers need this key: {}", key.expose_secret())]
    } else {
        vec![
            format!("callers need the key in {}", client_key::file(&state).display()),
            "print it with: claude-code-model-gateway key show".to_owned(),
        ]
    };
    config.client_keys.push(key);
    Ok(lines)
}

/// The first lines that a person reads.
struct Welcome {
    file: String,
    providers: Vec<String>,
    notes: Vec<String>,
    wants_key: bool,
    secure: bool,
}

impl Welcome {
    fn of(loaded: &Loaded, config: &Config, notes: Vec<String>) -> Self {
        let file = loaded.file.as_ref();
        Self {
            file: file.map_or_else(|| "none".to_owned(), |file| file.display().to_string()),
            providers: config.providers.iter().filter(|p| p.enabled).map(told).collect(),
            notes,
            wants_key: !client_key::nobody_has_one(config),
            secure: config.server.tls.is_some(),
        }
    }

    fn text(&self, gateway: &Gateway) -> String {
        let addr = gateway.addr();
        let reach = if addr.ip().is_unspecified() {
            format!("127.0.0.1:{}", addr.port())
        } else {
            addr.to_string()
        };
        let scheme = if self.secure { "https" } else { "http" };
        let url = format!("{scheme}://{reach}");
        let version = env!("CARGO_PKG_VERSION");
        let mut text =
            format!("claude-code-model-gateway {version} listens on {scheme}://{addr}\n");
        text += &format!("  config     {}\n", self.file);
        text += &format!("  providers  {}\n", self.providers.join("\n             "));
        for note in &self.notes {
            text += &format!("  note       {note}\n");
        }
        let behind_proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
        let past = if behind_proxy.iter().any(|name| std::env::var_os(name).is_some()) {
            // Claude Code takes them for plain HTTP and for this machine too.
            format!("NO_PROXY={} ", reach.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host))
        } else {
            String::new()
        };
        let token = if self.wants_key { "ANTHROPIC_AUTH_TOKEN=<the key> " } else { "" };
        text += "Point Claude Code at it:\n";
        text += &format!("  ANTHROPIC_BASE_URL={url} {past}{token}claude");
        text
    }
}

fn told(provider: &Provider) -> String {
    let how = match &provider.auth {
        Auth::ApiKey(_) | Auth::Bearer(_) => match &provider.key_variable {
            Some(variable) => format!("ready, key from {variable}"),
            None => "ready".to_owned(),
        },
        Auth::Aws(aws) => match (&aws.keys, &aws.profile) {
            (Some(_), _) => "ready, with the AWS keys of the environment".to_owned(),
            (None, Some(profile)) => format!("ready, with the AWS profile {profile}"),
            (None, None) => "ready, if this machine has AWS credentials".to_owned(),
        },
        Auth::Google(google) => match &google.file {
            Some(file) => format!("ready, with the credentials in {}", file.display()),
            None => "ready, if this machine has a login of Google Cloud".to_owned(),
        },
        Auth::AzureAd(entra) => match &entra.client_id {
            Some(client) => format!("ready, as the client {client} of Microsoft Entra"),
            None => "ready, if this machine has a managed identity".to_owned(),
        },
        Auth::Client => "ready, with each caller's own login".to_owned(),
        Auth::None => "ready, no credential".to_owned(),
        Auth::Missing { variable } => format!("NOT ready: set {variable}"),
    };
    let base = provider.api_base.as_deref().unwrap_or("built in");
    format!("{} ({base}): {how}", provider.name)
}

/// A gateway that runs, and who may want something of it.
struct Serving {
    gateway: Gateway,
    signals: Signals,
    reloader: Reloader,
}

impl Serving {
    /// Serves until a signal: the first lets what runs finish within the grace, a second ends at once.
    async fn until_stopped(mut self, loaded: &Loaded) {
        self.told(service::ready("serving"));
        let (mut watch, fault) = Watch::of(loaded);
        self.watched(fault);
        loop {
            let reason = tokio::select! {
                told = self.signals.next() => match told {
                    Told::Stop => break,
                    Told::Reload => Reason::Signal,
                },
                () = watch.changed() => Reason::File,
            };
            self.told(service::reloading());
            watch.begin();
            let (loaded, status) = self.reloader.reload(&self.gateway, reason);
            if let Some(loaded) = loaded {
                let fault = watch.look_at(&loaded);
                self.watched(fault);
            }
            self.told(service::ready(status));
        }

        let Self { mut gateway, mut signals, .. } = self;
        let _ = service::stopping();
        gateway.note(LogLevel::Info, "stopping: no new connections, what runs may finish");
        gateway.drain();
        let grace = gateway.grace();
        tokio::select! {
            () = gateway.drained() => {}
            () = signals.stop() => gateway.note(LogLevel::Warn, "stopped at once by a second signal"),
            () = tokio::time::sleep(grace) => {
                let text = format!("what had not finished after {} s was cut", grace.as_secs());
                gateway.note(LogLevel::Warn, text);
            }
        }
        gateway.stop_now();
    }

    /// Notes that the service manager can't be told.
    fn told(&self, telling: std::io::Result<()>) {
        if let Err(fault) = telling {
            let text = format!("the service manager can't be told (NOTIFY_SOCKET): {fault}");
            self.gateway.note(LogLevel::Warn, text);
        }
    }

    /// Notes that changes of files are seen late.
    fn watched(&self, fault: Option<notify::Error>) {
        if let Some(fault) = fault {
            let text = format!(
                "changes of the configuration are seen late, for its files can't be watched ({fault}); \
                 SIGHUP makes the gateway read them at once"
            );
            self.gateway.note(LogLevel::Warn, text);
        }
    }
}

/// The signals that a gateway obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// It was started in a terminal.
    in_terminal: bool,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals can't be listened to");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            in_terminal: has_terminal(),
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            // A terminal that is closed says so in the same way, and takes its programs along.
            _ = self.hang_up.recv() => {
                let closed = self.in_terminal && !has_terminal();
                if closed { Told::Stop } else { Told::Reload }
            }
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}

/// Whether a person's terminal is at the other end.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}
