//! What Bedrock's errors mean, and how the caller is told.
//!
//! An error is known by its type: in a header of the answer, in its body, or in an exception within a
//! stream. The type says who is to blame; for `ValidationException` and `AccessDeniedException`, which say
//! little, the text does.

mod advice;
mod refused;
mod said;

use gateway_models::overflow;
use gateway_translate::{FaultCx, Waits, should_retry};
use gateway_types::{ApiError, ErrorKind, Fault, Remedy};
use http::{HeaderMap, StatusCode};

pub(crate) use refused::fate;
use said::Said;

/// Whose answer it is.
#[derive(Debug, Clone)]
pub(crate) struct Whose {
    pub provider: String,
    pub model: String,
    pub region: String,
    pub prompt_estimate: u64,
    /// The model's longest prompt in tokens, if it is known.
    pub prompt_limit: Option<u64>,
}

impl Whose {
    pub(crate) fn new(cx: &FaultCx<'_>, region: &str, prompt_limit: Option<u64>) -> Self {
        Self {
            provider: cx.provider.to_owned(),
            model: cx.model.to_owned(),
            region: region.to_owned(),
            prompt_estimate: cx.prompt_estimate,
            prompt_limit,
        }
    }

    /// What an answer without success means.
    pub(crate) fn http(&self, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
        let header = head.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let mut fault = self.judge(Some(status), &Said::read(header, body));
        if let (Remedy::Same, Some(after)) = (fault.remedy, Waits::new(head, None).asked()) {
            fault.error = fault.error.with_retry_after(after);
            fault.remedy = Remedy::After(after);
        }
        fault.heeding(should_retry(head))
    }

    /// What an exception within a stream, or an error in the body of a success, means.
    pub(crate) fn exception(&self, kind: &str, payload: &[u8]) -> Fault {
        self.judge(None, &Said::read(Some(kind), payload))
    }

    /// What an error within a stream that the service did not describe means.
    pub(crate) fn error(&self, code: &str, message: &str) -> Fault {
        self.judge(None, &Said::read(Some(code), message.as_bytes()))
    }

