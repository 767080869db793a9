//! What is served where no provider is configured: the vendors whose variables are set, which of them is the
//! default, and what a start tells about it.

use crate::base;
use crate::keys::{nearest, quoted};
use crate::mapping::{self, Mapping};
use crate::read::Cx;
use crate::source::At;
use crate::sources::{ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, Env, OPENAI_API_KEY};
use crate::tree::{Key, Node, Value};

/// Providers that variables alone can set up, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Anthropic,
    OpenAi,
    Custom,
}

impl Vendor {
    const ALL: [Self; 3] = [Self::Anthropic, Self::OpenAi, Self::Custom];

    /// The provider's name, and the word in `PREFERRED_PROVIDER`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Custom => "custom",
        }
    }

    /// The variable without which it is nothing.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Anthropic => ANTHROPIC_API_KEY,
            Self::OpenAi => OPENAI_API_KEY,
            Self::Custom => CUSTOM_BASE_URL,
        }
    }
}

/// What the variables say.
pub(crate) struct Setting {
    /// Vendors whose variables are set, in the order of preference.
    pub(crate) set: Vec<Vendor>,
    pub(crate) default: Vendor,
    /// Why that one; `None` where there was no choice.
    pub(crate) chosen: Option<Chosen>,
    /// The default is Anthropic without a key: it gets the caller's own login.
    login: bool,
    /// Nothing may go anywhere but to the default.
    pub(crate) private: bool,
    /// `OPENAI_BASE_URL` leads to another host than OpenAI's.
    pub(crate) foreign: bool,
}

/// Who chose the default.
pub(crate) struct Chosen {
    /// In words, after "because".
    why: String,
    at: At,
}

/// A choice that can't be served; the fault is noted already.
struct Reported;

/// Puts what the variables set up into the tree; gives what a start should tell.
pub(crate) fn fill(cx: &mut Cx, tree: &mut Node) -> Vec<String> {
    let known = cx.errors.len();
    let mapped = decide(cx, tree).and_then(|setting| {
        let mapping = mapping::read(cx, &setting);
        (cx.errors.len() == known).then_some((setting, mapping))
    });
    let Some((setting, mapping)) = mapped else {
        put(tree, "providers", Some(demo())); // the faults are reported; nothing must be added to them
        put(tree, "default_provider", None);
        put(tree, "routes", None);
        return Vec::new();
    };
    let served: Vec<Vendor> = match (setting.private, setting.login) {
        (true, _) => vec![setting.default],
        (false, true) => [&[setting.default], setting.set.as_slice()].concat(),
        (false, false) => setting.set.clone(),
    };
    let providers = served
        .iter()
        .map(|vendor| entry(vendor.name(), provider(&cx.env, *vendor, &setting, &mapping)))
        .collect();
    put(tree, "providers", Some(Node::map(providers, At::BuiltIn)));
    if tree.get("default_provider").is_none() {
        let at = setting.chosen.as_ref().map_or(At::BuiltIn, |c| c.at.clone());
        put(tree, "default_provider", Some(Node::untyped(setting.default.name(), at)));
    }
    add_routes(tree, mapping.routes());
    notes(&cx.env, &setting, &mapping, &served)
}

/// `--demo`: the built-in provider and nothing else.
pub(crate) fn demo() -> Node {
    Node::map(vec![entry("demo", Node::map(Vec::new(), At::BuiltIn))], At::BuiltIn)
}

/// Variables of this module that count for nothing, because providers are configured.
pub(crate) fn unused(env: &Env) -> Option<String> {
    let set: Vec<&str> = CHOOSING.iter().filter(|v| env.get(v).is_some()).copied().collect();
    let reason = "providers are configured, and only what is said there counts";
    (!set.is_empty()).then(|| format!("{} set, but not used: {reason}", set.join(", ")))
}

