//! One row of the catalogue's text form, and how rows are laid over one another.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::effort::Effort;
use crate::family::presumed;
use crate::model::{Capabilities, Endpoints, Model, Reasoning, Sampling};
use crate::price::Prices;

/// A row as written: facts by key. Kept beside the [`Model`] made of it, so that a later row can
/// be laid over it.
pub(crate) type Row = Map<String, Value>;

/// The keys of a row, in the order in which the data file writes them.
const KEYS: [&str; 19] = [
    "id",
    "like",
    "aliases",
    "display_name",
    "vendor",
    "context_window",
    "max_input",
    "max_output",
    "efforts",
    "chat_efforts",
    "default_effort",
    "reasoning",
    "sampling",
    "can",
    "cannot",
    "endpoints",
    "prices",
    "retires",
    "source",
];

/// What is wrong with a row, to be said after its line and id.
pub(crate) type Fault = String;

/// Lays `above` over `below`: its facts win, `null` erases one, the prices are laid over one by
/// one, and what `can` names is no longer in `cannot`, and the other way about.
pub(crate) fn lay_over(below: &mut Row, above: Row) {
    for (listed, other) in [("can", "cannot"), ("cannot", "can")] {
        if let (Some(Value::Array(now)), Some(Value::Array(before))) =
            (above.get(listed), below.get_mut(other))
        {
            before.retain(|word| !now.contains(word));
        }
    }
    for (key, fact) in above {
        match (below.get_mut(&key), fact) {
            (_, Value::Null) => {
                below.remove(&key);
            }
            (Some(Value::Object(known)), Value::Object(new)) => lay_over(known, new),
            (Some(Value::Array(known)), Value::Array(new)) if key == "can" || key == "cannot" => {
                known.extend(new);
            }
            (_, fact) => {
                below.insert(key, fact);
            }
        }
    }
}

/// The id of a row.
pub(crate) fn id(row: &Row) -> Result<&str, Fault> {
    match row.get("id") {
        Some(Value::String(id)) if !id.trim().is_empty() && id.trim() == id => Ok(id),
        Some(_) => Err("`id` must be a model's name, without spaces around it".to_owned()),
        None => Err("a row needs an `id`, the name of the model".to_owned()),
    }
}

/// Refuses keys that mean nothing, with the one that was probably meant.
pub(crate) fn check_keys(row: &Row) -> Result<(), Fault> {
    for key in row.keys() {
        known(key, &KEYS, "key")?;
    }
    Ok(())
}

/// The model that a row describes. What it does not say of efforts, reasoning, sampling and
/// endpoints is what holds for the family; limits, capabilities and prices are never presumed.
pub(crate) fn model(row: &Row) -> Result<Model, Fault> {
    let facts: Facts =
        serde_json::from_value(Value::Object(row.clone())).map_err(|e| named_fault(row, &e))?;
    let mut model = presumed(facts.like.as_ref().unwrap_or(&facts.id));
    let mut capabilities = Capabilities::default();
    for (words, answer) in [(&facts.can, true), (&facts.cannot, false)] {
        for word in words {
            known(word, Capabilities::NAMES, "capability")?;
            if let Some(fact) = capabilities.named(word) {
                if *fact == Some(!answer) {
                    return Err(format!("`{word}` stands in both `can` and `cannot`: keep one"));
                }
                *fact = Some(answer);
            }
        }
    }
    let lists = [facts.efforts.as_ref(), facts.chat_efforts.as_ref()];
    if let Some(level) = facts.default_effort
        && !facts.efforts.as_ref().unwrap_or(&model.efforts).contains(&level)
    {
        return Err(format!(
            "`default_effort` is `{level}`, which `efforts` does not list: add it there"
        ));
    }
    if lists.into_iter().flatten().any(|levels| !levels.is_sorted_by(|a, b| a < b)) {
        return Err("`efforts` must be written lowest first, each once".to_owned());
    }
    if facts.efforts.is_some() {
        model.default_effort = None;
    }
    if facts.retires.as_ref().is_some_and(|day| !is_date(day)) {
        return Err("`retires` must be a date such as 2027-02-28".to_owned());
    }
    let presumed = model.capabilities;
    capabilities.fill(presumed);
    model.display_name = facts.display_name.unwrap_or_else(|| facts.id.clone());
    model.vendor = facts.vendor.unwrap_or(model.vendor);
    model.context_window = facts.context_window;
    model.max_input = facts.max_input;
    model.max_output = facts.max_output;
    model.efforts = facts.efforts.unwrap_or(model.efforts);
    model.chat_efforts = facts.chat_efforts;
    model.default_effort = facts.default_effort.or(model.default_effort);
    model.reasoning = facts.reasoning.unwrap_or(model.reasoning);
    model.sampling = facts.sampling.or(model.sampling);
    model.capabilities = capabilities;
    model.prices = facts.prices;
    model.endpoints = facts.endpoints.unwrap_or(model.endpoints);
    model.retires = facts.retires;
    model.id = facts.id;
    Ok(model)
}

/// The other names of a row's model.
pub(crate) fn aliases(row: &Row) -> impl Iterator<Item = &str> {
    row.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

/// The typed form of a row.
#[derive(Deserialize)]
struct Facts {
    id: String,
    like: Option<String>,
    #[serde(default, rename = "aliases")]
    _aliases: Vec<String>,
    display_name: Option<String>,
    vendor: Option<String>,
    context_window: Option<u64>,
    max_input: Option<u64>,
    max_output: Option<u64>,
    efforts: Option<Vec<Effort>>,
    chat_efforts: Option<Vec<Effort>>,
    default_effort: Option<Effort>,
    reasoning: Option<Reasoning>,
    sampling: Option<Sampling>,
    #[serde(default)]
    can: Vec<String>,
    #[serde(default)]
    cannot: Vec<String>,
    endpoints: Option<Endpoints>,
    prices: Option<Prices>,
    retires: Option<String>,
    #[serde(rename = "source")]
    _source: Option<String>,
}

/// Refuses a word that is not one of `words`.
fn known(word: &str, words: &[&str], what: &str) -> Result<(), Fault> {
    if words.contains(&word) {
        return Ok(());
    }
    let near = words
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(similar, _)| *similar > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match near {
        Some((_, near)) => format!("unknown {what} `{word}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; there are: {}", words.join(", ")),
    })
}

/// The fault under the name of its key, which the reader does not tell: it is the one that cannot be read
/// alone either.
fn named_fault(row: &Row, error: &serde_json::Error) -> Fault {
    for (key, value) in row {
        let mut alone = Row::from_iter([("id".to_owned(), Value::from("any"))]);
        alone.insert(key.clone(), value.clone());
        if let Err(error) = serde_json::from_value::<Facts>(Value::Object(alone)) {
            return format!("`{key}`: {error}");
        }
    }
    error.to_string()
}
