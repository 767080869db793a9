//! Tools: calls, results, names.

use serde_json::{Value, json};

use super::asks::{ID, call_streamed, conversation, forced, round, streamed, unary, weather};
use super::content::planted;
use crate::case::Case;
use crate::exchange::{Ask, Exchange, Setting};
use crate::finding::Judgement;
use crate::judge::{answer, anthropic_error, blocks, told};
use crate::samples::{IN_RESULT, image_block, pdf_block};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = calls();
    cases.extend(results());
    cases.extend(odd_histories());
    cases
}

fn calls() -> Vec<Case> {
    vec![
        Case::new("tools.forced", "tool_choice tool brings a call of that tool, and stop_reason tool_use", &["R7", "R11"])
            .ask(call_streamed)
            .judge(|_, x, j| drop(called(x, "get_weather", j))),
        Case::new("tools.any", "tool_choice any brings a call of an offered tool", &["R7"])
            .ask(|setting| {
                let tools = json!([weather("get_weather"), weather("get_forecast")]);
                streamed(setting, "Use the tool get_forecast for the city of Graz.", json!({"tools": tools, "tool_choice": {"type": "any"}}))
            })
            .judge(|_, x, j| {
                let Some(message) = told(x, j) else { return };
                let calls = blocks(&message, "tool_use");
                if calls.is_empty() {
                    j.error("R7", "no call although one was demanded", message["content"].to_string(), "a tool_use block");
                }
                for call in calls.iter().filter(|c| !["get_weather", "get_forecast"].iter().any(|n| c["name"] == *n)) {
                    j.error("R11", "a call of a tool that was not offered", call.to_string(), "get_weather or get_forecast");
                }
            }),
        Case::new("tools.none", "tool_choice none brings no call", &["R7"])
            .ask(|setting| {
                let more = json!({"tools": [weather("get_weather")], "tool_choice": {"type": "none"}});
                unary(setting, "Say hello in one word.", more)
            })
            .judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && !blocks(&message, "tool_use").is_empty()
                {
                    j.error("R7", "a call although none was allowed", message["content"].to_string(), "text");
                }
            }),
        Case::new("tools.empty", "an empty list of tools is accepted", &["R22"])
            .ask(|setting| unary(setting, "Reply with the single word hello.", json!({"tools": []})))
            .accepted(),
        Case::new("tools.parallel", "two calls in one reply have ids of their own", &["R3"])
            .ask(|setting| {
                let more = json!({"tools": [weather("get_weather")], "tool_choice": {"type": "any"}});
                streamed(setting, "Use the tool get_weather twice in one turn, in parallel: for Graz and for Linz.", more)
            })
            .judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && blocks(&message, "tool_use").len() < 2
                {
                    j.inconclusive("the model made one call");
                }
            }),
        Case::new("tools.no-parallel", "disable_parallel_tool_use brings one call at most", &["R3"])
            .ask(|setting| {
                let choice = json!({"type": "any", "disable_parallel_tool_use": true});
                let more = json!({"tools": [weather("get_weather")], "tool_choice": choice});
                streamed(setting, "Use the tool get_weather for Graz and for Linz.", more)
            })
            .judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && blocks(&message, "tool_use").len() > 1
                {
                    j.warning("R3", "two calls although one was allowed", message["content"].to_string(), "one tool_use block");
                }
            }),
        named("tools.name-mcp", "an MCP tool's name comes back as it was", "mcp__weather-station__get_current_weather"),
        named("tools.name-64", "a tool's name of 64 characters comes back as it was", NAME_64),
        named("tools.name-128", "a tool's name of 128 characters, which Anthropic allows, comes back as it was", NAME_128),
        Case::new("tools.name-twins", "two names that differ only after 64 characters are two tools", &["R11"])
            .ask(|setting| {
                let other = format!("{}z", &NAME_128[..127]);
                let tools = json!([weather(NAME_128), weather(&other)]);
                let more = json!({"tools": tools, "tool_choice": {"type": "tool", "name": other}});
                streamed(setting, "Call the tool that you are offered, for the city of Graz.", more)
            })
            .judge(|_, x, j| drop(called(x, &format!("{}z", &NAME_128[..127]), j))),
        Case::new("tools.deferred", "a tool with defer_loading that nothing refers to does no harm", &["R25"])
            .ask(|setting| {
                let mut hidden = weather("get_forecast");
                hidden["defer_loading"] = true.into();
                let more = json!({"tools": [weather("get_weather"), hidden]});
                streamed(setting, "Reply with the single word hello.", more)
                    .header("anthropic-beta", "advanced-tool-use-2025-11-20")
            })
            .accepted(),
    ]
}

