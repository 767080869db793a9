//! Google as the gateway must expect it: Gemini at AI Studio and at Vertex AI, and Claude at Vertex AI. A
//! [`Server`] refuses what the real services refuse, in their words, and answers with scripted
//! [`Turn`]s in every [`Style`] that was seen of them.
//!
//! ```
//! use gateway_testkit::google::{Rules, gemini_rules};
//! use serde_json::json;
//!
//! let rules = Rules::studio("gemini-3.1-pro");
//! let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "top_k": 3});
//! let refusal = gemini_rules::check(&body, "gemini-3.1-pro", &rules).unwrap_err();
//! assert_eq!(
//!     refusal.message,
//!     "Invalid JSON payload received. Unknown name \"top_k\": Cannot find field."
//! );
//! ```

mod agent;
mod claude_messages;
pub mod claude_reply;
pub mod claude_rules;
mod content_rules;
pub mod gemini_reply;
pub mod gemini_rules;
mod models;
mod oauth;
mod obliging;
mod proto;
mod proto_tables;
mod refusal;
mod route;
mod rsa;
mod rules;
mod seen;
mod server;
mod signatures;
mod style;
mod tool_rules;
mod turn;

pub use agent::agent;
pub use claude_rules::Call;
pub use oauth::{Impersonate, PROJECT, SERVICE_ACCOUNT, SUBJECT_TOKEN};
pub use obliging::obliging;
pub use refusal::{Form, Refusal};
pub use rules::{Platform, Rules};
pub use seen::Seen;
pub use server::Server;
pub use signatures::BYPASSES;
pub use style::{Calls, Ends, Frames, Given, Signed, Style, UsageAt, Writes};
pub use turn::{Asked, Fault, Finish, Part, Source, Turn, Usage};
