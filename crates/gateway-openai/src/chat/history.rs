//! Thinking of earlier turns, on its way back to the upstream that had it (behaviours R13, R18).

use gateway_translate::{Json, Unsealed};
use gateway_types::{Feature, Raw, Text, What};

use super::DIALECT;
use super::reasoning::{Carried, Field};
use crate::common::Target;
use crate::{ReasoningOut, Replay};

/// What became of a thinking block.
#[derive(Debug)]
pub(super) enum Thought {
    /// This upstream's own.
    Ours(Carried),
    /// It is left out.
    Lost(What, &'static str),
}

/// Opens a thinking block: its text, and the signature or data that came with it.
pub(super) fn thinking(target: &Target<'_>, text: Text<'_>, signature: Text<'_>) -> Thought {
    if target.cx.without.contains(&Feature::ReasoningState) {
        return Thought::Lost(What::Dropped, "the upstream refused it");
    }
    match target.cx.keys.open(&target.binding(DIALECT), b"", &signature.decode()) {
        Unsealed::Payload(payload) => {
            if target.quirks.replay_reasoning == Replay::Never {
                return Thought::Lost(What::Hint, "this upstream does not want it back");
            }
            match Carried::read(&payload) {
                Some(mut carried) => {
                    if !text.is_empty() {
                        carried.text = Some(text.escaped().to_owned());
                    }
                    Thought::Ours(carried)
                }
                None => Thought::Lost(What::Dropped, "what it carries can't be read"),
            }
        }
        Unsealed::Elsewhere => {
            Thought::Lost(What::Dropped, "thinking of another provider or model")
        }
        Unsealed::Broken => Thought::Lost(What::Dropped, "its signature does not open"),
        Unsealed::Foreign => Thought::Lost(What::Dropped, "thinking of another provider"),
    }
}

/// The field in which thinking goes back: as the server is known to want it, else as it came.
fn field(target: &Target<'_>, thoughts: &[Carried]) -> Option<Field> {
    match target.quirks.reasoning_out {
        ReasoningOut::Auto => thoughts.iter().find_map(|thought| thought.field),
        ReasoningOut::ReasoningContent => Some(Field::ReasoningContent),
        ReasoningOut::Reasoning => Some(Field::Reasoning),
        ReasoningOut::ReasoningDetails => Some(Field::Details),
        ReasoningOut::ThinkTags => Some(Field::Tags),
    }
}

/// All texts as one, escaped.
fn joined(thoughts: &[Carried]) -> String {
    let texts: Vec<&str> = thoughts.iter().filter_map(|t| t.text.as_deref()).collect();
    texts.join("\\n\\n")
}

/// Puts thinking before the text, where the server has it there.
pub(super) fn into_content(target: &Target<'_>, thoughts: &[Carried], content: &mut String) {
    let text = joined(thoughts);
    if field(target, thoughts) == Some(Field::Tags) && !text.is_empty() {
        content.insert_str(0, &format!("<think>\\n{text}\\n</think>\\n\\n"));
    }
}

/// Writes the thinking of a turn as a member of its message. `calls`: the turn calls tools.
pub(super) fn write(target: &Target<'_>, thoughts: &[Carried], calls: bool, json: &mut Json) {
    let text = joined(thoughts);
    let required = target.quirks.reasoning_required && calls;
    let key = match field(target, thoughts) {
        Some(Field::ReasoningContent) => "reasoning_content",
        Some(Field::Reasoning) => "reasoning",
        Some(Field::Details) => return details(thoughts, json),
        Some(Field::Tags) | None => return,
    };
    if !text.is_empty() {
        json.key(key).text(Text::from_escaped(&text));
    } else if required {
        // What was lost has to be there all the same: a blank is enough.
        json.key(key).string(" ");
    }
}

fn details(thoughts: &[Carried], json: &mut Json) {
    if thoughts.is_empty() {
        return;
    }
    json.key("reasoning_details").array(|json| {
        for thought in thoughts {
            if let Some(elements) = &thought.details {
                if !elements.is_empty() {
                    json.raw(Raw::from_json(elements));
                }
            } else if let Some(text) = &thought.text {
                json.object(|json| {
                    json.key("type").string("reasoning.text");
                    json.key("text").text(Text::from_escaped(text));
                });
            }
        }
    });
}
