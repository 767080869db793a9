//! From an answer, streamed or whole, to events.

use gateway_sse::{Frame, Framer};
use gateway_translate::{
    Assembler, BodyEnd, CallRef, Expect, FaultCx, Flow, Json, ReplyReader, ThinkingShown,
};
use gateway_types::{
    ApiError, ErrorKind, EventSink, Fault, Losses, Raw, Remedy, ReplyUsage, Text, What, escape,
};

use super::annotations::Annotations;
use super::reasoning::{Field, Log, Sealer};
use super::think::Tags;
use super::wire::{self, Ending, Said, sound};
use crate::fault;

/// Longest event that is taken: calls and images come whole in one.
const MAX_EVENT_BYTES: usize = 8 << 20;
/// Longest body that is no stream.
const MAX_BODY_BYTES: usize = 32 << 20;

/// How an answer is read.
#[derive(Debug)]
pub(super) struct Setup {
    pub expect: Expect,
    /// The name the upstream got.
    pub model: String,
    /// The longest prompt it takes, in tokens.
    pub prompt_limit: Option<u64>,
    pub sealer: Sealer,
    /// The upstream wants its thinking back.
    pub replays: bool,
    /// Thinking may stand in the text, in tags.
    pub tags: bool,
    /// A search of the web was asked for.
    pub searches: bool,
}

/// Reads the answer to one request.
#[derive(Debug)]
pub(super) struct ChatReader {
    framer: Framer,
    mode: Mode,
    /// A body that is no stream.
    body: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing but blanks has come.
    Unknown,
    Stream,
    /// JSON in the place of a stream: an answer or an error.
    Body,
}

#[derive(Debug)]
struct State {
    assembler: Assembler,
    sealer: Sealer,
    replays: bool,
    tags: Tags,
    log: Log,
    /// The text block is open: what comes is more of it.
    in_text: bool,
    /// Blanks that stand before a text, if one comes: no block is made of them alone.
    blanks: String,
    holds_blanks: bool,
    /// A choice has come, with or without content.
    answered: bool,
    /// Something was said.
    said: bool,
    /// The last chunk said nothing but an empty reason to finish.
    blank_finish: bool,
    annotations: Annotations,
    priority: bool,
    provider: String,
    model: String,
    prompt_estimate: u64,
    prompt_limit: Option<u64>,
    done: bool,
}

impl ChatReader {
    pub(super) fn new(setup: Setup) -> Self {
        let Setup { expect, model, prompt_limit, sealer, replays, tags, searches } = setup;
        let mut state = State {
            sealer,
            replays,
            tags: Tags::default(),
            log: Log::default(),
            in_text: false,
            blanks: String::new(),
            holds_blanks: expect.stop_sequences.is_empty(),
            answered: false,
            said: false,
            blank_finish: false,
            annotations: Annotations::new(searches),
            priority: false,
            provider: expect.provider.clone(),
            model,
            prompt_estimate: expect.prompt_estimate,
            prompt_limit,
            done: false,
            assembler: Assembler::new(expect),
        };
        if !tags {
            state.tags.give_up();
        }
        Self { framer: Framer::new(MAX_EVENT_BYTES), mode: Mode::Unknown, body: Vec::new(), state }
    }
}

