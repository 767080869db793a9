//! Marks of the prompt cache.

use std::ops::Range;

use gateway_translate::{Json, find};
use gateway_types::{Block, Losses, Raw, What};

use super::Target;
use crate::family::Cache;

/// As many marks as a request may have.
const MARKS_MAX: usize = 4;

/// How long what is before a mark is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Minutes,
    Hour,
}

impl Kept {
    /// As the `cache_control` of a block or tool says; `None` without one.
    pub(super) fn of(raw: Raw<'_>) -> Option<Self> {
        let raw = raw.as_str().as_bytes();
        let mark = find(raw, &["cache_control"])?;
        if raw[mark] == *b"null" {
            return None;
        }
        let ttl = find(raw, &["cache_control", "ttl"]);
        Some(if ttl.is_some_and(|ttl| raw[ttl] == *b"\"1h\"") { Self::Hour } else { Self::Minutes })
    }

    /// As a block says. A mark that moved here from another block is of the usual kind.
    pub(super) fn of_block(block: &Block<'_>) -> Self {
        let own = block.cache_control.then(|| Self::of(block.raw)).flatten();
        own.unwrap_or(Self::Minutes)
    }
}

/// Writes the marks, and takes back what there is too much of.
///
/// They are written in the order of the prompt (tools, system, messages), behind something each.
#[derive(Debug)]
pub(super) struct Marks {
    texts: bool,
    tools: bool,
    hours: bool,
    /// Where they stand, with the comma before them.
    written: Vec<Range<usize>>,
    /// One of minutes has been written: those of hours must come before.
    minutes: bool,
}

impl Marks {
    pub(super) fn new(target: &Target<'_>) -> Self {
        let may = target.may("cachePoint");
        Self {
            texts: may && target.family.cache != Cache::Nowhere,
            tools: may && target.family.cache == Cache::Everywhere,
            hours: target.since((4, 5), false),
            written: Vec::new(),
            minutes: false,
        }
    }

    /// Whether any is taken.
    pub(super) fn taken(&self) -> bool {
        self.texts
    }

    /// A mark behind a tool.
    pub(super) fn behind_tool(&mut self, kept: Kept, json: &mut Json, losses: &mut Losses) {
        if self.tools {
            self.write(kept, json, losses);
        } else {
            losses.add(What::Hint, "tools.cache_control", "the model takes none behind tools");
        }
    }

    /// A mark behind a block.
    pub(super) fn behind_block(&mut self, kept: Kept, json: &mut Json, losses: &mut Losses) {
        if self.texts {
            self.write(kept, json, losses);
        }
    }

    fn write(&mut self, kept: Kept, json: &mut Json, losses: &mut Losses) {
        let start = json.len();
        // Behind another it would mark nothing.
        if self.written.last().is_some_and(|last| last.end == start) {
            return;
        }
        let hour = kept == Kept::Hour && self.hours && !self.minutes;
        if kept == Kept::Hour && !hour {
            losses.add(What::Hint, "cache_control.ttl", "kept for five minutes");
        }
        self.minutes |= !hour;
        json.object(|json| {
            json.key("cachePoint").object(|json| {
                json.key("type").string("default");
                if hour {
                    json.key("ttl").string("1h");
                }
            });
        });
        self.written.push(start..json.len());
    }

    /// The body without the marks that are too many: the later ones hold more.
    pub(super) fn settle(self, mut body: String, losses: &mut Losses) -> String {
        let many = self.written.len().saturating_sub(MARKS_MAX);
        for range in self.written[..many].iter().rev() {
            body.replace_range(range.clone(), "");
        }
        if many > 0 {
            losses.add(What::Hint, "cache_control", "the last four marks count");
        }
        body
    }
}
