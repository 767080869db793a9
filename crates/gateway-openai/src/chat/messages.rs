//! The conversation as Chat Completions wants it: one system message, turns with all their calls,
//! each call's result right behind, and only text in those.

use std::borrow::Cow;

use gateway_dialect::{Content, ERROR_MARK, Part, any_marked, current, server_call, server_result};
use gateway_models::Reasoning;
use gateway_translate::{CallResult, Json, NameMap, Placed, Round, is_billing_line, rounds};
use gateway_types::{ApiError, Block, BlockKind, ErrorKind, Losses, Request, Role, Text, What};

use super::history::{self, Thought};
use super::parts::write_part;
use crate::Replay;
use crate::common::Target;
use crate::ids::call_ids;

/// Writes the messages of one request.
#[derive(Debug)]
pub(super) struct Messages<'t, 'l, 'j, 'b> {
    target: &'t Target<'t>,
    names: &'t NameMap,
    losses: &'l mut Losses,
    json: &'j mut Json,
    /// What the user says next; messages of the user in a row are one.
    pending: Vec<Part<'b>>,
    /// The last message is a result.
    after_tool: bool,
    /// What comes now stands in a turn before the last.
    earlier: bool,
}

impl<'t, 'l, 'j, 'b> Messages<'t, 'l, 'j, 'b> {
    pub(super) fn new(
        target: &'t Target<'t>,
        names: &'t NameMap,
        losses: &'l mut Losses,
        json: &'j mut Json,
    ) -> Self {
        Self { target, names, losses, json, pending: Vec::new(), after_tool: false, earlier: false }
    }

    /// Writes all messages as an array's elements. `told` is added to the system prompt; `asked` is said
    /// behind all else, since what holds for one turn must not change the head of the prompt (R34, R35).
    ///
    /// # Errors
    /// When a block can't be shown to the model.
    pub(super) fn write(
        mut self,
        request: &'b Request<'b>,
        told: &[String],
        asked: Option<&str>,
    ) -> Result<(), ApiError> {
        self.system(&request.system, told)?;
        if self.target.keeps_marks() {
            for (at, message) in request.messages.iter().enumerate() {
                let is_empty = |block: &&Block<'_>| matches!(block.kind, BlockKind::Text { text, .. } if text.is_empty());
                if message.content.iter().take_while(is_empty).any(|block| block.cache_control) {
                    let why = "a mark on an empty text that nothing stands before";
                    self.losses.add(What::Hint, format!("messages[{at}]"), why);
                }
            }
        }
        let rounds = rounds(request);
        let mut speaks = false;
        let current = current(&rounds);
        for (at, round) in rounds.iter().enumerate() {
            self.earlier = at < current;
            speaks = self.round(round)?;
        }
        // There is nothing to go on with where the last turn held only what can't be told.
        if let Some(last) = rounds.last().filter(|_| speaks) {
            self.prefill(last);
        }
        if let Some(asked) = asked {
            let text = gateway_types::escaped(asked).into_owned();
            self.pending.push(Part::Text { text: text.into(), marked: false });
        }
        self.flush();
        Ok(())
    }

