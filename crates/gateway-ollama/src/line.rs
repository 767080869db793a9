//! Lines of a stream, cut anywhere, and what one says.

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, Text};
use memchr::memchr;

/// Longest line that is taken: a call comes whole in one, with all its arguments.
const MAX_LINE_BYTES: usize = 32 << 20;

/// Puts lines together.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

/// A line that never ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    /// Hands each line that `chunk` ends to `take`, as long as it wants more.
    pub(crate) fn push<E: From<TooLong>>(
        &mut self,
        chunk: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut chunk = chunk;
        while let Some(at) = memchr(b'\n', chunk) {
            let (line, after) = (&chunk[..at], &chunk[at + 1..]);
            let more = if self.rest.is_empty() {
                take(line)?
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(line);
                take(&whole)?
            };
            if !more {
                return Ok(false);
            }
            chunk = after;
        }
        if self.rest.len() + chunk.len() > MAX_LINE_BYTES {
            return Err(TooLong.into());
        }
        self.rest.extend_from_slice(chunk);
        Ok(true)
    }

    /// What came behind the last line feed.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }
}

/// What a line says.
#[derive(Debug, Default)]
pub(crate) struct Line<'b> {
    pub content: Option<Text<'b>>,
    pub thinking: Option<Text<'b>>,
    pub tool_calls: Option<Raw<'b>>,
    pub done: bool,
    pub done_reason: Option<Text<'b>>,
    pub prompt_tokens: Option<u64>,
    pub tokens: Option<u64>,
    pub error: Option<Raw<'b>>,
    /// It has something of an answer.
    pub answers: bool,
}

impl<'b> Line<'b> {
    pub(crate) fn read(json: &'b str) -> Result<Self, Malformed> {
        let mut line = Self::default();
        let mut r = Reader::new(json);
        r.object::<Malformed>(|r, key| {
            match key.escaped() {
                "message" if r.kind()? == Kind::Object => {
                    line.answers = true;
                    r.object::<Malformed>(|r, key| {
                        match key.escaped() {
                            "content" => line.content = r.raw()?.as_text(),
                            "thinking" => line.thinking = r.raw()?.as_text(),
                            "tool_calls" => {
                                line.tool_calls = Some(r.raw()?).filter(|r| !r.is_null());
                            }
                            _ => r.skip()?,
                        }
                        Ok(())
                    })?;
                }
                "done" => {
                    line.answers = true;
                    line.done = r.raw()?.as_str() == "true";
                }
                "done_reason" => line.done_reason = r.maybe_string()?,
                "prompt_eval_count" => line.prompt_tokens = r.maybe_u64()?,
                "eval_count" => line.tokens = r.maybe_u64()?,
                "error" => {
                    let raw = r.raw()?;
                    line.error = Some(raw).filter(|raw| !matches!(raw.as_str(), "null" | "\"\""));
                }
                _ => r.skip()?,
            }
            Ok(())
        })?;
        r.end()?;
        Ok(line)
    }
}

/// A call: whole, with an id on newer servers.
#[derive(Debug, Default)]
pub(crate) struct Call<'b> {
    pub id: Option<Text<'b>>,
    pub name: Option<Text<'b>>,
    /// An object, or a string that holds one.
    pub arguments: Option<Raw<'b>>,
}

/// The calls of a message.
pub(crate) fn calls(raw: Raw<'_>) -> Result<Vec<Call<'_>>, Malformed> {
    let mut all = Vec::new();
    let mut r = Reader::new(raw.as_str());
    if r.kind()? != Kind::Array {
        return Ok(all);
    }
    r.array::<Malformed>(|r| {
        let mut call = Call::default();
        r.object::<Malformed>(|r, key| {
            match key.escaped() {
                "id" => call.id = r.maybe_string()?,
                "function" if r.kind()? == Kind::Object => r.object::<Malformed>(|r, key| {
                    match key.escaped() {
                        "name" => call.name = r.maybe_string()?,
                        "arguments" => call.arguments = Some(r.raw()?).filter(|raw| !raw.is_null()),
                        _ => r.skip()?,
                    }
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        all.push(call);
        Ok(())
    })?;
    Ok(all)
}
