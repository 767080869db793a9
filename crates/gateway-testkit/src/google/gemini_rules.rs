//! What Gemini refuses: the form of the request, and what a model does not take. Conversations and tools are
//! apart.

use serde_json::Value;

use super::models::{Gemini, Line};
use super::proto;
use super::proto_tables::{REQUEST, STUDIO_COUNT, VERTEX_COUNT};
use super::refusal::Refusal;
use super::rules::{Platform, Rules};
use super::{content_rules, tool_rules};

type Checked = Result<(), Refusal>;

/// Checks the body of `:generateContent` and `:streamGenerateContent` for the model of the path.
///
/// # Errors
/// What the service would answer.
pub fn check(body: &Value, model: &str, rules: &Rules) -> Result<(), Refusal> {
    served(model, rules)?;
    let request = proto::read(body, &REQUEST, rules.platform)?;
    request_of(&request, model, rules)?;
    fits(&request, rules)
}

/// Checks the body of `:countTokens`, and counts.
///
/// # Errors
/// As [`check`].
pub fn count(body: &Value, model: &str, rules: &Rules) -> Result<u64, Refusal> {
    served(model, rules)?;
    let message = match rules.platform {
        Platform::Studio => &STUDIO_COUNT,
        Platform::Vertex => &VERTEX_COUNT,
    };
    let read = proto::read(body, message, rules.platform)?;
    let request = match read.get("generateContentRequest") {
        Some(_) if read.get("contents").is_some() => {
            return Err(Refusal::new(
                "* CountTokensRequest.contents: contents and generate_content_request cannot both be set.\n",
            ));
        }
        Some(inner) => {
            let named = inner["model"].as_str().unwrap_or_default();
            if named != format!("models/{model}") {
                return Err(Refusal::new(format!(
                    "* CountTokensRequest.generate_content_request.model: the model must be models/{model}, as in the path.\n"
                )));
            }
            inner
        }
        None => &read,
    };
    request_of(request, model, rules)?;
    Ok(tokens(request))
}

/// The model is one that this server has.
pub(crate) fn served(model: &str, rules: &Rules) -> Checked {
    if rules.serves(model) {
        return Ok(());
    }
    Err(Refusal::not_found(match rules.platform {
        Platform::Studio => format!(
            "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods."
        ),
        Platform::Vertex => format!(
            "Publisher Model `publishers/google/models/{model}` was not found or your project does not have access to it. Please ensure you are using a valid model version. For more information, see: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
        ),
    }))
}

fn request_of(request: &Value, name: &str, rules: &Rules) -> Checked {
    let model = Gemini::of(name);
    cached(request, model)?;
    content_rules::check(request, model, rules)?;
    let functions = tool_rules::check(request, model, rules)?;
    safety(request)?;
    let config = &request["generationConfig"];
    lengths(config, model, rules)?;
    sampling(config, model)?;
    thinking(config, name, model, rules)?;
    output(config, functions, model, rules)
}

fn cached(request: &Value, model: Gemini) -> Checked {
    let Some(name) = request.get("cachedContent") else { return Ok(()) };
    let name = name.as_str().unwrap_or_default();
    if ["systemInstruction", "tools", "toolConfig"].iter().any(|part| request.get(part).is_some()) {
        return Err(Refusal::new(
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request.",
        ));
    }
    if model.version >= 40 {
        return Err(Refusal::new("Explicit caching is not supported by this model."));
    }
    if !name.starts_with("cachedContents/") && !name.contains("/cachedContents/") {
        return Err(Refusal::field("cached_content", "invalid name of cached content."));
    }
    Err(Refusal::new("CachedContent not found (or permission denied)")
        .status(403, "PERMISSION_DENIED"))
}

fn safety(request: &Value) -> Checked {
    let settings = request["safetySettings"].as_array().map_or(&[][..], Vec::as_slice);
    let mut seen = Vec::new();
    for (number, setting) in settings.iter().enumerate() {
        if seen.contains(&&setting["category"]) {
            return Err(Refusal::field(
                &format!("safety_settings[{number}]"),
                "only one safety setting is allowed per category.",
            ));
        }
        seen.push(&setting["category"]);
    }
    Ok(())
}

fn lengths(config: &Value, model: Gemini, rules: &Rules) -> Checked {
    let most = rules.max_output.unwrap_or(model.max_output());
    if let Some(asked) = config["maxOutputTokens"].as_i64() {
        let within = u64::try_from(asked).is_ok_and(|asked| (1..=most).contains(&asked));
        if !within {
            return Err(match rules.platform {
                Platform::Studio if asked < 1 => Refusal::field(
                    "generation_config.max_output_tokens",
                    "max_output_tokens must be positive.",
                ),
                Platform::Studio => Refusal::field(
                    "generation_config.max_output_tokens",
                    &format!("max_output_tokens must be in the range [1, {most}]."),
                ),
                Platform::Vertex => Refusal::submit(&format!(
                    "it has a maxOutputTokens value of {asked} but the supported range is from 1 (inclusive) to {} (exclusive). Update the value and try again.",
                    most + 1
                )),
            });
        }
    }
    let stops = config["stopSequences"].as_array().map_or(&[][..], Vec::as_slice);
    if stops.len() > 5 {
        return Err(match rules.platform {
            Platform::Studio => Refusal::field(
                "generation_config.stop_sequences",
                "the number of stop_sequences must not exceed 5.",
            ),
            Platform::Vertex => Refusal::submit(&format!(
                "it has {} stopSequences but the maximum is 5. Update the value and try again.",
                stops.len()
            )),
        });
    }
    match stops.iter().position(|stop| stop == "") {
        Some(at) => Err(Refusal::field(
            &format!("generation_config.stop_sequences[{at}]"),
            "stop sequence must not be empty.",
        )),
        None => Ok(()),
    }
}

