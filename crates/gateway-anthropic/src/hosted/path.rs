//! Where a host wants its requests.

use gateway_translate::path_segment;
use gateway_types::{ApiError, Endpoint, ErrorKind};

use super::{Host, HostCx, refuse};

/// The path of a request.
pub(super) fn of(host: &Host, cx: &HostCx<'_>) -> Result<String, ApiError> {
    let model = segment(cx.model, "the model's name")?;
    match host {
        Host::Vertex { project, location } => {
            let project = segment(project, "the project")?;
            let location = segment(location, "the location")?;
            let (model, verb) = match (cx.endpoint, cx.stream) {
                (Endpoint::CountTokens, _) => ("count-tokens".to_owned(), "rawPredict"),
                (Endpoint::Messages, true) => (model, "streamRawPredict"),
                (Endpoint::Messages, false) => (model, "rawPredict"),
            };
            Ok(format!(
                "/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:{verb}"
            ))
        }
        Host::BedrockMessages => Ok(format!("/anthropic/v1{}", cx.endpoint.path())),
        Host::Bedrock if cx.endpoint == Endpoint::CountTokens => match bare_id(cx.model) {
            Some(bare) => Ok(format!("/model/{}/count-tokens", segment(bare, "the model's name")?)),
            None => Err(refuse(
                ErrorKind::Internal,
                "this model's tokens can't be counted by Bedrock; they have to be estimated".into(),
            )),
        },
        Host::Bedrock => {
            let verb = if cx.stream { "invoke-with-response-stream" } else { "invoke" };
            Ok(format!("/model/{model}/{verb}"))
        }
    }
}

/// The id of the model itself, without the region of an inference profile. `None`: it is an ARN or a name
/// that Bedrock does not give to models.
pub(super) fn bare_id(model: &str) -> Option<&str> {
    if model.starts_with("arn:") || model.contains('/') {
        return None;
    }
    let at = model.find("anthropic.")?;
    let place = &model[..at];
    let is_place = place.is_empty()
        || place.strip_suffix('.').is_some_and(|place| {
            !place.is_empty() && place.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        });
    is_place.then(|| &model[at..])
}

/// One segment of a path. A `:` or a `/` left as it is would lead elsewhere: an ARN has both.
fn segment(text: &str, what: &str) -> Result<String, ApiError> {
    if matches!(text, "" | "." | "..") {
        let told = format!("{what} is `{text}`, which can't be part of an address");
        return Err(refuse(ErrorKind::NotFound, told));
    }
    Ok(path_segment(text))
}
