//! One attempt at an upstream: what is sent, and what its answer means.

use std::sync::Arc;

use bytes::Bytes;
use gateway_anthropic::headers::ANTHROPIC_VERSION;
use gateway_anthropic::{
    Phase, Reading, Relay, StreamEnd, fault, filter_message, headers as policy, remedy,
    remedy_of_event, reply as unary,
};
use gateway_bedrock::Unwrap;
use gateway_config::Kind;
use gateway_translate::{FaultCx, Splice};
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses, Remedy, Usage, UsageQuality};
use gateway_upstream::{BoxError, Call, Encoding, Outgoing};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
    LOCATION,
};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use jiff::Timestamp;
use tokio::time::timeout_at;

use crate::asked::Until;
use crate::authorized;
use crate::demo;
use crate::desk::Worker;
use crate::failure::{Failed, Refused};
use crate::feed::{Feed, Source};
use crate::foreign;
use crate::house::Reserved;
use crate::resume::Resume;
use crate::runtime::{Provider, UpstreamAuth, X_GATEWAY_HOP};
use crate::upbody::{Collected, UpBody, collect};

/// Largest unary reply that is taken. The largest answers of today's models are below 1 MB.
pub(crate) const MAX_UNARY_BYTES: usize = 64 << 20;

/// Largest error body that is read.
pub(crate) const MAX_ERROR_BYTES: usize = 1 << 20;

/// Before the first event of a stream at most this much (comments) is held.
const MAX_HELD_BYTES: usize = 64 << 10;

/// A request on its way to one upstream.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) provider: usize,
    pub(crate) endpoint: Endpoint,
    /// The name the upstream gets, for messages.
    pub(crate) model: String,
    pub(crate) streaming: bool,
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Splice,
    /// The body's place in memory, given back when the attempt is over.
    pub(crate) reserved: Vec<Reserved>,
    /// The name the caller knows, where another was sent.
    pub(crate) rename: Option<String>,
    /// The exchange's id.
    pub(crate) id: String,
    /// What a stream comes in.
    pub(crate) framing: Framing,
}

/// What the events of a stream come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// AWS's frames, with the events of the Messages API inside.
    Aws,
}

/// A stream whose first block has begun, or which is over already.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) provider: Arc<Provider>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: UpBody,
    pub(crate) feed: Feed,
    pub(crate) first: Vec<Bytes>,
    /// How the body already ended, if it did.
    pub(crate) ended: Option<Result<(), BoxError>>,
    /// What of the request could not be carried over.
    pub(crate) losses: Losses,
    /// How the rest is asked for, where the upstream may stop in the middle.
    pub(crate) resume: Option<Arc<Resume>>,
}

/// A unary reply that is all there.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Splice,
    pub(crate) usage: Usage,
    pub(crate) quality: UsageQuality,
    /// What the upstream says it cost, in billionths of a dollar.
    pub(crate) billed: Option<u64>,
    /// What of request and reply could not be carried over.
    pub(crate) losses: Losses,
}

/// The gateways that the request has come through, this one last. What no gateway wrote is left out.
pub(crate) fn hops(worker: &Worker, headers: &HeaderMap) -> Vec<HeaderValue> {
    const MOST: usize = 16;
    let is_one =
        |hop: &&HeaderValue| hop.len() == 16 && hop.as_bytes().iter().all(u8::is_ascii_hexdigit);
    let before = headers.get_all(X_GATEWAY_HOP).iter().filter(is_one).take(MOST).cloned();
    before.chain([worker.runtime.house.instance.clone()]).collect()
}

