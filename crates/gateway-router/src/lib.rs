//! Which providers are asked for a request, one after the other, and what the model is called at each.
//!
//! A [`Table`] is compiled once from [`ProviderSpec`]s and [`RuleSpec`]s. [`Router::plan`] makes of a [`Query`] and a
//! [`View`] of the moment a [`Plan`]; only rules that match are looked at. [`Table::explain`] says the same with
//! every reason, [`Table::decide`] only the first step, [`unreachable()`] which rules never decide. Pure: no I/O,
//! no clock, no chance of its own, no configuration types.
//!
//! Reading order: `spec` and `rule` (what can be said), `query` and `view` (what is looked at), `table` (what decides),
//! `matching`, `chain` and `strategy` (how), `explain` and `why` (in words).
//!
//! ```
//! use gateway_router::{Calm, ProviderSpec, Query, Router, RuleSpec, Table, Winner};
//!
//! let table = Table::build(
//!     ["anthropic", "backup", "spare"].map(ProviderSpec::new).into(),
//!     vec![RuleSpec::new("claude-haiku-*", "backup").with_model("small").with_fallbacks(["spare"])],
//!     Some("anthropic"),
//! )?;
//!
//! let haiku = Query::model("claude-haiku-4-5-20251001[1m]");
//! let plan = table.plan(&haiku, &Calm)?;
//! let chain: Vec<_> = plan.steps.iter().map(|step| (step.provider, &*step.model)).collect();
//! assert_eq!(chain, [(1, "small"), (2, "claude-haiku-4-5-20251001")]);
//!
//! let opus = table.explain(&Query::model("claude-opus-4-6[1m]"))?;
//! assert_eq!(opus.provider_name, "anthropic");
//! assert_eq!(opus.explanation.winner, Winner::DefaultProvider);
//! assert_eq!(opus.explanation.rejected[0].why, "`claude-haiku-*` does not match `claude-opus-4-6`");
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
