//! Requests that keep the shape of the Messages API but do not go to Anthropic: Claude on Vertex AI,
//! and Claude on Bedrock by `InvokeModel` or by its own Messages endpoint.
//!
//! [`wrap`] makes such a request of a caller's body. What the host says elsewhere (the model in the
//! path, the version in the body) is moved, what it or this Claude refuses is left out, said
//! otherwise and reported; every other byte stays as it came, since the prompt cache depends on it.
//!
//! ```
//! use gateway_anthropic::edit::Policy;
//! use gateway_anthropic::hosted::{Host, HostCx, wrap};
//!
//! let host = Host::Vertex { project: "p".into(), location: "global".into() };
//! let policy = Policy::default();
//! let body = br#"{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[]}"#;
//! let wrapped = wrap(&host, body, &HostCx::new("claude-sonnet-4-5@20250929", &policy))?;
//! assert!(wrapped.path.ends_with("/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"));
//! assert_eq!(wrapped.body, r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":9,"messages":[]}"#);
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod ask;
mod claude;
mod path;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_translate::Json;
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses};
use http::{HeaderMap, HeaderValue};

pub use claude::Claude;

use crate::edit::{self, Policy};
use crate::headers::{ANTHROPIC_VERSION, set_betas};
use crate::refused::Refused;

/// Who hosts Claude.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Vertex AI: `:rawPredict` and `:streamRawPredict`.
    Vertex {
        /// The project's id.
        project: Arc<str>,
        /// `global`, `us`, `europe-west1`: the region in the path.
        location: Arc<str>,
    },
    /// Bedrock's runtime: `InvokeModel` and `InvokeModelWithResponseStream`.
    Bedrock,
    /// Bedrock's own `/anthropic/v1/messages`, of its runtime (`bedrock-runtime.…`) for Claude 4.7 and
    /// later and of its service `bedrock-mantle.…` for all: the Messages API with Bedrock's gaps, which
    /// streams as Anthropic does. A signature names the service that the host belongs to, `bedrock` or
    /// `bedrock-mantle`.
    BedrockMessages,
}

/// What has to be known besides the body.
#[derive(Debug, Clone, Copy)]
pub struct HostCx<'a> {
    /// Which endpoint the caller asked.
    pub endpoint: Endpoint,
    /// The name the upstream gets: a model's id, an inference profile's or an ARN.
    pub model: &'a str,
    /// Which Claude that is, where its name does not say: `claude-opus-4-7`.
    pub hint: Option<&'a str>,
    /// Whether the caller asked for a stream.
    pub stream: bool,
    /// The caller's `anthropic-beta`, all its values joined by commas.
    pub betas: &'a str,
    /// The caller's `anthropic-version`; may be empty.
    pub version: &'a str,
    /// What the configuration says of this upstream.
    pub policy: &'a Policy,
    /// What this upstream was found to refuse.
    pub without: &'a [Refused],
}

impl<'a> HostCx<'a> {
    /// A message that does not stream, of a caller who said nothing more.
    pub fn new(model: &'a str, policy: &'a Policy) -> Self {
        Self {
            endpoint: Endpoint::Messages,
            model,
            hint: None,
            stream: false,
            betas: "",
            version: "",
            policy,
            without: &[],
        }
    }

    /// Which Claude it is. One whose name says nothing is taken for the newest until it refuses what
    /// that takes, and for an older one then.
    pub fn claude(&self) -> Claude {
        let named = self.named();
        if !named.is_known() && self.without.iter().any(is_sign_of_age) {
            return Claude::OLDER;
        }
        named
    }

    fn named(&self) -> Claude {
        let named = Claude::of(self.model);
        let hinted = || self.hint.map(Claude::of).filter(Claude::is_known);
        if named.is_known() { named } else { hinted().unwrap_or(named) }
    }

    /// What is left to be left out, once its age explains the rest.
    fn lessons(&self) -> Vec<Refused> {
        let known = self.named().is_known();
        let left = self.without.iter().filter(|refused| known || !is_sign_of_age(refused));
        left.cloned().collect()
    }
}

