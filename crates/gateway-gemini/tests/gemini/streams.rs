//! Answers in several pieces, and odd ones.

use gateway_testkit::google::{Finish, Turn, Usage};
use gateway_translate::{BodyEnd, ReplyReader};
use gateway_types::Fault;
use serde_json::{Value, json};

use crate::support::{Short, Upstream, fold, frame, hello, parse, short, stream};

const LONG: &str = "gemini-4-argon";

#[test]
fn an_answer_in_pieces_is_one_answer() {
    let turn = Turn::text("one, ")
        .continued_by(Turn::text("two, ").continued_by(Turn::text("three").finish(Finish::Auto)));
    for streamed in [true, false] {
        let request = hello(&json!({"stream": streamed, "max_tokens": 100_000}));
        let message = Upstream::of(LONG).ask(&request, &turn);
        assert_eq!(message["content"][0]["text"], "one, two, three");
        assert_eq!(message["stop_reason"], "end_turn");
        assert_eq!(message["usage"]["output_tokens"], 150, "all three are paid for");
    }
}

#[test]
fn the_next_request_is_the_same_with_the_token() {
    let request = hello(&json!({"stream": true}));
    let mut encoded = Upstream::of(LONG).encode(&request).expect("can be said");
    let mut piece = frame(json!([{"text": "a"}]), "CONTINUATION");
    piece["candidates"][0]["continuationToken"] = json!("tok\"en");
    let mut sink = Short::default();
    let text = stream(&[piece]);
    encoded.reader.push(text.as_bytes(), &mut sink).expect("more");
    encoded.reader.finish(BodyEnd::Clean, &mut sink).expect("a piece");
    let next: Value =
        serde_json::from_str(&encoded.reader.goes_on().expect("it goes on")).expect("JSON");
    let mut wanted = parse(&encoded);
    wanted["continuationToken"] = json!("tok\"en");
    assert_eq!(next, wanted);
    assert!(encoded.reader.goes_on().is_none() && !sink.grammar.is_done());
}

#[test]
fn what_brings_nothing_is_not_asked_for_for_ever() {
    let mut encoded = Upstream::of(LONG).encode(&hello(&json!({"stream": true}))).expect("said");
    let mut piece = frame(json!([]), "");
    piece["candidates"][0]["continuationToken"] = json!("t");
    let mut begin = frame(json!([{"text": "a"}]), "");
    begin["candidates"][0]["continuationToken"] = json!("t");
    let mut sink = Short::default();
    let mut asked = 0;
    encoded.reader.push(stream(&[begin]).as_bytes(), &mut sink).expect("more");
    let fault = loop {
        if let Err(fault) = encoded.reader.finish(BodyEnd::Cut, &mut sink) {
            break fault;
        }
        assert!(encoded.reader.goes_on().is_some());
        asked += 1;
        encoded
            .reader
            .push(stream(std::slice::from_ref(&piece)).as_bytes(), &mut sink)
            .expect("more");
    };
    assert_eq!(asked, 4, "once upon what came, three times upon nothing");
    assert!(fault.error.message().contains("broke off"), "{}", fault.error);
    assert_eq!(sink.out, "T:a");
}

/// A frame with a token, which one without a reason to end may have, too.
fn with_token(parts: Value, finish: &str, token: &str) -> Value {
    let mut frame = frame(parts, finish);
    frame["candidates"][0]["continuationToken"] = json!(token);
    frame
}

/// Reads one piece and gives back the token that the next one is asked with.
fn piece(
    reader: &mut dyn ReplyReader,
    frames: &[Value],
    end: BodyEnd,
    sink: &mut Short,
) -> Result<Option<String>, Fault> {
    reader.push(stream(frames).as_bytes(), sink)?;
    reader.finish(end, sink)?;
    let next = reader.goes_on().map(|body| serde_json::from_str::<Value>(&body).expect("JSON"));
    Ok(next.and_then(|body| body["continuationToken"].as_str().map(str::to_owned)))
}

