//! Events and blocks that a caller is not to see, left out of a reply.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gateway_sse::{Frame, Framer};
use gateway_translate::find;
use gateway_types::Span;

use crate::edit::node::{Fate, Node, apply, settle};
use crate::relay::{frames_of, json_in_place};

/// Takes events (by their name, e.g. `ping`) and content blocks (by their type, e.g. `thinking`) out
/// of a stream. The blocks that stay are numbered without gaps; all else passes byte for byte.
///
/// Stands between [`Relay`](crate::Relay), which must see everything, and the caller.
///
/// ```
/// use bytes::Bytes;
/// use gateway_anthropic::Filter;
///
/// let mut filter = Filter::new(["ping".to_owned()].into());
/// let out = filter.push(&Bytes::from_static(b"event: ping\ndata: {}\n\n: hello\n\nevent: message_"));
/// assert_eq!(out, ": hello\n\n");
/// ```
#[derive(Debug)]
pub struct Filter {
    names: Arc<[String]>,
    framer: Framer,
    /// The beginning of a frame whose end has not come.
    held: BytesMut,
    /// The upstream's numbers of the blocks that were left out, ascending.
    dropped: Vec<u64>,
    /// The last frame was left out, and the LF of the CRLF that ended it may still come.
    eat_lf: bool,
}

/// Beyond this many held bytes it is no event we know, and goes on as it is.
const MAX_HELD_BYTES: usize = 16 << 20;

enum Verdict {
    Keep,
    Drop,
    /// The block has this number now.
    Renumber(u64),
}

impl Filter {
    /// A filter that leaves out what is named. Events that hold a stream together and errors are
    /// never left out.
    pub fn new(names: Arc<[String]>) -> Self {
        let (held, dropped) = (BytesMut::new(), Vec::new());
        Self { names, framer: Framer::new(0), held, dropped, eat_lf: false }
    }

    /// Takes a chunk; returns the frames that it completes and that stay.
    pub fn push(&mut self, chunk: &Bytes) -> Bytes {
        if chunk.is_empty() {
            return Bytes::new();
        }
        let complete = self.framer.push(chunk, |_| {});
        let from = usize::from(self.eat_lf && chunk[0] == b'\n');
        self.eat_lf = false;
        let mut region = chunk.slice(from..complete.max(from));
        if complete > 0 && !self.held.is_empty() {
            self.held.extend_from_slice(&region);
            region = self.held.split().freeze();
        }
        let out = self.filtered(&region);
        self.held.extend_from_slice(&chunk[complete.max(from)..]);
        if self.held.len() > MAX_HELD_BYTES {
            return [&out[..], &self.held.split()].concat().into();
        }
        out
    }

    /// What was held back at the end of the stream.
    pub fn finish(&mut self) -> Bytes {
        let rest = self.held.split().freeze();
        self.filtered(&rest)
    }

    /// Whether a frame of one's own may be put in now.
    pub fn at_boundary(&self) -> bool {
        self.framer.at_boundary() && self.held.is_empty()
    }

    fn filtered(&mut self, region: &Bytes) -> Bytes {
        let mut edits: Vec<(Span, Option<String>)> = Vec::new();
        frames_of(region, |frame, span| match self.judge(frame) {
            Verdict::Keep => {}
            Verdict::Drop => edits.push((span, None)),
            Verdict::Renumber(number) => {
                let json = json_in_place(&region[span.clone()]);
                if let Some(index) = find(&json, &["index"]) {
                    let place = span.start + index.start..span.start + index.end;
                    edits.push((place, Some(number.to_string())));
                }
            }
        });
        let last = edits.last();
        self.eat_lf = region.ends_with(b"\r")
            && last.is_some_and(|(span, text)| span.end == region.len() && text.is_none());
        if edits.is_empty() {
            return region.clone();
        }
        let mut out = Vec::with_capacity(region.len() + 16);
        let mut from = 0;
        for (span, text) in edits {
            out.extend_from_slice(&region[from..span.start]);
            out.extend_from_slice(text.unwrap_or_default().as_bytes());
            from = span.end;
        }
        out.extend_from_slice(&region[from..]);
        out.into()
    }

