//! The top level and `server`.

use std::time::Duration;

use secrecy::SecretString;

use crate::base::bare_host;
use crate::keys::{SERVER, TLS};
use crate::model::{LogLevel, Server, Tls};
use crate::read::{Cx, Section, Zero};
use crate::tree::Node;

pub(crate) fn log_level(cx: &mut Cx, top: &Section<'_>) -> LogLevel {
    let words = ["off", "error", "warn", "info", "debug", "trace", "warning"];
    let level = match cx.word(top, "log_level", &words) {
        Some("off") => LogLevel::Off,
        Some("error") => LogLevel::Error,
        Some("warn" | "warning") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => LogLevel::Info,
    };
    cx.effective(top, "log_level", level.as_str());
    level
}

/// The default of every provider's `timeouts.first_byte`.
pub(crate) fn timeout(cx: &mut Cx, top: &Section<'_>) -> Duration {
    let timeout = cx.seconds(top, "timeout", Zero::Refused).unwrap_or(Duration::from_mins(5));
    cx.effective(top, "timeout", timeout.as_secs_f64());
    timeout
}

pub(crate) fn server(cx: &mut Cx, top: &Section<'_>) -> Server {
    let at = top.place_of("server");
    let nothing = Node::map(Vec::new(), at.clone());
    let node = top.get("server").unwrap_or(&nothing);
    let section = cx.section("server", &at, node, &SERVER);

    let host = read_host(cx, &section);
    cx.effective(&section, "host", host.as_str());
    let port =
        cx.whole(&section, "port", 0, 65_535).and_then(|n| u16::try_from(n).ok()).unwrap_or(8080);
    cx.effective(&section, "port", port);
    let mut amount = |key: &str, min: i128, default: u64| {
        let most = i128::from(i64::MAX);
        let n = cx
            .whole(&section, key, min, most)
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(default);
        cx.effective(&section, key, n);
        n
    };
    let size = amount("max_request_size", 0, 33_554_432);
    let concurrent = amount("max_concurrent_requests", 1, 1024);
    let buffered = amount("max_buffered_bytes", 1, 1_073_741_824);
    if size > buffered {
        let at = section.place_of("max_buffered_bytes");
        cx.warn(
            &at,
            format!("`server.max_buffered_bytes` ({buffered}) is below `server.max_request_size` ({size}): a request of that size is never admitted"),
            "raise max_buffered_bytes, or lower max_request_size",
        );
    }
    let allowed_hosts = read_allowed_hosts(cx, &section);
    let tls = read_tls(cx, &section);
    let grace =
        cx.seconds(&section, "shutdown_grace", Zero::Allowed).unwrap_or(Duration::from_secs(30));
    cx.effective(&section, "shutdown_grace", grace.as_secs_f64());
    let state_keys = read_state_keys(cx, &section);
    Server {
        host,
        port,
        max_request_size: (size > 0).then_some(size),
        max_concurrent_requests: usize::try_from(concurrent).unwrap_or(usize::MAX),
        max_buffered_bytes: buffered,
        allowed_hosts,
        tls,
        shutdown_grace: grace,
        state_keys,
    }
}

fn read_host(cx: &mut Cx, section: &Section<'_>) -> String {
    let Some(text) = cx.text(section, "host") else { return "127.0.0.1".to_owned() };
    let host = bare_host(&text);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    if !is_address && !is_name {
        let help =
            "write an address or a name alone, e.g. 127.0.0.1, and the port in `server.port`";
        cx.error(
            &section.place_of("host"),
            "`server.host` is neither an address nor a host name".to_owned(),
            "not a host",
            help,
        );
    }
    host
}

fn read_allowed_hosts(cx: &mut Cx, section: &Section<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for (text, at) in cx.texts(section, "allowed_hosts").unwrap_or_default() {
        let host = text.trim().to_ascii_lowercase();
        if host.is_empty() || host.contains(['/', ' ', '@', '*']) {
            let help = "write names as they stand in a Host header, e.g. gateway.lan or gateway.lan:8080; there are no patterns";
            cx.error(
                &at,
                "`server.allowed_hosts` holds something that is no host".to_owned(),
                "not a host",
                help,
            );
        } else {
            out.push(host);
        }
    }
    cx.effective(section, "allowed_hosts", out.clone());
    out
}

fn read_state_keys(cx: &mut Cx, section: &Section<'_>) -> Vec<SecretString> {
    let mut out = Vec::new();
    for (text, at) in cx.texts(section, "state_keys").unwrap_or_default() {
        let key = text.trim();
        if key.chars().count() < SHORTEST_STATE_KEY {
            let message = format!(
                "`server.state_keys` holds a key of {} characters, too short to seal anything",
                key.chars().count()
            );
            let help = format!("use {SHORTEST_STATE_KEY} at least, e.g. of `openssl rand -hex 32`");
            cx.error(&at, message, "too short", help);
            continue;
        }
        if cx.is_written_out(&at) {
            let message = "`server.state_keys` holds the key itself".to_owned();
            cx.warn(&at, message, "keep it out of the file: `${NAME}` or `${file:/path}`");
        }
        out.push(SecretString::from(key));
    }
    let shown: Vec<&str> = out.iter().map(|_| "(hidden)").collect();
    cx.effective(section, "state_keys", shown);
    out
}

fn read_tls(cx: &mut Cx, section: &Section<'_>) -> Option<Tls> {
    let node = section.get("tls")?;
    let at = section.place_of("tls");
    let inner = cx.section("server.tls", &at, node, &TLS);
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if inner.get(one).is_none() {
            cx.error(
                &at,
                format!("`server.tls` has no `{one}`"),
                "incomplete",
                format!("give both `{one}` and `{other}`"),
            );
        }
    }
    let mut file = |key: &str| {
        let path = cx.path(&inner, key);
        cx.effective(&inner, key, path.as_ref().map(|p| p.display().to_string()));
        path
    };
    let (cert, key, client_ca) = (file("cert"), file("key"), file("client_ca"));
    Some(Tls { cert: cert?, key: key?, client_ca })
}

/// Anything shorter can be guessed.
const SHORTEST_STATE_KEY: usize = 16;
