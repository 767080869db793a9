//! What a request holds of its caller's limits, from its admission to its end.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_models::{Estimate, Family};
use gateway_resilience::limits::What;
use gateway_resilience::places::Priority;
use gateway_types::{ApiError, ErrorKind, Usage, UsageQuality};
use tokio::time::{Instant, timeout_at};

use crate::clients::Client;
use crate::intake;
use crate::meter::{Held, Meter, Rate, counted};
use crate::places::{Full, Place, Places, Turn};
use crate::record::{Exchange, Limit, LimitedBy, Outcome};

/// Claude Code waits for this long at most, holding the request, and gives up at once beyond (R36).
pub(crate) const HELD: u64 = 59;

/// What tells it to give up: its own limit, and a second for those who read that limit otherwise.
const GIVE_UP: u64 = 61;

/// Bodies up to this size are estimated by their size alone, which costs nothing. Beyond, a few
/// images may be most of a body and still few tokens, so it is looked at.
const BY_SIZE: usize = 256 << 10;

/// Bytes of a body that make a token, about.
pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// Few answers are longer, though callers allow for many times as much.
const LONGEST_ANSWER: u64 = 4096;

/// What a request is expected to cost, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    prompt: u64,
    answer: u64,
}

impl Cost {
    /// Of a Messages request, for a model of `family`, which is asked for only where it matters.
    pub(crate) fn of(
        body: &Bytes,
        max_tokens: Option<u64>,
        family: impl FnOnce() -> Family,
    ) -> Self {
        let prompt = if body.len() <= BY_SIZE {
            (body.len() / BYTES_PER_TOKEN) as u64
        } else {
            let text = intake::text(body);
            let mut estimate = Estimate::sampling(family());
            estimate.raw_body(&text);
            estimate.total()
        };
        Self { prompt, answer: max_tokens.unwrap_or(LONGEST_ANSWER).min(LONGEST_ANSWER) }
    }

    /// The prompt.
    pub(crate) fn prompt(self) -> u64 {
        self.prompt
    }

    /// Prompt and answer.
    pub(crate) fn tokens(self) -> u64 {
        self.prompt.saturating_add(self.answer)
    }
}

/// A request's part of the limits of its client and of everybody's.
#[derive(Debug)]
pub(crate) struct Seat {
    client: Held,
    everyone: Held,
    cost: Cost,
    /// The client's meter, of what its prompts turn out to cost.
    learner: Arc<Meter>,
}

/// Why a request gets no seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) by: LimitedBy,
    kind: ErrorKind,
    text: String,
    retry_after: u64,
}

impl From<Over> for ApiError {
    fn from(over: Over) -> Self {
        let err = Self::new(over.kind, over.text);
        let err = err.with_retry_after(Duration::from_secs(over.retry_after));
        // Other clients take a long wait for none, and ask again at once.
        if over.retry_after > HELD { err.with_should_retry(false) } else { err }
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy)]
enum Whose<'c> {
    Client(&'c Client),
    Everyone,
}

impl Seat {
    /// Admits a Messages request within the limits, perhaps after it has waited for its turn.
    ///
    /// # Errors
    /// [`Over`]: a rate, a full queue, or a wait that has been longer than `patience`. Nothing counts
    /// towards any limit then.
    pub(crate) async fn take(
        client: &Client,
        everyone: &Arc<Meter>,
        cost: Cost,
        priority: Priority,
        patience: Duration,
    ) -> Result<Self, Over> {
        let began = Instant::now();
        let (own, all) = (Whose::Client(client), Whose::Everyone);
        // Who finds the queue full must not have used up a rate meanwhile, and who is over a rate is
        // told before it waits.
        let turn = client.meter.places.ask(priority).map_err(|Full| own.full())?;
        let expected = client.meter.expected(cost.prompt).saturating_add(cost.answer);
        let rate = Rate::Messages(expected);
        let mut seat = Self {
            client: own.take(&client.meter, began, rate)?,
            everyone: all.take(everyone, began, rate)?,
            cost,
            learner: client.meter.clone(),
        };
        let place = match turn {
            Turn::Now(place) => place,
            Turn::Later(waiter) => {
                let place = timeout_at(began + patience, waiter.place()).await;
                place.map_err(|_| own.waited(patience))?
            }
        };
        seat.client.place = Some(place);
        seat.everyone.place = Some(all.enter(&everyone.places, priority, began, patience).await?);
        Ok(seat)
    }

    /// The request is over: gives its places back and corrects what was estimated.
    pub(crate) fn settle(self, exchange: &Exchange) {
        let now = Instant::now().into_std();
        let used = self.used(exchange);
        if exchange.quality == UsageQuality::Reported {
            let prompt = counted(&Usage { output: 0, ..exchange.usage });
            self.learner.learn(self.cost.prompt, prompt);
        }
        self.client.settle(now, used);
        self.everyone.settle(now, used);
    }

