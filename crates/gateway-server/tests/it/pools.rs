//! Several keys of one provider (`api_keys`), and how much a provider is given at most (`limits`).

use std::collections::BTreeMap;

use gateway_testkit::{Gate, RawClient, Script, Upstream, request};
use serde_json::{Value, json};

use crate::legs::{
    Told, answer, answering, ask, chain_of, error, limited, message, post, providers, records,
    until,
};
use crate::support::{Running, STREAM, UNARY, custom};

const KEYS: [(&str, &str); 3] =
    [("A", "sk-key-a-0123456789"), ("B", "sk-key-b-0123456789"), ("C", "sk-key-c-0123456789")];

const ONCE: &str = "resilience: {retry: {max_retries: 0}}\n";

/// `first` with a pool of keys, and more YAML.
fn pool(first: &Upstream, keys: &str, more: &str) -> Running {
    let keys = format!("api_keys: {keys}");
    let all = providers(&[("first", first, &keys)]);
    custom(&format!("{all}{more}"), &KEYS, |_| {})
}

/// How often each key came.
fn shares(upstream: &Upstream) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for asked in upstream.requests() {
        let key = asked.header("x-api-key").expect("a key").replace("sk-key-", "");
        *shares.entry(key[..1].to_uppercase()).or_default() += 1;
    }
    shares
}

async fn of_session(running: &Running, session: &str, body: &str) -> Told {
    let headers = [("x-claude-code-session-id", session)];
    post(running, "/v1/messages", &headers, body).await
}

/// `/status` tells how keys stand, by their places.
async fn keys(running: &Running) -> Value {
    let status = running.status().await;
    for (_, key) in KEYS {
        assert!(!status.to_string().contains(key), "{status}");
    }
    status["providers"]["first"]["keys"].clone()
}

#[tokio::test]
async fn api_keys_have_shares_by_their_weights() {
    let first = answering("first");
    let running = pool(&first, "[{env: A, weight: 3}, B]", ONCE);
    let mut client = running.client().await;
    for _ in 0..400 {
        client.send(&request("POST", "/v1/messages", &[], UNARY.as_bytes())).await;
        assert_eq!(client.reply().await.0.status, 200);
    }
    let shares = shares(&first);
    // 300 are expected; this is seven standard deviations.
    assert!((240..=360).contains(&shares["A"]), "{shares:?}");
    assert_eq!(shares["A"] + shares["B"], 400);
    assert_eq!(keys(&running).await.as_array().map(Vec::len), Some(2));
}

/// R35: prompt caches belong to an account.
#[tokio::test]
async fn r35_api_keys_a_session_stays_with_its_key_and_sessions_are_spread() {
    let first = answering("first");
    let running = pool(&first, "[A, B, C]", ONCE);
    for session in 0..24 {
        let before = first.requests().len();
        for body in [UNARY, STREAM, UNARY] {
            of_session(&running, &format!("session-{session}"), body).await.is_whole("first");
        }
        let asked = first.requests();
        let keys: Vec<_> = asked[before..].iter().map(|asked| asked.header("x-api-key")).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    }
    assert_eq!(shares(&first).len(), 3, "{:?}", shares(&first));
}

/// Refuses the first key in this way.
fn refusing_a(script: fn() -> Script) -> Upstream {
    Upstream::start(move |asked| {
        if asked.header("x-api-key") == Some(KEYS[0].1) { script() } else { answer(asked, "first") }
    })
}

#[tokio::test]
async fn api_keys_a_dead_one_is_left_alone_and_the_others_go_on() {
    for (dead, dies) in [
        ((|| error(401, "authentication_error", "invalid x-api-key")) as fn() -> Script, true),
        (|| error(403, "permission_error", "This API key has been disabled."), true),
        (|| error(403, "permission_error", "Blocked by our content filter."), false),
    ] {
        let first = refusing_a(dead);
        // B is asked only when A can't be.
        let running = pool(&first, "[{env: A, weight: 1000000}, B]", ONCE);
        for at in 0..4 {
            let told = ask(&running, if at % 2 == 0 { UNARY } else { STREAM }).await;
            if dies {
                told.is_whole("first");
                let attempts = if at == 0 { "2" } else { "1" };
                assert_eq!(told.header("x-gateway-attempts"), Some(attempts));
            } else {
                assert_eq!(told.status(), 403);
            }
        }
        let keys = keys(&running).await;
        assert_eq!(keys[0]["rejected_for_seconds"].is_number(), dies, "{keys}");
        assert_eq!(keys[1]["rejected_for_seconds"], Value::Null, "{keys}");
        assert_eq!(shares(&first)["A"], if dies { 1 } else { 4 });
        let log = running.stop();
        assert!(KEYS.iter().all(|(_, key)| !log.contains(key)), "{log}");
    }
}

