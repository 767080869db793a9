//! How one upstream is reached.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service as _;

use crate::error::{Error, Phase};
use crate::tls;

/// How an upstream is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and port. A path is ignored: calls bring their own.
    pub origin: Uri,
    /// The longest time for name, connection, proxy and TLS together.
    pub connect_timeout: Duration,
    /// A proxy for this upstream (`http://`, `socks5://`, `socks5h://`); without one
    /// the environment's `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` decide, but for
    /// upstreams on this machine and the metadata services of its network.
    pub proxy: Option<Uri>,
    /// A PEM file with roots to trust besides the platform's.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// Settings with a connect limit of 10 s, the environment's proxy and the platform's roots.
    pub fn new(origin: Uri) -> Self {
        Self { origin, connect_timeout: Duration::from_secs(10), proxy: None, ca_file: None }
    }
}

/// Why an upstream can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The origin is not `http://host` or `https://host`.
    #[error("`{0}` is not an http or https URL with a host")]
    Origin(Uri),
    /// The proxy URL can't be used.
    #[error("`{0}` is not a proxy URL: use http://, socks5:// or socks5h://")]
    Proxy(Uri),
    /// The CA file can't be read.
    #[error("ca_file {}: {why}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No TLS roots.
    #[error("no TLS roots could be loaded: {0}")]
    Roots(String),
}

/// Makes connections to one upstream. Cheap to share between pools.
#[derive(Debug)]
pub struct Dialer {
    settings: Settings,
    secure: bool,
    /// Scheme and authority only, with the port written out where a proxy needs it.
    origin: Uri,
    host_header: HeaderValue,
    tls: OnceLock<Arc<ClientConfig>>,
    matcher: Matcher,
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, chosen by ALPN.
    Http2,
}

/// A connected transport.
pub(crate) enum Dialed {
    Plain { io: TcpStream, absolute_form: Option<ProxyAuth> },
    Tls { io: Box<TlsStream<TcpStream>>, protocol: Protocol },
}

/// The credential of a forward proxy that wants one.
pub(crate) type ProxyAuth = Option<HeaderValue>;

