//! What the service and the model served take: the facts that the checks go by.

use super::sigv4::AccessKey;

/// Whose model it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Anthropic's; the only one with [`invoke_rules`](super::invoke_rules).
    Claude,
    /// Amazon's first.
    Nova,
    /// Amazon's second, which reasons.
    Nova2,
    /// `OpenAI`'s open ones.
    GptOss,
    /// Meta's.
    Llama,
    /// Mistral's.
    Mistral,
    /// Alibaba's.
    Qwen,
    /// `DeepSeek`'s.
    DeepSeek,
    /// Moonshot's, `MiniMax`'s and others that reason as they please.
    Other,
    /// Amazon's oldest: text and nothing else.
    Titan,
}

/// What becomes of reasoning that is sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningBack {
    /// Taken with the signature that the model gave it, unchanged.
    Signed,
    /// Taken without a signature, when this server said it.
    Plain,
    /// Refused.
    Never,
}

/// A service with one model. Make one by [`Rules::bedrock`] and change what the test is about.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a model")]
pub struct Rules {
    /// The id served, as a client must name it: with its geography where it has one, or an ARN.
    pub model: String,
    /// Whose it is.
    pub family: Family,
    /// Claude's version, such as (4, 5); of others (0, 0).
    pub version: (u32, u32),
    /// The region of credentials.
    pub region: String,
    /// Access keys that may sign. With none of these and no bearer key nothing is checked.
    pub keys: Vec<AccessKey>,
    /// The API key.
    pub bearer: Option<String>,
    /// Whether the account was given the model.
    pub access: bool,
    /// Seconds by which the service's clock is ahead of the machine's.
    pub ahead: i64,
    /// Whether a path that the service does not know is answered with 200, as live services were seen to
    /// do; else with 404.
    pub unknown_operation_is_200: bool,
    /// Whether the model counts tokens.
    pub counts: bool,
    /// Whether there are cache points.
    pub caches: bool,
    /// Whether they may stand behind tools too.
    pub caches_tools: bool,
    /// Whether they may live an hour.
    pub caches_1h: bool,
    /// Whether tools are taken.
    pub tools: bool,
    /// What `toolChoice` may be.
    pub tool_choices: Vec<&'static str>,
    /// Whether `status` of a tool's result is taken.
    pub status: bool,
    /// Whether a tool's result may hold images and documents.
    pub tool_images: bool,
    /// Whether there may be a system prompt.
    pub system: bool,
    /// Whether a message may have the role `system`.
    pub system_role: bool,
    /// Whether the model sees images.
    pub images: bool,
    /// Whether it reads documents.
    pub documents: bool,
    /// The most stop sequences.
    pub stop_sequences: usize,
    /// Whether `temperature`, `topP` and `top_k` are taken.
    pub sampling: bool,
    /// Whether a conversation may end with the assistant.
    pub prefill: bool,
    /// Whether `outputConfig.textFormat` is taken.
    pub text_format: bool,
    /// What becomes of reasoning that is sent back.
    pub reasoning: ReasoningBack,
    /// Whose signatures: reasoning signed by another is refused.
    pub signer: String,
    /// The context window in tokens, as [`count_tokens`](super::count_tokens) counts.
    pub window: u64,
    /// The most tokens of an answer.
    pub max_output: u64,
}

const GEOGRAPHIES: [&str; 8] = ["us.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov.", "global."];

impl Rules {
    /// The service with this model; what it takes follows from the id. For an ARN from which it cannot be
    /// read say [`served_by`](Self::served_by).
    pub fn bedrock(model: &str) -> Self {
        Self::of(model, model)
    }

    /// With the facts of this model, behind the id that was given.
    #[must_use]
    pub fn served_by(self, model: &str) -> Self {
        let Self { region, keys, bearer, ahead, .. } = self;
        Self { region, keys, bearer, ahead, ..Self::of(&self.model, model) }
    }

    /// With an access key that may sign.
    #[must_use]
    pub fn with_key(mut self, id: &str, secret: &str) -> Self {
        let (id, secret) = (id.to_owned(), secret.to_owned());
        self.keys.push(AccessKey { id, secret, session: None, expired: false });
        self
    }

    /// With the key of a session, which has ended or not.
    #[must_use]
    pub fn with_session(mut self, id: &str, secret: &str, token: &str, expired: bool) -> Self {
        let (id, secret) = (id.to_owned(), secret.to_owned());
        self.keys.push(AccessKey { id, secret, session: Some(token.to_owned()), expired });
        self
    }

    /// With this API key.
    #[must_use]
    pub fn with_bearer(mut self, key: &str) -> Self {
        self.bearer = Some(key.to_owned());
        self
    }

    /// In this region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// With this context window in tokens.
    #[must_use]
    pub fn with_window(mut self, tokens: u64) -> Self {
        self.window = tokens;
        self
    }

    /// With another's signatures.
    #[must_use]
    pub fn with_signer(mut self, signer: &str) -> Self {
        signer.clone_into(&mut self.signer);
        self
    }

