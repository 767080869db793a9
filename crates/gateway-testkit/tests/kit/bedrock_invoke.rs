//! Every rule of `InvokeModel` with Claude: what breaks it, and what the model says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::bedrock::{Rules, invoke_rules, redacted, signature};
use serde_json::{Value, json};

use crate::openai_chat::patched;

fn base() -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
    })
}

fn says(blocks: Value) -> Value {
    json!({"messages": [{"role": "user", "content": blocks}]})
}

fn answers(blocks: Value) -> Value {
    json!({"messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks},
        {"role": "user", "content": "and"},
    ]})
}

fn text() -> Value {
    json!({"type": "text", "text": "hi"})
}

fn tool(patch: Value) -> Value {
    let tool = json!({"name": "Bash", "input_schema": {"type": "object"}});
    json!({"tools": [patched(tool, patch)]})
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "Bash", "input": {}})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "done"})
}

fn looped(calls: Value, results: Value) -> Value {
    json!({"messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": calls},
        {"role": "user", "content": results},
    ]})
}

fn beta(beta: &str, mut patch: Value) -> Value {
    patch["anthropic_beta"] = json!([beta]);
    patch
}

fn claude() -> Rules {
    Rules::bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
}

fn middle() -> Rules {
    Rules::bedrock("us.anthropic.claude-opus-4-6-v1")
}

fn newest() -> Rules {
    Rules::bedrock("global.anthropic.claude-opus-4-7")
}

fn old() -> Rules {
    Rules::bedrock("us.anthropic.claude-3-5-sonnet-20241022-v2:0")
}

fn refused(rules: &Rules, patch: Value, wanted: &str) {
    let body = patched(base(), patch);
    let Err(refusal) = invoke_rules::check(&body, rules) else {
        panic!("not refused ({wanted}): {body}")
    };
    assert!(refusal.message.contains(wanted), "{}\nlacks {wanted:?}", refusal.message);
    assert_eq!((refusal.status, refusal.kind.as_str()), (400, "ValidationException"));
}

fn passes(rules: &Rules, patch: Value) {
    let body = patched(base(), patch);
    if let Err(refusal) = invoke_rules::check(&body, rules) {
        panic!("{refusal:?}\n{body}");
    }
}

#[test]
fn what_is_in_order_passes() {
    for rules in [claude(), middle(), newest(), old()] {
        passes(&rules, json!({}));
        passes(
            &rules,
            looped(
                json!([text(), call("a"), call("b")]),
                json!([result("b"), result("a"), text()]),
            ),
        );
        passes(
            &rules,
            json!({
                "tools": [{"name": "Bash", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
                "tool_choice": {"type": "tool", "name": "Bash"},
                "metadata": {"user_id": "u"}, "stop_sequences": ["END"],
                "system": [{"type": "text", "text": "be good", "cache_control": {"type": "ephemeral"}}],
            }),
        );
    }
    let thought =
        json!({"type": "thinking", "thinking": "hm", "signature": signature(&claude(), "hm")});
    let hidden = json!({"type": "redacted_thinking", "data": redacted(&claude(), "x")});
    let mut body = looped(json!([thought, hidden, call("a")]), json!([result("a")]));
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    body["max_tokens"] = json!(4000);
    body["anthropic_beta"] =
        json!(["context-management-2025-06-27", "interleaved-thinking-2025-05-14"]);
    body["context_management"] =
        json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    passes(&claude(), body);
    passes(&claude(), json!({"temperature": 0.5}));
    passes(&claude(), json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}));
    passes(
        &claude(),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]}),
    );
    passes(
        &claude(),
        json!({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
    );
    passes(&claude(), beta("tool-search-tool-2025-10-19", tool(json!({"defer_loading": true}))));
    passes(
        &claude(),
        beta(
            "fine-grained-tool-streaming-2025-05-14",
            tool(json!({"eager_input_streaming": true})),
        ),
    );
    passes(
        &middle(),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    );
    passes(
        &middle(),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}),
    );
    passes(&newest(), json!({"anthropic_version": "2026-10-21", "thinking": {"type": "adaptive"}}));
    passes(
        &newest(),
        beta(
            "thinking-display-updates-2026-08-18",
            json!({"thinking": {"type": "adaptive", "display": "updates"}}),
        ),
    );
    let opus = Rules::bedrock("us.anthropic.claude-opus-4-5-20251101-v1:0");
    passes(&opus, beta("effort-2025-11-24", json!({"output_config": {"effort": "low"}})));
    let latest = Rules::bedrock("us.anthropic.claude-opus-5-5");
    let system = json!({"messages": [
        {"role": "user", "content": "hi"}, {"role": "system", "content": "now"},
    ]});
    passes(&latest, system.clone());
    refused(&newest(), system, "messages.1.role: Input should be 'user' or 'assistant'");
    let late = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "now", "output_config": {"effort": "low"}},
    ]});
    passes(&newest(), beta("mid-conversation-output-config-2026-07-01", late));
}

