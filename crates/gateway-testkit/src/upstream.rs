//! The listener: runs scripts, records what came, tells the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::gate::{patient, runtime};
use crate::{Script, http1, http2};

/// A server on a loopback port that answers each request with a [`Script`] and records all it saw.
/// Dropping it cuts every connection.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    scheme: &'static str,
    ca_pem: Option<String>,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// 0 for the first request that the upstream saw.
    pub index: usize,
    /// 0 for the first connection; equal numbers mean that it was reused.
    pub connection: usize,
    /// `POST`
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Names and values in the order, and (HTTP/1.1) the case, in which they came. Values that
    /// are not UTF-8 are shown with replacement characters; [`raw_head`](Self::raw_head) has them.
    pub headers: Vec<(String, String)>,
    /// The head's bytes; empty on HTTP/2.
    pub raw_head: Bytes,
    /// The body without its framing; empty with [`Answer::AfterHead`] and [`Builder::forget_bodies`].
    pub body: Bytes,
    /// How the body was delimited.
    pub framing: Framing,
    /// When it was there as far as its script waits for it, on the kit's real clock.
    pub at: Instant,
}

/// How a request's body was delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body announced.
    None,
    /// `content-length`
    Length(u64),
    /// `transfer-encoding: chunked`, or an HTTP/2 body without a length.
    Chunked,
}

/// How the peer took its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It sent FIN.
    Closed,
    /// It sent RST, or on HTTP/2 gave the stream up.
    Reset,
}

/// When a script is asked for and begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// When the whole request is there.
    #[default]
    AfterBody,
    /// When the head is there (HTTP/1.1 only).
    AfterHead,
    /// When a connection was accepted, before a byte is read, with an empty [`Recorded`]; for what
    /// is no HTTP at all (HTTP/1.1 only).
    OnConnect,
}

/// What the listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1; with TLS also by ALPN.
    #[default]
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// Options of an [`Upstream`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Builder {
    protocol: Protocol,
    answer: Answer,
    tls: bool,
    forget_bodies: bool,
}

pub(crate) type Handler = dyn Fn(&Recorded) -> Script + Send + Sync;

pub(crate) struct Shared {
    pub(crate) handler: Box<Handler>,
    pub(crate) answer: Answer,
    forget_bodies: bool,
    seen: watch::Sender<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Arc<Recorded>>,
    left: Vec<Option<(Left, Instant)>>,
    connections: usize,
    open: usize,
    incomplete: usize,
}

impl Upstream {
    /// Answers each request with what `handler` makes of it, over plain HTTP/1.1.
    pub fn start(handler: impl Fn(&Recorded) -> Script + Send + Sync + 'static) -> Self {
        Self::builder().start(handler)
    }

    /// Answers the first request with the first script and so on; later ones with a 500 that says so.
    pub fn queue(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::builder().queue(scripts)
    }

