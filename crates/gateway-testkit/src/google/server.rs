//! The scripted service: checks, answers, remembers.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::models::Gemini;
use super::oauth::{self, Impersonate, Tokens};
use super::refusal::{Form, Refusal};
use super::rules::{Platform, Rules};
use super::seen::Seen;
use super::turn::{Asked, Fault, Turn, either};
use super::{claude_reply, claude_rules, gemini_reply, gemini_rules, route};
use crate::openai::holds;
use crate::{Recorded, Script, Upstream};
use route::{Route, Target};

/// Gemini on a loopback port as AI Studio or Vertex AI serves it, with lists of models, counting of tokens,
/// and for Vertex a token endpoint. What breaks its [`Rules`] is refused as the real service would; what
/// does not is answered with the script's [`Turn`]. All is recorded.
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
    /// Requests that can be continued, by the token: the body, and what follows.
    continued: HashMap<String, (Value, Turn)>,
    tokens: Tokens,
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
                        .status(500, "SCRIPT_IS_OVER"),
                )
            };
            lock(&turns).pop_front().unwrap_or_else(none)
        })
    }

    /// `http://127.0.0.1:PORT`, to which `/v1beta/…` is added.
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
        let verbs = ["generateContent", "streamGenerateContent", "rawPredict", "streamRawPredict"];
        let asks =
            |seen: &Seen| verbs.contains(&seen.verb.as_str()) && seen.model != "count-tokens";
        self.seen().into_iter().filter(asks).collect()
    }

    /// All refusals so far: what a gateway must never earn. Errors that a script asked for are none.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.seen().into_iter().filter_map(|seen| seen.refusal).collect()
    }

    /// What of the client's side came through and must not: its headers, Anthropic's (of which Claude at
    /// Vertex knows `anthropic-beta` and `anthropic-version`), and what a gateway seals for itself.
    pub fn leaks(&self) -> Vec<String> {
        self.seen().iter().flat_map(leaks_of).collect()
    }

    /// The text of a service account's key file, whose token endpoint this server is.
    pub fn service_account(&self) -> String {
        oauth::service_account(&self.url())
    }

    /// The text of a user's file (`gcloud auth application-default login`), whose token endpoint this is.
    pub fn authorized_user(&self) -> String {
        oauth::authorized_user(&self.url())
    }

    /// The text of a workload's file, to be exchanged here; `subject` is the path of a file that holds
    /// [`SUBJECT_TOKEN`](super::SUBJECT_TOKEN).
    pub fn external_account(&self, subject: &str, impersonate: Impersonate) -> String {
        oauth::external_account(&self.url(), subject, impersonate)
    }

    /// A good access token, without asking for it.
    pub fn token(&self) -> String {
        let rules = lock(&self.state.rules).clone();
        self.state.memory().tokens.issue(Instant::now(), &rules)
    }

    /// How many access tokens were given out.
    pub fn tokens(&self) -> usize {
        self.state.memory().tokens.count()
    }

    /// Ends all access tokens given out so far.
    pub fn expire_tokens(&self) {
        self.state.memory().tokens.expire();
    }

    /// Changes the rules for the requests to come: another key, account or window.
    pub fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.state.rules));
    }
}

fn leaks_of(seen: &Seen) -> Vec<String> {
    let known = |header: &&(String, String)| {
        let known = ["anthropic-beta", "anthropic-version"];
        !(seen.is_claude() && known.iter().any(|known| header.0.eq_ignore_ascii_case(known)))
    };
    let headers: Vec<(String, String)> = seen.headers.iter().filter(known).cloned().collect();
    let mut leaks = crate::leaks::of(&seen.path, &headers);
    if holds(&seen.body, "gw1.") {
        leaks.push(format!("{}: something sealed by a gateway (gw1.)", seen.path));
    }
    leaks
}

