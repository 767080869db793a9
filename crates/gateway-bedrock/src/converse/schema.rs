//! Schemas of tools, made acceptable to a family. One that is acceptable stays byte for byte.

use std::borrow::Cow;

use gateway_dialect::Node;
use gateway_translate::{Json, Malformed, Reader, find};
use gateway_types::{Raw, Text};

use crate::family::Schema;

/// Nesting beyond this takes anything.
const DEPTH_MAX: usize = 64;

/// References are followed until so many values have been copied: they can name each other without end.
const INLINED_MAX: usize = 4000;

/// What a model of the family takes in place of `schema`.
pub(super) fn acceptable(schema: Raw<'_>, wanted: Schema) -> Cow<'_, str> {
    let text = schema.as_str();
    let bytes = text.as_bytes();
    let object = find(bytes, &["type"]).is_some_and(|span| bytes[span] == *b"\"object\"");
    let referring = text.contains("$ref");
    let root = |name| find(bytes, &[name]).is_some();
    let fine = object
        && !root("$schema")
        && match wanted {
            Schema::Object => true,
            Schema::BareRoot => !referring && !others_at_root(text),
            Schema::Inlined => !referring && !root("$defs") && !root("definitions"),
        };
    if fine { Cow::Borrowed(text) } else { Cow::Owned(mended(text, wanted)) }
}

/// The words that Nova takes at the root.
const BARE: [&str; 3] = ["type", "properties", "required"];

fn others_at_root(text: &str) -> bool {
    let mut others = false;
    let read = Reader::new(text).object::<Malformed>(|r, key| {
        others |= !BARE.iter().any(|word| key.is(word));
        r.skip()
    });
    others || read.is_err()
}

fn mended(text: &str, wanted: Schema) -> String {
    // A schema within a schema is two levels of JSON.
    let node = Node::read(text, 2 * DEPTH_MAX + 1).unwrap_or(Node::Leaf("{}"));
    let mut members = match node {
        Node::Object(members) => members,
        _ => Vec::new(),
    };
    if wanted != Schema::Object {
        let root = members.clone();
        let budget = &mut { INLINED_MAX };
        // A root that is a reference is what it refers to.
        for _ in 0..8 {
            let Some(at) = members.iter().position(|(key, _)| *key == "$ref") else { break };
            let (_, reference) = members.remove(at);
            if let Some(Node::Object(target)) = resolve(&reference, &root, budget) {
                members.extend(target.into_iter().filter(|(key, _)| *key != "$defs"));
            }
        }
        for (_, value) in &mut members {
            inline(value, &root, &mut Vec::new(), 0, budget);
        }
        members.retain(|(key, _)| !matches!(*key, "$defs" | "definitions"));
    }
    if wanted == Schema::BareRoot {
        flatten(&mut members, 0);
    }
    members.retain(|(key, _)| {
        !matches!(*key, "$schema" | "type") && (wanted != Schema::BareRoot || BARE.contains(key))
    });
    members.insert(0, ("type", Node::Leaf("\"object\"")));
    if !members.iter().any(|(key, node)| *key == "properties" && matches!(node, Node::Object(_))) {
        members.retain(|(key, _)| *key != "properties");
        members.push(("properties", Node::Object(Vec::new())));
    }
    let mut json = Json::with_capacity(text.len() + 64);
    Node::Object(members).write(&mut json);
    json.into_string()
}

/// Takes alternatives off a root that may have none: the properties of all of them are possible, those
/// that each of them requires are required.
fn flatten<'b>(members: &mut Vec<(&'b str, Node<'b>)>, depth: usize) {
    for key in ["allOf", "anyOf", "oneOf"] {
        let Some(at) = members.iter().position(|(own, _)| *own == key) else { continue };
        let (_, Node::Array(branches)) = members.remove(at) else { continue };
        let (mut properties, mut every) = (take_properties(members), take_required(members));
        let mut each: Option<Vec<&'b str>> = None;
        for branch in branches {
            // One that takes anything says nothing, and requires nothing.
            let mut branch = if let Node::Object(branch) = branch { branch } else { Vec::new() };
            if depth < DEPTH_MAX {
                flatten(&mut branch, depth + 1);
            }
            for (name, schema) in take_properties(&mut branch) {
                match properties.iter_mut().find(|(own, _)| *own == name) {
                    None => properties.push((name, schema)),
                    Some((_, first)) if *first == schema => {}
                    Some((_, first)) => {
                        let word = if key == "allOf" { key } else { "anyOf" };
                        let old = std::mem::replace(first, Node::Leaf("true"));
                        *first = Node::Object(vec![(word, Node::Array(vec![old, schema]))]);
                    }
                }
            }
            let names = take_required(&mut branch);
            each = Some(match each {
                None => names,
                Some(mut all) if key == "allOf" => {
                    all.extend(names);
                    all
                }
                Some(all) => all.into_iter().filter(|name| names.contains(name)).collect(),
            });
        }
        for name in each.unwrap_or_default() {
            if !every.contains(&name) {
                every.push(name);
            }
        }
        members.push(("properties", Node::Object(properties)));
        if !every.is_empty() {
            let names = every.into_iter().map(Node::Leaf).collect();
            members.push(("required", Node::Array(names)));
        }
    }
}

fn take_properties<'b>(members: &mut Vec<(&'b str, Node<'b>)>) -> Vec<(&'b str, Node<'b>)> {
    match take(members, "properties") {
        Some(Node::Object(properties)) => properties,
        _ => Vec::new(),
    }
}

/// The names that are required, in quotes.
fn take_required<'b>(members: &mut Vec<(&'b str, Node<'b>)>) -> Vec<&'b str> {
    let Some(Node::Array(names)) = take(members, "required") else { return Vec::new() };
    let name = |node| match node {
        Node::Leaf(raw) if str::starts_with(raw, '"') => Some(raw),
        _ => None,
    };
    names.into_iter().filter_map(name).collect()
}

