//! How hard the model is to think: from Anthropic's words to an upstream's (behaviour R19).

use gateway_dialect::of_budget;
use gateway_models::{Effort, Reasoning};
use gateway_types::{Losses, Request, ThinkingMode, What};

use crate::ReasoningIn;
use crate::common::Target;

/// What an upstream is told of thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The effort to name; `None`: the model's own.
    pub effort: Option<Effort>,
    /// A budget in tokens, for an upstream that takes one instead of an effort.
    pub budget: Option<u64>,
    /// Whether thinking is to be on; `None`: nothing was said.
    pub thinking: Option<bool>,
}

impl Plan {
    /// The plan with a budget that leaves room for an answer of at most `limit` tokens, thinking
    /// counted (behaviour R22).
    pub(crate) fn within(mut self, limit: Option<u64>, losses: &mut Losses) -> Self {
        if let (Some(budget), Some(limit)) = (self.budget, limit)
            && budget >= limit
        {
            // Half of it for the thinking: a budget just below would leave no room for an answer.
            self.budget = Some((limit / 2).max(LEAST_BUDGET)).filter(|budget| *budget < limit);
            self.thinking = Some(self.budget.is_some());
            let why = "the answer's limit holds the thinking, too";
            losses.add(What::Clamped, "thinking.budget_tokens", why);
        }
        self
    }
}

/// Decides what is said. `chat` tells the two dialects apart: some efforts exist on Responses only.
pub(crate) fn plan(
    request: &Request<'_>,
    target: &Target<'_>,
    chat: bool,
    losses: &mut Losses,
) -> Plan {
    let levels = levels(target, chat);
    let mode = request.thinking.map(|thinking| thinking.mode);
    let mut plan =
        Plan { thinking: mode.map(|mode| mode != ThinkingMode::Disabled), ..Plan::default() };
    let switchable = chat && target.quirks.reasoning_in == ReasoningIn::Thinking;
    let stated = request.effort.map(gateway_types::Text::decode);
    if plan.thinking == Some(false) {
        if stated.is_some() {
            losses.add(What::Hint, "output_config.effort", "thinking is disabled");
        }
        if switchable {
            return plan;
        }
        plan.effort = Effort::None.nearest(levels);
        let thinks_on = match plan.effort {
            Some(effort) => effort != Effort::None,
            None => target.facts.reasoning == Reasoning::Always,
        };
        if thinks_on {
            losses.add(What::Clamped, "thinking", "this model can't be kept from thinking");
        }
        return plan;
    }
    if let Some(word) = stated {
        match word.parse::<Effort>() {
            Ok(wanted) => {
                plan.effort = wanted.nearest(levels);
                if plan.effort.is_none() {
                    // Where nothing thinks, nothing is lost; and where there is nothing to set, every
                    // turn of Claude Code's would be told of, since it always names an effort.
                    let never = target.facts.reasoning == Reasoning::Never;
                    let budgets = chat && target.quirks.reasoning_in == ReasoningIn::Reasoning;
                    let uncontrolled = never || !(switchable || budgets);
                    let what = if uncontrolled { What::Hint } else { What::Dropped };
                    losses.add(what, "output_config.effort", NO_CONTROL);
                } else if plan.effort != Some(wanted) {
                    let why = "the nearest effort that the model takes";
                    losses.add(What::Clamped, "output_config.effort", why);
                }
            }
            Err(_) => {
                losses.add(What::Dropped, "output_config.effort", "an effort nobody knows");
            }
        }
        if matches!(mode, Some(ThinkingMode::Enabled { .. })) {
            losses.add(What::Hint, "thinking.budget_tokens", "the effort counts");
        }
        return plan;
    }
    match mode {
        None | Some(ThinkingMode::Disabled) => {}
        Some(ThinkingMode::Adaptive | ThinkingMode::BetweenTools) => {
            // The model decides, unless by default it does not think at all.
            if target.facts.default_effort == Some(Effort::None) {
                plan.effort = Effort::High.nearest(levels);
            }
            if levels.is_empty() && !switchable {
                losses.add(What::Hint, "thinking", NO_CONTROL);
            }
        }
        Some(ThinkingMode::Enabled { budget_tokens }) => {
            if target.quirks.reasoning_in == ReasoningIn::Reasoning && chat {
                plan.budget = Some(budget_tokens);
                return plan;
            }
            plan.effort = of_budget(budget_tokens).nearest(levels);
            if plan.effort.is_some() {
                losses.add(What::Replaced, "thinking.budget_tokens", "the budget is an effort");
            } else if !switchable {
                losses.add(What::Dropped, "thinking", NO_CONTROL);
            }
        }
    }
    plan
}

/// The smallest budget that Claude models take.
const LEAST_BUDGET: u64 = 1024;

const NO_CONTROL: &str = "the model has no control for it";

/// The efforts the model takes: as the catalogue says, else as the server's preset does.
fn levels<'a>(target: &'a Target<'_>, chat: bool) -> &'a [Effort] {
    if chat && target.quirks.reasoning_in == ReasoningIn::None {
        return &[];
    }
    let facts = &target.facts;
    let known = facts.chat_efforts.as_deref().filter(|_| chat).unwrap_or(&facts.efforts);
    if known.is_empty() && facts.reasoning != Reasoning::Never {
        return target.quirks.efforts.as_deref().unwrap_or_default();
    }
    known
}

