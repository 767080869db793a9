//! Reads the answer to one request.

use gateway_sse::{Frame as SseFrame, Framer};
use gateway_translate::{Assembler, BodyEnd, Flow, Kind, Reader, ReplyReader};
use gateway_types::{
    ApiError, ErrorKind, EventSink, Fault, Feature, Losses, Raw, Remedy, ReplyUsage, StopReason,
    Text, escaped,
};

use crate::carrier::Carrier;
use crate::ending::Ending;
use crate::fault::{self, Whose};
use crate::grounding::{self, Domains, Held};
use crate::parts::Parts;
use crate::wire::{Bad, Counts, Frame, PartKind, number, whole_object};

/// Longest event that is taken, in bytes: signatures and generated files come whole.
const MAX_EVENT_BYTES: usize = 32 << 20;

/// Longest body that is taken where a stream was asked for.
const MAX_BODY_BYTES: usize = 64 << 20;

/// An answer that stops in the middle is taken up again so often without anything new.
const MAX_IDLE: u32 = 3;

/// An answer comes in so many pieces at most: each is a request of its own that is paid for, and nothing
/// else ends a model that goes on without counting its tokens.
const MAX_PIECES: u32 = 64;

/// Whose answer it is, and what was asked.
#[derive(Debug)]
pub(crate) struct Of {
    pub asked: Whose,
    pub only_one: bool,
    pub search: Option<Domains>,
    pub continues: Option<Continues>,
}

/// What is needed to ask for the rest of an answer.
#[derive(Debug)]
pub(crate) struct Continues {
    /// The request. A copy, which lives as long as the answer: the request itself goes to the connection.
    pub body: String,
    /// The longest answer, in tokens, as it was asked for.
    pub most: u64,
}

/// Reads a stream of events, a list of them, or a whole response.
#[derive(Debug)]
pub(crate) struct GeminiReader {
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
    parts: Parts,
    asked: Whose,
    continues: Option<Continues>,
    counts: Option<Counts>,
    /// Tokens of the pieces before this one.
    spent: Counts,
    finish: Option<String>,
    finish_message: String,
    /// The last token that was given: where the answer can be taken up.
    token: Option<String>,
    /// The one that this piece was asked with.
    sent: Option<String>,
    /// Something came that stands behind the token.
    behind: bool,
    /// The body of the request that goes on.
    next: Option<String>,
    /// Pieces in a row that brought nothing.
    idle: u32,
    /// Pieces that are over.
    pieces: u32,
    /// Something came in this piece.
    progress: bool,
    blocked: Option<String>,
    searches: bool,
    /// A frame that holds an answer has come.
    heard: bool,
    /// Anything but blanks has come.
    bytes: bool,
    over: bool,
}

impl GeminiReader {
    pub(crate) fn new(asm: Assembler, carrier: Carrier, of: Of) -> Self {
        let searches = of.search.is_some();
        let core = Core {
            asm,
            parts: Parts::new(carrier, of.only_one, of.search.map(Held::new)),
            asked: of.asked,
            continues: of.continues,
            counts: None,
            spent: Counts::default(),
            finish: None,
            finish_message: String::new(),
            token: None,
            sent: None,
            behind: false,
            next: None,
            idle: 0,
            pieces: 0,
            progress: false,
            blocked: None,
            searches,
            heard: false,
            bytes: false,
            over: false,
        };
        Self { framer: Framer::new(MAX_EVENT_BYTES), form: Form::Unknown, core }
    }

    fn events(&mut self, chunk: &[u8], out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let Self { framer, core, .. } = self;
        let mut flow = Ok(Flow::More);
        framer.push(chunk, |frame| {
            if matches!(flow, Ok(Flow::More)) {
                flow = core.event(&frame, out);
            }
        });
        flow
    }

    /// The piece is over: the next one is read from its beginning.
    fn renew(&mut self) {
        self.framer = Framer::new(MAX_EVENT_BYTES);
        self.form = Form::Unknown;
    }
}

