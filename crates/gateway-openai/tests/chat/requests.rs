//! Requests: every row of what Anthropic can say, and what it becomes.

use gateway_openai::{Api, WebSearch};
use gateway_translate::Egress as _;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, request};

fn gpt() -> Upstream {
    Upstream::openai("gpt-4.1")
}

fn user(content: Value) -> Value {
    json!([{"role": "user", "content": content}])
}

/// A conversation in which the model called `A` as `t1`, and what came after.
fn called(after: Value) -> Value {
    json!([{"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "A", "input": {"x": 1}}]},
        {"role": "user", "content": after}])
}

fn result(content: Value) -> Value {
    json!({"type": "tool_result", "tool_use_id": "t1", "content": content})
}

const PNG: &str = "iVBORw0KGgo=";

fn png() -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
}

fn pdf() -> Value {
    json!({"type": "document", "title": "a \"b\".pdf",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}})
}

#[test]
fn r34_the_system_prompt_is_one_message_without_the_billing_line() {
    let billing = "x-anthropic-billing-header: cc_version=1; cch=abc;";
    let sent = gpt().sent(json!({"system": [
        {"type": "text", "text": billing},
        {"type": "text", "text": "You are \"x\".", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Do\ny."}]}));
    assert_eq!(
        sent.body["messages"],
        json!([{"role": "system", "content": "You are \"x\".\n\nDo\ny."}, {"role": "user", "content": "hi"}])
    );
    assert_eq!(sent.losses, ["hint system[0]", "hint cache_control"]);
    for system in [json!([]), json!(""), json!([{"type": "text", "text": billing}])] {
        let sent = gpt().sent(json!({"system": system}));
        assert_eq!(sent.body["messages"][0]["role"], "user");
    }
    assert_eq!(gpt().sent(json!({"system": "s"})).body["messages"][0]["content"], "s");
    let refused = gpt().send(json!({"system": [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}}]}));
    assert!(refused.is_err_and(|e| e.contains("system[0]")));
}

#[test]
fn r24_system_messages_in_the_middle_stay_or_become_reminders() {
    let messages = json!([{"role": "user", "content": "a"}, {"role": "system", "content": "s"},
        {"role": "user", "content": "b"}, {"role": "system", "content": []},
        {"role": "assistant", "content": "c"}, {"role": "system", "content": [{"type": "text", "text": "t"}]}]);
    assert_eq!(
        gpt().messages(messages.clone()),
        json!([{"role": "user", "content": "a"}, {"role": "system", "content": "s"},
            {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"},
            {"role": "system", "content": "t"}])
    );
    let sent = Upstream::compatible().sent(json!({"messages": messages}));
    assert_eq!(
        sent.body["messages"],
        json!([{"role": "user", "content": "a\n\n<system-reminder>\ns\n</system-reminder>\n\nb"},
            {"role": "assistant", "content": "c"},
            {"role": "user", "content": "<system-reminder>\nt\n</system-reminder>"}])
    );
    assert_eq!(sent.losses, ["hint messages[1]", "hint messages[5]"]);
}

#[test]
fn user_contents_are_strings_or_parts() {
    let text = |t: &str| json!({"type": "text", "text": t});
    for (content, wanted) in [
        (json!("hé\n\"x\""), json!("hé\n\"x\"")),
        (json!([text("a")]), json!("a")),
        (json!([text("a"), text(""), text("b")]), json!([text("a"), text("b")])),
        (
            json!([text("a"), png()]),
            json!([text("a"), {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}}]),
        ),
        (
            json!([{"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}]),
            json!([{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]),
        ),
        (
            json!([pdf()]),
            json!([{"type": "file", "file": {"filename": "a \"b\".pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}]),
        ),
        (
            json!([{"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "body"}}]),
            json!("Document: T\nAbout it: C\n\nbody"),
        ),
        (
            json!([{"type": "document", "title": "T", "source": {"type": "content", "content": [text("in")]}}]),
            json!([text("Document: T"), text("in")]),
        ),
        (
            json!([{"type": "search_result", "source": "https://s", "title": "T", "content": [text("one"), text("two")]}]),
            json!("T\nSource: https://s\n\none\n\ntwo"),
        ),
    ] {
        assert_eq!(gpt().messages(user(content.clone()))[0]["content"], wanted, "{content}");
    }
    // Two messages of the user in a row are one.
    let merged =
        gpt().messages(json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]));
    assert_eq!(merged, json!([{"role": "user", "content": [text("a"), text("b")]}]));
}

#[test]
fn r28_what_the_model_cant_see_is_told_or_refused() {
    let blind = || Upstream::new("https://api.deepseek.com", "deepseek-v4");
    let sent = blind().sent(json!({"messages": user(json!([png(), pdf()]))}));
    let content = sent.body["messages"][0]["content"].to_string();
    assert!(
        content.contains("image omitted") && content.contains("document a \\\"b\\\".pdf omitted"),
        "{content}"
    );
    assert_eq!(sent.losses, ["dropped messages[0].content[0]", "dropped messages[0].content[1]"]);
    let mut overridden = gpt();
    overridden.egress.overrides.vision = Some(false);
    assert_eq!(
        overridden.sent(json!({"messages": user(json!([png()]))})).losses,
        ["dropped messages[0].content[0]"]
    );

    let url = json!({"type": "image", "source": {"type": "url", "url": "https://a"}});
    let pdf_url = json!({"type": "document", "source": {"type": "url", "url": "https://a"}});
    let file = json!({"type": "image", "source": {"type": "file", "file_id": "f"}});
    let upload = json!({"type": "container_upload", "file_id": "f"});
    let ollama = Upstream::new("http://localhost:11434/v1", "llama3");
    for (up, block) in [
        (&ollama, &url),
        (&gpt(), &pdf_url),
        (&gpt(), &file),
        (&gpt(), &json!({"type": "document", "source": {"type": "file", "file_id": "f"}})),
        (&gpt(), &upload),
    ] {
        let content = json!([{"type": "text", "text": "x"}, block]);
        let refused = up.send(json!({"messages": user(content)}));
        let refused = refused.expect_err("can't be shown");
        assert!(refused.starts_with("400 messages[0].content[1]: "), "{refused}");
    }
    let openrouter = Upstream::new("https://openrouter.ai/api/v1", "x/y");
    let sent = openrouter.messages(user(json!([pdf_url])));
    assert_eq!(
        sent[0]["content"][0]["file"],
        json!({"filename": "document.pdf", "file_data": "https://a"})
    );
    // A kind nobody knows is left out and told.
    let sent = gpt().sent(json!({"messages": user(json!([{"type": "text", "text": "x"}, {"type": "new_kind", "a": 1}]))}));
    assert_eq!(sent.body["messages"][0]["content"], "x");
    assert_eq!(sent.losses, ["dropped messages[0].content[1]"]);
}

#[test]
fn r12_results_come_right_behind_their_calls() {
    let tool = json!({"role": "tool", "tool_call_id": "t1", "content": "ok"});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "t1", "type": "function", "function": {"name": "A", "arguments": "{\"x\":1}"}}]});
    let got =
        gpt().messages(called(json!([{"type": "text", "text": "note"}, result(json!("ok"))])));
    assert_eq!(
        got,
        json!([{"role": "user", "content": "go"}, call, tool, {"role": "user", "content": "note"}])
    );

    // Results over two messages, an orphan, a call without a result.
    let got = gpt().sent(json!({"messages": [{"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "t1", "name": "A", "input": {}},
            {"type": "tool_use", "id": "t2", "name": "A", "input": {}},
            {"type": "tool_use", "id": "t3", "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "two"}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t9", "content": "lost", "is_error": true}, result(json!("one"))]}]}));
    let sent = &got.body["messages"];
    let ids: Vec<_> = sent
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|m| m["tool_call_id"].as_str())
        .collect();
    assert_eq!(ids, ["t1", "t2", "t3"]);
    assert_eq!(sent[4]["content"], "[no result: interrupted]");
    let orphan = sent[5]["content"].to_string();
    assert!(
        orphan.contains("[result of an earlier tool call t9]")
            && orphan.contains("Error: ")
            && orphan.contains("lost"),
        "{orphan}"
    );
    assert_eq!(got.losses, ["replaced messages[1]", "replaced messages[3].content[0]"]);

    // The last turn called and nothing came.
    let got = gpt().messages(json!([{"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "text", "text": "t"}, {"type": "tool_use", "id": "t1", "name": "A", "input": {}}]}]));
    assert_eq!(got[1]["content"], "t");
    assert_eq!(
        got[2],
        json!({"role": "tool", "tool_call_id": "t1", "content": "[no result: interrupted]"})
    );
    assert_eq!(got.as_array().map(Vec::len), Some(3));
}

#[test]
fn r27_results_are_text_and_their_files_follow() {
    let text = |t: &str| json!({"type": "text", "text": t});
    for (content, is_error, wanted) in [
        (json!("out"), false, "out"),
        (json!([text("a"), text("b")]), false, "a\nb"),
        (json!("bad"), true, "Error: bad"),
        (json!(""), true, "Error: "),
        (json!([]), false, ""),
        (
            json!([{"type": "tool_reference", "tool_name": "mcp__a__b"}]),
            false,
            "The tool `mcp__a__b` is available now.",
        ),
    ] {
        let mut block = result(content);
        block["is_error"] = json!(is_error);
        let got = gpt().messages(called(json!([block])));
        assert_eq!(got[2]["content"], wanted);
        if wanted.is_empty() {
            let got = Upstream::compatible().messages(called(json!([block])));
            assert_eq!(got[2]["content"], "(no output)");
        }
    }
    let mixed = json!([text("see"), png(), pdf()]);
    let got = gpt().messages(called(json!([result(mixed), text("and?")])));
    assert_eq!(
        got[2]["content"],
        "see\n[image 1 of result t1 is attached below]\n[document 2 of result t1 is attached below]"
    );
    let kinds: Vec<_> = got[3]["content"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|p| p["type"].as_str().unwrap_or("?"))
        .collect();
    assert_eq!(kinds, ["text", "image_url", "text", "file", "text"]);
    assert_eq!(got[3]["content"][0]["text"], "[image 1 of result t1]");
    assert_eq!(got[3]["content"][4]["text"], "and?");
}

#[test]
fn assistant_turns_are_one_message() {
    let turn = |content: Value| {
        let sent = gpt().sent(json!({"messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": content}, {"role": "user", "content": "b"}]}));
        (sent.body["messages"][1].clone(), sent.losses)
    };
    let text = |t: &str| json!({"type": "text", "text": t});
    let thinking = json!({"type": "thinking", "thinking": "secret", "signature": "EqQBfromclaude"});
    assert_eq!(turn(json!("x")).0, json!({"role": "assistant", "content": "x"}));
    assert_eq!(turn(json!([text("x"), text("y")])).0["content"], "x\n\ny");
    // What only thinking parted was one text.
    let (message, losses) = turn(json!([thinking, text("x"), thinking, text("y")]));
    assert_eq!(message["content"], "xy");
    assert_eq!(losses, ["dropped messages[1].content[0]", "dropped messages[1].content[2]"]);
    let (message, _) = turn(json!([text("x"),
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "cats"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [
            {"type": "web_search_result", "url": "https://c", "title": "Cats", "encrypted_content": "zzz"}]}]));
    assert_eq!(message["content"], "x\n\n[web_search: cats]\n\n[found:\n- Cats: https://c]");
    // Nothing is left: no message, and the user's are one.
    let sent = gpt().messages(json!([{"role": "user", "content": "a"},
        {"role": "assistant", "content": [thinking]}, {"role": "user", "content": "b"}]));
    assert_eq!(sent.as_array().map(Vec::len), Some(1));
    assert!(!sent.to_string().contains("secret"));
}

#[test]
fn a_last_message_of_the_assistant_is_gone_on_with() {
    let messages = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]);
    let sent = gpt().sent(json!({"messages": messages}));
    assert_eq!(sent.body["messages"][2]["role"], "user");
    assert_eq!(sent.losses, ["replaced messages[1]"]);
    let sent =
        Upstream::new("https://openrouter.ai/api/v1", "x/y").sent(json!({"messages": messages}));
    assert_eq!(sent.body["messages"].as_array().map(Vec::len), Some(2));
    assert_eq!(sent.losses, [""; 0]);
}

#[test]
fn tools_are_functions() {
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}, "$schema": "x"});
    let sent = gpt().sent(json!({"tools": [
        {"name": "A", "description": "d\n", "input_schema": schema, "cache_control": {"type": "ephemeral"}, "eager_input_streaming": true},
        {"name": "B", "input_schema": {"type": "object"}},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}]}));
    let tools = &sent.body["tools"];
    assert_eq!(
        tools[0],
        json!({"type": "function", "function": {"name": "A", "description": "d\n", "parameters": schema}})
    );
    assert_eq!(tools[1]["function"]["parameters"], json!({"type": "object", "properties": {}}));
    assert_eq!(tools[2]["function"]["name"], "bash");
    assert_eq!(tools[3]["function"]["parameters"]["required"], json!(["command", "path"]));
    assert_eq!(sent.losses, ["hint tools.B.input_schema"]);
    // The bytes of a schema that is fine do not change.
    assert!(sent.text.contains(&schema.to_string()));
    assert!(gpt().sent(json!({"tools": []})).body.get("tools").is_none());
}

#[test]
fn strict_goes_up_only_where_it_can_be_kept() {
    let good = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let bad = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let tools = json!([{"name": "G", "input_schema": good, "strict": true}, {"name": "B", "input_schema": bad, "strict": true}]);
    let sent = gpt().sent(json!({"tools": tools}));
    assert_eq!(sent.body["tools"][0]["function"]["strict"], true);
    assert!(sent.body["tools"][1]["function"].get("strict").is_none());
    assert_eq!(sent.losses, ["dropped tools.B.strict"]);
}

#[test]
fn r25_deferred_tools_are_hidden_until_they_are_found() {
    let tool = |name: &str, deferred: bool| json!({"name": name, "input_schema": {"type": "object", "properties": {}}, "defer_loading": deferred});
    let tools = json!([
        tool("A", false),
        tool("hidden", true),
        tool("found", true),
        tool("DeferredToolPlaceholder", true)
    ]);
    let names = |sent: crate::support::Sent| -> Vec<String> {
        sent.body["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| t["function"]["name"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    let messages =
        called(json!([result(json!([{"type": "tool_reference", "tool_name": "found"}]))]));
    assert_eq!(names(gpt().sent(json!({"tools": tools, "messages": messages}))), ["A", "found"]);
    // Only hidden ones: no empty list, no choice.
    let sent =
        gpt().sent(json!({"tools": [tool("hidden", true)], "tool_choice": {"type": "auto"}}));
    assert!(sent.body.get("tools").is_none() && sent.body.get("tool_choice").is_none());
    // The provider was to search them: nobody does, so all are shown.
    let sent = gpt().sent(json!({"tools": [tool("hidden", true), {"type": "tool_search_tool_regex_20251119", "name": "s"}]}));
    assert_eq!(sent.losses, ["replaced tools"]);
    assert_eq!(names(sent), ["hidden"]);
}

#[test]
fn r11_tool_names_go_there_and_back_everywhere() {
    let long = format!("mcp__server__{}", "x".repeat(115));
    for name in [long.as_str(), "a.b/c d", &"n".repeat(64), &"n".repeat(65), &"m".repeat(128)] {
        let tools = json!([{"name": name, "input_schema": {"type": "object", "properties": {}}}]);
        let messages = json!([{"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": name, "input": {}}]},
            {"role": "user", "content": [result(json!("r"))]}]);
        let mut sent = gpt().sent(json!({"tools": tools, "messages": messages, "tool_choice": {"type": "tool", "name": name}}));
        let short = sent.body["tools"][0]["function"]["name"].as_str().expect("a name").to_owned();
        assert!(
            short.len() <= 64
                && short.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)),
            "{short}"
        );
        assert_eq!(sent.body["messages"][1]["tool_calls"][0]["function"]["name"], *short);
        assert_eq!(
            sent.body["tool_choice"],
            json!({"type": "function", "function": {"name": short}})
        );
        let body = json!({"choices": [{"message": {"tool_calls": [{"id": "n", "function": {"name": short, "arguments": "{}"}}]}}]});
        let got = crate::support::whole(&mut *sent.reader, &body.to_string()).short();
        assert!(got.starts_with(&format!("[call n {name} ")), "{got}");
    }
}

