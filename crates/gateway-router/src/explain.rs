//! The same decision with its reasons. Why a rule did not decide is found with a matcher of its own,
//! rule by rule, so that a property test can hold it against the automaton of the cheap path.

use std::fmt;

use serde::Serialize;

use crate::name::strip_long_context;
use crate::pattern::{Reading, matcher};
use crate::plan::{NoRoute, Winner};
use crate::query::Query;
use crate::rule::Rule;
use crate::table::{Table, VIA, is_via};

/// A decided way and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Index into the providers the table was built from.
    pub provider: usize,
    /// That provider's name.
    pub provider_name: String,
    /// The name sent upstream.
    pub upstream_model: String,
    /// Why.
    pub explanation: Explanation,
}

/// Why a plan is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What decided.
    pub winner: Winner,
    /// Everything that was asked and did not decide, in the order of asking; rules behind the winner
    /// come last.
    pub rejected: Vec<Rejected>,
}

/// Something that did not decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// What was asked.
    pub step: Asked,
    /// Why it did not decide, as half a sentence.
    pub why: String,
}

/// A step of the decision.
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
            Self::ViaName => f.write_str("a name `claude-via-<provider>--<model>`"),
            Self::ListedModel { provider } => write!(f, "models of `{provider}`"),
            Self::DefaultProvider => f.write_str("default_provider"),
        }
    }
}

impl Table {
    /// The way of a request with every reason; what [`Table::decide`] says, slower.
    ///
    /// # Errors
    /// The same [`NoRoute`] as [`Table::decide`].
    pub fn explain(&self, query: &Query<'_>) -> Result<Explained, NoRoute> {
        let decision = self.decide(query)?;
        let name = strip_long_context(query.model);
        let explanation = Explanation {
            winner: decision.winner,
            rejected: self.rejected(query.pick.is_some(), name, decision.winner),
        };
        Ok(Explained {
            provider: decision.provider,
            provider_name: self.providers[decision.provider].spec.name.clone(),
            upstream_model: decision.upstream_model.into_owned(),
            explanation,
        })
    }

    /// Everything that was asked for a name which goes nowhere ([`NoRoute::NotFound`]).
    pub fn explain_nowhere(&self, model: &str) -> Vec<Rejected> {
        let mut out = self.rejected(false, strip_long_context(model), Winner::DefaultProvider);
        let why = match self.default.map(|at| &self.providers[at].spec.name) {
            _ if is_via(strip_long_context(model)) => {
                "the name names another provider, and may mean a private one".to_owned()
            }
            Some(name) => format!("`{name}` is disabled"),
            None => "is not set".to_owned(),
        };
        out.push(Rejected { step: Asked::DefaultProvider, why });
        out
    }

    fn rejected(&self, picked: bool, name: &str, winner: Winner) -> Vec<Rejected> {
        let via = is_via(name);
        let mut out = Vec::new();
        let mut decided = picked;
        for rule in &self.rules {
            if winner == (Winner::Rule { index: rule.index }) {
                decided = true;
                continue;
            }
            let why = match self.why_not(rule, name, via) {
                Some(why) => why,
                None if picked => "the request's header picks the provider".to_owned(),
                None if decided => "it matches, but an earlier rule decided".to_owned(),
                None => "it matches".to_owned(),
            };
            let provider = self.providers[rule.own.provider].spec.name.clone();
            let step = Asked::Rule { index: rule.index, rule: rule.spec.label(), provider };
            out.push(Rejected { step, why });
        }
        match winner {
            Winner::Header | Winner::Rule { .. } | Winner::ViaName | Winner::Own => return out,
            Winner::ListedModel | Winner::DefaultProvider => {}
        }
        if let Some(rest) = name.strip_prefix(VIA) {
            let why = match rest.split_once("--") {
                Some((provider, _)) => format!("`{provider}` is no enabled provider"),
                None => "it has no `--` between provider and model".to_owned(),
            };
            out.push(Rejected { step: Asked::ViaName, why });
        }
        if winner == Winner::ListedModel {
            return out;
        }
        for provider in self.providers.iter().map(|p| &p.spec).filter(|p| !p.models.is_empty()) {
            let why = if provider.serves(name) {
                "lists it, but is disabled"
            } else {
                "does not list it"
            };
            let step = Asked::ListedModel { provider: provider.name.clone() };
            out.push(Rejected { step, why: why.to_owned() });
        }
        out
    }

    /// `None` if the rule would take the name.
    fn why_not(&self, rule: &Rule, name: &str, via: bool) -> Option<String> {
        if !rule.spec.enabled {
            return Some("the rule is disabled".to_owned());
        }
        if !matcher(Reading::Model, &rule.spec.pattern).is_ok_and(|m| m.is_match(name)) {
            return Some(format!("`{}` does not match `{name}`", rule.spec.pattern));
        }
        let provider = &self.providers[rule.own.provider].spec;
        if !provider.enabled {
            return Some(format!("the provider `{}` is disabled", provider.name));
        }
        if via && !rule.spec.pattern.starts_with(VIA) {
            return Some(format!(
                "the name itself picks its provider; only a pattern that begins with `{VIA}` comes before that"
            ));
        }
        None
    }
}
