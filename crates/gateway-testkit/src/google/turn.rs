//! What the model says in one turn, Gemini or Claude.

use serde_json::{Value, json};

use super::models::Gemini;
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
    /// How the server writes it down.
    pub style: Style,
    /// What goes wrong on the way.
    pub fault: Option<Fault>,
    /// Answered in place of all the rest.
    pub error: Option<Refusal>,
    /// Why the prompt was blocked: an answer without candidates.
    pub blocked: Option<String>,
    /// What follows once the client asks again with the token of this answer.
    pub continued: Option<Box<Turn>>,
    /// After so many writes of a stream the first gate opens and the second is waited for.
    pub pause: Option<(usize, Gate, Gate)>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Thinking; shown when asked for.
    Thought(String),
    /// Text.
    Text {
        /// All of it.
        text: String,
        /// Pages that all of it comes from.
        sources: Vec<Source>,
    },
    /// A call of a function.
    Call {
        /// As the server names it; none: as [`Style::ids`] says.
        id: Option<String>,
        /// The function.
        name: String,
        /// An object.
        args: Value,
    },
    /// A search that the server made; shows in the grounding metadata.
    Search(String),
    /// Code that the server ran, and its output.
    Code {
        /// Python.
        code: String,
        /// What it printed.
        output: String,
    },
    /// Exactly this part of Gemini's.
    Raw(Value),
    /// Exactly this part of Gemini's, with a signature of its own.
    RawSigned(Value),
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub uri: String,
    /// Its title.
    pub title: String,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// `STOP`, or `CONTINUATION` when the turn is continued.
    #[default]
    Auto,
    /// `MAX_TOKENS`
    MaxTokens,
    /// This word as `finishReason`, and this `finishMessage` unless empty.
    Word(&'static str, &'static str),
    /// None to the end.
    Null,
}

/// Tokens; `cached` is within `prompt`, `thoughts` and `tool_use` are apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt.
    pub prompt: u64,
    /// Read from a cache.
    pub cached: u64,
    /// The answer without thoughts.
    pub candidates: u64,
    /// Thoughts.
    pub thoughts: u64,
    /// What server tools put into the prompt.
    pub tool_use: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { prompt: 1000, cached: 200, candidates: 30, thoughts: 20, tool_use: 0 }
    }
}

/// What goes wrong while an answer is written, after about half of what is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A frame with an error in a 200; of an answer that is not streamed, the whole body.
    Error(Refusal),
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
    pub fn reasoning(thoughts: &[&str]) -> Self {
        Self::default().and_reasoning(thoughts)
    }

    /// An error in place of an answer.
    pub fn error(refusal: Refusal) -> Self {
        Self { error: Some(refusal), ..Self::default() }
    }

    /// A prompt that was blocked: a 200 with this `promptFeedback.blockReason` and no candidates.
    pub fn blocked(reason: &str) -> Self {
        Self { blocked: Some(reason.to_owned()), ..Self::default() }
    }

    /// With more text.
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.and(Part::Text { text: text.into(), sources: Vec::new() })
    }

    /// With a call whose id the server makes up.
    pub fn and_call(self, name: &str, args: &Value) -> Self {
        self.and(Part::Call { id: None, name: name.to_owned(), args: args.clone() })
    }

    /// With a call of this id.
    pub fn and_call_with_id(self, id: &str, name: &str, args: &Value) -> Self {
        let (id, name) = (Some(id.to_owned()), name.to_owned());
        self.and(Part::Call { id, name, args: args.clone() })
    }

    /// With thinking, one thought after another.
    pub fn and_reasoning(self, thoughts: &[&str]) -> Self {
        thoughts.iter().fold(self, |turn, thought| turn.and(Part::Thought((*thought).to_owned())))
    }

    /// With a search.
    pub fn and_search(self, query: &str) -> Self {
        self.and(Part::Search(query.to_owned()))
    }

    /// With text of which all comes from this page.
    pub fn and_cited_text(self, text: &str, uri: &str, title: &str) -> Self {
        let (uri, title) = (uri.to_owned(), title.to_owned());
        self.and(Part::Text { text: text.to_owned(), sources: vec![Source { uri, title }] })
    }

    /// With code that the server ran.
    pub fn and_code(self, code: &str, output: &str) -> Self {
        self.and(Part::Code { code: code.to_owned(), output: output.to_owned() })
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

    /// Going on with `next` when the client repeats the request with the token that this answer has.
    pub fn continued_by(mut self, next: Self) -> Self {
        self.continued = Some(Box::new(next));
        self
    }

    /// Opens `reached` after so many writes of a stream and waits for `go_on`.
    pub fn pausing_after(mut self, writes: usize, reached: &Gate, go_on: &Gate) -> Self {
        self.pause = Some((writes, reached.clone(), go_on.clone()));
        self
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The body.
    pub body: &'a Value,
    /// The model of the path.
    pub model: &'a str,
    /// Which request this is; ids are made from it.
    pub index: usize,
    /// Whose signatures these are.
    pub rules: &'a Rules,
}

impl Asked<'_> {
    pub(crate) fn gemini(&self) -> Gemini {
        Gemini::of(self.model)
    }

    /// A prefix and `length` letters.
    pub(crate) fn id(&self, prefix: &str, number: usize, length: usize) -> String {
        format!("{prefix}{}", letters(&format!("{prefix}{}/{number}", self.index), length))
    }

    /// A field of `generationConfig`, in either spelling.
    pub(crate) fn config(&self, camel: &str, snake: &str) -> &Value {
        let config = either(self.body, "generationConfig", "generation_config");
        either(config, camel, snake)
    }

    /// Whether thoughts are to be shown.
    pub(crate) fn shows_thoughts(&self) -> bool {
        let thinking = self.config("thinkingConfig", "thinking_config");
        *either(thinking, "includeThoughts", "include_thoughts") == true
    }

    /// The token of an answer that can be continued.
    pub(crate) fn token(&self) -> Value {
        json!(self.id("Y29udGludWU", 0, 21))
    }
}

/// The field under the first name, or else under the second.
pub(crate) fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).unwrap_or(&value[snake])
}
