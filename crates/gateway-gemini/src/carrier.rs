//! Signatures and other state that Google wants back, carried in the caller's own history.
//!
//! A signature belongs to one part and goes back on that part or not at all. What belongs to a call is
//! sealed together with the call's name and arguments: an edited call is another call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_translate::{
    Binding, Json, Keyring, Malformed, Reader, Unsealed, carried_by, carrying_id,
};
use gateway_types::{Raw, Text};
use serde_json::Value;

/// Seals and opens state of one family of models of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    pub keys: Keyring,
    pub dialect: &'static str,
    pub provider: String,
    pub family: String,
    pub account: String,
}

/// What is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Carried {
    /// The signature of the call that follows.
    Call(String),
    /// The same, for arguments to which the client has added since: as the model `said` them.
    CallAs { signature: String, said: String },
    /// A call's own id and signature.
    Id { native: String, signature: String },
    /// The signature of the thought itself.
    Thought(String),
    /// The signature of the text before: of its last part, of so many bytes and this digest.
    Text { bytes: u64, digest: u64, signature: String },
    /// Parts of a tool that Google ran, as a JSON list.
    Parts(String),
    /// Nothing: the mark of a thought of ours.
    Mark,
}

/// Signatures up to so many bytes are put into a call's id, where nothing else can carry them.
const MOST_IN_ID: usize = 1024;

impl Carrier {
    fn binding(&self) -> Binding<'_> {
        Binding {
            dialect: self.dialect,
            provider: &self.provider,
            family: &self.family,
            account: &self.account,
        }
    }

    /// Seals state for a thinking block; `call` is the call it belongs to. `None` without a key.
    pub(crate) fn seal(&self, state: &Carried, call: Option<&Call<'_>>) -> Option<String> {
        let subject = call.map(Call::subject).unwrap_or_default();
        self.keys.seal(&self.binding(), &subject, &state.to_bytes())
    }

    /// An id for a call that carries its signature; `None` where it is too long for that.
    pub(crate) fn id(&self, native: &str, signature: &str, call: &Call<'_>) -> Option<String> {
        if signature.len() > MOST_IN_ID {
            return None;
        }
        let state = Carried::Id { native: native.to_owned(), signature: signature.to_owned() };
        carrying_id(&self.seal(&state, Some(call))?)
    }

    /// Opens what a thinking block carries; `call` is the call that follows it, if one does.
    ///
    /// # Errors
    /// Why it does not open, in a few words.
    pub(crate) fn open(
        &self,
        sealed: &str,
        call: Option<&Call<'_>>,
    ) -> Result<Carried, &'static str> {
        let of_call = call.and_then(|call| self.open_for(sealed, call));
        let (opened, said) = match of_call {
            Some((bytes, said)) => (Unsealed::Payload(bytes), said),
            None => (self.keys.open(&self.binding(), b"", sealed), None),
        };
        match opened {
            Unsealed::Payload(bytes) => match (Carried::from_bytes(&bytes), said) {
                (Some(Carried::Call(signature)), Some(said)) => {
                    Ok(Carried::CallAs { signature, said })
                }
                (state, _) => state.ok_or("its sealed state can't be read"),
            },
            Unsealed::Elsewhere => {
                Err("it belongs to another model or account, or its call was changed")
            }
            Unsealed::Broken => Err("its signature was changed or is of a key that is gone"),
            Unsealed::Foreign if sealed.is_empty() => Err("it has no signature"),
            Unsealed::Foreign => Err("another provider signed it"),
        }
    }

    /// What was sealed for `call`, and its arguments as the model said them where the client has added to
    /// them since.
    fn open_for(&self, sealed: &str, call: &Call<'_>) -> Option<(Vec<u8>, Option<String>)> {
        let open = |call: &Call<'_>| match self.keys.open(&self.binding(), &call.subject(), sealed)
        {
            Unsealed::Payload(bytes) => Some(bytes),
            _ => None,
        };
        if let Some(bytes) = open(call) {
            return Some((bytes, None));
        }
        let said = call.as_said()?;
        let bytes = open(&Call { arguments: Raw::from_json(&said), ..*call })?;
        Some((bytes, Some(said)))
    }

    /// What the id of a call carries: its own id, its signature; and the arguments as the model said them
    /// where the client has added to them since.
    pub(crate) fn open_id(
        &self,
        id: &str,
        call: &Call<'_>,
    ) -> Option<(String, String, Option<String>)> {
        let (bytes, said) = self.open_for(&carried_by(id)?, call)?;
        match Carried::from_bytes(&bytes)? {
            Carried::Id { native, signature } => Some((native, signature, said)),
            _ => None,
        }
    }

    /// A mark that tells what is ours, for fields in which another provider would carry its state.
    pub(crate) fn mark(&self) -> String {
        let mark = self.keys.seal(&self.binding(), b"web_search", b"");
        mark.unwrap_or_else(|| gateway_translate::SEALED_PREFIX.to_owned())
    }
}

