//! What comes back, streamed and whole.

use gateway_testkit::google::{Fault as Goes, Finish, Part, Refusal, Style, Turn, Usage};
use gateway_types::{ErrorKind, Feature, Remedy};
use serde_json::{Value, json};

use crate::support::{
    Upstream, fold, frame, hello, kinds, parse, read_stream, short, stream, styles,
};

const MODEL: &str = "gemini-3.1-pro-preview";

/// Asks for all there is to ask for.
fn all(streamed: bool) -> Value {
    hello(&json!({
        "stream": streamed,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}}],
    }))
}

fn turns() -> Vec<(&'static str, Turn)> {
    let escapes = "\"quoted\\\" ünï 😀\n\ttab \u{1} </end>";
    let args = json!({"command": escapes, "n": [1, 2.5, null], "o": {"x": {}}});
    vec![
        ("text", Turn::text(escapes)),
        ("call", Turn::call("Bash", &args)),
        ("call without arguments", Turn::call("Bash", &json!({}))),
        ("thinking", Turn::reasoning(&["one", "two"]).and_text("x")),
        (
            "everything",
            Turn::reasoning(&["**One**\n\nfirst"])
                .and_text("I look.")
                .and_call("Bash", &args)
                .and_call("Bash", &json!({"x": 1})),
        ),
        ("code", Turn::text("See:").and_code("print(1)\n", "1\n").and_text("One.")),
        ("limit in text", Turn::text("cut he").finish(Finish::MaxTokens)),
        ("limit before anything", Turn::default().finish(Finish::MaxTokens)),
        ("safety", Turn::text("part").finish(Finish::Word("SAFETY", ""))),
        ("safety at once", Turn::default().finish(Finish::Word("PROHIBITED_CONTENT", "no"))),
        ("blocked", Turn::blocked("JAILBREAK")),
        ("odd end", Turn::text("x").finish(Finish::Word("SOMETHING_NEW", "hm"))),
        (
            "a file",
            Turn::text("x").and(Part::Raw(json!({"inlineData": {"mimeType": "a/b", "data": ""}}))),
        ),
        (
            "usage",
            Turn::text("t").usage(Usage {
                prompt: 100,
                cached: 60,
                candidates: 9,
                thoughts: 4,
                tool_use: 7,
            }),
        ),
    ]
}

/// Signatures are random to the eye; whether there are some depends on the style.
fn unsigned(mut message: Value) -> Value {
    for block in message["content"].as_array_mut().expect("blocks") {
        if let Some(signature) = block.get_mut("signature") {
            *signature = json!("…");
        }
    }
    message
}

#[test]
fn every_turn_in_every_style_is_the_same_message_streamed_and_whole() {
    let upstream = Upstream::of(MODEL);
    for (what, turn) in turns() {
        for (style, ways) in styles() {
            let turn = turn.clone().style(ways);
            let encoded = upstream.encode(&all(true)).expect("can be said");
            let body = parse(&encoded);
            let [text, whole] = [true, false].map(|s| upstream.answer(&body, s, &turn));
            let reader = || upstream.encode(&all(true)).expect("can be said").reader;
            let folded = fold(|sink| reader().whole(whole.as_bytes(), sink)).expect("whole");
            let streamed = fold(|sink| read_stream(&mut *reader(), &[text.as_bytes()], sink));
            let (folded, streamed) = (unsigned(folded), unsigned(streamed.expect("whole")));
            assert_eq!(streamed, folded, "{what}, {style}");
            // Either form is read where the other was asked for, and a list of frames.
            let swapped = fold(|sink| read_stream(&mut *reader(), &[whole.as_bytes()], sink));
            assert_eq!(unsigned(swapped.expect("whole")), folded, "{what}, {style}");
            let swapped = fold(|sink| reader().whole(text.as_bytes(), sink));
            assert_eq!(unsigned(swapped.expect("whole")), folded, "{what}, {style}");
            let asked = gateway_testkit::google::Asked {
                body: &body,
                model: MODEL,
                index: 0,
                rules: &upstream.rules,
            };
            let list = gateway_testkit::google::gemini_reply::frames(&turn, asked, false).concat();
            let listed = fold(|sink| read_stream(&mut *reader(), &[list.as_bytes()], sink));
            assert_eq!(unsigned(listed.expect("whole")), folded, "{what}, {style}");
        }
    }
}

