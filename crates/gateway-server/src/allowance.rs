//! How much one upstream is given at most (`providers.*.limits`): requests at once, requests and tokens a minute,
//! with one queue before all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_resilience::limits::{Rates, Reserved};
use gateway_resilience::places::Priority;
use gateway_resilience::settings::UpstreamLimits;
use gateway_types::UsageQuality;
use http::StatusCode;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::record::Exchange;
use crate::seat::Cost;
use crate::trace::Hold;

/// The books of one upstream's limits. They outlive a reload that leaves the upstream the same.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Whether there is any limit at all.
    limited: AtomicBool,
    /// Whether tokens are limited: only then anybody's are estimated.
    tokens: AtomicBool,
    books: Mutex<Books>,
}

/// Who is first waits for a place and for the rates, and takes all of it at once: who waits for a rate keeps nobody
/// from a place, and nobody small slips past somebody large.
#[derive(Debug)]
struct Books {
    rates: Rates,
    concurrent: Option<u64>,
    queue: u64,
    inside: u64,
    last: u64,
    waiting: BTreeMap<Ticket, Waiter>,
}

/// In the order of service: whom a person waits for before all others, then as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    background: bool,
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    cost: Cost,
    turn: oneshot::Sender<Granted>,
    /// Told that it may be the first now, or that it will be served at another time.
    stirred: Arc<Notify>,
}

/// An attempt's share. Dropped, it is over before anybody knows what was used: the prompt, at least, was read.
#[derive(Debug)]
pub(crate) struct Granted {
    allowance: Arc<Allowance>,
    reserved: Option<Reserved>,
    cost: Cost,
    /// Whether the attempt has begun.
    sent: bool,
}

/// The upstream has too much to do, and its queue is full or too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

const ORDER: Ordering = Ordering::Relaxed;

impl Allowance {
    pub(crate) fn new(limits: &UpstreamLimits) -> Self {
        Self {
            limited: AtomicBool::new(is_limit(limits)),
            tokens: AtomicBool::new(limits.tokens_per_minute.is_some()),
            books: Mutex::new(Books {
                rates: Rates::new(limits.requests_per_minute, limits.tokens_per_minute),
                concurrent: limits.concurrent,
                queue: limits.queue,
                inside: 0,
                last: 0,
                waiting: BTreeMap::new(),
            }),
        }
    }

    /// Other limits from now on. What has been used stays used, who is served or waits stays.
    pub(crate) fn set(self: &Arc<Self>, limits: &UpstreamLimits) {
        self.limited.store(is_limit(limits), ORDER);
        self.tokens.store(limits.tokens_per_minute.is_some(), ORDER);
        {
            let mut books = self.books();
            books.rates.set(limits.requests_per_minute, limits.tokens_per_minute);
            (books.concurrent, books.queue) = (limits.concurrent, limits.queue);
        }
        self.serve();
    }

