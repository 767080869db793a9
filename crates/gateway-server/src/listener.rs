//! Accepting connections, and the workers that serve them.
//!
//! One acceptor feeds one worker thread per core, each a runtime of its own with its own upstream
//! connections: an event wakes one task on one core and crosses no thread.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use gateway_config::LogLevel;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::desk::Desk;
use crate::house::House;
use crate::intake;
use crate::pipeline;
use crate::stall::Stall;

/// Connections that the system queues before they are accepted.
const BACKLOG: i32 = 1024;

/// A caller must send the head of a request within this time. hyper counts the idle time before it
/// too, and load balancers keep idle connections for 60 s: closing sooner would lose the request
/// that one sends in that moment.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Once draining has begun, a connection may bring one more request within this time. Its caller knows of no
/// reason to try another one, and one in the middle of its work is back within a moment: closed just then,
/// the request would be lost. The reply says that it was the last.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// A caller must finish a TLS handshake within this time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP/2 windows: a request body of 1 MB must not stall for a round trip each 64 KB.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// HTTP/2: requests at once on one connection. More wait at the caller.
const STREAMS: u32 = 200;

/// HTTP/2: requests that a caller may have opened and reset before they were looked at. More of them and the
/// connection ends: it is an attack (CVE-2023-44487).
const RESET_EARLY: usize = 20;

/// HTTP/2: streams that were reset for a fault of the caller's, until the connection ends.
const RESET_FOR_FAULTS: usize = 1024;

/// HTTP/2: largest head that is read; the pipeline refuses smaller ones in words.
const HEAD_LIMIT: u32 = 4 * intake::MAX_HEAD;

/// How often workers close upstream connections that have been idle for too long.
const REAP_EVERY: Duration = Duration::from_secs(10);

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Finish what runs, accept nothing new.
    Draining,
    /// End at once.
    Ending,
}

