//! What the gateway answers by itself.

use std::borrow::Cow;

use bytes::Bytes;
use gateway_config::Kind;
use gateway_models::{Family, Model, family};
use gateway_resilience::breaker::State;
use gateway_resilience::keys::KeyStatus;
use gateway_router::Query;
use gateway_types::{ApiError, ErrorKind};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clients::Client;
use crate::runtime::{Provider, Runtime, UpstreamAuth};
use crate::standing::ModelStatus;

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path<'p> {
    Root,
    Health,
    Ready,
    Status,
    Models,
    Model(&'p str),
    Messages,
    CountTokens,
    /// Another path below `/v1/`.
    OtherV1,
    Unknown,
}

impl<'p> Path<'p> {
    /// Reads a path. Trailing slashes do not matter.
    pub(crate) fn of(path: &'p str) -> Self {
        match path.trim_end_matches('/') {
            "" => Self::Root,
            "/health" => Self::Health,
            "/ready" => Self::Ready,
            "/status" => Self::Status,
            "/v1/messages" => Self::Messages,
            "/v1/messages/count_tokens" => Self::CountTokens,
            "/v1/models" => Self::Models,
            other => match other.strip_prefix("/v1/") {
                Some(rest) => match rest.strip_prefix("models/") {
                    // Names of models may hold slashes.
                    Some(id) => Self::Model(id),
                    None => Self::OtherV1,
                },
                None => Self::Unknown,
            },
        }
    }

    /// Whether it may be asked without a credential.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Self::Root | Self::Health | Self::Ready)
    }

    /// The one method it knows.
    pub(crate) fn method(&self) -> Option<Method> {
        match self {
            Self::Messages | Self::CountTokens => Some(Method::POST),
            Self::OtherV1 | Self::Unknown => None,
            _ => Some(Method::GET),
        }
    }
}

/// `GET /`.
pub(crate) fn root() -> Bytes {
    let body = json!({"name": "claude-code-model-gateway", "version": env!("CARGO_PKG_VERSION")});
    body.to_string().into()
}

/// `GET /ready`: the body, and whether the gateway is. With `all` every enabled provider must be.
pub(crate) fn ready(runtime: &Runtime, all: bool) -> (Bytes, bool) {
    let draining = runtime.house.is_draining();
    let enabled = || runtime.providers.iter().filter(|provider| provider.enabled);
    let some = enabled().any(|provider| provider.is_ready());
    let every = enabled().all(|provider| provider.is_ready());
    let ready = !draining && if all { every } else { some };
    let providers: serde_json::Map<String, Value> = runtime
        .providers
        .iter()
        .filter(|provider| provider.enabled)
        .map(|provider| {
            let last = runtime.house.stats.provider(&provider.live.stats).last_success_seconds_ago;
            let credential = match &provider.auth {
                // Nobody has asked for it before the first request.
                UpstreamAuth::Cloud(_) if last.is_none() => "unproven",
                UpstreamAuth::Own(..) | UpstreamAuth::Cloud(_) => "present",
                UpstreamAuth::Client => "caller",
                UpstreamAuth::None => "none needed",
                UpstreamAuth::Missing(_) => "missing",
            };
            let standing = provider.live.standing.model_status(Instant::now());
            let breaker = match () {
                () if standing.iter().any(|m| matches!(m.breaker, State::Open { .. })) => "open",
                () if standing.iter().any(|m| m.breaker == State::HalfOpen) => "half-open",
                () => "closed",
            };
            let said = json!({
                "ready": provider.is_ready(), "credential": credential, "breaker": breaker,
                "last_success_seconds_ago": last,
            });
            (provider.name.to_string(), said)
        })
        .collect();
    let body = json!({"ready": ready, "draining": draining, "providers": providers});
    (body.to_string().into(), ready)
}

