//! Fields that a server refuses: what a 400 teaches about it.

use gateway_types::{Feature, What};

/// Fields a request can do without, and what becomes of the request then.
const OPTIONAL: &[(&str, What)] = &[
    // Swapped for each other, see `OpenAi::without`.
    ("max_tokens", What::Hint),
    ("max_completion_tokens", What::Hint),
    ("stream_options", What::Hint),
    ("parallel_tool_calls", What::Dropped),
    ("reasoning_effort", What::Dropped),
    // Both only for organisations that have been verified, at OpenAI.
    ("reasoning.summary", What::Dropped),
    ("stream", What::Hint),
    ("reasoning", What::Dropped),
    ("thinking", What::Dropped),
    ("temperature", What::Dropped),
    ("top_p", What::Dropped),
    ("top_k", What::Dropped),
    ("stop", What::Hint),
    ("user", What::Hint),
    ("safety_identifier", What::Hint),
    ("prompt_cache_key", What::Hint),
    (CACHE_BREAKPOINT, What::Hint),
    ("service_tier", What::Hint),
    ("store", What::Hint),
    ("include", What::Hint),
    ("metadata", What::Hint),
    (MESSAGE_REASONING, What::Dropped),
    ("reasoning_details", What::Dropped),
];

/// Stands for whichever field of a message holds its reasoning. Some servers show reasoning and refuse it in
/// the next request's history.
pub(crate) const MESSAGE_REASONING: &str = "reasoning_content";

/// The mark of a prompt cache on a part of a message.
pub(crate) const CACHE_BREAKPOINT: &str = "prompt_cache_breakpoint";

/// What becomes of a request that is sent without `field`; `None` for a field that it needs.
pub(crate) fn fate(field: &str) -> Option<What> {
    OPTIONAL.iter().find(|(name, _)| *name == field).map(|(_, what)| *what)
}

/// What the text of a 400 says the request should have been without.
pub(crate) fn feature(body: &[u8]) -> Option<Feature> {
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    // DeepSeek's wording and Kimi's, and that of those who serve their models.
    let wanted = text.contains("passed back") || text.contains("is missing");
    if wanted && text.contains("reasoning_content") {
        return Some(Feature::BareToolTurns);
    }
    // OpenAI's wording, of its newer models on Chat Completions: leaving the effort out would not
    // help, for they think by default.
    if text.contains("Function tools with reasoning_effort") {
        return Some(Feature::ThinkingWithTools);
    }
    let name = field(body)?;
    // Another value of the same field may be fine: what one caller asked for is no lesson for all.
    let text = text.to_lowercase();
    let value = ["unsupported value", "unsupported_value", "invalid value", "invalid_value"];
    let value = value.iter().any(|words| text.contains(words));
    Some(if value { Feature::Value(name) } else { Feature::Field(name) })
}

/// Whether a body that was written here has a field, as far as the table names it.
pub(crate) fn is_in(body: &str, name: &str) -> bool {
    if name == MESSAGE_REASONING || name == "reasoning_details" {
        return body.contains("\"reasoning");
    }
    if name == CACHE_BREAKPOINT {
        return body.contains("\"prompt_cache_breakpoint\"");
    }
    let path: Vec<&str> = name.split('.').collect();
    gateway_translate::find(body.as_bytes(), &path).is_some()
}

/// The optional field that an error text says is unknown or unsupported, if it says so of one.
///
/// Servers word it in their own ways: `Unrecognized request argument supplied: stream_options`,
/// `Unknown parameter: 'store'.`, `Unsupported parameter: 'max_tokens' is not supported with this
/// model.`, `property 'user' is unsupported`, `Extra inputs are not permitted` (with the field's name
/// in `loc`), `Unsupported value: 'temperature' does not support 0.2 with this model.`
fn field(body: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).to_lowercase();
    let says_so = [
        "unrecognized request argument",
        "unknown parameter",
        "unknown field",
        "unknown_parameter",
        "unsupported parameter",
        "unsupported_parameter",
        "unsupported value",
        "unsupported_value",
        "is unsupported",
        "is not supported",
        "not support",
        "unexpected keyword argument",
        "unexpected field",
        "extra inputs are not permitted",
        "extra_forbidden",
        "extra fields not permitted",
    ];
    if !says_so.iter().any(|words| text.contains(words)) {
        return None;
    }
    // The first that is named is the one that is meant: advice comes after.
    let named = |name: &str| {
        text.match_indices(name).map(|(at, _)| at).find(|at| is_word(&text, *at, name.len()))
    };
    let found = OPTIONAL.iter().filter_map(|(name, _)| named(name).map(|at| (at, *name)));
    let (at, name) = found.min_by_key(|(at, name)| (*at, usize::MAX - name.len()))?;
    let of_message =
        text[..at].trim_end_matches(|c: char| !c.is_alphabetic()).ends_with("messages");
    Some(if of_message && name.starts_with("reasoning") { MESSAGE_REASONING } else { name })
}

