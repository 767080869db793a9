//! What is said of a request as a whole.

use std::collections::HashSet;

use gateway_translate::{AttemptCx, Expect, NameMap, ThinkingShown};
use gateway_types::{Block, BlockKind, Losses, Request, ThinkingDisplay, What};
use sha2::{Digest as _, Sha256};

/// What the reply is told of its request.
pub fn expect(
    request: &Request<'_>,
    cx: &AttemptCx<'_>,
    names: NameMap,
    prompt_estimate: u64,
) -> Expect {
    let thinking = match request.thinking {
        Some(thinking) if request.wants_thinking() => match thinking.display {
            ThinkingDisplay::Shown => ThinkingShown::Shown,
            ThinkingDisplay::Omitted => ThinkingShown::Omitted,
        },
        _ => ThinkingShown::Hidden,
    };
    let calls = request.messages.iter().flat_map(|message| &message.content);
    let used_ids: HashSet<String> = calls
        .filter_map(|block| match block.kind {
            BlockKind::ToolUse { id, .. } => Some(id.decode().into_owned()),
            _ => None,
        })
        .collect();
    Expect {
        reply_id: cx.reply_id.to_owned(),
        provider: cx.provider.to_owned(),
        names,
        used_ids,
        stop_sequences: request.stop_sequences.iter().map(|s| s.decode().into_owned()).collect(),
        thinking,
        prompt_estimate,
    }
}

/// The end user's id as providers take it: 64 hexadecimal digits that say nothing of the person.
pub fn user_id(request: &Request<'_>) -> Option<String> {
    request.user_id.filter(|id| !id.is_empty()).map(|id| digest(&id.decode()))
}

/// What keeps a conversation on the machine that has cached its prompt: a digest of the session
/// that the user's id names, else of the whole id (behaviour R35).
pub fn cache_key(request: &Request<'_>) -> Option<String> {
    let id = request.user_id.filter(|id| !id.is_empty())?.decode();
    let in_json = serde_json::from_str::<serde_json::Value>(&id).ok();
    let session = in_json.as_ref().and_then(|v| v.get("session_id")).and_then(|v| v.as_str());
    // Older clients: `user_…_account_…_session_…`.
    let session = session.or_else(|| id.rsplit_once("_session_").map(|(_, session)| session));
    Some(digest(session.unwrap_or(&id)))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// Notes the top-level fields that no dialect of OpenAI's has a place for. They change nothing in
/// the answer, but for those that stand for a feature.
pub fn note_others(request: &Request<'_>, losses: &mut Losses) {
    for (name, value) in &request.others {
        let name = name.decode();
        let empty = value.is_null() || matches!(value.as_str(), "[]" | "{}" | "\"\"");
        let what = match &*name {
            "container" | "mcp_servers" | "fallbacks" if !empty => What::Dropped,
            _ => What::Hint,
        };
        losses.add(what, name.into_owned(), "has no counterpart at this provider");
    }
}

/// Notes cache marks that this upstream does not take.
pub fn note_cache_marks(request: &Request<'_>, losses: &mut Losses) {
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let marked = |block: &Block<'_>| {
        let inner = match &block.kind {
            BlockKind::ToolResult { content, .. } => any_marked(content),
            _ => false,
        };
        block.cache_control || inner
    };
    if request.system.iter().chain(blocks).any(marked) {
        losses.add(What::Hint, "cache_control", "the provider caches prompts by itself");
    }
}

/// Whether any of the blocks is marked for a cache.
pub fn any_marked(blocks: &[Block<'_>]) -> bool {
    blocks.iter().any(|block| block.cache_control)
}

#[cfg(test)]
mod tests {
    use gateway_types::Text;

    use super::*;

    fn of(user_id: &str) -> (Option<String>, Option<String>) {
        let user_id = gateway_types::escaped(user_id);
        let request = Request { user_id: Some(Text::from_escaped(&user_id)), ..Request::default() };
        (super::user_id(&request), cache_key(&request))
    }

    #[test]
    fn r35_the_session_alone_makes_the_cache_key() {
        let one = of(r#"{"device_id":"a","account_uuid":"","session_id":"s-1"}"#);
        let two = of(r#"{"device_id":"b","account_uuid":"","session_id":"s-1"}"#);
        let old = of("user_ff_account__session_s-1");
        assert_ne!(one.0, two.0);
        assert!(one.1 == two.1 && two.1 == old.1 && one.1 == of("s-1").1);
        assert_ne!(one.1, of(r#"{"session_id":"s-2"}"#).1);
        assert_eq!(of(""), (None, None));
        assert_eq!(one.0.map(|id| id.len()), Some(64));
    }
}
