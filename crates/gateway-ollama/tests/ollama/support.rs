//! Requests in, bodies and events out.

use gateway_ollama::Ollama;
use gateway_testkit::ollama::{Model, rules};
use gateway_translate::{AttemptCx, BodyEnd, Egress as _, Flow, Keyring, ReplyReader};
use gateway_types::{
    BlockStart, Delta, Endpoint, Event, EventSink, Feature, Grammar, Illegal, Losses,
};
use serde_json::{Value, json};

/// A server, what it says of its model, and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) egress: Ollama,
    pub(crate) name: String,
    pub(crate) provider: String,
    /// The answer to the question.
    pub(crate) about: Option<String>,
    pub(crate) without: Vec<Feature>,
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: Keyring,
    /// What refuses.
    pub(crate) model: Model,
}

/// What a request became.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) body: Value,
    pub(crate) text: String,
    pub(crate) stream: bool,
    pub(crate) losses: Vec<String>,
    pub(crate) reader: Box<dyn ReplyReader>,
    pub(crate) estimate: u64,
}

/// `POST /api/show` of a model with this length and these capabilities.
pub(crate) fn about(length: u64, capabilities: &[&str]) -> Value {
    json!({"model_info": {"general.architecture": "x", "x.context_length": length}, "capabilities": capabilities})
}

impl Upstream {
    /// A model that does everything.
    pub(crate) fn new() -> Self {
        Self::about(about(262_144, &["completion", "tools", "vision", "thinking"]))
    }

    pub(crate) fn about(about: Value) -> Self {
        let mut model = Model::new("local-coder:30b");
        if let Some(can) = about["capabilities"].as_array() {
            let can = |word: &&str| can.iter().any(|known| known == word);
            let all = ["tools", "vision", "thinking"];
            model.capabilities = Some(all.into_iter().filter(can).collect());
        }
        Self { about: Some(about.to_string()), model, ..Self::unknown() }
    }

    /// A server that did not answer.
    pub(crate) fn unknown() -> Self {
        let model = Model::old("local-coder:30b");
        Self {
            egress: Ollama::default(),
            name: model.name.clone(),
            provider: "local".to_owned(),
            about: None,
            without: Vec::new(),
            endpoint: Endpoint::Messages,
            keys: Keyring::new(["a secret of the tests"]),
            model,
        }
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        name.clone_into(&mut self.model.name);
        self
    }

    pub(crate) fn cx(&self) -> AttemptCx<'_> {
        AttemptCx {
            endpoint: self.endpoint,
            model: &self.name,
            provider: &self.provider,
            reply_id: "msg_test",
            without: &self.without,
            about: self.about.as_deref().map(str::as_bytes),
            ..AttemptCx::new(&self.keys)
        }
    }

    pub(crate) fn send(&self, fields: Value) -> Result<Sent, String> {
        let body = request(fields);
        let request =
            gateway_anthropic::decode(body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {body}"));
        let encoded = self.egress.encode(&request, &self.cx());
        let encoded = encoded.map_err(|e| format!("{} {}", e.status().as_u16(), e.message()))?;
        assert_eq!(encoded.path, "/api/chat");
        let value: Value =
            serde_json::from_str(&encoded.body).unwrap_or_else(|e| panic!("{e}: {}", encoded.body));
        if let Err(refusal) = rules::check(&value, &self.model) {
            panic!("{refusal:?}\nfor {}", encoded.body);
        }
        Ok(Sent {
            body: value,
            text: encoded.body,
            stream: encoded.stream,
            losses: losses_of(&encoded.losses),
            reader: encoded.reader,
            estimate: encoded.prompt_estimate,
        })
    }

    /// As [`send`](Self::send), for one that is not refused.
    pub(crate) fn sent(&self, fields: Value) -> Sent {
        self.send(fields).expect("is not refused")
    }

    /// The messages that a conversation becomes.
    pub(crate) fn messages(&self, messages: Value) -> Value {
        self.sent(json!({"messages": messages})).body["messages"].take()
    }
}

pub(crate) fn request(fields: Value) -> String {
    let mut body = json!({"model": "m", "max_tokens": 1000, "stream": true,
        "messages": [{"role": "user", "content": "hi"}]});
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (key, value) in fields {
        body[key] = value;
    }
    body.to_string()
}

pub(crate) fn losses_of(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect()
}

