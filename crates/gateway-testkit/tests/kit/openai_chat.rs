//! Every rule of Chat Completions: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::openai::{Rules, chat_rules};
use serde_json::{Value, json};

/// What a refusal must be: code, param, and a part of the message.
pub(crate) type Wanted<'a> = (Option<&'a str>, Option<&'a str>, &'a str);

pub(crate) fn base() -> Value {
    json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]})
}

/// `base` with these fields in place of its own; null takes one away.
pub(crate) fn patched(mut base: Value, patch: Value) -> Value {
    let fields = base.as_object_mut().expect("an object");
    let Value::Object(patch) = patch else { panic!("a patch is an object") };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    base
}

pub(crate) fn refused(rules: &Rules, patch: Value, wanted: Wanted<'_>) {
    let body = patched(base(), patch);
    let Err(refusal) = chat_rules::check(&body, rules) else { panic!("not refused: {body}") };
    let found = (refusal.code.as_deref(), refusal.param.as_deref());
    assert_eq!(found, (wanted.0, wanted.1), "{refusal:?}\n{body}");
    assert!(refusal.message.contains(wanted.2), "{}\nlacks {:?}", refusal.message, wanted.2);
}

pub(crate) fn passes(rules: &Rules, patch: Value) {
    let body = patched(base(), patch);
    if let Err(refusal) = chat_rules::check(&body, rules) {
        panic!("{refusal:?}\n{body}");
    }
}

pub(crate) fn any() -> Rules {
    Rules::openai("gpt-4.1")
}

pub(crate) fn tool(parameters: Value) -> Value {
    json!({"type": "function", "function": {"name": "Bash", "parameters": parameters}})
}

pub(crate) fn plain_tool() -> Value {
    tool(json!({"type": "object", "properties": {"a": {"type": "string"}}}))
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "Bash", "arguments": "{}"}})
}

pub(crate) fn calls(ids: &[&str]) -> Value {
    let calls: Vec<Value> = ids.iter().map(|id| call(id)).collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

pub(crate) fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "done"})
}

pub(crate) fn user() -> Value {
    json!({"role": "user", "content": "hi"})
}

const PNG: &str = "data:image/png;base64,aGVsbG8=";

#[test]
fn what_is_in_order_passes() {
    passes(&any(), json!({}));
    passes(
        &any(),
        json!({
            "max_tokens": 32768, "temperature": 0.2, "top_p": 0.9, "stop": ["a", "b", "c", "d"],
            "stream": true, "stream_options": {"include_usage": true}, "seed": 7, "user": "u",
            "tools": [plain_tool()], "tool_choice": "required", "parallel_tool_calls": false,
            "metadata": {"a": "b"}, "prompt_cache_key": "k", "safety_identifier": "s",
            "service_tier": "priority", "store": false,
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "be good"}]},
                user(), calls(&["call_1", "call_2"]), result("call_2"), result("call_1"),
                {"role": "user", "content": [
                    {"type": "text", "text": "and"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "file", "file": {
                        "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGVsbG8=",
                    }},
                ]},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
                {"role": "assistant", "content": "", "tool_calls": [call("call_1")]},
                result("call_1"), {"role": "developer", "content": "more"},
            ],
        }),
    );
    // Explicit nulls count as absent.
    let nulls = json!({
        "model": "gpt-4.1", "messages": [user()], "temperature": null, "tools": null, "stop": null,
    });
    assert_eq!(chat_rules::check(&nulls, &any()), Ok(()));
}

