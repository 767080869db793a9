//! `BIG_MODEL` and `SMALL_MODEL`: which model stands for Claude's large and small ones where no provider is configured.

use gateway_router::{Family, family_of};

use crate::aws;
use crate::claudes;
use crate::models::{BIG_GLOB, GEMINI_BIG, GEMINI_SMALL, OPENAI_BIG, OPENAI_SMALL, SMALL_GLOB};
use crate::read::Cx;
use crate::source::At;
use crate::sources::Env;
use crate::tree::{Key, Node};
use crate::vendor::Vendor;
use crate::zero::{Setting, entry};

/// What the variables say of models.
pub(crate) struct Mapping {
    default: Vendor,
    /// What stands for Claude's large and small models at the default, where nobody says it.
    unsaid: Option<(&'static str, &'static str)>,
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
    let big = target(cx, setting, BIG, &mut notes);
    let small = target(cx, setting, SMALL, &mut notes);
    let unsaid = match setting.default {
        Vendor::OpenAi if !setting.private => Some((OPENAI_BIG, OPENAI_SMALL)),
        Vendor::Gemini | Vendor::Vertex => Some((GEMINI_BIG, GEMINI_SMALL)),
        _ => None,
    };
    Mapping { default: setting.default, unsaid, big, small, notes }
}

/// The first of the variables that is set: its name, what it says, and where.
pub(crate) fn named(env: &Env) -> Option<(&'static str, &str, &At)> {
    BIG.iter().chain(SMALL).find_map(|variable| {
        let (text, at) = env.get(variable)?;
        Some((*variable, text.trim(), at))
    })
}

