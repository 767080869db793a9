//! Upstreams that misbehave: each ends in the right Anthropic error, or in a cut that nobody can
//! take for a whole reply.

use bytes::Bytes;
use gateway_testkit::{Answer, BodyEnd, Gate, Script, Upstream, fixtures};
use serde_json::Value;

use crate::support::{
    PATIENT, Running, STREAM, UNARY, UPSTREAM_KEY, before, custom, messages, with,
};

/// The status, the error's type and its message.
async fn error_of(running: &Running, body: &str) -> (u16, String, String) {
    let mut client = running.client().await;
    client.send(&messages(body)).await;
    let (head, got) = client.reply().await;
    assert_eq!(got.end, BodyEnd::Clean);
    let value: Value = serde_json::from_slice(&got.bytes)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&got.bytes)));
    assert_eq!(value["type"], "error", "{value}");
    assert!(head.header("request-id").is_some());
    let text = |key: &str| value["error"][key].as_str().unwrap_or_default().to_owned();
    (head.status, text("type"), text("message"))
}

async fn unary_and_stream(
    script: impl Fn() -> Script + Send + Sync + 'static,
) -> [(u16, String, String); 2] {
    let upstream = Upstream::start(move |_| script());
    let running = before(&upstream);
    [error_of(&running, UNARY).await, error_of(&running, STREAM).await]
}

#[tokio::test]
async fn r29_html_garbage_and_other_types_are_502_in_anthropics_shape() {
    for (kind, body) in [
        ("text/html", "<html><body>Sign in</body></html>"),
        ("application/octet-stream", "\u{1}\u{2}garbage"),
        ("text/plain", ""),
    ] {
        for (status, error, message) in
            unary_and_stream(move || Script::full(200, kind, body)).await
        {
            assert_eq!((status, error.as_str()), (502, "api_error"), "{kind}: {message}");
        }
    }
}

