//! The conversation as contents: turns of the user and the model by turns.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_dialect::{Content, Part, server_call, server_result};
use gateway_translate::{
    CallResult, Json, NameMap, Placed, Round, call_id, carried_by, native_id, rounds,
};
use gateway_types::{
    ApiError, Block, BlockKind, ErrorKind, Losses, Raw, Request, Role, Text, What, escape, escaped,
};

use crate::carrier::{Call, Carried, Carrier};
use crate::target::{Target, field};

/// Writes the contents.
///
/// # Errors
/// When a block can't be shown to the model and leaving it out would mislead.
pub(crate) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    names: &NameMap,
    carrier: &Carrier,
    json: &mut Json,
    losses: &mut Losses,
) -> Result<(), ApiError> {
    let content = Content::new(target.senses(), losses);
    let mut contents = Contents { target, names, carrier, content, json, open: None };
    let rounds = rounds(request);
    // The turn that is going on: what follows upon the last thing that was said, results apart.
    let current = rounds.iter().rposition(speaks).map_or(0, |at| at + 1);
    for (at, round) in rounds.iter().enumerate() {
        let calls = contents.model(round, at >= current);
        contents.results(round, &calls)?;
        for said in &round.said {
            contents.said(said.role, &said.blocks)?;
        }
    }
    if contents.open == Some(Speaker::Model) {
        if let Some(placed) = rounds.last().and_then(|round| round.assistant.last()) {
            let why = "the model can't go on in its own words; it is asked to";
            let path = format!("messages[{}]", placed.message);
            contents.content.losses().add(What::Replaced, path, why);
        }
        contents.text(Speaker::User, GO_ON);
    }
    if !contents.end() {
        let text = "messages: nothing is left that the model could be shown; send at least one \
                    message with content";
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(())
}

/// Whether a text, as it is escaped, is nothing but blanks.
pub(crate) fn is_blank(escaped: &str) -> bool {
    let mut rest = escaped.trim_start();
    while let Some(after) = ["\\n", "\\t", "\\r"].iter().find_map(|b| rest.strip_prefix(b)) {
        rest = after.trim_start();
    }
    rest.is_empty()
}

const GO_ON: &str = "Continue exactly where your last message ends, without repeating any of it.";
const BEGIN: &str = "(The conversation begins with your own words.)";
const INTERRUPTED: &str = "The tool call was interrupted before it had a result.";

/// What the service takes in place of a signature, for calls that it did not make.
const BYPASS: &str = "skip_thought_signature_validator";

/// What it takes as data, by media type.
const INLINE: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// What may stand inside the result of a function.
const IN_RESULT: &[&str] = &["image/png", "image/jpeg", "image/webp", "application/pdf"];

/// Ids that begin so were not given by Google.
const FOREIGN_IDS: &[&str] = &["toolu_", "tooluse_", "call_", "chatcmpl-tool-", "functions."];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
}

struct Contents<'t, 'l, 'j> {
    target: &'t Target<'t>,
    names: &'t NameMap,
    carrier: &'t Carrier,
    content: Content<'l>,
    json: &'j mut Json,
    /// Whose content is open.
    open: Option<Speaker>,
}

/// A call as it was written, for its result.
struct Written {
    id: Option<String>,
    name: String,
}

/// Whether something was said in a round beside results, so that a new turn began.
fn speaks(round: &Round<'_, '_>) -> bool {
    round.said.iter().flat_map(|said| &said.blocks).any(|placed| match &placed.block.kind {
        BlockKind::Text { text, .. } => !is_blank(text.escaped()),
        BlockKind::Thinking { .. }
        | BlockKind::RedactedThinking { .. }
        | BlockKind::ToolUse { .. }
        | BlockKind::Unknown { .. } => false,
        _ => true,
    })
}

