//! The built-in provider, served as if it were an upstream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_types::{ApiError, Endpoint, ErrorKind};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::attempt::UpBody;

/// Between two events, so that a person sees it stream.
const PACE: Duration = Duration::from_millis(15);

/// Events of the demo, one at a time.
#[derive(Debug)]
pub(crate) struct DemoBody {
    chunks: std::vec::IntoIter<Vec<u8>>,
    pace: Pin<Box<Sleep>>,
}

impl DemoBody {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        std::task::ready!(self.pace.as_mut().poll(cx));
        self.pace.as_mut().reset(Instant::now() + PACE);
        Poll::Ready(self.chunks.next().map(Bytes::from))
    }
}

/// Answers in the place of an upstream.
pub(crate) fn answer(
    endpoint: Endpoint,
    streaming: bool,
    body: &[u8],
    id: &str,
) -> Result<Response<UpBody>, ApiError> {
    let reply = gateway_demo::answer(body, id)
        .map_err(|fault| ApiError::new(ErrorKind::InvalidRequest, fault.0))?;
    let (chunks, kind) = match endpoint {
        Endpoint::CountTokens => {
            let count = gateway_demo::count(body);
            (vec![format!("{{\"input_tokens\":{count}}}").into_bytes()], "application/json")
        }
        Endpoint::Messages if streaming => (reply.to_events(), "text/event-stream"),
        Endpoint::Messages => (vec![reply.to_json()], "application/json"),
    };
    let pace = Box::pin(sleep_until(Instant::now()));
    let mut response = Response::new(UpBody::Demo(DemoBody { chunks: chunks.into_iter(), pace }));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
