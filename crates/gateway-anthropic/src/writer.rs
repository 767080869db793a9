//! Writing a reply: as a stream of events, or folded into one message.

mod fold;
mod parts;
mod stream;
#[cfg(test)]
mod tests;

use gateway_translate::{Ingress, ReplyCx, ReplyWriter};
use gateway_types::{ApiError, Request};

pub use fold::Folder;
pub use stream::StreamWriter;

use crate::decode;

/// The Anthropic Messages API, as callers speak it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages;

impl Ingress for Messages {
    fn decode<'b>(&self, body: &'b [u8]) -> Result<Request<'b>, ApiError> {
        Ok(decode(body)?)
    }

    fn writer(&self, cx: &ReplyCx<'_>) -> Box<dyn ReplyWriter> {
        if cx.stream { Box::new(StreamWriter::new(cx)) } else { Box::new(Folder::new(cx)) }
    }
}
