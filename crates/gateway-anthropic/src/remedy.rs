//! What may help against an error of an Anthropic-shaped upstream: the same again, later, with another
//! key, elsewhere, or nothing.
//!
//! ```
//! use gateway_anthropic::remedy;
//! use gateway_types::Remedy;
//! use http::{HeaderMap, StatusCode};
//! use std::time::{Duration, SystemTime};
//!
//! let mut head = HeaderMap::new();
//! head.insert("retry-after", "7".parse()?);
//! let reading = remedy(StatusCode::TOO_MANY_REQUESTS, &head, b"", SystemTime::UNIX_EPOCH);
//! assert_eq!(reading.remedy, Remedy::After(Duration::from_secs(7)));
//! assert!(!reading.is_of_account());
//! # Ok::<(), http::header::InvalidHeaderValue>(())
//! ```

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use gateway_translate::{Waits, rfc3339, should_retry};
use gateway_types::Remedy;
use http::{HeaderMap, StatusCode};

use crate::fault::{Shape, shape};

/// What an error means for whoever chooses what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What may help.
    pub remedy: Remedy,
    /// What it is about.
    pub scope: Scope,
}

/// What an error is about: the same may be asked of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This request: it says nothing of the next one.
    Request,
    /// The model that was asked for.
    Model,
    /// Everything that this key's account is used for.
    Account,
}

impl Reading {
    /// Whether it holds for the whole account.
    pub fn is_of_account(&self) -> bool {
        self.scope == Scope::Account
    }
}

/// Bodies are read so far: no error is so long.
const READ_BYTES: usize = 64 << 10;

/// Reads an answer without success of api.anthropic.com, or of a server that speaks as it does. `now` is
/// what resets are held against where the answer has no `date`.
pub fn remedy(status: StatusCode, head: &HeaderMap, body: &[u8], now: SystemTime) -> Reading {
    let body = &body[..body.len().min(READ_BYTES)];
    let waits = Waits::new(head, Some(now));
    let said = match shape(body) {
        Shape::Anthropic { kind, message } => Said::new(kind, &message),
        Shape::Foreign => Said::new(Cow::Borrowed(""), &String::from_utf8_lossy(body)),
    };
    let reading = judge(status.as_u16(), &said, Some(&Limits { head, waits }));
    Reading { remedy: reading.remedy.heeding(should_retry(head)), ..reading }
}

/// Reads an `error` event that came in a stream, by its `error.type` and `error.message`. It means the
/// same as an answer of that type, but that no header says how long to wait.
pub fn remedy_of_event(kind: &str, message: &str) -> Reading {
    let status = match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "timeout_error" => 408,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "overloaded_error" => 529,
        // `api_error`, and what nobody has heard of: the stream was going to be an answer.
        _ => 500,
    };
    judge(status, &Said::new(Cow::Borrowed(kind), message), None)
}

/// What the body says.
struct Said<'b> {
    kind: Cow<'b, str>,
    /// In lower case.
    message: String,
}

impl<'b> Said<'b> {
    fn new(kind: Cow<'b, str>, message: &str) -> Self {
        Self { kind, message: message.to_lowercase() }
    }

    fn mentions(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.message.contains(phrase))
    }

    /// Whether the credential is of no use any more.
    fn rejects_key(&self) -> bool {
        let dead = ["invalid", "disabled", "revoked", "expired", "inactive", "deactivated"];
        let about = |what: &[&str]| self.mentions(what) && self.mentions(&dead);
        self.kind == "authentication_error"
            || about(&["api key", "api-key"])
            // In a request that is at fault other credentials may be meant, which came with it: an MCP server's.
            || self.kind != "invalid_request_error"
                && about(&["oauth token", "access token", "credential"])
            || self.mentions(&[
                "organization has been disabled",
                "account has been disabled",
                "oauth authentication is currently not",
            ])
    }

    fn is_too_long(&self) -> bool {
        self.mentions(&[
            "prompt is too long",
            "prompt_too_long",
            "input is too long",
            "context_length_exceeded",
            "model_context_window_exceeded",
            "maximum context length",
            "exceeds the context window",
            "exceeds the available context size",
            "exceeds the context length",
        ])
    }

    fn is_of_money(&self) -> bool {
        self.kind == "billing_error"
            || self.mentions(&[
                "credit balance is too low",
                "insufficient balance",
                "insufficient credit",
            ])
    }

    /// When an account that has spent what it may is open again: `You will regain access on 2026-12-01
    /// at 00:00 UTC.`
    fn back_on(&self) -> Option<f64> {
        let (_, rest) = self.message.split_once("regain access on ")?;
        let date = rest.get(..10)?;
        let clock = rest.get(10..).and_then(|rest| rest.strip_prefix(" at ")?.get(..5));
        rfc3339(&format!("{date}t{}z", clock.unwrap_or("00:00")))
    }
}

/// The headers of an answer.
struct Limits<'h> {
    head: &'h HeaderMap,
    waits: Waits<'h>,
}

impl Limits<'_> {
    /// The wait that is told, and whether it is for the whole account.
    fn wait(&self) -> (Option<Duration>, bool) {
        let unified = |name: &str| {
            let value = self.head.get(format!("anthropic-ratelimit-unified-{name}"));
            value.and_then(|value| value.to_str().ok())
        };
        let rejected = unified("status").is_some_and(|status| status == "rejected");
        // A week's limit may be that of one family of models.
        let claim = unified("representative-claim").unwrap_or_default();
        let of_family = ["opus", "sonnet", "haiku", "fable"].iter().any(|f| claim.contains(f));
        let reset = || {
            if rejected {
                return self.waits.named("anthropic-ratelimit-unified-reset");
            }
            self.waits.reset()
        };
        (self.waits.asked().or_else(reset), rejected && !of_family)
    }
}

fn judge(status: u16, said: &Said<'_>, limits: Option<&Limits<'_>>) -> Reading {
    let (wait, of_account) = limits.map_or((None, false), Limits::wait);
    let reading = |remedy, scope| Reading { remedy, scope };
    let refused = reading(Remedy::Final, Scope::Request);
    let again = |scope| reading(wait.map_or(Remedy::Same, Remedy::After), scope);
    if matches!(status, 400 | 402 | 403 | 429) {
        let back = said.back_on();
        if said.is_of_money() || status == 402 || back.is_some() {
            let until = |then| limits?.waits.until(then);
            let rest = wait.or_else(|| until(back?));
            return reading(rest.map_or(Remedy::UNPAID, Remedy::After), Scope::Account);
        }
    }
    match status {
        401 => reading(Remedy::NextKey, Scope::Account),
        400 | 403 if said.rejects_key() => reading(Remedy::NextKey, Scope::Account),
        400 | 413 | 422 if said.is_too_long() => reading(Remedy::Larger, Scope::Request),
        // Of a longer window than the account has paid for: waiting does not make the prompt shorter.
        429 if said.mentions(&["for long context requests", "long context beta"]) => {
            reading(Remedy::NextProvider, Scope::Request)
        }
        429 => {
            let named = ["your account's rate limit", "usage limit", "account-wide"];
            let of_account = of_account || said.mentions(&named);
            again(if of_account { Scope::Account } else { Scope::Model })
        }
        408 | 500.. => again(Scope::Model),
        _ => refused,
    }
}
