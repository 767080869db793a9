use std::time::Duration;

use gateway_types::Feature;
use http::HeaderValue;

use super::*;

fn whose() -> Whose {
    Whose {
        provider: "aws".into(),
        model: "anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
        region: "eu-central-1".into(),
        prompt_estimate: 250_000,
        prompt_limit: Some(200_000),
    }
}

fn http(status: u16, kind: &str, body: &str) -> Fault {
    let mut head = HeaderMap::new();
    if !kind.is_empty() {
        head.insert("x-amzn-ErrorType", HeaderValue::from_str(kind).expect("plain"));
    }
    whose().http(StatusCode::from_u16(status).expect("a status"), &head, body.as_bytes())
}

#[test]
fn r29_every_type_of_error_is_told_as_anthropics() {
    use ErrorKind::{
        Authentication, InvalidRequest, NotFound, Permission, RateLimited, Timeout, UpstreamFailed,
        UpstreamOverloaded,
    };
    use Remedy::{Final, NextKey, NextProvider, Same};
    let said = |text: &str| format!(r#"{{"message":"{text}"}}"#);
    for (status, kind, text, wanted, told, remedy) in [
        (
            400,
            "ValidationException:http://internal.amazon.com/coral/",
            "Malformed input",
            InvalidRequest,
            400,
            Final,
        ),
        (400, "ServiceQuotaExceededException", "too many", RateLimited, 429, Remedy::UNPAID),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model",
            Permission,
            403,
            NextProvider,
        ),
        (
            403,
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            Authentication,
            401,
            NextKey,
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            Authentication,
            401,
            NextKey,
        ),
        (
            403,
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier",
            Authentication,
            401,
            NextKey,
        ),
        (
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
            Authentication,
            401,
            NextKey,
        ),
        (
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            Authentication,
            401,
            NextKey,
        ),
        (
            404,
            "ResourceNotFoundException",
            "Could not resolve the foundation model",
            NotFound,
            404,
            NextProvider,
        ),
        (404, "UnknownOperationException", "", NotFound, 404, NextProvider),
        (408, "ModelTimeoutException", "late", Timeout, 504, Same),
        (424, "ModelErrorException", "broken", UpstreamFailed, 500, Same),
        (429, "ThrottlingException", "Too many requests", RateLimited, 429, Same),
        (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait",
            RateLimited,
            429,
            Remedy::TOMORROW,
        ),
        (429, "ModelNotReadyException", "warming up", UpstreamOverloaded, 529, Same),
        (500, "InternalServerException", "oh", UpstreamFailed, 500, Same),
        (503, "ServiceUnavailableException", "busy", UpstreamOverloaded, 529, Same),
        (502, "", "<html>Bad Gateway</html>", UpstreamFailed, 500, Same),
        (302, "", "", ErrorKind::BadGateway, 502, NextProvider),
        (422, "", "no", InvalidRequest, 422, Final),
    ] {
        let fault = http(status, kind, &said(text));
        let got = (fault.error.kind(), fault.error.status().as_u16(), fault.remedy);
        assert_eq!(got, (wanted, told, remedy), "{status} {kind} {text}");
        assert!(fault.error.message().contains("aws"), "{}", fault.error.message());
    }
    assert_eq!(
        http(429, "ThrottlingException", &said("tokens per day")).error.should_retry(),
        Some(false)
    );
}

#[test]
fn the_type_is_found_wherever_it_stands() {
    for body in [
        r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"slow"}"#,
        r#"{"__type":"ThrottlingException","Message":"slow"}"#,
    ] {
        let fault = http(400, "", body);
        assert_eq!(fault.error.kind(), ErrorKind::RateLimited);
        assert!(fault.error.message().ends_with(": slow"), "{}", fault.error.message());
    }
}

