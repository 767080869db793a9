//! Judges against recorded and broken replies: each must let the good one pass and find the broken one.

use std::time::Duration;

use gateway_testkit::fixtures;
use serde_json::{Value, json};

use super::*;
use crate::exchange::{Chunk, End, Exchange, Reply};
use crate::finding::{Judgement, Severity, Verdict};

fn reply(status: u16, kind: &str, body: &str) -> Reply {
    Reply {
        status,
        headers: vec![
            ("content-type".to_owned(), kind.to_owned()),
            ("request-id".to_owned(), "req_1".to_owned()),
        ],
        head_at: Duration::ZERO,
        chunks: vec![Chunk { at: Duration::ZERO, bytes: body.to_owned().into() }],
        end: End::Whole,
    }
}

fn streamed(body: &str) -> Exchange {
    Exchange {
        streaming: true,
        outcome: Ok(reply(200, "text/event-stream; charset=utf-8", body)),
        took: Duration::ZERO,
    }
}

fn unary(status: u16, body: &str) -> Exchange {
    Exchange {
        streaming: false,
        outcome: Ok(reply(status, "application/json", body)),
        took: Duration::ZERO,
    }
}

fn fixture(name: &str) -> String {
    String::from_utf8(fixtures::reply(name).bytes.to_vec()).expect("UTF-8")
}

/// All that is said of a stream, every aspect and `told`.
fn all(exchange: &Exchange) -> Judgement {
    let mut j = Judgement::default();
    aspect(exchange, ALL, &mut j);
    if let Some(message) = told(exchange, &mut j) {
        usage(&message, &mut j);
    }
    j
}

const ALL: &[Aspect] = &[
    Aspect::Names,
    Aspect::Start,
    Aspect::Order,
    Aspect::Blocks,
    Aspect::Input,
    Aspect::Thinking,
    Aspect::Stop,
    Aspect::Usage,
    Aspect::Ping,
    Aspect::Foreign,
];

#[test]
fn good_recorded_streams_have_no_fault() {
    for name in [
        "reply-text",
        "reply-text-crlf",
        "reply-tool",
        "reply-tool-no-text",
        "reply-tool-empty-input",
        "reply-parallel-tools",
        "reply-thinking-tool",
        "reply-max-tokens",
        "reply-web-search",
    ] {
        let j = all(&streamed(&fixture(name)));
        assert_eq!(j.verdict(), Verdict::Ok, "{name}: {:?}", j.findings);
        assert!(j.findings.is_empty(), "{name}: {:?}", j.findings);
    }
    let j = all(&streamed(&fixture("reply-unknown-event")));
    assert_eq!(j.verdict(), Verdict::Ok, "{:?}", j.findings);
}

#[test]
fn any_way_to_cut_a_stream_into_reads_judges_the_same() {
    let body = fixture("reply-thinking-tool");
    let whole = fold(&reply(200, "text/event-stream", &body).stream());
    let mut cut = reply(200, "text/event-stream", "");
    cut.chunks = body
        .as_bytes()
        .chunks(7)
        .map(|piece| Chunk { at: Duration::ZERO, bytes: piece.to_vec().into() })
        .collect();
    let pieces = fold(&cut.stream());
    assert_eq!((whole.message, whole.faults), (pieces.message, pieces.faults));
}

#[test]
fn a_stream_is_put_together_as_the_client_does() {
    let told = fold(&reply(200, "text/event-stream", &fixture("reply-tool")).stream());
    assert_eq!(told.message["content"][0]["text"], "I will write it.");
    assert_eq!(
        told.message["content"][1]["input"],
        json!({"file_path": "/home/user/project/out.txt", "content": "line1\nline2 \"q\" \\ 你好\n"})
    );
    assert_eq!(told.message["stop_reason"], "tool_use");
    assert_eq!(told.message["usage"]["output_tokens"], 17);
    assert_eq!(told.message["usage"]["input_tokens"], 11);
    assert_eq!((told.pings, told.deltas), (1, 6));
}

