//! Tokens of Microsoft Entra: an application's secret, a federated identity (workload identity), or
//! the managed identity of the machine.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::cache::{Clock, Source};
use crate::env::Env;
use crate::error::{CloudError, CloudErrorKind, quoted};
use crate::http::{Answer, Ask, Http, NEARBY_LIMIT, Route, form_encoded};
use crate::token::{Bearer, Refusal, granted, is_their_trouble};

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";
const INSTANCE_METADATA: &str = "http://169.254.169.254";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who the gateway is for Microsoft Entra. What is left out comes from the environment variable
/// that Microsoft's own tools read. With a secret, or else with a file of a federated token, the
/// gateway is an application; with neither it is the machine's managed identity.
#[derive(Debug, Clone, Default)]
pub struct EntraSettings {
    /// The directory: an id or a domain (`AZURE_TENANT_ID`).
    pub tenant_id: Option<String>,
    /// The application, or the user-assigned managed identity (`AZURE_CLIENT_ID`).
    pub client_id: Option<String>,
    /// The application's secret (`AZURE_CLIENT_SECRET`).
    pub client_secret: Option<SecretString>,
    /// A file with a token of an identity provider that the application trusts; read anew for
    /// each exchange (`AZURE_FEDERATED_TOKEN_FILE`).
    pub federated_token_file: Option<PathBuf>,
    /// Where tokens are given out, for national clouds (`AZURE_AUTHORITY_HOST`); the public cloud
    /// if nothing says otherwise.
    pub authority_host: Option<String>,
    /// What tokens are for; `https://cognitiveservices.azure.com/.default` if `None`.
    pub scope: Option<String>,
    /// Where variables are read.
    pub env: Env,
    /// How Microsoft is reached for tokens.
    pub route: Route,
}

/// A source of Entra's tokens.
pub(crate) struct Entra {
    http: Http,
    clock: Clock,
    scope: String,
    way: Way,
}

enum Way {
    Application {
        token_url: String,
        client_id: String,
        proof: Proof,
    },
    /// Azure App Service, Functions, Container Apps.
    AppService {
        endpoint: String,
        header: HeaderValue,
        client_id: Option<String>,
    },
    /// A virtual machine.
    Instance {
        host: String,
        client_id: Option<String>,
    },
}

enum Proof {
    Secret(SecretString),
    Federated(PathBuf),
}

impl Entra {
    pub(crate) fn new(settings: EntraSettings, clock: Clock) -> Result<Self, CloudError> {
        let http = Http::new(settings.route.clone());
        let scope = settings.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
        Ok(Self { http, clock, scope, way: Way::of(settings)? })
    }

    async fn application(
        &self,
        url: &str,
        client_id: &str,
        proof: &Proof,
    ) -> Result<Bearer, CloudError> {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("scope", &self.scope),
        ];
        let assertion;
        match proof {
            Proof::Secret(secret) => fields.push(("client_secret", secret.expose_secret())),
            Proof::Federated(file) => {
                assertion = read_token(file)?;
                fields.push(("client_assertion_type", ASSERTION_TYPE));
                fields.push(("client_assertion", &assertion));
            }
        }
        let whom = "Microsoft Entra";
        let answer = self.http.send(whom, Ask::form(url, &fields)).await?;
        if answer.status.is_success() {
            return granted(whom, &answer, (self.clock)());
        }
        Err(refusal(&answer, client_id))
    }

    async fn managed_identity(&self, ask: Ask, none: &str) -> Result<Bearer, CloudError> {
        let whom = "the managed identity service";
        let answer = self.http.send(whom, ask.within(NEARBY_LIMIT)).await.map_err(|why| {
            if none.is_empty() { why } else { CloudError::missing(format!("{none} ({why})")) }
        })?;
        if answer.status.is_success() {
            return granted(whom, &answer, (self.clock)());
        }
        let line = Refusal::of(&answer.body).line(answer.status);
        let text = format!("{whom} gave no token: {line}");
        if is_their_trouble(answer.status) {
            return Err(CloudError::unreachable(text));
        }
        Err(CloudError::refused(format!(
            "{text}; assign an identity to this machine, or name one by its client_id"
        )))
    }

    /// The parameters that both managed identity services take, after the API's version.
    fn identity_query(&self, version: &str, client_id: Option<&String>) -> String {
        let resource = self.scope.trim_end_matches("/.default");
        let mut fields = vec![("api-version", version), ("resource", resource)];
        fields.extend(client_id.map(|id| ("client_id", id.as_str())));
        form_encoded(&fields)
    }
}

impl Source for Entra {
    type Value = Bearer;

    async fn fetch(&self) -> Result<(Bearer, Option<SystemTime>), CloudError> {
        let bearer = match &self.way {
            Way::Application { token_url, client_id, proof } => {
                self.application(token_url, client_id, proof).await?
            }
            Way::AppService { endpoint, header, client_id } => {
                let query = self.identity_query("2019-08-01", client_id.as_ref());
                let ask = Ask::get(format!("{endpoint}?{query}"))
                    .header(HeaderName::from_static("x-identity-header"), header.clone());
                self.managed_identity(ask, "").await?
            }
            Way::Instance { host, client_id } => {
                let query = self.identity_query("2018-02-01", client_id.as_ref());
                let ask = Ask::get(format!("{host}/metadata/identity/oauth2/token?{query}"))
                    .header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
                let none = "no Microsoft Entra credentials: there is no client_secret \
                            (AZURE_CLIENT_SECRET), no federated_token_file \
                            (AZURE_FEDERATED_TOKEN_FILE) and no managed identity";
                self.managed_identity(ask, none).await?
            }
        };
        let ends = bearer.ends;
        Ok((bearer, ends))
    }
}

