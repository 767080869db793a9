//! What Converse refuses in a conversation: who speaks when, which block may stand where, calls without
//! results; and which blocks the model served takes.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::blobs::{Issued, is_redacted, signature};
use super::refusal::Refusal;
use super::rules::{ReasoningBack, Rules};
use super::walk::Checked;
use crate::claude_turn;

const MAX_DOCUMENTS: usize = 5;
const MAX_IMAGES: usize = 20;
/// 3.75 and 4.5 megabytes.
const IMAGE_BYTES: usize = 3_932_160;
const DOCUMENT_BYTES: usize = 4_718_592;

/// Whose blocks these are. What is in neither may stand with both.
const OF_USERS: &[&str] =
    &["image", "document", "video", "audio", "toolResult", "guardContent", "searchResult"];
const OF_ASSISTANTS: &[&str] = &["toolUse", "reasoningContent", "citationsContent"];
const OF_SYSTEM: &[&str] = &["text", "toolAddition", "toolRemoval", "cachePoint"];

/// What holds for every model.
pub(crate) fn check(body: &Value, rules: &Rules) -> Checked {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, message) in messages.iter().enumerate() {
        content(message, index, rules)?;
    }
    order(messages, rules)?;
    calls(messages)?;
    documents(messages)?;
    let uses_tools = blocks(messages)
        .any(|block| ["toolUse", "toolResult"].iter().any(|kind| !block[*kind].is_null()));
    if uses_tools && body["toolConfig"].is_null() {
        return Err(Refusal::new(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ));
    }
    Ok(())
}

fn blocks(messages: &[Value]) -> impl Iterator<Item = &Value> {
    messages.iter().flat_map(|message| message["content"].as_array().into_iter().flatten())
}

fn kind(block: &Value) -> &str {
    let members = block.as_object().into_iter().flatten();
    let mut set = members.filter(|(_, value)| !value.is_null());
    set.next().map_or("", |(name, _)| name)
}

fn content(message: &Value, index: usize, rules: &Rules) -> Checked {
    let role = message["role"].as_str().unwrap_or_default();
    if role == "system" && !rules.system_role {
        return Err(Refusal::new(format!(
            "This model doesn't support the system role in messages. Remove the message at messages.{index} and try again."
        )));
    }
    let list = message["content"].as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        return Err(Refusal::new(format!(
            "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the content field and try again."
        )));
    }
    for (number, block) in list.iter().enumerate() {
        let (at, kind) = (format!("messages.{index}.content.{number}"), kind(block));
        if block["text"].as_str().is_some_and(|text| text.trim().is_empty()) {
            return Err(Refusal::new(format!(
                "The text field in the ContentBlock object at {at} is blank. Add text to the text field, and try again."
            )));
        }
        let misplaced = match role {
            "user" => OF_ASSISTANTS.contains(&kind) || kind.starts_with("toolAdd"),
            "assistant" => OF_USERS.contains(&kind) || kind.starts_with("toolAdd"),
            _ => !OF_SYSTEM.contains(&kind),
        };
        if misplaced {
            return Err(Refusal::new(format!(
                "The {kind} field in the ContentBlock object at {at} can't be used in a message with the {role} role. Remove {kind} and try again."
            )));
        }
    }
    Ok(())
}

fn order(messages: &[Value], rules: &Rules) -> Checked {
    let mut last = "";
    for message in messages {
        match (last, message["role"].as_str().unwrap_or_default()) {
            (_, "system") => {}
            ("", role) if role != "user" => return Err(first()),
            (last, role) if last == role => {
                return Err(Refusal::new(
                    "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.",
                ));
            }
            (_, role) => last = role,
        }
    }
    match last {
        "" => Err(first()),
        "assistant" if rules.claude() && !rules.prefill => Err(no_prefill().by_model()),
        "assistant" if !rules.prefill => Err(Refusal::new(
            "A conversation must end with a user message. Try again with a conversation that ends with a user message.",
        )),
        _ => Ok(()),
    }
}

