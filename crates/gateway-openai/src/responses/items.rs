//! The conversation as input items, in the order in which they came about.

use std::borrow::Cow;

use gateway_dialect::{Content, ERROR_MARK, Part, current, file_name, server_call, server_result};
use gateway_models::Family;
use gateway_translate::{CallResult, Json, NameMap, Placed, Round, Said, rounds};
use gateway_types::{
    ApiError, Block, BlockKind, ErrorKind, Losses, Request, Role, Text, What, escape, escaped,
};

use super::reasoning::{Carried, Carrier};
use crate::common::Target;
use crate::ids::call_ids;
use crate::refused::CACHE_BREAKPOINT;

/// Longest `call_id` that this dialect takes, in characters, whatever the server's own limit.
const CALL_ID_MAX: usize = 64;

/// Writes the items. Without a `carrier` no reasoning goes along.
///
/// # Errors
/// When a block can't be shown to the model and leaving it out would mislead.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    names: &NameMap,
    carrier: Option<&Carrier>,
    json: &mut Json,
    losses: &mut Losses,
) -> Result<(), ApiError> {
    let begin = json.len();
    let phases = matches!(target.facts.family, Family::Gpt5(3..) | Family::Gpt6);
    let content = Content::new(target.senses(true), losses);
    let mut items = Items { target, names, carrier, phases, content, json };
    let rounds = rounds(request);
    let mut spoke = false;
    let current = current(&rounds);
    for (at, round) in rounds.iter().enumerate() {
        items.content.set_earlier(at < current);
        let longest = target.quirks.call_id_max.min(CALL_ID_MAX);
        let ids = call_ids(target, round, longest);
        let before = items.json.len();
        items.turn(&round.assistant, &ids);
        spoke = items.json.len() > before;
        let mut attached = Vec::new();
        for (result, id) in round.results.iter().zip(&ids) {
            items.result(result, id, &mut attached)?;
        }
        if !attached.is_empty() {
            items.message("user", |json| attached.iter().for_each(|part| write_part(part, json)));
        }
        for said in &round.said {
            items.said(said)?;
        }
    }
    let open = |round: &&Round<'_, '_>| round.results.is_empty() && round.said.is_empty();
    // Where nothing of the turn could be shown there is nothing to go on with.
    let last = rounds.last().filter(open).filter(|_| spoke);
    if let Some(placed) = last.and_then(|round| round.assistant.last())
        && !target.quirks.prefill
    {
        let why = "the model can't go on in its own words; it is asked to";
        items.content.losses().add(What::Replaced, format!("messages[{}]", placed.message), why);
        items.message("user", |json| text(json, "input_text", GO_ON));
    }
    if json.len() == begin {
        let text = "messages: nothing is left that the model could be shown; send at least one \
                    message with content";
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(())
}

/// As many marks of the cache as a request may have.
const MARKS_MAX: usize = 4;

/// Writes the system prompt as the first message, with the caller's marks on its parts.
pub(super) fn system(parts: &[Part<'_>], target: &Target<'_>, json: &mut Json) {
    let is_marked = |part: &Part<'_>| matches!(part, Part::Text { marked: true, .. });
    let mut too_many = parts.iter().filter(|p| is_marked(p)).count().saturating_sub(MARKS_MAX);
    json.object(|json| {
        json.key("type").string("message");
        json.key("role").string(if target.quirks.developer_role { "developer" } else { "system" });
        json.key("content").array(|json| {
            for part in parts {
                let Part::Text { text, .. } = part else { continue };
                // The later ones hold more.
                let mark = is_marked(part) && too_many == 0;
                too_many -= usize::from(is_marked(part) && !mark);
                json.object(|json| {
                    json.key("type").string("input_text");
                    json.key("text").text(Text::from_escaped(text));
                    if mark {
                        json.key(CACHE_BREAKPOINT).object(|json| {
                            json.key("mode").string("explicit");
                        });
                    }
                });
            }
        });
    });
}

const GO_ON: &str = "Continue exactly where your last message ends, without repeating any of it.";
const COMMENTARY: &str = "commentary";
const INTERRUPTED: &str = "[no result: interrupted]";

struct Items<'t, 'l, 'j> {
    target: &'t Target<'t>,
    names: &'t NameMap,
    carrier: Option<&'t Carrier>,
    /// Whether the model tells commentary from the final answer.
    phases: bool,
    content: Content<'l>,
    json: &'j mut Json,
}

/// A reasoning item that waits for what it led to.
struct Thought<'b> {
    item: Carried,
    shown: Cow<'b, str>,
    path: String,
}

