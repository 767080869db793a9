//! What goes back to the caller: bodies, heads, and errors rendered at one place.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_types::ApiError;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::ending::{Aborted, UNREAD};
use crate::exchange::Open;
use crate::gauges;
use crate::raw::RawBody;
use crate::record::{Exchange, Outcome};
use crate::stream::StreamBody;

pub(crate) const X_GATEWAY_REQUEST_ID: HeaderName = HeaderName::from_static("x-gateway-request-id");
pub(crate) const X_GATEWAY_PROVIDER: HeaderName = HeaderName::from_static("x-gateway-provider");
pub(crate) const X_GATEWAY_MODEL: HeaderName = HeaderName::from_static("x-gateway-model");
pub(crate) const X_GATEWAY_ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
pub(crate) const X_GATEWAY_CACHE: HeaderName = HeaderName::from_static("x-gateway-cache");
pub(crate) const X_GATEWAY_ESTIMATE: HeaderName = HeaderName::from_static("x-gateway-estimate");
pub(crate) const X_GATEWAY_FIDELITY: HeaderName = HeaderName::from_static("x-gateway-fidelity");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// The body of any reply.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Full(FullBody),
    Stream(Box<StreamBody>),
    Raw(Box<RawBody>),
    /// A stream on HTTP/2, driven by a task of its own (see [`pump`]).
    Pumped(Pumped),
}

/// The receiving end of a [`pump`]. Only [`Piece::End`] ends the body: a channel that is just closed
/// means that the pump gave up.
#[derive(Debug)]
pub(crate) struct Pumped {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

impl Pumped {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => Some(Err(Aborted)),
        })
    }
}

/// A body that is all there.
#[derive(Debug)]
pub(crate) struct FullBody {
    parts: [Bytes; 3],
    open: Option<(Open, Outcome)>,
}

/// Whole bodies are handed over in pieces of this size: hyper copies what it is given, and must not
/// hold a large reply twice.
const PIECE: usize = 64 << 10;

impl FullBody {
    /// Settles the exchange as `outcome` once the last byte has been taken: hyper drops a body of
    /// known length without polling its end.
    pub(crate) fn new(parts: [Bytes; 3], open: Open, outcome: Outcome) -> Self {
        let mut body = Self { parts, open: Some((open, outcome)) };
        body.settle_at_end();
        body
    }

    fn settle_at_end(&mut self) {
        if self.parts.iter().all(Bytes::is_empty)
            && let Some((open, outcome)) = self.open.take()
        {
            open.settle(outcome);
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let part = self.parts.iter_mut().find(|part| !part.is_empty())?;
        let part = part.split_to(part.len().min(PIECE));
        if let Some((open, _)) = &mut self.open {
            open.sending(part.len());
        }
        self.settle_at_end();
        Some(part)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let next = match self.get_mut() {
            Self::Full(full) => return Poll::Ready(full.next().map(|part| Ok(Frame::data(part)))),
            Self::Stream(stream) => stream.poll_next(cx),
            Self::Raw(raw) => raw.poll_next(cx),
            Self::Pumped(pumped) => pumped.poll_next(cx),
        };
        next.map(|next| next.map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(full) => full.parts.iter().all(Bytes::is_empty),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => {
                SizeHint::with_exact(full.parts.iter().map(|part| part.len() as u64).sum())
            }
            Self::Raw(raw) => raw.size_hint(),
            Self::Stream(_) | Self::Pumped(_) => SizeHint::default(),
        }
    }
}

/// Lets a task drive a stream. On HTTP/2 a body is polled only while its window has room, so nobody
/// would notice that a caller reads no more; the task does, and drops the upstream.
pub(crate) fn pump(mut body: ReplyBody) -> ReplyBody {
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let frame = tokio::select! {
                frame = next => frame,
                () = sender.closed() => return,
            };
            let piece = match frame {
                Some(Ok(frame)) => Piece::Data(frame.into_data().unwrap_or_default()),
                Some(Err(Aborted)) => return,
                None => Piece::End,
            };
            let last = matches!(piece, Piece::End);
            match tokio::time::timeout(UNREAD, sender.send(piece)).await {
                Ok(Ok(())) if !last => {}
                _ => return,
            }
        }
    });
    ReplyBody::Pumped(Pumped { pieces, ended: false })
}

