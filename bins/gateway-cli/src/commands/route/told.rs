//! An explained way as text, and what it was explained from.

use std::fmt::Write;

use gateway_config::{Config, Route};
use gateway_router::{
    Agent, Explained, Facts, Rejected, RuleKind, Shares, Sticky, Strategy, Winner,
};
use serde_json::{Value, json};

/// Everything about a way, a word and a text in each line.
pub(super) fn way(model: &str, way: &Explained, facts: Option<&str>, config: &Config) -> String {
    let mut out = String::new();
    let mut line = |word: &str, text: &str| {
        let _ = writeln!(out, "{word:<9} {text}"); // writing to a String can't fail
    };
    line("model", model);
    if let Some(facts) = facts {
        line("facts", facts);
    }
    line("provider", &way.provider_name);
    line("upstream", &way.upstream_model);
    line("because", &because(way.explanation.winner, config));
    if let Some(shares) = &way.explanation.shares {
        if shares.among.len() > 1 {
            line("shared", &shared(shares));
        }
        if shares.sticky == Sticky::Session {
            line("sticky", "a session stays with the provider that answered it, while that is up");
        }
    }
    let width = |of: &dyn Fn(usize) -> usize| (0..way.chain.len()).map(of).max().unwrap_or(0);
    let provider = width(&|at| way.chain[at].provider.chars().count());
    let upstream = width(&|at| way.chain[at].upstream_model.chars().count());
    for (at, step) in way.chain.iter().enumerate() {
        let is_ready = |name: &str| {
            config.providers.iter().any(|known| known.name == name && known.auth.is_ready())
        };
        let lack = if is_ready(&step.provider) { "" } else { "; its credential is missing" };
        let text = format!(
            "{:>2}  {:<provider$}  {:<upstream$}  {}{lack}",
            at + 1,
            step.provider,
            step.upstream_model,
            step.why
        );
        line(if at == 0 { "chain" } else { "" }, &text);
    }
    if let Some(mirror) = &way.mirror {
        let text = format!(
            "{} {}, {} % of the requests; its answers are thrown away",
            mirror.provider, mirror.upstream_model, mirror.percent
        );
        line("mirror", &text);
    }
    out.push_str(&not(&way.explanation.rejected));
    out
}

/// What did not decide, a line each.
pub(super) fn not(rejected: &[Rejected]) -> String {
    let mut out = String::new();
    for Rejected { step, why } in rejected {
        let _ = writeln!(out, "not       {step}: {why}"); // writing to a String can't fail
    }
    out
}

/// What conditions looked at.
pub(super) fn facts(facts: &Facts, has_body: bool) -> String {
    if !has_body {
        return "no --body: conditions see a request that is empty".to_owned();
    }
    let mut words = vec![format!("{} tokens", facts.input_tokens)];
    for (is_so, word) in [
        (facts.thinking, "thinking"),
        (facts.has_images, "images"),
        (facts.has_tools, "tools"),
        (facts.web_search, "web search"),
        (facts.background, "background"),
        (facts.agent == Agent::Subagent, "of a subagent"),
    ] {
        if is_so {
            words.push(word.to_owned());
        }
    }
    words.join(", ")
}

/// The same for programs, with the names that `when` has.
pub(super) fn facts_json(facts: &Facts) -> Value {
    json!({
        "thinking": facts.thinking,
        "input_tokens": facts.input_tokens,
        "has_images": facts.has_images,
        "has_tools": facts.has_tools,
        "web_search": facts.web_search,
        "background": facts.background,
        "agent": facts.agent,
    })
}

fn because(winner: Winner, config: &Config) -> String {
    match winner {
        Winner::Header => "the header x-gateway-provider picks the provider".to_owned(),
        Winner::Rule { index } => match config.routes.get(index) {
            Some(rule) => format!("rule {} matches: {}", index + 1, described(rule)),
            None => format!("rule {} matches", index + 1),
        },
        Winner::ViaName => "the name itself picks the provider".to_owned(),
        Winner::ListedModel => "the provider lists it in `models`".to_owned(),
        Winner::DefaultProvider => "nothing else matched: default_provider".to_owned(),
        Winner::Own => "a router that is not the configured one".to_owned(),
    }
}

fn described(rule: &Route) -> String {
    let name = rule.name.as_deref().map(|name| format!("`{name}`, ")).unwrap_or_default();
    let matched = match &rule.kind {
        RuleKind::ModelPattern => format!("pattern `{}`", rule.pattern),
        RuleKind::PathPattern => format!("path `{}`", rule.pattern),
        RuleKind::HeaderMatch { name, value } => format!("header `{name}: {value}`"),
        RuleKind::CatchAll => "catch_all".to_owned(),
    };
    let when = if rule.when.is_empty() { "" } else { ", and its conditions hold" };
    format!("{name}{matched}{when}")
}

fn shared(shares: &Shares) -> String {
    let how = match shares.strategy {
        Strategy::Ordered => "in this order",
        Strategy::Weighted => "by weight",
        Strategy::RoundRobin => "in turn",
        Strategy::LeastLatency => "the quicker of two",
        Strategy::LeastCost => "the cheapest first",
    };
    let sum: u64 = shares.among.iter().map(|share| u64::from(share.weight)).sum();
    let among = shares.among.iter().map(|share| {
        let part = match (shares.strategy, u64::from(share.weight) * 1000) {
            (Strategy::Weighted, weight) if sum > 0 => {
                let tenths = (weight + sum / 2) / sum;
                format!(" {}.{} %", tenths / 10, tenths % 10)
            }
            (_, 0) => " last".to_owned(),
            _ => String::new(),
        };
        format!("{} {}{part}", share.provider, share.upstream_model)
    });
    format!("{how}: {}", among.collect::<Vec<_>>().join(", "))
}
