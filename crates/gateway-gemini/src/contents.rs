//! The conversation as contents: turns of the user and the model by turns.

mod model;

use std::borrow::Cow;

use gateway_dialect::{Content, Part, current};
use gateway_translate::{CallResult, Json, NameMap, Placed, Round, rounds};
use gateway_types::{
    ApiError, Block, BlockKind, ErrorKind, Losses, Request, Role, Text, What, escape,
};

use crate::carrier::Carrier;
use crate::target::Target;
use model::Written;

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
    let current = current(&rounds);
    for (at, round) in rounds.iter().enumerate() {
        contents.content.set_earlier(at < current);
        let calls = contents.model(round);
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

/// What it takes as data, by media type.
const INLINE: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// What may stand inside the result of a function.
const IN_RESULT: &[&str] = &["image/png", "image/jpeg", "image/webp", "application/pdf"];

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
            let inside = self.target.reads_results() && !call.told;
            let titles: Vec<Part<'_>> = parts.iter().filter(|_| inside).filter_map(title).collect();
            parts.extend(titles);
            detach(&mut parts, inside, number + 1, &mut attached);
            if call.told {
                self.told_result(call, failed, &parts);
            } else {
                self.result(call, failed, &parts);
            }
        }
        for part in &attached {
            self.user_part(part);
        }
        Ok(())
    }

    /// The result of a call that was told as text.
    fn told_result(&mut self, call: &Written, failed: bool, parts: &[Part<'_>]) {
        let how = if failed { "failed with" } else { "returned" };
        let mut text = String::new();
        escape(&format!("[The tool `{}` {how}:", call.name), &mut text);
        for part in parts {
            if let Part::Text { text: piece, .. } = part {
                text.push_str("\\n");
                text.push_str(piece);
            }
        }
        text.push(']');
        self.text(Speaker::User, &text);
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
        for part in &mut out[before..] {
            if let Part::Image { media_type, .. } = part
                && !INLINE.iter().any(|known| media_type.is(known))
            {
                let why = format!("this provider takes no images of type {}", media_type.decode());
                *part = self.content.refused(path, "image", &why, "send PNG, JPEG or WebP")?;
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