#[test]
fn however_a_stream_is_cut_into_chunks_it_says_the_same() {
    let upstream = Upstream::of(MODEL);
    for (what, turn) in turns() {
        let turn = turn.style(Style { signature: 40, piece: 3, ..Style::default() });
        let encoded = upstream.encode(&all(true)).expect("can be said");
        let text = upstream.answer(&parse(&encoded), true, &turn);
        let read = |chunks: &[&[u8]]| {
            let mut reader = upstream.encode(&all(true)).expect("can be said").reader;
            short(&mut *reader, chunks).0
        };
        let whole = read(&[text.as_bytes()]);
        for size in [1, 2, 7, 64, 1000] {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(read(&chunks), whole, "{what} by {size}");
        }
    }
}

fn message(turn: &Turn) -> Value {
    Upstream::of(MODEL).ask(&all(true), turn)
}

#[test]
fn r01_a_call_is_told_in_full_and_r07_its_end_is_tool_use() {
    let message = message(&Turn::call("Bash", &json!({"a": "é\"\n"})).style(Style::named("lf")));
    assert_eq!(kinds(&message), ["thinking", "tool_use"]);
    assert_eq!(message["content"][1]["input"], json!({"a": "é\"\n"}));
    assert_eq!(message["stop_reason"], "tool_use");
    let native = message["content"][1]["id"].as_str().expect("an id");
    assert_eq!(native.len(), 8, "the model's own id: {native}");
}

#[test]
fn r07_every_end_has_its_reason() {
    for (finish, stop) in [
        (Finish::Auto, "end_turn"),
        (Finish::MaxTokens, "max_tokens"),
        (Finish::Word("SAFETY", ""), "refusal"),
        (Finish::Word("RECITATION", ""), "refusal"),
        (Finish::Word("IMAGE_SAFETY", ""), "refusal"),
        (Finish::Word("LANGUAGE", ""), "refusal"),
        (Finish::Word("OTHER", ""), "end_turn"),
        (Finish::Word("CONTINUATION", ""), "max_tokens"),
    ] {
        assert_eq!(message(&Turn::text("some").finish(finish))["stop_reason"], stop, "{finish:?}");
    }
    let refused = message(&Turn::default().finish(Finish::Word("SPII", "personal data")));
    assert_eq!(refused["stop_reason"], "refusal");
    assert_eq!(refused["content"][0]["text"], "google declined to answer: SPII: personal data.");
    let blocked = message(&Turn::blocked("PROHIBITED_CONTENT"));
    assert_eq!(blocked["content"][0]["text"], "google declined to answer: PROHIBITED_CONTENT.");
}

#[test]
fn r05_a_limit_counts_more_than_calls() {
    let cut = message(&Turn::call("Bash", &json!({})).finish(Finish::MaxTokens));
    assert_eq!(cut["stop_reason"], "max_tokens");
}

#[test]
fn slips_of_the_model_are_tried_again_before_anything_was_said() {
    for word in [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "MALFORMED_RESPONSE",
        "TOO_MANY_TOOL_CALLS",
        "OTHER",
        "WHAT_IS_THIS",
    ] {
        let turn = Turn::default().finish(Finish::Word(word, "print(default_api.Bash"));
        let fault = Upstream::of(MODEL).try_ask(&all(true), &turn).expect_err("nothing was said");
        assert_eq!((fault.error.kind(), fault.remedy), (ErrorKind::UpstreamFailed, Remedy::Again));
        assert!(fault.error.message().contains("default_api.Bash"), "{}", fault.error);
    }
    let turn = Turn::default().finish(Finish::Word("MISSING_THOUGHT_SIGNATURE", ""));
    let fault = Upstream::of(MODEL).try_ask(&all(false), &turn).expect_err("nothing was said");
    assert_eq!(fault.remedy, Remedy::Without(Feature::ReasoningState));
    // An answer that holds nothing is the same slip.
    let fault = Upstream::of(MODEL).try_ask(
        &all(true),
        &Turn::default()
            .style(Style { signed: gateway_testkit::google::Signed::Never, ..Style::default() }),
    );
    assert_eq!(fault.expect_err("r06 nothing at all").remedy, Remedy::Again);
}

