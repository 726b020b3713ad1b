//! How long tests wait, and when they try again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Longest wait for anything: a hang fails with what was seen so far and does not stop the suite.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

thread_local! {
    /// Whether a report that this test read says that others used the machine meanwhile.
    pub(crate) static DISTURBED: Cell<bool> = const { Cell::new(false) };
}

/// Tries a test that judges numbers again, where it failed on a machine that was busy with other work: `starved` and
/// the like are then the honest answer, and say nothing of the target. What the third attempt says stands.
pub(crate) fn undisturbed(attempt: impl Fn()) {
    for _ in 0..2 {
        DISTURBED.set(false);
        let Err(failure) = catch_unwind(AssertUnwindSafe(&attempt)) else { return };
        if !DISTURBED.get() {
            resume_unwind(failure);
        }
        eprintln!("the machine was busy with other work; trying again");
    }
    attempt();
}
