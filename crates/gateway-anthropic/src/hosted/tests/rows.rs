//! What each host and each generation of Claude wants otherwise, a row for each.

mod blocks;

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
