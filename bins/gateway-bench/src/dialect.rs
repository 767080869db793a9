//! The dialects of upstreams beside Chat Completions: for each one description of how the gateway is
//! led to it, what it must ask there, and how the same 200 deltas are said.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_testkit::bedrock::event_stream::frame;
use memchr::memmem;

use crate::chat::DELTAS;
use crate::script::{AROUND_DELTAS, EVENT_STREAM, Stream, delta_text, events, payloads};
use crate::target::UPSTREAM_KEY;

/// An upstream's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Responses,
    /// AI Studio's.
    Gemini,
    /// Bedrock's, for families that are not Claude.
    Converse,
    /// Claude on Bedrock: Anthropic's events in AWS's frames.
    Invoke,
    /// Claude on Vertex AI: Anthropic's events.
    Vertex,
    Ollama,
}

/// What is particular about a dialect.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The row.
    pub(crate) row: &'static str,
    /// What the upstream is asked for.
    pub(crate) model: &'static str,
    /// The provider's lines in the configuration; `{upstream}` is its address.
    pub(crate) provider: &'static str,
    /// Files beside the configuration, with the same place.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What is asked besides: paths and answers.
    pub(crate) asides: &'static [(&'static str, &'static str)],
    /// The path that is asked.
    path: &'static str,
    /// What must stand among the headers.
    credential: &'static str,
    content_type: &'static str,
    /// The stream, event by event.
    events: fn() -> Vec<Vec<u8>>,
    /// The cost of an event, as a multiple of that of Chat Completions.
    pub(crate) goal: f64,
}

impl Dialect {
    pub(crate) const ALL: [Self; 6] =
        [Self::Responses, Self::Gemini, Self::Converse, Self::Invoke, Self::Vertex, Self::Ollama];

    pub(crate) fn spec(self) -> &'static Spec {
        match self {
            Self::Responses => &RESPONSES,
            Self::Gemini => &GEMINI,
            Self::Converse => &CONVERSE,
            Self::Invoke => &INVOKE,
            Self::Vertex => &VERTEX,
            Self::Ollama => &OLLAMA,
        }
    }
}

impl Spec {
    /// 200 deltas, `burst` events in each write.
    pub(crate) fn stream(&self, burst: usize, gap: Duration) -> Stream {
        let stream = Stream::of(self.content_type, &(self.events)(), burst, Duration::ZERO, gap);
        // A frame has a checksum, and nobody looks at the time here.
        stream.without_time()
    }

    /// The stream's events without HTTP's framing.
    pub(crate) fn events(&self) -> Vec<Vec<u8>> {
        (self.events)()
    }
}

/// What a request must be: right when the first one comes, and every other with the same body.
#[derive(Debug)]
pub(crate) struct Asked {
    spec: &'static Spec,
    /// What the caller says.
    text: Bytes,
    first: OnceLock<Bytes>,
}

impl Asked {
    /// What this request of a caller must become.
    pub(crate) fn new(spec: &'static Spec, messages_body: &Bytes) -> Result<Self> {
        let at = memmem::find(messages_body, b"\"content\":\"").context("a text")? + 11;
        let rest = messages_body.slice(at..);
        let text = rest.slice(..memchr::memchr(b'"', &rest).context("a text's end")?);
        Ok(Self { spec, text, first: OnceLock::new() })
    }

    /// Fails unless it is one.
    pub(crate) fn check(&self, head: &[u8], body: &[u8]) -> Result<()> {
        if let Some(first) = self.first.get() {
            ensure!(body == first, "a body that is not the one of before");
            return Ok(());
        }
        let head = String::from_utf8_lossy(head);
        let line = head.lines().next().unwrap_or_default();
        let wanted = format!("POST {} HTTP/1.1", self.spec.path);
        ensure!(line == wanted, "the request is {line:?}, not {wanted:?}");
        ensure!(head.contains(self.spec.credential), "a head without credential: {head}");
        serde_json::from_slice::<serde_json::Value>(body).context("a body that is no JSON")?;
        ensure!(memmem::find(body, &self.text).is_some(), "a body that does not say the text");
        let _ = self.first.set(Bytes::copy_from_slice(body));
        Ok(())
    }
}

const RESPONSES: Spec = Spec {
    row: "W4-responses",
    model: "gpt-5.6-terra",
    provider: r#"    kind: openai-responses
    api_base: "http://{upstream}/v1"
    api_key: "${BENCH_UPSTREAM_KEY}"
"#,
    files: &[],
    asides: &[],
    path: "/v1/responses",
    credential: UPSTREAM_KEY,
    content_type: EVENT_STREAM,
    events: responses,
    goal: 1.3,
};

