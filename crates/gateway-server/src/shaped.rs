//! Requests that keep the shape of the Messages API on their way to somebody who is not Anthropic:
//! Claude on a cloud, and servers that speak the same API. What such an upstream refuses is left
//! out, and left out of the next requests as well (R20); its answers are relayed.

use std::sync::Arc;

use bytes::Bytes;
use gateway_anthropic::headers::{ANTHROPIC_VERSION, betas, set_betas};
use gateway_anthropic::hosted::{self, Host, HostCx};
use gateway_anthropic::{Messages, Refused as Lesson, edit, refused as lesson_of};
use gateway_config::{Kind, LogLevel};
use gateway_translate::{Ingress as _, Splice, peek};
use gateway_types::{ApiError, ErrorKind, Losses, Remedy};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::timeout;

use crate::asked::{Draft, Until};
use crate::attempt::{self, Ask, Framing, Opened, Whole};
use crate::attempts::{Counted, Got, Trying};
use crate::checks::{has_no_counter, upstream_path};
use crate::desk::Worker;
use crate::failure::{Failed, Refusal};
use crate::foreign::{COUNT_LIMIT, Count, headers_for, refuse_losses};
use crate::intake;
use crate::upbody::{Collected, collect};

/// So many things are left out of one request before its refusal is the caller's.
const MAX_REWRITES: usize = 6;

/// The request in its own shape, for one attempt with one of the provider's keys.
fn write(
    worker: &Worker,
    draft: &Draft<'_>,
    key: usize,
    without: &[Lesson],
) -> Result<(Ask, Losses), ApiError> {
    let (ask, mut losses) = match draft.provider.host_of(draft.model) {
        Some(host) => wrapped(worker, draft, host, key, without)?,
        None => edited(worker, draft, key, without)?,
    };
    losses.extend(&draft.losses);
    if draft.asked.strict {
        refuse_losses(&losses)?;
    }
    Ok((ask, losses))
}

fn wrapped(
    worker: &Worker,
    draft: &Draft<'_>,
    host: &Host,
    key: usize,
    without: &[Lesson],
) -> Result<(Ask, Losses), ApiError> {
    let (asked, provider) = (draft.asked, draft.provider);
    let betas = betas(&asked.headers);
    let version = asked.headers.get(ANTHROPIC_VERSION).and_then(|v| v.to_str().ok());
    let cx = HostCx {
        endpoint: asked.endpoint,
        model: draft.model,
        hint: provider.family.as_deref(),
        stream: asked.streaming,
        betas: &betas,
        version: version.unwrap_or_default(),
        policy: &provider.policy,
        without,
    };
    let wrapped = hosted::wrap(host, &draft.body, &cx)?;
    let headers =
        headers_for(worker, provider, key, &asked.headers, &wrapped.headers, asked.streaming);
    let framing = match host {
        Host::Bedrock if asked.streaming => Framing::Aws,
        _ => Framing::Events,
    };
    let path = format!("{}{}", provider.base_path, wrapped.path);
    let path = path.parse().map_err(|err: http::uri::InvalidUri| {
        let text = format!("{}: the path can't be asked for", provider.name);
        ApiError::new(ErrorKind::Internal, text).with_source(err)
    })?;
    let reserved = vec![intake::reserve(&worker.runtime, wrapped.body.len() as u64)?];
    let ask = Ask { path, headers, reserved, framing, ..ask(draft, Splice::none(wrapped.body)) };
    Ok((ask, wrapped.losses))
}

fn edited(
    worker: &Worker,
    draft: &Draft<'_>,
    key: usize,
    without: &[Lesson],
) -> Result<(Ask, Losses), ApiError> {
    let (asked, provider) = (draft.asked, draft.provider);
    let mut headers = asked.headers.clone();
    let untouched = provider.kind != Kind::Anthropic
        || (without.is_empty() && !asked.foreign_state && !provider.policy.acts());
    let edited = if untouched {
        None
    } else {
        let policy = provider.policy.without(without);
        edit::edit(&draft.body, &policy, &betas(&headers))?
    };
    let (mut losses, mut reserved) = (Losses::new(), Vec::new());
    let renamed = draft.model != asked.model;
    let (bytes, span) = match edited {
        None => (draft.body.clone(), draft.model_span.clone()),
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
        if renamed { Splice::string(&bytes, span, draft.model) } else { Splice::none(bytes) };
    attempt::outgoing_headers(worker, provider, key, &mut headers);
    let path = upstream_path(provider, asked.endpoint.path(), asked.query.as_deref())?;
    Ok((Ask { path, headers, reserved, ..ask(draft, body) }, losses))
}

fn ask(draft: &Draft<'_>, body: Splice) -> Ask {
    let asked = draft.asked;
    Ask {
        provider: draft.index,
        endpoint: asked.endpoint,
        model: draft.model.to_owned(),
        streaming: asked.streaming,
        method: Method::POST,
        path: http::uri::PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
        body,
        reserved: Vec::new(),
        rename: (draft.model != asked.model).then(|| asked.model.clone()),
        id: asked.id.clone(),
        framing: Framing::Events,
    }
}

/// A request in its own shape, and what was left out of it on its way to an answer.
#[derive(Debug)]
pub(crate) struct Trials<'a> {
    worker: &'a Arc<Worker>,
    draft: Draft<'a>,
    /// Whether a refusal is the gateway's to read. Anthropic's own are for the client, which knows what to do
    /// about them.
    learns: bool,
    /// What was known before.
    known: usize,
    without: Vec<Lesson>,
    /// What was sent last, where that may matter.
    sent: Option<Sent>,
}

