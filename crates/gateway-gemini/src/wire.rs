//! What the service sends, as far as it is read. Everything is lent from the text it came in.

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, Text};

/// A text that is not what it should be: not JSON, or with a string that would spoil what it is
/// copied into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad;

impl From<Malformed> for Bad {
    fn from(_: Malformed) -> Self {
        Self
    }
}

pub(crate) type Read<T> = Result<T, Bad>;

/// One piece of an answer, or all of it.
#[derive(Debug, Default)]
pub(crate) struct Frame<'b> {
    pub parts: Vec<Part<'b>>,
    pub finish: Option<Text<'b>>,
    pub finish_message: Option<Text<'b>>,
    pub token: Option<Text<'b>>,
    pub grounding: Option<Raw<'b>>,
    /// Why the prompt was refused.
    pub block_reason: Option<Text<'b>>,
    pub block_message: Option<Text<'b>>,
    pub counts: Option<Counts>,
    pub error: Option<Raw<'b>>,
    /// Whether any member that an answer has was there.
    pub known: bool,
}

/// One part of the content.
#[derive(Debug)]
pub(crate) struct Part<'b> {
    pub raw: Raw<'b>,
    pub kind: PartKind<'b>,
    pub signature: Option<Text<'b>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum PartKind<'b> {
    Text(Text<'b>),
    Thought(Text<'b>),
    Call(Call<'b>),
    /// Code that the service runs: language, code.
    Code(Text<'b>, Text<'b>),
    /// What came of it.
    CodeResult(Text<'b>),
    /// The trace of a tool that the service ran.
    ServerTool,
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call<'b> {
    pub id: Option<Text<'b>>,
    pub name: Text<'b>,
    /// An object, or what was sent in place of one.
    pub arguments: Option<Raw<'b>>,
    /// Arguments in pieces, which nobody asked for.
    pub partial: bool,
}

/// `usageMetadata`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub prompt: Option<u64>,
    pub cached: Option<u64>,
    pub tool_prompt: Option<u64>,
    pub candidates: Option<u64>,
    pub thoughts: Option<u64>,
    pub total: Option<u64>,
    pub priority: bool,
}

impl<'b> Frame<'b> {
    pub(crate) fn read(text: &'b str) -> Read<Self> {
        let mut frame = Self::default();
        let mut seen = false;
        whole_object(text, |r, key| {
            match key {
                "candidates" => {
                    frame.known = true;
                    if r.kind()? != Kind::Array {
                        return Ok(r.skip()?);
                    }
                    // One is asked for; whatever more there is, is an alternative to it.
                    r.array::<Bad>(|r| {
                        if std::mem::replace(&mut seen, true) {
                            return Ok(r.skip()?);
                        }
                        frame.candidate(r)
                    })?;
                }
                "promptFeedback" => {
                    frame.known = true;
                    members(r, |r, key| {
                        match key {
                            "blockReason" => frame.block_reason = clean_string(r)?,
                            "blockReasonMessage" => frame.block_message = clean_string(r)?,
                            _ => r.skip()?,
                        }
                        Ok(())
                    })?;
                }
                "usageMetadata" => {
                    frame.known = true;
                    frame.counts = counts(r)?;
                }
                "modelVersion" | "responseId" => {
                    frame.known = true;
                    r.skip()?;
                }
                "error" => frame.error = Some(r.raw()?).filter(|raw| !raw.is_null()),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(frame)
    }

    fn candidate(&mut self, r: &mut Reader<'b>) -> Read<()> {
        members(r, |r, key| {
            match key {
                "content" => members(r, |r, key| {
                    if key == "parts" {
                        return each(r, |raw| {
                            self.parts.extend(Part::read(raw)?);
                            Ok(())
                        });
                    }
                    Ok(r.skip()?)
                })?,
                "finishReason" => self.finish = clean_string(r)?.filter(|text| !text.is_empty()),
                "finishMessage" => self.finish_message = clean_string(r)?,
                "continuationToken" => {
                    self.token = clean_string(r)?.filter(|text| !text.is_empty());
                }
                "groundingMetadata" => {
                    self.grounding = Some(r.raw()?).filter(|raw| raw.is_object());
                }
                _ => r.skip()?,
            }
            Ok(())
        })
    }
}

impl<'b> Part<'b> {
    /// A part; `None` for what is no object.
    fn read(raw: Raw<'b>) -> Read<Option<Self>> {
        if !raw.is_object() {
            return Ok(None);
        }
        let (mut text, mut thought, mut kind, mut signature) = (None, false, None, None);
        whole_object(raw.as_str(), |r, key| {
            match key {
                "text" => text = clean_string(r)?,
                "thought" => thought = r.maybe_bool()? == Some(true),
                "thoughtSignature" => {
                    signature = clean_string(r)?.filter(|text| !text.is_empty());
                }
                "functionCall" => {
                    let mut call = Call::default();
                    members(r, |r, key| {
                        match key {
                            "id" => call.id = clean_string(r)?.filter(|id| !id.is_empty()),
                            "name" => call.name = clean_string(r)?.unwrap_or_default(),
                            "args" => call.arguments = Some(r.raw()?).filter(|raw| !raw.is_null()),
                            "partialArgs" => {
                                call.partial = true;
                                r.skip()?;
                            }
                            "willContinue" => call.partial |= r.maybe_bool()? == Some(true),
                            _ => r.skip()?,
                        }
                        Ok(())
                    })?;
                    kind = Some(PartKind::Call(call));
                }
                "executableCode" => {
                    let (mut language, mut code) = (Text::default(), Text::default());
                    members(r, |r, key| {
                        match key {
                            "language" => language = clean_string(r)?.unwrap_or_default(),
                            "code" => code = clean_string(r)?.unwrap_or_default(),
                            _ => r.skip()?,
                        }
                        Ok(())
                    })?;
                    kind = Some(PartKind::Code(language, code));
                }
                "codeExecutionResult" => {
                    let mut output = Text::default();
                    members(r, |r, key| {
                        if key == "output" {
                            output = clean_string(r)?.unwrap_or_default();
                            return Ok(());
                        }
                        Ok(r.skip()?)
                    })?;
                    kind = Some(PartKind::CodeResult(output));
                }
                "toolCall" | "toolResponse" => {
                    kind = Some(PartKind::ServerTool);
                    r.skip()?;
                }
                _ => r.skip()?,
            }
            Ok(())
        })?;
        let kind = kind.unwrap_or(match text {
            Some(text) if thought => PartKind::Thought(text),
            Some(text) => PartKind::Text(text),
            // A file, or something not known yet.
            None => PartKind::Other,
        });
        Ok(Some(Self { raw, kind, signature }))
    }
}

fn counts(r: &mut Reader<'_>) -> Read<Option<Counts>> {
    let mut counts = Counts::default();
    let mut any = false;
    members(r, |r, key| {
        let field = match key {
            "promptTokenCount" => &mut counts.prompt,
            "cachedContentTokenCount" => &mut counts.cached,
            "toolUsePromptTokenCount" => &mut counts.tool_prompt,
            "candidatesTokenCount" => &mut counts.candidates,
            "thoughtsTokenCount" => &mut counts.thoughts,
            "totalTokenCount" => &mut counts.total,
            "trafficType" => {
                let kind = r.maybe_string()?;
                counts.priority = kind.is_some_and(|kind| kind.escaped().contains("PRIORITY"));
                return Ok(());
            }
            _ => return Ok(r.skip()?),
        };
        *field = number(r)?;
        any |= field.is_some();
        Ok(())
    })?;
    Ok(any.then_some(counts))
}

/// A whole number; those of 64 bits may be written as strings.
pub(crate) fn number(r: &mut Reader<'_>) -> Read<Option<u64>> {
    if r.kind()? == Kind::String {
        return Ok(r.string()?.escaped().parse().ok());
    }
    Ok(r.maybe_u64()?)
}

/// The members of `text`, which is one object and nothing else.
pub(crate) fn whole_object<'b>(
    text: &'b str,
    mut on_member: impl FnMut(&mut Reader<'b>, &str) -> Read<()>,
) -> Read<()> {
    let mut reader = Reader::new(text);
    reader.object::<Bad>(|r, key| on_member(r, key.escaped()))?;
    Ok(reader.end()?)
}

/// The members of an object; any other value has none.
pub(crate) fn members<'b>(
    r: &mut Reader<'b>,
    mut on_member: impl FnMut(&mut Reader<'b>, &str) -> Read<()>,
) -> Read<()> {
    if r.kind()? != Kind::Object {
        return Ok(r.skip()?);
    }
    r.object::<Bad>(|r, key| on_member(r, key.escaped()))
}

/// The elements of an array; any other value has none.
pub(crate) fn each<'b>(
    r: &mut Reader<'b>,
    mut on_element: impl FnMut(Raw<'b>) -> Read<()>,
) -> Read<()> {
    if r.kind()? != Kind::Array {
        return Ok(r.skip()?);
    }
    r.array::<Bad>(|r| on_element(r.raw()?))
}

/// A string that may be copied into another JSON text as it stands.
pub(crate) fn clean_string<'b>(r: &mut Reader<'b>) -> Read<Option<Text<'b>>> {
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