/// A recorded stream broken by hand, and what must be said of it.
struct Broken {
    what: &'static str,
    from: &'static str,
    /// Each first part is replaced by the second, once.
    changes: &'static [(&'static str, &'static str)],
    row: &'static str,
    severity: Severity,
    says: &'static str,
}

const STOP_0: &str =
    "event: content_block_stop\ndata: {\"type\": \"content_block_stop\", \"index\": 0}\n\n";
const LAST: &str = "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

#[test]
fn every_break_is_found_by_its_row() {
    use Severity::{Error, Warning};
    let broken = |what, from, changes, row, severity, says| Broken {
        what,
        from,
        changes,
        row,
        severity,
        says,
    };
    for case in [
        broken("no stop", "reply-text", &[(LAST, "")], "R4", Error, "without message_stop"),
        broken(
            "no block stop",
            "reply-tool",
            &[(STOP_0, "")],
            "R3",
            Error,
            "while block 0 is open",
        ),
        broken(
            "an index twice",
            "reply-tool",
            &[("\"index\": 1, \"content_block\"", "\"index\": 0, \"content_block\"")],
            "R3",
            Error,
            "another index",
        ),
        broken(
            "a delta elsewhere",
            "reply-tool",
            &[("\"index\": 1, \"delta\"", "\"index\": 3, \"delta\"")],
            "R3",
            Error,
            "not open",
        ),
        broken(
            "another kind of delta",
            "reply-text",
            &[("text_delta", "input_json_delta")],
            "R3",
            Error,
            "another kind",
        ),
        broken(
            "input at the start",
            "reply-tool-empty-input",
            &[
                ("\"input\": {}", "\"input\": {\"a\": 1}"),
                ("\"partial_json\": \"{}\"", "\"partial_json\": \"\""),
            ],
            "R1",
            Error,
            "content_block_start alone",
        ),
        broken(
            "half JSON",
            "reply-tool",
            &[("\\n\\\"}\"}}", "\\n\"}}")],
            "R2",
            Error,
            "make no JSON object",
        ),
        broken(
            "no id",
            "reply-tool",
            &[("toolu_016b86b273ff34fce19d6b80", "")],
            "R3",
            Error,
            "without an id",
        ),
        broken(
            "an odd id",
            "reply-tool",
            &[("toolu_016b86b273ff34fce19d6b80", "call 1")],
            "R3",
            Warning,
            "refuses",
        ),
        broken(
            "no reason",
            "reply-text",
            &[("\"stop_reason\": \"end_turn\"", "\"stop_reason\": null")],
            "R7",
            Error,
            "no stop_reason",
        ),
        broken(
            "a wrong reason",
            "reply-text",
            &[("\"stop_reason\": \"end_turn\"", "\"stop_reason\": \"tool_use\"")],
            "R7",
            Error,
            "without a call",
        ),
        broken(
            "a word of others",
            "reply-text",
            &[("\"stop_reason\": \"end_turn\"", "\"stop_reason\": \"length\"")],
            "R7",
            Warning,
            "unknown stop_reason",
        ),
        broken(
            "end with a call",
            "reply-tool",
            &[("\"stop_reason\": \"tool_use\"", "\"stop_reason\": \"end_turn\"")],
            "R7",
            Warning,
            "end_turn with a call",
        ),
        broken(
            "no usage at the start",
            "reply-text",
            &[("\"usage\": {\"input_tokens\"", "\"other\": {\"input_tokens\"")],
            "R32",
            Error,
            "message_start has no usage",
        ),
        broken(
            "no usage at the end",
            "reply-tool",
            &[("\"usage\": {\"output_tokens\": 17}", "\"usage\": {}")],
            "R32",
            Error,
            "message_delta has no usage",
        ),
        broken(
            "nothing counted",
            "reply-tool",
            &[("{\"output_tokens\": 17}", "{\"output_tokens\": 0}")],
            "R32",
            Warning,
            "cost nothing",
        ),
        broken(
            "[DONE]",
            "reply-text",
            &[(
                LAST,
                "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\ndata: [DONE]\n\n",
            )],
            "C4",
            Warning,
            "no JSON",
        ),
        broken(
            "a nameless event",
            "reply-text",
            &[("event: content_block_delta\n", "")],
            "C4",
            Error,
            "another name",
        ),
        broken(
            "an odd ping",
            "reply-tool",
            &[("{\"type\": \"ping\"}", "{\"type\": \"ping\", \"cost\": 1}")],
            "R8",
            Warning,
            "another form",
        ),
        broken(
            "after the end",
            "reply-text",
            &[(
                LAST,
                "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\nevent: message_stop\ndata: {\"type\": \"message_stop\"}\n\n",
            )],
            "R4",
            Error,
            "after the end",
        ),
        broken(
            "content at the start",
            "reply-text",
            &[("\"content\": []", "\"content\": [1]")],
            "C4",
            Error,
            "no empty `content`",
        ),
        broken(
            "no role",
            "reply-text",
            &[("\"role\": \"assistant\"", "\"role\": \"model\"")],
            "C4",
            Error,
            "`role`",
        ),
        broken(
            "a delta after the signature",
            "reply-thinking-tool",
            &[(
                "\"type\": \"thinking_delta\", \"thinking\": \"Let me think about the \"",
                "\"type\": \"signature_delta\", \"signature\": \"x\"",
            )],
            "R13",
            Error,
            "after the signature",
        ),
        broken(
            "unfinished",
            "reply-text",
            &[(LAST, "event: message_stop\ndata: {\"type\": \"message_stop\"}\n")],
            "R4",
            Error,
            "no blank line",
        ),
    ] {
        let mut body = fixture(case.from);
        for (old, new) in case.changes {
            assert!(body.contains(old), "{}: {old} is not in {body}", case.what);
            body = body.replacen(old, new, 1);
        }
        let j = all(&streamed(&body));
        let found = j.findings.iter().any(|finding| {
            finding.severity == case.severity
                && finding.row == case.row
                && finding.what.contains(case.says)
        });
        assert!(found, "{}: {:#?}", case.what, j.findings);
    }
}

