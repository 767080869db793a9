//! Azure's front: addresses, versions and deployments. What stands in a body is judged as `OpenAI`'s,
//! but for the fields that an older version does not know.

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::walk::Checked;

/// Checks the address of a request (`target`, with its query) for the one `deployment` there is.
///
/// # Errors
/// What Azure would answer.
pub(crate) fn address(target: &str, deployment: &str) -> Checked {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(rest) = path.strip_prefix("/openai/") else { return Err(Refusal::azure_not_found()) };
    if rest.starts_with("v1/") {
        // Other versions than this are for the classic interface.
        return match version(query) {
            None | Some("preview" | "latest") => Ok(()),
            Some(_) => Err(version_unknown()),
        };
    }
    let Some(version) = version(query).filter(|version| is_dated(version)) else {
        return Err(Refusal::azure_not_found());
    };
    if let Some(deployed) = rest.strip_prefix("deployments/") {
        let (name, method) = deployed.split_once('/').unwrap_or((deployed, ""));
        if method != "chat/completions" {
            return Err(Refusal::azure_not_found());
        }
        return if name == encoded(deployment) { Ok(()) } else { Err(no_deployment()) };
    }
    match rest {
        "responses" if version >= "2025-03-01" => Ok(()),
        "responses" => Err(version_unknown()),
        _ => Err(Refusal::azure_not_found()),
    }
}

/// Checks the fields that depend on the address.
///
/// # Errors
/// What Azure would answer.
pub(crate) fn body(target: &str, body: &Value, deployment: &str) -> Checked {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // The path of a deployment says it all: the body's model is not looked at.
    let by_path = path.starts_with("/openai/deployments/");
    if !by_path && body["model"] != deployment {
        return Err(no_deployment());
    }
    let late: &[(&str, &str)] = &[
        ("safety_identifier", NEVER),
        ("service_tier", NEVER),
        ("prompt_cache_key", V1),
        ("prompt_cache_options", NEVER),
        ("stream_options", "2024-09-01"),
        ("max_completion_tokens", "2024-09-01"),
        ("parallel_tool_calls", "2024-08-01"),
        ("reasoning_effort", "2024-12-01"),
    ];
    let version = match version(query) {
        Some(version) if is_dated(version) => version,
        _ => V1,
    };
    for (field, since) in late {
        if body.get(field).is_some() && version < *since {
            return Err(Refusal::new(format!("Unrecognized request argument supplied: {field}")));
        }
    }
    Ok(())
}

/// Later than all dates.
const V1: &str = "v1";
/// Later than that.
const NEVER: &str = "w";

fn version(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("api-version=")).filter(|v| !v.is_empty())
}

/// `2024-10-21`, `2025-04-01-preview`.
fn is_dated(version: &str) -> bool {
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let digit = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    date.len() == 10 && date.bytes().enumerate().all(digit)
}

fn no_deployment() -> Refusal {
    short(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.",
    )
}

fn version_unknown() -> Refusal {
    short(400, "BadRequest", "API version not supported")
}

/// An error object of code and message alone.
fn short(status: u16, code: &str, message: &str) -> Refusal {
    let mut refusal = Refusal::new(message).status(status, "").code(code);
    refusal.extra.fields.insert("type".to_owned(), Value::Null);
    refusal.extra.fields.insert("param".to_owned(), json!(null));
    refusal
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let byte = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(byte).collect()
}
