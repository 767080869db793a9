//! The scripted service: checks, answers, remembers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::blobs::Issued;
use super::refusal::Refusal;
use super::rules::{Rules, Vendor};
use super::seen::Seen;
use super::style::ReasoningAt;
use super::turn::{Asked, CREATED, Fault, Turn};
use super::{
    azure_rules, chat_reply, chat_rules, openrouter_rules, responses_reply, responses_rules, walk,
};
use crate::{Recorded, Script, Upstream};

/// `OpenAI` on a loopback port: `/v1/chat/completions`, `/v1/responses`,
/// `/v1/responses/input_tokens` and `/v1/models`. What breaks its [`Rules`] is refused as the real
/// service would; what does not is answered with the script's [`Turn`]. All is recorded.
#[derive(Debug)]
pub struct Server {
    upstream: Upstream,
    state: Arc<State>,
}

type Model = dyn Fn(&Seen) -> Turn + Send + Sync;

struct State {
    rules: Mutex<Rules>,
    model: Box<Model>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    seen: Vec<Seen>,
    issued: Issued,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Server {
    /// Answers each request that is in order with what the closure says. It should decide by what stands
    /// in the request, since a client may ask once more than expected.
    pub fn start(rules: Rules, model: impl Fn(&Seen) -> Turn + Send + Sync + 'static) -> Self {
        let state = Arc::new(State {
            rules: Mutex::new(rules),
            model: Box::new(model),
            memory: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let upstream = Upstream::start(move |recorded| shared.answer(recorded));
        Self { upstream, state }
    }

    /// Answers with these turns in order, and with an error when there is none left.
    pub fn queue(rules: Rules, turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: Mutex<VecDeque<Turn>> = Mutex::new(turns.into_iter().collect());
        Self::start(rules, move |_| {
            let none = || {
                Turn::error(
                    Refusal::new("Test server: the script has no turn left.")
                        .status(500, "server_error")
                        .code("script_is_over"),
                )
            };
            lock(&turns).pop_front().unwrap_or_else(none)
        })
    }

    /// `http://127.0.0.1:PORT`, to which `/v1/…` is added.
    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.upstream.addr()
    }

    /// The listener, for what happened on the wire.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.memory().seen.clone()
    }

    /// The requests for an answer, without counts and lists of models.
    pub fn turns(&self) -> Vec<Seen> {
        let asks = |seen: &Seen| seen.is_chat() || seen.path.ends_with("/responses");
        self.seen().into_iter().filter(asks).collect()
    }

    /// All refusals so far: what a gateway must never earn. Errors that a script asked for are none.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.seen().into_iter().filter_map(|seen| seen.refusal).collect()
    }

    /// What of the client's side came through and must not: its headers, and Anthropic's.
    pub fn leaks(&self) -> Vec<String> {
        let seen = self.seen();
        seen.iter().flat_map(|seen| crate::leaks::of(&seen.path, &seen.headers)).collect()
    }

    /// Changes the rules for the requests to come: another key, account or window.
    pub fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.state.rules));
    }
}

impl State {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn answer(&self, recorded: &Recorded) -> Script {
        let rules = lock(&self.rules).clone();
        let mut seen = Seen {
            index: recorded.index,
            method: recorded.method.clone(),
            path: recorded.path().to_owned(),
            headers: recorded.headers.clone(),
            body: serde_json::from_slice(&recorded.body).unwrap_or_default(),
            refusal: None,
        };
        let admitted = admit(&seen, recorded, &rules, &self.memory().issued);
        seen.refusal = admitted.as_ref().err().cloned();
        self.memory().seen.push(seen.clone());
        let script = match admitted {
            Err(refusal) => refuse(&refusal, &rules),
            Ok(Route::Models) => Script::json(200, models(&rules).to_string()),
            Ok(Route::Count) => {
                let count = walk::tokens(&seen.body);
                let body = json!({"object": "response.input_tokens", "input_tokens": count});
                Script::json(200, body.to_string())
            }
            Ok(route) => self.speak(&seen, route, &rules),
        };
        script
            .header("x-request-id", format!("req_{:032}", seen.index))
            .header("openai-processing-ms", "42")
            .header("openai-version", "2020-10-01")
            .header("x-ratelimit-limit-requests", "500")
            .header("x-ratelimit-limit-tokens", "30000")
    }