/// The events of a reply, each as a word; deltas of one kind in a row are one.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) lines: Vec<String>,
    grammar: Grammar,
    ended: bool,
}

impl Events {
    fn add(&mut self, kind: &str, text: &str) {
        let prefix = format!("{kind}: ");
        match self.lines.last_mut() {
            Some(last) if last.starts_with(&prefix) => last.push_str(text),
            _ => self.lines.push(prefix + text),
        }
    }
}

impl EventSink for Events {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.grammar.accept(&event)?;
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(start) => self.lines.push(match start {
                BlockStart::Text => "[text".to_owned(),
                BlockStart::Thinking => "[thinking".to_owned(),
                BlockStart::ToolUse { id, name } => {
                    let id = id.decode();
                    let id = if id.starts_with("toolu_") { "minted" } else { &*id };
                    format!("[call {id} {}", name.decode())
                }
                other => panic!("Ollama has no {other:?}"),
            }),
            Event::Delta(delta) => match delta {
                Delta::Text(text) => self.add("text", &text.decode()),
                Delta::Thinking(text) => self.add("thought", &text.decode()),
                Delta::Json(text) => self.add("json", &text.decode()),
                Delta::Signature(_) => self.lines.push("signed".to_owned()),
                Delta::Citation(_) => panic!("Ollama cites nothing"),
            },
            Event::BlockStop => self.lines.push("]".to_owned()),
            Event::Finish { stop, sequence, usage } => {
                let sequence = sequence.map(|s| format!(" {:?}", s.decode())).unwrap_or_default();
                self.lines.push(format!(
                    "finish {}{sequence} {}>{} {:?}",
                    stop.as_str(),
                    usage.counts.input,
                    usage.counts.output,
                    usage.quality
                ));
                self.ended = true;
            }
        }
        Ok(())
    }
}

/// What came of a reply, on one line.
pub(crate) fn stream_in(reader: &mut dyn ReplyReader, pieces: &[&[u8]], end: BodyEnd) -> String {
    let mut events = Events::default();
    let (mut fault, mut done) = (None, false);
    for piece in pieces {
        match reader.push(piece, &mut events) {
            Ok(Flow::More) => {}
            Ok(Flow::Done) => {
                done = true;
                break;
            }
            Err(err) => {
                fault = Some(err);
                break;
            }
        }
    }
    if fault.is_none() && !done {
        fault = reader.finish(end, &mut events).err();
    }
    told(events, fault)
}

pub(crate) fn whole(reader: &mut dyn ReplyReader, body: &str) -> String {
    let mut events = Events::default();
    let fault = reader.whole(body.as_bytes(), &mut events).err();
    told(events, fault)
}

fn told(mut events: Events, fault: Option<gateway_types::Fault>) -> String {
    assert!(fault.is_some() || events.ended, "neither an end nor a fault: {events:?}");
    assert!(fault.is_none() || !events.ended, "an end and a fault: {events:?}");
    if let Some(fault) = fault {
        let status = fault.error.status().as_u16();
        events.lines.push(format!("FAULT {status} {:?}: {}", fault.remedy, fault.error.message()));
    }
    events.lines.join(" ")
}

/// Reads `stream` cut at every place and byte by byte; all must give the same, which is returned.
pub(crate) fn read_every_way(up: &Upstream, fields: &Value, stream: &str, end: BodyEnd) -> String {
    let body = request(fields.clone());
    let request = gateway_anthropic::decode(body.as_bytes()).expect("a request");
    let fresh = || up.egress.encode(&request, &up.cx()).expect("is not refused").reader;
    let bytes = stream.as_bytes();
    let at_once = stream_in(&mut *fresh(), &[bytes], end);
    for cut in 0..=bytes.len() {
        let got = stream_in(&mut *fresh(), &[&bytes[..cut], &bytes[cut..]], end);
        assert_eq!(got, at_once, "cut at {cut} of {stream}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(stream_in(&mut *fresh(), &single, end), at_once, "byte by byte: {stream}");
    at_once
}

/// A line of a stream.
pub(crate) fn said(message: Value) -> String {
    let mut line = json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
    line["message"]["role"] = json!("assistant");
    format!("{line}\n")
}

/// The last line.
pub(crate) fn done(reason: &str, prompt: u64, tokens: u64) -> String {
    let line = json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
        "total_duration": 1, "prompt_eval_count": prompt, "eval_count": tokens});
    format!("{line}\n")
}
