//! A model that does what it is asked, on Bedrock: by Converse and as Claude.

use serde_json::Value;

use super::seen::Seen;
use super::turn::{Finish, Turn};
use crate::obliging::{Choice, Wish, oblige, of_messages, texts};

/// Does what the request says; see [`crate::obliging`].
pub fn obliging(seen: &Seen) -> Turn {
    let body = &seen.body;
    let wish =
        if seen.is_converse() { wish(seen) } else { of_messages(body, seen.last_user_text()) };
    let has_results = !seen.new_results().is_empty();
    let deed = oblige(&Wish { has_results, ..wish }, body);
    let mut turn = Turn::default();
    if matches!(body["thinking"]["type"].as_str(), Some("adaptive" | "enabled")) {
        turn = turn.and_reasoning("What was asked is clear.");
    }
    if !deed.text.is_empty() {
        turn = turn.and_text(deed.text);
    }
    for (at, (name, args)) in deed.calls.into_iter().enumerate() {
        turn = turn.and_raw_call(&format!("tooluse_{}_{at}", seen.index), &name, &args);
    }
    match deed.stop {
        _ if deed.is_cut => turn.finish(Finish::Word("max_tokens")),
        Some(stop) => turn.finish(Finish::StopSequence(stop)),
        None => turn,
    }
}

fn wish(seen: &Seen) -> Wish {
    let body = &seen.body;
    let tools = body["toolConfig"]["tools"].as_array().into_iter().flatten();
    let choice = &body["toolConfig"]["toolChoice"];
    let choice = match choice["tool"]["name"].as_str() {
        Some(name) => Choice::Tool(name.to_owned()),
        None if choice.get("any").is_some() => Choice::Any,
        None => Choice::Auto,
    };
    Wish {
        said: seen.last_user_text(),
        has_results: false,
        tools: tools
            .filter_map(|tool| {
                let spec = tool.get("toolSpec")?;
                Some((spec["name"].as_str()?.to_owned(), spec["inputSchema"]["json"].clone()))
            })
            .collect(),
        choice,
        one_call: false,
        limit: body["inferenceConfig"]["maxTokens"].as_u64(),
        stops: texts(&body["inferenceConfig"]["stopSequences"]),
        schema: body
            .pointer("/outputConfig/textFormat/structure/jsonSchema/schema")
            .and_then(Value::as_str)
            .and_then(|schema| serde_json::from_str(schema).ok()),
    }
}
