//! What is said to the model beside the user's words.

use serde_json::{Value, json};

use super::asks::{conversation, unary, with_blocks};
use super::tools::accepted_or_400;
use crate::case::Case;
use crate::exchange::{Ask, Setting};
use crate::judge::{text_of, told};

pub(super) fn cases() -> Vec<Case> {
    let marked = json!({"type": "ephemeral"});
    vec![
        Case::new("system.string", "`system` may be a text", &["C1"])
            .ask(|setting| hello(setting, json!({"system": "You answer in one word."})))
            .accepted(),
        Case::new("system.blocks", "`system` may be blocks with cache marks", &["C7"])
            .ask(move |setting| {
                hello(setting, json!({"system": [
                    {"type": "text", "text": "You answer in one word."},
                    {"type": "text", "text": "You are polite.", "cache_control": marked},
                ]}))
            })
            .accepted(),
        Case::new("system.billing", "the client's billing line is accepted as the first block and not said back", &["C7", "R34"])
            .ask(|setting| {
                hello(setting, json!({"system": [
                    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.328.a1b; cc_entrypoint=sdk-cli;"},
                    {"type": "text", "text": "You answer in one word."},
                ]}))
            })
            .judge(|_, x, j| {
                if let Some(text) = told(x, j).map(|message| text_of(&message))
                    && text.contains("cc_version")
                {
                    j.warning("R34", "the billing line reached the model", text, "not in the prompt");
                }
            }),
        Case::new("system.mid", "a message with the role system may follow a user's", &["R24"])
            .ask(|setting| {
                mid(setting, &json!([{"type": "text", "text": "The user has opened a file."}]))
            })
            .accepted(),
        Case::new("system.mid-text", "its content may be a text, and it may have an output_config", &["R24"])
            .ask(|setting| {
                let mut ask = mid(setting, &json!("The user has opened a file."));
                if let Ok(mut body) = serde_json::from_slice::<Value>(&ask.body) {
                    body["messages"][1]["output_config"] = json!({"effort": "low"});
                    ask.body = body.to_string().into();
                }
                ask.header("anthropic-beta", "claude-code-20250219,per-turn-control-2026-07-01,effort-2025-11-24")
            })
            .accepted(),
        Case::new("system.mid-empty", "its content may be empty, or that is a 400", &["R24"])
            .ask(|setting| mid(setting, &json!([])))
            .judge(|_, x, j| accepted_or_400(x, "R24", j)),
        Case::new("messages.same-role", "two user messages in a row are one turn", &["C1"])
            .ask(|setting| {
                let said = json!([
                    {"role": "user", "content": "Here is a summary."},
                    {"role": "user", "content": "Reply with the single word hello."},
                ]);
                conversation(setting, &said, json!({}))
            })
            .accepted(),
        Case::new("messages.empty-text", "an empty text block is dropped, or a 400", &["R26"])
            .ask(|setting| {
                let blocks = json!([
                    {"type": "text", "text": ""},
                    {"type": "text", "text": "Reply with the single word hello."},
                ]);
                with_blocks(setting, &blocks, json!({}))
            })
            .judge(|_, x, j| accepted_or_400(x, "R26", j)),
        Case::new("messages.empty-text-marked", "a cache mark on an empty text block is moved, or a 400", &["R26"])
            .ask(|setting| {
                let blocks = json!([
                    {"type": "text", "text": "Reply with the single word hello."},
                    {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}},
                ]);
                with_blocks(setting, &blocks, json!({}))
            })
            .judge(|_, x, j| accepted_or_400(x, "R26", j)),
        Case::new("body.cache-control", "four cache marks of five minutes are accepted", &["C8"])
            .ask(|setting| {
                let mark = json!({"type": "ephemeral", "ttl": "5m"});
                let block = |text: &str| json!({"type": "text", "text": text, "cache_control": mark});
                let said = json!([block("Some context."), block("Reply with the single word hello.")]);
                let system = json!([block("You answer in one word."), block("You are polite.")]);
                with_blocks(setting, &said, json!({"system": system}))
            })
            .accepted(),
        Case::new("body.context-management", "`context_management` with its beta is accepted, or refused in words that the client mends", &["C8", "R20"])
            .ask(|setting| {
                let edits = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
                hello(setting, json!({"context_management": edits, "thinking": {"type": "adaptive"}}))
                    .header("anthropic-beta", "context-management-2025-06-27")
            })
            .accepted(),
        Case::new("body.metadata", "a long metadata.user_id is accepted", &["R30"])
            .ask(|setting| {
                let id = json!({"device_id": "0".repeat(64), "account_uuid": "", "session_id": "00000000-0000-0000-0000-000000000000"});
                hello(setting, json!({"metadata": {"user_id": id.to_string()}}))
            })
            .accepted(),
        Case::new("body.effort", "`output_config.effort` is accepted, or refused in words that the client mends", &["C8", "R19"])
            .ask(|setting| {
                hello(setting, json!({"output_config": {"effort": "low"}}))
                    .header("anthropic-beta", "effort-2025-11-24")
            })
            .accepted(),
        Case::new("body.structured", "output_config.format brings a reply in the schema's shape", &["C8"])
            .ask(|setting| {
                let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"], "additionalProperties": false});
                hello(setting, json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}))
                    .header("anthropic-beta", "structured-outputs-2025-12-15")
            })
            .judge(|_, x, j| {
                let Some(message) = told(x, j) else { return };
                let text = text_of(&message);
                let title = serde_json::from_str::<Value>(text.trim()).ok().map(|v| v["title"].is_string());
                if message["stop_reason"] == "max_tokens" {
                    j.inconclusive("the limit cut the reply");
                } else if title != Some(true) {
                    j.warning("C8", "the reply has not the schema's shape", text, "{\"title\":\"…\"}");
                }
            }),
    ]
}

fn hello(setting: &Setting, more: Value) -> Ask {
    unary(setting, "Reply with the single word hello and nothing else.", more)
}

fn mid(setting: &Setting, content: &Value) -> Ask {
    let said = json!([
        {"role": "user", "content": "Reply with the single word hello."},
        {"role": "system", "content": content},
    ]);
    conversation(setting, &said, json!({}))
}
