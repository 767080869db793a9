//! Sends what the cases ask and has them judge what came.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use gateway_upstream::{Client, Dialer, Encoding, Settings, SetupError, decode};
use http::HeaderMap;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};

use crate::case::Case;
use crate::cases::first;
use crate::exchange::{Ask, Chunk, End, Exchange, Reply, Setting};
use crate::report::{Report, Told};
use crate::target::Target;

/// Why nothing can be said of an endpoint at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The connection can't be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Nothing answers there.
    #[error("{url} does not answer: {why}")]
    Unreachable {
        /// The endpoint.
        url: String,
        /// Why.
        why: String,
    },
    /// It wants another key.
    #[error(
        "{url} refuses the key ({what}): give one by ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN, in the header that --auth says"
    )]
    Key {
        /// The endpoint.
        url: String,
        /// What it said.
        what: String,
    },
    /// It has no messages, or not this model.
    #[error(
        "{url} has no /v1/messages for the model {model} ({what}): is it the base URL, and does it know the model (--model)?"
    )]
    NotFound {
        /// The endpoint.
        url: String,
        /// The model that was asked for.
        model: String,
        /// What it said.
        what: String,
    },
}

/// How many requests the cases send at most, and how many of them ask a model, which costs money.
pub fn requests(cases: &[Case], setting: &Setting) -> (usize, usize) {
    let mut known = HashSet::new();
    let mut later = 0;
    for case in cases {
        known.extend(case.asks(0, setting, &[]));
        later += case.later_asks();
    }
    let billable = known.iter().filter(|ask| ask.is_billable()).count();
    (known.len() + later, billable + later)
}

/// Runs the cases and tells each as soon as it and those before it are done.
///
/// # Errors
/// Where nothing can be said: nobody answers, the key is refused, there is no such endpoint or model.
pub async fn run(
    target: &Target,
    setting: &Setting,
    cases: &[Case],
    mut on: impl FnMut(&Told),
) -> Result<Report, Trouble> {
    let dialer = Dialer::new(Settings::new(target.origin.clone()))?;
    let driver = Driver {
        target,
        client: Client::new(Arc::new(dialer), target.concurrency),
        answers: Mutex::default(),
    };
    driver.try_out(setting, cases).await?;
    let mut told = Vec::new();
    let mut running = futures_util::stream::iter(cases)
        .map(|case| driver.case(case, setting))
        .buffered(target.concurrency.max(1));
    while let Some(case) = running.next().await {
        on(&case);
        told.push(case);
    }
    drop(running);
    let requests = driver.answers.lock().unwrap_or_else(PoisonError::into_inner).len();
    Ok(Report { endpoint: target.url.clone(), model: setting.model.clone(), requests, cases: told })
}

type Answers = HashMap<Ask, Arc<OnceCell<Exchange>>>;

struct Driver<'t> {
    target: &'t Target,
    client: Client,
    answers: Mutex<Answers>,
}

