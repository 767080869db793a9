//! Families of models: what each takes in Converse, as data.

use gateway_models::Family as Maker;

/// What the models of a family take. Where nothing is known the least is presumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Family {
    /// What configuration calls it.
    pub name: &'static str,
    /// How ids of its models begin, without the place.
    prefixes: &'static [&'static str],
    /// Its tokenizer.
    pub maker: Maker,
    /// It calls tools.
    pub tools: bool,
    pub tool_choice: ToolChoices,
    /// A result may say that it failed.
    pub result_status: bool,
    /// Images and documents may stand in a result.
    pub result_media: bool,
    pub images: bool,
    pub documents: bool,
    /// It takes a system prompt.
    pub system: bool,
    pub cache: Cache,
    pub thinking: Thinks,
    pub replay: Replay,
    pub top_k: TopK,
    pub schema: Schema,
    /// It can be held to a JSON schema.
    pub text_format: bool,
    /// Its web search.
    pub search: Option<&'static str>,
}

/// Which words on the choice of a tool are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ToolChoices {
    /// `auto` alone.
    Auto,
    /// And `any`.
    Any,
    /// And one by its name.
    Named,
}

/// Where marks of the prompt cache are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Nowhere,
    /// In the system prompt and in messages.
    Texts,
    /// Behind tools, too.
    Everywhere,
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinks {
    /// It is not.
    AsItLikes,
    /// By `thinking` and `output_config`, as in the Messages API.
    Claude,
    /// By `reasoning_effort`.
    Effort,
    /// By `reasoningConfig`.
    Nova,
}

/// Whether reasoning goes back to the model that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    Never,
    /// With a signature that the caller keeps as it is.
    Native,
    /// With what the gateway sealed.
    Sealed,
}

/// Where `top_k` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopK {
    Nowhere,
    /// `top_k`
    Plain,
    /// `inferenceConfig.topK`
    Nova,
}

/// What schemas of tools must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// An object at the root.
    Object,
    /// And nothing beside `type`, `properties` and `required` there.
    BareRoot,
    /// And no references.
    Inlined,
}

/// What is presumed of a model of which nothing is known.
const UNKNOWN: Family = Family {
    name: "other",
    prefixes: &[],
    maker: Maker::Unknown,
    tools: true,
    tool_choice: ToolChoices::Auto,
    result_status: false,
    result_media: false,
    images: true,
    documents: true,
    system: true,
    cache: Cache::Nowhere,
    thinking: Thinks::AsItLikes,
    replay: Replay::Never,
    top_k: TopK::Nowhere,
    schema: Schema::Inlined,
    text_format: false,
    search: None,
};

/// Models that are not shown pictures.
const BLIND: Family = Family { images: false, ..UNKNOWN };

const NOVA: Family = Family {
    name: "nova",
    prefixes: &["amazon.nova"],
    tool_choice: ToolChoices::Named,
    result_status: true,
    result_media: true,
    cache: Cache::Texts,
    top_k: TopK::Nova,
    schema: Schema::BareRoot,
    ..UNKNOWN
};

const LLAMA: Family = Family {
    name: "llama",
    prefixes: &["meta.llama"],
    maker: Maker::Llama,
    top_k: TopK::Plain,
    ..BLIND
};

const MISTRAL: Family = Family {
    name: "mistral",
    prefixes: &["mistral."],
    maker: Maker::Mistral,
    tool_choice: ToolChoices::Any,
    top_k: TopK::Plain,
    ..BLIND
};

