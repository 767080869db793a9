//! The workloads: what is asked, how often, and what the upstream says to it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use gateway_testkit::fixtures;

use crate::chat::{self, Chat};
use crate::dialect::Asked;
use crate::load::{Ask, Pattern, Want};
use crate::script::{AROUND_DELTAS, Expect, Reply, Script, Stream};
use crate::target::{Asks, CLIENT_KEY, Target};

/// The model that the captured request asks for, and the one that the route sends instead: of the
/// same length, so that both ways of passing the request on move the same number of bytes.
pub(crate) const RENAMED_FROM: &str = "claude-opus-5-5";
pub(crate) const RENAMED_TO: &str = "claude-opus-4-8";

/// What is done, by all proxies alike.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) connections: usize,
    pub(crate) pattern: Pattern,
    body: Body,
    reply: Reply,
    /// What a proxy that asks for Chat Completions is answered, where the work is to translate;
    /// others are still answered `reply`.
    chat: Option<Reply>,
    /// How many events stand in a write, where every dialect can answer.
    burst: Option<usize>,
}

#[derive(Debug, Clone)]
enum Body {
    /// 1 KB with few headers.
    Small { stream: bool },
    /// The same, of a session of Claude Code's.
    OfASession,
    /// What Claude Code sends in an ordinary turn with many tools, with its headers.
    Captured { stream: bool },
}

impl Workload {
    /// A request after the other on each connection.
    pub(crate) fn unary_small() -> Self {
        Self {
            connections: 16,
            pattern: Pattern { interval: Duration::ZERO, delays: false },
            body: Body::Small { stream: false },
            reply: Reply::unary(&unary_reply("claude-sonnet-5")),
            chat: None,
            burst: None,
        }
    }

    /// The same, and the caller names its session.
    pub(crate) fn unary_of_a_session() -> Self {
        Self { body: Body::OfASession, ..Self::unary_small() }
    }

    pub(crate) fn unary_captured() -> Self {
        Self {
            body: Body::Captured { stream: false },
            reply: Reply::unary(&unary_reply(RENAMED_TO)),
            ..Self::unary_small()
        }
    }

    /// A fixed number of requests a second, over all connections.
    pub(crate) fn unary_at_rate(per_second: u32) -> Self {
        let small = Self::unary_small();
        let connections = u32::try_from(small.connections).expect("a handful");
        let interval = Duration::from_secs(1) * connections / per_second;
        Self { pattern: Pattern { interval, delays: false }, ..small }
    }

    fn stream(connections: usize, stream: Stream) -> Self {
        Self {
            connections,
            pattern: Pattern { interval: Duration::ZERO, delays: false },
            body: Body::Small { stream: true },
            reply: Reply::Stream(stream),
            chat: None,
            burst: None,
        }
    }

    /// 200 events, ten to a write, a write each 2 ms.
    pub(crate) fn bursts() -> Self {
        Self::stream(16, Stream::new(200, 10, Duration::ZERO, Duration::from_millis(2)))
    }

    /// 200 events, ten to a write, as fast as they go: a proxy reads as many as its buffer takes.
    pub(crate) fn flood() -> Self {
        Self::stream(16, Stream::new(200, 10, Duration::ZERO, Duration::ZERO))
    }

    /// 64 streams, one event each 5 ms.
    pub(crate) fn paced() -> Self {
        Self::stream(64, Stream::new(200, 1, Duration::ZERO, Duration::from_millis(5)))
    }

    /// The captured request, answered by a model of OpenAI.
    pub(crate) fn chat_unary() -> Self {
        Self { chat: Some(chat::unary()), ..Self::unary_captured() }
    }

    /// 200 deltas of Chat Completions, ten chunks to a write, a write each 2 ms.
    pub(crate) fn chat_bursts() -> Self {
        Self::chat_stream(16, 10, Duration::from_millis(2))
    }

    /// 64 streams of Chat Completions, one chunk each 5 ms.
    pub(crate) fn chat_paced() -> Self {
        Self::chat_stream(64, 1, Duration::from_millis(5))
    }

    fn chat_stream(connections: usize, burst: usize, gap: Duration) -> Self {
        let events = chat::DELTAS + AROUND_DELTAS;
        let same = Stream::new(events, burst, Duration::ZERO, gap);
        let chat = Some(Reply::Stream(chat::stream(burst, gap)));
        Self { chat, burst: Some(burst), ..Self::stream(connections, same) }
    }

    /// Streams as from a model: 200 ms, then 50 events, 20 ms apart.
    pub(crate) fn slow(connections: usize) -> Self {
        let gap = Duration::from_millis(20);
        let mut slow =
            Self::stream(connections, Stream::new(50, 1, Duration::from_millis(200), gap));
        slow.pattern.delays = true;
        slow
    }

    /// The same, asked for by the captured request.
    pub(crate) fn slow_captured(connections: usize) -> Self {
        Self { body: Body::Captured { stream: true }, ..Self::slow(connections) }
    }

