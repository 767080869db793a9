//! What is known of an upstream from serving with it: it outlives a reload that leaves the upstream
//! the same.

use std::sync::Arc;

use gateway_anthropic::Refused;
use gateway_resilience::settings::UpstreamLimits;
use gateway_types::Feature;

use crate::allowance::Allowance;
use crate::lessons::Lessons;
use crate::questions::Answers;
use crate::standing::Standing;
use crate::stats::ProviderStats;

/// The living part of a provider, shared by every snapshot in which it is the same upstream.
#[derive(Debug)]
pub(crate) struct Live {
    /// As configured.
    pub(crate) name: Arc<str>,
    pub(crate) stats: ProviderStats,
    /// What its refusals have taught.
    pub(crate) lessons: Lessons<Feature>,
    /// The same of requests that keep the callers' dialect.
    pub(crate) refusals: Lessons<Refused>,
    /// Models whose tokens it was found not to count.
    pub(crate) uncounted: Lessons<()>,
    /// What it says of its models.
    pub(crate) answers: Answers,
    /// How it stands: breakers, keys, budget.
    pub(crate) standing: Standing,
    /// What it is given at most.
    pub(crate) allowance: Arc<Allowance>,
}

impl Live {
    /// Of an upstream that nothing is known of yet.
    pub(crate) fn new(name: &str, standing: Standing, limits: &UpstreamLimits) -> Self {
        Self {
            name: name.into(),
            stats: ProviderStats::default(),
            lessons: Lessons::default(),
            refusals: Lessons::default(),
            uncounted: Lessons::default(),
            answers: Answers::default(),
            standing,
            allowance: Arc::new(Allowance::new(limits)),
        }
    }
}
