//! What is said: answers that carry the number of their question and of their own pieces, so that the
//! caller can tell a whole one from one that only looks so.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The mark of a question in its text.
pub(crate) fn mark(question: u64) -> String {
    format!("soak-{question:08}")
}

/// The question that a request's body asks.
pub(crate) fn question_in(body: &[u8]) -> Option<u64> {
    let at = body.windows(5).position(|five| five == b"soak-")?;
    std::str::from_utf8(body.get(at + 5..at + 13)?).ok()?.parse().ok()
}

/// The pieces of an answer.
pub(crate) fn pieces(question: u64, count: u64) -> Vec<String> {
    let mut pieces = vec![mark(question)];
    pieces.extend((1..=count).map(|nth| format!(" {nth}/{count}")));
    pieces.push(" end".to_owned());
    pieces
}

/// Whether this is the whole answer to that question.
pub(crate) fn is_whole(question: u64, text: &str) -> bool {
    let count = text.split_whitespace().nth(1).and_then(|first| first.strip_prefix("1/"));
    let Some(count) = count.and_then(|count| count.parse().ok()) else { return false };
    count <= 10_000 && text == pieces(question, count).concat()
}

/// What a counter of tokens says to that question.
pub(crate) fn count_of(question: u64) -> u64 {
    1000 + question % 1000
}

/// A Messages request.
pub(crate) fn request(question: u64, model: &str, stream: bool, padding: usize) -> String {
    let pad = "word ".repeat(padding / 5);
    let stream = if stream { r#""stream":true,"# } else { "" };
    format!(
        r#"{{"model":"{model}","max_tokens":1024,{stream}"messages":[{{"role":"user","content":"{} {pad}"}}]}}"#,
        mark(question)
    )
}

/// The same for a count.
pub(crate) fn count_request(question: u64, model: &str) -> String {
    let mark = mark(question);
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{mark}"}}]}}"#)
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Anthropic's Messages.
    Messages,
    /// `OpenAI`'s Chat Completions.
    Chat,
}

impl Dialect {
    /// A whole answer that is no stream.
    pub(crate) fn unary(self, pieces: &[String]) -> String {
        let text = pieces.concat();
        let answer = match self {
            Self::Messages => json!({
                "id": "msg_soak", "type": "message", "role": "assistant", "model": "claude-soak",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": 20, "output_tokens": pieces.len()},
            }),
            Self::Chat => json!({
                "id": "chatcmpl-soak", "object": "chat.completion", "created": 1_790_000_000, "model": "soak",
                "choices": [{
                    "index": 0, "finish_reason": "stop", "logprobs": null,
                    "message": {"role": "assistant", "content": text, "refusal": null},
                }],
                "usage": {"prompt_tokens": 20, "completion_tokens": pieces.len(), "total_tokens": 20 + pieces.len()},
            }),
        };
        answer.to_string()
    }

    /// The events of a streamed answer; the last one ends it.
    pub(crate) fn events(self, pieces: &[String]) -> Vec<String> {
        match self {
            Self::Messages => messages_events(pieces),
            Self::Chat => chat_events(pieces),
        }
    }

    /// An error's body.
    pub(crate) fn error(self, status: u16, text: &str) -> String {
        let kind = match status {
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        match self {
            Self::Messages => json!({"type": "error", "error": {"type": kind, "message": text}}),
            Self::Chat => {
                json!({"error": {"message": text, "type": kind, "param": null, "code": null}})
            }
        }
        .to_string()
    }

    /// An error as the first event of a stream.
    pub(crate) fn error_event(self) -> String {
        match self {
            Self::Messages => format!("event: error\ndata: {}\n\n", self.error(529, "Overloaded")),
            Self::Chat => format!("data: {}\n\n", self.error(500, "The server had an error")),
        }
    }
}

fn messages_events(pieces: &[String]) -> Vec<String> {
    let event = |data: Value| {
        let name = data["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {data}\n\n")
    };
    let mut events = vec![
        event(json!({"type": "message_start", "message": {
            "id": "msg_soak", "type": "message", "role": "assistant", "model": "claude-soak", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 20, "output_tokens": 1},
        }})),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    events.extend(pieces.iter().map(|piece| {
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}))
    }));
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    events.push(event(json!({
        "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": pieces.len()},
    })));
    events.push(event(json!({"type": "message_stop"})));
    events
}

fn chat_events(pieces: &[String]) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let data = json!({
            "id": "chatcmpl-soak", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "soak",
            "choices": choices, "usage": usage,
        });
        format!("data: {data}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let mut events =
        vec![chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    for piece in pieces {
        events.push(chunk(choice(json!({"content": piece}), Value::Null), Value::Null));
    }
    events.push(chunk(choice(json!({}), json!("stop")), Value::Null));
    let count = pieces.len();
    let usage =
        json!({"prompt_tokens": 20, "completion_tokens": count, "total_tokens": 20 + count});
    events.push(chunk(json!([]), usage));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// What a streamed reply in Anthropic's form says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// `message_stop` came.
    pub(crate) stopped: bool,
    /// An `error` event came.
    pub(crate) failed: bool,
    /// `ping`s that came.
    pub(crate) pings: u64,
}

/// Reads the whole events of a stream.
pub(crate) fn heard(body: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let text = String::from_utf8_lossy(body);
    // What stands after the last blank line is no whole event.
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    for event in whole.split("\n\n") {
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        match data["type"].as_str() {
            Some("content_block_delta") => {
                let _ =
                    write!(heard.text, "{}", data["delta"]["text"].as_str().unwrap_or_default());
            }
            Some("message_stop") => heard.stopped = true,
            Some("error") => heard.failed = true,
            Some("ping") => heard.pings += 1,
            _ => {}
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_told_from_every_part_of_it() {
        let all = pieces(42, 3);
        assert_eq!(all.concat(), "soak-00000042 1/3 2/3 3/3 end");
        assert!(is_whole(42, &all.concat()));
        assert!(!is_whole(43, &all.concat()));
        for left_out in 0..all.len() {
            let mut part = all.clone();
            part.remove(left_out);
            assert!(!is_whole(42, &part.concat()), "without piece {left_out}");
        }
    }

    #[test]
    fn a_question_is_found_in_what_is_asked() {
        for body in [request(7, "m", true, 100), count_request(7, "m")] {
            assert_eq!(question_in(body.as_bytes()), Some(7));
            assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}");
        }
        assert_eq!(question_in(b"soak-12"), None);
    }

    #[test]
    fn a_stream_is_heard_as_far_as_it_came() {
        let events = Dialect::Messages.events(&pieces(9, 2));
        let whole = heard(events.concat().as_bytes());
        assert!(whole.stopped && !whole.failed && is_whole(9, &whole.text));
        let mut cut = events[..events.len() - 1].concat();
        cut.push_str(&events[events.len() - 1][..20]);
        assert!(!heard(cut.as_bytes()).stopped);
        assert!(heard(Dialect::Messages.error_event().as_bytes()).failed);
    }
}
