//! Claude by `InvokeModelWithResponseStream`: the Messages API's events out of Amazon's event stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_translate::{BodyEnd, FaultCx, Flow, Json, Malformed, Reader, find};
use gateway_types::{Fault, Text};

use crate::Bedrock;
use crate::fault::Whose;
use crate::frames::{Damaged, Frame, Frames, Kind};

/// Turns the event stream of `InvokeModelWithResponseStream` into the bytes that the Messages API would have
/// sent, event by event: nothing is held back beyond a push but the beginning of a frame. What Bedrock
/// measured is taken out of the last event; where the stream has no counts of the cache otherwise, they go
/// into the `message_delta` before it, if both came at once.
///
/// Before the first event a failure is a [`Fault`], so that it can become a status. An exception behind it is
/// an `error` event, after which the stream [has ended](Self::has_ended). What breaks off, or can't be
/// read, is a [`Fault`] at any time: a stream that is to be cut, not closed.
#[derive(Debug)]
pub struct Unwrap {
    frames: Frames,
    state: State,
}

#[derive(Debug)]
struct State {
    whose: Whose,
    /// Any frame has come.
    heard: bool,
    /// An event has gone out.
    begun: bool,
    /// `message_stop` or an error has gone out.
    ended: bool,
    /// The counts of the cache have been told.
    counted: bool,
    /// A `message_delta` that waits for the end of this push.
    delta: Option<String>,
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

impl Unwrap {
    /// For the answer of `bedrock` to one request.
    pub fn new(bedrock: &Bedrock, cx: &FaultCx<'_>) -> Self {
        let state = State {
            whose: bedrock.whose(cx),
            heard: false,
            begun: false,
            ended: false,
            counted: false,
            delta: None,
        };
        Self { frames: Frames::new(), state }
    }

    /// Takes the next bytes, cut anywhere, and appends to `out` what the Messages API would have sent.
    ///
    /// # Errors
    /// An exception before the first event, or bytes that can't be read. What is in `out` by then is
    /// whole events. Nothing may be pushed after it.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Self { frames, state } = self;
        if state.ended {
            return Ok(());
        }
        let pushed = frames.push::<Failed>(chunk, |frame| {
            state.frame(frame, out)?;
            Ok(if state.ended { Flow::Done } else { Flow::More })
        });
        if let Some(delta) = state.delta.take() {
            write("message_delta", &delta, out);
        }
        match pushed {
            Ok(_) => Ok(()),
            Err(Failed::Fault(fault)) => Err(fault),
            Err(Failed::Damaged(damaged)) => Err(state.whose.nonsense(&damaged.to_string())),
        }
    }

    /// The body is over.
    ///
    /// # Errors
    /// When `message_stop` has not come: the answer is not whole, however well the body ended.
    pub fn finish(&mut self, _end: BodyEnd, _out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.state.ended { Ok(()) } else { Err(self.state.whose.broken_off(self.state.heard)) }
    }

    /// Whether `message_stop` or an error has gone out: nothing more is of interest.
    pub fn has_ended(&self) -> bool {
        self.state.ended
    }
}

