mod limits;

use http::HeaderValue;

use super::*;

const CX: FaultCx<'static> = FaultCx { provider: "up", model: "gpt-5", prompt_estimate: 150_000 };
const LIMIT: Option<u64> = Some(128_000);

fn told(status: u16, body: &str) -> Fault {
    let status = StatusCode::from_u16(status).expect("a status");
    read(&CX, LIMIT, status, &HeaderMap::new(), body.as_bytes())
}

/// Status, type, remedy, `x-should-retry` and the text.
fn short(fault: &Fault) -> String {
    let remedy = match fault.remedy {
        Remedy::Same => "same".to_owned(),
        Remedy::After(after) => format!("after {}ms", after.as_millis()),
        Remedy::Without(Feature::ReasoningState) => "without reasoning".to_owned(),
        Remedy::Without(feature) => format!("without {feature:?}"),
        Remedy::NextKey => "next key".to_owned(),
        Remedy::NextProvider => "next provider".to_owned(),
        Remedy::Again => "again".to_owned(),
        Remedy::Larger => "larger".to_owned(),
        Remedy::Final => "final".to_owned(),
    };
    let retry = match fault.error.should_retry() {
        Some(true) => " retry",
        Some(false) => " stop",
        None => "",
    };
    let account = if fault.account { " for the account" } else { "" };
    let (error, kind) = (&fault.error, fault.error.kind().anthropic_type());
    format!("{} {kind}, {remedy}{account}{retry}", error.status().as_u16())
}

const INVALID: &str = "400 invalid_request_error, final stop";
const POLICY: &str = "400 policy_blocked, final stop";
const ANSWER: &str = "400 invalid_request_error, final";
const TOO_LONG: &str = "400 invalid_request_error, larger";
const KEY: &str = "401 authentication_error, next key stop";
const SPENT: &str = "429 billing_error, after 900000ms for the account stop";
const BILLING: &str = "402 billing_error, after 900000ms for the account stop";
const STATE: &str = "400 invalid_request_error, without reasoning stop";
const LIMITED: &str = "429 rate_limit_error, same";
const OVERLOADED: &str = "529 overloaded_error, same";
const TIMEOUT: &str = "504 timeout_error, same";
const FAILED: &str = "500 api_error, same";
const NO_MODEL: &str = "404 not_found_error, next provider";

