//! Reads the answer to one request.

use gateway_sse::{Frame, Framer};
use gateway_translate::{Assembler, BodyEnd, FaultCx, Flow, ReplyReader};
use gateway_types::{
    ApiError, ErrorKind, EventSink, Fault, Losses, Raw, Remedy, ReplyUsage, StopReason, Text,
};

use super::output::{NOT_JSON, Output};
use super::reasoning::Carrier;
use super::step::Step;
use super::wire::{Bad, Event, Response};
use crate::fault;

/// Longest event that is taken, in bytes: the last one repeats the whole answer.
const MAX_EVENT_BYTES: usize = 8 << 20;

/// Longest body that is taken where a stream was asked for.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Reads a stream of events, or a whole response.
#[derive(Debug)]
pub(super) struct ResponsesReader {
    framer: Framer,
    form: Form,
    core: Core,
}

/// What the body turned out to be.
#[derive(Debug)]
enum Form {
    /// Nothing but blanks so far.
    Unknown,
    Events,
    /// One JSON text, though events may have been asked for.
    Json(Vec<u8>),
}

#[derive(Debug)]
struct Core {
    asm: Assembler,
    output: Output,
    of: Of,
    /// Any event at all has come.
    heard: bool,
    /// Anything but blanks has come.
    bytes: bool,
    over: bool,
}

/// Whose answer it is, for messages.
#[derive(Debug, Clone)]
pub(super) struct Of {
    pub provider: String,
    pub model: String,
    pub prompt_estimate: u64,
    /// The model's longest prompt in tokens, if it is known.
    pub prompt_limit: Option<u64>,
}

impl Of {
    fn cx(&self) -> FaultCx<'_> {
        FaultCx {
            provider: &self.provider,
            model: &self.model,
            prompt_estimate: self.prompt_estimate,
        }
    }
}

impl ResponsesReader {
    pub(super) fn new(asm: Assembler, carrier: Carrier, of: Of) -> Self {
        let core =
            Core { asm, output: Output::new(carrier), of, heard: false, bytes: false, over: false };
        Self { framer: Framer::new(MAX_EVENT_BYTES), form: Form::Unknown, core }
    }

    fn events(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let Self { framer, core, .. } = self;
        let mut flow = Ok(Flow::More);
        framer.push(chunk, |frame| {
            if matches!(flow, Ok(Flow::More)) {
                flow = core.frame(frame, out);
            }
        });
        flow
    }
}

impl ReplyReader for ResponsesReader {
    fn push(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.core.over {
            return Ok(Flow::Done);
        }
        if matches!(self.form, Form::Unknown)
            && let Some(first) = chunk.iter().find(|byte| !is_blank(**byte))
        {
            self.core.bytes = true;
            self.form = if begins_json(*first) { Form::Json(Vec::new()) } else { Form::Events };
        }
        if let Form::Json(body) = &mut self.form {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(self.core.asm.nonsense("a body beyond all measure"));
            }
            body.extend_from_slice(chunk);
            return Ok(Flow::More);
        }
        self.events(chunk, out)
    }

    fn finish(&mut self, end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.core.over {
            return Ok(());
        }
        if let Form::Json(body) = &mut self.form {
            let body = std::mem::take(body);
            if end == BodyEnd::Cut {
                return Err(self.core.broken_off());
            }
            return self.core.response(&body, out);
        }
        // Some servers forget the blank line behind the last event.
        let Self { framer, core, .. } = self;
        let mut flow = Ok(Flow::More);
        framer.finish(|frame| flow = core.frame(frame, out));
        match flow {
            Ok(Flow::Done) => Ok(()),
            // Half an event is no nonsense where the body was cut.
            Err(fault) if end == BodyEnd::Clean || core.over => Err(fault),
            _ => Err(core.broken_off()),
        }
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let first = body.iter().find(|byte| !is_blank(**byte));
        if first.is_some_and(|first| !begins_json(*first)) {
            // Events, though none were asked for.
            self.push(body, out)?;
            return self.finish(BodyEnd::Clean, out);
        }
        self.core.response(body, out)
    }

    fn usage(&self) -> ReplyUsage {
        self.core.asm.usage()
    }

    fn losses(&self) -> &Losses {
        self.core.asm.losses()
    }

    fn count(&self, body: &[u8]) -> Result<u64, Fault> {
        let mut tokens = None;
        let text = std::str::from_utf8(body).unwrap_or_default();
        let read = super::wire::whole_object(text, |r, key| {
            if key == "input_tokens" {
                tokens = r.maybe_u64()?;
            } else {
                r.skip()?;
            }
            Ok(())
        });
        let tokens = tokens.filter(|_| read.is_ok());
        tokens.ok_or_else(|| self.core.asm.nonsense("an answer without a count of tokens"))
    }
}

