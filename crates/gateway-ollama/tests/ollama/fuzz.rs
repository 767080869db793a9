//! Streams of all that servers may say, in any order and cut anywhere: the reading never depends on the
//! cuts, never panics, and ends in an end or a fault.

use gateway_translate::BodyEnd;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Upstream, done, said, stream_in};

fn line() -> impl Strategy<Value = String> {
    let text = "[a-zé\"\\\\\n <]{0,6}";
    let arguments = prop_oneof![
        Just(json!({})),
        Just(json!({"a": "é\n"})),
        Just(json!("{\"b\":1}")),
        Just(json!("{\"b\":")),
        Just(Value::Null),
        Just(json!([1])),
    ];
    let call = (prop_oneof!["", "call_[ab]"], prop_oneof!["A", "Bc", ""], arguments).prop_map(
        |(id, name, arguments)| {
            let call = json!({"id": id, "function": {"name": name, "arguments": arguments}});
            said(json!({"content": "", "tool_calls": [call]}))
        },
    );
    prop_oneof![
        4 => text.prop_map(|text| said(json!({"content": text}))),
        3 => text.prop_map(|text| said(json!({"content": "", "thinking": text}))),
        3 => call,
        2 => (prop_oneof!["stop", "length", "load", ""], 0u64..20_000, 0u64..20).prop_map(|(why, prompt, tokens)| done(&why, prompt, tokens)),
        1 => text.prop_map(|text| format!("{}\n", json!({"error": text}))),
        1 => Just("\n".to_owned()),
        1 => prop_oneof![Just("{}\n"), Just("null\n"), Just("{\"message\":null,\"done\":false}\n"), Just("{\"message\":{\"content\":[1]}}\n"), Just("nonsense\n"), Just("{\"message\":{\"tool_calls\":7}}\n"), Just("{\"message\":{\"tool_calls\":[7]}}\n")].prop_map(str::to_owned),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop::collection::vec(line(), 0..8).prop_map(|lines| lines.concat().into_bytes());
    // Some of it broken.
    (stream, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2)).prop_map(
        |(mut stream, edits)| {
            for (at, byte) in edits {
                if !stream.is_empty() {
                    let at = at.index(stream.len());
                    stream[at] = byte;
                }
            }
            stream
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunking_is_invisible_and_nothing_panics(
        stream in bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        clean in any::<bool>(),
        asked in prop_oneof![
            Just(json!({})),
            Just(json!({"thinking": {"type": "adaptive"}})),
            Just(json!({"thinking": {"type": "adaptive", "display": "omitted"}, "stop_sequences": ["a<", "é"]})),
        ],
    ) {
        let end = if clean { BodyEnd::Clean } else { BodyEnd::Cut };
        let up = Upstream::new();
        let fresh = || up.sent(asked.clone()).reader;
        let at_once = stream_in(&mut *fresh(), &[&stream], end);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&stream[from..cut]);
            from = cut;
        }
        pieces.push(&stream[from..]);
        prop_assert_eq!(stream_in(&mut *fresh(), &pieces, end), at_once);
    }
}