fn take<'b>(members: &mut Vec<(&'b str, Node<'b>)>, key: &str) -> Option<Node<'b>> {
    let at = members.iter().position(|(own, _)| *own == key)?;
    Some(members.remove(at).1)
}

/// Puts what is referred to in the place of references. One that leads in a circle, or nowhere, takes
/// anything.
fn inline<'b>(
    node: &mut Node<'b>,
    root: &[(&'b str, Node<'b>)],
    within: &mut Vec<&'b str>,
    depth: usize,
    budget: &mut usize,
) {
    match node {
        Node::Leaf(_) => {}
        Node::Array(elements) => {
            for element in elements {
                inline(element, root, within, depth + 1, budget);
            }
        }
        Node::Object(members) => {
            let at = members.iter().position(|(key, node)| {
                *key == "$ref" && matches!(node, Node::Leaf(raw) if raw.starts_with('"'))
            });
            let Some(at) = at else {
                for (_, value) in members {
                    inline(value, root, within, depth + 1, budget);
                }
                return;
            };
            let (_, reference) = members.remove(at);
            let Node::Leaf(pointer) = reference else { return };
            let circle = within.contains(&pointer) || depth > DEPTH_MAX;
            let target = if circle { None } else { resolve(&reference, root, budget) };
            let Some(Node::Object(target)) = target else { return };
            // What stands beside the reference says more of this place.
            for (key, value) in target {
                if !members.iter().any(|(own, _)| *own == key) {
                    members.push((key, value));
                }
            }
            within.push(pointer);
            inline(node, root, within, depth + 1, budget);
            within.pop();
        }
    }
}

fn resolve<'b>(
    reference: &Node<'b>,
    root: &[(&'b str, Node<'b>)],
    budget: &mut usize,
) -> Option<Node<'b>> {
    let Node::Leaf(raw) = reference else { return None };
    let pointer = Raw::from_json(raw).as_text().map(Text::decode)?;
    let mut steps = pointer.strip_prefix("#/")?.split('/');
    let first = steps.next()?;
    let (_, start) = root.iter().find(|(key, _)| *key == first)?;
    let mut node = start;
    for step in steps {
        let step = step.replace("~1", "/").replace("~0", "~");
        let Node::Object(members) = node else { return None };
        node = &members.iter().find(|(key, _)| Text::from_escaped(key).is(&step))?.1;
    }
    *budget = budget.checked_sub(node.size())?;
    Some(node.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn mend(schema: &Value, wanted: Schema) -> Value {
        let text = schema.to_string();
        serde_json::from_str(&acceptable(Raw::from_json(&text), wanted)).expect("JSON")
    }

    #[test]
    fn what_is_fine_stays_and_what_is_not_is_mended() {
        let fine = r#"{"type": "object", "properties": {"a": {}}}"#;
        for wanted in [Schema::Object, Schema::BareRoot, Schema::Inlined] {
            assert!(matches!(acceptable(Raw::from_json(fine), wanted), Cow::Borrowed(_)));
        }
        let referring = json!({"$ref": "#/$defs/a", "$defs": {"a": {
            "type": "object", "properties": {"b": {"$ref": "#/$defs/c~1d"}}}, "c/d": {"type": "string"}}});
        let wanted = json!({"type": "object", "properties": {"b": {"type": "string"}}});
        assert_eq!(mend(&referring, Schema::Inlined), wanted);
        assert_eq!(mend(&referring, Schema::BareRoot), wanted);
        // A property may be called as a keyword is.
        let named = json!({"type": "object", "properties": {"$ref": {"type": "string"}}});
        assert_eq!(mend(&named, Schema::Inlined), named);
    }

    #[test]
    fn alternatives_at_a_bare_root_are_one_object() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "anyOf": [
                {"$ref": "#/$defs/b"},
                {"properties": {"a": {"type": "string"}, "b": {"type": "null"}, "c": {}}, "required": ["b", "c"]}],
            "allOf": [{"required": ["d"], "properties": {"d": {}}}],
            "$defs": {"b": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}});
        assert_eq!(
            mend(&schema, Schema::BareRoot),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "d": {},
                "b": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "c": {}},
                "required": ["a", "d", "b"]})
        );
        // Elsewhere they stay.
        assert!(mend(&schema, Schema::Inlined)["anyOf"].is_array());
    }

    fn any_schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!("object")),
            Just(json!("#/$defs/a")),
            Just(json!("#/definitions/b")),
            Just(json!("#")),
            Just(json!(true)),
            Just(json!(null)),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            let key = prop_oneof![
                Just("type"),
                Just("properties"),
                Just("$ref"),
                Just("$defs"),
                Just("definitions"),
                Just("a"),
                Just("b"),
                Just("items"),
                Just("anyOf"),
                Just("$schema"),
            ];
            let members = prop::collection::vec((key, inner.clone()), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            });
            prop_oneof![members, prop::collection::vec(inner, 0..3).prop_map(Value::Array)]
        })
    }

    proptest! {
        #[test]
        fn any_schema_becomes_an_object_without_references(schema in any_schema()) {
            for wanted in [Schema::Object, Schema::BareRoot, Schema::Inlined] {
                let got = mend(&schema, wanted);
                prop_assert_eq!(&got["type"], "object");
                prop_assert!(got["$schema"].is_null());
                prop_assert_eq!(mend(&got, wanted), got.clone());
                if wanted != Schema::Object {
                    prop_assert!(!got.to_string().contains(r##""$ref":"#"##), "{}", got);
                }
            }
        }
    }
}
