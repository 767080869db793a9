//! Callers above their limits: what Claude Code makes of the gateway's words.

use std::sync::Arc;

use gateway_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::claude::{Claude, Run};
use crate::harness::{Gateway, config};
use crate::model::{Ask, Reply, anthropic};
use crate::observe::{JSON_LOG, ask, status, until_logged};

/// `sha256sum` of [`CLIENT_KEY`](crate::harness::CLIENT_KEY).
const KEY_HASH: &str = "51f03818c3cf7081aadd910300bdac1f60a2c9e68cf63ef14b5f5985a105bbef";

/// A gateway whose only client has these keys of its own, and these lines at the top level.
fn gateway(upstream: &Upstream, client: &str, more: &str) -> Gateway {
    let clients =
        format!("clients:\n  - {{name: alice, key_hash: \"sha256:{KEY_HASH}\", {client}}}\n{more}");
    let config = config(upstream, "api_key_env_var: ANTHROPIC_API_KEY", &clients);
    Gateway::with(&config, &[JSON_LOG])
}

fn posts(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.method == "POST").count()
}

/// One small request that is no stream.
fn small(gateway: &Gateway) -> (u16, String) {
    let body = json!({"model": "claude-opus-5-5", "max_tokens": 1,
        "messages": [{"role": "user", "content": "small"}]});
    ask(gateway, "POST", "/v1/messages", body.to_string().as_bytes())
}

/// One tool, then an end.
fn worker() -> Arc<Upstream> {
    anthropic(|ask: &Ask| {
        if ask.result("toolu_work").is_some() {
            return Reply::text("worked").to(ask);
        }
        let input = json!({"command": "echo work", "description": "work"});
        Reply::tool("toolu_work", "Bash", &input).to(ask)
    })
}

fn told(run: &Run) -> &str {
    run.result()["result"].as_str().unwrap_or_default()
}

fn refused(lines: &[Value], by: &str) -> usize {
    lines.iter().filter(|line| line["limited_by"] == by).count()
}

/// Ten requests a minute are one in six seconds: all of them are used up, and the client waits for each of its own.
#[test]
fn r36_a_client_above_its_requests_a_minute_waits_and_goes_on() {
    let upstream = worker();
    let gateway = gateway(&upstream, "limits: {requests_per_minute: 10}", "");
    let mut used = 0;
    let refusal = loop {
        match small(&gateway) {
            (200, _) => used += 1,
            (status, text) => break (status, text),
        }
    };
    assert!(used >= 10, "{used}");
    assert_eq!(refusal.0, 429, "{refusal:?}");
    let words = ["rate_limit_error", "alice", "requests_per_minute", "try again in "];
    assert!(words.iter().all(|word| refusal.1.contains(word)), "{refusal:?}");
    let run = Claude::at(gateway.url()).ask("work", &[]);
    run.said("worked");
    assert!(run.count("system", "api_retry") >= 1, "{run:?}");
    assert_eq!(posts(&upstream), used + 2, "{run:?}");
    let lines = until_logged(&gateway, "the last answer", |lines| {
        lines.iter().filter(|line| line["status"] == 200).count() == used + 2
    });
    let waits = refused(&lines, "client.requests_per_minute");
    assert!(waits >= 2, "{lines:?}");
    // It waits as long as it was told to: it does not ask in between.
    assert_eq!(waits, 1 + run.count("system", "api_retry"), "{run:?}");
}

/// More tokens were used than minutes will bring: no client holds a request for so long, and it is told at once.
#[test]
fn r36_a_limit_that_lasts_is_shown_at_once() {
    let upstream = anthropic(|ask: &Ask| {
        if ask.mentions("small") {
            return Script::json(
                200,
                r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-5-5","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9000000,"output_tokens":1}}"#,
            );
        }
        Reply::text("never").to(ask)
    });
    for (client, more, who) in [
        ("limits: {tokens_per_minute: 100000}", "", "alice"),
        ("pick_provider: true", "limits: {tokens_per_minute: 100000}\n", "all callers"),
    ] {
        let gateway = gateway(&upstream, client, more);
        let before = posts(&upstream);
        assert_eq!(small(&gateway).0, 200);
        // The tokens count when the answer has gone.
        crate::observe::until(&gateway, "the tokens to be counted", |status| {
            status["everyone"]["tokens"].as_u64() >= Some(9_000_000)
        });
        let run = Claude::at(gateway.url()).ask("work", &[]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
        for word in [who, "100000 tokens", "tokens_per_minute", "try again in"] {
            assert!(told(&run).contains(word), "{word}: {run:?}");
        }
        assert_eq!(posts(&upstream) - before, 1, "{run:?}");
    }
}

/// A model that is not on the list: told with what to do, and not asked again.
#[test]
fn r36_a_model_that_the_client_may_not_use_is_told_at_once() {
    let upstream = worker();
    let gateway = gateway(&upstream, r#"allow_models: ["claude-haiku-*"]"#, "");
    let claude = Claude::at(gateway.url());
    let run = claude.ask("work", &["--model", "claude-opus-5-5"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
    for word in ["alice", "claude-opus-5-5", "allow_models", "choose another one"] {
        assert!(told(&run).contains(word), "{word}: {run:?}");
    }
    assert_eq!(posts(&upstream), 0, "{run:?}");
    claude.ask("work", &["--model", "claude-haiku-4-5"]).said("worked");
    let rejected = &status(&gateway)["clients"]["alice"]["rejected"]["forbidden"];
    assert_eq!(*rejected, 1, "asked once: {rejected}");
}

/// One at a time, and a queue: nobody notices but by the clock.
#[test]
fn sessions_beyond_limits_concurrent_wait_for_their_turn() {
    let upstream = worker();
    let gateway = gateway(&upstream, "limits: {concurrent: 1, queue: 8}", "");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let run = Claude::at(gateway.url()).ask("work", &[]);
                run.said("worked");
                assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
            });
        }
    });
    let alice = status(&gateway)["clients"]["alice"].clone();
    assert_eq!(alice["rejected"]["concurrent"], 0, "{alice}");
    assert_eq!(alice["requests"], 6, "{alice}");
}
