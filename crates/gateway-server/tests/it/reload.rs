//! Another configuration while requests run: nothing is lost, and what did not change goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_testkit::{BodyEnd, Gate, RawClient, ReplyHead, Script, Upstream, fixtures, request};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{
    Running, STREAM, UNARY, UPSTREAM_KEY, custom, descriptors, is_alone, messages,
};

const OK: &str = r#"{"type":"message"}"#;

/// An upstream that answers at once.
fn prompt() -> Upstream {
    Upstream::start(|_| Script::json(200, OK))
}

/// An upstream whose stream waits for the gate in the middle; and the whole stream.
fn held(gate: &Gate) -> (Upstream, bytes::Bytes) {
    let bytes = fixtures::reply("reply-tool").bytes;
    let (gate, sent) = (gate.clone(), bytes.clone());
    let upstream = Upstream::start(move |_| {
        let cut = sent.len() / 2;
        Script::event_stream()
            .chunk(sent.slice(..cut))
            .wait(&gate)
            .chunk(sent.slice(cut..))
            .last_chunk()
    });
    (upstream, bytes)
}

/// One provider `anthropic`.
fn one(upstream: &Upstream, more: &str) -> String {
    format!("providers:\n  anthropic:\n    api_base: {}\n{more}", upstream.url())
}

