//! Copies of requests for a second upstream, whose answers are read and thrown away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::asked::{Asked, Leg};
use crate::attempts::{self, Got};
use crate::desk::Worker;
use crate::intake::{self, Held};
use crate::plan::Way;
use crate::trace::Trace;

/// Copies on their way at once, in one process; beyond that none are made.
const MOST: usize = 64;

/// The places of copies.
#[derive(Debug, Default)]
pub(crate) struct Mirrors(AtomicUsize);

/// Sends a copy, unless there is no room for one. Nothing of it touches the answer.
pub(crate) fn send(worker: &Arc<Worker>, asked: &Asked, leg: Leg) {
    let house = worker.runtime.house.clone();
    let Ok(reserved) = intake::reserve(&worker.runtime, asked.held.bytes.len() as u64) else {
        return;
    };
    let room = |on_their_way: usize| (on_their_way < MOST).then_some(on_their_way + 1);
    let order = Ordering::Relaxed;
    if house.mirrors.0.fetch_update(order, order, room).is_err() {
        return;
    }
    let worker = worker.clone();
    let copy = Asked {
        id: house.ids.next(),
        held: Held { bytes: asked.held.bytes.clone(), _reserved: vec![reserved] },
        model: asked.model.clone(),
        model_span: asked.model_span.clone(),
        headers: asked.headers.clone(),
        query: asked.query.clone(),
        session: asked.session.clone(),
        // Its retries are not the client's.
        client: None,
        ..*asked
    };
    tokio::spawn(async move {
        let way = Way { legs: vec![leg], mirror: None, sticky: None };
        let trace = Trace::default();
        if let Ok(Got::Opened(mut opened)) = attempts::answer(&worker, &copy, &way, &trace).await {
            drop(copy);
            let idle = opened.provider.timeouts.idle;
            // To its end, so that the upstream does the same work.
            while let Ok(Some(Ok(_))) = tokio::time::timeout(idle, opened.body.next()).await {}
        }
        house.mirrors.0.fetch_sub(1, order);
    });
}
