//! Writing a reply: as a stream of events, or folded into one message.

use gateway_translate::{Ingress, Json, ReplyCx, ReplyWriter, is_json};
use gateway_types::{
    ApiError, BlockStart, Delta, Event, EventSink, Grammar, Illegal, Raw, ReplyUsage, Request,
    StopReason, Text,
};

use crate::decode;

/// The Anthropic Messages API, as callers speak it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages;

impl Ingress for Messages {
    fn decode<'b>(&self, body: &'b [u8]) -> Result<Request<'b>, ApiError> {
        Ok(decode(body)?)
    }

    fn writer(&self, cx: &ReplyCx<'_>) -> Box<dyn ReplyWriter> {
        if cx.stream { Box::new(StreamWriter::new(cx)) } else { Box::new(Folder::new(cx)) }
    }
}

/// Writes events as server-sent ones.
#[derive(Debug)]
pub struct StreamWriter {
    out: Vec<u8>,
    grammar: Grammar,
    id: String,
    model: String,
    /// Index of the open block, or of the next one.
    index: u32,
    committed: bool,
}

impl StreamWriter {
    /// A writer for one reply.
    pub fn new(cx: &ReplyCx<'_>) -> Self {
        Self {
            out: Vec::new(),
            grammar: Grammar::default(),
            id: cx.id.to_owned(),
            model: cx.model.to_owned(),
            index: 0,
            committed: false,
        }
    }

    fn frame(&mut self, name: &str, data: &str) {
        self.out.extend_from_slice(b"event: ");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\ndata: ");
        self.out.extend_from_slice(data.as_bytes());
        self.out.extend_from_slice(b"\n\n");
    }

    /// The one frame there are thousands of, written without anything in between.
    fn delta(&mut self, kind: &str, field: &str, value: &str, quoted: bool) {
        let index = self.index;
        let out = &mut self.out;
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        push_number(out, index);
        out.extend_from_slice(b",\"delta\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(if quoted { b"\":\"" } else { b"\":" });
        if value.contains(['\n', '\r']) {
            // A line end between the tokens of a value would break the frame.
            let joined: String = value.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
            out.extend_from_slice(joined.as_bytes());
        } else {
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(if quoted { b"\"}}\n\n" } else { b"}}\n\n" });
    }
}

impl EventSink for StreamWriter {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.grammar.accept(&event)?;
        match event {
            Event::Start { usage } => {
                let mut json = Json::with_capacity(512);
                json.object(|json| {
                    json.key("type").string("message_start").key("message").object(|json| {
                        message_head(json, &self.id, &self.model);
                        json.key("content").array(|_| ());
                        json.key("stop_reason").null().key("stop_sequence").null();
                        json.key("usage").object(|json| write_usage(json, &usage));
                    });
                });
                self.frame("message_start", json.as_str());
                self.frame("ping", r#"{"type":"ping"}"#);
            }
            Event::BlockStart(start) => {
                self.committed = true;
                let mut json = Json::with_capacity(256);
                json.object(|json| {
                    json.key("type").string("content_block_start");
                    json.key("index").number(self.index.into());
                    json.key("content_block").object(|json| block_start(json, &start));
                });
                let line: String = one_line(json.into_string());
                self.frame("content_block_start", &line);
            }
            Event::Delta(delta) => match delta {
                Delta::Text(text) => self.delta("text_delta", "text", text.escaped(), true),
                Delta::Thinking(text) => {
                    self.delta("thinking_delta", "thinking", text.escaped(), true);
                }
                Delta::Signature(text) => {
                    self.delta("signature_delta", "signature", text.escaped(), true);
                }
                Delta::Json(text) => {
                    self.delta("input_json_delta", "partial_json", text.escaped(), true);
                }
                Delta::Citation(raw) => {
                    self.delta("citations_delta", "citation", raw.as_str(), false);
                }
            },
            Event::BlockStop => {
                let mut json = Json::with_capacity(64);
                json.object(|json| {
                    json.key("type").string("content_block_stop");
                    json.key("index").number(self.index.into());
                });
                self.frame("content_block_stop", json.as_str());
                self.index += 1;
            }
            Event::Finish { stop, sequence, usage } => {
                self.committed = true;
                let mut json = Json::with_capacity(512);
                json.object(|json| {
                    json.key("type").string("message_delta").key("delta").object(|json| {
                        write_stop(json, stop, sequence);
                    });
                    json.key("usage").object(|json| write_usage(json, &usage));
                });
                self.frame("message_delta", json.as_str());
                self.frame("message_stop", r#"{"type":"message_stop"}"#);
            }
        }
        Ok(())
    }
}

impl ReplyWriter for StreamWriter {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn is_done(&self) -> bool {
        self.grammar.is_done()
    }

