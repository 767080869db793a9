//! Starting and stopping.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_config::{Config, LogLevel};
use gateway_models::Catalogue;
use gateway_router::Router;
use http::HeaderValue;
use tokio::sync::{mpsc, watch};

use crate::desk::Desk;
use crate::house::House;
use crate::listener::{self, Phase};
use crate::log::{Log, LogSettings};
use crate::reload::Place;
use crate::runtime::{CompileError, Extras, Provider, Runtime};
use crate::stats::{ProviderSummary, Summary};
use crate::tls::{self, TlsError};

/// What a gateway is besides its configuration file.
#[derive(Debug)]
pub struct Options {
    /// Sent upstream for callers that name no API version.
    pub anthropic_version: String,
    /// Forward every `/v1` path to the Anthropic-shaped provider.
    pub passthrough: bool,
    /// Ask no caller for anything, wherever the gateway listens.
    pub no_auth: bool,
    /// Idle connections kept per upstream, all workers together; 0 keeps none.
    pub pool_size: usize,
    /// The log.
    pub log: LogSettings,
    /// Seals state that travels with callers where the configuration names no `server.state_keys`.
    /// Without any key what is sealed opens only as long as this process lives.
    pub state_key: Option<Vec<u8>>,
    /// What is known of models: the built-in catalogue, perhaps with rows laid over it.
    pub catalogue: Catalogue,
    /// Decides where requests go, in the place of the configuration's `routes`. Its providers are indices into
    /// [`Config::providers`], of the configuration that serves: a reload may move them.
    pub router: Option<Arc<dyn Router>>,
    /// A socket to serve on in place of the configured host and port, already bound and listening.
    pub listener: Option<std::net::TcpListener>,
    /// Worker threads; the number of cores this process may use without one.
    pub workers: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            anthropic_version: "2023-06-01".to_owned(),
            passthrough: false,
            no_auth: false,
            pool_size: 10,
            log: LogSettings::default(),
            state_key: None,
            catalogue: Catalogue::builtin().clone(),
            router: None,
            listener: None,
            workers: None,
        }
    }
}

/// A gateway could not be started. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration can't be run.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// `--anthropic-version` is no header value.
    #[error("`{0}` is not an API version: use a date such as 2023-06-01")]
    Version(String),
    /// The host is no address and no name.
    #[error("the host `{host}` can't be resolved: {source}")]
    Host {
        /// As configured.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("{0} is already in use: another gateway may be running; choose another with --port")]
    InUse(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The socket that was passed takes no connections.
    #[error(
        "the socket that was passed does not listen: a systemd socket unit needs `ListenStream=` and \
         `Accept=no`"
    )]
    Passed,
    /// TLS files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The log file.
    #[error("the log file {} can't be written: {source}", file.display())]
    Log {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Threads.
    #[error("the system gives no threads or sockets: {0}")]
    System(io::Error),
}

/// A key of this process alone; `None` where the system has no randomness, so that nothing is sealed.
fn random_key() -> Option<Vec<u8>> {
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).is_ok().then_some(key)
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    addr: SocketAddr,
    house: Arc<House>,
    /// The snapshot that serves.
    pub(crate) current: ArcSwap<Runtime>,
    /// One a worker thread.
    pub(crate) desks: Vec<Arc<Desk>>,
    pub(crate) place: Mutex<Place>,
    /// The log's level was said by an option, so that the configuration's does not count.
    pub(crate) own_level: bool,
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    /// Closed once every thread has ended.
    running: mpsc::Receiver<Infallible>,
}

impl Gateway {
    /// The longest prompt, in tokens, of the model that answers to a name, where that is known and the
    /// model is not one of Anthropic's, whose windows clients know by themselves.
    pub fn prompt_limit(&self, asked: &str) -> Option<u64> {
        crate::endpoints::foreign_limits(&self.current.load(), asked)?.0
    }

