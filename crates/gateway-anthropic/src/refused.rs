//! What the refusal of an upstream teaches: a field or a beta that it does not take, so that the next
//! request goes without.
//!
//! Never for api.anthropic.com: the client reads that one's words and repairs its request itself
//! (contract C9). Other hosts and other servers are asked again without what they named, as long as
//! that can be left out; it is reported as a loss. What is wrong about the request itself (a value, its
//! length) teaches nothing.
//!
//! ```
//! use gateway_anthropic::{Refused, refused};
//!
//! let body = br#"{"type":"error","error":{"type":"invalid_request_error",
//!     "message":"context_management: Extra inputs are not permitted"}}"#;
//! assert_eq!(refused(body), Some(Refused::Field("context_management")));
//! assert_eq!(refused(br#"{"error":{"message":"max_tokens: must be positive"}}"#), None);
//! ```

#[cfg(test)]
mod tests;
mod words;

use std::fmt;

use serde_json::Value;

use crate::edit::{self, Policy, Thinking};

/// What an upstream refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A field that can be left out, named as in [`Policy::drop_fields`]; one of [`LEAVABLE`].
    Field(&'static str),
    /// These betas, by the names that it got.
    Betas(Vec<String>),
    /// Some beta, and it did not say which.
    SomeBeta,
    /// `role: system` in the middle of a conversation.
    SystemRole,
    /// An effort where thinking is disabled.
    IdleEffort,
    /// The thinking of earlier turns, of this conversation: others may be fine.
    History,
    /// `temperature` and `top_p` in one request: either alone is fine.
    BothSamplers,
}

/// What can be left out of a request: the answer may be poorer for it, but it is an answer to what was
/// asked.
pub const LEAVABLE: &[&str] = &[
    "metadata",
    "context_management",
    "safeguards",
    "diagnostics",
    "speed",
    "tags",
    "service_tier",
    "inference_geo",
    "compaction",
    "thread",
    "fallbacks",
    "fallback_credit_token",
    "billing_policy",
    "user_profile_id",
    "workspace_id",
    "temperature",
    "top_k",
    "top_p",
    "thinking",
    "thinking.display",
    "output_config",
    "output_config.effort",
    "output_config.format",
    "output_config.task_budget",
    "output_format",
    "messages.output_config",
    "messages.clear_at",
    "cache_control",
    edit::AUTOMATIC_CACHING,
    edit::CACHE_TTL,
    edit::CACHE_SCOPE,
    "tools.strict",
    "tools.defer_loading",
    "tools.input_examples",
    "tools.eager_input_streaming",
    "tools.allowed_callers",
    "tools.custom",
    "tool_choice.disable_parallel_tool_use",
];

/// Longest error body that is read, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// What the body of a 400 or 422 says is refused, if it can be left out.
pub fn refused(body: &[u8]) -> Option<Refused> {
    let body = &body[..body.len().min(MAX_BYTES)];
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => in_value(&value, 0),
        Err(_) => words::read(&String::from_utf8_lossy(body)),
    }
}

/// Looks at every text of an error body: everybody nests it differently.
fn in_value(value: &Value, depth: usize) -> Option<Refused> {
    if depth > 16 {
        return None;
    }
    match value {
        Value::String(text) => words::read(text),
        Value::Array(all) => all.iter().find_map(|value| in_value(value, depth + 1)),
        Value::Object(members) => {
            let extra = members.get("type").is_some_and(|kind| kind == "extra_forbidden")
                || members.get("msg").and_then(Value::as_str).is_some_and(words::is_extra);
            if let (Some(Value::Array(path)), true) = (members.get("loc"), extra) {
                let path: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
                return words::field(&path);
            }
            // What was sent is quoted there: it may say anything.
            let told = members.iter().filter(|(key, _)| *key != "input");
            told.map(|(_, value)| value).find_map(|value| in_value(value, depth + 1))
        }
        _ => None,
    }
}

impl Refused {
    /// Whether the upstream will refuse it again, whatever else the request holds: then it is worth
    /// remembering.
    pub const fn is_lasting(&self) -> bool {
        !matches!(self, Self::History | Self::BothSamplers)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name.trim_start_matches('#')),
            Self::Betas(betas) => write!(f, "anthropic-beta:{}", betas.join(",")),
            Self::SomeBeta => f.write_str("anthropic-beta"),
            Self::SystemRole => f.write_str("system messages in between"),
            Self::IdleEffort => f.write_str("output_config.effort without thinking"),
            Self::History => f.write_str("thinking of earlier turns"),
            Self::BothSamplers => f.write_str("top_p beside temperature"),
        }
    }
}

impl Policy {
    /// This policy for an upstream that was found to refuse something; what belongs together goes
    /// together.
    #[must_use]
    pub fn without(&self, lessons: &[Refused]) -> Self {
        let mut policy = self.clone();
        for lesson in lessons {
            match lesson {
                Refused::Field(field) => policy.drop_fields.push((*field).to_owned()),
                Refused::Betas(betas) => policy.unknown_betas.extend(betas.iter().cloned()),
                Refused::SomeBeta => policy.unknown_betas.push("*".to_owned()),
                Refused::SystemRole => policy.inline_system = true,
                Refused::IdleEffort => policy.lacks.idle_effort = true,
                Refused::History => policy.thinking = Thinking::Strip,
                Refused::BothSamplers => policy.drop_fields.push("top_p".to_owned()),
            }
        }
        policy
    }
}