/// The headers of an attempt, made from the caller's in place: its own credentials only where the
/// provider's way is to pass them on, ours otherwise.
pub(crate) fn outgoing_headers(
    worker: &Worker,
    provider: &Provider,
    key: usize,
    headers: &mut HeaderMap,
) {
    let own_credentials: Vec<_> = match provider.auth {
        UpstreamAuth::Client => [policy::X_API_KEY, http::header::AUTHORIZATION]
            .into_iter()
            .flat_map(|name| {
                let values = headers.get_all(&name).iter().cloned();
                values.map(|value| (name.clone(), value)).collect::<Vec<_>>()
            })
            .filter(|(name, value)| !worker.runtime.access.is_client_key(name, value))
            .collect(),
        _ => Vec::new(),
    };
    let hops = hops(worker, headers);
    policy::towards_upstream(headers);
    if provider.may_loop {
        for hop in hops {
            headers.append(X_GATEWAY_HOP, hop);
        }
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !headers.contains_key(ANTHROPIC_VERSION) {
        headers.insert(ANTHROPIC_VERSION, worker.runtime.anthropic_version.clone());
    }
    for (name, value) in own_credentials {
        headers.append(name, value);
    }
    if let UpstreamAuth::Own(name, values) = &provider.auth {
        headers.insert(name.clone(), values[key].clone());
    }
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
}

/// Asks for a stream and waits until its first block begins: until then a failure is an honest status, and
/// somebody else can be asked. What comes before it is held.
pub(crate) async fn open_stream(worker: &Worker, ask: Ask, until: Until) -> Result<Opened, Failed> {
    let provider = worker.runtime.providers[ask.provider].clone();
    let opened = timeout_at(until.at, open_stream_unbounded(worker, &provider, ask)).await;
    opened.unwrap_or_else(|_| Err(until.late(&provider, "sent no event")))
}

async fn open_stream_unbounded(
    worker: &Worker,
    provider: &Arc<Provider>,
    mut ask: Ask,
) -> Result<Opened, Failed> {
    let told = Told::of(&mut ask);
    let rename = ask.rename.take();
    let whose = FaultCx { provider: &provider.name, model: &told.model, prompt_estimate: 0 };
    let framed = provider.bedrock.as_ref().filter(|_| ask.framing == Framing::Aws);
    let mut unwrap = framed.map(|bedrock| Box::new(Unwrap::new(bedrock, &whose)));
    let (head, mut body) = exchange_heads(worker, ask).await?;
    if !head.status.is_success() {
        return Err(refused(worker, &told, head, body).await);
    }
    let mut relay = Relay::new(rename, worker.runtime.redactor.clone());
    let mut first = Vec::new();
    let mut held = 0;
    let mut sniffed = unwrap.is_some() || is_event_stream(&head.headers);
    let ended = loop {
        match body.next().await {
            Some(Ok(chunk)) => {
                if !sniffed {
                    sniffed = looks_like_events(&chunk);
                    if !sniffed && !chunk.is_empty() {
                        let nonsense = Failed::from(not_a_stream(provider, &head.headers));
                        return Err(nonsense.with_remedy(Remedy::NextProvider));
                    }
                }
                held += chunk.len();
                let chunk = match &mut unwrap {
                    None => chunk,
                    Some(unwrap) => {
                        let mut events = Vec::new();
                        unwrap.push(&chunk, &mut events)?;
                        events.into()
                    }
                };
                first.extend(relay.push(chunk).into_parts());
                if let Some(failed) = told_early(&relay, provider, &told.id) {
                    return Err(failed);
                }
                if relay.phase() >= Phase::InBlocks || held > MAX_HELD_BYTES {
                    break None;
                }
            }
            // Nothing has been promised yet: an end before the first block is an honest error.
            None => {
                first.extend(relay.finish(StreamEnd::Clean).into_parts());
                if let Some(failed) = told_early(&relay, provider, &told.id) {
                    return Err(failed);
                }
                if relay.phase() == Phase::Ended {
                    break Some(Ok(()));
                }
                let text = format!("{} ended its stream before the first block", provider.name);
                return Err(ApiError::new(ErrorKind::BadGateway, text).into());
            }
            Some(Err(err)) => {
                let text = format!("{} broke off before the first block", provider.name);
                return Err(ApiError::new(ErrorKind::BadGateway, text).with_source(err).into());
            }
        }
    };
    let mut headers = head.headers;
    policy::towards_caller(&mut headers, provider.credential());
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    let relay = Box::new(relay);
    let source = match unwrap {
        None => Source::Relay(relay),
        Some(unwrap) => Source::Unwrapped(unwrap, relay, None),
    };
    let mut feed = Feed::new(source, &provider.drop_events);
    let first = feed.filtered(first);
    let provider = provider.clone();
    Ok(Opened { provider, headers, body, feed, first, ended, losses: Losses::new(), resume: None })
}

/// Asks for a unary reply and reads it whole.
pub(crate) async fn unary(worker: &Worker, ask: Ask, until: Until) -> Result<Whole, Failed> {
    let provider = worker.runtime.providers[ask.provider].clone();
    let whole = timeout_at(until.at, unary_unbounded(worker, &provider, ask)).await;
    whole.unwrap_or_else(|_| Err(until.late(&provider, "did not answer")))
}

async fn unary_unbounded(
    worker: &Worker,
    provider: &Provider,
    mut ask: Ask,
) -> Result<Whole, Failed> {
    let told = Told::of(&mut ask);
    let (endpoint, rename) = (ask.endpoint, ask.rename.take());
    let (head, body) = exchange_heads(worker, ask).await?;
    if !head.status.is_success() {
        return Err(refused(worker, &told, head, body).await);
    }
    let expected = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let bytes = match collect(body, MAX_UNARY_BYTES, expected).await {
        Collected::Whole(bytes) => bytes,
        Collected::TooLarge(_) => {
            let text = format!("{} answered with more than {MAX_UNARY_BYTES} bytes", provider.name);
            return Err(ApiError::new(ErrorKind::BadGateway, text).into());
        }
        Collected::Cut(err) => {
            let text = format!("{} broke off in the middle of its answer", provider.name);
            return Err(ApiError::new(ErrorKind::BadGateway, text).with_source(err).into());
        }
    };
    if let Some(status) = fault::status_inside(&bytes) {
        let mut head = head;
        head.status = status;
        return Err(refused_with(worker, &told, head, &bytes, true));
    }
    let whole = match endpoint {
        Endpoint::Messages => unary::message(bytes, rename.as_deref())
            .map(|message| (message.body, message.usage, message.quality)),
        Endpoint::CountTokens => unary::object(&bytes)
            .map(|()| (Splice::none(bytes), Usage::default(), UsageQuality::Unknown)),
    };
    let (body, usage, quality) = whole.map_err(|_| {
        let kind = head.headers.get(CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()));
        let kind = kind.as_deref().unwrap_or("nothing");
        let text = format!(
            "{} answered {} with {kind} that is no Messages reply; check the provider's api_base",
            provider.name, head.status
        );
        Failed::from(ApiError::new(ErrorKind::BadGateway, text)).with_remedy(Remedy::NextProvider)
    })?;
    let mut headers = head.headers;
    policy::towards_caller(&mut headers, provider.credential());
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    let body = without_events(provider, body);
    let losses = Losses::new();
    let status = head.status;
    Ok(Whole { status, headers, body, usage, quality, billed: None, losses })
}

