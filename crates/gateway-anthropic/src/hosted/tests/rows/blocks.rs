//! Rows about tools, messages and blocks.

use super::*;

#[test]
fn r25_tool_search_is_expanded_where_there_is_none() {
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let deferred = |name: &str| {
        let mut tool = tool(name);
        tool["defer_loading"] = json!(true);
        tool
    };
    let history = |found: Value| {
        json!([{"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1",
                "content": [found]}]}])
    };
    let reference = json!({"type": "tool_reference", "tool_name": "b"});
    let asks =
        json!({"messages": history(reference), "tools": [tool("a"), deferred("b"), deferred("c")]});
    check(vec![
        Row {
            betas: "advanced-tool-use-2025-11-20",
            sent: &["tool-search-tool-2025-10-19"],
            ..stays("tool search", SONNET_4_5, asks.clone())
        },
        Row {
            sent: &["tool-search-tool-2025-10-19"],
            ..stays("tool search without a word", OPUS_5, asks.clone())
        },
        Row {
            betas: "advanced-tool-use-2025-11-20",
            gets: json!({"tools": [tool("a"), tool("b")], "messages": history(
                json!({"type": "text", "text": "The tool b can be called now."}))}),
            lost: &[
                "replaced messages[2].content[0].content[0]",
                "hint tools.defer_loading",
                "hint tools[2]",
                "hint anthropic-beta:advanced-tool-use-2025-11-20",
            ],
            ..stays("tool search", SONNET_4, asks)
        },
        Row {
            gets: json!({"tools": [tool("a")]}),
            lost: &[
                "dropped tools.allowed_callers",
                "hint tools.custom",
                "hint tools.eager_input_streaming",
                "dropped tools.input_examples",
            ],
            ..stays(
                "odds and ends",
                OPUS_5,
                json!({"tools": [{"name": "a",
                "input_schema": {"type": "object"}, "eager_input_streaming": true,
                "input_examples": [], "allowed_callers": ["direct"], "custom": {}}]}),
            )
        },
        Row {
            on: Bedrock,
            betas: "fine-grained-tool-streaming-2025-05-14",
            sent: &["fine-grained-tool-streaming-2025-05-14"],
            ..stays(
                "eager streaming",
                OPUS_5,
                json!({"tools": [{"name": "a", "input_schema": {},
                "eager_input_streaming": true}]}),
            )
        },
        Row {
            sent: &["context-management-2025-06-27"],
            ..stays(
                "memory",
                OPUS_5,
                json!({"tools": [{"type": "memory_20250818", "name": "memory"}]}),
            )
        },
    ]);
}

#[test]
fn r39_a_tool_that_the_host_does_not_run_is_refused_alone_and_dropped_among_others() {
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    let fetch = json!({"type": "web_fetch_20250910", "name": "web_fetch"});
    let own = json!({"name": "a", "input_schema": {"type": "object"}});
    check(vec![
        Row {
            on: Vertex,
            sent: &["web-search-2025-03-05"],
            ..stays("searching", OPUS_5, json!({"tools": [search]}))
        },
        Row {
            gets: json!({"tools": [own], "tool_choice": {"type": "auto"}}),
            lost: &["replaced tool_choice", "dropped tools[0]"],
            ..stays(
                "fetching among others",
                OPUS_5,
                json!({"tools": [fetch, own],
                "tool_choice": {"type": "tool", "name": "web_fetch"}}),
            )
        },
        Row {
            gets: json!({"messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "text", "text": "It says x."}]}]}),
            lost: &["dropped messages[1].content[0]", "dropped messages[1].content[1]"],
            ..stays(
                "what was fetched",
                OPUS_5,
                json!({"messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_fetch", "input": {}},
                    {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
                    {"type": "text", "text": "It says x."}]}]}),
            )
        },
        Row {
            on: Bedrock,
            gets: json!({"messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "Web search for: q\n- T: https://e.org"}]}]}),
            lost: &["replaced messages[1].content[1]"],
            ..stays(
                "what was searched",
                OPUS_5,
                json!({"messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
                        {"type": "web_search_result", "title": "T", "url": "https://e.org", "encrypted_content": "x"}]}]}]}),
            )
        },
    ]);
    let policy = Policy::default();
    let cx = HostCx::new(OPUS_5, &policy);
    for (host, tool) in [(vertex(), &fetch), (Host::Bedrock, &fetch), (Host::Bedrock, &search)] {
        let mut body = ask();
        body["tools"] = json!([tool]);
        let fault = refusal(&host, &body, &cx);
        assert_eq!(fault.status(), 400);
        let kind = tool["type"].as_str().expect("a text");
        assert!(fault.to_string().contains(kind), "{fault}");
    }
}

