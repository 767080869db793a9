//! A model that does what it is asked, in `OpenAI`'s dialects.

use serde_json::Value;

use super::seen::Seen;
use super::turn::{Finish, Part, Turn};
use crate::obliging::{Choice, Wish, oblige};

/// Does what the request says; see [`crate::obliging`].
pub fn obliging(seen: &Seen) -> Turn {
    let body = &seen.body;
    let deed = oblige(&wish(seen), body);
    let mut turn = Turn::default();
    let reasoning = &body["reasoning"];
    let is_off = reasoning["effort"] == "none" || reasoning["enabled"] == false;
    if reasoning.is_object() && !is_off {
        turn = turn.and_reasoning(&["What was asked is clear."]);
    }
    if !deed.text.is_empty() {
        turn = turn.and_text(deed.text);
    }
    for (name, args) in deed.calls {
        turn = turn.and(Part::ToolCall { id: None, name, args });
    }
    if deed.is_cut { turn.finish(Finish::Length) } else { turn }
}

fn wish(seen: &Seen) -> Wish {
    let body = &seen.body;
    let of_tool =
        |tool: &Value| if seen.is_chat() { tool["function"].clone() } else { tool.clone() };
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let limits = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
    let schemas = ["/response_format/json_schema/schema", "/text/format/schema"];
    let stops = match &body["stop"] {
        Value::String(stop) => vec![stop.clone()],
        stops => stops
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|s| Some(s.as_str()?.to_owned()))
            .collect(),
    };
    Wish {
        said: seen.last_user_text(),
        has_results: !seen.new_results().is_empty(),
        tools: tools
            .iter()
            .map(of_tool)
            .filter_map(|tool| {
                Some((tool["name"].as_str()?.to_owned(), tool["parameters"].clone()))
            })
            .collect(),
        choice: choice(&body["tool_choice"]),
        one_call: body["parallel_tool_calls"] == false,
        limit: limits.iter().find_map(|field| body[*field].as_u64()),
        stops,
        schema: schemas.iter().find_map(|at| body.pointer(at).cloned()),
    }
}

fn choice(choice: &Value) -> Choice {
    let named = choice["name"].as_str().or_else(|| choice["function"]["name"].as_str());
    match (choice.as_str(), named) {
        (_, Some(name)) => Choice::Tool(name.to_owned()),
        (Some("none"), _) => Choice::Never,
        (Some("required"), _) => Choice::Any,
        _ => Choice::Auto,
    }
}
