//! Where Azure serves OpenAI's dialects, which of their fields it knows, and what its errors ask for.

use gateway_models::{Catalogue, Facts, Family};
use gateway_translate::{FaultCx, path_segment};
use gateway_types::{ApiError, ErrorKind, Fault};
use http::StatusCode;

use crate::{MaxTokensField, Quirks, UserField};

/// An Azure resource's ways. Paths are below the bare origin (`https://res.openai.azure.com`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Azure {
    /// The version of the classic interface, e.g. `2024-10-21`; `None`, `v1`, `preview` and `latest`:
    /// the v1 interface, which has none.
    pub api_version: Option<String>,
    /// The deployment that serves every model; `None`: one of the model's name.
    pub deployment: Option<String>,
}

impl Azure {
    /// What such an upstream takes: what OpenAI does, the newest fields later, and on the classic
    /// interface what its version knows.
    ///
    /// ```
    /// use gateway_openai::{Azure, Quirks};
    ///
    /// let classic = Azure { api_version: Some("2024-06-01".into()), deployment: None };
    /// assert!(!classic.quirks().stream_options);
    /// assert!(Azure::default().quirks().stream_options);
    /// ```
    pub fn quirks(&self) -> Quirks {
        let mut quirks = Quirks {
            user_field: UserField::User,
            service_tier: false,
            cache_breakpoints: false,
            counts: false,
            ..Quirks::default()
        };
        if let Some(version) = self.classic() {
            // Unknown fields are refused: `Unrecognized request argument supplied`.
            let since = |date: &str| version >= date;
            quirks.prompt_cache_key = false;
            quirks.json_schema = since("2024-08-01");
            quirks.strict_schemas = since("2024-08-01");
            quirks.parallel_tool_calls = since("2024-08-01");
            quirks.stream_options = since("2024-09-01");
            quirks.responses = since(FIRST_RESPONSES);
            if !since("2024-09-01") {
                quirks.max_tokens_field = MaxTokensField::MaxTokens;
            }
        }
        quirks
    }

    /// The dated version of the classic interface.
    fn classic(&self) -> Option<&str> {
        let version = self.api_version.as_deref().map(str::trim).filter(|v| !v.is_empty())?;
        (!matches!(version, "v1" | "preview" | "latest")).then_some(version)
    }

    /// The deployment that a model is.
    pub(crate) fn deployment<'a>(&'a self, model: &'a str) -> &'a str {
        self.deployment.as_deref().unwrap_or(model)
    }

    /// What is known of the model behind a deployment. Its name may say nothing, and then nothing
    /// is guessed; nor is Azure's model the one of Anthropic's whose name the caller asked for.
    pub(crate) fn facts(&self, catalogue: &Catalogue, model: &str) -> Facts {
        let deployed = catalogue.facts(self.deployment(model));
        if self.deployment.is_none() || deployed.is_listed() || deployed.family != Family::Unknown {
            return deployed;
        }
        let asked = catalogue.facts(model);
        if asked.family == Family::Claude { deployed } else { asked }
    }

    /// Where `path` of OpenAI's interface (`/chat/completions`, `/responses`) is here.
    pub(crate) fn path(&self, path: &str, model: &str) -> String {
        let Some(version) = self.classic() else {
            // Tolerated, and what turns previews on.
            let preview = self.api_version.as_deref() == Some("preview");
            return format!(
                "/openai/v1{path}{}",
                if preview { "?api-version=preview" } else { "" }
            );
        };
        let version = path_segment(version);
        if path == "/chat/completions" {
            let deployment = path_segment(self.deployment(model));
            return format!("/openai/deployments/{deployment}{path}?api-version={version}");
        }
        format!("/openai{path}?api-version={version}")
    }