/// All of them: the caller is told what has to be mended, and the next one of the chain is asked.
#[tokio::test]
async fn api_keys_that_are_all_dead_lead_on_or_are_told_with_their_variable() {
    let dead = || error(401, "authentication_error", "invalid x-api-key");
    let (first, second) = (Upstream::start(move |_| dead()), answering("second"));
    let running = pool(&first, "[A, B]", ONCE);
    for _ in 0..2 {
        let told = ask(&running, UNARY).await;
        assert_eq!((told.status(), &told.error()["type"]), (401, &json!("authentication_error")));
        assert_eq!(told.header("x-should-retry"), Some("false"));
    }
    // The second request tried one of them for want of anything better.
    assert_eq!(first.requests().len(), 3);
    let first = Upstream::start(move |_| dead());
    let all = providers(&[("first", &first, "api_keys: [A, B]"), ("second", &second, "")]);
    let rule = "routes: [{pattern: \"*\", provider: first, fallbacks: [second]}]\n";
    let running = custom(&format!("{all}{rule}{ONCE}"), &KEYS, |_| {});
    for _ in 0..3 {
        ask(&running, STREAM).await.is_whole("second");
    }
    assert_eq!(first.requests().len(), 2);
    let log = running.stop();
    let skipped = "first:claude-opus-5-5:skipped:rejected key";
    assert_eq!(chain_of(&records(&log)[1])[0], skipped);
}

/// R37: a limit is the key's and the model's, and is no longer than it says.
#[tokio::test]
async fn r37_api_keys_a_limited_one_rests_for_its_model_alone() {
    let first = refusing_a(|| limited("40"));
    let running = pool(&first, "[{env: A, weight: 1000000}, B]", ONCE);
    for (at, body) in [UNARY, STREAM, UNARY].into_iter().enumerate() {
        let told = of_session(&running, "one", body).await;
        told.is_whole("first");
        let attempts = told.header("x-gateway-attempts");
        assert!(attempts == Some("1") || at == 0, "{attempts:?}");
    }
    let limits = &keys(&running).await[0]["limited"];
    assert_eq!(
        (&limits[0]["model"], limits.as_array().map(Vec::len)),
        (&json!("claude-opus-5-5"), Some(1))
    );
    let rest = limits[0]["for_seconds"].as_f64().expect("seconds");
    assert!(rest > 0.0 && rest <= 40.0, "{rest}");
    // For another model it is asked.
    let asked = shares(&first)["A"];
    assert_eq!(asked, 1);
    let other = UNARY.replace("opus-5-5", "haiku-4-5");
    assert_eq!(ask(&running, &other).await.header("x-gateway-attempts"), Some("2"));
    assert_eq!(shares(&first)["A"], 2);
}

#[tokio::test]
async fn r37_api_keys_an_accounts_limit_is_for_all_models_and_one_without_a_time_for_none() {
    let of_account = || {
        limited("40")
            .header("anthropic-ratelimit-unified-status", "rejected")
            .header("anthropic-ratelimit-unified-representative-claim", "five_hour")
    };
    let other = UNARY.replace("opus-5-5", "haiku-4-5");
    for (script, of_all) in [
        (of_account as fn() -> Script, true),
        (|| error(429, "rate_limit_error", "too fast"), false),
    ] {
        let first = refusing_a(script);
        let running = pool(&first, "[{env: A, weight: 1000000}, B]", ONCE);
        ask(&running, UNARY).await;
        ask(&running, &other).await;
        ask(&running, UNARY).await;
        assert_eq!(shares(&first)["A"], if of_all { 1 } else { 3 });
        let limits = &keys(&running).await[0]["limited"];
        let expected = usize::from(of_all);
        assert_eq!(limits.as_array().map(Vec::len), Some(expected), "{limits}");
    }
}

// === limits ===

/// Answers behind the gate.
fn behind(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::start(move |asked| {
        let model = asked.json()["model"].as_str().unwrap_or_default().to_owned();
        let body = message(&model, "first");
        let head = Script::new().wait(&gate).head(200).header("content-type", "application/json");
        head.content_length(body.len() as u64).bytes(body)
    })
}

/// `first` with these limits, alone or with `second` behind it.
fn limits(first: &Upstream, second: Option<&Upstream>, limits: &str) -> Running {
    let own = format!("limits: {{{limits}}}");
    let mut all = vec![("first", first, &*own)];
    all.extend(second.map(|second| ("second", second, "")));
    let fallbacks = if second.is_some() { "[second]" } else { "[]" };
    let rule = format!("routes: [{{pattern: \"*\", provider: first, fallbacks: {fallbacks}}}]\n");
    custom(&format!("{}{rule}{ONCE}", providers(&all)), &[], |_| {})
}

