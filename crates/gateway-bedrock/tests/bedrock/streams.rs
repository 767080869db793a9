//! Streams made by hand: out of order, incomplete, failing.

use gateway_testkit::bedrock::event_stream;
use gateway_translate::BodyEnd;
use gateway_types::{ErrorKind, Remedy};
use serde_json::{Value, json};

use crate::support::{
    CLAUDE, NOVA, NOVA_2, Short, Upstream, hello, read_stream, short, stream, tool,
};

fn start(index: u64, id: &str) -> (&'static str, Value) {
    let start = json!({"toolUse": {"toolUseId": id, "name": "Bash"}});
    ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
}

#[expect(clippy::needless_pass_by_value, reason = "it is read better so")]
fn delta(index: u64, delta: Value) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
}

fn args(index: u64, input: &str) -> (&'static str, Value) {
    delta(index, json!({"toolUse": {"input": input}}))
}

fn text(index: u64, text: &str) -> (&'static str, Value) {
    delta(index, json!({"text": text}))
}

fn end(index: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

fn stop(reason: &str) -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": reason}))
}

fn cost() -> (&'static str, Value) {
    ("metadata", json!({"usage": {"inputTokens": 7, "outputTokens": 3}, "metrics": {}}))
}

fn read(model: &'static str, events: &[(&str, Value)]) -> (String, Option<gateway_types::Fault>) {
    let mut reader = Upstream::of(model).reader(&json!({
        "stream": true, "tools": [tool("Bash")], "thinking": {"type": "enabled", "budget_tokens": 1024},
    }));
    short(&mut *reader, &[&stream(events)])
}

#[test]
fn r03_streams_of_all_kinds_are_put_in_order() {
    let a = r#"{\"a\":1}"#;
    for (what, events, wanted) in [
        (
            "gaps, and text without an end",
            vec![
                text(0, "one"),
                start(5, "c1"),
                args(5, "{\"a\":1}"),
                end(5),
                text(9, "two"),
                stop("end_turn"),
                cost(),
            ],
            format!("T:one/C:c1:Bash:{a}/T:two/.tool_use 7+0+0>3"),
        ),
        (
            "interleaved calls",
            vec![
                start(0, "c1"),
                start(1, "c2"),
                args(0, "{\"a\""),
                args(1, "{\"b\":2}"),
                args(0, ":1}"),
                end(1),
                end(0),
                stop("tool_use"),
                cost(),
            ],
            format!(r#"C:c1:Bash:{a}/C:c2:Bash:{{\"b\":2}}/.tool_use 7+0+0>3"#),
        ),
        (
            "input that is no text, and none at all",
            vec![
                start(0, "c1"),
                delta(0, json!({"toolUse": {"input": {"a": 1}}})),
                end(0),
                start(1, "c2"),
                end(1),
                stop("tool_use"),
                cost(),
            ],
            format!("C:c1:Bash:{a}/C:c2:Bash:/.tool_use 7+0+0>3"),
        ),
        (
            "all of a call in its start",
            vec![
                (
                    "contentBlockStart",
                    json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "c1", "name": "Bash", "input": {"a": 1}}}}),
                ),
                stop("tool_use"),
                cost(),
            ],
            format!("C:c1:Bash:{a}/.tool_use 7+0+0>3"),
        ),
        (
            "two texts of two indexes",
            vec![text(0, "one"), text(1, "two"), stop("end_turn"), cost()],
            "T:one/T:two/.end_turn 7+0+0>3".into(),
        ),
        (
            "a count before the end",
            vec![text(0, "one"), cost(), stop("end_turn")],
            "T:one/.end_turn 7+0+0>3".into(),
        ),
        (
            "nothing but an end",
            vec![("messageStart", json!({"role": "assistant"})), stop("end_turn"), cost()],
            ".end_turn 7+0+0>3".into(),
        ),
        (
            "events nobody knows",
            vec![
                ("ping", json!({})),
                text(0, "one"),
                delta(1, json!({"image": {}})),
                ("other", json!([])),
                stop("end_turn"),
                cost(),
            ],
            "T:one/.end_turn 7+0+0>3".into(),
        ),
        (
            "thinking and its signature, apart",
            vec![
                delta(0, json!({"reasoningContent": {"text": "I "}})),
                delta(0, json!({"reasoningContent": {"text": "think"}})),
                delta(0, json!({"reasoningContent": {"signature": "c2ln"}})),
                text(1, "so"),
                stop("end_turn"),
                cost(),
            ],
            "H:I think~/T:so/.end_turn 7+0+0>3".into(),
        ),
        (
            "thinking that only its maker can read, in two pieces",
            vec![
                delta(0, json!({"reasoningContent": {"redactedContent": "QUI="}})),
                delta(0, json!({"reasoningContent": {"redactedContent": "Q0Q="}})),
                end(0),
                text(1, "so"),
                stop("end_turn"),
                cost(),
            ],
            "R:/T:so/.end_turn 7+0+0>3".into(),
        ),
    ] {
        let (got, fault) = read(CLAUDE, &events);
        assert!(fault.is_none(), "{what}: {fault:?}");
        assert_eq!(got, wanted, "{what}");
    }
}

