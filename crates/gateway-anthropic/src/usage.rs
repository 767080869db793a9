//! Reading token counts out of a reply that is passed on unread.

use gateway_translate::find;
use gateway_types::{Usage, UsageQuality};
use serde::Deserialize;

/// Collects the usage of one reply. It only listens: what it can't read costs the record, never
/// the reply.
#[derive(Debug, Default)]
pub struct UsageTap {
    usage: Usage,
    quality: UsageQuality,
}

/// Usage as it comes: in a delta each value replaces the earlier one where it is present.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reported {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_write: Option<u64>,
}

impl UsageTap {
    /// Hears the data of a `message_start` event.
    pub fn message_start(&mut self, data: &[u8]) {
        if let Some(usage) = reported(data, &["message", "usage"]) {
            self.merge(&usage);
            // Input is final here, output is not known before the last delta.
            self.quality = UsageQuality::Partial;
        }
    }

    /// Hears the data of a `message_delta` event, or a whole unary message.
    pub fn totals(&mut self, data: &[u8]) {
        if let Some(usage) = reported(data, &["usage"]) {
            self.merge(&usage);
            self.quality = UsageQuality::Reported;
        }
    }

    /// What has been heard so far.
    pub fn read(&self) -> (Usage, UsageQuality) {
        (self.usage, self.quality)
    }

    fn merge(&mut self, reported: &Reported) {
        let take = |slot: &mut u64, value: Option<u64>| *slot = value.unwrap_or(*slot);
        take(&mut self.usage.input, reported.input);
        take(&mut self.usage.output, reported.output);
        take(&mut self.usage.cache_read, reported.cache_read);
        take(&mut self.usage.cache_write, reported.cache_write);
    }
}

/// Only the usage itself is parsed: a long answer is passed over.
fn reported(data: &[u8], path: &[&str]) -> Option<Reported> {
    serde_json::from_slice(&data[find(data, path)?]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r32_counts_in_the_last_delta_replace_the_zeros_of_the_start() {
        let mut tap = UsageTap::default();
        tap.message_start(br#"{"message":{"usage":{"input_tokens":0,"output_tokens":1}}}"#);
        assert_eq!(tap.read().1, UsageQuality::Partial);
        tap.totals(
            br#"{"usage":{"input_tokens":7,"output_tokens":9,"cache_read_input_tokens":100}}"#,
        );
        let usage = Usage { input: 7, output: 9, cache_read: 100, cache_write: 0 };
        assert_eq!(tap.read(), (usage, UsageQuality::Reported));
    }

    #[test]
    fn r33_cached_tokens_are_a_class_of_their_own() {
        let mut tap = UsageTap::default();
        tap.totals(br#"{"usage":{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation_input_tokens":11,"output_tokens":2}}"#);
        assert_eq!(tap.read().0, Usage { input: 3, output: 2, cache_read: 5, cache_write: 11 });
    }

    #[test]
    fn what_cannot_be_read_is_unknown_not_zero() {
        let mut tap = UsageTap::default();
        tap.message_start(b"not json");
        tap.totals(br#"{"usage":null}"#);
        assert_eq!(tap.read().1, UsageQuality::Unknown);
    }
}
