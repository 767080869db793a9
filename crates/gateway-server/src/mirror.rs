//! Copies of requests for a second upstream, whose answers are read and thrown away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gateway_anthropic::StreamEnd;
use http::Method;
use tokio::time::timeout;

use crate::asked::{Asked, Leg};
use crate::attempt::Opened;
use crate::attempts::{self, Got};
use crate::desk::Worker;
use crate::house::House;
use crate::intake::{self, Held};
use crate::plan::Way;
use crate::record::Exchange;
use crate::trace::Trace;

/// Copies on their way at once, in one process; beyond that none are made.
const MOST: usize = 64;

const ORDER: Ordering = Ordering::Relaxed;

/// The places of copies.
#[derive(Debug, Default)]
pub(crate) struct Mirrors(AtomicUsize);

/// One of them, free again when it is dropped, whatever becomes of the copy.
#[derive(Debug)]
struct Slot(Arc<House>);

impl Slot {
    fn of(house: &Arc<House>) -> Option<Self> {
        let room = |on_their_way: usize| (on_their_way < MOST).then_some(on_their_way + 1);
        house.mirrors.0.fetch_update(ORDER, ORDER, room).ok().map(|_| Self(house.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.mirrors.0.fetch_sub(1, ORDER);
    }
}

/// Sends a copy, unless there is no room for one. Nothing of it touches the answer.
pub(crate) fn send(worker: &Arc<Worker>, asked: &Asked, leg: Leg) {
    let Some(copy) = copied(worker, asked) else { return };
    let Some(slot) = Slot::of(&worker.runtime.house) else { return };
    let worker = worker.clone();
    tokio::spawn(async move {
        let _slot = slot;
        // Nobody waits for it: even one that goes on and on has an end.
        let limit = worker.runtime.providers[leg.provider].timeouts.unary;
        let _ = timeout(limit, read(&worker, copy, leg)).await;
    });
}

fn copied(worker: &Worker, asked: &Asked) -> Option<Asked> {
    let reserved = intake::reserve(&worker.runtime, asked.held.bytes.len() as u64).ok()?;
    Some(Asked {
        id: worker.runtime.house.ids.next(),
        held: Held { bytes: asked.held.bytes.clone(), _reserved: vec![reserved] },
        model: asked.model.clone(),
        model_span: asked.model_span.clone(),
        headers: asked.headers.clone(),
        query: asked.query.clone(),
        session: asked.session.clone(),
        // Its retries are not the client's.
        client: None,
        ..*asked
    })
}

/// To its end, so that the upstream does the same work.
async fn read(worker: &Arc<Worker>, copy: Asked, leg: Leg) {
    let way = Way { legs: vec![leg], mirror: None, sticky: None };
    let trace = Trace::default();
    let got = attempts::answer(worker, &copy, &way, &trace).await;
    let mut record = Exchange::begun(copy.id, Method::POST, String::new());
    drop(copy.held);
    match got {
        Ok(Got::Opened(opened)) => read_stream(*opened, &mut record).await,
        Ok(Got::Whole(whole)) => (record.usage, record.quality) = (whole.usage, whole.quality),
        Ok(Got::Counted(_)) | Err(_) => {}
    }
    // What it has used of its upstream's limits counts like everybody's.
    for hold in trace.lock().holds.drain(..) {
        hold.settle(&record);
    }
}

async fn read_stream(mut opened: Opened, record: &mut Exchange) {
    let idle = opened.provider.timeouts.idle;
    let mut thrown_away: Vec<Bytes> = Vec::new();
    while let Ok(Some(Ok(chunk))) = timeout(idle, opened.body.next()).await {
        opened.feed.push(chunk, &mut thrown_away);
        thrown_away.clear();
    }
    opened.feed.finish(StreamEnd::Clean, &mut thrown_away);
    opened.feed.settle(record);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_translate::peek;
    use gateway_types::Endpoint;
    use http::HeaderMap;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::desk::Desk;
    use crate::slow_callers::runtime;

    const BODY: &str = r#"{"model":"claude-opus-5-5","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

    fn asked() -> Asked {
        let bytes = Bytes::from_static(BODY.as_bytes());
        let envelope = peek(&bytes).expect("a request");
        Asked {
            id: "req_1".to_owned(),
            endpoint: Endpoint::Messages,
            streaming: true,
            model: envelope.model.clone().into_owned(),
            model_span: envelope.model_span.clone(),
            held: Held { bytes, _reserved: Vec::new() },
            foreign_state: false,
            headers: HeaderMap::new(),
            query: None,
            started: Instant::now(),
            patience: None,
            strict: false,
            max_tokens: Some(9),
            client: Some("alice".into()),
            session: None,
        }
    }

    fn leg() -> Leg {
        Leg { provider: 0, model: "claude-opus-5-5".into(), rule: None }
    }

    /// How long the copy was on its way.
    async fn took(unary: Duration) -> Duration {
        let runtime = runtime(|config| config.providers[0].timeouts.unary = unary);
        let worker = Desk::new(runtime.clone(), None, 1).worker();
        let began = Instant::now();
        send(&worker, &asked(), leg());
        assert_eq!(runtime.house.mirrors.0.load(ORDER), 1);
        while runtime.house.mirrors.0.load(ORDER) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_that_drips_has_an_end() {
        // The demo sends one event each 15 ms.
        let whole = took(Duration::from_secs(600)).await;
        assert!(whole > Duration::from_millis(60), "{whole:?}");
        let cut = took(Duration::from_millis(40)).await;
        assert!(cut < Duration::from_millis(45), "{cut:?}");
    }

    #[tokio::test]
    async fn a_copy_is_nobody_s_and_frees_its_place_even_by_a_panic() {
        let runtime = runtime(|_| {});
        let worker = Desk::new(runtime.clone(), None, 1).worker();
        assert_eq!(copied(&worker, &asked()).expect("room").client, None);
        let slot = Slot::of(&runtime.house).expect("room");
        let panics = tokio::spawn(async move {
            let _slot = slot;
            panic!("on purpose");
        });
        assert!(panics.await.is_err());
        assert_eq!(runtime.house.mirrors.0.load(ORDER), 0);
        let all: Vec<Slot> = std::iter::from_fn(|| Slot::of(&runtime.house)).collect();
        assert_eq!(all.len(), MOST);
    }
}
