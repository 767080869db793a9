//! Signatures, version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_v4};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use sha2::{Digest as _, Sha256};

use crate::Unsigned;
use crate::error::CloudError;

/// Where a signature is good.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// What earlier signing left, and what is written anew.
const WRITTEN: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Signs a request: host, content type, everything that begins with `x-amz` and the digest of the
/// body. What proxies and the client may still change is left out.
pub(crate) fn sign(
    keys: &Keys,
    scope: &Scope<'_>,
    time: SystemTime,
    request: &Unsigned<'_>,
    headers: &mut HeaderMap,
) -> Result<(), CloudError> {
    for name in WRITTEN {
        headers.remove(name);
    }
    let host = host(request.url)?;
    let mut signed = vec![("host", host.as_str())];
    for (name, value) in &*headers {
        if is_signed(name) {
            let value = value.to_str().map_err(|_| {
                CloudError::setup(format!("AWS: the header `{name}` can only be signed in ASCII"))
            })?;
            signed.push((name.as_str(), value));
        }
    }
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|err| unsignable(&err))?;
    let body = SignableBody::Precomputed(digest(request.body));
    let signable =
        SignableRequest::new(request.method.as_str(), request.url, signed.into_iter(), body)
            .map_err(|err| unsignable(&err))?;
    let (instructions, _) =
        sign_v4(signable, &params.into()).map_err(|err| unsignable(&err))?.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|err| unsignable(&err))?;
        let mut value = HeaderValue::try_from(value).map_err(|err| unsignable(&err))?;
        value.set_sensitive(name == AUTHORIZATION || name == "x-amz-security-token");
        headers.insert(name, value);
    }
    Ok(())
}

fn is_signed(name: &HeaderName) -> bool {
    // A trace id is changed by whoever passes it on.
    name == CONTENT_TYPE || (name.as_str().starts_with("x-amz") && name != "x-amzn-trace-id")
}

/// The `host` header as the connection's client writes it: the authority as it stands in the URL.
fn host(url: &str) -> Result<String, CloudError> {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority).map(Authority::as_str);
    let host = authority.and_then(|it| it.rsplit('@').next());
    host.map(str::to_owned)
        .ok_or_else(|| CloudError::setup("AWS: what is not a whole URL can't be signed"))
}

fn digest(pieces: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

fn unsignable(err: &dyn std::error::Error) -> CloudError {
    CloudError::setup(format!("AWS: the request can't be signed: {err}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::Method;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// `get-vanilla` of AWS's published test.
    #[test]
    fn a_published_vector_is_met() {
        let keys = Keys::new("AKIDEXAMPLE", SECRET, None, None, "test");
        let scope = Scope { region: "us-east-1", service: "service" };
        let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let url = "https://example.amazonaws.com/";
        let request = Unsigned { method: &Method::GET, url, body: &[] };
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("x"));
        headers.insert("x-amz-date", HeaderValue::from_static("of the last attempt"));
        sign(&keys, &scope, time, &request, &mut headers).expect("signed");
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(
            headers[AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        assert_eq!(host("https://h:443/x").expect("a host"), "h:443");
        assert_eq!(host("http://u:p@h:80/x?y").expect("a host"), "h:80");
        host("/x").expect_err("no host");
    }
}
