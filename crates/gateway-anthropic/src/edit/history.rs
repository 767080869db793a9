//! The conversation: what another provider made goes, and what is left is still one.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_types::What;

use super::blocks::{Block, fate};
use super::features::{DEFER_LOADING, SYSTEM_ROLE, note};
use super::foreign::{
    Searches, holds_sealed, is_foreign_call, search_as_text, searches, thinking_goes,
};
use super::node::{Edit, Fate, Member, Node, settle};
use super::{Cx, Done, Thinking, spans, system};

/// What came of the conversation.
#[derive(Default)]
pub(super) struct Told {
    pub(super) edits: Vec<Edit>,
    /// The open turn lost the thinking that it would have to begin with.
    pub(super) disable_thinking: bool,
    /// Names of tools that a tool search found.
    pub(super) found_tools: HashSet<String>,
}

/// One message on its way.
pub(super) struct Message<'b> {
    pub(super) node: Node<'b>,
    pub(super) members: Vec<Member<'b>>,
    pub(super) role: Cow<'b, str>,
    pub(super) content: Option<Node<'b>>,
    /// None where the content is a bare string.
    pub(super) blocks: Vec<Block<'b>>,
    /// One for each block.
    pub(super) fates: Vec<Fate>,
    /// Blocks to put in behind the results of tools that it begins with.
    pub(super) before: Vec<String>,
    /// Blocks to put in at the end.
    pub(super) after: Vec<String>,
    /// Blocks of a message of the user that takes its place.
    pub(super) as_user: Option<Vec<String>>,
    pub(super) gone: bool,
    lost_thinking: bool,
}

impl<'b> Message<'b> {
    fn read(node: Node<'b>) -> Done<Self> {
        let members = node.members()?;
        let last = |key: &str| members.iter().rev().find(|m| m.key.is(key)).map(|m| m.value);
        let role = last("role").and_then(Node::text).unwrap_or_default().decode();
        let content = last("content");
        let mut blocks = Vec::new();
        for block in content.map(Node::elements).transpose()?.unwrap_or_default() {
            blocks.push(Block::read(block)?);
        }
        let fates = vec![Fate::Keep; blocks.len()];
        let (before, after, as_user) = (Vec::new(), Vec::new(), None);
        let (gone, lost_thinking) = (false, false);
        Ok(Self {
            node,
            members,
            role,
            content,
            blocks,
            fates,
            before,
            after,
            as_user,
            gone,
            lost_thinking,
        })
    }

    pub(super) fn is(&self, role: &str) -> bool {
        self.role == role && !self.gone
    }

    fn has(&self, kind: &str) -> bool {
        self.blocks.iter().any(|block| block.is(kind))
    }

    fn kept(&self) -> impl Iterator<Item = &Block<'b>> {
        self.blocks.iter().zip(&self.fates).filter(|(_, fate)| !fate.is_gone()).map(|(b, _)| b)
    }

    fn begins_with_thinking(&self) -> bool {
        self.kept().next().is_some_and(Block::is_thinking)
    }

    /// Whether nothing is left that the API would take as content.
    fn is_emptied(&self) -> bool {
        self.fates.iter().any(Fate::is_gone)
            && self.blocks.iter().zip(&self.fates).all(|(block, fate)| {
                fate.is_gone() || (!matches!(fate, Fate::Replace(_)) && block.is_empty_text())
            })
    }
}

/// Edits `messages`. `enabled`: thinking has a budget, so that the open turn must begin with some.
pub(super) fn edit(messages: Option<Node<'_>>, enabled: bool, cx: &mut Cx<'_>) -> Done<Told> {
    let mut told = Told::default();
    let nodes = messages.map(Node::elements).transpose()?.unwrap_or_default();
    let mut messages = Vec::with_capacity(nodes.len());
    for node in nodes {
        messages.push(Message::read(node)?);
    }
    let all = cx.policy.lacks.tool("web_search_").is_some();
    let searches = searches(messages.iter().flat_map(|message| &message.blocks), all)?;
    if cx.dropped.has(DEFER_LOADING) {
        told.found_tools = found_tools(&messages)?;
    }

    for (at, message) in messages.iter_mut().enumerate() {
        let inlined = message.is("system") && cx.dropped.has(SYSTEM_ROLE);
        for (block, slot) in message.blocks.iter().zip(0..) {
            let path = format!("messages[{at}].content[{slot}]");
            let assistant = message.role == "assistant";
            let made = if assistant { made_elsewhere(block, &path, &searches, cx)? } else { None };
            message.lost_thinking |= block.is_thinking() && made == Some(Fate::Remove);
            message.fates[slot] = match made {
                Some(fate) => fate,
                // It will be written anew.
                None if inlined && block.is("text") => Fate::Keep,
                None => fate(block, &path, cx)?,
            };
        }
        message.gone = message.is_emptied();
    }
    told.disable_thinking = enabled && heal_open_turn(&mut messages, cx);
    if cx.dropped.has(SYSTEM_ROLE) {
        system::inline(&mut messages, cx)?;
    }

    let mut fates = Vec::with_capacity(messages.len());
    for message in &mut messages {
        fates.push(message_fate(message, cx)?);
    }
    let spans: Vec<_> = messages.iter().map(|message| message.node.span()).collect();
    told.edits = settle(&spans, fates);
    Ok(told)
}

