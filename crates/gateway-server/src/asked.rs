//! A Messages request as it came, as long as somebody may still have to be asked, and one upstream that it
//! may go to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_anthropic::overrides::{self, Overrides};
use gateway_models::Family;
use gateway_resilience::places::Priority;
use gateway_translate::peek;
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses, Span};
use http::HeaderMap;
use tokio::time::Instant;

use crate::desk::Worker;
use crate::failure::Failed;
use crate::house::Reserved;
use crate::intake::{self, Held};
use crate::runtime::Provider;
use crate::seat::Cost;

/// A request with all that is needed to write it for any upstream.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The exchange's id.
    pub(crate) id: String,
    pub(crate) endpoint: Endpoint,
    /// Whether the caller asked for a stream.
    pub(crate) streaming: bool,
    /// The model's name as the caller asked for it.
    pub(crate) model: String,
    /// Where that name stands in the body.
    pub(crate) model_span: Span,
    pub(crate) held: Held,
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
    /// The `max_tokens` that were asked for.
    pub(crate) max_tokens: Option<u64>,
    /// The caller's configured name.
    pub(crate) client: Option<Arc<str>>,
    /// The client's session, which stays with one key where there are several (R35).
    pub(crate) session: Option<String>,
}

impl Asked {
    /// Whether only the length of the prompt is wanted.
    pub(crate) fn is_count(&self) -> bool {
        self.endpoint == Endpoint::CountTokens
    }

    /// Whether somebody waits for the answer.
    pub(crate) fn priority(&self) -> Priority {
        if gateway_anthropic::facts(&self.held.bytes).background {
            Priority::Background
        } else {
            Priority::Interactive
        }
    }

    /// About how many tokens prompt and answer have, for a model of `family`.
    pub(crate) fn cost(&self, family: impl FnOnce() -> Family) -> Cost {
        match self.endpoint {
            Endpoint::Messages => Cost::of(&self.held.bytes, self.max_tokens, family),
            Endpoint::CountTokens => Cost::default(),
        }
    }
}

/// One upstream of a request's chain.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    /// Index of the provider.
    pub(crate) provider: usize,
    /// The name the upstream gets.
    pub(crate) model: Arc<str>,
    /// The rule whose `set` holds here.
    pub(crate) rule: Option<usize>,
}

/// A request as it is to go to one upstream.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) asked: &'a Asked,
    /// Index of the provider.
    pub(crate) index: usize,
    pub(crate) provider: &'a Arc<Provider>,
    /// The name the upstream gets.
    pub(crate) model: &'a str,
    /// The body with the rule's changes, still in the caller's dialect.
    pub(crate) body: Bytes,
    /// Where the model's name stands in it.
    pub(crate) model_span: Span,
    /// What the rule's changes cost.
    pub(crate) losses: Losses,
    /// The changed body's place in memory, given back with it.
    reserved: Option<Reserved>,
}

impl<'a> Draft<'a> {
    /// The request for one leg of its chain.
    pub(crate) fn new(
        worker: &'a Worker,
        asked: &'a Asked,
        leg: &'a Leg,
    ) -> Result<Self, ApiError> {
        let mut draft = Self {
            asked,
            index: leg.provider,
            provider: &worker.runtime.providers[leg.provider],
            model: &leg.model,
            body: asked.held.bytes.clone(),
            model_span: asked.model_span.clone(),
            losses: Losses::new(),
            reserved: None,
        };
        let set = leg.rule.and_then(|rule| worker.runtime.overrides.get(rule));
        if let Some(set) = set.filter(|set| !set.is_empty()) {
            draft.change(worker, set)?;
        }
        Ok(draft)
    }

    /// What the rule sets.
    fn change(&mut self, worker: &Worker, set: &Overrides) -> Result<(), ApiError> {
        let changed = match self.asked.endpoint {
            Endpoint::Messages => overrides::apply(&self.body, set, self.model)?,
            Endpoint::CountTokens => overrides::apply(&self.body, &set.for_counting(), self.model)?,
        };
        self.losses = changed.losses;
        if let Some(body) = changed.body {
            self.reserved = Some(intake::reserve(&worker.runtime, body.len() as u64)?);
            self.model_span = peek(&body)?.model_span;
            self.body = body;
        }
        Ok(())
    }

    /// The prompt's length in tokens, by the caller's own bytes.
    pub(crate) fn estimate(&self, worker: &Worker) -> u64 {
        let family = worker.runtime.catalogue.facts(self.model).family;
        let mut estimate = gateway_models::Estimate::new(family);
        estimate.raw_body(&intake::text(&self.body));
        estimate.total()
    }
}

/// Until when something may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    pub(crate) at: Instant,
    /// How long that was at the beginning, for messages.
    pub(crate) limit: Duration,
    /// Whether it is the provider's own limit: then whoever takes longer is to blame. Of a caller's impatience,
    /// or of time that others have used up, it is not.
    pub(crate) full: bool,
}

impl Until {
    /// As long as `limit` from `now`, but not longer than until `end`.
    pub(crate) fn within(now: Instant, limit: Duration, end: Instant) -> Self {
        match now.checked_add(limit) {
            Some(at) if at <= end => Self { at, limit, full: true },
            _ => {
                let left = end.saturating_duration_since(now);
                // A moment that has gone by before it is no reason to let it off.
                Self { at: end, limit: left, full: left >= limit.mul_f64(0.9) }
            }
        }
    }

    /// What took too long; `what` is half a sentence, e.g. `sent no event`.
    pub(crate) fn late(&self, provider: &Provider, what: &str) -> Failed {
        let seconds = self.limit.as_secs_f64().ceil();
        let text = format!("{} {what} within {seconds} s", provider.name);
        Failed { blame: self.full, ..Failed::from(ApiError::new(ErrorKind::Timeout, text)) }
    }
}
