//! A stream on its way through, event by event.

use super::*;

fn run(rename: Option<&str>, keys: &[&str], chunks: &[&[u8]]) -> (Vec<u8>, Phase) {
    let mut relay = Relay::new(rename.map(str::to_owned), Redactor::new(keys.iter().copied()));
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&relay.push(Bytes::copy_from_slice(chunk)).concat());
    }
    out.extend_from_slice(&relay.finish(StreamEnd::Clean).concat());
    (out, relay.phase())
}

const START: &[u8] = b"event: message_start\ndata: {\"type\":\"message_start\",\"x\":{\"model\":\"no\"},\"message\":{\"model\":\"real\",\"usage\":{\"input_tokens\":3}}}\n\n";

#[test]
fn r17_the_name_is_replaced_in_message_start_alone() {
    let wanted = String::from_utf8_lossy(START).replace("real", "as ked");
    let delta = b"event: content_block_delta\ndata: {\"message\":{\"model\":\"real\"}}\n\n";
    let (out, _) = run(Some("as ked"), &[], &[b"event: ping\ndata: {}\n\n", START, delta]);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains(&wanted), "{text}");
    assert!(text.ends_with(&*String::from_utf8_lossy(delta)), "{text}");
}

#[test]
fn r17_data_over_several_lines_is_renamed_too() {
    let start =
        b"event: message_start\r\ndata: {\"message\":\r\ndata: {\"model\":\"real\"}}\r\n\r\n";
    let (out, _) = run(Some("asked"), &[], &[start]);
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(start).replace("real", "asked")
    );
}

#[test]
fn phases_follow_the_events_with_or_without_their_names() {
    assert_eq!(run(None, &[], &[b": hello\n\n", crate::PING]).1, Phase::Waiting);
    assert_eq!(run(None, &[], &[START]).1, Phase::Started);
    assert_eq!(
        run(None, &[], &[b"data: {\"type\": \"content_block_start\"}\n\n"]).1,
        Phase::InBlocks
    );
    assert_eq!(run(None, &[], &[b"event: message_stop\ndata: {}\n\n"]).1, Phase::Ended);
    assert_eq!(run(None, &[], &[b"event: message_stop\ndata: {}"]).1, Phase::Ended);
    assert_eq!(run(None, &[], &[b"event: error\ndata: {}\n\n"]).1, Phase::Ended);
    assert_eq!(run(None, &[], &[b"data: [DONE]\n\n"]).1, Phase::Started);
}

#[test]
fn r04_a_terminal_event_that_was_cut_itself_is_none() {
    for (bytes, end, wanted) in [
        (&b"event: error\ndata: {\"type\":\"err"[..], StreamEnd::Cut, Phase::Waiting),
        (b"event: error\ndata: {\"type\":\"error\"}\n", StreamEnd::Clean, Phase::Waiting),
        (b"event: message_stop\ndata: {\"type\":\"mess", StreamEnd::Clean, Phase::Waiting),
        (
            b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n",
            StreamEnd::Cut,
            Phase::Waiting,
        ),
        (
            b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n",
            StreamEnd::Clean,
            Phase::Ended,
        ),
    ] {
        let mut relay = Relay::new(None, Redactor::default());
        let mut out = relay.push(Bytes::from_static(bytes)).concat().to_vec();
        out.extend_from_slice(&relay.finish(end).concat());
        assert_eq!((&out[..], relay.phase()), (bytes, wanted), "{end:?}");
    }
}

#[test]
fn r38_an_error_before_the_first_block_says_what_it_is() {
    let frame = |data: &str| format!("event: error\ndata: {data}\n\n");
    let whole = r#"{"type":"error","error":{"type":"overloaded_error","message":"a \"b\""}}"#;
    for (data, wanted) in [
        (whole, ("overloaded_error", "a \"b\"")),
        (r#"{"error":{"message":"x"}}"#, ("", "x")),
        (r#"{"error":{"type":"api_error","message":"x","details":[1]}}"#, ("api_error", "x")),
        (r#"{"error":"x"}"#, ("", "")),
        ("oops", ("", "")),
    ] {
        let (start, error) = (START.to_vec(), frame(data).into_bytes());
        for cut in 0..error.len() {
            let mut relay = Relay::new(None, Redactor::default());
            relay.push(start.clone().into());
            assert_eq!((relay.error(), relay.failed()), (None, false));
            relay.push(Bytes::copy_from_slice(&error[..cut]));
            relay.push(Bytes::copy_from_slice(&error[cut..]));
            assert_eq!(relay.error(), Some(wanted), "{data} cut at {cut}");
            assert!(relay.failed() && relay.phase() == Phase::Ended);
        }
    }
    let mut relay = Relay::new(None, Redactor::default());
    relay.push(Bytes::from(frame(whole) + &frame(r#"{"error":{"type":"second"}}"#)));
    assert_eq!(relay.error().map(|(kind, _)| kind), Some("overloaded_error"));

    let mut relay = Relay::new(None, Redactor::new(["sk-ant-planted-key"]));
    relay.push(frame(r#"{"error":{"message":"bad sk-ant-planted-key"}}"#).into());
    assert_eq!(relay.error(), Some(("", "bad [redacted]")));
}

#[test]
fn an_echoed_key_is_masked_in_error_events_and_only_there() {
    let key = "sk-ant-planted-key";
    let text = format!(
        "event: content_block_delta\ndata: {{\"text\":\"{key}\"}}\n\nevent: error\ndata: {{\"type\":\"error\",\"error\":{{\"message\":\"bad {key}\"}}}}\n\n"
    );
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let (out, phase) = run(None, &[key], &[first, second]);
        let out = String::from_utf8_lossy(&out);
        assert_eq!(phase, Phase::Ended);
        assert_eq!(out.matches(key).count(), 1, "cut at {cut}: {out}");
        assert!(out.contains("bad [redacted]"), "cut at {cut}: {out}");
    }
}

#[test]
fn a_boundary_is_where_a_ping_may_go() {
    let mut relay = Relay::new(None, Redactor::default());
    assert!(relay.at_boundary());
    relay.push(Bytes::from_static(b"event: x\n"));
    assert!(!relay.at_boundary());
    relay.push(Bytes::from_static(b"data: 1\n\n"));
    assert!(relay.at_boundary());
}

#[test]
fn a_start_that_never_ends_is_passed_on_in_the_end() {
    let mut relay = Relay::new(Some("asked".into()), Redactor::default());
    let mut handed = 0;
    for _ in 0..1000 {
        handed += relay.push(Bytes::from_static(&[b'x'; 1024])).concat().len();
        assert!(relay.held.len() <= MAX_HELD_BYTES);
    }
    assert_eq!(handed + relay.finish(StreamEnd::Clean).concat().len(), 1000 * 1024);
}

#[test]
fn usage_of_a_cut_stream_is_partial() {
    let mut relay = Relay::new(None, Redactor::default());
    relay.push(Bytes::from_static(START));
    assert_eq!(relay.usage().1, UsageQuality::Partial);
}