impl ReplyReader for ChatReader {
    fn push(&mut self, mut chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.state.done {
            return Ok(Flow::Done);
        }
        if self.mode == Mode::Unknown {
            // Byte order mark and blanks before the first byte that tells.
            let skip = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
            let at = chunk.iter().position(|b| !skip(b)).unwrap_or(chunk.len());
            chunk = &chunk[at..];
            self.mode = match chunk.first() {
                None => return Ok(Flow::More),
                Some(b'{' | b'[') => Mode::Body,
                Some(_) => Mode::Stream,
            };
        }
        if self.mode == Mode::Body {
            if self.body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(self.state.assembler.nonsense("an answer beyond all measure"));
            }
            self.body.extend_from_slice(chunk);
            return Ok(Flow::More);
        }
        let (state, mut result) = (&mut self.state, Ok(Flow::More));
        self.framer.push(chunk, |frame| {
            if matches!(result, Ok(Flow::More)) {
                result = state.frame(frame, out);
            }
        });
        result
    }

    fn finish(&mut self, end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault> {
        let state = &mut self.state;
        if state.done {
            return Ok(());
        }
        match self.mode {
            Mode::Unknown => return Err(state.cut("nothing at all")),
            Mode::Body if end == BodyEnd::Cut => return Err(state.cut("half an answer")),
            Mode::Body => {
                let body = std::mem::take(&mut self.body);
                return state.whole(&body, out);
            }
            Mode::Stream => {}
        }
        // A last event without its blank line counts when it is whole.
        let mut result = Ok(Flow::More);
        self.framer.finish(|frame| {
            let data = frame.data();
            let data = data.trim_ascii();
            let whole = data == b"[DONE]"
                || (data.starts_with(b"{")
                    && std::str::from_utf8(data).is_ok_and(|text| wire::chunk(text).is_ok()));
            if whole && !frame.is_truncated() {
                result = state.frame(frame, out);
            }
        });
        result?;
        if state.done {
            return Ok(());
        }
        if state.assembler.has_finish_reason() || (state.blank_finish && end == BodyEnd::Clean) {
            return state.end(out).map(|_| ());
        }
        let how = if state.answered { "half an answer" } else { "no answer" };
        Err(state.cut(how))
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let start = body.trim_ascii_start();
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
        if [&b"data:"[..], b"event:", b": ", b"id:"].iter().any(|field| start.starts_with(field)) {
            // A stream that nobody asked for.
            self.push(start, out)?;
            return self.finish(BodyEnd::Clean, out);
        }
        self.state.whole(start, out)
    }

    fn usage(&self) -> ReplyUsage {
        self.state.assembler.usage()
    }

    fn losses(&self) -> &Losses {
        self.state.assembler.losses()
    }

    fn count(&self, _: &[u8]) -> Result<u64, Fault> {
        Err(self.state.assembler.nonsense("an answer to a question that was never put"))
    }
}

