//! What a server and its model take: the facts that the checks go by.

/// Whose checks and texts apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// `OpenAI` itself, and Azure.
    OpenAi,
    /// Refuses every field that it does not know, and says so in its own words.
    Groq,
    /// Wants the reasoning of tool turns back; knows no `developer`.
    DeepSeek,
    /// Wants the reasoning of tool turns back; takes no forced tool while it thinks.
    Kimi,
    /// vLLM behind a chat template that wants the system message first and roles that alternate.
    StrictTemplate,
    /// Passes on to whoever has the model; takes fields of its own and knows none that it ignores.
    OpenRouter,
    /// Refuses every field that it does not know, call ids but its own form, and users behind results.
    Mistral,
    /// Takes a tool choice by word alone, and images by their bytes.
    LmStudio,
    /// A server that knows the oldest fields only.
    Bare,
}

/// A server with one model. Make one by a preset and change what the test is about.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whose checks apply.
    pub vendor: Vendor,
    /// The one model served; none: any name is.
    pub model: Option<String>,
    /// Azure: the one deployment there is, and Azure's addresses.
    pub deployment: Option<String>,
    /// Whether the model is served on Chat Completions.
    pub chat: bool,
    /// Efforts that Chat Completions takes. Empty: no reasoning model.
    pub efforts: Vec<&'static str>,
    /// Efforts that Responses takes besides.
    pub responses_efforts: Vec<&'static str>,
    /// The effort of a request that names none.
    pub default_effort: Option<&'static str>,
    /// Whether `stop` is taken.
    pub stop: bool,
    /// Whether penalties and `logit_bias` are taken.
    pub penalties: bool,
    /// Whether `parallel_tool_calls` is taken.
    pub parallel_flag: bool,
    /// Whether `max_tokens` is taken beside `max_completion_tokens`.
    pub max_tokens_field: bool,
    /// Whether `verbosity` is taken.
    pub verbosity: bool,
    /// Whether function tools are taken on Chat Completions while the model reasons.
    pub chat_tools_with_reasoning: bool,
    /// Whether `prompt_cache_options` and breakpoints are taken.
    pub cache_control: bool,
    /// Whether the model sees images.
    pub images: bool,
    /// The most tokens of an answer.
    pub max_output: u64,
    /// The fewest tokens with which a reasoning model on Chat Completions gets anywhere.
    pub chat_floor: u64,
    /// The context window in tokens, as [`tokens`](super::count_tokens) counts.
    pub window: u64,
    /// The credential that is asked for; none: no check.
    pub key: Option<String>,
    /// The organisation; encrypted reasoning of another one is refused.
    pub account: String,
}

const O_EFFORTS: &[&str] = &["low", "medium", "high"];

impl Rules {
    /// `OpenAI` with this model.
    ///
    /// # Panics
    /// When there is no such family.
    pub fn openai(model: &str) -> Self {
        let mut rules = Self { model: Some(model.to_owned()), ..Self::base(Vendor::OpenAi) };
        let responses_only =
            ["-pro", "-codex", "deep-research"].iter().any(|part| model.contains(part));
        rules.chat = !responses_only;
        if model.starts_with("gpt-5") && model.ends_with("-chat-latest") {
            rules.window = 128_000;
            rules.verbosity = true;
            return rules;
        }
        for (family, max_output, window) in [
            ("gpt-4o", 16_384, 128_000),
            ("gpt-4.1", 32_768, 1_047_576),
            ("gpt-3.5", 4_096, 16_385),
        ] {
            if model.starts_with(family) {
                (rules.max_output, rules.window) = (max_output, window);
                return rules;
            }
        }
        rules.max_tokens_field = false;
        rules.penalties = false;
        rules.chat_floor = 16;
        if ["o1", "o3", "o4"].iter().any(|family| model.starts_with(family)) {
            rules.efforts = O_EFFORTS.to_vec();
            rules.default_effort = Some("medium");
            rules.stop = model.starts_with("o1");
            rules.parallel_flag = false;
            (rules.max_output, rules.window) = (100_000, 200_000);
            return rules;
        }
        rules.stop = false;
        rules.verbosity = true;
        (rules.max_output, rules.window) = (128_000, 400_000);
        let family = Family::of(model);
        let (efforts, default): (&[&str], &str) = match family {
            Family::Five if model.contains("-pro") => (&["high"], "high"),
            Family::Five if model.contains("-codex") => (O_EFFORTS, "medium"),
            Family::Five => (&["minimal", "low", "medium", "high"], "medium"),
            Family::FiveOne if model.contains("codex-max") => {
                (&["low", "medium", "high", "xhigh"], "medium")
            }
            Family::FiveOne if model.contains("-codex") => (O_EFFORTS, "medium"),
            Family::FiveOne => (&["none", "low", "medium", "high"], "none"),
            _ if model.contains("-pro") => (&["medium", "high", "xhigh"], "medium"),
            Family::FiveTwo if model.contains("-codex") => {
                (&["low", "medium", "high", "xhigh"], "medium")
            }
            Family::FiveTwo | Family::FiveFour => {
                (&["none", "low", "medium", "high", "xhigh"], "none")
            }
            Family::FiveFive | Family::FiveSix => {
                (&["none", "low", "medium", "high", "xhigh"], "medium")
            }
            Family::Six if model.ends_with("-astra") || model.starts_with("gpt-6.1") => {
                (&["low", "medium", "high", "xhigh", "max"], "medium")
            }
            Family::Six => (&["none", "low", "medium", "high", "xhigh", "max"], "medium"),
        };
        rules.efforts = efforts.to_vec();
        rules.default_effort = Some(default);
        if family == Family::FiveSix {
            rules.responses_efforts = vec!["max"];
        }
        rules.cache_control = matches!(family, Family::FiveSix | Family::Six);
        if matches!(family, Family::FiveFour | Family::FiveFive | Family::FiveSix | Family::Six) {
            rules.chat_tools_with_reasoning = false;
            rules.window = 1_050_000;
        }
        rules
    }

