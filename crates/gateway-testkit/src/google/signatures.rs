//! Thought signatures: only the account, platform and generation that made one takes it back, on the part
//! that it was made for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::models::Gemini;
use super::proto;
use super::refusal::Refusal;
use super::rules::{Platform, Rules};
use crate::text::{fnv, letters};

/// The values that stand for a signature where none can be had.
pub const BYPASSES: &[&str] =
    &["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/// The first byte of every signature that is real.
const HEAD: u8 = 0x12;

/// A new signature for `part`, of at least `size` bytes.
pub(crate) fn seal(part: &Value, model: Gemini, rules: &Rules, size: usize) -> String {
    let text = claims(part, model.family(), rules);
    STANDARD.encode(sealed(&text, size))
}

/// Whether a value is one of [`BYPASSES`].
pub(crate) fn is_bypass(signature: &str) -> bool {
    BYPASSES.contains(&signature)
}

/// Checks the signature of a part that came back.
pub(crate) fn check(part: &Value, model: Gemini, rules: &Rules) -> Result<(), Refusal> {
    let Some(signature) = part["thoughtSignature"].as_str() else { return Ok(()) };
    let refuse = |text: &str| {
        Err(match rules.platform {
            Platform::Studio => Refusal::new(format!("{text}.")),
            Platform::Vertex => Refusal::submit(text),
        })
    };
    if is_bypass(signature) && rules.bypass {
        return Ok(());
    }
    match open(signature) {
        None => refuse("Corrupted thought signature"),
        Some(text) if text == claims(part, model.family(), rules) => Ok(()),
        Some(_) => refuse("Thought signature is not valid"),
    }
}

/// What a signature says: whose it is, and for which part.
fn claims(part: &Value, family: u32, rules: &Rules) -> String {
    let call = &part["functionCall"];
    let (kind, bound) = if call.is_object() {
        let args = call["args"].as_object().map(|args| Value::from(args.clone()).to_string());
        let args = args.unwrap_or_else(|| "{}".to_owned());
        let id = call["id"].as_str().unwrap_or_default();
        ("call", format!("{}\n{id}\n{args}", call["name"]))
    } else if part["toolCall"].is_object() || part["toolResponse"].is_object() {
        ("server", format!("{}\n{}", part["toolCall"], part["toolResponse"]))
    } else if part["thought"] == true {
        ("thought", String::new())
    } else if part["text"].is_string() {
        ("text", String::new())
    } else {
        ("other", String::new())
    };
    format!("{}\n{:?}\n{family}\n{kind}\n{:016x}", rules.account, rules.platform, fnv(&bound))
}

fn sealed(text: &str, size: usize) -> Vec<u8> {
    let filler = letters(text, size.saturating_sub(text.len() + 18));
    let mut bytes = vec![HEAD];
    bytes.extend_from_slice(
        format!("{text}\0{:016x}{filler}", fnv(&[text, &filler].concat())).as_bytes(),
    );
    bytes
}

fn open(signature: &str) -> Option<String> {
    let bytes = proto::bytes(signature)?;
    let plain = String::from_utf8(bytes.strip_prefix(&[HEAD])?.to_vec()).ok()?;
    let (text, _) = plain.split_once('\0')?;
    (sealed(text, bytes.len()) == bytes).then(|| text.to_owned())
}

/// The signature of a thought of Claude's.
pub(crate) fn of_claude(text: &str, account: &str) -> String {
    STANDARD.encode(sealed(&format!("{account}\nclaude\n{:016x}", fnv(text)), 300))
}