/// What a provider was found to refuse and is not sent for a while (R20).
fn learnt(provider: &Provider) -> Vec<Value> {
    let of_others = provider.live.lessons.all().into_iter();
    let of_others = of_others.map(|(model, feature)| (model, feature.as_str().to_owned()));
    let of_its_own = provider.live.refusals.all().into_iter();
    let of_its_own = of_its_own.map(|(model, refused)| (model, refused.to_string()));
    of_others
        .chain(of_its_own)
        .map(|(model, refuses)| json!({"model": model, "refuses": refuses}))
        .collect()
}

/// How the models of a provider stand that were asked for.
fn models_of(provider: &Provider, now: Instant) -> Value {
    let one = |status: ModelStatus| {
        let mut said = json!({
            "breaker": word(status.breaker), "ejected": status.ejected,
            "in_flight": status.running,
            "first_event_ms": status.latency.map(|time| time.as_secs_f64() * 1000.0),
        });
        if let State::Open { until } = status.breaker {
            let rest = until.saturating_duration_since(now.into_std());
            said["opens_again_in_seconds"] = json!(rest.as_secs_f64());
        }
        (status.model, said)
    };
    let all = provider.live.standing.model_status(now).into_iter().map(one);
    Value::Object(all.collect())
}

/// How a provider's keys stand, by their places: never what they are.
fn keys_of(provider: &Provider, now: Instant) -> Value {
    if !provider.has_keys() {
        return json!([]);
    }
    let one = |status: KeyStatus| {
        let rests = status
            .limited
            .iter()
            .map(|(model, rest)| json!({"model": model, "for_seconds": rest.as_secs_f64()}));
        json!({
            "rejected_for_seconds": status.rejected_for.map(|rest| rest.as_secs_f64()),
            "limited": rests.collect::<Vec<_>>(),
        })
    };
    provider.live.standing.key_status(now).into_iter().map(one).collect()
}

fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open { .. } => "open",
        State::HalfOpen => "half-open",
    }
}

/// `GET /status`.
pub(crate) fn status(runtime: &Runtime) -> Bytes {
    let now = Instant::now();
    let providers: serde_json::Map<String, Value> = runtime
        .providers
        .iter()
        .map(|provider| {
            let mut said = json!(runtime.house.stats.provider(&provider.live.stats));
            said["models"] = models_of(provider, now);
            said["keys"] = keys_of(provider, now);
            if provider.live.allowance.is_limited() {
                let (inside, waiting) = provider.live.allowance.gauge();
                said["limits"] = json!({"in_flight": inside, "waiting": waiting});
            }
            said["retry_budget"] = json!(provider.live.standing.budget().balance(now.into_std()));
            if let learnt @ [_, ..] = &*learnt(provider) {
                said["learnt"] = json!(learnt);
            }
            (provider.name.to_string(), said)
        })
        .collect();
    let clients: serde_json::Map<String, Value> = runtime
        .access
        .named()
        .filter_map(|client| Some((client.name.as_deref()?.to_owned(), client.meter.summary())))
        .collect();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": runtime.house.stats.uptime().as_secs(),
        "requests": runtime.house.stats.summary(),
        "providers": providers,
        "clients": clients,
        "everyone": runtime.house.meters.everyone.summary(),
        "cache": "off",
    });
    body.to_string().into()
}

/// One entry of `/v1/models`, in Anthropic's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    id: String,
    display_name: String,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
}

impl Listed {
    fn known(id: &str, model: &Model) -> Self {
        Self {
            id: id.to_owned(),
            display_name: model.display_name.clone(),
            max_input_tokens: model.prompt_limit(),
            max_tokens: model.max_output,
        }
    }

