//! Conversations that change their provider, also in the middle of a tool round.

use gateway_testkit::openai::{Rules, Seen, Server, Turn};
use gateway_testkit::{Recorded, Script, Upstream, request};
use serde_json::{Value, json};

use crate::support::{Running, custom};

/// A Claude as strict as the real one about what it gets back.
fn claude() -> Upstream {
    Upstream::start(|asked: &Recorded| {
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        if let Err(text) = in_order(&body) {
            let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": text}});
            return Script::json(400, error.to_string());
        }
        let turn = body["messages"].as_array().map_or(0, Vec::len);
        let content = json!([
            {"type": "thinking", "thinking": format!("claude thinks {turn}"), "signature": format!("EqNative{turn}")},
            {"type": "tool_use", "id": format!("toolu_01Claude{turn}"), "name": "Bash", "input": {"command": "c"}},
        ]);
        let message = json!({"id": "msg_c", "type": "message", "role": "assistant", "model": body["model"],
            "content": content, "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 5, "output_tokens": 7}});
        Script::json(200, message.to_string())
    })
}

/// What the real API refuses of a history.
fn in_order(body: &Value) -> Result<(), String> {
    if body.to_string().contains("gw1.") {
        return Err("a gateway's own state reached the provider".to_owned());
    }
    let messages = body["messages"].as_array().expect("messages");
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let blocks = message["content"].as_array().cloned().unwrap_or_default();
        if message["content"].is_array() && blocks.is_empty() {
            return Err(format!("messages.{at}: content must not be empty"));
        }
        for (index, block) in blocks.iter().enumerate() {
            match block["type"].as_str().unwrap_or_default() {
                "thinking" => {
                    let signed = block["signature"].as_str().unwrap_or_default();
                    let thought = block["thinking"].as_str().unwrap_or_default();
                    let own = signed.strip_prefix("EqNative");
                    if own.is_none_or(|turn| thought != format!("claude thinks {turn}")) {
                        return Err(format!(
                            "messages.{at}.content.{index}: Invalid `signature` in `thinking` block"
                        ));
                    }
                }
                "redacted_thinking" => {
                    return Err(format!("messages.{at}.content.{index}: Invalid `data`"));
                }
                "tool_use" => open.push(block["id"].as_str().unwrap_or_default().to_owned()),
                "tool_result" => {
                    let id = block["tool_use_id"].as_str().unwrap_or_default();
                    let found = open.iter().position(|known| known == id);
                    open.remove(found.ok_or_else(|| format!("unexpected `tool_use_id` {id}"))?);
                }
                "text" if block["text"] == "" => {
                    return Err("text content blocks must be non-empty".to_owned());
                }
                _ => {}
            }
        }
    }
    let enabled = body["thinking"]["type"] == "enabled";
    // A turn reaches back over its tool rounds; only its first message has to begin with a thought.
    let results = |m: &Value| m["content"][0]["type"] == "tool_result";
    let round = messages.last().is_some_and(results);
    let asked = messages.iter().rposition(|m| m["role"] == "user" && !results(m));
    let first = asked.and_then(|at| messages.get(at + 1)).map(|m| m["content"][0]["type"].clone());
    if enabled && round && first.is_some_and(|kind| kind != "thinking") {
        return Err("Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, \
                    a final `assistant` message must start with a thinking block".to_owned());
    }
    Ok(())
}

fn gateway(claude: &Upstream, chat: &Server, responses: &Server) -> Running {
    let yaml = format!(
        "providers:\n  anthropic: {{api_base: {}}}\n  chat:\n    kind: openai\n    api_base: {}\n    \
         extra: {{api: chat}}\n  responses:\n    kind: openai-responses\n    api_base: {}\n\
         routes:\n  - {{pattern: \"claude-*\", provider: anthropic}}\n  - {{pattern: \"gpt-4*\", provider: chat}}\n  \
         - {{pattern: \"gpt-5*\", provider: responses}}\n",
        claude.url(),
        chat.url(),
        responses.url()
    );
    custom(&yaml, &[], |_| {})
}

async fn ask(running: &Running, body: &Value) -> (u16, String, Value) {
    let mut client = running.client().await;
    let headers = [("x-api-key", "k"), ("anthropic-beta", "interleaved-thinking-2025-05-14")];
    client.send(&request("POST", "/v1/messages", &headers, body.to_string().as_bytes())).await;
    let (head, got) = client.reply().await;
    let fidelity = head.header("x-gateway-fidelity").unwrap_or_default().to_owned();
    (head.status, fidelity, serde_json::from_slice(&got.bytes).unwrap_or_default())
}

fn thinks(seen: &Seen) -> Turn {
    let count = seen.turns().len();
    Turn::reasoning(&[&format!("openai thinks {count}")]).and_call("Bash", &json!({"command": "o"}))
}

/// R13, R15: each switch in the middle of a tool round, with thinking on both sides.
#[tokio::test]
async fn r13_r15_a_conversation_moves_in_the_middle_of_a_tool_round() {
    for thinking in [json!({"type": "adaptive"}), json!({"type": "enabled", "budget_tokens": 2048})]
    {
        let claude = claude();
        let chat = Server::start(Rules::openai("gpt-4.1"), thinks);
        let responses = Server::start(Rules::openai("gpt-5.6-terra"), thinks);
        let running = gateway(&claude, &chat, &responses);
        let mut messages = vec![json!({"role": "user", "content": "go"})];
        let way = [
            "claude-opus-5-5",
            "gpt-5.6-terra",
            "claude-opus-5-5",
            "claude-opus-5-5",
            "gpt-5.6-terra",
            "gpt-5.6-terra",
            "gpt-4.1",
            "claude-opus-5-5",
            "gpt-4.1",
            "gpt-5.6-terra",
            "claude-opus-5-5",
        ];
        for (step, model) in way.iter().enumerate() {
            let body = json!({
                "model": model, "max_tokens": 8000, "thinking": thinking, "messages": messages,
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
                "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
            });
            let (status, fidelity, message) = ask(&running, &body).await;
            assert_eq!(status, 200, "step {step} {model} {thinking}: {message}");
            assert_eq!((chat.refusals(), responses.refusals()), (vec![], vec![]), "step {step}");
            let foreign = step > 0 && way[step - 1] != *model;
            assert!(!(foreign && fidelity.is_empty()), "step {step}: a dropped thought is told");
            let call =
                message["content"].as_array().and_then(|b| b.last()).cloned().unwrap_or_default();
            assert_eq!(call["type"], "tool_use", "step {step}: {message}");
            messages.push(json!({"role": "assistant", "content": message["content"]}));
            messages.push(json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call["id"], "content": format!("result {step}")}]}));
        }
        // Nothing of one's own got lost on the way: Claude has all its thoughts back, each signed.
        let last: Value = serde_json::from_slice(&claude.request(4).await.body).expect("JSON");
        let text = last.to_string();
        for own in ["EqNative1", "EqNative5", "EqNative7", "EqNative15"] {
            assert_eq!(text.contains(own), own != "EqNative21", "{own}: {text}");
        }
        assert!(!text.contains("openai thinks"), "{text}");
        // And OpenAI the reasoning it sealed.
        let seen = responses.turns();
        let sent = seen.last().expect("asked").body.to_string();
        assert!(sent.matches("\"encrypted_content\":\"").count() >= 3, "{sent}");
        assert!(!sent.contains("claude thinks") && !sent.contains("EqNative"), "{sent}");
        for server in [&chat, &responses] {
            let all: String = server.seen().iter().map(|seen| seen.body.to_string()).collect();
            assert!(!all.contains("gw1.") && !all.contains("EqNative"), "{all}");
        }
    }
}

