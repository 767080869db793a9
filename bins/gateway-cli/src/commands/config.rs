//! `config init|show|validate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use gateway_config::{Diagnostics, Existing, Loaded};
use serde_json::json;

use crate::cli::{ConfigCommand, Format, Globals};
use crate::{output, process};

pub(crate) fn run(command: ConfigCommand, globals: &Globals) -> Result<ExitCode> {
    match command {
        ConfigCommand::Init { path, force } => init(path, force, globals),
        ConfigCommand::Show => show(globals),
        ConfigCommand::Validate => validate(globals),
    }
}

fn init(path: Option<PathBuf>, force: bool, globals: &Globals) -> Result<ExitCode> {
    let path = path.or_else(|| globals.config.clone()).unwrap_or_else(|| "gateway.yaml".into());
    gateway_config::init(&path, if force { Existing::Replace } else { Existing::Keep })?;
    match globals.format {
        Format::Text => {
            output::print(&format!("wrote {}", path.display()));
            if !globals.quiet {
                let option = if found_by_itself(&path) {
                    String::new()
                } else {
                    format!(" --config {}", path.display())
                };
                output::print(&format!("next: claude-code-model-gateway gateway{option}"));
            }
        }
        Format::Json => output::print_json(&json!({ "file": path })),
    }
    Ok(ExitCode::SUCCESS)
}

fn found_by_itself(path: &Path) -> bool {
    ["gateway.yaml", "./gateway.yaml", "gateway.yml", "gateway.json"]
        .iter()
        .any(|p| path == Path::new(p))
}

fn show(globals: &Globals) -> Result<ExitCode> {
    let loaded = match read(globals)? {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(faults, globals),
    };
    match globals.format {
        Format::Text => {
            if !globals.quiet {
                output::complain(&format!("# {}", source(&loaded)));
                loaded.notes.iter().for_each(|note| output::complain(&format!("# {note}")));
            }
            output::print(&loaded.table());
        }
        Format::Json => output::print_json(&loaded.to_json()),
    }
    Ok(ExitCode::SUCCESS)
}

fn validate(globals: &Globals) -> Result<ExitCode> {
    let loaded = match read(globals)? {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(faults, globals),
    };
    match globals.format {
        Format::Text => {
            super::warn(globals, &loaded);
            output::print(&format!("ok: {}", source(&loaded)));
            output::print(&loaded.summary());
        }
        Format::Json => {
            let providers: Vec<&str> =
                loaded.config.providers.iter().map(|p| p.name.as_str()).collect();
            output::print_json(&json!({
                "ok": true,
                "file": loaded.file,
                "providers": providers,
                "routes": loaded.config.routes.len(),
                "errors": [],
                "warnings": loaded.warnings,
            }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(globals: &Globals) -> Result<Result<Loaded, Diagnostics>> {
    Ok(gateway_config::load(&process::sources(globals)?))
}

/// Faults go to standard error as text, to standard output as JSON: there they are the result.
fn refuse(faults: Diagnostics, globals: &Globals) -> Result<ExitCode> {
    if globals.format == Format::Text {
        return Err(faults.into());
    }
    output::print_json(
        &json!({ "ok": false, "errors": faults.errors, "warnings": faults.warnings }),
    );
    Ok(ExitCode::FAILURE)
}

fn source(loaded: &Loaded) -> String {
    match (&loaded.file, &loaded.dotenv) {
        (Some(file), Some(dotenv)) => format!("{} and {}", file.display(), dotenv.display()),
        (Some(file), None) | (None, Some(file)) => file.display().to_string(),
        (None, None) => "no configuration file".to_owned(),
    }
}