    /// Options first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or with TLS `https://localhost:PORT`.
    pub fn url(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.addr.port())
    }

    /// The certificate authority to trust, with TLS.
    pub fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().expect("an upstream with TLS")
    }

    /// Waits for the request with this index (from 0).
    pub async fn request(&self, index: usize) -> Arc<Recorded> {
        let what = format!("request {index} at the upstream");
        self.until(&what, |seen| seen.requests.get(index).cloned()).await
    }

    /// Waits until the peer gave up request `index`: on HTTP/1.1 left its connection (during the
    /// answer or later), on HTTP/2 reset its stream or left.
    pub async fn left(&self, index: usize) -> Left {
        self.left_at(index).await.0
    }

    /// [`left`](Self::left) and when it was noticed, on the kit's real clock.
    pub async fn left_at(&self, index: usize) -> (Left, Instant) {
        let what = format!("the peer to leave request {index}");
        self.until(&what, |seen| seen.left.get(index).copied().flatten()).await
    }

    /// Waits until no connection is open.
    pub async fn idle(&self) {
        self.until("the last connection to end", |seen| (seen.open == 0).then_some(())).await;
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Arc<Recorded>> {
        self.shared.seen.borrow().requests.clone()
    }

    /// Whether the peer gave up request `index` so far; see [`left`](Self::left).
    pub fn has_left(&self, index: usize) -> Option<Left> {
        self.shared.seen.borrow().left.get(index).copied().flatten().map(|(left, _)| left)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.seen.borrow().connections
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.shared.seen.borrow().open
    }

    /// Requests that broke off before they were whole.
    pub fn incomplete(&self) -> usize {
        self.shared.seen.borrow().incomplete
    }

    async fn until<T>(&self, what: &str, test: impl Fn(&Seen) -> Option<T>) -> T {
        let mut seen = self.shared.seen.subscribe();
        let found = async {
            loop {
                if let Some(found) = test(&seen.borrow_and_update()) {
                    return found;
                }
                seen.changed().await.expect("the sender lives as long as the upstream");
            }
        };
        patient(what, found).await
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

// === impl Builder ===

impl Builder {
    /// What is spoken.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// When scripts begin.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    /// TLS with a certificate for `localhost` made on the spot; trust [`Upstream::ca_pem`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Records heads alone, for tests that count memory.
    pub fn forget_bodies(mut self) -> Self {
        self.forget_bodies = true;
        self
    }

    /// See [`Upstream::queue`].
    pub fn queue(self, scripts: impl IntoIterator<Item = Script>) -> Upstream {
        let scripts = Mutex::new(scripts.into_iter().collect::<Vec<_>>().into_iter());
        self.start(move |request| {
            let next = scripts.lock().expect("no panic while locked").next();
            next.unwrap_or_else(|| {
                let n = request.index;
                Script::json(500, format!(r#"{{"error":"no script left for request {n}"}}"#))
            })
        })
    }

    /// See [`Upstream::start`].
    pub fn start(self, handler: impl Fn(&Recorded) -> Script + Send + Sync + 'static) -> Upstream {
        let Self { protocol, answer, tls, forget_bodies } = self;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let seen = watch::Sender::new(Seen::default());
        let shared = Arc::new(Shared { handler: Box::new(handler), answer, forget_bodies, seen });
        let (wrap, ca_pem) = Wrap::new(tls, protocol);
        let accepting = runtime().spawn(accept(listener, wrap, protocol, Arc::clone(&shared)));
        let scheme = if tls { "https" } else { "http" };
        Upstream { addr, scheme, ca_pem, shared, accepting }
    }
}

// === impl Recorded ===

impl Recorded {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Every header of that name, in any case.
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the request's body is JSON")
    }
}

// === impl Shared ===

impl Shared {
    /// Files a request and returns it with its index.
    pub(crate) fn record(&self, mut request: Recorded) -> Arc<Recorded> {
        if self.forget_bodies {
            request.body = Bytes::new();
        }
        let mut filed = None;
        self.seen.send_modify(|seen| {
            request.index = seen.requests.len();
            request.at = Instant::now();
            let request = Arc::new(request);
            seen.requests.push(Arc::clone(&request));
            seen.left.push(None);
            filed = Some(request);
        });
        filed.expect("send_modify runs its closure")
    }

    /// Notes that the peer left: this request, or all of its connection.
    pub(crate) fn peer_left(&self, which: Gone, left: Left) {
        let now = Instant::now();
        self.seen.send_modify(|seen| {
            for (request, slot) in seen.requests.iter().zip(&mut seen.left) {
                let meant = match which {
                    Gone::Request(index) => request.index == index,
                    Gone::Connection(id) => request.connection == id,
                };
                if meant && slot.is_none() {
                    *slot = Some((left, now));
                }
            }
        });
    }

    pub(crate) fn broke_off(&self) {
        self.seen.send_modify(|seen| seen.incomplete += 1);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("seen", &*self.seen.borrow()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Gone {
    Request(usize),
    Connection(usize),
}

// === Listening ===

#[derive(Clone)]
enum Wrap {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl Wrap {
    #[cfg(feature = "tls")]
    fn new(tls: bool, protocol: Protocol) -> (Self, Option<String>) {
        if !tls {
            return (Self::Plain, None);
        }
        let (acceptor, ca_pem) = crate::tls::acceptor(protocol);
        (Self::Tls(acceptor), Some(ca_pem))
    }

    #[cfg(not(feature = "tls"))]
    fn new(_tls: bool, _protocol: Protocol) -> (Self, Option<String>) {
        (Self::Plain, None)
    }
}

async fn accept(
    listener: std::net::TcpListener,
    wrap: Wrap,
    protocol: Protocol,
    shared: Arc<Shared>,
) {
    let listener = TcpListener::from_std(listener).expect("called on the kit's runtime");
    // Dropped with this task, which aborts every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (wrap, shared) = (wrap.clone(), Arc::clone(&shared));
        let mut id = 0;
        shared.seen.send_modify(|seen| {
            id = seen.connections;
            seen.connections += 1;
            seen.open += 1;
        });
        connections.spawn(async move {
            let _open = Open(Arc::clone(&shared));
            let _ = stream.set_nodelay(true);
            serve(stream, wrap, protocol, id, &shared).await;
        });
    }
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.open -= 1);
    }
}

async fn serve(stream: TcpStream, wrap: Wrap, protocol: Protocol, id: usize, shared: &Arc<Shared>) {
    match (wrap, protocol) {
        (Wrap::Plain, Protocol::Http1) => http1::serve(stream, id, shared).await,
        (Wrap::Plain, Protocol::Http2) => http2::serve(stream, id, shared).await,
        #[cfg(feature = "tls")]
        (Wrap::Tls(acceptor), protocol) => {
            // A peer that distrusts us has nothing to say.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            match protocol {
                Protocol::Http1 => http1::serve(stream, id, shared).await,
                Protocol::Http2 => http2::serve(stream, id, shared).await,
            }
        }
    }
}
