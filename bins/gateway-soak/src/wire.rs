//! The caller's side of HTTP/1.1, by hand: it must see how a reply ends, not only what it says.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to the gateway.
#[derive(Debug)]
pub(crate) struct Connection {
    io: TcpStream,
    buffer: Vec<u8>,
    /// It has carried a whole exchange before.
    used: bool,
}

/// A reply as far as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The end of its framing came.
    pub(crate) whole: bool,
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// With a head at least; a connection that can be used again is returned.
    Reply(Reply, Option<Connection>),
    /// The connection ended before a head.
    Nothing {
        /// It may have been closed before it was asked: try another one.
        stale: bool,
    },
    /// The caller left, when so many bytes of the body had come; `None`: before the head.
    Left(Option<usize>),
}

/// When a caller leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Never.
    ToTheEnd,
    /// After so many milliseconds.
    Millis(u64),
    /// After so many bytes of the body.
    Bytes(usize),
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> std::io::Result<Self> {
        let io = TcpStream::connect(to).await?;
        io.set_nodelay(true)?;
        Ok(Self { io, buffer: Vec::new(), used: false })
    }

    /// Sends a request and reads the reply, as long as the caller stays.
    pub(crate) async fn exchange(mut self, request: &[u8], stay: Stay) -> Exchange {
        let mut reply = Reply::default();
        let most = if let Stay::Bytes(most) = stay { most } else { usize::MAX };
        let used = self.used;
        let talk = self.talk(request, &mut reply, most);
        let came = if let Stay::Millis(millis) = stay {
            let time = std::time::Duration::from_millis(millis);
            tokio::time::timeout(time, talk).await.is_ok()
        } else {
            talk.await;
            true
        };
        if !came {
            return Exchange::Left((reply.status > 0).then_some(reply.body.len()));
        }
        if reply.status == 0 {
            return Exchange::Nothing { stale: used };
        }
        if !reply.whole && reply.body.len() >= most {
            return Exchange::Left(Some(reply.body.len()));
        }
        let closes = reply.header("connection").is_some_and(|value| value == "close");
        let again = reply.whole && !closes && self.buffer.is_empty();
        self.used = true;
        Exchange::Reply(reply, again.then_some(self))
    }

    /// `None`: the connection ended early.
    async fn talk(&mut self, request: &[u8], reply: &mut Reply, most: usize) -> Option<()> {
        self.io.write_all(request).await.ok()?;
        loop {
            let end = loop {
                if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                self.more().await?;
            };
            let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..end);
            reply.status = head.split(' ').nth(1)?.parse().ok()?;
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            let field =
                |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.trim().to_owned());
            reply.headers = fields.map(field).collect();
            if reply.status >= 200 {
                break;
            }
        }
        if reply.header("transfer-encoding").is_some() {
            return self.chunks(reply, most).await;
        }
        let length = reply.header("content-length")?.parse::<usize>().ok()?;
        while reply.body.len() < length.min(most) {
            let here = self.buffer.len().min(length - reply.body.len());
            reply.body.extend(self.buffer.drain(..here));
            if reply.body.len() < length.min(most) {
                self.more().await?;
            }
        }
        reply.whole = reply.body.len() == length;
        Some(())
    }

    async fn chunks(&mut self, reply: &mut Reply, most: usize) -> Option<()> {
        loop {
            let size = loop {
                if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    let size =
                        usize::from_str_radix(std::str::from_utf8(&self.buffer[..at]).ok()?, 16);
                    self.buffer.drain(..at + 2);
                    break size.ok()?;
                }
                self.more().await?;
            };
            while self.buffer.len() < size + 2 {
                self.more().await?;
            }
            reply.body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
            if size == 0 {
                reply.whole = true;
                return Some(());
            }
            if reply.body.len() >= most {
                return Some(());
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.io.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }
}

impl Reply {
    /// The first header of that name (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What a caller makes of a server that says this and closes.
    async fn heard(said: &'static str, stay: Stay) -> Exchange {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = async {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut asked = [0; 3];
            io.read_exact(&mut asked).await.unwrap();
            io.write_all(said.as_bytes()).await.unwrap();
        };
        let client = async { Connection::open(addr).await.unwrap().exchange(b"ask", stay).await };
        tokio::join!(server, client).1
    }

    #[tokio::test]
    async fn whole_replies_are_told_from_cut_ones() {
        const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (said, whole, body) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", true, "hi"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", false, "hi"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
                true,
                "hi",
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", false, "hi"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", false, "hi"),
            (CHUNKED, false, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n", true, ""),
        ] {
            let Exchange::Reply(reply, _) = heard(said, Stay::ToTheEnd).await else {
                panic!("{said}")
            };
            assert_eq!((reply.whole, &*reply.body), (whole, body.as_bytes()), "{said}");
        }
        assert!(matches!(
            heard("HTTP/1.1 200", Stay::ToTheEnd).await,
            Exchange::Nothing { stale: false }
        ));
    }

    #[tokio::test]
    async fn a_caller_leaves_when_it_has_enough() {
        let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
        assert!(matches!(heard(said, Stay::Bytes(3)).await, Exchange::Left(Some(5))));
        let Exchange::Reply(reply, _) = heard(said, Stay::Bytes(300)).await else {
            panic!("all came")
        };
        assert!(reply.whole);
    }
}
