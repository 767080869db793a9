//! A plan with its reasons, for people. What it says is the plan itself; why a rule did not decide is found
//! with a matcher of its own, rule by rule, so that a property test can hold it against the automata.

use std::fmt;

use serde::Serialize;

use crate::chain::Sharing;
use crate::name::strip_long_context;
use crate::plan::{NoRoute, Plan, Reason, Router, Step, Winner};
use crate::query::Query;
use crate::spec::{Sticky, Strategy};
use crate::table::{Table, is_via};
use crate::view::{Calm, View};

/// A decided way and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Index into the providers the table was built from: the first that is asked.
    pub provider: usize,
    /// That provider's name.
    pub provider_name: String,
    /// The name sent to it.
    pub upstream_model: String,
    /// Who is asked, one after the other.
    pub chain: Vec<Link>,
    /// Who gets a copy of some requests.
    pub mirror: Option<Copied>,
    /// Why.
    pub explanation: Explanation,
}

/// A step of the chain, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The provider's name.
    pub provider: String,
    /// The name sent to it.
    pub upstream_model: String,
    /// The rule whose overrides apply: its place in the list the table was built from, from 0.
    pub rule: Option<usize>,
    /// Why it is there, for programs.
    pub reason: Reason,
    /// The same as half a sentence.
    pub why: String,
}

/// A second upstream, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copied {
    /// The provider's name.
    pub provider: String,
    /// The name sent to it.
    pub upstream_model: String,
    /// The share of the requests, from 0 to 100.
    pub percent: f64,
}

/// Why a plan is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What decided.
    pub winner: Winner,
    /// Who might as well have been first, and what chooses among them; `None` where nothing is to choose.
    pub shares: Option<Shares>,
    /// Everything that was asked and did not decide, in the order of asking; rules behind the winner
    /// come last, and after them what the chain leaves out.
    pub rejected: Vec<Rejected>,
}

/// How requests are shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shares {
    /// What chooses.
    pub strategy: Strategy,
    /// What stays together.
    pub sticky: Sticky,
    /// Among whom.
    pub among: Vec<Share>,
}

/// One of those that share requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The rule's place in the list the table was built from, from 0.
    pub rule: usize,
    /// The provider's name.
    pub provider: String,
    /// The name sent to it.
    pub upstream_model: String,
    /// Its weight; only the strategy `weighted` looks at more than whether it is 0.
    pub weight: u32,
}

/// Something that did not decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// What was asked.
    pub step: Asked,
    /// Why it did not decide, as half a sentence.
    pub why: String,
}

/// What was asked in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Asked {
    /// A rule.
    Rule {
        /// Its place in the list the table was built from, from 0.
        index: usize,
        /// Its name, else its pattern.
        rule: String,
        /// The provider it names.
        provider: String,
    },
    /// One of the `fallbacks` of a rule.
    Fallback {
        /// The rule's place in the list the table was built from, from 0.
        index: usize,
        /// The provider it names.
        provider: String,
    },
    /// The `mirror` of a rule.
    Mirror {
        /// The rule's place in the list the table was built from, from 0.
        index: usize,
        /// The provider it names.
        provider: String,
    },
    /// The form `claude-via-<provider>--<model>`.
    ViaName,
    /// A provider's list of models.
    ListedModel {
        /// The provider.
        provider: String,
    },
    /// `default_provider`.
    DefaultProvider,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { index, rule, provider } => {
                write!(f, "rule {} `{rule}` -> {provider}", index + 1)
            }
            Self::Fallback { index, provider } => {
                write!(f, "fallback `{provider}` of rule {}", index + 1)
            }
            Self::Mirror { index, provider } => {
                write!(f, "mirror `{provider}` of rule {}", index + 1)
            }
            Self::ViaName => f.write_str("a name `claude-via-<provider>--<model>`"),
            Self::ListedModel { provider } => write!(f, "models of `{provider}`"),
            Self::DefaultProvider => f.write_str("default_provider"),
        }
    }
}

impl Table {
    /// The way of a request with every reason, while nothing is known of the moment ([`Calm`]).
    ///
    /// # Errors
    /// The same [`NoRoute`] as [`Table::decide`].
    pub fn explain(&self, query: &Query<'_>) -> Result<Explained, NoRoute> {
        self.explain_with(query, &Calm)
    }

