//! Reads the answer to one request.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_translate::{Assembler, BodyEnd, CallRef, Flow, ReplyReader, ThinkingShown};
use gateway_types::{
    ApiError, ErrorKind, EventSink, Fault, Losses, Raw, Remedy, ReplyUsage, StopReason, Text, What,
};

use super::carried::{Carried, Carrier};
use super::citations;
use super::wire::{Bad, Payload, Piece, Thought, whole_object};
use crate::family::Replay;
use crate::fault::Whose;
use crate::frames::{self, Damaged, Frame, Frames, Kind};

/// Longest body that is taken where a stream was asked for.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Longest piece of reasoning that is kept to be carried, in bytes.
const MAX_CARRIED_BYTES: usize = 2 << 20;

/// Reads an event stream, or a whole answer.
#[derive(Debug)]
pub(super) struct ConverseReader {
    frames: Frames,
    /// The body, where it is JSON though a stream was asked for.
    json: Option<Vec<u8>>,
    core: Core,
}

#[derive(Debug)]
struct Core {
    asm: Assembler,
    carrier: Carrier,
    whose: Whose,
    /// The block that pieces were for, where it is text or thinking.
    block: Option<(u64, Sort)>,
    /// Blocks of tools that the model itself runs.
    servers: HashSet<u64>,
    /// What is to be carried of the reasoning so far.
    thought: Carried,
    /// Any event at all has come.
    heard: bool,
    stopped: bool,
    metered: bool,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Thinking,
}

enum Failed {
    Damaged(Damaged),
    Fault(Fault),
}

impl From<Damaged> for Failed {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl ConverseReader {
    pub(super) fn new(asm: Assembler, carrier: Carrier, whose: Whose) -> Self {
        let core = Core {
            asm,
            carrier,
            whose,
            block: None,
            servers: HashSet::new(),
            thought: Carried::default(),
            heard: false,
            stopped: false,
            metered: false,
            over: false,
        };
        Self { frames: Frames::new(), json: None, core }
    }
}

impl ReplyReader for ConverseReader {
    fn push(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.core.over {
            return Ok(Flow::Done);
        }
        let first = self.json.is_none() && !self.core.heard && self.frames.at_boundary();
        if first && chunk.first().is_some_and(|first| !frames::may_begin(*first)) {
            self.json = Some(Vec::new());
        }
        if let Some(body) = &mut self.json {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(self.core.whose.nonsense("a body beyond all measure"));
            }
            body.extend_from_slice(chunk);
            return Ok(Flow::More);
        }
        let Self { frames, core, .. } = self;
        match frames.push::<Failed>(chunk, |frame| Ok(core.frame(frame, out)?)) {
            Ok(flow) => Ok(flow),
            Err(Failed::Fault(fault)) => Err(fault),
            Err(Failed::Damaged(damaged)) => Err(core.whose.nonsense(&damaged.to_string())),
        }
    }

    fn finish(&mut self, end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.core.over {
            return Ok(());
        }
        if let Some(body) = self.json.take() {
            if end == BodyEnd::Cut {
                return Err(self.core.whose.broken_off(true));
            }
            return self.core.response(&body, out);
        }
        // The count may be missing; what the model said is whole once it has stopped.
        if self.core.stopped && self.frames.at_boundary() {
            return self.core.end(out);
        }
        Err(self.core.whose.broken_off(self.core.heard || !self.frames.at_boundary()))
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        if body.first().is_some_and(|first| frames::may_begin(*first)) {
            // A stream, though none was asked for.
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
        let read = whole_object(text, |r, key| {
            if key == "inputTokens" {
                tokens = r.maybe_u64()?;
                return Ok(());
            }
            Ok(r.skip()?)
        });
        let tokens = tokens.filter(|_| read.is_ok());
        tokens.ok_or_else(|| self.core.whose.nonsense("an answer without a count of tokens"))
    }
}

impl Core {
    fn frame(&mut self, frame: Frame<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.heard = true;
        let kind = match frame.kind() {
            Kind::Event(kind) => kind,
            Kind::Exception(kind) => return Err(self.whose.exception(kind, frame.payload())),
            Kind::Error { code, message } => return Err(self.whose.error(code, message)),
            Kind::Unknown => return Ok(Flow::More),
        };
        let payload = std::str::from_utf8(frame.payload()).map_err(|_| self.bad(Bad))?;
        let known = ["contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop"];
        if kind != "metadata" && !known.contains(&kind) {
            return Ok(Flow::More);
        }
        let payload = Payload::read(payload).map_err(|bad| self.bad(bad))?;
        let index = payload.index.unwrap_or_else(|| self.block.map_or(0, |(index, _)| index));
        match kind {
            "contentBlockStart" | "contentBlockDelta" => {
                let Some(raw) = payload.start.or(payload.delta) else { return Ok(Flow::More) };
                let piece = Piece::read(raw).map_err(|bad| self.bad(bad))?;
                return self.piece(index, &piece, out);
            }
            "contentBlockStop" => {
                if self.block.is_some_and(|(open, _)| open == index) {
                    self.end_block(out)?;
                }
                self.asm.end_call(CallRef { index: Some(index) }, out)?;
            }
            "messageStop" => {
                self.stop(&payload)?;
                if self.metered {
                    self.end(out)?;
                }
            }
            _ => {
                if let Some(usage) = payload.usage {
                    self.asm.set_usage(usage);
                }
                self.metered = true;
                if self.stopped {
                    self.end(out)?;
                }
            }
        }
        Ok(if self.over { Flow::Done } else { Flow::More })
    }

