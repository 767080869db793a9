//! When to try again, whom to leave alone, how much is too much.
//!
//! State machines over an injected clock: every method that needs the time takes an
//! [`Instant`](std::time::Instant), every one that needs luck takes a number. No I/O, no configuration,
//! no HTTP.

pub mod settings;
