//! Finding and reading the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Place};
use crate::sources::Sources;

/// The configuration file, `None` where there is none to be found.
///
/// `--config`, else `GATEWAY_CONFIG` (both must exist), else `gateway.yaml`, `.yml`, `.json` in the
/// working directory, else in the user's configuration directory, else in the machine's.
pub(crate) fn find(sources: &Sources) -> Result<Option<PathBuf>, Box<Diagnostic>> {
    let named = match (&sources.overrides.config, sources.env.get("GATEWAY_CONFIG")) {
        (Some(path), _) => Some((path.clone(), Place::Flag("--config"))),
        (None, Some(path)) if !path.trim().is_empty() => {
            Some((PathBuf::from(path), Place::Variable("GATEWAY_CONFIG".to_owned())))
        }
        _ => None,
    };
    if let Some((path, place)) = named {
        let path = sources.cwd.join(path);
        // A pipe is welcome here: `--config <(generate)`.
        if path.exists() && !path.is_dir() {
            return Ok(Some(path));
        }
        let what = if path.is_dir() { "is a directory" } else { "does not exist" };
        let message = format!("the configuration file {} {what}", path.display());
        let help = "correct the path, or write a file with `claude-code-model-gateway config init`";
        return Err(Box::new(Diagnostic::error(place, message).help(help)));
    }
    Ok(candidates(sources).into_iter().find(|path| path.is_file()))
}

/// Every place a file is looked for, in order.
pub(crate) fn candidates(sources: &Sources) -> Vec<PathBuf> {
    let user = sources.config_home.iter().map(|home| home.join(DIRECTORY));
    let dirs = std::iter::once(sources.cwd.clone())
        .chain(user)
        .chain([sources.system_config.join(DIRECTORY)]);
    dirs.flat_map(|dir| NAMES.map(|name| dir.join(name))).collect()
}

/// Reads a text file of the user's.
pub(crate) fn read(path: &Path) -> Result<String, Box<Diagnostic>> {
    let fault = |message: String| Diagnostic::error(Place::WholeFile(path.to_owned()), message);
    let unreadable = |e: &io::Error| {
        let fault = fault(format!("the file can't be read: {e}"));
        Box::new(fault.help("check its owner and its permissions"))
    };
    let size = fs::metadata(path).map_err(|e| unreadable(&e))?.len();
    if size > MAX_BYTES {
        let fault = fault(format!("the file has {size} bytes; at most {MAX_BYTES} are read"));
        return Err(Box::new(fault.help("check that this is the right file")));
    }
    let bytes = fs::read(path).map_err(|e| unreadable(&e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let before = &e.as_bytes()[..at];
        let line = before.split(|b| *b == b'\n').count();
        let place = Place::Line { path: path.to_owned(), line };
        let fault = Diagnostic::error(place, "the file is not UTF-8 text");
        Box::new(fault.help("save it as UTF-8 (UTF-16 and Latin-1 are not read)"))
    })
}

/// The name of the gateway's directories.
const DIRECTORY: &str = "claude-code-model-gateway";
const NAMES: [&str; 3] = ["gateway.yaml", "gateway.yml", "gateway.json"];
/// Far above any real configuration, far below what would hurt.
const MAX_BYTES: u64 = 4 << 20;
