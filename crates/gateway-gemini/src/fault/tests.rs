//! Errors as data.

use gateway_types::ErrorKind::{
    Authentication, BadGateway, Billing, InvalidRequest, NotFound, Permission, RateLimited,
    Timeout, TooLarge, UpstreamFailed, UpstreamOverloaded,
};
use serde_json::{Value, json};

use super::*;

fn asked(vertex: bool) -> Asked<'static> {
    let cx = FaultCx { provider: "google", model: "gemini-3-pro", prompt_estimate: 77 };
    Asked { cx, limit: Some(1000), vertex }
}

fn of(status: u16, body: &str) -> Fault {
    let status = StatusCode::from_u16(status).expect("a status");
    read(&asked(false), status, &HeaderMap::new(), body.as_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "it is made in place")]
fn google(code: u16, status: &str, message: &str, details: Value) -> String {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
        .to_string()
}

fn info(reason: &str) -> Value {
    json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
        "domain": "googleapis.com", "metadata": {"service": "x.googleapis.com"}}])
}

#[test]
fn r29_every_error_has_its_kind_its_status_and_its_remedy() {
    let retry =
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]);
    let day = json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}]);
    let wait = Remedy::After(Duration::from_secs(8));
    let none = json!([]);
    for (status, body, kind, shown, remedy) in [
        (
            400,
            google(400, "INVALID_ARGUMENT", "bad", none.clone()),
            InvalidRequest,
            400,
            Remedy::Final,
        ),
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                info("API_KEY_INVALID"),
            ),
            Authentication,
            401,
            Remedy::NextKey,
        ),
        (
            401,
            google(401, "UNAUTHENTICATED", "x", none.clone()),
            Authentication,
            401,
            Remedy::NextKey,
        ),
        (
            403,
            google(403, "PERMISSION_DENIED", "x", none.clone()),
            Permission,
            403,
            Remedy::NextProvider,
        ),
        (
            403,
            google(403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED")),
            Permission,
            403,
            Remedy::UNPAID,
        ),
        (
            403,
            google(
                403,
                "PERMISSION_DENIED",
                "This API method requires billing to be enabled.",
                info("BILLING_DISABLED"),
            ),
            Billing,
            402,
            Remedy::UNPAID,
        ),
        (
            403,
            google(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity).",
                none.clone(),
            ),
            Authentication,
            401,
            Remedy::NextKey,
        ),
        (
            400,
            google(
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
                none.clone(),
            ),
            Permission,
            403,
            Remedy::NextProvider,
        ),
        (404, google(404, "NOT_FOUND", "x", none.clone()), NotFound, 404, Remedy::NextProvider),
        (413, "too large".to_owned(), TooLarge, 413, Remedy::Final),
        (429, google(429, "RESOURCE_EXHAUSTED", "x", retry), RateLimited, 429, wait),
        (429, google(429, "RESOURCE_EXHAUSTED", "x", day), RateLimited, 429, Remedy::TOMORROW),
        (429, google(429, "RESOURCE_EXHAUSTED", "x", none.clone()), RateLimited, 429, Remedy::Same),
        (499, google(499, "CANCELLED", "x", none.clone()), UpstreamFailed, 500, Remedy::Same),
        (500, google(500, "INTERNAL", "x", none.clone()), UpstreamFailed, 500, Remedy::Same),
        (502, "<html><title>Bad</title></html>".to_owned(), UpstreamFailed, 502, Remedy::Same),
        (
            503,
            google(503, "UNAVAILABLE", "The model is overloaded.", none.clone()),
            UpstreamOverloaded,
            529,
            Remedy::Same,
        ),
        (504, google(504, "DEADLINE_EXCEEDED", "x", none), Timeout, 504, Remedy::Same),
        (
            529,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
                .to_string(),
            UpstreamOverloaded,
            529,
            Remedy::Same,
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}})
                .to_string(),
            InvalidRequest,
            400,
            Remedy::Final,
        ),
        (302, String::new(), BadGateway, 502, Remedy::NextProvider),
    ] {
        for body in [body.clone(), format!("[{body}]")] {
            let fault = of(status, &body);
            assert_eq!(fault.error.kind(), kind, "{body}");
            assert_eq!(fault.error.status().as_u16(), shown, "{body}");
            assert_eq!(fault.remedy, remedy, "{body}");
            assert!(fault.error.message().contains("google"), "{}", fault.error);
        }
    }
}

