//! Answers of the scripted server, in every style that its models have.

use gateway_testkit::bedrock::{Citation, Finish, Location, Style, Turn};
use gateway_types::StopReason;
use serde_json::{Value, json};

use crate::support::{
    CLAUDE, GPT_OSS, NOVA, NOVA_2, Short, Upstream, fold, hello, read_stream, tool,
};

fn asked() -> Value {
    hello(&json!({
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [tool("Bash"), tool("Read")],
    }))
}

fn turn() -> Turn {
    Turn::reasoning("I think, \"hard\".")
        .and_text("héllo 😀")
        .and_call("Bash", &json!({"a": "b\n\"c\""}))
        .and_call("Read", &json!({}))
}

#[test]
fn r01_r02_r03_every_style_says_the_same() {
    for model in [CLAUDE, GPT_OSS, NOVA_2] {
        let mut upstream = Upstream::of(model);
        let mut request = asked();
        // Whole answers, then streams.
        let wanted = upstream.ask(&request, &turn());
        let kinds: Vec<&str> = wanted["content"]
            .as_array()
            .expect("blocks")
            .iter()
            .filter_map(|b| b["type"].as_str())
            .collect();
        assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"], "{model}");
        assert_eq!(wanted["content"][2]["input"], json!({"a": "b\n\"c\""}));
        assert_eq!(wanted["content"][3]["input"], json!({}));
        assert_eq!(wanted["stop_reason"], "tool_use");
        assert_eq!(wanted["usage"]["input_tokens"], 800);
        request["stream"] = json!(true);
        for (name, style) in Style::all() {
            upstream.issued.clear();
            let turn = turn().style(style.clone());
            let mut got = upstream.ask(&request, &turn);
            let mut wanted = wanted.clone();
            if !style.metadata {
                got["usage"] = Value::Null;
                wanted["usage"] = Value::Null;
            }
            assert_eq!(got, wanted, "{model} {name}");
        }
    }
}

