//! Chat Completions.

mod annotations;
mod encode;
mod ending;
mod history;
mod messages;
mod parts;
mod reader;
mod reasoning;
mod speech;
mod think;
mod tools;
mod wire;

pub(crate) use encode::encode;

/// The name of the dialect in sealed state.
const DIALECT: &str = "openai-chat";