#[test]
fn a_search_that_the_model_ran_is_counted_and_not_told_as_a_call() {
    let call =
        json!({"toolUse": {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}});
    let result = json!({"toolResult": {"toolUseId": "s"}});
    let citation = json!({"citation": {"title": "A", "location": {"web": {"url": "https://a.example", "domain": "a.example"}}}});
    let (got, fault) = read(
        NOVA_2,
        &[
            ("contentBlockStart", json!({"contentBlockIndex": 0, "start": call})),
            args(0, "{\"q\":1}"),
            end(0),
            ("contentBlockStart", json!({"contentBlockIndex": 1, "start": result})),
            delta(1, json!({"toolResult": [{"text": "x"}]})),
            end(1),
            text(2, "found"),
            delta(2, citation),
            end(2),
            stop("end_turn"),
            cost(),
        ],
    );
    assert!(fault.is_none());
    assert_eq!(got, "T:found^/.end_turn 7+0+0>3");
}

#[test]
fn r04_what_breaks_off_has_no_end() {
    let whole = stream(&[
        text(0, "one"),
        start(1, "c1"),
        args(1, "{\"a\":1}"),
        end(1),
        stop("tool_use"),
        cost(),
    ]);
    let done =
        stream(&[text(0, "one"), start(1, "c1"), args(1, "{\"a\":1}"), end(1), stop("tool_use")])
            .len();
    for cut in 0..whole.len() {
        for end in [BodyEnd::Clean, BodyEnd::Cut] {
            let mut reader =
                Upstream::of(NOVA).reader(&json!({"stream": true, "tools": [tool("Bash")]}));
            let mut sink = Short::default();
            reader.push(&whole[..cut], &mut sink).expect("nothing wrong so far");
            let finished = reader.finish(end, &mut sink);
            // The count alone may be missing.
            assert_eq!(finished.is_ok(), cut == done, "cut at {cut}");
            assert_eq!(sink.grammar.is_done(), cut == done);
            if let Err(fault) = finished {
                assert_eq!(
                    (fault.error.kind(), fault.remedy),
                    (ErrorKind::BadGateway, Remedy::Same)
                );
            }
        }
    }
}

#[test]
fn r04_arguments_that_are_no_json_are_no_call() {
    let (_, fault) =
        read(NOVA, &[start(0, "c1"), args(0, "{\"a\":"), end(0), stop("tool_use"), cost()]);
    assert_eq!(fault.expect("a fault").error.kind(), ErrorKind::BadGateway);
    let (_, fault) = read(NOVA, &[start(0, "c1"), args(0, "{\"a\":"), stop("malformed_tool_use")]);
    let fault = fault.expect("a fault");
    assert_eq!((fault.error.kind(), fault.remedy), (ErrorKind::UpstreamFailed, Remedy::Again));
    let (said, fault) = read(NOVA, &[stop("malformed_model_output")]);
    assert!(said.is_empty());
    assert_eq!(fault.expect("a fault").remedy, Remedy::Again);
}

#[test]
fn r06_nothing_at_all_is_an_error() {
    for body in [&b""[..], b"  ", b"{}", b"<html>busy</html>", b"null", b"[]", b"\xff\xff"] {
        for streams in [true, false] {
            let mut reader = Upstream::of(NOVA).reader(&json!({"stream": streams}));
            let mut sink = Short::default();
            let read = if streams {
                read_stream(&mut *reader, &[body], &mut sink)
            } else {
                reader.whole(body, &mut sink)
            };
            assert!(read.is_err() && sink.out.is_empty(), "{body:?}");
        }
    }
}

