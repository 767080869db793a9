//! What `InvokeModel` with Claude refuses in the system prompt and the messages.

use std::collections::HashSet;

use serde_json::Value;

use super::claude_rules::too_many_caches;
use super::converse_messages::{expected_thinking, no_prefill, redacted_data, signature_of};
use super::refusal::Refusal;
use super::rules::Rules;
use super::walk::{Checked, is_base64};
use crate::claude_turn;

/// What else of the request matters here.
pub(crate) struct With<'a> {
    pub(crate) betas: &'a [&'a str],
    /// Whether it is of the newest version.
    pub(crate) newest: bool,
    /// Whether the model thinks with a budget.
    pub(crate) budgeted: bool,
}

const OUTPUT: &str = "mid-conversation-output-config-2026-07-01";
const TOOLS: &str = "mid-conversation-tool-changes-2026-07-01";

/// The blocks that there are, with their fields.
const BLOCKS: &[(&str, &[&str])] = &[
    ("text", &["type", "text", "cache_control", "citations"]),
    ("image", &["type", "source", "cache_control"]),
    ("document", &["type", "source", "title", "context", "citations", "cache_control"]),
    ("search_result", &["type", "source", "title", "content", "citations", "cache_control"]),
    ("tool_use", &["type", "id", "name", "input", "cache_control", "caller"]),
    ("tool_result", &["type", "tool_use_id", "content", "is_error", "cache_control"]),
    ("thinking", &["type", "thinking", "signature"]),
    ("redacted_thinking", &["type", "data"]),
];
const OF_ASSISTANTS: &[&str] = &["tool_use", "thinking", "redacted_thinking"];

pub(crate) fn check(body: &Value, rules: &Rules, with: &With<'_>) -> Checked {
    let mut caches = Caches::default();
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        caches.see(tool, &format!("tools.{index}"), rules)?;
    }
    match &body["system"] {
        Value::Null | Value::String(_) => {}
        Value::Array(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                let at = format!("system.{index}");
                if block["type"] != "text" {
                    return Err(Refusal::new(format!("{at}.type: Input should be 'text'")));
                }
                fields_of(block, &at, &["type", "text", "cache_control"])?;
                text(block, "system")?;
                caches.see(block, &at, rules)?;
            }
        }
        _ => return Err(Refusal::new("system: Input should be a valid array")),
    }
    let Some(messages) = body["messages"].as_array() else {
        return Err(Refusal::new("messages: Input should be a valid array"));
    };
    if messages.is_empty() {
        return Err(Refusal::new("messages: at least one message is required"));
    }
    for (index, message) in messages.iter().enumerate() {
        self::message(message, index, index + 1 == messages.len(), rules, with, &mut caches)?;
    }
    if caches.points > 4 {
        return Err(too_many_caches(caches.points));
    }
    if messages[0]["role"] == "assistant" {
        return Err(Refusal::new("messages: first message must use the \"user\" role"));
    }
    calls(messages)?;
    if messages.last().is_some_and(|last| last["role"] == "assistant") && !rules.prefill {
        return Err(no_prefill());
    }
    if with.budgeted { begins_with_thinking(messages) } else { Ok(()) }
}

fn message(
    message: &Value,
    index: usize,
    last: bool,
    rules: &Rules,
    with: &With<'_>,
    caches: &mut Caches,
) -> Checked {
    let at = format!("messages.{index}");
    let changes = with.betas.iter().any(|beta| [OUTPUT, TOOLS].contains(beta));
    let role = message["role"].as_str().unwrap_or_default();
    match role {
        "user" | "assistant" => {}
        "system" if rules.system_role || changes => {}
        _ => return Err(Refusal::new(format!("{at}.role: Input should be 'user' or 'assistant'"))),
    }
    let mut fields = vec!["role", "content"];
    if with.betas.contains(&OUTPUT) {
        fields.push("output_config");
    }
    fields_of(message, &at, &fields)?;
    let blocks = match &message["content"] {
        Value::String(words) if words.is_empty() && !(last && role == "assistant") => {
            return Err(empty(&at));
        }
        Value::String(words) if words.trim().is_empty() && !words.is_empty() => {
            return Err(Refusal::new(
                "messages: text content blocks must contain non-whitespace text",
            ));
        }
        Value::String(_) => return Ok(()),
        Value::Array(blocks) if blocks.is_empty() && !(last && role == "assistant") => {
            return Err(empty(&at));
        }
        Value::Array(blocks) => blocks,
        Value::Null => return Err(Refusal::new(format!("{at}.content: Field required"))),
        _ => return Err(Refusal::new(format!("{at}.content: Input should be a valid array"))),
    };
    for (number, block) in blocks.iter().enumerate() {
        let at = format!("{at}.content.{number}");
        let kind = block["type"].as_str().unwrap_or_default();
        if role == "system" && kind.starts_with("tool_") && with.betas.contains(&TOOLS) {
            continue;
        }
        self::block(block, &at, role, rules, with, caches)?;
    }
    Ok(())
}

