//! What a Responses server sends, as far as it is read. Everything is lent from the text it came in.

use std::borrow::Cow;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, ReplyUsage, Text, UsageQuality, escaped};

/// A text that is not what it should be: not JSON, or with a string that would spoil what it is
/// copied into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad;

impl From<Malformed> for Bad {
    fn from(_: Malformed) -> Self {
        Self
    }
}

type Read<T> = Result<T, Bad>;

/// One event of a stream.
#[derive(Debug, Default)]
pub(super) struct Event<'b> {
    pub kind: Option<Text<'b>>,
    pub item_id: Option<Text<'b>>,
    pub output_index: Option<u64>,
    /// `content_index` or `summary_index`.
    pub part_index: u64,
    pub delta: Option<Text<'b>>,
    /// `text`, `refusal` or `arguments`: all of what deltas brought.
    pub whole: Option<Cow<'b, str>>,
    pub item: Option<Raw<'b>>,
    pub part: Option<Raw<'b>>,
    pub annotation: Option<Raw<'b>>,
    pub response: Option<Raw<'b>>,
    pub error: Option<Raw<'b>>,
}

impl<'b> Event<'b> {
    pub(super) fn read(text: &'b str) -> Read<Self> {
        let mut event = Self::default();
        whole_object(text, |r, key| {
            match key {
                "type" => event.kind = r.maybe_string()?,
                "item_id" => event.item_id = r.maybe_string()?,
                "output_index" => event.output_index = r.maybe_u64()?,
                "content_index" | "summary_index" => {
                    event.part_index = r.maybe_u64()?.unwrap_or(0);
                }
                "delta" => event.delta = clean_string(r)?,
                "text" | "refusal" | "arguments" => event.whole = string_or_json(r)?,
                "item" => event.item = object(r)?,
                "part" => event.part = object(r)?,
                "annotation" => event.annotation = object(r)?,
                "response" => event.response = object(r)?,
                "error" => event.error = some(r)?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(event)
    }
}

/// One item of the output.
#[derive(Debug, Default)]
pub(super) struct Item<'b> {
    pub kind: Text<'b>,
    pub id: Text<'b>,
    pub status: Option<Text<'b>>,
    pub phase: Option<Text<'b>>,
    pub call_id: Option<Text<'b>>,
    pub name: Option<Text<'b>>,
    pub arguments: Option<Cow<'b, str>>,
    pub encrypted: Option<Text<'b>>,
    /// Texts of the summary's parts.
    pub summary: Vec<Text<'b>>,
    pub content: Vec<Part<'b>>,
    pub action: Option<Raw<'b>>,
}

impl<'b> Item<'b> {
    pub(super) fn read(raw: Raw<'b>) -> Read<Self> {
        let mut item = Self::default();
        whole_object(raw.as_str(), |r, key| {
            match key {
                "type" => item.kind = clean_string(r)?.unwrap_or_default(),
                "id" => item.id = clean_string(r)?.unwrap_or_default(),
                "status" => item.status = r.maybe_string()?,
                "phase" => item.phase = clean_string(r)?,
                "call_id" => item.call_id = clean_string(r)?,
                "name" => item.name = clean_string(r)?,
                "arguments" => item.arguments = string_or_json(r)?,
                "encrypted_content" => {
                    item.encrypted = clean_string(r)?.filter(|text| !text.is_empty());
                }
                "summary" => each(r, |raw| {
                    item.summary.push(Part::read(raw)?.text);
                    Ok(())
                })?,
                "content" => each(r, |raw| {
                    item.content.push(Part::read(raw)?);
                    Ok(())
                })?,
                "action" => item.action = object(r)?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(item)
    }
}

/// One part of a message, of a summary or of reasoning.
#[derive(Debug, Default)]
pub(super) struct Part<'b> {
    pub refusal: bool,
    pub text: Text<'b>,
    pub annotations: Vec<Raw<'b>>,
}

impl<'b> Part<'b> {
    pub(super) fn read(raw: Raw<'b>) -> Read<Self> {
        let mut part = Self::default();
        if let Some(text) = raw.as_text() {
            part.text = clean(text)?;
            return Ok(part);
        }
        whole_object(raw.as_str(), |r, key| {
            match key {
                "type" => part.refusal = r.maybe_string()?.is_some_and(|kind| kind.is("refusal")),
                "text" | "refusal" => {
                    if let Some(text) = clean_string(r)? {
                        part.text = text;
                    }
                }
                "annotations" => each(r, |raw| {
                    part.annotations.push(raw);
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(part)
    }
}

/// The response as a whole.
#[derive(Debug, Default)]
pub(super) struct Response<'b> {
    pub status: Option<Text<'b>>,
    /// `incomplete_details.reason`.
    pub incomplete: Option<Text<'b>>,
    pub error: Option<Raw<'b>>,
    pub output: Vec<Raw<'b>>,
    /// Whether there is an `output` at all.
    pub has_output: bool,
    pub usage: Option<ReplyUsage>,
}

impl<'b> Response<'b> {
    pub(super) fn read(text: &'b str) -> Read<Self> {
        let mut response = Self::default();
        let mut priority = false;
        whole_object(text, |r, key| {
            match key {
                "status" => response.status = r.maybe_string()?,
                "incomplete_details" => response.incomplete = member(r, "reason")?,
                "error" => response.error = some(r)?,
                "output" => {
                    response.has_output = r.kind()? == Kind::Array;
                    each(r, |raw| {
                        response.output.push(raw);
                        Ok(())
                    })?;
                }
                "usage" => response.usage = usage(r)?,
                "service_tier" => {
                    priority = r.maybe_string()?.is_some_and(|t| t.is("priority") || t.is("fast"));
                }
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if let Some(usage) = &mut response.usage {
            usage.priority = priority;
        }
        Ok(response)
    }
}

/// `usage`. Cached tokens stand inside the prompt's here and beside them in the Messages API (R33).
fn usage(r: &mut Reader<'_>) -> Read<Option<ReplyUsage>> {
    if r.kind()? != Kind::Object {
        r.skip()?;
        return Ok(None);
    }
    let (mut input, mut output) = (None, None);
    let mut usage = ReplyUsage::default();
    r.object::<Bad>(|r, key| {
        match key.escaped() {
            "input_tokens" => input = r.maybe_u64()?,
            "output_tokens" => output = r.maybe_u64()?,
            "input_tokens_details" => numbers(r, |key, number| match key {
                "cached_tokens" => usage.counts.cache_read = number,
                "cache_write_tokens" => usage.counts.cache_write = number,
                _ => {}
            })?,
            "output_tokens_details" => numbers(r, |key, number| {
                if key == "reasoning_tokens" {
                    usage.thinking = number;
                }
            })?,
            _ => r.skip()?,
        }
        Ok(())
    })?;
    // No prompt is empty and no answer for nothing: a count of zero is none.
    let (input, output) = (input.filter(|n| *n > 0), output.filter(|n| *n > 0));
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    let counts = &mut usage.counts;
    let cached = counts.cache_read.saturating_add(counts.cache_write);
    counts.input = input.unwrap_or(0).saturating_sub(cached);
    counts.output = output.unwrap_or(0);
    let both = input.is_some() && output.is_some();
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

fn numbers(r: &mut Reader<'_>, mut on_number: impl FnMut(&str, u64)) -> Read<()> {
    if r.kind()? != Kind::Object {
        return Ok(r.skip()?);
    }
    r.object::<Bad>(|r, key| {
        if let Some(number) = r.maybe_u64()? {
            on_number(key.escaped(), number);
        }
        Ok(())
    })
}

fn member<'b>(r: &mut Reader<'b>, name: &str) -> Read<Option<Text<'b>>> {
    let mut found = None;
    if r.kind()? == Kind::Object {
        r.object::<Bad>(|r, key| {
            let text = r.maybe_string()?;
            if key.is(name) {
                found = text;
            }
            Ok(())
        })?;
    } else {
        r.skip()?;
    }
    Ok(found)
}

fn object<'b>(r: &mut Reader<'b>) -> Read<Option<Raw<'b>>> {
    Ok(Some(r.raw()?).filter(|raw| raw.is_object()))
}

fn some<'b>(r: &mut Reader<'b>) -> Read<Option<Raw<'b>>> {
    Ok(Some(r.raw()?).filter(|raw| !raw.is_null()))
}

/// A string as escaped; an object as the escaped form of its text (some servers do not quote
/// arguments).
fn string_or_json<'b>(r: &mut Reader<'b>) -> Read<Option<Cow<'b, str>>> {
    Ok(match r.kind()? {
        Kind::String => Some(Cow::Borrowed(clean(r.string()?)?.escaped())),
        Kind::Object => Some(Cow::Owned(escaped(r.raw()?.as_str()).into_owned())),
        _ => {
            r.skip()?;
            None
        }
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

/// How many bytes of UTF-8 an escaped text is when it is decoded, without decoding it.
pub(super) fn decoded_len(text: Text<'_>) -> usize {
    let mut rest = text.escaped();
    let mut len = 0;
    while let Some(at) = rest.find('\\') {
        len += at;
        let escape = &rest[at..];
        let (read, is) = match escape.as_bytes().get(1) {
            Some(b'u') => {
                let unit = escape.get(2..6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                (
                    6,
                    match unit {
                        Some(0..=0x7f) => 1,
                        // Half of a pair, which is four bytes.
                        Some(0x80..=0x7ff | 0xd800..=0xdfff) => 2,
                        _ => 3,
                    },
                )
            }
            _ => (2, 1),
        };
        len += is;
        rest = rest.get(at + read..).unwrap_or_default();
    }
    len + rest.len()
}

#[cfg(test)]
mod tests;
