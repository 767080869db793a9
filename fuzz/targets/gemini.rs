//! Replies of Gemini.

#![no_main]

use std::sync::LazyLock;

use gateway_fuzz::{Upstream, gemini, read};
use libfuzzer_sys::fuzz_target;

static UPSTREAM: LazyLock<Upstream> = LazyLock::new(|| gemini());

fuzz_target!(|data: &[u8]| read(&UPSTREAM, data));
