//! What becomes of one content block, wherever it stands.

use std::borrow::Cow;

use gateway_translate::Malformed;
use gateway_types::{ApiError, ErrorKind, Text, What};

use super::features::{CACHE_CONTROL, CACHE_SCOPE, CACHE_TTL, DEFER_LOADING, TOOL_CHANGES};
use super::foreign::{foreign_citations, text_block};
use super::node::{Fate, Member, Node, settle};
use super::{Cx, Documents, Done, Stop, spans};

/// One content block, read one level deep.
#[derive(Debug)]
pub(super) struct Block<'b> {
    pub(super) node: Node<'b>,
    pub(super) members: Vec<Member<'b>>,
    kind: Cow<'b, str>,
}

impl<'b> Block<'b> {
    pub(super) fn read(node: Node<'b>) -> Result<Self, Malformed> {
        let members = node.members()?;
        let kind = members.iter().rev().find(|m| m.key.is("type")).and_then(|m| m.value.text());
        Ok(Self { node, kind: kind.unwrap_or_default().decode(), members })
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    pub(super) fn is_thinking(&self) -> bool {
        self.is("thinking") || self.is("redacted_thinking")
    }

    /// A text block without a text, which no message may consist of.
    pub(super) fn is_empty_text(&self) -> bool {
        self.is("text") && self.text("text").is_none_or(|text| text.decode().trim().is_empty())
    }

    pub(super) fn member(&self, key: &str) -> Option<Node<'b>> {
        self.members.iter().rev().find(|m| m.key.is(key)).map(|m| m.value)
    }

    pub(super) fn text(&self, key: &str) -> Option<Text<'b>> {
        self.member(key).and_then(Node::text)
    }

    /// Its mark of the prompt cache, as far as it stays: for the block that takes its place.
    pub(super) fn cache_mark(&self, cx: &mut Cx<'_>) -> Done<Option<String>> {
        let Some(member) = self.members.iter().rev().find(|m| m.key.is(CACHE_CONTROL)) else {
            return Ok(None);
        };
        Ok(match cache_control(member, cx)? {
            Fate::Keep => Some(member.value.raw().as_str().to_owned()),
            Fate::Remove => None,
            // Without its `ttl` or `scope` it is the plain one: there are no other fields.
            Fate::Inside(_) | Fate::Replace(_) => Some(r#"{"type":"ephemeral"}"#.to_owned()),
        })
    }
}

/// The blocks of `system`, or of a tool's result. A bare string is left alone.
pub(super) fn list(value: Node<'_>, path: &str, cx: &mut Cx<'_>) -> Done<Fate> {
    let elements = value.elements()?;
    let mut fates = Vec::with_capacity(elements.len());
    for (at, node) in elements.iter().enumerate() {
        let block = Block::read(*node)?;
        fates.push(fate(&block, &format!("{path}[{at}]"), cx)?);
    }
    let spans: Vec<_> = elements.iter().map(|node| node.span()).collect();
    Ok(Fate::inside(settle(&spans, fates)))
}

/// What becomes of a block that was not made by another provider.
pub(super) fn fate(block: &Block<'_>, path: &str, cx: &mut Cx<'_>) -> Done<Fate> {
    if cx.policy.lacks.sources && matches!(block.kind(), "image" | "document") {
        refuse_addresses(block, path)?;
    }
    match block.kind() {
        "image" if cx.policy.lacks.images => return image(block, path, cx),
        "document" if cx.policy.documents != Documents::Keep => return document(block, path, cx),
        "tool_reference" if cx.dropped.has(DEFER_LOADING) => {
            cx.losses.add(What::Replaced, path.to_owned(), "this upstream has no tool search");
            let name = block.text("tool_name").unwrap_or_default();
            let mark = block.cache_mark(cx)?;
            let pieces = [Text::plain("The tool "), name, Text::plain(" can be called now.")];
            return Ok(Fate::Replace(text_block(&pieces, mark.as_deref())));
        }
        "tool_addition" | "tool_removal" if cx.dropped.has(TOOL_CHANGES) => {
            cx.losses.add(What::Dropped, path.to_owned(), "this upstream does not take it");
            return Ok(Fate::Remove);
        }
        _ => {}
    }
    let mut fates = Vec::with_capacity(block.members.len());
    for member in &block.members {
        fates.push(if member.key.is(CACHE_CONTROL) {
            cache_control(member, cx)?
        } else if member.key.is("content") && block.is("tool_result") {
            list(member.value, &format!("{path}.content"), cx)?
        } else if member.key.is("citations") && block.is("text") {
            citations(member.value, path, cx)?
        } else {
            Fate::Keep
        });
    }
    Ok(Fate::inside(settle(&spans(&block.members), fates)))
}

