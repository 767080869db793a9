//! What AWS says when it refuses a signature, and what helps.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::DATE;

/// A refusal: its type and its words.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: String,
    words: String,
}

/// What may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing the gateway can do.
    None,
    /// Sign with the time of the answer.
    SetClock,
    /// Get new keys.
    ReloadKeys,
}

impl Refusal {
    pub(crate) fn of(head: &HeaderMap, body: &[u8]) -> Self {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let header = head.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let kind = header.or(body["__type"].as_str()).unwrap_or_default();
        // `namespace#Type` in bodies, `Type:http://…` in headers.
        let kind = kind.rsplit('#').next().unwrap_or_default();
        let kind = kind.split(':').next().unwrap_or_default();
        // The last is the shape of the endpoint that speaks Anthropic's own dialect.
        let words = [&body["message"], &body["Message"], &body["error"]["message"]];
        let words = words.into_iter().find_map(|words| words.as_str()).unwrap_or_default();
        Self { kind: kind.trim_end_matches("Exception").to_owned(), words: words.to_owned() }
    }

    /// What may help; `clock_is_off` says that the answer's date is not what the request was signed
    /// with, roughly.
    pub(crate) fn remedy(&self, clock_is_off: bool) -> Remedy {
        let says = |part: &str| self.words.contains(part);
        match self.kind.as_str() {
            "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => Remedy::SetClock,
            "ExpiredToken"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken" => Remedy::ReloadKeys,
            _ if says("Signature expired") || says("not yet current") => Remedy::SetClock,
            _ if says("security token included in the request is") => Remedy::ReloadKeys,
            "InvalidSignature" | "SignatureDoesNotMatch" | "IncompleteSignature"
                if clock_is_off =>
            {
                Remedy::SetClock
            }
            "InvalidSignature" | "SignatureDoesNotMatch" => Remedy::ReloadKeys,
            _ => Remedy::None,
        }
    }
}

/// The answer's date.
pub(crate) fn date(head: &HeaderMap) -> Option<SystemTime> {
    let text = head.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn remedy(header: &str, body: &str, off: bool) -> Remedy {
        let mut head = HeaderMap::new();
        if !header.is_empty() {
            head.insert("x-amzn-errortype", header.parse().expect("a value"));
        }
        Refusal::of(&head, body.as_bytes()).remedy(off)
    }

    #[test]
    fn each_refusal_has_its_remedy() {
        let expired = r#"{"message":"Signature expired: 20260101T000000Z is now earlier than …"}"#;
        for (header, body, off, expected) in [
            ("InvalidSignatureException:http://internal/", expired, false, Remedy::SetClock),
            ("", r#"{"message":"Signature not yet current: …"}"#, true, Remedy::SetClock),
            ("", r#"{"__type":"com.amazon#RequestExpired"}"#, true, Remedy::SetClock),
            (
                "InvalidSignatureException",
                r#"{"message":"does not match"}"#,
                true,
                Remedy::SetClock,
            ),
            (
                "InvalidSignatureException",
                r#"{"message":"does not match"}"#,
                false,
                Remedy::ReloadKeys,
            ),
            ("ExpiredTokenException", "{}", false, Remedy::ReloadKeys),
            (
                "",
                r#"{"Message":"The security token included in the request is expired"}"#,
                false,
                Remedy::ReloadKeys,
            ),
            ("UnrecognizedClientException", "", true, Remedy::ReloadKeys),
            (
                "",
                r#"{"type":"error","error":{"message":"Signature expired: …"}}"#,
                true,
                Remedy::SetClock,
            ),
            (
                "AccessDeniedException",
                r#"{"message":"no access to the model"}"#,
                true,
                Remedy::None,
            ),
            ("ValidationException", r#"{"message":"Input is too long"}"#, true, Remedy::None),
            ("", "<html>", true, Remedy::None),
        ] {
            assert_eq!(remedy(header, body, off), expected, "{header} {body}");
        }
    }

    #[test]
    fn dates_of_answers_are_read() {
        let mut head = HeaderMap::new();
        assert_eq!(date(&head), None);
        head.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a value"));
        assert_eq!(date(&head), Some(UNIX_EPOCH + Duration::from_secs(784_111_777)));
        head.insert(DATE, "yesterday".parse().expect("a value"));
        assert_eq!(date(&head), None);
    }
}
