//! Bytes that pass through.

use gateway_testkit::{BodyEnd, Script, Upstream, fixtures};

use crate::support::{PATIENT, STREAM, UNARY, UPSTREAM_KEY, before, messages, with};

#[tokio::test]
async fn a_unary_reply_comes_back_byte_for_byte() {
    let body = r#"{"type":"message","model":"claude-opus-5-5","usage":{"input_tokens":1,"output_tokens":2} }"#;
    let upstream = Upstream::start(move |_| Script::json(200, body).header("request-id", "req_up"));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (200, body.as_bytes()));
    assert_eq!(head.header("request-id"), Some("req_up"));
    assert_eq!(head.header("x-gateway-provider"), Some("anthropic"));
    let asked = upstream.request(0).await;
    assert_eq!(asked.body, UNARY.as_bytes());
    assert_eq!(asked.target, "/v1/messages?beta=true");
    assert_eq!(asked.header("x-api-key"), Some(UPSTREAM_KEY));
    let log = running.stop();
    assert!(log.contains(r#""outcome":"ok""#), "{log}");
    assert!(!log.contains(UPSTREAM_KEY));
}

/// C4: nothing is buffered; C9: error events pass. Also one byte a chunk, which is every boundary.
#[tokio::test]
async fn c04_every_recorded_stream_comes_back_byte_for_byte_however_it_is_cut() {
    for fixture in fixtures::replies() {
        let len = fixture.bytes.len();
        let ways = [vec![], (1..len).collect(), (1..len).step_by(7).collect(), vec![len / 2]];
        for splits in ways {
            let (sent, cuts) = (fixture.bytes.clone(), splits.clone());
            let upstream = Upstream::start(move |_| Script::sse(sent.clone(), &cuts));
            let running = before(&upstream);
            let mut client = running.client().await;
            client.send(&messages(STREAM)).await;
            let (head, got) = client.reply().await;
            if fixture.name == "reply-error-midstream" && head.status == 529 {
                // It came before anything had gone out, and so is an error like any other.
                assert!(got.bytes.starts_with(b"{\"type\":\"error\""), "{got:?}");
                continue;
            }
            assert_eq!(head.status, 200, "{}", fixture.name);
            assert_eq!(got.bytes, fixture.bytes, "{} in {} pieces", fixture.name, splits.len());
            // R4: a stream without its terminal event is relayed as far as it came, then aborted.
            let cut = fixture.name.contains("cut");
            assert_eq!(got.end == BodyEnd::Clean, !cut, "{}", fixture.name);
        }
    }
}

/// C5, C7, C8, R20, R34, R35: what the client sent is what the upstream gets, body and headers.
#[tokio::test]
async fn c05_c07_c08_r20_r34_r35_every_recorded_request_arrives_as_it_was_sent() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = with(&upstream, PATIENT, |_| {});
    for (index, fixture) in messages_fixtures().into_iter().enumerate() {
        let mut client = running.client().await;
        client.send(&fixture.to_http1("127.0.0.1")).await;
        client.try_head().await;
        let asked = upstream.request(index).await;
        assert_eq!(asked.body, as_sent(&fixture), "{}", fixture.name);
        assert_eq!(asked.target, fixture.target(), "{}", fixture.name);
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        for (name, value) in &fixture.headers {
            let name = name.to_ascii_lowercase();
            let dropped = [
                "x-api-key",
                "authorization",
                "host",
                "connection",
                "accept-encoding",
                "cookie",
                "content-length",
            ];
            let gone = dropped.contains(&name.as_str()) || name.starts_with("x-gateway-");
            if !gone {
                assert!(
                    asked.header_all(&name).contains(&value.as_str()),
                    "{}: {name}",
                    fixture.name
                );
            }
        }
        assert_eq!(asked.header_all("authorization"), Vec::<&str>::new(), "{}", fixture.name);
    }
}

/// Only the model's name differs, in every recorded request.
#[tokio::test]
async fn r17_r35_a_rename_changes_the_name_and_no_other_byte() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running =
        with(&upstream, &format!("    model_map: {{\"*\": \"other/name\"}}\n{PATIENT}"), |_| {});
    for (index, fixture) in messages_fixtures().into_iter().enumerate() {
        let mut client = running.client().await;
        client.send(&fixture.to_http1("127.0.0.1")).await;
        client.try_head().await;
        let asked = upstream.request(index).await;
        let body = as_sent(&fixture);
        let text = String::from_utf8_lossy(&body);
        let model =
            serde_json::from_slice::<serde_json::Value>(&fixture.body).expect("JSON")["model"]
                .as_str()
                .expect("a model")
                .to_owned();
        let wanted =
            text.replacen(&format!("\"model\":\"{model}\""), "\"model\":\"other/name\"", 1);
        assert_eq!(String::from_utf8_lossy(&asked.body), wanted, "{}", fixture.name);
    }
}

