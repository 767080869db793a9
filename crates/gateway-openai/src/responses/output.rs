//! The items of a reply, one after another: what each event of a stream adds to them.
//!
//! Items are told apart by their index, since some servers give an item another id in each event. One
//! item is live at a time; what comes for later ones waits, so that nothing ever overlaps.

use std::borrow::Cow;

use gateway_translate::{Assembler, CallRef, Flow, ThinkingShown, is_json};
use gateway_types::{EventSink, Fault, Raw, Text, What, escaped};

use super::reasoning::{BETWEEN, Carried, Carrier};
use super::search;
use super::slot::{self, Slot};
use super::step::{Step, fresh};
use super::wire::{Bad, Event, Item, Part};

/// Bytes that may wait for an item that is not live yet.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// More items than this in one reply are a runaway.
const MAX_ITEMS: usize = 4096;

/// The items so far.
#[derive(Debug)]
pub(super) struct Output {
    items: Vec<Slot>,
    /// Which of them is live; those before it are over.
    live: usize,
    waiting_bytes: usize,
    /// A reasoning item that is over but for its seal, which takes in the phase of what follows.
    unsealed: Option<Unsealed>,
    carrier: Carrier,
}

#[derive(Debug)]
struct Unsealed {
    item: Carried,
    /// No text of it was shown.
    bare: bool,
}

type Took<T> = Result<T, Fault>;

