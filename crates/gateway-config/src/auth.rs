//! How a provider is authenticated: `auth_type`, `api_key`, `api_key_env_var`, and the variables that the vendors'
//! own tools use.

use secrecy::SecretString;

use crate::base::{self, Base};
use crate::model::{Auth, Kind};
use crate::read::{Cx, Section};
use crate::source::At;
use crate::sources::{ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, OPENAI_API_KEY};
use crate::zero::{OPENROUTER_BASE, is_openrouters};

/// What was found, with the place that later checks point at.
pub(crate) struct Credential {
    pub(crate) auth: Auth,
    /// The variable it comes from, or would come from.
    pub(crate) variable: Option<String>,
    pub(crate) at: At,
}

pub(crate) fn read(
    cx: &mut Cx,
    section: &Section<'_>,
    name: &str,
    kind: Option<Kind>,
    base: Option<&Base>,
) -> Credential {
    let stated = cx.word(section, "auth_type", AUTH_TYPES, LATER_AUTH_TYPES);
    let at = ["auth_type", "api_key", "api_key_env_var"]
        .into_iter()
        .find(|k| section.get(k).is_some())
        .map_or_else(|| section.at.clone(), |k| section.place_of(k));
    let without = |auth| Credential { auth, variable: None, at: at.clone() };

    let unused = match (kind, stated) {
        (Some(Kind::Demo), _) => Some((Auth::None, "the demo needs no credential")),
        (_, Some("none")) => Some((Auth::None, "`auth_type: none` sends no credential")),
        (_, Some("client")) => {
            Some((Auth::Client, "`auth_type: client` passes the caller's own credential on"))
        }
        _ => None,
    };
    if let Some((auth, why)) = unused {
        for key in ["api_key", "api_key_env_var"].into_iter().filter(|k| section.get(k).is_some()) {
            let message = format!("`{}` is not used: {why}", section.full(key));
            let help = format!("remove `{key}` or change `auth_type`");
            cx.warn(&section.place_of(key), message, help);
        }
        cx.effective(section, "auth_type", auth_word(&auth));
        return without(auth);
    }

    let openai = matches!(kind, Some(Kind::OpenAi | Kind::OpenAiResponses));
    let at_openai = openai && base.is_some_and(|b| base::is_openai(&b.host));
    if at_openai && stated == Some("api_key") {
        let message = format!("`{}`: OpenAI takes a bearer token only", section.full("auth_type"));
        let help = "write `auth_type: bearer_token`, or remove it: that is its default here";
        cx.error(&section.place_of("auth_type"), message, "not at OpenAI", help);
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
        let bearer = bearer_is_meant(stated, openai);
        let auth = secret(cx, section, &key, bearer, &place, &source);
        return Credential { auth, variable, at };
    }

    // Where the variables are not said: only the vendor itself, or the provider called after it, may be given
    // the vendor's own. Another host must never see that key by default.
    let wanted = match variable {
        Some(variable) => vec![(variable, bearer_is_meant(stated, openai))],
        None if openai && (["openai", "openai-responses"].contains(&name) || at_openai) => {
            vec![(OPENAI_API_KEY.to_owned(), stated != Some("api_key"))]
        }
        None if openai => Vec::new(),
        None => anthropics(
            stated,
            name == "anthropic" || base.is_some_and(|b| b.host == "api.anthropic.com"),
        ),
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
            let help = format!("set `{}: {OPENROUTER_BASE}`", section.full("api_base"));
            cx.warn(&place, message, help);
        }
        return Credential { auth, variable: Some(variable), at };
    }
    let Some((variable, bearer)) = wanted.into_iter().next() else {
        // Servers that people run themselves mostly want no key: none is needed to be told so.
        if openai && stated.is_none() {
            cx.effective(section, "auth_type", auth_word(&Auth::None));
            return without(Auth::None);
        }
        cx.effective(section, "auth_type", stated.unwrap_or("api_key"));
        if kind.is_some() && base.is_some() {
            let message = format!("`{}` does not say how to authenticate", section.path);
            let help = "add `api_key_env_var: NAME_OF_A_VARIABLE`, or `auth_type: none` where none is needed";
            cx.error(&section.at, message, "no credential", help);
        }
        return without(Auth::None);
    };
    let implied = if bearer { "bearer_token" } else { "api_key" };
    cx.effective(section, "auth_type", stated.unwrap_or(implied));
    Credential { auth: Auth::Missing { variable: variable.clone() }, variable: Some(variable), at }
}

/// Whether the credential is sent as a bearer token.
fn bearer_is_meant(stated: Option<&str>, openai: bool) -> bool {
    stated.map_or(openai, |stated| stated == "bearer_token")
}

/// Anthropic's own variables, in order, and whether each holds a bearer token.
fn anthropics(stated: Option<&str>, own: bool) -> Vec<(String, bool)> {
    let (key, token) = (ANTHROPIC_API_KEY.to_owned(), ANTHROPIC_AUTH_TOKEN.to_owned());
    match stated {
        _ if !own => Vec::new(),
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

const AUTH_TYPES: &[&str] = &["api_key", "bearer_token", "none", "client"];
const LATER_AUTH_TYPES: &[&str] = &["aws", "google", "azure_ad"];