impl Core {
    fn frame(&mut self, frame: Frame<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.over {
            return Ok(Flow::Done);
        }
        let data = frame.data();
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(Flow::More);
        }
        if frame.is_truncated() {
            return Err(self.asm.nonsense("an event beyond all measure"));
        }
        self.heard = true;
        // A server of the other dialect's ways; the end is an event of its own here.
        if data == b"[DONE]" {
            return Ok(Flow::More);
        }
        let text = std::str::from_utf8(data).map_err(|_| self.asm.nonsense(NOT_JSON))?;
        let event = Event::read(text).map_err(|Bad| self.asm.nonsense(NOT_JSON))?;
        let kind = match event.kind {
            Some(kind) => kind.decode(),
            None => String::from_utf8_lossy(frame.event().unwrap_or_default()),
        };
        if let Some(step) = Step::of(&kind) {
            let flow = self.output.take(step, &event, text, &mut self.asm, out)?;
            self.over = flow == Flow::Done;
            return Ok(flow);
        }
        match &*kind {
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                let Some(raw) = event.response else {
                    return Err(self.asm.nonsense("an end without a response"));
                };
                self.end(raw.as_str(), out)?;
                Ok(Flow::Done)
            }
            "error" => Err(self.error(event.error.map_or(text, Raw::as_str))),
            // An error object without a type, as of a proxy.
            _ if event.error.is_some() && event.kind.is_none() => {
                Err(self.error(event.error.map_or(text, Raw::as_str)))
            }
            _ => Ok(Flow::More),
        }
    }

    /// A body that is one response, or an error with the status of a success.
    fn response(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let text = std::str::from_utf8(body).map_err(|_| self.asm.nonsense(NOT_JSON))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(self.asm.nonsense("an empty answer"));
        }
        // Some services put an error into a list.
        let listed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let text = listed.map_or(text, str::trim);
        let response = Response::read(text).map_err(|Bad| self.asm.nonsense("no JSON"))?;
        if listed.is_some() && response.error.is_none() {
            return Err(self.asm.nonsense("a list in place of a response"));
        }
        if !response.has_output && response.status.is_none() {
            return Err(match response.error {
                Some(error) => self.error(error.as_str()),
                None => self.error(text),
            });
        }
        self.end(text, out)
    }

    /// The response as it is in the end.
    fn end(&mut self, text: &str, out: &mut dyn EventSink) -> Result<(), Fault> {
        let response = Response::read(text).map_err(|Bad| self.asm.nonsense(NOT_JSON))?;
        if let Some(usage) = response.usage {
            self.asm.set_usage(usage);
        }
        let status = response.status.map(Text::decode).unwrap_or_default();
        if let Some(error) = response.error {
            return Err(self.error(error.as_str()));
        }
        match &*status {
            "failed" => return Err(self.error(r#"{"message":"the response failed"}"#)),
            "cancelled" => {
                return Err(self.error(r#"{"message":"the response was cancelled"}"#));
            }
            "queued" | "in_progress" => {
                return Err(self.asm.nonsense("a response that is not finished"));
            }
            "incomplete" => {
                let reason = response.incomplete.map(Text::decode).unwrap_or_default();
                self.asm.finish_reason(incomplete(&reason));
            }
            _ => self.asm.finish_reason(StopReason::EndTurn),
        }
        if self.output.complete(&response.output, &mut self.asm, out)? == Flow::Done {
            self.over = true;
            return Ok(());
        }
        if self.output.end(&mut self.asm, out)? == Flow::More {
            self.asm.end(out)?;
        }
        self.over = true;
        Ok(())
    }

    fn error(&self, error: &str) -> Fault {
        fault::from_error_object(&self.of.cx(), self.of.prompt_limit, error)
    }

    fn broken_off(&self) -> Fault {
        let provider = &self.of.provider;
        let text = match (self.heard, self.bytes) {
            (true, _) => format!("the answer of {provider} broke off before its end"),
            (false, true) => format!("{provider} sent an answer that is neither events nor JSON"),
            (false, false) => format!("{provider} sent an empty answer"),
        };
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::Same)
    }
}

/// Why a response is incomplete.
fn incomplete(reason: &str) -> StopReason {
    match reason {
        "content_filter" => StopReason::Refusal,
        "max_messages" | "max_tool_calls" | "steered" => StopReason::PauseTurn,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        _ => StopReason::MaxTokens,
    }
}

/// Whether a body is one JSON text, which may be a list with an error in it.
fn begins_json(first: u8) -> bool {
    matches!(first, b'{' | b'[')
}

/// Blanks, and the bytes of a byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf)
}
