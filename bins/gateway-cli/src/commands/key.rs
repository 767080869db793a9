//! `key show`.

use std::process::ExitCode;

use anyhow::Result;
use secrecy::ExposeSecret;

use crate::cli::KeyCommand;
use crate::{client_key, output, process};

pub(crate) fn run(command: &KeyCommand) -> Result<ExitCode> {
    let KeyCommand::Show = command;
    let state = process::state_dir(&process::environment())?;
    if let Some(key) = client_key::read(&state)? {
        output::print(key.expose_secret());
        return Ok(ExitCode::SUCCESS);
    }
    let place = client_key::file(&state);
    output::complain(&format!(
        "error: no key was made yet ({} is not there): the gateway makes one when it first \
         listens on an address that others can reach",
        place.display()
    ));
    Ok(ExitCode::FAILURE)
}
