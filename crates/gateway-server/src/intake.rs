//! Reading a caller's body.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_types::{ApiError, ErrorKind};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use crate::house::Reserved;
use crate::runtime::Runtime;

/// A caller that sends nothing for this long in the middle of its body has gone.
pub(crate) const BODY_STALL: Duration = Duration::from_secs(60);

/// After the first [`BODY_STALL`] a body must have come at least this fast on the whole, in bytes a second: a
/// caller that drips must not hold its place for hours.
const SLOWEST: u64 = 1 << 10;

/// How much of a refused upload is still read, and for how long: a caller that is writing does not
/// look for an answer, and would see a reset connection in its place.
const DRAIN_BYTES: usize = 4 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Memory set aside for an announced body before it comes, in bytes. Recorded bodies of Claude Code
/// are below 200 KB.
const FIRST_ROOM: usize = 1 << 20;

/// A body of unknown length is reserved for in steps of this many bytes.
const STEP: u64 = 64 << 10;

/// Names and values of headers together, in bytes. Those of Claude Code are below 4 KB.
pub(crate) const MAX_HEAD: u32 = 64 << 10;

/// A whole request body and its place under `max_buffered_bytes`.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    /// Given back when the body is let go.
    pub(crate) _reserved: Vec<Reserved>,
}

/// A body as text, for estimates: what is no UTF-8 is replaced. Nearly all are, and to find that out at once is
/// many times as fast as to look for what to replace.
pub(crate) fn text(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    }
}

/// Refuses by the announced length, before a byte is read.
pub(crate) fn check_length(runtime: &Runtime, headers: &HeaderMap) -> Result<(), ApiError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    match (announced, runtime.config.server.max_request_size) {
        (Some(length), Some(limit)) if length > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Refuses a head that is larger than any caller's. Heads up to several times this size are read, so that
/// the refusal can say so.
pub(crate) fn check_head(headers: &HeaderMap) -> Result<(), ApiError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= MAX_HEAD as usize {
        return Ok(());
    }
    let text = format!("the headers of the request are larger than {MAX_HEAD} bytes");
    Err(ApiError::new(ErrorKind::HeadersTooLarge, text).with_should_retry(false))
}

/// Reads the whole body into one piece, within the limits.
pub(crate) async fn read(runtime: &Runtime, body: &mut Incoming) -> Result<Held, ApiError> {
    let limit = runtime.config.server.max_request_size.unwrap_or(u64::MAX);
    let hint = body.size_hint();
    let mut room = hint.exact().unwrap_or(0);
    let mut reserved = vec![reserve(runtime, room)?];

    let mut pace = Pace::default();
    let Some(first) = pace.next(body).await? else {
        return Ok(Held { bytes: Bytes::new(), _reserved: reserved });
    };
    // Most bodies that fit the read buffer come in one frame, and need no copy.
    if body.is_end_stream() && first.len() as u64 <= limit.min(room.max(STEP)) {
        return Ok(Held { bytes: first, _reserved: reserved });
    }
    let expected = usize::try_from(room).unwrap_or(usize::MAX).max(first.len());
    // What is announced is not yet there: a caller must send before much is set aside for it.
    let mut whole = BytesMut::with_capacity(expected.min(FIRST_ROOM).max(first.len()));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        let len = (whole.len() + bytes.len()) as u64;
        if len > limit {
            return Err(too_large(limit));
        }
        while len > room {
            reserved.push(reserve(runtime, STEP)?);
            room += STEP;
        }
        whole.extend_from_slice(&bytes);
        chunk = pace.next(body).await?;
    }
    Ok(Held { bytes: whole.freeze(), _reserved: reserved })
}

/// Keeps reading a refused body for a little while, so that the caller gets to see the answer.
pub(crate) fn drain(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let mut left = DRAIN_BYTES;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                left = left.saturating_sub(len);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = timeout(DRAIN_TIME, reading).await;
    });
}

/// How fast a body comes.
#[derive(Debug, Default)]
struct Pace {
    received: u64,
    /// When it was waited for first.
    began: Option<Instant>,
}

impl Pace {
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, ApiError> {
        loop {
            // Most of a body is there when it is asked for: no clock is read then.
            let there = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
            let frame = match there {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    timeout_at(self.until(), body.frame()).await.map_err(|_| stalled())?
                }
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received += data.len() as u64;
                        return Ok(Some(data));
                    }
                }
                Some(Err(err)) => {
                    let text = "the request body ended before it was whole";
                    return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_source(err));
                }
            }
        }
    }

    /// When the next piece must have come.
    fn until(&mut self) -> Instant {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let on_the_whole = began + BODY_STALL + Duration::from_secs(self.received / SLOWEST);
        on_the_whole.min(now + BODY_STALL)
    }
}

pub(crate) fn reserve(runtime: &Runtime, bytes: u64) -> Result<Reserved, ApiError> {
    runtime.reserve(bytes).ok_or_else(|| {
        let text = "the gateway holds as many request bodies as it may (server.max_buffered_bytes)";
        ApiError::new(ErrorKind::Overloaded, text).with_retry_after(Duration::from_secs(1))
    })
}

pub(crate) fn too_large(limit: u64) -> ApiError {
    let text = format!(
        "the request is larger than this gateway takes: {limit} bytes (server.max_request_size)"
    );
    ApiError::new(ErrorKind::TooLarge, text)
}

pub(crate) fn stalled() -> ApiError {
    ApiError::new(ErrorKind::RequestTimeout, "the request body stopped coming, or comes too slowly")
}