#[test]
fn exceptions_are_faults_with_what_may_help() {
    for (kind, wanted, remedy) in [
        ("throttlingException", ErrorKind::RateLimited, Remedy::Same),
        ("modelStreamErrorException", ErrorKind::UpstreamFailed, Remedy::Same),
        ("validationException", ErrorKind::InvalidRequest, Remedy::Final),
        ("internalServerException", ErrorKind::UpstreamFailed, Remedy::Same),
        ("serviceUnavailableException", ErrorKind::UpstreamOverloaded, Remedy::Same),
        ("modelTimeoutException", ErrorKind::Timeout, Remedy::Same),
        ("unheardOfException", ErrorKind::UpstreamFailed, Remedy::Same),
    ] {
        for before in [vec![], stream(&[text(0, "one")])] {
            let mut bytes = before.clone();
            bytes.extend(event_stream::exception(kind, &json!({"message": "no"})));
            let mut reader = Upstream::of(NOVA).reader(&json!({"stream": true}));
            let (said, fault) = short(&mut *reader, &[&bytes]);
            assert_eq!(said.is_empty(), before.is_empty());
            let fault = fault.expect("a fault");
            assert_eq!((fault.error.kind(), fault.remedy), (wanted, remedy), "{kind}");
            assert_eq!(fault.error.message(), "aws failed: no");
        }
    }
    let mut reader = Upstream::of(NOVA).reader(&json!({"stream": true}));
    let (_, fault) = short(&mut *reader, &[&event_stream::error("InternalFailure", "oops")]);
    assert_eq!(fault.expect("a fault").error.message(), "aws failed: oops");
}

#[test]
fn an_error_with_the_status_of_a_success_is_one() {
    let mut reader = Upstream::of(NOVA).encode(&hello(&json!({}))).expect("can be said").reader;
    let body = br#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
    let fault = reader.whole(body, &mut Short::default()).expect_err("an error");
    assert_eq!(fault.error.kind(), ErrorKind::NotFound);
    assert!(
        fault.error.message().contains("UnknownOperationException"),
        "{}",
        fault.error.message()
    );
    let mut reader = Upstream::of(NOVA).encode(&hello(&json!({}))).expect("can be said").reader;
    let body = br#"{"__type":"ThrottlingException","message":"slow"}"#;
    let fault = reader.whole(body, &mut Short::default()).expect_err("an error");
    assert_eq!(fault.error.kind(), ErrorKind::RateLimited);
}

#[test]
fn a_wrong_checksum_ends_it() {
    let mut bytes = stream(&[text(0, "one"), stop("end_turn"), cost()]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let mut reader = Upstream::of(NOVA).reader(&json!({"stream": true}));
    let (said, fault) = short(&mut *reader, &[&bytes]);
    assert_eq!(said, "T:one");
    assert!(fault.expect("a fault").error.message().contains("wrong checksum"));
}

#[test]
fn r04_an_input_that_is_no_object_runs_no_tool() {
    let upstream = Upstream::of(CLAUDE);
    let whole = |input: Value| {
        let call = json!({"toolUse": {"toolUseId": "c1", "name": "Bash", "input": input}});
        let message = json!({"role": "assistant", "content": [call]});
        let usage = json!({"inputTokens": 7, "outputTokens": 3, "totalTokens": 10});
        let body =
            json!({"output": {"message": message}, "stopReason": "tool_use", "usage": usage});
        let mut sink = Short::default();
        let mut reader = upstream.reader(&json!({"tools": [tool("Bash")]}));
        reader.whole(body.to_string().as_bytes(), &mut sink).map(|()| sink.out)
    };
    for nonsense in [json!([1]), json!(7), json!(true), json!("text"), json!("[1]")] {
        assert!(whole(nonsense.clone()).is_err(), "{nonsense}");
    }
    let a = r#"{\"a\":1}"#;
    for (input, wanted) in
        [(json!({"a": 1}), a), (json!("{\"a\":1}"), a), (json!(""), ""), (Value::Null, "")]
    {
        let got = whole(input).expect("a call");
        assert!(got.starts_with(&format!("C:c1:Bash:{wanted}/.tool_use")), "{got}");
    }
}
