//! Amazon's frames: the same however they are cut.

#![no_main]

use gateway_bedrock::frames::{Damaged, Frames};
use gateway_fuzz::cut;
use gateway_translate::Flow;
use libfuzzer_sys::fuzz_target;

fn read(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut payloads) = (Frames::new(), Vec::new());
    let mut whole = true;
    for chunk in stream.chunks(size) {
        let pushed = frames.push::<Damaged>(chunk, |frame| {
            payloads.push(frame.payload().to_vec());
            Ok(Flow::More)
        });
        whole = pushed.is_ok();
        if !whole {
            break;
        }
    }
    (payloads, whole)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, _, stream)) = cut(data) else { return };
    assert_eq!(read(stream, size), read(stream, stream.len().max(1)));
});
