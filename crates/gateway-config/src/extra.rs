//! `extra`: what only some kinds have. Every key belongs to certain kinds; at another one it is an error that says
//! where it belongs.

use crate::compat::{Api, Word};
use crate::keys::EXTRA;
use crate::model::{BedrockApi, Extra, Kind};
use crate::read::{Cx, Section};
use crate::source::At;
use crate::tree::{Node, Value};

use std::path::PathBuf;

/// A text and where it stands.
pub(crate) type Said = Option<(String, At)>;

/// What `extra` says, before variables and files fill in what is missing.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) api: Api,
    /// Region, project and location are not in here yet, nor what an `api_base` says for `azure`.
    pub(crate) extra: Extra,
    pub(crate) region: Said,
    pub(crate) profile: Said,
    pub(crate) project: Said,
    pub(crate) location: Said,
    pub(crate) credentials_file: Option<(PathBuf, At)>,
}

/// Reads `extra` and refuses what is none of the kind's.
pub(crate) fn read(cx: &mut Cx, section: &Section<'_>, kind: Option<Kind>) -> Extras {
    let fixed = match kind {
        Some(Kind::OpenAiResponses) => Api::Responses,
        Some(Kind::OpenRouter) => Api::Chat,
        _ => Api::Auto,
    };
    let mut out = Extras { api: fixed, ..Extras::default() };
    let Some(node) = section.get("extra") else {
        tell_api(cx, section, kind, fixed.as_str());
        return out;
    };
    let at = section.place_of("extra");
    let s = &cx.section(&section.full("extra"), &at, node, &EXTRA);
    let mut refused = Vec::new();
    for (key, _) in s.iter() {
        if let Some(kind) = kind
            && !owners(&key.text).contains(&kind)
        {
            refuse(cx, s, &key.text, &key.at, kind);
            refused.push(key.text.as_str());
        }
    }
    let takes = |key: &str| s.get(key).is_some() && !refused.contains(&key);
    if !takes("api") {
        tell_api(cx, section, kind, fixed.as_str());
    } else if kind == Some(Kind::Bedrock) {
        out.extra.bedrock_api = match cx.word(s, "api", &["auto", "invoke", "converse", "messages"])
        {
            Some("invoke") => BedrockApi::Invoke,
            Some("converse") => BedrockApi::Converse,
            Some("messages") => BedrockApi::Messages,
            _ => BedrockApi::Auto,
        };
        cx.effective(s, "api", api_word(out.extra.bedrock_api));
    } else if kind.is_some()
        && let Some(word) = cx.word(s, "api", Api::WORDS)
    {
        cx.effective(s, "api", word);
        out.api = Api::of(word).unwrap_or(fixed);
    }
    let mut text = |key: &str| {
        let text = if takes(key) { cx.text(s, key) } else { None }?;
        let at = s.place_of(key);
        Some((text.trim().to_owned(), at))
    };
    out.region = text("region");
    out.profile = text("profile");
    out.project = text("project");
    out.location = text("location");
    let (api_version, deployment) = (text("api_version"), text("deployment"));
    out.extra.api_version = api_version.and_then(|(version, at)| read_version(cx, s, version, &at));
    out.extra.deployment = deployment.map(|(name, _)| name);
    if takes("family") {
        out.extra.family = read_family(cx, s);
    }
    for (key, value) in [
        ("deployment", out.extra.deployment.clone()),
        ("family", out.extra.family.clone()),
        ("profile", out.profile.as_ref().map(|p| p.0.clone())),
    ] {
        if let Some(value) = value {
            cx.effective(s, key, value);
        }
    }
    if takes("credentials_file") {
        let file = cx.path(s, "credentials_file");
        cx.effective(s, "credentials_file", file.as_ref().map(|p| p.display().to_string()));
        out.credentials_file = file.map(|file| (file, s.place_of("credentials_file")));
    }
    if takes("num_ctx") {
        out.extra.num_ctx = read_num_ctx(cx, s);
    }
    if takes("provider") {
        out.extra.provider =
            free_form(cx, s, "provider", "{order: [anthropic], allow_fallbacks: false}");
    }
    out
}

/// The kinds that a key is for.
fn owners(key: &str) -> &'static [Kind] {
    match key {
        // The second interface of kind `openai-responses` is none, which has words of its own.
        "api" => &[Kind::OpenAi, Kind::Azure, Kind::Bedrock],
        "api_version" | "deployment" => &[Kind::Azure],
        "region" | "profile" | "family" => &[Kind::Bedrock],
        "project" | "location" | "credentials_file" => &[Kind::Vertex],
        "num_ctx" => &[Kind::Ollama],
        "provider" => &[Kind::OpenRouter],
        _ => &[],
    }
}

fn refuse(cx: &mut Cx, section: &Section<'_>, key: &str, at: &At, kind: Kind) {
    let kinds: Vec<String> = owners(key).iter().map(|k| format!("`{}`", k.as_str())).collect();
    let (last, first) = kinds.split_last().map_or(("", &[][..]), |(l, f)| (l.as_str(), f));
    let kinds = match first {
        [] => format!("kind {last}"),
        first => format!("kinds {} and {last}", first.join(", ")),
    };
    let reason = match kind {
        Kind::OpenAiResponses if key == "api" => {
            "kind `openai-responses` always uses Responses".to_owned()
        }
        _ => format!("it is for {kinds}, not for `{}`", kind.as_str()),
    };
    let message = format!("`{}` has no meaning here: {reason}", section.full(key));
    cx.error(at, message, "not for this kind", format!("remove `{key}`, or write another `kind`"));
}