fn empty(at: &str) -> Refusal {
    Refusal::new(format!(
        "{at}: all messages must have non-empty content except for the optional final assistant message"
    ))
}

fn block(
    block: &Value,
    at: &str,
    role: &str,
    rules: &Rules,
    with: &With<'_>,
    caches: &mut Caches,
) -> Checked {
    let kind = block["type"].as_str().unwrap_or_default();
    let allowed = |kind: &str| match role {
        "assistant" => OF_ASSISTANTS.contains(&kind) || kind == "text",
        "user" => !OF_ASSISTANTS.contains(&kind),
        _ => kind == "text",
    };
    let Some((_, fields)) = BLOCKS.iter().find(|(known, _)| *known == kind && allowed(kind)) else {
        let kinds = BLOCKS.iter().filter(|(kind, _)| allowed(kind));
        let kinds: Vec<String> = kinds.map(|(kind, _)| format!("'{kind}'")).collect();
        return Err(Refusal::new(format!(
            "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {}",
            kinds.join(", ")
        )));
    };
    fields_of(block, &format!("{at}.{kind}"), fields)?;
    if with.newest && role == "user" && kind == "text" && !block["citations"].is_null() {
        return Err(Refusal::extra_input(&format!("{at}.text.citations")));
    }
    caches.see(block, &format!("{at}.{kind}"), rules)?;
    let required = |name: &str| {
        block[name]
            .as_str()
            .ok_or_else(|| Refusal::new(format!("{at}.{kind}.{name}: Field required")))
    };
    match kind {
        "text" => text(block, "messages"),
        "image" | "document" => source(block, &format!("{at}.{kind}.source"), kind),
        "thinking" => signature_of(required("thinking")?, required("signature")?, at, rules),
        "redacted_thinking" => redacted_data(required("data")?, at, rules),
        "tool_use" => {
            let id = required("id")?;
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            {
                return Err(Refusal::new(format!(
                    "{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                )));
            }
            required("name")?;
            if !block["input"].is_object() {
                return Err(Refusal::new(format!(
                    "{at}.tool_use.input: Input should be a valid dictionary"
                )));
            }
            Ok(())
        }
        "tool_result" => {
            required("tool_use_id")?;
            for (number, inner) in block["content"].as_array().into_iter().flatten().enumerate() {
                let at = format!("{at}.tool_result.content.{number}");
                let kind = inner["type"].as_str().unwrap_or_default();
                let kinds = ["text", "image", "search_result", "document"];
                let by_beta =
                    kind == "tool_reference" && with.betas.contains(&"tool-search-tool-2025-10-19");
                if !kinds.contains(&kind) && !by_beta {
                    return Err(Refusal::new(format!(
                        "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'document', 'image', 'search_result', 'text'"
                    )));
                }
                caches.see(inner, &format!("{at}.{kind}"), rules)?;
                if ["image", "document"].contains(&kind) {
                    source(inner, &format!("{at}.{kind}.source"), kind)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn text(block: &Value, at: &str) -> Checked {
    match block["text"].as_str() {
        None => Err(Refusal::new(format!("{at}: text: Field required"))),
        Some("") => Err(Refusal::new(format!("{at}: text content blocks must be non-empty"))),
        Some(text) if text.trim().is_empty() => {
            Err(Refusal::new(format!("{at}: text content blocks must contain non-whitespace text")))
        }
        Some(_) => Ok(()),
    }
}

/// What is shown must be in the request itself.
fn source(block: &Value, at: &str, kind: &str) -> Checked {
    let source = &block["source"];
    let tags: &[&str] = if kind == "image" { &["base64"] } else { &["base64", "content", "text"] };
    let tag = source["type"].as_str().unwrap_or_default();
    if !tags.contains(&tag) {
        let tags: Vec<String> = tags.iter().map(|tag| format!("'{tag}'")).collect();
        return Err(Refusal::new(format!(
            "{at}: Input tag '{tag}' found using 'type' does not match any of the expected tags: {}",
            tags.join(", ")
        )));
    }
    if tag != "base64" {
        return Ok(());
    }
    let types: &[&str] = match kind {
        "image" => &["image/jpeg", "image/png", "image/gif", "image/webp"],
        _ => &["application/pdf"],
    };
    if !types.iter().any(|known| source["media_type"] == *known) {
        return Err(Refusal::new(format!(
            "{at}.base64.media_type: Input should be '{}'",
            types.join("', '")
        )));
    }
    let data = source["data"].as_str().unwrap_or_default();
    if data.is_empty() || !is_base64(data) {
        return Err(Refusal::new(format!("{at}.base64: invalid base64 data")));
    }
    Ok(())
}

/// Each call is answered in the next message, before anything else is said there.
fn calls(messages: &[Value]) -> Checked {
    let ids = |message: &Value, kind: &str, name: &str| -> Vec<String> {
        let blocks = message["content"].as_array().into_iter().flatten();
        let of_kind = blocks.filter(|block| block["type"] == kind);
        of_kind.filter_map(|block| block[name].as_str().map(str::to_owned)).collect()
    };
    let mut ever = HashSet::new();
    let mut open: Vec<String> = Vec::new();
    let unanswered = |at: usize, open: &[String]| {
        Refusal::new(format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            open.join(", ")
        ))
    };
    let mut opened_at = 0;
    for (index, message) in messages.iter().enumerate() {
        if message["role"] == "system" {
            continue;
        }
        let results = ids(message, "tool_result", "tool_use_id");
        if let Some(orphan) = results.iter().find(|id| !open.contains(id)) {
            return Err(Refusal::new(format!(
                "messages.{index}.content: unexpected `tool_use_id` found in `tool_result` blocks: {orphan}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        let mut twice = HashSet::new();
        if let Some(again) = results.iter().find(|id| !twice.insert(*id)) {
            return Err(Refusal::new(format!(
                "messages.{index}.content: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {again}"
            )));
        }
        let first = message["content"].as_array().into_iter().flatten();
        let first = first.take_while(|block| block["type"] == "tool_result").count();
        let missing: Vec<String> =
            open.iter().filter(|id| !results.contains(id)).cloned().collect();
        if !missing.is_empty() || first < open.len() {
            let which = if missing.is_empty() { &open } else { &missing };
            return Err(unanswered(opened_at, which));
        }
        (open, opened_at) = (ids(message, "tool_use", "id"), index);
        if open.iter().any(|id| !ever.insert(id.clone())) {
            return Err(Refusal::new("messages: `tool_use` ids must be unique"));
        }
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(opened_at, &open)) }
}

fn begins_with_thinking(messages: &[Value]) -> Checked {
    let Some((at, last)) = claude_turn::last(messages) else { return Ok(()) };
    let blocks = |at: usize| messages[at]["content"].as_array().map_or(&[][..], Vec::as_slice);
    let found = blocks(at).first().and_then(|block| block["type"].as_str()).unwrap_or_default();
    let calls = blocks(last).iter().any(|block| block["type"] == "tool_use");
    if calls && !found.ends_with("thinking") {
        return Err(expected_thinking(at, found));
    }
    Ok(())
}

/// No fields but these.
pub(crate) fn fields_of(value: &Value, at: &str, known: &[&str]) -> Checked {
    let given = value.as_object();
    let given =
        given.ok_or_else(|| Refusal::new(format!("{at}: Input should be a valid dictionary")))?;
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(extra) => Err(Refusal::extra_input(&format!("{at}.{extra}"))),
        None => Ok(()),
    }
}

/// The cache breakpoints so far, in the order of the prompt.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    points: usize,
    short: bool,
}

impl Caches {
    /// Takes in the breakpoint of this block, tool or part of the system prompt.
    pub(crate) fn see(&mut self, block: &Value, at: &str, rules: &Rules) -> Checked {
        let given = &block["cache_control"];
        if given.is_null() {
            return Ok(());
        }
        let at = format!("{at}.cache_control");
        if given["type"] != "ephemeral" {
            return Err(Refusal::new(format!("{at}.type: Input should be 'ephemeral'")));
        }
        fields_of(given, &format!("{at}.ephemeral"), &["type", "ttl"])?;
        let long = match given["ttl"].as_str() {
            None | Some("5m") => false,
            Some("1h") if rules.caches_1h => true,
            _ => return Err(Refusal::extra_input(&format!("{at}.ephemeral.ttl"))),
        };
        if long && self.short {
            return Err(Refusal::new(format!(
                "{at}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )));
        }
        self.short |= !long;
        self.points += 1;
        Ok(())
    }
}