    /// 200 short streams a second, answered at once.
    pub(crate) fn first_events() -> Self {
        let stream = Stream::new(10, 10, Duration::ZERO, Duration::from_nanos(1));
        let mut first = Self::stream(16, stream);
        first.pattern.interval = Duration::from_millis(80);
        first
    }

    /// What callers of this proxy send and get, and what the upstream gets and says.
    pub(crate) fn for_target(&self, target: &Target) -> Result<(Ask, Arc<Script>)> {
        let (headers, body) = self.body.request()?;
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let request = gateway_testkit::request("POST", "/v1/messages?beta=true", &headers, &body);
        let renamed = |text: &[u8], from: &str, to: &str| -> Result<Bytes> {
            let text = std::str::from_utf8(text)?;
            Ok(text.replacen(&quoted(from), &quoted(to), 1).into())
        };
        let expect = if target.renames_request() {
            renamed(&body, RENAMED_FROM, RENAMED_TO)?
        } else {
            body.clone()
        };
        if let (Some(reply), true) = (&self.chat, target.translates()) {
            let want = match &self.reply {
                Reply::Stream(stream) => Want::Deltas { events: stream.events },
                Reply::Unary(_) => Want::Message,
            };
            let expect = Expect::Chat(Chat::of(&expect)?);
            let script = Script { expect, reply: reply.clone(), asides: &[] };
            return Ok((Ask { request: request.into(), want }, Arc::new(script)));
        }
        if let (Reply::Stream(same), Some(burst), Asks::Dialect(dialect)) =
            (&self.reply, self.burst, target.asks())
        {
            let spec = dialect.spec();
            let script = Script {
                expect: Expect::Dialect(Asked::new(spec, &body)?),
                reply: Reply::Stream(spec.stream(burst, same.gap)),
                asides: spec.asides,
            };
            let want = Want::Deltas { events: same.events };
            return Ok((Ask { request: request.into(), want }, Arc::new(script)));
        }
        let want = match &self.reply {
            Reply::Stream(stream) => Want::Stream { events: stream.events, bytes: stream.bytes },
            Reply::Unary(reply) => {
                let head = memchr::memmem::find(reply, b"\r\n\r\n").context("a reply's head")?;
                let body = reply.slice(head + 4..);
                Want::Body(if target.renames_reply() {
                    renamed(&body, RENAMED_TO, RENAMED_FROM)?
                } else {
                    body
                })
            }
        };
        let (expect, reply) = (Expect::Body(expect), self.reply.clone());
        let script = Script { expect, reply, asides: &[] };
        Ok((Ask { request: request.into(), want }, Arc::new(script)))
    }
}

impl Body {
    fn request(&self) -> Result<(Vec<(String, String)>, Bytes)> {
        let own = |headers: &[(&str, &str)]| {
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        match self {
            Self::Small { stream } => {
                let headers = [
                    ("host", "gateway.example"),
                    ("content-type", "application/json"),
                    ("accept", "application/json"),
                    ("user-agent", "gateway-bench"),
                    ("anthropic-version", "2023-06-01"),
                    ("x-api-key", CLIENT_KEY),
                ];
                Ok((own(&headers), small_body(*stream)))
            }
            Self::OfASession => {
                let (mut headers, body) = Self::Small { stream: false }.request()?;
                headers.extend(own(&[(
                    "x-claude-code-session-id",
                    "0b7f9d1e-8f0f-4f0e-9a53-3d1c58a1f0aa",
                )]));
                Ok((headers, body))
            }
            Self::Captured { stream } => {
                let fixture = fixtures::request("all-tools-no-search");
                let mut headers = fixture.headers;
                for (name, value) in &mut headers {
                    if name.eq_ignore_ascii_case("x-api-key") {
                        CLIENT_KEY.clone_into(value);
                    }
                }
                let body = std::str::from_utf8(&fixture.body)?;
                ensure!(body.contains(&quoted(RENAMED_FROM)), "the captured model is another now");
                let unary = body.replacen(r#""stream":true"#, r#""stream":false"#, 1);
                ensure!(unary != body, "the captured request is no stream any more");
                Ok((headers, if *stream { fixture.body } else { unary.into() }))
            }
        }
    }
}

/// What the small workloads ask.
pub(crate) fn small_body(stream: bool) -> Bytes {
    let text = "word ".repeat(if stream { 172 } else { 176 });
    let stream = if stream { r#","stream":true"# } else { "" };
    format!(
        r#"{{"model":"claude-sonnet-5","max_tokens":1024,"messages":[{{"role":"user","content":"{text}"}}],"temperature":1.0{stream}}}"#
    )
    .into()
}

/// What the large unary workloads ask.
pub(crate) fn captured_body() -> Result<Bytes> {
    Ok(Body::Captured { stream: false }.request()?.1)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// About 1 KB.
fn unary_reply(model: &str) -> String {
    let text = "word ".repeat(130);
    format!(
        r#"{{"id":"msg_01Bench","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":250,"cache_creation_input_tokens":0,"cache_read_input_tokens":12000,"output_tokens":131,"service_tier":"standard"}}}}"#
    )
}