/// Which of the sampling fields go up, given the effort that is named: `temperature` and `top_p`
/// are refused while a model reasons. A value of 1 is the default and nobody's loss.
pub(crate) fn sampling(
    request: &Request<'_>,
    target: &Target<'_>,
    effort: Option<Effort>,
    losses: &mut Losses,
) -> bool {
    let taken = target.quirks.temperature.or_else(|| target.facts.takes_sampling(effort));
    if taken.unwrap_or(true) {
        return true;
    }
    for (path, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        let Some(value) = value else { continue };
        let default = value.as_str().parse::<f64>().is_ok_and(|n| (n - 1.0).abs() < f64::EPSILON);
        let what = if default { What::Hint } else { What::Dropped };
        losses.add(what, path, "not taken while the model reasons");
    }
    false
}

#[cfg(test)]
mod tests {
    use gateway_models::Catalogue;
    use gateway_translate::{AttemptCx, Keyring};
    use gateway_types::{Text, Thinking, ThinkingDisplay};

    use super::*;
    use crate::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};

    fn run(
        model: &str,
        quirks: Quirks,
        mode: Option<ThinkingMode>,
        effort: Option<&'static str>,
    ) -> (Plan, String) {
        let egress = OpenAi {
            api: Api::Chat,
            quirks,
            catalogue: Catalogue::empty(),
            overrides: ModelOverrides::default(),
            schemas: SchemaMemo::default(),
            azure: None,
        };
        let keys = Keyring::new(["k"]);
        let cx = AttemptCx { model, provider: "p", reply_id: "r", ..AttemptCx::new(&keys) };
        let request = Request {
            thinking: mode.map(|mode| Thinking { mode, display: ThinkingDisplay::Shown }),
            effort: effort.map(Text::from_escaped),
            ..Request::default()
        };
        let mut losses = Losses::new();
        let plan = plan(&request, &Target::new(&egress, &cx), true, &mut losses);
        let losses: Vec<_> =
            losses.iter().map(|l| format!("{} {}", l.what.as_str(), l.path)).collect();
        (plan, losses.join(", "))
    }

    #[test]
    fn r19_thinking_and_effort_become_one_effort() {
        use Effort::{High, Low, Max, Medium, Minimal, XHigh};
        use ThinkingMode::{Adaptive, BetweenTools, Disabled, Enabled};
        let budget = |budget_tokens| Some(Enabled { budget_tokens });
        for (model, mode, effort, wanted, losses) in [
            ("gpt-5", None, Some("low"), Some(Low), ""),
            ("gpt-5", None, Some("max"), Some(High), "clamped output_config.effort"),
            ("gpt-5.2", None, Some("max"), Some(XHigh), "clamped output_config.effort"),
            ("gpt-5", Some(Adaptive), None, None, ""),
            ("gpt-5", Some(BetweenTools), None, None, ""),
            ("gpt-5.1", Some(Adaptive), None, Some(High), ""),
            ("gpt-5", Some(Disabled), None, Some(Minimal), "clamped thinking"),
            (
                "gpt-5",
                Some(Disabled),
                Some("high"),
                Some(Minimal),
                "hint output_config.effort, clamped thinking",
            ),
            ("o3", Some(Disabled), None, Some(Low), "clamped thinking"),
            ("gpt-5.2", Some(Disabled), None, Some(Effort::None), ""),
            ("gpt-5", budget(1024), None, Some(Low), "replaced thinking.budget_tokens"),
            ("gpt-5", budget(2048), None, Some(Medium), "replaced thinking.budget_tokens"),
            ("gpt-5", budget(8192), None, Some(High), "replaced thinking.budget_tokens"),
            ("gpt-5.2", budget(31999), None, Some(XHigh), "replaced thinking.budget_tokens"),
            ("gpt-5", budget(31999), Some("low"), Some(Low), "hint thinking.budget_tokens"),
            ("gpt-5", None, None, None, ""),
            ("gpt-5", None, Some("ultra"), None, "dropped output_config.effort"),
            ("gpt-4.1", Some(Adaptive), Some("low"), None, "hint output_config.effort"),
            ("gpt-4.1", Some(Adaptive), None, None, "hint thinking"),
            ("gpt-4.1", Some(Disabled), None, None, ""),
            ("gpt-4.1", budget(4096), None, None, "dropped thinking"),
            ("some-model", Some(Adaptive), Some("max"), None, "hint output_config.effort"),
        ] {
            let (plan, got) = run(model, Quirks::default(), mode, effort);
            assert_eq!((plan.effort, &*got), (wanted, losses), "{model} {mode:?} {effort:?}");
        }
        let deepseek = Quirks::for_base("https://api.deepseek.com");
        let (plan, _) = run("deepseek-v4", deepseek.clone(), Some(Adaptive), Some("xhigh"));
        assert_eq!((plan.effort, plan.thinking), (Some(High), Some(true)));
        let (plan, _) = run("deepseek-v4", deepseek, None, Some("max"));
        assert_eq!((plan.effort, plan.thinking), (Some(Max), None));
    }

    #[test]
    fn a_budget_goes_up_where_it_is_taken() {
        let openrouter = Quirks::for_base("https://openrouter.ai/api/v1");
        let mode = Some(ThinkingMode::Enabled { budget_tokens: 5000 });
        let (plan, losses) = run("anthropic/claude-opus-5", openrouter, mode, None);
        assert_eq!((plan.budget, plan.effort, &*losses), (Some(5000), None, ""));
    }
}
