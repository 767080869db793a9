//! TLS on the listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_config::Tls;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::marks;

/// The listener's TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("server.tls: {}: {why}", file.display())]
pub struct TlsError {
    file: PathBuf,
    why: String,
}

/// A digest of the files, so that a certificate that was renewed is noticed.
pub(crate) fn mark(tls: Option<&Tls>) -> u64 {
    let files = |tls: &Tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()].map(read);
    let read = tls.map(|tls| (format!("{tls:?}"), files(tls)));
    marks::digest(read)
}

fn read(file: Option<&PathBuf>) -> Option<Vec<u8>> {
    file.map(|file| marks::content(file))
}

/// A listener's TLS that offers HTTP/2 and HTTP/1.1.
pub(crate) fn listener(tls: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |file: &Path, why: &dyn std::fmt::Display| TlsError {
        file: file.to_owned(),
        why: why.to_string(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates(&tls.cert)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|err| fault(&tls.key, &err))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|err| fault(&tls.cert, &err))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(file)? {
                roots.add(root).map_err(|err| fault(file, &err))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|err| fault(file, &err))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|err| fault(&tls.key, &err))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |why: String| TlsError { file: file.to_owned(), why };
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|err| fault(err.to_string()))?;
    if found.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(found) }
}
