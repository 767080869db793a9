//! Who may call, and who that is.

use std::net::IpAddr;
use std::sync::Arc;

use gateway_anthropic::headers::X_API_KEY;
use gateway_config::Config;
use gateway_router::PatternError;
use gateway_types::{ApiError, ErrorKind};
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::uri::{Authority, Uri};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::clients::Client;
use crate::meter::Meters;

/// The rules for callers.
#[derive(Debug)]
pub(crate) struct Access {
    keys: Vec<SecretString>,
    /// By the SHA-256 of the key.
    clients: Vec<([u8; 32], Arc<Client>)>,
    /// Callers without a name.
    nameless: Arc<Client>,
    /// Without keys: names a browser may have used to get here.
    hosts: Vec<String>,
    /// Turned off on purpose (`--no-auth`): nobody is asked anything.
    open: bool,
}

/// A client's list of models that can't be used.
#[derive(Debug)]
pub(crate) struct BadList {
    pub(crate) client: String,
    pub(crate) fault: PatternError,
}

impl Access {
    /// The rules of `config`. Its limits count once they are [enforced](Self::enforce).
    pub(crate) fn new(config: &Config, open: bool, meters: &Meters) -> Result<Self, BadList> {
        // A port is no part of a name that a browser resolves.
        let plain = |host: &String| match host.parse::<Authority>() {
            Ok(authority) => authority.host().trim_matches(['[', ']']).to_owned(),
            Err(_) => host.clone(),
        };
        let mut hosts: Vec<String> = config.server.allowed_hosts.iter().map(plain).collect();
        hosts.push(config.server.host.to_ascii_lowercase());
        let client =
            |client: &gateway_config::Client| match Client::new(client, meters.of(&client.name)) {
                Ok(compiled) => Ok((client.key_hash, Arc::new(compiled))),
                Err(fault) => Err(BadList { client: client.name.clone(), fault }),
            };
        Ok(Self {
            keys: config.client_keys.clone(),
            clients: config.clients.iter().map(client).collect::<Result<_, _>>()?,
            nameless: Arc::new(Client::nameless()),
            hosts,
            open,
        })
    }

    /// Lets the configured limits count from now on.
    pub(crate) fn enforce(&self, config: &Config, meters: &Meters) {
        meters.served.set(Some(config.server.max_concurrent_requests as u64), 0);
        meters.everyone.set(&config.limits);
        for client in self.named() {
            client.meter.set(&client.limits);
        }
        meters.keep(self.named().filter_map(|client| client.name.as_deref()));
    }

    /// Callers without a name.
    pub(crate) fn nameless(&self) -> &Arc<Client> {
        &self.nameless
    }

