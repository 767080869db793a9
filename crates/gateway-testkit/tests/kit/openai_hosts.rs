//! Azure and `OpenRouter` as the scripted service plays them.

use gateway_testkit::openai::{Refusal, Rules, Server, Turn, Vendor, chat_rules};
use gateway_testkit::{RawClient, request};
use serde_json::{Value, json};

async fn post(server: &Server, path: &str, key: (&str, &str), body: &Value) -> (u16, String) {
    let mut client = RawClient::connect(server.addr()).await;
    let headers = [("content-type", "application/json"), key];
    client.send(&request("POST", path, &headers, body.to_string().as_bytes())).await;
    let (head, body) = client.reply().await;
    (head.status, String::from_utf8(body.bytes.to_vec()).expect("UTF-8"))
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

const KEY: (&str, &str) = ("api-key", "right");
const OK: &str = "prompt_filter_results";

#[tokio::test]
async fn azure_knows_its_deployment_its_addresses_and_its_versions() {
    let server =
        Server::start(Rules::azure("our d", "gpt-4.1").with_key("right"), |_| Turn::text("hi"));
    let with = |field: &str, value: Value| {
        let mut body = chat("our d");
        body[field] = value;
        body
    };
    let deployed = |rest: &str| format!("/openai/deployments/our%20d/chat/completions{rest}");
    let options = json!({"include_usage": true});
    let mut streamed = with("stream", json!(true));
    streamed["stream_options"] = options;
    for (path, body, status, part) in [
        ("/openai/v1/chat/completions".to_owned(), chat("our d"), 200, OK),
        ("/openai/v1/chat/completions?api-version=preview".to_owned(), chat("our d"), 200, OK),
        (
            "/openai/v1/chat/completions?api-version=2024-10-21".to_owned(),
            chat("our d"),
            400,
            "API version not supported",
        ),
        ("/openai/v1/chat/completions".to_owned(), chat("gpt-4.1"), 404, "DeploymentNotFound"),
        ("/v1/chat/completions".to_owned(), chat("our d"), 404, "Resource not found"),
        (deployed(""), chat("our d"), 404, "Resource not found"),
        (deployed("?api-version=v1"), chat("our d"), 404, "Resource not found"),
        (deployed("?api-version=2024-10-21"), chat("whatever"), 200, OK),
        (
            "/openai/deployments/other/chat/completions?api-version=2024-10-21".to_owned(),
            chat("our d"),
            404,
            "DeploymentNotFound",
        ),
        (
            deployed("?api-version=2024-10-21"),
            with("prompt_cache_key", json!("k")),
            400,
            "supplied: prompt_cache_key",
        ),
        ("/openai/v1/chat/completions".to_owned(), with("prompt_cache_key", json!("k")), 200, OK),
        (
            "/openai/v1/chat/completions".to_owned(),
            with("safety_identifier", json!("k")),
            400,
            "supplied: safety_identifier",
        ),
        (deployed("?api-version=2024-06-01"), streamed.clone(), 400, "supplied: stream_options"),
        (deployed("?api-version=2024-10-21"), streamed, 200, OK),
        (
            "/openai/responses?api-version=2024-10-21".to_owned(),
            json!({"model": "our d", "input": "hi"}),
            400,
            "API version not supported",
        ),
        (
            "/openai/responses?api-version=2025-04-01-preview".to_owned(),
            json!({"model": "our d", "input": "hi"}),
            200,
            "output",
        ),
        (
            "/openai/v1/responses".to_owned(),
            json!({"model": "our d", "input": "hi"}),
            200,
            "output",
        ),
    ] {
        let (found, said) = post(&server, &path, KEY, &body).await;
        assert_eq!(found, status, "{path}: {said}");
        assert!(said.contains(part), "{path}: {said}");
    }
    let bearer = ("authorization", "Bearer right");
    let (found, _) =
        post(&server, "/openai/v1/responses", bearer, &json!({"model": "our d", "input": "hi"}))
            .await;
    assert_eq!(found, 200);
    for wrong in [("api-key", "x"), ("authorization", "Bearer x"), ("x-none", "")] {
        let (found, said) = post(&server, "/openai/v1/responses", wrong, &chat("our d")).await;
        assert_eq!(found, 401);
        assert!(said.contains("invalid subscription key"), "{said}");
    }
}

#[tokio::test]
async fn openrouter_speaks_in_its_own_words() {
    let rules = Rules { window: 200, ..Rules::compatible("openrouter").with_key("right") };
    assert_eq!(rules.vendor, Vendor::OpenRouter);
    let script = [
        Turn::reasoning(&["hm"]).and_text("hi"),
        Turn::error(Refusal::openrouter_credits()),
        Turn::error(Refusal::openrouter_moderation("violence")),
    ];
    let server = Server::queue(rules, script);
    let key = ("authorization", "Bearer right");
    let path = "/api/v1/chat/completions";
    let mut body = chat("anthropic/claude-sonnet-4.5:nitro");
    body["stream"] = json!(true);
    body["session_id"] = json!("s");
    body["provider"] = json!({"zdr": true});
    let (status, said) = post(&server, path, key, &body).await;
    assert_eq!(status, 200);
    for part in [
        ": OPENROUTER PROCESSING\n\n",
        "\"cost\":0.0105",
        "native_finish_reason",
        "reasoning_details",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (status, said) = post(&server, path, key, &body).await;
    assert!(status == 402 && said.contains("\"code\":402"), "{said}");
    let (status, said) = post(&server, path, key, &body).await;
    assert!(status == 403 && said.contains("\"reasons\":[\"violence\"]"), "{said}");
    body["messages"][0]["content"] = json!("word ".repeat(2000));
    let (status, said) = post(&server, path, key, &body).await;
    assert!(status == 400 && said.contains("context_length_exceeded"), "{said}");
}

#[test]
fn openrouter_refuses_what_those_behind_it_refuse() {
    let rules = Rules::compatible("openrouter");
    let long = "s".repeat(257);
    let edited =
        json!([{"type": "reasoning.text", "text": "edited", "signature": "sig_", "index": 0}]);
    for (field, value, part) in [
        ("session_id", json!(long), Some("string too long")),
        ("reasoning", json!({"effort": "high", "max_tokens": 2000}), Some("Only one of")),
        ("reasoning", json!({"max_tokens": 100}), Some("1024")),
        ("reasoning", json!({"enabled": true}), None),
        ("provider", json!("anthropic"), Some("Expected object")),
        ("top_k", json!(4), None),
        ("user", json!("u".repeat(128)), None),
        ("tools", json!([{"type": "openrouter:web_search", "parameters": {}}]), None),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://a/b.pdf"}}]}]),
            None,
        ),
        (
            "messages",
            json!([{"role": "assistant", "content": "a", "reasoning_details": edited}]),
            Some("Invalid `signature`"),
        ),
    ] {
        let mut body = chat("a/b");
        body[field] = value.clone();
        let told = chat_rules::check(&body, &rules).err().map(|refusal| refusal.message);
        match part {
            None => assert_eq!(told, None, "{field}: {value}"),
            Some(part) => {
                assert!(told.as_deref().is_some_and(|told| told.contains(part)), "{told:?}");
            }
        }
    }
}

#[test]
fn mistral_and_lm_studio_refuse_in_their_own_words() {
    let call = |id: &str| json!({"role": "assistant", "content": "", "tool_calls": [{"id": id, "type": "function", "function": {"name": "A", "arguments": "{}"}}]});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
    let user = json!({"role": "user", "content": "a"});
    let image = |url: &str| json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
    let tools = json!([{"type": "function", "function": {"name": "A", "parameters": {"type": "object", "properties": {}}}}]);
    let data = "data:image/png;base64,iVBORw0KGgo=";
    for (preset, fields, part) in [
        ("mistral", json!({"max_tokens": 5, "temperature": 0.1}), None),
        (
            "mistral",
            json!({"stream": true, "stream_options": {}}),
            Some("Extra inputs are not permitted"),
        ),
        ("mistral", json!({"user": "u"}), Some("Extra inputs")),
        ("mistral", json!({"messages": [user, call("a1B2c3D4e"), result("a1B2c3D4e")]}), None),
        (
            "mistral",
            json!({"messages": [user, call("toolu_1"), result("toolu_1")]}),
            Some("with a length of 9"),
        ),
        (
            "mistral",
            json!({"messages": [user, call("a1B2c3D4e"), result("a1B2c3D4e"), user]}),
            Some("Unexpected role 'user' after role 'tool'"),
        ),
        (
            "mistral",
            json!({"messages": [user, {"role": "assistant", "content": "a"}]}),
            Some("Expected last role User or Tool"),
        ),
        (
            "mistral",
            json!({"messages": [{"role": "user", "content": "a", "cache_control": {}}]}),
            Some("Extra inputs"),
        ),
        ("lm_studio", json!({"tools": tools, "tool_choice": "required", "anything": 1}), None),
        (
            "lm_studio",
            json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "A"}}}),
            Some("Invalid tool_choice type: 'object'"),
        ),
        ("lm_studio", json!({"messages": image(data)}), None),
        ("lm_studio", json!({"messages": image("https://a/b.png")}), Some("base64 encoded image")),
        (
            "lm_studio",
            json!({"response_format": {"type": "json_object"}}),
            Some("must be 'json_schema' or 'text'"),
        ),
    ] {
        let mut body = chat("m");
        for (name, value) in fields.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let told = chat_rules::check(&body, &Rules::compatible(preset))
            .err()
            .map(|refusal| refusal.message);
        match part {
            None => assert_eq!(told, None, "{preset}: {body}"),
            Some(part) => {
                assert!(
                    told.as_deref().is_some_and(|told| told.contains(part)),
                    "{body}: {told:?}"
                );
            }
        }
    }
}
