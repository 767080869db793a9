//! `route resolve`.

mod told;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gateway_config::{Config, Loaded};
use gateway_models::{Estimate, Facts as ModelFacts};
use gateway_router::{Agent, Facts, NoRoute, Query, Router, View};
use serde_json::json;

use crate::cli::{Format, Globals, ResolveArgs, RouteCommand};
use crate::output;

pub(crate) fn run(command: RouteCommand, globals: &Globals) -> Result<ExitCode> {
    let RouteCommand::Resolve(args) = command;
    let loaded = super::load(globals, |_| {})?;
    resolve(&args, &loaded, globals)
}

fn resolve(args: &ResolveArgs, loaded: &Loaded, globals: &Globals) -> Result<ExitCode> {
    let body = args.body.as_deref().map(read).transpose()?;
    let model = match (&args.model, &body, &args.body) {
        (Some(model), ..) => model.clone(),
        (None, Some(body), Some(path)) => model_in(body, path)?,
        _ => bail!("say which model: --model NAME or --body FILE"),
    };
    if !ROUTED.contains(&args.path.split('?').next().unwrap_or_default()) {
        bail!("{} is not routed by model; routed are {}", args.path, ROUTED.join(", "));
    }
    let header = |wanted: &str| {
        let found = args.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let pick = header(PICK);
    if let Some(name) = &args.client {
        check_client(name, pick, &loaded.config)?;
    }
    let table = loaded.config.routing()?;
    let facts = body.as_deref().map(|body| facts_of(body, &model)).unwrap_or_default();
    let agent = if header(AGENT).is_some() { Agent::Subagent } else { Agent::Main };
    let query = Query {
        pick,
        path: &args.path,
        headers: &args.headers,
        client: args.client.as_deref(),
        session: args.session.as_deref().or_else(|| header(SESSION)),
        facts: Facts { agent, ..facts },
        ..Query::model(&model)
    };
    let looks_at_facts = table.needs().facts;
    match table.explain_with(&query, &Configured(&loaded.config)) {
        Ok(way) => {
            match globals.format {
                Format::Text => {
                    let facts = looks_at_facts.then(|| told::facts(&query.facts, body.is_some()));
                    output::print(&told::way(&model, &way, facts.as_deref(), &loaded.config));
                }
                Format::Json => output::print_json(&json!({
                    "model": model,
                    "provider": way.provider_name,
                    "upstream_model": way.upstream_model,
                    "winner": way.explanation.winner,
                    "shares": way.explanation.shares,
                    "chain": way.chain,
                    "mirror": way.mirror,
                    "facts": looks_at_facts.then(|| told::facts_json(&query.facts)),
                    "rejected": way.explanation.rejected,
                })),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let rejected = match error {
                NoRoute::NotFound { .. } => table.explain_nowhere(&query),
                _ => Vec::new(),
            };
            match globals.format {
                Format::Text => {
                    if !rejected.is_empty() {
                        output::print(&told::not(&rejected));
                    }
                    bail!("{error}");
                }
                Format::Json => output::print_json(&json!({
                    "model": model,
                    "error": error.to_string(),
                    "rejected": rejected,
                })),
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What the configuration alone tells of the moment; everything else is a running gateway's.
struct Configured<'a>(&'a Config);

impl View for Configured<'_> {
    fn is_up(&self, provider: usize, _: &str) -> bool {
        self.0.providers[provider].auth.is_ready()
    }

    /// As the gateway compares: most of what an agent pays for is what it sends.
    fn cost(&self, provider: usize, model: &str) -> Option<u64> {
        let known = self.0.providers[provider].models.iter().find(|known| known.name == model)?;
        let price = known.price?;
        Some(price.input.saturating_mul(4).saturating_add(price.output))
    }
}

/// A caller that the gateway would not know, or that may not pick a provider, gets no way.
fn check_client(name: &str, pick: Option<&str>, config: &Config) -> Result<()> {
    match config.clients.iter().find(|client| client.name == name) {
        None if config.clients.is_empty() => {
            bail!("there is no client `{name}`: `clients` of the configuration is empty")
        }
        None => {
            let names: Vec<String> =
                config.clients.iter().map(|client| format!("`{}`", client.name)).collect();
            bail!("there is no client `{name}`; there are {}", names.join(", "))
        }
        Some(client) if pick.is_some() && !client.may_pick_provider => {
            bail!("the client `{name}` may not pick a provider; ask without the header {PICK}")
        }
        Some(_) => Ok(()),
    }
}

/// What rules may ask of a body, found as the gateway finds it.
fn facts_of(body: &[u8], model: &str) -> Facts {
    let found = gateway_anthropic::facts(body);
    let mut estimate = Estimate::new(ModelFacts::of(model).family);
    estimate.raw_body(&String::from_utf8_lossy(body));
    Facts {
        thinking: found.thinking,
        input_tokens: estimate.total(),
        has_images: found.has_images,
        has_tools: found.has_tools,
        web_search: found.web_search,
        background: found.background,
        agent: Agent::default(),
    }
}

/// As much of a request as routing reads in any case.
#[derive(serde::Deserialize)]
struct Body {
    model: String,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))
}

fn model_in(body: &[u8], path: &Path) -> Result<String> {
    let Body { model } = serde_json::from_slice(body)
        .with_context(|| format!("{} is no request with a `model`", path.display()))?;
    Ok(model)
}

const PICK: &str = "x-gateway-provider";
const SESSION: &str = "x-claude-code-session-id";
const AGENT: &str = "x-claude-code-agent-id";
const ROUTED: &[&str] = &["/v1/messages", "/v1/messages/count_tokens"];
