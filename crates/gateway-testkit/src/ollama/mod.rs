//! Ollama as the gateway must expect it: a [`Server`] that reads requests into fixed types as the real one
//! does, cuts prompts that exceed the model's window without a word, and answers with scripted
//! [`Turn`]s line by line.
//!
//! ```
//! use gateway_testkit::ollama::{Model, rules};
//! use serde_json::json;
//!
//! let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]});
//! let refusal = rules::check(&body, &Model::new("m")).unwrap_err();
//! assert!(refusal.message.starts_with("json: cannot unmarshal array into Go struct field"));
//! ```

mod model;
mod obliging;
pub mod reply;
pub mod rules;
mod seen;
mod server;

pub use model::Model;
pub use obliging::obliging;
pub use seen::{Seen, agent};
pub use server::Server;

pub use crate::openai::{Fault, Finish, Part, Refusal, Turn, Usage};
