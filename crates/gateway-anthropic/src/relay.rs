//! A reply stream on its way through: byte for byte, but for the spliced name.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use gateway_sse::{Frame, Framer};
use gateway_translate::{BodyEnd as StreamEnd, Redactor, Splice, find};
use gateway_types::{Span, Usage, UsageQuality};

use crate::UsageTap;

/// How far a reply stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No event yet; comments and pings do not count.
    Waiting,
    /// `message_start` (or another event before the first block) has come.
    Started,
    /// The first content block has started: the caller may be acting on it.
    InBlocks,
    /// `message_stop` or an `error` event has come: the stream is whole.
    Ended,
}

/// What to hand to the caller for one chunk, in order. Empty parts are possible.
#[derive(Debug, Default)]
pub struct Output {
    parts: [Bytes; 3],
}

impl Output {
    fn one(bytes: Bytes) -> Self {
        Self { parts: [bytes, Bytes::new(), Bytes::new()] }
    }

    /// Whether there is nothing to hand over yet.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// The parts that are not empty, in order.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        self.parts.into_iter().filter(|part| !part.is_empty())
    }

    /// Everything as one piece; shares memory when there is only one part.
    pub fn concat(&self) -> Bytes {
        match &self.parts {
            [only, b, c] if b.is_empty() && c.is_empty() => only.clone(),
            parts => parts.concat().into(),
        }
    }
}

/// Passes an Anthropic reply stream on and watches it.
///
/// Knowing frame boundaries and the terminal event can not fail, whatever comes; reading usage may,
/// and then costs only the record. A chunk is handed on as the very bytes it came in, except
/// around two frames: `message_start` while the model is to be renamed, and `error` events, which
/// must not echo a key.
#[derive(Debug)]
pub struct Relay {
    framer: Framer,
    watch: Watch,
    /// The name to put into `message_start`, until that is done.
    rename: Option<String>,
    redactor: Redactor,
    /// Bytes that came and were not handed on: the beginning of a frame that may need an edit.
    held: BytesMut,
    /// The beginning of the current frame has been handed on, so the rest of it must follow.
    passing: bool,
}

#[derive(Debug)]
struct Watch {
    phase: Phase,
    /// Bytes of an event, any event, have been seen since [`Relay::take_events`] was last asked.
    events: u32,
    saw_start: bool,
    saw_error: bool,
    /// What the first `error` event said.
    error: Option<Told>,
    tap: UsageTap,
}

/// What an `error` event says; empty where it says it in no known way.
#[derive(Debug, Default)]
struct Told {
    kind: String,
    message: String,
}

impl Told {
    fn mask(&mut self, redactor: &Redactor) {
        for text in [&mut self.kind, &mut self.message] {
            if redactor.finds(text.as_bytes()) {
                *text = String::from_utf8_lossy(&redactor.mask(text.as_bytes())).into_owned();
            }
        }
    }

    fn read(data: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Body<'b> {
            #[serde(borrow)]
            error: Inner<'b>,
        }
        #[derive(serde::Deserialize)]
        struct Inner<'b> {
            #[serde(borrow, default)]
            r#type: Cow<'b, str>,
            #[serde(borrow, default)]
            message: Cow<'b, str>,
        }
        let read = serde_json::from_slice::<Body<'_>>(data);
        read.map_or_else(
            |_| Self::default(),
            |Body { error }| Self {
                kind: error.r#type.into_owned(),
                message: error.message.into_owned(),
            },
        )
    }
}

/// Longest frame that is read when it spans chunks, in bytes. Only the few with usage or a name in
/// them are read, all of which are far smaller; longer ones are passed on unread.
const MAX_READ_BYTES: usize = 256 << 10;

/// Beyond this many held bytes the model is not renamed any more: it is no message we know.
const MAX_HELD_BYTES: usize = 512 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    MessageStart,
    BlockStart,
    MessageDelta,
    MessageStop,
    Error,
    Ping,
    Other,
}

impl Kind {
    fn of(frame: &Frame<'_>) -> Option<Self> {
        if !frame.has_data() {
            return None;
        }
        if let Some(name) = frame.event() {
            return Some(Self::from_name(name));
        }
        // Some servers leave the `event` field out; the data says the same.
        let data = frame.data();
        let name = find(&data, &["type"]).map(|span| data[span].trim_ascii());
        let name = name.and_then(|token| token.strip_prefix(b"\"")?.strip_suffix(b"\""));
        Some(name.map_or(Self::Other, Self::from_name))
    }

