//! Merges the intervals of all threads of a load, one per cut, and cuts when an interval is due.
//!
//! Every cut goes to all threads in the same order, so the k-th interval of each thread belongs to the k-th cut.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::generator::{Command, Commands, ThreadInterval};
use crate::interval::Interval;

/// What a load did from start to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadTotals {
    /// How many intervals were delivered.
    pub n_intervals: u64,
    /// All intervals merged, whatever their label; its own label is empty.
    pub whole: Interval,
}

/// Held while a command is given, so that all threads get all commands in the same order.
pub(crate) struct Threads(pub(crate) Mutex<Vec<Commands>>);

impl Threads {
    pub(crate) fn give_all(&self, command: &Command) {
        let commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commands.iter().for_each(|thread| thread.give(command.clone()));
    }
}

/// Runs on its own thread.
pub(crate) struct Collector {
    threads: Arc<Threads>,
    intervals: Receiver<ThreadInterval>,
    interval_ns: u64,
    /// Per thread, the intervals that wait for those of the other threads.
    queues: Vec<VecDeque<Interval>>,
    last_cut_ns: u64,
    totals: LoadTotals,
}

impl Collector {
    /// Prepares to collect from `n_threads`; the first interval begins at `start_ns`.
    pub(crate) fn new(
        threads: Arc<Threads>,
        intervals: Receiver<ThreadInterval>,
        n_threads: u32,
        interval_ns: u64,
        start_ns: u64,
    ) -> Self {
        Self {
            threads,
            intervals,
            interval_ns,
            queues: (0..n_threads).map(|_| VecDeque::new()).collect(),
            last_cut_ns: start_ns,
            totals: LoadTotals { n_intervals: 0, whole: Interval::empty(start_ns, start_ns) },
        }
    }

    /// Collects until all threads have ended.
    pub(crate) fn run(mut self, mut on_interval: impl FnMut(Interval)) -> LoadTotals {
        let mut next_cut_ns = self.last_cut_ns.saturating_add(self.interval_ns);
        loop {
            let pause = Duration::from_nanos(next_cut_ns.saturating_sub(clock::now_ns()));
            match self.intervals.recv_timeout(pause) {
                Ok(ThreadInterval { thread, interval }) => {
                    self.queues[thread].push_back(interval);
                    while self.queues.iter().all(|queue| !queue.is_empty()) {
                        self.deliver(&mut on_interval);
                        next_cut_ns = self.last_cut_ns.saturating_add(self.interval_ns);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.threads.give_all(&Command::Cut { next_label: None });
                    // Until the threads have answered; then the next cut follows from this one.
                    next_cut_ns = clock::now_ns().saturating_add(self.interval_ns);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // Something is left only if a thread ended early: what the others measured is not lost.
                    while self.queues.iter().any(|queue| !queue.is_empty()) {
                        self.deliver(&mut on_interval);
                    }
                    return self.totals;
                }
            }
        }
    }

    /// Merges the next interval of each thread and delivers the sum.
    fn deliver(&mut self, on_interval: &mut impl FnMut(Interval)) {
        let parts = self.queues.iter_mut().filter_map(VecDeque::pop_front);
        let Some(mut merged) = parts.reduce(|mut sum, part| {
            sum.join(&part);
            sum
        }) else {
            return;
        };
        // Threads cut microseconds apart; the intervals of the load as a whole join without a gap.
        merged.start_ns = self.last_cut_ns;
        self.last_cut_ns = merged.end_ns;
        self.totals.n_intervals += 1;
        self.totals.whole.merge(&merged);
        on_interval(merged);
    }
}
