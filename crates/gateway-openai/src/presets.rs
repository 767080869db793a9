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
        if is("openai.com") {
            Self::default()
        } else if is("openai.azure.com")
            || is("services.ai.azure.com")
            || is("cognitiveservices.azure.com")
        {
            Self::azure()
        } else if is("groq.com") {
            Self::groq()
        } else if is("deepseek.com") {
            Self::deepseek()
        } else if is("moonshot.ai") || is("moonshot.cn") || is("kimi.com") {
            Self::kimi()
        } else if is("minimax.io") || is("minimaxi.com") || is("minimax.chat") {
            Self::minimax()
        } else if is("z.ai") || is("bigmodel.cn") {
            Self::zai()
        } else if is("openrouter.ai") {
            Self::openrouter()
        } else if is("ollama.com") || port == "11434" {
            Self::ollama()
        } else {
            Self::compatible()
        }
    }

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
