//! Requests that keep the shape of the Messages API on their way to somebody who is not Anthropic:
//! Claude on a cloud, and servers that speak the same API. What such an upstream refuses is left
//! out, and left out of the next requests as well (R20); its answers are relayed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_anthropic::headers::{ANTHROPIC_VERSION, betas, set_betas};
use gateway_anthropic::hosted::{self, Host, HostCx};
use gateway_anthropic::{Messages, Refused as Lesson, edit, refused as lesson_of};
use gateway_config::LogLevel;
use gateway_models::Estimate;
use gateway_translate::{Ingress as _, Splice, peek};
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses, Span};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout};

use crate::attempt::{self, Ask, Framing, Opened, Refusal, Whole};
use crate::checks::{has_no_counter, upstream_path};
use crate::desk::Worker;
use crate::foreign::{COUNT_LIMIT, Count, headers_for, refuse_losses};
use crate::intake::{self, Held};
use crate::record::Exchange;
use crate::runtime::Provider;
use crate::upbody::{Collected, collect};

/// A request with all that is needed to write it again without something the upstream refuses.
#[derive(Debug)]
pub(crate) struct Shaped {
    pub(crate) provider: usize,
    pub(crate) endpoint: Endpoint,
    pub(crate) streaming: bool,
    /// The model's name as the caller asked for it.
    pub(crate) asked: String,
    /// The name the upstream gets.
    pub(crate) model: String,
    /// The exchange's id.
    pub(crate) id: String,
    pub(crate) held: Held,
    /// Where the model's name stands in the body.
    pub(crate) model_span: Span,
    /// Whether the history may hold what another provider made.
    pub(crate) foreign_state: bool,
    /// The caller's headers.
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<String>,
    pub(crate) started: Instant,
    /// The caller's own limit for a unary reply.
    pub(crate) patience: Option<Duration>,
    /// Whether the caller would rather have an error than a request that was changed.
    pub(crate) strict: bool,
}

/// So many things are left out of one request before its refusal is the caller's.
const MAX_REWRITES: usize = 6;

impl Shaped {
    /// Writes the request, without what the upstream was found to refuse.
    pub(crate) fn write(
        &self,
        worker: &Worker,
        without: &[Lesson],
    ) -> Result<(Ask, Losses), ApiError> {
        let provider = &worker.runtime.providers[self.provider];
        let (ask, losses) = match provider.host_of(&self.model) {
            Some(host) => self.wrapped(worker, provider, host, without)?,
            None => self.edited(worker, provider, without)?,
        };
        if self.strict {
            refuse_losses(&losses)?;
        }
        Ok((ask, losses))
    }

    fn wrapped(
        &self,
        worker: &Worker,
        provider: &Provider,
        host: &Host,
        without: &[Lesson],
    ) -> Result<(Ask, Losses), ApiError> {
        let betas = betas(&self.headers);
        let version = self.headers.get(ANTHROPIC_VERSION).and_then(|v| v.to_str().ok());
        let cx = HostCx {
            endpoint: self.endpoint,
            model: &self.model,
            hint: provider.family.as_deref(),
            stream: self.streaming,
            betas: &betas,
            version: version.unwrap_or_default(),
            policy: &provider.policy,
            without,
        };
        let wrapped = hosted::wrap(host, &self.held.bytes, &cx)?;
        let headers =
            headers_for(worker, provider, &self.headers, &wrapped.headers, self.streaming);
        let framing = match host {
            Host::Bedrock if self.streaming => Framing::Aws,
            _ => Framing::Events,
        };
        let path = format!("{}{}", provider.base_path, wrapped.path);
        let path = path.parse().map_err(|err: http::uri::InvalidUri| {
            let text = format!("{}: the path can't be asked for", provider.name);
            ApiError::new(ErrorKind::Internal, text).with_source(err)
        })?;
        let reserved = vec![intake::reserve(&worker.runtime, wrapped.body.len() as u64)?];
        let ask = Ask { path, headers, reserved, framing, ..self.ask(Splice::none(wrapped.body)) };
        Ok((ask, wrapped.losses))
    }

