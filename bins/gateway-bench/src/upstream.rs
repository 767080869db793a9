//! The scripted upstream: it compares each request with what it must be, and answers from memory.
//!
//! Streams with pauses are written by a thread of their own, which sleeps to some ten microseconds
//! (a runtime's timers know milliseconds): so that events arrive one at a time, as from a model.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::clock;
use crate::script::{Expect, Reply, Script, Stream};
use crate::wire::STAMP_DIGITS;

/// A running upstream. It ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Option<Arc<Script>>>,
    faults: Mutex<Vec<String>>,
}

impl Upstream {
    /// Starts one on a free port, with two threads.
    pub(crate) fn start() -> Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(4096)?;
        socket.set_nonblocking(true)?;
        let listener = std::net::TcpListener::from(socket);
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared { script: Mutex::default(), faults: Mutex::default() });
        let (pace, paced) = mpsc::channel();
        std::thread::Builder::new().name("pacer".to_owned()).spawn(move || pacer(&paced))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = shared.clone();
        std::thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || runtime.block_on(accept(listener, seen, pace)))?;
        Ok(Self { addr, shared })
    }

    /// What it says from now on.
    pub(crate) fn play(&self, script: Arc<Script>) {
        *lock(&self.shared.script) = Some(script);
    }

    /// Fails if a request was not what it had to be since the last call.
    pub(crate) fn check(&self) -> Result<()> {
        let faults = std::mem::take(&mut *lock(&self.shared.faults));
        let Some(first) = faults.first() else { return Ok(()) };
        bail!("the upstream saw {} faults, the first: {first}", faults.len())
    }
}

async fn accept(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    pace: mpsc::Sender<Paced>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (io, _) = listener.accept().await?;
        let (shared, pace) = (shared.clone(), pace.clone());
        tokio::spawn(async move {
            // Closed only once the fault is noted: whoever asked looks for it then.
            let mut io = Arc::new(io);
            if let Err(fault) = serve(&mut io, &shared, &pace).await {
                lock(&shared.faults).push(format!("{fault:#}"));
            }
        });
    }
}

async fn serve(io: &mut Arc<TcpStream>, shared: &Shared, pace: &mpsc::Sender<Paced>) -> Result<()> {
    io.set_nodelay(true)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let stream = Arc::get_mut(io).context("the pacer keeps a connection")?;
        match request(stream, &mut buffer, shared).await? {
            Came::Nothing => return Ok(()),
            Came::Aside(Reply::Unary(bytes)) => {
                stream.write_all(&bytes).await?;
                continue;
            }
            Came::Aside(_) | Came::Request => {}
        }
        let script = lock(&shared.script).clone().context("a request before any script")?;
        match &script.reply {
            Reply::Unary(bytes) => stream.write_all(bytes).await?,
            Reply::Stream(reply) if reply.gap.is_zero() => {
                for write in &reply.writes {
                    stream.write_all(&write.bytes).await?;
                    // The other connections' turn: their bursts come between.
                    tokio::task::yield_now().await;
                }
            }
            Reply::Stream(_) => {
                let (done, ended) = oneshot::channel();
                let at = clock::now();
                let paced = Paced { io: io.clone(), script, done, at, next: 0 };
                pace.send(paced).ok().context("the pacer is gone")?;
                ended.await.context("the pacer is gone")??;
            }
        }
    }
}

/// What was read.
enum Came {
    /// The end of the connection.
    Nothing,
    /// What is asked besides, and its answer.
    Aside(Reply),
    Request,
}

