//! Tokens, and the answers of those who give them out.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Deserialize;

use crate::error::{CloudError, quoted};
use crate::http::Answer;

/// What an answer without a life time is taken for.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// A token, ready to be sent.
pub(crate) struct Bearer {
    /// `Bearer …`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
    /// Who pays, where a header says so.
    pub(crate) quota_project: Option<HeaderValue>,
    pub(crate) ends: Option<SystemTime>,
}

/// Never the token.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Bearer {
    pub(crate) fn new(token: &str, ends: Option<SystemTime>) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        authorization.set_sensitive(true);
        (!token.is_empty()).then_some(Self { authorization, quota_project: None, ends })
    }

    /// The token alone.
    #[cfg(feature = "gcp")]
    pub(crate) fn token(&self) -> &str {
        self.authorization.to_str().unwrap_or_default().trim_start_matches("Bearer ")
    }
}

/// A number that some write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn get(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<Seconds>,
    /// Seconds since 1970; Azure's managed identities, of which some give nothing else.
    expires_on: Option<Seconds>,
}

/// The token in the answer to a token request.
pub(crate) fn granted(whom: &str, answer: &Answer, now: SystemTime) -> Result<Bearer, CloudError> {
    let strange =
        || CloudError::unreachable(format!("{whom} answered with something else than a token"));
    let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| strange())?;
    let ends = match (&granted.expires_in, &granted.expires_on) {
        (Some(life), _) => life.get().and_then(|life| now.checked_add(life)),
        (None, Some(end)) => end.get().and_then(|end| SystemTime::UNIX_EPOCH.checked_add(end)),
        (None, None) => None,
    };
    Bearer::new(&granted.access_token, Some(ends.unwrap_or(now + DEFAULT_LIFE))).ok_or_else(strange)
}

/// The two fields of an OAuth error, of which the second is for people.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) words: String,
}

impl Refusal {
    /// Reads `{"error":"code","error_description":"words"}`, and the object that Google's own APIs
    /// have in the place of the code. Empty for anything else.
    pub(crate) fn of(body: &[u8]) -> Self {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let error = &body["error"];
        if error.is_object() {
            return Self { code: text(&error["status"]), words: text(&error["message"]) };
        }
        Self { code: text(error), words: text(&body["error_description"]) }
    }

    /// Code and words for a line: `code: words`, or the status if there is neither.
    pub(crate) fn line(&self, status: http::StatusCode) -> String {
        match (self.code.as_str(), self.words.as_str()) {
            ("", "") => format!("status {}", status.as_u16()),
            (code, "") => quoted(code),
            ("", words) => quoted(words),
            (code, words) => quoted(&format!("{code}: {words}")),
        }
    }
}

/// Whether a failed answer says that the other side is in trouble, or busy, rather than that the
/// request is wrong.
pub(crate) fn is_their_trouble(status: http::StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 410 | 429)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(body: &'static str) -> Answer {
        Answer { status: StatusCode::OK, head: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn life_times_are_read_as_each_vendor_writes_them() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (body, ends) in [
            (r#"{"access_token":"t","expires_in":60}"#, 1060),
            (r#"{"access_token":"t","expires_in":"60","expires_on":"5000"}"#, 1060),
            (r#"{"access_token":"t","expires_on":"5000"}"#, 5000),
            (r#"{"access_token":"t"}"#, 4600),
            (r#"{"access_token":"t","expires_in":-1}"#, 4600),
        ] {
            let bearer = granted("it", &answer(body), now).expect("a token");
            assert_eq!(
                bearer.ends,
                Some(SystemTime::UNIX_EPOCH + Duration::from_secs(ends)),
                "{body}"
            );
            assert!(!format!("{bearer:?}").contains("Bearer t"));
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for body in ["", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#, "<html>"] {
            granted("it", &answer(body), SystemTime::UNIX_EPOCH).expect_err(body);
        }
    }

    #[test]
    fn errors_are_read_in_both_shapes() {
        for (body, line) in [
            (r#"{"error":"invalid_grant","error_description":"Bad"}"#, "invalid_grant: Bad"),
            (r#"{"error":{"status":"PERMISSION_DENIED","message":"No"}}"#, "PERMISSION_DENIED: No"),
            (r#"{"error":"x"}"#, "x"),
            ("<html>", "status 400"),
        ] {
            assert_eq!(Refusal::of(body.as_bytes()).line(StatusCode::BAD_REQUEST), line);
        }
    }
}
