//! `cargo xtask bench`: builds the gateway and the measuring program as they are released, and runs
//! the latter (`bins/gateway-bench`).

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

/// Measures; `args` go to the measuring program.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(&cargo).args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let place: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata is JSON")?;
    // Apart, so that what the one needs of a shared dependency is not built into the other.
    for package in ["gateway-cli", "gateway-bench"] {
        let mut build = Command::new(&cargo);
        build.args(["build", "--release", "--locked", "--package", package]);
        if !build.status().context("cargo can't be run")?.success() {
            bail!("{package} does not build");
        }
    }
    let release = place.target_directory.join("release");
    let mut bench = Command::new(release.join("gateway-bench"));
    bench.arg("run").arg("--gateway").arg(release.join("claude-code-model-gateway"));
    bench.arg("--page").arg(place.workspace_root.join("docs/performance.md")).args(args);
    if !bench.status().context("gateway-bench can't be run")?.success() {
        bail!("the measurement failed, see above");
    }
    Ok(())
}
