//! Writing a client's settings and undoing it exactly.
//!
//! What the file looked like is remembered in the state directory: where nobody else touched the file
//! meanwhile the very bytes come back, otherwise the earlier values of what was set.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::json_edit;

/// What a call did to the settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing was to be done.
    Nothing,
    /// Values were written.
    Changed,
    /// The earlier bytes are back.
    Restored,
    /// The file is gone again.
    Removed,
    /// As `Changed`, but these were changed by somebody else and stay.
    Kept(Vec<String>),
}

/// What is remembered of one settings file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    /// The whole text before; `None`: there was no file.
    before: Option<String>,
    /// The whole text that was written.
    after: String,
    /// Raw values that were set, and the raw values before them.
    values: BTreeMap<String, (String, Option<String>)>,
    /// Whether there was an `env` before.
    had_env: bool,
}

type State = BTreeMap<String, Record>;

/// Sets members of `env` in a settings file.
pub(crate) fn connect(
    settings: &Path,
    state_dir: &Path,
    values: &[(String, String)],
) -> Result<Done> {
    let file = target(settings);
    let current = read(&file)?;
    let mut state = load(state_dir)?;
    let id = file.display().to_string();

    // Connecting again begins where the first time began.
    let before = match (state.get(&id), &current) {
        (Some(record), Some(text)) => undo(record, text)?.0,
        (_, current) => current.clone(),
    };
    let start = before.clone().unwrap_or_default();
    let mut record = Record {
        had_env: json_edit::has(&start, ENV)?,
        before,
        after: start,
        values: BTreeMap::new(),
    };
    for (name, value) in values {
        let raw = serde_json::to_string(value)?;
        let old = json_edit::get(&record.after, ENV, name)?.map(str::to_owned);
        record.after = json_edit::set(&record.after, ENV, name, &raw)?;
        record.values.insert(name.clone(), (raw, old));
    }
    json_edit::check(&record.after).context("the edited settings would be no JSON")?;
    if current.as_deref() == Some(record.after.as_str()) {
        return Ok(Done::Nothing);
    }
    let after = record.after.clone();
    // First remembered, then written: a crash between the two loses nothing.
    state.insert(id, record);
    save(state_dir, &state)?;
    write(&file, &after)?;
    Ok(Done::Changed)
}

/// Puts a settings file back.
pub(crate) fn disconnect(settings: &Path, state_dir: &Path) -> Result<Done> {
    let file = target(settings);
    let mut state = load(state_dir)?;
    let Some(record) = state.remove(&file.display().to_string()) else { return Ok(Done::Nothing) };
    let done = match read(&file)? {
        None => Done::Nothing,
        Some(text) => {
            let (restored, done) = undo(&record, &text)?;
            match restored {
                Some(restored) if restored != text => write(&file, &restored)?,
                Some(_) => {}
                None => fs::remove_file(&file)
                    .with_context(|| format!("{} can't be removed", file.display()))?,
            }
            done
        }
    };
    save(state_dir, &state)?;
    Ok(done)
}

/// The text without what was set; `None`: the file was not there.
fn undo(record: &Record, text: &str) -> Result<(Option<String>, Done)> {
    if text == record.after {
        let done = if record.before.is_some() { Done::Restored } else { Done::Removed };
        return Ok((record.before.clone(), done));
    }
    let mut out = text.to_owned();
    let mut kept = Vec::new();
    for (name, (set, old)) in &record.values {
        let now = json_edit::get(&out, ENV, name)?;
        if now != Some(set.as_str()) {
            kept.push(name.clone());
            continue;
        }
        out = match old {
            Some(old) => json_edit::set(&out, ENV, name, old)?,
            None => json_edit::remove(&out, ENV, name)?,
        };
    }
    if !record.had_env {
        out = json_edit::remove_if_empty(&out, ENV)?;
    }
    json_edit::check(&out).context("the restored settings would be no JSON")?;
    Ok((Some(out), if kept.is_empty() { Done::Changed } else { Done::Kept(kept) }))
}

/// Through symbolic links: a link into a collection of dotfiles stays a link.
fn target(settings: &Path) -> PathBuf {
    fs::canonicalize(settings).unwrap_or_else(|_| settings.to_owned())
}

fn read(file: &Path) -> Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let name = file.display();
            json_edit::check(&text)
                .with_context(|| format!("{name} can't be edited; correct it first"))?;
            Ok(Some(text))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("{} can't be read", file.display())),
    }
}

fn load(state_dir: &Path) -> Result<State> {
    let path = state_dir.join(STATE);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{} can't be read; remove it to start anew", path.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(State::new()),
        Err(e) => Err(e).with_context(|| format!("{} can't be read", path.display())),
    }
}

fn save(state_dir: &Path, state: &State) -> Result<()> {
    let path = state_dir.join(STATE);
    if state.is_empty() {
        return match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("{} can't be removed", path.display()))
            }
            _ => Ok(()),
        };
    }
    write(&path, &serde_json::to_string_pretty(state)?)
}

/// Whole or not at all. The mode of a file that is there stays; a new one is for its owner alone, as it
/// may hold a key.
fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("{} can't be written", path.display()))
}

const ENV: &str = "env";
const STATE: &str = "connect-claude.json";
