//! `model_map`, `default_model` and `models` of a provider: what a requested name becomes there, and what is said
//! of the models it serves.

use crate::base;
use crate::claudes;
use crate::keys::{MODEL, PRICE};
use crate::model::{Kind, ModelFacts, Price};
use crate::providers::PATTERN_HELP;
use crate::read::{Cx, Section};
use crate::source::At;
use crate::tree::{Node, Value};

/// Stands for Claude's large models at OpenAI where nothing else is said.
pub(crate) const OPENAI_BIG: &str = "gpt-5.6-terra";
/// Stands for Claude's small models at OpenAI where nothing else is said.
pub(crate) const OPENAI_SMALL: &str = "gpt-5.4-mini";
/// Stands for Claude's large models at Gemini where nothing else is said.
pub(crate) const GEMINI_BIG: &str = "gemini-3.1-pro-preview";
/// Stands for Claude's small models at Gemini where nothing else is said.
pub(crate) const GEMINI_SMALL: &str = "gemini-3.8-flash";
/// Claude's large models.
pub(crate) const BIG_GLOB: &str = "claude-*{opus,sonnet,fable}*";
/// Claude's small models.
pub(crate) const SMALL_GLOB: &str = "claude-*haiku*";

/// Which names are sent in place of requested ones.
pub(crate) struct Names {
    pub(crate) map: Vec<(String, String)>,
    pub(crate) default: Option<String>,
}

/// Reads `model_map` and `default_model`. OpenAI and Gemini serve no Claude, so there the names that Claude Code asks
/// for have a substitute even where nothing is said; who serves Claude by other names gets those. What a compatible
/// server serves nobody knows.
pub(crate) fn read_names(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Option<Kind>,
    host: Option<&str>,
    region: Option<&str>,
) -> Names {
    let mut default = cx.text(section, "default_model");
    let mut map = read_model_map(cx, section);
    if section.get("default_model").is_none() {
        let (big, known) = substitutes(kind, host, region);
        default = big.map(str::to_owned);
        for (glob, name) in known {
            if !map.iter().any(|(said, _)| *said == glob) {
                let key = format!("{}.{glob}", section.full("model_map"));
                cx.effective_at(key, name.as_str(), &At::BuiltIn);
                map.push((glob, name));
            }
        }
    }
    cx.effective(section, "default_model", default.as_deref());
    Names { map, default }
}

/// What stands for names of Claude's where nothing is said: for all of them, and by globs.
fn substitutes(
    kind: Option<Kind>,
    host: Option<&str>,
    region: Option<&str>,
) -> (Option<&'static str>, Vec<(String, String)>) {
    let small = |name: &str| vec![(SMALL_GLOB.to_owned(), name.to_owned())];
    match kind {
        Some(Kind::OpenAi | Kind::OpenAiResponses) if host.is_some_and(base::is_openai) => {
            (Some(OPENAI_BIG), small(OPENAI_SMALL))
        }
        Some(Kind::Gemini) => (Some(GEMINI_BIG), small(GEMINI_SMALL)),
        Some(Kind::Bedrock) => (None, region.map(claudes::on_bedrock).unwrap_or_default()),
        Some(Kind::Vertex) => (None, claudes::on_vertex()),
        Some(Kind::OpenRouter) => (None, claudes::at_openrouter()),
        _ => (None, Vec::new()),
    }
}

fn read_model_map(cx: &mut Cx, section: &Section<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let (map, keys) = cx.named(section, "model_map");
    for key in keys {
        if let Err(why) = gateway_router::check_pattern(&key.text) {
            cx.error(
                &key.at,
                format!("`{}` is no pattern: {why}", key.text),
                "not a pattern",
                PATTERN_HELP,
            );
        }
        if let Some(name) = cx.text(&map, &key.text) {
            cx.effective(&map, &key.text, name.as_str());
            out.push((key.text.clone(), name));
        }
    }
    out
}

/// Reads `models`.
pub(crate) fn read(cx: &mut Cx, section: &Section<'_>) -> Vec<ModelFacts> {
    let mut out = Vec::new();
    let (models, keys) = cx.named(section, "models");
    let nothing = Node::map(Vec::new(), At::BuiltIn);
    for key in keys {
        let at = models.place_of(&key.text);
        let node = models.get(&key.text).unwrap_or(&nothing);
        let inner = cx.section(&models.full(&key.text), &at, node, &MODEL);
        let mut tokens = |name: &str| {
            cx.whole(&inner, name, 1, i128::from(i64::MAX)).and_then(|n| u64::try_from(n).ok())
        };
        let (max_tokens, context_window) = (tokens("max_tokens"), tokens("context_window"));
        let mut supports = Vec::new();
        for (flag, _) in inner.iter() {
            if let Some(what) = flag.text.strip_prefix("supports_")
                && let Some(value) = cx.truth(&inner, &flag.text)
            {
                supports.push((what.to_owned(), value));
            }
        }
        let mut typed = |what: &str| {
            let at = supports.iter().position(|(name, _)| name == what)?;
            Some(supports.remove(at).1)
        };
        let (supports_tools, supports_vision) = (typed("tools"), typed("vision"));
        let price = read_price(cx, &inner);
        let shown =
            serde_json::json!({ "max_tokens": max_tokens, "context_window": context_window });
        cx.effective_at(inner.path.clone(), shown, &key.at);
        out.push(ModelFacts {
            name: key.text.clone(),
            max_tokens,
            context_window,
            supports_tools,
            supports_vision,
            supports,
            price,
        });
    }
    out
}

fn read_price(cx: &mut Cx, section: &Section<'_>) -> Option<Price> {
    let node = section.get("price")?;
    let at = section.place_of("price");
    let inner = cx.section(&section.full("price"), &at, node, &PRICE);
    let is_map = matches!(node.value, Value::Map(_)); // anything else is reported already
    for key in ["input", "output"].into_iter().filter(|key| is_map && inner.get(key).is_none()) {
        let message = format!("`{}` has no `{key}`", inner.path);
        let help = "give `input` and `output`, in dollars per million tokens";
        cx.error(&at, message, "incomplete", help);
    }
    let mut one = |key: &str| {
        let dollars = cx.dollars(&inner, key)?;
        cx.effective(&inner, key, dollars);
        // Bounded when read: no sign, far below what overflows.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
        let micros = (dollars * 1e6).round() as u64;
        Some(micros)
    };
    let (input, output) = (one("input"), one("output"));
    let (cache_read, cache_write) = (one("cache_read"), one("cache_write"));
    Some(Price { input: input?, output: output?, cache_read, cache_write })
}
