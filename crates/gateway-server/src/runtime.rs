//! What a running gateway works from: one snapshot of the configuration, compiled into narrow tables.
//! What outlives it is in `house` and `live`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_anthropic::edit::Policy;
use gateway_anthropic::headers::{Credential, X_API_KEY};
use gateway_anthropic::hosted::Host;
use gateway_anthropic::overrides::Overrides;
use gateway_bedrock::Bedrock;
use gateway_cloud::{CloudError, Credentials, Route};
use gateway_config::{Auth, BedrockApi, Config, Kind, LogLevel};
use gateway_models::{Catalogue, CatalogueError};
use gateway_resilience::settings::Resilience;
use gateway_router::{BuildError, PatternError, Router, Table};
use gateway_translate::{Egress, Keyring, Redactor};
use gateway_types::ApiError;
use gateway_upstream::{Dialer, Settings, SetupError};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{InvalidUri, Uri};
use secrecy::ExposeSecret;

use crate::access::{Access, BadList};
use crate::credentials;
use crate::egress;
use crate::house::{House, Reserved};
use crate::live::Live;
use crate::marks::{self, Marks};
use crate::pins::{Generation, Rule};
use crate::standing::Standing;
use crate::tls::TlsError;

/// The configuration can't be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Rules and providers do not fit together.
    #[error(transparent)]
    Routes(#[from] BuildError),
    /// The listener's certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A provider can't be set up.
    #[error("provider `{provider}`: {fault}")]
    Upstream {
        /// Its name.
        provider: String,
        /// What is wrong.
        fault: SetupError,
    },
    /// A URL is none.
    #[error("provider `{provider}`: `{url}` is not a URL: {fault}")]
    Url {
        /// Its name.
        provider: String,
        /// The text.
        url: String,
        /// What is wrong.
        fault: InvalidUri,
    },
    /// A header or a credential holds characters that no HTTP header may.
    #[error("provider `{provider}`: {what} holds characters that no HTTP header may hold")]
    Header {
        /// Its name.
        provider: String,
        /// Which one.
        what: String,
    },
    /// What proves who asks can't be had.
    #[error("provider `{provider}`: {fault}")]
    Credentials {
        /// Its name.
        provider: String,
        /// What is wrong, and what to do.
        fault: CloudError,
    },
    /// A word of `compat` makes no sense.
    #[error("provider `{provider}`: compat: {what}")]
    Compat {
        /// Its name.
        provider: String,
        /// What is wrong.
        what: String,
    },
    /// What is said of a provider's models makes no sense.
    #[error("provider `{provider}`: models: {fault}")]
    Models {
        /// Its name.
        provider: String,
        /// What is wrong.
        fault: CatalogueError,
    },
    /// A client's list of models makes no sense.
    #[error("client `{client}`: allow_models: {fault}")]
    Client {
        /// Its name.
        client: String,
        /// What is wrong.
        fault: PatternError,
    },
    /// Nothing to serve with.
    #[error(
        "no enabled provider has a credential: set {}, or try `--demo`",
        variables.join(" or ")
    )]
    NoCredential {
        /// The variables that would do.
        variables: Vec<String>,
    },
}

/// Names the gateways that a request has come through, so that one finds out when an `api_base`
/// leads back to itself. Anthropic's own hosts do not get it: they lead nowhere else.
pub(crate) const X_GATEWAY_HOP: HeaderName = HeaderName::from_static("x-gateway-hop");

