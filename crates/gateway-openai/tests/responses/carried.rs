//! Reasoning that the caller carries from one turn to the next.

use gateway_testkit::openai::{Style, Turn};
use gateway_translate::Keyring;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, answer, fold, hello, parse};

const MODEL: &str = "gpt-5.6-terra";

fn first() -> Value {
    hello(&json!({
        "stream": true,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}}],
    }))
}

/// The request that follows upon `message`: its content, the results of its calls, a question.
fn next(message: &Value) -> Value {
    let content = message["content"].as_array().expect("blocks");
    let results: Vec<Value> = content
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
        .collect();
    let mut request = first();
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": content}));
    if !results.is_empty() {
        messages.push(json!({"role": "user", "content": results}));
    }
    messages.push(json!({"role": "user", "content": "go on"}));
    request
}

fn turn() -> Turn {
    Turn::reasoning(&["**One**\n\nfirst", "second"])
        .and_call("Bash", &json!({"command": "ls"}))
        .and_reasoning(&[])
        .and_text("I wait.")
        .and_call("Bash", &json!({"command": "pwd"}))
}

/// The reasoning items that the server itself sent.
fn sent(turn: &Turn) -> Vec<Value> {
    let mut request = first();
    request["stream"] = json!(false);
    let body = parse(&Upstream::of(MODEL).encode(&request).expect("can be said"));
    let answer: Value = serde_json::from_str(&answer(&body, turn)).expect("JSON");
    let items = answer["output"].as_array().expect("items").iter();
    items.filter(|item| item["type"] == "reasoning").cloned().collect()
}

fn kinds(body: &Value) -> Vec<&str> {
    let items = body["input"].as_array().expect("items");
    items
        .iter()
        .map(|item| match item["type"].as_str() {
            Some("message") => item["role"].as_str().unwrap_or_default(),
            other => other.unwrap_or_default(),
        })
        .collect()
}

#[test]
fn r15_reasoning_goes_back_as_it_came_and_where_it_was() {
    for style in [Style::default(), Style::named("no-deltas"), Style::named("phase")] {
        let upstream = Upstream::of(MODEL);
        let turn = turn().style(style);
        let message = upstream.ask(&first(), &turn);
        let body = upstream.body(&next(&message));
        assert_eq!(
            kinds(&body),
            [
                "user",
                "reasoning",
                "function_call",
                "reasoning",
                "assistant",
                "function_call",
                "function_call_output",
                "function_call_output",
                "user"
            ]
        );
        for (item, at) in sent(&turn).iter().zip([1, 3]) {
            for field in ["id", "summary", "encrypted_content"] {
                assert_eq!(body["input"][at][field], item[field], "{at} {field}");
            }
        }
        assert!(upstream.losses(&next(&message)).is_empty());
    }
}

#[test]
fn a_phase_comes_back_with_the_reasoning_that_led_to_it() {
    let upstream = Upstream::of(MODEL);
    let turn = Turn::reasoning(&["a"]).and_text("note").style(Style::named("phase"));
    let mut message = upstream.ask(&first(), &turn);
    assert_eq!(upstream.body(&next(&message))["input"][2]["phase"], "final_answer");
    // What the model called its final answer stays that, whatever stands behind it.
    let call = json!({"type": "tool_use", "id": "t1", "name": "Bash", "input": {}});
    message["content"].as_array_mut().expect("blocks").push(call);
    assert_eq!(upstream.body(&next(&message))["input"][2]["phase"], "final_answer");
    // Without reasoning the place tells.
    message["content"].as_array_mut().expect("blocks").remove(0);
    assert_eq!(upstream.body(&next(&message))["input"][1]["phase"], "commentary");
}

#[test]
fn an_answer_behind_commentary_comes_back_as_a_message_of_its_own() {
    let upstream = Upstream::of(MODEL);
    let message = |text: &str, phase: &str| {
        json!({"type": "message", "id": format!("msg_{phase}"), "role": "assistant", "phase": phase,
            "content": [{"type": "output_text", "text": text}]})
    };
    let mut reasoning = sent(&Turn::reasoning(&["a"]).and_text("x"))[0].clone();
    reasoning["id"] = json!("rs_1");
    let response = json!({"status": "completed", "output": [
        reasoning, message("I look.", "commentary"), message("It is so.", "final_answer")]});
    let mut reader = upstream.reader(&json!({"thinking": {"type": "adaptive"}}));
    let answer =
        fold(|sink| reader.whole(response.to_string().as_bytes(), sink)).expect("an answer");
    let body = parse(&upstream.encode(&next(&answer)).expect("can be said"));
    assert_eq!(kinds(&body), ["user", "reasoning", "assistant", "assistant", "user"]);
    for (at, text, phase) in [(2, "I look.", "commentary"), (3, "It is so.", "final_answer")] {
        assert_eq!(body["input"][at]["phase"], phase);
        assert_eq!(body["input"][at]["content"][0]["text"], text);
    }
    // Where nothing tells of the border, they are one.
    let mut bare = answer.clone();
    bare["content"].as_array_mut().expect("blocks").remove(0);
    let body = upstream.body(&next(&bare));
    assert_eq!(body["input"][1]["content"][1]["text"], "It is so.");
    assert_eq!(body["input"][1]["phase"], "final_answer");
}

