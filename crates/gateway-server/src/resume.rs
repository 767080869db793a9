//! The rest of a reply whose upstream stopped in the middle and said how to go on.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use gateway_translate::Splice;
use gateway_types::{ApiError, Endpoint, ErrorKind};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use tokio::time::timeout;

use crate::attempt::{Ask, Framing};
use crate::desk::Worker;
use crate::foreign;
use crate::upbody::UpBody;

/// What every request for more of one reply has in common.
pub(crate) struct Resume {
    pub(crate) worker: Arc<Worker>,
    pub(crate) provider: usize,
    pub(crate) endpoint: Endpoint,
    pub(crate) streaming: bool,
    pub(crate) model: String,
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) id: String,
}

impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The rest of a reply, on its way.
pub(crate) type Rest = Pin<Box<dyn Future<Output = Result<UpBody, ApiError>> + Send>>;

impl Resume {
    /// Asks for more.
    pub(crate) fn rest(self: &Arc<Self>, body: String) -> Rest {
        let this = self.clone();
        Box::pin(async move { this.ask(body.into()).await })
    }

    async fn ask(&self, body: Bytes) -> Result<UpBody, ApiError> {
        let provider = &self.worker.runtime.providers[self.provider];
        let reserved = crate::intake::reserve(&self.worker.runtime, body.len() as u64)?;
        let ask = Ask {
            provider: self.provider,
            endpoint: self.endpoint,
            model: self.model.clone(),
            streaming: self.streaming,
            method: Method::POST,
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: Splice::none(body),
            reserved: vec![reserved],
            rename: None,
            id: self.id.clone(),
            framing: Framing::Events,
        };
        let limit = provider.timeouts.first_byte;
        let heads = foreign::heads(&self.worker, &self.model, 0, ask);
        match timeout(limit, heads).await {
            Ok(Ok((_, body))) => Ok(body),
            Ok(Err(failed)) => Err(failed.told()),
            Err(_) => {
                let text = format!("{} did not go on within {} s", provider.name, limit.as_secs());
                Err(ApiError::new(ErrorKind::Timeout, text))
            }
        }
    }
}
