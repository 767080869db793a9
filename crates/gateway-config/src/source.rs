//! A configuration file's text and places in it. The text is kept twice: as read, and with everything
//! masked that looks like a credential, which is the only form ever shown.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file that diagnostics point into.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    masked: String,
}

/// Not the text: it may hold a key.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// Bytes of the configuration file.
    File(Range<usize>),
    /// A variable of the environment.
    Env { variable: String },
    /// A variable of the `.env` file.
    DotEnv { variable: String },
    /// A command line option.
    Flag(&'static str),
    /// Filled in by the gateway.
    BuiltIn,
}

impl At {
    /// Which of two places of one value counts: the one with the higher rank.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::BuiltIn => 0,
            Self::File(_) => 1,
            Self::DotEnv { .. } => 2,
            Self::Env { .. } => 3,
            Self::Flag(_) => 4,
        }
    }
}

impl SourceFile {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        let masked = mask(&text);
        Self { path: path.to_owned(), text, masked }
    }

    /// Hides more places, found once the file could be read as YAML. The length in bytes stays.
    pub(crate) fn hide(&mut self, ranges: &[Range<usize>]) {
        for range in ranges {
            if let Some(part) = self.masked.get(range.clone()) {
                let stars = stars(part);
                self.masked.replace_range(range.clone(), &stars);
            }
        }
    }

    /// The text that may be shown.
    pub(crate) fn shown(&self) -> &str {
        &self.masked
    }

    /// Line and column (in characters), both from 1.
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1;
        (line, column)
    }

    /// The byte at which a line and column (both from 1, column in characters) stand.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize =
            self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let in_line = self.text[start..]
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(self.text.len() - start, |(at, _)| at);
        start + in_line
    }
}

/// Masks what looks like a credential in text that may not even be YAML: values of keys that speak of
/// secrets, items of lists below such a key, and words of the shape `sk-…` or `gw-…`. A `${VAR}` stays readable.
/// Byte lengths are kept.
fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_list = false;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        let item = line.trim_start().strip_prefix("- ").map(str::trim_start);
        in_list = match item {
            Some(_) => in_list,
            None => SECRET_LISTS.iter().any(|key| line.trim() == *key),
        };
        if in_list
            && let Some(item) =
                item.filter(|i| !i.trim_start_matches(['"', '\'']).starts_with("${"))
        {
            let (before, secret) = line.split_at(line.len() - item.len());
            out.push_str(before);
            out.push_str(&stars(secret));
            continue;
        }
        while let Some((at, len)) = next_secret(rest) {
            out.push_str(&rest[..at]);
            out.push_str(&stars(&rest[at..at + len]));
            rest = &rest[at + len..];
        }
        out.push_str(rest);
    }
    out
}

/// The next thing to hide in a line: offset and length.
fn next_secret(line: &str) -> Option<(usize, usize)> {
    let shaped = SHAPES.iter().filter_map(|shape| {
        let at = line.find(shape)?;
        let len = word(&line[at..]);
        (len >= 8).then_some((at, len))
    });
    let lower = line.to_ascii_lowercase();
    let keyed = SECRET_KEYS.iter().filter_map(|key| {
        let at = lower.find(key)? + key.len();
        let value = lower[at..].find(':')? + at + 1;
        // Something between the key's word and its colon means another word, e.g. `api_key_env_var`.
        if !lower[at..value - 1].trim_matches(['"', '\'', ' ']).is_empty() {
            return None;
        }
        let start = value + line[value..].len() - line[value..].trim_start().len();
        let rest = line[start..].trim_end();
        let bare = rest.trim_start_matches(['"', '\'']);
        let hidden = !bare.is_empty() && !bare.starts_with("${") && !bare.starts_with('*');
        hidden.then_some((start, rest.len()))
    });
    shaped.chain(keyed).min_by_key(|(at, _)| *at)
}

fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len())
}

fn stars(part: &str) -> String {
    part.chars()
        .map(|c| if c == '\n' { "\n".to_owned() } else { "*".repeat(c.len_utf8()) })
        .collect()
}

const SHAPES: [&str; 2] = ["sk-", "gw-"];
const SECRET_LISTS: [&str; 1] = ["state_keys:"];
const SECRET_KEYS: [&str; 10] = [
    "key_hash",
    "state_keys",
    "api_key",
    "api-key",
    "apikey",
    "authorization",
    "token",
    "secret",
    "password",
    "cookie",
];
