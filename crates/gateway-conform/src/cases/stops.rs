//! Why a reply ends.

use serde_json::json;

use super::asks::{forced, streamed, unary};
use crate::case::Case;
use crate::exchange::Exchange;
use crate::finding::Judgement;
use crate::judge::{Aspect, aspect, text_of, told};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("stop.sequence", "a stop sequence ends the reply before it, with stop_reason stop_sequence and its text", &["R7"])
            .ask(|setting| unary(setting, COUNT, json!({"stop_sequences": [STOP]})))
            .judge(|_, x, j| sequence(x, j)),
        Case::new("stop.sequence-stream", "the same in a stream", &["R7"])
            .ask(|setting| streamed(setting, COUNT, json!({"stop_sequences": [STOP]})))
            .judge(|_, x, j| sequence(x, j)),
        Case::new("stop.max-tokens", "a reply that meets max_tokens says so", &["R7", "R22"])
            .ask(|setting| unary(setting, POEM, json!({"max_tokens": 1})))
            .judge(|_, x, j| limited(x, j)),
        Case::new("stop.max-tokens-stream", "the same in a stream", &["R7", "R22"])
            .ask(|setting| streamed(setting, POEM, json!({"max_tokens": 24})))
            .judge(|_, x, j| limited(x, j)),
        Case::new("stop.cut-call", "a call that max_tokens cuts is never told as a finished one", &["R5"])
            .ask(|setting| {
                let tool = json!({
                    "name": "write_file",
                    "description": "Writes a file.",
                    "input_schema": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
                });
                let mut more = forced("write_file", &tool);
                more["max_tokens"] = 40.into();
                streamed(setting, "Use the tool write_file with a text of three hundred words on rain.", more)
            })
            .judge(|_, x, j| cut(x, j)),
        Case::new("stop.large-limit", "the client's usual max_tokens of 128000 is accepted, or refused in words that it mends", &["R22"])
            .ask(|setting| streamed(setting, "Reply with the single word hello.", json!({"max_tokens": 128_000})))
            .accepted(),
        Case::new("stop.sampling", "temperature, top_p and top_k are accepted or refused as a 400", &["R19", "R22"])
            .ask(|setting| unary(setting, "Reply with the single word hello.", json!({"temperature": 0.5, "top_k": 40})))
            .judge(|_, x, j| super::tools::accepted_or_400(x, "R22", j)),
    ]
}

fn sequence(x: &Exchange, j: &mut Judgement) {
    let Some(message) = told(x, j) else { return };
    let text = text_of(&message);
    if message["stop_reason"] == "stop_sequence" {
        if message["stop_sequence"] != STOP {
            let came = message["stop_sequence"].to_string();
            j.warning("R7", "another stop_sequence than the one that was met", came, STOP);
        }
        if text.contains(STOP) {
            j.error("R7", "the stop sequence is in the text", text, "the text before it");
        }
    } else if text.contains(STOP) {
        j.error("R7", "a stop sequence was not obeyed", text, "the reply ends before it");
    } else if text.contains("five") {
        let came = message["stop_reason"].to_string();
        j.error("R7", "a stop sequence was met and not told", came, "stop_reason stop_sequence");
    } else {
        j.inconclusive("the model did not count that far");
    }
}

fn limited(x: &Exchange, j: &mut Judgement) {
    let Some(message) = told(x, j) else { return };
    let (reason, text) = (message["stop_reason"].as_str().unwrap_or_default(), text_of(&message));
    let words = text.split_whitespace().count();
    if words > FEW && reason == "max_tokens" {
        // Gateways raise a limit in which a model that thinks would never come to speak.
        let came = format!("{words} words");
        j.note("R22", "max_tokens was raised", came, "a reply of so many tokens");
    } else if words > FEW {
        let came = format!("{words} words, stop_reason {reason}");
        j.warning("R22", "max_tokens was not obeyed", came, "a reply of so many tokens");
    } else if reason != "max_tokens" && words > 0 {
        j.inconclusive(format!("the model ended by itself after {words} words"));
    } else if reason != "max_tokens" {
        j.error(
            "R7",
            "a reply that had no room says that it ended by itself",
            reason,
            "max_tokens",
        );
    }
}

fn cut(x: &Exchange, j: &mut Judgement) {
    // What the arguments' pieces make is a fault only where the call is told as finished.
    let Some(told) = aspect(x, &[Aspect::Order, Aspect::Blocks, Aspect::Stop, Aspect::Input], j)
    else {
        return;
    };
    match told.message["stop_reason"].as_str() {
        Some("tool_use") => {
            let whole = told.faults.iter().all(|fault| fault.aspect != Aspect::Input);
            if whole {
                j.inconclusive("the call fitted the limit");
            } else {
                j.error("R5", "a cut call is told as a finished one", "tool_use", "max_tokens");
            }
        }
        Some("max_tokens" | "model_context_window_exceeded") => {}
        reason => j.inconclusive(format!("the model ended with {reason:?}")),
    }
}

const COUNT: &str = "Write these words in this order, separated by spaces, and nothing else: one two three four five six seven eight nine ten";
const STOP: &str = "six";
const POEM: &str = "Write a poem of three hundred words on rain.";
/// Words that a reply of 24 tokens has at most.
const FEW: usize = 60;
