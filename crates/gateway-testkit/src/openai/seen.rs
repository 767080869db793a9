//! A request as a scripted model looks at it, in either dialect.

use serde_json::Value;

use super::refusal::Refusal;

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
}

impl Seen {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is for Chat Completions.
    pub fn is_chat(&self) -> bool {
        self.path.ends_with("/chat/completions")
    }

    /// Whether it asks for a stream.
    pub fn streams(&self) -> bool {
        self.body["stream"] == true
    }

    /// The messages, or the input items. Empty for an input that is a text.
    pub fn turns(&self) -> &[Value] {
        let list = if self.is_chat() { &self.body["messages"] } else { &self.body["input"] };
        list.as_array().map_or(&[], Vec::as_slice)
    }

    /// The names of the function tools.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array();
        let chat = self.is_chat();
        let name =
            |tool| if chat { name_at(tool, "/function/name") } else { name_at(tool, "/name") };
        tools.into_iter().flatten().filter_map(name).collect()
    }

    /// Whether there is such a tool.
    pub fn has_tool(&self, name: &str) -> bool {
        self.tools().contains(&name)
    }

    /// The results of calls, oldest first: the call's id and the texts.
    pub fn results(&self) -> Vec<(String, String)> {
        self.turns().iter().filter_map(|turn| self.result(turn)).collect()
    }

    /// The results at the end of the conversation, after which no one has spoken but the user's side.
    pub fn new_results(&self) -> Vec<(String, String)> {
        let model = |turn: &Value| turn["role"] == "assistant" || turn["type"] == "function_call";
        let from = self.turns().iter().rposition(model).map_or(0, |at| at + 1);
        self.turns()[from..].iter().filter_map(|turn| self.result(turn)).collect()
    }

    fn result(&self, turn: &Value) -> Option<(String, String)> {
        let (is, id, content) = if self.is_chat() {
            (turn["role"] == "tool", &turn["tool_call_id"], &turn["content"])
        } else {
            (turn["type"] == "function_call_output", &turn["call_id"], &turn["output"])
        };
        is.then(|| (id.as_str().unwrap_or_default().to_owned(), texts(content)))
    }

    /// The text of the user's last message.
    pub fn last_user_text(&self) -> String {
        let said = self.turns().iter().rev().find(|turn| turn["role"] == "user");
        let whole = self.body["input"].as_str().map(str::to_owned);
        said.map(|turn| texts(&turn["content"])).or(whole).unwrap_or_default()
    }

    /// Whether any string of the conversation or the instructions holds `text`.
    pub fn mentions(&self, text: &str) -> bool {
        ["messages", "input", "instructions"]
            .iter()
            .any(|part| super::walk::holds(&self.body[*part], text))
    }
}

fn name_at<'a>(tool: &'a Value, at: &str) -> Option<&'a str> {
    tool.pointer(at)?.as_str()
}

/// A string, or the texts of parts with a line feed between.
fn texts(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}
