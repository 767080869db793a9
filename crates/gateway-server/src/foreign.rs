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
use gateway_types::{ApiError, Endpoint, ErrorKind, Fault, Feature, Losses, Remedy};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
    USER_AGENT,
};
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use crate::attempt::{self, Ask, Framing, Opened, Refusal, Whole};
use crate::authorized;
use crate::desk::Worker;
use crate::feed::{Feed, Source};
use crate::intake::Held;
use crate::record::Exchange;
use crate::resume::Resume;
use crate::rewrites::Rewrites;
use crate::runtime::{Provider, UpstreamAuth, X_GATEWAY_HOP};
use crate::translation::Translation;
use crate::upbody::{Collected, UpBody, collect};

/// A request for an upstream of another dialect, with all that is needed to write it again without
/// something the upstream refuses.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) provider: usize,
    pub(crate) endpoint: Endpoint,
    /// Whether the caller asked for a stream.
    pub(crate) streaming: bool,
    /// The model's name as the caller asked for it.
    pub(crate) asked: String,
    /// The name the upstream gets.
    pub(crate) model: String,
    /// The exchange's id.
    pub(crate) id: String,
    pub(crate) held: Held,
    /// The caller's headers.
    pub(crate) headers: HeaderMap,
    pub(crate) started: Instant,
    /// The caller's own limit for a unary reply.
    pub(crate) patience: Option<Duration>,
    /// Whether the caller would rather have an error than a lossy translation.
    pub(crate) strict: bool,
    /// What the upstream says of the model, where the dialect asks for it.
    pub(crate) about: Option<Bytes>,
}

impl Job {
    /// Writes the request, without what the upstream was found to refuse.
    ///
    /// # Errors
    /// What can't be said to this upstream, and what a strict caller will not have lost.
    pub(crate) fn encode(&self, worker: &Worker, without: &[Feature]) -> Result<Encoded, ApiError> {
        let provider = &worker.runtime.providers[self.provider];
        let request = Messages.decode(&self.held.bytes)?;
        let reply_id = reply_id(&self.id);
        let betas = betas(&self.headers);
        let cx = AttemptCx {
            endpoint: self.endpoint,
            model: &self.model,
            provider: &provider.name,
            reply_id: &reply_id,
            without,
            betas: &betas,
            about: self.about.as_deref(),
            ..AttemptCx::new(&worker.runtime.keys)
        };
        let encoded = egress(provider)?.encode(&request, &cx)?;
        if self.strict {
            refuse_losses(&encoded.losses)?;
        }
        Ok(encoded)
    }

    fn ask(&self, worker: &Worker, encoded: &Encoded, body: Bytes) -> Result<Ask, ApiError> {
        let provider = &worker.runtime.providers[self.provider];
        let path = format!("{}{}", provider.base_path, encoded.path).parse().map_err(
            |err: http::uri::InvalidUri| {
                let text = format!("{}: the path can't be asked for", provider.name);
                ApiError::new(ErrorKind::Internal, text).with_source(err)
            },
        )?;
        let body_len = body.len() as u64;
        Ok(Ask {
            provider: self.provider,
            endpoint: self.endpoint,
            model: self.model.clone(),
            streaming: encoded.stream,
            method: Method::POST,
            path,
            headers: headers_for(worker, provider, &self.headers, &encoded.headers, encoded.stream),
            body: Splice::none(body),
            reserved: vec![crate::intake::reserve(&worker.runtime, body_len)?],
            rename: None,
            id: self.id.clone(),
            started: self.started,
            patience: self.patience,
            framing: Framing::Events,
        })
    }

