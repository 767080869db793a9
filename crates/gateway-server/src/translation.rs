//! A reply of another dialect on its way through: what the upstream says, read, and written as the
//! caller wants it.

use bytes::Bytes;
use gateway_anthropic::Phase;
use gateway_translate::{BodyEnd, Flow, ReplyReader, ReplyWriter};
use gateway_types::{ApiError, ErrorKind, Fault, Remedy, Usage, UsageQuality};

/// A reader and a writer, back to back.
#[derive(Debug)]
pub(crate) struct Translation {
    reader: Box<dyn ReplyReader>,
    writer: Box<dyn ReplyWriter>,
    /// The reader wants no more.
    done: bool,
    /// More came all the same: an upstream that does not know when the answer is over.
    runs_on: bool,
    /// The body of a request that goes on with the reply.
    goes_on: Option<String>,
    fault: Option<Fault>,
}

impl Translation {
    pub(crate) fn new(reader: Box<dyn ReplyReader>, writer: Box<dyn ReplyWriter>) -> Self {
        Self { reader, writer, done: false, runs_on: false, goes_on: None, fault: None }
    }

    /// Takes bytes of the upstream's and gives those for the caller, if there are any.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Bytes {
        if self.done {
            self.runs_on |= !chunk.trim_ascii().is_empty();
        } else if self.fault.is_none() {
            match self.reader.push(chunk, self.writer.sink()) {
                Ok(Flow::More) => {}
                Ok(Flow::Done) => return self.close(),
                Err(fault) => self.fault = Some(fault),
            }
        }
        self.writer.take().into()
    }

    /// Takes a body that is no stream.
    pub(crate) fn whole(&mut self, body: &[u8]) -> Bytes {
        if let Err(fault) = self.reader.whole(body, self.writer.sink()) {
            self.fault = Some(fault);
        }
        self.close()
    }

    /// The upstream's body is over.
    pub(crate) fn finish(&mut self, end: BodyEnd) -> Bytes {
        // This piece is over already, and the next has not been asked for.
        if self.goes_on.is_some() {
            return self.writer.take().into();
        }
        if !self.done
            && self.fault.is_none()
            && let Err(fault) = self.reader.finish(end, self.writer.sink())
        {
            self.fault = Some(fault);
        }
        self.close()
    }

    fn close(&mut self) -> Bytes {
        self.done = true;
        if self.fault.is_none() && !self.writer.is_done() {
            self.goes_on = self.reader.goes_on();
            if self.goes_on.is_some() {
                self.done = false;
                return self.writer.take().into();
            }
            // A reader that says all is well has made an end; anything else is a fault of ours.
            let error = ApiError::new(ErrorKind::Internal, "the answer was read without its end");
            self.fault = Some(Fault::new(error, Remedy::NextProvider));
        }
        self.writer.take().into()
    }

    /// How far the caller's stream has come.
    pub(crate) fn phase(&self) -> Phase {
        match () {
            () if self.writer.is_done() => Phase::Ended,
            () if self.writer.is_committed() => Phase::InBlocks,
            () => Phase::Waiting,
        }
    }

    /// Whether nothing more is wanted of the upstream, though it goes on: its connection is let go.
    pub(crate) fn runs_on(&self) -> bool {
        self.runs_on
    }

    /// Whether the reader wants no more.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The body of the request that has to be sent for the rest of the reply: the upstream stopped in
    /// the middle. What it brings is to be pushed here.
    pub(crate) fn take_goes_on(&mut self) -> Option<String> {
        self.goes_on.take()
    }

    /// Whether something went wrong.
    pub(crate) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// What went wrong, if something did.
    pub(crate) fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// The usage as far as it is known.
    pub(crate) fn usage(&self) -> (Usage, UsageQuality) {
        let usage = self.reader.usage();
        (usage.counts, usage.quality)
    }

    /// What the upstream says it cost, in billionths of a dollar.
    pub(crate) fn billed(&self) -> Option<u64> {
        self.reader.usage().billed
    }

    /// What of the reply could not be carried over.
    pub(crate) fn losses(&self) -> &gateway_types::Losses {
        self.reader.losses()
    }
}
