//! Every style of an answer says the same, and says it in its own way.

use std::collections::BTreeSet;

use gateway_testkit::openai::{
    Arguments, Asked, CallIds, Fault, Finish, Part, ReasoningAt, Rules, Style, Turn, Usage,
    UsageAt, Vendor, chat_reply, responses_reply,
};
use serde_json::{Value, json};

const ARGS: [&str; 2] = [r#"{"city":"Köln \"x\"\n"}"#, r#"{"n":[1,2,{"a":null}]}"#];

fn turn(style: Style) -> Turn {
    Turn::reasoning(&["First.", "Then ✓."])
        .and_text("Grüße from 42 ✓")
        .and_raw_call("call_a", "get_weather", ARGS[0])
        .and_raw_call("call_b", "count", ARGS[1])
        .usage(Usage { prompt: 900, cached: 512, cache_write: 64, completion: 77, reasoning: 33 })
        .style(style)
}

fn asked(body: &Value) -> Asked<'_> {
    Asked { body, index: 3, account: "org-test" }
}

fn chat_body() -> Value {
    json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}})
}

fn responses_body() -> Value {
    json!({
        "model": "m", "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    })
}

/// The data of each frame, read as the standard says.
fn data(frames: &[String]) -> Vec<String> {
    let text = frames.concat().replace("\r\n", "\n");
    let of = |frame: &str| -> Option<String> {
        let lines: Vec<&str> = frame
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    };
    text.split("\n\n").filter_map(of).collect()
}

fn chunks(frames: &[String]) -> Vec<Value> {
    let parse =
        |data: &String| serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
    data(frames).iter().filter(|data| *data != "[DONE]").map(parse).collect()
}

#[derive(Debug, Default, PartialEq)]
struct Heard {
    text: String,
    reasoning: String,
    /// Name and arguments.
    calls: Vec<(String, String)>,
    finish: Option<String>,
    completion: Option<u64>,
}

/// Puts the chunks of Chat Completions together, knowing the style.
fn heard(chunks: &[Value], style: &Style) -> Heard {
    let mut heard = Heard::default();
    let mut keys: Vec<Value> = Vec::new();
    for chunk in chunks {
        for at in ["/usage", "/x_groq/usage", "/choices/0/usage"] {
            let tokens = chunk.pointer(at).and_then(|usage| usage["completion_tokens"].as_u64());
            heard.completion = tokens.or(heard.completion);
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        let part = delta.pointer("/content/0/text").and_then(Value::as_str);
        heard.text.push_str(delta["content"].as_str().or(part).unwrap_or_default());
        let thought = delta["reasoning_content"].as_str().or(delta["reasoning"].as_str());
        heard.reasoning.push_str(thought.unwrap_or_default());
        for entry in delta["tool_calls"].as_array().into_iter().flatten() {
            let (key, name) = match (&entry["index"], &entry["id"]) {
                (Value::Null, Value::Null) => (Value::Null, entry["function"]["name"].is_string()),
                (Value::Null, id) => (id.clone(), false),
                (index, _) => (index.clone(), false),
            };
            let known = keys.iter().position(|known| *known == key && !name);
            let at =
                if key.is_null() && !name { keys.len() - 1 } else { known.unwrap_or(keys.len()) };
            if at == keys.len() {
                keys.push(key);
                heard.calls.push((String::new(), String::new()));
            }
            let call = &mut heard.calls[at];
            if let Some(name) = entry["function"]["name"].as_str() {
                name.clone_into(&mut call.0);
            }
            match &entry["function"]["arguments"] {
                Value::String(piece) if style.arguments == Arguments::Snapshot => {
                    assert!(piece.starts_with(&call.1));
                    call.1.clone_from(piece);
                }
                Value::String(piece) => call.1.push_str(piece),
                object => call.1 = object.to_string(),
            }
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            heard.finish = Some(finish.to_owned());
        }
    }
    heard
}

fn same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    parse(a) == parse(b)
}

#[test]
fn chat_streams_say_the_same_in_every_style() {
    let body = chat_body();
    for (name, style) in Style::all() {
        let frames = chat_reply::frames(&turn(style.clone()), asked(&body));
        assert_eq!(frames, chat_reply::frames(&turn(style.clone()), asked(&body)), "{name}");
        let heard = heard(&chunks(&frames), &style);
        let thinks = "<think>\nFirst.\n\nThen ✓.\n</think>\n\n";
        let inline = if style.reasoning == ReasoningAt::Think { thinks } else { "" };
        assert_eq!(heard.text, format!("{inline}Grüße from 42 ✓"), "{name}");
        let shown = matches!(style.reasoning, ReasoningAt::Field(_) | ReasoningAt::Details);
        assert_eq!(heard.reasoning, if shown { "First.\n\nThen ✓." } else { "" }, "{name}");
        let names: Vec<&str> = heard.calls.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["get_weather", "count"], "{name}");
        for ((_, args), wanted) in heard.calls.iter().zip(ARGS) {
            assert!(same_json(args, wanted), "{name}: {args}");
        }
        assert_eq!(heard.finish.as_deref(), Some("tool_calls"), "{name}");
        let usage = (style.usage != UsageAt::Never).then_some(77);
        assert_eq!(heard.completion, usage, "{name}");
        let done = data(&frames).last().is_some_and(|last| last == "[DONE]");
        assert_eq!(done, style.done != Some(false), "{name}");
    }
}

#[test]
fn styles_differ_from_one_another() {
    let (chat, responses) = (chat_body(), responses_body());
    let render = |style: &Style| {
        let error = Fault::Error { code: "c".to_owned(), message: "m".to_owned() };
        let broken = turn(style.clone()).fault(error);
        let turn = turn(style.clone());
        [
            chat_reply::frames(&turn, asked(&chat)).concat(),
            responses_reply::frames(&turn, asked(&responses)).concat(),
            responses_reply::frames(&broken, asked(&responses)).concat(),
        ]
        .concat()
    };
    // `[DONE]` is what Chat Completions has, and Responses has not: each differs in one dialect.
    let all: BTreeSet<String> = Style::all().iter().map(|(_, style)| render(style)).collect();
    assert_eq!(all.len(), Style::all().len());
}

#[test]
fn chat_bodies_say_the_same_in_every_style() {
    let body = json!({"model": "m"});
    for (name, style) in Style::all() {
        let reply = chat_reply::body(&turn(style.clone()), asked(&body));
        let message = &reply["choices"][0]["message"];
        let part = message.pointer("/content/0/text").and_then(Value::as_str);
        let text = message["content"].as_str().or(part).expect("a text");
        assert!(text.ends_with("Grüße from 42 ✓"), "{name}: {text}");
        for (call, wanted) in message["tool_calls"].as_array().expect("calls").iter().zip(ARGS) {
            let args = &call["function"]["arguments"];
            let args = args.as_str().map_or_else(|| args.to_string(), str::to_owned);
            assert!(same_json(&args, wanted), "{name}: {args}");
            assert_eq!(call.get("id").is_some(), style.ids != CallIds::Never, "{name}");
            assert_eq!(call.get("index"), None, "{name}");
        }
        assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls", "{name}");
    }
}

#[test]
fn responses_streams_end_in_what_the_body_says() {
    let body = responses_body();
    for (name, style) in Style::all() {
        let turn = turn(style.clone());
        let whole = responses_reply::body(&turn, asked(&body));
        let frames = responses_reply::frames(&turn, asked(&body));
        let events = chunks(&frames);
        assert_eq!(events.last().expect("an event")["response"], whole, "{name}");
        assert_eq!(whole["output"][0]["summary"].as_array().map(Vec::len), Some(2), "{name}");
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{name}");
        }
        // The deltas of each item add up to the item that is done.
        for (index, item) in whole["output"].as_array().expect("items").iter().enumerate() {
            let of = |kind: &str| -> Vec<&Value> {
                let own = |event: &&Value| event["output_index"] == index && event["type"] == kind;
                events.iter().filter(own).collect()
            };
            assert_eq!(of("response.output_item.done")[0]["item"], *item, "{name}");
            let (kind, wanted) = match item["type"].as_str().expect("a type") {
                "function_call" => ("response.function_call_arguments.delta", &item["arguments"]),
                "message" => ("response.output_text.delta", &item["content"][0]["text"]),
                _ => continue,
            };
            let sum: String = of(kind).iter().filter_map(|event| event["delta"].as_str()).collect();
            assert_eq!(sum, if style.deltas { wanted.as_str().unwrap() } else { "" }, "{name}");
        }
        // A blob is only whole in the end.
        let blob = |kind: &str| {
            let event = events.iter().find(|event| event["type"] == kind).expect("an event");
            event["item"]["encrypted_content"].as_str().expect("a blob").to_owned()
        };
        let (early, late) = (blob("response.output_item.added"), blob("response.output_item.done"));
        assert!(late.starts_with(&early) && late != early, "{name}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_shown() {
    let body = json!({"model": "m"});
    let turn = turn(Style::default()).and_search("q", &["https://example.org"]);
    let reply = responses_reply::body(&turn, asked(&body));
    assert_eq!(reply["output"][0]["summary"], json!([]));
    assert_eq!(reply["output"][0].get("encrypted_content"), None);
    assert_eq!(reply["output"][4]["action"].get("sources"), None);
    // Chat: no usage without `include_usage`.
    let frames = chat_reply::frames(&turn, asked(&body));
    assert!(chunks(&frames).iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn ends() {
    let body = json!({"model": "m", "stream": true});
    let last = |frames: Vec<String>| chunks(&frames).last().expect("a chunk").clone();
    for (finish, chat, responses, reason) in [
        (Finish::Auto, json!("stop"), "response.completed", Value::Null),
        (Finish::Length, json!("length"), "response.incomplete", json!("max_output_tokens")),
        (
            Finish::ContentFilter,
            json!("content_filter"),
            "response.incomplete",
            json!("content_filter"),
        ),
        (Finish::Word("eos"), json!("eos"), "response.completed", Value::Null),
        (Finish::Null, Value::Null, "response.completed", Value::Null),
    ] {
        let turn = Turn::text("a").finish(finish);
        let end = last(chat_reply::frames(&turn, asked(&body)));
        assert_eq!(end["choices"][0]["finish_reason"], chat, "{finish:?}");
        let end = last(responses_reply::frames(&turn, asked(&body)));
        assert_eq!(end["type"], responses, "{finish:?}");
        assert_eq!(end["response"]["incomplete_details"]["reason"], reason, "{finish:?}");
    }
    // A call that was forced by name does not end with `tool_calls`.
    let forced =
        json!({"model": "m", "tool_choice": {"type": "function", "function": {"name": "f"}}});
    let reply = chat_reply::body(&Turn::call("f", &json!({})), asked(&forced));
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");

    let broken = |nested, fault: fn(String, String) -> Fault| {
        let style = Style { nested_error: nested, ..Style::default() };
        Turn::text("one two three").style(style).fault(fault("code".to_owned(), "why".to_owned()))
    };
    let error = |code, message| Fault::Error { code, message };
    let failed = |code, message| Fault::Failed { code, message };
    assert_eq!(
        last(chat_reply::frames(&broken(false, error), asked(&body)))["error"]["code"],
        "code"
    );
    let flat = last(responses_reply::frames(&broken(false, error), asked(&body)));
    assert_eq!((&flat["type"], &flat["code"]), (&json!("error"), &json!("code")));
    let nested = last(responses_reply::frames(&broken(true, error), asked(&body)));
    assert_eq!(nested["error"]["message"], "why");
    let end = last(responses_reply::frames(&broken(false, failed), asked(&body)));
    assert_eq!(
        (&end["type"], &end["response"]["error"]["code"]),
        (&json!("response.failed"), &json!("code"))
    );
}

#[test]
fn freeform_calls_are_said_too() {
    let body = json!({"model": "m"});
    let custom = Part::CustomCall { name: "patch".to_owned(), input: "*** Begin".to_owned() };
    let turn = Turn::call("f", &json!({})).and(custom);
    let reply = chat_reply::body(&turn, asked(&body));
    let whole = &reply["choices"][0]["message"]["tool_calls"][1];
    assert_eq!(whole["custom"], json!({"name": "patch", "input": "*** Begin"}));
    assert_eq!(whole["type"], "custom");
    let mut said = String::new();
    for chunk in chunks(&chat_reply::frames(&turn, asked(&body))) {
        let entry = &chunk["choices"][0]["delta"]["tool_calls"][0];
        said.push_str(entry["custom"]["input"].as_str().unwrap_or_default());
    }
    assert_eq!(said, "*** Begin");
}

#[test]
fn a_phase_tells_comment_from_answer() {
    let body = json!({"model": "m"});
    let style = Style { phase: true, ..Style::default() };
    let turn = Turn::text("a").and_call("f", &json!({})).and_text("b").style(style);
    let reply = responses_reply::body(&turn, asked(&body));
    assert_eq!(reply["output"][0]["phase"], "commentary");
    assert_eq!(reply["output"][2]["phase"], "final_answer");
    assert!(matches!(turn.parts[2], Part::Text { .. }));
}

#[test]
fn vendors_have_their_ways() {
    assert_eq!(Style::of(Vendor::OpenAi), Style::default());
    assert_eq!(Style::of(Vendor::Groq).usage, UsageAt::XGroq);
    assert_eq!(Style::of(Vendor::Bare).ids, CallIds::Never);
    assert_eq!(Rules::compatible("kimi").vendor, Vendor::Kimi);
    assert_eq!(Style::named("think").reasoning, ReasoningAt::Think);
}