    /// The clients that have names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().map(|(_, client)| &**client)
    }

    /// Admits a caller and says who it is, or why not. Endpoints without secrets are not asked.
    pub(crate) fn admit(&self, headers: &HeaderMap, uri: &Uri) -> Result<Arc<Client>, ApiError> {
        let presented = || {
            let plain = headers.get_all(X_API_KEY).iter().map(HeaderValue::as_bytes);
            plain.chain(headers.get_all(AUTHORIZATION).iter().filter_map(bearer))
        };
        if let Some(client) = presented().find_map(|credential| self.client(credential)) {
            return Ok(client.clone());
        }
        if self.open || presented().any(|credential| self.is_plain_key(credential)) {
            return Ok(self.nameless.clone());
        }
        if self.keys.is_empty() && self.clients.is_empty() {
            self.check_origin(headers, uri)?;
            return Ok(self.nameless.clone());
        }
        let text = if presented().next().is_some() {
            "the key presented is not a client key of this gateway"
        } else {
            "this gateway wants a client key: send it as `x-api-key` or `Authorization: Bearer` \
             (Claude Code: ANTHROPIC_AUTH_TOKEN)"
        };
        Err(ApiError::new(ErrorKind::Authentication, text).with_should_retry(false))
    }

    /// Whether a presented credential is one of the gateway's own client keys, which must never be
    /// passed on to an upstream.
    pub(crate) fn is_client_key(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let presented = if name == AUTHORIZATION { bearer(value) } else { Some(value.as_bytes()) };
        presented.is_some_and(|key| self.is_plain_key(key) || self.client(key).is_some())
    }

    // Every key is compared in full, so that time tells nothing about any.

    fn is_plain_key(&self, presented: &[u8]) -> bool {
        let hit = |key: &SecretString| key.expose_secret().as_bytes().ct_eq(presented);
        self.keys.iter().fold(Choice::from(0), |seen, key| seen | hit(key)).into()
    }

    fn client(&self, presented: &[u8]) -> Option<&Arc<Client>> {
        if self.clients.is_empty() {
            return None;
        }
        let hash = <[u8; 32]>::from(Sha256::digest(presented));
        let mut found = u64::MAX;
        for (index, (key_hash, _)) in (0_u64..).zip(&self.clients) {
            found.conditional_assign(&index, key_hash.ct_eq(&hash));
        }
        self.clients.get(usize::try_from(found).ok()?).map(|(_, client)| client)
    }

    /// An open gateway on loopback must not be used by a web page: a page sends a foreign `Origin`,
    /// or, by rebinding its own name to this address, a foreign `Host`.
    fn check_origin(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        if let Some(origin) = headers.get(ORIGIN) {
            let host = origin.to_str().ok().and_then(|o| o.parse::<Uri>().ok());
            if !host.as_ref().and_then(Uri::host).is_some_and(|host| self.is_ours(host)) {
                return Err(ApiError::new(
                    ErrorKind::Permission,
                    "this gateway does not answer web pages (a foreign `Origin`); \
                     allow the page's host in `server.allowed_hosts`, or use client keys",
                ));
            }
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = match host {
            Some(host) => host.parse::<Authority>().ok(),
            None => uri.authority().cloned(),
        };
        // HTTP/1.0 callers may name no host at all; no browser does that.
        let unnamed = host.is_none() && uri.authority().is_none();
        if unnamed || authority.is_some_and(|authority| self.is_ours(authority.host())) {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Permission,
            "this gateway is not known by the name in `Host`; \
             add it to `server.allowed_hosts`, or use client keys",
        ))
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || self.hosts.contains(&host)
    }
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(keys: &[&str], hosts: &[&str]) -> Access {
        Access {
            keys: keys.iter().map(|key| SecretString::from(*key)).collect(),
            clients: Vec::new(),
            nameless: Arc::new(Client::nameless()),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            open: false,
        }
    }

    fn ask(access: &Access, headers: &[(&'static str, &'static str)]) -> Option<ErrorKind> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        access.admit(&map, &Uri::from_static("/v1/messages")).err().map(|err| err.kind())
    }

    #[test]
    fn any_of_the_presented_credentials_may_be_the_key() {
        let access = with(&["right"], &[]);
        assert_eq!(ask(&access, &[("x-api-key", "right")]), None);
        assert_eq!(ask(&access, &[("authorization", "bearer right")]), None);
        let both = [("x-api-key", "other"), ("authorization", "Bearer right")];
        assert_eq!(ask(&access, &both), None);
        for wrong in [&[][..], &[("x-api-key", "righ")], &[("authorization", "Basic right")]] {
            assert_eq!(ask(&access, wrong), Some(ErrorKind::Authentication), "{wrong:?}");
        }
    }

    #[test]
    fn an_open_gateway_still_knows_its_own_keys() {
        let mut access = with(&["right"], &[]);
        access.open = true;
        assert_eq!(ask(&access, &[]), None);
        assert!(access.is_client_key(&X_API_KEY, &HeaderValue::from_static("right")));
        assert!(access.is_client_key(&AUTHORIZATION, &HeaderValue::from_static("Bearer right")));
        assert!(!access.is_client_key(&X_API_KEY, &HeaderValue::from_static("other")));
    }

    #[test]
    fn a_client_is_known_by_the_hash_of_its_key() {
        let client = |name: &str, key: &str| {
            let hash = <[u8; 32]>::from(Sha256::digest(key));
            let client = gateway_config::Client::new(name, hash);
            (hash, Arc::new(Client::new(&client, Arc::default()).expect("no globs")))
        };
        let mut access = with(&["plain"], &[]);
        access.clients = vec![client("alice", "a"), client("bob", "b"), client("carol", "c")];
        let who = |access: &Access, headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            let client = access.admit(&map, &Uri::from_static("/v1/messages")).ok()?;
            Some(client.name.as_deref().unwrap_or_default().to_owned())
        };
        for (headers, wanted) in [
            (&[("x-api-key", "b")][..], Some("bob")),
            (&[("authorization", "Bearer c")], Some("carol")),
            (&[("x-api-key", "none"), ("authorization", "Bearer a")], Some("alice")),
            (&[("x-api-key", "plain")], Some("")),
            // A name says more than none.
            (&[("x-api-key", "plain"), ("authorization", "Bearer a")], Some("alice")),
            (&[("x-api-key", "d")], None),
            (&[("x-api-key", "")], None),
            (&[], None),
        ] {
            assert_eq!(who(&access, headers).as_deref(), wanted, "{headers:?}");
        }
        assert!(access.is_client_key(&AUTHORIZATION, &HeaderValue::from_static("Bearer b")));
        assert!(!access.is_client_key(&X_API_KEY, &HeaderValue::from_static("login")));

        // Without a plain key clients alone close the gateway; opened on purpose it still knows them.
        access.keys.clear();
        assert_eq!(who(&access, &[("host", "localhost")]), None);
        access.open = true;
        assert_eq!(who(&access, &[("host", "localhost")]).as_deref(), Some(""));
        assert_eq!(who(&access, &[("x-api-key", "c")]).as_deref(), Some("carol"));
    }

    #[test]
    fn a_web_page_is_refused_on_an_open_gateway() {
        let access = with(&[], &["gateway.test"]);
        for fine in ["localhost:8080", "127.0.0.1", "[::1]:8080", "gateway.test:1", "a.localhost"] {
            let headers: &'static [(&str, &str)] = Box::leak(Box::new([("host", fine)]));
            assert_eq!(ask(&access, headers), None, "{fine}");
        }
        for foreign in ["evil.test", "127.0.0.1.evil.test", ""] {
            let headers: &'static [(&str, &str)] = Box::leak(Box::new([("host", foreign)]));
            assert_eq!(ask(&access, headers), Some(ErrorKind::Permission), "{foreign}");
        }
        let page = [("host", "localhost"), ("origin", "https://evil.test")];
        assert_eq!(ask(&access, &page), Some(ErrorKind::Permission));
        let null = [("host", "localhost"), ("origin", "null")];
        assert_eq!(ask(&access, &null), Some(ErrorKind::Permission));
        let own = [("host", "localhost"), ("origin", "http://localhost:3000")];
        assert_eq!(ask(&access, &own), None);
    }
}