#[test]
fn r24_system_messages_in_between_are_the_users_where_the_role_is_not_known() {
    let between = |own: Value| {
        json!({"output_config": {"effort": "low"}, "messages": [{"role": "user", "content": "hi"},
            {"role": "system", "content": "S", "output_config": own}]})
    };
    let kept = json!([{"role": "user", "content": "hi"}, {"role": "system", "content": "S"}]);
    let inline = json!([{"role": "user", "content": [{"type": "text", "text": "hi"},
        {"type": "text", "text": "<system-reminder>\nS\n</system-reminder>"}]}]);
    check(vec![
        Row {
            gets: json!({"messages": kept}),
            lost: &["hint messages.output_config"],
            ..stays("the role", OPUS_5, between(json!({"effort": "low"})))
        },
        Row {
            gets: json!({"messages": kept}),
            lost: &["dropped messages.output_config"],
            ..stays("an effort of its own", OPUS_5, between(json!({"effort": "high"})))
        },
        Row {
            gets: json!({"messages": inline}),
            lost: &["replaced messages[1]", "hint messages.output_config"],
            ..stays("the role", OPUS_4_6, between(json!({"effort": "low"})))
        },
        Row {
            gets: json!({"messages": inline, "output_config": null}),
            lost: &[
                "replaced messages[1]",
                "hint messages.output_config",
                "dropped output_config.effort",
            ],
            ..stays("the role", SONNET_4_5, between(json!({"effort": "low"})))
        },
    ]);
}

#[test]
fn r27_r28_what_has_to_be_fetched_is_refused_by_its_place() {
    let policy = Policy::default();
    let cx = HostCx::new(OPUS_5, &policy);
    for (kind, source) in [
        ("image", json!({"type": "url", "url": "https://e.org/a.png"})),
        ("document", json!({"type": "file", "file_id": "f"})),
    ] {
        let block = json!({"type": kind, "source": source});
        for (content, place) in [
            (json!([block]), "messages[0].content[0]"),
            (
                json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": [block]}]),
                "messages[0].content[0].content[0]",
            ),
        ] {
            let body = json!({"max_tokens": 9, "messages": [{"role": "user", "content": content}]});
            for host in [vertex(), Host::Bedrock] {
                let fault = refusal(&host, &body, &cx);
                assert_eq!(fault.status(), 400);
                let told = fault.to_string();
                assert!(told.starts_with(place) && told.contains(kind), "{told}");
            }
        }
    }
    let inside = json!({"type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    check(vec![stays(
        "bytes",
        OPUS_5,
        json!({"messages": [{"role": "user", "content": [inside]}]}),
    )]);
}

#[test]
fn r13_r14_no_sealed_or_unsigned_thinking_goes_up_and_claudes_own_does() {
    let native = json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"});
    let said = json!({"type": "text", "text": "Hello."});
    let with = |blocks: Value| {
        json!({"messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": blocks}, {"role": "user", "content": "go on"}]})
    };
    check(vec![
        stays("Claude's own", OPUS_5, with(json!([native, said]))),
        Row {
            gets: with(json!([native, said])),
            lost: &["dropped messages[1].content[0]", "dropped messages[1].content[1]"],
            ..stays(
                "others'",
                OPUS_5,
                with(json!([
                {"type": "thinking", "thinking": "x", "signature": ""},
                {"type": "thinking", "thinking": "x", "signature": "gw1.AAAA"}, native, said])),
            )
        },
    ]);
}

#[test]
fn clearing_thinking_needs_thinking() {
    let clear = json!({"type": "clear_thinking_20251015", "keep": "all"});
    let uses = json!({"type": "clear_tool_uses_20250919"});
    let manage = |edits: Value| json!({"context_management": {"edits": edits}});
    let beta = "context-management-2025-06-27";
    let row = |what, asks| Row {
        betas: beta,
        sent: &["context-management-2025-06-27"],
        ..stays(what, OPUS_5, asks)
    };
    let mut thinks = manage(json!([clear, uses]));
    thinks["thinking"] = json!({"type": "adaptive"});
    check(vec![
        row("with thinking", thinks),
        Row {
            gets: manage(json!([uses])),
            lost: &["hint context_management"],
            ..row("without", manage(json!([clear, uses])))
        },
        Row {
            gets: json!({"context_management": null}),
            lost: &["hint context_management"],
            ..row("nothing else", manage(json!([clear])))
        },
    ]);
}