    fn from_name(name: &[u8]) -> Self {
        match name {
            b"message_start" => Self::MessageStart,
            b"content_block_start" => Self::BlockStart,
            b"message_delta" => Self::MessageDelta,
            b"message_stop" => Self::MessageStop,
            b"error" => Self::Error,
            b"ping" => Self::Ping,
            _ => Self::Other,
        }
    }
}

impl Relay {
    /// A relay that puts `rename` in the place of the model's name, if given, and masks the
    /// redactor's secrets in error events.
    pub fn new(rename: Option<String>, redactor: Redactor) -> Self {
        Self {
            framer: Framer::new(MAX_READ_BYTES),
            watch: Watch {
                phase: Phase::Waiting,
                events: 0,
                saw_start: false,
                saw_error: false,
                error: None,
                tap: UsageTap::default(),
            },
            rename,
            redactor,
            held: BytesMut::new(),
            passing: false,
        }
    }

    /// Whether the stream told of an error: then it has ended, but the answer is not whole.
    pub fn failed(&self) -> bool {
        self.watch.error.is_some()
    }

    /// `error.type` and `error.message` of the first `error` event, if one has come; either may be empty.
    /// The redactor's secrets are masked.
    pub fn error(&self) -> Option<(&str, &str)> {
        self.watch.error.as_ref().map(|told| (&*told.kind, &*told.message))
    }

    /// Takes a chunk as it came off the wire; returns what to hand on now.
    pub fn push(&mut self, chunk: Bytes) -> Output {
        let watch = &mut self.watch;
        (watch.saw_start, watch.saw_error) = (false, false);
        let complete = self.framer.push(&chunk, |frame| watch.on_frame(&frame));
        if let Some(told) = watch.error.as_mut().filter(|_| watch.saw_error) {
            told.mask(&self.redactor);
        }

        // 1. The frames that are whole now.
        let mut region = chunk.slice(..complete);
        if complete > 0 {
            self.passing = false;
            if !self.held.is_empty() {
                self.held.extend_from_slice(&region);
                region = self.held.split().freeze();
            }
        }
        let edited = self.edited(&region);

        // 2. The beginning of the next one, or more of it.
        let tail = chunk.slice(complete..);
        if tail.is_empty() {
            return edited.unwrap_or_else(|| Output::one(region));
        }
        let wanted = !self.held.is_empty() || self.rename.is_some() || may_become_error(&tail);
        if wanted && !self.passing {
            self.held.extend_from_slice(&tail);
            if self.held.len() <= MAX_HELD_BYTES {
                return edited.unwrap_or_else(|| Output::one(region));
            }
            self.rename = None;
            self.passing = true;
            return append(
                edited.unwrap_or_else(|| Output::one(region)),
                self.held.split().freeze(),
            );
        }
        self.passing = true;
        match edited {
            Some(output) => append(output, tail),
            None if region.len() == complete => Output::one(chunk),
            None => append(Output::one(region), tail),
        }
    }

    /// What was held back at the end of the stream: to be handed on before it is cut or closed.
    ///
    /// A last frame without its blank line is one that no reader acts on, so it changes nothing;
    /// except a whole `message_stop` before a clean end, after which nothing more was to come.
    pub fn finish(&mut self, end: StreamEnd) -> Output {
        let watch = &mut self.watch;
        (watch.saw_start, watch.saw_error) = (false, false);
        self.framer.finish(|frame| match Kind::of(&frame) {
            Some(Kind::Error) => watch.saw_error = true,
            Some(Kind::MessageStop) if end == StreamEnd::Clean => {
                let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&frame.data()).is_ok();
                if whole {
                    watch.phase = Phase::Ended;
                }
            }
            _ => {}
        });
        let rest = self.held.split().freeze();
        self.edited(&rest).unwrap_or_else(|| Output::one(rest))
    }

    /// How far the stream has come.
    pub fn phase(&self) -> Phase {
        self.watch.phase
    }

    /// Whether a frame of our own may be put in now.
    pub fn at_boundary(&self) -> bool {
        self.framer.at_boundary() && self.held.is_empty()
    }

    /// How many events (pings included, comments not) have come since this was last asked.
    pub fn take_events(&mut self) -> u32 {
        std::mem::take(&mut self.watch.events)
    }

    /// The tokens reported so far.
    pub fn usage(&self) -> (Usage, UsageQuality) {
        match self.watch.tap.read() {
            (usage, UsageQuality::Reported) if self.watch.phase != Phase::Ended => {
                (usage, UsageQuality::Partial)
            }
            read => read,
        }
    }

    /// `region` with its edits, if it needs any: it consists of whole frames, or is the very end
    /// of the stream.
    fn edited(&mut self, region: &Bytes) -> Option<Output> {
        if self.watch.saw_error && self.redactor.finds(region) {
            return Some(Output::one(self.mask_errors(region)));
        }
        if !self.watch.saw_start {
            return None;
        }
        let name = self.rename.take()?;
        let span = model_span(region)?;
        let Splice { parts } = Splice::string(region, span, &name);
        Some(Output { parts })
    }

    fn mask_errors(&self, region: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(region.len());
        let mut from = 0;
        frames_of(region, |frame, span| {
            if Kind::of(frame) == Some(Kind::Error) {
                out.extend_from_slice(&region[from..span.start]);
                out.extend_from_slice(&self.redactor.mask(&region[span.clone()]));
                from = span.end;
            }
        });
        out.extend_from_slice(&region[from..]);
        out.into()
    }
}

