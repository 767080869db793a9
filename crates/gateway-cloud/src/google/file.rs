//! Credential files, by their `type`.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::Value;

use crate::error::quoted;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const STS_URL: &str = "https://sts.googleapis.com/v1/token";

/// A credential file.
#[derive(Debug)]
pub(crate) enum File {
    ServiceAccount(ServiceAccount),
    User(User),
    External(External),
    ExternalUser(ExternalUser),
    Impersonated { source: Box<File>, by: Impersonation },
}

/// `service_account`: a key.
#[derive(Debug)]
pub(crate) struct ServiceAccount {
    pub(crate) email: String,
    pub(crate) key_id: Option<String>,
    pub(crate) key: SecretString,
    pub(crate) token_uri: String,
}

/// `authorized_user`: a person's login.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) refresh_token: SecretString,
    pub(crate) token_uri: String,
}

/// `external_account`: a token of somebody else is exchanged (workload identity federation).
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) audience: String,
    pub(crate) token_type: String,
    pub(crate) token_url: String,
    pub(crate) from: Subject,
    pub(crate) impersonation: Option<Impersonation>,
    pub(crate) client: Option<(String, SecretString)>,
    pub(crate) user_project: Option<String>,
}

/// `external_account_authorized_user`: a person's login at somebody else's.
#[derive(Debug)]
pub(crate) struct ExternalUser {
    pub(crate) client: (String, SecretString),
    pub(crate) refresh_token: SecretString,
    pub(crate) token_url: String,
}

/// Where somebody else's token is.
#[derive(Debug)]
pub(crate) enum Subject {
    File { path: PathBuf, field: Option<String> },
    Url { url: String, headers: Vec<(String, SecretString)>, field: Option<String> },
}

/// A service account whose tokens are asked for with the first token.
#[derive(Debug)]
pub(crate) struct Impersonation {
    pub(crate) url: String,
    pub(crate) lifetime_s: u64,
    pub(crate) delegates: Vec<String>,
}

impl File {
    /// Reads a file; also gives its quota project. Errors never quote values, which may be secrets.
    pub(crate) fn parse(text: &[u8]) -> Result<(Self, Option<String>), String> {
        let json: Value =
            serde_json::from_slice(text).map_err(|err| format!("it is not JSON: {err}"))?;
        let fields = Fields(&json);
        Ok((Self::of(&fields)?, fields.optional("quota_project_id")))
    }

    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        let kind = fields.optional("type").unwrap_or_default();
        Ok(match kind.as_str() {
            "service_account" => Self::ServiceAccount(ServiceAccount {
                email: fields.text("client_email")?,
                key_id: fields.optional("private_key_id"),
                key: fields.text("private_key")?.into(),
                token_uri: fields.optional("token_uri").unwrap_or_else(|| TOKEN_URI.to_owned()),
            }),
            "authorized_user" => Self::User(User {
                client_id: fields.text("client_id")?,
                client_secret: fields.text("client_secret")?.into(),
                refresh_token: fields.text("refresh_token")?.into(),
                token_uri: fields.optional("token_uri").unwrap_or_else(|| TOKEN_URI.to_owned()),
            }),
            "external_account" => Self::External(External::of(fields)?),
            "external_account_authorized_user" => Self::ExternalUser(ExternalUser {
                client: (fields.text("client_id")?, fields.text("client_secret")?.into()),
                refresh_token: fields.text("refresh_token")?.into(),
                token_url: fields.text("token_url")?,
            }),
            "impersonated_service_account" => {
                let source = Self::of(&Fields(&fields.0["source_credentials"]))
                    .map_err(|why| format!("in its source_credentials: {why}"))?;
                if matches!(source, Self::Impersonated { .. }) {
                    return Err(
                        "its source_credentials are impersonated themselves; use delegates"
                            .to_owned(),
                    );
                }
                let url = fields.text("service_account_impersonation_url")?;
                let by = Impersonation::of(fields, url);
                Self::Impersonated { source: Box::new(source), by }
            }
            "" if fields.0["installed"].is_object() || fields.0["web"].is_object() => {
                return Err("it is an OAuth client, not a credential; run `gcloud auth \
                            application-default login --client-id-file` with it"
                    .to_owned());
            }
            "" => return Err("it has no `type`, so it is no credential file of Google".to_owned()),
            other => {
                return Err(format!(
                    "its type `{}` is not supported; known are service_account, authorized_user, \
                     external_account, external_account_authorized_user and \
                     impersonated_service_account",
                    quoted(other)
                ));
            }
        })
    }
}