/// Binds the address. `SO_REUSEADDR` lets a restart follow at once.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(addr);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections until draining begins, and deals them out in turn. Those that wait in the queue of
/// a socket of our `own` would be reset with it, so they are taken; the queue of a socket that was passed
/// is there for the next process.
pub(crate) async fn accept(
    listener: std::net::TcpListener,
    own: bool,
    workers: Vec<mpsc::UnboundedSender<std::net::TcpStream>>,
    house: Arc<House>,
    mut phase: watch::Receiver<Phase>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(err) => {
            house.log.note(LogLevel::Error, format!("the listener can't be used: {err}"));
            return;
        }
    };
    let mut turn = 0;
    let mut deal = |socket| {
        turn = (turn + 1) % workers.len();
        let _ = workers[turn].send(socket);
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => break,
        };
        match accepted.and_then(|(socket, _)| socket.into_std()) {
            Ok(socket) => deal(socket),
            Err(err) if is_about_one_connection(&err) => {}
            Err(err) => {
                // Out of descriptors, most likely: give connections time to end.
                house.log.note(LogLevel::Error, format!("no connection can be accepted: {err}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    if let (true, Ok(listener)) = (own, listener.into_std()) {
        while let Ok((socket, _)) = listener.accept() {
            let _ = socket.set_nonblocking(true);
            deal(socket);
        }
    }
}

fn is_about_one_connection(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Serves the connections dealt to one worker until it is told to end and they have.
pub(crate) async fn work(
    desk: Arc<Desk>,
    mut sockets: mpsc::UnboundedReceiver<std::net::TcpStream>,
    phase: watch::Receiver<Phase>,
) {
    let connections = tokio_count::Count::default();
    let mut reap = tokio::time::interval(REAP_EVERY);
    loop {
        let socket = tokio::select! {
            socket = sockets.recv() => socket,
            _ = reap.tick() => {
                desk.reap();
                continue;
            }
        };
        let Some(socket) = socket else { break };
        let Ok(socket) = TcpStream::from_std(socket) else { continue };
        tune(&socket);
        let ticket = connections.ticket();
        let connection = connection(desk.clone(), socket, phase.clone());
        tokio::spawn(async move {
            connection.await;
            drop(ticket);
        });
    }
    let mut phase = phase;
    tokio::select! {
        () = connections.none() => {}
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => {}
    }
}

/// What a caller was sent must be acknowledged within this time. Else a machine that vanished in the middle of a
/// stream keeps its place for as long as the system sends again: a quarter of an hour. Longer than
/// [`UNREAD`](crate::ending::UNREAD), for a caller that does not read acknowledges nothing either.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(90);

/// A lone event must not wait for the peer's delayed acknowledgement, and a caller whose machine
/// vanished must be noticed, whether it is owed something or not. A socket that refuses still serves.
fn tune(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// Which HTTP a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

async fn connection(desk: Arc<Desk>, socket: TcpStream, mut phase: watch::Receiver<Phase>) {
    let Some(tls) = desk.tls() else {
        let spoken = tokio::select! {
            biased;
            spoken = tokio::time::timeout(HEAD_TIMEOUT, spoken(&socket)) => spoken,
            () = too_late(&desk, &mut phase) => return,
        };
        // A caller that says nothing has nothing to be told.
        let Ok(Ok(spoken)) = spoken else { return };
        return serve(desk, Stall::new(socket), spoken, phase).await;
    };
    // Boxed, for its room would be part of every connection's task.
    Box::pin(connection_tls(desk, tls.into(), socket, phase)).await;
}

async fn connection_tls(
    desk: Arc<Desk>,
    tls: TlsAcceptor,
    socket: TcpStream,
    phase: watch::Receiver<Phase>,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(socket)).await;
    match handshake {
        Ok(Ok(socket)) => {
            let http2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
            let spoken = if http2 { Spoken::Http2 } else { Spoken::Http1 };
            serve(desk, Stall::new(socket), spoken, phase).await;
        }
        Ok(Err(err)) => {
            desk.worker().runtime.note(LogLevel::Debug, format!("a TLS handshake failed: {err}"));
        }
        Err(_) => desk.worker().runtime.note(LogLevel::Debug, "a TLS handshake took too long"),
    }
}

/// Looks at the first bytes without taking them: HTTP/2 begins with `PRI`, which is no method.
/// (A reader that takes them and puts them back costs every HTTP/1.1 connection a second, larger
/// read buffer.)
async fn spoken(socket: &TcpStream) -> io::Result<Spoken> {
    const PREFACE: &[u8] = b"PRI";
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = socket.peek(&mut first).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[..seen] != PREFACE[..seen] {
            return Ok(Spoken::Http1);
        }
        if seen == PREFACE.len() {
            return Ok(Spoken::Http2);
        }
        // One or two bytes, and the socket stays readable: nothing but time tells of the rest.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn serve<S>(
    desk: Arc<Desk>,
    socket: S,
    spoken: Spoken,
    phase: watch::Receiver<Phase>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let desk_after = desk.clone();
    let started = Arc::new(AtomicBool::new(false));
    let asked = started.clone();
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let worker = desk.worker();
        async move {
            let house = worker.runtime.house.clone();
            let mut reply = pipeline::serve(worker, request).await;
            if spoken == Spoken::Http1 && house.is_draining() {
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let io = TokioIo::new(socket);
    // Boxed, for a future passed on by value is stored once in every caller's frame.
    let ended = match spoken {
        Spoken::Http1 => {
            let mut builder = http1::Builder::new();
            // Head and body, or an event and its framing, are small: copying them together costs less
            // than handing the kernel a list (W5: a tenth of the whole cost of an event).
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).writev(false);
            let connection = Box::pin(builder.serve_connection(io, service));
            drive(connection, None, &desk_after, phase).await
        }
        Spoken::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_concurrent_streams(STREAMS)
                .max_pending_accept_reset_streams(RESET_EARLY)
                .max_local_error_reset_streams(RESET_FOR_FAULTS)
                .max_header_list_size(HEAD_LIMIT)
                .keep_alive_interval(Duration::from_secs(30));
            let connection = Box::pin(builder.serve_connection(io, service));
            tokio::select! {
                biased;
                ended = drive(connection, Some(&*started), &desk_after, phase) => ended,
                () = until_silent(&started) => return,
            }
        }
    };
    if let Some(Err(err)) = ended {
        // A caller that left, or spoke no HTTP; what it asked for has its own line.
        desk_after.worker().runtime.note(LogLevel::Trace, format!("a connection ended: {err}"));
    }
}

/// Ready when a caller that has said nothing yet need not be waited for any more.
async fn too_late(desk: &Desk, phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    let ending = phase.wait_for(|phase| *phase == Phase::Ending);
    let grace = desk.worker().runtime.config.server.shutdown_grace;
    let _ = tokio::time::timeout(last_request(grace), ending).await;
}

/// So long may a connection bring its last request: what comes of it has to fit into the grace as well.
fn last_request(grace: Duration) -> Duration {
    LAST_REQUEST.min(grace / 2)
}

/// Serves a connection to its end, gracefully once draining begins; `None` if it was cut. HTTP/2 can tell a caller to
/// go without losing what it sends meanwhile: there `started` says whether a first request was brought.
async fn drive<C: GracefulConnection>(
    mut connection: Pin<Box<C>>,
    started: Option<&AtomicBool>,
    desk: &Desk,
    mut phase: watch::Receiver<Phase>,
) -> Option<Result<(), C::Error>> {
    tokio::select! {
        biased;
        ended = connection.as_mut() => return Some(ended),
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
    }
    // In a box, for its room would be part of every connection's task.
    let mut late = Box::pin(too_late(desk, &mut phase));
    let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if started.is_some_and(|it| it.load(Ordering::Relaxed)) => Poll::Ready(None),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    });
    let ended = ended.await;
    drop(late);
    if ended.is_some() {
        return ended;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => None,
    }
}

/// Ready if a connection has brought no request at all within the limit for heads.
async fn until_silent(started: &AtomicBool) {
    tokio::time::sleep(HEAD_TIMEOUT).await;
    if started.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

mod tokio_count {
    //! How many connections are open, and when none is.

    use tokio::sync::watch;

    #[derive(Debug)]
    pub(super) struct Count(watch::Sender<usize>);

    #[derive(Debug)]
    pub(super) struct Ticket(watch::Sender<usize>);

    impl Default for Count {
        fn default() -> Self {
            Self(watch::Sender::new(0))
        }
    }

    impl Count {
        pub(super) fn ticket(&self) -> Ticket {
            self.0.send_modify(|open| *open += 1);
            Ticket(self.0.clone())
        }

        pub(super) async fn none(&self) {
            let _ = self.0.subscribe().wait_for(|open| *open == 0).await;
        }
    }

    impl Drop for Ticket {
        fn drop(&mut self) {
            self.0.send_modify(|open| *open -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_request_fits_into_the_grace() {
        for (grace, wanted) in [(0, 0), (1000, 500), (4000, 2000), (30_000, 2000)] {
            let wanted = Duration::from_millis(wanted);
            assert_eq!(last_request(Duration::from_millis(grace)), wanted, "{grace} ms");
        }
    }

    /// Nobody can pull a cable in a test; the system does the rest.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_caller_that_vanished_is_noticed_by_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let caller = TcpStream::connect(listener.local_addr().expect("bound")).await;
        let (socket, _) = listener.accept().await.expect("a caller");
        tune(&socket);
        let told = socket2::SockRef::from(&socket);
        assert!(told.keepalive().expect("an option"));
        assert_eq!(told.tcp_user_timeout().expect("an option"), Some(UNACKNOWLEDGED));
        assert!(UNACKNOWLEDGED > crate::ending::UNREAD);
        drop(caller);
    }
}
