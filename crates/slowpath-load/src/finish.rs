//! Tells the caller that all requests of a load have ended, where its plan has a last one.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many threads of a load still have requests, and someone who waits for none.
#[derive(Debug)]
pub(crate) struct Finish {
    n_running: Mutex<u32>,
    changed: Condvar,
}

impl Finish {
    pub(crate) fn new(n_threads: u32) -> Self {
        Self { n_running: Mutex::new(n_threads), changed: Condvar::new() }
    }

    /// A thread has no request left.
    pub(crate) fn one_has_finished(&self) {
        let mut n_running = self.n_running.lock().unwrap_or_else(PoisonError::into_inner);
        *n_running -= 1;
        self.changed.notify_all();
    }

    /// Waits at most `patience` until no thread has requests left, and tells whether that is so.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let n_running = self.n_running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(n_running, patience, |n_running| *n_running > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}
