//! A request body that goes up as it comes.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_types::{ApiError, ErrorKind};
use gateway_upstream::BoxError;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::intake::{self, BODY_STALL};

/// Passes a caller's body on within the limits. It fails, and thereby ends the attempt, when the body
/// is too large or stops coming, or when the reply has ended without waiting for it.
pub(crate) struct Upload {
    body: Option<Incoming>,
    left: u64,
    limit: u64,
    timer: Pin<Box<Sleep>>,
    last: Instant,
    verdict: Verdict,
    wanted: oneshot::Receiver<Infallible>,
}

/// Why an upload failed, for whoever sees only that the attempt did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<OnceLock<ErrorKind>>);

impl Verdict {
    /// The error that the caller is to be told, if it was the caller's upload that failed.
    pub(crate) fn read(&self, limit: u64) -> Option<ApiError> {
        match self.0.get()? {
            ErrorKind::TooLarge => Some(intake::too_large(limit)),
            _ => Some(intake::stalled()),
        }
    }
}

impl Upload {
    /// An upload of at most `limit` bytes. It is given up when the sender is dropped.
    pub(crate) fn new(body: Incoming, limit: u64) -> (Self, Verdict, oneshot::Sender<Infallible>) {
        let (keep, wanted) = oneshot::channel();
        let verdict = Verdict::default();
        let now = Instant::now();
        let upload = Self {
            body: Some(body),
            left: limit,
            limit,
            timer: Box::pin(sleep_until(now + BODY_STALL)),
            last: now,
            verdict: verdict.clone(),
            wanted,
        };
        (upload, verdict, keep)
    }

    fn fail(&mut self, kind: ErrorKind) -> BoxError {
        let _ = self.verdict.0.set(kind);
        if let Some(rest) = self.body.take() {
            intake::drain(rest);
        }
        "the upload was refused".into()
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if Pin::new(&mut this.wanted).poll(cx).is_ready() {
            this.body = None;
            return Poll::Ready(Some(Err("the reply has ended".into())));
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.last = Instant::now();
                match this.left.checked_sub(len) {
                    Some(left) => {
                        this.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Err(this.fail(ErrorKind::TooLarge)))),
                }
            }
            Poll::Ready(Some(Err(err))) => Poll::Ready(Some(Err(err.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => loop {
                std::task::ready!(this.timer.as_mut().poll(cx));
                let silent = this.last + BODY_STALL;
                if Instant::now() >= silent {
                    return Poll::Ready(Some(Err(this.fail(ErrorKind::RequestTimeout))));
                }
                this.timer.as_mut().reset(silent);
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
