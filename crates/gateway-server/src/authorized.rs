//! Requests whose credential belongs to one request or does not last: signed, or with a token that is
//! renewed.

use bytes::Bytes;
use gateway_cloud::{CloudError, CloudErrorKind, Credentials, Unsigned};
use gateway_config::Kind;
use gateway_translate::Redactor;
use gateway_types::{ApiError, ErrorKind};
use gateway_upstream::{Call, Outgoing};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::attempt::{self, Ask, MAX_ERROR_BYTES};
use crate::desk::Worker;
use crate::runtime::Provider;
use crate::upbody::{Collected, UpBody, collect};

const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Sends a request under credentials of a cloud's, and once more under new ones where the refusal
/// says that this may help.
pub(crate) async fn exchange(
    worker: &Worker,
    credentials: &Credentials,
    ask: Ask,
) -> Result<(http::response::Parts, UpBody), ApiError> {
    let provider = &worker.runtime.providers[ask.provider];
    let url = format!("{}{}", provider.origin, ask.path);
    let mut first = true;
    loop {
        let mut headers = ask.headers.clone();
        let pieces: Vec<&[u8]> = ask.body.parts.iter().map(|part| &**part).collect();
        let unsigned = Unsigned { method: &ask.method, url: &url, body: &pieces };
        let authorized = credentials.authorize(&unsigned, &mut headers).await;
        authorized.map_err(|fault| no_credential(provider, fault))?;
        let masks = Redactor::new(secrets(&headers).iter().map(String::as_str));
        let call = Call {
            method: ask.method.clone(),
            path: ask.path.clone(),
            headers,
            body: Outgoing::Parts(ask.body.parts.clone()),
        };
        let (head, body) =
            attempt::decoded(provider, attempt::send(worker, ask.provider, call).await?)?;
        if head.status.is_success() || head.status.is_redirection() {
            return Ok((head, body));
        }
        let bytes = match collect(body, MAX_ERROR_BYTES, None).await {
            Collected::Whole(bytes) | Collected::TooLarge(bytes) => bytes,
            Collected::Cut(_) => Bytes::new(),
        };
        let may_help = credentials.refused(head.status, &head.headers, &bytes);
        if std::mem::take(&mut first) && may_help {
            continue;
        }
        // A refused signature is answered with all that was signed, the session's token among it.
        let bytes = Bytes::from(masks.mask(&bytes).into_owned());
        return Ok((head, UpBody::Read(Some(bytes))));
    }
}

fn secrets(headers: &HeaderMap) -> Vec<String> {
    let shown = [AUTHORIZATION, SESSION_TOKEN].into_iter().filter_map(|name| headers.get(name));
    let shown = shown.filter_map(|value| value.to_str().ok());
    shown.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).to_owned()).collect()
}

/// The caller can't do anything about it, so it is not to try again. Where it was looked and what was
/// found there is for the log: paths, profiles, words of other programs.
fn no_credential(provider: &Provider, fault: CloudError) -> ApiError {
    let name = &provider.name;
    if fault.is_transient() {
        let text = format!("{name}: whoever gives out its credentials can't be reached");
        return ApiError::new(ErrorKind::BadGateway, text).with_source(fault);
    }
    let what = match fault.kind() {
        CloudErrorKind::Missing => "has no credentials",
        CloudErrorKind::Refused => "has credentials that have expired or are refused",
        CloudErrorKind::Unsupported => "has credentials of a kind that can't be used here",
        _ => "has credentials that can't be used as they are",
    };
    let text = format!("{name} {what}; {} (the gateway's log says more)", remedy(provider));
    ApiError::new(ErrorKind::Authentication, text).with_should_retry(false).with_source(fault)
}

/// What to do about the credentials of a cloud.
pub(crate) fn remedy(provider: &Provider) -> &'static str {
    match provider.kind {
        Kind::Vertex => {
            "run `gcloud auth application-default login` where the gateway runs, or set \
             GOOGLE_APPLICATION_CREDENTIALS"
        }
        Kind::Bedrock => {
            "run `aws sso login` where the gateway runs, or set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
        }
        _ => "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    }
}