/// Reads one request and compares its body.
async fn request(io: &mut TcpStream, buffer: &mut [u8], shared: &Shared) -> Result<Came> {
    let mut filled = 0;
    let head = loop {
        let read = match io.read(&mut buffer[filled..]).await {
            // A proxy that is stopped may reset what it does not need any more.
            Ok(0) | Err(_) if filled == 0 => return Ok(Came::Nothing),
            read => read?,
        };
        ensure!(read > 0, "a connection closed in the middle of a head");
        filled += read;
        if let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(filled < buffer.len(), "an endless head");
    };
    let text = std::str::from_utf8(&buffer[..head]).context("a head that is not text")?;
    let length = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|(_, value)| value.trim().parse::<usize>()).next();
    let end = head + length.context("a request without a length")??;
    ensure!(end <= buffer.len(), "a body of {} bytes", end - head);
    while filled < end {
        let read = io.read(&mut buffer[filled..end]).await?;
        ensure!(read > 0, "a connection closed in the middle of a body");
        filled += read;
    }
    ensure!(filled == end, "bytes after a request");
    let script = lock(&shared.script).clone().context("a request before any script")?;
    let (head, body) = (&buffer[..head], &buffer[head..end]);
    for (path, answer) in script.asides {
        if head.strip_prefix(b"POST ").is_some_and(|rest| rest.starts_with(path.as_bytes())) {
            return Ok(Came::Aside(Reply::unary(answer)));
        }
    }
    match &script.expect {
        Expect::Body(expected) => ensure!(body == expected, "a body that is not the expected one"),
        Expect::Chat(chat) => chat.check(head, body)?,
        Expect::Dialect(asked) => asked.check(head, body)?,
    }
    Ok(Came::Request)
}

/// A stream with pauses, at its next write.
#[derive(Debug)]
struct Paced {
    io: Arc<TcpStream>,
    script: Arc<Script>,
    done: oneshot::Sender<Result<()>>,
    at: Instant,
    next: usize,
}

impl Paced {
    fn stream(&self) -> &Stream {
        match &self.script.reply {
            Reply::Stream(stream) => stream,
            Reply::Unary(_) => unreachable!("only streams are paced"),
        }
    }

    /// Makes the next write. Returns whether there is another.
    fn write(&mut self, scratch: &mut Vec<u8>) -> Result<bool> {
        let stream = self.stream();
        let write = &stream.writes[self.next];
        scratch.clear();
        scratch.extend_from_slice(&write.bytes);
        if let Some(at) = write.stamp {
            let now = clock::nanos();
            for (digit, place) in scratch[at..at + STAMP_DIGITS].iter_mut().rev().zip(0..) {
                let value = (now >> (4 * place)) & 15;
                *digit = b"0123456789abcdef"[usize::try_from(value).expect("below 16")];
            }
        }
        let written = self.io.try_write(scratch).context("writing an event")?;
        ensure!(written == scratch.len(), "an event did not fit into the socket's buffer");
        let more = self.next + 1 < stream.writes.len();
        let gap = stream.gap;
        self.next += 1;
        self.at += gap;
        Ok(more)
    }
}

fn pacer(arriving: &mpsc::Receiver<Paced>) {
    let mut open: Vec<Option<Paced>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut due: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    let mut scratch = Vec::new();
    let mut seen = 0_u32;
    loop {
        let wait = due.peek().map_or(Duration::from_secs(3600), |Reverse((at, _))| {
            at.saturating_duration_since(clock::now())
        });
        let arrived = if wait.is_zero() {
            arriving.try_recv().ok()
        } else {
            match arriving.recv_timeout(wait) {
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                arrived => arrived.ok(),
            }
        };
        if let Some(mut stream) = arrived {
            // Spread over the pause, by the golden ratio, so that streams that began together do
            // not send together.
            seen = seen.wrapping_add(1);
            let share = (f64::from(seen) * 0.618_034).fract();
            stream.at += stream.stream().first + stream.stream().gap.mul_f64(share);
            let slot = free.pop().unwrap_or_else(|| {
                open.push(None);
                open.len() - 1
            });
            due.push(Reverse((stream.at, slot)));
            open[slot] = Some(stream);
            continue;
        }
        let now = clock::now();
        // A few at a time, so that new streams need not wait for long.
        for _ in 0..32 {
            let Some(&Reverse((at, slot))) = due.peek() else { break };
            if at > now {
                break;
            }
            due.pop();
            let stream = open[slot].as_mut().expect("what is due is open");
            match stream.write(&mut scratch) {
                Ok(true) => due.push(Reverse((stream.at, slot))),
                ended => {
                    let Paced { io, done, .. } = open[slot].take().expect("it was there above");
                    free.push(slot);
                    // Let go of the connection first: its task wants it for itself.
                    drop(io);
                    let _ = done.send(ended.map(drop));
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
