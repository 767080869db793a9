//! The chain of a request: which failure of one upstream leads to the next, and what the caller is told.

use gateway_testkit::{BodyEnd, Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::legs::{
    QUICK, Told, answer, answering, ask, broken, chain_of, error, events, limited, overloaded,
    post, providers, records, saying, two,
};
use crate::support::{Running, STREAM, UNARY, custom};

/// How a request with this failure of its first upstream ends: the attempts there, and the status that is
/// told, or the second one's answer.
#[derive(Debug, Clone, Copy)]
enum Leads {
    /// To the second, after so many attempts.
    On(usize),
    /// To this status, after one.
    Final(u16),
}
use Leads::{Final, On};

/// `first` fails like that, for a unary request and for a stream.
async fn leads(name: &str, more: &str, script: impl Fn() -> Script, leads: Leads) {
    for body in [UNARY, STREAM] {
        let (script, second) = (script(), answering("second"));
        let first = Upstream::start(move |_| script.clone());
        let all = providers(&[("first", &first, more), ("second", &second, "")]);
        let rule =
            "routes: [{rule_type: catch_all, provider: first, fallbacks: [second/other-model]}]\n";
        let running = custom(&format!("{all}{rule}{QUICK}"), &[], |_| {});
        let told = ask(&running, body).await;
        let asked = (first.requests().len(), second.requests().len());
        let model = second.requests().first().map(|asked| asked.json()["model"].clone());
        let log = running.stop();
        let told_chain = chain_of(&records(&log)[0]);
        match leads {
            On(attempts) => {
                told.is_whole("second");
                assert_eq!(asked, (attempts, 1), "{name}: {told_chain:?}");
                assert_eq!(model, Some("other-model".into()), "{name}");
                assert_eq!(told.header("x-gateway-provider"), Some("second"), "{name}");
                assert_eq!(told.header("x-gateway-model"), Some("other-model"), "{name}");
                let all = (attempts + 1).to_string();
                assert_eq!(told.header("x-gateway-attempts"), Some(&*all), "{name}");
                let last = told_chain.last().map(String::as_str);
                assert_eq!(last, Some("second:other-model:answered:"), "{name}");
            }
            Final(status) => {
                assert_eq!(
                    (told.status(), told.end),
                    (status, BodyEnd::Clean),
                    "{name}: {}",
                    told.text
                );
                assert_eq!(asked, (1, 0), "{name}: {told_chain:?}");
                assert_eq!(told.header("x-gateway-provider"), Some("first"), "{name}");
                assert_eq!(told.header("x-gateway-attempts"), Some("1"), "{name}");
                let one = format!("first:claude-opus-5-5:failed:{status}");
                assert_eq!(told_chain, [one], "{name}");
            }
        }
        assert_eq!(told_chain.len(), asked.0 + asked.1, "{name}: {told_chain:?}");
    }
}

#[tokio::test]
async fn limits_and_servers_in_trouble_are_asked_again_and_then_the_next_is() {
    let limit = || error(429, "rate_limit_error", "too fast");
    leads("429", "", limit, On(2)).await;
    leads("429, retry-after 0", "", || limited("0"), On(2)).await;
    leads("429, retry-after above max_delay", "", || limited("30"), On(1)).await;
    leads("500", "", broken, On(2)).await;
    leads("502", "", || Script::full(502, "text/html", "<html>Bad Gateway</html>"), On(2)).await;
    leads("503", "", || Script::json(503, r#"{"error":"busy"}"#), On(2)).await;
    leads("529", "", overloaded, On(2)).await;
    leads("529 for good", "", || overloaded().header("x-should-retry", "false"), On(1)).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_final_and_what_is_wrong_with_the_key_is_not() {
    let refused =
        |status, kind: &'static str, text: &'static str| move || error(status, kind, text);
    leads("401", "", refused(401, "authentication_error", "invalid x-api-key"), On(1)).await;
    let revoked = "This API key has been disabled.";
    leads("403, key", "", refused(403, "permission_error", revoked), On(1)).await;
    let moderated = "Your request was blocked by our content filter.";
    leads("403, moderation", "", refused(403, "permission_error", moderated), Final(403)).await;
    leads("404", "", refused(404, "not_found_error", "model: nope"), Final(404)).await;
    let wrong = "messages: at least one message is required";
    leads("400", "", refused(400, "invalid_request_error", wrong), Final(400)).await;
    let poor = "Your credit balance is too low to access the Anthropic API.";
    leads("400, money", "", refused(400, "invalid_request_error", poor), On(1)).await;
    leads("413", "", refused(413, "request_too_large", "Request too large"), Final(413)).await;
}

#[tokio::test]
async fn nonsense_leads_on_at_once_and_a_broken_connection_after_another_try() {
    let garbage = || Script::json(200, "\u{1}\u{2}garbage");
    leads("garbage", "", garbage, On(1)).await;
    let page = || Script::full(200, "text/html", "<html>Sign in</html>");
    leads("a page", "", page, On(1)).await;
    leads("reset before the head", "", || Script::new().reset(), On(2)).await;
    leads("reset in the head", "", || Script::new().bytes("HTTP/1.1 200 O").reset(), On(2)).await;
    leads("closed before the head", "", || Script::new().close(), On(2)).await;
}

/// The phases of a stream, and of a unary body.
#[tokio::test]
async fn what_breaks_before_the_first_block_leads_on() {
    let [start, block, ..] = &events("claude-opus-5-5", "first")[..] else { panic!("events") };
    let (start, half) = (start.clone(), block[..block.len() / 2].to_owned());
    let of = |pieces: &[&str]| {
        pieces
            .iter()
            .fold(Script::event_stream(), |script, piece| script.chunk((*piece).to_owned()))
    };
    for (name, script, body) in [
        ("no events", of(&[]).last_chunk(), STREAM),
        ("a comment alone", of(&[": hello\n\n"]).last_chunk(), STREAM),
        ("reset before events", of(&[]).reset(), STREAM),
        ("reset after message_start", of(&[&start]).reset(), STREAM),
        ("end after message_start", of(&[&start]).last_chunk(), STREAM),
        ("reset in the first block's event", of(&[&start, &half]).reset(), STREAM),
        ("an error event first", of(&[&frame("overloaded_error")]).last_chunk(), STREAM),
        (
            "an error event after message_start",
            of(&[&start, &frame("api_error")]).last_chunk(),
            STREAM,
        ),
        ("a limit as an event", of(&[&frame("rate_limit_error")]).last_chunk(), STREAM),
        ("reset in the body", Script::json(200, "{\"type\":").header("x", "y").reset(), UNARY),
        (
            "an end in the body",
            Script::new().head(200).content_length(99).bytes("{\"type\":").close(),
            UNARY,
        ),
    ] {
        let (first, second) = (saying(move || script.clone()), answering("second"));
        let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
        let told = ask(&running, body).await;
        told.is_whole("second");
        assert!(!told.text.contains("stamp:first"), "{name}");
        // A body that is there but is no JSON is nonsense, whatever the connection did then.
        let expected = if name == "reset in the body" { 1..=2 } else { 2..=2 };
        assert!(expected.contains(&first.requests().len()), "{name}: {:?}", first.requests().len());
        assert_eq!(second.requests().len(), 1, "{name}");
    }
}

fn frame(kind: &str) -> String {
    let error = json!({"type": "error", "error": {"type": kind, "message": "Later."}});
    format!("event: error\ndata: {error}\n\n")
}

/// R38: a request that was not answered in time is not sent there again, which would begin to think anew.
#[tokio::test]
async fn r38_a_hang_in_each_phase_leads_on_without_another_try() {
    let start = events("claude-opus-5-5", "first")[0].clone();
    for (name, script, body) in [
        ("no head", Script::new().hang(), UNARY),
        ("half a body", Script::new().head(200).content_length(9).bytes("{").hang(), UNARY),
        ("no head", Script::new().hang(), STREAM),
        ("no event", Script::event_stream().hang(), STREAM),
        ("no block", Script::event_stream().chunk(start).hang(), STREAM),
    ] {
        let (first, second) = (saying(move || script.clone()), answering("second"));
        let short = "timeouts: {first_byte: 0.1, unary: 0.1}";
        let all = providers(&[("first", &first, short), ("second", &second, "")]);
        let rule =
            "routes: [{rule_type: catch_all, provider: first, fallbacks: [second/other-model]}]\n";
        let running = custom(&format!("{all}{rule}{QUICK}"), &[], |_| {});
        ask(&running, body).await.is_whole("second");
        assert_eq!((first.requests().len(), second.requests().len()), (1, 1), "{name}");
        first.left(0).await;
        let log = running.stop();
        let hung = "first:claude-opus-5-5:failed:504";
        assert_eq!(chain_of(&records(&log)[0]), [hung, "second:other-model:answered:"], "{name}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_a_larger_window_or_is_told_as_it_was() {
    let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 201000 tokens > 200000 maximum"}}"#;
    let window = |tokens: u32| format!("models: {{m: {{context_window: {tokens}}}}}");
    for (windows, reached) in [([200_000, 1_000_000], true), ([200_000, 200_000], false)] {
        for body in [UNARY, STREAM] {
            let first = saying(move || Script::json(400, long).header("request-id", "req_1"));
            let (small, second) = (answering("small"), answering("second"));
            let all = providers(&[
                ("first", &first, &window(windows[0])),
                ("small", &small, &window(100_000)),
                ("second", &second, &window(windows[1])),
            ]);
            let rule = "routes: [{rule_type: catch_all, provider: first, model: m, \
                        fallbacks: [small/m, second/m]}]\n";
            let running = custom(&format!("{all}{rule}{QUICK}"), &[], |_| {});
            let told = ask(&running, body).await;
            assert_eq!((first.requests().len(), small.requests().len()), (1, 0));
            if reached {
                told.is_whole("second");
            } else {
                assert_eq!((told.status(), &*told.text), (400, long));
                assert_eq!(told.header("request-id"), Some("req_1"));
                assert_eq!(second.requests().len(), 0);
            }
        }
    }
}

#[tokio::test]
async fn the_next_may_speak_another_dialect() {
    let first = saying(overloaded);
    let second = Upstream::start(|asked| {
        assert_eq!(asked.path(), "/v1/chat/completions");
        if asked.json()["stream"] != true {
            let choice = json!({"index": 0, "message": {"role": "assistant", "content": "stamp:second."},
                "finish_reason": "stop"});
            return Script::json(200, json!({"id": "c", "choices": [choice]}).to_string());
        }
        let chunk = |delta: Value, end: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
            format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
        };
        let text = chunk(json!({"role": "assistant", "content": "stamp:second."}), Value::Null);
        let end = chunk(json!({}), "stop".into());
        Script::event_stream().chunk(text).chunk(end).chunk("data: [DONE]\n\n").last_chunk()
    });
    let yaml = format!(
        "{}  second: {{kind: openai, api_base: {}, api_key_env_var: K, extra: {{api: chat}}}}\n\
         routes: [{{pattern: \"claude-*\", provider: first, fallbacks: [second/gpt-4.1]}}]\n{QUICK}",
        providers(&[("first", &first, "")]),
        second.url()
    );
    let running = custom(&yaml, &[("K", "sk-the-other-key-0123456789")], |_| {});
    for (at, body) in [UNARY, STREAM].into_iter().enumerate() {
        let body = body.replace("[]", r#"[{"role":"user","content":"hi"}]"#);
        let told = ask(&running, &body).await;
        told.is_whole("second");
        assert_eq!(told.header("x-gateway-provider"), Some("second"));
        assert_eq!(told.header("x-gateway-model"), Some("gpt-4.1"));
        assert_eq!(told.header("x-gateway-attempts"), Some("3"));
        let asked = second.request(at).await;
        assert_eq!(asked.json()["model"], "gpt-4.1");
        assert_eq!(asked.header("authorization"), Some("Bearer sk-the-other-key-0123456789"));
        assert_eq!(asked.header("x-api-key"), None, "one provider's key never goes to another");
    }
}

#[tokio::test]
async fn the_log_has_one_record_with_everybody_who_was_asked_and_why() {
    let (first, second, third) = (saying(overloaded), saying(broken), answering("third"));
    let all = providers(&[
        ("first", &first, ""),
        ("second", &second, ""),
        ("bare", &third, "api_key_env_var: NOT_SET"),
        ("third", &third, ""),
    ]);
    let rule = "routes: [{rule_type: catch_all, provider: first, \
                fallbacks: [second/two, bare, third/three]}]\n";
    let running = custom(&format!("{all}{rule}{QUICK}"), &[], |_| {});
    ask(&running, STREAM).await.is_whole("third");
    let log = running.stop();
    let records = records(&log);
    assert_eq!(records.len(), 1, "{log}");
    let first = "first:claude-opus-5-5:failed:529";
    let (bare, third) = ("bare:claude-opus-5-5:skipped:no credential", "third:three:answered:");
    let chain = [first, first, "second:two:failed:500", "second:two:failed:500", bare, third];
    assert_eq!(chain_of(&records[0]), chain);
    assert_eq!(
        (&records[0]["attempts"], &records[0]["provider"], &records[0]["upstream_model"]),
        (&json!(5), &json!("third"), &json!("three"))
    );
    assert_eq!((&records[0]["status"], &records[0]["outcome"]), (&json!(200), &json!("ok")));
}

type Says = fn() -> Script;

/// Of several failures: what is wrong with the request, then what passes, then what somebody has to mend.
#[tokio::test]
async fn of_several_failures_the_one_that_helps_most_is_told() {
    let dead = || error(401, "authentication_error", "invalid x-api-key");
    let wrong = || error(400, "invalid_request_error", "max_tokens: too large");
    let page = || Script::full(200, "text/html", "<html></html>");
    let long = || error(400, "invalid_request_error", "prompt is too long");
    let cases: [(&str, Says, Says, u16, &str); 8] = [
        ("a limit, a dead key", || limited("30"), dead, 429, "rate_limit_error"),
        ("a dead key, a limit", dead, || limited("30"), 429, "rate_limit_error"),
        ("a server in trouble, a limit", broken, || limited("30"), 429, "rate_limit_error"),
        ("a dead key, a server in trouble", dead, overloaded, 529, "overloaded_error"),
        ("equal: the first", overloaded, broken, 529, "overloaded_error"),
        ("a limit, then what is wrong", || limited("30"), wrong, 400, "invalid_request_error"),
        ("nonsense, a dead key", page, dead, 502, "api_error"),
        ("too long, a limit", long, || limited("30"), 400, "invalid_request_error"),
    ];
    for (name, one, other, status, kind) in cases {
        let (first, second) = (saying(one), saying(other));
        let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
        for body in [UNARY, STREAM] {
            let told = ask(&running, body).await;
            assert_eq!(
                (told.status(), told.error()["type"].as_str()),
                (status, Some(kind)),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn after_the_first_block_nobody_is_asked_again() {
    let all = events("claude-opus-5-5", "first");
    for cut in 2..all.len() {
        let beginning = all[..cut].concat();
        let sent = beginning.clone();
        let first = saying(move || Script::event_stream().chunk(sent.clone()).reset());
        let second = answering("second");
        let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
        let told = ask(&running, STREAM).await;
        assert_eq!((told.status(), told.end != BodyEnd::Clean), (200, true), "{}", told.text);
        assert_eq!(told.text, beginning);
        assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
        let log = running.stop();
        let record = &records(&log)[0];
        assert_eq!((&record["outcome"], &record["attempts"]), (&json!("broken"), &json!(1)));
    }
}

/// R36: whoever is alone passes on how long to wait, and does not wait itself.
#[tokio::test]
async fn r36_a_retry_after_above_max_delay_is_passed_on_and_not_slept_through() {
    let first = saying(|| limited("30"));
    let running = custom(&format!("{}{QUICK}", providers(&[("first", &first, "")])), &[], |_| {});
    let told = ask(&running, UNARY).await;
    assert_eq!((told.status(), told.header("retry-after")), (429, Some("30")));
    assert_eq!(told.error()["message"], "too fast");
    // While it lasts nobody is asked for nothing, and it gets shorter.
    let told = ask(&running, STREAM).await;
    assert_eq!(told.status(), 429, "{}", told.text);
    let wait: u64 = told.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
    assert!((1..=33).contains(&wait), "{wait}");
    assert_eq!(first.requests().len(), 1);
    let log = running.stop();
    let record = &records(&log)[1];
    assert_eq!(chain_of(record), ["first:claude-opus-5-5:skipped:resting"]);
    assert_eq!(record["attempts"], 0);
}

async fn fails_alone(running: &Running, headers: &[(&str, &str)], body: &str) -> Told {
    let told = post(running, "/v1/messages", headers, body).await;
    assert_eq!(told.status(), 529, "{}", told.text);
    assert_eq!(told.header("x-gateway-provider"), Some("first"));
    told
}

#[tokio::test]
async fn who_is_private_or_has_no_fallbacks_or_was_picked_fails_alone() {
    let second = answering("second");
    let later = "{rule_type: catch_all, provider: second}";
    for (more, rules) in [
        ("private: true", format!("[{{pattern: \"claude-*\", provider: first}}, {later}]")),
        ("", format!("[{{pattern: \"claude-*\", provider: first, fallbacks: []}}, {later}]")),
    ] {
        let first = saying(overloaded);
        let all = providers(&[("first", &first, more), ("second", &second, "")]);
        let running = custom(&format!("{all}routes: {rules}\n{QUICK}"), &[], |_| {});
        for body in [UNARY, STREAM] {
            fails_alone(&running, &[], body).await;
        }
        assert_eq!(first.requests().len(), 4);
    }
    let first = saying(overloaded);
    let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
    let via = "claude-via-first--some-model";
    for body in [UNARY, STREAM] {
        fails_alone(&running, &[("x-gateway-provider", "first")], body).await;
        fails_alone(&running, &[], &body.replace("claude-opus-5-5", via)).await;
    }
    assert_eq!(first.requests()[2].json()["model"], "some-model");
    assert_eq!(second.requests().len(), 0);
    // And without any of these a later rule that matches is the chain.
    let all = providers(&[("first", &first, ""), ("second", &second, "")]);
    let rules = format!("routes: [{{pattern: \"claude-*\", provider: first}}, {later}]\n");
    let running = custom(&format!("{all}{rules}{QUICK}"), &[], |_| {});
    ask(&running, UNARY).await.is_whole("second");
}

#[tokio::test]
async fn counts_go_along_the_chain_too() {
    let (first, second) = (saying(overloaded), answering("second"));
    let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
    let told = post(&running, "/v1/messages/count_tokens", &[], UNARY).await;
    assert_eq!((told.status(), &told.json()["input_tokens"]), (200, &json!(42)), "{}", told.text);
    assert_eq!(told.header("x-gateway-provider"), Some("second"));
    assert_eq!(told.header("x-gateway-estimate"), None);
    // Nobody waits for a second try of a count.
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

/// The 200 and pings are out, and still the next can answer: the caller sees one whole stream.
#[tokio::test]
async fn a_stream_that_was_committed_fails_over_before_its_first_block() {
    let early = QUICK.replace("retry:", "commit_after: 0.02, keepalive_ping: 0.02, retry:");
    for last in [true, false] {
        let gate = Gate::new();
        let held = gate.clone();
        let start = events("claude-opus-5-5", "first")[0].clone();
        let first = Upstream::start(move |_| {
            Script::event_stream().chunk(start.clone()).wait(&held).reset()
        });
        let second = Upstream::start(
            move |asked| {
                if last { answer(asked, "second") } else { limited("30") }
            },
        );
        let running = custom(&format!("{}{early}", two(&first, &second)), &[], |_| {});
        let mut client = running.client().await;
        client.send(&crate::support::messages(STREAM)).await;
        let head = client.head().await;
        assert_eq!(head.status, 200);
        let pings = client.until("event: ping").await;
        assert!(!pings.windows(5).any(|w| w == b"stamp"));
        gate.open();
        let rest = client.rest().await;
        let text = String::from_utf8_lossy(&rest.bytes).into_owned();
        let told = Told { head, text, end: rest.end };
        assert_eq!((first.requests().len(), second.requests().len()), (2, 1));
        if last {
            told.is_whole("second");
        } else {
            assert_eq!(told.end, BodyEnd::Clean);
            assert_eq!(told.error()["type"], "rate_limit_error", "{}", told.text);
            assert!(!told.text.contains("message_start"), "{}", told.text);
        }
        let log = running.stop();
        let record = &records(&log)[0];
        assert_eq!(record["attempts"], 3);
        let (provider, outcome) = if last { ("second", "ok") } else { ("second", "broken") };
        assert_eq!((&record["provider"], &record["outcome"]), (&json!(provider), &json!(outcome)));
    }
}

/// Each of the chain has its own time, as far as the caller has: a limit of its own is for all of them.
#[tokio::test]
async fn who_hangs_does_not_take_the_time_of_the_next() {
    let all = |first: &Upstream, second: &Upstream| {
        let short = "timeouts: {first_byte: 0.3, unary: 0.3}";
        let all = providers(&[("first", first, short), ("second", second, short)]);
        let rule = "routes: [{pattern: \"*\", provider: first, fallbacks: [second]}]\n";
        custom(&format!("{all}{rule}{QUICK}"), &[], |_| {})
    };
    let (first, second) = (saying(|| Script::new().hang()), answering("second"));
    let running = all(&first, &second);
    ask(&running, STREAM).await.is_whole("second");
    ask(&running, UNARY).await.is_whole("second");
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
    let hurry = [("x-stainless-timeout", "0.2")];
    let told = post(&running, "/v1/messages", &hurry, UNARY).await;
    assert_eq!((told.status(), &told.error()["type"]), (504, &json!("timeout_error")));
    assert_eq!((first.requests().len(), second.requests().len()), (3, 2));
    // And if all of them hang it ends.
    let running = all(&first, &first);
    assert_eq!(ask(&running, STREAM).await.status(), 504);
}

#[tokio::test]
async fn nobody_is_asked_for_a_caller_who_has_left() {
    let second = answering("second");
    for body in [UNARY, STREAM] {
        let first = saying(|| Script::new().hang());
        let running = custom(&format!("{}{QUICK}", two(&first, &second)), &[], |_| {});
        let mut client = running.client().await;
        client.send(&crate::support::messages(body)).await;
        first.request(0).await;
        client.reset();
        first.left(0).await;
        crate::legs::until(&running, |said| said["requests"]["abandoned"] == 1).await;
        let status = running.status().await;
        let model = &status["providers"]["first"]["models"]["claude-opus-5-5"];
        assert_eq!((&model["in_flight"], &model["breaker"]), (&json!(0), &json!("closed")));
        let log = running.stop();
        let record = &records(&log)[0];
        assert_eq!(chain_of(record), ["first:claude-opus-5-5:left:"]);
        assert_eq!((&record["outcome"], &record["attempts"]), (&json!("abandoned"), &json!(1)));
    }
    assert_eq!(second.requests().len(), 0);
}
