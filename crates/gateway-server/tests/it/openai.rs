//! Upstreams that speak OpenAI's dialects, through the whole gateway.

use gateway_testkit::openai::{Fault, Finish, Refusal, Rules, Seen, Server, Style, Turn, Usage};
use gateway_testkit::{BodyEnd, RawClient, ReplyHead, request};
use serde_json::{Value, json};

use crate::support::{Running, custom};

const KEY: &str = "sk-planted-openai-key-0123456789";
const DIALECTS: [(&str, &str); 2] = [("gpt-4.1", "chat"), ("gpt-5.6-terra", "responses")];

/// A gateway before a scripted `OpenAI`.
fn with(server: &Server, api: &str, more: &str) -> Running {
    let yaml = format!(
        "providers:\n  up:\n    kind: openai\n    api_base: {}\n    api_key_env_var: UP_KEY\n    \
         extra: {{api: {api}}}\n{more}",
        server.url()
    );
    custom(&yaml, &[("UP_KEY", KEY)], |_| {})
}

fn rules(model: &str) -> Rules {
    Rules::openai(model).with_key(KEY)
}

pub(crate) async fn post(
    running: &Running,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let mut client = running.client().await;
    let mut all = vec![("x-api-key", "callers-own-key-123"), ("x-app", "cli")];
    all.extend_from_slice(headers);
    client.send(&request("POST", path, &all, body.to_string().as_bytes())).await;
    Answer::of(&mut client).await
}

pub(crate) async fn ask(running: &Running, body: &Value) -> Answer {
    post(running, "/v1/messages?beta=true", &[("anthropic-beta", "x-2025")], body).await
}

pub(crate) struct Answer {
    pub(crate) head: ReplyHead,
    pub(crate) text: String,
    pub(crate) clean: bool,
}

impl Answer {
    async fn of(client: &mut RawClient) -> Self {
        let (head, body) = client.reply().await;
        let text = String::from_utf8(body.bytes.to_vec()).expect("UTF-8");
        Self { head, text, clean: body.end == BodyEnd::Clean }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }

    /// The message that a client puts together, and the error if one came.
    pub(crate) fn message(&self) -> (Value, Option<Value>) {
        if !self.text.starts_with("event:") {
            let whole = self.json();
            let error = whole.get("error").cloned();
            return (whole, error);
        }
        let (mut message, mut error) = (Value::Null, None);
        for event in self.events() {
            match event["type"].as_str().expect("a type") {
                "message_start" => message = event["message"].clone(),
                "content_block_start" => {
                    let blocks = message["content"].as_array_mut().expect("blocks");
                    assert_eq!(event["index"], blocks.len());
                    blocks.push(event["content_block"].clone());
                }
                "content_block_delta" => {
                    let blocks = message["content"].as_array_mut().expect("blocks");
                    let block = blocks.last_mut().expect("an open block");
                    let delta = &event["delta"];
                    for field in ["text", "thinking", "signature", "partial_json"] {
                        if let Some(piece) = delta[field].as_str() {
                            let old = block[field].as_str().unwrap_or_default().to_owned();
                            block[field] = json!(old + piece);
                        }
                    }
                    if delta["type"] == "citations_delta" {
                        let citations = block["citations"].take();
                        let mut citations = citations.as_array().cloned().unwrap_or_default();
                        citations.push(delta["citation"].clone());
                        block["citations"] = json!(citations);
                    }
                }
                "content_block_stop" => {
                    let blocks = message["content"].as_array_mut().expect("blocks");
                    let block = blocks.last_mut().and_then(Value::as_object_mut).expect("a block");
                    if let Some(text) = block.remove("partial_json") {
                        let text = text.as_str().expect("text");
                        block.insert("input".into(), serde_json::from_str(text).expect("JSON"));
                    }
                }
                "message_delta" => {
                    for (key, value) in event["delta"].as_object().expect("fields") {
                        message[key] = value.clone();
                    }
                    message["usage"] = event["usage"].clone();
                }
                "error" => error = Some(event["error"].clone()),
                _ => {}
            }
        }
        (message, error)
    }
}

