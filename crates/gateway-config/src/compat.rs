//! What an upstream can not take, or wants said another way: `compat` of a provider, as types.
//!
//! Every field is optional. `None` (or an empty list) means that nobody said anything: then a preset for the
//! host, what the model is known to take, or the dialect's own default counts.

/// A closed set of words of the file.
pub(crate) trait Word: Copy + 'static {
    /// The words, in the order in which people are told them.
    const WORDS: &'static [&'static str];

    /// What a word means; `None` for one that is not in [`Word::WORDS`].
    fn of(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$about])* $variant,)+ }

        impl $name {
            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Word for $name {
            const WORDS: &'static [&'static str] = &[$($word,)+];

            fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// What one upstream can not take.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compat {
    /// Which server it is, where its address does not say it: one of [`PRESETS`] (Anthropic, OpenAI).
    pub preset: Option<&'static str>,
    /// What becomes of thinking blocks in the history (Anthropic).
    pub thinking: Option<Thinking>,
    /// Whether cache marks go up (Anthropic).
    pub cache_control: Option<CacheControl>,
    /// Whether `role: system` messages inside `messages` go up (Anthropic).
    pub system_role: Option<SystemRole>,
    /// What becomes of documents.
    pub documents: Option<Documents>,
    /// Whether `output_config` goes up (Anthropic).
    pub output_config: Option<OutputConfig>,
    /// Whether earlier reasoning is sent back (Chat Completions).
    pub reasoning_content: Option<ReasoningContent>,
    /// Body fields that never go up.
    pub drop_fields: Vec<String>,
    /// Globs on names of betas that never go up (Anthropic).
    pub drop_betas: Vec<String>,
    /// Names of stream events or content blocks that never reach the caller.
    pub drop_events: Vec<String>,
    /// Which field limits the answer (Chat Completions).
    pub max_tokens_field: Option<MaxTokensField>,
    /// Whether `stream_options` is known (Chat Completions).
    pub stream_options: Option<bool>,
    /// Whether the role `developer` is known.
    pub developer_role: Option<bool>,
    /// Whether system messages may stand after the first message.
    pub system_anywhere: Option<bool>,
    /// How much of `tool_choice` is obeyed.
    pub tool_choice: Option<ToolChoice>,
    /// Whether `parallel_tool_calls` is known.
    pub parallel_tool_calls: Option<bool>,
    /// Which images are taken.
    pub images: Option<Images>,
    /// Whether images may stand in tool results.
    pub tool_images: Option<bool>,
    /// Whether PDF files are taken.
    pub pdf: Option<bool>,
    /// Whether an answer can be held to a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether an answer can be held to JSON of any shape.
    pub json_object: Option<bool>,
    /// Whether `strict` is obeyed for schemas.
    pub strict_schemas: Option<bool>,
    /// Most stop sequences in one request (Chat Completions).
    pub stop_max: Option<usize>,
    /// Longest tool name, in characters.
    pub tool_name_max: Option<usize>,
    /// Longest id of a tool call, in characters.
    pub call_id_max: Option<usize>,
    /// Most tools in one request.
    pub tools_max: Option<usize>,
    /// Which field asks for reasoning (Chat Completions).
    pub reasoning_in: Option<ReasoningIn>,
    /// Where reasoning stands in answers (Chat Completions).
    pub reasoning_out: Option<ReasoningOut>,
    /// Which field names the end user.
    pub user_field: Option<UserField>,
    /// Levels of effort that are known, out of [`EFFORTS`], in the order of the file.
    pub efforts: Option<Vec<&'static str>>,
    /// Whether `temperature` and `top_p` are taken.
    pub temperature: Option<bool>,
    /// Whether `top_k` is known.
    pub top_k: Option<bool>,
    /// Stands for a tool's result that is empty.
    pub empty_tool_output: Option<String>,
    /// Whether it goes on with an answer that the caller began (Chat Completions).
    pub prefill: Option<bool>,
    /// Whether ids of calls go back as the server made them, whatever they look like (Chat Completions).
    pub native_call_ids: Option<bool>,
    /// Body fields that are always sent, with their values.
    pub extra_fields: serde_json::Map<String, serde_json::Value>,
}

/// Every level of effort that a request can ask for, lowest first.
pub const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

