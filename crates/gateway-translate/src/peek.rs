//! What a Messages request asks for, in one pass.

use std::borrow::Cow;

use gateway_types::{ApiError, Envelope, ErrorKind, Span};

use crate::cursor::Malformed;
use crate::scan::{Scanner, Walk};

/// Why a body can't be routed. Each is a 400 for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// Not JSON, or not a JSON object.
    #[error("the request body is not a JSON object: {0}")]
    Malformed(#[from] Malformed),
    /// A key that decides the route occurs twice: the gateway and the upstream might each follow
    /// another one.
    #[error("{0}: the key occurs more than once at the top level of the request body")]
    Duplicate(&'static str),
    /// There is no `model`.
    #[error("model: Field required")]
    NoModel,
    /// `model` is not a non-empty string.
    #[error("model: Input should be a non-empty string")]
    BadModel,
    /// `stream` is neither a boolean nor null.
    #[error("stream: Input should be a valid boolean")]
    BadStream,
}

impl From<PeekError> for ApiError {
    fn from(fault: PeekError) -> Self {
        Self::new(ErrorKind::InvalidRequest, fault.to_string())
    }
}

/// Reads the envelope of a Messages or `count_tokens` request.
///
/// Everything else in the body is passed over unread, so its cost is that of finding the ends of
/// strings; unknown fields, odd numbers and invalid UTF-8 inside texts are the upstream's to judge.
pub fn peek(body: &[u8]) -> Result<Envelope<'_>, PeekError> {
    let (mut model, mut stream, mut max_tokens, mut messages) = (None, None, None, None);
    let mut scanner = Scanner::new(body, 0);
    let walk = scanner.object(|key, span| {
        let (slot, name): (&mut Option<Span>, _) = match key {
            b"model" => (&mut model, "model"),
            b"stream" => (&mut stream, "stream"),
            b"max_tokens" => (&mut max_tokens, "max_tokens"),
            b"messages" => (&mut messages, "messages"),
            _ => return Ok(()),
        };
        if slot.replace(span).is_some() { Err(PeekError::Duplicate(name)) } else { Ok(()) }
    });
    match walk {
        Ok(()) => scanner.end()?,
        Err(Walk::Malformed(fault)) => return Err(fault.into()),
        Err(Walk::Stopped(fault)) => return Err(fault),
    }

    let model_span = model.ok_or(PeekError::NoModel)?;
    let model = string(&body[model_span.clone()]).ok_or(PeekError::BadModel)?;
    if model.trim().is_empty() {
        return Err(PeekError::BadModel);
    }
    let stream = match stream.map(|span| &body[span]) {
        None | Some(b"null" | b"false") => false,
        Some(b"true") => true,
        Some(_) => return Err(PeekError::BadStream),
    };
    let max_tokens = max_tokens
        .and_then(|span| std::str::from_utf8(&body[span]).ok())
        .and_then(|digits| digits.parse().ok());
    let foreign_state = scanner.signs().of_foreign_state();
    Ok(Envelope { model, model_span, stream, max_tokens, foreign_state })
}

/// Whether a body may hold state that another provider made: see
/// [`Envelope::foreign_state`](gateway_types::Envelope). What is no JSON holds none.
pub fn holds_foreign_state(body: &[u8]) -> bool {
    let mut scanner = Scanner::new(body, 0);
    let walk = scanner.object(|_, _| Ok::<(), ()>(()));
    walk.is_ok() && scanner.signs().of_foreign_state()
}

/// The text of a JSON string token; `None` if it is something else.
fn string(token: &[u8]) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') || inner.iter().any(|b| *b < 0x20) {
        return serde_json::from_slice::<String>(token).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> Result<(String, bool, Option<u64>), PeekError> {
        peek(body.as_bytes()).map(|e| (e.model.into_owned(), e.stream, e.max_tokens))
    }

    #[test]
    fn the_last_key_is_found_like_the_first() {
        let body = r#"{ "messages" : [{"model":"no","stream":false}], "max_tokens":1, "model":"m" , "stream" : true }"#;
        assert_eq!(ask(body), Ok(("m".into(), true, Some(1))));
    }

    #[test]
    fn escapes_in_keys_and_names_are_resolved() {
        assert_eq!(ask(r#"{"mod\u0065l":"a\/b\u00e9"}"#), Ok(("a/bé".into(), false, None)));
    }

    #[test]
    fn a_duplicate_that_decides_is_refused_however_it_is_spelt() {
        for key in ["model", "stream", "max_tokens", "messages"] {
            let body = format!(
                r#"{{"model":"m","{key}":1,"\u00{:x}{}":1}}"#,
                key.as_bytes()[0],
                &key[1..]
            );
            assert!(matches!(ask(&body), Err(PeekError::Duplicate(_))), "{body}");
        }
        assert!(ask(r#"{"model":"m","other":1,"other":2}"#).is_ok());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(ask("{}"), Err(PeekError::NoModel));
        assert_eq!(ask(r#"{"model":7}"#), Err(PeekError::BadModel));
        assert_eq!(ask(r#"{"model":" "}"#), Err(PeekError::BadModel));
        assert_eq!(ask(r#"{"model":null}"#), Err(PeekError::BadModel));
        assert_eq!(ask(r#"{"model":"m","stream":"yes"}"#), Err(PeekError::BadStream));
        assert_eq!(ask(r#"{"model":"m","stream":null}"#), Ok(("m".into(), false, None)));
        for broken in [
            "",
            "[]",
            "null",
            "{",
            r#"{"model":"m""#,
            r#"{"model":"m"} x"#,
            r#"{"model":"m",}"#,
            r#"{"a":"b"#,
        ] {
            assert!(matches!(ask(broken), Err(PeekError::Malformed(_))), "{broken}");
        }
    }

    #[test]
    fn invalid_utf8_in_a_text_is_not_ours_to_judge_but_in_the_name_it_is() {
        assert!(peek(b"{\"model\":\"m\",\"x\":\"\xff\xfe\"}").is_ok());
        assert_eq!(peek(b"{\"model\":\"\xff\"}"), Err(PeekError::BadModel));
    }
}
