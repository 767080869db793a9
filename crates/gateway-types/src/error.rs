//! What a caller is told when a request fails.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who is to blame and what a caller may do about it: one variant per error type of the Anthropic
/// Messages API, so that status and type can never disagree.
///
/// Source: the error table of the Messages API reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400 `invalid_request_error`.
    InvalidRequest,
    /// 401 `authentication_error`.
    Authentication,
    /// 402 `billing_error`.
    Billing,
    /// 403 `permission_error`.
    Permission,
    /// 404 `not_found_error`.
    NotFound,
    /// 405 `invalid_request_error`: the path exists, the method does not.
    MethodNotAllowed,
    /// 408 `timeout_error`: the caller took too long to send its request.
    RequestTimeout,
    /// 413 `request_too_large`.
    TooLarge,
    /// 429 `rate_limit_error`.
    RateLimited,
    /// 431 `invalid_request_error`: the header section is too large.
    HeadersTooLarge,
    /// 505 `invalid_request_error`: the answer can't be told safely in this version of HTTP.
    HttpVersion,
    /// 500 `api_error`: the gateway's own fault.
    Internal,
    /// 502 `api_error`: the upstream can't be reached or answers nonsense.
    BadGateway,
    /// 503 `overloaded_error`: the gateway itself has no room.
    Overloaded,
    /// 504 `timeout_error`: the upstream took too long.
    Timeout,
    /// 409 `conflict_error`.
    Conflict,
    /// 500 `api_error`: the upstream's own fault.
    UpstreamFailed,
    /// 529 `overloaded_error`: the upstream has no room.
    UpstreamOverloaded,
    /// 400 `policy_blocked`: a provider's policy forbids it. Claude Code shows the message and does not
    /// ask again, as it would six times after another 400.
    PolicyBlocked,
    /// 429 `billing_error`: money, which no waiting brings back.
    SpendLimit,
}

impl ErrorKind {
    /// The HTTP status that goes with this kind.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::PolicyBlocked => StatusCode::BAD_REQUEST,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::Billing => StatusCode::PAYMENT_REQUIRED,
            Self::Permission => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited | Self::SpendLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Internal | Self::UpstreamFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::UpstreamOverloaded => {
                StatusCode::from_u16(529).expect("a status of three digits is one")
            }
        }
    }

    /// The `error.type` of the Anthropic error body.
    pub fn anthropic_type(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::MethodNotAllowed
            | Self::HeadersTooLarge
            | Self::HttpVersion => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Billing | Self::SpendLimit => "billing_error",
            Self::Conflict => "conflict_error",
            Self::PolicyBlocked => "policy_blocked",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::RequestTimeout | Self::Timeout => "timeout_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_error",
            Self::Internal | Self::BadGateway | Self::UpstreamFailed => "api_error",
            Self::Overloaded | Self::UpstreamOverloaded => "overloaded_error",
        }
    }

    /// The kind a foreign HTTP status is reported as when its body can not be passed on as it is.
    /// The status itself is kept by the caller (a 400 never becomes a 502, behaviour R29).
    pub fn anthropic_type_of(status: StatusCode) -> &'static str {
        match status.as_u16() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            408 | 504 => "timeout_error",
            409 => "conflict_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        }
    }
}

/// An error as the caller is told it.
///
/// `public` is safe to show: no header, no key, no body of another party. What happened inside is
/// the [`source`](std::error::Error::source), which is logged with the exchange's id and never sent.
pub struct ApiError {
    kind: ErrorKind,
    status: Option<StatusCode>,
    public: Cow<'static, str>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    source: Option<BoxError>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'static str,
    message: &'a str,
}

