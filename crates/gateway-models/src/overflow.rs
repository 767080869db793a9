//! Texts about prompts that are too long: reading those of servers, writing those that Claude Code
//! understands.
//!
//! A prompt that fits no more is cured by compaction, a `max_tokens` for which no room is left by a
//! smaller one. Servers word both alike, so [`parse`] and [`no_room`] tell them apart by the numbers.

/// What a text about a prompt that is too long tells.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Overflow {
    /// The tokens of the prompt, if said.
    pub tokens: Option<u64>,
    /// The most there may be, if said.
    pub limit: Option<u64>,
}

/// A prompt that fits, with no room behind it for the answer that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom {
    /// The tokens of the prompt.
    pub prompt: u64,
    /// The `max_tokens` asked for.
    pub answer: u64,
    /// The most that both may be.
    pub limit: u64,
}

/// The text that makes Claude Code compact its conversation and go on.
///
/// A refused prompt was longer than the limit whatever an estimate says, so `tokens` is shown as at
/// least one more.
///
/// ```
/// use gateway_models::overflow;
///
/// assert_eq!(overflow::render(140_231, 128_000), "prompt is too long: 140231 tokens > 128000 maximum");
/// ```
pub fn render(tokens: u64, limit: u64) -> String {
    let tokens = tokens.max(limit.saturating_add(1));
    format!("prompt is too long: {tokens} tokens > {limit} maximum")
}

impl NoRoom {
    /// The text upon which Claude Code asks again with a smaller `max_tokens`.
    pub fn render(&self) -> String {
        let Self { prompt, answer, limit } = self;
        format!("input length and `max_tokens` exceed context limit: {prompt} + {answer} > {limit}")
    }
}

/// What `message` says of a prompt that is too long; `None` if it speaks of anything else, such as a
/// rate limit or a `max_tokens` that is too large. It may be an error's text or the whole body.
///
/// ```
/// use gateway_models::overflow::{self, Overflow};
///
/// let said = "This model's maximum context length is 128000 tokens. However, your messages \
///             resulted in 140231 tokens. Please reduce the length of the messages.";
/// let overflow = Overflow { tokens: Some(140_231), limit: Some(128_000) };
/// assert_eq!(overflow::parse(said), Some(overflow));
/// assert_eq!(overflow::parse("Rate limit reached: 30000 tokens per min"), None);
/// ```
pub fn parse(message: &str) -> Option<Overflow> {
    let text = normal(message);
    let any = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if !any(SIGNS) || any(NOT_OVERFLOW) {
        return None;
    }
    let limit = LIMIT_AFTER.iter().find_map(|marker| after(&text, marker));
    let prompt = prompt_part(&text);
    if let (Some(prompt), Some(limit)) = (prompt, limit)
        && prompt <= limit
        && answer_part(&text).is_some()
    {
        return None;
    }
    let tokens = prompt.or_else(|| TOKENS_AFTER.iter().find_map(|marker| after(&text, marker)));
    let by = after(&text, "max context length by ");
    let tokens = tokens.or_else(|| limit.zip(by).map(|(limit, by)| limit.saturating_add(by)));
    Some(Overflow { tokens, limit })
}

/// What `message` says of an answer for which the prompt leaves no room, with all three numbers.
///
/// ```
/// use gateway_models::overflow::{self, NoRoom};
///
/// let said = "This model's maximum context length is 65536 tokens. However, you requested 70000 \
///             tokens (38000 in the messages, 32000 in the completion).";
/// let no_room = NoRoom { prompt: 38_000, answer: 32_000, limit: 65_536 };
/// assert_eq!(overflow::no_room(said), Some(no_room));
/// assert_eq!(overflow::parse(said), None);
/// ```
pub fn no_room(message: &str) -> Option<NoRoom> {
    let text = normal(message);
    // Anthropic's own: `… exceed context limit: 100000 + 128000 > 200000`.
    if let Some((_, rest)) = text.split_once("exceed context limit: ") {
        let (prompt, rest) = rest.split_once(" + ")?;
        let (answer, rest) = rest.split_once(" > ")?;
        let [prompt, answer, limit] = [prompt, answer, rest].map(number);
        return Some(NoRoom { prompt: prompt?, answer: answer?, limit: limit? });
    }
    let limit = LIMIT_AFTER.iter().find_map(|marker| after(&text, marker))?;
    let (prompt, answer) = (prompt_part(&text)?, answer_part(&text)?);
    let overfull = prompt <= limit && prompt.saturating_add(answer) > limit;
    overfull.then_some(NoRoom { prompt, answer, limit })
}