    fn of(model: &str, facts: &str) -> Self {
        let (family, version) = (Family::of(facts), claude_version(facts));
        let claude = family == Family::Claude;
        let nova = matches!(family, Family::Nova | Family::Nova2);
        let tool_choices: &[&str] = match family {
            Family::Claude | Family::Nova | Family::Nova2 | Family::Qwen => {
                &["auto", "any", "tool"]
            }
            Family::Mistral => &["auto", "any"],
            _ => &["auto"],
        };
        let old = family == Family::Titan || facts.contains("mistral-7b");
        Self {
            model: model.to_owned(),
            family,
            version,
            region: "us-east-1".to_owned(),
            keys: Vec::new(),
            bearer: None,
            access: true,
            ahead: 0,
            unknown_operation_is_200: false,
            // Those that are had through profiles only do not count.
            counts: claude && version < (4, 6),
            caches: claude || nova,
            caches_tools: claude,
            caches_1h: claude && version >= (4, 5),
            tools: !old,
            tool_choices: tool_choices.to_vec(),
            status: claude || nova,
            tool_images: claude || nova,
            system: !old,
            // As Claude Code has it: it sends such messages to these.
            system_role: claude && version >= (4, 8),
            images: claude || nova || facts.contains("llama4") || facts.contains("pixtral"),
            documents: !old,
            stop_sequences: match family {
                Family::Nova | Family::Nova2 => 4,
                Family::Mistral => 10,
                _ => 2500,
            },
            sampling: !claude || version < (4, 7),
            prefill: claude && version < (4, 6),
            text_format: (claude && version >= (4, 5)) || family == Family::Qwen,
            reasoning: match family {
                Family::Claude => ReasoningBack::Signed,
                Family::GptOss | Family::Nova2 => ReasoningBack::Plain,
                _ => ReasoningBack::Never,
            },
            signer: "claude".to_owned(),
            window: 200_000,
            max_output: match family {
                Family::Claude if version < (3, 7) => 8192,
                Family::Claude if version < (4, 5) && facts.contains("opus") => 32_000,
                Family::Claude if version >= (4, 6) => 128_000,
                Family::Nova => 10_000,
                _ => 64_000,
            },
        }
    }

    /// The model without geography and ARN.
    pub fn foundation(&self) -> &str {
        bare(tail(&self.model))
    }

    pub(crate) fn claude(&self) -> bool {
        self.family == Family::Claude
    }
}

impl Family {
    fn of(model: &str) -> Self {
        let has = |part: &str| model.contains(part);
        match () {
            () if has("claude") => Self::Claude,
            () if has("nova-2") => Self::Nova2,
            () if has("nova") => Self::Nova,
            () if has("gpt-oss") => Self::GptOss,
            () if has("llama") => Self::Llama,
            () if has("mistral") || has("pixtral") || has("magistral") => Self::Mistral,
            () if has("qwen") => Self::Qwen,
            () if has("deepseek") => Self::DeepSeek,
            () if has("titan") => Self::Titan,
            () => Self::Other,
        }
    }
}

/// What stands after the last slash of an ARN; other ids as they are.
pub(crate) fn tail(id: &str) -> &str {
    if id.starts_with("arn:") { id.rsplit('/').next().unwrap_or(id) } else { id }
}

/// Without the geography of an inference profile.
pub(crate) fn bare(id: &str) -> &str {
    GEOGRAPHIES.iter().find_map(|geography| id.strip_prefix(geography)).unwrap_or(id)
}

/// `claude-sonnet-4-5-20250929-v1:0` is (4, 5), `claude-3-haiku-…` (3, 0), `claude-opus-5` (5, 0).
fn claude_version(model: &str) -> (u32, u32) {
    let Some((_, name)) = model.split_once("claude-") else { return (0, 0) };
    let mut numbers = name
        .split('-')
        .skip_while(|part| part.parse::<u32>().is_err())
        .map_while(|part| part.parse::<u32>().ok().filter(|number| *number < 100));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Family, Rules, claude_version};

    #[test]
    fn facts_are_read_from_ids() {
        for (id, version) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (4, 5)),
            ("anthropic.claude-3-haiku-20240307-v1:0", (3, 0)),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", (3, 7)),
            ("anthropic.claude-opus-4-20250514-v1:0", (4, 0)),
            ("anthropic.claude-opus-4-7", (4, 7)),
            ("global.anthropic.claude-opus-5-5", (5, 5)),
            ("anthropic.claude-sonnet-5", (5, 0)),
            ("amazon.nova-pro-v1:0", (0, 0)),
        ] {
            assert_eq!(claude_version(id), version, "{id}");
        }
        let rules = Rules::bedrock("arn:aws:bedrock:us-east-1:1:application-inference-profile/x9");
        assert_eq!(rules.family, Family::Other);
        let rules = rules.served_by("anthropic.claude-sonnet-4-5-20250929-v1:0");
        assert_eq!((rules.family, rules.foundation()), (Family::Claude, "x9"));
        let rules = Rules::bedrock("eu.amazon.nova-2-lite-v1:0");
        assert_eq!((rules.family, rules.foundation()), (Family::Nova2, "amazon.nova-2-lite-v1:0"));
    }
}