    /// Binds the address and starts serving. Returns once connections are accepted.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub fn start(mut config: Config, options: Options) -> Result<Self, StartError> {
        let version = HeaderValue::from_str(&options.anthropic_version)
            .map_err(|_| StartError::Version(options.anthropic_version.clone()))?;
        let extras = Extras {
            anthropic_version: version,
            passthrough: options.passthrough,
            open: options.no_auth,
            state_key: options.state_key.or_else(random_key),
            catalogue: Arc::new(options.catalogue),
            router: options.router,
        };
        let mark = tls::mark(config.server.tls.as_ref());
        let secured = config.server.tls.as_ref().map(tls::listener).transpose()?;
        let file = options.log.file.clone().unwrap_or_default();
        let mut log = options.log;
        let own_level = log.level.is_some();
        log.level = log.level.or(Some(config.log_level));
        let log = Log::open(&log).map_err(|source| StartError::Log { file, source })?;
        let house = Arc::new(House::new(log));
        let asked = (config.server.host.clone(), config.server.port);
        let passed = options.listener.map(passed).transpose()?;
        if let Some((_, addr)) = &passed {
            // What callers may do depends on the address that they reach.
            (config.server.host, config.server.port) = (addr.ip().to_string(), addr.port());
        }
        let bound = passed.is_none().then(|| asked.clone());
        let runtime = Arc::new(Runtime::compile(config, &extras, house.clone(), None)?);
        runtime.begin();

        let own = passed.is_none();
        let (listener, addr) = match passed {
            Some(passed) => passed,
            None => bind(&asked.0, asked.1)?,
        };
        let (phase, seen) = watch::channel(Phase::Serving);
        let count = options.workers.unwrap_or_else(cores).max(1);
        let max_idle = options.pool_size.div_ceil(count);
        let (alive, running) = mpsc::channel(1);
        let mut threads = Vec::new();
        let (mut queues, mut desks) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (queue, sockets) = mpsc::unbounded_channel();
            queues.push(queue);
            let desk = Arc::new(Desk::new(runtime.clone(), secured.clone(), max_idle));
            desks.push(desk.clone());
            let work = listener::work(desk, sockets, seen.clone());
            threads.push(spawn(&format!("worker-{number}"), work, alive.clone())?);
        }
        let accept = listener::accept(listener, own, queues, house.clone(), seen);
        threads.push(spawn("accept", accept, alive)?);
        let place = Mutex::new(Place { bound, asked, tls: mark, extras });
        let current = ArcSwap::new(runtime);
        Ok(Self { addr, house, current, desks, place, own_level, phase, threads, running })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Notes something in the gateway's log.
    pub fn note(&self, level: LogLevel, text: impl Into<String>) {
        self.current.load().note(level, text);
    }

    /// Counters since the start.
    pub fn summary(&self) -> Summary {
        self.house.stats.summary()
    }

    /// Counters by provider, in the configuration's order.
    pub fn providers(&self) -> Vec<(String, ProviderSummary)> {
        let stats = &self.house.stats;
        let told = |p: &Arc<Provider>| (p.name.to_string(), stats.provider(&p.live.stats));
        self.current.load().providers.iter().map(told).collect()
    }

    /// How long streams in flight may finish after [`drain`](Self::drain).
    pub fn grace(&self) -> Duration {
        self.current.load().config.server.shutdown_grace
    }

    /// Accepts nothing new and lets what runs finish. Returns at once.
    pub fn drain(&self) {
        self.house.mark_draining();
        self.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = Phase::Draining;
            }
            serving
        });
    }

    /// Waits until every connection has ended by itself, which they do after
    /// [`drain`](Self::drain) as their requests end.
    pub async fn drained(&mut self) {
        // Nothing is ever sent: the channel ends with the last thread.
        let _: Option<Infallible> = self.running.recv().await;
    }

    /// Ends what still runs and waits for the workers and the log.
    pub fn stop_now(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.house.mark_draining();
        self.phase.send_replace(Phase::Ending);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.house.log.close();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bind(host: &str, port: u16) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let fault = |source| StartError::Host { host: host.to_owned(), source };
    let mut addrs = (host, port).to_socket_addrs().map_err(fault)?;
    let addr = addrs.next().ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
    let listener = listener::bind(addr).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse(addr),
        _ => StartError::Listen { addr, source },
    })?;
    let addr = listener.local_addr().map_err(StartError::System)?;
    Ok((listener, addr))
}

/// A socket that somebody else has bound.
fn passed(
    listener: std::net::TcpListener,
) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    if !socket2::SockRef::from(&listener).is_listener().map_err(StartError::System)? {
        return Err(StartError::Passed);
    }
    listener.set_nonblocking(true).map_err(StartError::System)?;
    let addr = listener.local_addr().map_err(StartError::System)?;
    Ok((listener, addr))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Runs `work` on a thread with a runtime of its own.
fn spawn(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
    alive: mpsc::Sender<Infallible>,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::System)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(work);
            // A name that is being resolved can't be interrupted, and must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            drop(alive);
        })
        .map_err(StartError::System)
}
