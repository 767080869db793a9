//! Bodies: what is sent, and what comes back.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::Lease;
use crate::error::{Error, Phase};

/// A request body in up to three pieces of known length, written in order without being joined.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    parts: [Bytes; 3],
    next: usize,
}

impl Parts {
    /// The pieces in order. Any may be empty.
    pub fn new(parts: [Bytes; 3]) -> Self {
        Self { parts, next: 0 }
    }

    /// Bytes not yet taken.
    pub fn len(&self) -> u64 {
        self.parts[self.next.min(3)..].iter().map(|part| part.len() as u64).sum()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Parts {
    fn from(whole: Bytes) -> Self {
        Self::new([whole, Bytes::new(), Bytes::new()])
    }
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.next < self.parts.len() {
            let at = self.next;
            self.next += 1;
            let part = std::mem::take(&mut self.parts[at]);
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

/// A reply body as it comes off the wire. Its end returns the connection to the pool; dropping it
/// before that closes the connection (HTTP/1.1) or resets the stream (HTTP/2), which tells the
/// upstream to stop working.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self { incoming, lease: Some(lease) };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if http_body::Body::is_end_stream(&self.incoming) {
            self.release();
        }
    }

    fn release(&mut self) {
        // A shared connection's stream is given back by the drop of its slot.
        if let Some(Lease::Http1 { sender, pool }) = self.lease.take() {
            pool.put(sender);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(err))) => Poll::Ready(Some(Err(Error::new(Phase::Reply, err)))),
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
