//! A conversation in the order that other dialects want.
//!
//! The Messages API lets results of tool calls stand among other content, roles repeat and system
//! messages stand anywhere. Other dialects want an assistant's turn, then one result for each of its
//! calls, then whatever else was said. [`rounds`] puts a conversation into that order and says what
//! did not fit (behaviour R12).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use gateway_types::{Block, BlockKind, Request, Role, Text, Tool};

/// A block and where it stands in the request.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'r, 'b> {
    /// The block.
    pub block: &'r Block<'b>,
    /// Index of its message.
    pub message: usize,
    /// Index within the message.
    pub index: usize,
    /// A cache mark stands on it, or on an empty text behind it.
    pub marked: bool,
}

impl Placed<'_, '_> {
    /// Its path, e.g. `messages[3].content[1]`.
    pub fn path(&self) -> String {
        format!("messages[{}].content[{}]", self.message, self.index)
    }
}

/// An assistant's turn, the results of its calls, and what was said before the next turn.
#[derive(Debug, Default)]
pub struct Round<'r, 'b> {
    /// The assistant's blocks, in order; empty only in a first round.
    pub assistant: Vec<Placed<'r, 'b>>,
    /// One for each call of the turn, in the order of the calls.
    pub results: Vec<CallResult<'r, 'b>>,
    /// What was said then, by whom.
    pub said: Vec<Said<'r, 'b>>,
}

/// What a call brought.
#[derive(Debug, Clone, Copy)]
pub enum CallResult<'r, 'b> {
    /// A `tool_result` block.
    Given {
        /// The call's id.
        id: Text<'b>,
        /// The block.
        result: Placed<'r, 'b>,
    },
    /// There is none, though other dialects insist on one.
    Missing {
        /// The call's id.
        id: Text<'b>,
    },
}

/// What the user or the operator said, results apart.
#[derive(Debug)]
pub struct Said<'r, 'b> {
    /// The user or the operator.
    pub role: Role,
    /// Their blocks. A `tool_result` among them belongs to no call of the turn before.
    pub blocks: Vec<Placed<'r, 'b>>,
}

/// The rounds of a conversation. Messages of one role in a row are one; empty text blocks are left
/// out (no provider takes them), and their cache mark moves to the block before, in the same message
/// (behaviour R26).
pub fn rounds<'r, 'b>(request: &'r Request<'b>) -> Vec<Round<'r, 'b>> {
    let mut rounds: Vec<Round<'r, 'b>> = Vec::new();
    let mut last = None;
    for (at, message) in request.messages.iter().enumerate() {
        let new_turn = message.role == Role::Assistant && last != Some(Role::Assistant);
        if new_turn || rounds.is_empty() {
            rounds.push(Round::default());
        }
        let Some(round) = rounds.last_mut() else { continue };
        last = Some(message.role);
        let mut blocks: Vec<Placed<'_, '_>> = Vec::with_capacity(message.content.len());
        for (index, block) in message.content.iter().enumerate() {
            let marked = block.cache_control;
            if !is_empty(block) {
                blocks.push(Placed { block, message: at, index, marked });
            } else if let Some(before) = blocks.last_mut() {
                before.marked |= marked;
            }
        }
        if message.role == Role::Assistant {
            round.assistant.append(&mut blocks);
            continue;
        }
        match round.said.last_mut() {
            Some(said) if said.role == message.role => said.blocks.append(&mut blocks),
            _ if blocks.is_empty() => {}
            _ => round.said.push(Said { role: message.role, blocks }),
        }
    }
    for round in &mut rounds {
        match_results(round);
    }
    rounds.retain(|r| !(r.assistant.is_empty() && r.results.is_empty() && r.said.is_empty()));
    rounds
}

/// Takes each call's first result out of what was said.
fn match_results(round: &mut Round<'_, '_>) {
    let calls = round.assistant.iter().filter_map(|call| match call.block.kind {
        BlockKind::ToolUse { id, .. } => Some(id),
        _ => None,
    });
    let calls: Vec<Text<'_>> = calls.collect();
    if calls.is_empty() {
        return;
    }
    // The first call of an id without a result yet.
    let mut waiting: HashMap<Cow<'_, str>, VecDeque<usize>> = HashMap::new();
    for (at, id) in calls.iter().enumerate() {
        waiting.entry(id.decode()).or_default().push_back(at);
    }
    let mut results: Vec<Option<Placed<'_, '_>>> = vec![None; calls.len()];
    for said in &mut round.said {
        said.blocks.retain(|placed| {
            let BlockKind::ToolResult { tool_use_id, .. } = placed.block.kind else { return true };
            let call = waiting.get_mut(&*tool_use_id.decode()).and_then(VecDeque::pop_front);
            call.is_none_or(|at| {
                results[at] = Some(*placed);
                false
            })
        });
    }
    round.results = calls
        .into_iter()
        .zip(results)
        .map(|(id, result)| match result {
            Some(result) => CallResult::Given { id, result },
            None => CallResult::Missing { id },
        })
        .collect();
    round.said.retain(|said| !said.blocks.is_empty());
}

