//! What a reload changed.

use std::fmt;

use gateway_config::Config;
use secrecy::ExposeSecret;

use crate::runtime::{Provider, Runtime};

/// What a reload changed, by the words of the configuration. Empty where nothing did.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Providers that were not there before.
    pub added: Vec<String>,
    /// Providers that are no more. What runs there finishes.
    pub removed: Vec<String>,
    /// Providers with other settings. What was learnt of them and counted stays.
    pub changed: Vec<String>,
    /// Providers of another kind, at another address or with other credentials, which begin anew.
    pub replaced: Vec<String>,
    /// Providers that are what they were.
    pub kept: Vec<String>,
    /// Other keys of the configuration with another value: `routes`, `server.tls`, …
    pub settings: Vec<&'static str>,
    /// Keys with a value that will count only for the next process.
    pub needs_restart: Vec<&'static str>,
}

impl ReloadReport {
    /// Whether everything is as it was.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed, replaced, kept: _, settings, needs_restart } = self;
        [added, removed, changed, replaced].iter().all(|names| names.is_empty())
            && settings.is_empty()
            && needs_restart.is_empty()
    }

    pub(crate) fn between(old: &Runtime, new: &Runtime) -> Self {
        let named = |runtime: &Runtime, name: &str| -> Option<std::sync::Arc<Provider>> {
            runtime.providers.iter().find(|p| &*p.name == name).cloned()
        };
        let mut report = Self { settings: settings(&old.config, &new.config), ..Self::default() };
        for provider in &new.providers {
            let list = match named(old, &provider.name).map(|before| before.marks) {
                None => &mut report.added,
                Some(before) if before.whole == provider.marks.whole => &mut report.kept,
                Some(before) if before.upstream == provider.marks.upstream => &mut report.changed,
                Some(_) => &mut report.replaced,
            };
            list.push(provider.name.to_string());
        }
        let gone = old.providers.iter().filter(|p| named(new, &p.name).is_none());
        report.removed = gone.map(|provider| provider.name.to_string()).collect();
        report
    }
}

/// The keys beside `providers` that are not what they were.
fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let keys = |config: &Config| -> Vec<String> {
        config.client_keys.iter().map(|key| key.expose_secret().to_owned()).collect()
    };
    let state_keys = |config: &Config| -> Vec<String> {
        config.server.state_keys.iter().map(|key| key.expose_secret().to_owned()).collect()
    };
    let server = |config: &Config| {
        let mut server = config.server.clone();
        // These are told by their own names.
        (server.tls, server.state_keys) = (None, Vec::new());
        format!("{server:?}")
    };
    let order = |config: &Config| -> Vec<String> {
        config.providers.iter().map(|provider| provider.name.clone()).collect()
    };
    let reordered = {
        let (before, after) = (order(old), order(new));
        let both = |names: &[String], others: &[String]| -> Vec<String> {
            names.iter().filter(|name| others.contains(name)).cloned().collect()
        };
        both(&before, &after) != both(&after, &before)
    };
    let all = [
        ("default_provider", old.default_provider != new.default_provider),
        ("log_level", old.log_level != new.log_level),
        ("server", server(old) != server(new)),
        ("server.state_keys", state_keys(old) != state_keys(new)),
        ("the order of providers", reordered),
        ("routes", old.routes != new.routes),
        ("resilience", old.resilience != new.resilience),
        ("clients", old.clients != new.clients),
        ("client keys", keys(old) != keys(new)),
        ("limits", old.limits != new.limits),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing has changed");
        }
        let mut parts = Vec::new();
        for (what, names) in [
            ("added", &self.added),
            ("removed", &self.removed),
            ("changed", &self.changed),
            ("replaced", &self.replaced),
        ] {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        }
        if !self.settings.is_empty() {
            parts.push(format!("changed {}", self.settings.join(", ")));
        }
        if !self.needs_restart.is_empty() {
            parts.push(format!("needs a restart: {}", self.needs_restart.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}
