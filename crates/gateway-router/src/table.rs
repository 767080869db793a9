//! The compiled table: what decides where a request goes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::chain::Sharing;
use crate::matching::Matchers;
use crate::name::{strip_long_context, without_date};
use crate::plan::{Decision, NoRoute, Plan, Reason, Router, Step, Winner};
use crate::provider::Provider;
use crate::query::{Needs, Query};
use crate::rule::Rule;
use crate::view::{Calm, View};

/// Rules and providers, compiled. Immutable: a new configuration is a new table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) providers: Vec<Provider>,
    /// In the order of decision: highest priority first, then as given.
    pub(crate) rules: Vec<Rule>,
    /// Place in the list that the table was built from → place in `rules`.
    pub(crate) positions: Vec<usize>,
    pub(crate) matchers: Matchers,
    /// Models that only private providers list which are disabled.
    pub(crate) withheld: HashSet<String>,
    /// Every listed name → the provider that serves it, ties already decided.
    pub(crate) listed: HashMap<String, usize>,
    pub(crate) default: Option<usize>,
    pub(crate) has_private: bool,
    pub(crate) needs: Needs,
}

impl Router for Table {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn plan<'a>(&'a self, query: &Query<'a>, view: &dyn View) -> Result<Plan<'a>, NoRoute> {
        let name = strip_long_context(query.model);
        if name.is_empty() {
            return Err(NoRoute::NoModel);
        }
        if let Some(pick) = query.pick {
            return self.picked(query, name, pick);
        }
        let matched = self.matched(query, name);
        match self.plan_by_rules(query, name, &matched, view) {
            Some(plan) => Ok(plan),
            None => self.plan_without_rules(query, name),
        }
    }
}

impl Table {
    /// The first step of the plan when nothing is known of the moment ([`Calm`]).
    ///
    /// # Errors
    /// [`NoRoute`] says why it goes nowhere.
    pub fn decide<'a>(&'a self, query: &Query<'a>) -> Result<Decision<'a>, NoRoute> {
        let plan = self.plan(query, &Calm)?;
        let winner = plan.winner;
        let nowhere = || NoRoute::NotFound { model: query.model.to_owned() };
        let Step { provider, model, .. } = plan.steps.into_iter().next().ok_or_else(nowhere)?;
        Ok(Decision { provider, upstream_model: model, winner })
    }

    /// The providers' names, in the order the table was built with.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|p| p.spec.name.as_str())
    }

    /// The rule at a place of the list that the table was built from.
    pub(crate) fn rule(&self, index: usize) -> &Rule {
        &self.rules[self.positions[index]]
    }

    /// Positions of the rules that take the request, in the order of decision.
    pub(crate) fn matched(&self, query: &Query<'_>, name: &str) -> Vec<usize> {
        let mut hits = self.matchers.hits(query, name);
        hits.retain(|at| self.rules[*at].spec.when.holds(query));
        hits
    }

    /// What no rule takes.
    fn plan_without_rules<'a>(
        &'a self,
        query: &Query<'a>,
        name: &'a str,
    ) -> Result<Plan<'a>, NoRoute> {
        if let Some((provider, model)) = self.via(name) {
            let step = Step::new(provider, model, Reason::ViaName);
            return Ok(Plan::alone(Winner::ViaName, step));
        }
        let nowhere = || NoRoute::NotFound { model: query.model.to_owned() };
        if is_via(name) {
            // The provider it names is switched off or misspelt. Whoever named one means no other:
            // it may be private.
            return Err(nowhere());
        }
        let (provider, winner, reason) = match (self.lists(name), self.default) {
            (Some(provider), _) => (provider, Winner::ListedModel, Reason::Listed),
            // Whoever asks for it means the private provider that is off, and no other.
            _ if self.withheld.contains(name) => return Err(nowhere()),
            (None, Some(provider)) if self.providers[provider].spec.enabled => {
                (provider, Winner::DefaultProvider, Reason::Default)
            }
            _ => return Err(nowhere()),
        };
        let model = self.providers[provider].model(name);
        Ok(Plan::alone(winner, Step::new(provider, model, reason)))
    }

    /// The provider that the caller picked, and nobody else.
    fn picked<'a>(
        &'a self,
        query: &Query<'a>,
        name: &'a str,
        pick: &str,
    ) -> Result<Plan<'a>, NoRoute> {
        let provider = self.enabled_by_name(pick)?;
        self.may_leave(query, name, provider)?;
        let model = match self.via(name) {
            Some((via, model)) if via == provider => Cow::Borrowed(model),
            _ => self.providers[provider].model(name),
        };
        Ok(Plan::alone(Winner::Header, Step::new(provider, model, Reason::Header)))
    }

    /// Whether a request may go to a picked provider: what could go to a private one without the pick
    /// stays there. Chance is no reason to let it out, so everybody counts whom the rules may choose.
    fn may_leave(&self, query: &Query<'_>, name: &str, picked: usize) -> Result<(), NoRoute> {
        if !self.has_private {
            return Ok(());
        }
        let keeps = |provider: &usize| *provider != picked && self.is_private(*provider);
        let matched = self.matched(query, name);
        let owner = if let Some(sharing) = Sharing::of(self, &matched) {
            let mut owners = sharing.members().map(|(_, dest, ..)| dest.provider);
            owners.find(|p| self.providers[*p].spec.enabled && keeps(p))
        } else {
            let own = self.plan_without_rules(query, name).ok();
            own.map(|plan| plan.steps[0].provider).filter(keeps)
        };
        match owner {
            None => Ok(()),
            Some(owner) => Err(NoRoute::Private {
                model: query.model.to_owned(),
                private: self.providers[owner].spec.name.clone(),
                name: self.providers[picked].spec.name.clone(),
            }),
        }
    }

    /// Reads `claude-via-<provider>--<model>`, if it names an enabled provider. Provider names may hold
    /// `--` themselves, so every cut is tried.
    pub(crate) fn via<'a>(&self, name: &'a str) -> Option<(usize, &'a str)> {
        let rest = name.strip_prefix(VIA)?;
        rest.match_indices("--").find_map(|(at, _)| {
            let (provider, model) = (&rest[..at], &rest[at + 2..]);
            let index =
                self.providers.iter().position(|p| p.spec.enabled && p.spec.name == provider)?;
            (!model.is_empty()).then_some((index, model))
        })
    }

    fn lists(&self, name: &str) -> Option<usize> {
        self.listed
            .get(name)
            .or_else(|| without_date(name).and_then(|dateless| self.listed.get(dateless)))
            .copied()
    }

    fn enabled_by_name(&self, name: &str) -> Result<usize, NoRoute> {
        match self.providers.iter().position(|p| p.spec.name == name) {
            Some(at) if self.providers[at].spec.enabled => Ok(at),
            Some(_) => Err(NoRoute::DisabledProvider { name: name.to_owned() }),
            None => Err(NoRoute::UnknownProvider { name: name.to_owned() }),
        }
    }
}

/// Whether a name has the form `claude-via-<provider>--<model>`, whatever provider it names.
pub(crate) fn is_via(name: &str) -> bool {
    name.strip_prefix(VIA).is_some_and(|rest| rest.contains("--"))
}

/// How foreign models are named to a client which only lists names that begin with `claude`.
pub(crate) const VIA: &str = "claude-via-";
