//! Environment and options, laid over the file's tree.

use crate::source::At;
use crate::sources::{Env, Overrides};
use crate::tree::{Key, Node, Value, parse_inline};

/// Lays every `GATEWAY__…` variable, then the short variables, then the options over the tree.
pub(crate) fn overlay(tree: &mut Node, env: &Env, overrides: &Overrides) {
    for (name, value, at) in env.iter() {
        let Some(path) = name.strip_prefix("GATEWAY__") else { continue };
        if value.trim().is_empty() {
            continue;
        }
        let segments: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        set(tree, &segments, value, at);
    }
    for (variables, key) in SHORT {
        if let Some((value, at)) = variables.iter().find_map(|v| env.get(v)) {
            set(tree, &dotted(key), value.trim(), at);
        }
    }
    for (key, value, option) in overrides.values() {
        set(tree, &dotted(key), value, &At::Flag(option));
    }
}

/// Variables of one key each; of several names the first that is set counts.
const SHORT: &[(&[&str], &str)] = &[
    (&["GATEWAY_HOST"], "server.host"),
    (&["GATEWAY_PORT"], "server.port"),
    (&["GATEWAY_DEFAULT_PROVIDER"], "default_provider"),
    (&["GATEWAY_LOG_LEVEL", "LOG_LEVEL"], "log_level"),
    (&["GATEWAY_TIMEOUT"], "timeout"),
    (&["GATEWAY_MAX_RETRIES"], "resilience.retry.max_retries"),
];

fn dotted(key: &str) -> Vec<String> {
    key.split('.').map(str::to_owned).collect()
}

fn set(node: &mut Node, path: &[String], value: &str, at: &At) {
    let Some((first, rest)) = path.split_first() else {
        *node = leaf(value, at);
        return;
    };
    if !matches!(node.value, Value::Map(_)) {
        *node = Node::map(Vec::new(), at.clone());
    }
    let Value::Map(entries) = &mut node.value else { return };
    // Variables can't hold `-` or `.`: GATEWAY__PROVIDERS__MY_CLOUD__… means `my-cloud` if that exists.
    let same =
        |key: &str| key == first || key.to_ascii_lowercase().replace(['-', '.'], "_") == *first;
    let found = entries.iter().position(|(k, _)| same(&k.text));
    let index = found.unwrap_or_else(|| {
        let key = Key { text: first.clone(), at: at.clone() };
        entries.push((key, Node { value: Value::Null, at: at.clone(), untyped: false }));
        entries.len() - 1
    });
    set(&mut entries[index].1, rest, value, at);
}

/// Lists and maps are written in YAML's flow style (which JSON is part of); all else is text that its
/// key's type reads.
fn leaf(value: &str, at: &At) -> Node {
    if value.trim_start().starts_with(['[', '{'])
        && let Some(node) = parse_inline(value, at)
    {
        return node;
    }
    Node::untyped(value, at.clone())
}
