//! What `compat` takes out, in pairs.

use super::*;

const BETAS: &str = "claude-code-20250219,context-management-2025-06-27,per-turn-control-2026-07-01, effort-2025-11-24,\
    structured-outputs-2025-12-15,thinking-display-updates-2026-08-18,fast-mode-2026-02-01,advanced-tool-use-2025-11-20,\
    dangerous-tool-use-2026-09-03,extended-cache-ttl-2025-04-11,mid-conversation-system-2026-04-07";

/// A request with both halves of every pair.
fn paired() -> Value {
    json!({
        "model": "m", "metadata": {"user_id": "u"}, "context_management": {"edits": []}, "speed": "fast",
        "thinking": {"type": "adaptive", "display": "updates"}, "safeguards": [],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "tools": [
            {"name": "DeferredToolPlaceholder", "input_schema": {}, "defer_loading": true},
            {"name": "found", "input_schema": {}, "defer_loading": true, "strict": true},
            {"name": "plain", "input_schema": {"properties": {"cache_control": {}}}, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "output_config": {"effort": "max"}, "content": [{"type": "tool_result", "tool_use_id": "t",
                "content": [{"type": "tool_reference", "tool_name": "found"}], "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "x", "input": {"cache_control": 1, "output_config": 2}}]}]
    })
}

/// Takes out the value at `path` (`*`: of every element), which must be there.
fn without(body: &mut Value, path: &str) {
    match path.split_once('/') {
        None => assert!(body.as_object_mut().expect("an object").remove(path).is_some(), "{path}"),
        Some(("*", rest)) => {
            let all = body.as_array_mut().expect("an array").iter_mut();
            let has = rest.split('/').next().expect("a key");
            all.filter(|one| one.get(has).is_some()).for_each(|one| without(one, rest));
        }
        Some((first, rest)) => without(&mut body[first], rest),
    }
}

#[test]
fn r20_r30_c08_fields_and_betas_go_in_pairs() {
    let fields =
        |names: &[&str]| only(|p| p.drop_fields = names.iter().map(|n| (*n).to_owned()).collect());
    let globs = |names: &[&str]| {
        only(|p| p.drop_betas = BetaPatterns::new(names.iter().copied()).expect("patterns"))
    };
    for (policy, paths, betas) in [
        (fields(&["metadata"]), &["metadata"][..], &[][..]),
        (
            fields(&["context_management"]),
            &["context_management"],
            &["context-management-2025-06-27"],
        ),
        (
            globs(&["context-management-*"]),
            &["context_management"],
            &["context-management-2025-06-27"],
        ),
        (fields(&["speed"]), &["speed"], &["fast-mode-2026-02-01"]),
        (globs(&["fast-mode-2026-02-01"]), &["speed"], &["fast-mode-2026-02-01"]),
        (
            fields(&["thinking.display"]),
            &["thinking/display"],
            &["thinking-display-updates-2026-08-18"],
        ),
        (
            globs(&["thinking-display-*"]),
            &["thinking/display"],
            &["thinking-display-updates-2026-08-18"],
        ),
        (globs(&["dangerous-*"]), &["safeguards"], &["dangerous-tool-use-2026-09-03"]),
        (
            globs(&["effort-*"]),
            &["output_config/effort", "messages/*/output_config"],
            &["effort-2025-11-24", "per-turn-control-2026-07-01"],
        ),
        (
            globs(&["structured-outputs-*"]),
            &["output_config/format", "tools/*/strict"],
            &["structured-outputs-2025-12-15"],
        ),
        (globs(&["per-turn-*"]), &["messages/*/output_config"], &["per-turn-control-2026-07-01"]),
        (
            only(|p| p.strip_output_config = true),
            &["output_config", "messages/*/output_config", "tools/*/strict"],
            &["effort-2025-11-24", "structured-outputs-2025-12-15", "per-turn-control-2026-07-01"],
        ),
        (
            globs(&["extended-cache-ttl-*"]),
            &["cache_control/ttl", "messages/*/content/*/cache_control/ttl"],
            &["extended-cache-ttl-2025-04-11"],
        ),
        (
            only(|p| p.strip_cache_control = true),
            &["cache_control", "tools/*/cache_control", "messages/*/content/*/cache_control"],
            &["extended-cache-ttl-2025-04-11"],
        ),
        // Nothing in the body belongs to it; what nobody knows is dropped as well.
        (globs(&["claude-code-*", "no-such"]), &[], &["claude-code-20250219"]),
    ] {
        let before = paired();
        let mut after = before.clone();
        for path in paths {
            without(&mut after, path);
        }
        let edited = edited(&before.to_string(), &policy, BETAS);
        let body = String::from_utf8_lossy(&edited.body).into_owned();
        assert_eq!(value(&body), after, "{policy:?}");
        let kept = BETAS.split(',').map(str::trim).filter(|beta| !betas.contains(beta));
        let kept: Vec<String> = kept.map(str::to_owned).collect();
        assert_eq!(edited.betas, (!betas.is_empty()).then_some(kept), "{policy:?}");
        let noted = betas.len() + usize::from(!paths.is_empty());
        assert!(edited.losses.iter().count() >= noted, "{:?}", edited.losses);
    }
}

#[test]
fn r25_without_tool_search_what_was_found_is_an_ordinary_tool() {
    let policy =
        only(|p| p.drop_betas = BetaPatterns::new(["advanced-tool-use-*"]).expect("a pattern"));
    let edited = edited(&paired().to_string(), &policy, BETAS);
    let body = value(&String::from_utf8_lossy(&edited.body));
    let wanted =
        json!([{"name": "found", "input_schema": {}, "strict": true}, paired()["tools"][2]]);
    assert_eq!(body["tools"], wanted);
    let told = &body["messages"][0]["content"][0]["content"][0];
    assert_eq!(*told, text("The tool found can be called now."));
    assert!(edited.betas.expect("changed").iter().all(|beta| !beta.starts_with("advanced-")));
}

#[test]
fn r19_without_thinking_nothing_is_to_be_cleared() {
    let body = json!({"model": "m", "thinking": {"type": "adaptive"}, "messages": [],
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]}});
    let policy = only(|p| p.drop_fields = vec!["thinking".into()]);
    let edited = edited(&body.to_string(), &policy, "");
    assert_eq!(
        value(&String::from_utf8_lossy(&edited.body)),
        json!({"model": "m", "messages": []})
    );
}

#[test]
fn looking_is_not_fooled_by_texts() {
    for (body, wanted) in [
        (r#"{"a":"gw1.x"}"#, true),
        (r#"{"a":"x gw1.x"}"#, false),
        (r#"{"id":"toolu_gw1_00_x"}"#, true),
        (r#"{"signature" : "" }"#, true),
        (r#"{"signature":"\"\""}"#, false),
        (r#"{"a":"\"signature\":\"\""}"#, false),
        (r#"{"signature":7,"b":""}"#, false),
        (r#"{"budget_tokens":1024,"id":"call_1"}"#, true),
        (r#"{"type":"adaptive","id":"call_1"}"#, false),
        (r#"{"signature""#, false),
        ("", false),
    ] {
        let body = format!("{{\"messages\":[{body}]}}");
        assert_eq!(needs_edit(body.as_bytes()), wanted, "{body}");
    }
    assert!(!needs_edit(b""));
}

#[test]
fn fields_without_which_there_is_no_request_stay() {
    let names = ["model", "messages", "messages.role", "messages.content", "stream"];
    let policy = only(|p| p.drop_fields = names.map(str::to_owned).to_vec());
    let body = ask(&json!([user(&json!("hi"))]), &json!({"stream": true}));
    assert!(edit(body.as_bytes(), &policy, "").expect("no error").is_none());
}
