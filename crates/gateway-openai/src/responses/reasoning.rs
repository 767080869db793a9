//! Reasoning items, which the server wants back: sealed into what the caller keeps for us, and
//! opened again.

use gateway_translate::{Binding, Json, Keyring, Unsealed};
use gateway_types::Text;

use super::wire::{self, Bad, clean_string, each};

/// The binding of reasoning items. They open for the same model only, so that is the family here.
const DIALECT: &str = "openai-responses";

/// Seals and opens reasoning items of one model of one provider.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    pub keys: Keyring,
    pub provider: String,
    pub model: String,
    pub account: String,
}

impl Carrier {
    fn binding(&self) -> Binding<'_> {
        Binding {
            dialect: DIALECT,
            provider: &self.provider,
            family: &self.model,
            account: &self.account,
        }
    }

    /// Seals a reasoning item; `None` without a key.
    pub(super) fn seal(&self, item: &Carried) -> Option<String> {
        self.keys.seal(&self.binding(), b"", item.to_json().as_bytes())
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// Why it does not open, in a few words.
    pub(super) fn open(&self, sealed: &str) -> Result<Carried, &'static str> {
        match self.keys.open(&self.binding(), b"", sealed) {
            Unsealed::Payload(bytes) => {
                let text = String::from_utf8(bytes).ok();
                let item = text.and_then(|text| Carried::from_json(&text).ok());
                item.ok_or("its sealed state can't be read")
            }
            Unsealed::Elsewhere => Err("it belongs to another model or account"),
            Unsealed::Broken => Err("its signature was changed or is of a key that is gone"),
            Unsealed::Foreign if sealed.is_empty() => Err("it has no signature"),
            Unsealed::Foreign => Err("another provider signed it"),
        }
    }

    /// A mark that tells what is ours, for fields in which another provider would carry its state.
    pub(super) fn mark(&self) -> String {
        let mark = self.keys.seal(&self.binding(), b"web_search", b"");
        mark.unwrap_or_else(|| gateway_translate::SEALED_PREFIX.to_owned())
    }
}

/// What is carried of a reasoning item. Texts are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub id: String,
    pub encrypted: String,
    /// The lengths of the summary's parts, in characters: the caller sees them as one text.
    pub parts: Vec<usize>,
    /// The phase of the message that followed.
    pub phase: Option<String>,
}

impl Carried {
    fn to_json(&self) -> String {
        let mut json = Json::with_capacity(self.encrypted.len() + 96);
        json.object(|json| {
            json.key("id").string(&self.id).key("encrypted_content").string(&self.encrypted);
            json.key("n").array(|json| {
                for part in &self.parts {
                    json.number(*part as u64);
                }
            });
            if let Some(phase) = &self.phase {
                json.key("phase").string(phase);
            }
        });
        json.into_string()
    }

    fn from_json(text: &str) -> Result<Self, Bad> {
        let mut item = Self::default();
        wire::whole_object(text, |r, key| {
            let owned = |text: Option<Text<'_>>| text.map(|text| text.decode().into_owned());
            match key {
                "id" => item.id = owned(clean_string(r)?).unwrap_or_default(),
                "encrypted_content" => item.encrypted = owned(clean_string(r)?).unwrap_or_default(),
                "phase" => item.phase = owned(clean_string(r)?),
                "n" => each(r, |raw| {
                    item.parts.push(raw.as_str().parse().map_err(|_| Bad)?);
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if item.encrypted.is_empty() { Err(Bad) } else { Ok(item) }
    }

    /// Writes the item as it came; `shown` is the text that the caller got, or what it made of it.
    pub(super) fn write(&self, shown: &str, json: &mut Json) {
        json.object(|json| {
            json.key("type").string("reasoning");
            if !self.id.is_empty() {
                json.key("id").string(&self.id);
            }
            json.key("summary").array(|json| {
                for part in self.split(shown) {
                    json.object(|json| {
                        json.key("type").string("summary_text").key("text").string(part);
                    });
                }
            });
            json.key("encrypted_content").string(&self.encrypted);
        });
    }

    /// The summary's parts, if `shown` is still all of them; else all of it as one.
    fn split<'s>(&self, shown: &'s str) -> Vec<&'s str> {
        let mut parts = Vec::new();
        let mut rest = shown;
        for (at, &chars) in self.parts.iter().enumerate() {
            let Some(text) = (if at == 0 { Some(rest) } else { rest.strip_prefix(BETWEEN) }) else {
                break;
            };
            let end = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(chars);
            let Some(end) = end else { break };
            parts.push(&text[..end]);
            rest = &text[end..];
        }
        if parts.len() == self.parts.len() && rest.is_empty() {
            return parts;
        }
        // Claude Code may take the text out and keep the signature.
        if shown.is_empty() { Vec::new() } else { vec![shown] }
    }
}

/// What stands between the parts of a summary where they are one text.
pub(super) const BETWEEN: &str = "\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(parts: &[usize]) -> Carried {
        Carried {
            id: "rs_1".into(),
            encrypted: "gAAA\"é".into(),
            parts: parts.to_vec(),
            phase: Some("commentary".into()),
        }
    }

    #[test]
    fn what_is_carried_reads_back() {
        let item = carried(&[3, 0, 7]);
        assert_eq!(Carried::from_json(&item.to_json()), Ok(item));
        for broken in ["", "{}", "[]", r#"{"encrypted_content":7}"#] {
            assert_eq!(Carried::from_json(broken), Err(Bad), "{broken}");
        }
    }

    #[test]
    fn a_summary_is_split_where_its_parts_met() {
        let parts = ["**Ä**\n\nb", "c", ""];
        let lengths: Vec<usize> = parts.iter().map(|part| part.chars().count()).collect();
        let whole = parts.join(BETWEEN);
        assert_eq!(carried(&lengths).split(&whole), parts);
        assert_eq!(carried(&lengths).split(""), Vec::<&str>::new());
        assert_eq!(carried(&lengths).split("edited"), ["edited"]);
        let longer = format!("{whole} and more");
        assert_eq!(carried(&lengths).split(&longer), [longer.as_str()]);
        assert_eq!(carried(&[]).split(""), Vec::<&str>::new());
        assert_eq!(carried(&[0]).split(""), [""]);
    }
}