#[test]
fn a_last_turn_of_which_nothing_can_be_shown_is_not_to_be_gone_on_with() {
    let upstream = Upstream::of(MODEL);
    let mut request = hello(&json!({}));
    let thinking = json!([{"type": "thinking", "thinking": "hm", "signature": "EqQBCkYIBxgCKkA"}]);
    request["messages"]
        .as_array_mut()
        .expect("messages")
        .push(json!({"role": "assistant", "content": thinking}));
    assert_eq!(kinds(&upstream.body(&request)), ["user"]);
    assert_eq!(upstream.losses(&request), ["dropped messages[1].content[0]"]);
}

#[test]
fn r13_r14_what_does_not_belong_here_never_goes_up_and_is_told() {
    let here = Upstream::of(MODEL);
    let message = here.ask(&first(), &turn());
    let request = next(&message);
    let edited = |edit: &dyn Fn(&str) -> String| {
        let mut request = request.clone();
        let block = &mut request["messages"][1]["content"][0]["signature"];
        *block = json!(edit(block.as_str().expect("a signature")));
        request
    };
    let older = Upstream { keys: Keyring::new(["key two", "key one"]), ..here.clone() };
    assert!(older.losses(&request).is_empty(), "an older key still opens");

    let whole = ["dropped messages[1].content[0]", "dropped messages[1].content[2]"];
    let rotated = Upstream { keys: Keyring::new(["key two"]), ..here.clone() };
    let keyless = Upstream { keys: Keyring::new::<&str>([]), ..here.clone() };
    let elsewhere = Upstream { provider: "azure", ..here.clone() };
    let account = Upstream { account: "second", ..here.clone() };
    let other_model = Upstream { model: "o3", ..here.clone() };
    let without = Upstream { without: &[Feature::ReasoningState], ..here.clone() };
    for upstream in [rotated, keyless, elsewhere, account, other_model, without] {
        let body = upstream.body(&request);
        assert!(!kinds(&body).contains(&"reasoning"));
        assert!(!body.to_string().contains("gw1."));
        assert_eq!(upstream.losses(&request), whole);
    }
    for request in [
        edited(&|sealed| sealed[..sealed.len() - 1].to_owned()),
        edited(&|sealed| format!("{sealed}A")),
        edited(&|sealed| sealed.replacen("gw1.A", "gw1.B", 1).replacen("gw1.", "gw1.Z", 1)),
        edited(&|_| "EqQBCkYIBxgCKkA".to_owned()),
        edited(&|_| String::new()),
    ] {
        assert_eq!(kinds(&here.body(&request)).iter().filter(|k| **k == "reasoning").count(), 1);
        assert_eq!(here.losses(&request), [whole[0]]);
    }
}

#[test]
fn an_answer_without_a_key_has_thinking_that_can_not_come_back() {
    let keyless = Upstream { keys: Keyring::new::<&str>([]), ..Upstream::of(MODEL) };
    let message = keyless.ask(&first(), &turn());
    assert_eq!(message["content"][0]["type"], "thinking");
    assert_eq!(message["content"][0]["signature"], "");
    assert!(!message.to_string().contains("redacted_thinking"));
}

#[test]
fn reasoning_with_nothing_behind_it_is_left_out() {
    let upstream = Upstream::of(MODEL);
    let mut message = upstream.ask(&first(), &Turn::reasoning(&["a"]).and_text("x"));
    message["content"].as_array_mut().expect("blocks").truncate(1);
    let request = next(&message);
    assert_eq!(kinds(&upstream.body(&request)), ["user", "user"]);
    assert_eq!(upstream.losses(&request), ["dropped messages[1].content[0]"]);
}

#[test]
fn a_client_may_take_the_text_and_leave_the_signature() {
    let upstream = Upstream::of(MODEL);
    let message = upstream.ask(&first(), &turn());
    let mut request = next(&message);
    request["messages"][1]["content"][0]["thinking"] = json!("");
    let body = upstream.body(&request);
    assert_eq!(body["input"][1]["summary"], json!([]));
    assert_eq!(body["input"][1]["encrypted_content"], sent(&turn())[0]["encrypted_content"]);
}

#[test]
fn thinking_nobody_asked_to_see_is_carried_or_not_at_all() {
    let upstream = Upstream::of(MODEL);
    let mut request = first();
    request["thinking"] = json!({"type": "adaptive", "display": "omitted"});
    let message = upstream.ask(&request, &turn());
    assert_eq!(message["content"][0]["thinking"], "");
    assert_eq!(
        kinds(&upstream.body(&next(&message))).iter().filter(|k| **k == "reasoning").count(),
        2
    );
    request["thinking"] = json!({"type": "disabled"});
    let message = upstream.ask(&request, &turn());
    assert!(!message.to_string().contains("thinking\":"), "{message}");
}
