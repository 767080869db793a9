//! What a case found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Not what Anthropic does; a client may live with it.
    Warning,
    /// A client breaks, loses content, or is told something false.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The row of the contract or of the behaviours that says so, e.g. `R1`; empty where none does.
    pub row: &'static str,
    /// What is wrong.
    pub what: String,
    /// What came.
    pub came: String,
    /// What was expected.
    pub expected: String,
}

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// At least one warning.
    Warn,
    /// At least one error.
    Fail,
    /// The endpoint did nothing wrong, but what was to be seen did not show: the model did something else,
    /// or the endpoint has the right not to do it.
    Inconclusive,
    /// Not run.
    Skip,
}

/// What the judges of one case say.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Why nothing can be concluded.
    pub inconclusive: Option<String>,
}

impl Judgement {
    /// Something that breaks a client.
    pub fn error(
        &mut self,
        row: &'static str,
        what: impl Into<String>,
        came: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Error, row, what.into(), &came.into(), expected.into());
    }

    /// Something that Anthropic does otherwise.
    pub fn warning(
        &mut self,
        row: &'static str,
        what: impl Into<String>,
        came: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Warning, row, what.into(), &came.into(), expected.into());
    }

    /// Something worth knowing.
    pub fn note(
        &mut self,
        row: &'static str,
        what: impl Into<String>,
        came: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Note, row, what.into(), &came.into(), expected.into());
    }

    /// That nothing can be concluded; the first reason counts.
    pub fn inconclusive(&mut self, why: impl Into<String>) {
        self.inconclusive.get_or_insert_with(|| why.into());
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Verdict::Fail,
            Some(Severity::Warning) => Verdict::Warn,
            _ if self.inconclusive.is_some() => Verdict::Inconclusive,
            _ => Verdict::Ok,
        }
    }

    fn add(
        &mut self,
        severity: Severity,
        row: &'static str,
        what: String,
        came: &str,
        expected: String,
    ) {
        let found = Finding { severity, row, what, came: clipped(came), expected };
        if !self.findings.contains(&found) {
            self.findings.push(found);
        }
    }
}

/// As much of a text as fits a line or two.
pub(crate) fn clipped(text: &str) -> String {
    let flat: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match flat.char_indices().nth(CLIP) {
        Some((cut, _)) => format!("{}…", &flat[..cut]),
        None => flat,
    }
}

/// Characters of what came that are shown.
const CLIP: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let mut judgement = Judgement::default();
        assert_eq!(judgement.verdict(), Verdict::Ok);
        judgement.note("", "a", "b", "c");
        assert_eq!(judgement.verdict(), Verdict::Ok);
        judgement.inconclusive("the model did not call");
        judgement.inconclusive("later");
        assert_eq!(judgement.verdict(), Verdict::Inconclusive);
        assert_eq!(judgement.inconclusive.as_deref(), Some("the model did not call"));
        judgement.warning("R2", "a", "b", "c");
        assert_eq!(judgement.verdict(), Verdict::Warn);
        judgement.error("R1", "a", "b", "c");
        judgement.error("R1", "a", "b", "c");
        assert_eq!((judgement.verdict(), judgement.findings.len()), (Verdict::Fail, 3));
    }

    #[test]
    fn what_came_is_one_short_line() {
        let clip = clipped(&format!(" a\n{}", "é".repeat(500)));
        assert!(clip.starts_with("a é") && clip.ends_with('…') && clip.chars().count() == 241);
    }
}
