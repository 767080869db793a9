//! Requests: each way in which callers say what Ollama has another word for, or none.

use gateway_models::Catalogue;
use gateway_types::{Endpoint, Feature};
use serde_json::{Value, json};

use crate::support::{Upstream, about};

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}})
}

fn image(data: &str) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
}

#[test]
fn a_whole_request() {
    let sent = Upstream::new().sent(json!({
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"},
            {"type": "text", "text": "You \"are\"", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "é"}],
        "temperature": 0.5, "top_k": 4, "top_p": 0.9, "tools": [tool("A")], "metadata": {"user_id": "u"},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, image("iVBORw0KGgo="), {"type": "text", "text": "b"}]}]}));
    assert_eq!(
        sent.body,
        json!({
        "model": "local-coder:30b",
        "messages": [{"role": "system", "content": "You \"are\"\n\né"},
            {"role": "user", "content": "a\n\nb", "images": ["iVBORw0KGgo="]}],
        "tools": [{"type": "function", "function": {"name": "A", "description": "d", "parameters":
            {"type": "object", "properties": {"a": {"type": "string"}}}}}],
        "stream": true, "truncate": false, "shift": false,
        "options": {"num_ctx": 65536, "num_predict": 1000, "temperature": 0.5, "top_k": 4, "top_p": 0.9}})
    );
    assert_eq!(sent.losses, ["hint system[0]", "hint cache_control", "hint metadata"]);
    assert!(sent.stream && sent.estimate > 0);
    let whole = Upstream::new().sent(json!({"stream": false}));
    assert!(!whole.stream && whole.body["stream"] == false);
}