#[test]
fn r29_messages_say_what_to_do() {
    let key =
        of(400, &google(400, "INVALID_ARGUMENT", "API key not valid.", info("API_KEY_INVALID")));
    assert!(key.error.message().starts_with("google refused the key that the gateway has for it"));
    assert_eq!(key.error.should_retry(), Some(false));
    let off = of(403, &google(403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED")));
    assert!(off.error.message().contains("x.googleapis.com is not enabled"), "{}", off.error);
    let missing = google(404, "NOT_FOUND", "Publisher Model `m` was not found", json!([]));
    let missing = read(&asked(true), StatusCode::NOT_FOUND, &HeaderMap::new(), missing.as_bytes());
    assert!(missing.error.message().contains("`global`"), "{}", missing.error);
    let none = of(500, "");
    assert!(none.error.message().ends_with("with an empty body"), "{}", none.error);
    let page = of(502, "<html><style>p{}</style><p>Bad\n gateway</p></html>");
    assert!(page.error.message().ends_with("Bad Gateway: Bad gateway"), "{}", page.error);
}

#[test]
fn an_overflow_is_told_in_the_words_that_clients_know() {
    let text =
        "The input token count (1052012) exceeds the maximum number of tokens allowed (1048576).";
    let fault = of(400, &google(400, "INVALID_ARGUMENT", text, json!([])));
    let told = "prompt is too long: 1052012 tokens > 1048576 maximum";
    assert!(fault.error.message().starts_with(told), "{}", fault.error);
    let text = "The input token count exceeds the maximum number of tokens allowed 32768.";
    let fault = of(400, &google(400, "INVALID_ARGUMENT", text, json!([])));
    assert!(fault.error.message().starts_with("prompt is too long: "), "{}", fault.error);
}

#[test]
fn r22_a_limit_that_was_not_known_is_told_in_the_words_that_clients_know() {
    for text in [
        "Unable to submit request because it has a maxOutputTokens value of 99999 but the supported \
         range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.",
        "max_output_tokens must be in the range [1, 65536].",
    ] {
        let fault = of(400, &google(400, "INVALID_ARGUMENT", text, json!([])));
        let told = fault.error.message();
        assert!(
            told.starts_with("max_tokens: ") && told.contains(" > 65536, which is the maximum")
        );
    }
    let text = "Request payload size exceeds the limit: 20971520 bytes.";
    let fault = of(400, &google(400, "INVALID_ARGUMENT", text, json!([])));
    assert_eq!(fault.error.kind(), TooLarge);
}

#[test]
fn r20_what_is_refused_is_learnt() {
    let unknown = |name: &str| {
        format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at \
        'tools[0].function_declarations[0]': Cannot find field.\nInvalid JSON payload received. \
        Unknown name \"other\""
        )
    };
    for (text, feature) in [
        (unknown("parametersJsonSchema"), Some(Feature::Field("parametersJsonSchema"))),
        (unknown("parameters_json_schema"), Some(Feature::Field("parametersJsonSchema"))),
        (unknown("id"), Some(Feature::Field("id"))),
        (unknown("something"), None),
        (
            "Function call is missing a thought_signature in functionCall parts.".to_owned(),
            Some(Feature::ReasoningState),
        ),
        ("Corrupted thought signature.".to_owned(), Some(Feature::ReasoningState)),
        ("Thought signature is not valid.".to_owned(), Some(Feature::ReasoningState)),
        (
            "Thinking level MINIMAL is not supported for this model.".to_owned(),
            Some(Feature::Value("thinkingLevel")),
        ),
        ("The thinking budget (1) is invalid.".to_owned(), Some(Feature::Value("thinkingBudget"))),
        (
            "Tool use with function calling is unsupported".to_owned(),
            Some(Feature::Field("includeServerSideToolInvocations")),
        ),
        (
            "Function calling with a response mime type: 'application/json' is unsupported"
                .to_owned(),
            Some(Feature::Field("responseMimeType")),
        ),
        (
            "Multimodal function responses are not supported by this model.".to_owned(),
            Some(Feature::Field("parts")),
        ),
    ] {
        let fault = of(400, &google(400, "INVALID_ARGUMENT", &text, json!([])));
        let wanted = feature.map_or(Remedy::Final, Remedy::Without);
        assert_eq!(fault.remedy, wanted, "{text}");
    }
}

#[test]
fn r37_a_wait_may_stand_in_a_header_or_in_parts() {
    let mut head = HeaderMap::new();
    head.insert("retry-after", "3".parse().expect("a value"));
    let body = google(429, "RESOURCE_EXHAUSTED", "x", json!([]));
    let fault = read(&asked(false), StatusCode::TOO_MANY_REQUESTS, &head, body.as_bytes());
    assert_eq!(fault.error.retry_after(), Some(Duration::from_secs(3)));
    for (delay, wanted) in [
        (json!({"seconds": 2, "nanos": 1}), Some(3)),
        (json!("0s"), Some(0)),
        (json!("-1s"), None),
        (json!("soon"), None),
        (json!("1e300s"), None),
    ] {
        let details = json!([{"@type": "x/google.rpc.RetryInfo", "retryDelay": delay}]);
        let fault = of(429, &google(429, "RESOURCE_EXHAUSTED", "x", details));
        assert_eq!(fault.error.retry_after().map(|t| t.as_secs()), wanted, "{delay}");
    }
}

#[test]
fn no_body_makes_it_panic() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "[[]]",
        "7",
        "\"x\"",
        "{\"error\":7}",
        "{\"error\":\"x\"}",
        "{\"error\":{\"details\":[7,{\"@type\":7}]}}",
        "<",
        "<style",
        "\u{feff}{}",
    ] {
        for status in [200, 400, 429, 500, 599] {
            assert!(!of(status, body).error.message().is_empty());
        }
    }
}