impl Dialer {
    /// Checks the settings. TLS roots are read when the first connection needs them, so that a
    /// gateway with plain upstreams starts without them; a `ca_file` is read here.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let fault = || SetupError::Origin(settings.origin.clone());
        let secure = match settings.origin.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(fault()),
        };
        let authority = settings.origin.authority().ok_or_else(fault)?.clone();
        let origin = Uri::builder()
            .scheme(if secure { "https" } else { "http" })
            .authority(authority.clone())
            .path_and_query("/")
            .build()
            .map_err(|_| fault())?;
        // Userinfo in a URL is no part of the host.
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host_header = HeaderValue::from_str(host).map_err(|_| fault())?;
        let matcher = match &settings.proxy {
            Some(proxy) => {
                let known = matches!(proxy.scheme_str(), Some("http" | "socks5" | "socks5h"));
                if !known || proxy.host().is_none() {
                    return Err(SetupError::Proxy(proxy.clone()));
                }
                Matcher::builder().all(proxy.to_string()).build()
            }
            // No proxy leads to this machine or to the services of its link, though environments
            // seldom say so in NO_PROXY.
            None if is_nearby(settings.origin.host().unwrap_or_default()) => {
                Matcher::builder().build()
            }
            None => Matcher::from_env(),
        };
        let tls = OnceLock::new();
        if settings.ca_file.is_some() {
            let config = tls::client_config(settings.ca_file.as_deref())?;
            let _ = tls.set(Arc::new(config));
        }
        Ok(Self { settings, secure, origin, host_header, tls, matcher })
    }

    /// The value of the `host` header.
    pub fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    /// Scheme and authority, with the path `/`.
    pub fn origin(&self) -> &Uri {
        &self.origin
    }

    /// The longest time that connecting may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.settings.connect_timeout
    }

    /// Whether connections are encrypted, so that the protocol is not known before one is made.
    pub(crate) fn negotiates(&self) -> bool {
        self.secure
    }

    /// Makes one connection within the connect limit.
    pub(crate) async fn dial(&self) -> Result<Dialed, Error> {
        tokio::time::timeout(self.settings.connect_timeout, self.dial_unbounded())
            .await
            .unwrap_or_else(|_| Err(Error::bare(Phase::ConnectTimeout)))
    }

    async fn dial_unbounded(&self) -> Result<Dialed, Error> {
        let proxy = self.matcher.intercept(&self.origin);
        if let Some(proxy) = &proxy
            && !matches!(proxy.uri().scheme_str(), Some("http" | "socks5" | "socks5h") | None)
        {
            let text =
                format!("a proxy of the kind {:?} is not supported", proxy.uri().scheme_str());
            return Err(Error::new(Phase::Proxy, text));
        }
        let forward = matches!(&proxy, Some(p) if !self.secure && is_http(p.uri()));
        let io = match &proxy {
            None => self.connect(self.origin.clone(), Phase::Connect).await?,
            // A forward proxy gets plain requests in absolute form instead of a tunnel.
            Some(proxy) if forward => self.connect(proxy.uri().clone(), Phase::Proxy).await?,
            Some(proxy) => self.tunnel(proxy).await?,
        };
        if !self.secure {
            let absolute_form = forward.then(|| proxy.and_then(|p| p.basic_auth().cloned()));
            return Ok(Dialed::Plain { io, absolute_form });
        }
        let host = self.origin.host().unwrap_or_default();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|err| Error::new(Phase::Tls, err))?;
        let connector = TlsConnector::from(self.tls_config()?);
        let io = connector.connect(name, io).await.map_err(|err| Error::new(Phase::Tls, err))?;
        let protocol = match io.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok(Dialed::Tls { io: Box::new(io), protocol })
    }

    async fn tunnel(&self, proxy: &Intercept) -> Result<TcpStream, Error> {
        let mut target = self.origin.clone().into_parts();
        // A tunnel needs the port, which a URL may leave out.
        let port = self.origin.port_u16().unwrap_or(if self.secure { 443 } else { 80 });
        let host = self.origin.host().unwrap_or_default();
        target.authority = format!("{host}:{port}").parse().ok();
        let target = Uri::from_parts(target).map_err(|err| Error::new(Phase::Proxy, err))?;
        let fault = |err: Box<dyn std::error::Error + Send + Sync>| Error::new(Phase::Proxy, err);
        let io = if is_http(proxy.uri()) {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), connector());
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(target).await.map_err(|err| fault(err.into()))?
        } else {
            let local_dns = proxy.uri().scheme_str() == Some("socks5");
            let mut socks = SocksV5::new(proxy.uri().clone(), connector()).local_dns(local_dns);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(|err| fault(err.into()))?
        };
        Ok(io.into_inner())
    }

    async fn connect(&self, to: Uri, phase: Phase) -> Result<TcpStream, Error> {
        let io: TokioIo<TcpStream> =
            connector().call(to).await.map_err(|err| Error::new(phase, err))?;
        Ok(io.into_inner())
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = tls::client_config(None).map_err(|err| Error::new(Phase::Tls, err))?;
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

/// Whether a host is this machine, or what gives it its credentials: metadata services have addresses of the link,
/// but for one name of Google's and two addresses of AWS's, and speak for whoever connects to them.
pub fn is_nearby(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    if host.eq_ignore_ascii_case("localhost") || host == "metadata.google.internal" {
        return true;
    }
    match host.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0xec2]
        }
        Err(_) => false,
    }
}

fn is_http(proxy: &Uri) -> bool {
    matches!(proxy.scheme_str(), Some("http") | None)
}

/// A connector with the socket options every upstream connection has: without `TCP_NODELAY` a lone
/// event waits 40 ms for the peer's delayed acknowledgement; keepalive finds peers that vanished.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(30)));
    connector.set_keepalive_interval(Some(Duration::from_secs(15)));
    connector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_origin_or_proxy_is_refused_with_the_remedy() {
        for bad in ["/v1", "ftp://host", "host:80"] {
            let settings = Settings::new(bad.parse().expect("a URI"));
            assert!(matches!(Dialer::new(settings), Err(SetupError::Origin(_))), "{bad}");
        }
        let mut settings = Settings::new("http://host".parse().expect("a URI"));
        settings.proxy = Some("ftp://proxy".parse().expect("a URI"));
        let fault = Dialer::new(settings).expect_err("not a proxy");
        assert!(fault.to_string().contains("socks5://"), "{fault}");
    }

    #[test]
    fn metadata_services_are_as_near_as_this_machine() {
        for near in [
            "localhost",
            "127.8.0.1",
            "[::1]",
            "169.254.169.254",
            "169.254.170.2",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "metadata.google.internal",
        ] {
            assert!(is_nearby(near), "{near}");
        }
        for far in ["example.com", "10.0.0.1", "[fd00:1::1]", "169.253.0.1", "internal"] {
            assert!(!is_nearby(far), "{far}");
        }
    }

    #[test]
    fn userinfo_never_reaches_the_host_header() {
        let dialer = Dialer::new(Settings::new("http://u:p@host:8080/v1".parse().expect("a URI")));
        assert_eq!(dialer.expect("valid").host_header(), "host:8080");
    }
}
