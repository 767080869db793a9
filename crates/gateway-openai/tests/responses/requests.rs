//! What goes up.

use gateway_openai::{Quirks, ToolChoiceLevel};
use gateway_testkit::fixtures;
use gateway_testkit::openai::Turn;
use gateway_types::{Endpoint, Feature};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Upstream, hello, losses, parse, says};

const MODELS: [&str; 4] = ["gpt-5.6-terra", "o3", "gpt-5-codex", "gpt-4.1"];

/// Every recorded request, for every kind of model: taken by the strict server, with these losses and
/// these bytes. To accept a change on purpose, replace the file by what the failure prints.
#[test]
fn recorded_requests_are_taken_and_say_the_same_for_ever() {
    let mut snapshot = String::new();
    for model in MODELS {
        for fixture in fixtures::requests() {
            if !fixture.path.starts_with("/v1/messages") || fixture.body.is_empty() {
                continue;
            }
            let mut upstream = Upstream::of(model);
            if fixture.path.ends_with("count_tokens") {
                upstream.endpoint = Endpoint::CountTokens;
            }
            let encoded = upstream.encode_bytes(&fixture.body).expect("can be said");
            let body = parse(&encoded);
            upstream
                .check(&body)
                .unwrap_or_else(|refusal| panic!("{model} {}: {}", fixture.name, refusal.message));
            let digest = Sha256::digest(encoded.body.as_bytes());
            let mut all = losses(&encoded);
            all.sort_unstable();
            snapshot.push_str(&format!(
                "{model} {} {:02x}{:02x}{:02x}{:02x} {}\n",
                fixture.name,
                digest[0],
                digest[1],
                digest[2],
                digest[3],
                all.join(", ")
            ));
        }
    }
    let known = include_str!("requests.snapshot");
    let differs = snapshot.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(known == snapshot, "{differs:?} differs first; the snapshot is now:\n{snapshot}");
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "does", "input_schema":
        {"type": "object", "properties": {"a": {"type": "string"}}}})
}

#[test]
fn tools_are_flat_and_not_strict_unless_they_can_be() {
    let mut strict = tool("held");
    strict["strict"] = json!(true);
    strict["input_schema"]["required"] = json!(["a"]);
    strict["input_schema"]["additionalProperties"] = json!(false);
    let mut loose = tool("loose");
    loose["strict"] = json!(true);
    let bare = json!({"name": "bare", "input_schema": {"type": "object"}, "input_examples": [{}]});
    let request = hello(&json!({"tools": [tool("plain"), strict, loose, bare],
        "tool_choice": {"type": "tool", "name": "plain", "disable_parallel_tool_use": true}}));
    says(
        "gpt-5.6-terra",
        &request,
        &[
            ("/tools/0/type", json!("function")),
            ("/tools/0/function", Value::Null),
            ("/tools/0/strict", json!(false)),
            ("/tools/1/strict", json!(true)),
            ("/tools/2/strict", json!(false)),
            ("/tools/3/parameters/properties", json!({})),
            ("/tool_choice", json!({"type": "function", "name": "plain"})),
            ("/parallel_tool_calls", json!(false)),
        ],
    );
    let upstream = Upstream::of("gpt-5.6-terra");
    assert_eq!(
        upstream.losses(&request),
        ["hint tools[3].input_examples", "dropped tools[2].strict"]
    );
    // The o-series takes no word on parallel calls.
    says("o3", &request, &[("/parallel_tool_calls", Value::Null)]);
}