/// What becomes of a mark of the prompt cache.
pub(super) fn cache_control(member: &Member<'_>, cx: &mut Cx<'_>) -> Done<Fate> {
    if cx.dropped.has(CACHE_CONTROL) {
        cx.losses.add(What::Hint, CACHE_CONTROL, "this upstream does not take it");
        return Ok(Fate::Remove);
    }
    let (ttl, scope) = (cx.dropped.has(CACHE_TTL), cx.dropped.has(CACHE_SCOPE));
    if !ttl && !scope {
        return Ok(Fate::Keep);
    }
    let members = member.value.members()?;
    let mut fates = Vec::with_capacity(members.len());
    for inner in &members {
        // Five minutes is what there is without the field.
        let goes = (ttl && inner.key.is("ttl")) || (scope && inner.key.is("scope"));
        if goes {
            let path = format!("{CACHE_CONTROL}.{}", inner.key.decode());
            cx.losses.add(What::Hint, path, "this upstream does not take it");
        }
        fates.push(if goes { Fate::Remove } else { Fate::Keep });
    }
    Ok(Fate::inside(settle(&spans(&members), fates)))
}

fn citations(value: Node<'_>, path: &str, cx: &mut Cx<'_>) -> Done<Fate> {
    let foreign = foreign_citations(value)?;
    if !foreign.contains(&true) {
        return Ok(Fate::Keep);
    }
    let why = "citations of another provider's search";
    cx.losses.add(What::Hint, format!("{path}.citations"), why);
    if !foreign.contains(&false) {
        return Ok(Fate::Remove);
    }
    let fates = foreign.iter().map(|goes| if *goes { Fate::Remove } else { Fate::Keep }).collect();
    let spans: Vec<_> = value.elements()?.iter().map(|node| node.span()).collect();
    Ok(Fate::inside(settle(&spans, fates)))
}

/// What is not in the request itself but has to be fetched.
fn refuse_addresses(block: &Block<'_>, path: &str) -> Done<()> {
    let source = block.member("source");
    let kind = source.map(|source| source.get("type")).transpose()?.flatten();
    let kind = kind.and_then(Node::text).unwrap_or_default().decode();
    let by = match &*kind {
        "url" => "by its address",
        "file" => "by the id of an uploaded file",
        _ => return Ok(()),
    };
    let what = format!(
        "{path}: the upstream of this model takes no {} {by}; send its bytes (a source of type \
         `base64`), or use a model of another provider",
        block.kind()
    );
    Err(Stop::Refused(ApiError::new(ErrorKind::InvalidRequest, what).with_should_retry(false)))
}

/// An image for an upstream that sees none.
fn image(block: &Block<'_>, path: &str, cx: &mut Cx<'_>) -> Done<Fate> {
    cx.losses.add(What::Dropped, path.to_owned(), "this upstream can not see images");
    let mark = block.cache_mark(cx)?;
    let told = Text::plain(
        "[An image stood here which this model can not be shown. Say so if it matters.]",
    );
    Ok(Fate::Replace(text_block(&[told], mark.as_deref())))
}

/// A document for an upstream that takes none.
fn document(block: &Block<'_>, path: &str, cx: &mut Cx<'_>) -> Done<Fate> {
    const BLANK_LINE: Text<'static> = Text::from_escaped("\\n\\n");
    let mut pieces = Vec::new();
    if let Some(title) = block.text("title").filter(|title| !title.is_empty()) {
        pieces.extend([Text::plain("Document: "), title, BLANK_LINE]);
    }
    if let Some(context) = block.text("context").filter(|context| !context.is_empty()) {
        pieces.extend([context, BLANK_LINE]);
    }
    let source = block.member("source");
    let field = |key: &str| Ok::<_, Malformed>(source.map(|s| s.get(key)).transpose()?.flatten());
    let kind = field("type")?.and_then(Node::text).unwrap_or_default().decode();
    let mut whole = true;
    let mut said = false;
    match &*kind {
        "text" => {
            let data = field("data")?.and_then(Node::text).unwrap_or_default();
            said = !data.decode().trim().is_empty();
            pieces.push(data);
        }
        "content" => {
            let content = field("content")?;
            pieces.extend(content.and_then(Node::text));
            for node in content.map(Node::elements).transpose()?.unwrap_or_default() {
                match Block::read(node)?.text("text") {
                    Some(text) => pieces.extend([text, BLANK_LINE]),
                    None => whole = false,
                }
            }
            said = pieces.iter().any(|piece| !piece.decode().trim().is_empty());
        }
        _ => whole = false,
    }
    if !whole && cx.policy.documents == Documents::Refuse {
        let what = format!(
            "{path}: the upstream of this model takes no documents but text; send its text, or use \
             a model of another provider"
        );
        // The client would send the very same again, five times.
        let fault = ApiError::new(ErrorKind::InvalidRequest, what).with_should_retry(false);
        return Err(Stop::Refused(fault));
    }
    if whole {
        cx.losses.add(
            What::Replaced,
            path.to_owned(),
            "this upstream takes documents as text only",
        );
    } else {
        cx.losses.add(What::Dropped, path.to_owned(), "this upstream takes no documents");
    }
    if !whole || !said {
        pieces.push(Text::plain(
            "[A document stood here which this model can not be shown. Say so if it matters.]",
        ));
    }
    let mark = block.cache_mark(cx)?;
    Ok(Fate::Replace(text_block(&pieces, mark.as_deref())))
}
