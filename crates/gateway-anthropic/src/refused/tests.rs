//! Refusals as servers write them, and what comes of them.

use serde_json::json;

use super::*;
use crate::edit::edit;

fn anthropic(message: &str) -> Vec<u8> {
    let error = json!({"type": "invalid_request_error", "message": message});
    json!({"type": "error", "error": error, "request_id": "r"}).to_string().into_bytes()
}

fn betas(names: &[&str]) -> Refused {
    Refused::Betas(names.iter().map(|name| (*name).to_owned()).collect())
}

fn field(name: &'static str) -> Refused {
    assert!(LEAVABLE.contains(&name), "{name}");
    Refused::Field(name)
}

#[test]
fn c08_r20_a_refusal_in_anthropics_words_names_what_can_be_left_out() {
    for (message, taught) in [
        ("context_management: Extra inputs are not permitted", field("context_management")),
        ("metadata.x: Extra inputs are not permitted", field("metadata")),
        (
            "messages.1.output_config: Extra inputs are not permitted",
            field("messages.output_config"),
        ),
        ("output_config: Extra inputs are not permitted", field("output_config")),
        ("output_config.effort: Extra inputs are not permitted", field("output_config.effort")),
        (
            "tools.0.custom.defer_loading: Extra inputs are not permitted",
            field("tools.defer_loading"),
        ),
        (
            "tools.3.custom.input_examples: Extra inputs are not permitted",
            field("tools.input_examples"),
        ),
        ("tools.0.custom.strict: Extra inputs are not permitted", field("tools.strict")),
        ("cache_control: Extra inputs are not permitted", field("#automatic_caching")),
        (
            "system.1.cache_control.ephemeral.scope: Extra inputs are not permitted",
            field("#cache_control.scope"),
        ),
        (
            "messages.0.content.2.text.cache_control.ephemeral.ttl: Extra inputs are not permitted",
            field("#cache_control.ttl"),
        ),
        ("system.0.cache_control: Extra inputs are not permitted", field("cache_control")),
        ("temperature: Extra inputs are not permitted", field("temperature")),
        ("`temperature` is deprecated for this model.", field("temperature")),
        (
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            Refused::BothSamplers,
        ),
        ("This model does not support the effort parameter", field("output_config.effort")),
        ("adaptive thinking is not supported on this model", field("thinking")),
        (
            "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
            field("thinking.display"),
        ),
        ("messages.1.role: Input should be 'user' or 'assistant'", Refused::SystemRole),
        ("role 'system' is not supported on this model", Refused::SystemRole),
        ("capability_rejected: mid_conv_system", Refused::SystemRole),
        ("capability_rejected: effort_unsupported", field("output_config.effort")),
        ("capability_rejected: beta_header:files-api-2025-04-14", betas(&["files-api-2025-04-14"])),
        (
            "Unexpected value(s) `a-2026-01-05`, `b-2025-12-15` for the `anthropic-beta` header. Please \
             consult our documentation at docs.anthropic.com or try again without the header.",
            betas(&["a-2026-01-05", "b-2025-12-15"]),
        ),
        (
            "The long context beta is not yet available for this subscription.",
            betas(&["context-1m-2025-08-07"]),
        ),
        ("invalid beta flag", Refused::SomeBeta),
        ("messages.5.content.0: Invalid `signature` in `thinking` block", Refused::History),
        (
            "messages.3.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant \
             message cannot be modified.",
            Refused::History,
        ),
        (
            "messages.1.content.0.tool_result.content.0: Input tag 'tool_reference' found using 'type' \
             does not match any of the expected tags: 'image', 'text'",
            field("tools.defer_loading"),
        ),
    ] {
        assert_eq!(refused(&anthropic(message)), Some(taught), "{message}");
    }
}

