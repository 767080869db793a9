//! Requests in, bodies and events out.

use gateway_models::Catalogue;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_testkit::openai::{Rules, chat_rules};
use gateway_translate::{AttemptCx, BodyEnd, Egress as _, Encoded, Flow, Keyring, ReplyReader};
use gateway_types::{
    BlockStart, Delta, Event, EventSink, Feature, Grammar, Illegal, Losses, StopReason,
};
use serde_json::{Value, json};

/// An upstream and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) egress: OpenAi,
    pub(crate) model: String,
    pub(crate) provider: String,
    pub(crate) reply_id: String,
    pub(crate) without: Vec<Feature>,
    pub(crate) keys: Keyring,
    /// What it refuses.
    pub(crate) rules: Option<Rules>,
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

impl Upstream {
    pub(crate) fn new(base: &str, model: &str) -> Self {
        let vendors = [
            ("groq", "groq"),
            ("deepseek", "deepseek"),
            ("moonshot", "kimi"),
            ("mistral", "mistral"),
        ];
        let vendor = vendors.into_iter().find(|(part, _)| base.contains(part));
        let rules = vendor.map(|(_, preset)| Rules::compatible(preset));
        Self { rules, ..Self::with(Quirks::for_base(base), model) }
    }

    pub(crate) fn openai(model: &str) -> Self {
        let up = Self::new("https://api.openai.com/v1", model);
        Self { rules: Some(Rules::openai(model)), ..up }
    }

    /// A server that is known by its address alone, with a chat template that is hard to please.
    pub(crate) fn compatible() -> Self {
        let up = Self::with(Quirks::compatible(), "some-model");
        Self { rules: Some(Rules::compatible("vllm_strict_template")), ..up }
    }

    pub(crate) fn with(quirks: Quirks, model: &str) -> Self {
        Self {
            egress: OpenAi {
                api: Api::Chat,
                quirks,
                catalogue: Catalogue::builtin().clone(),
                overrides: ModelOverrides::default(),
                schemas: SchemaMemo::default(),
                azure: None,
            },
            model: model.to_owned(),
            provider: "up".to_owned(),
            reply_id: "msg_test".to_owned(),
            without: Vec::new(),
            keys: Keyring::new(["a secret of the tests"]),
            rules: None,
        }
    }

    pub(crate) fn quirk(mut self, change: impl FnOnce(&mut Quirks)) -> Self {
        change(&mut self.egress.quirks);
        self
    }

