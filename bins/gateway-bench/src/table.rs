//! Figures, their spread, their ratios, and the goals beside them.

use std::fmt::Write as _;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    MicrosPerRequest,
    MicrosPerEvent,
    /// Beyond the direct way's, whose own figure is absolute.
    AddedMicros,
    KbPerStream,
    EventsPerSecond,
    Millis,
    MiB,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// This many times nginx' figure of the same round.
    TimesNginx(f64),
    /// This many times the row's floor's figure of the same round.
    TimesFloor(f64),
    /// This many times the same gateway's figure with Chat Completions, of the same round.
    TimesChat(f64),
    /// This much more than the same gateway's figure with hardly any configuration, of the same round.
    AbovePlain(f64),
    AtMost(f64),
}

/// What a gateway's figures with Chat Completions are called, behind its name.
pub(crate) const CHAT: &str = "chat";

/// What a gateway's figures with hardly any configuration are called, behind its name.
pub(crate) const PLAIN: &str = "plain";

/// One figure of every proxy, round by round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) goal: Option<Goal>,
    values: Vec<(String, Vec<f64>)>,
}

impl Row {
    pub(crate) fn new(name: &str, unit: Unit, goal: Option<Goal>) -> Self {
        Self { name: name.to_owned(), unit, goal, values: Vec::new() }
    }

    /// Adds a round's figure.
    pub(crate) fn push(&mut self, target: &str, value: f64) {
        match self.values.iter_mut().find(|(name, _)| name == target) {
            Some((_, values)) => values.push(value),
            None => self.values.push((target.to_owned(), vec![value])),
        }
    }

    /// A round in a line, for whoever waits.
    pub(crate) fn progress(&self, round: usize) -> String {
        let mut line = format!("{:<9} round {}:", self.name, round + 1);
        for (name, values) in &self.values {
            if let Some(value) = values.last() {
                let _ = write!(line, "  {name} {}", self.number(*value));
            }
        }
        line
    }

