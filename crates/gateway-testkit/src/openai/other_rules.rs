//! What Mistral's service and LM Studio refuse beyond the rest.

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::walk::{Checked, Fields, get};

/// All that Mistral knows.
const MISTRAL_FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "random_seed",
    "stream",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "prompt_mode",
    "reasoning_effort",
    "safe_prompt",
    "metadata",
];

/// Checks a request for Mistral: no other fields, ids of nine letters and digits, and who may speak
/// after whom.
///
/// # Errors
/// What it would answer.
pub(crate) fn mistral(fields: &Fields) -> Checked {
    if let Some(name) = fields.keys().find(|name| !MISTRAL_FIELDS.contains(&name.as_str())) {
        return Err(extra(&json!(["body", name])));
    }
    let messages = get(fields, "messages").and_then(Value::as_array);
    let mut last = "";
    for (at, message) in messages.into_iter().flatten().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if matches!((role, last), ("user" | "system", "tool") | ("system", "assistant")) {
            return Err(Refusal::new(format!("Unexpected role '{role}' after role '{last}'"))
                .status(400, "invalid_request_message_order")
                .code("3230"));
        }
        let ids = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["id"]);
        for id in ids.chain(message.get("tool_call_id")) {
            let id = id.as_str().unwrap_or_default();
            if id.len() != 9 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(Refusal::new(format!(
                    "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
                ))
                .status(400, "invalid_request_message")
                .code("3280"));
            }
        }
        let known = ["role", "content", "tool_calls", "tool_call_id", "name", "prefix"];
        let unknown =
            message.as_object().and_then(|m| m.keys().find(|key| !known.contains(&key.as_str())));
        if let Some(key) = unknown {
            return Err(extra(&json!(["body", "messages", at, role, key])));
        }
        last = role;
    }
    if last == "assistant" {
        return Err(Refusal::new(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        ));
    }
    Ok(())
}

fn extra(place: &Value) -> Refusal {
    let mut refusal = Refusal::new("Extra inputs are not permitted").status(422, "extra_forbidden");
    refusal.extra.fields.insert("loc".to_owned(), place.clone());
    refusal
}

/// Checks a request for LM Studio.
///
/// # Errors
/// What it would answer.
pub(crate) fn lm_studio(fields: &Fields) -> Checked {
    if get(fields, "tool_choice").is_some_and(Value::is_object) {
        return Err(Refusal::new(
            "Invalid tool_choice type: 'object'. Supported string values: none, auto, required",
        ));
    }
    let format = get(fields, "response_format").and_then(|format| format["type"].as_str());
    if !matches!(format, None | Some("json_schema" | "text")) {
        return Err(Refusal::new("'response_format.type' must be 'json_schema' or 'text'"));
    }
    let messages = get(fields, "messages").and_then(Value::as_array);
    let parts = messages.into_iter().flatten().filter_map(|message| message["content"].as_array());
    let by_url = |part: &Value| {
        part["image_url"]["url"].as_str().is_some_and(|url| !url.starts_with("data:"))
    };
    if parts.flatten().any(by_url) {
        return Err(Refusal::new("'url' field must be a base64 encoded image."));
    }
    Ok(())
}