    /// More of a block.
    fn piece(
        &mut self,
        index: u64,
        piece: &Piece<'_>,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        if self.servers.contains(&index) {
            return Ok(Flow::More);
        }
        if let Some(text) = piece.text
            && self.text(index, text, out)? == Flow::Done
        {
            return Ok(Flow::Done);
        }
        if let Some(thought) = &piece.thought {
            self.turn_to(index, Sort::Thinking, out)?;
            self.think(thought, out)?;
        }
        if let Some(call) = &piece.call {
            if call.server {
                self.asm.count_web_search();
                self.asm.lose(What::Hint, "server_tool_use", "the model ran it by itself");
                self.servers.insert(index);
                return Ok(Flow::More);
            }
            self.end_block(out)?;
            let which = CallRef { index: Some(index) };
            let input = call.input.as_deref().filter(|input| !input.is_empty());
            self.asm.call(which, call.id, call.name, input.map(Text::from_escaped), out)?;
        }
        if let Some(raw) = piece.citation {
            self.cite(raw, out)?;
        }
        if let Some((texts, citations)) = &piece.cited {
            for text in texts {
                if self.text(index, *text, out)? == Flow::Done {
                    return Ok(Flow::Done);
                }
            }
            for raw in citations {
                self.cite(*raw, out)?;
            }
        }
        if piece.server_result {
            self.servers.insert(index);
        }
        if piece.other {
            let why = "of a kind that has no place in the Messages API";
            self.asm.lose(What::Dropped, "content", why);
        }
        Ok(Flow::More)
    }

    fn text(&mut self, index: u64, text: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if text.is_empty() {
            return Ok(Flow::More);
        }
        self.turn_to(index, Sort::Text, out)?;
        let flow = self.asm.text(text, out)?;
        self.over |= flow == Flow::Done;
        Ok(flow)
    }

    /// Ends the block before where pieces are for another: some models say no end of theirs.
    fn turn_to(&mut self, index: u64, sort: Sort, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.block != Some((index, sort)) {
            self.end_block(out)?;
            self.block = Some((index, sort));
        }
        Ok(())
    }

    fn end_block(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        match self.block.take() {
            None => Ok(()),
            Some((_, Sort::Text)) => self.asm.end_text(out),
            Some((_, Sort::Thinking)) => self.end_thought(out),
        }
    }

    fn think(&mut self, thought: &Thought<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        let add = |kept: &mut Option<String>, piece: &str| {
            let kept = kept.get_or_insert_default();
            if kept.len() + piece.len() <= MAX_CARRIED_BYTES {
                kept.push_str(piece);
            }
        };
        if let Some(text) = thought.text {
            if self.carrier.replay == Replay::Sealed
                && self.asm.thinking_shown() == ThinkingShown::Omitted
            {
                add(&mut self.thought.text, &text.decode());
            }
            self.asm.thinking(text, out)?;
        }
        if let Some(signature) = thought.signature.filter(|text| !text.is_empty()) {
            add(&mut self.thought.signature, &signature.decode());
        }
        if let Some(data) = thought.redacted.filter(|text| !text.is_empty()) {
            let data = data.decode();
            let joined = self.thought.redacted.take().and_then(|before| joined(&before, &data));
            add(&mut self.thought.redacted, joined.as_deref().unwrap_or(&data));
        }
        Ok(())
    }

