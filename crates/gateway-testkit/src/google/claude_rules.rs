//! What Claude at Vertex AI refuses: the fields at the top, and what a model does not take. Messages are apart.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::claude_messages;
use super::refusal::Refusal;
use super::rules::Rules;

pub(crate) type Checked<T = ()> = Result<T, Refusal>;

/// The older semantics, and the newer one.
const VERSIONS: &[&str] = &["vertex-2023-10-16", "2026-10-21"];

const FIELDS: &[&str] = &[
    "anthropic_version",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "metadata",
    "temperature",
    "top_p",
    "top_k",
    "context_management",
    "cache_control",
];

/// The betas of this service: those of its lists, and those that Claude Code sends in its Vertex mode.
const BETAS: &[&str] = &[
    "context-1m-2025-08-07",
    "interleaved-thinking-2025-05-14",
    "context-management-2025-06-27",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "claude-code-20250219",
    "effort-2025-11-24",
    "thinking-token-count-2026-05-13",
    DISPLAY_UPDATES,
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
];

const DISPLAY_UPDATES: &str = "thinking-display-updates-2026-08-18";

/// A request for an answer or a count, as far as the checks go by it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The model: of the path, or of a count's body.
    pub model: &'a str,
    /// The header `anthropic-beta`.
    pub betas: &'a str,
    /// Whether the verb is the one of streams.
    pub streams: bool,
}

/// A Claude model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claude {
    /// (4, 7) for 4.7.
    pub(crate) version: (u32, u32),
}

impl Claude {
    pub(crate) fn of(model: &str) -> Self {
        let name = model.split('@').next().unwrap_or_default();
        let mut numbers =
            name.split('-').filter_map(|part| part.parse::<u32>().ok()).filter(|n| *n < 100);
        let major = numbers.next().unwrap_or(5);
        Self { version: (major, numbers.next().unwrap_or(0)) }
    }

    /// Thinks as much as it finds fit, and takes no sampling.
    pub(crate) fn newest(self) -> bool {
        self.version >= (4, 7)
    }

    fn max_output(self) -> u64 {
        match self.version {
            (5.., _) | (4, 6..) => 128_000,
            (4, _) => 64_000,
            _ => 8_192,
        }
    }
}

/// Checks the body of `:rawPredict` and `:streamRawPredict`.
///
/// # Errors
/// What the service would answer.
pub fn check(body: &Value, call: Call<'_>, rules: &Rules) -> Result<(), Refusal> {
    let fields = body.as_object().ok_or_else(|| bad("Input should be a valid dictionary"))?;
    let betas = betas(call.betas)?;
    for name in fields.keys() {
        if !FIELDS.contains(&name.as_str()) {
            return Err(extra(name));
        }
    }
    let version = match fields.get("anthropic_version").map(Value::as_str) {
        Some(Some(version)) if VERSIONS.contains(&version) => version,
        None => return Err(bad("anthropic_version: Field required")),
        Some(_) => {
            return Err(bad(
                "anthropic_version: Input should be 'vertex-2023-10-16' or '2026-10-21'",
            ));
        }
    };
    let model = Claude::of(call.model);
    match fields.get("stream").map_or(Some(false), Value::as_bool) {
        Some(streams) if streams == call.streams => {}
        Some(true) => return Err(bad("stream: streaming requests go to streamRawPredict")),
        _ => return Err(bad("stream: streamRawPredict needs `stream` to be true")),
    }
    let limit = model.max_output();
    match fields.get("max_tokens").map(Value::as_u64) {
        None => return Err(bad("max_tokens: Field required")),
        Some(Some(asked)) if asked > limit => {
            return Err(bad(format!(
                "max_tokens: {asked} > {limit}, which is the maximum allowed number of output tokens for {}",
                call.model
            )));
        }
        Some(Some(1..)) => {}
        Some(_) => return Err(bad("max_tokens: Input should be greater than or equal to 1")),
    }
    sampling(fields, version, model)?;
    let thinks = thinking(fields, model, &betas)?;
    shared(fields, model, &betas, thinks, version, rules)?;
    let (size, most) = (tokens(body), rules.window);
    if size > most {
        return Err(bad(format!("prompt is too long: {size} tokens > {most} maximum")));
    }
    Ok(())
}

/// Checks the body of a count, and counts.
///
/// # Errors
/// As [`check`].
pub fn count(body: &Value, betas: &str, rules: &Rules) -> Result<u64, Refusal> {
    let counted = [
        "model",
        "anthropic_version",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "context_management",
    ];
    let fields = body.as_object().ok_or_else(|| bad("Input should be a valid dictionary"))?;
    if let Some(name) = fields.keys().find(|name| !counted.contains(&name.as_str())) {
        return Err(extra(name));
    }
    let Some(model) = fields.get("model").and_then(Value::as_str) else {
        return Err(bad("model: Field required"));
    };
    served(model, rules)?;
    let betas = self::betas(betas)?;
    let model = Claude::of(model);
    let thinks = thinking(fields, model, &betas)?;
    shared(fields, model, &betas, thinks, VERSIONS[0], rules)?;
    Ok(tokens(body))
}