/// Sends the request and waits for the head of the reply. Undoes a content coding that was not
/// asked for.
pub(crate) async fn exchange_heads(
    worker: &Worker,
    ask: Ask,
) -> Result<(http::response::Parts, UpBody), Failed> {
    let provider = &worker.runtime.providers[ask.provider];
    if provider.kind == Kind::Demo {
        let reply = demo::answer(ask.endpoint, ask.streaming, &ask.body.concat(), &ask.id)?;
        return Ok(reply.into_parts());
    }
    if let UpstreamAuth::Cloud(credentials) = &provider.auth {
        return Ok(Box::pin(authorized::exchange(worker, credentials, ask)).await?);
    }
    let call = Call {
        method: ask.method,
        path: ask.path,
        headers: ask.headers,
        body: Outgoing::Parts(ask.body.parts),
    };
    let reply = send(worker, ask.provider, call).await.map_err(|err| match err.kind() {
        // No connection in time: not a byte of the request has gone out.
        ErrorKind::Timeout => Failed::from(err).with_remedy(Remedy::Same),
        _ => Failed::from(err),
    })?;
    drop(ask.reserved);
    Ok(decoded(provider, reply)?)
}

/// A whole message without what is not wanted of it.
pub(crate) fn without_events(provider: &Provider, body: Splice) -> Splice {
    if provider.drop_events.is_empty() {
        return body;
    }
    Splice::none(filter_message(&body.concat(), &provider.drop_events))
}

