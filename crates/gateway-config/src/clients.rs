//! `clients`: who may call, with keys known by their hashes.

use gateway_resilience::settings::CallerLimits;

use crate::keys::CLIENT;
use crate::limits;
use crate::model::Client;
use crate::quirks::globs;
use crate::read::{Cx, Section};
use crate::tree::{Key, Node, Value};

/// Who was read, and the names of all of them: of those with a fault, too, so that what names them is not reported for
/// nothing.
pub(crate) struct Clients {
    pub(crate) read: Vec<Client>,
    pub(crate) names: Vec<String>,
}

/// Reads the clients, each of them one of `all` callers.
pub(crate) fn read(cx: &mut Cx, top: &Section<'_>, all: &CallerLimits) -> Clients {
    let mut named: Vec<Key> = Vec::new();
    let mut out: Vec<Client> = Vec::new();
    for (name, node) in entries(cx, top) {
        if let Some(before) = named.iter().find(|before| before.text == name.text) {
            let message = format!("there are two clients `{}`", name.text);
            let help = format!("rename one of them: the other one is in {}", cx.told(&before.at));
            cx.error(&name.at, message, "the second one", help);
            continue;
        }
        let client = one(cx, &name, node, all);
        if let Some(client) = client {
            if let Some(other) = out.iter().find(|other| other.key_hash == client.key_hash) {
                let message =
                    format!("the clients `{}` and `{}` have the same key", other.name, client.name);
                let help =
                    "whose request it is could not be told: give each of them a key of its own";
                cx.error(&name.at, message, "the same `key_hash`", help);
            }
            out.push(client);
        }
        named.push(name);
    }
    Clients { read: out, names: named.into_iter().map(|name| name.text).collect() }
}

/// Names and what is said of them. The file's list has become a map already, that of a variable has not.
fn entries<'t>(cx: &mut Cx, top: &Section<'t>) -> Vec<(Key, &'t Node)> {
    let Some(node) = top.get("clients") else { return Vec::new() };
    match &node.value {
        Value::Map(pairs) => pairs.iter().map(|(key, node)| (key.clone(), node)).collect(),
        Value::List(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let name = item.get("name").map(|name| (&name.value, &name.at));
                if let Some((Value::Text(text), at)) = name {
                    out.push((Key { text: text.clone(), at: at.clone() }, item));
                } else {
                    let message = format!("`clients[{index}]` has no `name`");
                    cx.error(&item.at, message, "no name", "add `name:` with a text");
                }
            }
            out
        }
        Value::Broken => Vec::new(),
        _ => {
            let message = format!("`clients` must be a list, found {}", node.describe());
            let help = "write `- name: …` lines below `clients:`";
            cx.error(&top.place_of("clients"), message, "not a list", help);
            Vec::new()
        }
    }
}

fn one(cx: &mut Cx, name: &Key, node: &Node, all: &CallerLimits) -> Option<Client> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if name.text.is_empty() || !name.text.chars().all(is_name) {
        let message = format!("`{}` can't be a client's name", name.text);
        let help = "use letters, digits, `.`, `_`, `-` and `@`";
        cx.error(&name.at, message, "not a name", help);
        return None;
    }
    let section = &cx.section(&format!("clients.{}", name.text), &name.at, node, &CLIENT);
    if let Some(other) = section.get("name").and_then(|_| cx.text(section, "name"))
        && other != name.text
    {
        let message = format!("`{}` says `{other}`", section.full("name"));
        let help = format!("the client is called `{}` here: remove `name`", name.text);
        cx.error(&section.place_of("name"), message, "another name", help);
    }
    let key_hash = read_hash(cx, section, matches!(node.value, Value::Map(_) | Value::Null));
    let allow_models =
        section.get("allow_models").is_some().then(|| globs(cx, section, "allow_models"));
    if allow_models.is_none() {
        cx.effective(section, "allow_models", serde_json::Value::Null);
    } else if section
        .get("allow_models")
        .is_some_and(|node| matches!(&node.value, Value::List(items) if items.is_empty()))
    {
        let message =
            format!("`{}` is empty: no model may be asked for", section.full("allow_models"));
        let help = "add patterns, e.g. [\"claude-*\"], or remove it to allow every model";
        cx.warn(&section.place_of("allow_models"), message, help);
    }
    let may_pick_provider = cx.truth(section, "pick_provider").unwrap_or(true);
    cx.effective(section, "pick_provider", may_pick_provider);
    let limits = limits::client(cx, section, all);
    Some(Client {
        name: name.text.clone(),
        key_hash: key_hash?,
        allow_models,
        may_pick_provider,
        limits,
    })
}

/// What is no hash may be the key itself: it is never repeated.
fn read_hash(cx: &mut Cx, section: &Section<'_>, is_map: bool) -> Option<[u8; 32]> {
    let at = section.place_of("key_hash");
    if section.get("key_hash").is_none() {
        if is_map {
            let message = format!("`{}` has no `key_hash`", section.path);
            cx.error(&at, message, "no key", format!("add `key_hash:`; {HOW}"));
        }
        return None;
    }
    let text = cx.text(section, "key_hash")?;
    let hash = of_hex(&text);
    if hash.is_none() {
        let message = format!("`{}` is not the hash of a key", section.full("key_hash"));
        cx.error(&at, message, "not a hash", format!("the key itself does not belong here: {HOW}"));
    }
    cx.effective(section, "key_hash", "(hidden)");
    hash
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn of_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim().strip_prefix("sha256:")?.as_bytes();
    let mut out = [0; 32];
    if digits.len() != 2 * out.len() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

const HOW: &str = "write `sha256:` and the 64 digits that `printf %s \"$KEY\" | sha256sum` prints";