impl Contents<'_, '_, '_> {
    /// One part of `speaker`: neighbours of one role are one content.
    fn part(&mut self, speaker: Speaker, members: impl FnOnce(&mut Json)) {
        if self.open.is_none() && speaker == Speaker::Model {
            // The first word is the user's.
            self.content.losses().add(What::Replaced, "messages", "the user must speak first");
            self.text(Speaker::User, BEGIN);
        }
        if self.open != Some(speaker) {
            self.end();
            let role = if speaker == Speaker::User { "user" } else { "model" };
            self.json.open('{').key("role").string(role).key("parts").open('[');
            self.open = Some(speaker);
        }
        self.json.object(members);
    }

    /// Ends the open content; whether there was one.
    fn end(&mut self) -> bool {
        let was_open = self.open.take().is_some();
        if was_open {
            self.json.close(']').close('}');
        }
        was_open
    }

    /// A text that is escaped already; blank ones are left out.
    fn text(&mut self, speaker: Speaker, text: &str) {
        if !is_blank(text) {
            self.part(speaker, |json| {
                json.key("text").text(Text::from_escaped(text));
            });
        }
    }

    /// The model's turn; `current`: it belongs to the turn that is going on.
    fn model(&mut self, round: &Round<'_, '_>, current: bool) -> Vec<Written> {
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
                    let first = calls.is_empty();
                    let place = (calls.len(), first && current);
                    let call = self.call(&id.decode(), *name, *input, before, place, &mut taken);
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
                let mut reader = gateway_translate::Reader::new(parts);
                // It was JSON when it was sealed.
                let _ = reader.array::<gateway_translate::Malformed>(|r| {
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
            Some(Carried::Call(_) | Carried::Text { .. } | Carried::Id { .. } | Carried::Mark)
            | None => {}
        }
    }

    /// A call; `place` is its number and whether the service insists on a signature.
    fn call(
        &mut self,
        id: &str,
        name: Text<'_>,
        input: Raw<'_>,
        before: Option<&Carried>,
        (number, needed): (usize, bool),
        taken: &mut HashSet<String>,
    ) -> Written {
        let name = name.decode();
        let name = self.names.there(&name).into_owned();
        let input = if input.is_object() { input } else { Raw::from_json("{}") };
        let call = Call { name: &name, arguments: input };
        let in_id = self.carrier.open_id(id, &call);
        let (native, of_id) = match in_id {
            Some((native, signature)) => (native, Some(signature)),
            None => (native_id(id).into_owned(), None),
        };
        let states = self.target.takes_state();
        let signature = match before {
            Some(Carried::Call(signature)) => Some(signature.clone()),
            _ => of_id.filter(|_| states),
        };
        // After a refusal every step gets one: which of them was meant is not told.
        let needed = needed || (!states && number == 0);
        let bypass = needed && self.target.habits.wants_signatures();
        if bypass && signature.is_none() {
            let why = "calls that the model did not sign go up without the check";
            self.content.losses().add(What::Hint, "thoughtSignature", why);
        }
        let signature = signature.or_else(|| bypass.then(|| BYPASS.to_owned()));
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
        Written { id: wire_id, name }
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

    /// The results of a turn's calls, one for each, and behind them what no result may hold.
    fn results(&mut self, round: &Round<'_, '_>, calls: &[Written]) -> Result<(), ApiError> {
        let mut attached: Vec<Part<'_>> = Vec::new();
        for (number, (result, call)) in round.results.iter().zip(calls).enumerate() {
            let mut parts = Vec::new();
            let mut failed = false;
            match result {
                CallResult::Given { result: placed, .. } => {
                    if let BlockKind::ToolResult { content, is_error, .. } = &placed.block.kind {
                        failed = *is_error;
                        for (at, inner) in content.iter().enumerate() {
                            let path = format!("{}.content[{at}]", placed.path());
                            self.parts(inner, &path, &mut parts)?;
                        }
                    }
                }
                CallResult::Missing { id } => {
                    let why = "a call without a result got one that says so";
                    let path = format!("tool_use {}", id.decode());
                    self.content.losses().add(What::Replaced, path, why);
                    failed = true;
                    parts.push(Part::Text { text: Cow::Borrowed(INTERRUPTED), marked: false });
                }
            }
            let inside = self.target.reads_results();
            let titles: Vec<Part<'_>> = parts.iter().filter(|_| inside).filter_map(title).collect();
            parts.extend(titles);
            detach(&mut parts, inside, number + 1, &mut attached);
            self.result(call, failed, &parts);
        }
        for part in &attached {
            self.user_part(part);
        }
        Ok(())
    }

    fn result(&mut self, call: &Written, failed: bool, parts: &[Part<'_>]) {
        self.part(Speaker::User, |json| {
            json.key("functionResponse").object(|json| {
                if let Some(id) = &call.id {
                    json.key("id").string(id);
                }
                json.key("name").string(&call.name);
                json.key("response").object(|json| {
                    json.key(if failed { "error" } else { "output" }).string_with(|s| {
                        let texts = parts.iter().filter_map(|part| match part {
                            Part::Text { text, .. } => Some(text),
                            _ => None,
                        });
                        for (at, text) in texts.enumerate() {
                            s.push(if at == 0 { "" } else { "\n" });
                            s.text(Text::from_escaped(text));
                        }
                    });
                });
                if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
                    json.key("parts").array(|json| {
                        for part in parts {
                            if let Some((media_type, data)) = data(part) {
                                json.object(|json| inline(media_type, data, json));
                            }
                        }
                    });
                }
            });
        });
    }

    /// What the user or the operator said.
    fn said(&mut self, role: Role, blocks: &[Placed<'_, '_>]) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for placed in blocks {
            self.parts(placed.block, &placed.path(), &mut parts)?;
        }
        parts.retain(|part| !matches!(part, Part::Text { text, .. } if is_blank(text)));
        if parts.is_empty() {
            return Ok(());
        }
        let operator = role == Role::System;
        if operator && let [Part::Text { text, .. }] = &parts[..] {
            let text = format!("<system-reminder>\\n{text}\\n</system-reminder>");
            self.text(Speaker::User, &text);
            return Ok(());
        }
        if operator {
            self.text(Speaker::User, "<system-reminder>");
        }
        for part in &parts {
            self.user_part(part);
        }
        if operator {
            self.text(Speaker::User, "</system-reminder>");
        }
        Ok(())
    }

    fn user_part(&mut self, part: &Part<'_>) {
        if let Part::Text { text, .. } = part {
            return self.text(Speaker::User, text);
        }
        if let Some(Part::Text { text, .. }) = title(part) {
            self.text(Speaker::User, &text);
        }
        if let Some((media_type, data)) = data(part) {
            self.part(Speaker::User, |json| inline(media_type, data, json));
        }
    }

    fn parts<'b>(
        &mut self,
        block: &Block<'b>,
        path: &str,
        out: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        // The tool must have the name here that it has among the tools (R11).
        if let BlockKind::ToolReference { tool_name } = block.kind {
            let name = tool_name.decode();
            let mut text = String::from("The tool `");
            escape(&self.names.there(&name), &mut text);
            text.push_str("` is available now.");
            out.push(Part::Text { text: Cow::Owned(text), marked: false });
            return Ok(());
        }
        let before = out.len();
        self.content.parts(block, path, out)?;
        for part in &out[before..] {
            if let Part::Image { media_type, .. } = part
                && !INLINE.iter().any(|known| media_type.is(known))
            {
                let text = format!(
                    "{path}: this provider takes no images of type {}; send PNG, JPEG or WebP",
                    media_type.decode()
                );
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
        }
        Ok(())
    }
}