    fn used(&self, exchange: &Exchange) -> u64 {
        let asked = exchange.served.is_some();
        match (exchange.quality, exchange.outcome) {
            // Nobody says what it was. What failed is not charged for, a prompt that was being answered is.
            (UsageQuality::Unknown, _) if !asked => 0,
            (UsageQuality::Unknown, Outcome::Failed) => 0,
            (UsageQuality::Unknown, Outcome::Delivered) => {
                self.cost.prompt.saturating_add(self.cost.answer.max(exchange.handed_over()))
            }
            // Who leaves before the end, where an upstream tells what it was, pays for what it got.
            (UsageQuality::Unknown, Outcome::Broken | Outcome::Abandoned) => {
                self.cost.prompt.saturating_add(exchange.handed_over())
            }
            (UsageQuality::Partial, _) if !exchange.tells_prompt() => {
                self.cost.prompt.saturating_add(exchange.counted())
            }
            _ => exchange.counted(),
        }
    }
}

/// Lets a request to count tokens through: it takes no tokens and no place, only one of its own rate.
///
/// # Errors
/// The rate.
pub(crate) fn count(client: &Client, everyone: &Arc<Meter>) -> Result<(), Over> {
    let now = Instant::now();
    let own = Whose::Client(client).take(&client.meter, now, Rate::Counts)?;
    let all = Whose::Everyone.take(everyone, now, Rate::Counts)?;
    own.settle(now.into_std(), 0);
    all.settle(now.into_std(), 0);
    Ok(())
}

impl<'c> Whose<'c> {
    fn take(self, meter: &Arc<Meter>, now: Instant, rate: Rate) -> Result<Held, Over> {
        let now = now.into_std();
        meter.take(now, rate).map_err(|much| {
            let wait = meter.turn(now, rate, &much, Duration::from_secs(HELD));
            let wait = retry_after(wait);
            let (limit, per_minute) = match much.what {
                What::Requests => (Limit::Requests, "requests_per_minute"),
                What::Tokens => (Limit::Tokens, "tokens_per_minute"),
            };
            let what = match (much.what, rate) {
                (What::Requests, Rate::Counts) => "requests to count tokens".to_owned(),
                (What::Requests, Rate::Messages(_)) => "requests".to_owned(),
                (What::Tokens, Rate::Messages(tokens)) => {
                    format!("tokens, and this request needs about {tokens}")
                }
                (What::Tokens, Rate::Counts) => "tokens".to_owned(),
            };
            let who = self.who();
            let text = format!(
                "{who} reached {} limit of {} a minute: {} {what} (limits.{per_minute}); \
                 try again in {wait} s",
                self.its(),
                if limit == Limit::Tokens { "tokens" } else { "requests" },
                much.limit,
            );
            Over { by: self.by(limit), kind: ErrorKind::RateLimited, text, retry_after: wait }
        })
    }

    async fn enter(
        self,
        places: &Places,
        priority: Priority,
        began: Instant,
        patience: Duration,
    ) -> Result<Place, Over> {
        match timeout_at(began + patience, places.enter(priority)).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(Full)) => Err(self.full()),
            Err(_) => Err(self.waited(patience)),
        }
    }

    fn full(self) -> Over {
        let text = format!(
            "{} already as many requests running and waiting as {} limits allow \
             (limits.concurrent, limits.queue)",
            match self {
                Self::Client(_) => format!("{} of this gateway has", self.who()),
                Self::Everyone => format!("{} have", self.who()),
            },
            self.its(),
        );
        self.overloaded(text)
    }

    fn waited(self, patience: Duration) -> Over {
        let text = format!(
            "the request has waited for {} s for one of those before it to end: {} reached {} limit \
             of requests at once (limits.concurrent)",
            patience.as_secs(),
            self.who(),
            self.its(),
        );
        self.overloaded(text)
    }

    fn overloaded(self, text: String) -> Over {
        let by = self.by(Limit::Concurrent);
        Over { by, kind: ErrorKind::Overloaded, text, retry_after: 1 }
    }

    fn by(self, limit: Limit) -> LimitedBy {
        match self {
            Self::Client(_) => LimitedBy::Client(limit),
            Self::Everyone => LimitedBy::Everyone(limit),
        }
    }

    fn who(self) -> Cow<'c, str> {
        match self {
            Self::Client(Client { name: Some(name), .. }) => format!("the client `{name}`").into(),
            Self::Client(_) => "this caller".into(),
            Self::Everyone => "all callers of this gateway together".into(),
        }
    }

    fn its(self) -> &'static str {
        match self {
            Self::Client(_) => "its",
            Self::Everyone => "their",
        }
    }
}

/// What a caller is told who would have to wait this long, in seconds: what Claude Code holds the
/// request for, or what makes it give up at once (R36).
pub(crate) fn retry_after(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    if seconds <= HELD { seconds.max(1) } else { seconds.max(GIVE_UP) }
}

#[cfg(test)]
mod tests;
