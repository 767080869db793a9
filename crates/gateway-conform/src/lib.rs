//! Drives an endpoint that speaks the Anthropic Messages API with recorded client traffic and hard
//! cases, and says what it gets wrong.
//!
//! A [`Case`] is data: what is asked, and judges, pure functions over what came. [`run`] does the I/O
//! and needs a tokio runtime; everything else is pure. The crate reads replies with code of its own: a
//! ruler must not be cut from the cloth it measures.
//!
//! ```no_run
//! use gateway_conform::{Setting, Target, cases, run};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::new("http://127.0.0.1:8080")?.key("sk-…")?;
//! let setting = Setting { model: "claude-sonnet-4-6".to_owned() };
//! let report = run(&target, &setting, &cases(), |told| println!("{}", told.line())).await?;
//! println!("{}", report.summary_line());
//! # Ok(())
//! # }
//! ```

mod case;
mod cases;
mod drive;
mod exchange;
mod finding;
mod glob;
pub mod judge;
mod recorded;
mod report;
mod samples;
mod stream;
mod target;

pub use case::Case;
pub use cases::cases;
pub use drive::{Trouble, requests, run};
pub use exchange::{Ask, Auth, Chunk, End, Exchange, Reply, Setting};
pub use finding::{Finding, Judgement, Severity, Verdict};
pub use glob::matches;
pub use report::{Report, Told};
pub use stream::{Frame, Stream};
pub use target::{Credential, Target, TargetError};
