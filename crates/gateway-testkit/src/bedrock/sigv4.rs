//! Signature Version 4 from the verifier's side, from the published description of the algorithm: no
//! line is shared with any signer, so both being right is the only way to agree.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::clock::{seconds, stamp};
use super::refusal::Refusal;
use crate::Recorded;

/// A long-term key, or one of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public part.
    pub id: String,
    /// The secret part.
    pub secret: String,
    /// `x-amz-security-token` that must come with it.
    pub session: Option<String>,
    /// Whether the session has ended.
    pub expired: bool,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the client's clock may be off, in seconds.
const SKEW: i64 = 300;

/// Checks a request that has no bearer key. `now` is in seconds since 1970.
pub(crate) fn verify(
    request: &Recorded,
    keys: &[AccessKey],
    region: &str,
    now: i64,
) -> Result<(), Refusal> {
    let given = request.header("authorization").ok_or_else(Refusal::no_credential)?;
    let Some(fields) = given.strip_prefix(ALGORITHM) else {
        return Err(incomplete(format!("Unsupported Authorization type: '{given}'.")));
    };
    let field = |name: &str| {
        let mut all = fields.split(',').map(str::trim).filter_map(|field| field.split_once('='));
        all.find(|(known, _)| *known == name).map(|(_, value)| value).ok_or_else(|| {
            incomplete(format!(
                "Authorization header requires '{name}' parameter. Authorization={given}"
            ))
        })
    };
    let (credential, signed, signature) =
        (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let [id, day, of_region, service, terminator] = credential.split('/').collect::<Vec<_>>()[..]
    else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )));
    };
    let Some(date) = request.header("x-amz-date") else {
        return Err(incomplete(format!(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization={given}"
        )));
    };
    let Some(key) = keys.iter().find(|key| key.id == id) else {
        return Err(Refusal::unknown_key());
    };
    if request.header("x-amz-security-token") != key.session.as_deref() {
        return Err(Refusal::unknown_key());
    }
    if key.expired {
        return Err(Refusal::expired_token());
    }
    scope(date, day, [of_region, region], service, terminator)?;
    skew(date, now)?;
    let signed: Vec<&str> = signed.split(';').collect();
    all_signed(request, &signed)?;
    let payload = hex(&Sha256::digest(&request.body));
    if request.header("x-amz-content-sha256").is_some_and(|given| given != payload) {
        return Err(Refusal::signature(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ));
    }

    let canonical = canonical(request, &signed, &payload);
    let scope = format!("{day}/{of_region}/{service}/{terminator}");
    let hashed = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hashed}");
    let start = format!("AWS4{}", key.secret).into_bytes();
    let key = [day, of_region, service, terminator]
        .iter()
        .fold(start, |key, part| mac(&key, part.as_bytes()));
    if hex(&mac(&key, to_sign.as_bytes())) == signature {
        return Ok(());
    }
    let mut refusal = Refusal::signature(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
    refusal.extra.hint = format!("canonical request:\n{canonical}\n\nto sign:\n{to_sign}");
    Err(refusal)
}

fn incomplete(message: String) -> Refusal {
    Refusal::of(403, "IncompleteSignatureException", message)
}

fn scope(
    date: &str,
    day: &str,
    [of_region, region]: [&str; 2],
    service: &str,
    terminator: &str,
) -> Result<(), Refusal> {
    let wrong = |what: String| Err(Refusal::signature(what));
    if terminator != "aws4_request" {
        return wrong(format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
        ));
    }
    if service != "bedrock" {
        return wrong("Credential should be scoped to correct service: 'bedrock'. ".to_owned());
    }
    if of_region != region {
        return wrong(format!(
            "Credential should be scoped to a valid region, not '{of_region}'. "
        ));
    }
    let on = date.get(..8).unwrap_or_default();
    if on != day {
        return wrong(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{on}', from '{date}'."
        ));
    }
    Ok(())
}

fn skew(date: &str, now: i64) -> Result<(), Refusal> {
    let Some(signed_at) = seconds(date) else {
        return Err(incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    let (at, stamp) = (stamp(now), stamp);
    if signed_at < now - SKEW {
        let earliest = stamp(now - SKEW);
        return Err(Refusal::signature(format!(
            "Signature expired: {date} is now earlier than {earliest} ({at} - 5 min.)"
        )));
    }
    if signed_at > now + SKEW {
        let latest = stamp(now + SKEW);
        return Err(Refusal::signature(format!(
            "Signature not yet current: {date} is still later than {latest} ({at} + 5 min.)"
        )));
    }
    Ok(())
}

/// The host, and every header that says something to the service, must be signed.
fn all_signed(request: &Recorded, signed: &[&str]) -> Result<(), Refusal> {
    if !signed.contains(&"host") {
        return Err(Refusal::signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    for (name, _) in &request.headers {
        let name = name.to_ascii_lowercase();
        let says = name.starts_with("x-amz-") || name.starts_with("x-amzn-bedrock-");
        if says && !signed.contains(&name.as_str()) {
            return Err(Refusal::signature(format!(
                "There were headers present in the request which were not signed: {name}"
            )));
        }
    }
    if let Some(absent) = signed.iter().find(|name| request.header(name).is_none()) {
        return Err(Refusal::signature(format!(
            "'{absent}' is a 'SignedHeader' in the AWS Authorization and is not in the request."
        )));
    }
    let sorted = signed.is_sorted() && signed.iter().all(|name| *name == name.to_lowercase());
    if !sorted {
        return Err(Refusal::signature(
            "SignedHeaders must be in lower case and in order of their names.",
        ));
    }
    Ok(())
}

fn canonical(request: &Recorded, signed: &[&str], payload: &str) -> String {
    let mut headers = String::new();
    for name in signed {
        let values = request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let values: Vec<String> = values
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        headers.extend([name, ":", &values.join(","), "\n"]);
    }
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let (path, query, signed) = (encode(request.path()), pairs.join("&"), signed.join(";"));
    format!("{}\n{path}\n{query}\n{headers}\n{signed}\n{payload}", request.method)
}

/// Encodes a path, which is encoded already, once more.
fn encode(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests;
