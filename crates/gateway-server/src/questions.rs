//! What upstreams say of their models, asked before a request is written and remembered for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_translate::{Question, Splice};
use gateway_types::Endpoint;
use http::Method;
use tokio::time::{Instant, timeout};

use crate::asked::Draft;
use crate::attempt::{self, Ask, Framing};
use crate::desk::Worker;
use crate::foreign::headers_for;
use crate::upbody::{Collected, collect};

/// A model is pulled anew or given another window now and then: after this long it is asked again. What
/// was known stays until another answer comes, since a model is loaded anew when what is
/// asked of it changes.
const FRESH: Duration = Duration::from_secs(600);

/// After a question without an answer the next one waits this long.
const PAUSE: Duration = Duration::from_secs(10);

/// An upstream that does not answer in time is asked without knowing: what is missing then is told
/// by its dialect.
const LIMIT: Duration = Duration::from_secs(5);

/// Callers choose the names of models: no more answers than this are kept, nor more bytes.
const MOST: usize = 256;
const MOST_BYTES: usize = 16 << 20;

/// Longest answer that is read, in bytes: those of Ollama hold a whole licence.
const MAX_BYTES: usize = 4 << 20;

/// The answers of one upstream, by model.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: Mutex<HashMap<String, Known>>,
    /// Held by the one who asks; the others take what he gets.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    answer: Option<Bytes>,
    again: Instant,
}

impl Answers {
    /// What is known, and whether it is time to ask.
    fn of(&self, model: &str) -> (Option<Bytes>, bool) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(model) {
            Some(known) => (known.answer.clone(), known.again <= Instant::now()),
            None => (None, true),
        }
    }

    fn keep(&self, model: &str, answer: Option<Bytes>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if answer.is_some() { FRESH } else { PAUSE };
        let old = known.remove(model).and_then(|known| known.answer);
        let answer = answer.or(old);
        let size = |answer: &Option<Bytes>| answer.as_ref().map_or(0, Bytes::len);
        let held: usize = known.values().map(|known| size(&known.answer)).sum();
        if known.len() >= MOST || held + size(&answer) > MOST_BYTES {
            known.clear();
        }
        known.insert(model.to_owned(), Known { answer, again: Instant::now() + pause });
    }
}

/// What the upstream says of the model, if its dialect has to know and it answers.
pub(crate) async fn about(worker: &Worker, draft: &Draft<'_>) -> Option<Bytes> {
    let answers = &draft.provider.live.answers;
    let question = draft.provider.egress.as_deref()?.question(draft.model)?;
    let (known, due) = answers.of(draft.model);
    if !due {
        return known;
    }
    let _one = answers.asking.lock().await;
    let (known, due) = answers.of(draft.model);
    if !due {
        return known;
    }
    let answer = timeout(LIMIT, ask(worker, draft, question)).await.ok().flatten();
    answers.keep(draft.model, answer);
    answers.of(draft.model).0
}

async fn ask(worker: &Worker, draft: &Draft<'_>, question: Question) -> Option<Bytes> {
    let (asked, provider) = (draft.asked, draft.provider);
    let ask = Ask {
        provider: draft.index,
        endpoint: Endpoint::Messages,
        model: draft.model.to_owned(),
        streaming: false,
        method: if question.body.is_some() { Method::POST } else { Method::GET },
        path: format!("{}{}", provider.base_path, question.path).parse().ok()?,
        headers: headers_for(worker, provider, 0, &asked.headers, &http::HeaderMap::new(), false),
        body: Splice::none(question.body.unwrap_or_default().into()),
        reserved: Vec::new(),
        rename: None,
        id: asked.id.clone(),
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