    fn is_committed(&self) -> bool {
        self.committed
    }

    fn error(&mut self, error: &ApiError, request_id: Option<&str>) {
        self.out.extend_from_slice(&error.to_event(request_id));
    }

    fn sink(&mut self) -> &mut dyn EventSink {
        self
    }
}

/// Folds events into one message.
#[derive(Debug)]
pub struct Folder {
    grammar: Grammar,
    id: String,
    model: String,
    /// The elements of `content` that are whole, and the open one's beginning.
    content: Json,
    block: Option<OpenBlock>,
    /// Where the last call began in `content`, and whether its arguments were JSON.
    last_call: Option<(usize, bool)>,
    whole: Option<Vec<u8>>,
}

#[derive(Debug)]
enum OpenBlock {
    Text { text: String, citations: Vec<String> },
    Thinking { text: String, signature: String },
    Call { arguments: String },
    Whole,
}

impl Folder {
    /// A folder for one reply.
    pub fn new(cx: &ReplyCx<'_>) -> Self {
        let mut content = Json::new();
        content.open('[');
        Self {
            grammar: Grammar::default(),
            id: cx.id.to_owned(),
            model: cx.model.to_owned(),
            content,
            block: None,
            last_call: None,
            whole: None,
        }
    }

    fn start(&mut self, start: &BlockStart<'_>) {
        let at = self.content.len();
        self.block = Some(match start {
            BlockStart::Text => OpenBlock::Text { text: String::new(), citations: Vec::new() },
            BlockStart::Thinking => {
                OpenBlock::Thinking { text: String::new(), signature: String::new() }
            }
            BlockStart::ToolUse { id, name } => {
                self.last_call = Some((at, false));
                self.content.open('{').key("type").string("tool_use");
                self.content.key("id").text(*id).key("name").text(*name);
                OpenBlock::Call { arguments: String::new() }
            }
            BlockStart::ServerToolUse { id, name } => {
                self.content.open('{').key("type").string("server_tool_use");
                self.content.key("id").text(*id).key("name").text(*name);
                OpenBlock::Call { arguments: String::new() }
            }
            BlockStart::RedactedThinking { .. } | BlockStart::ServerToolResult { .. } => {
                self.content.object(|json| block_start(json, start));
                OpenBlock::Whole
            }
        });
    }

    fn delta(&mut self, delta: Delta<'_>) {
        match (&mut self.block, delta) {
            (Some(OpenBlock::Text { text, .. }), Delta::Text(piece))
            | (Some(OpenBlock::Thinking { text, .. }), Delta::Thinking(piece)) => {
                text.push_str(piece.escaped());
            }
            (Some(OpenBlock::Text { citations, .. }), Delta::Citation(raw)) => {
                citations.push(raw.as_str().to_owned());
            }
            (Some(OpenBlock::Thinking { signature, .. }), Delta::Signature(piece)) => {
                signature.push_str(piece.escaped());
            }
            (Some(OpenBlock::Call { arguments }), Delta::Json(piece)) => {
                arguments.push_str(piece.escaped());
            }
            // The grammar lets nothing else come here.
            _ => {}
        }
    }

