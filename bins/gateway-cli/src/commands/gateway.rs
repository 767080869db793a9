//! `gateway`: run the gateway.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::{GatewayArgs, Globals};

#[expect(clippy::needless_pass_by_value, reason = "the server will keep them")]
pub(crate) fn run(args: GatewayArgs, globals: &Globals) -> Result<ExitCode> {
    let loaded = super::load(globals, |overrides| args.apply(overrides))?;
    bail!("{}: wired by the server", loaded.config.server.port)
}
