//! How a server writes an answer down: everything in which compatible servers differ from `OpenAI`.
//! Every style gives the same bytes for the same turn.

use serde_json::Value;

use super::rules::Vendor;

/// The ways of one server. The default is `OpenAI`'s own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// How calls are spread over chunks (Chat).
    pub calls: Calls,
    /// Which of a call's entries have its id (Chat).
    pub ids: CallIds,
    /// Whether entries have an `index` (Chat).
    pub index: bool,
    /// Whether entries have a `type` (Chat).
    pub call_type: bool,
    /// The form of arguments (Chat).
    pub arguments: Arguments,
    /// Where the usage stands (Chat).
    pub usage: UsageAt,
    /// What has nothing to say is there as null (Chat).
    pub nulls: bool,
    /// `role` in every delta (Chat).
    pub role_everywhere: bool,
    /// Whether `[DONE]` ends the stream; none: as the dialect has it.
    pub done: Option<bool>,
    /// How frames look.
    pub frames: Frames,
    /// Random padding in chunks.
    pub obfuscation: bool,
    /// Azure's filter results, and its first chunk without choices (Chat).
    pub azure: bool,
    /// `OpenRouter`'s comments while it works, its words on who answered and what it cost, and its form of an
    /// error amid a stream (Chat).
    pub openrouter: bool,
    /// Where thinking stands (Chat).
    pub reasoning: ReasoningAt,
    /// Content as a list of parts, as Mistral has it (Chat).
    pub content_parts: bool,
    /// Cached tokens as `prompt_cache_hit_tokens` and no details, as `DeepSeek` has them (Chat).
    pub hit_tokens: bool,
    /// Whether there are deltas; else only what is whole (Responses).
    pub deltas: bool,
    /// Whether messages have a `phase` (Responses).
    pub phase: bool,
    /// Whether an `error` event holds an `error` object, as was seen, or its fields, as documented
    /// (Responses).
    pub nested_error: bool,
    /// Characters in a piece.
    pub piece: usize,
}

/// How calls are spread over chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// One after another; name first, then arguments in pieces.
    #[default]
    Sequential,
    /// All names first, then a piece of each by turns.
    Interleaved,
    /// As that, with the entries of all calls in one chunk.
    Together,
    /// A call a chunk.
    Whole,
    /// Arguments first, the name with the last piece.
    NameLast,
}

/// Which entries have the id, and with it type and name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallIds {
    /// The first.
    #[default]
    Once,
    /// All.
    Repeated,
    /// None has an id; the first has the name.
    Never,
}

/// The form of arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments {
    /// A JSON text in pieces.
    #[default]
    Text,
    /// Each delta repeats all so far.
    Snapshot,
    /// An object; the call comes whole.
    Object,
}

/// Where a stream's usage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageAt {
    /// On a chunk of its own without choices, when asked for.
    #[default]
    OwnChunk,
    /// On the chunk with the `finish_reason`.
    FinishChunk,
    /// On every chunk, growing.
    EveryChunk,
    /// As `x_groq.usage` of the last chunk.
    XGroq,
    /// As `choices[0].usage` of the last chunk.
    Choice,
    /// Nowhere.
    Never,
}

/// How frames look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// `data: …` and line feeds.
    #[default]
    Plain,
    /// With CR LF.
    Crlf,
    /// JSON over many lines, each a `data:` line.
    ManyLines,
    /// Comments and blank lines between.
    Comments,
    /// `data:` without the space.
    Tight,
}

/// Where Chat Completions shows thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningAt {
    /// Nowhere.
    #[default]
    Hidden,
    /// In this field: `reasoning_content` or `reasoning`.
    Field(&'static str),
    /// In `reasoning`, and in `reasoning_details` with a signature that comes alone at the end.
    Details,
    /// In the content, between `<think>` and `</think>`.
    Think,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            calls: Calls::Sequential,
            ids: CallIds::Once,
            index: true,
            call_type: true,
            arguments: Arguments::Text,
            usage: UsageAt::OwnChunk,
            nulls: false,
            role_everywhere: false,
            done: None,
            frames: Frames::Plain,
            obfuscation: false,
            azure: false,
            openrouter: false,
            reasoning: ReasoningAt::Hidden,
            content_parts: false,
            hit_tokens: false,
            deltas: true,
            phase: false,
            nested_error: false,
            piece: 7,
        }
    }
}

