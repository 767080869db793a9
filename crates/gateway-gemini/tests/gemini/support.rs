//! What the tests have in common: one upstream, one way to ask it, one way to look at its answer.

use gateway_anthropic::Folder;
use gateway_gemini::{Gemini, Options, Schemas, Surface};
use gateway_models::Catalogue;
use gateway_testkit::google::{Asked, Refusal, Rules, Style, Turn, gemini_reply, gemini_rules};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress as _, Encoded, Flow, Keyring, ReplyCx, ReplyReader, ReplyWriter as _,
};
use gateway_types::{
    ApiError, BlockStart, Delta, Endpoint, Event, EventSink, Fault, Feature, Grammar, Illegal,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// An upstream and how it is asked.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) egress: Gemini,
    pub(crate) model: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) account: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: Keyring,
    pub(crate) without: &'static [Feature],
    pub(crate) rules: Rules,
}

impl Upstream {
    /// AI Studio.
    pub(crate) fn of(model: &'static str) -> Self {
        let egress = Gemini {
            surface: Surface::AiStudio,
            catalogue: Catalogue::builtin().clone(),
            schemas: Schemas::default(),
            options: Options::default(),
        };
        Self {
            egress,
            model,
            provider: "google",
            account: "",
            endpoint: Endpoint::Messages,
            keys: Keyring::new(["key one"]),
            without: &[],
            rules: Rules::studio(model),
        }
    }

    pub(crate) fn vertex(model: &'static str) -> Self {
        let mut upstream = Self::of(model);
        upstream.egress.surface = Surface::Vertex {
            project: Some("p".to_owned()),
            location: "global".to_owned(),
            version: Surface::VERTEX_VERSION.to_owned(),
        };
        upstream.rules = Rules::vertex(model);
        upstream
    }

    pub(crate) fn encode_bytes(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let request = gateway_anthropic::decode(body).expect("a request");
        let cx = AttemptCx {
            endpoint: self.endpoint,
            model: self.model,
            provider: self.provider,
            account: self.account,
            reply_id: "msg_1",
            without: self.without,
            ..AttemptCx::new(&self.keys)
        };
        self.egress.encode(&request, &cx)
    }

    pub(crate) fn encode(&self, body: &Value) -> Result<Encoded, ApiError> {
        self.encode_bytes(body.to_string().as_bytes())
    }

    /// The body that goes up, which the strict server takes.
    pub(crate) fn body(&self, request: &Value) -> Value {
        let encoded = self.encode(request).expect("can be said");
        let body = parse(&encoded);
        self.check(&body).unwrap_or_else(|refusal| panic!("{}\n{body:#}", refusal.message));
        body
    }

    pub(crate) fn check(&self, body: &Value) -> Result<(), Refusal> {
        match self.endpoint {
            Endpoint::Messages => gemini_rules::check(body, self.model, &self.rules),
            Endpoint::CountTokens => gemini_rules::count(body, self.model, &self.rules).map(|_| ()),
        }
    }

    /// The losses of a request, hints included.
    pub(crate) fn losses(&self, request: &Value) -> Vec<String> {
        losses(&self.encode(request).expect("can be said"))
    }

    /// The message that says why a request can't be served.
    pub(crate) fn refusal(&self, request: &Value) -> String {
        let error = self.encode(request).expect_err("can't be said");
        assert_eq!(error.status(), 400);
        error.message().to_owned()
    }

    /// What the scripted server answers to `body`.
    pub(crate) fn answer(&self, body: &Value, stream: bool, turn: &Turn) -> String {
        self.nth_answer(0, body, stream, turn)
    }

    fn nth_answer(&self, index: usize, body: &Value, stream: bool, turn: &Turn) -> String {
        let asked = Asked { body, model: self.model, index, rules: &self.rules };
        if stream {
            gemini_reply::frames(turn, asked, true).concat()
        } else {
            gemini_reply::body(turn, asked).to_string()
        }
    }

    /// Asks, and gives back the message the caller gets. Answers in pieces are asked for to the end.
    pub(crate) fn ask(&self, request: &Value, turn: &Turn) -> Value {
        self.try_ask(request, turn).expect("a whole answer")
    }

    pub(crate) fn try_ask(&self, request: &Value, turn: &Turn) -> Result<Value, Fault> {
        let mut encoded = self.encode(request).expect("can be said");
        let mut body = parse(&encoded);
        let mut turn = turn.clone();
        let mut folder = Folder::new(&ReplyCx { id: "msg_1", model: "opus", stream: false });
        for index in 0.. {
            self.check(&body).unwrap_or_else(|refusal| panic!("{}\n{body:#}", refusal.message));
            let answer = self.nth_answer(index, &body, encoded.stream, &turn);
            if encoded.stream {
                read_stream(&mut *encoded.reader, &[answer.as_bytes()], folder.sink())?;
            } else {
                encoded.reader.whole(answer.as_bytes(), folder.sink())?;
            }
            match (encoded.reader.goes_on(), turn.continued.take()) {
                (Some(next), Some(more)) => {
                    body = serde_json::from_str(&next).expect("JSON");
                    turn = *more;
                }
                _ => break,
            }
        }
        assert!(folder.is_done(), "the answer has no end");
        Ok(serde_json::from_slice(&folder.take()).expect("JSON"))
    }

