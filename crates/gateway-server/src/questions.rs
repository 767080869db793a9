//! What upstreams say of their models, asked before a request is written and remembered for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_translate::{Question, Splice};
use gateway_types::Endpoint;
use http::Method;
use tokio::time::{Instant, timeout};

use crate::attempt::{self, Ask, Framing};
use crate::foreign::{Job, headers_for};
use crate::runtime::Worker;
use crate::upbody::{Collected, collect};

/// A model is pulled anew or given another window now and then.
const KEPT: Duration = Duration::from_secs(600);

/// An upstream that does not answer in time is asked without knowing: what is missing then is told
/// by its dialect.
const LIMIT: Duration = Duration::from_secs(5);

/// Callers choose the names of models: no more answers than this are kept.
const MOST: usize = 256;

/// Longest answer that is read, in bytes: those of Ollama hold a whole licence.
const MAX_BYTES: usize = 4 << 20;

/// The answers of one upstream, by model.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<HashMap<String, (Instant, Bytes)>>);

impl Answers {
    fn known(&self, model: &str) -> Option<Bytes> {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (asked, _)| now < *asked + KEPT);
        known.get(model).map(|(_, answer)| answer.clone())
    }

    fn keep(&self, model: &str, answer: Bytes) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(model.to_owned(), (Instant::now(), answer));
    }
}

/// What the upstream says of the job's model, if its dialect has to know and it answers.
pub(crate) async fn about(worker: &Worker, job: &Job) -> Option<Bytes> {
    let provider = &worker.runtime.providers[job.provider];
    let question = provider.egress.as_deref()?.question(&job.model)?;
    if let Some(known) = provider.answers.known(&job.model) {
        return Some(known);
    }
    let answer = timeout(LIMIT, ask(worker, job, question)).await.ok()??;
    provider.answers.keep(&job.model, answer.clone());
    Some(answer)
}

async fn ask(worker: &Worker, job: &Job, question: Question) -> Option<Bytes> {
    let provider = &worker.runtime.providers[job.provider];
    let ask = Ask {
        provider: job.provider,
        endpoint: Endpoint::Messages,
        model: job.model.clone(),
        streaming: false,
        method: if question.body.is_some() { Method::POST } else { Method::GET },
        path: format!("{}{}", provider.base_path, question.path).parse().ok()?,
        headers: headers_for(worker, provider, &job.headers, &http::HeaderMap::new(), false),
        body: Splice::none(question.body.unwrap_or_default().into()),
        reserved: Vec::new(),
        rename: None,
        id: job.id.clone(),
        started: Instant::now(),
        patience: None,
        framing: Framing::Events,
    };
    let (head, body) = attempt::exchange_heads(worker, ask).await.ok()?;
    if !head.status.is_success() {
        return None;
    }
    match collect(body, MAX_BYTES, None).await {
        Collected::Whole(bytes) => Some(bytes),
        Collected::TooLarge(_) | Collected::Cut(_) => None,
    }
}
