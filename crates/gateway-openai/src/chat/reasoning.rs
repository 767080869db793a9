//! What an upstream said of its thinking, kept as long as it has to go back to it, and carried in
//! the caller's history.

use gateway_translate::{Binding, Json, Keyring, Kind, Malformed, Reader};
use gateway_types::{Raw, Text};

use super::DIALECT;
use super::wire::sound;

/// More is not carried: no caller would send it back.
const MAX_CARRIED_BYTES: usize = 1 << 20;

/// The fields that hold thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    ReasoningContent,
    Reasoning,
    Details,
    Tags,
}

impl Field {
    fn word(self) -> &'static str {
        match self {
            Self::ReasoningContent => "c",
            Self::Reasoning => "r",
            Self::Details => "d",
            Self::Tags => "t",
        }
    }
}

/// Seals what was thought, so that it comes back.
#[derive(Debug)]
pub(super) struct Sealer {
    pub keys: Keyring,
    pub provider: String,
    pub family: String,
    pub account: String,
}

impl Sealer {
    fn seal(&self, payload: &str) -> Option<String> {
        let binding = Binding {
            dialect: DIALECT,
            provider: &self.provider,
            family: &self.family,
            account: &self.account,
        };
        self.keys.seal(&binding, b"", payload.as_bytes())
    }
}

/// The thinking of one block, as it came.
#[derive(Debug, Default)]
pub(super) struct Log {
    field: Option<Field>,
    /// Escaped; only where the caller is not shown it.
    text: String,
    details: Vec<Detail>,
    /// Of the details, all members together.
    bytes: usize,
    too_long: bool,
}

/// One entry of `reasoning_details`, put together from its fragments. Texts are escaped.
#[derive(Debug, Default)]
struct Detail {
    index: Option<u64>,
    kind: String,
    text: String,
    summary: String,
    data: String,
    /// The other members, as they were written; the last word counts.
    others: Vec<(String, String)>,
}

impl Log {
    /// Whether there is anything that has to be carried.
    pub(super) fn is_empty(&self) -> bool {
        self.field.is_none()
    }

    /// Whether some of it can't be shown as text.
    pub(super) fn has_details(&self) -> bool {
        !self.details.is_empty()
    }

    pub(super) fn note(&mut self, field: Field) {
        // Details are the whole of it, whatever else says it again.
        if self.field != Some(Field::Details) {
            self.field = Some(field);
        }
    }

    pub(super) fn keep_text(&mut self, text: &str) {
        if self.text.len() + text.len() > MAX_CARRIED_BYTES {
            self.too_long = true;
        } else {
            self.text.push_str(text);
        }
    }

    /// Takes fragments of `reasoning_details`; `on_text` gets the texts in them that are new.
    pub(super) fn details(
        &mut self,
        raw: Raw<'_>,
        on_text: &mut dyn FnMut(String),
    ) -> Result<(), Malformed> {
        let mut r = Reader::new(raw.as_str());
        if r.kind()? != Kind::Array {
            return Ok(());
        }
        r.array::<Malformed>(|r| {
            if r.kind()? != Kind::Object {
                return r.skip();
            }
            let mut new = Detail::default();
            r.object::<Malformed>(|r, key| {
                let value = r.raw()?;
                let text = value.as_text().map(|text| sound(text).into_owned());
                match (key.escaped(), text) {
                    ("index", _) => new.index = value.as_str().parse().ok(),
                    ("type", Some(text)) => new.kind = text,
                    ("text", Some(text)) => new.text = text,
                    ("summary", Some(text)) => new.summary = text,
                    ("data", Some(text)) => new.data = text,
                    _ if value.is_null() => {}
                    (key, _) => new.others.push((key.to_owned(), value.as_str().to_owned())),
                }
                Ok(())
            })?;
            self.add(new, on_text);
            Ok(())
        })
    }

