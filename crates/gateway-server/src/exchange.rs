//! An exchange while it is open, and its end.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use crate::attempts;
use crate::record::{Exchange, Outcome, Served};
use crate::runtime::Runtime;

/// Settles an exchange exactly once: when the reply has been handed over, has failed, or is dropped
/// because the caller left; then it gives back what it held of its caller's limits.
#[derive(Debug)]
pub(crate) struct Open {
    exchange: Option<Box<Exchange>>,
    runtime: Arc<Runtime>,
}

impl Open {
    pub(crate) fn new(runtime: Arc<Runtime>, method: Method, path: String) -> Self {
        let exchange = Exchange::begun(runtime.house.ids.next(), method, path);
        runtime.house.stats.open();
        Self { exchange: Some(Box::new(exchange)), runtime }
    }

    /// The record, to fill in. It is there until the exchange is settled.
    pub(crate) fn record(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("an exchange is settled only when its guard goes")
    }

    /// The runtime that the exchange runs on.
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Notes that so many bytes of the answer's body go out.
    pub(crate) fn sending(&mut self, bytes: usize) {
        let record = self.record();
        record.sent = record.sent.saturating_add(bytes as u64);
        if record.first_byte.is_none() {
            record.first_byte = Some(record.started.elapsed());
        }
    }

    /// Says how it ended and settles it.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.record().outcome = outcome;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            let change = exchange.close();
            if let (Some(change), Some(Served { provider, model })) = (change, &exchange.served) {
                attempts::note(&self.runtime, provider, model, change);
            }
            drop(exchange.place.take());
            if let Some(seat) = exchange.seat.take() {
                seat.settle(&exchange);
            }
            exchange.settled = Some((Timestamp::now(), exchange.started.elapsed()));
            self.runtime.house.stats.settle(&exchange);
            self.runtime.house.log.exchange(exchange);
        }
    }
}