pub(crate) fn tools() -> Value {
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"command": {"type": "string"}}, "additionalProperties": false});
    json!([
        {"name": "Bash", "description": "Runs", "input_schema": schema},
        {"name": "Read", "description": "Reads", "input_schema": schema},
    ])
}

pub(crate) fn turn(stream: bool) -> Value {
    json!({
        "model": "claude-opus-5-5", "max_tokens": 4096, "stream": stream,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.abc"},
                   {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]},
                     {"role": "system", "content": "Today is Friday.", "output_config": {"effort": "high"}}],
        "tools": tools(), "thinking": {"type": "adaptive", "display": "summarized"},
        "metadata": {"user_id": "{\"device_id\":\"d\",\"session_id\":\"s\"}"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    })
}

fn mapped(model: &str) -> String {
    format!("    model_map: {{\"claude-*\": {model}}}\n")
}

pub(crate) fn said(content: &Value) -> Vec<String> {
    let block = |block: &Value| match block["type"].as_str().unwrap_or_default() {
        "text" => format!("text {}", block["text"].as_str().unwrap_or_default()),
        "thinking" => format!("thinking {}", block["thinking"].as_str().unwrap_or_default()),
        "tool_use" => format!("{} {}", block["name"].as_str().unwrap_or_default(), block["input"]),
        other => other.to_owned(),
    };
    content.as_array().into_iter().flatten().map(block).collect()
}

/// R1, R2, R3, R17, R32, R33: whatever way a server has of saying it, the client sees the same, streamed and not.
#[tokio::test]
async fn r01_r02_r03_r17_r32_r33_every_way_of_saying_it_is_understood() {
    let spoken = || {
        Turn::reasoning(&["First.", "Then."])
            .and_text("Let me \"look\" — ünï \u{1F600}\n")
            .and_call("Bash", &json!({"command": "ls \"x\" \\ é"}))
            .and_call("Read", &json!({"command": "a", "deep": {"b": [1, null]}}))
    };
    for (model, api) in DIALECTS {
        for (name, style) in Style::all() {
            for stream in [true, false] {
                let usage = Usage { cached: 200, cache_write: 100, ..Usage::default() };
                let one = spoken().style(style.clone()).usage(usage);
                let server = Server::start(rules(model), move |_| one.clone());
                let running = with(&server, api, &mapped(model));
                let answer = ask(&running, &turn(stream)).await;
                let about = format!("{api} {name} stream={stream}: {}", answer.text);
                assert_eq!(server.refusals(), [], "{about}");
                assert_eq!(server.leaks(), Vec::<String>::new(), "{about}");
                assert_eq!((answer.head.status, answer.clean), (200, true), "{about}");
                let (message, error) = answer.message();
                assert_eq!(error, None, "{about}");
                let mut blocks = said(&message["content"]);
                if blocks[0].starts_with("thinking") {
                    let signature = message["content"][0]["signature"].as_str().unwrap_or_default();
                    assert!(signature.starts_with("gw1."), "{about}");
                    blocks.remove(0);
                }
                let wanted = [
                    "text Let me \"look\" — ünï \u{1F600}\n",
                    "Bash {\"command\":\"ls \\\"x\\\" \\\\ é\"}",
                    "Read {\"command\":\"a\",\"deep\":{\"b\":[1,null]}}",
                ];
                assert_eq!(blocks, wanted, "{about}");
                assert_eq!(message["stop_reason"], "tool_use", "{about}");
                assert_eq!(message["model"], "claude-opus-5-5", "{about}");
                assert_eq!(answer.head.header("x-gateway-model"), Some(model), "{about}");
                let usage = &message["usage"];
                if name == "no-usage" && api == "chat" {
                    assert!(usage["input_tokens"].as_u64() > Some(10), "{about}");
                    assert!(usage["output_tokens"].as_u64() > Some(5), "{about}");
                } else {
                    // Servers that tell hits and misses tell no writes.
                    let written = if (api, name) == ("chat", "hit-tokens") { 0 } else { 100 };
                    assert_eq!(usage["input_tokens"], 800 - written, "{about}");
                    assert_eq!(usage["cache_read_input_tokens"], 200, "{about}");
                    assert_eq!(usage["cache_creation_input_tokens"], written, "{about}");
                    assert_eq!(usage["output_tokens"], 50, "{about}");
                }
                let ids: std::collections::HashSet<_> = message["content"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|b| b["id"].as_str())
                    .collect();
                assert!(ids.len() == 2 && ids.iter().all(|id| !id.is_empty()), "{about}");
            }
        }
    }
}