#[test]
fn call_ids_fit_and_agree() {
    let long = format!("toolu_{}", "z".repeat(60));
    let sent = gpt().messages(json!([{"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": long, "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": long, "content": "r"}]}]));
    let id = sent[1]["tool_calls"][0]["id"].as_str().expect("an id");
    assert!(id.len() <= 40 && sent[2]["tool_call_id"] == id);
}

#[test]
fn r11_a_found_tool_is_told_by_the_name_that_can_be_called() {
    let long = "n".repeat(80);
    let tools = json!([{"name": long, "input_schema": {"type": "object", "properties": {}}, "defer_loading": true}]);
    let found = result(json!([{"type": "tool_reference", "tool_name": long}]));
    let sent = gpt().sent(json!({"tools": tools, "messages": called(json!([found]))}));
    let name = sent.body["tools"][0]["function"]["name"].as_str().expect("a name");
    assert_eq!(sent.body["messages"][2]["content"], format!("The tool `{name}` is available now."));
}

#[test]
fn ids_that_repeat_within_a_turn_are_parted() {
    let call = json!({"type": "tool_use", "id": "t1", "name": "A", "input": {}});
    let sent = gpt().messages(json!([{"role": "user", "content": "x"},
        {"role": "assistant", "content": [call, call]},
        {"role": "user", "content": [result(json!("one")), result(json!("two"))]}]));
    let id = |at: usize| sent[1]["tool_calls"][at]["id"].as_str().expect("an id").to_owned();
    assert_ne!(id(0), id(1));
    assert_eq!(
        (&sent[2]["tool_call_id"], &sent[3]["tool_call_id"]),
        (&json!(id(0)), &json!(id(1)))
    );
    assert_eq!((&sent[2]["content"], &sent[3]["content"]), (&json!("one"), &json!("two")));
}

