//! The gateway's configuration: `gateway.yaml`, `.env`, environment and options into checked values.
//!
//! [`load`] reads everything from a [`Sources`] value and gives a [`Loaded`] configuration, or every
//! fault at once, each with file, line, column and what to do about it. The crate reads files; it never
//! looks at the process' own environment, opens no socket and knows nothing of the server.
//!
//! ```
//! use gateway_config::{Sources, load};
//!
//! let dir = std::env::temp_dir();
//! let mut sources = Sources::empty(&dir);
//! sources.env.insert("ANTHROPIC_API_KEY".into(), "sk-ant-example".into());
//! sources.overrides.set("server.port", "9000", "--port");
//!
//! let loaded = load(&sources)?;
//! assert_eq!(loaded.config.server.port, 9000);
//! assert_eq!(loaded.config.default_provider.as_deref(), Some("anthropic"));
//! assert!(!format!("{loaded:?}").contains("sk-ant-example"));
//! # Ok::<(), gateway_config::Diagnostics>(())
//! ```

mod auth;
mod aws;
mod azure;
mod base;
mod check;
mod claudes;
mod clients;
mod compat;
mod diag;
mod dotenv;
mod expand;
mod extra;
mod google;
mod init;
mod keys;
mod layers;
mod limits;
mod load;
mod locate;
mod mapping;
mod model;
mod models;
mod places;
mod pool;
mod predecessor;
mod providers;
mod quirks;
mod read;
mod resilience;
mod routing;
mod rules;
mod settings;
mod shape;
mod show;
mod source;
mod sources;
mod tree;
mod vendor;
mod zero;

#[cfg(test)]
mod tests;

pub use compat::{
    ANTHROPIC_PRESETS, Api, CacheControl, Compat, Documents, EFFORTS, Images, MaxTokensField,
    OutputConfig, PRESETS, ReasoningContent, ReasoningIn, ReasoningOut, SystemRole, Thinking,
    ToolChoice, UserField,
};
pub use diag::{Colour, Diagnostic, Diagnostics, Severity};
pub use extra::BEDROCK_FAMILIES;
pub use init::{Existing, InitError, TEMPLATE, init};
pub use load::{Loaded, load};
pub use model::{
    Auth, AwsCredentials, AwsKeys, BedrockApi, Changes, Client, Config, Effective,
    EntraCredentials, Extra, GoogleCredentials, Kind, LogLevel, ModelFacts, Origin, PoolKey, Price,
    Provider, ProxyUrl, Route, Server, Timeouts, Tls,
};
pub use sources::{Overrides, Sources};