/// Bodies as servers send them: status, body, what is made of it, words that stay.
const BODIES: &[(u16, &str, &str, &str)] = &[
    // OpenAI.
    (
        400,
        r#"{"error":{"message":"Unknown parameter: 'foo'.","type":"invalid_request_error","param":"foo","code":"unknown_parameter"}}"#,
        INVALID,
        "Unknown parameter: 'foo'.",
    ),
    (
        400,
        r#"{"error":{"message":"Unsupported parameter: 'temperature' is not supported with this model.","type":"invalid_request_error","param":"temperature","code":null}}"#,
        INVALID,
        "'temperature'",
    ),
    (
        400,
        r#"{"error":{"message":"Invalid 'input': string too long. Expected a string with maximum length 10485760, but got a string with length 10485761 instead.","type":"invalid_request_error","param":"input","code":"string_above_max_length"}}"#,
        INVALID,
        "10485761",
    ),
    (
        400,
        r#"{"error":{"message":"max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you provided 128000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}"#,
        ANSWER,
        "max_tokens: 128000 > 16384, which is the maximum",
    ),
    (
        400,
        r#"{"error":{"message":"Your input exceeds the context window of this model. Please adjust your input and try again.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
        TOO_LONG,
        "prompt is too long: 150000 tokens > 128000 maximum",
    ),
    (
        400,
        r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 140231 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        TOO_LONG,
        "prompt is too long: 140231 tokens > 128000 maximum",
    ),
    (
        400,
        r#"{"error":{"message":"The encrypted content gAAA...xY== could not be verified. Reason: Encrypted content could not be decrypted or parsed.","type":"invalid_request_error","param":null,"code":"invalid_encrypted_content"}}"#,
        STATE,
        "could not be verified",
    ),
    (
        400,
        r#"{"error":{"message":"Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 100000, but got 128000 instead.","type":"invalid_request_error","param":"max_output_tokens","code":"integer_above_max_value"}}"#,
        ANSWER,
        "max_tokens: 128000 > 100000, which is the maximum",
    ),
    (
        400,
        r#"{"error":{"message":"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model","type":"invalid_request_error"}}"#,
        ANSWER,
        "max_tokens: 8193 > 8192, which is the maximum",
    ),
    (
        400,
        r#"{"error":{"message":"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]","type":"invalid_request_error"}}"#,
        ANSWER,
        "max_tokens: 8193 > 8192, which is the maximum",
    ),
    (
        400,
        r#"{"error":{"message":"Encrypted content is not supported with this model.","type":"invalid_request_error","param":"include","code":null}}"#,
        "400 invalid_request_error, without Field(\"include\") stop",
        "Encrypted content",
    ),
    (
        400,
        r#"{"error":{"message":"Item 'rs_1' of type 'reasoning' was provided without its required following item.","type":"invalid_request_error","param":"input","code":null}}"#,
        STATE,
        "rs_1",
    ),
    (
        404,
        r#"{"error":{"message":"Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.","type":"invalid_request_error","param":"input","code":null}}"#,
        "404 invalid_request_error, without reasoning stop",
        "rs_1",
    ),
    (
        400,
        r#"{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","type":"invalid_request_error","param":null,"code":"invalid_prompt"}}"#,
        POLICY,
        "flagged",
    ),
    (
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-***. You can find your API key at https://platform.openai.com.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        KEY,
        "up refused the key that the gateway has for it",
    ),
    (
        401,
        r#"{"error":{"message":"You didn't provide an API key.","type":"invalid_request_error"}}"#,
        KEY,
        "refused the key that the gateway has",
    ),
    (
        403,
        r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}"#,
        "403 permission_error, next provider",
        "territory",
    ),
    (
        403,
        r#"{"error":{"message":"Project `p` does not have access to model `m`","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        NO_MODEL,
        "does not have access",
    ),
    (
        404,
        r#"{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        NO_MODEL,
        "gpt-9",
    ),
    (
        404,
        r#"{"error":{"message":"Invalid URL (POST /v1/v1/responses)","type":"invalid_request_error"}}"#,
        NO_MODEL,
        "Invalid URL",
    ),
    (
        409,
        r#"{"error":{"message":"Conflict","type":"conflict"}}"#,
        "409 conflict_error, same",
        "Conflict",
    ),
    (
        413,
        r#"{"error":{"message":"Request body too large"}}"#,
        "413 request_too_large, final",
        "too large",
    ),
    (
        415,
        r#"{"error":{"message":"Unsupported content type"}}"#,
        "415 invalid_request_error, final stop",
        "content type",
    ),
    (
        429,
        r#"{"error":{"message":"Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 1.2s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        "429 rate_limit_error, after 1200ms",
        "30000",
    ),
    (
        429,
        r#"{"error":{"message":"Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested 140231. The input or output tokens must be reduced.","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "429 rate_limit_error, next provider stop",
        "140231",
    ),
    (
        429,
        r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        SPENT,
        "quota",
    ),
    (
        429,
        r#"{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}"#,
        SPENT,
        "limit",
    ),
    (
        500,
        r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#,
        FAILED,
        "had an error",
    ),
    (
        503,
        r#"{"error":{"message":"The engine is currently overloaded","type":"server_error","param":null,"code":"server_is_overloaded"}}"#,
        OVERLOADED,
        "overloaded",
    ),
    (
        503,
        r#"{"error":{"message":"Slow down","type":"service_unavailable_error","code":"slow_down"}}"#,
        OVERLOADED,
        "Slow down",
    ),
    // Azure.
    (
        400,
        r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#,
        POLICY,
        "content management policy",
    ),
    (
        401,
        r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
        KEY,
        "subscription key",
    ),
    (
        404,
        r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
        NO_MODEL,
        "deployment",
    ),
    (
        429,
        r#"{"error":{"code":"429","message":"Requests to the Creation Operation have exceeded token rate limit. Please retry after 26 seconds."}}"#,
        "429 rate_limit_error, after 26000ms",
        "token rate limit",
    ),
    // OpenRouter.
    (
        402,
        r#"{"error":{"message":"This request requires more credits, or fewer max_tokens.","code":402}}"#,
        "402 billing_error, next provider stop",
        "credits",
    ),
    (
        403,
        r#"{"error":{"code":403,"message":"Input flagged","metadata":{"reasons":["violence"],"error_type":"content_policy_violation"}}}"#,
        POLICY,
        "flagged",
    ),
    (
        502,
        r#"{"error":{"code":502,"message":"Provider returned error","metadata":{"error_type":"provider_unavailable","raw":"{\"error\":{\"message\":\"upstream broke\"}}"}}}"#,
        "502 api_error, same",
        "Provider returned error: upstream broke",
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"This endpoint's maximum context length is 65536 tokens. However, you requested about 70000 tokens (38000 of text input, 32000 in the output).","metadata":{"error_type":"context_length_exceeded"}}}"#,
        ANSWER,
        "input length and `max_tokens` exceed context limit: 38000 + 32000 > 65536",
    ),
    (
        503,
        r#"{"error":{"code":503,"message":"No instances","metadata":{"error_type":"provider_overloaded"},"availability":{"retryable":true,"retry_after":7}}}"#,
        "529 overloaded_error, after 7000ms",
        "No instances",
    ),
    (
        429,
        r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"m:free is temporarily rate-limited upstream."}}}"#,
        LIMITED,
        "temporarily rate-limited",
    ),
    // FastAPI and what is built on it.
    (
        422,
        r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"Input should be 'user'","type":"literal_error"}]}"#,
        "422 invalid_request_error, final stop",
        "body.messages.0.role: Input should be 'user'",
    ),
    (
        422,
        r#"{"detail":[{"loc":["body","user"],"msg":"String should have at most 64 characters","type":"string_too_long"}]}"#,
        "422 invalid_request_error, final stop",
        "body.user",
    ),
    (404, r#"{"detail":"Not Found"}"#, NO_MODEL, "Not Found"),
    // vLLM.
    (
        400,
        r#"{"object":"error","message":"This model's maximum context length is 32768 tokens. However, you requested 40000 tokens (39000 in the messages, 1000 in the completion).","type":"BadRequestError","param":null,"code":400}"#,
        TOO_LONG,
        "prompt is too long: 39000 tokens > 32768 maximum",
    ),
    (
        400,
        r#"{"error":{"message":"As of transformers v4.44, default chat template is no longer allowed","type":"BadRequestError","param":null,"code":400}}"#,
        INVALID,
        "chat template",
    ),
    (
        404,
        r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}}"#,
        NO_MODEL,
        "does not exist",
    ),
    // llama.cpp.
    (
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":20000,"n_ctx":8192}}"#,
        TOO_LONG,
        "prompt is too long: 20000 tokens > 8192 maximum",
    ),
    (
        503,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        OVERLOADED,
        "Loading model",
    ),
    // Ollama.
    (
        404,
        r#"{"error":"model \"x\" not found, try pulling it first"}"#,
        NO_MODEL,
        "try pulling it first",
    ),
    (
        400,
        r#"{"error":{"message":"invalid image input","type":"invalid_request_error","param":null,"code":null}}"#,
        INVALID,
        "invalid image input",
    ),
    (500, r#"{"error":"llama runner process has terminated"}"#, FAILED, "terminated"),
    // Groq.
    (
        400,
        r#"{"error":{"message":"property 'x' is unsupported","type":"invalid_request_error"}}"#,
        INVALID,
        "property 'x'",
    ),
    (
        400,
        r#"{"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=x"}}"#,
        INVALID,
        "Failed to call",
    ),
    (
        413,
        r#"{"error":{"message":"Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "413 request_too_large, next provider stop",
        "Limit 6000",
    ),
    (
        498,
        r#"{"error":{"message":"Flex tier capacity exceeded","type":"capacity_exceeded"}}"#,
        "498 invalid_request_error, final stop",
        "capacity",
    ),
    // DeepSeek, Kimi, MiniMax, Z.ai, Gemini's face.
    (
        402,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
        BILLING,
        "Insufficient Balance",
    ),
    (
        400,
        r#"{"error":{"message":"The reasoning_content in the thinking mode must be passed back to the API.","type":"invalid_request_error"}}"#,
        INVALID,
        "passed back",
    ),
    (
        429,
        r#"{"error":{"message":"Your account is suspended, please recharge","type":"exceeded_current_quota_error"}}"#,
        SPENT,
        "recharge",
    ),
    (
        429,
        r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}"#,
        OVERLOADED,
        "overloaded",
    ),
    (
        500,
        r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
        BILLING,
        "insufficient balance",
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
        KEY,
        "API key not valid",
    ),
    (
        429,
        r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan. Please retry in 4.5s.","status":"RESOURCE_EXHAUSTED"}}]"#,
        "429 rate_limit_error, after 4500ms",
        "quota",
    ),
    // Proxies and worse.
    (400, r#"{"message":"bad things"}"#, INVALID, "bad things"),
    (
        400,
        r#"{"success":false,"errors":[{"code":10001,"message":"no route"}]}"#,
        INVALID,
        "no route",
    ),
    (
        403,
        "<!DOCTYPE html><html><head><title>Access denied</title><style>p{color:red}</style></head><body><p>Blocked\nby rule</p></body></html>",
        "403 permission_error, next provider",
        "Access denied Blocked by rule",
    ),
    (
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body></html>",
        "502 api_error, same",
        "502 Bad Gateway",
    ),
    (500, "upstream connect error", FAILED, "upstream connect error"),
    (520, "", "520 api_error, same", "empty body"),
    (504, "error code: 504", TIMEOUT, "504"),
    (408, "", TIMEOUT, "408"),
    (529, "{}", OVERLOADED, "529"),
    (400, "null", INVALID, "400"),
    (400, "{\"error\":{}}", INVALID, "400"),
    (404, "404 page not found", NO_MODEL, "page not found"),
    (401, "invalid x-api-key header", KEY, "invalid API key header"),
    (302, "", "502 api_error, next provider", "base URL"),
];

