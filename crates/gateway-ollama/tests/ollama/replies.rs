//! Replies, cut at every place.

use gateway_translate::BodyEnd::{Clean, Cut};
use gateway_translate::Egress as _;
use serde_json::{Value, json};

use crate::support::{Events, Upstream, done, read_every_way, request, said, whole};

fn read(stream: &str) -> String {
    read_every_way(&Upstream::new(), &json!({}), stream, Clean)
}

fn text(text: &str) -> String {
    said(json!({"content": text}))
}

fn call(id: Option<&str>, name: &str, arguments: Value) -> Value {
    let mut call = json!({"function": {"index": 0, "name": name, "arguments": arguments}});
    if let Some(id) = id {
        call["id"] = json!(id);
    }
    call
}

fn calls(calls: &[Value]) -> String {
    said(json!({"content": "", "tool_calls": calls}))
}

const END: &str = "finish end_turn 10>3 Reported";
const CALLED: &str = "finish tool_use 10>3 Reported";

#[test]
fn a_plain_answer_in_every_frame() {
    let stream = text("Hé") + &text("llo \"you\"\n") + &done("stop", 10, 3);
    let wanted = format!("[text text: Héllo \"you\"\n ] {END}");
    assert_eq!(read(&stream), wanted);
    // Blank lines, CR LF, a byte order mark, an event stream's frame, no end of the last line.
    assert_eq!(read(&stream.replace('\n', "\r\n\n")), wanted);
    assert_eq!(read(&format!("\u{feff}{stream}")), wanted);
    assert_eq!(read(&stream.replace("{\"created_at", "data: {\"created_at")), wanted);
    assert_eq!(read(stream.trim_end()), wanted);
    assert_eq!(read_every_way(&Upstream::new(), &json!({}), stream.trim_end(), Cut), wanted);
    // What comes behind the end is nobody's.
    assert_eq!(read(&(stream + "{\"error\":\"late\"}\n")), wanted);
}

#[test]
fn r01_calls_come_whole_with_or_without_ids() {
    for (id, shown) in [(Some("call_a"), "call_a"), (None, "minted"), (Some(""), "minted")] {
        let stream = text("so")
            + &calls(&[call(id, "A", json!({"b": [1], "a": "x\"y"}))])
            + &done("stop", 10, 3);
        let wanted = format!(
            "[text text: so ] [call {shown} A json: {{\"a\":\"x\\\"y\",\"b\":[1]}} ] {CALLED}"
        );
        assert_eq!(read(&stream), wanted);
    }
    // Two in one line, two in two, numbered alike; arguments as a text, missing, empty.
    let two = [call(None, "A", json!({})), call(None, "A", json!("{\"q\":1}"))];
    let wanted = format!("[call minted A json: {{}} ] [call minted A json: {{\"q\":1}} ] {CALLED}");
    assert_eq!(read(&(calls(&two) + &done("stop", 10, 3))), wanted);
    assert_eq!(read(&(calls(&two[..1]) + &calls(&two[1..]) + &done("tool_calls", 10, 3))), wanted);
    for arguments in [Value::Null, json!("")] {
        let stream = calls(&[call(Some("c"), "A", arguments)]) + &done("stop", 10, 3);
        assert_eq!(read(&stream), format!("[call c A ] {CALLED}"));
    }
    // Blanks before it are no text.
    let stream = text("\n\n") + &calls(&[call(Some("c"), "A", json!({}))]) + &done("stop", 10, 3);
    assert_eq!(read(&stream), format!("[call c A json: {{}} ] {CALLED}"));
}

#[test]
fn r02_a_call_is_over_when_it_has_come() {
    let up = Upstream::new();
    let body = request(json!({}));
    let asked = gateway_anthropic::decode(body.as_bytes()).expect("a request");
    let mut reader = up.egress.encode(&asked, &up.cx()).expect("is not refused").reader;
    let mut events = Events::default();
    for id in ["c1", "c2"] {
        let line = calls(&[call(Some(id), "A", json!({"q": 1}))]);
        reader.push(line.as_bytes(), &mut events).expect("a call");
        let wanted = [format!("[call {id} A"), "json: {\"q\":1}".to_owned(), "]".to_owned()];
        assert_eq!(events.lines, wanted);
        events.lines.clear();
    }
}

