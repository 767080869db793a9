//! Answers in Ollama's form: a line for each piece, or one object.

use serde_json::{Value, json};

use super::model::{CREATED, Model};
use crate::openai::{Fault, Finish, Part, Turn};
use crate::text::{letters, pieces};

/// What an answer needs to know of its request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The body.
    pub body: &'a Value,
    /// Which request this is; ids are made from it.
    pub index: usize,
    /// Who answers.
    pub model: &'a Model,
    /// Tokens of the prompt, as far as it was read.
    pub prompt: u64,
}

impl Asked<'_> {
    fn thinks(self) -> bool {
        // gpt-oss takes no `false`.
        self.model.can("thinking")
            && (self.body["think"] != false || self.model.architecture == "gptoss")
    }

    fn line(self, message: &Value) -> Value {
        json!({"model": self.body["model"], "created_at": CREATED, "message": message, "done": false})
    }
}

/// The lines of a stream.
pub fn lines(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let mut lines = Vec::new();
    let mut calls = 0;
    for part in &turn.parts {
        let said = |field: &str, text: &str| -> Vec<Value> {
            let piece = |piece: String| {
                let mut message = json!({"role": "assistant", "content": ""});
                message[field] = json!(piece);
                asked.line(&message)
            };
            pieces(text, turn.style.piece).into_iter().map(piece).collect()
        };
        match part {
            Part::Reasoning(parts) if asked.thinks() => {
                lines.extend(said("thinking", &parts.join("\n\n")));
            }
            Part::Text { text, .. } | Part::Refusal(text) => lines.extend(said("content", text)),
            Part::ToolCall { id, name, args } => {
                let call = call(asked, calls, id.as_deref(), name, args);
                calls += 1;
                let message = json!({"role": "assistant", "content": "", "tool_calls": [call]});
                lines.push(asked.line(&message));
            }
            Part::Reasoning(_) | Part::CustomCall { .. } | Part::WebSearch { .. } => {}
        }
    }
    match &turn.fault {
        Some(Fault::Error { message, .. } | Fault::Failed { message, .. }) => {
            lines.truncate(lines.len().div_ceil(2));
            lines.push(json!({"error": message}));
        }
        _ if turn.finish == Finish::Null => {}
        _ => lines.push(end(turn, asked, &json!({"role": "assistant", "content": ""}))),
    }
    lines
}

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    if let Some(Fault::Error { message, .. } | Fault::Failed { message, .. }) = &turn.fault {
        return json!({"error": message});
    }
    let (mut content, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &turn.parts {
        match part {
            Part::Reasoning(parts) if asked.thinks() => thinking.push_str(&parts.join("\n\n")),
            Part::Text { text, .. } | Part::Refusal(text) => content.push_str(text),
            Part::ToolCall { id, name, args } => {
                calls.push(call(asked, calls.len(), id.as_deref(), name, args));
            }
            Part::Reasoning(_) | Part::CustomCall { .. } | Part::WebSearch { .. } => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !thinking.is_empty() {
        message["thinking"] = json!(thinking);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    end(turn, asked, &message)
}

/// A call, whole.
///
/// # Panics
/// When its arguments are no object: there is no way to say such a call here.
fn call(asked: Asked<'_>, number: usize, id: Option<&str>, name: &str, args: &str) -> Value {
    let args: Value =
        serde_json::from_str(args).expect("a call of Ollama has an object for its arguments");
    assert!(args.is_object(), "a call of Ollama has an object for its arguments");
    let mut call = json!({"function": {"index": number, "name": name, "arguments": args}});
    if asked.model.call_ids {
        let own = || format!("call_{}", letters(&format!("{}/{number}", asked.index), 8));
        call["id"] = json!(id.map_or_else(own, str::to_owned));
    }
    call
}

fn end(turn: &Turn, asked: Asked<'_>, message: &Value) -> Value {
    let reason = match turn.finish {
        Finish::Length => "length",
        Finish::Word(word) => word,
        // Also with calls.
        Finish::Auto | Finish::ContentFilter | Finish::Null => "stop",
    };
    let mut end = asked.line(message);
    end["done"] = json!(true);
    end["done_reason"] = json!(reason);
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        end[name] = json!(1_000_000);
    }
    if asked.model.counts_cached {
        end["prompt_eval_count"] = json!(asked.prompt);
    }
    end["eval_count"] = json!(turn.usage.completion);
    end
}
