//! The configuration as the rest of the gateway sees it: checked, complete, immutable.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gateway_resilience::settings::{CallerLimits, Resilience, UpstreamLimits};
use gateway_router::{Mirror, RuleKind, Sticky, Strategy, Target, When};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::compat::{Api, Compat};

/// Everything that was configured.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Serves names that no rule matched and no provider lists; one of `providers`, enabled.
    pub default_provider: Option<String>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The listener.
    pub server: Server,
    /// In the order of the file, disabled ones too; names are unique.
    pub providers: Vec<Provider>,
    /// In the order of the file, disabled ones too.
    pub routes: Vec<Route>,
    /// Keys that admit a caller (`GATEWAY_API_KEY`).
    pub client_keys: Vec<SecretString>,
    /// What is done about failures.
    pub resilience: Resilience,
    /// Who may call, with keys known by their hashes.
    pub clients: Vec<Client>,
    /// For all callers together.
    pub limits: CallerLimits,
}

/// Somebody who may call.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Unique.
    pub name: String,
    /// SHA-256 of the key.
    pub key_hash: [u8; 32],
    /// Globs on the names of models that may be asked for; `None`: all.
    pub allow_models: Option<Vec<String>>,
    /// Whether the header `x-gateway-provider` counts.
    pub may_pick_provider: bool,
    /// How much may be asked for.
    pub limits: CallerLimits,
}

impl Client {
    /// A client without limits or lists, known by the SHA-256 of its key.
    pub fn new(name: impl Into<String>, key_hash: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            key_hash,
            allow_models: None,
            may_pick_provider: true,
            limits: CallerLimits::default(),
        }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The listener and its limits.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Server {
    /// An address or a host name, without brackets.
    pub host: String,
    /// 0 lets the system choose a free one.
    pub port: u16,
    /// Largest request body in bytes; `None`: no limit.
    pub max_request_size: Option<u64>,
    /// Requests served at once.
    pub max_concurrent_requests: usize,
    /// Bytes of request bodies held at once, all together.
    pub max_buffered_bytes: u64,
    /// `Host` values accepted besides loopback names and `host`, in lower case.
    pub allowed_hosts: Vec<String>,
    /// TLS on the listener.
    pub tls: Option<Tls>,
    /// How long streams in flight may finish after a signal.
    pub shutdown_grace: Duration,
    /// Keys that seal what travels with a conversation, newest first; empty: one is made.
    pub state_keys: Vec<SecretString>,
}

impl Server {
    /// Whether only this machine can reach the listener.
    pub fn is_loopback(&self) -> bool {
        crate::base::is_loopback(&self.host)
    }
}

/// Certificate files, absolute paths of files that existed when the configuration was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// Clients must present a certificate of this authority, PEM.
    pub client_ca: Option<PathBuf>,
}

/// What dialect a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// The Anthropic Messages API.
    #[serde(rename = "anthropic")]
    Anthropic,
    /// OpenAI and every server that is compatible with it; which interface, says [`Provider::api`].
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI's Responses and nothing else.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Azure OpenAI.
    #[serde(rename = "azure")]
    Azure,
    /// OpenRouter.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// Gemini on Google's AI Studio.
    #[serde(rename = "gemini")]
    Gemini,
    /// Gemini and Claude on Google's Vertex AI.
    #[serde(rename = "vertex")]
    Vertex,
    /// Amazon Bedrock.
    #[serde(rename = "bedrock")]
    Bedrock,
    /// Ollama, by its own interface.
    #[serde(rename = "ollama")]
    Ollama,
    /// Built in, answers by itself.
    #[serde(rename = "demo")]
    Demo,
}

impl Kind {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Azure => "azure",
            Self::OpenRouter => "openrouter",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
            Self::Ollama => "ollama",
            Self::Demo => "demo",
        }
    }
}

