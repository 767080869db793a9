//! Each quirk, flipped: something of the request or the reply is another.

use gateway_models::Effort;
use gateway_openai::{
    CacheMarks, Images, MaxTokensField, Quirks, ReasoningIn, ReasoningOut, Replay, ToolChoiceLevel,
    UserField, WebSearch,
};
use gateway_testkit::openai::Rules;
use serde_json::{Value, json};

use crate::support::{Upstream, delta, done, finish, read_every_way};

/// A request in which every quirk has a say.
fn everything() -> Value {
    json!({
        "stream": true, "max_tokens": 5000, "temperature": 0.5, "top_k": 4,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": "u"}, "service_tier": "standard_only", "stop_sequences": ["a", "b"],
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "max", "format":
            {"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": false}}},
        "tools": [
            {"name": "a_tool_with_a_rather_long_name", "input_schema": {"type": "object", "properties": {}, "additionalProperties": false}, "strict": true},
            {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "tool", "name": "a_tool_with_a_rather_long_name", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_gw1_0123456789_ZnVuY3Rpb25zLkE6MA", "name": "A", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_gw1_0123456789_ZnVuY3Rpb25zLkE6MA", "content": []}]},
            {"role": "system", "content": "later"},
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
            {"role": "assistant", "content": "so far"}]})
}

/// The body and losses with and without the change, on a model that thinks as it is told.
fn flipped(change: impl FnOnce(&mut Quirks)) -> [(Value, String); 2] {
    let before = Upstream::with(Quirks::default(), "gpt-5.2");
    let after = before.clone().quirk(change);
    [before, after].map(|up| {
        let sent = up.sent(everything());
        (sent.body, sent.losses.join(", "))
    })
}

/// What is looked at in a body.
type Look = Box<dyn Fn(&Value) -> Value>;
type Change = Box<dyn FnOnce(&mut Quirks)>;

