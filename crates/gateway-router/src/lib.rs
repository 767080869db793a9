//! Which provider serves a model name, and what that model is called upstream.
//!
//! A [`Table`] is compiled once from [`ProviderSpec`]s and [`RuleSpec`]s; [`Table::decide`] answers
//! each request with one glob-set match, [`Table::explain`] says the same and why, rule by rule.
//! Pure: no I/O, no clock, no configuration types. Conditions, strategies and fallbacks are to grow
//! on [`Query`] (more facts) and [`Plan`] (more than one step); today a plan has one provider.
//!
//! ```
//! use gateway_router::{ProviderSpec, Query, RuleSpec, Table, Winner};
//!
//! let table = Table::build(
//!     vec![ProviderSpec::new("anthropic"), ProviderSpec::new("backup")],
//!     vec![RuleSpec::new("claude-haiku-*", "backup").with_model("claude-haiku-4-5")],
//!     Some("anthropic"),
//! )?;
//!
//! let haiku = table.decide(&Query::model("claude-haiku-4-5-20251001"))?;
//! assert_eq!((haiku.provider, &*haiku.upstream_model), (1, "claude-haiku-4-5"));
//!
//! let opus = table.explain(&Query::model("claude-opus-4-6[1m]"))?;
//! assert_eq!(opus.provider_name, "anthropic");
//! assert_eq!(opus.upstream_model, "claude-opus-4-6");
//! assert_eq!(opus.explanation.winner, Winner::DefaultProvider);
//! assert_eq!(opus.explanation.rejected.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod chain;
mod explain;
mod matching;
mod name;
mod pattern;
mod plan;
mod provider;
mod query;
mod rule;
mod shadow;
mod spec;
mod strategy;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod why;

pub use build::BuildError;
pub use explain::{Asked, Copied, Explained, Explanation, Link, Rejected, Share, Shares};
pub use name::{Family, Naming, family_of, strip_long_context, without_date};
pub use pattern::{PatternError, Patterns, check_pattern};
pub use plan::{Decision, MirrorTo, NoRoute, Plan, Reason, Router, Step, Winner};
pub use provider::ProviderSpec;
pub use query::{Facts, Headers, Needs, NoHeaders, Query};
pub use rule::RuleSpec;
pub use shadow::unreachable;
pub use spec::{Agent, Mirror, RuleKind, Sticky, Strategy, Target, When};
pub use table::Table;
pub use view::{Calm, View};
