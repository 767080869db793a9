//! What Chat Completions refuses in `messages`: roles, contents, and the order of calls and results.

use serde_json::Value;

use super::chat_rules::{image_part, thinks};
use super::openrouter_rules;
use super::refusal::{Refusal, listed};
use super::rules::{Rules, Vendor};
use super::walk::{
    Checked, Fields, Kind, TEXT, array, at, file_data, get, name, need, object, of_kind, text,
    typed,
};

const ROLES: &[&str] = &["system", "assistant", "user", "function", "tool", "developer"];
/// The longest id of a call.
const CALL_ID: usize = 40;

/// Checks the messages; `request` is all of the request.
pub(crate) fn check(messages: &Value, request: &Fields, rules: &Rules) -> Checked {
    let messages = array(messages, "messages")?;
    if messages.is_empty() {
        return Err(Refusal::array_too_short("messages"));
    }
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        let message = object(message, &path)?;
        let role = text(message, &path, "role")?;
        role_is_known(role, index, rules)?;
        no_unknown(message, role, index, &path, rules)?;
        if let Some(called) = get(message, "name") {
            let called = called.as_str().unwrap_or_default();
            if called.is_empty()
                || called.chars().any(|c| c.is_whitespace() || "<|\\/>".contains(c))
            {
                return Err(Refusal::pattern(&at(&path, "name"), "^[^\\s<|\\\\/>]+$"));
            }
        }
        content(message, role, index, &path, rules)?;
        if let Some(calls) = get(message, "tool_calls") {
            tool_calls(calls, &at(&path, "tool_calls"), rules)?;
            reasoning_came_back(message, index, request, rules)?;
        }
        if role == "tool" {
            text(message, &path, "tool_call_id")?;
        }
        if rules.vendor == Vendor::OpenRouter {
            openrouter_rules::details(message, index)?;
        }
    }
    order(messages)?;
    if rules.vendor == Vendor::StrictTemplate {
        template(messages)?;
    }
    Ok(())
}

fn role_is_known(role: &str, index: usize, rules: &Rules) -> Checked {
    let path = format!("messages[{index}].role");
    match rules.vendor {
        Vendor::DeepSeek if role == "developer" => Err(Refusal::new(format!("Failed to deserialize the JSON body into the target type: {path}: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`, `latest_reminder`"))
            .code("invalid_request_error")),
        Vendor::Kimi if role == "developer" => {
            Err(Refusal::new(format!("Invalid request: unsupported role {role}")))
        }
        Vendor::StrictTemplate | Vendor::Bare | Vendor::LmStudio if role == "developer" => {
            Err(bad_request("Unexpected message role."))
        }
        _ if ROLES.contains(&role) => Ok(()),
        _ => Err(Refusal::wrong_value(&path, role, ROLES)),
    }
}

const MESSAGE: &[(&str, Kind)] = &[
    ("role", Kind::Str),
    ("content", Kind::Any),
    ("name", Kind::Str),
    ("tool_calls", Kind::Any),
    ("tool_call_id", Kind::Str),
    ("refusal", Kind::Str),
    ("audio", Kind::Object),
    ("annotations", Kind::Array),
    ("function_call", Kind::Object),
];

