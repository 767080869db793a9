//! Schemas that need no change, remembered.
//!
//! A client offers the same tools in every request, some fifty kilobytes of schemas. Looking at them
//! costs a seventh of a translation; knowing them again costs next to nothing.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_types::Raw;

use super::acceptable_schema;

/// Remembers, by a digest of its text, each schema that [`acceptable_schema`] left as it was. What it
/// answers is the same with and without the memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SchemaMemo {
    seen: Arc<Mutex<HashSet<u64>>>,
    /// Nobody outside can make one schema be taken for another.
    seed: RandomState,
}

/// So many schemas are remembered; then it begins anew.
const MOST: usize = 4096;

/// Looking at a shorter one costs no more than knowing it.
const SHORT: usize = 128;

impl SchemaMemo {
    /// As [`acceptable_schema`].
    pub fn acceptable<'b>(&self, schema: Raw<'b>) -> Cow<'b, str> {
        let text = schema.as_str();
        if text.len() < SHORT {
            return acceptable_schema(schema);
        }
        let digest = digest(text.as_bytes(), self.seed.hash_one(0));
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen().contains(&digest) {
            return Cow::Borrowed(text);
        }
        let acceptable = acceptable_schema(schema);
        if matches!(acceptable, Cow::Borrowed(_)) {
            let mut seen = seen();
            if seen.len() == MOST {
                seen.clear();
            }
            seen.insert(digest);
        }
        acceptable
    }
}

/// Four lanes of eight bytes each, mixed by multiplication: some fifteen bytes a nanosecond.
fn digest(bytes: &[u8], seed: u64) -> u64 {
    const ODD: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
    ];
    let mut lanes = ODD.map(|odd| odd ^ seed);
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut take = |block: &[u8; 32]| {
        let (words, _) = block.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            let mixed = (lanes[at] ^ u64::from_le_bytes(*word)).wrapping_mul(ODD[at]);
            lanes[at] = mixed ^ (mixed >> 29);
        }
    };
    blocks.iter().for_each(&mut take);
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    take(&last);
    lanes.into_iter().fold(seed ^ bytes.len() as u64, |sum, lane| {
        let mixed = (sum ^ lane).wrapping_mul(ODD[0]);
        mixed ^ (mixed >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_same_with_and_without_the_memory() {
        let memo = SchemaMemo::default();
        let many = "x".repeat(200);
        for _ in 0..3 {
            for schema in [
                format!(r#"{{"type":"object","properties":{{"{many}":{{"type":"string"}}}}}}"#),
                format!(r#"{{"type":"object","properties":{{"{many}":{{"type":"array"}}}}}}"#),
                format!(r#"{{"type":"object","description":"{many}"}}"#),
                r#"{"type":"object"}"#.to_owned(),
            ] {
                let schema = Raw::from_json(&schema);
                assert_eq!(memo.acceptable(schema), acceptable_schema(schema));
            }
        }
        assert_eq!(memo.seen.lock().expect("whole").len(), 1, "only what needs no change");
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let text = vec![7u8; 100];
        let mut all = HashSet::from([digest(&text, 1), digest(&text, 2), digest(&text[..99], 1)]);
        assert_eq!(all.len(), 3);
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(all.insert(digest(&other, 1)), "{at}");
        }
        assert!(all.insert(digest(&[&text[..], &[0]].concat(), 1)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let memo = SchemaMemo::default();
        for at in 0..=MOST {
            let name = format!("{at:0200}");
            let schema =
                format!(r#"{{"type":"object","properties":{{"{name}":{{"type":"string"}}}}}}"#);
            memo.acceptable(Raw::from_json(&schema));
        }
        assert_eq!(memo.seen.lock().expect("whole").len(), 1);
    }
}
