//! How Chat Completions writes calls down, in every style.

use serde_json::{Value, json};

use super::style::{Arguments, CallIds, Calls, Style};
use crate::text::pieces;

/// A call of either kind.
pub(crate) struct Call<'a> {
    pub(crate) id: String,
    /// `function` or `custom`
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
    pub(crate) args: &'a str,
}

/// The deltas of calls that were made at once.
pub(crate) fn call_deltas(style: &Style, calls: &[Call<'_>]) -> Vec<Value> {
    let whole = style.calls == Calls::Whole || style.arguments == Arguments::Object;
    // The entries of each call, in order.
    let entries: Vec<Vec<Value>> = calls
        .iter()
        .enumerate()
        .map(|(index, call)| {
            if whole {
                return vec![entry(style, index, call, true, true, call.args)];
            }
            let (fragments, name_at) = fragments(style, call.args);
            let last = fragments.len() - 1;
            let one = |(number, fragment): (usize, &String)| {
                let repeated = style.ids == CallIds::Repeated;
                let named = repeated || number == if name_at == 0 { 0 } else { last };
                entry(style, index, call, repeated || number == 0, named, fragment)
            };
            fragments.iter().enumerate().map(one).collect()
        })
        .collect();
    match style.calls {
        Calls::Interleaved | Calls::Together => {
            let longest = entries.iter().map(Vec::len).max().unwrap_or(0);
            let round = |n: usize| entries.iter().filter_map(move |of_call| of_call.get(n));
            let delta = |entries: Vec<&Value>| json!({"tool_calls": entries});
            if style.calls == Calls::Together {
                (0..longest).map(|n| delta(round(n).collect())).collect()
            } else {
                (0..longest).flat_map(round).map(|entry| delta(vec![entry])).collect()
            }
        }
        _ => entries.iter().flatten().map(|entry| json!({"tool_calls": [entry]})).collect(),
    }
}

/// The `arguments` of a call's entries, and which of them (0 the first, 1 the last) has the name.
fn fragments(style: &Style, args: &str) -> (Vec<String>, usize) {
    let mut list = pieces(args, style.piece);
    if style.arguments == Arguments::Snapshot {
        let mut sum = String::new();
        for piece in &mut list {
            sum.push_str(piece);
            piece.clone_from(&sum);
        }
    }
    if style.calls == Calls::NameLast {
        if list.is_empty() {
            list.push(String::new());
        }
        return (list, 1);
    }
    list.insert(0, String::new());
    (list, 0)
}

/// One entry of a call, with its id and its name or without.
pub(crate) fn entry(
    style: &Style,
    index: usize,
    call: &Call<'_>,
    with_id: bool,
    with_name: bool,
    args: &str,
) -> Value {
    let Call { id, kind, name, .. } = call;
    let field = if *kind == "custom" { "input" } else { "arguments" };
    let arguments = match style.arguments {
        Arguments::Object => serde_json::from_str(args).unwrap_or_else(|_| json!(args)),
        Arguments::Text | Arguments::Snapshot => json!(args),
    };
    let mut entry = json!({*kind: {field: arguments}});
    if with_name {
        entry[*kind]["name"] = json!(name);
    }
    if style.index {
        entry["index"] = json!(index);
    }
    if with_id && style.ids != CallIds::Never {
        entry["id"] = json!(id);
    }
    if with_id && style.call_type {
        entry["type"] = json!(kind);
    }
    entry
}
