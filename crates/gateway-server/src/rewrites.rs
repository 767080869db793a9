//! A request written again without what its upstream refused.

use gateway_config::LogLevel;
use gateway_translate::Encoded;
use gateway_types::{Fault, Feature, Remedy};

use crate::attempt::Refusal;
use crate::desk::Worker;
use crate::foreign::Job;

/// Asking again without something is done once for each thing that can be left out.
const MAX_REWRITES: usize = 4;

/// What a request has been written without, on its way to an answer.
pub(crate) struct Rewrites<'a> {
    worker: &'a Worker,
    job: &'a Job,
    /// What was known before.
    known: usize,
    without: Vec<Feature>,
    /// The very same request was sent once more.
    repeated: bool,
}

impl<'a> Rewrites<'a> {
    pub(crate) fn new(worker: &'a Worker, job: &'a Job) -> Self {
        let without = worker.runtime.providers[job.provider].live.lessons.known(&job.model);
        Self { worker, job, known: without.len(), without, repeated: false }
    }

    pub(crate) fn count(&self) -> usize {
        self.without.len() - self.known
    }

    /// For the record.
    pub(crate) fn told(&self) -> u32 {
        u32::try_from(self.count() + usize::from(self.repeated)).unwrap_or(u32::MAX)
    }

    /// The request written again, if that is what may help: without what the upstream refused; or as it
    /// was, once, where the model stumbled over its own answer before it said anything.
    pub(crate) fn again(
        &mut self,
        fault: Fault,
        path: &str,
        sent: &[u8],
    ) -> Result<Encoded, Refusal> {
        if fault.remedy == Remedy::Again && !self.repeated {
            let encoded = self.job.encode(self.worker, &self.without);
            let encoded = encoded.map_err(|err| Refusal::Gateway(err, self.told()))?;
            self.repeated = true;
            return Ok(encoded);
        }
        let mut feature = match fault.remedy {
            Remedy::Without(feature) => Some(feature),
            _ => None,
        };
        while let Some(unwanted) = feature.filter(|_| self.count() < MAX_REWRITES) {
            feature = unwanted.instead();
            if self.without.contains(&unwanted) {
                continue;
            }
            let before = self.told();
            self.without.push(unwanted);
            let encoded = self.job.encode(self.worker, &self.without);
            let encoded = encoded.map_err(|err| Refusal::Gateway(err, before))?;
            // Where it changes nothing it was not what the upstream meant.
            if encoded.path != path || encoded.body.as_bytes() != sent {
                return Ok(encoded);
            }
            self.without.pop();
        }
        Err(Refusal::Gateway(fault.error, self.told()))
    }

    /// It was taken: what was left out is left out of the next ones, too (R20).
    pub(crate) fn remember(&self) {
        let provider = &self.worker.runtime.providers[self.job.provider];
        for feature in self.without[self.known..].iter().filter(|feature| feature.is_lasting()) {
            if !provider.live.lessons.learn(&self.job.model, feature) {
                continue;
            }
            let (name, model, what) = (&provider.name, &self.job.model, feature.as_str());
            let text = format!("{name} refuses `{what}` for {model}: it gets none for a while");
            self.worker.runtime.note(LogLevel::Warn, text);
        }
    }
}
