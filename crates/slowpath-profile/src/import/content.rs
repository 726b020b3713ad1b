//! What an importer gives besides functions and stacks.

use super::BadInput;
use crate::Nanos;
use crate::tables::{StackId, ThreadSamples, Timing, WeightUnit};
use rustc_hash::FxHashMap;

/// Samples are at most this far apart from the first, so that no time of a broken file makes a report of millennia.
const LONGEST: Nanos = Nanos(400 * 24 * 3600 * crate::SECOND);

/// Weights of one file add up to at most this, so that those of several files can be added.
const LARGEST_SUM: Nanos = Nanos(1_000_000_000_000_000_000);

/// The threads of one file.
#[derive(Debug, Default)]
pub struct Content {
    /// What its weights count.
    pub unit: WeightUnit,
    /// Its threads; those without samples are left out when the file is done.
    pub threads: Vec<ThreadSamples>,
    /// What a reader of the report should know of the file, one sentence each.
    pub notes: Vec<String>,
    index_of: FxHashMap<(u32, u32), usize>,
}

impl Content {
    /// Starts a file whose weights count `unit`.
    pub(crate) fn new(unit: WeightUnit) -> Self {
        Self { unit, ..Self::default() }
    }

    /// Returns the index of the thread, adding it when new.
    pub(crate) fn thread(&mut self, pid: u32, thread: u32) -> usize {
        *self.index_of.entry((pid, thread)).or_insert_with(|| {
            self.threads.push(ThreadSamples { pid, thread, ..ThreadSamples::default() });
            self.threads.len() - 1
        })
    }

    /// Adds a thread of its own, with a number that no other of `pid` has, and returns it.
    pub(crate) fn new_thread(&mut self, pid: u32, name: &str) -> &mut ThreadSamples {
        let mut thread = self.threads.len() as u32;
        while self.index_of.contains_key(&(pid, thread)) {
            thread += 1;
        }
        let index = self.thread(pid, thread);
        name.clone_into(&mut self.threads[index].name);
        &mut self.threads[index]
    }

    /// Drops empty threads, puts samples in order, says where they begin and end.
    ///
    /// Refuses weights whose sum could not be counted.
    pub(crate) fn finish(&mut self) -> Result<(), BadInput> {
        let weights = self.threads.iter().flat_map(|thread| &thread.duration);
        let sum = weights.fold(Nanos(0), |sum, weight| sum + *weight);
        if sum > LARGEST_SUM {
            return Err(BadInput::at(0, "weights that add up to more than a quintillion"));
        }
        self.threads.retain(|thread| !thread.stack.is_empty());
        for thread in &mut self.threads {
            finish_thread(thread);
        }
        self.index_of.clear();
        Ok(())
    }

    /// Returns the number of samples of all threads.
    pub fn n_samples(&self) -> u64 {
        self.threads.iter().map(ThreadSamples::n_samples).sum()
    }
}

impl ThreadSamples {
    /// Adds a sample that was taken at a moment.
    #[inline]
    pub(crate) fn push(&mut self, start: Nanos, weight: Nanos, stack: StackId) {
        if self.timing == Timing::Summed {
            return self.push_sum(weight.0, 1, stack);
        }
        self.start.push(start);
        self.duration.push(weight);
        self.stack.push(stack);
    }

    /// Adds `count` samples of unknown moments, of `weight` together. A thread that has one such has no moments at all.
    pub(crate) fn push_sum(&mut self, weight: u64, count: u32, stack: StackId) {
        if self.timing != Timing::Summed {
            self.timing = Timing::Summed;
            self.start.fill(Nanos(0));
            self.count = vec![1; self.start.len()];
        }
        self.start.push(Nanos(0));
        self.duration.push(Nanos(weight));
        self.stack.push(stack);
        self.count.push(count);
    }

    /// Gives each sample the time until the next, the last one the time until `end`. Starts have to be in order.
    pub(crate) fn weigh_by_distance(&mut self, end: Nanos) {
        let next = self.start.iter().skip(1).copied().chain([end]);
        self.duration = self.start.iter().zip(next).map(|(start, next)| next.since(*start)).collect();
    }
}

fn finish_thread(thread: &mut ThreadSamples) {
    if !thread.start.is_sorted() {
        let mut order: Vec<_> = (0..thread.start.len()).collect();
        order.sort_by_key(|index| thread.start[*index]);
        thread.start = order.iter().map(|index| thread.start[*index]).collect();
        thread.duration = order.iter().map(|index| thread.duration[*index]).collect();
        thread.stack = order.iter().map(|index| thread.stack[*index]).collect();
        if !thread.count.is_empty() {
            thread.count = order.iter().map(|index| thread.count[*index]).collect();
        }
    }
    let first = thread.start.first().copied().unwrap_or_default();
    for start in &mut thread.start {
        *start = (*start).min(first + LONGEST);
    }
    if thread.timing == Timing::Recorded {
        let last = thread.start.last().zip(thread.duration.last());
        let end = last.map_or(first, |(start, duration)| *start + (*duration).min(LONGEST));
        thread.segments = vec![(first, end)];
    }
}
