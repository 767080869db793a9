//! Replies in one piece.

use serde_json::{Value, json};

use super::asks::{call, call_streamed, hello, unary};
use crate::case::Case;
use crate::exchange::{Ask, Auth, Exchange};
use crate::finding::Judgement;
use crate::judge::{answer, blocks, model_echo, told, usage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("unary.shape", "a reply without `stream` is a whole message", &["C1", "R6"])
            .ask(hello)
            .judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && message["content"] == json!([])
                {
                    j.inconclusive("the model said nothing");
                }
            }),
        Case::new("unary.model", "the reply names the model as it was asked for", &["R17"])
            .ask(hello)
            .judge(|setting, x, j| {
                if let Some(message) = told(x, j) {
                    model_echo(&message, &setting.model, j);
                }
            }),
        Case::new(
            "unary.stop",
            "stop_reason is one of the documented words and fits the content",
            &["R7"],
        )
        .ask(hello)
        .judge(|_, x, j| drop(told(x, j))),
        Case::new("unary.usage", "usage counts the prompt and the answer", &["R32", "R33"])
            .ask(hello)
            .judge(|_, x, j| {
                if let Some(message) = told(x, j) {
                    usage(&message, j);
                }
            }),
        Case::new("unary.headers", "the reply is application/json and has a request-id", &["R29"])
            .ask(hello)
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if reply.media_type() != "application/json" {
                    j.warning("C1", "another media type", reply.media_type(), "application/json");
                }
                if reply.header("request-id").is_none() {
                    j.warning("R29", "no request-id header", "", "request-id: req_…");
                }
            }),
        Case::new(
            "unary.tool",
            "a call in a reply without `stream` has id, name and its input as an object",
            &["R1", "C1"],
        )
        .ask(call)
        .judge(|_, x, j| {
            if let Some(message) = told(x, j) {
                called(&message, j);
            }
        }),
        Case::new(
            "unary.as-stream",
            "the reply in one piece has the members and blocks of the streamed one",
            &["C1", "C4"],
        )
        .ask_all(2, |setting| vec![call(setting), call_streamed(setting)])
        .judge_all(|_, done, j| same(done, j)),
        Case::new("path.plain", "/v1/messages works without a query too, as the SDKs ask", &["C2"])
            .ask(|setting| Ask { target: "/v1/messages".to_owned(), ..hello(setting) })
            .accepted(),
        Case::new("path.query", "a query on /v1/messages is no part of its path", &["C2"])
            .ask(|setting| Ask {
                target: "/v1/messages?beta=true&x=%2F".to_owned(),
                ..hello(setting)
            })
            .accepted(),
        Case::new(
            "auth.both",
            "a credential in both headers at once is accepted, as key helpers send it",
            &["C10"],
        )
        .ask(|setting| hello(setting).auth(Auth::Both))
        .accepted(),
        Case::new("headers.clients", "the client's own headers are no fault", &["C5", "C6"])
            .ask(|setting| {
                hello(setting)
                    .header("x-app", "cli")
                    .header("x-claude-code-session-id", "00000000-0000-0000-0000-000000000000")
                    .header("x-claude-code-agent-id", "agent-1")
                    .header("x-stainless-timeout", "600")
                    .header("anthropic-dangerous-direct-browser-access", "true")
            })
            .accepted(),
        Case::new("headers.new-version", "the SDKs' newer anthropic-version is accepted", &["C5"])
            .ask(|setting| hello(setting).header("anthropic-version", "2026-10-21"))
            .accepted(),
        Case::new(
            "headers.betas",
            "the betas that the client always sends are accepted",
            &["C5", "R20"],
        )
        .ask(|setting| hello(setting).header("anthropic-beta", BETAS))
        .accepted(),
        Case::new(
            "headers.unknown-beta",
            "an unknown beta is accepted, or refused in words that the client mends",
            &["C5", "R20"],
        )
        .ask(|setting| hello(setting).header("anthropic-beta", "from-the-future-2031-01-01"))
        .accepted(),
        Case::new("body.text-kept", "text outside ASCII comes through", &["C1"])
            .ask(|setting| {
                unary(setting, "Repeat exactly, and nothing else: Grüße, 世界 🦀 — “ok”", json!({}))
            })
            .judge(|_, x, j| {
                let Some(message) = told(x, j) else { return };
                let text = crate::judge::text_of(&message);
                if text.contains('\u{fffd}') {
                    j.error(
                        "C1",
                        "replacement characters in the text",
                        text,
                        "the characters as they are",
                    );
                } else if !["Grüße", "世界", "🦀"].iter().all(|part| text.contains(part)) {
                    j.inconclusive("the model did not repeat it");
                }
            }),
    ]
}

fn called(message: &Value, j: &mut Judgement) {
    let calls = blocks(message, "tool_use");
    let Some(call) = calls.first() else {
        j.inconclusive("the model did not call the tool");
        return;
    };
    if call["name"] != "get_weather" {
        j.error(
            "R11",
            "a call of another tool than the one offered",
            call.to_string(),
            "get_weather",
        );
    }
}

fn same(done: &[Exchange], j: &mut Judgement) {
    let [whole, streamed] = done else { return };
    let (Some(whole), Some(streamed)) = (told(whole, j), told(streamed, j)) else { return };
    let shape = |message: &Value| {
        let kinds = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        kinds.iter().map(|block| block["type"].to_string()).collect::<Vec<_>>().join(", ")
    };
    let calls = |message: &Value| !blocks(message, "tool_use").is_empty();
    if calls(&whole) != calls(&streamed) {
        j.inconclusive("the model answered differently");
        return;
    }
    if shape(&whole) != shape(&streamed) {
        let expected = format!("the blocks of the stream: {}", shape(&streamed));
        j.note("C1", "the blocks are others", shape(&whole), expected);
    }
    if whole["stop_reason"] != streamed["stop_reason"] {
        let expected = format!("{} as in the stream", streamed["stop_reason"]);
        j.warning("R7", "another stop_reason", whole["stop_reason"].to_string(), expected);
    }
    for field in ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"]
    {
        if whole.get(field).is_some() != streamed.get(field).is_some() {
            let has = if whole.get(field).is_some() {
                "the stream has none"
            } else {
                "only the stream has it"
            };
            j.warning("C1", format!("`{field}` is not in both"), has, "the same members in both");
        }
    }
}

const BETAS: &str = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24,thinking-display-updates-2026-08-18";
