//! Attempts at upstreams that speak another dialect: the request translated, the reply read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_anthropic::Messages;
use gateway_anthropic::headers::betas;
use gateway_config::Kind;
use gateway_translate::{
    AttemptCx, BodyEnd, Egress, Encoded, FaultCx, Ingress as _, ReplyCx, Splice,
};
use gateway_types::{ApiError, ErrorKind, Fault, Feature, Losses, Remedy};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
    USER_AGENT,
};
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use crate::asked::{Asked, Draft, Until};
use crate::attempt::{self, Ask, Framing, Opened, Whole};
use crate::attempts::Counted;
use crate::authorized;
use crate::desk::Worker;
use crate::failure::{Failed, Refusal};
use crate::feed::{Feed, Source};
use crate::resume::Resume;
use crate::runtime::{Provider, UpstreamAuth, X_GATEWAY_HOP};
use crate::translation::Translation;
use crate::upbody::{Collected, UpBody, collect};

/// Writes a request for an upstream of another dialect, without what it was found to refuse. `about` is what
/// the upstream says of the model, where the dialect asks for it.
///
/// # Errors
/// What can't be said to this upstream, and what a strict caller will not have lost.
pub(crate) fn encode(
    worker: &Worker,
    draft: &Draft<'_>,
    about: Option<&[u8]>,
    without: &[Feature],
) -> Result<Encoded, ApiError> {
    let request = Messages.decode(&draft.body)?;
    let reply_id = reply_id(&draft.asked.id);
    let betas = betas(&draft.asked.headers);
    let cx = AttemptCx {
        endpoint: draft.asked.endpoint,
        model: draft.model,
        provider: &draft.provider.name,
        reply_id: &reply_id,
        without,
        betas: &betas,
        about,
        ..AttemptCx::new(&worker.runtime.keys)
    };
    let mut encoded = egress(draft.provider)?.encode(&request, &cx)?;
    encoded.losses.extend(&draft.losses);
    if draft.asked.strict {
        refuse_losses(&encoded.losses)?;
    }
    Ok(encoded)
}

fn ask(
    worker: &Worker,
    draft: &Draft<'_>,
    key: usize,
    encoded: &Encoded,
    body: Bytes,
) -> Result<Ask, ApiError> {
    let (asked, provider) = (draft.asked, draft.provider);
    let path = format!("{}{}", provider.base_path, encoded.path).parse().map_err(
        |err: http::uri::InvalidUri| {
            let text = format!("{}: the path can't be asked for", provider.name);
            ApiError::new(ErrorKind::Internal, text).with_source(err)
        },
    )?;
    let body_len = body.len() as u64;
    let stream = encoded.stream;
    Ok(Ask {
        provider: draft.index,
        endpoint: asked.endpoint,
        model: draft.model.to_owned(),
        streaming: stream,
        method: Method::POST,
        path,
        headers: headers_for(worker, provider, key, &asked.headers, &encoded.headers, stream),
        body: Splice::none(body),
        reserved: vec![crate::intake::reserve(&worker.runtime, body_len)?],
        rename: None,
        id: asked.id.clone(),
        framing: Framing::Events,
    })
}

fn translation(asked: &Asked, encoded: Encoded) -> Translation {
    let id = reply_id(&asked.id);
    let cx = ReplyCx { id: &id, model: &asked.model, stream: asked.streaming };
    Translation::new(encoded.reader, Messages.writer(&cx))
}

fn reply_id(exchange: &str) -> String {
    format!("msg_{}", exchange.strip_prefix("req_").unwrap_or(exchange))
}

fn egress(provider: &Provider) -> Result<&dyn Egress, ApiError> {
    provider.egress.as_deref().ok_or_else(|| {
        let text = format!("{} does not serve this", provider.name);
        ApiError::new(ErrorKind::Internal, text)
    })
}