/// A caller that takes words without the call they announce for the end stops working.
#[test]
fn r04_a_slip_behind_words_is_an_error_and_behind_a_call_the_call_counts() {
    for word in ["MALFORMED_FUNCTION_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"] {
        let finish = Finish::Word(word, "print(default_api.Bash");
        for streamed in [true, false] {
            let turn = Turn::text("I look.").finish(finish);
            let fault = Upstream::of(MODEL).try_ask(&all(streamed), &turn).expect_err("an error");
            assert_eq!(
                (fault.error.kind(), fault.remedy),
                (ErrorKind::UpstreamFailed, Remedy::Again)
            );
        }
        let called = message(&Turn::text("I look.").and_call("Bash", &json!({})).finish(finish));
        assert_eq!(called["stop_reason"], "tool_use", "{word}");
    }
}

#[test]
fn r01_arguments_are_an_object_or_the_answer_is_an_error() {
    for (args, input) in [
        (json!({"a": 1}), Some(json!({"a": 1}))),
        (json!("{\"a\": \"\\n\"}"), Some(json!({"a": "\n"}))),
        (json!(" {}"), Some(json!({}))),
        (Value::Null, Some(json!({}))),
        (json!(""), None),
        (json!("{\"a\":"), None),
        (json!("[1]"), None),
        (json!([1]), None),
        (json!(7), None),
    ] {
        let call = json!([{"functionCall": {"name": "Bash", "args": args}}]);
        let text = stream(&[frame(call, "STOP")]);
        let mut reader = Upstream::of(MODEL).encode(&all(true)).expect("can be said").reader;
        let read = fold(|sink| read_stream(&mut *reader, &[text.as_bytes()], sink));
        match (read, input) {
            (Ok(message), Some(input)) => {
                assert_eq!(message["content"][0]["input"], input, "{args}");
            }
            (Err(fault), None) => {
                assert!(fault.error.message().contains("no JSON object"), "{}", fault.error);
            }
            (other, _) => panic!("{other:?} for {args}"),
        }
    }
    let text = stream(&[frame(json!([{"functionCall": {"name": "Bash"}}]), "STOP")]);
    let mut reader = Upstream::of(MODEL).encode(&all(true)).expect("can be said").reader;
    let read = fold(|sink| read_stream(&mut *reader, &[text.as_bytes()], sink));
    assert_eq!(read.expect("a call")["content"][0]["input"], json!({}));
}

#[test]
fn r04_r06_what_has_no_end_is_an_error() {
    let fault_of = |text: &str| {
        let mut reader = Upstream::of(MODEL).reader(&json!({"stream": true}));
        short(&mut *reader, &[text.as_bytes()]).1
    };
    let part = stream(&[frame(json!([{"text": "half"}]), "")]);
    for (text, said) in [
        ("", "empty answer"),
        ("\r\n\r\n", "empty answer"),
        (&part, "broke off"),
        ("data: [DONE]\n\n", "none of this interface's"),
        ("data: {}\n\n", "none of this interface's"),
        ("data: {\"candidates\":\n\n", "not JSON"),
        ("{\"ok\":true}", "none of this interface's"),
        ("[]", "none of this interface's"),
        ("<html>hm</html>", "none of this interface's"),
    ] {
        let fault = fault_of(text).expect("an error");
        assert_eq!(fault.error.kind(), ErrorKind::BadGateway, "{text}");
        assert!(fault.error.message().contains(said), "{text}: {}", fault.error);
    }
    let null = Turn::text("text to the end").finish(Finish::Null);
    assert!(Upstream::of(MODEL).try_ask(&all(true), &null).is_err());
    // What stands behind the end is of no interest, what came before is whole.
    let whole = stream(&[frame(json!([{"text": "x"}]), "STOP")]) + "data: {\"candi";
    let mut reader = Upstream::of(MODEL).reader(&json!({"stream": true}));
    let (out, fault) = short(&mut *reader, &[whole.as_bytes()]);
    assert!(fault.is_some(), "half an event in a body that is whole: {out}");
}

#[test]
fn an_error_inside_an_answer_is_that_error() {
    let half = Turn::text("some text to be cut").fault(Goes::Error(Refusal::overloaded()));
    let fault = Upstream::of(MODEL).try_ask(&all(true), &half).expect_err("an error");
    assert_eq!(fault.error.kind(), ErrorKind::UpstreamOverloaded);
    let fault = Upstream::of(MODEL).try_ask(&all(false), &half).expect_err("an error");
    assert_eq!(fault.error.kind(), ErrorKind::UpstreamOverloaded);
    let listed = format!("[{}]", Refusal::rate_limit("7.5").body());
    let mut reader = Upstream::of(MODEL).reader(&json!({"stream": true}));
    let fault = short(&mut *reader, &[listed.as_bytes()]).1.expect("an error");
    assert_eq!(fault.error.retry_after().map(|t| t.as_secs()), Some(8));
}

