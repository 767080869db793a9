//! The scripted service: checks, answers, remembers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::blobs::Issued;
use super::refusal::Refusal;
use super::rules::{Rules, bare, tail};
use super::seen::{Operation, Seen};
use super::turn::{Asked, Fault, Part, Turn};
use super::{clock, sigv4};
use super::{
    converse_reply, converse_rules, count_rules, event_stream, invoke_reply, invoke_rules,
};
use crate::{Framing, Recorded, Script, Upstream};

/// Amazon Bedrock Runtime on a loopback port: `/model/{id}/converse`, `converse-stream`, `invoke`,
/// `invoke-with-response-stream` and `count-tokens`. What breaks its [`Rules`] is refused as the real
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
    /// Reasoning that was said.
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
            let text = "Test server: the script has no turn left.";
            let none = || Turn::error(Refusal::of(500, "InternalServerException", text));
            lock(&turns).pop_front().unwrap_or_else(none)
        })
    }

    /// `http://127.0.0.1:PORT`, to which `/model/…` is added.
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

    /// The requests for an answer, without counts and what the service does not do.
    pub fn turns(&self) -> Vec<Seen> {
        let asks = |seen: &Seen| {
            seen.operation.is_some_and(|operation| operation != Operation::CountTokens)
        };
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

    /// Changes the rules for the requests to come: another key, clock or window.
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
        let now = now() + rules.ahead;
        let (operation, model) = route(recorded).unzip();
        let mut seen = Seen {
            index: recorded.index,
            method: recorded.method.clone(),
            path: recorded.path().to_owned(),
            operation,
            model: model.unwrap_or_default(),
            headers: recorded.headers.clone(),
            body: serde_json::from_slice(&recorded.body).unwrap_or_default(),
            refusal: None,
        };
        let admitted = admit(&seen, recorded, &rules, now, &self.memory().issued);
        seen.refusal = admitted.as_ref().err().cloned();
        self.memory().seen.push(seen.clone());
        let script = match admitted {
            Err(refusal) => refuse(&refusal),
            Ok(Admitted::Counted(tokens)) => {
                Script::json(200, json!({"inputTokens": tokens}).to_string())
            }
            Ok(Admitted::Asks(operation)) => self.speak(&seen, operation, &rules),
        };
        let id = crate::text::letters(&seen.index.to_string(), 32);
        let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
        script.header("Date", clock::http_date(now)).header("x-amzn-RequestId", id)
    }

    fn speak(&self, seen: &Seen, operation: Operation, rules: &Rules) -> Script {
        let turn = (self.model)(seen);
        if let Some(refusal) = &turn.error {
            return refuse(refusal);
        }
        let asked = Asked { body: &seen.body, index: seen.index, rules };
        for part in &turn.parts {
            if let Part::Reasoning(text) = part {
                self.memory().issued.insert(text.clone());
            }
        }
        match operation {
            Operation::ConverseStream => streamed(converse_reply::frames(&turn, asked), &turn),
            Operation::InvokeStream => streamed(invoke_reply::frames(&turn, asked), &turn)
                .header("X-Amzn-Bedrock-Content-Type", "application/json"),
            Operation::Converse => whole(&converse_reply::body(&turn, asked), &turn),
            Operation::Invoke | Operation::CountTokens => {
                let script = whole(&invoke_reply::body(&turn, asked), &turn);
                let headers = invoke_reply::headers(&turn).into_iter();
                headers.fold(script, |script, (name, value)| script.header(name, value))
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Admitted {
    Asks(Operation),
    Counted(u64),
}

/// The operation and the model's id: exactly `/model/{id}/{operation}`.
fn route(recorded: &Recorded) -> Option<(Operation, String)> {
    let segments: Vec<&str> = recorded.path().split('/').collect();
    let ["", "model", id, operation] = segments[..] else { return None };
    let operation = Operation::of(operation).filter(|_| recorded.method == "POST")?;
    let id = decoded(id)?;
    (!["", ".", ".."].contains(&id.as_str())).then_some((operation, id))
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// What is to be done, if it may be.
fn admit(
    seen: &Seen,
    recorded: &Recorded,
    rules: &Rules,
    now: i64,
    issued: &Issued,
) -> Result<Admitted, Refusal> {
    let Some(operation) = seen.operation else {
        let status = if rules.unknown_operation_is_200 { 200 } else { 404 };
        return Err(Refusal::unknown_operation(status));
    };
    credential(recorded, rules, now)?;
    if recorded.framing == Framing::Chunked {
        let text = "You must provide the Content-Length HTTP header.";
        return Err(Refusal::of(411, "MissingContentLength", text));
    }
    if recorded.body.len() > 25_000_000 {
        let text = "The request body is larger than 25000000 bytes.";
        return Err(Refusal::of(413, "RequestEntityTooLargeException", text));
    }
    model(&seen.model, operation, rules)?;
    if serde_json::from_slice::<Value>(&recorded.body).is_err() {
        return Err(if operation.is_converse() || operation == Operation::CountTokens {
            Refusal::of(400, "SerializationException", "Unexpected end-of-input or token.")
        } else {
            Refusal::new("Malformed input request, please reformat your input and try again.")
        });
    }
    match operation {
        Operation::CountTokens => {
            return count_rules::check(&seen.body, rules, issued).map(Admitted::Counted);
        }
        Operation::Converse | Operation::ConverseStream => {
            converse_rules::check(&seen.body, rules, issued)?;
        }
        Operation::Invoke | Operation::InvokeStream => {
            invoke_rules::headers(seen)?;
            invoke_rules::check(&seen.body, rules)?;
        }
    }
    Ok(Admitted::Asks(operation))
}

fn credential(recorded: &Recorded, rules: &Rules, now: i64) -> Result<(), Refusal> {
    if rules.keys.is_empty() && rules.bearer.is_none() {
        return Ok(());
    }
    let given = recorded.header("authorization").ok_or_else(Refusal::no_credential)?;
    match given.strip_prefix("Bearer ") {
        Some(key) if rules.bearer.as_deref() == Some(key) => Ok(()),
        Some(_) => Err(Refusal::wrong_bearer()),
        None => sigv4::verify(recorded, &rules.keys, &rules.region, now),
    }
}

/// Whether the id names the model that is served, in a form that the operation takes.
fn model(id: &str, operation: Operation, rules: &Rules) -> Result<(), Refusal> {
    let served = tail(&rules.model);
    if operation == Operation::CountTokens {
        if bare(tail(id)) != rules.foundation() {
            return Err(Refusal::unknown_model());
        }
        if id != rules.foundation() || !rules.counts {
            return Err(Refusal::new("The provided model doesn't support counting tokens."));
        }
    } else if tail(id) != served {
        if tail(id) == rules.foundation() {
            return Err(Refusal::not_on_demand(id));
        }
        return Err(Refusal::unknown_model());
    }
    if rules.access { Ok(()) } else { Err(Refusal::no_model_access()) }
}

fn refuse(refusal: &Refusal) -> Script {
    let script = Script::json(refusal.status, refusal.body().to_string());
    let kind = format!("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", refusal.kind);
    script.header("x-amzn-ErrorType", kind)
}

fn streamed((mut frames, stop): (Vec<Vec<u8>>, usize), turn: &Turn) -> Script {
    let mut end = usize::MAX;
    match &turn.fault {
        Some(Fault::Exception { after, refusal }) => {
            frames.truncate(*after);
            frames.push(refusal.frame());
        }
        Some(Fault::Error { after, code, message }) => {
            frames.truncate(*after);
            frames.push(event_stream::error(code, message));
        }
        Some(Fault::BadChecksum(at)) => *frames[*at].last_mut().expect("a frame") ^= 1,
        Some(Fault::BadPrelude(at)) => frames[*at][8] ^= 1,
        Some(Fault::NoStop) => frames.truncate(stop),
        Some(Fault::CutAt(at) | Fault::EndAt(at)) => end = *at,
        None => {}
    }
    let head = Script::new().head(200).header("content-type", "application/vnd.amazon.eventstream");
    let mut script = head.chunked();
    let mut written = 0;
    for mut bytes in turn.style.reads(frames) {
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
    match &turn.fault {
        Some(Fault::Exception { refusal, .. }) => refuse(refusal),
        Some(Fault::Error { code, message, .. }) => refuse(&Refusal::of(500, code, message)),
        Some(Fault::CutAt(at)) => {
            let length = bytes.len() as u64;
            bytes.truncate(*at);
            let head = Script::new().head(200).header("content-type", "application/json");
            head.content_length(length).bytes(bytes).close()
        }
        Some(Fault::EndAt(at)) => {
            bytes.truncate(*at);
            Script::json(200, bytes)
        }
        _ => Script::json(200, bytes),
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are checked against the machine's clock")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
