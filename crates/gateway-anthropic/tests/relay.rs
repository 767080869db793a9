//! The relay against every recorded stream, cut everywhere, and against mutations of them.

use std::path::PathBuf;

use bytes::Bytes;
use gateway_anthropic::edit::{BetaPatterns, Documents, Policy, Thinking, edit};
use gateway_anthropic::hosted::{Host, HostCx, wrap};
use gateway_anthropic::{Phase, Relay, StreamEnd};
use gateway_translate::{Redactor, Splice, find, peek};
use gateway_types::UsageQuality;

fn fixtures(extension: &str) -> Vec<(String, Bytes)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude-code");
    let mut found: Vec<(String, Bytes)> = std::fs::read_dir(&dir)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| {
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned());
            (name.unwrap_or_default(), std::fs::read(&path).expect("readable").into())
        })
        .collect();
    found.sort();
    assert!(found.len() > 5, "{extension} fixtures in {}", dir.display());
    found
}

/// Everything the relay hands on for a stream cut at `cuts`, and what it made of it.
fn relayed(stream: &Bytes, cuts: &[usize], rename: Option<&str>) -> (Vec<u8>, Phase, UsageQuality) {
    let mut relay = Relay::new(rename.map(str::to_owned), Redactor::new(["sk-ant-own-key-123"]));
    let mut out = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&stream.len()]) {
        if to > from {
            out.extend_from_slice(&relay.push(stream.slice(from..to)).concat());
            from = to;
        }
    }
    out.extend_from_slice(&relay.finish(StreamEnd::Clean).concat());
    (out, relay.phase(), relay.usage().1)
}

#[test]
fn r02_r04_every_recorded_stream_is_relayed_byte_for_byte_wherever_it_is_cut() {
    for (name, stream) in fixtures("sse") {
        let whole = relayed(&stream, &[], None);
        assert_eq!(whole.0, stream, "{name}");
        assert_eq!(whole.1 == Phase::Ended, !name.contains("cut"), "{name}");
        for cut in 0..stream.len() {
            assert_eq!(relayed(&stream, &[cut], None), whole, "{name} cut at {cut}");
            let thrice = [cut, cut + 1, cut + 3].map(|at| at.min(stream.len()));
            assert_eq!(relayed(&stream, &thrice, None).0, stream, "{name} at {cut}");
        }
        let each: Vec<usize> = (1..stream.len()).collect();
        assert_eq!(relayed(&stream, &each, None), whole, "{name} byte by byte");
    }
}

