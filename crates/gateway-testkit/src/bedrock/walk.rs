//! Checking a request against the service's own model of it.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::shapes::Member;
use super::shapes::Shape::{
    self, Blob, Bool, Document, Int, Letters, List, Share, Structure, Text, Union, Word,
};

pub(crate) type Checked<T = ()> = Result<T, Refusal>;

const ANY: usize = usize::MAX;

/// Checks a body against its shape.
pub(crate) fn fits(value: &Value, shape: &Shape) -> Checked {
    walk(value, shape, &At::default())
}

fn walk(value: &Value, shape: &Shape, at: &At) -> Checked {
    let wrong = |wanted: &str| Err(Refusal::wrong_type(value, wanted));
    let broken = |what: String| Err(Refusal::constraint(&at.constraint(), value, &what));
    match shape {
        Text(min, max) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            lengths(text.chars().count(), *min, *max, at, value)
        }
        Letters(max, is, pattern) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            lengths(text.chars().count(), 1, *max, at, value)?;
            if !text.chars().all(is) {
                return broken(format!(
                    "Member must satisfy regular expression pattern: {pattern}"
                ));
            }
            Ok(())
        }
        Word(words) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            if !words.contains(&text) {
                let set = words.join(", ");
                return broken(format!("Member must satisfy enum value set: [{set}]"));
            }
            Ok(())
        }
        Bool if value.is_boolean() => Ok(()),
        Bool => wrong("a Boolean"),
        Int(min) => match value.as_i64() {
            None => wrong("an Integer"),
            Some(number) if number < *min => {
                broken(format!("Member must have value greater than or equal to {min}"))
            }
            Some(_) => Ok(()),
        },
        Share => match value.as_f64() {
            None => wrong("a Float"),
            Some(number) if number > 1.0 => {
                broken("Member must have value less than or equal to 1".to_owned())
            }
            Some(number) if number < 0.0 => {
                broken("Member must have value greater than or equal to 0".to_owned())
            }
            Some(_) => Ok(()),
        },
        Blob => match value.as_str() {
            Some(text) if !is_base64(text) => wrong("a Blob"),
            Some("") => lengths(0, 1, ANY, at, value),
            Some(_) => Ok(()),
            None => wrong("a Blob"),
        },
        Document if value.is_object() => Ok(()),
        Document => Err(Refusal::new(format!(
            "The format of the value at {} is invalid. Provide a json object for the field and try again.",
            at.dotted()
        ))),
        List(entry, min, max) => {
            let Some(entries) = value.as_array() else { return wrong("a List") };
            lengths(entries.len(), *min, *max, at, value)?;
            entries.iter().enumerate().try_for_each(|(index, value)| {
                if value.is_null() {
                    return Err(Refusal::missing(&at.index(index).constraint()));
                }
                walk(value, entry, &at.index(index))
            })
        }
        Shape::Map(key, entry, max) => {
            let Some(pairs) = value.as_object() else { return wrong("a Map") };
            lengths(pairs.len(), 0, *max, at, value)?;
            pairs.iter().try_for_each(|(name, value)| {
                walk(&Value::String(name.clone()), key, at)?;
                walk(value, entry, &at.name(name))
            })
        }
        Structure(members) => {
            let Some(given) = value.as_object() else { return wrong("a Structure") };
            structure(given, members, at)
        }
        Union(name, members) => {
            let Some(given) = value.as_object() else { return wrong("a Structure") };
            structure(given, members, at)?;
            if given.values().filter(|value| !value.is_null()).count() != 1 {
                let keys: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
                return Err(Refusal::new(format!(
                    "The {name} object at {} must set one of the following keys: {}.",
                    at.dotted(),
                    keys.join(", ")
                )));
            }
            Ok(())
        }
    }
}

fn structure(given: &Map<String, Value>, members: &[Member], at: &At) -> Checked {
    for (name, shape, must) in members {
        match given.get(*name).filter(|value| !value.is_null()) {
            Some(value) => walk(value, shape, &at.name(name))?,
            None if *must => return Err(Refusal::missing(&at.name(name).constraint())),
            None => {}
        }
    }
    let known = |name: &String| members.iter().any(|(known, ..)| known == name);
    match given.keys().find(|name| !known(name)) {
        Some(name) => Err(Refusal::extraneous(&at.pointer(), name)),
        None => Ok(()),
    }
}

fn lengths(length: usize, min: usize, max: usize, at: &At, value: &Value) -> Checked {
    let broken = |what: String| Err(Refusal::constraint(&at.constraint(), value, &what));
    if length < min {
        return broken(format!("Member must have length greater than or equal to {min}"));
    }
    if length > max {
        return broken(format!("Member must have length less than or equal to {max}"));
    }
    Ok(())
}

pub(crate) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(letters)
}

// === Places ===

/// A place in a request. The service writes it in three ways.
#[derive(Clone, Debug, Default)]
struct At(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Index(usize),
}

impl At {
    fn name(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Name(name.to_owned()));
        Self(steps)
    }

    fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// `messages.1.member.role`, from 1.
    fn constraint(&self) -> String {
        self.join(".", |index| format!("{}.member", index + 1))
    }

    /// `messages.0.role`, from 0.
    fn dotted(&self) -> String {
        self.join(".", |index| index.to_string())
    }

    /// `/messages/0/role`.
    fn pointer(&self) -> String {
        let path = self.join("/", |index| index.to_string());
        if path.is_empty() { path } else { format!("/{path}") }
    }

    fn join(&self, between: &str, index: impl Fn(usize) -> String) -> String {
        let step = |step: &Step| match step {
            Step::Name(name) => name.clone(),
            Step::Index(at) => index(*at),
        };
        self.0.iter().map(step).collect::<Vec<_>>().join(between)
    }
}
