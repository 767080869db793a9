//! Error bodies of an upstream.

use std::borrow::Cow;

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
