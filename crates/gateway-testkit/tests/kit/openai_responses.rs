//! Every rule of Responses: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::openai::{Asked, Issued, Rules, Turn, responses_reply, responses_rules};
use serde_json::{Value, json};

use crate::openai_chat::{Wanted, patched};

fn base() -> Value {
    json!({"model": "gpt-5.6-terra", "input": "hi", "store": false})
}

fn any() -> Rules {
    Rules::openai("gpt-5.6-terra")
}

fn check(rules: &Rules, patch: Value) -> Result<(), gateway_testkit::openai::Refusal> {
    responses_rules::check(&patched(base(), patch), rules, &Issued::default())
}

fn refused(rules: &Rules, patch: Value, wanted: Wanted<'_>) {
    let Err(refusal) = check(rules, patch.clone()) else { panic!("not refused: {patch}") };
    let found = (refusal.code.as_deref(), refusal.param.as_deref());
    assert_eq!(found, (wanted.0, wanted.1), "{refusal:?}\n{patch}");
    assert!(refusal.message.contains(wanted.2), "{}\nlacks {:?}", refusal.message, wanted.2);
}

fn passes(rules: &Rules, patch: Value) {
    if let Err(refusal) = check(rules, patch.clone()) {
        panic!("{refusal:?}\n{patch}");
    }
}

fn user() -> Value {
    json!({"role": "user", "content": [{"type": "input_text", "text": "hi"}]})
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "Bash", "arguments": "{}"})
}

fn result(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "done"})
}

fn input(items: &[Value]) -> Value {
    json!({ "input": items })
}

/// What a server of this account and model answered: reasoning, then a call.
fn answered(account: &str, model: &str) -> (Value, Value) {
    let body = json!({
        "model": model, "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    });
    let turn = Turn::reasoning(&["I think"]).and_raw_call("call_1", "Bash", "{}");
    let reply = responses_reply::body(&turn, Asked { body: &body, index: 0, account });
    (reply["output"][0].clone(), reply["output"][1].clone())
}

fn answered_here() -> (Value, Value) {
    answered("org-test", "gpt-5.6-terra")
}

#[test]
fn what_is_in_order_passes() {
    let (reasoning, made) = answered_here();
    let blank = patched(reasoning.clone(), json!({"id": null, "summary": []}));
    passes(&any(), json!({}));
    passes(
        &any(),
        json!({
            "instructions": "be good", "max_output_tokens": 16, "tool_choice": "auto",
            "parallel_tool_calls": true, "reasoning": {"effort": "max", "summary": "auto"},
            "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "o",
                "schema": {"type": "object", "properties": {}}, "strict": false}},
            "tools": [
                {"type": "function", "name": "Bash", "strict": false, "description": "d",
                    "parameters": {"type": "object", "properties": {"u": {"format": "uri"}}}},
                {"type": "web_search", "filters": {"allowed_domains": ["example.org"]},
                    "user_location": {"type": "approximate", "country": "DE"}},
                {"type": "custom", "name": "patch", "format": {"type": "text"}},
            ],
            "input": [
                {"type": "message", "role": "developer", "content": "a"}, user(),
                reasoning, made, patched(result("call_1"), json!({"output": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8=", "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGVsbG8="},
                ]})),
                {"role": "assistant", "phase": "final_answer",
                    "content": [{"type": "output_text", "text": "a", "annotations": []}]},
                user(),
            ],
        }),
    );
    // Without id and summary, as an envelope may give it back; with null optionals, as Codex does.
    passes(&any(), input(&[user(), blank, call("call_1"), result("call_1")]));
    let (reasoning, made) = answered_here();
    let mut nulls = reasoning;
    nulls["content"] = Value::Null;
    passes(&any(), input(&[user(), nulls, made, result("call_1")]));
    // Results need not be next to their calls.
    passes(&any(), input(&[call("a"), call("b"), result("b"), user(), result("a")]));
}

