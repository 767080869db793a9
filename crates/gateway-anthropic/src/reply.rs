//! Whole (non-streaming) replies.

use bytes::Bytes;
use gateway_translate::{Splice, find};
use gateway_types::{Usage, UsageQuality};

use crate::UsageTap;

/// The body is not what the endpoint answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAReply;

/// A complete reply of `/v1/messages`, ready to be passed on.
#[derive(Debug)]
pub struct Message {
    /// The body, its model renamed if that was asked for.
    pub body: Splice,
    /// What it cost.
    pub usage: Usage,
    /// How far that can be trusted.
    pub quality: UsageQuality,
}

/// Reads a unary message: it must be a JSON object, or the answer is no answer. With `rename` the
/// reply's `model` becomes that name; every other byte stays.
pub fn message(body: Bytes, rename: Option<&str>) -> Result<Message, NotAReply> {
    object(&body)?;
    let mut tap = UsageTap::default();
    tap.totals(&body);
    let (usage, quality) = tap.read();
    let body = match rename.and_then(|name| Some((name, find(&body, &["model"])?))) {
        Some((name, span)) => Splice::string(&body, span, name),
        None => Splice::none(body),
    };
    Ok(Message { body, usage, quality })
}

/// Checks that a body begins and ends as a JSON object does, which tells a reply from a login page
/// or a truncated one without reading it all.
pub fn object(body: &[u8]) -> Result<(), NotAReply> {
    let text = body.trim_ascii();
    if text.starts_with(b"{") && text.ends_with(b"}") { Ok(()) } else { Err(NotAReply) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_only_the_name_changes() {
        let body = Bytes::from_static(
            br#"{"id":"msg_1", "content":[{"model":"x"}],"model" : "real","usage":{"input_tokens":1,"output_tokens":2}}"#,
        );
        let read = message(body.clone(), Some("asked")).expect("a message");
        let wanted = String::from_utf8_lossy(&body).replace("\"real\"", "\"asked\"");
        assert_eq!(read.body.concat(), wanted.as_bytes());
        assert_eq!((read.usage.output, read.quality), (2, UsageQuality::Reported));
        assert_eq!(message(body.clone(), None).expect("a message").body.concat(), body);
    }

    #[test]
    fn r06_an_empty_or_foreign_body_is_no_reply() {
        for body in ["", " ", "<html>", "null", "[1]", "{\"cut\":"] {
            assert_eq!(message(Bytes::from(body), None).err(), Some(NotAReply), "{body}");
        }
    }
}
