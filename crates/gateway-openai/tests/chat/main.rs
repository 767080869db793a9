//! Chat Completions, there and back.

mod replies;
mod support;
