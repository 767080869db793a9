//! The scripted server: checks, cuts, answers, remembers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::model::Model;
use super::reply::{self, Asked};
use super::rules;
use super::seen::{self, Cut, Seen};
use crate::openai::{Fault, Refusal, Turn, count_tokens};
use crate::{Recorded, Script, Upstream};

/// Ollama with one model on a loopback port: `/api/chat`, `/api/show`, `/api/tags`, `/api/version` and
/// `/`. All is recorded.
#[derive(Debug)]
pub struct Server {
    upstream: Upstream,
    state: Arc<State>,
}

type Speaker = dyn Fn(&Seen) -> Turn + Send + Sync;

struct State {
    model: Mutex<Model>,
    speaker: Box<Speaker>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    seen: Vec<Seen>,
    /// The windows that the model was loaded with, one after another.
    loads: Vec<u64>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Server {
    /// Answers each request that is in order with what the closure says.
    pub fn start(model: Model, speaker: impl Fn(&Seen) -> Turn + Send + Sync + 'static) -> Self {
        let state = Arc::new(State {
            model: Mutex::new(model),
            speaker: Box::new(speaker),
            memory: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        Self { upstream: Upstream::start(move |recorded| shared.answer(recorded)), state }
    }

    /// Answers with these turns in order, and with an error when there is none left.
    pub fn queue(model: Model, turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: Mutex<VecDeque<Turn>> = Mutex::new(turns.into_iter().collect());
        Self::start(model, move |_| {
            let none = || Turn::error(Refusal::new("the script is over").status(500, ""));
            lock(&turns).pop_front().unwrap_or_else(none)
        })
    }

    /// `http://127.0.0.1:PORT`, as `api_base` has it.
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
        lock(&self.state.memory).seen.clone()
    }

    /// The requests for an answer of the model's.
    pub fn turns(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::is_chat).collect()
    }

    /// All refusals so far: what a gateway must never earn. Errors that a script asked for are none.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.seen().into_iter().filter_map(|seen| seen.refusal).collect()
    }

    /// What was cut in silence, and what harms the model: what a gateway must never cause.
    pub fn harm(&self) -> Vec<String> {
        let of = |seen: Seen| {
            let cut =
                seen.cut.map(|cut| format!("{}: cut {} to {}", seen.index, cut.prompt, cut.window));
            let odd = seen.odd.into_iter().map(move |odd| format!("{}: {odd}", seen.index));
            cut.into_iter().chain(odd).collect::<Vec<_>>()
        };
        self.seen().into_iter().flat_map(of).collect()
    }

    /// The windows that the model was loaded with: more than one is time lost.
    pub fn loads(&self) -> Vec<u64> {
        lock(&self.state.memory).loads.clone()
    }

    /// What of the client's side came through and must not: its headers, and Anthropic's.
    pub fn leaks(&self) -> Vec<String> {
        self.seen().iter().flat_map(|seen| crate::leaks::of(&seen.path, &seen.headers)).collect()
    }

    /// Changes the model or the server for the requests to come.
    pub fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut lock(&self.state.model));
    }
}

enum Route {
    Chat,
    Show,
    Tags,
    Version,
    Root,
}