/// What becomes of a block of the model's that this upstream did not make, or may not see.
fn made_elsewhere(
    block: &Block<'_>,
    path: &str,
    searches: &Searches<'_>,
    cx: &mut Cx<'_>,
) -> Done<Option<Fate>> {
    let path = path.to_owned();
    if block.is_thinking() {
        let goes = thinking_goes(block, cx.policy.thinking);
        if goes {
            let why = match cx.policy.thinking {
                Thinking::Strip => "this upstream takes no thinking back",
                _ => "thinking of another provider",
            };
            cx.losses.add(What::Dropped, path, why);
        }
        return Ok(goes.then_some(Fate::Remove));
    }
    let lacks = cx.policy.lacks;
    let search = |key| block.text(key).and_then(|id| searches.get(&*id.decode()));
    match block.kind() {
        // What may hold any text of a caller; its opaque parts are looked at where they are.
        "text" | "tool_use" => return Ok(None),
        "server_tool_use" if search("id").is_some() => return Ok(Some(Fate::Remove)),
        "web_search_tool_result" => {
            if let Some(query) = search("tool_use_id") {
                cx.losses.add(What::Replaced, path, "a web search that this provider did not make");
                let mark = block.cache_mark(cx)?;
                return Ok(Some(Fate::Replace(search_as_text(block, *query, mark.as_deref())?)));
            }
        }
        kind if lacks.tool_block(kind, &block.text("name").unwrap_or_default().decode()) => {
            let why = "this upstream knows nothing of the tool it is about";
            cx.losses.add(What::Dropped, path, why);
            return Ok(Some(Fate::Remove));
        }
        kind if cx.dropped.has(DEFER_LOADING) => {
            let call = kind == "server_tool_use"
                && block.text("name").is_some_and(|n| n.decode().starts_with("tool_search_tool_"));
            if call || kind == "tool_search_tool_result" {
                cx.losses.add(What::Dropped, path, "this upstream has no tool search");
                return Ok(Some(Fate::Remove));
            }
        }
        _ => {}
    }
    if holds_sealed(block.node.raw()) {
        cx.losses.add(What::Dropped, path, "state of another provider");
        return Ok(Some(Fate::Remove));
    }
    Ok(None)
}

