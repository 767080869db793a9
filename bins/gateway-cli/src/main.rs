//! The command line of the gateway: parses arguments, calls one function per verb, prints.

mod catalogue;
mod cli;
mod client_key;
mod commands;
mod connect;
mod json_edit;
mod later;
mod output;
mod process;
mod reload;
mod service;
mod state_key;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use gateway_config::{Colour, Diagnostics};

use crate::cli::Cli;

/// Gives memory back after a burst of streams, which a gateway that runs for weeks needs more than
/// the few bytes it costs when idle.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments),
    };
    cli.globals.color.into_choice().write_global();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            match error.downcast_ref::<Diagnostics>() {
                Some(faults) => output::complain(&faults.render(Colour::Ansi)),
                None => output::complain(&format!("error: {error:#}")),
            }
            ExitCode::FAILURE
        }
    }
}

/// Answers a command line that clap did not take: help, a mistake, or a verb of a later version.
fn refuse(error: &clap::Error, arguments: &[std::ffi::OsString]) -> ExitCode {
    if let Some(name) = later::named(error, arguments) {
        output::complain(&format!("error: `{name}` is not in this version yet"));
        return ExitCode::from(2);
    }
    let _ = error.print(); // a closed pipe is no reason to fail louder
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}
