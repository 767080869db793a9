//! What `InvokeModel` with Claude refuses: the fields at the top. Messages and tools are apart.

use serde_json::{Map, Value};

use super::claude_rules::{self, Thinking};
use super::count_rules::{fits, room};
use super::refusal::Refusal;
use super::rules::Rules;
use super::seen::Seen;
use super::walk::Checked;
use super::{invoke_messages, invoke_tools};

/// The fields of a body. `model` and `stream` stand in the path.
const FIELDS: &[&str] = &[
    "anthropic_version",
    "anthropic_beta",
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "metadata",
    "output_config",
    "context_management",
];

/// The options that are headers, with what they may be; those without words may be anything.
const HEADERS: &[(&str, &[&str])] = &[
    ("accept", &[]),
    ("trace", &["ENABLED", "DISABLED", "ENABLED_FULL"]),
    ("guardrailidentifier", &[]),
    ("guardrailversion", &[]),
    ("performanceconfig-latency", &["standard", "optimized"]),
    ("service-tier", &["priority", "default", "flex", "reserved"]),
    ("request-metadata", &[]),
];

/// Checks the options that are headers.
pub(crate) fn headers(seen: &Seen) -> Checked {
    for (name, value) in &seen.headers {
        let name = name.to_ascii_lowercase();
        let Some(option) = name.strip_prefix("x-amzn-bedrock-") else { continue };
        let Some((_, words)) = HEADERS.iter().find(|(known, _)| *known == option) else {
            return Err(Refusal::new(format!("Test server: there is no option {name}.")));
        };
        if !words.is_empty() && !words.contains(&value.as_str()) {
            let set = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            return Err(Refusal::constraint(option, &Value::from(value.as_str()), &set));
        }
        let map = |value: &str| serde_json::from_str::<Map<String, Value>>(value).is_ok();
        if option == "request-metadata" && !map(value) {
            return Err(Refusal::new("The requestMetadata header is not a valid JSON object."));
        }
    }
    Ok(())
}

/// Checks the body of a request.
///
/// # Errors
/// The refusal that the service would answer with.
pub fn check(body: &Value, rules: &Rules) -> Checked {
    let Some(fields) = body.as_object() else {
        return Err(Refusal::new(
            "Malformed input request, please reformat your input and try again.",
        ));
    };
    if !rules.claude() {
        return Err(Refusal::new(
            "Malformed input request: #: required key [messages] not found, please reformat your input and try again.",
        ));
    }
    if let Some(extra) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Refusal::extra_input(extra));
    }
    for name in ["anthropic_version", "max_tokens", "messages"] {
        if body[name].is_null() {
            return Err(Refusal::new(format!("{name}: Field required")));
        }
    }
    let newest = version(&body["anthropic_version"], rules)?;
    let betas = claude_rules::betas(&body["anthropic_beta"], rules)?;
    match body["max_tokens"].as_u64() {
        None => return Err(Refusal::new("max_tokens: Input should be a valid integer")),
        Some(0) => {
            return Err(Refusal::new("max_tokens: Input should be greater than or equal to 1"));
        }
        Some(_) => {}
    }
    let (temperature, top_p) = (&body["temperature"], &body["top_p"]);
    claude_rules::sampling(temperature, top_p, &body["top_k"], rules)?;
    for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
        if value.as_f64().is_some_and(|number| !(0.0..=1.0).contains(&number)) {
            return Err(Refusal::new(format!("{name}: range: 0..1")));
        }
    }
    let blank = |stop: &Value| stop.as_str().is_none_or(|stop| stop.trim().is_empty());
    if body["stop_sequences"].as_array().is_some_and(|stops| stops.iter().any(blank)) {
        return Err(claude_rules::blank_stop());
    }
    let forced = ["any", "tool"].iter().any(|kind| body["tool_choice"]["type"] == *kind);
    let asked =
        Thinking { given: &body["thinking"], max_tokens: &body["max_tokens"], temperature, forced };
    let thinks = claude_rules::thinking(&asked, &betas, rules)?;
    claude_rules::output_config(&body["output_config"], &betas, rules)?;
    claude_rules::context_management(&body["context_management"], &betas, thinks)?;
    if let Some(extra) =
        body["metadata"].as_object().and_then(|m| m.keys().find(|name| *name != "user_id"))
    {
        return Err(Refusal::extra_input(&format!("metadata.{extra}")));
    }
    invoke_tools::check(body, &betas, rules)?;
    let budgeted = thinks && body["thinking"]["type"] == "enabled";
    invoke_messages::check(
        body,
        rules,
        &invoke_messages::With { betas: &betas, newest, budgeted },
    )?;
    room(&body["max_tokens"], rules)?;
    fits(body, rules)
}

/// Whether it is the newer version, which only newer models take.
fn version(given: &Value, rules: &Rules) -> Checked<bool> {
    match given.as_str() {
        Some("bedrock-2023-05-31") => Ok(false),
        Some("2026-10-21") if rules.version >= (4, 7) => Ok(true),
        Some("2026-10-21") => {
            Err(Refusal::new("anthropic_version: Input should be 'bedrock-2023-05-31'"))
        }
        _ => Err(Refusal::new("anthropic_version: Invalid API version")),
    }
}