/// One of these says that a prompt is too long, or stands in texts about both.
const SIGNS: &[&str] = &[
    "context_length_exceeded",
    "model_context_window_exceeded",
    "exceed_context_size_error",
    "prompt_too_long",
    "string_too_long",
    // OpenAI, Azure, vLLM, SGLang, OpenRouter, DeepSeek, Mistral, Fireworks.
    "maximum context length",
    "model's context length",
    "exceeds the context window",
    "exceed the configured limit",
    "longer than the maximum model length",
    "exceeds the max_model_len",
    // llama.cpp, Ollama, LM Studio.
    "exceeds the available context size",
    "exceeds the context length",
    "exceeded max context length",
    "context length of only",
    // Anthropic, Bedrock.
    "prompt is too long",
    "input is too long",
    // Gemini, Kimi, Groq, Cerebras, xAI, Z.ai, MiniMax, Alibaba, Copilot.
    "exceeds the maximum number of tokens allowed",
    "exceeded model token limit",
    "reduce the length of the messages",
    "maximum prompt length",
    "prompt exceeds max length",
    "context window exceeds limit",
    "range of input length should be",
    "prompt token count of",
];

/// Texts that share words with the above and mean something else.
const NOT_OVERFLOW: &[&str] = &[
    "tokens per min",
    "tokens per day",
    "(tpm)",
    "(tpd)",
    "rate limit",
    "rate_limit_exceeded",
    "max_tokens is too large",
    "max_completion_tokens is too large",
    "max_tokens or max_completion_tokens is too large",
    "supports at most",
];

/// What stands before the number of the limit.
const LIMIT_AFTER: &[&str] = &[
    "maximum context length is ",
    "maximum context length of ",
    "maximum context length (",
    "maximum context length: ",
    "model with ",
    "context length is only ",
    "context length of only ",
    "context length (",
    "max_model_len ",
    "maximum model length of ",
    "maximum prompt length is ",
    "configured limit of ",
    "available context size (",
    "n_ctx: ",
    "n_ctx:",
    "tokens allowed (",
    "model token limit: ",
    "input length should be [1, ",
    "exceeds the limit of ",
    "while limit is ",
    " tokens > ",
];

/// What stands before the number of the prompt's tokens, where the answer is not told apart.
const TOKENS_AFTER: &[&str] = &[
    "resulted in ",
    "requested about ",
    "requested a total of ",
    "you requested ",
    "requested: ",
    "prompt is too long: ",
    "prompt contains ",
    "request contains ",
    "prompt length ",
    "prompt (length ",
    "the input (",
    "request (",
    "input length (",
    "input token count (",
    "prompt token count of ",
    "n_prompt_tokens: ",
    "n_prompt_tokens:",
    "current length is ",
    "keep the first ",
];

/// What stands behind numbers that add up to the prompt.
const PROMPT_BEFORE: &[&str] = &[
    " in the messages",
    " in the functions",
    " of text input",
    " of tool input",
    " of image input",
    " tokens from the input messages",
    " input tokens",
];

/// What stands behind the number of the answer's tokens.
const ANSWER_BEFORE: &[&str] =
    &[" in the completion", " in the output", " tokens for the completion", " output tokens"];

fn prompt_part(text: &str) -> Option<u64> {
    PROMPT_BEFORE.iter().filter_map(|marker| before(text, marker)).reduce(u64::saturating_add)
}

fn answer_part(text: &str) -> Option<u64> {
    let named = ANSWER_BEFORE.iter().find_map(|marker| before(text, marker));
    named.or_else(|| after(text, "max_completion_tokens is too large: "))
}

/// In lower case, without quotation marks and escapes: a text reads alike alone and in a body. Only so
/// much of it as an error's text is long.
fn normal(message: &str) -> String {
    let text: String = message.chars().take(LONGEST).filter(|c| !"\"'`\\".contains(*c)).collect();
    // The apostrophe of `model's` is gone too.
    text.to_ascii_lowercase()
        .replace("models maximum", "model's maximum")
        .replace("models context", "model's context")
}

fn after(text: &str, marker: &str) -> Option<u64> {
    text.match_indices(marker).find_map(|(at, _)| number(&text[at + marker.len()..]))
}

/// The number that `text` begins with, thousands set apart or not.
fn number(text: &str) -> Option<u64> {
    let end = text.bytes().position(|b| !b.is_ascii_digit() && b != b',').unwrap_or(text.len());
    text[..end].replace(',', "").parse().ok()
}

/// The number right before `marker`.
fn before(text: &str, marker: &str) -> Option<u64> {
    let (head, _) = text.split_once(marker)?;
    let start = head.bytes().rposition(|b| !b.is_ascii_digit() && b != b',').map_or(0, |at| at + 1);
    number(&head[start..])
}

/// Characters of a message that are read.
const LONGEST: usize = 16 << 10;

#[cfg(test)]
mod tests;