fn is_empty(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Text { text, .. } if text.is_empty())
}

/// A stand-in of the client's that no model is ever to see.
const PLACEHOLDER: &str = "DeferredToolPlaceholder";

/// The tools the model is to see: a deferred one only where the conversation refers to it by a
/// `tool_reference` or has called it (behaviour R25).
pub fn visible_tools<'r, 'b>(request: &'r Request<'b>) -> Vec<&'r Tool<'b>> {
    let mut named = HashSet::new();
    if request.tools.iter().any(|tool| tool.deferred) {
        for block in request.messages.iter().flat_map(|message| &message.content) {
            match &block.kind {
                BlockKind::ToolUse { name, .. } => {
                    named.insert(name.decode());
                }
                BlockKind::ToolResult { content, .. } => {
                    for inner in content {
                        if let BlockKind::ToolReference { tool_name } = inner.kind {
                            named.insert(tool_name.decode());
                        }
                    }
                }
                BlockKind::ServerToolResult { content, .. } => {
                    for name in referenced(content.as_str()) {
                        named.insert(name.decode());
                    }
                }
                _ => {}
            }
        }
    }
    let seen = |tool: &&Tool<'_>| {
        !tool.name.is(PLACEHOLDER) && (!tool.deferred || named.contains(&tool.name.decode()))
    };
    request.tools.iter().filter(seen).collect()
}

/// The names of tools in a `tool_search_tool_result`: every string member `tool_name`.
fn referenced(content: &str) -> Vec<Text<'_>> {
    let mut names = Vec::new();
    collect_names(&mut crate::Reader::new(content), &mut names);
    names
}

fn collect_names<'b>(reader: &mut crate::Reader<'b>, names: &mut Vec<Text<'b>>) {
    use crate::{Kind, Malformed};
    // The content has been read as JSON before, so nothing is lost when this stops early.
    let _ = match reader.kind() {
        Ok(Kind::Object) => reader.object::<Malformed>(|r, key| {
            if key.is("tool_name") && r.kind()? == Kind::String {
                names.push(r.string()?);
            } else {
                collect_names(r, names);
            }
            Ok(())
        }),
        Ok(Kind::Array) => reader.array::<Malformed>(|r| {
            collect_names(r, names);
            Ok(())
        }),
        _ => reader.skip(),
    };
}

/// Whether a system text is the client's billing line, which changes from one conversation to the
/// next and would spoil every prompt cache but Anthropic's (behaviours C7, R34).
pub fn is_billing_line(text: Text<'_>) -> bool {
    text.escaped().starts_with("x-anthropic-billing-header:")
}

#[cfg(test)]
mod tests {
    use gateway_types::{Message, Raw, ToolKind};

    use super::*;

