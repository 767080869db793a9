//! What is known of Gemini models by their names: the facts that checks and answers go by.

/// The line of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Pro,
    Flash,
    Lite,
}

/// A Gemini model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gemini {
    /// 25 for 2.5, 30 for 3, 40 for 4.
    pub(crate) version: u32,
    pub(crate) line: Line,
}

impl Gemini {
    /// By name; what has no number is taken for the newest of the third generation.
    pub(crate) fn of(model: &str) -> Self {
        let line = match () {
            () if model.contains("lite") => Line::Lite,
            () if model.contains("flash") => Line::Flash,
            () => Line::Pro,
        };
        let rest = model.strip_prefix("gemini-").unwrap_or_default();
        let number = rest.split('-').next().unwrap_or_default();
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        let version = match (major.parse::<u32>(), minor.parse::<u32>()) {
            (Ok(major), Ok(minor)) => major * 10 + minor,
            _ => 35,
        };
        Self { version, line }
    }

    /// The third generation and later: signatures, levels of thinking, ids of calls.
    pub(crate) fn signs(self) -> bool {
        self.version >= 30
    }

    /// Whether responses must repeat the ids of their calls.
    pub(crate) fn wants_ids(self) -> bool {
        self.version >= 35
    }

    /// Whether sampling fields are taken.
    pub(crate) fn samples(self) -> bool {
        self.version < 35
    }

    pub(crate) fn levels(self) -> &'static [&'static str] {
        match (self.version, self.line) {
            (..30, _) => &[],
            (30, Line::Pro) => &["LOW", "HIGH"],
            (38.., _) | (_, Line::Pro) => &["LOW", "MEDIUM", "HIGH"],
            _ => &["MINIMAL", "LOW", "MEDIUM", "HIGH"],
        }
    }

    /// The least and the most of a thinking budget, and whether 0 turns thinking off; none: there is none.
    pub(crate) fn budget(self) -> Option<(i64, i64, bool)> {
        match (self.version, self.line) {
            (40.. | ..25, _) => None,
            (25, Line::Pro) => Some((128, 32_768, false)),
            (25, Line::Flash) => Some((0, 24_576, true)),
            (25, Line::Lite) => Some((512, 24_576, true)),
            (35.., Line::Lite) => Some((1, 65_536, false)),
            _ => Some((0, 65_536, true)),
        }
    }

    pub(crate) fn max_output(self) -> u64 {
        match self.version {
            40.. => 1_048_576,
            25.. => 65_536,
            _ => 8_192,
        }
    }

    /// As signatures know it: `gemini-3`. Those of one generation are read by its models only.
    pub(crate) fn family(self) -> u32 {
        self.version / 10
    }
}
