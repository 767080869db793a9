//! What stands in a chunk or an answer, lent as it was written.
//!
//! Servers differ in every detail, so nothing is required here and no shape is refused but what is
//! no JSON at all.

use std::borrow::Cow;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, Text, escape, escaped};

/// A chunk of a stream, or a whole answer.
#[derive(Debug, Default)]
pub(super) struct Chunk<'b> {
    /// The first choice; others are never asked for.
    pub choice: Option<Choice<'b>>,
    /// More of it: some put what a model says and whom it calls into a choice each.
    pub more: Vec<Choice<'b>>,
    pub usage: Option<Raw<'b>>,
    /// An error in the place of an answer.
    pub error: Option<Raw<'b>>,
    pub priority: bool,
    /// It has words that are nobody's answer: in the place of one they tell an error.
    pub complains: bool,
}

#[derive(Debug, Default)]
pub(super) struct Choice<'b> {
    pub delta: Said<'b>,
    /// The message so far or as a whole, where it is given.
    pub message: Option<Said<'b>>,
    pub finish: Option<Text<'b>>,
}

/// A delta or a message: the parts that carry something.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said<'b> {
    pub content: Option<Raw<'b>>,
    pub reasoning_content: Option<Raw<'b>>,
    pub reasoning: Option<Raw<'b>>,
    pub reasoning_details: Option<Raw<'b>>,
    pub refusal: Option<Raw<'b>>,
    pub tool_calls: Option<Raw<'b>>,
    pub function_call: Option<Raw<'b>>,
    pub annotations: Option<Raw<'b>>,
}

impl Said<'_> {
    /// Whether anything is said.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            content,
            reasoning_content,
            reasoning,
            reasoning_details,
            refusal,
            tool_calls,
            function_call,
            annotations: _,
        } = self;
        [
            content,
            reasoning_content,
            reasoning,
            reasoning_details,
            refusal,
            tool_calls,
            function_call,
        ]
        .into_iter()
        .flatten()
        .all(|raw| matches!(raw.as_str(), "\"\"" | "[]" | "{}"))
    }
}

/// Reads one chunk or answer.
pub(super) fn chunk(json: &str) -> Result<Chunk<'_>, Malformed> {
    let mut chunk = Chunk::default();
    let mut says_error = false;
    let mut r = Reader::new(json);
    r.object::<Malformed>(|r, key| {
        match key.escaped() {
            "choices" => choices(r, &mut chunk)?,
            "usage" => chunk.usage = r.raw().map(meaningful)?.or(chunk.usage),
            "error" => chunk.error = r.raw().map(meaningful)?.or(chunk.error),
            "x_groq" if r.kind()? == Kind::Object => r.object::<Malformed>(|r, key| {
                let value = meaningful(r.raw()?);
                match key.escaped() {
                    "usage" => chunk.usage = chunk.usage.or(value),
                    "error" => chunk.error = chunk.error.or(value),
                    _ => {}
                }
                Ok(())
            })?,
            "base_resp" => {
                let raw = r.raw()?;
                if base_resp_failed(raw) {
                    chunk.error = Some(Raw::from_json(json));
                }
            }
            "service_tier" => {
                chunk.priority = r.maybe_string()?.is_some_and(|tier| tier.is("priority"));
            }
            "detail" | "message" | "msg" | "errors" | "error_message" | "error_description" => {
                chunk.complains |= meaningful(r.raw()?).is_some();
            }
            "object" | "type" => says_error |= r.maybe_string()?.is_some_and(|t| t.is("error")),
            _ => r.skip()?,
        }
        Ok(())
    })?;
    r.end()?;
    if says_error && chunk.error.is_none() {
        chunk.error = Some(Raw::from_json(json));
    }
    Ok(chunk)
}

fn choices<'b>(r: &mut Reader<'b>, chunk: &mut Chunk<'b>) -> Result<(), Malformed> {
    if r.kind()? != Kind::Array {
        return r.skip();
    }
    r.array::<Malformed>(|r| {
        if r.kind()? != Kind::Object {
            return r.skip();
        }
        let mut choice = Choice::default();
        let mut index = 0;
        r.object::<Malformed>(|r, key| {
            match key.escaped() {
                "delta" => choice.delta = said(r)?,
                "message" => choice.message = Some(said(r)?),
                "finish_reason" => choice.finish = r.maybe_string()?,
                "index" => index = r.maybe_u64()?.unwrap_or(0),
                "usage" => chunk.usage = r.raw().map(meaningful)?.or(chunk.usage),
                "error" => chunk.error = r.raw().map(meaningful)?.or(chunk.error),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if index == 0 && chunk.choice.is_some() {
            chunk.more.push(choice);
        } else if index == 0 {
            chunk.choice = Some(choice);
        }
        Ok(())
    })
}

fn said<'b>(r: &mut Reader<'b>) -> Result<Said<'b>, Malformed> {
    let mut said = Said::default();
    if r.kind()? != Kind::Object {
        return r.skip().map(|()| said);
    }
    r.object::<Malformed>(|r, key| {
        let place = match key.escaped() {
            "content" => &mut said.content,
            "reasoning_content" => &mut said.reasoning_content,
            "reasoning" => &mut said.reasoning,
            "reasoning_details" => &mut said.reasoning_details,
            "refusal" => &mut said.refusal,
            "tool_calls" => &mut said.tool_calls,
            "function_call" => &mut said.function_call,
            "annotations" => &mut said.annotations,
            _ => return r.skip(),
        };
        let value = r.raw()?;
        if !value.is_null() {
            *place = Some(value);
        }
        Ok(())
    })?;
    Ok(said)
}

