//! Claude's own stream, out of Amazon's.

use gateway_bedrock::Unwrap;
use gateway_testkit::bedrock::{Asked, Refusal, Style, Turn, event_stream, invoke_reply};
use gateway_translate::{BodyEnd, FaultCx};
use gateway_types::{ErrorKind, Fault};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{CLAUDE, Upstream};

fn unwrap() -> Unwrap {
    let cx = FaultCx { provider: "aws", model: CLAUDE, prompt_estimate: 1000 };
    Unwrap::new(&Upstream::of(CLAUDE).egress, &cx)
}

fn read(chunks: &[&[u8]]) -> (String, Result<(), Fault>) {
    let mut unwrap = unwrap();
    let mut out = Vec::new();
    let mut end = Ok(());
    for chunk in chunks {
        end = unwrap.push(chunk, &mut out);
        if end.is_err() {
            break;
        }
    }
    let end = end.and_then(|()| unwrap.finish(BodyEnd::Clean, &mut out));
    (String::from_utf8(out).expect("a text"), end)
}

fn turn() -> Turn {
    Turn::reasoning("why").and_text("héllo 😀").and_call("Bash", &json!({"a": "b"}))
}

fn frames(turn: &Turn) -> Vec<Vec<u8>> {
    let rules = Upstream::of(CLAUDE).rules;
    invoke_reply::frames(turn, Asked { body: &Value::Null, index: 0, rules: &rules }).0
}

fn events(text: &str) -> Vec<(String, Value)> {
    text.split_terminator("\n\n")
        .map(|frame| {
            let (event, data) = frame.split_once('\n').expect("two lines");
            let event = event.strip_prefix("event: ").expect("an event").to_owned();
            let data = data.strip_prefix("data: ").expect("its data");
            (event, serde_json::from_str(data).expect("JSON"))
        })
        .collect()
}

#[test]
fn the_stream_is_what_the_messages_api_would_have_sent() {
    for (name, style) in Style::all() {
        let turn = turn().style(style);
        let rules = Upstream::of(CLAUDE).rules;
        let asked = Asked { body: &Value::Null, index: 0, rules: &rules };
        let (text, end) = read(&[&frames(&turn).concat()]);
        end.expect("whole");
        let got = events(&text);
        let (wanted, _) = invoke_reply::events(&turn, asked);
        assert_eq!(got.len(), wanted.len(), "{name}");
        for ((event, data), mut wanted) in got.into_iter().zip(wanted) {
            assert_eq!(event, wanted["type"].as_str().expect("a type"));
            if event == "message_stop" {
                wanted = json!({"type": "message_stop"});
            }
            if event == "message_delta" && name == "cache-counts-in-metrics" {
                wanted["usage"]["cache_read_input_tokens"] = json!(200);
                wanted["usage"]["cache_creation_input_tokens"] = json!(0);
            }
            assert_eq!(data, wanted, "{name}");
        }
    }
}

#[test]
fn what_comes_out_does_not_hang_on_how_it_was_cut() {
    let bytes = frames(&turn().style(Style::named("bedrock"))).concat();
    let whole = read(&[&bytes]).0;
    for cut in (0..bytes.len()).step_by(3) {
        let (got, end) = read(&[&bytes[..cut], &bytes[cut..]]);
        assert!(end.is_ok());
        assert_eq!(got, whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single).0, whole);
}

#[test]
fn each_event_goes_out_as_soon_as_it_has_come() {
    let frames = frames(&turn());
    let mut unwrap = unwrap();
    for (at, frame) in frames.iter().enumerate() {
        let mut out = Vec::new();
        unwrap.push(frame, &mut out).expect("fine");
        assert!(out.starts_with(b"event: ") && out.ends_with(b"\n\n"), "{at}");
        assert_eq!(unwrap.has_ended(), at + 1 == frames.len());
    }
    let mut out = Vec::new();
    unwrap.push(b"anything", &mut out).expect("is of no interest");
    assert!(out.is_empty());
}

#[test]
fn an_exception_is_a_status_before_the_first_event_and_an_event_behind_it() {
    let exception = Refusal::throttled().frame();
    let (text, end) = read(&[&exception]);
    assert!(text.is_empty());
    assert_eq!(end.expect_err("a fault").error.kind(), ErrorKind::RateLimited);
    let mut bytes = frames(&turn())[..3].concat();
    bytes.extend_from_slice(&exception);
    bytes.extend_from_slice(&frames(&turn())[3]);
    let (text, end) = read(&[&bytes]);
    end.expect("it has ended");
    let all = events(&text);
    assert_eq!(all.len(), 4);
    assert_eq!(all[3].0, "error");
    assert_eq!(all[3].1["error"]["type"], "rate_limit_error");
    let (_, end) = read(&[&event_stream::error("InternalFailure", "oops")]);
    assert_eq!(end.expect_err("a fault").error.message(), "aws failed: oops");
}

#[test]
fn r04_what_breaks_off_or_can_not_be_read_is_cut() {
    let frames = frames(&turn());
    let bytes = frames.concat();
    for cut in (0..bytes.len()).step_by(5) {
        let (text, end) = read(&[&bytes[..cut]]);
        assert!(end.is_err() && !text.contains("message_stop"), "cut at {cut}");
    }
    let mut damaged = bytes.clone();
    let at = frames[0].len() + 30;
    damaged[at] ^= 1;
    let (text, end) = read(&[&damaged]);
    assert_eq!(events(&text).len(), 1);
    assert!(end.expect_err("a fault").error.message().contains("checksum"));
    for payload in
        [json!({"bytes": "!!"}), json!({"bytes": "e30"}), json!([]), json!({"bytes": "WzFd"})]
    {
        let (text, end) = read(&[&event_stream::event("chunk", &payload)]);
        assert!(text.is_empty() && end.is_err(), "{payload}");
    }
}

#[test]
fn what_has_no_type_is_left_out_and_what_has_one_goes_on() {
    let wrap = |text: &str| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.encode(text);
        event_stream::event("chunk", &json!({"bytes": bytes, "p": "abc"}))
    };
    let bytes = [
        wrap("{}"),
        wrap(r#"{"type":"x y"}"#),
        event_stream::event("other", &json!({"p": "abc"})),
        wrap("{\"type\": \"new_event\",\r\n \"a\": \"b\\n\"}"),
        wrap(r#"{"amazon-bedrock-invocationMetrics":{"inputTokenCount":1},"type":"message_stop"}"#),
    ]
    .concat();
    let (text, end) = read(&[&bytes]);
    end.expect("whole");
    let wanted = "event: new_event\ndata: {\"type\": \"new_event\",   \"a\": \"b\\n\"}\n\n\
                  event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    assert_eq!(text, wanted);
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_nothing_ends_by_itself(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        keep in 0..20usize,
    ) {
        let frames = frames(&turn());
        let keep = keep.min(frames.len() - 1);
        let mut all = frames[..keep].concat();
        all.extend_from_slice(&bytes);
        let (text, end) = read(&all.chunks(29).collect::<Vec<_>>());
        prop_assert!(end.is_err());
        prop_assert_eq!(events(&text).len(), keep);
    }
}
