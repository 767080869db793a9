//! Converse: requests written, replies read.

mod cache;
mod carried;
mod citations;
mod claude;
mod conversation;
mod document;
mod encode;
mod parts;
mod reader;
mod schema;
mod think;
mod tools;
mod wire;

pub(crate) use encode::encode;

use gateway_models::Facts;
use gateway_translate::AttemptCx;
use gateway_types::Feature;

use crate::Bedrock;
use crate::family::{self, Family};

/// Whether tokens are counted for a model: for Claude's that are had without a profile, by an id that says
/// which it is.
pub(crate) fn counts(bedrock: &Bedrock, model: &str) -> bool {
    let claude = Family::of(model, bedrock.family.as_deref()).is_claude();
    claude && claude::version(family::bare_id(model)).is_some_and(|version| version < (4, 6))
}

/// Whether an id says which Claude it is.
pub(crate) fn says_version(model: &str) -> bool {
    claude::version(family::bare_id(model)).is_some()
}

/// An upstream and one attempt at it.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub bedrock: &'a Bedrock,
    pub cx: &'a AttemptCx<'a>,
    pub family: Family,
    /// What holds for the model.
    pub facts: Facts,
    /// The version of a Claude model, where its id or the configuration says it.
    pub version: Option<(u32, u32)>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(bedrock: &'a Bedrock, cx: &'a AttemptCx<'a>) -> Self {
        let bare = family::bare_id(cx.model);
        let family = Family::of(cx.model, bedrock.family.as_deref());
        let version = if family.is_claude() {
            // A name that is configured is for ids that say none.
            let said = || claude::version(&family::one_claude(bedrock.family.as_deref())?);
            claude::version(bare).or_else(said)
        } else {
            None
        };
        Self { bedrock, cx, family, facts: bedrock.facts(cx.model), version }
    }

    /// Whether something may be sent: it was not found to be refused.
    pub(crate) fn may(&self, field: &str) -> bool {
        !self.cx.without.iter().any(|feature| {
            matches!(feature, Feature::Field(name) | Feature::Value(name) if *name == field)
        })
    }

    /// Whether the model calls tools.
    pub(crate) fn calls_tools(&self) -> bool {
        self.facts.capabilities.tools.unwrap_or(self.family.tools)
    }

    /// Whether the model sees images.
    pub(crate) fn sees(&self) -> bool {
        self.facts.capabilities.vision.unwrap_or(self.family.images) && self.may("image")
    }

    /// Whether a Claude model is of this version or a later one; what has no version in its id is
    /// presumed to be, if `unknown` says so.
    pub(crate) fn since(&self, version: (u32, u32), unknown: bool) -> bool {
        self.family.is_claude() && self.version.map_or(unknown, |own| own >= version)
    }
}
