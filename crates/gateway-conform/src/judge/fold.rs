//! Plays a stream as the client does: puts the message together and notes every rule that is broken.

use serde_json::{Map, Value, json};

use crate::finding::Severity::{self, Error, Note, Warning};
use crate::stream::{Frame, Stream};

/// A stream put together.
#[derive(Debug)]
pub struct Told {
    /// The message in the form of a unary reply; null where it never began.
    pub message: Value,
    /// What is wrong with the stream.
    pub faults: Vec<Fault>,
    /// The message of an `error` event.
    pub error: Option<String>,
    /// How many `ping` events came.
    pub pings: usize,
    /// How many deltas came.
    pub deltas: usize,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub aspect: Aspect,
    /// How bad it is.
    pub severity: Severity,
    /// The row that says so.
    pub row: &'static str,
    /// What is wrong.
    pub what: String,
    /// What came.
    pub came: String,
    /// What was expected.
    pub expected: &'static str,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// Frames and their names.
    Names,
    /// `message_start`.
    Start,
    /// Which event follows which.
    Order,
    /// Indices of blocks, one open at a time.
    Blocks,
    /// Arguments of tools.
    Input,
    /// Thinking and its signature.
    Thinking,
    /// Why it stopped, and that it stopped.
    Stop,
    /// Counts.
    Usage,
    /// The form of a `ping`.
    Ping,
    /// What Anthropic never sends.
    Foreign,
}

#[derive(Debug, Default)]
struct Fold {
    message: Option<Map<String, Value>>,
    blocks: Vec<Value>,
    open: Option<Open>,
    closed: bool,
    stopped: bool,
    error: Option<String>,
    faults: Vec<Fault>,
    /// Faults of arguments that are none where a limit cut the reply.
    cut_arguments: Vec<Fault>,
    pings: usize,
    deltas: usize,
}

#[derive(Debug)]
struct Open {
    index: u64,
    kind: String,
    json: String,
    pieces: usize,
    signed: bool,
}

/// Puts a stream together.
pub fn fold(stream: &Stream) -> Told {
    let mut fold = Fold::default();
    for frame in &stream.frames {
        fold.frame(frame);
    }
    fold.end(stream)
}

impl Fold {
    fn fault(
        &mut self,
        aspect: Aspect,
        severity: Severity,
        row: &'static str,
        what: impl Into<String>,
        came: impl Into<String>,
        expected: &'static str,
    ) {
        let (what, came) = (what.into(), came.into());
        self.faults.push(Fault { aspect, severity, row, what, came, expected });
    }

    fn frame(&mut self, frame: &Frame) {
        let Some(json) = &frame.json else {
            let (severity, expected) = if frame.data.trim() == "[DONE]" {
                (Warning, "nothing: Anthropic's streams end with message_stop")
            } else {
                (Error, "one JSON object in every `data`")
            };
            self.fault(
                Aspect::Foreign,
                severity,
                "C4",
                "data that is no JSON",
                &frame.data,
                expected,
            );
            return;
        };
        let kind = frame.kind().to_owned();
        if frame.event.as_deref() != Some(&kind) {
            let came = format!("event: {}, type: {kind}", frame.event.as_deref().unwrap_or("none"));
            let expected =
                "`event: NAME` with NAME the `type` of its data: the SDKs go by the name";
            self.fault(Aspect::Names, Error, "C4", "an event under another name", came, expected);
        }
        if self.error.is_some() || (self.stopped && kind != "ping") {
            self.fault(Aspect::Order, Error, "R4", "an event after the end", &kind, "nothing");
            return;
        }
        let started = self.message.is_some();
        match kind.as_str() {
            "ping" => {
                self.pings += 1;
                if json != &json!({"type": "ping"}) {
                    let expected = "{\"type\":\"ping\"}";
                    self.fault(
                        Aspect::Ping,
                        Warning,
                        "R8",
                        "a ping of another form",
                        &frame.data,
                        expected,
                    );
                }
            }
            "error" => {
                let message = json.pointer("/error/message").and_then(Value::as_str);
                self.error = Some(message.unwrap_or(&frame.data).to_owned());
            }
            "message_start" if !started => self.start(json),
            "message_start" => {
                self.fault(
                    Aspect::Order,
                    Error,
                    "C4",
                    "a second message_start",
                    "",
                    "one a stream",
                );
            }
            _ if !started && KNOWN.contains(&kind.as_str()) => {
                let expected = "message_start first";
                self.fault(
                    Aspect::Order,
                    Error,
                    "R6",
                    "an event before the start",
                    &kind,
                    expected,
                );
                // Not to say the same of every event that follows.
                self.message = Some(Map::new());
                self.frame_of_message(&kind, json);
            }
            _ => self.frame_of_message(&kind, json),
        }
    }