#[test]
fn r04_a_piece_that_was_cut_is_taken_up_where_nothing_is_said_twice() {
    for (cut, taken_up) in [
        // Nothing of it came: it is asked for again.
        (vec![], Some("one")),
        (vec![frame(json!([{"text": ""}]), "")], Some("one")),
        // With a token of its own it goes on from there.
        (vec![with_token(json!([{"text": "b"}]), "", "two")], Some("two")),
        // What stands behind the token would come twice.
        (vec![frame(json!([{"text": "b"}]), "")], None),
        (
            vec![with_token(json!([{"text": "b"}]), "", "two"), frame(json!([{"text": "c"}]), "")],
            None,
        ),
    ] {
        let mut reader = Upstream::of(LONG).reader(&json!({"stream": true}));
        let mut sink = Short::default();
        let first = [with_token(json!([{"text": "a"}]), "CONTINUATION", "one")];
        let next = piece(&mut *reader, &first, BodyEnd::Clean, &mut sink).expect("a piece");
        assert_eq!(next.as_deref(), Some("one"));
        match (piece(&mut *reader, &cut, BodyEnd::Cut, &mut sink), taken_up) {
            (Ok(next), Some(_)) => assert_eq!(next.as_deref(), taken_up),
            (Err(fault), None) => {
                assert!(fault.error.message().contains("broke off"), "{}", fault.error);
                assert!(!sink.grammar.is_done());
                continue;
            }
            (other, _) => panic!("{other:?} for {cut:?}"),
        }
        let last = [frame(json!([{"text": "z"}]), "STOP")];
        piece(&mut *reader, &last, BodyEnd::Clean, &mut sink).expect("the end");
        assert!(sink.out.contains("z/.end_turn 10+"), "{}", sink.out);
    }
}

#[test]
fn r04_a_whole_piece_that_was_cut_is_asked_for_again() {
    let mut reader = Upstream::of(LONG).reader(&json!({}));
    let mut sink = Short::default();
    let first = with_token(json!([{"text": "a"}]), "CONTINUATION", "one").to_string();
    reader.push(first.as_bytes(), &mut sink).expect("more");
    reader.finish(BodyEnd::Clean, &mut sink).expect("a piece");
    assert!(reader.goes_on().is_some());
    reader.push(&first.as_bytes()[..40], &mut sink).expect("more");
    reader.finish(BodyEnd::Cut, &mut sink).expect("asked for again");
    assert!(reader.goes_on().is_some_and(|body| body.contains("\"one\"")));
}

/// The service gives a token with other ends, too: only one that says so goes on.
#[test]
fn an_answer_that_ended_is_not_asked_on() {
    for (finish, token, stop) in [
        ("MAX_TOKENS", "new", "max_tokens"),
        ("STOP", "new", "end_turn"),
        ("SAFETY", "new", "refusal"),
        ("CONTINUATION", "one", "max_tokens"),
    ] {
        let mut reader = Upstream::of(LONG).reader(&json!({"stream": true}));
        let mut sink = Short::default();
        let first = [with_token(json!([{"text": "a"}]), "CONTINUATION", "one")];
        piece(&mut *reader, &first, BodyEnd::Clean, &mut sink).expect("a piece");
        let end = [with_token(json!([{"text": "b"}]), finish, token)];
        let next = piece(&mut *reader, &end, BodyEnd::Clean, &mut sink).expect("an end");
        assert_eq!(next, None, "{finish}");
        assert!(sink.out.contains(&format!("T:ab/.{stop} ")), "{finish}: {}", sink.out);
    }
}

#[test]
fn a_prompt_that_is_blocked_on_the_way_is_a_refusal() {
    let mut reader = Upstream::of(LONG).reader(&json!({"stream": true}));
    let mut sink = Short::default();
    let first = [with_token(json!([{"text": "a"}]), "CONTINUATION", "one")];
    piece(&mut *reader, &first, BodyEnd::Clean, &mut sink).expect("a piece");
    let blocked = [json!({"promptFeedback": {"blockReason": "SAFETY"}})];
    piece(&mut *reader, &blocked, BodyEnd::Clean, &mut sink).expect("an end");
    assert!(sink.out.starts_with("T:a/.refusal "), "{}", sink.out);
}

/// What was generated stands in the prompt of the next piece: it is counted once.
#[test]
fn r33_the_prompt_of_the_first_piece_counts() {
    let piece_of = |text: &str, prompt: u64, cached: u64| {
        Turn::text(text).usage(Usage { prompt, cached, candidates: 30, thoughts: 20, tool_use: 0 })
    };
    let turn = piece_of("a", 1000, 0).continued_by(
        piece_of("b", 1050, 1000).continued_by(piece_of("c", 1100, 1050).finish(Finish::Auto)),
    );
    let request = hello(&json!({"stream": true, "max_tokens": 100_000}));
    let usage = Upstream::of(LONG).ask(&request, &turn)["usage"].clone();
    assert_eq!(usage["input_tokens"], 1000);
    assert_eq!(usage["cache_read_input_tokens"], 0);
    assert_eq!(usage["output_tokens"], 150);
}

