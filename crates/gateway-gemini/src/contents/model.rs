//! The model's turn: what it said, thought and called, each signature on the part it came on.

use std::collections::HashSet;

use gateway_dialect::{server_call, server_result};
use gateway_translate::{Malformed, Placed, Reader, Round, call_id, carried_by, native_id};
use gateway_types::{BlockKind, Raw, Text, What, escaped};

use super::{Contents, Speaker};
use crate::carrier::{Call, Carried};
use crate::target::field;

/// What the service takes in place of a signature, for calls that it did not make.
const BYPASS: &str = "skip_thought_signature_validator";

/// Ids that begin so were not given by Google.
const FOREIGN_IDS: &[&str] = &["toolu_", "tooluse_", "call_", "chatcmpl-tool-", "functions."];

/// A call as it was written, for its result.
pub(super) struct Written {
    pub id: Option<String>,
    pub name: String,
    /// It was told as text.
    pub told: bool,
}

impl Contents<'_, '_, '_> {
    /// The model's turn.
    pub(super) fn model(&mut self, round: &Round<'_, '_>) -> Vec<Written> {
        let blocks = &round.assistant;
        let carried: Vec<Option<Carried>> =
            (0..blocks.len()).map(|at| self.carried(blocks, at)).collect();
        let has_trace = carried.iter().any(|c| matches!(c, Some(Carried::Parts(_))));
        let mut calls: Vec<Written> = Vec::new();
        let mut taken = HashSet::new();
        for (at, placed) in blocks.iter().enumerate() {
            match &placed.block.kind {
                BlockKind::Text { text, .. } => {
                    let signed = carried.get(at + 1).and_then(Option::as_ref);
                    self.model_text(*text, signed);
                }
                BlockKind::Thinking { thinking, .. } => {
                    let after_text = at.checked_sub(1).is_some_and(|before| {
                        matches!(blocks[before].block.kind, BlockKind::Text { .. })
                    });
                    match carried[at].as_ref() {
                        // An end without a text: the answer was all thought.
                        Some(Carried::Text { bytes: 0, signature, .. }) if !after_text => {
                            self.signed_text("", signature);
                        }
                        state => self.thought(*thinking, state),
                    }
                }
                BlockKind::RedactedThinking { .. } => {
                    self.thought(Text::default(), carried[at].as_ref());
                }
                BlockKind::ToolUse { id, name, input } => {
                    let before = at.checked_sub(1).and_then(|at| carried[at].as_ref());
                    let place = (calls.len(), calls.first().is_some_and(|first| first.told));
                    let call = self.call(&id.decode(), *name, *input, before, place, &mut taken);
                    if call.told {
                        self.replaced(placed, "a call that the model did not sign is told as text");
                    }
                    calls.push(call);
                }
                BlockKind::ServerToolUse { name, input, .. } if !has_trace => {
                    self.replaced(placed, "a search that was run is told as text");
                    self.text(Speaker::Model, &server_call(*name, *input));
                }
                BlockKind::ServerToolResult { kind, content, .. } if !has_trace => {
                    self.replaced(placed, "what was found is told as text");
                    self.text(Speaker::Model, &server_result(*kind, *content));
                }
                BlockKind::ServerToolUse { .. } | BlockKind::ServerToolResult { .. } => {}
                BlockKind::Unknown { kind } => {
                    let why = format!("blocks of type `{}` are not known here", kind.decode());
                    self.content.losses().add(What::Dropped, placed.path(), why);
                }
                _ => {
                    let why = "the model can't have said it";
                    self.content.losses().add(What::Dropped, placed.path(), why);
                }
            }
        }
        calls
    }

    fn replaced(&mut self, placed: &Placed<'_, '_>, why: &'static str) {
        self.content.losses().add(What::Replaced, placed.path(), why);
    }

    /// What a thinking block carries, if it is ours and belongs here.
    fn carried(&mut self, blocks: &[Placed<'_, '_>], at: usize) -> Option<Carried> {
        let sealed = match &blocks[at].block.kind {
            BlockKind::Thinking { signature, .. } => signature.decode(),
            BlockKind::RedactedThinking { data } => data.decode(),
            _ => return None,
        };
        let why = if self.target.takes_state() {
            let next = match blocks.get(at + 1).map(|placed| &placed.block.kind) {
                Some(BlockKind::ToolUse { name, input, .. }) => Some((name.decode(), *input)),
                _ => None,
            };
            let name = next.as_ref().map(|(name, _)| self.names.there(name));
            let call = next
                .as_ref()
                .zip(name.as_ref())
                .map(|((_, arguments), name)| Call { name, arguments: *arguments });
            match self.carrier.open(&sealed, call.as_ref()) {
                Ok(state) => return Some(state),
                Err(why) => why,
            }
        } else {
            "the provider refused the state of earlier turns"
        };
        self.content.losses().add(What::Dropped, blocks[at].path(), why);
        None
    }

    /// The model's words; the last part of them apart where it was signed.
    fn model_text(&mut self, text: Text<'_>, signed: Option<&Carried>) {
        let (Some(state @ Carried::Text { signature, .. }), decoded) = (signed, text.decode())
        else {
            return self.text(Speaker::Model, text.escaped());
        };
        match state.signed_from(&decoded) {
            // The signature came on a part of its own, or the text is another now.
            None => self.text(Speaker::Model, text.escaped()),
            Some(from) if from == decoded.len() => {
                self.text(Speaker::Model, text.escaped());
                self.signed_text("", signature);
            }
            Some(from) => {
                self.text(Speaker::Model, &escaped(&decoded[..from]));
                self.signed_text(&decoded[from..], signature);
            }
        }
    }

    fn signed_text(&mut self, text: &str, signature: &str) {
        self.part(Speaker::Model, |json| {
            json.key("text").string(text).key("thoughtSignature").string(signature);
        });
    }

    /// A thinking block. Summaries of thoughts are not sent back, but for those that were signed.
    fn thought(&mut self, shown: Text<'_>, carried: Option<&Carried>) {
        match carried {
            Some(Carried::Thought(signature)) => self.part(Speaker::Model, |json| {
                json.key("text").text(shown).key("thought").bool(true);
                json.key("thoughtSignature").string(signature);
            }),
            Some(Carried::Parts(parts)) => {
                let mut reader = Reader::new(parts);
                // It was JSON when it was sealed.
                let _ = reader.array::<Malformed>(|r| {
                    let raw = r.raw()?;
                    let inner =
                        raw.as_str().trim().strip_prefix('{').and_then(|p| p.strip_suffix('}'));
                    if let Some(inner) = inner.filter(|inner| !inner.trim().is_empty()) {
                        self.part(Speaker::Model, |json| {
                            json.raw(Raw::from_json(inner));
                        });
                    }
                    Ok(())
                });
            }
            // With its call, or with the text before.
            Some(
                Carried::Call(_)
                | Carried::CallAs { .. }
                | Carried::Text { .. }
                | Carried::Id { .. }
                | Carried::Mark,
            )
            | None => {}
        }
    }

    /// A call; `place` is its number and whether its step is told as text.
    ///
    /// The service insists on signatures in the turn that is going on. What stands in for one is written
    /// in all turns, so that a turn that is over is still the same prompt (behaviour R35).
    fn call(
        &mut self,
        id: &str,
        name: Text<'_>,
        input: Raw<'_>,
        before: Option<&Carried>,
        (number, told): (usize, bool),
        taken: &mut HashSet<String>,
    ) -> Written {
        let name = name.decode();
        let name = self.names.there(&name).into_owned();
        let input = if input.is_object() { input } else { Raw::from_json("{}") };
        let call = Call { name: &name, arguments: input };
        let in_id = self.carrier.open_id(id, &call);
        let (native, of_id, said) = match in_id {
            Some((native, signature, said)) => (native, Some(signature), said),
            None => (native_id(id).into_owned(), None, None),
        };
        let states = self.target.takes_state();
        // A signature goes up with the arguments that it was made for.
        let (signature, said) = match before {
            Some(Carried::Call(signature)) => (Some(signature.clone()), None),
            Some(Carried::CallAs { signature, said }) => {
                (Some(signature.clone()), Some(said.clone()))
            }
            _ => (of_id.filter(|_| states), said.filter(|_| states)),
        };
        let input = said.as_deref().map_or(input, Raw::from_json);
        let bare = number == 0 && signature.is_none() && self.target.habits.wants_signatures();
        if told || (bare && !self.target.takes_unsigned()) {
            let text = format!("[The tool `{name}` was called with {}]", input.as_str());
            self.text(Speaker::Model, &escaped(&text));
            return Written { id: None, name, told: true };
        }
        if bare {
            let why = "calls that the model did not sign go up without the check";
            self.content.losses().add(What::Hint, "thoughtSignature", why);
        }
        let signature = signature.or_else(|| bare.then(|| BYPASS.to_owned()));
        let wire_id = self.wire_id(id, &native, number, taken);
        self.part(Speaker::Model, |json| {
            json.key("functionCall").object(|json| {
                if let Some(id) = &wire_id {
                    json.key("id").string(id);
                }
                json.key("name").string(&name).key("args").raw(input);
            });
            if let Some(signature) = &signature {
                json.key("thoughtSignature").string(signature);
            }
        });
        Written { id: wire_id, name, told: false }
    }

    /// The id a call goes up with, which its result repeats: the model's own where it gave one; for
    /// models that match by ids, any.
    fn wire_id(
        &self,
        id: &str,
        native: &str,
        number: usize,
        taken: &mut HashSet<String>,
    ) -> Option<String> {
        if !self.target.may(field::ID) {
            return None;
        }
        let foreign = FOREIGN_IDS.iter().any(|prefix| native.starts_with(prefix));
        if native.is_empty() && carried_by(id).is_some() && !self.target.habits.wants_ids() {
            return None;
        }
        if foreign && !self.target.habits.wants_ids() {
            return None;
        }
        let max = self.target.egress.options.call_id_max;
        let own = if native.is_empty() { id } else { native };
        let mut wire = call_id(own, max).into_owned();
        if !taken.insert(wire.clone()) {
            // Made of its place too; the control character makes it a digest.
            wire = call_id(&format!("{id}.{number}\0"), max).into_owned();
            taken.insert(wire.clone());
        }
        Some(wire)
    }
}
