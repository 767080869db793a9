//! What routing answers: the chain of a request, or why there is none.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::query::{Needs, Query};
use crate::view::View;

/// Says where a request goes. [`crate::Table`] does by configured rules; an embedder may put another in its place.
pub trait Router: Send + Sync + fmt::Debug {
    /// What of [`crate::Facts`] plans depend on.
    fn needs(&self) -> Needs;

    /// The way of a request. The first step is the choice; the others are for when it fails.
    ///
    /// # Errors
    /// [`NoRoute`] says why it goes nowhere. A plan has one step at least.
    fn plan<'a>(&'a self, query: &Query<'a>, view: &dyn View) -> Result<Plan<'a>, NoRoute>;
}

/// Where a request goes, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<'a> {
    /// What decided.
    pub winner: Winner,
    /// Who is asked, one after the other; each provider once.
    pub steps: Vec<Step<'a>>,
    /// Who gets a copy for nothing.
    pub mirror: Option<MirrorTo<'a>>,
    /// The session is to be pinned to the provider that answers, under this rule ([`View::pinned`]).
    pub sticky: Option<usize>,
}

impl<'a> Plan<'a> {
    /// A plan of one step.
    pub fn alone(winner: Winner, step: Step<'a>) -> Self {
        Self { winner, steps: vec![step], mirror: None, sticky: None }
    }
}

/// One provider to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// Index into the providers.
    pub provider: usize,
    /// The name to send; borrowed unless it had to be made.
    pub model: Cow<'a, str>,
    /// Whose `set` applies: the rule's place in the configuration, from 0.
    pub rule: Option<usize>,
    /// Why it is in the chain, and there.
    pub reason: Reason,
}

impl<'a> Step<'a> {
    /// A step that no rule knows of.
    pub fn new(provider: usize, model: impl Into<Cow<'a, str>>, reason: Reason) -> Self {
        Self { provider, model: model.into(), rule: None, reason }
    }
}

/// Why a step is in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The caller's header picked it.
    Header,
    /// The name asked for names it.
    ViaName,
    /// It lists the model.
    Listed,
    /// It is `default_provider`.
    Default,
    /// The rule that decided names it.
    Rule,
    /// It is one of the rule's `fallbacks`.
    Fallback,
    /// Another rule of equal priority and pattern names it.
    Group,
    /// A later rule that matches names it.
    Later,
    /// The session is at it.
    Pinned,
    /// A router of somebody's own says so.
    Own,
}

/// What decided where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Winner {
    /// The header `x-gateway-provider` named the provider.
    Header,
    /// A rule.
    Rule {
        /// Its place in the list the table was built from, from 0.
        index: usize,
    },
    /// The name itself: `claude-via-<provider>--<model>`.
    ViaName,
    /// A provider lists the name in its `models`.
    ListedModel,
    /// Nothing else matched.
    DefaultProvider,
    /// A router that is not a [`crate::Table`].
    Own,
}

/// Who gets a copy of some requests; its answers are thrown away.
#[derive(Debug, Clone, PartialEq)]
pub struct MirrorTo<'a> {
    /// Index into the providers.
    pub provider: usize,
    /// The name to send.
    pub model: Cow<'a, str>,
    /// The share of the requests, from 0 to 100. Whoever sends throws the dice.
    pub percent: f64,
}

/// The first step of a plan, for those who need no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Index into the providers the table was built from.
    pub provider: usize,
    /// The name to send; borrowed unless it had to be made.
    pub upstream_model: Cow<'a, str>,
    /// What decided.
    pub winner: Winner,
}

/// Why a request goes nowhere. The message is fit for the caller.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing matched, and there is no default.
    #[error(
        "no provider serves the model `{model}`: no rule matches it, no provider lists it, and there is no `default_provider`"
    )]
    NotFound {
        /// The requested name.
        model: String,
    },
    /// The name is empty once its `[1m]` is gone.
    #[error("the request names no model")]
    NoModel,
    /// The picked provider does not exist.
    #[error("there is no provider `{name}`")]
    UnknownProvider {
        /// What was asked for.
        name: String,
    },
    /// The request belongs to a private provider, and another one was picked.
    #[error(
        "the model `{model}` is served by `{private}`, which is private: the request can't be sent to `{name}` instead"
    )]
    Private {
        /// The requested name.
        model: String,
        /// Who serves it.
        private: String,
        /// What was asked for.
        name: String,
    },
    /// The picked provider is switched off.
    #[error("the provider `{name}` is disabled")]
    DisabledProvider {
        /// What was asked for.
        name: String,
    },
}
