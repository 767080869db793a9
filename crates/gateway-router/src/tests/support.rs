//! A moment that a test makes up.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use crate::{Plan, ProviderSpec, Query, Router, RuleSpec, Table, View};

/// What is known, by provider; everything else is unknown.
#[derive(Debug, Default)]
pub(super) struct Moment {
    pub(super) down: Vec<usize>,
    pub(super) latency: HashMap<usize, u64>,
    pub(super) cost: HashMap<usize, u64>,
    pub(super) pins: HashMap<String, usize>,
    pub(super) turns: Cell<usize>,
    pub(super) luck: Cell<u64>,
    /// The rules that pins and turns were asked for.
    pub(super) asked: RefCell<Vec<usize>>,
}

impl Moment {
    pub(super) fn down(down: impl Into<Vec<usize>>) -> Self {
        Self { down: down.into(), ..Self::default() }
    }

    pub(super) fn with_luck(luck: u64) -> Self {
        Self { luck: Cell::new(luck), ..Self::default() }
    }

    pub(super) fn pin(mut self, session: &str, provider: usize) -> Self {
        self.pins.insert(session.to_owned(), provider);
        self
    }
}

impl View for Moment {
    fn is_up(&self, provider: usize, _: &str) -> bool {
        !self.down.contains(&provider)
    }

    fn latency(&self, provider: usize, _: &str) -> Option<Duration> {
        self.latency.get(&provider).copied().map(Duration::from_millis)
    }

    fn cost(&self, provider: usize, _: &str) -> Option<u64> {
        self.cost.get(&provider).copied()
    }

    fn pinned(&self, session: &str, rule: usize) -> Option<usize> {
        self.asked.borrow_mut().push(rule);
        self.pins.get(session).copied()
    }

    fn turn(&self, rule: usize) -> usize {
        self.asked.borrow_mut().push(rule);
        self.turns.replace(self.turns.get() + 1)
    }

    /// Another number each time, as even as chance.
    fn luck(&self) -> u64 {
        let luck = self.luck.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.luck.set(luck);
        let luck = (luck ^ (luck >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        luck ^ (luck >> 29)
    }
}

/// Providers named by letters: `a` is the first. In capitals it is private; after a `-` it is disabled.
pub(super) fn providers(names: &str) -> Vec<ProviderSpec> {
    let mut enabled = true;
    let mut out = Vec::new();
    for letter in names.chars() {
        if letter == '-' {
            enabled = false;
            continue;
        }
        let name = letter.to_ascii_lowercase().to_string();
        let private = letter.is_ascii_uppercase();
        out.push(ProviderSpec { enabled, private, ..ProviderSpec::new(name) });
        enabled = true;
    }
    out
}

pub(super) fn table(names: &str, rules: Vec<RuleSpec>) -> Table {
    Table::build(providers(names), rules, None).expect("a valid table")
}

pub(super) fn plan<'a>(table: &'a Table, query: &Query<'a>, view: &dyn View) -> Plan<'a> {
    table.plan(query, view).expect("a way")
}

/// The chain in short: `a b/model c`, models only where they are not the one asked for.
pub(super) fn chain(table: &Table, query: &Query<'_>, view: &dyn View) -> String {
    let names: Vec<&str> = table.provider_names().collect();
    let plan = plan(table, query, view);
    let steps = plan.steps.iter().map(|step| match names[step.provider] {
        name if step.model == query.model => name.to_owned(),
        name => format!("{name}/{}", step.model),
    });
    steps.collect::<Vec<_>>().join(" ")
}

/// How often each provider came first in so many plans of sessions, or of chance without them.
pub(super) fn firsts(
    table: &Table,
    plans: usize,
    query: impl Fn(usize) -> Option<String>,
) -> Vec<usize> {
    let moment = Moment::default();
    let mut out = vec![0; table.provider_names().count()];
    for at in 0..plans {
        let session = query(at);
        let query = Query { session: session.as_deref(), ..Query::model("m") };
        out[plan(table, &query, &moment).steps[0].provider] += 1;
    }
    out
}
