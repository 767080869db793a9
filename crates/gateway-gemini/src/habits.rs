//! What the generations of Google's models do differently, by their names.

use gateway_models::Effort::{self, High, Low, Medium, Minimal};

/// What holds for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Habits {
    /// `(3, 1)` is Gemini 3.1.
    pub generation: (u8, u8),
    pub thinking: Thinking,
    /// The longest answer in tokens, thoughts included, over all of its continuations.
    pub max_output: u64,
}

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// It does not think, or not as told.
    Never,
    /// By a budget in tokens.
    Budget { least: u64, most: u64, can_be_off: bool },
    /// By one of these levels, lowest first.
    Levels(&'static [Effort]),
}

impl Habits {
    /// Takes `temperature` and its like.
    pub(crate) fn takes_sampling(self) -> bool {
        self.generation < (3, 5)
    }

    /// Signs its function calls, and refuses those of the current turn without.
    pub(crate) fn wants_signatures(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Results of functions may hold images and files.
    pub(crate) fn reads_results(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Calls and results are matched by their ids.
    pub(crate) fn wants_ids(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Follows a schema while it has functions to call.
    pub(crate) fn format_beside_tools(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Google's own tools may stand beside functions (on AI Studio).
    pub(crate) fn mixes_tools(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Answers may come in several pieces, each asked for.
    pub(crate) fn continues(self) -> bool {
        self.generation >= (4, 0)
    }

    /// What is known of `model`, which need not be listed.
    pub(crate) fn of(model: &str) -> Self {
        let lower = model.to_ascii_lowercase();
        let base = lower.rsplit('/').next().unwrap_or(&lower);
        let generation = generation(base);
        let row = TABLE
            .iter()
            .find(|row| base.starts_with(row.begins) && row.holds.iter().all(|h| base.contains(h)));
        let (thinking, max_output) =
            row.map_or((Thinking::Never, USUAL_OUTPUT), |row| (row.thinking, row.max_output));
        Self { generation, thinking, max_output }
    }
}

/// The numbers behind `gemini-`. An alias without any (`gemini-flash-latest`) is the newest generation's;
/// a name that is none of Google's is taken for one that thinks and signs nothing.
fn generation(base: &str) -> (u8, u8) {
    let Some(version) = base.strip_prefix("gemini-") else { return (2, 0) };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let end = digits(version);
    let Ok(major) = version[..end].parse::<u8>() else { return NEWEST };
    let minor = version[end..].strip_prefix('.').map_or("", |rest| &rest[..digits(rest)]);
    (major, minor.parse().unwrap_or(0))
}

const NEWEST: (u8, u8) = (3, 8);

const USUAL_OUTPUT: u64 = 65_536;

/// What a whole answer in several pieces may be.
const LONG_OUTPUT: u64 = 1_048_576;

struct Row {
    begins: &'static str,
    holds: &'static [&'static str],
    thinking: Thinking,
    max_output: u64,
}

const fn row(
    begins: &'static str,
    holds: &'static [&'static str],
    thinking: Thinking,
    max_output: u64,
) -> Row {
    Row { begins, holds, thinking, max_output }
}

const ALL: Thinking = Thinking::Levels(&[Minimal, Low, Medium, High]);
const NOT_MINIMAL: Thinking = Thinking::Levels(&[Low, Medium, High]);

/// The first row that fits counts. Source: Google's pages on thinking, of November 2026.
const TABLE: &[Row] = &[
    row("gemini-1", &[], Thinking::Never, 8192),
    row("gemini-2.0", &[], Thinking::Never, 8192),
    row(
        "gemini-2.5",
        &["flash-lite"],
        Thinking::Budget { least: 512, most: 24_576, can_be_off: true },
        USUAL_OUTPUT,
    ),
    row(
        "gemini-2.5",
        &["flash"],
        Thinking::Budget { least: 1, most: 24_576, can_be_off: true },
        USUAL_OUTPUT,
    ),
    row(
        "gemini-2.5",
        &[],
        Thinking::Budget { least: 128, most: 32_768, can_be_off: false },
        USUAL_OUTPUT,
    ),
    row("gemini-3-pro", &[], Thinking::Levels(&[Low, High]), USUAL_OUTPUT),
    row("gemini-3.8", &[], NOT_MINIMAL, USUAL_OUTPUT),
    row("gemini-3", &["pro"], NOT_MINIMAL, USUAL_OUTPUT),
    row("gemini-3", &["flash"], ALL, USUAL_OUTPUT),
    row("gemini-3", &[], NOT_MINIMAL, USUAL_OUTPUT),
    row("gemini-2", &[], Thinking::Never, 8192),
    row("gemini-4", &[], NOT_MINIMAL, LONG_OUTPUT),
    // Aliases, and what is not out yet.
    row("gemini-", &[], NOT_MINIMAL, USUAL_OUTPUT),
    row("gemma", &[], Thinking::Never, 8192),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (model, generation) in [
            ("gemini-2.5-pro", (2, 5)),
            ("models/gemini-3-pro-preview", (3, 0)),
            ("Gemini-3.10-flash", (3, 10)),
            ("gemini-4-argon", (4, 0)),
            ("gemini-flash-latest", NEWEST),
            ("gemma-3-27b-it", (2, 0)),
            ("my-tuned-model", (2, 0)),
        ] {
            assert_eq!(Habits::of(model).generation, generation, "{model}");
        }
    }

    /// Levels and longest answers stand in the catalogue too, for people and for clients.
    #[test]
    fn the_catalogue_says_the_same_of_each_listed_model() {
        let listed = gateway_models::Catalogue::builtin().iter();
        let listed = listed.filter(|model| model.family == gateway_models::Family::Gemini);
        let mut levels = 0;
        for model in listed {
            let habits = Habits::of(&model.id);
            assert_eq!(model.max_output, Some(habits.max_output), "{}", model.id);
            if let Thinking::Levels(known) = habits.thinking {
                assert_eq!(model.efforts, known, "{}", model.id);
                levels += 1;
            }
        }
        assert!(levels > 8);
    }

    #[test]
    fn r19_levels_and_budgets_by_model() {
        let budget = |least, most, can_be_off| Thinking::Budget { least, most, can_be_off };
        for (model, thinking) in [
            ("gemini-2.0-flash", Thinking::Never),
            ("gemini-2.5-flash-lite-preview", budget(512, 24_576, true)),
            ("gemini-2.5-flash", budget(1, 24_576, true)),
            ("gemini-2.5-pro", budget(128, 32_768, false)),
            ("gemini-3-pro-preview", Thinking::Levels(&[Low, High])),
            ("gemini-3.1-pro", NOT_MINIMAL),
            ("gemini-3.1-flash-lite", ALL),
            ("gemini-3-flash", ALL),
            ("gemini-3.7-flash", ALL),
            ("gemini-3.8-flash", NOT_MINIMAL),
            ("gemini-4-argon", NOT_MINIMAL),
            ("gemini-pro-latest", NOT_MINIMAL),
            ("gemini-5-x", NOT_MINIMAL),
            ("other", Thinking::Never),
        ] {
            assert_eq!(Habits::of(model).thinking, thinking, "{model}");
        }
        assert!(Habits::of("gemini-4-argon").continues());
        assert!(!Habits::of("gemini-3.5-flash").takes_sampling());
        assert!(Habits::of("gemini-3.1-pro").takes_sampling());
    }
}