    fn edited(
        &self,
        worker: &Worker,
        provider: &Provider,
        without: &[Lesson],
    ) -> Result<(Ask, Losses), ApiError> {
        let mut headers = self.headers.clone();
        let untouched = without.is_empty() && !self.foreign_state && !provider.policy.acts();
        let edited = if untouched {
            None
        } else {
            let policy = provider.policy.without(without);
            edit::edit(&self.held.bytes, &policy, &betas(&headers))?
        };
        let (mut losses, mut reserved) = (Losses::new(), Vec::new());
        let renamed = self.model != self.asked;
        let (bytes, span) = match edited {
            None => (self.held.bytes.clone(), self.model_span.clone()),
            Some(edited) => {
                reserved.push(intake::reserve(&worker.runtime, edited.body.len() as u64)?);
                if let Some(betas) = edited.betas {
                    set_betas(&mut headers, &betas);
                }
                losses = edited.losses;
                let span = if renamed { peek(&edited.body)?.model_span } else { 0..0 };
                (edited.body, span)
            }
        };
        let body =
            if renamed { Splice::string(&bytes, span, &self.model) } else { Splice::none(bytes) };
        attempt::outgoing_headers(worker, provider, &mut headers);
        let path = upstream_path(provider, self.endpoint.path(), self.query.as_deref())?;
        Ok((Ask { path, headers, reserved, ..self.ask(body) }, losses))
    }

    /// The prompt's length in tokens, by the caller's own bytes.
    pub(crate) fn estimate(&self, worker: &Worker) -> u64 {
        let mut estimate = Estimate::new(worker.runtime.catalogue.facts(&self.model).family);
        estimate.raw_body(&String::from_utf8_lossy(&self.held.bytes));
        estimate.total()
    }

    fn ask(&self, body: Splice) -> Ask {
        Ask {
            provider: self.provider,
            endpoint: self.endpoint,
            model: self.model.clone(),
            streaming: self.streaming,
            method: Method::POST,
            path: http::uri::PathAndQuery::from_static("/"),
            headers: HeaderMap::new(),
            body,
            reserved: Vec::new(),
            rename: (self.model != self.asked).then(|| self.asked.clone()),
            id: self.id.clone(),
            started: self.started,
            patience: self.patience,
            framing: Framing::Events,
        }
    }
}

/// What was left out of one request on its way to an answer.
struct Trials<'a> {
    worker: &'a Worker,
    shaped: &'a Shaped,
    /// What was known before.
    known: usize,
    without: Vec<Lesson>,
}

impl<'a> Trials<'a> {
    fn new(worker: &'a Worker, shaped: &'a Shaped) -> Self {
        let provider = &worker.runtime.providers[shaped.provider];
        let without = provider.live.refusals.known(&shaped.model);
        Self { worker, shaped, known: without.len(), without }
    }

    fn write(&self) -> Result<(Ask, Losses), ApiError> {
        self.shaped.write(self.worker, &self.without)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.without.len() - self.known).unwrap_or(u32::MAX)
    }

    /// The request written again, if the refusal says what may be left out; else the refusal.
    fn again(&mut self, refusal: Refusal, sent: &Sent) -> Result<(Ask, Losses), Refusal> {
        let lesson = match &refusal {
            Refusal::Upstream(told) if is_about_the_request(told.status) => lesson_of(&told.body),
            Refusal::Gateway(told, _) if is_about_the_request(told.status()) => {
                lesson_of(told.message().as_bytes())
            }
            _ => None,
        };
        if let Some(lesson) = lesson
            && self.without.len() - self.known < MAX_REWRITES
            && !self.without.contains(&lesson)
        {
            self.without.push(lesson);
            let (ask, losses) = self.write()?;
            // Where it changes nothing it was not what the upstream meant.
            if !Sent::of(&ask).is(sent) {
                return Ok((ask, losses));
            }
            self.without.pop();
        }
        Err(match refusal {
            Refusal::Gateway(told, _) => Refusal::Gateway(told, self.count()),
            other @ Refusal::Upstream(_) => other,
        })
    }

    /// It was taken: what was left out is left out of the next ones, too (R20).
    fn remember(&self) {
        let provider = &self.worker.runtime.providers[self.shaped.provider];
        for lesson in self.without[self.known..].iter().filter(|lesson| lesson.is_lasting()) {
            if provider.live.refusals.learn(&self.shaped.model, lesson) {
                let (name, model) = (&provider.name, &self.shaped.model);
                let text =
                    format!("{name} refuses `{lesson}` for {model}: it gets none for a while");
                self.worker.runtime.note(LogLevel::Warn, text);
            }
        }
    }
}

