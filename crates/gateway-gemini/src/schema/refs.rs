//! References: kept where they lead to one of the root's definitions, else replaced by what they lead to.

use std::collections::HashSet;

use super::node::{Members, Node, get, required, set, set_required, take, tell};

/// So many values are copied in place of references: they can name each other without end.
const MAX_COPIED: usize = 4000;

pub(super) const DEFS: &str = "$defs";

/// The whole schema as it was, for looking up.
pub(super) struct Refs {
    root: Node,
    left: usize,
}

impl Refs {
    /// For a root; its older `definitions` become `$defs`.
    pub(super) fn new(root: &mut Node) -> Self {
        if let Node::Object(members) = root
            && let Some(Node::Object(old)) = take(members, "definitions")
        {
            let mut all = match take(members, DEFS) {
                Some(Node::Object(all)) => all,
                _ => Vec::new(),
            };
            for (name, node) in old {
                if get(&all, &name).is_none() {
                    all.push((name, node));
                }
            }
            members.push((DEFS.to_owned(), Node::Object(all)));
        }
        Self { root: root.clone(), left: MAX_COPIED }
    }

    /// Replaces a reference by what it leads to, where it can't stand: `stack` are those that led here.
    /// What remains is a plain reference to a definition, or no reference.
    pub(super) fn settle(&mut self, members: &mut Members, stack: &mut Vec<String>) {
        let mut followed = 0;
        while let Some(reference) = take(members, "$ref") {
            let pointer = percent_decoded(&reference.as_text().unwrap_or_default());
            let pointer = match pointer.strip_prefix("#/definitions/") {
                Some(rest) => format!("#/{DEFS}/{rest}"),
                None => pointer,
            };
            let siblings = members.iter().any(|(key, _)| !key.starts_with('$'));
            let target = self.lookup(&pointer);
            let is_definition = pointer
                .strip_prefix("#/$defs/")
                .is_some_and(|name| !name.is_empty() && !name.contains('/'));
            let circle = stack.contains(&pointer) || followed > 16;
            match target {
                Some(_) if is_definition && (!siblings || circle) => {
                    members.clear();
                    members.push(("$ref".to_owned(), Node::string(&pointer)));
                    return;
                }
                Some(Node::Object(target)) if !circle && self.pay(&target) => {
                    for (key, value) in target {
                        if key != DEFS && get(members, &key).is_none() {
                            members.push((key, value));
                        }
                    }
                    stack.push(pointer);
                    followed += 1;
                }
                Some(_) if circle => {
                    set(members, "type", Node::string("object"));
                    tell(members, "Of the same form as what it is part of.");
                }
                _ => {
                    set(members, "type", Node::string("object"));
                    tell(members, &format!("Of the form {pointer}, which is not given here."));
                }
            }
        }
    }

    /// What a definition's name leads to, to be copied.
    pub(super) fn definition(&mut self, members: &Members) -> Option<(String, Node)> {
        let pointer = get(members, "$ref")?.as_text()?;
        let node = self.lookup(&pointer)?;
        self.pay(node.members()?).then_some((pointer, node))
    }

    fn pay(&mut self, members: &Members) -> bool {
        let size: usize = members.iter().map(|(_, node)| node.size()).sum();
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn lookup(&self, pointer: &str) -> Option<Node> {
        if pointer == "#" {
            return Some(self.root.clone());
        }
        let mut node = &self.root;
        for step in pointer.strip_prefix("#/")?.split('/') {
            let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
            let step = gateway_types::escaped(&step);
            node = match node {
                Node::Object(members) => get(members, &step)?,
                Node::Array(elements) => elements.get(step.parse::<usize>().ok()?)?,
                Node::Leaf(_) => return None,
            };
        }
        Some(node.clone())
    }
}

/// Leaves only the definitions that something leads to, and no required property that is its own owner.
pub(super) fn tidy(root: &mut Node) {
    let Node::Object(members) = root else { return };
    let Some(Node::Object(mut defs)) = take(members, DEFS) else { return };
    let mut used = HashSet::new();
    let mut next: Vec<String> = Vec::new();
    for (_, node) in members.iter() {
        names(node, &mut next);
    }
    while let Some(name) = next.pop() {
        if let Some(node) = get(&defs, &name)
            && used.insert(name)
        {
            names(node, &mut next);
        }
    }
    defs.retain(|(name, _)| used.contains(name));
    let edges: Vec<(String, Vec<String>)> =
        defs.iter().map(|(name, node)| (name.clone(), needed(node))).collect();
    let reaches = |from: &str, to: &str| {
        let mut seen = HashSet::new();
        let mut next = vec![from.to_owned()];
        while let Some(name) = next.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name.clone()) {
                let more = edges.iter().find(|(n, _)| *n == name).map(|(_, to)| to.clone());
                next.extend(more.unwrap_or_default());
            }
        }
        false
    };
    for (owner, node) in &mut defs {
        let Node::Object(schema) = node else { continue };
        let mut kept = required(schema);
        let before = kept.len();
        kept.retain(|property| {
            let leads = get(schema, "properties")
                .and_then(Node::members)
                .and_then(|properties| get(properties, property))
                .and_then(reference);
            !leads.is_some_and(|name| reaches(&name, owner))
        });
        if kept.len() < before {
            set_required(schema, &kept);
        }
    }
    if !defs.is_empty() {
        members.push((DEFS.to_owned(), Node::Object(defs)));
    }
}

/// The definitions that a schema can't be without.
fn needed(node: &Node) -> Vec<String> {
    let Some(members) = node.members() else { return Vec::new() };
    let properties = get(members, "properties").and_then(Node::members);
    required(members).iter().filter_map(|name| reference(get(properties?, name)?)).collect()
}

/// The name of the definition that a schema is nothing but a reference to.
fn reference(node: &Node) -> Option<String> {
    let pointer = get(node.members()?, "$ref")?.as_text()?;
    pointer.strip_prefix("#/$defs/").map(name_of)
}

/// The member's name that a step of a pointer means, escaped.
fn name_of(step: &str) -> String {
    let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
    gateway_types::escaped(&step).into_owned()
}

fn names(node: &Node, out: &mut Vec<String>) {
    match node {
        Node::Object(members) => {
            for (key, value) in members {
                if key == "$ref" {
                    out.extend(
                        value.as_text().and_then(|p| p.strip_prefix("#/$defs/").map(name_of)),
                    );
                } else {
                    names(value, out);
                }
            }
        }
        Node::Array(elements) => elements.iter().for_each(|e| names(e, out)),
        Node::Leaf(_) => {}
    }
}

fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(decoded) = decoded.filter(|_| *byte == b'%') {
            bytes.push(decoded);
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
