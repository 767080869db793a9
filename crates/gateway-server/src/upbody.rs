//! Bodies that come from upstreams.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_upstream::BoxError;
use http_body::Body;
use tokio::time::{Instant, Sleep, sleep_until};

/// An upstream's reply body, whatever it comes from.
#[derive(Debug)]
pub(crate) enum UpBody {
    Wire(gateway_upstream::Body),
    Decoded(gateway_upstream::Decoded),
    /// Made by the gateway itself.
    Paced(PacedBody),
    /// Read already.
    Read(Option<Bytes>),
}

impl UpBody {
    /// The next bytes. Trailers are dropped: no dialect uses them.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            let frame =
                match self {
                    Self::Wire(body) => std::task::ready!(Pin::new(body).poll_frame(cx))
                        .map(|f| f.map_err(Into::into)),
                    Self::Decoded(body) => std::task::ready!(Pin::new(body).poll_frame(cx))
                        .map(|f| f.map_err(Into::into)),
                    Self::Read(bytes) => return Poll::Ready(bytes.take().map(Ok)),
                    Self::Paced(body) => return body.poll_next(cx).map(|next| next.map(Ok)),
                };
            match frame {
                None => return Poll::Ready(None),
                Some(Err(err)) => return Poll::Ready(Some(Err(err))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// [`poll_next`](Self::poll_next) as a future.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Pieces at a steady pace.
#[derive(Debug)]
pub(crate) struct PacedBody {
    pieces: std::vec::IntoIter<Vec<u8>>,
    pace: Duration,
    next: Pin<Box<Sleep>>,
}

impl PacedBody {
    /// The first piece at once, the others `pace` apart.
    pub(crate) fn new(pieces: Vec<Vec<u8>>, pace: Duration) -> Self {
        let next = Box::pin(sleep_until(Instant::now()));
        Self { pieces: pieces.into_iter(), pace, next }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        std::task::ready!(self.next.as_mut().poll(cx));
        self.next.as_mut().reset(Instant::now() + self.pace);
        Poll::Ready(self.pieces.next().map(Bytes::from))
    }
}

/// A body read to its end, or as far as it went.
pub(crate) enum Collected {
    Whole(Bytes),
    /// The beginning of a body that is longer than allowed.
    TooLarge(Bytes),
    Cut(BoxError),
}

/// Reads a body of at most `limit` bytes into one piece, without a copy where it came in one.
pub(crate) async fn collect(mut body: UpBody, limit: usize, expected: Option<usize>) -> Collected {
    let mut whole = BytesMut::new();
    let mut only: Option<Bytes> = None;
    loop {
        match body.next().await {
            Some(Ok(chunk)) => match only.take() {
                None if whole.is_empty() => only = Some(chunk),
                first => {
                    if let Some(first) = first {
                        whole.reserve(expected.unwrap_or(0).min(limit));
                        whole.extend_from_slice(&first);
                    }
                    whole.extend_from_slice(&chunk);
                }
            },
            Some(Err(err)) => return Collected::Cut(err),
            None => return Collected::Whole(only.unwrap_or_else(|| whole.freeze())),
        }
        let len = only.as_ref().map_or(whole.len(), Bytes::len);
        if len > limit {
            return Collected::TooLarge(only.unwrap_or_else(|| whole.freeze()));
        }
    }
}
