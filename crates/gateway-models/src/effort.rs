//! How hard a model is asked to think.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A level of reasoning effort, from none to all there is. Ordered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// No reasoning at all.
    None,
    /// The least that a reasoning model does.
    Minimal,
    /// Little.
    Low,
    /// The usual amount.
    Medium,
    /// Much.
    High,
    /// More than much.
    XHigh,
    /// As much as the model can.
    Max,
}

impl Effort {
    /// All levels, lowest first.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The word that stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The level of `supported` that comes nearest to this one; of two equally near ones the lower.
    ///
    /// [`Effort::None`] asks for no reasoning: it becomes the lowest level there is. Any other level
    /// asks for some, so `none` is the answer only where it is the only one. `None` when `supported`
    /// is empty: such a model has no effort control and must be sent none.
    ///
    /// ```
    /// use gateway_models::Effort::{self, High, Low, Max, Medium, Minimal};
    ///
    /// assert_eq!(Max.nearest(&[Low, Medium, High]), Some(High));
    /// assert_eq!(Medium.nearest(&[Low, High, Max]), Some(Low));
    /// assert_eq!(Effort::None.nearest(&[Minimal, Low]), Some(Minimal));
    /// assert_eq!(Low.nearest(&[]), None);
    /// ```
    pub fn nearest(self, supported: &[Self]) -> Option<Self> {
        if self == Self::None {
            return supported.iter().copied().min();
        }
        supported
            .iter()
            .copied()
            .min_by_key(|&level| (level == Self::None, (level as u8).abs_diff(self as u8), level))
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no effort.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no effort; use one of none, minimal, low, medium, high, xhigh, max")]
pub struct UnknownEffort(String);

impl FromStr for Effort {
    type Err = UnknownEffort;

    fn from_str(word: &str) -> Result<Self, UnknownEffort> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| UnknownEffort(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Effort::{self, High, Low, Max, Medium, Minimal, XHigh};

    #[test]
    fn words_go_there_and_back() {
        for level in Effort::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            let json = serde_json::to_string(&level).expect("a unit variant is a string");
            assert_eq!(json, format!("\"{level}\""));
        }
        let error = "ultra".parse::<Effort>().expect_err("no such level");
        assert!(error.to_string().contains("`ultra`") && error.to_string().contains("xhigh"));
    }

    #[test]
    fn the_nearest_level_is_taken_and_ties_go_down() {
        let none = Effort::None;
        for (wanted, supported, nearest) in [
            (Max, &[Low, Medium, High][..], Some(High)),
            (Max, &[none, Low, XHigh], Some(XHigh)),
            (XHigh, &[Low, High, Max], Some(High)),
            (Medium, &[Low, High], Some(Low)),
            (Low, &[Medium, High, XHigh], Some(Medium)),
            (Low, &[High], Some(High)),
            // Asked for some thinking: `none` is farther than any.
            (Minimal, &[none, Low], Some(Low)),
            (Low, &[none, Max], Some(Max)),
            (High, &[none], Some(none)),
            (none, &[none, Low], Some(none)),
            (none, &[Minimal, Low], Some(Minimal)),
            (none, &[Low, Medium], Some(Low)),
            (none, &[High], Some(High)),
            (none, &[], None),
            (High, &[], None),
        ] {
            assert_eq!(wanted.nearest(supported), nearest, "{wanted} of {supported:?}");
        }
    }
}
