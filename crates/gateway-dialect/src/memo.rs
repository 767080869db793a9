//! Schemas made acceptable, remembered.
//!
//! A client offers the same tools in every request, some fifty kilobytes of schemas. Looking at them
//! costs a seventh of a translation; knowing them again costs next to nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_types::Raw;

/// Remembers, by a digest of a schema's text, what a dialect makes of it. What it answers is the same
/// with and without the memory. Clones share it; one belongs to one way of making schemas acceptable.
#[derive(Debug, Clone, Default)]
pub struct SchemaMemo {
    seen: Arc<Mutex<Seen>>,
    /// Nobody outside can make one schema be taken for another.
    seed: RandomState,
}

#[derive(Debug, Default)]
struct Seen {
    /// `None`: it needs no change.
    schemas: HashMap<u64, Option<Arc<str>>>,
    /// Bytes of those that do.
    bytes: usize,
}

/// So many schemas are remembered; then it begins anew.
const MOST: usize = 4096;

/// So many bytes of changed ones.
const MOST_BYTES: usize = 4 << 20;

/// Looking at a shorter one costs no more than knowing it.
const SHORT: usize = 128;

impl SchemaMemo {
    /// As `mend`, which must answer the same to the same text.
    pub fn mended<'b>(
        &self,
        schema: Raw<'b>,
        mend: impl FnOnce(Raw<'b>) -> Cow<'b, str>,
    ) -> Cow<'b, str> {
        let text = schema.as_str();
        if text.len() < SHORT {
            return mend(schema);
        }
        let digest = digest(text.as_bytes(), self.seed.hash_one(0));
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen().schemas.get(&digest).cloned() {
            return known.map_or(Cow::Borrowed(text), |other| Cow::Owned(other.to_string()));
        }
        let mended = mend(schema);
        let kept = match &mended {
            Cow::Borrowed(_) => None,
            Cow::Owned(other) => Some(Arc::<str>::from(other.as_str())),
        };
        let mut seen = seen();
        let more = kept.as_ref().map_or(0, |kept| kept.len());
        if seen.schemas.len() == MOST || seen.bytes + more > MOST_BYTES {
            *seen = Seen::default();
        }
        if more <= MOST_BYTES && seen.schemas.insert(digest, kept).is_none() {
            seen.bytes += more;
        }
        mended
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
    use std::collections::HashSet;

    use super::*;

    fn shout(schema: Raw<'_>) -> Cow<'_, str> {
        let text = schema.as_str();
        if text.contains("loud") { Cow::Owned(text.to_uppercase()) } else { Cow::Borrowed(text) }
    }

    #[test]
    fn the_answer_is_the_same_with_and_without_the_memory() {
        let memo = SchemaMemo::default();
        let many = "x".repeat(200);
        for _ in 0..3 {
            for text in [format!("\"{many}\""), format!("\"loud {many}\""), "\"loud\"".to_owned()] {
                let schema = Raw::from_json(&text);
                assert_eq!(memo.mended(schema, shout), shout(schema));
            }
        }
        let seen = memo.seen.lock().expect("whole");
        assert_eq!((seen.schemas.len(), seen.bytes), (2, many.len() + 7));
    }

    #[test]
    fn what_is_known_is_not_made_again() {
        let memo = SchemaMemo::default();
        let text = format!("\"loud {}\"", "x".repeat(200));
        let schema = Raw::from_json(&text);
        let first = memo.mended(schema, shout);
        assert_eq!(memo.mended(schema, |_| panic!("it is known")), first);
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
            let text = format!("\"{at:0200}\"");
            memo.mended(Raw::from_json(&text), shout);
        }
        assert_eq!(memo.seen.lock().expect("whole").schemas.len(), 1);
        for at in 0..9 {
            let text = format!("\"loud {at} {}\"", "x".repeat(MOST_BYTES / 4));
            memo.mended(Raw::from_json(&text), shout);
        }
        let seen = memo.seen.lock().expect("whole");
        assert!(seen.schemas.len() <= 4 && seen.bytes <= MOST_BYTES);
    }
}
