//! Streams damaged at random: whatever comes, nothing panics, nothing illegal goes out, and what is
//! told as whole is whole.

use gateway_testkit::google::{Asked, Style, Turn, gemini_reply};
use gateway_translate::BodyEnd;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Short, Upstream, hello, parse, read_stream};

const MODEL: &str = "gemini-3.1-pro-preview";

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
        .and_search("q")
        .and_cited_text("cited", "https://a.example", "A")
        .and_code("x", "y")
        .and_call("Bash", &json!({"command": "echo \"x\""}))
        .and_call("Bash", &json!({}))
}

#[derive(Debug, Clone)]
enum Damage {
    Change(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    DropFrame(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>();
    prop_oneof![
        (at, any::<u8>()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        (at, any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (at, 1..200usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (at, 1..200usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
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
            Damage::DropFrame(at) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut frames: Vec<&str> = text.split_inclusive("\r\n\r\n").collect();
                if !frames.is_empty() {
                    frames.remove(at % frames.len());
                }
                bytes = frames.concat().into_bytes();
            }
        }
    }
    bytes
}

fn answer(style: Style, events: bool) -> String {
    let upstream = Upstream::of(MODEL);
    let body = parse(&upstream.encode(&asked()).expect("can be said"));
    let asked = Asked { body: &body, model: MODEL, index: 0, rules: &upstream.rules };
    gemini_reply::frames(&turn().style(style), asked, events).concat()
}

/// At every place, in good form or not: what is told as whole has its reason to end.
#[test]
fn r04_a_cut_anywhere_never_makes_a_whole_answer() {
    let text = answer(Style { signature: 40, piece: 30, ..Style::default() }, true);
    let reason = text.find("finishReason").expect("a reason to end");
    for cut in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        for end in [BodyEnd::Clean, BodyEnd::Cut] {
            let mut reader = Upstream::of(MODEL).encode(&asked()).expect("can be said").reader;
            let mut sink = Short::default();
            let read = reader
                .push(&text.as_bytes()[..cut], &mut sink)
                .and_then(|_| reader.finish(end, &mut sink));
            assert_eq!(read.is_ok(), sink.grammar.is_done(), "at {cut}: {}", sink.out);
            assert!(read.is_err() || cut > reason, "at {cut}: {}", sink.out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn r04_damage_never_makes_an_illegal_or_half_an_answer(
        style in 0..9usize,
        events in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..5),
        chunk in 1..700usize,
    ) {
        let styles = ["google", "lf", "cr", "many-lines", "crlf", "one-piece", "every-call-signed",
            "late-grounding", "ends-bare"];
        let style = Style { signature: 60, ..Style::named(styles[style]) };
        let bytes = damaged(&answer(style, events), &damages);
        let mut reader = Upstream::of(MODEL).encode(&asked()).expect("can be said").reader;
        let mut sink = Short::default();
        let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
        let read = read_stream(&mut *reader, &chunks, &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done(), "{}", sink.out);
        if let Err(fault) = read {
            let text = fault.error.message();
            prop_assert!(!text.is_empty() && !text.contains("put the answer in order"), "{}", text);
        }
        // The same bytes as one body.
        let mut reader = Upstream::of(MODEL).encode(&asked()).expect("can be said").reader;
        let mut sink = Short::default();
        let read = reader.whole(&bytes, &mut sink);
        prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for head in [&b""[..], b"data: ", b"data: {\"candidates\":[{\"content\":{\"parts\":[{", b"[{"] {
            let mut reader = Upstream::of(MODEL).encode(&asked()).expect("can be said").reader;
            let mut sink = Short::default();
            let read = read_stream(&mut *reader, &[head, &bytes, b"\r\n\r\n"], &mut sink);
            prop_assert_eq!(read.is_ok(), sink.grammar.is_done());
        }
    }
}
