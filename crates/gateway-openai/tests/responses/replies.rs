//! What comes back, streamed and whole.

use gateway_testkit::openai::{Fault as Goes, Finish, Part, Style, Turn, Usage};
use gateway_translate::ReplyReader;
use gateway_types::{ErrorKind, Feature, Remedy, UsageQuality};
use serde_json::{Value, json};

use crate::support::{Upstream, answer, fold, hello, parse, read_stream, short, stream};

const MODEL: &str = "gpt-5.6-terra";

/// Asks for all there is to ask for.
fn all(stream: bool) -> Value {
    hello(&json!({
        "stream": stream,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search"}],
    }))
}

fn turns() -> Vec<(&'static str, Turn)> {
    let escapes = "\"quoted\\\" ünï 😀\n\ttab \u{1} </end>";
    let args = json!({"command": escapes, "n": [1, 2.5, null]});
    vec![
        ("text", Turn::text(escapes)),
        ("no text", Turn::default()),
        ("call", Turn::call("Bash", &args)),
        ("call without arguments", Turn::call("Bash", &json!({}))),
        (
            "everything",
            Turn::reasoning(&["**One**\n\nfirst", "second"])
                .and_text("I look.")
                .and_call("Bash", &args)
                .and_call("Bash", &json!({"x": 1}))
                .and_reasoning(&["third"])
                .and_text("Done."),
        ),
        ("bare reasoning", Turn::reasoning(&[]).and_text("x")),
        ("refusal", Turn::default().and_refusal("I can't.")),
        (
            "search",
            Turn::text("Searching.")
                .and_search("rust \"x\"", &["https://a.example/1", "https://b.example"])
                .and_cited_text("Grüße from a", "https://a.example/1", "A \"page\""),
        ),
        ("limit in text", Turn::text("cut he").finish(Finish::Length)),
        (
            "limit in a call",
            Turn::text("t")
                .and_raw_call("call_1", "Bash", r#"{"command":"ls"#)
                .finish(Finish::Length),
        ),
        ("filter", Turn::text("part").finish(Finish::ContentFilter)),
        (
            "freeform call",
            Turn::text("t").and(Part::CustomCall { name: "p".into(), input: "i".into() }),
        ),
        (
            "writes to the cache",
            Turn::text("t").usage(Usage {
                prompt: 100,
                cached: 60,
                cache_write: 30,
                completion: 9,
                reasoning: 4,
            }),
        ),
    ]
}

fn styles() -> Vec<(&'static str, Style)> {
    let wanted = [
        "openai",
        "crlf",
        "many-lines",
        "comments",
        "tight",
        "obfuscation",
        "no-deltas",
        "phase",
        "done",
        "a-letter-a-piece",
    ];
    Style::all().into_iter().filter(|(name, _)| wanted.contains(name)).collect()
}

fn reader_and_answer(streamed: bool, turn: &Turn) -> (Box<dyn ReplyReader>, String) {
    let encoded = Upstream::of(MODEL).encode(&all(streamed)).expect("can be said");
    let text = answer(&parse(&encoded), turn);
    (encoded.reader, text)
}

/// A reader for one more look at the same answer.
fn another() -> Box<dyn ReplyReader> {
    Upstream::of(MODEL).encode(&all(true)).expect("can be said").reader
}

#[test]
fn every_turn_in_every_style_is_the_same_message_streamed_and_whole() {
    for (what, turn) in turns() {
        for (style, ways) in styles() {
            let turn = turn.clone().style(ways);
            let (mut reader, body) = reader_and_answer(false, &turn);
            let whole = fold(|sink| reader.whole(body.as_bytes(), sink)).expect("a whole answer");
            let (mut reader, text) = reader_and_answer(true, &turn);
            let streamed = fold(|sink| read_stream(&mut *reader, &[text.as_bytes()], sink));
            assert_eq!(streamed.expect("a whole answer"), whole, "{what}, {style}");
            // Either form is read where the other was asked for.
            let mut reader = another();
            let swapped = fold(|sink| read_stream(&mut *reader, &[body.as_bytes()], sink));
            assert_eq!(swapped.expect("a whole answer"), whole, "{what}, {style}");
            let mut reader = another();
            let swapped = fold(|sink| reader.whole(text.as_bytes(), sink));
            assert_eq!(swapped.expect("a whole answer"), whole, "{what}, {style}");
        }
    }
}

#[test]
fn r02_how_a_stream_is_cut_does_not_show() {
    for (what, turn) in turns() {
        for (style, ways) in styles() {
            let (mut reader, text) = reader_and_answer(true, &turn.clone().style(ways));
            let bytes = text.as_bytes();
            let (wanted, fault) = short(&mut *reader, &[bytes]);
            assert!(fault.is_none(), "{what}, {style}");
            let letters: Vec<&[u8]> = bytes.chunks(1).collect();
            let mut reader = another();
            assert_eq!(short(&mut *reader, &letters).0, wanted, "{what}, {style}, by bytes");
            // Every place of one cut would be quadratic: a step that meets all places over the styles.
            let step = 1 + bytes.len() / 20;
            for at in (style.len() % step..bytes.len()).step_by(step) {
                let mut reader = another();
                let got = short(&mut *reader, &[&bytes[..at], &bytes[at..]]).0;
                assert_eq!(got, wanted, "{what}, {style}, cut at {at}");
            }
        }
    }
}

#[test]
fn r02_every_single_cut_of_a_stream_gives_the_same() {
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "a"}]});
    let events = [
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "a"}),
        ended(0, item),
        words(1, 0, "é😀"),
        ended(1, message(&["é😀\r\n"])),
        added(2, call("c1", "")),
        args(2, "{\"x\":\"\\"),
        args(2, "u00e9\"}"),
        ended(2, call("c1", "{\"x\":\"\\u00e9\"}")),
        done(json!([])),
    ];
    for text in [
        stream(&events),
        stream(&events).replace('\n', "\r\n"),
        format!("\u{feff}{}", stream(&events)),
    ] {
        let bytes = text.as_bytes();
        let (wanted, fault) = short(&mut *another(), &[bytes]);
        assert!(fault.is_none() && wanted.starts_with("H:a~/T:é😀"), "{wanted}");
        for at in 0..=bytes.len() {
            let got = short(&mut *another(), &[&bytes[..at], &bytes[at..]]).0;
            assert_eq!(got, wanted, "cut at {at}");
        }
    }
}

