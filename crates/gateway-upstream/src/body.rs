//! Bodies: what is sent, and what comes back.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::error::{BoxError, Error, Phase};
use crate::pool::Lease;

/// A request body.
#[derive(Debug)]
pub enum Outgoing {
    /// Up to three pieces of known length, written in order without being joined. Any may be empty.
    Parts([Bytes; 3]),
    /// An upload passed through as it comes.
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Parts(Default::default())
    }
}

impl From<Bytes> for Outgoing {
    fn from(whole: Bytes) -> Self {
        Self::Parts([whole, Bytes::new(), Bytes::new()])
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Parts(parts) => {
                let next = parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
                Poll::Ready(next.map(|part| Ok(Frame::data(part))))
            }
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.iter().all(Bytes::is_empty),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Parts(parts) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            Self::Stream(body) => body.size_hint(),
        }
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
            // hyper takes a reset without an error code for an end; it is none.
            Poll::Ready(None)
                if matches!(self.lease, Some(Lease::Http2 { .. }))
                    && !self.incoming.is_end_stream() =>
            {
                Poll::Ready(Some(Err(Error::bare(Phase::Reply))))
            }
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