fn first() -> Refusal {
    Refusal::new(
        "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    )
}

pub(crate) fn no_prefill() -> Refusal {
    Refusal::new(
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    )
}

/// Each call is answered in the next message, and nothing else is.
fn calls(messages: &[Value]) -> Checked {
    let ids = |message: &Value, kind: &str| -> Vec<String> {
        let blocks = message["content"].as_array().into_iter().flatten();
        blocks.filter_map(|block| block[kind]["toolUseId"].as_str().map(str::to_owned)).collect()
    };
    let mut ever = HashSet::new();
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if message["role"] == "system" {
            continue;
        }
        let results = ids(message, "toolResult");
        if results.len() > open.len() {
            return Err(Refusal::new(format!(
                "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of previous turn."
            )));
        }
        let missing: Vec<&String> = open.iter().filter(|id| !results.contains(id)).collect();
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().map(String::as_str).collect();
            return Err(Refusal::new(format!(
                "Expected toolResult blocks at messages.{index}.content for the following Ids: {}, but found: {}",
                missing.join(","),
                results.join(",")
            )));
        }
        open = ids(message, "toolUse");
        if let Some(again) = open.iter().find(|id| !ever.insert((*id).clone())) {
            return Err(Refusal::new(format!(
                "The toolUseId {again} at messages.{index}.content is used more than once. Tool use ids must be unique."
            )));
        }
    }
    match open.as_slice() {
        [] => Ok(()),
        open => Err(Refusal::new(format!(
            "Expected toolResult blocks at messages.{}.content for the following Ids: {}",
            messages.len(),
            open.join(",")
        ))),
    }
}

fn documents(messages: &[Value]) -> Checked {
    let mut names = HashSet::new();
    let (mut documents, mut images) = (0, 0);
    for (index, message) in messages.iter().enumerate() {
        let list = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        let direct = list.iter().filter(|block| !block["document"].is_null()).count();
        if direct > 0 && list.iter().all(|block| block["text"].is_null()) {
            return Err(Refusal::new(format!(
                "The content at messages.{index} holds a document and no text. Add a text block to the content, and try again."
            )));
        }
        let inner = list
            .iter()
            .flat_map(|block| block["toolResult"]["content"].as_array().into_iter().flatten());
        for block in list.iter().chain(inner) {
            if let Some(bytes) = block["image"]["source"]["bytes"].as_str() {
                images += 1;
                if bytes.len() / 4 * 3 > IMAGE_BYTES {
                    return Err(Refusal::new(
                        "The image size exceeds the maximum allowed size of 3.75 MB. Resize the image and try again.",
                    ));
                }
            }
            let document = &block["document"];
            if document.is_null() {
                continue;
            }
            documents += 1;
            let name = document["name"].as_str().unwrap_or_default();
            document_name(name)?;
            if !names.insert(name.to_lowercase()) {
                return Err(Refusal::new(
                    "Messages can't contain duplicate document names. Rename the document and retry your request.",
                ));
            }
            if document["format"].is_null() && !document["source"]["bytes"].is_null() {
                return Err(Refusal::missing("document.format"));
            }
            let bytes = document["source"]["bytes"].as_str().unwrap_or_default();
            if bytes.len() / 4 * 3 > DOCUMENT_BYTES {
                return Err(Refusal::new(
                    "The document size exceeds the maximum allowed size of 4.5 MB. Reduce the document and try again.",
                ));
            }
        }
    }
    if documents > MAX_DOCUMENTS {
        return Err(Refusal::new("You can't include more than 5 documents in a request."));
    }
    if images > MAX_IMAGES {
        return Err(Refusal::new("You can't include more than 20 images in a request."));
    }
    Ok(())
}

fn document_name(name: &str) -> Checked {
    let letter =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "-()[]".contains(c);
    let spaced = name.split(|c: char| c.is_ascii_whitespace()).skip(1);
    let inner = name.trim_end().len();
    let double = spaced.take(inner).any(str::is_empty);
    if name.chars().all(letter) && !double {
        return Ok(());
    }
    Err(Refusal::new(
        "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.",
    ))
}

