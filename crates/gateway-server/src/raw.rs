//! The body of a reply that is passed through without being looked at.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::attempt::UpBody;
use crate::exchange::{Open, Outcome};
use crate::reply::Aborted;

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
}

impl fmt::Debug for RawBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl RawBody {
    /// A body that settles its exchange as `outcome` when all of it has been handed over.
    pub(crate) fn new(body: UpBody, idle: Duration, open: Open, outcome: Outcome) -> Self {
        let now = Instant::now();
        let left = match &body {
            UpBody::Wire(wire) => wire.size_hint().exact(),
            _ => None,
        };
        let timer = Box::pin(sleep_until(now + idle));
        let mut raw = Self { body, left, timer, last_heard: now, idle, open: Some(open), outcome };
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
        match self.body.poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.last_heard = Instant::now();
                if let Some(open) = &mut self.open {
                    open.sending();
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
            Poll::Ready(None) => {
                self.settle(self.outcome);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => {
                self.settle(Outcome::Broken);
                Poll::Ready(Some(Err(Aborted)))
            }
            Poll::Pending => loop {
                std::task::ready!(self.timer.as_mut().poll(cx));
                let silent = self.last_heard + self.idle;
                if Instant::now() >= silent {
                    self.settle(Outcome::Broken);
                    return Poll::Ready(Some(Err(Aborted)));
                }
                self.timer.as_mut().reset(silent);
            },
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(open) = self.open.take() {
            open.settle(outcome);
        }
    }
}
