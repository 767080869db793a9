//! How hard a model is to think.

use gateway_models::Effort;

/// The effort that comes near a budget.
pub fn of_budget(tokens: u64) -> Effort {
    match tokens {
        0..2048 => Effort::Low,
        2048..8192 => Effort::Medium,
        8192..24576 => Effort::High,
        _ => Effort::XHigh,
    }
}
