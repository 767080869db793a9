//! Ollama's dialect, there and back.

#![expect(clippy::needless_pass_by_value, reason = "helpers take what `json!` makes")]

mod carried;
mod faults;
mod fuzz;
mod replies;
mod requests;
mod support;
