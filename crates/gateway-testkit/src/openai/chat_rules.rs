//! What Chat Completions refuses: the fields at the top, and what a model does not take. Messages and
//! tools are apart.

use serde_json::Value;

use super::refusal::Refusal;
use super::rules::{Rules, Vendor};
use super::schema_rules::{self, For};
use super::walk::{
    Checked, Fields, Kind, at, get, image_url, mentions, metadata, name, need, object, of_kind,
    text, tokens, typed,
};
use super::{chat_messages, chat_tools, openrouter_rules, other_rules};

pub(crate) const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast"];
pub(crate) const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The fields of a request, as `OpenAI` knows them.
const FIELDS: &[(&str, Kind)] = &[
    ("model", Kind::Str),
    ("messages", Kind::Array),
    ("max_completion_tokens", Kind::Int(1)),
    ("max_tokens", Kind::Int(1)),
    ("temperature", Kind::Num(2)),
    ("top_p", Kind::Num(1)),
    ("presence_penalty", Kind::Num(2)),
    ("frequency_penalty", Kind::Num(2)),
    ("logit_bias", Kind::Object),
    ("logprobs", Kind::Bool),
    ("top_logprobs", Kind::Int(0)),
    ("seed", Kind::Any),
    ("n", Kind::Int(1)),
    ("stop", Kind::Any),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("tools", Kind::Array),
    ("tool_choice", Kind::Any),
    ("parallel_tool_calls", Kind::Bool),
    ("response_format", Kind::Object),
    ("reasoning_effort", Kind::Word(EFFORTS)),
    ("verbosity", Kind::Word(&["low", "medium", "high"])),
    ("service_tier", Kind::Word(TIERS)),
    ("prompt_cache_key", Kind::Short(64)),
    ("prompt_cache_options", Kind::Object),
    ("prompt_cache_retention", Kind::Word(&["in_memory", "24h"])),
    ("safety_identifier", Kind::Short(128)),
    ("user", Kind::Short(64)),
    ("metadata", Kind::Object),
    ("store", Kind::Bool),
    ("web_search_options", Kind::Object),
    ("modalities", Kind::Array),
    ("audio", Kind::Object),
    ("prediction", Kind::Object),
    ("moderation", Kind::Object),
    ("functions", Kind::Array),
    ("function_call", Kind::Any),
];

/// What Groq knows beside its share of those.
const GROQ_LACKS: &[&str] = &[
    "logprobs",
    "top_logprobs",
    "verbosity",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "web_search_options",
    "modalities",
    "audio",
    "prediction",
    "moderation",
];
const GROQ_MORE: &[&str] = &["reasoning_format", "include_reasoning", "search_settings"];

/// All that a server of the first days knows.
const BARE_FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "stream",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "user",
    "tools",
    "tool_choice",
];

/// Checks the body of `POST /v1/chat/completions`.
///
/// # Errors
/// What the service would answer.
pub fn check(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let fields = object(body, "body")?;
    top_level(fields, rules)?;
    match rules.vendor {
        Vendor::OpenRouter => openrouter_rules::fields(fields)?,
        Vendor::Mistral => other_rules::mistral(fields)?,
        Vendor::LmStudio => other_rules::lm_studio(fields)?,
        _ => {}
    }
    let Some(model) = get(fields, "model").and_then(Value::as_str) else {
        return Err(Refusal::new("you must provide a model parameter"));
    };
    served(model, rules)?;
    if !rules.chat {
        return Err(Refusal::new(
            "This model is only supported in v1/responses and not in v1/chat/completions.",
        )
        .status(404, "invalid_request_error")
        .param("model"));
    }
    let effort = effort(fields, rules)?;
    let reasons = rules.reasons(effort);
    sampling(fields, rules, reasons)?;
    lengths(fields, rules)?;
    streaming(fields, rules)?;
    let tools = chat_tools::tools(fields, rules)?;
    if reasons && !tools.is_empty() && !rules.chat_tools_with_reasoning {
        return Err(Refusal::new(format!("Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."))
            .param("reasoning_effort"));
    }
    chat_tools::tool_choice(fields, rules, &tools)?;
    response_format(fields)?;
    metadata(fields)?;
    chat_messages::check(need(fields, "", "messages")?, fields, rules)?;
    let asked = get(fields, "max_completion_tokens").or(get(fields, "max_tokens"));
    if reasons && asked.and_then(Value::as_u64).is_some_and(|asked| asked < rules.chat_floor) {
        return Err(Refusal::new(
            "Could not finish the message because max_tokens or model output limit was reached. Please try again with higher max_tokens.",
        ));
    }
    let size = tokens(body);
    if size > rules.window {
        return Err(Refusal::new(format!("This model's maximum context length is {} tokens. However, your messages resulted in {size} tokens. Please reduce the length of the messages.", rules.window))
            .param("messages")
            .code("context_length_exceeded"));
    }
    Ok(())
}