impl Output {
    pub(super) fn new(carrier: Carrier) -> Self {
        Self { items: Vec::new(), live: 0, waiting_bytes: 0, unsealed: None, carrier }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes one event about an item; `text` is the event as it came.
    pub(super) fn take(
        &mut self,
        step: Step,
        event: &Event<'_>,
        text: &str,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        let at = self.find(event, asm)?;
        self.note(at, step, event, asm)?;
        self.take_for(at, step, event, text, asm, out)
    }

    /// Takes an event about the item at `at`.
    fn take_for(
        &mut self,
        at: usize,
        step: Step,
        event: &Event<'_>,
        text: &str,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        if self.items[at].over {
            return Ok(Flow::More);
        }
        if at != self.live {
            self.waiting_bytes += text.len();
            if self.waiting_bytes > MAX_WAITING_BYTES {
                return Err(asm.nonsense("more than can be put in order"));
            }
            self.items[at].waiting.push(text.to_owned());
            return Ok(Flow::More);
        }
        if self.apply(step, event, asm, out)? == Flow::Done {
            return Ok(Flow::Done);
        }
        self.go_on(asm, out)
    }

    /// Gives the items that are not over what the whole response says of them, and adds those of
    /// which no event has come.
    pub(super) fn complete(
        &mut self,
        output: &[Raw<'_>],
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        if output.len() > MAX_ITEMS {
            return Err(asm.nonsense(TOO_MANY));
        }
        let items: Result<Vec<Item<'_>>, Bad> = output.iter().map(|raw| Item::read(*raw)).collect();
        let items = items.map_err(|Bad| asm.nonsense(NOT_JSON))?;
        let by_events = !self.is_empty();
        let slots = slot::of(&self.items, &items);
        let last_new = slots
            .iter()
            .zip(&items)
            .rposition(|(slot, item)| slot.is_none() && !item.kind.is("reasoning"));
        for (place, (slot, raw)) in slots.iter().zip(output).enumerate() {
            let at = match slot {
                Some(at) => *at,
                // Thoughts that nothing comes after would stand behind what they led to.
                None if by_events && last_new.is_none_or(|last| last < place) => {
                    asm.lose(What::Dropped, "reply", "reasoning that came after all else");
                    continue;
                }
                None => self.add(Slot::default(), asm)?,
            };
            let text = format!(r#"{{"type":"response.output_item.done","item":{}}}"#, raw.as_str());
            let event = Event::read(&text).map_err(|Bad| asm.nonsense(NOT_JSON))?;
            if self.take_for(at, Step::Done, &event, &text, asm, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::More)
    }

    /// The response is over: so are all items, whether or not they say so.
    pub(super) fn end(&mut self, asm: &mut Assembler, out: &mut dyn EventSink) -> Took<Flow> {
        while self.live < self.items.len() {
            self.items[self.live].over = true;
            if self.go_on(asm, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        self.seal(None, asm, out)?;
        Ok(Flow::More)
    }

    fn find(&mut self, event: &Event<'_>, asm: &Assembler) -> Took<usize> {
        let id = event.item_id.map(Text::decode).or_else(|| {
            let item = Item::read(event.item?).ok()?;
            Some(Cow::Owned(item.id.decode().into_owned()))
        });
        let id = id.unwrap_or_default();
        let by_id = || self.items.iter().position(|slot| !id.is_empty() && slot.id == id);
        let found = match event.output_index {
            // An id counts only for an item whose index never came.
            Some(index) => self
                .items
                .iter()
                .position(|slot| slot.index == Some(index))
                .or_else(|| by_id().filter(|at| self.items[*at].index.is_none())),
            None if id.is_empty() => {
                self.items.len().checked_sub(1).filter(|at| !self.items[*at].over)
            }
            None => by_id(),
        };
        if let Some(at) = found {
            let slot = &mut self.items[at];
            slot.index = slot.index.or(event.output_index);
            return Ok(at);
        }
        let slot = Slot { index: event.output_index, id: id.into_owned(), ..Slot::default() };
        self.add(slot, asm)
    }

    fn add(&mut self, slot: Slot, asm: &Assembler) -> Took<usize> {
        if self.items.len() == MAX_ITEMS {
            return Err(asm.nonsense(TOO_MANY));
        }
        self.items.push(slot);
        Ok(self.items.len() - 1)
    }

    /// Notes what an event tells of who its item is.
    fn note(&mut self, at: usize, step: Step, event: &Event<'_>, asm: &Assembler) -> Took<()> {
        let slot = &mut self.items[at];
        match (step, event.item) {
            (Step::Added | Step::Done, Some(raw)) => {
                let item = Item::read(raw).map_err(|Bad| asm.nonsense(NOT_JSON))?;
                slot.kind = Cow::Owned(item.kind.decode().into_owned());
                if slot.id.is_empty() {
                    slot.id = item.id.decode().into_owned();
                }
                slot.call_id = item.call_id.unwrap_or_default().decode().into_owned();
            }
            _ if slot.kind.is_empty() => slot.kind = Cow::Borrowed(step.kind()),
            _ => {}
        }
        Ok(())
    }

    /// Moves on to the next item as long as the live one is over, and gives each what waited for it.
    fn go_on(&mut self, asm: &mut Assembler, out: &mut dyn EventSink) -> Took<Flow> {
        while self.items.get(self.live).is_some_and(|slot| slot.over) {
            self.live += 1;
            let Some(slot) = self.items.get_mut(self.live) else { break };
            for text in std::mem::take(&mut slot.waiting) {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(text.len());
                let event = Event::read(&text).map_err(|Bad| asm.nonsense(NOT_JSON))?;
                let step = event.kind.and_then(|kind| Step::of(&kind.decode()));
                let over = self.items[self.live].over;
                if let Some(step) = step.filter(|_| !over)
                    && self.apply(step, &event, asm, out)? == Flow::Done
                {
                    return Ok(Flow::Done);
                }
            }
        }
        Ok(Flow::More)
    }

    /// What an event about the live item means.
    fn apply(
        &mut self,
        step: Step,
        event: &Event<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        let item = match (step, event.item) {
            (Step::Added | Step::Done, Some(raw)) => {
                Item::read(raw).map_err(|Bad| asm.nonsense(NOT_JSON))?
            }
            _ => Item::default(),
        };
        if !self.items[self.live].entered {
            self.items[self.live].entered = true;
            let phase = item.phase.filter(|_| item.kind.is("message"));
            self.seal(phase, asm, out)?;
        }
        let (delta, whole) = (event.delta, event.whole.as_deref().map(Text::from_escaped));
        match step {
            Step::Added => {
                if item.kind.is("function_call") {
                    asm.call(self.call(), item.call_id, item.name, None, out)?;
                }
            }
            Step::Text { refusal, whole: is_whole } => {
                let piece = if is_whole { whole } else { delta };
                return self.text(event.part_index, piece, refusal, is_whole, asm, out);
            }
            Step::PartDone => {
                if let Some(raw) = event.part {
                    let part = Part::read(raw).map_err(|Bad| asm.nonsense(NOT_JSON))?;
                    return self.end_part(event.part_index, &part, asm, out);
                }
            }
            Step::Annotation => {
                if let Some(raw) = event.annotation {
                    self.items[self.live].annotations.push(raw.as_str().to_owned());
                }
            }
            Step::Thinking { summary, whole: is_whole } => {
                let piece = if is_whole { whole } else { delta };
                self.thinking(summary, event.part_index, piece, is_whole, asm, out)?;
            }
            Step::Arguments { whole: is_whole } => {
                let piece = if is_whole { whole } else { delta };
                self.arguments(piece, is_whole, asm, out)?;
            }
            Step::Done => {
                self.items[self.live].over = true;
                return self.done(&item, asm, out);
            }
        }
        Ok(Flow::More)
    }

    /// The item as it is in the end, which has the last word on what deltas may have left out.
    fn done(
        &mut self,
        item: &Item<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        match &*item.kind.decode() {
            "message" => {
                for (index, part) in item.content.iter().enumerate() {
                    if self.end_part(index as u64, part, asm, out)? == Flow::Done {
                        return Ok(Flow::Done);
                    }
                }
                // A message without its content: what came by deltas is all there is.
                if self.items[self.live].part.is_some() {
                    asm.end_text(out)?;
                }
            }
            "reasoning" => self.reasoning(item, asm, out)?,
            "function_call" => {
                let which = self.call();
                asm.call(which, item.call_id, item.name, None, out)?;
                let arguments = item.arguments.as_deref().map(Text::from_escaped);
                self.arguments(arguments, true, asm, out)?;
                // What is no JSON may have been cut by a limit, of which the response tells later.
                let text = arguments.unwrap_or_default().decode();
                if text.trim().is_empty() || is_json(text.trim()) {
                    asm.end_call(which, out)?;
                }
            }
            "web_search_call" => search::call(item, &self.carrier, asm, out)?,
            "" => {}
            _ => asm.lose(
                What::Dropped,
                "reply",
                "an item of a kind that has no place in the Messages API",
            ),
        }
        Ok(Flow::More)
    }

    fn call(&self) -> CallRef {
        CallRef { index: Some(self.live as u64) }
    }

    /// A piece of a message's text, or all of one part's.
    fn text(
        &mut self,
        index: u64,
        piece: Option<Text<'_>>,
        refusal: bool,
        whole: bool,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        let slot = &mut self.items[self.live];
        if slot.part.is_some_and(|part| index < part) {
            return Ok(Flow::More);
        }
        if slot.part != Some(index) {
            if slot.part.is_some() {
                asm.end_text(out)?;
            }
            (slot.part, slot.sent) = (Some(index), 0);
        }
        let piece = fresh(piece.unwrap_or_default(), whole, &mut slot.sent);
        let piece = Text::from_escaped(&piece);
        if refusal { asm.refusal(piece, out) } else { asm.text(piece, out) }
    }

    /// A part of a message is whole.
    fn end_part(
        &mut self,
        index: u64,
        part: &Part<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<Flow> {
        if self.items[self.live].part.is_some_and(|current| index < current) {
            return Ok(Flow::More);
        }
        if self.text(index, Some(part.text), part.refusal, true, asm, out)? == Flow::Done {
            return Ok(Flow::Done);
        }
        let slot = &mut self.items[self.live];
        let came = std::mem::take(&mut slot.annotations);
        // The next piece is another part's, whatever its number.
        (slot.part, slot.sent) = (Some(index + 1), 0);
        if part.annotations.is_empty() {
            for raw in &came {
                search::cite(raw, part.text, &self.carrier, asm, out)?;
            }
        }
        for raw in &part.annotations {
            search::cite(raw.as_str(), part.text, &self.carrier, asm, out)?;
        }
        asm.end_text(out)?;
        Ok(Flow::More)
    }

    /// A piece of thinking, or all of one part's.
    fn thinking(
        &mut self,
        summary: bool,
        index: u64,
        piece: Option<Text<'_>>,
        whole: bool,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<()> {
        let slot = &mut self.items[self.live];
        // Open models may say both what they thought and a summary of it: the first counts.
        if *slot.summary.get_or_insert(summary) != summary
            || slot.part.is_some_and(|part| index < part)
        {
            return Ok(());
        }
        if slot.part != Some(index) {
            if slot.part.is_some() {
                asm.thinking(Text::from_escaped(&escaped(BETWEEN)), out)?;
            }
            (slot.part, slot.sent) = (Some(index), 0);
        }
        let piece = fresh(piece.unwrap_or_default(), whole, &mut slot.sent);
        asm.thinking(Text::from_escaped(&piece), out)
    }

    fn arguments(
        &mut self,
        piece: Option<Text<'_>>,
        whole: bool,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<()> {
        let which = self.call();
        let piece = fresh(piece.unwrap_or_default(), whole, &mut self.items[self.live].sent);
        if piece.is_empty() {
            return Ok(());
        }
        asm.call(which, None, None, Some(Text::from_escaped(&piece)), out)
    }

    /// A reasoning item is whole; its seal waits for what follows.
    fn reasoning(
        &mut self,
        item: &Item<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<()> {
        for (index, text) in item.summary.iter().enumerate() {
            self.thinking(true, index as u64, Some(*text), true, asm, out)?;
        }
        for (index, part) in item.content.iter().enumerate() {
            self.thinking(false, index as u64, Some(part.text), true, asm, out)?;
        }
        let Some(encrypted) = item.encrypted else {
            return asm.end_thinking(None, out);
        };
        if asm.thinking_shown() == ThinkingShown::Hidden {
            return Ok(());
        }
        // The caller who wants no text still gets a thinking block, as the Messages API has it.
        if asm.thinking_shown() == ThinkingShown::Omitted {
            asm.open_thinking(out)?;
        }
        let item = Carried {
            id: item.id.decode().into_owned(),
            encrypted: encrypted.decode().into_owned(),
            parts: item.summary.iter().map(|text| text.decode().chars().count()).collect(),
            phase: None,
        };
        self.unsealed = Some(Unsealed { item, bare: !asm.in_thinking() });
        Ok(())
    }

    fn seal(
        &mut self,
        phase: Option<Text<'_>>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Took<()> {
        let Some(Unsealed { mut item, bare }) = self.unsealed.take() else { return Ok(()) };
        item.phase = phase.map(|phase| phase.decode().into_owned());
        let sealed = self.carrier.seal(&item);
        match sealed {
            Some(sealed) if bare => asm.redacted(&sealed, out),
            sealed => asm.end_thinking(sealed.as_deref(), out),
        }
    }
}

const TOO_MANY: &str = "more items than any reply has";
pub(super) const NOT_JSON: &str = "an event that is not JSON";
