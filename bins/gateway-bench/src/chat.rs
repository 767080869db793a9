//! The upstream's side of the translated workloads: what a request for Chat Completions must be,
//! what is said to it, and what the caller must get of it in Anthropic's words.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::script::{EVENT_STREAM, Reply, Stream, delta_text};

/// The model that the translating proxies ask for.
pub(crate) const MODEL: &str = "gpt-5.6-terra";

/// Deltas of a stream.
pub(crate) const DELTAS: usize = 200;

/// What a request for Chat Completions must be: right when the first one comes, and every other the
/// same to the byte.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    pub(crate) stream: bool,
    /// How many tools the caller's request has.
    pub(crate) tools: usize,
    /// Length of the caller's request.
    pub(crate) length: usize,
    first: OnceLock<Bytes>,
}

impl Chat {
    /// What a caller's request must become.
    pub(crate) fn of(messages_body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Asked<'b> {
            #[serde(default)]
            stream: bool,
            #[serde(borrow, default)]
            tools: Vec<&'b RawValue>,
        }
        let asked: Asked<'_> = serde_json::from_slice(messages_body)?;
        let (stream, tools) = (asked.stream, asked.tools.len());
        Ok(Self { stream, tools, length: messages_body.len(), first: OnceLock::new() })
    }

    /// Fails unless it is one.
    pub(crate) fn check(&self, head: &[u8], body: &[u8]) -> Result<()> {
        if let Some(first) = self.first.get() {
            ensure!(body == first, "a body that is not the one of before");
            return Ok(());
        }
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        ensure!(line == "POST /v1/chat/completions HTTP/1.1", "the request is {line:?}");
        let body = Bytes::copy_from_slice(body);
        let asked: Value = serde_json::from_slice(&body).context("a body that is no JSON")?;
        ensure!(asked["model"] == MODEL, "the model is {}", asked["model"]);
        ensure!(asked["stream"].as_bool().unwrap_or(false) == self.stream, "`stream` is lost");
        let tools = asked["tools"].as_array().map_or(0, Vec::len);
        ensure!(tools == self.tools, "{tools} tools, not {}", self.tools);
        let messages = asked["messages"].as_array().context("a body without messages")?;
        ensure!(messages.iter().any(|message| message["role"] == "user"), "nothing is asked");
        // What is said and the tools are most of a request; hardly anything may be missing.
        ensure!(body.len() > self.length * 9 / 10, "{} bytes of {}", body.len(), self.length);
        let _ = self.first.set(body);
        Ok(())
    }
}

/// What the unary answer says.
pub(crate) fn unary_text() -> String {
    "word ".repeat(130)
}

/// A whole completion of about 1 KB.
pub(crate) fn unary() -> Reply {
    let text = unary_text();
    Reply::unary(&format!(
        r#"{{"id":"chatcmpl-Bench","object":"chat.completion","created":1790000000,"model":"{MODEL}","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":12250,"completion_tokens":131,"total_tokens":12381,"prompt_tokens_details":{{"cached_tokens":12000,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}},"service_tier":"default"}}"#
    ))
}

/// A stream of chunks that say [`DELTAS`] pieces, `burst` chunks in each write.
pub(crate) fn stream(burst: usize, gap: Duration) -> Stream {
    let chunk = |rest: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-Bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"{MODEL}\",\"service_tier\":\"default\",\"system_fingerprint\":null,{rest}}}\n\n"
        )
    };
    let choice = |delta: &str, finish: &str| {
        chunk(&format!(
            r#""choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}],"usage":null"#
        ))
    };
    let mut chunks = vec![choice(r#"{"role":"assistant","content":"","refusal":null}"#, "null")];
    let delta = choice(&format!(r#"{{"content":"{}"}}"#, delta_text()), "null");
    chunks.extend(std::iter::repeat_n(delta, DELTAS));
    chunks.push(choice("{}", r#""stop""#));
    chunks.push(chunk(
        r#""choices":[],"usage":{"prompt_tokens":12250,"completion_tokens":200,"total_tokens":12450,"prompt_tokens_details":{"cached_tokens":12000},"completion_tokens_details":{"reasoning_tokens":0}}"#,
    ));
    chunks.push("data: [DONE]\n\n".to_owned());
    Stream::of(EVENT_STREAM, &chunks, burst, Duration::ZERO, gap)
}

/// Fails unless this is [`unary`] as a message.
pub(crate) fn check_message(body: &[u8]) -> Result<()> {
    let message: Value = serde_json::from_slice(body).context("a reply that is no JSON")?;
    let said = &message["content"][0];
    let right = message["type"] == "message"
        && message["role"] == "assistant"
        && message["id"].is_string()
        && message["content"].as_array().is_some_and(|content| content.len() == 1)
        && said["type"] == "text"
        && said["text"] == unary_text()
        && message["stop_reason"] == "end_turn"
        && message["usage"]["output_tokens"] == 131;
    ensure!(right, "a reply that is not the message meant: {message}");
    Ok(())
}

/// Fails unless this is [`stream`] as events.
pub(crate) fn check_stream(body: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(body)?;
    let mut said = Vec::new();
    let mut kinds = Vec::new();
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once("\ndata: ").with_context(|| format!("{event:?}"))?;
        let data: Value = serde_json::from_str(data).with_context(|| event.to_owned())?;
        let kind = name.strip_prefix("event: ").context("an event without a name")?;
        ensure!(data["type"] == kind, "an event called {kind} is {}", data["type"]);
        match kind {
            "content_block_delta" => {
                let delta = &data["delta"];
                ensure!(data["index"] == 0 && delta["type"] == "text_delta", "{event}");
                said.push(delta["text"].as_str().context("a delta without text")?.to_owned());
                if said.len() > 1 {
                    continue;
                }
            }
            "message_start" => ensure!(data["message"]["role"] == "assistant", "{event}"),
            "message_delta" => {
                ensure!(data["delta"]["stop_reason"] == "end_turn", "{event}");
                ensure!(data["usage"]["output_tokens"] == 200, "{event}");
            }
            "ping" => continue,
            "content_block_start" | "content_block_stop" | "message_stop" => {}
            _ => bail!("an event {kind}"),
        }
        kinds.push(kind);
    }
    ensure!(
        kinds
            == [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop"
            ],
        "the events are {kinds:?}"
    );
    ensure!(said.len() == DELTAS, "{} deltas, not {DELTAS}", said.len());
    // All but the time that each was sent.
    let (before, after) = ("and so t=", " on");
    let right = |said: &String| {
        said.len() == delta_text().len() && said.starts_with(before) && said.ends_with(after)
    };
    ensure!(said.iter().all(right), "deltas that say something else");
    Ok(())
}