    /// An answer that the dialect does not allow.
    pub(crate) fn nonsense(&self, what: &str) -> Fault {
        let text = format!("{} sent {what}", self.provider);
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::NextProvider)
    }

    /// An answer that is not whole. `heard`: anything at all has come.
    pub(crate) fn broken_off(&self, heard: bool) -> Fault {
        let provider = &self.provider;
        let text = if heard {
            format!("the answer of {provider} broke off before its end")
        } else {
            format!("{provider} sent an empty answer")
        };
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::Same)
    }

    fn judge(&self, status: Option<StatusCode>, said: &Said) -> Fault {
        let provider = &self.provider;
        let words = &said.words;
        let answered = status.map(|status| match status.canonical_reason() {
            Some(reason) => format!("{provider} answered {} {reason}", status.as_u16()),
            None => format!("{provider} answered {}", status.as_u16()),
        });
        let quoted = match (answered, words.is_empty()) {
            (Some(answered), true) if said.kind.is_empty() => {
                format!("{answered} with an empty body")
            }
            (Some(answered), true) => format!("{answered}: {}", said.kind),
            (Some(answered), false) => format!("{answered}: {words}"),
            (None, true) => {
                format!("{provider} failed: {}", said.kind_or("an error without a text"))
            }
            (None, false) => format!("{provider} failed: {words}"),
        };
        let plain = |kind| with_status(ApiError::new(kind, quoted.clone()), kind, status);
        let told = |kind, text: String| ApiError::new(kind, text).with_should_retry(false);
        match sort(status, said) {
            Sort::TooLong => {
                let told = overflow::parse(&said.all).unwrap_or_default();
                let tokens = told.tokens.unwrap_or(self.prompt_estimate);
                let limit = told.limit.or(self.prompt_limit);
                // Without a known limit it is at least below what was refused.
                let limit = limit.unwrap_or_else(|| tokens.saturating_sub(1));
                let text = format!("{} ({provider}: {words})", overflow::render(tokens, limit));
                Fault::new(ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Larger)
            }
            Sort::NoRoom(no_room) => {
                let text = format!("{} ({quoted})", no_room.render());
                Fault::new(ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Final)
            }
            Sort::AnswerTooLong { asked, most } => {
                let model = &self.model;
                let text = format!(
                    "max_tokens: {asked} > {most}, which is the maximum allowed number of output \
                     tokens for {model} ({quoted})"
                );
                Fault::new(ApiError::new(ErrorKind::InvalidRequest, text), Remedy::Final)
            }
            Sort::Unwanted(feature) => {
                let error = plain(ErrorKind::InvalidRequest).with_should_retry(false);
                Fault::new(error, Remedy::Without(feature))
            }
            Sort::OnDemand => {
                // As for a model that does not exist: Claude Code asks again and again upon a 400.
                let text = advice::on_demand(self, &quoted);
                Fault::new(told(ErrorKind::NotFound, text), Remedy::NextProvider)
            }
            Sort::NoModel => {
                let text = advice::no_model(self, &quoted);
                Fault::new(ApiError::new(ErrorKind::NotFound, text), Remedy::NextProvider)
            }
            Sort::Credentials => {
                let text = advice::credentials(self, said, &quoted);
                Fault::new(told(ErrorKind::Authentication, text), Remedy::NextKey)
            }
            Sort::Access => {
                let text = advice::access(self, said, &quoted);
                let error = ApiError::new(ErrorKind::Permission, text);
                Fault::new(with_status(error, ErrorKind::Permission, status), Remedy::NextProvider)
            }
            Sort::Policy => Fault::new(told(ErrorKind::PolicyBlocked, quoted), Remedy::Final),
            // Of this model: each has its own.
            Sort::Daily => Fault::new(told(ErrorKind::RateLimited, quoted), Remedy::TOMORROW),
            Sort::Quota => {
                let error = ApiError::new(ErrorKind::RateLimited, quoted);
                Fault::new(error, Remedy::UNPAID).of_account(true)
            }
            Sort::Throttled => {
                Fault::new(ApiError::new(ErrorKind::RateLimited, quoted), Remedy::Same)
            }
            Sort::Overloaded => {
                Fault::new(ApiError::new(ErrorKind::UpstreamOverloaded, quoted), Remedy::Same)
            }
            Sort::Timeout => Fault::new(ApiError::new(ErrorKind::Timeout, quoted), Remedy::Same),
            Sort::Failed => {
                Fault::new(ApiError::new(ErrorKind::UpstreamFailed, quoted), Remedy::Same)
            }
            Sort::Model => {
                Fault::new(ApiError::new(ErrorKind::UpstreamFailed, quoted), Remedy::NextProvider)
            }
            Sort::TooLarge => Fault::new(plain(ErrorKind::TooLarge), Remedy::Final),
            Sort::Invalid => {
                let error = plain(ErrorKind::InvalidRequest).with_should_retry(false);
                Fault::new(error, Remedy::Final)
            }
            Sort::Nonsense => {
                let text = format!("{quoted}; check the provider's base URL and region");
                Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::NextProvider)
            }
        }
    }
}

/// Keeps the upstream's status where the kind has another of the same sort (R29).
fn with_status(error: ApiError, kind: ErrorKind, status: Option<StatusCode>) -> ApiError {
    match status {
        Some(status)
            if status != kind.status()
                && status.is_client_error()
                && kind.status().is_client_error() =>
        {
            error.with_status(status)
        }
        _ => error,
    }
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
    Unwanted(gateway_types::Feature),
    /// The model is served through inference profiles only.
    OnDemand,
    NoModel,
    Credentials,
    Access,
    Policy,
    /// A quota that comes back tomorrow.
    Daily,
    Quota,
    Throttled,
    Overloaded,
    Timeout,
    Failed,
    /// The model failed at this very request.
    Model,
    TooLarge,
    Invalid,
    Nonsense,
}