#[test]
fn texts_are_one_string_where_only_strings_are_taken() {
    let messages = user(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b\n"}]));
    let deepseek = Upstream::new("https://api.deepseek.com", "deepseek-v4");
    assert_eq!(deepseek.messages(messages.clone())[0]["content"], "a\n\nb\n");
    assert!(gpt().messages(messages)[0]["content"].is_array());
    let with_image =
        Upstream::compatible().messages(user(json!([{"type": "text", "text": "a"}, png()])));
    assert_eq!(with_image[0]["content"][1]["type"], "image_url");
}

#[test]
fn tool_choice_is_said_as_well_as_the_server_can() {
    let tools = json!([{"name": "A", "input_schema": {"type": "object", "properties": {}}},
        {"name": "B", "input_schema": {"type": "object", "properties": {}}}]);
    let kimi = || Upstream::new("https://api.moonshot.ai/v1", "kimi-k3");
    let ollama = || Upstream::new("http://localhost:11434/v1", "llama3");
    let named = json!({"type": "function", "function": {"name": "A"}});
    for (up, choice, wanted, losses) in [
        (gpt(), json!({"type": "auto"}), Value::Null, vec![]),
        (gpt(), json!({"type": "any"}), json!("required"), vec![]),
        (gpt(), json!({"type": "none"}), json!("none"), vec![]),
        (gpt(), json!({"type": "tool", "name": "A"}), named, vec![]),
        (kimi(), json!({"type": "any"}), Value::Null, vec!["replaced tool_choice"]),
        (kimi(), json!({"type": "tool", "name": "A"}), Value::Null, vec!["replaced tool_choice"]),
        (kimi(), json!({"type": "none"}), json!("none"), vec![]),
        (ollama(), json!({"type": "any"}), Value::Null, vec!["replaced tool_choice"]),
        (ollama(), json!({"type": "none"}), Value::Null, vec!["replaced tool_choice"]),
    ] {
        let sent = up.sent(json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(sent.body["tool_choice"], wanted, "{choice}");
        assert_eq!(sent.losses, losses, "{choice}");
        assert_eq!(sent.body["messages"][0]["role"], "user", "the head stays the same");
        let told = sent.body["messages"].to_string().contains("Answer with a call");
        assert_eq!(told, sent.losses.len() == 1 && choice["type"] != "none", "{choice}");
        assert_eq!(sent.body.get("tools").is_none(), choice["type"] == "none" && wanted.is_null());
    }
    let missing = gpt().send(json!({"tools": tools, "tool_choice": {"type": "tool", "name": "C"}}));
    assert!(missing.is_err_and(|e| e.starts_with("400 tool_choice") && e.contains("`C`")));
    // A call that can't be made, and a choice that asks for none.
    let mut without = gpt();
    without.egress.overrides.tools = Some(false);
    for choice in [json!({"type": "any"}), json!({"type": "tool", "name": "A"})] {
        let refused = without.send(json!({"tools": tools, "tool_choice": choice}));
        assert!(refused.is_err_and(|e| e.starts_with("400 tool_choice")), "{choice}");
    }
    let sent = without.sent(json!({"tools": tools, "tool_choice": {"type": "auto"}}));
    assert_eq!(sent.losses, ["dropped tools"]);
    // In words, too, a tool has the name by which it can be called.
    let long = "n".repeat(80);
    let sent = kimi().sent(
        json!({"tools": [{"name": long, "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "tool", "name": long}}),
    );
    let name = sent.body["tools"][0]["function"]["name"].as_str().expect("a name");
    let last = sent.body["messages"].as_array().and_then(|all| all.last()).expect("a message");
    let words = format!("Answer with a call of the tool `{name}`.");
    assert!(last["role"] == "user" && last.to_string().contains(&words), "{last}");
    // One at a time.
    let one = json!({"type": "auto", "disable_parallel_tool_use": true});
    let sent = gpt().sent(json!({"tools": tools, "tool_choice": one}));
    assert_eq!((sent.body["parallel_tool_calls"].clone(), sent.losses.len()), (json!(false), 0));
    let sent = Upstream::compatible().sent(json!({"tools": tools, "tool_choice": one}));
    assert_eq!(sent.losses, ["dropped tool_choice.disable_parallel_tool_use"]);
    let sent = Upstream::openai("o3").sent(json!({"tools": tools, "tool_choice": one}));
    assert!(sent.body.get("parallel_tool_calls").is_none());
}

#[test]
fn r39_a_search_that_nobody_runs_is_refused_or_told() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 8,
        "allowed_domains": ["a.example"], "blocked_domains": null});
    let plain = json!({"name": "A", "input_schema": {"type": "object", "properties": {}}});
    let refused = gpt().send(json!({"tools": [search]})).expect_err("nobody searches");
    assert!(refused.starts_with("400 tools: up has no web search"), "{refused}");
    let sent = gpt().sent(json!({"tools": [search, plain]}));
    assert_eq!(sent.losses, ["dropped tools.web_search"]);
    assert_eq!(sent.body["tools"].as_array().map(Vec::len), Some(1));
    let openrouter = Upstream::new("https://openrouter.ai/api/v1", "x/y");
    let sent = openrouter
        .sent(json!({"tools": [search], "tool_choice": {"type": "tool", "name": "web_search"}}));
    assert_eq!(
        sent.body["tools"],
        json!([{"type": "openrouter:web_search", "parameters": {"allowed_domains": ["a.example"]}}])
    );
    assert_eq!(sent.losses, ["dropped tools.web_search.max_uses", "hint tool_choice"]);
    let both = json!([search, {"type": "web_fetch_20250910", "name": "web_fetch"}]);
    assert!(gpt().send(json!({"tools": both})).is_err(), "nothing is left of what was asked for");
    let fetch = json!({"type": "code_execution_20250825", "name": "code_execution"});
    let refused = gpt().send(json!({"tools": [fetch]})).expect_err("nobody runs it");
    assert!(refused.contains("code_execution_20250825"), "{refused}");
}

#[test]
fn too_many_tools_are_refused_with_what_to_do() {
    let tools: Vec<_> = (0..129).map(|i| json!({"name": format!("t{i}"), "input_schema": {"type": "object", "properties": {}}})).collect();
    let refused = gpt().send(json!({"tools": tools})).expect_err("too many");
    assert!(refused.starts_with("400 tools: 129 tools") && refused.contains("128"), "{refused}");
    assert!(gpt().send(json!({"tools": tools[..128]})).is_ok());
}

#[test]
fn r22_the_output_limit_is_clamped_renamed_and_floored() {
    for (up, asked, field, sent, losses) in [
        (gpt(), 128_000, "max_completion_tokens", 32_768, vec!["clamped max_tokens"]),
        (gpt(), 1000, "max_completion_tokens", 1000, vec![]),
        (gpt(), 1, "max_completion_tokens", 1, vec![]),
        (Upstream::compatible(), 1, "max_tokens", 1, vec![]),
        // By default this one does not reason, but it can.
        (Upstream::openai("gpt-5.2"), 1, "max_completion_tokens", 16, vec!["hint max_tokens"]),
        (Upstream::openai("gpt-5"), 1, "max_completion_tokens", 256, vec!["hint max_tokens"]),
        (Upstream::compatible(), 128_000, "max_tokens", 128_000, vec![]),
    ] {
        let got = up.sent(json!({"max_tokens": asked}));
        assert_eq!(got.body[field], json!(sent), "{} {asked}", up.model);
        assert_eq!(got.losses, losses, "{} {asked}", up.model);
    }
    let mut overridden = Upstream::compatible();
    overridden.egress.overrides.max_output = Some(8192);
    assert_eq!(overridden.sent(json!({"max_tokens": 128_000})).body["max_tokens"], 8192);
}

#[test]
fn sampling_goes_up_where_it_is_taken() {
    let asked = json!({"temperature": 0.2, "top_p": 0.9, "top_k": 5});
    let sent = gpt().sent(asked.clone());
    assert_eq!((&sent.body["temperature"], &sent.body["top_p"]), (&json!(0.2), &json!(0.9)));
    assert_eq!(sent.losses, ["dropped top_k"]);
    let sent = Upstream::openai("gpt-5").sent(asked.clone());
    assert!(sent.body.get("temperature").is_none() && sent.body.get("top_p").is_none());
    assert_eq!(sent.losses, ["dropped temperature", "dropped top_p", "dropped top_k"]);
    let sent = Upstream::openai("gpt-5").sent(json!({"temperature": 1.0}));
    assert_eq!(sent.losses, ["hint temperature"]);
    assert_eq!(Upstream::new("https://openrouter.ai/api/v1", "x/y").sent(asked).body["top_k"], 5);
}

#[test]
fn r19_effort_is_said_in_the_servers_words() {
    let high = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}});
    let off = json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}});
    let sent = |up: Upstream, fields: &Value| up.sent(fields.clone()).body;
    let gpt5 = || Upstream::openai("gpt-5");
    assert_eq!(sent(gpt5(), &high)["reasoning_effort"], "high");
    assert_eq!(sent(gpt5(), &off)["reasoning_effort"], "minimal");
    assert!(sent(gpt(), &high).get("reasoning_effort").is_none());
    let deepseek = || Upstream::new("https://api.deepseek.com", "deepseek-v4");
    let body = sent(deepseek(), &high);
    assert_eq!((body.get("thinking"), &body["reasoning_effort"]), (None, &json!("high")));
    let body = sent(deepseek(), &json!({"thinking": {"type": "adaptive"}}));
    assert_eq!(body["thinking"], json!({"type": "enabled"}));
    let body = sent(deepseek(), &off);
    assert_eq!(
        (&body["thinking"], body.get("reasoning_effort")),
        (&json!({"type": "disabled"}), None)
    );
    let openrouter = || Upstream::new("https://openrouter.ai/api/v1", "x/y");
    assert_eq!(sent(openrouter(), &high)["reasoning"], json!({"effort": "high"}));
    assert_eq!(sent(openrouter(), &off)["reasoning"], json!({"effort": "none"}));
    let budget =
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000});
    assert_eq!(sent(openrouter(), &budget)["reasoning"], json!({"max_tokens": 2000}));
    assert_eq!(
        sent(openrouter(), &json!({"thinking": {"type": "adaptive"}}))["reasoning"],
        json!({"enabled": true})
    );
    assert!(sent(openrouter(), &json!({})).get("reasoning").is_none());
    // Newer models of OpenAI's take functions here only while they do not think.
    let tools = json!([{"name": "A", "input_schema": {"type": "object", "properties": {}}}]);
    let mut with_tools = high;
    with_tools["tools"] = tools;
    let got = Upstream::openai("gpt-5.5").sent(with_tools);
    assert_eq!(got.body["reasoning_effort"], "none");
    assert!(got.losses.contains(&"clamped thinking".to_owned()), "{:?}", got.losses);
}

