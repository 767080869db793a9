//! The way of one request, from its head to the reply: read from the top, it is what happens.
//!
//! `serve` owns the record of the exchange, so that every ending, errors included, is rendered once
//! (`rescue`) and settled once. The stages return facts; only `answer` writes them down.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use gateway_anthropic::headers as policy;
use gateway_config::Kind;
use gateway_translate::peek;
use gateway_types::{ApiError, Endpoint, ErrorKind};
use gateway_upstream::{Call, Outgoing};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::admission;
use crate::asked::Asked;
use crate::attempt::{self, Opened, Told, Whole};
use crate::attempts::{self, Got};
use crate::checks::{
    can_be_cut, credential_present, picked, seconds, stays_below_base, strictly, upstream_path,
};
use crate::clients::Client;
use crate::desk::Worker;
use crate::endpoints::{self, Path};
use crate::exchange::Open;
use crate::failure::{Refusal, Refused};
use crate::foreign::Count;
use crate::intake;
use crate::mirror;
use crate::plan;
use crate::raw::RawBody;
use crate::record::{Exchange, LimitedBy, Outcome, Served};
use crate::reply::{self, ReplyBody};
use crate::runtime::{Provider, X_GATEWAY_HOP};
use crate::stream::{Pending, StreamBody};
use crate::trace::Trace;
use crate::upbody::UpBody;
use crate::upload::{Upload, Verdict};

const SESSION: HeaderName = HeaderName::from_static("x-claude-code-session-id");
pub(crate) const PICK: HeaderName = HeaderName::from_static("x-gateway-provider");
const STRICT: HeaderName = HeaderName::from_static("x-gateway-strict");
const STAINLESS_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-timeout");

/// What the stages found out: enough to write the reply.
enum Answer {
    /// The gateway's own.
    Own(StatusCode, Bytes),
    /// Nothing but a status: an answer to `HEAD`.
    Nothing,
    /// A count of the upstream's, or the gateway's guess where it has no counter.
    Count(Count),
    Whole(Whole),
    Opened(Box<Opened>),
    /// The upstream has been silent for so long that the stream begins without it.
    Committed(Pending, Arc<Provider>),
    Refused(Box<Refused>),
    Raw(StatusCode, HeaderMap, UpBody, Arc<Provider>, Option<oneshot::Sender<Infallible>>),
}

/// Answers one request.
pub(crate) async fn serve(worker: Arc<Worker>, request: Request<Incoming>) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    let mut body = Some(body);
    let path = head.uri.path().to_owned();
    let mut open = Open::new(worker.runtime.clone(), head.method.clone(), path);
    let version = head.version;

    let draining = worker.runtime.house.is_draining();
    let answered = answer(&worker, open.record(), head, &mut body).await;

    let mut reply = match answered {
        Ok(answer) => render(answer, open),
        Err(err) => reply::rescue(&err, open),
    };
    if let Some(unread) = body.filter(|body| !body.is_end_stream()) {
        reply::close_after(&mut reply, version);
        intake::drain(unread);
    } else if draining {
        reply::close_after(&mut reply, version);
    }
    if version == Version::HTTP_2 && reply::needs_pump(reply.body()) {
        return reply.map(reply::pump);
    }
    reply
}

