//! What an OpenAI-shaped server's error means, and how the caller is told.
//!
//! Servers word errors in many shapes: OpenAI's, Azure's, OpenRouter's, `FastAPI`'s, a bare text, a page
//! of HTML. [`said`] finds the words, this module judges them: by code first, by text where there is
//! none, by status last.

mod said;
mod words;

use std::time::Duration;

use gateway_models::overflow;
use gateway_translate::{FaultCx, Waits, should_retry};
use gateway_types::{ApiError, ErrorKind, Fault, Feature, Remedy};
use http::{HeaderMap, StatusCode};

use said::Said;
use words::{
    INVALID, KEY, KEY_TEXT, MONEY, MONEY_TEXT, NO_MODEL, OVERLOADED, OVERLOADED_TEXT, PERMISSION,
    POLICY, RATE, REASONING, REASONING_TEXT, TIMEOUT,
};

/// What an answer without success means. `limit` is the model's longest prompt, if it is known.
pub(crate) fn read(
    cx: &FaultCx<'_>,
    limit: Option<u64>,
    status: StatusCode,
    head: &HeaderMap,
    body: &[u8],
) -> Fault {
    let said = Said::read(body);
    let waits = Waits::new(head, None);
    // Its limits are told with every answer; they are why only where the answer is that of a limit.
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    let reset = || limited.then(|| waits.reset()).flatten();
    let after = waits.asked().or(said.retry_after).or_else(reset);
    judge(cx, limit, Some(status), &said, after, should_retry(head))
}

/// What an error inside an answer means, whose status was that of a success: an `error` object or
/// an event that holds one, as JSON. `limit`: the model's longest prompt, in tokens.
pub(crate) fn from_error_object(cx: &FaultCx<'_>, limit: Option<u64>, error: &str) -> Fault {
    let said = Said::read(error.as_bytes());
    // OpenRouter and others put the status they would have answered with into the object.
    let status = said.status.and_then(|status| StatusCode::from_u16(status).ok());
    judge(cx, limit, status, &said, said.retry_after, None)
}

