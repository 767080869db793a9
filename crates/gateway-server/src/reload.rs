//! Another configuration for a gateway that runs.

use std::sync::{Arc, PoisonError};

use gateway_config::Config;

use crate::gateway::Gateway;
use crate::report::ReloadReport;
use crate::runtime::{CompileError, Extras, Runtime};
use crate::tls;

/// What a reload compares with besides the configuration that serves.
#[derive(Debug)]
pub(crate) struct Place {
    /// Host and port as configured at the start; `None` where the socket was passed.
    pub(crate) bound: Option<(String, u16)>,
    /// Host and port as configured last.
    pub(crate) asked: (String, u16),
    /// Digest of the listener's certificates.
    pub(crate) tls: u64,
    /// What a gateway is besides its configuration file.
    pub(crate) extras: Extras,
}

impl Gateway {
    /// Seals state that travels with callers with this key in place of one of this process alone, from the
    /// next [`reload`](Self::reload) on and while the configuration names no `server.state_keys`.
    pub fn seal_with(&self, key: Vec<u8>) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.extras.state_key = Some(key);
    }

    /// Serves by another configuration from now on. Requests that have begun finish by the one they began
    /// with. Counters, what was learnt of upstreams, their connections and tokens stay where the upstream is the
    /// same, and so do log, ids and the address: another `server.host` or `server.port` is only
    /// reported. A configuration that is the same changes nothing.
    ///
    /// # Errors
    /// The configuration can't be run; then everything stays as it is.
    pub fn reload(&self, mut config: Config) -> Result<ReloadReport, CompileError> {
        // One at a time.
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let server = &mut config.server;
        let asked = (server.host.clone(), server.port);
        // What callers may do depends on the address that they reach, not on a wish.
        server.host.clone_from(&before.config.server.host);
        server.port = before.config.server.port;
        let mark = tls::mark(server.tls.as_ref());
        let secured = server.tls.as_ref().map(tls::listener).transpose()?;
        let house = before.house.clone();
        let mut runtime = Runtime::compile(config, &place.extras, house, Some(&before))?;

        let mut report = ReloadReport::between(&before, &runtime);
        if mark != place.tls {
            report.settings.push("server.tls");
        }
        if report.is_empty() && asked == place.asked {
            return Ok(report);
        }
        if let Some((host, port)) = &place.bound {
            let differs = [("server.host", *host != asked.0), ("server.port", *port != asked.1)];
            let differs = differs.into_iter().filter(|(_, differs)| *differs);
            report.needs_restart = differs.map(|(key, _)| key).collect();
        }
        (place.asked, place.tls) = (asked, mark);

        if !self.own_level {
            before.house.log.set_level(runtime.config.log_level);
        }
        for (provider, configured) in runtime.providers.iter().zip(&runtime.config.providers) {
            provider.live.standing.set(&runtime.config.resilience, &provider.weights);
            provider.live.allowance.set(&configured.limits);
        }
        if runtime.config.routes != before.config.routes {
            // Pins are kept by the numbers of rules.
            runtime.generation = before.house.pins.clear();
        }
        runtime.begin();
        let runtime = Arc::new(runtime);
        for desk in &self.desks {
            desk.swap_tls(secured.clone());
            desk.swap(&runtime);
        }
        self.current.store(runtime);
        Ok(report)
    }
}
