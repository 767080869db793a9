//! The key that the gateway makes for its callers when others can reach it and none was given.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gateway_config::Config;
use secrecy::SecretString;

/// Whether the configuration names no caller.
pub(crate) fn nobody_has_one(config: &Config) -> bool {
    config.client_keys.is_empty() && config.clients.is_empty()
}

/// Where it is kept.
pub(crate) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("client-key")
}

/// The key that is there, if one is.
pub(crate) fn read(state_dir: &Path) -> Result<Option<SecretString>> {
    let path = file(state_dir);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned().into())),
        Ok(_) => Ok(None),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(err) => Err(err).with_context(|| format!("{} can't be read", path.display())),
    }
}

/// The key that is there, or a new one, kept where only this user can read it.
pub(crate) fn read_or_make(state_dir: &Path) -> Result<SecretString> {
    if let Some(key) = read(state_dir)? {
        return Ok(key);
    }
    let key = random()?;
    keep(&file(state_dir), &key).with_context(|| {
        format!(
            "a client key is needed on an address that others can reach, and {} can't be written: \
             set GATEWAY_API_KEY, or let nobody but you in with --host 127.0.0.1",
            file(state_dir).display()
        )
    })?;
    Ok(key.into())
}

/// Writes a key where only this user can read it.
pub(crate) fn keep(path: &Path, key: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    out.write_all(format!("{key}\n").as_bytes())?;
    out.sync_all()
}

/// A new key: 256 random bits.
pub(crate) fn random() -> Result<String> {
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).context("the system gives no random numbers")?;
    Ok(bits.iter().fold("gw-".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("a/b");
        let made = read_or_make(&state).expect("made");
        assert_eq!(made.expose_secret().len(), 67);
        let again = read_or_make(&state).expect("read");
        assert_eq!(made.expose_secret(), again.expose_secret());
        let mode = fs::metadata(file(&state)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn where_no_key_can_be_kept_the_remedy_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").expect("written");
        let fault = read_or_make(&blocked.join("state")).expect_err("can't be written");
        assert!(format!("{fault:#}").contains("GATEWAY_API_KEY"), "{fault:#}");
    }
}
