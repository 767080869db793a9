//! A server that speaks the Messages API without being Anthropic's: a bearer token, a model of its own name,
//! thinking without signatures that it wants back beside its calls, and little of what the client sends
//! apart from the conversation. What it does not know it refuses, one thing at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_testkit::bedrock::count_tokens;
use gateway_testkit::{Script, Upstream};
use serde_json::Value;

use super::say::{Heard, Say};
use super::{Model, PROVIDER_KEY};
use crate::model::{Ask, anthropic, error, event};

/// The one model there is.
pub(crate) const MODEL: &str = "third-large";

/// The one beta that it knows.
const BETA: &str = "interleaved-thinking-2025-05-14";

/// The fields that it knows.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "system",
    "max_tokens",
    "tools",
    "tool_choice",
    "thinking",
    "stream",
    "temperature",
    "stop_sequences",
];

/// What it adds to its streams.
const EXTRA: &str = "usage_report";

#[derive(Debug)]
pub(crate) struct Third {
    upstream: Arc<Upstream>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    refused: Vec<String>,
    window: Option<u64>,
    closed: bool,
    taken: Vec<Ask>,
    /// What was thought before each call, by the call's id.
    thoughts: HashMap<String, String>,
}

impl Third {
    pub(crate) fn start(model: Arc<Model>) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let upstream = anthropic(move |ask| {
            let checked = lock(&shared).check(ask);
            if let Err((status, why)) = checked {
                lock(&shared).refused.push(why.clone());
                let kind =
                    if status == 401 { "authentication_error" } else { "invalid_request_error" };
                return error(status, kind, &why);
            }
            lock(&shared).taken.push(ask.clone());
            let say = model(&Heard::from(ask));
            lock(&shared).remember(&say, ask);
            answer(&say, ask)
        });
        Self { upstream, state }
    }

    pub(crate) fn url(&self) -> String {
        self.upstream.url()
    }

    /// All refusals so far.
    pub(crate) fn refused(&self) -> Vec<String> {
        lock(&self.state).refused.clone()
    }

    /// What was asked and not refused.
    pub(crate) fn taken(&self) -> Vec<Ask> {
        lock(&self.state).taken.clone()
    }

    fn asks(&self) -> Vec<Ask> {
        let requests = self.upstream.requests();
        requests.iter().filter(|r| r.method == "POST").map(|r| Ask::new(r)).collect()
    }

    /// What came up and is none of its business.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let leaks = |ask: &Ask| {
            let sealed = ask.body.to_string().contains("\"gw1.");
            let key = ask.recorded.header("x-api-key").map(|key| format!("x-api-key: {key}"));
            key.into_iter().chain(sealed.then(|| "gw1.".to_owned())).collect::<Vec<_>>()
        };
        self.asks().iter().flat_map(leaks).collect()
    }

    pub(crate) fn narrow(&self, window: u64) {
        lock(&self.state).window = Some(window);
    }

    /// Takes no credential any more.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
    }
}

type Checked = Result<(), (u16, String)>;

fn refuse(why: impl Into<String>) -> Checked {
    Err((400, why.into()))
}

impl State {
    fn check(&self, ask: &Ask) -> Checked {
        let bearer = format!("Bearer {PROVIDER_KEY}");
        if self.closed || ask.recorded.header("authorization") != Some(&bearer) {
            return Err((401, "invalid api key".to_owned()));
        }
        betas(ask)?;
        for (name, _) in ask.body.as_object().into_iter().flatten() {
            if !FIELDS.contains(&name.as_str()) {
                return refuse(format!("{name}: Extra inputs are not permitted"));
            }
        }
        if ask.body["model"] != MODEL {
            return Err((404, format!("model: {}", ask.body["model"])));
        }
        if marked(&ask.body) {
            return refuse("system.0.cache_control: Extra inputs are not permitted");
        }
        for (at, message) in ask.messages().iter().enumerate() {
            self.check_message(message, at)?;
        }
        let tokens = count_tokens(&ask.body);
        match self.window {
            Some(window) if tokens > window => {
                refuse(format!("prompt is too long: {tokens} tokens > {window} maximum"))
            }
            _ => Ok(()),
        }
    }

    fn check_message(&self, message: &Value, at: usize) -> Checked {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "user" && role != "assistant" {
            return refuse(format!("messages.{at}.role: Input should be 'user' or 'assistant'"));
        }
        let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        for (n, block) in blocks.iter().enumerate() {
            let kind = block["type"].as_str().unwrap_or_default();
            let signed = block["signature"].as_str().is_some_and(|s| !s.is_empty());
            if kind == "thinking" && signed {
                return refuse(format!("messages.{at}.content.{n}: a thought of someone else"));
            }
            if !["text", "image", "tool_use", "tool_result", "thinking"].contains(&kind) {
                return refuse(format!("messages.{at}.content.{n}: unknown variant `{kind}`"));
            }
            let thought = block["id"].as_str().and_then(|id| self.thoughts.get(id));
            if let Some(thought) = thought
                && !blocks.iter().any(|block| block["thinking"] == **thought)
            {
                return refuse(format!(
                    "messages.{at}: the thinking of the tool call must be passed back: {thought}"
                ));
            }
        }
        Ok(())
    }

    fn remember(&mut self, say: &Say, ask: &Ask) {
        if let Some(thought) = &say.thought {
            let ids = (0..say.calls.len()).map(|at| Say::call_id(ask.recorded.index, at));
            self.thoughts.extend(ids.map(|id| (id, thought.clone())));
        }
    }
}

fn betas(ask: &Ask) -> Checked {
    let betas = ask.recorded.header_all("anthropic-beta").join(",");
    let unknown: Vec<String> = betas
        .split(',')
        .map(str::trim)
        .filter(|beta| !beta.is_empty() && *beta != BETA)
        .map(|beta| format!("`{beta}`"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    refuse(format!("Unexpected value(s) {} for the `anthropic-beta` header.", unknown.join(", ")))
}

/// Whether there is a mark of the cache anywhere but in what tools are called with.
fn marked(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(marked),
        Value::Object(fields) => fields.iter().any(|(name, field)| {
            name == "cache_control" || (name != "input" && name != "input_schema" && marked(field))
        }),
        _ => false,
    }
}

fn answer(say: &Say, ask: &Ask) -> Script {
    if say.busy {
        return error(529, "overloaded_error", "Overloaded");
    }
    let reply = say.anthropic(ask.recorded.index);
    if !ask.streams() {
        return reply.to(ask);
    }
    let report = event(EXTRA, r#""credits":12"#);
    let frames = reply.frames(ask).into_iter();
    let mut bytes: Vec<u8> = frames.flat_map(|frame| (frame + &report).into_bytes()).collect();
    bytes.truncate(say.cut.unwrap_or(usize::MAX));
    let script = Script::event_stream().header("request-id", "req_third").chunk(bytes);
    if say.cut.is_some() { script.close() } else { script.last_chunk() }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