words! {
    /// Which interface of kinds `openai` and `azure` is used.
    Api {
        /// Responses on OpenAI's own host for the models that want it, else Chat Completions.
        Auto = "auto",
        /// Chat Completions.
        Chat = "chat",
        /// Responses.
        Responses = "responses",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro derives the same for all")]
impl Default for Api {
    fn default() -> Self {
        Self::Auto
    }
}

words! {
    /// What becomes of thinking blocks in the history.
    Thinking {
        /// They go up as they are.
        Preserve = "preserve",
        /// Those that the upstream did not sign itself are taken out.
        Sanitize = "sanitize",
        /// All are taken out.
        Strip = "strip",
    }
}

words! {
    /// Whether cache marks go up.
    CacheControl {
        /// They do.
        Keep = "keep",
        /// They are taken out.
        Strip = "strip",
    }
}

words! {
    /// Whether `role: system` messages inside `messages` go up.
    SystemRole {
        /// They do.
        Keep = "keep",
        /// They become text of the user.
        Inline = "inline",
    }
}

words! {
    /// What becomes of documents.
    Documents {
        /// They go up.
        Keep = "keep",
        /// Their text goes up.
        Text = "text",
        /// The request is refused.
        Refuse = "refuse",
    }
}

words! {
    /// Whether `output_config` goes up.
    OutputConfig {
        /// It does.
        Keep = "keep",
        /// It is taken out.
        Strip = "strip",
    }
}

words! {
    /// Whether earlier reasoning is sent back.
    ReasoningContent {
        /// As the upstream is known to want it.
        Auto = "auto",
        /// Always.
        Replay = "replay",
        /// Never.
        Never = "never",
    }
}

words! {
    /// Which field limits the answer.
    MaxTokensField {
        /// The old one.
        MaxTokens = "max_tokens",
        /// The one that counts reasoning too.
        MaxCompletionTokens = "max_completion_tokens",
    }
}

words! {
    /// How much of `tool_choice` is obeyed.
    ToolChoice {
        /// All of it.
        Full = "full",
        /// A named tool can't be forced.
        NoNamed = "no_named",
        /// Only `auto` (and `none`).
        AutoOnly = "auto_only",
        /// The field is not known.
        None = "none",
    }
}

words! {
    /// Which images are taken.
    Images {
        /// All.
        Keep = "keep",
        /// Only those that come in the request itself, no URLs.
        Base64 = "base64",
        /// None.
        None = "none",
    }
}

words! {
    /// Which field asks for reasoning.
    ReasoningIn {
        /// `reasoning_effort: high`.
        ReasoningEffort = "reasoning_effort",
        /// `reasoning: {effort: high}`.
        Reasoning = "reasoning",
        /// `thinking: {type: enabled}`.
        Thinking = "thinking",
        /// There is none.
        None = "none",
    }
}

words! {
    /// Where reasoning stands in answers.
    ReasoningOut {
        /// Wherever it is found.
        Auto = "auto",
        /// `reasoning_content`.
        ReasoningContent = "reasoning_content",
        /// `reasoning`.
        Reasoning = "reasoning",
        /// `reasoning_details`.
        ReasoningDetails = "reasoning_details",
        /// Inside the text, between `<think>` and `</think>`.
        ThinkTags = "think_tags",
    }
}

words! {
    /// Which field names the end user.
    UserField {
        /// The present one.
        SafetyIdentifier = "safety_identifier",
        /// The old one.
        User = "user",
        /// Neither is known.
        None = "none",
    }
}

/// Servers that can be named because they run anywhere, or are reached through another address.
pub const PRESETS: &[&str] = &[
    "cerebras",
    "deepseek",
    "fireworks",
    "groq",
    "kimi",
    "llama_cpp",
    "lm_studio",
    "minimax",
    "mistral",
    "ollama",
    "openrouter",
    "together",
    "vllm",
    "xai",
    "zai",
];

/// Those of them that speak Anthropic's Messages API, too.
pub const ANTHROPIC_PRESETS: &[&str] = &[
    "deepseek",
    "kimi",
    "llama_cpp",
    "lm_studio",
    "minimax",
    "ollama",
    "openrouter",
    "vllm",
    "zai",
];
