//! Google's `generateContent` dialect, on AI Studio and on Vertex AI.
//!
//! [`Gemini`] writes a request for one of the two and reads its answer. What the generations of models
//! do differently is data. No I/O.
//!
//! ```
//! use gateway_gemini::{Gemini, Options, Schemas, Surface};
//! use gateway_models::Catalogue;
//! use gateway_translate::{AttemptCx, Egress as _, Keyring};
//! use gateway_types::{Block, BlockKind, Message, Raw, Request, Role, Text};
//!
//! let egress = Gemini {
//!     surface: Surface::AiStudio,
//!     catalogue: Catalogue::builtin().clone(),
//!     schemas: Schemas::default(),
//!     options: Options::default(),
//! };
//! let keys = Keyring::new(["a secret"]);
//! let cx = AttemptCx { model: "gemini-3.1-pro", provider: "google", ..AttemptCx::new(&keys) };
//! let text = Block {
//!     kind: BlockKind::Text { text: Text::plain("Hello"), citations: None },
//!     raw: Raw::from_json("\"Hello\""),
//!     cache_control: false,
//! };
//! let messages = vec![Message { role: Role::User, content: vec![text] }];
//! let request = Request { max_tokens: Some(1000), messages, stream: true, ..Request::default() };
//! let encoded = egress.encode(&request, &cx)?;
//! assert_eq!(encoded.path, "/models/gemini-3.1-pro:streamGenerateContent?alt=sse");
//! assert!(encoded.body.contains(r#""contents":[{"role":"user","parts":[{"text":"Hello"}]}]"#));
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod carrier;
mod config;
mod contents;
mod encode;
mod ending;
mod extra;
mod fault;
mod grounding;
mod habits;
mod parts;
mod reader;
mod schema;
mod surface;
mod target;
mod think;
mod tools;
mod usage;
mod wire;

use gateway_models::Catalogue;
use gateway_translate::{AttemptCx, Egress, Encoded, FaultCx};
use gateway_types::{ApiError, Fault, Request};
use http::{HeaderMap, StatusCode};

pub use schema::{Schemas, json_schema, openapi_schema};
pub use surface::Surface;

/// An upstream that speaks `generateContent`.
#[derive(Debug, Clone)]
pub struct Gemini {
    /// Which of Google's services.
    pub surface: Surface,
    /// What is known of models.
    pub catalogue: Catalogue,
    /// What was made of schemas before.
    pub schemas: Schemas,
    /// How requests are written.
    pub options: Options,
}

/// How requests are written: what configuration says, and limits of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest answer of the model, in tokens, where configuration knows better.
    pub max_output: Option<u64>,
    /// Prompt and answer together, in tokens, where configuration knows better.
    pub context_window: Option<u64>,
    /// Whether the model calls functions, where configuration knows better.
    pub tools: Option<bool>,
    /// Whether it sees images, where configuration knows better.
    pub vision: Option<bool>,
    /// Longest tool name, in characters. The documents say 128; backends with 64 are in use.
    pub tool_name_max: usize,
    /// Longest id of a call, in characters.
    pub call_id_max: usize,
    /// So many stop sequences are sent; the others are matched in the gateway. Which one of those that
    /// are sent was met is not told: with 0 all are matched in the gateway, and told.
    pub stop_sequences_sent: usize,
    /// The threshold for every category of harm, e.g. `BLOCK_ONLY_HIGH`; absent: the service's own.
    pub safety_threshold: Option<String>,
    /// Fields that are never sent: `safetySettings`, `thinkingConfig`, `temperature` and their like.
    pub drop_fields: Vec<String>,
    /// Top-level fields added to each request, with their JSON. The members of `generationConfig` are
    /// added to its others, and win over them; so does `safetySettings`.
    pub extra_fields: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_output: None,
            context_window: None,
            tools: None,
            vision: None,
            tool_name_max: 64,
            call_id_max: 64,
            stop_sequences_sent: 5,
            safety_threshold: None,
            drop_fields: Vec::new(),
            extra_fields: Vec::new(),
        }
    }
}

impl Egress for Gemini {
    fn encode(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        encode::encode(request, &target::Target::new(self, cx)?)
    }

    fn counts(&self, _model: &str) -> bool {
        true
    }

    fn fault(&self, cx: &FaultCx<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
        let limit = self.options.context_window;
        let limit = limit.or_else(|| self.catalogue.facts(cx.model).prompt_limit());
        let asked = fault::Asked { cx: *cx, limit, vertex: self.surface.is_vertex() };
        fault::read(&asked, status, head, body)
    }
}
