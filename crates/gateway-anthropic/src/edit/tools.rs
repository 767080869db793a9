//! The tools that are offered, and the choice among them.

use std::collections::HashSet;

use gateway_translate::Malformed;
use gateway_types::{ApiError, ErrorKind, Text, What};

use super::features::{CACHE_CONTROL, DEFER_LOADING, note};
use super::node::{Fate, Member, Node, settle};
use super::{Cx, Done, Stop, blocks, spans};

/// The tools that are offered, each read one level deep, once.
pub(super) struct Offer<'b> {
    node: Node<'b>,
    tools: Vec<Tool<'b>>,
}

struct Tool<'b> {
    node: Node<'b>,
    members: Vec<Member<'b>>,
}

impl<'b> Tool<'b> {
    fn text(&self, key: &str) -> Option<Text<'b>> {
        self.members.iter().rev().find(|m| m.key.is(key)).and_then(|m| m.value.text())
    }
}

impl<'b> Offer<'b> {
    pub(super) fn read(node: Node<'b>) -> Result<Self, Malformed> {
        let mut tools = Vec::new();
        for node in node.elements()? {
            tools.push(Tool { node, members: node.members()? });
        }
        Ok(Self { node, tools })
    }

    /// Whether it is the offer at this place.
    pub(super) fn is(&self, node: Node<'_>) -> bool {
        self.node.span() == node.span()
    }

    /// The names of tools that the upstream has no way to run.
    pub(super) fn refused(&self, cx: &Cx<'_>) -> Done<HashSet<String>> {
        let mut refused = HashSet::new();
        if cx.policy.lacks.tools.is_empty() {
            return Ok(refused);
        }
        let mut first = None;
        let mut others = 0;
        for tool in &self.tools {
            let kind = tool.text("type").unwrap_or_default().decode();
            if cx.policy.lacks.tool(&kind).is_some() {
                let name = tool.text("name").unwrap_or_default().decode();
                refused.insert(name.into_owned());
                first.get_or_insert(kind);
            } else {
                others += 1;
            }
        }
        match first {
            Some(kind) if others == 0 => {
                let what = format!(
                    "tools: the upstream of this model does not run `{kind}`; use a model of a provider \
                     that does, or leave the tool out"
                );
                Err(Stop::Refused(
                    ApiError::new(ErrorKind::InvalidRequest, what).with_should_retry(false),
                ))
            }
            _ => Ok(refused),
        }
    }

    /// The tools without what the upstream does not know. Without tool search a deferred tool is offered
    /// like any other once something has found it, and not at all before.
    pub(super) fn fate(&self, found: &HashSet<String>, cx: &mut Cx<'_>) -> Done<Fate> {
        let tools = &self.tools;
        let mut fates = Vec::with_capacity(tools.len());
        let no_search = cx.dropped.has(DEFER_LOADING);
        for (at, tool) in tools.iter().enumerate() {
            let members = &tool.members;
            let text = |key: &str| {
                members
                    .iter()
                    .find(|m| m.key.is(key))
                    .and_then(|m| m.value.text())
                    .map(Text::decode)
            };
            if let Some(kind) = text("type").filter(|kind| cx.policy.lacks.tool(kind).is_some()) {
                let why = format!("this upstream does not run `{kind}`");
                cx.losses.add(What::Dropped, format!("tools[{at}]"), why);
                fates.push(Fate::Remove);
                continue;
            }
            if no_search {
                let deferred =
                    |m: &Member<'_>| m.key.is("defer_loading") && m.value.raw().as_str() == "true";
                let name = text("name").unwrap_or_default();
                if members.iter().any(deferred) && !found.contains(&*name) {
                    cx.losses.add(What::Hint, format!("tools[{at}]"), "nothing has found it yet");
                    fates.push(Fate::Remove);
                    continue;
                }
                if text("type").is_some_and(|kind| kind.starts_with("tool_search_tool_")) {
                    let why = "this upstream has no tool search";
                    cx.losses.add(What::Dropped, format!("tools[{at}]"), why);
                    fates.push(Fate::Remove);
                    continue;
                }
            }
            let mut inner = Vec::with_capacity(members.len());
            for member in members {
                let field = format!("tools.{}", member.key.decode());
                inner.push(if member.key.is(CACHE_CONTROL) {
                    blocks::cache_control(member, cx)?
                } else if cx.dropped.has(&field) {
                    note(&field, &mut cx.losses);
                    Fate::Remove
                } else {
                    Fate::Keep
                });
            }
            fates.push(Fate::inside(settle(&spans(members), inner)));
        }
        let spans: Vec<_> = tools.iter().map(|tool| tool.node.span()).collect();
        Ok(Fate::inside(settle(&spans, fates)))
    }
}

/// A choice of a tool that is not offered any more is none.
pub(super) fn choice(
    member: &Member<'_>,
    refused: &HashSet<String>,
    cx: &mut Cx<'_>,
) -> Done<Fate> {
    let name = member.value.get("name")?.and_then(Node::text).unwrap_or_default().decode();
    if !refused.contains(&*name) {
        return Ok(Fate::Keep);
    }
    cx.losses.add(What::Replaced, "tool_choice", "this upstream does not run the tool it names");
    Ok(member.with_value(r#"{"type":"auto"}"#))
}
