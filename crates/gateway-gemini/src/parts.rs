//! The parts of an answer, as they come.

use std::borrow::Cow;

use gateway_translate::{Assembler, CallRef, Flow, Json, ThinkingShown, is_json};
use gateway_types::{EventSink, Fault, Raw, Text, What, escaped};

use crate::carrier::{Call as Subject, Carried, Carrier};
use crate::grounding::Held;
use crate::wire::{Call, Part, PartKind};

/// Makes blocks of parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub carrier: Carrier,
    /// Only the first call counts.
    pub only_one: bool,
    /// Text that waits for what a search found.
    pub held: Option<Held>,
    calls: u64,
    /// The first call came without a signature.
    unsigned: bool,
    /// Parts of a tool that the service ran, as JSON, until another part comes.
    trace: Vec<String>,
    /// What an empty thought is to carry, as soon as a block comes behind it. An answer ends without:
    /// Claude Code takes the last block for the answer.
    waiting: Vec<Carried>,
    /// Whether text or a call came.
    pub useful: bool,
    /// Whether anything at all came, so that it can't be asked for again.
    pub any: bool,
}

impl Parts {
    pub(crate) fn new(carrier: Carrier, only_one: bool, held: Option<Held>) -> Self {
        Self {
            carrier,
            only_one,
            held,
            calls: 0,
            unsigned: false,
            trace: Vec::new(),
            waiting: Vec::new(),
            useful: false,
            any: false,
        }
    }

    /// The next part.
    pub(crate) fn take(
        &mut self,
        part: &Part<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        let signature = part.signature.map(|text| text.decode().into_owned());
        let nothing = matches!(part.kind, PartKind::Text(text) if text.is_empty());
        if !(matches!(part.kind, PartKind::ServerTool) || nothing && signature.is_none()) {
            self.end_trace(asm);
        }
        match part.kind {
            PartKind::Thought(text) => self.thought(text, signature, asm, out)?,
            PartKind::Text(text) => {
                if self.text(text, asm, out)? == Flow::Done {
                    return Ok(Flow::Done);
                }
                // Text that is held back will be cut otherwise.
                if let Some(signature) = signature.filter(|_| self.held.is_none()) {
                    self.waiting.push(Carried::of_text(text, signature));
                }
            }
            PartKind::Call(call) => {
                if self.flush(asm, out)? == Flow::Done {
                    return Ok(Flow::Done);
                }
                self.call(&call, signature, asm, out)?;
            }
            PartKind::Code(language, code) => {
                let language = language.decode().to_ascii_lowercase();
                let language = if language == "language_unspecified" { "" } else { &*language };
                let text = format!("\n```{language}\n{}\n```\n", code.decode().trim_end());
                return self.text(Text::from_escaped(&escaped(&text)), asm, out);
            }
            PartKind::CodeResult(output) => {
                let text = format!("\n```\n{}\n```\n", output.decode().trim_end());
                return self.text(Text::from_escaped(&escaped(&text)), asm, out);
            }
            PartKind::ServerTool => {
                self.end_thinking(asm, out)?;
                self.trace.push(part.raw.as_str().to_owned());
            }
            PartKind::Other => {
                let why = "of a kind that has no place in the Messages API";
                asm.lose(What::Dropped, "part", why);
            }
        }
        Ok(Flow::More)
    }

    /// Everything has come.
    pub(crate) fn end(
        &mut self,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        if self.held.as_ref().is_some_and(|held| !held.is_empty()) {
            self.settle(asm, out)?;
        }
        self.let_go(asm);
        if let Some(held) = &mut self.held {
            if asm.in_thinking() {
                let sealed = self.carrier.seal(&Carried::Mark, None);
                asm.end_thinking(sealed.as_deref(), out)?;
            }
            if held.end(&self.carrier, asm, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
        }
        self.end_thinking(asm, out)?;
        Ok(Flow::More)
    }

    fn text(
        &mut self,
        text: Text<'_>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        if text.is_empty() {
            return Ok(Flow::More);
        }
        self.settle(asm, out)?;
        self.useful = true;
        self.any = true;
        if let Some(held) = &mut self.held {
            held.text(text);
            return Ok(Flow::More);
        }
        self.end_thinking(asm, out)?;
        asm.text(text, out)
    }

    /// Hands on text that is held back, since something comes that stands behind it.
    fn flush(&mut self, asm: &mut Assembler, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.held.as_ref().is_none_or(Held::is_empty) {
            return Ok(Flow::More);
        }
        self.end_thinking(asm, out)?;
        self.held.as_mut().map_or(Ok(Flow::More), |held| held.flush(asm, out))
    }

    /// A thought of ours without a signature gets a mark, so that it is known again.
    fn end_thinking(&mut self, asm: &mut Assembler, out: &mut dyn EventSink) -> Result<(), Fault> {
        if asm.in_thinking() {
            let sealed = self.carrier.seal(&Carried::Mark, None);
            asm.end_thinking(sealed.as_deref(), out)?;
        }
        Ok(())
    }

