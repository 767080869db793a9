//! Who may call, and whose credential goes where.

use gateway_testkit::{Script, Upstream, request};

use crate::support::{UNARY, UPSTREAM_KEY, before, custom, with};

const CLIENT_KEY: &str = "gw-client-key-0123456789abcdef";

fn answering() -> Upstream {
    Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#))
}

#[tokio::test]
async fn with_client_keys_all_of_v1_and_status_want_one() {
    let upstream = answering();
    let yaml = format!("providers:\n  anthropic:\n    api_base: {}\n", upstream.url());
    let running = custom(&yaml, &[("GATEWAY_API_KEY", CLIENT_KEY)], |_| {});
    let bearer = format!("Bearer {CLIENT_KEY}");
    for (method, path, headers, wanted) in [
        ("POST", "/v1/messages", vec![], 401),
        ("POST", "/v1/messages", vec![("x-api-key", "wrong")], 401),
        ("POST", "/v1/messages", vec![("x-api-key", CLIENT_KEY)], 200),
        ("POST", "/v1/messages", vec![("authorization", bearer.as_str())], 200),
        (
            "POST",
            "/v1/messages",
            vec![("x-api-key", "other"), ("authorization", bearer.as_str())],
            200,
        ),
        ("GET", "/v1/models", vec![], 401),
        ("GET", "/v1/models", vec![("x-api-key", CLIENT_KEY)], 200),
        ("GET", "/status", vec![], 401),
        ("GET", "/v1/anything", vec![], 401),
        ("GET", "/", vec![], 200),
        ("GET", "/health", vec![], 200),
        ("GET", "/ready", vec![], 200),
        ("HEAD", "/v1/messages", vec![], 200),
    ] {
        let body = if method == "POST" { UNARY.as_bytes() } else { b"" };
        let mut client = running.client().await;
        client.send(&request(method, path, &headers, body)).await;
        assert_eq!(client.head().await.status, wanted, "{method} {path} {headers:?}");
    }
    for asked in upstream.requests() {
        assert_eq!(asked.header("x-api-key"), Some(UPSTREAM_KEY));
        assert_eq!(asked.header("authorization"), None, "a caller's credential never goes up");
    }
    assert!(!running.stop().contains(CLIENT_KEY));
}

/// C10 and both credential headers at once: with `auth_type: client` the caller's own login is
/// passed on, a client key never.
#[tokio::test]
async fn the_callers_login_goes_up_only_where_it_is_asked_for() {
    let upstream = answering();
    let running = with(&upstream, "    auth_type: client\n", |_| {});
    let mut client = running.client().await;
    let both = [("x-api-key", "sk-callers"), ("authorization", "Bearer login")];
    client.send(&request("POST", "/v1/messages", &both, UNARY.as_bytes())).await;
    client.reply().await;
    let asked = upstream.request(0).await;
    assert_eq!(asked.header_all("x-api-key"), ["sk-callers"]);
    assert_eq!(asked.header_all("authorization"), ["Bearer login"]);

    let upstream = answering();
    let yaml = format!(
        "providers:\n  anthropic:\n    api_base: {}\n    auth_type: client\n",
        upstream.url()
    );
    let running = custom(&yaml, &[("GATEWAY_API_KEY", CLIENT_KEY)], |_| {});
    let mut client = running.client().await;
    let both = [("x-api-key", CLIENT_KEY), ("authorization", "Bearer login")];
    client.send(&request("POST", "/v1/messages", &both, UNARY.as_bytes())).await;
    client.reply().await;
    let asked = upstream.request(0).await;
    assert_eq!(asked.header("x-api-key"), None, "a client key is the gateway's own");
    assert_eq!(asked.header("authorization"), Some("Bearer login"));
}

#[tokio::test]
async fn a_web_page_can_not_spend_the_users_money() {
    let upstream = answering();
    let running = before(&upstream);
    for headers in [
        &[("origin", "https://evil.test")][..],
        &[("host", "evil.test")],
        &[("host", "127.0.0.1.evil.test:8080")],
        &[("origin", "null")],
    ] {
        let mut client = running.client().await;
        client.send(&request("POST", "/v1/messages", headers, UNARY.as_bytes())).await;
        assert_eq!(client.head().await.status, 403, "{headers:?}");
    }
    for headers in [
        &[("host", "localhost:1")][..],
        &[("host", "[::1]:1")],
        &[("origin", "http://localhost:5173")],
    ] {
        let mut client = running.client().await;
        client.send(&request("POST", "/v1/messages", headers, UNARY.as_bytes())).await;
        assert_eq!(client.head().await.status, 200, "{headers:?}");
    }
    assert_eq!(upstream.requests().len(), 3);
}
