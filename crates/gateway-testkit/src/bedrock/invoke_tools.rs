//! What `InvokeModel` with Claude refuses in tools.

use serde_json::Value;

use super::invoke_messages::{Caches, fields_of};
use super::refusal::Refusal;
use super::rules::Rules;
use super::walk::Checked;

/// Tools that the client runs and Claude knows the schema of. Those that Anthropic runs are not here.
const CLIENT_TOOLS: &[&str] = &[
    "bash_20250124",
    "memory_20250818",
    "text_editor_20250124",
    "text_editor_20250429",
    "text_editor_20250728",
];
const COMPUTER: &[(&str, &str)] = &[
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("tool_search_tool_regex_20251119", "tool-search-tool-2025-10-19"),
    ("tool_search_tool_bm25_20251119", "tool-search-tool-2025-10-19"),
];
/// Fields of tools that want a beta.
const BY_BETA: &[(&str, &str)] = &[
    ("defer_loading", "tool-search-tool-2025-10-19"),
    ("input_examples", "tool-examples-2025-10-29"),
    ("eager_input_streaming", "fine-grained-tool-streaming-2025-05-14"),
];

pub(crate) fn check(body: &Value, betas: &[&str], rules: &Rules) -> Checked {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("tools.{index}");
        match tool["type"].as_str() {
            None | Some("custom") => custom(tool, &format!("{at}.custom"), betas, rules)?,
            Some(kind) => known(kind, &at, betas)?,
        }
        let name = tool["name"].as_str().unwrap_or_default();
        if names.contains(&name) {
            return Err(Refusal::new("tools: Tool names must be unique."));
        }
        names.push(name);
    }
    choice(&body["tool_choice"], &names)
}

fn known(kind: &str, at: &str, betas: &[&str]) -> Checked {
    let by_beta = COMPUTER.iter().filter(|(_, beta)| betas.contains(beta)).map(|(kind, _)| *kind);
    let mut known: Vec<&str> =
        CLIENT_TOOLS.iter().copied().chain(by_beta).chain(["custom"]).collect();
    if known.contains(&kind) {
        return Ok(());
    }
    known.sort_unstable();
    let known: Vec<String> = known.iter().map(|kind| format!("'{kind}'")).collect();
    Err(Refusal::new(format!(
        "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {}",
        known.join(", ")
    )))
}

fn custom(tool: &Value, at: &str, betas: &[&str], rules: &Rules) -> Checked {
    let mut fields = vec!["type", "name", "description", "input_schema", "cache_control"];
    fields.extend(BY_BETA.iter().filter(|(_, beta)| betas.contains(beta)).map(|(name, _)| *name));
    if rules.version >= (4, 5) {
        fields.push("strict");
    }
    fields_of(tool, at, &fields)?;
    let name =
        tool["name"].as_str().ok_or_else(|| Refusal::new(format!("{at}.name: Field required")))?;
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if name.is_empty() || name.len() > 128 || !letters {
        return Err(Refusal::new(format!(
            "{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        )));
    }
    let schema = &tool["input_schema"];
    if schema.is_null() {
        return Err(Refusal::new(format!("{at}.input_schema: Field required")));
    }
    match schema["type"].as_str() {
        Some("object") => {}
        None => return Err(Refusal::new(format!("{at}.input_schema.type: Field required"))),
        Some(_) => {
            return Err(Refusal::new(format!("{at}.input_schema.type: Input should be 'object'")));
        }
    }
    // At the top alone; deeper they are taken.
    for word in ["oneOf", "allOf", "anyOf"] {
        if !schema[word].is_null() {
            return Err(Refusal::new(format!(
                "{at}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
            )));
        }
    }
    Caches::default().see(tool, at, rules)
}

fn choice(choice: &Value, names: &[&str]) -> Checked {
    if choice.is_null() {
        return Ok(());
    }
    match choice["type"].as_str().unwrap_or_default() {
        "auto" | "none" if names.is_empty() => Ok(()),
        "auto" | "any" | "none" if !names.is_empty() => Ok(()),
        "tool" => match choice["name"].as_str() {
            Some(name) if names.contains(&name) => Ok(()),
            Some(name) => Err(Refusal::new(format!("Tool '{name}' not found in provided tools"))),
            None => Err(Refusal::new("tool_choice.tool.name: Field required")),
        },
        "any" => Err(Refusal::new("tool_choice: may only be specified while providing tools")),
        other => Err(Refusal::new(format!(
            "tool_choice: Input tag '{other}' found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'"
        ))),
    }
}
