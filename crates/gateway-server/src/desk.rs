//! A worker thread's view of the configuration, and where the current one lies.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use gateway_upstream::Client;
use rustls::ServerConfig;

use crate::runtime::{Provider, Runtime};

/// One snapshot of the configuration and a worker thread's own connections for it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) runtime: Arc<Runtime>,
    /// By provider index; `None` for the demo.
    pub(crate) clients: Vec<Option<Arc<Client>>>,
}

impl Worker {
    /// A worker that keeps `max_idle` connections per upstream. Those of `before` that lead the same
    /// way serve on.
    fn new(runtime: Arc<Runtime>, max_idle: usize, before: Option<&Self>) -> Self {
        let client = |provider: &Arc<Provider>| {
            let dialer = provider.dialer.as_ref()?;
            let known = before.and_then(|before| before.client_of(dialer));
            Some(known.unwrap_or_else(|| Arc::new(Client::new(dialer.clone(), max_idle))))
        };
        let clients = runtime.providers.iter().map(client).collect();
        Self { runtime, clients }
    }

    fn client_of(&self, dialer: &Arc<gateway_upstream::Dialer>) -> Option<Arc<Client>> {
        let mut pairs = self.runtime.providers.iter().zip(&self.clients);
        let is_it = |provider: &Arc<Provider>| {
            provider.dialer.as_ref().is_some_and(|own| Arc::ptr_eq(own, dialer))
        };
        pairs.find_map(|(provider, client)| client.clone().filter(|_| is_it(provider)))
    }

    fn reap(&self) {
        self.clients.iter().flatten().for_each(|client| client.reap());
    }
}

/// Where a worker thread finds what serves the next request. A request keeps what it began with.
#[derive(Debug)]
pub(crate) struct Desk {
    current: ArcSwap<Worker>,
    tls: ArcSwapOption<ServerConfig>,
    /// Those that still serve what they began.
    past: Mutex<Vec<Weak<Worker>>>,
    max_idle: usize,
}

impl Desk {
    /// Keeps `max_idle` connections per upstream.
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        tls: Option<Arc<ServerConfig>>,
        max_idle: usize,
    ) -> Self {
        Self {
            current: ArcSwap::from_pointee(Worker::new(runtime, max_idle, None)),
            tls: ArcSwapOption::new(tls),
            past: Mutex::default(),
            max_idle,
        }
    }

    /// Who serves a request that begins now.
    pub(crate) fn worker(&self) -> Arc<Worker> {
        self.current.load_full()
    }

    /// What a connection that begins now is secured by.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    /// Lets whatever begins from now on be served by another configuration.
    pub(crate) fn swap(&self, runtime: &Arc<Runtime>) {
        let before = self.worker();
        let worker = Worker::new(runtime.clone(), self.max_idle, Some(&before));
        self.current.store(Arc::new(worker));
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.retain(|worker| worker.strong_count() > 0);
        past.push(Arc::downgrade(&before));
    }

    /// Secures connections that begin from now on in another way.
    pub(crate) fn swap_tls(&self, tls: Option<Arc<ServerConfig>>) {
        self.tls.store(tls);
    }

    /// Closes upstream connections that have been idle for too long.
    pub(crate) fn reap(&self) {
        self.worker().reap();
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().filter_map(Weak::upgrade).for_each(|worker| worker.reap());
    }
}