/// Two gateways with the same keys agree; one with others drops what it can't open, and says so.
#[tokio::test]
async fn what_one_gateway_sealed_another_with_its_keys_opens() {
    let responses = Server::start(Rules::openai("gpt-5.6-terra"), thinks);
    let with_keys = |keys: &str| {
        let yaml = format!(
            "server: {{state_keys: [{keys}]}}\nproviders:\n  up: {{kind: openai-responses, api_base: {}}}\n",
            responses.url()
        );
        custom(&yaml, &[], |_| {})
    };
    let (new, old) = ("a-new-key-of-some-length", "an-old-key-of-some-length");
    let first = with_keys(old);
    let mut body = json!({
        "model": "gpt-5.6-terra", "max_tokens": 8000, "thinking": {"type": "adaptive"},
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}],
    });
    let (_, _, message) = ask(&first, &body).await;
    let call = message["content"].as_array().and_then(|b| b.last()).cloned().unwrap_or_default();
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": message["content"]}));
    messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"}]}));
    for (keys, opens) in
        [(format!("{new}, {old}"), true), (old.to_owned(), true), (new.to_owned(), false)]
    {
        let second = with_keys(&keys);
        let (status, fidelity, message) = ask(&second, &body).await;
        assert_eq!(status, 200, "{message}");
        let sent = responses.turns().last().expect("asked").body.to_string();
        assert_eq!(sent.contains("\"encrypted_content\":\""), opens, "{keys}: {sent}");
        assert_eq!(fidelity.is_empty(), opens, "{keys}: {fidelity}");
        assert!(!sent.contains("gw1."), "{sent}");
    }
    assert_eq!(responses.refusals(), []);
}

/// State of another account of the same provider is refused by it; the gateway asks again without.
#[tokio::test]
async fn reasoning_that_the_provider_no_longer_takes_is_left_out_and_asked_again() {
    let responses = Server::start(Rules::openai("gpt-5.6-terra"), thinks);
    let yaml =
        format!("providers:\n  up: {{kind: openai-responses, api_base: {}}}\n", responses.url());
    let running = custom(&yaml, &[], |_| {});
    let mut body = json!({
        "model": "gpt-5.6-terra", "max_tokens": 8000, "thinking": {"type": "adaptive"},
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}],
    });
    let (_, _, message) = ask(&running, &body).await;
    let call = message["content"].as_array().and_then(|b| b.last()).cloned().unwrap_or_default();
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": message["content"]}));
    messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"}]}));
    responses.change(|rules| "org-other".clone_into(&mut rules.account));
    let (status, fidelity, message) = ask(&running, &body).await;
    assert_eq!(status, 200, "{message}");
    assert!(fidelity.contains("messages[1]"), "{fidelity}");
    assert_eq!(responses.refusals().len(), 1);
    let log = running.stop();
    assert!(log.contains("\"attempts\":2"), "{log}");
}
