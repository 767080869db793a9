//! What a request must be before an upstream is asked, as small questions.

use std::time::Duration;

use gateway_router::NoRoute;
use gateway_types::{ApiError, ErrorKind};
use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{StatusCode, Version};

use crate::runtime::{Provider, UpstreamAuth};

pub(crate) fn no_route(fault: &NoRoute) -> ApiError {
    let kind = match fault {
        NoRoute::Private { .. } => ErrorKind::Permission,
        _ => ErrorKind::NotFound,
    };
    ApiError::new(kind, fault.to_string())
}

pub(crate) fn picked(value: &HeaderValue) -> Result<String, ApiError> {
    value.to_str().map(|name| name.trim().to_owned()).map_err(|_| {
        ApiError::new(ErrorKind::InvalidRequest, "x-gateway-provider: not the name of a provider")
    })
}

/// Whether the caller would rather have an error than a loss.
pub(crate) fn strictly(value: Option<&HeaderValue>) -> Result<bool, ApiError> {
    let Some(value) = value else { return Ok(false) };
    match value.to_str().unwrap_or_default().trim() {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => {
            let text = "x-gateway-strict: write 1 or 0";
            Err(ApiError::new(ErrorKind::InvalidRequest, text))
        }
    }
}

/// A provider without a credential is not asked: its refusal would say less than this.
pub(crate) fn credential_present(provider: &Provider) -> Result<(), ApiError> {
    let UpstreamAuth::Missing(variable) = &provider.auth else { return Ok(()) };
    let text = format!("{} has no credential: set {variable}", provider.name);
    Err(ApiError::new(ErrorKind::Authentication, text).with_should_retry(false))
}

/// On HTTP/1.0 a body of unknown length ends with its connection, so a cut one would look whole.
pub(crate) fn can_be_cut(version: Version) -> Result<(), ApiError> {
    if version >= Version::HTTP_11 {
        return Ok(());
    }
    let text = "a stream can't be told safely over HTTP/1.0: use HTTP/1.1 \
                (nginx: `proxy_http_version 1.1`)";
    Err(ApiError::new(ErrorKind::HttpVersion, text))
}

/// A path that is passed on must mean below `api_base` what it says: no dot segments, no empty ones,
/// and no letters hidden behind percent signs, by which it could slip past a route.
pub(crate) fn stays_below_base(path: &str) -> Result<(), ApiError> {
    let hidden = path.as_bytes().windows(3).any(|w| {
        let code =
            std::str::from_utf8(&w[1..]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        w[0] == b'%' && code.is_some_and(|c| c.is_ascii_alphanumeric() || b"-._~/\\".contains(&c))
    });
    let mut segments = path.trim_matches('/').split('/');
    if !hidden && segments.all(|segment| !matches!(segment, "" | "." | "..")) {
        return Ok(());
    }
    let text = "the path must be written plainly: no empty or dot segments, \
                no percent signs for letters, digits, dots or slashes";
    Err(ApiError::new(ErrorKind::InvalidRequest, text))
}

pub(crate) fn has_no_counter(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

pub(crate) fn seconds(value: &HeaderValue) -> Option<Duration> {
    let seconds: f64 = value.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

pub(crate) fn upstream_path(
    provider: &Provider,
    below: &str,
    query: Option<&str>,
) -> Result<PathAndQuery, ApiError> {
    let base = &provider.base_path;
    let path = match query {
        Some(query) => format!("{base}{below}?{query}"),
        None => format!("{base}{below}"),
    };
    path.parse().map_err(|err: http::uri::InvalidUri| {
        ApiError::new(ErrorKind::InvalidRequest, "the path can't be passed on").with_source(err)
    })
}
