//! Encrypted reasoning: blobs that only the server which made them accepts, for the same organisation,
//! model and item; and what else the server remembers of its answers.

use std::collections::{HashMap, HashSet};

use super::refusal::Refusal;
use crate::text::{fnv, letters};

/// What a blob says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed<'a> {
    pub(crate) account: &'a str,
    pub(crate) model: &'a str,
    /// The reasoning item's id.
    pub(crate) item: &'a str,
    /// The call that the item led to, by its `call_id`; empty for anything else.
    pub(crate) call: &'a str,
}

const HEAD: &str = "gAAAAAB";
/// Letters that carry nothing: real blobs are of this size and more.
const FILLER: usize = 600;

pub(crate) fn seal(sealed: &Sealed<'_>) -> String {
    let Sealed { account, model, item, call } = sealed;
    let plain = [*account, model, item, call].join("\n");
    let hex = plain.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{HEAD}{hex}_{:016x}{}==", fnv(&plain), letters(&plain, FILLER))
}

/// Checks that a blob is whole, of this account and model, and of the item `id` when one is named.
/// Returns the `call_id` that must follow, or an empty text.
pub(crate) fn open(
    blob: &str,
    account: &str,
    model: &str,
    id: Option<&str>,
) -> Result<String, Refusal> {
    let named = id.map_or_else(|| short(blob), |id| format!("for item {id}"));
    let refuse = |why: &str| {
        Err(Refusal::new(format!(
            "The encrypted content {named} could not be verified. Reason: Encrypted content {why}."
        ))
        .code("invalid_encrypted_content"))
    };
    let Some(plain) = plain(blob) else { return refuse("could not be decrypted or parsed") };
    let parts: Vec<&str> = plain.split('\n').collect();
    let [of_account, of_model, item, call] = parts[..] else {
        return refuse("could not be decrypted or parsed");
    };
    if seal(&Sealed { account: of_account, model: of_model, item, call }) != blob {
        return refuse("could not be decrypted or parsed");
    }
    if of_account != account {
        return refuse("organization_id did not match the target organization");
    }
    if of_model != model {
        return refuse("model did not match the target model");
    }
    if id.is_some_and(|id| id != item) {
        return refuse("item_id did not match the target item id");
    }
    Ok(call.to_owned())
}

fn plain(blob: &str) -> Option<String> {
    let (hex, _) = blob.strip_prefix(HEAD)?.split_once('_')?;
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(digits).collect();
    String::from_utf8(bytes?).ok()
}

/// As the service shows a blob: `gAAA...xY==`.
fn short(blob: &str) -> String {
    let chars: Vec<char> = blob.chars().collect();
    let part = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    match chars.len() {
        n if n > 12 => format!("{}...{}", part(0, 4), part(n - 4, n)),
        _ => blob.to_owned(),
    }
}

/// What a server remembers of what it answered.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    /// Ids of items and responses kept under `store: true`.
    pub stored: HashSet<String>,
    /// Items by id, with the reasoning item that came right before.
    pub led_by: HashMap<String, String>,
}
