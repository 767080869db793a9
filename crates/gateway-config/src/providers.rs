//! `providers`: one upstream each, with what a built-in name fills in.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::auth;
use crate::base::{self, Base};
use crate::keys::{KINDS, LATER_KINDS, PROVIDER, TIMEOUTS, quoted};
use crate::model::{Kind, Provider, ProxyUrl, Timeouts};
use crate::models;
use crate::quirks;
use crate::read::{Cx, Section, Zero};
use crate::source::At;
use crate::tree::{Key, Node, Value};

/// A provider with the places that later checks point at.
pub(crate) struct Placed {
    pub(crate) provider: Provider,
    pub(crate) base: Option<Base>,
    pub(crate) name_at: At,
    pub(crate) base_at: At,
    pub(crate) auth_at: At,
    pub(crate) enabled_at: At,
}

pub(crate) fn read(cx: &mut Cx, key: &Key, node: &Node, first_byte: Duration) -> Option<Placed> {
    let name = key.text.as_str();
    let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || !name.chars().all(valid) {
        cx.error(
            &key.at,
            format!("`{name}` can't be a provider's name"),
            "not a name",
            "use letters, digits, `.`, `_` and `-`",
        );
        return None;
    }
    let section = cx.section(&format!("providers.{name}"), &key.at, node, &PROVIDER);
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        return None; // reported as no map
    }
    let kind = read_kind(cx, &section, name);
    let base = read_base(cx, &section, kind);
    let credential = auth::read(cx, &section, name, kind, base.as_ref());
    let display_name = cx.text(&section, "display_name").unwrap_or_else(|| match kind {
        Some(Kind::Anthropic) if name == "anthropic" => "Anthropic".to_owned(),
        Some(Kind::OpenAi) if name == "openai" => "OpenAI".to_owned(),
        Some(Kind::OpenAiResponses) if name == "openai-responses" => "OpenAI Responses".to_owned(),
        Some(Kind::Demo) if name == "demo" => "Demo".to_owned(),
        _ => name.to_owned(),
    });
    cx.effective(&section, "display_name", display_name.as_str());
    let enabled = cx.truth(&section, "enabled").unwrap_or(true);
    cx.effective(&section, "enabled", enabled);
    let priority = read_priority(cx, &section);
    let headers = read_headers(cx, &section);
    let timeouts = read_timeouts(cx, &section, first_byte);
    let host = base.as_ref().map(|b| b.host.as_str());
    let names = models::read_names(cx, &section, kind, host);
    let models = models::read(cx, &section);
    let proxy = read_proxy(cx, &section);
    let ca_file = cx.path(&section, "ca_file");
    cx.effective(&section, "ca_file", ca_file.as_ref().map(|p| p.display().to_string()));
    let api = quirks::read_extra(cx, &section, kind);
    let compat = quirks::read_compat(cx, &section, kind, api);
    let private = cx.truth(&section, "private").unwrap_or(false);
    cx.effective(&section, "private", private);

    let provider = Provider {
        name: name.to_owned(),
        display_name,
        kind: kind?,
        api_base: base.as_ref().map(|b| b.url.clone()),
        auth: credential.auth,
        key_variable: credential.variable,
        enabled,
        priority,
        default_model: names.default,
        headers,
        timeouts,
        model_map: names.map,
        models,
        proxy,
        ca_file,
        api,
        extra: crate::model::Extra::default(),
        compat,
        private,
    };
    Some(Placed {
        base,
        name_at: key.at.clone(),
        base_at: section.place_of("api_base"),
        auth_at: credential.at,
        enabled_at: section.place_of("enabled"),
        provider,
    })
}

pub(crate) fn read_priority(cx: &mut Cx, section: &Section<'_>) -> i64 {
    let limit = i128::from(i32::MAX);
    let priority = cx
        .whole(section, "priority", -limit, limit)
        .and_then(|n| i64::try_from(n).ok())
        .unwrap_or(0);
    cx.effective(section, "priority", priority);
    priority
}

fn read_kind(cx: &mut Cx, section: &Section<'_>, name: &str) -> Option<Kind> {
    let word = if section.get("kind").is_some() {
        cx.word(section, "kind", KINDS, LATER_KINDS)?
    } else if let Some(word) = KINDS.iter().find(|k| **k == name) {
        word
    } else if LATER_KINDS.contains(&name) {
        cx.error(
            &section.at,
            format!("kind `{name}` is not in this version yet"),
            "not in this version yet",
            format!("this version knows the kinds {}", quoted(KINDS)),
        );
        return None;
    } else {
        cx.error(
            &section.at,
            format!("the provider `{name}` has no `kind`"),
            "no kind",
            "add `kind: anthropic` for an endpoint that speaks the Anthropic Messages API, `kind: openai` for one that is compatible with OpenAI",
        );
        return None;
    };
    cx.effective(section, "kind", word);
    Some(match word {
        "openai" => Kind::OpenAi,
        "openai-responses" => Kind::OpenAiResponses,
        "demo" => Kind::Demo,
        _ => Kind::Anthropic,
    })
}