#[test]
fn overflows_are_told_in_the_words_that_make_the_client_compact() {
    for (text, wanted) in [
        (
            "Input is too long for requested model.",
            "prompt is too long: 250000 tokens > 200000 maximum",
        ),
        (
            "prompt is too long: 210000 tokens > 200000 maximum",
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
        (
            "too many total text bytes: 26000000 > 25000000",
            "prompt is too long: 250000 tokens > 200000 maximum",
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input",
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
        ),
        (
            "The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value.",
            "max_tokens: 8193 > 8192, which is the maximum allowed number of output tokens",
        ),
        (
            "The model returned the following errors: max_tokens: 99000 > 64000, which is the maximum allowed number of output tokens for claude-x",
            "max_tokens: 99000 > 64000, which is the maximum allowed number of output tokens for anthropic.",
        ),
    ] {
        let fault = http(400, "ValidationException", &format!(r#"{{"message":"{text}"}}"#));
        assert!(fault.error.message().starts_with(wanted), "{}", fault.error.message());
        // For the answer there is room enough if less of it is asked for.
        let prompt = wanted.starts_with("prompt is too long");
        let remedy = if prompt { Remedy::Larger } else { Remedy::Final };
        assert_eq!((fault.error.status().as_u16(), fault.remedy), (400, remedy));
    }
}

#[test]
fn what_configuration_causes_is_told_with_what_to_do() {
    for (status, kind, text, wanted) in [
        (
            400,
            "ValidationException",
            "Invocation of model ID anthropic.claude-x with on-demand throughput isn\u{2019}t supported. Retry \
             your request with the ID or ARN of an inference profile that contains this model.",
            "configure the model id `eu.anthropic.claude-sonnet-4-5-20250929-v1:0` or `global.anthropic.",
        ),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            "in region `eu-central-1`",
        ),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            "enable model access",
        ),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
            "allow `bedrock:InvokeModel`",
        ),
        (
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "aws sso login",
        ),
        (403, "InvalidSignatureException", "Signature not yet current: 2030", "check the clock"),
        (
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            "check the secret access key",
        ),
    ] {
        let fault = http(status, kind, &format!(r#"{{"message":"{text}"}}"#));
        assert!(fault.error.message().contains(wanted), "{}", fault.error.message());
        assert!(!fault.error.message().contains('\n'));
    }
}

#[test]
fn what_a_model_does_not_take_is_left_out() {
    for (text, field) in [
        (
            "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.",
            "toolChoice",
        ),
        ("This model doesn't support the status field. Remove status and try again.", "status"),
        ("This model doesn't support tool use in streaming mode.", "stream"),
        ("This model doesn't support system messages. Try again without them.", "system"),
        (
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
            "stopSequences",
        ),
        ("The model returned the following errors: invalid beta flag", "anthropic_beta"),
        ("This model doesn't support the image content block that you provided.", "image"),
        (
            "This model doesn't support the toolResult.content.image field. Remove toolResult.content.image.",
            "toolResult media",
        ),
        ("#: extraneous key [top_k] is not permitted", "top_k"),
        (
            "The model returned the following errors: output_config.effort: Extra inputs are not permitted",
            "effort",
        ),
        ("`temperature` and `top_p` cannot both be specified for this model.", "top_p"),
        (
            "User messages cannot contain reasoning content. Please remove the reasoning content and try again.",
            "reasoningContent",
        ),
        ("This model doesn't support the outputConfig.textFormat field", "outputConfig"),
    ] {
        let fault = http(400, "ValidationException", &format!(r#"{{"message":"{text}"}}"#));
        assert_eq!(fault.remedy, Remedy::Without(Feature::Field(field)), "{text}");
        assert!(fate(field).is_some());
    }
    let cache = "You invoked an unsupported model or your request did not allow prompt caching.";
    let fault = http(403, "AccessDeniedException", &format!(r#"{{"message":"{cache}"}}"#));
    assert_eq!(fault.remedy, Remedy::Without(Feature::Field("cachePoint")));
    let thought = "messages.1.content.0: Invalid `signature` in `thinking` block";
    let fault = http(400, "ValidationException", &format!(r#"{{"message":"{thought}"}}"#));
    assert_eq!(fault.remedy, Remedy::Without(Feature::ReasoningState));
    assert_eq!(
        http(400, "ValidationException", r#"{"message":"temperature too hot"}"#).remedy,
        Remedy::Final
    );
}

#[test]
fn an_error_within_an_error_counts() {
    let body = r#"{"message":"The model failed","originalStatusCode":429,"originalMessage":"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"}"#;
    let fault = whose().exception("modelStreamErrorException", body.as_bytes());
    assert_eq!(fault.error.kind(), ErrorKind::UpstreamOverloaded);
    assert_eq!(fault.error.message(), "aws failed: Overloaded");
    let body = r#"{"message":"m","originalStatusCode":429}"#;
    let fault = http(424, "ModelErrorException", body);
    assert_eq!(fault.error.kind(), ErrorKind::RateLimited);
    let fault = http(424, "ModelErrorException", r#"{"message":"m","originalStatusCode":400}"#);
    assert_eq!(fault.remedy, Remedy::NextProvider);
    let native = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    assert_eq!(whose().exception("", native.as_bytes()).error.kind(), ErrorKind::RateLimited);
    assert_eq!(whose().error("InternalError", "oops").error.message(), "aws failed: oops");
    assert_eq!(whose().exception("throttlingException", b"").error.kind(), ErrorKind::RateLimited);
}

#[test]
fn no_text_whatever_breaks_the_reading() {
    for body in [&b"\xff\xfe"[..], b"", b"null", b"[]", b"{", b"{\"message\":{}}", b"\"x\"", b"7"] {
        for kind in ["", ":", "#", "ValidationException"] {
            let fault = http(400, kind, &String::from_utf8_lossy(body));
            assert!(!fault.error.message().is_empty());
        }
    }
}

#[test]
fn r37_limits_keys_and_rights_are_told_apart() {
    use Remedy::{Final, Larger, NextKey, NextProvider, Same};
    const TOMORROW: Remedy = Remedy::TOMORROW;
    const UNPAID: Remedy = Remedy::UNPAID;
    for (status, kind, text, remedy, account) in [
        (
            429,
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
            Same,
            false,
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens, please wait before trying again.",
            Same,
            false,
        ),
        // Each model has its own quota of the day.
        (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            TOMORROW,
            false,
        ),
        (
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
            UNPAID,
            true,
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            NextKey,
            false,
        ),
        (
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            NextKey,
            false,
        ),
        // Of this model, this region or this role: others may be had with the same key.
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            NextProvider,
            false,
        ),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
            NextProvider,
            false,
        ),
        (
            400,
            "ValidationException",
            "The request was blocked by our content filtering policy",
            Final,
            false,
        ),
        (400, "ValidationException", "Input is too long for requested model.", Larger, false),
    ] {
        let fault = http(status, kind, &format!(r#"{{"message":"{text}"}}"#));
        assert_eq!((fault.remedy, fault.account), (remedy, account), "{kind} {text}");
    }
}

#[test]
fn r37_who_says_how_long_is_heard() {
    for (status, name, value, remedy, after, retry) in [
        (429, "retry-after", "7", Remedy::After(Duration::from_secs(7)), Some(7), None),
        (503, "retry-after", "7", Remedy::After(Duration::from_secs(7)), Some(7), None),
        (403, "retry-after", "7", Remedy::NextProvider, None, None),
        (429, "x-should-retry", "false", Remedy::NextProvider, None, Some(false)),
        (500, "x-should-retry", "true", Remedy::Same, None, Some(true)),
    ] {
        let mut head = HeaderMap::new();
        head.insert(name, HeaderValue::from_static(value));
        let fault = whose().http(StatusCode::from_u16(status).expect("a status"), &head, b"{}");
        let told = fault.error.retry_after().map(|after| after.as_secs());
        assert_eq!(
            (fault.remedy, told, fault.error.should_retry()),
            (remedy, after, retry),
            "{status} {name}"
        );
    }
}
