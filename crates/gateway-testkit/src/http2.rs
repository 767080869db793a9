//! HTTP/2 through hyper: scripts steer frames instead of bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

use crate::http1::Connection;
use crate::script::{Script, Step};
use crate::upstream::{Framing, Gone, Left, Recorded, Shared};

pub(crate) async fn serve(stream: impl Connection + 'static, id: usize, shared: &Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        async move { answer(request, id, shared).await }
    });
    let ended = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    let left = if ended.is_ok() { Left::Closed } else { Left::Reset };
    shared.peer_left(Gone::Connection(id), left);
}

/// Why a reply was not finished; hyper turns it into `RST_STREAM`.
type Broken = std::io::Error;

async fn answer(
    request: Request<Incoming>,
    id: usize,
    shared: Arc<Shared>,
) -> Result<Response<Steered>, Broken> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let framing = match (body.is_end_stream(), body.size_hint().exact()) {
        (true, _) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Chunked,
    };
    let mut recorded = Recorded::new(id, head.method.as_str(), target, framing);
    recorded.headers = head
        .headers
        .iter()
        .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let Ok(body) = body.collect().await else {
        shared.broke_off();
        return Err(broken("the request broke off"));
    };
    recorded.body = body.to_bytes();
    let recorded = shared.record(recorded);

    // Dropped by hyper when the peer gives the stream up before there is a head.
    let mut early = GaveUp { shared: Arc::clone(&shared), index: Some(recorded.index) };
    let script = (shared.handler)(&recorded);
    let mut steps = script.steps.into_iter();
    let (status, headers) = loop {
        match steps.next() {
            Some(Step::Head { status, headers }) => break (status, headers),
            Some(Step::Reset | Step::Close) | None => {
                early.index = None;
                return Err(broken("the script says so"));
            }
            Some(step) => drop(pause(step).await),
        }
    };
    early.index = None;
    let mut response = Response::builder().status(status);
    for (name, value) in &headers {
        if !matches!(name.to_ascii_lowercase().as_str(), "transfer-encoding" | "connection") {
            response = response.header(name, value);
        }
    }
    let (frames, body) = mpsc::channel(1);
    tokio::spawn(steer(Script { steps: steps.collect() }, frames, recorded.index, shared));
    response.body(Steered(body)).map_err(|_| broken("the script's head is no HTTP"))
}

/// Runs the rest of a script into the body's channel.
async fn steer(
    script: Script,
    frames: mpsc::Sender<Result<Bytes, Broken>>,
    index: usize,
    shared: Arc<Shared>,
) {
    let whole = async {
        for step in script.steps {
            match step {
                Step::Bytes(bytes) | Step::Chunk(bytes) => frames.send(Ok(bytes)).await.ok()?,
                Step::Repeat { piece, times } => {
                    for _ in 0..times {
                        frames.send(Ok(piece.clone())).await.ok()?;
                    }
                }
                Step::Reset => {
                    frames.send(Err(broken("the script says so"))).await.ok()?;
                    return Some(());
                }
                Step::Close | Step::HalfClose => return Some(()),
                other => drop(pause(other).await),
            }
        }
        Some(())
    };
    let finished = tokio::select! {
        biased;
        done = whole => done.is_some(),
        () = frames.closed() => false,
    };
    if !finished {
        shared.peer_left(Gone::Request(index), Left::Reset);
    }
}

/// The steps that only pass time.
async fn pause(step: Step) -> Option<Infallible> {
    match step {
        Step::Stall(time) => tokio::time::sleep(time).await,
        Step::Wait(gate) => gate.wait().await,
        Step::Open(gate) => gate.open(),
        Step::Hang => return std::future::pending().await,
        _ => {}
    }
    None
}

struct GaveUp {
    shared: Arc<Shared>,
    index: Option<usize>,
}

impl Drop for GaveUp {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.shared.peer_left(Gone::Request(index), Left::Reset);
        }
    }
}

fn broken(why: &str) -> Broken {
    std::io::Error::other(why)
}

struct Steered(mpsc::Receiver<Result<Bytes, Broken>>);

impl Body for Steered {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.0.poll_recv(cx).map(|next| next.map(|piece| piece.map(Frame::data)))
    }
}
