//! Where a request may go: the router's plan with the state of the moment, as a chain of legs.

use std::time::Duration;

use gateway_models::Estimate;
use gateway_router::{Agent, Facts, Headers, Plan, Query, View};
use gateway_types::{ApiError, ErrorKind};
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::asked::Leg;
use crate::checks::{credential_present, no_route};
use crate::intake;
use crate::runtime::{Runtime, UpstreamAuth};

/// Set by Claude Code on the requests of agents that another agent started.
const AGENT: HeaderName = HeaderName::from_static("x-claude-code-agent-id");

/// What a plan depends on.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) model: &'a str,
    /// The provider that the caller picked.
    pub(crate) pick: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) client: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// A request's way.
#[derive(Debug)]
pub(crate) struct Way {
    /// Who is asked, one after the other; at least one.
    pub(crate) legs: Vec<Leg>,
    /// Who gets a copy.
    pub(crate) mirror: Option<Leg>,
    /// The rule under which the session is to be pinned to whoever answers.
    pub(crate) sticky: Option<usize>,
}

/// Plans a request's way.
///
/// # Errors
/// It goes nowhere, or only to providers without a credential.
pub(crate) fn plan(runtime: &Runtime, request: &Request<'_>) -> Result<Way, ApiError> {
    let headers = Shown(request.headers);
    let query = Query {
        model: request.model,
        pick: request.pick,
        path: request.path,
        headers: &headers,
        client: request.client,
        session: request.session,
        facts: facts(runtime, request),
    };
    let view = Now { runtime, at: Instant::now() };
    let plan = runtime.router().plan(&query, &view).map_err(|fault| no_route(&fault))?;
    let Plan { steps, mirror, sticky, .. } = plan;
    let legs: Vec<Leg> = steps
        .into_iter()
        .map(|step| Leg { provider: step.provider, model: step.model.into(), rule: step.rule })
        .collect();
    let providers = &runtime.providers;
    let Some(first) = legs.first() else { return Err(no_plan()) };
    if legs.iter().any(|leg| providers.get(leg.provider).is_none_or(|p| !p.enabled)) {
        return Err(no_plan());
    }
    let missing = |leg: &Leg| matches!(providers[leg.provider].auth, UpstreamAuth::Missing(_));
    if legs.iter().all(missing) {
        credential_present(&providers[first.provider])?;
    }
    // One part in ten thousand is as fine as a percentage is written.
    let hit = |percent: f64| {
        let dice = runtime.house.luck.next() % 1_000_000;
        f64::from(u32::try_from(dice).unwrap_or(0)) < percent * 10_000.0
    };
    let mirror = mirror.filter(|mirror| hit(mirror.percent)).map(|mirror| Leg {
        provider: mirror.provider,
        model: mirror.model.into(),
        rule: None,
    });
    Ok(Way { legs, mirror, sticky })
}

/// A router of somebody's own made a plan that can't be followed.
fn no_plan() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the router's plan names no provider that is enabled")
}

/// What the rules look at, and no more than that.
fn facts(runtime: &Runtime, request: &Request<'_>) -> Facts {
    let needs = runtime.router().needs();
    if !needs.facts {
        return Facts::default();
    }
    let found = gateway_anthropic::facts(request.body);
    // No prompt has more tokens than bytes: a short one reaches no rule's threshold.
    let may_reach = runtime.least_tokens.is_none_or(|least| request.body.len() as u64 >= least);
    let input_tokens = if needs.tokens && may_reach {
        // To look at all of a large body takes longer than all the rest of the decision.
        let mut estimate = Estimate::sampling(runtime.catalogue.facts(request.model).family);
        estimate.raw_body(&intake::text(request.body));
        estimate.total()
    } else {
        0
    };
    Facts {
        thinking: found.thinking,
        input_tokens,
        has_images: found.has_images,
        has_tools: found.has_tools,
        web_search: found.web_search,
        background: found.background,
        agent: if request.headers.contains_key(AGENT) { Agent::Subagent } else { Agent::Main },
    }
}

struct Shown<'a>(&'a HeaderMap);

impl Headers for Shown<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }
}

/// The state of the moment.
struct Now<'a> {
    runtime: &'a Runtime,
    at: Instant,
}

impl View for Now<'_> {
    fn is_up(&self, provider: usize, model: &str) -> bool {
        let provider = &self.runtime.providers[provider];
        if matches!(provider.auth, UpstreamAuth::Missing(_)) {
            return false;
        }
        let standing = &provider.live.standing;
        let healthy = standing.known(model).is_none_or(|health| health.is_up(self.at));
        healthy && (!provider.has_keys() || standing.has_key(model, self.at))
    }

    fn latency(&self, provider: usize, model: &str) -> Option<Duration> {
        self.runtime.providers[provider].live.standing.known(model)?.latency(self.at)
    }

    fn cost(&self, provider: usize, model: &str) -> Option<u64> {
        let said = &self.runtime.config.providers[provider].models;
        let said = said.iter().find(|known| known.name == model).and_then(|known| known.price)?;
        // Most of what an agent pays for is what it sends.
        Some(said.input.saturating_mul(4).saturating_add(said.output))
    }

    fn pinned(&self, session: &str, rule: usize) -> Option<usize> {
        let name = self.runtime.house.pins.of(session, self.runtime.rule(rule), self.at)?;
        self.runtime.providers.iter().position(|provider| provider.name == name)
    }

    fn turn(&self, rule: usize) -> usize {
        self.runtime.turn(rule)
    }

    fn luck(&self) -> u64 {
        self.runtime.house.luck.next()
    }
}