/// Sends a call to a provider that has connections.
pub(crate) async fn send(
    worker: &Worker,
    provider: usize,
    call: Call,
) -> Result<gateway_upstream::Reply, ApiError> {
    let name = &worker.runtime.providers[provider].name;
    let Some(client) = &worker.clients[provider] else {
        return Err(ApiError::new(ErrorKind::NotFound, format!("{name} does not serve this path")));
    };
    client.send(call).await.map_err(|err| {
        let kind = if err.is_timeout() { ErrorKind::Timeout } else { ErrorKind::BadGateway };
        if worker.runtime.providers[provider].kind == Kind::Ollama && !err.is_timeout() {
            // It does not start by itself: the client would go on trying for minutes.
            let text = format!(
                "{name} can't be reached: {err}; is Ollama running? Start it with `ollama serve`"
            );
            return ApiError::new(kind, text).with_should_retry(false).with_source(err);
        }
        ApiError::new(kind, format!("{name} can't be reached: {err}")).with_source(err)
    })
}

pub(crate) fn decoded(
    provider: &Provider,
    reply: gateway_upstream::Reply,
) -> Result<(http::response::Parts, UpBody), ApiError> {
    let (head, body) = reply.into_parts();
    let Some(coding) = head.headers.get(CONTENT_ENCODING) else {
        return Ok((head, UpBody::Wire(body)));
    };
    match coding.to_str().map(Encoding::parse) {
        Ok(Ok(None)) => Ok((head, UpBody::Wire(body))),
        Ok(Ok(Some(encoding))) => {
            Ok((head, UpBody::Decoded(gateway_upstream::decode(encoding, body))))
        }
        _ => {
            let text = format!("{} answered in a content coding nobody asked for", provider.name);
            Err(ApiError::new(ErrorKind::BadGateway, text))
        }
    }
}

/// Whether an answer to a passed-through request must be told in the gateway's words: a redirect
/// would take the caller's key elsewhere, and a refusal of the gateway's key is not the caller's.
pub(crate) fn must_be_told(provider: &Provider, status: StatusCode) -> bool {
    let own = matches!(provider.auth, UpstreamAuth::Own(..) | UpstreamAuth::Cloud(_));
    (status.is_redirection() && status != StatusCode::NOT_MODIFIED)
        || (status == StatusCode::UNAUTHORIZED && own)
}

/// An error body as it came, but without the gateway's keys; cut where it is beyond all measure.
pub(crate) async fn masked(worker: &Worker, body: UpBody) -> Bytes {
    let bytes = match collect(body, MAX_ERROR_BYTES, None).await {
        Collected::Whole(bytes) | Collected::TooLarge(bytes) => bytes,
        Collected::Cut(_) => Bytes::new(),
    };
    worker.runtime.redactor.mask(&bytes).into_owned().into()
}

/// A redirect is not followed: that would send the credential and the conversation to whoever is
/// named there.
pub(crate) fn redirected(provider: &Provider, head: &http::response::Parts) -> ApiError {
    let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
    let to = to.split(['?', '#']).next().unwrap_or_default();
    let text = format!(
        "{} answered {} to {to}; redirects are not followed: check the provider's api_base",
        provider.name, head.status
    );
    ApiError::new(ErrorKind::BadGateway, text)
}

/// Whose refusal it is, in words.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) provider: usize,
    /// The exchange's id.
    pub(crate) id: String,
    /// The name the upstream got.
    pub(crate) model: String,
}

impl Told {
    /// Of a request that is about to go, which needs its model's name no more.
    fn of(ask: &mut Ask) -> Self {
        let model = std::mem::take(&mut ask.model);
        Self { provider: ask.provider, id: ask.id.clone(), model }
    }
}