impl State {
    fn frame(&mut self, frame: Frame<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if frame.is_truncated() {
            return Err(self.assembler.nonsense("an event beyond all measure"));
        }
        let data = frame.data();
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(Flow::More);
        }
        if data == b"[DONE]" {
            if !self.answered {
                return Err(self.cut("no answer"));
            }
            return self.end(out);
        }
        let text = String::from_utf8_lossy(data);
        let text = &*text;
        if frame.event() == Some(b"error") && !text.contains("\"error\"") {
            return Err(self.failed(text));
        }
        let Ok(chunk) = wire::chunk(text) else {
            let text = format!("an event that is not JSON: {}", shown(text));
            return Err(self.assembler.nonsense(&text));
        };
        self.chunk(&chunk, out)
    }

    fn chunk(&mut self, chunk: &wire::Chunk<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if let Some(error) = chunk.error {
            return Err(self.failed(error.as_str()));
        }
        self.priority |= chunk.priority;
        if let Some(usage) = chunk.usage {
            self.usage(usage);
        }
        let Some(choice) = &chunk.choice else { return Ok(Flow::More) };
        self.answered = true;
        let ending = choice.finish.map(wire::ending);
        let mut flow = self.say(&choice.delta, false, out)?;
        if let Some(message) = &choice.message
            && !self.said
        {
            flow = self.say(message, true, out)?;
        }
        if flow == Flow::Done {
            self.done = true;
            return Ok(Flow::Done);
        }
        let quiet = choice.delta.is_empty();
        self.blank_finish = ending == Some(Ending::Blank) && quiet && self.said;
        self.finish_word(ending)?;
        Ok(Flow::More)
    }

    fn finish_word(&mut self, ending: Option<Ending>) -> Result<(), Fault> {
        match ending {
            Some(Ending::Stop(reason)) => self.assembler.finish_reason(reason),
            Some(Ending::Failed) => {
                let text = format!("{} failed in the middle of its answer", self.provider);
                let error = ApiError::new(ErrorKind::UpstreamOverloaded, text);
                return Err(Fault::new(error, Remedy::Same));
            }
            Some(Ending::Blank) | None => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        // Some put an answer or an error into an array of one.
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let Ok(chunk) = wire::chunk(inner.unwrap_or(text)) else {
            let text = format!("an answer that is not JSON: {}", shown(text));
            return Err(self.assembler.nonsense(&text));
        };
        if let Some(error) = chunk.error {
            return Err(self.failed(error.as_str()));
        }
        self.priority = chunk.priority;
        if let Some(usage) = chunk.usage {
            self.usage(usage);
        }
        let Some(choice) = &chunk.choice else {
            return Err(self.assembler.nonsense("an answer without a choice"));
        };
        self.answered = true;
        self.finish_word(choice.finish.map(wire::ending))?;
        if self.say(choice.message.as_ref().unwrap_or(&choice.delta), true, out)? == Flow::Done {
            self.done = true;
            return Ok(());
        }
        self.end(out).map(|_| ())
    }

    /// Hands on a delta, or a whole message: thinking, text, calls, in this order.
    fn say(
        &mut self,
        said: &Said<'_>,
        whole: bool,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        self.thoughts(said, out)?;
        let mut flow = Flow::More;
        if let Some(content) = said.content {
            flow = self.content(content, out)?;
        }
        if let Some(refusal) = said.refusal
            && flow == Flow::More
        {
            for (_, piece) in self.pieces(refusal)? {
                if !piece.is_empty() {
                    self.said = true;
                    self.end_thinking(out)?;
                    flow = self.assembler.refusal(Text::from_escaped(&sound(piece)), out)?;
                }
            }
        }
        if let Some(annotations) = said.annotations {
            for citation in self.annotations.take(annotations) {
                self.assembler.citation(Raw::from_json(&citation), out)?;
            }
        }
        for (calls, legacy) in [(said.tool_calls, false), (said.function_call, true)] {
            if let Some(calls) = calls
                && flow == Flow::More
            {
                self.calls(calls, whole && !legacy, out)?;
            }
        }
        Ok(flow)
    }

    fn thoughts(&mut self, said: &Said<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        let mut plain = None;
        for (raw, field) in
            [(said.reasoning_content, Field::ReasoningContent), (said.reasoning, Field::Reasoning)]
        {
            // Where both are there one is the other's alias.
            plain = plain.or(raw.filter(|raw| raw.as_str() != "\"\"").map(|raw| (raw, field)));
        }
        if let Some(details) = said.reasoning_details {
            let mut texts = Vec::new();
            let read = self.log.details(details, &mut |text| texts.push(text));
            if read.is_err() {
                return Err(self.assembler.nonsense("thinking that can't be read"));
            }
            if plain.is_none() {
                for text in texts {
                    self.thought(&text, Field::Details, out)?;
                }
            }
        }
        if let Some((raw, field)) = plain {
            for (_, piece) in self.pieces(raw)? {
                self.thought(&sound(piece), field, out)?;
            }
        }
        Ok(())
    }

    /// More thinking, escaped.
    fn thought(&mut self, text: &str, field: Field, out: &mut dyn EventSink) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.tags.give_up();
        self.said = true;
        self.in_text = false;
        self.blanks.clear();
        self.log.note(field);
        if self.replays && self.assembler.thinking_shown() == ThinkingShown::Omitted {
            self.log.keep_text(text);
        }
        self.assembler.thinking(Text::from_escaped(text), out)
    }

    /// The thinking is over, if there was any.
    fn end_thinking(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.log.is_empty() {
            return Ok(());
        }
        let log = std::mem::take(&mut self.log);
        if self.assembler.thinking_shown() == ThinkingShown::Hidden {
            return Ok(());
        }
        if log.is_too_long() && self.replays {
            self.assembler.lose(What::Hint, "thinking", "too long to be carried back");
        }
        let signature = log.seal(&self.sealer);
        if self.assembler.in_thinking() {
            return self.assembler.end_thinking(signature.as_deref(), out);
        }
        match signature {
            // Nothing of it can be shown, but it has to come back.
            Some(data) if log.has_details() && self.replays => {
                self.in_text = false;
                self.assembler.redacted(&data, out)
            }
            _ => Ok(()),
        }
    }

    fn content(&mut self, content: Raw<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if let Some(text) = content.as_text() {
            return self.text(text, out);
        }
        for (thinking, piece) in self.pieces(content)? {
            if thinking {
                self.thought(&sound(piece), Field::Tags, out)?;
            } else if self.text(piece, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::More)
    }

    fn pieces<'b>(&self, raw: Raw<'b>) -> Result<Vec<(bool, Text<'b>)>, Fault> {
        let mut pieces = Vec::new();
        wire::pieces(raw, &mut |thinking, piece| pieces.push((thinking, piece)))
            .map_err(|_| self.assembler.nonsense("a text that can't be read"))?;
        Ok(pieces)
    }

    fn text(&mut self, text: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if text.is_empty() {
            return Ok(Flow::More);
        }
        if self.tags.is_through() {
            return self.plain(&sound(text), out);
        }
        let split = self.tags.push(&text.decode());
        self.split(&split.thinking, &split.text, out)
    }

    fn split(
        &mut self,
        thinking: &str,
        text: &str,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        let mut piece = String::new();
        if !thinking.is_empty() {
            escape(thinking, &mut piece);
            self.thought(&piece, Field::Tags, out)?;
            piece.clear();
        }
        if text.is_empty() {
            return Ok(Flow::More);
        }
        escape(text, &mut piece);
        self.plain(&piece, out)
    }

    /// Text of the answer, escaped.
    fn plain(&mut self, text: &str, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.said = true;
        if !self.in_text {
            if self.holds_blanks && is_blank(text) && self.blanks.len() < MAX_BLANKS {
                self.blanks.push_str(text);
                return Ok(Flow::More);
            }
            self.end_thinking(out)?;
            self.in_text = true;
            let blanks = std::mem::take(&mut self.blanks);
            self.assembler.text(Text::from_escaped(&blanks), out)?;
        }
        self.assembler.text(Text::from_escaped(text), out)
    }

    fn calls(&mut self, raw: Raw<'_>, whole: bool, out: &mut dyn EventSink) -> Result<(), Fault> {
        let calls = wire::calls(raw);
        let calls = calls.map_err(|_| self.assembler.nonsense("a tool call that can't be read"))?;
        for (at, call) in calls.into_iter().enumerate() {
            self.said = true;
            self.flush_tags(out)?;
            self.end_thinking(out)?;
            self.in_text = false;
            self.blanks.clear();
            // In a whole message each entry is a call of its own, whatever it says of itself.
            let index = if whole { Some(at as u64) } else { call.index };
            let arguments = call.arguments.as_deref().map(Text::from_escaped);
            self.assembler.call(CallRef { index }, call.id, call.name, arguments, out)?;
        }
        Ok(())
    }

    fn flush_tags(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if !self.tags.is_through() {
            let split = self.tags.flush();
            self.split(&split.thinking, &split.text, out)?;
        }
        Ok(())
    }

    fn usage(&mut self, raw: Raw<'_>) {
        if let Some(mut usage) = wire::usage(raw) {
            usage.priority = self.priority;
            self.assembler.set_usage(usage);
        }
    }

    fn end(&mut self, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.flush_tags(out)?;
        self.end_thinking(out)?;
        self.annotations.results(&mut self.assembler, out)?;
        self.assembler.end(out)?;
        self.done = true;
        Ok(Flow::Done)
    }

    /// An error in the place of an answer, or in its middle.
    fn failed(&self, error: &str) -> Fault {
        let cx = FaultCx {
            provider: &self.provider,
            model: &self.model,
            prompt_estimate: self.prompt_estimate,
        };
        fault::from_error_object(&cx, self.prompt_limit, error)
    }

    /// The answer broke off.
    fn cut(&self, what: &str) -> Fault {
        let text = format!("{} sent {what} and closed the connection", self.provider);
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::Same)
    }
}

/// More blanks than these are text.
const MAX_BLANKS: usize = 1024;

/// Whether there is nothing but blanks in `text`, which is escaped.
fn is_blank(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => {}
            b'\\' if matches!(bytes.next(), Some(b'n' | b't' | b'r')) => {}
            _ => return false,
        }
    }
    true
}

/// The beginning of what was sent instead, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// One member of a JSON object that is written by hand.
pub(super) fn object(members: &[(&str, Text<'_>)]) -> String {
    let mut json = Json::new();
    json.object(|json| {
        for (key, value) in members {
            json.key(key).text(*value);
        }
    });
    json.into_string()
}
