//! What `CountTokens` refuses, and how the test server counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::blobs::Issued;
use super::refusal::Refusal;
use super::rules::Rules;
use super::{converse_rules, invoke_rules};

/// The count, when the input is in order: exactly one of a Converse request and a body for the model.
pub(crate) fn check(body: &Value, rules: &Rules, issued: &Issued) -> Result<u64, Refusal> {
    let members = body.as_object().ok_or_else(|| Refusal::wrong_type(body, "a structure"))?;
    if let Some(extra) = members.keys().find(|name| *name != "input") {
        return Err(Refusal::extraneous("", extra));
    }
    let Some(input) = members.get("input").filter(|input| !input.is_null()) else {
        return Err(Refusal::missing("input"));
    };
    let inputs = input.as_object().ok_or_else(|| Refusal::wrong_type(input, "a structure"))?;
    let mut inputs = inputs.iter().filter(|(_, value)| !value.is_null());
    match (inputs.next(), inputs.next()) {
        (Some((name, model)), None) if name == "invokeModel" => {
            let text =
                model["body"].as_str().ok_or_else(|| Refusal::missing("input.invokeModel.body"))?;
            let malformed = || {
                Refusal::new("Malformed input request, please reformat your input and try again.")
            };
            let bytes = STANDARD.decode(text).map_err(|_| malformed())?;
            let body: Value = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
            invoke_rules::check(&body, rules)?;
            Ok(tokens(&body))
        }
        (Some((name, request)), None) if name == "converse" => {
            let known = ["messages", "system", "toolConfig", "additionalModelRequestFields"];
            let fields =
                request.as_object().ok_or_else(|| Refusal::wrong_type(request, "a structure"))?;
            if let Some(extra) = fields.keys().find(|name| !known.contains(&name.as_str())) {
                return Err(Refusal::extraneous("/input/converse", extra));
            }
            converse_rules::check(request, rules, issued)?;
            Ok(tokens(request))
        }
        _ => Err(Refusal::new(
            "The CountTokensInput object at input must set one of the following keys: invokeModel, converse.",
        )),
    }
}

/// The size of a prompt by the test server's own rule: a token for every four bytes of text, and four
/// for each message, block and tool. The bytes of images and documents do not count.
pub fn tokens(body: &Value) -> u64 {
    fn bytes(name: &str, value: &Value) -> usize {
        match value {
            Value::String(_) if ["bytes", "data", "signature"].contains(&name) => 400,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| bytes(name, item) + 16).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| name.len() / 4 + bytes(name, value)).sum()
            }
            Value::Null => 0,
            _ => 1,
        }
    }
    let parts = ["messages", "system", "toolConfig", "tools"];
    let total: usize = parts.iter().map(|part| bytes(part, &body[*part])).sum();
    (total as u64).div_ceil(4).max(1)
}

/// Whether it fits, with the room for the answer beside it.
pub(crate) fn fits(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let given = tokens(body);
    if given > rules.window {
        return Err(Refusal::too_long(given, rules.window, rules.claude()));
    }
    Ok(())
}

/// `max_tokens`, wherever it stands.
pub(crate) fn room(asked: &Value, rules: &Rules) -> Result<(), Refusal> {
    match asked.as_u64() {
        Some(asked) if asked > rules.max_output => {
            let name = rules.foundation();
            let most = rules.max_output;
            Err(Refusal::new(format!(
                "max_tokens: {asked} > {most}, which is the maximum allowed number of output tokens for {name}"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::tokens;

    #[test]
    fn text_counts_and_the_bytes_of_images_do_not() {
        let image = |data: &str| json!({"messages": [{"content": [{"bytes": data}]}]});
        assert_eq!(tokens(&image(&"x".repeat(9000))), tokens(&image("x")));
        let text = |text: &str| json!({"system": [{"text": text}]});
        assert_eq!(tokens(&text(&"x".repeat(400))) - tokens(&text("")), 100);
    }
}
