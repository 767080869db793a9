//! Every style of the scripted Bedrock says the same, and does what its name says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_testkit::bedrock::{
    Asked, Citation, Family, Finish, Location, Rules, Server, Style, Turn, Usage, converse_reply,
    event_stream, invoke_reply, redacted, signature,
};
use gateway_testkit::{RawClient, request};
use serde_json::{Value, json};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn everything() -> Turn {
    let usage =
        Usage { input: 7, output: 9, cache_read: 100, cache_write_5m: 20, cache_write_1h: 3 };
    Turn::reasoning("Let me think.")
        .and_redacted("hidden")
        .and_text("Grüße, 42 ✓")
        .and_call("Bash", &json!({"command": "ls \"a\"\n"}))
        .and_call("Time", &json!({}))
        .usage(usage)
}

/// The blocks, the stop and the usage of a streamed Converse answer.
fn folded(events: &[(String, Value)]) -> (Vec<Value>, Value, Value) {
    let mut blocks: BTreeMap<u64, Value> = BTreeMap::new();
    let (mut stop, mut usage) = (Value::Null, Value::Null);
    let append = |block: &mut Value, name: &str, more: &str| {
        let so_far = block[name].as_str().unwrap_or_default().to_owned();
        block[name] = json!(so_far + more);
    };
    for (kind, payload) in events {
        let index = payload["contentBlockIndex"].as_u64().unwrap_or_default();
        match kind.as_str() {
            "contentBlockStart" => {
                blocks.insert(index, payload["start"]["toolUse"].clone());
            }
            "contentBlockDelta" => {
                let block = blocks.entry(index).or_insert_with(|| json!({}));
                let delta = &payload["delta"];
                for (at, name) in [
                    ("/text", "text"),
                    ("/toolUse/input", "input"),
                    ("/reasoningContent/text", "thinking"),
                    ("/reasoningContent/signature", "signature"),
                    ("/reasoningContent/redactedContent", "data"),
                ] {
                    if let Some(more) = delta.pointer(at).and_then(Value::as_str) {
                        append(block, name, more);
                    }
                }
            }
            "messageStop" => stop = payload["stopReason"].clone(),
            "metadata" => usage = payload["usage"].clone(),
            _ => {}
        }
    }
    (blocks.into_values().collect(), stop, usage)
}

#[tokio::test]
async fn every_style_says_the_same_on_the_wire() {
    let rules = Rules::bedrock(CLAUDE);
    let usage = json!({
        "inputTokens": 7, "outputTokens": 9, "totalTokens": 139, "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 23,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 20}, {"ttl": "1h", "inputTokens": 3}],
    });
    let body = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}).to_string();
    for (name, style) in Style::all() {
        let turn = everything().style(style.clone());
        let server = Server::queue(rules.clone(), [turn]);
        let mut client = RawClient::connect(server.addr()).await;
        let path = format!("/model/{CLAUDE}/converse-stream");
        client.send(&request("POST", &path, &[], body.as_bytes())).await;
        let reply = client.reply().await.1;
        let frames = event_stream::frames(&reply.bytes).expect("whole frames");
        let event = |frame: &event_stream::Frame| {
            (frame.header(":event-type").expect("an event").to_owned(), frame.json())
        };
        let events: Vec<(String, Value)> = frames.iter().map(event).collect();
        let (mut blocks, stop, told) = folded(&events);
        for block in &mut blocks {
            block.as_object_mut().expect("a block").remove("toolUseId");
            if block["input"] == "" || block["input"].is_null() {
                block.as_object_mut().expect("a block").remove("input");
            }
        }
        let last = blocks.pop().expect("a call");
        assert!(
            last == json!({"name": "Time"}) || last == json!({"name": "Time", "input": "{}"}),
            "{name}: {last}"
        );
        let said = json!([
            {"thinking": "Let me think.", "signature": signature(&rules, "Let me think.")},
            {"data": redacted(&rules, "hidden")},
            {"text": "Grüße, 42 ✓"},
            {"name": "Bash", "input": json!({"command": "ls \"a\"\n"}).to_string()},
        ]);
        assert_eq!(json!(blocks), said, "{name}");
        assert_eq!(stop, if style.end_turn_for_calls { "end_turn" } else { "tool_use" }, "{name}");
        assert_eq!(told, if style.metadata { usage.clone() } else { Value::Null }, "{name}");
        let padded = events.iter().all(|(_, payload)| payload["p"].is_string());
        assert_eq!(padded, style.padding, "{name}");
        let starts = events.iter().filter(|(kind, _)| kind == "contentBlockStart").count();
        let stops = events.iter().filter(|(kind, _)| kind == "contentBlockStop").count();
        assert_eq!((starts, stops), (2, if style.text_stops { 5 } else { 4 }), "{name}");
    }
}

