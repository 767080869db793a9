//! How a provider is authenticated: `auth_type`, `api_key`, `api_key_env_var`, and the variables that the vendors'
//! own tools use.

use secrecy::SecretString;

use crate::aws;
use crate::azure;
use crate::base::{self, Base};
use crate::extra::Extras;
use crate::google;
use crate::keys::quoted;
use crate::model::{Auth, Kind, PoolKey};
use crate::pool;
use crate::read::{Cx, Section};
use crate::source::At;
use crate::sources::{
    ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, GEMINI_API_KEY, GOOGLE_API_KEY, OLLAMA_API_KEY,
    OPENAI_API_KEY, OPENROUTER_API_KEY,
};
use crate::tree::Value;
use crate::vendor::is_openrouters;

/// What was found, with the place that later checks point at.
pub(crate) struct Credential {
    pub(crate) auth: Auth,
    /// The variable it comes from, or would come from.
    pub(crate) variable: Option<String>,
    pub(crate) at: At,
    /// All keys, where there are several.
    pub(crate) pool: Vec<PoolKey>,
}

pub(crate) fn read(
    cx: &mut Cx,
    section: &Section<'_>,
    name: &str,
    kind: Option<Kind>,
    base: Option<&Base>,
    extras: &Extras,
) -> Credential {
    let stated = cx.word(section, "auth_type", AUTH_TYPES);
    let at = ["auth_type", "api_key", "api_key_env_var", "api_keys"]
        .into_iter()
        .find(|k| section.get(k).is_some())
        .map_or_else(|| section.at.clone(), |k| section.place_of(k));
    let without = |auth| Credential { auth, variable: None, at: at.clone(), pool: Vec::new() };
    if let (Some(kind), Some(stated)) = (kind, stated)
        && !taken_by(kind).contains(&stated)
    {
        refuse(cx, section, kind, stated);
        return without(Auth::None);
    }

    let asks = KEYS.iter().any(|key| section.get(key).is_some());
    let host = base.map_or("", |base| base.host.as_str());
    let unused = match (kind, stated) {
        (Some(Kind::Demo), _) => Some((Auth::None, "the demo needs no credential")),
        (_, Some("none")) => Some((Auth::None, "`auth_type: none` sends no credential")),
        (_, Some("client")) => {
            Some((Auth::Client, "`auth_type: client` passes the caller's own credential on"))
        }
        _ => None,
    };
    if let Some((auth, why)) = unused {
        note_unused(cx, section, why);
        cx.effective(section, "auth_type", auth_word(&auth));
        return without(auth);
    }
    let own = is_own(section, kind, name, host);
    if let Some((auth, variable)) = signed(cx, section, kind, stated, asks, own, extras) {
        let why = format!("`auth_type: {}` has credentials of its own", auth_word(&auth));
        note_unused(cx, section, &why);
        cx.effective(section, "auth_type", auth_word(&auth));
        return Credential { auth, variable, at, pool: Vec::new() };
    }
    note_unused_extra(cx, extras);

    let openai = matches!(kind, Some(Kind::OpenAi | Kind::OpenAiResponses));
    let at_openai = openai && base::is_openai(host);
    if at_openai && stated == Some("api_key") {
        let message = format!("`{}`: OpenAI takes a bearer token only", section.full("auth_type"));
        let help = "write `auth_type: bearer_token`, or remove it: that is its default here";
        cx.error(&section.place_of("auth_type"), message, "not at OpenAI", help);
    }
    if section.get("api_keys").is_some() {
        let bearer = bearer_is_meant(stated, kind);
        return read_pool(cx, section, bearer).map_or_else(
            || without(Auth::None),
            |(auth, pool)| {
                let variable = pool.first().map(|key| key.variable.clone());
                Credential { auth, variable, at: at.clone(), pool }
            },
        );
    }
    let literal = cx.text(section, "api_key");
    let variable = read_variable(cx, section);
    let reported = |key: &str, read: &Option<String>| read.is_none() && section.get(key).is_some();
    if reported("api_key", &literal)
        || reported("api_key_env_var", &variable)
        || (stated.is_none() && section.get("auth_type").is_some())
    {
        return without(Auth::None);
    }
    if literal.is_some() && variable.is_some() {
        let message = format!("`{}` has both `api_key` and `api_key_env_var`", section.path);
        let place = section.place_of("api_key_env_var");
        cx.error(&place, message, "the second of the two", "keep one of the two");
    }
    if let Some(key) = literal {
        let place = section.place_of("api_key");
        let variable = note_literal(cx, section, &place);
        let source = section.full("api_key");
        let bearer = bearer_is_meant(stated, kind);
        let auth = secret(cx, section, &key, bearer, &place, &source);
        return Credential { auth, variable, at, pool: Vec::new() };
    }

    let wanted = match variable {
        Some(variable) => vec![(variable, bearer_is_meant(stated, kind))],
        None => vendors_own(cx, kind, own, host, stated),
    };
    let found = wanted.iter().find_map(|(variable, bearer)| {
        let (value, place) = cx.env.get(variable)?;
        Some((value.to_owned(), *bearer, variable.clone(), place.clone()))
    });
    if let Some((value, bearer, variable, place)) = found {
        let auth = secret(cx, section, &value, bearer, &place, &variable);
        if at_openai && is_openrouters(&value) {
            let message =
                format!("{variable} holds a key of OpenRouter (sk-or-…), which OpenAI refuses");
            let help = "use the provider `openrouter` (kind `openrouter`) for it";
            cx.warn(&place, message, help);
        }
        return Credential { auth, variable: Some(variable), at, pool: Vec::new() };
    }
    let Some((variable, bearer)) = wanted.into_iter().next() else {
        // Servers that people run themselves mostly want no key: none is needed to be told so.
        let keyless = openai || kind == Some(Kind::Ollama);
        if keyless && stated.is_none() {
            cx.effective(section, "auth_type", auth_word(&Auth::None));
            return without(Auth::None);
        }
        cx.effective(section, "auth_type", stated.unwrap_or("api_key"));
        if kind.is_some() && base.is_some() {
            let message = format!("`{}` does not say how to authenticate", section.path);
            let help = match kind {
                Some(Kind::Vertex) => {
                    "this host is none of Google's: write `auth_type: google` to send it an access token, which opens all of your cloud, or `api_key_env_var: NAME_OF_A_VARIABLE`, or `auth_type: none`"
                }
                _ => {
                    "add `api_key_env_var: NAME_OF_A_VARIABLE`, or `auth_type: none` where none is needed"
                }
            };
            cx.error(&section.at, message, "no credential", help);
        }
        return without(Auth::None);
    };
    let implied = if bearer { "bearer_token" } else { "api_key" };
    cx.effective(section, "auth_type", stated.unwrap_or(implied));
    let auth = Auth::Missing { variable: variable.clone() };
    Credential { auth, variable: Some(variable), at, pool: Vec::new() }
}

