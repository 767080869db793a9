//! Answers in the form of `InvokeModel` with Claude.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::blobs::{redacted, signature};
use super::event_stream::event;
use super::style::CacheCounts;
use super::turn::{Asked, Citation, Location, Part, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    let content: Vec<Value> =
        turn.parts.iter().enumerate().map(|(number, part)| block(part, number, asked)).collect();
    let mut message = message(asked, &content);
    message["stop_reason"] = json!(turn.stop());
    message["stop_sequence"] = json!(turn.stop_sequence());
    message["usage"] = usage(turn.usage, turn.usage.output, true);
    message
}

/// The headers with the counts of an answer that is not streamed.
pub fn headers(turn: &Turn) -> Vec<(String, String)> {
    let Usage { input, output, cache_read, cache_write_5m, cache_write_1h } = turn.usage;
    [
        ("Input-Token-Count", input),
        ("Output-Token-Count", output),
        ("Cache-Read-Input-Token-Count", cache_read),
        ("Cache-Write-Input-Token-Count", cache_write_5m + cache_write_1h),
        ("Invocation-Latency", 812),
    ]
    .iter()
    .map(|(name, count)| (format!("X-Amzn-Bedrock-{name}"), count.to_string()))
    .collect()
}

/// The events of a streamed answer, and at which of them the stop is said.
pub fn events(turn: &Turn, asked: Asked<'_>) -> (Vec<Value>, usize) {
    let at_start = turn.style.cache_counts != CacheCounts::Metrics;
    let mut start = message(asked, &[]);
    start["usage"] = usage(turn.usage, 1, at_start);
    let mut events = vec![json!({"type": "message_start", "message": start})];
    for (index, part) in turn.parts.iter().enumerate() {
        events.push(json!({
            "type": "content_block_start", "index": index,
            "content_block": opening(part, index, asked),
        }));
        let mut deltas: Vec<Value> = Vec::new();
        match part {
            Part::Reasoning(text) => {
                let delta = |piece| json!({"type": "thinking_delta", "thinking": piece});
                deltas.extend(pieces(text, turn.style.piece).into_iter().map(delta));
                let signature = signature(asked.rules, text);
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
            }
            Part::Redacted(_) => {}
            Part::Text { text, citations } => {
                let delta = |piece| json!({"type": "text_delta", "text": piece});
                deltas.extend(pieces(text, turn.style.piece).into_iter().map(delta));
                let delta = |given: &Citation| json!({"type": "citations_delta", "citation": citation(given)});
                deltas.extend(citations.iter().map(delta));
            }
            Part::ToolUse { input, .. } => {
                let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
                deltas.push(delta(String::new()));
                deltas.extend(turn.style.fragments(input).into_iter().map(delta));
            }
        }
        let event = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(event));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = events.len();
    let delta = json!({"stop_reason": turn.stop(), "stop_sequence": turn.stop_sequence()});
    let counts = json!({"output_tokens": turn.usage.output});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": counts}));
    events.push(json!({
        "type": "message_stop", "amazon-bedrock-invocationMetrics": metrics(turn),
    }));
    (events, stop)
}

/// The frames of a streamed answer, and at which of them the stop is said.
pub fn frames(turn: &Turn, asked: Asked<'_>) -> (Vec<Vec<u8>>, usize) {
    let (events, stop) = events(turn, asked);
    let frame = |(number, inner): (usize, &Value)| {
        let mut payload = json!({"bytes": STANDARD.encode(inner.to_string())});
        if turn.style.padding {
            payload["p"] = json!(asked.padding(number));
        }
        event("chunk", &payload)
    };
    (events.iter().enumerate().map(frame).collect(), stop)
}

fn message(asked: Asked<'_>, content: &[Value]) -> Value {
    let name = asked.rules.foundation().trim_start_matches("anthropic.");
    let model = name.split("-v1:").next().unwrap_or(name);
    json!({
        "model": model, "id": asked.id("msg_bdrk_01", 0, 22), "type": "message",
        "role": "assistant", "content": content, "stop_reason": null, "stop_sequence": null,
    })
}

/// A block as it begins in a stream.
fn opening(part: &Part, index: usize, asked: Asked<'_>) -> Value {
    let mut opening = block(part, index, asked);
    match part {
        Part::Reasoning(_) => {
            opening["thinking"] = json!("");
            opening["signature"] = json!("");
        }
        Part::Redacted(_) => {}
        Part::Text { citations, .. } => {
            opening["text"] = json!("");
            if !citations.is_empty() {
                opening["citations"] = json!([]);
            }
        }
        Part::ToolUse { .. } => opening["input"] = json!({}),
    }
    opening
}

fn block(part: &Part, number: usize, asked: Asked<'_>) -> Value {
    match part {
        Part::Reasoning(text) => {
            let signature = signature(asked.rules, text);
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Part::Redacted(text) => {
            json!({"type": "redacted_thinking", "data": redacted(asked.rules, text)})
        }
        Part::Text { text, citations } if citations.is_empty() => {
            json!({"type": "text", "text": text})
        }
        Part::Text { text, citations } => {
            let citations: Vec<Value> = citations.iter().map(citation).collect();
            json!({"type": "text", "text": text, "citations": citations})
        }
        Part::ToolUse { id, name, input } => {
            let made_up = || asked.id("toolu_bdrk_01", number, 22);
            let id = id.clone().unwrap_or_else(made_up);
            let input: Value = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    }
}

fn citation(citation: &Citation) -> Value {
    let Citation { title, cited, location } = citation;
    match location {
        Location::Web { url } => json!({
            "type": "search_result_location", "source": url, "title": title,
            "cited_text": cited, "search_result_index": 0, "start_block_index": 0,
            "end_block_index": 1,
        }),
        Location::Char { document, start, end } => json!({
            "type": "char_location", "cited_text": cited, "document_index": document,
            "document_title": title, "start_char_index": start, "end_char_index": end,
        }),
        Location::Page { document, start, end } => json!({
            "type": "page_location", "cited_text": cited, "document_index": document,
            "document_title": title, "start_page_number": start, "end_page_number": end,
        }),
        Location::Chunk { document, start, end } => json!({
            "type": "content_block_location", "cited_text": cited, "document_index": document,
            "document_title": title, "start_block_index": start, "end_block_index": end,
        }),
    }
}

fn usage(usage: Usage, output: u64, with_cache: bool) -> Value {
    let Usage { input, cache_read, cache_write_5m, cache_write_1h, .. } = usage;
    let mut told = json!({"input_tokens": input, "output_tokens": output});
    if with_cache {
        told["cache_read_input_tokens"] = json!(cache_read);
        told["cache_creation_input_tokens"] = json!(cache_write_5m + cache_write_1h);
        told["cache_creation"] = json!({
            "ephemeral_5m_input_tokens": cache_write_5m,
            "ephemeral_1h_input_tokens": cache_write_1h,
        });
    }
    told
}

fn metrics(turn: &Turn) -> Value {
    let Usage { input, output, cache_read, cache_write_5m, cache_write_1h } = turn.usage;
    let mut metrics = json!({
        "inputTokenCount": input, "outputTokenCount": output, "invocationLatency": 812,
        "firstByteLatency": 301,
    });
    if turn.style.cache_counts != CacheCounts::Start {
        metrics["cacheReadInputTokenCount"] = json!(cache_read);
        metrics["cacheWriteInputTokenCount"] = json!(cache_write_5m + cache_write_1h);
    }
    metrics
}
