//! What the targets share: one upstream of each dialect, and what every reading of a reply is held to.

use gateway_bedrock::Bedrock;
use gateway_gemini::{Gemini, Options, Schemas, Surface};
use gateway_models::Catalogue;
use gateway_ollama::Ollama;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_translate::{AttemptCx, BodyEnd, Egress, Encoded, Flow, Keyring};
use gateway_types::{BlockStart, Delta, Event, EventSink, Grammar, Illegal};

/// An upstream and the model that is asked for.
pub type Upstream = (Box<dyn Egress>, &'static str);

/// A request that leaves room for all that may come.
pub const ASKED: &str = r#"{"model":"m","max_tokens":4096,"stream":true,"thinking":{"type":"adaptive"},
    "stop_sequences":["</stop>"],"tools":[{"name":"Bash","input_schema":{"type":"object","properties":{}}},
    {"type":"web_search_20250305","name":"web_search"}],"messages":[{"role":"user","content":"go"}]}"#;

/// Chat Completions, or Responses.
pub fn openai(api: Api) -> Upstream {
    let model = if api == Api::Responses { "gpt-5.6-terra" } else { "some-model" };
    let quirks = if api == Api::Responses { Quirks::default() } else { Quirks::compatible() };
    let egress = OpenAi {
        api,
        quirks,
        catalogue: Catalogue::builtin().clone(),
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure: None,
    };
    (Box::new(egress), model)
}

/// Gemini at AI Studio.
pub fn gemini() -> Upstream {
    let egress = Gemini {
        surface: Surface::AiStudio,
        catalogue: Catalogue::builtin().clone(),
        schemas: Schemas::default(),
        options: Options::default(),
    };
    (Box::new(egress), "gemini-3.1-pro")
}

/// Bedrock in one region.
pub fn amazon() -> Bedrock {
    Bedrock {
        region: "us-east-1".into(),
        family: None,
        catalogue: Catalogue::builtin().clone(),
        schemas: SchemaMemo::default(),
    }
}

/// Converse, with a model that reasons.
pub fn converse() -> Upstream {
    (Box::new(amazon()), "openai.gpt-oss-120b-1:0")
}

/// Ollama.
pub fn ollama() -> Upstream {
    (Box::new(Ollama::default()), "local-coder:30b")
}

/// The request as the upstream gets it; none where it can't be said.
pub fn encode((egress, model): &Upstream, body: &[u8]) -> Option<Encoded> {
    let keys = Keyring::new(["a secret"]);
    let cx = AttemptCx { model, provider: "up", reply_id: "msg_1", ..AttemptCx::new(&keys) };
    let request = gateway_anthropic::decode(body).ok()?;
    egress.encode(&request, &cx).ok()
}

/// How a stream is cut, how its body ends, and the stream.
pub fn cut(data: &[u8]) -> Option<(usize, BodyEnd, &[u8])> {
    let (how, stream) = data.split_first()?;
    let end = if how & 1 == 0 { BodyEnd::Clean } else { BodyEnd::Cut };
    Some((usize::from(how >> 1) + 1, end, stream))
}

/// Reads a reply, streamed and as one body.
pub fn read(upstream: &Upstream, data: &[u8]) {
    let Some((size, end, stream)) = cut(data) else { return };
    let encoded = || encode(upstream, ASKED.as_bytes()).expect("it can be said");
    let mut reader = encoded().reader;
    let mut sink = Sink::default();
    let mut read = || {
        for chunk in stream.chunks(size) {
            if reader.push(chunk, &mut sink)? == Flow::Done {
                return Ok(());
            }
        }
        reader.finish(end, &mut sink)
    };
    let read = read();
    // Where the upstream says how to go on, it may stop in the middle.
    let ended = sink.0.is_done() || (read.is_ok() && reader.goes_on().is_some());
    assert_eq!(read.is_ok(), ended);
    let mut sink = Sink::default();
    let _ = encoded().reader.whole(stream, &mut sink);
}

/// Takes legal events only.
#[derive(Debug, Default)]
pub struct Sink(Grammar);

impl EventSink for Sink {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.0.accept(&event).expect("a legal event");
        match event {
            Event::Delta(Delta::Text(text) | Delta::Thinking(text) | Delta::Json(text)) => {
                let quoted = format!("\"{}\"", text.escaped());
                serde_json::from_str::<String>(&quoted).expect("the inside of a string");
            }
            Event::BlockStart(BlockStart::ToolUse { id, .. }) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                assert!(!id.is_empty() && id.escaped().bytes().all(plain), "{id:?}");
            }
            _ => {}
        }
        Ok(())
    }
}