impl<'a> Trials<'a> {
    pub(crate) fn new(worker: &'a Arc<Worker>, draft: Draft<'a>) -> Self {
        let learns = draft.provider.learns || draft.provider.host_of(draft.model).is_some();
        let without =
            if learns { draft.provider.live.refusals.known(draft.model) } else { Vec::new() };
        Self { worker, known: without.len(), draft, learns, without, sent: None }
    }

    /// Asks once. Each way of asking has a future of its own size.
    pub(crate) fn attempt(&mut self, key: usize, until: Until) -> Trying<'_> {
        let asked = self.draft.asked;
        if asked.is_count() && self.draft.provider.host_of(self.draft.model).is_some() {
            Box::pin(async move { self.count(key).await.map(Got::Counted) })
        } else if asked.streaming {
            Box::pin(self.stream(key, until))
        } else {
            Box::pin(self.whole(key, until))
        }
    }

    async fn stream(&mut self, key: usize, until: Until) -> Result<Got, Failed> {
        let (ask, losses) = self.write(key)?;
        self.sent = self.learns.then(|| Sent::of(&ask));
        let opened = attempt::open_stream(self.worker, ask, until).await?;
        Ok(Got::Opened(Box::new(Opened { losses, ..opened })))
    }

    async fn whole(&mut self, key: usize, until: Until) -> Result<Got, Failed> {
        let (ask, losses) = self.write(key)?;
        self.sent = self.learns.then(|| Sent::of(&ask));
        match attempt::unary(self.worker, ask, until).await {
            Ok(whole) => Ok(Got::Whole(Box::new(Whole { losses, ..whole }))),
            // A client without a count misjudges when to compact (R31).
            Err(Failed { refusal: Refusal::Upstream(refused), .. })
                if self.draft.asked.is_count() && has_no_counter(refused.status) =>
            {
                let count = Count::Estimate(self.draft.estimate(self.worker));
                Ok(Got::Counted(Counted { count, losses, asked: true, why: None }))
            }
            Err(failed) => Err(failed),
        }
    }

    fn write(&self, key: usize) -> Result<(Ask, Losses), ApiError> {
        write(self.worker, &self.draft, key, &self.without)
    }

    /// Whether the refusal says what may be left out: then the next attempt goes without it.
    pub(crate) fn again(&mut self, failed: &Failed, key: usize) -> bool {
        let Some(sent) = self.sent.take() else { return false };
        let lesson = match &failed.refusal {
            Refusal::Upstream(told) if is_about_the_request(told.status) => lesson_of(&told.body),
            Refusal::Gateway(told) if is_about_the_request(told.status()) => {
                lesson_of(told.message().as_bytes())
            }
            _ => None,
        };
        if let Some(lesson) = lesson
            && self.without.len() - self.known < MAX_REWRITES
            && !self.without.contains(&lesson)
        {
            self.without.push(lesson);
            // Where it changes nothing it was not what the upstream meant.
            if self.write(key).is_ok_and(|(ask, _)| !Sent::of(&ask).is(&sent)) {
                return true;
            }
            self.without.pop();
        }
        false
    }

    /// It was taken: what was left out is left out of the next ones, too (R20).
    pub(crate) fn remember(&self) {
        let provider = self.draft.provider;
        for lesson in self.without[self.known..].iter().filter(|lesson| lesson.is_lasting()) {
            if provider.live.refusals.learn(self.draft.model, lesson) {
                let (name, model) = (&provider.name, self.draft.model);
                let text =
                    format!("{name} refuses `{lesson}` for {model}: it gets none for a while");
                self.worker.runtime.note(LogLevel::Warn, text);
            }
        }
    }

    /// The tokens that a cloud counts for its Claude; an estimate where it does not, or will not (R31).
    async fn count(&self, key: usize) -> Result<Counted, Failed> {
        let (provider, model) = (self.draft.provider, self.draft.model);
        let counts = provider.host_of(model).is_some_and(|host| hosted::counts(host, model));
        let (mut losses, mut why) = (Losses::new(), None);
        if counts && provider.live.uncounted.known(model).is_empty() {
            let (ask, lost) = self.write(key)?;
            losses = lost;
            match counted(self.worker, ask).await {
                Ok(tokens) => {
                    return Ok(Counted { count: Count::Exact(tokens), losses, asked: true, why });
                }
                Err(none) => {
                    why = Some(none.why);
                    if none.lasting {
                        // A model that is offered by a profile alone is never counted.
                        provider.live.uncounted.learn(model, &());
                    }
                }
            }
        }
        // What is no request has no length.
        Messages
            .decode(&self.draft.body)
            .map_err(|err| Failed::from(err).with_remedy(Remedy::Final))?;
        let count = Count::Estimate(self.draft.estimate(self.worker));
        Ok(Counted { count, losses, asked: why.is_some(), why })
    }
}

/// What an upstream judges a request by.
#[derive(Debug)]
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
        let (head, body) =
            heads.map_err(|failed| passing(worker.runtime.fault_text(&failed.told())))?;
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