#[test]
fn r32_r33_usage_is_counted_as_anthropic_counts() {
    let usage = Usage { prompt: 100, cached: 60, candidates: 9, thoughts: 4, tool_use: 7 };
    for style in ["google", "usage-at-the-end", "usage-apart"] {
        let message = message(&Turn::text("t").usage(usage).style(Style::named(style)));
        let told = &message["usage"];
        assert_eq!(told["input_tokens"], 47, "{style}");
        assert_eq!(told["cache_read_input_tokens"], 60);
        assert_eq!(told["output_tokens"], 13);
    }
    // Of the answer's tokens nothing is said: they are what remains.
    let text = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": "10", "thoughtsTokenCount": 3, "totalTokenCount": 20}});
    let mut reader = Upstream::of(MODEL).reader(&json!({}));
    let message = fold(|sink| reader.whole(text.to_string().as_bytes(), sink)).expect("whole");
    assert_eq!(message["usage"]["output_tokens"], 10);
    // Figures beyond all measure do no harm.
    let most = u64::MAX;
    let text = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": most, "thoughtsTokenCount": most,
            "toolUsePromptTokenCount": most, "totalTokenCount": 1}});
    let mut reader = Upstream::of(MODEL).reader(&json!({}));
    assert!(fold(|sink| reader.whole(text.to_string().as_bytes(), sink)).is_ok());
}

#[test]
fn one_call_at_a_time_where_that_was_asked_for() {
    let mut request = all(true);
    request["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
    let two = Turn::call("Bash", &json!({"n": 1})).and_call("Bash", &json!({"n": 2}));
    let message = Upstream::of(MODEL).ask(&request, &two);
    assert_eq!(kinds(&message), ["thinking", "tool_use"]);
    assert_eq!(message["content"][1]["input"]["n"], 1);
}

#[test]
fn stop_sequences_end_the_answer_wherever_they_stand() {
    let request =
        hello(&json!({"stream": true, "stop_sequences": ["a", "b", "c", "d", "e", "</end>"]}));
    let mut reader = Upstream::of(MODEL).encode(&request).expect("can be said").reader;
    let text = stream(&[
        frame(json!([{"text": "Hello </e"}]), ""),
        frame(json!([{"text": "nd> more"}]), "STOP"),
    ]);
    // The first five are the service's to keep; it did not.
    assert_eq!(short(&mut *reader, &[text.as_bytes()]).0, "T:H/.stop_sequence(e) 10+0>5(0) 0");
    let request = hello(&json!({"stream": true, "stop_sequences": ["</end>"]}));
    let mut upstream = Upstream::of(MODEL);
    upstream.egress.options.stop_sequences_sent = 0;
    let mut encoded = upstream.encode(&request).expect("can be said");
    assert!(!encoded.body.contains("stopSequences"));
    let (out, _) = short(&mut *encoded.reader, &[text.as_bytes()]);
    assert_eq!(out, "T:Hello /.stop_sequence(</end>) 10+0>5(0) 0");
}

#[test]
fn r08_thoughts_are_shown_only_where_they_are_wanted() {
    let turn = Turn::reasoning(&["hidden"]).and_text("x");
    let text = stream(&[
        frame(json!([{"text": "hm", "thought": true}]), ""),
        frame(json!([{"text": "x"}]), "STOP"),
    ]);
    let read = |thinking: Value| {
        let mut reader = Upstream::of(MODEL).reader(&json!({"stream": true, "thinking": thinking}));
        short(&mut *reader, &[text.as_bytes()]).0
    };
    assert_eq!(read(json!({"type": "adaptive"})), "H:hm~/T:x/.end_turn 10+0>5(0) 0");
    assert_eq!(read(json!({"type": "disabled"})), "T:x/.end_turn 10+0>5(0) 0");
    assert_eq!(
        read(json!({"type": "adaptive", "display": "omitted"})),
        "H:~/T:x/.end_turn 10+0>5(0) 0"
    );
    let quiet = Upstream::of(MODEL).ask(&hello(&json!({"stream": true})), &turn);
    assert_eq!(kinds(&quiet), ["text"]);
}