/// What an upstream judges a request by.
struct Sent {
    /// Shared with the request itself.
    body: Splice,
    betas: String,
}

impl Sent {
    fn of(ask: &Ask) -> Self {
        Self { body: ask.body.clone(), betas: betas(&ask.headers) }
    }

    fn is(&self, other: &Self) -> bool {
        self.betas == other.betas && self.body.concat() == other.body.concat()
    }
}

fn is_about_the_request(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
}

/// Asks for a stream and waits for its first event.
pub(crate) async fn open(worker: Arc<Worker>, shaped: Shaped) -> Result<Opened, Refusal> {
    let mut trials = Trials::new(&worker, &shaped);
    let (mut ask, mut losses) = trials.write()?;
    loop {
        let sent = Sent::of(&ask);
        match attempt::open_stream(worker.clone(), ask).await {
            Ok(opened) => {
                trials.remember();
                return Ok(Opened { losses, rewrites: trials.count(), ..opened });
            }
            Err(refusal) => (ask, losses) = trials.again(refusal, &sent)?,
        }
    }
}

/// Asks for a reply and reads it whole.
pub(crate) async fn unary(worker: &Worker, shaped: &Shaped) -> Result<Whole, Refusal> {
    let mut trials = Trials::new(worker, shaped);
    let (mut ask, mut losses) = trials.write()?;
    loop {
        let sent = Sent::of(&ask);
        match attempt::unary(worker, ask).await {
            Ok(whole) => {
                trials.remember();
                return Ok(Whole { losses, rewrites: trials.count(), ..whole });
            }
            Err(refusal) => (ask, losses) = trials.again(refusal, &sent)?,
        }
    }
}

/// The tokens that a cloud counts for its Claude; an estimate where it does not, or will not (R31).
///
/// # Errors
/// What can't be asked there at all, and what a strict caller will not have lost.
pub(crate) async fn count(
    worker: &Worker,
    record: &mut Exchange,
    shaped: &Shaped,
) -> Result<Count, ApiError> {
    let provider = &worker.runtime.providers[shaped.provider];
    let counts = provider.host_of(&shaped.model).is_some_and(|h| hosted::counts(h, &shaped.model));
    if counts && provider.live.uncounted.known(&shaped.model).is_empty() {
        let (ask, losses) = Trials::new(worker, shaped).write()?;
        record.losses.extend(&losses);
        record.attempts += 1;
        match counted(worker, ask).await {
            Ok(tokens) => return Ok(Count::Exact(tokens)),
            Err(NoCount { why, lasting }) => {
                record.fault = Some(why);
                if lasting {
                    // A model that is offered by a profile alone is never counted.
                    provider.live.uncounted.learn(&shaped.model, &());
                }
            }
        }
    }
    // What is no request has no length.
    Messages.decode(&shaped.held.bytes)?;
    Ok(Count::Estimate(shaped.estimate(worker)))
}

/// Why there is no count.
struct NoCount {
    why: String,
    /// It will not be otherwise for the next request.
    lasting: bool,
}

async fn counted(worker: &Worker, ask: Ask) -> Result<u64, NoCount> {
    let name = &worker.runtime.providers[ask.provider].name;
    let passing = |why: String| NoCount { why, lasting: false };
    let answer = async {
        let heads = attempt::exchange_heads(worker, ask).await;
        let (head, body) = heads.map_err(|err| passing(worker.runtime.fault_text(&err)))?;
        let body = match collect(body, attempt::MAX_ERROR_BYTES, None).await {
            Collected::Whole(bytes) => bytes,
            Collected::TooLarge(_) | Collected::Cut(_) => Bytes::new(),
        };
        if !head.status.is_success() {
            // A refusal of this request says nothing of the next one.
            let says_so = String::from_utf8_lossy(&body).contains("support counting");
            let lasting = has_no_counter(head.status) || says_so;
            return Err(NoCount { why: format!("{name} answered {}", head.status), lasting });
        }
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let count =
            ["input_tokens", "inputTokens"].iter().find_map(|name| value.get(name)?.as_u64());
        count.ok_or_else(|| passing(format!("{name} answered without a count")))
    };
    let late = || Err(passing(format!("{name} did not count in time")));
    timeout(COUNT_LIMIT, answer).await.unwrap_or_else(|_| late())
}