#[test]
fn r41_the_window_stays_the_same_and_a_prompt_beyond_it_is_refused() {
    let window = |up: &Upstream, fields: Value| up.sent(fields).body["options"]["num_ctx"].clone();
    let long =
        |words: usize| json!({"messages": [{"role": "user", "content": "word ".repeat(words)}]});
    let up = Upstream::new();
    assert_eq!(window(&up, json!({})), window(&up, long(30_000)));
    let refused = up.send(long(90_000)).expect_err("it does not fit");
    assert!(refused.starts_with("400 prompt is too long: "), "{refused}");
    assert!(
        refused
            .contains(" > 64536 maximum (the window of `local-coder:30b` at local is 65536 tokens"),
        "{refused}"
    );
    // More is needed for no answer of any length.
    let refused = up.send(json!({"max_tokens": 32_000, "messages": long(72_500)["messages"]}));
    assert!(refused.expect_err("it does not fit").contains("61440 maximum"));
    // Counting is no asking.
    let counting = Upstream { endpoint: Endpoint::CountTokens, ..up.clone() };
    assert!(counting.sent(long(90_000)).estimate > 65_536);
    // Said by a person, by the Modelfile, by the model's own length.
    let mut own = up.clone();
    own.egress.num_ctx = Some(131_072);
    assert_eq!(window(&own, long(90_000)), 131_072);
    assert_eq!(window(&Upstream::about(about(40_960, &[])), json!({})), 40_960);
    let mut modelfile = about(262_144, &["tools"]);
    modelfile["parameters"] = json!("stop    \"x\"\nnum_ctx    98304");
    assert_eq!(window(&Upstream::about(modelfile), json!({})), 98_304);
    assert_eq!(window(&Upstream::unknown(), json!({})), 65_536);
    let mut said = Upstream::unknown().named("ours");
    said.egress.catalogue = Catalogue::builtin()
        .overlaid(r#"{"id": "ours", "context_window": 20000}"#)
        .expect("a catalogue");
    assert_eq!(window(&said, json!({})), 20_000);
    // The cloud sees to it itself.
    let mut cloud = about(131_072, &["tools"]);
    cloud["remote_host"] = json!("https://ollama.com:443");
    assert_eq!(window(&Upstream::about(cloud), json!({})), Value::Null);
}

#[test]
fn r22_an_answer_has_the_room_that_is_left() {
    let mut up = Upstream::new();
    up.egress.num_ctx = Some(10_000);
    let sent = up.sent(json!({"max_tokens": 32_000}));
    let room = 10_000 - sent.estimate;
    assert_eq!(sent.body["options"], json!({"num_ctx": 10_000, "num_predict": room}));
    assert_eq!(sent.losses, ["clamped max_tokens"]);
    up.egress.catalogue = Catalogue::builtin()
        .overlaid(r#"{"id": "local-coder:30b", "max_output": 50}"#)
        .expect("a catalogue");
    assert_eq!(up.sent(json!({})).body["options"]["num_predict"], 50);
}

#[test]
fn r12_calls_and_results_stand_in_order_with_their_names_and_objects() {
    let messages = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "so"},
            {"type": "tool_use", "id": "toolu_1", "name": "A", "input": {"a": [null], "z": 1}},
            {"type": "tool_use", "id": "toolu_gw1_0123456789_ZnVuY3Rpb25zLkE6MA", "name": "mcp.B", "input": {}},
            {"type": "tool_use", "id": "toolu_3", "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "text", "text": "note"},
            {"type": "tool_result", "tool_use_id": "toolu_gw1_0123456789_ZnVuY3Rpb25zLkE6MA", "content": [], "is_error": true},
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]}]}]);
    let sent = Upstream::new().sent(json!({"messages": messages}));
    let name = sent.body["messages"][1]["tool_calls"][1]["function"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert!(name.starts_with("mcp_B_"), "{name}");
    assert_eq!(
        sent.body["messages"],
        json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "so", "tool_calls": [
            {"id": "toolu_1", "function": {"name": "A", "arguments": {"a": [null], "z": 1}}},
            {"id": "functions.A:0", "function": {"name": name, "arguments": {}}},
            {"id": "toolu_3", "function": {"name": "A", "arguments": {}}}]},
        {"role": "tool", "tool_name": "A", "tool_call_id": "toolu_1", "content": "x\ny"},
        {"role": "tool", "tool_name": name, "tool_call_id": "functions.A:0", "content": "Error: (no output)"},
        {"role": "tool", "tool_name": "A", "tool_call_id": "toolu_3", "content": "[no result: interrupted]"},
        {"role": "user", "content": "note"}])
    );
    assert!(sent.text.contains(r#""arguments":{"a":[null],"z":1}"#), "as it was written");
    assert_eq!(sent.losses, ["replaced messages[1]"]);
}

#[test]
fn r27_images_of_results_follow_them() {
    let result = |content: Value| {
        json!([
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": content}, {"type": "text", "text": "see"}]}])
    };
    let shown = json!([{"type": "text", "text": "a"}, image("QUFB")]);
    assert_eq!(
        Upstream::new().messages(result(shown.clone())).as_array().expect("a list")[1..],
        [
            json!({"role": "tool", "tool_name": "A", "tool_call_id": "t", "content": "a\n[image 1 of result t is attached below]"}),
            json!({"role": "user", "content": "[image 1 of result t]\n\nsee", "images": ["QUFB"]})
        ]
    );
    let blind = Upstream::about(about(262_144, &["tools"]));
    let sent = blind.sent(json!({"messages": result(shown)}));
    assert!(
        !sent.text.contains("QUFB")
            && sent.text.contains("[image omitted: this model sees no images]")
    );
    assert_eq!(sent.losses, ["dropped messages[1].content[0].content[1]"]);
    let url = json!([{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}]}]);
    let refused = Upstream::new().send(json!({"messages": url})).expect_err("it can't be shown");
    assert!(
        refused.contains("messages[0].content[0]: this provider takes no image URLs"),
        "{refused}"
    );
}

#[test]
fn r28_documents_are_told_or_refused() {
    let pdf = json!([{"role": "user", "content": [
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "document", "title": "P", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}]}]);
    let mut up = Upstream::new();
    let sent = up.sent(json!({"messages": pdf}));
    assert_eq!(
        sent.body["messages"][0]["content"],
        "Document: T\n\nwords\n\n[document P omitted: this model reads no such files]"
    );
    assert_eq!(sent.losses, ["dropped messages[0].content[1]"]);
    up.egress.refuse_documents = true;
    assert!(
        up.send(json!({"messages": pdf})).expect_err("refused").contains("can't read the document")
    );
}

#[test]
fn r24_a_system_message_later_is_a_reminder_and_a_last_word_of_the_models_is_gone_on_with() {
    let messages = json!([{"role": "user", "content": "a"}, {"role": "system", "content": "now"}, {"role": "assistant", "content": "So"}]);
    let sent = Upstream::new().sent(json!({"messages": messages}));
    assert_eq!(
        sent.body["messages"],
        json!([
        {"role": "user", "content": "a\n\n<system-reminder>\nnow\n</system-reminder>"},
        {"role": "assistant", "content": "So"},
        {"role": "user", "content": "Continue exactly where your last message ends. Do not repeat any of it."}])
    );
    assert_eq!(sent.losses, ["hint messages[1].content[0]", "replaced messages[2]"]);
}