/// Neither `null` nor one of the ways to say nothing.
fn meaningful(raw: Raw<'_>) -> Option<Raw<'_>> {
    (!matches!(raw.as_str(), "null" | "{}" | "\"\"" | "false" | "[]" | "0")).then_some(raw)
}

/// `base_resp` of `MiniMax`: an error unless its code is 0.
fn base_resp_failed(raw: Raw<'_>) -> bool {
    let mut code = None;
    let mut r = Reader::new(raw.as_str());
    let read = raw.is_object().then(|| {
        r.object::<Malformed>(|r, key| {
            let value = r.raw()?;
            if key.is("status_code") {
                code = Some(value.as_str());
            }
            Ok(())
        })
    });
    read.is_some_and(|read| read.is_ok()) && code.is_some_and(|code| code != "0" && code != "null")
}

/// The pieces of text in a content: a string, or an array of parts. `thinking` tells parts that are
/// thinking from others.
pub(super) fn pieces<'b>(
    content: Raw<'b>,
    on_piece: &mut dyn FnMut(bool, Text<'b>),
) -> Result<(), Malformed> {
    if let Some(text) = content.as_text() {
        on_piece(false, text);
        return Ok(());
    }
    parts(&mut Reader::new(content.as_str()), false, 0, on_piece)
}

fn parts<'b>(
    r: &mut Reader<'b>,
    thinking: bool,
    depth: usize,
    on_piece: &mut dyn FnMut(bool, Text<'b>),
) -> Result<(), Malformed> {
    match r.kind()? {
        Kind::String => on_piece(thinking, r.string()?),
        Kind::Array if depth < 4 => {
            r.array::<Malformed>(|r| parts(r, thinking, depth + 1, on_piece))?;
        }
        Kind::Object if depth < 4 => {
            let (mut text, mut thought, mut is_thinking) = (None, None, thinking);
            r.object::<Malformed>(|r, key| {
                match key.escaped() {
                    "type" => is_thinking |= r.maybe_string()?.is_some_and(|t| t.is("thinking")),
                    "text" | "refusal" => text = Some(r.raw()?),
                    "thinking" => thought = Some(r.raw()?),
                    _ => r.skip()?,
                }
                Ok(())
            })?;
            if let Some(thought) = thought {
                parts(&mut Reader::new(thought.as_str()), true, depth + 1, on_piece)?;
            }
            if let Some(text) = text {
                parts(&mut Reader::new(text.as_str()), is_thinking, depth + 1, on_piece)?;
            }
        }
        _ => r.skip()?,
    }
    Ok(())
}

/// One entry of `tool_calls`.
#[derive(Debug, Default)]
pub(super) struct CallPiece<'b> {
    pub index: Option<u64>,
    pub id: Option<Text<'b>>,
    pub name: Option<Text<'b>>,
    /// The arguments' JSON text, escaped.
    pub arguments: Option<Cow<'b, str>>,
}

/// The entries of `tool_calls`: an array, or a lone entry.
pub(super) fn calls(raw: Raw<'_>) -> Result<Vec<CallPiece<'_>>, Malformed> {
    let mut all = Vec::new();
    let mut r = Reader::new(raw.as_str());
    match r.kind()? {
        Kind::Array => r.array::<Malformed>(|r| {
            all.push(call(r)?);
            Ok(())
        })?,
        Kind::Object => all.push(call(&mut r)?),
        _ => {}
    }
    Ok(all)
}

/// One entry; the legacy `function_call` has the function's members themselves.
fn call<'b>(r: &mut Reader<'b>) -> Result<CallPiece<'b>, Malformed> {
    let mut piece = CallPiece::default();
    if r.kind()? != Kind::Object {
        return r.skip().map(|()| piece);
    }
    r.object::<Malformed>(|r, key| {
        match key.escaped() {
            "index" => piece.index = r.maybe_u64()?,
            "id" => piece.id = r.maybe_string()?,
            "function" | "custom" if r.kind()? == Kind::Object => {
                r.object::<Malformed>(|r, key| function_member(r, key, &mut piece))?;
            }
            "function" | "custom" => r.skip()?,
            _ => function_member(r, key, &mut piece)?,
        }
        Ok(())
    })?;
    Ok(piece)
}

fn function_member<'b>(
    r: &mut Reader<'b>,
    key: Text<'b>,
    piece: &mut CallPiece<'b>,
) -> Result<(), Malformed> {
    match key.escaped() {
        "name" => piece.name = r.maybe_string()?,
        "arguments" | "input" => {
            let raw = r.raw()?;
            piece.arguments = match raw.as_text() {
                Some(text) => Some(sound(text)),
                None if raw.is_object() => {
                    let mut text = String::with_capacity(raw.as_str().len() + 16);
                    escape(raw.as_str(), &mut text);
                    Some(Cow::Owned(text))
                }
                None => None,
            };
        }
        _ => r.skip()?,
    }
    Ok(())
}

/// `text` as a strict parser takes it: what an upstream wrote between quotes goes on as it is, and
/// some write line feeds or escapes there that JSON does not know.
pub(super) fn sound(text: Text<'_>) -> Cow<'_, str> {
    let inner = text.escaped();
    let mut bytes = inner.bytes();
    let mut good = true;
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            good &= match bytes.next() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                Some(b'u') => (0..4).all(|_| bytes.next().is_some_and(|b| b.is_ascii_hexdigit())),
                _ => false,
            };
        }
        good &= byte >= 0x20;
    }
    if good { Cow::Borrowed(inner) } else { Cow::Owned(escaped(&text.decode()).into_owned()) }
}