#[test]
fn tool_choices_become_theirs() {
    for (choice, wanted) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "any"}), json!("required")),
        (json!({"type": "none"}), json!("none")),
        (Value::Null, Value::Null),
    ] {
        let mut request = hello(&json!({"tools": [tool("a")]}));
        if !choice.is_null() {
            request["tool_choice"] = choice;
        }
        says("gpt-5.6-terra", &request, &[("/tool_choice", wanted)]);
    }
    let none = hello(&json!({"tools": [], "tool_choice": {"type": "auto"}}));
    says("o3", &none, &[("/tools", Value::Null), ("/tool_choice", Value::Null)]);
    let mut lesser = Upstream::of("gpt-4.1");
    for (level, choice, wanted, losses) in [
        (ToolChoiceLevel::AutoOnly, "none", json!("none"), &[][..]),
        (ToolChoiceLevel::AutoOnly, "auto", json!("auto"), &[]),
        (ToolChoiceLevel::AutoOnly, "any", json!("auto"), &["dropped tool_choice"]),
        (ToolChoiceLevel::NoNamed, "any", json!("required"), &[]),
        (ToolChoiceLevel::None, "auto", Value::Null, &[]),
        (ToolChoiceLevel::None, "any", Value::Null, &["dropped tool_choice"]),
        (ToolChoiceLevel::None, "none", Value::Null, &["replaced tool_choice"]),
    ] {
        lesser.egress.quirks.tool_choice = level;
        let request = hello(&json!({"tools": [tool("a")], "tool_choice": {"type": choice}}));
        let body = lesser.body(&request);
        assert_eq!(body["tool_choice"], wanted, "{level:?} {choice}");
        // What can't be told not to call must have nothing to call.
        let left_out = level == ToolChoiceLevel::None && choice == "none";
        assert_eq!(body["tools"].is_null(), left_out, "{level:?} {choice}");
        assert_eq!(lesser.losses(&request), losses, "{level:?} {choice}");
    }
    let missing =
        hello(&json!({"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}}));
    assert_eq!(
        Upstream::of("o3").refusal(&missing),
        "tool_choice.name: no tool called `b` is offered"
    );
    let many: Vec<_> = (0..129).map(|n| tool(&format!("t{n}"))).collect();
    let refusal = Upstream::of("o3").refusal(&hello(&json!({ "tools": many })));
    assert!(refusal.contains("129 tools") && refusal.contains("128"), "{refusal}");
}

#[test]
fn r11_long_names_are_short_everywhere() {
    let long = format!("mcp__server__{}", "x".repeat(80));
    let mut deferred = tool(&long);
    deferred["defer_loading"] = json!(true);
    let request = hello(&json!({
        "tools": [tool("ToolSearch"), deferred, {"name": "DeferredToolPlaceholder",
            "input_schema": {"type": "object"}, "defer_loading": true}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1",
                "content": [{"type": "tool_reference", "tool_name": long}]}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t2", "name": long, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "4"}]},
        ],
    }));
    let body = Upstream::of("o3").body(&request);
    let short = body["tools"][1]["name"].as_str().expect("a name");
    assert!(short.len() <= 64 && body["tools"].as_array().is_some_and(|tools| tools.len() == 2));
    assert_eq!(body["input"][3]["name"], short);
    assert_eq!(body["input"][2]["output"], format!("The tool `{short}` is available now."));
}

#[test]
fn r39_a_web_search_is_the_services_own() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 8,
        "allowed_domains": ["https://example.com/docs", "rust-lang.org"],
        "blocked_domains": ["bad.example"],
        "user_location": {"type": "approximate", "city": "Bern", "country": "CH"}});
    let alone =
        hello(&json!({"tools": [search], "tool_choice": {"type": "tool", "name": "web_search"}}));
    says(
        "gpt-5.6-terra",
        &alone,
        &[
            ("/tools/0/type", json!("web_search")),
            ("/tools/0/filters/allowed_domains", json!(["example.com", "rust-lang.org"])),
            ("/tools/0/user_location/city", json!("Bern")),
            ("/tool_choice", json!({"type": "web_search"})),
            ("/max_tool_calls", json!(8)),
            ("/include", json!(["reasoning.encrypted_content", "web_search_call.action.sources"])),
        ],
    );
    assert_eq!(
        Upstream::of("gpt-5.6-terra").losses(&alone),
        ["dropped tools[0].blocked_domains", "clamped tools[0].allowed_domains"]
    );
    let with_others = hello(&json!({"tools": [tool("a"),
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]}));
    says(
        "o3",
        &with_others,
        &[("/max_tool_calls", Value::Null), ("/tools/1/type", json!("web_search"))],
    );
    assert_eq!(Upstream::of("o3").losses(&with_others), ["dropped tools[1].max_uses"]);
    // Elsewhere nobody searches: refused when it is all that was asked for, else told.
    let mut local = Upstream::of("gpt-4.1");
    local.egress.quirks = Quirks::compatible();
    assert!(local.refusal(&alone).starts_with("tools[0]: "));
    assert!(local.losses(&with_others).contains(&"dropped tools[1]".to_owned()));
}