/// One upstream, ready to be asked.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: Arc<str>,
    pub(crate) name_header: HeaderValue,
    pub(crate) enabled: bool,
    pub(crate) kind: Kind,
    /// `None` for the demo.
    pub(crate) dialer: Option<Arc<Dialer>>,
    /// `scheme://host[:port]`, as requests name it.
    pub(crate) origin: String,
    /// What stands before `/messages` in a path, e.g. `/v1`.
    pub(crate) base_path: String,
    pub(crate) auth: UpstreamAuth,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeouts: gateway_config::Timeouts,
    /// Whether requests may come back from there.
    pub(crate) may_loop: bool,
    /// How a person finds the credential, e.g. the variable's name.
    pub(crate) key_variable: Option<String>,
    /// What it speaks, where that is not the callers' own dialect.
    pub(crate) egress: Option<Box<dyn Egress>>,
    /// Who hosts its Claude models, where it has some besides those of its own dialect.
    pub(crate) host: Option<Host>,
    /// Reads the frames that Bedrock's Claude answers in.
    pub(crate) bedrock: Option<Bedrock>,
    /// Which of Bedrock's interfaces are used.
    pub(crate) bedrock_api: BedrockApi,
    /// The family of models whose names do not say it.
    pub(crate) family: Option<String>,
    /// Speaks the callers' dialect, but is not Anthropic: what it refuses is learnt. Anthropic's own
    /// refusals are for the client, which knows what to do about them.
    pub(crate) learns: bool,
    /// What an Anthropic-shaped one can't take.
    pub(crate) policy: Policy,
    /// Events and blocks that callers do not get.
    pub(crate) drop_events: Arc<[String]>,
    /// The shares of its keys.
    pub(crate) weights: Vec<u32>,
    /// What outlives this snapshot of it.
    pub(crate) live: Arc<Live>,
    /// What tells whether it is still the same after a reload.
    pub(crate) marks: Marks,
}

/// How the gateway authenticates upstream.
pub(crate) enum UpstreamAuth {
    /// With its own credentials, of which any will do.
    Own(HeaderName, Vec<HeaderValue>),
    /// With the caller's.
    Client,
    /// With what a cloud wants: a signature, or a token that is renewed.
    Cloud(Arc<Credentials>),
    /// Not at all.
    None,
    /// It would, but has nothing.
    Missing(String),
}

impl std::fmt::Debug for UpstreamAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own(name, _) => write!(f, "Own({name}: ***)"),
            Self::Client => f.write_str("Client"),
            Self::Cloud(credentials) => write!(f, "Cloud({credentials:?})"),
            Self::None => f.write_str("None"),
            Self::Missing(variable) => write!(f, "Missing({variable})"),
        }
    }
}

impl Provider {
    /// Whose credential an exchange with it uses.
    pub(crate) fn credential(&self) -> Credential {
        match self.auth {
            UpstreamAuth::Client => Credential::Caller,
            _ => Credential::Gateway,
        }
    }

    /// Who hosts this model, if it is a Claude on a cloud.
    pub(crate) fn host_of(&self, model: &str) -> Option<&Host> {
        let host = self.host.as_ref()?;
        let is_claude = match (host, self.bedrock_api) {
            (Host::Bedrock, BedrockApi::Invoke | BedrockApi::Messages)
            | (Host::BedrockMessages, _) => true,
            (Host::Bedrock, BedrockApi::Converse) => false,
            (Host::Bedrock, BedrockApi::Auto) => {
                gateway_bedrock::is_claude(model, self.family.as_deref())
            }
            (Host::Vertex { .. }, _) => model.to_ascii_lowercase().contains("claude"),
        };
        is_claude.then_some(host)
    }

    /// Whether what proves who asks is the gateway's own: then a limit or a rejection that is met with it
    /// matters to the next request.
    pub(crate) fn has_keys(&self) -> bool {
        !matches!(self.auth, UpstreamAuth::Client)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.enabled && !matches!(self.auth, UpstreamAuth::Missing(_))
    }
}

