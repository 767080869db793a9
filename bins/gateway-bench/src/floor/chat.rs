//! The least that a translation from Messages to Chat Completions can cost when it is typed: serde
//! structs that borrow, and whatever need not be understood copied as it is written. It knows text,
//! tools and their results and no more: no schemas are fixed, no names, no efforts, no ids.

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Ask<'b> {
    max_tokens: u64,
    #[serde(borrow)]
    system: Option<&'b RawValue>,
    #[serde(borrow)]
    messages: Vec<Message<'b>>,
    #[serde(borrow, default)]
    tools: Vec<Tool<'b>>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message<'b> {
    role: &'b str,
    #[serde(borrow)]
    content: &'b RawValue,
}

#[derive(Deserialize)]
struct Tool<'b> {
    #[serde(borrow)]
    name: &'b RawValue,
    #[serde(borrow)]
    description: &'b RawValue,
    #[serde(borrow)]
    input_schema: &'b RawValue,
}

#[derive(Deserialize)]
struct Block<'b> {
    r#type: &'b str,
    #[serde(borrow)]
    text: Option<&'b RawValue>,
    #[serde(borrow)]
    id: Option<&'b RawValue>,
    #[serde(borrow)]
    name: Option<&'b RawValue>,
    #[serde(borrow)]
    input: Option<&'b RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<&'b RawValue>,
    #[serde(borrow)]
    content: Option<&'b RawValue>,
}

/// A Messages request as one for Chat Completions that asks for `model`.
pub(crate) fn request(body: &[u8], model: &str) -> Result<Vec<u8>> {
    let ask: Ask<'_> = serde_json::from_slice(body)?;
    let mut out = Vec::with_capacity(body.len() + body.len() / 16 + 256);
    put(&mut out, &["{\"model\":\"", model, "\",\"max_completion_tokens\":"]);
    put(&mut out, &[&ask.max_tokens.to_string(), ",\"messages\":["]);
    let first = out.len();
    if let Some(system) = ask.system {
        put(&mut out, &["{\"role\":\"system\",\"content\":"]);
        texts(&mut out, system)?;
        out.push(b'}');
    }
    for message in &ask.messages {
        said(&mut out, message, first)?;
    }
    out.push(b']');
    for (at, tool) in ask.tools.iter().enumerate() {
        put(&mut out, &[if at == 0 { ",\"tools\":[" } else { "," }]);
        put(&mut out, &["{\"type\":\"function\",\"function\":{\"name\":", tool.name.get()]);
        put(&mut out, &[",\"description\":", tool.description.get()]);
        put(&mut out, &[",\"parameters\":", tool.input_schema.get(), "}}"]);
    }
    if !ask.tools.is_empty() {
        out.push(b']');
    }
    if ask.stream {
        put(&mut out, &[",\"stream\":true,\"stream_options\":{\"include_usage\":true}"]);
    }
    out.push(b'}');
    Ok(out)
}