/// The model is one that this server has.
pub(crate) fn served(model: &str, rules: &Rules) -> Checked {
    if rules.serves(model) {
        return Ok(());
    }
    Err(Refusal::not_found(format!("Publisher Model `publishers/anthropic/models/{model}` was not found or your project does not have access to it. Please ensure you are using a valid model version.")).in_array())
}

pub(crate) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::anthropic(400, "invalid_request_error", message)
}

pub(crate) fn extra(path: &str) -> Refusal {
    bad(format!("{path}: Extra inputs are not permitted"))
}

fn betas(header: &str) -> Checked<Vec<&str>> {
    let given: Vec<&str> =
        header.split(',').map(str::trim).filter(|beta| !beta.is_empty()).collect();
    match given.iter().find(|beta| !BETAS.contains(*beta)) {
        Some(unknown) => Err(bad(format!(
            "Unexpected value(s) `{unknown}` for the `anthropic-beta` header. Please consult our documentation at docs.claude.com or try again without the header."
        ))),
        None => Ok(given),
    }
}

fn sampling(fields: &Map<String, Value>, version: &str, model: Claude) -> Checked {
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = fields.get(name) else { continue };
        if version == VERSIONS[1] {
            return Err(extra(name));
        }
        if model.newest() {
            return Err(bad(format!("`{name}` is deprecated for this model.")));
        }
        let most = if name == "top_k" { f64::INFINITY } else { 1.0 };
        if value.as_f64().is_none_or(|value| !(0.0..=most).contains(&value)) {
            return Err(bad(format!("{name}: range: 0..1")));
        }
    }
    if model.version >= (4, 5) && fields.contains_key("temperature") && fields.contains_key("top_p")
    {
        return Err(bad(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ));
    }
    Ok(())
}

/// How the model thinks, if it does.
fn thinking<'a>(
    fields: &'a Map<String, Value>,
    model: Claude,
    betas: &[&str],
) -> Checked<Option<&'a str>> {
    let Some(thinking) = fields.get("thinking") else { return Ok(None) };
    let kind = thinking["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "enabled" => &["type", "budget_tokens", "display"],
        "adaptive" => &["type", "display"],
        "disabled" => &["type"],
        other => {
            return Err(bad(format!(
                "thinking: Input tag '{other}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'"
            )));
        }
    };
    let keys = thinking.as_object().into_iter().flat_map(Map::keys);
    if let Some(name) = keys.into_iter().find(|name| !known.contains(&name.as_str())) {
        return Err(extra(&format!("thinking.{kind}.{name}")));
    }
    let updates = betas.contains(&DISPLAY_UPDATES);
    let shown = match thinking.get("display").map(Value::as_str) {
        None | Some(Some("summarized" | "omitted")) => true,
        Some(word) => word == Some("updates") && updates,
    };
    if !shown {
        return Err(bad(format!(
            "thinking.{kind}.display: Input should be 'summarized' or 'omitted'"
        )));
    }
    match kind {
        "disabled" => return Ok(None),
        "adaptive" if model.version < (4, 6) => {
            return Err(bad("adaptive thinking is not supported on this model"));
        }
        "enabled" if model.newest() => {
            return Err(bad(
                "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.",
            ));
        }
        "enabled" => {
            let budget = thinking["budget_tokens"].as_u64().unwrap_or_default();
            if budget < 1024 {
                return Err(bad(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                ));
            }
            let most = fields.get("max_tokens").and_then(Value::as_u64);
            let bound = !betas.contains(&"interleaved-thinking-2025-05-14");
            if bound && most.is_some_and(|most| most <= budget) {
                return Err(bad("`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
        }
        _ => {}
    }
    let choice = &fields.get("tool_choice").unwrap_or(&Value::Null)["type"];
    if choice == "any" || choice == "tool" {
        return Err(bad("Thinking may not be enabled when tool_choice forces tool use."));
    }
    if fields.get("temperature").and_then(Value::as_f64).is_some_and(|value| value < 1.0) {
        return Err(bad("`temperature` may only be set to 1 when thinking is enabled."));
    }
    Ok(Some(kind))
}

/// What counts have too.
fn shared(
    fields: &Map<String, Value>,
    model: Claude,
    betas: &[&str],
    thinks: Option<&str>,
    version: &str,
    rules: &Rules,
) -> Checked {
    options(fields, model, betas)?;
    tools(fields, betas)?;
    let messages = claude_messages::Rules {
        account: &rules.account,
        newest_api: version == VERSIONS[1],
        model,
        thinks,
        betas,
    };
    claude_messages::check(fields, &messages)?;
    let caches = claude_messages::caches(&Value::Object(fields.clone()), "")?;
    if caches > 4 {
        return Err(bad(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {caches}."
        )));
    }
    Ok(())
}

fn options(fields: &Map<String, Value>, model: Claude, betas: &[&str]) -> Checked {
    let has = |beta: &str| betas.iter().any(|given| given.starts_with(beta));
    if fields.contains_key("context_management") && !has("context-management-") && !has("compact-")
    {
        return Err(extra("context_management"));
    }
    for name in
        fields.get("output_config").and_then(Value::as_object).into_iter().flat_map(Map::keys)
    {
        let taken = match name.as_str() {
            "effort" => model.version >= (4, 6),
            "format" => model.version >= (4, 5),
            _ => false,
        };
        if !taken {
            return Err(extra(&format!("output_config.{name}")));
        }
    }
    let effort = &fields.get("output_config").unwrap_or(&Value::Null)["effort"];
    if effort
        .as_str()
        .is_some_and(|word| !["low", "medium", "high", "xhigh", "max"].contains(&word))
    {
        return Err(bad(
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
        ));
    }
    for name in fields.get("metadata").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        if name != "user_id" {
            return Err(extra(&format!("metadata.{name}")));
        }
    }
    let stops = fields.get("stop_sequences").and_then(Value::as_array);
    if stops
        .into_iter()
        .flatten()
        .any(|stop| stop.as_str().is_none_or(|stop| stop.trim().is_empty()))
    {
        return Err(bad("stop_sequences: each stop sequence must contain non-whitespace"));
    }
    Ok(())
}