    fn judge(&mut self, frame: &Frame<'_>) -> Verdict {
        if !frame.has_data() {
            return Verdict::Keep;
        }
        let data = frame.data();
        let name = match frame.event() {
            Some(name) => Some(String::from_utf8_lossy(name).into_owned()),
            None => string(&data, &["type"]),
        };
        match name.as_deref() {
            Some("message_start" | "message_delta" | "message_stop" | "error") => Verdict::Keep,
            Some("content_block_start") => {
                let Some(index) = number(&data, &["index"]) else { return Verdict::Keep };
                let kind = string(&data, &["content_block", "type"]);
                if kind.is_some_and(|kind| self.names.contains(&kind)) {
                    if let Err(place) = self.dropped.binary_search(&index) {
                        self.dropped.insert(place, index);
                    }
                    return Verdict::Drop;
                }
                self.renumbered(index)
            }
            Some("content_block_delta" | "content_block_stop") => match number(&data, &["index"]) {
                Some(index) if self.dropped.binary_search(&index).is_ok() => Verdict::Drop,
                Some(index) => self.renumbered(index),
                None => Verdict::Keep,
            },
            Some(name) if self.names.iter().any(|dropped| dropped == name) => Verdict::Drop,
            _ => Verdict::Keep,
        }
    }

    fn renumbered(&self, index: u64) -> Verdict {
        match self.dropped.partition_point(|dropped| *dropped < index) {
            0 => Verdict::Keep,
            before => Verdict::Renumber(index - before as u64),
        }
    }
}

/// A whole message without the blocks whose types are named. What is no message stays as it is.
pub fn filter_message(body: &Bytes, names: &[String]) -> Bytes {
    let filtered = || {
        let text = std::str::from_utf8(body).ok()?;
        let content = Node::whole(text).ok()?.get("content").ok()??;
        let blocks = content.elements().ok()?;
        let goes = |block: &Node<'_>| {
            let kind = block.get("type").ok().flatten().and_then(Node::text);
            kind.is_some_and(|kind| names.iter().any(|name| kind.is(name)))
        };
        let fate = |block| if goes(block) { Fate::Remove } else { Fate::Keep };
        let fates: Vec<Fate> = blocks.iter().map(fate).collect();
        let spans: Vec<Span> = blocks.iter().map(|block| block.span()).collect();
        let edits = settle(&spans, fates);
        (!edits.is_empty()).then(|| Bytes::from(apply(text, edits)))
    };
    filtered().unwrap_or_else(|| body.clone())
}

fn string(json: &[u8], path: &[&str]) -> Option<String> {
    serde_json::from_slice(&json[find(json, path)?]).ok()
}