    fn stop(&mut self) {
        match self.block.take() {
            Some(OpenBlock::Text { text, citations }) => {
                self.content.object(|json| {
                    json.key("type").string("text").key("text").text(Text::from_escaped(&text));
                    if !citations.is_empty() {
                        json.key("citations").array(|json| {
                            for citation in &citations {
                                json.raw(Raw::from_json(citation));
                            }
                        });
                    }
                });
            }
            Some(OpenBlock::Thinking { text, signature }) => {
                self.content.object(|json| {
                    json.key("type").string("thinking");
                    json.key("thinking").text(Text::from_escaped(&text));
                    json.key("signature").text(Text::from_escaped(&signature));
                });
            }
            Some(OpenBlock::Call { arguments }) => {
                let arguments = Text::from_escaped(&arguments).decode();
                let arguments = arguments.trim();
                // A call without arguments has none; one that a limit cut may have lost them all.
                let good = arguments.starts_with('{') && is_json(arguments);
                if let Some((_, is_good)) = &mut self.last_call {
                    *is_good = good;
                }
                let input = if good { arguments } else { "{}" };
                self.content.key("input").raw(Raw::from_json(input)).close('}');
            }
            Some(OpenBlock::Whole) | None => {}
        }
    }

    fn finish(&mut self, stop: StopReason, sequence: Option<Text<'_>>, usage: &ReplyUsage) {
        // A call that a limit cut is left out: half a call must never be run (R5).
        if let Some((at, false)) = self.last_call
            && stop.is_cut()
        {
            self.content.truncate(at);
        }
        self.content.close(']');
        let mut json = Json::with_capacity(self.content.len() + 512);
        json.object(|json| {
            message_head(json, &self.id, &self.model);
            json.key("content").raw(Raw::from_json(self.content.as_str()));
            write_stop(json, stop, sequence);
            json.key("usage").object(|json| write_usage(json, usage));
        });
        self.content = Json::new();
        self.whole = Some(json.into_string().into_bytes());
    }
}

impl EventSink for Folder {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.grammar.accept(&event)?;
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(start) => self.start(&start),
            Event::Delta(delta) => self.delta(delta),
            Event::BlockStop => self.stop(),
            Event::Finish { stop, sequence, usage } => self.finish(stop, sequence, &usage),
        }
        Ok(())
    }
}

impl ReplyWriter for Folder {
    fn take(&mut self) -> Vec<u8> {
        self.whole.take().unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        self.grammar.is_done()
    }

    fn is_committed(&self) -> bool {
        self.grammar.is_done()
    }

    fn error(&mut self, error: &ApiError, request_id: Option<&str>) {
        self.whole = Some(error.to_body(request_id));
    }

    fn sink(&mut self) -> &mut dyn EventSink {
        self
    }
}

fn message_head(json: &mut Json, id: &str, model: &str) {
    json.key("id").string(id).key("type").string("message").key("role").string("assistant");
    json.key("model").string(model);
}

fn block_start(json: &mut Json, start: &BlockStart<'_>) {
    match start {
        BlockStart::Text => {
            json.key("type").string("text").key("text").string("");
        }
        BlockStart::Thinking => {
            json.key("type").string("thinking").key("thinking").string("");
            json.key("signature").string("");
        }
        BlockStart::RedactedThinking { data } => {
            json.key("type").string("redacted_thinking").key("data").text(*data);
        }
        BlockStart::ToolUse { id, name } => {
            json.key("type").string("tool_use").key("id").text(*id).key("name").text(*name);
            json.key("input").object(|_| ());
        }
        BlockStart::ServerToolUse { id, name } => {
            json.key("type").string("server_tool_use").key("id").text(*id).key("name").text(*name);
            json.key("input").object(|_| ());
        }
        BlockStart::ServerToolResult { kind, tool_use_id, content } => {
            json.key("type").text(*kind).key("tool_use_id").text(*tool_use_id);
            json.key("content").raw(*content);
        }
    }
}

