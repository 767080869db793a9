//! The body of a reply that is passed through without being looked at.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::ending::Aborted;
use crate::exchange::Open;
use crate::record::Outcome;
use crate::upbody::UpBody;

/// A body on its way through; it ends as the upstream's ends, or is cut where that breaks or falls
/// silent.
pub(crate) struct RawBody {
    body: UpBody,
    left: Option<u64>,
    timer: Pin<Box<Sleep>>,
    last_heard: Instant,
    idle: Duration,
    open: Option<Open>,
    outcome: Outcome,
    /// The body is to be cut; `true` once hyper has had a turn to write what it holds.
    cutting: Option<bool>,
    /// Dropped with the body: whatever of the upload is still going up has no purpose any more.
    _upload: Option<oneshot::Sender<Infallible>>,
}

impl fmt::Debug for RawBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl RawBody {
    /// A body that settles its exchange as `outcome` when all of it has been handed over.
    pub(crate) fn new(
        body: UpBody,
        idle: Duration,
        open: Open,
        outcome: Outcome,
        upload: Option<oneshot::Sender<Infallible>>,
    ) -> Self {
        let now = Instant::now();
        let left = match &body {
            UpBody::Wire(wire) => wire.size_hint().exact(),
            _ => None,
        };
        let timer = Box::pin(sleep_until(now + idle));
        let mut raw = Self {
            body,
            left,
            timer,
            last_heard: now,
            idle,
            open: Some(open),
            outcome,
            cutting: None,
            _upload: upload,
        };
        if left == Some(0) {
            raw.settle(outcome);
        }
        raw
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The next bytes for the caller.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        match self.cutting {
            Some(false) => {
                self.cutting = Some(true);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(true) => return Poll::Ready(Some(Err(Aborted))),
            None => {}
        }
        match self.body.poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.last_heard = Instant::now();
                if let Some(open) = &mut self.open {
                    // Nobody knows whether they are a model's.
                    open.sending(0);
                }
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(chunk.len() as u64);
                    // hyper drops a body of known length without polling its end.
                    if *left == 0 {
                        self.settle(self.outcome);
                    }
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(None) if self.left.is_none_or(|left| left == 0) => {
                self.settle(self.outcome);
                Poll::Ready(None)
            }
            Poll::Ready(None | Some(Err(_))) => self.cut(cx),
            Poll::Pending => loop {
                std::task::ready!(self.timer.as_mut().poll(cx));
                let silent = self.last_heard + self.idle;
                if Instant::now() >= silent {
                    return self.cut(cx);
                }
                self.timer.as_mut().reset(silent);
            },
        }
    }

    fn cut(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        self.settle(Outcome::Broken);
        self.cutting = Some(false);
        self.poll_next(cx)
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(open) = self.open.take() {
            open.settle(outcome);
        }
    }
}
