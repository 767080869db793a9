//! Images and documents. A 200 about something that was not seen is the worst outcome, so words are
//! planted where they can be.

use serde_json::json;

use super::asks::{unary, with_blocks};
use super::tools::accepted_or_400;
use crate::case::Case;
use crate::exchange::Exchange;
use crate::finding::Judgement;
use crate::judge::{answer, anthropic_error, blocks, text_of, told};
use crate::samples::{IN_PDF, IN_TEXT, image_block, pdf_block, text_block};

pub(super) fn cases() -> Vec<Case> {
    let question = json!({"type": "text", "text": "What is the code word in the document? Reply with it alone."});
    let asked = question.clone();
    vec![
        Case::new("image.base64", "an image in the user's message is accepted, or a 400", &["R27"])
            .ask(|setting| {
                let blocks = json!([image_block(), {"type": "text", "text": "Which colour is this? One word."}]);
                with_blocks(setting, &blocks, json!({}))
            })
            .judge(|_, x, j| {
                if accepted(x, "R27", j)
                    && let Some(message) = told(x, j)
                    && !text_of(&message).to_lowercase().contains("red")
                {
                    j.note("R27", "the answer does not name the image's colour", text_of(&message), "red");
                }
            }),
        Case::new("image.url", "an image by URL is accepted, or a 400", &["R27"])
            .ask(|setting| {
                let source = json!({"type": "url", "url": "https://www.anthropic.com/favicon.ico"});
                let blocks = json!([{"type": "image", "source": source}, {"type": "text", "text": "Describe this in one word."}]);
                with_blocks(setting, &blocks, json!({}))
            })
            .judge(|_, x, j| accepted_or_400(x, "R27", j)),
        Case::new("document.text", "a text document reaches the model, or a 400", &["R28"])
            .ask(move |setting| with_blocks(setting, &json!([text_block(), question]), json!({})))
            .judge(|_, x, j| planted(x, IN_TEXT, "R28", j)),
        Case::new("document.pdf", "a PDF reaches the model, or a 400", &["R28"])
            .ask(move |setting| with_blocks(setting, &json!([pdf_block(), asked]), json!({})))
            .judge(|_, x, j| planted(x, IN_PDF, "R28", j)),
        Case::new("content.unknown-block", "a block of an unknown kind is a 400, or left out", &["R25"])
            .ask(|setting| {
                let blocks = json!([
                    {"type": "hologram", "data": "x"},
                    {"type": "text", "text": "Reply with the single word hello."},
                ]);
                with_blocks(setting, &blocks, json!({}))
            })
            .judge(|_, x, j| accepted_or_400(x, "R25", j)),
        Case::new("search.web", "the server tool web_search is run, or refused clearly", &["R39"])
            .expensive()
            .ask(|setting| {
                let tools = json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]);
                unary(setting, "Search the web for the weather in Graz today.", json!({"tools": tools}))
            })
            .judge(|_, x, j| searched(x, j)),
    ]
}

/// Whether it was a 200; a 400 in Anthropic's shape is no fault.
fn accepted(x: &Exchange, row: &'static str, j: &mut Judgement) -> bool {
    match answer(x, j) {
        Some(reply) if reply.status == 200 => true,
        Some(_) => {
            accepted_or_400(x, row, j);
            false
        }
        None => false,
    }
}

/// Judges whether the planted word is in the answer.
pub(super) fn planted(x: &Exchange, word: &str, row: &'static str, j: &mut Judgement) {
    if !accepted(x, row, j) {
        return;
    }
    let Some(message) = told(x, j) else { return };
    let text = text_of(&message);
    if text.contains(word) {
        return;
    }
    let expected = format!("the word {word}, or a 400 that says that it can't be read");
    if message["stop_reason"] == "max_tokens" {
        j.inconclusive("the limit cut the reply");
    } else if EXCUSES.iter().any(|excuse| text.to_lowercase().contains(excuse)) {
        j.warning(row, "what was sent did not reach the model, which says so", text, expected);
    } else {
        j.error(row, "a 200 about something that the model did not see", text, expected);
    }
}

fn searched(x: &Exchange, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    if (400..500).contains(&reply.status) {
        anthropic_error(reply, j);
        return;
    }
    let Some(message) = told(x, j) else { return };
    let searches = blocks(&message, "server_tool_use").len();
    let results = blocks(&message, "web_search_tool_result").len();
    if searches > results {
        j.error(
            "R39",
            "a search without its result",
            message["content"].to_string(),
            "web_search_tool_result",
        );
    } else if searches == 0 {
        j.inconclusive("the model did not search");
    }
}

/// How models say that they did not see something.
const EXCUSES: &[&str] = &[
    "omitted",
    "can't",
    "can\u{2019}t",
    "cannot",
    "unable",
    "not able",
    "don't see",
    "do not see",
    "don't have",
    "do not have",
    "no document",
    "not provided",
];
