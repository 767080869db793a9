//! Streams damaged at random: whatever comes, nothing panics, nothing illegal goes out, and what is
//! told as whole is whole.

use gateway_testkit::openai::{Style, Turn};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Short, Upstream, answer, hello, parse};

fn asked() -> serde_json::Value {
    hello(&json!({
        "stream": true,
        "thinking": {"type": "adaptive"},
        "stop_sequences": ["</stop>"],
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search"}],
    }))
}

fn turn() -> Turn {
    Turn::reasoning(&["one", "two"])
        .and_text("héllo </st")
        .and_search("q", &["https://a.example"])
        .and_cited_text("cited", "https://a.example", "A")
        .and_call("Bash", &json!({"command": "echo \"x\""}))
        .and_call("Bash", &json!({}))
}

#[derive(Debug, Clone)]
enum Damage {
    Change(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    SwapFrames(usize, usize),
    DropFrame(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>();
    prop_oneof![
        (at, any::<u8>()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        (at, any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (at, 1..200usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (at, 1..200usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
        (at, at).prop_map(|(a, b)| Damage::SwapFrames(a, b)),
        at.prop_map(Damage::DropFrame),
    ]
}

fn damaged(text: &str, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for damage in damages {
        let len = bytes.len().max(1);
        let range = |at: usize, n: usize| at % len..(at % len + n).min(bytes.len());
        match *damage {
            Damage::Change(at, byte) => {
                if let Some(there) = bytes.get_mut(at % len) {
                    *there = byte;
                }
            }
            Damage::Insert(at, byte) => bytes.insert(at % len, byte),
            Damage::Remove(at, n) => drop(bytes.drain(range(at, n))),
            Damage::Repeat(at, n) => {
                let piece = bytes[range(at, n)].to_vec();
                bytes.splice(at % len..at % len, piece);
            }
            Damage::SwapFrames(..) | Damage::DropFrame(_) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut frames: Vec<&str> = text.split_inclusive("\n\n").collect();
                let count = frames.len().max(1);
                match *damage {
                    Damage::SwapFrames(a, b) if frames.len() > 1 => {
                        frames.swap(a % count, b % count);
                    }
                    Damage::DropFrame(at) if !frames.is_empty() => drop(frames.remove(at % count)),
                    _ => {}
                }
                bytes = frames.concat().into_bytes();
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn r04_damage_never_makes_an_illegal_or_half_an_answer(
        style in 0..10usize,
        damages in prop::collection::vec(damage(), 1..5),
        chunk in 1..700usize,
    ) {
        let styles = ["openai", "crlf", "many-lines", "no-deltas", "phase", "done", "comments", "tight", "obfuscation", "openai"];
        let encoded = Upstream::of("gpt-5.6-terra").encode(&asked()).expect("can be said");
        let text = answer(&parse(&encoded), &turn().style(Style::named(styles[style])));
        let bytes = damaged(&text, &damages);
        let mut reader = encoded.reader;
        let mut sink = Short::default();
        let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
        let read = crate::support::read_stream(&mut *reader, &chunks, &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done(), "{}", sink.out);
        if let Err(fault) = read {
            let text = fault.error.message();
            prop_assert!(!text.is_empty() && !text.contains("put the answer in order"), "{}", text);
        }
        // The same bytes as one body.
        let encoded = Upstream::of("gpt-5.6-terra").encode(&asked()).expect("can be said");
        let mut reader = encoded.reader;
        let mut sink = Short::default();
        let read = reader.whole(&bytes, &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
    }
}