/// Several keys; `None` where a fault was found.
fn read_pool(cx: &mut Cx, section: &Section<'_>, bearer: bool) -> Option<(Auth, Vec<PoolKey>)> {
    if let Some(other) = ["api_key", "api_key_env_var"].iter().find(|k| section.get(k).is_some()) {
        let message = format!("`{}` has both `{other}` and `api_keys`", section.path);
        let help = "keep one of the two; `api_keys` may hold one key as well";
        cx.error(&section.place_of("api_keys"), message, "the second of the two", help);
        return None;
    }
    let pool = pool::read(cx, section, bearer);
    let first = pool.first()?.auth.clone();
    let word = if bearer { "bearer_token" } else { "api_key" };
    cx.effective(section, "auth_type", word);
    Some((first, pool))
}

/// Credentials that are no key in a header: they sign, or fetch tokens. `None` where a key is meant.
fn signed(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Option<Kind>,
    stated: Option<&str>,
    asks: bool,
    own: bool,
    extras: &Extras,
) -> Option<(Auth, Option<String>)> {
    let is_set = |cx: &Cx, name: &str| cx.env.get(name).is_some();
    let unsaid = stated.is_none() && !asks && section.get("auth_type").is_none();
    match kind? {
        // A signature gives nothing away, so it is also the way to another host than AWS'.
        Kind::Bedrock if stated == Some("aws") || (unsaid && !(own && is_set(cx, aws::BEARER))) => {
            let (credentials, variable) = aws::credentials(cx, section, extras);
            Some((Auth::Aws(credentials), variable))
        }
        // A token opens all of the cloud: no other host gets one by default. Who names a file of Google's
        // for a provider has said it.
        Kind::Vertex if stated == Some("google") || (unsaid && (own || names_file(section))) => {
            let (credentials, variable) = google::credentials(cx, extras);
            Some((Auth::Google(credentials), variable))
        }
        Kind::Azure => {
            let keys = [azure::API_KEY, azure::AD_TOKEN].iter().any(|name| is_set(cx, name));
            let guessed = unsaid && own && !keys && azure::has_entra(cx);
            if stated != Some("azure_ad") && !guessed {
                return None;
            }
            let (credentials, variable) = azure::entra(cx);
            Some((Auth::AzureAd(credentials), variable))
        }
        _ => None,
    }
}

/// Whether `extra` names a file of credentials, be it there or not.
fn names_file(section: &Section<'_>) -> bool {
    let file = section.get("extra").and_then(|extra| extra.get("credentials_file"));
    file.is_some_and(|file| !matches!(file.value, Value::Null))
}