/// `None` where what is set can't be served; that is reported then.
fn decide(cx: &mut Cx, tree: &Node) -> Option<Setting> {
    let env = &cx.env;
    let is_set = |name: &str| env.get(name).is_some();
    let foreign = env.get(OPENAI_BASE_URL).is_some_and(|(url, _)| {
        // What can't be read is reported with the provider it belongs to.
        base::read(url.trim(), &base::OPENAI).map_or(true, |base| !base::is_openai(&base.host))
    });
    let openrouter = !is_set(OPENAI_BASE_URL)
        && env.get(OPENAI_API_KEY).is_some_and(|(key, _)| is_openrouters(key));
    let set: Vec<Vendor> = Vendor::ALL
        .into_iter()
        .filter(|vendor| match vendor {
            Vendor::Anthropic => is_set(ANTHROPIC_API_KEY) || is_set(ANTHROPIC_AUTH_TOKEN),
            Vendor::OpenAi => foreign || (is_set(OPENAI_API_KEY) && !openrouter),
            Vendor::Custom => is_set(CUSTOM_BASE_URL),
        })
        .collect();
    let preferred = preferred(cx, tree, foreign).ok()?;
    let wants_openrouter = match &preferred {
        Some((vendor, _)) => *vendor == Vendor::OpenAi,
        None => set.is_empty(),
    };
    if openrouter && wants_openrouter {
        let at = cx.env.get(OPENAI_API_KEY).map_or(At::BuiltIn, |(_, at)| at.clone());
        let message = format!(
            "{OPENAI_API_KEY} holds a key of OpenRouter (sk-or-…), whose own kind is not in this version yet"
        );
        let help = format!(
            "OpenRouter is compatible with OpenAI: set {CUSTOM_BASE_URL}={OPENROUTER_BASE} and CUSTOM_API_KEY to that key"
        );
        cx.error(&at, message, "a key of OpenRouter", help);
        return None;
    }
    if let Some((vendor, chosen)) = &preferred
        && *vendor != Vendor::Anthropic
        && !set.contains(vendor)
    {
        let (name, variable) = (vendor.name(), vendor.variable());
        let message = format!("`{name}` is chosen ({}), but {variable} is not set", chosen.why);
        cx.error(&chosen.at, message, "not set up", format!("set {variable}, or choose another"));
        return None;
    }
    let first = set.first().copied().unwrap_or(Vendor::Anthropic);
    let (default, chosen) = match preferred {
        Some((vendor, chosen)) => (vendor, Some(chosen)),
        None => (first, None),
    };
    let private = default == Vendor::Custom || (default == Vendor::OpenAi && foreign);
    let login = !set.contains(&default);
    Some(Setting { set, default, chosen, login, private, foreign })
}

/// The vendor that somebody chose.
fn preferred(
    cx: &mut Cx,
    tree: &Node,
    foreign: bool,
) -> Result<Option<(Vendor, Chosen)>, Reported> {
    if let Some(Node { value: Value::Text(name), at, .. }) = tree.get("default_provider") {
        let vendor = Vendor::ALL.into_iter().find(|v| v.name() == name.trim());
        let why = "`default_provider` says so".to_owned();
        return Ok(vendor.map(|vendor| (vendor, Chosen { why, at: at.clone() })));
    }
    if let Some((word, at)) = cx.env.get(PREFERRED_PROVIDER) {
        let (word, at) = (word.trim().to_ascii_lowercase(), at.clone());
        if let Some(vendor) = Vendor::ALL.into_iter().find(|v| v.name() == word) {
            let why = format!("{PREFERRED_PROVIDER} says so");
            return Ok(Some((vendor, Chosen { why, at })));
        }
        let names = Vendor::ALL.map(Vendor::name);
        if LATER_PREFERRED.contains(&word.as_str()) {
            let message = format!("{PREFERRED_PROVIDER} `{word}` is not in this version yet");
            let help = format!("this version knows {}", quoted(&names));
            cx.error(&at, message, "not in this version yet", help);
        } else {
            let message =
                format!("{PREFERRED_PROVIDER} names no provider that variables can set up");
            let help = match nearest(&word, names) {
                Some(meant) => format!("did you mean `{meant}`? Possible are {}", quoted(&names)),
                None => format!("possible are {}", quoted(&names)),
            };
            cx.error(&at, message, "unknown", help);
        }
        return Err(Reported);
    }
    let at = cx.env.get(OPENAI_BASE_URL).map_or(At::BuiltIn, |(_, at)| at.clone());
    // Who names a server of their own does not want its requests elsewhere because another key is set too.
    let why = format!("{OPENAI_BASE_URL} names a server of your own");
    Ok(foreign.then_some((Vendor::OpenAi, Chosen { why, at })))
}

