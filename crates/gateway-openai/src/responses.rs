//! The Responses API.

mod encode;
mod items;
mod output;
mod reader;
mod reasoning;
mod search;
mod slot;
mod step;
mod tools;
mod wire;

pub(crate) use encode::encode;
