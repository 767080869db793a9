//! Chat Completions, there and back.

#![expect(
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "helpers take what `json!` makes, and speed is of no matter here"
)]

mod azure;
mod carried;
mod cases;
mod fuzz;
mod openrouter;
mod quirks;
mod recorded;
mod replies;
mod requests;
mod support;
mod thinking;
mod turns;
