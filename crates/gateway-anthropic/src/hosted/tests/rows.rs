//! What each host and each generation of Claude wants otherwise, a row for each.

use super::*;

/// On which hosts.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Both,
    Vertex,
    Bedrock,
}
use On::{Bedrock, Both, Vertex};

struct Row {
    what: &'static str,
    on: On,
    model: &'static str,
    betas: &'static str,
    /// Members beside `max_tokens` and `messages`, or in their place.
    asks: Value,
    /// Those members as they go up; `null`: the member is gone.
    gets: Value,
    lost: &'static [&'static str],
    /// The betas that go up.
    sent: &'static [&'static str],
}

fn check(rows: Vec<Row>) {
    let policy = Policy::default();
    for row in rows {
        for (name, host) in [("vertex", vertex()), ("bedrock", Host::Bedrock)] {
            let left_out = if name == "vertex" { Bedrock } else { Vertex };
            if row.on == left_out {
                continue;
            }
            let what = format!("{} on {name}", row.what);
            let mut body = ask();
            let mut wanted = ask();
            wanted.as_object_mut().expect("an object").remove("model");
            for (key, value) in row.asks.as_object().expect("an object") {
                body[key] = value.clone();
                wanted[key] = value.clone();
            }
            for (key, value) in row.gets.as_object().expect("an object") {
                wanted[key] = value.clone();
            }
            wanted.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
            let cx = HostCx { betas: row.betas, ..HostCx::new(row.model, &policy) };
            let wrapped = wrapped(&host, &body, &cx);
            let mut after = value(&wrapped.body);
            let members = after.as_object_mut().expect("an object");
            members.remove("anthropic_version");
            let sent = match members.remove("anthropic_beta") {
                Some(betas) => serde_json::from_value(betas).expect("a list"),
                None => listed(&crate::headers::betas(&wrapped.headers)),
            };
            assert_eq!(after, wanted, "{what}");
            assert_eq!(lost(&wrapped.losses), row.lost, "{what}");
            assert_eq!(sent, row.sent, "{what}");
        }
    }
}

/// A row about members that go.
fn goes(
    what: &'static str,
    model: &'static str,
    asks: Value,
    lost: &'static [&'static str],
) -> Row {
    let gets = asks.as_object().expect("an object").keys().map(|key| (key.clone(), Value::Null));
    let gets = Value::Object(gets.collect());
    Row { what, on: Both, model, betas: "", asks, gets, lost, sent: &[] }
}

/// A row about members that stay as they are.
fn stays(what: &'static str, model: &'static str, asks: Value) -> Row {
    Row { what, on: Both, model, betas: "", asks, gets: json!({}), lost: &[], sent: &[] }
}

#[test]
fn c08_r20_services_of_anthropics_are_left_out_and_reported() {
    check(vec![
        stays(
            "the plain rest",
            OPUS_5,
            json!({"stop_sequences": ["x"], "metadata": {"user_id": "u"},
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]}),
        ),
        goes("mcp_servers", OPUS_5, json!({"mcp_servers": []}), &["dropped mcp_servers"]),
        goes("container", OPUS_5, json!({"container": "c"}), &["dropped container"]),
        goes("inference_geo", OPUS_5, json!({"inference_geo": "us"}), &["dropped inference_geo"]),
        goes("service_tier", OPUS_5, json!({"service_tier": "auto"}), &["hint service_tier"]),
        goes("diagnostics", OPUS_5, json!({"diagnostics": {}}), &["hint diagnostics"]),
        goes(
            "automatic caching",
            OPUS_5,
            json!({"cache_control": {"type": "ephemeral"}}),
            &["hint cache_control"],
        ),
        Row {
            betas: "fast-mode-2026-02-01",
            ..goes(
                "speed",
                OPUS_5,
                json!({"speed": "fast"}),
                &["hint speed", "hint anthropic-beta:fast-mode-2026-02-01"],
            )
        },
        Row {
            betas: "dangerous-tool-use-2026-09-03,afk-mode-2026-01-31",
            ..goes(
                "half of a pair",
                OPUS_5,
                json!({"safeguards": {}}),
                &[
                    "hint safeguards",
                    "hint anthropic-beta:dangerous-tool-use-2026-09-03",
                    "hint anthropic-beta:afk-mode-2026-01-31",
                ],
            )
        },
        goes(
            "a field without its beta",
            OPUS_5,
            json!({"context_management": {"edits": []}}),
            &["hint context_management"],
        ),
        Row {
            betas: "compact-2026-09-04",
            on: Vertex,
            sent: &["compact-2026-09-04"],
            ..stays("compaction", OPUS_5, json!({"compaction": {}}))
        },
        Row {
            betas: "compact-2026-09-04",
            on: Bedrock,
            ..goes(
                "compaction",
                OPUS_5,
                json!({"compaction": {}}),
                &["dropped compaction", "hint anthropic-beta:compact-2026-09-04"],
            )
        },
    ]);
}

