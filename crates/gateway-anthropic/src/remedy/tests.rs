//! Answers as data: what each means for whoever goes on.

use std::time::UNIX_EPOCH;

use gateway_types::Remedy::{After, Final, Larger, NextKey, NextProvider, Same};
use http::{HeaderName, HeaderValue};

use super::Scope::{Account, Model, Request};
use super::*;

/// 2026-11-21T12:00:00Z
const NOON: u64 = 1_795_262_400;

fn ask(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> (Remedy, Scope) {
    let head = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let status = StatusCode::from_u16(status).expect("a status");
    let now = UNIX_EPOCH + Duration::from_secs(NOON);
    let read = remedy(status, &head.collect(), body.as_bytes(), now);
    (read.remedy, read.scope)
}

fn told(kind: &str, message: &str) -> String {
    serde_json::json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}

const fn secs(seconds: u64) -> Remedy {
    After(Duration::from_secs(seconds))
}

#[test]
fn r37_what_the_body_says() {
    let invalid = "invalid_request_error";
    for (status, kind, message, wanted) in [
        (401, "authentication_error", "invalid x-api-key", (NextKey, Account)),
        (401, "", "", (NextKey, Account)),
        // A 403 is mostly no matter of the key.
        (
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource",
            (Final, Request),
        ),
        (403, "forbidden", "Request not allowed", (Final, Request)),
        (403, "policy_blocked", "blocked by a moderation policy", (Final, Request)),
        (
            403,
            "",
            "<html>Sorry, you have been blocked: this region is not supported</html>",
            (Final, Request),
        ),
        (
            403,
            "permission_error",
            "OAuth token has been revoked. Please obtain a new token.",
            (NextKey, Account),
        ),
        (403, "permission_error", "This API key has been disabled.", (NextKey, Account)),
        (400, invalid, "Invalid API key", (NextKey, Account)),
        (400, invalid, "x-api-key: the key has expired", (NextKey, Account)),
        (403, "permission_error", "The access token has expired.", (NextKey, Account)),
        // A credential of the caller's, in the body.
        (
            400,
            invalid,
            "mcp_servers.0: Authentication error: the access token expired. Check your authorization_token.",
            (Final, Request),
        ),
        (400, invalid, "MCP server 'x': invalid credentials", (Final, Request)),
        (403, invalid, "mcp_servers: OAuth token is invalid", (Final, Request)),
        (
            403,
            "permission_error",
            "OAuth authentication is currently not allowed for this organization.",
            (NextKey, Account),
        ),
        (400, invalid, "This organization has been disabled.", (NextKey, Account)),
        // Money comes back when somebody pays.
        (
            400,
            invalid,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            (secs(900), Account),
        ),
        (402, "billing_error", "x", (secs(900), Account)),
        (402, "", "Payment Required", (secs(900), Account)),
        (
            429,
            "billing_error",
            "The spend limit of this workspace has been reached.",
            (secs(900), Account),
        ),
        (
            400,
            invalid,
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
            (secs(9 * 86_400 + 43_200), Account),
        ),
        (
            400,
            invalid,
            "You have reached your specified API usage limits. You will regain access on 2026-11-22.",
            (secs(43_200), Account),
        ),
        (400, invalid, "You will regain access on payday", (Final, Request)),
        // A limit whose headers say nothing is one of the moment.
        (
            429,
            "rate_limit_error",
            "This request would exceed the rate limit for your organization (8b0e) of 40,000 input tokens per minute.",
            (Same, Model),
        ),
        (
            429,
            "rate_limit_error",
            "This request would exceed your account's rate limit. Please try again later.",
            (Same, Account),
        ),
        (
            429,
            "rate_limit_error",
            "Extra usage is required for long context requests.",
            (NextProvider, Request),
        ),
        (429, "", "", (Same, Model)),
        // Their trouble.
        (408, "timeout_error", "x", (Same, Model)),
        (500, "api_error", "Internal server error", (Same, Model)),
        (502, "", "<html>bad gateway</html>", (Same, Model)),
        (504, "timeout_error", "x", (Same, Model)),
        (529, "overloaded_error", "Overloaded", (Same, Model)),
        // The caller's.
        (400, invalid, "max_tokens: Field required", (Final, Request)),
        (
            400,
            invalid,
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            (Final, Request),
        ),
        (
            400,
            invalid,
            "input length and `max_tokens` exceed context limit: 100000 + 128000 > 200000",
            (Final, Request),
        ),
        (404, "not_found_error", "model: claude-9", (Final, Request)),
        (405, "", "", (Final, Request)),
        (409, "conflict_error", "x", (Final, Request)),
        (413, "request_too_large", "Request exceeds the maximum size", (Final, Request)),
        (422, invalid, "x", (Final, Request)),
        // A larger window may take it.
        (400, invalid, "prompt is too long: 210000 tokens > 200000 maximum", (Larger, Request)),
        (413, "request_too_large", "Prompt is too long", (Larger, Request)),
        (400, invalid, "capability_rejected: prompt_too_long", (Larger, Request)),
        (400, "", "This model's maximum context length is 65536 tokens.", (Larger, Request)),
        (422, "", "the request exceeds the available context size", (Larger, Request)),
        (
            429,
            "rate_limit_error",
            "prompt is too long for what is left of your tokens",
            (Same, Model),
        ),
    ] {
        let body = if kind.is_empty() { message.to_owned() } else { told(kind, message) };
        assert_eq!(ask(status, &[], &body), wanted, "{status} {body}");
    }
}

#[test]
fn r36_r37_what_the_headers_say() {
    let tokens = "anthropic-ratelimit-input-tokens-reset";
    let left = "anthropic-ratelimit-input-tokens-remaining";
    let (unified, reset) =
        ("anthropic-ratelimit-unified-status", "anthropic-ratelimit-unified-reset");
    let claim = "anthropic-ratelimit-unified-representative-claim";
    let never = ("x-should-retry", "false");
    for (status, headers, wanted) in [
        (429, &[("retry-after", "7")][..], (secs(7), Model)),
        (
            429,
            &[("retry-after", "7"), ("retry-after-ms", "1500")],
            (After(Duration::from_millis(1500)), Model),
        ),
        (429, &[("retry-after", "Sat, 21 Nov 2026 12:01:30 GMT")], (secs(90), Model)),
        (429, &[("retry-after", "soon")], (Same, Model)),
        (429, &[(tokens, "2026-11-21T12:00:12Z"), (left, "0")], (secs(12), Model)),
        // Refused for another reason than this limit, which has room.
        (429, &[(tokens, "2026-11-21T12:00:12Z"), (left, "800")], (Same, Model)),
        (429, &[("x-ratelimit-reset", "1795262430")], (secs(30), Model)),
        (429, &[("x-ratelimit-reset-requests", "1m1s")], (secs(61), Model)),
        (429, &[(unified, "rejected"), (reset, "1795266000")], (secs(3600), Account)),
        (
            429,
            &[(unified, "rejected"), (reset, "1795266000"), (claim, "five_hour")],
            (secs(3600), Account),
        ),
        (
            429,
            &[(unified, "rejected"), (reset, "1795266000"), (claim, "seven_day_opus")],
            (secs(3600), Model),
        ),
        (429, &[(unified, "rejected"), ("retry-after", "30")], (secs(30), Account)),
        (429, &[(unified, "allowed"), (reset, "1795266000")], (Same, Model)),
        (529, &[("retry-after", "3")], (secs(3), Model)),
        (503, &[("retry-after", "3")], (secs(3), Model)),
        // Who says that it is vain is believed; a cooldown stays one.
        (429, &[never], (NextProvider, Model)),
        (429, &[never, ("retry-after", "7")], (NextProvider, Model)),
        (429, &[never, ("retry-after", "3600")], (secs(3600), Model)),
        (500, &[never], (NextProvider, Model)),
        (401, &[never], (NextKey, Account)),
        (400, &[never], (Final, Request)),
        (400, &[("x-should-retry", "true")], (Final, Request)),
        (500, &[("x-should-retry", "true")], (Same, Model)),
        (402, &[("retry-after", "60")], (secs(60), Account)),
        (404, &[("retry-after", "60")], (Final, Request)),
    ] {
        assert_eq!(ask(status, headers, "{}"), wanted, "{status} {headers:?}");
    }
}

#[test]
fn r37_recorded_error_bodies_mean_what_their_status_says() {
    for (status, body) in gateway_testkit::fixtures::error_bodies() {
        let body = String::from_utf8_lossy(&body);
        let (by_answer, _) = ask(status, &[], &body);
        let Shape::Anthropic { kind, message } = shape(body.as_bytes()) else { continue };
        let by_event = remedy_of_event(&kind, &message).remedy;
        assert_eq!(by_event, by_answer, "{status} {body}");
    }
}

#[test]
fn r37_events_in_a_stream_mean_what_answers_mean() {
    for (kind, message, wanted) in [
        ("overloaded_error", "Overloaded", (Same, Model)),
        ("api_error", "Internal server error", (Same, Model)),
        ("timeout_error", "x", (Same, Model)),
        ("rate_limit_error", "Number of tokens has exceeded your limit", (Same, Model)),
        (
            "rate_limit_error",
            "This request would exceed your account's rate limit.",
            (Same, Account),
        ),
        ("billing_error", "x", (secs(900), Account)),
        ("authentication_error", "x", (NextKey, Account)),
        ("permission_error", "x", (Final, Request)),
        ("not_found_error", "x", (Final, Request)),
        ("invalid_request_error", "x", (Final, Request)),
        ("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum", (Larger, Request)),
        ("what_is_this", "x", (Same, Model)),
        ("", "", (Same, Model)),
    ] {
        let read = remedy_of_event(kind, message);
        assert_eq!((read.remedy, read.scope), wanted, "{kind} {message}");
    }
}
