//! When nobody can answer, or only after a while: what the client is told, and that it is worth its wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_testkit::openai::{Refusal, Turn};

use super::{World, limited, overloaded};
use crate::claude::{Claude, Run};
use crate::harness::{Gateway, PROVIDER_KEY, config};
use crate::model::{Reply, anthropic, error};
use crate::observe::{JSON_LOG, chain, until_logged};
use crate::openai::CHAT;

fn told(run: &Run) -> &str {
    run.result()["result"].as_str().unwrap_or_default()
}

/// The limits of all last for hours: the first session reads Anthropic's words, the next one the gateway's, and
/// neither waits for what does not come.
#[test]
fn r36_everybody_is_limited_for_hours_and_the_client_gives_up_at_once() {
    let world = World::new(
        CHAT,
        ("", "", "{}"),
        |_| limited().header("retry-after", "7200"),
        |_| Turn::error(Refusal::rate_limit(3600)),
    );
    for words in [&["exceed your rate limit"][..], &["anthropic, other", "limit", "not over yet"]] {
        let run = Claude::at(world.gateway.url()).ask("hi", &[]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
        assert!(words.iter().all(|word| told(&run).contains(word)), "{words:?}: {run:?}");
    }
    assert_eq!(world.anthropic.asks().len(), 1);
    assert_eq!(world.other.turns().len(), 1);
}

/// Nobody else is in the chain, and the upstream is down until it is tried again after its rest: the client waits for as
/// long as it is told, and nobody hammers.
#[test]
fn r36_r37_a_session_outlives_an_open_breaker_without_a_fallback() {
    let asked = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => overloaded(),
        _ => Reply::text("after the rest").to(ask),
    });
    let resilience = "resilience: {retry: {base_delay: 0.01}, circuit_breaker: {failure_threshold: 2, open_seconds: 3}}\n";
    let config = config(&upstream, "api_key_env_var: ANTHROPIC_API_KEY", resilience);
    let gateway = Gateway::with(&config, &[JSON_LOG]);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    run.said("after the rest");
    let posts = upstream.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 3, "{run:?}");
    // Once the upstream's own word, once or twice the breaker's, which says how long.
    assert!((1..=3).contains(&run.count("system", "api_retry")), "{run:?}");
    let lines = until_logged(&gateway, "the answer", |lines| {
        lines.iter().any(|line| line["status"] == 200)
    });
    let chains: Vec<_> = lines.iter().map(chain).collect();
    assert!(chains[0].starts_with(&["anthropic 529".to_owned(), "anthropic 529".to_owned()]));
    assert!(chains.iter().any(|chain| chain == &["anthropic open breaker"]), "{chains:?}");
    assert_eq!(chains.last().expect("a chain"), &["anthropic answered"], "{chains:?}");
}

/// Of three keys one is dead and one has met its limit: no session hears of either.
#[test]
fn r37_of_several_keys_the_good_one_serves_the_session() {
    let upstream = anthropic(|ask| match ask.recorded.header("x-api-key") {
        Some("key-that-is-dead") => error(401, "authentication_error", "invalid x-api-key"),
        Some("key-at-its-limit") => limited().header("retry-after", "3600"),
        Some(PROVIDER_KEY) if ask.result("toolu_key").is_some() => {
            Reply::text("with a good key").to(ask)
        }
        Some(PROVIDER_KEY) => {
            let input = serde_json::json!({"command": "echo key", "description": "key"});
            Reply::tool("toolu_key", "Bash", &input).to(ask)
        }
        key => panic!("{key:?} is no key of the gateway"),
    });
    let keys = "api_keys: [{env: DEAD}, {env: LIMITED}, {env: ANTHROPIC_API_KEY}]";
    let gateway = Gateway::with(
        &config(&upstream, keys, ""),
        &[JSON_LOG, "DEAD=key-that-is-dead", "LIMITED=key-at-its-limit"],
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let run = Claude::at(gateway.url()).ask("hi", &[]);
                run.said("with a good key");
                assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
            });
        }
    });
    let with = |key: &str| {
        let requests = upstream.requests();
        requests.iter().filter(|request| request.header("x-api-key") == Some(key)).count()
    };
    assert_eq!(with(PROVIDER_KEY), 8);
    // Sessions that come at the same time may find out at the same time.
    assert!(with("key-that-is-dead") <= 4 && with("key-at-its-limit") <= 4);
    let log = gateway.log();
    assert!(!log.contains("key-that-is-dead") && !log.contains("key-at-its-limit"), "{log}");
}
