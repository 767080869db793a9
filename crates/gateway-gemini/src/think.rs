//! How much the model is to think: from Anthropic's words to Google's (behaviour R19).

use gateway_models::Effort;
use gateway_translate::Json;
use gateway_types::{Losses, Request, Text, ThinkingDisplay, ThinkingMode, What};

use crate::habits::Thinking;
use crate::target::{Target, field};

/// What `thinkingConfig` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whether summaries of the thoughts are wanted.
    pub shown: bool,
    pub how_much: Option<HowMuch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HowMuch {
    /// As the model sees fit.
    Dynamic,
    /// Tokens.
    Budget(u64),
    Level(Effort),
}

/// Decides what is said; `limit` is the answer's longest length in tokens, thoughts counted.
pub(crate) fn plan(
    request: &Request<'_>,
    target: &Target<'_>,
    limit: u64,
    losses: &mut Losses,
) -> Plan {
    let mode = request.thinking.map(|thinking| thinking.mode);
    let shown = request.wants_thinking()
        && request.thinking.is_some_and(|t| t.display == ThinkingDisplay::Shown);
    let disabled = mode == Some(ThinkingMode::Disabled);
    let effort = effort(request, disabled, losses);
    if !target.may(field::THINKING) || target.habits.thinking == Thinking::Never {
        if request.wants_thinking() || effort.is_some() {
            losses.add(What::Dropped, "thinking", "the model takes no word on thinking");
        }
        return Plan::default();
    }
    if let (Some(_), Some(ThinkingMode::Enabled { .. })) = (effort, mode) {
        losses.add(What::Hint, "thinking.budget_tokens", "the effort counts");
    }
    let how_much = match target.habits.thinking {
        Thinking::Levels(levels) => level(levels, mode, effort, losses),
        Thinking::Budget { least, most, can_be_off } => {
            let range = Range { least, most, can_be_off, limit };
            budget(range, mode, effort, losses)
        }
        Thinking::Never => None,
    };
    let how_much = how_much.filter(|how_much| {
        let name = if matches!(how_much, HowMuch::Level(_)) { field::LEVEL } else { field::BUDGET };
        let may = target.may(name);
        if !may {
            losses.add(What::Dropped, "thinking", "this upstream refuses the measure of it");
        }
        may
    });
    Plan { shown, how_much }
}

impl Plan {
    pub(crate) fn write(self, json: &mut Json) {
        if self == Self::default() {
            return;
        }
        json.key("thinkingConfig").object(|json| {
            if self.shown {
                json.key("includeThoughts").bool(true);
            }
            match self.how_much {
                None => {}
                Some(HowMuch::Dynamic) => {
                    json.key("thinkingBudget").raw(gateway_types::Raw::from_json("-1"));
                }
                Some(HowMuch::Budget(tokens)) => {
                    json.key("thinkingBudget").number(tokens);
                }
                Some(HowMuch::Level(level)) => {
                    json.key("thinkingLevel").string(&level.as_str().to_ascii_uppercase());
                }
            }
        });
    }
}

/// The effort asked for, where it counts.
fn effort(request: &Request<'_>, disabled: bool, losses: &mut Losses) -> Option<Effort> {
    let word = request.effort.map(Text::decode)?;
    if disabled {
        losses.add(What::Hint, "output_config.effort", "thinking is disabled");
        return None;
    }
    let effort = word.parse().ok();
    if effort.is_none() {
        losses.add(What::Dropped, "output_config.effort", "an effort nobody knows");
    }
    effort
}

fn level(
    levels: &[Effort],
    mode: Option<ThinkingMode>,
    effort: Option<Effort>,
    losses: &mut Losses,
) -> Option<HowMuch> {
    let level = match (effort, mode) {
        (Some(wanted), _) => {
            let level = wanted.nearest(levels);
            if level != Some(wanted) {
                let why = "the nearest level that the model takes";
                losses.add(What::Clamped, "output_config.effort", why);
            }
            level
        }
        (None, Some(ThinkingMode::Disabled)) => {
            losses.add(What::Clamped, "thinking", "this model can't be kept from thinking");
            Effort::None.nearest(levels)
        }
        (None, Some(ThinkingMode::Enabled { budget_tokens })) => {
            losses.add(What::Replaced, "thinking.budget_tokens", "the budget is a level");
            let wanted = match budget_tokens {
                0..=2048 => Effort::Low,
                2049..=12_288 => Effort::Medium,
                _ => Effort::High,
            };
            wanted.nearest(levels)
        }
        // The model decides.
        (None, None | Some(ThinkingMode::Adaptive | ThinkingMode::BetweenTools)) => None,
    };
    level.map(HowMuch::Level)
}

/// Which budgets a model takes; `limit` is the whole answer's.
#[derive(Clone, Copy)]
struct Range {
    least: u64,
    most: u64,
    can_be_off: bool,
    limit: u64,
}

fn budget(
    range: Range,
    mode: Option<ThinkingMode>,
    effort: Option<Effort>,
    losses: &mut Losses,
) -> Option<HowMuch> {
    let Range { least, most, can_be_off, limit } = range;
    match mode {
        Some(ThinkingMode::Disabled) if can_be_off => Some(HowMuch::Budget(0)),
        Some(ThinkingMode::Disabled) => {
            losses.add(What::Clamped, "thinking", "this model can't be kept from thinking");
            Some(HowMuch::Budget(least))
        }
        _ if effort.is_some() => {
            // Claude Code sends one with every request; only a budget that was asked for, too, is a loss.
            let budget = matches!(mode, Some(ThinkingMode::Enabled { .. }));
            let what = if budget { What::Replaced } else { What::Hint };
            let why = "the model has no such control: it decides by itself";
            losses.add(what, "output_config.effort", why);
            Some(HowMuch::Dynamic)
        }
        Some(ThinkingMode::Adaptive | ThinkingMode::BetweenTools) => Some(HowMuch::Dynamic),
        Some(ThinkingMode::Enabled { budget_tokens }) => {
            let mut tokens = budget_tokens.clamp(least, most);
            if tokens >= limit {
                // A budget as long as the answer would leave nothing to say.
                tokens = (limit / 2).max(least);
            }
            if tokens != budget_tokens {
                let why = "the model takes no such budget for such an answer";
                losses.add(What::Clamped, "thinking.budget_tokens", why);
            }
            Some(HowMuch::Budget(tokens))
        }
        None => None,
    }
}
