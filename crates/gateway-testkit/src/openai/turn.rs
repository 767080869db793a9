//! What the model says in one turn, whatever the dialect.

use serde_json::Value;

use super::refusal::Refusal;
use super::style::Style;
use crate::Gate;
use crate::text::letters;

/// One answer of the model. Made by [`Turn::text`] and its like, then extended.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Turn {
    /// In the order in which they are said.
    pub parts: Vec<Part>,
    /// How it ends.
    pub finish: Finish,
    /// What it cost.
    pub usage: Usage,
    /// How the server writes it down.
    pub style: Style,
    /// What goes wrong on the way.
    pub fault: Option<Fault>,
    /// Answered in place of all the rest.
    pub error: Option<Refusal>,
    /// After so many writes of a stream the first gate opens and the second is waited for.
    pub pause: Option<(usize, Gate, Gate)>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Thinking. Responses shows the summary when it was asked for, and a sealed blob when that was;
    /// Chat Completions shows it as [`Style::reasoning`] says.
    Reasoning(Vec<String>),
    /// Text.
    Text {
        /// All of it.
        text: String,
        /// Sources of the text.
        citations: Vec<Citation>,
    },
    /// A call of a function.
    ToolCall {
        /// As the server names it; none: it makes one up.
        id: Option<String>,
        /// The function.
        name: String,
        /// A JSON text, or part of one when the answer is cut.
        args: String,
    },
    /// A call of a freeform tool.
    CustomCall {
        /// The tool.
        name: String,
        /// Any text.
        input: String,
    },
    /// The model declines.
    Refusal(String),
    /// A search that the server made (Responses only).
    WebSearch {
        /// What for.
        query: String,
        /// URLs, shown when asked for.
        sources: Vec<String>,
    },
}

/// Where a stretch of text comes from, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// Where.
    pub url: String,
    /// The page's title.
    pub title: String,
    /// The first character.
    pub start: usize,
    /// The one after the last.
    pub end: usize,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// As the service says it for what was said.
    #[default]
    Auto,
    /// The limit of tokens: `length`, or `incomplete`.
    Length,
    /// The filter: `content_filter`, or `incomplete`.
    ContentFilter,
    /// This word as `finish_reason`; for Responses the same as `Auto`.
    Word(&'static str),
    /// Chat Completions: null to the end.
    Null,
}

/// Tokens; `cached` and `cache_write` are within `prompt`, `reasoning` is within `completion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt.
    pub prompt: u64,
    /// Read from a cache.
    pub cached: u64,
    /// Written into a cache.
    pub cache_write: u64,
    /// All of the answer.
    pub completion: u64,
    /// Thinking.
    pub reasoning: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { prompt: 1000, cached: 200, cache_write: 0, completion: 50, reasoning: 20 }
    }
}

/// What goes wrong while an answer is written, after about half of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Chat: an `error` object in a chunk of the 200, or as its whole body. Responses: an `error` event.
    Error {
        /// `error.code`
        code: String,
        /// `error.message`
        message: String,
    },
    /// Responses: `response.failed`, or `status: failed`. Chat: as [`Fault::Error`].
    Failed {
        /// `error.code`
        code: String,
        /// `error.message`
        message: String,
    },
    /// The body stops after so many bytes and the connection closes in the middle of the framing.
    CutAt(usize),
    /// The body stops after so many bytes; the framing ends as if all were well.
    EndAt(usize),
}

impl Turn {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// A call alone.
    pub fn call(name: &str, args: &Value) -> Self {
        Self::default().and_call(name, args)
    }

    /// Thinking, to be continued.
    pub fn reasoning(summary: &[&str]) -> Self {
        Self::default().and_reasoning(summary)
    }

    /// An error in place of an answer.
    pub fn error(refusal: Refusal) -> Self {
        Self { error: Some(refusal), ..Self::default() }
    }

    /// With more text.
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Part::Text { text: text.into(), citations: Vec::new() })
    }

    /// With a call whose id the server makes up.
    pub fn and_call(self, name: &str, args: &Value) -> Self {
        self.and(Part::ToolCall { id: None, name: name.to_owned(), args: args.to_string() })
    }

    /// With a call of this id and these arguments, which may be no JSON.
    pub fn and_raw_call(self, id: &str, name: &str, args: &str) -> Self {
        let (name, args) = (name.to_owned(), args.to_owned());
        self.and(Part::ToolCall { id: Some(id.to_owned()), name, args })
    }

    /// With thinking.
    pub fn and_reasoning(self, summary: &[&str]) -> Self {
        self.and(Part::Reasoning(summary.iter().map(|&part| part.to_owned()).collect()))
    }

    /// With a refusal.
    pub fn and_refusal(self, text: &str) -> Self {
        self.and(Part::Refusal(text.to_owned()))
    }

    /// With a search.
    pub fn and_search(self, query: &str, sources: &[&str]) -> Self {
        let sources = sources.iter().map(|&url| url.to_owned()).collect();
        self.and(Part::WebSearch { query: query.to_owned(), sources })
    }

    /// With text of which all comes from this page.
    pub fn and_cited_text(self, text: &str, url: &str, title: &str) -> Self {
        let (url, title, end) = (url.to_owned(), title.to_owned(), text.chars().count());
        let citations = vec![Citation { url, title, start: 0, end }];
        self.and(Part::Text { text: text.to_owned(), citations })
    }

    /// With one more part.
    pub fn and(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Ending so.
    pub fn finish(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// Costing so much.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Written so.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Going wrong so.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Opens `reached` after so many writes of a stream and waits for `go_on`.
    pub fn pausing_after(mut self, writes: usize, reached: &Gate, go_on: &Gate) -> Self {
        self.pause = Some((writes, reached.clone(), go_on.clone()));
        self
    }

    pub(crate) fn calls(&self) -> bool {
        let call = |part: &Part| matches!(part, Part::ToolCall { .. } | Part::CustomCall { .. });
        self.parts.iter().any(call)
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The body.
    pub body: &'a Value,
    /// Which request this is; ids are made from it.
    pub index: usize,
    /// Whose reasoning blobs these are.
    pub account: &'a str,
}

impl<'a> Asked<'a> {
    pub(crate) fn model(&self) -> &'a str {
        self.body["model"].as_str().unwrap_or("model")
    }

    /// An id of the kind that the services make: a prefix and `length` letters.
    pub(crate) fn id(&self, prefix: &str, number: usize, length: usize) -> String {
        format!("{prefix}{}", letters(&format!("{prefix}{}/{number}", self.index), length))
    }

    /// The id of the call that is part `number`.
    pub(crate) fn call_id(&self, number: usize, given: Option<&str>) -> String {
        given.map_or_else(|| self.id("call_", number, 24), str::to_owned)
    }
}

/// The time of every answer, in seconds since 1970.
pub(crate) const CREATED: u64 = 1_790_000_000;
