//! What an error of Google's means, and how the caller is told.
//!
//! Errors have a status, a text and details of several types; some come in a list, some in Anthropic's
//! shape (Claude on Vertex AI), some as a page of a proxy's.

mod said;

use std::time::Duration;

use gateway_models::overflow;
use gateway_translate::{FaultCx, Waits, should_retry};
use gateway_types::{ApiError, ErrorKind, Fault, Feature, Remedy};
use http::{HeaderMap, StatusCode};

use crate::target::field;
use said::Said;

/// Who was asked for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub cx: FaultCx<'a>,
    /// The model's longest prompt in tokens, if it is known.
    pub limit: Option<u64>,
    pub vertex: bool,
}

/// The same, owned.
#[derive(Debug, Clone)]
pub(crate) struct Whose {
    pub provider: String,
    pub model: String,
    pub prompt_estimate: u64,
    pub limit: Option<u64>,
    pub vertex: bool,
}

impl Whose {
    pub(crate) fn cx(&self) -> Asked<'_> {
        let cx = FaultCx {
            provider: &self.provider,
            model: &self.model,
            prompt_estimate: self.prompt_estimate,
        };
        Asked { cx, limit: self.limit, vertex: self.vertex }
    }
}

/// What an answer without success means.
pub(crate) fn read(asked: &Asked<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
    let said = Said::read(body);
    let after = Waits::new(head, None).asked().or(said.retry_after);
    judge(asked, Some(status), &said, after, should_retry(head))
}

/// What an error inside an answer means, whose status was that of a success: an `error` object.
pub(crate) fn inside(asked: &Asked<'_>, error: &str) -> Fault {
    let said = Said::read(error.as_bytes());
    let status = said.code.and_then(|status| StatusCode::from_u16(status).ok());
    judge(asked, status, &said, said.retry_after, None)
}

/// Sorts of errors, by what is to be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    TooLong,
    NoRoom(overflow::NoRoom),
    /// More output was asked for than the model gives; upon our text Claude Code asks for less.
    AnswerTooLong {
        asked: u64,
        most: u64,
    },
    Unwanted(Feature),
    Key,
    Money,
    Disabled,
    Place,
    Permission,
    NoModel,
    TooLarge,
    Today,
    RateLimit,
    Cancelled,
    Overloaded,
    Timeout,
    Failed,
    Nonsense,
    Invalid,
}

