//! Ollama's own dialect: `POST /api/chat`.
//!
//! Why not its OpenAI-shaped face: only this one can say how large a context window the model is loaded
//! with, and whatever does not fit that window Ollama cuts off without a word. [`Ollama`] asks the
//! server what the model is ([`Egress::question`]), says the window in every request, and refuses a prompt
//! that does not fit it. No I/O.
//!
//! ```
//! use gateway_ollama::Ollama;
//! use gateway_translate::{AttemptCx, Egress as _, Keyring};
//! use gateway_types::{Block, BlockKind, Message, Raw, Request, Role, Text};
//!
//! let egress = Ollama::default();
//! let question = egress.question("qwen3-coder").expect("it asks");
//! assert_eq!((&*question.path, &*question.body.unwrap()), ("/api/show", r#"{"model":"qwen3-coder"}"#));
//!
//! let about = br#"{"model_info": {"qwen3moe.context_length": 262144}, "capabilities": ["tools"]}"#;
//! let keys = Keyring::new(["a secret"]);
//! let cx = AttemptCx { model: "qwen3-coder", about: Some(about), ..AttemptCx::new(&keys) };
//! let text = Block {
//!     kind: BlockKind::Text { text: Text::plain("Hello"), citations: None },
//!     raw: Raw::from_json("\"Hello\""),
//!     cache_control: false,
//! };
//! let messages = vec![Message { role: Role::User, content: vec![text] }];
//! let request = Request { max_tokens: Some(1000), messages, ..Request::default() };
//! let encoded = egress.encode(&request, &cx)?;
//! assert_eq!(encoded.path, "/api/chat");
//! assert!(encoded.body.contains(r#""options":{"num_ctx":65536,"num_predict":1000}"#));
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod about;
mod encode;
mod fault;
mod line;
mod messages;
mod reader;
mod schema;
mod think;
mod tools;
mod window;

use gateway_models::Catalogue;
use gateway_translate::{AttemptCx, Egress, Encoded, FaultCx, Json, Question, should_retry};
use gateway_types::{ApiError, Fault, Request};
use http::{HeaderMap, StatusCode};

pub use gateway_dialect::SchemaMemo;
pub use window::DEFAULT_NUM_CTX;

/// What sealed state of this dialect is bound to.
const DIALECT: &str = "ollama";

/// An upstream that is Ollama, asked at its root (`http://localhost:11434`).
#[derive(Debug, Clone)]
pub struct Ollama {
    /// The context window that models are loaded with, in tokens. `None`: the one that the model's
    /// Modelfile says, where an agent gets along with it, else the model's own, but at most
    /// [`DEFAULT_NUM_CTX`]. It is the same in every request to a model, since another one makes Ollama
    /// load the model anew.
    pub num_ctx: Option<u64>,
    /// A document that the model can't read is an error of the caller, not a placeholder.
    pub refuse_documents: bool,
    /// Top-level fields that are always sent: name and JSON value, e.g. `keep_alive` and `"1h"`.
    pub extra_fields: Vec<(String, String)>,
    /// What is known of models, and what configuration says of them.
    pub catalogue: Catalogue,
    /// The schemas that were found to need no change.
    pub schemas: SchemaMemo,
}

impl Default for Ollama {
    fn default() -> Self {
        Self {
            num_ctx: None,
            refuse_documents: false,
            extra_fields: Vec::new(),
            catalogue: Catalogue::builtin().clone(),
            schemas: SchemaMemo::default(),
        }
    }
}

impl Egress for Ollama {
    fn encode(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        encode::encode(self, request, cx)
    }

    fn counts(&self, _model: &str) -> bool {
        // It has no counter.
        false
    }

    fn question(&self, model: &str) -> Option<Question> {
        let mut json = Json::new();
        json.object(|json| {
            json.key("model").string(model);
        });
        Some(Question { path: "/api/show".to_owned(), body: Some(json.into_string()) })
    }

    fn fault(&self, cx: &FaultCx<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
        let window = self.num_ctx.unwrap_or(DEFAULT_NUM_CTX);
        fault::read(cx, window, Some(status), head, body).heeding(should_retry(head))
    }
}
