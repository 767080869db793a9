//! What differs from model to model, and from server to server.

use gateway_testkit::openai::{Rules, chat_rules};
use serde_json::{Value, json};

use crate::openai_chat::{base, calls, passes, patched, plain_tool, refused, result, user};

/// `OpenAI` with this model, and a patch that asks for it.
fn model(name: &str, patch: Value) -> (Rules, Value) {
    let patch = patched(json!({"model": name}), patch);
    (Rules::openai(name), patch)
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
        (
            "deepseek",
            json!({"user": "a b"}),
            (Some("invalid_value"), Some("user"), "does not match pattern"),
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

#[test]
fn a_model_may_not_see() {
    let rules = Rules { images: false, ..Rules::compatible("vllm_strict_template") };
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
    let said = json!({"messages": [{"role": "user", "content": [image]}]});
    refused(&rules, said.clone(), (None, None, "At most 0 image(s)"));
    passes(&Rules::compatible("vllm_strict_template"), said);
}
