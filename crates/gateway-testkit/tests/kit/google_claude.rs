//! Every rule of Claude at Vertex AI: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::google::{Asked, Call, Rules, Turn, claude_reply, claude_rules};
use serde_json::{Value, json};

use crate::openai_chat::patched;

const NEW: &str = "claude-opus-5-5";
const OLD: &str = "claude-sonnet-4-5@20250929";

fn base() -> Value {
    json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
    })
}

fn ask<'a>(model: &'a str, betas: &'a str) -> Call<'a> {
    Call { model, betas, streams: false }
}

fn refused(call: Call<'_>, patch: Value, wanted: &str) {
    let body = patched(base(), patch);
    let Err(refusal) = claude_rules::check(&body, call, &Rules::vertex(call.model)) else {
        panic!("not refused: {body}")
    };
    assert!(refusal.message.contains(wanted), "{}\nlacks {wanted:?}\n{body}", refusal.message);
    let error = refusal.body();
    assert_eq!(
        (&error["type"], &error["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
}

fn passes(call: Call<'_>, patch: Value) {
    let body = patched(base(), patch);
    if let Err(refusal) = claude_rules::check(&body, call, &Rules::vertex(call.model)) {
        panic!("{refusal:?}\n{body}");
    }
}

fn user(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

fn tool() -> Value {
    json!({"name": "Bash", "description": "d", "input_schema": {"type": "object", "$schema": "x"}})
}

/// A step: thinking and a call as this server gives them, and the call's result.
fn step(model: &str, account: &str) -> Vec<Value> {
    let rules = Rules::vertex(model).with_account(account);
    let body = json!({"thinking": {"type": "adaptive"}});
    let turn = Turn::reasoning(&["hm"]).and_call("Bash", &json!({"cache_control": 1}));
    let said = claude_reply::body(&turn, Asked { body: &body, model, index: 0, rules: &rules });
    let id = &said["content"][1]["id"];
    vec![
        json!({"role": "user", "content": "go"}),
        json!({"role": "assistant", "content": said["content"]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "x"}]}),
    ]
}

#[test]
fn what_is_in_order_passes() {
    let ephemeral = json!({"type": "ephemeral", "ttl": "1h"});
    let mut messages = step(NEW, "account-test");
    messages.push(json!({"role": "system", "content": "remember"}));
    let body = json!({
        "system": [{"type": "text", "text": "be good", "cache_control": ephemeral}],
        "messages": messages, "tools": [tool(), {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "auto"}, "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "xhigh"}, "metadata": {"user_id": "u"}, "stop_sequences": ["a"],
    });
    passes(ask(NEW, "interleaved-thinking-2025-05-14, context-1m-2025-08-07"), body);
    passes(ask(NEW, ""), json!({"anthropic_version": "2026-10-21"}));
    let sampled = json!({"temperature": 0.5, "top_k": 5, "thinking": {"type": "disabled"}});
    passes(ask(OLD, ""), sampled);
    let budget =
        json!({"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 2000}});
    passes(ask(OLD, ""), budget);
    let updates = json!({"thinking": {"type": "adaptive", "display": "updates"}});
    passes(ask(NEW, "thinking-display-updates-2026-08-18"), updates);
    let managed = json!({"context_management": {"edits": []}});
    passes(ask(NEW, "context-management-2025-06-27"), managed);
    let stream = Call { streams: true, ..ask(NEW, "") };
    passes(stream, json!({"stream": true}));
    let deferred = patched(tool(), json!({"defer_loading": true}));
    passes(ask(NEW, "tool-search-tool-2025-10-19"), json!({"tools": [deferred]}));
    // A prefill is for the older ones.
    let prefill = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    passes(ask(OLD, ""), json!({ "messages": prefill }));
}

#[test]
fn fields_at_the_top() {
    for (model, betas, patch, part) in [
        (NEW, "", json!({"model": NEW}), "model: Extra inputs are not permitted"),
        (NEW, "", json!({"mcp_servers": []}), "mcp_servers: Extra inputs"),
        (NEW, "", json!({"container": "x"}), "container: Extra inputs"),
        (NEW, "", json!({"service_tier": "auto"}), "service_tier: Extra inputs"),
        (NEW, "", json!({"speed": "fast"}), "speed: Extra inputs"),
        (NEW, "", json!({"anthropic_version": null}), "anthropic_version: Field required"),
        (
            NEW,
            "",
            json!({"anthropic_version": "2023-06-01"}),
            "anthropic_version: Input should be 'vertex-2023-10-16'",
        ),
        (NEW, "", json!({"stream": true}), "streamRawPredict"),
        (NEW, "", json!({"max_tokens": null}), "max_tokens: Field required"),
        (NEW, "", json!({"max_tokens": 0}), "greater than or equal to 1"),
        (
            NEW,
            "",
            json!({"max_tokens": 200_000}),
            "max_tokens: 200000 > 128000, which is the maximum allowed",
        ),
        (
            NEW,
            "files-api-2025-04-14",
            json!({}),
            "Unexpected value(s) `files-api-2025-04-14` for the `anthropic-beta` header.",
        ),
        (NEW, "", json!({"temperature": 1}), "`temperature` is deprecated for this model."),
        (NEW, "", json!({"top_k": 1}), "`top_k` is deprecated"),
        (OLD, "", json!({"anthropic_version": "2026-10-21", "top_p": 1}), "top_p: Extra inputs"),
        (OLD, "", json!({"temperature": 2}), "temperature: range: 0..1"),
        (OLD, "", json!({"temperature": 0.5, "top_p": 0.5}), "cannot both be specified"),
        (NEW, "", json!({"context_management": {}}), "context_management: Extra inputs"),
        (NEW, "", json!({"metadata": {"a": 1}}), "metadata.a: Extra inputs"),
        (NEW, "", json!({"stop_sequences": [" "]}), "must contain non-whitespace"),
        (
            NEW,
            "",
            json!({"output_config": {"effort": "huge"}}),
            "output_config.effort: Input should be",
        ),
        (
            OLD,
            "",
            json!({"output_config": {"effort": "low"}}),
            "output_config.effort: Extra inputs",
        ),
        (
            NEW,
            "",
            json!({"output_config": {"task_budget": 1}}),
            "output_config.task_budget: Extra inputs",
        ),
    ] {
        refused(ask(model, betas), patch, part);
    }
    refused(Call { streams: true, ..ask(NEW, "") }, json!({}), "needs `stream` to be true");
    let long = patched(base(), user(json!("x".repeat(8000))));
    let refusal = claude_rules::check(&long, ask(NEW, ""), &Rules::vertex(NEW).with_window(1000));
    assert_eq!(
        refusal.expect_err("refused").message,
        "prompt is too long: 2006 tokens > 1000 maximum"
    );
}

#[test]
fn thinking() {
    for (model, thinking, part) in [
        (
            NEW,
            json!({"type": "enabled", "budget_tokens": 2000}),
            "\"thinking.type.enabled\" is not supported for this model.",
        ),
        (
            NEW,
            json!({"type": "adaptive", "display": "updates"}),
            "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
        ),
        (NEW, json!({"type": "between_tools"}), "Input tag 'between_tools'"),
        (
            NEW,
            json!({"type": "disabled", "display": "omitted"}),
            "thinking.disabled.display: Extra inputs",
        ),
        (OLD, json!({"type": "adaptive"}), "adaptive thinking is not supported"),
        (OLD, json!({"type": "enabled", "budget_tokens": 10}), "greater than or equal to 1024"),
        (
            OLD,
            json!({"type": "enabled", "budget_tokens": 2000}),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
    ] {
        refused(ask(model, ""), json!({ "thinking": thinking }), part);
    }
    let forced = json!({"thinking": {"type": "adaptive"}, "tools": [tool()], "tool_choice": {"type": "any"}});
    refused(ask(NEW, ""), forced, "tool_choice forces tool use");
    let budget = json!({"type": "enabled", "budget_tokens": 2000});
    let mut messages = step(OLD, "account-test");
    passes(ask(OLD, ""), json!({"max_tokens": 3000, "thinking": budget, "messages": messages}));
    messages[1]["content"].as_array_mut().expect("blocks").remove(0);
    refused(
        ask(OLD, ""),
        json!({"max_tokens": 3000, "thinking": budget, "messages": messages}),
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    );
}

#[test]
fn signatures_are_its_own() {
    let invalid = "messages.1.content.0: Invalid `signature` in `thinking` block";
    let with = |name: &str, value: Value| {
        let mut messages = step(NEW, "account-test");
        messages[1]["content"][0][name] = value;
        json!({ "messages": messages })
    };
    passes(ask(NEW, ""), json!({"messages": step(NEW, "account-test")}));
    refused(ask(NEW, ""), json!({"messages": step(NEW, "account-other")}), invalid);
    for signature in ["gw1.abc", "", "ErUBCkYICBgCIkDforeign"] {
        refused(ask(NEW, ""), with("signature", json!(signature)), invalid);
    }
    refused(ask(NEW, ""), with("thinking", json!("changed")), invalid);
    refused(ask(NEW, ""), with("signature", Value::Null), "signature: Field required");
    let redacted =
        json!({"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]});
    let user = json!({"role": "user", "content": "a"});
    refused(ask(NEW, ""), json!({"messages": [user, redacted, user]}), "Invalid `signature`");
}

#[test]
fn messages_and_blocks() {
    let url = json!({"type": "url", "url": "https://a.example/b.png"});
    let gif = json!({"type": "base64", "media_type": "image/tiff", "data": "aa"});
    let scoped = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "global"}});
    let marked = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    for (patch, part) in [
        (json!({"messages": []}), "at least one message is required"),
        (json!({"messages": [{"role": "model", "content": "a"}]}), "messages.0.role"),
        (
            json!({"messages": [{"role": "user", "content": "a", "output_config": {}}]}),
            "messages.0.output_config: Extra inputs",
        ),
        (user(json!("")), "all messages must have non-empty content"),
        (user(json!(1)), "valid string or list"),
        (user(json!([{"type": "text", "text": ""}])), "text content blocks must be non-empty"),
        (user(json!([{"type": "text", "text": " "}])), "must contain non-whitespace text"),
        (
            user(json!([{"type": "text", "text": "a", "x": 1}])),
            "messages.0.content.0.text.x: Extra inputs",
        ),
        (
            user(json!([{"type": "image", "source": url}])),
            "messages.0.content.0.image.source: Input tag 'url' found using 'type' does not match any of the expected tags: 'base64'",
        ),
        (
            user(json!([{"type": "document", "source": {"type": "file", "file_id": "f"}}])),
            "Input tag 'file'",
        ),
        (
            user(json!([{"type": "image", "source": gif}])),
            "media_type: Input should be 'image/png'",
        ),
        (
            user(json!([{"type": "thinking", "thinking": "a", "signature": "b"}])),
            "Input tag 'thinking'",
        ),
        (user(json!([scoped])), "messages.0.content.0.cache_control.ephemeral.scope: Extra inputs"),
        (
            user(json!([marked, marked, marked, marked, marked])),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (user(json!([{"type": "tool_reference", "tool_name": "a"}])), "Input tag 'tool_reference'"),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "x"}])),
            "unexpected `tool_use_id` found in `tool_result` blocks: x.",
        ),
        (json!({"system": [{"type": "image"}]}), "system.0.type: Input should be 'text'"),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            "does not support assistant message prefill",
        ),
    ] {
        refused(ask(NEW, ""), patch, part);
    }
    let mut lone = step(NEW, "account-test");
    lone[2] = json!({"role": "user", "content": "never mind"});
    refused(
        ask(NEW, ""),
        json!({ "messages": lone }),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_vrtx_01",
    );
    let mut odd = step(NEW, "account-test");
    odd[1]["content"][1]["id"] = json!("a.b");
    refused(ask(NEW, ""), json!({ "messages": odd }), "tool_use.id: String should match pattern");
    // What the newer version of the interface refuses besides.
    let newest = |messages: Value| json!({"anthropic_version": "2026-10-21", "messages": messages});
    let document = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}});
    let user = json!({"role": "user", "content": "a"});
    let said = json!([user, {"role": "assistant", "content": [document]}, user]);
    passes(ask(NEW, ""), json!({ "messages": said }));
    refused(ask(NEW, ""), newest(said), "Input tag 'document'");
    let cited =
        json!([{"role": "user", "content": [{"type": "text", "text": "a", "citations": [{}]}]}]);
    refused(ask(NEW, ""), newest(cited), "text.citations: Extra inputs");
}