/// Whether a name says that Ollama has the model.
pub(crate) fn is_ollamas(name: &str) -> bool {
    OLLAMAS.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name can be one of Ollama's: no vendor's own.
pub(crate) fn may_be_ollamas(name: &str) -> bool {
    is_ollamas(name) || !gateway_router::Naming::Open.is_foreign(name)
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
        let built_in = |model| Node::untyped(model, At::BuiltIn);
        let mut keys = Vec::new();
        let mut map = Vec::new();
        match (vendor, self.unsaid) {
            // Serves Claude too: the names are replaced one by one, all others go up as they are.
            (Vendor::Anthropic | Vendor::Bedrock | Vendor::OpenRouter, _) => {
                map.extend(small.map(|small| entry(SMALL_GLOB, small)));
                map.extend(big.map(|big| entry(BIG_GLOB, big)));
            }
            // Serves Claude too, but who sets it up by these variables means Gemini.
            (Vendor::Vertex, Some((large, little))) => {
                map.push(entry(SMALL_GLOB, small.unwrap_or_else(|| built_in(little))));
                map.push(entry(BIG_GLOB, big.unwrap_or_else(|| built_in(large))));
            }
            (_, unsaid) => {
                // Alone, `default_model` would stand for the small models too.
                let unsaid = unsaid.filter(|_| big.is_some());
                let small = small.or_else(|| unsaid.map(|(_, little)| built_in(little)));
                map.extend(small.map(|small| entry(SMALL_GLOB, small)));
                keys.extend(big.map(|big| entry("default_model", big)));
            }
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
    pub(crate) fn notes(&self, setting: &Setting, has_deployment: bool) -> Vec<String> {
        let mut notes = self.notes.clone();
        let name = setting.default.name();
        let told = |target: &Option<Target>, otherwise: Option<&str>| match target {
            Some(t) => Some(format!("`{}` of `{}` ({})", t.model, t.vendor.name(), t.variable)),
            None => otherwise.map(|model| format!("`{model}` of `{name}`")),
        };
        let big = told(&self.big, self.unsaid.map(|(big, _)| big));
        let small = told(&self.small, self.unsaid.map(|(_, small)| small));
        let own_server = setting.private;
        let azure = setting.default == Vendor::Azure;
        let as_asked = || match setting.default {
            Vendor::Bedrock | Vendor::OpenRouter => {
                format!("go to `{name}` by the names that they have there")
            }
            _ => format!("go to `{name}` by the names that are asked for"),
        };
        match (big, small) {
            (None, None) if azure && has_deployment => {
                notes.push("every model is the one deployment of `azure`".to_owned());
            }
            (None, None) if azure => notes.push(format!(
                "Claude's models {}, which no deployment has: set AZURE_OPENAI_DEPLOYMENT, or BIG_MODEL and SMALL_MODEL, to names of deployments",
                as_asked()
            )),
            (None, None) if own_server => notes.push(format!(
                "Claude's models {}; BIG_MODEL and SMALL_MODEL name models of that server instead",
                as_asked()
            )),
            (None, None) if setting.default == Vendor::Anthropic => {}
            (None, None) => notes.push(format!(
                "Claude's models {}; BIG_MODEL and SMALL_MODEL change that",
                as_asked()
            )),
            (big, small) => {
                let small = match (small, &big) {
                    (Some(small), _) => format!("is {small}"),
                    (None, Some(big)) if own_server || azure => format!("is {big}"),
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
        let taken = |prefixes: &[&str]| prefixes.iter().find_map(|p| text.strip_prefix(p));
        return match default {
            Vendor::OpenAi => match taken(&["openai/"]).filter(|model| !model.is_empty()) {
                Some(model) => {
                    notes.push(format!(
                        "{variable}: `openai/` is read as the provider, the model is `{model}`; where it belongs to the name write `openai/{text}`"
                    ));
                    to(default, model)
                }
                None => to(default, &text),
            },
            Vendor::Ollama => to(default, taken(OLLAMAS).unwrap_or(&text)),
            // Nothing may leave: any other prefix can only be part of the name.
            _ => to(default, &text),
        };
    }
    let is_set_up = |vendor: Vendor| vendor == default || setting.set.contains(&vendor);
    let vertex_only = is_set_up(Vendor::Vertex) && !is_set_up(Vendor::Gemini);
    let googles = if vertex_only { Vendor::Vertex } else { Vendor::Gemini };
    let prefix = text.split_once('/').filter(|(_, model)| !model.is_empty());
    let named = prefix.and_then(|(word, model)| Some((word, Vendor::of_word(word)?, model)));
    if let Some((word, vendor, model)) = named {
        let vendor = if vendor == Vendor::Gemini { googles } else { vendor };
        // Resellers have the vendor in the name.
        let resold = ["openai", "anthropic", "google"].contains(&word);
        if resold
            && (default == Vendor::OpenRouter || !is_set_up(vendor))
            && is_set_up(Vendor::OpenRouter)
        {
            return to(Vendor::OpenRouter, &qualified(&text));
        }
        if default == Vendor::Azure && vendor == Vendor::OpenAi && !is_set_up(vendor) {
            return to(default, model);
        }
        if is_set_up(vendor) {
            return to(vendor, &at_vendor(cx, vendor, model));
        }
        let needed = vendor.variable();
        let message = format!("{variable} names a model of `{word}`, but {needed} is not set");
        cx.error(&at, message, "not set up", format!("set {needed}, or name another model"));
        return None;
    }
    let family = family_of(&text);
    let served_by = match family {
        Some(family) if serves(default, family) => default,
        Some(Family::Google) => googles,
        Some(Family::OpenAi) => Vendor::OpenAi,
        Some(Family::Claude) => Vendor::Anthropic,
        None => default,
    };
    let resold = !is_set_up(served_by) && is_set_up(Vendor::OpenRouter);
    let served_by = if resold { Vendor::OpenRouter } else { served_by };
    // Without a prefix the name alone chooses another provider only where nobody chose one.
    if served_by == default || (setting.chosen.is_none() && setting.set.contains(&served_by)) {
        return to(served_by, &at_vendor(cx, served_by, &text));
    }
    let how = match served_by {
        Vendor::OpenRouter => format!("`openrouter/{}` would be", qualified(&text)),
        vendor if is_set_up(vendor) => format!("`{}/{text}` would be", vendor.name()),
        vendor => format!("`{}/{text}` with {} set would be", vendor.name(), vendor.variable()),
    };
    notes.push(format!(
        "{variable} is `{text}`, which `{}` does not serve: it is not used; {how}",
        default.name()
    ));
    None
}

/// Whether a vendor has models of a family.
fn serves(vendor: Vendor, family: Family) -> bool {
    match vendor {
        Vendor::Anthropic | Vendor::Bedrock => family == Family::Claude,
        Vendor::OpenAi => family == Family::OpenAi,
        Vendor::Gemini => family == Family::Google,
        Vendor::Vertex => matches!(family, Family::Google | Family::Claude),
        // Resold, or by whatever name somebody gave it.
        Vendor::OpenRouter | Vendor::Azure | Vendor::Custom | Vendor::Ollama => true,
    }
}

/// The name that a model has at a vendor, where people write Anthropic's, or none before a slash.
fn at_vendor(cx: &Cx, vendor: Vendor, model: &str) -> String {
    let known = match vendor {
        Vendor::OpenRouter => return qualified(model),
        Vendor::Bedrock => aws::usual_region(cx).map(|r| claudes::on_bedrock(&r)),
        Vendor::Vertex => Some(claudes::on_vertex()),
        _ => None,
    };
    known.and_then(|names| claudes::called(&names, model)).unwrap_or_else(|| model.to_owned())
}

/// A name at OpenRouter, which has the vendor before it.
fn qualified(model: &str) -> String {
    let plain = model.strip_prefix("anthropic/").unwrap_or(model);
    if let Some(name) = claudes::called(&claudes::at_openrouter(), plain) {
        return name;
    }
    let vendor = match family_of(model) {
        _ if model.contains('/') => return model.to_owned(),
        Some(Family::Claude) => "anthropic",
        Some(Family::OpenAi) => "openai",
        Some(Family::Google) => "google",
        None if model == "auto" => "openrouter",
        None => return model.to_owned(),
    };
    format!("{vendor}/{model}")
}

const BIG: &[&str] = &["BIG_MODEL", "BIG_MODEL_NAME"];
const SMALL: &[&str] = &["SMALL_MODEL", "SMALL_MODEL_NAME"];
const OLLAMAS: &[&str] = &["ollama/", "local/"];
