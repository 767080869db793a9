//! Chat Completions, there and back.

mod carried;
mod replies;
mod requests;
mod support;
