//! OpenAI's dialects: Chat Completions and Responses.
//!
//! No I/O.

mod quirks;

pub use quirks::{
    Images, MaxTokensField, Quirks, ReasoningIn, ReasoningOut, Replay, ToolChoiceLevel, UserField,
};