/// One snapshot: what is configured, for all workers. Nothing in it changes.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) config: Config,
    pub(crate) providers: Vec<Arc<Provider>>,
    pub(crate) table: Table,
    /// An embedder's, in the place of the table.
    own_router: Option<Arc<dyn Router>>,
    /// The least `min_input_tokens` of the configured rules; `None` where somebody else decides.
    pub(crate) least_tokens: Option<u64>,
    /// What rules set in requests, by rule.
    pub(crate) overrides: Vec<Overrides>,
    /// Whose turn it is, by rule.
    turns: Vec<AtomicUsize>,
    pub(crate) access: Access,
    pub(crate) redactor: Redactor,
    /// Seals and opens state that travels with callers.
    pub(crate) keys: Keyring,
    /// What is known of models.
    pub(crate) catalogue: Arc<Catalogue>,
    /// `anthropic-version` for callers that send none.
    pub(crate) anthropic_version: HeaderValue,
    pub(crate) passthrough: bool,
    /// What the process has once.
    /// Of its rules.
    pub(crate) generation: Generation,
    pub(crate) house: Arc<House>,
}

/// What a gateway is besides its configuration file.
#[derive(Debug, Clone)]
pub(crate) struct Extras {
    pub(crate) anthropic_version: HeaderValue,
    pub(crate) passthrough: bool,
    pub(crate) open: bool,
    /// Seals state where the configuration names no key.
    pub(crate) state_key: Option<Vec<u8>>,
    /// What is known of models.
    pub(crate) catalogue: Arc<Catalogue>,
    /// Decides in the place of the configured rules.
    pub(crate) router: Option<Arc<dyn Router>>,
}

impl Runtime {
    /// Compiles a configuration. Of `before`, what is the same serves on: what was learnt of an upstream,
    /// connections, tokens.
    ///
    /// # Errors
    /// What can't be run, and what to do about it.
    pub(crate) fn compile(
        config: Config,
        extras: &Extras,
        house: Arc<House>,
        before: Option<&Self>,
    ) -> Result<Self, CompileError> {
        let resilience = &config.resilience;
        let providers = config.providers.iter().map(|provider| {
            let before = before.and_then(|before| before.named(&provider.name));
            compile_provider(provider, resilience, &extras.catalogue, before).map(Arc::new)
        });
        let providers = providers.collect::<Result<Vec<_>, _>>()?;
        if !providers.iter().any(|provider| provider.is_ready()) {
            let missing = providers.iter().filter(|provider| provider.enabled);
            let variables = missing.filter_map(|p| p.key_variable.clone()).collect();
            return Err(CompileError::NoCredential { variables });
        }
        let table = config.routing()?;
        let secrets = secrets_of(&config);
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let configured = config.server.state_keys.iter().map(ExposeSecret::expose_secret);
        let state_keys: Vec<&[u8]> = match &extras.state_key {
            Some(key) if config.server.state_keys.is_empty() => vec![key],
            _ => configured.map(str::as_bytes).collect(),
        };
        Ok(Self {
            access: Access::new(&config, extras.open, &house.meters)
                .map_err(|BadList { client, fault }| CompileError::Client { client, fault })?,
            redactor,
            keys: Keyring::new(state_keys),
            catalogue: extras.catalogue.clone(),
            table,
            own_router: extras.router.clone(),
            least_tokens: config
                .routes
                .iter()
                .filter_map(|route| route.when.min_input_tokens)
                .min()
                .filter(|_| extras.router.is_none()),
            overrides: config.routes.iter().map(overrides).collect(),
            turns: config.routes.iter().map(|_| AtomicUsize::new(0)).collect(),
            providers,
            anthropic_version: extras.anthropic_version.clone(),
            passthrough: extras.passthrough,
            generation: house.pins.generation(),
            house,
            config,
        })
    }

    /// Who says where requests go.
    pub(crate) fn router(&self) -> &dyn Router {
        match &self.own_router {
            Some(own) => &**own,
            None => &self.table,
        }
    }

    /// A rule of this snapshot, by which sessions are pinned.
    pub(crate) fn rule(&self, number: usize) -> Rule {
        Rule { generation: self.generation, number }
    }

    /// The next turn of the group that begins with this rule.
    pub(crate) fn turn(&self, rule: usize) -> usize {
        self.turns.get(rule).map_or(0, |turn| turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The provider of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| &*provider.name == name).map(|provider| &**provider)
    }