    /// A thought, or its signature alone.
    fn thought(
        &mut self,
        text: Text<'_>,
        signature: Option<String>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        if !shows(asm) {
            return asm.thinking(text, out);
        }
        let apart = !asm.in_thinking() || !self.waiting.is_empty();
        let omitted = asm.thinking_shown() == ThinkingShown::Omitted;
        if apart && (text.is_empty() || (omitted && self.useful)) {
            if self.waiting.last() == Some(&Carried::Mark) {
                self.waiting.pop();
            }
            match signature {
                Some(signature) => self.waiting.push(Carried::Thought(signature)),
                None if text.is_empty() => {}
                None => self.waiting.push(Carried::Mark),
            }
            return Ok(());
        }
        self.settle(asm, out)?;
        self.any = true;
        asm.thinking(text, out)?;
        let Some(signature) = signature else { return Ok(()) };
        let sealed = self.carrier.seal(&Carried::Thought(signature), None);
        asm.end_thinking(sealed.as_deref(), out)
    }

    /// Tells what waits for a block behind it: one comes.
    fn settle(&mut self, asm: &mut Assembler, out: &mut dyn EventSink) -> Result<(), Fault> {
        self.end_trace(asm);
        for state in std::mem::take(&mut self.waiting) {
            let sealed = self.carrier.seal(&state, None);
            let thought = matches!(state, Carried::Thought(_) | Carried::Mark);
            // Without a key nothing is carried: that there was a thought is all there is to tell.
            if !shows(asm) || (sealed.is_none() && !thought) {
                continue;
            }
            self.any = true;
            self.end_thinking(asm, out)?;
            asm.end_text(out)?;
            asm.open_thinking(out)?;
            asm.end_thinking(sealed.as_deref(), out)?;
        }
        Ok(())
    }

    /// Lets go what waits for a block behind it: none comes.
    fn let_go(&mut self, asm: &mut Assembler) {
        self.end_trace(asm);
        for state in std::mem::take(&mut self.waiting) {
            let why = "no block may follow the last words of an answer";
            match state {
                Carried::Parts(_) => asm.lose(What::Dropped, "toolCall", why),
                // It may be the call's, which will be sent back without.
                Carried::Text { .. } if self.unsigned => {
                    let why = "it came behind the call that is without one";
                    asm.lose(What::Dropped, "thoughtSignature", why);
                }
                Carried::Mark => {}
                // Nobody insists on it.
                _ => asm.lose(What::Hint, "thoughtSignature", why),
            }
        }
    }

    /// Whether a call was made.
    pub(crate) fn called(&self) -> bool {
        self.calls > 0
    }

    fn call(
        &mut self,
        call: &Call<'_>,
        signature: Option<String>,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        if call.partial {
            return Err(asm.nonsense("a tool call in pieces, which nobody asked for"));
        }
        if self.only_one && self.calls > 0 {
            asm.lose(What::Dropped, "tool_use", "one call at a time was asked for");
            return Ok(());
        }
        let Some(arguments) = arguments(call) else {
            return Err(asm.nonsense("arguments for a tool call that are no JSON object"));
        };
        let arguments = Raw::from_json(&arguments);
        self.settle(asm, out)?;
        if self.calls == 0 {
            self.unsigned = signature.is_none();
        }
        let name = call.name.decode();
        let native = call.id.map(Text::decode).unwrap_or_default();
        let mut id = native.to_string();
        if let Some(signature) = signature {
            let subject = Subject { name: &name, arguments };
            if shows(asm) {
                let sealed = self.carrier.seal(&Carried::Call(signature), Some(&subject));
                asm.open_thinking(out)?;
                asm.end_thinking(sealed.as_deref(), out)?;
            } else if let Some(carrying) = self.carrier.id(&native, &signature, &subject) {
                id = carrying;
            } else {
                let why = "too long to be carried by a caller that keeps no thinking";
                asm.lose(What::Dropped, "thoughtSignature", why);
            }
        } else {
            self.end_thinking(asm, out)?;
        }
        let which = CallRef { index: Some(self.calls) };
        self.calls += 1;
        self.useful = true;
        self.any = true;
        let (id, name) = (escaped(&id), escaped(&name));
        let arguments = escaped(arguments.as_str());
        asm.call(
            which,
            Some(Text::from_escaped(&id)),
            Some(Text::from_escaped(&name)),
            Some(Text::from_escaped(&arguments)),
            out,
        )?;
        asm.end_call(which, out)
    }

    /// What the service's own tools did goes back to it word for word, sealed into an empty thought.
    fn end_trace(&mut self, asm: &mut Assembler) {
        if self.trace.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.trace);
        let mut json = Json::new();
        json.array(|json| {
            for part in &parts {
                json.raw(Raw::from_json(part));
            }
        });
        let json = json.into_string();
        let carries = shows(asm) && self.carrier.seal(&Carried::Mark, None).is_some();
        if carries && json.len() <= MOST_TRACE && is_json(&json) {
            self.waiting.push(Carried::Parts(json));
        } else {
            asm.lose(What::Dropped, "toolCall", "nothing can carry it back to the provider");
        }
    }
}

/// The longest trace that is carried, in bytes.
const MOST_TRACE: usize = 1 << 20;

/// Whether the caller keeps thinking blocks.
fn shows(asm: &Assembler) -> bool {
    asm.thinking_shown() != ThinkingShown::Hidden
}

/// The arguments of a call, as an object; some proxies write them as a string. `None`: they are none.
fn arguments<'b>(call: &Call<'b>) -> Option<Cow<'b, str>> {
    let Some(raw) = call.arguments else { return Some(Cow::Borrowed("{}")) };
    if raw.is_object() {
        return Some(Cow::Borrowed(raw.as_str()));
    }
    let text = raw.as_text()?.decode();
    (text.trim_start().starts_with('{') && is_json(text.trim())).then_some(text)
}
