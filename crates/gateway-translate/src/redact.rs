//! Keeping the gateway's own keys out of what it shows.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem;

/// Knows the gateway's own secrets and masks them wherever an upstream echoes one.
#[derive(Clone, Default)]
pub struct Redactor {
    // Shared: every stream has one.
    secrets: Arc<[Box<[u8]>]>,
}

/// What stands in a secret's place.
const MASK: &[u8] = b"[redacted]";

/// Shorter values are not searched for: they would be found in innocent text.
const MIN_SECRET_BYTES: usize = 8;

impl Redactor {
    /// A redactor for these secrets; ones shorter than 8 bytes are left out.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut secrets: Vec<Box<[u8]>> = secrets
            .into_iter()
            .map(str::trim)
            .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
            .map(|secret| secret.as_bytes().into())
            .collect();
        // The longest first, so that a key that contains another is masked whole.
        secrets.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets: secrets.into() }
    }

    /// Whether `text` holds one of the secrets.
    pub fn finds(&self, text: &[u8]) -> bool {
        self.secrets.iter().any(|secret| memmem::find(text, secret).is_some())
    }

    /// `text` with every secret masked; borrowed when there was none.
    pub fn mask<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut masked = Cow::Borrowed(text);
        for secret in self.secrets.iter() {
            if memmem::find(&masked, secret).is_none() {
                continue;
            }
            let mut out = Vec::with_capacity(masked.len());
            let mut from = 0;
            for at in memmem::find_iter(&masked, secret) {
                out.extend_from_slice(&masked[from..at]);
                out.extend_from_slice(MASK);
                from = at + secret.len();
            }
            out.extend_from_slice(&masked[from..]);
            masked = Cow::Owned(out);
        }
        masked
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.secrets.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_of_every_secret_goes() {
        let redactor = Redactor::new(["sk-ant-12345", "sk-ant-12345-long", "tiny"]);
        let text = b"bad key sk-ant-12345-long, also sk-ant-12345. tiny";
        assert!(redactor.finds(text));
        assert_eq!(&*redactor.mask(text), b"bad key [redacted], also [redacted]. tiny");
        assert!(matches!(redactor.mask(b"nothing here"), Cow::Borrowed(_)));
        assert!(!format!("{redactor:?}").contains("sk-ant"));
    }
}