fn write_stop(json: &mut Json, stop: StopReason, sequence: Option<Text<'_>>) {
    json.key("stop_reason").string(stop.as_str()).key("stop_sequence");
    match sequence {
        Some(sequence) => json.text(sequence),
        None => json.null(),
    };
    if stop == StopReason::Refusal {
        json.key("stop_details").object(|json| {
            json.key("type").string("refusal").key("category").null().key("explanation").null();
        });
    }
}

fn write_usage(json: &mut Json, usage: &ReplyUsage) {
    let counts = &usage.counts;
    json.key("input_tokens").number(counts.input);
    json.key("cache_creation_input_tokens").number(counts.cache_write);
    json.key("cache_read_input_tokens").number(counts.cache_read);
    json.key("cache_creation").object(|json| {
        json.key("ephemeral_5m_input_tokens").number(counts.cache_write);
        json.key("ephemeral_1h_input_tokens").number(0);
    });
    json.key("output_tokens").number(counts.output);
    if usage.thinking > 0 {
        json.key("output_tokens_details").object(|json| {
            json.key("thinking_tokens").number(usage.thinking);
        });
    }
    if usage.web_searches > 0 {
        json.key("server_tool_use").object(|json| {
            json.key("web_search_requests").number(usage.web_searches);
        });
    }
    json.key("service_tier").string(if usage.priority { "priority" } else { "standard" });
}

fn push_number(out: &mut Vec<u8>, number: u32) {
    if let Ok(digit @ 0..=9) = u8::try_from(number) {
        out.push(b'0' + digit);
    } else {
        out.extend_from_slice(number.to_string().as_bytes());
    }
}

