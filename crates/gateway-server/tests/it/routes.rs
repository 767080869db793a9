//! `routes`, key by key: who is asked, with what, and who else gets a copy.

use std::collections::BTreeMap;

use gateway_testkit::{Gate, Script, Upstream, fixtures, request};
use serde_json::{Value, json};

use crate::legs::{
    QUICK, answer, answering, ask, broken, clients, message, overloaded, post, providers, records,
    saying,
};
use crate::support::{Running, STREAM, UNARY, custom};

/// Providers that answer with their names.
fn named<const N: usize>(names: [&'static str; N]) -> [Upstream; N] {
    names.map(answering)
}

fn routed(upstreams: &[(&str, &Upstream)], routes: &str) -> Running {
    // Nobody is asked last for what he did in the same second.
    let calm = QUICK.replace("retry:", "outlier_ejection: {enabled: false}, retry:");
    let all: Vec<_> = upstreams.iter().map(|(name, upstream)| (*name, *upstream, "")).collect();
    custom(&format!("{}routes:\n{routes}{calm}", providers(&all)), &[], |_| {})
}

async fn served(running: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let told = post(running, path, headers, body).await;
    assert_eq!(told.status(), 200, "{}", told.text);
    told.header("x-gateway-provider").expect("somebody served it").to_owned()
}

#[tokio::test]
async fn rule_type_pattern_priority_and_enabled_choose_the_provider() {
    let [model, path, header, rest] = named(["model", "path", "header", "rest"]);
    let running = routed(
        &[("model", &model), ("path", &path), ("header", &header), ("rest", &rest)],
        "  - {rule_type: catch_all, provider: rest, priority: -1}\n  \
         - {pattern: \"claude-haiku-*\", provider: model}\n  \
         - {pattern: \"/v1/messages/count*\", rule_type: path_pattern, provider: path, priority: 1}\n  \
         - {rule_type: header_match, header_name: x-team, header_value: \"blue*\", provider: header, priority: 2}\n  \
         - {pattern: \"*\", provider: path, priority: 9, enabled: false}\n",
    );
    let haiku = UNARY.replace("opus-5-5", "haiku-4-5");
    for (path, headers, body, expected) in [
        ("/v1/messages", &[][..], UNARY, "rest"),
        ("/v1/messages", &[], &haiku, "model"),
        ("/v1/messages?beta=true", &[], &haiku.replace("4-5", "4-5[1m]"), "model"),
        ("/v1/messages/count_tokens?beta=true", &[], &haiku, "path"),
        ("/v1/messages/count_tokens", &[("x-team", "blue-1")], &haiku, "header"),
        ("/v1/messages", &[("x-team", "green")], UNARY, "rest"),
    ] {
        assert_eq!(served(&running, path, headers, body).await, expected, "{path} {headers:?}");
    }
}

/// One condition decides between two rules, on bodies as clients send them.
#[tokio::test]
async fn when_looks_at_recorded_requests() {
    let [yes, no] = named(["yes", "no"]);
    let title = "older-client-title";
    let cases = [
        ("thinking: true", &["interactive-turn"][..], &[title][..]),
        ("thinking: false", &[title], &["interactive-turn"]),
        ("has_tools: true", &["interactive-turn", "first-turn"], &[title]),
        ("has_tools: false", &[title], &["interactive-turn"]),
        ("has_images: true", &["prompt-image", "image-result"], &["first-turn", "pdf-result"]),
        ("has_images: false", &["first-turn"], &["prompt-image"]),
        ("background: true", &[title], &["interactive-turn", "compaction"]),
        ("background: false", &["compaction"], &[title]),
        ("web_search: false", &["first-turn"], &[]),
        ("min_input_tokens: 3000", &["interactive-turn"], &[title]),
        ("agent: main", &["interactive-turn"], &[]),
    ];
    for (when, fits, others) in cases {
        let running = routed(
            &[("yes", &yes), ("no", &no)],
            &format!(
                "  - {{pattern: \"*\", provider: yes, when: {{{when}}}, fallbacks: []}}\n  \
                 - {{rule_type: catch_all, provider: no}}\n"
            ),
        );
        for (names, expected) in [(fits, "yes"), (others, "no")] {
            for name in names {
                let mut client = running.client().await;
                client.send(&fixtures::request(name).to_http1("127.0.0.1")).await;
                let (head, body) = client.reply().await;
                let told = String::from_utf8_lossy(&body.bytes).into_owned();
                assert_eq!(
                    head.header("x-gateway-provider"),
                    Some(expected),
                    "{when}, {name}: {told}"
                );
            }
        }
    }
}

#[tokio::test]
async fn when_web_search_agent_and_client_and_all_of_them_together() {
    let [yes, no] = named(["yes", "no"]);
    let yaml = format!(
        "{}{}routes:\n  \
         - {{pattern: \"*\", provider: yes, when: {{client: [ci], agent: subagent, web_search: true}}}}\n  \
         - {{rule_type: catch_all, provider: no}}\n",
        providers(&[("yes", &yes, ""), ("no", &no, "")]),
        clients(&["ci", "me"]),
    );
    let running = custom(&yaml, &[], |_| {});
    let search = UNARY.replace(
        "\"messages\":[]",
        r#""tools":[{"type":"web_search_20250305","name":"web_search"}],"messages":[]"#,
    );
    let agent = ("x-claude-code-agent-id", "a1");
    for (headers, body, expected) in [
        (&[("x-api-key", "ci"), agent][..], &*search, "yes"),
        (&[("x-api-key", "ci")], &search, "no"),
        (&[("x-api-key", "me"), agent], &search, "no"),
        (&[("x-api-key", "ci"), agent], UNARY, "no"),
    ] {
        assert_eq!(served(&running, "/v1/messages", headers, body).await, expected, "{headers:?}");
    }
}

/// How often each provider answers so many requests.
async fn shares(running: &Running, requests: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    let mut client = running.client().await;
    for _ in 0..requests {
        client.send(&request("POST", "/v1/messages", &[], UNARY.as_bytes())).await;
        let (head, _) = client.reply().await;
        let name = head.header("x-gateway-provider").expect("a provider").to_owned();
        *shares.entry(name).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn strategy_weighted_shares_a_group_by_its_weights() {
    let [a, b, c] = named(["a", "b", "c"]);
    let running = routed(
        &[("a", &a), ("b", &b), ("c", &c)],
        "  - {pattern: \"*\", provider: a, weight: 6}\n  - {pattern: \"*\", provider: b, weight: 2}\n  \
         - {pattern: \"*\", provider: c, weight: 0}\n",
    );
    let shares = shares(&running, 400).await;
    // 300 and 100 are expected; this is seven standard deviations.
    assert!((240..=360).contains(&shares["a"]), "{shares:?}");
    assert_eq!(shares["a"] + shares["b"], 400, "{shares:?}");
}

#[tokio::test]
async fn strategy_round_robin_takes_exact_turns() {
    let [a, b, c] = named(["a", "b", "c"]);
    let running = routed(
        &[("a", &a), ("b", &b), ("c", &c)],
        "  - {pattern: \"*\", provider: a, fallbacks: [b, c], strategy: round_robin, sticky: none}\n",
    );
    let shares = shares(&running, 30).await;
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[tokio::test]
async fn strategy_ordered_is_the_order_of_the_file_and_least_cost_that_of_the_prices() {
    let [a, b, c] = named(["a", "b", "c"]);
    let price = |input: u32| {
        format!("models: {{claude-opus-5-5: {{price: {{input: {input}, output: 20}}}}}}")
    };
    for (strategy, expected) in [("ordered", "a"), ("least_cost", "b")] {
        let all = providers(&[("a", &a, &price(5)), ("b", &b, &price(2)), ("c", &c, &price(9))]);
        let yaml = format!(
            "{all}routes: [{{pattern: \"*\", provider: a, fallbacks: [c, b], strategy: {strategy}}}]\n"
        );
        let running = custom(&yaml, &[], |_| {});
        assert_eq!(shares(&running, 5).await[expected], 5, "{strategy}");
    }
}

#[tokio::test]
async fn strategy_least_latency_comes_to_prefer_who_is_quick() {
    let slow = Upstream::start(|asked| {
        let body = message(asked.json()["model"].as_str().unwrap_or_default(), "slow");
        let late = Script::new().stall(std::time::Duration::from_millis(60)).head(200);
        late.header("content-type", "application/json")
            .content_length(body.len() as u64)
            .bytes(body)
    });
    let quick = answering("quick");
    let running = routed(
        &[("slow", &slow), ("quick", &quick)],
        "  - {pattern: \"*\", provider: slow, fallbacks: [quick], strategy: least_latency, sticky: none}\n",
    );
    let shares = shares(&running, 60).await;
    assert!(shares["quick"] >= 40, "{shares:?}");
}

/// R35: a session stays, goes on elsewhere when its provider fails, and new ones come back.
#[tokio::test]
async fn r35_sticky_sessions_stay_yield_and_new_ones_come_back() {
    let down = Gate::new();
    let (ill, well) = (down.clone(), Gate::new());
    let again = well.clone();
    let a = Upstream::start(move |asked| {
        if ill.is_open() && !again.is_open() { overloaded() } else { answer(asked, "a") }
    });
    let b = answering("b");
    let running = routed(
        &[("a", &a), ("b", &b)],
        "  - {pattern: \"*\", provider: a, weight: 1}\n  - {pattern: \"*\", provider: b, weight: 1}\n",
    );
    let of = async |session: &str, body: &str| {
        served(&running, "/v1/messages", &[("x-claude-code-session-id", session)], body).await
    };
    let mut homes = BTreeMap::new();
    for session in (0..40).map(|n| format!("s{n}")) {
        homes.insert(session.clone(), of(&session, UNARY).await);
    }
    let count = |homes: &BTreeMap<String, String>, name: &str| {
        homes.values().filter(|h| *h == name).count()
    };
    assert!(count(&homes, "a") > 5 && count(&homes, "b") > 5, "{homes:?}");
    for (session, home) in &homes {
        assert_eq!(of(session, STREAM).await, *home, "{session}");
    }
    down.open();
    for session in homes.keys() {
        assert_eq!(of(session, UNARY).await, "b", "{session}");
    }
    well.open();
    // Who has moved has his caches there now.
    for session in homes.keys() {
        assert_eq!(of(session, STREAM).await, "b", "{session}");
    }
    let mut new = BTreeMap::new();
    for session in (0..40).map(|n| format!("t{n}")) {
        new.insert(session.clone(), of(&session, UNARY).await);
    }
    assert!(count(&new, "a") > 5, "{new:?}");
}

#[tokio::test]
async fn sticky_session_with_ordered_stays_where_it_found_help_and_new_ones_begin_at_the_first() {
    let a = Upstream::start(|asked| {
        // Both attempts of the first request.
        if asked.index < 2 { broken() } else { answer(asked, "a") }
    });
    let b = answering("b");
    for (sticky, expected) in [("session", "b"), ("none", "a")] {
        let a = if sticky == "session" { &a } else { &answering("a") };
        let running = routed(
            &[("a", a), ("b", &b)],
            &format!("  - {{pattern: \"*\", provider: a, fallbacks: [b], sticky: {sticky}}}\n"),
        );
        let of = async |session: &str| {
            served(&running, "/v1/messages", &[("x-claude-code-session-id", session)], UNARY).await
        };
        of("one").await;
        assert_eq!(of("one").await, expected, "{sticky}");
        assert_eq!(of("two").await, "a", "{sticky}");
    }
}

#[tokio::test]
async fn set_changes_what_it_names_and_leaves_the_rest_byte_for_byte() {
    let [a, b] = [answering("a"), saying(overloaded)];
    let running = routed(
        &[("a", &a), ("b", &b)],
        "  - {pattern: \"claude-opus-*\", provider: b, fallbacks: [a/claude-x], set: {max_tokens: 77, \
         temperature: 0.5, effort: low, extra_body: {top_k: 5}, system_append: \"Be brief.\"}}\n  \
         - {rule_type: catch_all, provider: a}\n",
    );
    let odd = r#"{"metadata" : {"user_id":"ü\u00e9"},"model":"claude-opus-5-5", "max_tokens":9,"system":[{"type":"text","text":"You are."}],"messages":[ {"role":"user","content":"1.0e5"} ]}"#;
    ask(&running, odd).await.is_whole("a");
    // The second takes no temperature that is not its own.
    for (upstream, temperature) in [(&a, json!(0.5)), (&b, Value::Null)] {
        let asked = upstream.request(0).await;
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        let body = asked.json();
        assert_eq!(
            (&body["max_tokens"], &body["temperature"]),
            (&json!(77), &temperature),
            "{text}"
        );
        assert_eq!((&body["output_config"]["effort"], &body["top_k"]), (&json!("low"), &json!(5)));
        assert!(body["system"].to_string().contains("Be brief."), "{text}");
        for kept in [
            r#""metadata" : {"user_id":"ü\u00e9"}"#,
            r#""messages":[ {"role":"user","content":"1.0e5"} ]"#,
            r#"{"type":"text","text":"You are."}"#,
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }
    assert_eq!(a.requests()[0].json()["model"], "claude-x");
    // Of another rule nothing is changed.
    let other = odd.replace("opus", "haiku");
    ask(&running, &other).await;
    assert_eq!(a.request(1).await.body, other);
}

#[tokio::test]
async fn mirror_sends_the_same_to_a_second_one_and_touches_nothing() {
    for script in [
        || Script::json(200, message("m", "mirror")),
        broken,
        || Script::new().reset(),
        || Script::new().hang(),
    ] {
        let (a, second) = (answering("a"), saying(script));
        let running = routed(
            &[("a", &a), ("second", &second)],
            "  - {pattern: \"*\", provider: a, mirror: {to: second/m, percent: 100}}\n",
        );
        for (at, body) in [UNARY, STREAM].into_iter().enumerate() {
            let told = ask(&running, body).await;
            told.is_whole("a");
            assert_eq!(told.header("x-gateway-attempts"), Some("1"));
            let copy = second.request(at).await;
            let renamed = copy.json()["model"].as_str().map(str::to_owned);
            assert_eq!(renamed.as_deref(), Some("m"));
        }
        let copy = String::from_utf8_lossy(&second.requests()[0].body).into_owned();
        assert_eq!(copy.replace("\"m\"", "\"claude-opus-5-5\"").len(), UNARY.len());
        assert_eq!(a.requests().len(), 2);
        let log = running.stop();
        let records = records(&log);
        assert_eq!(records.len(), 2, "{log}");
        assert!(records.iter().all(|record| record["attempts"] == 1), "{log}");
    }
}

#[tokio::test]
async fn mirror_copies_no_counts() {
    let [a, second] = named(["a", "second"]);
    let running = routed(
        &[("a", &a), ("second", &second)],
        "  - {pattern: \"*\", provider: a, mirror: {to: second, percent: 100}}\n",
    );
    let counting = "/v1/messages/count_tokens";
    assert_eq!(served(&running, counting, &[], UNARY).await, "a");
    ask(&running, UNARY).await.is_whole("a");
    assert_eq!(second.request(0).await.path(), "/v1/messages");
    assert_eq!((a.requests().len(), second.requests().len()), (2, 1));
}

#[tokio::test]
async fn mirror_percent_is_a_share_and_never_leaves_a_private_provider() {
    let [a, second] = named(["a", "second"]);
    let running = routed(
        &[("a", &a), ("second", &second)],
        "  - {pattern: \"*\", provider: a, mirror: {to: second, percent: 25}}\n",
    );
    shares(&running, 200).await;
    // Copies are on their way beside the answers: wait for as many as there must be.
    second.request(10).await;
    let copies = second.requests().len();
    assert!((11..=100).contains(&copies), "{copies}");
    // A copy of what a caller picks goes nowhere else, nor does one of what is private.
    let private = answering("own");
    let all =
        providers(&[("own", &private, "private: true"), ("a", &a, ""), ("second", &second, "")]);
    let rules = "routes:\n  - {pattern: \"claude-opus-*\", provider: own}\n  \
                 - {pattern: \"*\", provider: a, mirror: {to: second, percent: 100}}\n";
    let running = custom(&format!("{all}{rules}"), &[], |_| {});
    let before = second.requests().len();
    for _ in 0..5 {
        ask(&running, UNARY).await.is_whole("own");
    }
    let other = UNARY.replace("opus-5-5", "haiku-4-5");
    ask(&running, &other).await;
    let copy: Value = second.request(before).await.json();
    assert_eq!(copy["model"], "claude-haiku-4-5");
}

/// R35: what is counted elsewhere does not move the conversation.
#[tokio::test]
async fn r35_sticky_sessions_are_not_moved_by_a_count() {
    let a = Upstream::start(|asked| {
        if asked.path().ends_with("/count_tokens") { overloaded() } else { answer(asked, "a") }
    });
    let b = answering("b");
    let running = routed(
        &[("a", &a), ("b", &b)],
        "  - {pattern: \"*\", provider: a, fallbacks: [b], sticky: session}\n",
    );
    let session = [("x-claude-code-session-id", "one")];
    for expected in ["a", "a"] {
        let count = served(&running, "/v1/messages/count_tokens", &session, UNARY).await;
        assert_eq!(count, "b");
        assert_eq!(served(&running, "/v1/messages", &session, UNARY).await, expected);
    }
}

#[tokio::test]
async fn mirror_uses_up_none_of_the_clients_retries() {
    let a = Upstream::start(|asked| {
        if asked.json()["model"] == "claude-ill" { broken() } else { answer(asked, "a") }
    });
    let second = saying(broken);
    let yaml = format!(
        "{}{}routes:\n  - {{pattern: claude-ill, provider: a, fallbacks: []}}\n  \
         - {{pattern: \"*\", provider: a, mirror: {{to: second, percent: 100}}}}\n\
         resilience: {{retry: {{max_retries: 3, base_delay: 0}}, circuit_breaker: {{failure_threshold: 0}}, \
         retry_budget: {{ratio: 0, min_per_second: 0.4}}}}\n",
        providers(&[("a", &a, ""), ("second", &second, "")]),
        clients(&["me"])
    );
    let running = custom(&yaml, &[], |_| {});
    let me = [("x-api-key", "me")];
    for _ in 0..4 {
        assert_eq!(served(&running, "/v1/messages", &me, UNARY).await, "a");
    }
    // Four copies, and four retries of them: what a budget has in reserve.
    second.request(7).await;
    let ill = UNARY.replace("claude-opus-5-5", "claude-ill");
    for _ in 0..4 {
        assert_eq!(post(&running, "/v1/messages", &me, &ill).await.status(), 500);
    }
    assert_eq!(a.requests().len(), 4 + 4 + 4);
}
