//! `version`.

use std::process::ExitCode;

use crate::cli::{Format, Globals};
use crate::output;

pub(crate) fn run(globals: &Globals) -> ExitCode {
    let (name, version) = ("claude-code-model-gateway", env!("CARGO_PKG_VERSION"));
    match globals.format {
        Format::Text => output::print(&format!("{name} {version}")),
        Format::Json => {
            output::print_json(&serde_json::json!({ "name": name, "version": version }));
        }
    }
    ExitCode::SUCCESS
}
