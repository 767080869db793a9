//! Answers in the form of Converse.

use serde_json::{Value, json};

use super::blobs::{redacted, signature};
use super::event_stream::event;
use super::rules::ReasoningBack;
use super::turn::{Asked, Citation, Location, Part, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    let content: Vec<Value> =
        turn.parts.iter().enumerate().map(|(number, part)| block(part, number, asked)).collect();
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": turn.stop(),
        "usage": usage(turn.usage, asked),
        "metrics": {"latencyMs": 812},
    });
    if let Some(fields) = response_fields(turn, asked) {
        body["additionalModelResponseFields"] = fields;
    }
    if turn.style.extras {
        body["performanceConfig"] = json!({"latency": "standard"});
        body["serviceTier"] = json!({"type": "default"});
    }
    body
}

/// The events of a streamed answer, and at which of them the stop is said.
pub fn events(turn: &Turn, asked: Asked<'_>) -> (Vec<(&'static str, Value)>, usize) {
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    for (number, part) in turn.parts.iter().enumerate() {
        let index = if turn.style.gaps { number * 2 } else { number };
        let before = events.len();
        let mut delta = |delta: Value| {
            let payload = json!({"contentBlockIndex": index, "delta": delta});
            events.push(("contentBlockDelta", payload));
        };
        let reasoning = |content: Value| json!({"reasoningContent": content});
        match part {
            Part::Reasoning(text) => {
                for piece in pieces(text, turn.style.piece) {
                    delta(reasoning(json!({"text": piece})));
                }
                if signs(asked) {
                    delta(reasoning(json!({"signature": signature(asked.rules, text)})));
                }
            }
            Part::Redacted(text) => {
                delta(reasoning(json!({"redactedContent": redacted(asked.rules, text)})));
            }
            Part::Text { text, citations } => {
                if turn.style.empty_text {
                    delta(json!({"text": ""}));
                }
                for piece in pieces(text, turn.style.piece) {
                    delta(json!({"text": piece}));
                }
                for given in citations {
                    delta(json!({"citation": citation(given)}));
                }
            }
            Part::ToolUse { id, name, input } => {
                let id = call_id(number, id.as_deref(), asked);
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                let payload = json!({"contentBlockIndex": index, "start": start});
                events.push(("contentBlockStart", payload));
                for piece in turn.style.fragments(input) {
                    let delta = json!({"toolUse": {"input": piece}});
                    let payload = json!({"contentBlockIndex": index, "delta": delta});
                    events.push(("contentBlockDelta", payload));
                }
            }
        }
        let stops = turn.style.text_stops || !matches!(part, Part::Text { .. });
        if events.len() > before && stops {
            events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
        }
    }
    let stop = events.len();
    let mut message_stop = json!({"stopReason": turn.stop()});
    if let Some(fields) = response_fields(turn, asked) {
        message_stop["additionalModelResponseFields"] = fields;
    }
    events.push(("messageStop", message_stop));
    if turn.style.metadata {
        let mut metadata =
            json!({"usage": usage(turn.usage, asked), "metrics": {"latencyMs": 812}});
        if turn.style.extras {
            metadata["trace"] = json!({"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/x.y"}});
            metadata["performanceConfig"] = json!({"latency": "standard"});
            metadata["serviceTier"] = json!({"type": "default"});
        }
        events.push(("metadata", metadata));
    }
    if turn.style.padding {
        for (number, (_, payload)) in events.iter_mut().enumerate() {
            payload["p"] = json!(asked.padding(number));
        }
    }
    (events, stop)
}

/// The frames of a streamed answer, and at which of them the stop is said.
pub fn frames(turn: &Turn, asked: Asked<'_>) -> (Vec<Vec<u8>>, usize) {
    let (events, stop) = events(turn, asked);
    (events.iter().map(|(kind, payload)| event(kind, payload)).collect(), stop)
}

fn block(part: &Part, number: usize, asked: Asked<'_>) -> Value {
    match part {
        Part::Reasoning(text) => {
            let mut said = json!({"text": text});
            if signs(asked) {
                said["signature"] = json!(signature(asked.rules, text));
            }
            json!({"reasoningContent": {"reasoningText": said}})
        }
        Part::Redacted(text) => {
            json!({"reasoningContent": {"redactedContent": redacted(asked.rules, text)}})
        }
        Part::Text { text, citations } if citations.is_empty() => json!({"text": text}),
        Part::Text { text, citations } => {
            let citations: Vec<Value> = citations.iter().map(citation).collect();
            json!({"citationsContent": {"content": [{"text": text}], "citations": citations}})
        }
        Part::ToolUse { id, name, input } => {
            let input: Value = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
            let id = call_id(number, id.as_deref(), asked);
            json!({"toolUse": {"toolUseId": id, "name": name, "input": input}})
        }
    }
}

fn signs(asked: Asked<'_>) -> bool {
    asked.rules.reasoning == ReasoningBack::Signed
}

fn call_id(number: usize, given: Option<&str>, asked: Asked<'_>) -> String {
    given.map_or_else(|| asked.id("tooluse_", number, 22), str::to_owned)
}

fn citation(citation: &Citation) -> Value {
    let location = match &citation.location {
        Location::Web { url } => {
            let domain = url.split('/').nth(2).unwrap_or_default();
            json!({"web": {"url": url, "domain": domain}})
        }
        Location::Char { document, start, end } => {
            json!({"documentChar": {"documentIndex": document, "start": start, "end": end}})
        }
        Location::Page { document, start, end } => {
            json!({"documentPage": {"documentIndex": document, "start": start, "end": end}})
        }
        Location::Chunk { document, start, end } => {
            json!({"documentChunk": {"documentIndex": document, "start": start, "end": end}})
        }
    };
    json!({
        "title": citation.title, "sourceContent": [{"text": citation.cited}],
        "location": location,
    })
}

fn usage(usage: Usage, asked: Asked<'_>) -> Value {
    let Usage { input, output, cache_read, cache_write_5m, cache_write_1h } = usage;
    let written = cache_write_5m + cache_write_1h;
    let caches = asked.rules.caches;
    let total = if caches { input + output + cache_read + written } else { input + output };
    let mut told = json!({"inputTokens": input, "outputTokens": output, "totalTokens": total});
    if caches {
        told["cacheReadInputTokens"] = json!(cache_read);
        told["cacheWriteInputTokens"] = json!(written);
        let details = [("5m", cache_write_5m), ("1h", cache_write_1h)];
        let details = details.iter().filter(|(_, tokens)| *tokens > 0);
        let details: Vec<Value> =
            details.map(|(ttl, tokens)| json!({"ttl": ttl, "inputTokens": tokens})).collect();
        if !details.is_empty() {
            told["cacheDetails"] = json!(details);
        }
    }
    told
}

/// What of the model's own answer was asked for: only the sequence that stopped it is known here.
fn response_fields(turn: &Turn, asked: Asked<'_>) -> Option<Value> {
    let paths = asked.body["additionalModelResponseFieldPaths"].as_array()?;
    let wanted = paths.iter().any(|path| path == "/stop_sequence");
    let met = turn.stop_sequence().filter(|_| wanted)?;
    Some(json!({"stop_sequence": met}))
}