const GEMINI: Spec = Spec {
    row: "W4-gemini",
    model: "gemini-3.1-pro",
    provider: r#"    kind: gemini
    api_base: "http://{upstream}"
    api_key: "${BENCH_UPSTREAM_KEY}"
"#,
    files: &[],
    asides: &[],
    path: "/v1beta/models/gemini-3.1-pro:streamGenerateContent?alt=sse",
    credential: UPSTREAM_KEY,
    content_type: EVENT_STREAM,
    events: gemini,
    goal: 1.3,
};

/// Requests are signed, each one anew.
const BEDROCK: &str = r#"    kind: bedrock
    api_base: "http://{upstream}"
    extra: {region: us-east-1}
"#;

const AWS_FRAMES: &str = "application/vnd.amazon.eventstream";

const CONVERSE: Spec = Spec {
    row: "W4-converse",
    model: "us.amazon.nova-pro-v1:0",
    provider: BEDROCK,
    files: &[],
    asides: &[],
    path: "/model/us.amazon.nova-pro-v1%3A0/converse-stream",
    credential: "AWS4-HMAC-SHA256 Credential=AKIDBENCH/",
    content_type: AWS_FRAMES,
    events: converse,
    goal: 1.3,
};

const INVOKE: Spec = Spec {
    row: "W4-invoke",
    model: "us.anthropic.claude-opus-4-7",
    provider: BEDROCK,
    files: &[],
    asides: &[],
    path: "/model/us.anthropic.claude-opus-4-7/invoke-with-response-stream",
    credential: "AWS4-HMAC-SHA256 Credential=AKIDBENCH/",
    content_type: AWS_FRAMES,
    events: invoke,
    goal: 1.3,
};

const VERTEX: Spec = Spec {
    row: "W4-vertex",
    model: "claude-opus-4-7",
    provider: r#"    kind: vertex
    api_base: "http://{upstream}"
    extra: {project: bench, location: global, credentials_file: login.json}
"#,
    files: &[(
        "login.json",
        r#"{"type":"authorized_user","client_id":"id","client_secret":"secret","refresh_token":"token","token_uri":"http://{upstream}/token"}"#,
    )],
    asides: &[(
        "/token ",
        r#"{"access_token":"ya29.bench","expires_in":3599,"token_type":"Bearer"}"#,
    )],
    path: "/v1/projects/bench/locations/global/publishers/anthropic/models/claude-opus-4-7:streamRawPredict",
    credential: "Bearer ya29.bench",
    content_type: EVENT_STREAM,
    events: vertex,
    goal: 1.0,
};

/// What Ollama says of the model.
pub(crate) const OLLAMA_SHOWS: &str = r#"{"model_info":{"general.architecture":"qwen3moe","qwen3moe.context_length":262144},"capabilities":["completion","tools"]}"#;

const OLLAMA: Spec = Spec {
    row: "W4-ollama",
    model: "qwen3-coder",
    provider: r#"    kind: ollama
    api_base: "http://{upstream}"
"#,
    files: &[],
    asides: &[("/api/show ", OLLAMA_SHOWS)],
    path: "/api/chat",
    credential: "content-type: application/json",
    content_type: "application/x-ndjson",
    events: ollama,
    goal: 1.3,
};

