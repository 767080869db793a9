//! JSON Schema with the documented keywords and no others.

use super::node::{Members, Node, get, required, set, set_required, take, tell};
use super::refs::{DEFS, Refs, tidy};

/// What the root of a schema may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// An object, as arguments are.
    Object,
    Any,
}

/// Deeper schemas take anything.
const MAX_DEPTH: usize = 50;

/// As many characters of a constraint are told.
const TOLD: usize = 200;

/// Constraints that the service does not know: the model is told of them.
const TOLD_KEYWORDS: &[&str] = &[
    "pattern",
    "minLength",
    "maxLength",
    "multipleOf",
    "uniqueItems",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "patternProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];

/// The schema as the service takes it.
pub(super) fn prepared(mut root: Node, kind: Root) -> Node {
    if !matches!(root, Node::Object(_)) {
        root = Node::any();
    }
    let mut refs = Refs::new(&mut root);
    let Node::Object(mut members) = root else { return Node::any() };
    let defs = take(&mut members, DEFS);
    if kind == Root::Object {
        flatten(&mut members, &mut refs, &mut Vec::new());
    }
    let mut members = match schema(Node::Object(members), &mut refs, &mut Vec::new(), 0) {
        Node::Object(members) => members,
        _ => Vec::new(),
    };
    if kind == Root::Object {
        take(&mut members, "type");
        take(&mut members, "enum");
        take(&mut members, "items");
        take(&mut members, "prefixItems");
        members.insert(0, ("type".to_owned(), Node::string("object")));
        if get(&members, "properties").is_none() {
            members.push(("properties".to_owned(), Node::any()));
        }
    }
    if let Some(Node::Object(defs)) = defs {
        let defs: Members = defs
            .into_iter()
            .map(|(name, node)| {
                let pointer = format!("#/{DEFS}/{name}");
                (name, schema(node, &mut refs, &mut vec![pointer], 0))
            })
            .collect();
        members.push((DEFS.to_owned(), Node::Object(defs)));
    }
    let mut root = Node::Object(members);
    tidy(&mut root);
    root
}

/// Takes references and alternatives off the root, which must be one plain object: the properties of all
/// alternatives are possible, those that all of them require are required.
fn flatten(members: &mut Members, refs: &mut Refs, stack: &mut Vec<String>) {
    let depth = stack.len();
    refs.settle(members, stack);
    if let Some((pointer, Node::Object(target))) = refs.definition(members)
        && !stack.contains(&pointer)
    {
        members.clear();
        members.extend(target);
        stack.push(pointer);
        flatten(members, refs, stack);
    }
    take(members, "$ref");
    for key in ["allOf", "anyOf", "oneOf"] {
        let Some(Node::Array(branches)) = take(members, key) else { continue };
        let mut all: Option<Vec<String>> = None;
        let mut shapes = Vec::new();
        for branch in branches {
            let Node::Object(mut branch) = branch else { continue };
            if stack.len() < depth + 8 {
                flatten(&mut branch, refs, stack);
            }
            let names = required(&branch);
            all = Some(match all {
                None => names,
                Some(all) if key == "allOf" => union(all, names),
                Some(all) => all.into_iter().filter(|name| names.contains(name)).collect(),
            });
            shapes.push(branch);
        }
        let names = union(required(members), all.unwrap_or_default());
        for shape in shapes {
            merge(members, shape, key != "allOf");
        }
        set_required(members, &names);
    }
    stack.truncate(depth);
}

/// Adds what `other` says to what `members` say; `either`: they are alternatives.
fn merge(members: &mut Members, other: Members, either: bool) {
    for (key, value) in other {
        match (key.as_str(), super::node::get_mut(members, &key), value) {
            // An alternative that is closed does not close the others.
            ("required" | "$ref" | "enum" | "const" | "not" | "additionalProperties", ..)
                if either => {}
            ("required", Some(_), value) => {
                let more = required(&vec![(key.clone(), value)]);
                let all = union(required(members), more);
                set_required(members, &all);
            }
            ("properties", Some(Node::Object(own)), Node::Object(new)) => {
                for (name, schema) in new {
                    match super::node::get_mut(own, &name) {
                        None => own.push((name, schema)),
                        Some(first) if *first == schema => {}
                        Some(first) if either => either_of(first, schema),
                        Some(first) => both_of(first, schema),
                    }
                }
            }
            ("description", Some(_), value) => {
                if let Some(text) = value.as_text().filter(|text| !text.is_empty()) {
                    tell(members, &text);
                }
            }
            ("allOf", Some(Node::Array(own)), Node::Array(new)) => own.extend(new),
            (_, None, value) => members.push((key, value)),
            (_, Some(first), value) if *first == value => {}
            // A number is an integer where one of both says so.
            ("type", Some(first), value) => narrower(first, &value),
            ("minimum" | "minItems" | "minLength" | "exclusiveMinimum", Some(first), value) => {
                if value.as_number() > first.as_number() {
                    *first = value;
                }
            }
            ("maximum" | "maxItems" | "maxLength" | "exclusiveMaximum", Some(first), value) => {
                if let (Some(new), Some(old)) = (value.as_number(), first.as_number())
                    && new < old
                {
                    *first = value;
                }
            }
            (_, Some(_), _) if either => {}
            ("title" | "default" | "examples", ..) => {}
            (name, Some(_), value) => {
                let text = format!("Also: {name} {}.", clipped(&value));
                tell(members, &text);
            }
        }
    }
}

fn narrower(first: &mut Node, other: &Node) {
    let (own, new) = (types(first), types(other));
    let both: Vec<String> = own
        .iter()
        .filter_map(|kind| match kind.as_str() {
            kind if new.iter().any(|n| n == kind) => Some(kind.to_owned()),
            "number" if new.iter().any(|n| n == "integer") => Some("integer".to_owned()),
            "integer" if new.iter().any(|n| n == "number") => Some("integer".to_owned()),
            _ => None,
        })
        .collect();
    if let Some(node) = type_node(&both) {
        *first = node;
    }
}

/// Makes `first` take what `other` takes, too.
fn either_of(first: &mut Node, other: Node) {
    if let Node::Object(members) = first
        && let [(key, Node::Array(choices))] = &mut members[..]
        && key == "anyOf"
    {
        if !choices.contains(&other) {
            choices.push(other);
        }
        return;
    }
    let before = std::mem::replace(first, Node::any());
    *first = Node::object(&[("anyOf", Node::Array(vec![before, other]))]);
}

/// Makes `first` take only what `other` takes, too.
fn both_of(first: &mut Node, other: Node) {
    match (first, other) {
        (Node::Object(members), other @ Node::Object(_)) => {
            let mut all = match take(members, "allOf") {
                Some(Node::Array(all)) => all,
                _ => Vec::new(),
            };
            all.push(other);
            members.push(("allOf".to_owned(), Node::Array(all)));
        }
        (first, other) if first.as_bool() == Some(true) => *first = other,
        _ => {}
    }
}

fn union(mut all: Vec<String>, more: Vec<String>) -> Vec<String> {
    for name in more {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// One schema, and those within.
fn schema(node: Node, refs: &mut Refs, stack: &mut Vec<String>, depth: usize) -> Node {
    let mut members = match node {
        Node::Object(members) if depth <= MAX_DEPTH => members,
        Node::Leaf(raw) if raw == "false" => {
            return Node::object(&[("description", Node::string("Never given."))]);
        }
        // `true` takes anything, and so does what can't be understood.
        _ => return Node::any(),
    };
    let before = stack.len();
    refs.settle(&mut members, stack);
    if get(&members, "$ref").is_some() {
        stack.truncate(before);
        return Node::Object(members);
    }
    while let Some(Node::Array(all)) = take(&mut members, "allOf") {
        for part in all {
            let Node::Object(mut part) = part else { continue };
            refs.settle(&mut part, stack);
            if let Some((pointer, Node::Object(target))) = refs.definition(&part)
                && !stack.contains(&pointer)
            {
                stack.push(pointer);
                part = target;
            }
            take(&mut part, "$ref");
            merge(&mut members, part, false);
            refs.settle(&mut members, stack);
        }
    }
    let mut out: Members = Vec::with_capacity(members.len());
    let mut told: Vec<String> = Vec::new();
    let kinds = get(&members, "type").map(types).unwrap_or_default();
    let nullable = get(&members, "nullable").and_then(Node::as_bool) == Some(true);
    // The older form of tuples.
    if matches!(get(&members, "items"), Some(Node::Array(_)))
        && let Some(items) = take(&mut members, "items")
    {
        set(&mut members, "prefixItems", items);
    }
    for (key, value) in members {
        let mut inner = |node| schema(node, refs, stack, depth + 1);
        let kept = match (key.as_str(), value) {
            ("type", _) => {
                let mut kinds = kinds.clone();
                if nullable && !kinds.is_empty() && !kinds.iter().any(|kind| kind == "null") {
                    kinds.push("null".to_owned());
                }
                type_node(&kinds)
            }
            ("format" | "title" | "description", value) => {
                value.as_text().is_some().then_some(value)
            }
            ("enum", Node::Array(values)) => enumeration(values, &mut out, &mut told),
            ("const", value) => constant(value, &mut out, &mut told),
            ("properties", Node::Object(map)) => Some(Node::Object(
                map.into_iter().map(|(name, node)| (name, inner(node))).collect(),
            )),
            ("items", Node::Leaf(raw)) => (raw == "true").then(Node::any),
            ("prefixItems", Node::Array(list)) => {
                Some(Node::Array(list.into_iter().map(inner).collect()))
            }
            ("anyOf" | "oneOf", Node::Array(list)) if !list.is_empty() => {
                Some(Node::Array(list.into_iter().map(inner).collect()))
            }
            ("additionalProperties", value) if value.as_bool().is_some() => Some(value),
            ("items", value) | ("additionalProperties", value @ Node::Object(_)) => {
                Some(inner(value))
            }
            ("minItems" | "maxItems", value) => {
                value.as_number().is_some_and(|n| n >= 0.0 && n.fract() == 0.0).then_some(value)
            }
            ("minimum" | "maximum", value) => value.as_number().is_some().then_some(value),
            ("exclusiveMinimum" | "exclusiveMaximum", value) => {
                exclusive(&key, &value, &kinds, &mut out, &mut told);
                None
            }
            ("required" | "propertyOrdering", value @ Node::Array(_)) => Some(value),
            (keyword, value) if TOLD_KEYWORDS.contains(&keyword) => {
                if !(value.is_null() || value.as_bool() == Some(false)) {
                    told.push(format!("{keyword} {}", clipped(&value)));
                }
                None
            }
            _ => None,
        };
        if let Some(value) = kept {
            match (get(&out, &key).is_some(), key.as_str()) {
                // The bound that was made of an exclusive one stands already: the narrower counts.
                (true, "minimum" | "maximum" | "enum") => {}
                _ => set(&mut out, &key, value),
            }
        }
    }
    if nullable && kinds.is_empty() {
        let null = Node::object(&[("type", Node::string("null"))]);
        for key in ["anyOf", "oneOf"] {
            if let Some(Node::Array(list)) = super::node::get_mut(&mut out, key)
                && !list.contains(&null)
            {
                list.push(null.clone());
            }
        }
    }
    names_that_exist(&mut out, &mut told);
    stack.truncate(before);
    if !told.is_empty() {
        tell(&mut out, &format!("Constraints: {}.", told.join(", ")));
    }
    Node::Object(out)
}

/// Leaves only names of properties in `required` and `propertyOrdering`.
fn names_that_exist(out: &mut Members, told: &mut Vec<String>) {
    let known: Vec<String> = get(out, "properties")
        .and_then(Node::members)
        .map(|properties| properties.iter().map(|(name, _)| name.clone()).collect())
        .unwrap_or_default();
    let names = required(out);
    let (there, missing): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| known.contains(name));
    set_required(out, &there);
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        told.push(format!(
            "{} must be given",
            gateway_types::Text::from_escaped(&missing).decode()
        ));
    }
    if let Some(Node::Array(order)) = super::node::get_mut(out, "propertyOrdering") {
        order.retain(|name| {
            let name = name.as_text().map(|name| gateway_types::escaped(&name).into_owned());
            name.is_some_and(|name| known.contains(&name))
        });
        if order.is_empty() {
            take(out, "propertyOrdering");
        }
    }
}

/// The values that an enumeration may have here: texts and numbers.
fn enumeration(values: Vec<Node>, out: &mut Members, told: &mut Vec<String>) -> Option<Node> {
    let mut kept: Vec<Node> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for value in values {
        if value.as_text().is_some() || value.as_number().is_some() {
            if !kept.contains(&value) {
                kept.push(value);
            }
        } else {
            others.push(clipped(&value));
        }
    }
    if !others.is_empty() {
        let or = if kept.is_empty() { "one of" } else { "or one of" };
        told.push(format!("{or} {}", others.join(" | ")));
        // Of an enumeration that is gone, or no longer whole, the type must not be narrower.
        let only_bools = kept.is_empty() && others.iter().all(|o| o == "true" || o == "false");
        if only_bools && get(out, "type").is_none() {
            set(out, "type", Node::string("boolean"));
        }
        return (others == ["null"] && !kept.is_empty()).then_some(Node::Array(kept));
    }
    (!kept.is_empty()).then_some(Node::Array(kept))
}

fn constant(value: Node, out: &mut Members, told: &mut Vec<String>) -> Option<Node> {
    if value.as_text().is_some() || value.as_number().is_some() {
        set(out, "enum", Node::Array(vec![value]));
        return None;
    }
    let kind = match &value {
        Node::Object(_) => "object",
        Node::Array(_) => "array",
        Node::Leaf(raw) if raw == "null" => "null",
        Node::Leaf(_) => "boolean",
    };
    if get(out, "type").is_none() {
        set(out, "type", Node::string(kind));
    }
    told.push(format!("always {}", clipped(&value)));
    None
}

/// A bound that is not reached: the next whole number, or the same one and a word on it.
fn exclusive(key: &str, value: &Node, kinds: &[String], out: &mut Members, told: &mut Vec<String>) {
    let lower = key == "exclusiveMinimum";
    let bound = if lower { "minimum" } else { "maximum" };
    let Some(number) = value.as_number() else {
        // The older form: a word on the bound beside it.
        if value.as_bool() == Some(true) {
            told.push(format!("the {bound} itself is not allowed"));
        }
        return;
    };
    let Node::Leaf(raw) = value else { return };
    let whole = kinds.len() == 1 && kinds[0] == "integer" && number.abs() < 9e15;
    if whole {
        let next = if lower { number.floor() + 1.0 } else { number.ceil() - 1.0 };
        set(out, bound, Node::Leaf(format!("{next}")));
        return;
    }
    set(out, bound, Node::Leaf(raw.clone()));
    told.push(format!("{} {raw}", if lower { "more than" } else { "less than" }));
}

/// The types that a `type` names.
pub(super) fn types(node: &Node) -> Vec<String> {
    let texts = match node {
        Node::Array(list) => list.iter().filter_map(Node::as_text).collect(),
        leaf => leaf.as_text().into_iter().collect::<Vec<_>>(),
    };
    let mut kinds: Vec<String> = Vec::new();
    for kind in texts {
        let kind = kind.to_ascii_lowercase();
        if TYPES.contains(&kind.as_str()) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn type_node(kinds: &[String]) -> Option<Node> {
    match kinds {
        [] => None,
        [kind] => Some(Node::string(kind)),
        kinds => Some(Node::Array(kinds.iter().map(|kind| Node::string(kind)).collect())),
    }
}

/// A value as it is told in a description.
fn clipped(value: &Node) -> String {
    let text = value.as_text().unwrap_or_else(|| value.to_json());
    if text.chars().count() <= TOLD {
        return text;
    }
    let mut short: String = text.chars().take(TOLD).collect();
    short.push('\u{2026}');
    short
}