fn provider(env: &Env, vendor: Vendor, setting: &Setting, mapping: &Mapping) -> Node {
    let mut keys = Vec::new();
    let from = |key: &str, variable: &str| {
        let (value, at) = env.get(variable)?;
        Some(entry(key, Node::untyped(value.trim(), at.clone())))
    };
    let mut private = vendor == Vendor::Custom;
    match vendor {
        // Without a key it is the caller's own login, whatever else is set.
        Vendor::Anthropic if setting.login => {
            keys.push(entry("auth_type", Node::untyped("client", At::BuiltIn)));
        }
        Vendor::Anthropic => {}
        Vendor::OpenAi => {
            keys.extend(from("api_base", OPENAI_BASE_URL));
            if env.get(OPENAI_API_KEY).is_none() {
                keys.push(entry("auth_type", Node::untyped("none", At::BuiltIn)));
            }
            private = setting.foreign;
        }
        Vendor::Custom => {
            keys.push(entry("kind", Node::untyped("openai", At::BuiltIn)));
            keys.extend(from("api_base", CUSTOM_BASE_URL));
            if env.get(CUSTOM_API_KEY).is_some() {
                keys.push(entry("api_key_env_var", Node::untyped(CUSTOM_API_KEY, At::BuiltIn)));
            }
        }
    }
    if private {
        keys.push(entry("private", Node::untyped("true", At::BuiltIn)));
    }
    keys.extend(mapping.keys_of(vendor));
    Node::map(keys, At::BuiltIn)
}

/// Rules of the mapping come behind those of the file.
fn add_routes(tree: &mut Node, routes: Vec<Node>) {
    if routes.is_empty() {
        return;
    }
    if let Value::Map(entries) = &mut tree.value
        && let Some((_, Node { value: Value::List(items), .. })) =
            entries.iter_mut().find(|(k, _)| k.text == "routes")
    {
        items.extend(routes);
    } else if tree.get("routes").is_none_or(|n| matches!(n.value, Value::Null)) {
        let list = Node { value: Value::List(routes), at: At::BuiltIn, untyped: false };
        put(tree, "routes", Some(list));
    }
}

fn notes(env: &Env, setting: &Setting, mapping: &Mapping, served: &[Vendor]) -> Vec<String> {
    let mut notes = Vec::new();
    let default = setting.default;
    let name = default.name();
    let why = || setting.chosen.as_ref().map(|c| c.why.as_str());
    match (served, why()) {
        _ if setting.login => {
            let why = why().unwrap_or("no provider is configured and no key is set");
            notes.push(format!(
                "provider `anthropic` with the caller's own login, because {why}: \
                 what Claude Code sends (a subscription's token or a key) is passed on to api.anthropic.com and nowhere else"
            ));
            notes.push(format!(
                "to use a key instead set {ANTHROPIC_API_KEY} or {ANTHROPIC_AUTH_TOKEN}, {OPENAI_API_KEY} for OpenAI, \
                 {CUSTOM_BASE_URL} for a compatible server; to try it offline: --demo"
            ));
            notes.extend(
                setting
                    .set
                    .iter()
                    .map(|v| format!("provider `{}` too, because {}", v.name(), source(env, *v))),
            );
        }
        ([_], why) => {
            let why = why.map_or_else(|| source(env, default), ToOwned::to_owned);
            notes.push(format!("provider `{name}`, because {why} and no provider is configured"));
        }
        (several, why) => {
            let names: Vec<&str> = several.iter().map(|v| v.name()).collect();
            let sources: Vec<String> = several.iter().map(|v| source(env, *v)).collect();
            let (names, sources) = (quoted(&names), sources.join(", "));
            notes.push(format!(
                "providers {names}, because {sources} and no provider is configured"
            ));
            notes.push(match why {
                Some(why) => format!("`{name}` is the default, because {why}"),
                None => format!(
                    "`{name}` is the default, because several are set and none is chosen; {PREFERRED_PROVIDER} chooses another"
                ),
            });
        }
    }
    if setting.private {
        let left: Vec<String> = setting
            .set
            .iter()
            .filter(|v| **v != default)
            .map(|v| format!("{}, but `{}` is not used", source(env, *v), v.name()))
            .collect();
        let left = if left.is_empty() { String::new() } else { format!(" ({})", left.join("; ")) };
        notes.push(format!("`{name}` is private: nothing goes anywhere else{left}"));
    }
    notes.extend(mapping.notes(setting));
    notes.extend(unusable(env));
    notes
}

