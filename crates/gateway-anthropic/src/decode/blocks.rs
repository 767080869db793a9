//! Content blocks.

use gateway_translate::{Kind, Reader};
use gateway_types::{Block, BlockKind, Raw, Source, Text};

use super::{DecodeError, Result, not_null, wrong};

/// A block may hold blocks, and a document in it may; nobody needs more. Each level is read once more
/// than the one around it.
const MAX_NESTED: usize = 4;

/// A string, or an array of blocks; `null` is nothing.
pub(super) fn content<'b>(
    r: &mut Reader<'b>,
    path: &dyn Fn() -> String,
    depth: usize,
) -> Result<Vec<Block<'b>>> {
    match r.kind()? {
        Kind::String => {
            let raw = r.raw()?;
            let text = raw.as_text().unwrap_or_default();
            let kind = BlockKind::Text { text, citations: None };
            Ok(vec![Block { kind, raw, cache_control: false }])
        }
        Kind::Array => {
            let mut blocks = Vec::new();
            r.array(|r| {
                let block = block(r, &|| format!("{}.{}", path(), blocks.len()), depth)?;
                blocks.push(block);
                Ok::<_, DecodeError>(())
            })?;
            Ok(blocks)
        }
        Kind::Null => {
            r.skip()?;
            Ok(Vec::new())
        }
        _ => Err(wrong(path(), "Input should be a valid string or array")),
    }
}

/// The members of a block that any kind of block has, as they were written.
#[derive(Default)]
struct Members<'b> {
    kind: Option<Text<'b>>,
    text: Option<Text<'b>>,
    citations: Option<Raw<'b>>,
    source: Option<Raw<'b>>,
    title: Option<Text<'b>>,
    context: Option<Text<'b>>,
    content: Option<Raw<'b>>,
    thinking: Option<Text<'b>>,
    signature: Option<Text<'b>>,
    data: Option<Text<'b>>,
    id: Option<Text<'b>>,
    name: Option<Text<'b>>,
    input: Option<Raw<'b>>,
    tool_use_id: Option<Text<'b>>,
    tool_name: Option<Text<'b>>,
    is_error: bool,
    cache_control: bool,
}