fn judge(
    cx: &FaultCx<'_>,
    limit: Option<u64>,
    status: Option<StatusCode>,
    said: &Said,
    after: Option<Duration>,
    should_retry: Option<bool>,
) -> Fault {
    let sort = sort(status, said);
    let provider = cx.provider;
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
    let waiting = |error: ApiError| match after {
        Some(after) => error.with_retry_after(after),
        None => error,
    };
    let again = after.map_or(Remedy::Same, Remedy::After);
    // There may be too little left for this request, and enough for others.
    let of_request = words.contains("fewer max_tokens");
    let account = matches!(sort, Sort::Money) && !of_request;
    let (error, remedy) = match sort {
        Sort::TooLong => {
            let text = too_long(cx, limit, said);
            (ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Larger)
        }
        Sort::NoRoom(no_room) => {
            let text = format!("{} ({quoted})", no_room.render());
            (ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Final)
        }
        Sort::AnswerTooLong { asked, most } => {
            let model = cx.model;
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
            // The same status as the upstream's where it is one of these two.
            let limited = status == Some(StatusCode::TOO_MANY_REQUESTS);
            let kind = if limited { ErrorKind::SpendLimit } else { ErrorKind::Billing };
            let error = ApiError::new(kind, quoted.clone());
            let rest = after.map_or(Remedy::UNPAID, Remedy::After);
            let remedy = if of_request { Remedy::NextProvider } else { rest };
            (error.with_should_retry(false), remedy)
        }
        Sort::Policy => {
            let error = ApiError::new(ErrorKind::PolicyBlocked, quoted.clone());
            (error.with_should_retry(false), Remedy::Final)
        }
        // Of a place, a network or a model: the key may be as good as any.
        Sort::Permission => (plain(ErrorKind::Permission), Remedy::NextProvider),
        Sort::NoModel => (ApiError::new(ErrorKind::NotFound, quoted.clone()), Remedy::NextProvider),
        Sort::NotFound => (plain(ErrorKind::NotFound), Remedy::NextProvider),
        Sort::TooLarge => (plain(ErrorKind::TooLarge), Remedy::Final),
        Sort::Conflict => (waiting(plain(ErrorKind::Conflict)), again),
        Sort::NeverFits(kind) => (plain(kind).with_should_retry(false), Remedy::NextProvider),
        Sort::RateLimit => (waiting(ApiError::new(ErrorKind::RateLimited, quoted.clone())), again),
        Sort::Overloaded => {
            (waiting(ApiError::new(ErrorKind::UpstreamOverloaded, quoted.clone())), again)
        }
        Sort::Timeout => (ApiError::new(ErrorKind::Timeout, quoted.clone()), Remedy::Same),
        Sort::Failed => (waiting(plain(ErrorKind::UpstreamFailed)), again),
        // A redirect or another answer that no API gives: most likely the address is wrong.
        Sort::Nonsense => {
            let text = format!("{quoted}; check the provider's base URL");
            (ApiError::new(ErrorKind::BadGateway, text), Remedy::NextProvider)
        }
        Sort::Invalid => {
            // Asking again is vain: what is left out then, an upstream of another dialect does not
            // even see. The SDKs heed it; Claude Code asks five times more all the same.
            (plain(ErrorKind::InvalidRequest).with_should_retry(false), Remedy::Final)
        }
    };
    Fault::new(error, remedy).of_account(account).heeding(should_retry)
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
fn too_long(cx: &FaultCx<'_>, limit: Option<u64>, said: &Said) -> String {
    let told = overflow::parse(&said.all).unwrap_or_default();
    let tokens = told.tokens.unwrap_or(cx.prompt_estimate);
    let limit = told.limit.or(limit);
    // Without a known limit it is at least below what was refused.
    let limit = limit.unwrap_or_else(|| tokens.saturating_sub(1));
    format!("{} ({}: {})", overflow::render(tokens, limit), cx.provider, said.words)
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
    /// Something the request can do without.
    Unwanted(Feature),
    Key,
    Money,
    Policy,
    Permission,
    NoModel,
    NotFound,
    TooLarge,
    Conflict,
    /// One request is more than the limit of a minute: it will be so in the next one.
    NeverFits(ErrorKind),
    RateLimit,
    Overloaded,
    Timeout,
    Failed,
    Nonsense,
    Invalid,
}

fn sort(status: Option<StatusCode>, said: &Said) -> Sort {
    let code = status.map(|status| status.as_u16());
    // A limit of rate or of rights speaks of tokens and windows, too.
    if !matches!(code, Some(401..=404 | 408 | 429)) && !said.is(RATE) {
        if let Some(no_room) = overflow::no_room(&said.all) {
            return Sort::NoRoom(no_room);
        }
        if overflow::parse(&said.all).is_some() {
            return Sort::TooLong;
        }
    }
    if let Some((asked, most)) =
        answer_limit(said).filter(|_| matches!(code, None | Some(400 | 422)))
    {
        return Sort::AnswerTooLong { asked, most };
    }
    if said.is(REASONING) || said.mentions(REASONING_TEXT) {
        // A model that has none must not be asked for it; any other refuses what we sent.
        let none = said.mentions(&["encrypted content is not supported"]);
        let feature = if none { Feature::Field("include") } else { Feature::ReasoningState };
        return Sort::Unwanted(feature);
    }
    if said.is(MONEY) || (said.mentions(MONEY_TEXT) && !said.is(&["resource_exhausted"])) {
        return Sort::Money;
    }
    if said.is(POLICY) {
        return Sort::Policy;
    }
    if said.is(KEY) || (matches!(code, Some(400 | 403)) && said.mentions(KEY_TEXT)) {
        return Sort::Key;
    }
    if said.mentions(&["request too large for"]) {
        let whole = code == Some(413);
        return Sort::NeverFits(if whole { ErrorKind::TooLarge } else { ErrorKind::RateLimited });
    }
    if said.is(NO_MODEL) {
        return Sort::NoModel;
    }
    if said.is(OVERLOADED) || (code.is_none_or(|c| c >= 500) && said.mentions(OVERLOADED_TEXT)) {
        return Sort::Overloaded;
    }
    match code {
        Some(401) => Sort::Key,
        Some(402) => Sort::Money,
        Some(403) => Sort::Permission,
        Some(404) => Sort::NotFound,
        Some(408 | 504) => Sort::Timeout,
        Some(409) => Sort::Conflict,
        Some(413) => Sort::TooLarge,
        Some(429) => Sort::RateLimit,
        Some(503 | 529) => Sort::Overloaded,
        Some(400..=499) => Sort::Invalid,
        Some(500..) => Sort::Failed,
        Some(_) => Sort::Nonsense,
        None if said.is(RATE) => Sort::RateLimit,
        None if said.is(PERMISSION) => Sort::Permission,
        None if said.is(TIMEOUT) => Sort::Timeout,
        None if said.is(INVALID) => Sort::Invalid,
        None => Sort::Failed,
    }
}

/// The output asked for and the most there is, where that is what the text is about.
fn answer_limit(said: &Said) -> Option<(u64, u64)> {
    const FIELDS: &[&str] = &["max_tokens", "max_output_tokens", "max_completion_tokens"];
    if !said.mentions(FIELDS) {
        return None;
    }
    let after = |markers: &[&str]| markers.iter().find_map(|marker| said.number_after(marker));
    let most = after(&[
        "supports at most ",
        "expected a value <= ",
        "valid range of max_tokens is [1, ",
        "must be less than or equal to ",
    ])?;
    let asked = after(&["is too large: ", "but got ", "you provided "]).unwrap_or(0);
    (most > 0).then(|| (asked.max(most.saturating_add(1)), most))
}

#[cfg(test)]
mod tests;
