//! A reply as one message: the fold of its events.

use gateway_translate::{Json, ReplyCx, ReplyWriter, is_json};
use gateway_types::{
    ApiError, BlockStart, Delta, Event, EventSink, Grammar, Illegal, Raw, ReplyUsage, StopReason,
    Text,
};

use super::parts::{block_start, message_head, write_stop, write_usage};

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
