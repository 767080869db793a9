//! `BIG_MODEL` and `SMALL_MODEL`: which model stands for Claude's large and small ones where no provider is configured.

use gateway_router::{Family, family_of};

use crate::models::{BIG_GLOB, OPENAI_BIG, OPENAI_SMALL, SMALL_GLOB};
use crate::read::Cx;
use crate::source::At;
use crate::tree::{Key, Node};
use crate::zero::{Setting, Vendor, entry};

/// What the variables say of models.
pub(crate) struct Mapping {
    default: Vendor,
    /// Claude's names go to OpenAI's own host.
    at_openai: bool,
    big: Option<Target>,
    small: Option<Target>,
    notes: Vec<String>,
}

/// A model and who serves it.
struct Target {
    variable: &'static str,
    at: At,
    vendor: Vendor,
    model: String,
}

/// Reads both variables. Names that nobody can serve are reported.
pub(crate) fn read(cx: &mut Cx, setting: &Setting) -> Mapping {
    let mut notes = Vec::new();
    let big = target(cx, setting, &["BIG_MODEL", "BIG_MODEL_NAME"], &mut notes);
    let small = target(cx, setting, &["SMALL_MODEL", "SMALL_MODEL_NAME"], &mut notes);
    let at_openai = setting.default == Vendor::OpenAi && !setting.private;
    Mapping { default: setting.default, at_openai, big, small, notes }
}

impl Mapping {
    /// The keys of a provider that say it, where it is the default. Rules say it for any other one.
    pub(crate) fn keys_of(&self, vendor: Vendor) -> Vec<(Key, Node)> {
        if vendor != self.default {
            return Vec::new();
        }
        let own = |target: &'_ Option<Target>| {
            let target = target.as_ref().filter(|t| t.vendor == vendor)?;
            Some(Node::untyped(target.model.as_str(), target.at.clone()))
        };
        let (big, small) = (own(&self.big), own(&self.small));
        let mut keys = Vec::new();
        let mut map = Vec::new();
        let unsaid = || Node::untyped(OPENAI_SMALL, At::BuiltIn);
        // Alone, `default_model` would stand for the small models too.
        let small = small.or_else(|| (self.at_openai && big.is_some()).then(unsaid));
        map.extend(small.map(|small| entry(SMALL_GLOB, small)));
        match (vendor, big) {
            (Vendor::Anthropic, Some(big)) => map.push(entry(BIG_GLOB, big)),
            (_, Some(big)) => keys.push(entry("default_model", big)),
            (_, None) => {}
        }
        if !map.is_empty() {
            keys.push(entry("model_map", Node::map(map, At::BuiltIn)));
        }
        keys
    }

    /// Rules for models that another provider than the default serves.
    pub(crate) fn routes(&self) -> Vec<Node> {
        let foreign = |glob: &str, target: &Option<Target>| {
            let target = target.as_ref().filter(|t| t.vendor != self.default)?;
            let text = |text: &str| Node::untyped(text, target.at.clone());
            let keys = [
                ("pattern", text(glob)),
                ("provider", text(target.vendor.name())),
                ("model", text(&target.model)),
                ("name", text(target.variable)),
            ];
            let keys = keys.into_iter().map(|(key, node)| entry(key, node)).collect();
            Some(Node::map(keys, target.at.clone()))
        };
        [(SMALL_GLOB, &self.small), (BIG_GLOB, &self.big)]
            .into_iter()
            .filter_map(|(glob, target)| foreign(glob, target))
            .collect()
    }

    /// What a start should tell.
    pub(crate) fn notes(&self, setting: &Setting) -> Vec<String> {
        let mut notes = self.notes.clone();
        let told = |target: &Option<Target>, otherwise: Option<&str>| match target {
            Some(t) => Some(format!("`{}` of `{}` ({})", t.model, t.vendor.name(), t.variable)),
            None => otherwise.map(|model| format!("`{model}` of `openai`")),
        };
        let or = |model| self.at_openai.then_some(model);
        let big = told(&self.big, or(OPENAI_BIG));
        let small = told(&self.small, or(OPENAI_SMALL));
        let name = setting.default.name();
        let own_server = setting.private;
        let as_asked = || format!("go to `{name}` by the names that are asked for");
        match (big, small) {
            (None, None) if own_server => notes.push(format!(
                "Claude's models {}; BIG_MODEL and SMALL_MODEL name models of that server instead",
                as_asked()
            )),
            (None, None) => {}
            (big, small) => {
                let small = match (small, &big) {
                    (Some(small), _) => format!("is {small}"),
                    (None, Some(big)) if own_server => format!("is {big}"),
                    (None, _) => "goes up as it is asked for".to_owned(),
                };
                let big = match big {
                    Some(big) => format!("are {big}"),
                    None => as_asked(),
                };
                let hint = if self.big.is_none() || self.small.is_none() {
                    "; BIG_MODEL and SMALL_MODEL change that"
                } else {
                    ""
                };
                notes.push(format!("opus, sonnet and fable {big}, haiku {small}{hint}"));
            }
        }
        notes
    }
}

