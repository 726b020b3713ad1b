//! The two clocks of this crate: monotonic wall time and the CPU time of the calling thread. No calendar time.

use rustix::time::{ClockId, clock_gettime};

pub(crate) const NS_PER_S: u64 = 1_000_000_000;
pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// Returns `CLOCK_MONOTONIC` in nanoseconds; a vDSO call, about 25 ns.
pub(crate) fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Returns the CPU time that the calling thread has used, in nanoseconds; a system call.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64
}

/// Returns nanoseconds as seconds, for texts.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / NS_PER_S as f64
}