    fn translation(&self, encoded: Encoded) -> Translation {
        let id = reply_id(&self.id);
        let cx = ReplyCx { id: &id, model: &self.asked, stream: self.streaming };
        Translation::new(encoded.reader, Messages.writer(&cx))
    }
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
        UpstreamAuth::Own(name, value) => {
            headers.insert(name.clone(), value.clone());
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
/// answer can still be an honest status.
pub(crate) async fn open(
    worker: Arc<Worker>,
    job: Job,
    mut encoded: Encoded,
) -> Result<Opened, Refusal> {
    let mut rewrites = Rewrites::new(&worker, &job);
    loop {
        let losses = std::mem::take(&mut encoded.losses);
        let path = encoded.path.clone();
        let sent = Bytes::from(std::mem::take(&mut encoded.body));
        match open_once(&worker, &job, encoded, sent.clone()).await {
            Ok(opened) => {
                rewrites.remember();
                return Ok(Opened { rewrites: rewrites.told(), losses, ..opened });
            }
            Err(fault) => encoded = rewrites.again(fault, &path, &sent)?,
        }
    }
}

async fn open_once(
    worker: &Arc<Worker>,
    job: &Job,
    encoded: Encoded,
    sent: Bytes,
) -> Result<Opened, Fault> {
    let provider = &worker.runtime.providers[job.provider];
    let ask = job.ask(worker, &encoded, sent).map_err(told)?;
    let resume = resuming(worker, job, &ask);
    let limit = provider.timeouts.first_byte;
    let deadline = job.started + limit;
    let late = |limit: Duration| {
        let text = format!("{} sent no event within {} s", provider.name, limit.as_secs());
        Fault::new(ApiError::new(ErrorKind::Timeout, text), Remedy::NextProvider)
    };
    let asked = heads(worker, &job.model, encoded.prompt_estimate, ask);
    let (head, mut body) =
        timeout_at(deadline, asked).await.unwrap_or_else(|_| Err(late(limit)))?;
    let events = attempt::is_event_stream(&head.headers);
    let mut translation = job.translation(encoded);
    let mut first = Vec::new();
    let mut heard = false;
    let ended = loop {
        // Comments say that the upstream lives, not that it has begun.
        let idle = provider.timeouts.idle;
        let (wait, limit) = if heard { (Instant::now() + idle, idle) } else { (deadline, limit) };
        let next = timeout_at(wait, body.next()).await.map_err(|_| late(limit))?;
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
            return Err(named(fault, &head, provider));
        }
        if ended.is_some() {
            if let (Some(rest), Some(resume)) = (translation.take_goes_on(), &resume) {
                body = resume.rest(rest).await.map_err(told)?;
                continue;
            }
            let text = format!("{} ended its stream before the first event", provider.name);
            return Err(told(ApiError::new(ErrorKind::BadGateway, text)));
        }
    };
    let mut feed = Feed::new(Source::Translation(Box::new(translation)), &provider.drop_events);
    let first = feed.filtered(first);
    let (headers, losses) = (HeaderMap::new(), Losses::new());
    Ok(Opened { headers, body, feed, first, ended, losses, rewrites: 0, resume })
}

/// What the rest of a reply is asked with, for the dialects whose replies may stop in the middle.
fn resuming(worker: &Arc<Worker>, job: &Job, ask: &Ask) -> Option<Arc<Resume>> {
    let kind = worker.runtime.providers[job.provider].kind;
    matches!(kind, Kind::Gemini | Kind::Vertex).then(|| {
        Arc::new(Resume {
            worker: worker.clone(),
            provider: job.provider,
            endpoint: job.endpoint,
            streaming: ask.streaming,
            model: job.model.clone(),
            path: ask.path.clone(),
            headers: ask.headers.clone(),
            id: job.id.clone(),
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
        return Fault::new(attempt::not_a_stream(provider, &head.headers), fault.remedy);
    }
    fault
}

/// Asks for a reply and reads it whole.
pub(crate) async fn unary(
    worker: &Arc<Worker>,
    job: &Job,
    mut encoded: Encoded,
) -> Result<Whole, Refusal> {
    let provider = &worker.runtime.providers[job.provider];
    let limit =
        job.patience.map_or(provider.timeouts.unary, |own| own.min(provider.timeouts.unary));
    let deadline = job.started + limit;
    let mut rewrites = Rewrites::new(worker, job);
    loop {
        let losses = std::mem::take(&mut encoded.losses);
        let path = encoded.path.clone();
        let sent = Bytes::from(std::mem::take(&mut encoded.body));
        let once = timeout_at(deadline, unary_once(worker, job, encoded, sent.clone())).await;
        let once = once.unwrap_or_else(|_| {
            let text = format!("{} did not answer within {} s", provider.name, limit.as_secs());
            Err(told(ApiError::new(ErrorKind::Timeout, text)))
        });
        match once {
            Ok(mut whole) => {
                rewrites.remember();
                whole.losses.extend(&losses);
                return Ok(Whole { rewrites: rewrites.told(), ..whole });
            }
            Err(fault) => encoded = rewrites.again(fault, &path, &sent)?,
        }
    }
}

/// How long the end of a body is waited for whose answer is whole.
const END_GRACE: Duration = Duration::from_millis(20);

async fn unary_once(
    worker: &Arc<Worker>,
    job: &Job,
    encoded: Encoded,
    sent: Bytes,
) -> Result<Whole, Fault> {
    let provider = &worker.runtime.providers[job.provider];
    let ask = job.ask(worker, &encoded, sent).map_err(told)?;
    let stream = encoded.stream;
    let resume = resuming(worker, job, &ask);
    let (head, mut body) = heads(worker, &job.model, encoded.prompt_estimate, ask).await?;
    let mut translation = job.translation(encoded);
    let bytes = loop {
        let bytes = if stream || attempt::is_event_stream(&head.headers) {
            read_stream(&mut translation, &mut body, provider).await?
        } else {
            let whole = whole_body(provider, &head, body).await.map_err(told)?;
            translation.whole(&whole)
        };
        if let Some(fault) = translation.take_fault() {
            return Err(named(fault, &head, provider));
        }
        match (translation.take_goes_on(), &resume) {
            (Some(rest), Some(resume)) => body = resume.rest(rest).await.map_err(told)?,
            _ => break bytes,
        }
    };
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
        losses: translation.losses().clone(),
        rewrites: 0,
    })
}

/// Reads a stream for a caller that wants the reply as one.
async fn read_stream(
    translation: &mut Translation,
    body: &mut UpBody,
    provider: &Provider,
) -> Result<Bytes, Fault> {
    let (mut bytes, mut read) = (Bytes::new(), 0);
    while !translation.is_done() {
        let ended = match body.next().await {
            Some(Ok(chunk)) => {
                read += chunk.len();
                if read > attempt::MAX_UNARY_BYTES {
                    return Err(told(too_large(provider)));
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
/// And why it is an estimate, where a counter was asked.
pub(crate) async fn count(
    worker: &Worker,
    record: &mut Exchange,
    job: &Job,
    mut encoded: Encoded,
) -> (Count, Option<Fault>) {
    let estimate = Count::Estimate(encoded.prompt_estimate);
    if !egress(&worker.runtime.providers[job.provider])
        .is_ok_and(|egress| egress.counts(&job.model))
    {
        return (estimate, None);
    }
    let body = Bytes::from(std::mem::take(&mut encoded.body));
    let ask = match job.ask(worker, &encoded, body) {
        Ok(ask) => ask,
        Err(err) => return (estimate, Some(told(err))),
    };
    record.attempts += 1;
    let provider = &worker.runtime.providers[job.provider];
    let (reader, prompt_estimate) = (encoded.reader, encoded.prompt_estimate);
    let answered = timeout(COUNT_LIMIT, async {
        let (head, body) = heads(worker, &job.model, prompt_estimate, ask).await?;
        whole_body(provider, &head, body).await.map_err(told)
    });
    match answered.await.map(|answer| answer.and_then(|body| reader.count(&body))) {
        Ok(Ok(tokens)) => (Count::Exact(tokens), None),
        // A client without a count misjudges when to compact (R31).
        Ok(Err(fault)) => (estimate, Some(fault)),
        Err(_) => {
            let text = format!("{} did not count in time", provider.name);
            (estimate, Some(told(ApiError::new(ErrorKind::Timeout, text))))
        }
    }
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
) -> Result<(http::response::Parts, UpBody), Fault> {
    let provider = &worker.runtime.providers[ask.provider];
    let (head, body) = attempt::exchange_heads(worker, ask).await.map_err(told)?;
    if head.status.is_success() {
        return Ok((head, body));
    }
    if head.status.is_redirection() {
        return Err(told(attempt::redirected(provider, &head)));
    }
    let bytes = attempt::masked(worker, body).await;
    let cx = FaultCx { provider: &provider.name, model, prompt_estimate };
    Err(refusal(provider, egress(provider).map_err(told)?, &cx, &head, &bytes))
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

/// A failure that the dialect knows nothing of.
fn told(error: ApiError) -> Fault {
    Fault::new(error, Remedy::NextProvider)
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
