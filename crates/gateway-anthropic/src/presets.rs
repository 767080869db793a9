//! What is known of servers that speak the Messages API without being Anthropic's, by their address.
//!
//! A preset only spares its users a refusal; what a person configures wins over it, and what it does not
//! know is learnt ([`refused`](crate::refused)).
//!
//! ```
//! use gateway_anthropic::edit::Thinking;
//! use gateway_anthropic::presets::{Auth, by_base};
//!
//! let preset = by_base("https://api.deepseek.com/anthropic/").expect("known");
//! assert_eq!((preset.name, preset.auth), ("deepseek", Auth::ApiKey));
//! assert_eq!(preset.policy().thinking, Thinking::Preserve);
//! assert!(by_base("https://api.anthropic.com").is_none());
//! ```

use crate::edit::{Documents, Lacks, Policy, Thinking};

/// In which header a server wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `x-api-key: KEY`.
    ApiKey,
    /// `authorization: Bearer KEY`.
    Bearer,
}

/// What is known of one server.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// What it is called, in a configuration too.
    pub name: &'static str,
    /// Hosts with the beginning of the path; none where only a name says it.
    pub bases: &'static [&'static str],
    /// Where the key goes.
    pub auth: Auth,
    /// Which thinking goes back to it.
    pub thinking: Thinking,
    /// Its messages are the user's and the assistant's only.
    pub inline_system: bool,
    /// What becomes of documents.
    pub documents: Documents,
    /// What it does not have.
    pub lacks: Lacks,
}

/// The preset for a base URL, however it is written.
pub fn by_base(url: &str) -> Option<&'static Preset> {
    let rest = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let is_it = |base: &&str| {
        let (known, below) = base.split_once('/').unwrap_or((base, ""));
        known == host && (below.is_empty() || path.split('/').next() == Some(below))
    };
    PRESETS.iter().find(|preset| preset.bases.iter().any(&is_it))
}

/// The preset of this name, for servers that run anywhere.
pub fn by_name(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name.trim()))
}

impl Preset {
    /// The policy that goes with it.
    pub fn policy(&self) -> Policy {
        Policy {
            thinking: self.thinking,
            inline_system: self.inline_system,
            documents: self.documents,
            lacks: self.lacks,
            ..Policy::default()
        }
    }
}

impl Policy {
    /// What is known of the server at `url`; of one that is not known, that it has all of the API.
    pub fn for_base(url: &str) -> Self {
        by_base(url).map(Preset::policy).unwrap_or_default()
    }
}

/// Services of Anthropic's that nobody else runs.
const SERVICES: &[&str] = &[
    "container",
    "mcp_servers",
    "inference_geo",
    "service_tier",
    "speed",
    "fallbacks",
    "fallback_credit_token",
    "billing_policy",
    "thread",
    "user_profile_id",
    "workspace_id",
];
/// Said to be ignored: better told than passed over in silence.
const TOP_K: &[&str] = &["top_k"];
const CONTEXT: &[&str] = &["context_management"];
const FORMAT: &[&str] = &["output_config.format"];
/// Tool search: its `tool_reference` is an unknown kind of block elsewhere.
const SEARCH: &[&str] = &["tools.defer_loading"];

/// All that Anthropic runs itself.
const SERVER_TOOLS: &[&str] =
    &["web_search_", "web_fetch_", "code_execution_", "mcp_tool", "advisor_"];

/// A server that makes thinking of its own and wants it back without a signature, and has the plain
/// messages of 2024.
const PLAIN: Preset = Preset {
    name: "",
    bases: &[],
    auth: Auth::Bearer,
    thinking: Thinking::Preserve,
    inline_system: true,
    documents: Documents::Text,
    lacks: Lacks { fields: &[SERVICES, SEARCH], tools: SERVER_TOOLS, ..Lacks::NOTHING },
};

