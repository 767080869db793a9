//! `conform URL`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use gateway_conform::{Case, Credential, Setting, Target, TargetError, Told, Verdict};
use gateway_conform::{cases, matches, requests};
use serde_json::json;

use crate::cli::{AuthHeader, ConformArgs, Format, Globals};
use crate::{output, process};

pub(crate) fn run(args: &ConformArgs, globals: &Globals) -> Result<ExitCode> {
    let (chosen, left_out) = match choose(args) {
        Ok(chosen) => chosen,
        Err(why) => return Ok(usage(&why)),
    };
    let setting = Setting { model: args.model.clone() };
    if args.list {
        list(&chosen, &left_out, &setting, globals);
        return Ok(ExitCode::SUCCESS);
    }
    let target = match target(args, &process::environment()) {
        Ok(target) => target,
        Err(fault) => return Ok(usage(&fault.to_string())),
    };
    let text = globals.format == Format::Text;
    if !globals.quiet {
        let (all, billable) = requests(&chosen, &setting);
        output::complain(&format!(
            "{} cases, up to {all} requests to {}; up to {billable} of them ask {} for a short reply, which may cost money",
            chosen.len(),
            target.url,
            setting.model,
        ));
    }
    let told = |told: &Told| {
        if text && (!globals.quiet || told.verdict != Verdict::Ok) {
            output::print(&told.line());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = match runtime.block_on(gateway_conform::run(&target, &setting, &chosen, told))
    {
        Ok(report) => report,
        Err(trouble) if text => return Err(trouble.into()),
        Err(trouble) => {
            output::print_json(&json!({
                "endpoint": target.url,
                "model": setting.model,
                "ok": false,
                "error": trouble.to_string(),
            }));
            return Ok(ExitCode::FAILURE);
        }
    };
    for case in &left_out {
        let skipped = Told::skipped(case, WHY_SKIPPED);
        if text && !globals.quiet {
            output::print(&skipped.line());
        }
        report.cases.push(skipped);
    }
    match globals.format {
        Format::Text => output::print(&format!("\n{}", report.summary_line())),
        Format::Json => output::print_json(&report.to_json()),
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The cases that are run, and those that only `--expensive` would run.
fn choose(args: &ConformArgs) -> Result<(Vec<Case>, Vec<Case>), String> {
    let named = |case: &Case| {
        args.only.is_empty() || args.only.iter().any(|pattern| matches(pattern, &case.id))
    };
    let all: Vec<Case> = cases().into_iter().filter(named).collect();
    if all.is_empty() {
        let patterns = args.only.join(", ");
        return Err(format!("no case is called {patterns}: --list names them all"));
    }
    let (chosen, left_out): (Vec<Case>, Vec<Case>) =
        all.into_iter().partition(|case| args.expensive || !case.expensive);
    if chosen.is_empty() && !args.list {
        return Err("only expensive cases are called so: add --expensive to run them".to_owned());
    }
    Ok((chosen, left_out))
}

fn target(args: &ConformArgs, env: &BTreeMap<String, String>) -> Result<Target, TargetError> {
    let variable = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let mut target = Target::new(args.url.as_deref().unwrap_or_default())?;
    let key = args.api_key.clone().or_else(|| variable("ANTHROPIC_API_KEY"));
    let (key, usual) = match key {
        Some(key) => (Some(key), Credential::ApiKey),
        None => (variable("ANTHROPIC_AUTH_TOKEN"), Credential::Bearer),
    };
    if let Some(key) = key {
        target = target.key(&key)?;
    }
    target = target.credential(match args.auth {
        Some(AuthHeader::XApiKey) => Credential::ApiKey,
        Some(AuthHeader::Bearer) => Credential::Bearer,
        None => usual,
    });
    for (name, value) in &args.headers {
        target = target.header(name, value)?;
    }
    target.timeout = Duration::from_secs(args.timeout);
    target.concurrency = usize::from(args.concurrency);
    Ok(target)
}

fn list(chosen: &[Case], left_out: &[Case], setting: &Setting, globals: &Globals) {
    let mut all: Vec<&Case> = chosen.iter().chain(left_out).collect();
    all.sort_by_key(|case| case.expensive);
    match globals.format {
        Format::Text => {
            let mut text = String::new();
            for case in all {
                let more = if case.expensive { " [--expensive]" } else { "" };
                let rows = case.rows.join(", ");
                // Writing to a String can't fail.
                let _ = writeln!(text, "{:<36}  {:<12}  {}{more}", case.id, rows, case.checks);
            }
            output::print(&text);
        }
        Format::Json => {
            let cases: Vec<_> = all
                .iter()
                .map(|case| {
                    json!({"id": case.id, "checks": case.checks, "rows": case.rows, "expensive": case.expensive})
                })
                .collect();
            let (requests, billable) = requests(chosen, setting);
            output::print_json(
                &json!({"cases": cases, "requests": requests, "billable": billable}),
            );
        }
    }
}

/// A mistake in the command line itself.
fn usage(why: &str) -> ExitCode {
    output::complain(&format!("error: {why}"));
    ExitCode::from(2)
}

const WHY_SKIPPED: &str = "--expensive runs it";