#[test]
fn r37_a_limit_rests_as_long_as_google_says() {
    let quota = |ids: &[&str]| {
        let violations: Vec<Value> = ids.iter().map(|id| json!({"quotaId": id})).collect();
        json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}])
    };
    let (wait, free) = (Remedy::After(Duration::from_secs(12)), "FreeTier");
    let day = format!("GenerateRequestsPerDayPerProjectPerModel-{free}");
    for (ids, remedy, account) in [
        (&["GenerateContentInputTokensPerModelPerMinute-FreeTier"][..], wait, false),
        (&["GenerateRequestsPerMinutePerProjectPerModel"], wait, false),
        // Twelve seconds do not bring the next day.
        (&[&*day], Remedy::TOMORROW, false),
        (&["GenerateRequestsPerMinutePerProjectPerModel", &day], Remedy::TOMORROW, false),
        (&["GenerateRequestsPerDayPerProject"], Remedy::TOMORROW, true),
    ] {
        let fault = of(429, &google(429, "RESOURCE_EXHAUSTED", "x", quota(ids)));
        assert_eq!((fault.remedy, fault.account), (remedy, account), "{ids:?}");
    }
    let limited = google(429, "RESOURCE_EXHAUSTED", "x", json!([]));
    for (name, value, remedy, retry) in [
        ("retry-after", "30", Remedy::After(Duration::from_secs(30)), None),
        ("x-should-retry", "false", Remedy::NextProvider, Some(false)),
        ("x-other", "1", Remedy::Same, None),
    ] {
        let mut head = HeaderMap::new();
        head.insert(name, value.parse().expect("a value"));
        let fault = read(&asked(false), StatusCode::TOO_MANY_REQUESTS, &head, limited.as_bytes());
        assert_eq!((fault.remedy, fault.error.should_retry()), (remedy, retry), "{name}");
    }
}

#[test]
fn r37_a_key_is_rejected_only_where_that_is_said() {
    for (status, word, message, details, remedy, account) in [
        (
            400,
            "INVALID_ARGUMENT",
            "API key expired. Please renew the API key.",
            info("API_KEY_EXPIRED"),
            Remedy::NextKey,
            false,
        ),
        (
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
            json!([]),
            Remedy::NextKey,
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Permission 'aiplatform.endpoints.predict' denied on resource",
            json!([]),
            Remedy::NextProvider,
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Your project has been denied access.",
            json!([]),
            Remedy::NextProvider,
            false,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            json!([]),
            Remedy::NextProvider,
            false,
        ),
        // Somebody has to set something up: it rests, it is not gone.
        (403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED"), Remedy::UNPAID, true),
        (403, "PERMISSION_DENIED", "x", info("BILLING_DISABLED"), Remedy::UNPAID, true),
        (404, "NOT_FOUND", "models/x is not found", json!([]), Remedy::NextProvider, false),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (2000) exceeds the maximum number of tokens allowed (1000).",
            json!([]),
            Remedy::Larger,
            false,
        ),
    ] {
        let fault = of(status, &google(status, word, message, details));
        assert_eq!((fault.remedy, fault.account), (remedy, account), "{word} {message}");
    }
}
