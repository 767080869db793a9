//! State that a provider wants back, carried by the caller.
//!
//! Encrypted reasoning and its like travel in the `signature` of a thinking block (or another opaque
//! field), sealed so that nobody can forge, edit or move them to another provider. No memory is
//! needed on the gateway's side; gateways with the same keys agree.
//!
//! The form is `gw1.` and base64url of: key id (4 bytes), dialect, provider, model family and account
//! (each a length byte and text), digest of what it belongs to (8 bytes), payload, tag (16 bytes of
//! HMAC-SHA-256 over all before).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What every sealed text begins with: one that does never reaches a provider.
pub const SEALED_PREFIX: &str = "gw1.";

const TAG_BYTES: usize = 16;
const KEY_ID_BYTES: usize = 4;
const SUBJECT_BYTES: usize = 8;

/// Longest sealed text that is opened, in bytes.
const MAX_SEALED_BYTES: usize = 4 << 20;

/// To whom a state belongs. It opens only for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// E.g. `openai-responses`.
    pub dialect: &'a str,
    /// The provider's configured name.
    pub provider: &'a str,
    /// The model's family.
    pub family: &'a str,
    /// Which of the provider's accounts; empty where there is one.
    pub account: &'a str,
}

/// What became of a text that may be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// It is ours, whole, and belongs here.
    Payload(Vec<u8>),
    /// It is ours, but belongs to another provider, model family or account.
    Elsewhere,
    /// It claims to be ours, but no key of ours opens it: forged, edited, or of a key that is gone.
    Broken,
    /// It makes no such claim: another party's signature.
    Foreign,
}

/// The keys that seal and open. The first seals, all open.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID_BYTES],
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Keyring {
    /// A keyring of `secrets`, newest first. With none, nothing is sealed and nothing opens.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let key = |secret: S| {
            // The id tells keys apart without saying anything of them.
            let mut named = Sha256::new();
            named.update(b"gw1 key id\0");
            named.update(secret.as_ref());
            let mut id = [0; KEY_ID_BYTES];
            id.copy_from_slice(&named.finalize()[..KEY_ID_BYTES]);
            let mac = Hmac::new_from_slice(secret.as_ref()).expect("HMAC takes keys of any length");
            Key { id, mac }
        };
        Self { keys: secrets.into_iter().map(key).collect() }
    }

    /// Seals `payload`. `subject` is what it belongs to (a call, a block), if that is known.
    /// `None` without a key.
    pub fn seal(&self, binding: &Binding<'_>, subject: &[u8], payload: &[u8]) -> Option<String> {
        let key = self.keys.first()?;
        let mut bytes = Vec::with_capacity(payload.len() + 96);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&header(binding, subject));
        bytes.extend_from_slice(payload);
        let tag = key.mac.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG_BYTES]);
        let mut sealed = String::with_capacity(bytes.len() * 4 / 3 + 8);
        sealed.push_str(SEALED_PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut sealed);
        Some(sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same binding and subject.
    pub fn open(&self, binding: &Binding<'_>, subject: &[u8], sealed: &str) -> Unsealed {
        let Some(inner) = sealed.strip_prefix(SEALED_PREFIX) else { return Unsealed::Foreign };
        if inner.len() > MAX_SEALED_BYTES {
            return Unsealed::Broken;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(inner) else { return Unsealed::Broken };
        let Some(body_len) = bytes.len().checked_sub(TAG_BYTES) else { return Unsealed::Broken };
        let (body, tag) = bytes.split_at(body_len);
        let Some((id, rest)) = body.split_at_checked(KEY_ID_BYTES) else { return Unsealed::Broken };
        let genuine = self
            .keys
            .iter()
            .filter(|key| key.id == *id)
            .any(|key| key.mac.clone().chain_update(body).verify_truncated_left(tag).is_ok());
        if !genuine {
            return Unsealed::Broken;
        }
        match rest.strip_prefix(&header(binding, subject)[..]) {
            Some(payload) => Unsealed::Payload(payload.to_vec()),
            None => Unsealed::Elsewhere,
        }
    }
}

/// Whether `text` claims to be sealed by a gateway of this kind.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(SEALED_PREFIX)
}