async fn answer(
    worker: &Arc<Worker>,
    record: &mut Exchange,
    mut head: http::request::Parts,
    body: &mut Option<Incoming>,
) -> Result<Answer, ApiError> {
    let runtime = &worker.runtime;

    // Identify.
    for name in [policy::X_API_KEY, AUTHORIZATION] {
        if let Some(value) = head.headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
    intake::check_head(&head.headers)?;
    let path = Path::of(head.uri.path());
    record.session = head
        .headers
        .get(SESSION)
        .and_then(|id| id.to_str().ok())
        .map(|id| id.chars().take(64).collect());
    if head.method == Method::HEAD {
        record.probe = true;
        return Ok(Answer::Nothing);
    }
    record.probe = path.is_public() || head.uri.path() == "/inference-profiles";
    if head.headers.get_all(X_GATEWAY_HOP).iter().any(|hop| *hop == runtime.house.instance) {
        let text = "a provider's api_base leads back to this gateway itself; \
                    set it to the provider's own address";
        return Err(ApiError::new(ErrorKind::BadGateway, text).with_should_retry(false));
    }
    let client = if path.is_public() {
        runtime.access.nameless().clone()
    } else {
        runtime.access.admit(&head.headers, &head.uri)?
    };
    record.client = Some(client.clone());
    // TRACE would have an upstream say our credential back.
    let never = [Method::TRACE, Method::CONNECT].contains(&head.method);
    if never || path.method().is_some_and(|known| known != head.method) {
        let text = format!("{} is not a method of {}", head.method, head.uri.path());
        return Err(ApiError::new(ErrorKind::MethodNotAllowed, text));
    }
    match path {
        Path::Root => Ok(Answer::Own(StatusCode::OK, endpoints::root())),
        Path::Health => Ok(Answer::Own(StatusCode::OK, Bytes::from_static(br#"{"status":"ok"}"#))),
        Path::Ready => {
            let all = head.uri.query().is_some_and(|q| q.split('&').any(|pair| pair == "all=1"));
            let (body, ready) = endpoints::ready(runtime, all);
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            Ok(Answer::Own(status, body))
        }
        Path::Status => Ok(Answer::Own(StatusCode::OK, endpoints::status(runtime))),
        Path::Models => endpoints::models(runtime, &client, head.uri.query())
            .map(|body| Answer::Own(StatusCode::OK, body)),
        Path::Model(id) => {
            endpoints::model(runtime, &client, id).map(|body| Answer::Own(StatusCode::OK, body))
        }
        Path::Messages | Path::CountTokens => {
            let counts = path == Path::CountTokens;
            let endpoint = if counts { Endpoint::CountTokens } else { Endpoint::Messages };
            messages(worker, record, &client, head, body, endpoint).await
        }
        Path::OtherV1 if runtime.passthrough => {
            passing_through(worker, record, &client, head, body).await
        }
        _ => Err(ApiError::new(
            ErrorKind::NotFound,
            format!("this gateway has no {} {}", head.method, head.uri.path()),
        )),
    }
}

/// `/v1/messages` and `/v1/messages/count_tokens`.
async fn messages(
    worker: &Arc<Worker>,
    record: &mut Exchange,
    client: &Client,
    head: http::request::Parts,
    body: &mut Option<Incoming>,
    endpoint: Endpoint,
) -> Result<Answer, ApiError> {
    let runtime = &worker.runtime;

    // Admit.
    admission::begin(runtime, record, client)?;
    intake::check_length(runtime, &head.headers)?;
    let incoming = body.as_mut().expect("the body is taken out only by a pass-through");
    let held = intake::read(runtime, incoming).await.inspect_err(|err| {
        if err.kind() == ErrorKind::Overloaded {
            record.limited_by = Some(LimitedBy::Buffered);
        }
    })?;
    *body = None;

    // Peek.
    let envelope = peek(&held.bytes)?;
    // From here on the caller hears nothing until an answer begins.
    let silent_since = Instant::now();
    let asked = envelope.model.clone().into_owned();
    record.model = Some(asked.clone());
    record.streaming = envelope.stream && endpoint == Endpoint::Messages;
    if record.streaming {
        can_be_cut(head.version)?;
    }
    admission::read(runtime, record, client, endpoint, &head.headers, &envelope, &held).await?;

    // Plan.
    let pick = head.headers.get(PICK).map(picked).transpose()?;
    let way = plan::plan(
        runtime,
        &plan::Request {
            model: &asked,
            pick: pick.as_deref(),
            path: head.uri.path(),
            headers: &head.headers,
            client: client.name.as_deref(),
            session: record.session.as_deref(),
            body: &held.bytes,
        },
    )?;

    // Attempts.
    let (model_span, foreign_state) = (envelope.model_span.clone(), envelope.foreign_state);
    let max_tokens = envelope.max_tokens;
    let asked = Asked {
        id: record.id.clone(),
        endpoint,
        streaming: record.streaming,
        model: asked,
        model_span,
        held,
        foreign_state,
        query: head.uri.query().map(ToOwned::to_owned),
        started: Instant::now(),
        patience: head.headers.get(STAINLESS_TIMEOUT).and_then(seconds),
        strict: strictly(head.headers.get(STRICT))?,
        max_tokens,
        client: client.name.clone(),
        session: record.session.clone(),
        headers: head.headers,
    };
    if let (Some(leg), Endpoint::Messages) = (&way.mirror, endpoint) {
        mirror::send(worker, &asked, leg.clone());
    }
    let trace = Arc::new(Trace::default());
    record.trace = Some(trace.clone());
    if !record.streaming {
        let got = attempts::walking(worker, &asked, &way, &trace).await;
        return answered(got, record);
    }
    let first = runtime.providers[way.legs[0].provider].clone();
    let worker = worker.clone();
    let mut pending: Pending = Box::pin(async move {
        match attempts::answer(&worker, &asked, &way, &trace).await? {
            Got::Opened(opened) => Ok(*opened),
            Got::Whole(_) | Got::Counted(_) => {
                let text = "a stream was asked for, and something else came";
                Err(Refusal::Gateway(ApiError::new(ErrorKind::Internal, text)))
            }
        }
    });
    // Part of it may have gone by in the queue of the caller's own limits.
    let left = runtime.config.resilience.commit_after.saturating_sub(silent_since.elapsed());
    match timeout(left, &mut pending).await {
        Ok(opened) => answered(opened.map(|opened| Got::Opened(Box::new(opened))), record),
        Err(_) => Ok(Answer::Committed(pending, first)),
    }
}

/// What the attempts brought, as an answer.
fn answered(got: Result<Got, Refusal>, record: &mut Exchange) -> Result<Answer, ApiError> {
    match got {
        Ok(Got::Opened(opened)) => Ok(Answer::Opened(opened)),
        Ok(Got::Whole(whole)) => {
            (record.usage, record.quality) = (whole.usage, whole.quality);
            record.billed = whole.billed;
            record.losses.extend(&whole.losses);
            Ok(Answer::Whole(*whole))
        }
        Ok(Got::Counted(counted)) => {
            record.losses.extend(&counted.losses);
            record.fault = counted.why;
            Ok(Answer::Count(counted.count))
        }
        Err(Refusal::Gateway(err)) => Err(err),
        Err(Refusal::Upstream(refused)) => {
            record.fault = Some(format!("{} answered {}", refused.provider, refused.status));
            Ok(Answer::Refused(refused))
        }
    }
}

/// [`pass_through`] in a box: hardly anybody asks for it.
fn passing_through<'a>(
    worker: &'a Arc<Worker>,
    record: &'a mut Exchange,
    client: &'a Client,
    head: http::request::Parts,
    body: &'a mut Option<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Answer, ApiError>> + Send + 'a>> {
    Box::pin(pass_through(worker, record, client, head, body))
}

/// Any other `/v1` path with `--passthrough-mode`: to the Anthropic-shaped provider, unread.
async fn pass_through(
    worker: &Arc<Worker>,
    record: &mut Exchange,
    client: &Client,
    mut head: http::request::Parts,
    body: &mut Option<Incoming>,
) -> Result<Answer, ApiError> {
    let runtime = &worker.runtime;
    can_be_cut(head.version)?;
    stays_below_base(head.uri.path())?;
    admission::begin(runtime, record, client)?;
    intake::check_length(runtime, &head.headers)?;
    admission::unread(runtime, record, client).await?;
    let usable = |p: &Provider| p.enabled && p.kind == Kind::Anthropic;
    let default = runtime.config.default_provider.as_deref();
    let index = runtime
        .providers
        .iter()
        .position(|p| usable(p) && Some(&*p.name) == default)
        .or_else(|| runtime.providers.iter().position(|p| usable(p)))
        .ok_or_else(|| {
            let text =
                "no enabled provider speaks Anthropic's API, so nothing can be passed through";
            ApiError::new(ErrorKind::NotFound, text)
        })?;
    let provider = &runtime.providers[index];
    credential_present(provider)?;

    let length = head.headers.get(CONTENT_LENGTH).cloned();
    attempt::outgoing_headers(worker, provider, 0, &mut head.headers);
    let limit = runtime.config.server.max_request_size.unwrap_or(u64::MAX);
    let incoming = body.take().filter(|body| !body.is_end_stream());
    let (outgoing, upload) = match incoming.map(|incoming| Upload::new(incoming, limit)) {
        None => (Outgoing::default(), None),
        Some((upload, verdict, keep)) => {
            if let Some(length) = length {
                head.headers.insert(CONTENT_LENGTH, length);
            }
            (Outgoing::Stream(upload.boxed_unsync()), Some((verdict, keep)))
        }
    };
    let below = head.uri.path().strip_prefix("/v1").unwrap_or_else(|| head.uri.path());
    let call = Call {
        method: head.method,
        path: upstream_path(provider, below, head.uri.query())?,
        headers: head.headers,
        body: outgoing,
    };
    record.served = Some(Served { provider: provider.clone(), model: "".into() });
    record.attempts += 1;
    let limit_time = provider.timeouts.unary;
    let sent = timeout(limit_time, attempt::send(worker, index, call)).await;
    let (verdict, keep) = upload.unzip();
    if let Some(fault) = verdict.and_then(|verdict: Verdict| verdict.read(limit)) {
        return Err(fault);
    }
    let sent = sent.map_err(|_| {
        let text = format!("{} did not answer within {} s", provider.name, limit_time.as_secs());
        ApiError::new(ErrorKind::Timeout, text)
    })??;
    let (mut reply, body) = sent.into_parts();
    let body = UpBody::Wire(body);
    if attempt::must_be_told(provider, reply.status) {
        let asked = Told { provider: index, id: record.id.clone(), model: String::new() };
        let failed = attempt::refused(worker, &asked, reply, body).await;
        return answered(Err(failed.refusal), record);
    }
    policy::towards_caller(&mut reply.headers, provider.credential());
    if reply.status.is_client_error() || reply.status.is_server_error() {
        // In its own shape, but without our keys.
        let body = attempt::masked(worker, body).await;
        reply.headers.remove(CONTENT_LENGTH);
        let (provider, status) = (provider.name.clone(), reply.status);
        let refused = Refused { provider, status, headers: reply.headers, body };
        return answered(Err(Refusal::Upstream(Box::new(refused))), record);
    }
    Ok(Answer::Raw(reply.status, reply.headers, body, provider.clone(), keep))
}

/// The reply that an answer makes.
fn render(answer: Answer, mut open: Open) -> Response<ReplyBody> {
    match answer {
        Answer::Own(status, body) => reply::json(status, body, open),
        Answer::Nothing => {
            let nothing = [Bytes::new(), Bytes::new(), Bytes::new()];
            reply::full(StatusCode::OK, HeaderMap::new(), nothing, open, Outcome::Delivered)
        }
        Answer::Count(count) => {
            let (Count::Exact(tokens) | Count::Estimate(tokens)) = count;
            let body = format!("{{\"input_tokens\":{tokens}}}");
            let mut reply = reply::json(StatusCode::OK, body, open);
            if matches!(count, Count::Estimate(_)) {
                let headers = reply.headers_mut();
                headers.insert(reply::X_GATEWAY_ESTIMATE, HeaderValue::from_static("1"));
            }
            reply
        }
        Answer::Whole(whole) => {
            reply::full(whole.status, whole.headers, whole.body.parts, open, Outcome::Delivered)
        }
        Answer::Refused(refused) => {
            let Refused { status, headers, body, .. } = *refused;
            reply::full(status, headers, [body, Bytes::new(), Bytes::new()], open, Outcome::Failed)
        }
        Answer::Opened(mut opened) => {
            let mut headers = std::mem::take(&mut opened.headers);
            open.record().losses.extend(&std::mem::take(&mut opened.losses));
            reply::event_stream_head(&mut headers);
            reply::mark(&mut headers, open.record());
            let body = StreamBody::opened(*opened, open);
            response(StatusCode::OK, headers, ReplyBody::Stream(Box::new(body)))
        }
        Answer::Committed(pending, provider) => {
            let mut headers = HeaderMap::new();
            reply::event_stream_head(&mut headers);
            reply::mark(&mut headers, open.record());
            let body = StreamBody::waiting(pending, provider, open);
            response(StatusCode::OK, headers, ReplyBody::Stream(Box::new(body)))
        }
        Answer::Raw(status, mut headers, body, provider, upload) => {
            let record = open.record();
            record.status = status;
            reply::mark(&mut headers, record);
            let outcome = if status.is_success() { Outcome::Delivered } else { Outcome::Failed };
            let body = RawBody::new(body, provider.timeouts.idle, open, outcome, upload);
            response(status, headers, ReplyBody::Raw(Box::new(body)))
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
