//! `api_keys`: several keys of one provider, each in a variable of its own.

use secrecy::SecretString;

use crate::auth::is_variable;
use crate::keys::POOL_KEY;
use crate::model::{Auth, PoolKey};
use crate::read::{Cx, Section};
use crate::source::At;
use crate::tree::{Node, Value};

/// Reads the keys, those that are set first; empty where a fault was found.
pub(crate) fn read(cx: &mut Cx, section: &Section<'_>, bearer: bool) -> Vec<PoolKey> {
    let faults = cx.errors.len();
    let mut named: Vec<(String, u32, At)> = Vec::new();
    for (item, index) in items(cx, section).into_iter().zip(0..) {
        let Some((variable, weight, at)) = one(cx, section, index, &item) else { continue };
        if named.iter().any(|(before, ..)| *before == variable) {
            let key = section.full("api_keys");
            let message = format!("`{key}` names {variable} twice");
            let help = "remove one of them; a `weight` gives a key a larger share";
            cx.error(&at, message, "the second time", help);
            continue;
        }
        named.push((variable, weight, at));
    }
    if cx.errors.len() > faults {
        return Vec::new();
    }
    if named.is_empty() {
        let message = format!("`{}` names no key", section.full("api_keys"));
        let help = "write a list of variables, e.g. [{env: KEY_A, weight: 2}, {env: KEY_B}]";
        cx.error(&section.place_of("api_keys"), message, "no key", help);
        return Vec::new();
    }
    let mut pool: Vec<PoolKey> = named
        .iter()
        .map(|(variable, weight, _)| {
            let auth = secret(cx, variable, bearer);
            PoolKey { auth, variable: variable.clone(), weight: *weight }
        })
        .collect();
    let is_missing = |key: &PoolKey| matches!(key.auth, Auth::Missing { .. });
    let missing = pool.iter().filter(|key| is_missing(key)).count();
    if missing < pool.len() {
        for (key, (variable, _, at)) in pool.iter().zip(&named).filter(|(key, _)| is_missing(key)) {
            let message = format!(
                "a key of `{}` is missing: the variable {} is not set",
                section.path.trim_start_matches("providers."),
                key.variable
            );
            let help = format!("set {variable}, or remove it; the other keys are used until then");
            cx.warn(at, message, help);
        }
    }
    let shown: Vec<serde_json::Value> = pool
        .iter()
        .map(|key| {
            serde_json::json!({"env": key.variable, "weight": key.weight, "set": !is_missing(key)})
        })
        .collect();
    cx.effective(section, "api_keys", shown);
    pool.sort_by_key(is_missing);
    pool
}

/// The items of the list; texts of a variable may be separated by commas.
fn items(cx: &mut Cx, section: &Section<'_>) -> Vec<Node> {
    let Some(node) = section.get("api_keys") else { return Vec::new() };
    match &node.value {
        Value::List(items) => items.clone(),
        Value::Text(text) if node.untyped && !matches!(node.at, At::File(_)) => text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| Node::untyped(name, node.at.clone()))
            .collect(),
        Value::Broken => Vec::new(),
        _ => {
            let key = section.full("api_keys");
            let message = format!("`{key}` must be a list, found {}", node.describe());
            let help = "write a list of variables, e.g. [{env: KEY_A, weight: 2}, {env: KEY_B}]";
            cx.error(&section.place_of("api_keys"), message, "not a list", help);
            Vec::new()
        }
    }
}

fn one(cx: &mut Cx, section: &Section<'_>, index: usize, item: &Node) -> Option<(String, u32, At)> {
    let path = format!("{}[{index}]", section.full("api_keys"));
    let (text, weight, at) = match &item.value {
        Value::Text(text) => (text.clone(), 1, item.at.clone()),
        Value::Map(pairs) => {
            let first = pairs.first().map_or_else(|| item.at.clone(), |(key, _)| key.at.clone());
            let inner = &cx.section(&path, &first, item, &POOL_KEY);
            let weight =
                cx.whole(inner, "weight", 1, MOST).map_or(1, |n| u32::try_from(n).unwrap_or(1));
            if inner.get("env").is_none() {
                let message = format!("`{path}` has no `env`");
                let help = "add `env:` with the name of the variable that holds the key";
                cx.error(&first, message, "no variable", help);
                return None;
            }
            (cx.text(inner, "env")?, weight, inner.place_of("env"))
        }
        Value::Broken => return None,
        _ => {
            let message = format!("`{path}` is no key, found {}", item.describe());
            let help = "write the name of a variable, or {env: NAME, weight: 2}";
            cx.error(&item.at, message, "not a key", help);
            return None;
        }
    };
    if !is_name(&text) && cx.env.get(&text).is_none() {
        // The text may be the key itself: it is not repeated.
        let message = format!("`{path}` is not the name of a variable");
        let help = "write the name of an environment variable, e.g. KEY_A, and put the key there";
        cx.error(&at, message, "not a variable's name", help);
        return None;
    }
    Some((text, weight, at))
}

fn secret(cx: &mut Cx, variable: &str, bearer: bool) -> Auth {
    let Some((value, at)) = cx.env.get(variable) else {
        return Auth::Missing { variable: variable.to_owned() };
    };
    let (value, at) = (value.trim().to_owned(), at.clone());
    if !value.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!(
            "the key in `{variable}` holds a blank, a line break or a character that is not ASCII"
        );
        cx.error(&at, message, "not a key", "copy the key again, without anything around it");
    }
    let secret = SecretString::from(value);
    if bearer { Auth::Bearer(secret) } else { Auth::ApiKey(secret) }
}

/// Whether a text can be the name of a variable, and does not look like a key: many keys are nothing but letters and
/// digits.
pub(crate) fn is_name(text: &str) -> bool {
    let has = |what: fn(&u8) -> bool| text.as_bytes().iter().any(what);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase);
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    is_variable(text) && (text.len() < SHORTEST_KEY || !(mixed || hex))
}

/// No vendor's keys are shorter.
const SHORTEST_KEY: usize = 20;
/// Weights are shares: more digits say nothing.
const MOST: i128 = 1_000_000;