#[test]
fn r17_a_renamed_stream_is_the_same_wherever_it_is_cut() {
    for (name, stream) in fixtures("sse") {
        let whole = relayed(&stream, &[], Some("asked/for \"this\""));
        let text = String::from_utf8_lossy(&whole.0).into_owned();
        assert!(text.contains(r#"asked/for \"this\""#), "{name}: {text}");
        for cut in 0..stream.len() {
            assert_eq!(
                relayed(&stream, &[cut], Some("asked/for \"this\"")),
                whole,
                "{name} at {cut}"
            );
        }
    }
}

/// A small generator of the same numbers every time: mutations must be repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }

    /// One of: a flipped byte, a cut, a doubled piece, an inserted token.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const TOKENS: [&[u8]; 12] = [
            b"\n\n",
            b"\r",
            b"\r\n\r\n",
            b"event: error\n",
            b"data: {\"type\":\"error\"}\n\n",
            b"\"model\":",
            b"{",
            b"]",
            b"\\u0022",
            b"\\",
            b"\"",
            b"\xff\xfe",
        ];
        let at = self.roll(bytes.len() + 1);
        match self.roll(4) {
            0 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] ^= 1 << self.roll(8);
            }
            1 => bytes.truncate(at),
            2 => {
                let to = (at + self.roll(64)).min(bytes.len());
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let token = TOKENS[self.roll(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
}

/// Fuzz body: whatever a stream holds, cutting it is invisible and, unless a key is masked or a name
/// replaced, the bytes are what they were.
fn fuzz_stream(stream: &Bytes, cuts: &[usize]) {
    let whole = relayed(stream, &[], None);
    assert_eq!(whole.0, *stream);
    assert_eq!(relayed(stream, cuts, None), whole, "cut at {cuts:?}: {stream:?}");
    let renamed = relayed(stream, &[], Some("n"));
    assert_eq!(relayed(stream, cuts, Some("n")).1, renamed.1);
}

/// Fuzz body: a request that can be read can be edited, and only its name changes.
fn fuzz_request(body: &Bytes) {
    let _ = find(body, &["message", "model"]);
    let Ok(ask) = peek(body) else { return };
    let (span, name) = (ask.model_span.clone(), ask.model.into_owned());
    let edited = Splice::string(body, span.clone(), "x").concat();
    assert_eq!(&edited[..span.start], &body[..span.start]);
    assert_eq!(&edited[span.start..span.start + 3], b"\"x\"");
    assert_eq!(&edited[span.start + 3..], &body[span.end..]);
    let again = peek(&edited).expect("what could be read can be read again");
    assert_eq!((&*again.model, again.stream), ("x", ask.stream));
    assert!(!name.is_empty());
}

/// Fuzz body: a request that is valid is valid when it has been edited.
fn fuzz_edit(body: &Bytes) {
    let valid = |body: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if !valid(body) {
        return;
    }
    let everything = Policy {
        thinking: Thinking::Strip,
        strip_cache_control: true,
        inline_system: true,
        documents: Documents::Text,
        strip_output_config: true,
        drop_fields: ["metadata", "thinking.display", "tools.strict"].map(str::to_owned).to_vec(),
        drop_betas: BetaPatterns::new(["*"]).expect("a pattern"),
        ..Policy::default()
    };
    let elsewhere = Policy::for_base("https://api.deepseek.com/anthropic");
    for policy in [Policy::default(), everything, elsewhere] {
        if let Ok(Some(edited)) = edit(body, &policy, "") {
            assert!(valid(&edited.body), "{body:?} became {:?}", edited.body);
        }
    }
    let policy = Policy::default();
    let vertex = Host::Vertex { project: "p".into(), location: "l".into() };
    for host in [vertex, Host::Bedrock, Host::BedrockMessages] {
        for model in ["anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-opus-4-7"] {
            if let Ok(wrapped) = wrap(&host, body, &HostCx::new(model, &policy)) {
                assert!(valid(&wrapped.body), "{body:?} became {:?}", wrapped.body);
            }
        }
    }
}

#[test]
fn mutated_streams_are_relayed_the_same_however_they_are_cut() {
    let seeds = fixtures("sse");
    let mut dice = Dice(7);
    for round in 0..6000 {
        let mut bytes = seeds[round % seeds.len()].1.to_vec();
        for _ in 0..=dice.roll(6) {
            dice.mutate(&mut bytes);
        }
        let mut cuts: Vec<usize> = (0..dice.roll(6)).map(|_| dice.roll(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        fuzz_stream(&bytes.into(), &cuts);
    }
}

#[test]
fn mutated_requests_are_read_or_refused_and_never_damaged() {
    let seeds: Vec<Bytes> = fixtures("json")
        .into_iter()
        .map(|(_, file)| match find(&file, &["body"]) {
            Some(span) => file.slice(span),
            None => file,
        })
        .collect();
    let mut dice = Dice(11);
    for round in 0..4000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        // Large bodies are mutated near their ends as well, where `stream` stands.
        for _ in 0..=dice.roll(6) {
            dice.mutate(&mut bytes);
        }
        let body = bytes.into();
        fuzz_request(&body);
        // Each takes as long as ten of the others.
        if round % 8 == 0 {
            fuzz_edit(&body);
        }
    }
}
