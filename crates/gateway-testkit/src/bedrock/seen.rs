//! A request as a scripted model looks at it, in either form.

use serde_json::Value;

use super::refusal::Refusal;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The model's own body.
    Invoke,
    /// The same, answered by a stream of events.
    InvokeStream,
    /// The service's body.
    Converse,
    /// The same, answered by a stream of events.
    ConverseStream,
    /// A count of tokens.
    CountTokens,
}

/// A request that a [`Server`](super::Server) took in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// 0 for the first request of any kind.
    pub index: usize,
    /// `POST`
    pub method: String,
    /// As sent, still encoded.
    pub path: String,
    /// What it is for; none: for nothing that the service does.
    pub operation: Option<Operation>,
    /// The model's id, decoded; empty without an operation.
    pub model: String,
    /// As sent.
    pub headers: Vec<(String, String)>,
    /// Parsed; null when it was no JSON.
    pub body: Value,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

impl Operation {
    /// By the last segment of the path.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "invoke" => Self::Invoke,
            "invoke-with-response-stream" => Self::InvokeStream,
            "converse" => Self::Converse,
            "converse-stream" => Self::ConverseStream,
            "count-tokens" => Self::CountTokens,
            _ => return None,
        })
    }

    /// Whether the answer is a stream.
    pub fn streams(self) -> bool {
        matches!(self, Self::InvokeStream | Self::ConverseStream)
    }

    /// Whether the body is the service's.
    pub fn is_converse(self) -> bool {
        matches!(self, Self::Converse | Self::ConverseStream)
    }
}

impl Seen {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// `anthropic-beta` as a header: it does nothing here, betas stand in the body.
    pub fn idle_betas(&self) -> Option<&str> {
        self.header("anthropic-beta")
    }

    /// Whether it is for Converse.
    pub fn is_converse(&self) -> bool {
        self.operation.is_some_and(Operation::is_converse)
    }

    /// Whether it asks for a stream.
    pub fn streams(&self) -> bool {
        self.operation.is_some_and(Operation::streams)
    }

    /// The messages.
    pub fn turns(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The names of the tools.
    pub fn tools(&self) -> Vec<&str> {
        let converse = self.is_converse();
        let (at, name) =
            if converse { ("/toolConfig/tools", "/toolSpec/name") } else { ("/tools", "/name") };
        let tools = self.body.pointer(at).and_then(Value::as_array);
        tools.into_iter().flatten().filter_map(|tool| tool.pointer(name)?.as_str()).collect()
    }

    /// Whether there is such a tool.
    pub fn has_tool(&self, name: &str) -> bool {
        self.tools().contains(&name)
    }

    /// The results of calls, oldest first: the call's id and the texts.
    pub fn results(&self) -> Vec<(String, String)> {
        self.turns().iter().flat_map(|turn| self.of_turn(turn)).collect()
    }

    /// The results at the end of the conversation, after which no one has spoken but the user's side.
    pub fn new_results(&self) -> Vec<(String, String)> {
        let model = |turn: &Value| turn["role"] == "assistant";
        let from = self.turns().iter().rposition(model).map_or(0, |at| at + 1);
        self.turns()[from..].iter().flat_map(|turn| self.of_turn(turn)).collect()
    }

    fn of_turn(&self, turn: &Value) -> Vec<(String, String)> {
        let blocks = turn["content"].as_array().map_or(&[][..], Vec::as_slice);
        let result = |block: &Value| {
            let (result, id) = if self.is_converse() {
                (&block["toolResult"], "toolUseId")
            } else {
                (if block["type"] == "tool_result" { block } else { &Value::Null }, "tool_use_id")
            };
            let id = result[id].as_str()?.to_owned();
            Some((id, texts(&result["content"])))
        };
        blocks.iter().filter_map(result).collect()
    }

    /// The text of the user's last message.
    pub fn last_user_text(&self) -> String {
        let said = self.turns().iter().rev().find(|turn| turn["role"] == "user");
        said.map(|turn| texts(&turn["content"])).unwrap_or_default()
    }

    /// Whether any string of the conversation or the instructions holds `text`.
    pub fn mentions(&self, text: &str) -> bool {
        ["messages", "system"].iter().any(|part| crate::openai::holds(&self.body[*part], text))
    }
}

/// A string, or the texts (and JSON values) of blocks with a line feed between.
fn texts(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let text = |block: &Value| match (&block["text"], &block["json"]) {
                (Value::String(text), _) => Some(text.clone()),
                (_, Value::Null) => None,
                (_, json) => Some(json.to_string()),
            };
            blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