/// A call as both sides know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The name the upstream knows.
    pub name: &'a str,
    /// The arguments: an object.
    pub arguments: Raw<'a>,
}

impl Call<'_> {
    /// The arguments without those that clients add by themselves: a flag that is off, as Claude Code writes
    /// `"replace_all": false` into every edit. `None` where there is none.
    fn as_said(&self) -> Option<String> {
        let mut json = Json::new();
        let mut added = false;
        let mut read = Ok(());
        json.object(|json| {
            read = Reader::new(self.arguments.as_str()).object::<Malformed>(|r, key| {
                let value = r.raw()?;
                if value.as_str().trim() == "false" {
                    added = true;
                } else {
                    json.key(key.escaped()).raw(value);
                }
                Ok(())
            });
        });
        (added && read.is_ok()).then(|| json.into_string())
    }

    /// The same for the same call however its arguments are written.
    fn subject(&self) -> Vec<u8> {
        let mut text = format!("{}\0", self.name);
        match serde_json::from_str::<Value>(self.arguments.as_str()) {
            Ok(value) => canonical(&value, &mut text),
            Err(_) => text.push_str(self.arguments.as_str()),
        }
        text.into_bytes()
    }
}

/// Keys sorted, numbers by value, escapes alike.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            // The map is sorted by key.
            out.push('{');
            for (key, value) in members {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for element in elements {
                canonical(element, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            // A client of another language writes 1.0 as 1.
            Some(float) => out.push_str(&format!("{float:?}")),
            None => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

impl Carried {
    /// State of a text whose last part was signed.
    pub(crate) fn of_text(part: Text<'_>, signature: String) -> Self {
        let text = part.decode();
        Self::Text { bytes: text.len() as u64, digest: digest(&text), signature }
    }

    /// Where the signed part of `text` begins, if this is its signature.
    pub(crate) fn signed_from(&self, text: &str) -> Option<usize> {
        let Self::Text { bytes, digest: wanted, .. } = self else { return None };
        let from = text.len().checked_sub(usize::try_from(*bytes).ok()?)?;
        (text.get(from..).map(digest) == Some(*wanted)).then_some(from)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Call(signature) | Self::CallAs { signature, .. } => {
                out.push(b'F');
                put_signature(signature, &mut out);
            }
            Self::Id { native, signature } => {
                out.push(b'I');
                let len = u8::try_from(native.len()).unwrap_or(0);
                out.push(len);
                out.extend_from_slice(&native.as_bytes()[..usize::from(len)]);
                put_signature(signature, &mut out);
            }
            Self::Thought(signature) => {
                out.push(b'T');
                put_signature(signature, &mut out);
            }
            Self::Text { bytes, digest, signature } => {
                out.push(b'E');
                out.extend_from_slice(&bytes.to_be_bytes());
                out.extend_from_slice(&digest.to_be_bytes());
                put_signature(signature, &mut out);
            }
            Self::Parts(json) => {
                out.push(b'S');
                out.extend_from_slice(json.as_bytes());
            }
            Self::Mark => out.push(b'N'),
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(*bytes.first_chunk::<8>()?));
        Some(match kind {
            b'F' => Self::Call(signature(rest)?),
            b'I' => {
                let (len, rest) = rest.split_first()?;
                let (native, rest) = rest.split_at_checked(usize::from(*len))?;
                let native = String::from_utf8(native.to_vec()).ok()?;
                Self::Id { native, signature: signature(rest)? }
            }
            b'T' => Self::Thought(signature(rest)?),
            b'E' => Self::Text {
                bytes: number(rest)?,
                digest: number(rest.get(8..)?)?,
                signature: signature(rest.get(16..)?)?,
            },
            b'S' => Self::Parts(String::from_utf8(rest.to_vec()).ok()?),
            b'N' if rest.is_empty() => Self::Mark,
            _ => return None,
        })
    }
}

/// A signature is base64 in most cases: sealing that again as base64 would make a third more of it.
fn put_signature(signature: &str, out: &mut Vec<u8>) {
    match STANDARD.decode(signature) {
        Ok(bytes) if STANDARD.encode(&bytes) == signature => {
            out.push(b'b');
            out.extend_from_slice(&bytes);
        }
        _ => {
            out.push(b's');
            out.extend_from_slice(signature.as_bytes());
        }
    }
}

fn signature(bytes: &[u8]) -> Option<String> {
    match bytes.split_first()? {
        (b'b', bytes) => Some(STANDARD.encode(bytes)),
        (b's', bytes) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

/// FNV-1a. It tells an edited text; that nobody forges it is the seal's to see to.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier() -> Carrier {
        Carrier {
            keys: Keyring::new(["k"]),
            dialect: "gemini",
            provider: "google".into(),
            family: "gemini-3".into(),
            account: String::new(),
        }
    }

    fn call<'a>(name: &'a str, arguments: &'a str) -> Call<'a> {
        Call { name, arguments: Raw::from_json(arguments) }
    }

    #[test]
    fn what_is_carried_reads_back() {
        let odd = "not base64 \u{e9}==".to_owned();
        for state in [
            Carried::Call("AAEC".into()),
            Carried::Call(odd.clone()),
            Carried::Id { native: "fc-1".into(), signature: "AAECAw==".into() },
            Carried::Thought("_-_-".into()),
            Carried::of_text(Text::from_escaped("caf\u{e9}\\n"), odd),
            Carried::Parts("[{}]".into()),
            Carried::Mark,
        ] {
            assert_eq!(Carried::from_bytes(&state.to_bytes()), Some(state.clone()));
            let sealed = carrier().seal(&state, None).expect("a key");
            assert_eq!(carrier().open(&sealed, None), Ok(state));
        }
        for broken in [&b""[..], b"F", b"Fx", b"E1234", b"I\x09ab", b"Nx", b"?"] {
            assert_eq!(Carried::from_bytes(broken), None);
        }
    }

    #[test]
    fn r16_a_signature_belongs_to_one_call() {
        let state = Carried::Call("AAEC".into());
        let sealed =
            carrier().seal(&state, Some(&call("Bash", r#"{"a":1,"b":"\n"}"#))).expect("key");
        for same in [r#"{"b":"\u000a", "a":1.0}"#, r#"{"a":1,"b":"\n"}"#] {
            assert_eq!(carrier().open(&sealed, Some(&call("Bash", same))), Ok(state.clone()));
        }
        for other in [call("Bash", r#"{"a":2,"b":"\n"}"#), call("Zsh", r#"{"a":1,"b":"\n"}"#)] {
            assert!(carrier().open(&sealed, Some(&other)).is_err());
        }
        assert!(carrier().open(&sealed, None).is_err());
        let vertex = Carrier { dialect: "vertex", ..carrier() };
        assert!(vertex.open(&sealed, Some(&call("Bash", r#"{"a":1,"b":"\n"}"#))).is_err());
    }

    /// Claude Code writes `"replace_all": false` into every edit that the model made without: the signature is
    /// that of the edit as the model made it.
    #[test]
    fn r16_what_the_client_adds_by_itself_is_taken_out_again() {
        let said = call("Edit", r#"{"b":1.50,"q\"":"x"}"#);
        let sealed = carrier().seal(&Carried::Call("AAEC".into()), Some(&said)).expect("a key");
        let kept = call("Edit", r#"{"replace_all":false, "b":1.50,"q\"":"x"}"#);
        let state =
            Carried::CallAs { signature: "AAEC".into(), said: said.arguments.as_str().into() };
        assert_eq!(carrier().open(&sealed, Some(&kept)), Ok(state));
        let id = carrier().id("fc_1", "AAEC", &said).expect("short");
        let as_said = Some(said.arguments.as_str().to_owned());
        assert_eq!(carrier().open_id(&id, &kept), Some(("fc_1".into(), "AAEC".into(), as_said)));
        for other in [
            r#"{"replace_all":true,"b":1.50,"q\"":"x"}"#,
            r#"{"replace_all":false,"b":2,"q\"":"x"}"#,
        ] {
            assert!(carrier().open(&sealed, Some(&call("Edit", other))).is_err());
        }
        // What the model said itself stays.
        let sealed = carrier().seal(&Carried::Call("AAEC".into()), Some(&kept)).expect("a key");
        assert_eq!(carrier().open(&sealed, Some(&kept)), Ok(Carried::Call("AAEC".into())));
    }

    #[test]
    fn r16_an_id_carries_what_is_short() {
        let bash = call("Bash", "{}");
        let id = carrier().id("fc_1", "AAEC", &bash).expect("short");
        assert_eq!(carrier().open_id(&id, &bash), Some(("fc_1".into(), "AAEC".into(), None)));
        assert_eq!(carrier().open_id(&id, &call("Bash", r#"{"x":1}"#)), None);
        assert_eq!(carrier().id("fc_1", &"A".repeat(MOST_IN_ID + 1), &bash), None);
        assert_eq!(carrier().open_id("toolu_01", &bash), None);
    }

    #[test]
    fn a_text_is_known_by_its_last_part() {
        let state = Carried::of_text(Text::from_escaped("w\u{f6}rld"), "AAEC".into());
        assert_eq!(state.signed_from("hello w\u{f6}rld"), Some(6));
        assert_eq!(state.signed_from("hello world!"), None);
        assert_eq!(state.signed_from("x"), None);
        assert_eq!(Carried::of_text(Text::default(), "x".into()).signed_from("abc"), Some(3));
    }
}
