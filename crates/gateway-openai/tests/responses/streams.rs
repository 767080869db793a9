//! Streams made by hand: out of order, incomplete, failing.

use gateway_types::{ErrorKind, Feature, Remedy, UsageQuality};
use serde_json::json;

use crate::events::{added, args, call, done, ended, message, usage, words};
use crate::support::{Upstream, fold, short, stream};

const MODEL: &str = "gpt-5.6-terra";

/// Streams as servers send them that do not keep to the order, and what they mean.
#[test]
fn r03_streams_of_all_kinds_are_put_in_order() {
    let end = ".end_turn 7+0+0>3(0) 0";
    let tools = ".tool_use 7+0+0>3(0) 0";
    let a = r#"{\"a\":1}"#;
    for (what, events, wanted) in [
        (
            "interleaved calls",
            vec![
                added(0, call("c1", "")),
                added(1, call("c2", "")),
                args(0, "{\"a\""),
                args(1, "{\"b\":2}"),
                args(0, ":1}"),
                ended(1, call("c2", "{\"b\":2}")),
                ended(0, call("c1", "{\"a\":1}")),
                done(json!([])),
            ],
            format!(r#"C:c1:Bash:{a}/C:c2:Bash:{{\"b\":2}}/{tools}"#),
        ),
        (
            "calls without deltas",
            vec![ended(0, call("c1", "{\"a\":1}")), ended(1, call("c2", "")), done(json!([]))],
            format!("C:c1:Bash:{a}/C:c2:Bash:/{tools}"),
        ),
        (
            "deltas of which some are missing",
            vec![
                added(0, call("c1", "")),
                args(0, "{\"a\""),
                ended(0, call("c1", "{\"a\":1}")),
                added(1, message(&[])),
                words(1, 0, "h\u{e9}"),
                ended(1, message(&["h\u{e9}llo"])),
                done(json!([])),
            ],
            format!("C:c1:Bash:{a}/T:héllo/{tools}"),
        ),
        (
            "text while a call is open",
            vec![
                added(0, call("c1", "")),
                args(0, "{\"a\""),
                words(1, 0, "later"),
                args(0, ":1}"),
                ended(0, call("c1", "{\"a\":1}")),
                done(json!([])),
            ],
            format!("C:c1:Bash:{a}/T:later/{tools}"),
        ),
        (
            "items without an end",
            vec![
                words(0, 0, "one"),
                added(1, call("c1", "")),
                args(1, "{\"a\":1}"),
                done(json!([])),
            ],
            format!("T:one/C:c1:Bash:{a}/{tools}"),
        ),
        (
            "an end that brings what is missing",
            vec![words(0, 0, "on"), done(json!([message(&["one"])]))],
            format!("T:one/{end}"),
        ),
        (
            "only an end",
            vec![
                json!({"type": "response.created"}),
                done(json!([message(&["a", "b"]), call("c1", "{\"a\":1}")])),
            ],
            format!("T:a/T:b/C:c1:Bash:{a}/{tools}"),
        ),
        (
            "an end that alone tells of a call",
            vec![
                words(0, 0, "one"),
                ended(0, message(&["one"])),
                done(json!([message(&["one"]), call("c1", "{\"a\":1}")])),
            ],
            format!("T:one/C:c1:Bash:{a}/{tools}"),
        ),
        (
            "an end that alone tells of a call, and numbers and names otherwise",
            vec![
                words(1, 0, "one"),
                ended(1, message(&["one"])),
                done(json!([
                    {"type": "message", "id": "other", "content": [{"type": "output_text", "text": "one"}]},
                    call("c1", "{\"a\":1}"),
                ])),
            ],
            format!("T:one/C:c1:Bash:{a}/{tools}"),
        ),
        (
            "an end that alone tells of the first of two calls",
            vec![
                ended(0, call("c2", "{\"b\":2}")),
                done(json!([call("c1", "{\"a\":1}"), call("c2", "{\"b\":2}")])),
            ],
            format!(r#"C:c2:Bash:{{\"b\":2}}/C:c1:Bash:{a}/{tools}"#),
        ),
        (
            "an end with other ids for everything",
            vec![
                ended(0, call("c1", "{\"a\":1}")),
                words(1, 0, "one"),
                done(json!([
                    {"type": "message", "content": [{"type": "output_text", "text": "one"}]},
                    {"type": "function_call", "call_id": "x", "name": "Bash", "arguments": "{\"a\":1}"},
                ])),
            ],
            format!("C:c1:Bash:{a}/T:one/{tools}"),
        ),
        (
            "an end that numbers otherwise",
            vec![words(1, 0, "one"), ended(1, message(&["one"])), done(json!([message(&["one"])]))],
            format!("T:one/{end}"),
        ),
        (
            "two messages are two blocks",
            vec![
                words(0, 0, "a"),
                ended(0, message(&["a"])),
                words(1, 0, "b"),
                ended(1, message(&["b"])),
                done(json!([])),
            ],
            format!("T:a/T:b/{end}"),
        ),
        (
            "no index, other ids each time",
            vec![
                json!({"type": "response.output_text.delta", "delta": "a"}),
                json!({"type": "response.output_text.delta", "delta": "b"}),
                json!({"type": "response.output_text.done", "text": "abc"}),
                done(json!([])),
            ],
            format!("T:abc/{end}"),
        ),
        (
            "an id in place of an index",
            vec![
                json!({"type": "response.output_text.delta", "item_id": "m1", "delta": "a"}),
                json!({"type": "response.output_item.done", "item":
                    {"id": "m1", "type": "message", "content": [{"type": "output_text", "text": "a"}]}}),
                json!({"type": "response.output_text.delta", "item_id": "m2", "delta": "b"}),
                done(json!([])),
            ],
            format!("T:a/T:b/{end}"),
        ),
        (
            "an index only at the end",
            vec![
                json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": "a"}),
                ended(0, message(&["ab"])),
                done(json!([])),
            ],
            format!("T:ab/{end}"),
        ),
        (
            "another id each time",
            vec![
                json!({"type": "response.output_text.delta", "item_id": "x", "output_index": 0, "delta": "a"}),
                json!({"type": "response.output_text.delta", "item_id": "y", "output_index": 0, "delta": "b"}),
                ended(0, message(&["ab"])),
                done(json!([])),
            ],
            format!("T:ab/{end}"),
        ),
        (
            "arguments that are an object",
            vec![
                ended(
                    0,
                    json!({"type": "function_call", "call_id": "c1", "name": "Bash", "arguments": {"a": 1}}),
                ),
                done(json!([])),
            ],
            format!("C:c1:Bash:{a}/{tools}"),
        ),
        (
            "unknown events and items",
            vec![
                json!({"type": "response.novel.delta", "output_index": 0, "delta": "x"}),
                json!({"type": "response.queued"}),
                json!({"type": "keepalive"}),
                ended(0, json!({"type": "file_search_call", "id": "fs_1"})),
                words(1, 0, "a"),
                done(json!([])),
            ],
            format!("T:a/{end}"),
        ),
    ] {
        let mut reader = Upstream::of(MODEL)
            .reader(&json!({"tools": [{"name": "Bash", "input_schema": {"type": "object"}}]}));
        let (got, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
        assert!(fault.is_none(), "{what}: {fault:?} after {got}");
        assert_eq!(got, wanted, "{what}");
        let lost = reader.losses().header();
        assert_eq!(lost.is_some(), what == "unknown events and items", "{what}: {lost:?}");
    }
}

#[test]
fn reasoning_that_only_the_end_tells_of_stands_where_it_led_to_something() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]});
    for (output, wanted, lost) in [
        (json!([thought, message(&["x"])]), "T:x/.end_turn", true),
        (json!([message(&["x"]), thought, call("c1", "")]), "T:x/H:hm/C:c1:Bash:/.tool_use", false),
    ] {
        let mut reader = Upstream::of(MODEL).reader(&json!({"thinking": {"type": "adaptive"}}));
        let events = [words(0, 0, "x"), ended(0, message(&["x"])), done(output)];
        let (got, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
        assert!(fault.is_none() && got.starts_with(wanted), "{got}");
        assert_eq!(reader.losses().header().is_some(), lost, "{got}");
    }
}

