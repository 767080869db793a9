//! Chains of scripted upstreams, and what they say.

use std::fmt::Write as _;

use gateway_testkit::{BodyEnd, Recorded, ReplyHead, Script, Upstream, request};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::Running;

/// One retry, at once; no breaker.
pub(crate) const QUICK: &str = "resilience: {retry: {max_retries: 1, base_delay: 0.01, max_delay: 1, \
                                jitter: none}, circuit_breaker: {failure_threshold: 0}}\n";

/// Providers of kind `anthropic` with a key of their own, in this order; the third is more of their YAML.
pub(crate) fn providers(all: &[(&str, &Upstream, &str)]) -> String {
    let mut yaml = String::from("providers:\n");
    for (name, upstream, more) in all {
        let _ = writeln!(yaml, "  {name}:\n    kind: anthropic\n    api_base: {}", upstream.url());
        if !more.contains("api_key") {
            let _ = writeln!(yaml, "    api_key_env_var: ANTHROPIC_API_KEY");
        }
        for line in more.lines() {
            let _ = writeln!(yaml, "    {line}");
        }
    }
    yaml
}

/// `first`, then `second`, for every request.
pub(crate) fn two(first: &Upstream, second: &Upstream) -> String {
    let rule =
        "routes: [{rule_type: catch_all, provider: first, fallbacks: [second/other-model]}]\n";
    format!("{}{rule}", providers(&[("first", first, ""), ("second", second, "")]))
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) head: ReplyHead,
    pub(crate) text: String,
    pub(crate) end: BodyEnd,
}

impl Told {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Whether it is one whole answer of the upstream with this stamp, and of nobody else, under the name
    /// `claude-opus-5-5`.
    #[track_caller]
    pub(crate) fn is_whole(&self, stamp: &str) {
        assert_eq!((self.status(), self.end), (200, BodyEnd::Clean), "{}", self.text);
        assert_eq!(self.text.matches("stamp:").count(), 1, "{}", self.text);
        assert!(self.text.contains(&format!("stamp:{stamp}.")), "{}", self.text);
        assert!(self.text.contains(r#""model":"claude-opus-5-5""#), "{}", self.text);
        if self.text.starts_with('{') {
            assert_eq!(self.json()["type"], "message", "{}", self.text);
        } else {
            let once = ["event: message_start", "event: message_stop"];
            assert!(once.iter().all(|e| self.text.matches(e).count() == 1), "{}", self.text);
        }
    }

    /// Whether it is an error, as a whole reply or at the end of a stream.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let told = if self.text.starts_with('{') {
            self.json()
        } else {
            let (_, last) = self.text.rsplit_once("event: error\ndata: ").expect("an error event");
            serde_json::from_str(last.trim()).expect("JSON")
        };
        assert_eq!(told["type"], "error", "{told}");
        told["error"].clone()
    }
}

pub(crate) async fn post(
    running: &Running,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Told {
    let mut client = running.client().await;
    client.send(&request("POST", path, headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    Told { head, text: String::from_utf8_lossy(&body.bytes).into_owned(), end: body.end }
}

pub(crate) async fn ask(running: &Running, body: &str) -> Told {
    post(running, "/v1/messages", &[], body).await
}

/// The lines of the log that are about requests to the API.
pub(crate) fn records(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["path"].as_str().is_some_and(|p| p.starts_with("/v1/"))).collect()
}

/// `provider:model:result:status` of a record's chain.
pub(crate) fn chain_of(record: &Value) -> Vec<String> {
    let word = |link: &Value, key: &str| link[key].as_str().unwrap_or_default().to_owned();
    let one = |link: &Value| {
        let end = link["status"].as_u64().map_or(word(link, "why"), |status| status.to_string());
        let (provider, model) = (word(link, "provider"), word(link, "model"));
        format!("{provider}:{model}:{}:{end}", word(link, "result"))
    };
    record["chain"].as_array().expect("a chain").iter().map(one).collect()
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

/// The events of a stream, one by one; its text is the stamp.
pub(crate) fn events(model: &str, stamp: &str) -> Vec<String> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 1}});
    let text = json!({"type": "text_delta", "text": format!("stamp:{stamp}.")});
    vec![
        event("message_start", json!({"message": message})),
        event(
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event("content_block_delta", json!({"index": 0, "delta": text})),
        event("content_block_stop", json!({"index": 0})),
        event(
            "message_delta",
            json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": 4}}),
        ),
        event("message_stop", json!({})),
    ]
}

/// A whole message.
pub(crate) fn message(model: &str, stamp: &str) -> String {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": format!("stamp:{stamp}.")}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 4}})
    .to_string()
}

/// Whether a stream is asked for.
pub(crate) fn streams(asked: &Recorded) -> bool {
    asked.json()["stream"] == true
}

/// The whole answer that is asked for.
pub(crate) fn answer(asked: &Recorded, stamp: &str) -> Script {
    let body = asked.json();
    let model = body["model"].as_str().unwrap_or_default();
    if asked.path().ends_with("/count_tokens") {
        Script::json(200, r#"{"input_tokens":42}"#)
    } else if streams(asked) {
        Script::sse(events(model, stamp).concat(), &[])
    } else {
        Script::json(200, message(model, stamp))
    }
}

/// Answers everything.
pub(crate) fn answering(stamp: &'static str) -> Upstream {
    Upstream::start(move |asked| answer(asked, stamp))
}

/// Answers everything with this.
pub(crate) fn saying(script: impl Fn() -> Script + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |_| script())
}

/// An error as Anthropic tells it.
pub(crate) fn error(status: u16, kind: &str, text: &str) -> Script {
    let error = json!({"type": "error", "error": {"type": kind, "message": text}});
    Script::json(status, error.to_string())
}

pub(crate) fn limited(retry_after: &str) -> Script {
    error(429, "rate_limit_error", "too fast").header("retry-after", retry_after)
}

pub(crate) fn overloaded() -> Script {
    error(529, "overloaded_error", "Overloaded")
}

pub(crate) fn broken() -> Script {
    error(500, "api_error", "Internal server error")
}

/// `clients` whose keys are their names.
pub(crate) fn clients(names: &[&str]) -> String {
    let mut yaml = String::from("clients:\n");
    for name in names {
        let mut hash = String::new();
        for byte in Sha256::digest(name) {
            let _ = write!(hash, "{byte:02x}");
        }
        let _ = writeln!(yaml, "  - {{name: {name}, key_hash: \"sha256:{hash}\"}}");
    }
    yaml
}

/// Asks `/status` until it says so.
pub(crate) async fn until(running: &Running, says: impl Fn(&Value) -> bool) {
    gateway_testkit::patient("the status that was waited for", async {
        while !says(&running.status().await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
