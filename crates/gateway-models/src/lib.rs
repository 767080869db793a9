//! What is known of a model, and how many tokens a text is.
//!
//! [`Catalogue`] lists models with their windows, limits, efforts, capabilities and list prices, from
//! a dated data file over which a person's own rows can be laid. [`Facts`] are what holds for any
//! name, listed or not. [`Estimate`] guesses what a request costs when no counter can be asked, and
//! [`overflow`] reads what servers say of prompts that are too long. No I/O.
//!
//! ```
//! use gateway_models::{Catalogue, Effort, Estimate, Facts, Tokens};
//!
//! let model = Catalogue::builtin().find("openai/gpt-5-2025-08-07").expect("listed");
//! assert_eq!(model.prompt_limit(), Some(272_000));
//! assert_eq!(model.nearest_effort(Effort::Max), Some(Effort::High));
//! let prices = model.prices.as_ref().expect("listed");
//! let used = Tokens { input: 2_000, output: 100, ..Tokens::default() };
//! assert_eq!(prices.cost(used).to_string(), "$0.003500");
//!
//! let mut estimate = Estimate::new(Facts::of("gpt-5").family);
//! estimate.text("The quick brown fox jumps over the lazy dog.");
//! assert!((8..=16).contains(&estimate.total()));
//! ```

mod catalogue;
mod effort;
mod estimate;
mod facts;
mod family;
mod model;
mod name;
pub mod overflow;
mod price;
mod row;

pub use catalogue::{Catalogue, CatalogueError};
pub use effort::{Effort, UnknownEffort};
pub use estimate::{Estimate, estimate_tokens};
pub use facts::Facts;
pub use family::{Family, family};
pub use model::{Capabilities, Endpoints, Model, Reasoning, Sampling};
pub use price::{LongPrompt, MicroUsd, Prices, Tokens};
