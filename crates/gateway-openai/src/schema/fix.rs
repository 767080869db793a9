//! A schema taken apart, mended and written again, everything else in its place.

use gateway_dialect::Node;
use gateway_translate::Json;
use gateway_types::{Raw, Text};

use super::{Holds, MAX_DEPTH, NOT_AT_ROOT, TYPES, holds};

/// References at the root are followed until this many values have been copied: alternatives of
/// alternatives can name each other without end.
const MAX_FLATTENED: usize = 4000;

/// The alternatives of a larger schema are left out: nobody has written it, and making one of them
/// takes the square of their number.
const MAX_ROOT: usize = 8000;

/// Keys are escaped, as they were written.
type Members<'b> = Vec<(&'b str, Node<'b>)>;

/// `schema` as it is acceptable. What can't be read at all becomes an object without properties.
pub(super) fn fixed(schema: &str) -> String {
    // A schema within a schema is two levels of JSON.
    let node = Node::read(schema, 2 * MAX_DEPTH + 5).unwrap_or(Node::Leaf("{}"));
    let mut json = Json::with_capacity(schema.len() + 64);
    root(node).write(&mut json);
    json.into_string()
}

/// The root: one object, its alternatives made one.
fn root(node: Node<'_>) -> Node<'_> {
    let mut members = match node {
        Node::Object(members) => members,
        _ => Vec::new(),
    };
    let definitions = members.clone();
    let size: usize = members.iter().map(|(_, node)| node.size()).sum();
    if size <= MAX_ROOT {
        flatten(&mut members, &definitions, 0, &mut { MAX_FLATTENED });
    } else {
        members.retain(|(key, _)| !NOT_AT_ROOT.contains(key));
    }
    members.retain(|(key, _)| *key != "type");
    let Node::Object(mut members) = schema(Node::Object(members), 0) else {
        return Node::Leaf("{}");
    };
    members.insert(0, ("type", Node::Leaf("\"object\"")));
    if !members.iter().any(|(key, _)| *key == "properties") {
        members.push(("properties", Node::Object(Vec::new())));
    }
    Node::Object(members)
}

/// Takes references and alternatives off the root: the properties of all alternatives are possible,
/// those that all of them require are required.
fn flatten<'b>(
    members: &mut Members<'b>,
    definitions: &Members<'b>,
    depth: usize,
    budget: &mut usize,
) {
    let mut shapes: Vec<(bool, Vec<Members<'b>>)> = Vec::new();
    members.retain_mut(|(key, value)| {
        let either = matches!(*key, "anyOf" | "oneOf");
        match *key {
            "anyOf" | "oneOf" | "allOf" => {
                if let Node::Array(elements) = std::mem::replace(value, Node::Leaf("null")) {
                    let objects = elements.into_iter().filter_map(|element| match element {
                        Node::Object(members) => Some(members),
                        _ => None,
                    });
                    shapes.push((either, objects.collect()));
                }
                false
            }
            "$ref" => {
                if let Some(Node::Object(target)) = resolve(value, definitions, budget) {
                    shapes.push((false, vec![target]));
                }
                false
            }
            "enum" | "const" | "not" => false,
            _ => true,
        }
    });
    for (either, mut branches) in shapes {
        for branch in &mut branches {
            // References may lead in a circle.
            if depth < 8 {
                flatten(branch, definitions, depth + 1, budget);
            }
        }
        let required = branches.iter().map(names).reduce(|all, next| {
            if either {
                all.into_iter().filter(|name| next.contains(name)).collect()
            } else {
                union(all, next)
            }
        });
        for branch in branches {
            merge(members, branch, either);
        }
        let required = union(names(members), required.unwrap_or_default());
        members.retain(|(key, _)| *key != "required");
        if !required.is_empty() {
            members.push(("required", Node::Array(required.into_iter().map(Node::Leaf).collect())));
        }
    }
}

/// Adds the properties and definitions of `branch`, and what it alone says.
fn merge<'b>(members: &mut Members<'b>, branch: Members<'b>, either: bool) {
    for (key, value) in branch {
        let there = members.iter_mut().find(|(k, _)| *k == key);
        match (key, there, value) {
            ("required", ..) => {}
            // A circle of references ends here.
            (key, ..) if NOT_AT_ROOT.contains(&key) => {}
            // An alternative that is closed does not close the others.
            ("additionalProperties", ..) if either => {}
            (_, None, value) => members.push((key, value)),
            (
                "properties" | "$defs" | "definitions",
                Some((_, Node::Object(own))),
                Node::Object(new),
            ) => {
                for (name, schema) in new {
                    match own.iter_mut().find(|(n, _)| *n == name) {
                        None => own.push((name, schema)),
                        Some((_, first)) if *first == schema => {}
                        Some((_, first)) => either_of(first, schema),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Makes `first` take what `other` takes, too.
fn either_of<'b>(first: &mut Node<'b>, other: Node<'b>) {
    if let Node::Object(members) = first
        && let [("anyOf", Node::Array(choices))] = &mut members[..]
    {
        if !choices.contains(&other) {
            choices.push(other);
        }
        return;
    }
    let before = std::mem::replace(first, Node::Leaf("null"));
    *first = Node::Object(vec![("anyOf", Node::Array(vec![before, other]))]);
}

/// The raw names in `required`.
fn names<'b>(members: &Members<'b>) -> Vec<&'b str> {
    let found = members.iter().find(|(key, _)| *key == "required");
    let Some((_, Node::Array(elements))) = found else { return Vec::new() };
    elements
        .iter()
        .filter_map(|element| match element {
            Node::Leaf(raw) if raw.starts_with('"') => Some(*raw),
            _ => None,
        })
        .collect()
}

fn union<'b>(mut all: Vec<&'b str>, more: Vec<&'b str>) -> Vec<&'b str> {
    for name in more {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// What a reference into the same schema leads to.
fn resolve<'b>(
    reference: &Node<'b>,
    definitions: &Members<'b>,
    budget: &mut usize,
) -> Option<Node<'b>> {
    let Node::Leaf(raw) = reference else { return None };
    let pointer = Raw::from_json(raw).as_text().map(Text::decode)?;
    let mut steps = pointer.strip_prefix("#/")?.split('/');
    let first = steps.next()?;
    let (_, start) = definitions.iter().find(|(key, _)| *key == first)?;
    let mut node = start;
    for step in steps {
        let step = step.replace("~1", "/").replace("~0", "~");
        let Node::Object(members) = node else { return None };
        node = &members.iter().find(|(key, _)| Text::from_escaped(key).is(&step))?.1;
    }
    *budget = budget.checked_sub(node.size())?;
    Some(node.clone())
}

/// A schema below the root (or the root's members, once they are plain).
fn schema(node: Node<'_>, depth: usize) -> Node<'_> {
    let members = match node {
        Node::Object(members) if depth <= MAX_DEPTH => members,
        Node::Leaf("false") => {
            return Node::Object(vec![("not", Node::Object(Vec::new()))]);
        }
        // `true` takes anything, and so does what can't be understood.
        _ => return Node::Object(Vec::new()),
    };
    let members = numbered(members);
    let mut out: Members<'_> = Vec::with_capacity(members.len() + 1);
    let (mut array, mut items) = (false, false);
    for (key, value) in members {
        let kept = match (holds(key), value) {
            (Holds::Types, value) => types(value, &mut array),
            (Holds::Map, Node::Object(map)) => {
                let map = map.into_iter().map(|(name, node)| (name, schema(node, depth + 1)));
                Some(Node::Object(map.collect()))
            }
            (Holds::List, Node::Array(list)) if !list.is_empty() => {
                Some(Node::Array(list.into_iter().map(|node| schema(node, depth + 1)).collect()))
            }
            // Places in a tuple: any of their schemas in any place.
            (Holds::Schema, Node::Array(mut list)) => Some(match list.len() {
                0 => Node::Object(Vec::new()),
                1 => schema(list.remove(0), depth + 1),
                _ => {
                    let list = list.into_iter().map(|node| schema(node, depth + 2)).collect();
                    Node::Object(vec![("anyOf", Node::Array(list))])
                }
            }),
            (Holds::Schema, value) | (Holds::SchemaOrBool, value @ Node::Object(_)) => {
                Some(schema(value, depth + 1))
            }
            (Holds::Values, Node::Array(values)) if !values.is_empty() => Some(Node::Array(values)),
            (Holds::Names, Node::Array(mut names)) => {
                names.retain(|name| matches!(name, Node::Leaf(raw) if raw.starts_with('"')));
                Some(Node::Array(names))
            }
            (Holds::SchemaOrBool | Holds::Flag, value @ Node::Leaf("true" | "false"))
            | (Holds::Anything, value) => Some(value),
            (Holds::Number, value @ Node::Leaf(raw)) if is_number(raw) => Some(value),
            (Holds::Text, value @ Node::Leaf(raw)) if raw.starts_with('"') => Some(value),
            (Holds::Other, value) => (value != Node::Leaf("null")).then_some(value),
            // Not what the keyword takes.
            _ => None,
        };
        if let Some(value) = kept {
            items |= key == "items";
            out.push((key, value));
        }
    }
    if array && !items {
        out.push(("items", Node::Object(Vec::new())));
    }
    Node::Object(out)
}

/// `"minimum": 0, "exclusiveMinimum": true`, as an older JSON Schema says it, is `"exclusiveMinimum": 0`.
fn numbered(mut members: Members<'_>) -> Members<'_> {
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let flag = members.iter().position(|m| *m == (exclusive, Node::Leaf("true")));
        let Some(flag) = flag else { continue };
        members.remove(flag);
        if let Some((key, _)) = members.iter_mut().find(|(key, _)| *key == limit) {
            *key = exclusive;
        }
    }
    members
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// A `type` without words that are none.
fn types<'b>(value: Node<'b>, array: &mut bool) -> Option<Node<'b>> {
    let known = |node: &Node<'_>| matches!(node, Node::Leaf(raw) if TYPES.iter().any(|t| raw.trim_matches('"') == *t && raw.starts_with('"')));
    let value = match value {
        Node::Array(mut list) => {
            list.retain(known);
            if list.is_empty() {
                return None;
            }
            Node::Array(list)
        }
        leaf if known(&leaf) => leaf,
        _ => return None,
    };
    let is_array = |node: &Node<'_>| *node == Node::Leaf("\"array\"");
    *array = match &value {
        Node::Array(list) => list.iter().any(is_array),
        leaf => is_array(leaf),
    };
    Some(value)
}
