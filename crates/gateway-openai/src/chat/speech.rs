//! What is said, in the order in which a message is made of it: thinking, text, sources, calls.

use gateway_translate::{Assembler, CallRef, Flow, ThinkingShown};
use gateway_types::{EventSink, Fault, Raw, Text, What, escape};

use super::annotations::Annotations;
use super::ending;
use super::reasoning::{Field, Log, Sealer};
use super::think::Tags;
use super::wire::{self, Said, sound};

/// An answer in the making.
#[derive(Debug)]
pub(super) struct State {
    pub(super) assembler: Assembler,
    pub(super) sealer: Sealer,
    pub(super) replays: bool,
    pub(super) tags: Tags,
    pub(super) log: Log,
    /// The text block is open: what comes is more of it.
    pub(super) in_text: bool,
    /// Blanks that stand before a text, if one comes: no block is made of them alone.
    pub(super) blanks: String,
    pub(super) holds_blanks: bool,
    /// A choice has come, with or without content.
    pub(super) answered: bool,
    /// Something was said.
    pub(super) said: bool,
    /// The last chunk said nothing but an empty reason to finish.
    pub(super) blank_finish: bool,
    pub(super) annotations: Annotations,
    pub(super) priority: bool,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) prompt_estimate: u64,
    pub(super) prompt_limit: Option<u64>,
    pub(super) done: bool,
    /// Calls that came in whole messages.
    pub(super) whole_calls: u64,
}

impl State {
    /// Hands on a delta, or a whole message: thinking, text, calls, in this order.
    pub(super) fn say(
        &mut self,
        said: &Said<'_>,
        whole: bool,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        self.thoughts(said, out)?;
        let mut flow = Flow::More;
        if let Some(content) = said.content {
            flow = self.content(content, out)?;
        }
        if let Some(refusal) = said.refusal
            && flow == Flow::More
        {
            for (_, piece) in self.pieces(refusal)? {
                if !piece.is_empty() {
                    self.said = true;
                    self.end_thinking(out)?;
                    flow = self.assembler.refusal(Text::from_escaped(&sound(piece)), out)?;
                }
            }
        }
        if let Some(annotations) = said.annotations {
            for citation in self.annotations.take(annotations) {
                self.assembler.citation(Raw::from_json(&citation), out)?;
            }
        }
        for (calls, legacy) in [(said.tool_calls, false), (said.function_call, true)] {
            if let Some(calls) = calls
                && flow == Flow::More
            {
                self.calls(calls, whole && !legacy, out)?;
            }
        }
        Ok(flow)
    }

    fn thoughts(&mut self, said: &Said<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        let mut plain = None;
        for (raw, field) in
            [(said.reasoning_content, Field::ReasoningContent), (said.reasoning, Field::Reasoning)]
        {
            // Where both are there one is the other's alias.
            plain = plain.or(raw.filter(|raw| raw.as_str() != "\"\"").map(|raw| (raw, field)));
        }
        if let Some(details) = said.reasoning_details {
            let mut texts = Vec::new();
            let read = self.log.details(details, &mut |text| texts.push(text));
            if read.is_err() {
                return Err(self.assembler.nonsense("thinking that can't be read"));
            }
            if plain.is_none() {
                for text in texts {
                    self.thought(&text, Field::Details, out)?;
                }
            }
        }
        if let Some((raw, field)) = plain {
            for (_, piece) in self.pieces(raw)? {
                self.thought(&sound(piece), field, out)?;
            }
        }
        Ok(())
    }

