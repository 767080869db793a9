//! Callers: many connections on one thread, each asking again as soon as it was answered, or at a
//! fixed rate. Every reply is checked; the first wrong one ends the run.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::wire::{Connection, Events};
use crate::{chat, clock};

/// What callers send and must get.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) request: Bytes,
    pub(crate) want: Want,
}

/// The right answer.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    /// This body.
    Body(Bytes),
    /// A whole stream of so many events and bytes.
    Stream { events: usize, bytes: usize },
    /// The message of [`chat::unary`], however it is spelt.
    Message,
    /// The stream of [`chat::stream`], however it is spelt; it counts as so many events.
    Deltas { events: usize },
}

impl Want {
    /// Fails unless this body is the right answer, looked at more closely than is done of each
    /// reply during a measurement.
    fn check(&self, body: &[u8]) -> Result<()> {
        match self {
            Self::Body(want) => ensure!(body == want, "a reply with other bytes"),
            Self::Stream { bytes, .. } => ensure!(body.len() == *bytes, "a stream of other length"),
            Self::Message => chat::check_message(body)?,
            Self::Deltas { .. } => chat::check_stream(body)?,
        }
        Ok(())
    }
}

/// When callers stop asking.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Time(Instant),
    /// Requests of each connection.
    Count(usize),
}

/// How callers ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    /// Of each connection: from one request to the next at least; zero asks again at once.
    pub(crate) interval: Duration,
    /// Measure each event's way.
    pub(crate) delays: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) events: u64,
    /// Nanoseconds from a request to the whole reply, or to a stream's first event.
    pub(crate) waits: Vec<u64>,
    /// Nanoseconds from the upstream's write of an event to its arrival.
    pub(crate) delays: Vec<u64>,
    pub(crate) took: Duration,
}

/// Open connections to one proxy.
#[derive(Debug)]
pub(crate) struct Callers {
    connections: Vec<Connection>,
}

impl Callers {
    pub(crate) async fn connect(to: SocketAddr, count: usize) -> Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Connection::open(to).await?);
        }
        Ok(Self { connections })
    }

    /// Asks once and looks at the whole reply.
    pub(crate) async fn check(&mut self, ask: &Ask) -> Result<()> {
        let connection = self.connections.first_mut().context("no connection")?;
        let mut body = Vec::new();
        connection.exchange(&ask.request, |bytes| body.extend_from_slice(bytes)).await?;
        ask.want.check(&body)
    }

    /// Asks on every connection. Fails with the first wrong answer.
    pub(crate) async fn run(&mut self, ask: &Ask, pattern: Pattern, until: Until) -> Result<Tally> {
        let tasks = tokio::task::LocalSet::new();
        let began = clock::now();
        let count = u32::try_from(self.connections.len())?;
        let mut running = JoinSet::new();
        let failed = Rc::new(Cell::new(false));
        for (index, connection) in self.connections.drain(..).enumerate() {
            let offset = pattern.interval * u32::try_from(index)? / count;
            let (ask, failed) = (ask.clone(), failed.clone());
            let caller = Caller { connection, ask, pattern, until, start: began + offset, failed };
            running.spawn_local_on(caller.run(), &tasks);
        }
        let mut tally = Tally::default();
        let (mut first_fault, mut lost) = (None, 0);
        tasks
            .run_until(async {
                while let Some(joined) = running.join_next().await {
                    match joined.context("a caller panicked").flatten() {
                        Ok((connection, part)) => {
                            self.connections.push(connection);
                            tally.add(part);
                        }
                        Err(fault) => {
                            lost += 1;
                            first_fault.get_or_insert(fault);
                        }
                    }
                }
            })
            .await;
        tally.took = clock::now().duration_since(began);
        match first_fault {
            Some(fault) => Err(fault.context(format!("{lost} of {count} callers failed"))),
            None => Ok(tally),
        }
    }
}

impl Tally {
    fn add_stream(&mut self, seen: Events, events: usize, asked: u64) {
        self.events += events as u64;
        self.delays.extend(seen.delays.unwrap_or_default());
        self.waits.extend(seen.first.map(|first| first - asked));
    }

    fn add(&mut self, part: Self) {
        self.requests += part.requests;
        self.events += part.events;
        self.waits.extend(part.waits);
        self.delays.extend(part.delays);
    }
}

struct Caller {
    connection: Connection,
    ask: Ask,
    pattern: Pattern,
    until: Until,
    start: Instant,
    /// Another caller met a fault: the run is lost.
    failed: Rc<Cell<bool>>,
}

impl Caller {
    async fn run(mut self) -> Result<(Connection, Tally)> {
        let mut tally = Tally::default();
        let mut next = self.start;
        if !self.pattern.interval.is_zero() {
            tokio::time::sleep_until(next.into()).await;
        }
        while !self.is_over(tally.requests) {
            if let Err(fault) = self.ask_once(&mut tally).await {
                self.failed.set(true);
                return Err(fault);
            }
            tally.requests += 1;
            if !self.pattern.interval.is_zero() {
                next += self.pattern.interval;
                tokio::time::sleep_until(next.into()).await;
            }
        }
        Ok((self.connection, tally))
    }

    fn is_over(&self, requests: u64) -> bool {
        match self.until {
            _ if self.failed.get() => true,
            Until::Time(end) => clock::now() >= end,
            Until::Count(count) => requests >= count as u64,
        }
    }

    async fn ask_once(&mut self, tally: &mut Tally) -> Result<()> {
        let asked = clock::nanos();
        match self.ask.want {
            Want::Body(ref body) => {
                let (mut at, mut same) = (0, true);
                let sink = |bytes: &[u8]| {
                    same &= body.get(at..at + bytes.len()) == Some(bytes);
                    at += bytes.len();
                };
                self.connection.exchange(&self.ask.request, sink).await?;
                ensure!(at == body.len(), "a reply of {at} bytes, not {}", body.len());
                ensure!(same, "a reply of the right length with other bytes");
                tally.waits.push(clock::nanos() - asked);
            }
            Want::Message => {
                let mut body = Vec::with_capacity(2048);
                let sink = |bytes: &[u8]| body.extend_from_slice(bytes);
                self.connection.exchange(&self.ask.request, sink).await?;
                let whole = body.starts_with(b"{") && body.ends_with(b"}");
                ensure!(whole, "a reply of {} bytes that is no object", body.len());
                let said = memchr::memmem::find(&body, chat::unary_text().as_bytes());
                ensure!(said.is_some(), "a reply that does not say what it has to");
                tally.waits.push(clock::nanos() - asked);
            }
            Want::Stream { events, bytes } => {
                let seen = self.stream().await?;
                ensure!(seen.bytes == bytes, "a stream of {} bytes, not {bytes}", seen.bytes);
                ensure!(seen.count == events, "a stream of {} events, not {events}", seen.count);
                tally.add_stream(seen, events, asked);
            }
            Want::Deltas { events } => {
                let seen = self.stream().await?;
                ensure!(seen.deltas == chat::DELTAS, "a stream of {} deltas", seen.deltas);
                tally.add_stream(seen, events, asked);
            }
        }
        Ok(())
    }

    async fn stream(&mut self) -> Result<Events> {
        let mut seen = Events::default();
        seen.delays = self.pattern.delays.then(Vec::new);
        self.connection.exchange(&self.ask.request, |bytes| seen.push(bytes)).await?;
        ensure!(seen.stopped, "a stream without its end");
        Ok(seen)
    }
}
