//! Thinking: asked for, shown, taken back.

use serde_json::{Value, json};

use super::asks::{conversation, streamed, weather};
use super::tools::accepted_or_400;
use crate::case::Case;
use crate::exchange::{Ask, Exchange, Setting};
use crate::finding::Judgement;
use crate::judge::{Aspect, answer, aspect, blocks, told};
use crate::recorded::named;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("thinking.adaptive", "adaptive thinking is accepted, or refused in words that the client mends", &["C8", "R19"])
            .ask(|setting| streamed(setting, QUESTION, adaptive()))
            .accepted(),
        Case::new("thinking.display", "`display` is accepted, or refused in words that the client mends", &["R19"])
            .ask(|setting| {
                streamed(setting, QUESTION, json!({"thinking": {"type": "adaptive", "display": "omitted"}, "max_tokens": 2048}))
            })
            .accepted(),
        Case::new("thinking.enabled", "a budget of thinking is accepted where the model knows budgets", &["R19", "R22"])
            .ask(|setting| streamed(setting, QUESTION, enabled()))
            .judge(|_, x, j| {
                // Models that decide for themselves refuse budgets; that is Anthropic's way too.
                match answer(x, j) {
                    Some(reply) if reply.status == 400 => accepted_or_400(x, "R19", j),
                    Some(_) => drop(told(x, j)),
                    None => {}
                }
            }),
        Case::new("thinking.disabled", "disabled thinking is accepted, with an effort beside it too", &["R19"])
            .ask(|setting| {
                let more = json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}});
                streamed(setting, "Reply with the single word hello.", more)
                    .header("anthropic-beta", "effort-2025-11-24")
            })
            .judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && !blocks(&message, "thinking").is_empty()
                {
                    j.warning("R19", "thinking although it was disabled", message["content"].to_string(), "text alone");
                }
            }),
        Case::new("thinking.signed", "thinking in a stream ends with its signature, and comes before what it led to", &["R13", "R15"])
            .ask(|setting| streamed(setting, QUESTION, adaptive()))
            .judge(|_, x, j| signed(x, j)),
        Case::new("thinking.round", "thinking with a call is taken back as it came", &["R13", "R15"])
            .ask(|setting| {
                let mut more = adaptive();
                more["tools"] = json!([weather("get_weather")]);
                streamed(setting, ASKED, more)
            })
            .then(round)
            .judge_all(|_, done, j| match done {
                [_, second] => drop(told(second, j)),
                [first] => {
                    told(first, j);
                    j.inconclusive("the model made no call");
                }
                _ => {}
            }),
        Case::new("thinking.history", "a recorded history with signed thinking is accepted, or refused in words that the client mends", &["R13", "R15"])
            .ask(|setting| named("thinking-history").ask(setting))
            .judge(|_, x, j| accepted_or_400(x, "R13", j)),
        Case::new("thinking.unsigned", "unsigned thinking in a history is never a fault of the server", &["R13"])
            .ask(|setting| named("thinking-history-unsigned").ask(setting))
            .judge(|_, x, j| accepted_or_400(x, "R13", j)),
        Case::new("thinking.foreign", "another provider's signature is never a fault of the server", &["R13"])
            .ask(|setting| {
                foreign(setting, &json!({"type": "thinking", "thinking": "Let me see.", "signature": "CvQBZm9yZWlnbi1zaWduYXR1cmU="}))
            })
            .judge(|_, x, j| accepted_or_400(x, "R13", j)),
        Case::new("thinking.redacted", "another provider's redacted thinking is never a fault of the server", &["R13"])
            .ask(|setting| foreign(setting, &json!({"type": "redacted_thinking", "data": "Zm9yZWlnbg=="})))
            .judge(|_, x, j| accepted_or_400(x, "R13", j)),
        Case::new("thinking.dropped", "a history whose thinking was taken out goes on", &["R15"])
            .ask(|setting| {
                let mut more = adaptive();
                more["tools"] = json!([weather("get_weather")]);
                conversation(setting, &super::asks::round(json!({"content": "warm"})), more)
            })
            .judge(|_, x, j| accepted_or_400(x, "R15", j)),
    ]
}

fn adaptive() -> Value {
    json!({"thinking": {"type": "adaptive"}, "max_tokens": 2048})
}

fn enabled() -> Value {
    json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1536})
}

fn foreign(setting: &Setting, thinking: &Value) -> Ask {
    let said = json!([
        {"role": "user", "content": "What is seven times six?"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "42"}]},
        {"role": "user", "content": "Reply with the single word hello."},
    ]);
    conversation(setting, &said, adaptive())
}

fn round(setting: &Setting, done: &[Exchange]) -> Option<Ask> {
    let message = told(done.first()?, &mut Judgement::default())?;
    let calls = blocks(&message, "tool_use");
    let results: Vec<Value> = calls
        .iter()
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "warm"}))
        .collect();
    if results.is_empty() {
        return None;
    }
    let said = json!([
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": message["content"]},
        {"role": "user", "content": results},
    ]);
    let mut more = adaptive();
    more["tools"] = json!([weather("get_weather")]);
    more["stream"] = true.into();
    Some(conversation(setting, &said, more))
}

fn signed(x: &Exchange, j: &mut Judgement) {
    let Some(found) = aspect(x, &[Aspect::Thinking, Aspect::Blocks], j) else { return };
    let message = found.message;
    let kinds: Vec<&str> = message["content"]
        .as_array()
        .map(|blocks| blocks.iter().filter_map(|block| block["type"].as_str()).collect())
        .unwrap_or_default();
    let thinks = |kind: &&str| ["thinking", "redacted_thinking"].contains(kind);
    match (kinds.iter().position(thinks), kinds.iter().position(|kind| !thinks(kind))) {
        (Some(thought), Some(said)) if thought > said => {
            let expected = "thinking first: a turn is sent back in this order";
            j.warning("R15", "thinking after what it led to", kinds.join(", "), expected);
        }
        (Some(_), _) => {}
        (None, _) => j.inconclusive("the model did not think"),
    }
}

const QUESTION: &str =
    "Which is larger, 17 times 23 or 19 times 21? Think, then answer with the number alone.";
const ASKED: &str = "Think about which city is meant by the capital of Styria, then use the tool get_weather for it.";