async fn sent(running: &Running, body: &str) -> RawClient {
    let mut client = running.client().await;
    client.send(&request("POST", "/v1/messages", &[], body.as_bytes())).await;
    client
}

fn is_crowded(told: &Told) {
    assert_eq!((told.status(), &told.error()["type"]), (503, &json!("overloaded_error")));
    assert!(told.header("retry-after").is_some());
    assert!(told.text.contains("providers.first.limits"), "{}", told.text);
}

#[tokio::test]
async fn limits_concurrent_beyond_the_queue_the_next_is_asked_or_503() {
    let (gate, second) = (Gate::new(), answering("second"));
    let first = behind(&gate);
    let running = limits(&first, Some(&second), "concurrent: 1, queue: 0");
    let mut inside = sent(&running, UNARY).await;
    first.request(0).await;
    for body in [UNARY, STREAM] {
        let told = ask(&running, body).await;
        told.is_whole("second");
        assert_eq!(told.header("x-gateway-attempts"), Some("1"), "who was not asked is no attempt");
    }
    gate.open();
    assert_eq!(inside.reply().await.0.header("x-gateway-provider"), Some("first"));
    until(&running, |said| said["providers"]["first"]["limits"]["in_flight"] == 0).await;
    ask(&running, UNARY).await.is_whole("first");
    let log = running.stop();
    let skipped = "first:claude-opus-5-5:skipped:full queue";
    assert_eq!(chain_of(&records(&log)[0])[0], skipped);

    let gate = Gate::new();
    let first = behind(&gate);
    let running = limits(&first, None, "concurrent: 1, queue: 0");
    let _inside = sent(&running, UNARY).await;
    first.request(0).await;
    for body in [UNARY, STREAM] {
        is_crowded(&ask(&running, body).await);
    }
    assert_eq!(first.requests().len(), 1);
    gate.open();
}

const BACKGROUND: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":1,"messages":[{"role":"user","content":"quota"}]}"#;

#[tokio::test]
async fn limits_queue_serves_who_is_waited_for_before_the_background() {
    let gate = Gate::new();
    let first = behind(&gate);
    let running = limits(&first, None, "concurrent: 1, queue: 2");
    let mut all = vec![sent(&running, UNARY).await];
    first.request(0).await;
    for (waiting, body) in [(1, BACKGROUND), (2, UNARY)] {
        all.push(sent(&running, body).await);
        until(&running, |said| said["providers"]["first"]["limits"]["waiting"] == waiting).await;
    }
    is_crowded(&ask(&running, UNARY).await);
    gate.open();
    for client in &mut all {
        assert_eq!(client.reply().await.0.status, 200);
    }
    let asked = first.requests();
    let order: Vec<_> = asked.iter().map(|asked| asked.json()["max_tokens"].clone()).collect();
    assert_eq!(order, [9, 9, 1]);
}

/// A caller who leaves gives up his place in the queue, and the one that he has.
#[tokio::test]
async fn limits_places_of_who_left_are_free_again() {
    let gate = Gate::new();
    let first = behind(&gate);
    let running = limits(&first, None, "concurrent: 1, queue: 1");
    let inside = sent(&running, UNARY).await;
    first.request(0).await;
    let waiting = sent(&running, UNARY).await;
    until(&running, |said| said["providers"]["first"]["limits"]["waiting"] == 1).await;
    waiting.reset();
    until(&running, |said| said["providers"]["first"]["limits"]["waiting"] == 0).await;
    inside.reset();
    first.left(0).await;
    gate.open();
    ask(&running, UNARY).await.is_whole("first");
    until(&running, |said| said["providers"]["first"]["limits"]["in_flight"] == 0).await;
}

#[tokio::test]
async fn limits_requests_per_minute_and_tokens_per_minute_lead_on_without_a_queue() {
    for more in ["requests_per_minute: 1, queue: 0", "tokens_per_minute: 400, queue: 0"] {
        let (first, second) = (answering("first"), answering("second"));
        let body = UNARY.replace(":9,", ":300,");
        let running = limits(&first, Some(&second), more);
        ask(&running, &body).await.is_whole("first");
        if more.starts_with("tokens") {
            // It used seven of them, and the rest came back.
            until(&running, |said| said["providers"]["first"]["limits"]["in_flight"] == 0).await;
            ask(&running, &body).await.is_whole("first");
            let large = body.replace(":300,", ":4000,");
            ask(&running, &large).await.is_whole("second");
        } else {
            ask(&running, &body).await.is_whole("second");
        }
        let running = limits(&first, None, more);
        let large = body.replace(":300,", ":4000,");
        let told = [ask(&running, &body).await, ask(&running, &large).await];
        told[0].is_whole("first");
        is_crowded(&told[1]);
    }
}