    fn frame_of_message(&mut self, kind: &str, json: &Value) {
        match kind {
            "content_block_start" => self.block_start(json),
            "content_block_delta" => self.block_delta(json),
            "content_block_stop" => self.block_stop(json),
            "message_delta" => self.message_delta(json),
            "message_stop" => {
                if !self.closed {
                    let expected = "a message_delta with the stop_reason before it";
                    self.fault(
                        Aspect::Order,
                        Error,
                        "R7",
                        "message_stop without message_delta",
                        "",
                        expected,
                    );
                }
                self.stopped = true;
            }
            _ => self.fault(
                Aspect::Foreign,
                Note,
                "",
                "an event that is not documented",
                kind,
                "clients skip it",
            ),
        }
    }

    fn start(&mut self, json: &Value) {
        let message = json["message"].as_object().cloned().unwrap_or_default();
        let aspect = Aspect::Start;
        if message.get("content") != Some(&json!([])) {
            let came = message.get("content").map_or("no content".to_owned(), Value::to_string);
            self.fault(
                aspect,
                Error,
                "C4",
                "message_start has no empty `content`",
                came,
                "\"content\": []",
            );
        }
        if message.get("stop_reason").is_some_and(|reason| !reason.is_null()) {
            let came = message["stop_reason"].to_string();
            self.fault(
                aspect,
                Warning,
                "R7",
                "a stop_reason before the end",
                came,
                "null in message_start",
            );
        }
        for (field, want) in
            [("type", Some("message")), ("role", Some("assistant")), ("id", None), ("model", None)]
        {
            let came = message.get(field).and_then(Value::as_str).unwrap_or_default();
            if came.is_empty() || want.is_some_and(|want| want != came) {
                let what = format!("message_start has a wrong or no `{field}`");
                self.fault(
                    aspect,
                    Error,
                    "C4",
                    what,
                    came,
                    "id, type message, role assistant, model",
                );
            }
        }
        if message.get("usage").and_then(|usage| usage["input_tokens"].as_u64()).is_none() {
            let came = message.get("usage").map_or("none".to_owned(), Value::to_string);
            let expected = "usage with numbers in message_start: the SDKs fail without";
            self.fault(Aspect::Usage, Error, "R32", "message_start has no usage", came, expected);
        }
        self.message = Some(message);
    }

