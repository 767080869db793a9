//! Claude by `InvokeModelWithResponseStream`: the Messages API's events out of Amazon's event stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_translate::{BodyEnd, FaultCx, Flow, Json, Malformed, Reader};
use gateway_types::{Fault, Text};

use crate::Bedrock;
use crate::fault::Whose;
use crate::frames::{Damaged, Frame, Frames, Kind};

/// Turns the event stream of `InvokeModelWithResponseStream` into the bytes that the Messages API would have
/// sent, event by event: nothing is held back but the beginning of a frame.
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
        let state = State { whose: bedrock.whose(cx), heard: false, begun: false, ended: false };
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
        let stop = kind.is("message_stop");
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.escaped().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let event = if stop { without_metrics(&event) } else { event.clone() };
        // A line's end would end the field. JSON has them between tokens only.
        out.extend(event.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
        out.extend_from_slice(b"\n\n");
        self.begun = true;
        self.ended = stop || kind.is("error");
        Ok(())
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
