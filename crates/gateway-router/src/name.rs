//! What a model name says by itself: its long-context marker, its date, its vendor's family.

/// Whose naming a model follows. Used for one question only: would a provider of another vendor
/// understand the name?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `claude-…`.
    Claude,
    /// `gpt-…`, `o3…`, `codex-…`, `chatgpt-…`, and models trained further (`ft:gpt-…`).
    OpenAi,
    /// `gemini-…`, `gemma-…`.
    Google,
}

/// The name without its `[1m]` suffix (any case, repeated, blanks around it): the client's way to ask
/// for the long context window, which no upstream knows as part of a name.
pub fn strip_long_context(name: &str) -> &str {
    let mut rest = name.trim();
    while let Some((head, tail)) =
        rest.len().checked_sub(4).and_then(|at| rest.split_at_checked(at))
    {
        if !tail.eq_ignore_ascii_case("[1m]") {
            break;
        }
        rest = head.trim_end();
    }
    rest
}

/// The name without a trailing date (`-20251001`, `@20251001` or `-2025-10-01`); `None` if it has none.
pub fn without_date(name: &str) -> Option<&str> {
    let compact = |tail: &str| tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_digit());
    if let Some((head, tail)) = name.rsplit_once(['-', '@'])
        && compact(tail)
        && tail.starts_with("20")
        && !head.is_empty()
    {
        return Some(head);
    }
    let (head, tail) = name.split_at_checked(name.len().checked_sub(11)?)?;
    let b = tail.as_bytes();
    let dashed = tail.starts_with("-20")
        && b.iter().enumerate().all(|(i, c)| match i {
            0 | 5 | 8 => *c == b'-',
            _ => c.is_ascii_digit(),
        });
    (dashed && !head.is_empty()).then_some(head)
}

/// The vendor's family a name belongs to, `None` where the name does not tell. A vendor prefix
/// (`openai/gpt-5`) is looked through.
pub fn family_of(name: &str) -> Option<Family> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let starts = |prefixes: &[&str]| {
        prefixes.iter().any(|p| name.get(..p.len()).is_some_and(|h| h.eq_ignore_ascii_case(p)))
    };
    if starts(&["claude"]) {
        Some(Family::Claude)
    } else if starts(&["gpt-", "chatgpt-", "codex-", "o1", "o3", "o4-"]) {
        Some(Family::OpenAi)
    } else if starts(&["gemini-", "gemma-"]) {
        Some(Family::Google)
    } else {
        None
    }
}

/// Which names a provider understands; for another vendor's it gets its default model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Any name, nobody knows.
    Any,
    /// Those of these families, and names that tell no family.
    Families(&'static [Family]),
    /// A vendor before a slash (`openai/gpt-5`), as resellers have it: a vendor's plain name is none of theirs.
    Qualified,
    /// Names of its own (`us.anthropic.claude-…`): a vendor's plain name is none of theirs.
    Own,
    /// Open models (`qwen3:8b`, `gpt-oss:20b`, `gemma3`): what a vendor serves itself is none of them.
    Open,
}

impl Naming {
    /// Whether the name is another vendor's.
    pub fn is_foreign(self, name: &str) -> bool {
        let Some(family) = family_of(name) else { return false };
        match self {
            Self::Any => false,
            Self::Families(own) => !own.contains(&family),
            Self::Qualified => !name.contains('/'),
            Self::Own => true,
            Self::Open => !is_open(name),
        }
    }
}

/// Whether a name that looks like a vendor's is one of an open model: by its own name, or by its tag.
fn is_open(name: &str) -> bool {
    let plain = name.rsplit('/').next().unwrap_or(name);
    let starts = |prefix: &str| {
        plain.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    starts("gpt-oss") || starts("gemma") || (plain.contains(':') && !starts("ft:"))
}
