//! `run -- CMD`: a command behind a private gateway.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::{Globals, RunArgs};

#[expect(clippy::needless_pass_by_value, reason = "the server will keep them")]
pub(crate) fn run(args: RunArgs, globals: &Globals) -> Result<ExitCode> {
    let loaded = super::load(globals, |overrides| {
        args.serve.apply(overrides);
        overrides.set("server.host", "127.0.0.1", "run");
        overrides.set("server.port", "0", "run");
    })?;
    bail!("{} {:?}: wired by the server", loaded.config.server.port, args.command)
}