fn block<'b>(r: &mut Reader<'b>, path: &dyn Fn() -> String, depth: usize) -> Result<Block<'b>> {
    if r.kind()? != Kind::Object {
        return Err(wrong(path(), "Input should be a valid object"));
    }
    let mut m = Members::default();
    let start = r.position();
    r.object(|r, key| {
        match &*key.decode() {
            "type" => m.kind = r.maybe_string()?,
            "text" => m.text = r.maybe_string()?,
            "citations" => m.citations = not_null(r.raw()?),
            "source" => m.source = not_null(r.raw()?),
            "title" => m.title = r.maybe_string()?,
            "context" => m.context = r.maybe_string()?,
            "content" => m.content = not_null(r.raw()?),
            "thinking" => m.thinking = r.maybe_string()?,
            "signature" => m.signature = r.maybe_string()?,
            "data" => m.data = r.maybe_string()?,
            "id" => m.id = r.maybe_string()?,
            "name" => m.name = r.maybe_string()?,
            "input" => m.input = not_null(r.raw()?),
            "tool_use_id" => m.tool_use_id = r.maybe_string()?,
            "tool_name" => m.tool_name = r.maybe_string()?,
            "is_error" => m.is_error = r.maybe_bool()?.unwrap_or(false),
            "cache_control" => m.cache_control = not_null(r.raw()?).is_some(),
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    let raw = Raw::from_json(r.since(start));
    let cache_control = m.cache_control;
    let kind = kind_of(&m, path, depth)?;
    Ok(Block { kind, raw, cache_control })
}

fn kind_of<'b>(m: &Members<'b>, path: &dyn Fn() -> String, depth: usize) -> Result<BlockKind<'b>> {
    let need = |field: &str| wrong(format!("{}.{field}", path()), "Field required");
    let Some(kind) = m.kind else { return Err(need("type")) };
    Ok(match &*kind.decode() {
        "text" => {
            BlockKind::Text { text: m.text.ok_or_else(|| need("text"))?, citations: m.citations }
        }
        "image" => BlockKind::Image(source(m.source.ok_or_else(|| need("source"))?, path, depth)?),
        "document" => BlockKind::Document {
            source: source(m.source.ok_or_else(|| need("source"))?, path, depth)?,
            title: m.title,
            context: m.context,
        },
        "search_result" => BlockKind::SearchResult {
            source: m.source.and_then(Raw::as_text).ok_or_else(|| need("source"))?,
            title: m.title.unwrap_or_default(),
            content: inner(m.content, path, depth)?,
        },
        "thinking" => BlockKind::Thinking {
            thinking: m.thinking.unwrap_or_default(),
            signature: m.signature.unwrap_or_default(),
        },
        "redacted_thinking" => BlockKind::RedactedThinking { data: m.data.unwrap_or_default() },
        "tool_use" => BlockKind::ToolUse {
            id: m.id.ok_or_else(|| need("id"))?,
            name: m.name.ok_or_else(|| need("name"))?,
            input: m.input.unwrap_or(Raw::from_json("{}")),
        },
        "tool_result" => BlockKind::ToolResult {
            tool_use_id: m.tool_use_id.ok_or_else(|| need("tool_use_id"))?,
            content: inner(m.content, path, depth)?,
            is_error: m.is_error,
        },
        "tool_reference" => {
            BlockKind::ToolReference { tool_name: m.tool_name.ok_or_else(|| need("tool_name"))? }
        }
        "server_tool_use" => BlockKind::ServerToolUse {
            id: m.id.ok_or_else(|| need("id"))?,
            name: m.name.ok_or_else(|| need("name"))?,
            input: m.input.unwrap_or(Raw::from_json("{}")),
        },
        other if other.ends_with("_tool_result") && m.tool_use_id.is_some() => {
            BlockKind::ServerToolResult {
                kind,
                tool_use_id: m.tool_use_id.unwrap_or_default(),
                content: m.content.unwrap_or(Raw::from_json("[]")),
            }
        }
        _ => BlockKind::Unknown { kind },
    })
}

fn inner<'b>(
    raw: Option<Raw<'b>>,
    path: &dyn Fn() -> String,
    depth: usize,
) -> Result<Vec<Block<'b>>> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    if depth == MAX_NESTED {
        return Err(wrong(path(), "content is nested too deeply"));
    }
    content(&mut Reader::new(raw.as_str()), &|| format!("{}.content", path()), depth + 1)
}

fn source<'b>(raw: Raw<'b>, path: &dyn Fn() -> String, depth: usize) -> Result<Source<'b>> {
    let wrong_source = |problem| wrong(format!("{}.source", path()), problem);
    if !raw.is_object() {
        return Err(wrong_source("Input should be a valid object"));
    }
    let (mut kind, mut media_type, mut data, mut url, mut file, mut nested) =
        (None, None, None, None, None, None);
    Reader::new(raw.as_str()).object(|r, key| {
        match &*key.decode() {
            "type" => kind = r.maybe_string()?,
            "media_type" => media_type = r.maybe_string()?,
            "data" => data = r.maybe_string()?,
            "url" => url = r.maybe_string()?,
            "file_id" => file = r.maybe_string()?,
            "content" => nested = not_null(r.raw()?),
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    let required = || wrong_source("a field is missing");
    Ok(match kind.map(Text::decode).as_deref() {
        Some("base64") => Source::Base64 {
            media_type: media_type.ok_or_else(required)?,
            data: data.ok_or_else(required)?,
        },
        Some("url") => Source::Url(url.ok_or_else(required)?),
        Some("file") => Source::File(file.ok_or_else(required)?),
        Some("text") => Source::PlainText(data.ok_or_else(required)?),
        Some("content") => Source::Content(inner(nested, path, depth)?),
        _ => Source::Unknown(raw),
    })
}