    /// Whether there is any limit at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(ORDER)
    }

    /// How many are served at once, and how many wait.
    pub(crate) fn gauge(&self) -> (u64, u64) {
        let books = self.books();
        (books.inside, books.waiting.len() as u64)
    }

    /// A share for a request, as soon as there is one. What it costs and how urgent it is are asked for only where
    /// that matters.
    ///
    /// # Errors
    /// The queue is full, or there is none until `end`.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        priority: impl FnOnce() -> Priority,
        cost: impl FnOnce() -> Cost,
        end: Instant,
    ) -> Result<Granted, Crowded> {
        let cost = if self.tokens.load(ORDER) { cost() } else { Cost::default() };
        let mut granted = match self.at_once(cost)? {
            Some(granted) => granted,
            None => match self.line_up(priority(), cost)? {
                Turn::Now(granted) => granted,
                Turn::Later(waiting) => waiting.until(end).await?,
            },
        };
        granted.sent = true;
        Ok(granted)
    }

    /// A share, if nobody waits and there is one.
    fn at_once(self: &Arc<Self>, cost: Cost) -> Result<Option<Granted>, Crowded> {
        let mut books = self.books();
        if books.waiting.is_empty()
            && let Some(reserved) = books.take(cost)
        {
            return Ok(Some(self.granted(reserved, cost)));
        }
        // Whoever it is, there is nobody whom it could pass.
        let passes_nobody = books.waiting.last_key_value().is_none_or(|(last, _)| !last.background);
        if books.is_full() && passes_nobody { Err(Crowded) } else { Ok(None) }
    }

    fn line_up(self: &Arc<Self>, priority: Priority, cost: Cost) -> Result<Turn, Crowded> {
        let mut books = self.books();
        books.last += 1;
        let background = priority == Priority::Background;
        let ticket = Ticket { background, number: books.last };
        if books.waiting.first_key_value().is_none_or(|(first, _)| ticket < *first)
            && let Some(reserved) = books.take(cost)
        {
            return Ok(Turn::Now(self.granted(reserved, cost)));
        }
        if books.is_full() {
            return Err(Crowded);
        }
        let (sender, turn) = oneshot::channel();
        let stirred = Arc::new(Notify::new());
        books.waiting.insert(ticket, Waiter { cost, turn: sender, stirred: stirred.clone() });
        Ok(Turn::Later(Waiting { allowance: self.clone(), ticket, turn, stirred }))
    }

    /// Lets in who can be, and tells who is first then.
    fn serve(self: &Arc<Self>) {
        let mut served = Vec::new();
        {
            let mut books = self.books();
            while let Some((waiter, reserved)) = books.next() {
                served.push((waiter.turn, self.granted(reserved, waiter.cost)));
            }
            if let Some((_, first)) = books.waiting.first_key_value() {
                first.stirred.notify_one();
            }
        }
        // Not while the books are open: the share of one who has just left comes back here.
        for (turn, granted) in served {
            drop(turn.send(granted));
        }
    }

    fn granted(self: &Arc<Self>, reserved: Reserved, cost: Cost) -> Granted {
        Granted { allowance: self.clone(), reserved: Some(reserved), cost, sent: false }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_limit(limits: &UpstreamLimits) -> bool {
    limits.concurrent.is_some()
        || limits.requests_per_minute.is_some()
        || limits.tokens_per_minute.is_some()
}

impl Books {
    /// A place and a part of the rates, or nothing of either.
    fn take(&mut self, cost: Cost) -> Option<Reserved> {
        if !self.has_room() {
            return None;
        }
        let reserved = self.rates.take(Instant::now().into_std(), cost.tokens()).ok()?;
        self.inside += 1;
        Some(reserved)
    }

    /// Who waits and is let in now.
    fn next(&mut self) -> Option<(Waiter, Reserved)> {
        let cost = self.waiting.first_key_value()?.1.cost;
        let reserved = self.take(cost)?;
        let (_, waiter) = self.waiting.pop_first()?;
        Some((waiter, reserved))
    }

    /// When the rates let in the one with this ticket; `None`: something else has to happen first.
    fn due(&mut self, ticket: Ticket) -> Option<Due> {
        let (first, waiter) = self.waiting.first_key_value()?;
        if *first != ticket || !self.has_room() {
            return None;
        }
        let now = Instant::now();
        match self.rates.take(now.into_std(), waiter.cost.tokens()) {
            Ok(reserved) => {
                self.rates.give_back(now.into_std(), reserved);
                Some(Due(Some(now)))
            }
            Err(much) => Some(Due(now.checked_add(much.wait))),
        }
    }

    fn has_room(&self) -> bool {
        self.concurrent.is_none_or(|limit| self.inside < limit)
    }

    fn is_full(&self) -> bool {
        self.waiting.len() as u64 >= self.queue
    }
}

/// At this time, or never.
struct Due(Option<Instant>);

enum Turn {
    Now(Granted),
    Later(Waiting),
}

/// Somebody in the queue, who leaves it when this is dropped.
struct Waiting {
    allowance: Arc<Allowance>,
    ticket: Ticket,
    turn: oneshot::Receiver<Granted>,
    stirred: Arc<Notify>,
}

impl Waiting {
    async fn until(mut self, end: Instant) -> Result<Granted, Crowded> {
        loop {
            let due = self.allowance.books().due(self.ticket);
            let next = match due {
                None => end,
                Some(Due(Some(due))) if due < end => due,
                // Somebody else may be asked meanwhile.
                Some(Due(_)) => return Err(Crowded),
            };
            tokio::select! {
                biased;
                Ok(granted) = &mut self.turn => return Ok(granted),
                () = self.stirred.notified() => {}
                () = sleep_until(next) => {
                    if Instant::now() >= end {
                        return Err(Crowded);
                    }
                    self.allowance.serve();
                }
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let left = self.allowance.books().waiting.remove(&self.ticket);
        if left.is_some() {
            self.allowance.serve();
        }
    }
}

impl Granted {
    /// The attempt brought no answer. What an upstream refuses uses no tokens, but whether one that is late has
    /// begun to work nobody knows.
    pub(crate) fn failed(mut self, status: StatusCode) {
        if status != StatusCode::GATEWAY_TIMEOUT {
            self.end(Some(0));
        }
    }

    /// It used so many tokens; `None`: it was never made.
    fn end(&mut self, used: Option<u64>) {
        let Some(reserved) = self.reserved.take() else { return };
        let now = Instant::now().into_std();
        {
            let mut books = self.allowance.books();
            match used {
                Some(used) => books.rates.settle(now, reserved, used),
                None => books.rates.give_back(now, reserved),
            }
            books.inside = books.inside.saturating_sub(1);
        }
        self.allowance.serve();
    }
}

impl Hold for Granted {
    /// Where nobody says what an answer cost, it is what was thought before.
    fn settle(mut self: Box<Self>, exchange: &Exchange) {
        let used = match exchange.quality {
            UsageQuality::Unknown => self.cost.tokens(),
            UsageQuality::Partial if !exchange.tells_prompt() => {
                self.cost.prompt().saturating_add(exchange.counted())
            }
            _ => exchange.counted(),
        };
        self.end(Some(used));
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.end(self.sent.then(|| self.cost.prompt()));
    }
}

#[cfg(test)]
mod tests;
