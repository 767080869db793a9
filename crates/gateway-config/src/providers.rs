//! `providers`: one upstream each, with what a built-in name fills in.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::auth;
use crate::base::{self, Base};
use crate::extra::{self, Extras};
use crate::google;
use crate::keys::{KINDS, PROVIDER, TIMEOUTS};
use crate::limits;
use crate::model::{Auth, Kind, Provider, ProxyUrl, Timeouts};
use crate::models;
use crate::places;
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
    let mut extras = extra::read(cx, &section, kind);
    let place = places::read(cx, &section, kind, name, &mut extras);
    let base = place.as_ref().map(|place| place.base.clone());
    let credential = auth::read(cx, &section, name, kind, base.as_ref(), &extras);
    if kind == Some(Kind::Vertex) {
        extras.extra.project = read_project(cx, &section, &extras, &credential.auth);
    }
    let display_name = cx.text(&section, "display_name").unwrap_or_else(|| {
        kind.and_then(|kind| vendors_name(kind, name)).unwrap_or(name).to_owned()
    });
    cx.effective(&section, "display_name", display_name.as_str());
    let enabled = cx.truth(&section, "enabled").unwrap_or(true);
    cx.effective(&section, "enabled", enabled);
    let priority = read_priority(cx, &section);
    let headers = read_headers(cx, &section);
    let timeouts = read_timeouts(cx, &section, first_byte);
    let host = base.as_ref().map(|b| b.host.as_str());
    let region = extras.extra.region.as_deref();
    let names = models::read_names(cx, &section, kind, host, region);
    let models = models::read(cx, &section);
    let proxy = read_proxy(cx, &section);
    let ca_file = cx.path(&section, "ca_file");
    cx.effective(&section, "ca_file", ca_file.as_ref().map(|p| p.display().to_string()));
    tell_deployment(cx, &section, &extras);
    let compat = quirks::read_compat(cx, &section, kind, extras.api);
    let private = cx.truth(&section, "private").unwrap_or(kind == Some(Kind::Ollama));
    cx.effective(&section, "private", private);
    let limits = limits::upstream(cx, &section);

    let provider = Provider {
        name: name.to_owned(),
        display_name,
        kind: kind?,
        api_base: base.as_ref().map(|b| b.url.clone()),
        auth: credential.auth,
        auth_stated: section.get("auth_type").is_some(),
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
        api: extras.api,
        extra: extras.extra,
        compat,
        private,
        pool: credential.pool,
        limits,
    };
    Some(Placed {
        base,
        name_at: key.at.clone(),
        base_at: place
            .map(|place| place.at)
            .filter(|at| *at != At::BuiltIn)
            .unwrap_or_else(|| section.place_of("api_base")),
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
        cx.word(section, "kind", KINDS)?
    } else if let Some(word) = KINDS.iter().find(|k| **k == name) {
        word
    } else {
        cx.error(
            &section.at,
            format!("the provider `{name}` has no `kind`"),
            "no kind",
            "add `kind: anthropic` for an endpoint that speaks the Anthropic Messages API, `kind: openai` for one that is compatible with OpenAI",
        );
        return None;
    };
    let kind = match word {
        "openai" => Kind::OpenAi,
        "openai-responses" => Kind::OpenAiResponses,
        "azure" => Kind::Azure,
        "openrouter" => Kind::OpenRouter,
        "gemini" | "google" => Kind::Gemini,
        "vertex" => Kind::Vertex,
        "bedrock" => Kind::Bedrock,
        "ollama" | "local" => Kind::Ollama,
        "demo" => Kind::Demo,
        _ => Kind::Anthropic,
    };
    cx.effective(section, "kind", kind.as_str());
    Some(kind)
}

/// What a built-in name is called; `None` for a name of one's own.
fn vendors_name(kind: Kind, name: &str) -> Option<&'static str> {
    Some(match (kind, name) {
        (Kind::Anthropic, "anthropic") => "Anthropic",
        (Kind::OpenAi, "openai") => "OpenAI",
        (Kind::OpenAiResponses, "openai-responses") => "OpenAI Responses",
        (Kind::Azure, "azure") => "Azure OpenAI",
        (Kind::OpenRouter, "openrouter") => "OpenRouter",
        (Kind::Gemini, "gemini" | "google") => "Gemini",
        (Kind::Vertex, "vertex") => "Vertex AI",
        (Kind::Bedrock, "bedrock") => "Amazon Bedrock",
        (Kind::Ollama, "ollama" | "local") => "Ollama",
        (Kind::Demo, "demo") => "Demo",
        _ => return None,
    })
}

/// The project of a Vertex AI; one that is asked with an API key needs none.
fn read_project(
    cx: &mut Cx,
    section: &Section<'_>,
    extras: &Extras,
    auth: &Auth,
) -> Option<String> {
    match google::project(cx, extras) {
        Some((project, at)) => {
            cx.effective_at(section.full("extra.project"), project.as_str(), &at);
            Some(project)
        }
        None if matches!(auth, Auth::ApiKey(_) | Auth::Missing { .. }) => None,
        None => {
            google::report_no_project(cx, section);
            None
        }
    }
}

/// What an `api_base` of Azure says beside the host.
fn tell_deployment(cx: &mut Cx, section: &Section<'_>, extras: &Extras) {
    let at = section.place_of("api_base");
    for (key, value) in
        [("deployment", &extras.extra.deployment), ("api_version", &extras.extra.api_version)]
    {
        let key = section.full(&format!("extra.{key}"));
        if let Some(value) = value
            && !cx.values.iter().any(|v| v.key == key)
        {
            cx.effective_at(key, value.as_str(), &at);
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
