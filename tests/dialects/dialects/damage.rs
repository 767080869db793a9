//! Answers that are cut, damaged, or none at all.

use std::sync::LazyLock;

use gateway_translate::BodyEnd;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use crate::dialects::{Dialect, all, named};
use crate::heard::hear;
use crate::replies::{asked, rich};
use crate::said::Style;

/// One dialect for each decoder there is.
const DECODERS: [&str; 8] = [
    "openai-chat",
    "openai-responses",
    "openrouter",
    "gemini-3.1",
    "converse-gpt-oss",
    "ollama",
    "vertex-claude-4.7",
    "bedrock-claude-4.7",
];

/// Its own way, in few bytes.
fn brief(dialect: &Dialect) -> Style {
    match dialect.style() {
        Style::OpenAi(style) => {
            Style::OpenAi(gateway_testkit::openai::Style { piece: 60, ..style })
        }
        Style::Google(style) => {
            Style::Google(gateway_testkit::google::Style { piece: 60, signature: 40, ..style })
        }
        Style::Bedrock(style) => {
            Style::Bedrock(gateway_testkit::bedrock::Style { piece: 60, padding: false, ..style })
        }
    }
}

fn stream(dialect: &Dialect) -> Vec<u8> {
    dialect.answer(&dialect.sent(&asked(true)), &rich(), &brief(dialect), 0)
}

/// What matters of a message: what it says and why it ended. Usage may come behind that.
fn essence(message: &Value) -> (Value, Value) {
    (message["content"].clone(), message["stop_reason"].clone())
}

/// Wherever a stream breaks off, and however well its body ends: a success is the whole answer.
#[test]
fn r04_r05_a_stream_cut_anywhere_is_never_half_a_success() {
    for name in DECODERS {
        let dialect = named(name);
        let bytes = stream(&dialect);
        let full = hear(&mut dialect.sent(&asked(true)), &[&bytes], BodyEnd::Clean).whole();
        for cut in 0..bytes.len() {
            let ends = [BodyEnd::Clean, BodyEnd::Cut];
            for end in ends.into_iter().take(if cut % 4 == 0 { 2 } else { 1 }) {
                let got = hear(&mut dialect.sent(&asked(true)), &[&bytes[..cut]], end);
                match got.message {
                    Some(message) => {
                        assert_eq!(essence(&message), essence(&full), "{name} cut at {cut}");
                        let late = bytes.len() - cut < bytes.len() / 3;
                        assert!(late, "{name} has its end at {cut} of {}", bytes.len());
                    }
                    None => assert!(got.fault.is_some(), "{name} cut at {cut}"),
                }
            }
        }
    }
}

/// R6: nothing, or nothing that says anything, is an error and no empty message.
#[test]
fn r06_an_answer_of_nothing_is_an_error() {
    for dialect in all() {
        for nothing in [&b""[..], b"\n\n", b": keep-alive\n\n"] {
            for end in [BodyEnd::Clean, BodyEnd::Cut] {
                let got = hear(&mut dialect.sent(&asked(true)), &[nothing], end);
                assert!(got.message.is_none(), "{} {nothing:?}", dialect.name);
                assert!(got.fault.is_some(), "{} {nothing:?}", dialect.name);
            }
        }
        if !dialect.is_claude() {
            for nothing in [&b""[..], b"{}", b"null", b"[]", b"{\"error\":{}}", b"<html>"] {
                let got = hear(&mut dialect.sent(&asked(false)), &[nothing], BodyEnd::Clean);
                assert!(got.message.is_none(), "{} {nothing:?}: {got:?}", dialect.name);
            }
        }
    }
}

/// What never ends is given up, not kept for ever.
#[test]
fn what_has_no_end_is_not_kept_for_ever() {
    const MIB: usize = 1 << 20;
    for name in DECODERS {
        let dialect = named(name);
        if dialect.is_claude() && !name.starts_with("bedrock") {
            // Passed on as it comes: what is held is bounded by the relay's own tests.
            continue;
        }
        let begins: &[u8] = match name {
            "ollama" => b"{\"message\":{\"content\":\"",
            name if name.starts_with("converse") || name.starts_with("bedrock") => {
                // A frame that says it is as long as frames can be.
                &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]
            }
            _ => b"data: {\"x\":\"",
        };
        let garbage = vec![b'a'; MIB];
        let mut pieces = vec![begins];
        pieces.extend(std::iter::repeat_n(&garbage[..], 70));
        let got = hear(&mut dialect.sent(&asked(true)), &pieces, BodyEnd::Clean);
        assert!(got.message.is_none() && got.fault.is_some(), "{name}");
    }
}

