//! Limits, keys, rights and money of the vendors: what each means for the next request.

use http::HeaderName;

use super::*;

const DATE: (&str, &str) = ("date", "Sat, 21 Nov 2026 12:00:00 GMT");

fn asked(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
    let head: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let status = StatusCode::from_u16(status).expect("a status");
    short(&read(&CX, LIMIT, status, &head, body.as_bytes()))
}

#[test]
fn r37_a_limit_rests_as_long_as_the_vendor_says() {
    let limit = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
    let after = |millis: u64| format!("429 rate_limit_error, after {millis}ms");
    let none = LIMITED.to_owned();
    for (headers, wanted) in [
        // OpenAI: the pair whose rest is nothing counts.
        (
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-remaining-tokens", "149984"),
                ("x-ratelimit-reset-tokens", "1s"),
            ][..],
            after(360_000),
        ),
        (
            &[("x-ratelimit-remaining-requests", "59"), ("x-ratelimit-reset-requests", "6m0s")],
            none.clone(),
        ),
        (&[("retry-after", "20"), ("x-ratelimit-reset-requests", "6m0s")], after(20_000)),
        // Azure.
        (&[("retry-after-ms", "350"), ("retry-after", "1")], after(350)),
        // Groq, Fireworks: fractions.
        (
            &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "7.66s")],
            after(7660),
        ),
        // OpenRouter: milliseconds since 1970, against its own clock.
        (
            &[DATE, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795262700000")],
            after(300_000),
        ),
        (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795262700000")], none.clone()),
        (&[("x-ratelimit-reset", "soon")], none),
        // Who says that asking again is vain is believed, but for a cooldown.
        (&[("x-should-retry", "false")], "429 rate_limit_error, next provider stop".to_owned()),
        (
            &[("x-should-retry", "false"), ("retry-after", "5")],
            "429 rate_limit_error, next provider stop".to_owned(),
        ),
        (
            &[("x-should-retry", "false"), ("retry-after", "600")],
            "429 rate_limit_error, after 600000ms stop".to_owned(),
        ),
        (&[("x-should-retry", "true")], "429 rate_limit_error, same retry".to_owned()),
    ] {
        assert_eq!(asked(429, headers, limit), wanted, "{headers:?}");
    }
    // Limits are told with every answer: of another failure they say nothing.
    let used_up = &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "9s")];
    assert_eq!(asked(500, used_up, ""), FAILED);
    assert_eq!(asked(503, &[("retry-after", "2")], ""), "529 overloaded_error, after 2000ms");
    assert_eq!(asked(500, &[("x-should-retry", "false")], ""), "500 api_error, next provider stop");
}

#[test]
fn r37_a_key_is_rejected_only_where_that_is_said() {
    let said = |message: &str, code: &str| {
        serde_json::json!({"error": {"message": message, "code": code}}).to_string()
    };
    for (status, message, code, wanted) in [
        (401, "Incorrect API key provided", "invalid_api_key", KEY),
        (401, "", "", KEY),
        (403, "Invalid API key", "", KEY),
        (403, "This API key has been disabled", "", KEY),
        // A place, a firewall, a right, a model: not the key.
        (
            403,
            "Country, region, or territory not supported",
            "unsupported_country_region_territory",
            "403 permission_error, next provider",
        ),
        (
            403,
            "Access denied due to Virtual Network/Firewall rules.",
            "AccessDenied",
            "403 permission_error, next provider",
        ),
        (
            403,
            "You have insufficient permissions for this operation. Missing scopes: model.request.",
            "",
            "403 permission_error, next provider",
        ),
        (403, "Project `p` does not have access to model `m`", "model_not_found", NO_MODEL),
        (403, "Your request was flagged", "content_policy_violation", POLICY),
        // Money: the key rests, it is not gone.
        (
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            SPENT,
        ),
        (402, "Insufficient Balance", "", BILLING),
        (403, "Key limit exceeded (total limit)", "", BILLING),
        (
            402,
            "This request requires more credits, or fewer max_tokens. You can only afford 1200",
            "",
            "402 billing_error, next provider stop",
        ),
        // It will not fit the minute that comes, either.
        (
            429,
            "Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested 140231",
            "rate_limit_exceeded",
            "429 rate_limit_error, next provider stop",
        ),
        (
            413,
            "Request too large for model `x` on tokens per minute (TPM)",
            "rate_limit_exceeded",
            "413 request_too_large, next provider stop",
        ),
        (
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 140231 tokens.",
            "context_length_exceeded",
            TOO_LONG,
        ),
    ] {
        assert_eq!(asked(status, &[], &said(message, code)), wanted, "{status} {message}");
    }
    // Where it says when there will be some again.
    let spent = said("Monthly usage limit reached", "usage_limit_reached");
    assert_eq!(
        asked(429, &[("retry-after", "3600")], &spent),
        "429 billing_error, after 3600000ms for the account stop"
    );
}