    /// The plan of a request with every reason.
    ///
    /// # Errors
    /// The same [`NoRoute`] as the plan.
    pub fn explain_with(&self, query: &Query<'_>, view: &dyn View) -> Result<Explained, NoRoute> {
        let plan = self.plan(query, view)?;
        let chain: Vec<Link> = plan.steps.iter().map(|step| self.link(step)).collect();
        let mirror = plan.mirror.as_ref().map(|to| Copied {
            provider: self.name_of(to.provider),
            upstream_model: to.model.clone().into_owned(),
            percent: to.percent,
        });
        let name = strip_long_context(query.model);
        let matched = self.matched(query, name);
        let sharing = match plan.winner {
            Winner::Rule { .. } => Sharing::of(self, &matched),
            _ => None,
        };
        let explanation = Explanation {
            winner: plan.winner,
            shares: sharing.as_ref().and_then(|sharing| self.shares(sharing, name)),
            rejected: self.rejected(query, plan.winner, Some(&plan)),
        };
        Ok(Explained {
            provider: plan.steps[0].provider,
            provider_name: chain[0].provider.clone(),
            upstream_model: chain[0].upstream_model.clone(),
            chain,
            mirror,
            explanation,
        })
    }

    /// Everything that was asked for a request which goes nowhere ([`NoRoute::NotFound`]).
    pub fn explain_nowhere(&self, query: &Query<'_>) -> Vec<Rejected> {
        let query = Query { pick: None, ..*query };
        let mut out = self.rejected(&query, Winner::DefaultProvider, None);
        let why = match self.default {
            _ if is_via(strip_long_context(query.model)) => {
                "the name names another provider, and may mean a private one".to_owned()
            }
            Some(default) if self.providers[default].spec.enabled => {
                "the model is listed by a private provider that is disabled".to_owned()
            }
            Some(default) => format!("`{}` is disabled", self.name_of(default)),
            None => "is not set".to_owned(),
        };
        out.push(Rejected { step: Asked::DefaultProvider, why });
        out
    }

    fn link(&self, step: &Step<'_>) -> Link {
        let rule = step.rule.map(|index| index + 1).unwrap_or_default();
        let why = match step.reason {
            Reason::Header => "the request's header picks it".to_owned(),
            Reason::ViaName => "the name itself names it".to_owned(),
            Reason::Listed => "it lists the model".to_owned(),
            Reason::Default => "it is the default provider".to_owned(),
            Reason::Rule => format!("rule {rule} names it"),
            Reason::Fallback => format!("fallback of rule {rule}"),
            Reason::Group => format!("rule {rule} shares the requests"),
            Reason::Later => format!("rule {rule} matches, too"),
            Reason::Pinned => "the session is at it".to_owned(),
            Reason::Own => "a router of its own says so".to_owned(),
        };
        Link {
            provider: self.name_of(step.provider),
            upstream_model: step.model.clone().into_owned(),
            rule: step.rule,
            reason: step.reason,
            why,
        }
    }

    fn shares(&self, sharing: &Sharing<'_>, name: &str) -> Option<Shares> {
        let members = sharing.members();
        let members = members.filter(|(_, dest, ..)| self.providers[dest.provider].spec.enabled);
        let among: Vec<Share> = members
            .map(|(rule, dest, weight, _)| Share {
                rule: rule.index,
                provider: self.name_of(dest.provider),
                upstream_model: self.model_of(dest, name).into_owned(),
                weight,
            })
            .collect();
        let (strategy, sticky) = (sharing.strategy, sharing.sticky);
        (among.len() > 1 || sticky == Sticky::Session).then_some(Shares { strategy, sticky, among })
    }

    pub(crate) fn name_of(&self, provider: usize) -> String {
        self.providers[provider].spec.name.clone()
    }

    /// Why the chain of a plan goes no further.
    pub(crate) fn end_of(&self, plan: &Plan<'_>) -> Option<String> {
        let last = plan.steps.last()?;
        if self.is_private(last.provider) {
            return Some(format!(
                "`{}` is private, nobody is asked after it",
                self.name_of(last.provider)
            ));
        }
        let rule = self.rule(last.rule?);
        rule.ends().then(|| format!("the `fallbacks: []` of rule {} end the chain", rule.index + 1))
    }
}
