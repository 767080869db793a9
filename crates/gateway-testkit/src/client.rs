//! A client that is as rude as a test needs it: it sends in any pieces, stops reading, half-closes, resets.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::patient;

/// One plain HTTP/1.1 connection. Not reading is how to stall; dropping it sends FIN (or RST when
/// something came that was not read).
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    buf: BytesMut,
    framing: Framing,
}

/// The head of a reply.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    /// 200
    pub status: u16,
    /// Names and values in the order and case in which they came.
    pub headers: Vec<(String, String)>,
}

/// The rest of a reply's body and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Without framing.
    pub bytes: Bytes,
    /// Whether that was all.
    pub end: BodyEnd,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// By its final chunk, its `content-length`, or the end of the connection where neither was announced.
    Clean,
    /// The connection was closed before that.
    Cut,
    /// The connection was reset.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length(usize),
    UntilClose,
    Done,
}

/// The bytes of a request with `host`, the given headers and, unless `headers` frames the body itself,
/// its `content-length`.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !has("host") {
        head.push_str("host: 127.0.0.1\r\n");
    }
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !has("content-length") && !has("transfer-encoding") && !body.is_empty() {
        head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

impl RawClient {
    /// Connects with `TCP_NODELAY`.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = patient("a connection", TcpStream::connect(addr)).await;
        Self::on(stream.expect("the listener is there"))
    }

    /// Connects with a small receive buffer, so that a client that does not read is noticed soon.
    pub async fn connect_narrow(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("the smallest buffer there is");
        let stream = patient("a connection", socket.connect(addr)).await;
        Self::on(stream.expect("the listener is there"))
    }

    fn on(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, buf: BytesMut::new(), framing: Framing::Done }
    }

    /// Sends these bytes in one write if the kernel takes them.
    ///
    /// # Panics
    /// When the peer is gone; see [`try_send`](Self::try_send).
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the peer reads what is sent");
    }

    /// [`send`](Self::send) to a peer that may hang up.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        patient("the peer to read", self.stream.write_all(bytes)).await
    }

    /// One write for each piece between the `splits` (offsets, ascending).
    pub async fn send_pieces(&mut self, bytes: &[u8], splits: &[usize]) {
        let mut from = 0;
        for &to in splits.iter().chain([&bytes.len()]) {
            if to > from && to <= bytes.len() {
                self.send(&bytes[from..to]).await;
                // Lets the other side, which may share our thread, see the piece alone.
                tokio::task::yield_now().await;
                from = to;
            }
        }
    }

    /// Sends FIN and stays to listen.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Leaves with RST.
    pub fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// The address of this end.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// The next reply's head, past any `100 Continue`.
    ///
    /// # Panics
    /// When the connection ends before it, or it is no HTTP.
    pub async fn head(&mut self) -> ReplyHead {
        self.try_head().await.expect("a reply before the connection ends")
    }

    /// [`head`](Self::head), or `None` when the peer hung up without one.
    pub async fn try_head(&mut self) -> Option<ReplyHead> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut reply = httparse::Response::new(&mut fields);
            let parsed = reply.parse(&self.buf).expect("the reply is HTTP/1.1");
            if let httparse::Status::Complete(length) = parsed {
                let status = reply.code.unwrap_or_default();
                let headers = reply
                    .headers
                    .iter()
                    .map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned()))
                    .collect();
                self.buf.advance(length);
                if status == 100 {
                    continue;
                }
                let head = ReplyHead { status, headers };
                self.framing = head.framing();
                return Some(head);
            }
            if self.fill().await != Fill::More {
                return None;
            }
        }
    }

    /// The next part of the body as it was written: one chunk, or what one read gave.
    ///
    /// # Errors
    /// How the body ended.
    pub async fn next_piece(&mut self) -> Result<Bytes, BodyEnd> {
        loop {
            match self.framing {
                Framing::Done => return Err(BodyEnd::Clean),
                Framing::Chunked => {
                    if let Some(chunk) = self.take_chunk() {
                        if !chunk.is_empty() {
                            return Ok(chunk);
                        }
                        self.framing = Framing::Done;
                        continue;
                    }
                }
                Framing::Length(0) => {
                    self.framing = Framing::Done;
                    continue;
                }
                Framing::Length(left) if !self.buf.is_empty() => {
                    let piece = self.buf.split_to(left.min(self.buf.len())).freeze();
                    self.framing = Framing::Length(left - piece.len());
                    return Ok(piece);
                }
                Framing::UntilClose if !self.buf.is_empty() => {
                    return Ok(self.buf.split().freeze());
                }
                Framing::Length(_) | Framing::UntilClose => {}
            }
            match (self.fill().await, self.framing) {
                (Fill::More, _) => {}
                (Fill::Closed, Framing::UntilClose) => return Err(BodyEnd::Clean),
                (Fill::Closed, _) => return Err(BodyEnd::Cut),
                (Fill::Reset, _) => return Err(BodyEnd::Reset),
            }
        }
    }

    /// Reads on until the body so far (of this call) contains `needle`.
    ///
    /// # Panics
    /// When the body ends first.
    pub async fn until(&mut self, needle: &str) -> Bytes {
        let mut bytes = BytesMut::new();
        while !contains(&bytes, needle.as_bytes()) {
            match self.next_piece().await {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(end) => panic!(
                    "the body ended ({end:?}) before {needle:?}: {}",
                    String::from_utf8_lossy(&bytes)
                ),
            }
        }
        bytes.freeze()
    }

    /// The rest of the body.
    pub async fn rest(&mut self) -> Body {
        let mut bytes = BytesMut::new();
        loop {
            match self.next_piece().await {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(end) => return Body { bytes: bytes.freeze(), end },
            }
        }
    }

    /// Head and whole body of the next reply.
    pub async fn reply(&mut self) -> (ReplyHead, Body) {
        (self.head().await, self.rest().await)
    }

    /// Waits until the peer hangs up, and tells how.
    ///
    /// # Panics
    /// When it says something instead.
    pub async fn hung_up(&mut self) -> BodyEnd {
        match self.fill().await {
            Fill::Closed => BodyEnd::Cut,
            Fill::Reset => BodyEnd::Reset,
            Fill::More => panic!("unexpected: {}", String::from_utf8_lossy(&self.buf)),
        }
    }

    async fn fill(&mut self) -> Fill {
        match patient("bytes from the peer", self.stream.read_buf(&mut self.buf)).await {
            Ok(0) => Fill::Closed,
            Ok(_) => Fill::More,
            Err(_) => Fill::Reset,
        }
    }

    /// A whole chunk, if there is one; empty for the last (which takes its trailers along).
    fn take_chunk(&mut self) -> Option<Bytes> {
        let line = find(&self.buf, b"\r\n")?;
        let text = std::str::from_utf8(&self.buf[..line]).expect("a chunk size is ASCII");
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).expect("a chunk size in hex");
        if size == 0 {
            // The blank line that ends the trailers; without trailers the line's own end opens it.
            let end = find(&self.buf[line..], b"\r\n\r\n")?;
            self.buf.advance(line + end + 4);
            return Some(Bytes::new());
        }
        if self.buf.len() < line + 2 + size + 2 {
            return None;
        }
        self.buf.advance(line + 2);
        let chunk = self.buf.split_to(size).freeze();
        self.buf.advance(2);
        Some(chunk)
    }
}

impl ReplyHead {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn framing(&self) -> Framing {
        if matches!(self.status, 204 | 304) {
            return Framing::Done;
        }
        match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(n)) => Framing::Length(n.parse().expect("content-length is a number")),
            (None, None) => Framing::UntilClose,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    More,
    Closed,
    Reset,
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || find(haystack, needle).is_some()
}