#[test]
fn r04_arguments_that_are_no_json_never_run() {
    let stream = calls(&[call(Some("c"), "A", json!("{\"q\":"))]) + &done("stop", 10, 3);
    let got = read(&stream);
    assert!(got.contains("FAULT 502") && !got.contains("finish"), "{got}");
    let nameless = calls(&[json!({"function": {"arguments": {}}})]) + &done("stop", 10, 3);
    assert!(read(&nameless).contains("FAULT 502"), "{}", read(&nameless));
}

#[test]
fn thinking_is_shown_to_those_who_asked() {
    let stream = said(json!({"content": "", "thinking": "h"}))
        + &said(json!({"content": "", "thinking": "m\n"}))
        + &text("Hi")
        + &done("stop", 10, 3);
    let up = Upstream::new();
    for (asked, wanted) in [
        (
            json!({"thinking": {"type": "adaptive"}}),
            "[thinking thought: hm\n signed ] [text text: Hi ] ",
        ),
        (
            json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
            "[thinking signed ] [text text: Hi ] ",
        ),
        (json!({}), "[text text: Hi ] "),
    ] {
        assert_eq!(read_every_way(&up, &asked, &stream, Clean), format!("{wanted}{END}"));
    }
    // All of it was thought.
    let only = said(json!({"content": "", "thinking": "hm"})) + &done("stop", 10, 3);
    let asked = json!({"thinking": {"type": "adaptive"}});
    assert_eq!(
        read_every_way(&up, &asked, &only, Clean),
        format!("[thinking thought: hm signed ] {END}")
    );
}

#[test]
fn r07_reasons_to_end() {
    let mut up = Upstream::new();
    up.egress.num_ctx = Some(10_000);
    let ended = |reason: &str, prompt, tokens| {
        read_every_way(
            &up,
            &json!({"max_tokens": 100}),
            &(text("x") + &done(reason, prompt, tokens)),
            Clean,
        )
    };
    for (reason, prompt, tokens, stop) in [
        ("stop", 10, 3, "end_turn"),
        ("", 10, 3, "end_turn"),
        ("length", 10, 100, "max_tokens"),
        ("length", 9950, 50, "model_context_window_exceeded"),
        ("length", 10, 50, "max_tokens"),
        ("load", 10, 3, "end_turn"),
    ] {
        let wanted = format!("[text text: x ] finish {stop} {prompt}>{tokens} Reported");
        assert_eq!(ended(reason, prompt, tokens), wanted);
    }
    // R5: the limit wins over a call.
    let cut = calls(&[call(Some("c"), "A", json!({}))]) + &done("length", 10, 100);
    assert!(
        read_every_way(&up, &json!({"max_tokens": 100}), &cut, Clean).contains("finish max_tokens")
    );
}

#[test]
fn r32_what_is_not_counted_is_estimated() {
    for (end, wanted) in [
        (json!({"done": true, "done_reason": "stop", "eval_count": 3}), ">3 Partial"),
        (
            json!({"done": true, "done_reason": "stop", "prompt_eval_count": 0, "eval_count": 3}),
            ">3 Partial",
        ),
        (json!({"done": true}), ">1 Estimated"),
    ] {
        let got = read(&(text("x") + &format!("{end}\n")));
        assert!(got.ends_with(wanted) && !got.contains("end_turn 0>"), "{got}");
    }
}