    /// A provider's model by the name that is sent; what is not known of it is left out.
    fn at(runtime: &Runtime, provider: usize, id: String, sent: &str) -> Self {
        let (max_input_tokens, max_tokens) = limits(runtime, provider, sent);
        let known = runtime.catalogue.find(sent);
        let display_name = known.map_or(sent, |known| &known.display_name).to_owned();
        Self { id, display_name, max_input_tokens, max_tokens }
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "type": "model", "id": self.id, "display_name": self.display_name,
            "created_at": "1970-01-01T00:00:00Z",
        });
        if let (Some(fields), Some(input)) = (entry.as_object_mut(), self.max_input_tokens) {
            fields.insert("max_input_tokens".to_owned(), input.into());
        }
        if let (Some(fields), Some(output)) = (entry.as_object_mut(), self.max_tokens) {
            fields.insert("max_tokens".to_owned(), output.into());
        }
        entry
    }
}

/// The names a client may ask for: configured ones, then the catalogue's.
fn listed(runtime: &Runtime) -> Vec<Listed> {
    let mut all = Vec::new();
    for (at, provider) in runtime.config.providers.iter().enumerate().filter(|(_, p)| p.enabled) {
        let own = matches!(provider.kind, Kind::Anthropic | Kind::Demo);
        let deployment = &provider.extra.deployment;
        let said = provider.models.iter().map(|model| &model.name);
        let sent = provider.model_map.iter().map(|(_, name)| name).chain(&provider.default_model);
        for name in said.chain(sent).chain(deployment) {
            // A client shows only names with its vendor's in them.
            let plain = own && (provider.kind == Kind::Demo || family(name) == Family::Claude);
            let id = if plain { name.clone() } else { via(&provider.name, name) };
            all.push(Listed::at(runtime, at, id, name));
        }
    }
    // Of the catalogue only what a client asks an Anthropic-shaped gateway for unasked.
    let claude = runtime.catalogue.iter().filter(|known| known.family == Family::Claude);
    all.extend(claude.map(|known| asked_for(runtime, known)));
    let mut seen = std::collections::HashSet::new();
    all.retain(|model| seen.insert(model.id.clone()));
    all
}

/// The name that leads to a provider's model without a rule.
fn via(provider: &str, model: &str) -> String {
    format!("claude-via-{provider}--{model}")
}

/// A model of Anthropic's with the limits of the one that answers in its place: the client compacts
/// by them.
fn asked_for(runtime: &Runtime, known: &Model) -> Listed {
    match foreign_limits(runtime, &known.id) {
        None => Listed::known(&known.id, known),
        Some((max_input_tokens, max_tokens)) => Listed {
            id: known.id.clone(),
            display_name: known.display_name.clone(),
            max_input_tokens,
            max_tokens,
        },
    }
}

/// The longest prompt and answer, in tokens and as far as known, of the model that answers to a name,
/// if that is not one of Anthropic's.
pub(crate) fn foreign_limits(runtime: &Runtime, asked: &str) -> Option<(Option<u64>, Option<u64>)> {
    let decision = runtime.table.decide(&Query::model(asked)).ok()?;
    let own = runtime.providers[decision.provider].egress.is_none();
    if own && family(&decision.upstream_model) == Family::Claude {
        return None;
    }
    Some(limits(runtime, decision.provider, &decision.upstream_model))
}

/// The longest prompt and answer, in tokens and as far as known, of what a provider asks for by a name.
pub(crate) fn limits(
    runtime: &Runtime,
    provider: usize,
    model: &str,
) -> (Option<u64>, Option<u64>) {
    let provider = &runtime.config.providers[provider];
    // One deployment serves every name; only one of OpenAI's says what that is where its own does not.
    let deployment = provider.extra.deployment.as_deref();
    let names =
        [deployment, Some(model).filter(|_| deployment.is_none() || family(model).is_openai())];
    let names = || names.into_iter().flatten();
    let said = names().find_map(|name| provider.models.iter().find(|m| m.name == name));
    let known = names().find_map(|name| runtime.catalogue.find(name));
    let window =
        said.and_then(|m| m.context_window).or_else(|| known.and_then(Model::prompt_limit));
    let window = match provider.kind {
        // As it is loaded, not as it was made.
        Kind::Ollama => {
            let loaded = provider.extra.num_ctx.unwrap_or(gateway_ollama::DEFAULT_NUM_CTX);
            Some(window.map_or(loaded, |window| window.min(loaded)))
        }
        _ => window,
    };
    let most = said.and_then(|m| m.max_tokens).or_else(|| known.and_then(|known| known.max_output));
    (window, most.map(|most| window.map_or(most, |window| most.min(window))))
}

