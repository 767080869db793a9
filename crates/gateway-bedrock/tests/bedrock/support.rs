//! What the tests have in common: one upstream, one way to ask it, one way to look at its answer.

use std::collections::HashSet;

use gateway_anthropic::Folder;
use gateway_bedrock::{Bedrock, SchemaMemo};
use gateway_models::Catalogue;
use gateway_testkit::bedrock::{
    Asked, Refusal, Rules, Turn, converse_reply, converse_rules, event_stream,
};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress as _, Encoded, FaultCx, Flow, Keyring, ReplyCx, ReplyReader,
    ReplyWriter as _,
};
use gateway_types::{
    ApiError, BlockStart, Delta, Endpoint, Event, EventSink, Fault, Feature, Grammar, Illegal,
    Remedy,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

pub(crate) const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const OPUS: &str = "global.anthropic.claude-opus-4-7";
pub(crate) const NOVA: &str = "us.amazon.nova-pro-v1:0";
pub(crate) const NOVA_2: &str = "us.amazon.nova-2-lite-v1:0";
pub(crate) const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";
pub(crate) const MISTRAL: &str = "mistral.mistral-large-2407-v1:0";
pub(crate) const GPT_OSS: &str = "openai.gpt-oss-120b-1:0";
pub(crate) const DEEPSEEK: &str = "us.deepseek.v3-v1:0";
pub(crate) const QWEN: &str = "qwen.qwen3-coder-480b-a35b-v1:0";
pub(crate) const OTHER: &str = "acme.thing-v1:0";

pub(crate) const MODELS: [&str; 10] =
    [CLAUDE, OPUS, NOVA, NOVA_2, LLAMA, MISTRAL, GPT_OSS, DEEPSEEK, QWEN, OTHER];

/// An upstream and how it is asked.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) egress: Bedrock,
    pub(crate) model: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: Keyring,
    pub(crate) without: Vec<Feature>,
    pub(crate) betas: &'static str,
    pub(crate) issued: HashSet<String>,
    pub(crate) rules: Rules,
}

impl Upstream {
    pub(crate) fn of(model: &'static str) -> Self {
        let egress = Bedrock {
            region: "us-east-1".into(),
            family: None,
            catalogue: Catalogue::builtin().clone(),
            schemas: SchemaMemo::default(),
        };
        // Longer prompts than the scripted server's usual window.
        let mut rules = Rules::bedrock(model).with_window(1_000_000);
        rules.max_output = 128_000;
        Self {
            egress,
            model,
            endpoint: Endpoint::Messages,
            keys: Keyring::new(["key one"]),
            without: Vec::new(),
            betas: "",
            issued: HashSet::new(),
            rules,
        }
    }

    pub(crate) fn encode_bytes(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let request = gateway_anthropic::decode(body).expect("a request");
        let cx = AttemptCx {
            endpoint: self.endpoint,
            model: self.model,
            provider: "aws",
            reply_id: "msg_1",
            without: &self.without,
            betas: self.betas,
            ..AttemptCx::new(&self.keys)
        };
        self.egress.encode(&request, &cx)
    }

    pub(crate) fn encode(&self, body: &Value) -> Result<Encoded, ApiError> {
        self.encode_bytes(body.to_string().as_bytes())
    }

    pub(crate) fn check(&self, body: &Value) -> Result<(), Refusal> {
        match self.endpoint {
            Endpoint::Messages => converse_rules::check(body, &self.rules, &self.issued),
            Endpoint::CountTokens => {
                converse_rules::check(&body["input"]["converse"], &self.rules, &self.issued)
            }
        }
    }

    /// The request that goes up, which the strict server takes.
    pub(crate) fn sent(&self, request: &Value) -> Encoded {
        let encoded = self.encode(request).expect("can be said");
        let body = parse(&encoded);
        self.check(&body).unwrap_or_else(|no| panic!("{}: {}\n{body:#}", self.model, no.message));
        encoded
    }

    /// Its body.
    pub(crate) fn body(&self, request: &Value) -> Value {
        parse(&self.sent(request))
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

    /// What a refusal of the scripted server means.
    pub(crate) fn fault(&self, refusal: &Refusal) -> Fault {
        let cx = FaultCx { provider: "aws", model: self.model, prompt_estimate: 1000 };
        let mut head = HeaderMap::new();
        let kind = format!("{}:http://internal.example/", refusal.kind);
        head.insert("x-amzn-errortype", HeaderValue::from_str(&kind).expect("plain"));
        let status = StatusCode::from_u16(refusal.status).expect("a status");
        self.egress.fault(&cx, status, &head, refusal.body().to_string().as_bytes())
    }

    /// The body that the strict server takes in the end, and what it taught on the way.
    pub(crate) fn taught(&mut self, body: &[u8]) -> Result<(Encoded, Vec<&'static str>), String> {
        let mut taught = Vec::new();
        loop {
            let encoded = self.encode_bytes(body).map_err(|err| err.message().to_owned())?;
            let Err(refusal) = self.check(&parse(&encoded)) else {
                return Ok((encoded, taught));
            };
            let Remedy::Without(feature) = self.fault(&refusal).remedy else {
                panic!("{}: {}", self.model, refusal.message);
            };
            assert!(!self.without.contains(&feature), "{feature:?}: {}", refusal.message);
            taught.push(feature.as_str());
            self.without.push(feature);
        }
    }

    fn asked<'a>(&'a self, body: &'a Value) -> Asked<'a> {
        Asked { body, index: 0, rules: &self.rules }
    }

    /// What the scripted server answers to a request: a stream or a body.
    pub(crate) fn answer(&self, encoded: &Encoded, turn: &Turn) -> Vec<u8> {
        let body = parse(encoded);
        if encoded.stream {
            converse_reply::frames(turn, self.asked(&body)).0.concat()
        } else {
            converse_reply::body(turn, self.asked(&body)).to_string().into_bytes()
        }
    }

    /// Asks, and gives back the message the caller gets.
    pub(crate) fn ask(&self, request: &Value, turn: &Turn) -> Value {
        let mut encoded = self.sent(request);
        let answer = self.answer(&encoded, turn);
        fold(|sink| {
            if encoded.stream {
                read_stream(&mut *encoded.reader, &[&answer], sink)
            } else {
                encoded.reader.whole(&answer, sink)
            }
        })
        .expect("a whole answer")
    }

    /// A reader for a streamed answer to a request with these fields.
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

/// A request with these messages, and a tool.
pub(crate) fn conversation(messages: Value) -> Value {
    let mut request = hello(&json!({"tools": [tool("Bash")]}));
    request["messages"] = messages;
    request
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "does", "input_schema":
        {"type": "object", "properties": {"a": {"type": "string"}}}})
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
            Event::BlockStart(_) => out.push_str("S:"),
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
                let counts = usage.counts;
                out.push_str(&format!(
                    " {}+{}+{}>{}",
                    counts.input, counts.cache_read, counts.cache_write, counts.output
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

/// The frames of events.
pub(crate) fn stream(events: &[(&str, Value)]) -> Vec<u8> {
    events.iter().flat_map(|(kind, payload)| event_stream::event(kind, payload)).collect()
}

/// A request and what of its body matters: pointers and values; `null` where nothing may stand.
pub(crate) fn says(model: &'static str, request: &Value, wanted: &[(&str, Value)]) {
    let body = Upstream::of(model).body(request);
    for (pointer, value) in wanted {
        let got = body.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(got, value, "{model} {pointer} of\n{body:#}");
    }
}