/// The model is the one that this server has.
pub(crate) fn served(model: &str, rules: &Rules) -> Checked {
    if rules.model.as_deref().is_none_or(|served| served == model) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "The model `{model}` does not exist or you do not have access to it."
    ))
    .status(404, "invalid_request_error")
    .code("model_not_found"))
}

fn top_level(fields: &Fields, rules: &Rules) -> Checked {
    let known = |name: &String| FIELDS.iter().any(|(known, _)| known == name);
    for name in fields.keys() {
        let refused = match rules.vendor {
            Vendor::OpenAi => !known(name),
            Vendor::Groq => {
                let lacks = GROQ_LACKS.contains(&name.as_str());
                !GROQ_MORE.contains(&name.as_str()) && (lacks || !known(name))
            }
            Vendor::Bare => !BARE_FIELDS.contains(&name.as_str()),
            // Each with its own words, see there.
            Vendor::DeepSeek
            | Vendor::Kimi
            | Vendor::OpenRouter
            | Vendor::Mistral
            | Vendor::LmStudio
            | Vendor::StrictTemplate => false,
        };
        if refused && rules.vendor == Vendor::Groq {
            return Err(Refusal::new(format!("property '{name}' is unsupported")));
        }
        let reasoning = name == "reasoning_effort" && rules.efforts.is_empty();
        let unknown_here = rules.vendor == Vendor::OpenAi && reasoning;
        if refused || (unknown_here && !fields[name].is_null()) {
            return Err(Refusal::new(format!("Unrecognized request argument supplied: {name}")));
        }
    }
    for (name, kind) in FIELDS {
        // As long as it likes, see there.
        if *name == "user" && rules.vendor == Vendor::OpenRouter {
            continue;
        }
        if let Some(value) = get(fields, name) {
            of_kind(value, name, *kind)?;
        }
    }
    Ok(())
}

/// The effort asked for, when it is one that the model has.
fn effort<'a>(fields: &'a Fields, rules: &Rules) -> Checked<Option<&'a str>> {
    let Some(value) = get(fields, "reasoning_effort") else { return Ok(None) };
    let effort = value.as_str().unwrap_or_default();
    if rules.vendor == Vendor::Kimi && get(fields, "thinking").is_some() {
        return Err(Refusal::new("cannot specify both 'thinking' and 'reasoning_effort'"));
    }
    if rules.vendor == Vendor::OpenAi && !rules.efforts.contains(&effort) {
        let rest = format!("Supported values are: {}.", super::refusal::listed(&rules.efforts));
        return Err(Refusal::unsupported_value("reasoning_effort", value, &rest));
    }
    Ok(Some(effort))
}

fn sampling(fields: &Fields, rules: &Rules, reasons: bool) -> Checked {
    let one = |name: &str| get(fields, name).filter(|value| value.as_f64() != Some(1.0));
    if reasons {
        if let Some(value) = one("temperature") {
            let rest = "Only the default (1) value is supported.";
            return Err(Refusal::unsupported_value("temperature", value, rest));
        }
        if one("top_p").is_some() {
            return Err(Refusal::unsupported("top_p"));
        }
        if get(fields, "logprobs").is_some_and(|value| value == true) {
            return Err(Refusal::unsupported("logprobs"));
        }
    }
    for name in ["presence_penalty", "frequency_penalty", "logit_bias"] {
        let zero = |value: &Value| value.as_f64() == Some(0.0);
        if !rules.penalties && get(fields, name).is_some_and(|value| !zero(value)) {
            return Err(Refusal::unsupported(name));
        }
    }
    if get(fields, "top_logprobs").is_some() && get(fields, "logprobs") != Some(&Value::Bool(true))
    {
        return Err(Refusal::new("Invalid value for 'top_logprobs': 'logprobs' must be set to true to use 'top_logprobs'.").param("top_logprobs"));
    }
    if rules.vendor == Vendor::Kimi
        && thinks(fields)
        && let Some(value) = one("temperature")
    {
        return Err(Refusal::new(format!(
            "invalid temperature: only 1 is allowed for this model, got {value}"
        )));
    }
    if rules.vendor == Vendor::Groq && get(fields, "n").is_some_and(|n| n != 1) {
        return Err(Refusal::new("'n' : number must be at most 1"));
    }
    stop(fields, rules)
}