/// The model that a variable names; of several variables the first that is set counts.
fn target(
    cx: &mut Cx,
    setting: &Setting,
    variables: &[&'static str],
    notes: &mut Vec<String>,
) -> Option<Target> {
    let (variable, text, at) = variables.iter().find_map(|variable| {
        let (text, at) = cx.env.get(variable)?;
        Some((*variable, text.trim().to_owned(), at.clone()))
    })?;
    let default = setting.default;
    let to = |vendor, model: &str| {
        let model = model.to_owned();
        Some(Target { variable, at: at.clone(), vendor, model })
    };
    if setting.private {
        return match text.strip_prefix("openai/") {
            Some(model) if default == Vendor::OpenAi && !model.is_empty() => {
                notes.push(format!(
                    "{variable}: `openai/` is read as the provider, the model is `{model}`; where it belongs to the name write `openai/{text}`"
                ));
                to(default, model)
            }
            // Nothing may leave: any other prefix can only be part of the name.
            _ => to(default, &text),
        };
    }
    let prefix = text.split_once('/').filter(|(_, model)| !model.is_empty());
    let vendor = match prefix.map(|(prefix, _)| prefix) {
        Some("openai") => Some(Vendor::OpenAi),
        Some("anthropic") => Some(Vendor::Anthropic),
        _ => None,
    };
    if let (Some(vendor), Some((prefix, model))) = (vendor, prefix) {
        if vendor == default || setting.set.contains(&vendor) {
            return to(vendor, model);
        }
        let needed = vendor.variable();
        let message = format!("{variable} names a model of `{prefix}`, but {needed} is not set");
        cx.error(&at, message, "not set up", format!("set {needed}, or name another model"));
        return None;
    }
    let google = matches!(prefix, Some(("gemini" | "google", _)));
    let family = if google { Some(Family::Google) } else { family_of(&text) };
    let served_by = match family {
        Some(Family::Google) => {
            let message = format!(
                "{variable} names a model of Google, whose kind is not in this version yet"
            );
            let help = "name a model of `openai/…` or `anthropic/…`";
            cx.error(&at, message, "not in this version yet", help);
            return None;
        }
        Some(Family::OpenAi) => Vendor::OpenAi,
        Some(Family::Claude) => Vendor::Anthropic,
        None => default,
    };
    // Without a prefix the name alone chooses another provider only where nobody chose one.
    if served_by == default || (setting.chosen.is_none() && setting.set.contains(&served_by)) {
        return to(served_by, &text);
    }
    notes.push(format!(
        "{variable} is `{text}`, which `{}` does not serve: it is not used; `{}/{text}` with {} set would be",
        default.name(),
        served_by.name(),
        served_by.variable()
    ));
    None
}
