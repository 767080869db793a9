//! What a running gateway tells about itself: its status, and its log as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_testkit::{RawClient, request};
use serde_json::Value;

use crate::harness::{CLIENT_KEY, Gateway, LONG, block_on};

/// The option with which a log can be read here.
pub(crate) const JSON_LOG: &str = "--log-format=json";

/// Where it listens.
pub(crate) fn addr(gateway: &Gateway) -> SocketAddr {
    gateway.url().trim_start_matches("http://").parse().expect("an address")
}

/// `GET /status`.
pub(crate) fn status(gateway: &Gateway) -> Value {
    let (status, body) = ask(gateway, "GET", "/status", b"");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("the status is JSON")
}

/// One bare request with the client's key: the status and the body.
pub(crate) fn ask(gateway: &Gateway, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let headers = [("x-api-key", CLIENT_KEY), ("content-type", "application/json")];
    block_on(async {
        let mut client = RawClient::connect(addr(gateway)).await;
        client.send(&request(method, path, &headers, body)).await;
        let (head, body) = client.reply().await;
        (head.status, String::from_utf8_lossy(&body.bytes).into_owned())
    })
}

/// Waits until the status is as it should be.
pub(crate) fn until(gateway: &Gateway, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    poll(what, || Some(status(gateway)).filter(&holds), || status(gateway).to_string())
}

/// Waits until no model of that provider is left alone and none of its keys rests: the next request may
/// ask it.
pub(crate) fn until_open(gateway: &Gateway, provider: &str) {
    until(gateway, "the provider to be asked again", |status| {
        let provider = &status["providers"][provider];
        let rests = |key: &Value| {
            key["limited"].as_array().is_none_or(|limited| !limited.is_empty())
                || !key["rejected_for_seconds"].is_null()
        };
        let waits = |model: &Value| {
            model["breaker"] == "open" && model["opens_again_in_seconds"].as_f64() > Some(0.0)
        };
        let keys = provider["keys"].as_array().expect("the keys of a provider");
        let models = provider["models"].as_object().expect("the models of a provider");
        !keys.iter().any(rests) && !models.values().any(waits)
    });
}

/// The lines of a log in JSON that tell of requests for an answer, once they are as they should be: the log is
/// written beside the requests.
pub(crate) fn until_logged(
    gateway: &Gateway,
    what: &str,
    holds: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    poll(what, || Some(requests(gateway)).filter(|lines| holds(lines)), || gateway.log())
}

/// The lines of a log in JSON that tell of requests for an answer.
fn requests(gateway: &Gateway) -> Vec<Value> {
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["path"] == "/v1/messages").collect()
}

/// The chain that a line tells, each link as `provider` and what came of it: `answered`, the status of a
/// failure, or why it was skipped.
pub(crate) fn chain(line: &Value) -> Vec<String> {
    let link = |link: &Value| {
        let provider = link["provider"].as_str().unwrap_or_default();
        let result = match link["result"].as_str() {
            Some("failed") => link["status"].to_string(),
            Some("skipped") => link["why"].as_str().unwrap_or_default().to_owned(),
            other => other.unwrap_or_default().to_owned(),
        };
        format!("{provider} {result}")
    };
    line["chain"].as_array().into_iter().flatten().map(link).collect()
}

/// Looks again and again, with a breath between; `told` is what a test that waited in vain leaves to the reader.
pub(crate) fn poll<T>(what: &str, look: impl Fn() -> Option<T>, told: impl Fn() -> String) -> T {
    const BREATH: Duration = Duration::from_millis(20);
    for _ in 0..LONG.as_millis() / BREATH.as_millis() {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(BREATH);
    }
    panic!("waited {LONG:?} for {what}:\n{}", told());
}
