//! A request written again without what its upstream refused.

use std::sync::Arc;

use bytes::Bytes;
use gateway_config::LogLevel;
use gateway_translate::Encoded;
use gateway_types::{ApiError, Endpoint, Feature, Remedy};

use crate::asked::{Draft, Until};
use crate::attempts::Got;
use crate::desk::Worker;
use crate::failure::Failed;
use crate::{foreign, questions};

/// Asking again without something is done once for each thing that can be left out.
const MAX_REWRITES: usize = 4;

/// A request for an upstream of another dialect, and what it has been written without on its way to an answer.
#[derive(Debug)]
pub(crate) struct Rewrites<'a> {
    worker: &'a Arc<Worker>,
    draft: Draft<'a>,
    /// What the upstream says of the model, where its dialect has to know.
    about: Option<Bytes>,
    /// What was known before.
    known: usize,
    without: Vec<Feature>,
    /// What was sent last: the path and the body.
    sent: Option<(String, Bytes)>,
}

impl<'a> Rewrites<'a> {
    pub(crate) async fn new(worker: &'a Arc<Worker>, draft: Draft<'a>) -> Self {
        let about = questions::about(worker, &draft).await;
        let without = draft.provider.live.lessons.known(draft.model);
        Self { worker, draft, about, known: without.len(), without, sent: None }
    }

    fn encode(&self) -> Result<Encoded, ApiError> {
        foreign::encode(self.worker, &self.draft, self.about.as_deref(), &self.without)
    }

    /// Asks once.
    pub(crate) async fn attempt(&mut self, key: usize, until: Until) -> Result<Got, Failed> {
        let (worker, draft) = (self.worker, &self.draft);
        let mut encoded = self.encode()?;
        if draft.asked.endpoint == Endpoint::CountTokens {
            return Ok(Got::Counted(foreign::count(worker, draft, key, encoded).await));
        }
        let body = Bytes::from(std::mem::take(&mut encoded.body));
        self.sent = Some((encoded.path.clone(), body.clone()));
        if draft.asked.streaming {
            let opened = foreign::open(worker, draft, key, encoded, body, until).await?;
            return Ok(Got::Opened(Box::new(opened)));
        }
        let whole = foreign::unary(worker, draft, key, encoded, body, until).await?;
        Ok(Got::Whole(Box::new(whole)))
    }

    /// Whether the refusal says what may be left out: then the next attempt goes without it.
    pub(crate) fn again(&mut self, failed: &Failed) -> bool {
        let Some((path, body)) = self.sent.take() else { return false };
        let mut feature = match failed.remedy {
            Remedy::Without(feature) => Some(feature),
            _ => None,
        };
        while let Some(unwanted) =
            feature.filter(|_| self.without.len() - self.known < MAX_REWRITES)
        {
            feature = unwanted.instead();
            if self.without.contains(&unwanted) {
                continue;
            }
            self.without.push(unwanted);
            // Where it changes nothing it was not what the upstream meant.
            let differs = self
                .encode()
                .is_ok_and(|encoded| encoded.path != path || encoded.body.as_bytes() != &*body);
            if differs {
                return true;
            }
            self.without.pop();
        }
        false
    }

    /// It was taken: what was left out is left out of the next ones, too (R20).
    pub(crate) fn remember(&self) {
        let provider = self.draft.provider;
        for feature in self.without[self.known..].iter().filter(|feature| feature.is_lasting()) {
            if !provider.live.lessons.learn(self.draft.model, feature) {
                continue;
            }
            let (name, model, what) = (&provider.name, self.draft.model, feature.as_str());
            let text = format!("{name} refuses `{what}` for {model}: it gets none for a while");
            self.worker.runtime.note(LogLevel::Warn, text);
        }
    }
}