#[test]
fn a_stream_reads_alike_however_it_is_cut() {
    let upstream = Upstream::of(CLAUDE);
    let mut request = asked();
    request["stream"] = json!(true);
    let bytes = upstream.answer(&upstream.sent(&request), &turn());
    let read = |chunks: &[&[u8]]| {
        let mut reader = upstream.encode(&request).expect("can be said").reader;
        let mut sink = Short::default();
        read_stream(&mut *reader, chunks, &mut sink).expect("whole");
        sink.out
    };
    let whole = read(&[&bytes]);
    for cut in (0..bytes.len()).step_by(7) {
        assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    for size in [1, 7, 64] {
        assert_eq!(read(&bytes.chunks(size).collect::<Vec<_>>()), whole);
    }
}

#[test]
fn r07_every_reason_to_stop_has_its_word() {
    for (word, wanted) in [
        ("end_turn", StopReason::EndTurn),
        ("max_tokens", StopReason::MaxTokens),
        ("guardrail_intervened", StopReason::Refusal),
        ("content_filtered", StopReason::Refusal),
        ("model_context_window_exceeded", StopReason::ContextWindow),
        ("something_new", StopReason::EndTurn),
    ] {
        for stream in [false, true] {
            let turn = Turn::text("so").finish(Finish::Word(word));
            let got = Upstream::of(NOVA).ask(&hello(&json!({"stream": stream})), &turn);
            assert_eq!(got["stop_reason"], wanted.as_str(), "{word}");
        }
    }
}

#[test]
fn a_stop_sequence_is_named() {
    for stream in [false, true] {
        let request = hello(&json!({"stream": stream, "stop_sequences": ["</a>"]}));
        let turn = Turn::text("so").finish(Finish::StopSequence("</a>".into()));
        let got = Upstream::of(CLAUDE).ask(&request, &turn);
        assert_eq!(
            (&got["stop_reason"], &got["stop_sequence"]),
            (&json!("stop_sequence"), &json!("</a>"))
        );
        // Where the gateway looks for it, the model says it.
        let got = Upstream::of(NOVA).ask(&request, &Turn::text("so</a>more"));
        assert_eq!(
            (&got["stop_reason"], &got["stop_sequence"]),
            (&json!("stop_sequence"), &json!("</a>"))
        );
        assert_eq!(got["content"][0]["text"], "so");
    }
}

#[test]
fn r33_tokens_of_the_cache_stand_beside_the_others() {
    let usage = gateway_testkit::bedrock::Usage {
        input: 10,
        output: 20,
        cache_read: 30,
        cache_write_5m: 40,
        cache_write_1h: 5,
    };
    for stream in [false, true] {
        let got = Upstream::of(CLAUDE)
            .ask(&hello(&json!({"stream": stream})), &Turn::text("x").usage(usage));
        let got = &got["usage"];
        assert_eq!(got["input_tokens"], 10);
        assert_eq!(got["output_tokens"], 20);
        assert_eq!(got["cache_read_input_tokens"], 30);
        assert_eq!(got["cache_creation_input_tokens"], 45);
        let kept = json!({"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 5});
        assert_eq!(got["cache_creation"], kept);
    }
}

#[test]
fn citations_become_those_of_the_messages_api() {
    let cited = |location| Citation { title: "A".into(), cited: "words".into(), location };
    let all = [
        cited(Location::Web { url: "https://a.example/x".into() }),
        cited(Location::Char { document: 1, start: 2, end: 3 }),
        cited(Location::Page { document: 1, start: 2, end: 3 }),
        cited(Location::Chunk { document: 1, start: 2, end: 3 }),
    ];
    for stream in [false, true] {
        let got = Upstream::of(CLAUDE)
            .ask(&hello(&json!({"stream": stream})), &Turn::default().and_cited_text("so", &all));
        let citations = &got["content"][0]["citations"];
        let kinds: Vec<&str> = citations
            .as_array()
            .expect("citations")
            .iter()
            .filter_map(|c| c["type"].as_str())
            .collect();
        assert_eq!(
            kinds,
            [
                "web_search_result_location",
                "char_location",
                "page_location",
                "content_block_location"
            ]
        );
        assert_eq!(citations[0]["url"], "https://a.example/x");
        assert!(
            citations[0]["encrypted_index"].as_str().is_some_and(|mark| mark.starts_with("gw1."))
        );
        assert_eq!(
            citations[2],
            json!({"type": "page_location", "document_index": 1, "document_title": "A",
            "start_page_number": 2, "end_page_number": 3, "cited_text": "words"})
        );
    }
}

#[test]
fn r05_a_call_that_a_limit_cut_is_not_run() {
    let turn = Turn::text("so")
        .and_raw_call("t1", "Bash", "{\"a\": \"b")
        .finish(Finish::Word("max_tokens"));
    let got =
        Upstream::of(CLAUDE).ask(&hello(&json!({"stream": true, "tools": [tool("Bash")]})), &turn);
    assert_eq!(got["stop_reason"], "max_tokens");
}

#[test]
fn ids_that_the_caller_can_not_have_lead_back() {
    let upstream = Upstream::of(NOVA);
    let mut request = hello(&json!({"tools": [tool("Bash")]}));
    let got = upstream.ask(&request, &Turn::default().and_raw_call("tooluse_a.b:c", "Bash", "{}"));
    let id = got["content"][0]["id"].as_str().expect("an id").to_owned();
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{id}");
    request["messages"] = json!([
        {"role": "user", "content": "go"}, {"role": "assistant", "content": got["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "ok"}]},
    ]);
    let body = upstream.body(&request);
    assert_eq!(body["messages"][1]["content"][0]["toolUse"]["toolUseId"], "tooluse_a.b:c");
    assert_eq!(body["messages"][2]["content"][0]["toolResult"]["toolUseId"], "tooluse_a.b:c");
}

#[test]
fn what_was_not_asked_for_is_read_all_the_same() {
    // A body where a stream was asked for, and the other way round.
    let upstream = Upstream::of(NOVA);
    let unary = upstream.answer(&upstream.sent(&hello(&json!({}))), &turn());
    let stream = upstream.answer(&upstream.sent(&hello(&json!({"stream": true}))), &turn());
    let of = |stream: bool| {
        upstream.encode(&hello(&json!({"stream": stream}))).expect("can be said").reader
    };
    let one = fold(|sink| read_stream(&mut *of(true), &unary.chunks(5).collect::<Vec<_>>(), sink));
    let two = fold(|sink| of(false).whole(&stream, sink));
    assert_eq!(one.expect("whole"), two.expect("whole"));
}