#[test]
fn thinking_of_open_models_is_shown_once() {
    let thought = |kind: &str, delta: &str| json!({"type": format!("response.{kind}.delta"), "output_index": 0, "delta": delta});
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm, well"}]});
    let events = [
        thought("reasoning_text", "hm"),
        thought("reasoning_summary_text", "short"),
        ended(0, item),
        words(1, 0, "x"),
        done(json!([])),
    ];
    for (thinking, wanted) in [
        (json!({"type": "adaptive"}), "H:hm, well/T:x/.end_turn 7+0+0>3(0) 0"),
        (json!({"type": "adaptive", "display": "omitted"}), "H:/T:x/.end_turn 7+0+0>3(0) 0"),
        (json!({"type": "disabled"}), "T:x/.end_turn 7+0+0>3(0) 0"),
    ] {
        let mut reader = Upstream::of(MODEL).reader(&json!({ "thinking": thinking }));
        assert_eq!(short(&mut *reader, &[stream(&events).as_bytes()]).0, wanted);
    }
}

#[test]
fn stop_sequences_end_the_answer_and_are_named() {
    let mut reader = Upstream::of("gpt-4.1").reader(&json!({"stop_sequences": ["</end>"]}));
    let events = [words(0, 0, "yes </e"), words(0, 0, "nd> more"), words(0, 0, "and more")];
    let (got, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
    assert!(fault.is_none() && got.starts_with("T:yes /.stop_sequence(</end>)"), "{got}");
    assert_eq!(reader.usage().quality, UsageQuality::Estimated);
    // What only began like one is text.
    let mut reader = Upstream::of("gpt-4.1").reader(&json!({"stop_sequences": ["</end>"]}));
    let events = [words(0, 0, "a </e"), ended(0, message(&["a </e"])), done(json!([]))];
    let (got, _) = short(&mut *reader, &[stream(&events).as_bytes()]);
    assert_eq!(got, "T:a </e/.end_turn 7+0+0>3(0) 0");
}

#[test]
fn r07_reasons_for_an_end_are_told() {
    for (response, wanted) in [
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
            "max_tokens",
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}),
            "refusal",
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_tool_calls"}}),
            "pause_turn",
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}),
            "pause_turn",
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "steered"}}),
            "pause_turn",
        ),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "novel"}}), "max_tokens"),
        (json!({"status": "incomplete", "incomplete_details": null}), "max_tokens"),
        (json!({"status": "completed", "error": null}), "end_turn"),
        (json!({"output": []}), "end_turn"),
    ] {
        let end = json!({"type": "response.incomplete", "response": response});
        let (got, fault) = short(
            &mut *Upstream::of(MODEL).reader(&json!({})),
            &[stream(&[words(0, 0, "x"), end]).as_bytes()],
        );
        assert!(fault.is_none() && got.starts_with(&format!("T:x/.{wanted} ")), "{response} {got}");
    }
}