#[test]
fn the_fields_at_the_top_are_checked() {
    let thinking =
        |kind: &str| json!({"thinking": {"type": kind, "budget_tokens": 2000}, "max_tokens": 4000});
    let clears = json!({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}});
    for (rules, patch, wanted) in [
        (claude(), json!({"model": "x"}), "model: Extra inputs are not permitted"),
        (claude(), json!({"stream": true}), "stream: Extra inputs are not permitted"),
        (claude(), json!({"anthropic_version": null}), "anthropic_version: Field required"),
        (claude(), json!({"anthropic_version": "2023-06-01"}), "anthropic_version: "),
        (
            claude(),
            json!({"anthropic_version": "2026-10-21"}),
            "Input should be 'bedrock-2023-05-31'",
        ),
        (
            middle(),
            json!({"anthropic_version": "2026-10-21"}),
            "Input should be 'bedrock-2023-05-31'",
        ),
        (claude(), json!({"max_tokens": null}), "max_tokens: Field required"),
        (
            claude(),
            json!({"max_tokens": 0}),
            "max_tokens: Input should be greater than or equal to 1",
        ),
        (claude(), json!({"max_tokens": "9"}), "max_tokens: Input should be a valid integer"),
        (
            claude(),
            json!({"max_tokens": 64_001}),
            "max_tokens: 64001 > 64000, which is the maximum",
        ),
        (claude(), json!({"messages": null}), "messages: Field required"),
        (claude(), json!({"messages": []}), "at least one message is required"),
        (claude(), json!({"anthropic_beta": "a"}), "anthropic_beta: Input should be a valid array"),
        (claude(), json!({"anthropic_beta": ["claude-code-20250219"]}), "invalid beta flag"),
        (claude(), json!({"anthropic_beta": ["oauth-2025-04-20"]}), "invalid beta flag"),
        (
            old(),
            json!({"anthropic_beta": ["interleaved-thinking-2025-05-14"]}),
            "invalid beta flag",
        ),
        (claude(), json!({"cache_control": {"type": "ephemeral"}}), "cache_control: Extra inputs"),
        (claude(), json!({"service_tier": "auto"}), "service_tier: Extra inputs"),
        (claude(), json!({"container": "c"}), "container: Extra inputs"),
        (claude(), json!({"mcp_servers": []}), "mcp_servers: Extra inputs"),
        (claude(), json!({"inference_geo": "us"}), "inference_geo: Extra inputs"),
        (claude(), json!({"speed": "fast"}), "speed: Extra inputs"),
        (claude(), json!({"output_format": {}}), "output_format: Extra inputs"),
        (claude(), json!({"metadata": {"a": "b"}}), "metadata.a: Extra inputs"),
        (
            claude(),
            json!({"stop_sequences": [" "]}),
            "each stop sequence must contain non-whitespace",
        ),
        (claude(), json!({"temperature": 1.5}), "temperature: range: 0..1"),
        (claude(), json!({"temperature": 1, "top_p": 1}), "cannot both be specified"),
        (newest(), json!({"temperature": 1}), "`temperature` is deprecated for this model."),
        (newest(), json!({"top_p": 1}), "`top_p` is deprecated for this model."),
        (newest(), json!({"top_k": 1}), "`top_k` is deprecated for this model."),
        (
            newest(),
            thinking("enabled"),
            "\"thinking.type.enabled\" is not supported for this model",
        ),
        (
            claude(),
            json!({"thinking": {"type": "adaptive"}}),
            "adaptive thinking is not supported on this model",
        ),
        (claude(), thinking("between_tools"), "thinking: Input tag 'between_tools'"),
        (claude(), json!({"thinking": {"type": "enabled"}}), "budget_tokens: Field required"),
        (
            claude(),
            json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}),
            "greater than or equal to 1024",
        ),
        (
            claude(),
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000}),
            "`max_tokens` must be greater than",
        ),
        (
            newest(),
            json!({"thinking": {"type": "adaptive", "budget_tokens": 9}}),
            "thinking.adaptive.budget_tokens: Extra inputs",
        ),
        (
            newest(),
            json!({"thinking": {"type": "adaptive", "display": "updates"}}),
            "thinking.adaptive.display: Input should be",
        ),
        (old(), thinking("enabled"), "thinking: Extra inputs"),
        (
            claude(),
            json!({"output_config": {"effort": "low"}}),
            "output_config.effort: Extra inputs are not permitted",
        ),
        (old(), json!({"output_config": {"format": {}}}), "output_config.format: Extra inputs"),
        (
            middle(),
            json!({"output_config": {"effort": "huge"}}),
            "output_config.effort: Input should be",
        ),
        (claude(), clears.clone(), "context_management: Extra inputs are not permitted"),
        (
            claude(),
            beta("context-management-2025-06-27", clears),
            "strategy requires `thinking` to be enabled or adaptive",
        ),
        (
            claude(),
            beta(
                "context-management-2025-06-27",
                json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),
            ),
            "Input tag 'compact_20260112'",
        ),
        (Rules::bedrock("amazon.nova-pro-v1:0"), json!({}), "Malformed input request"),
        (
            claude().with_window(10),
            json!({"messages": [{"role": "user", "content": "x".repeat(400)}]}),
            "prompt is too long: ",
        ),
    ] {
        refused(&rules, patch, wanted);
    }
}