const PRESETS: &[Preset] = &[
    // Its guide to this API: `x-api-key` or bearer; betas and cache marks are ignored, as are `top_k`,
    // `service_tier`, `container` and `mcp_servers`; of `output_config` only the effort counts;
    // no documents; searches of its own under `web_search_…`; thinking beside tool calls must come
    // back. "thinking options type cannot be disabled when reasoning_effort is set".
    Preset {
        name: "deepseek",
        bases: &["api.deepseek.com/anthropic"],
        auth: Auth::ApiKey,
        lacks: Lacks {
            fields: &[SERVICES, SEARCH, TOP_K, FORMAT],
            tools: &["web_fetch_", "code_execution_", "mcp_tool", "advisor_"],
            idle_effort: true,
            ..PLAIN.lacks
        },
        ..PLAIN
    },
    // Bearer. "thinking is enabled but reasoning_content is missing in assistant tool call message";
    // "unsupported content type in ContentBlockParamUnion: tool_reference".
    Preset {
        name: "kimi",
        bases: &["api.moonshot.ai/anthropic", "api.moonshot.cn/anthropic", "api.kimi.com/coding"],
        ..PLAIN
    },
    // Its guide: the whole content of an answer, thinking included, has to be sent back; `top_k`,
    // `service_tier`, `mcp_servers`, `container` and `context_management` are ignored; documents
    // are not among its blocks.
    Preset {
        name: "minimax",
        bases: &[
            "api.minimax.io/anthropic",
            "api.minimaxi.com/anthropic",
            "api.minimaxi.chat/anthropic",
        ],
        auth: Auth::ApiKey,
        lacks: Lacks { fields: &[SERVICES, SEARCH, TOP_K, CONTEXT], ..PLAIN.lacks },
        ..PLAIN
    },
    // Its guide for Claude Code sets the bearer variable. Thinking without signatures.
    Preset { name: "zai", bases: &["api.z.ai/api", "open.bigmodel.cn/api"], ..PLAIN },
    // Claude itself behind it takes what Anthropic takes; only the key is a bearer token.
    Preset {
        name: "openrouter",
        bases: &["openrouter.ai/api"],
        thinking: Thinking::Signed,
        inline_system: false,
        documents: Documents::Keep,
        lacks: Lacks::NOTHING,
        ..PLAIN
    },
    // Local servers. Their `/v1/messages` knows text, images, tool calls and results, and by its
    // version thinking; LM Studio: "messages.1.role: Invalid discriminator value. Expected 'user' |
    // 'assistant'". Unknown fields are passed over by all of them.
    Preset { name: "vllm", ..PLAIN },
    Preset { name: "llama_cpp", ..PLAIN },
    Preset { name: "lm_studio", ..PLAIN },
    Preset { name: "ollama", ..PLAIN },
];

#[cfg(test)]
mod tests {
    use gateway_types::Losses;
    use serde_json::{Value, json};

    use super::*;
    use crate::edit::edit;

    #[test]
    fn servers_are_known_by_their_address_however_it_is_written() {
        for (url, name) in [
            ("https://api.deepseek.com/anthropic", Some("deepseek")),
            ("HTTPS://API.DeepSeek.com:443/anthropic/v1", Some("deepseek")),
            ("https://api.deepseek.com", None),
            ("https://api.deepseek.com.example/anthropic", None),
            ("https://example.com/api.deepseek.com/anthropic", None),
            ("https://api.moonshot.cn/anthropic", Some("kimi")),
            ("https://user@api.moonshot.ai/anthropic", Some("kimi")),
            ("https://api.minimaxi.com/anthropic", Some("minimax")),
            ("https://open.bigmodel.cn/api/anthropic", Some("zai")),
            ("api.z.ai/api/anthropic", Some("zai")),
            ("https://openrouter.ai/api", Some("openrouter")),
            ("https://api.anthropic.com", None),
            ("http://127.0.0.1:8000", None),
            ("", None),
        ] {
            assert_eq!(by_base(url).map(|preset| preset.name), name, "{url}");
        }
        assert_eq!(by_name("vLLM").map(|preset| preset.name), Some("vllm"));
        assert!(by_name("").is_none());
        assert!(!Policy::for_base("https://api.anthropic.com").acts());
    }

    #[test]
    fn no_two_presets_share_a_name_or_an_address() {
        let mut seen = std::collections::HashSet::new();
        for preset in PRESETS {
            assert!(!preset.name.is_empty() && seen.insert(preset.name));
            assert!(preset.bases.iter().all(|base| seen.insert(base)), "{}", preset.name);
        }
    }