/// The headers of a translated request: none of the caller's but what its credential may be.
pub(crate) fn headers_for(
    worker: &Worker,
    provider: &Provider,
    key: usize,
    caller: &HeaderMap,
    own: &HeaderMap,
    stream: bool,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = match (stream, provider.kind) {
        (false, _) => "application/json",
        (true, Kind::Bedrock) => "application/vnd.amazon.eventstream",
        (true, _) => "text/event-stream",
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in own {
        headers.insert(name.clone(), value.clone());
    }
    let agent = concat!("claude-code-model-gateway/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if provider.may_loop {
        for hop in attempt::hops(worker, caller) {
            headers.append(X_GATEWAY_HOP, hop);
        }
    }
    match &provider.auth {
        UpstreamAuth::Own(name, values) => {
            headers.insert(name.clone(), values[key].clone());
        }
        UpstreamAuth::Client => {
            let access = &worker.runtime.access;
            let bearer = caller.get_all(AUTHORIZATION).iter();
            let bearer = bearer.filter(|value| !access.is_client_key(&AUTHORIZATION, value));
            for value in bearer {
                headers.append(AUTHORIZATION, value.clone());
            }
        }
        // A cloud's is put on the finished request.
        UpstreamAuth::Cloud(_) | UpstreamAuth::None | UpstreamAuth::Missing(_) => {}
    }
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

/// Asks for a stream and waits until the caller's reply is bound to begin, so that until then the
/// answer can still be an honest status, or somebody else's.
pub(crate) async fn open(
    worker: &Arc<Worker>,
    draft: &Draft<'_>,
    key: usize,
    mut encoded: Encoded,
    sent: Bytes,
    until: Until,
) -> Result<Opened, Failed> {
    let provider = draft.provider;
    let ask = ask(worker, draft, key, &encoded, sent)?;
    let resume = resuming(worker, draft, &ask);
    let late = |until: Until| until.late(provider, "sent no event");
    let losses = std::mem::take(&mut encoded.losses);
    let asked = heads(worker, draft.model, encoded.prompt_estimate, ask);
    let heads = timeout_at(until.at, asked).await;
    let (head, mut body) = heads.map_err(|_| late(until))??;
    let events = attempt::is_event_stream(&head.headers);
    let mut translation = translation(draft.asked, encoded);
    let mut first = Vec::new();
    let mut heard = false;
    let ended = loop {
        // Comments say that the upstream lives, not that it has begun.
        let idle = provider.timeouts.idle;
        let wait = if heard {
            Until { at: Instant::now() + idle, limit: idle, full: true }
        } else {
            until
        };
        let next = timeout_at(wait.at, body.next()).await.map_err(|_| late(wait))?;
        let (bytes, ended) = match next {
            Some(Ok(chunk)) => {
                heard = heard || !events || holds_data(&chunk);
                (translation.push(&chunk), None)
            }
            None => (translation.finish(BodyEnd::Clean), Some(Ok(()))),
            Some(Err(err)) => (translation.finish(BodyEnd::Cut), Some(Err(err))),
        };
        if !bytes.is_empty() {
            first.push(bytes);
        }
        if translation.phase() >= gateway_anthropic::Phase::InBlocks {
            // Whatever is wrong by now comes to light in the stream.
            break ended;
        }
        if let Some(fault) = translation.take_fault() {
            return Err(named(fault, &head, provider).into());
        }
        if ended.is_some() {
            if let (Some(rest), Some(resume)) = (translation.take_goes_on(), &resume) {
                body = resume.rest(rest).await?;
                continue;
            }
            let text = format!("{} ended its stream before the first event", provider.name);
            return Err(ApiError::new(ErrorKind::BadGateway, text).into());
        }
    };
    let mut feed = Feed::new(Source::Translation(Box::new(translation)), &provider.drop_events);
    let first = feed.filtered(first);
    let provider = provider.clone();
    Ok(Opened { provider, headers: HeaderMap::new(), body, feed, first, ended, losses, resume })
}

/// What the rest of a reply is asked with, for the dialects whose replies may stop in the middle.
fn resuming(worker: &Arc<Worker>, draft: &Draft<'_>, ask: &Ask) -> Option<Arc<Resume>> {
    matches!(draft.provider.kind, Kind::Gemini | Kind::Vertex).then(|| {
        Arc::new(Resume {
            worker: worker.clone(),
            provider: draft.index,
            endpoint: ask.endpoint,
            streaming: ask.streaming,
            model: ask.model.clone(),
            path: ask.path.clone(),
            headers: ask.headers.clone(),
            id: ask.id.clone(),
        })
    })
}

/// Whether a chunk begins an event: comments and blank lines do not.
fn holds_data(chunk: &[u8]) -> bool {
    let mut lines = chunk.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.starts_with(b"data") || line.starts_with(b"{"))
}

/// Adds to a fault what the head of the reply says of it.
fn named(fault: Fault, head: &http::response::Parts, provider: &Provider) -> Fault {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if kind.trim_start().starts_with("text/html") {
        let nonsense = attempt::not_a_stream(provider, &head.headers);
        return Fault::new(nonsense, fault.remedy).of_account(fault.account);
    }
    fault
}

/// How long the end of a body is waited for whose answer is whole.
const END_GRACE: Duration = Duration::from_millis(20);

/// Asks for a reply and reads it whole.
pub(crate) async fn unary(
    worker: &Arc<Worker>,
    draft: &Draft<'_>,
    key: usize,
    encoded: Encoded,
    sent: Bytes,
    until: Until,
) -> Result<Whole, Failed> {
    let whole = timeout_at(until.at, unary_unbounded(worker, draft, key, encoded, sent)).await;
    whole.unwrap_or_else(|_| Err(until.late(draft.provider, "did not answer")))
}

async fn unary_unbounded(
    worker: &Arc<Worker>,
    draft: &Draft<'_>,
    key: usize,
    mut encoded: Encoded,
    sent: Bytes,
) -> Result<Whole, Failed> {
    let provider = draft.provider;
    let ask = ask(worker, draft, key, &encoded, sent)?;
    let stream = encoded.stream;
    let resume = resuming(worker, draft, &ask);
    let mut losses = std::mem::take(&mut encoded.losses);
    let (head, mut body) = heads(worker, draft.model, encoded.prompt_estimate, ask).await?;
    let mut translation = translation(draft.asked, encoded);
    let bytes = loop {
        let bytes = if stream || attempt::is_event_stream(&head.headers) {
            read_stream(&mut translation, &mut body, provider).await?
        } else {
            let whole = whole_body(provider, &head, body).await?;
            translation.whole(&whole)
        };
        if let Some(fault) = translation.take_fault() {
            return Err(named(fault, &head, provider).into());
        }
        match (translation.take_goes_on(), &resume) {
            (Some(rest), Some(resume)) => body = resume.rest(rest).await?,
            _ => break bytes,
        }
    };
    losses.extend(translation.losses());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (usage, quality) = translation.usage();
    Ok(Whole {
        status: StatusCode::OK,
        headers,
        body: attempt::without_events(provider, Splice::none(bytes)),
        usage,
        quality,
        billed: translation.billed(),
        losses,
    })
}

/// Reads a stream for a caller that wants the reply as one.
async fn read_stream(
    translation: &mut Translation,
    body: &mut UpBody,
    provider: &Provider,
) -> Result<Bytes, ApiError> {
    let (mut bytes, mut read) = (Bytes::new(), 0);
    while !translation.is_done() {
        let ended = match body.next().await {
            Some(Ok(chunk)) => {
                read += chunk.len();
                if read > attempt::MAX_UNARY_BYTES {
                    return Err(too_large(provider));
                }
                bytes = translation.push(&chunk);
                false
            }
            None => {
                bytes = translation.finish(BodyEnd::Clean);
                true
            }
            Some(Err(_)) => {
                bytes = translation.finish(BodyEnd::Cut);
                true
            }
        };
        if ended || translation.has_fault() {
            return Ok(bytes);
        }
    }
    // The end of the body is on its way, unless the answer was cut short: a connection whose
    // body was read to the end serves again.
    let _ = timeout(END_GRACE, async { while let Some(Ok(_)) = body.next().await {} }).await;
    Ok(bytes)
}

/// The tokens of a request: counted by the upstream where it has a counter, else estimated.
pub(crate) async fn count(
    worker: &Worker,
    draft: &Draft<'_>,
    key: usize,
    mut encoded: Encoded,
) -> Counted {
    let losses = std::mem::take(&mut encoded.losses);
    let estimate = Count::Estimate(encoded.prompt_estimate);
    if !egress(draft.provider).is_ok_and(|egress| egress.counts(draft.model)) {
        return Counted { count: estimate, losses, asked: false, why: None };
    }
    let body = Bytes::from(std::mem::take(&mut encoded.body));
    let ask = ask(worker, draft, key, &encoded, body);
    let (reader, prompt_estimate) = (encoded.reader, encoded.prompt_estimate);
    let answered = timeout(COUNT_LIMIT, async move {
        let (head, body) = heads(worker, draft.model, prompt_estimate, ask?).await?;
        let body = whole_body(draft.provider, &head, body).await?;
        reader.count(&body).map_err(Failed::from)
    });
    let why = match answered.await {
        Ok(Ok(tokens)) => {
            return Counted { count: Count::Exact(tokens), losses, asked: true, why: None };
        }
        Ok(Err(failed)) => match failed.refusal {
            Refusal::Gateway(err) => worker.runtime.fault_text(&err),
            Refusal::Upstream(refused) => {
                format!("{} answered {}", refused.provider, refused.status)
            }
        },
        Err(_) => format!("{} did not count in time", draft.provider.name),
    };
    // A client without a count misjudges when to compact (R31).
    Counted { count: estimate, losses, asked: true, why: Some(why) }
}

/// How long a counter may take; the client asks for some 25 counts at once and waits for them.
pub(crate) const COUNT_LIMIT: Duration = Duration::from_secs(10);

/// What a prompt costs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Exact(u64),
    Estimate(u64),
}