impl State {
    fn answer(&self, recorded: &Recorded) -> Script {
        let model = lock(&self.model).clone();
        let mut seen = Seen {
            index: recorded.index,
            method: recorded.method.clone(),
            path: recorded.path().to_owned(),
            headers: recorded.headers.clone(),
            body: serde_json::from_slice(&recorded.body).unwrap_or_default(),
            refusal: None,
            cut: None,
            odd: Vec::new(),
        };
        let admitted = admit(&seen, &recorded.body, &model);
        let mut prompt = 0;
        if let Ok(Route::Chat) = admitted {
            let window = model.window(&seen.body);
            prompt = count_tokens(&seen.body).min(window);
            seen.cut = cut(&seen.body, &model);
            seen.odd = seen::odd(&seen.body);
            let mut memory = lock(&self.memory);
            if memory.loads.last() != Some(&window) {
                memory.loads.push(window);
            }
        }
        seen.refusal = admitted.as_ref().err().cloned();
        lock(&self.memory).seen.push(seen.clone());
        match admitted {
            Err(refusal) => refuse(&refusal),
            Ok(Route::Show) => Script::json(200, model.show().to_string()),
            Ok(Route::Tags) => Script::json(200, json!({"models": [model.tag()]}).to_string()),
            Ok(Route::Version) => Script::json(200, r#"{"version":"0.40.12"}"#),
            Ok(Route::Root) => Script::full(200, "text/plain; charset=utf-8", "Ollama is running"),
            Ok(Route::Chat) => {
                let turn = (self.speaker)(&seen);
                if let Some(refusal) = &turn.error {
                    return refuse(refusal);
                }
                let asked = Asked { body: &seen.body, index: seen.index, model: &model, prompt };
                if seen.streams() {
                    let lines = reply::lines(&turn, asked);
                    let lines = lines.iter().map(|line| format!("{line}\n").into_bytes());
                    return streamed(lines.collect(), &turn);
                }
                Script::json(200, reply::body(&turn, asked).to_string())
            }
        }
    }
}

/// What the prompt loses, where it loses something.
fn cut(body: &Value, model: &Model) -> Option<Cut> {
    let (prompt, window) = (count_tokens(body), model.window(body));
    (prompt > window).then_some(Cut { prompt, window })
}

/// What a request is for, if it may have it.
fn admit(seen: &Seen, body: &[u8], model: &Model) -> Result<Route, Refusal> {
    if let Some(key) = &model.key
        && seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) != Some(key)
    {
        return Err(Refusal::new("unauthorized").status(401, ""));
    }
    let nowhere = || Refusal::new("404 page not found").status(404, "");
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET" | "HEAD", "/") => return Ok(Route::Root),
        ("GET" | "HEAD", "/api/version") => return Ok(Route::Version),
        ("GET" | "HEAD", "/api/tags") => return Ok(Route::Tags),
        ("POST", "/api/chat" | "/api/show") => {}
        (_, "/api/chat" | "/api/show") => {
            return Err(Refusal::new("405 method not allowed").status(405, ""));
        }
        _ => return Err(nowhere()),
    }
    if body.is_empty() {
        return Err(Refusal::new("missing request body"));
    }
    if let Err(why) = serde_json::from_slice::<Value>(body) {
        return Err(Refusal::new(why.to_string()));
    }
    if seen.path == "/api/show" {
        let named = seen.body["model"].as_str().or(seen.body["name"].as_str()).unwrap_or_default();
        if named != model.name && named != format!("{}:latest", model.name) {
            return Err(Refusal::new(format!("model '{named}' not found")).status(404, ""));
        }
        return Ok(Route::Show);
    }
    rules::check(&seen.body, model)?;
    if model.knows_truncate && seen.body["truncate"] == false && cut(&seen.body, model).is_some() {
        return Err(Refusal::new("the input length exceeds the context length"));
    }
    Ok(Route::Chat)
}

fn refuse(refusal: &Refusal) -> Script {
    // The router's own words are no JSON.
    let plain = matches!(refusal.message.as_str(), "404 page not found" | "405 method not allowed");
    if plain {
        return Script::full(refusal.status, "text/plain", refusal.message.clone());
    }
    let script = Script::json(refusal.status, json!({"error": refusal.message}).to_string());
    refusal.extra.headers.iter().fold(script, |script, (name, value)| script.header(name, value))
}

fn streamed(lines: Vec<Vec<u8>>, turn: &Turn) -> Script {
    let mut script =
        Script::new().head(200).header("content-type", "application/x-ndjson").chunked();
    let end = match turn.fault {
        Some(Fault::CutAt(at) | Fault::EndAt(at)) => at,
        _ => usize::MAX,
    };
    let mut written = 0;
    for mut line in lines {
        line.truncate(end - written);
        written += line.len();
        if !line.is_empty() {
            script = script.chunk(line);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