impl Items<'_, '_, '_> {
    /// The model's turn.
    ///
    /// Texts that follow each other are one message, since an answer with citations has many. Whether
    /// they were two to the model is known only where the reasoning before them carries that the first
    /// was commentary and no call follows: then the others are the final answer. Two messages of a
    /// turn without reasoning come back as one.
    fn turn(&mut self, blocks: &[Placed<'_, '_>], ids: &[String]) {
        let mut ids = ids.iter();
        let last_call = blocks
            .iter()
            .rposition(|placed| matches!(placed.block.kind, BlockKind::ToolUse { .. }));
        let mut thoughts: Vec<Thought<'_>> = Vec::new();
        let mut texts: Vec<Cow<'_, str>> = Vec::new();
        let mut phase: Option<String> = None;
        // The message that is being gathered is known to be commentary.
        let mut was_commentary = false;
        for (at, placed) in blocks.iter().enumerate() {
            let calls_follow = last_call.is_some_and(|call| call > at);
            let spoken = match &placed.block.kind {
                BlockKind::Text { text, .. } => Some(Cow::Borrowed(text.escaped())),
                BlockKind::ServerToolUse { name, input, .. } => {
                    self.replaced(placed, "a search that was run is told as text");
                    Some(Cow::Owned(server_call(*name, *input)))
                }
                BlockKind::ServerToolResult { kind, content, .. } => {
                    self.replaced(placed, "what was found is told as text");
                    Some(Cow::Owned(server_result(*kind, *content)))
                }
                _ => None,
            };
            if let Some(spoken) = spoken {
                if texts.is_empty() {
                    let led = self.lead(&mut thoughts);
                    was_commentary = led.as_deref() == Some(COMMENTARY);
                    phase = led.or_else(|| self.phase(calls_follow));
                } else if std::mem::take(&mut was_commentary) && !calls_follow {
                    self.spoken(&mut texts, phase.take());
                    phase = self.phase(calls_follow);
                }
                texts.push(spoken);
                continue;
            }
            self.spoken(&mut texts, phase.take());
            match &placed.block.kind {
                BlockKind::Thinking { thinking, signature } => {
                    let thought = self.thought(placed, *signature, *thinking);
                    thoughts.extend(thought);
                }
                BlockKind::RedactedThinking { data } => {
                    let thought = self.thought(placed, *data, Text::default());
                    thoughts.extend(thought);
                }
                BlockKind::ToolUse { name, input, .. } => {
                    self.lead(&mut thoughts);
                    let id = ids.next().map_or("", String::as_str);
                    let name = name.decode();
                    let name = self.names.there(&name);
                    self.json.object(|json| {
                        json.key("type").string("function_call");
                        json.key("call_id").string(id).key("name").string(&name);
                        json.key("arguments").json_in_string(*input);
                    });
                }
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
        self.spoken(&mut texts, phase);
        for thought in thoughts {
            let why = "nothing that it led to stands behind it";
            self.content.losses().add(What::Dropped, thought.path, why);
        }
    }

    fn replaced(&mut self, placed: &Placed<'_, '_>, why: &'static str) {
        self.content.losses().add(What::Replaced, placed.path(), why);
    }

    /// What the signature of a thinking block carries, if it is ours and belongs here.
    fn thought<'b>(
        &mut self,
        placed: &Placed<'_, 'b>,
        sealed: Text<'b>,
        shown: Text<'b>,
    ) -> Option<Thought<'b>> {
        let why = match self.carrier {
            None => "the provider refused the reasoning of earlier turns",
            Some(carrier) => match carrier.open(&sealed.decode()) {
                Ok(item) => {
                    return Some(Thought { item, shown: shown.decode(), path: placed.path() });
                }
                Err(why) => why,
            },
        };
        self.content.losses().add(What::Dropped, placed.path(), why);
        None
    }

    /// Writes the reasoning that led to the next item, and tells the phase it brought for that.
    fn lead(&mut self, thoughts: &mut Vec<Thought<'_>>) -> Option<String> {
        let mut phase = None;
        for thought in thoughts.drain(..) {
            thought.item.write(&thought.shown, self.json);
            phase = thought.item.phase;
        }
        phase.filter(|_| self.phases)
    }

    /// The phase of a message, as far as it can be told by its place.
    fn phase(&self, calls_follow: bool) -> Option<String> {
        let phase = if calls_follow { COMMENTARY } else { "final_answer" };
        self.phases.then(|| phase.to_owned())
    }

    /// Writes the texts gathered so far as one message.
    fn spoken(&mut self, texts: &mut Vec<Cow<'_, str>>, phase: Option<String>) {
        if texts.is_empty() {
            return;
        }
        self.json.object(|json| {
            json.key("type").string("message").key("role").string("assistant");
            json.key("content").array(|json| {
                for piece in texts.drain(..) {
                    text(json, "output_text", &piece);
                }
            });
            if let Some(phase) = phase {
                json.key("phase").string(&phase);
            }
        });
    }

    /// A call's result. What no result may hold here is `attached` behind all of them.
    fn result<'b>(
        &mut self,
        result: &CallResult<'_, 'b>,
        id: &str,
        attached: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        let placed = match result {
            CallResult::Given { result, .. } => Some(result),
            CallResult::Missing { .. } => None,
        };
        let mut parts = Vec::new();
        let mut failed = false;
        let given = placed.and_then(|placed| match &placed.block.kind {
            BlockKind::ToolResult { content, is_error, .. } => Some((placed, content, *is_error)),
            _ => None,
        });
        if let Some((placed, content, is_error)) = given {
            failed = is_error;
            for (at, inner) in content.iter().enumerate() {
                self.parts(inner, &format!("{}.content[{at}]", placed.path()), &mut parts)?;
            }
            if parts.is_empty() && !self.target.quirks.empty_tool_output.is_empty() {
                let mut text = String::new();
                escape(&self.target.quirks.empty_tool_output, &mut text);
                parts.push(Part::Text { text: Cow::Owned(text), marked: false });
            }
        } else {
            let why = "a call without a result got one that says so";
            self.content.losses().add(What::Replaced, format!("tool_use {id}"), why);
            parts.push(Part::Text { text: Cow::Borrowed(INTERRUPTED), marked: false });
        }
        if !self.target.quirks.tool_images {
            detach(&mut parts, id, attached);
        }
        let mark = if failed { ERROR_MARK } else { "" };
        let only_text = parts.iter().all(|part| matches!(part, Part::Text { .. }));
        self.json.object(|json| {
            json.key("type").string("function_call_output").key("call_id").string(id);
            json.key("output");
            if only_text {
                json.string_with(|s| {
                    s.push(mark);
                    for (at, part) in parts.iter().enumerate() {
                        let Part::Text { text, .. } = part else { continue };
                        s.push(if at == 0 { "" } else { "\n" });
                        s.text(Text::from_escaped(text));
                    }
                });
            } else {
                json.array(|json| {
                    if failed {
                        text(json, "input_text", ERROR_MARK.trim_end());
                    }
                    for part in &parts {
                        write_part(part, json);
                    }
                });
            }
        });
        Ok(())
    }

    /// What the user or the operator said.
    fn said(&mut self, said: &Said<'_, '_>) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for placed in &said.blocks {
            self.parts(placed.block, &placed.path(), &mut parts)?;
        }
        if parts.is_empty() {
            return Ok(());
        }
        let quirks = self.target.quirks;
        let operator = said.role == Role::System;
        // A server that wants the operator first only is told in the user's name.
        let aside = operator && !quirks.system_anywhere;
        let role = match (operator, aside) {
            (true, false) if quirks.developer_role => "developer",
            (true, false) => "system",
            _ => "user",
        };
        self.message(role, |json| {
            if aside {
                text(json, "input_text", "<system-reminder>");
            }
            for part in &parts {
                write_part(part, json);
            }
            if aside {
                text(json, "input_text", "</system-reminder>");
            }
        });
        Ok(())
    }

    fn message(&mut self, role: &str, content: impl FnOnce(&mut Json)) {
        self.json.object(|json| {
            json.key("type").string("message").key("role").string(role);
            json.key("content").array(content);
        });
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
        self.content.parts(block, path, out)
    }
}

