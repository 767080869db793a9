//! A reply as a stream of events.

use gateway_translate::{Json, ReplyCx, ReplyWriter};
use gateway_types::{ApiError, Delta, Event, EventSink, Grammar, Illegal};

use super::parts::{block_start, message_head, write_stop, write_usage};

/// Writes events as server-sent ones.
#[derive(Debug)]
pub struct StreamWriter {
    out: Vec<u8>,
    grammar: Grammar,
    id: String,
    model: String,
    /// How much was taken at once the last time: the next piece will be about as long.
    room: usize,
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
            room: 1024,
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
        if out.capacity() == 0 {
            // Growing from nothing would cost more than the event.
            out.reserve(self.room);
        }
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
        self.room = self.out.len().next_multiple_of(256).clamp(256, 16 << 10);
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
