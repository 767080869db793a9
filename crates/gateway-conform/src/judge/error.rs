//! Errors: their shape, and which of them the client mends by itself.

use serde_json::Value;

use crate::exchange::Reply;
use crate::finding::Judgement;

/// Judges the shape of an error: `{"type":"error","error":{"type","message"}}`, its type's fit to the
/// status, a `request-id`.
pub fn anthropic_error(reply: &Reply, j: &mut Judgement) {
    let expected = r#"{"type":"error","error":{"type","message"},"request_id"}"#;
    let body = reply.json();
    let text = |at: &str| {
        body.as_ref().and_then(|b| b.pointer(at)).and_then(Value::as_str).unwrap_or_default()
    };
    if text("/type") != "error"
        || text("/error/type").is_empty()
        || text("/error/message").is_empty()
    {
        j.error("R29", "an error of another shape", reply.summary(), expected);
        return;
    }
    let kind = text("/error/type");
    let usual = TYPES.iter().find(|(status, _)| *status == reply.status).map(|(_, kinds)| *kinds);
    if let Some(usual) = usual
        && !usual.contains(&kind)
    {
        let came = format!("{} {kind}", reply.status);
        j.warning("R29", "a type that does not go with the status", came, usual.join(" or "));
    }
    if reply.media_type() != "application/json" {
        j.warning("R29", "an error of another media type", reply.media_type(), "application/json");
    }
    if reply.header("request-id").is_none() {
        j.warning("R29", "an error without a request-id header", "", "request-id: req_…");
    }
}

/// Judges an answer that must be one of these statuses, in the shape of an error. True if it was.
pub fn refused(reply: &Reply, statuses: &[u16], row: &'static str, j: &mut Judgement) -> bool {
    let wanted: Vec<String> = statuses.iter().map(u16::to_string).collect();
    if reply.status >= 500 {
        j.error(
            row,
            "a fault of the caller answered as one of the server",
            reply.summary(),
            wanted.join(" or "),
        );
        return false;
    }
    if reply.status < 400 {
        return false;
    }
    if !statuses.contains(&reply.status) {
        j.warning(row, "another status than Anthropic's", reply.summary(), wanted.join(" or "));
    }
    anthropic_error(reply, j);
    true
}

/// Whether Claude Code knows this refusal and asks once more without what was refused.
pub fn is_mendable(reply: &Reply) -> bool {
    let text = reply.text();
    reply.status == 400 && MENDED.iter().any(|known| text.contains(known))
}

/// Words of a 400 that make the client repair its request.
const MENDED: &[&str] = &[
    "Extra inputs are not permitted",
    "does not support the effort parameter",
    "role: Input should be",
    "role 'system' is not supported",
    "thinking is not supported on this model",
    "display: Input should be",
    "which is the maximum",
    "exceed context limit",
    "for the `anthropic-beta` header",
    "prompt is too long",
    "capability_rejected:",
    "Invalid `signature` in `thinking` block",
];

/// Which types go with a status.
const TYPES: &[(u16, &[&str])] = &[
    (400, &["invalid_request_error", "policy_blocked"]),
    (401, &["authentication_error"]),
    (402, &["billing_error"]),
    (403, &["permission_error"]),
    (404, &["not_found_error"]),
    (405, &["invalid_request_error", "not_found_error"]),
    (409, &["conflict_error"]),
    (413, &["request_too_large"]),
    (422, &["invalid_request_error"]),
    (429, &["rate_limit_error", "billing_error"]),
    (500, &["api_error"]),
    (502, &["api_error"]),
    (504, &["timeout_error"]),
    (529, &["overloaded_error"]),
];
