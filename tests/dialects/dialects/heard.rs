//! What the caller gets of an answer.

use bytes::Bytes;
use gateway_anthropic::{Filter, Folder, Phase, Relay};
use gateway_sse::Framer;
use gateway_translate::{BodyEnd, Flow, Redactor, ReplyCx, ReplyWriter as _};
use gateway_types::{BlockStart, Delta, Event, EventSink, Grammar, Illegal};
use serde_json::{Value, json};

use crate::dialects::{Read, Sent};

/// An answer as it was heard.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    /// The message; none where it has no end.
    pub(crate) message: Option<Value>,
    /// The events, in short: pieces that follow each other are one.
    pub(crate) events: String,
    /// What went wrong.
    pub(crate) fault: Option<String>,
}

impl Heard {
    /// The message of an answer that must be whole.
    pub(crate) fn whole(self) -> Value {
        assert_eq!(self.fault, None, "{}", self.events);
        self.message.expect("a whole answer")
    }
}

/// Reads an answer that comes in these pieces.
pub(crate) fn hear(sent: &mut Sent, pieces: &[&[u8]], end: BodyEnd) -> Heard {
    let stream = sent.stream;
    match &mut sent.read {
        Read::Translated(reader) => {
            let mut sink = Sink::new();
            let mut read = || {
                if !stream {
                    return reader.whole(&pieces.concat(), &mut sink);
                }
                for piece in pieces {
                    if reader.push(piece, &mut sink)? == Flow::Done {
                        return Ok(());
                    }
                }
                reader.finish(end, &mut sink)
            };
            let fault = read().err().map(|fault| fault.error.message().to_owned());
            let Sink { grammar, mut folder, out } = sink;
            let done = grammar.is_done();
            assert!(done || fault.is_some(), "neither an end nor a fault: {out}");
            let message = done.then(|| serde_json::from_slice(&folder.take()).expect("JSON"));
            Heard { message, events: out, fault }
        }
        Read::Verbatim | Read::Unwrapped(_) if !stream => {
            let body = pieces.concat();
            match serde_json::from_slice::<Value>(&body) {
                Ok(message) => Heard { message: Some(message), events: String::new(), fault: None },
                Err(fault) => {
                    Heard { message: None, events: String::new(), fault: Some(fault.to_string()) }
                }
            }
        }
        Read::Verbatim => {
            let mut relayed = Relayed::new();
            for piece in pieces {
                relayed.push(piece);
            }
            relayed.heard(end, None)
        }
        Read::Unwrapped(unwrap) => {
            let mut relayed = Relayed::new();
            let mut read = || {
                for piece in pieces {
                    let mut out = Vec::new();
                    let pushed = unwrap.push(piece, &mut out);
                    relayed.push(&out);
                    pushed?;
                }
                let mut out = Vec::new();
                let finished = unwrap.finish(end, &mut out);
                relayed.push(&out);
                finished
            };
            let fault = read().err().map(|fault| fault.error.message().to_owned());
            relayed.heard(end, fault)
        }
    }
}

/// A stream of Claude's on its way to the caller.
struct Relayed {
    filter: Filter,
    relay: Relay,
    out: Vec<u8>,
}

impl Relayed {
    fn new() -> Self {
        let filter = Filter::new(["vertex_event".to_owned()].into());
        Self { filter, relay: Relay::new(None, Redactor::default()), out: Vec::new() }
    }

    fn push(&mut self, piece: &[u8]) {
        let piece = self.filter.push(&Bytes::copy_from_slice(piece));
        self.out.extend_from_slice(&self.relay.push(piece).concat());
    }

    fn heard(mut self, end: BodyEnd, fault: Option<String>) -> Heard {
        let rest = self.filter.finish();
        self.out.extend_from_slice(&self.relay.push(rest).concat());
        self.out.extend_from_slice(&self.relay.finish(end).concat());
        let (events, message) = fold(&self.out);
        let ended = self.relay.phase() == Phase::Ended;
        // The caller's connection is closed in good form after an end, and cut without one.
        let fault = fault.or_else(|| (!ended).then(|| "cut".to_owned()));
        Heard { message: message.filter(|_| ended), events, fault }
    }
}

