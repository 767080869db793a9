//! Where access tokens come from: a token endpoint for service accounts (whose signature is verified) and
//! users, the exchange of foreign tokens, impersonation, and a machine's metadata server.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::refusal::{Form, Refusal};
use super::rsa;
use super::rules::Rules;
use crate::Recorded;
use crate::text::letters;

/// The project of all credentials here.
pub const PROJECT: &str = "project-test";
/// The service account of the tests.
pub const SERVICE_ACCOUNT: &str = "tester@project-test.iam.gserviceaccount.com";
/// What a workload must show for a token of its own.
pub const SUBJECT_TOKEN: &str = "subject-token-of-the-workload";

const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";
const PRIVATE_KEY: &str = include_str!("service-account.pem");
const USER: [&str; 3] =
    ["client-id-of-the-test", "client-secret-of-the-test", "refresh-token-of-the-test"];
/// What the official libraries claim, wherever they send it.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const IMPERSONATE: &str = ":generateAccessToken";

/// Whether a workload becomes a service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impersonate {
    /// It stays itself.
    No,
    /// It does.
    ServiceAccount,
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// When each ends.
    ends: HashMap<String, Instant>,
    /// Those that the test ended before their time.
    lapsed: HashSet<String>,
}

/// The text of a service account's key file.
pub(crate) fn service_account(base: &str) -> String {
    let file = json!({
        "type": "service_account", "project_id": PROJECT, "private_key_id": KEY_ID,
        "private_key": PRIVATE_KEY, "client_email": SERVICE_ACCOUNT, "client_id": "100000000000000000001",
        "auth_uri": format!("{base}/auth"), "token_uri": format!("{base}/token"),
        "universe_domain": "googleapis.com",
    });
    format!("{file:#}")
}

/// The text of a user's file.
pub(crate) fn authorized_user(base: &str) -> String {
    let file = json!({
        "type": "authorized_user", "client_id": USER[0], "client_secret": USER[1],
        "refresh_token": USER[2], "token_uri": format!("{base}/token"), "quota_project_id": PROJECT,
        "universe_domain": "googleapis.com", "account": "",
    });
    format!("{file:#}")
}

/// The text of a workload's file; `subject` is the path of a file with [`SUBJECT_TOKEN`].
pub(crate) fn external_account(base: &str, subject: &str, impersonate: Impersonate) -> String {
    let mut file = json!({
        "type": "external_account", "universe_domain": "googleapis.com",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{base}/v1/token"), "credential_source": {"file": subject},
    });
    if impersonate == Impersonate::ServiceAccount {
        file["service_account_impersonation_url"] =
            json!(format!("{base}/v1/projects/-/serviceAccounts/{SERVICE_ACCOUNT}{IMPERSONATE}"));
    }
    format!("{file:#}")
}

impl Tokens {
    /// A new token.
    pub(crate) fn issue(&mut self, at: Instant, rules: &Rules) -> String {
        let token = format!("ya29.c.{}", letters(&format!("token {}", self.ends.len()), 100));
        self.ends.insert(token.clone(), at + Duration::from_secs(rules.token_lifetime));
        token
    }

    /// All end now.
    pub(crate) fn expire(&mut self) {
        self.lapsed.extend(self.ends.keys().cloned());
    }

    /// How many were given out.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether the request has a token that is good.
    pub(crate) fn admit(&self, recorded: &Recorded) -> Result<(), Refusal> {
        let given = recorded.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let good = given.is_some_and(|token| {
            let lives = self.ends.get(token).is_some_and(|end| *end > recorded.at);
            lives && !self.lapsed.contains(token)
        });
        if good { Ok(()) } else { Err(Refusal::unauthenticated()) }
    }

    /// Answers a request for a token; none: it is for something else.
    pub(crate) fn answer(
        &mut self,
        recorded: &Recorded,
        rules: &Rules,
    ) -> Option<Result<Value, Refusal>> {
        let path = recorded.path();
        let post = recorded.method == "POST";
        if post && path == "/token" {
            return Some(grant(recorded).map(|()| self.granted(recorded, rules)));
        }
        if post && path == "/v1/token" {
            return Some(exchange(recorded).map(|()| {
                let mut answer = self.granted(recorded, rules);
                answer["issued_token_type"] =
                    json!("urn:ietf:params:oauth:token-type:access_token");
                answer
            }));
        }
        if post
            && path.starts_with("/v1/projects/-/serviceAccounts/")
            && path.ends_with(IMPERSONATE)
        {
            return Some(self.impersonate(recorded, rules));
        }
        let asked = path.strip_prefix("/computeMetadata/v1/")?;
        if recorded.header("metadata-flavor") != Some("Google") {
            return Some(Err(Refusal::new("Missing Metadata-Flavor:Google header.")
                .status(403, "PERMISSION_DENIED")));
        }
        Some(match asked {
            "project/project-id" => Ok(json!(PROJECT)),
            "instance/service-accounts/default/email" => Ok(json!(SERVICE_ACCOUNT)),
            "instance/service-accounts/default/token" => Ok(self.granted(recorded, rules)),
            _ => Err(Refusal::not_found("Not Found")),
        })
    }