impl ApiError {
    /// An error with the text the caller reads.
    pub fn new(kind: ErrorKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: None,
            public: public.into(),
            retry_after: None,
            should_retry: None,
            source: None,
        }
    }

    /// Keeps the status that an upstream answered with, where it is finer than the kind's own
    /// (a 422 is an `invalid_request_error` too; behaviour R29).
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds what happened inside, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a `retry-after` header. Claude Code waits up to 60 s and gives up at once beyond
    /// (behaviour R36), so choose on purpose.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds an `x-should-retry` header, which overrides what the client would do by status.
    #[must_use]
    pub fn with_should_retry(mut self, retry: bool) -> Self {
        self.should_retry = Some(retry);
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The HTTP status to answer with.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.kind.status())
    }

    /// The text the caller reads.
    pub fn message(&self) -> &str {
        &self.public
    }

    /// How long the caller should wait, if it was told.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The value of `x-should-retry`, if there is one.
    pub fn should_retry(&self) -> Option<bool> {
        self.should_retry
    }

    /// The JSON body: `{"type":"error","error":{"type","message"},"request_id"}`.
    pub fn to_body(&self, request_id: Option<&str>) -> Vec<u8> {
        error_body(self.kind.anthropic_type(), &self.public, request_id)
    }

    /// The same as a complete SSE frame, for a stream whose 200 has already gone out.
    pub fn to_event(&self, request_id: Option<&str>) -> Vec<u8> {
        let mut out = b"event: error\ndata: ".to_vec();
        out.extend_from_slice(&self.to_body(request_id));
        out.extend_from_slice(b"\n\n");
        out
    }
}

/// Renders an Anthropic error body.
pub(crate) fn error_body(kind: &'static str, message: &str, request_id: Option<&str>) -> Vec<u8> {
    let body = Body { r#type: "error", error: Inner { r#type: kind, message }, request_id };
    serde_json::to_vec(&body).expect("strings always serialise")
}

/// Wraps an answer that is not in Anthropic's shape, keeping its status (behaviour R29).
///
/// The first 2 KiB of what the upstream said are kept inside the message.
pub fn wrap_foreign(status: StatusCode, said: &str, request_id: Option<&str>) -> Vec<u8> {
    error_body(ErrorKind::anthropic_type_of(status), said, request_id)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("public", &self.public)
            .field("retry_after", &self.retry_after)
            .field("should_retry", &self.should_retry)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_type_agree_with_the_messages_api() {
        for (kind, status, name) in [
            (ErrorKind::InvalidRequest, 400, "invalid_request_error"),
            (ErrorKind::Authentication, 401, "authentication_error"),
            (ErrorKind::Billing, 402, "billing_error"),
            (ErrorKind::Permission, 403, "permission_error"),
            (ErrorKind::NotFound, 404, "not_found_error"),
            (ErrorKind::TooLarge, 413, "request_too_large"),
            (ErrorKind::RateLimited, 429, "rate_limit_error"),
            (ErrorKind::BadGateway, 502, "api_error"),
            (ErrorKind::Overloaded, 503, "overloaded_error"),
            (ErrorKind::Timeout, 504, "timeout_error"),
        ] {
            assert_eq!(kind.status(), status);
            assert_eq!(kind.anthropic_type(), name);
        }
    }

    #[test]
    fn a_message_with_quotes_and_newlines_stays_one_json_body() {
        let err = ApiError::new(ErrorKind::InvalidRequest, "a \"b\"\n\u{1F600}");
        let body = err.to_body(Some("req_9"));
        let value: serde_json::Value = serde_json::from_slice(&body).expect("valid JSON");
        assert_eq!(value["error"]["message"], "a \"b\"\n\u{1F600}");
        assert_eq!(value["request_id"], "req_9");
        assert!(!body.contains(&b'\n'), "an SSE data line must not be split");
    }

    #[test]
    fn debug_shows_the_source_and_display_does_not() {
        let err =
            ApiError::new(ErrorKind::BadGateway, "upstream unreachable").with_source("dns: x");
        assert_eq!(err.to_string(), "upstream unreachable");
        assert!(format!("{err:?}").contains("dns: x"));
    }
}