fn judge(
    asked: &Asked<'_>,
    status: Option<StatusCode>,
    said: &Said,
    after: Option<Duration>,
    should_retry: Option<bool>,
) -> Fault {
    let FaultCx { provider, model, .. } = asked.cx;
    let words = &said.words;
    let answered = status.map(|status| match status.canonical_reason() {
        Some(reason) => format!("{provider} answered {} {reason}", status.as_u16()),
        None => format!("{provider} answered {}", status.as_u16()),
    });
    let quoted = match (answered, words.is_empty()) {
        (Some(answered), true) => format!("{answered} with an empty body"),
        (Some(answered), false) => format!("{answered}: {words}"),
        (None, true) => format!("{provider} reported an error without a text"),
        (None, false) => format!("{provider} failed: {words}"),
    };
    let plain = |kind| with_status(ApiError::new(kind, quoted.clone()), kind, status);
    let told = |kind, text: String| with_status(ApiError::new(kind, text), kind, status);
    let waiting = |error: ApiError| match after {
        Some(after) => error.with_retry_after(after),
        None => error,
    };
    let again = after.map_or(Remedy::Same, Remedy::After);
    let sort = sort(status, said);
    // A quota of the day may be that of one model.
    let account =
        matches!(sort, Sort::Money | Sort::Disabled) || (sort == Sort::Today && !said.per_model);
    let (error, remedy) = match sort {
        Sort::TooLong => {
            (ApiError::new(ErrorKind::InvalidRequest, too_long(asked, said)), Remedy::Larger)
        }
        Sort::NoRoom(no_room) => {
            let text = format!("{} ({quoted})", no_room.render());
            (ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Final)
        }
        Sort::AnswerTooLong { asked, most } => {
            let text = format!(
                "max_tokens: {asked} > {most}, which is the maximum allowed number of output tokens \
                 for {model} ({quoted})"
            );
            (ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Final)
        }
        Sort::Unwanted(feature) => {
            (plain(ErrorKind::InvalidRequest).with_should_retry(false), Remedy::Without(feature))
        }
        Sort::Key => {
            let text = format!("{provider} refused the key that the gateway has for it ({quoted})");
            let error = ApiError::new(ErrorKind::Authentication, text);
            (error.with_should_retry(false), Remedy::NextKey)
        }
        Sort::Money => {
            let text = format!(
                "{provider} wants billing to be set up for the project of this key; do that in the \
                 Google Cloud console ({quoted})"
            );
            (ApiError::new(ErrorKind::Billing, text).with_should_retry(false), Remedy::UNPAID)
        }
        Sort::Disabled => {
            let name = said.service.as_deref().unwrap_or(if asked.vertex {
                "aiplatform.googleapis.com"
            } else {
                "generativelanguage.googleapis.com"
            });
            let text = format!(
                "{provider}: the API {name} is not enabled for the project of this key; enable it \
                 in the Google Cloud console and wait some minutes ({quoted})"
            );
            (told(ErrorKind::Permission, text).with_should_retry(false), Remedy::UNPAID)
        }
        Sort::Place => {
            let text = format!(
                "{provider} does not serve the place this gateway asks from; use Vertex AI in a \
                 region of your own, or another provider ({quoted})"
            );
            (
                ApiError::new(ErrorKind::Permission, text).with_should_retry(false),
                Remedy::NextProvider,
            )
        }
        Sort::Permission => {
            let hint = if asked.vertex {
                "; the account needs the role Vertex AI User in this project"
            } else {
                ""
            };
            let text = format!("{quoted}{hint}");
            (told(ErrorKind::Permission, text).with_should_retry(false), Remedy::NextProvider)
        }
        Sort::NoModel => {
            let hint = if asked.vertex {
                "check the name and the location: the newest models are served in `global`, `us` \
                 and `eu` only"
            } else {
                "check the name, and that the base URL ends in a version such as /v1beta"
            };
            let text = format!("{provider} has no model `{model}` here; {hint} ({quoted})");
            (told(ErrorKind::NotFound, text), Remedy::NextProvider)
        }
        Sort::TooLarge => (plain(ErrorKind::TooLarge), Remedy::Final),
        Sort::Today => {
            let text = format!("the daily quota at {provider} is used up ({quoted})");
            let error = ApiError::new(ErrorKind::RateLimited, text);
            (error.with_should_retry(false), Remedy::TOMORROW)
        }
        Sort::RateLimit => (waiting(ApiError::new(ErrorKind::RateLimited, quoted.clone())), again),
        Sort::Cancelled => (plain(ErrorKind::UpstreamFailed), Remedy::Same),
        Sort::Overloaded => {
            (waiting(ApiError::new(ErrorKind::UpstreamOverloaded, quoted.clone())), again)
        }
        Sort::Timeout => (ApiError::new(ErrorKind::Timeout, quoted.clone()), Remedy::Same),
        Sort::Failed => (waiting(plain(ErrorKind::UpstreamFailed)), again),
        Sort::Nonsense => {
            let text = format!("{quoted}; check the provider's base URL");
            (ApiError::new(ErrorKind::BadGateway, text), Remedy::NextProvider)
        }
        Sort::Invalid => (plain(ErrorKind::InvalidRequest).with_should_retry(false), Remedy::Final),
    };
    Fault::new(error, remedy).of_account(account).heeding(should_retry)
}

fn sort(status: Option<StatusCode>, said: &Said) -> Sort {
    let code = status.map(|status| status.as_u16());
    if !matches!(code, Some(401..=404 | 408 | 429)) && !said.is("RESOURCE_EXHAUSTED") {
        if let Some(no_room) = overflow::no_room(&said.words) {
            return Sort::NoRoom(no_room);
        }
        if overflow::parse(&said.words).is_some() {
            return Sort::TooLong;
        }
    }
    let billing = ["billing to be enabled", "enable billing", "billing account", "billing is"];
    if said.because("BILLING_DISABLED") || (code == Some(403) && said.mentions(&billing)) {
        return Sort::Money;
    }
    let keys = ["API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_MISSING", "CREDENTIALS_MISSING"];
    if keys.iter().any(|key| said.because(key))
        || said.mentions(&["api key not valid", "api key expired", "api key not found"])
        || (code == Some(403)
            && said.mentions(&["unregistered callers", "without established identity"]))
    {
        return Sort::Key;
    }
    if said.because("SERVICE_DISABLED") || said.mentions(&["it is disabled. enable it"]) {
        return Sort::Disabled;
    }
    if said.mentions(&["location is not supported", "not available in your country"]) {
        return Sort::Place;
    }
    if matches!(code, None | Some(400 | 422)) {
        if said.mentions(&["payload size exceeds"]) {
            return Sort::TooLarge;
        }
        if let Some((asked, most)) = answer_limit(said) {
            return Sort::AnswerTooLong { asked, most };
        }
        if let Some(feature) = unwanted(said) {
            return Sort::Unwanted(feature);
        }
    }
    if said.per_day {
        return Sort::Today;
    }
    // The words of the two vendors whose models Google serves, before the numbers.
    let by_word = [
        ("UNAUTHENTICATED", Sort::Key),
        ("authentication_error", Sort::Key),
        ("PERMISSION_DENIED", Sort::Permission),
        ("permission_error", Sort::Permission),
        ("billing_error", Sort::Money),
        ("NOT_FOUND", Sort::NoModel),
        ("not_found_error", Sort::NoModel),
        ("RESOURCE_EXHAUSTED", Sort::RateLimit),
        ("rate_limit_error", Sort::RateLimit),
        ("request_too_large", Sort::TooLarge),
        ("UNAVAILABLE", Sort::Overloaded),
        ("overloaded_error", Sort::Overloaded),
        ("DEADLINE_EXCEEDED", Sort::Timeout),
        ("timeout_error", Sort::Timeout),
        ("CANCELLED", Sort::Cancelled),
        ("INTERNAL", Sort::Failed),
        ("api_error", Sort::Failed),
        ("INVALID_ARGUMENT", Sort::Invalid),
        ("invalid_request_error", Sort::Invalid),
        ("OUT_OF_RANGE", Sort::Invalid),
    ];
    if let Some((_, sort)) = by_word.iter().find(|(word, _)| said.is(word)) {
        return *sort;
    }
    if said.is("FAILED_PRECONDITION") {
        return Sort::Permission;
    }
    match code {
        Some(401) => Sort::Key,
        Some(402) => Sort::Money,
        Some(403) => Sort::Permission,
        Some(404) => Sort::NoModel,
        Some(408 | 504) => Sort::Timeout,
        Some(413) => Sort::TooLarge,
        Some(429) => Sort::RateLimit,
        Some(499) => Sort::Cancelled,
        Some(503 | 529) => Sort::Overloaded,
        Some(400..=499) => Sort::Invalid,
        Some(500..) | None => Sort::Failed,
        Some(_) => Sort::Nonsense,
    }
}

