//! A pool of connections to one upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use crate::body::{Body, Outgoing};
use crate::dial::{Dialed, Dialer, Protocol};
use crate::error::{Error, Phase};
use crate::pool::{Http1, Http2, Lease, Load, Pool, StreamSlot};

/// One attempt: what is sent. `host` and `content-length` are the client's business.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, as the upstream is to see them.
    pub path: PathAndQuery,
    /// The headers, in order.
    pub headers: HeaderMap,
    /// The body.
    pub body: Outgoing,
}

/// A reply: its head, and its body as it comes.
pub type Reply = Response<Body>;

/// Sends attempts to one upstream over pooled connections. One per worker: connections belong to
/// the runtime that made them.
#[derive(Debug)]
pub struct Client {
    dialer: Arc<Dialer>,
    pool: Arc<Pool>,
    /// Held while the first connections of an upstream that may speak HTTP/2 are made, so that a
    /// burst of callers makes one and not one each.
    dialing: tokio::sync::Mutex<()>,
    /// The upstream was seen to choose HTTP/1.1, where every caller needs a connection anyway.
    speaks_http1: AtomicBool,
}

/// HTTP/2 windows. The connection's has room for every stream's: a caller that pauses must not hold
/// up the others. Limits, not allocations.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Reply headers beyond this number are an error.
const MAX_HEADERS: usize = 256;

impl Client {
    /// A client that keeps at most `max_idle` connections open between requests; 0 makes a new
    /// connection for each.
    pub fn new(dialer: Arc<Dialer>, max_idle: usize) -> Self {
        Self {
            dialer,
            pool: Arc::new(Pool::new(max_idle)),
            dialing: tokio::sync::Mutex::default(),
            speaks_http1: AtomicBool::new(false),
        }
    }

    /// Sends one attempt and waits for the reply's head. No time limit but the connect limit:
    /// drop the future to give up.
    ///
    /// A pooled connection that turns out to be closed before a byte of the request was written is
    /// replaced by another; what may have reached the upstream is never sent twice.
    pub async fn send(&self, call: Call) -> Result<Reply, Error> {
        let mut request = self.request(call);
        loop {
            let fault = match self.lease().await? {
                (Leased::Http1(mut http1), reused) => {
                    if let Some(auth) = &http1.absolute_form {
                        self.make_absolute(&mut request, auth.as_ref());
                    }
                    match http1.sender.try_send_request(request).await {
                        Ok(reply) => {
                            let lease = Lease::Http1 { sender: http1, pool: self.pool.clone() };
                            return Ok(reply.map(|incoming| Body::new(incoming, lease)));
                        }
                        Err(fault) => (fault, reused),
                    }
                }
                (Leased::Http2(mut http2, slot), reused) => {
                    *request.version_mut() = Version::HTTP_2;
                    self.make_absolute(&mut request, None);
                    request.headers_mut().remove(HOST);
                    match http2.sender.try_send_request(request).await {
                        Ok(reply) => {
                            let lease = Lease::Http2 { _stream: slot };
                            return Ok(reply.map(|incoming| Body::new(incoming, lease)));
                        }
                        Err(fault) => (fault, reused),
                    }
                }
            };
            let (mut fault, reused) = fault;
            match fault.take_message() {
                Some(unsent) if reused => request = self.fresh(unsent),
                _ => return Err(Error::new(Phase::Exchange, fault.into_error())),
            }
        }
    }

    /// Closes connections that have been idle for too long. To be called now and then.
    pub fn reap(&self) {
        self.pool.reap();
    }

    fn request(&self, call: Call) -> Request<Outgoing> {
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        *request.uri_mut() = call.path.into();
        *request.headers_mut() = call.headers;
        request.headers_mut().insert(HOST, self.dialer.host_header().clone());
        request
    }

    /// The request as it was before a connection's protocol shaped it.
    fn fresh(&self, mut request: Request<Outgoing>) -> Request<Outgoing> {
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = path.into();
        }
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().remove(PROXY_AUTHORIZATION);
        request.headers_mut().insert(HOST, self.dialer.host_header().clone());
        request
    }

    fn make_absolute(&self, request: &mut Request<Outgoing>, auth: Option<&http::HeaderValue>) {
        let mut parts = self.dialer.origin().clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).expect("an origin and a path make a URL");
        if let Some(auth) = auth {
            request.headers_mut().insert(PROXY_AUTHORIZATION, auth.clone());
        }
    }

    /// A connection, and whether it had been used before.
    async fn lease(&self) -> Result<(Leased, bool), Error> {
        if let Some(leased) = self.pooled().await {
            return Ok((leased, true));
        }
        if !self.dialer.negotiates() || self.speaks_http1.load(Ordering::Relaxed) {
            return Ok((Box::pin(self.open()).await?, false));
        }
        // The wait for another caller's connection counts: a queue must not multiply the limit.
        let waiting = timeout(self.dialer.connect_timeout(), self.dialing.lock());
        let _first = waiting.await.map_err(|_| Error::bare(Phase::ConnectTimeout))?;
        if let Some(leased) = self.pooled().await {
            return Ok((leased, true));
        }
        Ok((Box::pin(self.open()).await?, false))
    }

    async fn pooled(&self) -> Option<Leased> {
        if let Some((http2, slot)) = self.pool.share() {
            return Some(Leased::Http2(http2, slot));
        }
        while let Some(mut http1) = self.pool.take() {
            // The connection's task may still be tidying up after the last reply: one turn of the
            // runtime lets it; a connection that is busy after that has something wrong with it.
            if !http1.sender.is_ready() {
                tokio::task::yield_now().await;
            }
            if http1.sender.is_ready() && !http1.sender.is_closed() {
                return Some(Leased::Http1(http1));
            }
            let _ = futures_util::FutureExt::now_or_never(http1.sender.ready());
        }
        None
    }

    async fn open(&self) -> Result<Leased, Error> {
        match self.dialer.dial().await? {
            Dialed::Plain { io, absolute_form } => {
                let sender = handshake_http1(TokioIo::new(io)).await?;
                Ok(Leased::Http1(Http1 { sender, absolute_form }))
            }
            Dialed::Tls { io, protocol: Protocol::Http1 } => {
                self.speaks_http1.store(true, Ordering::Relaxed);
                let sender = handshake_http1(TokioIo::new(io)).await?;
                Ok(Leased::Http1(Http1 { sender, absolute_form: None }))
            }
            Dialed::Tls { io, protocol: Protocol::Http2 } => {
                let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .keep_alive_interval(Duration::from_secs(30))
                    .handshake(TokioIo::new(io))
                    .await
                    .map_err(|err| Error::new(Phase::Exchange, err))?;
                let load = Load::new();
                let limit = load.clone();
                // Its end shows in the sender; a fault reaches the exchanges that ran on it.
                tokio::spawn(std::future::poll_fn(move |cx| {
                    let ended = Pin::new(&mut connection).poll(cx).map(drop);
                    limit.allow(connection.current_max_send_streams());
                    ended
                }));
                let http2 = Http2 { sender, load };
                let slot = http2.load.take();
                self.pool.publish(http2.clone());
                Ok(Leased::Http2(http2, slot))
            }
        }
    }
}

enum Leased {
    Http1(Http1),
    Http2(Http2, StreamSlot),
}

async fn handshake_http1<I>(io: I) -> Result<http1::SendRequest<Outgoing>, Error>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .handshake(io)
        .await
        .map_err(|err| Error::new(Phase::Exchange, err))?;
    tokio::spawn(async { drop(connection.await) });
    Ok(sender)
}
