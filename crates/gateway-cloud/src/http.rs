//! Calls to those who give out tokens: small, rare, and never on a kept connection, since a
//! connection belongs to the runtime that made it.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_upstream::{Call, Client, Dialer, Settings, is_nearby};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::error::CloudError;

/// The longest time for one call, connecting included.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The same for services of the machine or the network it is in: they answer at once, or are not
/// there, which often shows as silence only.
pub(crate) const NEARBY_LIMIT: Duration = Duration::from_secs(3);

/// Answers longer than this are not tokens.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// How those who give out tokens are reached.
#[derive(Clone, Default)]
pub struct Route {
    /// A proxy (`http://`, `socks5://`, `socks5h://`); without one the environment's. None stands
    /// before this machine and metadata services.
    pub proxy: Option<Uri>,
    /// A PEM file with roots to trust besides the platform's.
    pub ca_file: Option<PathBuf>,
}

/// Never the proxy, whose URL may hold a password.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

/// Makes the calls.
#[derive(Debug)]
pub(crate) struct Http {
    limit: Duration,
    route: Route,
    /// By origin. Each reads the platform's roots once, which takes longer than the call.
    dialers: Mutex<HashMap<String, Arc<Dialer>>>,
}

/// One call.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// A limit shorter than the usual one.
    pub(crate) within: Option<Duration>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    #[cfg_attr(
        not(any(feature = "gcp", feature = "aws-chain")),
        expect(dead_code, reason = "Entra's answers say all in their bodies")
    )]
    pub(crate) head: HeaderMap,
    pub(crate) body: Bytes,
}

/// Never headers, body and query: that is where secrets are.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, url) = (&self.method, bare(&self.url));
        f.debug_struct("Ask").field("method", method).field("url", &url).finish_non_exhaustive()
    }
}

/// Never headers and body: what was asked for is a secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Ask {
    pub(crate) fn get(url: impl Into<String>) -> Self {
        let (method, body) = (Method::GET, Bytes::new());
        Self { method, url: url.into(), headers: HeaderMap::new(), body, within: None }
    }

    pub(crate) fn form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers =
            [(CONTENT_TYPE, form), (ACCEPT, HeaderValue::from_static("application/json"))];
        let (method, body) = (Method::POST, form_encoded(fields).into());
        Self { method, url: url.into(), headers: headers.into_iter().collect(), body, within: None }
    }

    #[cfg(feature = "gcp")]
    pub(crate) fn json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, json.clone()), (ACCEPT, json)].into_iter().collect();
        let (method, body) = (Method::POST, body.to_string().into());
        Self { method, url: url.into(), headers, body, within: None }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }
}

impl Http {
    pub(crate) fn new(route: Route) -> Self {
        Self { limit: CALL_LIMIT, route, dialers: Mutex::default() }
    }

    /// Sends one call and reads the whole answer. `whom` names the other side in errors.
    pub(crate) async fn send(&self, whom: &str, ask: Ask) -> Result<Answer, CloudError> {
        let setup = || CloudError::setup(format!("`{}` is not a URL of {whom}", bare(&ask.url)));
        let uri: Uri = ask.url.parse().map_err(|_| setup())?;
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let origin = bare_origin(&uri).ok_or_else(setup)?;
        let at_fault = |why: &str| CloudError::unreachable(format!("{whom} at {origin}: {why}"));
        let dialer = self.dialer(&origin).map_err(|why| {
            CloudError::setup(format!("{whom} at {origin} can't be reached: {why}"))
        })?;
        let client = Client::new(dialer, 0);
        let call = Call { method: ask.method, path, headers: ask.headers, body: ask.body.into() };
        let exchange = async {
            let reply = client.send(call).await.map_err(|err| at_fault(&err.to_string()))?;
            let (parts, body) = reply.into_parts();
            let whole = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = whole.map_err(|_| at_fault("its answer broke off or was too long"))?;
            Ok(Answer { status: parts.status, head: parts.headers, body: body.to_bytes() })
        };
        let limit = ask.within.unwrap_or(self.limit).min(self.limit);
        timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(at_fault(&format!("no answer within {} s", limit.as_secs_f32())))
        })
    }

    fn dialer(&self, origin: &str) -> Result<Arc<Dialer>, String> {
        let mut dialers = self.dialers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dialer) = dialers.get(origin) {
            return Ok(dialer.clone());
        }
        let uri: Uri = origin.parse().map_err(|_| "not a URL".to_owned())?;
        let far = !is_nearby(uri.host().unwrap_or_default());
        let mut settings = Settings::new(uri);
        settings.proxy = self.route.proxy.clone().filter(|_| far);
        settings.ca_file.clone_from(&self.route.ca_file);
        let dialer = Arc::new(Dialer::new(settings).map_err(|err| err.to_string())?);
        dialers.insert(origin.to_owned(), dialer.clone());
        Ok(dialer)
    }
}

/// Scheme and authority, without the user information that nobody should have put there.
fn bare_origin(uri: &Uri) -> Option<String> {
    let host = uri.authority()?.as_str().rsplit('@').next()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(())?;
    Some(format!("{}://{host}", uri.scheme_str()?))
}

/// A URL without what may be secret in it.
fn bare(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form_encoded(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        encode_into(&mut form, name);
        form.push('=');
        encode_into(&mut form, value);
    }
    form
}

fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_carry_any_text() {
        let form = form_encoded(&[("scope", "https://a/.default b"), ("x", "ä+&=~")]);
        assert_eq!(form, "scope=https%3A%2F%2Fa%2F.default%20b&x=%C3%A4%2B%26%3D~");
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_not_waited_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/secret?secret", listener.local_addr().expect("an address"));
        let http = Http { limit: Duration::from_millis(20), ..Http::new(Route::default()) };
        let fault = http.send("it", Ask::get(&url)).await.expect_err("no answer");
        assert!(fault.is_transient());
        assert!(fault.to_string().ends_with(": no answer within 0.02 s"), "{fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }

    #[test]
    fn what_is_sent_and_got_is_not_shown() {
        let ask = Ask::form("http://h/token?shh", &[("client_secret", "shh")])
            .header(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer shh"));
        assert_eq!(format!("{ask:?}"), r#"Ask { method: POST, url: "http://h/token", .. }"#);
        let (status, head) = (StatusCode::OK, ask.headers);
        let answer = Answer { status, head, body: Bytes::from_static(b"shh") };
        assert_eq!(format!("{answer:?}"), "Answer { status: 200, .. }");
    }

    #[test]
    fn origins_show_no_user_information() {
        let origin = |url: &str| bare_origin(&url.parse().expect("a URL"));
        assert_eq!(origin("https://u:p@host:1/x?y"), Some("https://host:1".to_owned()));
        assert_eq!(origin("/path"), None);
        assert_eq!(origin("ftp://host/"), None);
    }
}