/// The output asked for and the most there is, where that is what the text is about.
fn answer_limit(said: &Said) -> Option<(u64, u64)> {
    if !said.mentions(&["maxoutputtokens", "max_output_tokens"]) {
        return None;
    }
    let exclusive = said.number_after("(inclusive) to ").and_then(|n| n.checked_sub(1));
    let most = exclusive.or_else(|| said.number_after("in the range [1, "))?;
    let asked = said.number_after("maxoutputtokens value of ").unwrap_or(0);
    (most > 0).then(|| (asked.max(most.saturating_add(1)), most))
}

/// What the text of a 400 says the request should have been without.
fn unwanted(said: &Said) -> Option<Feature> {
    let signature = said.mentions(&["thought_signature", "thought signature", "thoughtsignature"]);
    if signature && said.mentions(&["missing", "corrupted", "not valid", "invalid", "unable to"]) {
        return Some(Feature::ReasoningState);
    }
    let refused = [
        (&["thinking level", "thinking_level"][..], Feature::Value(field::LEVEL)),
        (&["thinking budget", "thinking_budget"], Feature::Value(field::BUDGET)),
        (&["include_thoughts"], Feature::Field(field::THINKING)),
        (
            &[
                "tool use with function calling",
                "multiple tools are supported only",
                "server_side_tool",
            ],
            Feature::Field(field::MIXED),
        ),
        (&["multimodal function response"], Feature::Field(field::RESULT_PARTS)),
        (&["function calling with a response mime type"], Feature::Field(field::FORMAT)),
    ];
    let not = ["not supported", "unsupported", "invalid", "only", "does not support", "please"];
    if let Some((_, feature)) = refused.iter().find(|(words, _)| said.mentions(words))
        && said.mentions(&not)
    {
        return Some(*feature);
    }
    // Of several fields that are unknown the first is left out; the next answer names the next.
    let name = said.unknown_name()?;
    let known = field::ALL.iter().find(|known| name_is(&name, known))?;
    Some(Feature::Field(known))
}

/// Errors write a field's name as it came or with underscores.
fn name_is(said: &str, known: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    plain(said) == plain(known)
}

/// Keeps the upstream's status where the kind has another of the same sort (R29).
fn with_status(error: ApiError, kind: ErrorKind, status: Option<StatusCode>) -> ApiError {
    match status {
        Some(status)
            if status != kind.status()
                && (status.is_client_error() || status.is_server_error())
                && status.is_client_error() == kind.status().is_client_error() =>
        {
            error.with_status(status)
        }
        _ => error,
    }
}

/// The text upon which Claude Code compacts its conversation.
fn too_long(asked: &Asked<'_>, said: &Said) -> String {
    let told = overflow::parse(&said.words).unwrap_or_default();
    let tokens = told.tokens.unwrap_or(asked.cx.prompt_estimate);
    let limit = told.limit.or(asked.limit);
    // Without a known limit it is at least below what was refused.
    let limit = limit.unwrap_or_else(|| tokens.saturating_sub(1));
    format!("{} ({}: {})", overflow::render(tokens, limit), asked.cx.provider, said.words)
}

#[cfg(test)]
mod tests;
