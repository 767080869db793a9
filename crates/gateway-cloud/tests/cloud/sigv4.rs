//! Checks signatures by AWS's description of them, without the crate that makes them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

/// What was signed, if the signature is right.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) key_id: String,
    /// `date/region/service/aws4_request`.
    pub(crate) scope: String,
    pub(crate) headers: Vec<String>,
}

/// Checks a request as it arrives: its method, `host` header, target and headers.
pub(crate) fn verify(
    method: &str,
    (host, target): (&str, &str),
    headers: &HeaderMap,
    body: &[u8],
    secret: &str,
) -> Result<Signed, String> {
    let text = |name: &str| {
        if name == "host" {
            return Ok(host.to_owned());
        }
        let values: Vec<_> =
            headers.get_all(name).iter().map(|it| it.to_str().expect("ASCII")).collect();
        if values.is_empty() { Err(format!("no header {name}")) } else { Ok(values.join(",")) }
    };
    let authorization = text("authorization")?;
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let part = |name: &str| {
        let mut parts = rest.split(", ");
        parts.find_map(|it| it.strip_prefix(name)?.strip_prefix('=')).ok_or(format!("no {name}"))
    };
    let (key_id, scope) = part("Credential")?.split_once('/').ok_or("no scope")?;
    let names: Vec<_> = part("SignedHeaders")?.split(';').map(str::to_owned).collect();
    if !names.is_sorted() {
        return Err("the signed headers are not in order".to_owned());
    }
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name.starts_with("x-amz-") && !names.iter().any(|it| it == name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // The path as it was sent is encoded once more.
    let path = encoded(path);
    let mut query: Vec<_> = query.split('&').filter(|it| !it.is_empty()).collect();
    query.sort_unstable();
    let query: Vec<_> = query
        .iter()
        .map(|it| if it.contains('=') { (*it).to_owned() } else { format!("{it}=") })
        .collect();
    let mut canonical = format!("{method}\n{path}\n{}\n", query.join("&"));
    for name in &names {
        let value = text(name)?;
        let squeezed: Vec<_> = value.split_ascii_whitespace().collect();
        canonical.push_str(&format!("{name}:{}\n", squeezed.join(" ")));
    }
    canonical.push_str(&format!("\n{}\n{}", names.join(";"), hex(&Sha256::digest(body))));
    let date = text("x-amz-date")?;
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part.as_bytes());
    }
    if !scope.starts_with(&date[..8]) || hex(&mac(&key, text.as_bytes())) != part("Signature")? {
        return Err(format!("the signature does not match; expected for:\n{canonical}"));
    }
    Ok(Signed { key_id: key_id.to_owned(), scope: scope.to_owned(), headers: names })
}

fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// The verifier itself is held against a vector that AWS publishes.
#[test]
fn the_verifier_accepts_a_published_signature_and_no_other() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-date", "20150830T123600Z".parse().expect("a value"));
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    headers.insert("authorization", authorization.parse().expect("a value"));
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let check = |target: &str, secret: &str| {
        verify("GET", ("example.amazonaws.com", target), &headers, b"", secret)
    };
    check("/", secret).expect("the published signature");
    check("/x", secret).expect_err("another path");
    check("/", "another").expect_err("another secret");
}
