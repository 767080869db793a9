//! A body as events. Written apart from the gateway's own reader on purpose: a ruler must not be cut
//! from the cloth it measures.

use std::time::Duration;

use gateway_sse::{Frame as Raw, Framer};
use serde_json::Value;

use crate::exchange::Chunk;

/// A stream of events.
#[derive(Debug, Default)]
pub struct Stream {
    /// What has data, in order.
    pub frames: Vec<Frame>,
    /// Frames that are comments or blank.
    pub comments: usize,
    /// Whether bytes are left after the last blank line.
    pub unfinished: bool,
}

/// One event.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its `event` field.
    pub event: Option<String>,
    /// Its data.
    pub data: String,
    /// The data as JSON, if it is.
    pub json: Option<Value>,
    /// Which read completed it.
    pub chunk: usize,
    /// When it was complete, since the request began.
    pub at: Duration,
}

impl Stream {
    /// Reads a body.
    pub fn read(chunks: &[Chunk]) -> Self {
        let mut framer = Framer::new(MAX_FRAME);
        let mut stream = Self::default();
        for (number, chunk) in chunks.iter().enumerate() {
            framer.push(&chunk.bytes, |raw| stream.take(raw, number, chunk.at));
        }
        stream.unfinished = !framer.at_boundary();
        stream
    }

    fn take(&mut self, raw: Raw<'_>, chunk: usize, at: Duration) {
        if !raw.has_data() {
            self.comments += 1;
            return;
        }
        let data = raw.data();
        self.frames.push(Frame {
            event: raw.event().map(|name| String::from_utf8_lossy(name).into_owned()),
            json: serde_json::from_slice(&data).ok(),
            data: String::from_utf8_lossy(&data).into_owned(),
            chunk,
            at,
        });
    }
}

impl Frame {
    /// `type` of the data.
    pub fn kind(&self) -> &str {
        self.json.as_ref().and_then(|json| json["type"].as_str()).unwrap_or_default()
    }
}

/// The longest frame that is read whole.
const MAX_FRAME: usize = 64 << 20;
