//! Claude's own stream out of Amazon's.

#![no_main]

use gateway_bedrock::Unwrap;
use gateway_fuzz::{amazon, cut};
use gateway_translate::FaultCx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, end, stream)) = cut(data) else { return };
    let cx = FaultCx { provider: "up", model: "anthropic.claude-opus-4-7", prompt_estimate: 1 };
    let mut unwrap = Unwrap::new(&amazon(), &cx);
    let mut out = Vec::new();
    let read = stream.chunks(size).try_for_each(|chunk| unwrap.push(chunk, &mut out));
    let whole = read.and_then(|()| unwrap.finish(end, &mut out)).is_ok();
    assert_eq!(whole, unwrap.has_ended());
    let text = String::from_utf8(out).expect("a text");
    assert!(text.is_empty() || text.ends_with("\n\n"), "whole events only");
});
