//! Error bodies of an upstream.

use std::borrow::Cow;

use gateway_translate::find;
use gateway_types::wrap_foreign;
use http::StatusCode;
use serde::Deserialize;

/// An upstream error body, read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape<'b> {
    /// `{"type":"error","error":{"type","message"}}`: passed on untouched, because the client
    /// recognises its wording and repairs the request by it (contract C9).
    Anthropic {
        /// `error.type`.
        kind: Cow<'b, str>,
        /// `error.message`.
        message: Cow<'b, str>,
    },
    /// Anything else.
    Foreign,
}

#[derive(Deserialize)]
struct Body<'b> {
    r#type: &'b str,
    #[serde(borrow)]
    error: Inner<'b>,
}

#[derive(Deserialize)]
struct Inner<'b> {
    #[serde(borrow)]
    r#type: Cow<'b, str>,
    #[serde(borrow)]
    message: Cow<'b, str>,
}

/// Tells an Anthropic error body from any other.
pub fn shape(body: &[u8]) -> Shape<'_> {
    match serde_json::from_slice::<Body<'_>>(body) {
        Ok(Body { r#type: "error", error }) => {
            Shape::Anthropic { kind: error.r#type, message: error.message }
        }
        _ => Shape::Foreign,
    }
}

/// The status of an error that came as a success: some servers, and proxies before them, answer 200 and say
/// only in the body that it is none. `None`: the body is no error.
///
/// ```
/// use gateway_anthropic::fault::status_inside;
/// let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
/// assert_eq!(status_inside(body).map(|status| status.as_u16()), Some(529));
/// assert_eq!(status_inside(br#"{"type":"message","content":[]}"#), None);
/// ```
pub fn status_inside(body: &[u8]) -> Option<StatusCode> {
    // A message is told by this without being read any further than that.
    if &body[find(body, &["type"])?] != br#""error""# {
        return None;
    }
    let Shape::Anthropic { kind, .. } = shape(body) else { return None };
    let status = match &*kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    StatusCode::from_u16(status).ok()
}

/// How much of a foreign error is quoted to the caller, in bytes.
const QUOTE_BYTES: usize = 2048;

/// An Anthropic error body around a foreign one: its words inside the message, its status kept by
/// the caller (behaviour R29). `status_line` describes the answer when the body says nothing.
pub fn wrap(status: StatusCode, provider: &str, body: &[u8], request_id: Option<&str>) -> Vec<u8> {
    let mut cut = body.len().min(QUOTE_BYTES);
    while cut < body.len() && cut > 0 && (body[cut] & 0xc0) == 0x80 {
        cut -= 1;
    }
    let quoted = String::from_utf8_lossy(&body[..cut]);
    let quoted = quoted.trim();
    let more = if cut < body.len() { " …" } else { "" };
    let message = if quoted.is_empty() {
        format!("{provider} answered {status} with an empty body")
    } else {
        format!("{provider} answered {status}: {quoted}{more}")
    };
    wrap_foreign(status, &message, request_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anthropic_error_is_recognised_whatever_else_it_holds() {
        let body = br#"{"type":"error","error":{"type":"invalid_request_error","message":"a \"b\"","details":{}},"request_id":"r"}"#;
        let Shape::Anthropic { kind, message } = shape(body) else { panic!("anthropic") };
        assert_eq!((&*kind, &*message), ("invalid_request_error", "a \"b\""));
    }

    #[test]
    fn an_error_that_came_as_a_success_has_the_status_of_its_type() {
        for (kind, status) in [("rate_limit_error", 429), ("api_error", 500), ("new_error", 500)] {
            // Whatever the order of its keys.
            let body = format!(r#"{{"error":{{"message":"m","type":"{kind}"}},"type":"error"}}"#);
            assert_eq!(status_inside(body.as_bytes()).map(|s| s.as_u16()), Some(status));
        }
        for body in [
            r#"{"type":"error"}"#,
            r#"{"content":[{"type":"error"}]}"#,
            r#"{"input_tokens":3}"#,
            "{",
        ] {
            assert_eq!(status_inside(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn r29_other_shapes_are_wrapped_with_their_words_inside() {
        for body in
            [&br#"{"detail":"no such model"}"#[..], b"<html>no such model</html>", b"no such model"]
        {
            assert_eq!(shape(body), Shape::Foreign);
            let wrapped = wrap(StatusCode::BAD_REQUEST, "anthropic", body, Some("req_1"));
            let Shape::Anthropic { kind, message } = shape(&wrapped) else { panic!("wrapped") };
            assert_eq!(kind, "invalid_request_error");
            assert!(message.contains("no such model"), "{message}");
        }
    }

    #[test]
    fn a_quote_ends_at_a_character() {
        let body = "é".repeat(3000);
        let wrapped = wrap(StatusCode::BAD_GATEWAY, "x", body.as_bytes(), None);
        assert!(!String::from_utf8(wrapped).expect("UTF-8").contains('\u{fffd}'));
    }
}