fn tools(fields: &Map<String, Value>, betas: &[&str]) -> Checked {
    let mut names = HashSet::new();
    let searches = betas.iter().any(|beta| beta.starts_with("tool-search-tool-"));
    let tools = fields.get("tools").and_then(Value::as_array);
    for (index, tool) in tools.into_iter().flatten().enumerate() {
        let kind = tool["type"].as_str().unwrap_or("custom");
        let name = tool["name"].as_str().unwrap_or_default();
        let at = format!("tools.{index}.{kind}");
        if !names.insert(name) {
            return Err(bad("tools: Tool names must be unique."));
        }
        if kind != "custom" {
            let families = ["bash_", "text_editor_", "memory_", "computer_", "web_search_"];
            let taken = families.iter().any(|family| kind.starts_with(family))
                || (kind.starts_with("tool_search_tool_") && searches);
            if !taken {
                return Err(bad(format!(
                    "tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'bash_20250124', 'custom', 'memory_20250818', 'text_editor_20250728', 'web_search_20250305'"
                )));
            }
            continue;
        }
        let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 128 || !name.bytes().all(letters) {
            return Err(bad(format!(
                "{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        for field in tool.as_object().into_iter().flat_map(Map::keys) {
            let known = ["name", "description", "input_schema", "type", "cache_control", "strict"];
            let deferred = field == "defer_loading" && searches;
            if !deferred && !known.contains(&field.as_str()) {
                return Err(extra(&format!("{at}.{field}")));
            }
        }
        if tool["input_schema"]["type"] != "object" {
            return Err(bad(format!("{at}.input_schema.type: Field required")));
        }
    }
    let Some(choice) = fields.get("tool_choice") else { return Ok(()) };
    match choice["type"].as_str() {
        _ if names.is_empty() => {
            Err(bad("tool_choice: may only be specified while providing tools"))
        }
        Some("auto" | "any" | "none") => Ok(()),
        Some("tool") if choice["name"].as_str().is_some_and(|name| names.contains(name)) => Ok(()),
        Some("tool") => Err(bad(format!(
            "Tool '{}' not found in provided tools",
            choice["name"].as_str().unwrap_or_default()
        ))),
        other => Err(bad(format!(
            "tool_choice: Input tag '{}' found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'",
            other.unwrap_or_default()
        ))),
    }
}

/// By the test server's own rule: a token for every four bytes of text.
pub(crate) fn tokens(body: &Value) -> u64 {
    fn bytes(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| bytes(item) + 16).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| match name.as_str() {
                    "data" => 400,
                    "signature" => 0,
                    _ => bytes(value),
                })
                .sum(),
            _ => 1,
        }
    }
    let total: usize = ["messages", "system", "tools"].iter().map(|part| bytes(&body[*part])).sum();
    (total as u64).div_ceil(4).max(1)
}
