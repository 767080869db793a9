//! `application/vnd.amazon.eventstream`: frames with a checksum over their lengths and one over all.

use serde_json::Value;

/// What an event's frame holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Names and values; all headers of this service are strings.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Vec<u8>,
}

const STRING: u8 = 7;

/// An event of this type.
pub fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers =
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

/// An exception that the service's model has; it ends the stream.
pub fn exception(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    frame(&headers, payload.to_string().as_bytes())
}

/// An error that it does not have; without payload.
pub fn error(code: &str, message: &str) -> Vec<u8> {
    let headers = [(":error-code", code), (":error-message", message), (":message-type", "error")];
    frame(&headers, b"")
}

/// One frame.
///
/// # Panics
/// When a header is longer than the format has room for.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).expect("a name of at most 255 bytes"));
        head.extend_from_slice(name.as_bytes());
        head.push(STRING);
        let length = u16::try_from(value.len()).expect("a value of at most 65,535 bytes");
        head.extend_from_slice(&length.to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = |length: usize| u32::try_from(length).expect("a frame that fits").to_be_bytes();
    let mut frame = Vec::new();
    frame.extend_from_slice(&length(head.len() + payload.len() + 16));
    frame.extend_from_slice(&length(head.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

/// All frames of a whole body, for tests of what this server wrote.
///
/// # Errors
/// What is wrong, and with the frame at which byte.
pub fn frames(mut body: &[u8]) -> Result<Vec<Frame>, String> {
    let (whole, mut frames) = (body.len(), Vec::new());
    while !body.is_empty() {
        let at = whole - body.len();
        let word = |from: usize| -> Result<u32, String> {
            let bytes = body.get(from..from + 4).ok_or(format!("cut at {at}"))?;
            Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
        };
        let (total, head) = (word(0)? as usize, word(4)? as usize);
        let broken = || format!("the frame at {at} is broken");
        if total < 16 || head > total - 16 || body.len() < total {
            return Err(broken());
        }
        if word(8)? != crc32(&body[..8]) || word(total - 4)? != crc32(&body[..total - 4]) {
            return Err(format!("a checksum of the frame at {at} is wrong"));
        }
        let headers = headers(&body[12..12 + head]).ok_or_else(broken)?;
        frames.push(Frame { headers, payload: body[12 + head..total - 4].to_vec() });
        body = &body[total..];
    }
    Ok(frames)
}

fn headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    while let [length, rest @ ..] = bytes {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let [STRING, high, low, rest @ ..] = rest else { return None };
        let (value, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        headers.push((text(name)?, text(value)?));
        bytes = rest;
    }
    Some(headers)
}

impl Frame {
    /// The header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The payload, parsed; null when it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }
}

/// CRC-32 as zlib has it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{crc32, error, event, exception, frames};

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn frames_are_read_as_written_and_damage_is_seen() {
        let mut body = event("messageStart", &json!({"role": "assistant"}));
        body.extend(exception("throttlingException", &json!({"message": "m"})));
        body.extend(error("InternalFailure", "broken"));
        let read = frames(&body).expect("three frames");
        assert_eq!(read[0].header(":event-type"), Some("messageStart"));
        assert_eq!(read[0].json(), json!({"role": "assistant"}));
        assert_eq!(read[1].header(":message-type"), Some("exception"));
        assert_eq!(read[2].header(":error-message"), Some("broken"));
        assert_eq!(read[2].payload, b"");
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 1;
            assert!(frames(&damaged).is_err(), "byte {at}");
            assert!(at == 0 || frames(&body[..at]).map_or(true, |found| found.len() < 3));
        }
    }
}
