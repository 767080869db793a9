//! What Responses refuses in `input`: the items one by one, and what must follow what.

use std::collections::HashSet;

use serde_json::Value;

use super::blobs::{Issued, open};
use super::refusal::Refusal;
use super::rules::Rules;
use super::walk::{
    Checked, Fields, Kind, TEXT, array, at, file_data, get, image_url, name, need, object, of_kind,
    text, typed,
};

/// Items that are taken as they are.
const OTHERS: &[&str] = &[
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "image_generation_call",
    "tool_search_call",
    "tool_search_output",
    "compaction",
    "compaction_trigger",
    "additional_tools",
    "program",
    "program_output",
    "item_reference",
];
const STATUS: Kind = Kind::Word(&["in_progress", "completed", "incomplete"]);

/// Checks the items; `request` is all of the request.
pub(crate) fn check(items: &[Value], request: &Fields, rules: &Rules, issued: &Issued) -> Checked {
    let scene = Scene { items, request, rules, issued };
    let mut ids = HashSet::new();
    for (index, value) in items.iter().enumerate() {
        let path = format!("input[{index}]");
        let item = object(value, &path)?;
        match kind(item, &path)? {
            "message" => message(item, &path, rules)?,
            "reasoning" => scene.reasoning(item, index, &path)?,
            "function_call" => scene.function_call(item, &path)?,
            "function_call_output" => function_call_output(item, &path, rules)?,
            "item_reference" => {
                let id = text(item, &path, "id")?;
                if !issued.stored.contains(id) {
                    return Err(not_found(id, request));
                }
            }
            _ => {}
        }
        if let Some(id) = get(item, "id").and_then(Value::as_str) {
            if id.chars().count() > 64 {
                return Err(Refusal::string_too_long(&at(&path, "id"), 64, id.chars().count()));
            }
            if !ids.insert(id) {
                return Err(Refusal::new(format!("Duplicate item found with id {id}. Remove duplicate items from your input and try again."))
                    .param("input"));
            }
        }
    }
    // Results of calls that an earlier response made need none here.
    if get(request, "previous_response_id").is_some() { Ok(()) } else { results(items) }
}

struct Scene<'a> {
    items: &'a [Value],
    request: &'a Fields,
    rules: &'a Rules,
    issued: &'a Issued,
}

fn kind<'a>(item: &'a Fields, path: &str) -> Checked<&'a str> {
    match get(item, "type").and_then(Value::as_str) {
        None if item.contains_key("role") => Ok("message"),
        None => Err(Refusal::missing(&at(path, "type"))),
        Some(kind) => {
            let own = ["message", "reasoning", "function_call", "function_call_output"];
            if own.contains(&kind) || OTHERS.contains(&kind) {
                return Ok(kind);
            }
            let all: Vec<&str> = [&own[..], OTHERS].concat();
            Err(Refusal::wrong_value(path, kind, &all))
        }
    }
}

fn prefix(item: &Fields, path: &str, wanted: &str) -> Checked {
    let Some(id) = get(item, "id").and_then(Value::as_str) else { return Ok(()) };
    if id.starts_with(wanted) {
        return Ok(());
    }
    let path = at(path, "id");
    Err(Refusal::new(format!(
        "Invalid '{path}': '{id}'. Expected an ID that begins with '{wanted}'."
    ))
    .param(path)
    .code("invalid_value"))
}

/// Nothing is kept without `store`, and what never was cannot be found at all.
fn not_found(id: &str, request: &Fields) -> Refusal {
    let hint = if get(request, "store") == Some(&Value::Bool(false)) {
        " Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
    } else {
        ""
    };
    Refusal::new(format!("Item with id '{id}' not found.{hint}"))
        .status(404, "invalid_request_error")
        .param("input")
}

// === Messages ===