#[test]
fn r41_a_prompt_that_was_cut_all_the_same_is_told() {
    let mut up = Upstream::new();
    up.egress.num_ctx = Some(8192);
    for (prompt, losses) in [(8191, 0), (8192, 1), (9000, 1)] {
        let mut reader = up.sent(json!({})).reader;
        let got = whole(&mut *reader, &(text("x") + &done("stop", prompt, 3)));
        assert!(got.contains("finish"), "{got}");
        assert_eq!(reader.losses().iter().count(), losses, "{prompt}");
    }
}

#[test]
fn a_stop_sequence_ends_it_and_says_which() {
    let asked = json!({"stop_sequences": ["END", "STOP"]});
    let stream = text("a ST") + &text("OP b") + &text("c") + &done("stop", 10, 3);
    let got = read_every_way(&Upstream::new(), &asked, &stream, Clean);
    assert!(got.starts_with("[text text: a  ] finish stop_sequence \"STOP\" "), "{got}");
}

#[test]
fn r04_r06_what_breaks_off_is_an_error() {
    let half = text("So");
    for (stream, end, wanted) in [
        ("", Clean, "FAULT 502 Same: local sent no answer and closed the connection"),
        ("\n\n", Cut, "FAULT 502 Same: local sent no answer and closed the connection"),
        (
            &*half,
            Clean,
            "[text text: So FAULT 502 Same: local sent half an answer and closed the connection",
        ),
        (
            &half,
            Cut,
            "[text text: So FAULT 502 Same: local sent half an answer and closed the connection",
        ),
        (
            "{\"message\":{\"cont",
            Cut,
            "FAULT 502 Same: local sent no answer and closed the connection",
        ),
        (
            "{\"message\":{\"cont",
            Clean,
            "FAULT 502 NextProvider: local sent a line that is not JSON: {\"message\":{\"cont",
        ),
        (
            "<html>no</html>\n",
            Clean,
            "FAULT 502 NextProvider: local sent a line that is not JSON: <html>no</html>",
        ),
        ("[]\n", Clean, "FAULT 502 NextProvider: local sent a line that is not JSON: []"),
        (
            "{\"done\":true,\"done_reason\":\"load\"}\n",
            Clean,
            "FAULT 500 Same: local loaded the model and said nothing",
        ),
        (
            "{\"error\":\"an error was encountered while running the model: EOF\"}\n",
            Clean,
            "FAULT 500 Same: local failed: an error was encountered while running the model: EOF",
        ),
        (
            "{\"error\":\"model 'x' not found\"}",
            Clean,
            "FAULT 404 NextProvider: local does not have the model `local-coder:30b`: run `ollama pull local-coder:30b` there, or ask for one of `ollama list` (local failed: model 'x' not found)",
        ),
    ] {
        assert_eq!(read_every_way(&Upstream::new(), &json!({}), stream, end), wanted, "{stream}");
    }
    let broken = half + "{\"error\":\"it broke\"}\n";
    assert_eq!(read(&broken), "[text text: So FAULT 500 Same: local failed: it broke");
}

#[test]
fn an_answer_that_is_no_stream_reads_the_same() {
    let body = json!({"model": "m", "message": {"role": "assistant", "content": "Hi", "thinking": "hm",
        "tool_calls": [call(Some("c"), "A", json!({}))]}, "done": true, "done_reason": "stop",
        "prompt_eval_count": 10, "eval_count": 3});
    let asked = json!({"thinking": {"type": "adaptive"}});
    let wanted =
        format!("[thinking thought: hm signed ] [text text: Hi ] [call c A json: {{}} ] {CALLED}");
    for body in [
        body.to_string(),
        format!("{body:#}"),
        said(json!({"thinking": "hm"}))
            + &body.to_string().replace("\"thinking\":\"hm\"", "\"thinking\":\"\""),
    ] {
        assert_eq!(whole(&mut *Upstream::new().sent(asked.clone()).reader, &body), wanted);
    }
    let error = whole(&mut *Upstream::new().sent(json!({})).reader, r#"{"error":"it broke"}"#);
    assert_eq!(error, "FAULT 500 Same: local failed: it broke");
}