    fn granted(&mut self, recorded: &Recorded, rules: &Rules) -> Value {
        let token = self.issue(recorded.at, rules);
        json!({"access_token": token, "expires_in": rules.token_lifetime, "token_type": "Bearer"})
    }

    fn impersonate(&mut self, recorded: &Recorded, rules: &Rules) -> Result<Value, Refusal> {
        self.admit(recorded)?;
        let asked: Value = serde_json::from_slice(&recorded.body).unwrap_or_default();
        if !asked["scope"].as_array().is_some_and(|scopes| scopes.contains(&json!(SCOPE))) {
            return Err(Refusal::new("Invalid scope(s) provided"));
        }
        let token = self.issue(recorded.at, rules);
        let end = rfc3339(now() + rules.token_lifetime);
        Ok(json!({"accessToken": token, "expireTime": end}))
    }
}

/// Whether this is a machine's metadata server speaking, which says so in a header.
pub(crate) fn is_metadata(path: &str) -> bool {
    path.starts_with("/computeMetadata/")
}

fn bad(error: &str, why: &str) -> Refusal {
    Refusal { form: Form::Oauth, ..Refusal::new(why).status(400, error) }
}

fn form(recorded: &Recorded) -> Result<HashMap<String, String>, Refusal> {
    let kind = recorded.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(bad(
            "invalid_request",
            "The content type must be application/x-www-form-urlencoded.",
        ));
    }
    let text = String::from_utf8_lossy(&recorded.body).into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    Ok(text.split('&').map(pair).collect())
}

fn grant(recorded: &Recorded) -> Result<(), Refusal> {
    let form = form(recorded)?;
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    match field("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let host = recorded.header("host").unwrap_or_default();
            assertion(field("assertion"), &format!("http://{host}/token"))
        }
        "refresh_token" if field("refresh_token") != USER[2] => {
            Err(bad("invalid_grant", "Token has been expired or revoked."))
        }
        "refresh_token" if [field("client_id"), field("client_secret")] != USER[..2] => {
            Err(Refusal { code: 401, ..bad("invalid_client", "The OAuth client was not found.") })
        }
        "refresh_token" => Ok(()),
        "" => Err(bad("invalid_request", "Required parameter is missing: grant_type")),
        other => Err(bad("unsupported_grant_type", &format!("Invalid grant_type: {other}"))),
    }
}

/// A service account's claim, signed with its key, for this endpoint, of this hour.
fn assertion(jwt: &str, audience: &str) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(bad("invalid_grant", why));
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        return invalid("Invalid JWT: the assertion must have three parts.");
    };
    let json = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (Some(header), Some(said)) = (json(head), json(claims)) else {
        return invalid("Invalid JWT: not base64url of JSON.");
    };
    if header["alg"] != "RS256" {
        return invalid("Invalid JWT: the algorithm must be RS256.");
    }
    if header.get("kid").is_some_and(|kid| kid != KEY_ID) || said["iss"] != SERVICE_ACCOUNT {
        return invalid("Invalid grant: account not found");
    }
    let message = format!("{head}.{claims}");
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if !rsa::verifies(message.as_bytes(), &signature) {
        return invalid("Invalid JWT Signature.");
    }
    if said["aud"] != audience && said["aud"] != AUDIENCE {
        return invalid(&format!("Invalid JWT: the audience must be {audience}."));
    }
    let scopes = said["scope"].as_str().unwrap_or_default();
    if !scopes.split(' ').any(|scope| scope == SCOPE) {
        return Err(bad("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    let (Some(from), Some(to)) = (said["iat"].as_u64(), said["exp"].as_u64()) else {
        return invalid("Invalid JWT: iat and exp must be integers.");
    };
    // A clock may be a little off.
    let now = now();
    if to <= now || from > now + 300 || to > from + 3600 || from + 3900 < now {
        return invalid(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
        );
    }
    Ok(())
}

fn exchange(recorded: &Recorded) -> Result<(), Refusal> {
    let form = form(recorded)?;
    for (name, wanted) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ] {
        if form.get(name).map(String::as_str) != Some(wanted) {
            return Err(bad("invalid_request", &format!("Invalid value for {name}.")));
        }
    }
    // The narrow scope is enough for becoming a service account.
    let scopes = [SCOPE, "https://www.googleapis.com/auth/iam"];
    if !form.get("scope").is_some_and(|scope| scopes.contains(&scope.as_str())) {
        return Err(bad("invalid_request", "Invalid value for scope."));
    }
    if !form.get("audience").is_some_and(|audience| audience.starts_with("//iam.googleapis.com/")) {
        return Err(bad("invalid_request", "Invalid value for audience."));
    }
    if form.get("subject_token").map(String::as_str) != Some(SUBJECT_TOKEN) {
        return Err(bad(
            "invalid_grant",
            "The given credential is rejected by the attribute condition.",
        ));
    }
    Ok(())
}

fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit =
                    || rest.next().and_then(|b| char::from(b).to_digit(16)).unwrap_or(0);
                let (high, low) = (digit(), digit());
                u8::try_from(high * 16 + low).expect("two hex digits are a byte")
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a claim of this hour is checked by the clock of the test"
)]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// `2026-11-21T20:00:00Z`
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years from the first of March, so that a leap day comes last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month < 3);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
