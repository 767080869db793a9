//! Amazon's event stream: messages with typed headers, framed by lengths and checksums.
//!
//! ```text
//! u32 length | u32 length of the headers | u32 CRC of these 8 bytes | headers | payload | u32 CRC of all before
//! ```
//!
//! [`Frames`] takes chunks cut anywhere. A frame that lies whole in a chunk is lent from it; only one
//! that spans chunks is copied together.

use gateway_translate::Flow;

/// Longest frame that is taken, in bytes: the provider's own limit for a payload, and some.
pub const MAX_FRAME_BYTES: usize = 24 << 20;

/// Longest headers that are taken, in bytes.
pub const MAX_HEADER_BYTES: usize = 128 << 10;

const PRELUDE: usize = 12;
const CRC: usize = 4;

/// Takes the bytes of a stream apart into frames.
#[derive(Debug, Default)]
pub struct Frames {
    /// The beginning of a frame that is not whole yet.
    held: Vec<u8>,
}

/// Bytes that are no event stream. What comes behind them can't be understood any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A checksum does not fit.
    #[error("an event with a wrong checksum")]
    Checksum,
    /// A frame that is too short to be one, or longer than any.
    #[error("an event of an impossible length")]
    Length,
    /// Headers that can't be read.
    #[error("an event with headers that can't be read")]
    Headers,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// An event of this type.
    Event(&'a str),
    /// An exception of this type, which ends the stream; its payload is JSON.
    Exception(&'a str),
    /// An error that the service did not describe, which ends the stream.
    Error {
        /// Its code.
        code: &'a str,
        /// Its text.
        message: &'a str,
    },
    /// Something else.
    Unknown,
}

impl Frames {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a chunk and hands on each frame that is whole now, until one says [`Flow::Done`].
    ///
    /// # Errors
    /// That of `on_frame`, or [`Damaged`]. Nothing may be pushed after it.
    pub fn push<E: From<Damaged>>(
        &mut self,
        chunk: &[u8],
        mut on_frame: impl FnMut(Frame<'_>) -> Result<Flow, E>,
    ) -> Result<Flow, E> {
        let mut rest = chunk;
        // Twice at most: first until the lengths are known, then until the frame is whole.
        while !self.held.is_empty() {
            let wanted = total(&self.held)?.unwrap_or(PRELUDE);
            let missing = wanted.saturating_sub(self.held.len()).min(rest.len());
            let (head, tail) = rest.split_at(missing);
            self.held.extend_from_slice(head);
            rest = tail;
            if self.held.len() < wanted {
                return Ok(Flow::More);
            }
            if total(&self.held)? == Some(self.held.len()) {
                let flow = on_frame(Frame::read(&self.held)?)?;
                self.held.clear();
                // One long event must not be paid for until the stream ends.
                self.held.shrink_to(KEPT_BYTES);
                if flow == Flow::Done {
                    return Ok(flow);
                }
            }
        }
        while let Some((frame, tail)) = total(rest)?.and_then(|len| rest.split_at_checked(len)) {
            if on_frame(Frame::read(frame)?)? == Flow::Done {
                return Ok(Flow::Done);
            }
            rest = tail;
        }
        self.held.extend_from_slice(rest);
        Ok(Flow::More)
    }

    /// Whether all that came so far were whole frames.
    pub fn at_boundary(&self) -> bool {
        self.held.is_empty()
    }
}

/// So much memory is kept between frames that span chunks, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// The length of the frame that begins here; `None` until its lengths have come.
fn total(bytes: &[u8]) -> Result<Option<usize>, Damaged> {
    let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
    let (len, headers) = (number(prelude), number(&prelude[4..]));
    if crc32fast::hash(&prelude[..8]) as usize != number(&prelude[8..]) {
        return Err(Damaged::Checksum);
    }
    let fits = headers <= MAX_HEADER_BYTES && headers + PRELUDE + CRC <= len;
    if !fits || len > MAX_FRAME_BYTES {
        return Err(Damaged::Length);
    }
    Ok(Some(len))
}

/// Whether a byte may be the first of a frame that is not too long: no text begins with one.
pub(crate) fn may_begin(first: u8) -> bool {
    usize::from(first) <= MAX_FRAME_BYTES >> 24
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().take(4).fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

impl<'a> Frame<'a> {
    /// Reads a whole frame whose lengths have been checked.
    fn read(frame: &'a [u8]) -> Result<Self, Damaged> {
        let (body, crc) = frame.split_at(frame.len() - CRC);
        if crc32fast::hash(body) as usize != number(crc) {
            return Err(Damaged::Checksum);
        }
        let headers = number(&body[4..]);
        let (headers, payload) = body[PRELUDE..].split_at(headers);
        let mut rest = headers;
        while !rest.is_empty() {
            rest = header(rest).ok_or(Damaged::Headers)?.2;
        }
        Ok(Self { headers, payload })
    }

    /// What the message says; JSON in all that Bedrock sends.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The text of the header of that name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let Some((found, value, tail)) = header(rest) {
            if found == name.as_bytes() {
                return value.and_then(|value| std::str::from_utf8(value).ok());
            }
            rest = tail;
        }
        None
    }

    /// What the message is.
    pub fn kind(&self) -> Kind<'a> {
        let text = |name| self.header(name).unwrap_or_default();
        match text(":message-type") {
            "event" => Kind::Event(text(":event-type")),
            "exception" => Kind::Exception(text(":exception-type")),
            "error" => Kind::Error { code: text(":error-code"), message: text(":error-message") },
            _ => Kind::Unknown,
        }
    }
}

/// Name, value and what follows.
type Header<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

/// The first header: its name, its value if that is a text or bytes, and what follows.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let (len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*len))?;
    let (kind, rest) = rest.split_first()?;
    let fixed = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (len, rest) = rest.split_at_checked(2)?;
            let len = usize::from(len[0]) << 8 | usize::from(len[1]);
            let (value, rest) = rest.split_at_checked(len)?;
            return Some((name, Some(value), rest));
        }
        _ => return None,
    };
    Some((name, None, rest.get(fixed..)?))
}

#[cfg(test)]
mod tests;
