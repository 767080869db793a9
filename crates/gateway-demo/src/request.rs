//! What the demo understands of a request.

use serde::Deserialize;
use serde_json::Value;

use crate::BadRequest;

#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) model: String,
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(default)]
    output_config: Option<OutputConfig>,
    #[serde(default)]
    pub(crate) stop_sequences: Vec<String>,
    #[serde(default)]
    pub(crate) max_tokens: Option<u64>,
    #[serde(default)]
    tool_choice: Option<ToolChoice>,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

#[derive(Deserialize)]
pub(crate) struct Tool {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) input_schema: Option<Value>,
    #[serde(default)]
    defer_loading: bool,
}

#[derive(Deserialize)]
struct OutputConfig {
    #[serde(default)]
    format: Option<Value>,
}

/// What the last message wants.
pub(crate) enum Ask {
    /// Somebody said something.
    Text(String),
    /// There is a document; this is its text, if it is one.
    Document(Option<String>),
    /// A tool has run; this is what it said.
    AfterTool { result: String },
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let request: Self =
            serde_json::from_slice(body).map_err(|err| BadRequest(err.to_string()))?;
        if request.messages.is_empty() {
            return Err(BadRequest("messages: at least one message is required".to_owned()));
        }
        if let Some(other) =
            request.messages.iter().find(|message| !ROLES.contains(&&*message.role))
        {
            let role = &other.role;
            return Err(BadRequest(format!(
                "messages: there is no role `{role}`, only {}",
                ROLES.join(", ")
            )));
        }
        if let Some(choice) = &request.tool_choice
            && request.tools.is_empty()
            && ["any", "tool"].contains(&&*choice.kind)
        {
            return Err(BadRequest("tool_choice: there are no tools to choose from".to_owned()));
        }
        Ok(request)
    }

    /// The tool to call, if one is: what `tool_choice` demands, else the one that `text` names.
    pub(crate) fn tool_for(&self, text: &str) -> Option<&Tool> {
        let first = || self.tools.iter().find(|tool| !tool.defer_loading);
        match self.tool_choice.as_ref().map(|choice| (&*choice.kind, &*choice.name)) {
            Some(("none", _)) => None,
            Some(("tool", name)) => self.tools.iter().find(|tool| tool.name == name),
            Some(("any", _)) => self.tool_named_in(text).or_else(first),
            _ => self.tool_named_in(text),
        }
    }

    /// The JSON schema the reply must have, if one is asked for.
    pub(crate) fn wanted_schema(&self) -> Option<&Value> {
        self.output_config.as_ref()?.format.as_ref()?.get("schema")
    }

    /// Whether this is Claude Code's question, in its automatic mode, if a command may run.
    pub(crate) fn is_safety_question(&self) -> bool {
        self.tools.is_empty() && self.stop_sequences.iter().any(|stop| stop == "</block>")
    }

    pub(crate) fn ask(&self) -> Ask {
        let last = self.messages.iter().rev().find(|message| message.role == "user");
        let Some(content) = last.map(|message| &message.content) else {
            return Ask::Text(String::new());
        };
        if let Some(text) = content.as_str() {
            return Ask::Text(text.to_owned());
        }
        let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(result) = blocks.iter().rev().find(|block| kind(block) == "tool_result") {
            return Ask::AfterTool { result: text_of(&result["content"]) };
        }
        if let Some(document) = blocks.iter().rev().find(|block| kind(block) == "document") {
            return Ask::Document(
                document["source"]["data"]
                    .as_str()
                    .filter(|_| document["source"]["type"] == "text")
                    .map(str::to_owned),
            );
        }
        // Clients put notes of their own before what the person typed.
        let said = blocks.iter().filter(|block| kind(block) == "text").map(text_of);
        let mut typed = said.filter(|text| !text.trim_start().starts_with("<system-reminder>"));
        Ask::Text(typed.next_back().unwrap_or_default())
    }

    /// The offered tool whose name `text` mentions, as a word of its own.
    pub(crate) fn tool_named_in(&self, text: &str) -> Option<&Tool> {
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
        let offered = self.tools.iter().filter(|tool| !tool.defer_loading && !tool.name.is_empty());
        offered.into_iter().find(|tool| words.contains(&tool.name.as_str()))
    }
}

/// Who may speak.
const ROLES: [&str; 3] = ["user", "assistant", "system"];

fn kind(block: &Value) -> &str {
    block["type"].as_str().unwrap_or_default()
}

/// The text of a block, a string, or a list of blocks.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().map(text_of).filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n")
        }
        Value::Object(block) => block.get("text").and_then(Value::as_str).unwrap_or("").to_owned(),
        _ => String::new(),
    }
}