impl Way {
    /// What the settings say comes before what the environment says.
    fn of(settings: EntraSettings) -> Result<Self, CloudError> {
        let env = &settings.env;
        let proof = settings
            .client_secret
            .map(Proof::Secret)
            .or_else(|| settings.federated_token_file.map(Proof::Federated))
            .or_else(|| env.get("AZURE_CLIENT_SECRET").map(|it| Proof::Secret(it.into())))
            .or_else(|| {
                env.get("AZURE_FEDERATED_TOKEN_FILE").map(|it| Proof::Federated(it.into()))
            });
        let client_id = settings.client_id.or_else(|| env.get("AZURE_CLIENT_ID"));
        let Some(proof) = proof else { return Self::managed(env, client_id) };
        let tenant = settings.tenant_id.or_else(|| env.get("AZURE_TENANT_ID"));
        let needed = |value: Option<String>, what: &str, variable: &str| {
            value.ok_or_else(|| {
                let how = match proof {
                    Proof::Secret(_) => "a client secret",
                    Proof::Federated(_) => "a federated token",
                };
                CloudError::setup(format!(
                    "Microsoft Entra: {how} needs a {what} beside it; set it or {variable}"
                ))
            })
        };
        let tenant = needed(tenant, "tenant_id", "AZURE_TENANT_ID")?;
        let client_id = needed(client_id, "client_id", "AZURE_CLIENT_ID")?;
        if !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
            return Err(CloudError::setup(format!(
                "Microsoft Entra: `{}` is no tenant_id, which is an id or a domain",
                quoted(&tenant)
            )));
        }
        let host = settings.authority_host.or_else(|| env.get("AZURE_AUTHORITY_HOST"));
        let host = web_origin("authority_host", host.as_deref().unwrap_or(PUBLIC_CLOUD))?;
        let token_url = format!("{host}/{tenant}/oauth2/v2.0/token");
        Ok(Self::Application { token_url, client_id, proof })
    }

    fn managed(env: &Env, client_id: Option<String>) -> Result<Self, CloudError> {
        let Some(endpoint) = env.get("IDENTITY_ENDPOINT") else {
            let host = env.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
            let host = host.as_deref().unwrap_or(INSTANCE_METADATA);
            let host = web_origin("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)?;
            return Ok(Self::Instance { host, client_id });
        };
        let endpoint = web_origin("IDENTITY_ENDPOINT", &endpoint)?;
        let Some(header) = env.get("IDENTITY_HEADER") else {
            return Err(CloudError::unsupported(
                "Microsoft Entra: IDENTITY_ENDPOINT without IDENTITY_HEADER is Azure Arc, whose \
                 managed identities are not supported; use a client secret or a federated token",
            ));
        };
        let mut header = HeaderValue::try_from(header)
            .map_err(|_| CloudError::setup("IDENTITY_HEADER is not a header's value"))?;
        header.set_sensitive(true);
        Ok(Self::AppService { endpoint, header, client_id })
    }
}

/// An http or https URL without the `/` at its end.
fn web_origin(what: &str, url: &str) -> Result<String, CloudError> {
    let uri: Option<http::Uri> = url.parse().ok();
    let web = uri.as_ref().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    });
    if web {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(CloudError::setup(format!(
        "Microsoft Entra: {what} `{}` is not an http or https URL",
        quoted(url)
    )))
}

fn read_token(file: &Path) -> Result<String, CloudError> {
    let fault = |why: &str| {
        CloudError::setup(format!("the federated token file {}: {why}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|err| fault(&err.to_string()))?;
    let token = text.trim();
    if token.is_empty() { Err(fault("it is empty")) } else { Ok(token.to_owned()) }
}

/// What Entra says, in short, with what to do about it.
fn refusal(answer: &Answer, client_id: &str) -> CloudError {
    let Refusal { code, words } = Refusal::of(&answer.body);
    // The rest are ids for Microsoft's support.
    let words = words.split(['\r', '\n']).next().unwrap_or_default();
    let words = words.split(" Trace ID:").next().unwrap_or_default();
    let number: String = words
        .strip_prefix("AADSTS")
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
        .unwrap_or_default();
    let todo = match number.as_str() {
        "7000215" => "; use the secret's value, not its id",
        "7000222" => "; make a new client secret",
        "700016" => "; check client_id and tenant_id",
        "90002" | "900023" => "; check tenant_id",
        "700211" | "700212" | "700213" | "70021" => {
            "; the application has no federated credential for this issuer and subject"
        }
        _ => "",
    };
    let said = Refusal { code, words: words.to_owned() }.line(answer.status);
    let text =
        format!("Microsoft Entra gave no token for the application {client_id}: {said}{todo}");
    let trouble = is_their_trouble(answer.status) || said.contains("temporarily_unavailable");
    let kind = if trouble { CloudErrorKind::Unreachable } else { CloudErrorKind::Refused };
    CloudError::new(kind, text)
}
