//! The gateway's own HTTP client, as AWS's crates want to see it.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::http::{Ask, Http};

/// Sends what the chain asks.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: Arc<Http>,
    limit: Option<Duration>,
}

impl Transport {
    pub(crate) fn new(http: Arc<Http>) -> Self {
        Self { http, limit: None }
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limit = settings.read_timeout().or(settings.connect_timeout());
        SharedHttpConnector::new(Self { http: self.http.clone(), limit })
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { http, limit } = self.clone();
        HttpConnectorFuture::new(async move {
            let mut ask = asked(&request).map_err(|why| ConnectorError::user(why.into()))?;
            ask.within = limit;
            let answer = http.send("AWS", ask).await;
            let answer = answer.map_err(|fault| ConnectorError::io(fault.into()))?;
            let status = answer.status.as_u16().try_into();
            let status = status.map_err(|_| ConnectorError::user("a strange status".into()))?;
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            for (name, value) in &answer.head {
                if let Ok(value) = value.to_str() {
                    let _ = response
                        .headers_mut()
                        .try_append(name.as_str().to_owned(), value.to_owned());
                }
            }
            Ok(response)
        })
    }
}

fn asked(request: &HttpRequest) -> Result<Ask, &'static str> {
    // What the chain sends is small and in memory.
    let body = request.body().bytes().ok_or("a streamed body")?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name = HeaderName::try_from(name).map_err(|_| "a strange header")?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| "a strange header")?);
    }
    Ok(Ask {
        method: Method::try_from(request.method()).map_err(|_| "a strange method")?,
        url: request.uri().to_owned(),
        headers,
        body: Bytes::copy_from_slice(body),
        within: None,
    })
}
