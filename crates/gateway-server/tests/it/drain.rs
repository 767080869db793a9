//! The end of a gateway: nothing that was accepted is dropped, nothing new is taken.

use std::net::TcpListener;

use gateway_testkit::{BodyEnd, Gate, RawClient, Script, Upstream, fixtures, request};
use http_body_util::BodyExt as _;

use crate::support::{STREAM, UNARY, before, messages, with};
use crate::wire::{ask, http2};

const OK: &str = r#"{"type":"message"}"#;

#[tokio::test]
async fn streams_finish_and_idle_connections_are_closed() {
    let bytes = fixtures::reply("reply-tool").bytes;
    let gate = Gate::new();
    let (sent, held) = (bytes.clone(), gate.clone());
    let upstream = Upstream::start(move |asked| {
        if asked.json()["stream"] != true {
            return Script::json(200, OK);
        }
        let cut = sent.len() / 2;
        Script::event_stream()
            .chunk(sent.slice(..cut))
            .wait(&held)
            .chunk(sent.slice(cut..))
            .last_chunk()
    });
    let mut running = before(&upstream);
    let mut idle = running.client().await;
    idle.send(&messages(UNARY)).await;
    assert_eq!(idle.reply().await.0.status, 200);
    let mut streaming = running.client().await;
    streaming.send(&messages(STREAM)).await;
    assert_eq!(streaming.head().await.status, 200);
    let first = streaming.next_piece().await.expect("the beginning");

    running.gateway.drain();
    assert_eq!(idle.hung_up().await, BodyEnd::Cut);
    gate.open();
    let rest = streaming.rest().await;
    assert_eq!(([first, rest.bytes].concat(), rest.end), (bytes.to_vec(), BodyEnd::Clean));
    assert_eq!(streaming.hung_up().await, BodyEnd::Cut);
    gateway_testkit::patient("the drain", running.gateway.drained()).await;
    let refused = tokio::net::TcpStream::connect(running.gateway.addr()).await;
    assert!(refused.is_err(), "nobody listens any more");
}

/// A connection that is there already gets its first request answered, and `/ready` tells what is
/// going on.
#[tokio::test]
async fn whoever_was_accepted_is_served_and_told_of_the_drain() {
    let upstream = Upstream::start(|_| Script::json(200, OK));
    let mut running = before(&upstream);
    // The second of them proves that the first was accepted.
    let (mut prober, mut caller) = (running.client().await, running.client().await);
    let mut proof = running.client().await;
    proof.send(&request("GET", "/ready", &[], b"")).await;
    let (head, said) = proof.reply().await;
    assert_eq!((head.status, json(&said.bytes)["draining"].as_bool()), (200, Some(false)));

    running.gateway.drain();
    prober.send(&request("GET", "/ready", &[], b"")).await;
    let (head, said) = prober.reply().await;
    assert_eq!((head.status, json(&said.bytes)["draining"].as_bool()), (503, Some(true)));
    assert_eq!(head.header("connection"), Some("close"));
    // The one that was served already may have been about to ask for more: it is served once more, and told.
    for client in [&mut caller, &mut proof] {
        client.send(&messages(UNARY)).await;
        let (head, _) = client.reply().await;
        assert_eq!((head.status, head.header("connection")), (200, Some("close")));
        assert_eq!(client.hung_up().await, BodyEnd::Cut);
    }
    gateway_testkit::patient("the drain", running.gateway.drained()).await;
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// A socket that was passed is everybody's: what waits in its queue is for the next process, and nothing that
/// was accepted is lost.
#[tokio::test]
async fn the_queue_of_a_passed_socket_is_served_by_the_next_process() {
    let upstream = Upstream::start(|_| Script::json(200, OK));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("bound");
    let start = || {
        let own = socket.try_clone().expect("a descriptor");
        // The configured host counts for nothing then.
        with(&upstream, "server: {host: 192.0.2.1}\n", |options| options.listener = Some(own))
    };
    let mut old = start();
    assert_eq!(old.gateway.addr(), addr);
    let mut accepted = RawClient::connect(addr).await;
    accepted.send(&messages(UNARY)).await;
    assert_eq!(accepted.reply().await.0.status, 200);

    old.gateway.drain();
    gateway_testkit::patient("the drain", old.gateway.drained()).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(addr).await;
        client.send(&messages(UNARY)).await;
        waiting.push(client);
    }
    let new = start();
    for client in &mut waiting {
        assert_eq!(client.reply().await.0.status, 200);
    }
    assert_eq!((old.gateway.summary().total, new.gateway.summary().total), (1, 20));
}

/// Callers come all the time while one process follows another on the same socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_connection() {
    let upstream = Upstream::builder().forget_bodies().start(|_| Script::json(200, OK));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("bound");
    let start = || {
        let own = socket.try_clone().expect("a descriptor");
        with(&upstream, "", |options| options.listener = Some(own))
    };
    let mut serving = start();
    let (over, stop) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut asked = 0;
                while !*stop.borrow() {
                    let mut client = RawClient::connect(addr).await;
                    client.send(&messages(UNARY)).await;
                    assert_eq!(client.reply().await.0.status, 200);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let mut total = 0;
    for _ in 0..10 {
        let before = serving.gateway.summary().total;
        let some = async {
            while serving.gateway.summary().total < before + 20 {
                tokio::task::yield_now().await;
            }
        };
        gateway_testkit::patient("requests", some).await;
        let next = start();
        serving.gateway.drain();
        gateway_testkit::patient("the drain", serving.gateway.drained()).await;
        total += serving.gateway.summary().total;
        serving.stop();
        serving = next;
    }
    over.send_replace(true);
    let mut asked = 0;
    for caller in callers {
        asked += caller.await.expect("no connection is lost");
    }
    assert_eq!(total + serving.gateway.summary().total, asked);
}

/// The queue of the gateway's own socket would be reset with it.
#[tokio::test]
async fn whoever_waits_in_the_queue_of_its_own_socket_is_served() {
    let upstream = Upstream::start(|_| Script::json(200, OK));
    let mut running = before(&upstream);
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = running.client().await;
        client.send(&messages(UNARY)).await;
        clients.push(client);
    }
    running.gateway.drain();
    for client in &mut clients {
        assert_eq!(client.reply().await.0.status, 200);
    }
    gateway_testkit::patient("the drain", running.gateway.drained()).await;
}

/// HTTP/2: the stream in flight is finished, others are turned away, and the connection ends.
#[tokio::test]
async fn a_stream_on_http2_finishes_and_others_are_turned_away() {
    let bytes = fixtures::reply("reply-tool").bytes;
    let gate = Gate::new();
    let (sent, held) = (bytes.clone(), gate.clone());
    let upstream = Upstream::start(move |asked| {
        if asked.json()["stream"] != true {
            return Script::json(200, OK);
        }
        let cut = sent.len() / 2;
        let start = Script::event_stream().chunk(sent.slice(..cut));
        start.wait(&held).chunk(sent.slice(cut..)).last_chunk()
    });
    let mut running = before(&upstream);
    let mut sender = http2(&running).await;
    let reply = sender.send_request(ask(STREAM)).await.expect("a reply");
    running.gateway.drain();
    // Until it is told that the connection takes no more.
    let refused = async { while sender.send_request(ask(UNARY)).await.is_ok() {} };
    gateway_testkit::patient("the end of the connection to be announced", refused).await;
    gate.open();
    assert_eq!(reply.into_body().collect().await.expect("whole").to_bytes(), bytes);
    gateway_testkit::patient("the drain", running.gateway.drained()).await;
}
