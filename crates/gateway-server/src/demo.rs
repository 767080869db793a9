//! The built-in provider, served as if it were an upstream.

use std::time::Duration;

use gateway_types::{ApiError, Endpoint, ErrorKind};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::upbody::{PacedBody, UpBody};

/// Between two events, so that a person sees it stream.
const PACE: Duration = Duration::from_millis(15);

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
    let mut response = Response::new(UpBody::Paced(PacedBody::new(chunks, PACE)));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