/// As much of an error body as is looked at, in bytes.
const LOOKED_AT: usize = 4096;

fn is_word(text: &str, at: usize, len: usize) -> bool {
    let bytes = text.as_bytes();
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    !part(before) && !part(bytes.get(at + len)) && before != Some(&b' ')
        || quoted_or_listed(bytes, at, len)
}

/// Words such as `user` and `stop` are common; as a field's name they stand in quotes or at the end.
fn quoted_or_listed(bytes: &[u8], at: usize, len: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    let after = bytes.get(at + len);
    let quote = |byte: Option<&u8>| matches!(byte, Some(b'\'' | b'"' | b'`' | b'\\'));
    (quote(before) && quote(after))
        || (before == Some(&b' ')
            && matches!(after, None | Some(b'"' | b'.' | b',' | b'\\' | b':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_the_refused_field_is_found_in_many_wordings() {
        for (body, wanted) in [
            (
                r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","code":null}}"#,
                Some("stream_options"),
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'store'.","param":"store","code":"unknown_parameter"}}"#,
                Some("store"),
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'messages[2].reasoning_content'.","param":"messages[2].reasoning_content"}}"#,
                Some("reasoning_content"),
            ),
            (
                r#"{"error":{"message":"'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2.reasoning' : property 'reasoning' is unsupported)]"}}"#,
                Some("reasoning_content"),
            ),
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","messages",2,"reasoning"],"msg":"Extra inputs are not permitted"}]}"#,
                Some("reasoning_content"),
            ),
            (
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}}"#,
                Some("max_tokens"),
            ),
            (r#"{"error":{"message":"property 'user' is unsupported"}}"#, Some("user")),
            (
                r#"{"error":{"message":"Your organization must be verified to generate reasoning summaries.","type":"invalid_request_error","param":"reasoning.summary","code":"unsupported_value"}}"#,
                Some("reasoning.summary"),
            ),
            (
                r#"{"error":{"message":"Your organization must be verified to stream this model.","type":"invalid_request_error","param":"stream","code":"unsupported_value"}}"#,
                Some("stream"),
            ),
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","parallel_tool_calls"],"msg":"Extra inputs are not permitted"}]}"#,
                Some("parallel_tool_calls"),
            ),
            (
                r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.","param":"temperature"}}"#,
                Some("temperature"),
            ),
            (
                r#"{"error":{"message":"Unrecognized request argument supplied: reasoning_effort"}}"#,
                Some("reasoning_effort"),
            ),
            (
                r#"{"error":{"message":"Image URLs are only allowed for messages with role 'user', which is not supported"}}"#,
                Some("user"),
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'messages[0].content[0].cache_control'."}}"#,
                None,
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'input[0].content[0].prompt_cache_breakpoint'.","param":"input[0].content[0].prompt_cache_breakpoint"}}"#,
                Some("prompt_cache_breakpoint"),
            ),
            (
                r#"{"error":{"message":"Invalid schema for function 'Bash': object schema missing properties"}}"#,
                None,
            ),
            (r#"{"error":{"message":"temperature must be below 2"}}"#, None),
            ("", None),
        ] {
            assert_eq!(field(body.as_bytes()), wanted, "{body}");
        }
    }

    #[test]
    fn a_mark_of_the_cache_is_found_wherever_it_stands() {
        let body = r#"{"input":[{"content":[{"text":"a","prompt_cache_breakpoint":{}}]}]}"#;
        assert!(is_in(body, CACHE_BREAKPOINT));
        assert!(!is_in(r#"{"input":"prompt_cache_breakpoint"}"#, "prompt_cache_key"));
        assert!(!is_in(r#"{"input":"a prompt_cache_breakpoint"}"#, CACHE_BREAKPOINT));
        assert_eq!(fate(CACHE_BREAKPOINT), Some(What::Hint));
    }
}