async fn ask(running: &Running, headers: &[(&str, &str)], body: &str) -> (ReplyHead, Value) {
    let mut client = running.client().await;
    client.send(&request("POST", "/v1/messages", headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    (head, serde_json::from_slice(&body.bytes).unwrap_or_default())
}

#[tokio::test]
async fn what_is_in_flight_finishes_where_it_began_and_the_next_goes_to_the_new_one() {
    let gate = Gate::new();
    let (old, bytes) = held(&gate);
    let new = prompt();
    let running = custom(&one(&old, ""), &[], |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    assert_eq!(client.head().await.header("x-gateway-provider"), Some("anthropic"));
    let first = client.next_piece().await.expect("the beginning");

    let yaml = format!(
        "providers:\n  other: {{kind: anthropic, api_base: {}, api_key_env_var: K}}\n",
        new.url()
    );
    let report = running.reload(&yaml, &[("K", "the-other-key")]).expect("it can be run");
    assert_eq!(
        (&*report.added, &*report.removed),
        (&["other".to_owned()][..], &["anthropic".to_owned()][..])
    );
    // The same connection of the caller's, too, is served anew with its next request.
    let (head, _) = ask(&running, &[], UNARY).await;
    assert_eq!((head.status, head.header("x-gateway-provider")), (200, Some("other")));
    assert_eq!(new.request(0).await.header("x-api-key"), Some("the-other-key"));
    // Who is gone can't be asked for any more.
    let (head, told) = ask(&running, &[("x-gateway-provider", "anthropic")], UNARY).await;
    assert_eq!(head.status, 404, "{told}");

    gate.open();
    let rest = client.rest().await;
    assert_eq!(([first, rest.bytes].concat(), rest.end), (bytes.to_vec(), BodyEnd::Clean));
    client.send(&messages(UNARY)).await;
    assert_eq!(client.reply().await.0.header("x-gateway-provider"), Some("other"));
    assert_eq!(old.requests().len(), 1);
    assert!(running.status().await["providers"].get("anthropic").is_none());
    // Each line of the log names who served it.
    let log = running.stop();
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let served = |name: &str| lines.iter().filter(|line| line["provider"] == name).count();
    assert_eq!((served("anthropic"), served("other")), (1, 2), "{log}");
    assert!(!log.contains("the-other-key") && !log.contains(UPSTREAM_KEY));
}

#[tokio::test]
async fn an_upstream_that_stays_the_same_keeps_its_connections_and_its_past() {
    let upstream = Upstream::start(|asked| {
        if asked.json().get("temperature").is_some() {
            let error = json!({"message": "Unsupported parameter: 'temperature'.",
                "param": "temperature", "code": "unsupported_parameter"});
            return Script::json(400, json!({"error": error}).to_string());
        }
        let choice = json!({"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"});
        Script::json(200, json!({"choices": [choice]}).to_string())
    });
    let yaml = |key: &str, more: &str| {
        format!(
            "providers:\n  up:\n    kind: openai\n    api_base: {}\n    api_key_env_var: {key}\n    \
             extra: {{api: chat}}\n    model_map: {{\"claude-*\": gpt-4.1}}\n{more}",
            upstream.url()
        )
    };
    let env = [("ONE", "sk-the-first-key-0123456789"), ("TWO", "sk-the-second-key-012345678")];
    let running = custom(&yaml("ONE", ""), &env, |_| {});
    let warm = json!({"model": "claude-opus-5-5", "max_tokens": 99, "temperature": 0.3,
        "messages": [{"role": "user", "content": "hi"}]})
    .to_string();
    assert_eq!(ask(&running, &[], &warm).await.0.status, 200);
    let before = running.status().await["providers"]["up"].clone();
    assert_eq!(
        (&before["requests"], &before["learnt"][0]["refuses"]),
        (&json!(1), &json!("temperature"))
    );

    // Other limits and times, the same upstream.
    let same = running.reload(&yaml("ONE", "    timeouts: {idle: 77}\n"), &env);
    let same = same.expect("it can be run");
    assert_eq!((&*same.changed, &*same.replaced), (&["up".to_owned()][..], &[][..]));
    assert_eq!(running.status().await["providers"]["up"]["learnt"], before["learnt"]);
    assert_eq!(ask(&running, &[], &warm).await.0.status, 200);
    assert_eq!(running.status().await["providers"]["up"]["requests"], 2);
    assert_eq!((upstream.requests().len(), upstream.connections()), (3, 1));

    // Another key: whatever was learnt was another's.
    let other = running.reload(&yaml("TWO", ""), &env).expect("it can be run");
    assert_eq!((&*other.changed, &*other.replaced), (&[][..], &["up".to_owned()][..]));
    let anew = running.status().await;
    assert_eq!(anew["providers"]["up"]["requests"], 0);
    assert!(anew["providers"]["up"].get("learnt").is_none());
    assert_eq!(ask(&running, &[], &warm).await.0.status, 200);
    let asked = upstream.request(3).await;
    assert_eq!(asked.header("authorization"), Some("Bearer sk-the-second-key-012345678"));
    // What the gateway counts stays all the while.
    assert_eq!(running.gateway.summary().forwarded, 3);
}

#[tokio::test]
async fn limits_routes_and_callers_keys_count_from_the_next_request_on() {
    let (first, second) = (prompt(), prompt());
    let yaml = |more: &str| {
        format!(
            "default_provider: one\nproviders:\n  one: {{kind: anthropic, api_base: {}, api_key_env_var: ANTHROPIC_API_KEY}}\n  \
             two: {{kind: anthropic, api_base: {}, api_key_env_var: ANTHROPIC_API_KEY}}\n{more}",
            first.url(),
            second.url()
        )
    };
    let running = custom(&yaml(""), &[], |_| {});
    let provider = async || {
        let (head, _) = ask(&running, &[], UNARY).await;
        head.header("x-gateway-provider").map(ToOwned::to_owned)
    };
    assert_eq!(provider().await.as_deref(), Some("one"));

    let routes = "routes:\n  - {pattern: 'claude-opus-*', provider: two}\n";
    let report = running.reload(&yaml(routes), &[]).expect("it can be run");
    assert_eq!((&*report.settings, report.kept.len()), (&["routes"][..], 2));
    assert_eq!(provider().await.as_deref(), Some("two"));

    let small = format!("{routes}server: {{max_request_size: 10}}\n");
    assert_eq!(running.reload(&yaml(&small), &[]).expect("it can be run").settings, ["server"]);
    assert_eq!(ask(&running, &[], UNARY).await.0.status, 413);

    let key = [("GATEWAY_API_KEY", "the-callers-key-0123")];
    assert_eq!(
        running.reload(&yaml(""), &key).expect("it can be run").settings,
        ["server", "routes", "client keys"]
    );
    assert_eq!(ask(&running, &[], UNARY).await.0.status, 401);
    let (head, _) = ask(&running, &[("x-api-key", "the-callers-key-0123")], UNARY).await;
    assert_eq!((head.status, head.header("x-gateway-provider")), (200, Some("one")));
}

#[tokio::test]
async fn what_cant_be_run_changes_nothing_and_the_same_is_no_change() {
    let upstream = prompt();
    let running = custom(&one(&upstream, ""), &[], |_| {});
    let same = running.reload(&one(&upstream, ""), &[]).expect("it can be run");
    assert!(same.is_empty() && same.kept == ["anthropic"], "{same:?}");
    assert_eq!(same.to_string(), "nothing has changed");

    let dir = tempfile::tempdir().expect("a directory");
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, "nothing").expect("written");
    let broken = one(&upstream, &format!("    ca_file: {}\n", roots.display()));
    let fault = running.reload(&broken, &[]).expect_err("no roots are in there").to_string();
    assert!(fault.contains("anthropic") && fault.contains("roots.pem"), "{fault}");
    assert_eq!(ask(&running, &[], UNARY).await.0.status, 200);
    assert_eq!(upstream.connections(), 1);
}

/// Callers reach the address that was bound, whatever is configured since.
#[tokio::test]
async fn another_address_is_for_the_next_process_and_opens_no_door() {
    let upstream = prompt();
    let at = |server: &str| one(&upstream, &format!("server: {{{server}}}\n"));
    let running = custom(&at("host: 127.0.0.1, port: 0"), &[], |_| {});
    let moved = at("host: 0.0.0.0, port: 9");
    let report = running.reload(&moved, &[]).expect("it can be run");
    assert_eq!(report.needs_restart, ["server.host", "server.port"]);
    assert!(report.settings.is_empty(), "{report:?}");
    assert_eq!(report.to_string(), "needs a restart: server.host, server.port");
    // Once is enough, until something else changes.
    assert!(running.reload(&moved, &[]).expect("it can be run").is_empty());
    let more = running.reload(&moved.replace("port: 9", "port: 9, shutdown_grace: 5"), &[]);
    assert_eq!(
        more.expect("it can be run").to_string(),
        "changed server; needs a restart: server.host, server.port"
    );
    assert_eq!(ask(&running, &[], UNARY).await.0.status, 200);
    assert_eq!(running.gateway.grace().as_secs(), 5);
    // Names of this machine alone are accepted, as before.
    assert_eq!(ask(&running, &[("host", "elsewhere.test")], UNARY).await.0.status, 403);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_caller() {
    let dir = tempfile::tempdir().expect("a directory");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let renew = || {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&cert, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        made.cert.der().clone()
    };
    let first = renew();
    let upstream = prompt();
    let tls = format!("server:\n  tls: {{cert: {}, key: {}}}\n", cert.display(), key.display());
    let yaml = one(&upstream, &tls);
    let running = custom(&yaml, &[], |_| {});
    let addr = running.gateway.addr();
    assert!(trusted(addr, &first).await);

    let second = renew();
    assert!(!trusted(addr, &second).await);
    assert_eq!(running.reload(&yaml, &[]).expect("it can be run").settings, ["server.tls"]);
    assert!(trusted(addr, &second).await && !trusted(addr, &first).await);
    assert!(running.reload(&yaml, &[]).expect("it can be run").is_empty());

    std::fs::write(&cert, "nothing").expect("written");
    let fault = running.reload(&yaml, &[]).expect_err("no certificate").to_string();
    assert!(fault.contains("cert.pem"), "{fault}");
    assert!(trusted(addr, &second).await);
}

/// Whether the listener shows a certificate of this one.
async fn trusted(
    addr: std::net::SocketAddr,
    root: &rustls_pki_types::CertificateDer<'static>,
) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let io = TcpStream::connect(addr).await.expect("it listens");
    connector.connect("localhost".try_into().expect("a name"), io).await.is_ok()
}

/// Streams and short requests without pause, while the configuration goes to and fro between two
/// upstreams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_a_hundred_reloads_under_load_lose_no_request_and_leave_nothing_behind() {
    // Descriptors are counted by process.
    let name = "reload::r42_a_hundred_reloads_under_load_lose_no_request_and_leave_nothing_behind";
    if !is_alone(name) {
        return;
    }
    let bytes = fixtures::reply("reply-tool").bytes;
    let answer = |bytes: bytes::Bytes| {
        Upstream::builder().forget_bodies().start(move |asked| {
            // Those who stream accept nothing else.
            if asked.header("x-streams").is_some() {
                Script::sse(bytes.clone(), &[100, 1000])
            } else {
                Script::json(200, OK)
            }
        })
    };
    let (left, right) = (answer(bytes.clone()), answer(bytes.clone()));
    let yaml = |round: usize| {
        let upstream = if round.is_multiple_of(2) { &left } else { &right };
        one(upstream, &format!("    timeouts: {{idle: {}}}\n", 50 + round % 3))
    };
    let running = custom(&yaml(0), &[], |options| options.workers = Some(2));
    let addr = running.gateway.addr();
    let done = Arc::new(AtomicBool::new(false));
    let load = |number: u64| {
        let (done, bytes) = (done.clone(), bytes.clone());
        tokio::spawn(async move {
            let streams = number.is_multiple_of(2);
            let (body, headers) =
                if streams { (STREAM, &[("x-streams", "1")][..]) } else { (UNARY, &[][..]) };
            let mut client = RawClient::connect(addr).await;
            let mut asked = 0_u64;
            while !done.load(Ordering::Relaxed) {
                client.send(&request("POST", "/v1/messages", headers, body.as_bytes())).await;
                let (head, got) = client.reply().await;
                assert_eq!((head.status, got.end), (200, BodyEnd::Clean));
                assert!(!streams || got.bytes == bytes, "a stream that is not whole");
                asked += 1;
            }
            asked
        })
    };
    // Both upstreams' connections are made before anything is counted.
    for round in 0..4 {
        running.reload(&yaml(round), &[]).expect("it can be run");
        ask(&running, &[], UNARY).await;
    }
    settled(&running, &left, &right).await;
    let files = descriptors();
    let callers: Vec<_> = (0..8).map(load).collect();
    let mut seen = running.gateway.summary().total;
    for round in 0..100 {
        let report = running.reload(&yaml(round), &[]).expect("it can be run");
        assert!(!report.is_empty() || round == 0, "{report:?}");
        // Some requests begin between two of them.
        let some = async {
            while running.gateway.summary().total < seen + 8 {
                tokio::task::yield_now().await;
            }
        };
        gateway_testkit::patient("requests after a reload", some).await;
        seen = running.gateway.summary().total;
    }
    done.store(true, Ordering::Relaxed);
    let mut asked = 0;
    for caller in callers {
        asked += caller.await.expect("no request is lost");
    }
    settled(&running, &left, &right).await;
    let summary = running.gateway.summary();
    assert_eq!((summary.errored, summary.rejected, summary.abandoned), (0, 0, 0), "{summary:?}");
    assert_eq!(summary.total, asked + 4);
    assert!(left.requests().len() > 100 && right.requests().len() > 100);
    // Each connection that is kept has two ends here.
    assert!(descriptors() <= files + 24, "{files} descriptors before, {} after", descriptors());
}

/// Waits until nothing runs and no more connections are open than are kept.
async fn settled(running: &Running, left: &Upstream, right: &Upstream) {
    let waiting = async {
        let open = || left.open_connections() + right.open_connections();
        while running.gateway.summary().in_flight > 0 || open() > 11 {
            tokio::task::yield_now().await;
        }
    };
    gateway_testkit::patient("old connections to be closed", waiting).await;
}
