//! How a server writes an answer down: everything in which models and deployments were seen to differ.
//! Every style gives the same bytes for the same turn.

use serde_json::Value;

/// The ways of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// How calls of one step are spread over frames.
    pub calls: Calls,
    /// Whether calls have ids.
    pub ids: Given,
    /// Which calls have signatures.
    pub signed: Signed,
    /// The signature of an answer without calls stands on a part of its own with an empty text; else on the
    /// last part.
    pub trailing: bool,
    /// Whether thoughts have a signature too.
    pub signed_thoughts: bool,
    /// Bytes of a signature, at least.
    pub signature: usize,
    /// Whether a call without arguments has `args: {}`.
    pub empty_args: bool,
    /// Where the usage stands.
    pub usage: UsageAt,
    /// Where the `finishReason` stands.
    pub ends: Ends,
    /// Whether grounding comes on a frame after the one with the `finishReason`.
    pub late_grounding: bool,
    /// Whether candidates have safety ratings, as Vertex has them.
    pub ratings: bool,
    /// How frames look.
    pub frames: Frames,
    /// How the bytes are written.
    pub writes: Writes,
    /// Characters in a piece.
    pub piece: usize,
}

/// How calls of one step are spread over frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// All in one.
    #[default]
    Together,
    /// A frame each.
    Apart,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// As the model has it: from the third generation on.
    #[default]
    ByModel,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which calls have signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    /// The first of a step, from the third generation on.
    #[default]
    ByModel,
    /// The first of a step, of any model.
    First,
    /// All, as some previews had it.
    Every,
    /// None.
    Never,
}

/// Where a stream's usage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageAt {
    /// In every frame, whole in the last one.
    #[default]
    Every,
    /// In the last one.
    Last,
    /// On a frame of its own without candidates.
    Own,
    /// Nowhere.
    Never,
}

/// Where the `finishReason` stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// On the last frame with content.
    #[default]
    WithLast,
    /// On a frame of its own with an empty text.
    EmptyText,
    /// On a frame of its own without content.
    Bare,
}

/// How frames look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// As the service has it: Gemini with CR LF, Claude with line feeds.
    #[default]
    Own,
    /// With CR LF.
    Crlf,
    /// With line feeds.
    Lf,
    /// With carriage returns.
    Cr,
    /// JSON over many lines, each a `data:` line.
    ManyLines,
}

/// How the bytes of a stream are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    /// A write for each frame.
    #[default]
    Frames,
    /// A write for each byte.
    Bytes,
    /// Everything at once.
    Once,
    /// So many bytes each.
    Every(usize),
    /// Between the bytes of every character that has more than one.
    Characters,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            calls: Calls::Together,
            ids: Given::ByModel,
            signed: Signed::ByModel,
            trailing: true,
            signed_thoughts: false,
            signature: 300,
            empty_args: true,
            usage: UsageAt::Every,
            ends: Ends::WithLast,
            late_grounding: false,
            ratings: false,
            frames: Frames::Own,
            writes: Writes::Frames,
            piece: 7,
        }
    }
}

impl Style {
    /// Every style that a test should be run with, by name. A gateway reads the same answer from all.
    pub fn all() -> Vec<(&'static str, Self)> {
        let own = Self::default;
        let frames = |frames| Self { frames, ..own() };
        let writes = |writes| Self { writes, ..own() };
        let usage = |usage| Self { usage, ..own() };
        vec![
            ("google", own()),
            ("calls-apart", Self { calls: Calls::Apart, ..own() }),
            ("ids", Self { ids: Given::Always, ..own() }),
            ("every-call-signed", Self { signed: Signed::Every, ..own() }),
            (
                "every-call-signed-apart",
                Self { signed: Signed::Every, calls: Calls::Apart, ..own() },
            ),
            ("signed-at-the-end", Self { trailing: false, ..own() }),
            ("signed-thoughts", Self { signed_thoughts: true, ..own() }),
            ("huge-signatures", Self { signature: 150_000, ..own() }),
            ("no-args", Self { empty_args: false, ..own() }),
            ("usage-at-the-end", usage(UsageAt::Last)),
            ("usage-apart", usage(UsageAt::Own)),
            ("ends-with-empty-text", Self { ends: Ends::EmptyText, ..own() }),
            ("ends-bare", Self { ends: Ends::Bare, ..own() }),
            ("late-grounding", Self { late_grounding: true, ..own() }),
            ("ratings", Self { ratings: true, ..own() }),
            ("lf", frames(Frames::Lf)),
            ("crlf", frames(Frames::Crlf)),
            ("cr", frames(Frames::Cr)),
            ("many-lines", frames(Frames::ManyLines)),
            ("a-byte-a-write", writes(Writes::Bytes)),
            ("one-write", writes(Writes::Once)),
            ("odd-writes", writes(Writes::Every(13))),
            ("split-characters", writes(Writes::Characters)),
            ("a-letter-a-piece", Self { piece: 1, ..own() }),
            ("one-piece", Self { piece: usize::MAX, ..own() }),
        ]
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
            Frames::Own if event.is_empty() => plain.replace('\n', "\r\n"),
            Frames::Own | Frames::Lf => plain,
            Frames::Crlf => plain.replace('\n', "\r\n"),
            Frames::Cr => plain.replace('\n', "\r"),
            Frames::ManyLines => {
                let lines = format!("{data:#}").replace('\n', "\ndata: ");
                format!("{event}data: {lines}\n\n")
            }
        }
    }

    /// The frames, as they are written.
    pub(crate) fn writes(&self, frames: Vec<String>) -> Vec<Vec<u8>> {
        if self.writes == Writes::Frames {
            return frames.into_iter().map(String::into_bytes).collect();
        }
        let whole = frames.concat();
        let starts = |at: usize| match self.writes {
            Writes::Bytes => true,
            Writes::Every(size) => at.is_multiple_of(size.max(1)),
            Writes::Characters => !whole.is_char_boundary(at),
            Writes::Once | Writes::Frames => false,
        };
        let mut writes: Vec<Vec<u8>> = Vec::new();
        for (at, byte) in whole.bytes().enumerate() {
            if at == 0 || starts(at) {
                writes.push(Vec::new());
            }
            writes.last_mut().expect("one was pushed at the first byte").push(byte);
        }
        writes
    }
}