    fn system(&mut self, blocks: &'b [Block<'b>], told: &[String]) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            let path = format!("system[{at}]");
            if let BlockKind::Text { text, .. } = block.kind
                && is_billing_line(text)
            {
                self.losses.add(What::Hint, path, "the client's billing line");
                continue;
            }
            if let (BlockKind::Text { text, .. }, Some(Part::Text { marked, .. })) =
                (&block.kind, parts.last_mut())
            {
                // The mark of an empty text is the text's before it (behaviour R26).
                *marked |= text.is_empty() && block.cache_control;
            }
            self.content(block, &path, &mut parts)?;
            if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
                let text = format!("{path}: only text can stand in the system prompt here");
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
        }
        for line in told {
            let text = gateway_types::escaped(line).into_owned();
            parts.push(Part::Text { text: text.into(), marked: false });
        }
        if !parts.is_empty() {
            let role = self.system_role();
            let marked = any_marked(blocks);
            self.system_message(role, &parts, marked);
        }
        Ok(())
    }

    fn system_role(&self) -> &'static str {
        // Models that do not reason may not know the role, and a deployment's name says nothing.
        let facts = &self.target.facts;
        let reasons = match facts.reasoning {
            Reasoning::Always => true,
            Reasoning::Optional => !facts.efforts.is_empty(),
            Reasoning::Never => false,
        };
        if self.target.quirks.developer_role && reasons { "developer" } else { "system" }
    }

    fn system_message(&mut self, role: &str, parts: &[Part<'_>], marked: bool) {
        let as_parts = marked && self.target.keeps_marks();
        self.after_tool = false;
        self.json.object(|json| {
            json.key("role").string(role).key("content");
            if as_parts {
                json.array(|json| parts.iter().for_each(|part| write_part(part, true, json)));
            } else {
                joined(parts, json);
            }
        });
    }

    /// Writes a round; says whether the assistant says anything in it.
    fn round(&mut self, round: &Round<'b, 'b>) -> Result<bool, ApiError> {
        let ids = call_ids(self.target, round, self.target.quirks.call_id_max);
        let speaks = !round.assistant.is_empty() && self.assistant(round, &ids);
        let mut attached = Vec::new();
        for (result, id) in round.results.iter().zip(&ids) {
            if let (CallResult::Missing { .. }, Some(turn)) = (result, round.assistant.last()) {
                let path = format!("messages[{}]", turn.message);
                self.losses.add(What::Replaced, path, "a call without a result gets one");
            }
            self.result(result, id, &mut attached)?;
        }
        self.pending.append(&mut attached);
        for said in &round.said {
            if said.role == Role::System {
                self.mid_system(&said.blocks)?;
                continue;
            }
            for placed in &said.blocks {
                let mut parts = Vec::new();
                self.placed(placed, &mut parts)?;
                self.pending.append(&mut parts);
            }
        }
        Ok(speaks)
    }

    /// A system message in the middle of the conversation (behaviour R24).
    fn mid_system(&mut self, blocks: &[Placed<'b, 'b>]) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for placed in blocks {
            self.placed(placed, &mut parts)?;
        }
        if parts.is_empty() {
            return Ok(());
        }
        if self.target.quirks.system_anywhere {
            self.flush();
            let role = self.system_role();
            let marked = parts.iter().any(|part| matches!(part, Part::Text { marked: true, .. }));
            self.system_message(role, &parts, marked);
            return Ok(());
        }
        if let Some(first) = blocks.first() {
            let path = format!("messages[{}]", first.message);
            self.losses.add(
                What::Hint,
                path,
                "told to the model as a reminder from the user's side",
            );
        }
        for part in parts {
            self.pending.push(match part {
                Part::Text { text, marked } => {
                    let text = format!("<system-reminder>\\n{text}\\n</system-reminder>");
                    Part::Text { text: text.into(), marked }
                }
                other => other,
            });
        }
        Ok(())
    }

    /// An assistant's turn as one message: its text, then its calls. Says whether there is one.
    fn assistant(&mut self, round: &Round<'b, 'b>, ids: &[String]) -> bool {
        let mut content = String::new();
        let mut calls = Vec::new();
        let mut thoughts = Vec::new();
        // Texts that only thinking parts were one text.
        let mut border = "";
        for placed in &round.assistant {
            let path = || placed.path();
            if placed.marked && self.target.keeps_marks() {
                self.losses.add(What::Hint, path(), NO_MARK);
            }
            let mut text = |text: &str, border: &mut &'static str| {
                if !content.is_empty() {
                    content.push_str(border);
                }
                content.push_str(text);
                *border = "\\n\\n";
            };
            match &placed.block.kind {
                BlockKind::Text { text: piece, .. } => text(piece.escaped(), &mut border),
                BlockKind::ToolUse { name, input, .. } => {
                    calls.push((*name, *input));
                    border = "\\n\\n";
                }
                BlockKind::Thinking { thinking, signature } => {
                    border = "";
                    let thought = history::thinking(self.target, *thinking, *signature);
                    self.recall(thought, path(), &mut thoughts);
                }
                BlockKind::RedactedThinking { data } => {
                    let thought = history::thinking(self.target, Text::default(), *data);
                    self.recall(thought, path(), &mut thoughts);
                }
                BlockKind::ServerToolUse { name, input, .. } => {
                    self.losses.add(What::Replaced, path(), "a server's call is told as text");
                    text(&server_call(*name, *input), &mut border);
                }
                BlockKind::ServerToolResult { kind, content: found, .. } => {
                    self.losses.add(What::Replaced, path(), "a server's result is told as text");
                    text(&server_result(*kind, *found), &mut border);
                }
                _ => self.losses.add(What::Dropped, path(), "the model can't have said it"),
            }
        }
        let replays = match self.target.quirks.replay_reasoning {
            Replay::Always => true,
            Replay::ToolTurns => !calls.is_empty(),
            Replay::Never => false,
        };
        if !replays {
            thoughts.clear();
        }
        history::into_content(self.target, &thoughts, &mut content);
        if content.is_empty() && calls.is_empty() {
            return false;
        }
        self.flush();
        self.after_tool = false;
        let (target, names) = (self.target, self.names);
        self.json.object(|json| {
            json.key("role").string("assistant").key("content");
            if content.is_empty() {
                json.null();
            } else {
                json.text(Text::from_escaped(&content));
            }
            history::write(target, &thoughts, !calls.is_empty(), json);
            if calls.is_empty() {
                return;
            }
            json.key("tool_calls").array(|json| {
                for ((name, input), id) in calls.iter().zip(ids) {
                    json.object(|json| {
                        json.key("id").string(id);
                        json.key("type").string("function");
                        json.key("function").object(|json| {
                            json.key("name").string(&names.there(&name.decode()));
                            json.key("arguments").json_in_string(*input);
                        });
                    });
                }
            });
        });
        true
    }

    fn recall(
        &mut self,
        thought: Thought,
        path: String,
        thoughts: &mut Vec<super::reasoning::Carried>,
    ) {
        match thought {
            Thought::Ours(carried) => thoughts.push(carried),
            Thought::Lost(what, why) => self.losses.add(what, path, why),
        }
    }

    /// One call's result. What is no text is attached behind all results (behaviour R27).
    fn result(
        &mut self,
        result: &CallResult<'b, 'b>,
        id: &str,
        attached: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        self.flush();
        let (text, marked) = match result {
            CallResult::Missing { .. } => ("[no result: interrupted]".to_owned(), false),
            CallResult::Given { result, .. } => (
                self.result_text(id, result, attached)?,
                self.target.keeps_marks() && is_marked_result(result),
            ),
        };
        self.after_tool = true;
        self.json.object(|json| {
            json.key("role").string("tool").key("tool_call_id").string(id).key("content");
            if marked {
                let part = Part::Text { text: text.into(), marked };
                json.array(|json| write_part(&part, true, json));
            } else {
                json.text(Text::from_escaped(&text));
            }
        });
        Ok(())
    }

    /// The text of a result, escaped.
    fn result_text(
        &mut self,
        id: &str,
        result: &Placed<'b, 'b>,
        attached: &mut Vec<Part<'b>>,
    ) -> Result<String, ApiError> {
        let mut text = String::new();
        let BlockKind::ToolResult { content, is_error, .. } = &result.block.kind else {
            return Ok(text);
        };
        let mut parts = Vec::new();
        for (at, block) in content.iter().enumerate() {
            self.content(block, &format!("{}.content[{at}]", result.path()), &mut parts)?;
        }
        let id = gateway_types::escaped(id);
        let mut files = 0;
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                text.push_str("\\n");
            }
            let kind = match &part {
                Part::Text { text: piece, .. } => {
                    text.push_str(piece);
                    continue;
                }
                Part::Image { .. } | Part::ImageUrl(_) => "image",
                Part::Pdf { .. } | Part::PdfUrl { .. } => "document",
            };
            files += 1;
            text.push_str(&format!("[{kind} {files} of result {id} is attached below]"));
            let label = format!("[{kind} {files} of result {id}]");
            attached.push(Part::Text { text: label.into(), marked: false });
            attached.push(part);
        }
        if text.is_empty() {
            text = gateway_types::escaped(&self.target.quirks.empty_tool_output).into_owned();
        }
        if *is_error {
            text.insert_str(0, ERROR_MARK);
        }
        Ok(text)
    }

    /// A last message that is the assistant's is to be gone on with.
    fn prefill(&mut self, last: &Round<'b, 'b>) {
        let open = !last.assistant.is_empty() && last.results.is_empty() && last.said.is_empty();
        if !open || self.target.quirks.prefill {
            return;
        }
        let path =
            last.assistant.last().map_or(String::new(), |p| format!("messages[{}]", p.message));
        self.losses.add(What::Replaced, path, "the model is asked in words to go on with it");
        let text = Cow::Borrowed(
            "Continue exactly where your last message ends. Do not repeat any of it.",
        );
        self.pending.push(Part::Text { text, marked: false });
    }

    /// A block as parts. Its cache mark, where such are taken, stands on the last text of it.
    fn placed(&mut self, placed: &Placed<'b, 'b>, out: &mut Vec<Part<'b>>) -> Result<(), ApiError> {
        let before = out.len();
        self.content(placed.block, &placed.path(), out)?;
        if placed.marked && self.target.keeps_marks() {
            match out[before..].last_mut() {
                Some(Part::Text { marked, .. }) => *marked = true,
                _ => self.losses.add(What::Hint, placed.path(), NO_MARK),
            }
        }
        Ok(())
    }

    fn content(
        &mut self,
        block: &Block<'b>,
        path: &str,
        out: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        if let BlockKind::ToolReference { tool_name } = block.kind {
            // By the name that the model can call.
            let name = tool_name.decode();
            let text = format!("The tool `{}` is available now.", self.names.there(&name));
            let text = gateway_types::escaped(&text).into_owned();
            out.push(Part::Text { text: text.into(), marked: false });
            return Ok(());
        }
        let urls = self.target.quirks.web_search == crate::WebSearch::OpenRouter;
        let content = Content::new(self.target.senses(urls), self.losses);
        content.earlier(self.earlier).parts(block, path, out)
    }

    /// Writes what the user says.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.pending);
        let quirks = self.target.quirks;
        if std::mem::take(&mut self.after_tool) && !quirks.user_after_tool {
            let why = "a word of the assistant's stands between results and what follows";
            self.losses.add(What::Hint, "messages", why);
            self.json.object(|json| {
                json.key("role").string("assistant").key("content").string("Noted.");
            });
        }
        let is_text = |part: &Part<'_>| matches!(part, Part::Text { .. });
        let is_marked = |part: &Part<'_>| matches!(part, Part::Text { marked: true, .. });
        let one = parts.len() == 1 || !quirks.text_parts;
        let marks = self.target.keeps_marks();
        let marked = marks && parts.iter().any(is_marked);
        self.json.object(|json| {
            json.key("role").string("user").key("content");
            if one && !marked && parts.iter().all(is_text) {
                joined(&parts, json);
            } else {
                json.array(|json| parts.iter().for_each(|part| write_part(part, marks, json)));
            }
        });
    }
}

const NO_MARK: &str = "no cache mark can stand here at this upstream";

/// Whether a cache mark stands on a result or in it.
fn is_marked_result(placed: &Placed<'_, '_>) -> bool {
    let inner = match &placed.block.kind {
        BlockKind::ToolResult { content, .. } => any_marked(content),
        _ => false,
    };
    placed.marked || inner
}

/// Texts as one string, with a blank line between them.
fn joined(parts: &[Part<'_>], json: &mut Json) {
    json.string_with(|out| {
        let mut first = true;
        for part in parts {
            let Part::Text { text, .. } = part else { continue };
            if !std::mem::take(&mut first) {
                out.text(Text::from_escaped("\\n\\n"));
            }
            out.text(Text::from_escaped(text));
        }
    });
}
