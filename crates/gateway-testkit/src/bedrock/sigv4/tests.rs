//! Requests that botocore signed, and what became of them on the way.

use super::{AccessKey, encode, verify};
use crate::bedrock::Refusal;
use crate::{Framing, Recorded};

/// 19:30:00 on the 21st of November 2026.
const NOW: i64 = 1_795_289_400;
const DATE: &str = "20261121T193000Z";
const SCOPE: &str = "AKID/20261121/us-east-1/bedrock/aws4_request";
const HEADERS: &str = "content-type;host;x-amz-date";
/// Made by botocore for the request below.
const SIGNATURE: &str = "553997a19dd8de302ca243fe8c8afc65da48e37c481c06f9d054ce4272191aa7";

fn keys() -> Vec<AccessKey> {
    let key = |id: &str, session: Option<&str>, expired| AccessKey {
        id: id.to_owned(),
        secret: "secret".to_owned(),
        session: session.map(str::to_owned),
        expired,
    };
    vec![key("AKID", None, false), key("ASIA", Some("token"), false), key("OLD", Some("o"), true)]
}

fn authorization(scope: &str, headers: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={signature}")
}

/// A request signed by botocore, then changed.
fn changed(change: impl FnOnce(&mut Recorded)) -> Result<(), Refusal> {
    let path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse";
    let mut request = Recorded::new(0, "POST", path, Framing::Length(7));
    request.body = r#"{"a":1}"#.into();
    for (name, value) in [
        ("Host", "127.0.0.1:8080"),
        ("Content-Type", "application/json"),
        ("X-Amz-Date", DATE),
        ("Authorization", &authorization(SCOPE, HEADERS, SIGNATURE)),
    ] {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    change(&mut request);
    verify(&request, &keys(), "us-east-1", NOW)
}

fn set(request: &mut Recorded, name: &str, value: &str) {
    request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    if !value.is_empty() {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
}

#[test]
fn what_botocore_signed_is_accepted() {
    changed(|_| ()).expect("a good signature");
}

#[test]
fn every_change_is_refused_in_the_services_words() {
    type Change = Box<dyn FnOnce(&mut Recorded)>;
    let header = |name: &'static str, value: &str| -> Change {
        let value = value.to_owned();
        Box::new(move |request| set(request, name, &value))
    };
    let signed = |scope: &str, headers: &str| {
        header("authorization", &authorization(scope, headers, SIGNATURE))
    };
    let wrong = "does not match the signature you provided";
    let table: Vec<(Change, &str, &str)> = vec![
        (
            header("authorization", ""),
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        (
            header("authorization", "Basic x"),
            "IncompleteSignatureException",
            "Unsupported Authorization type",
        ),
        (
            header("authorization", "AWS4-HMAC-SHA256 Credential=a"),
            "IncompleteSignatureException",
            "requires 'SignedHeaders' parameter",
        ),
        (
            header("x-amz-date", ""),
            "IncompleteSignatureException",
            "existence of either a 'X-Amz-Date'",
        ),
        (
            signed("AKID/us-east-1/bedrock", HEADERS),
            "IncompleteSignatureException",
            "exactly 5 slash-delimited elements",
        ),
        (
            signed("NONE/20261121/us-east-1/bedrock/aws4_request", HEADERS),
            "UnrecognizedClientException",
            "token included in the request is invalid",
        ),
        (
            signed("ASIA/20261121/us-east-1/bedrock/aws4_request", HEADERS),
            "UnrecognizedClientException",
            "token included in the request is invalid",
        ),
        (
            header("x-amz-security-token", "token"),
            "UnrecognizedClientException",
            "token included in the request is invalid",
        ),
        (
            signed("AKID/20261121/us-east-1/bedrock-runtime/aws4_request", HEADERS),
            "InvalidSignatureException",
            "scoped to correct service: 'bedrock'",
        ),
        (
            signed("AKID/20261121/eu-west-1/bedrock/aws4_request", HEADERS),
            "InvalidSignatureException",
            "valid region",
        ),
        (
            signed("AKID/20261120/us-east-1/bedrock/aws4_request", HEADERS),
            "InvalidSignatureException",
            "Date in Credential scope does not match",
        ),
        (
            signed("AKID/20261121/us-east-1/bedrock/aws4", HEADERS),
            "InvalidSignatureException",
            "valid terminator",
        ),
        (
            header("x-amz-date", "20261121T192459Z"),
            "InvalidSignatureException",
            "Signature expired: 20261121T192459Z is now earlier than 20261121T192500Z (20261121T193000Z - 5 min.)",
        ),
        (
            header("x-amz-date", "20261121T193501Z"),
            "InvalidSignatureException",
            "Signature not yet current: 20261121T193501Z is still later than 20261121T193500Z",
        ),
        (
            signed(SCOPE, "content-type;x-amz-date"),
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader'",
        ),
        (
            header("X-Amzn-Bedrock-Trace", "ENABLED"),
            "InvalidSignatureException",
            "which were not signed: x-amzn-bedrock-trace",
        ),
        (
            header("X-Amz-Meta", "a"),
            "InvalidSignatureException",
            "which were not signed: x-amz-meta",
        ),
        (
            signed(SCOPE, "content-type;host;x-amz-date;x-none"),
            "InvalidSignatureException",
            "'x-none' is a 'SignedHeader'",
        ),
        (
            signed(SCOPE, "host;content-type;x-amz-date"),
            "InvalidSignatureException",
            "in order of their names",
        ),
        (signed(SCOPE, "host;x-amz-date"), "InvalidSignatureException", wrong),
        (header("host", "127.0.0.1"), "InvalidSignatureException", wrong),
        (header("content-type", "text/plain"), "InvalidSignatureException", wrong),
        (Box::new(|request| request.body = "{}".into()), "InvalidSignatureException", wrong),
        (Box::new(|request| request.target.push_str("?a=b")), "InvalidSignatureException", wrong),
        (
            Box::new(|request| request.target = request.target.replace("%3A", ":")),
            "InvalidSignatureException",
            wrong,
        ),
        (Box::new(|request| request.method = "PUT".to_owned()), "InvalidSignatureException", wrong),
    ];
    for (change, kind, part) in table {
        let refusal = changed(change).expect_err(part);
        assert_eq!((refusal.status, refusal.kind.as_str()), (403, kind), "{refusal:?}");
        assert!(refusal.message.contains(part), "{}\nlacks {part:?}", refusal.message);
    }
    let hashed = changed(|request| {
        set(request, "x-amz-content-sha256", "00");
        let names = "content-type;host;x-amz-content-sha256;x-amz-date";
        set(request, "authorization", &authorization(SCOPE, names, SIGNATURE));
    });
    assert!(hashed.expect_err("another hash").message.contains("'x-amz-content-sha256'"));
    let old = changed(|request| {
        let scope = "OLD/20261121/us-east-1/bedrock/aws4_request";
        set(request, "x-amz-security-token", "o");
        set(request, "authorization", &authorization(scope, HEADERS, SIGNATURE));
    });
    assert_eq!(old.expect_err("an ended session").kind, "ExpiredTokenException");
}

#[test]
fn a_session_signs_its_token_and_its_options() {
    let mut keys = keys();
    keys[0].session = Some("token".to_owned());
    let mut request = Recorded::new(0, "POST", "/model/a.b-v1:0/invoke", Framing::Length(7));
    request.body = r#"{"a":1}"#.into();
    let names = "content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace";
    let signature = "abd709567b5a17d345241d18177ddcc7eafd365b5bc42ef1d6ce248e64213fb1";
    for (name, value) in [
        ("Host", "127.0.0.1:8080"),
        ("Content-Type", "application/json"),
        ("X-Amz-Date", DATE),
        ("X-Amz-Security-Token", "token"),
        ("X-Amzn-Bedrock-Trace", "  ENABLED "),
        ("Authorization", &authorization(SCOPE, names, signature)),
    ] {
        set(&mut request, name, value);
    }
    verify(&request, &keys, "us-east-1", NOW).expect("a good signature");
}

#[test]
fn an_encoded_path_is_encoded_again() {
    assert_eq!(encode("/model/a.b-v1%3A0/invoke"), "/model/a.b-v1%253A0/invoke");
    assert_eq!(encode("/model/a:0/invoke"), "/model/a%3A0/invoke");
}
