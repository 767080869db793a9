//! As much of HTTP/1.1 and of server-sent events as a load generator needs: cheap, and strict about
//! what it counts.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock;

/// A caller's connection, kept alive between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    io: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self> {
        let io = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        io.set_nodelay(true)?;
        Ok(Self { io, buffer: vec![0; 64 << 10] })
    }

    /// Sends a request and hands the reply's body to `sink` as it comes. Anything but a whole 200
    /// is an error.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.io.write_all(request).await.context("sending a request")?;
        let mut filled = 0;
        let (mut framing, head) = loop {
            let read = self.io.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the connection was closed before a reply");
            filled += read;
            if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break (Framing::of(&self.buffer[..end + 2])?, end + 4);
            }
            ensure!(filled < self.buffer.len(), "an endless head");
        };
        let mut ended = framing.feed(&self.buffer[head..filled], &mut sink)?;
        while !ended {
            let read = self.io.read(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed in the middle of a reply");
            ended = framing.feed(&self.buffer[..read], &mut sink)?;
        }
        Ok(())
    }
}

/// Where a body ends.
#[derive(Debug)]
enum Framing {
    /// Bytes left.
    Length(usize),
    Chunked(Chunk),
}

#[derive(Debug)]
enum Chunk {
    /// Reading a size, and what it is so far.
    Size(usize),
    /// After the size's digits: up to the end of the line.
    SizeEnd(usize),
    Data(usize),
    /// CR and LF after the data: bytes of them left.
    DataEnd(usize),
    /// After the last chunk: bytes of the final CR LF left. Trailers are an error.
    Trailer(usize),
}

impl Framing {
    fn of(head: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(head).context("a head that is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 200"), "the reply is {status:?}");
        let mut framing = None;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                framing = Some(Self::Length(value.parse().context("content-length")?));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(value.eq_ignore_ascii_case("chunked"), "transfer-encoding {value}");
                framing = Some(Self::Chunked(Chunk::Size(0)));
            } else if name.eq_ignore_ascii_case("connection") {
                ensure!(value.eq_ignore_ascii_case("keep-alive"), "connection {value}");
            }
        }
        framing.context("a reply without a length")
    }

    /// Whether the body is at its end after these bytes.
    fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<bool> {
        match self {
            Self::Length(left) => {
                ensure!(bytes.len() <= *left, "more bytes than the reply's length");
                sink(bytes);
                *left -= bytes.len();
                Ok(*left == 0)
            }
            Self::Chunked(chunk) => {
                while let Some(&byte) = bytes.first() {
                    match chunk {
                        Chunk::Size(size) => {
                            bytes = &bytes[1..];
                            *chunk = match (byte as char).to_digit(16) {
                                Some(digit) => Chunk::Size(*size * 16 + digit as usize),
                                None if byte == b'\r' => Chunk::SizeEnd(*size),
                                None => bail!("a chunk size with {byte:#x} in it"),
                            };
                        }
                        Chunk::SizeEnd(size) => {
                            ensure!(byte == b'\n', "a chunk size without its line feed");
                            bytes = &bytes[1..];
                            *chunk =
                                if *size == 0 { Chunk::Trailer(2) } else { Chunk::Data(*size) };
                        }
                        Chunk::Data(left) => {
                            let (data, rest) = bytes.split_at(bytes.len().min(*left));
                            sink(data);
                            bytes = rest;
                            *left -= data.len();
                            if *left == 0 {
                                *chunk = Chunk::DataEnd(2);
                            }
                        }
                        Chunk::DataEnd(left) => {
                            ensure!(byte == b"\n\r"[*left - 1], "a chunk without its end");
                            bytes = &bytes[1..];
                            *left -= 1;
                            if *left == 0 {
                                *chunk = Chunk::Size(0);
                            }
                        }
                        Chunk::Trailer(left) => {
                            ensure!(byte == b"\n\r"[*left - 1], "trailers");
                            bytes = &bytes[1..];
                            *left -= 1;
                            if *left == 0 {
                                ensure!(bytes.is_empty(), "bytes after the reply");
                                return Ok(true);
                            }
                        }
                    }
                }
                Ok(false)
            }
        }
    }
}

/// What stands before the time in an event's text.
pub(crate) const STAMP: &[u8] = b" t=";
/// Hexadecimal digits of the time.
pub(crate) const STAMP_DIGITS: usize = 16;

/// Counts the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) bytes: usize,
    pub(crate) count: usize,
    /// Of the events, those that say a piece.
    pub(crate) deltas: usize,
    /// The last whole event was `message_stop`.
    pub(crate) stopped: bool,
    /// When the first event came, in nanoseconds of the clock.
    pub(crate) first: Option<u64>,
    /// Nanoseconds from the upstream's write of an event until it was read, where asked for.
    pub(crate) delays: Option<Vec<u64>>,
    /// Of an event of which not everything has come.
    carry: Vec<u8>,
}

impl Events {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        if self.first.is_none() {
            self.first = Some(clock::nanos());
        }
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(bytes);
            let whole = std::mem::take(&mut self.carry);
            self.carry = self.events(&whole).to_vec();
            return;
        }
        bytes = self.events(bytes);
        self.carry.extend_from_slice(bytes);
    }

    /// Takes the whole events and returns the rest.
    fn events<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while let Some(end) = memmem::find(bytes, b"\n\n") {
            let (event, rest) = bytes.split_at(end + 2);
            bytes = rest;
            self.count += 1;
            self.deltas += usize::from(event.starts_with(b"event: content_block_delta\n"));
            self.stopped = event.starts_with(b"event: message_stop\n");
            if let Some(delays) = &mut self.delays
                && let Some(sent) = stamp_of(event)
            {
                delays.push(clock::nanos().saturating_sub(sent));
            }
        }
        bytes
    }
}

fn stamp_of(event: &[u8]) -> Option<u64> {
    let at = memmem::find(event, STAMP)? + STAMP.len();
    let digits = std::str::from_utf8(event.get(at..at + STAMP_DIGITS)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_may_come_in_any_pieces() {
        let wire = b"5\r\nevent\r\n1a\r\n: message_stop\ndata: {}\n\n\n\r\n0\r\n\r\n";
        for cut in 0..wire.len() {
            let mut framing = Framing::Chunked(Chunk::Size(0));
            let mut events = Events::default();
            let mut sink = |bytes: &[u8]| events.push(bytes);
            assert!(!framing.feed(&wire[..cut], &mut sink).unwrap());
            assert!(framing.feed(&wire[cut..], &mut sink).unwrap());
            assert_eq!((events.bytes, events.count, events.stopped), (31, 1, true), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_a_whole_reply_is_an_error() {
        let mut nothing = |_: &[u8]| {};
        for bad in [&b"g\r\n"[..], b"1\r\nxx", b"0\r\nx: y\r\n\r\n", b"0\r\n\r\nHTTP/1.1"] {
            let mut framing = Framing::Chunked(Chunk::Size(0));
            assert!(framing.feed(bad, &mut nothing).is_err(), "{}", bad.escape_ascii());
        }
        assert!(Framing::Length(2).feed(b"abc", &mut nothing).is_err());
        assert!(Framing::of(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n").is_err());
        assert!(Framing::of(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