impl Watch {
    fn on_frame(&mut self, frame: &Frame<'_>) {
        let Some(kind) = Kind::of(frame) else { return };
        self.events += 1;
        let reached = match kind {
            Kind::Ping => return,
            Kind::MessageStart => {
                self.saw_start = true;
                self.tap.message_start(&frame.data());
                Phase::Started
            }
            Kind::MessageDelta => {
                self.tap.totals(&frame.data());
                Phase::Started
            }
            Kind::BlockStart => Phase::InBlocks,
            Kind::MessageStop => Phase::Ended,
            Kind::Error => {
                self.saw_error = true;
                self.error.get_or_insert_with(|| Told::read(&frame.data()));
                Phase::Ended
            }
            Kind::Other => Phase::Started,
        };
        self.phase = self.phase.max(reached);
    }
}

/// Lends each frame of `region` with its place in it. The region begins at a frame's beginning.
pub(crate) fn frames_of(region: &[u8], mut on_frame: impl FnMut(&Frame<'_>, Span)) {
    let base = region.as_ptr() as usize;
    let mut framer = Framer::new(region.len());
    let mut lend = |frame: Frame<'_>| {
        let start = (frame.bytes().as_ptr() as usize).wrapping_sub(base);
        // A frame completed by `finish` lies in the framer's own memory, not in the region.
        let span = match start.checked_add(frame.bytes().len()) {
            Some(end) if end <= region.len() => start..end,
            _ => region.len() - frame.bytes().len()..region.len(),
        };
        on_frame(&frame, span);
    };
    framer.push(region, &mut lend);
    framer.finish(&mut lend);
}

/// Where the name stands in the `message_start` frame of `region`, quotes included.
fn model_span(region: &[u8]) -> Option<Span> {
    let mut found = None;
    frames_of(region, |frame, span| {
        if found.is_none() && Kind::of(frame) == Some(Kind::MessageStart) {
            let json = json_in_place(&region[span.clone()]);
            found = find(&json, &["message", "model"])
                .map(|model| span.start + model.start..span.start + model.end);
        }
    });
    found
}

/// The frame with all that is not JSON blanked out, so that places in the JSON are places in the
/// frame, also when its data is spread over several lines.
pub(crate) fn json_in_place(frame: &[u8]) -> Vec<u8> {
    let mut json = frame.to_vec();
    let mut start = 0;
    while start < json.len() {
        let len = json[start..].iter().position(|b| matches!(b, b'\n' | b'\r'));
        let end = len.map_or(json.len(), |len| start + len);
        let line = &mut json[start..end];
        let blank = if line.starts_with(b"data:") { 5 } else { line.len() };
        line[..blank].fill(b' ');
        start = end + 1;
    }
    json
}

/// Whether an incomplete frame may turn out to be an error event, as far as it can be seen.
fn may_become_error(tail: &[u8]) -> bool {
    const STARTS: [&[u8]; 4] = [
        b"event: error",
        b"event:error",
        b"data: {\"type\":\"error\"",
        b"data: {\"type\": \"error\"",
    ];
    tail.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        !line.is_empty()
            && STARTS.iter().any(|start| {
                let shared = line.len().min(start.len());
                line[..shared] == start[..shared]
            })
    })
}

/// `tail` after everything that is in `output`.
fn append(mut output: Output, tail: Bytes) -> Output {
    let used = output.parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    match output.parts.get_mut(used) {
        Some(free) => *free = tail,
        None => output.parts[2] = [&output.parts[2][..], &tail].concat().into(),
    }
    output
}

#[cfg(test)]
mod tests;