/// The turn that the request asks to go on with: the model's messages since the user last said
/// something, when only results of tools have come since. With a budget the API wants it to begin
/// with thinking ("Expected `thinking` or `redacted_thinking`, but found `tool_use`"). One that was
/// begun by another provider can't, so it is finished without thinking; then it must not hold any
/// ("When `thinking` is disabled, an `assistant` message in the final position cannot contain
/// `thinking`"). The next turn thinks again.
fn heal_open_turn(messages: &mut [Message<'_>], cx: &mut Cx<'_>) -> bool {
    let open: Vec<usize> = (0..messages.len())
        .rev()
        .filter(|at| !messages[*at].gone && !messages[*at].is("system"))
        .take_while(|at| messages[*at].is("assistant") || messages[*at].has("tool_result"))
        .filter(|at| messages[*at].is("assistant"))
        .collect();
    let Some(first) = open.last() else { return false };
    let first = &messages[*first];
    let foreign_call =
        |block: &Block<'_>| block.is("tool_use") && block.text("id").is_some_and(is_foreign_call);
    let lost = open.iter().any(|at| messages[*at].lost_thinking);
    // Who wants unsigned thinking back is not Anthropic, and its ids are its own.
    let tells = cx.policy.thinking != Thinking::Preserve;
    let begun_elsewhere = lost || (tells && first.kept().any(foreign_call));
    let strict = cx.policy.lacks.thinking_pairs;
    if first.begins_with_thinking() || !(begun_elsewhere || strict) {
        return false;
    }
    let why = if begun_elsewhere {
        "another provider began this turn, so it is finished without thinking"
    } else {
        "this turn began without thinking, so it is finished without"
    };
    cx.losses.add(What::Replaced, "thinking", why);
    for at in open {
        let message = &mut messages[at];
        for slot in 0..message.blocks.len() {
            if message.blocks[slot].is_thinking() && !message.fates[slot].is_gone() {
                let path = format!("messages[{at}].content[{slot}]");
                cx.losses.add(What::Dropped, path, why);
                message.fates[slot] = Fate::Remove;
            }
        }
        message.gone = message.is_emptied();
    }
    true
}

fn message_fate(message: &mut Message<'_>, cx: &mut Cx<'_>) -> Done<Fate> {
    if message.gone {
        return Ok(Fate::Remove);
    }
    let mut content = Some(content_edits(message));
    let mut fates = Vec::with_capacity(message.members.len());
    for member in &message.members {
        let field = format!("messages.{}", member.key.decode());
        let is_content =
            message.content.map(Node::span).is_some_and(|span| span == member.value.span());
        fates.push(if is_content {
            Fate::inside(content.take().unwrap_or_default())
        } else if member.key.is("role") && message.as_user.is_some() {
            member.with_value("\"user\"")
        } else if cx.dropped.has(&field) {
            if member.key.is("output_config") {
                cx.note_own_config(member.value)?;
            } else {
                note(&field, &mut cx.losses);
            }
            Fate::Remove
        } else {
            Fate::Keep
        });
    }
    Ok(Fate::inside(settle(&spans(&message.members), fates)))
}

fn content_edits(message: &mut Message<'_>) -> Vec<Edit> {
    let Some(content) = message.content else { return Vec::new() };
    if let Some(blocks) = &message.as_user {
        return vec![Edit::new(content.span(), format!("[{}]", blocks.join(",")))];
    }
    let (before, after) = (&message.before, &message.after);
    if !content.is_array() {
        if before.is_empty() && after.is_empty() {
            return Vec::new();
        }
        // A bare string becomes a block between the others.
        let said = content.text().filter(|text| !text.is_empty());
        let own = said.map(|_| format!(r#"{{"type":"text","text":{}}}"#, content.raw().as_str()));
        let all: Vec<&str> = before.iter().chain(&own).chain(after).map(String::as_str).collect();
        return vec![Edit::new(content.span(), format!("[{}]", all.join(",")))];
    }
    let spans: Vec<_> = message.blocks.iter().map(|block| block.node.span()).collect();
    // Something of it stays, or it would be gone: there is a comma to be put in.
    let results = message.blocks.iter().take_while(|block| block.is("tool_result")).count();
    let mut edits = settle(&spans, std::mem::take(&mut message.fates));
    let mut put = |at: usize, text: String| edits.push(Edit::new(at..at, text));
    if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
        if !before.is_empty() {
            match results.checked_sub(1) {
                None => put(first.start, format!("{},", before.join(","))),
                Some(result) => put(spans[result].end, format!(",{}", before.join(","))),
            }
        }
        if !after.is_empty() {
            put(last.end, format!(",{}", after.join(",")));
        }
    } else {
        let all: Vec<&str> = before.iter().chain(after).map(String::as_str).collect();
        put(content.span().start + 1, all.join(","));
    }
    edits.retain(|edit| !edit.span.is_empty() || !edit.text.is_empty());
    edits
}

/// The tools that searches have found, by what the conversation refers to.
fn found_tools(messages: &[Message<'_>]) -> Done<HashSet<String>> {
    let mut found = HashSet::new();
    for block in messages.iter().flat_map(|message| &message.blocks) {
        if !block.kind().ends_with("tool_result") {
            continue;
        }
        let Some(content) = block.member("content") else { continue };
        let mut references = content.elements()?;
        if let Some(list) = content.get("tool_references")? {
            references.extend(list.elements()?);
        }
        for node in references {
            let inner = Block::read(node)?;
            if inner.is("tool_reference") {
                found.extend(inner.text("tool_name").map(|name| name.decode().into_owned()));
            }
        }
    }
    Ok(found)
}