    /// More thinking, escaped.
    fn thought(&mut self, text: &str, field: Field, out: &mut dyn EventSink) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.tags.give_up();
        self.said = true;
        self.in_text = false;
        self.blanks.clear();
        self.log.note(field);
        if self.replays && self.assembler.thinking_shown() == ThinkingShown::Omitted {
            self.log.keep_text(text);
        }
        self.assembler.thinking(Text::from_escaped(text), out)
    }

    /// The thinking is over, if there was any.
    fn end_thinking(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.log.is_empty() {
            return Ok(());
        }
        let log = std::mem::take(&mut self.log);
        if self.assembler.thinking_shown() == ThinkingShown::Hidden {
            return Ok(());
        }
        if log.is_too_long() && self.replays {
            self.assembler.lose(What::Hint, "thinking", "too long to be carried back");
        }
        let signature = log.seal(&self.sealer);
        if self.assembler.in_thinking() {
            return self.assembler.end_thinking(signature.as_deref(), out);
        }
        match signature {
            // Nothing of it can be shown, but it has to come back.
            Some(data) if log.has_details() && self.replays => {
                self.in_text = false;
                self.assembler.redacted(&data, out)
            }
            _ => Ok(()),
        }
    }

    fn content(&mut self, content: Raw<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if let Some(text) = content.as_text() {
            return self.text(text, out);
        }
        for (thinking, piece) in self.pieces(content)? {
            if thinking {
                self.thought(&sound(piece), Field::Tags, out)?;
            } else if self.text(piece, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::More)
    }

    fn pieces<'b>(&self, raw: Raw<'b>) -> Result<Vec<(bool, Text<'b>)>, Fault> {
        let mut pieces = Vec::new();
        wire::pieces(raw, &mut |thinking, piece| pieces.push((thinking, piece)))
            .map_err(|_| self.assembler.nonsense("a text that can't be read"))?;
        Ok(pieces)
    }

    fn text(&mut self, text: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if text.is_empty() {
            return Ok(Flow::More);
        }
        if self.tags.is_through() {
            return self.plain(&sound(text), out);
        }
        let split = self.tags.push(&text.decode());
        self.split(&split.thinking, &split.text, out)
    }

    fn split(
        &mut self,
        thinking: &str,
        text: &str,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        let mut piece = String::new();
        if !thinking.is_empty() {
            escape(thinking, &mut piece);
            self.thought(&piece, Field::Tags, out)?;
            piece.clear();
        }
        if text.is_empty() {
            return Ok(Flow::More);
        }
        escape(text, &mut piece);
        self.plain(&piece, out)
    }

    /// Text of the answer, escaped.
    fn plain(&mut self, text: &str, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.said = true;
        if !self.in_text {
            if self.holds_blanks && is_blank(text) && self.blanks.len() < MAX_BLANKS {
                self.blanks.push_str(text);
                return Ok(Flow::More);
            }
            self.end_thinking(out)?;
            self.in_text = true;
            let blanks = std::mem::take(&mut self.blanks);
            self.assembler.text(Text::from_escaped(&blanks), out)?;
        }
        self.assembler.text(Text::from_escaped(text), out)
    }

    fn calls(&mut self, raw: Raw<'_>, whole: bool, out: &mut dyn EventSink) -> Result<(), Fault> {
        let calls = wire::calls(raw);
        let calls = calls.map_err(|_| self.assembler.nonsense("a tool call that can't be read"))?;
        for call in calls {
            self.said = true;
            self.flush_tags(out)?;
            self.end_thinking(out)?;
            self.in_text = false;
            self.blanks.clear();
            // In a whole message each entry is a call of its own, whatever it says of itself.
            let index = if whole { Some(self.whole_calls) } else { call.index };
            self.whole_calls += u64::from(whole);
            let arguments = call.arguments.as_deref().map(Text::from_escaped);
            self.assembler.call(CallRef { index }, call.id, call.name, arguments, out)?;
        }
        Ok(())
    }

    fn flush_tags(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if !self.tags.is_through() {
            let split = self.tags.flush();
            self.split(&split.thinking, &split.text, out)?;
        }
        Ok(())
    }

    pub(super) fn usage(&mut self, raw: Raw<'_>) {
        if let Some(mut usage) = ending::usage(raw) {
            usage.priority = self.priority;
            self.assembler.set_usage(usage);
        }
    }

    pub(super) fn end(&mut self, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.flush_tags(out)?;
        self.end_thinking(out)?;
        self.annotations.results(&mut self.assembler, out)?;
        self.assembler.end(out)?;
        self.done = true;
        Ok(Flow::Done)
    }
}

/// More blanks than these are text.
const MAX_BLANKS: usize = 1024;

/// Whether there is nothing but blanks in `text`, which is escaped.
fn is_blank(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => {}
            b'\\' if matches!(bytes.next(), Some(b'n' | b't' | b'r')) => {}
            _ => return false,
        }
    }
    true
}