/// R4, R6: a reply that is not whole never looks whole.
#[tokio::test]
async fn r04_r06_a_reply_that_breaks_is_an_error() {
    for (model, api) in DIALECTS {
        let call =
            || Turn::text("Let me look.").and_call("Bash", &json!({"command": "rm -rf /tmp/x"}));
        let whole = {
            let server = Server::queue(rules(model), [call()]);
            let running = with(&server, api, &mapped(model));
            ask(&running, &turn(true)).await.text.len()
        };
        for cut in (0..4000).step_by(97) {
            for fault in [Fault::CutAt(cut), Fault::EndAt(cut)] {
                let server = Server::queue(rules(model), [call().fault(fault.clone())]);
                let running = with(&server, api, &mapped(model));
                let answer = ask(&running, &turn(true)).await;
                let about = format!("{api} {fault:?} of {whole}: {}", answer.text);
                if answer.head.status != 200 {
                    assert_eq!(answer.head.status, 502, "{about}");
                    assert_eq!(answer.json()["error"]["type"], "api_error", "{about}");
                    continue;
                }
                let (message, error) = answer.message();
                let finished = answer.text.contains("message_stop");
                assert_ne!(finished, error.is_some(), "{about}");
                assert!(answer.clean, "{about}");
                if finished {
                    assert_eq!(said(&message["content"]).len(), 2, "{about}");
                } else {
                    // A call that is closed would be run.
                    let closed = answer
                        .events()
                        .iter()
                        .filter(|e| e["type"] == "content_block_stop")
                        .count();
                    assert!(closed <= 1, "{about}");
                }
                assert!(
                    running.stop().contains(if finished { "\"ok\"" } else { "\"broken\"" }),
                    "{about}"
                );
            }
        }
    }
}

/// R5, R7: what a limit or the filter cut is told as that.
#[tokio::test]
async fn r05_r07_reasons_are_told() {
    for (model, api) in DIALECTS {
        for stream in [true, false] {
            for (spoken, reason, blocks) in [
                (Turn::text("hi"), "end_turn", 1),
                (Turn::text("hi").finish(Finish::Length), "max_tokens", 1),
                (Turn::text("hi").finish(Finish::ContentFilter), "refusal", 1),
                (Turn::text("").and_refusal("I can't."), "refusal", 1),
                (
                    Turn::text("hi")
                        .and_raw_call("call_1", "Bash", "{\"comm")
                        .finish(Finish::Length),
                    "max_tokens",
                    2,
                ),
                (
                    Turn::text("hi").and_call("Bash", &json!({})).finish(Finish::Word("stop")),
                    "tool_use",
                    2,
                ),
            ] {
                let about = format!("{api} stream={stream} {spoken:?}");
                let server = Server::queue(rules(model), [spoken]);
                let running = with(&server, api, &mapped(model));
                let answer = ask(&running, &turn(stream)).await;
                let about = format!("{about}: {}", answer.text);
                assert_eq!(server.refusals(), [], "{about}");
                let content = if stream {
                    let events = answer.events();
                    let stop = events.iter().find(|e| e["type"] == "message_delta").cloned();
                    let stop = stop.unwrap_or_else(|| panic!("{about}"));
                    assert_eq!(stop["delta"]["stop_reason"], reason, "{about}");
                    events.iter().filter(|e| e["type"] == "content_block_start").count()
                } else {
                    let message = answer.json();
                    assert_eq!(message["stop_reason"], reason, "{about}");
                    message["content"].as_array().map_or(0, Vec::len)
                };
                // Half a call is left out of a unary reply.
                let half = !stream && reason == "max_tokens" && blocks == 2;
                assert_eq!(content, if half { 1 } else { blocks }, "{about}");
            }
        }
    }
}

