//! A worker thread's view of the configuration, and where the current one lies.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gateway_upstream::Client;

use crate::runtime::{Provider, Runtime};

/// One snapshot of the configuration and a worker thread's own connections for it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) runtime: Arc<Runtime>,
    /// By provider index; `None` for the demo.
    pub(crate) clients: Vec<Option<Arc<Client>>>,
}

impl Worker {
    /// A worker that keeps `max_idle` connections per upstream.
    pub(crate) fn new(runtime: Arc<Runtime>, max_idle: usize) -> Self {
        let client = |provider: &Arc<Provider>| {
            let dialer = provider.dialer.clone()?;
            Some(Arc::new(Client::new(dialer, max_idle)))
        };
        let clients = runtime.providers.iter().map(client).collect();
        Self { runtime, clients }
    }

    /// Closes upstream connections that have been idle for too long.
    pub(crate) fn reap(&self) {
        self.clients.iter().flatten().for_each(|client| client.reap());
    }
}

/// Where a worker thread finds the worker that serves the next request. A request keeps the one it
/// began with.
#[derive(Debug)]
pub(crate) struct Desk {
    current: ArcSwap<Worker>,
}

impl Desk {
    pub(crate) fn new(worker: Worker) -> Self {
        Self { current: ArcSwap::from_pointee(worker) }
    }

    /// Who serves a request that begins now.
    pub(crate) fn worker(&self) -> Arc<Worker> {
        self.current.load_full()
    }
}