impl State {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn answer(&self, recorded: &Recorded) -> Script {
        let rules = lock(&self.rules).clone();
        let query = recorded.target.split_once('?').map_or("", |(_, query)| query);
        let target = route::target(&recorded.method, recorded.path());
        let mut seen = Seen {
            index: recorded.index,
            method: recorded.method.clone(),
            path: recorded.path().to_owned(),
            query: query.to_owned(),
            headers: recorded.headers.clone(),
            body: serde_json::from_slice(&recorded.body).unwrap_or_default(),
            model: target.model.clone(),
            verb: target.verb.clone(),
            refusal: None,
        };
        let granted = self.memory().tokens.answer(recorded, &rules);
        let admitted = match granted {
            Some(granted) => granted.map(Admitted::Whole),
            None => self.admit(&seen, recorded, &target, &rules),
        };
        seen.refusal = admitted.as_ref().err().cloned();
        self.memory().seen.push(seen.clone());
        let script = match admitted {
            Err(refusal) => refuse(&refusal, &seen),
            Ok(Admitted::Whole(Value::String(text))) => Script::full(200, "application/text", text),
            Ok(Admitted::Whole(body)) => Script::json(200, body.to_string()),
            Ok(Admitted::Ask) => self.speak(&seen, &rules),
        };
        let script = if oauth::is_metadata(&seen.path) {
            script.header("metadata-flavor", "Google")
        } else {
            script
        };
        script
            .header("server", "scaffolding on HTTPServer2")
            .header("server-timing", "gfet4t7; dur=42")
            .header("vary", "Origin, X-Origin, Referer")
    }

    /// What a request gets, if it may have it.
    fn admit(
        &self,
        seen: &Seen,
        recorded: &Recorded,
        target: &Target,
        rules: &Rules,
    ) -> Result<Admitted, Refusal> {
        if target.route == Route::Unknown {
            return Err(Refusal::not_found(format!(
                "The requested URL {} was not found on this server.",
                seen.path
            )));
        }
        if rules.platform == Platform::Studio || target.express {
            api_key(seen, rules)?;
        } else if rules.verified {
            self.memory().tokens.admit(recorded)?;
        }
        route::placed(target, rules)?;
        let models = || -> Vec<&str> {
            if rules.models.is_empty() {
                vec!["gemini-3.1-pro-preview"]
            } else {
                rules.models.iter().map(String::as_str).collect()
            }
        };
        match target.route {
            Route::Models => {
                let models: Vec<Value> = models().into_iter().map(model).collect();
                return Ok(Admitted::Whole(json!({ "models": models })));
            }
            Route::Model => {
                gemini_rules::served(&target.model, rules)?;
                return Ok(Admitted::Whole(model(&target.model)));
            }
            _ => {}
        }
        let kind = seen.header("content-type").unwrap_or_default();
        let json = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
        if !json || serde_json::from_slice::<Value>(&recorded.body).is_err() {
            return Err(Refusal::new(
                "Invalid JSON payload received. Unexpected end of string. Expected a value.\n\n^",
            ));
        }
        let betas = all_headers(seen, "anthropic-beta");
        if target.route == Route::ClaudeCount {
            let count = claude_rules::count(&seen.body, &betas, rules)?;
            return Ok(Admitted::Whole(json!({ "input_tokens": count })));
        }
        if target.route == Route::Claude {
            claude_rules::served(&target.model, rules)?;
            let call = claude_rules::Call {
                model: &target.model,
                betas: &betas,
                streams: target.verb == "streamRawPredict",
            };
            claude_rules::check(&seen.body, call, rules)?;
            return Ok(Admitted::Ask);
        }
        if target.route == Route::Count {
            let count = gemini_rules::count(&seen.body, &target.model, rules)?;
            let details = json!([{"modality": "TEXT", "tokenCount": count}]);
            return Ok(Admitted::Whole(
                json!({"totalTokens": count, "promptTokensDetails": details}),
            ));
        }
        gemini_rules::check(&seen.body, &target.model, rules)?;
        if let Some(token) = token_of(&seen.body) {
            let memory = self.memory();
            let known = memory.continued.get(token).map(|(body, _)| body);
            if known != Some(&without_token(&seen.body)) {
                return Err(Refusal::field(
                    "continuation_token",
                    "the token does not belong to this request.",
                ));
            }
        }
        Ok(Admitted::Ask)
    }