    /// The limits of this snapshot count from now on: it is the one that serves.
    pub(crate) fn begin(&self) {
        self.access.enforce(&self.config, &self.house.meters);
    }

    /// Reserves room for a request body, all bodies held at once together; `None` if it is full.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<Reserved> {
        self.house.reserve(bytes, self.config.server.max_buffered_bytes)
    }

    /// An error and what is behind it, for the log.
    pub(crate) fn fault_text(&self, err: &ApiError) -> String {
        let mut text = err.to_string();
        let mut next = std::error::Error::source(err);
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        String::from_utf8_lossy(&self.redactor.mask(text.as_bytes())).into_owned()
    }

    pub(crate) fn note(&self, level: LogLevel, text: impl Into<String>) {
        let text = text.into();
        let masked = self.redactor.mask(text.as_bytes());
        self.house.log.note(level, String::from_utf8_lossy(&masked));
    }
}

/// What a rule sets.
fn overrides(route: &gateway_config::Route) -> Overrides {
    let set = &route.set;
    Overrides {
        effort: set.effort.clone(),
        max_tokens: set.max_tokens,
        temperature: set.temperature,
        extra_body: Overrides::fields(&set.extra_body),
        system_append: set.system_append.clone(),
    }
}

fn compile_provider(
    provider: &gateway_config::Provider,
    resilience: &Resilience,
    catalogue: &Catalogue,
    before: Option<&Provider>,
) -> Result<Provider, CompileError> {
    let name = provider.name.clone();
    let marks = Marks::of(provider);
    let same = |mark: fn(&Marks) -> u64| before.filter(|p| mark(&p.marks) == mark(&marks));
    let policy = egress::policy(provider)
        .map_err(|what| CompileError::Compat { provider: name.clone(), what })?;
    let header =
        |what: &str| CompileError::Header { provider: name.clone(), what: what.to_owned() };
    let url = |text: &str| {
        text.parse::<Uri>().map_err(|fault| CompileError::Url {
            provider: name.clone(),
            url: text.to_owned(),
            fault,
        })
    };

    let (mut origin_text, mut base_path) = (String::new(), String::new());
    let mut dialer = None;
    let mut may_loop = false;
    if let Some(base) = &provider.api_base {
        let origin = url(base)?;
        // The vendors' own hosts lead nowhere else.
        let vendors = [
            ".anthropic.com",
            ".openai.com",
            ".openai.azure.com",
            ".googleapis.com",
            ".amazonaws.com",
        ];
        let own = |host: &str| vendors.iter().any(|vendor| host.ends_with(vendor));
        may_loop = !origin.host().is_some_and(own);
        let scheme = origin.scheme_str().unwrap_or("https");
        let authority = origin.authority().map_or("", |authority| authority.as_str());
        origin_text = format!("{scheme}://{authority}");
        origin.path().trim_end_matches('/').clone_into(&mut base_path);
        let mut settings = Settings::new(origin);
        settings.connect_timeout = provider.timeouts.connect;
        settings.proxy = provider.proxy.as_ref().map(|proxy| url(proxy.expose())).transpose()?;
        settings.ca_file.clone_from(&provider.ca_file);
        let made = Dialer::new(settings)
            .map_err(|fault| CompileError::Upstream { provider: name.clone(), fault })?;
        let open = same(|marks| marks.way).and_then(|before| before.dialer.clone());
        dialer = Some(open.unwrap_or_else(|| Arc::new(made)));
    }

    let secret = |text: &str, what: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| header(what))?;
        value.set_sensitive(true);
        Ok::<_, CompileError>(value)
    };
    let pooled = provider.pool.iter().filter(|key| key.auth.is_ready());
    let pool: Vec<_> = pooled.clone().map(|key| &key.auth).collect();
    let auths = if pool.is_empty() { vec![&provider.auth] } else { pool };
    let mut own = Vec::new();
    for auth in &auths {
        match auth {
            Auth::ApiKey(key) if !egress::wants_bearer(provider) => {
                own.push(secret(key.expose_secret(), "the API key")?);
            }
            Auth::ApiKey(key) | Auth::Bearer(key) => {
                let bearer = format!("Bearer {}", key.expose_secret());
                own.push(secret(&bearer, "the key")?);
            }
            _ => {}
        }
    }
    let auth = match auths[0] {
        Auth::Bearer(_) => UpstreamAuth::Own(AUTHORIZATION, own),
        Auth::ApiKey(_) if egress::wants_bearer(provider) => UpstreamAuth::Own(AUTHORIZATION, own),
        Auth::ApiKey(_) => {
            let name = match provider.kind {
                Kind::Azure => HeaderName::from_static("api-key"),
                Kind::Gemini | Kind::Vertex => HeaderName::from_static("x-goog-api-key"),
                _ => X_API_KEY,
            };
            UpstreamAuth::Own(name, own)
        }
        Auth::Client => UpstreamAuth::Client,
        Auth::Aws(_) | Auth::Google(_) | Auth::AzureAd(_) => {
            let proxy = provider.proxy.as_ref().map(|proxy| url(proxy.expose())).transpose()?;
            let route = Route { proxy, ca_file: provider.ca_file.clone() };
            let before = same(|marks| marks.tokens).map(|before| &before.auth);
            if let Some(UpstreamAuth::Cloud(tokens)) = before {
                UpstreamAuth::Cloud(tokens.clone())
            } else {
                let made = credentials::of(provider, route)
                    .map_err(|fault| CompileError::Credentials { provider: name.clone(), fault })?;
                UpstreamAuth::Cloud(Arc::new(made))
            }
        }
        Auth::None => UpstreamAuth::None,
        Auth::Missing { variable } => UpstreamAuth::Missing(variable.clone()),
    };
    let mut headers = Vec::new();
    for (key, value) in &provider.headers {
        let what = format!("the header `{key}`");
        let key = HeaderName::try_from(key).map_err(|_| header(&what))?;
        headers.push((key, secret(value.expose_secret(), &what)?));
    }
    let weights: Vec<u32> = pooled.map(|key| key.weight).collect();
    let weights = if weights.is_empty() { vec![1] } else { weights };
    let live = match same(|marks| marks.upstream) {
        Some(before) => before.live.clone(),
        None => Arc::new(Live::new(&name, Standing::new(resilience, &weights), &provider.limits)),
    };
    Ok(Provider {
        name_header: HeaderValue::from_str(&name).map_err(|_| header("the name"))?,
        name: live.name.clone(),
        enabled: provider.enabled,
        kind: provider.kind,
        dialer,
        origin: origin_text,
        base_path,
        auth,
        headers,
        timeouts: provider.timeouts,
        may_loop,
        key_variable: provider.key_variable.clone(),
        egress: egress::of(provider, catalogue)
            .map_err(|fault| CompileError::Models { provider: name.clone(), fault })?,
        host: egress::host(provider),
        bedrock: egress::framed(provider, catalogue)
            .map_err(|fault| CompileError::Models { provider: name.clone(), fault })?,
        bedrock_api: provider.extra.bedrock_api,
        family: provider.extra.family.clone(),
        learns: egress::learns(provider),
        policy,
        drop_events: provider.compat.drop_events.clone().into(),
        weights,
        live,
        marks,
    })
}

/// Every secret that the gateway itself holds, to be masked wherever one is echoed.
fn secrets_of(config: &Config) -> Vec<String> {
    let mut secrets: Vec<String> =
        config.client_keys.iter().map(|key| key.expose_secret().to_owned()).collect();
    secrets.extend(config.server.state_keys.iter().map(|key| key.expose_secret().to_owned()));
    for provider in &config.providers {
        secrets.extend(marks::secrets(provider));
        // Extra headers are configured by name; only those that look like credentials are secret.
        for (_, value) in provider.secret_headers() {
            let value = value.expose_secret();
            secrets.push(value.strip_prefix("Bearer ").unwrap_or(value).to_owned());
        }
    }
    secrets
}
