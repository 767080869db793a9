//! Reasoning that a model wants back: Claude's with its own signature, others' sealed into what the caller
//! keeps for us.

use gateway_translate::{Binding, Json, Keyring, Malformed, Reader, Unsealed, is_sealed};
use gateway_types::Text;

use super::Target;
use crate::family::Replay;

const DIALECT: &str = "bedrock";

/// Seals and opens the reasoning of one family of one provider.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    keys: Keyring,
    provider: String,
    family: String,
    account: String,
    pub(super) replay: Replay,
}

/// What is carried of a piece of reasoning. Texts are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub signature: Option<String>,
    /// What only the model can read, as base64.
    pub redacted: Option<String>,
    /// The text, where the caller does not get it.
    pub text: Option<String>,
}

/// Reasoning as it goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thought {
    /// Escaped both.
    Text { text: String, signature: Option<String> },
    /// Base64.
    Redacted(String),
}

impl Carrier {
    pub(super) fn new(target: &Target<'_>) -> Self {
        let cx = target.cx;
        Self {
            keys: cx.keys.clone(),
            provider: cx.provider.to_owned(),
            family: target.family.name.to_owned(),
            account: cx.account.to_owned(),
            replay: target.family.replay,
        }
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            dialect: DIALECT,
            provider: &self.provider,
            family: &self.family,
            account: &self.account,
        }
    }

    /// Seals reasoning; `None` without a key.
    pub(super) fn seal(&self, carried: &Carried) -> Option<String> {
        self.keys.seal(&self.binding(), b"", carried.to_json().as_bytes())
    }

    /// A mark that tells what is ours, for fields in which another provider would carry its state.
    pub(super) fn mark(&self) -> String {
        let mark = self.keys.seal(&self.binding(), b"citation", b"");
        mark.unwrap_or_else(|| gateway_translate::SEALED_PREFIX.to_owned())
    }

    /// The reasoning of a `thinking` block, as it goes back.
    ///
    /// # Errors
    /// Why it does not, in a few words.
    pub(super) fn thinking(
        &self,
        thinking: Text<'_>,
        signature: Text<'_>,
    ) -> Result<Thought, &'static str> {
        let sealed = signature.decode();
        match self.replay {
            Replay::Never => Err(NOT_WANTED),
            Replay::Native if sealed.is_empty() => Err(NO_SIGNATURE),
            Replay::Native if is_sealed(&sealed) => Err(ELSEWHERE),
            Replay::Native => Ok(Thought::Text {
                text: thinking.escaped().to_owned(),
                signature: Some(signature.escaped().to_owned()),
            }),
            Replay::Sealed => {
                let carried = self.open(&sealed)?;
                if let Some(redacted) = carried.redacted {
                    return Ok(Thought::Redacted(redacted));
                }
                let kept = carried.text.filter(|_| thinking.is_empty());
                let text = kept.map_or_else(
                    || thinking.escaped().to_owned(),
                    |text| gateway_types::escaped(&text).into_owned(),
                );
                let signature = carried.signature;
                let signature = signature.map(|text| gateway_types::escaped(&text).into_owned());
                if text.is_empty() && signature.is_none() {
                    return Err("nothing is left of it");
                }
                Ok(Thought::Text { text, signature })
            }
        }
    }

    /// The same for a `redacted_thinking` block.
    pub(super) fn redacted(&self, data: Text<'_>) -> Result<Thought, &'static str> {
        let data = data.decode();
        match self.replay {
            Replay::Never => Err(NOT_WANTED),
            Replay::Native if data.is_empty() || is_sealed(&data) => Err(ELSEWHERE),
            Replay::Native => Ok(Thought::Redacted(data.into_owned())),
            Replay::Sealed => {
                let carried = self.open(&data)?;
                carried.redacted.map(Thought::Redacted).ok_or(UNREADABLE)
            }
        }
    }

    fn open(&self, sealed: &str) -> Result<Carried, &'static str> {
        match self.keys.open(&self.binding(), b"", sealed) {
            Unsealed::Payload(bytes) => {
                let text = String::from_utf8(bytes).ok();
                text.and_then(|text| Carried::from_json(&text).ok()).ok_or(UNREADABLE)
            }
            Unsealed::Elsewhere => Err(ELSEWHERE),
            Unsealed::Broken => Err("its signature was changed or is of a key that is gone"),
            Unsealed::Foreign if sealed.is_empty() => Err(NO_SIGNATURE),
            Unsealed::Foreign => Err("another provider signed it"),
        }
    }
}

/// Why reasoning of a model that takes none back is left out: nobody's loss.
pub(super) const NOT_WANTED: &str = "the model does not take its reasoning back";
const NO_SIGNATURE: &str = "it has no signature";
const ELSEWHERE: &str = "it belongs to another model or account";
const UNREADABLE: &str = "its sealed state can't be read";

impl Carried {
    fn to_json(&self) -> String {
        let mut json = Json::new();
        json.object(|json| {
            for (key, value) in [("s", &self.signature), ("r", &self.redacted), ("t", &self.text)] {
                if let Some(value) = value {
                    json.key(key).string(value);
                }
            }
        });
        json.into_string()
    }

    fn from_json(text: &str) -> Result<Self, Malformed> {
        let mut carried = Self::default();
        let mut reader = Reader::new(text);
        reader.object::<Malformed>(|r, key| {
            let value = r.maybe_string()?.map(|text| text.decode().into_owned());
            match key.escaped() {
                "s" => carried.signature = value,
                "r" => carried.redacted = value,
                "t" => carried.text = value,
                _ => {}
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(carried)
    }
}

impl Thought {
    pub(super) fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.key("reasoningContent").object(|json| match self {
                Self::Redacted(data) => {
                    json.key("redactedContent").string(data);
                }
                Self::Text { text, signature } => {
                    json.key("reasoningText").object(|json| {
                        json.key("text").text(Text::from_escaped(text));
                        if let Some(signature) = signature {
                            json.key("signature").text(Text::from_escaped(signature));
                        }
                    });
                }
            });
        });
    }
}
