//! What the upstream says: every byte made before the measurement begins.

use std::time::Duration;

use bytes::Bytes;

use crate::chat::Chat;
use crate::dialect::Asked;
use crate::wire::{STAMP, STAMP_DIGITS};

/// What the upstream expects and answers, for one workload and one proxy.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) expect: Expect,
    pub(crate) reply: Reply,
    /// What is asked besides, now and then: paths and the JSON that answers them.
    pub(crate) asides: &'static [(&'static str, &'static str)],
}

/// The request body that must come.
#[derive(Debug)]
pub(crate) enum Expect {
    /// To the byte.
    Body(Bytes),
    /// One for Chat Completions, written anew.
    Chat(Chat),
    /// One for another dialect.
    Dialect(Asked),
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Head and body.
    Unary(Bytes),
    Stream(Stream),
}

/// An answer as a stream of events, one HTTP chunk each.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// Head and first chunk on, up to the end.
    pub(crate) writes: Vec<Write>,
    /// From the request until the first write.
    pub(crate) first: Duration,
    /// From one write to the next; zero sends as fast as the connection takes it.
    pub(crate) gap: Duration,
    /// Events altogether.
    pub(crate) events: usize,
    /// Bytes of the body without its chunk framing.
    pub(crate) bytes: usize,
}

/// What is written at once.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) bytes: Bytes,
    /// Where the time goes.
    pub(crate) stamp: Option<usize>,
}

impl Reply {
    /// A body with its head.
    pub(crate) fn unary(body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self::Unary((head + body).into())
    }
}

impl Stream {
    /// A stream of `count` events, `burst` of them in each write.
    pub(crate) fn new(count: usize, burst: usize, first: Duration, gap: Duration) -> Self {
        Self::of(EVENT_STREAM, &events(count), burst, first, gap)
    }

    /// A stream of these events, in what comes as this type.
    pub(crate) fn of<E: AsRef<[u8]>>(
        content_type: &str,
        events: &[E],
        burst: usize,
        first: Duration,
        gap: Duration,
    ) -> Self {
        let bytes = events.iter().map(|event| event.as_ref().len()).sum();
        let mut writes: Vec<Write> = events.chunks(burst).map(write).collect();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n\
             cache-control: no-cache\r\nrequest-id: req_bench\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let first_write = &mut writes[0];
        first_write.bytes = [head.as_bytes(), &first_write.bytes].concat().into();
        first_write.stamp = first_write.stamp.map(|at| at + head.len());
        let last = writes.last_mut().expect("a stream has events");
        last.bytes = [&last.bytes[..], b"0\r\n\r\n"].concat().into();
        Self { writes, first, gap, events: events.len(), bytes }
    }

    /// The same without the time: where a checksum stands over it.
    pub(crate) fn without_time(mut self) -> Self {
        self.writes.iter_mut().for_each(|write| write.stamp = None);
        self
    }
}

/// The content type of server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// One chunk for each event. The time goes into the burst's first delta.
fn write(burst: &[impl AsRef<[u8]>]) -> Write {
    let mut bytes = Vec::new();
    for event in burst {
        let event = event.as_ref();
        bytes.extend(format!("{:x}\r\n", event.len()).into_bytes());
        bytes.extend_from_slice(event);
        bytes.extend_from_slice(b"\r\n");
    }
    let stamp = memchr::memmem::find(&bytes, STAMP).map(|at| at + STAMP.len());
    Write { bytes: bytes.into(), stamp }
}

/// Events of a stream that are no deltas.
pub(crate) const AROUND_DELTAS: usize = 5;

/// What one delta says, with room for the time.
pub(crate) fn delta_text() -> String {
    format!("and so{}{} on", String::from_utf8_lossy(STAMP), "0".repeat(STAMP_DIGITS))
}

/// The events of an answer in Anthropic's grammar: a start, deltas, an end; `count` in all.
pub(crate) fn events(count: usize) -> Vec<String> {
    let named = |(name, data): (&str, String)| format!("event: {name}\ndata: {data}\n\n");
    payloads(count).into_iter().map(named).collect()
}

/// Names and data of [`events`].
pub(crate) fn payloads(count: usize) -> Vec<(&'static str, String)> {
    let named = |name: &'static str, data: &str| (name, data.to_owned());
    let deltas = count - AROUND_DELTAS;
    let mut events = vec![
        named(
            "message_start",
            r#"{"type":"message_start","message":{"id":"msg_01Bench","type":"message","role":"assistant","model":"claude-sonnet-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":250,"cache_creation_input_tokens":0,"cache_read_input_tokens":12000,"output_tokens":1,"service_tier":"standard"}}}"#,
        ),
        named(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
    ];
    let tail = [
        named("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
        named(
            "message_delta",
            &format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{deltas}}}}}"#
            ),
        ),
        named("message_stop", r#"{"type":"message_stop"}"#),
    ];
    let delta = named(
        "content_block_delta",
        &format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{}"}}}}"#,
            delta_text()
        ),
    );
    events.extend(std::iter::repeat_n(delta, deltas));
    events.extend(tail);
    events
}
