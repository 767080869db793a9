//! A Messages request as a canonical one.
//!
//! One pass over the body; texts and values are lent as they were written. What the API would
//! refuse for its meaning (a result without its call) is let through: each dialect deals with it in
//! its own way. What can't be understood is refused with the path of the field, as the API does.

mod blocks;
#[cfg(test)]
mod tests;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{
    ApiError, ErrorKind, Message, Raw, Request, Role, Text, Thinking, ThinkingDisplay,
    ThinkingMode, Tool, ToolChoice, ToolKind,
};

use blocks::content;

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

/// Each piece of an answer is searched for all of them.
const MAX_STOPS: usize = 1024;

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
    match &*key.decode() {
        "model" => request.model = string(r, "model")?,
        "stream" => request.stream = r.maybe_bool()?.unwrap_or(false),
        "max_tokens" => request.max_tokens = r.maybe_u64()?,
        "system" => request.system = content(r, &|| "system".to_owned(), 0)?,
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
                if request.stop_sequences.len() == MAX_STOPS {
                    return Err(wrong("stop_sequences", "there are more than 1024"));
                }
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
        match &*key.decode() {
            "role" => role = r.maybe_string()?,
            "content" => blocks = Some(content(r, &|| format!("{}.content", path()), 0)?),
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

fn tool<'b>(r: &mut Reader<'b>, at: usize) -> Result<Tool<'b>> {
    let path = |field: &str| format!("tools.{at}{field}");
    if r.kind()? != Kind::Object {
        return Err(wrong(path(""), "Input should be a valid object"));
    }
    let (mut name, mut kind, mut description, mut schema) = (None, None, None, None);
    let (mut strict, mut deferred) = (false, false);
    let start = r.position();
    r.object(|r, key| {
        match &*key.decode() {
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
        match &*key.decode() {
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
        match &*key.decode() {
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
        match &*key.decode() {
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