#[test]
fn pings_may_stand_anywhere() {
    let body = fixture("reply-tool")
        .replace("event: content_block", &format!("{PING}event: content_block"));
    assert_eq!(all(&streamed(&body)).findings, []);
}

#[test]
fn replies_that_end_badly_are_errors() {
    for (name, says) in [
        ("reply-cut-in-tool-args", "without message_stop"),
        ("reply-cut-midstream", "without message_stop"),
        ("reply-error-midstream", "an error event"),
    ] {
        let j = all(&streamed(&fixture(name)));
        assert!(j.findings.iter().any(|f| f.row == "R4" && f.what.contains(says)), "{name}: {j:?}");
    }
    let j = all(&streamed(""));
    assert!(j.findings.iter().any(|f| f.row == "R6"), "{j:?}");
    let mut cut = streamed(&fixture("reply-text"));
    if let Ok(reply) = &mut cut.outcome {
        reply.end = End::Cut;
    }
    assert_eq!(all(&cut).verdict(), Verdict::Fail);
    let html = Exchange { outcome: Ok(reply(200, "text/html", "<html>")), ..streamed("") };
    assert!(all(&html).findings.iter().any(|f| f.row == "C4" && f.what.contains("no stream")));
}

#[test]
fn a_refusal_and_a_busy_endpoint_conclude_nothing() {
    assert_eq!(all(&streamed(&fixture("reply-refusal"))).verdict(), Verdict::Inconclusive);
    let busy =
        unary(429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#);
    let mut j = Judgement::default();
    assert!(told(&busy, &mut j).is_none());
    assert_eq!(j.verdict(), Verdict::Inconclusive);
}

#[test]
fn arguments_that_a_limit_cut_are_no_fault() {
    let body = fixture("reply-tool").replacen("\\n\\\"}\"}}", "\\n\"}}", 1).replacen(
        "\"stop_reason\": \"tool_use\"",
        "\"stop_reason\": \"max_tokens\"",
        1,
    );
    assert_eq!(all(&streamed(&body)).findings, []);
}

#[test]
fn unary_messages() {
    for name in ["reply-text-nonstream", "reply-tool-nonstream"] {
        let mut j = Judgement::default();
        let found = told(&unary(200, &fixture(name)), &mut j).expect("a message");
        usage(&found, &mut j);
        assert_eq!(j.findings, [], "{name}");
    }
    let good: Value = serde_json::from_str(&fixture("reply-tool-nonstream")).expect("JSON");
    for (at, value, says) in [
        ("/type", json!("completion"), "`type`"),
        ("/id", json!(""), "`id`"),
        ("/content", json!("text"), "no list"),
        ("/content/0/type", Value::Null, "`type`"),
        ("/stop_reason", Value::Null, "no stop_reason"),
        ("/usage", json!({}), "no usage"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).expect(at) = value;
        let mut j = Judgement::default();
        if let Some(message) = told(&unary(200, &bad.to_string()), &mut j) {
            usage(&message, &mut j);
        }
        let found =
            j.findings.iter().any(|f| f.severity == Severity::Error && f.what.contains(says));
        assert!(found, "{at}: {:?}", j.findings);
    }
    let mut j = Judgement::default();
    model_echo(&json!({"model": "gpt-5"}), "claude-x", &mut j);
    model_echo(&json!({"model": "claude-x-20260101"}), "claude-x", &mut j);
    assert_eq!(j.findings.len(), 1);
}

#[test]
fn error_bodies() {
    for (status, body) in fixtures::error_bodies() {
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        let mut j = Judgement::default();
        anthropic_error(&reply(status, "application/json", &body), &mut j);
        assert_eq!(j.findings, [], "{status}");
    }
    for (status, kind, body, severity) in [
        (400, "application/json", r#"{"detail":"no"}"#, Severity::Error),
        (502, "text/html", "<html>bad gateway</html>", Severity::Error),
        (404, "application/json", r#"{"error":{"message":"no","code":null}}"#, Severity::Error),
        (
            401,
            "application/json",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#,
            Severity::Warning,
        ),
        (
            400,
            "text/plain",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#,
            Severity::Warning,
        ),
    ] {
        let mut j = Judgement::default();
        anthropic_error(&reply(status, kind, body), &mut j);
        assert_eq!(j.findings.iter().map(|f| f.severity).max(), Some(severity), "{body}");
    }
}

#[test]
fn a_faulty_request_answered_as_the_servers_fault_is_an_error() {
    let shaped = |status| {
        reply(
            status,
            "application/json",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#,
        )
    };
    let judged = |reply: &Reply| {
        let mut j = Judgement::default();
        (refused(reply, &[400], "R29", &mut j), j.verdict())
    };
    assert_eq!(judged(&shaped(400)), (true, Verdict::Ok));
    assert_eq!(judged(&shaped(422)), (true, Verdict::Warn));
    assert_eq!(judged(&shaped(500)), (false, Verdict::Fail));
    assert_eq!(judged(&shaped(200)), (false, Verdict::Ok));
}

#[test]
fn what_the_client_mends_is_a_warning() {
    let said = |message: &str| {
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
            .to_string()
    };
    let verdict = |message: &str| {
        let mut j = Judgement::default();
        told(&unary(400, &said(message)), &mut j);
        j.verdict()
    };
    assert_eq!(verdict("context_management: Extra inputs are not permitted"), Verdict::Warn);
    assert_eq!(verdict("I do not like it"), Verdict::Fail);
}