/// `OPENAI_API_KEY is set`, or where else it comes from.
fn source(env: &Env, vendor: Vendor) -> String {
    let variables: &[&'static str] = match vendor {
        Vendor::Anthropic => &[ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN],
        Vendor::OpenAi => &[OPENAI_API_KEY, OPENAI_BASE_URL],
        Vendor::Custom => &[CUSTOM_BASE_URL],
    };
    let found = variables.iter().find_map(|v| Some((*v, env.get(v)?.1)));
    match found {
        Some((_, At::Flag(flag))) => format!("{flag} is given"),
        Some((variable, At::DotEnv { .. })) => format!("{variable} is set in .env"),
        Some((variable, _)) => format!("{variable} is set"),
        None => format!("{} is not set", vendor.variable()),
    }
}

/// Variables that would name a provider of a later version, or that do nothing alone.
fn unusable(env: &Env) -> Vec<String> {
    let set: Vec<&(&str, &str)> = LATER.iter().filter(|(v, _)| env.get(v).is_some()).collect();
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    let mut kinds: Vec<&str> = set.iter().map(|(_, kind)| *kind).collect();
    kinds.dedup();
    let mut out = Vec::new();
    if !set.is_empty() {
        out.push(format!(
            "{} set, but not used: kind {} is not in this version yet",
            names.join(", "),
            kinds.join(", ")
        ));
    }
    let openrouter = env.get(OPENAI_BASE_URL).is_none()
        && env.get(OPENAI_API_KEY).is_some_and(|(key, _)| is_openrouters(key));
    if openrouter || names.contains(&"OPENROUTER_API_KEY") {
        let variable = if openrouter { OPENAI_API_KEY } else { "OPENROUTER_API_KEY" };
        out.push(format!(
            "{variable} holds a key of OpenRouter and is not used; OpenRouter is compatible with OpenAI: \
             set {CUSTOM_BASE_URL}={OPENROUTER_BASE} and CUSTOM_API_KEY to that key"
        ));
    }
    if env.get(CUSTOM_API_KEY).is_some() && env.get(CUSTOM_BASE_URL).is_none() {
        out.push(format!("{CUSTOM_API_KEY} set, but not used: {CUSTOM_BASE_URL} is not set"));
    }
    out
}

/// Whether a key is one of OpenRouter, which people also put where OpenAI's belongs.
pub(crate) fn is_openrouters(key: &str) -> bool {
    key.trim().starts_with("sk-or-")
}

pub(crate) fn entry(key: &str, node: Node) -> (Key, Node) {
    (Key { text: key.to_owned(), at: At::BuiltIn }, node)
}

/// Puts a value at a key of the top level in place of what is there; says whether something was.
pub(crate) fn put(tree: &mut Node, key: &str, value: Option<Node>) -> bool {
    if !matches!(tree.value, Value::Map(_)) {
        tree.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut tree.value else { return false };
    let before = entries.len();
    entries.retain(|(k, _)| k.text != key);
    let was_there = entries.len() < before;
    if let Some(value) = value {
        entries.push(entry(key, value));
    }
    was_there
}

const PREFERRED_PROVIDER: &str = "PREFERRED_PROVIDER";
const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";
const CUSTOM_BASE_URL: &str = "CUSTOM_BASE_URL";
const CUSTOM_API_KEY: &str = "CUSTOM_API_KEY";
/// Variables that choose providers or models.
const CHOOSING: &[&str] = &[
    PREFERRED_PROVIDER,
    OPENAI_BASE_URL,
    CUSTOM_BASE_URL,
    "BIG_MODEL",
    "BIG_MODEL_NAME",
    "SMALL_MODEL",
    "SMALL_MODEL_NAME",
];
/// Where OpenRouter is compatible with OpenAI.
pub(crate) const OPENROUTER_BASE: &str = "https://openrouter.ai/api/v1";
const LATER_PREFERRED: &[&str] =
    &["google", "gemini", "ollama", "local", "openrouter", "azure", "bedrock", "vertex"];
const LATER: &[(&str, &str)] = &[
    ("OPENROUTER_API_KEY", "openrouter"),
    ("GOOGLE_API_KEY", "gemini"),
    ("GEMINI_API_KEY", "gemini"),
    ("AZURE_OPENAI_API_KEY", "azure"),
    ("AWS_ACCESS_KEY_ID", "bedrock"),
    ("USE_VERTEX_AUTH", "vertex"),
    ("OLLAMA_BASE_URL", "ollama"),
];
