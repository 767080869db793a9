//! What Claude itself refuses, whether by `InvokeModel` or by way of Converse.

use serde_json::Value;

use super::refusal::Refusal;
use super::rules::Rules;
use super::walk::Checked;

/// The betas that this service knows, as it writes them.
const BETAS: &[&str] = &[
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "compact-2026-01-12",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "tool-search-tool-2025-10-19",
    "tool-examples-2025-10-29",
    "dangerous-tool-use-2026-09-03",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    // Not in lists of what passes, but Claude Code sends it in its Bedrock mode.
    "thinking-token-count-2026-05-13",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
];
const INTERLEAVED: &str = "interleaved-thinking-2025-05-14";

/// The betas that are on.
pub(crate) fn betas<'a>(given: &'a Value, rules: &Rules) -> Checked<Vec<&'a str>> {
    if given.is_null() {
        return Ok(Vec::new());
    }
    let list = given
        .as_array()
        .ok_or_else(|| Refusal::new("anthropic_beta: Input should be a valid array"))?;
    let mut betas = Vec::new();
    for (index, beta) in list.iter().enumerate() {
        let beta = beta.as_str().ok_or_else(|| {
            Refusal::new(format!("anthropic_beta.{index}: Input should be a valid string"))
        })?;
        // Newer models think between calls anyway; the client sends it all the same.
        let interleaves = beta == INTERLEAVED && rules.version >= (4, 0);
        if !BETAS.contains(&beta) && !interleaves {
            let mut refusal = Refusal::new("invalid beta flag");
            refusal.extra.hint = format!("it is {beta}");
            return Err(refusal);
        }
        betas.push(beta);
    }
    Ok(betas)
}

/// What is asked about thinking, and what it may not stand beside.
pub(crate) struct Thinking<'a> {
    /// `thinking` of the request.
    pub(crate) given: &'a Value,
    pub(crate) max_tokens: &'a Value,
    pub(crate) temperature: &'a Value,
    /// Whether a tool must be called.
    pub(crate) forced: bool,
}

/// Whether the model thinks.
pub(crate) fn thinking(asked: &Thinking<'_>, betas: &[&str], rules: &Rules) -> Checked<bool> {
    let given = asked.given;
    if given.is_null() {
        return Ok(false);
    }
    let kind = given["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "enabled" => &["type", "budget_tokens", "display"],
        "adaptive" => &["type", "display"],
        "disabled" => &["type"],
        other => {
            return Err(Refusal::new(format!(
                "thinking: Input tag '{other}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'"
            )));
        }
    };
    if let Some(extra) =
        given.as_object().and_then(|g| g.keys().find(|k| !known.contains(&k.as_str())))
    {
        return Err(Refusal::extra_input(&format!("thinking.{kind}.{extra}")));
    }
    match given["display"].as_str() {
        None | Some("summarized" | "omitted") => {}
        Some("updates") if betas.contains(&"thinking-display-updates-2026-08-18") => {}
        Some(_) => {
            return Err(Refusal::new(format!(
                "thinking.{kind}.display: Input should be 'summarized' or 'omitted'"
            )));
        }
    }
    match kind {
        "disabled" => return Ok(false),
        "adaptive" if rules.version < (4, 6) => {
            return Err(Refusal::new("adaptive thinking is not supported on this model"));
        }
        "enabled" if rules.version >= (4, 7) => {
            return Err(Refusal::new(
                "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.",
            ));
        }
        "enabled" if rules.version < (3, 7) => {
            return Err(Refusal::extra_input("thinking"));
        }
        "enabled" => budget(asked, betas)?,
        _ => {}
    }
    if asked.forced {
        return Err(Refusal::new("Thinking may not be enabled when tool_choice forces tool use."));
    }
    if asked.temperature.as_f64().is_some_and(|temperature| temperature < 1.0) {
        return Err(Refusal::new(
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important-considerations-when-using-extended-thinking",
        ));
    }
    Ok(true)
}

fn budget(asked: &Thinking<'_>, betas: &[&str]) -> Checked {
    let Some(budget) = asked.given["budget_tokens"].as_u64() else {
        return Err(Refusal::new("thinking.enabled.budget_tokens: Field required"));
    };
    if budget < 1024 {
        return Err(Refusal::new(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ));
    }
    // Between calls a model may think more than one answer holds.
    let bound = !betas.contains(&INTERLEAVED);
    if bound && asked.max_tokens.as_u64().is_some_and(|max| max <= budget) {
        return Err(Refusal::new(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
        ));
    }
    Ok(())
}

/// `temperature`, `top_p` and `top_k`.
pub(crate) fn sampling(
    temperature: &Value,
    top_p: &Value,
    top_k: &Value,
    rules: &Rules,
) -> Checked {
    for (name, value) in [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)] {
        if !rules.sampling && !value.is_null() {
            return Err(Refusal::new(format!("`{name}` is deprecated for this model.")));
        }
    }
    if rules.version >= (4, 5) && !temperature.is_null() && !top_p.is_null() {
        return Err(Refusal::new(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ));
    }
    Ok(())
}

pub(crate) fn output_config(given: &Value, betas: &[&str], rules: &Rules) -> Checked {
    let Some(fields) = given.as_object() else { return Ok(()) };
    for (name, value) in fields {
        let taken = match name.as_str() {
            "effort" => {
                let opus = rules.version == (4, 5) && rules.model.contains("opus");
                rules.version >= (4, 6) || (opus && betas.contains(&"effort-2025-11-24"))
            }
            "format" => rules.version >= (4, 5),
            _ => false,
        };
        if !taken {
            return Err(Refusal::extra_input(&format!("output_config.{name}")));
        }
        if name == "effort" {
            effort(value, "output_config.effort")?;
        }
    }
    Ok(())
}

pub(crate) fn effort(value: &Value, at: &str) -> Checked {
    let known = ["low", "medium", "high", "xhigh", "max"];
    if known.iter().any(|known| value == known) {
        return Ok(());
    }
    Err(Refusal::new(format!("{at}: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")))
}

pub(crate) fn context_management(given: &Value, betas: &[&str], thinks: bool) -> Checked {
    if given.is_null() {
        return Ok(());
    }
    let (manages, compacts) =
        (betas.contains(&"context-management-2025-06-27"), betas.contains(&"compact-2026-01-12"));
    if !manages && !compacts {
        return Err(Refusal::extra_input("context_management"));
    }
    for (index, edit) in given["edits"].as_array().into_iter().flatten().enumerate() {
        let kind = edit["type"].as_str().unwrap_or_default();
        let taken = match kind {
            "clear_thinking_20251015" | "clear_tool_uses_20250919" => manages,
            kind => kind.starts_with("compact_") && compacts,
        };
        if !taken {
            return Err(Refusal::new(format!(
                "context_management.edits.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            )));
        }
        if kind == "clear_thinking_20251015" && !thinks {
            return Err(Refusal::new(
                "context_management: `clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive",
            ));
        }
    }
    Ok(())
}

pub(crate) fn too_many_caches(found: usize) -> Refusal {
    Refusal::new(format!(
        "A maximum of 4 blocks with cache_control may be provided. Found {found}."
    ))
}

pub(crate) fn blank_stop() -> Refusal {
    Refusal::new("stop_sequences: each stop sequence must contain non-whitespace")
}
