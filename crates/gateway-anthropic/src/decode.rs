//! A Messages request as a canonical one.
//!
//! One pass over the body; texts and values are lent as they were written. What the API would
//! refuse for its meaning (a result without its call) is let through: each dialect deals with it in
//! its own way. What can't be understood is refused with the path of the field, as the API does.

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{
    ApiError, Block, BlockKind, ErrorKind, Message, Raw, Request, Role, Source, Text, Thinking,
    ThinkingDisplay, ThinkingMode, Tool, ToolChoice, ToolKind,
};

/// Why a body is no Messages request. A 400 for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("the request body is not valid: {0}")]
    Malformed(#[from] Malformed),
    /// Not UTF-8.
    #[error("the request body is not valid UTF-8 at byte {0}")]
    Utf8(usize),
    /// A field is not what it must be.
    #[error("{path}: {problem}")]
    Field {
        /// Where, e.g. `messages.0.content.1`.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl From<DecodeError> for ApiError {
    fn from(fault: DecodeError) -> Self {
        Self::new(ErrorKind::InvalidRequest, fault.to_string())
    }
}

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads the body of `POST /v1/messages` or `/v1/messages/count_tokens`.
///
/// # Errors
/// [`DecodeError`], naming the field.
pub fn decode(body: &[u8]) -> Result<Request<'_>> {
    let text = std::str::from_utf8(body).map_err(|err| DecodeError::Utf8(err.valid_up_to()))?;
    let mut reader = Reader::new(text);
    let mut request = Request::default();
    let mut messages = false;
    if reader.kind()? != Kind::Object {
        return Err(wrong("body", "Input should be a valid object"));
    }
    reader.object(|r, key| top_level(r, key, &mut request, &mut messages))?;
    reader.end()?;
    if !messages {
        return Err(wrong("messages", "Field required"));
    }
    Ok(request)
}

fn top_level<'b>(
    r: &mut Reader<'b>,
    key: Text<'b>,
    request: &mut Request<'b>,
    messages: &mut bool,
) -> Result<()> {
    match key.escaped() {
        "model" => request.model = string(r, "model")?,
        "stream" => request.stream = r.maybe_bool()?.unwrap_or(false),
        "max_tokens" => request.max_tokens = r.maybe_u64()?,
        "system" => request.system = content(r, &|| "system".to_owned())?,
        "messages" => {
            *messages = true;
            if r.kind()? != Kind::Array {
                return Err(wrong("messages", "Input should be a valid array"));
            }
            r.array(|r| {
                let message = message(r, request.messages.len())?;
                request.messages.push(message);
                Ok::<_, DecodeError>(())
            })?;
        }
        "tools" => {
            if is_null(r)? {
                return Ok(());
            }
            if r.kind()? != Kind::Array {
                return Err(wrong("tools", "Input should be a valid array"));
            }
            r.array(|r| {
                let tool = tool(r, request.tools.len())?;
                request.tools.push(tool);
                Ok::<_, DecodeError>(())
            })?;
        }
        "tool_choice" => tool_choice(r, request)?,
        "thinking" => request.thinking = thinking(r)?,
        "output_config" => output_config(r, request)?,
        // The older name of `output_config.format`.
        "output_format" => format(r, request)?,
        "temperature" => request.temperature = not_null(r.raw()?),
        "top_p" => request.top_p = not_null(r.raw()?),
        "top_k" => request.top_k = not_null(r.raw()?),
        "stop_sequences" => {
            if is_null(r)? {
                return Ok(());
            }
            if r.kind()? != Kind::Array {
                return Err(wrong("stop_sequences", "Input should be a valid array"));
            }
            r.array(|r| {
                request.stop_sequences.push(string(r, "stop_sequences")?);
                Ok::<_, DecodeError>(())
            })?;
        }
        "metadata" => {
            if r.kind()? != Kind::Object {
                r.skip()?;
                return Ok(());
            }
            r.object(|r, key| {
                if key.is("user_id") {
                    request.user_id = r.maybe_string()?;
                } else {
                    r.skip()?;
                }
                Ok::<_, DecodeError>(())
            })?;
        }
        "service_tier" => request.service_tier = r.maybe_string()?,
        "speed" => request.speed = r.maybe_string()?,
        _ => {
            let value = r.raw()?;
            request.others.push((key, value));
        }
    }
    Ok(())
}