/// Sends the request and waits for the head of a reply that is a success.
pub(crate) async fn heads(
    worker: &Worker,
    model: &str,
    prompt_estimate: u64,
    ask: Ask,
) -> Result<(http::response::Parts, UpBody), Failed> {
    let provider = &worker.runtime.providers[ask.provider];
    let (head, body) = attempt::exchange_heads(worker, ask).await?;
    if head.status.is_success() {
        return Ok((head, body));
    }
    if head.status.is_redirection() {
        let elsewhere = Failed::from(attempt::redirected(provider, &head));
        return Err(elsewhere.with_remedy(Remedy::NextProvider));
    }
    let bytes = attempt::masked(worker, body).await;
    let cx = FaultCx { provider: &provider.name, model, prompt_estimate };
    let fault = refusal(provider, egress(provider)?, &cx, &head, &bytes);
    Err(Failed { answered: Some(head.status), ..Failed::from(fault) })
}

/// What an answer without success means, and which credential it is about if it is about one: not every
/// service has a status for that.
pub(crate) fn refusal(
    provider: &Provider,
    egress: &dyn Egress,
    cx: &FaultCx<'_>,
    head: &http::response::Parts,
    body: &[u8],
) -> Fault {
    let mut fault = egress.fault(cx, head.status, &head.headers, body);
    if fault.error.kind() == ErrorKind::Authentication {
        let text = match (&provider.auth, &provider.key_variable) {
            (UpstreamAuth::Client, _) => {
                format!("{} refused the credential that came with the request", provider.name)
            }
            (_, Some(variable)) => format!("{}; check {variable}", fault.error.message()),
            (UpstreamAuth::Cloud(_), None) => {
                format!("{}; {}", fault.error.message(), authorized::remedy(provider))
            }
            (_, None) => format!("{}; check the key configured for it", fault.error.message()),
        };
        fault.error =
            ApiError::new(ErrorKind::Authentication, spoken(text)).with_should_retry(false);
    }
    fault
}

