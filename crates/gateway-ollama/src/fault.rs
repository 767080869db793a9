//! What Ollama's errors mean, and what is to be done about them.

use gateway_models::overflow;
use gateway_translate::{FaultCx, Waits};
use gateway_types::{ApiError, ErrorKind, Fault, Feature, Remedy};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// How much of an upstream's text is quoted, in characters.
const QUOTED: usize = 1000;

/// What an error answer means. `status` is `None` for an error amid an answer; `window`: the tokens that
/// the model is loaded with.
pub(crate) fn read(
    cx: &FaultCx<'_>,
    window: u64,
    status: Option<StatusCode>,
    head: &HeaderMap,
    body: &[u8],
) -> Fault {
    let words = words(body);
    let lower = words.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let code = status.map(|status| status.as_u16());
    let (provider, model) = (cx.provider, cx.model);
    let quoted = match (status, words.is_empty()) {
        (Some(status), true) => format!("{provider} answered {status} with an empty body"),
        (Some(status), false) => format!("{provider} answered {status}: {words}"),
        (None, _) => format!("{provider} failed: {words}"),
    };
    let fault = |kind: ErrorKind, text: String, remedy: Remedy| {
        let error = ApiError::new(kind, text);
        let vain =
            matches!(remedy, Remedy::Final | Remedy::Larger | Remedy::NextKey | Remedy::Without(_));
        Fault::new(if vain { error.with_should_retry(false) } else { error }, remedy)
    };
    if let Some(told) = overflow::parse(&words) {
        let tokens = told.tokens.unwrap_or(cx.prompt_estimate);
        let told = overflow::render(tokens, told.limit.unwrap_or(window));
        let text = format!("{told} (`extra.num_ctx` of the provider sets the window; {quoted})");
        return fault(ErrorKind::InvalidRequest, text, Remedy::Larger);
    }
    for (phrases, feature) in [
        (&["does not support tools"][..], Feature::Field("tools")),
        (&["does not support thinking", "thinking is not supported"], Feature::Field("think")),
        (&["invalid think value"], Feature::Value("think")),
    ] {
        if says(phrases) {
            return fault(ErrorKind::InvalidRequest, quoted, Remedy::Without(feature));
        }
    }
    if says(&["try pulling it first"])
        || (says(&["model"]) && says(&["not found"]) && matches!(code, None | Some(404)))
    {
        let text = format!(
            "{provider} does not have the model `{model}`: run `ollama pull {model}` there, or ask for one of `ollama list` \
             ({quoted})"
        );
        return fault(ErrorKind::NotFound, text, Remedy::NextProvider);
    }
    if says(&[
        "requires more system memory",
        "out of memory",
        "cudamalloc failed",
        "unable to allocate",
        "insufficient memory",
    ]) {
        let text = format!(
            "{provider} has not enough memory for `{model}` with a window of {window} tokens: set a smaller `extra.num_ctx`, or \
             use a smaller model ({quoted})"
        );
        return fault(ErrorKind::UpstreamFailed, text, Remedy::NextProvider);
    }
    if says(&["server busy", "maximum pending requests", "loading model", "server is loading"]) {
        return with_wait(ErrorKind::UpstreamOverloaded, quoted, head);
    }
    match code {
        Some(401) => {
            let text = format!(
                "{provider} asks for a key: models of its cloud need `ollama signin` on its machine, or a key of ollama.com \
                 ({quoted})"
            );
            fault(ErrorKind::Authentication, text, Remedy::NextKey)
        }
        Some(402) => {
            let error = ApiError::new(ErrorKind::Billing, quoted).with_should_retry(false);
            Fault::new(error, Remedy::UNPAID).of_account(true)
        }
        // Some models of the cloud want a subscription.
        Some(403) => {
            let error = ApiError::new(ErrorKind::Permission, quoted).with_should_retry(false);
            Fault::new(error, Remedy::NextProvider)
        }
        Some(404 | 405) => {
            let text = format!(
                "{provider} does not know /api/chat: `api_base` must be Ollama's root, without /v1 or /api behind it \
                 (http://localhost:11434) ({quoted})"
            );
            fault(ErrorKind::NotFound, text, Remedy::NextProvider)
        }
        Some(408 | 504) => fault(ErrorKind::Timeout, quoted, Remedy::Same),
        Some(413) => fault(ErrorKind::TooLarge, quoted, Remedy::Final),
        Some(429) if says(&["usage limit"]) => {
            let limited = with_wait(ErrorKind::RateLimited, quoted, head);
            let told = limited.remedy != Remedy::Same;
            let remedy = if told { limited.remedy } else { Remedy::UNPAID };
            Fault::new(limited.error, remedy).of_account(true)
        }
        Some(429) => with_wait(ErrorKind::RateLimited, quoted, head),
        Some(503 | 529) => with_wait(ErrorKind::UpstreamOverloaded, quoted, head),
        Some(400..=499) => fault(ErrorKind::InvalidRequest, quoted, Remedy::Final),
        None | Some(500..) => fault(ErrorKind::UpstreamFailed, quoted, Remedy::Same),
        Some(_) => {
            let text = format!("{quoted}; check the provider's `api_base`");
            fault(ErrorKind::BadGateway, text, Remedy::NextProvider)
        }
    }
}

fn with_wait(kind: ErrorKind, text: String, head: &HeaderMap) -> Fault {
    let error = ApiError::new(kind, text);
    match Waits::new(head, None).asked() {
        Some(after) => Fault::new(error.with_retry_after(after), Remedy::After(after)),
        None => Fault::new(error, Remedy::Same),
    }
}

/// The words of an error body, on one line: `{"error": "…"}`, `{"error": {"message": "…"}}`, or a text.
fn words(body: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let text = match value.as_ref().map(|value| &value["error"]) {
        Some(Value::String(text)) => text.clone(),
        Some(error @ Value::Object(_)) => match error["message"].as_str() {
            Some(text) => text.to_owned(),
            None => error.to_string(),
        },
        _ => String::from_utf8_lossy(&body[..body.len().min(64 << 10)]).into_owned(),
    };
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
    {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    if let Some((cut, _)) = words.char_indices().nth(QUOTED) {
        words.truncate(cut);
        words.push('…');
    }
    words
}
