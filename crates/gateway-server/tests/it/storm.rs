//! Everybody at once on an upstream that is dead: it is not beaten while it lies there, and seen when it rises.

use std::sync::Arc;

use gateway_testkit::{Answer, BodyEnd, Gate, RawClient, Script, Upstream, request};

use crate::legs::{answer, broken, providers, records, until};
use crate::support::{Running, STREAM, UNARY, custom};

const CALLERS: usize = 500;

/// At most this many retries: the reserve of ten seconds, and a fifth of the requests.
const RESERVE: usize = 20;

const RESILIENCE: &str = "resilience: {retry: {max_retries: 3, base_delay: 0.01, max_delay: 0.1}, \
     retry_budget: {ratio: 0.2, min_per_second: 2}, \
     circuit_breaker: {failure_threshold: 5, open_seconds: 1, success_threshold: 1}}\n";

/// All of them, half with streams, at the same time; gives their statuses.
async fn all_at_once(running: &Arc<Running>) -> Vec<(u16, String)> {
    let mut clients = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        clients.push(running.client().await);
    }
    let one = |(at, mut client): (usize, RawClient)| {
        tokio::spawn(async move {
            let body = if at % 2 == 0 { UNARY } else { STREAM };
            client.send(&request("POST", "/v1/messages", &[], body.as_bytes())).await;
            let (head, body) = client.reply().await;
            assert_eq!(body.end, BodyEnd::Clean);
            (head.status, String::from_utf8_lossy(&body.bytes).into_owned())
        })
    };
    let tasks: Vec<_> = clients.into_iter().enumerate().map(one).collect();
    let mut told = Vec::with_capacity(CALLERS);
    for task in tasks {
        told.push(task.await.expect("it ran"));
    }
    told
}

/// Whoever was told something was told an error, and what it is.
fn are_honest(told: &[(u16, String)], own: u16) {
    for (status, text) in told {
        assert!(text.contains(r#""type":"error""#), "{text}");
        assert!(*status == own || *status == 503, "{status} {text}");
        assert!(*status != 503 || text.contains("circuit_breaker"), "{text}");
    }
}

/// Asks until the first probe is let through, which must be answered, as is everybody after it.
async fn rises(running: &Running) {
    gateway_testkit::patient("the first probe", async {
        loop {
            let mut client = running.client().await;
            client.send(&request("POST", "/v1/messages", &[], UNARY.as_bytes())).await;
            let (head, body) = client.reply().await;
            match head.status {
                200 => break,
                503 => assert!(head.header("retry-after").is_some()),
                other => panic!("{other} {}", String::from_utf8_lossy(&body.bytes)),
            }
        }
    })
    .await;
    for body in [STREAM, UNARY] {
        crate::legs::ask(running, body).await.is_whole("first");
    }
}

#[tokio::test]
async fn a_storm_on_an_upstream_that_only_fails_is_bounded_and_its_recovery_is_seen() {
    let well = Gate::new();
    let risen = well.clone();
    let first = Upstream::start(
        move |asked| {
            if risen.is_open() { answer(asked, "first") } else { broken() }
        },
    );
    let yaml = format!("{}{RESILIENCE}", providers(&[("first", &first, "")]));
    let running = Arc::new(custom(&yaml, &[], |_| {}));
    for _ in 0..2 {
        are_honest(&all_at_once(&running).await, 500);
    }
    let asked = first.requests().len();
    assert!(asked <= 2 * (CALLERS + CALLERS / 5) + RESERVE, "{asked}");
    well.open();
    rises(&running).await;
    until(&running, |said| said["requests"]["in_flight"] == 1).await;
    let running = Arc::into_inner(running).expect("nobody else has it");
    let log = running.stop();
    let records = records(&log);
    let attempts: u64 = records.iter().filter_map(|record| record["attempts"].as_u64()).sum();
    assert_eq!(attempts, first.requests().len() as u64);
    assert!(records.len() >= 2 * CALLERS);
}

/// Without a breaker the budget alone bounds it.
#[tokio::test]
async fn a_storm_without_a_breaker_is_bounded_by_the_budget() {
    let first = Upstream::start(|_| broken());
    let resilience = RESILIENCE.replace("failure_threshold: 5", "failure_threshold: 0");
    let yaml = format!("{}{resilience}", providers(&[("first", &first, "")]));
    let running = Arc::new(custom(&yaml, &[], |_| {}));
    are_honest(&all_at_once(&running).await, 500);
    let asked = first.requests().len();
    assert!((CALLERS..=CALLERS + CALLERS / 5 + RESERVE).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_storm_on_a_port_that_refuses_is_bounded() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let yaml = format!(
        "providers:\n  first: {{kind: anthropic, api_base: \"http://{at}\", api_key_env_var: \
         ANTHROPIC_API_KEY}}\n{RESILIENCE}"
    );
    let running = Arc::new(custom(&yaml, &[], |_| {}));
    are_honest(&all_at_once(&running).await, 502);
    let said = running.status().await;
    assert_eq!(
        said["providers"]["first"]["models"]["claude-opus-5-5"]["breaker"], "open",
        "{said}"
    );
    let running = Arc::into_inner(running).expect("nobody else has it");
    let log = running.stop();
    let records = records(&log);
    assert_eq!(records.len(), CALLERS);
    let attempts: u64 = records.iter().filter_map(|record| record["attempts"].as_u64()).sum();
    assert!(attempts <= (CALLERS + CALLERS / 5 + RESERVE) as u64, "{attempts}");
}

/// Who hangs up on everybody who connects is as dead.
#[tokio::test]
async fn a_storm_on_an_upstream_that_hangs_up_is_bounded() {
    let first = Upstream::builder().answer(Answer::OnConnect).start(|_| Script::new().reset());
    let yaml = format!("{}{RESILIENCE}", providers(&[("first", &first, "")]));
    let running = Arc::new(custom(&yaml, &[], |_| {}));
    are_honest(&all_at_once(&running).await, 502);
    let asked = first.connections();
    assert!(asked <= CALLERS + CALLERS / 5 + RESERVE, "{asked}");
}

/// And with somebody else in the chain nobody is told anything of it.
#[tokio::test]
async fn a_storm_with_a_fallback_is_answered() {
    let (first, second) = (Upstream::start(|_| broken()), crate::legs::answering("second"));
    let yaml = format!("{}{}", crate::legs::two(&first, &second), RESILIENCE);
    let running = Arc::new(custom(&yaml, &[], |_| {}));
    let told = all_at_once(&running).await;
    assert!(told.iter().all(|(status, text)| *status == 200 && text.contains("stamp:second.")));
    assert_eq!(second.requests().len(), CALLERS);
    assert!(first.requests().len() <= CALLERS + CALLERS / 5 + RESERVE);
}