fn message<'b>(r: &mut Reader<'b>, at: usize) -> Result<Message<'b>> {
    let path = || format!("messages.{at}");
    if r.kind()? != Kind::Object {
        return Err(wrong(path(), "Input should be a valid object"));
    }
    let mut role = None;
    let mut blocks = None;
    r.object(|r, key| {
        match key.escaped() {
            "role" => role = r.maybe_string()?,
            "content" => blocks = Some(content(r, &|| format!("{}.content", path()))?),
            // `output_config`, `clear_at`: hints for one turn, which no other API has.
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    let role = match role.map(Text::decode).as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        _ => {
            let problem = "Input should be 'user', 'assistant' or 'system'";
            return Err(wrong(format!("{}.role", path()), problem));
        }
    };
    let content = blocks.ok_or_else(|| wrong(format!("{}.content", path()), "Field required"))?;
    Ok(Message { role, content })
}

/// A string, or an array of blocks; `null` is nothing.
fn content<'b>(r: &mut Reader<'b>, path: &dyn Fn() -> String) -> Result<Vec<Block<'b>>> {
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
                let block = block(r, &|| format!("{}.{}", path(), blocks.len()))?;
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

fn block<'b>(r: &mut Reader<'b>, path: &dyn Fn() -> String) -> Result<Block<'b>> {
    if r.kind()? != Kind::Object {
        return Err(wrong(path(), "Input should be a valid object"));
    }
    let mut m = Members::default();
    let start = r.position();
    r.object(|r, key| {
        match key.escaped() {
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
    let kind = kind_of(&m, path)?;
    Ok(Block { kind, raw, cache_control })
}

fn kind_of<'b>(m: &Members<'b>, path: &dyn Fn() -> String) -> Result<BlockKind<'b>> {
    let need = |field: &str| wrong(format!("{}.{field}", path()), "Field required");
    let Some(kind) = m.kind else { return Err(need("type")) };
    Ok(match &*kind.decode() {
        "text" => {
            BlockKind::Text { text: m.text.ok_or_else(|| need("text"))?, citations: m.citations }
        }
        "image" => BlockKind::Image(source(m.source.ok_or_else(|| need("source"))?, path)?),
        "document" => BlockKind::Document {
            source: source(m.source.ok_or_else(|| need("source"))?, path)?,
            title: m.title,
            context: m.context,
        },
        "search_result" => BlockKind::SearchResult {
            source: m.source.and_then(Raw::as_text).ok_or_else(|| need("source"))?,
            title: m.title.unwrap_or_default(),
            content: inner(m.content, path)?,
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
            content: inner(m.content, path)?,
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

fn inner<'b>(raw: Option<Raw<'b>>, path: &dyn Fn() -> String) -> Result<Vec<Block<'b>>> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    content(&mut Reader::new(raw.as_str()), &|| format!("{}.content", path()))
}

fn source<'b>(raw: Raw<'b>, path: &dyn Fn() -> String) -> Result<Source<'b>> {
    let wrong_source = |problem| wrong(format!("{}.source", path()), problem);
    if !raw.is_object() {
        return Err(wrong_source("Input should be a valid object"));
    }
    let (mut kind, mut media_type, mut data, mut url, mut file, mut nested) =
        (None, None, None, None, None, None);
    Reader::new(raw.as_str()).object(|r, key| {
        match key.escaped() {
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
        Some("content") => Source::Content(inner(nested, path)?),
        _ => Source::Unknown(raw),
    })
}

fn tool<'b>(r: &mut Reader<'b>, at: usize) -> Result<Tool<'b>> {
    let path = |field: &str| format!("tools.{at}{field}");
    if r.kind()? != Kind::Object {
        return Err(wrong(path(""), "Input should be a valid object"));
    }
    let (mut name, mut kind, mut description, mut schema) = (None, None, None, None);
    let (mut strict, mut deferred) = (false, false);
    let start = r.position();
    r.object(|r, key| {
        match key.escaped() {
            "name" => name = r.maybe_string()?,
            "type" => kind = r.maybe_string()?,
            "description" => description = r.maybe_string()?,
            "input_schema" => schema = not_null(r.raw()?),
            "strict" => strict = r.maybe_bool()?.unwrap_or(false),
            "defer_loading" => deferred = r.maybe_bool()?.unwrap_or(false),
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    let raw = Raw::from_json(r.since(start));
    let name = name.or(kind).ok_or_else(|| wrong(path(".name"), "Field required"))?;
    let kind = match kind {
        Some(kind) if !kind.is("custom") => ToolKind::Versioned { kind },
        _ => {
            let schema = schema.ok_or_else(|| wrong(path(".input_schema"), "Field required"))?;
            ToolKind::Custom { description, schema, strict }
        }
    };
    Ok(Tool { name, kind, deferred, raw })
}

fn tool_choice<'b>(r: &mut Reader<'b>, request: &mut Request<'b>) -> Result<()> {
    if is_null(r)? {
        return Ok(());
    }
    if r.kind()? != Kind::Object {
        return Err(wrong("tool_choice", "Input should be a valid object"));
    }
    let (mut kind, mut name) = (None, None);
    r.object(|r, key| {
        match key.escaped() {
            "type" => kind = r.maybe_string()?,
            "name" => name = r.maybe_string()?,
            "disable_parallel_tool_use" => {
                request.disable_parallel_tools = r.maybe_bool()?.unwrap_or(false);
            }
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    request.tool_choice = Some(match kind.map(Text::decode).as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Any,
        Some("none") => ToolChoice::None,
        Some("tool") => {
            ToolChoice::Tool(name.ok_or_else(|| wrong("tool_choice.name", "Field required"))?)
        }
        _ => {
            let problem = "Input should be 'auto', 'any', 'tool' or 'none'";
            return Err(wrong("tool_choice.type", problem));
        }
    });
    Ok(())
}

fn thinking(r: &mut Reader<'_>) -> Result<Option<Thinking>> {
    if is_null(r)? {
        return Ok(None);
    }
    if r.kind()? != Kind::Object {
        return Err(wrong("thinking", "Input should be a valid object"));
    }
    let (mut kind, mut budget, mut display) = (None, None, ThinkingDisplay::Shown);
    r.object(|r, key| {
        match key.escaped() {
            "type" => kind = r.maybe_string()?,
            "budget_tokens" => budget = r.maybe_u64()?,
            "display" => {
                if r.maybe_string()?.is_some_and(|word| word.is("omitted")) {
                    display = ThinkingDisplay::Omitted;
                }
            }
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    let mode = match kind.map(Text::decode).as_deref() {
        Some("disabled") => ThinkingMode::Disabled,
        Some("adaptive") => ThinkingMode::Adaptive,
        Some("between_tools") => ThinkingMode::BetweenTools,
        Some("enabled") => {
            let missing = || wrong("thinking.enabled.budget_tokens", "Field required");
            ThinkingMode::Enabled { budget_tokens: budget.ok_or_else(missing)? }
        }
        _ => {
            let problem = "Input should be 'enabled', 'adaptive', 'between_tools' or 'disabled'";
            return Err(wrong("thinking.type", problem));
        }
    };
    Ok(Some(Thinking { mode, display }))
}

fn output_config<'b>(r: &mut Reader<'b>, request: &mut Request<'b>) -> Result<()> {
    if r.kind()? != Kind::Object {
        r.skip()?;
        return Ok(());
    }
    r.object(|r, key| {
        match key.escaped() {
            "effort" => request.effort = r.maybe_string()?,
            "format" => format(r, request)?,
            _ => r.skip()?,
        }
        Ok::<_, DecodeError>(())
    })
}

fn format<'b>(r: &mut Reader<'b>, request: &mut Request<'b>) -> Result<()> {
    if r.kind()? != Kind::Object {
        r.skip()?;
        return Ok(());
    }
    r.object(|r, key| {
        if key.is("schema") {
            request.format = not_null(r.raw()?);
        } else {
            r.skip()?;
        }
        Ok::<_, DecodeError>(())
    })
}

fn string<'b>(r: &mut Reader<'b>, path: &str) -> Result<Text<'b>> {
    r.maybe_string()?.ok_or_else(|| wrong(path, "Input should be a valid string"))
}

fn is_null(r: &mut Reader<'_>) -> Result<bool> {
    let null = r.kind()? == Kind::Null;
    if null {
        r.skip()?;
    }
    Ok(null)
}

fn not_null(raw: Raw<'_>) -> Option<Raw<'_>> {
    (!raw.is_null()).then_some(raw)
}

fn wrong(path: impl Into<String>, problem: &'static str) -> DecodeError {
    DecodeError::Field { path: path.into(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_request_holds_is_read() {
        let body = br#"{"model":"m","max_tokens":4096,"stream":true,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
            "messages":[{"role":"user","content":"hi \"you\""},
              {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"sig"},{"type":"redacted_thinking","data":"d"},
                {"type":"tool_use","id":"c1","name":"Bash","input":{"a":[1]},"caller":{"type":"direct"}}]},
              {"role":"user","content":[{"tool_use_id":"c1","is_error":true,"type":"tool_result","content":[{"type":"text","text":"x"},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},{"type":"tool_reference","tool_name":"f"}]}]},
              {"role":"system","content":"","output_config":{"effort":"high"}},
              {"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
                {"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"novel","x":1}]}],
            "tools":[{"name":"Bash","description":"d","input_schema":{"type":"object"},"defer_loading":true,"strict":true},
              {"type":"web_search_20250305","name":"web_search","max_uses":8}],
            "tool_choice":{"type":"tool","name":"Bash","disable_parallel_tool_use":true},
            "thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"},
            "output_config":{"effort":"max","format":{"type":"json_schema","schema":{"x":1}}},
            "temperature":0.5,"top_p":null,"top_k":40,"stop_sequences":["a"],"metadata":{"user_id":"u"},"service_tier":"auto","context_management":{"edits":[]}}"#;
        let r = decode(body).expect("a request");
        assert!(r.model.is("m") && r.stream && r.max_tokens == Some(4096));
        assert!(r.system[0].cache_control);
        assert!(
            matches!(r.messages[0].content[0].kind, BlockKind::Text { text, .. } if text.is("hi \"you\""))
        );
        assert!(
            matches!(r.messages[1].content[0].kind, BlockKind::Thinking { signature, .. } if signature.is("sig"))
        );
        let BlockKind::ToolUse { input, .. } = r.messages[1].content[2].kind else {
            panic!("a call")
        };
        assert_eq!(input.as_str(), r#"{"a":[1]}"#);
        assert!(r.messages[1].content[2].raw.as_str().ends_with(r#""caller":{"type":"direct"}}"#));
        let BlockKind::ToolResult { content, is_error: true, .. } = &r.messages[2].content[0].kind
        else {
            panic!("a result")
        };
        assert!(matches!(content[1].kind, BlockKind::Image(Source::Base64 { .. })));
        assert!(matches!(content[2].kind, BlockKind::ToolReference { .. }));
        assert_eq!(r.messages[3].role, Role::System);
        assert!(matches!(r.messages[4].content[1].kind, BlockKind::ServerToolResult { .. }));
        assert!(
            matches!(r.messages[4].content[2].kind, BlockKind::Unknown { kind } if kind.is("novel"))
        );
        assert!(
            r.tools[0].deferred && matches!(r.tools[0].kind, ToolKind::Custom { strict: true, .. })
        );
        assert!(matches!(r.tools[1].kind, ToolKind::Versioned { .. }));
        assert!(
            matches!(r.tool_choice, Some(ToolChoice::Tool(name)) if name.is("Bash"))
                && r.disable_parallel_tools
        );
        let thinking = Thinking {
            mode: ThinkingMode::Enabled { budget_tokens: 1024 },
            display: ThinkingDisplay::Omitted,
        };
        assert_eq!(r.thinking, Some(thinking));
        assert!(
            r.effort.is_some_and(|e| e.is("max"))
                && r.format.is_some_and(|f| f.as_str() == r#"{"x":1}"#)
        );
        assert!(r.temperature.is_some() && r.top_p.is_none() && r.top_k.is_some());
        assert_eq!((r.stop_sequences.len(), r.others.len()), (1, 1));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (body, text) in [
            (r#"{"model":"m"}"#, "messages: Field required"),
            (r#"{"messages":{}}"#, "messages: Input should be a valid array"),
            (r#"{"messages":[7]}"#, "messages.0: Input should be a valid object"),
            (
                r#"{"messages":[{"role":"x","content":""}]}"#,
                "messages.0.role: Input should be 'user', 'assistant' or 'system'",
            ),
            (r#"{"messages":[{"role":"user"}]}"#, "messages.0.content: Field required"),
            (
                r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
                "messages.0.content.0.type: Field required",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text"}]}]}"#,
                "messages.0.content.1.text: Field required",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image"}]}]}]}"#,
                "messages.0.content.0.content.0.source: Field required",
            ),
            (r#"{"messages":[],"tools":[{"name":"x"}]}"#, "tools.0.input_schema: Field required"),
            (
                r#"{"messages":[],"tool_choice":{"type":"tool"}}"#,
                "tool_choice.name: Field required",
            ),
            (
                r#"{"messages":[],"thinking":{"type":"loud"}}"#,
                "thinking.type: Input should be 'enabled', 'adaptive', 'between_tools' or 'disabled'",
            ),
            (r#"{"messages":[],"model":7}"#, "model: Input should be a valid string"),
            ("[]", "body: Input should be a valid object"),
        ] {
            assert_eq!(
                decode(body.as_bytes()).map(|_| ()).map_err(|e| e.to_string()),
                Err(text.to_owned())
            );
        }
        for broken in ["", "{", r#"{"messages":[}"#, r#"{"messages":[]} x"#] {
            assert!(
                matches!(decode(broken.as_bytes()), Err(DecodeError::Malformed(_))),
                "{broken}"
            );
        }
        assert_eq!(decode(b"{\"a\":\"\xff\"}").map(|_| ()), Err(DecodeError::Utf8(6)));
    }
}