impl Style {
    /// Every style that a test should be run with, by name. A gateway reads the same answer from all.
    pub fn all() -> Vec<(&'static str, Self)> {
        let own = Self::default;
        let calls = |calls| Self { calls, ..own() };
        let usage = |usage| Self { usage, ..own() };
        let frames = |frames| Self { frames, ..own() };
        let reasoning = |reasoning| Self { reasoning, ..own() };
        vec![
            ("openai", own()),
            ("interleaved", calls(Calls::Interleaved)),
            ("together", calls(Calls::Together)),
            ("whole", calls(Calls::Whole)),
            ("name-last", calls(Calls::NameLast)),
            ("ids-repeated", Self { ids: CallIds::Repeated, ..own() }),
            ("no-ids", Self { ids: CallIds::Never, ..own() }),
            ("no-index", Self { index: false, ..own() }),
            ("no-index-repeated-ids", Self { index: false, ids: CallIds::Repeated, ..own() }),
            (
                "no-index-no-ids-whole",
                Self { index: false, ids: CallIds::Never, ..calls(Calls::Whole) },
            ),
            ("no-type", Self { call_type: false, ..own() }),
            ("snapshots", Self { arguments: Arguments::Snapshot, ..own() }),
            ("object-arguments", Self { arguments: Arguments::Object, ..own() }),
            ("usage-on-finish", usage(UsageAt::FinishChunk)),
            ("usage-everywhere", usage(UsageAt::EveryChunk)),
            ("usage-x-groq", usage(UsageAt::XGroq)),
            ("usage-in-choice", usage(UsageAt::Choice)),
            ("no-usage", usage(UsageAt::Never)),
            ("nulls", Self { nulls: true, ..own() }),
            ("role-everywhere", Self { role_everywhere: true, ..own() }),
            ("no-done", Self { done: Some(false), ..own() }),
            ("done", Self { done: Some(true), ..own() }),
            ("crlf", frames(Frames::Crlf)),
            ("many-lines", frames(Frames::ManyLines)),
            ("comments", frames(Frames::Comments)),
            ("tight", frames(Frames::Tight)),
            ("obfuscation", Self { obfuscation: true, ..own() }),
            ("azure", Self { azure: true, ..own() }),
            ("openrouter", Self { openrouter: true, ..own() }),
            ("reasoning-content", reasoning(ReasoningAt::Field("reasoning_content"))),
            ("reasoning", reasoning(ReasoningAt::Field("reasoning"))),
            ("reasoning-details", reasoning(ReasoningAt::Details)),
            ("think", reasoning(ReasoningAt::Think)),
            ("content-parts", Self { content_parts: true, ..own() }),
            ("hit-tokens", Self { hit_tokens: true, ..own() }),
            ("no-deltas", Self { deltas: false, ..own() }),
            ("phase", Self { phase: true, ..own() }),
            ("nested-error", Self { nested_error: true, ..own() }),
            ("a-letter-a-piece", Self { piece: 1, ..own() }),
        ]
    }

    /// The ways of a vendor.
    pub fn of(vendor: Vendor) -> Self {
        let (own, field) = (Self::default(), ReasoningAt::Field);
        match vendor {
            Vendor::OpenAi => own,
            Vendor::Groq => Self {
                calls: Calls::Whole,
                usage: UsageAt::XGroq,
                reasoning: field("reasoning"),
                ..own
            },
            Vendor::DeepSeek => Self {
                usage: UsageAt::FinishChunk,
                reasoning: field("reasoning_content"),
                frames: Frames::Comments,
                hit_tokens: true,
                nulls: true,
                ..own
            },
            Vendor::Kimi => {
                Self { usage: UsageAt::Choice, reasoning: field("reasoning_content"), ..own }
            }
            Vendor::OpenRouter => Self { openrouter: true, reasoning: ReasoningAt::Details, ..own },
            Vendor::Mistral => Self {
                calls: Calls::Whole,
                usage: UsageAt::FinishChunk,
                content_parts: true,
                ..own
            },
            Vendor::LmStudio | Vendor::StrictTemplate => {
                Self { reasoning: field("reasoning"), ..own }
            }
            Vendor::Bare => Self {
                calls: Calls::Whole,
                ids: CallIds::Never,
                index: false,
                call_type: false,
                usage: UsageAt::Never,
                done: Some(false),
                ..own
            },
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

    /// One frame with its end.
    pub(crate) fn frame(&self, event: Option<&str>, data: &Value) -> String {
        let event = event.map(|name| format!("event: {name}\n")).unwrap_or_default();
        let plain = format!("{event}data: {data}\n\n");
        match self.frames {
            Frames::Plain => plain,
            Frames::Crlf => plain.replace('\n', "\r\n"),
            Frames::Comments => format!(": keep-alive\n\n{plain}\n"),
            Frames::Tight => plain.replacen("data: ", "data:", 1),
            Frames::ManyLines => {
                let lines = format!("{data:#}").replace('\n', "\ndata: ");
                format!("{event}data: {lines}\n\n")
            }
        }
    }

    /// The frame that ends a stream.
    pub(crate) fn done(&self) -> &'static str {
        match self.frames {
            Frames::Crlf => "data: [DONE]\r\n\r\n",
            Frames::Tight => "data:[DONE]\n\n",
            _ => "data: [DONE]\n\n",
        }
    }
}
