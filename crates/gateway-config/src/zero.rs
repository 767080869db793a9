//! What is served where no provider is configured, and what a start tells about it.

use crate::read::Cx;
use crate::source::At;
use crate::sources::{ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, Env};
use crate::tree::{Key, Node, Value};

/// The provider that stands in, and the reason for people.
pub(crate) fn providers(cx: &Cx) -> (Node, Vec<String>) {
    let key = [ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN]
        .into_iter()
        .find_map(|v| Some((v, cx.env.get(v)?.1)));
    let mut notes = Vec::new();
    let provider = if let Some((variable, at)) = key {
        let source = match at {
            At::Flag(flag) => format!("{flag} is given"),
            At::DotEnv { .. } => format!("{variable} is set in .env"),
            _ => format!("{variable} is set"),
        };
        notes.push(format!("provider `anthropic`, because {source} and no provider is configured"));
        Vec::new()
    } else {
        notes.push(
            "provider `anthropic` with the caller's own login, because no provider is configured and no key is set: \
             what Claude Code sends (a subscription's token or a key) is passed on to api.anthropic.com and nowhere else"
                .to_owned(),
        );
        notes.push(format!(
            "to use a key instead set {ANTHROPIC_API_KEY} or {ANTHROPIC_AUTH_TOKEN}; to try it offline: --demo"
        ));
        vec![entry("auth_type", Node::untyped("client", At::BuiltIn))]
    };
    notes.extend(unusable(&cx.env));
    (one("anthropic", provider), notes)
}

/// `--demo`: the built-in provider and nothing else.
pub(crate) fn demo() -> Node {
    one("demo", Vec::new())
}

/// Variables that would name a provider of a later version.
fn unusable(env: &Env) -> Option<String> {
    let set: Vec<&str> = LATER.iter().map(|(v, _)| *v).filter(|v| env.get(v).is_some()).collect();
    let kind = |v: &str| LATER.iter().find(|(name, _)| *name == v).map_or("", |(_, kind)| kind);
    let mut kinds: Vec<&str> = set.iter().map(|v| kind(v)).collect();
    kinds.dedup();
    (!set.is_empty()).then(|| {
        format!(
            "{} set, but not used: kind {} is not in this version yet",
            set.join(", "),
            kinds.join(", ")
        )
    })
}

fn one(name: &str, keys: Vec<(Key, Node)>) -> Node {
    Node::map(vec![entry(name, Node::map(keys, At::BuiltIn))], At::BuiltIn)
}

fn entry(key: &str, node: Node) -> (Key, Node) {
    (Key { text: key.to_owned(), at: At::BuiltIn }, node)
}

/// Puts a value at a key of the top level in place of what is there; says whether something was.
pub(crate) fn put(tree: &mut Node, key: &str, value: Option<Node>) -> bool {
    if !matches!(tree.value, Value::Map(_)) {
        tree.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut tree.value else { return false };
    let before = entries.len();
    entries.retain(|(k, _)| k.text != key);
    let was_there = entries.len() < before;
    if let Some(value) = value {
        entries.push(entry(key, value));
    }
    was_there
}

const LATER: &[(&str, &str)] = &[
    ("OPENAI_API_KEY", "openai"),
    ("OPENROUTER_API_KEY", "openrouter"),
    ("GOOGLE_API_KEY", "gemini"),
    ("GEMINI_API_KEY", "gemini"),
    ("AZURE_OPENAI_API_KEY", "azure"),
    ("AWS_ACCESS_KEY_ID", "bedrock"),
    ("USE_VERTEX_AUTH", "vertex"),
    ("CUSTOM_BASE_URL", "openai"),
    ("OLLAMA_BASE_URL", "ollama"),
];