#[test]
fn every_quirk_changes_what_it_says() {
    let field =
        |name: &'static str| move |body: &Value| body.get(name).cloned().unwrap_or_default();
    let text = |body: &Value| json!(body.to_string());
    let cases: Vec<(&str, Change, Look, Value)> = vec![
        (
            "max_tokens_field",
            Box::new(|q| q.max_tokens_field = MaxTokensField::MaxTokens),
            Box::new(field("max_tokens")),
            json!(5000),
        ),
        (
            "stream_options",
            Box::new(|q| q.stream_options = false),
            Box::new(field("stream_options")),
            Value::Null,
        ),
        (
            "developer_role",
            Box::new(|q| q.developer_role = false),
            Box::new(|b| b["messages"][0]["role"].clone()),
            json!("system"),
        ),
        (
            "system_anywhere",
            Box::new(|q| q.system_anywhere = false),
            Box::new(|b| b["messages"][4]["content"][0]["text"].clone()),
            json!("<system-reminder>\nlater\n</system-reminder>"),
        ),
        (
            "tool_choice: no_named",
            Box::new(|q| q.tool_choice = ToolChoiceLevel::NoNamed),
            Box::new(field("tool_choice")),
            json!("required"),
        ),
        (
            "tool_choice: auto_only",
            Box::new(|q| q.tool_choice = ToolChoiceLevel::AutoOnly),
            Box::new(field("tool_choice")),
            Value::Null,
        ),
        (
            "tool_choice: none",
            Box::new(|q| q.tool_choice = ToolChoiceLevel::None),
            Box::new(field("tool_choice")),
            Value::Null,
        ),
        (
            "parallel_tool_calls",
            Box::new(|q| q.parallel_tool_calls = false),
            Box::new(field("parallel_tool_calls")),
            Value::Null,
        ),
        (
            "images",
            Box::new(|q| q.images = Images::None),
            Box::new(|b| b["messages"][1]["content"][0]["type"].clone()),
            json!("text"),
        ),
        (
            "vision",
            Box::new(|q| q.vision = Some(false)),
            Box::new(|b| b["messages"][1]["content"][0]["type"].clone()),
            json!("text"),
        ),
        (
            "pdf",
            Box::new(|q| q.pdf = false),
            Box::new(|b| b["messages"][1]["content"][1]["type"].clone()),
            json!("text"),
        ),
        (
            "json_schema",
            Box::new(|q| q.json_schema = false),
            Box::new(|b| b["response_format"]["type"].clone()),
            json!("json_object"),
        ),
        (
            "json_object",
            Box::new(|q| (q.json_schema, q.json_object) = (false, false)),
            Box::new(field("response_format")),
            Value::Null,
        ),
        (
            "strict_schemas",
            Box::new(|q| q.strict_schemas = false),
            Box::new(|b| b["tools"][0]["function"]["strict"].clone()),
            Value::Null,
        ),
        ("stop_max", Box::new(|q| q.stop_max = 1), Box::new(field("stop")), Value::Null),
        (
            "tool_name_max",
            Box::new(|q| q.tool_name_max = 20),
            Box::new(|b| json!(b["tools"][0]["function"]["name"].as_str().map(str::len))),
            json!(20),
        ),
        (
            "call_id_max",
            Box::new(|q| q.call_id_max = 30),
            Box::new(|b| {
                json!(b["messages"][2]["tool_calls"][0]["id"].as_str().map(|id| &id[..5]))
            }),
            json!("call_"),
        ),
        (
            "native_call_ids",
            Box::new(|q| q.native_call_ids = true),
            Box::new(|b| b["messages"][2]["tool_calls"][0]["id"].clone()),
            json!("functions.A:0"),
        ),
        (
            "reasoning_in: reasoning",
            Box::new(|q| q.reasoning_in = ReasoningIn::Reasoning),
            Box::new(field("reasoning")),
            json!({"effort": "xhigh"}),
        ),
        (
            "reasoning_in: none",
            Box::new(|q| q.reasoning_in = ReasoningIn::None),
            Box::new(field("reasoning_effort")),
            Value::Null,
        ),
        (
            "user_field: user",
            Box::new(|q| q.user_field = UserField::User),
            Box::new(|b| json!(b["user"].is_string())),
            json!(true),
        ),
        (
            "user_field: none",
            Box::new(|q| q.user_field = UserField::None),
            Box::new(field("safety_identifier")),
            Value::Null,
        ),
        (
            "temperature",
            Box::new(|q| q.temperature = Some(true)),
            Box::new(field("temperature")),
            json!(0.5),
        ),
        ("top_k", Box::new(|q| q.top_k = true), Box::new(field("top_k")), json!(4)),
        (
            "prompt_cache_key",
            Box::new(|q| q.prompt_cache_key = false),
            Box::new(field("prompt_cache_key")),
            Value::Null,
        ),
        (
            "service_tier",
            Box::new(|q| q.service_tier = false),
            Box::new(field("service_tier")),
            Value::Null,
        ),
        (
            "empty_tool_output",
            Box::new(|q| q.empty_tool_output = "(nothing)".to_owned()),
            Box::new(|b| b["messages"][3]["content"].clone()),
            json!("(nothing)"),
        ),
        (
            "drop_fields",
            Box::new(|q| q.drop_fields = vec!["reasoning_effort".to_owned()]),
            Box::new(field("reasoning_effort")),
            Value::Null,
        ),
        (
            "extra_fields",
            Box::new(|q| q.extra_fields = vec![("keep_alive".to_owned(), "[1]".to_owned())]),
            Box::new(field("keep_alive")),
            json!([1]),
        ),
        (
            "prefill",
            Box::new(|q| q.prefill = true),
            Box::new(|b| {
                b["messages"]
                    .as_array()
                    .and_then(|m| m.last())
                    .map_or(Value::Null, |m| m["role"].clone())
            }),
            json!("assistant"),
        ),
        (
            "text_parts",
            Box::new(|q| q.text_parts = false),
            Box::new(|b| b["messages"][5]["content"].clone()),
            json!("x\n\ny"),
        ),
        (
            "plain_call_ids",
            Box::new(|q| (q.plain_call_ids, q.call_id_max) = (true, 9)),
            Box::new(|b| b["messages"][3]["tool_call_id"].clone()),
            json!("63a75f717"),
        ),
        (
            "user_after_tool",
            Box::new(|q| (q.user_after_tool, q.system_anywhere) = (false, false)),
            Box::new(|b| b["messages"][4].clone()),
            json!({"role": "assistant", "content": "Noted."}),
        ),
        (
            "session_id",
            Box::new(|q| q.session_id = true),
            Box::new(|b| json!(b["session_id"] == b["prompt_cache_key"])),
            json!(true),
        ),
        (
            "cache_marks",
            Box::new(|q| q.cache_marks = CacheMarks::Always),
            Box::new(|b| b["messages"][0]["content"][0]["cache_control"].clone()),
            json!({"type": "ephemeral"}),
        ),
        (
            "web_search",
            Box::new(|q| q.web_search = WebSearch::OpenRouter),
            Box::new(|b| b["tools"][1]["type"].clone()),
            json!("openrouter:web_search"),
        ),
        (
            "reasoning_required",
            Box::new(|q| (q.reasoning_required, q.replay_reasoning) = (true, Replay::ToolTurns)),
            Box::new(|b| b["messages"][2]["reasoning_content"].clone()),
            json!(" "),
        ),
    ];
    for (name, change, look, wanted) in cases {
        let [(before, lost_before), (after, lost_after)] = flipped(change);
        assert_eq!(look(&after), wanted, "{name}: {after}");
        let known_not_to_stop = name == "stop_max";
        if !known_not_to_stop {
            assert_ne!(
                (look(&before), text(&before)),
                (wanted, text(&after)),
                "{name}: {lost_before} / {lost_after}"
            );
        }
    }
}

