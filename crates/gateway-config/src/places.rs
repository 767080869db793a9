//! Where a provider is: `api_base`, or what its kind and the vendor's own variables say.

use crate::aws;
use crate::azure;
use crate::base::{self, Base, Vendor};
use crate::extra::Extras;
use crate::google;
use crate::model::Kind;
use crate::read::{Cx, Section};
use crate::source::At;

/// A base URL and where it stands.
pub(crate) struct Place {
    pub(crate) base: Base,
    pub(crate) at: At,
}

/// Reads the base URL, and on the way what it depends on: a region, a location, a deployment.
pub(crate) fn read(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Option<Kind>,
    name: &str,
    extras: &mut Extras,
) -> Option<Place> {
    if kind == Some(Kind::Demo) {
        if section.get("api_base").is_some() {
            let at = section.place_of("api_base");
            let message =
                format!("`{}` is not used: the demo answers by itself", section.full("api_base"));
            cx.warn(&at, message, "remove it");
        }
        return None;
    }
    if kind == Some(Kind::Vertex) {
        extras.extra.location = google::location(cx, section, extras);
    }
    let given = cx.text(section, "api_base");
    if given.is_none() && (section.get("api_base").is_some() || kind.is_none()) {
        if kind == Some(Kind::Bedrock) {
            extras.extra.region = aws::region(cx, section, extras, None);
        }
        return None; // already reported, or it depends on a kind that could not be read
    }
    let given = given.map(|text| (text.trim().to_owned(), section.place_of("api_base")));
    let place = match kind {
        Some(Kind::Bedrock) => bedrock(cx, section, given, extras)?,
        Some(kind) => {
            let (text, at) = match given {
                Some(given) => given,
                None => default(cx, section, kind, name, extras)?,
            };
            checked(cx, section, kind, &text, at, extras)?
        }
        None => {
            let (text, at) = given?;
            checked(cx, section, Kind::Anthropic, &text, at, extras)?
        }
    };
    cx.effective_at(section.full("api_base"), place.base.url.as_str(), &place.at);
    if !place.base.is_https && !base::is_loopback(&place.base.host) {
        let message = format!(
            "`{}` is plain http to another machine: the credential and every prompt travel unencrypted",
            section.full("api_base")
        );
        cx.warn(&place.at, message, "use https:// unless the network between is trusted");
    }
    Some(place)
}

/// The base URL where nobody gives one.
fn default(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Kind,
    name: &str,
    extras: &Extras,
) -> Option<(String, At)> {
    let built_in = |url: &str| Some((url.to_owned(), At::BuiltIn));
    let help = match kind {
        Kind::Anthropic if name == "anthropic" => return built_in(base::ANTHROPIC.url),
        Kind::OpenAi | Kind::OpenAiResponses if ["openai", "openai-responses"].contains(&name) => {
            return built_in(base::OPENAI.url);
        }
        Kind::OpenRouter => return built_in(base::OPENROUTER.url),
        Kind::Gemini => return built_in(base::GEMINI.url),
        Kind::Ollama => return built_in(base::OLLAMA.url),
        Kind::Vertex => return built_in(&google::endpoint(extras.extra.location.as_deref()?)),
        Kind::Azure => match cx.env.get(azure::ENDPOINT) {
            Some((url, at)) => return Some((url.trim().to_owned(), at.clone())),
            None => {
                "add `api_base: https://RESOURCE.openai.azure.com`, or set AZURE_OPENAI_ENDPOINT to it"
            }
        },
        _ => "add `api_base: https://…`, the URL that the vendor calls the base URL",
    };
    let message = format!("`{}` has no `api_base`", section.path);
    cx.error(&section.at, message, "no api_base", help);
    None
}

/// Bedrock's host depends on the region, and a host of AWS says the region.
fn bedrock(
    cx: &mut Cx,
    section: &Section<'_>,
    given: Option<(String, At)>,
    extras: &mut Extras,
) -> Option<Place> {
    let given = given.map(|(text, at)| checked(cx, section, Kind::Bedrock, &text, at, extras));
    let base = given.as_ref().and_then(|place| place.as_ref()).map(|place| &place.base);
    extras.extra.region = aws::region(cx, section, extras, base);
    if let Some(place) = given {
        return place;
    }
    let (text, at) = aws::endpoint(cx, extras.extra.region.as_deref()?);
    checked(cx, section, Kind::Bedrock, &text, at, extras)
}

/// Reads a URL as its kind means it.
fn checked(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Kind,
    text: &str,
    at: At,
    extras: &mut Extras,
) -> Option<Place> {
    let vendor = vendor(kind);
    let mut text = text.to_owned();
    match kind {
        Kind::Azure => {
            let url = azure::take_apart(&text);
            azure::merge(&url, &mut extras.extra);
            text = url.base;
        }
        Kind::OpenRouter => text = openrouter(&text),
        Kind::Ollama | Kind::Vertex => text = without_tail(cx, section, kind, &text, &at),
        _ => {}
    }
    let read = base::read(&text, vendor).and_then(|base| match kind {
        Kind::Gemini if base.url.ends_with("/openai") => Err((
            "this is Gemini's interface that is compatible with OpenAI".to_owned(),
            "leave `/openai` away, or write `kind: openai`".to_owned(),
        )),
        Kind::Vertex if base.url.contains("/projects/") => Err((
            "the URL names a project".to_owned(),
            "write the host alone; project and location belong into `extra`".to_owned(),
        )),
        _ => Ok(base),
    });
    match read {
        Ok(base) => Some(Place { base, at }),
        Err((message, help)) => {
            let message = format!("`{}`: {message}", section.full("api_base"));
            cx.error(&at, message, "not a base URL", help);
            None
        }
    }
}

fn vendor(kind: Kind) -> &'static Vendor {
    match kind {
        Kind::OpenAi | Kind::OpenAiResponses => &base::OPENAI,
        Kind::OpenRouter => &base::OPENROUTER,
        Kind::Azure => &base::AZURE,
        Kind::Gemini => &base::GEMINI,
        Kind::Vertex => &base::VERTEX,
        Kind::Bedrock => &base::BEDROCK,
        Kind::Ollama => &base::OLLAMA,
        Kind::Anthropic | Kind::Demo => &base::ANTHROPIC,
    }
}

/// The host alone means its interface, which is below `/api`.
fn openrouter(text: &str) -> String {
    match text.trim_end_matches('/') {
        "https://openrouter.ai" => base::OPENROUTER.url.to_owned(),
        other => other.to_owned(),
    }
}

/// Takes the tail off that the gateway adds itself: for Ollama the interface, for Vertex the version.
fn without_tail(cx: &mut Cx, section: &Section<'_>, kind: Kind, text: &str, at: &At) -> String {
    let url = text.trim_end_matches('/');
    let Some((head, tail)) = url.rsplit_once('/') else { return text.to_owned() };
    let (taken, why) = match kind {
        Kind::Ollama => (
            ["v1", "api"].contains(&tail),
            "kind `ollama` uses Ollama's own interface, which alone can set the context window",
        ),
        _ => (base::is_version(tail), "the gateway knows which version each model wants"),
    };
    if !taken || head.ends_with('/') {
        return text.to_owned();
    }
    let message = format!("`{}`: `/{tail}` is not used: {why}", section.full("api_base"));
    let help = match kind {
        Kind::Ollama => {
            "leave it away; for the interface that is compatible with OpenAI write `kind: openai`"
        }
        _ => "leave it away",
    };
    cx.warn(at, message, help);
    head.to_owned()
}
