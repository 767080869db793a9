//! From a provider's configuration to the credentials of its cloud.

use gateway_cloud::{
    AwsKeys, AwsSettings, CloudError, Credentials, EntraSettings, Env, GoogleSettings, Route,
};
use gateway_config::{Auth, Provider};
use secrecy::{ExposeSecret, SecretString};

/// The service that requests to Bedrock are signed for, by whatever host it is asked.
const BEDROCK: &str = "bedrock";

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
                _ => gateway_config::AwsCredentials::default(),
            };
            Credentials::aws(AwsSettings {
                keys: given.keys.map(|keys| AwsKeys {
                    access_key_id: keys.access_key_id,
                    secret_access_key: plain(&keys.secret_access_key),
                    session_token: keys.session_token.as_ref().map(plain),
                }),
                profile: given.profile,
                config_file: given.config_file,
                credentials_file: given.credentials_file,
                region: provider.extra.region.clone().unwrap_or_default(),
                service: BEDROCK.to_owned(),
                env: Env::process(),
                route,
            })
        }
    }
}