fn number(json: &[u8], path: &[&str]) -> Option<u64> {
    serde_json::from_slice(&json[find(json, path)?]).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::*;

    fn names(names: &[&str]) -> Arc<[String]> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn run(dropped: &[&str], chunks: &[&[u8]]) -> String {
        let mut filter = Filter::new(names(dropped));
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&filter.push(&Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&filter.finish());
        String::from_utf8(out).expect("text")
    }

    fn streams() -> Vec<(String, Vec<u8>)> {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude-code");
        let all = std::fs::read_dir(dir).expect("the fixtures are there");
        let all = all.map(|entry| entry.expect("readable").path());
        let all: Vec<_> = all
            .filter(|path| path.extension().is_some_and(|e| e == "sse"))
            .map(|path| (path.display().to_string(), std::fs::read(&path).expect("readable")))
            .collect();
        assert!(all.len() > 5);
        all
    }

    /// Everywhere in a short stream, here and there in a long one; byte by byte covers the rest.
    fn cuts(stream: &[u8]) -> impl Iterator<Item = usize> {
        (0..stream.len()).step_by(if stream.len() > 1500 { 13 } else { 1 })
    }

    /// Every event's data.
    fn events(stream: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut framer = Framer::new(1 << 20);
        framer.push(stream.as_bytes(), |frame| {
            if frame.has_data() {
                events.extend(serde_json::from_slice(&frame.data()).ok());
            }
        });
        events
    }

    /// The same done to the events.
    fn expected(stream: &str, dropped: &[&str]) -> Vec<Value> {
        let mut gone = Vec::new();
        let mut out = Vec::new();
        for mut event in events(stream) {
            let kind = event["content_block"]["type"].as_str().unwrap_or_default();
            let name = event["type"].as_str().unwrap_or_default();
            if dropped.contains(&kind) {
                gone.push(event["index"].as_u64().expect("an index"));
            }
            let index = event["index"].as_u64();
            if dropped.contains(&name) || index.is_some_and(|index| gone.contains(&index)) {
                continue;
            }
            if let Some(index) = index {
                event["index"] = json!(index - gone.len() as u64);
            }
            out.push(event);
        }
        out
    }

    #[test]
    fn with_nothing_to_leave_out_a_stream_passes_byte_for_byte_wherever_it_is_cut() {
        for (name, stream) in streams() {
            let text = String::from_utf8(stream.clone()).expect("text");
            for cut in cuts(&stream) {
                let (a, b) = stream.split_at(cut);
                assert_eq!(run(&["no_such"], &[a, b]), text, "{name} at {cut}");
            }
        }
    }

    #[test]
    fn what_is_named_goes_and_the_rest_is_numbered_without_gaps_wherever_it_is_cut() {
        for (name, stream) in streams() {
            let text = String::from_utf8(stream.clone()).expect("text");
            for dropped in
                [&["thinking", "ping"][..], &["text"], &["tool_use"], &["server_tool_use"]]
            {
                let whole = run(dropped, &[&stream]);
                assert_eq!(events(&whole), expected(&text, dropped), "{name} {dropped:?}");
                for cut in cuts(&stream) {
                    let (a, b) = stream.split_at(cut);
                    assert_eq!(run(dropped, &[a, b]), whole, "{name} {dropped:?} at {cut}");
                }
                let each: Vec<&[u8]> = stream.chunks(1).collect();
                assert_eq!(run(dropped, &each), whole, "{name} {dropped:?} byte by byte");
            }
        }
    }

    #[test]
    fn what_holds_a_stream_together_stays_whatever_is_named() {
        for kept in [
            "event: message_start\ndata: {}\n\n",
            "event: message_delta\ndata: {}\n\n",
            "data: {\"type\":\"message_stop\"}\n\n",
            "event: error\ndata: {\"type\":\"error\"}\n\n",
            ": comment\n\n",
            "event: content_block_stop\ndata: {}\n\n",
            "event: message_stop\ndata: {}",
        ] {
            let all =
                ["message_start", "message_delta", "message_stop", "error", "content_block_stop"];
            assert_eq!(run(&all, &[kept.as_bytes()]), kept);
        }
    }

    #[test]
    fn only_the_number_changes_in_data_over_several_lines_too() {
        let start = "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"thinking\"}}\n\n";
        let kept = "data: {\"type\":\r\ndata: \"content_block_start\",\"x\":{\"index\":7},\r\ndata: \"index\" : 1 ,\"content_block\":{\"type\":\"text\"}}\r\n\r\n";
        let out = run(&["thinking"], &[start.as_bytes(), kept.as_bytes()]);
        assert_eq!(out, kept.replace("\"index\" : 1", "\"index\" : 0"));
    }

    #[test]
    fn a_frame_without_end_is_handed_on_in_the_end() {
        let mut filter = Filter::new(names(&["x"]));
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let mut handed = 0;
        for _ in 0..40 {
            handed += filter.push(&chunk).len();
            assert!(filter.held.len() <= MAX_HELD_BYTES);
        }
        assert_eq!(handed + filter.finish().len(), 40 << 20);
    }

    #[test]
    fn whole_messages_lose_the_same_blocks() {
        let body = r#"{"id":"m", "content": [{"type":"thinking","thinking":"x"}, {"type":"text","text":"a"},{"type":"thinking"} ],"usage":{}}"#;
        let bytes = Bytes::from(body);
        let wanted = r#"{"id":"m", "content": [{"type":"text","text":"a"} ],"usage":{}}"#;
        assert_eq!(filter_message(&bytes, &names(&["thinking", "ping"])), wanted);
        assert_eq!(filter_message(&bytes, &names(&["ping"])), body);
        for odd in ["", "{", "[]", r#"{"content":7}"#, r#"{"content":[7,{"type":7}]}"#] {
            assert_eq!(filter_message(&Bytes::from(odd), &names(&["thinking"])), odd);
        }
    }
}
