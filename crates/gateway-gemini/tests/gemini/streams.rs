//! Answers in several pieces, and odd ones.

use gateway_testkit::google::{Finish, Turn};
use gateway_translate::BodyEnd;
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
    loop {
        encoded.reader.finish(BodyEnd::Cut, &mut sink).expect("a piece");
        if encoded.reader.goes_on().is_none() {
            break;
        }
        asked += 1;
        encoded
            .reader
            .push(stream(std::slice::from_ref(&piece)).as_bytes(), &mut sink)
            .expect("more");
    }
    assert_eq!(asked, 4);
    assert!(sink.out.contains("T:a/.max_tokens"), "{}", sink.out);
}

#[test]
fn an_answer_has_so_many_pieces_at_most() {
    // Each brings something, none says what it cost, and no limit was asked for.
    let mut encoded = Upstream::of(LONG).encode(&hello(&json!({"stream": true}))).expect("said");
    let mut piece = frame(json!([{"text": "a"}]), "CONTINUATION");
    piece["candidates"][0]["continuationToken"] = json!("t");
    piece.as_object_mut().expect("an object").remove("usageMetadata");
    let text = stream(&[piece]);
    let mut sink = Short::default();
    let mut pieces = 0;
    while !sink.grammar.is_done() {
        assert!(pieces < 1000, "it goes on for ever");
        pieces += 1;
        encoded.reader.push(text.as_bytes(), &mut sink).expect("more");
        encoded.reader.finish(BodyEnd::Clean, &mut sink).expect("a piece");
        assert_eq!(encoded.reader.goes_on().is_none(), sink.grammar.is_done());
    }
    assert_eq!(pieces, 64);
    assert!(sink.out.ends_with(".max_tokens"), "{}", sink.out);
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
