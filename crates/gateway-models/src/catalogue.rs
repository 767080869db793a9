//! The built-in table of models.

/// One model, as its vendor describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// The name a client asks for.
    pub id: &'static str,
    /// The name a person reads.
    pub display_name: &'static str,
    /// The largest prompt, in tokens.
    pub context_window: u64,
    /// The longest answer, in tokens.
    pub max_output: u64,
}

const fn model(
    id: &'static str,
    display_name: &'static str,
    context_window: u64,
    max_output: u64,
) -> Model {
    Model { id, display_name, context_window, max_output }
}

/// The models of Anthropic that Claude Code asks for, newest first.
///
/// Source: the vendor's model pages, read 2026-11-21. For the 4.x line it is the window that needs
/// no beta header: telling a client a larger one would let its conversation overflow.
pub const CATALOGUE: &[Model] = &[
    model("claude-fable-5-2", "Claude Fable 5.2", 1_000_000, 128_000),
    model("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000),
    model("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, 128_000),
    model("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, 128_000),
    model("claude-opus-5", "Claude Opus 5", 1_000_000, 128_000),
    model("claude-sonnet-5", "Claude Sonnet 5", 1_000_000, 128_000),
    model("claude-opus-4-8", "Claude Opus 4.8", 200_000, 64_000),
    model("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000, 64_000),
    model("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000),
    model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000),
    model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000),
];

/// The entry for `name`, with or without a date suffix (`-20251001`).
pub fn find(name: &str) -> Option<&'static Model> {
    let base = match name.rsplit_once('-') {
        Some((base, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => name,
    };
    CATALOGUE.iter().find(|model| model.id == base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r40_every_name_passes_the_clients_filter_and_has_limits() {
        for model in CATALOGUE {
            assert!(model.id.starts_with("claude"), "{}", model.id);
            assert!(model.context_window > model.max_output && model.max_output > 0);
            assert_eq!(find(model.id), Some(model));
        }
    }

    #[test]
    fn only_a_date_is_taken_off() {
        assert!(find("claude-sonnet-4-5-20250929").is_some());
        assert!(find("claude-sonnet-4-5-preview1").is_none());
        assert!(find("claude-sonnet-4").is_none());
    }
}