    fn add(&mut self, mut new: Detail, on_text: &mut dyn FnMut(String)) {
        self.field = Some(Field::Details);
        // Calls made at once have a blob each, which some number alike.
        let id = new.other("id").map(str::to_owned);
        let same = |old: &&mut Detail| {
            old.index == new.index
                && (old.kind == new.kind || new.kind.is_empty())
                && (id.is_none()
                    || old.other("id").is_none_or(|known| Some(known) == id.as_deref()))
        };
        let full = self.details.len() >= MAX_DETAILS;
        let old = self.details.iter_mut().rev().find(same);
        if let Some(old) = &old {
            // Some servers send all there is each time.
            for (so_far, piece) in [
                (&old.text, &mut new.text),
                (&old.summary, &mut new.summary),
                (&old.data, &mut new.data),
            ] {
                if so_far.len() >= SNAPSHOT_BYTES && piece.starts_with(&**so_far) {
                    piece.drain(..so_far.len());
                }
            }
        }
        for text in [&new.text, &new.summary] {
            if !text.is_empty() {
                on_text(text.clone());
            }
        }
        self.bytes += new.bytes();
        if self.bytes > MAX_CARRIED_BYTES || (full && old.is_none()) {
            self.too_long = true;
            return;
        }
        let Some(old) = old else {
            self.details.push(new);
            return;
        };
        old.text.push_str(&new.text);
        old.summary.push_str(&new.summary);
        old.data.push_str(&new.data);
        for (key, value) in new.others {
            match old.others.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => old.others.push((key, value)),
            }
        }
    }

    /// What goes into the caller's history: the field, and all that the caller is not shown.
    pub(super) fn seal(&self, sealer: &Sealer) -> Option<String> {
        let mut json = Json::new();
        json.object(|json| {
            json.key("f").string(self.field.map_or("", Field::word));
            if self.too_long {
                return;
            }
            if !self.details.is_empty() {
                json.key("d").array(|json| self.details.iter().for_each(|d| d.write(json)));
            } else if !self.text.is_empty() {
                json.key("t").text(Text::from_escaped(&self.text));
            }
        });
        sealer.seal(json.as_str())
    }

    /// Whether it was too long to be carried.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }
}

/// A snapshot shorter than this can't be told from a repetition.
const SNAPSHOT_BYTES: usize = 8;

/// No model thinks in more pieces of different kinds than these.
const MAX_DETAILS: usize = 256;

impl Detail {
    fn other(&self, key: &str) -> Option<&str> {
        self.others.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn bytes(&self) -> usize {
        let others: usize = self.others.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.text.len() + self.summary.len() + self.data.len() + self.kind.len() + others
    }

    fn write(&self, json: &mut Json) {
        json.object(|json| {
            let texts = [
                ("type", &self.kind),
                ("text", &self.text),
                ("summary", &self.summary),
                ("data", &self.data),
            ];
            for (key, text) in texts {
                if !text.is_empty() {
                    json.key(key).text(Text::from_escaped(text));
                }
            }
            for (key, value) in &self.others {
                json.key(key).raw(Raw::from_json(value));
            }
            if let Some(index) = self.index {
                json.key("index").number(index);
            }
        });
    }
}

/// What was carried in a signature.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub field: Option<Field>,
    /// The text, escaped, where the block does not show it.
    pub text: Option<String>,
    /// The elements of `reasoning_details`, with commas between them.
    pub details: Option<String>,
}

impl Carried {
    /// Reads what [`Log::seal`] wrote.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let json = std::str::from_utf8(payload).ok()?;
        let mut carried = Self::default();
        let mut r = Reader::new(json);
        r.object::<Malformed>(|r, key| {
            match key.escaped() {
                "f" => {
                    carried.field = match r.string()?.escaped() {
                        "c" => Some(Field::ReasoningContent),
                        "r" => Some(Field::Reasoning),
                        "d" => Some(Field::Details),
                        "t" => Some(Field::Tags),
                        _ => None,
                    };
                }
                "t" => carried.text = Some(r.string()?.escaped().to_owned()),
                "d" => {
                    let raw = r.raw()?.as_str();
                    let inner = raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']'));
                    carried.details = inner.map(str::to_owned);
                }
                _ => r.skip()?,
            }
            Ok(())
        })
        .ok()?;
        Some(carried)
    }
}
