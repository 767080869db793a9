//! What is known of servers by the host of their base URL.

use gateway_models::Effort;

use crate::Azure;
use crate::quirks::{
    CacheMarks, Images, MaxTokensField, Quirks, ReasoningIn, ReasoningOut, Replay, ToolChoiceLevel,
    UnthinkingTools, UserField, WebSearch,
};

impl Quirks {
    /// A server that nobody knows: what nearly all of them take, and nothing that some refuse.
    pub fn compatible() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxTokens,
            developer_role: false,
            // Many chat templates refuse a system message behind the first place.
            system_anywhere: false,
            parallel_tool_calls: false,
            pdf: false,
            strict_schemas: false,
            reasoning_out: ReasoningOut::Auto,
            replay_reasoning: Replay::ToolTurns,
            user_field: UserField::None,
            prompt_cache_key: false,
            cache_breakpoints: false,
            responses: false,
            counts: false,
            store: false,
            service_tier: false,
            // Templates drop a tool message without content, or fail on it.
            empty_tool_output: "(no output)".to_owned(),
            // Some servers and templates take nothing but a string for a content (DeepSeek's says
            // `invalid type: sequence, expected a string`).
            text_parts: false,
            web_search: WebSearch::None,
            // Who serves OpenAI's models by another interface of theirs has no such rule.
            unthinking_tools: UnthinkingTools::None,
            ..Self::default()
        }
    }

    /// The preset for a base URL, by its host; [`Quirks::compatible`] where it is not known.
    ///
    /// ```
    /// use gateway_openai::{MaxTokensField, Quirks};
    ///
    /// let openai = Quirks::for_base("https://api.openai.com/v1");
    /// assert_eq!(openai, Quirks::default());
    /// let local = Quirks::for_base("http://10.0.0.7:8000/v1");
    /// assert_eq!(local.max_tokens_field, MaxTokensField::MaxTokens);
    /// ```
    pub fn for_base(base: &str) -> Self {
        let (host, port) = host_and_port(base);
        let is = |domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let known = HOSTS.iter().find(|(domain, _)| is(domain)).map(|(_, word)| *word);
        let word = known.or((port == "11434").then_some("ollama"));
        word.and_then(Self::named).unwrap_or_else(Self::compatible)
    }

    /// The preset of that name, one of [`PRESETS`](Self::PRESETS): local servers can't be told by their
    /// host.
    ///
    /// ```
    /// use gateway_openai::{Quirks, ToolChoiceLevel};
    ///
    /// let local = Quirks::named("llama_cpp").expect("a preset");
    /// assert_eq!(local.tool_choice, ToolChoiceLevel::NoNamed);
    /// assert_eq!(Quirks::named("lama_cpp"), None);
    /// assert!(Quirks::PRESETS.iter().all(|name| Quirks::named(name).is_some()));
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "openai" => Self::default(),
            "azure" => Self::azure(),
            "compatible" => Self::compatible(),
            "cerebras" => Self::cerebras(),
            "deepseek" => Self::deepseek(),
            "fireworks" => Self::fireworks(),
            "groq" => Self::groq(),
            "kimi" => Self::kimi(),
            "llama_cpp" => Self::llama_cpp(),
            "lm_studio" => Self::lm_studio(),
            "minimax" => Self::minimax(),
            "mistral" => Self::mistral(),
            "ollama" => Self::ollama(),
            "openrouter" => Self::openrouter(),
            "together" => Self::together(),
            "vllm" => Self::vllm(),
            "xai" => Self::xai(),
            "zai" => Self::zai(),
            _ => return None,
        })
    }

    /// The names of all presets.
    pub const PRESETS: &'static [&'static str] = &[
        "azure",
        "cerebras",
        "compatible",
        "deepseek",
        "fireworks",
        "groq",
        "kimi",
        "llama_cpp",
        "lm_studio",
        "minimax",
        "mistral",
        "ollama",
        "openai",
        "openrouter",
        "together",
        "vllm",
        "xai",
        "zai",
    ];

    fn azure() -> Self {
        Azure::default().quirks()
    }

    /// Refuses fields that it does not know, also on messages.
    fn groq() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            system_anywhere: true,
            parallel_tool_calls: true,
            user_field: UserField::User,
            replay_reasoning: Replay::Never,
            ..Self::compatible()
        }
    }

    fn deepseek() -> Self {
        Self {
            system_anywhere: true,
            images: Images::None,
            json_schema: false,
            reasoning_in: ReasoningIn::Thinking,
            reasoning_out: ReasoningOut::ReasoningContent,
            reasoning_required: true,
            efforts: Some(vec![Effort::Low, Effort::High, Effort::Max]),
            ..Self::compatible()
        }
    }

    fn kimi() -> Self {
        Self {
            system_anywhere: true,
            images: Images::Base64,
            // A forced call is refused while it thinks, which it does unless told not to.
            tool_choice: ToolChoiceLevel::AutoOnly,
            native_call_ids: true,
            call_id_max: 256,
            reasoning_in: ReasoningIn::Thinking,
            reasoning_out: ReasoningOut::ReasoningContent,
            reasoning_required: true,
            temperature: Some(false),
            prompt_cache_key: true,
            ..Self::compatible()
        }
    }

    fn minimax() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            images: Images::None,
            tool_choice: ToolChoiceLevel::None,
            reasoning_in: ReasoningIn::None,
            reasoning_out: ReasoningOut::ReasoningDetails,
            replay_reasoning: Replay::Always,
            temperature_zero: false,
            extra_fields: vec![("reasoning_split".to_owned(), "true".to_owned())],
            ..Self::compatible()
        }
    }

    fn zai() -> Self {
        Self {
            system_anywhere: true,
            tool_choice: ToolChoiceLevel::AutoOnly,
            json_schema: false,
            reasoning_in: ReasoningIn::Thinking,
            reasoning_out: ReasoningOut::ReasoningContent,
            // Without it the arguments of a call come in one piece at its end.
            extra_fields: vec![("tool_stream".to_owned(), "true".to_owned())],
            ..Self::compatible()
        }
    }

    fn openrouter() -> Self {
        Self {
            system_anywhere: true,
            parallel_tool_calls: true,
            pdf: true,
            strict_schemas: true,
            tools_max: 1024,
            reasoning_in: ReasoningIn::Reasoning,
            reasoning_out: ReasoningOut::ReasoningDetails,
            replay_reasoning: Replay::Always,
            user_field: UserField::User,
            efforts: Some(Effort::ALL.to_vec()),
            top_k: true,
            prompt_cache_key: true,
            prefill: true,
            text_parts: true,
            cache_marks: CacheMarks::ForSome,
            session_id: true,
            web_search: WebSearch::OpenRouter,
            ..Self::compatible()
        }
    }

    /// Takes nothing that it does not know (`Extra inputs are not permitted`); counts unasked.
    fn mistral() -> Self {
        Self {
            stream_options: false,
            parallel_tool_calls: true,
            plain_call_ids: true,
            call_id_max: 9,
            // `Unexpected role 'user' after role 'tool'`.
            user_after_tool: false,
            replay_reasoning: Replay::Never,
            ..Self::compatible()
        }
    }

    fn xai() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            system_anywhere: true,
            parallel_tool_calls: true,
            call_id_max: 128,
            reasoning_out: ReasoningOut::ReasoningContent,
            replay_reasoning: Replay::Never,
            user_field: UserField::User,
            ..Self::compatible()
        }
    }

    fn together() -> Self {
        Self { top_k: true, call_id_max: 128, ..Self::compatible() }
    }

    fn fireworks() -> Self {
        Self {
            parallel_tool_calls: true,
            // Also what keeps a session where its prompt is cached.
            user_field: UserField::User,
            ..Self::together()
        }
    }

    /// Refuses fields that it does not know.
    fn cerebras() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            parallel_tool_calls: true,
            replay_reasoning: Replay::Never,
            ..Self::compatible()
        }
    }

    /// A chat template decides the rest. Its ids are longer than OpenAI's.
    fn vllm() -> Self {
        Self {
            parallel_tool_calls: true,
            call_id_max: 128,
            tools_max: 1024,
            top_k: true,
            ..Self::compatible()
        }
    }

    fn llama_cpp() -> Self {
        Self {
            // A named tool is taken for `auto`, without a word.
            tool_choice: ToolChoiceLevel::NoNamed,
            ..Self::vllm()
        }
    }

    fn lm_studio() -> Self {
        Self {
            // `Invalid tool_choice type: 'object'`.
            tool_choice: ToolChoiceLevel::NoNamed,
            // `'url' field must be a base64 encoded image`.
            images: Images::Base64,
            // `'response_format.type' must be 'json_schema' or 'text'`.
            json_object: false,
            call_id_max: 128,
            tools_max: 1024,
            top_k: true,
            ..Self::compatible()
        }
    }

    fn ollama() -> Self {
        Self {
            system_anywhere: true,
            tool_choice: ToolChoiceLevel::None,
            images: Images::Base64,
            reasoning_out: ReasoningOut::Reasoning,
            ..Self::compatible()
        }
    }
}

