//! Replies: every order and shape in which servers say the same, cut at every place.

use gateway_translate::BodyEnd::{self, Clean, Cut};
use serde_json::{Value, json};

use crate::support::{
    Upstream, delta, done, finish, frames, read_every_way, stream_in, usage, whole,
};

fn ended(stream: &str, end: BodyEnd) -> String {
    read_every_way(&Upstream::compatible(), &json!({}), stream, end).short()
}

fn read(stream: &str) -> String {
    ended(stream, Clean)
}

fn thinking(stream: &str) -> String {
    let asked = json!({"thinking": {"type": "adaptive"}});
    read_every_way(&Upstream::compatible(), &asked, stream, Clean).short()
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": arguments}}]}))
}

fn more(index: u64, arguments: &str) -> Value {
    delta(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
}

fn text(text: &str) -> Value {
    delta(json!({"content": text}))
}

const END: &str = "finish end_turn 10+0+0>3 Reported";
const CALLED: &str = "finish tool_use 10+0+0>3 Reported";

/// A stream of these chunks that ends for `reason`, with usage 10 and 3.
fn all(chunks: &[Value], reason: &str) -> String {
    let end = [finish(reason), usage(10, 3)];
    done(&[chunks, &end].concat())
}

#[test]
fn a_plain_answer() {
    let stream = all(
        &[
            delta(json!({"role": "assistant", "content": "", "refusal": null})),
            text("Hé"),
            text("llo \"you\"\n"),
        ],
        "stop",
    );
    assert_eq!(read(&stream), format!("[text text: Héllo \"you\"\n ] {END}"));
}

#[test]
fn r02_arguments_pass_in_the_pieces_they_came_in() {
    let stream = all(
        &[
            delta(json!({"role": "assistant", "content": null})),
            call(0, "call_1", "Bash", ""),
            more(0, "{\"co"),
            more(0, "mmand\":\"a\\"),
            more(0, "n\\u00e9\"}"),
        ],
        "tool_calls",
    );
    let wanted = "[call call_1 Bash json: {\"command\":\"a\\n\\u00e9\"} ]";
    assert_eq!(read(&stream), format!("{wanted} {CALLED}"));
}

#[test]
fn r01_a_call_that_comes_whole_is_one_delta_and_may_end_with_stop() {
    for reason in ["stop", "tool_calls", "function_call", ""] {
        let stream = all(&[call(0, "c1", "Read", "{\"a\":1}")], reason);
        assert_eq!(read(&stream), format!("[call c1 Read json: {{\"a\":1}} ] {CALLED}"));
    }
}

#[test]
fn r03_calls_that_interleave_become_blocks_one_after_another() {
    let stream = all(
        &[
            text("so"),
            call(0, "a", "A", ""),
            call(1, "b", "B", "{\"x\""),
            more(0, "{}"),
            more(1, ":2}"),
        ],
        "tool_calls",
    );
    assert_eq!(
        read(&stream),
        format!("[text text: so ] [call a A json: {{}} ] [call b B json: {{\"x\":2}} ] {CALLED}")
    );
    // Both in one chunk, without index; without id; numbered alike; named again each time.
    let two = |first: Value, second: Value| {
        all(&[delta(json!({"tool_calls": [first, second]}))], "tool_calls")
    };
    let f = |name: &str| json!({"name": name, "arguments": "{}"});
    for (first, second) in [
        (json!({"id": "a", "function": f("A")}), json!({"id": "b", "function": f("B")})),
        (
            json!({"index": 0, "id": "a", "function": f("A")}),
            json!({"index": 0, "id": "b", "function": f("B")}),
        ),
        (
            json!({"index": 0, "id": "a", "type": null, "function": f("A")}),
            json!({"index": 1, "id": "b", "function": f("B")}),
        ),
    ] {
        let got = read(&two(first.clone(), second));
        assert_eq!(
            got,
            format!("[call a A json: {{}} ] [call b B json: {{}} ] {CALLED}"),
            "{first}"
        );
    }
    let repeated = all(
        &[call(0, "a", "A", "{\"q\":"), call(0, "a", "A", "\"r\""), call(0, "a", "A", "}")],
        "tool_calls",
    );
    assert_eq!(read(&repeated), format!("[call a A json: {{\"q\":\"r\"}} ] {CALLED}"));
    let snapshots =
        all(&[call(0, "a", "A", "{\"q\""), call(0, "a", "A", "{\"q\":1}")], "tool_calls");
    assert_eq!(read(&snapshots), format!("[call a A json: {{\"q\":1}} ] {CALLED}"));
}

#[test]
fn arguments_of_other_kinds_are_taken() {
    for (arguments, wanted) in [
        (json!({"a": [1, "x\"y"]}), "json: {\"a\":[1,\"x\\\"y\"]} "),
        (json!("{}"), "json: {} "),
        (json!(""), ""),
        (json!(null), ""),
        (json!("null"), ""),
    ] {
        let stream = all(
            &[delta(json!({"tool_calls": [{"index": 0, "id": "a",
                "function": {"name": "A", "arguments": arguments}}]}))],
            "stop",
        );
        assert_eq!(read(&stream), format!("[call a A {wanted}] {CALLED}"), "{arguments}");
    }
    // The legacy form, a lone object in place of a list, and a freeform call.
    for said in [
        json!({"function_call": {"name": "A", "arguments": "{}"}}),
        json!({"tool_calls": {"function": {"name": "A", "arguments": {}}}}),
        json!({"tool_calls": [{"custom": {"name": "A", "input": "{}"}}]}),
    ] {
        let got = read(&all(&[delta(said)], "stop"));
        assert!(got.starts_with("[call toolu_") && got.contains(" A json: {} ]"), "{got}");
    }
}

#[test]
fn contents_of_other_kinds_are_taken() {
    for content in [
        json!([{"type": "text", "text": "hey"}]),
        json!([{"type": "text", "text": "h"}, {"type": "image_url"}, "ey"]),
        json!({"type": "text", "text": "hey"}),
    ] {
        let stream = all(&[delta(json!({"content": content, "tool_calls": null}))], "stop");
        assert_eq!(read(&stream), format!("[text text: hey ] {END}"), "{content}");
    }
    let parts = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hey"}]);
    let got = thinking(&all(&[delta(json!({"content": parts}))], "stop"));
    assert_eq!(got, format!("[thinking thought: hm signed ] [text text: hey ] {END}"));
}

#[test]
fn thinking_is_found_in_every_field_and_once() {
    let answer = text("so");
    for said in [
        json!({"reasoning_content": "hm"}),
        json!({"reasoning": "hm"}),
        json!({"content": "", "reasoning": "hm", "reasoning_content": "hm"}),
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}),
        json!({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
        json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}),
        json!({"content": "<think>hm</think>\n\n"}),
        json!({"content": "\n<think>\nhm</think>"}),
    ] {
        let stream = all(&[delta(said.clone()), answer.clone()], "stop");
        let wanted = format!("[thinking thought: hm signed ] [text text: so ] {END}");
        assert_eq!(thinking(&stream), wanted, "{said}");
        // Not asked for, it is let go.
        assert_eq!(read(&stream), format!("[text text: so ] {END}"), "{said}");
    }
    let between = [
        delta(json!({"reasoning": "a"})),
        text("b"),
        delta(json!({"reasoning": "c"})),
        call(0, "i", "A", "{}"),
    ];
    assert_eq!(
        thinking(&all(&between, "tool_calls")),
        format!(
            "[thinking thought: a signed ] [text text: b ] [thinking thought: c signed ] \
             [call i A json: {{}} ] {CALLED}"
        )
    );
    // Nothing but thinking.
    let only = all(&[delta(json!({"reasoning": "a"}))], "length");
    assert_eq!(
        thinking(&only),
        "[thinking thought: a signed ] finish max_tokens 10+0+0>3 Reported"
    );
    // OpenAI says its thinking nowhere: a tag in its text is text.
    let asked = json!({"thinking": {"type": "adaptive"}});
    let stream = all(&[text("<think>x</think>")], "stop");
    let got = read_every_way(&Upstream::openai("gpt-4.1"), &asked, &stream, Clean).short();
    assert_eq!(got, format!("[text text: <think>x</think> ] {END}"));
}

