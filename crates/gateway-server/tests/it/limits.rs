//! How much callers may ask for.

use gateway_config::{Client, Config};
use gateway_testkit::{Gate, RawClient, ReplyHead, Script, Upstream, fixtures, request};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Running, STREAM, UNARY, custom, tuned, with};

/// A client whose key is its name.
fn client(config: &mut Config, name: &str, change: impl FnOnce(&mut Client)) {
    let mut client = Client::new(name, Sha256::digest(name).into());
    change(&mut client);
    config.clients.push(client);
}

fn messages_of(name: &str, body: &str) -> Vec<u8> {
    request("POST", "/v1/messages", &[("x-api-key", name)], body.as_bytes())
}

async fn ask(running: &Running, name: &str, body: &str) -> (ReplyHead, Value) {
    send(running, &messages_of(name, body)).await
}

async fn send(running: &Running, bytes: &[u8]) -> (ReplyHead, Value) {
    let mut client = running.client().await;
    client.send(bytes).await;
    let (head, got) = client.reply().await;
    (head, serde_json::from_slice(&got.bytes).unwrap_or_default())
}

async fn waiting(running: &Running, name: &str, body: &str) -> RawClient {
    let mut client = running.client().await;
    client.send(&messages_of(name, body)).await;
    client
}

async fn status(running: &Running) -> Value {
    send(running, &request("GET", "/status", &[("x-api-key", "alice")], b"")).await.1
}