#[test]
fn choices_of_tools_are_told_in_words() {
    let choose = |choice: Value| {
        let sent =
            Upstream::new().sent(json!({"tools": [tool("A"), tool("b.c")], "tool_choice": choice}));
        // Behind what the user says: the head of the prompt stays the same (R34, R35).
        let said = sent.body["messages"][0]["content"].as_str().expect("a text");
        let told = said.split_once("\n\n").map_or(String::new(), |(_, told)| told.to_owned());
        (sent.body["tools"].as_array().map_or(0, Vec::len), told, sent.losses.join(", "))
    };
    let row = |tools, told: &str, losses: &str| (tools, told.to_owned(), losses.to_owned());
    assert_eq!(choose(json!({"type": "auto"})), row(2, "", ""));
    assert_eq!(choose(json!({"type": "none"})), row(0, "", "replaced tool_choice"));
    assert_eq!(
        choose(json!({"type": "any"})),
        row(2, "Answer with a call of one of your tools.", "replaced tool_choice")
    );
    let (tools, told, _) = choose(json!({"type": "tool", "name": "b.c"}));
    assert!(tools == 2 && told.starts_with("Answer with a call of the tool `b_c_"), "{told}");
    assert_eq!(
        choose(json!({"type": "auto", "disable_parallel_tool_use": true})).2,
        "dropped tool_choice.disable_parallel_tool_use"
    );
    let unknown = Upstream::new()
        .send(json!({"tools": [tool("A")], "tool_choice": {"type": "tool", "name": "B"}}));
    assert!(unknown.expect_err("refused").contains("`B` is not among `tools`"));
}

#[test]
fn a_model_without_tools_gets_none() {
    let plain = Upstream::about(about(262_144, &["completion"]));
    let sent = plain.sent(json!({"tools": [tool("A")]}));
    assert_eq!((sent.body.get("tools"), &*sent.losses), (None, &["dropped tools".to_owned()][..]));
    let forced = plain.send(json!({"tools": [tool("A")], "tool_choice": {"type": "any"}}));
    assert!(forced.expect_err("refused").contains("`local-coder:30b` calls no tools"));
    // An old server does not say; one that refused has said it.
    let mut old = Upstream::unknown();
    assert!(old.sent(json!({"tools": [tool("A")]})).body.get("tools").is_some());
    old.without = vec![Feature::Field("tools")];
    assert_eq!(old.sent(json!({"tools": [tool("A")]})).losses, ["dropped tools"]);
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    let alone = Upstream::new().send(json!({"tools": [search]})).expect_err("refused");
    assert!(alone.contains("local has no web search of its own"), "{alone}");
    let beside = Upstream::new().sent(json!({"tools": [search, tool("A")]}));
    assert_eq!(beside.losses, ["dropped tools.web_search"]);
}

#[test]
fn r19_thinking_is_said_as_the_model_takes_it() {
    let with_values = |values: Value| {
        let mut about = about(262_144, &["thinking"]);
        about["thinking"] = json!({"values": values, "default": true});
        Upstream::about(about)
    };
    let switch = || Upstream::about(about(262_144, &["thinking"]));
    let never = || Upstream::about(about(262_144, &["tools"]));
    let oss = || {
        let mut about = about(131_072, &["thinking"]);
        about["details"] = json!({"family": "gptoss"});
        Upstream::about(about).named("ours")
    };
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}, "max_tokens": 40_000});
    let adaptive = || json!({"thinking": {"type": "adaptive"}});
    let off = || json!({"thinking": {"type": "disabled"}});
    let effort =
        |word: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}});
    for (up, asked, think, losses) in [
        (switch(), json!({}), Value::Null, ""),
        (switch(), adaptive(), json!(true), ""),
        (switch(), off(), json!(false), ""),
        (switch(), budget(5000), json!(true), ""),
        (switch(), effort("high"), json!(true), "dropped output_config.effort"),
        (oss(), json!({}), Value::Null, ""),
        (oss(), adaptive(), Value::Null, ""),
        (oss(), effort("max"), json!("high"), "clamped output_config.effort"),
        (oss(), effort("low"), json!("low"), ""),
        (oss(), effort("odd"), Value::Null, "dropped output_config.effort"),
        (oss(), budget(5000), json!("medium"), "replaced thinking.budget_tokens"),
        (oss(), off(), json!("low"), "clamped thinking"),
        (Upstream::unknown().named("gpt-oss:20b"), effort("high"), json!("high"), ""),
        (with_values(json!([true])), off(), Value::Null, "clamped thinking"),
        (with_values(json!([false, "low", "high", "max"])), off(), json!(false), ""),
        (
            with_values(json!([false, "low", "high", "max"])),
            effort("xhigh"),
            json!("high"),
            "clamped output_config.effort",
        ),
        (never(), adaptive(), Value::Null, "hint thinking"),
        (never(), off(), Value::Null, ""),
        (Upstream::unknown(), adaptive(), Value::Null, "hint thinking"),
        (
            Upstream { without: vec![Feature::Field("think")], ..switch() },
            adaptive(),
            Value::Null,
            "hint thinking",
        ),
        (Upstream { without: vec![Feature::Value("think")], ..switch() }, off(), Value::Null, ""),
    ] {
        let sent = up.sent(asked.clone());
        let got = sent.body.get("think").cloned().unwrap_or_default();
        assert_eq!((got, &*sent.losses.join(", ")), (think, losses), "{asked} {:?}", up.about);
    }
}