#[test]
fn fields_at_the_top() {
    let unknown = Some("unknown_parameter");
    let moved = Some("unsupported_parameter");
    let unsupported_value = Some("unsupported_value");
    for (patch, wanted) in [
        (json!({"stop": ["x"]}), (unknown, Some("stop"), "Unknown parameter: 'stop'.")),
        (json!({"seed": 1}), (unknown, Some("seed"), "Unknown parameter: 'seed'.")),
        (json!({"n": 1}), (unknown, Some("n"), "Unknown parameter")),
        (json!({"top_k": 1}), (unknown, Some("top_k"), "Unknown parameter")),
        (json!({"messages": []}), (moved, Some("messages"), "has moved to 'input'")),
        (json!({"response_format": {}}), (moved, Some("response_format"), "'text.format'")),
        (json!({"max_tokens": 5}), (moved, Some("max_tokens"), "'max_output_tokens'")),
        (
            json!({"model": null}),
            (Some("missing_required_parameter"), Some("model"), "Missing required"),
        ),
        (
            json!({"max_output_tokens": 15}),
            (
                Some("integer_below_min_value"),
                Some("max_output_tokens"),
                "Expected a value >= 16, but got 15 instead.",
            ),
        ),
        (
            json!({"max_output_tokens": 128_001}),
            (Some("integer_above_max_value"), Some("max_output_tokens"), "128000"),
        ),
        (
            json!({"temperature": 0.2}),
            (
                Some("unsupported_parameter"),
                Some("temperature"),
                "Unsupported parameter: 'temperature'",
            ),
        ),
        (json!({"top_p": 0.2}), (Some("unsupported_parameter"), Some("top_p"), "'top_p'")),
        (
            json!({"top_logprobs": 2}),
            (Some("unsupported_parameter"), Some("top_logprobs"), "'top_logprobs'"),
        ),
        (
            json!({"reasoning": {"effort": "minimal"}}),
            (
                unsupported_value,
                Some("reasoning.effort"),
                "'minimal' is not supported with the 'gpt-5.6-terra' model. Supported values are: 'none', 'low', 'medium', 'high', 'xhigh', and 'max'.",
            ),
        ),
        (
            json!({"reasoning": {"effort": "huge"}}),
            (Some("invalid_value"), Some("reasoning.effort"), "Invalid value: 'huge'"),
        ),
        (
            json!({"reasoning": {"budget": 5}}),
            (unknown, Some("reasoning.budget"), "Unknown parameter: 'reasoning.budget'."),
        ),
        (
            json!({"include": ["reasoning"]}),
            (Some("invalid_value"), Some("include[0]"), "'reasoning.encrypted_content'"),
        ),
        (
            json!({"truncation": "off"}),
            (Some("invalid_value"), Some("truncation"), "'auto' and 'disabled'"),
        ),
        (
            json!({"stream_options": {}}),
            (None, Some("stream_options"), "only allowed when 'stream' is enabled"),
        ),
        (
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            (unknown, Some("stream_options.include_usage"), "Unknown parameter"),
        ),
        (
            json!({"previous_response_id": "resp_1"}),
            (
                Some("previous_response_not_found"),
                Some("previous_response_id"),
                "Previous response with id 'resp_1' not found.",
            ),
        ),
        (
            json!({"input": null}),
            (Some("missing_required_parameter"), Some("input"), "must be provided"),
        ),
        (json!({"input": []}), (Some("missing_required_parameter"), Some("input"), "must be")),
        (json!({"input": 5}), (Some("invalid_type"), Some("input"), "an integer")),
        (
            json!({"prompt_cache_key": "k".repeat(65)}),
            (Some("string_above_max_length"), Some("prompt_cache_key"), "64"),
        ),
        (
            json!({"metadata": {"k": "v".repeat(513)}}),
            (Some("string_above_max_length"), Some("metadata.k"), "512"),
        ),
        (
            json!({"text": {"format": {"type": "json_object"}}}),
            (None, Some("input"), "must contain the word 'json'"),
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "json_schema": {"name": "a"}}}}),
            (Some("missing_required_parameter"), Some("text.format.name"), "'text.format.name'"),
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "a", "strict": true, "schema": {"type": "object", "properties": {}}}}}),
            (Some("invalid_json_schema"), Some("text.format.schema"), "additionalProperties"),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
    let old = Rules::openai("gpt-4.1");
    let on = |patch: Value| patched(json!({"model": "gpt-4.1"}), patch);
    for (patch, wanted) in [
        (
            json!({"reasoning": {"effort": "low"}}),
            (
                Some("unsupported_parameter"),
                Some("reasoning.effort"),
                "'reasoning.effort' is not supported with this model.",
            ),
        ),
        (
            json!({"reasoning": {"summary": "auto"}}),
            (Some("unsupported_parameter"), Some("reasoning.summary"), "not supported"),
        ),
        (
            json!({"include": ["reasoning.encrypted_content"]}),
            (None, Some("include"), "Encrypted content is not supported with this model."),
        ),
        (
            json!({"text": {"verbosity": "low"}}),
            (unsupported_value, Some("text.verbosity"), "Supported values are: 'medium'."),
        ),
        (
            json!({"prompt_cache_options": {}}),
            (Some("unsupported_parameter"), Some("prompt_cache_options"), "not supported"),
        ),
    ] {
        refused(&old, on(patch), wanted);
    }
    passes(&old, on(json!({"temperature": 0.2, "top_p": 0.5})));
    let o3 = patched(json!({"model": "o3"}), json!({"parallel_tool_calls": true}));
    let wanted = (Some("unsupported_parameter"), Some("parallel_tool_calls"), "not supported");
    refused(&Rules::openai("o3"), o3, wanted);
    let minimal = |effort: &str, tool: Value| json!({"model": "gpt-5", "reasoning": {"effort": effort}, "tools": [tool]});
    let search = json!({"type": "web_search"});
    let wanted = (None, Some("tools"), "reasoning.effort 'minimal': web_search.");
    refused(&Rules::openai("gpt-5"), minimal("minimal", search.clone()), wanted);
    passes(&Rules::openai("gpt-5"), minimal("low", search));
    let five = json!({"model": "gpt-5-codex", "reasoning": {"effort": "max"}});
    refused(
        &Rules::openai("gpt-5-codex"),
        five,
        (unsupported_value, Some("reasoning.effort"), "'max'"),
    );
    passes(&any(), json!({"temperature": 0.2, "reasoning": {"effort": "none"}}));
    let long = (Some("context_length_exceeded"), Some("input"), "exceeds the context window");
    refused(&any().with_window(100), json!({"input": "word ".repeat(200)}), long);
}

