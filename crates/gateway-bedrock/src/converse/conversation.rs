//! The conversation as Converse wants it: roles that take turns, results first and one for each call,
//! nothing blank.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_dialect::{ERROR_MARK, any_marked, current, server_call, server_result};
use gateway_translate::{
    CallResult, Json, NameMap, Placed, Round, Said, call_id, native_id, rounds,
};
use gateway_types::{
    ApiError, BlockKind, ErrorKind, Feature, Losses, Raw, Request, Role, Text, What, escape,
    escaped,
};

use super::Target;
use super::cache::{Kept, Marks};
use super::carried::{Carrier, NOT_WANTED, Thought};
use super::document::Names;
use super::parts::{Part, Parts, Room, is_blank, text};

/// Longest id of a call, in characters.
const ID_MAX: usize = 64;

/// What the rest of the request has to know of its conversation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// The open turn, whose results have just come, does not begin with its thinking.
    pub interrupted: bool,
}

/// What the user says beside the conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'w> {
    /// Before it: the system prompt, where the model takes none.
    pub first: &'w [Part<'w>],
    /// Behind it: what holds for one turn, which must not change the head of the prompt (R34, R35).
    pub last: Option<&'w str>,
}

/// Writes the messages.
///
/// # Errors
/// When a block can't be shown to the model and leaving it out would mislead, or nothing is left.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    names: &NameMap,
    words: Words<'_>,
    marks: &mut Marks,
    json: &mut Json,
    losses: &mut Losses,
) -> Result<Told, ApiError> {
    let mut writer = Writer {
        target,
        names,
        carrier: Carrier::new(target),
        parts: Parts::new(target, names),
        ids: Ids::default(),
        documents: Names::default(),
        room: Room::new(request, target)?,
        system: words.first,
        begun: false,
        open: None,
        interrupted: false,
        marks,
        json,
        losses,
    };
    writer.json.open('[');
    let rounds = rounds(request);
    let current = current(&rounds);
    for (at, round) in rounds.iter().enumerate() {
        writer.parts.earlier = at < current;
        let ids = writer.ids.of(round);
        writer.turn(&round.assistant, &ids);
        let mut attached = Vec::new();
        for (result, id) in round.results.iter().zip(&ids) {
            writer.result(result, id, &mut attached)?;
        }
        for (part, path) in attached {
            writer.part(part, &path);
        }
        for said in &round.said {
            writer.said(said)?;
        }
    }
    // What came behind the model's words may have been nothing that it can be shown.
    if writer.open.as_ref().is_some_and(|open| !open.user) {
        let spoken = rounds.iter().rev().find_map(|round| round.assistant.last());
        let at = spoken.map_or(0, |placed| placed.message);
        let why = "the model can't go on in its own words; it is asked to";
        writer.losses.add(What::Replaced, format!("messages[{at}]"), why);
        writer.say(GO_ON);
    }
    if let Some(last) = words.last.filter(|_| writer.begun) {
        writer.say(&escaped(last));
    }
    writer.close();
    let told = Told { interrupted: writer.interrupted };
    let empty = !writer.begun;
    writer.json.close(']');
    if empty {
        let text = "messages: nothing is left that the model could be shown; send at least one \
                    message with content";
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(told)
}

/// Whether the history calls tools.
pub(super) fn has_calls(request: &Request<'_>) -> bool {
    let turns = request.messages.iter().filter(|message| message.role == Role::Assistant);
    turns.flat_map(|turn| &turn.content).any(|b| matches!(b.kind, BlockKind::ToolUse { .. }))
}

const GO_ON: &str = "Continue exactly where your last message ends, without repeating any of it.";
const BEFORE: &str = "(the conversation goes on)";
const SEE_DOCUMENT: &str = "(see document)";
const NO_OUTPUT: &str = "(no output)";
const INTERRUPTED: &str = "[no result: interrupted]";

struct Writer<'t, 'l, 'j> {
    target: &'t Target<'t>,
    names: &'t NameMap,
    carrier: Carrier,
    parts: Parts<'t>,
    ids: Ids,
    documents: Names,
    room: Room,
    /// What is still to be said before anything else.
    system: &'t [Part<'t>],
    /// A message has been begun.
    begun: bool,
    open: Option<Open>,
    /// The model's last message calls tools and does not begin with its thinking.
    interrupted: bool,
    marks: &'l mut Marks,
    json: &'j mut Json,
    losses: &'l mut Losses,
}