fn message(item: &Fields, path: &str, rules: &Rules) -> Checked {
    let role = text(item, path, "role")?;
    let roles = &["assistant", "system", "developer", "user"];
    if !roles.contains(&role) {
        return Err(Refusal::wrong_value(&at(path, "role"), role, roles));
    }
    typed(
        item,
        path,
        &[
            ("type", Kind::Str),
            ("role", Kind::Str),
            ("content", Kind::Any),
            ("phase", Kind::Word(&["commentary", "final_answer"])),
            ("id", Kind::Str),
            ("status", STATUS),
        ],
    )?;
    if role != "assistant" && get(item, "phase").is_some() {
        return Err(Refusal::new(format!(
            "Invalid '{path}.phase': only assistant messages have a phase."
        ))
        .param(at(path, "phase"))
        .code("invalid_value"));
    }
    prefix(item, path, "msg")?;
    let at_content = at(path, "content");
    let content = need(item, path, "content")?;
    match content {
        Value::String(_) => of_kind(content, &at_content, TEXT),
        Value::Array(parts) if parts.is_empty() => Err(Refusal::array_too_short(&at_content)),
        Value::Array(parts) => {
            for (index, value) in parts.iter().enumerate() {
                part(value, role, &format!("{at_content}[{index}]"), rules)?;
            }
            Ok(())
        }
        other => {
            let expected = "one of a string or array of objects";
            Err(Refusal::wrong_type(&at_content, expected, other))
        }
    }
}

fn part(value: &Value, role: &str, path: &str, rules: &Rules) -> Checked {
    let part = object(value, path)?;
    let kind = text(part, path, "type")?;
    let allowed: &[&str] = if role == "assistant" {
        &["output_text", "refusal"]
    } else {
        &["input_text", "input_image", "input_file"]
    };
    if !allowed.contains(&kind) {
        return Err(Refusal::wrong_value(path, kind, allowed));
    }
    match kind {
        "output_text" => {
            text(part, path, "text")?;
            typed(
                part,
                path,
                &[
                    ("type", Kind::Str),
                    ("text", TEXT),
                    ("annotations", Kind::Array),
                    ("logprobs", Kind::Array),
                ],
            )
        }
        "refusal" => {
            text(part, path, "refusal")?;
            typed(part, path, &[("type", Kind::Str), ("refusal", TEXT)])
        }
        _ => input_part(part, kind, path, rules),
    }
}

fn input_part(part: &Fields, kind: &str, path: &str, rules: &Rules) -> Checked {
    let mut known = vec![("type", Kind::Str)];
    if rules.cache_control {
        known.push(("prompt_cache_breakpoint", Kind::Object));
    }
    match kind {
        "input_text" => {
            known.push(("text", TEXT));
            typed(part, path, &known)?;
            text(part, path, "text").map(drop)
        }
        "input_image" => {
            known.extend([
                ("image_url", Kind::Any),
                ("file_id", Kind::Str),
                ("detail", Kind::Word(&["auto", "low", "high", "original"])),
            ]);
            typed(part, path, &known)?;
            let path = at(path, "image_url");
            match get(part, "image_url") {
                Some(Value::String(url)) => image_url(url, &path),
                Some(other) => Err(Refusal::wrong_type(&path, "an image URL", other)),
                None if get(part, "file_id").is_some() => Ok(()),
                None => Err(Refusal::missing(&path)),
            }
        }
        _ => {
            known.extend([
                ("file_id", Kind::Str),
                ("filename", Kind::Str),
                ("file_data", Kind::Str),
                ("file_url", Kind::Str),
                ("detail", Kind::Word(&["low", "high"])),
            ]);
            typed(part, path, &known)?;
            if get(part, "file_id").is_some() || get(part, "file_url").is_some() {
                return Ok(());
            }
            let data = text(part, path, "file_data")?;
            text(part, path, "filename")?;
            file_data(data, &at(path, "file_data"))
        }
    }
}

// === Reasoning ===

