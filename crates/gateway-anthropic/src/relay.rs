//! A reply stream on its way through: byte for byte, but for the spliced name.

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
    /// An `error` event has come, ever.
    failed: bool,
    tap: UsageTap,
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
                failed: false,
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
        self.watch.failed
    }

    /// Takes a chunk as it came off the wire; returns what to hand on now.
    pub fn push(&mut self, chunk: Bytes) -> Output {
        let watch = &mut self.watch;
        (watch.saw_start, watch.saw_error) = (false, false);
        let complete = self.framer.push(&chunk, |frame| watch.on_frame(&frame));

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
                (self.saw_error, self.failed) = (true, true);
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
mod tests {
    use super::*;

    fn run(rename: Option<&str>, keys: &[&str], chunks: &[&[u8]]) -> (Vec<u8>, Phase) {
        let mut relay = Relay::new(rename.map(str::to_owned), Redactor::new(keys.iter().copied()));
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&relay.push(Bytes::copy_from_slice(chunk)).concat());
        }
        out.extend_from_slice(&relay.finish(StreamEnd::Clean).concat());
        (out, relay.phase())
    }

    const START: &[u8] = b"event: message_start\ndata: {\"type\":\"message_start\",\"x\":{\"model\":\"no\"},\"message\":{\"model\":\"real\",\"usage\":{\"input_tokens\":3}}}\n\n";

    #[test]
    fn r17_the_name_is_replaced_in_message_start_alone() {
        let wanted = String::from_utf8_lossy(START).replace("real", "as ked");
        let delta = b"event: content_block_delta\ndata: {\"message\":{\"model\":\"real\"}}\n\n";
        let (out, _) = run(Some("as ked"), &[], &[b"event: ping\ndata: {}\n\n", START, delta]);
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains(&wanted), "{text}");
        assert!(text.ends_with(&*String::from_utf8_lossy(delta)), "{text}");
    }

    #[test]
    fn r17_data_over_several_lines_is_renamed_too() {
        let start =
            b"event: message_start\r\ndata: {\"message\":\r\ndata: {\"model\":\"real\"}}\r\n\r\n";
        let (out, _) = run(Some("asked"), &[], &[start]);
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(start).replace("real", "asked")
        );
    }

    #[test]
    fn phases_follow_the_events_with_or_without_their_names() {
        assert_eq!(run(None, &[], &[b": hello\n\n", crate::PING]).1, Phase::Waiting);
        assert_eq!(run(None, &[], &[START]).1, Phase::Started);
        assert_eq!(
            run(None, &[], &[b"data: {\"type\": \"content_block_start\"}\n\n"]).1,
            Phase::InBlocks
        );
        assert_eq!(run(None, &[], &[b"event: message_stop\ndata: {}\n\n"]).1, Phase::Ended);
        assert_eq!(run(None, &[], &[b"event: message_stop\ndata: {}"]).1, Phase::Ended);
        assert_eq!(run(None, &[], &[b"event: error\ndata: {}\n\n"]).1, Phase::Ended);
        assert_eq!(run(None, &[], &[b"data: [DONE]\n\n"]).1, Phase::Started);
    }

    #[test]
    fn r04_a_terminal_event_that_was_cut_itself_is_none() {
        for (bytes, end, wanted) in [
            (&b"event: error\ndata: {\"type\":\"err"[..], StreamEnd::Cut, Phase::Waiting),
            (b"event: error\ndata: {\"type\":\"error\"}\n", StreamEnd::Clean, Phase::Waiting),
            (b"event: message_stop\ndata: {\"type\":\"mess", StreamEnd::Clean, Phase::Waiting),
            (
                b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n",
                StreamEnd::Cut,
                Phase::Waiting,
            ),
            (
                b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n",
                StreamEnd::Clean,
                Phase::Ended,
            ),
        ] {
            let mut relay = Relay::new(None, Redactor::default());
            let mut out = relay.push(Bytes::from_static(bytes)).concat().to_vec();
            out.extend_from_slice(&relay.finish(end).concat());
            assert_eq!((&out[..], relay.phase()), (bytes, wanted), "{end:?}");
        }
    }

    #[test]
    fn an_echoed_key_is_masked_in_error_events_and_only_there() {
        let key = "sk-ant-planted-key";
        let text = format!(
            "event: content_block_delta\ndata: {{\"text\":\"{key}\"}}\n\nevent: error\ndata: {{\"type\":\"error\",\"error\":{{\"message\":\"bad {key}\"}}}}\n\n"
        );
        for cut in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let (out, phase) = run(None, &[key], &[first, second]);
            let out = String::from_utf8_lossy(&out);
            assert_eq!(phase, Phase::Ended);
            assert_eq!(out.matches(key).count(), 1, "cut at {cut}: {out}");
            assert!(out.contains("bad [redacted]"), "cut at {cut}: {out}");
        }
    }

    #[test]
    fn a_boundary_is_where_a_ping_may_go() {
        let mut relay = Relay::new(None, Redactor::default());
        assert!(relay.at_boundary());
        relay.push(Bytes::from_static(b"event: x\n"));
        assert!(!relay.at_boundary());
        relay.push(Bytes::from_static(b"data: 1\n\n"));
        assert!(relay.at_boundary());
    }

    #[test]
    fn a_start_that_never_ends_is_passed_on_in_the_end() {
        let mut relay = Relay::new(Some("asked".into()), Redactor::default());
        let mut handed = 0;
        for _ in 0..1000 {
            handed += relay.push(Bytes::from_static(&[b'x'; 1024])).concat().len();
            assert!(relay.held.len() <= MAX_HELD_BYTES);
        }
        assert_eq!(handed + relay.finish(StreamEnd::Clean).concat().len(), 1000 * 1024);
    }

    #[test]
    fn usage_of_a_cut_stream_is_partial() {
        let mut relay = Relay::new(None, Redactor::default());
        relay.push(Bytes::from_static(START));
        assert_eq!(relay.usage().1, UsageQuality::Partial);
    }
}
