//! `role: system` in the middle of a conversation, said as text of the user: what the client itself
//! does when it is told that the role is not known.

use gateway_types::{Text, What};

use super::foreign::text_block;
use super::history::Message;
use super::{Cx, Done};

const OPEN: Text<'static> = Text::from_escaped("<system-reminder>\\n");
const CLOSE: Text<'static> = Text::from_escaped("\\n</system-reminder>");

/// Moves every system message into the message of the user next to it: the one before, else the one
/// after (behind the results that it begins with), else one of its own.
pub(super) fn inline(messages: &mut [Message<'_>], cx: &mut Cx<'_>) -> Done<()> {
    // Who comes next, nobody but system messages in between: found once, a body may hold a million.
    let mut following = vec![None; messages.len()];
    let mut next = None;
    for (at, message) in messages.iter().enumerate().rev() {
        following[at] = next;
        if !message.gone && message.role != "system" {
            next = Some(at);
        }
    }
    let mut last = None;
    for at in 0..messages.len() {
        if messages[at].gone {
            continue;
        }
        if !messages[at].is("system") {
            last = Some(at);
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
        let is_users = |at: &usize| messages[*at].role == "user" || messages[*at].as_user.is_some();
        if let Some(user) = last.filter(is_users) {
            let user = &mut messages[user];
            user.as_user.as_mut().unwrap_or(&mut user.after).extend(blocks);
        } else if let Some(user) = following[at].filter(is_users) {
            messages[user].before.extend(blocks);
        } else {
            messages[at].as_user = Some(blocks);
            last = Some(at);
            continue;
        }
        messages[at].gone = true;
        if let Some(own) = messages[at].members.iter().find(|m| m.key.is("output_config")) {
            cx.note_own_config(own.value)?;
        }
    }
    Ok(())
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
