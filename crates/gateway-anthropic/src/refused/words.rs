//! The words in which servers refuse.

use super::{LEAVABLE, Refused};
use crate::edit::{AUTOMATIC_CACHING, CACHE_SCOPE, CACHE_TTL};

const EXTRA: &str = "Extra inputs are not permitted";

/// Words that stand for one thing, whoever says them. In small letters; all of a row must be there.
/// The first row that fits counts. `None`: it teaches nothing, whatever else is said.
const PHRASES: &[(&[&str], Option<Refused>)] = &[
    (&["reasoning_content", "missing"], None),
    (&["must be passed back"], None),
    (&["prompt is too long"], None),
    (&["signature", "thinking"], Some(Refused::History)),
    (&["thinking_signature"], Some(Refused::History)),
    (&["thinking", "cannot be modified"], Some(Refused::History)),
    // Servers that know no thinking blocks at all: they list what they know.
    (&["'input': 'thinking'", "input should be"], Some(Refused::History)),
    (&["input tag 'thinking'"], Some(Refused::History)),
    (&["unknown variant `thinking`"], Some(Refused::History)),
    (&["cannot be disabled when", "effort"], Some(Refused::IdleEffort)),
    (&["tool_reference"], Some(Refused::Field("tools.defer_loading"))),
    (&["mid_conv_system"], Some(Refused::SystemRole)),
    (&[".role:", "user", "assistant"], Some(Refused::SystemRole)),
    (&["'role')", "user", "assistant"], Some(Refused::SystemRole)),
    (&["role", "system", "not supported"], Some(Refused::SystemRole)),
    (&["unexpected role", "system"], Some(Refused::SystemRole)),
    (&["system message must be at the beginning"], Some(Refused::SystemRole)),
    (&["effort_unsupported"], Some(Refused::Field("output_config.effort"))),
    (&["not support", "effort"], Some(Refused::Field("output_config.effort"))),
    (&["structured_outputs_unsupported"], Some(Refused::Field("output_config.format"))),
    (&["cache_control_field"], Some(Refused::Field("cache_control"))),
    (&["thinking.", "display: input should"], Some(Refused::Field("thinking.display"))),
    (&["thinking_type:"], Some(Refused::Field("thinking"))),
    (&["adaptive thinking is not supported"], Some(Refused::Field("thinking"))),
    (&["invalid thinking", "only type="], Some(Refused::Field("thinking"))),
    (&["does not support thinking"], Some(Refused::Field("thinking"))),
    (&["invalid beta flag"], Some(Refused::SomeBeta)),
    (&["temperature", "top_p", "cannot both"], Some(Refused::BothSamplers)),
];

/// What follows these is the name of what is not known. In small letters.
const BEFORE_NAMES: &[&str] = &[
    "unknown field",
    "unknown parameter",
    "unknown name",
    "unrecognized field",
    "unrecognized request argument supplied",
    "unrecognized key(s) in object",
    "unrecognized key",
    "unsupported parameter",
    "unexpected keyword argument",
    "additional property",
];

/// What follows the name.
const BEHIND_NAMES: &[&str] = &[
    "is not supported",
    "is unsupported",
    "is not permitted",
    "is not allowed",
    "is deprecated",
    "not supported",
];

/// So much of one text is read, in bytes: what is quoted further down may say anything.
const MAX_TEXT: usize = 4096;

pub(super) fn is_extra(text: &str) -> bool {
    text.contains(EXTRA)
}

/// What one text of an error says is refused.
pub(super) fn read(text: &str) -> Option<Refused> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let small = text.to_ascii_lowercase();
    if let Some(betas) = betas(text, &small) {
        return Some(betas);
    }
    if let Some(found) = extra(text) {
        return Some(found);
    }
    for (words, means) in PHRASES {
        if words.iter().all(|word| small.contains(word)) {
            return means.clone();
        }
    }
    let named = |name: &str| field(&name.split('.').collect::<Vec<_>>());
    for before in BEFORE_NAMES {
        if let Some(at) = small.find(before) {
            return named(name_at(&text[at + before.len()..]));
        }
    }
    for behind in BEHIND_NAMES {
        if let Some(at) = small.find(behind) {
            return named(name_before(&text[..at]));
        }
    }
    None
}

/// ``Unexpected value(s) `a`, `b` for the `anthropic-beta` header``, and the contract's short form.
fn betas(text: &str, small: &str) -> Option<Refused> {
    let list = |part: &str| -> Vec<String> {
        let names = part.split('`').skip(1).step_by(2);
        names.map(str::trim).filter(|name| is_beta(name)).map(str::to_owned).collect()
    };
    if small.contains("long context beta") {
        return Some(Refused::Betas(vec!["context-1m-2025-08-07".to_owned()]));
    }
    let from = small.find("unexpected value(s)");
    let to = small.find("for the `anthropic-beta`");
    let found = match (from, to, small.find("beta_header:")) {
        (Some(from), Some(to), _) if from < to => list(&text[from..to]),
        (_, _, Some(at)) => {
            let name = name_at(&text[at + "beta_header:".len()..]);
            if is_beta(name) { vec![name.to_owned()] } else { Vec::new() }
        }
        _ => return None,
    };
    Some(if found.is_empty() { Refused::SomeBeta } else { Refused::Betas(found) })
}

fn is_beta(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `a.0.b: Extra inputs are not permitted`, or a list of faults as Python writes it.
fn extra(text: &str) -> Option<Refused> {
    if let Some(at) = text.find("extra_forbidden") {
        let place = &text[at..];
        let place = &place[place.find("'loc': (")? + "'loc': (".len()..];
        let place = &place[..place.find(')')?];
        let path: Vec<&str> = place.split('\'').skip(1).step_by(2).collect();
        return field(&path);
    }
    let at = text.find(EXTRA)?;
    let path = text[..at].trim_end().strip_suffix(':')?;
    let path = path.rsplit(|c: char| c.is_whitespace() || "\"'`{}".contains(c)).next()?;
    field(&path.split('.').collect::<Vec<_>>())
}

/// The field that a path of the body means, if it can be left out. Numbers and the names of kinds of
/// blocks in it do not matter.
pub(super) fn field(path: &[&str]) -> Option<Refused> {
    let is_name = |part: &&str| {
        !part.is_empty() && *part != "body" && !part.bytes().all(|b| b.is_ascii_digit())
    };
    let path: Vec<&str> = path.iter().copied().filter(is_name).collect();
    let (first, last) = (*path.first()?, *path.last()?);
    if path.contains(&"cache_control") {
        return Some(Refused::Field(match last {
            "ttl" => CACHE_TTL,
            "scope" => CACHE_SCOPE,
            _ if path.len() == 1 => AUTOMATIC_CACHING,
            _ => "cache_control",
        }));
    }
    let name = match first {
        _ if path.len() == 1 => first.to_owned(),
        "tools" | "messages" | "thinking" | "output_config" | "tool_choice" => {
            format!("{first}.{last}")
        }
        // Inside of something that can go as a whole.
        _ => first.to_owned(),
    };
    LEAVABLE.iter().find(|known| **known == name).map(|known| Refused::Field(known))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that a text begins with, behind signs.
fn name_at(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || "\\:\"'`(".contains(c));
    let end = text.bytes().position(|b| !is_name_byte(b)).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// The name that a text ends with.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || "\\:\"'`)".contains(c));
    let start = text.bytes().rposition(|b| !is_name_byte(b)).map_or(0, |at| at + 1);
    // What ends a name is one byte, or the last of several.
    text.get(start..).unwrap_or_default()
}
