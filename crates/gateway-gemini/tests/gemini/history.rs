//! Conversations in whatever order callers have them.

use serde_json::{Value, json};

use crate::support::{Upstream, conversation};

const MODEL: &str = "gemini-3.1-pro-preview";

fn call(id: &str, name: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": {"n": id}})
}

#[expect(clippy::needless_pass_by_value, reason = "it is made in place")]
fn result(id: &str, content: Value) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": content})
}

fn contents(messages: Value) -> Value {
    Upstream::of(MODEL).body(&conversation(messages))["contents"].clone()
}

#[test]
fn r12_results_stand_first_in_the_order_of_their_calls() {
    let contents = contents(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call("t1", "A"), call("t2", "B"), call("t3", "A")]},
        {"role": "user", "content": [{"type": "text", "text": "note"}, result("t2", json!("two")),
            {"type": "tool_result", "tool_use_id": "t1", "is_error": true,
                "content": [{"type": "text", "text": "bad"}, {"type": "text", "text": "luck"}]}]},
        {"role": "user", "content": [{"type": "text", "text": "more"}, result("gone", json!("orphan"))]},
    ]));
    let parts = contents[2]["parts"].as_array().expect("parts");
    let told: Vec<String> = parts
        .iter()
        .map(|part| match part.get("functionResponse") {
            Some(r) => format!(
                "{} {} {}",
                r["id"].as_str().unwrap(),
                r["name"].as_str().unwrap(),
                r["response"]
            ),
            None => part["text"].as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    assert_eq!(told[0], r#"t1 A {"error":"bad\nluck"}"#);
    assert_eq!(told[1], r#"t2 B {"output":"two"}"#);
    assert!(told[2].starts_with("t3 A {\"error\":"), "{}", told[2]);
    assert_eq!(&told[3..5], ["note", "more"]);
    assert!(told[5].contains("gone") && told[6] == "orphan", "{told:?}");
}

#[test]
fn calls_with_the_same_id_stay_apart() {
    let contents = contents(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call("t", "A"), call("t", "A")]},
        {"role": "user", "content": [result("t", json!("1")), result("t", json!("2"))]},
    ]));
    let id = |at: &str| contents.pointer(at).and_then(Value::as_str).map(str::to_owned);
    assert_ne!(id("/1/parts/0/functionCall/id"), id("/1/parts/1/functionCall/id"));
    assert_eq!(id("/1/parts/1/functionCall/id"), id("/2/parts/1/functionResponse/id"));
}

#[test]
fn r27_files_in_results_stay_in_them_or_stand_behind() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}});
    let heic = json!({"type": "image", "source": {"type": "base64", "media_type": "image/heic", "data": "aGk="}});
    let messages = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call("t1", "A")]},
        {"role": "user", "content": [result("t1", json!([{"type": "text", "text": "see"}, image, heic]))]},
    ]);
    let new = contents(messages.clone());
    let response = &new[2]["parts"][0]["functionResponse"];
    assert_eq!(
        response["parts"],
        json!([{"inlineData": {"mimeType": "image/png", "data": "aGk="}}])
    );
    assert_eq!(response["response"]["output"], "see\n[image 1 of result 1 is attached below]");
    assert_eq!(new[2]["parts"][1]["text"], "[image 1 of result 1]");
    assert_eq!(new[2]["parts"][2]["inlineData"]["mimeType"], "image/heic");
    let old = Upstream::of("gemini-2.5-pro").body(&conversation(messages))["contents"].clone();
    assert!(old[2]["parts"][0]["functionResponse"].get("parts").is_none());
    assert_eq!(old[2]["parts"].as_array().map(Vec::len), Some(5));
}

#[test]
fn r24_the_operator_speaks_in_the_user_s_turn() {
    let contents = contents(json!([
        {"role": "user", "content": "a"},
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": ""},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]));
    assert_eq!(
        contents[0]["parts"],
        json!([{"text": "a"}, {"text": "<system-reminder>\nbe brief\n</system-reminder>"}])
    );
    assert_eq!(contents.as_array().map(Vec::len), Some(3));
}

#[test]
fn the_user_has_the_first_and_the_last_word() {
    let upstream = Upstream::of(MODEL);
    let request = conversation(json!([
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "The answer is"},
    ]));
    let body = upstream.body(&request);
    let roles: Vec<&str> = body["contents"]
        .as_array()
        .expect("contents")
        .iter()
        .filter_map(|c| c["role"].as_str())
        .collect();
    assert_eq!(roles, ["user", "model", "user", "model", "user"]);
    assert_eq!(upstream.losses(&request), ["replaced messages", "replaced messages[2]"]);
}

#[test]
fn r26_blank_texts_are_left_out_and_nothing_at_all_is_refused() {
    let contents = contents(json!([
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"},
            {"type": "text", "text": " \n\t"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "\n"}]},
        {"role": "user", "content": "b"},
    ]));
    assert_eq!(contents, json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]));
    let refused =
        Upstream::of(MODEL).refusal(&conversation(json!([{"role": "user", "content": " "}])));
    assert!(refused.starts_with("messages: "), "{refused}");
}

#[test]
fn r25_deferred_tools_come_when_they_are_named() {
    let tool = |name: &str| json!({"name": name, "defer_loading": true, "input_schema": {"type": "object"}});
    let mut request = conversation(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call("t1", "ToolSearch")]},
        {"role": "user", "content": [result("t1", json!([{"type": "tool_reference", "tool_name": "x.y"}]))]},
    ]));
    request["tools"] = json!([tool("x.y"), tool("z")]);
    let body = Upstream::of(MODEL).body(&request);
    let functions = body["tools"][0]["functionDeclarations"].as_array().expect("functions");
    assert_eq!(functions.len(), 1);
    let name = functions[0]["name"].as_str().expect("a name");
    let told = body["contents"][2]["parts"][0]["functionResponse"]["response"]["output"].as_str();
    assert_eq!(told, Some(&*format!("The tool `{name}` is available now.")));
}

#[test]
fn searches_of_others_are_told_as_text() {
    let request = conversation(json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rust"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [
                {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "x"}]},
            {"type": "text", "text": "b", "citations": []}]},
        {"role": "user", "content": "c"},
    ]));
    let upstream = Upstream::of(MODEL);
    let parts = upstream.body(&request)["contents"][1]["parts"].clone();
    assert_eq!(parts[0]["text"], "[web_search: rust]");
    assert_eq!(parts[1]["text"], "[found:\n- A: https://a.example]");
    assert_eq!(
        upstream.losses(&request),
        ["replaced messages[1].content[0]", "replaced messages[1].content[1]"]
    );
}
