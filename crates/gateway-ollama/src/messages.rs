//! The conversation as Ollama takes it: a content is one string, images stand beside it, each call's
//! result right behind the turn that made it.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_dialect::{Content, ERROR_MARK, Part, Senses, current, server_call, server_result};
use gateway_translate::{
    AttemptCx, CallResult, Json, NameMap, Placed, Round, call_id, is_billing_line, native_id,
    rounds,
};
use gateway_types::{ApiError, BlockKind, ErrorKind, Losses, Request, Role, Text, What};

use crate::think;

/// What stands in the place of an empty output: templates drop a message without content.
const NO_OUTPUT: &str = "(no output)";

/// Longest id of a call.
const CALL_ID_MAX: usize = 128;

/// Writes the messages of one request.
#[derive(Debug)]
pub(crate) struct Messages<'t, 'l, 'j, 'b> {
    cx: &'t AttemptCx<'t>,
    senses: Senses,
    names: &'t NameMap,
    losses: &'l mut Losses,
    json: &'j mut Json,
    /// What the user says next; messages of the user in a row are one.
    pending: Vec<Part<'b>>,
    /// What comes now stands in a turn before the last.
    earlier: bool,
}

impl<'t, 'l, 'j, 'b> Messages<'t, 'l, 'j, 'b> {
    pub(crate) fn new(
        cx: &'t AttemptCx<'t>,
        senses: Senses,
        names: &'t NameMap,
        losses: &'l mut Losses,
        json: &'j mut Json,
    ) -> Self {
        Self { cx, senses, names, losses, json, pending: Vec::new(), earlier: false }
    }

    /// Writes all messages as an array's elements. `told` is said behind all else: what holds for one turn
    /// must not change the head of the prompt (R34, R35).
    ///
    /// # Errors
    /// When a block can't be shown to the model.
    pub(crate) fn write(
        mut self,
        request: &'b Request<'b>,
        told: Option<&str>,
    ) -> Result<(), ApiError> {
        self.system(request)?;
        let rounds = rounds(request);
        let mut speaks = false;
        let current = current(&rounds);
        for (at, round) in rounds.iter().enumerate() {
            self.earlier = at < current;
            speaks = self.round(round)?;
        }
        let open = |last: &&Round<'_, '_>| last.results.is_empty() && last.said.is_empty();
        if let Some(last) = rounds.last().filter(open).filter(|_| speaks) {
            let at = last.assistant.last().map_or(0, |placed| placed.message);
            // Templates close every turn but the one that the model is to write.
            let why = "the model is asked in words to go on with it";
            self.losses.add(What::Replaced, format!("messages[{at}]"), why);
            self.pending.push(text(
                "Continue exactly where your last message ends. Do not repeat any of it.",
            ));
        }
        self.pending.extend(told.map(|told| text(gateway_types::escaped(told).into_owned())));
        self.flush();
        Ok(())
    }

