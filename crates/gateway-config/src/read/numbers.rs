//! Numbers, each with its bounds.

use std::time::Duration;

use super::{Cx, Section};
use crate::tree::{Node, Value};

impl Cx {
    /// A whole number within bounds (both included).
    pub(crate) fn whole(
        &mut self,
        section: &Section<'_>,
        key: &str,
        min: i128,
        max: i128,
    ) -> Option<i128> {
        let node = section.get(key)?;
        let number = match &node.value {
            Value::Int(n) => Some(*n),
            Value::Text(text) if node.untyped => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        match number {
            Some(n) if (min..=max).contains(&n) => Some(n),
            Some(n) => {
                let wanted = bounds(min, max);
                let message = format!("`{}` must be {wanted}, found {n}", section.full(key));
                self.error(
                    &section.place_of(key),
                    message,
                    "out of range",
                    format!("write {wanted}"),
                );
                None
            }
            None => {
                self.wrong(section, key, &bounds(min, max), node);
                None
            }
        }
    }

    /// A time in seconds, fractions allowed.
    pub(crate) fn seconds(
        &mut self,
        section: &Section<'_>,
        key: &str,
        zero: Zero,
    ) -> Option<Duration> {
        let node = section.get(key)?;
        let Some(n) = fraction(node) else {
            self.wrong(section, key, "a number of seconds", node);
            return None;
        };
        let allowed =
            n.is_finite() && n <= MAX_SECONDS && (n > 0.0 || (n == 0.0 && zero == Zero::Allowed));
        if allowed {
            return Some(Duration::from_secs_f64(n));
        }
        let wanted = match zero {
            Zero::Allowed => "a number of seconds from 0 to 604800",
            Zero::Refused => "a number of seconds above 0, at most 604800",
        };
        let message = format!("`{}` must be {wanted}, found {n}", section.full(key));
        self.error(&section.place_of(key), message, "out of range", format!("write {wanted}"));
        None
    }

    /// An amount of money in dollars, fractions allowed.
    pub(crate) fn dollars(&mut self, section: &Section<'_>, key: &str) -> Option<f64> {
        let wanted = ("a number of dollars", "a number of dollars from 0 to 1000000");
        self.fraction(section, key, wanted, |n| (0.0..=MAX_DOLLARS).contains(&n))
    }

    /// A number that `fits`; `wanted` says what it is, and what it is with its bounds.
    pub(crate) fn fraction(
        &mut self,
        section: &Section<'_>,
        key: &str,
        (kind, wanted): (&str, &str),
        fits: impl FnOnce(f64) -> bool,
    ) -> Option<f64> {
        let node = section.get(key)?;
        match fraction(node) {
            Some(n) if fits(n) => Some(n),
            Some(n) => {
                let message = format!("`{}` must be {wanted}, found {n}", section.full(key));
                let at = section.place_of(key);
                self.error(&at, message, "out of range", format!("write {wanted}"));
                None
            }
            None => {
                self.wrong(section, key, kind, node);
                None
            }
        }
    }
}

fn fraction(node: &Node) -> Option<f64> {
    match &node.value {
        #[expect(clippy::cast_precision_loss, reason = "every caller has bounds far below")]
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        Value::Text(text) if node.untyped => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether a time may be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
}

fn bounds(min: i128, max: i128) -> String {
    if max >= i128::from(i64::MAX) {
        format!("a whole number of at least {min}")
    } else if min <= i128::from(i64::MIN) + 1 || (min < 0 && min == -max) {
        "a whole number".to_owned()
    } else {
        format!("a whole number from {min} to {max}")
    }
}

/// A week: far above any sensible wait, far below what overflows a clock.
const MAX_SECONDS: f64 = 604_800.0;
/// Per million tokens: above any price.
const MAX_DOLLARS: f64 = 1e6;