/// What is asked for is at most what the model gives: that is what all pieces together may be.
#[test]
fn the_limit_of_all_pieces_is_the_one_that_was_sent() {
    let mut upstream = Upstream::of(LONG);
    upstream.egress.options.max_output = Some(40);
    let request = hello(&json!({"stream": true, "max_tokens": 4000}));
    let turn = Turn::text("one").continued_by(Turn::text("two"));
    let message = upstream.ask(&request, &turn);
    assert_eq!(message["content"][0]["text"], "one");
    assert_eq!(message["stop_reason"], "max_tokens");
}

#[test]
fn an_answer_has_so_many_pieces_at_most() {
    // Each brings something, none says what it cost, and no limit was asked for.
    let mut encoded = Upstream::of(LONG).encode(&hello(&json!({"stream": true}))).expect("said");
    let mut sink = Short::default();
    let mut pieces = 0;
    while !sink.grammar.is_done() {
        assert!(pieces < 1000, "it goes on for ever");
        pieces += 1;
        let token = format!("t{pieces}");
        let mut piece = with_token(json!([{"text": "a"}]), "CONTINUATION", &token);
        piece.as_object_mut().expect("an object").remove("usageMetadata");
        encoded.reader.push(stream(&[piece]).as_bytes(), &mut sink).expect("more");
        encoded.reader.finish(BodyEnd::Clean, &mut sink).expect("a piece");
        assert_eq!(encoded.reader.goes_on().is_none(), sink.grammar.is_done());
    }
    assert_eq!(pieces, 64);
    assert!(sink.out.contains(".max_tokens "), "{}", sink.out);
}

#[test]
fn the_limit_is_that_of_all_pieces() {
    let request = hello(&json!({"stream": true, "max_tokens": 40}));
    let turn = Turn::text("one").continued_by(Turn::text("two"));
    let message = Upstream::of(LONG).ask(&request, &turn);
    assert_eq!(message["content"][0]["text"], "one");
    assert_eq!(message["stop_reason"], "max_tokens");
}

#[test]
fn a_call_in_pieces_was_not_asked_for() {
    let text = stream(&[frame(
        json!([{"functionCall": {"name": "f", "partialArgs": [], "willContinue": true}}]),
        "",
    )]);
    let mut reader = Upstream::of("gemini-3.1-pro-preview").reader(&json!({"stream": true}));
    let fault = short(&mut *reader, &[text.as_bytes()]).1.expect("an error");
    assert!(fault.error.message().contains("in pieces"), "{}", fault.error);
}

#[test]
fn unknown_parts_fields_and_other_candidates_do_no_harm() {
    let mut odd =
        frame(json!([{"hologram": {}}, {"text": "a", "partMetadata": {"x": 1}}, 7, {}]), "STOP");
    odd["candidates"][0]["content"]["mood"] = json!("fine");
    odd["candidates"].as_array_mut().expect("candidates").push(
        json!({"index": 1, "content": {"parts": [{"text": "other"}]}, "finishReason": "STOP"}),
    );
    odd["newField"] = json!([1]);
    let mut reader = Upstream::of("gemini-3.1-pro-preview").reader(&json!({"stream": true}));
    let (out, fault) = short(&mut *reader, &[stream(&[odd]).as_bytes()]);
    assert!(fault.is_none());
    assert_eq!(out, "T:a/.end_turn 10+0>5(0) 0");
    assert_eq!(reader.losses().header().as_deref(), Some("dropped=part"));
}

#[test]
fn a_frame_may_be_huge() {
    let text = "x".repeat(3 << 20);
    let answer =
        stream(&[frame(json!([{"text": text, "thoughtSignature": "A".repeat(1 << 20)}]), "STOP")]);
    let mut reader = Upstream::of("gemini-3.1-pro-preview").reader(&json!({"stream": true,
        "thinking": {"type": "adaptive"}}));
    let chunks: Vec<&[u8]> = answer.as_bytes().chunks(16 << 10).collect();
    let message = fold(|sink| crate::support::read_stream(&mut *reader, &chunks, sink));
    assert_eq!(message.expect("whole")["content"][0]["text"], text);
}