#[test]
fn an_extra_field_takes_the_place_of_ours() {
    let extra = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let up = Upstream::openai("gpt-4.1").quirk(|q| {
        q.extra_fields =
            vec![extra("temperature", "0.5"), extra("model", "\"x\""), extra("top_p", "1")];
        q.drop_fields = vec!["top_p".to_owned()];
    });
    let sent = up.sent(json!({"temperature": 1}));
    assert_eq!(sent.body["temperature"], 0.5);
    assert_eq!(sent.body["model"], "gpt-4.1");
    assert!(sent.body.get("top_p").is_none());
    for name in ["temperature", "model"] {
        assert_eq!(sent.text.matches(&format!("\"{name}\":")).count(), 1, "{}", sent.text);
    }
}

#[test]
fn stop_sequences_go_up_to_models_that_take_them() {
    let up = Upstream::openai("gpt-4.1").quirk(|q| q.stop_max = 1);
    let sent = up.sent(json!({"stop_sequences": ["a", "b"]}));
    assert_eq!(sent.body["stop"], json!(["a"]));
    let never = Upstream::openai("gpt-5").quirk(|q| q.stop_max = 4);
    assert!(never.sent(json!({"stop_sequences": ["a"]})).body.get("stop").is_none());
}

#[test]
fn efforts_and_tools_are_limited_where_the_catalogue_knows_nothing() {
    let fields = json!({"output_config": {"effort": "max"}});
    let plain = Upstream::compatible();
    assert!(plain.sent(fields.clone()).body.get("reasoning_effort").is_none());
    let stated = Upstream { rules: None, ..Upstream::compatible() }
        .quirk(|q| q.efforts = Some(vec![Effort::Low, Effort::High]));
    assert_eq!(stated.sent(fields).body["reasoning_effort"], "high");
    let tools: Vec<_> = (0..3).map(|i| json!({"name": format!("t{i}"), "input_schema": {"type": "object", "properties": {}}})).collect();
    let few = Upstream::compatible().quirk(|q| q.tools_max = 2);
    assert!(few.send(json!({"tools": tools})).is_err());
}

#[test]
fn r20_a_temperature_of_nothing_is_left_out_where_it_is_refused() {
    let up = Upstream::new("https://api.minimax.io/v1", "minimax-m3");
    for zero in [json!(0), json!(0.0)] {
        let sent = up.sent(json!({"temperature": zero}));
        assert!(sent.body.get("temperature").is_none());
        assert_eq!(sent.losses, ["clamped temperature"]);
    }
    let sent = up.sent(json!({"temperature": 0.1, "top_p": 0.5}));
    assert_eq!((&sent.body["temperature"], &sent.body["top_p"]), (&json!(0.1), &json!(0.5)));
    assert!(sent.losses.is_empty());
}

