//! What each host lacks, by Claude's generation. All of it is data for [`edit`](crate::edit).
//!
//! Sources: the hosts' own references for Claude, the allow-lists that other gateways keep alive, and
//! what Claude Code itself sends to either host. Where they disagree, what the client sends to a
//! newest model counts for the newest models only.

use gateway_types::Endpoint;

use super::claude::Claude;
use super::{Host, HostCx, NEW_VERSION};
use crate::edit::{Lacks, Policy};

/// How one request is to be changed.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) claude: Claude,
    /// The value of `anthropic_version`.
    pub(super) version: &'static str,
    pub(super) policy: Policy,
    /// The beginning of a tool's type, the beta that it needs here, and another name of that beta.
    pub(super) tool_betas: &'static [(&'static str, &'static str, &'static str)],
}

/// The rules for one request.
pub(super) fn of(host: &Host, claude: Claude, cx: &HostCx<'_>) -> Rules {
    let newer = cx.version.trim() == NEW_VERSION;
    let bedrock = !matches!(host, Host::Vertex { .. });
    // Bedrock refuses the new version for all before 4.7, and takes the old one for everybody.
    let newer = newer && (!bedrock || claude.is_surely(4, 7));
    let version = match host {
        _ if newer => NEW_VERSION,
        Host::Vertex { .. } => "vertex-2023-10-16",
        Host::Bedrock => "bedrock-2023-05-31",
        Host::BedrockMessages => "2023-06-01",
    };
    let mut policy = cx.policy.clone();
    policy.lacks = if bedrock { bedrock_lacks(claude) } else { vertex_lacks(claude, cx) };
    policy.inline_system |= !claude.takes_system_role();
    if !claude.thinks() {
        policy.drop_fields.push("thinking".to_owned());
    }
    Rules {
        claude,
        version,
        policy,
        tool_betas: if bedrock { BEDROCK_TOOLS } else { VERTEX_TOOLS },
    }
}

const TOOL_SEARCH: (&str, &str, &str) =
    ("tool_search_tool_", "tool-search-tool-2025-10-19", "advanced-tool-use-2025-11-20");
// "Input tag 'memory_20250818' found using 'type' does not match any of the expected tags".
const MEMORY: (&str, &str, &str) =
    ("memory_", "context-management-2025-06-27", "context-management-2025-06-27");
const BEDROCK_TOOLS: &[(&str, &str, &str)] = &[TOOL_SEARCH, MEMORY];
/// Searching is a beta there still, and Claude Code says so in its mode for this host.
const VERTEX_TOOLS: &[(&str, &str, &str)] =
    &[TOOL_SEARCH, MEMORY, ("web_search_", "web-search-2025-03-05", "web-search-2025-03-05")];

/// Neither host has these: services around Anthropic's API, not parts of the model.
const SERVICES: &[&str] = &[
    crate::edit::AUTOMATIC_CACHING,
    "container",
    "mcp_servers",
    "inference_geo",
    "service_tier",
    "speed",
    "fallbacks",
    "fallback_credit_token",
    "billing_policy",
    "thread",
    "diagnostics",
    "user_profile_id",
    "workspace_id",
    "tags",
    "tools.custom",
    "tools.allowed_callers",
    "messages.clear_at",
];
/// Effort is unknown to these Claudes.
const EFFORT: &[&str] = &["output_config.effort"];
/// An output that must fit a schema too.
const FORMAT: &[&str] = &["output_config.format"];
/// The hour of caching.
const TTL: &[&str] = &[crate::edit::CACHE_TTL];
/// How thinking is shown.
const DISPLAY: &[&str] = &["thinking.display"];
/// The role in the middle.
const SYSTEM: &[&str] = &[crate::edit::SYSTEM_ROLE];
/// Examples beside a schema: known only with a beta of their own.
const EXAMPLES: &[&str] = &["tools.input_examples"];

fn bedrock_lacks(claude: Claude) -> Lacks {
    Lacks {
        fields: fields(claude, claude.at_least(4, 5)),
        free_fields: free(claude, claude.at_least(4, 5)),
        only_betas: Some(match generation(claude) {
            Generation::Newest => &[COMMON, BEDROCK, SEARCH, BEDROCK_NEWEST],
            Generation::Opus45 => &[COMMON, BEDROCK, SEARCH, INTERLEAVED, EFFORT_BETA],
            Generation::Middle if claude.adapts() => &[COMMON, BEDROCK, SEARCH],
            Generation::Middle => &[COMMON, BEDROCK, SEARCH, INTERLEAVED],
            Generation::Older if claude.at_least(4, 0) => &[COMMON, BEDROCK, INTERLEAVED],
            Generation::Older => &[COMMON, BEDROCK],
        }),
        // Nothing of what Anthropic runs itself.
        tools: &["web_search_", "web_fetch_", "code_execution_", "mcp_tool", "advisor_"],
        ..HOSTED
    }
}