/// Moves images and files out of a result and leaves a word on where they are (behaviour R27).
fn detach<'b>(parts: &mut [Part<'b>], id: &str, attached: &mut Vec<Part<'b>>) {
    let id = escaped(id);
    let words = |text: String| Part::Text { text: Cow::Owned(text), marked: false };
    let mut files = 0;
    for part in parts {
        let kind = match part {
            Part::Text { .. } => continue,
            Part::Image { .. } | Part::ImageUrl(_) => "image",
            Part::Pdf { .. } | Part::PdfUrl { .. } => "document",
        };
        files += 1;
        let here = words(format!("[{kind} {files} of result {id} is attached below]"));
        attached.push(words(format!("[{kind} {files} of result {id}]")));
        attached.push(std::mem::replace(part, here));
    }
}

/// A part with a text that is escaped already.
fn text(json: &mut Json, kind: &str, text: &str) {
    json.object(|json| {
        json.key("type").string(kind).key("text").text(Text::from_escaped(text));
    });
}

fn write_part(part: &Part<'_>, json: &mut Json) {
    let image = |json: &mut Json, pieces: &[Text<'_>]| {
        json.object(|json| {
            json.key("type").string("input_image").key("image_url").texts(pieces);
            json.key("detail").string("auto");
        });
    };
    match part {
        Part::Text { text: piece, .. } => text(json, "input_text", piece),
        Part::Image { media_type, data } => {
            let pieces = [Text::plain("data:"), *media_type, Text::plain(";base64,"), *data];
            image(json, &pieces);
        }
        Part::ImageUrl(url) => image(json, &[*url]),
        Part::Pdf { title, data } => {
            json.object(|json| {
                json.key("type").string("input_file").key("filename").texts(&file_name(*title));
                let pieces = [Text::plain("data:application/pdf;base64,"), *data];
                json.key("file_data").texts(&pieces);
            });
        }
        Part::PdfUrl { title, url } => {
            if let Some(title) = title.filter(|title| !title.is_empty()) {
                json.object(|json| {
                    json.key("type").string("input_text");
                    json.key("text").texts(&[Text::plain("Document: "), title]);
                });
            }
            json.object(|json| {
                json.key("type").string("input_file").key("file_url").text(*url);
            });
        }
    }
}