/// One upstream.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Provider {
    /// The configured name: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// For people; the name where nothing else is said.
    pub display_name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where it is, never with a slash at the end; `None` only for [`Kind::Demo`].
    ///
    /// * `anthropic`, `openai`, `openai-responses`, `openrouter`: with the version (`https://host/…/v1`), below which
    ///   the endpoints are.
    /// * `gemini`: likewise (`https://generativelanguage.googleapis.com/v1beta`).
    /// * `azure`: without what is Azure's own (`/openai/v1`, `/openai/deployments/…`): the host and, behind another
    ///   gateway, a path. Deployment and version are in [`Extra`].
    /// * `vertex`, `bedrock`: without version or project: the host and, behind another gateway, a path.
    /// * `ollama`: without `/api` or `/v1`.
    pub api_base: Option<String>,
    /// How the gateway authenticates there.
    pub auth: Auth,
    /// Whether `auth_type` was written: then what is known of the server does not change it.
    pub auth_stated: bool,
    /// The variable that the credential comes from or would come from.
    pub key_variable: Option<String>,
    /// Only enabled providers are asked.
    pub enabled: bool,
    /// Among providers that list a model the highest is asked.
    pub priority: i64,
    /// Sent in place of a name of another vendor's family.
    pub default_model: Option<String>,
    /// Added to every request. Values may be credentials.
    pub headers: Vec<(String, SecretString)>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Glob on the requested name → name sent; in order, the first match counts.
    pub model_map: Vec<(String, String)>,
    /// Models it is known to serve.
    pub models: Vec<ModelFacts>,
    /// Proxy for this upstream.
    pub proxy: Option<ProxyUrl>,
    /// Extra roots, PEM; an absolute path of a file that existed when the configuration was read.
    pub ca_file: Option<PathBuf>,
    /// Which of OpenAI's interfaces; [`Api::Responses`] for [`Kind::OpenAiResponses`], without meaning for
    /// kinds of other vendors.
    pub api: Api,
    /// What only some kinds have.
    pub extra: Extra,
    /// What it can not take.
    pub compat: Compat,
    /// Requests routed to it never go to another provider.
    pub private: bool,
    /// Its keys, where it has several (`api_keys`); the first is that of [`auth`](Self::auth). Empty otherwise.
    pub pool: Vec<PoolKey>,
    /// What it is given at most.
    pub limits: UpstreamLimits,
}

/// One of several keys of a provider.
#[derive(Debug, Clone)]
pub struct PoolKey {
    /// [`Auth::ApiKey`], [`Auth::Bearer`] or [`Auth::Missing`].
    pub auth: Auth,
    /// The variable it comes from.
    pub variable: String,
    /// Its share of the requests, beside the other keys' weights.
    pub weight: u32,
}

impl Provider {
    /// Whether it is at OpenAI's own host (also a regional one), not at a compatible server.
    pub fn is_openai_host(&self) -> bool {
        let host = self.api_base.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
        host.and_then(|uri| uri.host().map(crate::base::is_openai)).unwrap_or(false)
    }

    /// The added headers that look like credentials by their names: name and value.
    pub fn secret_headers(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        const SIGNS: [&str; 5] = ["auth", "key", "token", "secret", "cookie"];
        let is_secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            SIGNS.iter().any(|sign| name.contains(sign))
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        headers.filter(move |(name, _)| is_secret(name))
    }
}

/// How a request is authenticated upstream.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `x-api-key`.
    ApiKey(SecretString),
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// A signature, made with AWS credentials (kind bedrock).
    Aws(AwsCredentials),
    /// An access token of Google's (kind vertex).
    Google(GoogleCredentials),
    /// An access token of Microsoft Entra (kind azure).
    AzureAd(EntraCredentials),
    /// Nothing is sent.
    None,
    /// The caller's own credential is passed on.
    Client,
    /// A credential is wanted, but its variable is not set.
    Missing {
        /// The variable.
        variable: String,
    },
}

impl Auth {
    /// Whether the provider can be asked at all.
    pub fn is_ready(&self) -> bool {
        !matches!(self, Self::Missing { .. })
    }
}

/// Where AWS credentials come from. With neither: the usual chain (profile `default`, single sign-on,
/// web identity, container, instance).
#[derive(Debug, Clone, Default)]
pub struct AwsCredentials {
    /// Given as they are (`AWS_ACCESS_KEY_ID` and its like).
    pub keys: Option<AwsKeys>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
    /// The file of profiles, where `AWS_CONFIG_FILE` names one. Absolute if the working directory was; it need
    /// not exist.
    pub config_file: Option<PathBuf>,
    /// The same of `AWS_SHARED_CREDENTIALS_FILE`.
    pub credentials_file: Option<PathBuf>,
}

/// AWS keys as they are.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// Says whose they are.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: SecretString,
    /// Of a session that ends some time.
    pub session_token: Option<SecretString>,
}

/// Where Google's access tokens come from. Without a file: the application default credentials.
#[derive(Debug, Clone, Default)]
pub struct GoogleCredentials {
    /// A credentials file (`GOOGLE_APPLICATION_CREDENTIALS`), of whatever type.
    pub file: Option<PathBuf>,
}

/// Where Microsoft Entra's access tokens come from: a client secret, a federated token, or, with neither,
/// the machine's managed identity.
#[derive(Debug, Clone, Default)]
pub struct EntraCredentials {
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<SecretString>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`; `https://login.microsoftonline.com` where it is not set.
    pub authority_host: Option<String>,
}