/// R29 and the error table: the status, the type, and what the client acts on.
#[tokio::test]
async fn r29_errors_keep_their_status_and_say_what_the_client_understands() {
    for (model, api) in DIALECTS {
        for stream in [true, false] {
            for (refusal, status, kind, part) in [
                (Refusal::rate_limit(7), 429, "rate_limit_error", "Rate limit"),
                (Refusal::insufficient_quota(), 429, "billing_error", "quota"),
                (Refusal::server_error(), 500, "api_error", ""),
                (Refusal::overloaded(), 529, "overloaded_error", ""),
                (Refusal::azure_content_filter(), 400, "policy_blocked", "filtered"),
                (
                    Refusal::new("Unknown parameter: 'x'.").code("unknown_parameter"),
                    400,
                    "invalid_request_error",
                    "Unknown parameter",
                ),
            ] {
                let server = Server::queue(rules(model), [Turn::error(refusal.clone())]);
                let running = with(&server, api, &mapped(model));
                let answer = ask(&running, &turn(stream)).await;
                let about = format!("{api} {refusal:?}: {}", answer.text);
                assert_eq!(answer.head.status, status, "{about}");
                let error = answer.json();
                assert_eq!(error["error"]["type"], kind, "{about}");
                let message = error["error"]["message"].as_str().unwrap_or_default();
                assert!(message.contains(part), "{about}");
                assert_eq!(
                    error["request_id"].as_str(),
                    answer.head.header("x-gateway-request-id")
                );
                if status == 429 && kind == "rate_limit_error" {
                    assert_eq!(answer.head.header("retry-after"), Some("7"), "{about}");
                }
                let should_retry = answer.head.header("x-should-retry");
                assert_eq!(
                    should_retry == Some("false"),
                    kind == "billing_error" || status == 400,
                    "{about}"
                );
            }
        }
        // A refusal of the gateway's own key names the variable, and never the key.
        let server = Server::queue(Rules::openai(model).with_key("another"), []);
        let running = with(&server, api, &mapped(model));
        let answer = ask(&running, &turn(true)).await;
        assert_eq!(
            (answer.head.status, answer.head.header("x-should-retry")),
            (401, Some("false"))
        );
        assert!(answer.text.contains("UP_KEY") && !answer.text.contains(KEY), "{}", answer.text);
        assert!(!answer.text.contains("x-api-key"), "{}", answer.text);
    }
}

/// An error inside a 200: a status before the first block, an event after it.
#[tokio::test]
async fn r29_an_error_inside_a_200_is_an_error() {
    for (model, api) in DIALECTS {
        let error = |early: bool| {
            let spoken =
                if early { Turn::text("") } else { Turn::text("some words and more of them") };
            let (code, message) = ("server_is_overloaded".to_owned(), "Too busy.".to_owned());
            spoken.fault(if api == "chat" {
                Fault::Error { code, message }
            } else {
                Fault::Failed { code, message }
            })
        };
        for stream in [true, false] {
            let server = Server::queue(rules(model), [error(true)]);
            let running = with(&server, api, &mapped(model));
            let answer = ask(&running, &turn(stream)).await;
            assert_eq!(answer.head.status, 529, "{api} {}", answer.text);
            assert!(answer.text.contains("Too busy."), "{}", answer.text);
        }
        let server = Server::queue(rules(model), [error(false)]);
        let running = with(&server, api, &mapped(model));
        let answer = ask(&running, &turn(true)).await;
        let (_, fault) = answer.message();
        let fault = fault.unwrap_or_else(|| panic!("{api} {}", answer.text));
        assert_eq!(fault["type"], "overloaded_error");
        assert!(!answer.text.contains("message_stop"));
    }
}