#[test]
fn styles_differ_as_their_names_say() {
    let (rules, body) = (Rules::bedrock(CLAUDE), json!({}));
    let asked = Asked { body: &body, index: 0, rules: &rules };
    let events = |name: &str| {
        let turn = everything().style(Style::named(name));
        converse_reply::events(&turn, asked).0
    };
    let inputs = |name: &str| -> Vec<String> {
        let events = events(name);
        let input = |(_, payload): &(&str, Value)| {
            payload.pointer("/delta/toolUse/input").and_then(Value::as_str).map(str::to_owned)
        };
        events.iter().filter_map(input).collect()
    };
    assert_eq!(inputs("input-whole").len(), 1);
    assert!(inputs("input-empty-pieces").iter().any(String::is_empty));
    assert!(inputs("bedrock").iter().all(|piece| !piece.is_empty()));
    assert_eq!(inputs("input-always").last().map(String::as_str), Some("{}"));
    let indexes = |name: &str| -> Vec<u64> {
        let mut indexes: Vec<u64> =
            events(name).iter().filter_map(|(_, p)| p["contentBlockIndex"].as_u64()).collect();
        indexes.dedup();
        indexes
    };
    assert_eq!((indexes("bedrock"), indexes("gaps")), (vec![0, 1, 2, 3, 4], vec![0, 2, 4, 6, 8]));
    assert!(events("empty-text").iter().any(|(_, payload)| payload["delta"]["text"] == ""));
    assert_eq!(events("no-metadata").last().expect("an event").0, "messageStop");
    let llama = Turn::call("Bash", &json!({})).style(Style::of(Family::Llama));
    assert_eq!(converse_reply::body(&llama, asked)["stopReason"], "end_turn");
    assert!(events("extras").last().expect("an event").1["serviceTier"].is_object());
}

