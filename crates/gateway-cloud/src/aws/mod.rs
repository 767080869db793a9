//! AWS: every request is signed, with keys that are given or found by the chain of AWS's own tools.

#[cfg(feature = "aws-chain")]
mod chain;
mod refusal;
mod sign;
#[cfg(feature = "aws-chain")]
mod transport;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Keys;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::Unsigned;
#[cfg(feature = "aws-chain")]
use crate::cache::Cached;
use crate::cache::Clock;
use crate::env::Env;
use crate::error::{CloudError, quoted};
use crate::http::Route;
use refusal::{Refusal, Remedy};

/// Who the gateway is for AWS, and what it signs for.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Keys that are given. Without them and without a `profile`, those of the environment
    /// (`AWS_ACCESS_KEY_ID`) are taken, or else the chain is walked (feature `aws-chain`): profile,
    /// SSO, web identity, container, instance.
    pub keys: Option<AwsKeys>,
    /// The profile to use; the environment's keys are then left alone.
    pub profile: Option<String>,
    /// The file of profiles that the chain reads; without one that of the environment
    /// (`AWS_CONFIG_FILE`), or `~/.aws/config`.
    pub config_file: Option<PathBuf>,
    /// The same of the file of keys (`AWS_SHARED_CREDENTIALS_FILE`, `~/.aws/credentials`).
    pub credentials_file: Option<PathBuf>,
    /// The region of the endpoint, which is a part of what is signed.
    pub region: String,
    /// The service's name in signatures, such as `bedrock`.
    pub service: String,
    /// Where keys are read. The chain reads the process's environment.
    pub env: Env,
    /// How AWS is reached where the chain asks it for keys.
    pub route: Route,
}

/// Keys, temporary ones if there is a session token.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: SecretString,
    /// Of temporary keys.
    pub session_token: Option<SecretString>,
}

/// Signs requests.
#[derive(Debug)]
pub(crate) struct Aws {
    keys: Held,
    region: String,
    service: String,
    clock: Clocked,
}

#[derive(Debug)]
enum Held {
    Given(Keys),
    #[cfg(feature = "aws-chain")]
    Found(Cached<chain::Chain>),
}

/// Where profiles are; those of the environment where nothing is said.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "aws-chain"),
    expect(dead_code, reason = "a build without the chain reads no files")
)]
struct Files {
    config: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

/// The local clock and how far AWS's is ahead of it.
struct Clocked {
    clock: Clock,
    ahead_ms: AtomicI64,
}

impl Aws {
    pub(crate) fn new(settings: AwsSettings, clock: Clock) -> Result<Self, CloudError> {
        let AwsSettings { keys, profile, region, service, env, route, .. } = settings;
        let files = Files { config: settings.config_file, credentials: settings.credentials_file };
        if region.is_empty() {
            return Err(CloudError::setup(
                "AWS: no region is set, and a signature needs one; set `region`, or AWS_REGION",
            ));
        }
        if !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            let region = quoted(&region);
            return Err(CloudError::setup(format!("AWS: `{region}` is not the name of a region")));
        }
        let from_env = || if profile.is_none() { AwsKeys::of_env(&env) } else { Ok(None) };
        let held = match keys.map_or_else(from_env, |keys| Ok(Some(keys)))? {
            Some(keys) => Held::Given(keys.checked()?),
            None => Held::find(profile, files, &region, route, &clock)?,
        };
        let clock = Clocked { clock, ahead_ms: AtomicI64::new(0) };
        Ok(Self { keys: held, region, service, clock })
    }

