//! Why something did not decide, or is not asked.

use std::fmt::Write;

use crate::explain::{Asked, Rejected};
use crate::name::strip_long_context;
use crate::pattern::matcher;
use crate::plan::{Plan, Winner};
use crate::query::Query;
use crate::rule::Rule;
use crate::spec::{Agent, RuleKind, When};
use crate::table::{Table, VIA, is_via};

impl Table {
    /// Everything but the winner, and why. Without a plan the request goes nowhere.
    pub(crate) fn rejected(
        &self,
        query: &Query<'_>,
        winner: Winner,
        plan: Option<&Plan<'_>>,
    ) -> Vec<Rejected> {
        let name = strip_long_context(query.model);
        let group = match winner {
            Winner::Rule { index } => Some(self.rule(index)),
            _ => None,
        };
        let mut out = Vec::new();
        let mut decided = query.pick.is_some();
        for rule in &self.rules {
            if winner == (Winner::Rule { index: rule.index }) {
                decided = true;
                continue;
            }
            let why = match (self.why_not(rule, query, name), group) {
                (Some(why), _) => why,
                (None, _) if query.pick.is_some() => {
                    "the request's header picks the provider".to_owned()
                }
                (None, Some(chosen)) if chosen.group == rule.group => {
                    decided = true; // rules between those that share come behind the first of them
                    let (other, weight) = (chosen.index + 1, rule.spec.weight);
                    let why = format!(
                        "it shares these requests with rule {other}, which was chosen; its own weight is {weight}"
                    );
                    self.unless_asked(why, rule, plan)
                }
                (None, _) if decided => {
                    let why = "it matches, but an earlier rule decided".to_owned();
                    self.unless_asked(why, rule, plan)
                }
                (None, _) => "it matches".to_owned(),
            };
            let provider = self.name_of(rule.own.provider);
            let step = Asked::Rule { index: rule.index, rule: rule.spec.label(), provider };
            out.push(Rejected { step, why });
        }
        if let (Some(chosen), Some(plan)) = (group, plan) {
            self.left_out(chosen, plan, &mut out);
        }
        if matches!(winner, Winner::ListedModel | Winner::DefaultProvider) {
            self.not_listed(name, winner, &mut out);
        }
        out
    }

    /// Why a rule that matches is no step of the chain, after why it did not decide.
    fn unless_asked(&self, mut why: String, rule: &Rule, plan: Option<&Plan<'_>>) -> String {
        let Some(plan) = plan else { return why };
        if plan.steps.iter().any(|step| step.rule == Some(rule.index)) {
            return why;
        }
        if plan.steps.iter().any(|step| step.provider == rule.own.provider) {
            let name = self.name_of(rule.own.provider);
            let _ = write!(why, "; `{name}` is in the chain already"); // writing to a String can't fail
        } else if let Some(end) = self.end_of(plan) {
            let _ = write!(why, "; {end}");
        }
        why
    }

    /// The fallbacks of the rule that decided which nobody asks, and a mirror that gets nothing.
    fn left_out(&self, chosen: &Rule, plan: &Plan<'_>, out: &mut Vec<Rejected>) {
        for dest in &chosen.fallbacks {
            let is_asked = plan.steps.iter().any(|step| {
                step.provider == dest.provider
                    && dest.model.as_ref().is_none_or(|model| *model == *step.model)
            });
            if is_asked {
                continue;
            }
            let provider = self.name_of(dest.provider);
            let why = if !self.providers[dest.provider].spec.enabled {
                format!("the provider `{provider}` is disabled")
            } else if plan.steps.iter().any(|step| step.provider == dest.provider) {
                format!("`{provider}` is in the chain already")
            } else {
                self.end_of(plan).unwrap_or_default()
            };
            out.push(Rejected { step: Asked::Fallback { index: chosen.index, provider }, why });
        }
        let first = &plan.steps[0];
        let rule = first.rule.map(|index| self.rule(index));
        if let (None, Some(rule)) = (&plan.mirror, rule)
            && let Some((dest, _)) = &rule.mirror
        {
            let provider = self.name_of(dest.provider);
            let why = if self.is_private(first.provider) {
                format!(
                    "`{}` is private, nothing of its own is copied",
                    self.name_of(first.provider)
                )
            } else {
                format!("the provider `{provider}` is disabled")
            };
            out.push(Rejected { step: Asked::Mirror { index: rule.index, provider }, why });
        }
    }