/// Whether a provider is the vendor itself, or is called after it. Only such a one may be given the vendor's own
/// variables: another host must never see that key by default.
fn is_own(section: &Section<'_>, kind: Option<Kind>, name: &str, host: &str) -> bool {
    let (names, at_vendor): (&[&str], bool) = match kind {
        Some(Kind::Anthropic) | None => (&["anthropic"], host == "api.anthropic.com"),
        Some(Kind::OpenAi | Kind::OpenAiResponses) => {
            (&["openai", "openai-responses"], base::is_openai(host))
        }
        Some(Kind::Azure) => (&["azure"], azure::is_own(host)),
        Some(Kind::OpenRouter) => (&["openrouter"], host == "openrouter.ai"),
        Some(Kind::Gemini) => (&["gemini", "google"], host == "generativelanguage.googleapis.com"),
        Some(Kind::Vertex) => (&["vertex"], host.ends_with(".googleapis.com")),
        // An endpoint of the environment is meant for AWS' tools.
        Some(Kind::Bedrock) => {
            (&["bedrock"], aws::is_own(host) || section.get("api_base").is_none())
        }
        Some(Kind::Ollama) => (&["ollama", "local"], host == "ollama.com"),
        Some(Kind::Demo) => (&[], false),
    };
    names.contains(&name) || at_vendor
}

/// The variables of the vendor itself, in order, and whether each holds a bearer token.
fn vendors_own(
    cx: &Cx,
    kind: Option<Kind>,
    own: bool,
    host: &str,
    stated: Option<&str>,
) -> Vec<(String, bool)> {
    let theirs = || cx.env.get(OPENAI_API_KEY).is_some_and(|(key, _)| is_openrouters(key));
    let all: &[(&str, bool)] = match kind {
        _ if !own => &[],
        Some(Kind::Anthropic) | None => return anthropics(stated),
        Some(Kind::OpenAi | Kind::OpenAiResponses) => {
            return vec![(OPENAI_API_KEY.to_owned(), stated != Some("api_key"))];
        }
        Some(Kind::Azure) => &[(azure::API_KEY, false), (azure::AD_TOKEN, true)],
        Some(Kind::OpenRouter) if cx.env.get(OPENROUTER_API_KEY).is_none() && theirs() => {
            &[(OPENAI_API_KEY, true)]
        }
        Some(Kind::OpenRouter) => &[(OPENROUTER_API_KEY, true)],
        Some(Kind::Gemini) => &[(GEMINI_API_KEY, false), (GOOGLE_API_KEY, false)],
        Some(Kind::Vertex) => &[(GOOGLE_API_KEY, false)],
        Some(Kind::Bedrock) => &[(aws::BEARER, true)],
        // On one's own machine none is needed.
        Some(Kind::Ollama) if host == "ollama.com" || stated.is_some() => &[(OLLAMA_API_KEY, true)],
        Some(Kind::Ollama | Kind::Demo) => &[],
    };
    let fits = |bearer: bool| match stated {
        Some("api_key") => !bearer,
        Some("bearer_token") => bearer,
        _ => true,
    };
    let fitting = all.iter().filter(|(_, bearer)| fits(*bearer));
    fitting.map(|(name, bearer)| ((*name).to_owned(), *bearer)).collect()
}

/// What `auth_type` may be for a kind, its default first.
fn taken_by(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Anthropic | Kind::Demo => &["api_key", "bearer_token", "none", "client"],
        Kind::OpenAi | Kind::OpenAiResponses => &["bearer_token", "api_key", "none", "client"],
        Kind::OpenRouter => &["bearer_token", "none", "client"],
        Kind::Azure => &["api_key", "bearer_token", "azure_ad", "none"],
        Kind::Gemini => &["api_key", "bearer_token", "none"],
        Kind::Vertex => &["google", "api_key", "bearer_token", "none"],
        Kind::Bedrock => &["aws", "bearer_token", "none"],
        Kind::Ollama => &["none", "bearer_token", "client"],
    }
}

fn refuse(cx: &mut Cx, section: &Section<'_>, kind: Kind, stated: &str) {
    let key = section.full("auth_type");
    let message = format!("`{key}`: kind `{}` takes no `{stated}`", kind.as_str());
    let help = format!("possible are {}", quoted(taken_by(kind)));
    cx.error(&section.place_of("auth_type"), message, "not for this kind", help);
}