impl External {
    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        let impersonation = fields.optional("service_account_impersonation_url");
        let client = fields.optional("client_id").map(|id| {
            (id, SecretString::from(fields.optional("client_secret").unwrap_or_default()))
        });
        Ok(Self {
            audience: fields.text("audience")?,
            token_type: fields.text("subject_token_type")?,
            token_url: fields.optional("token_url").unwrap_or_else(|| STS_URL.to_owned()),
            from: Subject::of(&fields.0["credential_source"])?,
            impersonation: impersonation.map(|url| Impersonation::of(fields, url)),
            client,
            user_project: fields.optional("workforce_pool_user_project"),
        })
    }
}

impl Subject {
    fn of(source: &Value) -> Result<Self, String> {
        let unsupported = |what: &str| {
            Err(format!(
                "its credential_source is {what}, which is not supported; use one with a `file` or \
                 a `url`"
            ))
        };
        let fields = Fields(source);
        let format = Fields(&source["format"]);
        let field = match format.optional("type").as_deref() {
            None | Some("text") => None,
            Some("json") => Some(
                format
                    .text("subject_token_field_name")
                    .map_err(|why| format!("in its credential_source's format: {why}"))?,
            ),
            Some(other) => {
                return Err(format!(
                    "its credential_source's format `{}` is neither text nor json",
                    quoted(other)
                ));
            }
        };
        // A source for AWS has a `url` too.
        if source["environment_id"].is_string() {
            return unsupported("AWS");
        }
        if source["executable"].is_object() {
            return unsupported("a program");
        }
        if source["certificate"].is_object() {
            return unsupported("a certificate");
        }
        if let Some(path) = fields.optional("file") {
            return Ok(Self::File { path: path.into(), field });
        }
        if let Some(url) = fields.optional("url") {
            let headers = source["headers"].as_object().into_iter().flatten();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned().into();
            let headers = headers.map(|(name, value)| (name.clone(), text(value))).collect();
            return Ok(Self::Url { url, headers, field });
        }
        Err("it has no credential_source with a `file` or a `url`".to_owned())
    }
}

impl Impersonation {
    fn of(fields: &Fields<'_>, url: String) -> Self {
        let lifetime = &fields.0["service_account_impersonation"]["token_lifetime_seconds"];
        let delegates = fields.0["delegates"].as_array().into_iter().flatten();
        let delegates = delegates.filter_map(Value::as_str).map(str::to_owned).collect();
        Self { url, lifetime_s: lifetime.as_u64().unwrap_or(3600), delegates }
    }
}

/// The fields of an object.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        self.0[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.optional(name).ok_or_else(|| format!("`{name}` is missing or not a text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_and_no_value_is_quoted() {
        for (text, says) in [
            ("", "not JSON"),
            (r#"{"type":"#, "not JSON"),
            ("[]", "no `type`"),
            ("{}", "no `type`"),
            (r#"{"installed":{"client_id":"x"}}"#, "OAuth client"),
            (r#"{"type":"gdch_service_account"}"#, "`gdch_service_account` is not supported"),
            (r#"{"type":"service_account","private_key":"S3CRET"}"#, "`client_email` is missing"),
            (
                r#"{"type":"authorized_user","client_id":"a","client_secret":["S3CRET"]}"#,
                "`client_secret` is missing or not a text",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                   "credential_source":{"environment_id":"aws1","url":"u"}}"#,
                "is AWS",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                   "credential_source":{"executable":{"command":"S3CRET"}}}"#,
                "is a program",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                   "credential_source":{"file":"f","format":{"type":"json"}}}"#,
                "`subject_token_field_name` is missing",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t"}"#,
                "no credential_source",
            ),
            (
                r#"{"type":"impersonated_service_account","source_credentials":{"type":"x"}}"#,
                "source_credentials: its type `x`",
            ),
        ] {
            let why = File::parse(text.as_bytes()).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
            assert!(!why.contains("S3CRET"), "{why}");
        }
    }

    #[test]
    fn a_files_secrets_are_not_shown() {
        let text = r#"{"type":"authorized_user","client_id":"a","client_secret":"S3CRET",
                       "refresh_token":"S3CRET","quota_project_id":"p"}"#;
        let (file, project) = File::parse(text.as_bytes()).expect("valid");
        assert_eq!(project.as_deref(), Some("p"));
        assert!(!format!("{file:?}").contains("S3CRET"));
    }
}