    #[cfg_attr(
        not(feature = "aws-chain"),
        expect(clippy::unused_async, reason = "the chain has to be waited for")
    )]
    pub(crate) async fn authorize(
        &self,
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), CloudError> {
        let scope = sign::Scope { region: &self.region, service: &self.service };
        match &self.keys {
            Held::Given(keys) => sign::sign(keys, &scope, self.clock.now(), request, headers),
            #[cfg(feature = "aws-chain")]
            Held::Found(cached) => {
                let keys = cached.get().await?;
                sign::sign(&keys, &scope, self.clock.now(), request, headers)
            }
        }
    }

    pub(crate) fn refused(&self, status: StatusCode, head: &HeaderMap, body: &[u8]) -> bool {
        if !matches!(status.as_u16(), 400 | 401 | 403) {
            return false;
        }
        let date = refusal::date(head);
        let off = date.is_some_and(|date| self.clock.is_off(date));
        match Refusal::of(head, body).remedy(off) {
            Remedy::None => false,
            Remedy::SetClock => {
                if let Some(date) = date.filter(|_| off) {
                    self.clock.set(date);
                }
                true
            }
            Remedy::ReloadKeys => match &self.keys {
                Held::Given(_) => false,
                #[cfg(feature = "aws-chain")]
                Held::Found(cached) => cached.refused(),
            },
        }
    }
}

impl Held {
    #[cfg(feature = "aws-chain")]
    #[expect(clippy::unnecessary_wraps, reason = "a build without the chain has an error here")]
    fn find(
        profile: Option<String>,
        files: Files,
        region: &str,
        route: Route,
        clock: &Clock,
    ) -> Result<Self, CloudError> {
        let chain = chain::Chain::new(profile, files, region, route);
        Ok(Self::Found(Cached::new(chain, clock.clone())))
    }

    #[cfg(not(feature = "aws-chain"))]
    fn find(
        profile: Option<String>,
        _: Files,
        _: &str,
        _: Route,
        _: &Clock,
    ) -> Result<Self, CloudError> {
        let sought = profile.map_or("AWS keys".to_owned(), |it| format!("AWS profile `{it}`"));
        Err(CloudError::unsupported(format!(
            "{sought}: this build reads no AWS profiles and asks no SSO, web identity, container or \
             instance (feature `aws-chain`); set access_key_id and secret_access_key, or \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )))
    }
}

impl AwsKeys {
    fn of_env(env: &Env) -> Result<Option<Self>, CloudError> {
        let secret = env.get("AWS_SECRET_ACCESS_KEY").or_else(|| env.get("SECRET_ACCESS_KEY"));
        match (env.get("AWS_ACCESS_KEY_ID"), secret) {
            (Some(access_key_id), Some(secret)) => Ok(Some(Self {
                access_key_id,
                secret_access_key: secret.into(),
                session_token: env.get("AWS_SESSION_TOKEN").map(Into::into),
            })),
            (Some(_), None) => Err(CloudError::setup(
                "AWS: AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not",
            )),
            (None, _) => Ok(None),
        }
    }

    fn checked(self) -> Result<Keys, CloudError> {
        let secret = self.secret_access_key.expose_secret().trim();
        let id = self.access_key_id.trim();
        if id.is_empty() || secret.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(CloudError::setup(
                "AWS: the access key id or the secret access key is empty or no key",
            ));
        }
        let token = self.session_token.map(|token| token.expose_secret().trim().to_owned());
        Ok(Keys::new(id, secret, token.filter(|it| !it.is_empty()), None, "settings"))
    }
}

/// A difference up to this is left alone: a `Date` has whole seconds and was on its way for a while.
const TOLERATED: Duration = Duration::from_secs(60);

impl Clocked {
    fn now(&self) -> SystemTime {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(ahead.unsigned_abs());
        let local = (self.clock)();
        if ahead < 0 { local - by } else { local + by }
    }

    fn is_off(&self, date: SystemTime) -> bool {
        let now = self.now();
        let distance = date.duration_since(now).unwrap_or_else(|earlier| earlier.duration());
        distance > TOLERATED
    }

    fn set(&self, date: SystemTime) {
        let millis = |by: Duration| i64::try_from(by.as_millis()).unwrap_or_default();
        let ahead = match date.duration_since((self.clock)()) {
            Ok(ahead) => millis(ahead),
            Err(behind) => -millis(behind.duration()),
        };
        self.ahead_ms.store(ahead, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Clocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clocked").field("ahead_ms", &self.ahead_ms).finish_non_exhaustive()
    }
}
