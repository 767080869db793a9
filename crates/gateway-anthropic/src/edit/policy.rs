//! What an upstream can't take, as data.

use super::BetaPatterns;

/// What one upstream can not take.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Which thinking blocks of the history go up.
    pub thinking: Thinking,
    /// Marks of the prompt cache are taken out.
    pub strip_cache_control: bool,
    /// `role: system` inside `messages` becomes text of the user.
    pub inline_system: bool,
    /// What becomes of documents.
    pub documents: Documents,
    /// `output_config` is taken out, of messages too.
    pub strip_output_config: bool,
    /// Fields that are taken out: `metadata`, or `thinking.display`; `tools.strict` is one of each tool.
    pub drop_fields: Vec<String>,
    /// Betas that are taken out of the header.
    pub drop_betas: BetaPatterns,
    /// Betas that it was found not to know: they go, with the fields that need them.
    pub unknown_betas: Vec<String>,
    /// What this upstream is known not to have; [`Lacks::NOTHING`] by default.
    pub lacks: Lacks,
}

/// What an upstream lacks by its nature, as data: each kind of host has its own.
///
/// What a person configures stands in the fields of [`Policy`]; this is what is known beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Lacks {
    /// Fields, named as in [`Policy::drop_fields`].
    pub fields: &'static [&'static [&'static str]],
    /// The betas that it knows, all others go; a `*` may end one. `None`: it minds none.
    pub only_betas: Option<&'static [&'static [&'static str]]>,
    /// Betas that it knows by another name: ours, its.
    pub renamed_betas: &'static [(&'static str, &'static str)],
    /// Fields that it takes though it does not know, or need, their beta.
    pub free_fields: &'static [&'static [&'static str]],
    /// It refuses fields whose beta is not in the header, where they have one.
    pub pairs: bool,
    /// Beginnings of the types of tools that it does not run.
    pub tools: &'static [&'static str],
    /// It fetches nothing: images and documents must be in the request.
    pub sources: bool,
    /// It can't see images: a word that one was there goes up instead.
    pub images: bool,
    /// It may get histories that another mode of thinking or another model made, and is strict: it
    /// refuses `clear_thinking_…` where thinking is not asked for, and with a budget a turn that did not
    /// begin with thinking.
    pub thinking_pairs: bool,
    /// It refuses an effort where thinking is disabled.
    pub idle_effort: bool,
}

/// Which thinking blocks of the history go up. Those that a gateway sealed never do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Thinking {
    /// Those with a signature.
    #[default]
    Signed,
    /// Unsigned ones too: for an upstream that makes them itself and wants them back.
    Preserve,
    /// Those with a signature that looks like one of Anthropic's.
    Sanitize,
    /// None.
    Strip,
}

/// What becomes of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Documents {
    /// They go up.
    #[default]
    Keep,
    /// Their text goes up; of one that is no text, a word that it was there.
    Text,
    /// Their text goes up; one that is no text is an error of the caller.
    Refuse,
}

impl Policy {
    /// Whether requests have to be looked at even if they hold nothing of another provider.
    pub fn acts(&self) -> bool {
        !matches!(self.thinking, Thinking::Signed | Thinking::Preserve)
            || self.strip_cache_control
            || self.inline_system
            || self.documents != Documents::Keep
            || self.strip_output_config
            || !self.drop_fields.is_empty()
            || !self.drop_betas.is_empty()
            || !self.unknown_betas.is_empty()
            || self.lacks.acts()
    }

    /// Whether a beta can't go up, whatever the upstream may call it.
    pub(super) fn is_unknown(&self, beta: &str) -> bool {
        let name = self.lacks.name_of(beta);
        !self.lacks.knows(name) || self.unknown_betas.iter().any(|gone| gone == name || gone == "*")
    }
}

impl Default for Lacks {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Lacks {
    /// Of an upstream that has it all.
    pub const NOTHING: Self = Self {
        fields: &[],
        only_betas: None,
        renamed_betas: &[],
        free_fields: &[],
        pairs: false,
        tools: &[],
        sources: false,
        images: false,
        thinking_pairs: false,
        idle_effort: false,
    };

    /// What it calls a beta.
    pub(super) fn name_of<'a>(&self, beta: &'a str) -> &'a str {
        self.renamed_betas.iter().find(|(ours, _)| *ours == beta).map_or(beta, |(_, its)| its)
    }

    pub(super) fn knows(&self, beta: &str) -> bool {
        let Some(lists) = self.only_betas else { return true };
        lists.iter().copied().flatten().any(|known| match known.strip_suffix('*') {
            Some(stem) => beta.starts_with(stem),
            None => *known == beta,
        })
    }

    pub(super) fn is_free(&self, field: &str) -> bool {
        self.free_fields.iter().copied().flatten().any(|free| *free == field)
    }

    /// The part of a tool's type that its blocks say too, if it is one that is lacking.
    pub(super) fn tool(&self, kind: &str) -> Option<&'static str> {
        let found = self.tools.iter().find(|stem| kind.starts_with(**stem));
        found.map(|stem| stem.trim_end_matches('_'))
    }

    /// Whether a block of the history is of such a tool.
    pub(super) fn tool_block(&self, kind: &str, name: &str) -> bool {
        let of_it = |stem: &&str| {
            let stem = stem.trim_end_matches('_');
            match kind {
                "server_tool_use" => name.contains(stem),
                kind => {
                    kind.contains(stem)
                        && (kind.ends_with("_tool_result") || kind.ends_with("_tool_use"))
                }
            }
        };
        self.tools.iter().any(of_it)
    }

    pub(super) fn acts(&self) -> bool {
        !self.fields.is_empty()
            || self.only_betas.is_some()
            || !self.renamed_betas.is_empty()
            || self.pairs
            || !self.tools.is_empty()
            || self.sources
            || self.images
            || self.thinking_pairs
            || self.idle_effort
    }
}