#[test]
fn r32_an_answer_without_usage_is_estimated() {
    let events = [
        words(0, 0, "eight by"),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ];
    let mut reader = Upstream::of(MODEL).reader(&json!({}));
    assert!(short(&mut *reader, &[stream(&events).as_bytes()]).1.is_none());
    let usage = reader.usage();
    assert_eq!(usage.quality, UsageQuality::Estimated);
    assert!(usage.counts.input > 0 && usage.counts.output == 2);
}

#[test]
fn r32_what_usage_leaves_out_is_estimated() {
    for (usage, input, output) in [
        (json!({"input_tokens": 10}), Some(10), None),
        (json!({"input_tokens": 10, "output_tokens": 0}), Some(10), None),
        (json!({"output_tokens": 10}), None, Some(10)),
        (json!({"input_tokens": 0, "output_tokens": 10}), None, Some(10)),
    ] {
        let end = json!({"type": "response.completed", "response":
            {"status": "completed", "output": [], "usage": usage}});
        let events = [words(0, 0, "hello there"), end];
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        assert!(short(&mut *reader, &[stream(&events).as_bytes()]).1.is_none());
        let got = reader.usage();
        assert_eq!(got.quality, UsageQuality::Partial, "{usage}");
        assert!(input.map_or(got.counts.input > 0, |n| got.counts.input == n), "{usage} {got:?}");
        assert!(
            output.map_or(got.counts.output > 0, |n| got.counts.output == n),
            "{usage} {got:?}"
        );
    }
}

