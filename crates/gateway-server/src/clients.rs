//! Who calls, and what that caller may ask for.

use std::sync::Arc;

use gateway_resilience::settings::CallerLimits;
use gateway_router::{PatternError, Patterns, strip_long_context, without_date};
use gateway_types::{ApiError, ErrorKind};

use crate::meter::Meter;
use crate::record::LimitedBy;

/// How names begin that lead to a provider's model without a rule: `claude-via-PROVIDER--MODEL`.
const VIA: &str = "claude-via-";

/// Somebody who may call. Callers without a name (an open gateway, `GATEWAY_API_KEY`) are one client
/// without a name, limits or lists.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Option<Arc<str>>,
    models: Option<Models>,
    may_pick_provider: bool,
    /// How much it may ask for, as configured.
    pub(crate) limits: CallerLimits,
    /// How much it has asked for; outlives a reload.
    pub(crate) meter: Arc<Meter>,
}

/// The models that a client may ask for.
#[derive(Debug)]
struct Models {
    allowed: Patterns,
    /// Those of them that speak of `claude-via-…` themselves.
    via: Patterns,
}

impl Client {
    /// Callers without a name.
    pub(crate) fn nameless() -> Self {
        Self {
            name: None,
            models: None,
            may_pick_provider: true,
            limits: CallerLimits::default(),
            meter: Arc::default(),
        }
    }

    /// A client as configured, who has asked for what `meter` says.
    ///
    /// # Errors
    /// A pattern of its list of models is no glob.
    pub(crate) fn new(
        client: &gateway_config::Client,
        meter: Arc<Meter>,
    ) -> Result<Self, PatternError> {
        let patterns = |of: &mut dyn Iterator<Item = &String>| {
            Patterns::of_models(of.map(String::as_str)).map_err(|(_, fault)| fault)
        };
        let models = client.allow_models.as_ref().map(|globs| {
            let allowed = patterns(&mut globs.iter())?;
            let via = patterns(&mut globs.iter().filter(|glob| glob.starts_with(VIA)))?;
            Ok(Models { allowed, via })
        });
        Ok(Self {
            name: Some(client.name.as_str().into()),
            models: models.transpose()?,
            may_pick_provider: client.may_pick_provider,
            limits: client.limits,
            meter,
        })
    }

    /// Whether it may ask for a model by this name.
    pub(crate) fn may_ask(&self, model: &str) -> bool {
        let Some(models) = &self.models else { return true };
        let name = strip_long_context(model);
        let dateless = without_date(name);
        let matches = |patterns: &Patterns, name: &str| patterns.any(name);
        // `claude-*` means Anthropic's models, not whatever hides behind a name of the gateway's own.
        match name.strip_prefix(VIA).and_then(|rest| rest.split_once("--")) {
            Some((_, behind)) => matches(&models.via, name) || matches(&models.allowed, behind),
            None => {
                matches(&models.allowed, name)
                    || dateless.is_some_and(|name| matches(&models.allowed, name))
            }
        }
    }

    /// Refuses a model that is not on the client's list.
    pub(crate) fn check_model(&self, model: &str) -> Result<(), Denied> {
        if self.may_ask(model) {
            return Ok(());
        }
        let text = format!(
            "the client `{}` of this gateway may not use the model `{model}` (its allow_models); \
             choose another one, GET /v1/models lists those it may use",
            self.shown()
        );
        Err(Denied { by: LimitedBy::Models, text })
    }

    /// Refuses a provider picked by the caller, where it may not.
    pub(crate) fn check_pick(&self) -> Result<(), Denied> {
        if self.may_pick_provider {
            return Ok(());
        }
        let text = format!(
            "the client `{}` of this gateway may not pick a provider (its pick_provider); \
             send no `x-gateway-provider`",
            self.shown()
        );
        Err(Denied { by: LimitedBy::Pick, text })
    }

    /// Refuses what is passed on unread, where the models in it would matter.
    pub(crate) fn check_unread(&self) -> Result<(), Denied> {
        if self.models.is_none() {
            return Ok(());
        }
        let text = format!(
            "the client `{}` of this gateway may use some models only (its allow_models), \
             and requests to this path are not read",
            self.shown()
        );
        Err(Denied { by: LimitedBy::Models, text })
    }

    fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or("without a name")
    }
}

/// What a client may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) by: LimitedBy,
    text: String,
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::new(ErrorKind::Permission, denied.text).with_should_retry(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(globs: &[&str]) -> Client {
        let mut client = gateway_config::Client::new("alice", [0; 32]);
        client.allow_models = Some(globs.iter().map(|glob| (*glob).to_owned()).collect());
        Client::new(&client, Arc::default()).expect("globs")
    }

    #[test]
    fn a_list_of_models_is_kept_however_a_name_is_written() {
        let of_anthropic = &["claude-*"][..];
        let one = &["claude-haiku-4-5"][..];
        let both = &["claude-*", "claude-via-openai--*"][..];
        let any = &["*"][..];
        for (globs, name, may) in [
            (of_anthropic, "claude-opus-5-5", true),
            (of_anthropic, "claude-opus-5-5[1m]", true),
            (of_anthropic, "gpt-5", false),
            (of_anthropic, " claude-opus-5-5", true),
            (one, "claude-haiku-4-5", true),
            (one, "claude-haiku-4-5-20251001", true),
            (one, "claude-haiku-4-5[1m]", true),
            (one, "claude-haiku-4-50", false),
            (one, "Claude-Haiku-4-5", false),
            (of_anthropic, "claude-via-openai--gpt-5", false),
            (of_anthropic, "claude-via-openai--claude-opus-5-5", true),
            (both, "claude-via-openai--gpt-5", true),
            (both, "claude-via-gemini--gpt-5", false),
            (any, "claude-via-gemini--gpt-5", true),
            (&[][..], "claude-opus-5-5", false),
        ] {
            assert_eq!(allowed(globs).may_ask(name), may, "{globs:?} {name}");
        }
        assert!(Client::nameless().may_ask("anything"));
    }

    #[test]
    fn a_refusal_names_the_model_and_the_client_and_is_final() {
        let client = allowed(&["claude-*"]);
        let denied = client.check_model("gpt-5").expect_err("not on the list");
        assert_eq!(denied.by, LimitedBy::Models);
        let err = ApiError::from(denied);
        assert_eq!((err.kind(), err.should_retry()), (ErrorKind::Permission, Some(false)));
        assert!(err.message().contains("`gpt-5`") && err.message().contains("`alice`"));
        assert!(client.check_unread().is_err());
        assert!(client.check_pick().is_ok());
        assert!(Client::nameless().check_unread().is_ok());
    }
}