    /// The thinking is whole: what it brought for the next turn goes out with it.
    fn end_thought(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        let mut thought = std::mem::take(&mut self.thought);
        if self.asm.thinking_shown() == ThinkingShown::Hidden {
            return Ok(());
        }
        if let Some(redacted) = thought.redacted.take() {
            self.asm.end_thinking(None, out)?;
            let data = match self.carrier.replay {
                Replay::Native => Some(redacted),
                Replay::Never => None,
                Replay::Sealed => {
                    let carried = Carried { redacted: Some(redacted), ..Carried::default() };
                    self.carrier.seal(&carried)
                }
            };
            return match data {
                Some(data) => self.asm.redacted(&data, out),
                None => Ok(()),
            };
        }
        let signature = match self.carrier.replay {
            Replay::Native => thought.signature,
            Replay::Never => None,
            Replay::Sealed => self.carrier.seal(&thought),
        };
        if signature.is_some() {
            // Where no text is shown the signature alone is a block.
            self.asm.open_thinking(out)?;
        }
        self.asm.end_thinking(signature.as_deref(), out)
    }

    fn cite(&mut self, raw: Raw<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        let carrier = &self.carrier;
        let citation =
            citations::translated(raw, || carrier.mark()).map_err(|bad| self.bad(bad))?;
        if let Some(citation) = citation {
            return self.asm.citation(Raw::from_json(&citation), out);
        }
        let why = "of a kind that has no place in the Messages API";
        self.asm.lose(What::Dropped, "citation", why);
        Ok(())
    }

    /// Why the model stopped.
    fn stop(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        self.stopped = true;
        let reason = payload.stop_reason.map(Text::decode).unwrap_or_default();
        let reason = match &*reason {
            "malformed_model_output" | "malformed_tool_use" => {
                let what = if reason == "malformed_tool_use" { "a tool call" } else { "an answer" };
                let provider = &self.whose.provider;
                let text = format!("the model at {provider} made {what} that can't be read");
                let error = ApiError::new(ErrorKind::UpstreamFailed, text);
                return Err(Fault::new(error, Remedy::Again));
            }
            "tool_use" => StopReason::ToolUse,
            "max_tokens" => StopReason::MaxTokens,
            "guardrail_intervened" | "content_filtered" => StopReason::Refusal,
            "model_context_window_exceeded" => StopReason::ContextWindow,
            "stop_sequence" => {
                let sequence = payload.stop_sequence.map(Text::decode);
                self.asm.stop_sequence(sequence.as_deref());
                return Ok(());
            }
            _ => StopReason::EndTurn,
        };
        self.asm.finish_reason(reason);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        self.end_block(out)?;
        self.over = true;
        self.asm.end(out)
    }

    /// A whole answer, or an error with the status of a success.
    fn response(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let text = std::str::from_utf8(body).map_err(|_| self.bad(Bad))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(self.whose.broken_off(false));
        }
        let payload = Payload::read(text).map_err(|_| {
            self.whose.nonsense("an answer that is neither an event stream nor JSON")
        })?;
        let Some(content) = &payload.content else {
            return Err(self.whose.exception("", body));
        };
        for (index, raw) in content.iter().enumerate() {
            let piece = Piece::read(*raw).map_err(|bad| self.bad(bad))?;
            let index = index as u64;
            if self.piece(index, &piece, out)? == Flow::Done {
                break;
            }
            self.end_block(out)?;
            self.asm.end_call(CallRef { index: Some(index) }, out)?;
        }
        if let Some(usage) = payload.usage {
            self.asm.set_usage(usage);
        }
        if self.over {
            return Ok(());
        }
        self.stop(&payload)?;
        self.end(out)
    }

    fn bad(&self, _: Bad) -> Fault {
        self.whose.nonsense("an event that can't be read")
    }
}

/// Two pieces of base64 as one.
fn joined(one: &str, two: &str) -> Option<String> {
    let mut bytes = STANDARD.decode(one).ok()?;
    bytes.extend(STANDARD.decode(two).ok()?);
    Some(STANDARD.encode(bytes))
}