#[test]
fn messages_are_what_was_said() {
    let upstream = Upstream::of(MODEL);
    let say = |turn: &Turn| upstream.ask(&all(true), turn);
    let message = say(&turns()[4].1);
    let content = message["content"].as_array().expect("blocks");
    let kinds: Vec<_> = content.iter().map(|b| b["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use", "thinking", "text"]);
    assert_eq!(content[0]["thinking"], "**One**\n\nfirst\n\nsecond");
    assert!(content[0]["signature"].as_str().is_some_and(|s| s.starts_with("gw1.")));
    assert_eq!(content[2]["input"]["n"], json!([1, 2.5, null]));
    assert_eq!(message["stop_reason"], "tool_use");

    let bare = say(&Turn::reasoning(&[]).and_text("x"));
    assert_eq!(bare["content"][0]["type"], "redacted_thinking");

    let refused = say(&Turn::default().and_refusal("I can't."));
    assert_eq!(
        (&refused["stop_reason"], &refused["content"][0]["text"]),
        (&json!("refusal"), &json!("I can't."))
    );
    let filtered = say(&Turn::text("part").finish(Finish::ContentFilter));
    assert_eq!(filtered["stop_reason"], "refusal");
    let cut = say(&Turn::text("cut").finish(Finish::Length));
    assert_eq!(cut["stop_reason"], "max_tokens");
    let empty = say(&Turn::default());
    assert_eq!((&empty["stop_reason"], &empty["content"]), (&json!("end_turn"), &json!([])));
}

#[test]
fn r33_usage_is_split_as_the_messages_api_does() {
    let usage = Usage { prompt: 100, cached: 60, cache_write: 30, completion: 9, reasoning: 4 };
    let message = Upstream::of(MODEL).ask(&all(true), &Turn::text("t").usage(usage));
    let usage = &message["usage"];
    for (name, number) in [
        ("input_tokens", 10),
        ("cache_read_input_tokens", 60),
        ("cache_creation_input_tokens", 30),
        ("output_tokens", 9),
    ] {
        assert_eq!(usage[name], number, "{name}");
    }
}