/// What only some kinds have (`extra`).
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extra {
    /// Azure: the version of the classic interface; `None`: the v1 interface.
    pub api_version: Option<String>,
    /// Azure: the deployment that serves every model; `None`: one of the model's name.
    pub deployment: Option<String>,
    /// Bedrock: the AWS region. Always there for that kind.
    pub region: Option<String>,
    /// Bedrock: the models behind ids that do not say it (ARNs): a family, one of
    /// [`BEDROCK_FAMILIES`](crate::BEDROCK_FAMILIES), or the name of a Claude with its version, such as
    /// `claude-opus-4-7`.
    pub family: Option<String>,
    /// Bedrock: by which of its interfaces.
    pub bedrock_api: BedrockApi,
    /// Vertex: the project. Always there for that kind, unless it is asked with an API key.
    pub project: Option<String>,
    /// Vertex: the location, e.g. `global` or `europe-west1`. Always there for that kind.
    pub location: Option<String>,
    /// Ollama: the context window to load models with, in tokens; `None`: the model's own.
    pub num_ctx: Option<u64>,
    /// OpenRouter: its `provider` object, as it goes up with every request.
    pub provider: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Which of Bedrock's interfaces are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BedrockApi {
    /// `InvokeModel` for Claude, Converse for every other model.
    #[default]
    Auto,
    /// `InvokeModel` for every model: all are Claude.
    Invoke,
    /// Converse for every model.
    Converse,
    /// The Messages API, which Bedrock has below `/anthropic/v1`, for every model: all are Claude.
    Messages,
}

/// How long to wait for an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until a stream's first event.
    pub first_byte: Duration,
    /// Between a stream's events.
    pub idle: Duration,
    /// For a reply that is no stream, altogether.
    pub unary: Duration,
}

/// What is said of a model.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// The name a client asks for.
    pub name: String,
    /// Most output tokens.
    pub max_tokens: Option<u64>,
    /// Input and output tokens together.
    pub context_window: Option<u64>,
    /// Whether it can call tools.
    pub supports_tools: Option<bool>,
    /// Whether it can see images.
    pub supports_vision: Option<bool>,
    /// Any other `supports_x: true` and its like, without the prefix.
    pub supports: Vec<(String, bool)>,
    /// What its tokens cost.
    pub price: Option<Price>,
}

/// What a model's tokens cost, in micro-dollars per million tokens: `2_500_000` is $2.50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// Tokens of the prompt that a cache had.
    pub cache_read: Option<u64>,
    /// Tokens of the prompt that a cache was given.
    pub cache_write: Option<u64>,
}

/// One routing rule.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Glob on the requested name, or on the path; `*` where the rule looks at neither.
    pub pattern: String,
    /// What is matched.
    pub kind: RuleKind,
    /// What else must hold.
    pub when: When,
    /// One of the providers.
    pub provider: String,
    /// The name sent upstream.
    pub model: Option<String>,
    /// Highest first.
    pub priority: i64,
    /// For people.
    pub name: Option<String>,
    /// A disabled rule never matches.
    pub enabled: bool,
    /// Its share among rules of equal priority and pattern.
    pub weight: u32,
    /// Who is asked when `provider` fails for good; `None`: the later rules that match decide, `Some` of nothing:
    /// nobody.
    pub fallbacks: Option<Vec<Target>>,
    /// In which order `provider` and `fallbacks` are asked, or the rules of one group; `None`: the default of each.
    pub strategy: Option<Strategy>,
    /// What is changed in requests of this rule.
    pub set: Changes,
    /// What stays with one provider; `None`: the default of the strategy.
    pub sticky: Option<Sticky>,
    /// Who else gets a share of the requests.
    pub mirror: Option<Mirror>,
}

/// What a rule changes in requests, in the words of the Messages API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// `output_config.effort`.
    pub effort: Option<String>,
    /// `max_tokens`.
    pub max_tokens: Option<u64>,
    /// `temperature`.
    pub temperature: Option<f64>,
    /// Fields put in as they are, in the place of those of the same name.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
    /// A text at the end of the system prompt.
    pub system_append: Option<String>,
}

/// A proxy's URL. It may hold a password, so it shows itself without one.
#[derive(Clone)]
pub struct ProxyUrl(SecretString);

impl ProxyUrl {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    /// The URL as configured.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.expose();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match rest.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}://***@{host}"),
            None => f.write_str(url),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// Where an effective value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// From 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A variable of `.env`.
    DotEnv {
        /// Its name.
        variable: String,
    },
    /// A command line option.
    Option {
        /// Its name.
        option: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Environment { variable } => write!(f, "environment, {variable}"),
            Self::DotEnv { variable } => write!(f, ".env, {variable}"),
            Self::Option { option } => write!(f, "option {option}"),
        }
    }
}

/// One value as it counts, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effective {
    /// Dotted: `server.port`, `providers.anthropic.api_base`.
    pub key: String,
    /// The value; a secret is `"(hidden)"`.
    pub value: serde_json::Value,
    /// Where it comes from.
    pub origin: Origin,
}
