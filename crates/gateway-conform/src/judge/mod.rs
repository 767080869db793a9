//! The judges: pure functions from what came to what is wrong with it.

mod error;
mod fold;
mod message;
mod reply;

pub use error::{anthropic_error, is_mendable, refused};
pub use fold::{Aspect, Fault, Told, fold};
pub use message::{message, model_echo, stop, usage};
pub use reply::{answer, aspect, blocks, stream, text_of, told};

#[cfg(test)]
mod tests;