#[test]
fn r39_searches_are_told_as_the_messages_api_does() {
    let message = Upstream::of(MODEL).ask(&all(true), &turns()[7].1);
    let content = message["content"].as_array().expect("blocks");
    let kinds: Vec<_> = content.iter().map(|b| b["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["text", "server_tool_use", "web_search_tool_result", "text"]);
    assert_eq!(content[1]["input"], json!({"query": "rust \"x\""}));
    assert!(content[1]["id"].as_str().is_some_and(|id| id.starts_with("srvtoolu_")));
    assert_eq!(content[2]["tool_use_id"], content[1]["id"]);
    let found = &content[2]["content"][0];
    assert_eq!(
        (&found["type"], &found["url"]),
        (&json!("web_search_result"), &json!("https://a.example/1"))
    );
    assert!(found["encrypted_content"].as_str().is_some_and(|s| s.starts_with("gw1.")));
    assert!(found["page_age"].is_null());
    let citation = &content[3]["citations"][0];
    assert_eq!(citation["type"], "web_search_result_location");
    assert_eq!(citation["title"], "A \"page\"");
    assert_eq!(citation["cited_text"], "Grüße from a");
    assert!(citation["encrypted_index"].as_str().is_some_and(|s| s.starts_with("gw1.")));
    assert_eq!(message["usage"]["server_tool_use"]["web_search_requests"], 1);
}

#[test]
fn searches_that_fail_and_pages_that_are_opened() {
    let item = |id: &str, status: &str, action: Value| {
        let item = json!({"type": "web_search_call", "id": id, "status": status, "action": action});
        ended(id.len() as u64, item)
    };
    let events = [
        item("ws_1", "failed", json!({"type": "search", "queries": ["q"]})),
        item("ws_22", "completed", json!({"type": "open_page", "url": "https://a.example"})),
        item("ws_333", "completed", json!({"type": "search", "query": "r"})),
        done(json!([])),
    ];
    let (got, fault) =
        short(&mut *Upstream::of(MODEL).reader(&json!({})), &[stream(&events).as_bytes()]);
    assert!(fault.is_none());
    assert_eq!(
        got,
        "S:srvtoolu_1:web_search:{\\\"query\\\":\\\"q\\\"}/\
         W:srvtoolu_1:{\"type\":\"web_search_tool_result_error\",\"error_code\":\"unavailable\"}/\
         S:srvtoolu_333:web_search:{\\\"query\\\":\\\"r\\\"}/W:srvtoolu_333:[]/\
         .end_turn 7+0+0>3(0) 2"
    );
}

fn usage() -> Value {
    json!({"input_tokens": 7, "output_tokens": 3})
}

fn done(output: Value) -> Value {
    let mut response = json!({"status": "completed", "usage": usage()});
    response["output"] = output;
    json!({"type": "response.completed", "response": response})
}

fn added(index: u64, item: Value) -> Value {
    let mut event = json!({"type": "response.output_item.added", "output_index": index});
    event["item"] = item;
    event
}

fn ended(index: u64, item: Value) -> Value {
    let mut event = json!({"type": "response.output_item.done", "output_index": index});
    event["item"] = item;
    event
}

fn args(index: u64, delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta})
}

fn words(index: u64, part: u64, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": index, "content_index": part, "delta": delta})
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "Bash",
        "arguments": arguments, "status": "completed"})
}

fn message(parts: &[&str]) -> Value {
    let parts: Vec<_> = parts.iter().map(|t| json!({"type": "output_text", "text": t})).collect();
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": parts})
}

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
fn r05_a_call_cut_by_the_limit_is_told_as_the_limit() {
    let turn = &turns()[9].1;
    let (mut reader, text) = reader_and_answer(true, turn);
    let (got, fault) = short(&mut *reader, &[text.as_bytes()]);
    assert!(fault.is_none());
    assert!(got.starts_with(r#"T:t/C:call_1:Bash:{\"command\":\"ls/.max_tokens "#), "{got}");
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
        (failed("invalid_prompt", "flagged"), ErrorKind::InvalidRequest, Remedy::Final),
        (failed("insufficient_quota", "no money"), ErrorKind::Billing, Remedy::NextKey),
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
        json!({"status": "failed", "output": [], "error": {"message": "boom", "code": "server_error"}}),
    ] {
        let mut reader = Upstream::of(MODEL).reader(&json!({}));
        let fault =
            fold(|sink| reader.whole(body.to_string().as_bytes(), sink)).expect_err("a fault");
        assert!(fault.error.message().contains("boom"), "{}", fault.error.message());
    }
}

#[test]
fn the_scripted_server_breaks_in_every_way_and_is_never_believed() {
    let turn = Turn::text("some text").and_call("Bash", &json!({"a": 1}));
    for goes in [
        Goes::Error { code: "server_error".into(), message: "boom".into() },
        Goes::Failed { code: "server_error".into(), message: "boom".into() },
    ] {
        let (mut reader, text) = reader_and_answer(true, &turn.clone().fault(goes.clone()));
        let (got, fault) = short(&mut *reader, &[text.as_bytes()]);
        assert!(fault.is_some_and(|f| f.error.message().contains("boom")), "{goes:?} {got}");
        let (mut reader, text) = reader_and_answer(false, &turn.clone().fault(goes));
        assert!(fold(|sink| reader.whole(text.as_bytes(), sink)).is_err());
    }
}

#[test]
fn r04_r06_a_stream_that_ends_before_its_end_is_an_error() {
    let (_, text) = reader_and_answer(true, &turns()[4].1);
    let last = text.rfind("event: response.completed").expect("an end");
    // The last event may lack its blank line, but nothing of itself.
    let whole = text.trim_end().len();
    for at in (0..last).step_by(197).chain((last..whole).step_by(13)) {
        for end in [gateway_translate::BodyEnd::Clean, gateway_translate::BodyEnd::Cut] {
            let mut reader = another();
            let mut sink = crate::support::Short::default();
            let pushed = reader.push(&text.as_bytes()[..at], &mut sink).expect("so far so good");
            assert_eq!(pushed, gateway_translate::Flow::More, "{at}");
            let fault = reader.finish(end, &mut sink).expect_err("not whole");
            assert_eq!(fault.error.kind(), ErrorKind::BadGateway, "{at}");
            assert!(!sink.grammar.is_done());
        }
    }
    let mut reader = another();
    let (_, fault) = short(&mut *reader, &[text.trim_end().as_bytes()]);
    assert!(fault.is_none(), "{fault:?}");
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