impl Driver<'_> {
    /// Asks once before all else, so that what would be said of every case is said once.
    async fn try_out(&self, setting: &Setting, cases: &[Case]) -> Result<(), Trouble> {
        let asks = || cases.iter().flat_map(|case| case.asks(0, setting, &[]));
        let billable = asks().any(|ask| ask.is_billable());
        let ask = if billable { Some(first(setting)) } else { asks().next() };
        let Some(ask) = ask else { return Ok(()) };
        let exchange = self.exchange(ask).await;
        let url = self.target.url.clone();
        match exchange.outcome {
            Err(why) => Err(Trouble::Unreachable { url, why }),
            // Whatever a probe brings, the cases judge it.
            Ok(_) if !billable => Ok(()),
            Ok(reply) if [401, 403].contains(&reply.status) => {
                Err(Trouble::Key { url, what: reply.summary() })
            }
            Ok(reply) if reply.status == 404 => {
                let (model, what) = (setting.model.clone(), reply.summary());
                Err(Trouble::NotFound { url, model, what })
            }
            Ok(_) => Ok(()),
        }
    }

    async fn case(&self, case: &Case, setting: &Setting) -> Told {
        let mut done: Vec<Exchange> = Vec::new();
        for step in 0..case.steps() {
            let asks = case.asks(step, setting, &done);
            if asks.is_empty() {
                break;
            }
            let sent = asks.into_iter().map(|ask| self.exchange(ask));
            done.extend(futures_util::future::join_all(sent).await);
        }
        let took = done.iter().map(|exchange| exchange.took).max().unwrap_or_default();
        Told::new(case, case.verdict(setting, &done), took)
    }

    /// What comes of an ask; the same ask is sent once.
    async fn exchange(&self, ask: Ask) -> Exchange {
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(ask.clone()).or_default())
        };
        cell.get_or_init(|| self.patiently(&ask)).await.clone()
    }

    /// Asks again where the endpoint says that it will have room soon.
    async fn patiently(&self, ask: &Ask) -> Exchange {
        for _ in 0..RETRIES {
            let exchange = self.once(ask).await;
            let wait = exchange.outcome.as_ref().ok().and_then(pause);
            match wait {
                Some(wait) => sleep(wait).await,
                None => return exchange,
            }
        }
        self.once(ask).await
    }

    async fn once(&self, ask: &Ask) -> Exchange {
        let start = Instant::now();
        let outcome = self.reply(ask, start).await;
        Exchange { streaming: asks_for_stream(ask), outcome, took: start.elapsed() }
    }

    async fn reply(&self, ask: &Ask, start: Instant) -> Result<Reply, String> {
        let until = start + self.target.timeout;
        let call = self.target.call(ask).ok_or("it can't be written as a request")?;
        let sent = timeout_at(until, self.client.send(call)).await;
        let late = || format!("no reply within {} s", self.target.timeout.as_secs());
        let reply = sent.map_err(|_| late())?.map_err(|fault| fault.to_string())?;
        let (head, body) = reply.into_parts();
        let head_at = start.elapsed();
        let headers = texts(&head.headers);
        let mut body = plain(&headers, body);
        let mut chunks = Vec::new();
        let end = loop {
            match timeout_at(until, body.frame()).await {
                Err(_) => break End::TimedOut,
                Ok(None) => break End::Whole,
                Ok(Some(Err(_))) => break End::Cut,
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        chunks.push(Chunk { at: start.elapsed(), bytes });
                    }
                    if ask.leaves && !chunks.is_empty() {
                        break End::Left;
                    }
                    if chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>() > MOST {
                        break End::Left;
                    }
                }
            }
        };
        Ok(Reply { status: head.status.as_u16(), headers, head_at, chunks, end })
    }
}

fn asks_for_stream(ask: &Ask) -> bool {
    #[derive(serde::Deserialize)]
    struct Asked {
        #[serde(default)]
        stream: bool,
    }
    serde_json::from_slice::<Asked>(&ask.body).is_ok_and(|asked| asked.stream)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The body without its content coding.
fn plain(
    headers: &[(String, String)],
    body: gateway_upstream::Body,
) -> UnsyncBoxBody<Bytes, io::Error> {
    let coding = headers.iter().find(|(name, _)| name == "content-encoding");
    match coding.and_then(|(_, value)| Encoding::parse(value).ok().flatten()) {
        Some(encoding) => decode(encoding, body),
        None => body.map_err(io::Error::other).boxed_unsync(),
    }
}

/// How long an endpoint without room wants one to wait, if that is worth it.
fn pause(reply: &Reply) -> Option<Duration> {
    if ![429, 503, 529].contains(&reply.status) {
        return None;
    }
    let wait = Duration::from_secs(reply.header("retry-after")?.trim().parse().ok()?);
    (wait <= LONGEST_PAUSE).then_some(wait)
}

const RETRIES: usize = 2;
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Bytes of a body that are read at most.
const MOST: usize = 64 << 20;
