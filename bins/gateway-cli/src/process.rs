//! What the process brings along: environment, directories. The only place that reads them.

use std::collections::BTreeMap;
use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use gateway_config::Sources;

use crate::cli::Globals;

/// The sources of the configuration, with the global options applied.
pub(crate) fn sources(globals: &Globals) -> Result<Sources> {
    let env = environment();
    let cwd = env::current_dir().context("the working directory can't be found")?;
    let mut sources = Sources::empty(cwd);
    sources.config_home = directory(&env, "XDG_CONFIG_HOME", ".config");
    sources.env = env;
    sources.ollama_answers = ollama_answers;
    globals.apply(&mut sources.overrides);
    Ok(sources)
}

/// Whether something listens where an Ollama usually does.
fn ollama_answers() -> bool {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 11434));
    TcpStream::connect_timeout(&usual, Duration::from_millis(200)).is_ok()
}

/// The variables that are text; others can't be meant for the gateway (and `vars` would panic on them).
pub(crate) fn environment() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where the gateway keeps what it must remember; not made yet.
pub(crate) fn state_dir(env: &BTreeMap<String, String>) -> Result<PathBuf> {
    directory(env, "XDG_STATE_HOME", ".local/state")
        .map(|dir| dir.join("claude-code-model-gateway"))
        .context("there is no place to keep state: set HOME or XDG_STATE_HOME")
}

/// The settings file of Claude Code.
pub(crate) fn claude_settings(env: &BTreeMap<String, String>) -> Result<PathBuf> {
    let dir = match env.get("CLAUDE_CONFIG_DIR").filter(|d| !d.is_empty()) {
        Some(dir) => env::current_dir().context("the working directory can't be found")?.join(dir),
        None => home(env)
            .context("Claude Code's settings can't be found: set HOME or CLAUDE_CONFIG_DIR")?
            .join(".claude"),
    };
    Ok(dir.join("settings.json"))
}

/// An XDG directory; a relative one is ignored, as its specification says.
fn directory(env: &BTreeMap<String, String>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = env.get(variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.or_else(|| Some(home(env)?.join(below_home)))
}

fn home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}
