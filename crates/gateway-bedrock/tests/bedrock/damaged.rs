//! Streams damaged at random: whatever comes, nothing panics, nothing illegal goes out, and what is
//! told as whole is whole.

use gateway_testkit::bedrock::{Turn, event_stream};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{CLAUDE, NOVA_2, Short, Upstream, hello, read_stream, tool};

fn asked() -> Value {
    hello(&json!({
        "stream": true, "tools": [tool("Bash")], "stop_sequences": ["</stop>"],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }))
}

fn turn() -> Turn {
    Turn::reasoning("one")
        .and_text("héllo </st")
        .and_call("Bash", &json!({"command": "echo \"x\""}))
        .and_call("Bash", &json!({}))
        .and_text("end")
}

fn frames(upstream: &Upstream) -> Vec<event_stream::Frame> {
    let bytes = upstream.answer(&upstream.sent(&asked()), &turn());
    event_stream::frames(&bytes).expect("frames")
}

fn written(frame: &event_stream::Frame) -> Vec<u8> {
    let kind = frame.header(":event-type").unwrap_or_default().to_owned();
    event_stream::event(&kind, &frame.json())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("contentBlockIndex"),
            Just("start"),
            Just("delta"),
            Just("text"),
            Just("toolUse"),
            Just("toolUseId"),
            Just("name"),
            Just("input"),
            Just("reasoningContent"),
            Just("signature"),
            Just("redactedContent"),
            Just("citation"),
            Just("location"),
            Just("web"),
            Just("url"),
            Just("stopReason"),
            Just("usage"),
            Just("inputTokens"),
            Just("output"),
            Just("message"),
            Just("content"),
            Just("type"),
        ];
        let members = prop::collection::vec((key, inner.clone()), 0..4).prop_map(|members| {
            Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        });
        prop_oneof![members, prop::collection::vec(inner, 0..4).prop_map(Value::Array)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn events_in_any_order_make_a_legal_reply_or_a_fault(
        claude in any::<bool>(),
        picks in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let upstream = Upstream::of(if claude { CLAUDE } else { NOVA_2 });
        let frames = frames(&upstream);
        let bytes: Vec<u8> =
            picks.iter().flat_map(|at| written(&frames[at % frames.len()])).collect();
        let mut reader = upstream.encode(&asked()).expect("can be said").reader;
        let mut sink = Short::default();
        let read = read_stream(&mut *reader, &[&bytes], &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
    }

    #[test]
    fn payloads_of_any_kind_make_a_legal_reply_or_a_fault(
        events in prop::collection::vec((0..6usize, any_json()), 0..12),
    ) {
        let kinds = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
        let bytes: Vec<u8> =
            events.iter().flat_map(|(kind, payload)| event_stream::event(kinds[*kind], payload)).collect();
        let mut reader = Upstream::of(NOVA_2).encode(&asked()).expect("can be said").reader;
        let mut sink = Short::default();
        let read = read_stream(&mut *reader, &bytes.chunks(37).collect::<Vec<_>>(), &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
    }

    #[test]
    fn bytes_of_any_kind_are_no_reply(bytes in prop::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
        let mut reader = Upstream::of(CLAUDE).encode(&asked()).expect("can be said").reader;
        let mut sink = Short::default();
        let read = if whole {
            reader.whole(&bytes, &mut sink)
        } else {
            read_stream(&mut *reader, &bytes.chunks(13).collect::<Vec<_>>(), &mut sink)
        };
        prop_assert!(read.is_err() && sink.out.is_empty());
    }

    #[test]
    fn answers_of_any_shape_make_a_legal_reply_or_a_fault(content in any_json(), reason in ".{0,10}") {
        let body = json!({"output": {"message": {"content": [content]}}, "stopReason": reason});
        let mut reader = Upstream::of(NOVA_2).encode(&hello(&json!({}))).expect("can be said").reader;
        let mut sink = Short::default();
        let read = reader.whole(body.to_string().as_bytes(), &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
    }
}