/// The interface where nothing is said of it, for the kinds that have a choice.
fn tell_api(cx: &mut Cx, section: &Section<'_>, kind: Option<Kind>, word: &str) {
    if matches!(kind, Some(Kind::OpenAi | Kind::Azure | Kind::Bedrock)) {
        cx.effective_at(section.full("extra.api"), word, &At::BuiltIn);
    }
}

fn api_word(api: BedrockApi) -> &'static str {
    match api {
        BedrockApi::Auto => "auto",
        BedrockApi::Invoke => "invoke",
        BedrockApi::Converse => "converse",
        BedrockApi::Messages => "messages",
    }
}

/// A family of models, or one Claude: an opaque ARN says nothing of what its model takes.
fn read_family(cx: &mut Cx, section: &Section<'_>) -> Option<String> {
    let said = match section.get("family").map(|node| &node.value) {
        Some(Value::Text(text)) => text.trim().to_ascii_lowercase(),
        _ => String::new(),
    };
    if !said.starts_with("claude-") {
        return cx.word(section, "family", BEDROCK_FAMILIES).map(str::to_owned);
    }
    // A date has more digits.
    let is_version = |part: &str| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_name = said.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if is_name && said.split(['-', '.']).any(is_version) {
        return Some(said);
    }
    let message =
        format!("`{}`: this name does not say which Claude it is", section.full("family"));
    let help = "write it with its version, e.g. `claude-opus-4-7`, or the family, `claude`";
    cx.error(&section.place_of("family"), message, "no version", help);
    None
}

/// A version of Azure's classic interface. The words of the v1 interface mean that one.
fn read_version(cx: &mut Cx, section: &Section<'_>, version: String, at: &At) -> Option<String> {
    if ["v1", "latest", "preview"].contains(&version.as_str()) {
        return None;
    }
    if is_azure_version(&version) {
        cx.effective(section, "api_version", version.as_str());
        return Some(version);
    }
    let message = format!("`{}` is no version of Azure's interface", section.full("api_version"));
    let help =
        "write a date like 2024-10-21 or 2025-04-01-preview; leave it away for the v1 interface";
    cx.error(at, message, "not a version", help);
    None
}

/// `2024-10-21`, `2025-04-01-preview`.
pub(crate) fn is_azure_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    date.len() == 10
        && date.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

fn read_num_ctx(cx: &mut Cx, section: &Section<'_>) -> Option<u64> {
    let tokens = cx.whole(section, "num_ctx", 1, MOST_CONTEXT)?;
    let tokens = u64::try_from(tokens).ok()?;
    cx.effective(section, "num_ctx", tokens);
    if tokens < LEAST_USEFUL_CONTEXT {
        let message = format!(
            "`{}` is {tokens}: Claude Code's own instructions take 20000 to 30000 tokens, and Ollama cuts what is too long in silence",
            section.full("num_ctx")
        );
        cx.warn(&section.place_of("num_ctx"), message, "65536 or more is a good value");
    }
    Some(tokens)
}

/// A map of whatever keys; `example` shows one.
pub(crate) fn free_form(
    cx: &mut Cx,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    let node = section.get(key)?;
    let at = section.place_of(key);
    match &node.value {
        Value::Broken => None,
        Value::Map(_) => {
            let serde_json::Value::Object(map) = json(cx, node) else { return None };
            cx.effective(section, key, serde_json::Value::Object(map.clone()));
            Some(map)
        }
        _ => {
            let (key, found) = (section.full(key), node.describe());
            let message = format!("`{key}` must be a map of keys, found {found}");
            cx.error(&at, message, "not a map", format!("write a map, e.g. {example}"));
            None
        }
    }
}

fn json(cx: &mut Cx, node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null | Value::Broken => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => i64::try_from(*n).map_or_else(|_| n.to_string().into(), Into::into),
        Value::Float(n) => (*n).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(|item| json(cx, item)).collect(),
        Value::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (key, value) in entries {
                let value = json(cx, value);
                if map.insert(key.text.clone(), value).is_some() {
                    let message = format!("the key `{}` is there twice", key.text);
                    cx.error(&key.at, message, "the second time", "keep one of the two");
                }
            }
            map.into()
        }
    }
}

/// Families of models on Bedrock that `extra.family` can name.
pub const BEDROCK_FAMILIES: &[&str] = &[
    "claude", "nova", "nova-2", "titan", "llama", "mistral", "deepseek", "gpt-oss", "qwen", "kimi",
    "minimax", "glm", "gemma", "cohere", "jamba", "nemotron", "palmyra", "other",
];
/// Far above any model's window.
const MOST_CONTEXT: i128 = 100_000_000;
/// Below it Claude Code can't work.
const LEAST_USEFUL_CONTEXT: u64 = 32_768;
