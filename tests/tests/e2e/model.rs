//! A model that says what a test wants: requests read, replies written in Anthropic's form.

use std::sync::Arc;

use gateway_testkit::{Recorded, Script, Upstream};
use serde_json::Value;

/// A request to `/v1/messages`, with the questions that scripts ask of it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) recorded: Recorded,
    pub(crate) body: Value,
}

impl Ask {
    pub(crate) fn new(recorded: &Recorded) -> Self {
        let body = serde_json::from_slice(&recorded.body).unwrap_or_default();
        Self { recorded: recorded.clone(), body }
    }

    pub(crate) fn streams(&self) -> bool {
        self.body["stream"] == true
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Value> {
        self.body["tools"].as_array()?.iter().find(|tool| tool["name"] == name)
    }

    /// Whether any message or the system prompt holds `text`.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        contains(&self.body["messages"], text) || contains(&self.body["system"], text)
    }

    /// Whether the last user message holds `text`.
    pub(crate) fn last_user_says(&self, text: &str) -> bool {
        let user = self.messages().iter().rev().find(|message| message["role"] == "user");
        user.is_some_and(|message| contains(message, text))
    }

    pub(crate) fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The blocks of that type in all messages.
    pub(crate) fn blocks(&self, kind: &str) -> Vec<&Value> {
        let contents = self.messages().iter().filter_map(|message| message["content"].as_array());
        contents.flatten().filter(|block| block["type"] == kind).collect()
    }

    /// The result of the tool call with this id.
    pub(crate) fn result(&self, id: &str) -> Option<&Value> {
        self.blocks("tool_result").into_iter().find(|block| block["tool_use_id"] == id)
    }
}

/// Whether `text` occurs in any string of `value`.
pub(crate) fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| contains(item, text)),
        Value::Object(fields) => fields.values().any(|field| contains(field, text)),
        _ => false,
    }
}

/// What the model says in one turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    blocks: Vec<Block>,
    stop: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Block {
    start: String,
    deltas: Vec<String>,
    /// As it stands in a reply that is not streamed.
    whole: String,
}

impl Reply {
    pub(crate) fn text(text: &str) -> Self {
        Self::default().and_text(text)
    }

    pub(crate) fn tool(id: &str, name: &str, input: &Value) -> Self {
        Self::default().and_tool(id, name, input)
    }

