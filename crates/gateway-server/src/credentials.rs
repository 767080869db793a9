//! From a provider's configuration to the credentials of its cloud.

use gateway_cloud::{
    AwsKeys, AwsSettings, CloudError, Credentials, EntraSettings, Env, GoogleSettings, Route,
};
use gateway_config::{Auth, AwsCredentials, Provider};
use secrecy::{ExposeSecret, SecretString};

/// The service that requests to Bedrock are signed for: that of its runtime, by whatever host it is
/// asked, unless that is the one which has a service of its own.
fn service(provider: &Provider) -> &'static str {
    const RUNTIME: &str = "bedrock";
    const MANTLE: &str = "bedrock-mantle";
    let base = provider.api_base.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
    let host = base.as_ref().and_then(http::Uri::host).unwrap_or_default();
    // Behind a private endpoint it is not the first label.
    let is_mantle = host.split('.').any(|label| label.eq_ignore_ascii_case(MANTLE));
    if is_mantle { MANTLE } else { RUNTIME }
}

/// What proves to a cloud who asks; `route` leads to those who give out tokens. Only for providers that are configured so.
pub(crate) fn of(provider: &Provider, route: Route) -> Result<Credentials, CloudError> {
    let plain = |secret: &SecretString| secret.expose_secret().into();
    match &provider.auth {
        Auth::Google(google) => Credentials::google(GoogleSettings {
            file: google.file.clone(),
            quota_project: None,
            env: Env::process(),
            route,
        }),
        Auth::AzureAd(entra) => Credentials::entra(EntraSettings {
            tenant_id: entra.tenant_id.clone(),
            client_id: entra.client_id.clone(),
            client_secret: entra.client_secret.as_ref().map(plain),
            federated_token_file: entra.federated_token_file.clone(),
            authority_host: entra.authority_host.clone(),
            scope: None,
            env: Env::process(),
            route,
        }),
        auth => {
            let given = match auth {
                Auth::Aws(given) => given.clone(),
                _ => AwsCredentials::default(),
            };
            Credentials::aws(aws(provider, given, route))
        }
    }
}

fn aws(provider: &Provider, given: AwsCredentials, route: Route) -> AwsSettings {
    let plain = |secret: &SecretString| secret.expose_secret().into();
    AwsSettings {
        keys: given.keys.map(|keys| AwsKeys {
            access_key_id: keys.access_key_id,
            secret_access_key: plain(&keys.secret_access_key),
            session_token: keys.session_token.as_ref().map(plain),
        }),
        profile: given.profile,
        config_file: given.config_file,
        credentials_file: given.credentials_file,
        region: provider.extra.region.clone().unwrap_or_default(),
        service: service(provider).to_owned(),
        env: Env::process(),
        route,
    }
}

#[cfg(test)]
mod tests {
    use gateway_anthropic::hosted::Host;
    use gateway_cloud::Unsigned;
    use gateway_config::{Sources, load};
    use http::{HeaderMap, Method};

    use super::*;
    use crate::egress;

    /// A provider `bedrock` with these keys, and AWS keys in the environment.
    fn bedrock(keys: &str) -> Provider {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("gateway.yaml");
        let yaml = format!("providers:\n  bedrock: {{{keys}}}\n");
        std::fs::write(&file, yaml).expect("written");
        let mut sources = Sources::empty(dir.path());
        sources.overrides.config = Some(file);
        for (name, value) in [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "shh")] {
            sources.env.insert(name.to_owned(), value.to_owned());
        }
        let loaded = load(&sources).unwrap_or_else(|faults| panic!("{keys}: {faults:?}"));
        loaded.config.providers.into_iter().next().expect("one")
    }

    #[tokio::test]
    async fn a_signature_names_the_service_of_the_host() {
        for (keys, service, host) in [
            ("extra: {region: us-east-1}", "bedrock", Host::Bedrock),
            ("extra: {region: us-east-1, api: messages}", "bedrock", Host::BedrockMessages),
            (
                "api_base: 'https://bedrock-mantle.us-east-1.api.aws', extra: {api: messages}",
                "bedrock-mantle",
                Host::BedrockMessages,
            ),
            (
                "api_base: 'http://127.0.0.1:9/bedrock-mantle', extra: {region: us-east-1}",
                "bedrock",
                Host::Bedrock,
            ),
        ] {
            let provider = bedrock(keys);
            assert_eq!(egress::host(&provider), Some(host), "{keys}");
            let credentials = of(&provider, Route::default()).expect("valid");
            let request = Unsigned { method: &Method::POST, url: "https://h/x", body: &[] };
            let mut headers = HeaderMap::new();
            credentials.authorize(&request, &mut headers).await.expect("signed");
            let signature = headers["authorization"].to_str().expect("ASCII");
            let scope = format!("/us-east-1/{service}/aws4_request");
            assert!(signature.contains(&scope), "{keys}: {signature}");
        }
    }

    #[test]
    fn files_of_profiles_are_handed_on() {
        let keyless = AwsCredentials {
            config_file: Some("/c".into()),
            credentials_file: Some("/s".into()),
            ..AwsCredentials::default()
        };
        let provider = bedrock("extra: {region: us-east-1}");
        let settings = aws(&provider, keyless, Route::default());
        assert_eq!(settings.config_file, Some("/c".into()));
        assert_eq!(settings.credentials_file, Some("/s".into()));
    }
}