#[test]
fn tools_that_only_anthropic_runs_are_refused_or_told() {
    let code = json!({"type": "code_execution_20250825", "name": "code_execution"});
    let upstream = Upstream::of("gpt-5.6-terra");
    let refusal = upstream.refusal(&hello(&json!({ "tools": [code] })));
    assert!(refusal.contains("code_execution_20250825"), "{refusal}");
    let both = hello(&json!({"tools": [tool("a"), code]}));
    assert_eq!(upstream.losses(&both), ["dropped tools[1]"]);
    let bash = json!({"type": "bash_20250124", "name": "bash"});
    says("gpt-5.6-terra", &hello(&json!({ "tools": [bash] })), &[("/tools/0/name", json!("bash"))]);
    let mut hidden = tool("hidden");
    hidden["defer_loading"] = json!(true);
    let search =
        json!({"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"});
    let request = hello(&json!({ "tools": [search, hidden] }));
    says("gpt-5.6-terra", &request, &[("/tools/0/name", json!("hidden"))]);
    assert_eq!(upstream.losses(&request), ["emulated tools"]);
}

#[test]
fn r19_thinking_and_effort_become_reasoning() {
    let adaptive = json!({"type": "adaptive"});
    let silent = json!({"type": "adaptive", "display": "omitted"});
    for (model, more, wanted) in [
        ("gpt-5.6-terra", json!({}), Value::Null),
        ("gpt-5.6-terra", json!({"thinking": adaptive}), json!({"summary": "auto"})),
        ("gpt-5.6-terra", json!({"thinking": silent}), Value::Null),
        (
            "gpt-5.6-terra",
            json!({"thinking": silent, "output_config": {"effort": "low"}}),
            json!({"effort": "low"}),
        ),
        (
            "gpt-5.6-terra",
            json!({"thinking": adaptive, "output_config": {"effort": "max"}}),
            json!({"effort": "max", "summary": "auto"}),
        ),
        (
            "o3",
            json!({"thinking": adaptive, "output_config": {"effort": "max"}}),
            json!({"effort": "high", "summary": "auto"}),
        ),
        ("gpt-5.6-terra", json!({"thinking": {"type": "disabled"}}), json!({"effort": "none"})),
        ("gpt-5-codex", json!({"thinking": {"type": "disabled"}}), json!({"effort": "low"})),
        (
            "gpt-5-codex",
            json!({"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": 9000}),
            json!({"effort": "high", "summary": "auto"}),
        ),
        ("gpt-4.1", json!({"thinking": adaptive}), Value::Null),
    ] {
        says(model, &hello(&more), &[("/reasoning", wanted)]);
        let include =
            if model == "gpt-4.1" { Value::Null } else { json!(["reasoning.encrypted_content"]) };
        says(model, &hello(&more), &[("/include", include)]);
    }
}

#[test]
fn r19_models_that_do_or_do_not_think_by_themselves() {
    let adaptive = json!({"type": "adaptive"});
    let shown = |effort: &str| json!({"effort": effort, "summary": "auto"});
    for (model, more, wanted) in [
        ("gpt-5.1", json!({}), Value::Null),
        ("gpt-5.2", json!({}), Value::Null),
        ("gpt-5.4", json!({}), Value::Null),
        ("gpt-5.1", json!({"thinking": adaptive}), shown("high")),
        ("gpt-5.2", json!({"thinking": adaptive}), shown("high")),
        ("gpt-5.4", json!({"thinking": adaptive}), shown("high")),
        ("gpt-5.4", json!({"output_config": {"effort": "max"}}), json!({"effort": "xhigh"})),
        ("gpt-5.4", json!({"thinking": {"type": "disabled"}}), json!({"effort": "none"})),
        ("o1", json!({}), Value::Null),
        ("o1", json!({"thinking": {"type": "disabled"}}), json!({"effort": "low"})),
        ("o1", json!({"thinking": adaptive, "output_config": {"effort": "max"}}), shown("high")),
        (
            "gpt-5.6-terra",
            json!({"thinking": {"type": "between_tools"}}),
            json!({"summary": "auto"}),
        ),
        ("gpt-5.2", json!({"thinking": {"type": "between_tools"}}), shown("high")),
    ] {
        let body = parse(&Upstream::of(model).encode(&hello(&more)).expect("can be said"));
        assert_eq!(body["reasoning"], wanted, "{model} {more}");
        Upstream::of(model).check(&body).unwrap_or_else(|r| panic!("{model} {more} {}", r.message));
    }
}

