//! What a translation could not carry over.

use std::borrow::Cow;

/// Something of the request that the model will not see or obey as asked, or a hint that has no
/// effect. Nothing is dropped without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Where in the request, e.g. `top_k` or `messages[3].content[1]`.
    pub path: Cow<'static, str>,
    /// What was done about it.
    pub what: What,
    /// Why, in a few words.
    pub why: Cow<'static, str>,
}

/// What was done about something that could not be carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Left out: the model does not see or obey it.
    Dropped,
    /// Brought into the range that the upstream takes.
    Clamped,
    /// Said in another way.
    Replaced,
    /// Done by the gateway in the upstream's place.
    Emulated,
    /// Left out, without effect on the answer: a note for the record only.
    Hint,
}

impl What {
    /// The word for people and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Clamped => "clamped",
            Self::Replaced => "replaced",
            Self::Emulated => "emulated",
            Self::Hint => "hint",
        }
    }
}

impl Loss {
    /// A loss at `path`.
    pub fn new(
        what: What,
        path: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { path: path.into(), what, why: why.into() }
    }

    /// Whether the answer may differ because of it; a hint's does not.
    pub fn matters(&self) -> bool {
        self.what != What::Hint
    }

    /// Whether `x-gateway-strict` refuses it: what the gateway does itself in full is no loss.
    pub fn is_refused_when_strict(&self) -> bool {
        matches!(self.what, What::Dropped | What::Clamped | What::Replaced)
    }
}

/// The losses of one translation. The same thing lost in many places is one entry per path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    all: Vec<Loss>,
}

/// So many hints are listed: a long conversation repeats itself.
const HINTS: usize = 64;

/// So many losses that matter are listed; one more entry says that there are others.
const LISTED: usize = 256;

/// The path of losses beyond those that are listed.
const OTHERS: &str = "others";

impl Losses {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. A path that is there already with the same fate is not added again.
    pub fn add(
        &mut self,
        what: What,
        path: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) {
        let path = path.into();
        if self.all.iter().any(|l| l.what == what && l.path == path) {
            return;
        }
        let hint = what == What::Hint;
        let listed = self.all.iter().filter(|loss| loss.matters() != hint).count();
        if listed < if hint { HINTS } else { LISTED } {
            self.all.push(Loss { path, what, why: why.into() });
        } else if !hint && !self.all.iter().any(|l| l.what == what && l.path == OTHERS) {
            let why = "and others that are not listed";
            self.all.push(Loss { path: OTHERS.into(), what, why: why.into() });
        }
    }

    /// Adds those of `more` that are not there yet.
    pub fn extend(&mut self, more: &Self) {
        for loss in &more.all {
            self.add(loss.what, loss.path.clone(), loss.why.clone());
        }
    }

    /// All of them, in the order in which they were met.
    pub fn iter(&self) -> std::slice::Iter<'_, Loss> {
        self.all.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The value of the `x-gateway-fidelity` header: what was done and where, by fate; `None`
    /// where nothing that matters was lost.
    pub fn header(&self) -> Option<String> {
        let mut parts = Vec::new();
        for what in [What::Dropped, What::Clamped, What::Replaced, What::Emulated] {
            let paths: Vec<&str> =
                self.all.iter().filter(|l| l.what == what).map(|l| &*l.path).collect();
            if !paths.is_empty() {
                parts.push(format!("{}={}", what.as_str(), paths.join(",")));
            }
        }
        let text: String = parts.join("; ").chars().filter(|c| (' '..='~').contains(c)).collect();
        (!text.is_empty()).then(|| text.chars().take(2000).collect())
    }
}

impl<'a> IntoIterator for &'a Losses {
    type Item = &'a Loss;
    type IntoIter = std::slice::Iter<'a, Loss>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_groups_by_fate_and_leaves_hints_out() {
        let mut losses = Losses::new();
        losses.add(What::Hint, "metadata", "no slot");
        assert_eq!(losses.header(), None);
        losses.add(What::Clamped, "max_tokens", "the model gives at most 16384");
        losses.add(What::Dropped, "top_k", "no slot");
        losses.add(What::Dropped, "top_k", "no slot");
        losses.add(What::Dropped, "messages[1]\n.content", "x");
        for at in 0..1000 {
            losses.add(What::Hint, format!("tools[{at}]"), "x");
        }
        assert_eq!(
            losses.header().as_deref(),
            Some("dropped=top_k,messages[1].content; clamped=max_tokens")
        );
        assert!(losses.iter().count() < 100);
        for at in 0..1000 {
            losses.add(What::Replaced, format!("messages[{at}]"), "x");
        }
        assert!(losses.iter().any(|l| l.what == What::Replaced && l.path == OTHERS));
        assert!(losses.iter().count() < 400);
    }
}
