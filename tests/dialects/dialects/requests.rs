//! Every recorded request in every dialect.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use gateway_anthropic::presets::by_name;
use gateway_testkit::fixtures::{self, RequestFixture};
use gateway_types::{Endpoint, Losses};
use serde_json::Value;

use crate::dialects::{Ask, Dialect, PLAIN, all, presets};

/// What a service refuses of what was recorded, as the real one would: the beginning of dialects' names,
/// fixture, words of the refusal, and why that is as it should be.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "vertex-claude-",
        "unknown-block-echo",
        "Input tag 'future_block_kind'",
        "nobody knows what a block of the future means",
    ),
    (
        "bedrock-claude-",
        "unknown-block-echo",
        "Input tag 'future_block_kind'",
        "nobody knows what a block of the future means",
    ),
];

static RECORDED: LazyLock<Vec<RequestFixture>> = LazyLock::new(|| {
    let all = fixtures::requests().into_iter();
    let all: Vec<_> =
        all.filter(|f| f.path.starts_with("/v1/messages") && !f.body.is_empty()).collect();
    assert!(all.len() >= 40, "{} requests", all.len());
    all
});

fn asks(fixture: &RequestFixture) -> (String, String, Endpoint) {
    let header = |wanted: &str| {
        let of = fixture.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        of.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
    };
    let counts = fixture.path.ends_with("count_tokens");
    let endpoint = if counts { Endpoint::CountTokens } else { Endpoint::Messages };
    (header("anthropic-beta"), header("anthropic-version"), endpoint)
}

/// FNV-1a: enough to see that something changed.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What becomes of a request, as far as a person can check it, and the digest of its body.
fn outcome(dialect: &Dialect, fixture: &RequestFixture) -> (String, u64) {
    let (betas, version, endpoint) = asks(fixture);
    if endpoint == Endpoint::CountTokens && !dialect.counts() {
        return ("  counted by the gateway's own estimate".to_owned(), 0);
    }
    let ask = Ask { endpoint, betas: &betas, version: &version };
    let is_it =
        |row: &&(&str, &str, &str, &str)| dialect.name.starts_with(row.0) && fixture.name == row.1;
    let mut refused = REFUSED.iter().filter(is_it);
    let sent = match (dialect.ask(&fixture.body, ask, &[]), refused.next()) {
        (Ok(sent), None) => sent,
        (Err(why), Some(row)) if why.contains(row.2) => {
            return (format!("  refused by the service, {}: {}", row.3, row.2), 0);
        }
        (Err(why), None) if !why.starts_with("SERVICE") => return (format!("  refused: {why}"), 0),
        (got, known) => {
            let got = got.map(|sent| sent.body);
            panic!("{} {}: {got:?}, and {known:?} was known", dialect.name, fixture.name)
        }
    };
    let mut told = format!("  path {}\n", sent.path);
    for (name, value) in &sent.headers {
        writeln!(told, "  {name}: {value}").expect("a string takes it");
    }
    if !sent.learnt.is_empty() {
        writeln!(told, "  after refusals of {:?}", sent.learnt).expect("a string takes it");
    }
    write!(told, "  body{}\n  losses{}", shape(&sent.json()), lost(&sent.losses))
        .expect("a string takes it");
    (told, digest(&sent.body))
}

/// Names at the top, with the sizes of lists.
fn shape(body: &Value) -> String {
    let fields = body.as_object().expect("a body is an object").iter();
    fields.fold(String::new(), |mut all, (name, value)| {
        let kind = match value {
            // How long the conversation is, is the fixture's matter.
            Value::Array(_) => "[]".to_owned(),
            Value::Object(fields) => {
                format!("{{{}}}", fields.keys().map(String::as_str).collect::<Vec<_>>().join(" "))
            }
            Value::String(text) if text.len() > 40 => "\"…\"".to_owned(),
            other => format!("={other}"),
        };
        write!(all, " {name}{kind}").expect("a string takes it");
        all
    })
}

/// The losses without the indices of their paths, and how often each is there.
fn lost(losses: &Losses) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for loss in losses {
        let mut path = String::new();
        for c in loss.path.chars() {
            if !(c.is_ascii_digit() && path.ends_with('[')) {
                path.push(c);
            }
        }
        *counts.entry(format!("{} {path}", loss.what.as_str())).or_default() += 1;
    }
    if counts.is_empty() {
        return " none".to_owned();
    }
    counts.iter().fold(String::new(), |mut all, (loss, count)| {
        write!(all, "\n    {loss}").expect("a string takes it");
        if *count > 1 {
            write!(all, " ×{count}").expect("a string takes it");
        }
        all
    })
}

/// Compares with the file, or writes it.
fn snapshot(file: &str, dialects: &[Dialect]) {
    let mut outcomes = BTreeMap::<String, BTreeMap<String, Vec<&str>>>::new();
    for dialect in dialects {
        for fixture in &*RECORDED {
            let (told, digest) = outcome(dialect, fixture);
            let line = format!("  {digest:016x} {}", fixture.name);
            outcomes.entry(told).or_default().entry(line).or_default().push(dialect.name);
        }
    }
    let mut new = String::from("# Written by the tests when UPDATE_SNAPSHOTS=1 is set.\n");
    for (told, lines) in outcomes {
        writeln!(new, "\n{told}").expect("a string takes it");
        for (line, names) in lines {
            let names =
                if dialects.len() > 1 { format!(": {}", names.join(" ")) } else { String::new() };
            writeln!(new, "{line}{names}").expect("a string takes it");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/{file}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &new).expect("it can be written");
    }
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    if old != new {
        let first = new.lines().zip(old.lines()).find(|(new, old)| new != old);
        panic!("{}: {first:?}; set UPDATE_SNAPSHOTS=1 and read the difference", path.display());
    }
}

#[test]
fn every_recorded_request_is_taken_by_every_dialect_and_written_as_ever() {
    for dialect in all() {
        assert!(dialect.is_strict());
        snapshot(dialect.name, &[dialect]);
    }
}

#[test]
fn every_recorded_request_is_edited_as_ever_for_compatible_servers() {
    let policy = |name| format!("{:?}", by_name(name).expect("a preset").policy());
    for name in PLAIN {
        assert_eq!(policy(name), policy("kimi"), "{name} deserves a row of its own");
    }
    snapshot("anthropic-compatible", &presets());
}