#[test]
fn images_by_address_are_refused_where_only_their_bytes_are_taken() {
    let fields = json!({"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "url", "url": "https://a"}}]}]});
    assert!(Upstream::openai("gpt-4.1").send(fields.clone()).is_ok());
    let up = Upstream::openai("gpt-4.1").quirk(|q| q.images = Images::Base64);
    assert!(up.send(fields).is_err_and(|e| e.contains("messages[0].content[0]")));
}

#[test]
fn replies_are_read_as_the_quirks_say() {
    let asked = json!({"thinking": {"type": "adaptive"}});
    let stream = done(&[delta(json!({"content": "<think>a</think>b"})), finish("stop")]);
    for (out, thinks) in [
        (ReasoningOut::Auto, true),
        (ReasoningOut::ThinkTags, true),
        (ReasoningOut::Reasoning, false),
        (ReasoningOut::ReasoningContent, false),
        (ReasoningOut::ReasoningDetails, false),
    ] {
        let up = Upstream::compatible().quirk(|q| q.reasoning_out = out);
        let got = read_every_way(&up, &asked, &stream, gateway_translate::BodyEnd::Clean).short();
        assert_eq!(got.contains("[thinking thought: a"), thinks, "{out:?}: {got}");
    }
}

/// A conversation with most of what can stand in one.
fn conversation() -> Value {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "A", "input": {"q": 1}});
    let result = |id: &str| {
        json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "r"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]})
    };
    json!({
        "system": "s", "temperature": 0.5, "top_p": 0.9, "metadata": {"user_id": "u"}, "service_tier": "standard_only",
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"},
        "tools": [{"name": "A", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "x"}, call("toolu_01ABC"), call("toolu_01ABD")]},
            {"role": "user", "content": [result("toolu_01ABC"), result("toolu_01ABD"), {"type": "text", "text": "now"}]},
            {"role": "system", "content": "later"},
            {"role": "assistant", "content": [call("a1B2c3D4e")]},
            {"role": "user", "content": [result("a1B2c3D4e")]},
            {"role": "assistant", "content": "So far"}]})
}

#[test]
fn what_each_server_refuses_does_not_go_up() {
    for (preset, rules) in [
        ("mistral", "mistral"),
        ("lm_studio", "lm_studio"),
        ("groq", "groq"),
        ("deepseek", "deepseek"),
        ("kimi", "kimi"),
        ("openrouter", "openrouter"),
        ("vllm", "vllm_strict_template"),
        ("llama_cpp", "vllm_strict_template"),
    ] {
        let quirks = Quirks::named(preset).expect("a preset");
        let up =
            Upstream { rules: Some(Rules::compatible(rules)), ..Upstream::with(quirks, "a-model") };
        // `sent` fails where the rules refuse it.
        for choice in [
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            json!({"type": "any"}),
            json!({"type": "tool", "name": "A"}),
        ] {
            let mut asked = conversation();
            asked["tool_choice"] = choice;
            up.sent(asked);
        }
        let mut asked = conversation();
        asked["output_config"] = json!({"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}});
        up.sent(asked);
    }
}

#[test]
fn ids_of_a_form_stay_or_become_it_alike_for_call_and_result() {
    let up = Upstream::new("https://api.mistral.ai/v1", "mistral-large");
    let sent = up.sent(conversation());
    let messages = sent.body["messages"].as_array().expect("a list");
    let calls: Vec<&Value> = messages
        .iter()
        .filter_map(|m| m["tool_calls"].as_array())
        .flatten()
        .map(|c| &c["id"])
        .collect();
    let results: Vec<&Value> = messages.iter().filter_map(|m| m.get("tool_call_id")).collect();
    assert_eq!(calls, results);
    assert!(calls[0] != calls[1] && calls[2] == "a1B2c3D4e", "{calls:?}");
    assert_eq!(messages.iter().filter(|m| m["content"] == "Noted.").count(), 2);
}

#[test]
fn thinking_that_is_counted_beside_the_answer_is_part_of_it() {
    let count = |total: u64| {
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": 7}}});
        let stream = done(&[delta(json!({"content": "x"})), finish("stop"), usage]);
        read_every_way(
            &Upstream::compatible(),
            &json!({}),
            &stream,
            gateway_translate::BodyEnd::Clean,
        )
        .short()
    };
    assert!(count(20).contains("10+0+0>10 Reported t7"), "{}", count(20));
    assert!(count(13).contains("10+0+0>3 Reported t7"), "{}", count(13));
}
