//! Which threads did the work.

use crate::phases::Phases;
use slowpath_profile::classify::Category;
use slowpath_profile::recording::{Event, SystemSample};
use slowpath_profile::tables::{FunctionId, Profile, ThreadSamples};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// A thread belongs to those that serve when it was busy at least this share of the busiest one's time. Cluster
/// workers share load within a factor of two or so; helpers that only tick fall far below.
pub(crate) const SERVING_SHARE: f64 = 0.25;

/// A thread that did a good part of the work.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingThread {
    /// Index into [`Profile::threads`].
    pub index: usize,
    /// Process id.
    pub pid: u32,
    /// Node's `threadId`.
    pub thread: u32,
    /// Sampled time not idle.
    pub busy: Nanos,
    /// Sampled time.
    pub wall: Nanos,
    /// Samples not idle.
    pub n_busy_samples: usize,
}

impl ServingThread {
    /// Share of the sampled time that it was busy.
    pub fn utilisation(&self) -> f64 {
        if self.wall == Nanos(0) { 0.0 } else { self.busy.0 as f64 / self.wall.0 as f64 }
    }
}

/// Returns the threads that did the work, busiest first.
pub fn serving_threads(profile: &Profile) -> Vec<ServingThread> {
    let mut threads = all_threads(profile);
    let busiest = threads.first().map_or(0, |thread| thread.busy.0) as f64;
    threads.retain(|thread| thread.busy.0 as f64 >= busiest * SERVING_SHARE);
    threads
}

/// Returns all threads that have samples, busiest first.
pub(crate) fn all_threads(profile: &Profile) -> Vec<ServingThread> {
    let mut threads: Vec<_> =
        profile.threads.iter().enumerate().map(|(index, thread)| measure(profile, index, thread)).collect();
    threads.sort_by_key(|thread| (std::cmp::Reverse(thread.busy), thread.pid, thread.thread));
    threads
}

/// Returns the process in whose serving threads `function` was on the stack for longest; `None` where it was in none.
pub fn process_running(profile: &Profile, serving: &[ServingThread], function: FunctionId) -> Option<u32> {
    let stacks = &profile.stacks;
    // Parents come before children, so one pass tells for every stack.
    let mut holds = Vec::with_capacity(stacks.len());
    for (parent, own) in stacks.parent.iter().zip(&stacks.function) {
        let held = *own == function || parent.is_some_and(|parent| holds[parent.0 as usize]);
        holds.push(held);
    }
    let mut time_in: BTreeMap<u32, u64> = BTreeMap::new();
    for thread in serving {
        let samples = &profile.threads[thread.index];
        let busy =
            samples.stack.iter().zip(&samples.duration).filter(|(stack, _)| !is_idle(profile, stack.0));
        let held = busy.filter(|(stack, _)| holds[stack.0 as usize]);
        *time_in.entry(thread.pid).or_default() += held.map(|(_, duration)| duration.0).sum::<u64>();
    }
    let longest = time_in.into_iter().max_by_key(|(pid, time)| (*time, std::cmp::Reverse(*pid)))?;
    (longest.1 > 0).then_some(longest.0)
}

fn measure(profile: &Profile, index: usize, thread: &ThreadSamples) -> ServingThread {
    let mut serving = ServingThread {
        index,
        pid: thread.pid,
        thread: thread.thread,
        busy: Nanos(0),
        wall: Nanos(0),
        n_busy_samples: 0,
    };
    for (stack, duration) in thread.stack.iter().zip(&thread.duration) {
        serving.wall = serving.wall + *duration;
        if !is_idle(profile, stack.0) {
            serving.busy = serving.busy + *duration;
            serving.n_busy_samples += 1;
        }
    }
    serving
}

pub(crate) fn is_idle(profile: &Profile, stack: u32) -> bool {
    let function = profile.stacks.function[stack as usize];
    profile.functions.get(function).category == Category::Idle
}

/// Returns the process to speak of: that of the busiest sampled thread, else the Node process with the most CPU time.
pub(crate) fn main_pid(recording: &Recording, serving: &[ServingThread], phases: &Phases) -> Option<u32> {
    if let Some(busiest) = serving.first() {
        return Some(busiest.pid);
    }
    let nodes = recording.events.iter().filter_map(|timed| match &timed.event {
        Event::Process(hello) => Some(hello.pid),
        _ => None,
    });
    let spent = |pid: u32| -> Nanos {
        let run = |sample: &SystemSample| -> Nanos {
            let process = sample.processes.iter().find(|process| process.pid == pid);
            Nanos(process.map_or(0, |process| process.tasks.iter().map(|task| task.run.0).sum()))
        };
        let mut measured = recording.system.iter().filter(|sample| phases.is_measured(sample.t)).map(run);
        let first = measured.next().unwrap_or_default();
        measured.fold(Nanos(0), |most, run| most.max(run.since(first)))
    };
    nodes.max_by_key(|pid| (spent(*pid), std::cmp::Reverse(*pid)))
}
