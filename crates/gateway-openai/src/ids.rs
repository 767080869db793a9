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
        let mut wire = call_id(&native, max).into_owned();
        if !taken.insert(wire.clone()) {
            // Made of its place too; the control character makes it a digest.
            wire = call_id(&format!("{id}.{}\0", ids.len()), max).into_owned();
            taken.insert(wire.clone());
        }
        ids.push(wire);
    }
    ids
}