    /// The minimal proxy that does the row's work.
    fn floor(&self) -> &'static str {
        match &self.name[..] {
            "W2r" => "floor-splice0",
            name if name.starts_with("W4") => "floor-openai",
            _ => "floor",
        }
    }

    /// Round by round.
    pub(crate) fn of(&self, target: &str) -> Option<&[f64]> {
        self.values.iter().find(|(name, _)| name == target).map(|(_, values)| &values[..])
    }

    /// Round by round.
    fn ratios(&self, target: &str, to: &str) -> Option<Vec<f64>> {
        let (ours, theirs) = (self.of(target)?, self.of(to)?);
        Some(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// Round by round.
    fn above(&self, target: &str, other: &str) -> Option<Vec<f64>> {
        let (ours, theirs) = (self.of(target)?, self.of(other)?);
        Some(ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect())
    }

    fn number(&self, value: f64) -> String {
        match self.unit {
            Unit::MicrosPerRequest | Unit::MicrosPerEvent => format!("{value:.2}"),
            Unit::AddedMicros if value >= 0.0 && !self.name.is_empty() => format!("{value:.0}"),
            Unit::KbPerStream | Unit::Millis | Unit::MiB => format!("{value:.1}"),
            Unit::AddedMicros | Unit::EventsPerSecond => format!("{value:.0}"),
        }
    }

    fn cell(&self, target: &str) -> String {
        let Some(values) = self.of(target) else { return "–".to_owned() };
        let spread = Spread::of(values);
        let middle = self.number(spread.middle);
        if values.len() < 2 {
            return middle;
        }
        format!("{middle} ({}–{})", self.number(spread.least), self.number(spread.most))
    }

    fn ratio_cell(&self, target: &str, to: &str) -> String {
        let Some(ratios) = self.ratios(target, to) else { return "–".to_owned() };
        let Spread { least, middle, most } = Spread::of(&ratios);
        format!("**{middle:.2}** ({least:.2}–{most:.2})")
    }

    /// The goal, and whether it was met.
    fn verdict(&self, target: &str) -> (String, &'static str) {
        let met = |met: bool| if met { "met" } else { "**missed**" };
        match self.goal {
            None => ("–".to_owned(), ""),
            Some(Goal::TimesNginx(most)) => {
                let ratios = self.ratios(target, "nginx").unwrap_or_default();
                (format!("≤ {most} × nginx"), met(Spread::of(&ratios).middle <= most))
            }
            Some(Goal::TimesFloor(most)) => {
                let ratios = self.ratios(target, self.floor()).unwrap_or_default();
                (format!("≤ {most} × {}", self.floor()), met(Spread::of(&ratios).middle <= most))
            }
            Some(Goal::TimesChat(most)) => {
                let ratios = self.ratios(target, &chat_of(target)).unwrap_or_default();
                (format!("≤ {most} × Chat"), met(Spread::of(&ratios).middle <= most))
            }
            Some(Goal::AbovePlain(most)) => {
                let above = self.above(target, &plain_of(target)).unwrap_or_default();
                (
                    format!("≤ {most} {} more", unit_name(self.unit)),
                    met(Spread::of(&above).middle <= most),
                )
            }
            Some(Goal::AtMost(most)) => {
                let values = self.of(target).unwrap_or_default();
                (
                    format!("≤ {most} {}", unit_name(self.unit)),
                    met(Spread::of(values).middle <= most),
                )
            }
        }
    }
}

/// Median, least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    least: f64,
    middle: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
            return Self { least: f64::NAN, middle: f64::NAN, most: f64::NAN };
        };
        let half = sorted.len() / 2;
        let middle = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        };
        Self { least, middle, most }
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::MicrosPerRequest => "µs/request",
        Unit::MicrosPerEvent => "µs/event",
        Unit::AddedMicros => "µs added",
        Unit::KbPerStream => "KB/stream",
        Unit::EventsPerSecond => "events/s",
        Unit::Millis => "ms",
        Unit::MiB => "MiB",
    }
}

fn chat_of(target: &str) -> String {
    format!("{target} {CHAT}")
}

fn plain_of(target: &str) -> String {
    format!("{target} {PLAIN}")
}

/// All of it as Markdown: `target` beside nginx and the floors, beside itself with hardly any
/// configuration, and its dialects beside one another.
pub(crate) fn tables(rows: &[Row], target: &str) -> String {
    let of = |wanted: fn(&Option<Goal>) -> bool| -> Vec<&Row> {
        rows.iter().filter(|row| wanted(&row.goal)).collect()
    };
    let dialects = of(|goal| matches!(goal, Some(Goal::TimesChat(_))));
    let decisions = of(|goal| matches!(goal, Some(Goal::AbovePlain(_))));
    let others = of(|goal| !matches!(goal, Some(Goal::TimesChat(_) | Goal::AbovePlain(_))));
    let mut tables = Vec::new();
    for (rows, table) in [
        (others, table as fn(&[&Row], &str) -> String),
        (decisions, decision_table),
        (dialects, dialect_table),
    ] {
        if !rows.is_empty() {
            tables.push(table(&rows, target));
        }
    }
    tables.join("\n")
}

fn decision_table(rows: &[&Row], target: &str) -> String {
    let plain = plain_of(target);
    let mut text = String::from(
        "| | unit | plain | 50 rules, 10 providers, limits | more, of the same round | goal | |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (goal, verdict) = row.verdict(target);
        let more = Spread::of(&row.above(target, &plain).unwrap_or_default());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | **{:.2}** ({:.2}–{:.2}) | {goal} | {verdict} |",
            row.name,
            unit_name(row.unit),
            row.cell(&plain),
            row.cell(target),
            more.middle,
            more.least,
            more.most,
        );
    }
    text
}

