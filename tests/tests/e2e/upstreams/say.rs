//! What is said and heard, whatever the dialect: a scenario is written once and played at every upstream.

use gateway_testkit::{bedrock, google, ollama, openai};
use serde_json::Value;

use crate::model::{Ask, Reply};

/// An answer of the model: thinking, text, calls, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) thought: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<(String, Value)>,
    /// The connection closes after so many bytes of the answer.
    pub(crate) cut: Option<usize>,
    /// The server has no time.
    pub(crate) busy: bool,
}

impl Say {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// Models that do not think leave it out.
    pub(crate) fn think(thought: impl Into<String>) -> Self {
        Self { thought: Some(thought.into()), ..Self::default() }
    }

    pub(crate) fn and_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    pub(crate) fn and_call(mut self, name: &str, input: &Value) -> Self {
        self.calls.push((name.to_owned(), input.clone()));
        self
    }

    /// Breaks off after so many bytes.
    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// A server without time.
    pub(crate) fn busy() -> Self {
        Self { busy: true, ..Self::default() }
    }

    pub(crate) fn google(&self, thinks: bool) -> google::Turn {
        let mut turn = google::Turn::default();
        if self.busy {
            return google::Turn::error(google::Refusal::overloaded());
        }
        if let Some(thought) = self.thought.as_deref().filter(|_| thinks) {
            turn = turn.and_reasoning(&[thought]);
        }
        if let Some(text) = &self.text {
            turn = turn.and_text(text);
        }
        turn = self.calls.iter().fold(turn, |turn, (name, input)| turn.and_call(name, input));
        turn.fault = self.cut.map(google::Fault::CutAt);
        turn
    }

    pub(crate) fn bedrock(&self, thinks: bool) -> bedrock::Turn {
        let mut turn = bedrock::Turn::default();
        if self.busy {
            return bedrock::Turn::error(bedrock::Refusal::unavailable());
        }
        if let Some(thought) = self.thought.as_ref().filter(|_| thinks) {
            turn = turn.and_reasoning(thought);
        }
        if let Some(text) = &self.text {
            turn = turn.and_text(text);
        }
        turn = self.calls.iter().fold(turn, |turn, (name, input)| turn.and_call(name, input));
        turn.fault = self.cut.map(bedrock::Fault::CutAt);
        turn
    }

    pub(crate) fn openai(&self, thinks: bool) -> openai::Turn {
        let mut turn = openai::Turn::default();
        if self.busy {
            return openai::Turn::error(openai::Refusal::overloaded());
        }
        if let Some(thought) = self.thought.as_deref().filter(|_| thinks) {
            turn = turn.and_reasoning(&[thought]);
        }
        if let Some(text) = &self.text {
            turn = turn.and_text(text);
        }
        turn = self.calls.iter().fold(turn, |turn, (name, input)| turn.and_call(name, input));
        turn.fault = self.cut.map(openai::Fault::CutAt);
        turn
    }

    /// In Anthropic's form; `index` makes the ids of calls differ.
    pub(crate) fn anthropic(&self, index: usize) -> Reply {
        let mut reply = Reply::default();
        if let Some(thought) = &self.thought {
            reply = reply.and_unsigned(thought);
        }
        if let Some(text) = &self.text {
            reply = reply.and_text(text);
        }
        let calls = self.calls.iter().enumerate();
        calls.fold(reply, |reply, (at, (name, input))| {
            reply.and_tool(&Self::call_id(index, at), name, input)
        })
    }

    /// What call `at` of the answer to request `index` is named in Anthropic's form.
    pub(crate) fn call_id(index: usize, at: usize) -> String {
        format!("toolu_third_{index}_{at}")
    }
}

/// A request, read.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Of all results of the conversation, the texts.
    pub(crate) results: Vec<String>,
    /// Of those at its end.
    pub(crate) new_results: Vec<String>,
    /// What the user said last.
    pub(crate) last_user_text: String,
    /// What has to fit into the window, as the server counts.
    pub(crate) tokens: u64,
    /// The model that is asked for.
    pub(crate) model: String,
    /// All of it.
    pub(crate) body: Value,
}

