//! Whether and how the model is to think (behaviour R19), and thinking of earlier turns on its way back
//! (behaviour R13).

use std::borrow::Cow;

use gateway_dialect::of_budget;
use gateway_models::{Effort, Family};
use gateway_translate::{AttemptCx, Binding, Json, Kind, Malformed, Reader, Unsealed};
use gateway_types::{Feature, Losses, Request, Text, ThinkingMode, What};

use crate::DIALECT;
use crate::about::{About, Ways};

/// The value of `think`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Think {
    Switch(bool),
    Level(Effort),
}

/// In which ways a model can be told; `None`: in none, or nobody knows.
fn ways(about: &About, family: Family) -> Option<Cow<'_, Ways>> {
    if let Some(ways) = &about.ways {
        return Some(Cow::Borrowed(ways));
    }
    if family == Family::GptOss && about.thinking != Some(false) {
        return Some(Cow::Owned(Ways::levels()));
    }
    (about.thinking == Some(true)).then(|| Cow::Owned(Ways::switch()))
}

/// Decides what is said of thinking.
pub(crate) fn plan(
    request: &Request<'_>,
    cx: &AttemptCx<'_>,
    about: &About,
    family: Family,
    losses: &mut Losses,
) -> Option<Think> {
    let mode = request.thinking.map(|thinking| thinking.mode);
    let stated = request.effort.map(Text::decode);
    let refused =
        |feature: &Feature| matches!(feature, Feature::Field("think") | Feature::Value("think"));
    let Some(ways) = ways(about, family).filter(|_| !cx.without.iter().any(refused)) else {
        let path = if mode.is_some() { "thinking" } else { "output_config.effort" };
        if request.wants_thinking() || (mode.is_none() && stated.is_some()) {
            losses.add(What::Hint, path, "the model is not known to think");
        }
        return None;
    };
    if mode == Some(ThinkingMode::Disabled) {
        if stated.is_some() {
            losses.add(What::Hint, "output_config.effort", "thinking is disabled");
        }
        if ways.off {
            return Some(Think::Switch(false));
        }
        losses.add(What::Clamped, "thinking", "this model can't be kept from thinking");
        return ways.levels.first().copied().map(Think::Level);
    }
    let wanted = match (&stated, mode) {
        (Some(word), _) => {
            let known = word.parse::<Effort>().ok();
            if known.is_none() {
                losses.add(What::Dropped, "output_config.effort", "an effort nobody knows");
            }
            known
        }
        (None, Some(ThinkingMode::Enabled { budget_tokens })) => Some(of_budget(budget_tokens)),
        _ => None,
    };
    let level = wanted.and_then(|wanted| wanted.nearest(&ways.levels));
    if let (Some(level), Some(wanted)) = (level, wanted) {
        if stated.is_none() {
            losses.add(What::Replaced, "thinking.budget_tokens", "the budget is an effort");
        } else if level != wanted {
            let why = "the nearest effort that the model takes";
            losses.add(What::Clamped, "output_config.effort", why);
        }
        return Some(Think::Level(level));
    }
    if stated.is_some() && wanted.is_some() {
        losses.add(
            What::Dropped,
            "output_config.effort",
            "the model thinks or does not, no more or less",
        );
    }
    // Where nothing was said the model does as it does.
    (request.wants_thinking() && ways.on).then_some(Think::Switch(true))
}

/// To whom carried thinking belongs.
pub(crate) fn binding<'a>(cx: &'a AttemptCx<'_>) -> Binding<'a> {
    // Every model here is a family of its own: the same name, whoever made it.
    let family = cx.model.split(':').next().unwrap_or_default();
    Binding { dialect: DIALECT, provider: cx.provider, family, account: cx.account }
}

/// What is sealed: the text, where the caller is not shown it (escaped).
pub(crate) fn payload(hidden: &str) -> String {
    let mut json = Json::new();
    json.object(|json| {
        if !hidden.is_empty() {
            json.key("t").text(Text::from_escaped(hidden));
        }
    });
    json.into_string()
}

/// A thinking block's text on its way back, escaped, or why it does not go.
pub(crate) fn recall(
    cx: &AttemptCx<'_>,
    text: Text<'_>,
    signature: Text<'_>,
) -> Result<String, &'static str> {
    if cx.without.contains(&Feature::ReasoningState) {
        return Err("the upstream refused it");
    }
    match cx.keys.open(&binding(cx), b"", &signature.decode()) {
        Unsealed::Payload(payload) if text.is_empty() => {
            hidden(&payload).ok_or("what it carries can't be read")
        }
        Unsealed::Payload(_) => Ok(text.escaped().to_owned()),
        Unsealed::Elsewhere => Err("thinking of another provider or model"),
        Unsealed::Broken => Err("its signature does not open"),
        Unsealed::Foreign => Err("thinking of another provider"),
    }
}

fn hidden(payload: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut r = Reader::new(std::str::from_utf8(payload).ok()?);
    r.object::<Malformed>(|r, key| {
        if key.is("t") && r.kind()? == Kind::String {
            r.string()?.escaped().clone_into(&mut text);
            return Ok(());
        }
        r.skip()
    })
    .ok()?;
    Some(text)
}