impl State {
    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.heard = true;
        let fault = match frame.kind() {
            // By its payload: a `chunk` has `bytes`, and what has none is no event of Claude's.
            Kind::Event(_) | Kind::Unknown => return self.chunk(frame.payload(), out),
            Kind::Exception(kind) => self.whose.exception(kind, frame.payload()),
            Kind::Error { code, message } => self.whose.error(code, message),
        };
        if !self.begun {
            return Err(fault);
        }
        self.ended = true;
        self.flush(None, out);
        out.extend_from_slice(&fault.error.to_event(None));
        Ok(())
    }

    fn chunk(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let no_json = |whose: &Whose| whose.nonsense("an event that can't be read");
        let payload = std::str::from_utf8(payload).map_err(|_| no_json(&self.whose))?;
        let mut bytes = None;
        let read = Reader::new(payload).object::<Malformed>(|r, key| {
            if key.is("bytes") {
                bytes = r.maybe_string()?;
                return Ok(());
            }
            r.skip()
        });
        read.map_err(|_| no_json(&self.whose))?;
        let Some(bytes) = bytes else { return Ok(()) };
        let event = STANDARD.decode(&*bytes.decode()).map_err(|_| no_json(&self.whose))?;
        let event = String::from_utf8(event).map_err(|_| no_json(&self.whose))?;
        let mut kind = None;
        let mut reader = Reader::new(&event);
        let read = reader.object::<Malformed>(|r, key| {
            if key.is("type") {
                kind = r.maybe_string()?;
                return Ok(());
            }
            r.skip()
        });
        read.and_then(|()| reader.end()).map_err(|_| no_json(&self.whose))?;
        // Without a type nobody could make anything of it.
        let Some(kind) = kind.filter(|kind| is_plain(*kind)) else { return Ok(()) };
        self.begun = true;
        match kind.escaped() {
            "message_start" => {
                let path = ["message", "usage", "cache_read_input_tokens"];
                self.counted = find(event.as_bytes(), &path).is_some();
            }
            "message_delta" => {
                self.flush(None, out);
                self.delta = Some(event);
                return Ok(());
            }
            "message_stop" => {
                self.ended = true;
                self.flush(Some(&event), out);
                write(kind.escaped(), &without_metrics(&event), out);
                return Ok(());
            }
            "error" => self.ended = true,
            _ => {}
        }
        self.flush(None, out);
        write(kind.escaped(), &event, out);
        Ok(())
    }

    /// Writes the `message_delta` that waits, with what the last event says of the cache.
    fn flush(&mut self, stop: Option<&str>, out: &mut Vec<u8>) {
        let Some(mut delta) = self.delta.take() else { return };
        if let Some(stop) = stop.filter(|_| !self.counted) {
            add_cache_counts(&mut delta, stop);
        }
        write("message_delta", &delta, out);
    }
}

/// One event of a stream. A line's end would end the field; JSON has them between tokens only.
fn write(kind: &str, data: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend(data.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
    out.extend_from_slice(b"\n\n");
}

/// Puts the counts of the cache that `stop` has into the usage of `delta`, where it has none.
fn add_cache_counts(delta: &mut String, stop: &str) {
    const COUNTS: [(&str, &str); 2] = [
        ("cacheReadInputTokenCount", "cache_read_input_tokens"),
        ("cacheWriteInputTokenCount", "cache_creation_input_tokens"),
    ];
    for (measured, name) in COUNTS {
        let count = find(stop.as_bytes(), &["amazon-bedrock-invocationMetrics", measured]);
        let count = count.and_then(|span| stop[span].parse::<u64>().ok());
        let usage =
            find(delta.as_bytes(), &["usage"]).filter(|span| delta[span.clone()].ends_with('}'));
        let known = find(delta.as_bytes(), &["usage", name]).is_some();
        if let (Some(count), Some(usage), false) = (count, usage, known) {
            let inner = delta[usage.clone()].trim_start_matches('{').trim();
            let comma = if inner == "}" { "" } else { "," };
            delta.insert_str(usage.end - 1, &format!("{comma}\"{name}\":{count}"));
        }
    }
}

/// Whether a type may stand in a field of an event.
fn is_plain(kind: Text<'_>) -> bool {
    !kind.is_empty() && kind.escaped().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `message_stop` as the Messages API has it.
fn without_metrics(event: &str) -> String {
    let mut json = Json::with_capacity(event.len());
    json.object(|json| {
        // It has been read before.
        let _ = Reader::new(event).object::<Malformed>(|r, key| {
            let value = r.raw()?;
            if !key.escaped().starts_with("amazon-bedrock-") {
                json.key(key.escaped()).raw(value);
            }
            Ok(())
        });
    });
    json.into_string()
}