/// A request as a host gets it.
#[derive(Debug, Clone)]
pub struct Wrapped {
    /// Path below the host's base URL, escaped.
    pub path: String,
    /// The JSON body.
    pub body: Bytes,
    /// In place of all of the caller's `anthropic-…` headers: only these go up.
    pub headers: HeaderMap,
    /// What could not be carried over.
    pub losses: Losses,
}

/// The API version of new callers, which hosts take by the same name.
const NEW_VERSION: &str = "2026-10-21";

/// Whether the host counts tokens for this model. Where it does not, a request for
/// [`Endpoint::CountTokens`] can't be wrapped, and the count is to be estimated.
///
/// Bedrock takes bare ids of models only, and refuses those that it offers by inference profiles alone
/// with a 400: then too an estimate is what is left.
pub fn counts(host: &Host, model: &str) -> bool {
    match host {
        Host::Vertex { .. } | Host::BedrockMessages => true,
        Host::Bedrock => path::bare_id(model).is_some(),
    }
}

/// Makes a host's request of the body of a `/v1/messages` or `/v1/messages/count_tokens`.
///
/// # Errors
/// 400: the body is no JSON, or asks for what the host has no way to do (its only tool is one that
/// Anthropic runs itself; an image by address). 404: the model's name can't be one. 500: a count that
/// [`counts`] said no to.
pub fn wrap(host: &Host, body: &[u8], cx: &HostCx<'_>) -> Result<Wrapped, ApiError> {
    let path = path::of(host, cx)?;
    let claude = cx.claude();
    let rules = rules::of(host, claude, cx);
    let (asked, mut losses) = ask::ask(host, body, cx, &rules)?;
    let asked_betas = joined(cx.betas, &asked.betas);
    let policy = rules.policy.without(&cx.lessons());
    let edited = edit::edit_asked(&asked.body, &policy, &asked_betas, asked.effort)?;
    let (body, betas) = match edited {
        Some(edited) => {
            losses.extend(&edited.losses);
            let betas = edited.betas.unwrap_or_else(|| listed(&asked_betas));
            (edited.text, betas)
        }
        None => (asked.body, listed(&asked_betas)),
    };
    let mut headers = HeaderMap::new();
    let body = match host {
        Host::Vertex { .. } => {
            set_betas(&mut headers, &betas);
            led_by(&body, rules.version, &[])
        }
        Host::BedrockMessages => {
            headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static(rules.version));
            set_betas(&mut headers, &betas);
            body
        }
        Host::Bedrock => {
            let body = led_by(&body, rules.version, &betas);
            if cx.endpoint == Endpoint::CountTokens { as_count(&body) } else { body }
        }
    };
    Ok(Wrapped { path, body: body.into(), headers, losses })
}

/// Whether it is what the newest Claude takes and older ones refuse.
fn is_sign_of_age(refused: &Refused) -> bool {
    match refused {
        Refused::SomeBeta | Refused::SystemRole => true,
        Refused::Field(name) => {
            matches!(*name, "thinking" | "thinking.display" | "output_config.effort")
        }
        _ => false,
    }
}

/// The body with what the host wants to be said in it, put in front.
fn led_by(body: &str, version: &str, betas: &[String]) -> String {
    let mut head = Json::new();
    head.object(|json| {
        json.key("anthropic_version").string(version);
        if !betas.is_empty() {
            json.key("anthropic_beta").array(|json| {
                for beta in betas {
                    json.string(beta);
                }
            });
        }
    });
    let head = head.as_str().trim_end_matches('}');
    // Only objects come here.
    let rest = body.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{head}{comma}{rest}")
}

/// What Bedrock's `CountTokens` takes: a whole body for `InvokeModel`, in base64.
fn as_count(body: &str) -> String {
    format!(r#"{{"input":{{"invokeModel":{{"body":"{}"}}}}}}"#, STANDARD.encode(body))
}

fn joined(header: &str, body: &[String]) -> String {
    let mut all = header.to_owned();
    for beta in body {
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(beta);
    }
    all
}

fn listed(betas: &str) -> Vec<String> {
    let betas = betas.split(',').map(str::trim).filter(|beta| !beta.is_empty());
    betas.map(str::to_owned).collect()
}

fn refuse(kind: ErrorKind, what: String) -> ApiError {
    // The client would send the very same again, five times.
    ApiError::new(kind, what).with_should_retry(false)
}
