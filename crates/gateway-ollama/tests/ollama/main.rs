//! Ollama's dialect, there and back.

#![expect(
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "helpers take what `json!` makes, and speed is of no matter here"
)]

mod carried;
mod faults;
mod fuzz;
mod replies;
mod requests;
mod support;