fn vertex_lacks(claude: Claude, cx: &HostCx<'_>) -> Lacks {
    let format = claude.at_least(4, 6);
    Lacks {
        fields: fields(claude, format),
        free_fields: free(claude, format),
        only_betas: Some(match (cx.endpoint, generation(claude)) {
            // The counter knows less: "Unexpected value(s) `web-search-2025-03-05`".
            (Endpoint::CountTokens, Generation::Older) => &[COMMON, INTERLEAVED],
            (Endpoint::CountTokens, _) => &[COMMON, INTERLEAVED, SEARCH],
            (_, Generation::Newest) => &[COMMON, INTERLEAVED, VERTEX, SEARCH, VERTEX_NEWEST],
            (_, Generation::Opus45) => &[COMMON, INTERLEAVED, VERTEX, SEARCH, EFFORT_BETA],
            (_, Generation::Middle) => &[COMMON, INTERLEAVED, VERTEX, SEARCH],
            (_, Generation::Older) => &[COMMON, INTERLEAVED, VERTEX],
        }),
        tools: &["web_fetch_", "code_execution_", "mcp_tool", "advisor_"],
        ..HOSTED
    }
}

const HOSTED: Lacks = Lacks {
    renamed_betas: &[("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19")],
    pairs: true,
    sources: true,
    thinking_pairs: true,
    ..Lacks::NOTHING
};

enum Generation {
    /// Before 4.5.
    Older,
    /// Opus 4.5, whose effort is a beta.
    Opus45,
    /// 4.5 and 4.6.
    Middle,
    /// 4.7 and later.
    Newest,
}

fn generation(claude: Claude) -> Generation {
    match claude {
        _ if claude.effort_is_beta() => Generation::Opus45,
        _ if claude.at_least(4, 7) => Generation::Newest,
        _ if claude.at_least(4, 5) => Generation::Middle,
        _ => Generation::Older,
    }
}

/// What goes; `format`: an output can be made to fit a schema.
fn fields(claude: Claude, format: bool) -> &'static [&'static [&'static str]] {
    let effort = !claude.efforts().is_empty();
    let hour = claude.at_least(4, 5);
    match (effort, format, hour) {
        (true, true, _) => &[SERVICES, EXAMPLES],
        (true, false, _) => &[SERVICES, EXAMPLES, FORMAT],
        (false, true, _) => &[SERVICES, EXAMPLES, EFFORT],
        (false, false, true) => &[SERVICES, EXAMPLES, EFFORT, FORMAT],
        (false, false, false) => &[SERVICES, EXAMPLES, EFFORT, FORMAT, TTL],
    }
}

/// What stays without its beta.
fn free(claude: Claude, format: bool) -> &'static [&'static [&'static str]] {
    let effort = !claude.efforts().is_empty() && !claude.effort_is_beta();
    match (claude.at_least(4, 7), effort, format, claude.at_least(4, 5)) {
        (true, ..) => &[TTL, EFFORT, FORMAT, DISPLAY, SYSTEM],
        (false, true, ..) => &[TTL, EFFORT, FORMAT, SYSTEM],
        (false, false, true, _) => &[TTL, FORMAT, SYSTEM],
        (false, false, false, true) => &[TTL, SYSTEM],
        (false, false, false, false) => &[SYSTEM],
    }
}

/// On both hosts.
const COMMON: &[&str] = &[
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "compact-2026-01-12",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
];
/// One that adapts its thinking interleaves it without being told, and Bedrock refuses a beta by the
/// wrong model without saying which.
const INTERLEAVED: &[&str] = &["interleaved-thinking-2025-05-14"];
/// From 4.5 on.
const SEARCH: &[&str] = &["tool-search-tool-2025-10-19"];
const VERTEX: &[&str] = &["web-search-2025-03-05", "compact-2026-09-04"];
const BEDROCK: &[&str] = &["tool-examples-2025-10-29", "fine-grained-tool-streaming-2025-05-14"];
/// Claude Opus 4.5 alone: others refuse it by name, and take an effort without it.
const EFFORT_BETA: &[&str] = &["effort-2025-11-24"];
/// Sent by Claude Code itself to the newest models there.
const VERTEX_NEWEST: &[&str] =
    &["thinking-token-count-2026-05-13", "thinking-display-updates-2026-08-18"];
const BEDROCK_NEWEST: &[&str] = &[
    "thinking-display-updates-2026-08-18",
    "thinking-binding-controls-2026-08-01",
    "dangerous-tool-use-2026-09-03",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
];