    /// The attempt.
    pub(crate) fn cx(&self) -> AttemptCx<'_> {
        AttemptCx {
            model: &self.model,
            provider: &self.provider,
            reply_id: &self.reply_id,
            without: &self.without,
            ..AttemptCx::new(&self.keys)
        }
    }

    /// Sends a whole body.
    pub(crate) fn send_text(&self, body: &str) -> Result<Sent, String> {
        let request =
            gateway_anthropic::decode(body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {body}"));
        let encoded = self.egress.encode(&request, &self.cx());
        let Encoded { path, body, stream, reader, losses, prompt_estimate, .. } =
            encoded.map_err(|e| format!("{} {}", e.status().as_u16(), e.message()))?;
        assert_eq!(path, "/chat/completions");
        let value: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        if let Some(rules) = &self.rules
            && let Err(refusal) = chat_rules::check(&value, rules)
        {
            panic!("{refusal:?}\nfor {body}");
        }
        Ok(Sent {
            body: value,
            text: body,
            stream,
            losses: losses_of(&losses),
            reader,
            estimate: prompt_estimate,
        })
    }

    /// Sends a request with these fields besides model and limit; one message unless given.
    pub(crate) fn send(&self, fields: Value) -> Result<Sent, String> {
        self.send_text(&request(fields))
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

/// The events of a reply, each as a line; deltas of one kind in a row are one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) lines: Vec<String>,
    grammar: GrammarBox,
    pub(crate) stop: Option<String>,
}

#[derive(Debug, Default)]
struct GrammarBox(Grammar);

impl PartialEq for GrammarBox {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for GrammarBox {}

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
        self.grammar.0.accept(&event)?;
        match event {
            Event::Start { usage } => self.lines.push(format!("start {}", usage.counts.output)),
            Event::BlockStart(start) => self.lines.push(match start {
                BlockStart::Text => "[text".to_owned(),
                BlockStart::Thinking => "[thinking".to_owned(),
                BlockStart::RedactedThinking { data } => {
                    format!("[redacted {}", &data.escaped()[..4])
                }
                BlockStart::ToolUse { id, name } => {
                    format!("[call {} {}", id.decode(), name.decode())
                }
                BlockStart::ServerToolUse { name, .. } => format!("[server {}", name.decode()),
                BlockStart::ServerToolResult { kind, content, .. } => {
                    format!("[{} {}", kind.decode(), content.as_str())
                }
            }),
            Event::Delta(delta) => match delta {
                Delta::Text(text) => self.add("text", &text.decode()),
                Delta::Thinking(text) => self.add("thought", &text.decode()),
                Delta::Json(text) => self.add("json", &text.decode()),
                Delta::Citation(raw) => self.lines.push(format!("citation {}", raw.as_str())),
                Delta::Signature(text) => self.lines.push(format!("signed {}", text.escaped())),
            },
            Event::BlockStop => self.lines.push("]".to_owned()),
            Event::Finish { stop, sequence, usage } => {
                let mut line = format!("finish {}", stop.as_str());
                if stop == StopReason::StopSequence {
                    line.push_str(&format!(" {:?}", sequence.map(|s| s.decode().into_owned())));
                }
                let c = usage.counts;
                line.push_str(&format!(
                    " {}+{}+{}>{} {:?}",
                    c.input, c.cache_read, c.cache_write, c.output, usage.quality
                ));
                if usage.thinking + usage.web_searches > 0 {
                    line.push_str(&format!(" t{} w{}", usage.thinking, usage.web_searches));
                }
                self.stop = Some(stop.as_str().to_owned());
                self.lines.push(line);
            }
        }
        Ok(())
    }
}

/// What came of a reply: its events, and the fault that ended it, if one did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<String>,
    pub(crate) fault: Option<String>,
}

impl Outcome {
    /// Events that matter, without signatures' text, as one line.
    pub(crate) fn short(&self) -> String {
        let mut words: Vec<String> = self
            .events
            .iter()
            .filter(|line| !line.starts_with("start"))
            .map(|line| if line.starts_with("signed") { "signed".to_owned() } else { line.clone() })
            .collect();
        if let Some(fault) = &self.fault {
            words.push(format!("FAULT {fault}"));
        }
        words.join(" ")
    }
}

pub(crate) fn fault_text(fault: &gateway_types::Fault) -> String {
    format!("{} {:?}: {}", fault.error.status().as_u16(), fault.remedy, fault.error.message())
}

/// Pushes `stream` in the given pieces.
pub(crate) fn stream_in(reader: &mut dyn ReplyReader, pieces: &[&[u8]], end: BodyEnd) -> Outcome {
    let mut events = Events::default();
    let mut fault = None;
    let mut done = false;
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
    assert!(fault.is_some() || events.stop.is_some(), "neither an end nor a fault: {events:?}");
    assert!(fault.is_none() || events.stop.is_none(), "an end and a fault: {events:?}");
    Outcome { events: events.lines, fault: fault.as_ref().map(fault_text) }
}

pub(crate) fn whole(reader: &mut dyn ReplyReader, body: &str) -> Outcome {
    let mut events = Events::default();
    let fault = reader.whole(body.as_bytes(), &mut events).err();
    Outcome { events: events.lines, fault: fault.as_ref().map(fault_text) }
}

/// A stream of chunks, one frame each, without the end.
pub(crate) fn frames(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

pub(crate) fn delta(delta: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

pub(crate) fn finish(reason: &str) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({"id": "c", "choices": [],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})
}

/// A whole stream with its end.
pub(crate) fn done(chunks: &[Value]) -> String {
    frames(chunks) + "data: [DONE]\n\n"
}

/// Reads `stream` cut at every place, at every pair of some places, and byte by byte; all must give
/// the same, which is returned.
pub(crate) fn read_every_way(up: &Upstream, fields: &Value, stream: &str, end: BodyEnd) -> Outcome {
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