/// An error that a stream told before its first block: nothing has been promised yet, so it gets the status
/// that it would have had.
fn told_early(relay: &Relay, provider: &Provider, id: &str) -> Option<Failed> {
    let (kind, message) = relay.error()?;
    let status = match kind {
        "invalid_request_error" => StatusCode::BAD_REQUEST,
        "authentication_error" => StatusCode::UNAUTHORIZED,
        "billing_error" => StatusCode::PAYMENT_REQUIRED,
        "permission_error" => StatusCode::FORBIDDEN,
        "not_found_error" => StatusCode::NOT_FOUND,
        "timeout_error" => StatusCode::GATEWAY_TIMEOUT,
        "conflict_error" => StatusCode::CONFLICT,
        "request_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "rate_limit_error" => StatusCode::TOO_MANY_REQUESTS,
        "overloaded_error" => ErrorKind::UpstreamOverloaded.status(),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let [of, said, id] = [kind, message, id].map(serde_json::Value::from);
    let body =
        format!(r#"{{"type":"error","error":{{"type":{of},"message":{said}}},"request_id":{id}}}"#);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(body);
    let told = Refused { provider: provider.name.clone(), status, headers, body };
    Some(blamed(provider, told, remedy_of_event(kind, message)))
}

/// What a reply without success means for the caller.
pub(crate) async fn refused(
    worker: &Worker,
    asked: &Told,
    head: http::response::Parts,
    body: UpBody,
) -> Failed {
    let provider = &worker.runtime.providers[asked.provider];
    if head.status.is_redirection() {
        return Failed::from(redirected(provider, &head)).with_remedy(Remedy::NextProvider);
    }
    let expected = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let (bytes, complete) = match collect(body, MAX_ERROR_BYTES, expected).await {
        Collected::Whole(bytes) => (bytes, true),
        Collected::TooLarge(bytes) => (bytes, false),
        Collected::Cut(_) => (Bytes::new(), false),
    };
    refused_with(worker, asked, head, &bytes, complete)
}

/// The same for a body that is there, as a whole or cut.
fn refused_with(
    worker: &Worker,
    asked: &Told,
    head: http::response::Parts,
    bytes: &[u8],
    complete: bool,
) -> Failed {
    let provider = &worker.runtime.providers[asked.provider];
    let bytes = Bytes::from(worker.runtime.redactor.mask(bytes).into_owned());
    let shape = if complete { fault::shape(&bytes) } else { fault::Shape::Foreign };

    if head.status == StatusCode::UNAUTHORIZED
        && let UpstreamAuth::Own(..) | UpstreamAuth::Missing(_) = provider.auth
    {
        let variable = provider.key_variable.as_deref().unwrap_or("its key");
        let said = match &shape {
            // Claude Code replaces every message with this word in it by a text about the user's
            // own key, and so would hide what has to be done.
            fault::Shape::Anthropic { message, .. }
                if !message.to_ascii_lowercase().contains("x-api-key") =>
            {
                format!(" ({message})")
            }
            _ => String::new(),
        };
        let text = format!(
            "{} refused the gateway's own credential{said}; check {variable}",
            provider.name
        );
        // The client would retry a plain 401 for minutes.
        let err = ApiError::new(ErrorKind::Authentication, text).with_should_retry(false);
        return err.into();
    }
    if let (fault::Shape::Foreign, Some(egress)) = (&shape, &provider.egress) {
        // The cloud itself speaks, not the model behind it.
        let cx = FaultCx { provider: &provider.name, model: &asked.model, prompt_estimate: 0 };
        let fault = foreign::refusal(provider, &**egress, &cx, &head, &bytes);
        return Failed { answered: Some(head.status), ..Failed::from(fault) };
    }
    let reading = remedy(head.status, &head.headers, &bytes, Timestamp::now().into());
    let mut headers = head.headers;
    policy::towards_caller(&mut headers, provider.credential());
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    let body = match shape {
        fault::Shape::Anthropic { .. } => bytes,
        fault::Shape::Foreign => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            fault::wrap(head.status, &provider.name, &bytes, Some(&asked.id)).into()
        }
    };
    let told = Refused { provider: provider.name.clone(), status: head.status, headers, body };
    blamed(provider, told, reading)
}

/// An upstream's answer, and what may be done about it. What is wrong with the caller's own credential
/// nobody else can mend.
fn blamed(provider: &Provider, told: Refused, reading: Reading) -> Failed {
    let remedy = match (reading.remedy, &provider.auth) {
        (Remedy::NextKey, UpstreamAuth::Client) => Remedy::Final,
        (remedy, _) => remedy,
    };
    Failed { account: reading.is_of_account(), ..Failed::upstream(told, remedy) }
}

pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

/// Whether a body that is not declared as an event stream is one all the same.
fn looks_like_events(chunk: &[u8]) -> bool {
    let text = chunk.trim_ascii_start();
    [&b"event:"[..], b"data:", b"id:", b":"].iter().any(|start| text.starts_with(start))
}

pub(crate) fn not_a_stream(provider: &Provider, headers: &HeaderMap) -> ApiError {
    let kind = headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    let text = format!(
        "{} answered a streaming request with {} in place of an event stream; \
         check the provider's api_base",
        provider.name,
        kind.as_deref().unwrap_or("something untyped")
    );
    ApiError::new(ErrorKind::BadGateway, text)
}
