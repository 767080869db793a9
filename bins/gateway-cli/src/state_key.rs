//! The key that seals what providers want back and callers carry.

use std::fs;
use std::path::Path;

use gateway_config::{Config, Kind};

use crate::{client_key, process};

/// The key kept in the state directory, made where there is none; and what to tell a person when it
/// can't be kept. Nothing where the configuration names keys or no provider needs one.
pub(crate) fn find(config: &Config) -> (Option<Vec<u8>>, Option<String>) {
    let foreign = |kind| !matches!(kind, Kind::Anthropic | Kind::Demo);
    let needed = config.providers.iter().any(|p| p.enabled && foreign(p.kind));
    if !needed || !config.server.state_keys.is_empty() {
        return (None, None);
    }
    let kept = process::state_dir(&process::environment()).and_then(|dir| read_or_make(&dir));
    match kept {
        Ok(key) => (Some(key), None),
        Err(fault) => {
            let warning = format!(
                "NO PLACE TO KEEP the key that seals models' reasoning ({fault:#}): conversations \
                 lose it when this process ends, and other gateways can't read it; set \
                 server.state_keys, or XDG_STATE_HOME to a directory that can be written"
            );
            (None, Some(warning))
        }
    }
}

/// A key of fewer characters is none.
const LEAST: usize = 16;

fn read_or_make(state_dir: &Path) -> anyhow::Result<Vec<u8>> {
    let path = state_dir.join("state-key");
    if let Ok(text) = fs::read_to_string(&path)
        && text.trim().len() >= LEAST
    {
        return Ok(text.trim().as_bytes().to_vec());
    }
    let key = client_key::random()?;
    // Of two gateways that start at once the first is right: a link never replaces what is there.
    let draft = state_dir.join(format!("state-key.{}", std::process::id()));
    client_key::keep(&draft, &key)?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    if let Err(fault) = linked
        && fault.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(fault.into());
    }
    let kept = fs::read_to_string(&path)?;
    if kept.trim().len() < LEAST {
        anyhow::bail!("{} holds no key: remove it, and a new one is made", path.display());
    }
    Ok(kept.trim().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let made = read_or_make(&dir.path().join("a")).expect("made");
        assert_eq!(read_or_make(&dir.path().join("a")).expect("read"), made);
        assert!(made.len() >= 64);
        let mode = fs::metadata(dir.path().join("a/state-key")).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn where_it_cant_be_kept_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").expect("written");
        assert!(read_or_make(&blocked.join("x")).is_err());
        // A file that was cut short must not be taken for a key.
        fs::write(dir.path().join("state-key"), "short").expect("written");
        let fault = read_or_make(dir.path()).expect_err("no key").to_string();
        assert!(fault.contains("state-key"), "{fault}");
    }
}
