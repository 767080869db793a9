//! A request as a scripted model looks at it.

use serde_json::Value;

use crate::openai::{Part, Refusal, Turn};

/// A request that a [`Server`](super::Server) took in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// 0 for the first request of any kind.
    pub index: usize,
    /// `POST`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As sent.
    pub headers: Vec<(String, String)>,
    /// Parsed; null when it was no JSON.
    pub body: Value,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
    /// What the server did in silence, and no gateway may let happen: it cut the prompt.
    pub cut: Option<Cut>,
    /// What models are harmed by, though the server takes it.
    pub odd: Vec<String>,
}

/// A prompt that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its tokens.
    pub prompt: u64,
    /// The window's.
    pub window: u64,
}

impl Seen {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it asks for an answer of the model's.
    pub fn is_chat(&self) -> bool {
        self.path == "/api/chat"
    }

    /// Whether it asks for a stream, which is what is given when nothing is said.
    pub fn streams(&self) -> bool {
        self.body["stream"] != false
    }

    /// The messages.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Whether there is such a tool.
    pub fn has_tool(&self, name: &str) -> bool {
        let tools = self.body["tools"].as_array();
        tools.into_iter().flatten().any(|tool| tool["function"]["name"] == name)
    }

    /// The results of calls, oldest first: the tool's name and the text.
    pub fn results(&self) -> Vec<(String, String)> {
        let results = self.messages().iter().filter(|message| message["role"] == "tool");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        results.map(|result| (text(&result["tool_name"]), text(&result["content"]))).collect()
    }

    /// The text of the user's last message.
    pub fn last_user_text(&self) -> &str {
        let said = self.messages().iter().rev().find(|message| message["role"] == "user");
        said.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }
}

/// What models are harmed by: results that belong to no call before them, results that do not say of which
/// tool they are, messages that say nothing.
pub(crate) fn odd(body: &Value) -> Vec<String> {
    let mut odd = Vec::new();
    let mut waiting: Vec<&Value> = Vec::new();
    for (at, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        if message["role"] == "tool" {
            match waiting.iter().position(|call| {
                call["function"]["name"] == message["tool_name"]
                    && (call["id"].is_null() || call["id"] == message["tool_call_id"])
            }) {
                Some(found) => drop(waiting.remove(found)),
                None => odd.push(format!("messages[{at}]: a result of no call before it")),
            }
        } else if !waiting.is_empty() {
            odd.push(format!("messages[{at}]: {} calls before it have no result", waiting.len()));
            waiting.clear();
        }
        let says = ["tool_calls", "images"].iter().any(|name| message[*name].is_array());
        if !says && message["content"].as_str().is_none_or(str::is_empty) {
            odd.push(format!("messages[{at}]: says nothing"));
        }
        waiting.extend(message["tool_calls"].as_array().into_iter().flatten());
    }
    odd
}

/// A model for agent loops: says the steps one after another, each when all calls of those before have
/// their results, and `last` at the end. A request without the tool that the step would call is answered
/// with `last`.
pub fn agent(
    steps: impl IntoIterator<Item = Turn>,
    last: Turn,
) -> impl Fn(&Seen) -> Turn + Send + Sync {
    let steps: Vec<Turn> = steps.into_iter().collect();
    move |seen| {
        let answered = seen.results().len();
        let step = crate::agent::step(&steps, names, answered, |name| seen.has_tool(name));
        step.unwrap_or(&last).clone()
    }
}

fn names(step: &Turn) -> Vec<&str> {
    step.parts.iter().filter_map(called).collect()
}

fn called(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall { name, .. } => Some(name),
        _ => None,
    }
}
