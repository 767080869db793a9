//! Replies of Ollama.

#![no_main]

use std::sync::LazyLock;

use gateway_fuzz::{Upstream, ollama, read};
use libfuzzer_sys::fuzz_target;

static UPSTREAM: LazyLock<Upstream> = LazyLock::new(|| ollama());

fuzz_target!(|data: &[u8]| read(&UPSTREAM, data));
