//! AWS with keys that are given.

use gateway_cloud::{AwsKeys, AwsSettings, CloudErrorKind, Credentials, Env, Route, Unsigned};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::fault;
use crate::sigv4::verify;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn settings(session_token: Option<&str>) -> AwsSettings {
    AwsSettings {
        keys: Some(AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SECRET.into(),
            session_token: session_token.map(Into::into),
        }),
        profile: None,
        config_file: None,
        credentials_file: None,
        region: "eu-central-1".to_owned(),
        service: "bedrock".to_owned(),
        env: Env::fixed([]),
        route: Route::default(),
    }
}

/// Headers of a request like those the gateway sends.
fn headers() -> HeaderMap {
    [
        ("content-type", "application/json"),
        ("accept", "application/vnd.amazon.eventstream"),
        ("x-amzn-bedrock-accept", "application/json"),
        ("x-amzn-bedrock-guardrailidentifier", "gr-1"),
        ("x-amzn-trace-id", "Root=1"),
        ("user-agent", "x"),
        ("anthropic-version", "2023-06-01"),
    ]
    .into_iter()
    .map(|(name, value)| {
        (name.parse::<http::HeaderName>().expect("a name"), HeaderValue::from_static(value))
    })
    .collect()
}

#[tokio::test]
async fn signatures_hold_for_every_form_of_model_id() {
    let origin = "https://bedrock-runtime.eu-central-1.amazonaws.com";
    let body: [&[u8]; 4] = [b"{\"a\":", b"", "\"ä\"".as_bytes(), b"}"];
    for (token, target) in [
        (None, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"),
        (None, "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke"),
        (
            Some("the session's token"),
            "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/converse-stream",
        ),
        (None, "/anthropic/v1/messages?beta=true&a=b"),
        (None, "/"),
    ] {
        let credentials = Credentials::aws(settings(token)).expect("valid settings");
        let url = format!("{origin}{target}");
        let mut headers = headers();
        let request = Unsigned { method: &Method::POST, url: &url, body: &body };
        // Twice: what the first attempt left must not disturb the second.
        for _ in 0..2 {
            credentials.authorize(&request, &mut headers).await.expect("signed");
            let host = "bedrock-runtime.eu-central-1.amazonaws.com";
            let signed = verify("POST", (host, target), &headers, &body.concat(), SECRET)
                .unwrap_or_else(|why| panic!("{target}: {why}"));
            assert_eq!(signed.key_id, "AKIDEXAMPLE");
            assert!(signed.scope.ends_with("/eu-central-1/bedrock/aws4_request"));
            for name in ["host", "content-type", "x-amz-date", "x-amzn-bedrock-guardrailidentifier"]
            {
                assert!(signed.headers.iter().any(|it| it == name), "{name} is not signed");
            }
            for name in ["user-agent", "x-amzn-trace-id", "accept", "anthropic-version"] {
                assert!(!signed.headers.iter().any(|it| it == name), "{name} is signed");
            }
            let sent = headers.get("x-amz-security-token").map(|it| it.to_str().expect("ASCII"));
            assert_eq!(sent, token);
        }
    }
}

#[tokio::test]
async fn a_port_is_signed_as_it_is_sent() {
    let credentials = Credentials::aws(settings(None)).expect("valid settings");
    for host in ["127.0.0.1:8443", "vpce-1.example:443"] {
        let url = format!("https://{host}/model/m/invoke");
        let request = Unsigned { method: &Method::POST, url: &url, body: &[b"{}"] };
        let mut headers = HeaderMap::new();
        credentials.authorize(&request, &mut headers).await.expect("signed");
        verify("POST", (host, "/model/m/invoke"), &headers, b"{}", SECRET).expect("right");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_set_by_the_answer() {
    let credentials = Credentials::aws(settings(None)).expect("valid settings");
    let date = |text: &str| {
        let mut head = HeaderMap::new();
        head.insert("x-amzn-errortype", HeaderValue::from_static("InvalidSignatureException"));
        head.insert("date", text.parse().expect("a value"));
        head
    };
    let signed_on = async || {
        let headers = crate::authorized(&credentials).await.expect("signed");
        verify("POST", ("upstream.example", "/v1/x"), &headers, b"{}", SECRET).expect("right");
        headers["x-amz-date"].to_str().expect("ASCII")[..8].to_owned()
    };
    let body = br#"{"message":"Signature expired: 20260101T000000Z is now earlier than ..."}"#;
    assert!(credentials.refused(
        StatusCode::FORBIDDEN,
        &date("Wed, 01 Jan 2098 12:00:00 GMT"),
        body
    ));
    assert_eq!(signed_on().await, "20980101");
    // And again, in the other direction.
    assert!(credentials.refused(
        StatusCode::FORBIDDEN,
        &date("Thu, 01 Jan 2015 12:00:00 GMT"),
        br#"{"message":"The request signature we calculated does not match"}"#
    ));
    assert_eq!(signed_on().await, "20150101");
}

#[tokio::test]
async fn nothing_helps_given_keys_that_are_wrong() {
    let credentials = Credentials::aws(settings(Some("old"))).expect("valid settings");
    for kind in ["ExpiredTokenException", "UnrecognizedClientException", "AccessDeniedException"] {
        let mut head = HeaderMap::new();
        head.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        assert!(!credentials.refused(StatusCode::FORBIDDEN, &head, b"{}"), "{kind}");
    }
    let throttled = br#"{"message":"Signature expired, said a throttled one"}"#;
    assert!(!credentials.refused(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), throttled));
}

#[tokio::test]
async fn keys_of_the_environment_need_no_chain() {
    let env = Env::fixed([
        ("AWS_ACCESS_KEY_ID", "AKIDENV".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-env".to_owned()),
        ("AWS_SESSION_TOKEN", String::new()),
    ]);
    let credentials = Credentials::aws(AwsSettings { keys: None, env, ..settings(None) });
    let headers = crate::authorized(&credentials.expect("valid")).await.expect("signed");
    let host = ("upstream.example", "/v1/x");
    let signed = verify("POST", host, &headers, b"{}", "secret-of-env").expect("right");
    assert_eq!(signed.key_id, "AKIDENV");
    assert!(!headers.contains_key("x-amz-security-token"));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_with_what_to_do() {
    let with_keys = |id: &str, secret: &str| AwsSettings {
        keys: Some(AwsKeys {
            access_key_id: id.to_owned(),
            secret_access_key: secret.into(),
            session_token: None,
        }),
        ..settings(None)
    };
    let half = Env::fixed([("AWS_ACCESS_KEY_ID", "AKID".to_owned())]);
    for (settings, says) in [
        (AwsSettings { region: String::new(), ..settings(None) }, "AWS_REGION"),
        (
            AwsSettings { region: "eu/../x".to_owned(), ..settings(None) },
            "not the name of a region",
        ),
        (with_keys("", SECRET), "empty or no key"),
        (with_keys("AKID", " "), "empty or no key"),
        (AwsSettings { keys: None, env: half, ..settings(None) }, "AWS_SECRET_ACCESS_KEY is not"),
    ] {
        let fault = fault(Credentials::aws(settings)).await;
        assert_eq!(fault.kind(), CloudErrorKind::Setup);
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(!fault.to_string().contains(SECRET));
    }
}

#[test]
fn secrets_are_never_shown() {
    let shown = format!("{:?}", Credentials::aws(settings(Some("T0KEN"))).expect("valid"));
    assert!(shown.contains("AKIDEXAMPLE"), "{shown}");
    assert!(!shown.contains(SECRET) && !shown.contains("T0KEN"), "{shown}");
    let shown = format!("{:?}", settings(Some("T0KEN")));
    assert!(!shown.contains(SECRET) && !shown.contains("T0KEN"), "{shown}");
}
