//! What Claude at Vertex AI refuses in messages: blocks, sources, signatures, and calls without results.

use serde_json::{Map, Value};

use super::claude_rules::{Checked, Claude, bad, extra};
use super::signatures;
use crate::claude_turn;

/// What the checks of messages go by.
pub(crate) struct Rules<'a> {
    pub(crate) account: &'a str,
    /// Whether the request is of version 2026-10-21.
    pub(crate) newest_api: bool,
    pub(crate) model: Claude,
    /// How the model thinks.
    pub(crate) thinks: Option<&'a str>,
    pub(crate) betas: &'a [&'a str],
}

/// Checks `system` and `messages`.
pub(crate) fn check(fields: &Map<String, Value>, rules: &Rules<'_>) -> Checked {
    let system = fields.get("system").and_then(Value::as_array);
    for (index, block) in system.into_iter().flatten().enumerate() {
        let at = format!("system.{index}");
        if block["type"] != "text" {
            return Err(bad(format!("{at}.type: Input should be 'text'")));
        }
        text(block, &at, rules, false)?;
    }
    let messages = fields.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        return Err(bad("messages: at least one message is required"));
    }
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant", "system"].contains(&role) {
            return Err(bad(format!(
                "messages.{index}.role: Input should be 'user' or 'assistant'"
            )));
        }
        let keys = message.as_object().into_iter().flat_map(Map::keys);
        if let Some(name) = keys.into_iter().find(|name| *name != "role" && *name != "content") {
            return Err(extra(&format!("messages.{index}.{name}")));
        }
        let content = blocks(message, index)?;
        for (number, block) in content.iter().enumerate() {
            self::block(block, &format!("messages.{index}.content.{number}"), role, rules)?;
        }
        if role == "system" {
            continue;
        }
        results(content, index, &mut open)?;
        if role == "assistant" {
            open = content
                .iter()
                .filter(|block| block["type"] == "tool_use")
                .filter_map(|block| block["id"].as_str())
                .collect();
        }
    }
    ends(messages, rules)
}

/// The blocks of a message; a text alone has none.
fn blocks(message: &Value, index: usize) -> Checked<&[Value]> {
    match &message["content"] {
        Value::Array(blocks) => Ok(blocks),
        Value::String(text) if !text.is_empty() => Ok(&[]),
        Value::String(_) => Err(bad(format!(
            "messages.{index}: all messages must have non-empty content except for the optional final assistant message"
        ))),
        _ => Err(bad(format!("messages.{index}.content: Input should be a valid string or list"))),
    }
}

