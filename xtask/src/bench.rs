//! `cargo xtask bench`: builds the gateway and the measuring program as they are released, and runs
//! the latter (`bins/gateway-bench`).

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::release::Place;

/// Measures; `args` go to the measuring program.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let place = Place::with(&["gateway-cli", "gateway-bench"])?;
    let mut bench = Command::new(place.program("gateway-bench"));
    bench.arg("run").arg("--gateway").arg(place.program("claude-code-model-gateway"));
    bench.arg("--page").arg(place.workspace_root.join("docs/performance.md")).args(args);
    if !bench.status().context("gateway-bench can't be run")?.success() {
        bail!("the measurement failed, see above");
    }
    Ok(())
}