fn no_unknown(message: &Fields, role: &str, index: usize, path: &str, rules: &Rules) -> Checked {
    match rules.vendor {
        Vendor::OpenAi => {
            typed(message, path, MESSAGE)?;
            let own = |name: &str| match name {
                "tool_calls" | "refusal" | "audio" | "annotations" | "function_call" => {
                    role == "assistant"
                }
                "tool_call_id" => role == "tool",
                _ => true,
            };
            match message.keys().find(|name| !own(name) && !message[*name].is_null()) {
                Some(name) => Err(Refusal::unknown(&at(path, name))),
                None => Ok(()),
            }
        }
        Vendor::Groq => {
            let known = |name: &String| {
                MESSAGE.iter().any(|(known, _)| known == name)
                    || (role == "assistant" && name == "reasoning")
            };
            match message.keys().find(|name| !known(name)) {
                Some(name) => Err(Refusal::new(format!(
                    "'messages.{index}' : for 'role:{role}' the following must be satisfied[('messages.{index}' : property '{name}' is unsupported)]"
                ))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn content(message: &Fields, role: &str, index: usize, path: &str, rules: &Rules) -> Checked {
    let at_content = at(path, "content");
    match message.get("content") {
        None | Some(Value::Null) => {
            let stands_in = ["tool_calls", "function_call", "refusal", "audio"];
            if role == "assistant" && stands_in.iter().any(|name| get(message, name).is_some()) {
                return Ok(());
            }
            Err(Refusal::new("Invalid value for 'content': expected a string, got null.")
                .param(format!("messages.[{index}].content")))
        }
        Some(text @ Value::String(_)) => of_kind(text, &at_content, TEXT),
        Some(Value::Array(parts)) if parts.is_empty() => Err(Refusal::array_too_short(&at_content)),
        Some(Value::Array(parts)) => {
            for (number, value) in parts.iter().enumerate() {
                part(value, role, index, &format!("{at_content}[{number}]"), rules)?;
            }
            Ok(())
        }
        Some(other) => {
            Err(Refusal::wrong_type(&at_content, "one of a string or array of objects", other))
        }
    }
}

fn part(value: &Value, role: &str, index: usize, path: &str, rules: &Rules) -> Checked {
    let part = object(value, path)?;
    let kind = text(part, path, "type")?;
    if kind == "image_url" && role != "user" {
        return Err(Refusal::new(format!("Invalid 'messages[{index}]'. Image URLs are only allowed for messages with role 'user', but this message with role '{role}' contains an image URL."))
            .param(format!("messages[{index}]"))
            .code("invalid_value"));
    }
    if kind == "image_url" && !rules.images {
        return Err(bad_request("At most 0 image(s) may be provided in one request."));
    }
    let allowed: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "refusal", "audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    if !allowed.contains(&kind) {
        return Err(Refusal::new(format!(
            "Invalid value: '{kind}'. Supported values are: {}.",
            listed(allowed)
        ))
        .param(at(path, "type"))
        .code("invalid_value"));
    }
    if rules.vendor == Vendor::OpenAi {
        let mut known = vec![("type", Kind::Str)];
        known.push(match kind {
            "text" => ("text", TEXT),
            "image_url" => ("image_url", Kind::Any),
            "input_audio" => ("input_audio", Kind::Object),
            "file" => ("file", Kind::Object),
            _ => ("refusal", Kind::Str),
        });
        if kind != "refusal" && rules.cache_control {
            known.push(("prompt_cache_breakpoint", Kind::Object));
        }
        typed(part, path, &known)?;
    }
    match kind {
        "text" => text(part, path, "text").map(drop),
        "image_url" => image_part(part, path),
        "file" => file(part, path, rules),
        _ => Ok(()),
    }
}

fn file(part: &Fields, path: &str, rules: &Rules) -> Checked {
    let path = at(path, "file");
    let file = object(&part["file"], &path)?;
    typed(
        file,
        &path,
        &[("file_id", Kind::Str), ("filename", Kind::Str), ("file_data", Kind::Str)],
    )?;
    if get(file, "file_id").is_some() {
        return Ok(());
    }
    let data = text(file, &path, "file_data")?;
    text(file, &path, "filename")?;
    if rules.vendor == Vendor::OpenRouter && data.starts_with("https://") {
        return Ok(());
    }
    file_data(data, &at(&path, "file_data"))
}

fn tool_calls(calls: &Value, path: &str, rules: &Rules) -> Checked {
    let calls = array(calls, path)?;
    if calls.is_empty() {
        return Err(Refusal::array_too_short(path));
    }
    for (index, call) in calls.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let call = object(call, &path)?;
        let id = text(call, &path, "id")?;
        if rules.vendor == Vendor::OpenAi && id.chars().count() > CALL_ID {
            return Err(Refusal::string_too_long(&at(&path, "id"), CALL_ID, id.chars().count()));
        }
        if id.is_empty() {
            return Err(Refusal::string_empty(&at(&path, "id")));
        }
        let kind = text(call, &path, "type")?;
        let (inner, payload) = match kind {
            "function" => ("function", "arguments"),
            "custom" => ("custom", "input"),
            other => {
                let supported = &["function", "custom"];
                return Err(Refusal::wrong_value(&at(&path, "type"), other, supported));
            }
        };
        if rules.vendor == Vendor::OpenAi {
            typed(call, &path, &[("id", Kind::Str), ("type", Kind::Str), (inner, Kind::Object)])?;
        }
        let at_inner = at(&path, inner);
        let named = object(need(call, &path, inner)?, &at_inner)?;
        if rules.vendor == Vendor::OpenAi {
            typed(named, &at_inner, &[("name", Kind::Str), (payload, Kind::Str)])?;
        }
        name(text(named, &at_inner, "name")?, &at(&at_inner, "name"))?;
        text(named, &at_inner, payload)?;
    }
    Ok(())
}

/// Servers that want the reasoning of a turn with calls back say so in words of their own.
fn reasoning_came_back(message: &Fields, index: usize, request: &Fields, rules: &Rules) -> Checked {
    let text = get(message, "reasoning_content").and_then(Value::as_str).unwrap_or_default();
    if !text.is_empty() || !thinks(request) {
        return Ok(());
    }
    match rules.vendor {
        Vendor::DeepSeek => Err(Refusal::new(
            "The reasoning_content in the thinking mode must be passed back to the API.",
        )
        .code("invalid_request_error")),
        Vendor::Kimi => Err(Refusal::new(format!(
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
        ))),
        _ => Ok(()),
    }
}

/// Each call has its result directly after the message that made it, and each result its call.
fn order(messages: &[Value]) -> Checked {
    let mut waiting: Vec<&str> = Vec::new();
    let mut answered: Vec<(&str, usize)> = Vec::new();
    let unanswered = |waiting: &[&str]| {
        Refusal::new(format!("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}", waiting.join(", ")))
            .param("messages")
    };
    for (index, message) in messages.iter().enumerate() {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if let Some(found) = waiting.iter().position(|waits| *waits == id) {
                answered.push((waiting.remove(found), index));
                continue;
            }
            if let Some((_, first)) = answered.iter().find(|(answered, _)| *answered == id) {
                return Err(Refusal::new(format!("Invalid parameter: Duplicate value for 'tool_call_id' of '{id}', in messages[{first}] and messages[{index}]."))
                    .param(format!("messages.[{index}].tool_call_id")));
            }
            if waiting.is_empty() && answered.is_empty() {
                return Err(Refusal::new("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
                    .param(format!("messages.[{index}].role")));
            }
            return Err(Refusal::new(format!("Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message."))
                .param(format!("messages.[{index}].tool_call_id")));
        }
        if !waiting.is_empty() {
            return Err(unanswered(&waiting));
        }
        answered.clear();
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let id = call["id"].as_str().unwrap_or_default();
            if waiting.contains(&id) {
                return Err(Refusal::new(format!("Duplicate value for 'tool_call_id' of '{id}'"))
                    .param(format!("messages.[{index}].tool_calls")));
            }
            waiting.push(id);
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err(unanswered(&waiting)) }
}

/// What a chat template raises: one system message, at the head; then user and assistant by turns,
/// where results count with the user or go between calls and answer.
fn template(messages: &[Value]) -> Checked {
    let mut last = "";
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        match role {
            "system" if index == 0 => {}
            "system" => return Err(bad_request("System message must be at the beginning.")),
            "user" if last == "user" => return Err(alternation()),
            "assistant" if last == "assistant" || last.is_empty() => return Err(alternation()),
            _ => {}
        }
        if role != "system" {
            last = role;
        }
    }
    Ok(())
}

fn alternation() -> Refusal {
    bad_request(
        "After the optional system message, conversation roles must alternate user/assistant/user/assistant/...",
    )
}

/// vLLM's form: its own type, and the status once more as the code.
fn bad_request(message: &str) -> Refusal {
    let mut refusal = Refusal::new(message).status(400, "BadRequestError");
    refusal.extra.fields.insert("code".to_owned(), Value::from(400));
    refusal
}