fn results() -> Vec<Case> {
    let planted_result = |id: &'static str, checks: &'static str, result: Value| {
        Case::new(id, checks, &["R12", "R28"])
            .ask(move |setting| history(setting, &round(result.clone())))
            .judge(|_, x, j| planted(x, IN_RESULT, "R28", j))
    };
    let text = format!("It is warm in Graz. The station's code word is {IN_RESULT}.");
    let result = |id: &'static str, checks: &'static str, rows, result: Value| {
        Case::new(id, checks, rows)
            .ask(move |setting| history(setting, &round(result.clone())))
            .judge(|_, x, j| accepted_or_400(x, "R27", j))
    };
    vec![
        planted_result("result.text", "a result that is a text reaches the model", json!({"content": text})),
        planted_result("result.blocks", "a result of text blocks reaches the model", json!({"content": [{"type": "text", "text": "It is warm."}, {"type": "text", "text": text}]})),
        planted_result("result.error", "a result with is_error reaches the model", json!({"content": text, "is_error": true})),
        Case::new("result.none", "a result without content is accepted", &["R12"])
            .ask(|setting| history(setting, &round(json!({}))))
            .accepted(),
        Case::new("result.empty", "a result with an empty text is accepted", &["R12"])
            .ask(|setting| history(setting, &round(json!({"content": ""}))))
            .accepted(),
        result("result.image", "a result with an image is accepted, or a 400", &["R27"], json!({"content": [{"type": "text", "text": "A photograph:"}, image_block()]})),
        result("result.pdf", "a result with a PDF is accepted, or a 400", &["R28"], json!({"content": [pdf_block()]})),
        Case::new("result.reference", "a result of tool references is accepted", &["R25"])
            .ask(|setting| crate::recorded::named("tool-reference-result").ask(setting))
            .accepted(),
        Case::new("result.parallel", "two results in one message, followed by a text, are accepted", &["R12"])
            .ask(|setting| {
                let said = json!([
                    {"role": "user", "content": "What is the weather in Graz and in Linz?"},
                    {"role": "assistant", "content": [
                        {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {"city": "Graz"}},
                        {"type": "tool_use", "id": "toolu_01B", "name": "get_weather", "input": {"city": "Linz"}}
                    ]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_01B", "content": "cold"},
                        {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "warm"},
                        {"type": "text", "text": "Be brief."}
                    ]}
                ]);
                history(setting, &said)
            })
            .accepted(),
        Case::new("result.round", "a call that the endpoint made is taken back with its result", &["R12", "R15"])
            .ask(call_streamed)
            .then(|setting, done| {
                let message = told(done.first()?, &mut Judgement::default())?;
                let id = blocks(&message, "tool_use").first()?["id"].clone();
                let said = json!([
                    {"role": "user", "content": "Use the tool get_weather for the city of Graz."},
                    {"role": "assistant", "content": message["content"]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "warm"}]},
                ]);
                Some(history(setting, &said))
            })
            .judge_all(|_, done, j| match done {
                [_, second] => drop(told(second, j)),
                _ => j.inconclusive("the model made no call"),
            }),
    ]
}

