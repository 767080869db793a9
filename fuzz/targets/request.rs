//! Requests on their way into every dialect.

#![no_main]

use std::sync::LazyLock;

use gateway_fuzz::{Upstream, converse, encode, gemini, ollama, openai};
use gateway_openai::Api;
use libfuzzer_sys::fuzz_target;

static UPSTREAMS: LazyLock<Vec<Upstream>> = LazyLock::new(|| {
    vec![openai(Api::Chat), openai(Api::Responses), gemini(), converse(), ollama()]
});

fuzz_target!(|data: &[u8]| {
    for upstream in UPSTREAMS.iter() {
        if let Some(encoded) = encode(upstream, data) {
            serde_json::from_str::<serde_json::Value>(&encoded.body).expect("JSON");
        }
    }
});
