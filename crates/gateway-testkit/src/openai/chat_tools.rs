//! What Chat Completions refuses in `tools`, `tool_choice` and `parallel_tool_calls`.

use serde_json::Value;

use super::chat_rules::thinks;
use super::refusal::Refusal;
use super::rules::{Rules, Vendor};
use super::schema_rules::{self, For};
use super::walk::{
    Checked, Fields, Kind, array, at, get, name, need, object, of_kind, text, typed,
};

/// The names of the tools, with their kind.
pub(crate) fn tools<'a>(fields: &'a Fields, rules: &Rules) -> Checked<Vec<(&'a str, &'a str)>> {
    let Some(tools) = get(fields, "tools") else { return Ok(Vec::new()) };
    let tools = array(tools, "tools")?;
    if tools.is_empty() {
        return Err(Refusal::array_too_short("tools"));
    }
    if tools.len() > 128 && rules.vendor != Vendor::OpenRouter {
        return Err(Refusal::array_too_long("tools", 128, tools.len()));
    }
    let strictly = matches!(rules.vendor, Vendor::OpenAi | Vendor::Groq);
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let path = format!("tools[{index}]");
        let tool = object(tool, &path)?;
        let kind = text(tool, &path, "type")?;
        if rules.vendor == Vendor::OpenRouter && kind.starts_with("openrouter:") {
            names.push((kind, kind));
            continue;
        }
        if kind != "function" && !(kind == "custom" && rules.vendor == Vendor::OpenAi) {
            let supported: &[&str] = if rules.vendor == Vendor::OpenAi {
                &["function", "custom"]
            } else {
                &["function"]
            };
            return Err(Refusal::wrong_value(&at(&path, "type"), kind, supported));
        }
        let path_of = at(&path, kind);
        let function = object(need(tool, &path, kind)?, &path_of)?;
        if strictly {
            typed(
                tool,
                &path,
                &[
                    ("type", Kind::Str),
                    (if kind == "custom" { "custom" } else { "function" }, Kind::Object),
                ],
            )?;
        }
        let tool_name = text(function, &path_of, "name")?;
        name(tool_name, &at(&path_of, "name"))?;
        if kind == "function" {
            if strictly {
                typed(function, &path_of, FUNCTION)?;
            }
            parameters(function, tool_name, &path_of, rules)?;
        }
        names.push((kind, tool_name));
    }
    Ok(names)
}

const FUNCTION: &[(&str, Kind)] = &[
    ("name", Kind::Str),
    ("description", Kind::Str),
    ("parameters", Kind::Any),
    ("strict", Kind::Bool),
];

fn parameters(function: &Fields, tool: &str, path: &str, rules: &Rules) -> Checked {
    let Some(schema) = get(function, "parameters") else { return Ok(()) };
    let strict = get(function, "strict") == Some(&Value::Bool(true));
    if strict && rules.vendor == Vendor::Kimi {
        return Err(Refusal::new("tools.function.strict is not supported"));
    }
    let (what, param) = (format!("function '{tool}'"), at(path, "parameters"));
    let of = For { what: &what, param: &param, code: "invalid_function_parameters" };
    schema_rules::check(schema, strict, of)
}

/// The choice names what there is.
pub(crate) fn tool_choice(fields: &Fields, rules: &Rules, tools: &[(&str, &str)]) -> Checked {
    for name in ["tool_choice", "parallel_tool_calls"] {
        if get(fields, name).is_some() && tools.is_empty() {
            return Err(Refusal::new(format!(
                "Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            ))
            .param(name));
        }
    }
    if get(fields, "parallel_tool_calls").is_some() && !rules.parallel_flag {
        return Err(Refusal::unsupported("parallel_tool_calls"));
    }
    let Some(choice) = get(fields, "tool_choice") else { return Ok(()) };
    let forced = choice.is_object() || choice == "required";
    if forced && rules.vendor == Vendor::Kimi && thinks(fields) {
        let said =
            choice.as_str().map_or_else(|| "specified".to_owned(), |word| format!("'{word}'"));
        return Err(Refusal::new(format!(
            "tool_choice {said} is incompatible with thinking enabled"
        )));
    }
    let exists = |kind: &str, wanted: &str| {
        if tools.contains(&(kind, wanted)) {
            return Ok(());
        }
        Err(Refusal::new(format!("Invalid value for 'tool_choice': no {kind} named '{wanted}' was specified in the 'tools' parameter."))
            .param("tool_choice"))
    };
    match choice {
        Value::String(word) if ["none", "auto", "required"].contains(&word.as_str()) => Ok(()),
        Value::String(word) => {
            Err(Refusal::wrong_value("tool_choice", word, &["none", "auto", "required"]))
        }
        Value::Object(choice) => match text(choice, "tool_choice", "type")? {
            kind @ ("function" | "custom") => {
                typed(
                    choice,
                    "tool_choice",
                    &[("type", Kind::Str), ("function", Kind::Object), ("custom", Kind::Object)],
                )?;
                let path = at("tool_choice", kind);
                let named = object(need(choice, "tool_choice", kind)?, &path)?;
                exists(kind, text(named, &path, "name")?)
            }
            "allowed_tools" => {
                let path = "tool_choice.allowed_tools";
                let allowed = object(need(choice, "tool_choice", "allowed_tools")?, path)?;
                let mode = need(allowed, path, "mode")?;
                of_kind(mode, &at(path, "mode"), Kind::Word(&["auto", "required"]))?;
                let list = at(path, "tools");
                for tool in array(need(allowed, path, "tools")?, &list)? {
                    let kind = tool["type"].as_str().unwrap_or_default();
                    exists(kind, tool[kind]["name"].as_str().unwrap_or_default())?;
                }
                Ok(())
            }
            other => Err(Refusal::wrong_value(
                "tool_choice.type",
                other,
                &["function", "allowed_tools", "custom"],
            )),
        },
        other => Err(Refusal::wrong_type("tool_choice", "one of a string or object", other)),
    }
}