fn dialect_table(rows: &[&Row], target: &str) -> String {
    let chat = chat_of(target);
    let mut text = String::from(
        "| | unit | nginx | Chat Completions | gateway | gateway ÷ nginx | gateway ÷ Chat | goal | |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (goal, verdict) = row.verdict(target);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {goal} | {verdict} |",
            row.name,
            unit_name(row.unit),
            row.cell("nginx"),
            row.cell(&chat),
            row.cell(target),
            row.ratio_cell(target, "nginx"),
            row.ratio_cell(target, &chat),
        );
    }
    text
}

fn table(rows: &[&Row], target: &str) -> String {
    let mut text = String::from(
        "| | unit | direct | nginx | floor | floor-splice0 | floor-openai | gateway | gateway ÷ nginx | gateway ÷ floor | goal | |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (goal, verdict) = row.verdict(target);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {goal} | {verdict} |",
            row.name,
            unit_name(row.unit),
            row.cell("direct"),
            row.cell("nginx"),
            row.cell("floor"),
            row.cell("floor-splice0"),
            row.cell("floor-openai"),
            row.cell(target),
            row.ratio_cell(target, "nginx"),
            row.ratio_cell(target, row.floor()),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round_and_goals_are_judged_by_their_median() {
        let mut row = Row::new("W1", Unit::MicrosPerRequest, Some(Goal::TimesNginx(1.25)));
        for (nginx, gateway) in [(10.0, 12.0), (20.0, 24.0), (10.0, 30.0)] {
            row.push("nginx", nginx);
            row.push("gateway", gateway);
        }
        assert_eq!(row.ratio_cell("gateway", "nginx"), "**1.20** (1.20–3.00)");
        assert_eq!(row.verdict("gateway"), ("≤ 1.25 × nginx".to_owned(), "met"));
        row.name = "W4".to_owned();
        for floor in [11.0, 20.0, 24.0] {
            row.push("floor-openai", floor);
        }
        row.goal = Some(Goal::TimesFloor(1.1));
        assert_eq!(row.verdict("gateway"), ("≤ 1.1 × floor-openai".to_owned(), "**missed**"));
        row.goal = Some(Goal::AtMost(23.0));
        assert_eq!(row.verdict("gateway").1, "**missed**");
        let text = tables(&[row], "gateway");
        assert!(
            text.contains(
                "| W4 | µs/request | – | 10.00 (10.00–20.00) | – | – | 20.00 (11.00–24.00) | 24.00 (12.00–30.00) |"
            ),
            "{text}"
        );
        assert!(!text.contains("Chat Completions"), "{text}");
    }

    #[test]
    fn a_decision_is_told_by_what_it_adds_in_the_same_round() {
        let mut row = Row::new("W1d", Unit::MicrosPerRequest, Some(Goal::AbovePlain(5.0)));
        for (plain, ruled) in [(10.0, 14.0), (30.0, 34.5), (10.0, 20.0)] {
            row.push("gateway plain", plain);
            row.push("gateway", ruled);
        }
        let text = tables(&[row], "gateway");
        let line = "| W1d | µs/request | 10.00 (10.00–30.00) | 20.00 (14.00–34.50) | **4.50** (4.00–10.00) | ≤ 5 µs/request more | met |";
        assert!(text.starts_with("| | unit | plain |") && text.contains(line), "{text}");
    }

    #[test]
    fn dialects_have_a_table_of_their_own() {
        let goal = Some(Goal::TimesChat(1.3));
        let mut row = Row::new("W4-x", Unit::MicrosPerEvent, goal);
        for (target, value) in [("nginx", 2.0), ("gateway chat", 10.0), ("gateway", 14.0)] {
            row.push(target, value);
        }
        let text = tables(&[row], "gateway");
        let line = "| W4-x | µs/event | 2.00 | 10.00 | 14.00 | **7.00** (7.00–7.00) | **1.40** (1.40–1.40) | ≤ 1.3 × Chat | **missed** |";
        assert!(text.starts_with("| | unit | nginx |") && text.contains(line), "{text}");
    }
}
