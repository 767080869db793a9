//! The page of results: only what stands between its markers is ours to write.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- begin: cargo xtask bench -->";
const END: &str = "<!-- end: cargo xtask bench -->";

/// What a table is worth without.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) at: String,
    pub(crate) machine: String,
    pub(crate) nginx: String,
    pub(crate) gateway: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
}

/// Replaces what stands between the markers.
pub(crate) fn write(path: &Path, facts: &Facts, disturbance: f64, table: &str) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let date = facts.at.split('T').next().unwrap_or_default();
    let text = format!(
        "Measured {date} with `cargo xtask bench`: {}; {}; {}; {} rounds of {} s. Other processes had at most {:.0} % of \
         the proxies' core in a round that counts.\n\n{table}",
        facts.machine,
        facts.gateway,
        facts.nginx,
        facts.rounds,
        facts.seconds,
        disturbance * 100.0,
    );
    fs::write(path, replaced(&page, &text)?)?;
    Ok(())
}

fn replaced(page: &str, text: &str) -> Result<String> {
    let missing = || format!("the page has no `{BEGIN}` before an `{END}`");
    let (before, rest) = page.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nend\n");
        let new = replaced(&page, "new").unwrap();
        assert_eq!(new, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nend\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# Title\n", "new").is_err());
    }
}