    /// A reader for an answer to a request that asks for nothing in particular.
    pub(crate) fn reader(&self, more: &Value) -> Box<dyn ReplyReader> {
        self.encode(&hello(more)).expect("can be said").reader
    }
}

/// A request of one user text, with these fields besides.
pub(crate) fn hello(more: &Value) -> Value {
    let mut request = json!({
        "model": "opus", "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hello"}],
    });
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request
}

/// A request with these messages.
pub(crate) fn conversation(messages: Value) -> Value {
    let mut request = hello(&json!({}));
    request["messages"] = messages;
    request
}

pub(crate) fn parse(encoded: &Encoded) -> Value {
    serde_json::from_str(&encoded.body).expect("JSON")
}

pub(crate) fn losses(encoded: &Encoded) -> Vec<String> {
    encoded.losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect()
}

pub(crate) fn read_stream(
    reader: &mut dyn ReplyReader,
    chunks: &[&[u8]],
    sink: &mut dyn EventSink,
) -> Result<(), Fault> {
    for chunk in chunks {
        if reader.push(chunk, sink)? == Flow::Done {
            return Ok(());
        }
    }
    reader.finish(BodyEnd::Clean, sink)
}

/// The message that the events make.
pub(crate) fn fold(
    read: impl FnOnce(&mut dyn EventSink) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let mut folder = Folder::new(&ReplyCx { id: "msg_1", model: "opus", stream: false });
    read(folder.sink())?;
    assert!(folder.is_done(), "the answer has no end");
    Ok(serde_json::from_slice(&folder.take()).expect("JSON"))
}

/// Events in a short form: pieces that follow each other are one.
#[derive(Default)]
pub(crate) struct Short {
    pub(crate) grammar: Grammar,
    pub(crate) out: String,
}

impl EventSink for Short {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.grammar.accept(&event)?;
        let out = &mut self.out;
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(BlockStart::Text) => out.push_str("T:"),
            Event::BlockStart(BlockStart::Thinking) => out.push_str("H:"),
            Event::BlockStart(BlockStart::RedactedThinking { .. }) => out.push_str("R:"),
            Event::BlockStart(BlockStart::ToolUse { id, name }) => {
                out.push_str(&format!("C:{}:{}:", id.escaped(), name.escaped()));
            }
            Event::BlockStart(BlockStart::ServerToolUse { id, name }) => {
                out.push_str(&format!("S:{}:{}:", id.escaped(), name.escaped()));
            }
            Event::BlockStart(BlockStart::ServerToolResult { tool_use_id, content, .. }) => {
                serde_json::from_str::<IgnoredAny>(content.as_str()).expect("JSON");
                out.push_str(&format!("W:{}", tool_use_id.escaped()));
            }
            Event::Delta(Delta::Text(piece) | Delta::Thinking(piece) | Delta::Json(piece)) => {
                // It stands between quotes in what the caller gets.
                let quoted = format!("\"{}\"", piece.escaped());
                serde_json::from_str::<IgnoredAny>(&quoted).expect("the inside of a string");
                out.push_str(piece.escaped());
            }
            Event::Delta(Delta::Signature(_)) => out.push('~'),
            Event::Delta(Delta::Citation(citation)) => {
                serde_json::from_str::<IgnoredAny>(citation.as_str()).expect("JSON");
                out.push('^');
            }
            Event::BlockStop => out.push('/'),
            Event::Finish { stop, sequence, usage } => {
                out.push_str(&format!(".{}", stop.as_str()));
                if let Some(sequence) = sequence {
                    out.push_str(&format!("({})", sequence.escaped()));
                }
                out.push_str(&format!(
                    " {}+{}>{}({}) {}",
                    usage.counts.input,
                    usage.counts.cache_read,
                    usage.counts.output,
                    usage.thinking,
                    usage.web_searches
                ));
            }
        }
        Ok(())
    }
}

/// The short form of a stream, and the fault it ended with if it did.
pub(crate) fn short(reader: &mut dyn ReplyReader, chunks: &[&[u8]]) -> (String, Option<Fault>) {
    let mut sink = Short::default();
    let fault = read_stream(reader, chunks, &mut sink).err();
    assert_eq!(sink.grammar.is_done(), fault.is_none(), "{}", sink.out);
    (sink.out, fault)
}

/// Frames of a stream, from their JSON.
pub(crate) fn stream(frames: &[Value]) -> String {
    frames.iter().fold(String::new(), |all, frame| all + &format!("data: {frame}\r\n\r\n"))
}

/// A frame with these parts, and a reason to end unless it is empty.
#[expect(clippy::needless_pass_by_value, reason = "it is made in place")]
pub(crate) fn frame(parts: Value, finish: &str) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if !finish.is_empty() {
        candidate["finishReason"] = json!(finish);
    }
    json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 10,
        "candidatesTokenCount": 5, "totalTokenCount": 15}})
}

/// Every style; signatures are no longer than they need be to be long.
pub(crate) fn styles() -> Vec<(&'static str, Style)> {
    let mut all = Style::all();
    for (_, style) in &mut all {
        style.signature = style.signature.min(5000);
    }
    all
}

/// The content blocks of a message, by type.
pub(crate) fn kinds(message: &Value) -> Vec<&str> {
    let blocks = message["content"].as_array().expect("blocks");
    blocks.iter().map(|block| block["type"].as_str().expect("a type")).collect()
}
