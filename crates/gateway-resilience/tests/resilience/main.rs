//! The machines against models of them, over made-up time.

mod breaker;
mod bucket;
mod budget;
mod keys;
mod places;
mod small;
mod walk;

use std::time::{Duration, Instant};

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// The same cases in each run: what fails in the gate fails again at one's desk.
fn config(seed: u64) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    }
}

/// Some instant; all others are counted from it.
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
fn start() -> Instant {
    Instant::now()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}
