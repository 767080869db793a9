//! `OpenAI` as the gateway must expect it: a [`Server`] that refuses what the real services refuse, in
//! their words, and answers with scripted [`Turn`]s in every [`Style`] that compatible servers have.
//!
//! ```
//! use gateway_testkit::openai::{Rules, Turn, chat_rules};
//! use serde_json::json;
//!
//! let rules = Rules::openai("gpt-4.1");
//! let body = json!({"model": "gpt-4.1", "messages": [], "top_k": 3});
//! let refusal = chat_rules::check(&body, &rules).unwrap_err();
//! assert_eq!(refusal.message, "Unrecognized request argument supplied: top_k");
//! ```

mod agent;
mod azure_rules;
mod blobs;
mod chat_calls;
mod chat_messages;
pub mod chat_reply;
pub mod chat_rules;
mod chat_tools;
mod obliging;
mod openrouter_rules;
mod other_rules;
mod refusal;
mod responses_items;
pub mod responses_reply;
pub mod responses_rules;
mod responses_tools;
mod rules;
mod schema_rules;
mod seen;
mod server;
mod style;
mod turn;
mod walk;

pub use agent::agent;
pub use blobs::Issued;
pub use obliging::obliging;
pub use refusal::{Extra, Refusal};
pub use rules::{Rules, Vendor};
pub use seen::Seen;
pub use server::Server;
pub use style::{Arguments, CallIds, Calls, Frames, ReasoningAt, Style, UsageAt};
pub use turn::{Asked, Citation, Fault, Finish, Part, Turn, Usage};
pub use walk::tokens as count_tokens;

pub(crate) use walk::holds;
