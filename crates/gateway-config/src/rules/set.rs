//! `set` of a rule: what it changes in requests.

use crate::compat::EFFORTS;
use crate::extra::free_form;
use crate::keys::SET;
use crate::model::Changes;
use crate::read::{Cx, Section};
use crate::tree::Value;

pub(super) fn read(cx: &mut Cx, section: &Section<'_>) -> Changes {
    let set = &cx.inner(section, "set", &SET);
    let effort = cx.word(set, "effort", EFFORTS).map(|word| {
        cx.effective(set, "effort", word);
        word.to_owned()
    });
    let most = cx.whole(set, "max_tokens", 1, i128::from(i64::MAX));
    let max_tokens = most.and_then(|n| u64::try_from(n).ok());
    if let Some(tokens) = max_tokens {
        cx.effective(set, "max_tokens", tokens);
    }
    let wanted = ("a number", "a number from 0 to 2");
    let temperature = cx.fraction(set, "temperature", wanted, |n| (0.0..=2.0).contains(&n));
    if let Some(temperature) = temperature {
        cx.effective(set, "temperature", temperature);
    }
    // A text without letters appends nothing: that is no mistake.
    let blank = set
        .get("system_append")
        .is_some_and(|node| matches!(&node.value, Value::Text(text) if text.trim().is_empty()));
    let system_append = if blank { None } else { cx.text(set, "system_append") };
    if let Some(text) = &system_append {
        cx.effective(set, "system_append", text.as_str());
    }
    let extra_body = read_extra_body(cx, set);
    Changes { effort, max_tokens, temperature, extra_body, system_append }
}

fn read_extra_body(cx: &mut Cx, set: &Section<'_>) -> serde_json::Map<String, serde_json::Value> {
    let fields = free_form(cx, set, "extra_body", "{service_tier: standard_only}");
    let fields = fields.unwrap_or_default();
    let (key, at) = (set.full("extra_body"), set.place_of("extra_body"));
    for (field, instead) in OWN {
        if fields.contains_key(*field) {
            let message = format!("`{key}` must not hold `{field}`");
            cx.error(&at, message, "not to be set", format!("remove `{field}`: {instead}"));
        }
    }
    for field in ["max_tokens", "temperature"] {
        if fields.contains_key(field) && set.get(field).is_some() {
            let message = format!("`{key}` holds `{field}`, which `{}` says too", set.full(field));
            cx.error(&at, message, "said twice", "keep one of the two");
        }
    }
    fields
}

/// Fields that a rule can't put in, and what is meant instead.
const OWN: &[(&str, &str)] = &[
    ("model", "a rule's own `model` names the model"),
    ("messages", "`system_append` adds a text to the instructions"),
    ("stream", "only the caller knows whether it can read a stream"),
];
