//! Files of the predecessor: rules, the default provider and the strategy stand in `extra` there.

use gateway_router::Strategy;

use crate::keys::PREDECESSOR;
use crate::read::{Cx, Section};
use crate::rules;
use crate::tree::{Key, Node, Value};

/// What rules and the default provider are called where they were found.
pub(crate) struct Names {
    pub(crate) routes: &'static str,
    pub(crate) default_provider: &'static str,
}

/// Moves what the predecessor had elsewhere to its place. Where both are said, the one that comes before in the order
/// of option, environment and file counts; of two in one file nobody knows which is meant.
pub(crate) fn adopt(cx: &mut Cx, tree: &mut Node) -> Names {
    let mut names = Names { routes: "routes", default_provider: "default_provider" };
    let Value::Map(top) = &mut tree.value else { return names };
    if adopt_one(cx, top, "routing_rules", "routes") {
        names.routes = "extra.routing_rules";
    }
    if adopt_one(cx, top, "fallback_provider", "default_provider") {
        names.default_provider = "extra.fallback_provider";
    }
    names
}

/// Whether the value of `extra` counts, which stands at its new place then.
fn adopt_one(cx: &mut Cx, top: &mut Vec<(Key, Node)>, old: &str, new: &str) -> bool {
    let Some((key, value)) = take(top, old) else { return false };
    let at = match &value.value {
        Value::List(_) | Value::Map(_) => key.at.clone(),
        _ => value.at.clone(),
    };
    let said = top.iter().position(|(k, v)| k.text == new && !matches!(v.value, Value::Null));
    if let Some(index) = said {
        let (there, node) = &top[index];
        let there = match &node.value {
            Value::List(_) | Value::Map(_) => there.at.clone(),
            _ => node.at.clone(),
        };
        if there.rank() == at.rank() {
            let message =
                format!("`extra.{old}` and `{new}` ({}) say the same thing", cx.told(&there));
            let help = format!("keep `{new}`, and move there what `extra.{old}` has beside it");
            cx.error(&at, message, "the other one", help);
        }
        if there.rank() >= at.rank() {
            return false;
        }
    }
    top.retain(|(k, _)| k.text != new);
    top.push((Key { text: new.to_owned(), at: key.at }, value));
    true
}

/// Takes a key out of `extra`. One that is there twice stays: it is reported when `extra` is read.
fn take(top: &mut [(Key, Node)], old: &str) -> Option<(Key, Node)> {
    let mut extras = top.iter_mut().filter(|(key, _)| key.text == "extra");
    let (Some((_, extra)), None) = (extras.next(), extras.next()) else { return None };
    let Value::Map(entries) = &mut extra.value else { return None };
    let mut found = entries.iter().enumerate().filter(|(_, (key, _))| key.text == old);
    let (Some((index, (_, value))), None) = (found.next(), found.next()) else { return None };
    if matches!(value.value, Value::Null) {
        return None;
    }
    Some(entries.remove(index))
}

/// Reads what `extra` still has: the strategy of rules that name none.
pub(crate) fn read(cx: &mut Cx, top: &Section<'_>) -> Option<Strategy> {
    let extra = &cx.inner(top, "extra", &PREDECESSOR);
    rules::read_strategy(cx, extra, "routing_strategy")
}