#[test]
fn r29_every_body_keeps_its_words_and_gets_its_meaning() {
    for (status, body, wanted, words) in BODIES {
        let fault = told(*status, body);
        assert_eq!(short(&fault), *wanted, "{status} {body}");
        let text = fault.error.message();
        assert!(text.contains(words), "{status} {body}: {text}");
        assert!(text.contains("up"), "names the provider: {text}");
        assert!(!text.to_ascii_lowercase().contains("x-api-key"), "{text}");
        assert!(!text.contains(['\n', '\r']) && !text.contains("</"), "{text}");
    }
}

#[test]
fn overflow_texts_begin_as_the_client_expects() {
    for (status, body, _, words) in BODIES {
        if words.starts_with("prompt is too long")
            || words.starts_with("input length")
            || words.starts_with("max_tokens: ")
        {
            let fault = told(*status, body);
            assert!(fault.error.message().starts_with(words), "{}", fault.error.message());
        }
    }
    // Nothing is known but that it was too long.
    let body = br#"{"error":{"code":"context_length_exceeded","message":"Too long."}}"#;
    let fault = read(&CX, None, StatusCode::BAD_REQUEST, &HeaderMap::new(), body);
    assert!(
        fault.error.message().starts_with("prompt is too long: 150000 tokens > 149999 maximum")
    );
}

