//! What makes the caller's bytes of an upstream's.

use std::sync::Arc;

use bytes::Bytes;
use gateway_anthropic::{Filter, Phase, Relay, StreamEnd};
use gateway_bedrock::Unwrap;
use gateway_types::Fault;

use crate::record::Exchange;
use crate::translation::Translation;

/// An upstream's stream on its way to the caller.
#[derive(Debug)]
pub(crate) struct Feed {
    source: Source,
    /// Leaves out what the configuration does not want (`compat.drop_events`).
    filter: Option<Filter>,
}

/// Where the caller's bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// They are the upstream's own.
    Relay(Box<Relay>),
    /// They are the upstream's own, taken out of AWS's frames; and what was wrong with those.
    Unwrapped(Box<Unwrap>, Box<Relay>, Option<Fault>),
    /// They are read and written.
    Translation(Box<Translation>),
}

impl Feed {
    /// A feed without the events and blocks that are named.
    pub(crate) fn new(source: Source, drop_events: &Arc<[String]>) -> Self {
        let filter = (!drop_events.is_empty()).then(|| Filter::new(drop_events.clone()));
        Self { source, filter }
    }

    /// What came before there was a feed, as it is to go out.
    pub(crate) fn filtered(&mut self, first: Vec<Bytes>) -> Vec<Bytes> {
        let Some(filter) = &mut self.filter else { return first };
        first.iter().map(|bytes| filter.push(bytes)).filter(|bytes| !bytes.is_empty()).collect()
    }

    /// The bytes for the caller that a chunk makes.
    pub(crate) fn push(&mut self, chunk: Bytes, ready: &mut impl Extend<Bytes>) {
        match &mut self.source {
            Source::Relay(relay) => give(&mut self.filter, relay.push(chunk).into_parts(), ready),
            Source::Unwrapped(unwrap, relay, fault) => {
                let mut events = Vec::new();
                *fault = unwrap.push(&chunk, &mut events).err();
                give(&mut self.filter, relay.push(events.into()).into_parts(), ready);
            }
            Source::Translation(translation) => {
                give(&mut self.filter, [translation.push(&chunk)], ready);
            }
        }
    }

    /// The upstream's body is over.
    pub(crate) fn finish(&mut self, end: StreamEnd, ready: &mut impl Extend<Bytes>) {
        match &mut self.source {
            Source::Relay(relay) => give(&mut self.filter, relay.finish(end).into_parts(), ready),
            Source::Unwrapped(unwrap, relay, fault) => {
                let mut events = Vec::new();
                *fault = unwrap.finish(end, &mut events).err();
                give(&mut self.filter, relay.push(events.into()).into_parts(), ready);
                give(&mut self.filter, relay.finish(end).into_parts(), ready);
            }
            Source::Translation(translation) => {
                give(&mut self.filter, [translation.finish(end)], ready);
            }
        }
        if let Some(filter) = &mut self.filter {
            ready.extend(Some(filter.finish()).filter(|bytes| !bytes.is_empty()));
        }
    }

    /// How far the caller's stream has come.
    pub(crate) fn phase(&self) -> Phase {
        match &self.source {
            Source::Relay(relay) | Source::Unwrapped(_, relay, _) => relay.phase(),
            Source::Translation(translation) => translation.phase(),
        }
    }

    /// Whether a frame of the gateway's own may be put in.
    pub(crate) fn at_boundary(&self) -> bool {
        let clean = match &self.source {
            Source::Relay(relay) | Source::Unwrapped(_, relay, _) => relay.at_boundary(),
            Source::Translation(_) => true,
        };
        clean && self.filter.as_ref().is_none_or(Filter::at_boundary)
    }

    /// The body of a request for the rest of the reply, where the upstream stopped in the middle.
    pub(crate) fn take_goes_on(&mut self) -> Option<String> {
        match &mut self.source {
            Source::Relay(_) | Source::Unwrapped(..) => None,
            Source::Translation(translation) => translation.take_goes_on(),
        }
    }

    /// What went wrong in the translation, if something did.
    pub(crate) fn take_fault(&mut self) -> Option<Fault> {
        match &mut self.source {
            Source::Relay(_) => None,
            Source::Unwrapped(_, _, fault) => fault.take(),
            Source::Translation(translation) => translation.take_fault(),
        }
    }

    /// Whether the upstream itself told that it failed.
    pub(crate) fn failed(&self) -> bool {
        match &self.source {
            Source::Relay(relay) | Source::Unwrapped(_, relay, _) => relay.failed(),
            Source::Translation(_) => false,
        }
    }

    /// Whether nothing more is wanted of the upstream, though it goes on.
    pub(crate) fn runs_on(&self) -> bool {
        match &self.source {
            Source::Relay(_) | Source::Unwrapped(..) => false,
            Source::Translation(translation) => translation.runs_on(),
        }
    }

    /// Writes down what is known of the reply.
    pub(crate) fn settle(&self, record: &mut Exchange) {
        (record.usage, record.quality) = match &self.source {
            Source::Relay(relay) | Source::Unwrapped(_, relay, _) => relay.usage(),
            Source::Translation(translation) => {
                record.losses.extend(translation.losses());
                record.billed = translation.billed();
                translation.usage()
            }
        };
    }
}

/// Hands on what is not empty, filtered if that is wanted.
fn give(
    filter: &mut Option<Filter>,
    parts: impl IntoIterator<Item = Bytes>,
    ready: &mut impl Extend<Bytes>,
) {
    let parts = parts.into_iter();
    match filter {
        None => ready.extend(parts.filter(|bytes| !bytes.is_empty())),
        Some(filter) => {
            ready.extend(parts.map(|b| filter.push(&b)).filter(|bytes| !bytes.is_empty()));
        }
    }
}
