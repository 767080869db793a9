//! Credentials that change over time or belong to one request: AWS signatures, Google's and
//! Microsoft's tokens.
//!
//! One [`Credentials`] is one provider's. It authorizes a request that is otherwise finished, and is
//! told when an upstream refused one, so that the next try may be authorized anew. It can be shared
//! by any number of tasks on any number of runtimes: tokens are fetched once for all of them, on a
//! thread that belongs to no request, and renewed before they end.
//!
//! Features: `aws-chain` finds AWS keys where AWS's own tools do; `gcp` has Google's application
//! default credentials. Without them the constructors say so.
//!
//! This crate reads files and the environment and does network I/O.
//!
//! ```
//! use gateway_cloud::{AwsKeys, AwsSettings, Credentials, Env, Route, Unsigned};
//! use http::{HeaderMap, Method};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), gateway_cloud::CloudError> {
//! let credentials = Credentials::aws(AwsSettings {
//!     keys: Some(AwsKeys {
//!         access_key_id: "AKIDEXAMPLE".to_owned(),
//!         secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
//!         session_token: None,
//!     }),
//!     profile: None,
//!     config_file: None,
//!     credentials_file: None,
//!     region: "us-east-1".to_owned(),
//!     service: "bedrock".to_owned(),
//!     env: Env::process(),
//!     route: Route::default(),
//! })?;
//! let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse";
//! let request = Unsigned { method: &Method::POST, url, body: &[b"{}"] };
//! let mut headers = HeaderMap::new();
//! credentials.authorize(&request, &mut headers).await?;
//! assert!(headers["authorization"].to_str().is_ok_and(|it| it.starts_with("AWS4-HMAC-SHA256 ")));
//! # Ok(())
//! # }
//! ```

mod aws;
mod cache;
mod entra;
mod env;
mod error;
#[cfg(feature = "gcp")]
mod google;
mod http;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName, Method, StatusCode};

pub use aws::{AwsKeys, AwsSettings};
pub use entra::EntraSettings;
pub use env::Env;
pub use error::{CloudError, CloudErrorKind};
pub use http::Route;

use crate::cache::{Cached, Clock};
use crate::token::Bearer;

/// One provider's credentials. To be shared behind an `Arc`.
pub struct Credentials(Kind);

enum Kind {
    Aws(aws::Aws),
    #[cfg(feature = "gcp")]
    Google(Cached<google::Google>),
    Entra(Cached<entra::Entra>),
}

/// A request as it is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a Method,
    /// Exactly as it is sent: `scheme://host[:port]/path?query`.
    pub url: &'a str,
    /// The body's pieces, in order.
    pub body: &'a [&'a [u8]],
}

/// Who the gateway is for Google.
#[derive(Debug, Clone, Default)]
pub struct GoogleSettings {
    /// A credential file. Without it Google's own order holds: `GOOGLE_APPLICATION_CREDENTIALS`,
    /// the file of `gcloud auth application-default login`, the metadata server.
    pub file: Option<PathBuf>,
    /// The project that is billed, when it is not that of the credentials; otherwise
    /// `GOOGLE_CLOUD_QUOTA_PROJECT` or the file's `quota_project_id`.
    pub quota_project: Option<String>,
    /// Where variables are read.
    pub env: Env,
    /// How Google is reached for tokens.
    pub route: Route,
}

impl Credentials {
    /// AWS: every request is signed.
    pub fn aws(settings: AwsSettings) -> Result<Self, CloudError> {
        Ok(Self(Kind::Aws(aws::Aws::new(settings, system_clock())?)))
    }

    /// Google: access tokens for the scope `https://www.googleapis.com/auth/cloud-platform`. A file
    /// that is named and can't be used is an error at once.
    #[cfg(feature = "gcp")]
    pub fn google(settings: GoogleSettings) -> Result<Self, CloudError> {
        let source = google::Google::new(settings, system_clock())?;
        Ok(Self(Kind::Google(Cached::new(source, system_clock()))))
    }

    /// Google, of which this build knows nothing.
    #[cfg(not(feature = "gcp"))]
    #[expect(clippy::needless_pass_by_value, reason = "the same in every build")]
    pub fn google(settings: GoogleSettings) -> Result<Self, CloudError> {
        let GoogleSettings { .. } = settings;
        Err(CloudError::unsupported(
            "Google: this build has no application default credentials (feature `gcp`); use an API \
             key, or a token of `gcloud auth print-access-token`",
        ))
    }

    /// Microsoft Entra: access tokens for Azure's AI services.
    pub fn entra(settings: EntraSettings) -> Result<Self, CloudError> {
        let source = entra::Entra::new(settings, system_clock())?;
        Ok(Self(Kind::Entra(Cached::new(source, system_clock()))))
    }

    /// Adds what proves who asks to the headers of a request that is otherwise finished; whatever
    /// an earlier call added is replaced. Waits for nothing but the first token and one whose
    /// renewal failed until its end.
    pub async fn authorize(
        &self,
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), CloudError> {
        match &self.0 {
            Kind::Aws(aws) => aws.authorize(request, headers).await?,
            #[cfg(feature = "gcp")]
            Kind::Google(cached) => add(&*cached.get().await?, headers),
            Kind::Entra(cached) => add(&*cached.get().await?, headers),
        }
        Ok(())
    }

    /// Tells of an answer that refused a request. Whether asking once more, newly authorized, may
    /// help: a token or keys were dropped, or the clock was set by the answer's date. It may say so
    /// any number of times, so that "once" is the caller's business.
    pub fn refused(&self, status: StatusCode, head: &HeaderMap, body: &[u8]) -> bool {
        match &self.0 {
            Kind::Aws(aws) => aws.refused(status, head, body),
            #[cfg(feature = "gcp")]
            Kind::Google(cached) => status == StatusCode::UNAUTHORIZED && cached.refused(),
            Kind::Entra(cached) => status == StatusCode::UNAUTHORIZED && cached.refused(),
        }
    }
}

/// Never a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Aws(aws) => f.debug_tuple("Credentials").field(aws).finish(),
            #[cfg(feature = "gcp")]
            Kind::Google(cached) => f.debug_tuple("Credentials::google").field(cached).finish(),
            Kind::Entra(cached) => f.debug_tuple("Credentials::entra").field(cached).finish(),
        }
    }
}

fn add(bearer: &Bearer, headers: &mut HeaderMap) {
    headers.insert(AUTHORIZATION, bearer.authorization.clone());
    if let Some(project) = &bearer.quota_project {
        headers.insert(HeaderName::from_static("x-goog-user-project"), project.clone());
    }
}

fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the edge: here the clock comes in")]
    Arc::new(SystemTime::now)
}
