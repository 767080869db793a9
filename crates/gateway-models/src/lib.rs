//! What is known of a model, and how many tokens a text is.
//!
//! [`CATALOGUE`] lists models with their limits; [`estimate_tokens`] guesses what a text costs when
//! no counter can be asked. No I/O.
//!
//! ```
//! use gateway_models::{estimate_tokens, find};
//!
//! assert_eq!(find("claude-haiku-4-5-20251001").map(|m| m.context_window), Some(200_000));
//! assert!((8..=14).contains(&estimate_tokens("The quick brown fox jumps over the lazy dog.")));
//! ```

mod catalogue;
mod estimate;

pub use catalogue::{CATALOGUE, Model, find};
pub use estimate::estimate_tokens;
