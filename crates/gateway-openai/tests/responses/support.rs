//! What the tests have in common: one upstream, one way to ask it, one way to look at its answer.

use std::sync::LazyLock;

use gateway_anthropic::Folder;
use gateway_models::Catalogue;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_testkit::openai::{
    Asked, Issued, Refusal, Rules, Turn, responses_reply, responses_rules,
};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress as _, Encoded, Flow, Keyring, ReplyCx, ReplyReader, ReplyWriter as _,
};
use gateway_types::{
    ApiError, BlockStart, Delta, Endpoint, Event, EventSink, Fault, Feature, Grammar, Illegal,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// The limits of the scripted server's models.
const MODELS: &str = r#"
    {"id": "gpt-5.6-terra", "context_window": 1050000, "max_output": 128000}
    {"id": "gpt-5-codex", "context_window": 400000, "max_output": 128000}
    {"id": "o3", "context_window": 200000, "max_output": 100000}
    {"id": "gpt-4.1", "context_window": 1047576, "max_output": 32768}
"#;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::empty().overlaid(MODELS).expect("a catalogue"));

/// An upstream and how it is asked.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) egress: OpenAi,
    pub(crate) model: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) account: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: Keyring,
    pub(crate) without: &'static [Feature],
}

impl Upstream {
    pub(crate) fn of(model: &'static str) -> Self {
        let egress = OpenAi {
            api: Api::Responses,
            quirks: Quirks::default(),
            catalogue: CATALOGUE.clone(),
            overrides: ModelOverrides::default(),
            schemas: SchemaMemo::default(),
            azure: None,
        };
        Self {
            egress,
            model,
            provider: "openai",
            account: "",
            endpoint: Endpoint::Messages,
            keys: Keyring::new(["key one"]),
            without: &[],
        }
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
        let rules = Rules::openai(self.model);
        match self.endpoint {
            Endpoint::Messages => responses_rules::check(body, &rules, &Issued::default()),
            Endpoint::CountTokens => responses_rules::check_count(body, &rules, &Issued::default()),
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

    /// Asks, and gives back the message the caller gets.
    pub(crate) fn ask(&self, request: &Value, turn: &Turn) -> Value {
        let mut encoded = self.encode(request).expect("can be said");
        let body = parse(&encoded);
        self.check(&body).unwrap_or_else(|refusal| panic!("{}\n{body:#}", refusal.message));
        let answer = answer(&body, turn);
        fold(|sink| {
            if encoded.stream {
                read_stream(&mut *encoded.reader, &[answer.as_bytes()], sink)
            } else {
                encoded.reader.whole(answer.as_bytes(), sink)
            }
        })
        .expect("a whole answer")
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

pub(crate) fn parse(encoded: &Encoded) -> Value {
    serde_json::from_str(&encoded.body).expect("JSON")
}

pub(crate) fn losses(encoded: &Encoded) -> Vec<String> {
    encoded.losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect()
}

/// What the scripted server answers to `body`: a stream or a body.
pub(crate) fn answer(body: &Value, turn: &Turn) -> String {
    let asked = Asked { body, index: 0, account: "org-test" };
    if body["stream"] == true {
        responses_reply::frames(turn, asked).concat()
    } else {
        responses_reply::body(turn, asked).to_string()
    }
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
                out.push_str(&format!("W:{}:{}", tool_use_id.escaped(), content.as_str()));
            }
            Event::Delta(Delta::Text(piece) | Delta::Thinking(piece) | Delta::Json(piece)) => {
                // It stands between quotes in what the caller gets.
                let quoted = format!("\"{}\"", piece.escaped());
                serde_json::from_str::<IgnoredAny>(&quoted).expect("the inside of a string");
                out.push_str(piece.escaped());
            }
            Event::Delta(Delta::Signature(_)) => out.push('~'),
            Event::Delta(Delta::Citation(citation)) => out.push_str(citation.as_str()),
            Event::BlockStop => out.push('/'),
            Event::Finish { stop, sequence, usage } => {
                out.push_str(&format!(".{}", stop.as_str()));
                if let Some(sequence) = sequence {
                    out.push_str(&format!("({})", sequence.escaped()));
                }
                out.push_str(&format!(
                    " {}+{}+{}>{}({}) {}",
                    usage.counts.input,
                    usage.counts.cache_read,
                    usage.counts.cache_write,
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

/// Events of a stream, from their JSON.
pub(crate) fn stream(events: &[Value]) -> String {
    let frame = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))
    };
    events.iter().map(frame).collect()
}

/// A request and what of its body matters: pointers and values; `null` where nothing may stand.
pub(crate) fn says(model: &'static str, request: &Value, wanted: &[(&str, Value)]) {
    let body = Upstream::of(model).body(request);
    for (pointer, value) in wanted {
        let got = body.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(got, value, "{model} {pointer} of\n{body:#}");
    }
}

/// A request with these messages.
pub(crate) fn conversation(messages: Value) -> Value {
    let mut request = hello(&json!({}));
    request["messages"] = messages;
    request
}
