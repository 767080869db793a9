//! Connections to upstreams.
//!
//! A [`Dialer`] knows how one upstream is reached (TLS, proxy, roots, time limits) and can be shared;
//! a [`Client`] keeps a pool of connections on top of it and sends one attempt at a time: a request
//! in, a reply with a streaming [`Body`] out. It never retries what may have reached the upstream,
//! never follows redirects and reads no dialect.
//!
//! This crate does network I/O and needs a tokio runtime.
//!
//! ```no_run
//! use gateway_upstream::{Call, Client, Dialer, Settings};
//! use http::{HeaderMap, Method};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::new(Settings::new("https://api.anthropic.com".parse()?))?;
//! let client = Client::new(dialer.into(), 4);
//! let call = Call {
//!     method: Method::GET,
//!     path: "/v1/models".parse()?,
//!     headers: HeaderMap::new(),
//!     body: Default::default(),
//! };
//! let reply = client.send(call).await?;
//! println!("{}", reply.status());
//! # Ok(())
//! # }
//! ```

mod body;
mod client;
mod decode;
mod dial;
mod error;
mod pool;
mod tls;

pub use body::{Body, Outgoing};
pub use client::{Call, Client, Reply};
pub use decode::{Decoded, Encoding, UnknownEncoding, decode};
pub use dial::{Dialer, Protocol, Settings, SetupError, is_nearby};
pub use error::{BoxError, Error, Phase};
