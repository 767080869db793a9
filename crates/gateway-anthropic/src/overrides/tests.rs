//! Overrides as data, and against trees of every recorded request.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::edit::tests::fixtures;

const OLDER: &str = "claude-sonnet-4-6";

fn effort(effort: &str) -> Overrides {
    Overrides { effort: Some(effort.into()), ..Overrides::default() }
}

fn most(max_tokens: u64) -> Overrides {
    Overrides { max_tokens: Some(max_tokens), ..Overrides::default() }
}

fn temperature(temperature: f64) -> Overrides {
    Overrides { temperature: Some(temperature), ..Overrides::default() }
}

fn extra(fields: &Value) -> Overrides {
    let fields = Overrides::fields(fields.as_object().expect("an object"));
    Overrides { extra_body: fields, ..Overrides::default() }
}

fn system(text: &str) -> Overrides {
    Overrides { system_append: Some(text.into()), ..Overrides::default() }
}

/// The body after it and its losses, one a word.
fn done(body: &str, overrides: &Overrides, model: &str) -> (String, String) {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let done = apply(&bytes, overrides, model).expect("a JSON object");
    let after = done
        .body
        .map_or_else(|| body.to_owned(), |body| String::from_utf8(body.to_vec()).expect("UTF-8"));
    let told: Vec<String> =
        done.losses.iter().map(|loss| format!("{}={}", loss.what.as_str(), loss.path)).collect();
    (after, told.join(" "))
}