#[test]
fn tools() {
    let one = |tool: Value| json!({"tools": [tool]});
    let missing = Some("missing_required_parameter");
    let schema = json!({"type": "object", "properties": {}});
    let bash = json!({"type": "function", "name": "Bash", "strict": false, "parameters": schema});
    for (patch, wanted) in [
        (
            one(json!({"type": "function", "function": {"name": "a"}})),
            (missing, Some("tools[0].name"), "Missing required parameter: 'tools[0].name'."),
        ),
        (
            one(json!({"type": "function", "name": "a", "parameters": schema})),
            (Some("strict_not_stated"), Some("tools[0].strict"), "'tools[0].strict' is missing"),
        ),
        (
            one(json!({"type": "function", "name": "a", "strict": true, "parameters": schema})),
            (
                Some("invalid_function_parameters"),
                Some("tools[0].parameters"),
                "Invalid schema for function 'a': In context=(), 'additionalProperties'",
            ),
        ),
        (
            one(
                json!({"type": "function", "name": "a", "strict": false, "parameters": {"type": "object"}}),
            ),
            (
                Some("invalid_function_parameters"),
                Some("tools[0].parameters"),
                "object schema missing properties",
            ),
        ),
        (
            one(json!({"type": "function", "name": "a", "strict": false, "input_schema": {}})),
            (Some("unknown_parameter"), Some("tools[0].input_schema"), "Unknown parameter"),
        ),
        (
            one(json!({"type": "function", "name": "a/b", "strict": false})),
            (Some("invalid_value"), Some("tools[0].name"), "does not match pattern"),
        ),
        (
            one(json!({"type": "bash_20250124", "name": "bash"})),
            (Some("invalid_value"), Some("tools[0].type"), "Invalid value: 'bash_20250124'"),
        ),
        (
            one(json!({"type": "web_search", "name": "web_search"})),
            (Some("unknown_parameter"), Some("tools[0].name"), "Unknown parameter"),
        ),
        (
            one(json!({"type": "web_search", "filters": {"blocked_domains": ["a.org"]}})),
            (Some("unknown_parameter"), Some("tools[0].filters.blocked_domains"), "Unknown"),
        ),
        (
            one(json!({"type": "web_search", "filters": {"allowed_domains": ["https://a.org"]}})),
            (
                Some("invalid_value"),
                Some("tools[0].filters.allowed_domains[0]"),
                "must not hold a scheme",
            ),
        ),
        (
            one(json!({"type": "web_search", "user_location": {"type": "exact"}})),
            (Some("invalid_value"), Some("tools[0].user_location.type"), "'approximate'"),
        ),
        (
            json!({"tools": vec![bash.clone(); 129]}),
            (Some("array_above_max_length"), Some("tools"), "129"),
        ),
        (json!({"tool_choice": "required"}), (None, Some("tool_choice"), "must be specified with")),
        (json!({"tool_choice": "any"}), (Some("invalid_value"), Some("tool_choice"), "'any'")),
        (
            patched(
                one(bash.clone()),
                json!({"tool_choice": {"type": "function", "name": "Nope"}}),
            ),
            (None, Some("tool_choice"), "Tool choice 'function' not found in 'tools' parameter."),
        ),
        (
            patched(
                one(bash.clone()),
                json!({"tool_choice": {"type": "function", "function": {"name": "Bash"}}}),
            ),
            (missing, Some("tool_choice.name"), "Missing required parameter"),
        ),
        (
            patched(one(bash.clone()), json!({"tool_choice": {"type": "web_search"}})),
            (None, Some("tool_choice"), "'web_search' not found"),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
    passes(
        &any(),
        patched(one(bash), json!({"tool_choice": {"type": "function", "name": "Bash"}})),
    );
}

#[test]
fn items() {
    let said = |role: &str, part: Value| input(&[json!({"role": role, "content": [part]})]);
    let png = "data:image/png;base64,aGVsbG8=";
    let invalid = Some("invalid_value");
    for (patch, wanted) in [
        (
            said("assistant", json!({"type": "input_text", "text": "a"})),
            (
                invalid,
                Some("input[0].content[0]"),
                "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
            ),
        ),
        (
            said("user", json!({"type": "text", "text": "a"})),
            (invalid, Some("input[0].content[0]"), "'input_text', 'input_image', and 'input_file'"),
        ),
        (
            said("user", json!({"type": "input_text", "text": "a", "cache_control": {}})),
            (Some("unknown_parameter"), Some("input[0].content[0].cache_control"), "Unknown"),
        ),
        (
            said("user", json!({"type": "input_image", "image_url": {"url": png}})),
            (
                Some("invalid_type"),
                Some("input[0].content[0].image_url"),
                "expected an image URL, but got an object instead",
            ),
        ),
        (
            said(
                "user",
                json!({"type": "input_image", "image_url": "data:image/bmp;base64,aGVsbG8="}),
            ),
            (Some("invalid_image_format"), Some("input[0].content[0].image_url"), "unsupported"),
        ),
        (
            said(
                "user",
                json!({"type": "input_file", "file_data": "data:application/pdf;base64,aGVsbG8="}),
            ),
            (Some("missing_required_parameter"), Some("input[0].content[0].filename"), "filename"),
        ),
        (
            said(
                "user",
                json!({"type": "input_file", "filename": "a.pdf", "file_data": "aGVsbG8="}),
            ),
            (invalid, Some("input[0].content[0].file_data"), "without the 'data:' prefix"),
        ),
        (
            input(&[json!({"role": "user", "content": []})]),
            (Some("empty_array"), Some("input[0].content"), "empty array"),
        ),
        (
            input(&[json!({"role": "tool", "tool_call_id": "a", "content": "b"})]),
            (invalid, Some("input[0].role"), "Invalid value: 'tool'"),
        ),
        (
            input(&[json!({"role": "assistant", "content": "a", "tool_calls": []})]),
            (Some("unknown_parameter"), Some("input[0].tool_calls"), "'input[0].tool_calls'"),
        ),
        (
            input(&[json!({"role": "user", "content": "a", "id": "user_1"})]),
            (invalid, Some("input[0].id"), "Expected an ID that begins with 'msg'."),
        ),
        (
            input(&[json!({"role": "user", "content": "a", "phase": "commentary"})]),
            (invalid, Some("input[0].phase"), "only assistant messages"),
        ),
        (
            input(&[json!({"type": "tool_use", "id": "a"})]),
            (invalid, Some("input[0]"), "Invalid value: 'tool_use'"),
        ),
        (
            input(&[json!({"content": "a"})]),
            (Some("missing_required_parameter"), Some("input[0].type"), "input[0].type"),
        ),
        (
            input(&[patched(call("a"), json!({"id": "call_a"})), result("a")]),
            (
                invalid,
                Some("input[0].id"),
                "Invalid 'input[0].id': 'call_a'. Expected an ID that begins with 'fc'.",
            ),
        ),
        (
            input(&[patched(call("a"), json!({"id": "fc_".repeat(22)})), result("a")]),
            (Some("string_above_max_length"), Some("input[0].id"), "64"),
        ),
        (
            input(&[patched(call("a"), json!({"arguments": {}})), result("a")]),
            (Some("invalid_type"), Some("input[0].arguments"), "expected a string"),
        ),
        (
            input(&[call(&"a".repeat(65))]),
            (Some("string_above_max_length"), Some("input[0].call_id"), "length 65"),
        ),
        (input(&[call("")]), (Some("empty_string"), Some("input[0].call_id"), "empty string")),
        (
            input(&[user(), result("a")]),
            (None, Some("input"), "No tool call found for function call output with call_id a."),
        ),
        (
            input(&[user(), result("a"), call("a")]),
            (None, Some("input"), "No tool call found for function call output"),
        ),
        (
            input(&[call("a"), call("b"), result("a")]),
            (None, Some("input"), "No tool output found for function call b."),
        ),
        (
            input(&[call("a"), patched(result("a"), json!({"output": []}))]),
            (Some("empty_array"), Some("input[1].output"), "empty array"),
        ),
        (
            input(&[call("a"), patched(result("a"), json!({"is_error": true}))]),
            (Some("unknown_parameter"), Some("input[1].is_error"), "Unknown parameter"),
        ),
        (
            input(&[
                call("a"),
                patched(result("a"), json!({"output": [{"type": "output_text", "text": "a"}]})),
            ]),
            (invalid, Some("input[1].output[0]"), "'input_text'"),
        ),
        (
            input(&[
                json!({"role": "user", "content": "a", "id": "msg_1"}),
                json!({"role": "user", "content": "b", "id": "msg_1"}),
            ]),
            (None, Some("input"), "Duplicate item found with id msg_1."),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
}

#[test]
fn reasoning_items() {
    let (reasoning, made) = answered_here();
    let id = reasoning["id"].as_str().expect("an id").to_owned();
    let sealed = Some("invalid_encrypted_content");
    let alone = format!(
        "Item '{id}' of type 'reasoning' was provided without its required following item."
    );
    let foreign = |account: &str, model: &str| {
        input(&[answered(account, model).0, made.clone(), result("call_1")])
    };
    let with =
        |patch: Value| input(&[patched(reasoning.clone(), patch), made.clone(), result("call_1")]);
    let mut altered = reasoning["encrypted_content"].as_str().expect("a blob").to_owned();
    altered.truncate(altered.len() - 3);
    for (patch, wanted) in [
        (input(&[user(), reasoning.clone()]), (None, Some("input"), alone.as_str())),
        (input(&[user(), reasoning.clone(), user()]), (None, Some("input"), &alone)),
        // Followed by something, but not by what it led to.
        (
            input(&[
                reasoning.clone(),
                json!({"role": "assistant", "content": "a"}),
                made.clone(),
                result("call_1"),
            ]),
            (None, Some("input"), &alone),
        ),
        (
            input(&[reasoning.clone(), call("call_2"), result("call_2")]),
            (None, Some("input"), &alone),
        ),
        (
            with(json!({"encrypted_content": altered})),
            (
                sealed,
                None,
                "could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            ),
        ),
        (
            with(json!({"encrypted_content": "EqQBCkYIBxgCKkAsignature"})),
            (sealed, None, "could not be verified"),
        ),
        (
            with(json!({"id": "rs_other"})),
            (sealed, None, "item_id did not match the target item id"),
        ),
        (
            foreign("org-other", "gpt-5.6-terra"),
            (sealed, None, "organization_id did not match the target organization"),
        ),
        (foreign("org-test", "gpt-5.5"), (sealed, None, "model did not match")),
        (
            with(json!({"encrypted_content": null})),
            (
                None,
                Some("input"),
                "not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.",
            ),
        ),
        (
            with(json!({"encrypted_content": null, "id": null})),
            (Some("missing_required_parameter"), Some("input[0].id"), "Missing"),
        ),
        (
            with(json!({"id": "thinking_1"})),
            (Some("invalid_value"), Some("input[0].id"), "begins with 'rs'"),
        ),
        (
            with(json!({"summary": null})),
            (Some("missing_required_parameter"), Some("input[0].summary"), "Missing"),
        ),
        (
            with(json!({"summary": [{"type": "text", "text": "a"}]})),
            (Some("invalid_value"), Some("input[0].summary[0]"), "'summary_text'"),
        ),
        (
            with(json!({"signature": "a"})),
            (Some("unknown_parameter"), Some("input[0].signature"), "Unknown parameter"),
        ),
        (
            input(&[json!({"type": "item_reference", "id": "rs_1"})]),
            (None, Some("input"), "Item with id 'rs_1' not found."),
        ),
    ] {
        refused(&any(), patch, wanted);
    }
    // The item may go without an id, and a call with an id wants the item that led to it.
    passes(&any(), with(json!({"id": null})));
    let mut issued = Issued::default();
    issued.led_by.insert(made["id"].as_str().expect("an id").to_owned(), id.clone());
    let body = patched(base(), input(&[made.clone(), result("call_1")]));
    let refusal = responses_rules::check(&body, &any(), &issued).unwrap_err();
    assert!(refusal.message.contains("without its required 'reasoning' item"), "{refusal:?}");
    // What is stored needs no blob.
    issued.stored.insert(id);
    let bare = patched(reasoning.clone(), json!({"encrypted_content": null}));
    let body = patched(base(), input(&[bare, made.clone(), result("call_1")]));
    assert_eq!(responses_rules::check(&body, &any(), &issued), Ok(()));
    let lost = patched(body, json!({"store": true}));
    let refusal = responses_rules::check(&lost, &any(), &Issued::default()).unwrap_err();
    assert_eq!((refusal.status, refusal.code), (404, None));
}

#[test]
fn counting_takes_only_what_counts() {
    let issued = Issued::default();
    let body = json!({"model": "gpt-5.6-terra", "input": "word ".repeat(5000)});
    let rules = any().with_window(100);
    assert_eq!(responses_rules::check_count(&body, &rules, &issued), Ok(()));
    for field in ["stream", "max_output_tokens", "store", "temperature", "include"] {
        let body = patched(body.clone(), json!({field: true}));
        let refusal = responses_rules::check_count(&body, &rules, &issued).unwrap_err();
        assert_eq!(refusal.message, format!("Unknown parameter: '{field}'."));
    }
}