    /// Azure with this deployment of this model.
    ///
    /// # Panics
    /// When there is no such family.
    pub fn azure(deployment: &str, model: &str) -> Self {
        Self { model: None, deployment: Some(deployment.to_owned()), ..Self::openai(model) }
    }

    /// A compatible server: `groq`, `deepseek`, `kimi`, `openrouter`, `mistral`, `lm_studio`,
    /// `vllm_strict_template` or `bare`.
    ///
    /// # Panics
    /// When there is no such preset.
    pub fn compatible(preset: &str) -> Self {
        let vendor = match preset {
            "groq" => Vendor::Groq,
            "deepseek" => Vendor::DeepSeek,
            "kimi" => Vendor::Kimi,
            "vllm_strict_template" => Vendor::StrictTemplate,
            "openrouter" => Vendor::OpenRouter,
            "mistral" => Vendor::Mistral,
            "lm_studio" => Vendor::LmStudio,
            "bare" => Vendor::Bare,
            other => panic!("no preset is called {other:?}"),
        };
        Self { max_output: u64::MAX, ..Self::base(vendor) }
    }

    /// With this credential asked for.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// With this context window in tokens.
    #[must_use]
    pub fn with_window(mut self, tokens: u64) -> Self {
        self.window = tokens;
        self
    }

    /// As another organisation, which cannot read this one's encrypted reasoning.
    #[must_use]
    pub fn with_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    fn base(vendor: Vendor) -> Self {
        Self {
            vendor,
            model: None,
            deployment: None,
            chat: true,
            efforts: Vec::new(),
            responses_efforts: Vec::new(),
            default_effort: None,
            stop: true,
            penalties: true,
            parallel_flag: true,
            max_tokens_field: true,
            verbosity: false,
            chat_tools_with_reasoning: true,
            cache_control: false,
            images: true,
            max_output: 16_384,
            chat_floor: 1,
            window: 131_072,
            key: None,
            account: "org-test".to_owned(),
        }
    }

    /// Whether a request with this effort makes the model reason.
    pub(crate) fn reasons(&self, effort: Option<&str>) -> bool {
        !self.efforts.is_empty() && effort.or(self.default_effort) != Some("none")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Five,
    FiveOne,
    FiveTwo,
    FiveFour,
    FiveFive,
    FiveSix,
    Six,
}

impl Family {
    fn of(model: &str) -> Self {
        let families = [
            ("gpt-5.1", Self::FiveOne),
            ("gpt-5.2", Self::FiveTwo),
            ("gpt-5.3", Self::FiveTwo),
            ("gpt-5.4", Self::FiveFour),
            ("gpt-5.5", Self::FiveFive),
            ("gpt-5.6", Self::FiveSix),
            ("gpt-6", Self::Six),
            ("gpt-5", Self::Five),
        ];
        let found = families.into_iter().find(|(prefix, _)| model.starts_with(prefix));
        found.unwrap_or_else(|| panic!("no family of models has {model:?}")).1
    }
}
