//! Every recorded request through both hosts and three generations of Claude.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use gateway_testkit::bedrock::{Rules, invoke_rules};
use serde_json::value::RawValue;

use super::*;
use crate::edit::tests::fixtures;
use crate::refused::refused;

const GENERATIONS: [(&str, &str, &str); 3] = [
    ("4.5", SONNET_4_5, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("4.6", OPUS_4_6, "us.anthropic.claude-opus-4-6-v1"),
    ("4.7", OPUS_4_7, "us.anthropic.claude-opus-4-7"),
];

struct Case {
    title: String,
    body: &'static str,
    result: Result<Wrapped, ApiError>,
}

/// All of them, as the client sends them or as they stand in the file.
fn cases(compact: bool) -> &'static [Case] {
    static CASES: [LazyLock<Vec<Case>>; 2] =
        [LazyLock::new(|| read_cases(false)), LazyLock::new(|| read_cases(true))];
    &CASES[usize::from(compact)]
}

fn read_cases(compact: bool) -> Vec<Case> {
    let policy = Policy::default();
    let mut cases = Vec::new();
    for (name, body, betas) in fixtures() {
        if name.ends_with(" compact") != compact {
            continue;
        }
        let name = name.trim_end_matches(" compact");
        let endpoint = if name.starts_with("count-tokens") {
            Endpoint::CountTokens
        } else {
            Endpoint::Messages
        };
        let version = if name.starts_with("sdk-") { NEW_VERSION } else { "2023-06-01" };
        let stream = body.contains("\"stream\":true") || body.contains("\"stream\": true");
        for (generation, on_vertex, on_bedrock) in GENERATIONS {
            for (place, host, model) in
                [("vertex", vertex(), on_vertex), ("bedrock", Host::Bedrock, on_bedrock)]
            {
                let cx = HostCx { endpoint, stream, betas, version, ..HostCx::new(model, &policy) };
                let result = wrap(&host, body.as_bytes(), &cx);
                let title = format!("{name} {place} {generation}");
                cases.push(Case { title, body, result });
            }
        }
    }
    cases
}

/// FNV-1a: enough to see that something changed.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn members(body: &[u8]) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_slice(body).expect("an object")
}

/// What becomes of the recorded requests, as far as a person can check it. After a change:
/// `UPDATE_SNAPSHOTS=1`, and read the difference.
#[test]
fn recorded_requests_go_up_as_they_did() {
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Case { title, result, .. } in cases(true) {
        let (name, place) = title.split_once(' ').expect("a name and a place");
        let (told, body) = match result {
            Ok(wrapped) => (outcome(wrapped), digest(&wrapped.body)),
            Err(fault) => (format!("  {} {fault}", fault.status()), 0),
        };
        let like = outcomes.entry(format!("{place}\n{told}")).or_default();
        like.push(format!("  {body:016x} {name}"));
    }
    let mut new = String::from(
        "# Every recorded request as both hosts get it, by the generation of Claude behind it, and a\n\
         # digest of its body. Written by the tests when UPDATE_SNAPSHOTS=1 is set.\n",
    );
    for (outcome, names) in outcomes {
        writeln!(new, "\n{outcome}\n{}", names.join("\n")).expect("a string takes it all");
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/hosted.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &new).expect("it can be written");
    }
    let old = std::fs::read_to_string(file).unwrap_or_default();
    assert!(new == old, "set UPDATE_SNAPSHOTS=1 and read the difference");
}

fn outcome(wrapped: &Wrapped) -> String {
    let body = value(&wrapped.body);
    let text = |field: &str| body.get(field).map_or("-".to_owned(), Value::to_string);
    let header = wrapped.headers.get("anthropic-beta").map(|v| v.to_str().expect("text"));
    let keys: Vec<String> = members(&wrapped.body).into_keys().collect();
    let lost = lost(&wrapped.losses);
    let (hints, lost): (Vec<_>, Vec<_>) =
        lost.iter().map(String::as_str).partition(|loss| loss.starts_with("hint "));
    let hints: Vec<_> = hints.iter().map(|hint| hint.trim_start_matches("hint ")).collect();
    format!(
        "  path {}\n  betas {}\n  keys {}\n  thinking {} effort {}\n  lost {}\n  hints {}",
        wrapped.path,
        header.map_or_else(|| text("anthropic_beta"), str::to_owned),
        keys.join(" "),
        text("thinking"),
        body.get("output_config").map_or("-".to_owned(), |config| config["effort"].to_string()),
        if lost.is_empty() { "-".to_owned() } else { lost.join(", ") },
        if hints.is_empty() { "-".to_owned() } else { hints.join(" ") },
    )
}

