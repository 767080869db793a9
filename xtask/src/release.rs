//! Programs as they are released, for what measures them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Where things are.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    /// The repository.
    pub(crate) workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Place {
    /// Builds these packages, and says where they are.
    pub(crate) fn with(packages: &[&str]) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = ["metadata", "--format-version", "1", "--no-deps"];
        let output = Command::new(&cargo).args(metadata).output()?;
        let place = serde_json::from_slice(&output.stdout).context("cargo metadata is JSON")?;
        // Apart, so that what the one needs of a shared dependency is not built into the other.
        for package in packages {
            let mut build = Command::new(&cargo);
            build.args(["build", "--release", "--locked", "--package", package]);
            if !build.status().context("cargo can't be run")?.success() {
                bail!("{package} does not build");
            }
        }
        Ok(place)
    }

    /// A program that was built.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target_directory.join("release").join(name)
    }
}