impl ReplyReader for GeminiReader {
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
            self.renew();
            return self.core.body(&body, end, out);
        }
        // What stands behind the last blank line is an event if it is whole.
        let Self { framer, core, .. } = self;
        let mut flow = Ok(Flow::More);
        framer.finish(|frame| flow = core.event(&frame, out));
        match flow {
            Ok(Flow::Done) => return Ok(()),
            Err(fault) if end == BodyEnd::Clean || core.over => return Err(fault),
            // Half an event is no nonsense where the body was cut.
            Ok(Flow::More) | Err(_) => {}
        }
        self.renew();
        self.core.end(out)
    }

    fn whole(&mut self, body: &[u8], out: &mut dyn EventSink) -> Result<(), Fault> {
        let first = body.iter().find(|byte| !is_blank(**byte));
        if first.is_some_and(|first| !begins_json(*first)) {
            // Events, though none were asked for.
            self.push(body, out)?;
            return self.finish(BodyEnd::Clean, out);
        }
        self.core.bytes |= first.is_some();
        self.core.body(body, BodyEnd::Clean, out)
    }

    fn goes_on(&mut self) -> Option<String> {
        self.core.next.take()
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
            if key == "totalTokens" {
                tokens = number(r)?;
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
    fn event(&mut self, frame: &SseFrame<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
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
        // Proxies add the other dialect's end.
        if data == b"[DONE]" {
            return Ok(Flow::More);
        }
        let text = std::str::from_utf8(data).map_err(|_| self.asm.nonsense(NOT_JSON))?;
        self.text(text, out)
    }

    /// One response, or a list with one.
    fn text(&mut self, text: &str, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if begins_object(text) {
            return self.frame(text, out);
        }
        let mut flow = Flow::More;
        for text in elements(text).map_err(|Bad| self.asm.nonsense(NOT_JSON))? {
            if flow == Flow::More {
                flow = self.frame(text, out)?;
            }
        }
        Ok(flow)
    }

    /// A body that is one JSON text.
    fn body(&mut self, body: &[u8], end: BodyEnd, out: &mut dyn EventSink) -> Result<(), Fault> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let text = text.trim_start_matches('\u{feff}').trim();
        let flow = self.text(text, out);
        match flow {
            Ok(Flow::Done) => Ok(()),
            Ok(Flow::More) => self.end(out),
            // Half a text is no nonsense where the body was cut.
            Err(_) if end == BodyEnd::Cut && !self.over && !self.progress => {
                self.finish = None;
                self.end(out)
            }
            Err(fault) => Err(fault),
        }
    }

    fn frame(&mut self, text: &str, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        let frame = Frame::read(text).map_err(|Bad| self.asm.nonsense(NOT_JSON))?;
        if let Some(error) = frame.error {
            self.over = true;
            return Err(fault::inside(&self.asked.cx(), error.as_str()));
        }
        self.heard |= frame.known;
        if let Some(counts) = frame.counts {
            self.counts = Some(counts);
            self.asm.set_usage(counts.told(self.spent));
        }
        for part in &frame.parts {
            let nothing = matches!(part.kind, PartKind::Text(text) if text.is_empty())
                && part.signature.is_none();
            self.progress |= !nothing;
            self.behind |= !nothing;
            if self.parts.take(part, &mut self.asm, out)? == Flow::Done {
                self.over = true;
                return Ok(Flow::Done);
            }
        }
        if let Some(raw) = frame.grounding {
            self.grounding(raw)?;
        }
        if let Some(reason) = frame.block_reason {
            let message = frame.block_message.map(Text::decode).unwrap_or_default();
            self.blocked = Some(join(&reason.decode(), &message));
        }
        if let Some(reason) = frame.finish {
            self.finish = Some(reason.decode().into_owned());
            let message = frame.finish_message.map(Text::decode).unwrap_or_default();
            self.finish_message = message.into_owned();
        }
        if let Some(token) = frame.token {
            self.token = Some(token.decode().into_owned());
            self.behind = false;
        }
        Ok(Flow::More)
    }

    fn grounding(&mut self, raw: Raw<'_>) -> Result<(), Fault> {
        match &mut self.parts.held {
            Some(held) => held.metadata(raw).map_err(|Bad| self.asm.nonsense(NOT_JSON)),
            None if self.searches => Ok(()),
            None => {
                grounding::unasked(&mut self.asm);
                Ok(())
            }
        }
    }

    /// The body is over.
    fn end(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if !self.heard {
            return Err(self.broken_off());
        }
        let reason = self.finish.take();
        let ending = reason.as_deref().map(Ending::of);
        let blocked = self.blocked.take();
        if let Some(blocked) = blocked.filter(|_| ending.is_none() || !self.parts.any) {
            return self.decline(&blocked, out);
        }
        let resumes = match ending {
            // With the token that was sent the same would come once more.
            Some(Ending::Continues) => self.token != self.sent,
            // Cut: what came behind the token would come once more.
            None => !self.behind,
            Some(_) => false,
        };
        if resumes && self.ask_on() {
            return Ok(());
        }
        let reason = reason.unwrap_or_default();
        let what = join(&reason, &self.finish_message);
        match ending {
            None => Err(self.broken_off()),
            Some(Ending::Stop) if !self.parts.any => {
                let provider = &self.asked.provider;
                let text = format!("{provider} ended an answer that holds nothing ({what})");
                Err(again(text))
            }
            Some(Ending::Stop) => self.close(StopReason::EndTurn, out),
            Some(Ending::Cut | Ending::Continues) => self.close(StopReason::MaxTokens, out),
            Some(Ending::Refusal) => self.decline(&what, out),
            Some(Ending::Unsigned) if !self.parts.useful => {
                let text = format!("{} misses signatures ({what})", self.asked.provider);
                let error = ApiError::new(ErrorKind::InvalidRequest, text);
                Err(Fault::new(error, Remedy::Without(Feature::ReasoningState)))
            }
            // What was to come is missing, were it only a call: the caller must not take it for the end.
            Some(Ending::Accident | Ending::Unsigned) if !self.parts.called() => {
                Err(self.gave_up(&what))
            }
            Some(Ending::Other) if !self.parts.useful => Err(self.gave_up(&what)),
            Some(Ending::Accident | Ending::Unsigned | Ending::Other) => {
                self.close(StopReason::EndTurn, out)
            }
        }
    }

    fn close(&mut self, stop: StopReason, out: &mut dyn EventSink) -> Result<(), Fault> {
        // Before the blocks are closed: what a limit cut may be incomplete.
        self.asm.finish_reason(stop);
        self.over = true;
        if self.parts.end(&mut self.asm, out)? == Flow::Done {
            return Ok(());
        }
        self.asm.end(out)
    }

    /// The service declines; what was said before stays.
    fn decline(&mut self, reason: &str, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.parts.useful {
            return self.close(StopReason::Refusal, out);
        }
        self.refuse(reason, out)
    }

    /// A refusal in words, where there are none yet.
    fn refuse(&mut self, reason: &str, out: &mut dyn EventSink) -> Result<(), Fault> {
        let text = format!("{} declined to answer: {reason}.", self.asked.provider);
        let text = escaped(&text);
        self.asm.finish_reason(StopReason::Refusal);
        self.over = true;
        self.parts.end(&mut self.asm, out)?;
        if self.asm.refusal(Text::from_escaped(&text), out)? == Flow::Done {
            return Ok(());
        }
        self.asm.end(out)
    }

    /// Prepares the request that goes on; whether there is to be one.
    fn ask_on(&mut self) -> bool {
        let (Some(continues), Some(token)) = (&self.continues, &self.token) else { return false };
        self.idle = if self.progress { 0 } else { self.idle + 1 };
        self.progress = false;
        self.pieces += 1;
        self.spent = self.spent.and(self.counts.take());
        let spent = self.spent.candidates.unwrap_or(0);
        let spent = spent.saturating_add(self.spent.thoughts.unwrap_or(0));
        if self.idle > MAX_IDLE || self.pieces >= MAX_PIECES || spent >= continues.most {
            return false;
        }
        // The same request, with the token as its first field: no request is without any.
        let rest = continues.body.strip_prefix('{').unwrap_or_default();
        self.next = Some(format!("{{\"continuationToken\":\"{}\",{rest}", escaped(token)));
        self.sent.clone_from(&self.token);
        self.behind = false;
        self.finish_message.clear();
        true
    }

    fn gave_up(&self, what: &str) -> Fault {
        again(format!("{} gave up in the middle of an answer: {what}", self.asked.provider))
    }

    fn broken_off(&self) -> Fault {
        let provider = &self.asked.provider;
        let text = match (self.heard, self.bytes) {
            (true, _) => format!("the answer of {provider} broke off before its end"),
            (false, true) => format!("{provider} sent an answer that is none of this interface's"),
            (false, false) => format!("{provider} sent an empty answer"),
        };
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::Same)
    }
}

const NOT_JSON: &str = "an answer that is not JSON";

/// The model stumbled: the same request may go better.
fn again(text: String) -> Fault {
    Fault::new(ApiError::new(ErrorKind::UpstreamFailed, text), Remedy::Again)
}

fn join(word: &str, message: &str) -> String {
    match (word, message.trim()) {
        (word, "") => word.to_owned(),
        ("", message) => message.to_owned(),
        (word, message) => format!("{word}: {message}"),
    }
}

fn begins_object(text: &str) -> bool {
    text.starts_with('{')
}

/// The responses of a text: itself, or what is in the list.
fn elements(text: &str) -> Result<Vec<&str>, Bad> {
    let mut reader = Reader::new(text);
    if reader.kind()? != Kind::Array {
        return Ok(vec![text]);
    }
    let mut all = Vec::new();
    reader.array::<Bad>(|r| {
        all.push(r.raw()?.as_str());
        Ok(())
    })?;
    reader.end()?;
    Ok(all)
}

/// Whether a body is one JSON text, which may be a list.
fn begins_json(first: u8) -> bool {
    matches!(first, b'{' | b'[')
}

/// Blanks, and the bytes of a byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf)
}
