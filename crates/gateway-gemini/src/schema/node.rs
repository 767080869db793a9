//! A JSON value that keeps the order of its members.

use gateway_translate::{Json, Kind, Malformed, Reader};
use gateway_types::{Raw, Text, escaped};

/// Deeper values are cut there. A schema within a schema is two levels.
const MAX_DEPTH: usize = 120;

/// Keys and scalars stay as they were written: keys escaped, scalars as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Object(Members),
    Array(Vec<Node>),
    Leaf(String),
}

pub(super) type Members = Vec<(String, Node)>;

impl Node {
    /// Reads a text; what is no JSON is `null`.
    pub(super) fn read(text: &str) -> Self {
        if !gateway_translate::is_json(text) {
            return Self::Leaf("null".to_owned());
        }
        read(&mut Reader::new(text), 0).unwrap_or_else(|_| Self::Leaf("null".to_owned()))
    }

    pub(super) fn to_json(&self) -> String {
        let mut json = Json::new();
        self.write(&mut json);
        json.into_string()
    }

    fn write(&self, json: &mut Json) {
        match self {
            Self::Leaf(raw) => {
                json.raw(Raw::from_json(raw));
            }
            Self::Array(elements) => {
                json.array(|json| elements.iter().for_each(|e| e.write(json)));
            }
            Self::Object(members) => {
                json.object(|json| {
                    for (key, value) in members {
                        value.write(json.key(key));
                    }
                });
            }
        }
    }

    pub(super) fn string(text: &str) -> Self {
        Self::Leaf(format!("\"{}\"", escaped(text)))
    }

    pub(super) fn object(members: &[(&str, Self)]) -> Self {
        Self::Object(members.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }

    pub(super) fn any() -> Self {
        Self::Object(Vec::new())
    }

    /// The string it is, decoded.
    pub(super) fn as_text(&self) -> Option<String> {
        let Self::Leaf(raw) = self else { return None };
        Raw::from_json(raw).as_text().map(|text| Text::decode(text).into_owned())
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        let Self::Leaf(raw) = self else { return None };
        raw.parse().ok().filter(|number: &f64| number.is_finite())
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Leaf(raw) if raw == "true" => Some(true),
            Self::Leaf(raw) if raw == "false" => Some(false),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(raw) if raw == "null")
    }

    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// How many values there are in it, itself included.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Object(members) => members.iter().map(|(_, node)| node.size()).sum(),
            Self::Array(elements) => elements.iter().map(Self::size).sum(),
            Self::Leaf(_) => 0,
        }
    }
}

pub(super) fn get<'a>(members: &'a Members, key: &str) -> Option<&'a Node> {
    members.iter().find(|(k, _)| k == key).map(|(_, node)| node)
}

pub(super) fn get_mut<'a>(members: &'a mut Members, key: &str) -> Option<&'a mut Node> {
    members.iter_mut().find(|(k, _)| k == key).map(|(_, node)| node)
}

pub(super) fn take(members: &mut Members, key: &str) -> Option<Node> {
    let at = members.iter().position(|(k, _)| k == key)?;
    Some(members.remove(at).1)
}

pub(super) fn set(members: &mut Members, key: &str, node: Node) {
    match get_mut(members, key) {
        Some(there) => *there = node,
        None => members.push((key.to_owned(), node)),
    }
}

/// The names in `required`, as they are written.
pub(super) fn required(members: &Members) -> Vec<String> {
    let Some(Node::Array(names)) = get(members, "required") else { return Vec::new() };
    let raw = names.iter().filter_map(|name| match name {
        Node::Leaf(raw) => Raw::from_json(raw).as_text().map(|text| text.escaped().to_owned()),
        _ => None,
    });
    let mut all: Vec<String> = Vec::new();
    for name in raw {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

pub(super) fn set_required(members: &mut Members, names: &[String]) {
    if names.is_empty() {
        take(members, "required");
        return;
    }
    let names = names.iter().map(|name| Node::Leaf(format!("\"{name}\""))).collect();
    set(members, "required", Node::Array(names));
}

/// Adds a sentence to the description.
pub(super) fn tell(members: &mut Members, sentence: &str) {
    let before = get(members, "description").and_then(Node::as_text).unwrap_or_default();
    let text = match before.trim_end() {
        "" => sentence.to_owned(),
        before if before.ends_with(sentence) => before.to_owned(),
        before => format!("{before} {sentence}"),
    };
    set(members, "description", Node::string(&text));
}

fn read(r: &mut Reader<'_>, depth: usize) -> Result<Node, Malformed> {
    if depth > MAX_DEPTH {
        return r.skip().map(|()| Node::any());
    }
    Ok(match r.kind()? {
        Kind::Object => {
            let mut members: Members = Vec::new();
            r.object::<Malformed>(|r, key| {
                let key = gateway_types::escaped(&key.decode()).into_owned();
                let value = read(r, depth + 1)?;
                // Of a key that stands twice the last counts, as nearly everywhere.
                set(&mut members, &key, value);
                Ok(())
            })?;
            Node::Object(members)
        }
        Kind::Array => {
            let mut elements = Vec::new();
            r.array::<Malformed>(|r| {
                elements.push(read(r, depth + 1)?);
                Ok(())
            })?;
            Node::Array(elements)
        }
        _ => Node::Leaf(r.raw()?.as_str().to_owned()),
    })
}
