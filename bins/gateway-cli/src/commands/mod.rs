//! One module a verb.

mod config;
mod conform;
mod connect;
mod gateway;
mod key;
mod route;
mod run;
mod version;

use std::process::ExitCode;

use anyhow::Result;
use gateway_config::{Colour, Loaded, Overrides};

use crate::cli::{Cli, Command, DisconnectClient, Globals};
use crate::{output, process};

/// Does what was asked.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let globals = cli.globals;
    match cli.command {
        Command::Gateway(args) => gateway::run(&args, &globals),
        Command::Run(args) => run::run(&args, &globals),
        Command::Config { command } => config::run(command, &globals),
        Command::Route { command } => route::run(command, &globals),
        Command::Conform(args) => conform::run(&args, &globals),
        Command::Connect { client } => connect::connect(client, &globals),
        Command::Disconnect { client: DisconnectClient::Claude } => connect::disconnect(&globals),
        Command::Key { command } => key::run(&command),
        Command::Version => Ok(version::run(&globals)),
    }
}

/// Reads the configuration; its faults are an error that `main` renders. Warnings are printed here.
pub(crate) fn load(globals: &Globals, apply: impl FnOnce(&mut Overrides)) -> Result<Loaded> {
    let mut sources = process::sources(globals)?;
    apply(&mut sources.overrides);
    let loaded = gateway_config::load(&sources)?;
    warn(globals, &loaded);
    Ok(loaded)
}

fn warn(globals: &Globals, loaded: &Loaded) {
    if !globals.quiet {
        for warning in &loaded.warnings {
            output::complain(&warning.render(Colour::Ansi));
        }
    }
}
