//! The TLS side of a connection.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::SetupError;

/// A client configuration that trusts the platform's roots and those of `ca_file`, and offers
/// HTTP/2 before HTTP/1.1.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let extra = ca_file.map(read_roots).transpose()?.unwrap_or_default();
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider.clone())
            .map_err(|fault| SetupError::Roots(fault.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| SetupError::Roots(fault.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let fault = |why: String| SetupError::CaFile { path: path.to_owned(), why };
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|err| fault(err.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|err| fault(err.to_string()))?;
    if roots.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(roots) }
}