    fn speak(&self, seen: &Seen, route: Route, rules: &Rules) -> Script {
        let mut turn = (self.model)(seen);
        if let Some(refusal) = &turn.error {
            return refuse(refusal, rules);
        }
        turn.style.azure |= rules.deployment.is_some();
        if rules.vendor == Vendor::OpenRouter {
            turn.style.openrouter = true;
            if turn.style.reasoning == ReasoningAt::Hidden {
                turn.style.reasoning = ReasoningAt::Details;
            }
        }
        let asked = Asked { body: &seen.body, index: seen.index, account: &rules.account };
        let chat = route == Route::Chat;
        if !chat {
            responses_reply::remember(&turn, asked, &mut self.memory().issued);
        }
        if seen.streams() {
            let frames = if chat {
                chat_reply::frames(&turn, asked)
            } else {
                responses_reply::frames(&turn, asked)
            };
            return streamed(frames, &turn);
        }
        let body =
            if chat { chat_reply::body(&turn, asked) } else { responses_reply::body(&turn, asked) };
        whole(&body, &turn)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Chat,
    Responses,
    Count,
    Models,
}

/// What a request is for, if it may have it.
fn admit(
    seen: &Seen,
    recorded: &Recorded,
    rules: &Rules,
    issued: &Issued,
) -> Result<Route, Refusal> {
    credential(seen, rules)?;
    if let Some(deployment) = &rules.deployment {
        azure_rules::address(&recorded.target, deployment)?;
    }
    let ends = |tail: &str| seen.path.ends_with(tail);
    let based = rules.vendor != Vendor::OpenAi
        || seen.path.starts_with("/v1/")
        || seen.path.starts_with("/openai/");
    let classic = seen.path.starts_with("/openai/") && !seen.path.starts_with("/openai/v1/");
    if classic && !recorded.target.contains("api-version=") {
        return Err(Refusal::azure_not_found());
    }
    let route = match seen.method.as_str() {
        "GET" if based && ends("/models") => return Ok(Route::Models),
        "POST" if based && ends("/chat/completions") => Route::Chat,
        "POST" if based && ends("/responses") => Route::Responses,
        "POST" if based && ends("/responses/input_tokens") => Route::Count,
        method => {
            return Err(Refusal::new(format!("Invalid URL ({method} {})", seen.path))
                .status(404, "invalid_request_error"));
        }
    };
    let kind = seen.header("content-type").unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json") {
        return Err(Refusal::new(format!("Unsupported content type: '{kind}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: {kind}'. Please try again with a supported content type."))
            .status(415, "invalid_request_error")
            .code("unsupported_content_type"));
    }
    if serde_json::from_slice::<Value>(&recorded.body).is_err() {
        return Err(Refusal::new(
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.",
        ));
    }
    if let Some(deployment) = &rules.deployment {
        azure_rules::body(&recorded.target, &seen.body, deployment)?;
    }
    match route {
        Route::Chat => chat_rules::check(&seen.body, rules)?,
        Route::Responses => responses_rules::check(&seen.body, rules, issued)?,
        _ => responses_rules::check_count(&seen.body, rules, issued)?,
    }
    Ok(route)
}

fn credential(seen: &Seen, rules: &Rules) -> Result<(), Refusal> {
    let Some(key) = &rules.key else { return Ok(()) };
    if let Some(given) = seen.header("api-key") {
        return if given == key { Ok(()) } else { Err(Refusal::azure_wrong_key()) };
    }
    let bearer = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match bearer {
        Some(given) if given == key => Ok(()),
        _ if rules.deployment.is_some() => Err(Refusal::azure_wrong_key()),
        Some(given) => Err(Refusal::wrong_key(given)),
        None => Err(Refusal::no_key()),
    }
}

fn refuse(refusal: &Refusal, rules: &Rules) -> Script {
    let body = match rules.vendor {
        Vendor::OpenRouter => openrouter_rules::body(refusal),
        _ => refusal.body(),
    };
    let script = Script::json(refusal.status, body.to_string());
    refusal.extra.headers.iter().fold(script, |script, (name, value)| script.header(name, value))
}

fn models(rules: &Rules) -> Value {
    let id = rules.model.as_deref().unwrap_or("model");
    let model = json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"});
    json!({"object": "list", "data": [model]})
}

fn streamed(frames: Vec<String>, turn: &Turn) -> Script {
    let mut script = Script::event_stream();
    let end = match turn.fault {
        Some(Fault::CutAt(at) | Fault::EndAt(at)) => at,
        _ => usize::MAX,
    };
    let mut written = 0;
    for frame in frames {
        let mut bytes = frame.into_bytes();
        bytes.truncate(end - written);
        written += bytes.len();
        if !bytes.is_empty() {
            script = script.chunk(bytes);
        }
    }
    script = match turn.fault {
        Some(Fault::CutAt(_)) => script.close(),
        _ => script.last_chunk(),
    };
    match &turn.pause {
        Some((writes, reached, go_on)) => script.pausing_after(*writes, reached, go_on),
        None => script,
    }
}

fn whole(body: &Value, turn: &Turn) -> Script {
    let mut bytes = body.to_string().into_bytes();
    match turn.fault {
        Some(Fault::CutAt(at)) => {
            let length = bytes.len() as u64;
            bytes.truncate(at);
            let head = Script::new().head(200).header("content-type", "application/json");
            head.content_length(length).bytes(bytes).close()
        }
        Some(Fault::EndAt(at)) => {
            bytes.truncate(at);
            Script::json(200, bytes)
        }
        _ => Script::json(200, bytes),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