/// Overflow on any dialect is the text upon which the client compacts.
#[tokio::test]
async fn an_overflow_is_told_in_the_clients_words() {
    for (model, api) in DIALECTS {
        let server = Server::queue(rules(model).with_window(30), []);
        let running = with(&server, api, &mapped(model));
        let answer = ask(&running, &turn(true)).await;
        assert_eq!(answer.head.status, 400, "{}", answer.text);
        let error = answer.json();
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(
            message.starts_with("prompt is too long: ") && message.contains(" maximum"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn losses_are_in_the_header_and_a_strict_caller_refuses_them() {
    for (model, api) in DIALECTS {
        let server = Server::start(rules(model), |_| Turn::text("hi"));
        let running = with(&server, api, &mapped(model));
        let clean = ask(&running, &turn(true)).await;
        assert_eq!(clean.head.header("x-gateway-fidelity"), None, "{api}");
        let mut body = turn(true);
        body["top_k"] = json!(5);
        body["max_tokens"] = json!(10_000_000);
        let lossy = ask(&running, &body).await;
        let told = lossy.head.header("x-gateway-fidelity").unwrap_or_default().to_owned();
        assert!(told.contains("dropped=") && told.contains("top_k"), "{told}");
        assert!(told.contains("clamped=max_tokens"), "{told}");
        let asked = server.seen().len();
        let strict = post(&running, "/v1/messages", &[("x-gateway-strict", "1")], &body).await;
        assert_eq!(strict.head.status, 400, "{}", strict.text);
        assert!(
            strict.text.contains("top_k") && strict.text.contains("max_tokens"),
            "{}",
            strict.text
        );
        assert_eq!(server.seen().len(), asked, "a refused request goes nowhere");
        let fine = post(&running, "/v1/messages", &[("x-gateway-strict", "1")], &turn(true)).await;
        assert_eq!(fine.head.status, 200, "{}", fine.text);
        // Hints are in the log only.
        let log = running.stop();
        assert!(log.contains("context_management") && log.contains("\"hint\""), "{log}");
        assert_eq!(server.refusals(), []);
    }
}

/// R31: a counter is asked where there is one; else the estimate says that it is one.
#[tokio::test]
async fn r31_tokens_are_counted_by_the_upstream_or_estimated() {
    let mut body = turn(false);
    body.as_object_mut().expect("an object").remove("max_tokens");
    for (model, api) in DIALECTS {
        let server = Server::start(rules(model), |_| Turn::text("hi"));
        let running = with(&server, api, &mapped(model));
        let answer = post(&running, "/v1/messages/count_tokens?beta=true", &[], &body).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text);
        let tokens = answer.json()["input_tokens"].as_u64().unwrap_or_default();
        assert!((20..400).contains(&tokens), "{api}: {tokens}");
        assert_eq!(server.refusals(), []);
        if api == "chat" {
            assert_eq!(answer.head.header("x-gateway-estimate"), Some("1"));
            assert!(server.seen().is_empty());
        }
    }
}

/// A unary request with a stop sequence: the answer ends where it says, whatever the upstream would go on to say.
#[tokio::test]
async fn a_stop_sequence_ends_the_answer_and_is_named() {
    for (model, api) in DIALECTS {
        for stream in [false, true] {
            let server = Server::start(rules(model), |_| {
                Turn::text("<block>no</block> and then a lot more of it")
            });
            let running = with(&server, api, &mapped(model));
            let body = json!({
                "model": "claude-sonnet-5", "max_tokens": 64, "stop_sequences": ["</block>"], "stream": stream,
                "thinking": {"type": "disabled"}, "system": "Judge.",
                "messages": [{"role": "user", "content": "ls"}],
            });
            let answer = ask(&running, &body).await;
            let (message, _) = answer.message();
            assert_eq!(server.refusals(), [], "{api}");
            assert_eq!(said(&message["content"]), ["text <block>no"], "{api} {}", answer.text);
            assert_eq!(message["stop_reason"], "stop_sequence");
            assert_eq!(message["stop_sequence"], "</block>");
        }
    }
}

/// R12, R13, R15, R27: a whole agent's conversation goes up in an order the service takes, with its own state verbatim.
#[tokio::test]
async fn r12_r15_r27_a_tool_loop_with_thinking_goes_round() {
    let agent = |seen: &Seen| match seen.results().len() {
        0 => Turn::reasoning(&["I look."])
            .and_call("Bash", &json!({"command": "ls"}))
            .and_call("Read", &json!({"command": "x"})),
        2 => Turn::reasoning(&["I see."])
            .and_text("And?")
            .and_call("Bash", &json!({"command": "pwd"})),
        _ => Turn::text("done"),
    };
    for (model, api) in DIALECTS {
        let server = Server::start(rules(model), agent);
        let running = with(&server, api, &mapped(model));
        let mut body = turn(true);
        for round in 0..3 {
            let (message, error) = ask(&running, &body).await.message();
            assert_eq!((error, server.refusals()), (None, Vec::new()), "{api} round {round}");
            let content = message["content"].clone();
            let calls: Vec<_> = content
                .as_array()
                .into_iter()
                .flatten()
                .filter(|b| b["type"] == "tool_use")
                .collect();
            if calls.is_empty() {
                assert_eq!((round, said(&content)), (2, vec!["text done".to_owned()]), "{api}");
                break;
            }
            let mut results = vec![json!({"type": "text", "text": "a note before the results"})];
            for call in &calls {
                results.push(json!({"type": "tool_result", "tool_use_id": call["id"], "is_error": round == 1, "content": [
                    {"type": "text", "text": "out"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                        "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}},
                ]}));
            }
            let messages = body["messages"].as_array_mut().expect("messages");
            messages.push(json!({"role": "assistant", "content": content}));
            messages.push(json!({"role": "user", "content": results}));
        }
        let last = server.seen().pop().expect("asked");
        let sent = last.body.to_string();
        assert!(sent.contains("Error:") && sent.contains("data:image/png;base64,"), "{sent}");
        assert!(!sent.contains("gw1.") && !sent.contains("x-anthropic-billing-header"), "{sent}");
        if api == "responses" {
            assert!(sent.contains("encrypted_content\":\""), "its own state goes back: {sent}");
        }
    }
}

/// R13: what another provider sealed never reaches this one.
#[tokio::test]
async fn r13_r14_foreign_state_is_left_out_and_told() {
    for (model, api) in DIALECTS {
        let server = Server::start(rules(model), |_| Turn::text("ok"));
        let running = with(&server, api, &mapped(model));
        for signature in ["EqQBCkYIBxgCKkAforeign", "gw1.AAAAforged", ""] {
            let mut body = turn(true);
            body["messages"] = json!([
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "secret thought", "signature": signature},
                    {"type": "redacted_thinking", "data": "foreign-data"},
                    {"type": "tool_use", "id": "toolu_01AbC", "name": "Bash", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01AbC", "content": "x"}]},
            ]);
            let answer = ask(&running, &body).await;
            assert_eq!(answer.head.status, 200, "{}", answer.text);
            let fidelity = answer.head.header("x-gateway-fidelity").unwrap_or_default();
            assert!(fidelity.contains("messages[1].content[0]"), "{api} {signature}: {fidelity}");
            let sent = server.seen().pop().expect("asked").body.to_string();
            assert!(!sent.contains("secret thought") && !sent.contains("foreign"), "{sent}");
            assert!(signature.is_empty() || !sent.contains(signature), "{sent}");
        }
        assert_eq!(server.refusals(), []);
    }
}

/// An unknown compatible server works from its base URL alone, however bare it is.
#[tokio::test]
async fn an_unknown_server_works_from_its_base_url_alone() {
    for preset in ["bare", "vllm_strict_template", "groq", "deepseek", "kimi"] {
        let agent = |seen: &Seen| match seen.results().len() {
            0 => Turn::text("I look.").and_call("Bash", &json!({"command": "ls"})),
            _ => Turn::text("done"),
        };
        let server = Server::start(Rules::compatible(preset), agent);
        let yaml =
            format!("providers:\n  own:\n    kind: openai\n    api_base: {}\n", server.url());
        let running = custom(&yaml, &[], |_| {});
        let mut body = turn(true);
        let (message, error) = ask(&running, &body).await.message();
        assert_eq!(error, None, "{preset}");
        // R20: a field that was refused is left out, told, and not sent again.
        let refused: Vec<_> = server.refusals().into_iter().map(|r| r.message).collect();
        let wanted = if preset == "bare" {
            vec!["Unrecognized request argument supplied: stream_options".to_owned()]
        } else {
            Vec::new()
        };
        assert_eq!(refused, wanted, "{preset}");
        let call = message["content"]
            .as_array()
            .and_then(|blocks| blocks.last())
            .cloned()
            .unwrap_or_default();
        assert_eq!(
            (&call["type"], &call["name"]),
            (&json!("tool_use"), &json!("Bash")),
            "{preset} {message}"
        );
        let messages = body["messages"].as_array_mut().expect("messages");
        messages.push(json!({"role": "assistant", "content": message["content"]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call["id"], "content": ""}, {"type": "text", "text": "go on"}]}));
        let (message, error) = ask(&running, &body).await.message();
        let refused: Vec<_> = server.refusals().into_iter().map(|r| r.message).collect();
        let more = usize::from(["deepseek", "kimi"].contains(&preset));
        assert_eq!((error, refused.len()), (None, wanted.len() + more), "{preset} {refused:?}");
        assert_eq!(said(&message["content"]), ["text done"], "{preset}");
    }
}

/// Web search in the client's own way: native blocks with citations (R39).
#[tokio::test]
async fn r39_web_search_is_told_as_server_tool_blocks() {
    let body = json!({
        "model": "claude-opus-5-5", "max_tokens": 4096, "stream": true,
        "messages": [{"role": "user", "content": "Perform a web search for the query: rust"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        "tool_choice": {"type": "auto"},
    });
    let spoken = || {
        Turn::text("")
            .and_search("rust", &["https://a.example/1", "https://b.example/2"])
            .and_cited_text("Rust is a language.", "https://a.example/1", "A")
    };
    let server = Server::start(rules("gpt-5.6-terra"), move |_| spoken());
    let running = with(&server, "responses", &mapped("gpt-5.6-terra"));
    let answer = ask(&running, &body).await;
    assert_eq!(server.refusals(), []);
    let (message, _) = answer.message();
    let content = message["content"].as_array().expect("blocks");
    let kinds: Vec<_> = content.iter().filter_map(|b| b["type"].as_str()).collect();
    assert_eq!(kinds, ["server_tool_use", "web_search_tool_result", "text"], "{message}");
    assert_eq!(content[0]["input"]["query"], "rust");
    assert_eq!(content[0]["id"], content[1]["tool_use_id"]);
    assert_eq!(content[1]["content"][0]["url"], "https://a.example/1");
    assert_eq!(content[2]["citations"][0]["url"], "https://a.example/1");
    assert_eq!(message["usage"]["server_tool_use"]["web_search_requests"], 1);
    assert_eq!(message["stop_reason"], "end_turn");
    // Where nothing can search, that is said, and not silently nothing.
    let chat = Server::start(rules("gpt-4.1"), |_| Turn::text("x"));
    let running = with(&chat, "chat", &mapped("gpt-4.1"));
    let answer = ask(&running, &body).await;
    assert_eq!(answer.head.status, 400, "{}", answer.text);
    assert!(answer.text.contains("web search"), "{}", answer.text);
}