#[derive(Debug, Clone)]
enum Harm {
    Change(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Swap(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<usize>();
    prop_oneof![
        (at, any::<u8>()).prop_map(|(at, byte)| Harm::Change(at, byte)),
        (at, any::<u8>()).prop_map(|(at, byte)| Harm::Insert(at, byte)),
        (at, 1..200usize).prop_map(|(at, len)| Harm::Remove(at, len)),
        (at, 1..200usize).prop_map(|(at, len)| Harm::Repeat(at, len)),
        (at, at).prop_map(|(one, two)| Harm::Swap(one, two)),
    ]
}

fn harmed(bytes: &[u8], harms: &[Harm]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for harm in harms {
        let len = bytes.len().max(1);
        let range = |at: usize, n: usize| at % len..(at % len + n).min(bytes.len());
        match *harm {
            Harm::Change(at, byte) => {
                if let Some(there) = bytes.get_mut(at % len) {
                    *there = byte;
                }
            }
            Harm::Insert(at, byte) => bytes.insert(at % len, byte),
            Harm::Remove(at, n) => drop(bytes.drain(range(at, n))),
            Harm::Repeat(at, n) => {
                let piece = bytes[range(at, n)].to_vec();
                bytes.splice(at % len..at % len, piece);
            }
            Harm::Swap(one, two) if !bytes.is_empty() => bytes.swap(one % len, two % len),
            Harm::Swap(..) => {}
        }
    }
    bytes
}

static STREAMS: LazyLock<Vec<(Dialect, Vec<u8>)>> = LazyLock::new(|| {
    let one = |name| {
        let dialect = named(name);
        let bytes = stream(&dialect);
        (dialect, bytes)
    };
    DECODERS.into_iter().map(one).collect()
});

/// What in a stream says that it ended; of frames whose payload is not plain, nothing.
fn ends(name: &str) -> &'static [&'static str] {
    match name {
        "openai-chat" | "openrouter" => &["finish_reason", "[DONE]"],
        "openai-responses" => &["completed", "incomplete"],
        "gemini-3.1" => &["finishReason", "finish_reason", "blockReason"],
        "converse-gpt-oss" => &["messageStop"],
        "ollama" => &["done"],
        "vertex-claude-4.7" => &["message_stop"],
        _ => &[""],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() })]

    /// Whatever comes: no panic, nothing illegal (the sink sees to that), and no end without one.
    #[test]
    fn r04_a_damaged_stream_is_a_legal_one_or_an_error(
        which in 0..DECODERS.len(),
        harms in prop::collection::vec(harm(), 1..5),
        chunk in 1..700usize,
        cut in any::<bool>(),
    ) {
        let (dialect, bytes) = &STREAMS[which];
        let bytes = harmed(bytes, &harms);
        let end = if cut { BodyEnd::Cut } else { BodyEnd::Clean };
        let pieces: Vec<&[u8]> = bytes.chunks(chunk).collect();
        if dialect.is_claude() {
            // Claude's own events are passed on as they are, so only the reader is put to the test.
            let mut sent = dialect.sent(&asked(true));
            if let crate::dialects::Read::Unwrapped(unwrap) = &mut sent.read {
                let mut out = Vec::new();
                let read = pieces.iter().try_for_each(|piece| unwrap.push(piece, &mut out));
                let whole = read.and_then(|()| unwrap.finish(end, &mut out)).is_ok();
                let text = String::from_utf8(out).expect("a text");
                prop_assert!(!whole || text.contains("message_stop") || text.contains("event: error"));
            }
        } else {
            let got = hear(&mut dialect.sent(&asked(true)), &pieces, end);
            if got.message.is_some() {
                let text = String::from_utf8_lossy(&bytes);
                let ends = ends(dialect.name).iter().any(|mark| text.contains(mark));
                prop_assert!(ends, "{}: {}", dialect.name, got.events);
            }
        }
    }

    #[test]
    fn noise_is_an_error(
        which in 0..DECODERS.len(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        stream in any::<bool>(),
    ) {
        let (dialect, _) = &STREAMS[which];
        let got = hear(&mut dialect.sent(&asked(stream)), &[&bytes], BodyEnd::Clean);
        prop_assert!(got.message.is_none(), "{}", dialect.name);
    }
}
