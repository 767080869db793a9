//! What Converse refuses: first what the service's own model does not have, then what stands against the
//! model served. Messages and tools are apart.

use serde_json::{Map, Value};

use super::blobs::Issued;
use super::count_rules::{fits, room};
use super::refusal::Refusal;
use super::rules::{Family, Rules};
use super::shapes::CONVERSE;
use super::walk::{self, Checked};
use super::{claude_rules, converse_messages, converse_tools};

/// Checks the body of a request, with the reasoning that this server has said.
///
/// # Errors
/// The refusal that the service would answer with.
pub fn check(body: &Value, rules: &Rules, issued: &Issued) -> Checked {
    walk::fits(body, &CONVERSE)?;
    converse_messages::check(body, rules)?;
    system(body, rules)?;
    converse_tools::check(body, rules)?;
    converse_messages::supported(body, rules, issued)?;
    caches(body, rules)?;
    inference(body, rules)?;
    output(body, rules)?;
    let paths = body["additionalModelResponseFieldPaths"].as_array();
    if let Some(path) = paths.into_iter().flatten().find(|path| !is_pointer(path)) {
        return Err(Refusal::new(format!(
            "The additionalModelResponseFieldPaths value {path} is not a valid JSON pointer."
        )));
    }
    additional(body, rules)?;
    room(&body["inferenceConfig"]["maxTokens"], rules)?;
    fits(body, rules)
}

fn is_pointer(path: &Value) -> bool {
    path.as_str().is_some_and(|path| path.starts_with('/'))
}

fn system(body: &Value, rules: &Rules) -> Checked {
    let blocks = body["system"].as_array().map_or(&[][..], Vec::as_slice);
    if !blocks.is_empty() && !rules.system {
        return Err(Refusal::new(
            "This model doesn't support system messages. Try again without a system message or use a model that supports system messages.",
        ));
    }
    for (index, block) in blocks.iter().enumerate() {
        if block["text"].as_str().is_some_and(|text| text.trim().is_empty()) {
            return Err(Refusal::new(format!(
                "The text field in the SystemContentBlock object at system.{index} is blank. Add text to the text field, and try again."
            )));
        }
    }
    Ok(())
}

/// Cache points, in the order in which the prompt is put together.
fn caches(body: &Value, rules: &Rules) -> Checked {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let lists = [&body["toolConfig"]["tools"], &body["system"]];
    let lists = lists.into_iter().chain(messages.iter().map(|message| &message["content"]));
    let (mut points, mut short) = (0, false);
    for (number, list) in lists.enumerate() {
        for (index, block) in list.as_array().into_iter().flatten().enumerate() {
            let point = &block["cachePoint"];
            if point.is_null() {
                continue;
            }
            if !rules.caches {
                return Err(Refusal::of(
                    403,
                    "AccessDeniedException",
                    "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information.",
                ));
            }
            if index == 0 {
                return Err(Refusal::new(
                    "The cachePoint field must come after the content that it closes. Move it and try again.",
                ));
            }
            if number == 0 && !rules.caches_tools {
                return Err(Refusal::unsupported("toolConfig.tools.cachePoint"));
            }
            points += 1;
            let long = point["ttl"] == "1h";
            if long && !rules.caches_1h {
                return Err(Refusal::unsupported("cachePoint.ttl"));
            }
            if long && short {
                return Err(Refusal::new("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.").by_model());
            }
            short |= !long;
        }
    }
    if points > 4 {
        return Err(claude_rules::too_many_caches(points).by_model());
    }
    Ok(())
}

fn inference(body: &Value, rules: &Rules) -> Checked {
    let config = &body["inferenceConfig"];
    let (temperature, top_p) = (&config["temperature"], &config["topP"]);
    if rules.claude() {
        claude_rules::sampling(temperature, top_p, &Value::Null, rules)
            .map_err(Refusal::by_model)?;
    }
    let stops = config["stopSequences"].as_array().map_or(0, Vec::len);
    if stops > rules.stop_sequences {
        return Err(Refusal::new(format!(
            "Malformed input request: #/inferenceConfig/stopSequences: expected maximum item count: {}, found: {stops}, please reformat your input and try again.",
            rules.stop_sequences
        )));
    }
    if rules.claude() {
        let blank = |stop: &Value| stop.as_str().is_some_and(|stop| stop.trim().is_empty());
        let stops = config["stopSequences"].as_array();
        if stops.is_some_and(|stops| stops.iter().any(blank)) {
            return Err(claude_rules::blank_stop().by_model());
        }
    }
    Ok(())
}

