//! An error in the place of an answer, or in its middle.

use gateway_models::overflow;
use gateway_translate::{Malformed, Reader};
use gateway_types::{ApiError, ErrorKind, Fault, Raw, Remedy};

/// The fault that an error object inside a 200 stands for.
pub(super) fn fault(provider: &str, error: Raw<'_>) -> Fault {
    let mut said = Said::default();
    match error.as_text() {
        Some(text) => said.message = text.decode().into_owned(),
        None => said.read(error),
    }
    if said.message.is_empty() {
        said.message = error.as_str().chars().take(500).collect();
    }
    let (kind, remedy) = said.meaning();
    let message = match overflow::parse(&said.message) {
        Some(overflow::Overflow { tokens, limit: Some(limit) }) => {
            overflow::render(tokens.unwrap_or_default(), limit)
        }
        _ => format!("{provider}: {}", said.message),
    };
    Fault::new(ApiError::new(kind, message), remedy)
}

#[derive(Debug, Default)]
struct Said {
    message: String,
    /// `code`, `type`, `error_type` and what else names the kind, in lower case.
    words: String,
    status: Option<u64>,
}

impl Said {
    fn read(&mut self, error: Raw<'_>) {
        // What can't be read says nothing.
        let _ = Reader::new(error.as_str()).object::<Malformed>(|r, key| {
            match key.escaped() {
                "message" | "status_msg" | "detail" => {
                    self.message = r.maybe_string()?.map_or(String::new(), |t| t.decode().into());
                }
                "metadata" | "error" => {
                    let inner = r.raw()?;
                    if inner.is_object() {
                        let message = std::mem::take(&mut self.message);
                        self.read(inner);
                        if !message.is_empty() {
                            self.message = message;
                        }
                    }
                }
                "code" | "type" | "error_type" | "status_code" | "status" => {
                    let raw = r.raw()?.as_str().trim_matches('"').to_ascii_lowercase();
                    if let Ok(number) = raw.parse() {
                        self.status = Some(number);
                    }
                    self.words.push_str(&raw);
                    self.words.push(' ');
                }
                _ => r.skip()?,
            }
            Ok(())
        });
    }

    fn meaning(&self) -> (ErrorKind, Remedy) {
        let has = |words: &[&str]| words.iter().any(|word| self.words.contains(word));
        if overflow::parse(&self.message).is_some() || has(&["context_length", "exceed_context"]) {
            return (ErrorKind::InvalidRequest, Remedy::Final);
        }
        if has(&["insufficient_quota", "payment", "credit", "billing"]) {
            return (ErrorKind::Billing, Remedy::NextKey);
        }
        if has(&["rate_limit", "slow_down"]) {
            return (ErrorKind::RateLimited, Remedy::NextKey);
        }
        if has(&["overloaded", "unavailable"]) {
            return (ErrorKind::UpstreamOverloaded, Remedy::Same);
        }
        match self.status {
            Some(401) => (ErrorKind::Authentication, Remedy::NextKey),
            Some(402) => (ErrorKind::Billing, Remedy::NextKey),
            Some(403) => (ErrorKind::Permission, Remedy::NextKey),
            Some(404) => (ErrorKind::NotFound, Remedy::NextProvider),
            Some(413) => (ErrorKind::TooLarge, Remedy::Final),
            Some(429 | 1002) => (ErrorKind::RateLimited, Remedy::NextKey),
            Some(1004) => (ErrorKind::Authentication, Remedy::NextKey),
            Some(1008) => (ErrorKind::Billing, Remedy::NextKey),
            Some(408 | 504) => (ErrorKind::Timeout, Remedy::Same),
            Some(503 | 529) => (ErrorKind::UpstreamOverloaded, Remedy::Same),
            Some(400..=499) => (ErrorKind::InvalidRequest, Remedy::Final),
            _ if has(&["authentication", "invalid_api_key"]) => {
                (ErrorKind::Authentication, Remedy::NextKey)
            }
            _ if has(&["invalid_request", "invalid_prompt", "badrequest", "content_policy"]) => {
                (ErrorKind::InvalidRequest, Remedy::Final)
            }
            _ => (ErrorKind::UpstreamFailed, Remedy::Same),
        }
    }
}