#[test]
fn who_asks_is_told_as_a_digest() {
    let id = "{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"s-1\"}";
    let asked = json!({"metadata": {"user_id": id}});
    let body = gpt().sent(asked.clone()).body;
    for field in ["safety_identifier", "prompt_cache_key"] {
        let value = body[field].as_str().expect("a digest");
        assert!(
            value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()),
            "{field}: {value}"
        );
    }
    assert_ne!(body["safety_identifier"], body["prompt_cache_key"]);
    let sent = Upstream::compatible().sent(asked.clone());
    assert_eq!(sent.losses, ["hint metadata"]);
    assert!(sent.body.get("user").is_none() && sent.body.get("metadata").is_none());
    let body = Upstream::new("https://r.openai.azure.com/openai/v1", "gpt-4.1").sent(asked).body;
    assert!(body["user"].is_string() && body.get("safety_identifier").is_none());
}

#[test]
fn tiers_and_speed() {
    for (fields, tier) in [
        (json!({"service_tier": "auto"}), Value::Null),
        (json!({"service_tier": "standard_only"}), json!("default")),
        (json!({"speed": "fast"}), json!("priority")),
        (json!({"speed": "standard"}), Value::Null),
    ] {
        assert_eq!(gpt().sent(fields.clone()).body["service_tier"], tier, "{fields}");
    }
    assert_eq!(Upstream::compatible().sent(json!({"speed": "fast"})).losses, ["hint service_tier"]);
}

