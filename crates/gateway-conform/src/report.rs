//! What is told of an endpoint, for programs and for people.

use std::time::Duration;

use serde::Serialize;

use crate::case::Case;
use crate::finding::{Finding, Judgement, Severity, Verdict};

/// What is told of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The case.
    pub id: String,
    /// What it checks.
    pub checks: String,
    /// The rows that ask for it.
    pub rows: Vec<&'static str>,
    /// What it came to.
    pub verdict: Verdict,
    /// Milliseconds of its slowest request.
    pub ms: u64,
    /// Why it is inconclusive or was not run.
    pub why: Option<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// What is told of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its URL.
    pub endpoint: String,
    /// The model that was asked for.
    pub model: String,
    /// How many different requests were sent.
    pub requests: usize,
    /// Every case, in the order of the table.
    pub cases: Vec<Told>,
}

/// How many cases came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Nothing is wrong.
    pub ok: usize,
    /// Warnings.
    pub warn: usize,
    /// Errors.
    pub fail: usize,
    /// Nothing could be concluded.
    pub inconclusive: usize,
    /// Not run.
    pub skip: usize,
}

impl Told {
    pub(crate) fn new(case: &Case, judgement: Judgement, took: Duration) -> Self {
        let verdict = judgement.verdict();
        Self {
            why: judgement.inconclusive,
            findings: judgement.findings,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            ..Self::bare(case, verdict)
        }
    }

    /// A case that was not run.
    pub fn skipped(case: &Case, why: &str) -> Self {
        Self { why: Some(why.to_owned()), ..Self::bare(case, Verdict::Skip) }
    }

    fn bare(case: &Case, verdict: Verdict) -> Self {
        Self {
            id: case.id.to_string(),
            checks: case.checks.to_string(),
            rows: case.rows.to_vec(),
            verdict,
            ms: 0,
            why: None,
            findings: Vec::new(),
        }
    }

    /// One line, and one more for each finding, with ANSI colours; without a line end at the end.
    pub fn line(&self) -> String {
        let (word, colour) = match self.verdict {
            Verdict::Ok => ("ok", GREEN),
            Verdict::Warn => ("warn", YELLOW),
            Verdict::Fail => ("FAIL", RED),
            Verdict::Inconclusive => ("?", DIM),
            Verdict::Skip => ("skip", DIM),
        };
        let time =
            if self.verdict == Verdict::Skip { String::new() } else { format!("{} ms", self.ms) };
        let mut text = format!("{colour}{word:<4}{RESET}  {:<ID$}  {time:>9}", self.id);
        if let Some(why) = &self.why {
            text += &format!("  {DIM}{why}{RESET}");
        }
        for finding in &self.findings {
            text += &format!("\n{}", lines(finding));
        }
        text
    }
}

fn lines(finding: &Finding) -> String {
    let (word, colour) = match finding.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
        Severity::Note => ("note", DIM),
    };
    let row = if finding.row.is_empty() { String::new() } else { format!(" ({})", finding.row) };
    let mut text = format!("      {colour}{word}{RESET}: {}{row}", finding.what);
    if !finding.came.is_empty() {
        text += &format!("\n        came:     {}", finding.came);
    }
    if !finding.expected.is_empty() {
        text += &format!("\n        expected: {}", finding.expected);
    }
    text
}

impl Report {
    /// How many cases came to what.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for case in &self.cases {
            *match case.verdict {
                Verdict::Ok => &mut summary.ok,
                Verdict::Warn => &mut summary.warn,
                Verdict::Fail => &mut summary.fail,
                Verdict::Inconclusive => &mut summary.inconclusive,
                Verdict::Skip => &mut summary.skip,
            } += 1;
        }
        summary
    }

    /// Whether no case has an error.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.verdict != Verdict::Fail)
    }

    /// The summary for people.
    pub fn summary_line(&self) -> String {
        let Summary { ok, warn, fail, inconclusive, skip } = self.summary();
        let mut text = format!(
            "{} cases, {} requests: {ok} ok, {warn} with warnings, {fail} with errors",
            self.cases.len(),
            self.requests
        );
        for (number, what) in [(inconclusive, "inconclusive"), (skip, "skipped")] {
            if number > 0 {
                text += &format!(", {number} {what}");
            }
        }
        text
    }

    /// The report for programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "endpoint": self.endpoint,
            "model": self.model,
            "ok": self.passed(),
            "requests": self.requests,
            "summary": self.summary(),
            "cases": self.cases,
        })
    }
}

/// Width of the column of names.
const ID: usize = 36;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[33m";
const GREEN: &str = "\u{1b}[32m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";