#[test]
fn fields_at_the_top() {
    let none = (None, None);
    for (patch, (code, param), part) in [
        (json!({"top_k": 5}), none, "Unrecognized request argument supplied: top_k"),
        (json!({"cache_control": {}}), none, "argument supplied: cache_control"),
        (json!({"reasoning_effort": "low"}), none, "argument supplied: reasoning_effort"),
        (json!({"model": null}), none, "you must provide a model parameter"),
        (
            json!({"messages": null}),
            (Some("missing_required_parameter"), Some("messages")),
            "Missing required parameter: 'messages'.",
        ),
        (json!({"messages": []}), (Some("empty_array"), Some("messages")), "minimum length 1"),
        (json!({"messages": {}}), (Some("invalid_type"), Some("messages")), "but got an object"),
        (
            json!({"temperature": "hot"}),
            (Some("invalid_type"), Some("temperature")),
            "expected a decimal, but got a string instead",
        ),
        (
            json!({"temperature": 2.5}),
            (Some("decimal_above_max_value"), Some("temperature")),
            "<= 2, but got 2.5 instead",
        ),
        (
            json!({"max_tokens": 0}),
            (Some("integer_below_min_value"), Some("max_tokens")),
            "Expected a value >= 1, but got 0 instead.",
        ),
        (
            json!({"max_tokens": -1}),
            (Some("integer_below_min_value"), Some("max_tokens")),
            "but got -1",
        ),
        (json!({"max_tokens": 1.5}), (Some("invalid_type"), Some("max_tokens")), "an integer"),
        (
            json!({"max_tokens": 5, "max_completion_tokens": 5}),
            (Some("invalid_parameter_combination"), Some("max_tokens")),
            "at the same time",
        ),
        (
            json!({"max_completion_tokens": 32769}),
            (Some("invalid_value"), Some("max_completion_tokens")),
            "max_tokens is too large: 32769. This model supports at most 32768 completion tokens",
        ),
        (
            json!({"stop": ["a", "b", "c", "d", "e"]}),
            (Some("array_above_max_length"), Some("stop")),
            "maximum length 4, but got an array with length 5",
        ),
        (json!({"stop": 5}), (Some("invalid_type"), Some("stop")), "array of strings"),
        (
            json!({"stream_options": {"include_usage": true}}),
            (None, Some("stream_options")),
            "only allowed when 'stream' is enabled",
        ),
        (
            json!({"stream": true, "stream_options": {"x": 1}}),
            (Some("unknown_parameter"), Some("stream_options.x")),
            "Unknown parameter",
        ),
        (
            json!({"user": "u".repeat(65)}),
            (Some("string_above_max_length"), Some("user")),
            "maximum length 64, but got a string with length 65",
        ),
        (
            json!({"safety_identifier": "u".repeat(129)}),
            (Some("string_above_max_length"), Some("safety_identifier")),
            "128",
        ),
        (
            json!({"prompt_cache_key": "u".repeat(65)}),
            (Some("string_above_max_length"), Some("prompt_cache_key")),
            "64",
        ),
        (
            json!({"metadata": {"k".repeat(65): "v"}}),
            (Some("string_above_max_length"), Some("metadata")),
            "64",
        ),
        (
            json!({"metadata": {"k": "v".repeat(513)}}),
            (Some("string_above_max_length"), Some("metadata.k")),
            "512",
        ),
        (
            json!({"metadata": (0..17).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>()}),
            (Some("object_above_max_properties"), Some("metadata")),
            "at most 16",
        ),
        (json!({"metadata": {"k": 1}}), (Some("invalid_type"), Some("metadata.k")), "a string"),
        (
            json!({"service_tier": "standard_only"}),
            (Some("invalid_value"), Some("service_tier")),
            "Invalid value: 'standard_only'",
        ),
        (
            json!({"verbosity": "low"}),
            (Some("unsupported_value"), Some("verbosity")),
            "'verbosity' does not support 'low'",
        ),
        (
            json!({"prompt_cache_options": {"mode": "explicit"}}),
            (Some("unsupported_parameter"), Some("prompt_cache_options")),
            "not supported with this model",
        ),
        (json!({"top_logprobs": 3}), (None, Some("top_logprobs")), "'logprobs' must be set"),
        (
            json!({"response_format": {"type": "json_object"}}),
            (None, Some("messages")),
            "must contain the word 'json'",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}}),
            (Some("invalid_value"), Some("response_format.json_schema.name")),
            "'^[a-zA-Z0-9_-]+$'",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "o", "strict": true, "schema": {"type": "object", "properties": {}}}}}),
            (Some("invalid_json_schema"), Some("response_format")),
            "Invalid schema for response_format 'o': In context=(), 'additionalProperties' is required",
        ),
        (
            json!({"response_format": {"type": "json_schema", "name": "o", "schema": {}}}),
            (Some("missing_required_parameter"), Some("response_format.json_schema")),
            "Missing required parameter",
        ),
    ] {
        refused(&any(), patch, (code, param, part));
    }
    passes(
        &any(),
        json!({"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "as JSON"}]}),
    );
}

#[test]
fn tools() {
    let function = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
    let many: Vec<Value> = (0..129)
        .map(|n| json!({"type": "function", "function": {"name": format!("t{n}")}}))
        .collect();
    for (patch, wanted) in [
        (json!({"tools": []}), (Some("empty_array"), Some("tools"), "an empty array")),
        (json!({"tools": many}), (Some("array_above_max_length"), Some("tools"), "128")),
        (
            json!({"tools": [{"type": "function", "name": "flat", "parameters": {}}]}),
            (Some("missing_required_parameter"), Some("tools[0].function"), "tools[0].function"),
        ),
        (
            json!({"tools": [{"type": "web_search"}]}),
            (Some("invalid_value"), Some("tools[0].type"), "'function' and 'custom'"),
        ),
        (
            function(json!({"name": "a.b"})),
            (Some("invalid_value"), Some("tools[0].function.name"), "does not match pattern"),
        ),
        (
            function(json!({"name": "n".repeat(65)})),
            (Some("string_above_max_length"), Some("tools[0].function.name"), "length 65"),
        ),
        (
            function(json!({"name": "a", "cache_control": {}})),
            (
                Some("unknown_parameter"),
                Some("tools[0].function.cache_control"),
                "Unknown parameter: 'tools[0].function.cache_control'.",
            ),
        ),
        (
            json!({"tools": [plain_tool()], "tool_choice": "any"}),
            (Some("invalid_value"), Some("tool_choice"), "'none', 'auto', and 'required'"),
        ),
        (
            json!({"tools": [plain_tool()], "tool_choice": {"type": "function", "function": {"name": "Nope"}}}),
            (None, Some("tool_choice"), "Nope"),
        ),
        (
            json!({"tools": [plain_tool()], "tool_choice": {"type": "function", "name": "Bash"}}),
            (Some("unknown_parameter"), Some("tool_choice.name"), "Unknown parameter"),
        ),
        (json!({"tool_choice": "auto"}), (None, Some("tool_choice"), "when 'tools' are specified")),
        (
            json!({"parallel_tool_calls": false}),
            (None, Some("parallel_tool_calls"), "when 'tools' are specified"),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
}

#[test]
fn messages() {
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let all = |messages: &[Value]| json!({ "messages": messages });
    let orphan = "must be a response to a preceeding message with 'tool_calls'";
    let unanswered = "did not have response messages: call_1";
    for (patch, wanted) in [
        (
            said(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])),
            (
                Some("unknown_parameter"),
                Some("messages[0].content[0].cache_control"),
                "Unknown parameter: 'messages[0].content[0].cache_control'.",
            ),
        ),
        (
            said(json!("x".repeat(10_485_761))),
            (Some("string_above_max_length"), Some("messages[0].content"), "10485760"),
        ),
        (said(json!([])), (Some("empty_array"), Some("messages[0].content"), "empty array")),
        (
            said(json!([{"type": "input_text", "text": "a"}])),
            (Some("invalid_value"), Some("messages[0].content[0].type"), "'input_text'"),
        ),
        (
            said(json!([{"type": "image", "source": {}}])),
            (Some("invalid_value"), Some("messages[0].content[0].type"), "'image'"),
        ),
        (
            said(json!([{"type": "image_url", "image_url": PNG}])),
            (Some("invalid_type"), Some("messages[0].content[0].image_url"), "an object"),
        ),
        (
            said(
                json!([{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,aGVsbG8="}}]),
            ),
            (
                Some("invalid_image_format"),
                Some("messages[0].content[0].image_url.url"),
                "['png', 'jpeg', 'gif', 'webp']",
            ),
        ),
        (
            said(json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,a b"}}])),
            (Some("invalid_base64"), Some("messages[0].content[0].image_url.url"), "base64"),
        ),
        (
            said(
                json!([{"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVsbG8="}}]),
            ),
            (
                Some("missing_required_parameter"),
                Some("messages[0].content[0].file.filename"),
                "filename",
            ),
        ),
        (
            all(&[json!({"role": "user"})]),
            (None, Some("messages.[0].content"), "expected a string, got null"),
        ),
        (
            all(&[user(), json!({"role": "assistant", "content": null})]),
            (None, Some("messages.[1].content"), "expected a string, got null"),
        ),
        (
            all(&[json!({"role": "model", "content": "a"})]),
            (Some("invalid_value"), Some("messages[0].role"), "Invalid value: 'model'"),
        ),
        (
            all(&[json!({"role": "user", "content": "a", "name": "a b"})]),
            (Some("invalid_value"), Some("messages[0].name"), "does not match pattern"),
        ),
        (
            all(&[json!({"role": "user", "content": "a", "tool_calls": [call("call_1")]})]),
            (Some("unknown_parameter"), Some("messages[0].tool_calls"), "Unknown parameter"),
        ),
        (
            all(&[user(), json!({"role": "assistant", "content": "a", "reasoning_content": "b"})]),
            (Some("unknown_parameter"), Some("messages[1].reasoning_content"), "Unknown"),
        ),
        (
            all(&[user(), json!({"role": "assistant", "content": [{"type": "image_url"}]})]),
            (Some("invalid_value"), Some("messages[1]"), "role 'assistant' contains an image URL"),
        ),
        (
            all(&[user(), json!({"role": "assistant", "content": "a", "tool_calls": []})]),
            (Some("empty_array"), Some("messages[1].tool_calls"), "empty array"),
        ),
        (
            all(&[user(), calls(&[&"c".repeat(41)])]),
            (
                Some("string_above_max_length"),
                Some("messages[1].tool_calls[0].id"),
                "maximum length 40, but got a string with length 41",
            ),
        ),
        (
            all(&[
                user(),
                json!({"role": "assistant", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}}]}),
            ]),
            (
                Some("invalid_type"),
                Some("messages[1].tool_calls[0].function.arguments"),
                "expected a string, but got an object",
            ),
        ),
        (
            all(&[
                user(),
                json!({"role": "assistant", "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            ]),
            (Some("unknown_parameter"), Some("messages[1].tool_calls[0].index"), "Unknown"),
        ),
        (
            all(&[
                user(),
                json!({"role": "assistant", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f g", "arguments": ""}}]}),
            ]),
            (Some("invalid_value"), Some("messages[1].tool_calls[0].function.name"), "pattern"),
        ),
        (
            all(&[
                user(),
                calls(&["call_1"]),
                json!({"role": "tool", "tool_call_id": "call_1",
                "content": [{"type": "image_url", "image_url": {"url": PNG}}]}),
            ]),
            (
                Some("invalid_value"),
                Some("messages[2]"),
                "Image URLs are only allowed for messages with role 'user', but this message with role 'tool'",
            ),
        ),
        (
            all(&[user(), calls(&["call_1"]), json!({"role": "tool", "content": "a"})]),
            (Some("missing_required_parameter"), Some("messages[2].tool_call_id"), "Missing"),
        ),
        (all(&[user(), result("call_1")]), (None, Some("messages.[1].role"), orphan)),
        (all(&[user(), calls(&["call_1"])]), (None, Some("messages"), unanswered)),
        (
            all(&[user(), calls(&["call_1"]), user(), result("call_1")]),
            (None, Some("messages"), unanswered),
        ),
        (
            all(&[user(), calls(&["call_1", "call_2"]), result("call_2"), user()]),
            (None, Some("messages"), unanswered),
        ),
        (
            all(&[user(), calls(&["call_1"]), result("call_1"), user(), result("call_1")]),
            (None, Some("messages.[4].role"), orphan),
        ),
        (
            all(&[user(), calls(&["call_1"]), result("call_2")]),
            (None, Some("messages.[2].tool_call_id"), "'call_2' not found"),
        ),
        (
            all(&[user(), calls(&["call_1"]), result("call_1"), result("call_1")]),
            (
                None,
                Some("messages.[3].tool_call_id"),
                "Invalid parameter: Duplicate value for 'tool_call_id' of 'call_1', in messages[2] and messages[3].",
            ),
        ),
        (
            all(&[user(), calls(&["call_1", "call_1"]), result("call_1")]),
            (None, Some("messages.[1].tool_calls"), "Duplicate"),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
}

#[test]
fn a_prompt_beyond_the_window() {
    let rules = any().with_window(1000);
    let long = json!({"messages": [{"role": "user", "content": "word ".repeat(1000)}]});
    let wanted = (
        Some("context_length_exceeded"),
        Some("messages"),
        "maximum context length is 1000 tokens. However, your messages resulted in 12",
    );
    refused(&rules, long, wanted);
}
