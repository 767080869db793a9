//! Google's application default credentials: a file of one of several types, or the metadata server
//! of the machine.

mod calls;
mod file;
mod jwt;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::HeaderValue;

use crate::GoogleSettings;
use crate::cache::{Clock, Source};
use crate::error::{CloudError, CloudErrorKind};
use crate::http::Http;
use crate::token::Bearer;
use calls::Calls;
use file::File;

const FILE_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const DEFAULT_FILE: &str = "application_default_credentials.json";
const METADATA_HOST: &str = "metadata.google.internal";

/// A source of Google's tokens. Files are read anew for each token, so that a new login counts at
/// once.
pub(crate) struct Google {
    settings: GoogleSettings,
    calls: Calls,
}

/// Where the credentials are.
enum Place {
    File(PathBuf),
    /// Nowhere else; with the file that `gcloud` would have written.
    Metadata {
        absent: Option<PathBuf>,
    },
}

impl Google {
    pub(crate) fn new(settings: GoogleSettings, clock: Clock) -> Result<Self, CloudError> {
        let http = Http::new(settings.route.clone());
        let google = Self { settings, calls: Calls { http, clock } };
        if let Place::File(path) = google.place() {
            google.read(&path)?;
        }
        Ok(google)
    }

    fn place(&self) -> Place {
        let env = &self.settings.env;
        let named = self.settings.file.clone().or_else(|| env.get(FILE_VARIABLE).map(Into::into));
        if let Some(file) = named {
            return Place::File(file);
        }
        let folder = env.get("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(|| {
            if cfg!(windows) {
                return env.get("APPDATA").map(|it| PathBuf::from(it).join("gcloud"));
            }
            env.home().map(|home| home.join(".config/gcloud"))
        });
        match folder.map(|folder| folder.join(DEFAULT_FILE)) {
            Some(file) if file.exists() => Place::File(file),
            absent => Place::Metadata { absent },
        }
    }

    fn read(&self, path: &Path) -> Result<(File, Option<HeaderValue>), CloudError> {
        let fault = |why: String| {
            let path = path.display();
            CloudError::setup(format!("the Google credential file {path}: {why}"))
        };
        let text = std::fs::read(path).map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound => fault(format!(
                "it does not exist; set credentials_file or {FILE_VARIABLE}, or run `gcloud auth \
                 application-default login`"
            )),
            _ => fault(err.to_string()),
        })?;
        let (file, of_file) = File::parse(&text).map_err(fault)?;
        let settings = &self.settings;
        let project = settings.quota_project.clone();
        let project =
            project.or_else(|| settings.env.get("GOOGLE_CLOUD_QUOTA_PROJECT")).or(of_file);
        Ok((file, project.as_deref().map(project_header).transpose().map_err(fault)?))
    }

    async fn of_metadata(&self, absent: Option<PathBuf>) -> Result<Bearer, CloudError> {
        let named = self.settings.env.get("GCE_METADATA_HOST");
        let host = named.as_deref().unwrap_or(METADATA_HOST);
        let mut bearer = self.calls.metadata(host).await.map_err(|fault| {
            // Somebody who names the server is on Google's machines; all others are most likely not.
            if named.is_some() || fault.kind() != CloudErrorKind::Unreachable {
                return fault;
            }
            let absent = absent.map(|file| format!("there is no {}, ", file.display()));
            CloudError::missing(format!(
                "no Google credentials were found: {FILE_VARIABLE} is not set, {}no metadata server \
                 answers; run `gcloud auth application-default login`, or name a credential file",
                absent.unwrap_or_default()
            ))
        })?;
        let settings = &self.settings;
        let project = settings.quota_project.clone();
        let project = project.or_else(|| settings.env.get("GOOGLE_CLOUD_QUOTA_PROJECT"));
        bearer.quota_project =
            project.as_deref().map(project_header).transpose().map_err(CloudError::setup)?;
        Ok(bearer)
    }
}

impl Source for Google {
    type Value = Bearer;

    async fn fetch(&self) -> Result<(Bearer, Option<SystemTime>), CloudError> {
        let bearer = match self.place() {
            Place::File(path) => {
                let (file, quota_project) = self.read(&path)?;
                Bearer { quota_project, ..self.calls.of_file(&file).await? }
            }
            Place::Metadata { absent } => self.of_metadata(absent).await?,
        };
        let ends = bearer.ends;
        Ok((bearer, ends))
    }
}

fn project_header(project: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(project).map_err(|_| "its quota project is not a project's id".to_owned())
}