/// One message: its results first, then what it says.
fn said(out: &mut Vec<u8>, message: &Message<'_>, first: usize) -> Result<()> {
    let comma = |out: &mut Vec<u8>| {
        if out.len() > first {
            out.push(b',');
        }
    };
    if message.content.get().starts_with('"') {
        comma(out);
        put(out, &["{\"role\":\"", message.role, "\",\"content\":", message.content.get(), "}"]);
        return Ok(());
    }
    let blocks: Vec<Block<'_>> = serde_json::from_str(message.content.get())?;
    for block in blocks.iter().filter(|block| block.r#type == "tool_result") {
        comma(out);
        let id = block.tool_use_id.context("a result without an id")?;
        put(out, &["{\"role\":\"tool\",\"tool_call_id\":", id.get(), ",\"content\":"]);
        match block.content {
            Some(content) => texts(out, content)?,
            None => put(out, &["\"\""]),
        }
        out.push(b'}');
    }
    let mut parts = blocks.iter().filter_map(|block| block.text).peekable();
    let mut calls = blocks.iter().filter(|block| block.r#type == "tool_use").peekable();
    if parts.peek().is_none() && calls.peek().is_none() {
        return Ok(());
    }
    comma(out);
    put(out, &["{\"role\":\"", message.role, "\",\"content\":"]);
    list(out, parts);
    for (at, call) in calls.enumerate() {
        put(out, &[if at == 0 { ",\"tool_calls\":[" } else { "," }]);
        let (id, name) = (call.id.context("no id")?, call.name.context("no name")?);
        put(out, &["{\"type\":\"function\",\"id\":", id.get()]);
        put(out, &[",\"function\":{\"name\":", name.get(), ",\"arguments\":"]);
        serde_json::to_writer(&mut *out, call.input.context("no input")?.get())?;
        put(out, &["}}"]);
    }
    put(out, &[if blocks.iter().any(|block| block.r#type == "tool_use") { "]}" } else { "}" }]);
    Ok(())
}

/// A string as it is, or text blocks as parts.
fn texts(out: &mut Vec<u8>, content: &RawValue) -> Result<()> {
    if content.get().starts_with('"') {
        put(out, &[content.get()]);
        return Ok(());
    }
    let blocks: Vec<Block<'_>> = serde_json::from_str(content.get())?;
    list(out, blocks.iter().filter_map(|block| block.text));
    Ok(())
}

fn list<'b>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'b RawValue>) {
    out.push(b'[');
    for (at, text) in texts.enumerate() {
        put(out, &[if at == 0 { "" } else { "," }, "{\"type\":\"text\",\"text\":"]);
        put(out, &[text.get(), "}"]);
    }
    out.push(b']');
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

#[derive(Deserialize)]
struct Answer<'b> {
    id: &'b str,
    model: &'b str,
    #[serde(borrow)]
    choices: Vec<Choice<'b>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice<'b> {
    #[serde(borrow, alias = "message")]
    delta: Said<'b>,
    finish_reason: Option<&'b str>,
}

#[derive(Deserialize)]
struct Said<'b> {
    #[serde(borrow)]
    content: Option<&'b RawValue>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

fn stop(finish: Option<&str>) -> Result<&'static str> {
    Ok(match finish {
        Some("stop") | None => "end_turn",
        Some("length") => "max_tokens",
        Some("tool_calls") => "tool_use",
        Some(other) => bail!("finish_reason {other:?}"),
    })
}

/// A whole Chat completion as a message.
pub(crate) fn reply(body: &[u8]) -> Result<Vec<u8>> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    let choice = answer.choices.first().context("an answer without a choice")?;
    let Usage { prompt_tokens, completion_tokens } = answer.usage.unwrap_or_default();
    let text = choice.delta.content.context("an answer that says nothing")?.get();
    let stop = stop(choice.finish_reason)?;
    Ok(format!(
        r#"{{"id":"{}","type":"message","role":"assistant","model":"{}","content":[{{"type":"text","text":{text}}}],"stop_reason":"{stop}","stop_sequence":null,"usage":{{"input_tokens":{prompt_tokens},"output_tokens":{completion_tokens}}}}}"#,
        answer.id, answer.model
    )
    .into())
}

/// A stream of chunks on its way to a stream of events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    started: bool,
    stop: &'static str,
    usage: (u64, u64),
    /// Of a chunk of which not everything has come.
    carry: Vec<u8>,
}

impl Events {
    /// What these bytes say, in Anthropic's words.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len());
        if self.carry.is_empty() {
            let rest = self.chunks(bytes, &mut out)?;
            self.carry.extend_from_slice(rest);
        } else {
            let mut whole = std::mem::take(&mut self.carry);
            whole.extend_from_slice(bytes);
            let rest = self.chunks(&whole, &mut out)?.len();
            whole.drain(..whole.len() - rest);
            self.carry = whole;
        }
        Ok(out)
    }

    fn chunks<'b>(&mut self, mut bytes: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8]> {
        while let Some(end) = memmem::find(bytes, b"\n\n") {
            let data = bytes[..end].strip_prefix(b"data: ").context("a line that is no data")?;
            self.chunk(data, out)?;
            bytes = &bytes[end + 2..];
        }
        Ok(bytes)
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if data == b"[DONE]" {
            let (input, output) = self.usage;
            put(
                out,
                &[
                    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                ],
            );
            put(
                out,
                &[
                    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"",
                    self.stop,
                ],
            );
            let usage = format!(r#"{{"input_tokens":{input},"output_tokens":{output}}}"#);
            put(out, &["\",\"stop_sequence\":null},\"usage\":", &usage, "}\n\n"]);
            put(out, &["event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"]);
            return Ok(());
        }
        let answer: Answer<'_> = serde_json::from_slice(data)?;
        if let Some(usage) = answer.usage {
            self.usage = (usage.prompt_tokens, usage.completion_tokens);
        }
        if !self.started {
            self.started = true;
            put(
                out,
                &[
                    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"",
                    answer.id,
                ],
            );
            put(
                out,
                &["\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"", answer.model],
            );
            put(
                out,
                &[
                    "\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}\n\n",
                ],
            );
            put(
                out,
                &[
                    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
                ],
            );
        }
        let Some(choice) = answer.choices.first() else { return Ok(()) };
        if let Some(text) = choice.delta.content.filter(|text| text.get() != "\"\"") {
            put(
                out,
                &[
                    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":",
                    text.get(),
                    "}}\n\n",
                ],
            );
        }
        if choice.finish_reason.is_some() {
            self.stop = stop(choice.finish_reason)?;
        }
        Ok(())
    }
}