impl Scene<'_> {
    fn reasoning(&self, item: &Fields, index: usize, path: &str) -> Checked {
        typed(
            item,
            path,
            &[
                ("type", Kind::Str),
                ("id", Kind::Str),
                ("summary", Kind::Array),
                ("content", Kind::Array),
                ("encrypted_content", Kind::Str),
                ("status", STATUS),
            ],
        )?;
        prefix(item, path, "rs")?;
        let list = at(path, "summary");
        for (number, part) in array(need(item, path, "summary")?, &list)?.iter().enumerate() {
            let path = format!("{list}[{number}]");
            let part = object(part, &path)?;
            let kind = text(part, &path, "type")?;
            if kind != "summary_text" {
                return Err(Refusal::wrong_value(&path, kind, &["summary_text"]));
            }
            typed(part, &path, &[("type", Kind::Str), ("text", TEXT)])?;
            text(part, &path, "text")?;
        }
        let id = get(item, "id").and_then(Value::as_str);
        let call = if let Some(blob) = get(item, "encrypted_content").and_then(Value::as_str) {
            let model = self.request["model"].as_str().unwrap_or_default();
            open(blob, &self.rules.account, model, id)?
        } else {
            let id = id.ok_or_else(|| Refusal::missing(&at(path, "id")))?;
            if !self.issued.stored.contains(id) {
                return Err(not_found(id, self.request));
            }
            String::new()
        };
        let made_by_model = |next: &Value| {
            next["role"] == "assistant"
                || next["type"].as_str().is_some_and(|kind| {
                    kind == "reasoning" || kind == "function_call" || kind.ends_with("_call")
                })
        };
        let next = self.items.get(index + 1).filter(|next| made_by_model(next));
        if next.is_some_and(|next| call.is_empty() || next["call_id"] == call) {
            return Ok(());
        }
        let id = id.unwrap_or("rs_");
        Err(Refusal::new(format!(
            "Item '{id}' of type 'reasoning' was provided without its required following item."
        ))
        .param("input"))
    }

    fn function_call(&self, item: &Fields, path: &str) -> Checked {
        typed(
            item,
            path,
            &[
                ("type", Kind::Str),
                ("id", Kind::Str),
                ("call_id", Kind::Short(64)),
                ("name", Kind::Str),
                ("arguments", TEXT),
                ("status", STATUS),
                ("namespace", Kind::Str),
                ("caller", Kind::Object),
            ],
        )?;
        prefix(item, path, "fc")?;
        if text(item, path, "call_id")?.is_empty() {
            return Err(Refusal::string_empty(&at(path, "call_id")));
        }
        name(text(item, path, "name")?, &at(path, "name"))?;
        text(item, path, "arguments")?;
        let Some(id) = get(item, "id").and_then(Value::as_str) else { return Ok(()) };
        let leader = self.issued.led_by.get(id);
        if let Some(leader) = leader.filter(|leader| self.items.iter().all(|i| i["id"] != **leader))
        {
            return Err(Refusal::new(format!("Item '{id}' of type 'function_call' was provided without its required 'reasoning' item: '{leader}'."))
                .param("input"));
        }
        Ok(())
    }
}

// === Results ===

fn function_call_output(item: &Fields, path: &str, rules: &Rules) -> Checked {
    typed(
        item,
        path,
        &[
            ("type", Kind::Str),
            ("id", Kind::Str),
            ("call_id", Kind::Short(64)),
            ("output", Kind::Any),
            ("status", STATUS),
            ("caller", Kind::Object),
        ],
    )?;
    prefix(item, path, "fc")?;
    text(item, path, "call_id")?;
    let path = at(path, "output");
    match need(item, path.trim_end_matches(".output"), "output")? {
        output @ Value::String(_) => of_kind(output, &path, TEXT),
        Value::Array(parts) if parts.is_empty() => Err(Refusal::array_too_short(&path)),
        Value::Array(parts) => {
            for (index, value) in parts.iter().enumerate() {
                part(value, "tool", &format!("{path}[{index}]"), rules)?;
            }
            Ok(())
        }
        other => Err(Refusal::wrong_type(&path, "one of a string or array of objects", other)),
    }
}

/// Each result has its call before it, and each call its result somewhere after it.
fn results(items: &[Value]) -> Checked {
    for (call_kind, output_kind, spoken) in [
        ("function_call", "function_call_output", "function call"),
        ("custom_tool_call", "custom_tool_call_output", "custom tool call"),
    ] {
        let mut waiting: Vec<&str> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for item in items {
            let id = item["call_id"].as_str().unwrap_or_default();
            if item["type"] == call_kind {
                waiting.push(id);
                seen.insert(id);
            } else if item["type"] == output_kind {
                if !seen.contains(id) {
                    return Err(Refusal::new(format!(
                        "No tool call found for {spoken} output with call_id {id}."
                    ))
                    .param("input"));
                }
                waiting.retain(|waits| *waits != id);
            }
        }
        if let Some(id) = waiting.first() {
            return Err(
                Refusal::new(format!("No tool output found for {spoken} {id}.")).param("input")
            );
        }
    }
    Ok(())
}