fn sampling(config: &Value, model: Gemini) -> Checked {
    for (name, snake, low, high) in [
        ("temperature", "temperature", 0.0, 2.0),
        ("topP", "top_p", 0.0, 1.0),
        ("topK", "top_k", 1.0, 1000.0),
    ] {
        let Some(value) = config[name].as_f64() else { continue };
        let at = format!("generation_config.{snake}");
        if !model.samples() {
            return Err(Refusal::field(&at, &format!("{snake} is not supported by this model.")));
        }
        if !(low..=high).contains(&value) {
            let why = format!("{snake} must be in the range [{low:.1}, {high:.1}].");
            return Err(Refusal::field(&at, &why));
        }
    }
    if model.signs() && config["candidateCount"].as_i64().is_some_and(|count| count != 1) {
        return Err(Refusal::new("Multiple candidates is not enabled for this model"));
    }
    Ok(())
}

fn thinking(config: &Value, name: &str, model: Gemini, rules: &Rules) -> Checked {
    let Some(thinking) = config.get("thinkingConfig") else { return Ok(()) };
    let said = |studio: &str| match rules.platform {
        Platform::Studio => Refusal::new(studio),
        Platform::Vertex => Refusal::submit(studio.trim_end_matches('.')),
    };
    if model.version < 25 {
        return Err(said(&format!("Thinking is not enabled for models/{name}.")));
    }
    let (budget, level) = (thinking["thinkingBudget"].as_i64(), thinking["thinkingLevel"].as_str());
    if budget.is_some() && level.is_some() {
        return Err(said("You can only set only one of thinking budget and thinking level."));
    }
    if let Some(level) = level {
        if model.levels().is_empty() {
            return Err(said("Thinking level is not supported for this model."));
        }
        if !model.levels().contains(&level) {
            return Err(said(&format!(
                "Thinking level {level} is not supported for this model. Please retry with other thinking level."
            )));
        }
    }
    let Some(budget) = budget else { return Ok(()) };
    let Some((least, most, off)) = model.budget() else {
        return Err(said(
            "Thinking budget is not supported for this model. Please use thinking level.",
        ));
    };
    if budget == 0 && !off {
        return Err(match rules.platform {
            Platform::Studio => {
                Refusal::new("Budget 0 is invalid. This model only works in thinking mode.")
            }
            Platform::Vertex => {
                Refusal::submit("The model does not support setting thinking_budget to 0")
            }
        });
    }
    if budget == 0 && thinking["includeThoughts"] == true && model.line != Line::Pro {
        return Err(said(
            "Thinking_config.include_thoughts is only enabled when thinking is enabled.",
        ));
    }
    if budget != 0 && budget != -1 && !(least..=most).contains(&budget) {
        return Err(said(&format!(
            "The thinking budget ({budget}) is invalid. Please choose a value between {least} and {most}."
        )));
    }
    Ok(())
}

fn output(config: &Value, functions: usize, model: Gemini, rules: &Rules) -> Checked {
    let kind = config["responseMimeType"].as_str().unwrap_or("text/plain");
    let (open, json) = (config.get("responseSchema"), config.get("responseJsonSchema"));
    if !["text/plain", "application/json", "text/x.enum"].contains(&kind) {
        return Err(Refusal::field(
            "generation_config.response_mime_type",
            "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`.",
        ));
    }
    if open.is_some() && json.is_some() {
        return Err(Refusal::field(
            "generation_config",
            "only one of response_schema and response_json_schema can be set.",
        ));
    }
    if (open.is_some() || json.is_some()) && kind != "application/json" {
        return Err(Refusal::field(
            "generation_config.response_schema",
            "only allowed when response_mime_type is `application/json`.",
        ));
    }
    if functions > 0 && kind != "text/plain" && !model.signs() {
        return Err(Refusal::new(format!(
            "Function calling with a response mime type: '{kind}' is unsupported"
        )));
    }
    if let Some(schema) = open {
        tool_rules::Of { function: None, rules }.schema(
            schema,
            "generation_config.response_schema",
            true,
        )?;
    }
    json.map_or(Ok(()), |schema| {
        tool_rules::json_schema(schema, "generation_config.response_json_schema")
    })
}

fn fits(request: &Value, rules: &Rules) -> Checked {
    let (size, most) = (tokens(request), rules.window);
    if size > most {
        return Err(Refusal::new(format!(
            "The input token count ({size}) exceeds the maximum number of tokens allowed ({most})."
        )));
    }
    Ok(())
}

/// The size of a prompt by the test server's own rule: a token for every four bytes of text, and four for each
/// content, part and tool. The bytes of media do not count, nor do signatures.
pub(crate) fn tokens(request: &Value) -> u64 {
    fn bytes(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| bytes(item) + 16).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| match name.as_str() {
                    "data" => 400,
                    "thoughtSignature" => 0,
                    _ => name.len() / 4 + bytes(value),
                })
                .sum(),
            Value::Null => 0,
            _ => 1,
        }
    }
    let total: usize =
        ["contents", "systemInstruction", "tools"].iter().map(|part| bytes(&request[*part])).sum();
    (total as u64).div_ceil(4).max(1)
}
