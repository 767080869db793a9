//! A router of one's own: configured rules say who may serve a request, the caller's patience who of them is
//! asked.
//!
//! ```sh
//! cargo run -p gateway-examples --bin own_router
//! ```
#![expect(clippy::print_stdout, reason = "an example that shows its results")]

use std::time::Duration;

use gateway_router::{
    Needs, NoRoute, Plan, ProviderSpec, Query, Reason, Router, RuleSpec, Step, Table, View, Winner,
};

/// Leaves out who is expected to begin too late for the caller, unless that is everybody.
#[derive(Debug)]
struct InTime {
    rules: Table,
}

impl Router for InTime {
    fn needs(&self) -> Needs {
        self.rules.needs()
    }

    fn plan<'a>(&'a self, query: &Query<'a>, view: &dyn View) -> Result<Plan<'a>, NoRoute> {
        let mut plan = self.rules.plan(query, view)?;
        let patience = query.headers.get("x-patience-ms").and_then(|ms| ms.parse().ok());
        let Some(patience) = patience.map(Duration::from_millis) else { return Ok(plan) };
        let in_time = |step: &Step<'_>| {
            view.latency(step.provider, &step.model).is_none_or(|latency| latency <= patience)
        };
        if plan.steps.iter().any(in_time) {
            let before = plan.steps[0].provider;
            // What is left keeps its order: nothing may come after a provider that is private.
            plan.steps.retain(in_time);
            if plan.steps[0].provider != before {
                plan.winner = Winner::Own;
                plan.steps[0].reason = Reason::Own;
            }
        }
        Ok(plan)
    }
}

/// What was measured: the large model takes its time.
struct Measured;

impl View for Measured {
    fn latency(&self, provider: usize, _: &str) -> Option<Duration> {
        [3000, 800, 200].get(provider).copied().map(Duration::from_millis)
    }
}

const PROVIDERS: [&str; 3] = ["large", "medium", "small"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rule = RuleSpec::new("claude-*", "large").with_fallbacks(["medium", "small/tiny"]);
    let rules = Table::build(PROVIDERS.map(ProviderSpec::new).into(), vec![rule], None)?;
    let router: Box<dyn Router> = Box::new(InTime { rules });

    for (patience, expected) in
        [(None, "large"), (Some("1000"), "medium"), (Some("300"), "small"), (Some("1"), "large")]
    {
        let headers: Vec<(&str, &str)> =
            patience.map(|ms| ("x-patience-ms", ms)).into_iter().collect();
        let query = Query { headers: &headers, ..Query::model("claude-opus-5-5") };
        let plan = router.plan(&query, &Measured)?;
        let chain: Vec<String> = plan
            .steps
            .iter()
            .map(|step| format!("{} ({})", PROVIDERS[step.provider], step.model))
            .collect();
        println!("{} ms: {}", patience.unwrap_or("any"), chain.join(", then "));
        assert_eq!(PROVIDERS[plan.steps[0].provider], expected);
    }
    Ok(())
}

#[test]
fn it_runs() {
    main().expect("the example");
}
