//! From an answer, streamed or whole, to events.

use gateway_sse::{Frame, Framer};
use gateway_translate::{Assembler, BodyEnd, Expect, FaultCx, Flow, ReplyReader};
use gateway_types::{ApiError, ErrorKind, EventSink, Fault, Losses, Remedy, ReplyUsage};

use super::annotations::Annotations;
use super::ending::{self, Ending};
use super::reasoning::{Log, Sealer};
use super::speech::State;
use super::think::Tags;
use super::wire;
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
    /// The longest prompt, in tokens, as far as it is known.
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
            prompt_limit,
            prompt_estimate: expect.prompt_estimate,
            done: false,
            whole_calls: 0,
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
        // Some fill a pause with nothing, in JSON.
        if data.is_empty() || data == b"null" {
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
        // Most frames are `data` alone: they need not be looked through for a name.
        let named = !frame.bytes().starts_with(b"data");
        if named && frame.event() == Some(b"error") && !text.contains("\"error\"") {
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
        for choice in chunk.choice.iter().chain(&chunk.more) {
            if self.choice(choice, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::More)
    }

    fn choice(
        &mut self,
        choice: &wire::Choice<'_>,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        self.answered = true;
        let ending = choice.finish.map(ending::ending);
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
        if chunk.choice.is_none() && chunk.complains {
            return Err(self.failed(text));
        }
        if chunk.choice.is_none() {
            return Err(self.assembler.nonsense("an answer without a choice"));
        }
        self.answered = true;
        for choice in chunk.choice.iter().chain(&chunk.more) {
            self.finish_word(choice.finish.map(ending::ending))?;
            let said = choice.message.as_ref().unwrap_or(&choice.delta);
            if self.say(said, true, out)? == Flow::Done {
                self.done = true;
                return Ok(());
            }
        }
        self.end(out).map(|_| ())
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

/// The beginning of what was sent instead, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
