//! Replies of Chat Completions.

#![no_main]

use std::sync::LazyLock;

use gateway_fuzz::{Upstream, openai, read};
use libfuzzer_sys::fuzz_target;
use gateway_openai::Api;

static UPSTREAM: LazyLock<Upstream> = LazyLock::new(|| openai(Api::Chat));

fuzz_target!(|data: &[u8]| read(&UPSTREAM, data));