/// As Anthropic's own errors are: what clients do about one they do by its status.
#[tokio::test]
async fn r29_an_error_that_comes_as_a_success_has_its_status() {
    for (kind, status) in [("overloaded_error", 529), ("rate_limit_error", 429)] {
        let body = format!(r#"{{"error":{{"message":"Later.","type":"{kind}"}},"type":"error"}}"#);
        let upstream = Upstream::start(move |_| Script::json(200, body.clone()));
        let told = error_of(&before(&upstream), UNARY).await;
        assert_eq!(told, (status, kind.to_owned(), "Later.".to_owned()));
    }
}

/// R6: a stream without anything is an error, and so is a JSON body in place of a stream.
#[tokio::test]
async fn r06_an_empty_stream_is_an_error_not_an_empty_answer() {
    for script in [
        || Script::event_stream().last_chunk(),
        || Script::event_stream().chunk(": only a comment\n\n").last_chunk(),
        || Script::json(200, r#"{"type":"message"}"#),
        || Script::event_stream().reset(),
    ] {
        let upstream = Upstream::start(move |_| script());
        let (status, error, _) = error_of(&before(&upstream), STREAM).await;
        assert_eq!((status, error.as_str()), (502, "api_error"));
    }
}

#[tokio::test]
async fn an_event_stream_without_its_content_type_is_still_one() {
    let bytes = fixtures::reply("reply-text").bytes;
    let sent = bytes.clone();
    let upstream = Upstream::start(move |_| Script::full(200, "text/plain", sent.clone()));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (head, got) = client.reply().await;
    assert!(head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")));
    assert_eq!(got.bytes, bytes);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_that_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let yaml = format!("providers:\n  anthropic:\n    api_base: {url}\n");
    let running = custom(&yaml, &[], |_| {});
    for body in [UNARY, STREAM] {
        let (status, error, message) = error_of(&running, body).await;
        assert_eq!((status, error.as_str()), (502, "api_error"));
        assert!(message.contains("anthropic") && message.contains("refused"), "{message}");
    }
    let yaml = "providers:\n  anthropic:\n    api_base: http://name.that.does.not.exist.invalid\n";
    let (status, _, message) = error_of(&custom(yaml, &[], |_| {}), UNARY).await;
    // A machine without a resolver may wait for one until the connect limit.
    assert!(matches!(status, 502 | 504), "{status} {message}");
}

#[tokio::test]
async fn a_reset_at_each_phase_before_the_answer_is_a_502() {
    for script in [
        || Script::new().reset(),
        || Script::new().close(),
        || Script::new().bytes("HTTP/1.1 200 O").reset(),
        || Script::new().bytes("SSH-2.0-OpenSSH\r\n\r\n").close(),
        || {
            Script::new()
                .head(200)
                .header("content-type", "application/json")
                .content_length(99)
                .bytes("{\"a\":")
                .close()
        },
        || {
            Script::new()
                .head(200)
                .header("content-type", "application/json")
                .chunked()
                .chunk("{")
                .reset()
        },
    ] {
        let [unary, _] = unary_and_stream(script).await;
        assert_eq!((unary.0, unary.1.as_str()), (502, "api_error"), "{}", unary.2);
    }
    let upstream = Upstream::builder().answer(Answer::OnConnect).start(|_| Script::new().reset());
    assert_eq!(error_of(&before(&upstream), UNARY).await.0, 502);
}

/// Each phase has its limit: no head, a head without an event, half a unary body.
#[tokio::test]
async fn an_upstream_that_hangs_is_a_504() {
    let limits = "    timeouts: {first_byte: 0.3, unary: 0.3, idle: 0.3}\n";
    for script in [
        || Script::new().hang(),
        || Script::new().bytes("HTTP/1.1 200 OK\r\ncontent-").hang(),
        || Script::event_stream().hang(),
        || Script::event_stream().chunk(": waiting\n\n").chunk("event: mess").hang(),
        || {
            Script::new()
                .head(200)
                .header("content-type", "application/json")
                .content_length(9)
                .bytes("{")
                .hang()
        },
    ] {
        let upstream = Upstream::start(move |_| script());
        let running = with(&upstream, limits, |_| {});
        let unary = error_of(&running, UNARY).await;
        assert_eq!((unary.0, unary.1.as_str()), (504, "timeout_error"), "{}", unary.2);
    }
    let upstream = Upstream::start(|_| Script::event_stream().chunk(": waiting\n\n").hang());
    let running = with(&upstream, limits, |_| {});
    let stream = error_of(&running, STREAM).await;
    assert_eq!((stream.0, stream.1.as_str()), (504, "timeout_error"), "{}", stream.2);
    // The attempt was given up, not left to run.
    upstream.left(0).await;
}

/// R9: a dead upstream is not kept alive by pings for ever.
#[tokio::test]
async fn r09_a_stream_that_falls_silent_is_cut_at_its_idle_limit() {
    let beginning = fixtures::reply("reply-cut-midstream").bytes;
    let sent = beginning.clone();
    let upstream = Upstream::start(move |_| Script::event_stream().chunk(sent.clone()).hang());
    let running = with(&upstream, "    timeouts: {idle: 0.4}\n", |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (_, got) = client.reply().await;
    assert_ne!(got.end, BodyEnd::Clean);
    assert_eq!(got.bytes, beginning);
    upstream.left(0).await;
}

/// R4, R5, R38: what breaks in a block is relayed as far as it came and then cut; nothing is added,
/// nothing is asked again.
#[tokio::test]
async fn r04_r05_r38_a_stream_cut_in_a_tool_call_is_never_completed() {
    for ending in [|s: Script| s.reset(), |s: Script| s.last_chunk(), |s: Script| s.close()] {
        let bytes = fixtures::reply("reply-cut-in-tool-args").bytes;
        let sent = bytes.clone();
        let reached = Gate::new();
        let go_on = Gate::new();
        let (at, on) = (reached.clone(), go_on.clone());
        let upstream = Upstream::start(move |_| {
            ending(Script::event_stream().chunk(sent.clone()).open(&at).wait(&on))
        });
        let running = before(&upstream);
        let mut client = running.client().await;
        client.send(&messages(STREAM)).await;
        assert_eq!(client.head().await.status, 200);
        reached.passed().await;
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            got.extend_from_slice(&client.next_piece().await.expect("all that was sent"));
        }
        go_on.open();
        let rest = client.rest().await;
        assert_eq!((Bytes::from(got), &rest.bytes[..]), (bytes, &b""[..]));
        assert_ne!(rest.end, BodyEnd::Clean);
        assert_eq!(upstream.requests().len(), 1);
        assert!(running.stop().contains(r#""outcome":"broken""#));
    }
}

/// A stream that fails before its first block fails with a status: nothing of it has gone out.
#[tokio::test]
async fn a_stream_cut_before_its_first_block_is_an_honest_error() {
    let start = fixtures::reply("reply-text").bytes;
    let end = start.windows(2).position(|w| w == b"\n\n").expect("a first frame") + 2;
    let start = start.slice(..end);
    let sent = start.clone();
    let upstream =
        Upstream::start(move |_| Script::event_stream().chunk(sent.clone()).last_chunk());
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, got.end), (502, BodyEnd::Clean));
    assert!(got.bytes.starts_with(b"{\"type\":\"error\""), "{got:?}");
}

/// C9: the client recognises an error by its words, so they pass untouched, with their headers.
#[tokio::test]
async fn c09_r20_r36_r37_anthropic_errors_pass_with_status_words_and_retry_after() {
    for (status, body) in fixtures::error_bodies() {
        if status == 401 {
            continue;
        }
        let sent = body.clone();
        let upstream = Upstream::start(move |_| {
            Script::json(status, sent.clone())
                .header("retry-after", "7")
                .header("x-should-retry", "true")
                .header("anthropic-ratelimit-requests-remaining", "0")
                .header("request-id", "req_up")
        });
        for asked in [UNARY, STREAM] {
            // One for each: after a limit nobody is asked again before it is over.
            let running = before(&upstream);
            let mut client = running.client().await;
            client.send(&messages(asked)).await;
            let (head, got) = client.reply().await;
            assert_eq!((head.status, &got.bytes), (status, &body));
            assert_eq!(head.header("retry-after"), Some("7"));
            assert_eq!(head.header("x-should-retry"), Some("true"));
            assert_eq!(head.header("request-id"), Some("req_up"));
            assert_eq!(head.header("anthropic-ratelimit-requests-remaining"), None);
        }
    }
}

#[tokio::test]
async fn r29_a_foreign_error_keeps_its_status_and_its_words() {
    for (status, error) in [
        (400, "invalid_request_error"),
        (422, "invalid_request_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
    ] {
        for body in [r#"{"detail":"the words"}"#, "<h1>the words</h1>"] {
            let all = unary_and_stream(move || Script::full(status, "text/html", body)).await;
            for (got, kind, message) in all {
                assert_eq!((got, kind.as_str()), (status, error));
                assert!(message.contains("the words"), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_gateways_own_key_names_the_variable_and_is_not_retried() {
    let body =
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
    let upstream = Upstream::start(move |_| Script::json(401, body));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    let text = String::from_utf8_lossy(&got.bytes).into_owned();
    assert_eq!((head.status, head.header("x-should-retry")), (401, Some("false")));
    assert!(text.contains("ANTHROPIC_API_KEY") && text.contains("anthropic"), "{text}");
}

#[tokio::test]
async fn the_callers_own_refusal_is_the_callers() {
    let body = r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired"}}"#;
    let upstream = Upstream::start(move |_| Script::json(401, body));
    let running = with(&upstream, "    auth_type: client\n", |_| {});
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    assert_eq!(
        (head.status, head.header("x-should-retry"), &got.bytes[..]),
        (401, None, body.as_bytes())
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Upstream::start(|_| Script::json(200, "{}"));
    let url = elsewhere.url();
    let all = unary_and_stream(move || {
        Script::full(307, "text/plain", "").header("location", format!("{url}/v1/messages"))
    });
    for (status, error, message) in all.await {
        assert_eq!((status, error.as_str()), (502, "api_error"));
        assert!(message.contains("redirect"), "{message}");
    }
    assert!(elsewhere.requests().is_empty(), "no credential went there");
}

/// A hundred megabytes where a message should be: refused without being kept.
#[tokio::test]
async fn a_hundred_megabytes_are_refused_and_not_kept() {
    let megabyte = Bytes::from(vec![b'x'; 1 << 20]);
    let unary = megabyte.clone();
    let upstream = Upstream::start(move |_| {
        Script::new()
            .head(200)
            .header("content-type", "application/json")
            .chunked()
            .repeat_chunk(unary.clone(), 100)
            .last_chunk()
    });
    assert_eq!(error_of(&before(&upstream), UNARY).await.0, 502);

    let upstream = Upstream::start(move |_| {
        Script::new()
            .head(500)
            .header("content-type", "text/html")
            .chunked()
            .endless(megabyte.clone())
    });
    let (status, _, message) = error_of(&before(&upstream), UNARY).await;
    assert_eq!(status, 500);
    assert!(message.len() < 4096, "{}", message.len());
    upstream.left(0).await;
}

/// A reply that is compressed although `identity` was asked for is decoded.
#[tokio::test]
async fn a_compressed_reply_is_decoded() {
    use std::io::Write;
    let gzip = |data: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(data).expect("memory");
        Bytes::from(out.finish().expect("memory"))
    };
    let stream = fixtures::reply("reply-tool").bytes;
    let unary =
        Bytes::from_static(br#"{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}"#);
    let (zipped_stream, zipped_unary) = (gzip(&stream), gzip(&unary));
    let upstream = Upstream::start(move |asked| {
        if asked.json()["stream"] == true {
            let cut = zipped_stream.len() / 3;
            Script::sse(zipped_stream.clone(), &[1, cut]).header("content-encoding", "gzip")
        } else {
            Script::json(200, zipped_unary.clone()).header("content-encoding", "gzip")
        }
    });
    let running = before(&upstream);
    for (asked, wanted) in [(STREAM, stream), (UNARY, unary)] {
        let mut client = running.client().await;
        client.send(&messages(asked)).await;
        let (head, got) = client.reply().await;
        assert_eq!((head.status, got.bytes, got.end), (200, wanted, BodyEnd::Clean));
        assert_eq!(head.header("content-encoding"), None);
    }
    let all = unary_and_stream(|| Script::json(200, "??").header("content-encoding", "rot13"));
    assert!(all.await.iter().all(|(status, ..)| *status == 502));
}

/// An upstream that echoes the key it got: in bodies, events and headers' company.
#[tokio::test]
async fn an_echoed_key_appears_in_no_error_event_status_or_log() {
    let said = format!(
        r#"{{"type":"error","error":{{"type":"api_error","message":"bad {UPSTREAM_KEY}"}}}}"#
    );
    let event = format!("event: error\ndata: {said}\n\n");
    let start = fixtures::reply("reply-cut-midstream").bytes;
    let (unary, foreign) = (said.clone(), format!("<p>{UPSTREAM_KEY}</p>"));
    let upstream = Upstream::start(move |asked| match asked.index {
        0 => Script::json(500, unary.clone()),
        1 => Script::full(503, "text/html", foreign.clone()),
        2 => Script::json(401, unary.clone()),
        _ => Script::sse(Bytes::from([&start[..], event.as_bytes()].concat()), &[900]),
    });
    let running = before(&upstream);
    for asked in [UNARY, UNARY, UNARY, STREAM] {
        let mut client = running.client().await;
        client.send(&messages(asked)).await;
        let (head, got) = client.reply().await;
        assert!(!String::from_utf8_lossy(&got.bytes).contains(UPSTREAM_KEY));
        assert!(!format!("{head:?}").contains(UPSTREAM_KEY));
    }
    assert!(!format!("{:?}", running.gateway).contains(UPSTREAM_KEY));
    let mut client = running.client().await;
    client.send(&gateway_testkit::request("GET", "/status", &[], b"")).await;
    assert!(!String::from_utf8_lossy(&client.reply().await.1.bytes).contains(UPSTREAM_KEY));
    assert!(!running.stop().contains(UPSTREAM_KEY));
}

/// R31: a client without a count misjudges when to compact.
#[tokio::test]
async fn r31_a_count_is_passed_on_or_guessed_but_never_a_404() {
    let upstream = Upstream::start(|asked| match asked.index {
        0 => Script::json(200, r#"{"input_tokens": 41}"#),
        _ => Script::json(
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"no"}}"#,
        ),
    });
    let running = before(&upstream);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"The quick brown fox jumps over the lazy dog."}]}"#;
    let ask = gateway_testkit::request(
        "POST",
        "/v1/messages/count_tokens?beta=true",
        &[],
        body.as_bytes(),
    );
    let mut client = running.client().await;
    client.send(&ask).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (200, &br#"{"input_tokens": 41}"#[..]));
    assert_eq!(upstream.request(0).await.target, "/v1/messages/count_tokens?beta=true");
    client.send(&ask).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, head.header("x-gateway-estimate")), (200, Some("1")));
    let value: Value = serde_json::from_slice(&got.bytes).expect("JSON");
    assert!(value["input_tokens"].as_u64().is_some_and(|n| n > 9), "{value}");
}

/// R4: an ending that is itself cut is none, whatever its first bytes promise.
#[tokio::test]
async fn r04_a_terminal_event_cut_at_any_byte_never_ends_a_reply() {
    let start = fixtures::reply("reply-cut-in-tool-args").bytes;
    let endings = [
        "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    for ending in endings {
        let sent = start.clone();
        // The last two line feeds are not in question: an event without its blank line is none.
        let whole = ending.len() - 2;
        let upstream = Upstream::start(move |asked| {
            let script = Script::event_stream().chunk(sent.clone());
            let script = match asked.index / 2 {
                0 => script,
                cut => script.chunk(ending[..cut].to_owned()),
            };
            if asked.index % 2 == 0 { script.reset() } else { script.last_chunk() }
        });
        let running = with(&upstream, PATIENT, |_| {});
        for index in 0..whole * 2 {
            let mut client = running.client().await;
            client.send(&messages(STREAM)).await;
            assert_eq!(client.head().await.status, 200);
            let got = client.rest().await;
            assert_ne!(got.end, BodyEnd::Clean, "{ending:?} cut at {}", index / 2);
            if index % 2 == 1 {
                let sent = [&start[..], &ending.as_bytes()[..index / 2]].concat();
                assert_eq!(got.bytes, sent, "{ending:?} cut at {}", index / 2);
            }
        }
    }
}

/// A queue of callers does not multiply the connect limit.
#[tokio::test]
async fn callers_that_wait_for_the_same_connection_fail_together() {
    let upstream = Upstream::builder().answer(Answer::OnConnect).start(|_| Script::new().hang());
    let url = upstream.url().replace("http://", "https://");
    let yaml =
        format!("providers:\n  anthropic:\n    api_base: {url}\n    timeouts: {{connect: 0.5}}\n");
    let running = custom(&yaml, &[], |_| {});
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = running.client().await;
        client.send(&messages(UNARY)).await;
        clients.push(client);
    }
    for mut client in clients {
        assert_eq!(client.head().await.status, 504);
    }
}

/// HTTP/1.0 has no way to say that a body was cut.
#[tokio::test]
async fn a_stream_over_http_1_0_is_refused_and_a_whole_reply_is_not() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = before(&upstream);
    for (body, wanted) in [(STREAM, 505), (UNARY, 200)] {
        let mut client = running.client().await;
        let head = format!("POST /v1/messages HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
        client.send(&[head.as_bytes(), body.as_bytes()].concat()).await;
        assert_eq!(client.head().await.status, wanted);
    }
}