/// Whether a body must be pumped towards an HTTP/2 caller: all but those small enough to be left
/// with hyper.
pub(crate) fn needs_pump(body: &ReplyBody) -> bool {
    const SMALL: u64 = 64 << 10;
    match body {
        ReplyBody::Full(_) => body.size_hint().lower() > SMALL,
        _ => true,
    }
}

/// Adds what every reply says of itself.
pub(crate) fn mark(headers: &mut HeaderMap, record: &mut Exchange) {
    record.catch_up();
    if let Ok(id) = HeaderValue::from_str(&record.id) {
        headers.entry(gateway_anthropic::headers::REQUEST_ID).or_insert_with(|| id.clone());
        headers.insert(X_GATEWAY_REQUEST_ID, id);
    }
    if let (Some(everyone), Some(client)) = (&record.metered, &record.client) {
        gauges::tell(headers, &client.meter, everyone, Timestamp::now());
    }
    if let Some(served) = &record.served {
        headers.insert(X_GATEWAY_PROVIDER, served.provider.name_header.clone());
        if let Ok(model) = HeaderValue::from_str(&served.model) {
            headers.insert(X_GATEWAY_MODEL, model);
        }
        headers.insert(X_GATEWAY_ATTEMPTS, HeaderValue::from(record.attempts));
        headers.insert(X_GATEWAY_CACHE, HeaderValue::from_static("off"));
        let lost = record.losses.header();
        if let Some(lost) = lost.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(X_GATEWAY_FIDELITY, lost);
        }
    }
}

/// A reply of the gateway's own with a JSON body.
pub(crate) fn json(
    status: StatusCode,
    body: impl Into<Bytes>,
    mut open: Open,
) -> Response<ReplyBody> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, JSON);
    open.record().status = status;
    full(status, headers, [body.into(), Bytes::new(), Bytes::new()], open, Outcome::Delivered)
}

/// A reply whose body is all there. `headers` are those to send, without a length.
pub(crate) fn full(
    status: StatusCode,
    mut headers: HeaderMap,
    parts: [Bytes; 3],
    mut open: Open,
    outcome: Outcome,
) -> Response<ReplyBody> {
    let record = open.record();
    record.status = status;
    mark(&mut headers, record);
    let mut reply = Response::new(ReplyBody::Full(FullBody::new(parts, open, outcome)));
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

/// The head of an event stream. Nothing on the way may buffer, transform or compress it (R10).
pub(crate) fn event_stream_head(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// The one place where an error becomes a reply.
pub(crate) fn rescue(err: &ApiError, mut open: Open) -> Response<ReplyBody> {
    let runtime = open.runtime().clone();
    let record = open.record();
    record.fault = Some(runtime.fault_text(err));
    let body = runtime.redactor.mask(&err.to_body(Some(&record.id))).into_owned();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, JSON);
    if let Some(after) = err.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
    if let Some(retry) = err.should_retry() {
        let value = HeaderValue::from_static(if retry { "true" } else { "false" });
        headers.insert(gateway_anthropic::headers::X_SHOULD_RETRY, value);
    }
    full(err.status(), headers, [body.into(), Bytes::new(), Bytes::new()], open, Outcome::Failed)
}

/// Whole seconds, and never too few: whoever is back too early has come for nothing.
fn seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Tells an HTTP/1.1 caller that the connection ends with this reply, because the rest of its
/// request will not be read.
pub(crate) fn close_after(reply: &mut Response<ReplyBody>, version: Version) {
    if version < Version::HTTP_2 {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pumped() -> (mpsc::Sender<Piece>, Pumped) {
        let (sender, pieces) = mpsc::channel(4);
        (sender, Pumped { pieces, ended: false })
    }

    async fn next(pumped: &mut Pumped) -> Option<Result<Bytes, Aborted>> {
        std::future::poll_fn(|cx| pumped.poll_next(cx)).await
    }

    /// R4 on HTTP/2: a pump that gave up, because nobody read or by a fault of its own, is no end.
    #[tokio::test]
    async fn r04_a_pump_that_stops_without_an_end_cuts_the_reply() {
        let (sender, mut body) = pumped();
        sender.send(Piece::Data(Bytes::from_static(b"x"))).await.expect("room");
        drop(sender);
        assert_eq!(next(&mut body).await, Some(Ok(Bytes::from_static(b"x"))));
        assert_eq!(next(&mut body).await, Some(Err(Aborted)));

        let (sender, mut body) = pumped();
        sender.send(Piece::End).await.expect("room");
        drop(sender);
        assert_eq!(next(&mut body).await, None);
        assert_eq!(next(&mut body).await, None);
    }
}
