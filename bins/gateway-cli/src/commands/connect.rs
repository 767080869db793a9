//! `connect claude`, `disconnect claude`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use gateway_config::{Loaded, Sources};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::cli::{ConnectClient, Format, Globals};
use crate::connect::{self as claude, Done};
use crate::{client_key, output, process};

pub(crate) fn connect(client: ConnectClient, globals: &Globals) -> Result<ExitCode> {
    let ConnectClient::Claude { url } = client;
    let sources = process::sources(globals)?;
    let (url, token) = if let Some(url) = url {
        (own_url(&url)?, given_key(&sources))
    } else {
        let loaded = super::load(globals, |_| {})?;
        let mut token = loaded.config.client_keys.first().cloned();
        if token.is_none() && !loaded.config.server.is_loopback() {
            // The gateway made one at its first start; before that there is none to write.
            token = client_key::read(&process::state_dir(&sources.env)?)?;
        }
        (listening_at(&loaded)?, token)
    };
    let mut values = vec![("ANTHROPIC_BASE_URL".to_owned(), url.clone())];
    if let Some(token) = &token {
        values.push(("ANTHROPIC_AUTH_TOKEN".to_owned(), token.expose_secret().to_owned()));
    }
    let settings = process::claude_settings(&sources.env)?;
    let done = claude::connect(&settings, &process::state_dir(&sources.env)?, &values)?;
    let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
    let text = match done {
        Done::Changed => format!(
            "{}: {} set; Claude Code now uses {url}\nundo with: claude-code-model-gateway disconnect claude",
            settings.display(),
            names.join(" and ")
        ),
        _ => format!("{}: already set to {url}; nothing changed", settings.display()),
    };
    report(
        globals,
        &text,
        &json!({ "settings": settings, "url": url, "set": names, "changed": done == Done::Changed }),
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn disconnect(globals: &Globals) -> Result<ExitCode> {
    let sources = process::sources(globals)?;
    let settings = process::claude_settings(&sources.env)?;
    let done = claude::disconnect(&settings, &process::state_dir(&sources.env)?)?;
    let what = match &done {
        Done::Restored => "restored exactly as it was".to_owned(),
        Done::Removed => "removed: it was made by `connect`".to_owned(),
        Done::Changed => "the earlier values are back; your other edits stay".to_owned(),
        Done::Kept(names) => {
            format!(
                "the earlier values are back, but for {}: changed since, so left alone",
                names.join(" and ")
            )
        }
        Done::Nothing => "not connected; nothing changed".to_owned(),
    };
    let text = format!("{}: {what}", settings.display());
    report(globals, &text, &json!({ "settings": settings, "changed": done != Done::Nothing }));
    Ok(ExitCode::SUCCESS)
}

fn report(globals: &Globals, text: &str, value: &serde_json::Value) {
    match globals.format {
        Format::Text => output::print(text),
        Format::Json => output::print_json(value),
    }
}

/// Where a client on this machine reaches the configured gateway.
fn listening_at(loaded: &Loaded) -> Result<String> {
    let server = &loaded.config.server;
    if server.port == 0 {
        bail!("`server.port` is 0: the port is only known once the gateway runs; give --url");
    }
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let host = match server.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    Ok(format!("{scheme}://{host}:{}", server.port))
}

fn own_url(url: &str) -> Result<String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("`{url}` is no URL of a gateway: write it like http://127.0.0.1:8080");
    }
    // The client adds /v1 itself.
    let url = url.trim_end_matches('/');
    Ok(url.strip_suffix("/v1").unwrap_or(url).to_owned())
}

fn given_key(sources: &Sources) -> Option<SecretString> {
    let key = sources.env.get("GATEWAY_API_KEY").map(|k| k.trim()).filter(|k| !k.is_empty())?;
    Some(SecretString::from(key.to_owned()))
}