fn sort(status: Option<StatusCode>, said: &Said) -> Sort {
    let code = status.map(|status| status.as_u16());
    match &*said.kind.to_ascii_lowercase() {
        "throttlingexception" | "throttling" | "toomanyrequestsexception" => throttled(said),
        "servicequotaexceededexception" => Sort::Quota,
        "accessdeniedexception" | "accessdenied" => denied(said),
        "unrecognizedclientexception"
        | "invalidsignatureexception"
        | "incompletesignatureexception"
        | "incompletesignature"
        | "missingauthenticationtokenexception"
        | "missingauthenticationtoken"
        | "signaturedoesnotmatch"
        | "invalidclienttokenid"
        | "invalidclienttokenidexception"
        | "requestexpired"
        | "expiredtoken"
        | "expiredtokenexception" => Sort::Credentials,
        "resourcenotfoundexception" | "unknownoperationexception" => Sort::NoModel,
        "modeltimeoutexception" => Sort::Timeout,
        "modelnotreadyexception" | "serviceunavailableexception" | "serviceunavailable" => {
            Sort::Overloaded
        }
        "modelerrorexception" | "modelstreamerrorexception" => model_failed(said),
        "internalserverexception" | "internalfailure" | "internalservererror" => {
            inner(said).unwrap_or(Sort::Failed)
        }
        "validationexception" | "serializationexception" => invalid(said),
        _ => match code {
            Some(401) => Sort::Credentials,
            Some(403) => denied(said),
            Some(404) => Sort::NoModel,
            Some(408 | 504) => Sort::Timeout,
            Some(413) => Sort::TooLarge,
            Some(429) => throttled(said),
            Some(503 | 529) => Sort::Overloaded,
            Some(400..=499) => invalid(said),
            Some(0..=399) => Sort::Nonsense,
            _ => inner(said).unwrap_or(Sort::Failed),
        },
    }
}

fn throttled(said: &Said) -> Sort {
    if said.mentions(&["tokens per day", "requests per day"]) {
        Sort::Daily
    } else {
        Sort::Throttled
    }
}

fn denied(said: &Said) -> Sort {
    if said.mentions(&["prompt caching"]) {
        return Sort::Unwanted(refused::CACHE);
    }
    let key = &["api key", "security token", "authentication failed", "bearer token", "signature"];
    if said.mentions(key) { Sort::Credentials } else { Sort::Access }
}

/// The model's own failure: what its own status says counts.
fn model_failed(said: &Said) -> Sort {
    if let Some(sort) = inner(said) {
        return sort;
    }
    match said.original_status {
        Some(429) => Sort::Throttled,
        Some(408 | 504) => Sort::Timeout,
        Some(503 | 529) => Sort::Overloaded,
        Some(400..=499) => match invalid(said) {
            // It was asked in this way by Bedrock: nothing to be changed here.
            Sort::Invalid => Sort::Model,
            other => other,
        },
        _ => Sort::Failed,
    }
}

/// What an error in Anthropic's shape says that the message holds.
fn inner(said: &Said) -> Option<Sort> {
    Some(match said.inner.as_deref()? {
        "rate_limit_error" => Sort::Throttled,
        "overloaded_error" => Sort::Overloaded,
        "timeout_error" => Sort::Timeout,
        "invalid_request_error" => invalid(said),
        "request_too_large" => Sort::TooLarge,
        "api_error" => Sort::Failed,
        _ => return None,
    })
}

fn invalid(said: &Said) -> Sort {
    if let Some(no_room) = overflow::no_room(&said.all) {
        return Sort::NoRoom(no_room);
    }
    if overflow::parse(&said.all).is_some() || said.mentions(&["too many total text bytes"]) {
        return Sort::TooLong;
    }
    if said.mentions(&[
        "on-demand throughput isn't supported",
        "with the id or arn of an inference profile",
    ]) {
        return Sort::OnDemand;
    }
    if said.mentions(&["model identifier is invalid", "model id is invalid"]) {
        return Sort::NoModel;
    }
    if said.mentions(&["signature expired", "signature not yet current", "security token"]) {
        return Sort::Credentials;
    }
    if said.mentions(&["content filtering policy", "content management policy", "blocked by our"]) {
        return Sort::Policy;
    }
    if let Some(most) = said.number_after("exceeds the model limit of ") {
        return Sort::AnswerTooLong { asked: most.saturating_add(1), most };
    }
    if said.mentions(&["maximum allowed number of output tokens"])
        && let Some(asked) = said.number_after("max_tokens: ")
        && let Some(most) = said.number_after(&format!("max_tokens: {asked} > "))
    {
        return Sort::AnswerTooLong { asked, most };
    }
    refused::feature(said).map_or(Sort::Invalid, Sort::Unwanted)
}

#[cfg(test)]
mod tests;
