//! What `InvokeModel` with Claude refuses.
use super::count_rules::{fits, room};
use super::refusal::Refusal;
use super::rules::Rules;
use super::seen::Seen;
use serde_json::Value;

/// The options that are headers.
pub(crate) fn headers(_seen: &Seen) -> Result<(), Refusal> {
    Ok(())
}

/// Checks the body of a request.
///
/// # Errors
/// The refusal that the service would answer with.
pub fn check(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    room(&body["max_tokens"], rules)?;
    fits(body, rules)
}