/// The message that is being written.
#[derive(Debug, Default)]
struct Open {
    user: bool,
    text: bool,
    document: bool,
    /// It begins with thinking.
    thought: bool,
    /// Anything has been said.
    spoken: bool,
    calls: bool,
}

impl Writer<'_, '_, '_> {
    /// Turns to the user or the model. What one of them says in a row is one message.
    fn turn_to(&mut self, user: bool) -> &mut Open {
        if self.open.as_ref().is_none_or(|open| open.user != user) {
            self.close();
            if !self.begun && !user {
                self.losses.add(What::Replaced, "messages[0]", "the user has to speak first");
                self.begin(true);
                self.say(BEFORE);
                self.close();
            }
            self.begin(user);
        }
        self.open.get_or_insert_default()
    }

    fn begin(&mut self, user: bool) {
        self.begun = true;
        self.json.open('{');
        self.json.key("role").string(if user { "user" } else { "assistant" });
        self.json.key("content").open('[');
        self.open = Some(Open { user, ..Open::default() });
        if user {
            for part in std::mem::take(&mut self.system) {
                part.write(&mut self.documents, self.json);
                self.open.get_or_insert_default().text = true;
            }
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if !open.user {
            self.interrupted = open.calls && !open.thought;
        }
        if open.document && !open.text {
            text(SEE_DOCUMENT, self.json);
        }
        self.json.close(']').close('}');
    }

    fn say(&mut self, words: &str) {
        self.turn_to(true).text = true;
        text(words, self.json);
    }

    /// A part of what the user says.
    fn part(&mut self, part: Part<'_>, path: &str) {
        self.turn_to(true);
        let part = self.room.take(part, path, self.losses);
        let open = self.open.get_or_insert_default();
        open.text |= matches!(part, Part::Text(_));
        open.document |= matches!(part, Part::Document(_));
        part.write(&mut self.documents, self.json);
    }

    fn mark(&mut self, placed: &Placed<'_, '_>) {
        if placed.marked && self.open.is_some() {
            self.marks.behind_block(Kept::of_block(placed.block), self.json, self.losses);
        }
    }

    /// The model's turn.
    fn turn(&mut self, blocks: &[Placed<'_, '_>], ids: &[String]) {
        let mut ids = ids.iter();
        let mut thoughts: Vec<(Thought, String)> = Vec::new();
        let mut wrote = false;
        for placed in blocks {
            let spoken = match &placed.block.kind {
                BlockKind::Text { text, .. } if is_blank(text.escaped()) => {
                    if wrote {
                        self.mark(placed);
                    }
                    continue;
                }
                BlockKind::Text { text, .. } => Cow::Borrowed(text.escaped()),
                BlockKind::Thinking { thinking, signature } => {
                    let thought = self.carrier.thinking(*thinking, *signature);
                    thoughts.extend(self.kept(thought, placed));
                    continue;
                }
                BlockKind::RedactedThinking { data } => {
                    let thought = self.carrier.redacted(*data);
                    thoughts.extend(self.kept(thought, placed));
                    continue;
                }
                BlockKind::ToolUse { name, input, .. } => {
                    let id = ids.next().map_or("", String::as_str);
                    if self.target.calls_tools() {
                        self.lead(&mut thoughts);
                        self.call(id, *name, *input);
                        self.mark(placed);
                        wrote = true;
                        continue;
                    }
                    self.replaced(placed, "the model calls no tools; a call is told as text");
                    let mut words = format!("[called {} with ", name.escaped());
                    escape(input.as_str(), &mut words);
                    words.push(']');
                    Cow::Owned(words)
                }
                BlockKind::ServerToolUse { name, input, .. } => {
                    self.replaced(placed, "a server's call is told as text");
                    Cow::Owned(server_call(*name, *input))
                }
                BlockKind::ServerToolResult { kind, content, .. } => {
                    self.replaced(placed, "a server's result is told as text");
                    Cow::Owned(server_result(*kind, *content))
                }
                BlockKind::Unknown { kind } => {
                    let why = format!("blocks of type `{}` are not known here", kind.decode());
                    self.losses.add(What::Dropped, placed.path(), why);
                    continue;
                }
                _ => {
                    self.losses.add(What::Dropped, placed.path(), "the model can't have said it");
                    continue;
                }
            };
            self.lead(&mut thoughts);
            self.turn_to(false).spoken = true;
            text(&spoken, self.json);
            self.mark(placed);
            wrote = true;
        }
        for (_, path) in thoughts {
            self.losses.add(What::Dropped, path, "nothing that it led to stands behind it");
        }
    }

    fn replaced(&mut self, placed: &Placed<'_, '_>, why: &'static str) {
        self.losses.add(What::Replaced, placed.path(), why);
    }

    /// Reasoning that goes back, and where it stands.
    fn kept(
        &mut self,
        thought: Result<Thought, &'static str>,
        placed: &Placed<'_, '_>,
    ) -> Option<(Thought, String)> {
        let refused = self.target.cx.without.contains(&Feature::ReasoningState)
            || !self.target.may("reasoningContent");
        let why = match thought {
            Ok(thought) if !refused => return Some((thought, placed.path())),
            Ok(_) => "the model refused the reasoning of earlier turns",
            Err(why) => why,
        };
        let what = if why == NOT_WANTED { What::Hint } else { What::Dropped };
        self.losses.add(what, placed.path(), why);
        None
    }

    /// Writes the reasoning that led to what comes next.
    fn lead(&mut self, thoughts: &mut Vec<(Thought, String)>) {
        for (thought, _) in thoughts.drain(..) {
            let open = self.turn_to(false);
            open.thought |= !open.spoken;
            open.spoken = true;
            thought.write(self.json);
        }
    }

    fn call(&mut self, id: &str, name: Text<'_>, input: Raw<'_>) {
        let open = self.turn_to(false);
        open.spoken = true;
        open.calls = true;
        let name = name.decode();
        let name = self.names.there(&name);
        self.json.object(|json| {
            json.key("toolUse").object(|json| {
                json.key("toolUseId").string(id).key("name").string(&name).key("input");
                if input.is_object() {
                    json.raw(input);
                } else {
                    json.object(|json| {
                        json.key("value").raw(input);
                    });
                }
            });
        });
    }

    /// A call's result. What no result may hold here is `attached` behind all of them.
    fn result<'b>(
        &mut self,
        result: &CallResult<'_, 'b>,
        id: &str,
        attached: &mut Vec<(Part<'b>, String)>,
    ) -> Result<(), ApiError> {
        let placed = match result {
            CallResult::Given { result, .. } => Some(result),
            CallResult::Missing { .. } => None,
        };
        let given = placed.and_then(|placed| match &placed.block.kind {
            BlockKind::ToolResult { content, is_error, .. } => Some((placed, content, *is_error)),
            _ => None,
        });
        let mut parts: Vec<(Part<'b>, String)> = Vec::new();
        let mut failed = true;
        if let Some((placed, content, is_error)) = given {
            failed = is_error;
            for (at, inner) in content.iter().enumerate() {
                let path = format!("{}.content[{at}]", placed.path());
                let mut some = Vec::new();
                self.parts.of(inner, &path, &mut some, self.losses)?;
                parts.extend(some.into_iter().map(|part| (part, path.clone())));
            }
            if parts.is_empty() {
                parts.push((Part::Text(Cow::Borrowed(NO_OUTPUT)), placed.path()));
            }
        } else {
            let why = "a call without a result got one that says so";
            self.losses.add(What::Replaced, format!("tool_use {id}"), why);
            parts.push((Part::Text(Cow::Borrowed(INTERRUPTED)), String::new()));
        }
        if !self.target.calls_tools() {
            let head =
                format!("[result of a tool call]\\n{}", if failed { ERROR_MARK } else { "" });
            self.part(Part::Text(Cow::Owned(head)), "");
            for (part, path) in parts {
                self.part(part, &path);
            }
            return Ok(());
        }
        if !(self.target.family.result_media && self.target.may("toolResult media")) {
            detach(&mut parts, id, attached);
        }
        let status = self.target.family.result_status && self.target.may("status");
        if failed && !status {
            parts.insert(0, (Part::Text(Cow::Borrowed(ERROR_MARK.trim_end())), String::new()));
            if let [_, (Part::Text(first), _), ..] = &parts[..] {
                let words = format!("{ERROR_MARK}{first}");
                parts[1].0 = Part::Text(Cow::Owned(words));
                parts.remove(0);
            }
        }
        self.turn_to(true);
        self.json.open('{').key("toolResult").open('{');
        self.json.key("toolUseId").string(id).key("content").open('[');
        for (part, path) in parts {
            let part = self.room.take(part, &path, self.losses);
            part.write(&mut self.documents, self.json);
        }
        self.json.close(']');
        if failed && status {
            self.json.key("status").string("error");
        }
        self.json.close('}').close('}');
        if let Some((placed, content, _)) = given
            && (placed.marked || any_marked(content))
        {
            let inner = content.iter().rfind(|inner| inner.cache_control);
            let kept = inner.filter(|_| !placed.marked).map(Kept::of_block);
            let kept = kept.unwrap_or_else(|| Kept::of_block(placed.block));
            self.marks.behind_block(kept, self.json, self.losses);
        }
        Ok(())
    }

    /// What the user or the operator said.
    fn said(&mut self, said: &Said<'_, '_>) -> Result<(), ApiError> {
        let operator = said.role == Role::System;
        let mut aside = String::new();
        for placed in &said.blocks {
            let mut parts = Vec::new();
            self.parts.of(placed.block, &placed.path(), &mut parts, self.losses)?;
            for part in parts {
                match part {
                    Part::Text(words) if operator => {
                        aside.push_str("\\n");
                        aside.push_str(&words);
                    }
                    part => self.part(part, &placed.path()),
                }
            }
            if !operator {
                self.mark(placed);
            }
        }
        if !aside.is_empty() {
            self.say(&format!("<system-reminder>{aside}\\n</system-reminder>"));
            if let Some(placed) = said.blocks.iter().rfind(|placed| placed.marked) {
                self.mark(placed);
            }
        }
        Ok(())
    }
}

/// Moves images and documents out of a result and leaves a word on where they are (behaviour R27).
fn detach<'b>(parts: &mut [(Part<'b>, String)], id: &str, attached: &mut Vec<(Part<'b>, String)>) {
    let words = |text: String| Part::Text(Cow::Owned(text));
    let mut files = 0;
    for (part, path) in parts {
        let kind = match part {
            Part::Text(_) => continue,
            Part::Image { .. } => "image",
            Part::Document(_) => "document",
        };
        files += 1;
        let here = words(format!("[{kind} {files} of result {id} is attached below]"));
        attached.push((words(format!("[{kind} {files} of result {id}]")), String::new()));
        attached.push((std::mem::replace(part, here), path.clone()));
    }
}

