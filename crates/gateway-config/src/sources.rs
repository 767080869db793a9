//! Everything a configuration is made from, handed in by the caller: this crate reads files, but
//! neither the process' environment nor its arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::source::At;

/// What [`crate::load`] reads from.
#[derive(Clone)]
pub struct Sources {
    /// The process' environment.
    pub env: BTreeMap<String, String>,
    /// Where relative paths of options begin, and where `gateway.yaml` is looked for first.
    pub cwd: PathBuf,
    /// The user's directory for configuration (`$XDG_CONFIG_HOME` or `~/.config`), if there is one.
    pub config_home: Option<PathBuf>,
    /// The machine's directory for configuration, `/etc`.
    pub system_config: PathBuf,
    /// Command line options.
    pub overrides: Overrides,
    /// Whether an Ollama answers at `127.0.0.1:11434`. Asked at most once, and only where no provider is configured and no
    /// variable sets one up; this crate opens no socket itself.
    pub ollama_answers: fn() -> bool,
}

/// Values given as command line options; they win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`: this file and no other; it must exist.
    pub config: Option<PathBuf>,
    /// `--demo`: only the built-in demo provider.
    pub demo: bool,
    /// `--api-key`: what `ANTHROPIC_API_KEY` would give.
    pub api_key: Option<SecretString>,
    values: Vec<(&'static str, String, &'static str)>,
}

impl Overrides {
    /// Sets a dotted key (`server.port`) as the named option says (`--port`).
    pub fn set(&mut self, key: &'static str, value: impl Into<String>, option: &'static str) {
        self.values.push((key, value.into(), option));
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        self.values.iter().map(|(key, value, option)| (*key, value.as_str(), *option))
    }
}

impl Sources {
    /// Sources that hold nothing but a working directory.
    pub fn empty(cwd: impl Into<PathBuf>) -> Self {
        Self {
            env: BTreeMap::new(),
            cwd: cwd.into(),
            config_home: None,
            system_config: PathBuf::from("/etc"),
            overrides: Overrides::default(),
            ollama_answers: || false,
        }
    }
}

/// Names of variables only: values may be keys.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .field("config_home", &self.config_home)
            .field("system_config", &self.system_config)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// The environment as configuration sees it: the process' variables, below them those of `.env`, above
/// them `--api-key`. An empty variable counts as not set, as shells and containers leave them behind.
pub(crate) struct Env {
    vars: BTreeMap<String, (String, At)>,
}

impl Env {
    pub(crate) fn new(
        process: &BTreeMap<String, String>,
        dotenv: Vec<(String, String)>,
        api_key: Option<&str>,
    ) -> Self {
        let mut vars = BTreeMap::new();
        for (name, value) in dotenv {
            let at = At::DotEnv { variable: name.clone() };
            vars.insert(name, (value, at));
        }
        for (name, value) in process {
            vars.insert(name.clone(), (value.clone(), At::Env { variable: name.clone() }));
        }
        if let Some(key) = api_key {
            vars.insert(ANTHROPIC_API_KEY.to_owned(), (key.to_owned(), At::Flag("--api-key")));
        }
        Self { vars }
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<(&str, &At)> {
        let (value, at) = self.vars.get(name)?;
        (!value.trim().is_empty()).then_some((value.as_str(), at))
    }

    /// A variable as it is, also an empty one.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|(value, _)| value.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str, &At)> {
        self.vars.iter().map(|(name, (value, at))| (name.as_str(), value.as_str(), at))
    }
}

pub(crate) const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
pub(crate) const ANTHROPIC_AUTH_TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
pub(crate) const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
pub(crate) const OPENROUTER_API_KEY: &str = "OPENROUTER_API_KEY";
pub(crate) const GEMINI_API_KEY: &str = "GEMINI_API_KEY";
pub(crate) const GOOGLE_API_KEY: &str = "GOOGLE_API_KEY";
pub(crate) const OLLAMA_API_KEY: &str = "OLLAMA_API_KEY";