/// `GET /v1/models`, with `limit`, `after_id` and `before_id`.
pub(crate) fn models(
    runtime: &Runtime,
    client: &Client,
    query: Option<&str>,
) -> Result<Bytes, ApiError> {
    let mut all = listed(runtime);
    all.retain(|model| client.may_ask(&model.id));
    let mut limit = 20;
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "limit" => {
                limit = value.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(|| {
                    let text = "limit: Input should be a whole number from 1 to 1000";
                    ApiError::new(ErrorKind::InvalidRequest, text)
                })?;
            }
            "after_id" => {
                let value = plain(value);
                if let Some(at) = all.iter().position(|model| model.id == value) {
                    all.drain(..=at);
                }
            }
            "before_id" => {
                let value = plain(value);
                if let Some(at) = all.iter().position(|model| model.id == value) {
                    all.truncate(at);
                }
            }
            _ => {}
        }
    }
    let has_more = all.len() > limit;
    all.truncate(limit);
    let data: Vec<Value> = all.iter().map(Listed::to_json).collect();
    let body = json!({
        "data": data, "has_more": has_more,
        "first_id": all.first().map(|m| &m.id), "last_id": all.last().map(|m| &m.id),
    });
    Ok(body.to_string().into())
}

/// `GET /v1/models/{id}`.
pub(crate) fn model(runtime: &Runtime, client: &Client, id: &str) -> Result<Bytes, ApiError> {
    let id = &*plain(id);
    client.check_model(id)?;
    let found = listed(runtime)
        .into_iter()
        .find(|model| model.id == id)
        .or_else(|| named_via(runtime, id))
        .or_else(|| runtime.catalogue.find(id).map(|known| asked_for(runtime, known)));
    let found = found.ok_or_else(|| {
        ApiError::new(ErrorKind::NotFound, format!("this gateway knows no model `{id}`"))
    })?;
    Ok(found.to_json().to_string().into())
}

/// A model that nobody listed, by a name that leads to its provider.
fn named_via(runtime: &Runtime, id: &str) -> Option<Listed> {
    let decision = runtime.table.decide(&Query::model(id)).ok()?;
    let sent = &*decision.upstream_model;
    let leads = id.starts_with("claude-via-") && sent != id;
    leads.then(|| Listed::at(runtime, decision.provider, id.to_owned(), sent))
}

/// A name without the escapes of URLs; as it is where they are none.
fn plain(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return name.into();
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| byte == b'%');
        let code = code.and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(out).map_or_else(|_| name.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_urls_are_read_with_and_without_escapes() {
        for (written, name) in [
            ("qwen3-coder:30b", "qwen3-coder:30b"),
            ("openai%2Fgpt-5%3Anitro", "openai/gpt-5:nitro"),
            ("claude%40default", "claude@default"),
            ("50%", "50%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "%ff"),
        ] {
            assert_eq!(plain(written), name);
        }
    }

    #[test]
    fn c02_paths_are_read_without_query_and_trailing_slash() {
        for (path, wanted) in [
            ("/", Path::Root),
            ("/v1/messages", Path::Messages),
            ("/v1/messages/", Path::Messages),
            ("/v1/messages/count_tokens", Path::CountTokens),
            ("/v1/messages/batches", Path::OtherV1),
            ("/v1/models", Path::Models),
            ("/v1/models/a", Path::Model("a")),
            ("/v1/models/a/b", Path::Model("a/b")),
            ("/v1", Path::Unknown),
            ("/v2/messages", Path::Unknown),
        ] {
            assert_eq!(Path::of(path), wanted, "{path}");
        }
    }
}
