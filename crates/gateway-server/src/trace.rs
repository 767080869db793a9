//! What a request has gone through on its way to an answer. Shared with whoever is still on the way: the
//! reply may begin, or its caller leave, before that is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::record::{Exchange, Served};

/// The way of one request along its chain.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Walked>);

/// How far a request has come.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Who is asked, or was asked last.
    pub(crate) served: Option<Served>,
    pub(crate) attempts: u32,
    /// Everybody who was asked or passed over, in order.
    pub(crate) tried: Vec<Tried>,
    /// What the one who answers holds of its upstream's limits.
    pub(crate) holds: Vec<Box<dyn Hold>>,
}

/// One upstream that was asked, or passed over.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
    /// Which of its keys, from 0.
    pub(crate) key: usize,
    /// From the request's beginning.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) end: End,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not yet.
    Asked,
    /// With the answer.
    Answered,
    /// With this status.
    Status(StatusCode),
    /// It was not asked at all.
    Skipped(&'static str),
}

/// Something that is held until a reply is over.
pub(crate) trait Hold: std::fmt::Debug + Send {
    /// The reply is over; what is known of it is written down.
    fn settle(self: Box<Self>, exchange: &Exchange);
}

impl Trace {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Walked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    /// For people: `anthropic:529`.
    pub(crate) fn told(&self) -> String {
        let end = match &self.end {
            End::Asked => "left".to_owned(),
            End::Answered => "ok".to_owned(),
            End::Status(status) => status.as_u16().to_string(),
            End::Skipped(why) => (*why).to_owned(),
        };
        format!("{}:{end}", self.provider)
    }
}
