//! What is Azure's own: the many URLs that its pages show, and the credentials of Microsoft Entra.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::base;
use crate::extra::is_azure_version;
use crate::model::{EntraCredentials, Extra};
use crate::read::Cx;
use crate::source::At;

/// What an `api_base` of Azure says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// Without what is Azure's own in it.
    pub(crate) base: String,
    pub(crate) deployment: Option<String>,
    pub(crate) api_version: Option<String>,
}

/// Takes a URL apart: `…`, `…/openai`, `…/openai/v1`, `…/openai/deployments/NAME`, each also with an endpoint and
/// `?api-version=…`, as Azure's portal shows them to be copied.
pub(crate) fn take_apart(text: &str) -> Url {
    let (url, query) = text.split_once('?').unwrap_or((text, ""));
    let mut version = query.split('&').find_map(|pair| pair.strip_prefix("api-version="));
    version = version.filter(|version| is_azure_version(version));
    // A query that says something else stays, to be refused with the URL.
    let kept = if version.is_some() || query.is_empty() { url } else { text };
    let mut out = Url { api_version: version.map(str::to_owned), ..Url::default() };
    let mut base = kept.trim_end_matches('/');
    for endpoint in ["/chat/completions", "/responses", "/models", "/embeddings"] {
        base = base.strip_suffix(endpoint).unwrap_or(base);
    }
    if let Some((before, name)) = base.split_once("/openai/deployments/") {
        let name = name.split('/').next().unwrap_or_default();
        if !name.is_empty() {
            out.deployment = Some(name.to_owned());
            // Without a version the path leads nowhere.
            out.api_version.get_or_insert_with(|| CLASSIC.to_owned());
        }
        base = before;
    }
    for tail in ["/openai/v1", "/openai/deployments", "/openai"] {
        base = base.strip_suffix(tail).unwrap_or(base);
    }
    base.trim_end_matches('/').clone_into(&mut out.base);
    out
}

/// What the URL says of version and deployment counts where `extra` says nothing.
pub(crate) fn merge(url: &Url, extra: &mut Extra) {
    if extra.deployment.is_none() {
        extra.deployment.clone_from(&url.deployment);
    }
    if extra.api_version.is_none() {
        extra.api_version.clone_from(&url.api_version);
    }
}

/// Whether a host is one of Azure's services for models, in any of its clouds. Others below its domains are its
/// customers'.
pub(crate) fn is_own(host: &str) -> bool {
    let service =
        [".azure.com", ".azure.us", ".azure.cn"].iter().find_map(|d| host.strip_suffix(d));
    service.is_some_and(|service| {
        [".openai", ".services.ai", ".cognitiveservices"].iter().any(|s| service.ends_with(s))
    })
}

/// Whether variables hold what Microsoft Entra wants.
pub(crate) fn has_entra(cx: &Cx) -> bool {
    let is_set = |name| cx.env.get(name).is_some();
    is_set(TENANT) && is_set(CLIENT) && (is_set(SECRET) || is_set(TOKEN_FILE))
}

/// The credentials of Microsoft Entra, and the variable of the secret.
pub(crate) fn entra(cx: &mut Cx) -> (EntraCredentials, Option<String>) {
    let get = |name: &str| cx.env.get(name).map(|(v, at)| (v.trim().to_owned(), at.clone()));
    let (tenant, client) = (get(TENANT), get(CLIENT));
    let (secret, token_file, authority) = (get(SECRET), get(TOKEN_FILE), get(AUTHORITY));
    let proof = match (&secret, &token_file) {
        (Some((_, at)), _) => Some((SECRET, at.clone())),
        (None, Some((_, at))) => Some((TOKEN_FILE, at.clone())),
        (None, None) => None,
    };
    if let Some((set, at)) = &proof {
        let missing: Vec<&str> = [(TENANT, tenant.is_none()), (CLIENT, client.is_none())]
            .into_iter()
            .filter_map(|(name, missing)| missing.then_some(name))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            let message = format!("{set} is set, but {missing} is not");
            cx.error(at, message, "half a credential", format!("set {missing}, or unset {set}"));
        }
    }
    let authority_host = authority.and_then(|(host, at)| read_authority(cx, &host, &at));
    let variable = proof.map(|(name, _)| name.to_owned());
    let credentials = EntraCredentials {
        tenant_id: tenant.map(|(id, _)| id),
        client_id: client.map(|(id, _)| id),
        client_secret: secret.map(|(secret, _)| SecretString::from(secret)),
        federated_token_file: token_file.map(|(path, _)| PathBuf::from(path)),
        authority_host,
    };
    (credentials, variable)
}

fn read_authority(cx: &mut Cx, text: &str, at: &At) -> Option<String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match base::read(&url, &base::AUTHORITY) {
        Ok(base) => Some(base.url),
        Err((message, help)) => {
            cx.error(at, format!("{AUTHORITY}: {message}"), "not a URL", help);
            None
        }
    }
}

/// The version of a deployments path that says none: the newest that is no preview.
const CLASSIC: &str = "2024-10-21";
pub(crate) const API_KEY: &str = "AZURE_OPENAI_API_KEY";
pub(crate) const AD_TOKEN: &str = "AZURE_OPENAI_AD_TOKEN";
pub(crate) const ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";
const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_that_azure_shows_is_understood() {
        let host = "https://res.openai.azure.com";
        for (tail, deployment, version) in [
            ("", None, None),
            ("/", None, None),
            ("/openai", None, None),
            ("/openai/", None, None),
            ("/openai/v1", None, None),
            ("/openai/v1/", None, None),
            ("/openai/v1/chat/completions", None, None),
            ("/openai/responses?api-version=2025-04-01-preview", None, Some("2025-04-01-preview")),
            ("/openai/deployments/gpt-5", Some("gpt-5"), Some("2024-10-21")),
            ("/openai/deployments/gpt-5/", Some("gpt-5"), Some("2024-10-21")),
            (
                "/openai/deployments/my.gpt/chat/completions?api-version=2025-01-01-preview",
                Some("my.gpt"),
                Some("2025-01-01-preview"),
            ),
            ("/openai/deployments/", None, None),
        ] {
            let url = take_apart(&format!("{host}{tail}"));
            assert_eq!(url.base, host, "{tail}");
            assert_eq!(url.deployment.as_deref(), deployment, "{tail}");
            assert_eq!(url.api_version.as_deref(), version, "{tail}");
        }
        let prefixed = take_apart("https://gw.example/team/openai/v1");
        assert_eq!(prefixed.base, "https://gw.example/team");
        assert_eq!(take_apart("https://h/?x=1").base, "https://h/?x=1", "refused with the URL");
    }
}
