//! How the service writes an answer down: in what its models and the network differ. Every style in
//! [`Style::all`] says the same.

use super::rules::Family;

/// The ways of one model on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub struct Style {
    /// How frames come in reads.
    pub reads: Reads,
    /// Random padding in payloads.
    pub padding: bool,
    /// The form of a call's input in a stream.
    pub input: Input,
    /// Whether text blocks have their `contentBlockStop` (Converse).
    pub text_stops: bool,
    /// Whether indexes of blocks count in twos (Converse).
    pub gaps: bool,
    /// Whether `metadata` comes (Converse).
    pub metadata: bool,
    /// A delta without text before each text (Converse).
    pub empty_text: bool,
    /// `end_turn` although a tool is called (Converse).
    pub end_turn_for_calls: bool,
    /// Where Claude's stream has the counts of the cache (`InvokeModel`).
    pub cache_counts: CacheCounts,
    /// Members that no one asked for: `trace`, `performanceConfig`, `serviceTier`.
    pub extras: bool,
    /// Characters in a piece.
    pub piece: usize,
}

/// How frames come in reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// A frame a read.
    #[default]
    Frame,
    /// Each byte alone.
    Byte,
    /// Two frames at once.
    Two,
    /// Each frame with the head of the next.
    Within,
    /// All at once.
    Whole,
}

/// The form of a call's input in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// In pieces; nothing for a call without arguments.
    #[default]
    Pieces,
    /// In one piece.
    Whole,
    /// In pieces, with empty ones at both ends and between.
    EmptyPieces,
    /// In pieces, `{}` too.
    Always,
}

/// Where Claude's stream has the counts of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheCounts {
    /// At the start, and again in the metrics at the end.
    #[default]
    Both,
    /// At the start only.
    Start,
    /// In the metrics at the end only.
    Metrics,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            reads: Reads::Frame,
            padding: true,
            input: Input::Pieces,
            text_stops: true,
            gaps: false,
            metadata: true,
            empty_text: false,
            end_turn_for_calls: false,
            cache_counts: CacheCounts::Both,
            extras: false,
            piece: 7,
        }
    }
}

impl Style {
    /// Every style that a test should be run with, by name. A gateway reads the same answer from all; only
    /// without `metadata` it cannot know the usage.
    pub fn all() -> Vec<(&'static str, Self)> {
        let own = Self::default;
        let reads = |reads| Self { reads, ..own() };
        let input = |input| Self { input, ..own() };
        let cache_counts = |cache_counts| Self { cache_counts, ..own() };
        vec![
            ("bedrock", own()),
            ("a-byte-a-read", reads(Reads::Byte)),
            ("two-frames-a-read", reads(Reads::Two)),
            ("cut-within-frames", reads(Reads::Within)),
            ("one-read", reads(Reads::Whole)),
            ("no-padding", Self { padding: false, ..own() }),
            ("input-whole", input(Input::Whole)),
            ("input-empty-pieces", input(Input::EmptyPieces)),
            ("input-always", input(Input::Always)),
            ("no-text-stops", Self { text_stops: false, ..own() }),
            ("gaps", Self { gaps: true, ..own() }),
            ("gaps-no-text-stops", Self { gaps: true, text_stops: false, ..own() }),
            ("no-metadata", Self { metadata: false, ..own() }),
            ("empty-text", Self { empty_text: true, ..own() }),
            ("end-turn-for-calls", Self { end_turn_for_calls: true, ..own() }),
            ("cache-counts-at-start", cache_counts(CacheCounts::Start)),
            ("cache-counts-in-metrics", cache_counts(CacheCounts::Metrics)),
            ("extras", Self { extras: true, ..own() }),
            ("a-letter-a-piece", Self { piece: 1, ..own() }),
        ]
    }

    /// The ways of a family.
    pub fn of(family: Family) -> Self {
        let own = Self::default();
        match family {
            Family::Llama => Self { end_turn_for_calls: true, input: Input::Whole, ..own },
            Family::Mistral | Family::Qwen => Self { input: Input::Whole, ..own },
            Family::GptOss => Self { text_stops: false, gaps: true, ..own },
            Family::Nova | Family::Nova2 => Self { input: Input::EmptyPieces, ..own },
            Family::DeepSeek | Family::Other => Self { text_stops: false, ..own },
            Family::Claude | Family::Titan => own,
        }
    }

    /// The style of that name in [`Style::all`].
    ///
    /// # Panics
    /// When there is none.
    pub fn named(name: &str) -> Self {
        let found = Self::all().into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no style is called {name:?}")).1
    }

    /// The fragments of a call's input.
    pub(crate) fn fragments(&self, input: &str) -> Vec<String> {
        let empty = input == "{}" && !matches!(self.input, Input::Always | Input::EmptyPieces);
        if empty || input.is_empty() {
            return Vec::new();
        }
        let pieces = crate::text::pieces(input, self.piece);
        match self.input {
            Input::Whole => vec![input.to_owned()],
            Input::Pieces | Input::Always => pieces,
            Input::EmptyPieces => {
                let spaced = pieces.into_iter().flat_map(|piece| [String::new(), piece]);
                spaced.chain([String::new()]).collect()
            }
        }
    }

    /// What each read of a body brings.
    pub(crate) fn reads(&self, frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        match self.reads {
            Reads::Frame => frames,
            Reads::Byte => frames.concat().into_iter().map(|byte| vec![byte]).collect(),
            Reads::Two => frames.chunks(2).map(<[Vec<u8>]>::concat).collect(),
            Reads::Whole => vec![frames.concat()],
            Reads::Within => {
                // The length of a frame and a bit are there before the rest.
                let body = frames.concat();
                let mut cuts: Vec<usize> = Vec::new();
                let mut at = 0;
                for frame in &frames {
                    cuts.push(at + 9);
                    at += frame.len();
                }
                let starts = std::iter::once(0).chain(cuts.iter().copied());
                let ends = cuts.iter().copied().chain([body.len()]);
                starts.zip(ends).map(|(start, end)| body[start..end].to_vec()).collect()
            }
        }
    }
}
