//! `routes`: rules, each with what it looks at, where it leads, and what it changes.

use gateway_router::{Mirror, RuleKind, Sticky, Strategy, Target, check_pattern};
use http::HeaderName;

use crate::keys::{MIRROR, ROUTE};
use crate::model::Route;
use crate::providers::{PATTERN_HELP, read_priority};
use crate::read::{Cx, Section};
use crate::source::At;
use crate::tree::{Node, Value};

mod conditions;
mod set;

/// A route with the places that later checks point at.
pub(crate) struct PlacedRoute {
    pub(crate) route: Route,
    /// `routes[0]`.
    pub(crate) path: String,
    pub(crate) at: At,
    pub(crate) pattern_at: At,
    pub(crate) provider_at: At,
    /// Of the key, and of each of them.
    pub(crate) fallbacks_at: (At, Vec<At>),
    pub(crate) mirror_at: At,
    /// `strategy` and `sticky`, where the rule says them itself.
    pub(crate) of_group: [(&'static str, Option<At>); 2],
    /// Of each client of `when`.
    pub(crate) clients_at: Vec<At>,
}

/// Reads the rules, which stand below `key`. Those that name no strategy have `strategy`.
pub(crate) fn read(
    cx: &mut Cx,
    top: &Section<'_>,
    key: &str,
    strategy: Option<Strategy>,
) -> Vec<PlacedRoute> {
    let Some(node) = top.get("routes") else { return Vec::new() };
    let Value::List(items) = &node.value else {
        if !matches!(node.value, Value::Broken) {
            let message = format!("`{key}` must be a list, found {}", node.describe());
            let help = "write `- pattern: …` lines below `routes:`";
            cx.error(&top.place_of("routes"), message, "not a list", help);
        }
        return Vec::new();
    };
    let rules = items.iter().enumerate();
    rules.filter_map(|(index, item)| one(cx, format!("{key}[{index}]"), item, strategy)).collect()
}

fn one(cx: &mut Cx, path: String, node: &Node, strategy: Option<Strategy>) -> Option<PlacedRoute> {
    // A route has no key of its own: its first key stands for it.
    let at = match &node.value {
        Value::Map(entries) => {
            entries.first().map_or_else(|| node.at.clone(), |(k, _)| k.at.clone())
        }
        _ => node.at.clone(),
    };
    let section = &cx.section(&path, &at, node, &ROUTE);
    if !matches!(node.value, Value::Map(_)) {
        if matches!(node.value, Value::Null) {
            cx.error(&at, format!("`{path}` is empty"), "empty", "remove it");
        }
        return None;
    }
    let kind = read_kind(cx, section);
    let pattern = read_pattern(cx, section, kind.as_ref());
    let provider =
        required(cx, section, "provider", "add `provider:` with the name of one of `providers`");
    if let Some(provider) = &provider {
        cx.effective(section, "provider", provider.as_str());
    }
    let model = cx.text(section, "model");
    cx.effective(section, "model", model.as_deref());
    let name = cx.text(section, "name");
    cx.effective(section, "name", name.as_deref());
    let priority = read_priority(cx, section);
    let enabled = cx.truth(section, "enabled").unwrap_or(true);
    cx.effective(section, "enabled", enabled);
    let weight = cx.whole(section, "weight", 0, MOST_WEIGHT);
    let weight = weight.and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    cx.effective(section, "weight", weight);
    let (when, clients_at) = conditions::read(cx, section);
    let (fallbacks, places) = read_fallbacks(cx, section).unzip();
    let strategy = read_strategy(cx, section, "strategy").or(strategy);
    let set = set::read(cx, section);
    let sticky = cx.word(section, "sticky", &["session", "none"]).map(|word| {
        cx.effective(section, "sticky", word);
        if word == "none" { Sticky::No } else { Sticky::Session }
    });
    let mirror = read_mirror(cx, section);
    let said = |key| (key, section.get(key).map(|_| section.place_of(key)));
    Some(PlacedRoute {
        at,
        pattern_at: section.place_of("pattern"),
        provider_at: section.place_of("provider"),
        fallbacks_at: (section.place_of("fallbacks"), places.unwrap_or_default()),
        mirror_at: section
            .get("mirror")
            .and_then(|mirror| mirror.get("to"))
            .map_or_else(|| section.at.clone(), |to| to.at.clone()),
        of_group: [said("strategy"), said("sticky")],
        clients_at,
        route: Route {
            pattern: pattern?,
            kind: kind?,
            when,
            provider: provider?,
            model,
            priority,
            name,
            enabled,
            weight,
            fallbacks,
            strategy,
            set,
            sticky,
            mirror,
        },
        path,
    })
}

/// What the rule looks at; `None` where a fault was found.
fn read_kind(cx: &mut Cx, section: &Section<'_>) -> Option<RuleKind> {
    let stated = cx.word(section, "rule_type", RULE_TYPES);
    if stated.is_none() && section.get("rule_type").is_some() {
        return None;
    }
    let word = stated.unwrap_or(RULE_TYPES[0]);
    cx.effective(section, "rule_type", word);
    if word == "header_match" {
        return read_header(cx, section);
    }
    for key in ["header_name", "header_value"].into_iter().filter(|k| section.get(k).is_some()) {
        let message = format!("`{}`: this rule looks at no header", section.full(key));
        let help = format!("write `rule_type: header_match`, or remove `{key}`");
        cx.error(&section.place_of(key), message, "for `header_match`", help);
    }
    Some(match word {
        "path_pattern" => RuleKind::PathPattern,
        "catch_all" => RuleKind::CatchAll,
        _ => RuleKind::ModelPattern,
    })
}

fn read_header(cx: &mut Cx, section: &Section<'_>) -> Option<RuleKind> {
    let help = "add `header_name:` with the name of the header that it looks at";
    let name = required(cx, section, "header_name", help);
    let value = cx.text(section, "header_value");
    if let Some(glob) = &value {
        pattern(cx, section, "header_value", glob);
    }
    let value = value.unwrap_or_else(|| "*".to_owned());
    cx.effective(section, "header_value", value.as_str());
    let name = name?.trim().to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{name}` can't be a header's name");
        let help = "use letters, digits and `-`";
        cx.error(&section.place_of("header_name"), message, "not a header", help);
        return None;
    }
    if SECRET_HEADERS.contains(&name.as_str()) {
        let message = format!("`{name}` holds the caller's credential: no rule may look at it");
        let help = "tell callers apart by `when: {client: NAME}`, with `clients`";
        cx.error(&section.place_of("header_name"), message, "a credential", help);
        return None;
    }
    cx.effective(section, "header_name", name.as_str());
    Some(RuleKind::HeaderMatch { name, value })
}

fn read_pattern(cx: &mut Cx, section: &Section<'_>, kind: Option<&RuleKind>) -> Option<String> {
    let looks = match kind {
        Some(RuleKind::CatchAll) => Some("a `catch_all` takes every request"),
        Some(RuleKind::HeaderMatch { .. }) => Some("a `header_match` looks at its header alone"),
        _ => None,
    };
    if let Some(looks) = looks {
        if let Some(text) = section.get("pattern").and_then(|_| cx.text(section, "pattern"))
            && text != "*"
        {
            let message = format!("`{}` is not used: {looks}", section.full("pattern"));
            cx.warn(&section.place_of("pattern"), message, "remove it, or change `rule_type`");
        }
        return Some("*".to_owned());
    }
    if kind.is_none() && section.get("pattern").is_none() {
        return None; // it may need none
    }
    let help = "add `pattern: \"claude-*\"`, or `rule_type: catch_all` for every request";
    let text = required(cx, section, "pattern", help)?;
    pattern(cx, section, "pattern", &text);
    cx.effective(section, "pattern", text.as_str());
    if kind == Some(&RuleKind::PathPattern) && !text.starts_with(['/', '*', '?', '[', '{']) {
        let message =
            format!("`{}` never matches: a path begins with `/`", section.full("pattern"));
        cx.warn(&section.place_of("pattern"), message, format!("write `/{text}`"));
    }
    Some(text)
}

/// Reports what is no pattern.
fn pattern(cx: &mut Cx, section: &Section<'_>, key: &str, text: &str) {
    if let Err(why) = check_pattern(text) {
        let message = format!("`{text}` is no pattern: {why}");
        cx.error(&section.place_of(key), message, "not a pattern", PATTERN_HELP);
    }
}

/// A key with the word of a strategy.
pub(crate) fn read_strategy(cx: &mut Cx, section: &Section<'_>, key: &str) -> Option<Strategy> {
    let word = cx.word(section, key, STRATEGIES)?;
    cx.effective(section, key, word);
    Some(match word {
        "weighted" => Strategy::Weighted,
        "round_robin" => Strategy::RoundRobin,
        "least_latency" => Strategy::LeastLatency,
        "least_cost" => Strategy::LeastCost,
        _ => Strategy::Ordered,
    })
}

fn read_fallbacks(cx: &mut Cx, section: &Section<'_>) -> Option<(Vec<Target>, Vec<At>)> {
    let given = cx.texts(section, "fallbacks")?;
    let texts: Vec<&str> = given.iter().map(|(text, _)| text.trim()).collect();
    cx.effective(section, "fallbacks", texts);
    let targets = given.iter().filter_map(|(text, at)| {
        let target = target(cx, &section.full("fallbacks"), text, at)?;
        Some((target, at.clone()))
    });
    Some(targets.unzip())
}

/// `provider` or `provider/model`. No name of a provider has a slash in it, many of models have.
fn target(cx: &mut Cx, key: &str, text: &str, at: &At) -> Option<Target> {
    let text = text.trim();
    let (provider, model) = match text.split_once('/') {
        Some((provider, model)) => (provider.trim(), Some(model.trim())),
        None => (text, None),
    };
    if provider.is_empty() || model.is_some_and(str::is_empty) {
        let message = format!("`{key}`: `{text}` is neither a provider nor a provider's model");
        cx.error(at, message, "not a target", "write `provider` or `provider/model`");
        return None;
    }
    let target = Target::provider(provider);
    Some(model.into_iter().fold(target, Target::with_model))
}

fn read_mirror(cx: &mut Cx, section: &Section<'_>) -> Option<Mirror> {
    section.get("mirror")?;
    let inner = &cx.inner(section, "mirror", &MIRROR);
    let is_map = section.get("mirror").is_some_and(|node| matches!(node.value, Value::Map(_)));
    for key in ["to", "percent"].into_iter().filter(|k| is_map && inner.get(k).is_none()) {
        let message = format!("`{}` has no `{key}`", inner.path);
        let help = "write e.g. `mirror: {to: provider/model, percent: 5}`";
        cx.error(&inner.at, message, "incomplete", help);
    }
    let to = cx.text(inner, "to");
    let wanted = ("a number", "a number above 0, at most 100");
    let percent = cx.fraction(inner, "percent", wanted, |n| n > 0.0 && n <= 100.0);
    let to = to.and_then(|text| target(cx, &inner.full("to"), &text, &inner.place_of("to")));
    if let Some(percent) = percent {
        cx.effective(inner, "percent", percent);
    }
    if let Some(to) = &to {
        cx.effective(inner, "to", shown(to));
    }
    Some(Mirror { to: to?, percent: percent? })
}

/// As it is written in the file.
pub(crate) fn shown(target: &Target) -> String {
    match &target.model {
        Some(model) => format!("{}/{model}", target.provider),
        None => target.provider.clone(),
    }
}

fn required(cx: &mut Cx, section: &Section<'_>, key: &str, help: &str) -> Option<String> {
    if section.get(key).is_none() {
        let message = format!("`{}` has no `{key}`", section.path);
        cx.error(&section.at, message, &format!("no {key}"), help);
        return None;
    }
    cx.text(section, key)
}

/// One text, or a list of them.
fn one_or_more(cx: &mut Cx, section: &Section<'_>, key: &str) -> Option<Vec<(String, At)>> {
    let node = section.get(key)?;
    match &node.value {
        Value::Text(text) if !node.untyped => Some(vec![(text.clone(), node.at.clone())]),
        _ => cx.texts(section, key),
    }
}

/// What `rule_type` may be, its default first.
const RULE_TYPES: &[&str] = &["model_pattern", "path_pattern", "header_match", "catch_all"];
const STRATEGIES: &[&str] = &["ordered", "weighted", "round_robin", "least_latency", "least_cost"];
/// What a rule says of a header is shown and logged.
const SECRET_HEADERS: &[&str] = &["authorization", "x-api-key", "proxy-authorization", "cookie"];
/// Weights are shares: more digits say nothing.
const MOST_WEIGHT: i128 = 1_000_000;