/// Asks `/status` until it says so.
async fn until(running: &Running, says: impl Fn(&Value) -> bool) {
    gateway_testkit::patient("the status that was waited for", async {
        while !says(&status(running).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn answering() -> Upstream {
    Upstream::start(|_| {
        let usage =
            r#""usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":9000}"#;
        Script::json(200, format!(r#"{{"type":"message","content":[],{usage}}}"#))
    })
}

/// Answers once the gate is open.
fn behind(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    let body = r#"{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;
    Upstream::start(move |_| {
        let reply = Script::new().wait(&gate).head(200).header("content-type", "application/json");
        reply.content_length(body.len() as u64).bytes(body)
    })
}

fn says(reply: &(ReplyHead, Value), status: u16, kind: &str, words: &[&str]) {
    let (head, body) = reply;
    assert_eq!((head.status, &body["error"]["type"]), (status, &kind.into()), "{body}");
    let message = body["error"]["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{word} is not in: {message}");
    }
}

#[tokio::test]
async fn a_client_is_known_by_the_hash_of_its_key_which_goes_nowhere() {
    let upstream = answering();
    let running = tuned(&upstream, |config| {
        client(config, "alice", |_| {});
        client(config, "bob", |_| {});
        config.providers[0].auth = gateway_config::Auth::Client;
    });
    assert_eq!(ask(&running, "alice", UNARY).await.0.status, 200);
    let both = [("x-api-key", "sk-callers"), ("authorization", "Bearer bob")];
    let bob = request("POST", "/v1/messages", &both, UNARY.as_bytes());
    assert_eq!(send(&running, &bob).await.0.status, 200);
    says(&ask(&running, "carol", UNARY).await, 401, "authentication_error", &["client key"]);
    let asked = upstream.requests();
    assert_eq!((asked[0].header("x-api-key"), asked[0].header("authorization")), (None, None));
    assert_eq!(asked[1].header_all("x-api-key"), ["sk-callers"]);
    assert_eq!(asked[1].header("authorization"), None);

    let said = status(&running).await;
    assert_eq!(said["clients"]["alice"]["requests"], 1, "{said}");
    assert_eq!(said["clients"]["bob"]["requests"], 1, "{said}");
    assert_eq!(said["everyone"]["requests"], 2, "{said}");
    let log = running.stop();
    assert_eq!(log.matches(r#""client":"bob""#).count(), 1, "{log}");
    assert!(!log.contains("carol"), "{log}");
}

#[tokio::test]
async fn a_client_gets_only_the_models_and_providers_it_may_ask_for() {
    let upstream = answering();
    let running = tuned(&upstream, |config| {
        client(config, "alice", |alice| {
            alice.allow_models = Some(vec!["claude-haiku-*".to_owned()]);
            alice.may_pick_provider = false;
        });
        client(config, "bob", |_| {});
    });
    let haiku = UNARY.replace("claude-opus-5-5", "claude-haiku-4-5");
    assert_eq!(ask(&running, "alice", &haiku).await.0.status, 200);
    assert_eq!(ask(&running, "bob", UNARY).await.0.status, 200);

    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let asked = request("POST", path, &[("x-api-key", "alice")], UNARY.as_bytes());
        let reply = send(&running, &asked).await;
        says(&reply, 403, "permission_error", &["`alice`", "`claude-opus-5-5`", "allow_models"]);
        assert_eq!(reply.0.header("x-should-retry"), Some("false"));
    }
    let picked = [("x-api-key", "alice"), ("x-gateway-provider", "anthropic")];
    let picking = request("POST", "/v1/messages", &picked, haiku.as_bytes());
    let reply = send(&running, &picking).await;
    says(&reply, 403, "permission_error", &["`alice`", "pick_provider"]);

    let listed = |name: &'static str| request("GET", "/v1/models", &[("x-api-key", name)], b"");
    let (_, mine) = send(&running, &listed("alice")).await;
    let names: Vec<&str> =
        mine["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("claude-haiku-")));
    let (_, all) = send(&running, &listed("bob")).await;
    assert!(all["data"].as_array().expect("a list").len() > names.len());
    let one = request("GET", "/v1/models/claude-opus-5-5", &[("x-api-key", "alice")], b"");
    says(&send(&running, &one).await, 403, "permission_error", &["`alice`"]);

    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(status(&running).await["clients"]["alice"]["rejected"]["forbidden"], 3);
    let log = running.stop();
    assert_eq!(log.matches(r#""limited_by":"allow_models""#).count(), 2, "{log}");
    assert_eq!(log.matches(r#""limited_by":"pick_provider""#).count(), 1, "{log}");
}

/// R36: below a minute the client holds the request and goes on, beyond it gives up at once.
#[tokio::test]
async fn r36_over_a_rate_the_caller_is_told_whose_limit_it_is_and_how_long_to_wait() {
    let upstream = answering();
    let running = tuned(&upstream, |config| {
        client(config, "alice", |alice| alice.limits.requests_per_minute = Some(2));
        client(config, "bob", |bob| bob.limits.requests_per_minute = Some(1));
        client(config, "carol", |carol| carol.limits.tokens_per_minute = Some(9000));
    });
    for remaining in ["1", "0"] {
        let (head, _) = ask(&running, "alice", UNARY).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("anthropic-ratelimit-requests-limit"), Some("2"));
        assert_eq!(head.header("anthropic-ratelimit-requests-remaining"), Some(remaining));
        let reset = head.header("anthropic-ratelimit-requests-reset").expect("a time");
        let reset: jiff::Timestamp = reset.parse().expect("RFC 3339");
        assert!(reset > jiff::Timestamp::now());
        assert_eq!(head.header("anthropic-ratelimit-tokens-limit"), None);
    }
    let reply = ask(&running, "alice", UNARY).await;
    says(&reply, 429, "rate_limit_error", &["`alice`", "2 requests", "requests_per_minute"]);
    assert_eq!(reply.0.header("retry-after"), Some("30"));
    assert_eq!(reply.0.header("anthropic-ratelimit-requests-remaining"), Some("0"));

    // Others have shares of their own.
    let (head, _) = ask(&running, "bob", UNARY).await;
    assert_eq!((head.status, head.header("anthropic-ratelimit-requests-limit")), (200, Some("1")));
    let reply = ask(&running, "bob", UNARY).await;
    says(&reply, 429, "rate_limit_error", &["`bob`"]);
    assert_eq!(reply.0.header("retry-after"), Some("61"), "a minute is not held");

    // The answer to come counts, too, though not more than is usual.
    let large = UNARY.replace("\"max_tokens\":9", "\"max_tokens\":64000");
    let held = ask(&running, "carol", &large).await;
    assert_eq!(held.0.header("anthropic-ratelimit-tokens-limit"), Some("9000"));
    let said = status(&running).await;
    assert_eq!(said["clients"]["alice"]["rejected"]["requests_per_minute"], 1, "{said}");
    assert_eq!(said["clients"]["alice"]["requests"], 3, "{said}");
    assert_eq!(said["clients"]["carol"]["tokens"], 15, "{said}");
    let log = running.stop();
    assert!(log.contains(r#""limited_by":"client.requests_per_minute""#), "{log}");
}

/// What is read from a cache costs no tokens, and what was estimated too high comes back.
#[tokio::test]
async fn r36_tokens_are_corrected_by_what_was_used() {
    let gate = Gate::new();
    let upstream = behind(&gate);
    let running = tuned(&upstream, |config| {
        config.limits.tokens_per_minute = Some(6000);
        client(config, "alice", |_| {});
        client(config, "bob", |_| {});
    });
    // About 4096 tokens each.
    let large = UNARY.replace("\"max_tokens\":9", "\"max_tokens\":64000");
    let mut first = waiting(&running, "alice", &large).await;
    upstream.request(0).await;
    let reply = ask(&running, "bob", &large).await;
    says(&reply, 429, "rate_limit_error", &["all callers", "6000 tokens", "tokens_per_minute"]);
    let wait: u64 = reply.0.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
    assert!((20..30).contains(&wait), "2200 tokens at a hundred a second: {wait}");
    gate.open();
    let (head, _) = first.reply().await;
    // Its own estimate was still out when its head was written.
    assert_eq!(head.header("anthropic-ratelimit-tokens-limit"), Some("6000"));
    until(&running, |said| said["everyone"]["in_flight"] == 0).await;
    assert_eq!(ask(&running, "bob", &large).await.0.status, 200);
    let said = status(&running).await;
    assert_eq!(said["everyone"]["rejected"]["tokens_per_minute"], 1, "{said}");
    assert_eq!(said["clients"]["bob"]["rejected"]["tokens_per_minute"], 0, "{said}");
}

/// Anthropic limits counting apart from messages.
#[tokio::test]
async fn r36_counts_of_tokens_have_a_limit_of_their_own() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"input_tokens":3}"#));
    let running = tuned(&upstream, |config| {
        client(config, "alice", |alice| {
            alice.limits.requests_per_minute = Some(1);
            alice.limits.concurrent = Some(0);
        });
    });
    let key = [("x-api-key", "alice")];
    let count = request("POST", "/v1/messages/count_tokens", &key, UNARY.as_bytes());
    assert_eq!(send(&running, &count).await.0.status, 200);
    let reply = send(&running, &count).await;
    says(&reply, 429, "rate_limit_error", &["`alice`", "count tokens"]);
    says(&ask(&running, "alice", UNARY).await, 503, "overloaded_error", &["limits.concurrent"]);
}

/// Exactly those who fit are served or wait; all others know at once.
#[tokio::test]
async fn r42_of_500_callers_at_once_24_are_served_or_wait_and_the_rest_is_told() {
    let gate = Gate::new();
    let upstream = behind(&gate);
    let running = tuned(&upstream, |config| {
        client(config, "alice", |alice| {
            alice.limits.concurrent = Some(8);
            alice.limits.queue = 16;
            alice.limits.requests_per_minute = Some(24);
        });
        client(config, "bob", |_| {});
    });
    let mut callers = Vec::new();
    for _ in 0..500 {
        callers.push(waiting(&running, "alice", UNARY).await);
    }
    until(&running, |said| said["clients"]["alice"]["rejected"]["concurrent"] == 476).await;
    let alice = &status(&running).await["clients"]["alice"];
    assert_eq!((&alice["in_flight"], &alice["waiting"]), (&8.into(), &16.into()), "{alice}");
    // Nobody else is held up by them.
    let mut bob = waiting(&running, "bob", UNARY).await;
    upstream.request(8).await;
    assert_eq!(upstream.requests().len(), 9);
    gate.open();
    assert_eq!(bob.reply().await.0.status, 200);
    let (mut served, mut told) = (0, 0);
    for mut caller in callers {
        let (head, body) = caller.reply().await;
        match head.status {
            200 => served += 1,
            503 => {
                told += 1;
                assert_eq!(head.header("retry-after"), Some("1"));
                let body: Value = serde_json::from_slice(&body.bytes).expect("JSON");
                says(&(head, body), 503, "overloaded_error", &["`alice`", "limits.queue"]);
            }
            other => panic!("{other}"),
        }
    }
    // A rate of 24 was enough for 24: who was told 503 took nothing of it.
    assert_eq!((served, told), (24, 476));
    let alice = &status(&running).await["clients"]["alice"];
    assert_eq!((&alice["in_flight"], &alice["waiting"]), (&0.into(), &0.into()), "{alice}");
    assert_eq!(alice["rejected"]["requests_per_minute"], 0);
}

#[tokio::test]
async fn a_stream_keeps_its_place_to_its_end_and_a_waiter_that_leaves_gives_up_its_own() {
    let start = fixtures::reply("reply-cut-midstream").bytes;
    let upstream = Upstream::start(move |_| Script::event_stream().chunk(start.clone()).hang());
    let running = tuned(&upstream, |config| {
        config.limits.concurrent = Some(1);
        config.limits.queue = 1;
        client(config, "alice", |_| {});
    });
    let mut first = waiting(&running, "alice", STREAM).await;
    first.head().await;
    first.until("message_start").await;
    let second = waiting(&running, "alice", STREAM).await;
    until(&running, |said| said["everyone"]["waiting"] == 1).await;
    let reply = ask(&running, "alice", STREAM).await;
    says(&reply, 503, "overloaded_error", &["all callers", "limits.queue"]);
    drop(second);
    until(&running, |said| said["everyone"]["waiting"] == 0).await;
    let mut third = waiting(&running, "alice", STREAM).await;
    until(&running, |said| said["everyone"]["waiting"] == 1).await;
    assert_eq!(upstream.requests().len(), 1, "who left never reached the upstream");
    drop(first);
    third.head().await;
    third.until("message_start").await;
    drop(third);
    until(&running, |said| said["everyone"]["in_flight"] == 0).await;
    let log = running.stop();
    assert_eq!(log.matches(r#""limited_by":"limits.concurrent""#).count(), 1, "{log}");
}

/// The same by the words of a file.
#[tokio::test]
async fn clients_and_limits_of_a_file_count() {
    let upstream = answering();
    let hash = Sha256::digest("alice").iter().fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
    let yaml = format!(
        "clients:\n  - name: alice\n    key_hash: sha256:{hash}\n    allow_models: [\"claude-*\"]\n    \
         pick_provider: false\n    limits: {{requests_per_minute: 1, concurrent: 2}}\n\
         limits: {{tokens_per_minute: 100000}}\n"
    );
    let running = with(&upstream, &yaml, |options| options.passthrough = true);
    let (head, _) = ask(&running, "alice", UNARY).await;
    assert_eq!(head.header("anthropic-ratelimit-requests-limit"), Some("1"));
    assert_eq!(head.header("anthropic-ratelimit-tokens-limit"), Some("100000"));
    let gpt = UNARY.replace("claude-opus-5-5", "gpt-5");
    says(&ask(&running, "alice", &gpt).await, 403, "permission_error", &["`gpt-5`"]);
    says(&ask(&running, "alice", UNARY).await, 429, "rate_limit_error", &["limits.requests"]);
    says(&ask(&running, "bob", UNARY).await, 401, "authentication_error", &[]);
    // What is not read might ask for any model.
    let unread = request("GET", "/v1/files", &[("x-api-key", "alice")], b"");
    says(&send(&running, &unread).await, 403, "permission_error", &["`alice`", "not read"]);
    assert_eq!(upstream.requests().len(), 1);
}

/// Limits of all together hold for callers without names, too, and for what is passed through.
#[tokio::test]
async fn what_is_passed_through_has_a_place_and_is_a_request() {
    let upstream = Upstream::start(|_| Script::new().hang());
    let yaml = "limits: {concurrent: 1, requests_per_minute: 2}\n";
    let running = with(&upstream, yaml, |options| options.passthrough = true);
    let files = request("GET", "/v1/files", &[], b"");
    let mut held = running.client().await;
    held.send(&files).await;
    upstream.request(0).await;
    let reply = send(&running, &files).await;
    says(&reply, 503, "overloaded_error", &["all callers", "limits.concurrent"]);
    drop(held);
    upstream.left(0).await;
    until(&running, |said| said["everyone"]["in_flight"] == 0).await;
    let mut second = running.client().await;
    second.send(&files).await;
    upstream.request(1).await;
    drop(second);
    upstream.left(1).await;
    until(&running, |said| said["everyone"]["in_flight"] == 0).await;
    let reply = send(&running, &files).await;
    says(&reply, 429, "rate_limit_error", &["all callers", "2 requests"]);
    assert_eq!(reply.0.header("retry-after"), Some("30"));
}

/// A person is let past what nobody looks at.
#[tokio::test]
async fn who_waits_for_an_answer_comes_before_work_of_the_background() {
    let upstream = Upstream::start(|_| Script::new().hang());
    let running = tuned(&upstream, |config| {
        config.limits.concurrent = Some(1);
        config.limits.queue = 2;
        client(config, "alice", |_| {});
    });
    let probe = r#"{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"quota"}]}"#;
    let mut order = Vec::new();
    for (waiters, body) in [(0, UNARY), (1, probe), (2, UNARY)] {
        order.push(waiting(&running, "alice", body).await);
        until(&running, |said| {
            said["everyone"]["in_flight"] == 1 && said["everyone"]["waiting"] == waiters
        })
        .await;
    }
    let [first, background, person] = order.try_into().unwrap_or_else(|_| panic!("three"));
    drop(first);
    assert_eq!(upstream.request(1).await.json()["model"], "claude-opus-5-5");
    drop(person);
    assert_eq!(upstream.request(2).await.json()["model"], "claude-haiku-4-5");
    drop(background);
}

/// On HTTP/2 leaving is a reset of one stream.
#[tokio::test]
async fn a_waiter_on_http2_that_resets_gives_up_its_ticket() {
    let upstream = Upstream::start(|_| Script::new().hang());
    let running = with(&upstream, "limits: {concurrent: 1, queue: 1}\n", |_| {});
    let mut held = running.client().await;
    held.send(&messages_of("nobody", UNARY)).await;
    upstream.request(0).await;
    let mut sender = crate::wire::http2(&running).await;
    for _ in 0..3 {
        let ask = http::Request::post("http://localhost/v1/messages");
        let ask = ask.body(http_body_util::Full::from(UNARY)).expect("a request");
        let mut reply = Box::pin(sender.send_request(ask));
        tokio::select! {
            _ = &mut reply => panic!("there is no place"),
            () = until(&running, |said| said["everyone"]["waiting"] == 1) => {}
        }
        drop(reply);
        until(&running, |said| said["everyone"]["waiting"] == 0).await;
    }
    assert_eq!(upstream.requests().len(), 1);
}

/// Other limits count at once, for those who wait, too; what has been used stays used.
#[tokio::test]
async fn limits_change_with_a_reload_and_what_was_used_does_not() {
    let upstream = Upstream::start(|_| Script::new().hang());
    let hash = Sha256::digest("alice").iter().fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
    let yaml = |limits: &str| {
        let provider = format!("providers:\n  anthropic:\n    api_base: {}\n", upstream.url());
        format!(
            "{provider}clients:\n  - name: alice\n    key_hash: sha256:{hash}\n    limits: {limits}\n"
        )
    };
    let running = custom(&yaml("{concurrent: 1, queue: 1, requests_per_minute: 3}"), &[], |_| {});
    let first = waiting(&running, "alice", UNARY).await;
    upstream.request(0).await;
    let second = waiting(&running, "alice", UNARY).await;
    until(&running, |said| said["clients"]["alice"]["waiting"] == 1).await;

    running.reload(&yaml("{concurrent: 2, requests_per_minute: 3}"), &[]).expect("it can be run");
    upstream.request(1).await;
    let said = status(&running).await;
    assert_eq!(said["clients"]["alice"]["in_flight"], 2, "{said}");
    says(&ask(&running, "alice", UNARY).await, 503, "overloaded_error", &["limits.concurrent"]);

    running.reload(&yaml("{requests_per_minute: 2}"), &[]).expect("it can be run");
    says(&ask(&running, "alice", UNARY).await, 429, "rate_limit_error", &["2 requests"]);

    let others = yaml("{}").replace("name: alice", "name: bob");
    running.reload(&others, &[]).expect("it can be run");
    let said = status(&running).await;
    assert_eq!(said["clients"]["bob"]["requests"], 0, "{said}");
    assert_eq!(said["clients"]["alice"], Value::Null, "{said}");
    drop((first, second));
    until(&running, |said| said["everyone"]["in_flight"] == 0).await;
}