#[test]
fn errors_inside_a_200_are_judged_by_their_words() {
    for (error, wanted) in [
        (r#"{"code":"server_error","message":"x"}"#, FAILED),
        (
            r#"{"code":"rate_limit_exceeded","message":"Please try again in 20s"}"#,
            "429 rate_limit_error, after 20000ms",
        ),
        (r#"{"code":"insufficient_quota","message":"x"}"#, BILLING),
        (r#"{"code":"invalid_prompt","message":"x"}"#, POLICY),
        (r#"{"code":"bio_policy","message":"x"}"#, POLICY),
        (r#"{"code":"invalid_image_format","message":"x"}"#, INVALID),
        (r#"{"code":"server_is_overloaded","message":"x"}"#, OVERLOADED),
        (r#"{"code":"context_length_exceeded","message":"x"}"#, TOO_LONG),
        (r#"{"code":"invalid_encrypted_content","message":"x"}"#, STATE),
        (r#"{"type":"invalid_request_error","message":"x"}"#, INVALID),
        (r#"{"type":"authentication_error","message":"x"}"#, KEY),
        (r#"{"type":"permission_error","message":"x"}"#, "403 permission_error, next provider"),
        (r#"{"type":"timeout","message":"x"}"#, TIMEOUT),
        (
            r#"{"code":502,"message":"x","metadata":{"error_type":"provider_unavailable"}}"#,
            "502 api_error, same",
        ),
        (r#"{"code":"429","message":"x"}"#, LIMITED),
        (r#"{"code":404,"message":"x"}"#, NO_MODEL),
        (r#"{"error":{"code":503,"message":"x"}}"#, OVERLOADED),
        (r#"{"base_resp":{"status_code":1004,"status_msg":"x"}}"#, KEY),
        (r#"{"base_resp":{"status_code":1008,"status_msg":"x"}}"#, BILLING),
        (r#"{"base_resp":{"status_code":1002,"status_msg":"x"}}"#, LIMITED),
        (r#""only words""#, FAILED),
        (r#"{"message":"The model is overloaded right now"}"#, OVERLOADED),
        ("", FAILED),
        ("not json", FAILED),
    ] {
        assert_eq!(short(&from_error_object(&CX, LIMIT, error)), wanted, "{error}");
    }
}

#[test]
fn waiting_times_come_from_headers_first() {
    let run = |headers: &[(&'static str, &'static str)]| {
        let head: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect();
        let body = br#"{"error":{"message":"Please try again in 2s"}}"#;
        let fault = read(&CX, LIMIT, StatusCode::TOO_MANY_REQUESTS, &head, body);
        (fault.error.retry_after().map(|d| d.as_millis()), fault.error.should_retry())
    };
    for (headers, wanted) in [
        (&[][..], (Some(2000), None)),
        (&[("retry-after", "7")], (Some(7000), None)),
        (&[("retry-after", " 1.5 ")], (Some(1500), None)),
        (&[("retry-after", "7"), ("retry-after-ms", "350")], (Some(350), None)),
        (&[("retry-after", "soon")], (Some(2000), None)),
        (&[("retry-after", "-3")], (Some(2000), None)),
        (&[("retry-after", "1e300")], (Some(2000), None)),
        (
            &[
                ("date", "Sat, 21 Nov 2026 16:00:00 GMT"),
                ("retry-after", "Sat, 21 Nov 2026 16:01:30 GMT"),
            ],
            (Some(90_000), None),
        ),
        (&[("retry-after", "Sat, 21 Nov 2026 16:01:30 GMT")], (Some(2000), None)),
        (&[("x-should-retry", "false")], (Some(2000), Some(false))),
        (&[("x-should-retry", "true")], (Some(2000), Some(true))),
    ] {
        assert_eq!(run(headers), wanted, "{headers:?}");
    }
    // A repetition that is vain stays vain, whatever they say.
    let mut head = HeaderMap::new();
    head.insert("x-should-retry", HeaderValue::from_static("true"));
    let fault = read(&CX, LIMIT, StatusCode::UNAUTHORIZED, &head, b"no");
    assert_eq!(fault.error.should_retry(), Some(false));
}

#[test]
fn quotes_are_short_and_whole() {
    let long = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "ü".repeat(5000));
    let text = told(400, &long).error.message().to_owned();
    assert!(
        text.len() < 2200 && text.ends_with('…') && !text.contains('\u{fffd}'),
        "{}",
        text.len()
    );
    let spaced = format!("{{\"message\":\"{}\"}}", "word\\n\\t ".repeat(900));
    assert!(told(400, &spaced).error.message().contains("word word"));
    let bytes = [0xff, 0xfe, b'n', b'o'];
    let fault = read(&CX, LIMIT, StatusCode::BAD_REQUEST, &HeaderMap::new(), &bytes);
    assert!(fault.error.message().contains("no"));
}
