//! What holds for every table, every request and every moment.

use std::collections::HashSet;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use proptest::strategy::{Just, Strategy as _};

use super::support::{Moment, providers};
use crate::*;

const PROVIDERS: usize = 5;
const MODELS: [&str; 5] = ["m", "claude-haiku-4-5", "gpt-5", "claude-via-c--m", "x/y[1m]"];

/// `a` to `e`: `b` is private, `d` disabled.
fn five() -> Vec<ProviderSpec> {
    providers("aBc-de")
}

fn letter(at: usize) -> String {
    five()[at].name.clone()
}

fn any_rule() -> impl proptest::strategy::Strategy<Value = RuleSpec> {
    let kind = prop_oneof_kinds();
    let pattern = prop::sample::select(vec!["*", "claude-*", "m", "*5", "claude-via-*"]);
    let target = (0..PROVIDERS, prop::option::of(Just("named".to_owned())));
    let target = target.prop_map(|(at, model)| Target { provider: letter(at), model });
    let fallbacks = prop::option::of(prop::collection::vec(target.clone(), 0..4));
    let strategy = prop::option::of(prop::sample::select(vec![
        Strategy::Ordered,
        Strategy::Weighted,
        Strategy::RoundRobin,
        Strategy::LeastLatency,
        Strategy::LeastCost,
    ]));
    let sticky = prop::option::of(prop::sample::select(vec![Sticky::Session, Sticky::No]));
    let mirror = prop::option::weighted(0.2, target.clone());
    let when = prop::option::weighted(0.3, any::<bool>());
    let shape = (kind, pattern, target, 0i64..2, prop::bool::weighted(0.9), 0u32..3);
    (shape, (fallbacks, strategy, sticky, mirror, when)).prop_map(
        |((kind, pattern, to, priority, enabled, weight), more)| {
            let (fallbacks, strategy, sticky, mirror, thinking) = more;
            RuleSpec {
                kind,
                pattern: pattern.to_owned(),
                when: When { thinking, ..When::default() },
                provider: to.provider,
                model: to.model,
                priority,
                name: None,
                enabled,
                weight,
                fallbacks,
                strategy,
                sticky,
                mirror: mirror.map(|to| Mirror { to, percent: 50.0 }),
            }
        },
    )
}

fn prop_oneof_kinds() -> impl proptest::strategy::Strategy<Value = RuleKind> {
    let header = RuleKind::HeaderMatch { name: "x-env".to_owned(), value: "t*".to_owned() };
    prop::sample::select(vec![
        RuleKind::ModelPattern,
        RuleKind::ModelPattern,
        RuleKind::PathPattern,
        header,
        RuleKind::CatchAll,
    ])
}

/// A request, by numbers: the model, whether it has the header, whether it thinks, its session.
type Ask = (usize, bool, bool, Option<u8>);

fn any_ask() -> impl proptest::strategy::Strategy<Value = Ask> {
    (0..MODELS.len(), any::<bool>(), any::<bool>(), prop::option::of(0u8..4))
}

const HEADERS: &[(&str, &str)] = &[("x-env", "test")];
const SESSIONS: [&str; 4] = ["s0", "s1", "s2", "s3"];

fn query((model, header, thinking, session): Ask) -> Query<'static> {
    Query {
        headers: if header { &HEADERS } else { &NoHeaders },
        session: session.map(|at| SESSIONS[usize::from(at)]),
        facts: Facts { thinking, ..Facts::default() },
        ..Query::model(MODELS[model])
    }
}

fn any_moment() -> impl proptest::strategy::Strategy<Value = Moment> {
    let figures = prop::collection::hash_map(0..PROVIDERS, 1u64..4, 0..5);
    let pins = prop::collection::hash_map(
        prop::sample::select(SESSIONS.map(str::to_owned).to_vec()),
        0..PROVIDERS + 1,
        0..4,
    );
    let down = prop::collection::vec(0..PROVIDERS, 0..3);
    (down, figures.clone(), figures, pins, any::<u64>(), 0usize..9).prop_map(
        |(down, latency, cost, pins, luck, turns)| Moment {
            down,
            latency,
            cost,
            pins,
            luck: luck.into(),
            turns: turns.into(),
            ..Moment::default()
        },
    )
}

/// The same moment again.
fn again(moment: &Moment) -> Moment {
    Moment {
        down: moment.down.clone(),
        latency: moment.latency.clone(),
        cost: moment.cost.clone(),
        pins: moment.pins.clone(),
        luck: moment.luck.clone(),
        turns: moment.turns.clone(),
        ..Moment::default()
    }
}

