//! From an answer, streamed or whole, to events.

use std::borrow::Cow;

use gateway_translate::{
    Assembler, Binding, BodyEnd, CallRef, FaultCx, Flow, Keyring, ReplyReader, ThinkingShown,
};
use gateway_types::{
    ApiError, ErrorKind, EventSink, Fault, Losses, Remedy, ReplyUsage, StopReason, Text, Usage,
    UsageQuality, What, escaped,
};

use crate::line::{self, Line, Lines, TooLong};
use crate::window::DEFAULT_NUM_CTX;
use crate::{DIALECT, fault, think};

/// How an answer is read.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The name the upstream got.
    pub model: String,
    pub provider: String,
    pub family: String,
    pub account: String,
    pub keys: Keyring,
    /// Tokens of prompt and answer together.
    pub window: Option<u64>,
    /// The most tokens of the answer.
    pub predict: Option<u64>,
    pub prompt_estimate: u64,
    /// Blanks before a call are no text. Where stop sequences are looked for they may be part of one.
    pub holds_blanks: bool,
}

/// Reads the answer to one request.
#[derive(Debug)]
pub(crate) struct OllamaReader {
    lines: Lines,
    state: State,
}

#[derive(Debug)]
struct State {
    assembler: Assembler,
    setup: Setup,
    /// Thinking that the caller is not shown, escaped.
    hidden: String,
    /// Blanks that stand before a text, if one comes: no block is made of them alone.
    blanks: String,
    in_text: bool,
    /// Calls so far.
    calls: u64,
    said: bool,
    answered: bool,
    done: bool,
}

impl OllamaReader {
    pub(crate) fn new(assembler: Assembler, setup: Setup) -> Self {
        let state = State {
            assembler,
            setup,
            hidden: String::new(),
            blanks: String::new(),
            in_text: false,
            calls: 0,
            said: false,
            answered: false,
            done: false,
        };
        Self { lines: Lines::default(), state }
    }
}

/// Why a stream is not read on.
enum Stop {
    TooLong,
    Fault(Fault),
}

impl From<TooLong> for Stop {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

impl ReplyReader for OllamaReader {
    fn push(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let state = &mut self.state;
        if state.done {
            return Ok(Flow::Done);
        }
        let more = self.lines.push(chunk, |line| {
            state.line(line, out).map(|flow| flow == Flow::More).map_err(Stop::Fault)
        });
        match more {
            Ok(true) => Ok(Flow::More),
            Ok(false) => Ok(Flow::Done),
            Err(Stop::Fault(fault)) => Err(fault),
            Err(Stop::TooLong) => Err(state.assembler.nonsense("a line beyond all measure")),
        }
    }