impl Heard {
    /// Whether this stands anywhere in the request.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.body.to_string().contains(text)
    }

    /// The newest results, one after the other.
    pub(crate) fn news(&self) -> String {
        self.new_results.iter().map(|text| text.trim()).collect::<Vec<_>>().join(" + ")
    }

    /// The conversation.
    fn turns(&self) -> &Value {
        let names = ["contents", "messages", "input"];
        names
            .iter()
            .map(|name| &self.body[*name])
            .find(|turns| turns.is_array())
            .unwrap_or(&self.body)
    }

    /// How many thoughts of the model's own came back with the conversation, in whatever form.
    pub(crate) fn thoughts(&self) -> usize {
        count(self.turns(), &|value| {
            let says = |name: &str| value[name].as_str().is_some_and(|text| !text.is_empty());
            let of = |kind: &str| value["type"] == kind;
            says("thoughtSignature")
                || value["reasoningText"].is_object()
                || says("encrypted_content")
                || of("thinking")
                || of("reasoning.text")
                || (value["role"] == "assistant" && says("thinking"))
        })
    }

    /// How many pictures are in it: all that these tests have is PNG.
    pub(crate) fn pictures(&self) -> usize {
        self.body.to_string().matches("iVBORw0KGgo").count()
    }
}

fn count(value: &Value, is: &impl Fn(&Value) -> bool) -> usize {
    let inside: usize = match value {
        Value::Array(items) => items.iter().map(|item| count(item, is)).sum(),
        Value::Object(fields) => fields.values().map(|field| count(field, is)).sum(),
        _ => 0,
    };
    inside + usize::from(value.is_object() && is(value))
}

fn texts(results: Vec<(String, String)>) -> Vec<String> {
    results.into_iter().map(|(_, text)| text).collect()
}

impl From<&google::Seen> for Heard {
    fn from(seen: &google::Seen) -> Self {
        Self {
            results: texts(seen.results()),
            new_results: texts(seen.new_results()),
            last_user_text: seen.last_user_text(),
            tokens: seen.tokens(),
            model: seen.model.clone(),
            body: seen.body.clone(),
        }
    }
}

impl From<&bedrock::Seen> for Heard {
    fn from(seen: &bedrock::Seen) -> Self {
        Self {
            results: texts(seen.results()),
            new_results: texts(seen.new_results()),
            last_user_text: seen.last_user_text(),
            tokens: bedrock::count_tokens(&seen.body),
            model: seen.model.clone(),
            body: seen.body.clone(),
        }
    }
}

impl From<&openai::Seen> for Heard {
    fn from(seen: &openai::Seen) -> Self {
        Self {
            results: texts(seen.results()),
            new_results: texts(seen.new_results()),
            last_user_text: seen.last_user_text(),
            tokens: openai::count_tokens(&seen.body),
            model: seen.body["model"].as_str().unwrap_or_default().to_owned(),
            body: seen.body.clone(),
        }
    }
}

impl From<&ollama::Seen> for Heard {
    fn from(seen: &ollama::Seen) -> Self {
        let said = seen.messages().iter().rposition(|message| message["role"] == "assistant");
        let after = &seen.messages()[said.map_or(0, |at| at + 1)..];
        let new = after.iter().filter(|message| message["role"] == "tool").count();
        let results = texts(seen.results());
        Self {
            new_results: results[results.len() - new..].to_vec(),
            results,
            last_user_text: seen.last_user_text().to_owned(),
            tokens: openai::count_tokens(&seen.body),
            model: seen.body["model"].as_str().unwrap_or_default().to_owned(),
            body: seen.body.clone(),
        }
    }
}

impl From<&Ask> for Heard {
    fn from(ask: &Ask) -> Self {
        let results = |messages: &[Value]| -> Vec<String> {
            let contents = messages.iter().filter_map(|message| message["content"].as_array());
            let results = contents.flatten().filter(|block| block["type"] == "tool_result");
            results.map(|block| text_of(&block["content"])).collect()
        };
        let messages = ask.messages();
        let said = messages.iter().rposition(|message| message["role"] == "assistant");
        let user = messages.iter().rev().find(|message| message["role"] == "user");
        Self {
            results: results(messages),
            new_results: results(&messages[said.map_or(0, |at| at + 1)..]),
            last_user_text: user.map(|user| text_of(&user["content"])).unwrap_or_default(),
            tokens: bedrock::count_tokens(&ask.body),
            model: ask.body["model"].as_str().unwrap_or_default().to_owned(),
            body: ask.body.clone(),
        }
    }
}

/// A string, or the texts of blocks.
fn text_of(content: &Value) -> String {
    let blocks = content.as_array().into_iter().flatten();
    let texts: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).collect();
    content.as_str().map_or_else(|| texts.join("\n"), str::to_owned)
}