#[test]
fn blanks_alone_make_no_block() {
    let stream = all(
        &[delta(json!({"reasoning": "a"})), text("\n\n"), call(0, "i", "A", "{}")],
        "tool_calls",
    );
    assert_eq!(
        thinking(&stream),
        format!("[thinking thought: a signed ] [call i A json: {{}} ] {CALLED}")
    );
    assert_eq!(
        read(&all(&[text("\n"), text(" "), text("x")], "stop")),
        format!("[text text: \n x ] {END}")
    );
}

#[test]
fn text_behind_a_call_is_another_block() {
    let stream = all(&[text("a"), call(0, "i", "A", "{}"), text("b")], "tool_calls");
    assert_eq!(
        read(&stream),
        format!("[text text: a ] [call i A json: {{}} ] [text text: b ] {CALLED}")
    );
}

#[test]
fn r07_every_finish_reason_is_mapped() {
    for (reason, wanted) in [
        ("stop", "end_turn"),
        ("eos", "end_turn"),
        ("completed", "end_turn"),
        ("something new", "end_turn"),
        // Nothing was called: nobody would answer.
        ("tool_calls", "end_turn"),
        ("length", "max_tokens"),
        ("max_tokens", "max_tokens"),
        ("content_filter", "refusal"),
        ("sensitive", "refusal"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("model_length", "model_context_window_exceeded"),
        ("pause_turn", "pause_turn"),
    ] {
        let wanted = format!("[text text: a ] finish {wanted} 10+0+0>3 Reported");
        assert_eq!(read(&all(&[text("a")], reason)), wanted, "{reason}");
    }
    for reason in ["error", "network_error", "insufficient_system_resource"] {
        let got = read(&all(&[text("a")], reason));
        assert!(got.contains("FAULT 529") && !got.contains("finish"), "{got}");
    }
    let refused = all(&[delta(json!({"refusal": "I can't"}))], "stop");
    assert_eq!(read(&refused), "[text text: I can't ] finish refusal 10+0+0>3 Reported");
}

#[test]
fn r05_a_call_cut_by_the_limit_never_ends_as_tool_use() {
    let stream = all(&[call(0, "i", "A", "{\"a\":"), more(0, "\"b")], "length");
    assert_eq!(read(&stream), "[call i A json: {\"a\":\"b ] finish max_tokens 10+0+0>3 Reported");
    // Whole, it is still the limit that ended the turn.
    let stream = all(&[call(0, "i", "A", "{}")], "length");
    assert_eq!(read(&stream), "[call i A json: {} ] finish max_tokens 10+0+0>3 Reported");
}

#[test]
fn arguments_that_are_no_json_are_a_fault_and_the_call_stays_open() {
    for arguments in ["{\"a\":", "{\"a\" 1}", "[1]", "hello"] {
        let got = read(&all(&[call(0, "i", "A", arguments)], "tool_calls"));
        assert!(got.contains("FAULT 502") && got.contains("`A`"), "{got}");
        assert!(!got.contains(']') || got.contains("json: [1]") || !got.contains(" ] "), "{got}");
    }
}

#[test]
fn r04_a_stream_that_breaks_off_closes_nothing() {
    let half = frames(&[text("a"), call(0, "i", "A", "{\"a\":1}")]);
    for end in [Clean, Cut] {
        let got = ended(&half, end);
        assert!(
            got.starts_with("[text text: a ] [call i A json: {\"a\":1} FAULT 502 Same"),
            "{got}"
        );
    }
    // After the reason nothing is missing that matters.
    let finished = frames(&[text("a"), finish("stop")]);
    for end in [Clean, Cut] {
        assert!(ended(&finished, end).starts_with("[text text: a ] finish end_turn"));
    }
    // The marker alone is an end, too; an empty reason only where the body ends well.
    assert!(read(&done(&[text("a")])).contains("finish end_turn"));
    let blank = frames(&[text("a"), finish("")]);
    assert!(ended(&blank, Clean).contains("finish end_turn"));
    assert!(ended(&blank, Cut).contains("FAULT 502"));
    let blank_all_along = frames(&[json!({"choices": [{"index": 0, "finish_reason": "",
        "delta": {"content": "a"}}]})]);
    assert!(ended(&blank_all_along, Clean).contains("FAULT 502"));
}

#[test]
fn r06_nothing_at_all_is_a_fault() {
    for stream in [
        "",
        "\n\n",
        ": ping\n\n",
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        "<html><body>Bad gateway</body></html>",
        "event: x\n\n",
    ] {
        let got = read(stream);
        assert!(got.starts_with("FAULT 502"), "{stream:?}: {got}");
    }
    // An answer without content is one.
    assert_eq!(read(&all(&[], "stop")), END);
    let up = Upstream::compatible();
    for body in
        ["", "{}", "null", "[]", "{\"choices\":[]}", "{\"choices\":null}", "<html>", "{\"a\":"]
    {
        let got = whole(&mut *up.sent(json!({})).reader, body).short();
        assert!(got.starts_with("FAULT 502"), "{body}: {got}");
    }
}

#[test]
fn errors_inside_a_success_are_errors() {
    let begun = frames(&[text("a")]);
    for (error, status, said) in [
        (json!({"error": {"message": "boom", "type": "server_error", "code": 500}}), "500", "boom"),
        (
            json!({"error": {"message": "busy", "code": 503}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
            "529",
            "busy",
        ),
        (
            json!({"choices": [{"index": 0, "delta": {}, "error": {"code": 429, "message": "slow"}}]}),
            "429",
            "slow",
        ),
        (
            json!({"object": "error", "message": "no such thing", "type": "BadRequestError", "code": 400}),
            "400",
            "no such thing",
        ),
        (json!({"error": "just words"}), "50", "just words"),
        (
            json!({"base_resp": {"status_code": 1013, "status_msg": "inner failure"}}),
            "50",
            "inner failure",
        ),
        (json!({"x_groq": {"error": "over"}, "choices": []}), "50", "over"),
    ] {
        for before in ["", &begun] {
            let stream = format!("{before}data: {error}\n\ndata: [DONE]\n\n");
            let got = read(&stream);
            assert!(
                got.contains(&format!("FAULT {status}")) && got.contains(said),
                "{error}: {got}"
            );
            assert!(!got.contains("finish"), "{got}");
        }
        // As the whole body, asked for a stream or not.
        let got = read(&error.to_string());
        assert!(got.contains(&format!("FAULT {status}")) && got.contains(said), "{error}: {got}");
        let up = Upstream::compatible();
        let got = whole(&mut *up.sent(json!({})).reader, &error.to_string()).short();
        assert!(got.contains(&format!("FAULT {status}")) && got.contains(said), "{error}: {got}");
    }
    // Words in the place of an answer are an error's, whatever their shape.
    for body in [r#"{"detail":"Quota gone"}"#, r#"{"message":"Quota gone","status":500}"#] {
        let got = whole(&mut *Upstream::compatible().sent(json!({})).reader, body).short();
        assert!(got.contains("FAULT 50") && got.contains("Quota gone"), "{got}");
        assert!(read(body).contains("Quota gone"));
    }
    let event = "event: error\ndata: {\"message\":\"gone\"}\n\n";
    assert!(read(event).contains("gone"));
    let overflow = json!({"error": {"message": "This model's maximum context length is 8192 tokens. \
        However, your messages resulted in 9001 tokens.", "code": "context_length_exceeded"}});
    let got = read(&format!("data: {overflow}\n\n"));
    assert!(
        got.contains("FAULT 400") && got.contains("prompt is too long: 9001 tokens > 8192 maximum"),
        "{got}"
    );
    assert!(read("data: not json\n\n").contains("FAULT 502"));
    assert!(read("data: {\"choices\":[{]\n\n").contains("FAULT 502"));
}

#[test]
fn what_says_nothing_changes_nothing() {
    let plain = all(&[text("a")], "stop");
    let noisy = format!(
        "\u{feff}: OPENROUTER PROCESSING\n\n: keep-alive\r\n\r\nretry: 5\n\nid: 1\nevent: message\n{}",
        done(&[
            json!({"choices": [], "prompt_filter_results": [{"a": 1}], "id": "", "created": 0, "model": ""}),
            json!({"choices": null}),
            delta(json!({"role": "assistant"})),
            delta(json!({})),
            delta(json!(null)),
            delta(
                json!({"content": null, "tool_calls": null, "refusal": null, "reasoning": null, "audio": null})
            ),
            delta(json!({"content": "", "tool_calls": []})),
            json!({"choices": [{"index": 1, "delta": {"content": "other"}}]}),
            json!({"choices": [{"index": 0, "content_filter_offsets": {}, "delta": {"role": "assistant", "content": "a"}, "logprobs": null}], "obfuscation": "xyz", "usage": null, "service_tier": "default"}),
            json!({"error": null, "choices": [{"delta": {}, "finish_reason": "stop"}], "base_resp": {"status_code": 0}}),
            usage(10, 3),
        ])
    );
    assert_eq!(read(&noisy), read(&plain));
    // Line ends, blanks around the marker, no blank behind the colon, several data lines.
    for other in [
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replace("data: ", "data:"),
        plain.replace("[DONE]", " [DONE] "),
        plain.replace(",\"choices\"", ",\ndata: \"choices\""),
        plain.trim_end().to_owned(),
        plain.replace("data: [DONE]\n\n", ""),
        format!("data: null\n\n{plain}"),
    ] {
        assert_eq!(read(&other), read(&plain), "{other}");
    }
    // The last event counts when it is whole, though its blank line is missing.
    let last = frames(&[text("a"), usage(10, 3), finish("stop")]);
    assert_eq!(read(last.trim_end()), read(&plain));
    assert!(read(last.trim_end().trim_end_matches('}')).contains("FAULT 502"));
}

#[test]
fn r32_r33_usage_is_found_wherever_it_is_and_split_as_anthropic_does() {
    let counts = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5}});
    let wanted = "[text text: a ] finish end_turn 30+60+10>20 Reported t5 w0";
    for chunks in [
        vec![text("a"), finish("stop"), json!({"choices": [], "usage": counts})],
        vec![json!({"choices": [], "usage": counts}), text("a"), finish("stop")],
        vec![
            text("a"),
            json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": counts}),
        ],
        vec![
            text("a"),
            json!({"choices": [{"delta": {}, "finish_reason": "stop", "usage": counts}]}),
        ],
        vec![text("a"), finish("stop"), json!({"choices": [], "x_groq": {"usage": counts}})],
        vec![
            json!({"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 100, "completion_tokens": 1}}),
            json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": counts}),
        ],
    ] {
        assert_eq!(read(&done(&chunks)), wanted, "{chunks:?}");
    }
    for (counts, wanted) in [
        (
            json!({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}),
            "5+4+0>2 Reported",
        ),
        (
            json!({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}),
            "5+4+0>2 Reported",
        ),
        (
            json!({"prompt_tokens": 9.0, "completion_tokens": 2, "prompt_tokens_details": null}),
            "9+0+0>2 Reported",
        ),
        (
            json!({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 7}}),
            "0+7+0>2 Reported",
        ),
        (json!({"prompt_tokens": 9}), "9+0+0>1 Partial"),
    ] {
        let stream = done(&[text("a"), finish("stop"), json!({"choices": [], "usage": counts})]);
        assert_eq!(read(&stream), format!("[text text: a ] finish end_turn {wanted}"), "{counts}");
    }
    for counts in
        [json!(null), json!({}), json!({"prompt_tokens": 0, "completion_tokens": 0}), json!("x")]
    {
        let stream =
            done(&[text("abcdefgh"), finish("stop"), json!({"choices": [], "usage": counts})]);
        let got = read(&stream);
        assert!(got.ends_with(">2 Estimated") && !got.contains(" 0+0"), "never nothing: {got}");
    }
}

#[test]
fn stop_sequences_are_met_in_the_gateway() {
    let asked = json!({"stop_sequences": ["END", "</x>"]});
    let chunks = [text("abc E"), text("N"), text("D def"), finish("stop"), usage(10, 3)];
    let got = read_every_way(&Upstream::compatible(), &asked, &done(&chunks), Clean);
    assert!(
        got.short().starts_with("[text text: abc  ] finish stop_sequence Some(\"END\")"),
        "{got:?}"
    );
    let without =
        read_every_way(&Upstream::compatible(), &asked, &all(&[text("abc E")], "stop"), Clean);
    assert_eq!(without.short(), format!("[text text: abc E ] {END}"));
}

#[test]
fn what_a_strict_parser_refuses_is_mended_in_texts() {
    let up = Upstream::compatible();
    let raw = "data: {\"choices\":[{\"delta\":{\"content\":\"tab\there \\x bad \\u12 end\"}}]}\n\n";
    let mut reader = up.sent(json!({})).reader;
    let mut sink = Texts::default();
    reader.push(raw.as_bytes(), &mut sink).expect("taken");
    for text in &sink.0 {
        serde_json::from_str::<String>(&format!("\"{text}\""))
            .unwrap_or_else(|e| panic!("{e}: {text}"));
    }
    assert_eq!(sink.0.len(), 1);
}

#[derive(Debug, Default)]
struct Texts(Vec<String>);

impl gateway_types::EventSink for Texts {
    fn event(&mut self, event: gateway_types::Event<'_>) -> Result<(), gateway_types::Illegal> {
        if let gateway_types::Event::Delta(gateway_types::Delta::Text(text)) = event {
            self.0.push(text.escaped().to_owned());
        }
        Ok(())
    }
}

/// A whole answer with its message, and the stream that says the same.
fn pairs() -> Vec<(Value, Vec<Value>, &'static str)> {
    let tools = json!([{"id": "a", "type": "function", "function": {"name": "A", "arguments": "{\"x\":1}"}},
        {"id": "b", "type": "function", "function": {"name": "B", "arguments": "{}"}}]);
    vec![
        (json!({"content": "hi"}), vec![text("h"), text("i")], "stop"),
        (json!({"content": null, "refusal": "no"}), vec![delta(json!({"refusal": "no"}))], "stop"),
        (
            json!({"content": "t", "tool_calls": tools}),
            vec![text("t"), call(0, "a", "A", "{\"x\""), more(0, ":1}"), call(1, "b", "B", "{}")],
            "tool_calls",
        ),
        (
            json!({"content": "so", "reasoning_content": "hm"}),
            vec![
                delta(json!({"reasoning_content": "h"})),
                delta(json!({"reasoning_content": "m"})),
                text("so"),
            ],
            "stop",
        ),
        (
            json!({"content": "<think>hm</think>so"}),
            vec![text("<thi"), text("nk>hm</th"), text("ink>s"), text("o")],
            "stop",
        ),
        (
            json!({"content": "so", "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}]}),
            vec![
                text("so"),
                delta(
                    json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}]}),
                ),
            ],
            "stop",
        ),
        (
            json!({"content": "", "tool_calls": [{"id": "a", "function": {"name": "A", "arguments": "{\"x"}}]}),
            vec![call(0, "a", "A", "{\"x")],
            "length",
        ),
        (json!({"content": ""}), vec![], "content_filter"),
    ]
}

