//! The calls by which each type of credential becomes a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::file::{External, File, Impersonation, ServiceAccount, Subject, User};
use super::jwt;
use crate::cache::Clock;
use crate::error::{CloudError, CloudErrorKind, quoted};
use crate::http::{Answer, Ask, Http, NEARBY_LIMIT, form_encoded};
use crate::token::{Bearer, Refusal, granted, is_their_trouble};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const LOGIN: &str = "run `gcloud auth application-default login`";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

pub(crate) struct Calls {
    pub(crate) http: Http,
    pub(crate) clock: Clock,
}

impl Calls {
    pub(crate) async fn of_file(&self, file: &File) -> Result<Bearer, CloudError> {
        match file {
            File::ServiceAccount(account) => self.service_account(account).await,
            File::User(user) => self.user(user).await,
            File::External(external) => self.external(external).await,
            File::ExternalUser(user) => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", user.refresh_token.expose_secret()),
                ];
                let ask = Ask::form(&user.token_url, &fields);
                let ask = ask.header(AUTHORIZATION, basic(&user.client)?);
                self.token("Google's token endpoint", ask, LOGIN).await
            }
            File::Impersonated { source, by } => {
                // One level: the file's reader sees to that.
                let first = Box::pin(self.of_file(source)).await?;
                self.impersonate(by, &first).await
            }
        }
    }

    async fn service_account(&self, account: &ServiceAccount) -> Result<Bearer, CloudError> {
        let assertion = jwt::assertion(account, SCOPE, (self.clock)())
            .map_err(|why| CloudError::setup(format!("the Google credential file: {why}")))?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        let todo = format!(
            "check that the key of {} still exists and that this machine's clock is right",
            account.email
        );
        self.token("Google's token endpoint", Ask::form(&account.token_uri, &fields), &todo).await
    }

    async fn user(&self, user: &User) -> Result<Bearer, CloudError> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", user.client_id.as_str()),
            ("client_secret", user.client_secret.expose_secret()),
            ("refresh_token", user.refresh_token.expose_secret()),
        ];
        self.token("Google's token endpoint", Ask::form(&user.token_uri, &fields), LOGIN).await
    }

    async fn external(&self, external: &External) -> Result<Bearer, CloudError> {
        let subject = self.subject(&external.from).await?;
        let options = json!({"userProject": external.user_project}).to_string();
        let mut fields = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", external.audience.as_str()),
            ("scope", SCOPE),
            ("subject_token_type", external.token_type.as_str()),
            ("subject_token", subject.expose_secret()),
        ];
        // A client brings its own project.
        if external.user_project.is_some() && external.client.is_none() {
            fields.push(("options", &options));
        }
        let mut ask = Ask::form(&external.token_url, &fields);
        if let Some(client) = &external.client {
            ask = ask.header(AUTHORIZATION, basic(client)?);
        }
        let todo = "check the audience and the provider of the workload identity pool";
        let first = self.token("Google's security token service", ask, todo).await?;
        match &external.impersonation {
            Some(by) => self.impersonate(by, &first).await,
            None => Ok(first),
        }
    }

    /// Somebody else's token.
    async fn subject(&self, from: &Subject) -> Result<SecretString, CloudError> {
        let (place, text, field) = match from {
            Subject::File { path, field } => {
                let place = format!("the subject token file {}", path.display());
                let text = std::fs::read_to_string(path)
                    .map_err(|err| CloudError::setup(format!("{place}: {err}")))?;
                (place, text, field)
            }
            Subject::Url { url, headers, field } => {
                let whom = "the source of subject tokens";
                let mut ask = Ask::get(url);
                for (name, value) in headers {
                    let value = HeaderValue::try_from(value.expose_secret()).ok();
                    let header = HeaderName::try_from(name).ok().zip(value).ok_or_else(|| {
                        let name = quoted(name);
                        CloudError::setup(format!(
                            "the Google credential file: `{name}` in its credential_source can't be \
                             sent as a header"
                        ))
                    })?;
                    ask = ask.header(header.0, header.1);
                }
                let answer = self.http.send(whom, ask).await?;
                if !answer.status.is_success() {
                    return Err(fault(whom, &answer, "check the file's credential_source"));
                }
                (whom.to_owned(), String::from_utf8_lossy(&answer.body).into_owned(), field)
            }
        };
        let token = match field {
            None => Some(text.trim().to_owned()),
            Some(field) => {
                let json: Value = serde_json::from_str(&text).unwrap_or_default();
                json[field].as_str().map(str::to_owned)
            }
        };
        token.filter(|token| !token.is_empty()).map(Into::into).ok_or_else(|| {
            let missing = field.as_ref().map_or("is empty".to_owned(), |field| {
                format!("has no text in the JSON field `{field}`")
            });
            CloudError::setup(format!("{place} {missing}"))
        })
    }

    async fn impersonate(&self, by: &Impersonation, first: &Bearer) -> Result<Bearer, CloudError> {
        let whom = "Google's IAM credentials service";
        let mut body = json!({"scope": [SCOPE], "lifetime": format!("{}s", by.lifetime_s)});
        if !by.delegates.is_empty() {
            body["delegates"] = by.delegates.clone().into();
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", first.token()))
            .map_err(|_| CloudError::unreachable("a token that is none"))?;
        authorization.set_sensitive(true);
        let ask = Ask::json(&by.url, &body).header(AUTHORIZATION, authorization);
        let answer = self.http.send(whom, ask).await?;
        if !answer.status.is_success() {
            let todo = "the first credentials need the role roles/iam.serviceAccountTokenCreator on \
                        the service account";
            return Err(fault(whom, &answer, todo));
        }
        let reply: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let ends = reply["expireTime"].as_str().and_then(|it| it.parse::<jiff::Timestamp>().ok());
        let token = reply["accessToken"].as_str().zip(ends);
        token.and_then(|(token, ends)| Bearer::new(token, Some(ends.into()))).ok_or_else(|| {
            CloudError::unreachable(format!("{whom} answered with something else than a token"))
        })
    }

    /// The token of the machine's own service account.
    pub(crate) async fn metadata(&self, host: &str) -> Result<Bearer, CloudError> {
        let whom = "Google's metadata server";
        let query = form_encoded(&[("scopes", SCOPE)]);
        let host = host.trim_start_matches("http://").trim_end_matches('/');
        let ask = Ask::get(format!(
            "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?{query}"
        ));
        let google = HeaderValue::from_static("Google");
        let ask = ask.header(FLAVOR, google.clone()).within(NEARBY_LIMIT);
        let answer = self.http.send(whom, ask).await?;
        // Captive portals and other clouds answer on names and addresses that are not theirs.
        if answer.head.get(FLAVOR) != Some(&google) {
            return Err(CloudError::refused(format!(
                "{whom} at {host} is something else: its answer lacks `Metadata-Flavor: Google`"
            )));
        }
        if !answer.status.is_success() {
            return Err(fault(whom, &answer, "attach a service account to this machine"));
        }
        granted(whom, &answer, (self.clock)())
    }

    async fn token(&self, whom: &str, ask: Ask, todo: &str) -> Result<Bearer, CloudError> {
        let answer = self.http.send(whom, ask).await?;
        if !answer.status.is_success() {
            return Err(fault(whom, &answer, todo));
        }
        granted(whom, &answer, (self.clock)())
    }
}

/// What a failed answer says, and what to do unless it is Google's own trouble.
fn fault(whom: &str, answer: &Answer, todo: &str) -> CloudError {
    let text = format!("{whom} gave no token: {}", Refusal::of(&answer.body).line(answer.status));
    if is_their_trouble(answer.status) {
        return CloudError::unreachable(text);
    }
    CloudError::new(CloudErrorKind::Refused, format!("{text}; {todo}"))
}

fn basic((id, secret): &(String, SecretString)) -> Result<HeaderValue, CloudError> {
    let pair = STANDARD.encode(format!("{id}:{}", secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .map_err(|_| CloudError::setup("the Google credential file: its client_id is strange"))?;
    value.set_sensitive(true);
    Ok(value)
}
