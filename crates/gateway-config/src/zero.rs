//! What is served where no provider is configured: the vendors whose variables are set, which of them is the
//! default, and what a start tells about it.

use crate::azure;
use crate::keys::{nearest, quoted};
use crate::mapping::{self, Mapping};
use crate::read::Cx;
use crate::source::At;
use crate::sources::{ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, Env, OPENAI_API_KEY};
use crate::tree::{Key, Node, Value};
use crate::vendor::{
    self, CUSTOM_API_KEY, CUSTOM_BASE_URL, OLLAMA_BASE_URL, OLLAMA_HOST, OPENAI_BASE_URL, Standing,
    USE_VERTEX_AUTH, Vendor,
};

/// What the variables say.
pub(crate) struct Setting {
    /// Vendors whose variables are set, in the order of preference.
    pub(crate) set: Vec<Vendor>,
    pub(crate) default: Vendor,
    /// Why that one; `None` where there was no choice.
    pub(crate) chosen: Option<Chosen>,
    /// The default is Anthropic without a key: it gets the caller's own login.
    login: bool,
    /// Vendors with a credential that lack something else, and what.
    unfinished: Vec<(Vendor, &'static str)>,
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

/// Puts what the variables set up into the tree; gives what a start should tell. Whether an Ollama answers on its
/// usual port is asked only where nothing else is set.
pub(crate) fn fill(cx: &mut Cx, tree: &mut Node, ollama_answers: fn() -> bool) -> Vec<String> {
    let known = cx.errors.len();
    let mapped = decide(cx, tree, ollama_answers).and_then(|setting| {
        let mapping = mapping::read(cx, &setting);
        (cx.errors.len() == known).then_some((setting, mapping))
    });
    let Some((setting, mapping)) = mapped else {
        put(tree, "providers", Some(demo())); // the faults are reported; nothing must be added to them
        put(tree, "default_provider", None);
        put(tree, "routes", None);
        return Vec::new();
    };
    let served: Vec<Vendor> = if setting.private {
        vec![setting.default]
    } else if setting.set.contains(&setting.default) {
        setting.set.clone()
    } else {
        [&[setting.default], setting.set.as_slice()].concat()
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
fn decide(cx: &mut Cx, tree: &Node, ollama_answers: fn() -> bool) -> Option<Setting> {
    let foreign = vendor::is_foreign(&cx.env);
    let mut set = Vec::new();
    let mut unfinished = Vec::new();
    for vendor in Vendor::ALL {
        match vendor.standing(cx) {
            Standing::Set => set.push(vendor),
            Standing::Unfinished(missing) => unfinished.push((vendor, missing)),
            Standing::Unset => {}
        }
    }
    let preferred = preferred(cx, tree, foreign, &set).ok()?;
    if let Some((vendor, chosen)) = &preferred
        && !vendor.needs_nothing()
        && !set.contains(vendor)
        && !unfinished.iter().any(|(unfinished, _)| unfinished == vendor)
    {
        let (name, variable) = (vendor.name(), vendor.variable());
        let message = format!("`{name}` is chosen ({}), but {variable} is not set", chosen.why);
        cx.error(&chosen.at, message, "not set up", format!("set {variable}, or choose another"));
        return None;
    }
    let named = mapping::named(&cx.env);
    let by_prefix = named.is_some_and(|(_, text, _)| mapping::is_ollamas(text));
    let nothing = set.is_empty() && preferred.is_none() && unfinished.is_empty();
    // The variable of Ollama's own tools, and an Ollama that is there, say where one is. They choose nothing.
    let found = cx.env.get(OLLAMA_HOST).is_some() || (nothing && ollama_answers());
    if (found || by_prefix) && !set.contains(&Vendor::Ollama) {
        set.push(Vendor::Ollama);
    }
    let (default, chosen) = match preferred {
        Some((vendor, chosen)) => (vendor, Some(chosen)),
        // Keys of AWS are on many machines for other reasons: without a region they mean nothing here.
        None if nothing || set.is_empty() => {
            match (unfinished.iter().find(|(vendor, _)| *vendor != Vendor::Bedrock), named) {
                (Some((vendor, _)), _) => (*vendor, None),
                (_, Some((variable, text, at)))
                    if set.contains(&Vendor::Ollama) && mapping::may_be_ollamas(text) =>
                {
                    let why = format!("{variable} names a model, and nothing else is set up");
                    (Vendor::Ollama, Some(Chosen { why, at: at.clone() }))
                }
                _ => (Vendor::Anthropic, None),
            }
        }
        None => (set[0], None),
    };
    let private = default.is_private(foreign);
    let login = default == Vendor::Anthropic && !set.contains(&default);
    unfinished.retain(|(vendor, _)| *vendor != default);
    Some(Setting { set, default, chosen, login, unfinished, private, foreign })
}

/// The vendor that somebody chose.
fn preferred(
    cx: &mut Cx,
    tree: &Node,
    foreign: bool,
    set: &[Vendor],
) -> Result<Option<(Vendor, Chosen)>, Reported> {
    if let Some(Node { value: Value::Text(name), at, .. }) = tree.get("default_provider") {
        let vendor = Vendor::ALL.into_iter().find(|v| v.name() == name.trim());
        let why = "`default_provider` says so".to_owned();
        return Ok(vendor.map(|vendor| (vendor, Chosen { why, at: at.clone() })));
    }
    if let Some((word, at)) = cx.env.get(PREFERRED_PROVIDER) {
        let (word, at) = (word.trim().to_ascii_lowercase(), at.clone());
        if let Some(vendor) = Vendor::of_word(&word) {
            let why = format!("{PREFERRED_PROVIDER} says so");
            let vendor = match vendor {
                // A key of OpenRouter where OpenAI's belongs: its models are meant, by that way.
                Vendor::OpenAi if vendor::has_openrouters(&cx.env) => Vendor::OpenRouter,
                Vendor::Gemini if !set.contains(&vendor) && set.contains(&Vendor::Vertex) => {
                    Vendor::Vertex
                }
                vendor => vendor,
            };
            return Ok(Some((vendor, Chosen { why, at })));
        }
        let names = Vendor::ALL.map(Vendor::name);
        let words = names.iter().chain(&["google", "local"]).copied();
        let message = format!("{PREFERRED_PROVIDER} names no provider that variables can set up");
        let help = match nearest(&word, words) {
            Some(meant) => format!("did you mean `{meant}`? Possible are {}", quoted(&names)),
            None => format!("possible are {}", quoted(&names)),
        };
        cx.error(&at, message, "unknown", help);
        return Err(Reported);
    }
    let at = cx.env.get(OPENAI_BASE_URL).map_or(At::BuiltIn, |(_, at)| at.clone());
    // Who names a server of their own does not want its requests elsewhere because another key is set too.
    let why = format!("{OPENAI_BASE_URL} names a server of your own");
    Ok(foreign.then_some((Vendor::OpenAi, Chosen { why, at })))
}

fn provider(env: &Env, vendor: Vendor, setting: &Setting, mapping: &Mapping) -> Node {
    let mut keys = Vec::new();
    let from = |key: &str, variables: &[&str]| {
        let (value, at) = variables.iter().find_map(|variable| env.get(variable))?;
        Some(entry(key, Node::untyped(value.trim(), at.clone())))
    };
    let word = |key: &str, value: &str| entry(key, Node::untyped(value, At::BuiltIn));
    match vendor {
        // Without a key it is the caller's own login, whatever else is set.
        Vendor::Anthropic if setting.login => keys.push(word("auth_type", "client")),
        Vendor::OpenAi => {
            keys.extend(from("api_base", &[OPENAI_BASE_URL]));
            if env.get(OPENAI_API_KEY).is_none() {
                keys.push(word("auth_type", "none"));
            }
        }
        Vendor::Azure => {
            let mut extra = Vec::new();
            let deployment = ["AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"];
            extra.extend(from("deployment", &deployment));
            let version = ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"];
            extra.extend(from("api_version", &version));
            if !extra.is_empty() {
                keys.push(entry("extra", Node::map(extra, At::BuiltIn)));
            }
        }
        Vendor::Custom => {
            keys.push(word("kind", "openai"));
            keys.extend(from("api_base", &[CUSTOM_BASE_URL]));
            if env.get(CUSTOM_API_KEY).is_some() {
                keys.push(word("api_key_env_var", CUSTOM_API_KEY));
            }
        }
        Vendor::Ollama => {
            let found = [OLLAMA_BASE_URL, OLLAMA_HOST].iter().find_map(|name| env.get(name));
            if let Some((host, at)) = found {
                keys.push(entry("api_base", Node::untyped(ollama_url(host), at.clone())));
            }
        }
        Vendor::Anthropic
        | Vendor::OpenRouter
        | Vendor::Gemini
        | Vendor::Bedrock
        | Vendor::Vertex => {}
    }
    if vendor.is_private(setting.foreign) && vendor != Vendor::Ollama {
        keys.push(word("private", "true")); // Ollama is by its kind
    }
    keys.extend(mapping.keys_of(vendor));
    Node::map(keys, At::BuiltIn)
}

/// What Ollama's own tools take for a host: also without scheme and port, and the address that a server listens on.
fn ollama_url(text: &str) -> String {
    let text = text.trim();
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        let (host, path) = text.split_once('/').map_or((text, None), |(h, p)| (h, Some(p)));
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let host = if host.starts_with(':') { format!("127.0.0.1{host}") } else { host.to_owned() };
        let port = if has_port { "" } else { ":11434" };
        let path = path.map(|path| format!("/{path}")).unwrap_or_default();
        format!("http://{host}{port}{path}")
    };
    url.replacen("//0.0.0.0", "//127.0.0.1", 1).replacen("//[::]", "//[::1]", 1)
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
                "to use a key instead set {ANTHROPIC_API_KEY} or {ANTHROPIC_AUTH_TOKEN}; for other vendors {OPENAI_API_KEY}, \
                 OPENROUTER_API_KEY, GEMINI_API_KEY, AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT, AWS credentials and \
                 AWS_REGION, {USE_VERTEX_AUTH} and VERTEX_PROJECT, {CUSTOM_BASE_URL} for a compatible server, \
                 {OLLAMA_BASE_URL}; to try it offline: --demo"
            ));
            notes.extend(
                setting
                    .set
                    .iter()
                    .map(|v| format!("provider `{}` too, because {}", v.name(), v.source(env))),
            );
            if setting.set.contains(&Vendor::Ollama) {
                notes.push(
                    "models of `ollama` are asked for as claude-via-ollama--NAME; BIG_MODEL and SMALL_MODEL put them in place of Claude's"
                        .to_owned(),
                );
            }
        }
        ([_], why) => {
            let why = why.map_or_else(|| default.source(env), ToOwned::to_owned);
            notes.push(format!("provider `{name}`, because {why} and no provider is configured"));
        }
        (several, why) => {
            let names: Vec<&str> = several.iter().map(|v| v.name()).collect();
            let sources: Vec<String> = several.iter().map(|v| v.source(env)).collect();
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
            .map(|v| format!("{}, but `{}` is not used", v.source(env), v.name()))
            .collect();
        let left = if left.is_empty() { String::new() } else { format!(" ({})", left.join("; ")) };
        notes.push(format!("`{name}` is private: nothing goes anywhere else{left}"));
    }
    let deployment = ["AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"];
    let has_deployment = deployment.iter().any(|name| env.get(name).is_some())
        || env.get(azure::ENDPOINT).is_some_and(|(url, _)| url.contains("/deployments/"));
    notes.extend(mapping.notes(setting, has_deployment));
    notes.extend(unusable(env, setting));
    notes
}

/// Variables that do nothing alone.
fn unusable(env: &Env, setting: &Setting) -> Vec<String> {
    let mut out: Vec<String> = setting
        .unfinished
        .iter()
        .map(|(v, missing)| format!("{}, but `{}` is not used: {missing}", v.source(env), v.name()))
        .collect();
    if env.get(CUSTOM_API_KEY).is_some() && env.get(CUSTOM_BASE_URL).is_none() {
        out.push(format!("{CUSTOM_API_KEY} set, but not used: {CUSTOM_BASE_URL} is not set"));
    }
    out
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
/// Variables that choose providers or models.
const CHOOSING: &[&str] = &[
    PREFERRED_PROVIDER,
    OPENAI_BASE_URL,
    CUSTOM_BASE_URL,
    USE_VERTEX_AUTH,
    OLLAMA_BASE_URL,
    "BIG_MODEL",
    "BIG_MODEL_NAME",
    "SMALL_MODEL",
    "SMALL_MODEL_NAME",
];