#[test]
fn formats_are_held_to_or_told() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let asked = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let sent = gpt().sent(asked.clone());
    assert_eq!(
        sent.body["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": true}})
    );
    assert_eq!(sent.losses, [""; 0]);
    let deepseek = Upstream::new("https://api.deepseek.com", "deepseek-v4").sent(asked);
    assert_eq!(deepseek.body["response_format"], json!({"type": "json_object"}));
    assert_eq!(deepseek.losses, ["replaced output_config.format"]);
    let told = deepseek.body["messages"][0]["content"].as_str().expect("a system prompt");
    assert!(told.contains("JSON") && told.contains(&schema.to_string()), "{told}");
}

#[test]
fn a_format_has_a_schema_that_is_taken() {
    let asked = |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let sent = gpt().sent(asked(json!({"type": "object"})));
    assert_eq!(
        sent.body["response_format"]["json_schema"]["schema"],
        json!({"type": "object", "properties": {}})
    );
    // Neither is held to the schema, and only OpenAI needs `strict` for that.
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let sent = gpt().sent(asked(open.clone()));
    assert_eq!(sent.body["response_format"]["json_schema"]["strict"], false);
    assert_eq!(sent.losses, ["replaced output_config.format"]);
    assert_eq!(Upstream::compatible().sent(asked(open)).losses, [""; 0]);
    // A root that is no object can't be held to; an empty object is not what was asked for.
    for schema in [
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"type": ["array", "null"]}),
        json!({}),
    ] {
        let sent = gpt().sent(asked(schema.clone()));
        assert!(sent.body.get("response_format").is_none(), "{schema}");
        assert_eq!(sent.losses, ["replaced output_config.format"], "{schema}");
        let told = sent.body["messages"][0]["content"].as_str().expect("a system prompt");
        assert!(told.contains(&schema.to_string()), "{told}");
    }
    let either = json!({"anyOf": [{"type": "object", "properties": {"a": {}}}]});
    assert!(gpt().sent(asked(either)).body["response_format"].is_object());
}

