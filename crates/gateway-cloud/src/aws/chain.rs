//! Keys from where AWS's own tools find them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use tokio::time::timeout;

use super::Files;
use super::transport::Transport;
use crate::cache::Source;
use crate::error::{CloudError, CloudErrorKind, quoted};
use crate::http::{Http, Route};

/// The longest walk through the chain, a `credential_process` that asks its user included.
const WALK_LIMIT: Duration = Duration::from_secs(60);

/// The chain. It is walked anew each time, so that a new login or an edited profile counts at once.
#[derive(Debug)]
pub(crate) struct Chain {
    profile: Option<String>,
    files: Files,
    region: Region,
    transport: Transport,
}

impl Chain {
    pub(super) fn new(profile: Option<String>, files: Files, region: &str, route: Route) -> Self {
        let transport = Transport::new(Arc::new(Http::new(route)));
        Self { profile, files, region: Region::new(region.to_owned()), transport }
    }

    async fn walk(&self) -> Result<Keys, CredentialsError> {
        let config = ProviderConfig::without_region()
            .with_region(Some(self.region.clone()))
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_http_client(self.transport.clone());
        let profiles = ProfileFileCredentialsProvider::builder()
            .configure(&config)
            .profile_files(self.files.read());
        // A profile that was asked for comes before the environment's keys, which the whole chain
        // would look at first.
        if let Some(profile) = &self.profile {
            return profiles.profile_name(profile).build().provide_credentials().await;
        }
        // What AWS's own chain looks at, in its order; that one can't be told where profiles are.
        let web_identity =
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
        let container = EcsCredentialsProvider::builder().configure(&config).build();
        let instance = ImdsCredentialsProvider::builder().configure(&config).build();
        let of_env = EnvironmentVariableCredentialsProvider::new();
        CredentialsProviderChain::first_try("Environment", of_env)
            .or_else("Profile", profiles.build())
            .or_else("WebIdentityToken", web_identity)
            .or_else("EcsContainer", container)
            .or_else("Ec2InstanceMetadata", instance)
            .provide_credentials()
            .await
    }
}

impl Files {
    /// The files as AWS's crate wants them. One that is named and not there holds nothing, as it does
    /// for AWS's tools.
    fn read(&self) -> EnvConfigFiles {
        let mut files = EnvConfigFiles::builder()
            .include_default_config_file(self.config.is_none())
            .include_default_credentials_file(self.credentials.is_none());
        let named = [
            (EnvConfigFileKind::Config, &self.config),
            (EnvConfigFileKind::Credentials, &self.credentials),
        ];
        for (kind, path) in named {
            files = match path {
                Some(path) if path.is_file() => files.with_file(kind, path),
                Some(_) => files.with_contents(kind, ""),
                None => files,
            };
        }
        files.build()
    }
}

impl Source for Chain {
    type Value = Keys;

    async fn fetch(&self) -> Result<(Keys, Option<SystemTime>), CloudError> {
        let walked = timeout(WALK_LIMIT, self.walk()).await.map_err(|_| {
            CloudError::unreachable(format!("AWS: no keys within {} s", WALK_LIMIT.as_secs()))
        })?;
        let keys = walked.map_err(|fault| explained(self.profile.as_deref(), &fault))?;
        let ends = keys.expiry();
        Ok((keys, ends))
    }
}

/// The chain's fault as one line that says what to do.
fn explained(profile: Option<&str>, fault: &CredentialsError) -> CloudError {
    let story = story(fault);
    let of_env = std::env::var("AWS_PROFILE").ok();
    let name = profile.or(of_env.as_deref()).unwrap_or("default");
    let is_sso = story.contains("SSO") || story.contains("sso");
    if is_sso && is_old_login(&story) {
        return CloudError::refused(format!(
            "AWS: the SSO session of profile `{name}` has expired or was never begun; run `aws sso \
             login --profile {name}`"
        ));
    }
    if story.contains("credentials-login") {
        return CloudError::unsupported(format!(
            "AWS: profile `{name}` uses `login_session`, which is not supported; use an SSO profile, \
             or print its keys with `aws configure export-credentials --profile {name} --format env`"
        ));
    }
    let kind = match fault {
        CredentialsError::CredentialsNotLoaded(_) => return missing(profile, name, fault),
        CredentialsError::InvalidConfiguration(_) => CloudErrorKind::Setup,
        CredentialsError::ProviderTimedOut(_) => CloudErrorKind::Unreachable,
        _ if story.contains("dispatch failure") || story.contains("timeout") => {
            CloudErrorKind::Unreachable
        }
        _ => CloudErrorKind::Refused,
    };
    CloudError::new(kind, format!("AWS: no keys (profile `{name}`): {}", quoted(&story)))
}

fn is_old_login(story: &str) -> bool {
    [
        "SSO token has expired",
        "failed to load the cached SSO token",
        "UnauthorizedException",
        "InvalidGrantException",
        "Session token not found or invalid",
        "expired",
    ]
    .iter()
    .any(|sign| story.contains(sign))
}

fn missing(profile: Option<&str>, name: &str, fault: &CredentialsError) -> CloudError {
    if profile.is_some() {
        let why = fault.source().map(|why| format!(" ({})", quoted(&why.to_string())));
        return CloudError::missing(format!(
            "AWS: profile `{name}` has no credentials in ~/.aws/config or ~/.aws/credentials{}; run \
             `aws configure --profile {name}`, or `aws configure sso`",
            why.unwrap_or_default()
        ));
    }
    CloudError::missing(format!(
        "no AWS credentials were found: not in the environment (AWS_ACCESS_KEY_ID), in profile \
         `{name}` (~/.aws/config, ~/.aws/credentials), by web identity (AWS_WEB_IDENTITY_TOKEN_FILE), \
         from a container (AWS_CONTAINER_CREDENTIALS_FULL_URI) or the instance (metadata service); \
         run `aws configure`, or set `profile`"
    ))
}

/// An error and its causes. Each is told once; SDK errors repeat what is below them.
fn story(fault: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(fault);
    while let Some(error) = next {
        let text = error.to_string();
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
        next = error.source();
    }
    // The outermost words are the same for every fault.
    if told.len() > 1 {
        told.remove(0);
    }
    told.join(": ")
}
