//! What the model says in one turn, whatever the operation.

use serde_json::Value;

use super::refusal::Refusal;
use super::rules::Rules;
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
    /// How the service writes it down.
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
    /// Thinking; signed where the model signs.
    Reasoning(String),
    /// Thinking that may not be shown, sealed.
    Redacted(String),
    /// Text.
    Text {
        /// All of it.
        text: String,
        /// Sources of the text.
        citations: Vec<Citation>,
    },
    /// A call of a tool.
    ToolUse {
        /// As the server names it; none: it makes one up.
        id: Option<String>,
        /// The tool.
        name: String,
        /// A JSON text, or part of one when the answer is cut.
        input: String,
    },
}

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The source's title.
    pub title: String,
    /// The words cited.
    pub cited: String,
    /// Where they stand.
    pub location: Location,
}

/// Where cited words stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A page of the web.
    Web {
        /// Its URL.
        url: String,
    },
    /// Characters of a text document.
    Char {
        /// Which document, from 0.
        document: usize,
        /// The first character.
        start: usize,
        /// The one after the last.
        end: usize,
    },
    /// Pages of a PDF.
    Page {
        /// Which document, from 0.
        document: usize,
        /// The first page, from 1.
        start: usize,
        /// The one after the last.
        end: usize,
    },
    /// Pieces of a document given in pieces.
    Chunk {
        /// Which document, from 0.
        document: usize,
        /// The first piece.
        start: usize,
        /// The one after the last.
        end: usize,
    },
}

/// Why the model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// `tool_use` after a call, else `end_turn`.
    #[default]
    Auto,
    /// This word, such as `max_tokens` or `guardrail_intervened`.
    Word(&'static str),
    /// `stop_sequence` with the sequence that was met.
    StopSequence(String),
}

/// Tokens. `input` is without what was read from a cache or written into one; `output` is with reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The prompt beside the caches.
    pub input: u64,
    /// All of the answer.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written for five minutes.
    pub cache_write_5m: u64,
    /// Written for an hour.
    pub cache_write_1h: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input: 800, output: 50, cache_read: 200, cache_write_5m: 0, cache_write_1h: 0 }
    }
}

/// What goes wrong while an answer is written. All but the cuts also fail an answer that is not streamed
/// as far as they can: as an HTTP error.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// An exception as a frame after so many frames; 0: in place of the first.
    Exception {
        /// Frames before.
        after: usize,
        /// Which.
        refusal: Refusal,
    },
    /// A frame of the type `error` after so many frames.
    Error {
        /// Frames before.
        after: usize,
        /// `:error-code`
        code: String,
        /// `:error-message`
        message: String,
    },
    /// The checksum of this frame's payload is wrong.
    BadChecksum(usize),
    /// The checksum of this frame's lengths is wrong.
    BadPrelude(usize),
    /// The framing ends as if all were well before the stop was said.
    NoStop,
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
    pub fn call(name: &str, input: &Value) -> Self {
        Self::default().and_call(name, input)
    }

    /// Thinking, to be continued.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::default().and_reasoning(text)
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
    pub fn and_call(self, name: &str, input: &Value) -> Self {
        self.and(Part::ToolUse { id: None, name: name.to_owned(), input: input.to_string() })
    }

    /// With a call of this id and this input, which may be no JSON.
    pub fn and_raw_call(self, id: &str, name: &str, input: &str) -> Self {
        let (name, input) = (name.to_owned(), input.to_owned());
        self.and(Part::ToolUse { id: Some(id.to_owned()), name, input })
    }

    /// With thinking.
    pub fn and_reasoning(self, text: impl Into<String>) -> Self {
        self.and(Part::Reasoning(text.into()))
    }

    /// With thinking that may not be shown.
    pub fn and_redacted(self, text: impl Into<String>) -> Self {
        self.and(Part::Redacted(text.into()))
    }

    /// With text that has sources.
    pub fn and_cited_text(self, text: &str, citations: &[Citation]) -> Self {
        self.and(Part::Text { text: text.to_owned(), citations: citations.to_vec() })
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

    /// The word of the stop.
    pub(crate) fn stop(&self) -> &'static str {
        let calls = self.parts.iter().any(|part| matches!(part, Part::ToolUse { .. }));
        match &self.finish {
            Finish::Auto if calls && !self.style.end_turn_for_calls => "tool_use",
            Finish::Auto => "end_turn",
            Finish::Word(word) => word,
            Finish::StopSequence(_) => "stop_sequence",
        }
    }

    /// The sequence that was met.
    pub(crate) fn stop_sequence(&self) -> Option<&str> {
        match &self.finish {
            Finish::StopSequence(met) => Some(met),
            _ => None,
        }
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The body.
    pub body: &'a Value,
    /// Which request this is; ids are made from it.
    pub index: usize,
    /// Whose answer it is.
    pub rules: &'a Rules,
}

impl Asked<'_> {
    /// An id of the kind that the service makes: a prefix and `length` letters.
    pub(crate) fn id(&self, prefix: &str, number: usize, length: usize) -> String {
        format!("{prefix}{}", letters(&format!("{prefix}{}/{number}", self.index), length))
    }

    /// The padding of frame `number`, of a length that says nothing.
    pub(crate) fn padding(&self, number: usize) -> String {
        self.id("", number, 1 + (number * 7) % 31)
    }
}