#[test]
fn a_stream_that_was_refused_is_not_asked_for() {
    let mut up = gpt();
    up.without = vec![Feature::Field("stream")];
    let sent = up.sent(json!({"stream": true, "stop_sequences": ["a"]}));
    assert!(!sent.stream, "{}", sent.text);
    assert!(sent.body.get("stream").is_none() && sent.body.get("stream_options").is_none());
}

#[test]
fn r39_auto_searches_the_web_where_it_can() {
    let body = |tools: Value| request(json!({"tools": tools}));
    let search = body(json!([{"type": "web_search_20250305", "name": "web_search"}]));
    let plain = body(json!([{"name": "A", "input_schema": {"type": "object", "properties": {}}}]));
    let path = |model: &str, web_search: WebSearch, body: &str| {
        let mut up = Upstream::openai(model).quirk(|q| q.web_search = web_search);
        up.egress.api = Api::Auto;
        let request = gateway_anthropic::decode(body.as_bytes()).expect("a request");
        let encoded = up.egress.encode(&request, &up.cx());
        encoded.map(|e| e.path).map_err(|e| e.message().to_owned())
    };
    assert_eq!(path("gpt-4.1", WebSearch::Responses, &search).as_deref(), Ok("/responses"));
    assert_eq!(path("gpt-4.1", WebSearch::Responses, &plain).as_deref(), Ok("/chat/completions"));
    assert!(path("gpt-4.1", WebSearch::None, &search).is_err());
    let nano = path("gpt-4.1-nano", WebSearch::Responses, &search);
    assert!(nano.is_err_and(|e| e.contains("web search")), "the catalogue says it has none");
}

