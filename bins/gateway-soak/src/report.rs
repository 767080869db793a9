//! What must be true at the end, and the page that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fault::Fault;
use crate::gateway::{GREEDY_RATE, Log, Sample, Told};
use crate::tally::{Kind, Logged, Tally, Verdict};
use crate::upstream::Behaved;
use crate::words::mark;

/// Everything that is known after a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// One a second of the load.
    pub(crate) samples: Vec<Sample>,
    /// With nothing to do, at the very end.
    pub(crate) idle: Sample,
    pub(crate) in_flight: u64,
    pub(crate) exit: Option<i32>,
    pub(crate) told: Told,
    pub(crate) log: Log,
    pub(crate) upstreams: Vec<Behaved>,
    /// Questions after the faults had ended, and whole answers to them.
    pub(crate) recovered: (u64, u64),
}

/// One thing that must be true.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) holds: bool,
    pub(crate) what: &'static str,
    pub(crate) found: String,
}

/// Memory that comes and goes with the load of the moment.
const SLACK_BYTES: u64 = 8 << 20;
/// Connections that come and go likewise.
const SLACK_DESCRIPTORS: u64 = 24;

impl Run {
    /// What must be true, with what was found.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let check = |holds, what, found| Check { holds, what, found };
        let (early, late) = thirds(&self.samples);
        let memory = |samples: &[Sample]| median(samples.iter().map(|sample| sample.resident));
        let descriptors =
            |samples: &[Sample]| median(samples.iter().map(|sample| sample.descriptors));
        let (mem, mem_late) = (memory(early), memory(late));
        let (open, open_late) = (descriptors(early), descriptors(late));
        let wrong = self.tally.total(Verdict::is_wrong);
        let falsely = self.tally.total(|verdict| verdict == Verdict::FalselyWhole);
        let (none, several) = self.misses();
        let (asked, whole) = self.recovered;
        let granted = self.tally.count(Kind::Greedy, |verdict| verdict == Verdict::Whole);
        // What is in the bucket at the beginning, and what comes in.
        let seconds = self.samples.len() as u64 + 10;
        let most = GREEDY_RATE + GREEDY_RATE * seconds / 60;
        vec![
            check(falsely == 0, "no reply looks whole and is not", falsely.to_string()),
            check(
                wrong == falsely,
                "every request gets its answer or an error",
                format!("{} without", wrong - falsely),
            ),
            check(
                none + several == 0,
                "one line of the log for each request",
                format!("{none} without, {several} with more"),
            ),
            check(
                self.in_flight == 0,
                "no request is left in flight",
                format!("{} in /status", self.in_flight),
            ),
            check(
                mem_late <= (mem * 6 / 5).max(mem + SLACK_BYTES),
                "memory is flat",
                format!("{} MiB in the first third, {} in the last", mib(mem), mib(mem_late)),
            ),
            check(
                open_late <= (open * 6 / 5).max(open + SLACK_DESCRIPTORS),
                "descriptors are flat",
                format!(
                    "{open} in the first third, {open_late} in the last, {} idle",
                    self.idle.descriptors
                ),
            ),
            check(
                granted <= most,
                "a client gets no more than its limit",
                format!("{granted} answers, {most} at most"),
            ),
            check(
                self.log.reloaded == self.told.good && self.log.kept >= self.told.broken,
                "another configuration is taken, a broken one is not",
                format!(
                    "{} of {} taken, {} of {} refused, {} signals",
                    self.log.reloaded,
                    self.told.good,
                    self.log.kept,
                    self.told.broken,
                    self.told.signals
                ),
            ),
            check(
                asked == whole,
                "when the faults end, all is well again",
                format!("{whole} of {asked} answered"),
            ),
            check(self.exit == Some(0), "it ends well", format!("exit code {:?}", self.exit)),
        ]
    }

    /// Questions with too few and with too many lines.
    fn misses(&self) -> (u64, u64) {
        let (mut none, mut several) = (0, 0);
        for (question, logged) in self.tally.logged.iter().enumerate() {
            let lines = self.log.lines.get(&mark(question as u64)).copied().unwrap_or(0);
            let (least, most) = match logged {
                Some(Logged::Once) => (1, 1),
                Some(Logged::Perhaps) => (0, 1),
                Some(Logged::Never) | None => (0, 0),
            };
            none += u64::from(lines < least);
            several += u64::from(lines > most);
        }
        (none, several)
    }

    /// The tables, in Markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::from("| | found | |\n|---|---|---|\n");
        for check in self.checks() {
            let verdict = if check.holds { "holds" } else { "**does not hold**" };
            let _ = writeln!(text, "| {} | {} | {verdict} |", check.what, check.found);
        }
        text.push_str(
            "\n| asked for | requests | whole answer | error status | `error` event | cut for all to see | caller left |\n\
             |---|---|---|---|---|---|---|\n",
        );
        for kind in Kind::ALL {
            let of = |counts: fn(Verdict) -> bool| self.tally.count(kind, counts);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                kind.name(),
                of(|verdict| verdict != Verdict::Stale),
                of(|verdict| verdict == Verdict::Whole),
                of(|verdict| matches!(verdict, Verdict::Error(_))),
                of(|verdict| verdict == Verdict::ErrorEvent),
                of(|verdict| verdict == Verdict::Cut),
                of(|verdict| verdict == Verdict::Left),
            );
        }
        let shares = self.tally.models.iter().map(|(model, (whole, all))| {
            let tenths = whole * 1000 / (*all).max(1);
            format!("{model} {}.{} %", tenths / 10, tenths % 10)
        });
        let _ = writeln!(text, "\nWhole answers by model: {}.", list(shares));
        let _ = writeln!(text, "Error statuses: {}.", self.statuses());
        let _ = writeln!(
            text,
            "Attempts for a request: {}. Replies by: {}. Pings: {}.",
            list(
                self.tally.attempts.iter().map(|(attempts, count)| format!("{attempts} × {count}"))
            ),
            list(self.tally.served.iter().map(|(name, count)| format!("{name} {count}"))),
            self.tally.pings,
        );
        text.push_str("\n| what the upstream did |");
        for upstream in &self.upstreams {
            let _ = write!(text, " {} |", upstream.name);
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(self.upstreams.len()));
        let mut row = |name: &str, of: &dyn Fn(usize) -> u64| {
            let _ = write!(text, "\n| {name} |");
            for at in 0..self.upstreams.len() {
                let _ = write!(text, " {} |", of(at));
            }
        };
        row("was asked", &|at| self.upstreams[at].requests);
        let did: BTreeSet<Fault> =
            self.upstreams.iter().flat_map(|upstream| upstream.did.keys().copied()).collect();
        for fault in did {
            let of = |at: usize| self.upstreams[at].did.get(&fault).copied().unwrap_or(0);
            row(fault.name(), &of);
        }
        row("was not there for three seconds", &|at| self.upstreams[at].deaths);
        text.push('\n');
        text
    }

    fn statuses(&self) -> String {
        let mut statuses = BTreeMap::<u16, u64>::new();
        for ((_, verdict), count) in &self.tally.verdicts {
            if let Verdict::Error(status) = verdict {
                *statuses.entry(*status).or_default() += count;
            }
        }
        list(statuses.iter().map(|(status, count)| format!("{status} × {count}")))
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The first and the last third, without a tenth at the beginning, in which caches and pools fill.
fn thirds(samples: &[Sample]) -> (&[Sample], &[Sample]) {
    let warm = &samples[samples.len() / 10..];
    let third = warm.len().div_ceil(3);
    (&warm[..third], &warm[warm.len() - third..])
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn mib(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, (bytes >> 10 & 1023) * 10 / 1024)
}

const BEGIN: &str = "<!-- begin: cargo xtask soak -->";
const END: &str = "<!-- end: cargo xtask soak -->";

/// Puts `text` between the page's markers.
pub(crate) fn write(page: &Path, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let missing = || format!("the page has no `{BEGIN}` before an `{END}`");
    let (before, rest) = old.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    let new = format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end());
    fs::write(page, new).with_context(|| page.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn run() -> Run {
        let sample = Sample { resident: 20 << 20, descriptors: 60 };
        let mut tally = Tally::default();
        tally.settle(Kind::Unary, 0, Verdict::Whole, Logged::Once);
        tally.settle(Kind::Leaver, 1, Verdict::Left, Logged::Perhaps);
        Run {
            tally,
            samples: vec![sample; 30],
            idle: sample,
            in_flight: 0,
            exit: Some(0),
            told: Told { good: 1, broken: 1, signals: 1 },
            log: Log { lines: HashMap::from([(mark(0), 1)]), reloaded: 1, kept: 1 },
            upstreams: vec![Behaved {
                name: "alpha",
                requests: 1,
                deaths: 0,
                did: BTreeMap::from([(Fault::None, 1)]),
            }],
            recovered: (2, 2),
        }
    }

    type Spoilt = (fn(&mut Run), &'static str);

    fn failed(run: &Run) -> Vec<&'static str> {
        run.checks().into_iter().filter(|check| !check.holds).map(|check| check.what).collect()
    }

    #[test]
    fn each_check_fails_for_what_it_is_about() {
        assert_eq!(failed(&run()), [""; 0]);
        let wrongs: [Spoilt; 12] = [
            (
                |run| run.tally.settle(Kind::Unary, 0, Verdict::FalselyWhole, Logged::Once),
                "no reply looks whole and is not",
            ),
            (
                |run| run.tally.settle(Kind::Unary, 0, Verdict::Lost, Logged::Once),
                "every request gets its answer or an error",
            ),
            (|run| run.log.lines.clear(), "one line of the log for each request"),
            (|run| run.log.lines.extend([(mark(1), 2)]), "one line of the log for each request"),
            (|run| run.in_flight = 1, "no request is left in flight"),
            (
                |run| run.samples[21..].fill(Sample { resident: 29 << 20, descriptors: 60 }),
                "memory is flat",
            ),
            (
                |run| run.samples[21..].fill(Sample { resident: 20 << 20, descriptors: 90 }),
                "descriptors are flat",
            ),
            (
                |run| run.tally.verdicts.extend([((Kind::Greedy, Verdict::Whole), 101)]),
                "a client gets no more than its limit",
            ),
            (|run| run.log.reloaded = 0, "another configuration is taken, a broken one is not"),
            (|run| run.log.kept = 0, "another configuration is taken, a broken one is not"),
            (|run| run.recovered = (2, 1), "when the faults end, all is well again"),
            (|run| run.exit = None, "it ends well"),
        ];
        for (spoil, what) in wrongs {
            let mut run = run();
            spoil(&mut run);
            assert_eq!(failed(&run), [what]);
        }
    }

    #[test]
    fn the_page_has_a_row_for_each_kind_and_fault() {
        let text = run().tables();
        for row in ["| unary | 1 | 1 |", "| caller leaves early | 1 | 0 |", "| answers | 1 |"] {
            assert!(text.contains(row), "{row} is not in\n{text}");
        }
    }
}
