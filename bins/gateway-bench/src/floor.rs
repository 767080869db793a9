//! The least that a reverse proxy made of hyper can cost: no routes, no keys, no log, no limits.
//! A measure for the gateway and nothing else.

pub(crate) mod chat;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

/// What is done to a request.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Nothing: bodies pass as they come.
    Stream,
    /// The body is gathered, the model's name found and replaced without copying the rest.
    Splice { from: String, to: Bytes },
    /// The body is gathered and written anew for Chat Completions, and the reply for the caller.
    Chat { model: String },
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, upstream: SocketAddr, work: Work) -> Result<()> {
    let pool = Rc::new(Pool { upstream, idle: RefCell::default(), work });
    loop {
        let (io, _) = listener.accept().await?;
        io.set_nodelay(true)?;
        let pool = pool.clone();
        let service = hyper::service::service_fn(move |request| answer(pool.clone(), request));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service);
        tokio::task::spawn_local(async { drop(connection.await) });
    }
}

async fn answer(pool: Rc<Pool>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/health" {
        return Ok(Response::new(Body::default()));
    }
    let reply = pass(pool, request).await;
    Ok(reply.unwrap_or_else(|fault| {
        let mut reply =
            Response::new(Body::Parts([format!("{fault:#}").into(), Bytes::new(), Bytes::new()]));
        *reply.status_mut() = http::StatusCode::BAD_GATEWAY;
        reply
    }))
}

async fn pass(pool: Rc<Pool>, request: Request<Incoming>) -> Result<Response<Body>> {
    let (mut head, body) = request.into_parts();
    head.headers.remove(CONNECTION);
    let body = match &pool.work {
        Work::Stream => Body::Wire { incoming: body, back: None, events: None },
        Work::Splice { from, to } => Body::Parts(spliced(gather(body).await?, from, to)?),
        Work::Chat { model } => {
            head.uri = http::Uri::from_static("/v1/chat/completions");
            head.headers.remove(CONTENT_LENGTH);
            head.headers.remove(ACCEPT_ENCODING);
            Body::whole(chat::request(&gather(body).await?, model)?)
        }
    };
    let mut sender = pool.take().await?;
    let reply = sender.send_request(Request::from_parts(head, body)).await?;
    let (mut head, incoming) = reply.into_parts();
    head.headers.remove(CONNECTION);
    head.headers.remove(TRANSFER_ENCODING);
    let mut events = None;
    if matches!(pool.work, Work::Chat { .. }) {
        if head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
            let reply = chat::reply(&gather(incoming).await?)?;
            pool.idle.borrow_mut().push(sender);
            head.headers.remove(CONTENT_LENGTH);
            return Ok(Response::from_parts(head, Body::whole(reply)));
        }
        events = Some(Box::default());
    }
    let mut body = Body::Wire { incoming, back: Some((sender, pool)), events };
    body.give_back_at_end();
    Ok(Response::from_parts(head, body))
}

async fn gather(mut body: Incoming) -> Result<Bytes> {
    let room = usize::try_from(body.size_hint().lower()).context("a body larger than memory")?;
    let mut whole = BytesMut::with_capacity(room);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

fn spliced(body: Bytes, from: &str, to: &Bytes) -> Result<[Bytes; 3]> {
    #[derive(Deserialize)]
    struct Head<'b> {
        model: &'b str,
        #[serde(default, rename = "stream")]
        _stream: bool,
    }
    let head: Head<'_> = serde_json::from_slice(&body)?;
    if head.model != from {
        return Ok([body, Bytes::new(), Bytes::new()]);
    }
    let span = body.slice_ref(head.model.as_bytes());
    let at = span.as_ptr() as usize - body.as_ptr() as usize;
    Ok([body.slice(..at), to.clone(), body.slice(at + span.len()..)])
}

/// Idle connections to the upstream.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<SendRequest<Body>>>,
    work: Work,
}

impl Pool {
    async fn take(&self) -> Result<SendRequest<Body>> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let Some(sender) = idle else { break };
            if !sender.is_ready() {
                tokio::task::yield_now().await;
            }
            if sender.is_ready() {
                return Ok(sender);
            }
        }
        let io = TcpStream::connect(self.upstream).await?;
        io.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
        tokio::task::spawn_local(async { drop(connection.await) });
        Ok(sender)
    }
}

/// A body on its way, in either direction.
enum Body {
    Wire {
        incoming: Incoming,
        back: Option<(SendRequest<Body>, Rc<Pool>)>,
        /// Where the body is a stream to be translated.
        events: Option<Box<chat::Events>>,
    },
    Parts([Bytes; 3]),
}

impl Default for Body {
    fn default() -> Self {
        Self::Parts(Default::default())
    }
}

impl Body {
    fn whole(bytes: Vec<u8>) -> Self {
        Self::Parts([bytes.into(), Bytes::new(), Bytes::new()])
    }

    /// A reply that is whole frees its connection.
    fn give_back_at_end(&mut self) {
        if let Self::Wire { incoming, back, .. } = self
            && incoming.is_end_stream()
            && let Some((sender, pool)) = back.take()
        {
            pool.idle.borrow_mut().push(sender);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        match &mut *self {
            Self::Parts(parts) => {
                let next = parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
                Poll::Ready(next.map(|part| Ok(Frame::data(part))))
            }
            Self::Wire { incoming, back, events } => loop {
                let polled = std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx)?);
                if (polled.is_none() || incoming.is_end_stream())
                    && let Some((sender, pool)) = back.take()
                {
                    pool.idle.borrow_mut().push(sender);
                }
                let (Some(frame), Some(events)) = (&polled, &mut *events) else {
                    return Poll::Ready(polled.map(Ok));
                };
                let Some(data) = frame.data_ref() else { continue };
                let out = events.push(data)?;
                if !out.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.iter().all(Bytes::is_empty),
            Self::Wire { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Parts(parts) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            Self::Wire { events: Some(_), .. } => SizeHint::default(),
            Self::Wire { incoming, .. } => incoming.size_hint(),
        }
    }
}
