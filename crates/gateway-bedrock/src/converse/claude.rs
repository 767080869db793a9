//! What Claude's versions take.

use gateway_types::{Losses, What};

use super::Target;

/// The version in an id: `anthropic.claude-sonnet-4-5-20250929-v1:0` is `(4, 5)`, `claude-3-7-sonnet` is
/// `(3, 7)`, `claude-opus-5` is `(5, 0)`.
pub(super) fn version(id: &str) -> Option<Version> {
    let (_, rest) = id.split_once("claude-")?;
    let mut parts = rest.split(['-', '.', ':', '@']);
    // A date is no version.
    let number = |part: &str| part.parse::<u32>().ok().filter(|n| *n < 1000);
    let major = parts.by_ref().find_map(number)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

type Version = (u32, u32);

/// Betas that do something in Converse, by the version from which a model takes them, and to which.
const BETAS: &[(&str, Version, Version)] = &[
    ("context-1m-2025-08-07", (4, 0), (4, 6)),
    ("interleaved-thinking-2025-05-14", (4, 0), (4, 5)),
    ("fine-grained-tool-streaming-2025-05-14", (4, 0), (u32::MAX, 0)),
];

/// The effort of Opus 4.5, the first that took one.
pub(super) const EFFORT_BETA: &str = "effort-2025-11-24";

/// The caller's betas that the model is known to take: it refuses any other.
pub(super) fn betas<'a>(target: &Target<'a>, losses: &mut Losses) -> Vec<&'a str> {
    let listed = target.cx.betas.split(',').map(str::trim).filter(|beta| !beta.is_empty());
    let mut taken = Vec::new();
    for beta in listed {
        let known = BETAS.iter().find(|(name, ..)| *name == beta);
        let fits = known.zip(target.version).is_some_and(|((_, from, to), version)| {
            target.family.is_claude() && (*from..=*to).contains(&version)
        });
        if !fits || !target.may("anthropic_beta") {
            losses.add(What::Hint, "anthropic-beta", "what it stands for is not known here");
        } else if !taken.contains(&beta) {
            taken.push(beta);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_ids() {
        for (id, wanted) in [
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Some((4, 5))),
            ("anthropic.claude-opus-4-20250514-v1:0", Some((4, 0))),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some((3, 7))),
            ("anthropic.claude-opus-4-7", Some((4, 7))),
            ("anthropic.claude-fable-5", Some((5, 0))),
            ("anthropic.claude-instant-v1", None),
            ("8f2k3", None),
        ] {
            assert_eq!(version(id), wanted, "{id}");
        }
    }
}