fn responses() -> Vec<Vec<u8>> {
    const HERE: &str = r#""item_id":"msg_Bench","output_index":0,"content_index":0"#;
    let mut number = 0;
    let mut event = |kind: &str, rest: &str| {
        let text = format!(
            "event: response.{kind}\ndata: {{\"type\":\"response.{kind}\",{rest},\"sequence_number\":{number}}}\n\n"
        );
        number += 1;
        text.into_bytes()
    };
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            r#""response":{{"id":"resp_Bench","object":"response","created_at":1790000000,"status":"{status}","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":1024,"max_tool_calls":null,"model":"gpt-5.6-terra","output":[{output}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":"medium","summary":null}},"service_tier":"default","store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}}}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","usage":{usage},"user":null,"metadata":{{}}}}"#
        )
    };
    let part = |text: &str| {
        format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#)
    };
    let item = |status: &str, content: &str| {
        format!(
            r#"{{"id":"msg_Bench","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#
        )
    };
    let begun = response("in_progress", "", "null");
    let mut events = vec![
        event("created", &begun),
        event("in_progress", &begun),
        event(
            "output_item.added",
            &format!(r#""output_index":0,"item":{}"#, item("in_progress", "")),
        ),
        event("content_part.added", &format!(r#"{HERE},"part":{}"#, part(""))),
    ];
    let delta = delta_text();
    for _ in 0..DELTAS {
        events.push(event(
            "output_text.delta",
            &format!(r#"{HERE},"delta":"{delta}","logprobs":[],"obfuscation":"abcdefgh""#),
        ));
    }
    let text = delta.repeat(DELTAS);
    let whole = item("completed", &part(&text));
    events.push(event("output_text.done", &format!(r#"{HERE},"text":"{text}","logprobs":[]"#)));
    events.push(event("content_part.done", &format!(r#"{HERE},"part":{}"#, part(&text))));
    events.push(event("output_item.done", &format!(r#""output_index":0,"item":{whole}"#)));
    let usage = r#"{"input_tokens":12250,"input_tokens_details":{"cached_tokens":12000},"output_tokens":200,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":12450}"#;
    events.push(event("completed", &response("completed", &whole, usage)));
    events
}

fn gemini() -> Vec<Vec<u8>> {
    let event = |part: &str, finish: &str, said: usize| {
        let total = 12_250 + said;
        let text = format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{part}],\"role\":\"model\"}},{finish}\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":12250,\"candidatesTokenCount\":{said},\"totalTokenCount\":{total},\"cachedContentTokenCount\":12000,\"promptTokensDetails\":[{{\"modality\":\"TEXT\",\"tokenCount\":12250}}]}},\"modelVersion\":\"gemini-3.1-pro\",\"responseId\":\"benchBenchBenchBenchBe\"}}\r\n\r\n"
        );
        text.into_bytes()
    };
    let delta = format!(r#"{{"text":"{}"}}"#, delta_text());
    let mut events: Vec<_> = (1..=DELTAS).map(|said| event(&delta, "", said)).collect();
    events.push(event(r#"{"text":""}"#, r#""finishReason":"STOP","#, DELTAS));
    events
}

fn framed(kind: &str, payload: &str) -> Vec<u8> {
    let headers =
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

fn converse() -> Vec<Vec<u8>> {
    // The service hides the lengths of what it says behind letters of any number.
    let mut events = vec![framed("messageStart", r#"{"p":"abcdefghijkl","role":"assistant"}"#)];
    let delta = format!(
        r#"{{"contentBlockIndex":0,"delta":{{"text":"{}"}},"p":"abcdefghijkl"}}"#,
        delta_text()
    );
    events.extend(std::iter::repeat_n(framed("contentBlockDelta", &delta), DELTAS));
    events.push(framed("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdefg"}"#));
    events.push(framed("messageStop", r#"{"p":"abcdefghijk","stopReason":"end_turn"}"#));
    events.push(framed(
        "metadata",
        r#"{"metrics":{"latencyMs":812},"p":"abcd","usage":{"inputTokens":250,"outputTokens":200,"totalTokens":12450,"cacheReadInputTokens":12000,"cacheWriteInputTokens":0}}"#,
    ));
    events
}

fn invoke() -> Vec<Vec<u8>> {
    let event = |(_, data): (&str, String)| {
        let payload = format!(r#"{{"bytes":"{}","p":"abcdefghijkl"}}"#, STANDARD.encode(data));
        framed("chunk", &payload)
    };
    payloads(DELTAS + AROUND_DELTAS).into_iter().map(event).collect()
}

fn vertex() -> Vec<Vec<u8>> {
    events(DELTAS + AROUND_DELTAS).into_iter().map(String::into_bytes).collect()
}

fn ollama() -> Vec<Vec<u8>> {
    let line = |text: &str, rest: &str| {
        let mut line = String::new();
        let _ = writeln!(
            line,
            r#"{{"model":"qwen3-coder","created_at":"2026-10-28T08:41:35.772184Z","message":{{"role":"assistant","content":"{text}"}},{rest}}}"#
        );
        line.into_bytes()
    };
    let mut lines = vec![line(&delta_text(), r#""done":false"#); DELTAS];
    lines.push(line(
        "",
        r#""done":true,"done_reason":"stop","total_duration":5012345678,"load_duration":45678901,"prompt_eval_count":12250,"prompt_eval_duration":212345678,"eval_count":200,"eval_duration":4712345678"#,
    ));
    lines
}
