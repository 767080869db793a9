//! Amazon Bedrock Runtime as the gateway must expect it: a [`Server`] that checks signatures and refuses
//! what the real service and its models refuse, in their words, and answers with scripted [`Turn`]s in
//! every [`Style`] that its models have.
//!
//! ```
//! use gateway_testkit::bedrock::{Rules, converse_rules};
//! use serde_json::json;
//!
//! let rules = Rules::bedrock("us.meta.llama3-3-70b-instruct-v1:0");
//! let body = json!({"messages": [{"role": "user", "content": [{"text": " "}]}]});
//! let refusal = converse_rules::check(&body, &rules, &Default::default()).unwrap_err();
//! assert!(refusal.message.starts_with("The text field in the ContentBlock object at"));
//! ```

mod agent;
mod blobs;
mod claude_rules;
mod clock;
mod converse_messages;
pub mod converse_reply;
pub mod converse_rules;
mod converse_tools;
mod count_rules;
pub mod event_stream;
mod invoke_messages;
pub mod invoke_reply;
pub mod invoke_rules;
mod invoke_tools;
mod obliging;
mod refusal;
mod rules;
mod seen;
mod server;
mod shapes;
mod sigv4;
mod style;
mod turn;
mod walk;

pub use agent::agent;
pub use blobs::{Issued, redacted, signature};
pub use count_rules::tokens as count_tokens;
pub use obliging::obliging;
pub use refusal::{Extra, Refusal};
pub use rules::{Family, ReasoningBack, Rules};
pub use seen::{Operation, Seen};
pub use server::Server;
pub use sigv4::AccessKey;
pub use style::{CacheCounts, Input, Reads, Style};
pub use turn::{Asked, Citation, Fault, Finish, Location, Part, Turn, Usage};
