//! Chat Completions, there and back.

mod carried;
mod fuzz;
mod quirks;
mod recorded;
mod replies;
mod requests;
mod support;