#[test]
fn streams_ask_for_usage_and_stop_sequences_make_a_stream() {
    let sent = gpt().sent(json!({"stream": true}));
    assert_eq!((sent.stream, &sent.body["stream"]), (true, &json!(true)));
    assert_eq!(sent.body["stream_options"], json!({"include_usage": true}));
    let sent = gpt().sent(json!({"stream": false}));
    assert!(
        !sent.stream
            && sent.body.get("stream").is_none()
            && sent.body.get("stream_options").is_none()
    );
    let sent = gpt().sent(json!({"stream": false, "stop_sequences": ["a", "b"]}));
    assert!(sent.stream && sent.body["stream"] == true && sent.body.get("stop").is_none());
    assert_eq!(sent.losses, ["emulated stop_sequences"]);
    assert!(sent.estimate > 0);
}

#[test]
fn r20_r30_what_has_no_place_does_not_go_up() {
    let sent = gpt().sent(json!({"context_management": {"edits": []}, "betas": ["x"], "diagnostics": {"a": 1},
        "cache_control": {"type": "ephemeral"}, "container": "c", "mcp_servers": [], "inference_geo": "us",
        "messages": [{"role": "user", "output_config": {"effort": "low"}, "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]}));
    let keys: Vec<_> =
        sent.body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["max_completion_tokens", "messages", "model", "stream", "stream_options"]);
    assert_eq!(sent.body["messages"], user(json!("x")));
    let dropped: Vec<_> = sent.losses.iter().filter(|l| l.starts_with("dropped")).collect();
    assert_eq!(dropped, ["dropped container"]);
    assert_eq!(sent.losses.len(), 7, "{:?}", sent.losses);
}

#[test]
fn r35_the_same_request_is_the_same_bytes() {
    let fields = json!({"system": "s", "tools": [{"name": "x y", "input_schema": {}}], "metadata": {"user_id": "u"}});
    let one = gpt().sent(fields.clone()).text;
    let mut other = gpt();
    other.reply_id = "msg_other".to_owned();
    assert_eq!(one, other.sent(fields.clone()).text);
    // What is added to the end changes nothing before it.
    let first = gpt().sent(json!({"messages": called(json!([result(json!("r"))]))})).text;
    let mut longer = called(json!([result(json!("r"))]));
    longer.as_array_mut().expect("a list").push(json!({"role": "assistant", "content": "z"}));
    longer.as_array_mut().expect("a list").push(json!({"role": "user", "content": "y"}));
    let second = gpt().sent(json!({"messages": longer})).text;
    let shared =
        first.find("]},\"max").or_else(|| first.find("],\"max")).expect("the messages' end");
    assert_eq!(first[..shared], second[..shared]);
}

#[test]
fn a_request_without_a_message_is_refused() {
    let refused = gpt().send_text(&request(json!({"messages": []}))).expect_err("nothing to say");
    assert!(refused.starts_with("400 messages"), "{refused}");
}

#[test]
fn r15_what_cant_be_shown_in_an_earlier_turn_is_told_of() {
    let up = Upstream::new("http://localhost:11434/v1", "llama3");
    let url = json!({"type": "image", "source": {"type": "url", "url": "https://a"}});
    let file = json!({"type": "document", "source": {"type": "file", "file_id": "f"}});
    let upload = json!({"type": "container_upload", "file_id": "f"});
    let sent = up.sent(json!({"messages": [
        {"role": "user", "content": [url, file, upload]},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "go on"}]}));
    let told = sent.body["messages"][0]["content"].to_string();
    for word in ["[image omitted: ", "[document omitted: ", "[file omitted: "] {
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(
        sent.losses,
        [
            "dropped messages[0].content[0]",
            "dropped messages[0].content[1]",
            "dropped messages[0].content[2]"
        ]
    );
    // What the model is to go on from is not behind what the user just said.
    let open = json!([{"role": "user", "content": [url]}, {"role": "assistant", "content": "so"}]);
    assert!(up.send(json!({"messages": open})).is_err());
}