#[test]
fn tools_are_checked() {
    let server = |kind: &str| json!({"tools": [{"type": kind, "name": "w"}]});
    let twice = tool(json!({}))["tools"][0].clone();
    let mut forced = tool(json!({}));
    forced["tool_choice"] = json!({"type": "any"});
    forced["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    forced["max_tokens"] = json!(4000);
    for (patch, wanted) in [
        (
            tool(json!({"defer_loading": true})),
            "tools.0.custom.defer_loading: Extra inputs are not permitted",
        ),
        (tool(json!({"input_examples": []})), "tools.0.custom.input_examples: Extra inputs"),
        (
            tool(json!({"eager_input_streaming": true})),
            "tools.0.custom.eager_input_streaming: Extra inputs",
        ),
        (tool(json!({"allowed_callers": []})), "tools.0.custom.allowed_callers: Extra inputs"),
        (tool(json!({"custom": {}})), "tools.0.custom.custom: Extra inputs"),
        (tool(json!({"name": null})), "tools.0.custom.name: Field required"),
        (tool(json!({"name": "a.b"})), "tools.0.custom.name: String should match pattern"),
        (tool(json!({"input_schema": null})), "tools.0.custom.input_schema: Field required"),
        (tool(json!({"input_schema": {}})), "tools.0.custom.input_schema.type: Field required"),
        (tool(json!({"input_schema": {"type": "string"}})), "Input should be 'object'"),
        (
            tool(json!({"input_schema": {"type": "object", "anyOf": []}})),
            "does not support oneOf, allOf, or anyOf at the top level",
        ),
        (
            tool(json!({"cache_control": {"type": "ephemeral", "scope": "global"}})),
            "tools.0.custom.cache_control.ephemeral.scope: Extra inputs",
        ),
        (
            server("web_search_20250305"),
            "tools.0: Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags: 'bash_20250124', 'custom'",
        ),
        (server("web_fetch_20250910"), "Input tag 'web_fetch_20250910'"),
        (server("code_execution_20250825"), "Input tag 'code_execution_20250825'"),
        (server("computer_20250124"), "Input tag 'computer_20250124'"),
        (server("tool_search_tool_regex_20251119"), "Input tag 'tool_search_tool_regex_20251119'"),
        (json!({"tools": [twice, twice]}), "tools: Tool names must be unique."),
        (json!({"tool_choice": {"type": "any"}}), "may only be specified while providing tools"),
        (
            patched(tool(json!({})), json!({"tool_choice": {"type": "tool", "name": "Read"}})),
            "Tool 'Read' not found",
        ),
        (
            patched(tool(json!({})), json!({"tool_choice": {"type": "some"}})),
            "tool_choice: Input tag 'some'",
        ),
        (forced, "Thinking may not be enabled when tool_choice forces tool use."),
    ] {
        refused(&claude(), patch, wanted);
    }
    refused(&old(), tool(json!({"strict": true})), "tools.0.custom.strict: Extra inputs");
}

#[test]
fn messages_are_checked() {
    let image = |source: Value| says(json!([{"type": "image", "source": source}]));
    let cached =
        |cache: Value| says(json!([{"type": "text", "text": "a", "cache_control": cache}]));
    let point = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    let signed = |text: &str, rules: &Rules, of: &str| {
        answers(json!([{"type": "thinking", "thinking": text, "signature": signature(rules, of)}]))
    };
    let mut budgeted = looped(json!([call("a")]), json!([result("a")]));
    budgeted["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    budgeted["max_tokens"] = json!(4000);
    let inner = |block: Value| {
        let result = json!({"type": "tool_result", "tool_use_id": "a", "content": [block]});
        looped(json!([call("a")]), json!([result]))
    };
    for (rules, patch, wanted) in [
        (
            claude(),
            json!({"messages": [{"role": "assistant", "content": "a"}]}),
            "first message must use the \"user\" role",
        ),
        (
            claude(),
            json!({"messages": [{"role": "system", "content": "a"}]}),
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        (
            claude(),
            json!({"messages": [{"role": "user", "content": ""}]}),
            "must have non-empty content",
        ),
        (
            claude(),
            json!({"messages": [{"role": "user", "content": " "}]}),
            "must contain non-whitespace text",
        ),
        (claude(), json!({"messages": [{"role": "user"}]}), "messages.0.content: Field required"),
        (claude(), says(json!([])), "must have non-empty content"),
        (
            claude(),
            says(json!([{"type": "text", "text": ""}])),
            "messages: text content blocks must be non-empty",
        ),
        (
            claude(),
            json!({"system": [{"type": "text", "text": ""}]}),
            "system: text content blocks must be non-empty",
        ),
        (claude(), json!({"system": [{"type": "image"}]}), "system.0.type: Input should be 'text'"),
        (
            claude(),
            json!({"messages": [{"role": "user", "content": "a", "output_config": {}}]}),
            "messages.0.output_config: Extra inputs",
        ),
        (
            claude(),
            says(json!([{"type": "text", "text": "a", "id": 1}])),
            "messages.0.content.0.text.id: Extra inputs",
        ),
        (
            claude(),
            says(json!([{"type": "tool_addition"}])),
            "messages.0.content.0: Input tag 'tool_addition'",
        ),
        (claude(), says(json!([call("a")])), "Input tag 'tool_use'"),
        (
            claude(),
            answers(
                json!([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}]),
            ),
            "Input tag 'server_tool_use'",
        ),
        (
            claude(),
            answers(json!([{"type": "document", "source": {"type": "text", "data": "a"}}])),
            "Input tag 'document'",
        ),
        (
            claude(),
            cached(json!({"type": "ephemeral", "scope": "global"})),
            "messages.0.content.0.text.cache_control.ephemeral.scope: Extra inputs",
        ),
        (
            claude(),
            cached(json!({"type": "forever"})),
            "cache_control.type: Input should be 'ephemeral'",
        ),
        (
            old(),
            cached(json!({"type": "ephemeral", "ttl": "1h"})),
            "cache_control.ephemeral.ttl: Extra inputs",
        ),
        (
            claude(),
            says(json!([point, point, point, point, point])),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            claude(),
            says(
                json!([point, {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
            ),
            "a ttl='1h' cache_control block must not come after",
        ),
        (
            claude(),
            answers(
                json!([{"type": "thinking", "thinking": "a", "signature": "b", "cache_control": {}}]),
            ),
            "thinking.cache_control: Extra inputs",
        ),
        (
            claude(),
            image(json!({"type": "url", "url": "https://example.org/a.png"})),
            "messages.0.content.0.image.source: Input tag 'url'",
        ),
        (claude(), image(json!({"type": "file", "file_id": "f"})), "Input tag 'file'"),
        (
            claude(),
            image(json!({"type": "base64", "media_type": "image/tiff", "data": "aGk="})),
            "media_type: Input should be 'image/jpeg'",
        ),
        (
            claude(),
            image(json!({"type": "base64", "media_type": "image/png", "data": "?"})),
            "invalid base64 data",
        ),
        (
            claude(),
            says(json!([text(), {"type": "document", "source": {"type": "url", "url": "u"}}])),
            "document.source: Input tag 'url'",
        ),
        (
            claude(),
            inner(json!({"type": "image", "source": {"type": "url", "url": "u"}})),
            "tool_result.content.0.image.source: Input tag 'url'",
        ),
        (
            claude(),
            inner(json!({"type": "tool_reference", "tool_name": "Bash"})),
            "Input tag 'tool_reference'",
        ),
        (
            claude(),
            signed("a", &claude(), "b"),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (claude(), signed("a", &newest(), "a"), "Invalid `signature`"),
        (claude(), signed("a", &claude().with_signer("other"), "a"), "Invalid `signature`"),
        (
            claude(),
            answers(json!([{"type": "thinking", "thinking": "a"}])),
            "thinking.signature: Field required",
        ),
        (
            claude(),
            answers(json!([{"type": "redacted_thinking", "data": "aGk="}])),
            "Invalid `data` in `redacted_thinking` block",
        ),
        (
            claude(),
            looped(json!([call("a.b")]), json!([result("a.b")])),
            "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        ),
        (
            claude(),
            looped(
                json!([{"type": "tool_use", "id": "a", "name": "B", "input": "{}"}]),
                json!([result("a")]),
            ),
            "tool_use.input: Input should be a valid dictionary",
        ),
        (
            claude(),
            looped(json!([call("a")]), json!([text()])),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a",
        ),
        (
            claude(),
            looped(json!([call("a")]), json!([text(), result("a")])),
            "immediately after: a",
        ),
        (
            claude(),
            looped(json!([call("a")]), json!([result("a"), result("b")])),
            "unexpected `tool_use_id` found in `tool_result` blocks: b",
        ),
        (
            claude(),
            looped(json!([call("a")]), json!([result("a"), result("a")])),
            "each tool_use must have a single result",
        ),
        (
            claude(),
            looped(json!([call("a"), call("a")]), json!([result("a")])),
            "ids must be unique",
        ),
        (claude(), says(json!([result("a")])), "unexpected `tool_use_id`"),
        (
            claude(),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [call("a")]}]}),
            "immediately after: a",
        ),
        (
            middle(),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]}),
            "does not support assistant message prefill",
        ),
        (claude(), budgeted, "Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
        (
            newest(),
            patched(
                says(json!([{"type": "text", "text": "a", "citations": []}])),
                json!({"anthropic_version": "2026-10-21"}),
            ),
            "text.citations: Extra inputs",
        ),
    ] {
        refused(&rules, patch, wanted);
    }
}
