//! How hard the model is to think: from Anthropic's words to a family's (behaviour R19).

use gateway_dialect::of_budget;
use gateway_models::{Effort, Reasoning};
use gateway_translate::Json;
use gateway_types::{Losses, Request, ThinkingDisplay, ThinkingMode, What};

use super::{Target, claude};
use crate::family::Thinks;

/// What is said of thinking.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Fields of the model's own: their names, and their values as JSON.
    pub fields: Vec<(&'static str, String)>,
    /// A beta without which they are refused.
    pub beta: Option<&'static str>,
    /// The model is told to think.
    pub thinks: bool,
    /// It takes no limits and no sampling then.
    pub unlimited: bool,
}

/// Decides what is said. `interrupted`: the open turn does not begin with the thinking that a budget wants
/// there.
pub(super) fn plan(
    request: &Request<'_>,
    target: &Target<'_>,
    interrupted: bool,
    losses: &mut Losses,
) -> Plan {
    match target.family.thinking {
        Thinks::Claude => claude_plan(request, target, interrupted, losses),
        Thinks::Effort => {
            let levels = [Effort::Low, Effort::Medium, Effort::High];
            let mut plan = Plan { thinks: true, ..Plan::default() };
            if let Some(effort) = effort(request, &levels, true, losses)
                && target.may("effort")
            {
                plan.fields.push(("reasoning_effort", quoted(effort)));
            }
            plan
        }
        Thinks::Nova => {
            let levels = [Effort::Low, Effort::Medium, Effort::High];
            let mut plan = Plan::default();
            let adaptive = request.wants_thinking().then_some(Effort::Medium);
            let mut effort = effort(request, &levels, false, losses).or(adaptive);
            if request.effort.is_none() {
                // The highest takes no limit of the answer: it has to be asked for by its name.
                effort = effort.min(Some(Effort::Medium));
            }
            if let Some(effort) = effort.filter(|_| target.may("thinking")) {
                let level = quoted(effort);
                let config = format!(r#"{{"type":"enabled","maxReasoningEffort":{level}}}"#);
                plan.fields.push(("reasoningConfig", config));
                plan.thinks = true;
                plan.unlimited = effort == Effort::High;
            }
            plan
        }
        Thinks::AsItLikes => {
            let mode = request.thinking.map(|thinking| thinking.mode);
            if request.effort.is_some() {
                // Claude Code names one on every turn.
                losses.add(What::Hint, "output_config.effort", NO_CONTROL);
            }
            match mode {
                Some(ThinkingMode::Enabled { .. }) => {
                    losses.add(What::Dropped, "thinking", NO_CONTROL);
                }
                Some(_) => losses.add(What::Hint, "thinking", NO_CONTROL),
                None => {}
            }
            Plan::default()
        }
    }
}

fn quoted(effort: Effort) -> String {
    format!("\"{}\"", effort.as_str())
}

/// One effort of what was said; `None` where nothing was, or the model is not to think. `always`: it can't
/// be kept from it.
fn effort(
    request: &Request<'_>,
    levels: &[Effort],
    always: bool,
    losses: &mut Losses,
) -> Option<Effort> {
    let mode = request.thinking.map(|thinking| thinking.mode);
    if mode == Some(ThinkingMode::Disabled) {
        if request.effort.is_some() {
            losses.add(What::Hint, "output_config.effort", "thinking is disabled");
        }
        if always {
            losses.add(What::Clamped, "thinking", CANT_BE_KEPT);
            return levels.first().copied();
        }
        return None;
    }
    if let Some(word) = request.effort {
        if matches!(mode, Some(ThinkingMode::Enabled { .. })) {
            losses.add(What::Hint, "thinking.budget_tokens", "the effort counts");
        }
        return nearest(&word.decode(), levels, losses);
    }
    match mode {
        Some(ThinkingMode::Enabled { budget_tokens }) => {
            losses.add(What::Replaced, "thinking.budget_tokens", "the budget is an effort");
            of_budget(budget_tokens).nearest(levels)
        }
        _ => None,
    }
}

fn nearest(word: &str, levels: &[Effort], losses: &mut Losses) -> Option<Effort> {
    let Ok(wanted) = word.parse::<Effort>() else {
        losses.add(What::Dropped, "output_config.effort", "an effort nobody knows");
        return None;
    };
    let effort = wanted.nearest(levels);
    if effort.is_none() {
        losses.add(What::Dropped, "output_config.effort", NO_CONTROL);
    } else if effort != Some(wanted) {
        losses.add(
            What::Clamped,
            "output_config.effort",
            "the nearest effort that the model takes",
        );
    }
    effort
}

fn claude_plan(
    request: &Request<'_>,
    target: &Target<'_>,
    interrupted: bool,
    losses: &mut Losses,
) -> Plan {
    let facts = &target.facts;
    let mut plan = Plan::default();
    let to_budget = facts.capabilities.adaptive_thinking == Some(false)
        && matches!(
            request.thinking.map(|thinking| thinking.mode),
            Some(ThinkingMode::Adaptive | ThinkingMode::BetweenTools)
        );
    let mut effort = request.effort.and_then(|word| {
        if to_budget && facts.efforts.is_empty() {
            losses.add(What::Replaced, "output_config.effort", "the effort is a budget");
            return None;
        }
        // Of a model that is not listed the word is passed on.
        let levels = if facts.is_listed() { &facts.efforts[..] } else { &Effort::ALL[2..] };
        nearest(&word.decode(), levels, losses)
    });
    let mut mode = request.thinking.map(|thinking| thinking.mode);
    if mode == Some(ThinkingMode::BetweenTools) {
        losses.add(What::Replaced, "thinking", "it thinks as it sees fit");
        mode = Some(ThinkingMode::Adaptive);
    }
    if let Some(ThinkingMode::Enabled { budget_tokens }) = mode
        && facts.capabilities.budget_thinking == Some(false)
        && facts.capabilities.adaptive_thinking != Some(false)
    {
        losses.add(What::Replaced, "thinking.budget_tokens", "the budget is an effort");
        mode = Some(ThinkingMode::Adaptive);
        effort = effort.or_else(|| of_budget(budget_tokens).nearest(&facts.efforts));
    }
    if mode == Some(ThinkingMode::Adaptive) && facts.capabilities.adaptive_thinking == Some(false) {
        let budget = budget(request).filter(|_| facts.capabilities.budget_thinking != Some(false));
        losses.add(What::Replaced, "thinking", "the model thinks up to a budget");
        mode = budget.map(|budget_tokens| ThinkingMode::Enabled { budget_tokens });
    }
    if mode == Some(ThinkingMode::Disabled) && facts.reasoning == Reasoning::Always {
        losses.add(What::Clamped, "thinking", CANT_BE_KEPT);
        mode = None;
        effort = Effort::Low.nearest(&facts.efforts);
    }
    if let Some(ThinkingMode::Enabled { budget_tokens }) = mode
        && let (Some(wanted), Some(most)) = (request.max_tokens, facts.max_output)
        && wanted > most
        && budget_tokens >= most
    {
        losses.add(
            What::Clamped,
            "thinking.budget_tokens",
            "the answer's limit holds the thinking, too",
        );
        mode = Some(ThinkingMode::Enabled { budget_tokens: most / 2 });
    }
    if matches!(mode, Some(ThinkingMode::Enabled { .. })) && interrupted {
        let why = "the open turn does not begin with thinking; the next one thinks again";
        losses.add(What::Dropped, "thinking", why);
        mode = None;
    }
    if !target.may("thinking") {
        mode = None;
    }
    if let Some(mode) = mode {
        plan.thinks = mode != ThinkingMode::Disabled;
        // Later models show nothing unless they are asked to.
        let said = request.thinking.filter(|_| facts.capabilities.budget_thinking == Some(false));
        let display = said.filter(|_| plan.thinks).map(|thinking| match thinking.display {
            ThinkingDisplay::Shown => "summarized",
            ThinkingDisplay::Omitted => "omitted",
        });
        plan.fields.push(("thinking", thinking(mode, display)));
    }
    if facts.reasoning == Reasoning::Always {
        plan.thinks = true;
    }
    if let Some(effort) = effort.filter(|_| target.may("effort")) {
        plan.fields.push(("output_config", format!(r#"{{"effort":{}}}"#, quoted(effort))));
        let first = target.version == Some((4, 5));
        plan.beta = first.then_some(claude::EFFORT_BETA);
    }
    plan
}

fn thinking(mode: ThinkingMode, display: Option<&str>) -> String {
    let mut json = Json::new();
    json.object(|json| {
        match mode {
            ThinkingMode::Disabled => {
                json.key("type").string("disabled");
            }
            ThinkingMode::Adaptive | ThinkingMode::BetweenTools => {
                json.key("type").string("adaptive");
            }
            ThinkingMode::Enabled { budget_tokens } => {
                json.key("type").string("enabled").key("budget_tokens").number(budget_tokens);
            }
        }
        if let Some(display) = display {
            json.key("display").string(display);
        }
    });
    json.into_string()
}

/// A budget for a model that wants one, half of the answer at most; `None` where there is no room.
fn budget(request: &Request<'_>) -> Option<u64> {
    let effort = request.effort.and_then(|word| word.decode().parse::<Effort>().ok());
    let budget = match effort {
        Some(Effort::None | Effort::Minimal | Effort::Low) => 2048,
        Some(Effort::Medium) => 8192,
        None | Some(Effort::High) => 16384,
        Some(Effort::XHigh | Effort::Max) => 32000,
    };
    let most = request.max_tokens.map_or(u64::MAX, |most| most / 2);
    Some(budget.min(most)).filter(|budget| *budget >= LEAST_BUDGET)
}

/// The smallest budget that Claude models take.
const LEAST_BUDGET: u64 = 1024;

const NO_CONTROL: &str = "the model has no control for it";
const CANT_BE_KEPT: &str = "this model can't be kept from thinking";
