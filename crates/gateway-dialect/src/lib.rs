//! What the foreign dialects share: content blocks taken apart into parts, tools told apart by who runs
//! them, what a reply is told of its request, prompts estimated. No I/O.

mod content;
mod effort;
mod estimate;
mod memo;
mod node;
mod request;
mod tools;

pub use content::{
    Content, ERROR_MARK, Part, Senses, current, file_name, server_call, server_result,
};
pub use effort::of_budget;
pub use estimate::prompt_estimate;
pub use memo::SchemaMemo;
pub use node::Node;
pub use request::{any_marked, cache_key, expect, note_cache_marks, note_others, user_id};
pub use tools::{KNOWN_TOOLS, Offer, offer, tool_names, wants_search};