    fn block_start(&mut self, json: &Value) {
        let Some(index) = json["index"].as_u64() else {
            self.fault(
                Aspect::Blocks,
                Error,
                "R3",
                "a block without an index",
                json.to_string(),
                "`index`",
            );
            return;
        };
        if let Some(open) = self.open.take() {
            let what = format!("block {index} starts while block {} is open", open.index);
            self.fault(
                Aspect::Blocks,
                Error,
                "R3",
                what,
                "",
                "content_block_stop before the next block",
            );
            self.close(&open);
        }
        if index != self.blocks.len() as u64 {
            let came = index.to_string();
            self.fault(
                Aspect::Blocks,
                Error,
                "R3",
                format!("block number {} has another index", self.blocks.len()),
                came,
                "consecutive indices from 0",
            );
        }
        if self.closed {
            self.fault(
                Aspect::Order,
                Error,
                "C4",
                "a block after message_delta",
                "",
                "message_delta after all blocks",
            );
        }
        let block = json["content_block"].clone();
        let kind = block["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "" => self.fault(
                Aspect::Blocks,
                Error,
                "C4",
                "a block without a type",
                block.to_string(),
                "`content_block.type`",
            ),
            "tool_use" | "server_tool_use" => self.tool_start(&block),
            _ => {}
        }
        self.blocks.push(block);
        self.open = Some(Open { index, kind, json: String::new(), pieces: 0, signed: false });
    }

    fn tool_start(&mut self, block: &Value) {
        let id = block["id"].as_str().unwrap_or_default();
        if id.is_empty() {
            self.fault(
                Aspect::Input,
                Error,
                "R3",
                "a call without an id",
                block.to_string(),
                "an id: the client does not run the call otherwise",
            );
        } else if self.blocks.iter().any(|b| b["id"] == block["id"]) {
            self.fault(
                Aspect::Input,
                Error,
                "R3",
                "two calls with one id",
                id,
                "ids that are unique: only one of them runs",
            );
        } else if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            self.fault(
                Aspect::Input,
                Warning,
                "R3",
                "an id that Anthropic refuses when it comes back",
                id,
                "[a-zA-Z0-9_-]+",
            );
        }
        if block["name"].as_str().unwrap_or_default().is_empty() {
            self.fault(
                Aspect::Input,
                Error,
                "R11",
                "a call without a name",
                block.to_string(),
                "the tool's name",
            );
        }
    }

    fn block_delta(&mut self, json: &Value) {
        self.deltas += 1;
        let index = json["index"].as_u64();
        let delta = &json["delta"];
        let kind = delta["type"].as_str().unwrap_or_default().to_owned();
        let Some(open) = self.open.as_mut().filter(|open| Some(open.index) == index) else {
            let came = format!("{kind} for block {}", json["index"]);
            self.fault(
                Aspect::Blocks,
                Error,
                "R3",
                "a delta for a block that is not open",
                came,
                "deltas of the open block only",
            );
            return;
        };
        let fits = match open.kind.as_str() {
            "text" => ["text_delta", "citations_delta"].contains(&kind.as_str()),
            "tool_use" | "server_tool_use" | "mcp_tool_use" => kind == "input_json_delta",
            "thinking" => ["thinking_delta", "signature_delta"].contains(&kind.as_str()),
            _ => true,
        };
        if !fits {
            let came = format!("{kind} in a {} block", open.kind);
            self.fault(
                Aspect::Blocks,
                Error,
                "R3",
                "a delta of another kind than its block",
                came,
                "deltas that fit the block",
            );
            return;
        }
        let signed_before = open.signed;
        let block = self.blocks.last_mut();
        let append = |field: &str, piece: &Value| {
            if let Some(block) = block {
                let so_far = block[field].as_str().unwrap_or_default();
                let whole = format!("{so_far}{}", piece.as_str().unwrap_or_default());
                block[field] = whole.into();
            }
        };
        match kind.as_str() {
            "text_delta" => append("text", &delta["text"]),
            "thinking_delta" => append("thinking", &delta["thinking"]),
            "signature_delta" => {
                append("signature", &delta["signature"]);
                open.signed = true;
            }
            "input_json_delta" => {
                open.pieces += 1;
                open.json.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            _ => {}
        }
        if signed_before {
            self.fault(
                Aspect::Thinking,
                Error,
                "R13",
                "a delta after the signature",
                kind,
                "the signature once, just before the block stops",
            );
        }
    }

    fn block_stop(&mut self, json: &Value) {
        match self.open.take() {
            Some(open) if json["index"].as_u64() == Some(open.index) => self.close(&open),
            open => {
                self.open = open;
                let came = json["index"].to_string();
                self.fault(
                    Aspect::Blocks,
                    Error,
                    "R3",
                    "a stop of a block that is not open",
                    came,
                    "content_block_stop of the open block",
                );
            }
        }
    }

    fn close(&mut self, open: &Open) {
        let Some(block) = self.blocks.last_mut() else { return };
        match open.kind.as_str() {
            "tool_use" | "server_tool_use" => {
                let given = block["input"].as_object().is_some_and(|input| !input.is_empty());
                if open.json.trim().is_empty() {
                    if given {
                        let came = block["input"].to_string();
                        let expected = "input_json_delta: the client ignores `input` in content_block_start and runs the tool without arguments";
                        self.fault(
                            Aspect::Input,
                            Error,
                            "R1",
                            "arguments in content_block_start alone",
                            came,
                            expected,
                        );
                    } else {
                        block["input"] = json!({});
                    }
                    return;
                }
                if given {
                    let came = block["input"].to_string();
                    self.fault(
                        Aspect::Input,
                        Warning,
                        "R1",
                        "arguments in content_block_start and in deltas",
                        came,
                        "\"input\": {} at the start",
                    );
                }
                match serde_json::from_str::<Value>(&open.json) {
                    Ok(input) if input.is_object() => {
                        if let Some(block) = self.blocks.last_mut() {
                            block["input"] = input;
                        }
                    }
                    _ => self.cut_arguments.push(Fault {
                        aspect: Aspect::Input,
                        severity: Error,
                        row: "R2",
                        what: "the pieces of the arguments make no JSON object".to_owned(),
                        came: open.json.clone(),
                        expected: "the concatenation of partial_json is one JSON object",
                    }),
                }
            }
            "thinking" if block["signature"].as_str().unwrap_or_default().is_empty() => {
                let expected =
                    "a signature_delta: without, the block can't be sent back to Anthropic";
                self.fault(
                    Aspect::Thinking,
                    Note,
                    "R13",
                    "thinking without a signature",
                    "",
                    expected,
                );
            }
            _ => {}
        }
    }

    fn message_delta(&mut self, json: &Value) {
        if let Some(open) = self.open.take() {
            let came = format!("block {} is open", open.index);
            self.fault(
                Aspect::Order,
                Error,
                "C4",
                "message_delta within a block",
                came,
                "content_block_stop first",
            );
            self.close(&open);
        }
        self.closed = true;
        let Some(message) = self.message.as_mut() else { return };
        for field in ["stop_reason", "stop_sequence"] {
            if let Some(value) = json["delta"].get(field) {
                message.insert(field.to_owned(), value.clone());
            }
        }
        match (message.get_mut("usage"), json["usage"].as_object()) {
            (Some(Value::Object(known)), Some(news)) => {
                known.extend(news.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            (_, Some(news)) => drop(message.insert("usage".to_owned(), news.clone().into())),
            (_, None) => {}
        }
        if json["usage"]["output_tokens"].as_u64().is_none() {
            let came = json["usage"].to_string();
            let expected = "usage.output_tokens in message_delta: the SDKs fail without";
            self.fault(Aspect::Usage, Error, "R32", "message_delta has no usage", came, expected);
        }
    }

    fn end(mut self, stream: &Stream) -> Told {
        let broken = self.error.is_some();
        let Some(mut message) = self.message.take() else {
            if !broken {
                let came =
                    if stream.frames.is_empty() { "no event at all" } else { "no message_start" };
                self.fault(
                    Aspect::Order,
                    Error,
                    "R6",
                    "a reply without a message",
                    came,
                    "message_start … message_stop, or an error",
                );
            }
            return self.told(Value::Null);
        };
        if !broken && !self.stopped {
            self.fault(
                Aspect::Stop,
                Error,
                "R4",
                "the stream ends without message_stop",
                "",
                "message_stop, or an error event",
            );
        }
        if stream.unfinished {
            self.fault(
                Aspect::Names,
                Error,
                "R4",
                "the last event has no blank line after it",
                "",
                "every event ends with a blank line",
            );
        }
        message.insert("content".to_owned(), Value::Array(std::mem::take(&mut self.blocks)));
        let message = Value::Object(message);
        let cut = ["max_tokens", "model_context_window_exceeded"]
            .contains(&message["stop_reason"].as_str().unwrap_or_default());
        if !cut && !broken && self.stopped {
            self.faults.append(&mut self.cut_arguments);
        }
        self.told(message)
    }

    fn told(self, message: Value) -> Told {
        let Self { faults, error, pings, deltas, .. } = self;
        Told { message, faults, error, pings, deltas }
    }
}

const KNOWN: &[&str] = &[
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
];
