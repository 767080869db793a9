//! The ids of calls as they go up.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_translate::{Round, call_id, native_id};
use gateway_types::BlockKind;

use crate::common::Target;

/// The ids of a turn's calls, in their order, of at most `max` characters; each stands once, so that
/// results find their calls.
pub(crate) fn call_ids(target: &Target<'_>, round: &Round<'_, '_>, max: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(round.results.len());
    let mut taken = HashSet::new();
    for placed in &round.assistant {
        let BlockKind::ToolUse { id, .. } = placed.block.kind else { continue };
        let id = id.decode();
        let native =
            if target.quirks.native_call_ids { native_id(&id) } else { Cow::Borrowed(&*id) };
        let mut wire = as_taken(&native, max, target.quirks.plain_call_ids);
        if !taken.insert(wire.clone()) {
            // Made of its place too; the control character makes it a digest.
            wire = as_taken(&format!("{id}.{}\0", ids.len()), max, target.quirks.plain_call_ids);
            taken.insert(wire.clone());
        }
        ids.push(wire);
    }
    ids
}

/// An id as the server takes it.
fn as_taken(id: &str, max: usize, plain: bool) -> String {
    let fits = id.len() == max && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain || fits {
        return call_id(id, max).into_owned();
    }
    // What no id may hold makes it a digest, of hexadecimal digits where there is no room for a word.
    let digest = call_id(&format!("{id}\0"), max).into_owned();
    digest.chars().filter(char::is_ascii_alphanumeric).collect()
}
