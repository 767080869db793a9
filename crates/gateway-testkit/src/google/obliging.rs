//! A model that does what it is asked, in Google's dialect and as Claude on Vertex AI.

use serde_json::{Value, json};

use super::seen::Seen;
use super::turn::{Finish, Turn};
use crate::obliging::{Choice, Wish, oblige, of_messages, texts};

/// Does what the request says; see [`crate::obliging`].
pub fn obliging(seen: &Seen) -> Turn {
    let body = &seen.body;
    let wish = if seen.is_claude() { of_messages(body, seen.last_user_text()) } else { wish(seen) };
    let has_results = !seen.new_results().is_empty();
    let deed = oblige(&Wish { has_results, ..wish }, body);
    let mut turn = Turn::default();
    let thinks = body["generationConfig"]["thinkingConfig"]["includeThoughts"] == true
        || matches!(body["thinking"]["type"].as_str(), Some("adaptive" | "enabled"));
    if thinks {
        turn = turn.and_reasoning(&["What was asked is clear."]);
    }
    if !deed.text.is_empty() {
        turn = turn.and_text(deed.text);
    }
    for (name, args) in deed.calls {
        // Gemini makes whole calls or none.
        if let Ok(args) = serde_json::from_str::<Value>(&args) {
            turn = turn.and_call(&name, &args);
        }
    }
    match deed.stop {
        _ if deed.is_cut => turn.finish(Finish::MaxTokens),
        // Gemini does not tell.
        Some(_) if seen.is_claude() => turn.finish(Finish::Word("stop_sequence", "")),
        _ => turn,
    }
}

fn wish(seen: &Seen) -> Wish {
    let body = &seen.body;
    let config = &body["generationConfig"];
    let functions = body["tools"].as_array().into_iter().flatten();
    let functions = functions.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
    let calling = &body["toolConfig"]["functionCallingConfig"];
    let choice = match (calling["mode"].as_str(), calling["allowedFunctionNames"][0].as_str()) {
        (Some("NONE"), _) => Choice::Never,
        (Some("ANY"), Some(name)) => Choice::Tool(name.to_owned()),
        (Some("ANY"), None) => Choice::Any,
        _ => Choice::Auto,
    };
    Wish {
        said: seen.last_user_text(),
        has_results: false,
        tools: functions
            .filter_map(|function| {
                let schema = function.get("parametersJsonSchema").cloned();
                let schema = schema.unwrap_or_else(|| json!({"type": "object"}));
                Some((function["name"].as_str()?.to_owned(), schema))
            })
            .collect(),
        choice,
        one_call: false,
        limit: config["maxOutputTokens"].as_u64(),
        stops: texts(&config["stopSequences"]),
        schema: config.get("responseJsonSchema").cloned(),
    }
}