    /// What becomes of `messages` and other members at a server.
    fn sent(name: &str, asks: &Value, gets: &Value, lost: &[&str]) {
        let preset = by_name(name).unwrap_or_else(|| panic!("{name}"));
        let betas = "claude-code-20250219,never-heard-of-2030-01-01";
        let edited = edit(asks.to_string().as_bytes(), &preset.policy(), betas).expect("no error");
        let (body, losses) = match edited {
            Some(edited) => {
                assert_eq!(edited.betas, None, "{name}: it minds no betas");
                (serde_json::from_slice(&edited.body).expect("JSON"), edited.losses)
            }
            None => (asks.clone(), Losses::new()),
        };
        let losses: Vec<String> =
            losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect();
        assert_eq!((&body, losses), (gets, lost.iter().map(|&l| l.to_owned()).collect()), "{name}");
    }

    const THEIRS: [&str; 8] =
        ["deepseek", "kimi", "minimax", "zai", "vllm", "llama_cpp", "lm_studio", "ollama"];

    #[test]
    fn r13_servers_that_think_without_signatures_get_their_thinking_back() {
        let messages = json!({"messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "tool_use", "id": "call_1", "name": "a", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]}]});
        for name in THEIRS {
            sent(name, &messages, &messages, &[]);
        }
        let mut without = messages.clone();
        without["messages"][1]["content"].as_array_mut().expect("blocks").remove(0);
        sent("openrouter", &messages, &without, &["dropped messages[1].content[0]"]);
    }

    #[test]
    fn r24_r25_r28_servers_with_plain_messages_get_plain_messages() {
        let asks = json!({"messages": [
            {"role": "user", "content": [
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
                {"type": "tool_reference", "tool_name": "b"}]},
            {"role": "system", "content": "S"}], "mcp_servers": [],
            "tools": [{"name": "b", "input_schema": {}, "defer_loading": true},
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"name": "a", "input_schema": {}}]});
        let gets = json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "D"},
                {"type": "text", "text": "The tool b can be called now."},
                {"type": "text", "text": "<system-reminder>\nS\n</system-reminder>"}]}],
            "tools": [{"name": "a", "input_schema": {}}]});
        let lost = [
            "replaced messages[0].content[0]",
            "replaced messages[0].content[1]",
            "replaced messages[1]",
            "dropped mcp_servers",
            "hint tools[0]",
            "dropped tools[1]",
        ];
        for name in THEIRS {
            sent(name, &asks, &gets, &lost);
        }
    }

    #[test]
    fn r19_deepseek_gets_no_effort_beside_disabled_thinking() {
        for (thinking, kept) in [("disabled", false), ("enabled", true), ("adaptive", true)] {
            let mut asks = json!({"messages": [], "thinking": {"type": thinking},
                "output_config": {"effort": "max"}});
            let before = asks.clone();
            if kept {
                sent("deepseek", &before, &before, &[]);
            } else {
                asks.as_object_mut().expect("an object").remove("output_config");
                sent("deepseek", &before, &asks, &["dropped output_config.effort"]);
            }
            sent("zai", &before, &before, &[]);
        }
    }

    #[test]
    fn what_a_server_is_said_to_pass_over_is_told() {
        let asks = json!({"messages": [], "top_k": 3, "output_config": {"format": {}},
            "context_management": {}, "temperature": 0});
        for (name, gone, lost) in [
            (
                "deepseek",
                &["top_k", "output_config"][..],
                &["dropped output_config.format", "dropped top_k"][..],
            ),
            (
                "minimax",
                &["top_k", "context_management"],
                &["hint context_management", "dropped top_k"],
            ),
            ("openrouter", &[], &[]),
        ] {
            let mut gets = asks.clone();
            gets.as_object_mut().expect("an object").retain(|key, _| !gone.contains(&&**key));
            let policy = by_name(name).expect("known").policy();
            let edited = edit(asks.to_string().as_bytes(), &policy, "").expect("no error");
            let body = edited
                .as_ref()
                .map_or(asks.clone(), |edited| serde_json::from_slice(&edited.body).expect("JSON"));
            assert_eq!(body, gets, "{name}");
            let losses = edited.map(|edited| edited.losses).unwrap_or_default();
            let losses: Vec<String> =
                losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect();
            assert_eq!(losses, lost, "{name}");
        }
    }
}