/// Whose host it is.
const HOSTS: &[(&str, &str)] = &[
    ("openai.com", "openai"),
    ("openai.azure.com", "azure"),
    ("services.ai.azure.com", "azure"),
    ("cognitiveservices.azure.com", "azure"),
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("moonshot.ai", "kimi"),
    ("moonshot.cn", "kimi"),
    ("kimi.com", "kimi"),
    ("minimax.io", "minimax"),
    ("minimaxi.com", "minimax"),
    ("minimax.chat", "minimax"),
    ("z.ai", "zai"),
    ("bigmodel.cn", "zai"),
    ("openrouter.ai", "openrouter"),
    ("mistral.ai", "mistral"),
    ("x.ai", "xai"),
    ("together.ai", "together"),
    ("together.xyz", "together"),
    ("fireworks.ai", "fireworks"),
    ("cerebras.ai", "cerebras"),
    ("ollama.com", "ollama"),
];

/// Host in lower case and port, as text, of a URL; empty where there is none.
fn host_and_port(base: &str) -> (String, &str) {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    (host.trim_end_matches('.').to_ascii_lowercase(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_decides_and_look_alikes_do_not_count() {
        for (base, wanted) in [
            ("https://api.openai.com/v1", Quirks::default()),
            ("https://API.OpenAI.com:443", Quirks::default()),
            ("https://eu.api.openai.com/v1", Quirks::default()),
            ("https://res.openai.azure.com/openai/v1", Quirks::azure()),
            ("https://res.services.ai.azure.com/openai/v1", Quirks::azure()),
            ("https://api.groq.com/openai/v1", Quirks::groq()),
            ("https://api.deepseek.com", Quirks::deepseek()),
            ("https://api.moonshot.cn/v1", Quirks::kimi()),
            ("https://api.minimax.io/v1", Quirks::minimax()),
            ("https://api.z.ai/api/paas/v4", Quirks::zai()),
            ("https://openrouter.ai/api/v1", Quirks::openrouter()),
            ("http://localhost:11434/v1", Quirks::ollama()),
            ("http://[::1]:11434/v1", Quirks::ollama()),
            ("https://api.mistral.ai/v1", Quirks::mistral()),
            ("https://codestral.mistral.ai/v1", Quirks::mistral()),
            ("https://api.x.ai/v1", Quirks::xai()),
            ("https://api.together.xyz/v1", Quirks::together()),
            ("https://api.fireworks.ai/inference/v1", Quirks::fireworks()),
            ("https://api.cerebras.ai/v1", Quirks::cerebras()),
            ("https://notx.ai/v1", Quirks::compatible()),
            ("https://notopenai.com/v1", Quirks::compatible()),
            ("https://api.openai.com.evil.example/v1", Quirks::compatible()),
            ("http://127.0.0.1:8000/v1", Quirks::compatible()),
            ("", Quirks::compatible()),
            ("https://user:api.openai.com@host.example/v1", Quirks::compatible()),
        ] {
            assert_eq!(Quirks::for_base(base), wanted, "{base}");
        }
    }
}
