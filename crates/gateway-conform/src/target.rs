//! Which endpoint, and how it is asked.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};

use crate::exchange::{Ask, Auth};
use gateway_upstream::{Call, Outgoing};

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the user wrote it.
    pub url: String,
    pub(crate) origin: Uri,
    prefix: String,
    key: Option<Key>,
    credential: Credential,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// How many cases run at once.
    pub concurrency: usize,
}

/// Which header has the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Credential {
    /// `x-api-key`
    #[default]
    ApiKey,
    /// `authorization: Bearer`
    Bearer,
}

/// A key in both of its headers' forms; neither shows in debug output.
#[derive(Debug, Clone)]
struct Key {
    plain: HeaderValue,
    bearer: HeaderValue,
}

/// Why an endpoint can't be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The URL is none.
    #[error(
        "`{0}` is no URL of an endpoint: write it like http://127.0.0.1:8080 or https://host/prefix"
    )]
    Url(String),
    /// The key has characters that no header may have.
    #[error("the key has characters that no header may have: was it copied with a line break?")]
    Key(#[source] InvalidHeaderValue),
    /// A header is none.
    #[error("`{0}` is no header: write it like 'name: value'")]
    Header(String),
}

impl Target {
    /// The endpoint at a base URL, such as `ANTHROPIC_BASE_URL` would have. A `/v1` or `/v1/messages` at
    /// its end is left out, since it is in every request.
    ///
    /// # Errors
    /// When it is no `http` or `https` URL with a host.
    pub fn new(url: &str) -> Result<Self, TargetError> {
        let fault = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fault());
        };
        if !["http", "https"].contains(&scheme)
            || authority.as_str().contains('@')
            || uri.query().is_some()
        {
            return Err(fault());
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/messages").unwrap_or(path);
        let prefix = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        let origin = format!("{scheme}://{authority}").parse().map_err(|_| fault())?;
        Ok(Self {
            url: url.to_owned(),
            origin,
            prefix,
            key: None,
            credential: Credential::default(),
            headers: Vec::new(),
            timeout: TIMEOUT,
            concurrency: CONCURRENCY,
        })
    }

    /// With a key.
    ///
    /// # Errors
    /// When no header can have it.
    pub fn key(mut self, key: &str) -> Result<Self, TargetError> {
        self.key = Some(Key::new(key.trim()).map_err(TargetError::Key)?);
        Ok(self)
    }

    /// With the key in this header.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// With one more header in every request.
    ///
    /// # Errors
    /// When it is none.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, TargetError> {
        let fault = || TargetError::Header(format!("{name}: {value}"));
        let name = name.parse().map_err(|_| fault())?;
        self.headers.push((name, value.parse().map_err(|_| fault())?));
        Ok(self)
    }

    /// An ask as it goes on the wire; `None` where the ask can't be written as HTTP.
    pub(crate) fn call(&self, ask: &Ask) -> Option<Call> {
        let method: Method = ask.method.parse().ok()?;
        let path: PathAndQuery = format!("{}{}", self.prefix, ask.target).parse().ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &ask.headers {
            headers.append(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
        }
        let wrong = Key::new(WRONG_KEY).ok();
        let key = if ask.auth == Auth::Wrong { wrong.as_ref() } else { self.key.as_ref() };
        if let Some(key) = key.filter(|_| ask.auth != Auth::None) {
            let both = ask.auth == Auth::Both;
            if both || self.credential == Credential::ApiKey {
                headers.insert("x-api-key", key.plain.clone());
            }
            if both || self.credential == Credential::Bearer {
                headers.insert(AUTHORIZATION, key.bearer.clone());
            }
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        Some(Call { method, path, headers, body: Outgoing::from(ask.body.clone()) })
    }
}

impl Key {
    fn new(key: &str) -> Result<Self, InvalidHeaderValue> {
        let mut plain = HeaderValue::from_str(key)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))?;
        plain.set_sensitive(true);
        bearer.set_sensitive(true);
        Ok(Self { plain, bearer })
    }
}

const TIMEOUT: Duration = Duration::from_secs(120);
const CONCURRENCY: usize = 2;
const WRONG_KEY: &str = "conform-this-key-is-wrong-7261";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_may_have_a_prefix_and_a_version() {
        for (url, path) in [
            ("http://127.0.0.1:8080", "/v1/messages?beta=true"),
            ("http://127.0.0.1:8080/", "/v1/messages?beta=true"),
            ("https://host/v1", "/v1/messages?beta=true"),
            ("https://host/sub/path/", "/sub/path/v1/messages?beta=true"),
            ("https://host/anthropic/v1/messages", "/anthropic/v1/messages?beta=true"),
        ] {
            let call = Target::new(url).expect(url).call(&Ask::messages(&1.into())).expect(url);
            assert_eq!(call.path, path, "{url}");
        }
        for url in [
            "127.0.0.1:8080",
            "ftp://host",
            "http://",
            "https://user:pw@host",
            "/v1",
            "http://h?a=b",
        ] {
            assert!(Target::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_key_stands_where_it_was_wanted_and_shows_nowhere() {
        let target =
            Target::new("http://h").and_then(|t| t.key("planted-key-1")).expect("a target");
        assert!(!format!("{target:?}").contains("planted"), "{target:?}");
        let headers = |target: &Target, auth| {
            target.call(&Ask::new("GET", "/").auth(auth)).expect("a call").headers
        };
        let plain = headers(&target, Auth::Given);
        assert_eq!(plain["x-api-key"], "planted-key-1");
        assert!(plain.get(AUTHORIZATION).is_none());
        assert!(headers(&target, Auth::None).get("x-api-key").is_none());
        assert_eq!(headers(&target, Auth::Both)[AUTHORIZATION], "Bearer planted-key-1");
        assert_eq!(headers(&target, Auth::Wrong)["x-api-key"], WRONG_KEY);
        let target = target.credential(Credential::Bearer).header("x-one", "1").expect("a header");
        let bearer = headers(&target, Auth::Given);
        assert_eq!(
            (&bearer[AUTHORIZATION], &bearer["x-one"]),
            (&"Bearer planted-key-1".parse().expect("a value"), &"1".parse().expect("a value"))
        );
        assert!(Target::new("http://h").and_then(|t| t.key("two\nlines")).is_err());
        assert!(Target::new("http://h").and_then(|t| t.header("no name", "x")).is_err());
    }
}
