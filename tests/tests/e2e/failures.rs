//! What goes wrong upstream, and that the client gets over it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway_testkit::{Gate, RawClient, Recorded, Script, Upstream, request};
use serde_json::json;

use crate::claude::Claude;
use crate::harness::{CLIENT_KEY, Gateway, block_on, config};
use crate::model::{Ask, Reply, anthropic, delta_event, error, event};

fn posts(upstream: &Upstream) -> Vec<std::sync::Arc<Recorded>> {
    upstream.requests().into_iter().filter(|request| request.method == "POST").collect()
}

#[test]
fn c09_r36_r37_a_rate_limit_with_retry_after_is_waited_for() {
    let first = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| {
        if first.fetch_add(1, Ordering::Relaxed) == 0 {
            return error(429, "rate_limit_error", "slow down a little").header("retry-after", "3");
        }
        Reply::text("after the wait").to(ask)
    });
    let gateway = Gateway::with(
        &config(&upstream, "api_key_env_var: ANTHROPIC_API_KEY", ""),
        &["--max-retries", "0"],
    );
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    run.said("after the wait");
    assert_eq!(run.count("system", "api_retry"), 1, "{run:?}");
    let posts = posts(&upstream);
    assert_eq!(posts.len(), 2, "the gateway sends nothing again by itself");
    // The header came through: without it the client waits half a second.
    let waited = posts[1].at - posts[0].at;
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
}

#[test]
fn c09_r38_an_error_that_must_not_be_retried_is_not_and_its_text_arrives() {
    let upstream = anthropic(|_| {
        error(529, "overloaded_error", "Far too busy (täglich)").header("x-should-retry", "false")
    });
    let gateway = Gateway::to(&upstream);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = run.result()["result"].as_str().unwrap_or_default();
    assert!(told.contains("Far too busy (täglich)"), "{run:?}");
    assert_eq!(posts(&upstream).len(), 1);
}

#[test]
fn c09_r20_a_refused_field_is_repaired_by_the_client() {
    let upstream = anthropic(|ask| {
        if ask.body["context_management"].is_object() {
            let text = "context_management: Extra inputs are not permitted";
            return error(400, "invalid_request_error", text);
        }
        Reply::text("without the field").to(ask)
    });
    let gateway = Gateway::to(&upstream);
    Claude::at(gateway.url()).ask("hi", &[]).said("without the field");
    let posts = posts(&upstream);
    assert_eq!(posts.len(), 2);
    let betas = posts[1].header_all("anthropic-beta").join(",");
    assert!(!betas.contains("context-management"), "both halves go together: {betas}");
}

