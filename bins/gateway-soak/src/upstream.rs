//! An upstream that goes wrong in every way it can, HTTP/1.1 by hand. It keeps nothing but counts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::fault::{Asked, Fault, Step};
use crate::words::{Dialect, question_in};

/// A listener that dies now and then.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    state: Rc<State>,
    listening: tokio::task::JoinHandle<()>,
}

struct State {
    dialect: Dialect,
    seed: u64,
    requests: Cell<u64>,
    deaths: Cell<u64>,
    did: RefCell<BTreeMap<Fault, u64>>,
    /// Answers without a fault from now on.
    well: Cell<bool>,
}

/// What an upstream did.
#[derive(Debug)]
pub(crate) struct Behaved {
    pub(crate) name: &'static str,
    /// Requests that came.
    pub(crate) requests: u64,
    /// How often nobody listened.
    pub(crate) deaths: u64,
    /// How often it did what.
    pub(crate) did: BTreeMap<Fault, u64>,
}

/// When it dies, counted from the start, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
    pub(crate) lasts: Duration,
}

/// One of so many connections is never read.
const DEAF: u64 = 60;

/// Nobody is kept hanging for longer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Upstream {
    /// Starts it on the current thread's runtime.
    pub(crate) fn start(dialect: Dialect, seed: u64, death: Death) -> Result<Self> {
        let listener = listen("127.0.0.1:0".parse()?)?;
        let addr = listener.local_addr()?;
        let state = Rc::new(State {
            dialect,
            seed,
            requests: Cell::new(0),
            deaths: Cell::new(0),
            did: RefCell::default(),
            well: Cell::new(false),
        });
        let listening = tokio::task::spawn_local(live(listener, addr, Rc::clone(&state), death));
        Ok(Self { addr, state, listening })
    }

    /// No fault from now on.
    pub(crate) fn get_well(&self) {
        self.state.well.set(true);
    }

    /// What it did so far.
    pub(crate) fn behaved(&self, name: &'static str) -> Behaved {
        let (requests, deaths) = (self.state.requests.get(), self.state.deaths.get());
        Behaved { name, requests, deaths, did: self.state.did.borrow().clone() }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn listen(addr: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket.listen(1024)?)
}

/// Lives and dies in turns.
async fn live(first: TcpListener, addr: SocketAddr, state: Rc<State>, death: Death) {
    let mut listener = first;
    let mut dies_at = Instant::now() + death.first;
    let mut connections = 0;
    loop {
        // Dropped with this round: death cuts every connection.
        let mut talks = JoinSet::new();
        let end = tokio::time::sleep_until(dies_at);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                accepted = listener.accept() => {
                    while talks.try_join_next().is_some() {}
                    let Ok((stream, _)) = accepted else { continue };
                    connections += 1;
                    talks.spawn_local(talk(stream, connections, Rc::clone(&state)));
                }
            }
        }
        dies_at += death.every;
        if state.well.get() {
            // Those who are being served are served to the end.
            tokio::task::spawn_local(async move { while talks.join_next().await.is_some() {} });
            continue;
        }
        state.deaths.set(state.deaths.get() + 1);
        drop(talks);
        drop(listener);
        sleep(death.lasts).await;
        listener = loop {
            match listen(addr) {
                Ok(listener) => break listener,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
    }
}

async fn talk(mut stream: TcpStream, number: u64, state: Rc<State>) {
    let _ = stream.set_nodelay(true);
    let mut dice = Dice::new(state.seed, number);
    if !state.well.get() && dice.below(DEAF) == 0 {
        state.count(Fault::HangAccept);
        let _ = timeout(PATIENCE, gone_unread(&stream)).await;
        return;
    }
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer).await {
        state.requests.set(state.requests.get() + 1);
        let fault = if state.well.get() { Fault::None } else { Fault::draw(&mut dice) };
        state.count(fault);
        let asked = if head.contains("/count_tokens ") {
            Asked::Count
        } else if body.windows(13).any(|part| part == br#""stream":true"#) {
            Asked::Stream
        } else {
            Asked::Unary
        };
        // Without a mark the question is none of ours; it gets an answer to none.
        let question = question_in(&body).unwrap_or(u64::MAX);
        for step in fault.steps(state.dialect, asked, question, &mut dice) {
            if act(&mut stream, step).await.is_none() {
                return;
            }
        }
    }
}

/// `None`: the connection is over.
async fn act(stream: &mut TcpStream, step: Step) -> Option<()> {
    match step {
        Step::Write(bytes) => stream.write_all(&bytes).await.ok(),
        Step::Pause(time) => {
            sleep(time).await;
            Some(())
        }
        Step::Hang => {
            let mut rest = [0; 1024];
            let left = async { while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {} };
            let _ = timeout(PATIENCE, left).await;
            None
        }
        Step::Close => {
            let _ = stream.shutdown().await;
            None
        }
        Step::Reset => {
            let _ = stream.set_zero_linger();
            None
        }
    }
}

/// Until the peer leaves, without reading a byte.
async fn gone_unread(stream: &TcpStream) {
    let mut some = [0; 1];
    loop {
        match stream.peek(&mut some).await {
            Ok(0) | Err(_) => return,
            // It has sent its request; a FIN behind it can't be seen without reading.
            Ok(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}

/// The next request's head and body.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end);
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    if field("transfer-encoding").is_some() {
        let mut body = Vec::new();
        loop {
            let size = loop {
                if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
                    let line = String::from_utf8_lossy(&buffer[..at]).into_owned();
                    buffer.drain(..at + 2);
                    break usize::from_str_radix(line.trim(), 16).ok()?;
                }
                more(stream, buffer).await?;
            };
            while buffer.len() < size + 2 {
                more(stream, buffer).await?;
            }
            body.extend(buffer.drain(..size));
            buffer.drain(..2);
            if size == 0 {
                return Some((head, body));
            }
        }
    }
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some((head, buffer.drain(..length).collect()))
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}

impl State {
    fn count(&self, fault: Fault) {
        *self.did.borrow_mut().entry(fault).or_default() += 1;
    }
}
