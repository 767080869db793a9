//! A message, unary or put together from a stream.

use serde_json::Value;

use crate::finding::Judgement;

/// Judges the outer shape of a message.
pub fn message(message: &Value, j: &mut Judgement) {
    let expected = r#"{"id":"msg_…","type":"message","role":"assistant","model","content":[…],"stop_reason","usage"}"#;
    let Some(fields) = message.as_object() else {
        j.error("C1", "the reply is no message", message.to_string(), expected);
        return;
    };
    for (field, want) in
        [("type", Some("message")), ("role", Some("assistant")), ("id", None), ("model", None)]
    {
        let came = fields.get(field).and_then(Value::as_str).unwrap_or_default();
        if came.is_empty() || want.is_some_and(|want| want != came) {
            j.error("C1", format!("a wrong or no `{field}`"), message.to_string(), expected);
        }
    }
    let Some(content) = message["content"].as_array() else {
        j.error("C1", "`content` is no list of blocks", message["content"].to_string(), expected);
        return;
    };
    for block in content {
        let missing = match block["type"].as_str() {
            None => Some("type"),
            Some("text") => block["text"].as_str().is_none().then_some("text"),
            Some("thinking") => block["thinking"].as_str().is_none().then_some("thinking"),
            Some("tool_use") if block["id"].as_str().unwrap_or_default().is_empty() => Some("id"),
            Some("tool_use") if block["name"].as_str().unwrap_or_default().is_empty() => {
                Some("name")
            }
            Some("tool_use") => (!block["input"].is_object()).then_some("input"),
            Some(_) => None,
        };
        if let Some(field) = missing {
            j.error(
                "C1",
                format!("a block without its `{field}`"),
                block.to_string(),
                "whole blocks",
            );
        }
    }
}

/// Judges `stop_reason` and whether it fits the content.
pub fn stop(message: &Value, j: &mut Judgement) {
    let Some(reason) = message["stop_reason"].as_str() else {
        let came = message["stop_reason"].to_string();
        j.error("R7", "no stop_reason", came, "a word in every finished reply");
        return;
    };
    if !REASONS.contains(&reason) {
        j.warning("R7", "an unknown stop_reason", reason, REASONS.join(", "));
    }
    let calls = message["content"]
        .as_array()
        .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_use"));
    if reason == "tool_use" && !calls {
        let expected = "a tool_use block: the client asks twice more and gives up";
        j.error(
            "R7",
            "stop_reason tool_use without a call",
            message["content"].to_string(),
            expected,
        );
    }
    if reason == "end_turn" && calls {
        j.warning("R7", "stop_reason end_turn with a call", reason, "tool_use");
    }
    if reason == "stop_sequence" && message["stop_sequence"].as_str().is_none() {
        j.warning(
            "R7",
            "the stop_sequence that was met is not named",
            "",
            "\"stop_sequence\": \"…\"",
        );
    }
}

/// Judges the counts.
pub fn usage(message: &Value, j: &mut Judgement) {
    let usage = &message["usage"];
    let count = |field: &str| usage[field].as_u64();
    let (Some(input), Some(output)) = (count("input_tokens"), count("output_tokens")) else {
        let expected = "usage with input_tokens and output_tokens: the SDKs fail without";
        j.error("R32", "no usage", usage.to_string(), expected);
        return;
    };
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"];
    let prompt = input + cached.iter().filter_map(|field| count(field)).sum::<u64>();
    if prompt == 0 {
        let expected = "the prompt's tokens: the client compacts by them";
        j.warning("R32", "the prompt cost nothing", usage.to_string(), expected);
    }
    let said = message["content"].as_array().is_some_and(|blocks| !blocks.is_empty());
    if output == 0 && said {
        j.warning("R32", "the answer cost nothing", usage.to_string(), "output_tokens above 0");
    }
    for field in cached {
        if usage.get(field).is_none() {
            j.note(
                "R33",
                format!("usage has no {field}"),
                usage.to_string(),
                "a number, 0 for none",
            );
        }
    }
}

/// Judges whether the model is named as it was asked for.
pub fn model_echo(message: &Value, asked: &str, j: &mut Judgement) {
    let came = message["model"].as_str().unwrap_or_default();
    // Anthropic answers an alias with the dated name behind it.
    if came != asked && !came.starts_with(&format!("{asked}-")) {
        j.warning("R17", "another model's name than the one asked for", came, asked);
    }
}

const REASONS: &[&str] = &[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
];