fn stop(fields: &Fields, rules: &Rules) -> Checked {
    let Some(stop) = get(fields, "stop") else { return Ok(()) };
    if !rules.stop {
        return Err(Refusal::unsupported("stop"));
    }
    match stop {
        Value::String(_) => Ok(()),
        Value::Array(stops) if stops.len() > 4 => {
            Err(Refusal::array_too_long("stop", 4, stops.len()))
        }
        Value::Array(stops) if stops.iter().all(Value::is_string) => Ok(()),
        other => Err(Refusal::wrong_type("stop", "one of a string or array of strings", other)),
    }
}

/// Whether the model thinks where thinking is a switch that is on by default.
pub(crate) fn thinks(fields: &Fields) -> bool {
    fields.get("thinking").and_then(|thinking| thinking["type"].as_str()) != Some("disabled")
}

fn lengths(fields: &Fields, rules: &Rules) -> Checked {
    let old = get(fields, "max_tokens");
    if old.is_some() && get(fields, "max_completion_tokens").is_some() {
        return Err(Refusal::new(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        )
        .param("max_tokens")
        .code("invalid_parameter_combination"));
    }
    if old.is_some() && !rules.max_tokens_field {
        return Err(Refusal::new("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
            .param("max_tokens")
            .code("unsupported_parameter"));
    }
    for name in ["max_tokens", "max_completion_tokens"] {
        let asked = get(fields, name).and_then(Value::as_u64);
        if let Some(asked) = asked.filter(|asked| *asked > rules.max_output) {
            let most = rules.max_output;
            return Err(Refusal::new(format!("max_tokens is too large: {asked}. This model supports at most {most} completion tokens, whereas you provided {asked}."))
                .param(name)
                .code("invalid_value"));
        }
    }
    if get(fields, "verbosity").is_some_and(|word| word != "medium")
        && !rules.verbosity
        && rules.vendor == Vendor::OpenAi
    {
        let rest = "Supported values are: 'medium'.";
        return Err(Refusal::unsupported_value("verbosity", &fields["verbosity"], rest));
    }
    if rules.vendor == Vendor::DeepSeek
        && let Some(user) = get(fields, "user").and_then(Value::as_str)
    {
        name(user, "user")?;
    }
    if get(fields, "prompt_cache_options").is_some()
        && rules.vendor == Vendor::OpenAi
        && !rules.cache_control
    {
        return Err(Refusal::unsupported("prompt_cache_options"));
    }
    Ok(())
}

fn streaming(fields: &Fields, rules: &Rules) -> Checked {
    let Some(options) = get(fields, "stream_options") else { return Ok(()) };
    if get(fields, "stream") != Some(&Value::Bool(true)) {
        return Err(Refusal::new(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        )
        .param("stream_options"));
    }
    let known = [("include_usage", Kind::Bool), ("include_obfuscation", Kind::Bool)];
    let options = object(options, "stream_options")?;
    if rules.vendor == Vendor::OpenAi { typed(options, "stream_options", &known) } else { Ok(()) }
}

fn response_format(fields: &Fields) -> Checked {
    let Some(format) = get(fields, "response_format") else { return Ok(()) };
    let format = object(format, "response_format")?;
    match text(format, "response_format", "type")? {
        "text" => Ok(()),
        "json_object" if mentions(&fields["messages"], "json") => Ok(()),
        "json_object" => Err(Refusal::new("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.").param("messages")),
        "json_schema" => {
            let path = "response_format.json_schema";
            let inner = object(need(format, "response_format", "json_schema")?, path)?;
            typed(inner, path, &[
                ("name", Kind::Str),
                ("description", Kind::Str),
                ("schema", Kind::Any),
                ("strict", Kind::Bool),
            ])?;
            let called = text(inner, path, "name")?;
            name(called, &at(path, "name"))?;
            let strict = get(inner, "strict") == Some(&Value::Bool(true));
            let what = format!("response_format '{called}'");
            let of = For { what: &what, param: "response_format", code: "invalid_json_schema" };
            get(inner, "schema").map_or(Ok(()), |schema| schema_rules::check(schema, strict, of))
        }
        other => Err(Refusal::wrong_value(
            "response_format.type",
            other,
            &["json_object", "json_schema", "text"],
        )),
    }
}

/// The image of a part, wherever it stands.
pub(crate) fn image_part(part: &Fields, path: &str) -> Checked {
    let at_url = at(path, "image_url");
    let image = object(need(part, path, "image_url")?, &at_url)?;
    typed(
        image,
        &at_url,
        &[("url", Kind::Str), ("detail", Kind::Word(&["auto", "low", "high", "original"]))],
    )?;
    image_url(text(image, &at_url, "url")?, &at(&at_url, "url"))
}
