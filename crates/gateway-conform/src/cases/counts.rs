//! Counting tokens.

use serde_json::json;

use super::asks::{body, hello, weather};
use crate::case::Case;
use crate::exchange::{Ask, Exchange, Setting};
use crate::finding::Judgement;
use crate::judge::{answer, anthropic_error, told};
use crate::recorded::named;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "count.text",
            "count_tokens answers with a number, also to a query",
            &["R31", "C1"],
        )
        .ask(|setting| count(setting, SHORT, json!({})))
        .judge(|_, x, j| {
            number(x, j);
        }),
        Case::new("count.grows", "a longer text counts more", &["R31"])
            .ask_all(2, |setting| {
                vec![count(setting, SHORT, json!({})), count(setting, &SHORT.repeat(40), json!({}))]
            })
            .judge_all(|_, done, j| more(done, j)),
        Case::new("count.tools", "tools count", &["R31"])
            .ask_all(2, |setting| {
                let tools = json!({"tools": [weather("get_weather"), weather("get_forecast")]});
                vec![count(setting, SHORT, json!({})), count(setting, SHORT, tools)]
            })
            .judge_all(|_, done, j| more(done, j)),
        Case::new(
            "count.recorded",
            "the client's own two ways of counting are answered, the one with tools by more",
            &["R31"],
        )
        .ask_all(2, |setting| {
            vec![named("count-tokens-text").ask(setting), named("count-tokens-tools").ask(setting)]
        })
        .judge_all(|_, done, j| more(done, j)),
        Case::new("count.true", "the count is near what the same prompt costs", &["R31", "R32"])
            .ask_all(2, |setting| {
                let ask = hello(setting);
                let mut count = count(setting, SHORT, json!({}));
                let mut body: serde_json::Value =
                    serde_json::from_slice(&ask.body).unwrap_or_default();
                if let Some(body) = body.as_object_mut() {
                    body.remove("max_tokens");
                }
                count.body = body.to_string().into();
                vec![count, ask]
            })
            .judge_all(|_, done, j| near(done, j)),
        Case::new("count.bad", "a count of nothing is a 400 in Anthropic's shape", &["R31", "R29"])
            .ask(|setting| {
                let mut ask = count(setting, SHORT, json!({"messages": null}));
                ask.headers.retain(|(name, _)| name != "anthropic-beta");
                ask
            })
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if !crate::judge::refused(reply, &[400], "R29", j) {
                    j.warning(
                        "R31",
                        "a count of nothing",
                        reply.summary(),
                        "400 invalid_request_error",
                    );
                }
            }),
    ]
}

fn count(setting: &Setting, said: &str, more: serde_json::Value) -> Ask {
    let mut body = body(setting, &said.into(), more);
    if let Some(body) = body.as_object_mut() {
        body.remove("max_tokens");
    }
    Ask::new("POST", "/v1/messages/count_tokens?beta=true")
        .json(&body)
        .header("anthropic-beta", "token-counting-2024-11-01")
}

fn number(x: &Exchange, j: &mut Judgement) -> Option<u64> {
    let reply = answer(x, j)?;
    if reply.status != 200 {
        let what = "count_tokens is not answered";
        let expected = "{\"input_tokens\": N}; the client guesses without";
        if reply.status >= 500 && reply.status != 501 {
            j.error("R31", what, reply.summary(), expected);
        } else {
            j.warning("R31", what, reply.summary(), expected);
            anthropic_error(reply, j);
        }
        return None;
    }
    let counted = reply.json().and_then(|body| body["input_tokens"].as_u64());
    if counted.is_none_or(|counted| counted == 0) {
        j.error("R31", "no count", reply.summary(), "{\"input_tokens\": N} with N above 0");
    }
    counted
}

fn more(done: &[Exchange], j: &mut Judgement) {
    let [less, more] = done else { return };
    let (Some(less), Some(more)) = (number(less, j), number(more, j)) else { return };
    if more <= less {
        let came = format!("{less} for less, {more} for more");
        j.error("R31", "what was added does not count", came, "a higher number");
    }
}

fn near(done: &[Exchange], j: &mut Judgement) {
    let [counted, asked] = done else { return };
    let (Some(counted), Some(message)) = (number(counted, j), told(asked, j)) else { return };
    let usage = &message["usage"];
    let fields = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let cost: u64 = fields.iter().filter_map(|field| usage[field].as_u64()).sum();
    // Systems add some tokens of their own to a short prompt.
    if counted.abs_diff(cost) > cost / 4 + 40 {
        let expected = format!("about {cost}, which the same prompt cost");
        j.note("R31", "the count is far off", counted.to_string(), expected);
    }
}

const SHORT: &str = "The quick brown fox jumps over the lazy dog. ";