/// The ids of calls as they go up: legal, and each stands once.
#[derive(Debug, Default)]
struct Ids {
    taken: HashSet<String>,
}

impl Ids {
    /// Those of a turn's calls, in their order.
    fn of(&mut self, round: &Round<'_, '_>) -> Vec<String> {
        let calls = round.assistant.iter().filter_map(|placed| match placed.block.kind {
            BlockKind::ToolUse { id, .. } => Some(id.decode()),
            _ => None,
        });
        calls.map(|id| self.legal(&id)).collect()
    }

    fn legal(&mut self, id: &str) -> String {
        let native = native_id(id);
        let fine = !native.is_empty()
            && native.len() <= ID_MAX
            && native.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
        // The control character makes it a digest.
        let mut wire = if fine {
            native.into_owned()
        } else {
            call_id(&format!("{id}\0"), ID_MAX).into_owned()
        };
        let mut count = 1;
        while !self.taken.insert(wire.clone()) {
            count += 1;
            wire = call_id(&format!("{id}.{count}\0"), ID_MAX).into_owned();
        }
        wire
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_that_are_legal_stay_and_others_are_short_for_ever() {
        let mut ids = Ids::default();
        assert_eq!(ids.legal("tooluse_a.b:c-D_1"), "tooluse_a.b:c-D_1");
        let long = "x".repeat(65);
        let short = ids.legal(&long);
        assert!(short.starts_with("call_") && short.len() == 29);
        assert_eq!(Ids::default().legal(&long), short);
        assert_ne!(ids.legal(&long), short);
        assert_ne!(ids.legal("tooluse_a.b:c-D_1"), "tooluse_a.b:c-D_1");
    }

    proptest! {
        #[test]
        fn any_ids_become_legal_and_stand_once(all in prop::collection::vec(".{0,80}", 1..8)) {
            let mut ids = Ids::default();
            for id in &all {
                let wire = ids.legal(id);
                prop_assert!((1..=64).contains(&wire.len()));
                prop_assert!(wire.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)));
            }
            prop_assert_eq!(ids.taken.len(), all.len());
        }
    }
}