    fn system(&mut self, request: &'b Request<'b>) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for (at, block) in request.system.iter().enumerate() {
            let path = format!("system[{at}]");
            if let BlockKind::Text { text, .. } = block.kind
                && is_billing_line(text)
            {
                self.losses.add(What::Hint, path, "the client's billing line");
                continue;
            }
            Content::new(self.senses, self.losses).parts(block, &path, &mut parts)?;
            if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
                let text = format!("{path}: only text can stand in the system prompt here");
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
        }
        if !parts.is_empty() {
            self.message("system", &parts);
        }
        Ok(())
    }

    /// Writes a round; says whether the assistant says anything in it.
    fn round(&mut self, round: &Round<'b, 'b>) -> Result<bool, ApiError> {
        let calls = calls(round);
        let speaks = !round.assistant.is_empty() && self.assistant(round, &calls);
        let mut attached = Vec::new();
        for (result, call) in round.results.iter().zip(&calls) {
            if let (CallResult::Missing { .. }, Some(turn)) = (result, round.assistant.last()) {
                let path = format!("messages[{}]", turn.message);
                self.losses.add(What::Replaced, path, "a call without a result gets one");
            }
            self.result(result, call, &mut attached)?;
        }
        self.pending.append(&mut attached);
        for said in &round.said {
            for placed in &said.blocks {
                let mut parts = Vec::new();
                self.content(placed, &mut parts)?;
                if said.role == Role::System {
                    // Many templates know a system message at the head alone (behaviour R24).
                    let why = "told to the model as a reminder from the user's side";
                    self.losses.add(What::Hint, placed.path(), why);
                    for part in &mut parts {
                        if let Part::Text { text, .. } = part {
                            let wrapped =
                                format!("<system-reminder>\\n{text}\\n</system-reminder>");
                            *text = wrapped.into();
                        }
                    }
                }
                self.pending.append(&mut parts);
            }
        }
        Ok(speaks)
    }

    /// An assistant's turn as one message. Says whether there is one.
    fn assistant(&mut self, round: &Round<'b, 'b>, calls: &[Call<'_>]) -> bool {
        let (mut content, mut thoughts) = (String::new(), Vec::new());
        // Texts that only thinking parts were one text.
        let mut border = "";
        for placed in &round.assistant {
            let path = || placed.path();
            let mut text = |piece: &str, border: &mut &'static str| {
                if !content.is_empty() {
                    content.push_str(border);
                }
                content.push_str(piece);
                *border = "\\n\\n";
            };
            let mut recall =
                |text: Text<'_>, signature: Text<'_>| match think::recall(self.cx, text, signature)
                {
                    Ok(thought) if thought.is_empty() => {}
                    Ok(thought) => thoughts.push(thought),
                    Err(why) => self.losses.add(What::Dropped, path(), why),
                };
            match &placed.block.kind {
                BlockKind::Text { text: piece, .. } => text(piece.escaped(), &mut border),
                BlockKind::ToolUse { .. } => border = "\\n\\n",
                BlockKind::Thinking { thinking, signature } => {
                    border = "";
                    recall(*thinking, *signature);
                }
                BlockKind::RedactedThinking { data } => recall(Text::default(), *data),
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
        if content.is_empty() && calls.is_empty() {
            return false;
        }
        self.flush();
        let names = self.names;
        self.json.object(|json| {
            json.key("role").string("assistant");
            json.key("content").text(Text::from_escaped(&content));
            if !thoughts.is_empty() {
                json.key("thinking").text(Text::from_escaped(&thoughts.join("\\n\\n")));
            }
            if calls.is_empty() {
                return;
            }
            json.key("tool_calls").array(|json| {
                for call in calls {
                    json.object(|json| {
                        json.key("id").string(&call.id);
                        json.key("function").object(|json| {
                            json.key("name").string(&names.there(&call.name));
                            json.key("arguments").raw(call.input);
                        });
                    });
                }
            });
        });
        true
    }

    /// One call's result. Images stand behind all results, in the user's next message (behaviour
    /// R27): models see none in a result.
    fn result(
        &mut self,
        result: &CallResult<'b, 'b>,
        call: &Call<'_>,
        attached: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        self.flush();
        let content = match result {
            CallResult::Missing { .. } => "[no result: interrupted]".to_owned(),
            CallResult::Given { result, .. } => self.result_text(&call.id, result, attached)?,
        };
        let names = self.names;
        self.json.object(|json| {
            json.key("role").string("tool").key("tool_name").string(&names.there(&call.name));
            json.key("tool_call_id").string(&call.id);
            json.key("content").text(Text::from_escaped(&content));
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
        let BlockKind::ToolResult { content, is_error, .. } = &result.block.kind else {
            return Ok(String::new());
        };
        let mut parts = Vec::new();
        for (at, block) in content.iter().enumerate() {
            if let BlockKind::ToolReference { tool_name } = block.kind {
                parts.push(self.reference(tool_name));
                continue;
            }
            let path = format!("{}.content[{at}]", result.path());
            let content = Content::new(self.senses, self.losses);
            content.earlier(self.earlier).parts(block, &path, &mut parts)?;
        }
        let id = gateway_types::escaped(id);
        let (mut pieces, mut images) = (Vec::new(), 0);
        for part in parts {
            if let Part::Text { text, .. } = part {
                pieces.push(text);
                continue;
            }
            images += 1;
            pieces.push(format!("[image {images} of result {id} is attached below]").into());
            attached.push(text(format!("[image {images} of result {id}]")));
            attached.push(part);
        }
        let mut out = pieces.join("\\n");
        if out.is_empty() {
            NO_OUTPUT.clone_into(&mut out);
        }
        if *is_error {
            out.insert_str(0, ERROR_MARK);
        }
        Ok(out)
    }

    /// By the name that the model can call.
    fn reference(&self, name: Text<'_>) -> Part<'b> {
        let name = name.decode();
        let told = format!("The tool `{}` is available now.", self.names.there(&name));
        text(gateway_types::escaped(&told).into_owned())
    }

    fn content(
        &mut self,
        placed: &Placed<'b, 'b>,
        out: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        if let BlockKind::ToolReference { tool_name } = placed.block.kind {
            out.push(self.reference(tool_name));
            return Ok(());
        }
        let content = Content::new(self.senses, self.losses);
        content.earlier(self.earlier).parts(placed.block, &placed.path(), out)
    }

    /// Writes what the user says.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let parts = std::mem::take(&mut self.pending);
            self.message("user", &parts);
        }
    }

    /// Texts as one string, with a blank line between them, and the images beside it.
    fn message(&mut self, role: &str, parts: &[Part<'_>]) {
        self.json.object(|json| {
            json.key("role").string(role).key("content").string_with(|out| {
                let mut first = true;
                for part in parts {
                    let Part::Text { text, .. } = part else { continue };
                    if !std::mem::take(&mut first) {
                        out.text(Text::from_escaped("\\n\\n"));
                    }
                    out.text(Text::from_escaped(text));
                }
            });
            let images = parts.iter().filter_map(|part| match part {
                Part::Image { data, .. } => Some(*data),
                _ => None,
            });
            let images: Vec<Text<'_>> = images.collect();
            if !images.is_empty() {
                json.key("images").array(|json| {
                    for image in images {
                        json.text(image);
                    }
                });
            }
        });
    }
}

/// A call of an assistant's turn.
#[derive(Debug)]
struct Call<'b> {
    id: String,
    name: Cow<'b, str>,
    input: gateway_types::Raw<'b>,
}

/// The calls of a turn, in their order; each id stands once, so that results find their calls.
fn calls<'b>(round: &Round<'_, 'b>) -> Vec<Call<'b>> {
    let mut taken = HashSet::new();
    let mut calls: Vec<Call<'b>> = Vec::new();
    for placed in &round.assistant {
        let BlockKind::ToolUse { id, name, input } = placed.block.kind else { continue };
        let id = id.decode();
        let mut wire = call_id(&native_id(&id), CALL_ID_MAX).into_owned();
        if !taken.insert(wire.clone()) {
            // Made of its place too; the control character makes it a digest.
            wire = call_id(&format!("{id}.{}\0", calls.len()), CALL_ID_MAX).into_owned();
            taken.insert(wire.clone());
        }
        calls.push(Call { id: wire, name: name.decode(), input });
    }
    calls
}

/// A text of ours, escaped.
fn text<'b>(text: impl Into<Cow<'b, str>>) -> Part<'b> {
    Part::Text { text: text.into(), marked: false }
}
