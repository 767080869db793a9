//! From the rules that match to the chain of a request.

use std::borrow::Cow;
use std::time::Duration;

use crate::plan::{MirrorTo, Plan, Reason, Step, Winner};
use crate::query::Query;
use crate::rule::{Dest, Rule};
use crate::spec::{Sticky, Strategy};
use crate::strategy::{Draw, Figures, Member, arrange};
use crate::table::Table;
use crate::view::View;

/// Who shares the requests of a rule that decides, and how.
pub(crate) struct Sharing<'a> {
    /// The first rule of the group: counters and pins are kept under it.
    pub(crate) first: &'a Rule,
    /// All of the group that match, in order.
    pub(crate) rules: Vec<&'a Rule>,
    pub(crate) strategy: Strategy,
    pub(crate) sticky: Sticky,
}

impl<'a> Sharing<'a> {
    /// `matched`: positions of all rules that match and whose conditions hold; the first decides.
    pub(crate) fn of(table: &'a Table, matched: &[usize]) -> Option<Self> {
        let rules = || matched.iter().map(|at| &table.rules[*at]);
        let first = rules().next()?;
        let rules: Vec<&Rule> = rules().filter(|rule| rule.group == first.group).collect();
        let usual = if rules.len() > 1 { Strategy::Weighted } else { Strategy::Ordered };
        let strategy = first.spec.strategy.unwrap_or(usual);
        let usual = if strategy == Strategy::Ordered { Sticky::No } else { Sticky::Session };
        let sticky = first.spec.sticky.unwrap_or(usual);
        Some(Self { first, rules, strategy, sticky })
    }

    /// Whether a rule alone lets its strategy order its fallbacks, too.
    fn has_fallbacks_as_members(&self) -> bool {
        self.rules.len() == 1 && self.strategy != Strategy::Ordered
    }

    /// Who may be chosen, each with its rule, its weight and why it is there.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'a Rule, &'a Dest, u32, Reason)> + '_ {
        let own = self.rules.iter().enumerate().map(|(at, rule)| {
            let reason = if at == 0 { Reason::Rule } else { Reason::Group };
            (*rule, &rule.own, rule.spec.weight, reason)
        });
        // In a group each rule keeps its fallbacks for itself, and in a rule that is ordered they are asked
        // only when its provider fails.
        let fallbacks =
            if self.has_fallbacks_as_members() { self.first.fallbacks.as_slice() } else { &[] };
        own.chain(fallbacks.iter().map(|dest| (self.first, dest, 1, Reason::Fallback)))
    }
}

