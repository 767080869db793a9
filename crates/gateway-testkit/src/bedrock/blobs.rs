//! Reasoning that only the model which made it takes back.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::rules::Rules;
use crate::text::letters;

/// The reasoning that a server has said, for models that do not sign it.
pub type Issued = HashSet<String>;

/// The signature that a server with these rules gives to this thinking. It holds nothing but who made it,
/// with which model, of which text.
pub fn signature(rules: &Rules, text: &str) -> String {
    seal("thinking", rules, text)
}

/// What `redactedContent` holds for this thinking.
pub fn redacted(rules: &Rules, text: &str) -> String {
    seal("redacted", rules, text)
}

/// Whether `data` is [`redacted`] by such a server, of whatever text.
pub(crate) fn is_redacted(rules: &Rules, data: &str) -> bool {
    let Some(plain) = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return false;
    };
    let text = plain.rsplit('\n').next().unwrap_or_default();
    redacted(rules, text) == data
}

fn seal(what: &str, rules: &Rules, text: &str) -> String {
    let head = [what, &rules.signer, rules.foundation(), &letters(text, 200)].join("\n");
    let tail = if what == "redacted" { format!("\n{text}") } else { String::new() };
    STANDARD.encode(head + &tail)
}
