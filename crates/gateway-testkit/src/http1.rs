//! HTTP/1.1 by hand, so that every write is the script's own.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;

use crate::script::{LAST_CHUNK, Script, Step, frame, head_text};
use crate::upstream::{Answer, Framing, Gone, Left, Recorded, Shared};

/// A connection that can be reset, with TLS around it or not.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {
    fn socket(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

#[cfg(feature = "tls")]
impl Connection for tokio_rustls::server::TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

pub(crate) async fn serve(stream: impl Connection, id: usize, shared: &Arc<Shared>) {
    let (reader, mut writer) = split(stream);
    let (buf, shared) = (BytesMut::new(), Arc::clone(shared));
    let mut peer = Peer { reader, buf, left: None, deaf: false, id, shared };
    let ending = talk(&mut peer, &mut writer).await;
    let stream = peer.reader.unsplit(writer);
    match ending {
        Ending::Reset => {
            // Closing with unsent data discarded is what makes the kernel send RST.
            let _ = SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO));
        }
        Ending::Close => {
            let mut stream = stream;
            let _ = stream.shutdown().await;
            // Closing with unread input would turn the FIN into a RST.
            let mut rest = [0; 4096];
            let drain = async { while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {} };
            let _ = tokio::time::timeout(Duration::from_millis(200), drain).await;
        }
        Ending::PeerLeft => {}
    }
}

enum Ending {
    Close,
    Reset,
    PeerLeft,
}

async fn talk<S: Connection>(peer: &mut Peer<S>, writer: &mut WriteHalf<S>) -> Ending {
    let (id, shared) = (peer.id, Arc::clone(&peer.shared));
    if shared.answer == Answer::OnConnect {
        let request = shared.record(Recorded::new(id, "", "", Framing::None));
        let script = (shared.handler)(&request);
        return run(script, peer, writer, Framing::None).await.unwrap_or(Ending::Close);
    }
    loop {
        let Some(mut request) = peer.read_head(id).await else {
            if !peer.buf.is_empty() {
                shared.broke_off();
            }
            return Ending::PeerLeft;
        };
        let mut unread = request.framing;
        if shared.answer == Answer::AfterBody {
            let Some(body) = peer.read_body(unread).await else {
                shared.broke_off();
                return Ending::PeerLeft;
            };
            request.body = body;
            unread = Framing::None;
        }
        let request = shared.record(request);
        let script = (shared.handler)(&request);
        if let Some(ending) = run(script, peer, writer, unread).await {
            return ending;
        }
        peer.deaf = false;
    }
}

/// Does the steps; `None` means that the connection goes on.
async fn run<S: Connection>(
    script: Script,
    peer: &mut Peer<S>,
    writer: &mut WriteHalf<S>,
    mut unread: Framing,
) -> Option<Ending> {
    for step in script.steps {
        let done = match step {
            Step::Head { status, headers } => {
                peer.during(send(writer, &head_text(status, &headers))).await
            }
            Step::Bytes(bytes) => peer.during(send(writer, &bytes)).await,
            Step::Chunk(bytes) => peer.during(send(writer, &frame(&bytes))).await,
            Step::LastChunk => peer.during(send(writer, LAST_CHUNK)).await,
            Step::Repeat { piece, times } => {
                let flood = async {
                    for _ in 0..times {
                        send(writer, &piece).await?;
                    }
                    Ok(())
                };
                peer.during(flood).await
            }
            Step::Stall(time) => peer.during(calmly(tokio::time::sleep(time))).await,
            Step::Wait(gate) => peer.during(calmly(gate.wait())).await,
            Step::Open(gate) => {
                gate.open();
                Ok(())
            }
            Step::StopReading => {
                peer.deaf = true;
                Ok(())
            }
            Step::ReadBody => {
                let whole = peer.read_body(std::mem::replace(&mut unread, Framing::None)).await;
                whole.map(drop).ok_or(Left::Closed)
            }
            Step::HalfClose => peer.during(async { writer.shutdown().await.map_err(left) }).await,
            Step::Hang => {
                peer.hang().await;
                return Some(Ending::PeerLeft);
            }
            Step::Close => return Some(Ending::Close),
            Step::Reset => return Some(Ending::Reset),
        };
        if let Err(left) = done {
            peer.note(left);
            return Some(Ending::PeerLeft);
        }
    }
    None
}

async fn send<S: Connection>(writer: &mut WriteHalf<S>, bytes: &[u8]) -> Result<(), Left> {
    writer.write_all(bytes).await.map_err(left)?;
    writer.flush().await.map_err(left)
}

