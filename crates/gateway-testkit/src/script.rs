//! What an upstream does on the wire, step by step.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::Gate;

/// A list of things to do on one connection in answer to one request: each [`bytes`](Self::bytes)
/// or [`chunk`](Self::chunk) is one write to the socket (with `TCP_NODELAY`), each head too.
///
/// Nothing is added: a script without framing headers has none. When a script ends without
/// [`close`](Self::close), [`reset`](Self::reset) or [`hang`](Self::hang), the connection is kept
/// alive and the next request awaited. On HTTP/2 heads become HEADERS, bytes and chunks DATA, the end of the
/// script `END_STREAM`, and a reset `RST_STREAM`.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Script {
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Head { status: u16, headers: Vec<(String, String)> },
    Bytes(Bytes),
    Chunk(Bytes),
    LastChunk,
    Repeat { piece: Bytes, times: u64 },
    Stall(Duration),
    Wait(Gate),
    Open(Gate),
    StopReading,
    ReadBody,
    HalfClose,
    Hang,
    Close,
    Reset,
}

impl Script {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole reply with its `content-length`.
    pub fn full(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::new()
            .head(status)
            .header("content-type", content_type)
            .content_length(body.len() as u64)
            .bytes(body)
    }

    /// A whole JSON reply.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::full(status, "application/json", body)
    }

    /// The head of an event stream in chunked framing; go on with [`chunk`](Self::chunk)s.
    pub fn event_stream() -> Self {
        Self::new().head(200).header("content-type", "text/event-stream; charset=utf-8").chunked()
    }

    /// A whole event stream, cut into one chunk (and one write) per piece between the `splits`,
    /// which are offsets into `body`, ascending; out of range or repeated ones are ignored.
    pub fn sse(body: impl Into<Bytes>, splits: &[usize]) -> Self {
        Self::event_stream().pieces(body, splits).last_chunk()
    }

    /// Starts a reply: status line and, by the [`header`](Self::header)s that follow, its fields.
    pub fn head(self, status: u16) -> Self {
        self.step(Step::Head { status, headers: Vec::new() })
    }

    /// Adds a field to the last head, also when parts of the body are already in the script.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let head = self.steps.iter_mut().rev().find_map(|step| match step {
            Step::Head { headers, .. } => Some(headers),
            _ => None,
        });
        head.expect("header() comes after head()").push((name.into(), value.into()));
        self
    }

    /// The header `content-length`, true or not.
    pub fn content_length(self, length: u64) -> Self {
        self.header("content-length", length.to_string())
    }

    /// The header `transfer-encoding: chunked`.
    pub fn chunked(self) -> Self {
        self.header("transfer-encoding", "chunked")
    }

    /// Exactly these bytes, in one write, without framing.
    pub fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Bytes(bytes.into()))
    }

    /// These bytes as one chunk, framing included, in one write.
    pub fn chunk(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Chunk(bytes.into()))
    }

    /// One [`chunk`](Self::chunk) for each piece of `body` between the `splits`.
    pub fn pieces(mut self, body: impl Into<Bytes>, splits: &[usize]) -> Self {
        let body = body.into();
        let mut from = 0;
        for &to in splits.iter().chain([&body.len()]) {
            if to > from && to <= body.len() {
                self = self.chunk(body.slice(from..to));
                from = to;
            }
        }
        self
    }

    /// The chunk that ends a chunked body.
    pub fn last_chunk(self) -> Self {
        self.step(Step::LastChunk)
    }

    /// `piece` as it is, `times` times: as fast as the reader takes it and no faster.
    pub fn repeat(self, piece: impl Into<Bytes>, times: u64) -> Self {
        self.step(Step::Repeat { piece: piece.into(), times })
    }

    /// [`repeat`](Self::repeat) with each piece as a chunk.
    pub fn repeat_chunk(self, piece: impl Into<Bytes>, times: u64) -> Self {
        let framed = frame(&piece.into());
        self.repeat(framed, times)
    }

    /// `piece` as a chunk again and again, until the peer leaves.
    pub fn endless(self, piece: impl Into<Bytes>) -> Self {
        self.repeat_chunk(piece, u64::MAX)
    }

    /// Silence for a while, in real time. Prefer [`wait`](Self::wait).
    pub fn stall(self, time: Duration) -> Self {
        self.step(Step::Stall(time))
    }

    /// Silence until the test opens `gate`.
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Opens `gate`: tells the test that the script has come this far.
    pub fn open(self, gate: &Gate) -> Self {
        self.step(Step::Open(gate.clone()))
    }

    /// The same with a pause after the first `writes` heads, bytes and chunks: opens `reached`, then waits at
    /// `go_on`.
    ///
    /// # Panics
    /// When the script has fewer.
    pub fn pausing_after(mut self, writes: usize, reached: &Gate, go_on: &Gate) -> Self {
        let is_write =
            |step: &Step| matches!(step, Step::Head { .. } | Step::Bytes(_) | Step::Chunk(_));
        let mut places = self.steps.iter().enumerate().filter(|(_, step)| is_write(step));
        let (at, _) = places.nth(writes - 1).expect("a script with that many writes");
        let pause = [Step::Open(reached.clone()), Step::Wait(go_on.clone())];
        self.steps.splice(at + 1..=at, pause);
        self
    }

    /// From here on takes no byte more from the peer, so that its writes back up. Its leaving is
    /// then noticed by failing writes only.
    pub fn stop_reading(self) -> Self {
        self.step(Step::StopReading)
    }

    /// With [`Answer::AfterHead`](crate::Answer::AfterHead): reads the body now (and forgets it).
    pub fn read_body(self) -> Self {
        self.step(Step::ReadBody)
    }

    /// Sends FIN and goes on reading.
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Nothing more, with the connection open until the peer leaves.
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// Ends the connection with FIN.
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Ends the connection with RST.
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// `status` and `headers` as HTTP/1.1 text.
pub(crate) fn head_text(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let reason =
        StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Odd");
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        text.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// One chunk of a chunked body.
pub(crate) fn frame(piece: &[u8]) -> Bytes {
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    framed.into()
}

pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
