//! What Responses refuses: the fields at the top, and what a model does not take. Input items and tools
//! are apart.

use serde_json::Value;

use super::blobs::Issued;
use super::chat_rules::{EFFORTS, served};
use super::refusal::{Refusal, listed};
use super::rules::Rules;
use super::schema_rules::{self, For};
use super::walk::{
    Checked, Fields, Kind, TEXT, array, at, get, mentions, metadata, name, need, object, of_kind,
    text, tokens, typed,
};
use super::{responses_items, responses_tools};

const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

const FIELDS: &[(&str, Kind)] = &[
    ("model", Kind::Str),
    ("input", Kind::Any),
    ("instructions", TEXT),
    ("max_output_tokens", Kind::Int(16)),
    ("max_tool_calls", Kind::Int(1)),
    ("tools", Kind::Array),
    ("tool_choice", Kind::Any),
    ("parallel_tool_calls", Kind::Bool),
    ("reasoning", Kind::Object),
    ("text", Kind::Object),
    ("include", Kind::Array),
    ("store", Kind::Bool),
    ("previous_response_id", Kind::Str),
    ("conversation", Kind::Any),
    ("truncation", Kind::Word(&["auto", "disabled"])),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("temperature", Kind::Num(2)),
    ("top_p", Kind::Num(1)),
    ("top_logprobs", Kind::Int(0)),
    ("service_tier", Kind::Word(TIERS)),
    ("prompt_cache_key", Kind::Short(64)),
    ("prompt_cache_options", Kind::Object),
    ("prompt_cache_retention", Kind::Word(&["in_memory", "24h"])),
    ("safety_identifier", Kind::Short(128)),
    ("user", Kind::Short(64)),
    ("metadata", Kind::Object),
    ("background", Kind::Bool),
    ("prompt", Kind::Object),
    ("context_management", Kind::Array),
    ("moderation", Kind::Object),
    ("client_metadata", Kind::Object),
];

/// Fields of Chat Completions that have another name here.
const MOVED: &[(&str, &str)] = &[
    ("messages", "input"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
];

const INCLUDES: &[&str] = &[
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "file_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
];

/// Fields that counting takes; it refuses those that only make sense for an answer.
const COUNTED: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "previous_response_id",
    "conversation",
    "truncation",
];

/// Checks the body of `POST /v1/responses`.
///
/// # Errors
/// What the service would answer; and one of this kit's own: a function tool must say `strict`.
pub fn check(body: &Value, rules: &Rules, issued: &Issued) -> Result<(), Refusal> {
    let fields = object(body, "body")?;
    for (old, new) in MOVED {
        if fields.contains_key(*old) {
            return Err(Refusal::new(format!("Unsupported parameter: '{old}'. In the Responses API, this parameter has moved to '{new}'. Try again with the new parameter."))
                .param(*old)
                .code("unsupported_parameter"));
        }
    }
    typed(fields, "", FIELDS)?;
    let model = text(fields, "", "model")?;
    served(model, rules)?;
    let reasons = reasoning(fields, rules, model)?;
    sampling(fields, reasons)?;
    lengths(fields, rules)?;
    includes(fields, rules)?;
    output(fields, rules, model)?;
    metadata(fields)?;
    if let Some(options) = get(fields, "stream_options") {
        if get(fields, "stream") != Some(&Value::Bool(true)) {
            return Err(Refusal::new(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            )
            .param("stream_options"));
        }
        let known = [("include_obfuscation", Kind::Bool)];
        typed(object(options, "stream_options")?, "stream_options", &known)?;
    }
    responses_tools::check(fields)?;
    searches(fields)?;
    if let Some(id) = get(fields, "previous_response_id").and_then(Value::as_str)
        && !issued.stored.contains(id)
    {
        return Err(Refusal::new(format!("Previous response with id '{id}' not found."))
            .param("previous_response_id")
            .code("previous_response_not_found"));
    }
    match get(fields, "input") {
        Some(Value::String(words)) => of_kind(&Value::from(words.as_str()), "input", TEXT)?,
        Some(items @ Value::Array(list)) if !list.is_empty() => {
            responses_items::check(array(items, "input")?, fields, rules, issued)?;
        }
        Some(Value::Array(_)) | None => {
            if get(fields, "previous_response_id").is_none() {
                return Err(Refusal::new("One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.")
                    .param("input")
                    .code("missing_required_parameter"));
            }
        }
        Some(other) => {
            let expected = "one of a string or array of objects";
            return Err(Refusal::wrong_type("input", expected, other));
        }
    }
    if tokens(body) > rules.window {
        return Err(Refusal::new("Your input exceeds the context window of this model. Please adjust your input and try again.")
            .param("input")
            .code("context_length_exceeded"));
    }
    Ok(())
}

/// Checks the body of `POST /v1/responses/input_tokens`.
///
/// # Errors
/// As [`check`].
pub fn check_count(body: &Value, rules: &Rules, issued: &Issued) -> Result<(), Refusal> {
    let fields = object(body, "body")?;
    match fields.keys().find(|name| !COUNTED.contains(&name.as_str())) {
        Some(name) => Err(Refusal::unknown(name)),
        // A prompt that is too long can still be counted.
        None => check(body, &rules.clone().with_window(u64::MAX), issued),
    }
}

