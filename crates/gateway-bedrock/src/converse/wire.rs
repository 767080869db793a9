//! What Converse sends, as far as it is read. Everything is lent from the text it came in.

use std::borrow::Cow;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, ReplyUsage, Text, UsageQuality, escaped};

/// A text that is not what it should be: not JSON, or with a string that would spoil what it is copied
/// into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad;

impl From<Malformed> for Bad {
    fn from(_: Malformed) -> Self {
        Self
    }
}

type Read<T> = Result<T, Bad>;

/// The payload of an event, or a whole answer.
#[derive(Debug, Default)]
pub(super) struct Payload<'b> {
    /// `contentBlockIndex`
    pub index: Option<u64>,
    pub start: Option<Raw<'b>>,
    pub delta: Option<Raw<'b>>,
    pub stop_reason: Option<Text<'b>>,
    /// `/stop_sequence` of `additionalModelResponseFields`.
    pub stop_sequence: Option<Text<'b>>,
    pub usage: Option<ReplyUsage>,
    /// Served in a priority tier.
    pub priority: bool,
    /// `output.message.content`
    pub content: Option<Vec<Raw<'b>>>,
}

impl<'b> Payload<'b> {
    pub(super) fn read(text: &'b str) -> Read<Self> {
        let mut payload = Self::default();
        whole_object(text, |r, key| {
            match key {
                "contentBlockIndex" => payload.index = r.maybe_u64()?,
                "start" => payload.start = object(r)?,
                "delta" => payload.delta = object(r)?,
                "stopReason" => payload.stop_reason = r.maybe_string()?,
                "additionalModelResponseFields" => {
                    // A pointer's value stands under its path.
                    members(r, |r, key| {
                        let value = clean_string(r)?;
                        if key.trim_start_matches('/') == "stop_sequence" {
                            payload.stop_sequence = value;
                        }
                        Ok(())
                    })?;
                }
                "usage" => payload.usage = usage(r)?,
                "serviceTier" => members(r, |r, key| {
                    let tier = r.maybe_string()?;
                    payload.priority |= key == "type" && tier.is_some_and(|t| t.is("priority"));
                    Ok(())
                })?,
                "output" => members(r, |r, key| {
                    if key != "message" {
                        return Ok(r.skip()?);
                    }
                    members(r, |r, key| {
                        if key != "content" {
                            return Ok(r.skip()?);
                        }
                        let mut blocks = Vec::new();
                        each(r, |raw| {
                            blocks.push(raw);
                            Ok(())
                        })?;
                        payload.content = Some(blocks);
                        Ok(())
                    })
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if let Some(usage) = &mut payload.usage {
            usage.priority = payload.priority;
        }
        Ok(payload)
    }
}

/// What a `start`, a `delta` or a block of a whole answer holds. Of a union one member is there.
#[derive(Debug, Default)]
pub(super) struct Piece<'b> {
    pub text: Option<Text<'b>>,
    pub call: Option<Call<'b>>,
    pub thought: Option<Thought<'b>>,
    pub citation: Option<Raw<'b>>,
    /// `citationsContent`: its texts, and its citations.
    pub cited: Option<(Vec<Text<'b>>, Vec<Raw<'b>>)>,
    /// The result of a tool that the model itself ran.
    pub server_result: bool,
    /// Something else.
    pub other: bool,
}

/// A `toolUse`, or a piece of one.
#[derive(Debug, Default)]
pub(super) struct Call<'b> {
    pub id: Option<Text<'b>>,
    pub name: Option<Text<'b>>,
    /// Escaped.
    pub input: Option<Cow<'b, str>>,
    /// The model itself runs it.
    pub server: bool,
}

/// A `reasoningContent`, or a piece of one.
#[derive(Debug, Default)]
pub(super) struct Thought<'b> {
    pub text: Option<Text<'b>>,
    pub signature: Option<Text<'b>>,
    pub redacted: Option<Text<'b>>,
}

impl<'b> Piece<'b> {
    pub(super) fn read(raw: Raw<'b>) -> Read<Self> {
        let mut piece = Self::default();
        whole_object(raw.as_str(), |r, key| {
            match key {
                "text" => piece.text = clean_string(r)?,
                "toolUse" => piece.call = object(r)?.map(Call::read).transpose()?,
                "reasoningContent" => piece.thought = object(r)?.map(Thought::read).transpose()?,
                "citation" => piece.citation = object(r)?,
                "citationsContent" => {
                    let (mut texts, mut citations) = (Vec::new(), Vec::new());
                    members(r, |r, key| match key {
                        "content" => each(r, |raw| {
                            texts.extend(Piece::read(raw)?.text);
                            Ok(())
                        }),
                        "citations" => each(r, |raw| {
                            citations.push(raw);
                            Ok(())
                        }),
                        _ => Ok(r.skip()?),
                    })?;
                    piece.cited = Some((texts, citations));
                }
                "toolResult" => {
                    r.skip()?;
                    piece.server_result = true;
                }
                // Padding against those who watch lengths.
                "p" => r.skip()?,
                _ => {
                    r.skip()?;
                    piece.other = true;
                }
            }
            Ok(())
        })?;
        Ok(piece)
    }
}

impl<'b> Call<'b> {
    fn read(raw: Raw<'b>) -> Read<Self> {
        let mut call = Self::default();
        whole_object(raw.as_str(), |r, key| {
            match key {
                "toolUseId" => call.id = clean_string(r)?,
                "name" => call.name = clean_string(r)?,
                "input" => call.input = string_or_json(r)?,
                "type" => call.server = r.maybe_string()?.is_some_and(|t| t.is("server_tool_use")),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(call)
    }
}

impl<'b> Thought<'b> {
    fn read(raw: Raw<'b>) -> Read<Self> {
        let mut thought = Self::default();
        whole_object(raw.as_str(), |r, key| {
            match key {
                "text" => thought.text = clean_string(r)?,
                "signature" => thought.signature = clean_string(r)?,
                "redactedContent" => thought.redacted = clean_string(r)?,
                "reasoningText" => members(r, |r, key| {
                    match key {
                        "text" => thought.text = clean_string(r)?,
                        "signature" => thought.signature = clean_string(r)?,
                        _ => r.skip()?,
                    }
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(thought)
    }
}

/// `usage`. Tokens of the cache stand beside the others, as in the Messages API (R33).
fn usage(r: &mut Reader<'_>) -> Read<Option<ReplyUsage>> {
    let (mut input, mut output) = (None, None);
    let mut usage = ReplyUsage::default();
    let counts = &mut usage.counts;
    members(r, |r, key| {
        match key {
            "inputTokens" => input = r.maybe_u64()?,
            "outputTokens" => output = r.maybe_u64()?,
            "cacheReadInputTokens" | "cacheReadInputTokenCount" => {
                counts.cache_read = r.maybe_u64()?.unwrap_or(counts.cache_read);
            }
            "cacheWriteInputTokens" | "cacheWriteInputTokenCount" => {
                counts.cache_write = r.maybe_u64()?.unwrap_or(counts.cache_write);
            }
            // By lifetime; the sum counts where it is not told.
            "cacheDetails" => {
                let (mut sum, mut hour) = (0u64, 0u64);
                each(r, |raw| {
                    let (mut tokens, mut long) = (0, false);
                    whole_object(raw.as_str(), |r, key| {
                        match key {
                            "inputTokens" => tokens = r.maybe_u64()?.unwrap_or(0),
                            "ttl" => long = r.maybe_string()?.is_some_and(|ttl| ttl.is("1h")),
                            _ => r.skip()?,
                        }
                        Ok(())
                    })?;
                    sum = sum.saturating_add(tokens);
                    hour = hour.saturating_add(if long { tokens } else { 0 });
                    Ok(())
                })?;
                counts.cache_write = counts.cache_write.max(sum);
                usage.cache_write_1h = hour;
            }
            _ => r.skip()?,
        }
        Ok(())
    })?;
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    usage.counts.input = input.unwrap_or(0);
    usage.counts.output = output.unwrap_or(0);
    let both = input.is_some() && output.is_some_and(|output| output > 0);
    usage.quality = if both { UsageQuality::Reported } else { UsageQuality::Partial };
    Ok(Some(usage))
}

/// The members of `text`, which is one object and nothing else.
pub(super) fn whole_object<'b>(
    text: &'b str,
    mut on_member: impl FnMut(&mut Reader<'b>, &str) -> Read<()>,
) -> Read<()> {
    let mut reader = Reader::new(text);
    reader.object::<Bad>(|r, key| on_member(r, key.escaped()))?;
    Ok(reader.end()?)
}

/// The members of an object; any other value has none.
pub(super) fn members<'b>(
    r: &mut Reader<'b>,
    mut on_member: impl FnMut(&mut Reader<'b>, &str) -> Read<()>,
) -> Read<()> {
    if r.kind()? != Kind::Object {
        return Ok(r.skip()?);
    }
    r.object::<Bad>(|r, key| on_member(r, key.escaped()))
}

/// The elements of an array; any other value has none.
pub(super) fn each<'b>(
    r: &mut Reader<'b>,
    mut on_element: impl FnMut(Raw<'b>) -> Read<()>,
) -> Read<()> {
    if r.kind()? != Kind::Array {
        return Ok(r.skip()?);
    }
    r.array::<Bad>(|r| on_element(r.raw()?))
}

fn object<'b>(r: &mut Reader<'b>) -> Read<Option<Raw<'b>>> {
    Ok(Some(r.raw()?).filter(|raw| raw.is_object()))
}

/// A string as escaped; an object as the escaped form of its text: `input` is a text in a stream and an
/// object in a whole answer. Any other value but `null` goes the same way, so that it is found to be no
/// object: a tool must not run with arguments that the model did not give.
fn string_or_json<'b>(r: &mut Reader<'b>) -> Read<Option<Cow<'b, str>>> {
    Ok(match r.kind()? {
        Kind::String => Some(Cow::Borrowed(clean(r.string()?)?.escaped())),
        Kind::Null => {
            r.skip()?;
            None
        }
        _ => Some(Cow::Owned(escaped(r.raw()?.as_str()).into_owned())),
    })
}

/// A string that may be copied into another JSON text as it stands.
pub(super) fn clean_string<'b>(r: &mut Reader<'b>) -> Read<Option<Text<'b>>> {
    r.maybe_string()?.map(clean).transpose()
}

/// The reader does not judge what stands inside strings; what is passed on without being read again
/// must hold no raw control character and no escape that JSON lacks.
fn clean(text: Text<'_>) -> Read<Text<'_>> {
    let inner = text.escaped();
    if inner.bytes().any(|byte| byte < 0x20) {
        return Err(Bad);
    }
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        let escape = &rest.as_bytes()[at + 1..];
        let len = match escape.first() {
            Some(b'u') if escape.len() > 4 && escape[1..5].iter().all(u8::is_ascii_hexdigit) => 6,
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            _ => return Err(Bad),
        };
        rest = &rest[at + len..];
    }
    Ok(text)
}
