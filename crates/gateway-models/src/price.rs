//! What tokens cost.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// Money in millionths of a dollar. An integer, since ledgers are sums of millions of entries.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl Add for MicroUsd {
    type Output = Self;

    /// Saturates: a ledger that is full stays full.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self(0), Add::add)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// What one exchange used, in tokens. The kinds are disjoint: `input` holds neither what was read
/// from a cache nor what was written to one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    /// Prompt tokens at the full price.
    pub input: u64,
    /// Answer tokens, reasoning among them.
    pub output: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache for the shorter time (5 minutes at Anthropic).
    pub cache_write: u64,
    /// Prompt tokens written to a cache for an hour.
    pub cache_write_1h: u64,
}

impl Tokens {
    /// The whole prompt, however it was billed.
    pub fn prompt(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.cache_write_1h]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The list prices of a model: micro-dollars per million tokens, so `2_500_000` is $2.50.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The price of prompt tokens.
    pub input: u64,
    /// The price of answer tokens.
    pub output: u64,
    /// The price of tokens read from a cache; not listed: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// The price of tokens written to a cache; not listed: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// The price of tokens written to a cache for an hour; not listed: as `cache_write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Other prices for long prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Box<LongPrompt>>,
}

/// The prices that hold for a whole request once its prompt is longer than `tokens`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrompt {
    /// The longest prompt at the ordinary prices.
    pub tokens: u64,
    /// See [`Prices::input`].
    pub input: u64,
    /// See [`Prices::output`].
    pub output: u64,
    /// See [`Prices::cache_read`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// See [`Prices::cache_write`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// See [`Prices::cache_write_1h`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
}

impl Prices {
    /// What `tokens` cost. Added up exactly and rounded once, to the nearest micro-dollar, halves
    /// up; a sum beyond what fits is the largest amount there is.
    ///
    /// ```
    /// use gateway_models::{MicroUsd, Prices, Tokens};
    ///
    /// let prices: Prices = serde_json::from_str(
    ///     r#"{"input": 2500000, "output": 10000000, "cache_read": 1250000}"#,
    /// )?;
    /// let used = Tokens { input: 1_000, cache_read: 10_000, output: 200, ..Tokens::default() };
    /// assert_eq!(prices.cost(used), MicroUsd(2_500 + 12_500 + 2_000));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn cost(&self, tokens: Tokens) -> MicroUsd {
        let long = self.over.as_deref().filter(|long| tokens.prompt() > long.tokens);
        let [input, output, read, write, write_1h] = match long {
            Some(p) => each(p.input, p.output, p.cache_read, p.cache_write, p.cache_write_1h),
            None => each(
                self.input,
                self.output,
                self.cache_read,
                self.cache_write,
                self.cache_write_1h,
            ),
        };
        let micro_micros = [
            (tokens.input, input),
            (tokens.output, output),
            (tokens.cache_read, read),
            (tokens.cache_write, write),
            (tokens.cache_write_1h, write_1h),
        ]
        .into_iter()
        .map(|(count, price)| u128::from(count) * u128::from(price))
        .fold(0, u128::saturating_add);
        let rounded = micro_micros.saturating_add(PER_TOKENS / 2) / PER_TOKENS;
        MicroUsd(u64::try_from(rounded).unwrap_or(u64::MAX))
    }
}

fn each(
    input: u64,
    output: u64,
    read: Option<u64>,
    write: Option<u64>,
    write_1h: Option<u64>,
) -> [u64; 5] {
    let write = write.unwrap_or(input);
    [input, output, read.unwrap_or(input), write, write_1h.unwrap_or(write)]
}

/// Prices are per so many tokens.
const PER_TOKENS: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Prices = Prices {
        input: 3_000_000,
        output: 15_000_000,
        cache_read: Some(300_000),
        cache_write: Some(3_750_000),
        cache_write_1h: Some(6_000_000),
        over: None,
    };

    fn tokens(input: u64, output: u64, read: u64, write: u64, write_1h: u64) -> Tokens {
        Tokens { input, output, cache_read: read, cache_write: write, cache_write_1h: write_1h }
    }

    #[test]
    fn every_kind_has_its_price() {
        let million = 1_000_000;
        for (used, cost) in [
            (tokens(million, 0, 0, 0, 0), 3_000_000),
            (tokens(0, million, 0, 0, 0), 15_000_000),
            (tokens(0, 0, million, 0, 0), 300_000),
            (tokens(0, 0, 0, million, 0), 3_750_000),
            (tokens(0, 0, 0, 0, million), 6_000_000),
            (tokens(0, 0, 0, 0, 0), 0),
            // 0.3 + 0.3 + 0.3 micro-dollars: rounded once, not three times.
            (tokens(0, 0, 3, 0, 0), 1),
            (tokens(0, 0, 1, 0, 0), 0),
            (tokens(0, 0, 5, 0, 0), 2),
        ] {
            assert_eq!(PLAIN.cost(used), MicroUsd(cost), "{used:?}");
        }
    }

    #[test]
    fn an_unlisted_price_is_the_next_dearer_one() {
        let bare = Prices { cache_read: None, cache_write: None, cache_write_1h: None, ..PLAIN };
        assert_eq!(bare.cost(tokens(0, 0, 10, 10, 10)), MicroUsd(90));
        let write_only = Prices { cache_write: Some(4_000_000), ..bare };
        assert_eq!(write_only.cost(tokens(0, 0, 0, 10, 10)), MicroUsd(80));
    }

    #[test]
    fn a_long_prompt_changes_the_price_of_the_whole_request() {
        let long = LongPrompt {
            tokens: 200_000,
            input: 6_000_000,
            output: 22_500_000,
            cache_read: Some(600_000),
            cache_write: None,
            cache_write_1h: None,
        };
        let prices = Prices { over: Some(Box::new(long)), ..PLAIN };
        assert_eq!(prices.cost(tokens(100_000, 10, 100_000, 0, 0)), MicroUsd(330_150));
        // One token more, though it comes from a cache.
        assert_eq!(prices.cost(tokens(100_000, 10, 100_001, 0, 0)), MicroUsd(660_226));
    }

    #[test]
    fn the_largest_counts_do_not_overflow() {
        let max = u64::MAX;
        let dear = Prices { input: max, output: max, ..PLAIN };
        assert_eq!(dear.cost(tokens(max, max, max, max, max)), MicroUsd(max));
        assert_eq!(tokens(max, 0, 1, 0, 0).prompt(), max);
        assert_eq!([MicroUsd(max), MicroUsd(1)].into_iter().sum::<MicroUsd>(), MicroUsd(max));
        assert_eq!(MicroUsd(1_234_567).to_string(), "$1.234567");
    }
}
