//! `route resolve`.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gateway_config::{Config, Loaded};
use gateway_router::{NoRoute, Query, Rejected, Winner};
use serde_json::json;

use crate::cli::{Format, Globals, ResolveArgs, RouteCommand};
use crate::output;

pub(crate) fn run(command: RouteCommand, globals: &Globals) -> Result<ExitCode> {
    let RouteCommand::Resolve(args) = command;
    let loaded = super::load(globals, |_| {})?;
    resolve(&args, &loaded, globals)
}

fn resolve(args: &ResolveArgs, loaded: &Loaded, globals: &Globals) -> Result<ExitCode> {
    let model = match (&args.model, &args.body) {
        (Some(model), _) => model.clone(),
        (None, Some(path)) => model_in(path)?,
        (None, None) => bail!("say which model: --model NAME or --body FILE"),
    };
    if !ROUTED.contains(&args.path.split('?').next().unwrap_or_default()) {
        bail!("{} is not routed by model; routed are {}", args.path, ROUTED.join(", "));
    }
    let pick = args.headers.iter().find(|(name, _)| name == PICK).map(|(_, value)| value.as_str());
    let table = loaded.config.routing()?;
    let query = Query { pick, ..Query::model(&model) };
    match table.explain(&query) {
        Ok(plan) => {
            match globals.format {
                Format::Text => {
                    let because = because(plan.explanation.winner, &loaded.config);
                    let mut text = format!(
                        "model     {model}\nprovider  {}\nupstream  {}\nbecause   {because}\n",
                        plan.provider_name, plan.upstream_model
                    );
                    text.push_str(&not(&plan.explanation.rejected));
                    output::print(&text);
                }
                Format::Json => output::print_json(&json!({
                    "model": model,
                    "provider": plan.provider_name,
                    "upstream_model": plan.upstream_model,
                    "winner": plan.explanation.winner,
                    "rejected": plan.explanation.rejected,
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
                        output::print(&not(&rejected));
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

fn because(winner: Winner, config: &Config) -> String {
    match winner {
        Winner::Header => format!("the header {PICK} picks the provider"),
        Winner::Rule { index } => match config.routes.get(index) {
            Some(rule) => {
                let name = rule.name.as_deref().map(|n| format!("`{n}`, ")).unwrap_or_default();
                format!("rule {} matches: {name}pattern `{}`", index + 1, rule.pattern)
            }
            None => format!("rule {} matches", index + 1),
        },
        Winner::ViaName => "the name itself picks the provider".to_owned(),
        Winner::ListedModel => "the provider lists it in `models`".to_owned(),
        Winner::Own => "a router of its own".to_owned(),
        Winner::DefaultProvider => "nothing else matched: default_provider".to_owned(),
    }
}

fn not(rejected: &[Rejected]) -> String {
    let mut out = String::new();
    for Rejected { step, why } in rejected {
        let _ = writeln!(out, "not       {step}: {why}"); // writing to a String can't fail
    }
    out
}

/// As much of a request as routing reads.
#[derive(serde::Deserialize)]
struct Body {
    model: String,
}

fn model_in(path: &Path) -> Result<String> {
    let body = if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
        body
    } else {
        std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?
    };
    let Body { model } = serde_json::from_slice(&body)
        .with_context(|| format!("{} is no request with a `model`", path.display()))?;
    Ok(model)
}

const PICK: &str = "x-gateway-provider";
const ROUTED: &[&str] = &["/v1/messages", "/v1/messages/count_tokens"];