#[test]
fn tools() {
    let one = |patch: Value| json!({"tools": [patched(tool(), patch)]});
    for (patch, part) in [
        (json!({"tools": [tool(), tool()]}), "tools: Tool names must be unique."),
        (one(json!({"name": "a.b"})), "tools.0.custom.name: String should match pattern"),
        (one(json!({"input_schema": {}})), "tools.0.custom.input_schema.type: Field required"),
        (one(json!({"defer_loading": true})), "tools.0.custom.defer_loading: Extra inputs"),
        (one(json!({"eager_input_streaming": true})), "eager_input_streaming: Extra inputs"),
        (
            json!({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
            "tools.0: Input tag 'web_fetch_20250910'",
        ),
        (
            json!({"tools": [{"type": "code_execution_20250825", "name": "c"}]}),
            "Input tag 'code_execution_20250825'",
        ),
        (json!({"tool_choice": {"type": "auto"}}), "may only be specified while providing tools"),
        (
            json!({"tools": [tool()], "tool_choice": {"type": "tool", "name": "Read"}}),
            "Tool 'Read' not found in provided tools",
        ),
        (
            json!({"tools": [tool()], "tool_choice": {"type": "some"}}),
            "tool_choice: Input tag 'some'",
        ),
    ] {
        refused(ask(NEW, ""), patch, part);
    }
}

#[test]
fn a_count_names_its_model() {
    let rules = Rules::vertex(NEW);
    let count = |patch: Value| {
        let body =
            json!({"model": NEW, "messages": [{"role": "user", "content": "x".repeat(400)}]});
        claude_rules::count(&patched(body, patch), "", &rules)
    };
    assert!(count(json!({})).is_ok_and(|tokens| tokens > 100));
    for (patch, part) in [
        (json!({"model": null}), "model: Field required"),
        (
            json!({"model": "claude-9"}),
            "Publisher Model `publishers/anthropic/models/claude-9` was not found",
        ),
        (json!({"max_tokens": 5}), "max_tokens: Extra inputs"),
        (json!({"messages": []}), "at least one message"),
    ] {
        let refusal = count(patch).expect_err("refused");
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
}