impl Table {
    /// The plan of the first of `matched` (positions of rules that match and whose conditions hold).
    pub(crate) fn plan_by_rules<'a>(
        &'a self,
        query: &Query<'a>,
        name: &'a str,
        matched: &[usize],
        view: &dyn View,
    ) -> Option<Plan<'a>> {
        let sharing = Sharing::of(self, matched)?;
        let session = query.session.filter(|_| sharing.sticky == Sticky::Session);
        let pinned = session.and_then(|session| view.pinned(session, sharing.first.index));
        let mut members: Vec<Member<Sharer<'a>>> = Vec::with_capacity(sharing.rules.len());
        let is_choice = sharing.strategy != Strategy::Ordered && sharing.members().nth(1).is_some();
        for (rule, dest, weight, reason) in sharing.members() {
            if !self.providers[dest.provider].spec.enabled {
                continue;
            }
            let model = self.model_of(dest, name);
            let is_pinned = pinned == Some(dest.provider);
            // Where nothing is to choose, nobody needs to know who is up.
            let is_up = !(is_choice || is_pinned)
                || self.is_private(dest.provider)
                || view.is_up(dest.provider, &model);
            let is_pinned = is_pinned && is_up;
            let what = Sharer { rule, provider: dest.provider, model, reason };
            members.push(Member { what, seed: dest.seed, weight, is_up, is_pinned });
        }
        let is_shared = members.len() > 1;
        if is_shared {
            let draw = Draw { view, rule: sharing.first.index, session };
            arrange(&mut members, sharing.strategy, &draw, &Known(view));
        }

        let mut chain = Chain { table: self, steps: Vec::with_capacity(4), has_ended: false };
        let chosen = members.first()?.what.rule;
        for (at, member) in members.into_iter().enumerate() {
            let Sharer { rule, provider, model, mut reason } = member.what;
            reason = match (member.is_pinned, at) {
                (true, 0) => Reason::Pinned,
                (false, 0) if reason == Reason::Group => Reason::Rule,
                (_, 1..) if reason == Reason::Rule && sharing.rules.len() > 1 => Reason::Group,
                _ => reason,
            };
            chain.push(Step { provider, model, rule: Some(rule.index), reason }, rule.ends());
            if at == 0 && !sharing.has_fallbacks_as_members() {
                for dest in &rule.fallbacks {
                    chain.push_dest(dest, name, rule, Reason::Fallback);
                }
            }
        }
        // Those of the group are in it by now, or it has ended.
        for rule in matched.iter().map(|at| &self.rules[*at]) {
            chain.push_dest(&rule.own, name, rule, Reason::Later);
        }
        let mut steps = chain.steps;
        // A private one ends the chain, and is not all there is: without a pin the session would go on elsewhere.
        let has_others = is_shared || steps.len() > 1;
        if let Some(pinned) = pinned {
            self.pin(&mut steps, pinned, view);
        }
        let sticky = session.filter(|_| has_others).map(|_| sharing.first.index);
        let mirror = self.mirror(&steps, name);
        Some(Plan { winner: Winner::Rule { index: chosen.index }, steps, mirror, sticky })
    }

    /// Moves a session's provider to the front, if it is in the chain and takes requests.
    fn pin(&self, steps: &mut Vec<Step<'_>>, pinned: usize, view: &dyn View) {
        let Some(at) = steps.iter().position(|step| step.provider == pinned).filter(|at| *at > 0)
        else {
            return;
        };
        let is_private = self.is_private(pinned);
        if !is_private && !view.is_up(pinned, &steps[at].model) {
            return;
        }
        steps[..=at].rotate_right(1);
        steps[0].reason = Reason::Pinned;
        if is_private {
            steps.truncate(1);
        }
    }

    /// Who gets a copy of what the first step serves.
    fn mirror<'a>(&'a self, steps: &[Step<'a>], name: &'a str) -> Option<MirrorTo<'a>> {
        let first = steps.first()?;
        let rule = self.rule(first.rule?);
        let (dest, percent) = rule.mirror.as_ref()?;
        let goes = self.providers[dest.provider].spec.enabled && !self.is_private(first.provider);
        goes.then(|| MirrorTo {
            provider: dest.provider,
            model: self.model_of(dest, name),
            percent: *percent,
        })
    }

    pub(crate) fn model_of<'a>(&'a self, dest: &'a Dest, name: &'a str) -> Cow<'a, str> {
        match &dest.model {
            Some(model) => Cow::Borrowed(model),
            None => self.providers[dest.provider].model(name),
        }
    }

    pub(crate) fn is_private(&self, provider: usize) -> bool {
        self.providers[provider].spec.private
    }
}

/// A member of a group, ready to be a step.
struct Sharer<'a> {
    rule: &'a Rule,
    provider: usize,
    model: Cow<'a, str>,
    reason: Reason,
}

/// What the view knows of members.
struct Known<'a>(&'a dyn View);

impl Figures<Sharer<'_>> for Known<'_> {
    fn latency(&self, member: &Sharer<'_>) -> Option<Duration> {
        self.0.latency(member.provider, &member.model)
    }

    fn cost(&self, member: &Sharer<'_>) -> Option<u64> {
        self.0.cost(member.provider, &member.model)
    }
}

/// Steps so far, and whether there may be more.
struct Chain<'a> {
    table: &'a Table,
    steps: Vec<Step<'a>>,
    has_ended: bool,
}

impl<'a> Chain<'a> {
    /// Adds a step, if its provider is none of those before and serves. Nothing comes after one that `ends` the chain or
    /// whose provider is private.
    fn push(&mut self, step: Step<'a>, ends: bool) {
        if self.is_open_to(step.provider) {
            self.has_ended = ends || self.table.is_private(step.provider);
            self.steps.push(step);
        }
    }

    /// The same, with the name made only where it is needed.
    fn push_dest(&mut self, dest: &'a Dest, name: &'a str, rule: &Rule, reason: Reason) {
        if self.is_open_to(dest.provider) {
            let model = self.table.model_of(dest, name);
            let step = Step { provider: dest.provider, model, rule: Some(rule.index), reason };
            self.push(step, rule.ends());
        }
    }

    fn is_open_to(&self, provider: usize) -> bool {
        !self.has_ended
            && self.table.providers[provider].spec.enabled
            && self.steps.iter().all(|step| step.provider != provider)
    }
}