    fn finish(&mut self, end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault> {
        let state = &mut self.state;
        if state.done {
            return Ok(());
        }
        let rest = self.lines.finish();
        // A last line without its end counts when it is whole.
        let whole = std::str::from_utf8(&rest).is_ok_and(|text| Line::read(trimmed(text)).is_ok());
        if whole || end == BodyEnd::Clean {
            state.line(&rest, out)?;
        }
        if state.done {
            return Ok(());
        }
        Err(state.cut(if state.answered { "half an answer" } else { "no answer" }))
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        // One object over many lines, as a proxy may write it; else as a stream.
        if let Ok(text) = std::str::from_utf8(body)
            && Line::read(trimmed(text)).is_ok()
        {
            self.state.line(body, out)?;
        } else {
            self.push(body, out)?;
        }
        self.finish(BodyEnd::Clean, out)
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

/// Without what may stand around a line: blanks, a byte order mark, and the frame of an event stream
/// that some put it into.
fn trimmed(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    text.strip_prefix("data:").map_or(text, str::trim_start)
}

impl State {
    fn line(&mut self, line: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let text = String::from_utf8_lossy(line);
        let text = trimmed(&text);
        if text.is_empty() {
            return Ok(Flow::More);
        }
        let Ok(line) = Line::read(text) else {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
            let text = format!("a line that is not JSON: {shown}");
            return Err(self.assembler.nonsense(&text));
        };
        if line.error.is_some() {
            return Err(self.failed(text));
        }
        self.answered |= line.answers;
        if let Some(thought) = line.thinking {
            self.thought(thought, out)?;
        }
        if let Some(content) = line.content
            && self.text(content, out)? == Flow::Done
        {
            self.done = true;
            return Ok(Flow::Done);
        }
        if let Some(raw) = line.tool_calls {
            let calls = line::calls(raw);
            let calls =
                calls.map_err(|_| self.assembler.nonsense("a tool call that can't be read"))?;
            for call in calls {
                self.call(&call, out)?;
            }
        }
        if line.done { self.end(&line, out) } else { Ok(Flow::More) }
    }

    fn thought(&mut self, text: Text<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.said = true;
        self.in_text = false;
        self.blanks.clear();
        let text = &*sound(text);
        if self.assembler.thinking_shown() == ThinkingShown::Omitted {
            if self.hidden.len() + text.len() > MAX_CARRIED_BYTES {
                self.assembler.lose(What::Hint, "thinking", "too long to be carried back");
            } else {
                self.hidden.push_str(text);
            }
        }
        self.assembler.thinking(Text::from_escaped(text), out)
    }

    fn end_thinking(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if !self.assembler.in_thinking() {
            return Ok(());
        }
        let setup = &self.setup;
        let binding = Binding {
            dialect: DIALECT,
            provider: &setup.provider,
            family: &setup.family,
            account: &setup.account,
        };
        let payload = think::payload(&std::mem::take(&mut self.hidden));
        let signature = setup.keys.seal(&binding, b"", payload.as_bytes());
        self.assembler.end_thinking(signature.as_deref(), out)
    }

    fn text(&mut self, text: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if text.is_empty() {
            return Ok(Flow::More);
        }
        let text = sound(text);
        if !self.in_text {
            let blank = text.replace("\\n", "").trim().is_empty();
            if self.setup.holds_blanks && blank && self.blanks.len() < MAX_BLANKS {
                self.blanks.push_str(&text);
                return Ok(Flow::More);
            }
            self.end_thinking(out)?;
            self.in_text = true;
            let blanks = std::mem::take(&mut self.blanks);
            self.assembler.text(Text::from_escaped(&blanks), out)?;
        }
        self.said = true;
        self.assembler.text(Text::from_escaped(&text), out)
    }

    fn call(&mut self, call: &line::Call<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        self.said = true;
        self.end_thinking(out)?;
        self.in_text = false;
        self.blanks.clear();
        let which = CallRef { index: Some(self.calls) };
        self.calls += 1;
        // It goes on as the text of a JSON value; some send such a text in the first place.
        let arguments = call.arguments.map(|raw| match raw.as_text() {
            Some(text) => sound(text),
            None => escaped(raw.as_str()),
        });
        let arguments = arguments.as_deref().map(Text::from_escaped);
        self.assembler.call(which, call.id, call.name, arguments, out)?;
        // Each comes whole; the next must not wait for the answer's end.
        self.assembler.end_call(which, out)
    }

    fn end(&mut self, line: &Line<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let reason = line.done_reason.map(Text::decode).unwrap_or_default();
        if !self.said && matches!(&*reason, "load" | "unload") {
            let text = format!("{} {reason}ed the model and said nothing", self.setup.provider);
            return Err(Fault::new(ApiError::new(ErrorKind::UpstreamFailed, text), Remedy::Same));
        }
        let (prompt, tokens) = (line.prompt_tokens.unwrap_or(0), line.tokens.unwrap_or(0));
        if prompt + tokens > 0 {
            let whole = prompt > 0 && tokens > 0;
            self.assembler.set_usage(ReplyUsage {
                counts: Usage { input: prompt, output: tokens, ..Usage::default() },
                quality: if whole { UsageQuality::Reported } else { UsageQuality::Partial },
                ..ReplyUsage::default()
            });
        }
        let window = self.setup.window.unwrap_or(u64::MAX);
        if prompt >= window {
            // What servers do that don't know `truncate`, where the estimate was too low.
            let why = "Ollama cut the prompt to the model's window";
            self.assembler.lose(What::Dropped, "messages", why);
        }
        self.assembler.finish_reason(match &*reason {
            "length" => {
                let limit = self.setup.predict.is_none_or(|most| tokens >= most);
                let full = prompt.saturating_add(tokens) >= window;
                if full && !limit { StopReason::ContextWindow } else { StopReason::MaxTokens }
            }
            // Also with calls, and whatever else is a good end.
            _ => StopReason::EndTurn,
        });
        self.end_thinking(out)?;
        self.assembler.end(out)?;
        self.done = true;
        Ok(Flow::Done)
    }

    /// An error in the place of an answer, or in its middle.
    fn failed(&self, line: &str) -> Fault {
        let setup = &self.setup;
        let cx = FaultCx {
            provider: &setup.provider,
            model: &setup.model,
            prompt_estimate: setup.prompt_estimate,
        };
        let window = setup.window.unwrap_or(DEFAULT_NUM_CTX);
        fault::read(&cx, window, None, &http::HeaderMap::new(), line.as_bytes())
    }

    /// The answer broke off.
    fn cut(&self, what: &str) -> Fault {
        let text = format!("{} sent {what} and closed the connection", self.setup.provider);
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::Same)
    }
}

/// `text` as a strict parser takes it, escaped: what an upstream wrote between quotes goes on, and not
/// all of them write what JSON knows.
fn sound(text: Text<'_>) -> Cow<'_, str> {
    let inner = text.escaped();
    // Nearly all pieces are plain words.
    if inner.bytes().all(|byte| byte >= 0x20 && !matches!(byte, b'\\' | b'"')) {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(escaped(&text.decode()).into_owned())
}

/// More is not carried: no caller would send it back.
const MAX_CARRIED_BYTES: usize = 1 << 20;

/// More blanks than these are text.
const MAX_BLANKS: usize = 1024;