/// Raw values may hold line ends between their tokens; a frame may not.
fn one_line(json: String) -> String {
    if json.contains(['\n', '\r']) {
        json.chars().filter(|c| !matches!(c, '\n' | '\r')).collect()
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CX: ReplyCx<'static> = ReplyCx { id: "msg_1", model: "claude-x", stream: true };

    fn t(text: &str) -> Text<'_> {
        Text::from_escaped(text)
    }

    fn usage() -> ReplyUsage {
        let mut usage = ReplyUsage { thinking: 2, web_searches: 1, ..ReplyUsage::default() };
        (usage.counts.input, usage.counts.output, usage.counts.cache_read) = (5, 7, 3);
        usage
    }

    fn reply(sink: &mut dyn EventSink, stop: StopReason) {
        let events = [
            Event::Start { usage: ReplyUsage::default() },
            Event::BlockStart(BlockStart::Thinking),
            Event::Delta(Delta::Thinking(t("h\\n"))),
            Event::Delta(Delta::Signature(t("gw1.x"))),
            Event::BlockStop,
            Event::BlockStart(BlockStart::RedactedThinking { data: t("dd") }),
            Event::BlockStop,
            Event::BlockStart(BlockStart::Text),
            Event::Delta(Delta::Text(t("a\\\""))),
            Event::Delta(Delta::Citation(Raw::from_json("{\n\"url\":\"u\"}"))),
            Event::Delta(Delta::Text(t("b"))),
            Event::BlockStop,
            Event::BlockStart(BlockStart::ServerToolUse {
                id: t("srvtoolu_1"),
                name: t("web_search"),
            }),
            Event::Delta(Delta::Json(t("{\\\"query\\\":\\\"q\\\"}"))),
            Event::BlockStop,
            Event::BlockStart(BlockStart::ServerToolResult {
                kind: t("web_search_tool_result"),
                tool_use_id: t("srvtoolu_1"),
                content: Raw::from_json("[\n]"),
            }),
            Event::BlockStop,
            Event::BlockStart(BlockStart::ToolUse { id: t("c1"), name: t("Bash") }),
            Event::Delta(Delta::Json(t("{\\\"a\\\":"))),
            Event::Delta(Delta::Json(t("1}"))),
            Event::BlockStop,
            Event::BlockStart(BlockStart::ToolUse { id: t("c2"), name: t("Now") }),
            Event::BlockStop,
            Event::Finish { stop, sequence: None, usage: usage() },
        ];
        for event in events {
            sink.event(event).expect("legal");
        }
    }

    #[test]
    fn a_stream_and_its_fold_say_the_same() {
        let mut stream = StreamWriter::new(&CX);
        reply(&mut stream, StopReason::ToolUse);
        assert!(stream.is_done() && stream.is_committed());
        let bytes = String::from_utf8(stream.take()).expect("UTF-8");
        let mut folder = Folder::new(&CX);
        reply(&mut folder, StopReason::ToolUse);
        let whole: Value = serde_json::from_slice(&folder.take()).expect("JSON");

        let mut rebuilt = json!(null);
        let mut arguments = String::new();
        for frame in bytes.split_terminator("\n\n") {
            let (name, data) = frame.split_once('\n').expect("two lines");
            let data: Value =
                serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(name, format!("event: {}", data["type"].as_str().expect("a type")));
            match data["type"].as_str().expect("a type") {
                "message_start" => rebuilt = data["message"].clone(),
                "content_block_start" => {
                    let blocks = rebuilt["content"].as_array_mut().expect("blocks");
                    assert_eq!(data["index"], blocks.len());
                    blocks.push(data["content_block"].clone());
                    arguments.clear();
                }
                "content_block_delta" => {
                    let block = rebuilt["content"]
                        .as_array_mut()
                        .and_then(|b| b.last_mut())
                        .expect("a block");
                    let delta = &data["delta"];
                    for field in ["text", "thinking", "signature"] {
                        if let Some(piece) = delta[field].as_str() {
                            block[field] =
                                json!(block[field].as_str().expect("text").to_owned() + piece);
                        }
                    }
                    if delta["type"] == "citations_delta" {
                        block["citations"] = json!([delta["citation"]]);
                    }
                    if let Some(piece) = delta["partial_json"].as_str() {
                        arguments.push_str(piece);
                    }
                }
                "content_block_stop" if !arguments.is_empty() => {
                    let block = rebuilt["content"]
                        .as_array_mut()
                        .and_then(|b| b.last_mut())
                        .expect("a block");
                    block["input"] = serde_json::from_str(&arguments).expect("JSON");
                }
                "message_delta" => {
                    for (key, value) in data["delta"].as_object().expect("fields") {
                        rebuilt[key] = value.clone();
                    }
                    rebuilt["usage"] = data["usage"].clone();
                }
                _ => {}
            }
        }
        assert_eq!(rebuilt, whole);
        assert_eq!(whole["content"].as_array().map(Vec::len), Some(7));
        assert_eq!(whole["usage"]["cache_read_input_tokens"], 3);
    }

    #[test]
    fn r05_a_cut_call_is_left_out_of_a_unary_reply() {
        for (arguments, stop, calls) in [
            ("{\\\"a\\\"", StopReason::MaxTokens, 0),
            ("{\\\"a\\\":1}", StopReason::MaxTokens, 1),
            ("", StopReason::MaxTokens, 0),
            ("", StopReason::ToolUse, 1),
        ] {
            let mut folder = Folder::new(&CX);
            for event in [
                Event::Start { usage: usage() },
                Event::BlockStart(BlockStart::Text),
                Event::Delta(Delta::Text(t("x"))),
                Event::BlockStop,
                Event::BlockStart(BlockStart::ToolUse { id: t("c1"), name: t("Bash") }),
                Event::Delta(Delta::Json(t(arguments))),
                Event::BlockStop,
                Event::Finish { stop, sequence: Some(t("s")), usage: usage() },
            ] {
                folder.event(event).expect("legal");
            }
            let whole: Value = serde_json::from_slice(&folder.take()).expect("JSON");
            let content = whole["content"].as_array().expect("blocks");
            assert_eq!(content.len(), 1 + calls, "{arguments}");
            assert_eq!(whole["stop_reason"], stop.as_str());
        }
    }

    #[test]
    fn an_event_out_of_order_writes_nothing() {
        let mut stream = StreamWriter::new(&CX);
        assert!(stream.event(Event::BlockStop).is_err());
        assert!(stream.take().is_empty() && !stream.is_committed());
    }
}
