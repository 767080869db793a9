//! What of a history another provider made.

use std::collections::HashMap;

use gateway_translate::{Json, Malformed, SEALED_PREFIX, is_sealed};
use gateway_types::{Raw, Text};
use memchr::memmem;

use super::Thinking;
use super::blocks::Block;
use super::node::Node;

/// Whether a thinking block can't go up.
pub(super) fn thinking_goes(block: &Block<'_>, policy: Thinking) -> bool {
    let field = if block.is("redacted_thinking") { "data" } else { "signature" };
    // Of duplicates any may be the one that the upstream reads.
    let mut opaque: Vec<_> = block
        .members
        .iter()
        .filter(|m| m.key.is(field))
        .map(|m| m.value.text().unwrap_or_default().decode())
        .collect();
    if opaque.is_empty() {
        opaque.push("".into());
    }
    let none = opaque.iter().any(|text| text.is_empty());
    match policy {
        _ if opaque.iter().any(|text| is_sealed(text)) => true,
        Thinking::Strip => true,
        Thinking::Signed => none,
        Thinking::Preserve => false,
        Thinking::Sanitize => !opaque.iter().all(|text| looks_like_anthropics(text)),
    }
}

/// Anthropic's signatures are base64 of a message whose first field is number 2 and has a length:
/// a first byte of `0x12`, which makes an `E` and a letter from `g` to `v`.
fn looks_like_anthropics(signature: &str) -> bool {
    let bytes = signature.as_bytes();
    bytes.len() >= 64
        && bytes[0] == b'E'
        && (b'g'..=b'v').contains(&bytes[1])
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// Whether opaque text is none of this upstream's: its own is never empty.
fn is_foreign(text: Option<Text<'_>>) -> bool {
    text.is_some_and(|text| text.is_empty() || is_sealed(&text.decode()))
}

/// Whether a tool call was made elsewhere, as far as its id shows: those of Anthropic's models
/// begin with `toolu_`, wherever they run.
pub(super) fn is_foreign_call(id: Text<'_>) -> bool {
    let id = id.decode();
    !id.starts_with("toolu_") || id.starts_with("toolu_gw1_")
}

/// Whether a block of a kind that is not known here carries sealed state somewhere.
pub(super) fn holds_sealed(raw: Raw<'_>) -> bool {
    let json = raw.as_str().as_bytes();
    memmem::find_iter(json, SEALED_PREFIX).any(|at| at > 0 && json[at - 1] == b'"')
}

/// Web searches that another provider made, by the id of the call: what was searched for.
pub(super) type Searches<'b> = HashMap<String, Option<Text<'b>>>;

/// Finds them; `all`: whoever made them, the upstream knows of no searches. Results come after their call, mostly in the same message.
pub(super) fn searches<'b, 'a>(
    blocks: impl Iterator<Item = &'a Block<'b>> + Clone,
    all: bool,
) -> Result<Searches<'b>, Malformed>
where
    'b: 'a,
{
    let mut found = Searches::new();
    for block in blocks.clone().filter(|block| block.is("web_search_tool_result")) {
        let Some(results) = block.member("content") else { continue };
        if all {
            let id = block.text("tool_use_id").unwrap_or_default();
            found.insert(id.decode().into_owned(), None);
            continue;
        }
        for result in results.elements()? {
            if is_foreign(result.get("encrypted_content")?.and_then(Node::text)) {
                let id = block.text("tool_use_id").unwrap_or_default();
                found.insert(id.decode().into_owned(), None);
                break;
            }
        }
    }
    if !found.is_empty() {
        for block in blocks.filter(|block| block.is("server_tool_use")) {
            let id = block.text("id").unwrap_or_default().decode();
            if let (Some(query), Some(input)) = (found.get_mut(&*id), block.member("input")) {
                *query = input.get("query")?.and_then(Node::text);
            }
        }
    }
    Ok(found)
}

/// The results of such a search as a text block: titles and addresses are what can be told.
pub(super) fn search_as_text(
    block: &Block<'_>,
    query: Option<Text<'_>>,
    cache_control: Option<&str>,
) -> Result<String, Malformed> {
    const NEW_LINE: Text<'static> = Text::from_escaped("\\n");
    let mut pieces = vec![Text::plain("Web search")];
    if let Some(query) = query {
        pieces.extend([Text::plain(" for: "), query]);
    }
    let results = block.member("content").map(Node::elements).transpose()?.unwrap_or_default();
    for result in results {
        let field = |key| Ok::<_, Malformed>(result.get(key)?.and_then(Node::text));
        let (title, url) = (field("title")?, field("url")?);
        pieces.extend([NEW_LINE, Text::plain("- ")]);
        pieces.extend(title);
        if let Some(url) = url {
            pieces.extend([Text::plain(if title.is_some() { ": " } else { "" }), url]);
        }
    }
    Ok(text_block(&pieces, cache_control))
}

/// A text block of pieces that are escaped already.
pub(super) fn text_block(pieces: &[Text<'_>], cache_control: Option<&str>) -> String {
    let mut json = Json::new();
    json.object(|json| {
        json.key("type").string("text").key("text").texts(pieces);
        if let Some(mark) = cache_control {
            json.key("cache_control").raw(Raw::from_json(mark));
        }
    });
    json.as_str().to_owned()
}

/// A text block without the citations whose place in a source only another provider knows.
/// `None`: all are gone. The indices of those that go.
pub(super) fn foreign_citations(citations: Node<'_>) -> Result<Vec<bool>, Malformed> {
    let mut foreign = Vec::new();
    for citation in citations.elements()? {
        foreign.push(is_foreign(citation.get("encrypted_index")?.and_then(Node::text)));
    }
    Ok(foreign)
}