fn header(binding: &Binding<'_>, subject: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    for part in [binding.dialect, binding.provider, binding.family, binding.account] {
        // Names are short; one that is not is told apart by its digest.
        let digest;
        let part = if part.len() <= 64 {
            part.as_bytes()
        } else {
            digest = Sha256::digest(part);
            &digest[..]
        };
        bytes.push(u8::try_from(part.len()).expect("at most 64 bytes"));
        bytes.extend_from_slice(part);
    }
    if subject.is_empty() {
        bytes.extend_from_slice(&[0; SUBJECT_BYTES]);
    } else {
        bytes.extend_from_slice(&Sha256::digest(subject)[..SUBJECT_BYTES]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Binding<'static> =
        Binding { dialect: "openai-responses", provider: "openai", family: "gpt-5", account: "" };

    fn ring(secrets: &[&str]) -> Keyring {
        Keyring::new(secrets)
    }

    #[test]
    fn what_is_sealed_opens_here_and_on_every_gateway_with_the_key() {
        let sealed = ring(&["k1"]).seal(&HERE, b"call_1", b"state").expect("a key");
        assert!(is_sealed(&sealed));
        assert!(sealed[4..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        for other in [ring(&["k1"]), ring(&["k2", "k1"])] {
            let opened = other.open(&HERE, b"call_1", &sealed);
            assert_eq!(opened, Unsealed::Payload(b"state".to_vec()));
        }
    }

    #[test]
    fn what_belongs_to_another_is_told_from_what_is_broken() {
        let ours = ring(&["k1"]);
        let sealed = ours.seal(&HERE, b"call_1", b"state").expect("a key");
        for there in [
            Binding { dialect: "openai-chat", ..HERE },
            Binding { provider: "azure", ..HERE },
            Binding { family: "gpt-6", ..HERE },
            Binding { account: "second", ..HERE },
        ] {
            assert_eq!(ours.open(&there, b"call_1", &sealed), Unsealed::Elsewhere);
        }
        assert_eq!(ours.open(&HERE, b"call_2", &sealed), Unsealed::Elsewhere);
        // The parts can't be shifted into each other.
        let shifted = Binding { dialect: "openai-response", provider: "sopenai", ..HERE };
        assert_eq!(ours.open(&shifted, b"call_1", &sealed), Unsealed::Elsewhere);
    }

    #[test]
    fn every_edit_and_every_cut_breaks_it() {
        let ours = ring(&["k1"]);
        let sealed = ours.seal(&HERE, b"", b"state").expect("a key");
        for at in SEALED_PREFIX.len()..sealed.len() {
            let mut edited = sealed.clone().into_bytes();
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(edited).expect("ASCII");
            assert_eq!(ours.open(&HERE, b"", &edited), Unsealed::Broken, "at {at}");
            assert_eq!(ours.open(&HERE, b"", &sealed[..at]), Unsealed::Broken, "cut at {at}");
        }
        assert_eq!(ours.open(&HERE, b"", &(sealed + "AAAA")), Unsealed::Broken);
    }

    #[test]
    fn a_forgery_an_unknown_key_and_no_key_do_not_open() {
        let sealed = ring(&["other"]).seal(&HERE, b"", b"state").expect("a key");
        assert_eq!(ring(&["k1"]).open(&HERE, b"", &sealed), Unsealed::Broken);
        assert_eq!(ring(&[]).open(&HERE, b"", &sealed), Unsealed::Broken);
        assert_eq!(ring(&[]).seal(&HERE, b"", b"state"), None);
        for text in ["gw1.", "gw1.AAAA", "gw1.!!", "gw1.é"] {
            assert_eq!(ring(&["k1"]).open(&HERE, b"", text), Unsealed::Broken, "{text}");
        }
        for text in ["", "EqQBCkYIBxgCKkA", "gw2.AAAA"] {
            assert_eq!(ring(&["k1"]).open(&HERE, b"", text), Unsealed::Foreign, "{text}");
        }
    }

    #[test]
    fn an_older_key_opens_what_it_sealed_and_seals_no_more() {
        let (old, both) = (ring(&["old"]), ring(&["new", "old"]));
        let before = old.seal(&HERE, b"", b"state").expect("a key");
        assert_eq!(both.open(&HERE, b"", &before), Unsealed::Payload(b"state".to_vec()));
        let after = both.seal(&HERE, b"", b"state").expect("a key");
        assert_eq!(old.open(&HERE, b"", &after), Unsealed::Broken);
    }

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(format!("{:?}", ring(&["hush"])), "Keyring(1 keys)");
    }
}