/// The first whose prefix fits counts. Rows of one name are one family to configuration and to carried
/// state; the last of them is what its name alone means.
const FAMILIES: &[Family] = &[
    Family {
        name: "claude",
        prefixes: &["anthropic.", "claude"],
        maker: Maker::Claude,
        tool_choice: ToolChoices::Named,
        result_status: true,
        result_media: true,
        cache: Cache::Everywhere,
        thinking: Thinks::Claude,
        replay: Replay::Native,
        top_k: TopK::Plain,
        schema: Schema::Object,
        text_format: true,
        ..UNKNOWN
    },
    Family {
        prefixes: &["amazon.nova-micro"],
        images: false,
        documents: false,
        result_media: false,
        ..NOVA
    },
    Family { prefixes: &["amazon.nova-premier"], search: Some("nova_grounding"), ..NOVA },
    Family {
        name: "nova-2",
        prefixes: &["amazon.nova-2"],
        thinking: Thinks::Nova,
        replay: Replay::Sealed,
        search: Some("nova_grounding"),
        ..NOVA
    },
    NOVA,
    Family { name: "titan", prefixes: &["amazon.titan"], tools: false, system: false, ..BLIND },
    Family {
        prefixes: &["meta.llama4", "meta.llama3-2-11b", "meta.llama3-2-90b"],
        images: true,
        ..LLAMA
    },
    LLAMA,
    Family {
        prefixes: &["mistral.mistral-7b", "mistral.mixtral"],
        tools: false,
        system: false,
        ..MISTRAL
    },
    Family {
        prefixes: &[
            "mistral.pixtral",
            "mistral.mistral-large-3",
            "mistral.ministral",
            "mistral.magistral",
        ],
        images: true,
        ..MISTRAL
    },
    MISTRAL,
    Family {
        name: "deepseek",
        prefixes: &["deepseek.r1"],
        maker: Maker::DeepSeek,
        tools: false,
        ..BLIND
    },
    Family {
        name: "deepseek",
        prefixes: &["deepseek."],
        maker: Maker::DeepSeek,
        text_format: true,
        ..BLIND
    },
    Family {
        name: "gpt-oss",
        prefixes: &["openai.gpt-oss", "openai."],
        maker: Maker::GptOss,
        thinking: Thinks::Effort,
        replay: Replay::Sealed,
        text_format: true,
        ..BLIND
    },
    Family {
        name: "qwen",
        prefixes: &["qwen.qwen3-vl"],
        maker: Maker::Qwen,
        tool_choice: ToolChoices::Named,
        text_format: true,
        ..UNKNOWN
    },
    Family {
        name: "qwen",
        prefixes: &["qwen."],
        maker: Maker::Qwen,
        tool_choice: ToolChoices::Named,
        text_format: true,
        ..BLIND
    },
    Family {
        name: "kimi",
        prefixes: &["moonshotai.", "moonshot."],
        maker: Maker::Kimi,
        replay: Replay::Sealed,
        text_format: true,
        ..BLIND
    },
    Family {
        name: "minimax",
        prefixes: &["minimax."],
        maker: Maker::MiniMax,
        replay: Replay::Sealed,
        text_format: true,
        ..BLIND
    },
    Family { name: "glm", prefixes: &["zai."], maker: Maker::Glm, replay: Replay::Sealed, ..BLIND },
    Family { name: "gemma", prefixes: &["google."], maker: Maker::Gemini, ..UNKNOWN },
    Family { name: "cohere", prefixes: &["cohere."], ..BLIND },
    Family { name: "jamba", prefixes: &["ai21."], ..BLIND },
    Family { name: "nemotron", prefixes: &["nvidia."], ..BLIND },
    Family { name: "palmyra", prefixes: &["writer."], ..BLIND },
];

impl Family {
    /// The family of a model: as configuration says, else as its id does.
    pub(crate) fn of(model: &str, configured: Option<&str>) -> Self {
        let id = bare_id(model).to_ascii_lowercase();
        let by_id =
            FAMILIES.iter().find(|family| family.prefixes.iter().any(|p| id.starts_with(p)));
        let Some(mut name) = configured.map(|name| name.trim().to_ascii_lowercase()) else {
            return by_id.copied().unwrap_or(UNKNOWN);
        };
        if name.starts_with(A_CLAUDE) {
            name.truncate(A_CLAUDE.len() - 1);
        }
        // The id may say more of a model of that family.
        let by_id = by_id.filter(|family| family.name == name);
        let by_name = || FAMILIES.iter().rev().find(|family| family.name == name);
        by_id.or_else(by_name).copied().unwrap_or(UNKNOWN)
    }

    pub(crate) fn is_claude(&self) -> bool {
        self.maker == Maker::Claude
    }
}

/// With what the name of a Claude begins, which says its family and more.
const A_CLAUDE: &str = "claude-";

/// The Claude that configuration names, in place of a family alone.
pub(crate) fn one_claude(configured: Option<&str>) -> Option<String> {
    let name = configured?.trim().to_ascii_lowercase();
    name.starts_with(A_CLAUDE).then_some(name)
}

