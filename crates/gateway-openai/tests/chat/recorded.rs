//! What a real client sends, at every kind of server; and the scripted servers' answers in all their
//! styles.

use std::fmt::Write as _;

use gateway_testkit::fixtures;
use gateway_testkit::openai::{Asked, Finish, Rules, Style, Turn, chat_reply};
use gateway_translate::BodyEnd;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Upstream, stream_in, whole};

/// Requests that ask for something only Anthropic runs, and are refused.
const REFUSED: &[&str] = &["web-search-inner"];

fn requests() -> Vec<(String, String)> {
    let all = fixtures::requests().into_iter();
    let messages = all.filter(|r| r.path == "/v1/messages" || r.path.ends_with("count_tokens"));
    messages
        .map(|r| (r.name, String::from_utf8(r.body.to_vec()).expect("JSON")))
        .filter(|(_, body)| !body.is_empty())
        .collect()
}

fn upstreams() -> Vec<(&'static str, Upstream)> {
    vec![
        ("gpt-4.1", Upstream::openai("gpt-4.1")),
        ("compatible", Upstream::compatible()),
        ("gpt-4o", Upstream::openai("gpt-4o")),
        ("o3", Upstream::openai("o3")),
        ("gpt-5", Upstream::openai("gpt-5")),
        ("gpt-5.2", Upstream::openai("gpt-5.2")),
        ("gpt-5.5", Upstream::openai("gpt-5.5")),
        ("groq", Upstream::new("https://api.groq.com/openai/v1", "openai/gpt-oss-120b")),
        ("deepseek", Upstream::new("https://api.deepseek.com", "deepseek-v4")),
        ("kimi", Upstream::new("https://api.moonshot.ai/v1", "kimi-k3")),
        ("openrouter", Upstream::new("https://openrouter.ai/api/v1", "z/y")),
        ("ollama", Upstream::new("http://localhost:11434/v1", "llama3")),
        ("minimax", Upstream::new("https://api.minimax.io/v1", "minimax-m3")),
        ("zai", Upstream::new("https://api.z.ai/api/paas/v4", "glm-5")),
    ]
}

#[test]
fn every_recorded_request_is_taken_by_every_server() {
    for (server, up) in upstreams() {
        for (name, body) in requests() {
            let sent = up.send_text(&body);
            let refused = REFUSED.contains(&name.as_str()) && server != "openrouter";
            assert_eq!(sent.is_err(), refused, "{name} at {server}: {sent:?}");
        }
    }
}

/// What became of each request: losses, and a digest of the body. To write the file anew, set
/// `UPDATE_SNAPSHOTS=1`, and read the difference.
#[test]
fn what_recorded_requests_become_changes_only_on_purpose() {
    let mut text = String::from(
        "# What recorded requests become on Chat Completions: losses, then a digest of the body.\n\
         # Written by the tests when UPDATE_SNAPSHOTS=1 is set.\n",
    );
    for (server, up) in upstreams().into_iter().take(2) {
        let _ = writeln!(text, "\n## {server}\n");
        for (name, body) in requests() {
            match up.send_text(&body) {
                Err(refusal) => {
                    let _ = writeln!(text, "{name}: {refusal}");
                }
                Ok(sent) => {
                    let digest = Sha256::digest(sent.text.as_bytes());
                    let digest: String = digest[..6].iter().map(|b| format!("{b:02x}")).collect();
                    let _ = writeln!(text, "{name}: {digest} {} bytes", sent.text.len());
                    for loss in sent.losses {
                        let _ = writeln!(text, "    {loss}");
                    }
                }
            }
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/chat-requests.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &text).expect("the snapshot can be written");
    }
    let there = std::fs::read_to_string(file).expect("the snapshot is there");
    for (new, old) in text.lines().zip(there.lines()) {
        assert_eq!(new, old, "set UPDATE_SNAPSHOTS=1 and read the difference");
    }
    assert_eq!(text.lines().count(), there.lines().count());
}

#[test]
fn every_style_says_the_same() {
    let up = Upstream { rules: None, ..Upstream::compatible() };
    let asked = json!({"thinking": {"type": "adaptive"}, "tools": [
        {"name": "Read", "input_schema": {"type": "object", "properties": {}}}]});
    let sent = up.sent(asked.clone());
    let cx = Asked { body: &sent.body, index: 0, account: "" };
    let args = json!({"path": "/a \"b\"\n", "n": [1, {"é": null}]});
    for (name, style) in Style::all() {
        let turns = [
            Turn::text("Hello \"there\", \u{1f600} wörld\n\n").style(style.clone()),
            Turn::text("first")
                .and_call("Read", &args)
                .and_call("Read", &json!({}))
                .style(style.clone()),
            Turn::call("Read", &args).style(style.clone()),
            Turn::reasoning(&["let me think about it"]).and_text("so it is").style(style.clone()),
            Turn::reasoning(&["hm"]).and_call("Read", &args).style(style.clone()),
            Turn::default().and_refusal("no").style(style.clone()),
            Turn::text("long").finish(Finish::Length).style(style.clone()),
        ];
        for turn in turns {
            let stream: String = chat_reply::frames(&turn, cx).concat();
            let body = chat_reply::body(&turn, cx).to_string();
            let unary = whole(&mut *up.sent(asked.clone()).reader, &body);
            assert_eq!(unary.fault, None, "{name}: {body}");
            let bytes = stream.as_bytes();
            let mut last = None;
            for size in [bytes.len(), 1, 2, 3, 7, 64] {
                let pieces: Vec<&[u8]> = bytes.chunks(size.max(1)).collect();
                let got = stream_in(&mut *up.sent(asked.clone()).reader, &pieces, BodyEnd::Clean);
                assert_eq!(got.fault, None, "{name}: {stream}");
                assert!(last.is_none_or(|last| last == got.events), "{name} by {size}");
                last = Some(got.events);
            }
            let plain = |events: &[String]| -> Vec<String> {
                // Ids are made up alike only where the server gave them.
                let shown = events.iter().filter(|e| !e.starts_with("start"));
                shown
                    .map(|e| match e.strip_prefix("[call ") {
                        Some(call) => call.split(' ').skip(1).collect(),
                        None => e.split(" 8").next().unwrap_or_default().to_owned(),
                    })
                    .collect()
            };
            let streamed = last.unwrap_or_default();
            assert_eq!(plain(&streamed), plain(&unary.events), "{name}: {stream}");
            let calls = turn
                .parts
                .iter()
                .filter(|p| matches!(p, gateway_testkit::openai::Part::ToolCall { .. }));
            let got: Vec<_> = streamed.iter().filter(|e| e.starts_with("[call ")).collect();
            assert_eq!(got.len(), calls.count(), "{name}: {streamed:?}");
            for line in streamed.iter().filter_map(|e| e.strip_prefix("json: ")) {
                let value: serde_json::Value = serde_json::from_str(line).expect("whole JSON");
                assert!(value == args || value == json!({}), "{name}: {value}");
            }
        }
    }
}

#[test]
fn a_bare_server_is_served_when_its_quirks_are_stated() {
    let mut up = Upstream::compatible().quirk(|q| {
        q.stream_options = false;
        q.tool_choice = gateway_openai::ToolChoiceLevel::AutoOnly;
        q.json_schema = false;
        q.json_object = false;
        q.images = gateway_openai::Images::None;
    });
    up.rules = Some(Rules::compatible("bare"));
    for (name, body) in requests() {
        let sent = up.send_text(&body);
        assert_eq!(sent.is_err(), REFUSED.contains(&name.as_str()), "{name}: {sent:?}");
    }
}
