//! `cargo xtask soak`: builds the gateway and the program that torments it as they are released, and
//! runs the latter (`bins/gateway-soak`).

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::release::Place;

/// Ten minutes of it, or as `args` say.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let place = Place::with(&["gateway-cli", "gateway-soak"])?;
    let mut soak = Command::new(place.program("gateway-soak"));
    soak.arg("--gateway").arg(place.program("claude-code-model-gateway"));
    soak.arg("--page").arg(place.workspace_root.join("docs/reliability.md")).args(args);
    if !soak.status().context("gateway-soak can't be run")?.success() {
        bail!("not everything held, see above");
    }
    Ok(())
}
