//! `OpenRouter`'s own: what it looks at in fields that only it has, and its form of errors.

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::walk::{Checked, Fields, get};
use crate::text::letters;

/// Checks the fields that it adds.
///
/// # Errors
/// What it would answer.
pub(crate) fn fields(fields: &Fields) -> Checked {
    for (name, most) in [("session_id", 256), ("user", 128)] {
        let length =
            get(fields, name).and_then(Value::as_str).map_or(0, |text| text.chars().count());
        if length > most {
            return Err(Refusal::string_too_long(name, most, length));
        }
    }
    if let Some(reasoning) = get(fields, "reasoning") {
        if get(fields, "reasoning_effort").is_some() {
            return Err(Refusal::new(
                "Only one of \"reasoning\" and \"reasoning_effort\" may be provided",
            ));
        }
        if !reasoning["effort"].is_null() && !reasoning["max_tokens"].is_null() {
            return Err(Refusal::new(
                "Only one of \"reasoning.effort\" and \"reasoning.max_tokens\" may be specified",
            ));
        }
        if reasoning["max_tokens"].as_u64().is_some_and(|budget| budget < 1024) {
            return Err(Refusal::new(
                "thinking.budget_tokens: Input should be greater than or equal to 1024",
            ));
        }
    }
    if get(fields, "provider").is_some_and(|provider| !provider.is_object()) {
        return Err(Refusal::new("provider: Expected object, received other"));
    }
    Ok(())
}

/// Checks the thinking of a message, which has to be the one that was given out: its signature is of
/// its text.
///
/// # Errors
/// What Anthropic behind it would answer.
pub(crate) fn details(message: &Fields, index: usize) -> Checked {
    let details = get(message, "reasoning_details").and_then(Value::as_array);
    for (at, detail) in details.into_iter().flatten().enumerate() {
        let text = detail["text"].as_str().unwrap_or_default();
        let signed = detail["signature"].as_str();
        if detail["type"] == "reasoning.text" && signed != Some(&signature(text)) {
            return Err(Refusal::new(format!(
                "messages.{index}.content.{at}: Invalid `signature` in `thinking` block"
            )));
        }
    }
    Ok(())
}

/// The signature of a thinking text.
pub(crate) fn signature(text: &str) -> String {
    format!("sig_{}", letters(text, 40))
}

/// An error's body: the status is its code.
pub(crate) fn body(refusal: &Refusal) -> Value {
    let mut error = json!({"code": refusal.status, "message": refusal.message});
    let kind = match (refusal.status, refusal.code.as_deref()) {
        (_, Some("context_length_exceeded")) => "context_length_exceeded",
        (401, _) => "authentication",
        (402, _) => "payment_required",
        (404, _) => "not_found",
        (429, _) => "rate_limit_exceeded",
        (500.., _) => "server",
        _ => "invalid_request",
    };
    error["metadata"] = json!({"error_type": kind});
    for (name, value) in &refusal.extra.fields {
        error[name] = value.clone();
    }
    json!({ "error": error, "user_id": "user_test" })
}

impl Refusal {
    /// `OpenRouter`'s moderation.
    pub fn openrouter_moderation(reason: &str) -> Self {
        let mut refusal =
            Self::new("Your chosen model requires moderation and your input was flagged")
                .status(403, "");
        refusal.extra.fields.insert(
            "metadata".to_owned(),
            json!({"reasons": [reason], "flagged_input": "…", "provider_name": "OpenAI", "model_slug": "openai/gpt"}),
        );
        refusal
    }

    /// `OpenRouter` without credits.
    pub fn openrouter_credits() -> Self {
        Self::new("This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 1200. To increase, visit https://openrouter.ai/settings/credits and add more credits")
            .status(402, "")
    }
}

/// An error amid a stream: a chunk with an error beside a choice that ends by it.
pub(crate) fn failed(code: &str, message: &str) -> Value {
    let code: Value = code.parse::<u16>().map_or_else(|_| json!(code), |code| json!(code));
    let kind = if code == 429 { "rate_limit_exceeded" } else { "provider_unavailable" };
    json!({
        "id": "gen-1", "object": "chat.completion.chunk", "created": super::turn::CREATED, "model": "m",
        "provider": "Anthropic",
        "error": {"code": code, "message": message, "metadata": {"error_type": kind, "provider_code": null}},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": null}],
    })
}
