//! The older form: a subset of `OpenAPI`'s schemas, with one type each and no references.

use super::json::types;
use super::node::{Members, Node, get, required, set, set_required, take, tell};

/// References are followed so deep; a circle ends there.
const MAX_DEPTH: usize = 24;

/// So many values are written; then it takes texts.
const MAX_SIZE: usize = 8000;

struct Made<'d> {
    defs: &'d Members,
    stack: Vec<String>,
    left: usize,
}

/// What the arguments of a function are; `None` where it takes none.
pub(super) fn root(node: Node) -> Option<Node> {
    let made = any(node);
    let has =
        get(made.members()?, "properties").and_then(Node::members).is_some_and(|p| !p.is_empty());
    has.then_some(made)
}

/// Any schema.
pub(super) fn any(node: Node) -> Node {
    let Node::Object(mut members) = node else { return text(Vec::new(), "") };
    let defs = match take(&mut members, "$defs") {
        Some(Node::Object(defs)) => defs,
        _ => Vec::new(),
    };
    let mut made = Made { defs: &defs, stack: Vec::new(), left: MAX_SIZE };
    let mut node = made.schema(members, 0);
    order(&mut node);
    node
}

/// Keywords in the order in which they are documented, so that the same schema is the same text.
fn order(node: &mut Node) {
    const ORDER: [&str; 13] = [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "minimum",
        "maximum",
    ];
    let Node::Object(members) = node else { return };
    let place = |key: &String| ORDER.iter().position(|k| k == key).unwrap_or(ORDER.len());
    members.sort_by_key(|(key, _)| place(key));
    for (key, value) in members {
        match (key.as_str(), value) {
            ("properties", Node::Object(map)) => map.iter_mut().for_each(|(_, node)| order(node)),
            ("items", node) => order(node),
            ("anyOf", Node::Array(list)) => list.iter_mut().for_each(order),
            _ => {}
        }
    }
}

impl Made<'_> {
    fn schema(&mut self, mut members: Members, depth: usize) -> Node {
        if depth > MAX_DEPTH || self.left == 0 {
            return text(Vec::new(), "A JSON text.");
        }
        self.left -= 1;
        if let Some(pointer) = take(&mut members, "$ref").and_then(|node| node.as_text()) {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let name =
                gateway_types::escaped(&name.replace("~1", "/").replace("~0", "~")).into_owned();
            let Some(Node::Object(target)) = get(self.defs, &name).cloned() else {
                return text(Vec::new(), "A JSON text.");
            };
            if self.stack.contains(&name) {
                return text(Vec::new(), "A JSON text of the same form as what it is part of.");
            }
            self.stack.push(name);
            let node = self.schema(target, depth + 1);
            self.stack.pop();
            return node;
        }
        let mut out: Members = Vec::new();
        for key in ["title", "description"] {
            if let Some(value) = take(&mut members, key) {
                out.push((key.to_owned(), value));
            }
        }
        let mut kinds = get(&members, "type").map(types).unwrap_or_default();
        let mut nullable = get(&members, "nullable").and_then(Node::as_bool) == Some(true);
        nullable |= kinds.iter().any(|kind| kind == "null");
        kinds.retain(|kind| kind != "null");
        let choices = take(&mut members, "anyOf").or_else(|| take(&mut members, "oneOf"));
        if let Some(Node::Array(choices)) = choices {
            return self.choices(choices, &members, out, nullable, depth);
        }
        if kinds.len() > 1 {
            let choices = kinds
                .iter()
                .map(|kind| {
                    let mut one = members.clone();
                    set(&mut one, "type", Node::string(kind));
                    Node::Object(one)
                })
                .collect();
            return self.choices(choices, &Vec::new(), out, nullable, depth);
        }
        let kind = kinds.pop().unwrap_or_else(|| inferred(&members).to_owned());
        match kind.as_str() {
            "object" => self.object(members, &mut out, depth),
            "array" => self.array(members, &mut out, depth),
            "string" | "number" | "integer" => scalar(&kind, members, &mut out),
            "boolean" => {}
            // Nothing but null: any text will do, and none.
            _ => nullable = true,
        }
        if get(&out, "type").is_none() {
            let kind = match kind.as_str() {
                "boolean" | "number" | "integer" => kind.to_ascii_uppercase(),
                _ => "STRING".to_owned(),
            };
            set(&mut out, "type", Node::string(&kind));
        }
        if nullable {
            set(&mut out, "nullable", Node::Leaf("true".to_owned()));
        }
        Node::Object(out)
    }

    /// One of several. A single one that may be null is that one; what stands beside goes into each.
    fn choices(
        &mut self,
        choices: Vec<Node>,
        beside: &Members,
        mut out: Members,
        mut nullable: bool,
        depth: usize,
    ) -> Node {
        let mut made: Vec<Node> = Vec::new();
        for choice in choices {
            let Node::Object(mut choice) = choice else { continue };
            let kinds = get(&choice, "type").map(types).unwrap_or_default();
            if kinds == ["null"] {
                nullable = true;
                continue;
            }
            if get(&choice, "$ref").is_none() {
                add_beside(&mut choice, beside);
            }
            let node = self.schema(choice, depth + 1);
            if !made.contains(&node) {
                made.push(node);
            }
        }
        if made.len() > 1 {
            // Beside the alternatives nothing else may stand.
            if let Some(words) = get(&out, "description").and_then(Node::as_text)
                && let Node::Object(first) = &mut made[0]
            {
                let own = get(first, "description").and_then(Node::as_text).unwrap_or_default();
                if !own.starts_with(&words) {
                    set(first, "description", Node::string(format!("{words} {own}").trim()));
                }
            }
            if let Some(Node::Object(first)) = made.first_mut().filter(|_| nullable) {
                set(first, "nullable", Node::Leaf("true".to_owned()));
            }
            return Node::object(&[("anyOf", Node::Array(made))]);
        }
        let Some(Node::Object(one)) = made.pop() else {
            let mut node = text(out, "");
            if let Node::Object(members) = &mut node {
                set(members, "nullable", Node::Leaf("true".to_owned()));
            }
            return node;
        };
        for (key, value) in one {
            if key == "description" && get(&out, "description").is_some() {
                if let Some(words) = value.as_text() {
                    tell(&mut out, &words);
                }
            } else if get(&out, &key).is_none() {
                out.push((key, value));
            }
        }
        if nullable {
            set(&mut out, "nullable", Node::Leaf("true".to_owned()));
        }
        Node::Object(out)
    }

    fn object(&mut self, mut members: Members, out: &mut Members, depth: usize) {
        let names = required(&members);
        let more = take(&mut members, "additionalProperties");
        let properties = match take(&mut members, "properties") {
            Some(Node::Object(properties)) => properties,
            _ => Vec::new(),
        };
        if properties.is_empty() && depth > 0 {
            // Refused without properties: the value is told as a text.
            *out = match text(std::mem::take(out), "A JSON object, as text.") {
                Node::Object(members) => members,
                _ => Vec::new(),
            };
            return;
        }
        if let Some(value) = more.filter(|more| more.members().is_some_and(|m| !m.is_empty())) {
            tell(out, &format!("Other names have values of this schema: {}.", value.to_json()));
        }
        set(out, "type", Node::string("OBJECT"));
        let made: Members = properties
            .into_iter()
            .map(|(name, node)| {
                let node = match node {
                    Node::Object(members) => self.schema(members, depth + 1),
                    _ => text(Vec::new(), ""),
                };
                (name, node)
            })
            .collect();
        let names: Vec<String> = names.into_iter().filter(|n| get(&made, n).is_some()).collect();
        set(out, "properties", Node::Object(made));
        set_required(out, &names);
        if let Some(order) = take(&mut members, "propertyOrdering") {
            out.push(("propertyOrdering".to_owned(), order));
        }
    }

    fn array(&mut self, mut members: Members, out: &mut Members, depth: usize) {
        set(out, "type", Node::string("ARRAY"));
        let tuple = match take(&mut members, "prefixItems") {
            Some(Node::Array(list)) if !list.is_empty() => Some(list),
            _ => None,
        };
        let items = match (take(&mut members, "items"), tuple) {
            (Some(Node::Object(items)), _) => self.schema(items, depth + 1),
            (_, Some(list)) => self.choices(list, &Vec::new(), Vec::new(), false, depth + 1),
            _ => text(Vec::new(), ""),
        };
        set(out, "items", items);
        for key in ["minItems", "maxItems"] {
            if let Some(value) = take(&mut members, key) {
                out.push((key.to_owned(), value));
            }
        }
    }
}