/// The message that a client makes of a stream, and the events in short. Panics on what no client takes.
fn fold(stream: &[u8]) -> (String, Option<Value>) {
    let mut message = Value::Null;
    let mut inputs: Vec<String> = Vec::new();
    let (mut open, mut ended, mut out) = (None, false, String::new());
    let mut events = Vec::new();
    let mut framer = Framer::new(1 << 20);
    framer.push(stream, |frame| events.push(frame.data().into_owned()));
    framer.finish(|frame| events.push(frame.data().into_owned()));
    for data in events.iter().filter(|data| !data.is_empty()) {
        // The last one of a cut stream may be part of one.
        let Ok(event) = serde_json::from_slice::<Value>(data) else { break };
        assert!(!ended, "behind the end: {event}");
        let index = event["index"].as_u64().map(|index| usize::try_from(index).expect("small"));
        match event["type"].as_str().expect("a type") {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let content = message["content"].as_array_mut().expect("it began");
                assert_eq!((index, open), (Some(content.len()), None), "{event}");
                open = index;
                content.push(event["content_block"].clone());
                inputs.push(String::new());
                out.push_str(&event["content_block"]["type"].to_string());
            }
            "content_block_delta" => {
                assert!(index.is_some() && index == open, "{event}");
                let at = index.expect("it has one");
                let (block, delta) = (&mut message["content"][at], &event["delta"]);
                for (kind, field) in
                    [("text", "text"), ("thinking", "thinking"), ("signature", "signature")]
                {
                    if delta["type"] == format!("{kind}_delta") {
                        let so_far = block[field].as_str().unwrap_or_default();
                        let more = delta[field].as_str().expect("a text");
                        out.push_str(more);
                        block[field] = json!(format!("{so_far}{more}"));
                    }
                }
                if let Some(more) = delta["partial_json"].as_str() {
                    out.push_str(more);
                    inputs[at].push_str(more);
                }
            }
            "content_block_stop" => {
                let at = open.take().expect("one is open");
                if !inputs[at].is_empty() {
                    message["content"][at]["input"] =
                        serde_json::from_str(&inputs[at]).expect("JSON");
                }
                out.push('/');
            }
            "message_delta" => {
                assert_eq!(open, None, "{event}");
                for field in ["stop_reason", "stop_sequence"] {
                    message[field] = event["delta"][field].clone();
                }
                out.push_str(&event["delta"].to_string());
            }
            "message_stop" => ended = true,
            _ => {}
        }
    }
    (out, ended.then_some(message))
}

/// Events made sure of, folded, and told in short.
struct Sink {
    grammar: Grammar,
    folder: Folder,
    out: String,
}

impl Sink {
    fn new() -> Self {
        let folder = Folder::new(&ReplyCx { id: "msg_1", model: "opus", stream: false });
        Self { grammar: Grammar::default(), folder, out: String::new() }
    }
}

impl EventSink for Sink {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        let accepted = self.grammar.accept(&event);
        assert!(accepted.is_ok(), "{accepted:?} behind {}", self.out);
        self.folder.sink().event(event)?;
        let out = &mut self.out;
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(start) => match start {
                BlockStart::Text => out.push_str("T:"),
                BlockStart::Thinking => out.push_str("H:"),
                BlockStart::ToolUse { name, .. } => out.push_str(&format!("C:{}:", name.escaped())),
                _ => out.push_str("O:"),
            },
            Event::Delta(Delta::Text(piece) | Delta::Thinking(piece) | Delta::Json(piece)) => {
                out.push_str(piece.escaped());
            }
            Event::Delta(Delta::Signature(_)) => out.push('~'),
            Event::Delta(Delta::Citation(_)) => out.push('^'),
            Event::BlockStop => out.push('/'),
            Event::Finish { stop, usage, .. } => {
                out.push_str(&format!(".{} {:?}", stop.as_str(), usage.counts));
            }
        }
        Ok(())
    }
}
