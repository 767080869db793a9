//! Which Claude a name means, and what each generation takes.

/// A Claude by its version, as far as a name says it.
///
/// ```
/// use gateway_anthropic::hosted::Claude;
///
/// assert!(Claude::of("us.anthropic.claude-opus-4-7").at_least(4, 7));
/// assert!(!Claude::of("claude-sonnet-4-5@20250929").at_least(4, 6));
/// assert!(!Claude::of("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc").is_known());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claude {
    /// Major and minor number; `None`: no name that is known.
    version: Option<(u8, u8)>,
    opus: bool,
}

impl Claude {
    /// Reads a model's name, with a vendor, a region, a date or an ARN around it.
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some(at) = name.rfind("claude") else { return Self { version: None, opus: false } };
        let words: Vec<&str> = name[at..].split(|c: char| !c.is_ascii_alphanumeric()).collect();
        // A date has more digits.
        let number = |word: &&str| {
            let word = word.strip_prefix('v').unwrap_or(word);
            let digits = (1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| word.parse::<u8>().ok()).flatten()
        };
        let first = words.iter().position(|word| number(word).is_some());
        let version = first.and_then(|first| {
            let minor = words.get(first + 1).and_then(number).unwrap_or(0);
            Some((number(&words[first])?, minor))
        });
        Self { version, opus: words.contains(&"opus") }
    }

    /// The oldest that is in wide use: what an unknown one is taken for that refuses what is new.
    pub(super) const OLDER: Self = Self { version: Some((4, 5)), opus: false };

    /// Whether the name said which one it is.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// Whether it is this version or a later one. One whose name says nothing is taken for the
    /// newest: a client sends what the newest takes, and what is wrong about that is learnt.
    pub fn at_least(self, major: u8, minor: u8) -> bool {
        self.version.is_none_or(|version| version >= (major, minor))
    }

    /// Whether it is known to be this version or a later one.
    pub(crate) fn is_surely(self, major: u8, minor: u8) -> bool {
        self.version.is_some_and(|version| version >= (major, minor))
    }

    /// It thinks at all.
    pub(super) fn thinks(self) -> bool {
        self.at_least(3, 7)
    }

    /// It decides itself how long it thinks.
    pub(super) fn adapts(self) -> bool {
        self.at_least(4, 6)
    }

    /// It takes neither a budget for its thinking nor sampling parameters.
    pub(super) fn only_adapts(self) -> bool {
        self.at_least(4, 7)
    }

    /// The efforts that it takes; none where it takes no effort.
    pub(super) fn efforts(self) -> &'static [&'static str] {
        match self.version {
            Some((4, 5)) if self.opus => &["low", "medium", "high"],
            Some(version) if version < (4, 6) => &[],
            Some((4, 6)) => &["low", "medium", "high", "max"],
            _ => &["low", "medium", "high", "xhigh", "max"],
        }
    }

    /// The longest answer of those that have less room than the newest, which clients ask for: asked
    /// for more they refuse, `max_tokens: 128000 > 64000`.
    pub(super) fn max_output(self) -> Option<u64> {
        match self.version? {
            (4, 0 | 1) if self.opus => Some(32_000),
            (4, 0..=5) => Some(64_000),
            _ => None,
        }
    }

    /// Its effort is a beta still.
    pub(super) fn effort_is_beta(self) -> bool {
        self.opus && self.version == Some((4, 5))
    }

    /// It takes `temperature` or `top_p`, but not both.
    pub(super) fn takes_one_sampling(self) -> bool {
        self.version.is_some_and(|version| ((4, 1)..(4, 7)).contains(&version))
    }

    /// It takes `role: system` in the middle of a conversation.
    pub(super) fn takes_system_role(self) -> bool {
        self.at_least(4, 8)
    }
}

#[cfg(test)]
mod tests {
    use super::Claude;

    #[test]
    fn names_say_their_version_wherever_they_come_from() {
        for (name, version) in [
            ("claude-sonnet-4-5@20250929", Some((4, 5))),
            ("claude-opus-4@20250514", Some((4, 0))),
            ("us.anthropic.claude-opus-4-7", Some((4, 7))),
            ("global.anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some((3, 5))),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some((3, 7))),
            ("anthropic.claude-sonnet-4-20250514-v1:0", Some((4, 0))),
            ("anthropic.claude-v2:1", Some((2, 1))),
            ("claude-opus-5-5", Some((5, 5))),
            ("claude-fable-5", Some((5, 0))),
            ("Claude-Opus-4.6", Some((4, 6))),
            ("claude-opus-4-6@default", Some((4, 6))),
            ("anthropic/claude-opus-4.5[1m]", Some((4, 5))),
            (
                "arn:aws:bedrock:us-east-1:123:inference-profile/us.anthropic.claude-opus-4-6-v1",
                Some((4, 6)),
            ),
            ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/4x5y", None),
            ("claude", None),
            ("my-model-9", None),
        ] {
            assert_eq!(Claude::of(name).version, version, "{name}");
        }
    }

    #[test]
    fn an_unknown_one_is_taken_for_the_newest() {
        let unknown = Claude::of("arn:aws:bedrock:eu-west-1:1:application-inference-profile/4x5y");
        assert!(unknown.at_least(9, 9) && !unknown.is_surely(1, 0));
    }
}
