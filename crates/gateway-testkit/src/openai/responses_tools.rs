//! What Responses refuses in `tools` and `tool_choice`.

use serde_json::Value;

use super::refusal::Refusal;
use super::schema_rules::{self, For};
use super::walk::{
    Checked, Fields, Kind, array, at, get, name, need, object, of_kind, text, typed,
};

const TYPES: &[&str] = &[
    "function",
    "custom",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "local_shell",
    "shell",
    "apply_patch",
    "computer",
    "computer_use_preview",
    "tool_search",
    "namespace",
];

/// Checks both.
pub(crate) fn check(fields: &Fields) -> Checked {
    let none = Vec::new();
    let tools = match get(fields, "tools") {
        Some(tools) => array(tools, "tools")?,
        None => &none,
    };
    if tools.len() > 128 {
        return Err(Refusal::array_too_long("tools", 128, tools.len()));
    }
    for (index, value) in tools.iter().enumerate() {
        tool(value, &format!("tools[{index}]"))?;
    }
    get(fields, "tool_choice").map_or(Ok(()), |choice| tool_choice(choice, tools))
}

fn tool(value: &Value, path: &str) -> Checked {
    let tool = object(value, path)?;
    let kind = text(tool, path, "type")?;
    if !TYPES.contains(&kind) {
        return Err(Refusal::wrong_value(&at(path, "type"), kind, TYPES));
    }
    match kind {
        "function" => function(tool, path),
        "custom" => {
            named(tool, path)?;
            typed(
                tool,
                path,
                &[
                    ("type", Kind::Str),
                    ("name", Kind::Str),
                    ("description", Kind::Str),
                    ("format", Kind::Object),
                    ("defer_loading", Kind::Bool),
                ],
            )
        }
        "namespace" => {
            named(tool, path)?;
            let list = at(path, "tools");
            for (index, inner) in array(need(tool, path, "tools")?, &list)?.iter().enumerate() {
                self::tool(inner, &format!("{list}[{index}]"))?;
            }
            Ok(())
        }
        _ if kind.starts_with("web_search") => web_search(tool, path),
        _ => Ok(()),
    }
}

fn named<'a>(tool: &'a Fields, path: &str) -> Checked<&'a str> {
    let called = text(tool, path, "name")?;
    name(called, &at(path, "name"))?;
    Ok(called)
}

fn function(tool: &Fields, path: &str) -> Checked {
    let called = named(tool, path)?;
    typed(
        tool,
        path,
        &[
            ("type", Kind::Str),
            ("name", Kind::Str),
            ("description", Kind::Str),
            ("parameters", Kind::Any),
            ("strict", Kind::Bool),
            ("defer_loading", Kind::Bool),
            ("output_schema", Kind::Any),
            ("allowed_callers", Kind::Array),
        ],
    )?;
    let Some(strict) = get(tool, "strict") else {
        return Err(Refusal::new(format!("Test server: '{path}.strict' is missing. The service would take it for true and rewrite the schema of '{called}'; say true or false."))
            .param(at(path, "strict"))
            .code("strict_not_stated"));
    };
    let Some(schema) = get(tool, "parameters") else { return Ok(()) };
    let (what, param) = (format!("function '{called}'"), at(path, "parameters"));
    let of = For { what: &what, param: &param, code: "invalid_function_parameters" };
    schema_rules::check(schema, strict == &Value::Bool(true), of)
}

fn web_search(tool: &Fields, path: &str) -> Checked {
    typed(
        tool,
        path,
        &[
            ("type", Kind::Str),
            ("filters", Kind::Object),
            ("search_context_size", Kind::Word(&["low", "medium", "high"])),
            ("user_location", Kind::Object),
            ("external_web_access", Kind::Bool),
            ("search_content_types", Kind::Array),
        ],
    )?;
    if let Some(filters) = get(tool, "filters") {
        let path = at(path, "filters");
        let filters = object(filters, &path)?;
        typed(filters, &path, &[("allowed_domains", Kind::Array)])?;
        let domains = filters.get("allowed_domains").and_then(Value::as_array);
        for (index, domain) in domains.into_iter().flatten().enumerate() {
            let path = format!("{path}.allowed_domains[{index}]");
            of_kind(domain, &path, Kind::Str)?;
            let domain = domain.as_str().unwrap_or_default();
            if domain.is_empty() || domain.contains("://") || domain.contains(char::is_whitespace) {
                return Err(Refusal::new(format!("Invalid '{path}': '{domain}' is not a valid domain. Domains must not hold a scheme."))
                    .param(path)
                    .code("invalid_value"));
            }
        }
    }
    let Some(place) = get(tool, "user_location") else { return Ok(()) };
    let path = at(path, "user_location");
    typed(
        object(place, &path)?,
        &path,
        &[
            ("type", Kind::Word(&["approximate"])),
            ("country", Kind::Short(2)),
            ("region", Kind::Str),
            ("city", Kind::Str),
            ("timezone", Kind::Str),
        ],
    )
}

fn tool_choice(choice: &Value, tools: &[Value]) -> Checked {
    let absent = |said: &str| {
        Err(Refusal::new(format!("Tool choice '{said}' not found in 'tools' parameter."))
            .param("tool_choice"))
    };
    let has = |kind: &str, name: Option<&str>| {
        tools
            .iter()
            .any(|tool| tool["type"] == kind && name.is_none_or(|name| tool["name"] == name))
    };
    match choice {
        Value::String(word) => match word.as_str() {
            "none" | "auto" => Ok(()),
            "required" if !tools.is_empty() => Ok(()),
            "required" => Err(Refusal::new(
                "Tool choice 'required' must be specified with 'tools' parameter.",
            )
            .param("tool_choice")),
            other => Err(Refusal::wrong_value("tool_choice", other, &["none", "auto", "required"])),
        },
        Value::Object(fields) => match text(fields, "tool_choice", "type")? {
            kind @ ("function" | "custom") => {
                let called = text(fields, "tool_choice", "name")?;
                typed(fields, "tool_choice", &[("type", Kind::Str), ("name", Kind::Str)])?;
                if has(kind, Some(called)) { Ok(()) } else { absent(kind) }
            }
            "allowed_tools" => {
                let mode = need(fields, "tool_choice", "mode")?;
                of_kind(mode, "tool_choice.mode", Kind::Word(&["auto", "required"]))?;
                let list = array(need(fields, "tool_choice", "tools")?, "tool_choice.tools")?;
                let missing = list.iter().find(|tool| {
                    !has(tool["type"].as_str().unwrap_or_default(), tool["name"].as_str())
                });
                missing.map_or(Ok(()), |tool| absent(tool["name"].as_str().unwrap_or("?")))
            }
            "mcp" if has("mcp", None) => Ok(()),
            kind if TYPES.contains(&kind) => {
                if has(kind, None) {
                    Ok(())
                } else {
                    absent(kind)
                }
            }
            other => Err(Refusal::wrong_value("tool_choice.type", other, TYPES)),
        },
        other => Err(Refusal::wrong_type("tool_choice", "one of a string or object", other)),
    }
}