/// A text, with a word on what it is to hold.
fn text(mut members: Members, words: &str) -> Node {
    if !words.is_empty() {
        tell(&mut members, words);
    }
    set(&mut members, "type", Node::string("STRING"));
    Node::Object(members)
}

fn add_beside(choice: &mut Members, beside: &Members) {
    for (key, value) in beside {
        match (key.as_str(), super::node::get_mut(choice, key), value) {
            ("properties", Some(Node::Object(own)), Node::Object(more)) => {
                for (name, node) in more {
                    if get(own, name).is_none() {
                        own.push((name.clone(), node.clone()));
                    }
                }
            }
            ("required", Some(Node::Array(own)), Node::Array(more)) => {
                for name in more {
                    if !own.contains(name) {
                        own.push(name.clone());
                    }
                }
            }
            (_, None, value) => choice.push((key.clone(), value.clone())),
            _ => {}
        }
    }
}

/// What a schema without a type is, by what else it says.
fn inferred(members: &Members) -> &'static str {
    let has = |key| get(members, key).is_some();
    if has("properties") || has("additionalProperties") {
        "object"
    } else if has("items") || has("prefixItems") {
        "array"
    } else if has("minimum") || has("maximum") {
        "number"
    } else {
        "string"
    }
}

fn scalar(kind: &str, mut members: Members, out: &mut Members) {
    let values = match take(&mut members, "enum") {
        Some(Node::Array(values)) => values,
        _ => Vec::new(),
    };
    let format = take(&mut members, "format").and_then(|format| format.as_text());
    let known = format.as_deref().is_some_and(|format| match kind {
        "string" => matches!(format, "date-time" | "enum"),
        "number" => matches!(format, "float" | "double"),
        _ => matches!(format, "int32" | "int64"),
    });
    if !values.is_empty() {
        // Only texts can be enumerated; the empty one not at all.
        let texts: Vec<Node> = values
            .iter()
            .map(|value| value.as_text().unwrap_or_else(|| value.to_json()))
            .filter(|text| !text.is_empty())
            .map(|text| Node::string(&text))
            .collect();
        if kind == "string" && !texts.is_empty() {
            set(out, "type", Node::string("STRING"));
            set(out, "enum", Node::Array(texts));
        } else if kind != "string" {
            let values: Vec<String> = values.iter().map(Node::to_json).collect();
            tell(out, &format!("One of {}.", values.join(", ")));
        }
    }
    set(out, "type", Node::string(&kind.to_ascii_uppercase()));
    match format {
        Some(format) if known => set(out, "format", Node::string(&format)),
        Some(format) if !format.is_empty() => tell(out, &format!("Format: {format}.")),
        _ => {}
    }
    if kind != "string" {
        for key in ["minimum", "maximum"] {
            if let Some(value) = take(&mut members, key) {
                out.push((key.to_owned(), value));
            }
        }
    }
}
