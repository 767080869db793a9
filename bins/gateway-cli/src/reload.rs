//! The configuration read once more, for a gateway that runs.

use std::collections::HashSet;
use std::fmt::Write as _;

use gateway_config::{Config, Diagnostic, Diagnostics, Loaded, LogLevel, Sources};
use gateway_server::Gateway;
use secrecy::SecretString;

use crate::watch::is_readable_again;
use crate::{client_key, process, state_key};

/// Who wants the configuration read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Somebody, who wants to know what came of it.
    Signal,
    /// A file that changed.
    File,
}

/// What a reload needs to know of the start.
pub(crate) struct Reloader {
    /// Environment and options as they were.
    sources: Sources,
    /// `--no-auth`, or nobody else can reach the gateway.
    needs_no_key: bool,
    /// A key of the gateway's own is known for what is sealed.
    has_state_key: bool,
    /// Warnings that were told.
    told: HashSet<String>,
    /// The fault that was told last.
    fault: Option<String>,
}

impl Reloader {
    pub(crate) fn new(
        mut sources: Sources,
        loaded: &Loaded,
        needs_no_key: bool,
        has_state_key: bool,
    ) -> Self {
        // Where it was found it stays: while it is exchanged no other file is meant.
        sources.overrides.config = sources.overrides.config.or_else(|| loaded.file.clone());
        let told = loaded.warnings.iter().map(line).collect();
        Self { sources, needs_no_key, has_state_key, told, fault: None }
    }

    /// Reads the configuration and lets the gateway serve by it. Faults, warnings and changes are in its log;
    /// with a fault everything stays as it is. Gives what was read, and a word about it.
    pub(crate) fn reload(
        &mut self,
        gateway: &Gateway,
        reason: Reason,
    ) -> (Option<Loaded>, &'static str) {
        match self.apply(gateway, reason) {
            Ok(loaded) => {
                self.fault = None;
                (Some(loaded), "serving")
            }
            Err(lines) => {
                let fault = lines.join("\n");
                if reason == Reason::Signal || self.fault.as_ref() != Some(&fault) {
                    for line in lines {
                        let text = format!("the configuration can't be used: {line}");
                        gateway.note(LogLevel::Error, text);
                    }
                    gateway.note(LogLevel::Error, "the old configuration stays");
                }
                self.fault = Some(fault);
                (None, "serving by the old configuration: the new one has faults, see the log")
            }
        }
    }

    fn apply(&mut self, gateway: &Gateway, reason: Reason) -> Result<Loaded, Vec<String>> {
        if let Some(file) = &self.sources.overrides.config
            && !is_readable_again(&self.sources.cwd.join(file))
        {
            return Err(vec![format!("{} is no file that can be read again", file.display())]);
        }
        let loaded = gateway_config::load(&self.sources).map_err(|faults| lines(&faults))?;
        let mut config = loaded.config.clone();
        let told = self.admit(&mut config).map_err(|fault| vec![format!("{fault:#}")])?;
        if let Some(text) = told {
            gateway.note(LogLevel::Warn, text);
        }
        if !self.has_state_key {
            let (key, warning) = state_key::find(&config);
            if let Some(key) = key {
                gateway.seal_with(key);
                self.has_state_key = true;
            }
            self.warn(gateway, warning);
        }
        let report = gateway.reload(config).map_err(|fault| vec![fault.to_string()])?;
        self.warn(gateway, loaded.warnings.iter().map(line));
        if !report.is_empty() {
            let level =
                if report.needs_restart.is_empty() { LogLevel::Info } else { LogLevel::Warn };
            gateway.note(level, format!("configuration reloaded: {report}"));
        } else if reason == Reason::Signal || self.fault.is_some() {
            gateway.note(LogLevel::Info, "configuration reloaded: nothing has changed");
        }
        Ok(loaded)
    }

    /// Sees to it that not everybody can use a gateway that others reach.
    fn admit(&self, config: &mut Config) -> anyhow::Result<Option<String>> {
        if self.needs_no_key || !client_key::nobody_has_one(config) {
            return Ok(None);
        }
        let state = process::state_dir(&process::environment())?;
        let known = client_key::read(&state)?.is_some();
        let key: SecretString = client_key::read_or_make(&state)?;
        config.client_keys.push(key);
        let file = client_key::file(&state);
        let text = format!(
            "callers need the key in {}; print it with: claude-code-model-gateway key show",
            file.display()
        );
        Ok((!known).then_some(text))
    }

    /// Tells each warning once.
    fn warn(&mut self, gateway: &Gateway, warnings: impl IntoIterator<Item = String>) {
        for warning in warnings {
            if self.told.insert(warning.clone()) {
                gateway.note(LogLevel::Warn, warning);
            }
        }
    }
}

fn lines(faults: &Diagnostics) -> Vec<String> {
    faults.errors.iter().map(line).collect()
}

/// Where it is, what is wrong and what to do, in one line.
fn line(fault: &Diagnostic) -> String {
    let mut line = String::new();
    if let Some(place) = fault.place() {
        let _ = write!(line, "{place}: ");
    }
    line.push_str(fault.message());
    for help in fault.help_lines() {
        let _ = write!(line, "; {help}");
    }
    line
}
