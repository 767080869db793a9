//! Replies and requests with things broken in them: no panic, no illegal event, no silence.

use gateway_translate::{BodyEnd, Egress as _};
use serde_json::{Value, json};

use crate::support::{Upstream, delta, done, finish, stream_in, usage, whole};

/// A small generator: the same numbers every time.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).expect("small")
    }
}

const PIECES: [&[u8]; 18] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\n\n",
    b"\r",
    b"data: ",
    b"null",
    b"\\u00",
    b"\xff",
    b"\xf0\x9f",
    b"[DONE]",
    b"\"error\":{\"message\":\"x\"},",
    b"0",
    b",",
    b"<think>",
];

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(5) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + dice.roll(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let piece = PIECES[dice.roll(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let end = (at + dice.roll(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(dice.roll(256)).expect("a byte");
                }
            }
        }
    }
}

fn streams() -> Vec<String> {
    let call = |i: u64, id: &str, args: &str| {
        delta(
            json!({"tool_calls": [{"index": i, "id": id, "function": {"name": "A", "arguments": args}}]}),
        )
    };
    let details = delta(
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "x", "index": 0}, {"type": "reasoning.encrypted", "data": "y", "index": 1}]}),
    );
    let cite = delta(
        json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]}),
    );
    vec![
        done(&[delta(json!({"role": "assistant", "content": ""})), delta(json!({"content": "a é \u{1f600} \"q\""})), cite, finish("stop"), usage(5, 6)]),
        done(&[delta(json!({"reasoning_content": "hm"})), call(0, "a", "{\"x\""), call(1, "b", "{}"), call(0, "a", ":1}"), finish("tool_calls")]),
        done(&[details, delta(json!({"content": [{"type": "text", "text": "<think>x"}]})), delta(json!({"content": "y</think>z", "refusal": "no"})), finish("length"), usage(1, 2)]),
        json!({"choices": [{"message": {"content": "x", "tool_calls": [{"id": "a", "function": {"name": "A", "arguments": {"b": 1}}}]}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).to_string(),
    ]
}

#[test]
fn broken_replies_end_or_fail_and_never_break_the_grammar() {
    let up = Upstream::new("https://openrouter.ai/api/v1", "x/y");
    let body =
        crate::support::request(json!({"thinking": {"type": "adaptive"}, "stop_sequences": ["zz"],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}]}));
    let request = gateway_anthropic::decode(body.as_bytes()).expect("a request");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let streams = streams();
    for round in 0..3000 {
        let mut bytes = streams[round % streams.len()].clone().into_bytes();
        mutate(&mut bytes, &mut dice);
        let mut reader = up.egress.encode(&request, &up.cx()).expect("is taken").reader;
        let size = 1 + dice.roll(80);
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        let end = if dice.roll(2) == 0 { BodyEnd::Clean } else { BodyEnd::Cut };
        // Asserts that it ends in one way and that events are legal.
        let got = stream_in(&mut *reader, &pieces, end);
        for event in &got.events {
            assert!(!event.contains("illegal"), "{event}");
        }
        assert!(
            !got.fault.as_ref().is_some_and(|f| f.starts_with("500 NextProvider")),
            "{got:?}\n{}",
            String::from_utf8_lossy(&bytes)
        );
        let mut reader = up.egress.encode(&request, &up.cx()).expect("is taken").reader;
        let _ = whole(&mut *reader, &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn broken_requests_are_refused_or_become_json() {
    let full = json!({"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "s"}],
        "tools": [{"name": "A b", "input_schema": {"anyOf": [{"type": "array"}, {"$ref": "#/$defs/x"}], "$defs": {"x": {"enum": []}}}, "strict": true}],
        "tool_choice": {"type": "any"}, "stop_sequences": ["x"], "metadata": {"user_id": "{}"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "q \\ \" \u{1f600}"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "gw1.AAAA"}, {"type": "tool_use", "id": "t1", "name": "A b", "input": {"k": [1, {"z": "\n"}]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "r"}], "is_error": true}]}]});
    let full = full.to_string();
    let ups = [
        Upstream::compatible(),
        Upstream::new("https://openrouter.ai/api/v1", "x/y"),
        Upstream::openai("gpt-5.2"),
    ];
    let mut dice = Dice(7);
    let mut encoded = 0;
    for round in 0..4000 {
        let mut bytes = full.clone().into_bytes();
        mutate(&mut bytes, &mut dice);
        // Keep some of them well-formed: swap values for others.
        let bytes = if round % 2 == 0 { bytes } else { swapped(&full, &mut dice) };
        let Ok(request) = gateway_anthropic::decode(&bytes) else { continue };
        let up = &ups[round % ups.len()];
        if let Ok(sent) = up.egress.encode(&request, &up.cx()) {
            let lenient: Result<Value, _> = serde_json::from_str(&sent.body);
            // Where the caller's own strings are no JSON, neither are ours; else they are.
            if serde_json::from_slice::<Value>(&bytes).is_ok() {
                assert!(
                    lenient.is_ok(),
                    "{}\nbecame {}",
                    String::from_utf8_lossy(&bytes),
                    sent.body
                );
            }
            encoded += 1;
        }
    }
    assert!(encoded > 500, "only {encoded} were encoded");
}

/// `text` with one of its values another.
fn swapped(text: &str, dice: &mut Dice) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    let others = [
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!("x"),
        json!(1),
        json!([[]]),
        json!({"type": "text", "text": "n"}),
        json!(true),
        json!({"type": "image"}),
    ];
    let other = others[dice.roll(others.len())].clone();
    let depth = 1 + dice.roll(7);
    swap(&mut value, other, depth, dice);
    value.to_string().into_bytes()
}

fn swap(value: &mut Value, other: Value, depth: usize, dice: &mut Dice) {
    let step = dice.roll(16);
    match value {
        Value::Array(list) if depth > 0 && !list.is_empty() => {
            let at = step % list.len();
            swap(&mut list[at], other, depth - 1, dice);
        }
        Value::Object(map) if depth > 0 && !map.is_empty() => {
            let at = step % map.len();
            if let Some(inner) = map.values_mut().nth(at) {
                swap(inner, other, depth - 1, dice);
            }
        }
        leaf => *leaf = other,
    }
}