#[test]
fn r03_two_calls_of_one_call_id_are_two_calls() {
    let item = |id: &str, arguments: &str| json!({"type": "function_call", "id": id, "call_id": "c", "name": "Bash", "arguments": arguments});
    let (one, two) = (item("f1", "{\"a\":1}"), item("f2", "{\"a\":2}"));
    for events in [
        vec![done(json!([one, two]))],
        vec![ended(0, one.clone()), ended(1, two.clone()), done(json!([one, two]))],
        vec![
            added(0, item("f1", "")),
            added(1, item("f2", "")),
            args(1, "{\"a\":2}"),
            args(0, "{\"a\":1}"),
            ended(1, two.clone()),
            ended(0, one.clone()),
            done(json!([one, two])),
        ],
        vec![ended(0, one.clone()), done(json!([one, two]))],
    ] {
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        let (got, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
        assert!(fault.is_none(), "{fault:?} after {got}");
        let calls: Vec<&str> = got.split("C:").skip(1).collect();
        let [first, second] = calls[..] else { panic!("two calls: {got}") };
        assert!(first.starts_with(r#"c:Bash:{\"a\":1}/"#), "{got}");
        assert!(!second.starts_with("c:") && second.contains(r#":Bash:{\"a\":2}/"#), "{got}");
    }
}

#[test]
fn r04_r05_a_call_that_is_not_json_is_an_error() {
    for arguments in ["{\"a\"", "[1]", "text", "{'a':1}"] {
        let item = call("c1", arguments);
        for events in [
            vec![ended(0, item.clone()), done(json!([]))],
            vec![
                added(0, item.clone()),
                args(0, arguments),
                ended(0, item.clone()),
                done(json!([])),
            ],
            vec![ended(0, item.clone()), words(1, 0, "x"), done(json!([]))],
        ] {
            let (got, fault) =
                short(&mut *Upstream::of(MODEL).reader(&json!({})), &[stream(&events).as_bytes()]);
            let fault = fault.expect("no such call may run");
            assert_eq!(fault.error.kind(), ErrorKind::BadGateway);
            assert!(!got.contains('/'), "{got}");
        }
    }
}

/// Errors inside an answer whose status was that of a success.
#[test]
fn errors_in_a_200_are_errors() {
    let failed = |code: &str, text: &str| {
        let error = json!({"code": code, "message": text});
        json!({"type": "response.failed", "response":
            {"status": "failed", "error": error, "output": [], "usage": usage()}})
    };
    let error = |code: &str, text: &str| json!({"type": "error", "code": code, "message": text, "param": null, "sequence_number": 3});
    for (event, kind, remedy) in [
        (failed("server_error", "An error occurred"), ErrorKind::UpstreamFailed, Remedy::Same),
        (failed("rate_limit_exceeded", "Rate limit"), ErrorKind::RateLimited, Remedy::Same),
        (failed("invalid_prompt", "flagged"), ErrorKind::PolicyBlocked, Remedy::Final),
        (failed("insufficient_quota", "no money"), ErrorKind::Billing, Remedy::UNPAID),
        (error("server_is_overloaded", "Overloaded"), ErrorKind::UpstreamOverloaded, Remedy::Same),
        (
            error("invalid_encrypted_content", "could not be verified"),
            ErrorKind::InvalidRequest,
            Remedy::Without(Feature::ReasoningState),
        ),
        (
            json!({"type": "error", "error": {"type": "server_error", "message": "boom"}}),
            ErrorKind::UpstreamFailed,
            Remedy::Same,
        ),
        (
            json!({"error": {"code": 502, "message": "bad"}}),
            ErrorKind::UpstreamFailed,
            Remedy::Same,
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed"}}),
            ErrorKind::UpstreamFailed,
            Remedy::Same,
        ),
        (
            json!({"type": "response.cancelled", "response": {"status": "cancelled"}}),
            ErrorKind::UpstreamFailed,
            Remedy::Same,
        ),
        (
            json!({"type": "response.done", "response": {"status": "queued"}}),
            ErrorKind::BadGateway,
            Remedy::NextProvider,
        ),
    ] {
        for before in [vec![], vec![words(0, 0, "part")]] {
            let mut events = before;
            events.push(event.clone());
            let (got, fault) =
                short(&mut *Upstream::of(MODEL).reader(&json!({})), &[stream(&events).as_bytes()]);
            let fault = fault.unwrap_or_else(|| panic!("{event}: {got}"));
            assert_eq!((fault.error.kind(), fault.remedy), (kind, remedy), "{event}");
            assert!(!got.contains(['/', '.']), "nothing is closed: {got}");
        }
    }
    let too_long =
        failed("context_length_exceeded", "Your input exceeds the context window of this model.");
    let (_, fault) =
        short(&mut *Upstream::of(MODEL).reader(&json!({})), &[stream(&[too_long]).as_bytes()]);
    let text = fault.expect("a fault").error.message().to_owned();
    assert!(text.starts_with("prompt is too long: 1050001 tokens > 1050000 maximum"), "{text}");
    // The whole body is one, too.
    for body in [
        json!({"error": {"message": "boom", "code": "server_error"}}),
        json!([{"error": {"message": "boom", "code": 429}}]),
        json!({"status": "failed", "output": [], "error": {"message": "boom", "code": "server_error"}}),
    ] {
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        let fault =
            fold(|sink| reader.whole(body.to_string().as_bytes(), sink)).expect_err("a fault");
        assert!(fault.error.message().contains("boom"), "{}", fault.error.message());
        let mut reader = Upstream::of(MODEL).reader(&json!({ "stream": true }));
        let (_, fault) = short(&mut *reader, &[body.to_string().as_bytes()]);
        assert!(fault.expect("a fault").error.message().contains("boom"), "{body}");
    }
}

#[test]
fn bodies_of_other_kinds_are_errors() {
    for body in [
        "",
        "  ",
        "<html><body>hi</body></html>",
        "data: {\n\n",
        "data: nonsense\n\n",
        "[1]",
        "[",
        "[]",
        "[{}]",
        "[{\"status\":\"completed\",\"output\":[]}]",
        "[{\"error\":{}},{\"error\":{}}]",
        "{\"status\":\"queued\",\"output\":[]}",
        "{\"status\":\"cancelled\",\"output\":[]}",
        "{",
        "{}",
        "null",
        "data: {\"type\":\"response.completed\"}\n\n",
        "{\"status\":\"in_progress\",\"output\":[]}",
    ] {
        let (got, fault) = short(&mut *Upstream::of(MODEL).reader(&json!({})), &[body.as_bytes()]);
        assert!(fault.is_some() && got.is_empty(), "{body}: {got}");
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        assert!(fold(|sink| reader.whole(body.as_bytes(), sink)).is_err(), "{body}");
    }
    let mut invalid = b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"".to_vec();
    invalid.extend_from_slice(b"\xff\"}\n\n");
    assert!(short(&mut *Upstream::of(MODEL).reader(&json!({})), &[&invalid]).1.is_some());
    // A line break inside a string would end an event of ours.
    let broken = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\ndata: b\"}\n\n";
    assert!(short(&mut *Upstream::of(MODEL).reader(&json!({})), &[broken.as_bytes()]).1.is_some());
}

#[test]
fn r07_a_refusal_that_is_streamed_is_one() {
    let piece = |delta: &str| json!({"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": delta});
    let whole = json!({"type": "message", "content": [{"type": "refusal", "refusal": "I can't."}]});
    for end in [done(json!([])), done(json!([whole]))] {
        let events = [piece("I can"), piece("'t."), ended(0, whole.clone()), end];
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        let (got, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
        assert!(fault.is_none());
        assert_eq!(got, "T:I can't./.refusal 7+0+0>3(0) 0");
    }
}

#[test]
fn a_call_of_a_kind_that_nobody_asked_for_is_told_as_lost() {
    let item = json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "x", "input": "raw"});
    let by_events = [
        added(0, item.clone()),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "raw"}),
        ended(0, item.clone()),
        words(1, 0, "x"),
        done(json!([item, message(&["x"])])),
    ];
    let at_the_end = [words(0, 0, "x"), done(json!([message(&["x"]), item]))];
    for events in [&by_events[..], &at_the_end[..]] {
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        let (got, fault) = short(&mut *reader, &[stream(events).as_bytes()]);
        assert!(fault.is_none());
        assert_eq!(got, "T:x/.end_turn 7+0+0>3(0) 0");
        assert_eq!(reader.losses().header().as_deref(), Some("dropped=reply"));
    }
}

#[test]
fn an_event_of_several_megabytes_is_taken() {
    let text = "0123456789abcdef".repeat(5 << 16);
    let events =
        [words(0, 0, "0123"), ended(0, message(&[&text])), done(json!([message(&[&text])]))];
    let bytes = stream(&events).into_bytes();
    assert!(bytes.len() > 10 << 20);
    let chunks: Vec<&[u8]> = bytes.chunks(64 << 10).collect();
    let (got, fault) = short(&mut *Upstream::of(MODEL).reader(&json!({})), &chunks);
    assert!(fault.is_none());
    assert_eq!(got, format!("T:{text}/.end_turn 7+0+0>3(0) 0"));
}

#[test]
fn an_end_with_items_without_end_is_an_error() {
    let items = vec![json!({"type": "novel"}); 5000];
    let events = [words(0, 0, "x"), done(json!(items))];
    let mut reader = Upstream::of(MODEL).reader(&json!({}));
    let (_, fault) = short(&mut *reader, &[stream(&events).as_bytes()]);
    assert!(fault.expect("a fault").error.message().contains("more items"));
}
