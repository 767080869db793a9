//! Credentials against scripted servers on the loopback interface.

mod aws;
#[cfg(feature = "aws-chain")]
mod chain;
mod entra;
#[cfg(feature = "gcp")]
mod google;
mod server;
mod sigv4;

use gateway_cloud::{CloudError, Credentials, Unsigned};
use http::{HeaderMap, Method};

/// A credential's answer to a plain request.
async fn authorized(credentials: &Credentials) -> Result<HeaderMap, CloudError> {
    let url = "https://upstream.example/v1/x";
    let mut headers = HeaderMap::new();
    let request = Unsigned { method: &Method::POST, url, body: &[b"{}"] };
    credentials.authorize(&request, &mut headers).await?;
    Ok(headers)
}

/// The `authorization` that a credential gives.
async fn authorization(credentials: &Credentials) -> Result<String, CloudError> {
    let headers = authorized(credentials).await?;
    assert!(headers["authorization"].is_sensitive());
    Ok(headers["authorization"].to_str().expect("ASCII").to_owned())
}

/// The error of credentials that can't be had, at whichever point it comes.
async fn fault(credentials: Result<Credentials, CloudError>) -> CloudError {
    match credentials {
        Err(fault) => fault,
        Ok(credentials) => authorized(&credentials).await.expect_err("no credentials"),
    }
}

#[cfg(not(all(feature = "aws-chain", feature = "gcp")))]
#[tokio::test]
async fn a_build_that_lacks_something_says_so() {
    use gateway_cloud::{AwsSettings, CloudErrorKind, Env, GoogleSettings, Route};

    if cfg!(not(feature = "gcp")) {
        let fault = fault(Credentials::google(GoogleSettings::default())).await;
        assert_eq!(fault.kind(), CloudErrorKind::Unsupported);
        assert!(fault.to_string().contains("feature `gcp`"), "{fault}");
    }
    if cfg!(not(feature = "aws-chain")) {
        for profile in [None, Some("work".to_owned())] {
            let (region, service) = ("us-east-1".to_owned(), "bedrock".to_owned());
            let settings = AwsSettings {
                keys: None,
                profile,
                config_file: None,
                credentials_file: None,
                region,
                service,
                env: Env::fixed([]),
                route: Route::default(),
            };
            let fault = fault(Credentials::aws(settings)).await;
            assert_eq!(fault.kind(), CloudErrorKind::Unsupported);
            assert!(fault.to_string().contains("feature `aws-chain`"), "{fault}");
        }
    }
}