#[test]
fn r30_other_servers_say_it_in_their_own_way() {
    for (body, taught) in [
        (
            r#"{"message":"context_management: Extra inputs are not permitted"}"#,
            field("context_management"),
        ),
        (r#"{"message":"invalid beta flag"}"#, Refused::SomeBeta),
        (
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","metadata"],"msg":"Extra inputs are not permitted","input":{}}]}"#,
            field("metadata"),
        ),
        (
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"strict"],"msg":"Extra inputs are not permitted"}]}"#,
            field("tools.strict"),
        ),
        (
            r#"{"error":{"message":"1 validation error:\n  {'type': 'extra_forbidden', 'loc': ('body', 'thinking', 'display'), 'msg': 'Extra inputs are not permitted', 'input': 'omitted'}","type":"Bad Request","code":400}}"#,
            field("thinking.display"),
        ),
        (
            r#"{"error":{"message":"1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'messages', 1, 'role'), 'msg': \"Input should be 'user' or 'assistant'\", 'input': 'system'}","type":"Bad Request","code":400}}"#,
            Refused::SystemRole,
        ),
        (
            r#"{"error":{"message":"{'type': 'literal_error', 'loc': ('body', 'messages', 1, 'content', 0, 'type'), 'msg': \"Input should be 'text' or 'image'\", 'input': 'thinking'}"}}"#,
            Refused::History,
        ),
        (
            r#"{"type":"error","error":{"message":"request.messages.1.role: Invalid discriminator value. Expected 'user' | 'assistant'"}}"#,
            Refused::SystemRole,
        ),
        (
            r#"{"error":{"message":"invalid thinking: only type=enabled is allowed for this model"}}"#,
            field("thinking"),
        ),
        (r#"{"error":{"message":"\"llama3.1:8b\" does not support thinking"}}"#, field("thinking")),
        (r#"{"error":"json: unknown field \"metadata\""}"#, field("metadata")),
        (
            r#"{"error":{"message":"unknown field `speed`, expected one of `model`"}}"#,
            field("speed"),
        ),
        (
            r#"{"error":{"message":"Unknown parameter: 'output_config.effort'."}}"#,
            field("output_config.effort"),
        ),
        (
            r#"{"error":{"message":"Unrecognized request argument supplied: metadata"}}"#,
            field("metadata"),
        ),
        (r#"{"error":{"message":"property 'top_k' is unsupported"}}"#, field("top_k")),
        (
            r#"{"error":{"message":"`context_management` is not supported."}}"#,
            field("context_management"),
        ),
        (
            r#"{"error":{"message":"failed to convert tool result content: unsupported content type in ContentBlockParamUnion: tool_reference"}}"#,
            field("tools.defer_loading"),
        ),
        (
            r#"{"error":{"message":"thinking options type cannot be disabled when reasoning_effort is set"}}"#,
            Refused::IdleEffort,
        ),
        // One error inside of another.
        (
            r#"{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"metadata: Extra inputs are not permitted\"}}"}}}"#,
            field("metadata"),
        ),
        ("speed: Extra inputs are not permitted", field("speed")),
    ] {
        assert_eq!(refused(body.as_bytes()), Some(taught), "{body}");
    }
}

#[test]
fn what_is_wrong_about_the_request_itself_teaches_nothing() {
    for message in [
        "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 100000 + 128000 > 200000",
        "messages: text content blocks must be non-empty",
        "messages.0.content.0.image.source.base64.data: Image format image/png not supported",
        "model: Extra inputs are not permitted",
        "messages: Extra inputs are not permitted",
        "stop_sequences: Extra inputs are not permitted",
        "messages.1.content.0.text.foo: Extra inputs are not permitted",
        "tools.0.custom.input_schema: Extra inputs are not permitted",
        "tools.0: Input tag 'web_search_20250305' found using 'type' does not match",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 3",
        "The `content[].thinking` in the thinking mode must be passed back to the API.",
        "tool_use ids were found without tool_result blocks immediately after: toolu_1",
        "model `x` is not supported",
        "unknown field",
        "is not supported",
        ": Extra inputs are not permitted",
        "extra_forbidden 'loc': ('body",
        "é is not supported",
        "",
    ] {
        assert_eq!(refused(&anthropic(message)), None, "{message}");
    }
    for odd in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[[[[[[[[[[[[[[[[[[[[\"x\"]]]]]]]]]]]]]]]]]]]]",
    ] {
        assert_eq!(refused(odd), None);
    }
}

#[test]
fn c08_a_lesson_takes_both_halves_of_a_pair() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EqQB"}, {"type": "text", "text": "t"}]},
        {"role": "user", "content": "go on"}, {"role": "system", "content": "S"}],
        "context_management": {"edits": []}, "output_config": {"effort": "low"},
        "thinking": {"type": "disabled"}})
    .to_string();
    let said = "context-management-2025-06-27,effort-2025-11-24,x";
    for (lesson, gone, kept) in [
        (
            Refused::Field("context_management"),
            &["context_management"][..],
            Some(vec!["effort-2025-11-24", "x"]),
        ),
        (
            Refused::Betas(vec!["effort-2025-11-24".to_owned()]),
            &["output_config"],
            Some(vec!["context-management-2025-06-27", "x"]),
        ),
        (Refused::SomeBeta, &["context_management", "output_config"], Some(vec![])),
        (
            Refused::Field("output_config"),
            &["output_config"],
            Some(vec!["context-management-2025-06-27", "x"]),
        ),
        (Refused::IdleEffort, &["output_config"], None),
        (Refused::SystemRole, &["\"role\":\"system\""], None),
        (Refused::History, &["EqQB"], None),
    ] {
        let policy = Policy::default().without(std::slice::from_ref(&lesson));
        assert!(policy.acts());
        let edited = edit(body.as_bytes(), &policy, said).expect("no error").expect("an edit");
        let after = String::from_utf8_lossy(&edited.body);
        for gone in gone {
            assert!(body.contains(gone) && !after.contains(gone), "{lesson}: {after}");
        }
        let kept = kept.map(|kept| kept.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(edited.betas, kept, "{lesson}");
        assert!(!edited.losses.is_empty(), "{lesson}");
        // What it teaches once is enough: the next request does not hold it any more.
        assert_eq!(
            edit(&edited.body, &policy, &edited.betas.unwrap_or_default().join(","))
                .expect("no error")
                .map(|e| e.body),
            None,
            "{lesson}"
        );
    }
    assert!(Refused::SystemRole.is_lasting() && !Refused::History.is_lasting());
}

#[test]
fn two_samplers_in_one_request_say_nothing_of_requests_with_one() {
    let policy = Policy::default().without(&[Refused::BothSamplers]);
    let body = br#"{"model":"m","temperature":0.5,"top_p":0.9,"messages":[]}"#;
    let edited = edit(body, &policy, "").expect("no error").expect("an edit");
    assert_eq!(edited.body, br#"{"model":"m","temperature":0.5,"messages":[]}"#[..]);
    assert!(!edited.losses.is_empty());
    assert!(!Refused::BothSamplers.is_lasting() && Refused::Field("top_p").is_lasting());
}

#[test]
fn every_field_that_can_be_left_out_goes() {
    let block = json!({"type": "text", "text": "t",
        "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}});
    let own = json!({"role": "user", "content": [block], "output_config": {}, "clear_at": 1});
    for name in LEAVABLE {
        let mut body = json!({"model": "m", "cache_control": {"type": "ephemeral"}, "messages": [own],
            "tools": [{"name": "a", "input_schema": {}, "defer_loading": false, "strict": true,
                "input_examples": [], "eager_input_streaming": true, "allowed_callers": [], "custom": {}}],
            "thinking": {"type": "adaptive", "display": "omitted"},
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "output_config": {"effort": "low", "format": {}, "task_budget": {}}});
        if !name.contains(['.', '#']) && body.get(name).is_none() {
            body[*name] = json!({"a": 1});
        }
        let policy = Policy::default().without(&[Refused::Field(name)]);
        let edited = edit(body.to_string().as_bytes(), &policy, "").expect("no error");
        let edited = edited.unwrap_or_else(|| panic!("{name} stays"));
        let last = name.trim_start_matches('#').rsplit('.').next().expect("a name");
        let last = if last == "automatic_caching" { "cache_control" } else { last };
        let path = |l: &gateway_types::Loss| l.path.ends_with(last);
        assert!(edited.losses.iter().any(path), "{name}: {:?}", edited.losses);
    }
}