#[tokio::test]
async fn r17_the_caller_sees_its_own_name_in_stream_and_body() {
    let stream = fixtures::reply("reply-text").bytes;
    let sent = stream.clone();
    let unary = fixtures::reply("reply-text").bytes.is_empty();
    assert!(!unary);
    let body = r#"{"type":"message","content":[{"model":"x"}],"model":"other-name"}"#;
    let upstream = Upstream::start(move |asked| {
        if asked.json()["stream"] == true {
            Script::sse(sent.clone(), &[40, 41, 90])
        } else {
            Script::json(200, body)
        }
    });
    let running = with(&upstream, "    model_map: {\"claude-opus-*\": other-name}\n", |_| {});

    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (head, got) = client.reply().await;
    assert_eq!(head.header("x-gateway-model"), Some("other-name"));
    let text = String::from_utf8_lossy(&stream);
    let name = text.split(r#""model":"#).nth(1).and_then(|rest| rest.split('"').nth(1));
    let wanted = text.replacen(name.expect("a model's name"), "claude-opus-5-5", 1);
    assert_eq!(String::from_utf8_lossy(&got.bytes), wanted);

    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (_, got) = client.reply().await;
    assert_eq!(got.bytes, body.replace("other-name", "claude-opus-5-5").as_bytes());
}

/// R23: `[1m]` is never sent; a date suffix goes up as it came.
#[tokio::test]
async fn r23_the_long_context_suffix_never_goes_upstream() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message","model":"m"}"#));
    let running = before(&upstream);
    for (index, (asked, sent)) in
        [("opus[1m]", "opus"), ("a[1M][1m]", "a"), ("claude-x-20250101", "claude-x-20250101")]
            .into_iter()
            .enumerate()
    {
        let mut client = running.client().await;
        client.send(&messages(&UNARY.replace("claude-opus-5-5", asked))).await;
        let (_, got) = client.reply().await;
        assert_eq!(upstream.request(index).await.json()["model"], sent);
        let name: serde_json::Value = serde_json::from_slice(&got.bytes).expect("JSON");
        assert_eq!(name["model"], if asked == sent { "m" } else { asked });
    }
}

/// R1, R2, R3, R11–R15, R21–R28, R30, R33: on a verbatim way all of it holds by the bytes' identity.
#[tokio::test]
async fn r01_r02_r03_r07_r11_r12_r13_r14_r15_r18_r19_r21_r22_r24_to_r28_r30_nothing_is_rewritten() {
    let odd = r##"{"model":"m","stream":false,"max_tokens":1e9,"thinking":{"type":"disabled"},"unknown":{"b":1,"a":2},
        "tools":[{"name":"a-very-long-name-a-very-long-name-a-very-long-name-a-very-long-name-x","input_schema":{"$ref":"#"},"defer_loading":true}],
        "messages":[{"role":"system","content":""},{"role":"user","content":[{"type":"text","text":"","cache_control":{}},
        {"type":"document","source":{}},{"type":"tool_result","tool_use_id":"orphan"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"foreign=="}]}]}"##;
    let answer = r#"{"type":"message","stop_reason":"pause_turn","usage":{"input_tokens":1},"new_field":[1, 2 ,3]}"#;
    let upstream = Upstream::start(move |_| Script::json(200, answer));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(odd)).await;
    let (_, got) = client.reply().await;
    assert_eq!(upstream.request(0).await.body, odd.as_bytes());
    assert_eq!(got.bytes, answer.as_bytes());
}

/// C6, R32: the log knows the session and what it cost.
#[tokio::test]
async fn c06_r32_session_and_usage_reach_the_record() {
    let stream = fixtures::reply("reply-usage-in-delta").bytes;
    let upstream = Upstream::start(move |_| Script::sse(stream.clone(), &[]));
    let running = before(&upstream);
    let mut client = running.client().await;
    let request = gateway_testkit::request(
        "POST",
        "/v1/messages",
        &[("x-claude-code-session-id", "session-77")],
        STREAM.as_bytes(),
    );
    client.send(&request).await;
    client.reply().await;
    let (_, provider) = running.gateway.providers().remove(0);
    assert!(provider.input_tokens > 0 && provider.output_tokens > 0, "{provider:?}");
    let log = running.stop();
    assert!(log.contains("session-77") && log.contains(r#""usage_quality":"reported""#), "{log}");
}

/// What the upstream gets of a recorded request: the same bytes, but for the one whose thinking has
/// no signature, which no Claude takes back (R13).
fn as_sent(fixture: &fixtures::RequestFixture) -> Vec<u8> {
    const UNSIGNED: &str = r#"{"type":"thinking","thinking":"#;
    let text = String::from_utf8_lossy(&fixture.body);
    let Some(start) = text.find(UNSIGNED).filter(|_| fixture.name.contains("unsigned")) else {
        return fixture.body.to_vec();
    };
    let end = start + text[start..].find("},").expect("a block behind it") + "},".len();
    format!("{}{}", &text[..start], &text[end..]).into_bytes()
}

fn messages_fixtures() -> Vec<fixtures::RequestFixture> {
    fixtures::requests().into_iter().filter(|f| f.path.starts_with("/v1/messages")).collect()
}

/// A long answer goes out in pieces, whole and in order.
#[tokio::test]
async fn a_unary_reply_of_three_megabytes_comes_back_whole() {
    let text: Vec<String> = (0..300_000).map(|n| format!("{n:010}")).collect();
    let text = text.concat();
    let body = format!(
        r#"{{"type":"message","content":[{{"type":"text","text":"{text}"}}],"model":"other"}}"#
    );
    let sent = body.clone();
    let upstream = Upstream::start(move |_| Script::json(200, sent.clone()));
    let running = with(&upstream, "    model_map: {\"*\": other}\n", |_| {});
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    let wanted = body.replace("\"other\"", "\"claude-opus-5-5\"");
    assert_eq!(head.header("content-length"), Some(wanted.len().to_string().as_str()));
    assert!(got.bytes == wanted.as_bytes(), "{} of {} bytes", got.bytes.len(), wanted.len());
    assert_eq!(got.end, BodyEnd::Clean);
}
