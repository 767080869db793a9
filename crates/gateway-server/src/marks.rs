//! What tells whether a provider is still the same after a reload.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use gateway_config::{Auth, PoolKey, Provider};
use secrecy::{ExposeSecret, SecretString};

/// Digests of what is configured for one provider, for comparison within this process. No secret can be
/// read from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Of everything.
    pub(crate) whole: u64,
    /// Of who is asked and in whose name: while it is equal, what was learnt and counted holds.
    pub(crate) upstream: u64,
    /// Of how it is reached: while it is equal, open connections serve on.
    pub(crate) way: u64,
    /// Of what a cloud's tokens are made from: while it is equal, they serve on.
    pub(crate) tokens: u64,
}

impl Marks {
    pub(crate) fn of(provider: &Provider) -> Self {
        // Secrets show nothing of themselves in a debug text, so they are added one by one.
        let headers: Vec<&str> = provider.headers.iter().map(|(_, v)| v.expose_secret()).collect();
        let secret_headers: Vec<_> =
            provider.secret_headers().map(|(name, value)| (name, value.expose_secret())).collect();
        let keys = secrets(provider);
        let proxy = provider.proxy.as_ref().map(gateway_config::ProxyUrl::expose);
        let roots = provider.ca_file.as_deref().map(content);
        let login = match &provider.auth {
            Auth::Google(google) => google.file.as_deref().map(content),
            _ => None,
        };
        let auth = format!("{:?} {:?}", provider.auth, variables(&provider.pool));
        let way = digest((&provider.api_base, provider.timeouts.connect, proxy, &roots));
        let upstream = (provider.kind, &provider.api_base, &auth, &keys, &secret_headers);
        let upstream = digest(format!("{upstream:?}"));
        Self {
            whole: digest((format!("{provider:?}"), &headers, &keys, proxy, &roots, &login)),
            upstream,
            way,
            tokens: digest((&auth, &keys, format!("{:?}", provider.extra), proxy, roots, login)),
        }
    }
}

/// The variables of several keys: which they are, not how they share the work.
fn variables(pool: &[PoolKey]) -> Vec<&str> {
    pool.iter().map(|key| key.variable.as_str()).collect()
}

/// The credentials that are configured for a provider.
pub(crate) fn secrets(provider: &Provider) -> Vec<String> {
    let all = std::iter::once(&provider.auth).chain(provider.pool.iter().map(|key| &key.auth));
    all.flat_map(of_auth).map(|secret| secret.expose_secret().to_owned()).collect()
}

fn of_auth(auth: &Auth) -> Vec<&SecretString> {
    match auth {
        Auth::ApiKey(key) | Auth::Bearer(key) => vec![key],
        Auth::Aws(aws) => aws.keys.iter().fold(Vec::new(), |mut all, keys| {
            all.push(&keys.secret_access_key);
            all.extend(&keys.session_token);
            all
        }),
        Auth::AzureAd(entra) => entra.client_secret.iter().collect(),
        Auth::Google(_) | Auth::None | Auth::Client | Auth::Missing { .. } => Vec::new(),
    }
}

/// A file's bytes; a file that can't be read is like an empty one here, and a fault where it is used.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

/// Within one process 64 bits are enough to tell two texts of one person apart.
pub(crate) fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use gateway_config::{Sources, load};

    use super::*;

    fn marks(keys: &str, key: &str) -> Marks {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("gateway.yaml");
        std::fs::write(&file, format!("providers:\n  anthropic: {{{keys}}}\n")).expect("written");
        let mut sources = Sources::empty(dir.path());
        sources.overrides.config = Some(file);
        sources.env.insert("ANTHROPIC_API_KEY".into(), key.into());
        let loaded = load(&sources).unwrap_or_else(|faults| panic!("{keys}: {faults:?}"));
        Marks::of(&loaded.config.providers[0])
    }

    #[test]
    fn each_change_is_a_change_of_what_it_concerns() {
        const BASE: &str = "api_base: 'http://127.0.0.1:9/v1'";
        let before = marks(BASE, "one");
        assert_eq!(before, marks(BASE, "one"));
        // What is changed, and whether upstream, way and tokens stay the same.
        for (keys, key, same) in [
            (BASE.to_owned(), "two", [false, true, false]),
            ("api_base: 'http://127.0.0.1:8/v1'".to_owned(), "one", [false, false, true]),
            (format!("{BASE}, timeouts: {{idle: 7}}"), "one", [true, true, true]),
            (format!("{BASE}, timeouts: {{connect: 7}}"), "one", [true, false, true]),
            (format!("{BASE}, proxy: 'http://u:p@proxy.test:1'"), "one", [true, false, false]),
            (format!("{BASE}, headers: {{x-plain: a}}"), "one", [true, true, true]),
            (format!("{BASE}, headers: {{x-token: a}}"), "one", [false, true, true]),
            (format!("{BASE}, default_model: m"), "one", [true, true, true]),
        ] {
            let after = marks(&keys, key);
            assert_ne!(before.whole, after.whole, "{keys}");
            let equal = [
                before.upstream == after.upstream,
                before.way == after.way,
                before.tokens == after.tokens,
            ];
            assert_eq!(equal, same, "{keys}");
        }
        let password =
            |word| marks(&format!("{BASE}, proxy: 'http://u:{word}@proxy.test:1'"), "one");
        assert_ne!(password("a").way, password("b").way);
        let token = |word| marks(&format!("{BASE}, headers: {{x-token: {word}}}"), "one");
        assert_ne!(token("a").upstream, token("b").upstream);
    }
}