    fn speak(&self, seen: &Seen, rules: &Rules) -> Script {
        let next = token_of(&seen.body)
            .and_then(|token| self.memory().continued.get(token).map(|(_, turn)| turn.clone()));
        let turn = next.unwrap_or_else(|| (self.model)(seen));
        if let Some(refusal) = &turn.error {
            return refuse(refusal, seen);
        }
        let asked = Asked { body: &seen.body, model: &seen.model, index: seen.index, rules };
        if let Some(next) = &turn.continued {
            let token = asked.token().as_str().unwrap_or_default().to_owned();
            let entry = (without_token(&seen.body), (**next).clone());
            self.memory().continued.insert(token, entry);
        }
        if seen.is_claude() {
            return match &turn.fault {
                _ if seen.streams() => {
                    let kind = "text/event-stream; charset=utf-8";
                    streamed(claude_reply::frames(&turn, asked), kind, &turn)
                }
                Some(Fault::Error(refusal)) => refuse(refusal, seen),
                _ => whole(&claude_reply::body(&turn, asked), &turn),
            };
        }
        if seen.streams() {
            let kind =
                if seen.events() { "text/event-stream" } else { "application/json; charset=UTF-8" };
            return streamed(gemini_reply::frames(&turn, asked, seen.events()), kind, &turn);
        }
        match &turn.fault {
            Some(Fault::Error(refusal)) => refuse(refusal, seen),
            _ => whole(&gemini_reply::body(&turn, asked), &turn),
        }
    }
}

enum Admitted {
    /// This, at once.
    Whole(Value),
    /// What the model says.
    Ask,
}

fn api_key(seen: &Seen, rules: &Rules) -> Result<(), Refusal> {
    let Some(key) = &rules.key else { return Ok(()) };
    let in_query = seen.query.split('&').find_map(|pair| pair.strip_prefix("key="));
    match seen.header("x-goog-api-key").or(in_query) {
        Some(given) if given == key => Ok(()),
        Some(_) => Err(Refusal::wrong_key()),
        None => Err(Refusal::no_key()),
    }
}

/// All headers of that name, as one list.
fn all_headers(seen: &Seen, name: &str) -> String {
    let named = seen.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
}

fn token_of(body: &Value) -> Option<&str> {
    either(body, "continuationToken", "continuation_token").as_str()
}

fn without_token(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("continuationToken");
        fields.remove("continuation_token");
    }
    body
}

/// An error is wrapped into an array where the answer would have been one.
fn refuse(refusal: &Refusal, seen: &Seen) -> Script {
    let array = seen.streams() && !seen.events() && refusal.form == Form::Google;
    let body = if array { refusal.clone().in_array().body() } else { refusal.body() };
    let script = Script::json(refusal.code, format!("{body:#}"));
    refusal.headers.iter().fold(script, |script, (name, value)| script.header(name, value))
}

fn model(name: &str) -> Value {
    let facts = Gemini::of(name);
    json!({
        "name": format!("models/{name}"), "baseModelId": name, "version": "001", "displayName": name,
        "description": "A model of the test.", "inputTokenLimit": 1_048_576,
        "outputTokenLimit": facts.max_output(), "thinking": facts.version >= 25,
        "supportedGenerationMethods": ["generateContent", "countTokens", "createCachedContent"],
        "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2,
    })
}

fn streamed(frames: Vec<String>, kind: &str, turn: &Turn) -> Script {
    let mut script = Script::new().head(200).header("content-type", kind).chunked();
    let end = match turn.fault {
        Some(Fault::CutAt(at) | Fault::EndAt(at)) => at,
        _ => usize::MAX,
    };
    let mut written = 0;
    for mut bytes in turn.style.writes(frames) {
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
    let mut bytes = format!("{body:#}").into_bytes();
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
