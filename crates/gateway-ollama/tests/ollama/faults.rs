//! Errors, and what is to be done about them.

use std::time::Duration;

use gateway_ollama::Ollama;
use gateway_translate::{Egress as _, FaultCx};
use gateway_types::{ErrorKind, Feature, Remedy};
use http::{HeaderMap, StatusCode};

#[test]
fn every_error_says_what_to_do() {
    use ErrorKind as Kind;
    let (kept, same, next) = (Remedy::Final, Remedy::Same, Remedy::NextProvider);
    for (status, body, kind, remedy, words) in [
        (
            404,
            r#"{"error":"model 'qwen3' not found"}"#,
            Kind::NotFound,
            next,
            "run `ollama pull qwen3` there",
        ),
        (
            404,
            r#"{"error":"model \"qwen3\" not found, try pulling it first"}"#,
            Kind::NotFound,
            next,
            "run `ollama pull qwen3` there",
        ),
        (
            404,
            "404 page not found",
            Kind::NotFound,
            next,
            "`api_base` must be Ollama's root, without /v1",
        ),
        (405, "405 method not allowed", Kind::NotFound, next, "`api_base` must be Ollama's root"),
        (
            400,
            r#"{"error":"registry.ollama.ai/library/qwen3 does not support tools"}"#,
            Kind::InvalidRequest,
            Remedy::Without(Feature::Field("tools")),
            "does not support tools",
        ),
        (
            400,
            r#"{"error":"\"qwen3\" does not support thinking"}"#,
            Kind::InvalidRequest,
            Remedy::Without(Feature::Field("think")),
            "does not support thinking",
        ),
        (
            400,
            r#"{"error":"invalid think value: \"max\" (must be \"high\", \"medium\", \"low\", true, or false)"}"#,
            Kind::InvalidRequest,
            Remedy::Without(Feature::Value("think")),
            "invalid think value",
        ),
        (
            400,
            r#"{"error":"the input length exceeds the context length"}"#,
            Kind::InvalidRequest,
            Remedy::Larger,
            "prompt is too long: 5001 tokens > 5000 maximum (`extra.num_ctx`",
        ),
        (
            400,
            r#"{"error":"json: cannot unmarshal array into Go struct field"}"#,
            Kind::InvalidRequest,
            kept,
            "answered 400 Bad Request: json: cannot",
        ),
        (
            500,
            r#"{"error":"model requires more system memory (24.1 GiB) than is available (15.6 GiB)"}"#,
            Kind::UpstreamFailed,
            next,
            "window of 5000 tokens: set a smaller `extra.num_ctx`",
        ),
        (
            500,
            r#"{"error":"llama runner process has terminated: cudaMalloc failed: out of memory"}"#,
            Kind::UpstreamFailed,
            next,
            "not enough memory",
        ),
        (
            500,
            r#"{"error":"llama runner process has terminated: exit status 2"}"#,
            Kind::UpstreamFailed,
            same,
            "exit status 2",
        ),
        (
            503,
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
            Kind::UpstreamOverloaded,
            same,
            "server busy, please try again. maximum",
        ),
        (
            401,
            r#"{"error":"unauthorized"}"#,
            Kind::Authentication,
            Remedy::NextKey,
            "`ollama signin`",
        ),
        (402, r#"{"error":"upgrade for more"}"#, Kind::Billing, Remedy::UNPAID, "upgrade"),
        (
            403,
            r#"{"error":"this model requires a subscription"}"#,
            Kind::Permission,
            next,
            "subscription",
        ),
        (
            429,
            r#"{"error":"you've reached your hourly usage limit"}"#,
            Kind::RateLimited,
            Remedy::After(Duration::from_secs(9)),
            "hourly usage limit",
        ),
        (413, "", Kind::TooLarge, kept, "with an empty body"),
        (504, "<html>", Kind::Timeout, same, "<html>"),
        (
            502,
            r#"{"error":{"message":"proxy"}}"#,
            Kind::UpstreamFailed,
            same,
            "answered 502 Bad Gateway: proxy",
        ),
        (302, "", Kind::BadGateway, next, "check the provider's `api_base`"),
    ] {
        let egress = Ollama { num_ctx: Some(5000), ..Ollama::default() };
        let cx = FaultCx { provider: "local", model: "qwen3", prompt_estimate: 10 };
        let mut head = HeaderMap::new();
        if status == 429 {
            head.insert("retry-after", "9".parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let fault = egress.fault(&cx, status, &head, body.as_bytes());
        assert_eq!((fault.error.kind(), fault.remedy), (kind, remedy), "{status} {body}");
        assert!(fault.error.message().contains(words), "{}", fault.error.message());
    }
    assert!(Feature::Field("think").is_lasting() && !Feature::Value("think").is_lasting());
}

#[test]
fn a_long_error_is_cut_on_a_border() {
    let cx = FaultCx { provider: "local", model: "m", prompt_estimate: 10 };
    let body = "é\n".repeat(5000);
    let fault =
        Ollama::default().fault(&cx, StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes());
    assert!(fault.error.message().chars().count() < 1100 && fault.error.message().ends_with('…'));
}

#[test]
fn r37_limits_keys_and_rights_are_told_apart() {
    let cx = FaultCx { provider: "local", model: "m", prompt_estimate: 10 };
    let after = |seconds| Remedy::After(Duration::from_secs(seconds));
    let hourly = r#"{"error":"you've reached your hourly usage limit"}"#;
    for (status, header, body, remedy, account) in [
        (429, ("retry-after", "9"), hourly, after(9), true),
        (429, ("retry-after", "7200"), hourly, after(7200), true),
        (429, ("x-other", ""), hourly, Remedy::UNPAID, true),
        (429, ("x-other", ""), r#"{"error":"too many concurrent requests"}"#, Remedy::Same, false),
        (429, ("retry-after-ms", "1500"), "{}", Remedy::After(Duration::from_millis(1500)), false),
        (429, ("x-should-retry", "false"), "{}", Remedy::NextProvider, false),
        (503, ("retry-after", "2"), r#"{"error":"server busy"}"#, after(2), false),
        (401, ("x-other", ""), r#"{"error":"unauthorized"}"#, Remedy::NextKey, false),
        (402, ("x-other", ""), "{}", Remedy::UNPAID, true),
        (
            403,
            ("x-other", ""),
            r#"{"error":"this model requires a subscription"}"#,
            Remedy::NextProvider,
            false,
        ),
        (
            400,
            ("x-other", ""),
            r#"{"error":"the input length exceeds the context length"}"#,
            Remedy::Larger,
            false,
        ),
    ] {
        let mut head = HeaderMap::new();
        head.insert(header.0, header.1.parse().expect("a value"));
        let status = StatusCode::from_u16(status).expect("a status");
        let fault = Ollama::default().fault(&cx, status, &head, body.as_bytes());
        assert_eq!((fault.remedy, fault.account), (remedy, account), "{status} {header:?} {body}");
    }
}