/// Moves out of a result what it may not hold, and leaves a word on where it is (behaviour R27).
fn detach<'b>(parts: &mut [Part<'b>], inside: bool, result: usize, attached: &mut Vec<Part<'b>>) {
    let words = |text: String| Part::Text { text: Cow::Owned(text), marked: false };
    let mut files = 0;
    for part in parts {
        let Some((media_type, _)) = data(part) else { continue };
        if inside && IN_RESULT.iter().any(|known| media_type.is(known)) {
            continue;
        }
        let kind = if matches!(part, Part::Pdf { .. }) { "document" } else { "image" };
        files += 1;
        let here = words(format!("[{kind} {files} of result {result} is attached below]"));
        attached.push(words(format!("[{kind} {files} of result {result}]")));
        attached.push(std::mem::replace(part, here));
    }
}

/// What a document is called, as a text.
fn title<'b>(part: &Part<'b>) -> Option<Part<'b>> {
    let Part::Pdf { title: Some(title), .. } = part else { return None };
    let text = format!("Document: {}", title.escaped());
    (!title.is_empty()).then_some(Part::Text { text: Cow::Owned(text), marked: false })
}

/// The bytes of a part that has some.
fn data<'b>(part: &Part<'b>) -> Option<(Text<'b>, Text<'b>)> {
    match part {
        Part::Image { media_type, data } => Some((*media_type, *data)),
        Part::Pdf { data, .. } => Some((Text::from_escaped("application/pdf"), *data)),
        // Addresses have been refused before.
        Part::Text { .. } | Part::ImageUrl(_) | Part::PdfUrl { .. } => None,
    }
}

fn inline(media_type: Text<'_>, data: Text<'_>, json: &mut Json) {
    json.key("inlineData").object(|json| {
        json.key("mimeType").text(media_type).key("data").text(data);
    });
}
