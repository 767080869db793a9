//! What the gateway answers by itself, and what it passes through.

use gateway_testkit::{BodyEnd, Script, Upstream, request};
use serde_json::Value;

use crate::support::{UPSTREAM_KEY, before, custom, with};

async fn get(running: &crate::support::Running, path: &str) -> (u16, Value) {
    let mut client = running.client().await;
    client.send(&request("GET", path, &[], b"")).await;
    let (head, got) = client.reply().await;
    (head.status, serde_json::from_slice(&got.bytes).unwrap_or(Value::Null))
}

fn silent() -> Upstream {
    Upstream::start(|_| Script::json(500, "{}"))
}

/// C1, C3, R40: probes are answered without an upstream and are no errors in the log.
#[tokio::test]
async fn c01_c03_r40_probes_are_answered_and_are_no_errors() {
    let upstream = silent();
    let running = before(&upstream);
    for path in ["/", "/api/hello", "/v1/messages", "/anything"] {
        let mut client = running.client().await;
        client.send(&request("HEAD", path, &[], b"")).await;
        assert_eq!(client.head().await.status, 200, "HEAD {path}");
    }
    assert_eq!(get(&running, "/").await.1["name"], "claude-code-model-gateway");
    assert_eq!(get(&running, "/health").await, (200, serde_json::json!({"status": "ok"})));
    let (status, body) = get(&running, "/inference-profiles?type=SYSTEM_DEFINED").await;
    assert_eq!((status, &body["error"]["type"]), (404, &"not_found_error".into()));
    for path in ["/model/m/invoke", "/v1/agents", "/nope"] {
        let (status, body) = get(&running, path).await;
        assert_eq!((status, &body["error"]["type"]), (404, &"not_found_error".into()), "{path}");
    }
    assert!(upstream.requests().is_empty());
    let log = running.stop();
    let probes = log.lines().filter(|line| line.contains("HEAD") || line.contains("inference"));
    assert!(probes.into_iter().all(|line| line.contains(r#""level":"debug""#)), "{log}");
}

/// C10, R40: discovery is answered from memory, in Anthropic's shape.
#[tokio::test]
async fn c10_r40_models_are_listed_from_memory_with_their_limits() {
    let upstream = silent();
    let more = "    models:\n      claude-own-1: {context_window: 50000, max_tokens: 4000}\n";
    let running = with(&upstream, more, |_| {});
    let (status, all) = get(&running, "/v1/models?limit=1000").await;
    assert_eq!((status, &all["has_more"]), (200, &false.into()));
    let data = all["data"].as_array().expect("a list");
    assert_eq!(data[0]["id"], "claude-own-1");
    assert_eq!(
        (&data[0]["max_input_tokens"], &data[0]["max_tokens"]),
        (&50000.into(), &4000.into())
    );
    for model in data {
        let id = model["id"].as_str().expect("an id");
        assert!(id.starts_with("claude") || id.starts_with("anthropic"), "{id}");
        assert!(model["display_name"].is_string() && model["max_input_tokens"].is_u64());
        assert_eq!(get(&running, &format!("/v1/models/{id}")).await.1["id"], id);
    }
    let (_, page) = get(&running, "/v1/models?limit=2").await;
    let last = page["last_id"].as_str().expect("an id");
    let (_, next) = get(&running, &format!("/v1/models?limit=2&after_id={last}")).await;
    assert_eq!((&page["has_more"], &next["data"][0]["id"]), (&true.into(), &data[2]["id"]));
    assert_eq!(get(&running, "/v1/models/unheard-of").await.0, 404);
    assert_eq!(get(&running, "/v1/models?limit=0").await.0, 400);
    assert!(upstream.requests().is_empty());
}

/// C10, R40: names of every kind, whatever signs they hold, with the limits of what answers to them.
#[tokio::test]
async fn c10_r40_models_of_every_kind_are_listed_by_names_that_lead_to_them() {
    let yaml = "
default_provider: ollama
providers:
  ollama: {default_model: 'qwen3-coder:30b'}
  big: {kind: ollama, api_base: 'http://127.0.0.1:9', default_model: 'qwen3-coder:30b', extra: {num_ctx: 131072}}
  openrouter: {auth_type: none, default_model: 'openai/gpt-oss-120b:nitro'}
  vertex: {auth_type: none, extra: {project: p}, default_model: 'claude-sonnet-4-5@20250929'}
  bedrock: {auth_type: none, extra: {region: us-east-1}, default_model: 'us.amazon.nova-pro-v1:0'}
  gemini: {auth_type: none}
  azure:
    api_base: https://res.openai.azure.com
    auth_type: none
    extra: {deployment: team}
    models: {team: {context_window: 400000, max_tokens: 9000}}
  deepseek:
    kind: anthropic
    api_base: http://127.0.0.1:9
    auth_type: none
    default_model: deepseek-v4-pro
  lab: {kind: openai, api_base: 'http://127.0.0.1:9', default_model: 'Own/Model@2:x'}
";
    let running = custom(yaml, &[], |_| {});
    let (_, all) = get(&running, "/v1/models?limit=1000").await;
    let data = all["data"].as_array().expect("a list");
    for (name, input, output) in [
        ("ollama--qwen3-coder:30b", Some(65_536), None),
        ("big--qwen3-coder:30b", Some(131_072), None),
        ("openrouter--openai/gpt-oss-120b:nitro", Some(131_072), Some(131_072)),
        ("vertex--claude-sonnet-4-5@20250929", Some(200_000), Some(64_000)),
        ("bedrock--us.amazon.nova-pro-v1:0", Some(300_000), None),
        ("gemini--gemini-3.1-pro-preview", Some(1_048_576), Some(65_536)),
        ("azure--team", Some(400_000), Some(9000)),
        ("deepseek--deepseek-v4-pro", Some(1_000_000), Some(393_216)),
        ("lab--Own/Model@2:x", None, None),
    ] {
        let id = format!("claude-via-{name}");
        let model = data.iter().find(|model| model["id"] == *id);
        let model = model.unwrap_or_else(|| panic!("{id} is not listed"));
        let limits = (model["max_input_tokens"].as_u64(), model["max_tokens"].as_u64());
        assert_eq!(limits, (input, output), "{id}");
        let escaped = id.replace(':', "%3A").replace('/', "%2F").replace('@', "%40");
        for id in [&id, &escaped] {
            assert_eq!(get(&running, &format!("/v1/models/{id}")).await.1, *model, "{id}");
        }
        let (_, page) = get(&running, &format!("/v1/models?limit=1&before_id={escaped}")).await;
        assert_ne!(page["data"][0]["id"], *id);
    }
    // What leads somewhere need not be listed.
    let (_, model) = get(&running, "/v1/models/claude-via-openrouter--openai/gpt-5.6-sol").await;
    assert_eq!(model["max_input_tokens"], 922_000);
    // Claude's own names have the limits of what stands in for them.
    let (_, model) = get(&running, "/v1/models/claude-opus-5-5").await;
    assert_eq!(model["max_input_tokens"], 65_536);
}

#[tokio::test]
async fn a_wrong_method_is_said_to_be_one() {
    let upstream = silent();
    let running = before(&upstream);
    let (status, body) = get(&running, "/v1/messages").await;
    assert_eq!((status, &body["error"]["type"]), (405, &"invalid_request_error".into()));
}

#[tokio::test]
async fn status_and_ready_tell_what_happened() {
    let upstream =
        Upstream::start(|_| Script::json(200, r#"{"usage":{"input_tokens":5,"output_tokens":6}}"#));
    let yaml = format!(
        "default_provider: anthropic\nproviders:\n  anthropic:\n    api_base: {}\n  spare:\n    kind: anthropic\n    api_base: http://127.0.0.1:9\n    api_key_env_var: NOT_SET\n",
        upstream.url()
    );
    let running = custom(&yaml, &[], |_| {});
    let mut client = running.client().await;
    client.send(&crate::support::messages(crate::support::UNARY)).await;
    client.reply().await;
    let (status, ready) = get(&running, "/ready").await;
    assert_eq!((status, &ready["ready"]), (200, &true.into()));
    assert_eq!(ready["providers"]["spare"]["credential"], "missing");
    assert_eq!(get(&running, "/ready?all=1").await.0, 503);
    let (_, status) = get(&running, "/status").await;
    assert_eq!(status["providers"]["anthropic"]["output_tokens"], 6);
    assert_eq!(status["requests"]["forwarded"], 1);
}

#[tokio::test]
async fn passthrough_mode_forwards_every_other_v1_path_unread() {
    let upstream = Upstream::start(|asked| match asked.method.as_str() {
        "DELETE" => Script::json(404, r#"{"detail":"as it came"}"#),
        "GET" => Script::new()
            .head(200)
            .header("content-type", "application/x-jsonl")
            .chunked()
            .pieces("{\"a\":1}\n{\"b\":2}\n", &[3, 9])
            .last_chunk(),
        _ => Script::full(200, "application/json", "{}"),
    });
    let running = with(&upstream, "", |options| options.passthrough = true);
    let upload =
        "--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n\u{0}binary\r\n--x--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    let mut client = running.client().await;
    client.send(&request("POST", "/v1/files?beta=true", &kind, upload.as_bytes())).await;
    assert_eq!(client.reply().await.0.status, 200);
    let asked = upstream.request(0).await;
    assert_eq!(
        (asked.target.as_str(), &asked.body[..]),
        ("/v1/files?beta=true", upload.as_bytes())
    );
    assert_eq!(asked.header("content-type"), Some(kind[0].1));
    assert_eq!(asked.header("x-api-key"), Some(UPSTREAM_KEY));

    let mut client = running.client().await;
    client.send(&request("GET", "/v1/messages/batches/b1/results", &[], b"")).await;
    let (_, got) = client.reply().await;
    assert_eq!((&got.bytes[..], got.end), (&b"{\"a\":1}\n{\"b\":2}\n"[..], BodyEnd::Clean));

    let mut client = running.client().await;
    client.send(&request("DELETE", "/v1/files/f1", &[], b"")).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (404, &br#"{"detail":"as it came"}"#[..]));

    let running = before(&upstream);
    assert_eq!(get(&running, "/v1/files").await.0, 404);
}

/// A caller may pick a provider by header; one that is not there is a 404 that says so.
#[tokio::test]
async fn a_provider_can_be_picked_by_header() {
    let (one, two) = (
        Upstream::start(|_| Script::json(200, r#"{"type":"message","from":1}"#)),
        Upstream::start(|_| Script::json(200, r#"{"type":"message","from":2}"#)),
    );
    let yaml = format!(
        "default_provider: one\nproviders:\n  one: {{kind: anthropic, api_base: '{}', auth_type: none}}\n  two: {{kind: anthropic, api_base: '{}', auth_type: none}}\n",
        one.url(),
        two.url()
    );
    let running = custom(&yaml, &[], |_| {});
    for (pick, wanted) in [("one", "1"), ("two", "2"), ("three", "three")] {
        let mut client = running.client().await;
        let headers = [("x-gateway-provider", pick)];
        client
            .send(&request("POST", "/v1/messages", &headers, crate::support::UNARY.as_bytes()))
            .await;
        let (head, got) = client.reply().await;
        assert_eq!(head.status, if pick == "three" { 404 } else { 200 });
        assert!(String::from_utf8_lossy(&got.bytes).contains(wanted));
    }
    assert_eq!(one.request(0).await.header("x-gateway-provider"), None);
}

/// What goes through unread must not carry the gateway's key out, nor leave the provider's base.
#[tokio::test]
async fn passthrough_mode_keeps_the_key_in_and_the_path_below_the_base() {
    let echo = format!("<p>{UPSTREAM_KEY}</p>");
    let upstream = Upstream::start(move |asked| match asked.path() {
        "/v1/echo" => Script::full(400, "text/html", echo.clone()),
        "/v1/refused" => Script::json(401, r#"{"detail":"bad key"}"#),
        "/v1/moved" => {
            Script::full(302, "text/plain", "").header("location", "https://elsewhere.test/x")
        }
        _ => Script::json(200, "{}"),
    });
    let running = with(&upstream, "", |options| options.passthrough = true);
    for (method, path, status, said) in [
        ("GET", "/v1/echo", 400, "[redacted]"),
        ("GET", "/v1/refused", 401, "ANTHROPIC_API_KEY"),
        ("GET", "/v1/moved", 502, "redirect"),
        ("TRACE", "/v1/files", 405, "method"),
        ("GET", "/v1/../secret", 400, "plainly"),
        ("GET", "/v1/%2e%2e/secret", 400, "plainly"),
        ("GET", "/v1//messages", 400, "plainly"),
        ("POST", "/v1/%6dessages", 400, "plainly"),
        ("GET", "/v1/files/a%20b", 200, "{}"),
    ] {
        let mut client = running.client().await;
        client.send(&request(method, path, &[], b"")).await;
        let (head, got) = client.reply().await;
        let text = String::from_utf8_lossy(&got.bytes).into_owned();
        assert_eq!(head.status, status, "{method} {path}: {text}");
        assert!(text.contains(said), "{method} {path}: {text}");
        assert!(!text.contains(UPSTREAM_KEY));
    }
    assert_eq!(upstream.requests().len(), 4, "what is refused goes nowhere");
}

#[tokio::test]
async fn passthrough_mode_refuses_an_upload_over_the_limit_as_its_callers_fault() {
    let upstream = Upstream::start(|_| Script::json(200, "{}"));
    let more = "server: {max_request_size: 100000}\n";
    let running = with(&upstream, more, |options| options.passthrough = true);
    let mut upload = request("POST", "/v1/files", &[("transfer-encoding", "chunked")], b"");
    for _ in 0..400 {
        upload.extend_from_slice(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes());
    }
    upload.extend_from_slice(b"0\r\n\r\n");
    let mut client = running.client().await;
    let _ = client.try_send(&upload).await;
    assert_eq!(client.head().await.status, 413);
    assert_eq!(upstream.requests().len(), 0, "it never was a whole request");
}

/// An upstream that answers before it has read the upload: the caller that leaves frees everything.
#[tokio::test]
async fn passthrough_mode_gives_an_upload_up_when_its_answer_has_come() {
    let upstream = Upstream::builder().answer(gateway_testkit::Answer::AfterHead).start(|_| {
        Script::new()
            .head(200)
            .header("content-type", "application/json")
            .content_length(2)
            .bytes("{}")
            .hang()
    });
    let running = with(&upstream, "", |options| options.passthrough = true);
    let mut client = running.client().await;
    let head = [("content-length", "8000000")];
    client.send(&request("POST", "/v1/files", &head, b"")).await;
    client.send("x".repeat(65536).as_bytes()).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (200, &b"{}"[..]));
    drop(client);
    upstream.left(0).await;
    assert_eq!(running.gateway.summary().in_flight, 0);
}