#[test]
fn claude_speaks_in_its_own_events() {
    let (rules, body) = (Rules::bedrock(CLAUDE), json!({}));
    let asked = Asked { body: &body, index: 3, rules: &rules };
    let whole = invoke_reply::body(&everything(), asked);
    assert_eq!(whole["model"], "claude-sonnet-4-5-20250929");
    assert!(whole["id"].as_str().is_some_and(|id| id.starts_with("msg_bdrk_")), "{whole}");
    assert!(whole["content"][3]["id"].as_str().is_some_and(|id| id.starts_with("toolu_bdrk_")));
    assert_eq!(whole["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 3);
    let headers = invoke_reply::headers(&everything());
    assert_eq!(headers[0], ("X-Amzn-Bedrock-Input-Token-Count".to_owned(), "7".to_owned()));
    for (name, start, metrics) in [
        ("bedrock", json!(100), json!(100)),
        ("cache-counts-at-start", json!(100), Value::Null),
        ("cache-counts-in-metrics", Value::Null, json!(100)),
    ] {
        let turn = everything().style(Style::named(name));
        let (frames, stop) = invoke_reply::frames(&turn, asked);
        let inner = |frame: &Vec<u8>| -> Value {
            let frame = event_stream::frames(frame).expect("a frame").remove(0);
            assert_eq!(frame.header(":event-type"), Some("chunk"));
            let bytes = STANDARD.decode(frame.json()["bytes"].as_str().expect("bytes"));
            serde_json::from_slice(&bytes.expect("base64")).expect("JSON")
        };
        let events: Vec<Value> = frames.iter().map(inner).collect();
        assert_eq!(events[0]["message"]["usage"]["cache_read_input_tokens"], start, "{name}");
        assert_eq!(events[stop]["type"], "message_delta");
        assert_eq!(events[stop]["usage"], json!({"output_tokens": 9}));
        let last = events.last().expect("an event");
        let counted = &last["amazon-bedrock-invocationMetrics"];
        assert_eq!(
            (&last["type"], &counted["inputTokenCount"]),
            (&json!("message_stop"), &json!(7))
        );
        assert_eq!(counted["cacheReadInputTokenCount"], metrics, "{name}");
        assert!(events.iter().all(|event| event["type"] != "ping"));
    }
}

#[test]
fn sources_and_stops_stand_where_each_form_has_them() {
    let rules = Rules::bedrock(CLAUDE);
    let body = json!({"additionalModelResponseFieldPaths": ["/stop_sequence"]});
    let asked = Asked { body: &body, index: 0, rules: &rules };
    for (location, converse, own) in [
        (Location::Web { url: "https://a.b/c".to_owned() }, "/web/url", "search_result_location"),
        (Location::Char { document: 0, start: 1, end: 2 }, "/documentChar/end", "char_location"),
        (Location::Page { document: 0, start: 1, end: 2 }, "/documentPage/end", "page_location"),
        (
            Location::Chunk { document: 0, start: 1, end: 2 },
            "/documentChunk/end",
            "content_block_location",
        ),
    ] {
        let citation = Citation { title: "T".to_owned(), cited: "words".to_owned(), location };
        let turn = Turn::default().and_cited_text("So.", &[citation]);
        let body = converse_reply::body(&turn, asked);
        let block = &body["output"]["message"]["content"][0]["citationsContent"];
        assert!(block["citations"][0]["location"].pointer(converse).is_some(), "{body}");
        assert_eq!(block["content"], json!([{"text": "So."}]));
        let streamed = converse_reply::events(&turn, asked).0;
        let delta = |(_, payload): &(&str, Value)| payload["delta"]["citation"].is_object();
        assert!(streamed.iter().any(delta));
        assert_eq!(invoke_reply::body(&turn, asked)["content"][0]["citations"][0]["type"], own);
    }
    let turn = Turn::text("a").finish(Finish::StopSequence("END".to_owned()));
    let whole = converse_reply::body(&turn, asked);
    assert_eq!(whole["additionalModelResponseFields"], json!({"stop_sequence": "END"}));
    assert_eq!(invoke_reply::body(&turn, asked)["stop_sequence"], "END");
    for word in [
        "max_tokens",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
    ] {
        let turn = Turn::text("a").finish(Finish::Word(word));
        assert_eq!(converse_reply::body(&turn, asked)["stopReason"], word);
    }
    // Families without caches do not count them.
    let rules = Rules::bedrock("openai.gpt-oss-120b-1:0");
    let asked = Asked { body: &body, index: 0, rules: &rules };
    let usage = converse_reply::body(&everything(), asked)["usage"].clone();
    assert_eq!(usage, json!({"inputTokens": 7, "outputTokens": 9, "totalTokens": 16}));
    let unsigned = converse_reply::body(&Turn::reasoning("a"), asked);
    let reasoning = &unsigned["output"]["message"]["content"][0]["reasoningContent"];
    assert_eq!(*reasoning, json!({"reasoningText": {"text": "a"}}));
}
