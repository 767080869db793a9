//! The one clock of a measurement: upstream and load share it, so that an event can carry the time
//! at which it was sent.

use std::sync::OnceLock;
use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "a tool that measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since the first call of this function.
pub(crate) fn nanos() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let epoch = *EPOCH.get_or_init(now);
    u64::try_from(now().duration_since(epoch).as_nanos()).expect("a run is shorter than 500 years")
}

/// Nanoseconds that this thread has been on a core.
pub(crate) fn thread_nanos() -> usize {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    usize::try_from(nanos).expect("time on a core is positive")
}