fn output(body: &Value, rules: &Rules) -> Checked {
    let config = &body["outputConfig"];
    let format = &config["textFormat"];
    if !format.is_null() {
        if !rules.text_format {
            return Err(Refusal::unsupported("outputConfig.textFormat"));
        }
        let schema = format["structure"]["jsonSchema"]["schema"].as_str().unwrap_or_default();
        if !serde_json::from_str::<Value>(schema).is_ok_and(|schema| schema.is_object()) {
            return Err(Refusal::new(
                "The value at outputConfig.textFormat.structure.jsonSchema.schema is not a valid JSON schema.",
            ));
        }
    }
    if !config["effort"].is_null() {
        if !rules.claude() || rules.version < (4, 6) {
            return Err(Refusal::unsupported("outputConfig.effort"));
        }
        claude_rules::effort(&config["effort"], "outputConfig.effort")?;
    }
    Ok(())
}

/// What goes to the model as it is.
fn additional(body: &Value, rules: &Rules) -> Checked {
    let none = Map::new();
    let fields = body["additionalModelRequestFields"].as_object().unwrap_or(&none);
    let known: &[&str] = match rules.family {
        Family::Claude => return claude(body, fields, rules).map_err(Refusal::by_model),
        Family::Nova => &["inferenceConfig"],
        Family::Nova2 => &["inferenceConfig", "reasoningConfig"],
        Family::GptOss => &["reasoning_effort", "top_k", "parallel_tool_calls"],
        Family::Llama | Family::Mistral => &["top_k"],
        Family::Qwen | Family::DeepSeek | Family::Other => &["top_k", "reasoning_effort"],
        Family::Titan => &[],
    };
    if let Some(extra) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Refusal::extraneous("", extra));
    }
    let effort = fields.get("reasoning_effort");
    let efforts = ["low", "medium", "high"];
    if effort.is_some_and(|effort| !efforts.iter().any(|known| effort == known)) {
        return Err(Refusal::new(
            "Malformed input request: #/reasoning_effort: must be one of [low, medium, high], please reformat your input and try again.",
        ));
    }
    if let Some(config) = fields.get("inferenceConfig") {
        let extra = config.as_object().and_then(|c| c.keys().find(|name| *name != "topK"));
        if let Some(extra) = extra {
            return Err(Refusal::extraneous("/inferenceConfig", extra));
        }
    }
    match fields.get("reasoningConfig") {
        Some(config) => reasoning_config(config, &body["inferenceConfig"]),
        None => Ok(()),
    }
}

/// Nova's: an effort, and at the highest no limit and no sampling beside it.
fn reasoning_config(config: &Value, inference: &Value) -> Checked {
    let kind = config["type"].as_str().unwrap_or_default();
    let effort = config["maxReasoningEffort"].as_str().unwrap_or_default();
    let right = match kind {
        "enabled" => ["low", "medium", "high"].contains(&effort),
        "disabled" => effort.is_empty(),
        _ => false,
    };
    if !right {
        return Err(Refusal::new(
            "Malformed input request: #/reasoningConfig: is not valid, please reformat your input and try again.",
        ));
    }
    for name in ["maxTokens", "temperature", "topP"] {
        if effort == "high" && !inference[name].is_null() {
            return Err(Refusal::new(format!(
                "{name} must be unset when maxReasoningEffort is set to high."
            )));
        }
    }
    Ok(())
}

/// Claude's are those of its own body which have no place in the service's.
fn claude(body: &Value, fields: &Map<String, Value>, rules: &Rules) -> Checked {
    const KNOWN: &[&str] = &[
        "anthropic_beta",
        "thinking",
        "output_config",
        "top_k",
        "tool_choice",
        "context_management",
        "tools",
    ];
    if let Some(extra) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Refusal::extra_input(extra));
    }
    let null = Value::Null;
    let field = |name: &str| fields.get(name).unwrap_or(&null);
    let config = &body["inferenceConfig"];
    let betas = claude_rules::betas(field("anthropic_beta"), rules)?;
    claude_rules::sampling(&config["temperature"], &config["topP"], field("top_k"), rules)?;
    let choice = &body["toolConfig"]["toolChoice"];
    let forced = !choice["any"].is_null() || !choice["tool"].is_null();
    let thinking = claude_rules::Thinking {
        given: field("thinking"),
        max_tokens: &config["maxTokens"],
        temperature: &config["temperature"],
        forced,
    };
    let thinks = claude_rules::thinking(&thinking, &betas, rules)?;
    if thinks && field("thinking")["type"] == "enabled" {
        converse_messages::begins_with_thinking(body)?;
    }
    claude_rules::output_config(field("output_config"), &betas, rules)?;
    claude_rules::context_management(field("context_management"), &betas, thinks)
}
