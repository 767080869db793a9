//! What comes back, streamed and whole.

use gateway_testkit::openai::{Fault as Goes, Finish, Part, Style, Turn, Usage};
use gateway_translate::ReplyReader;
use gateway_types::ErrorKind;
use serde_json::{Value, json};

use crate::events::{added, args, call, done, ended, message, words};
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

#[test]
fn r05_a_call_cut_by_the_limit_is_told_as_the_limit() {
    let turn = &turns()[9].1;
    let (mut reader, text) = reader_and_answer(true, turn);
    let (got, fault) = short(&mut *reader, &[text.as_bytes()]);
    assert!(fault.is_none());
    assert!(got.starts_with(r#"T:t/C:call_1:Bash:{\"command\":\"ls/.max_tokens "#), "{got}");
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