/// Whether the model will reason.
fn reasoning(fields: &Fields, rules: &Rules, model: &str) -> Checked<bool> {
    let Some(value) = get(fields, "reasoning") else { return Ok(rules.reasons(None)) };
    let reasoning = object(value, "reasoning")?;
    typed(
        reasoning,
        "reasoning",
        &[
            ("effort", Kind::Word(EFFORTS)),
            ("summary", Kind::Word(&["auto", "concise", "detailed"])),
            ("generate_summary", Kind::Word(&["auto", "concise", "detailed"])),
            ("context", Kind::Word(&["auto", "current_turn", "all_turns"])),
            ("mode", Kind::Word(&["standard", "pro"])),
        ],
    )?;
    if rules.efforts.is_empty() {
        return match reasoning.keys().find(|name| !reasoning[*name].is_null()) {
            Some(name) => Err(Refusal::unsupported(&at("reasoning", name))),
            None => Ok(false),
        };
    }
    let effort = get(reasoning, "effort").and_then(Value::as_str);
    let supported: Vec<&str> = [&rules.efforts[..], &rules.responses_efforts[..]].concat();
    if let Some(effort) = effort.filter(|effort| !supported.contains(effort)) {
        return Err(not_with("reasoning.effort", effort, model, &supported));
    }
    Ok(rules.reasons(effort))
}

/// The least effort has no tools of the service's own.
fn searches(fields: &Fields) -> Checked {
    let effort = get(fields, "reasoning").and_then(|reasoning| reasoning.get("effort"));
    let tools = get(fields, "tools").and_then(Value::as_array);
    let is_search =
        |tool: &Value| tool["type"].as_str().is_some_and(|kind| kind.starts_with("web_search"));
    if effort.is_some_and(|effort| effort == "minimal")
        && tools.is_some_and(|tools| tools.iter().any(is_search))
    {
        return Err(Refusal::new(
            "The following tools cannot be used with reasoning.effort 'minimal': web_search.",
        )
        .param("tools"));
    }
    Ok(())
}

fn not_with(param: &str, found: &str, model: &str, supported: &[&str]) -> Refusal {
    let supported = listed(supported);
    Refusal::new(format!("Unsupported value: '{found}' is not supported with the '{model}' model. Supported values are: {supported}."))
        .param(param)
        .code("unsupported_value")
}

fn sampling(fields: &Fields, reasons: bool) -> Checked {
    if !reasons {
        return Ok(());
    }
    for name in ["temperature", "top_p"] {
        if get(fields, name).is_some_and(|value| value.as_f64() != Some(1.0)) {
            return Err(Refusal::unsupported(name));
        }
    }
    if get(fields, "top_logprobs").is_some_and(|value| value != 0) {
        return Err(Refusal::unsupported("top_logprobs"));
    }
    Ok(())
}

fn lengths(fields: &Fields, rules: &Rules) -> Checked {
    if let Some(asked) = get(fields, "max_output_tokens")
        && asked.as_u64().is_some_and(|asked| asked > rules.max_output)
    {
        return Err(Refusal::above("max_output_tokens", "integer", rules.max_output, asked));
    }
    if get(fields, "parallel_tool_calls").is_some() && !rules.parallel_flag {
        return Err(Refusal::unsupported("parallel_tool_calls"));
    }
    if get(fields, "prompt_cache_options").is_some() && !rules.cache_control {
        return Err(Refusal::unsupported("prompt_cache_options"));
    }
    Ok(())
}

fn includes(fields: &Fields, rules: &Rules) -> Checked {
    let Some(include) = get(fields, "include") else { return Ok(()) };
    for (index, value) in array(include, "include")?.iter().enumerate() {
        of_kind(value, &format!("include[{index}]"), Kind::Word(INCLUDES))?;
        if value == "reasoning.encrypted_content" && rules.efforts.is_empty() {
            return Err(Refusal::new("Encrypted content is not supported with this model.")
                .param("include"));
        }
    }
    Ok(())
}

/// `text`: the format and the verbosity.
fn output(fields: &Fields, rules: &Rules, model: &str) -> Checked {
    let Some(value) = get(fields, "text") else { return Ok(()) };
    let output = object(value, "text")?;
    typed(
        output,
        "text",
        &[("format", Kind::Object), ("verbosity", Kind::Word(&["low", "medium", "high"]))],
    )?;
    let verbosity = get(output, "verbosity").and_then(Value::as_str).unwrap_or("medium");
    if verbosity != "medium" && !rules.verbosity {
        return Err(not_with("text.verbosity", verbosity, model, &["medium"]));
    }
    let Some(format) = get(output, "format") else { return Ok(()) };
    let (path, format) = ("text.format", object(format, "text.format")?);
    match text(format, path, "type")? {
        "text" => Ok(()),
        "json_object" if mentions(&fields["input"], "json") => Ok(()),
        "json_object" => Err(Refusal::new("Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.").param("input")),
        "json_schema" => {
            let called = text(format, path, "name")?;
            name(called, "text.format.name")?;
            typed(format, path, &[
                ("type", Kind::Str),
                ("name", Kind::Str),
                ("description", Kind::Str),
                ("schema", Kind::Any),
                ("strict", Kind::Bool),
            ])?;
            let strict = get(format, "strict") == Some(&Value::Bool(true));
            let what = format!("response_format '{called}'");
            let param = "text.format.schema";
            let of = For { what: &what, param, code: "invalid_json_schema" };
            schema_rules::check(need(format, path, "schema")?, strict, of)
        }
        other => {
            let supported = &["json_object", "json_schema", "text"];
            Err(Refusal::wrong_value("text.format.type", other, supported))
        }
    }
}