async fn calmly(future: impl Future<Output = ()>) -> Result<(), Left> {
    future.await;
    Ok(())
}

fn left(_: std::io::Error) -> Left {
    Left::Reset
}

struct Peer<S> {
    reader: ReadHalf<S>,
    buf: BytesMut,
    left: Option<Left>,
    deaf: bool,
    id: usize,
    shared: Arc<Shared>,
}

impl<S: Connection> Peer<S> {
    /// Does `work` while watching for the peer to leave. FIN is only noted: a peer may half-close and
    /// still listen. RST ends the work.
    async fn during(&mut self, work: impl Future<Output = Result<(), Left>>) -> Result<(), Left> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                left = self.gone() => {
                    if left == Left::Reset {
                        return Err(left);
                    }
                }
            }
        }
    }

    /// Until the peer leaves.
    async fn hang(&mut self) {
        if self.left.is_none() {
            self.gone().await;
        }
    }

    /// Takes in what comes until the peer leaves; never ends when it has, or when deaf.
    async fn gone(&mut self) -> Left {
        if self.deaf || self.left.is_some() {
            return pending().await;
        }
        while self.fill().await {}
        self.left.unwrap_or(Left::Closed)
    }

    /// Reads once; `false` when the peer has left.
    async fn fill(&mut self) -> bool {
        match self.reader.read_buf(&mut self.buf).await {
            Ok(0) => self.note(Left::Closed),
            Ok(_) => return true,
            // TLS without its goodbye is an end like any other.
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => self.note(Left::Closed),
            Err(_) => self.note(Left::Reset),
        }
        false
    }

    /// Tells the test at once: it may be waiting for this with the script's gate still shut.
    fn note(&mut self, left: Left) {
        self.left.get_or_insert(left);
        self.shared.peer_left(Gone::Connection(self.id), left);
    }

    async fn read_head(&mut self, connection: usize) -> Option<Recorded> {
        loop {
            if let Some(found) = parse_head(&mut self.buf, connection) {
                return Some(found);
            }
            if self.left.is_some() || !self.fill().await {
                return None;
            }
        }
    }

    async fn read_body(&mut self, framing: Framing) -> Option<Bytes> {
        match framing {
            Framing::None => Some(Bytes::new()),
            Framing::Length(length) => {
                let length = usize::try_from(length).expect("a body that fits into memory");
                self.fill_to(length).await?;
                Some(self.buf.split_to(length).freeze())
            }
            Framing::Chunked => {
                let mut body = BytesMut::new();
                loop {
                    let line = self.read_line().await?;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(size, 16).expect("a chunk size in hex");
                    if size == 0 {
                        while !self.read_line().await?.is_empty() {}
                        return Some(body.freeze());
                    }
                    self.fill_to(size + 2).await?;
                    body.extend_from_slice(&self.buf[..size]);
                    self.buf.advance(size + 2);
                }
            }
        }
    }

    async fn fill_to(&mut self, length: usize) -> Option<()> {
        while self.buf.len() < length {
            if self.left.is_some() || !self.fill().await {
                return None;
            }
        }
        Some(())
    }

    async fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buf.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buf[..at]).into_owned();
                self.buf.advance(at + 2);
                return Some(line);
            }
            self.fill_to(self.buf.len() + 1).await?;
        }
    }
}

/// Takes a whole head out of `buf`.
///
/// # Panics
/// When it is no HTTP: the test's subject must not send such a thing upstream.
fn parse_head(buf: &mut BytesMut, connection: usize) -> Option<Recorded> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut fields);
    let status = parsed.parse(buf).expect("what reaches the upstream is HTTP/1.1");
    let httparse::Status::Complete(length) = status else { return None };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned()))
        .collect();
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let mut request = Recorded::new(connection, method, target, Framing::None);
    request.headers = headers;
    if request.header("transfer-encoding").is_some() {
        request.framing = Framing::Chunked;
    } else if let Some(length) = request.header("content-length") {
        request.framing = Framing::Length(length.parse().expect("content-length is a number"));
    }
    request.raw_head = buf.split_to(length).freeze();
    Some(request)
}

impl Recorded {
    pub(crate) fn new(connection: usize, method: &str, target: &str, framing: Framing) -> Self {
        Self {
            index: 0,
            connection,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            raw_head: Bytes::new(),
            body: Bytes::new(),
            framing,
            at: tokio::time::Instant::now(),
        }
    }
}