#[test]
fn schemas_formats_stops_and_fields_of_ones_own() {
    let schema = json!({"type": "object", "properties": {"a": true}});
    let mut up = Upstream::new();
    up.egress.extra_fields =
        vec![("keep_alive".to_owned(), "\"1h\"".to_owned()), ("stream".to_owned(), "7".to_owned())];
    let sent = up.sent(json!({
        "stream": false, "stop_sequences": ["END"], "service_tier": "standard_only",
        "tools": [{"name": "A", "input_schema": schema, "strict": true}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "array"}}}}));
    assert_eq!(sent.body["tools"][0]["function"]["parameters"]["properties"]["a"], json!({}));
    assert_eq!(
        (&sent.body["format"], &sent.body["keep_alive"]),
        (&json!({"type": "array"}), &json!("1h"))
    );
    assert!(sent.stream && sent.body["options"].get("stop").is_none());
    assert_eq!(
        sent.losses,
        [
            "emulated stop_sequences",
            "dropped tools.A.strict",
            "hint tools.A.input_schema",
            "hint service_tier"
        ]
    );
}

#[test]
fn r25_deferred_tools_are_hidden_until_they_are_found() {
    let mut deferred = tool("B");
    deferred["defer_loading"] = json!(true);
    let tools = json!([tool("A"), deferred]);
    let count = |messages: Value| {
        let sent = Upstream::new().sent(json!({"tools": tools, "messages": messages}));
        (
            sent.body["tools"].as_array().map_or(0, Vec::len),
            sent.text.contains("The tool `B` is available now."),
        )
    };
    assert_eq!(count(json!([{"role": "user", "content": "a"}])), (1, false));
    let found = json!([
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "B"}]}]}]);
    assert_eq!(count(found), (2, true));
}

#[test]
fn r35_what_was_sent_before_is_sent_again_byte_for_byte() {
    let turns = [
        json!({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}),
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "A", "input": {"b": 1}}]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}),
        json!({"role": "assistant", "content": "So."}),
        json!({"role": "user", "content": "more"}),
    ];
    let up = Upstream::new();
    let mut before = String::new();
    for count in [1, 3, 5] {
        let sent =
            up.sent(json!({"system": "s", "tools": [tool("A")], "messages": turns[..count]}));
        let (open, _) = sent.text.split_once("],\"tools\"").expect("messages, then tools");
        assert!(open.starts_with(&before), "{before}\n{open}");
        open.clone_into(&mut before);
    }
}

#[test]
fn r15_what_cant_be_shown_in_an_earlier_turn_is_told_of() {
    let url = json!({"type": "image", "source": {"type": "url", "url": "https://a"}});
    let mut said = vec![json!({"role": "user", "content": [url]})];
    assert!(Upstream::new().send(json!({"messages": said})).is_err());
    said.push(json!({"role": "assistant", "content": "ok"}));
    said.push(json!({"role": "user", "content": "go on"}));
    let sent = Upstream::new().sent(json!({"messages": said}));
    let told = sent.body["messages"][0]["content"].as_str().expect("a text");
    assert!(told.starts_with("[image omitted: "), "{told}");
    assert_eq!(sent.losses, ["dropped messages[0].content[0]"]);
}