/// Claude Code replaces every message with this word in it by a text about the user's own key, and so
/// would hide what has to be done.
fn spoken(text: String) -> String {
    const WORD: &str = "x-api-key";
    let Some(at) = text.to_ascii_lowercase().find(WORD) else { return text };
    let (before, rest) = text.split_at(at);
    format!("{before}API key{}", spoken(rest[WORD.len()..].to_owned()))
}

async fn whole_body(
    provider: &Provider,
    head: &http::response::Parts,
    body: UpBody,
) -> Result<Bytes, ApiError> {
    let expected = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    match collect(body, attempt::MAX_UNARY_BYTES, expected).await {
        Collected::Whole(bytes) => Ok(bytes),
        Collected::TooLarge(_) => Err(too_large(provider)),
        Collected::Cut(err) => {
            let text = format!("{} broke off in the middle of its answer", provider.name);
            Err(ApiError::new(ErrorKind::BadGateway, text).with_source(err))
        }
    }
}

fn too_large(provider: &Provider) -> ApiError {
    let most = attempt::MAX_UNARY_BYTES;
    let text = format!("{} answered with more than {most} bytes", provider.name);
    ApiError::new(ErrorKind::BadGateway, text)
}

/// What a strict caller will not have.
pub(crate) fn refuse_losses(losses: &Losses) -> Result<(), ApiError> {
    let refused: Vec<_> = losses
        .iter()
        .filter(|loss| loss.is_refused_when_strict())
        .map(|loss| format!("{} would be {} ({})", loss.path, loss.what.as_str(), loss.why))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!("x-gateway-strict: {}", refused.join("; "));
    Err(ApiError::new(ErrorKind::InvalidRequest, text).with_should_retry(false))
}
