//! A model that does what it is asked, on Ollama.

use serde_json::Value;

use super::seen::Seen;
use crate::obliging::{Wish, oblige};
use crate::openai::{Finish, Part, Turn};

/// Does what the request says; see [`crate::obliging`].
pub fn obliging(seen: &Seen) -> Turn {
    let body = &seen.body;
    let last = seen.messages().iter().rev().find(|message| message["role"] != "user");
    let tools = body["tools"].as_array().into_iter().flatten();
    let wish = Wish {
        said: seen.last_user_text().to_owned(),
        has_results: last.is_some_and(|message| message["role"] == "tool"),
        tools: tools
            .filter_map(|tool| {
                let function = &tool["function"];
                Some((function["name"].as_str()?.to_owned(), function["parameters"].clone()))
            })
            .collect(),
        limit: body["options"]["num_predict"].as_u64(),
        schema: body.get("format").filter(|format| format.is_object()).cloned(),
        ..Wish::default()
    };
    let deed = oblige(&wish, body);
    let mut turn = Turn::default();
    if body["think"] == true || body["think"].is_string() {
        turn = turn.and_reasoning(&["What was asked is clear."]);
    }
    if !deed.text.is_empty() {
        turn = turn.and_text(deed.text);
    }
    // Calls come whole or not at all.
    for (name, args) in deed.calls.into_iter().filter(|(_, args)| is_whole(args)) {
        turn = turn.and(Part::ToolCall { id: None, name, args });
    }
    if deed.is_cut { turn.finish(Finish::Length) } else { turn }
}

fn is_whole(args: &str) -> bool {
    serde_json::from_str::<Value>(args).is_ok()
}
