//! The signed statement by which a service account asks for a token.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::file::ServiceAccount;

/// The longest life that Google accepts, in seconds.
const LIFE_S: u64 = 3600;

/// The statement, good for an hour; the error says what is wrong with the key.
pub(crate) fn assertion(
    account: &ServiceAccount,
    scope: &str,
    now: SystemTime,
) -> Result<String, String> {
    let der = PrivateKeyDer::from_pem_slice(account.key.expose_secret().as_bytes())
        .map_err(|_| "its private_key is not a key in PEM form")?;
    let key = any_supported_type(&der).map_err(|_| "its private_key can't be used")?;
    let signer = key
        .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
        .ok_or("its private_key is not an RSA key")?;
    let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = &account.key_id {
        header["kid"] = id.as_str().into();
    }
    let claims = json!({
        "iss": account.email,
        "aud": account.token_uri,
        "scope": scope,
        "iat": issued,
        "exp": issued + LIFE_S,
    });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = signer.sign(signed.as_bytes()).map_err(|_| "its private_key can't sign")?;
    Ok(format!("{signed}.{}", encode(&signature)))
}