#[test]
fn sampling_goes_where_claude_takes_none() {
    check(vec![
        stays("sampling", OPUS_4_6, json!({"temperature": 0.5, "top_k": 3})),
        stays("sampling", SONNET_4, json!({"top_p": 0.5})),
        goes(
            "sampling",
            OPUS_4_7,
            json!({"temperature": 0.5, "top_p": 0.9, "top_k": 3}),
            &["dropped temperature", "dropped top_k", "dropped top_p"],
        ),
        goes("the default", OPUS_5, json!({"temperature": 1.0}), &["hint temperature"]),
        Row {
            gets: json!({"top_p": null}),
            lost: &["dropped top_p"],
            ..stays("one beside the other", SONNET_4_5, json!({"temperature": 0, "top_p": 0.5}))
        },
        stays("one beside the other", SONNET_4, json!({"temperature": 0, "top_p": 0.5})),
    ]);
}

#[test]
fn r19_thinking_is_asked_for_as_this_claude_wants_it() {
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let adaptive = json!({"type": "adaptive"});
    check(vec![
        stays("adaptive", OPUS_4_6, json!({"thinking": adaptive})),
        stays("a budget", OPUS_4_6, json!({"thinking": enabled(5000), "max_tokens": 9000})),
        stays("a budget", SONNET_4, json!({"thinking": enabled(5000), "max_tokens": 9000})),
        stays("disabled", OPUS_5, json!({"thinking": {"type": "disabled"}})),
        Row {
            gets: json!({"thinking": adaptive, "output_config": {"effort": "medium"}}),
            lost: &["replaced thinking.budget_tokens"],
            ..stays("a budget", OPUS_4_7, json!({"thinking": enabled(5000)}))
        },
        Row {
            gets: json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
            lost: &["replaced thinking.budget_tokens"],
            ..stays(
                "a budget beside an effort",
                OPUS_5,
                json!({
                "thinking": {"type": "enabled", "budget_tokens": 5000, "display": "omitted"},
                "output_config": {"effort": "low"}}),
            )
        },
        Row {
            gets: json!({"thinking": adaptive,
                "output_config": {"effort": "xhigh", "format": {"type": "json_schema"}}}),
            lost: &["replaced thinking.budget_tokens"],
            ..stays(
                "a budget beside a format",
                OPUS_5,
                json!({"thinking": enabled(60_000),
                "output_config": {"format": {"type": "json_schema"}}}),
            )
        },
        Row {
            gets: json!({"thinking": enabled(16_384)}),
            lost: &["replaced thinking"],
            ..stays("adaptive", SONNET_4, json!({"thinking": adaptive, "max_tokens": 64_000}))
        },
        Row {
            gets: json!({"thinking": enabled(2048), "output_config": null}),
            lost: &["replaced thinking", "replaced output_config.effort"],
            ..stays(
                "adaptive with an effort",
                SONNET_4_5,
                json!({"thinking": adaptive,
                "max_tokens": 64_000, "output_config": {"effort": "low"}}),
            )
        },
        Row {
            gets: json!({"thinking": enabled(1500)}),
            lost: &["replaced thinking"],
            ..stays(
                "adaptive in little room",
                SONNET_4,
                json!({"thinking": adaptive, "max_tokens": 3000}),
            )
        },
        Row {
            gets: json!({"thinking": null}),
            lost: &["dropped thinking"],
            ..stays(
                "adaptive in no room",
                SONNET_4,
                json!({"thinking": adaptive, "max_tokens": 1024}),
            )
        },
        Row {
            gets: json!({"thinking": null}),
            lost: &["dropped thinking"],
            ..stays(
                "thinking",
                "claude-3-5-haiku@20241022",
                json!({"thinking": adaptive, "max_tokens": 9000}),
            )
        },
    ]);
}

