//! What a server takes: the facts that the checks go by.

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Gemini with an API key, at `/{version}/models/…`.
    Studio,
    /// Vertex AI with access tokens, at `/{version}/projects/…/publishers/…`: Gemini and Claude.
    Vertex,
}

/// A server with one model or any. Make one by a preset and change what the test is about.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which service.
    pub platform: Platform,
    /// The models served; empty: any name is.
    pub models: Vec<String>,
    /// The API key of AI Studio that is asked for; none: no check.
    pub key: Option<String>,
    /// Whether Vertex asks for a token of the server's own token endpoint.
    pub verified: bool,
    /// The project whose models are served; none: any.
    pub project: Option<String>,
    /// Where they are served; none: anywhere.
    pub location: Option<String>,
    /// Whose signatures these are: those of another account are refused.
    pub account: String,
    /// The context window in tokens, as the server counts.
    pub window: u64,
    /// The most tokens of an answer; none: the model's own limit.
    pub max_output: Option<u64>,
    /// Whether the values that skip the check of signatures are taken.
    pub bypass: bool,
    /// Seconds that an access token lives.
    pub token_lifetime: u64,
}

impl Rules {
    /// Gemini at AI Studio. An API key is asked for once it is set.
    pub fn studio(model: &str) -> Self {
        Self::base(Platform::Studio, model)
    }

    /// Gemini or Claude at Vertex AI. A token of the server's own is asked for; see [`Rules::open`].
    pub fn vertex(model: &str) -> Self {
        Self { verified: true, ..Self::base(Platform::Vertex, model) }
    }

    /// Any model at this platform, credentials unchecked.
    pub fn any(platform: Platform) -> Self {
        Self { models: Vec::new(), ..Self::base(platform, "") }
    }

    /// With one more model.
    #[must_use]
    pub fn and_model(mut self, model: &str) -> Self {
        self.models.push(model.to_owned());
        self
    }

    /// With this API key asked for.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// With credentials unchecked.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.verified = false;
        self.key = None;
        self
    }

    /// With this context window in tokens.
    #[must_use]
    pub fn with_window(mut self, tokens: u64) -> Self {
        self.window = tokens;
        self
    }

    /// As another account, which cannot read this one's signatures.
    #[must_use]
    pub fn with_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// Serving this project only, at this location only.
    #[must_use]
    pub fn at(mut self, project: &str, location: &str) -> Self {
        self.project = Some(project.to_owned());
        self.location = Some(location.to_owned());
        self
    }

    /// Refusing the values that skip the check of signatures.
    #[must_use]
    pub fn without_bypass(mut self) -> Self {
        self.bypass = false;
        self
    }

    fn base(platform: Platform, model: &str) -> Self {
        Self {
            platform,
            models: vec![model.to_owned()],
            key: None,
            verified: false,
            project: None,
            location: None,
            account: "account-test".to_owned(),
            window: 1_048_576,
            max_output: None,
            bypass: true,
            token_lifetime: 3600,
        }
    }

    pub(crate) fn serves(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|served| served == model)
    }
}
