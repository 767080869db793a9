//! Why an attempt failed on the wire.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// Any error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// How far an attempt had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The name did not resolve, or no connection was made.
    Connect,
    /// Connecting, TLS and proxy included, took longer than allowed.
    ConnectTimeout,
    /// The proxy refused or broke the tunnel.
    Proxy,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke while the request was being sent or before a reply came.
    Exchange,
    /// The connection broke in the middle of the reply.
    Reply,
}

/// A failed attempt. `Display` is safe to show to a caller; the details are in the source chain.
pub struct Error {
    phase: Phase,
    source: Option<BoxError>,
}

impl Error {
    pub(crate) fn new(phase: Phase, source: impl Into<BoxError>) -> Self {
        Self { phase, source: Some(source.into()) }
    }

    pub(crate) fn bare(phase: Phase) -> Self {
        Self { phase, source: None }
    }

    /// How far the attempt had come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the request can not have reached the upstream.
    pub fn is_before_send(&self) -> bool {
        matches!(self.phase, Phase::Connect | Phase::ConnectTimeout | Phase::Proxy | Phase::Tls)
    }

    /// Whether a time limit ended the attempt.
    pub fn is_timeout(&self) -> bool {
        self.phase == Phase::ConnectTimeout
    }

    fn io_kind(&self) -> Option<io::ErrorKind> {
        let mut next: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(err) = next {
            if let Some(io) = err.downcast_ref::<io::Error>() {
                if let Some(inner) = io.get_ref().and_then(|i| i.downcast_ref::<io::Error>()) {
                    return Some(inner.kind());
                }
                return Some(io.kind());
            }
            next = err.source();
        }
        None
    }

    fn is_dns(&self) -> bool {
        let mut next: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(err) = next {
            if err.to_string().starts_with("dns error") {
                return true;
            }
            next = err.source();
        }
        false
    }

    fn certificate_fault(&self) -> Option<&rustls::CertificateError> {
        let mut next: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(err) = next {
            let inner = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let found = err
                .downcast_ref::<rustls::Error>()
                .or_else(|| inner.and_then(|i| i.downcast_ref::<rustls::Error>()));
            if let Some(rustls::Error::InvalidCertificate(fault)) = found {
                return Some(fault);
            }
            next = err.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.phase, self.io_kind()) {
            (Phase::Connect, _) if self.is_dns() => f.write_str("its name does not resolve"),
            (Phase::Connect, Some(io::ErrorKind::ConnectionRefused)) => {
                f.write_str("connection refused")
            }
            (Phase::Connect, Some(kind)) => write!(f, "no connection: {kind}"),
            (Phase::Connect, None) => f.write_str("no connection"),
            (Phase::ConnectTimeout, _) => f.write_str("connecting took too long"),
            (Phase::Proxy, _) => f.write_str("the proxy made no tunnel"),
            (Phase::Tls, _) => match self.certificate_fault() {
                Some(fault) => write!(f, "its TLS certificate is not trusted ({fault})"),
                None => f.write_str("the TLS handshake failed"),
            },
            (Phase::Exchange, Some(io::ErrorKind::ConnectionReset)) => {
                f.write_str("connection reset before a reply came")
            }
            (Phase::Exchange, _) => f.write_str("the connection ended before a reply came"),
            (Phase::Reply, _) => f.write_str("the connection broke in the middle of the reply"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("phase", &self.phase).field("source", &self.source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}