#[test]
fn r35_what_is_set_changes_and_nothing_else_moves() {
    for (body, overrides, after, told) in [
        // Effort.
        (
            r#"{"model":"m"}"#,
            effort("low"),
            r#"{"model":"m","output_config":{"effort":"low"}}"#,
            "",
        ),
        (
            r#"{ "output_config" : { } ,"a":1.50}"#,
            effort("low"),
            r#"{ "output_config" : {"effort":"low" } ,"a":1.50}"#,
            "",
        ),
        (
            r#"{"output_config":{"format":{"x":1}, "effort" : "max"},"a":1}"#,
            effort("low"),
            r#"{"output_config":{"format":{"x":1}, "effort" : "low"},"a":1}"#,
            "",
        ),
        (
            r#"{"output_config":{"format":{"x":1}}}"#,
            effort("low"),
            r#"{"output_config":{"format":{"x":1},"effort":"low"}}"#,
            "",
        ),
        (r#"{"output_config":null}"#, effort("low"), r#"{"output_config":{"effort":"low"}}"#, ""),
        (
            r#"{"output_config":{"effort":"low"}}"#,
            effort("low"),
            r#"{"output_config":{"effort":"low"}}"#,
            "",
        ),
        // A message that has one of its own would keep it else.
        (
            r#"{"messages":[{"role":"system","output_config":{"effort":"max"}},{"role":"user"}]}"#,
            effort("low"),
            r#"{"messages":[{"role":"system","output_config":{"effort":"low"}},{"role":"user"}],"output_config":{"effort":"low"}}"#,
            "",
        ),
        // R19: no contradiction of the gateway's own making.
        (
            r#"{"thinking":{"type":"disabled"}}"#,
            effort("low"),
            r#"{"thinking":{"type":"disabled"}}"#,
            "dropped=output_config.effort",
        ),
        (
            r#"{"thinking":{"type":"disabled"},"output_config":{"effort":"high"}}"#,
            effort("low"),
            r#"{"thinking":{"type":"disabled"},"output_config":{"effort":"low"}}"#,
            "",
        ),
        // The length of the answer.
        (
            r#"{"max_tokens" : 128000, "stream":true}"#,
            most(8192),
            r#"{"max_tokens" : 8192, "stream":true}"#,
            "",
        ),
        (r#"{"model":"m"}"#, most(8192), r#"{"model":"m","max_tokens":8192}"#, ""),
        (
            r#"{"max_tokens":32000,"thinking":{"budget_tokens":31999,"type":"enabled","display":"updates"}}"#,
            most(8192),
            r#"{"max_tokens":8192,"thinking":{"budget_tokens":4096,"type":"enabled","display":"updates"}}"#,
            "clamped=thinking.budget_tokens",
        ),
        (
            r#"{"max_tokens":32000,"thinking":{"type":"enabled","budget_tokens":2000}}"#,
            most(1500),
            r#"{"max_tokens":1500,"thinking":{"type":"enabled","budget_tokens":1024}}"#,
            "clamped=thinking.budget_tokens",
        ),
        (
            r#"{"max_tokens":32000,"thinking":{"type":"enabled","budget_tokens":2000}}"#,
            most(2001),
            r#"{"max_tokens":2001,"thinking":{"type":"enabled","budget_tokens":2000}}"#,
            "",
        ),
        (
            r#"{"max_tokens":32000,"thinking":{"type":"enabled","budget_tokens":2000},"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"stream":true}"#,
            most(1024),
            r#"{"max_tokens":1024,"thinking":{"type":"disabled"},"stream":true}"#,
            "dropped=thinking hint=context_management",
        ),
        (
            r#"{"thinking":{"type":"enabled","budget_tokens":2000},"context_management":{"edits":[{"type":"clear_thinking_20251015"}]}}"#,
            most(512),
            r#"{"thinking":{"type":"disabled"},"max_tokens":512}"#,
            "dropped=thinking hint=context_management",
        ),
        (
            r#"{"max_tokens":9,"thinking":{"type":"adaptive","budget_tokens":2000}}"#,
            most(8),
            r#"{"max_tokens":8,"thinking":{"type":"adaptive","budget_tokens":2000}}"#,
            "",
        ),
        // Temperature.
        (
            r#"{"temperature":1, "top_p":1}"#,
            temperature(0.2),
            r#"{"temperature":0.2, "top_p":1}"#,
            "",
        ),
        (r#"{"model":"m"}"#, temperature(0.0), r#"{"model":"m","temperature":0.0}"#, ""),
        (
            r#"{"thinking":{"type":"disabled"}}"#,
            temperature(0.5),
            r#"{"thinking":{"type":"disabled"},"temperature":0.5}"#,
            "",
        ),
        (
            r#"{"thinking":{"type":"adaptive"}}"#,
            temperature(0.5),
            r#"{"thinking":{"type":"adaptive"}}"#,
            "dropped=temperature",
        ),
        // Whatever else there is.
        (
            r#"{"model":"m","metadata":{"user_id":"u"},"stream":true}"#,
            extra(&json!({"metadata": {}, "reasoning_split": true, "a\"b": null})),
            r#"{"model":"m","metadata":{},"stream":true,"a\"b":null,"reasoning_split":true}"#,
            "",
        ),
        (
            r#"{"model":"m"}"#,
            extra(&json!({"model": "n", "stream": false, "messages": []})),
            r#"{"model":"m"}"#,
            "dropped=set.messages dropped=set.model dropped=set.stream",
        ),
        (r"{ }", extra(&json!({"b": 1})), r#"{"b":1 }"#, ""),
        // What is set by name goes into what is set as it is.
        (
            r#"{"output_config":{"effort":"max","format":1}}"#,
            Overrides {
                effort: Some("low".into()),
                ..extra(&json!({"output_config": {"task_budget": 1}}))
            },
            r#"{"output_config":{"task_budget":1,"effort":"low"}}"#,
            "",
        ),
        (
            r#"{"max_tokens":9}"#,
            Overrides {
                temperature: Some(0.5),
                ..extra(&json!({"thinking": {"type": "adaptive"}}))
            },
            r#"{"max_tokens":9,"thinking":{"type":"adaptive"}}"#,
            "dropped=temperature",
        ),
        (
            r#"{"max_tokens":4000}"#,
            extra(&json!({"thinking": {"type": "enabled", "budget_tokens": 9000}})),
            r#"{"max_tokens":4000,"thinking":{"budget_tokens":2000,"type":"enabled"}}"#,
            "clamped=thinking.budget_tokens",
        ),
        // The system prompt.
        (
            r#"{"system":"Be \"brief\".","a":1}"#,
            system("Say \"so\".\n"),
            r#"{"system":"Be \"brief\".\n\nSay \"so\".\n","a":1}"#,
            "",
        ),
        (r#"{"system":""}"#, system("x"), r#"{"system":"x"}"#, ""),
        (r#"{"system":null}"#, system("x"), r#"{"system":"x"}"#, ""),
        (r#"{"model":"m"}"#, system("x"), r#"{"model":"m","system":"x"}"#, ""),
        (r#"{"system":[ ]}"#, system("x"), r#"{"system":[ {"type":"text","text":"x"}]}"#, ""),
        (
            r#"{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}} ],"a":1}"#,
            system("é"),
            r#"{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"é"} ],"a":1}"#,
            "",
        ),
        // Of duplicates the last counts.
        (
            r#"{"temperature":1,"temperature":0}"#,
            temperature(0.5),
            r#"{"temperature":1,"temperature":0.5}"#,
            "",
        ),
        (r#"{"max_\u0074okens":9}"#, most(8), r#"{"max_\u0074okens":8}"#, ""),
    ] {
        let wanted = (after.to_owned(), told.to_owned());
        assert_eq!(done(body, &overrides, OLDER), wanted, "{body} {overrides:?}");
    }
}

#[test]
fn a_claude_that_takes_no_temperature_gets_none() {
    for (model, taken) in [
        ("claude-sonnet-4-5-20250929", true),
        ("claude-opus-4-6", true),
        ("claude-opus-4-7", false),
        ("claude-sonnet-5-5", false),
        ("glm-5", true),
        ("", true),
    ] {
        let (after, told) = done(r#"{"model":"x"}"#, &temperature(0.5), model);
        assert_eq!((after.contains("0.5"), told.is_empty()), (taken, taken), "{model}");
    }
}

#[test]
fn what_is_no_object_is_refused_and_nothing_set_is_nothing_done() {
    for body in [&b"[]"[..], b"", b"{", b"{\"a\":\xff}", b"1", b"{} x"] {
        let error = apply(&Bytes::from_static(body), &most(1), "").expect_err("no body");
        assert_eq!(error.status(), 400);
        let kept = apply(&Bytes::from_static(body), &Overrides::default(), "").expect("not read");
        assert!(kept.body.is_none() && kept.losses.is_empty());
    }
    let all = Overrides {
        extra_body: vec![("tools".into(), "[]".into()), ("top_k".into(), "1".into())],
        system_append: Some("x".into()),
        ..most(9)
    };
    let counted = all.for_counting();
    assert_eq!(counted.extra_body, [("tools".to_owned(), "[]".to_owned())]);
    assert!(counted.max_tokens.is_none() && counted.system_append.is_some());
}

/// The same, done to a tree.
fn done_to_the_tree(body: &mut Value, overrides: &Overrides) {
    for (key, json) in &overrides.extra_body {
        body[key] = serde_json::from_str(json).expect("JSON");
    }
    if let Some(most) = overrides.max_tokens {
        body["max_tokens"] = json!(most);
    }
    let room = body["max_tokens"].as_u64().unwrap_or(u64::MAX);
    if body["thinking"]["budget_tokens"].as_u64().is_some_and(|budget| budget >= room) {
        if room > 1024 {
            body["thinking"]["budget_tokens"] = json!((room / 2).max(1024));
        } else {
            body["thinking"] = json!({"type": "disabled"});
            body.as_object_mut().expect("an object").remove("context_management");
        }
    }
    let mode = body["thinking"]["type"].as_str().map(str::to_owned);
    if let Some(temperature) = overrides.temperature
        && mode.as_deref().is_none_or(|mode| mode == "disabled")
    {
        body["temperature"] = json!(temperature);
    }
    if let Some(effort) = &overrides.effort
        && (mode.as_deref() != Some("disabled") || !body["output_config"]["effort"].is_null())
    {
        body["output_config"]["effort"] = json!(effort);
        for message in body["messages"].as_array_mut().into_iter().flatten() {
            if message["output_config"]["effort"].is_string() {
                message["output_config"]["effort"] = json!(effort);
            }
        }
    }
    if let Some(more) = &overrides.system_append {
        match &mut body["system"] {
            Value::String(text) => text.push_str(&format!("\n\n{more}")),
            Value::Array(blocks) => blocks.push(json!({"type": "text", "text": more})),
            other => *other = json!(more),
        }
    }
    without_nulls(body);
}

/// Indexing puts nulls where there is nothing.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| {
                without_nulls(value);
                !value.is_null() && *value != json!({})
            });
        }
        Value::Array(all) => all.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn any_overrides() -> impl Strategy<Value = Overrides> {
    let effort = proptest::option::of("low|medium|max");
    let most = proptest::option::of(prop_oneof![1_u64..3000, 30_000_u64..40_000]);
    let temperature = proptest::option::of(prop_oneof![Just(0.0), Just(0.25), Just(1.0)]);
    let field = ("metadata|service_tier|x_y", "\\{\"a\":[0-9]\\}|\"s\"|[1-9]");
    let extra = proptest::collection::btree_map(field.0, field.1, 0..3);
    let system = proptest::option::of("[a-z\"\\\\\né]{1,9}");
    (effort, most, temperature, extra, system).prop_map(
        |(effort, max_tokens, temperature, extra, system_append)| Overrides {
            effort,
            max_tokens,
            temperature,
            extra_body: extra.into_iter().collect(),
            system_append,
        },
    )
}

/// The top-level members as they are written.
fn written(body: &str) -> Vec<(String, String)> {
    let (_, members) = Node::whole_with_members(body).unwrap_or_else(|_| panic!("{body}"));
    let one = |m: &Member<'_>| (m.key.decode().into_owned(), m.value.raw().as_str().to_owned());
    members.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn r35_any_recorded_request_is_changed_as_its_tree_and_stays_as_it_is_written(
        at in any::<prop::sample::Index>(),
        overrides in any_overrides(),
    ) {
        let (name, body, _) = at.get(fixtures());
        let (after, _) = done(body, &overrides, OLDER);
        let (mut tree, mut wanted): (Value, Value) = (
            serde_json::from_str(&after).expect("still JSON"),
            serde_json::from_str(body).expect("JSON"),
        );
        done_to_the_tree(&mut wanted, &overrides);
        without_nulls(&mut tree);
        prop_assert_eq!(tree, wanted, "{}", name);

        // Nothing moves, and what is not named is the same to the byte.
        let (before, now) = (written(body), written(&after));
        let named = |key: &str| {
            overrides.extra_body.iter().any(|(extra, _)| extra == key)
                || match key {
                    "output_config" | "messages" => overrides.effort.is_some(),
                    "max_tokens" | "thinking" | "context_management" => overrides.max_tokens.is_some(),
                    "temperature" => overrides.temperature.is_some(),
                    "system" => overrides.system_append.is_some(),
                    _ => false,
                }
        };
        let kept: Vec<_> = before.iter().filter(|(key, _)| !named(key)).collect();
        prop_assert_eq!(&kept, &now.iter().filter(|(key, _)| !named(key)).collect::<Vec<_>>());
        let order = |all: &[(String, String)], other: &[(String, String)]| {
            let both = |key: &&String| other.iter().any(|(known, _)| known == *key);
            all.iter().map(|(key, _)| key).filter(both).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(order(&before, &now), order(&now, &before));

        // Twice is once.
        let again = Overrides { system_append: None, ..overrides };
        prop_assert_eq!(&done(&after, &again, OLDER).0, &after);
    }

    #[test]
    fn any_body_is_refused_or_stays_json(body in "[\\[{\"\\]},:a-z0-9 ]{0,40}", overrides in any_overrides()) {
        if let Ok(Overridden { body: Some(after), .. }) =
            apply(&Bytes::from(body.clone()), &overrides, "")
            && serde_json::from_str::<Value>(&body).is_ok()
        {
            prop_assert!(serde_json::from_slice::<Value>(&after).is_ok(), "{body}");
        }
    }
}
