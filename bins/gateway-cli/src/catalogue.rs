//! What is known of models: the built-in catalogue, and the rows a person has laid over it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use gateway_models::Catalogue;

use crate::process;

/// The file in the state directory.
const FILE: &str = "models.jsonl";

/// The catalogue with the rows of `models.jsonl` in the state directory, if there is such a file.
pub(crate) fn find() -> Result<Catalogue> {
    match process::state_dir(&process::environment()) {
        Ok(dir) => overlaid(&dir.join(FILE)),
        Err(_) => Ok(Catalogue::builtin().clone()),
    }
}

fn overlaid(path: &Path) -> Result<Catalogue> {
    match fs::read_to_string(path) {
        Ok(rows) => Catalogue::builtin()
            .overlaid(&rows)
            .with_context(|| format!("{} can't be used", path.display())),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Catalogue::builtin().clone())
        }
        Err(err) => Err(err).with_context(|| format!("{} can't be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_file_win_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join(FILE);
        assert!(overlaid(&file).is_ok(), "no file is fine");
        fs::write(&file, "{\"id\":\"gpt-5\",\"max_output\":7}\n").expect("written");
        let catalogue = overlaid(&file).expect("read");
        assert_eq!(catalogue.find("gpt-5").and_then(|model| model.max_output), Some(7));
        fs::write(&file, "{\"id\":\"gpt-5\",\"max_outptu\":7}\n").expect("written");
        let fault = format!("{:#}", overlaid(&file).expect_err("a wrong key"));
        assert!(fault.contains("models.jsonl") && fault.contains("max_output"), "{fault}");
    }
}
