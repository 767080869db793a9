//! `role: system` in the middle of a conversation, said as text of the user: what the client itself
//! does when it is told that the role is not known.

use gateway_types::{Text, What};

use super::features::note;
use super::foreign::text_block;
use super::history::Message;
use super::{Cx, Done};

const OPEN: Text<'static> = Text::from_escaped("<system-reminder>\\n");
const CLOSE: Text<'static> = Text::from_escaped("\\n</system-reminder>");

/// Moves every system message into the message of the user next to it: the one before, else the one
/// after (behind the results that it begins with), else one of its own.
pub(super) fn inline(messages: &mut [Message<'_>], cx: &mut Cx<'_>) -> Done<()> {
    for at in 0..messages.len() {
        if !messages[at].is("system") {
            continue;
        }
        let blocks = reminders(&messages[at], cx)?;
        let path = format!("messages[{at}]");
        if blocks.is_empty() {
            cx.losses.add(What::Hint, path, "it says nothing");
            messages[at].gone = true;
            continue;
        }
        cx.losses.add(What::Replaced, path, "this upstream takes no system messages in between");
        let (earlier, rest) = messages.split_at_mut(at);
        let before = earlier.iter_mut().rev().find(|message| !message.gone);
        let before = before.and_then(|message| match &mut message.as_user {
            Some(said) => Some(said),
            None => (message.role == "user").then_some(&mut message.after),
        });
        if let Some(said) = before {
            said.extend(blocks);
        } else if let Some(user) = next_user(&mut rest[1..]) {
            user.before.extend(blocks);
        } else {
            rest[0].as_user = Some(blocks);
            continue;
        }
        rest[0].gone = true;
        if rest[0].members.iter().any(|member| member.key.is("output_config")) {
            note("messages.output_config", &mut cx.losses);
        }
    }
    Ok(())
}

/// The message of the user that comes next, with nothing but system messages before it.
fn next_user<'m, 'b>(rest: &'m mut [Message<'b>]) -> Option<&'m mut Message<'b>> {
    let next = rest.iter_mut().find(|message| !message.gone && message.role != "system")?;
    (next.role == "user").then_some(next)
}

fn reminders(message: &Message<'_>, cx: &mut Cx<'_>) -> Done<Vec<String>> {
    let wrapped = |text: Text<'_>, mark: Option<String>| {
        let done = text.decode().trim_start().starts_with("<system-reminder>");
        if done {
            text_block(&[text], mark.as_deref())
        } else {
            text_block(&[OPEN, text, CLOSE], mark.as_deref())
        }
    };
    let said = |text: &Text<'_>| !text.decode().trim().is_empty();
    let mut blocks = Vec::new();
    if let Some(text) = message.content.and_then(super::Node::text).filter(said) {
        blocks.push(wrapped(text, None));
    }
    for block in &message.blocks {
        if let Some(text) = block.text("text").filter(said) {
            let mark = block.cache_mark(cx)?;
            blocks.push(wrapped(text, mark));
        }
    }
    Ok(blocks)
}