#[test]
fn a_whole_answer_is_the_fold_of_its_stream() {
    let asked = json!({"thinking": {"type": "adaptive"}});
    let up = Upstream::compatible();
    for (message, chunks, reason) in pairs() {
        let streamed = read_every_way(&up, &asked, &all(&chunks, reason), Clean);
        let body = json!({"id": "c", "object": "chat.completion", "choices": [
            {"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 3}});
        let unary = whole(&mut *up.sent(asked.clone()).reader, &body.to_string());
        let bare = |events: &[String]| -> Vec<String> {
            events.iter().filter(|e| !e.starts_with("start")).cloned().collect()
        };
        assert_eq!(bare(&unary.events), bare(&streamed.events), "{body}");
        assert_eq!(unary.fault, None);
        // A body where a stream was asked for, and a stream where a body was.
        let pushed =
            stream_in(&mut *up.sent(asked.clone()).reader, &[body.to_string().as_bytes()], Clean);
        assert_eq!(bare(&pushed.events), bare(&unary.events));
        let stream = whole(&mut *up.sent(asked.clone()).reader, &all(&chunks, reason));
        assert_eq!(bare(&stream.events), bare(&streamed.events));
    }
}

#[test]
fn a_call_without_ids_in_a_whole_answer_is_still_a_call_of_its_own() {
    let up = Upstream::compatible();
    let body = json!({"choices": [{"message": {"tool_calls": [
        {"function": {"name": "A", "arguments": ""}},
        {"function": {"name": "B", "arguments": {"x": 1}}}]}}]});
    let got = whole(&mut *up.sent(json!({})).reader, &body.to_string()).short();
    let calls: Vec<_> = got.matches("[call toolu_").collect();
    assert!(
        calls.len() == 2 && got.contains(" A ] ") && got.contains(" B json: {\"x\":1} ]"),
        "{got}"
    );
}

#[test]
fn choices_of_one_answer_are_one() {
    let call = |id: &str| json!([{"id": id, "function": {"name": "A", "arguments": "{}"}}]);
    let called = |calls: [Value; 2]| {
        let [one, two] = calls;
        json!({"choices": [{"message": {"content": "a", "tool_calls": one}, "finish_reason": "tool_calls"},
            {"index": 0, "message": {"tool_calls": two}, "finish_reason": "tool_calls"},
            {"index": 1, "message": {"content": "another answer"}}]})
    };
    for (calls, wanted) in [
        ([json!([]), call("q")], "[text text: a ] [call q A json: {} ] finish tool_use"),
        (
            [call("p"), call("q")],
            "[text text: a ] [call p A json: {} ] [call q A json: {} ] finish tool_use",
        ),
    ] {
        let body = called(calls).to_string();
        let got = whole(&mut *Upstream::compatible().sent(json!({})).reader, &body).short();
        assert!(got.starts_with(wanted), "{got}");
    }
    let stream = done(&[
        json!({"choices": [{"delta": {"content": "a"}}, {"delta": {"tool_calls": [{"index": 0, "id": "q", "function": {"name": "A", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}]}),
    ]);
    assert!(read(&stream).starts_with("[text text: a ] [call q A json: {} ] finish tool_use"));
}

#[test]
fn ids_that_repeat_or_hold_odd_characters_are_made_legal_and_lead_back() {
    let kimi = Upstream::new("https://api.moonshot.ai/v1", "kimi-k3");
    let stream = all(&[call(0, "functions.Bash:0", "Bash", "{}")], "tool_calls");
    let got = read_every_way(&kimi, &json!({}), &stream, Clean);
    let id = got.events.iter().find_map(|e| e.strip_prefix("[call ")).expect("a call");
    let id = id.strip_suffix(" Bash").expect("its name").to_owned();
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{id}");
    let history = json!([{"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "ok"}]}]);
    let sent = kimi.messages(history.clone());
    assert_eq!(sent[1]["tool_calls"][0]["id"], "functions.Bash:0");
    assert_eq!(sent[2]["tool_call_id"], "functions.Bash:0");
    // The same id again in the next turn is another id for the caller.
    let asked = json!({"messages": history});
    let again =
        read_every_way(&Upstream { reply_id: "msg_2".to_owned(), ..kimi }, &asked, &stream, Clean);
    assert!(!again.events.iter().any(|e| e.contains(&id)), "{again:?}");
}

#[test]
fn sources_of_a_search_are_citations_and_blocks() {
    let up = Upstream::new("https://openrouter.ai/api/v1", "x/y");
    let asked = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    let found = json!({"annotations": [{"type": "url_citation",
        "url_citation": {"url": "https://a.example/\"", "title": "A", "content": "c", "start_index": 0}}]});
    let chunks = [
        text("so"),
        delta(found),
        finish("stop"),
        json!({"choices": [],
        "usage": {"prompt_tokens": 10, "completion_tokens": 3, "server_tool_use": {"web_search_requests": 1}}}),
    ];
    let got = read_every_way(&up, &asked, &done(&chunks), Clean).short();
    assert_eq!(
        got,
        "[text text: so citation {\"type\":\"web_search_result_location\",\"url\":\"https://a.example/\\\"\",\
         \"title\":\"A\",\"cited_text\":\"c\",\"encrypted_index\":\"\"} ] \
         [server web_search json: {\"query\":\"\"} ] \
         [web_search_tool_result [{\"type\":\"web_search_result\",\"url\":\"https://a.example/\\\"\",\
         \"title\":\"A\",\"encrypted_content\":\"\",\"page_age\":null}] ] \
         finish end_turn 10+0+0>3 Reported t0 w1"
    );
}

#[test]
fn nothing_grows_without_a_bound() {
    let up = Upstream::compatible();
    let piece = vec![b'x'; 1 << 20];
    for start in [&b"data: {\"a\":\""[..], b"{\"a\":\"", b"data: x\ndata: y"] {
        let mut reader = up.sent(json!({})).reader;
        let mut events = crate::support::Events::default();
        let mut refused = reader.push(start, &mut events).is_err();
        for _ in 0..40 {
            refused = refused || reader.push(&piece, &mut events).is_err();
        }
        refused = refused || reader.push(b"\n\n", &mut events).is_err();
        assert!(refused, "{}", String::from_utf8_lossy(start));
    }
}