#[test]
fn r19_r39_the_least_effort_never_goes_beside_a_search() {
    let search = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    for (model, more, wanted, losses) in [
        ("gpt-5", json!({"thinking": {"type": "disabled"}}), "low", ["clamped thinking"]),
        ("gpt-5-mini", json!({"thinking": {"type": "disabled"}}), "low", ["clamped thinking"]),
        (
            "gpt-5-nano",
            json!({"output_config": {"effort": "minimal"}}),
            "low",
            ["clamped output_config.effort"],
        ),
    ] {
        let mut request = hello(&more);
        says(model, &request, &[("/reasoning/effort", json!("minimal"))]);
        request["tools"] = search.clone();
        says(model, &request, &[("/reasoning/effort", json!(wanted))]);
        assert_eq!(Upstream::of(model).losses(&request), losses, "{model}");
    }
}

/// Accounts that OpenAI has not verified get neither summaries nor streams of some models.
#[test]
fn r20_what_an_account_is_refused_is_left_out() {
    let request = hello(&json!({"stream": true, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"}}));
    let mut upstream = Upstream::of("o3");
    upstream.without = &[Feature::Field("reasoning.summary"), Feature::Field("stream")];
    let body = upstream.body(&request);
    assert_eq!(body["reasoning"], json!({"effort": "low"}));
    assert!(body["stream"].is_null() && !upstream.encode(&request).expect("can be said").stream);
    assert_eq!(upstream.losses(&request), ["dropped reasoning.summary", "hint stream"]);
    let message = upstream.ask(&request, &Turn::reasoning(&[]).and_text("whole"));
    assert_eq!(message["content"][1]["text"], "whole");
}

#[test]
fn r22_limits_are_brought_into_range() {
    for (model, asked, wanted) in [
        ("gpt-4.1", 128_000, 32_768),
        ("gpt-4.1", 1, 16),
        ("gpt-4.1", 15, 16),
        ("gpt-4.1", 16, 16),
        ("gpt-4.1", 17, 17),
        ("o3", 1, 256),
        ("o3", 255, 256),
        ("o3", 256, 256),
        ("o3", 257, 257),
        // It decides by itself how much it thinks.
        ("gpt-5.6-terra", 16, 256),
        ("gpt-5.6-terra", 500, 500),
    ] {
        says(
            model,
            &hello(&json!({"max_tokens": asked})),
            &[("/max_output_tokens", json!(wanted))],
        );
    }
    // What does not think needs no room for it.
    let silent = hello(&json!({"max_tokens": 1, "thinking": {"type": "disabled"}}));
    says("gpt-5.6-terra", &silent, &[("/max_output_tokens", json!(16))]);
    assert_eq!(Upstream::of("gpt-5.6-terra").losses(&silent), ["hint max_tokens"]);
    let request = hello(&json!({"max_tokens": 128_000}));
    assert_eq!(Upstream::of("gpt-4.1").losses(&request), ["clamped max_tokens"]);
}

#[test]
fn sampling_goes_up_only_where_it_is_taken() {
    let request = hello(&json!({"temperature": 0.2, "top_p": 0.9, "top_k": 5}));
    says(
        "gpt-4.1",
        &request,
        &[("/temperature", json!(0.2)), ("/top_p", json!(0.9)), ("/top_k", Value::Null)],
    );
    assert_eq!(Upstream::of("gpt-4.1").losses(&request), ["dropped top_k"]);
    says("o3", &request, &[("/temperature", Value::Null), ("/top_p", Value::Null)]);
    assert_eq!(
        Upstream::of("o3").losses(&request),
        ["dropped temperature", "dropped top_p", "dropped top_k"]
    );
}

#[test]
fn stop_sequences_are_matched_here_on_a_stream() {
    let encoded = Upstream::of("gpt-4.1")
        .encode(&hello(&json!({"stop_sequences": ["</block>"], "stream": false})))
        .expect("can be said");
    let body = parse(&encoded);
    assert!(encoded.stream && body["stream"] == true && body["stop"].is_null());
    assert_eq!(losses(&encoded), ["emulated stop_sequences"]);
}

#[test]
fn a_format_that_is_no_object_is_told_in_words() {
    let schema = json!({"type": "array", "items": {"type": "string"}});
    let request =
        hello(&json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    let encoded = Upstream::of("gpt-5").encode(&request).expect("can be said");
    let body = parse(&encoded);
    assert!(body.get("text").is_none(), "{body}");
    let told = body["instructions"].as_str().expect("instructions");
    assert!(told.contains(&schema.to_string()), "{told}");
    assert!(encoded.losses.iter().any(|loss| loss.path == "output_config.format"));
}

#[test]
fn formats_are_flat() {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}},
        "required": ["title"], "additionalProperties": false});
    let request =
        hello(&json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    says(
        "gpt-5.6-terra",
        &request,
        &[
            ("/text/format/type", json!("json_schema")),
            ("/text/format/name", json!("output")),
            ("/text/format/schema", schema.clone()),
            ("/text/format/strict", json!(true)),
        ],
    );
    let mut upstream = Upstream::of("gpt-4.1");
    upstream.egress.quirks.json_schema = false;
    let body = upstream.body(&request);
    assert!(body["text"].is_null());
    assert!(body["instructions"].as_str().is_some_and(|text| text.contains("\"title\"")));
}

#[test]
fn always_stateless_and_the_account_is_told_who_asks() {
    let user = r#"{"device_id":"d","account_uuid":"","session_id":"s-1"}"#;
    let request = hello(&json!({"metadata": {"user_id": user}, "service_tier": "standard_only",
        "context_management": {"edits": []}, "stream": true}));
    let body = Upstream::of("gpt-5.6-terra").body(&request);
    assert_eq!((&body["store"], &body["stream"]), (&json!(false), &json!(true)));
    assert_eq!(body["service_tier"], "default");
    for field in ["prompt_cache_key", "safety_identifier"] {
        assert_eq!(body[field].as_str().map(str::len), Some(64), "{field}");
    }
    assert_eq!(Upstream::of("gpt-5.6-terra").losses(&request), ["hint context_management"]);
    let mut upstream = Upstream::of("gpt-5.6-terra");
    upstream.egress.quirks.drop_fields = vec!["store".into(), "prompt_cache_key".into()];
    let body = upstream.body(&request);
    assert!(body["store"].is_null() && body["prompt_cache_key"].is_null());
}

#[test]
fn r31_counting_sends_what_counts() {
    let mut upstream = Upstream::of("gpt-5.6-terra");
    upstream.endpoint = Endpoint::CountTokens;
    let request = hello(&json!({"tools": [tool("a")], "system": "s", "stop_sequences": ["x"],
        "thinking": {"type": "adaptive"}, "metadata": {"user_id": "u"}, "temperature": 1}));
    let encoded = upstream.encode(&request).expect("can be said");
    assert_eq!(encoded.path, "/responses/input_tokens");
    assert!(!encoded.stream && encoded.prompt_estimate > 0);
    upstream.body(&request);
    let counted = |body: &str| encoded.reader.count(body.as_bytes());
    assert_eq!(
        counted(r#"{"object":"response.input_tokens","input_tokens":123}"#).expect("a count"),
        123
    );
    for odd in ["", "{}", r#"{"input_tokens":null}"#, "<html>"] {
        assert!(counted(odd).is_err(), "{odd}");
    }
}