/// What the model served takes of all that.
pub(crate) fn supported(body: &Value, rules: &Rules, issued: &Issued) -> Checked {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, message) in messages.iter().enumerate() {
        for (number, block) in message["content"].as_array().into_iter().flatten().enumerate() {
            let refuse = |kind: &str| {
                Err(Refusal::new(format!(
                    "This model doesn't support the {kind} content block that you provided. Remove the content block and try again."
                )))
            };
            let result = &block["toolResult"];
            match kind(block) {
                "image" if !rules.images => return refuse("image"),
                "document" if !rules.documents => return refuse("document"),
                "video" | "audio" | "guardContent" if rules.claude() => return refuse(kind(block)),
                "reasoningContent" => {
                    let at = format!("messages.{index}.content.{number}");
                    reasoning(&block["reasoningContent"], &at, rules, issued)?;
                }
                "toolResult" if !result["status"].is_null() && !rules.status => {
                    return Err(Refusal::unsupported("status"));
                }
                "toolResult" if !rules.tool_images => {
                    let blocks = result["content"].as_array().into_iter().flatten();
                    let mut kinds = blocks.map(kind);
                    if let Some(kind) = kinds.find(|kind| !["text", "json"].contains(kind)) {
                        return Err(Refusal::unsupported(&format!("toolResult.content.{kind}")));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Reasoning that comes back must be the model's own, unchanged.
fn reasoning(given: &Value, at: &str, rules: &Rules, issued: &Issued) -> Checked {
    let said = &given["reasoningText"];
    let text = said["text"].as_str().unwrap_or_default();
    let signed = said["signature"].as_str();
    match rules.reasoning {
        ReasoningBack::Never => Err(Refusal::unsupported(if signed.is_some() {
            "reasoningContent.reasoningText.signature"
        } else if said.is_null() {
            "reasoningContent.redactedContent"
        } else {
            "reasoningContent.reasoningText"
        })),
        ReasoningBack::Plain if signed.is_some() => {
            Err(Refusal::unsupported("reasoningContent.reasoningText.signature"))
        }
        ReasoningBack::Plain if said.is_null() => {
            Err(Refusal::unsupported("reasoningContent.redactedContent"))
        }
        ReasoningBack::Plain if !issued.contains(text) => Err(Refusal::new(format!(
            "Test server: the reasoningContent at {at} is not this model's own."
        ))),
        ReasoningBack::Plain => Ok(()),
        ReasoningBack::Signed => {
            if let Some(data) = given["redactedContent"].as_str() {
                return redacted_data(data, at, rules).map_err(Refusal::by_model);
            }
            let Some(signed) = signed else {
                let text = format!("{at}.thinking.signature: Field required");
                return Err(Refusal::new(text).by_model());
            };
            signature_of(text, signed, at, rules).map_err(Refusal::by_model)
        }
    }
}

pub(crate) fn redacted_data(data: &str, at: &str, rules: &Rules) -> Checked {
    if is_redacted(rules, data) {
        return Ok(());
    }
    Err(Refusal::new(format!("{at}: Invalid `data` in `redacted_thinking` block")))
}

pub(crate) fn signature_of(text: &str, signed: &str, at: &str, rules: &Rules) -> Checked {
    if STANDARD.decode(signed).is_ok() && signature(rules, text) == signed {
        return Ok(());
    }
    Err(Refusal::new(format!("{at}: Invalid `signature` in `thinking` block")))
}

/// With a budget of thinking, the turn that the last results belong to begins with thinking.
pub(crate) fn begins_with_thinking(body: &Value) -> Checked {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let Some((at, last)) = claude_turn::last(messages) else { return Ok(()) };
    let list = |at: usize| messages[at]["content"].as_array().map_or(&[][..], Vec::as_slice);
    let calls = list(last).iter().any(|block| !block["toolUse"].is_null());
    let found = list(at).first().map_or("", kind);
    if calls && found != "reasoningContent" {
        let found = if found == "toolUse" { "tool_use" } else { found };
        return Err(expected_thinking(at, found));
    }
    Ok(())
}

pub(crate) fn expected_thinking(at: usize, found: &str) -> Refusal {
    Refusal::new(format!(
        "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, disable `thinking`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    ))
}