/// All calls of the message before have their results here, and nothing else has.
fn results(content: &[Value], index: usize, open: &mut Vec<&str>) -> Checked {
    for (number, block) in
        content.iter().enumerate().filter(|(_, block)| block["type"] == "tool_result")
    {
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        let Some(at) = open.iter().position(|known| *known == id) else {
            return Err(bad(format!(
                "messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        };
        open.remove(at);
    }
    if open.is_empty() {
        return Ok(());
    }
    let before = index - 1;
    Err(bad(format!(
        "messages.{before}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        open.join(", ")
    )))
}

fn ends(messages: &[Value], rules: &Rules<'_>) -> Checked {
    let spoken = |message: &&Value| message["role"] != "system";
    let last = messages.iter().rfind(spoken);
    if last.is_some_and(|message| message["role"] == "assistant") {
        if rules.model.version >= (4, 6) || rules.thinks.is_some() {
            return Err(bad(
                "This model does not support assistant message prefill. The conversation must end with a user message.",
            ));
        }
        let text = last.map_or(&Value::Null, |message| &message["content"]);
        if text.as_str().is_some_and(|text| text.ends_with(char::is_whitespace)) {
            return Err(bad(
                "messages: final assistant content cannot end with trailing whitespace",
            ));
        }
    }
    // With a budget, a turn that goes on after its tools begins with its thinking.
    if let (Some("enabled"), Some((index, last))) = (rules.thinks, claude_turn::last(messages)) {
        let content = |at: usize| messages[at]["content"].as_array().map_or(&[][..], Vec::as_slice);
        let calls = content(last).iter().any(|block| block["type"] == "tool_use");
        let first =
            content(index).first().and_then(|block| block["type"].as_str()).unwrap_or_default();
        if calls && !["thinking", "redacted_thinking"].contains(&first) {
            return Err(bad(format!(
                "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
            )));
        }
    }
    Ok(())
}

fn block(block: &Value, at: &str, role: &str, rules: &Rules<'_>) -> Checked {
    let kind = block["type"].as_str().unwrap_or_default();
    let (user, assistant) = (role == "user", role == "assistant");
    match kind {
        "text" => text(block, at, rules, user),
        "image" if user => source(
            block,
            &format!("{at}.image"),
            &["image/png", "image/jpeg", "image/gif", "image/webp"],
        ),
        "document" if user || assistant && !rules.newest_api => document(block, at),
        "search_result" if user => Ok(()),
        "tool_result" if user => result(block, at, rules),
        "tool_use" | "server_tool_use" if assistant => call(block, at),
        "thinking" if assistant => thinking(block, at, rules),
        "redacted_thinking" if assistant => Err(signature(at)),
        kind if assistant && kind.ends_with("_tool_result") => Ok(()),
        "tool_reference" if user => referenced(at, rules),
        other => Err(bad(format!(
            "{at}: Input tag '{other}' found using 'type' does not match any of the expected tags"
        ))),
    }
}

fn known(block: &Value, at: &str, names: &[&str]) -> Checked {
    let keys = block.as_object().into_iter().flat_map(Map::keys);
    match keys.into_iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(extra(&format!("{at}.{name}"))),
        None => Ok(()),
    }
}

fn text(block: &Value, at: &str, rules: &Rules<'_>, user: bool) -> Checked {
    known(block, &format!("{at}.text"), &["type", "text", "cache_control", "citations"])?;
    let text = block["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err(bad("messages: text content blocks must be non-empty"));
    }
    if text.trim().is_empty() {
        return Err(bad("messages: text content blocks must contain non-whitespace text"));
    }
    let cited = block["citations"].as_array().is_some_and(|list| !list.is_empty());
    if rules.newest_api && user && cited {
        return Err(extra(&format!("{at}.text.citations")));
    }
    Ok(())
}

fn source(block: &Value, at: &str, kinds: &[&str]) -> Checked {
    let source = &block["source"];
    match source["type"].as_str() {
        Some("base64") => {}
        other => {
            return Err(bad(format!(
                "{at}.source: Input tag '{}' found using 'type' does not match any of the expected tags: 'base64'",
                other.unwrap_or_default()
            )));
        }
    }
    let kind = source["media_type"].as_str().unwrap_or_default();
    if !kinds.contains(&kind) {
        let listed: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
        return Err(bad(format!(
            "{at}.source.base64.media_type: Input should be {}",
            listed.join(", ")
        )));
    }
    Ok(())
}

fn document(block: &Value, at: &str) -> Checked {
    match block["source"]["type"].as_str() {
        Some("text" | "content") => Ok(()),
        _ => source(block, &format!("{at}.document"), &["application/pdf"]),
    }
}

fn result(block: &Value, at: &str, rules: &Rules<'_>) -> Checked {
    let at = format!("{at}.tool_result");
    known(block, &at, &["type", "tool_use_id", "content", "is_error", "cache_control"])?;
    for (number, inner) in block["content"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}.content.{number}");
        match inner["type"].as_str().unwrap_or_default() {
            "text" | "image" | "document" | "search_result" => {
                self::block(inner, &at, "user", rules)?;
            }
            "tool_reference" => referenced(&at, rules)?,
            other => {
                return Err(bad(format!(
                    "{at}: Input tag '{other}' found using 'type' does not match any of the expected tags"
                )));
            }
        }
    }
    Ok(())
}

fn referenced(at: &str, rules: &Rules<'_>) -> Checked {
    if rules.betas.iter().any(|beta| beta.starts_with("tool-search-tool-")) {
        return Ok(());
    }
    Err(bad(format!(
        "{at}: Input tag 'tool_reference' found using 'type' does not match any of the expected tags"
    )))
}

fn call(block: &Value, at: &str) -> Checked {
    let at = format!("{at}.tool_use");
    known(block, &at, &["type", "id", "name", "input", "cache_control", "caller"])?;
    let id = block["id"].as_str().unwrap_or_default();
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(bad(format!("{at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")));
    }
    if !block["input"].is_object() {
        return Err(bad(format!("{at}.input: Input should be a valid dictionary")));
    }
    Ok(())
}

/// Signed by this account's Claude, and unchanged since.
fn thinking(block: &Value, at: &str, rules: &Rules<'_>) -> Checked {
    known(block, &format!("{at}.thinking"), &["type", "thinking", "signature"])?;
    let (text, given) = (block["thinking"].as_str(), block["signature"].as_str());
    let (Some(text), Some(given)) = (text, given) else {
        return Err(bad(format!("{at}.thinking.signature: Field required")));
    };
    if signatures::of_claude(text, rules.account) == given { Ok(()) } else { Err(signature(at)) }
}

fn signature(at: &str) -> crate::google::Refusal {
    bad(format!("{at}: Invalid `signature` in `thinking` block"))
}

/// How many markers of caching there are.
pub(crate) fn caches(value: &Value, at: &str) -> Checked<usize> {
    let join = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let mut found = 0;
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found += caches(item, &join(&index.to_string()))?;
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    // What a tool is given and what it takes is the user's.
                    "input" | "input_schema" => {}
                    "cache_control" => {
                        if value["type"] != "ephemeral" {
                            return Err(bad(format!(
                                "{}.type: Input should be 'ephemeral'",
                                join(name)
                            )));
                        }
                        known(value, &format!("{}.ephemeral", join(name)), &["type", "ttl"])?;
                        found += 1;
                    }
                    _ => found += caches(value, &join(name))?,
                }
            }
        }
        _ => {}
    }
    Ok(found)
}