fn read_base(cx: &mut Cx, section: &Section<'_>, kind: Option<Kind>) -> Option<Base> {
    if kind == Some(Kind::Demo) {
        if section.get("api_base").is_some() {
            let at = section.place_of("api_base");
            cx.warn(
                &at,
                format!("`{}` is not used: the demo answers by itself", section.full("api_base")),
                "remove it",
            );
        }
        return None;
    }
    let given = cx.text(section, "api_base");
    if given.is_none() && section.get("api_base").is_some() {
        return None; // already reported
    }
    if given.is_none() && kind.is_none() {
        return None; // what it lacks depends on a kind that could not be read
    }
    let name = section.path.strip_prefix("providers.").unwrap_or_default();
    let (own, vendor) = match kind {
        Some(Kind::OpenAi | Kind::OpenAiResponses) => {
            (["openai", "openai-responses"].contains(&name), &base::OPENAI)
        }
        _ => (name == "anthropic", &base::ANTHROPIC),
    };
    if given.is_none() && !own {
        cx.error(
            &section.at,
            format!("`{}` has no `api_base`", section.path),
            "no api_base",
            "add `api_base: https://…`, the URL that the vendor calls the base URL",
        );
        return None;
    }
    match base::read(given.as_deref().unwrap_or(vendor.url).trim(), vendor) {
        Ok(base) => {
            cx.effective(section, "api_base", base.url.as_str());
            if !base.is_https && !base::is_loopback(&base.host) {
                let at = section.place_of("api_base");
                cx.warn(&at, format!("`{}` is plain http to another machine: the credential and every prompt travel unencrypted", section.full("api_base")), "use https:// unless the network between is trusted");
            }
            Some(base)
        }
        Err((message, help)) => {
            let message = format!("`{}`: {message}", section.full("api_base"));
            cx.error(&section.place_of("api_base"), message, "not a base URL", help);
            None
        }
    }
}

fn read_headers(cx: &mut Cx, section: &Section<'_>) -> Vec<(String, SecretString)> {
    let mut out = Vec::new();
    let (headers, keys) = cx.named(section, "headers");
    for key in keys {
        let Some(value) = cx.text(&headers, &key.text) else { continue };
        let at = headers.place_of(&key.text);
        // A variable's name has no `-`; no header anybody sends has `_`.
        let from_variable = matches!(key.at, At::Env { .. } | At::DotEnv { .. });
        let name = if from_variable { key.text.replace('_', "-") } else { key.text.clone() };
        let name = name.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            cx.error(
                &key.at,
                format!("`{name}` can't be a header's name"),
                "not a header",
                "use letters, digits and `-`",
            );
        } else if RESERVED_HEADERS.contains(&name.as_str()) {
            cx.error(
                &key.at,
                format!("the header `{name}` is the connection's own"),
                "can't be set",
                "remove it",
            );
        } else if HeaderValue::from_str(&value).is_err() {
            cx.error(
                &at,
                format!("the value of the header `{name}` holds a character that can't be sent"),
                "not a header's value",
                "use one line of visible ASCII characters",
            );
        } else {
            cx.effective_at(headers.full(&name), "(hidden)", &at);
            out.push((name, SecretString::from(value)));
        }
    }
    out
}

fn read_timeouts(cx: &mut Cx, section: &Section<'_>, first_byte: Duration) -> Timeouts {
    let at = section.place_of("timeouts");
    let nothing = Node::map(Vec::new(), at.clone());
    let node = section.get("timeouts").unwrap_or(&nothing);
    let inner = cx.section(&section.full("timeouts"), &at, node, &TIMEOUTS);
    let mut one = |key: &str, default: Duration| {
        let value = cx.seconds(&inner, key, Zero::Refused).unwrap_or(default);
        cx.effective(&inner, key, value.as_secs_f64());
        value
    };
    Timeouts {
        connect: one("connect", Duration::from_secs(10)),
        first_byte: one("first_byte", first_byte),
        idle: one("idle", Duration::from_mins(10)),
        unary: one("unary", Duration::from_mins(15)),
    }
}

fn read_proxy(cx: &mut Cx, section: &Section<'_>) -> Option<ProxyUrl> {
    let text = cx.text(section, "proxy");
    let Some(text) = text else {
        cx.effective(section, "proxy", serde_json::Value::Null);
        return None;
    };
    if let Err((message, help)) = base::read_proxy(text.trim()) {
        let message = format!("`{}`: {message}", section.full("proxy"));
        cx.error(&section.place_of("proxy"), message, "not a proxy's URL", help);
        return None;
    }
    let proxy = ProxyUrl::new(text.trim());
    cx.effective(section, "proxy", proxy.to_string());
    Some(proxy)
}

/// How patterns are written, for people who wrote something else.
pub(crate) const PATTERN_HELP: &str =
    "a pattern is a name with * (anything), ? (one character), [ab] or {a,b} in it";

const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "expect",
];