/// The names that configuration may give as a model's family. In place of `claude` it may also name one,
/// such as `claude-opus-4-7`.
pub fn families() -> impl Iterator<Item = &'static str> {
    let named = FAMILIES.iter().enumerate();
    let first = |at: usize, name: &str| FAMILIES[..at].iter().all(|other| other.name != name);
    let names = named.filter(move |(at, family)| first(*at, family.name));
    names.map(|(_, family)| family.name).chain([UNKNOWN.name])
}

/// Whether a model is one of Anthropic's: as configuration says, else as its id does.
///
/// ```
/// use gateway_bedrock::is_claude;
///
/// assert!(is_claude("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", None));
/// assert!(is_claude("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", Some("claude")));
/// assert!(is_claude("arn:aws:bedrock:us-east-1:1:provisioned-model/x", Some("claude-opus-4-7")));
/// assert!(!is_claude("amazon.nova-pro-v1:0", None));
/// ```
pub fn is_claude(model: &str, family: Option<&str>) -> bool {
    Family::of(model, family).is_claude()
}

/// A model's own id: without what an ARN says before it, and without the place. What an ARN names by digits
/// and letters alone stays so.
pub(crate) fn bare_id(model: &str) -> &str {
    let id = match model.strip_prefix("arn:") {
        Some(arn) => arn.rsplit('/').next().unwrap_or(arn),
        None => model,
    };
    without_place(id)
}

/// An id without the prefix of an inference profile.
pub(crate) fn without_place(id: &str) -> &str {
    const PLACES: [&str; 9] =
        ["us.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov.", "global.", "sa."];
    PLACES.iter().find_map(|place| id.strip_prefix(place)).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_family_wherever_it_is_served() {
        for (model, name) in [
            ("anthropic.claude-opus-4-7", "claude"),
            ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x",
                "claude",
            ),
            ("arn:aws-cn:bedrock:cn-north-1::foundation-model/amazon.nova-lite-v1:0", "nova"),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/8f2k3", "other"),
            ("us.amazon.nova-2-lite-v1:0", "nova-2"),
            ("us.meta.llama4-scout-17b-instruct-v1:0", "llama"),
            ("mistral.mistral-large-2407-v1:0", "mistral"),
            ("us.deepseek.r1-v1:0", "deepseek"),
            ("openai.gpt-oss-120b-1:0", "gpt-oss"),
            ("qwen.qwen3-coder-480b-a35b-v1:0", "qwen"),
            ("moonshot.kimi-k2-thinking", "kimi"),
            ("global.MiniMax.minimax-m2", "minimax"),
            ("acme.thing-v1", "other"),
            ("", "other"),
        ] {
            assert_eq!(Family::of(model, None).name, name, "{model}");
        }
    }

    #[test]
    fn configuration_knows_better() {
        let opaque = "arn:aws:bedrock:us-east-1:1:application-inference-profile/8f2k3";
        assert_eq!(Family::of(opaque, Some("Claude ")).name, "claude");
        assert!(is_claude(opaque, Some("claude")) && !is_claude(opaque, None));
        assert_eq!(Family::of(opaque, Some(" Claude-Opus-4-7")).name, "claude");
        assert_eq!(one_claude(Some(" Claude-Opus-4-7")).as_deref(), Some("claude-opus-4-7"));
        assert!(is_claude(opaque, Some("claude-sonnet-4-5")));
        assert_eq!((one_claude(Some("claude")), one_claude(None)), (None, None));
        assert_eq!(Family::of("anthropic.claude-x", Some("nova")).name, "nova");
        // What the id says of a member holds, and the name alone means the usual one.
        assert!(!Family::of("amazon.nova-micro-v1:0", Some("nova")).images);
        assert!(Family::of(opaque, Some("nova")).images);
        assert!(Family::of(opaque, Some("mistral")).tools);
        assert_eq!(Family::of(opaque, Some("nonsense")), UNKNOWN);
    }

    #[test]
    fn every_name_is_one_of_the_families() {
        let names: Vec<_> = families().collect();
        assert!(names.contains(&"claude") && names.contains(&"other") && names.len() > 10);
        for name in &names {
            assert_eq!(Family::of("", Some(name)).name, *name);
        }
        let mut once = names.clone();
        once.dedup();
        assert_eq!(once, names);
    }
}
