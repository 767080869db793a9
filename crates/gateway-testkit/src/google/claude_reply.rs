//! Answers of Claude, in the form of the Messages API as Vertex AI passes it on.

use serde_json::{Value, json};

use super::signatures;
use super::turn::{Asked, Fault, Finish, Part, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    let mut message = message(asked, &blocks(turn, asked));
    message["stop_reason"] = json!(stop(turn));
    message["stop_sequence"] = sequence(turn, asked);
    message["usage"] = usage(turn.usage, turn.usage.candidates + turn.usage.thoughts);
    message
}

/// The frames of a streamed answer.
pub fn frames(turn: &Turn, asked: Asked<'_>) -> Vec<String> {
    let style = &turn.style;
    let mut start = message(asked, &[]);
    start["usage"] = usage(turn.usage, 1);
    let mut events = vec![
        json!({"type": "vertex_event"}),
        json!({"type": "message_start", "message": start}),
        json!({"type": "ping"}),
    ];
    for (index, block) in blocks(turn, asked).into_iter().enumerate() {
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let mut opening = block.clone();
        let mut deltas: Vec<Value> = Vec::new();
        let mut said = |kind: &str, name: &str, text: &str| {
            let delta = |piece| json!({"type": kind, name: piece});
            deltas.extend(pieces(text, style.piece).into_iter().map(delta));
        };
        match block["type"].as_str() {
            Some("text") => {
                opening["text"] = json!("");
                said("text_delta", "text", &text("text"));
            }
            Some("thinking") => {
                (opening["thinking"], opening["signature"]) = (json!(""), json!(""));
                said("thinking_delta", "thinking", &text("thinking"));
                deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            }
            _ => {
                opening["input"] = json!({});
                deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
                let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
                let input = block["input"].to_string();
                deltas.extend(pieces(&input, style.piece).into_iter().map(delta));
            }
        }
        events
            .push(json!({"type": "content_block_start", "index": index, "content_block": opening}));
        let event = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(event));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    if let Some(Fault::Error(refusal)) = &turn.fault {
        events.truncate(events.len().div_ceil(2));
        let mut error = refusal.body();
        error["type"] = json!("error");
        events.push(error);
    } else {
        let output = turn.usage.candidates + turn.usage.thoughts;
        events.push(json!({
            "type": "message_delta", "delta": {"stop_reason": stop(turn), "stop_sequence": sequence(turn, asked)},
            "usage": {"output_tokens": output},
        }));
        events.push(json!({"type": "message_stop"}));
    }
    events.iter().map(|event| style.frame(event["type"].as_str(), event)).collect()
}

fn message(asked: Asked<'_>, content: &[Value]) -> Value {
    let model = asked.model.split('@').next().unwrap_or_default();
    json!({
        "model": model, "id": asked.id("msg_vrtx_01", 0, 22), "type": "message",
        "role": "assistant", "content": content, "stop_reason": null, "stop_sequence": null,
    })
}

fn blocks(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let thinking = &asked.body["thinking"];
    let thinks = ["enabled", "adaptive"].iter().any(|kind| thinking["type"] == *kind);
    let block = |(number, part): (usize, &Part)| match part {
        Part::Thought(text) if thinks => {
            let text = if thinking["display"] == "omitted" { "" } else { text };
            let signature = signatures::of_claude(text, &asked.rules.account);
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Part::Text { text, .. } => Some(json!({"type": "text", "text": text})),
        Part::Call { id, name, args } => {
            let id = id.clone().unwrap_or_else(|| asked.id("toolu_vrtx_01", number, 22));
            Some(json!({"type": "tool_use", "id": id, "name": name, "input": args}))
        }
        _ => None,
    };
    turn.parts.iter().enumerate().filter_map(block).collect()
}

/// The sequence that was met, which is the first.
fn sequence(turn: &Turn, asked: Asked<'_>) -> Value {
    match stop(turn) {
        "stop_sequence" => asked.body["stop_sequences"][0].clone(),
        _ => Value::Null,
    }
}

fn stop(turn: &Turn) -> &'static str {
    let calls = turn.parts.iter().any(|part| matches!(part, Part::Call { .. }));
    match turn.finish {
        Finish::MaxTokens => "max_tokens",
        Finish::Word(word, _) => word,
        _ if calls => "tool_use",
        _ => "end_turn",
    }
}

fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.prompt - usage.cached, "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": 0, "output_tokens": output,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    })
}