/// What the prompt cache depends on: a member without a loss is the caller's, byte for byte.
#[test]
fn what_is_not_reported_goes_up_byte_for_byte() {
    let mut seen = 0;
    for Case { title, body, result } in cases(false) {
        let Ok(wrapped) = result else { continue };
        if title.starts_with("count-tokens") && title.contains("bedrock") {
            continue;
        }
        let before = members(body.as_bytes());
        let lost = lost(&wrapped.losses);
        for (key, after) in members(&wrapped.body) {
            if matches!(&*key, "anthropic_version" | "anthropic_beta" | "model") {
                continue;
            }
            let stem = format!(" {key}");
            let touched = |loss: &String| {
                loss.contains(&stem) || (key != "metadata" && loss.contains(" cache_control"))
            };
            // A budget that is an effort now.
            let by_budget =
                key == "output_config" && lost.iter().any(|loss| loss.contains("budget"));
            if lost.iter().any(touched) || by_budget {
                continue;
            }
            let was = before.get(&key).unwrap_or_else(|| panic!("{title}: {key} is new"));
            assert_eq!(was.get(), after.get(), "{title}: {key}");
            seen += 1;
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// Unwrapping: what Bedrock got is what was asked, by other means.
#[test]
fn nothing_is_gone_without_a_word() {
    for Case { title, body, result } in cases(true) {
        let Ok(wrapped) = result else { continue };
        if title.starts_with("count-tokens") && title.contains("bedrock") {
            continue;
        }
        let after = members(&wrapped.body);
        let lost = lost(&wrapped.losses);
        for key in members(body.as_bytes()).into_keys() {
            let moved = matches!(&*key, "model" | "stream");
            let told = || lost.iter().any(|loss| loss.contains(&format!(" {key}")));
            assert!(after.contains_key(&key) || moved || told(), "{title}: {key} {lost:?}");
        }
    }
}

/// The scripted Bedrock is strict: what it takes holds nothing that the service refuses.
#[test]
fn r20_r30_a_strict_bedrock_takes_every_recorded_request() {
    let policy = Policy::default();
    for model in [
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "us.anthropic.claude-opus-4-6-v1",
        "us.anthropic.claude-opus-4-7",
        "global.anthropic.claude-opus-5-5",
    ] {
        let mut rules = Rules::bedrock(model);
        // Claude Code sends it there itself, to the newest.
        rules.system_role = model.contains("-5-5");
        rules.max_output = u64::MAX;
        for (name, body, betas) in fixtures() {
            let other = name.starts_with("count-tokens") || name.starts_with("web-search-inner");
            if other || !name.ends_with(" compact") {
                continue;
            }
            let cx = HostCx { betas, ..HostCx::new(model, &policy) };
            let ask = |cx: &HostCx<'_>| {
                let wrapped = wrap(&Host::Bedrock, body.as_bytes(), cx).expect("no error");
                invoke_rules::check(&value(&wrapped.body), &rules)
            };
            let Err(refusal) = ask(&cx) else { continue };
            let told = json!({"message": refusal.message}).to_string();
            // A block that nobody knows, and signatures which this server did not make.
            if name.starts_with("unknown-block-echo") {
                assert_eq!(refused(told.as_bytes()), None);
                continue;
            }
            assert_eq!(refused(told.as_bytes()), Some(Refused::History), "{model} {name} {told}");
            let again = ask(&HostCx { without: &[Refused::History], ..cx });
            assert!(again.is_ok(), "{model} {name}: {again:?}");
        }
    }
}