    /// Puts what is to be done into an error that only says what is wrong.
    pub(crate) fn explain(
        &self,
        cx: &FaultCx<'_>,
        status: StatusCode,
        body: &[u8],
        fault: &mut Fault,
    ) {
        let said = String::from_utf8_lossy(&body[..body.len().min(4096)]).to_ascii_lowercase();
        let deployment = self.deployment(cx.model);
        let quoted = fault.error.message();
        let provider = cx.provider;
        let (kind, text) = match status.as_u16() {
            404 if said.contains("deploymentnotfound") => {
                let place = match &self.deployment {
                    Some(_) => "the provider's `extra.deployment`".to_owned(),
                    None => format!("the model's name, `{}`", cx.model),
                };
                let text = format!(
                    "{provider} has no deployment `{deployment}`. Look at {place}, at the names \
                     under Deployments in the Azure portal, and at `api_base`, which must be the resource \
                     that has it; a new deployment takes some minutes ({quoted})"
                );
                (ErrorKind::NotFound, text)
            }
            404 if said.contains("resource not found") => {
                let version = match self.classic() {
                    Some(version) => format!(
                        "`extra.api_version` ({version}) may lack this interface: leave it out for v1"
                    ),
                    None => "an older resource may need an `extra.api_version`".to_owned(),
                };
                let text = format!(
                    "{provider} does not know the address: `api_base` must be the bare origin of the resource \
                     (https://NAME.openai.azure.com), and {version} ({quoted})"
                );
                (ErrorKind::NotFound, text)
            }
            401 | 403 if said.contains("lacks the required data action") => {
                let text = format!(
                    "{provider} does not let the gateway's identity in: give it the role `Cognitive Services \
                     OpenAI User` on the resource, and some minutes ({quoted})"
                );
                (ErrorKind::Authentication, text)
            }
            _ => return,
        };
        let error = ApiError::new(kind, text);
        fault.error = match fault.error.should_retry() {
            Some(retry) => error.with_should_retry(retry),
            None => error,
        };
    }
}

/// The first version with the Responses API.
const FIRST_RESPONSES: &str = "2025-03-01";

#[cfg(test)]
mod tests {
    use super::*;

    fn azure(version: Option<&str>, deployment: Option<&str>) -> Azure {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Azure { api_version: own(version), deployment: own(deployment) }
    }

    #[test]
    fn paths_are_of_the_interface_and_its_version() {
        let (chat, responses) = ("/chat/completions", "/responses");
        for (version, deployment, path, wanted) in [
            (None, None, chat, "/openai/v1/chat/completions"),
            (Some("v1"), Some("d"), responses, "/openai/v1/responses"),
            (Some("preview"), None, responses, "/openai/v1/responses?api-version=preview"),
            (
                Some("2024-10-21"),
                None,
                chat,
                "/openai/deployments/gpt-5.2/chat/completions?api-version=2024-10-21",
            ),
            (
                Some("2024-10-21"),
                Some("our d/ä"),
                chat,
                "/openai/deployments/our%20d%2F%C3%A4/chat/completions?api-version=2024-10-21",
            ),
            (
                Some("2025-04-01-preview"),
                Some("d"),
                responses,
                "/openai/responses?api-version=2025-04-01-preview",
            ),
        ] {
            assert_eq!(azure(version, deployment).path(path, "gpt-5.2"), wanted);
        }
    }

    #[test]
    fn the_base_model_is_known_by_a_name_that_says_it_and_never_guessed() {
        let own = Catalogue::builtin()
            .overlaid(r#"{"id": "prod", "like": "gpt-4.1"}"#)
            .expect("a catalogue");
        for (deployment, model, wanted) in [
            (None, "gpt-5.2", Family::Gpt5(2)),
            (None, "team", Family::Unknown),
            (None, "prod", Family::Gpt4),
            (Some("gpt-4o-mini"), "claude-sonnet-5", Family::Gpt4),
            (Some("prod"), "claude-sonnet-5", Family::Gpt4),
            (Some("team"), "claude-sonnet-5", Family::Unknown),
            (Some("team"), "gpt-5.2", Family::Gpt5(2)),
        ] {
            let facts = azure(None, deployment).facts(&own, model);
            assert_eq!(facts.family, wanted, "{deployment:?} {model}");
        }
    }
}
