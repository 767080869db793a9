//! A request as it is to be sent, and what came of it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::stream::Stream;

/// What the cases need to know of the endpoint.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The model to ask for.
    pub model: String,
}

/// One request. Two cases that ask the same share the answer: it costs money.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// `POST`
    pub method: String,
    /// Path and query, below the endpoint's base URL.
    pub target: String,
    /// Without credentials, `host` and `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The credential.
    pub auth: Auth,
    /// Close the connection when the first event of the stream is there.
    pub leaves: bool,
    /// Counts the asks that must not share an answer although they are equal; 0 for most.
    pub turn: usize,
}

/// Which credential a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Auth {
    /// The user's, in the header that was chosen.
    Given,
    /// The user's, in both headers.
    Both,
    /// None.
    None,
    /// One that can't be right.
    Wrong,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![
                header("anthropic-version", VERSION),
                header("accept-encoding", "identity"),
            ],
            body: Bytes::new(),
            auth: Auth::Given,
            leaves: false,
            turn: 0,
        }
    }

    /// A request to `/v1/messages?beta=true`, with the headers that every client sends.
    pub fn messages(body: &Value) -> Self {
        Self::new("POST", "/v1/messages?beta=true").json(body)
    }

    /// With this body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into();
        self.header("content-type", "application/json")
    }

    /// With one more header, or another value of it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push(header(name, value));
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// With another credential.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Whether a model may be asked, which costs money.
    pub fn is_billable(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == "POST" && path == "/v1/messages"
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A request and what came of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Whether a stream was asked for.
    pub streaming: bool,
    /// The answer, or why there is none.
    pub outcome: Result<Reply, String>,
    /// How long it took, the body included.
    pub took: Duration,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// When the head was there.
    pub head_at: Duration,
    /// The body as it came.
    pub chunks: Vec<Chunk>,
    /// How the body ended.
    pub end: End,
}

/// One piece of a body, as it was read.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Since the request began.
    pub at: Duration,
    /// What came.
    pub bytes: Bytes,
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    Whole,
    /// The connection broke.
    Cut,
    /// We had seen enough and left.
    Left,
    /// Nothing more came within the time limit.
    TimedOut,
}

impl Reply {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The media type without its parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").and_then(|v| v.split(';').next()).unwrap_or_default().trim()
    }

    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body()).ok()
    }

    /// The body as a stream of events.
    pub fn stream(&self) -> Stream {
        Stream::read(&self.chunks)
    }

    /// Status and body in a few words.
    pub fn summary(&self) -> String {
        let body = self.json().and_then(|body| {
            let message = body.pointer("/error/message")?.as_str()?.to_owned();
            let kind = body.pointer("/error/type").and_then(Value::as_str).unwrap_or("?");
            Some(format!("{kind}: {message}"))
        });
        let body = body.unwrap_or_else(|| self.text());
        let body = if body.trim().is_empty() { "an empty body".to_owned() } else { body };
        format!("{} {}", self.status, crate::finding::clipped(&body))
    }
}

/// What Claude Code sends as `anthropic-version`.
const VERSION: &str = "2023-06-01";