proptest! {
    #[test]
    fn every_plan_keeps_the_rules_of_chains(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in prop::option::of(0..PROVIDERS),
        ask in any_ask(),
        moment in any_moment(),
    ) {
        let specs = five();
        let default = default.map(letter);
        let table = Table::build(specs.clone(), rules.clone(), default.as_deref()).expect("valid");
        let query = query(ask);
        let same = again(&moment);
        let Ok(plan) = table.plan(&query, &moment) else {
            prop_assert!(table.explain_nowhere(&query).iter().all(|r| r.why != "it matches"));
            return Ok(());
        };
        prop_assert_eq!(&plan, &table.plan(&query, &same).expect("the same again"));

        prop_assert!(!plan.steps.is_empty());
        let once: HashSet<usize> = plan.steps.iter().map(|step| step.provider).collect();
        prop_assert_eq!(once.len(), plan.steps.len(), "a provider twice");
        for (at, step) in plan.steps.iter().enumerate() {
            prop_assert!(specs[step.provider].enabled, "a disabled one");
            let is_last = at + 1 == plan.steps.len();
            prop_assert!(is_last || !specs[step.provider].private, "after a private one");
            prop_assert_eq!(strip_long_context(&step.model), &*step.model);
            let ends = |rule: usize| rules[rule].fallbacks.as_ref().is_some_and(Vec::is_empty);
            let pinned_before = plan.steps[0].reason == Reason::Pinned && at == 0;
            prop_assert!(is_last || pinned_before || !step.rule.is_some_and(ends), "after `[]`");
        }
        if let Some(to) = &plan.mirror {
            prop_assert!(specs[to.provider].enabled && !specs[plan.steps[0].provider].private);
        }
        if let Some(rule) = plan.sticky {
            prop_assert!(query.session.is_some());
            prop_assert_ne!(rules[rule].sticky, Some(Sticky::No));
        }
        if let Winner::Rule { index } = plan.winner {
            // Those that share, as the rules alone tell it.
            let serves = |name: &str| specs.iter().any(|spec| spec.name == name && spec.enabled);
            let group = rules.iter().filter(|rule| rule.enabled && serves(&rule.provider));
            let group: Vec<_> = group.filter(|rule| rule.shares_with(&rules[index])).collect();
            let is_ordered = match group[0].strategy {
                None => group.len() == 1,
                Some(strategy) => strategy == Strategy::Ordered,
            };
            let keeps = group[0].sticky.map_or(!is_ordered, |sticky| sticky == Sticky::Session);
            let fallbacks = group[0].fallbacks.iter().flatten();
            let fallbacks = fallbacks.filter(|to| group.len() == 1 && !is_ordered && serves(&to.provider));
            let is_kept = plan.sticky.is_some();
            if group.len() + fallbacks.count() > 1 || plan.steps.len() > 1 {
                prop_assert_eq!(is_kept, keeps && query.session.is_some(), "there are others");
            } else if is_kept {
                // Where it was pinned to the end of a chain.
                prop_assert_eq!(plan.steps[0].reason, Reason::Pinned);
            }
        }
    }

    #[test]
    fn an_explanation_tells_the_plan(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in prop::option::of(0..PROVIDERS),
        ask in any_ask(),
        pick in prop::option::weighted(0.2, 0..PROVIDERS),
        moment in any_moment(),
    ) {
        let default = default.map(letter);
        let table = Table::build(five(), rules, default.as_deref()).expect("valid");
        let pick = pick.map(letter);
        let query = Query { pick: pick.as_deref(), ..query(ask) };
        let same = again(&moment);
        let (plan, told) = match (table.plan(&query, &moment), table.explain_with(&query, &same)) {
            (Ok(plan), Ok(told)) => (plan, told),
            (plan, told) => {
                prop_assert_eq!(plan.err(), told.err());
                return Ok(());
            }
        };
        prop_assert_eq!(told.explanation.winner, plan.winner);
        prop_assert_eq!(told.chain.len(), plan.steps.len());
        let names: Vec<&str> = table.provider_names().collect();
        for (link, step) in told.chain.iter().zip(&plan.steps) {
            prop_assert_eq!(&*link.provider, names[step.provider]);
            prop_assert_eq!(&*link.upstream_model, &*step.model);
            prop_assert_eq!((link.rule, link.reason), (step.rule, step.reason));
        }
        prop_assert_eq!(told.mirror.is_some(), plan.mirror.is_some());
        // The automata found the first rule that the rule's own matcher takes, and every other one is accounted for.
        for rejected in &told.explanation.rejected {
            prop_assert_ne!(&rejected.why, "it matches");
            prop_assert!(!rejected.why.is_empty(), "{:?}", rejected);
        }
        let told_rules = told.explanation.rejected.iter().filter(|r| matches!(r.step, Asked::Rule { .. }));
        let own = usize::from(matches!(plan.winner, Winner::Rule { .. }));
        prop_assert_eq!(told_rules.count() + own, table.rules.len());
    }
}