    /// What comes after the rules and did not decide either.
    fn not_listed(&self, name: &str, winner: Winner, out: &mut Vec<Rejected>) {
        if let Some(rest) = name.strip_prefix(VIA) {
            let why = match rest.split_once("--") {
                Some((provider, _)) => format!("`{provider}` is no enabled provider"),
                None => "it has no `--` between provider and model".to_owned(),
            };
            out.push(Rejected { step: Asked::ViaName, why });
        }
        if winner == Winner::ListedModel {
            return;
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
    }

    /// `None` if the rule would take the request.
    fn why_not(&self, rule: &Rule, query: &Query<'_>, name: &str) -> Option<String> {
        if !rule.spec.enabled {
            return Some("the rule is disabled".to_owned());
        }
        if let Some(why) = mismatch(rule, query, name) {
            return Some(why);
        }
        let provider = &self.providers[rule.own.provider].spec;
        if !provider.enabled {
            return Some(format!("the provider `{}` is disabled", provider.name));
        }
        let is_for_vias =
            rule.spec.kind == RuleKind::ModelPattern && rule.spec.pattern.starts_with(VIA);
        if is_via(name) && !is_for_vias {
            return Some(format!(
                "the name itself picks its provider; only a pattern that begins with `{VIA}` comes before that"
            ));
        }
        let failed = unmet(&rule.spec.when, query);
        (!failed.is_empty()).then(|| format!("its conditions do not hold: {}", failed.join(", ")))
    }
}

/// Why the rule's pattern does not match, if it does not.
fn mismatch(rule: &Rule, query: &Query<'_>, name: &str) -> Option<String> {
    let (reading, glob) = rule.spec.glob()?;
    let matches = |text: &str| matcher(reading, glob).is_ok_and(|m| m.is_match(text));
    match &rule.spec.kind {
        RuleKind::CatchAll => None,
        RuleKind::ModelPattern => {
            (!matches(name)).then(|| format!("`{}` does not match `{name}`", rule.spec.pattern))
        }
        RuleKind::PathPattern => {
            let path = query.plain_path();
            (!query.paths().any(matches))
                .then(|| format!("`{glob}` does not match the path `{path}`"))
        }
        // The value itself may be a secret.
        RuleKind::HeaderMatch { name, .. } => match query.headers.get(name) {
            None => Some(format!("the request has no header `{name}`")),
            Some(value) if matches(value) => None,
            Some(_) => Some(format!("the header `{name}` does not match `{glob}`")),
        },
    }
}

/// The conditions that do not hold, as the request has them.
fn unmet(when: &When, query: &Query<'_>) -> Vec<String> {
    let facts = &query.facts;
    let mut out = Vec::new();
    let flags = [
        ("thinking", when.thinking, facts.thinking),
        ("has_images", when.has_images, facts.has_images),
        ("has_tools", when.has_tools, facts.has_tools),
        ("web_search", when.web_search, facts.web_search),
        ("background", when.background, facts.background),
    ];
    for (name, wanted, found) in flags {
        if wanted.is_some_and(|wanted| wanted != found) {
            out.push(format!("`{name}` is {found}"));
        }
    }
    if let Some(least) = when.min_input_tokens.filter(|least| facts.input_tokens < *least) {
        out.push(format!("the prompt has {} tokens of at least {least}", facts.input_tokens));
    }
    if let Some(clients) = &when.client
        && !query.client.is_some_and(|client| clients.iter().any(|name| name == client))
    {
        let caller = query.client.map_or("nobody known".to_owned(), |name| format!("`{name}`"));
        let names: Vec<String> = clients.iter().map(|name| format!("`{name}`")).collect();
        out.push(format!("the caller is {caller}, not {}", names.join(" or ")));
    }
    if let Some(agent) = when.agent.filter(|agent| *agent != facts.agent) {
        let word = |agent| match agent {
            Agent::Main => "main",
            Agent::Subagent => "subagent",
        };
        out.push(format!("the agent is {}, not {}", word(facts.agent), word(agent)));
    }
    out
}
