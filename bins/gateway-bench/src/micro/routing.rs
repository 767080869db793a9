//! What a decision costs: the plan of a request by many rules.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use gateway_router::{
    Facts, ProviderSpec, Query, Router as _, RuleKind, RuleSpec, Strategy, Table, View, When,
};

/// A moment of which something is known, answered at once: what the knowledge itself costs is not measured here.
struct Known;

impl View for Known {
    fn latency(&self, provider: usize, _: &str) -> Option<Duration> {
        Some(Duration::from_millis(200 + 10 * provider as u64))
    }

    fn luck(&self) -> u64 {
        0x9e37_79b9_7f4a_7c15
    }
}

/// Takes a figure's name, the calls in one round of its work, and the work.
type Line<'a> = dyn FnMut(&str, usize, &mut dyn FnMut()) + 'a;

/// A line for each way a plan can be made.
pub(super) fn run(line: &mut Line<'_>) -> Result<()> {
    let table = table()?;
    let headers: &[(&str, &str)] = &[("user-agent", "claude-cli/2.1"), ("x-env", "prod")];
    let facts = Facts { thinking: true, input_tokens: 42_000, has_tools: true, ..Facts::default() };
    let session = Some("0b7f9d1e-8f0f-4f0e-9a53-3d1c58a1f0aa");
    for (what, model) in [
        ("plan, 50 rules, 10 providers: shared by three", "claude-opus-5-5-20260701[1m]"),
        ("plan, 50 rules, 10 providers: the last rule", "claude-unheard-of-7"),
        ("plan, 50 rules, 10 providers: the quicker of four", "gpt-9-large"),
    ] {
        let query = Query { headers: &headers, facts, session, ..Query::model(model) };
        anyhow::ensure!(table.plan(&query, &Known)?.steps.len() > 1, "{model} has no chain");
        line(what, 1, &mut || drop(black_box(table.plan(black_box(&query), &Known))));
    }
    Ok(())
}

/// Rules of every kind, most of them on names, as long lists have them.
fn table() -> Result<Table> {
    let provider = |at: usize| format!("provider-{at}");
    let providers = (0..10).map(|at| ProviderSpec {
        model_map: vec![("claude-*haiku*".to_owned(), "small".to_owned())],
        ..ProviderSpec::new(provider(at))
    });
    let mut rules: Vec<RuleSpec> = Vec::new();
    for at in 0..30 {
        let pattern = match at % 3 {
            0 => format!("vendor-{at}/*"),
            1 => format!("model-{at}"),
            _ => format!("*-{at}-mini"),
        };
        rules.push(RuleSpec::new(pattern, provider(at % 10)));
    }
    for at in 0..4 {
        let kind = RuleKind::PathPattern;
        rules.push(RuleSpec { kind, ..RuleSpec::new(format!("/v{at}/batch/*"), provider(at)) });
    }
    for at in 0..4 {
        let kind = RuleKind::HeaderMatch { name: "x-env".to_owned(), value: format!("test-{at}*") };
        rules.push(RuleSpec { kind, ..RuleSpec::new("*", provider(at)) });
    }
    let when = When { background: Some(true), ..When::default() };
    rules.push(RuleSpec { when, ..RuleSpec::new("claude-*", provider(8)) });
    let when = When { min_input_tokens: Some(100_000), ..When::default() };
    rules.push(RuleSpec { when, ..RuleSpec::new("claude-*", provider(9)) });
    for (at, weight) in [(0, 8), (1, 1), (2, 1)] {
        let rule = RuleSpec::new("claude-opus-*", provider(at)).with_fallbacks(["provider-7/x"]);
        rules.push(RuleSpec { weight, ..rule });
    }
    for at in 3..7 {
        let strategy = Some(Strategy::LeastLatency);
        rules.push(RuleSpec { strategy, ..RuleSpec::new("gpt-*", provider(at)) });
    }
    rules.push(RuleSpec::new("claude-?????-*", provider(1)));
    rules.push(RuleSpec::new("{gemini,gemma}-*", provider(2)));
    let last = RuleSpec::new("*", provider(0)).with_fallbacks(["provider-5", "provider-6"]);
    rules.push(last.with_priority(-1));
    anyhow::ensure!(rules.len() == 50, "{} rules", rules.len());
    Ok(Table::build(providers.collect(), rules, None)?)
}
