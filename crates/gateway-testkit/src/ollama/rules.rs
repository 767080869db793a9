//! What `POST /api/chat` refuses: values of other types than its own, which it reads into fixed ones,
//! and what a model can't do. Fields that it does not know it ignores.

use serde_json::{Map, Value};

use super::model::Model;
use crate::openai::Refusal;

type Checked = Result<(), Refusal>;
type Fields = Map<String, Value>;

/// Checks a body.
///
/// # Errors
/// What the server would answer.
pub fn check(body: &Value, model: &Model) -> Checked {
    let Value::Object(fields) = body else {
        return Err(wrong(body, "Go value", "api.ChatRequest"));
    };
    typed(fields, "ChatRequest", FIELDS)?;
    let name = text(fields, "model");
    if name.is_empty() {
        return Err(Refusal::new("model is required"));
    }
    if name != model.name && name != format!("{}:latest", model.name) {
        return Err(Refusal::new(format!("model '{name}' not found")).status(404, ""));
    }
    for message in list(fields, "messages") {
        check_message(message, model)?;
    }
    for tool in list(fields, "tools") {
        check_tool(tool)?;
    }
    options(fields)?;
    format(fields)?;
    if !list(fields, "tools").is_empty() && !model.can("tools") {
        return Err(Refusal::new(format!(
            "registry.ollama.ai/library/{name} does not support tools"
        )));
    }
    think(fields, model)
}

