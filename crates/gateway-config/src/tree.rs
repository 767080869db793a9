//! A YAML (or JSON) document as a tree in which every key and value knows its place.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use crate::diag::{Diagnostic, Place};
use crate::source::{At, SourceFile};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: At,
    /// Text that stands for any scalar type: it came from the environment, an option or a `${…}`.
    pub(crate) untyped: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// Was already reported; readers pass over it in silence.
    Broken,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: At,
}

impl Node {
    pub(crate) fn map(entries: Vec<(Key, Node)>, at: At) -> Self {
        Self { value: Value::Map(entries), at, untyped: false }
    }

    /// Text that stands for whatever its key wants.
    pub(crate) fn untyped(text: impl Into<String>, at: At) -> Self {
        Self { value: Value::Text(text.into()), at, untyped: true }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// What stands here, for "expected …, found …". Never the text itself: it may be a secret.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Null | Value::Broken => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads a document. Errors of the syntax point at their place with a remedy; duplicate keys are left
/// for the reader of each section, so that all of them are reported.
pub(crate) fn parse(file: &SourceFile) -> Result<Node, Fault> {
    parse_text(&file.text, &|range| At::File(range)).map_err(|e| {
        let range = match e.place {
            Some(Spot::Bytes(range)) => range,
            Some(Spot::LineColumn(line, column)) => {
                let start = file.offset(line, column);
                let len = file.text[start..]
                    .chars()
                    .next()
                    .filter(|c| *c != '\n')
                    .map_or(0, char::len_utf8);
                start..start + len
            }
            None => 0..0,
        };
        Fault { range, message: e.message }
    })
}

/// Reads a value written in YAML's flow style, e.g. in a variable; every part gets the same place.
pub(crate) fn parse_inline(text: &str, at: &At) -> Option<Node> {
    parse_text(text, &|_| at.clone()).ok()
}

/// What is wrong with the syntax.
pub(crate) struct Fault {
    range: Range<usize>,
    message: String,
}

impl Fault {
    pub(crate) fn into_diagnostic(self, file: std::sync::Arc<SourceFile>) -> Diagnostic {
        let help = remedy(&file, &self);
        let range = self.range;
        let place = Place::InFile { file, range };
        Diagnostic::error(place, format!("this is not valid YAML: {}", self.message)).help(help)
    }
}

/// The usual reasons for an error of the syntax, told from the line it stands on.
fn remedy(file: &SourceFile, fault: &Fault) -> &'static str {
    let start = file.text[..fault.range.start].rfind('\n').map_or(0, |at| at + 1);
    let line = file.text[start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    let next = file.text[start..].lines().nth(1).unwrap_or_default();
    if indent.contains('\t') || fault.message.contains("tab") || next.starts_with('\t') {
        "YAML does not allow tabs for indentation; use spaces"
    } else if line.contains("${") && line.contains(['{', '[']) && fault.message.contains("flow") {
        "inside { } or [ ] put quotes around a variable: \"${NAME}\""
    } else if fault.message.contains("multiple YAML documents") {
        "keep one document: remove everything from the `---` line on"
    } else if fault.message.contains("mapping values") {
        "check the indentation, and put quotes around text that holds a colon followed by a space"
    } else if fault.message.contains("unexpected character") {
        "put quotes around text that begins with one of @ ` % & * ! | >"
    } else if fault.message.contains("aliases") {
        "write the repeated parts out, or use fewer aliases (*name)"
    } else if fault.message.contains("anchor") {
        "put quotes around text that begins with *"
    } else {
        "check the indentation, quotes and brackets on this line and the one before"
    }
}

struct Broken {
    place: Option<Spot>,
    message: String,
}

enum Spot {
    Bytes(Range<usize>),
    LineColumn(usize, usize),
}

fn parse_text(text: &str, place: &dyn Fn(Range<usize>) -> At) -> Result<Node, Broken> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let location = e.location();
        let place = location.map(|l| {
            bytes(&l).map_or_else(
                || Spot::LineColumn(as_usize(l.line()), as_usize(l.column())),
                Spot::Bytes,
            )
        });
        let message = e.to_string();
        // The place is shown beside it, and names of the library's functions help nobody.
        let end = [" at line ", "; use from_"].iter().filter_map(|m| message.find(m)).min();
        let message = match end {
            _ if message.starts_with("budget breached") => {
                "its aliases expand to too much".to_owned()
            }
            Some(end) => message[..end].to_owned(),
            None => message,
        };
        Broken { place, message }
    })?;
    node(raw, text, place)
}

fn node(raw: Spanned<Raw>, text: &str, place: &dyn Fn(Range<usize>) -> At) -> Result<Node, Broken> {
    let range = bytes(&raw.defined).unwrap_or(0..0);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(b) => Value::Bool(b),
        Raw::Int(i) => Value::Int(i),
        Raw::Float(f) => Value::Float(f),
        Raw::Text(t) => Value::Text(t),
        Raw::List(items) => {
            Value::List(items.into_iter().map(|i| node(i, text, place)).collect::<Result<_, _>>()?)
        }
        Raw::Map(entries) => {
            let mut out = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let range = bytes(&key.defined).unwrap_or(0..0);
                let key_text = match key.value {
                    Raw::Text(t) => t,
                    // A number, `null` or `true` as a key is meant as its text.
                    Raw::Bool(_) | Raw::Int(_) | Raw::Float(_) | Raw::Null => {
                        text.get(range.clone()).unwrap_or_default().to_owned()
                    }
                    Raw::List(_) | Raw::Map(_) => {
                        let message = "a key must be plain text".to_owned();
                        return Err(Broken { place: Some(Spot::Bytes(range)), message });
                    }
                };
                out.push((Key { text: key_text, at: place(range) }, node(value, text, place)?));
            }
            Value::Map(out)
        }
    };
    Ok(Node { value, at: place(range), untyped: false })
}

fn bytes(location: &Location) -> Option<Range<usize>> {
    let start = as_usize(location.span().byte_offset()?);
    Some(start..start + as_usize(location.span().byte_len()?))
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Any YAML value, as the parser hands it over.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Int(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