fn odd_histories() -> Vec<Case> {
    let odd = |id: &'static str, checks: &'static str, said: Value| {
        Case::new(id, checks, &["R12"])
            .ask(move |setting| history(setting, &said))
            .judge(|_, x, j| accepted_or_400(x, "R12", j))
    };
    let call =
        json!({"type": "tool_use", "id": ID, "name": "get_weather", "input": {"city": "Graz"}});
    let result = json!({"type": "tool_result", "tool_use_id": ID, "content": "warm"});
    vec![
        odd(
            "history.orphan-result",
            "a result without its call is a clear 400, or mended",
            json!([{"role": "user", "content": [result, {"type": "text", "text": "Say hello."}]}]),
        ),
        odd(
            "history.missing-result",
            "a call without its result is a clear 400, or mended",
            json!([
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": "Never mind. Say hello."},
            ]),
        ),
        odd(
            "history.text-before-result",
            "a text before the result is a clear 400, or mended",
            json!([
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [{"type": "text", "text": "Here it is."}, result]},
            ]),
        ),
        odd(
            "history.odd-id",
            "an id that Anthropic does not allow is a clear 400, or mended",
            json!([
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "call 1|é", "name": "get_weather", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call 1|é", "content": "warm"}]},
            ]),
        ),
        odd(
            "history.unoffered-call",
            "a call of a tool that is no longer offered is accepted, or a clear 400",
            json!([
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": ID, "name": "gone_tool", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ID, "content": "warm"}]},
            ]),
        ),
    ]
}

fn history(setting: &Setting, said: &Value) -> Ask {
    conversation(setting, said, json!({"tools": [weather("get_weather")]}))
}

fn named(id: &'static str, checks: &'static str, name: &'static str) -> Case {
    Case::new(id, checks, &["R11"])
        .ask(move |setting| {
            let said = format!("Use the tool {name} for the city of Graz.");
            streamed(setting, &said, forced(name, &weather(name)))
        })
        .judge(move |_, x, j| drop(called(x, name, j)))
}

/// Judges a reply that must call this tool.
pub(super) fn called(x: &Exchange, name: &str, j: &mut Judgement) -> Option<Value> {
    let message = told(x, j)?;
    let calls = blocks(&message, "tool_use");
    let Some(call) = calls.first() else {
        if message["stop_reason"] == "max_tokens" {
            j.inconclusive("the limit cut the reply");
        } else {
            let came = message["content"].to_string();
            j.error(
                "R7",
                "no call although tool_choice demanded it",
                came,
                format!("a call of {name}"),
            );
        }
        return None;
    };
    if call["name"] != name {
        j.error("R11", "a call of a tool that was not offered", call.to_string(), name);
    }
    if message["stop_reason"] != "tool_use" {
        let came = message["stop_reason"].to_string();
        j.warning("R7", "another stop_reason with a call", came, "tool_use");
    }
    Some((*call).clone())
}

/// Judges a request that may be served or refused as the caller's fault, but never fail.
pub(super) fn accepted_or_400(x: &Exchange, row: &'static str, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    match reply.status {
        200 => drop(told(x, j)),
        400..=499 => anthropic_error(reply, j),
        _ => j.error(
            row,
            "an odd request makes the endpoint fail",
            reply.summary(),
            "200, or a 400 that says what is wrong",
        ),
    }
}

/// The longest that OpenAI and others allow.
const NAME_64: &str = "mcp__a-server-with-a-long-name__a_tool_with_a_name_of_64_letters";
/// The longest that Anthropic allows.
const NAME_128: &str = "mcp__a-server-with-a-very-long-name__a_tool_with_a_name_of_one_hundred_and_twenty_eight_characters_which_is_as_long_as_they_get_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_as_long_as_they_say() {
        assert_eq!((NAME_64.len(), NAME_128.len()), (64, 128));
    }
}
