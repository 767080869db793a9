//! What Converse refuses.
use super::count_rules::{fits, room};
use super::refusal::Refusal;
use super::rules::Rules;
use serde_json::Value;
use std::collections::HashSet;

/// Checks the body of a request, with the reasoning that this server has said.
///
/// # Errors
/// The refusal that the service would answer with.
pub fn check(body: &Value, rules: &Rules, _issued: &HashSet<String>) -> Result<(), Refusal> {
    room(&body["inferenceConfig"]["maxTokens"], rules)?;
    fits(body, rules)
}
