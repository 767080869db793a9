//! The running gateway: the way of a request, the listener around it, and what it tells of itself.
//!
//! [`Gateway::start`] takes a checked configuration and serves until it is told to stop. Reading
//! order: `pipeline` (the way of one request), `attempt` (one upstream), `stream` (a relayed
//! stream), then the rest.
//!
//! This crate does network I/O and starts threads.
//!
//! ```
//! use gateway_config::{Sources, load};
//! use gateway_server::{Gateway, Options};
//!
//! let mut sources = Sources::empty(".");
//! sources.overrides.demo = true;
//! sources.overrides.set("server.port", "0", "--port");
//! let loaded = load(&sources).expect("the demo needs no file");
//! let gateway = Gateway::start(loaded.config, Options::default())?;
//! println!("listening on http://{}", gateway.addr());
//! gateway.stop_now();
//! # Ok::<(), gateway_server::StartError>(())
//! ```

mod access;
mod admission;
mod allowance;
mod asked;
mod attempt;
mod attempts;
mod authorized;
mod budgets;
mod checks;
mod clients;
mod credentials;
mod demo;
mod desk;
mod egress;
mod ending;
mod endpoints;
mod exchange;
mod failure;
mod feed;
mod foreign;
mod gateway;
mod gauges;
mod house;
mod intake;
mod lessons;
mod listener;
mod live;
mod log;
mod marks;
mod meter;
mod mirror;
mod pins;
mod pipeline;
mod places;
mod plan;
mod questions;
mod raw;
mod record;
mod reload;
mod reply;
mod report;
mod resume;
mod rewrites;
mod runtime;
mod seat;
mod shaped;
#[cfg(test)]
mod slow_callers;
mod stall;
mod standing;
mod stats;
mod stream;
mod tls;
mod trace;
mod translation;
mod upbody;
mod upload;
mod verdict;

pub use gateway::{Gateway, Options, StartError};
pub use log::{Log, LogFormat, LogSettings};
pub use report::ReloadReport;
pub use runtime::CompileError;
pub use stats::{ProviderSummary, Summary};
pub use tls::TlsError;