/// `image` etc. are Go's words for types.
const FIELDS: &[(&str, Type)] = &[
    ("model", Type::Str),
    ("messages", Type::List("[]api.Message")),
    ("tools", Type::List("api.Tools")),
    ("stream", Type::Bool),
    ("truncate", Type::Bool),
    ("shift", Type::Bool),
    ("options", Type::Map),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Str,
    Bool,
    Map,
    List(&'static str),
}

fn typed(fields: &Fields, place: &str, known: &[(&str, Type)]) -> Checked {
    for (name, kind) in known {
        let Some(value) = fields.get(*name).filter(|value| !value.is_null()) else { continue };
        let (fits, wanted) = match kind {
            Type::Str => (value.is_string(), "string"),
            Type::Bool => (value.is_boolean(), "bool"),
            Type::Map => (value.is_object(), "map[string]interface {}"),
            Type::List(of) => (value.is_array(), *of),
        };
        if !fits {
            return Err(wrong(value, &format!("Go struct field {place}.{name}"), wanted));
        }
    }
    Ok(())
}

fn wrong(value: &Value, place: &str, wanted: &str) -> Refusal {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Refusal::new(format!("json: cannot unmarshal {kind} into {place} of type {wanted}"))
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(fields: &'a Fields, name: &str) -> &'a [Value] {
    fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn check_message(message: &Value, model: &Model) -> Checked {
    let place = "ChatRequest.messages";
    let Value::Object(message) = message else { return Err(wrong(message, place, "api.Message")) };
    typed(
        message,
        place,
        &[
            ("role", Type::Str),
            ("content", Type::Str),
            ("thinking", Type::Str),
            ("images", Type::List("[]api.ImageData")),
            ("tool_calls", Type::List("[]api.ToolCall")),
            ("tool_name", Type::Str),
            ("tool_call_id", Type::Str),
        ],
    )?;
    let role = text(message, "role");
    if !matches!(role, "system" | "user" | "assistant" | "tool") {
        return Err(Refusal::new(format!(
            "invalid role: {role}, role must be one of [system, user, assistant, tool]"
        )));
    }
    for image in list(message, "images") {
        let Some(data) = image.as_str() else {
            return Err(wrong(image, &format!("{place}.images"), "api.ImageData"));
        };
        // Raw base64: the colon of a data URL is none of its letters.
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        if let Some(at) = data.bytes().position(|b| !letters(b)) {
            return Err(Refusal::new(format!("illegal base64 data at input byte {at}")));
        }
        if !model.can("vision") {
            let text = "this model is missing data required for image input";
            return Err(Refusal::new(text).status(500, ""));
        }
    }
    for call in list(message, "tool_calls") {
        let place = format!("{place}.tool_calls");
        let Value::Object(call) = call else { return Err(wrong(call, &place, "api.ToolCall")) };
        typed(call, &place, &[("id", Type::Str)])?;
        let function = call.get("function").unwrap_or(&Value::Null);
        let Value::Object(function) = function else {
            return Err(wrong(function, &format!("{place}.function"), "api.ToolCallFunction"));
        };
        typed(function, &format!("{place}.function"), &[("name", Type::Str)])?;
        let arguments = function.get("arguments").unwrap_or(&Value::Null);
        if !arguments.is_object() {
            let place = format!("Go struct field {place}.function.arguments");
            return Err(wrong(arguments, &place, "api.ToolCallFunctionArguments"));
        }
    }
    Ok(())
}

fn check_tool(tool: &Value) -> Checked {
    let place = "ChatRequest.tools";
    let Value::Object(tool) = tool else { return Err(wrong(tool, place, "api.Tool")) };
    typed(tool, place, &[("type", Type::Str), ("function", Type::Map)])?;
    let Some(Value::Object(function)) = tool.get("function") else { return Ok(()) };
    let place = format!("{place}.function");
    typed(function, &place, &[("name", Type::Str), ("description", Type::Str)])?;
    let parameters = function.get("parameters").unwrap_or(&Value::Null);
    let place = format!("{place}.parameters");
    let Value::Object(schema) = parameters else {
        return Err(wrong(parameters, &place, "api.ToolFunctionParameters"));
    };
    // At the root a type is one word.
    typed(schema, &place, &[("type", Type::Str)])?;
    check_schema(schema, &place)
}

fn check_schema(schema: &Fields, place: &str) -> Checked {
    typed(
        schema,
        place,
        &[
            ("description", Type::Str),
            ("enum", Type::List("[]interface {}")),
            ("anyOf", Type::List("[]api.ToolProperty")),
            ("required", Type::List("[]string")),
            ("properties", Type::Map),
        ],
    )?;
    for name in list(schema, "required") {
        if !name.is_string() {
            return Err(wrong(name, &format!("Go struct field {place}.required"), "string"));
        }
    }
    let word = |value: &Value| value.is_string();
    match schema.get("type") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(Value::Array(words)) if words.iter().all(word) => {}
        Some(other) => {
            return Err(wrong(other, &format!("Go struct field {place}.type"), "api.PropertyType"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for inner in properties.into_iter().flat_map(Map::values).chain(list(schema, "anyOf")) {
        let place = format!("{place}.properties");
        let Value::Object(inner) = inner else {
            return Err(wrong(inner, &place, "api.ToolProperty"));
        };
        check_schema(inner, &place)?;
    }
    Ok(())
}

fn options(fields: &Fields) -> Checked {
    let Some(options) = fields.get("options").and_then(Value::as_object) else { return Ok(()) };
    for name in ["num_ctx", "num_predict", "top_k", "seed", "num_keep", "repeat_last_n"] {
        if options.get(name).is_some_and(|value| !value.is_number()) {
            return Err(Refusal::new(format!("option \"{name}\" must be of type integer")));
        }
    }
    for name in ["temperature", "top_p", "min_p", "repeat_penalty"] {
        if options.get(name).is_some_and(|value| !value.is_number()) {
            return Err(Refusal::new(format!("option \"{name}\" must be of type float32")));
        }
    }
    match options.get("stop") {
        None => Ok(()),
        Some(Value::Array(stops)) if stops.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(Refusal::new("option \"stop\" must be of type array")),
    }
}

fn format(fields: &Fields) -> Checked {
    match fields.get("format") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(Value::String(word)) if word.is_empty() || word == "json" => Ok(()),
        Some(other) => Err(Refusal::new(format!(
            "invalid format: {other}; expected \"json\" or a valid JSON Schema object"
        ))),
    }
}

fn think(fields: &Fields, model: &Model) -> Checked {
    let Some(think) = fields.get("think").filter(|value| !value.is_null()) else { return Ok(()) };
    match think {
        Value::Bool(_) => {}
        Value::String(word) if matches!(&**word, "low" | "medium" | "high" | "max") => {}
        Value::String(word) => {
            return Err(Refusal::new(format!(
                "invalid think value: \"{word}\" (must be \"high\", \"medium\", \"low\", \"max\", true, or false)"
            )));
        }
        _ => {
            return Err(Refusal::new(
                "think must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or false)",
            ));
        }
    }
    if *think != false && !model.can("thinking") {
        return Err(Refusal::new(format!("\"{}\" does not support thinking", model.name)));
    }
    Ok(())
}