    fn block(kind: BlockKind<'static>) -> Block<'static> {
        Block { kind, raw: Raw::from_json("{}"), cache_control: false }
    }

    fn text(text: &'static str) -> Block<'static> {
        block(BlockKind::Text { text: Text::from_escaped(text), citations: None })
    }

    fn call(id: &'static str) -> Block<'static> {
        let (id, name) = (Text::from_escaped(id), Text::from_escaped("Bash"));
        block(BlockKind::ToolUse { id, name, input: Raw::from_json("{}") })
    }

    fn result(id: &'static str) -> Block<'static> {
        let tool_use_id = Text::from_escaped(id);
        block(BlockKind::ToolResult { tool_use_id, content: Vec::new(), is_error: false })
    }

    /// A short form: assistant's blocks, `|` results (`!` missing), `|` what was said.
    fn show(messages: Vec<(Role, Vec<Block<'static>>)>) -> Vec<String> {
        let messages =
            messages.into_iter().map(|(role, content)| Message { role, content }).collect();
        let request = Request { messages, ..Request::default() };
        let name = |placed: &Placed<'_, '_>| match placed.block.kind {
            BlockKind::Text { text, .. } => text.escaped().to_owned(),
            BlockKind::ToolUse { id, .. } => format!("+{}", id.escaped()),
            BlockKind::ToolResult { tool_use_id, .. } => format!("?{}", tool_use_id.escaped()),
            _ => "other".to_owned(),
        };
        rounds(&request)
            .iter()
            .map(|round| {
                let assistant: Vec<_> = round.assistant.iter().map(name).collect();
                let results: Vec<_> = round
                    .results
                    .iter()
                    .map(|result| match result {
                        CallResult::Given { id, .. } => id.escaped().to_owned(),
                        CallResult::Missing { id } => format!("!{}", id.escaped()),
                    })
                    .collect();
                let said: Vec<_> = round
                    .said
                    .iter()
                    .map(|said| {
                        let blocks: Vec<_> = said.blocks.iter().map(name).collect();
                        format!("{:?}({})", said.role, blocks.join(","))
                    })
                    .collect();
                format!("{}|{}|{}", assistant.join(","), results.join(","), said.join(","))
            })
            .collect()
    }

    use Role::{Assistant as A, System as S, User as U};

    #[test]
    fn r12_results_come_first_wherever_they_stood() {
        let got = show(vec![
            (U, vec![text("hi")]),
            (A, vec![text("t"), call("1"), call("2")]),
            (U, vec![text("note"), result("2")]),
            (S, vec![text("sys")]),
            (U, vec![result("1"), text("more")]),
            (A, vec![text("done")]),
        ]);
        assert_eq!(got, ["||User(hi)", "t,+1,+2|1,2|User(note),System(sys),User(more)", "done||"]);
    }

    #[test]
    fn r12_orphans_and_missing_results_are_told() {
        let got = show(vec![
            (A, vec![call("1")]),
            (U, vec![result("9"), text("x")]),
            (A, vec![call("2")]),
        ]);
        assert_eq!(got, ["+1|!1|User(?9,x)", "+2|!2|"]);
        // A second result for the same call belongs to none.
        let twice = show(vec![(A, vec![call("1")]), (U, vec![result("1"), result("1")])]);
        assert_eq!(twice, ["+1|1|User(?1)"]);
    }

    #[test]
    fn messages_of_one_role_in_a_row_are_one() {
        let got = show(vec![
            (U, vec![text("a")]),
            (U, vec![text(""), text("b")]),
            (A, vec![text("c")]),
            (A, vec![call("1")]),
            (U, vec![result("1")]),
        ]);
        assert_eq!(got, ["||User(a,b)", "c,+1|1|"]);
    }

    #[test]
    fn r26_the_mark_of_an_empty_text_moves_to_the_block_before() {
        let marked = |text| Block { cache_control: true, ..text };
        let blocks = [text("a"), text("b"), text(""), marked(text(""))];
        let alone = [marked(text("")), text("c")];
        let content = |blocks: &[Block<'static>]| Message { role: U, content: blocks.to_vec() };
        let messages = vec![content(&blocks), content(&alone)];
        let request = Request { messages, ..Request::default() };
        let said = &rounds(&request)[0].said[0];
        let marks: Vec<bool> = said.blocks.iter().map(|placed| placed.marked).collect();
        assert_eq!(marks, [false, true, false]);
    }

    #[test]
    fn r25_a_deferred_tool_shows_only_once_it_is_referred_to() {
        let tool = |name: &'static str, deferred| Tool {
            name: Text::from_escaped(name),
            kind: ToolKind::Custom {
                description: None,
                schema: Raw::from_json("{}"),
                strict: false,
            },
            deferred,
            raw: Raw::from_json("{}"),
        };
        let reference = block(BlockKind::ToolReference { tool_name: Text::from_escaped("found") });
        let found = block(BlockKind::ToolResult {
            tool_use_id: Text::from_escaped("1"),
            content: vec![reference],
            is_error: false,
        });
        let searched = block(BlockKind::ServerToolResult {
            kind: Text::from_escaped("tool_search_tool_result"),
            tool_use_id: Text::from_escaped("s"),
            content: Raw::from_json(
                r#"{"tool_references":[{"type":"tool_reference","tool_name":"served"}]}"#,
            ),
        });
        let request = Request {
            tools: vec![
                tool("plain", false),
                tool("hidden", true),
                tool("found", true),
                tool("Bash", true),
                tool("served", true),
                tool(PLACEHOLDER, true),
            ],
            messages: vec![
                Message { role: Role::Assistant, content: vec![call("1"), searched] },
                Message { role: Role::User, content: vec![found] },
            ],
            ..Request::default()
        };
        let names: Vec<_> = visible_tools(&request).iter().map(|t| t.name.escaped()).collect();
        assert_eq!(names, ["plain", "found", "Bash", "served"]);
    }
}
