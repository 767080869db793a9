//! Every rule of Chat Completions: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::openai::{Rules, chat_rules};
use serde_json::{Value, json};

/// What a refusal must be: code, param, and a part of the message.
pub(crate) type Wanted<'a> = (Option<&'a str>, Option<&'a str>, &'a str);

fn base() -> Value {
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

fn refused(rules: &Rules, patch: Value, wanted: Wanted<'_>) {
    let body = patched(base(), patch);
    let Err(refusal) = chat_rules::check(&body, rules) else { panic!("not refused: {body}") };
    let found = (refusal.code.as_deref(), refusal.param.as_deref());
    assert_eq!(found, (wanted.0, wanted.1), "{refusal:?}\n{body}");
    assert!(refusal.message.contains(wanted.2), "{}\nlacks {:?}", refusal.message, wanted.2);
}

fn passes(rules: &Rules, patch: Value) {
    let body = patched(base(), patch);
    if let Err(refusal) = chat_rules::check(&body, rules) {
        panic!("{refusal:?}\n{body}");
    }
}

fn any() -> Rules {
    Rules::openai("gpt-4.1")
}

/// `OpenAI` with this model, and a patch that asks for it.
fn model(name: &str, patch: Value) -> (Rules, Value) {
    let patch = patched(json!({"model": name}), patch);
    (Rules::openai(name), patch)
}

fn tool(parameters: Value) -> Value {
    json!({"type": "function", "function": {"name": "Bash", "parameters": parameters}})
}

fn plain_tool() -> Value {
    tool(json!({"type": "object", "properties": {"a": {"type": "string"}}}))
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "Bash", "arguments": "{}"}})
}

fn calls(ids: &[&str]) -> Value {
    let calls: Vec<Value> = ids.iter().map(|id| call(id)).collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "done"})
}

