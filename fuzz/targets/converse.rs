//! Replies of Converse.

#![no_main]

use std::sync::LazyLock;

use gateway_fuzz::{Upstream, converse, read};
use libfuzzer_sys::fuzz_target;

static UPSTREAM: LazyLock<Upstream> = LazyLock::new(|| converse());

fuzz_target!(|data: &[u8]| read(&UPSTREAM, data));
