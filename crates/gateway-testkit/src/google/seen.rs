//! A request as a scripted model looks at it, for Gemini or for Claude.

use serde_json::Value;

use super::refusal::Refusal;
use super::signatures;
use super::turn::either;
use crate::openai::holds;

/// A request that a [`Server`](super::Server) took in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// 0 for the first request of any kind.
    pub index: usize,
    /// `POST`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// As sent.
    pub headers: Vec<(String, String)>,
    /// Parsed; null when it was no JSON.
    pub body: Value,
    /// The model of the path.
    pub model: String,
    /// What follows the model's colon: `generateContent`.
    pub verb: String,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

impl Seen {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is for Claude.
    pub fn is_claude(&self) -> bool {
        self.path.contains("/publishers/anthropic/")
    }

    /// Whether it asks for a stream.
    pub fn streams(&self) -> bool {
        self.verb.starts_with("stream")
    }

    /// Whether the stream is to be one of events, and not an array.
    pub fn events(&self) -> bool {
        self.is_claude() || self.query.split('&').any(|pair| pair == "alt=sse")
    }

    /// The contents, or the messages.
    pub fn turns(&self) -> &[Value] {
        let list = if self.is_claude() { &self.body["messages"] } else { &self.body["contents"] };
        list.as_array().map_or(&[], Vec::as_slice)
    }

    /// The names of the functions.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().into_iter().flatten();
        if self.is_claude() {
            return tools.filter_map(|tool| tool["name"].as_str()).collect();
        }
        let functions = |tool| {
            either(tool, "functionDeclarations", "function_declarations")
                .as_array()
                .into_iter()
                .flatten()
        };
        tools.flat_map(functions).filter_map(|function| function["name"].as_str()).collect()
    }

    /// Whether there is such a function.
    pub fn has_tool(&self, name: &str) -> bool {
        self.tools().contains(&name)
    }

    /// The results of calls, oldest first: the call's id, or the function's name when there is none, and
    /// the texts.
    pub fn results(&self) -> Vec<(String, String)> {
        self.turns().iter().flat_map(|turn| self.results_of(turn)).collect()
    }

    /// The results at the end of the conversation, after which no one has spoken but the user's side.
    pub fn new_results(&self) -> Vec<(String, String)> {
        let model = |turn: &Value| turn["role"] == "model" || turn["role"] == "assistant";
        let from = self.turns().iter().rposition(model).map_or(0, |at| at + 1);
        self.turns()[from..].iter().flat_map(|turn| self.results_of(turn)).collect()
    }

    fn results_of(&self, turn: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of_part = |part: &Value| {
            if self.is_claude() {
                let is = part["type"] == "tool_result";
                return is.then(|| (text(&part["tool_use_id"]), texts(&part["content"])));
            }
            let result = either(part, "functionResponse", "function_response");
            let id = result.get("id").unwrap_or(&result["name"]);
            let response = &result["response"];
            let said = response.get("output").or(response.get("error")).unwrap_or(response);
            let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            result.is_object().then(|| (text(id), said))
        };
        parts(turn).iter().filter_map(of_part).collect()
    }

    /// The text of the last thing that the user said.
    pub fn last_user_text(&self) -> String {
        let said = |turn: &&Value| turn["role"] == "user" || turn.get("role").is_none();
        let turn = self.turns().iter().rev().find(said);
        turn.map(|turn| texts(either(turn, "parts", "content"))).unwrap_or_default()
    }

    /// Whether any string of the conversation or the instructions holds `text`.
    pub fn mentions(&self, text: &str) -> bool {
        ["contents", "messages", "systemInstruction", "system_instruction", "system"]
            .iter()
            .any(|part| holds(&self.body[*part], text))
    }

    /// All thought signatures in the order of the conversation.
    pub fn signatures(&self) -> Vec<&str> {
        let signature = |part| {
            either(part, "thoughtSignature", "thought_signature")
                .as_str()
                .or(part["signature"].as_str())
        };
        self.turns().iter().flat_map(parts).filter_map(signature).collect()
    }

    /// The size of the prompt by the test server's own rule, which its window is held against.
    pub fn tokens(&self) -> u64 {
        if self.is_claude() {
            super::claude_rules::tokens(&self.body)
        } else {
            super::gemini_rules::tokens(&self.body)
        }
    }

    /// How many signatures are values that skip the check: what a gateway uses when it has lost one.
    pub fn bypasses(&self) -> usize {
        self.signatures().into_iter().filter(|text| signatures::is_bypass(text)).count()
    }
}

fn parts(turn: &Value) -> &[Value] {
    either(turn, "parts", "content").as_array().map_or(&[], Vec::as_slice)
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
