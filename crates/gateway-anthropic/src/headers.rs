//! Which header goes which way between an Anthropic client and an Anthropic-shaped upstream.
//!
//! The lists are of what is dropped, never of what is let through: Anthropic's header set is open
//! (contract C5), and an allow-list would break the next client.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

/// `x-api-key`.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// `anthropic-version`.
pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// `anthropic-beta`: a list, which may come in several headers.
pub const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// `request-id`: the upstream's own id of an exchange.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// `x-should-retry`: overrides what the client does by status.
pub const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

// Names are matched in one pass over those that are there: looking each one up would cost more
// than all the rest of a small request's headers.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Prepares a caller's headers for an upstream, in place: hop-by-hop ones, `host`, cookies,
/// credentials and `x-gateway-*` go; what is left (`anthropic-beta`, `anthropic-version` and all
/// that is unknown) stays exactly as it came, repeated headers included.
///
/// `accept-encoding`, `content-length` and `expect` go too: the gateway speaks for itself there.
pub fn towards_upstream(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    drop_matching(headers, |name| {
        is_hop_by_hop(name)
            || matches!(
                name,
                "host"
                    | "cookie"
                    | "authorization"
                    | "x-api-key"
                    | "accept-encoding"
                    | "content-length"
                    | "expect"
            )
            || name.starts_with("x-gateway-")
    });
}

/// Whose rate limits and organisation an upstream's reply headers speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The gateway's own key was used: its limits are no business of the caller.
    Gateway,
    /// The caller's own login was passed on.
    Caller,
}

/// Prepares an upstream's reply headers for the caller, in place: hop-by-hop ones, `set-cookie`,
/// `alt-svc`, organisation ids and anything in our own namespace go, and with the gateway's own
/// credential the rate-limit headers (`retry-after` stays).
pub fn towards_caller(headers: &mut HeaderMap, credential: Credential) {
    drop_named_by_connection(headers);
    drop_matching(headers, |name| {
        is_hop_by_hop(name)
            || name == "set-cookie"
            || name == "alt-svc"
            || name == "anthropic-organization-id"
            || name == "openai-organization"
            || name.starts_with("x-gateway-")
            || (credential == Credential::Gateway
                && (name.starts_with("anthropic-ratelimit-") || name.starts_with("x-ratelimit-")))
    });
}

/// Everything that `anthropic-beta` lists, joined by commas.
pub fn betas(headers: &HeaderMap) -> String {
    let values = headers.get_all(ANTHROPIC_BETA).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// Puts another list in the place of `anthropic-beta`; without any there is no header. Only for a
/// list that changed: one that did not goes up exactly as it came (behaviour R20).
pub fn set_betas(headers: &mut HeaderMap, betas: &[String]) {
    headers.remove(ANTHROPIC_BETA);
    // What was read from a header can be written to one.
    if let (false, Ok(value)) = (betas.is_empty(), HeaderValue::try_from(betas.join(","))) {
        headers.insert(ANTHROPIC_BETA, value);
    }
}

/// What `connection` names is hop-by-hop as well (RFC 9110 §7.6.1).
fn drop_named_by_connection(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
}

fn drop_matching(headers: &mut HeaderMap, drop: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|n| drop(n.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn c05_betas_and_unknown_headers_go_up_exactly_as_they_came() {
        let mut headers = map(&[
            ("anthropic-beta", "a-2026-01-01,b"),
            ("anthropic-beta", "c"),
            ("anthropic-version", "2026-10-21"),
            ("x-claude-code-session-id", "s"),
            ("anthropic-workspace-id", "w"),
            ("x-never-heard-of", "1"),
            ("authorization", "Bearer caller"),
            ("x-api-key", "caller"),
            ("cookie", "c=1"),
            ("host", "gateway"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("x-gateway-provider", "p"),
            ("accept-encoding", "br"),
        ]);
        towards_upstream(&mut headers);
        let kept = map(&[
            ("anthropic-beta", "a-2026-01-01,b"),
            ("anthropic-beta", "c"),
            ("anthropic-version", "2026-10-21"),
            ("x-claude-code-session-id", "s"),
            ("anthropic-workspace-id", "w"),
            ("x-never-heard-of", "1"),
        ]);
        assert_eq!(headers, kept);
    }

    #[test]
    fn r38_what_is_said_of_a_repetition_passes_and_limits_only_with_the_callers_key() {
        let reply = map(&[
            ("request-id", "req_1"),
            ("retry-after", "3"),
            ("retry-after-ms", "2500"),
            ("x-should-retry", "false"),
            ("anthropic-ratelimit-requests-remaining", "1"),
            ("anthropic-organization-id", "org"),
            ("set-cookie", "c=1"),
            ("alt-svc", "h3"),
        ]);
        let mut ours = reply.clone();
        towards_caller(&mut ours, Credential::Gateway);
        assert_eq!(
            ours,
            map(&[
                ("request-id", "req_1"),
                ("retry-after", "3"),
                ("retry-after-ms", "2500"),
                ("x-should-retry", "false"),
            ])
        );
        let mut theirs = reply;
        towards_caller(&mut theirs, Credential::Caller);
        assert!(theirs.contains_key("anthropic-ratelimit-requests-remaining"));
        assert!(!theirs.contains_key("anthropic-organization-id"));
    }

    #[test]
    fn r20_a_changed_list_of_betas_is_one_header() {
        let mut headers = map(&[("anthropic-beta", "a,b"), ("x", "1"), ("anthropic-beta", "c")]);
        assert_eq!(betas(&headers), "a,b,c");
        set_betas(&mut headers, &["a".to_owned(), "c".to_owned()]);
        assert_eq!(headers, map(&[("anthropic-beta", "a,c"), ("x", "1")]));
        set_betas(&mut headers, &[]);
        assert_eq!(headers, map(&[("x", "1")]));
    }
}
