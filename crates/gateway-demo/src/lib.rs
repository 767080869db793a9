//! A provider without a model behind it: it answers Messages requests by itself, streams, calls a
//! tool when it is asked to, and says plainly that it is a demo.
//!
//! Pure: a request body in, a reply out. Ids come from the caller.
//!
//! ```
//! let body = br#"{"model":"claude-opus-5-5","max_tokens":99,"messages":[{"role":"user","content":"hello"}]}"#;
//! let reply = gateway_demo::answer(body, "1").unwrap();
//! assert!(reply.text().contains("demo"));
//! assert!(reply.to_json().starts_with(br#"{"id":"msg_demo_1""#));
//! assert!(reply.to_events().last().unwrap().starts_with(b"event: message_stop"));
//! ```

mod reply;
mod request;
mod sample;

use serde_json::{Map, Value};

use reply::Limits;
pub use reply::Reply;
use request::{Ask, Request};

/// The request can't be read. The text says why, for a 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest(pub String);

/// Answers one Messages request. `id` makes the reply's ids unique.
pub fn answer(body: &[u8], id: &str) -> Result<Reply, BadRequest> {
    let request = Request::read(body)?;
    let input_tokens = count(body);
    let reply = |text, tool| {
        let limits = Limits { tokens: request.max_tokens, stops: &request.stop_sequences };
        Reply::new(&request.model, id, text, tool, input_tokens, &limits)
    };

    if let Some(schema) = request.wanted_schema() {
        // A reply in a schema's shape has no room for words; the values say that it is a demo.
        return Ok(reply(sample::of_schema(schema).to_string(), None));
    }
    if request.is_safety_question() {
        // The demo's own commands do no harm, and others it is told to run word by word; without
        // this answer the client would refuse them all.
        return Ok(reply("<block>no".to_owned(), None));
    }
    Ok(match request.ask() {
        Ask::AfterTool { result } => {
            reply(format!("{PREFACE} The tool answered: {}", shortened(&result)), None)
        }
        Ask::Document(Some(text)) => {
            reply(format!("{PREFACE} The document says: {}", shortened(&text)), None)
        }
        // An answer about what was not seen would be worse than none.
        Ask::Document(None) => {
            return Err(BadRequest("the demo provider reads text documents only".to_owned()));
        }
        Ask::Text(text) => match request.tool_for(&text) {
            Some(tool) => {
                let input = sample::of_tool(&tool.name, tool.input_schema.as_ref(), &text);
                let text = format!("{PREFACE} I call the tool {} as you ask.", tool.name);
                reply(text, Some((tool.name.clone(), input)))
            }
            None => reply(format!("{PREFACE} You said: {}", shortened(&text)), None),
        },
    })
}

/// Roughly how many tokens a request is.
pub fn count(body: &[u8]) -> u64 {
    gateway_models::estimate_tokens(&String::from_utf8_lossy(body)).max(1)
}

const PREFACE: &str =
    "This is the demo provider of claude-code-model-gateway; there is no model behind it.";

/// Characters of a caller's own words that are said back.
const ECHO_CHARS: usize = 400;

fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(ECHO_CHARS) {
        Some((cut, _)) => format!("{} …", &text[..cut]),
        None => text.to_owned(),
    }
}

/// An empty JSON object.
fn empty() -> Value {
    Value::Object(Map::new())
}