fn note_unused(cx: &mut Cx, section: &Section<'_>, why: &str) {
    if section.get("api_keys").is_some() {
        let message = format!("`{}` can't be used: {why}", section.full("api_keys"));
        let help = "remove `api_keys`, or write `auth_type: api_key` or `bearer_token`";
        cx.error(&section.place_of("api_keys"), message, "no keys here", help);
    }
    for key in ["api_key", "api_key_env_var"].into_iter().filter(|k| section.get(k).is_some()) {
        let message = format!("`{}` is not used: {why}", section.full(key));
        let help = format!("remove `{key}` or change `auth_type`");
        cx.warn(&section.place_of(key), message, help);
    }
}

/// Keys of `extra` that name credentials, where another one is used.
fn note_unused_extra(cx: &mut Cx, extras: &Extras) {
    let profile = extras.profile.as_ref().map(|(_, at)| ("profile", at, "aws"));
    let file = extras.credentials_file.as_ref().map(|(_, at)| ("credentials_file", at, "google"));
    for (key, at, auth_type) in profile.into_iter().chain(file) {
        let message = format!("`extra.{key}` is not used: a key is given, which counts before");
        let help = format!("write `auth_type: {auth_type}` to use it, or remove it");
        cx.warn(at, message, help);
    }
}

/// Whether the credential is sent as a bearer token.
fn bearer_is_meant(stated: Option<&str>, kind: Option<Kind>) -> bool {
    let by_default =
        !matches!(kind, None | Some(Kind::Anthropic | Kind::Azure | Kind::Gemini | Kind::Vertex));
    stated.map_or(by_default, |stated| stated == "bearer_token")
}

/// Anthropic's own variables, in order, and whether each holds a bearer token.
fn anthropics(stated: Option<&str>) -> Vec<(String, bool)> {
    let (key, token) = (ANTHROPIC_API_KEY.to_owned(), ANTHROPIC_AUTH_TOKEN.to_owned());
    match stated {
        Some("bearer_token") => vec![(token, true), (key, true)],
        Some(_) => vec![(key, false)],
        None => vec![(key, false), (token, true)],
    }
}

fn read_variable(cx: &mut Cx, section: &Section<'_>) -> Option<String> {
    let name = cx.text(section, "api_key_env_var")?;
    if is_variable(&name) {
        return Some(name);
    }
    // The text may be the key itself: it is not repeated.
    let message = format!("`{}` is not the name of a variable", section.full("api_key_env_var"));
    let help =
        "write the name of an environment variable, e.g. ANTHROPIC_API_KEY, and put the key there";
    cx.error(&section.place_of("api_key_env_var"), message, "not a variable's name", help);
    None
}

/// Letters, digits and `_`, not beginning with a digit.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Warns of a key in the file itself; where it is a reference, gives the variable's name.
fn note_literal(cx: &mut Cx, section: &Section<'_>, place: &At) -> Option<String> {
    let At::File(range) = place else {
        return match place {
            At::Env { variable } | At::DotEnv { variable } => Some(variable.clone()),
            _ => None,
        };
    };
    let source = cx.file.as_ref()?.text.get(range.clone())?.trim_matches(['"', '\'']).to_owned();
    if let Some(reference) = source.strip_prefix("${").and_then(|s| s.strip_suffix('}')) {
        let name = reference.split(":-").next().unwrap_or_default();
        return is_variable(name).then(|| name.to_owned());
    }
    if !source.contains("${") {
        let message = format!("`{}` holds the key itself", section.full("api_key"));
        let help = "keep it out of the file: `api_key: ${NAME}`, or `api_key_env_var: NAME`";
        cx.warn(place, message, help);
    }
    None
}

fn secret(
    cx: &mut Cx,
    section: &Section<'_>,
    value: &str,
    bearer: bool,
    place: &At,
    source: &str,
) -> Auth {
    let value = value.trim();
    if !value.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!(
            "the key in `{source}` holds a blank, a line break or a character that is not ASCII"
        );
        cx.error(place, message, "not a key", "copy the key again, without anything around it");
    }
    let secret = SecretString::from(value.to_owned());
    let auth = if bearer { Auth::Bearer(secret) } else { Auth::ApiKey(secret) };
    cx.effective(section, "auth_type", auth_word(&auth));
    cx.effective_at(section.full("api_key"), "(hidden)", place);
    auth
}

fn auth_word(auth: &Auth) -> &'static str {
    match auth {
        Auth::ApiKey(_) | Auth::Missing { .. } => "api_key",
        Auth::Bearer(_) => "bearer_token",
        Auth::Aws(_) => "aws",
        Auth::Google(_) => "google",
        Auth::AzureAd(_) => "azure_ad",
        Auth::None => "none",
        Auth::Client => "client",
    }
}

const KEYS: [&str; 3] = ["api_key", "api_key_env_var", "api_keys"];
const AUTH_TYPES: &[&str] =
    &["api_key", "bearer_token", "none", "client", "aws", "google", "azure_ad"];