/// A reply that breaks off in the arguments of a call which would leave a file behind.
fn half_a_call(ask: &Ask) -> Script {
    let command = r#"{\"command\":\"touch half.txt\",\"description\":\"ha"#;
    Reply::opening(ask)
        .chunk(event("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#))
        .chunk(delta_event(0, r#"{"type":"text_delta","text":"I begin."}"#))
        .chunk(event("content_block_stop", r#""index":0"#))
        .chunk(event(
            "content_block_start",
            r#""index":1,"content_block":{"type":"tool_use","id":"toolu_half","name":"Bash","input":{}}"#,
        ))
        .chunk(delta_event(
            1,
            &format!(r#"{{"type":"input_json_delta","partial_json":"{command}"}}"#),
        ))
}

/// The first turn breaks off in a call, `ending` says how; the client must come back and never
/// run the call.
fn broken_call(ending: impl Fn(Script) -> Script + Send + Sync + 'static) -> usize {
    let first = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| {
        if first.fetch_add(1, Ordering::Relaxed) == 0 {
            return ending(half_a_call(ask));
        }
        assert!(ask.result("toolu_half").is_none(), "the half call has a result");
        Reply::text("recovered").to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("go", &[]).said("recovered");
    assert_eq!(claude.file("half.txt"), None, "half a tool call was run");
    posts(&upstream).len()
}

#[test]
fn r04_r05_after_an_error_event_in_mid_stream_no_half_call_runs() {
    let error = r#""error":{"type":"overloaded_error","message":"Overloaded"}"#;
    let asked = broken_call(move |script| script.chunk(event("error", error)).last_chunk());
    assert!(asked >= 2);
}

#[test]
fn r04_r05_after_a_cut_in_mid_stream_no_half_call_runs() {
    assert!(broken_call(Script::close) >= 2);
}

#[test]
fn r04_r05_after_a_reset_in_mid_stream_no_half_call_runs() {
    assert!(broken_call(Script::reset) >= 2);
}

/// The upstream's framing says that all is well. Passed on like that, the client would take the turn as ended.
#[test]
fn r04_r05_after_a_clean_end_without_message_stop_no_half_call_runs() {
    assert!(broken_call(Script::last_chunk) >= 2);
}

#[test]
fn r04_a_clean_end_without_message_stop_is_not_taken_for_the_whole() {
    let first = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| match first.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::opening(ask)
            .chunk(event(
                "content_block_start",
                r#""index":0,"content_block":{"type":"text","text":""}"#,
            ))
            .chunk(delta_event(0, r#"{"type":"text_delta","text":"half an answ"}"#))
            .chunk(event("content_block_stop", r#""index":0"#))
            .last_chunk(),
        _ => Reply::text("the whole answer").to(ask),
    });
    let gateway = Gateway::to(&upstream);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    assert_eq!(run.result()["is_error"], false, "{run:?}");
    let said = run.result()["result"].as_str().unwrap_or_default();
    assert!(said.ends_with("the whole answer"), "{run:?}");
}

#[test]
fn r05_r07_a_token_limit_is_told_and_the_client_asks_on() {
    let upstream = anthropic(|ask| {
        if ask.mentions("The first half") {
            return Reply::text("and the second").to(ask);
        }
        Reply::text("The first half").stop("max_tokens").to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let run = Claude::at(gateway.url()).ask("a long story", &[]);
    assert_eq!(run.result()["is_error"], false, "{run:?}");
    let said = run.result()["result"].as_str().unwrap_or_default();
    assert!(said.ends_with("and the second"), "{run:?}");
}

#[test]
fn r06_a_stream_without_a_single_event_is_an_error_and_asked_for_again() {
    let first = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| match first.fetch_add(1, Ordering::Relaxed) {
        0 => Script::event_stream().last_chunk(),
        _ => Reply::text("second time lucky").to(ask),
    });
    let gateway = Gateway::to(&upstream);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    run.said("second time lucky");
    assert_eq!(run.count("system", "api_retry"), 0, "the gateway asks again by itself: {run:?}");
}

#[test]
fn r09_an_upstream_that_is_dead_but_open_is_given_up_in_mid_stream() {
    let first = AtomicUsize::new(0);
    let upstream = anthropic(move |ask| match first.fetch_add(1, Ordering::Relaxed) {
        0 => half_a_call(ask).hang(),
        _ => Reply::text("from a living one").to(ask),
    });
    let provider = "api_key_env_var: ANTHROPIC_API_KEY\n    timeouts: {idle: 1}";
    let gateway = Gateway::with(&config(&upstream, provider, ""), &[]);
    let claude = Claude::at(gateway.url());
    claude.ask("go", &[]).said("from a living one");
    assert_eq!(claude.file("half.txt"), None, "half a tool call was run");
    // The dead connection is not kept.
    block_on(upstream.left(posts(&upstream)[0].index));
}

#[test]
fn a_client_that_is_killed_frees_the_upstream() {
    let reached = Gate::new();
    let here = reached.clone();
    let upstream = anthropic(move |ask| {
        Reply::text("never whole").stream(ask).pausing_after(3, &here, &Gate::new())
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    let mut running = claude.start("hi");
    block_on(reached.passed());
    running.kill().expect("it runs");
    let index = posts(&upstream)[0].index;
    block_on(upstream.left(index));
    running.wait().expect("a child can be waited for");
}

/// Sixty seconds without a byte from upstream. Six pings, ten seconds apart, are the measure of it: when
/// a bare client has seen them the upstream may go on. The real client waits beside it.
#[test]
fn c04_r08_r10_a_minute_of_silence_is_bridged_by_pings() {
    let (gate, held) = (Gate::new(), Gate::new());
    let opened = gate.clone();
    let waiting = held.clone();
    let upstream = anthropic(move |ask| {
        Reply::opening(ask)
            .chunk(event(
                "content_block_start",
                r#""index":0,"content_block":{"type":"text","text":""}"#,
            ))
            .chunk(delta_event(0, r#"{"type":"text_delta","text":"slow "}"#))
            .open(&waiting)
            .wait(&opened)
            .chunk(delta_event(0, r#"{"type":"text_delta","text":"but sure"}"#))
            .chunk(event("content_block_stop", r#""index":0"#))
            .chunk(event(
                "message_delta",
                r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}"#,
            ))
            .chunk(event("message_stop", ""))
            .last_chunk()
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    let asking = std::thread::spawn(move || claude.ask("take your time", &[]));
    let addr = gateway.url().trim_start_matches("http://").parse().expect("an address");
    block_on(async {
        held.passed().await; // the real client is in the silence
        let mut bare = RawClient::connect(addr).await;
        let body = json!({"model": "claude-opus-5-5", "max_tokens": 9, "stream": true,
            "messages": [{"role": "user", "content": "x"}]});
        let headers = [
            ("x-api-key", CLIENT_KEY),
            ("anthropic-version", "2023-06-01"),
            ("content-type", "application/json"),
        ];
        bare.send(&request("POST", "/v1/messages", &headers, body.to_string().as_bytes())).await;
        let head = bare.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        bare.until("slow ").await;
        for _ in 0..6 {
            let seen = bare.until("event: ping").await;
            assert!(!String::from_utf8_lossy(&seen).contains("but sure"));
        }
        gate.open();
        bare.until("but sure").await;
        let rest = bare.rest().await;
        assert!(String::from_utf8_lossy(&rest.bytes).ends_with("{\"type\":\"message_stop\"}\n\n"));
    });
    let run = asking.join().expect("the client's run");
    run.said("slow but sure");
    assert_eq!(posts(&upstream).len(), 2, "nobody asked twice");
}