fn user() -> Value {
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
fn schemas() {
    let code = Some("invalid_function_parameters");
    let param = Some("tools[0].function.parameters");
    for (schema, part) in [
        (json!({}), "got 'type: \"None\"'"),
        (json!({"type": "string"}), "got 'type: \"string\"'"),
        (json!({"type": "object"}), "In context=(), object schema missing properties."),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            "In context=('properties', 'a'), array schema missing items.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "array"}}}}),
            "In context=('properties', 'a', 'items'), array schema missing items.",
        ),
        (
            json!({"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}),
            "not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level",
        ),
        (
            json!({"type": "object", "properties": {}, "required": "a"}),
            "\"a\" is not of type 'array'",
        ),
    ] {
        refused(&any(), json!({"tools": [tool(schema)]}), (code, param, part));
    }
    for free in [
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": {"u": {"type": "string", "format": "uri", "default": "x"}}}),
        json!({"type": "object", "properties": {"free": {"type": "object"}},
            "additionalProperties": false}),
    ] {
        passes(&any(), json!({"tools": [tool(free)]}));
    }
}

#[test]
fn strict_schemas() {
    let strict = |schema: Value| {
        let function = json!({"name": "f", "strict": true, "parameters": schema});
        json!({"tools": [{"type": "function", "function": function}]})
    };
    let object = |properties: Value, required: Value| {
        json!({"type": "object", "properties": properties, "required": required,
            "additionalProperties": false})
    };
    let mut deep = json!({"type": "string"});
    for _ in 0..11 {
        deep = object(json!({"a": deep}), json!(["a"]));
    }
    let values: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let code = Some("invalid_function_parameters");
    let param = Some("tools[0].function.parameters");
    for (schema, part) in [
        (
            json!({"type": "object", "properties": {}}),
            "'additionalProperties' is required to be supplied and to be false",
        ),
        (object(json!({"a": {"type": "string"}}), json!([])), "Missing 'a'"),
        (object(json!({}), json!(["b"])), "Extra required key 'b' supplied"),
        (
            object(json!({"a": {"type": "string", "default": "x"}}), json!(["a"])),
            "In context=('properties', 'a'), 'default' is not permitted.",
        ),
        (object(json!({"a": {"allOf": []}}), json!(["a"])), "'allOf' is not permitted"),
        (
            object(json!({"a": {"type": "string", "format": "uri"}}), json!(["a"])),
            "'uri' is not a valid format",
        ),
        (object(json!({"a": {}}), json!(["a"])), "must have a 'type' key"),
        (
            object(json!({"a": {"type": "object"}}), json!(["a"])),
            "('properties', 'a'), 'additional",
        ),
        (object(json!({"a": {"$ref": "#/$defs/x"}}), json!(["a"])), "'#/$defs/x' which was not"),
        (deep, "nested deeper than 10"),
        (object(json!({"a": {"enum": values}}), json!(["a"])), "more than 1000 enum"),
    ] {
        refused(&any(), strict(schema), (code, param, part));
    }
    let mut good = object(
        json!({
            "a": {"type": ["string", "null"], "format": "date", "pattern": "x"},
            "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/x"}]},
            "c": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
        }),
        json!(["a", "b", "c"]),
    );
    good["$defs"] = json!({"x": object(json!({}), json!([]))});
    passes(&any(), strict(good));
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
            (None, Some("messages.[3].tool_call_id"), "Duplicate"),
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
fn models_differ() {
    let tools = json!([plain_tool()]);
    let only_responses =
        "This model is only supported in v1/responses and not in v1/chat/completions.";
    let not_max = "Use 'max_completion_tokens' instead.";
    let unsupported = Some("unsupported_parameter");
    let value = Some("unsupported_value");
    for (name, patch, wanted) in [
        ("o3", json!({"max_tokens": 50}), (unsupported, Some("max_tokens"), not_max)),
        ("gpt-5", json!({"max_tokens": 50}), (unsupported, Some("max_tokens"), not_max)),
        ("o3", json!({"stop": "x"}), (unsupported, Some("stop"), "not supported with this model")),
        ("o4-mini", json!({"stop": ["x"]}), (unsupported, Some("stop"), "not supported")),
        ("gpt-5.1", json!({"stop": "x"}), (unsupported, Some("stop"), "not supported")),
        (
            "o3",
            json!({"tools": tools, "parallel_tool_calls": false}),
            (
                unsupported,
                Some("parallel_tool_calls"),
                "'parallel_tool_calls' is not supported with this model.",
            ),
        ),
        (
            "gpt-5",
            json!({"temperature": 0.2}),
            (
                value,
                Some("temperature"),
                "'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            ),
        ),
        ("gpt-5", json!({"top_p": 0.9}), (unsupported, Some("top_p"), "not supported")),
        ("gpt-5", json!({"logprobs": true}), (unsupported, Some("logprobs"), "not supported")),
        (
            "gpt-5.1",
            json!({"presence_penalty": 0.5}),
            (unsupported, Some("presence_penalty"), "not"),
        ),
        ("gpt-5.1", json!({"logit_bias": {"1": 1}}), (unsupported, Some("logit_bias"), "not")),
        (
            "gpt-5.1",
            json!({"temperature": 0.2, "reasoning_effort": "low"}),
            (value, Some("temperature"), "Only the default"),
        ),
        (
            "gpt-5.1",
            json!({"reasoning_effort": "minimal"}),
            (
                value,
                Some("reasoning_effort"),
                "Supported values are: 'none', 'low', 'medium', and 'high'.",
            ),
        ),
        ("gpt-5", json!({"reasoning_effort": "none"}), (value, Some("reasoning_effort"), "'none'")),
        ("o3", json!({"reasoning_effort": "xhigh"}), (value, Some("reasoning_effort"), "'xhigh'")),
        (
            "gpt-5.6-terra",
            json!({"reasoning_effort": "max"}),
            (value, Some("reasoning_effort"), ""),
        ),
        ("gpt-6.1-sol", json!({"reasoning_effort": "none"}), (value, Some("reasoning_effort"), "")),
        (
            "gpt-5",
            json!({"reasoning_effort": "huge"}),
            (Some("invalid_value"), Some("reasoning_effort"), "Invalid value: 'huge'"),
        ),
        (
            "gpt-5.6-terra",
            json!({"tools": tools}),
            (
                None,
                Some("reasoning_effort"),
                "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            ),
        ),
        (
            "gpt-5.4",
            json!({"tools": tools, "reasoning_effort": "low"}),
            (None, Some("reasoning_effort"), "Function tools"),
        ),
        (
            "gpt-5",
            json!({"max_completion_tokens": 1}),
            (
                None,
                None,
                "Could not finish the message because max_tokens or model output limit was reached.",
            ),
        ),
        ("gpt-5-codex", json!({}), (None, Some("model"), only_responses)),
        ("o3-pro", json!({}), (None, Some("model"), only_responses)),
        ("o4-mini-deep-research", json!({}), (None, Some("model"), only_responses)),
        (
            "gpt-4o",
            json!({"max_tokens": 16385}),
            (Some("invalid_value"), Some("max_tokens"), "16384"),
        ),
        (
            "gpt-3.5-turbo",
            json!({"max_tokens": 4097}),
            (Some("invalid_value"), Some("max_tokens"), "4096"),
        ),
        (
            "gpt-5",
            json!({"max_completion_tokens": 128_001}),
            (Some("invalid_value"), Some("max_completion_tokens"), "128000"),
        ),
    ] {
        let (rules, patch) = model(name, patch);
        refused(&rules, patch, wanted);
    }
    for (name, patch) in [
        ("o1", json!({"stop": "x", "reasoning_effort": "high"})),
        ("gpt-5.1", json!({"temperature": 0.2, "top_p": 0.5})),
        ("gpt-5.4", json!({"tools": tools})),
        ("gpt-5.6-terra", json!({"tools": tools, "reasoning_effort": "none"})),
        ("gpt-5", json!({"tools": tools, "temperature": 1, "verbosity": "low"})),
        ("gpt-5.6-sol", json!({"prompt_cache_options": {"mode": "explicit"}})),
        ("gpt-6-sol", json!({"reasoning_effort": "max"})),
        ("gpt-5.2-chat-latest", json!({"temperature": 0.2, "max_tokens": 16384})),
    ] {
        let (rules, patch) = model(name, patch);
        passes(&rules, patch);
    }
    let (rules, patch) = model("gpt-5-pro", json!({}));
    let refusal = chat_rules::check(&patched(base(), patch), &rules).unwrap_err();
    assert_eq!(refusal.status, 404);
    let refusal = chat_rules::check(&base(), &Rules::openai("gpt-4o")).unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_deref()), (404, Some("model_not_found")));
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

#[test]
fn compatible_servers_differ() {
    let developer = json!({"messages": [{"role": "developer", "content": "a"}, user()]});
    let turn = |more: Value| {
        let assistant = patched(calls(&["call_1"]), more);
        json!({"messages": [user(), assistant, result("call_1")]})
    };
    let system = json!({"role": "system", "content": "a"});
    let tools = json!([plain_tool()]);
    for (preset, patch, wanted) in [
        ("groq", json!({"top_k": 1}), (None, None, "property 'top_k' is unsupported")),
        ("groq", json!({"prompt_cache_key": "a"}), (None, None, "property 'prompt_cache_key'")),
        (
            "groq",
            turn(json!({"reasoning_content": "a"})),
            (
                None,
                None,
                "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]",
            ),
        ),
        ("groq", json!({"n": 2}), (None, None, "at most 1")),
        (
            "deepseek",
            turn(json!({})),
            (
                Some("invalid_request_error"),
                None,
                "The reasoning_content in the thinking mode must be passed back to the API.",
            ),
        ),
        (
            "deepseek",
            developer.clone(),
            (Some("invalid_request_error"), None, "messages[0].role: unknown variant `developer`"),
        ),
        (
            "deepseek",
            json!({"tools": [{"type": "custom", "custom": {"name": "a"}}]}),
            (Some("invalid_value"), Some("tools[0].type"), "'function'"),
        ),
        (
            "kimi",
            turn(json!({})),
            (
                None,
                None,
                "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
            ),
        ),
        (
            "kimi",
            json!({"tools": tools, "tool_choice": "required"}),
            (None, None, "tool_choice 'required' is incompatible with thinking enabled"),
        ),
        ("kimi", json!({"temperature": 0.2}), (None, None, "only 1 is allowed")),
        (
            "kimi",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
            (None, None, "cannot specify both 'thinking' and 'reasoning_effort'"),
        ),
        (
            "vllm_strict_template",
            json!({"messages": [user(), system]}),
            (None, None, "System message must be at the beginning."),
        ),
        (
            "vllm_strict_template",
            json!({"messages": [user(), user()]}),
            (None, None, "must alternate user/assistant"),
        ),
        ("vllm_strict_template", developer, (None, None, "Unexpected message role.")),
        (
            "bare",
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            (None, None, "Unrecognized request argument supplied: stream_options"),
        ),
        ("bare", json!({"max_completion_tokens": 5}), (None, None, "max_completion_tokens")),
    ] {
        refused(&Rules::compatible(preset), patch, wanted);
    }
    for (preset, patch) in [
        ("groq", json!({"reasoning_format": "parsed", "max_tokens": 100_000})),
        ("groq", turn(json!({"reasoning": "a"}))),
        ("deepseek", turn(json!({"reasoning_content": " "}))),
        ("deepseek", patched(turn(json!({})), json!({"thinking": {"type": "disabled"}}))),
        ("deepseek", json!({"unknown": 1, "thinking": {"type": "enabled"}})),
        (
            "kimi",
            patched(
                json!({"tools": tools, "tool_choice": "required"}),
                json!({"thinking": {"type": "disabled"}}),
            ),
        ),
        ("vllm_strict_template", json!({"messages": [system, user()], "top_k": 5})),
        ("vllm_strict_template", turn(json!({}))),
        ("bare", json!({"max_tokens": 5, "stream": true, "tools": tools})),
    ] {
        passes(&Rules::compatible(preset), patch);
    }
    let refusal = chat_rules::check(
        &json!({"model": "m", "messages": [user(), user()]}),
        &Rules::compatible("vllm_strict_template"),
    );
    let body = refusal.unwrap_err().body();
    assert_eq!(
        (&body["error"]["type"], &body["error"]["code"]),
        (&json!("BadRequestError"), &json!(400))
    );
}