    pub(crate) fn thinking(text: &str, signature: &str) -> Self {
        let (text, signature) = (quote(text), quote(signature));
        Self::default().and(Block {
            start: r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            deltas: vec![
                format!(r#"{{"type":"thinking_delta","thinking":{text}}}"#),
                format!(r#"{{"type":"signature_delta","signature":{signature}}}"#),
            ],
            whole: format!(r#"{{"type":"thinking","thinking":{text},"signature":{signature}}}"#),
        })
    }

    /// Thinking as servers make it that sign nothing.
    pub(crate) fn and_unsigned(self, text: &str) -> Self {
        let text = quote(text);
        self.and(Block {
            start: r#"{"type":"thinking","thinking":""}"#.to_owned(),
            deltas: vec![format!(r#"{{"type":"thinking_delta","thinking":{text}}}"#)],
            whole: format!(r#"{{"type":"thinking","thinking":{text}}}"#),
        })
    }

    pub(crate) fn and_text(self, text: &str) -> Self {
        let pieces = pieces(text, 3);
        let delta = |piece: &String| format!(r#"{{"type":"text_delta","text":{}}}"#, quote(piece));
        self.and(Block {
            start: r#"{"type":"text","text":""}"#.to_owned(),
            deltas: pieces.iter().map(delta).collect(),
            whole: format!(r#"{{"type":"text","text":{}}}"#, quote(text)),
        })
    }

    pub(crate) fn and_tool(mut self, id: &str, name: &str, input: &Value) -> Self {
        self.stop = Some("tool_use");
        self.and(tool_like("tool_use", id, name, input))
    }

    pub(crate) fn and_server_tool(self, id: &str, name: &str, input: &Value) -> Self {
        self.and(tool_like("server_tool_use", id, name, input))
    }

    /// A block that comes whole in its start event.
    pub(crate) fn and_whole(self, block: &Value) -> Self {
        let whole = block.to_string();
        self.and(Block { start: whole.clone(), deltas: Vec::new(), whole })
    }

    pub(crate) fn stop(mut self, reason: &'static str) -> Self {
        self.stop = Some(reason);
        self
    }

    fn and(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Streamed or whole, as the request wants it.
    pub(crate) fn to(&self, ask: &Ask) -> Script {
        if ask.streams() {
            self.stream(ask).last_chunk()
        } else {
            Script::json(200, self.body(ask)).header("request-id", "req_e2e")
        }
    }

    /// The whole stream but for its last chunk.
    pub(crate) fn stream(&self, ask: &Ask) -> Script {
        let head = Script::event_stream().header("request-id", "req_e2e");
        self.frames(ask).into_iter().fold(head, Script::chunk)
    }

    /// The events of the stream.
    pub(crate) fn frames(&self, ask: &Ask) -> Vec<String> {
        let mut frames = vec![message_start(ask)];
        for (index, block) in self.blocks.iter().enumerate() {
            frames.push(event(
                "content_block_start",
                &format!(r#""index":{index},"content_block":{}"#, block.start),
            ));
            frames.extend(block.deltas.iter().map(|delta| delta_event(index, delta)));
            frames.push(event("content_block_stop", &format!(r#""index":{index}"#)));
        }
        let stop = quote(self.stop.unwrap_or("end_turn"));
        frames.push(event(
            "message_delta",
            &format!(
                r#""delta":{{"stop_reason":{stop},"stop_sequence":null}},"usage":{{"output_tokens":17}}"#
            ),
        ));
        frames.push(event("message_stop", ""));
        frames
    }

    /// Head and `message_start`.
    pub(crate) fn opening(ask: &Ask) -> Script {
        Script::event_stream().header("request-id", "req_e2e").chunk(message_start(ask))
    }

    fn body(&self, ask: &Ask) -> String {
        let blocks: Vec<&str> = self.blocks.iter().map(|block| block.whole.as_str()).collect();
        let stop = quote(self.stop.unwrap_or("end_turn"));
        message(ask, &format!("[{}]", blocks.join(",")), &stop)
    }
}

fn message_start(ask: &Ask) -> String {
    event("message_start", &format!(r#""message":{}"#, message(ask, "[]", "null")))
}

fn tool_like(kind: &str, id: &str, name: &str, input: &Value) -> Block {
    let mut parts = vec![String::new()];
    parts.extend(pieces(&input.to_string(), 4));
    let delta =
        |part: &String| format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, quote(part));
    Block {
        start: format!(r#"{{"type":"{kind}","id":"{id}","name":"{name}","input":{{}}}}"#),
        deltas: parts.iter().map(delta).collect(),
        whole: format!(r#"{{"type":"{kind}","id":"{id}","name":"{name}","input":{input}}}"#),
    }
}

fn message(ask: &Ask, content: &str, stop: &str) -> String {
    let id = format!("msg_e2e{:04}", ask.recorded.index);
    let model = &ask.body["model"];
    format!(
        r#"{{"id":"{id}","type":"message","role":"assistant","model":{model},"content":{content},"stop_reason":{stop},"stop_sequence":null,"usage":{{"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":7,"output_tokens":1,"service_tier":"standard"}}}}"#
    )
}

/// One event of the stream; `fields` are those after `type`.
pub(crate) fn event(name: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{comma}{fields}}}\n\n")
}

pub(crate) fn delta_event(index: usize, delta: &str) -> String {
    event("content_block_delta", &format!(r#""index":{index},"delta":{delta}"#))
}

/// An error in Anthropic's shape.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Script {
    let message = quote(message);
    Script::json(
        status,
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"req_e2e"}}"#
        ),
    )
    .header("request-id", "req_e2e")
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// `text` in about `n` parts of whole characters.
fn pieces(text: &str, n: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let size = chars.len().div_ceil(n).max(1);
    chars.chunks(size).map(|piece| piece.iter().collect()).collect()
}

/// An upstream whose answers to `/v1/messages` come from `model`; other paths get a 404.
pub(crate) fn anthropic(model: impl Fn(&Ask) -> Script + Send + Sync + 'static) -> Arc<Upstream> {
    Arc::new(Upstream::start(move |request| {
        if request.method == "POST" && request.path() == "/v1/messages" {
            model(&Ask::new(request))
        } else {
            error(404, "not_found_error", "no such path")
        }
    }))
}