#[test]
fn efforts_and_formats_go_up_where_they_are_known() {
    let effort = |effort: &str| json!({"output_config": {"effort": effort}});
    check(vec![
        stays("an effort", OPUS_4_6, effort("max")),
        stays("an effort", OPUS_5, effort("xhigh")),
        goes("an effort", SONNET_4_5, effort("low"), &["dropped output_config.effort"]),
        Row {
            gets: effort("high"),
            lost: &["clamped output_config.effort"],
            ..stays("a high effort", OPUS_4_6, effort("xhigh"))
        },
        Row {
            gets: effort("high"),
            lost: &["clamped output_config.effort"],
            betas: "effort-2025-11-24",
            sent: &["effort-2025-11-24"],
            ..stays("a high effort", OPUS_4_5, effort("max"))
        },
        goes(
            "an effort without its beta",
            OPUS_4_5,
            effort("low"),
            &["dropped output_config.effort"],
        ),
        Row {
            betas: "effort-2025-11-24",
            lost: &["hint anthropic-beta:effort-2025-11-24"],
            ..stays("an effort with a beta that is refused", OPUS_4_6, effort("low"))
        },
        Row {
            on: Bedrock,
            ..stays("a format", SONNET_4_5, json!({"output_config": {"format": {}}}))
        },
        stays("a format", OPUS_4_6, json!({"output_config": {"format": {}}})),
        Row {
            on: Vertex,
            ..goes(
                "a format",
                SONNET_4_5,
                json!({"output_config": {"format": {}}}),
                &["dropped output_config.format"],
            )
        },
        goes(
            "a format",
            SONNET_4,
            json!({"output_config": {"format": {}}}),
            &["dropped output_config.format"],
        ),
        Row {
            gets: json!({"output_config": {"format": {"a": 1}}, "output_format": null}),
            ..stays("a format by its old name", OPUS_5, json!({"output_format": {"a": 1}}))
        },
        goes(
            "a task budget",
            OPUS_5,
            json!({"output_config": {"task_budget": 5}}),
            &["dropped output_config.task_budget"],
        ),
    ]);
}

#[test]
fn r26_marks_of_the_cache_keep_what_the_host_knows_of_them() {
    let marked =
        |mark: Value| json!({"system": [{"type": "text", "text": "s", "cache_control": mark}]});
    let plain = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    check(vec![
        stays("an hour", SONNET_4_5, marked(hour.clone())),
        Row {
            betas: "extended-cache-ttl-2025-04-11",
            lost: &["hint anthropic-beta:extended-cache-ttl-2025-04-11"],
            ..stays("an hour with its beta", SONNET_4_5, marked(hour.clone()))
        },
        Row {
            gets: marked(plain.clone()),
            lost: &["hint cache_control.ttl"],
            ..stays("an hour", SONNET_4, marked(hour))
        },
        Row {
            gets: marked(plain),
            lost: &["hint cache_control.scope"],
            ..stays("a scope", OPUS_5, marked(json!({"type": "ephemeral", "scope": "global"})))
        },
    ]);
}

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
